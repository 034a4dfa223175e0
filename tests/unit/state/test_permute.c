/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/apply.h"
#include "crdt/state/mark.h"
#include "crdt/state/state.h"
#include "tests/sim/store_mem.h"
#include "tests/unit/base/check.h"
#include "tests/unit/state/meaning.h"

/* Entries in any order come to the same: records, indexes, marks and root are those that the set of them means. */

enum { OUTPUT = 1 << 20 };

static struct arena arena;
static struct mem_disk *disk;
static struct store *store;

/* What is being compared, and how often that was so. */
struct trial {
	uint64_t seed;
	struct set set;
	struct bytes meaning;
	struct root root;
	size_t orders, dead, voids;
};

static void dump(struct store_txn *txn, uint8_t table, struct buf *buf)
{
	struct store_cursor *cursor;
	struct bytes key, value;

	assert_int_equal(store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, NULL), OK);
	while (!store_next(cursor, &key, &value, NULL))
		set_put_pair(buf, key, value);
	store_range_end(cursor);
}

static void never(void *context, struct bytes key, const char *text)
{
	(void)context;
	fail_msg("table %u: %s", key.size ? key.data[0] : 0, text);
}

static void apply_one(struct applying *applying, const struct entry_said *said)
{
	struct entry entry;
	struct err err = { 0 };
	enum code code;

	assert_int_equal(entry_check(said->whole, said->stamp.node, &entry, &err), OK);
	code = apply_entry(applying, said->stamp.node, &entry, &err);
	if (code != (said_is_void(said) ? E_VALUE : OK))
		fail_msg("an entry is %s: %s", code_name(code), err.text);
}

static void compare(struct trial *trial, struct applying *applying, const size_t *order)
{
	static const uint8_t tables[] = { TABLE_RECORD, TABLE_INDEX, TABLE_MARK };
	struct buf is = buf_growing(OUTPUT);

	for (size_t i = 0; i < COUNT(tables); i++)
		dump(applying->txn, tables[i], &is);
	trial->orders++;
	if (bytes_equal(buf_bytes(&is), trial->meaning) &&
	    !memcmp(applying->root->buckets, trial->root.buckets, sizeof trial->root.buckets)) {
		buf_done(&is);
		return;
	}
	for (size_t i = 0; i < trial->set.count; i++)
		print_error("%zu ", order[i]);
	fail_msg("is an order of the set %llu with %zu records that comes to something else",
		 (unsigned long long)trial->seed, trial->set.records);
}

/* In one transaction, which is then abandoned; `is_checked` looks at all that should fit together besides. */
static void try_order(struct trial *trial, const size_t *order, bool is_checked)
{
	struct root root;
	struct applying applying = { .root = &root, .arena = &arena };

	assert_int_equal(store_begin(store, &applying.txn, NULL), OK);
	assert_int_equal(root_read(applying.txn, set_cluster, &root, NULL), OK);
	for (size_t i = 0; i < trial->set.count; i++)
		apply_one(&applying, &trial->set.entries[order[i]]);
	compare(trial, &applying, order);
	if (is_checked) {
		assert_int_equal(root_put(applying.txn, &root, NULL), OK);
		assert_int_equal(state_check(applying.txn, never, NULL, NULL), OK);
	}
	store_end(applying.txn);
	arena_reset(&arena);
}

static void begin_trial(struct trial *trial, size_t records, size_t count)
{
	set_random(&trial->set, ++trial->seed, records, count);
	trial->meaning = set_meaning(&trial->set, &trial->root);
	for (size_t i = 0; i < count; i++) {
		const struct entry_said *entry = &trial->set.entries[i];

		trial->voids += said_is_void(entry);
		for (size_t k = 0; k < entry->count; k++)
			trial->dead += entry->ops[k].is_dead;
	}
}

/* Heap's algorithm, without recursion. */
static void each_order(struct trial *trial)
{
	size_t order[ENTRIES_MAX] = { 0 }, at[ENTRIES_MAX] = { 0 }, count = trial->set.count, i = 1;

	for (size_t k = 0; k < count; k++)
		order[k] = k;
	try_order(trial, order, true);
	while (i < count) {
		size_t other = i % 2 ? at[i] : 0, moved = order[other];

		if (at[i] == i) {
			at[i++] = 0;
			continue;
		}
		order[other] = order[i];
		order[i] = moved;
		at[i]++;
		i = 1;
		try_order(trial, order, false);
	}
}

static void all_orders_of_a_few_entries_agree(void **state)
{
	struct trial trial = { .seed = 0 };
	size_t wanted = 0;

	(void)state;
	for (size_t i = 0; i < 150; i++) {
		begin_trial(&trial, 1 + i % RECORDS, 1 + i % 5);
		each_order(&trial);
		wanted += (const size_t[]){ 1, 2, 6, 24, 120 }[i % 5];
	}
	for (size_t i = 0; i < 6; i++) {
		begin_trial(&trial, 1 + i % RECORDS, 6 + i % 2);
		each_order(&trial);
		wanted += i % 2 ? 5040 : 720;
	}
	assert_int_equal(trial.orders, wanted);
	assert_true(trial.dead > 30 && trial.voids > 10);
}

static void random_orders_of_many_entries_agree(void **state)
{
	struct trial trial = { .seed = 1000 };
	size_t order[ENTRIES_MAX];

	(void)state;
	for (size_t i = 0; i < 200; i++) {
		size_t count = 8 + i % (ENTRIES_MAX - 7);

		begin_trial(&trial, 1 + i % RECORDS, count);
		for (size_t k = 0; k < count; k++)
			order[k] = k;
		for (size_t round = 0; round < 10; round++) {
			for (size_t k = count; k > 1; k--) {
				size_t other = dice_below(k), moved = order[other];

				order[other] = order[k - 1];
				order[k - 1] = moved;
			}
			try_order(&trial, order, !round);
		}
	}
	assert_true(trial.dead > 100 && trial.voids > 100);
}

static int open_all(void **state)
{
	(void)state;
	disk = mem_disk_new();
	if (mem_store_open(disk, &(struct hash_key){ { 7 } }, &store, NULL) || state_open(store, NULL))
		return 1;
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	store_close(store);
	mem_disk_free(disk);
	arena_done(&arena);
	set_done();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_orders_of_a_few_entries_agree),
		cmocka_unit_test(random_orders_of_many_entries_agree),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
