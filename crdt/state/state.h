/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_STATE_H
#define WARREN_STATE_H

/*
 * The state: records in the store, with their indexes, marks and the list of the dead, as readers may see them.
 *
 * A write merges; there is no other. Record, index entries, marks and list change in one transaction. A record that is
 * dead, lacks its identity, or breaks this version's limits is kept and merged but is not there for readers. Rows and
 * bytes are borrowed from the transaction.
 */

#include "crdt/base/arena.h"
#include "crdt/model/record.h"
#include "crdt/state/root.h"
#include "crdt/store.h"

/* Before the first use of a store: when the model that wrote it was another, its indexes are made anew. */
enum code state_open(struct store *store, struct err *err);

/*
 * Makes indexes, marks and list anew whatever they are, from records that are all sound, and takes the root out, which
 * the next root_read works out. Cut short, it leaves indexes that are nobody's, and the next state_open ends it.
 */
enum code state_rebuild(struct store *store, struct err *err);

/* Whether indexes, marks and list are those of this version's model; not so while a rebuild has not ended. */
enum code state_is_current(struct store_txn *txn, bool *ret_is_current, struct err *err);

/* Whether an entry, or all of a table, follows from the records and so can be made anew. */
bool state_is_derived(struct bytes key);

/*
 * Merges `with` into the record and the root (NULL: a state without a cluster); *ret_is_changed says whether that made
 * a difference: nothing merged into nothing does not. E_VALUE when its identity does not give `id`, E_LIMIT when no
 * kind can have such a number.
 */
enum code state_merge(struct store_txn *txn, struct root *root, uint32_t kind, struct id id, const struct record *with,
		      struct arena *arena, bool *ret_is_changed, struct err *err);

/* The two halves of it, for whoever judges several before the first is merged. */
enum code state_judge(uint32_t kind, struct id id, const struct record *with, struct err *err);
enum code state_merge_judged(struct store_txn *txn, struct root *root, uint32_t kind, struct id id,
			     const struct record *with, struct arena *arena, bool *ret_is_changed, struct err *err);

/*
 * Puts a record as it is into a state that has none of that id: for whoever fills an empty one. What
 * its entries are is noted in `derived`; state_put_derived puts them, all at once and in order, and state_list_dead
 * lists the dead (dead.h), as of the round that this member is in.
 */
struct derived_keys {
	struct bytes *all;
	size_t count, room;
	struct derived_dead {
		uint32_t kind;
		struct id id;
	} * dead;
	size_t dead_count, dead_room;
	struct arena arena;
};
enum code state_add(struct store_txn *txn, struct root *root, uint32_t kind, struct id id, struct bytes record,
		    struct derived_keys *derived, struct err *err);
enum code state_put_derived(struct store_txn *txn, struct derived_keys *derived, struct err *err);
enum code state_list_dead(struct store_txn *txn, const struct derived_keys *derived, struct err *err);
void derived_keys_done(struct derived_keys *derived);

/*
 * Takes a record that is on the list of the dead out of the store, with its marks. E_VALUE for one that lives, or may
 * come again under its id: a device's key stays revoked for good.
 */
enum code state_forget(struct store_txn *txn, uint32_t kind, struct id id, struct arena *arena, struct err *err);

/* The record as it is stored. E_ABSENT. */
enum code state_record(struct store_txn *txn, uint32_t kind, struct id id, struct bytes *ret_record, struct err *err);

/* The row of a live and valid record. E_ABSENT; E_VALUE or E_LIMIT, saying why, when it is invalid. */
enum code state_row(struct store_txn *txn, const struct kind *kind, struct id id, void *ret_row, struct err *err);

/*
 * The records of a kind whose field (or an item of it) is `slot`; with NULL all that have the field, in order of its
 * values. Ends before its transaction does.
 *
 * `from` is empty, or what state_place said: a list goes on right behind there in a later transaction too, whether or
 * not that record is still there, and without a look at what comes before. It may be any bytes; E_VALUE when they are
 * more than a place has.
 */
struct state_cursor;
enum code state_find(struct store_txn *txn, const struct kind *kind, const struct field *field, const void *slot,
		     struct bytes from, struct state_cursor **ret_cursor, struct err *err);

/* All records of a kind, or of all kinds with 0: also the dead, the invalid and the unknown. */
enum code state_all(struct store_txn *txn, uint32_t kind, struct bytes from, struct state_cursor **ret_cursor,
		    struct err *err);

/* E_ABSENT after the last. */
enum code state_next(struct state_cursor *cursor, uint32_t *ret_kind, struct id *ret_id, struct err *err);

/* Where the last record was, for the `from` of a further list; borrowed from the cursor, until its next use. */
struct bytes state_place(const struct state_cursor *cursor);
void state_find_end(struct state_cursor *cursor);

/*
 * Checks every record's form and identity; when indexes, marks and list are current, that their entries are exactly
 * those that the records ask for; and that the root, where one is stored, is that of the records. E_DAMAGED if `found`
 * was told anything.
 */
enum code state_check(struct store_txn *txn, store_found *found, void *context, struct err *err);

#endif
