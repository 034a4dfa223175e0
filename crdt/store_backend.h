/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_STORE_BACKEND_H
#define WARREN_STORE_BACKEND_H

/*
 * What a disk must offer to be a store's: ordered keys, atomic durable commits, snapshots. Nothing in here hashes,
 * counts or judges; `store.c` does that above it, the same for LMDB and for the simulator's memory.
 *
 * Codes: E_FULL (no room), E_IO (the disk failed, for good), E_DAMAGED (structure that makes no sense), E_ABSENT
 * (get, next; of a get without a message, for mostly nobody would read it). Lifetimes are those of store.h.
 */

#include "crdt/base/hash.h"
#include "crdt/store.h"

struct backend_txn;
struct backend_cursor;

struct store_backend {
	const char *name;
	enum code (*begin)(void *self, bool is_writer, struct backend_txn **ret_txn, struct err *err);
	enum code (*commit)(struct backend_txn *txn, struct err *err); /* frees the transaction either way */
	void (*abort)(struct backend_txn *txn);
	/* Which commit a snapshot shows, or a writer will make: each one more than the one before. */
	uint64_t (*number)(struct backend_txn *txn);
	enum code (*get)(struct backend_txn *txn, struct bytes key, struct bytes *ret_value, struct err *err);
	/* Room for a value of `size`, to be filled before the next call. */
	enum code (*put)(struct backend_txn *txn, struct bytes key, size_t size, uint8_t **ret_room, struct err *err);
	/* As put, of a key behind all others, and packed tightly; E_VALUE, and nothing done, where it is not. */
	enum code (*append)(struct backend_txn *txn, struct bytes key, size_t size, uint8_t **ret_room,
			    struct err *err);
	/* E_ABSENT: where the key belongs it is not, though a cursor may have shown it somewhere else. */
	enum code (*remove)(struct backend_txn *txn, struct bytes key, struct err *err);
	/* Opens before the first key that is not less than `from`. */
	enum code (*range)(struct backend_txn *txn, struct bytes from, struct backend_cursor **ret_cursor,
			   struct err *err);
	enum code (*next)(struct backend_cursor *cursor, struct bytes *ret_key, struct bytes *ret_value,
			  struct err *err);
	void (*range_end)(struct backend_cursor *cursor);
	void (*close)(void *self);
};

/*
 * Opens the store that lies on `self`, making its header in an empty one with `fresh_key` (NULL: an empty one is
 * refused, as a reader must). Refuses a newer format. Takes `self` when it succeeds.
 */
enum code store_open(const struct store_backend *backend, void *self, const struct hash_key *fresh_key,
		     struct store **ret_store, struct err *err);

#endif
