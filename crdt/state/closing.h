/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CLOSING_H
#define WARREN_CLOSING_H

/*
 * Closing rows: what each member had merged of a start when that became closed for it. Of a closed start a batch counts
 * when it is an end that a row names, or comes before one on its chain.
 *
 * A row that is merged counts: for what does not count is not merged. So two closed nodes cannot vouch for each other,
 * and nobody has to work out who may be believed.
 */

#include "crdt/base/arena.h"
#include "crdt/log/vector.h"
#include "crdt/state/judge.h"
#include "crdt/store.h"

/* What is closed: a start of a node, or with 0 all of them, by eviction. */
struct closed_start {
	uint64_t node, start;
};

/* The ends of a stream that any row names, ascending, each once; in `arena`. */
enum code closing_ends(struct store_txn *txn, struct stream stream, struct arena *arena, struct end **ret_ends,
		       size_t *ret_count, struct err *err);

/* Whether `member` has published a row for just that: of a start one about the whole node will not do. */
enum code closing_has_row(struct store_txn *txn, uint64_t member, struct closed_start closed, struct arena *arena,
			  bool *ret_has, struct err *err);

/* What rows say about all starts of one node, read once for however many of them are closed; in `arena`. */
struct closing_said {
	uint64_t member;
	struct arena *arena;
	const struct frontier *ends; /* of the node, in the vector */
	bool *is_named;              /* of each of them, by any row */
	size_t count;
	uint64_t *starts; /* of which the member has a row; ascending */
	size_t starts_count, starts_room;
	bool has_all; /* it has one of the whole node */
};

/* `vector`: what the member has merged; it stays as it is for as long as this is used. */
enum code closing_read(struct store_txn *txn, uint64_t member, uint64_t subject, const struct vector *vector,
		       struct arena *arena, struct closing_said *ret_said, struct err *err);

/*
 * Whether the member owes a row: it has none, or has merged an end that no row names: where a start was open again in
 * between, or one row had no room for all. *ret_from counts the ends before the first such.
 */
bool closing_is_due(const struct closing_said *said, struct closed_start closed, size_t *ret_from);

/* It wrote one of the ends from there on: whether it owes a further one. */
bool closing_wrote(struct closing_said *said, struct closed_start closed, size_t from, size_t *ret_from);

/* The member's own wish to write its row, of the ends from there on; in `arena`. */
struct change closing_change(uint64_t member, struct closed_start closed, const struct vector *vector, size_t from,
			     struct arena *arena);

#endif
