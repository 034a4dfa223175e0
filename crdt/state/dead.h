/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_DEAD_H
#define WARREN_DEAD_H

/*
 * The list of the dead that may be forgotten one day (collect.h says when). A record is on it from the moment that both
 * its `dead` and its identity have arrived, in whichever order, when its id is made of 8 random bytes: what has no
 * nonce, or one of 16 bytes that follows from a request, may come again under its id, alive where its end was
 * forgotten. Users stay too, for what hangs on them is dead by theirs alone.
 *
 * An entry is (table, kind, id), and its value the number of the round that was under way when it came. So whatever is
 * on the list before a round begins has a smaller number than all that comes later.
 */

#include "crdt/state/index.h"

/* First byte of keys. */
enum { TABLE_DEAD = 11 };

enum { DEAD_KEY_SIZE = RECORD_KEY_SIZE, DEAD_ROUND_KEY_SIZE = 2 };

/* Where the number of the round lies; what is not there is 0. */
extern const uint8_t dead_round_key[DEAD_ROUND_KEY_SIZE];

void dead_key_write(uint32_t kind, struct id id, uint8_t room[DEAD_KEY_SIZE]);
bool dead_key_read(struct bytes key, uint32_t *ret_kind, struct id *ret_id);
bool dead_value_read(struct bytes value, uint64_t *ret_round);

/* Whether a record (as it is stored, or empty) is to be on the list. */
bool dead_is_listed(uint32_t kind, struct bytes record);

/* A record was to be on the list, or not, and now is, or is not. */
enum code dead_move(struct store_txn *txn, uint32_t kind, struct id id, bool was_listed, bool is_listed,
		    struct err *err);

/* The number of the round. */
enum code dead_round(struct store_txn *txn, uint64_t *ret_round, struct err *err);

/* The next round begins: *ret_last is the largest number on the list, and all that comes has a larger one. */
enum code dead_begin_round(struct store_txn *txn, uint64_t *ret_last, struct err *err);

#endif
