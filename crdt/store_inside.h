/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_STORE_INSIDE_H
#define WARREN_STORE_INSIDE_H

/*
 * What the two halves of the store, its transactions and its scan, know of each other. For nobody else.
 */

#include "crdt/store_backend.h"

#include <stdatomic.h>

enum { OWN_TABLE = 0 };

extern const uint8_t store_ledger_key[2];

/* How many entries each table has, and the sum of their seals, as of commit `number`. */
struct ledger {
	uint64_t number;
	struct tally {
		uint64_t count, sum;
	} tables[STORE_TABLES];
};

struct store {
	const struct store_backend *backend;
	void *self;
	struct hash_key key;
	atomic_int health;
};

struct store_txn {
	struct store *store;
	struct backend_txn *below;
	bool is_writer, is_changed;
	enum code failed; /* the first failure of a put or delete, and what was said of it */
	struct err failed_err;
	uint64_t changes;     /* how many puts and deletes there were */
	struct ledger ledger; /* of a writer, as its commit will leave it */
};

struct store_cursor {
	struct store_txn *txn;
	struct backend_cursor *below;
	uint8_t prefix[STORE_KEY_MAX];
	size_t prefix_size;
};

/* Asserts that it can be an entry's. */
void store_check_key(struct bytes key);

/* Notes what a failure of the disk says about it, and passes the code on. */
enum code store_judged(struct store *store, enum code code);

/* One entry, with its seal and past the ledger. E_ABSENT says nothing in `err`. */
enum code store_get_sealed(struct store_txn *txn, struct bytes key, struct bytes *ret_value, uint64_t *ret_seal,
			   struct err *err);
enum code store_put_sealed(struct store_txn *txn, struct bytes key, struct bytes value, uint64_t *ret_seal,
			   struct err *err);

/* As store_put, without the last word on how the transaction ends, which is: */
enum code store_put_inside(struct store_txn *txn, struct bytes key, struct bytes value, struct err *err);

/* Half a transaction is none: the first failure decides what its commit will say. */
enum code store_changed(struct store_txn *txn, enum code code, const struct err *own, struct err *err);

/* E_DAMAGED also when it is missing. */
enum code store_read_ledger(struct store_txn *txn, struct ledger *ret_ledger, struct err *err);

/* As store_range, but the store's own table is among what it shows. */
enum code store_range_raw(struct store_txn *txn, struct bytes prefix, struct bytes from,
			  struct store_cursor **ret_cursor, struct err *err);

/* The next entry with its seal; on E_DAMAGED the key is given all the same, when there is one. */
enum code store_next_sealed(struct store_cursor *cursor, struct bytes *ret_key, struct bytes *ret_value,
			    uint64_t *ret_seal, struct err *err);

#endif
