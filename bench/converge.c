/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How long a write takes to be durable everywhere, beside the time that light and glass take alone; how often it is
 * sent, and in how many bytes.
 */

#include "bench/cluster.h"
#include "tests/sim/regions.h"

#include <stdlib.h>

enum { MEMBERS = REGIONS, WRITES_MAX = 8192 };

/* When the entries of one member were durable at it, and where. */
struct origin {
	uint64_t seen[MEMBERS]; /* the seq that each member has */
	uint64_t written_ns[WRITES_MAX];
	uint32_t copies[WRITES_MAX];
};

struct watch {
	struct origin origins[MEMBERS];
	double times_ms[MEMBERS * WRITES_MAX], bounds_ms[MEMBERS * WRITES_MAX];
	size_t count;
};

static double bound_ms(uint32_t author)
{
	uint64_t most = 0;

	for (uint32_t i = 0; i < MEMBERS; i++)
		if (i != author && region_delay_ns(author, i) > most)
			most = region_delay_ns(author, i);
	return (double)most / CLUSTER_MS;
}

static void arrive(struct watch *watch, uint32_t author, uint64_t seq, uint64_t now)
{
	struct origin *a = &watch->origins[author];
	size_t at = seq % WRITES_MAX;

	if (!a->copies[at]++)
		a->written_ns[at] = now;
	if (a->copies[at] < MEMBERS)
		return;
	a->copies[at] = 0;
	watch->times_ms[watch->count] = (double)(now - a->written_ns[at]) / CLUSTER_MS;
	watch->bounds_ms[watch->count++] = bound_ms(author);
}

/* What a commit brought is durable and applied. */
static void stepped(void *context, struct machine *machine)
{
	struct watch *watch = context;
	const struct mesh *mesh = world_mesh(machine->world, machine->at);

	for (uint32_t i = 0; i < MEMBERS; i++) {
		struct stream stream = { machine->world->machines[i].id, 1, LANE_PEOPLE };
		uint64_t seq = vector_seq(&mesh->vector, stream), *seen = &watch->origins[i].seen[machine->at];

		while (*seen < seq)
			arrive(watch, i, ++*seen, world_now(machine->world));
	}
}

/* So many a second on the average, at times and members that chance picks. */
static void write_many(struct world *world, struct rng *rng, size_t count, uint32_t per_second)
{
	for (size_t i = 0; i < count; i++) {
		cluster_run(world, rng_below(rng, 2 * CLUSTER_SECOND / per_second));
		cluster_write(world, (uint32_t)rng_below(rng, MEMBERS));
	}
	cluster_settle(world);
}

static void print_times(struct watch *watch)
{
	double p50 = percentile(watch->times_ms, watch->count, 0.5);
	double p99 = percentile(watch->times_ms, watch->count, 0.99);
	double bound50 = percentile(watch->bounds_ms, watch->count, 0.5);
	double bound99 = percentile(watch->bounds_ms, watch->count, 0.99);

	figure_print(&(struct figure){ "converge.n15_p50_ms", "ms", "-", p50, "the longest way, no work", bound50 });
	figure_print(&(struct figure){ "converge.n15_p99_ms", "ms", "-", p99, "the longest way, no work", bound99 });
	figure_print(&(struct figure){ "converge.n15_p99_over_bound", "", "<= 1: p99 by the longest way x 1.15 + 10 ms",
				       p99 / (bound99 * 1.15 + 10), NULL, 0 });
}

static void print_copies(const struct world *world, const struct mesh_counts *before)
{
	struct mesh_counts now;
	uint64_t merged, came;

	world_counts(world, &now);
	merged = now.merged - before->merged;
	came = merged + now.duplicate - before->duplicate + now.gap - before->gap + now.fork - before->fork +
	       now.unplaced - before->unplaced + now.unknown_author - before->unknown_author;
	figure_print(&(struct figure){ "converge.n15_copies", "batches received by those that were news", "<= 1.05",
				       (double)came / (double)merged, NULL, 0 });
}

static void print_bytes(struct world *world, struct rng *rng, size_t count, uint32_t per_second, const char *name,
			const char *demand)
{
	uint64_t before = cluster_bytes_sent(world);

	write_many(world, rng, count, per_second);
	figure_print(&(struct figure){ name, "B by all 15 a write", demand,
				       (double)(cluster_bytes_sent(world) - before) / (double)count, NULL, 0 });
}

int main(int argc, char **argv)
{
	size_t count = figure_is_quick(argc, argv) ? 40 : 4000;
	struct rng rng = rng_from_number(1);
	struct watch *watch = must_alloc(sizeof *watch);
	struct world_options options = { .machines = MEMBERS, .commit_ns = CLUSTER_MS };
	struct mesh_counts before;
	struct world *world;

	options.hooks.context = watch;
	options.hooks.stepped = stepped;
	regions_print(stderr);
	world = cluster_new(options, true);
	cluster_start(world);
	world_counts(world, &before);
	print_bytes(world, &rng, count, 64, "converge.n15_bytes_per_write", "<= 12288 at 64 writes/s");
	print_times(watch);
	print_copies(world, &before);
	print_bytes(world, &rng, count / 10, 1, "converge.n15_bytes_per_write_slow", "- (at 1 write/s)");
	world_free(world);
	free(watch);
	return 0;
}
