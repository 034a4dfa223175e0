/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_ROWS_H
#define WARREN_ROWS_H

/*
 * Rows as changes: what the agent itself writes.
 */

#include "crdt/base/arena.h"
#include "crdt/model/model.h"
#include "crdt/state/found.h"
#include "crdt/state/judge.h"

/* The wish to make that row, checked, and the id that its identity gives; in `arena`. E_VALUE, E_LIMIT. */
enum code rows_create(const struct kind *kind, const void *row, struct arena *arena, struct change *ret_change,
		      struct id *ret_id, struct err *err);

/* The wish to make that row, whose nonce whoever judges it chooses. */
struct change rows_new(const struct kind *kind, const void *row, struct arena *arena);

/* The wish to set those fields of the row of that id which `row` has, but for its identity. */
struct change rows_set(const struct kind *kind, struct id id, const void *row, struct arena *arena);

/* A member's own row about itself. E_ABSENT. */
enum code rows_fact(struct store_txn *txn, uint64_t node, struct arena *arena, struct gateway_fact_row *ret_row,
		    struct err *err);

/* What the gateway's record says; E_ABSENT. */
enum code rows_gateway(struct store_txn *txn, struct id gateway, struct gateway_row *ret_row, struct err *err);

#endif
