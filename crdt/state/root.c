/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/root.h"

#include "crdt/base/buf.h"
#include "crdt/model/mp.h"
#include "crdt/model/record.h"
#include "crdt/state/index.h"

/* The cluster's id stands before the buckets, so that whoever checks a state can work its root out too. */
enum { PART_BUCKETS = ROOT_BUCKETS / ROOT_PARTS, PART_SIZE = sizeof(struct hash_key) + ROOT_SIZE / ROOT_PARTS };

const uint8_t root_key[ROOT_KEY_SIZE] = { TABLE_META, 'r', 0 };

struct bytes root_part_key(size_t part, uint8_t room[ROOT_KEY_SIZE])
{
	memcpy(room, root_key, ROOT_KEY_SIZE);
	room[ROOT_KEY_SIZE - 1] = (uint8_t)part;
	return bytes_of(room, ROOT_KEY_SIZE);
}

bool root_is_key(struct bytes key)
{
	return key.size == ROOT_KEY_SIZE && !memcmp(key.data, root_key, ROOT_KEY_SIZE - 1) &&
	       key.data[ROOT_KEY_SIZE - 1] < ROOT_PARTS;
}

/* Fields ascend, and those of the identity come early: mostly the first one answers. */
static bool has_identity(struct bytes map)
{
	struct reader r = reader_over(map);
	uint64_t count = mp_read(&r).value;

	for (uint64_t i = 0; i < count && !r.is_short; i++) {
		struct mp_head number = mp_read(&r);

		if (number.class == MP_UINT && field_merge((uint32_t)number.value) == MERGE_ONCE)
			return true;
		mp_skip(&r);
	}
	return false;
}

struct sum root_weight(const struct root *root, uint32_t kind, struct id id, struct bytes record)
{
	uint8_t room[4 + 16 + 16];
	struct buf buf = buf_over(room, sizeof room);
	struct bytes map;
	struct sum content;
	bool is_dead;

	if (!record.size || record_map(record, &is_dead, &map, NULL) || is_dead || !has_identity(map))
		return (struct sum){ 0 };
	content = hash_wide(root->key, record);
	buf_put_big_endian(&buf, kind, 4);
	buf_put(&buf, id.bytes, sizeof id.bytes);
	buf_put_big_endian(&buf, content.low, 8);
	buf_put_big_endian(&buf, content.high, 8);
	return hash_wide(root->key, buf_bytes(&buf));
}

void root_change(struct root *root, uint32_t kind, struct id id, struct bytes old, struct bytes new)
{
	struct sum *bucket = &root->buckets[id.bytes[0]], before = *bucket;

	sum_take(bucket, root_weight(root, kind, id, old));
	sum_add(bucket, root_weight(root, kind, id, new));
	if (!sum_equal(before, *bucket))
		root->changed |= (uint32_t)BIT(id.bytes[0] / PART_BUCKETS);
}

struct sum root_total(const struct root *root)
{
	struct sum total = { 0 };

	for (size_t i = 0; i < ROOT_BUCKETS; i++)
		sum_add(&total, root->buckets[i]);
	return total;
}

static struct hash_key key_of(struct id cluster)
{
	struct hash_key key;

	_Static_assert(sizeof key == sizeof cluster, "a cluster's id is the key of its root");
	memcpy(key.bytes, cluster.bytes, sizeof key.bytes);
	return key;
}

/* Its buckets, and the key of all parts. */
static enum code find_part(struct store_txn *txn, size_t part, struct root *root, struct err *err)
{
	uint8_t room[ROOT_KEY_SIZE];
	struct bytes value;
	struct reader r;
	const uint8_t *key;
	enum code code = store_get(txn, root_part_key(part, room), &value, err);

	if (code == E_ABSENT && part)
		return fail(err, E_FORM, "a part of the stored root is missing");
	if (code)
		return code;
	if (value.size != PART_SIZE)
		return fail(err, E_FORM, "the stored root has a wrong size");
	r = reader_over(value);
	key = read_bytes(&r, sizeof root->key.bytes);
	if (part && memcmp(root->key.bytes, key, sizeof root->key.bytes))
		return fail(err, E_FORM, "the stored root is of two clusters");
	memcpy(root->key.bytes, key, sizeof root->key.bytes);
	for (size_t i = part * PART_BUCKETS; i < (part + 1) * PART_BUCKETS; i++) {
		root->buckets[i].low = read_big_endian(&r, 8);
		root->buckets[i].high = read_big_endian(&r, 8);
	}
	return OK;
}

enum code root_find(struct store_txn *txn, struct root *ret_root, struct err *err)
{
	struct root root = { .changed = 0 };

	for (size_t part = 0; part < ROOT_PARTS; part++) {
		enum code code = find_part(txn, part, &root, err);

		if (code)
			return code;
	}
	*ret_root = root;
	return OK;
}

enum code root_read(struct store_txn *txn, struct id cluster, struct root *ret_root, struct err *err)
{
	struct root root;
	enum code code = root_find(txn, &root, err);

	if (code == E_ABSENT)
		return root_compute(txn, cluster, ret_root, err);
	if (code)
		return code == E_FORM ? E_DAMAGED : code;
	if (memcmp(root.key.bytes, cluster.bytes, sizeof cluster.bytes))
		return fail(err, E_VALUE,
			    "this state is another cluster's: give the agent a state directory of its own");
	*ret_root = root;
	return OK;
}

static enum code put_part(struct store_txn *txn, const struct root *root, size_t part, struct err *err)
{
	uint8_t key[ROOT_KEY_SIZE], room[PART_SIZE];
	struct buf buf = buf_over(room, sizeof room);

	buf_put(&buf, root->key.bytes, sizeof root->key.bytes);
	for (size_t i = part * PART_BUCKETS; i < (part + 1) * PART_BUCKETS; i++) {
		buf_put_big_endian(&buf, root->buckets[i].low, 8);
		buf_put_big_endian(&buf, root->buckets[i].high, 8);
	}
	return store_put(txn, root_part_key(part, key), buf_bytes(&buf), err);
}

enum code root_put(struct store_txn *txn, struct root *root, struct err *err)
{
	enum code code = OK;

	for (size_t part = 0; !code && part < ROOT_PARTS; part++)
		if (root->changed & BIT(part))
			code = put_part(txn, root, part, err);
	if (!code)
		root->changed = 0;
	return code;
}

enum code root_compute(struct store_txn *txn, struct id cluster, struct root *ret_root, struct err *err)
{
	static const uint8_t table = TABLE_RECORD;
	struct root root = { .key = key_of(cluster) };
	struct bytes key, value, none = { 0 };
	struct store_cursor *cursor;
	enum code code = store_range(txn, bytes_of(&table, 1), none, &cursor, err);

	if (code)
		return code;
	while (!(code = store_next(cursor, &key, &value, err))) {
		uint32_t kind;
		struct id id;

		if (!record_key_read(key, &kind, &id)) {
			code = fail(err, E_DAMAGED, "a record's key is damaged: run warrend --check");
			break;
		}
		root_change(&root, kind, id, none, value);
	}
	store_range_end(cursor);
	if (code != E_ABSENT)
		return code;
	root.changed = ROOT_ALL_PARTS;
	*ret_root = root;
	return OK;
}
