/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/mem_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

const struct hash_key model_secret = { "a disk in memory" };

struct bytes model_key(size_t i, struct room *room)
{
	room->bytes[0] = (uint8_t)(1 + i % 3);
	room->bytes[1] = (uint8_t)(i * 37);
	room->bytes[2] = (uint8_t)i;
	return bytes_of(room->bytes, 3);
}

struct bytes model_value(uint64_t number, struct room *room)
{
	size_t size = number % 200;

	for (size_t i = 0; i < size; i++)
		room->bytes[i] = (uint8_t)((number + i) * 0x9e3779b97f4a7c15 >> 56);
	return bytes_of(room->bytes, size);
}

struct store *model_open(struct mem_disk *disk)
{
	struct store *store = NULL;
	struct err err = { 0 };

	if (mem_store_open(disk, &model_secret, &store, &err))
		fail_msg("the store does not open: %s", err.text);
	return store;
}

struct store_txn *model_snapshot(struct store *store)
{
	struct store_txn *txn = NULL;
	struct err err = { 0 };

	if (store_snapshot(store, &txn, &err))
		fail_msg("no snapshot: %s", err.text);
	return txn;
}

struct store_txn *model_begin(struct store *store)
{
	struct store_txn *txn = NULL;
	struct err err = { 0 };

	if (store_begin(store, &txn, &err))
		fail_msg("no writer: %s", err.text);
	return txn;
}

enum code model_change(struct store_txn *txn, struct model *model, size_t i, uint64_t number)
{
	struct room key, value;

	model->values[i] = number;
	if (!number)
		return store_delete(txn, model_key(i, &key), NULL);
	return store_put(txn, model_key(i, &key), model_value(number, &value), NULL);
}

enum code model_commit(struct store *store, struct rng *rng, const struct model *now, struct model *next)
{
	struct store_txn *txn = model_begin(store);
	uint64_t changes = 1 + rng_below(rng, 8);

	*next = *now;
	for (uint64_t n = 0; n < changes; n++)
		assert_int_equal(
			model_change(txn, next, rng_below(rng, MODEL_KEYS), rng_below(rng, 4) ? rng_u64(rng) | 1 : 0),
			OK);
	return store_commit(txn, NULL);
}

bool model_has(struct bytes found, uint64_t number)
{
	struct room value;

	return number && bytes_equal(found, model_value(number, &value));
}

size_t model_differences(struct store *store, const struct model *model)
{
	struct store_txn *txn = model_snapshot(store);
	struct room key;
	struct bytes found;
	size_t count = 0;

	for (size_t i = 0; i < MODEL_KEYS; i++) {
		enum code code = store_get(txn, model_key(i, &key), &found, NULL);

		count += code == OK ? !model_has(found, model->values[i]) : code != E_ABSENT || model->values[i];
	}
	store_end(txn);
	return count;
}

void model_note(void *context, struct bytes key, const char *text)
{
	struct told *told = context;

	(void)key;
	if (strstr(text, "do not match"))
		told->seal++;
	else if (strstr(text, "ledger counts"))
		told->count++;
	else if (strstr(text, "last written"))
		told->sum++;
	else if (strstr(text, "not ascend"))
		told->order++;
	else if (strstr(text, "shows commit"))
		told->number++;
	else
		told->other++;
}

enum code model_scan(struct store *store, struct told *told)
{
	struct store_txn *txn = model_snapshot(store);
	enum code code = store_scan(txn, model_note, told, NULL);

	store_end(txn);
	return code;
}

void model_assert_clean(struct store *store)
{
	struct told told = { 0 };

	assert_int_equal(model_scan(store, &told), OK);
	assert_int_equal(told.seal + told.count + told.sum + told.order + told.number + told.other, 0);
}

struct mem_disk *model_disk(struct rng *rng, struct model *ret_model)
{
	struct mem_disk *disk = mem_disk_new();
	struct store *store = model_open(disk);

	for (size_t table = 0; table < 3; table++) {
		struct store_txn *txn = model_begin(store);

		for (size_t i = table; i < MODEL_KEYS; i += 3)
			assert_int_equal(model_change(txn, ret_model, i, rng_u64(rng) | 1), OK);
		assert_int_equal(store_commit(txn, NULL), OK);
	}
	assert_int_equal(model_differences(store, ret_model), 0);
	store_close(store);
	return disk;
}
