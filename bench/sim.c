/* SPDX-License-Identifier: Apache-2.0 */

/* How much faster than its own time a whole simulated cluster runs, while its invariants are checked. */

#include "bench/cluster.h"
#include "tests/sim/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MEMBERS = 15, SLICES = 20 };

struct sim {
	struct world *world;
	struct check *check; /* NULL: nobody checks */
};

static void replied(void *context, struct machine *machine, const struct reply *reply)
{
	check_replied(((struct sim *)context)->check, machine, reply);
}

static void changed(void *context, struct machine *machine, uint32_t kind, struct id id)
{
	check_changed(((struct sim *)context)->check, machine, kind, id);
}

static void stepped(void *context, struct machine *machine)
{
	check_stepped(((struct sim *)context)->check, machine);
}

static void booted(void *context, struct machine *machine)
{
	check_booted(((struct sim *)context)->check, machine);
}

static void died(void *context, struct machine *machine)
{
	check_died(((struct sim *)context)->check, machine);
}

static void begin(struct sim *sim, bool is_checked)
{
	struct world_options options = { .machines = MEMBERS, .commit_ns = CLUSTER_MS };

	if (is_checked)
		options.hooks = (struct world_hooks){ .context = sim,
						      .replied = replied,
						      .changed = changed,
						      .stepped = stepped,
						      .booted = booted,
						      .died = died };
	sim->world = cluster_new(options, false);
	sim->check = is_checked ? check_new(sim->world) : NULL;
	cluster_start(sim->world);
}

static void end(struct sim *sim)
{
	const char *violation = NULL;

	if (sim->check) {
		check_full(sim->check);
		violation = check_violation(sim->check);
	}
	if (violation) {
		fprintf(stderr, "bench: %s\n", violation);
		exit(1);
	}
	check_free(sim->check);
	world_free(sim->world);
}

/* Of this process: who else uses the machine counts for little. */
static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double run_slice(struct sim *sim, size_t seconds)
{
	double began = cpu_seconds();

	for (size_t i = 0; i < seconds; i++) {
		uint32_t machine = (uint32_t)(i % MEMBERS);

		if (sim->check)
			check_asked(sim->check, sim->world->requests + 1, machine);
		cluster_write(sim->world, machine);
		cluster_run(sim->world, CLUSTER_SECOND);
	}
	return cpu_seconds() - began;
}

static void measure(bool is_checked, size_t seconds)
{
	struct sim sim;
	double speeds[SLICES], paces[SLICES];

	begin(&sim, is_checked);
	for (size_t i = 0; i < SLICES; i++) {
		uint64_t steps = sim.world->steps;
		double took = run_slice(&sim, seconds);

		speeds[i] = (double)seconds / took;
		paces[i] = (double)(sim.world->steps - steps) / took;
	}
	end(&sim);
	figure_print(
		&(struct figure){ is_checked ? "sim.times_real" : "sim.unchecked_times_real", "virtual s by s of CPU",
				  is_checked ? ">= 1000: 15 members, one write a virtual second, invariants on" : "-",
				  median(speeds, SLICES), NULL, 0 });
	figure_print(&(struct figure){ is_checked ? "sim.steps_per_s" : "sim.unchecked_steps_per_s", "1/s of CPU", "-",
				       median(paces, SLICES), NULL, 0 });
}

int main(int argc, char **argv)
{
	size_t seconds = figure_is_quick(argc, argv) ? 2 : 60;

	measure(true, seconds);
	measure(false, seconds);
	return 0;
}
