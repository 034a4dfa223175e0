/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_WORLD_H
#define WARREN_TEST_WORLD_H

/*
 * What the tests of the state share: a store on a disk in memory, random ops on random records of all kinds, also of
 * unknown ones, and the index entries that a look at all records says there should be.
 */

#include "crdt/state/index.h"
#include "crdt/state/state.h"
#include "tests/sim/store_mem.h"
#include "tests/unit/model/gen_row.h"

enum { WORLD_IDS = 120 };

struct known {
	uint32_t kind;
	struct id id;
};

struct world {
	struct mem_disk *disk;
	struct store *store;
	struct rng rng;
	struct known known[WORLD_IDS];
	size_t count;
};

void world_start(struct world *world, uint64_t seed);
void world_end(struct world *world);

/* `count` random ops in one transaction. */
void world_step(struct world *world, size_t count);

/* One random op: a record new or known, whole, changed, broken or dead. */
struct record *world_op(struct world *world, struct arena *arena, struct known *ret_known);

/* All index entries as they are, and as a naive look at every record says; each one after the other, with its size. */
void world_index(struct store_txn *txn, struct buf *buf);
void world_naive_index(struct store_txn *txn, struct buf *buf);

#endif
