/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_INDEX_H
#define WARREN_INDEX_H

/*
 * Where records lie in the store, and the indexes that model.def declares over them.
 *
 * A record's key is (table, kind, id). An index entry is a key alone: (table, kind, field, value, id), one for each
 * item of a list. Only a live record that keeps this version's limits has entries.
 */

#include "crdt/base/arena.h"
#include "crdt/model/model.h"
#include "crdt/store.h"

/* First bytes of keys. */
enum { TABLE_RECORD = 1, TABLE_INDEX = 2, TABLE_META = 3 };

enum { RECORD_KEY_SIZE = 1 + 2 + 16 };

struct index_keys {
	size_t count;
	struct bytes *keys;
};

void record_key_write(uint32_t kind, struct id id, uint8_t room[RECORD_KEY_SIZE]);
bool record_key_read(struct bytes key, uint32_t *ret_kind, struct id *ret_id);

bool index_keys_contain(const struct index_keys *keys, struct bytes key);

/* The entries that a record (as it is stored) should have; in `arena`. */
struct index_keys index_keys_of(uint32_t kind, struct id id, struct bytes record, struct arena *arena);

/* What all entries of a field begin with, or, with a value, all entries of that value; in `arena`. */
struct bytes index_prefix(const struct kind *kind, const struct field *field, const void *slot, struct arena *arena);

/* The record that an entry points to. False when it is no entry. */
bool index_key_read(struct bytes key, uint32_t *ret_kind, struct id *ret_id);

#endif
