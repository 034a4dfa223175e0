/* SPDX-License-Identifier: Apache-2.0 */

/* What members say to each other to find out that they have the same, or what one of them lacks. */

#include "bench/cluster.h"

#include <stdio.h>

enum { BATCH = 64 };

static void measure_in_sync(size_t seconds)
{
	struct world_options options = { .machines = 15, .commit_ns = CLUSTER_MS };
	struct world *world = cluster_new(options, true);
	uint64_t before;

	cluster_start(world);
	for (uint32_t i = 0; i < options.machines; i++)
		cluster_write(world, i);
	cluster_run(world, 30 * CLUSTER_SECOND);
	before = cluster_bytes_sent(world);
	cluster_run(world, seconds * CLUSTER_SECOND);
	figure_print(&(struct figure){
		"antientropy.insync_bytes", "B a member and second, all that is sent", "<= 64",
		(double)(cluster_bytes_sent(world) - before) / (double)seconds / options.machines, NULL, 0 });
	world_free(world);
}

/* The first is written alone, the others wait for its commit and are written together. */
static void write_batches(struct world *world, uint32_t machine, size_t count)
{
	while (count) {
		size_t part = count < BATCH ? count : BATCH;

		for (size_t i = 0; i < part; i++)
			cluster_write(world, machine);
		cluster_run(world, 2 * CLUSTER_MS);
		count -= part;
	}
}

/* Sealed bytes that are neither batches nor statements. */
static uint64_t talk(void)
{
	uint64_t bytes = 0;

	for (size_t kind = FRAME_T0_REFUSE + 1; kind < FRAME_KINDS; kind++)
		if (kind != FRAME_BATCH)
			bytes += cluster_frames.bytes[kind];
	return bytes;
}

static void measure_difference(size_t records, size_t missing)
{
	struct world_options options = { .machines = 2, .commit_ns = CLUSTER_MS };
	struct world *world = cluster_new(options, false);
	uint64_t before;

	cluster_start(world);
	write_batches(world, 0, records / 2);
	write_batches(world, 1, records / 2);
	cluster_settle(world);
	cluster_run(world, 20 * CLUSTER_SECOND);
	world_kill(world, 1);
	write_batches(world, 0, missing);
	cluster_run(world, 20 * CLUSTER_SECOND);
	before = talk();
	if (!world_boot(world, 1)) {
		fprintf(stderr, "bench: it does not start: %s\n", world->machines[1].died_of);
		world_free(world);
		return;
	}
	while (!world_mesh(world, 1)->peers[0]->link || !world_is_settled(world))
		cluster_run(world, CLUSTER_MS);
	figure_print(&(struct figure){ "antientropy.d1000_overhead_bytes",
				       "B both ways beside batches, statements and the handshake", "<= 300",
				       (double)(talk() - before), NULL, 0 });
	world_free(world);
}

int main(int argc, char **argv)
{
	bool is_quick = figure_is_quick(argc, argv);

	measure_in_sync(is_quick ? 30 : 300);
	measure_difference(is_quick ? 2000 : 100000, 1000);
	return 0;
}
