/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/dead.h"
#include "crdt/state/mark.h"
#include "crdt/state/root.h"
#include "tests/unit/base/check.h"
#include "tests/unit/model/hex.h"
#include "tests/unit/state/world.h"

#include <stdio.h>

/* Damage under a valid seal, which the store itself cannot see: planted, and found, each with its words. */

static struct arena arena;

struct findings {
	size_t count;
	char text[300];
};

static void note(void *context, struct bytes key, const char *text)
{
	struct findings *findings = context;

	assert_true(key.size > 0);
	if (!findings->count++)
		snprintf(findings->text, sizeof findings->text, "%s", text);
}

static struct findings look(struct store *store)
{
	struct findings findings = { 0 };
	struct store_txn *txn;
	struct err err = { 0 };
	enum code code;

	assert_int_equal(store_snapshot(store, &txn, NULL), OK);
	code = state_check(txn, note, &findings, &err);
	assert_int_equal(code, findings.count ? E_DAMAGED : OK);
	if (code)
		assert_string_equal(err.text, "the state is damaged");
	assert_int_equal(store_scan(txn, note, &findings, NULL), OK);
	store_end(txn);
	return findings;
}

static void expect(struct world *world, size_t count, const char *text)
{
	struct findings findings = look(world->store);

	assert_string_equal(findings.text, text);
	assert_int_equal(findings.count, count);
}

static void plant(struct world *world, struct bytes key, struct bytes value, bool is_removal)
{
	struct store_txn *txn;

	assert_int_equal(store_begin(world->store, &txn, NULL), OK);
	if (is_removal)
		assert_int_equal(store_delete(txn, key, NULL), OK);
	else
		assert_int_equal(store_put(txn, key, value, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
}

/* The nth entry of a table. */
static struct bytes nth(struct world *world, uint8_t table, size_t n, struct bytes *ret_value)
{
	struct store_txn *txn;
	struct store_cursor *cursor;
	struct bytes key, value;

	assert_int_equal(store_snapshot(world->store, &txn, NULL), OK);
	assert_int_equal(store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, NULL), OK);
	for (size_t i = 0; i <= n; i++)
		assert_int_equal(store_next(cursor, &key, &value, NULL), OK);
	key = arena_copy(&arena, key);
	*ret_value = arena_copy(&arena, value);
	store_range_end(cursor);
	store_end(txn);
	return key;
}

static size_t count_of(struct world *world, uint8_t table)
{
	struct store_txn *txn;
	size_t count;

	assert_int_equal(store_snapshot(world->store, &txn, NULL), OK);
	count = store_count(txn, table);
	store_end(txn);
	return count;
}

static struct bytes changed(struct bytes bytes, size_t at)
{
	struct bytes copy = arena_copy(&arena, bytes);

	((uint8_t *)(uintptr_t)copy.data)[at] ^= 1;
	return copy;
}

static void sound_states_are_sound(void **state)
{
	struct world world;

	(void)state;
	world_start(&world, 1);
	expect(&world, 0, "");
	for (int i = 0; i < 10; i++)
		world_step(&world, 40);
	expect(&world, 0, "");
	world_end(&world);
}

static void every_missing_and_stray_entry_is_found(void **state)
{
	struct world world;
	size_t count;

	(void)state;
	world_start(&world, 2);
	world_step(&world, 200);
	count = count_of(&world, TABLE_INDEX);
	for (size_t i = 0; i < count; i += 5) {
		struct bytes value, key = nth(&world, TABLE_INDEX, i, &value);
		struct bytes stray = changed(key, 3 + dice_below(key.size - 3));

		plant(&world, key, value, true);
		expect(&world, 1, "this index entry is missing");
		/* One is missing and one is too many: the numbers agree, and yet. */
		plant(&world, stray, value, false);
		assert_true(look(world.store).count >= 1);
		plant(&world, key, value, false);
		expect(&world, 1, "this index entry belongs to no record");
		plant(&world, stray, value, true);
		expect(&world, 0, "");
		arena_reset(&arena);
	}
	plant(&world, bytes_of((uint8_t[]){ TABLE_INDEX }, 1), bytes_of(NULL, 0), false);
	expect(&world, 1, "this index entry belongs to no record");
	world_end(&world);
}

static void every_missing_and_stray_mark_is_found(void **state)
{
	struct world world;
	size_t count;

	(void)state;
	world_start(&world, 5);
	for (int i = 0; i < 120; i++)
		world_step(&world, 40);
	count = count_of(&world, TABLE_MARK);
	assert_true(count >= 3);
	for (size_t i = 0; i < count; i++) {
		struct bytes value, key = nth(&world, TABLE_MARK, i, &value);
		struct bytes stray = changed(key, 1 + dice_below(key.size - 1));

		plant(&world, key, value, true);
		expect(&world, 1, "this mark is missing");
		plant(&world, stray, value, false);
		expect(&world, 2, "this mark is missing");
		plant(&world, key, value, false);
		expect(&world, 1, "this mark belongs to no record");
		plant(&world, stray, value, true);
		expect(&world, 0, "");
		arena_reset(&arena);
	}
	plant(&world, bytes_of((uint8_t[]){ TABLE_MARK }, 1), bytes_of(NULL, 0), false);
	expect(&world, 1, "this mark belongs to no record");
	world_end(&world);
}

static void every_wrong_entry_of_the_list_of_the_dead_is_found(void **state)
{
	struct bytes round = bytes_of(dead_round_key, sizeof dead_round_key);
	struct world world;
	size_t count;

	(void)state;
	world_start(&world, 5);
	for (int i = 0; i < 200; i++)
		world_step(&world, 40);
	count = count_of(&world, TABLE_DEAD);
	assert_true(count >= 3);
	for (size_t i = 0; i < count; i++) {
		struct bytes value, key = nth(&world, TABLE_DEAD, i, &value);
		struct bytes stray = changed(key, 3 + dice_below(key.size - 3));

		plant(&world, key, value, true);
		expect(&world, 1, "this dead record is missing from the list");
		plant(&world, stray, value, false);
		expect(&world, 2, "this dead record is missing from the list");
		plant(&world, key, value, false);
		expect(&world, 1, "the list of the dead names what is not to be on it");
		plant(&world, stray, value, true);
		plant(&world, key, changed(value, 7), false);
		expect(&world, 1, "the list of the dead has a wrong number here");
		plant(&world, key, bytes_of(value.data, 7), false);
		expect(&world, 1, "the list of the dead has a wrong number here");
		plant(&world, key, value, false);
		expect(&world, 0, "");
		arena_reset(&arena);
	}
	plant(&world, bytes_of((uint8_t[]){ TABLE_DEAD }, 1), bytes_of(NULL, 0), false);
	expect(&world, 1, "this is no key of the list of the dead");
	plant(&world, bytes_of((uint8_t[]){ TABLE_DEAD }, 1), bytes_of(NULL, 0), true);
	plant(&world, round, bytes_text("short"), false);
	expect(&world, 1, "the number of the round is damaged");
	assert_true(state_is_derived(round) && state_is_derived(bytes_of((uint8_t[]){ TABLE_DEAD }, 1)));
	assert_int_equal(state_rebuild(world.store, NULL), OK);
	expect(&world, 0, "");
	assert_int_equal(count_of(&world, TABLE_DEAD), count);
	world_end(&world);
}

/* It is there, but not dead. */
static void whoever_lives_is_not_on_the_list(void **state)
{
	struct world world;
	size_t count, planted = 0;

	(void)state;
	world_start(&world, 5);
	for (int i = 0; i < 30; i++)
		world_step(&world, 40);
	count = count_of(&world, TABLE_DEAD);
	for (size_t i = 0; i < count_of(&world, TABLE_RECORD); i += 9) {
		struct bytes value, key = changed(nth(&world, TABLE_RECORD, i, &value), 0);

		((uint8_t *)(uintptr_t)key.data)[0] = TABLE_DEAD;
		if (dead_is_listed((uint32_t)(key.data[1] << 8 | key.data[2]), value))
			continue;
		plant(&world, key, bytes_of("\0\0\0\0\0\0\0", 8), false);
		expect(&world, 1, "the list of the dead names what is not to be on it");
		assert_int_equal(state_rebuild(world.store, NULL), OK);
		assert_int_equal(count_of(&world, TABLE_DEAD), count);
		arena_reset(&arena);
		planted++;
	}
	assert_in_range(planted, 10, 1000);
	world_end(&world);
}

static void put_root(struct world *world, const struct root *root)
{
	struct root copy = *root;
	struct store_txn *txn;

	copy.changed = ROOT_ALL_PARTS;
	assert_int_equal(store_begin(world->store, &txn, NULL), OK);
	assert_int_equal(root_put(txn, &copy, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
}

static void a_root_of_other_records_is_found(void **state)
{
	struct store_txn *txn;
	struct world world;
	struct bytes value, key;
	struct root root;

	(void)state;
	world_start(&world, 6);
	world_step(&world, 200);
	assert_int_equal(store_snapshot(world.store, &txn, NULL), OK);
	assert_int_equal(root_read(txn, (struct id){ { 1 } }, &root, NULL), OK);
	store_end(txn);
	put_root(&world, &root);
	expect(&world, 0, "");
	for (size_t i = 0; i < ROOT_BUCKETS; i += 51) {
		root.buckets[i].high ^= 1;
		put_root(&world, &root);
		expect(&world, 1, "the root is not that of the records");
		root.buckets[i].high ^= 1;
	}
	/* Of another cluster the same records weigh something else. */
	root.key.bytes[3] ^= 1;
	put_root(&world, &root);
	expect(&world, 1, "the root is not that of the records");
	root.key.bytes[3] ^= 1;
	put_root(&world, &root);
	plant(&world, bytes_of(root_key, sizeof root_key), bytes_text("short"), false);
	expect(&world, 1, "the stored root has a wrong size");
	assert_true(state_is_derived(bytes_of(root_key, sizeof root_key)));
	put_root(&world, &root);
	/* What a record weighs that cannot be read, nobody knows. */
	for (size_t i = 20; i-- > 0;) {
		key = nth(&world, TABLE_RECORD, i, &value);
		mem_disk_poke(world.disk, key, bytes_text("no seal"));
	}
	assert_int_equal(store_snapshot(world.store, &txn, NULL), OK);
	assert_int_equal(state_check(txn, note, &(struct findings){ 0 }, NULL), OK);
	store_end(txn);
	world_end(&world);
	arena_reset(&arena);
}

static void other_damage_has_its_words(void **state)
{
	static const struct {
		const char *hex, *text;
	} cases[] = {
		{ "93 c2 c400 80 00", "record: bytes follow its last field" },
		{ "93 c2 c400 81 0d a161", "record: its stamps are not canonical" },
		{ "93 c2 c411 0000000000010000 0000000000000001 00 81 0d a161",
		  "record: its stamps are not canonical" },
		{ "93 c3 c400 81 12 01", "record: it is dead and yet has more than its identity" },
		{ "93 c3 c400 81 08 01", "its identity does not give its id" },
		{ "", "record: its frame is not canonical" },
	};
	struct bytes value, key;
	struct world world;
	uint8_t room[RECORD_KEY_SIZE + 1] = { 0 };

	(void)state;
	world_start(&world, 3);
	world_step(&world, 100);
	record_key_write(KIND_device, (struct id){ { 1, 2, 3 } }, room);
	for (size_t i = 0; i < COUNT(cases); i++) {
		plant(&world, bytes_of(room, RECORD_KEY_SIZE), unhex(&arena, cases[i].hex), false);
		expect(&world, 1, cases[i].text);
	}
	plant(&world, bytes_of(room, RECORD_KEY_SIZE), value = bytes_of(NULL, 0), true);
	plant(&world, bytes_of(room, RECORD_KEY_SIZE + 1), unhex(&arena, "93 c2 c400 80"), false);
	expect(&world, 1, "this is no record's key");
	plant(&world, bytes_of(room, RECORD_KEY_SIZE + 1), value, true);
	/* A record under another's key: neither its id nor its entries. */
	key = nth(&world, TABLE_RECORD, 5, &value);
	plant(&world, changed(key, 10), value, false);
	assert_true(look(world.store).count >= 1);
	assert_string_equal(look(world.store).text, "its identity does not give its id");
	world_end(&world);
	arena_reset(&arena);
}

/* What fails its hash is the store's own scan's to tell: here it is not told again, nor is its neighbour blamed. */
static void what_fails_its_hash_is_passed_over(void **state)
{
	static const uint8_t tables[] = { TABLE_RECORD, TABLE_INDEX, TABLE_MARK, TABLE_DEAD };
	struct findings findings = { 0 };
	struct store_txn *txn;
	struct world world;

	(void)state;
	world_start(&world, 4);
	for (int i = 0; i < 20; i++)
		world_step(&world, 40);
	for (size_t t = 0; t < COUNT(tables); t++)
		/* From the last, for what comes before is still to be walked over. */
		for (size_t i = count_of(&world, tables[t]); i-- > 0;) {
			struct bytes value;

			if (i % 7)
				continue;
			mem_disk_poke(world.disk, nth(&world, tables[t], i, &value), bytes_text("no seal"));
			assert_int_equal(store_snapshot(world.store, &txn, NULL), OK);
			assert_int_equal(state_check(txn, note, &findings, NULL), OK);
			store_end(txn);
		}
	assert_int_equal(findings.count, 0);
	world_end(&world);
	arena_reset(&arena);
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
		cmocka_unit_test(sound_states_are_sound),
		cmocka_unit_test(every_missing_and_stray_entry_is_found),
		cmocka_unit_test(every_missing_and_stray_mark_is_found),
		cmocka_unit_test(every_wrong_entry_of_the_list_of_the_dead_is_found),
		cmocka_unit_test(whoever_lives_is_not_on_the_list),
		cmocka_unit_test(a_root_of_other_records_is_found),
		cmocka_unit_test(other_damage_has_its_words),
		cmocka_unit_test(what_fails_its_hash_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
