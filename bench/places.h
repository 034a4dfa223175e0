/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_BENCH_PLACES_H
#define WARREN_BENCH_PLACES_H

/*
 * Where the servers of a large cluster are: nineteen regions with as many servers each as one provider's mesh had, by
 * weight, and the time that light in glass takes between them, with a little for the way to it.
 */

#include "tests/sim/net.h"

struct places {
	uint32_t count;
	uint32_t *regions;  /* of each member */
	const char **names; /* the same, as a gateway's region is called */
};

struct places places_make(uint32_t members);
void places_done(struct places *places);

/* Sets the delays of all paths. */
void places_set(const struct places *places, struct net *net);

/* One way, to the member that is furthest away. */
double places_bound_ms(const struct places *places, uint32_t author);

/*
 * What that share of single segments takes, between members that chance picks, where so many of a million are lost:
 * the network of the simulator itself, with a link of its own for each.
 */
double places_hop_ms(const struct places *places, uint32_t loss_ppm, double share, size_t segments);

#endif
