/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/world.h"

/* A store that another version's model wrote: its indexes are made anew, also when the power goes meanwhile. */

enum { OUTPUT = 1 << 26 };

static const uint8_t model_key[] = { TABLE_META, 'm' };

static void put(struct store *store, struct bytes key, struct bytes value)
{
	struct store_txn *txn;

	assert_int_equal(store_begin(store, &txn, NULL), OK);
	assert_int_equal(store_put(txn, key, value, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
}

static struct buf index_of(struct store *store)
{
	struct buf buf = buf_growing(OUTPUT);
	struct store_txn *txn;

	assert_int_equal(store_snapshot(store, &txn, NULL), OK);
	world_index(txn, &buf);
	store_end(txn);
	return buf;
}

static void assert_index(struct store *store, const struct buf *wanted)
{
	struct buf is = index_of(store);

	assert_int_equal(is.size, wanted->size);
	assert_memory_equal(is.data, wanted->data, is.size);
	buf_done(&is);
}

/* What another model would have left: entries of its own, among ours and last; some of ours missing; its mark. */
static void make_foreign(struct store *store)
{
	struct store_txn *txn;
	struct store_cursor *cursor;
	struct bytes key, value;
	uint8_t copy[STORE_KEY_MAX], table = TABLE_INDEX;
	size_t size;

	put(store, bytes_of(model_key, sizeof model_key), bytes_of("another", 7));
	for (uint8_t i = 0; i < 200; i++)
		put(store, bytes_of((uint8_t[30]){ TABLE_INDEX, i % 2 ? 0xff : 0, 77, 0, 13, i }, 30),
		    bytes_of(NULL, 0));
	for (int i = 0; i < 20; i++) {
		assert_int_equal(store_begin(store, &txn, NULL), OK);
		assert_int_equal(store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, NULL), OK);
		assert_int_equal(store_next(cursor, &key, &value, NULL), OK);
		size = key.size;
		memcpy(copy, key.data, size);
		store_range_end(cursor);
		assert_int_equal(store_delete(txn, bytes_of(copy, size), NULL), OK);
		assert_int_equal(store_commit(txn, NULL), OK);
	}
}

static void never_damaged(void *context, struct bytes key, const char *text)
{
	(void)context;
	fail_msg("damage at a key of %u bytes: %s", (unsigned)key.size, text);
}

static void assert_sound(struct store *store)
{
	struct store_txn *txn;

	assert_int_equal(store_snapshot(store, &txn, NULL), OK);
	assert_int_equal(state_check(txn, never_damaged, NULL, NULL), OK);
	assert_int_equal(store_scan(txn, never_damaged, NULL, NULL), OK);
	store_end(txn);
}

static void indexes_are_made_anew(void **state)
{
	struct world world;
	struct buf before, foreign;

	(void)state;
	world_start(&world, 1);
	for (int i = 0; i < 30; i++)
		world_step(&world, 20);
	before = index_of(world.store);
	assert_true(before.size > 1000);
	make_foreign(world.store);
	foreign = index_of(world.store);
	assert_true(foreign.size != before.size);
	assert_int_equal(state_open(world.store, NULL), OK);
	assert_index(world.store, &before);
	assert_sound(world.store);
	buf_done(&before);
	buf_done(&foreign);
	world_end(&world);
}

/* More records than one transaction of the rebuild takes. */
static void many_records_take_many_transactions(void **state)
{
	struct world world;
	struct buf before;
	uint64_t commits;

	(void)state;
	world_start(&world, 2);
	for (int i = 0; i < 20; i++)
		world_step(&world, 900);
	before = index_of(world.store);
	make_foreign(world.store);
	commits = mem_disk_counts(world.disk).commits;
	assert_int_equal(state_open(world.store, NULL), OK);
	assert_true(mem_disk_counts(world.disk).commits - commits > 3);
	assert_index(world.store, &before);
	assert_sound(world.store);
	/* And once it is done, nothing is written any more. */
	commits = mem_disk_counts(world.disk).commits;
	assert_int_equal(state_open(world.store, NULL), OK);
	assert_int_equal(mem_disk_counts(world.disk).commits, commits);
	buf_done(&before);
	world_end(&world);
}

static void reopen(struct world *world)
{
	store_close(world->store);
	assert_int_equal(mem_store_open(world->disk, &(struct hash_key){ { 7 } }, &world->store, NULL), OK);
}

/*
 * Half-made indexes are nobody's: the version that wrote the old ones may be started again next, and must not take its
 * own mark for theirs.
 */
static void assert_mark_is_honest(struct store *store, const struct buf *foreign)
{
	struct buf is = index_of(store);
	struct store_txn *txn;
	struct bytes mark;

	assert_int_equal(store_snapshot(store, &txn, NULL), OK);
	if (!store_get(txn, bytes_of(model_key, sizeof model_key), &mark, NULL) && mark.size == 7)
		assert_true(bytes_equal(buf_bytes(&is), buf_bytes(foreign)));
	store_end(txn);
	buf_done(&is);
}

/* The power goes at each of many steps of the rebuild, also of those that follow a crash. */
static void a_crash_in_the_middle_loses_nothing(void **state)
{
	struct world world;
	struct buf before, foreign;
	struct mem_disk *copy;
	size_t crashes = 0;

	(void)state;
	world_start(&world, 3);
	for (int i = 0; i < 7; i++)
		world_step(&world, 1000);
	before = index_of(world.store);
	make_foreign(world.store);
	foreign = index_of(world.store);
	store_close(world.store);
	world.store = NULL;
	copy = mem_disk_clone(world.disk);
	for (uint64_t step = 1; step < 12000; step += 1 + step / 3) {
		mem_disk_restore(world.disk, copy);
		reopen(&world);
		mem_disk_crash_at(world.disk, step);
		while (state_open(world.store, NULL)) {
			crashes++;
			reopen(&world);
			assert_mark_is_honest(world.store, &foreign);
			if (!dice_below(2))
				mem_disk_crash_at(world.disk, 1 + dice_below(3 * step));
		}
		mem_disk_crash_at(world.disk, 0);
		assert_index(world.store, &before);
		assert_sound(world.store);
		store_close(world.store);
		world.store = NULL;
	}
	assert_true(crashes > 20);
	mem_disk_free(copy);
	buf_done(&before);
	buf_done(&foreign);
	world_end(&world);
}

/* The mark says "all of them": while any transaction of many is to come it must not be there. */
static void a_crash_between_two_transactions_leaves_no_mark(void **state)
{
	struct world world;
	struct buf before;
	struct mem_disk *copy;
	size_t crashes = 0;
	bool is_done = false;

	(void)state;
	world_start(&world, 2);
	for (int i = 0; i < 20; i++)
		world_step(&world, 900);
	before = index_of(world.store);
	make_foreign(world.store);
	store_close(world.store);
	copy = mem_disk_clone(world.disk);
	for (uint64_t step = 1000; !is_done; step += 1000) {
		mem_disk_restore(world.disk, copy);
		assert_int_equal(mem_store_open(world.disk, &(struct hash_key){ { 7 } }, &world.store, NULL), OK);
		mem_disk_crash_at(world.disk, step);
		is_done = !state_open(world.store, NULL);
		crashes += !is_done;
		mem_disk_crash_at(world.disk, 0);
		reopen(&world);
		assert_int_equal(state_open(world.store, NULL), OK);
		assert_index(world.store, &before);
		store_close(world.store);
	}
	world.store = NULL;
	assert_true(crashes > 5);
	mem_disk_free(copy);
	buf_done(&before);
	world_end(&world);
}

static size_t damages;

static void count_derived(void *context, struct bytes key, const char *text)
{
	(void)context;
	damages++;
	if (!state_is_derived(key))
		fail_msg("not of the indexes: %s", text);
}

/* Changes index entries beneath the store, takes one away, puts a stray one in, and damages the mark. */
static size_t damage_indexes(struct world *world)
{
	static const uint8_t stray[] = { TABLE_INDEX, 0, 1, 2, 3 };
	uint8_t table = TABLE_INDEX, copy[STORE_KEY_MAX];
	struct bytes key, value;
	size_t count = 0;

	for (size_t i = 0; i < 40; i += 8) {
		struct store_cursor *cursor;
		struct store_txn *txn;

		assert_int_equal(store_snapshot(world->store, &txn, NULL), OK);
		assert_int_equal(store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, NULL), OK);
		for (size_t k = 0; k <= i; k++)
			if (store_next(cursor, &key, &value, NULL) != E_DAMAGED)
				memcpy(copy, key.data, key.size);
		key.data = copy;
		store_range_end(cursor);
		store_end(txn);
		mem_disk_poke(world->disk, key, i ? bytes_text("no seal fits this") : bytes_of(NULL, 0));
		count++;
	}
	mem_disk_poke(world->disk, bytes_of(stray, sizeof stray), bytes_text("nor this"));
	mem_disk_poke(world->disk, bytes_of(model_key, sizeof model_key), bytes_text("nor this one"));
	return count + 2;
}

/* Also when it is cut short: they follow from the records. */
static void damaged_indexes_are_made_anew(void **state)
{
	struct world world;
	struct buf before;
	struct store_txn *txn;
	size_t crashes = 0;

	(void)state;
	world_start(&world, 5);
	for (int i = 0; i < 6; i++)
		world_step(&world, 900);
	before = index_of(world.store);
	for (uint64_t step = 1; step < 12000; step += step) {
		size_t planted = damage_indexes(&world);

		damages = 0;
		assert_int_equal(store_snapshot(world.store, &txn, NULL), OK);
		assert_int_equal(store_scan(txn, count_derived, NULL, NULL), E_DAMAGED);
		assert_int_equal(state_check(txn, count_derived, NULL, NULL), OK);
		store_end(txn);
		assert_true(damages >= planted - 1);
		mem_disk_crash_at(world.disk, step);
		while (state_rebuild(world.store, NULL)) {
			crashes++;
			reopen(&world);
			mem_disk_crash_at(world.disk, 0);
		}
		mem_disk_crash_at(world.disk, 0);
		assert_index(world.store, &before);
		assert_sound(world.store);
	}
	assert_true(crashes > 5);
	buf_done(&before);
	world_end(&world);
}

static void an_empty_store_is_marked(void **state)
{
	struct id fingerprint = model_fingerprint();
	struct world world;
	struct store_txn *txn;
	struct bytes value;

	(void)state;
	world_start(&world, 4);
	assert_int_equal(store_snapshot(world.store, &txn, NULL), OK);
	assert_int_equal(store_get(txn, bytes_of(model_key, sizeof model_key), &value, NULL), OK);
	assert_true(bytes_equal(value, bytes_of(fingerprint.bytes, sizeof fingerprint.bytes)));
	store_end(txn);
	world_end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(indexes_are_made_anew),
		cmocka_unit_test(many_records_take_many_transactions),
		cmocka_unit_test(a_crash_in_the_middle_loses_nothing),
		cmocka_unit_test(a_crash_between_two_transactions_leaves_no_mark),
		cmocka_unit_test(damaged_indexes_are_made_anew),
		cmocka_unit_test(an_empty_store_is_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
