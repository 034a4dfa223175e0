/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_COLLECT_H
#define WARREN_COLLECT_H

/*
 * Collecting: the dead that nobody can bring back any more are forgotten, some at a time. Which those are is for
 * whoever watches what the members acknowledge (gossip/rounds.h): here they are the ones on the list (dead.h) up to a
 * number. No query and no root changes by it.
 */

#include "crdt/base/arena.h"
#include "crdt/state/dead.h"

enum { COLLECT_MOST = 256, COLLECT_LOOK = 8 * COLLECT_MOST };

/* How far a walk over the list has come. Zeroed: it begins. */
struct collect_walk {
	uint8_t last[DEAD_KEY_SIZE]; /* behind this it goes on */
	bool is_begun, is_done;
};

/*
 * Goes on with a walk: looks at no more than COLLECT_LOOK entries, and forgets up to COLLECT_MOST whose number is at
 * most `last`; *ret_count of them. What the list should not name stays, for the check to tell. After a failure the
 * transaction is to be abandoned, and the walk with it.
 */
enum code collect_some(struct store_txn *txn, uint64_t last, struct collect_walk *walk, struct arena *arena,
		       size_t *ret_count, struct err *err);

#endif
