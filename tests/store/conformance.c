/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/conformance.h"

#include "crdt/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BYTES(text) bytes_of("" text, sizeof(text) - 1)
#define NONE bytes_of(NULL, 0)

#define assert_code(is, should, err)                                                                            \
	do {                                                                                                    \
		enum code is_ = (is), should_ = (should);                                                       \
		if (is_ != should_)                                                                             \
			fail_msg("%s is %s (%s), not %s", #is, code_name(is_), (err).text, code_name(should_)); \
	} while (0)

static const struct hash_key secret = { "the test's key.." }, other_secret = { "another one....." };
static const uint8_t header_key[] = { 0, 'h' }, ledger_key[] = { 0, 'l' };

struct bench {
	const struct store_maker *maker;
	void *place;
	struct store *store;
};

static int set_up(void **state)
{
	struct bench *bench = must_alloc(sizeof *bench);
	struct err err = { 0 };

	bench->maker = *state;
	bench->place = bench->maker->make();
	assert_code(bench->maker->open(bench->place, &secret, &bench->store, &err), OK, err);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	store_close(bench->store);
	bench->maker->drop(bench->place);
	free(bench);
	return 0;
}

static void close_store(struct bench *bench)
{
	store_close(bench->store);
	bench->store = NULL;
}

static void open_with(struct bench *bench, const struct hash_key *key)
{
	struct err err = { 0 };

	assert_code(bench->maker->open(bench->place, key, &bench->store, &err), OK, err);
}

static void reopen(struct bench *bench)
{
	close_store(bench);
	open_with(bench, &secret);
}

static void start_over(struct bench *bench)
{
	close_store(bench);
	bench->maker->drop(bench->place);
	bench->place = bench->maker->make();
	open_with(bench, &secret);
}

static struct store_txn *begin(struct bench *bench)
{
	struct store_txn *txn = NULL;
	struct err err = { 0 };

	assert_code(store_begin(bench->store, &txn, &err), OK, err);
	return txn;
}

static struct store_txn *snapshot(struct bench *bench)
{
	struct store_txn *txn = NULL;
	struct err err = { 0 };

	assert_code(store_snapshot(bench->store, &txn, &err), OK, err);
	return txn;
}

static void commit(struct store_txn *txn)
{
	struct err err = { 0 };

	assert_code(store_commit(txn, &err), OK, err);
}

static void put(struct store_txn *txn, struct bytes key, struct bytes value)
{
	struct err err = { 0 };

	assert_code(store_put(txn, key, value, &err), OK, err);
}

static void delete_key(struct store_txn *txn, struct bytes key)
{
	struct err err = { 0 };

	assert_code(store_delete(txn, key, &err), OK, err);
}

static void put_alone(struct bench *bench, struct bytes key, struct bytes value)
{
	struct store_txn *txn = begin(bench);

	put(txn, key, value);
	commit(txn);
}

static void assert_has(struct store_txn *txn, struct bytes key, struct bytes value)
{
	struct err err = { 0 };
	struct bytes found;

	assert_code(store_get(txn, key, &found, &err), OK, err);
	assert_int_equal(found.size, value.size);
	if (value.size)
		assert_memory_equal(found.data, value.data, value.size);
}

static void assert_absent(struct store_txn *txn, struct bytes key)
{
	struct err err = { 0 };
	struct bytes found = BYTES("untouched");

	assert_code(store_get(txn, key, &found, &err), E_ABSENT, err);
	assert_int_equal(found.size, 9);
}

static void note_damage(void *context, struct bytes key, const char *text)
{
	char *told = context;
	size_t used = strlen(told);

	(void)key;
	snprintf(told + used, 1024 - used, "%s\n", text);
}

/* Scans; NULL: it must be clean, else these words must be told, and nothing of a strange commit. */
static void assert_scan(struct bench *bench, const char *words)
{
	struct store_txn *txn = snapshot(bench);
	struct err err = { 0 };
	char told[1024] = "";
	enum code code = store_scan(txn, note_damage, told, &err);

	store_end(txn);
	if (!words && (code || told[0]))
		fail_msg("a scan of a healthy store says %s: %s%s", code_name(code), err.text, told);
	if (words && (code != E_DAMAGED || !strstr(told, words) || strstr(told, "shows commit")))
		fail_msg("a scan says %s and \"%s\", not \"%s\"", code_name(code), told, words);
}

static void what_was_written_is_read(void **state)
{
	struct bench *bench = *state;
	struct store_txn *txn = begin(bench);

	put(txn, BYTES("\1a"), BYTES("first"));
	put(txn, BYTES("\1b"), BYTES("kept"));
	put(txn, BYTES("\1c"), NONE);
	put(txn, BYTES("\1d"), BYTES("gone"));
	put(txn, BYTES("\1a"), BYTES("second, and longer"));
	delete_key(txn, BYTES("\1d"));
	delete_key(txn, BYTES("\1never there"));
	for (int round = 0; round < 3; round++) {
		print_message("  %s\n", round == 0 ? "in the writer" : round == 1 ? "after its commit" : "reopened");
		assert_has(txn, BYTES("\1a"), BYTES("second, and longer"));
		assert_has(txn, BYTES("\1b"), BYTES("kept"));
		assert_has(txn, BYTES("\1c"), NONE);
		assert_absent(txn, BYTES("\1d"));
		assert_absent(txn, BYTES("\1"));
		assert_absent(txn, BYTES("\1a\0"));
		if (round == 0)
			commit(txn);
		else
			store_end(txn);
		if (round == 1)
			reopen(bench);
		txn = snapshot(bench);
	}
	store_end(txn);
	put_alone(bench, BYTES("\1a"), NONE);
	txn = snapshot(bench);
	assert_has(txn, BYTES("\1a"), NONE);
	store_end(txn);
	assert_scan(bench, NULL);
}

static void every_size_is_kept(void **state)
{
	static const struct {
		size_t key, value;
	} sizes[] = {
		{ 1, 0 },
		{ 1, 1 },
		{ 2, 2000 },
		{ 8, 4088 },
		{ 9, 65536 },
		{ 17, 1 << 20 },
		{ STORE_KEY_MAX - 1, 0 },
		{ STORE_KEY_MAX, 2000 },
		{ STORE_KEY_MAX, STORE_VALUE_MAX },
	};
	struct bench *bench = *state;
	uint8_t *value = must_alloc(STORE_VALUE_MAX), key[STORE_KEY_MAX];
	struct store_txn *txn = begin(bench);

	for (size_t i = 0; i < STORE_VALUE_MAX; i++)
		value[i] = (uint8_t)(i * 131 >> 3);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		memset(key, (int)i + 1, sizeof key);
		put(txn, bytes_of(key, sizes[i].key), bytes_of(value, sizes[i].value));
	}
	commit(txn);
	reopen(bench);
	txn = snapshot(bench);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		memset(key, (int)i + 1, sizeof key);
		assert_has(txn, bytes_of(key, sizes[i].key), bytes_of(value, sizes[i].value));
	}
	store_end(txn);
	assert_scan(bench, NULL);
	free(value);
}

/* Appends to `told` the values of a range, each one letter. */
static void tell_range(struct store_txn *txn, struct bytes prefix, struct bytes from, char told[32])
{
	struct store_cursor *cursor = NULL;
	struct err err = { 0 };
	struct bytes key, value;
	enum code code;
	size_t used = 0;

	assert_code(store_range(txn, prefix, from, &cursor, &err), OK, err);
	while (!(code = store_next(cursor, &key, &value, &err))) {
		assert_true(bytes_start_with(key, prefix) && bytes_compare(key, from) >= 0);
		assert_true(value.size == 1 && used < 31);
		told[used++] = (char)value.data[0];
	}
	told[used] = '\0';
	assert_code(code, E_ABSENT, err);
	assert_code(store_next(cursor, &key, &value, &err), E_ABSENT, err);
	store_range_end(cursor);
}

/* Of the entries that the test below writes. */
static const struct {
	struct bytes prefix, from;
	const char *values;
} ranges[] = {
#define TEXT(text) (const uint8_t *)(text), sizeof(text) - 1
	{ { TEXT("\1") }, { TEXT("") }, "abcdefg" },
	{ { TEXT("\2") }, { TEXT("") }, "h" },
	{ { TEXT("\3") }, { TEXT("") }, "" },
	{ { TEXT("\17") }, { TEXT("") }, "ij" },
	{ { TEXT("") }, { TEXT("\1") }, "abcdefghij" },
	{ { TEXT("") }, { TEXT("\2") }, "hij" },
	{ { TEXT("\1") }, { TEXT("\1") }, "abcdefg" },
	{ { TEXT("\1") }, { TEXT("\1\0") }, "bcdefg" },
	{ { TEXT("\1") }, { TEXT("\0\1") }, "abcdefg" },
	{ { TEXT("\1") }, { TEXT("\1k") }, "defg" },
	{ { TEXT("\1k") }, { TEXT("") }, "def" },
	{ { TEXT("\1k") }, { TEXT("\1k\0") }, "ef" },
	{ { TEXT("\1k") }, { TEXT("\1k\1") }, "f" },
	{ { TEXT("\1k") }, { TEXT("\1l") }, "" },
	{ { TEXT("\1k") }, { TEXT("\1") }, "def" },
	{ { TEXT("\1k\377") }, { TEXT("") }, "f" },
	{ { TEXT("\1\377") }, { TEXT("\1\377\377") }, "" },
	{ { TEXT("\1\377") }, { TEXT("") }, "g" },
	{ { TEXT("\1") }, { TEXT("\2") }, "" },
	{ { TEXT("\17\377") }, { TEXT("\17\377\377\377") }, "j" },
	{ { TEXT("\17\377") }, { TEXT("\17\377\377\377\0") }, "" },
	{ { TEXT("") }, { TEXT("\17\377\377\377\0") }, "" },
#undef TEXT
};

static void ranges_begin_and_end_where_they_should(void **state)
{
	struct bench *bench = *state;
	struct store_txn *txn = begin(bench);
	char told[32];

	put(txn, BYTES("\17\377\377\377"), BYTES("j"));
	put(txn, BYTES("\1k\377"), BYTES("f"));
	put(txn, BYTES("\1\0\0"), BYTES("c"));
	put(txn, BYTES("\1"), BYTES("a"));
	put(txn, BYTES("\2"), BYTES("h"));
	put(txn, BYTES("\1k\0"), BYTES("e"));
	put(txn, BYTES("\17"), BYTES("i"));
	put(txn, BYTES("\1k"), BYTES("d"));
	put(txn, BYTES("\1\377"), BYTES("g"));
	put(txn, BYTES("\1\0"), BYTES("b"));
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < COUNT(ranges); i++) {
			tell_range(txn, ranges[i].prefix, ranges[i].from, told);
			if (strcmp(told, ranges[i].values))
				fail_msg("case %zu: \"%s\", not \"%s\"", i, told, ranges[i].values);
		}
		if (round)
			store_end(txn);
		else
			commit(txn);
		txn = snapshot(bench);
	}
	store_end(txn);
}

static void a_snapshot_shows_one_commit(void **state)
{
	struct bench *bench = *state;
	struct store_txn *txn, *old, *middle;
	char told[32];

	put_alone(bench, BYTES("\1a"), BYTES("1"));
	old = snapshot(bench);
	txn = begin(bench);
	put(txn, BYTES("\1a"), BYTES("2"));
	put(txn, BYTES("\1b"), BYTES("3"));
	middle = snapshot(bench);
	assert_has(middle, BYTES("\1a"), BYTES("1"));
	commit(txn);
	put_alone(bench, BYTES("\1c"), BYTES("4"));
	for (int round = 0; round < 2; round++) {
		struct store_txn *one = round ? middle : old;

		assert_has(one, BYTES("\1a"), BYTES("1"));
		assert_absent(one, BYTES("\1b"));
		tell_range(one, BYTES("\1"), NONE, told);
		assert_string_equal(told, "1");
		assert_int_equal(store_count(one, 1), 1);
		store_end(one);
	}
	txn = snapshot(bench);
	tell_range(txn, BYTES("\1"), NONE, told);
	assert_string_equal(told, "234");
	store_end(txn);
}

static void an_abandoned_writer_leaves_nothing(void **state)
{
	struct bench *bench = *state;
	struct store_txn *txn;

	put_alone(bench, BYTES("\1a"), BYTES("1"));
	for (int round = 0; round < 2; round++) {
		txn = begin(bench);
		put(txn, BYTES("\1a"), BYTES("2"));
		put(txn, BYTES("\1b"), BYTES("2"));
		delete_key(txn, BYTES("\1a"));
		store_end(txn);
		txn = snapshot(bench);
		assert_has(txn, BYTES("\1a"), BYTES("1"));
		assert_absent(txn, BYTES("\1b"));
		assert_int_equal(store_count(txn, 1), 1);
		store_end(txn);
		reopen(bench);
	}
	assert_scan(bench, NULL);
}

static void a_failed_transaction_commits_nothing(void **state)
{
	struct bench *bench = *state;
	struct store_txn *txn;
	struct err first = { 0 }, last = { .text = "" };

	put_alone(bench, BYTES("\1a"), BYTES("1"));
	close_store(bench);
	bench->maker->poke(bench->place, BYTES("\1a"), BYTES("no seal fits this"));
	open_with(bench, &secret);
	for (int round = 0; round < 2; round++) {
		txn = begin(bench);
		put(txn, BYTES("\1before"), BYTES("x"));
		if (round)
			assert_code(store_delete(txn, BYTES("\1a"), &first), E_DAMAGED, first);
		else
			assert_code(store_put(txn, BYTES("\1a"), BYTES("2"), &first), E_DAMAGED, first);
		put(txn, BYTES("\1after"), BYTES("x"));
		assert_code(store_commit(txn, &last), E_DAMAGED, last);
		assert_string_equal(first.text, last.text);
		txn = snapshot(bench);
		assert_absent(txn, BYTES("\1before"));
		assert_absent(txn, BYTES("\1after"));
		store_end(txn);
	}
	assert_int_equal(store_health(bench->store), STORE_WELL);
	put_alone(bench, BYTES("\1after"), BYTES("the next one is free"));
}

static void a_commit_of_nothing_is_fine(void **state)
{
	struct bench *bench = *state;

	for (int round = 0; round < 5; round++) {
		struct store_txn *txn = begin(bench);

		if (round & 1)
			delete_key(txn, BYTES("\1never there"));
		commit(txn);
		assert_scan(bench, NULL);
	}
	store_end(NULL);
	store_range_end(NULL);
	reopen(bench);
	assert_scan(bench, NULL);
}

static void the_ledger_counts_each_table(void **state)
{
	struct bench *bench = *state;
	struct store_txn *txn = begin(bench);

	for (uint8_t i = 0; i < 20; i++)
		put(txn, bytes_of((uint8_t[]){ 1 + i % 2, i }, 2), BYTES("x"));
	put(txn, bytes_of((uint8_t[]){ 1, 0 }, 2), BYTES("again"));
	delete_key(txn, bytes_of((uint8_t[]){ 2, 1 }, 2));
	delete_key(txn, bytes_of((uint8_t[]){ 2, 1 }, 2));
	put(txn, bytes_of((uint8_t[]){ 15 }, 1), NONE);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(store_count(txn, 1), 10);
		assert_int_equal(store_count(txn, 2), 9);
		assert_int_equal(store_count(txn, 3), 0);
		assert_int_equal(store_count(txn, 15), 1);
		if (round)
			store_end(txn);
		else
			commit(txn);
		reopen(bench);
		txn = snapshot(bench);
	}
	store_end(txn);
	assert_scan(bench, NULL);
}

struct bytes conformance_seal(struct hash_key key_of_seal, struct bytes key, struct bytes value, uint8_t *room)
{
	uint8_t both[16];
	struct buf pair = buf_over(both, sizeof both), sealed = buf_over(room, value.size + 8);

	buf_put_big_endian(&pair, hash_keyed(key_of_seal, key), 8);
	buf_put_big_endian(&pair, hash_keyed(key_of_seal, value), 8);
	buf_put_bytes(&sealed, value);
	buf_put_big_endian(&sealed, hash_keyed(key_of_seal, buf_bytes(&pair)), 8);
	return buf_bytes(&sealed);
}

static void a_scan_tells_what_is_wrong(void **state)
{
	static const struct {
		const char *name, *key, *sealed, *raw, *words;
	} cases[] = {
		{ "a changed value", "\1b", NULL, "two, changed.....", "do not match" },
		{ "a value shorter than a seal", "\1b", NULL, "2", "do not match" },
		{ "a missing entry", "\1b", NULL, NULL, "2 entries where the ledger counts 3" },
		{ "an entry too many", "\1d", "four", NULL, "4 entries where the ledger counts 3" },
		{ "an older value, well sealed", "\1b", "old", NULL, "not the one that was last written" },
		{ "a key of no table", "\20b", "x", NULL, "no table" },
	};
	struct bench *bench = *state;
	uint8_t room[64];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bytes key = bytes_text(cases[i].key), value = NONE;

		print_message("  %s\n", cases[i].name);
		start_over(bench);
		put_alone(bench, BYTES("\1a"), BYTES("one"));
		put_alone(bench, BYTES("\1b"), BYTES("two"));
		put_alone(bench, BYTES("\1c"), BYTES("three"));
		assert_scan(bench, NULL);
		close_store(bench);
		if (cases[i].sealed)
			value = conformance_seal(secret, key, bytes_text(cases[i].sealed), room);
		else if (cases[i].raw)
			value = bytes_text(cases[i].raw);
		bench->maker->poke(bench->place, key, value);
		open_with(bench, NULL);
		assert_scan(bench, cases[i].words);
	}
}

static void the_secret_of_a_store_stays(void **state)
{
	struct bench *bench = *state;
	struct store_txn *txn;

	put_alone(bench, BYTES("\1a"), BYTES("1"));
	close_store(bench);
	open_with(bench, &other_secret);
	txn = snapshot(bench);
	assert_has(txn, BYTES("\1a"), BYTES("1"));
	store_end(txn);
	put_alone(bench, BYTES("\1b"), BYTES("2"));
	close_store(bench);
	open_with(bench, NULL);
	assert_scan(bench, NULL);
}

static void what_must_not_be_opened_is_refused(void **state)
{
	static const uint8_t newer[28] = "warren\r\n\0\0\0\2and a key of 16.";
	static const struct {
		const char *name;
		bool is_ledger;
		const char *text; /* NULL: none; empty: the newer header */
		enum code code;
	} cases[] = {
		{ "a newer format", false, "", E_NEWER },
		{ "a damaged header", false, "some header, but not one of Warren's", E_DAMAGED },
		{ "no header", false, NULL, E_DAMAGED },
		{ "no header, no ledger, one entry", true, NULL, E_DAMAGED },
	};
	struct bench *bench = *state;
	struct bytes header = bytes_of(header_key, sizeof header_key), ledger = bytes_of(ledger_key, sizeof ledger_key);
	struct bytes value;
	uint8_t room[36];
	struct err err = { 0 };

	put_alone(bench, BYTES("\1a"), BYTES("1"));
	close_store(bench);
	for (size_t i = 0; i < COUNT(cases); i++) {
		print_message("  %s\n", cases[i].name);
		value = cases[i].text ? bytes_text(cases[i].text) : NONE;
		if (value.data && !value.size)
			value = conformance_seal((struct hash_key){ 0 }, header, bytes_of(newer, sizeof newer), room);
		bench->maker->poke(bench->place, cases[i].is_ledger ? ledger : header, value);
		for (int round = 0; round < 2; round++)
			assert_code(bench->maker->open(bench->place, round ? &secret : NULL, &bench->store, &err),
				    cases[i].code, err);
		assert_null(bench->store);
		assert_true(err.text[0]);
	}
}

static void an_empty_place_is_not_read(void **state)
{
	struct bench *bench = *state;
	struct err err = { 0 };

	close_store(bench);
	bench->maker->drop(bench->place);
	bench->place = bench->maker->make();
	assert_code(bench->maker->open(bench->place, NULL, &bench->store, &err), E_ABSENT, err);
	assert_null(bench->store);
	open_with(bench, &secret);
	assert_scan(bench, NULL);
}

static void mixed_operations_agree_with_the_oracle(void **state)
{
	struct bench *bench = *state;

	for (uint64_t seed = 1; seed <= 3; seed++)
		conformance_random(bench->maker, seed);
}

int conformance_run(const struct store_maker *maker)
{
	void *state = (void *)(uintptr_t)maker;
#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, set_up, tear_down, state)
	const struct CMUnitTest tests[] = {
		TEST(what_was_written_is_read),
		TEST(every_size_is_kept),
		TEST(ranges_begin_and_end_where_they_should),
		TEST(a_snapshot_shows_one_commit),
		TEST(an_abandoned_writer_leaves_nothing),
		TEST(a_failed_transaction_commits_nothing),
		TEST(a_commit_of_nothing_is_fine),
		TEST(the_ledger_counts_each_table),
		TEST(a_scan_tells_what_is_wrong),
		TEST(the_secret_of_a_store_stays),
		TEST(what_must_not_be_opened_is_refused),
		TEST(an_empty_place_is_not_read),
		TEST(mixed_operations_agree_with_the_oracle),
	};
#undef TEST

	return _cmocka_run_group_tests(maker->name, tests, COUNT(tests), NULL, NULL);
}
