/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/mem_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TEARS = 6000, FLIPS = 6000 };

static void print_told(const char *name, uint64_t cases, uint64_t at_open, struct told told)
{
	print_message("  %s: %llu, all found: %llu refused at opening; tellings by seal %llu, count %llu, sum %llu, "
		      "order %llu, number %llu, other %llu\n",
		      name, (unsigned long long)cases, (unsigned long long)at_open, (unsigned long long)told.seal,
		      (unsigned long long)told.count, (unsigned long long)told.sum, (unsigned long long)told.order,
		      (unsigned long long)told.number, (unsigned long long)told.other);
}

/* Entries of other keys than the model's, or with bytes that neither model has, by gets and by a walk over all. */
static uint64_t wrong_bytes(struct store *store, const struct model *a, const struct model *b)
{
	struct store_txn *txn = model_snapshot(store);
	struct store_cursor *cursor = NULL;
	struct room key_room;
	struct bytes key, found;
	uint64_t wrong = 0;
	enum code code;

	for (size_t i = 0; i < MODEL_KEYS; i++)
		if (store_get(txn, model_key(i, &key_room), &found, NULL) == OK)
			wrong += !model_has(found, a->values[i]) && !model_has(found, b->values[i]);
	assert_int_equal(store_range(txn, bytes_of(NULL, 0), bytes_of("\1", 1), &cursor, NULL), OK);
	while ((code = store_next(cursor, &key, &found, NULL)) != E_ABSENT) {
		size_t i = code == OK && key.size == 3 ? key.data[2] : MODEL_KEYS;

		if (code != OK || bytes_compare(key, bytes_of("\1", 1)) < 0)
			continue; /* refused, or an own entry that a turned bit has put behind us */
		wrong += i >= MODEL_KEYS || !bytes_equal(key, model_key(i, &key_room)) ||
			 (!model_has(found, a->values[i]) && !model_has(found, b->values[i]));
	}
	store_range_end(cursor);
	store_end(txn);
	return wrong;
}

static void every_turned_bit_is_found(void **state)
{
	struct rng rng = rng_from_number(6);
	struct told told = { 0 };
	struct model model = { 0 };
	struct mem_disk *start = model_disk(&rng, &model);
	uint64_t at_open = 0, wrong = 0;

	(void)state;
	for (int i = 0; i < FLIPS; i++) {
		struct mem_disk *disk = mem_disk_clone(start);
		struct store *store = NULL;
		enum code code;

		assert_true(mem_disk_flip(disk, &rng));
		code = mem_store_open(disk, &model_secret, &store, NULL);
		if (code) {
			assert_int_equal(code, E_DAMAGED);
			at_open++;
		} else {
			wrong += wrong_bytes(store, &model, &model);
			assert_int_equal(model_scan(store, &told), E_DAMAGED);
		}
		store_close(store);
		mem_disk_free(disk);
	}
	print_told("turned bits", FLIPS, at_open, told);
	assert_int_equal(wrong, 0);
	assert_true(at_open && told.seal && told.order && told.count);
	/* The disk that was cloned is as it was. */
	struct store *store = model_open(start);

	assert_int_equal(model_differences(store, &model), 0);
	model_assert_clean(store);
	store_close(store);
	mem_disk_free(start);
}

/* An entry that stands where its key does not belong is not taken out for ever. */
static void a_table_with_a_turned_bit_is_cleared_or_refused(void **state)
{
	struct rng rng = rng_from_number(7);
	struct model model = { 0 };
	struct mem_disk *start = model_disk(&rng, &model);
	uint64_t cleared = 0, refused = 0;
	struct room key_room;
	uint8_t table = model_key(0, &key_room).data[0];

	(void)state;
	for (int i = 0; i < FLIPS; i++) {
		struct mem_disk *disk = mem_disk_clone(start);
		struct store *store = NULL;
		struct store_txn *txn;

		assert_true(mem_disk_flip(disk, &rng));
		if (!mem_store_open(disk, &model_secret, &store, NULL) && !store_begin(store, &txn, NULL)) {
			bool is_empty = false;
			enum code code = store_clear_some(txn, table, 2 * MODEL_KEYS, true, &is_empty, NULL);

			assert_true(code == E_DAMAGED || (code == OK && is_empty));
			cleared += !code;
			refused += code == E_DAMAGED;
			store_end(txn);
		}
		store_close(store);
		mem_disk_free(disk);
	}
	assert_true(cleared && refused);
	mem_disk_free(start);
}

/* Crashes a lying disk after some commits, in one or between two; whether the commit in question was acknowledged. */
static void crash_lying(struct mem_disk *disk, struct rng *rng, struct model *old, struct model *new)
{
	struct store *store = model_open(disk);
	bool is_in_flight = rng_below(rng, 2);

	assert_int_equal(model_commit(store, rng, old, new), OK);
	mem_disk_lie(disk, rng_u64(rng));
	if (is_in_flight) {
		struct model next;
		struct store_txn *txn = model_begin(store);

		next = *old = *new;
		for (size_t i = 0; i < 5; i++)
			assert_int_equal(model_change(txn, &next, rng_below(rng, MODEL_KEYS), rng_u64(rng) | 1), OK);
		/* Six changes with the ledger: crash in or after the last sync, so that the meta page is there. */
		mem_disk_crash_at(disk, 6 + 3 + rng_below(rng, 2));
		assert_int_equal(store_commit(txn, NULL), E_IO);
		*new = next;
	} else {
		mem_disk_crash(disk);
	}
	store_close(store);
}

static void every_torn_commit_is_found(void **state)
{
	struct rng rng = rng_from_number(7);
	struct told told = { 0 };
	struct model start_model = { 0 };
	struct mem_disk *start = model_disk(&rng, &start_model);
	uint64_t whole = 0, torn = 0, wrong = 0;

	(void)state;
	for (int i = 0; i < TEARS; i++) {
		struct mem_disk *disk = mem_disk_clone(start);
		struct model old = start_model, new;
		struct store *store;
		struct store_txn *txn;
		size_t numbers = (size_t)told.number;

		crash_lying(disk, &rng, &old, &new);
		store = model_open(disk);
		wrong += wrong_bytes(store, &old, &new);
		if (mem_disk_counts(disk).torn) {
			assert_int_equal(model_scan(store, &told), E_DAMAGED);
			/* The next commit would make a ledger that stayed behind the newest again. */
			if (told.number > numbers)
				assert_int_equal(store_begin(store, &txn, NULL), E_DAMAGED);
			torn++;
		} else {
			model_assert_clean(store);
			assert_int_equal(model_differences(store, &new), 0);
			whole++;
		}
		store_close(store);
		mem_disk_free(disk);
	}
	print_told("torn commits", torn, 0, told);
	print_message("  and %llu that chance left whole\n", (unsigned long long)whole);
	assert_int_equal(wrong, 0);
	assert_true(torn > TEARS / 2 && whole && told.seal && told.count && told.sum && told.number);
	mem_disk_free(start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_turned_bit_is_found),
		cmocka_unit_test(a_table_with_a_turned_bit_is_cleared_or_refused),
		cmocka_unit_test(every_torn_commit_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
