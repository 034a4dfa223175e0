/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_STORE_H
#define WARREN_STORE_H

/*
 * The store: ordered keys and their values, on a disk that may lie.
 *
 * One writer at a time, any number of snapshots; a commit is durable when it returns, and atomic. Every value is kept
 * under a keyed hash of key and value that is verified at each read, and a ledger in the same transaction counts and
 * sums the entries, so that also a missing one is found. Nothing is returned that was not written: what fails its
 * hash is E_DAMAGED. The key's first byte is its table.
 *
 * Bytes that a read returns are borrowed from the transaction: until its end, or, in a writing one, until its next
 * put or delete.
 */

#include "crdt/base/err.h"

enum {
	STORE_KEY_MAX = 480,
	STORE_VALUE_MAX = 1 << 20,
	STORE_TABLES = 16, /* first bytes of keys: 0 to 15; 0 is the store's own */
	STORE_FORMAT = 1,
};

struct store;
struct store_txn;
struct store_cursor;

enum store_health {
	STORE_WELL,
	STORE_IS_FULL, /* the last commit found no room: reads go on, each write tries anew */
	STORE_STOPPED, /* the disk failed: nothing is believed any more, the process must end */
};

enum store_health store_health(const struct store *store);

/* A snapshot of the last commit. */
enum code store_snapshot(struct store *store, struct store_txn **ret_txn, struct err *err);

/* The one writing transaction; it reads what it wrote. To be begun, used and ended by one thread. */
enum code store_begin(struct store *store, struct store_txn **ret_txn, struct err *err);

/*
 * Ends the transaction either way. OK means durable; anything else means that this process will never see any of it.
 * After E_IO the next process may find all of it, or nothing.
 */
enum code store_commit(struct store_txn *txn, struct err *err);

/* Ends a snapshot, or abandons what a writing transaction wrote. NULL is fine. */
void store_end(struct store_txn *txn);

/* E_ABSENT when there is none. */
enum code store_get(struct store_txn *txn, struct bytes key, struct bytes *ret_value, struct err *err);

/*
 * After a put or delete failed, the commit fails the same way. Deleting what is absent is OK. Neither key nor value may
 * be borrowed from this transaction.
 */
enum code store_put(struct store_txn *txn, struct bytes key, struct bytes value, struct err *err);
enum code store_delete(struct store_txn *txn, struct bytes key, struct err *err);

/*
 * As store_put, of a key that is known not to be there: nothing is looked up. Keys that come in order, behind all that
 * there are, take the least room.
 */
enum code store_add(struct store_txn *txn, struct bytes key, struct bytes value, struct err *err);

/*
 * What a writing transaction saw under a key, so that a put there need not look again. Good until the transaction's
 * next put or delete.
 */
struct store_seen {
	bool is_there;
	uint64_t seal, changes;
};

/* As store_get in a writing transaction, but what is absent is OK: an empty value, and not there. */
enum code store_look(struct store_txn *txn, struct bytes key, struct bytes *ret_value, struct store_seen *ret_seen,
		     struct err *err);

/* As store_put; `value` may not be borrowed from this transaction either. */
enum code store_put_seen(struct store_txn *txn, struct bytes key, struct bytes value, const struct store_seen *seen,
			 struct err *err);

/*
 * Repair, for who can make anew what was damaged. Both go on past seals that do not fit; they need a sound structure.
 *
 * Puts a good value, over a damaged one too. The seal of the damaged one is unknown, so the table's sum is worked out
 * from the entries that are there: slow. The count stays, so that an entry that is missing is still missed. To be rid
 * of a damaged entry, replace it, then delete it.
 */
enum code store_replace(struct store_txn *txn, struct bytes key, struct bytes value, struct err *err);

/*
 * Takes up to `most` entries out of a table, sound or not; *ret_is_empty when none is left. Whatever was wrong with the
 * table is forgotten: with `is_first`, its ledger is first set to what is there, so that it is right at each commit on
 * the way. An emptied table's ledger is that of an empty one.
 */
enum code store_clear_some(struct store_txn *txn, uint8_t table, size_t most, bool is_first, bool *ret_is_empty,
			   struct err *err);

/*
 * The entries whose key begins with `prefix` and is not less than `from` (empty: from the first), in order. The
 * cursor ends before its transaction does, and in a writing one before the next put or delete.
 */
enum code store_range(struct store_txn *txn, struct bytes prefix, struct bytes from, struct store_cursor **ret_cursor,
		      struct err *err);

/*
 * E_ABSENT after the last. E_DAMAGED gives the key of the entry whose bytes are wrong, and the next call goes on behind
 * it; where it gives none, the structure is damaged and there is no going on. Only a sound entry ends a range, for a
 * changed key may have belonged into it: so the damaged ones right behind the range are told too, with the keys that
 * they show now.
 */
enum code store_next(struct store_cursor *cursor, struct bytes *ret_key, struct bytes *ret_value, struct err *err);
void store_range_end(struct store_cursor *cursor);

/*
 * Reads every entry and the ledger of a snapshot: `found` is told each damage in words, with the key of the entry, or
 * the table's byte alone for what the ledger says of a whole table, or no key. Returns E_DAMAGED if there was any.
 */
typedef void store_found(void *context, struct bytes key, const char *text);
enum code store_scan(struct store_txn *txn, store_found *found, void *context, struct err *err);

/* How many entries a table has, by the ledger. */
uint64_t store_count(struct store_txn *txn, uint8_t table);

/* All transactions have ended. NULL is fine. (Whoever has the disk opens a store: agent/store.h.) */
void store_close(struct store *store);

#endif
