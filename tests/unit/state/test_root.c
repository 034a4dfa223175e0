/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/root.h"
#include "tests/unit/base/check.h"
#include "tests/unit/model/hex.h"
#include "tests/unit/state/world.h"

#include <inttypes.h>

static const struct id cluster = { { 1, 2, 3, 4 } };
static struct arena arena;

static void assert_same(const struct root *a, const struct root *b)
{
	assert_memory_equal(a->buckets, b->buckets, sizeof a->buckets);
	assert_true(sum_equal(root_total(a), root_total(b)));
}

/* Roots are compared between servers, so they are the same numbers for ever. */
static void a_weight_is_a_number_for_ever(void **state)
{
	struct root root = { .key = { "sixteen bytes..." } };
	struct id id = { { 7 } };
	struct sum weight = root_weight(&root, 0x4d, id, unhex(&arena, "93 c2 c400 81 00 c408 0102030405060708"));

	(void)state;
	assert_int_equal(weight.low, UINT64_C(0x0f018a1500d1fbbf));
	assert_int_equal(weight.high, UINT64_C(0x620e8cb7f62622ba));
	root_change(&root, 0x4d, id, bytes_of(NULL, 0), unhex(&arena, "93 c2 c400 81 00 c408 0102030405060708"));
	assert_true(sum_equal(root.buckets[7], weight) && root.changed == BIT(0));
	assert_true(sum_equal(root_total(&root), weight));
	arena_reset(&arena);
}

static void only_live_records_with_identity_weigh(void **state)
{
	static const struct {
		const char *hex;
		bool weighs;
	} cases[] = {
		{ "93 c2 c400 81 00 01", true },
		{ "93 c2 c400 82 00 01 04 02", true },
		{ "93 c2 c400 82 02 01 04 02", true },
		{ "93 c2 c400 82 03 9101 ccf0 02", true },
		{ "93 c2 c400 82 02 01 03 9101", false },
		{ "93 c2 c400 80", false },
		{ "93 c3 c400 81 00 01", false },
		{ "93 c3 c400 80", false },
		{ "", false },
	};
	struct root root = { .key = { "sixteen bytes..." } };
	struct id id = { { 1 } }, other = { { 1, 1 } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bytes record = unhex(&arena, cases[i].hex);
		struct sum weight = root_weight(&root, 5, id, record);

		assert_int_equal(!sum_equal(weight, (struct sum){ 0 }), cases[i].weighs);
		assert_int_equal(!sum_equal(weight, root_weight(&root, 6, id, record)), cases[i].weighs);
		assert_int_equal(!sum_equal(weight, root_weight(&root, 5, other, record)), cases[i].weighs);
		root.changed = 0;
		root_change(&root, 5, id, bytes_of(NULL, 0), record);
		assert_int_equal(root.changed, cases[i].weighs ? BIT(0) : 0);
		root_change(&root, 5, id, record, bytes_of(NULL, 0));
		assert_true(sum_equal(root.buckets[1], (struct sum){ 0 }));
	}
	arena_reset(&arena);
}

static void merge_some(struct world *world, struct store_txn *txn, struct root *root)
{
	for (int i = 0; i < 40; i++) {
		struct known known;
		struct record *record = world_op(world, &arena, &known);
		bool is_changed;

		assert_int_equal(state_merge(txn, root, known.kind, known.id, record, &arena, &is_changed, NULL), OK);
		arena_reset(&arena);
	}
}

/* What was kept step by step is what all records weigh, now and after each start. */
static void the_root_follows_the_records(void **state)
{
	struct world world;
	struct root root, is;
	struct store_txn *txn;

	(void)state;
	world_start(&world, 1);
	for (int i = 0; i < 30; i++) {
		assert_int_equal(store_begin(world.store, &txn, NULL), OK);
		assert_int_equal(root_read(txn, cluster, &root, NULL), OK);
		assert_int_equal(root.changed, i ? 0 : ROOT_ALL_PARTS);
		merge_some(&world, txn, &root);
		assert_true(root.changed);
		assert_int_equal(root_compute(txn, cluster, &is, NULL), OK);
		assert_same(&root, &is);
		assert_int_equal(root_put(txn, &root, NULL), OK);
		assert_int_equal(root.changed, 0);
		assert_int_equal(store_commit(txn, NULL), OK);
		assert_int_equal(store_snapshot(world.store, &txn, NULL), OK);
		assert_int_equal(root_read(txn, cluster, &is, NULL), OK);
		assert_same(&root, &is);
		store_end(txn);
	}
	/* Without one it is worked out, and a rebuild leaves none. */
	assert_int_equal(state_rebuild(world.store, NULL), OK);
	assert_int_equal(store_snapshot(world.store, &txn, NULL), OK);
	assert_int_equal(root_find(txn, &is, NULL), E_ABSENT);
	assert_int_equal(root_read(txn, cluster, &is, NULL), OK);
	assert_int_equal(is.changed, ROOT_ALL_PARTS);
	assert_same(&root, &is);
	store_end(txn);
	world_end(&world);
}

static void what_did_not_change_is_not_put(void **state)
{
	struct root root = { .changed = 0 };
	struct store_txn *txn;
	struct world world;

	(void)state;
	world_start(&world, 1);
	assert_int_equal(store_begin(world.store, &txn, NULL), OK);
	assert_int_equal(root_put(txn, &root, NULL), OK);
	assert_int_equal(root_find(txn, &root, NULL), E_ABSENT);
	store_end(txn);
	world_end(&world);
}

static void a_strange_root_is_refused(void **state)
{
	struct root root = { .changed = ROOT_ALL_PARTS }, is = { .changed = 1 };
	struct id other = { { 5 } };
	uint8_t key[ROOT_KEY_SIZE];
	struct store_txn *txn;
	struct err err = { 0 };
	struct world world;

	(void)state;
	memcpy(root.key.bytes, cluster.bytes, sizeof cluster.bytes);
	world_start(&world, 1);
	assert_int_equal(store_begin(world.store, &txn, NULL), OK);
	assert_int_equal(root_put(txn, &root, NULL), OK);
	assert_int_equal(root_read(txn, other, &is, &err), E_VALUE);
	assert_int_equal(is.changed, 1);
	assert_int_equal(root_read(txn, cluster, &is, &err), OK);
	assert_int_equal(is.changed, 0);
	assert_int_equal(store_put(txn, bytes_of(root_key, sizeof root_key), bytes_of("short", 5), NULL), OK);
	assert_int_equal(root_read(txn, cluster, &is, &err), E_DAMAGED);
	assert_string_equal(err.text, "the stored root has a wrong size");
	/* The good part in the place of the short one, and then one that is not of the same root, or none. */
	root.changed = BIT(0);
	assert_int_equal(root_put(txn, &root, NULL), OK);
	assert_int_equal(root_read(txn, cluster, &is, &err), OK);
	root.changed = BIT(5);
	root.key.bytes[0] ^= 1;
	assert_int_equal(root_put(txn, &root, NULL), OK);
	assert_int_equal(root_read(txn, cluster, &is, &err), E_DAMAGED);
	assert_string_equal(err.text, "the stored root is of two clusters");
	assert_int_equal(store_delete(txn, root_part_key(5, key), NULL), OK);
	assert_int_equal(root_read(txn, cluster, &is, &err), E_DAMAGED);
	assert_string_equal(err.text, "a part of the stored root is missing");
	store_end(txn);
	world_end(&world);
}

static int clean(void **state)
{
	(void)state;
	arena_done(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_weight_is_a_number_for_ever),
		cmocka_unit_test(only_live_records_with_identity_weigh),
		cmocka_unit_test(the_root_follows_the_records),
		cmocka_unit_test(what_did_not_change_is_not_put),
		cmocka_unit_test(a_strange_root_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
