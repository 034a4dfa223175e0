/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/mem_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { CRASHES = 12000, RATE_KEYS = 5000, RATE_GETS = 200000, RATE_COMMITS = 5000 };

/* Begins the commit that the step tests break: three changes and the ledger, so its steps are 1 to 8. */
enum { CHANGES = 4 };

static struct store_txn *begin_change(struct store *store, struct model *model)
{
	struct store_txn *txn = model_begin(store);

	assert_int_equal(model_change(txn, model, 1, 11), OK);
	assert_int_equal(model_change(txn, model, 2, 22), OK);
	assert_int_equal(model_change(txn, model, 3, 0), OK);
	return txn;
}

static void a_crash_at_any_step_keeps_one_commit_or_the_other(void **state)
{
	struct rng rng = rng_from_number(1);
	struct model old = { 0 };
	struct mem_disk *start = model_disk(&rng, &old);

	(void)state;
	for (uint64_t step = 1; step <= CHANGES + 5; step++) {
		struct mem_disk *disk = mem_disk_clone(start);
		struct store *store = model_open(disk);
		struct model new = old;
		struct store_txn *txn = begin_change(store, &new);
		bool is_new = step >= CHANGES + 4, is_acked = step == CHANGES + 5;

		mem_disk_crash_at(disk, step);
		assert_int_equal(store_commit(txn, NULL), is_acked ? OK : E_IO);
		assert_int_equal(mem_disk_counts(disk).crashes, !is_acked);
		assert_int_equal(mem_disk_counts(disk).unheard, step == CHANGES + 4);
		store_close(store);
		mem_disk_crash_at(disk, 0);
		store = model_open(disk);
		if (model_differences(store, is_new ? &new : &old))
			fail_msg("a crash at step %d: not the %s commit", (int)step, is_new ? "new" : "old");
		model_assert_clean(store);
		store_close(store);
		mem_disk_free(disk);
	}
	mem_disk_free(start);
}

static void a_crashed_store_answers_nothing(void **state)
{
	struct rng rng = rng_from_number(2);
	struct model model = { 0 };
	struct mem_disk *disk = model_disk(&rng, &model);
	struct store *store = model_open(disk), *next;
	struct store_txn *reader = model_snapshot(store), *writer = model_begin(store), *fresh = NULL;
	struct store_cursor *cursor = NULL, *none = NULL;
	struct told told = { 0 };
	struct room key;
	struct bytes found;

	(void)state;
	assert_int_equal(model_change(writer, &(struct model){ 0 }, 1, 1), OK);
	assert_int_equal(store_range(reader, bytes_of("\1", 1), bytes_of(NULL, 0), &cursor, NULL), OK);
	mem_disk_crash(disk);
	next = model_open(disk);
	assert_int_equal(store_get(reader, model_key(1, &key), &found, NULL), E_IO);
	assert_int_equal(store_next(cursor, &found, &found, NULL), E_IO);
	assert_int_equal(store_range(reader, bytes_of("\1", 1), bytes_of(NULL, 0), &none, NULL), E_IO);
	assert_int_equal(store_scan(reader, model_note, &told, NULL), E_IO);
	assert_int_equal(model_change(writer, &(struct model){ 0 }, 2, 1), E_IO);
	assert_int_equal(model_change(writer, &(struct model){ 0 }, 2, 0), E_IO);
	assert_int_equal(store_commit(writer, NULL), E_IO);
	assert_int_equal(store_begin(store, &fresh, NULL), E_IO);
	assert_int_equal(store_snapshot(store, &fresh, NULL), E_IO);
	assert_int_equal(store_health(store), STORE_STOPPED);
	assert_null(fresh);
	store_range_end(cursor);
	store_end(reader);
	assert_int_equal(model_differences(next, &model), 0);
	store_close(store);
	assert_int_equal(mem_store_open(disk, &model_secret, &store, NULL), E_BUSY);
	store_close(next);
	mem_disk_free(disk);
}

/* What became of what random crashes cut off. */
struct outcomes {
	uint64_t crashes, acked, lost, half, old, new, at_open;
};

/* One process: commits until the power goes. `now` is what it was told to be durable. */
static void live_and_crash(struct mem_disk *disk, struct rng *rng, struct model *now, struct outcomes *outcomes)
{
	struct model next = *now;
	struct store *store = NULL;

	mem_disk_crash_at(disk, 1 + rng_below(rng, 60));
	if (mem_store_open(disk, &model_secret, &store, NULL)) {
		outcomes->at_open++; /* the first process of all may die while it makes the header */
		return;
	}
	while (model_commit(store, rng, now, &next) == OK) {
		*now = next;
		outcomes->acked++;
	}
	store_close(store);
	store = model_open(disk);
	if (!model_differences(store, &next)) {
		outcomes->new += !!memcmp(now, &next, sizeof next);
		*now = next;
	} else if (!model_differences(store, now)) {
		outcomes->old++;
	} else {
		outcomes->half++;
	}
	model_assert_clean(store);
	store_close(store);
}

static void nothing_acknowledged_is_lost_at_any_crash(void **state)
{
	struct rng rng = rng_from_number(3);
	struct outcomes outcomes = { 0 };
	struct mem_disk *disk = NULL;
	struct model now = { 0 };

	(void)state;
	for (; outcomes.crashes < CRASHES; outcomes.crashes++) {
		if (outcomes.crashes % 100 == 0) {
			mem_disk_free(disk);
			disk = mem_disk_new();
			now = (struct model){ 0 };
		}
		live_and_crash(disk, &rng, &now, &outcomes);
	}
	mem_disk_free(disk);
	print_message("  %llu crashes after %llu acknowledged commits: half or lost %llu, the old one there %llu, the "
		      "new one there unheard %llu, while making the header %llu\n",
		      (unsigned long long)outcomes.crashes, (unsigned long long)outcomes.acked,
		      (unsigned long long)outcomes.half, (unsigned long long)outcomes.old,
		      (unsigned long long)outcomes.new, (unsigned long long)outcomes.at_open);
	assert_int_equal(outcomes.half, 0);
	assert_true(outcomes.old > 100 && outcomes.new > 100 && outcomes.acked > 1000);
}

static void a_failed_step_stops_the_store(void **state)
{
	struct rng rng = rng_from_number(4);
	struct model old = { 0 };
	struct mem_disk *start = model_disk(&rng, &old);

	(void)state;
	for (uint64_t step = 1; step <= CHANGES + 4; step++) {
		struct mem_disk *disk = mem_disk_clone(start);
		struct store *store = model_open(disk);
		struct model new = old;
		struct store_txn *txn = begin_change(store, &new), *reader = model_snapshot(store), *later = NULL;
		enum code code = step <= CHANGES + 3 ? E_IO : OK;
		struct room key;
		struct bytes found;

		mem_disk_fail_at(disk, step);
		assert_int_equal(store_commit(txn, NULL), code);
		assert_int_equal(store_get(reader, model_key(1, &key), &found, NULL), code);
		store_end(reader);
		assert_int_equal(store_begin(store, &later, NULL), code);
		assert_int_equal(store_health(store), code ? STORE_STOPPED : STORE_WELL);
		store_end(later);
		store_close(store);
		mem_disk_fail_at(disk, 0);
		store = model_open(disk);
		/* A last sync that failed says nothing about what the disk has. */
		if (model_differences(store, step >= CHANGES + 3 ? &new : &old))
			fail_msg("the failure at step %d left the wrong commit", (int)step);
		model_assert_clean(store);
		store_close(store);
		mem_disk_free(disk);
	}
	mem_disk_free(start);
}

static void a_full_disk_takes_nothing_until_there_is_room(void **state)
{
	struct rng rng = rng_from_number(5);
	struct model old = { 0 };
	struct mem_disk *disk = model_disk(&rng, &old);
	struct store *store = model_open(disk);
	struct model new = old;

	(void)state;
	for (uint64_t at = 1; at <= CHANGES + 1; at++) {
		bool is_in_time = at == CHANGES + 1;

		mem_disk_full_at(disk, at);
		for (int again = 0; again < 2; again++) {
			new = old;
			assert_int_equal(store_commit(begin_change(store, &new), NULL),
					 is_in_time && !again ? OK : E_FULL);
			if (is_in_time && !again)
				old = new;
			assert_int_equal(store_health(store), is_in_time && !again ? STORE_WELL : STORE_IS_FULL);
			assert_int_equal(model_differences(store, &old), 0);
		}
		mem_disk_full_at(disk, 0);
	}
	assert_int_equal(store_commit(begin_change(store, &new), NULL), OK);
	assert_int_equal(store_health(store), STORE_WELL);
	model_assert_clean(store);
	store_close(store);
	mem_disk_free(disk);
}

static void a_disk_holds_what_fits(void **state)
{
	struct mem_disk *disk = mem_disk_new();
	struct store *store = model_open(disk);
	struct model model = { 0 }, refused;
	struct store_txn *txn = model_begin(store);

	(void)state;
	assert_int_equal(model_change(txn, &model, 0, 100), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	mem_disk_limit(disk, mem_disk_used(disk) + 3 + 50 + 8);
	for (uint64_t size = 50; size <= 51; size++) {
		txn = model_begin(store);
		refused = model;
		assert_int_equal(model_change(txn, &refused, 1, size), size == 50 ? OK : E_FULL);
		store_end(txn);
		txn = model_begin(store);
		assert_int_equal(model_change(txn, &refused, 0, 100 + size), OK);
		store_end(txn);
	}
	txn = model_begin(store);
	assert_int_equal(model_change(txn, &refused, 1, 51), E_FULL);
	assert_int_equal(store_commit(txn, NULL), E_FULL);
	assert_int_equal(store_health(store), STORE_IS_FULL);
	assert_int_equal(model_differences(store, &model), 0);
	txn = model_begin(store);
	assert_int_equal(model_change(txn, &model, 0, 0), OK);
	assert_int_equal(model_change(txn, &model, 1, 51), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_int_equal(model_differences(store, &model), 0);
	model_assert_clean(store);
	store_close(store);
	mem_disk_free(disk);
}

static void a_copied_disk_is_as_healthy_as_its_time(void **state)
{
	struct rng rng = rng_from_number(8);
	struct model old = { 0 }, new, twin;
	struct mem_disk *disk = model_disk(&rng, &old), *copy = mem_disk_clone(disk);
	struct store *store = model_open(disk), *other = model_open(copy);

	(void)state;
	for (int i = 0; i < 20; i++) {
		new = i ? new : old;
		twin = i ? twin : old;
		assert_int_equal(model_commit(store, &rng, &new, &new), OK);
		assert_int_equal(model_commit(other, &rng, &twin, &twin), OK);
	}
	assert_int_equal(model_differences(store, &new), 0);
	assert_int_equal(model_differences(other, &twin), 0);
	model_assert_clean(store);
	model_assert_clean(other);
	store_close(other);
	mem_disk_crash(disk);
	mem_disk_restore(disk, copy);
	store_close(store);
	store = model_open(disk);
	assert_int_equal(model_differences(store, &twin), 0);
	model_assert_clean(store);
	assert_int_equal(model_commit(store, &rng, &twin, &new), OK);
	store_close(store);
	store = model_open(copy);
	assert_int_equal(model_differences(store, &twin), 0);
	store_close(store);
	mem_disk_free(copy);
	mem_disk_free(disk);
}

/* All that a disk gives to read, hashed, after a life full of faults. */
static uint64_t life(uint64_t seed)
{
	struct rng rng = rng_from_number(seed);
	struct model model = { 0 }, next;
	struct mem_disk *disk = model_disk(&rng, &model);
	struct store *store;
	struct told told = { 0 };
	uint64_t print;

	for (int i = 0; i < 20; i++) {
		store = model_open(disk);
		assert_int_equal(model_commit(store, &rng, &model, &next), OK);
		if (i == 19)
			mem_disk_lie(disk, rng_u64(&rng));
		mem_disk_crash(disk);
		store_close(store);
		model = next;
	}
	store = model_open(disk);
	print = model_differences(store, &model);
	model_scan(store, &told);
	print = print * 1000003 + mem_disk_used(disk);
	print = print * 1000003 + mem_disk_counts(disk).torn;
	print = print * 1000003 + hash_keyed(model_secret, bytes_of(&told, sizeof told));
	store_close(store);
	mem_disk_free(disk);
	return print;
}

static void the_same_seed_gives_the_same_disk(void **state)
{
	uint64_t distinct = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		assert_int_equal(life(seed), life(seed));
		distinct += life(seed) != life(seed + 1);
	}
	assert_true(distinct > 15);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct bytes rate_key(uint64_t i, struct room *room)
{
	i *= 0x9e3779b97f4a7c15;
	room->bytes[0] = 1;
	memcpy(room->bytes + 1, &i, sizeof i);
	memset(room->bytes + 9, 0, 8);
	return bytes_of(room->bytes, 17);
}

static void rates_are_printed(void **state)
{
	struct mem_disk *disk = mem_disk_new();
	struct store *store = model_open(disk);
	struct store_txn *txn = model_begin(store);
	struct room key, value;
	struct bytes found, bytes = model_value(199, &value);
	double start = seconds(), puts, gets, commits;

	(void)state;
	for (uint64_t i = 0; i < RATE_KEYS; i++)
		assert_int_equal(store_put(txn, rate_key(i, &key), bytes, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	puts = seconds() - start;
	txn = model_snapshot(store);
	start = seconds();
	for (uint64_t i = 0; i < RATE_GETS; i++)
		assert_int_equal(store_get(txn, rate_key(i * 7919 % RATE_KEYS, &key), &found, NULL), OK);
	gets = seconds() - start;
	store_end(txn);
	start = seconds();
	for (uint64_t i = 0; i < RATE_COMMITS; i++) {
		txn = model_begin(store);
		for (uint64_t n = 0; n < 10; n++)
			assert_int_equal(store_put(txn, rate_key((i * 10 + n) * 7919 % RATE_KEYS, &key), bytes, NULL),
					 OK);
		assert_int_equal(store_commit(txn, NULL), OK);
	}
	commits = seconds() - start;
	print_message("  %d entries of 216 bytes: %.2f M gets/s, %.2f M puts/s in one commit, %.1f us a commit of 10\n",
		      RATE_KEYS, RATE_GETS / gets / 1e6, RATE_KEYS / puts / 1e6, commits / RATE_COMMITS * 1e6);
	model_assert_clean(store);
	store_close(store);
	mem_disk_free(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crash_at_any_step_keeps_one_commit_or_the_other),
		cmocka_unit_test(a_crashed_store_answers_nothing),
		cmocka_unit_test(nothing_acknowledged_is_lost_at_any_crash),
		cmocka_unit_test(a_failed_step_stops_the_store),
		cmocka_unit_test(a_full_disk_takes_nothing_until_there_is_room),
		cmocka_unit_test(a_disk_holds_what_fits),
		cmocka_unit_test(a_copied_disk_is_as_healthy_as_its_time),
		cmocka_unit_test(the_same_seed_gives_the_same_disk),
		cmocka_unit_test(rates_are_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
