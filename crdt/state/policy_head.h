/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_POLICY_HEAD_H
#define WARREN_POLICY_HEAD_H

/*
 * A policy's heads: its versions that no other version of the same policy replaces. One is the rule; several are a
 * conflict, and a packet must pass all of them; none, or more than POLICY_HEADS_MAX, let nothing pass.
 */

#include "crdt/base/arena.h"
#include "crdt/model/model.h"
#include "crdt/store.h"

enum { POLICY_HEADS_MAX = 16 };

/* Ascending by id, in `arena`; all of them, also when they are too many. */
enum code policy_heads(struct store_txn *txn, struct id policy, struct arena *arena, struct id **ret_ids,
		       size_t *ret_count, struct err *err);

#endif
