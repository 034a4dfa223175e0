/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_MARK_H
#define WARREN_MARK_H

/*
 * Marks: what the dead leave behind to be found by. A field that model.def calls `is_marked` keeps its value findable
 * when its record is dead: the public key of a device (the revoked set) and the address of a lease. An entry is there
 * from the moment that both the `dead` and the identity have arrived, in whichever order.
 *
 * An entry is a key alone, of 24 bytes: the table, the hash of (kind, field, value), and the first 7 bytes of the
 * record's id. So several dead records of one value have an entry each. Should two ids of one value begin alike, they
 * share theirs; it is taken out when no record asks for it any more.
 */

#include "crdt/base/arena.h"
#include "crdt/model/model.h"
#include "crdt/state/index.h"
#include "crdt/store.h"

/* First byte of keys. */
enum { TABLE_MARK = 7 };

/* The entries that a record (as it is stored) should have, as store keys; in `arena`. */
struct index_keys mark_keys_of(uint32_t kind, struct id id, struct bytes record, struct arena *arena);

/* A record asked for `old` and now asks for `new`. */
enum code mark_move(struct store_txn *txn, struct id id, const struct index_keys *old, const struct index_keys *new,
		    struct arena *arena, struct err *err);

/* Whether any record asks for the entry, or any other one than `but`; one that is damaged may. */
enum code mark_is_asked_for(struct store_txn *txn, struct bytes key, const struct id *but, struct arena *arena,
			    bool *ret_is_asked, struct err *err);

/* Whether a dead record of the kind has the value. */
enum code mark_is_set(struct store_txn *txn, const struct kind *kind, const struct field *field, const void *slot,
		      bool *ret_is_set, struct err *err);

/* Whether WireGuard's public key was revoked, for good. */
enum code mark_is_revoked(struct store_txn *txn, struct key32 public_key, bool *ret_is_revoked, struct err *err);

#endif
