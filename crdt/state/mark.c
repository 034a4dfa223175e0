/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/mark.h"

#include "crdt/base/hash.h"
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/model/record.h"

#include <assert.h>

/* An entry is the table, the hash, and as much of the record's id as leaves 24 bytes in all. */
enum { HASH_END = 1 + 16, TAIL = 7, MARK_KEY_SIZE = HASH_END + TAIL };

static bool has_marks(const struct kind *kind)
{
	for (size_t i = 0; i < kind->shape.count; i++)
		if (kind->shape.fields[i].is_marked)
			return true;
	return false;
}

/* What all entries of one value begin with. `value` is its canonical msgpack. */
static void put_front(uint32_t kind, uint32_t field, struct bytes value, struct buf *key)
{
	uint8_t room[8];
	struct buf numbers = buf_over(room, sizeof room);
	struct bytes parts[2];
	struct id hash;

	buf_put_big_endian(&numbers, kind, 4);
	buf_put_big_endian(&numbers, field, 4);
	parts[0] = buf_bytes(&numbers);
	parts[1] = value;
	hash = hash_id(parts, COUNT(parts));
	buf_put_byte(key, TABLE_MARK);
	buf_put(key, hash.bytes, sizeof hash.bytes);
}

/* The map of a dead record of a known kind, straight from its bytes: only whole rows can be read as rows. */
static struct index_keys gather(const struct kind *kind, struct id id, struct bytes map, struct arena *arena)
{
	struct index_keys keys = { .keys = arena_take(arena, kind->shape.count * sizeof *keys.keys) };
	struct reader r = reader_over(map);
	uint64_t count = mp_read(&r).value;

	for (uint64_t i = 0; i < count && !r.is_short; i++) {
		struct mp_head number = mp_read(&r);
		struct bytes value = mp_skip(&r);
		const struct field *field = model_field(&kind->shape, (uint32_t)number.value);
		uint8_t room[MARK_KEY_SIZE];
		struct buf key = buf_over(room, sizeof room);

		if (r.is_short || !field || !field->is_marked || keys.count == kind->shape.count)
			continue;
		put_front(kind->number, field->number, value, &key);
		buf_put(&key, id.bytes, TAIL);
		keys.keys[keys.count++] = arena_copy(arena, buf_bytes(&key));
	}
	return keys;
}

struct index_keys mark_keys_of(uint32_t kind, struct id id, struct bytes record, struct arena *arena)
{
	const struct kind *known = model_kind(kind);
	struct bytes map;
	bool is_dead;

	if (!known || !has_marks(known) || record_map(record, &is_dead, &map, NULL) || !is_dead)
		return (struct index_keys){ 0 };
	return gather(known, id, map, arena);
}

/* Whether a record asks for the entry. Of a damaged one nobody knows, and it is better kept. */
static bool asks_for(struct bytes key, enum code code, struct bytes found, struct bytes value, const struct id *but,
		     struct arena *arena)
{
	struct index_keys keys;
	uint32_t kind;
	struct id id;

	if (code)
		return true;
	if (!record_key_read(found, &kind, &id) || (but && id_equal(id, *but)))
		return false;
	keys = mark_keys_of(kind, id, value, arena);
	return index_keys_contain(&keys, key);
}

static enum code is_asked_for_by(struct store_txn *txn, const struct kind *kind, struct bytes key, const struct id *but,
				 struct arena *arena, bool *ret_is_asked, struct err *err)
{
	uint8_t prefix[RECORD_KEY_SIZE];
	struct store_cursor *cursor;
	struct id first = { { 0 } };
	bool is_asked = false;
	enum code code;

	memcpy(first.bytes, key.data + HASH_END, TAIL);
	record_key_write(kind->number, first, prefix);
	code = store_range(txn, bytes_of(prefix, RECORD_KEY_SIZE - sizeof first.bytes + TAIL), bytes_of(NULL, 0),
			   &cursor, err);
	if (code)
		return code;
	do {
		struct bytes found = { 0 }, value = { 0 };

		code = store_next(cursor, &found, &value, err);
		if (!code || (code == E_DAMAGED && found.size)) {
			is_asked = asks_for(key, code, found, value, but, arena);
			code = OK;
		}
	} while (!code && !is_asked);
	store_range_end(cursor);
	if (code && code != E_ABSENT)
		return code;
	*ret_is_asked = is_asked;
	return OK;
}

enum code mark_is_asked_for(struct store_txn *txn, struct bytes key, const struct id *but, struct arena *arena,
			    bool *ret_is_asked, struct err *err)
{
	bool is_asked = false;
	enum code code = OK;

	for (size_t i = 0; !code && !is_asked && key.size == MARK_KEY_SIZE && i < MODEL_KINDS; i++)
		if (has_marks(&model_kinds[i]))
			code = is_asked_for_by(txn, &model_kinds[i], key, but, arena, &is_asked, err);
	if (!code)
		*ret_is_asked = is_asked;
	return code;
}

/* Two records of one value may begin alike, and then share an entry: the last one takes it out. */
static enum code take_out(struct store_txn *txn, struct id id, struct bytes key, struct arena *arena, struct err *err)
{
	bool is_asked;
	enum code code = mark_is_asked_for(txn, key, &id, arena, &is_asked, err);

	return code || is_asked ? code : store_delete(txn, key, err);
}

enum code mark_move(struct store_txn *txn, struct id id, const struct index_keys *old, const struct index_keys *new,
		    struct arena *arena, struct err *err)
{
	enum code code = OK;

	for (size_t i = 0; !code && i < old->count; i++)
		if (!index_keys_contain(new, old->keys[i]))
			code = take_out(txn, id, old->keys[i], arena, err);
	for (size_t i = 0; !code && i < new->count; i++)
		if (!index_keys_contain(old, new->keys[i]))
			code = store_put(txn, new->keys[i], bytes_of(NULL, 0), err);
	return code;
}

enum code mark_is_set(struct store_txn *txn, const struct kind *kind, const struct field *field, const void *slot,
		      bool *ret_is_set, struct err *err)
{
	uint8_t room[STORE_KEY_MAX], front[HASH_END];
	struct buf value = buf_over(room, sizeof room), prefix = buf_over(front, sizeof front);
	struct store_cursor *cursor;
	struct bytes key, nothing;
	enum code code;

	pack_write_slot(field, slot, &value);
	assert(field->is_marked && !value.is_full);
	put_front(kind->number, field->number, buf_bytes(&value), &prefix);
	code = store_range(txn, buf_bytes(&prefix), bytes_of(NULL, 0), &cursor, err);
	if (code)
		return code;
	code = store_next(cursor, &key, &nothing, err);
	store_range_end(cursor);
	if (code && code != E_ABSENT)
		return code;
	*ret_is_set = !code;
	return OK;
}

enum code mark_is_revoked(struct store_txn *txn, struct key32 public_key, bool *ret_is_revoked, struct err *err)
{
	return mark_is_set(txn, KIND_TABLE(device), FIELD_TABLE(device, public_key), &public_key, ret_is_revoked, err);
}
