/* SPDX-License-Identifier: Apache-2.0 */

/* How much faster than its own time a whole simulated cluster runs. */

#include "bench/cluster.h"

#include <time.h>

enum { MEMBERS = 15 };

/* Of this process: who else uses the machine does not count. */
static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	size_t seconds = figure_is_quick(argc, argv) ? 20 : 1200;
	struct world_options options = { .machines = MEMBERS, .commit_ns = CLUSTER_MS };
	struct world *world = cluster_new(options, false);
	uint64_t steps = world->steps;
	double began = cpu_seconds(), took;

	for (size_t i = 0; i < seconds; i++) {
		cluster_write(world, (uint32_t)(i % MEMBERS));
		cluster_run(world, CLUSTER_SECOND);
	}
	cluster_settle(world);
	took = cpu_seconds() - began;
	figure_print(&(struct figure){ "sim.times_real", "virtual s/s of CPU",
				       ">= 1000: 15 members, one write a virtual second", (double)seconds / took, NULL,
				       0 });
	figure_print(&(struct figure){ "sim.steps_per_s", "1/s of CPU", "-", (double)(world->steps - steps) / took,
				       NULL, 0 });
	world_free(world);
	return 0;
}
