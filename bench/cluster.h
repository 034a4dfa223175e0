/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_BENCH_CLUSTER_H
#define WARREN_BENCH_CLUSTER_H

/*
 * A cluster of the simulator's, and what is written in it: one bench record is an unindexed `setting` of 300 bytes with
 * its audit row. Signatures and seals are the simulator's stand-ins, which take as many bytes as the real ones.
 */

#include "bench/figure.h"
#include "crdt/gossip/frame_kind.h"
#include "tests/sim/world.h"

#define CLUSTER_SECOND UINT64_C(1000000000)
#define CLUSTER_MS UINT64_C(1000000)

/* The options' seed is set. */
struct world *cluster_new(struct world_options options, bool is_in_regions);

/* Makes all machines members and links them to each other, until nothing is on its way. */
void cluster_start(struct world *world);

/* Runs for so long. */
void cluster_run(struct world *world, uint64_t ns);

/* Runs until all have the same, or ends the program after a virtual minute. */
void cluster_settle(struct world *world);

void cluster_write(struct world *world, uint32_t machine);

/* Bytes that all machines handed to the network since the cluster was made. */
uint64_t cluster_bytes_sent(const struct world *world);

/* Sealed bytes and frames sent by all since the program began, by kind; handshakes are not among them. */
struct cluster_frames {
	uint64_t bytes[FRAME_KINDS], count[FRAME_KINDS];
};
extern struct cluster_frames cluster_frames;

#endif
