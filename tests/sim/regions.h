/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_REGIONS_H
#define WARREN_SIM_REGIONS_H

/*
 * Fifteen regions of the world where servers are rented, and how long bytes take between them.
 *
 * The delays are halves of round trips as cloud providers and their observers publish them, rounded to milliseconds,
 * and none above 160: good for how far places are from each other, not for any one line.
 */

#include "tests/sim/net.h"

#include <stdio.h>

enum { REGIONS = 15, REGION_DELAY_MAX_MS = 160 };

const char *region_name(uint32_t region);

/* One way; the same both ways. Half a millisecond inside a region. */
uint64_t region_delay_ns(uint32_t from, uint32_t to);

/* Sets the delays of all paths: machine i is in region places[i], or, with NULL, in i modulo REGIONS. */
void regions_place(struct net *net, uint32_t machines, const uint32_t *places);

void regions_print(FILE *file);

#endif
