/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_SWARM_H
#define WARREN_SIM_SWARM_H

/*
 * One seed: a world with people in it, things that go wrong and in some an evil member; then all is mended, and what
 * must hold is checked.
 */

#include "tests/sim/check.h"
#include "tests/sim/evil.h"
#include "tests/sim/faults.h"
#include "tests/sim/people.h"

enum { SWARM_WRITES = 200, SWARM_MINUTES = 10 };

/* Sums over seeds. */
struct swarm_counts {
	uint64_t seeds, steps, commits, virtual_ms;
	struct mesh_counts mesh;
	struct net_counts net;
	struct mem_counts disk;
	struct people_counts people;
	struct faults_counts faults;
	struct evil_counts evil;
	struct check_counts check;
};

struct swarm_options {
	uint64_t seed;
	uint32_t minutes; /* of virtual time at least, with what goes wrong in the first four fifths */
	FILE *timeline;   /* NULL: none */
};

/* False: *ret_violation says what was. Adds to the counts. */
bool swarm_seed(const struct swarm_options *options, struct swarm_counts *counts, char ret_violation[320]);

/* Prints all counts. True: none is zero that should not be, or those are too few seeds to tell: less than a hundred. */
bool swarm_print(const struct swarm_counts *counts, FILE *file);

#endif
