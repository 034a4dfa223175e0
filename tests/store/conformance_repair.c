/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/conformance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Repair: what is damaged, missing or too many is replaced or cleared, and the ledger is right at each commit. */

enum { ENTRIES = 50 };

static const struct hash_key secret = { "the test's key.." };

struct place {
	const struct store_maker *maker;
	void *place;
	struct store *store;
};

static struct bytes key_of(uint8_t table, uint8_t number, uint8_t room[3])
{
	room[0] = table;
	room[1] = 'k';
	room[2] = number;
	return bytes_of(room, 3);
}

static struct store_txn *begin(struct place *at)
{
	struct store_txn *txn = NULL;

	assert_int_equal(store_begin(at->store, &txn, NULL), OK);
	return txn;
}

static void open_place(struct place *at)
{
	assert_int_equal(at->maker->open(at->place, &secret, &at->store, NULL), OK);
}

/* Three tables of as many entries. */
static struct place set_up(const struct store_maker *maker)
{
	struct place at = { .maker = maker, .place = maker->make() };
	struct store_txn *txn;
	uint8_t room[3];

	open_place(&at);
	txn = begin(&at);
	for (uint8_t table = 1; table <= 3; table++)
		for (uint8_t i = 0; i < ENTRIES; i++)
			assert_int_equal(store_put(txn, key_of(table, i, room), bytes_of("value", i % 6), NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	return at;
}

static void tear_down(struct place *at)
{
	store_close(at->store);
	at->maker->drop(at->place);
}

/* Changes entries of a table behind the store's back; NULL takes them away. */
static void harm(struct place *at, uint8_t table, uint8_t number, const char *raw)
{
	uint8_t room[3];

	store_close(at->store);
	at->maker->poke(at->place, key_of(table, number, room), raw ? bytes_text(raw) : bytes_of(NULL, 0));
	open_place(at);
}

struct told {
	size_t entries, tables; /* damaged entries; tables with which the ledger disagrees */
};

static void note(void *context, struct bytes key, const char *text)
{
	struct told *told = context;

	assert_true(key.size >= 1 && text[0]);
	*(key.size == 1 ? &told->tables : &told->entries) += 1;
}

static void assert_scan(struct place *at, size_t entries, size_t tables)
{
	struct told told = { 0 };
	struct store_txn *txn;

	assert_int_equal(store_snapshot(at->store, &txn, NULL), OK);
	assert_int_equal(store_scan(txn, note, &told, NULL), entries + tables ? E_DAMAGED : OK);
	store_end(txn);
	assert_int_equal(told.entries, entries);
	assert_int_equal(told.tables, tables);
}

static void replace(struct place *at, uint8_t table, uint8_t number, const char *value)
{
	struct store_txn *txn = begin(at);
	struct bytes found;
	uint8_t room[3];

	assert_int_equal(store_replace(txn, key_of(table, number, room), bytes_text(value), NULL), OK);
	assert_int_equal(store_get(txn, key_of(table, number, room), &found, NULL), OK);
	assert_true(bytes_equal(found, bytes_text(value)));
	assert_int_equal(store_commit(txn, NULL), OK);
}

static void a_damaged_entry_is_replaced(void **state)
{
	struct place at = set_up(*state);
	struct store_txn *txn;
	uint8_t room[3];

	harm(&at, 1, 7, "no seal fits this");
	harm(&at, 1, 9, "short");
	harm(&at, 2, 7, "nor this, which has another length");
	assert_scan(&at, 3, 0);
	replace(&at, 1, 7, "as a peer has it");
	assert_scan(&at, 2, 0);
	replace(&at, 1, 9, "");
	assert_scan(&at, 1, 0);
	replace(&at, 2, 7, "a long value, much longer than the one that was there before it was damaged");
	assert_scan(&at, 0, 0);
	/* As a put, where nothing is damaged. */
	replace(&at, 2, 7, "once more");
	replace(&at, 2, ENTRIES, "a new one");
	assert_scan(&at, 0, 0);
	txn = begin(&at);
	assert_int_equal(store_count(txn, 1), ENTRIES);
	assert_int_equal(store_count(txn, 2), ENTRIES + 1);
	/* And what was replaced can be deleted. */
	assert_int_equal(store_delete(txn, key_of(1, 7, room), NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_scan(&at, 0, 0);
	tear_down(&at);
}

static void what_is_missing_is_still_missed(void **state)
{
	struct place at = set_up(*state);

	harm(&at, 1, 7, "no seal fits this");
	harm(&at, 1, 20, NULL);
	assert_scan(&at, 1, 1);
	replace(&at, 1, 7, "mended");
	assert_scan(&at, 0, 1);
	tear_down(&at);
}

static void an_abandoned_repair_leaves_nothing(void **state)
{
	struct place at = set_up(*state);
	struct store_txn *txn;
	bool is_empty;
	uint8_t room[3];

	harm(&at, 1, 7, "no seal fits this");
	txn = begin(&at);
	assert_int_equal(store_replace(txn, key_of(1, 7, room), bytes_text("mended"), NULL), OK);
	assert_int_equal(store_clear_some(txn, 2, 1000, true, &is_empty, NULL), OK);
	assert_true(is_empty);
	assert_int_equal(store_count(txn, 2), 0);
	store_end(txn);
	assert_scan(&at, 1, 0);
	tear_down(&at);
}

/* In so many at a time; after each commit nothing is wrong but what is still damaged. */
static void clear(struct place *at, uint8_t table, size_t most, const uint8_t *damaged, size_t count)
{
	bool is_empty = false;
	size_t left, calls = 0;

	for (bool is_first = true; !is_empty; is_first = false) {
		struct store_txn *txn = begin(at);

		assert_int_equal(store_clear_some(txn, table, most, is_first, &is_empty, NULL), OK);
		assert_int_equal(store_commit(txn, NULL), OK);
		calls++;
		left = 0;
		for (size_t i = 0; i < count; i++)
			left += !is_empty && damaged[i] >= calls * most;
		assert_scan(at, left, 0);
		/* A clearing that is cut short is begun again. */
		if (calls == 2)
			is_first = true;
	}
	assert_int_equal(calls, ENTRIES / most + 1);
}

static void a_table_is_cleared_whatever_is_in_it(void **state)
{
	static const uint8_t damaged[] = { 0, 13, 14, ENTRIES - 1 };
	struct place at = set_up(*state);
	struct store_txn *txn;
	struct bytes value;
	uint8_t room[3];

	for (size_t i = 0; i < COUNT(damaged); i++)
		harm(&at, 2, damaged[i], i ? "no seal fits this" : "x");
	assert_scan(&at, COUNT(damaged), 0);
	clear(&at, 2, 10, damaged, COUNT(damaged));
	clear(&at, 3, ENTRIES / 2, NULL, 0);
	txn = begin(&at);
	assert_int_equal(store_count(txn, 1), ENTRIES);
	assert_int_equal(store_count(txn, 2), 0);
	assert_int_equal(store_count(txn, 3), 0);
	assert_int_equal(store_get(txn, key_of(1, ENTRIES - 1, room), &value, NULL), OK);
	assert_int_equal(store_get(txn, key_of(2, 13, room), &value, NULL), E_ABSENT);
	/* It is a table as any other. */
	assert_int_equal(store_put(txn, key_of(2, 13, room), bytes_text("anew"), NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_scan(&at, 0, 0);
	tear_down(&at);
}

/* Missing entries and ones too many: the ledger of a table that is given up is not believed. */
static void a_cleared_table_owes_nothing(void **state)
{
	struct place at = set_up(*state);

	harm(&at, 2, 30, NULL);
	harm(&at, 2, 5, "no seal fits this");
	harm(&at, 2, ENTRIES - 1, NULL);
	harm(&at, 2, 31, NULL);
	assert_scan(&at, 1, 1);
	for (bool is_empty = false, is_first = true; !is_empty; is_first = false) {
		struct store_txn *txn = begin(&at);

		assert_int_equal(store_clear_some(txn, 2, 9, is_first, &is_empty, NULL), OK);
		assert_int_equal(store_commit(txn, NULL), OK);
		assert_scan(&at, 0, 0);
	}
	tear_down(&at);
}

/* A look writes nothing, so the transaction is none the worse for what it met; and damage is no absence. */
static void what_is_damaged_is_not_seen(void **state)
{
	struct place at = set_up(*state);
	struct bytes found = bytes_text("untouched");
	struct store_seen seen = { .seal = 5 };
	struct store_txn *txn;
	uint8_t room[3];

	harm(&at, 1, 7, "no seal fits this");
	txn = begin(&at);
	assert_int_equal(store_look(txn, key_of(1, 7, room), &found, &seen, NULL), E_DAMAGED);
	assert_true(found.size == 9 && seen.seal == 5);
	assert_int_equal(store_look(txn, key_of(1, 8, room), &found, &seen, NULL), OK);
	assert_true(seen.is_there && found.size == 8 % 6);
	assert_int_equal(store_put_seen(txn, key_of(1, 8, room), bytes_text("new"), &seen, NULL), OK);
	assert_int_equal(store_look(txn, key_of(1, ENTRIES, room), &found, &seen, NULL), OK);
	assert_true(!seen.is_there && !found.size);
	assert_int_equal(store_put_seen(txn, key_of(1, ENTRIES, room), bytes_text("new"), &seen, NULL), OK);
	assert_int_equal(store_count(txn, 1), ENTRIES + 1);
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_scan(&at, 1, 0);
	replace(&at, 1, 7, "whole again");
	assert_scan(&at, 0, 0);
	tear_down(&at);
}

int conformance_repair(const struct store_maker *maker)
{
	void *state = (void *)(uintptr_t)maker;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(a_damaged_entry_is_replaced, state),
		cmocka_unit_test_prestate(what_is_missing_is_still_missed, state),
		cmocka_unit_test_prestate(an_abandoned_repair_leaves_nothing, state),
		cmocka_unit_test_prestate(a_table_is_cleared_whatever_is_in_it, state),
		cmocka_unit_test_prestate(a_cleared_table_owes_nothing, state),
		cmocka_unit_test_prestate(what_is_damaged_is_not_seen, state),
	};

	return _cmocka_run_group_tests(maker->name, tests, COUNT(tests), NULL, NULL);
}
