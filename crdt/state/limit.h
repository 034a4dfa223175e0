/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_LIMIT_H
#define WARREN_LIMIT_H

/*
 * How many devices a user may have: the first ones by (ordinal, id), up to what the plan says, count; the others are
 * off. A function of the state, without a clock, so everybody turns off the same ones. Held and expired devices count
 * like others. A plan that was removed, or is invalid, limits nobody, as none does: a slip with a plan must not turn
 * off the devices of all who have it.
 */

#include "crdt/base/arena.h"
#include "crdt/model/model.h"
#include "crdt/store.h"

struct owned {
	struct id id;
	uint64_t ordinal;
	bool is_within;
};

/* The user's live devices by (ordinal, id); in `arena`. *ret_most is the plan's limit, UINT64_MAX for none. */
enum code limit_devices(struct store_txn *txn, struct id user, struct arena *arena, struct owned **ret_owned,
			size_t *ret_count, uint64_t *ret_most, struct err *err);

/* One more than the largest ordinal; at the ceiling the ceiling. */
uint64_t limit_next_ordinal(const struct owned *owned, size_t count);

#endif
