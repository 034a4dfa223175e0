/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_LIVE_H
#define WARREN_LIVE_H

/*
 * Whether a record counts, beyond its own bytes: while what it hangs on is there and lives, and no hold is on it.
 */

#include "crdt/base/arena.h"
#include "crdt/model/model.h"
#include "crdt/store.h"

/* How far parents are followed; model.def has no longer chain, and makes no circle. */
enum { LIVE_DEPTH = 8 };

/* The row, if the record and all that it hangs on live and are valid; else E_ABSENT, or why it is invalid. */
enum code live_row(struct store_txn *txn, const struct kind *kind, struct id id, void *ret_row, struct err *err);

/*
 * Whether all that a row hangs on lives: its parents, and theirs. E_ABSENT names the field. `look` gives a record's own
 * row, so that changes which are not written yet may count.
 */
typedef enum code live_look(void *context, const struct kind *kind, struct id id, void *ret_row, struct err *err);
enum code live_parents(live_look *look, void *context, const struct kind *kind, const void *row, struct err *err);

/* Whether `row` has the field, it names a record, and of what kind; NULL when this version does not know the kind. */
bool live_names(const struct kind *kind, size_t place, const void *row, const struct kind **ret_kind,
		struct id *ret_id);

/* Whether anything holds the subject itself (not what it hangs on). */
enum code live_is_held(struct store_txn *txn, struct ref subject, struct arena *arena, bool *ret_is_held,
		       struct err *err);

/* The live holds on a subject: ids in `arena`, ascending. */
enum code live_holds(struct store_txn *txn, struct ref subject, struct arena *arena, struct id **ret_ids,
		     size_t *ret_count, struct err *err);

#endif
