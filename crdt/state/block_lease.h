/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_BLOCK_LEASE_H
#define WARREN_BLOCK_LEASE_H

/*
 * Which leases and pools stand, where two sides of a partition made what cannot both hold, and which leases a member is
 * to end. Ids are hashes of what they name, so that the smaller id is nobody's choice.
 */

#include "crdt/base/arena.h"
#include "crdt/log/members.h"
#include "crdt/model/model.h"
#include "crdt/store.h"

/*
 * Of live leases of one pool that share an address, or a device, the one with the smallest id stands. Live is what
 * lives with all that it hangs on; else it does not stand either.
 */
enum code lease_stands(struct store_txn *txn, struct id lease, struct arena *arena, bool *ret_stands, struct err *err);

/* The live leases of one pool with the address, or the device, of `row`: itself and others, ascending; in `arena`. */
enum code lease_sharing(struct store_txn *txn, const struct lease_row *row, size_t place, struct arena *arena,
			struct id **ret_ids, size_t *ret_count, struct err *err);

/*
 * Of two pools that overlap on one gateway the one with the larger id counts as absent. A pool is on the gateway whose
 * own it is, and on those that have a live interface with it. *ret_other is the one that goes before, if any does.
 */
enum code pool_stands(struct store_txn *txn, struct id pool, struct arena *arena, bool *ret_stands,
		      struct id *ret_other, struct err *err);

/* Whether any address is in both, of either version. */
bool pools_overlap(const struct pool_row *a, const struct pool_row *b);

/*
 * A lease that a member is to end, by writing `dead` to it: as the owner of its block, when its device, the device's
 * user or the pool is dead; as the one that made it, or that one's heir, when it lost its address or device to another.
 */
struct lease_due {
	struct id lease, device, pool;
	bool wants_another; /* the device lost its only one: a new lease of it belongs into the same entry */
};

/* Where a walk over all leases is; zeroed it is at the beginning, and is again when all were seen. */
struct lease_walk {
	bool is_begun;
	struct id last;
};

/*
 * Looks at up to `steps` further leases, dead ones too, and notes those due of this member: at most `most`, then it
 * ends there. Whatever it skips comes again with the next walk.
 */
enum code lease_find_due(struct store_txn *txn, const struct members *members, uint64_t node, struct lease_walk *walk,
			 size_t steps, struct arena *arena, struct lease_due *ret_due, size_t most, size_t *ret_count,
			 struct err *err);

#endif
