/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/scratch.h"

#include "crdt/base/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGE_SIZE = 4096, COMMITS = 150, NUMBERS = 500, MANY = 20000, ROUNDS = 2000, SCAN_RECORDS = 60000 };

static void put_small(struct store_txn *txn, uint32_t number, size_t size)
{
	static const uint8_t bytes[2000];
	uint8_t room[5];

	store_put(txn, number_key(number, room), bytes_of(bytes, size), NULL);
}

static void a_sound_file_is_never_blamed(void **state)
{
	struct scratch scratch = scratch_make();
	struct store *store = scratch_open(&scratch, LMDB_WRITER);
	struct rng rng = rng_from_number(1);

	(void)state;
	scratch_assert_whole(&scratch, store);
	for (uint64_t commit = 1; commit <= COMMITS; commit++) {
		struct store_txn *txn;
		uint64_t count = 1 + rng_below(&rng, commit % 10 ? 20 : 400);

		assert_int_equal(store_begin(store, &txn, NULL), OK);
		for (uint64_t i = 0; i < count; i++) {
			uint32_t number = (uint32_t)rng_below(&rng, NUMBERS);
			uint8_t room[5];

			if (rng_below(&rng, 3))
				put_number(txn, number, commit);
			else
				store_delete(txn, number_key(number, room), NULL);
		}
		/* What is given up leaves pages behind the end, which are nobody's. */
		if (commit % 7 == 0)
			store_end(txn);
		else
			assert_int_equal(store_commit(txn, NULL), OK);
		scratch_assert_whole(&scratch, store);
	}
	store_close(store);
	scratch_remove(&scratch);
}

/* A deep tree, and a list of free pages that takes pages of its own. */
static void large_trees_and_lists_are_followed(void **state)
{
	struct scratch scratch = scratch_make();
	struct store *store = scratch_open(&scratch, LMDB_WRITER);

	(void)state;
	for (uint32_t step = 0; step < 4; step++) {
		struct store_txn *txn;
		uint8_t room[5];

		assert_int_equal(store_begin(store, &txn, NULL), OK);
		for (uint32_t number = 0; number < MANY; number++) {
			if (step == 0)
				put_small(txn, number, 700);
			else if (step == 1 && number % 5)
				store_delete(txn, number_key(number, room), NULL);
			else if (step == 2 && number % 7 == 0)
				put_small(txn, number, 1500);
		}
		put_small(txn, MANY, step);
		assert_int_equal(store_commit(txn, NULL), OK);
		scratch_assert_whole(&scratch, store);
	}
	store_close(store);
	scratch_remove(&scratch);
}

enum { KNOTS_MAX = 64 };

static struct {
	uint8_t *data;
	size_t size;
	size_t knots[KNOTS_MAX], knot_count; /* the few pages that all others hang on */
} good;

/* A branch, or a leaf of the list of free pages: the one with keys of 8 bytes. */
static bool is_knot(size_t number)
{
	const uint8_t *page = good.data + number * PAGE_SIZE;
	uint64_t own;
	uint16_t kind, lower, node, key_size;

	memcpy(&own, page, sizeof own);
	memcpy(&kind, page + 10, sizeof kind);
	memcpy(&lower, page + 12, sizeof lower);
	memcpy(&node, page + 16, sizeof node);
	if (own != number || (kind != 1 && kind != 2) || lower < 18 || node > PAGE_SIZE - 16)
		return false;
	memcpy(&key_size, page + node + 6, sizeof key_size);
	return kind == 1 || key_size == 8;
}

static void load_good(const struct scratch *scratch)
{
	struct stat st;
	int file = open(scratch->file, O_RDONLY | O_CLOEXEC);

	assert_int_equal(fstat(file, &st), 0);
	good.size = (size_t)st.st_size;
	good.data = must_alloc(good.size);
	assert_int_equal(pread(file, good.data, good.size, 0), st.st_size);
	close(file);
	for (size_t page = 2; page < good.size / PAGE_SIZE && good.knot_count < KNOTS_MAX; page++)
		if (is_knot(page))
			good.knots[good.knot_count++] = page;
	assert_true(good.knot_count > 2);
}

/* A new range of bytes, copied from elsewhere or random: what a disk that mixes up its blocks may do. */
static void spoil(uint8_t *data, struct rng *rng)
{
	size_t where = rng_below(rng, good.size), size = 1 + rng_below(rng, 1u << rng_below(rng, 13));
	size_t from = rng_below(rng, good.size);

	size = size < good.size - where ? size : good.size - where;
	size = size < good.size - from ? size : good.size - from;
	switch (rng_below(rng, 4)) {
	case 0: rng_fill(rng, data + where, size); break;
	case 1: memset(data + where, 0, size); break;
	case 2: memcpy(data + where, good.data + from, size); break;
	default: /* a whole page in another's place */
		memcpy(data + where / PAGE_SIZE * PAGE_SIZE, good.data + from / PAGE_SIZE * PAGE_SIZE, PAGE_SIZE);
	}
}

/* A number where a size, an offset, or the number of a page may be. */
static void spoil_knot(uint8_t *data, struct rng *rng)
{
	size_t page = good.knots[rng_below(rng, good.knot_count)], at = 2 * rng_below(rng, PAGE_SIZE / 2 - 4);
	uint64_t number = rng_u64(rng) >> rng_below(rng, 64);

	/* Where there are nodes, and not what is free between them. */
	while (at > 64 && !memcmp(good.data + page * PAGE_SIZE + at, "\0\0\0\0\0\0\0", 8))
		at = 2 * rng_below(rng, PAGE_SIZE / 2 - 4);
	memcpy(data + page * PAGE_SIZE + at, &number, rng_below(rng, 2) ? 2 : 8);
}

/* Nothing to expect of the answer but that there is one, soon. */
static void any_bytes_are_answered(void **state)
{
	struct scratch scratch = scratch_make();
	struct store *store = scratch_open(&scratch, LMDB_WRITER);
	struct store_txn *txn;
	struct rng rng = rng_from_number(2);
	uint8_t *data;
	size_t found = 0;
	int file;

	(void)state;
	for (uint64_t commit = 1; commit <= 5; commit++) {
		assert_int_equal(store_begin(store, &txn, NULL), OK);
		for (uint32_t i = 0; i < 400; i++)
			put_small(txn, (uint32_t)rng_below(&rng, 1200), i % 8 ? 300 : 1990);
		assert_int_equal(store_commit(txn, NULL), OK);
	}
	store_close(store);
	load_good(&scratch);
	data = must_alloc(good.size);
	file = open(scratch.file, O_RDWR | O_CLOEXEC);
	for (int round = 0; round < ROUNDS; round++) {
		size_t size = round % 8 ? good.size : rng_below(&rng, good.size);
		/* Half of them begin soundly, or most would end at the heads. */
		size_t keep = round % 2 ? 2 * PAGE_SIZE : 0;

		memcpy(data, good.data, good.size);
		for (uint64_t i = rng_below(&rng, 5) + 1; i; i--)
			round % 4 == 1 ? spoil_knot(data, &rng) : spoil(data, &rng);
		memcpy(data, good.data, keep);
		assert_int_equal(ftruncate(file, (off_t)size), 0);
		assert_int_equal(pwrite(file, data, size, 0), (ssize_t)size);
		found += scratch_pages(&scratch).count > 0;
	}
	print_message("  %d files, %zu blamed\n", ROUNDS, found);
	assert_true(found > ROUNDS / 3);
	close(file);
	free(data);
	free(good.data);
	scratch_remove(&scratch);
}

/* The disk refuses to give bytes; and how much memory was asked for at once. */
static off_t bad_at = -1;
static size_t largest;

ssize_t __real_pread(int file, void *room, size_t size, off_t offset);
ssize_t __wrap_pread(int file, void *room, size_t size, off_t offset);
void *__real_must_alloc(size_t size);
void *__wrap_must_alloc(size_t size);

ssize_t __wrap_pread(int file, void *room, size_t size, off_t offset)
{
	if (bad_at >= offset && bad_at < offset + (off_t)size) {
		errno = EIO;
		return -1;
	}
	return __real_pread(file, room, size, offset);
}

void *__wrap_must_alloc(size_t size)
{
	largest = size > largest ? size : largest;
	return __real_must_alloc(size);
}

/* Lists of free pages that take pages of their own, and leaves, and branches; and a free end that was never written. */
static void make_various(const struct scratch *scratch)
{
	struct store *store = scratch_open(scratch, LMDB_WRITER);
	uint8_t room[5];

	for (uint32_t step = 0; step < 3; step++) {
		struct store_txn *txn;

		assert_int_equal(store_begin(store, &txn, NULL), OK);
		for (uint32_t number = 0; number < 4000; number++) {
			if (step == 0)
				put_small(txn, number, 1500);
			else if (step == 1 && number % 9)
				store_delete(txn, number_key(number, room), NULL);
			else if (step == 2 && number < 300)
				put_number(txn, MANY + number, 1);
		}
		for (uint32_t number = 0; step == 2 && number < 300; number++)
			store_delete(txn, number_key(MANY + number, room), NULL);
		assert_int_equal(store_commit(txn, NULL), OK);
	}
	scratch_assert_whole(scratch, store);
	store_close(store);
}

static void a_page_that_the_disk_does_not_give_is_no_damage(void **state)
{
	struct scratch scratch = scratch_make();
	struct findings findings = { 0 };
	struct err err = { 0 };
	struct stat st;
	size_t failed = 0;
	char wanted[64];

	(void)state;
	make_various(&scratch);
	assert_int_equal(stat(scratch.file, &st), 0);
	for (off_t at = 0; at < st.st_size; at += PAGE_SIZE) {
		enum code code;

		/* Behind the beginning, which alone is read of a head at first. */
		bad_at = at + 1000;
		code = store_pages_check(scratch.dir, findings_note, &findings, &err);
		assert_int_equal(findings.count, 0);
		if (code) {
			assert_int_equal(code, E_IO);
			snprintf(wanted, sizeof wanted, "of state.mdb: %s: check the disk", strerror(EIO));
			assert_non_null(strstr(err.text, wanted));
			failed++;
		}
		if (at > PAGE_SIZE)
			continue;
		assert_int_equal(code, E_IO);
		bad_at = at + 20;
		assert_int_equal(store_pages_check(scratch.dir, findings_note, &findings, &err), E_IO);
		assert_int_equal(scratch_try(&scratch, LMDB_READER, &(struct store *){ NULL }, &err), E_IO);
	}
	bad_at = -1;
	print_message("  %zu of %lld pages are read\n", failed, (long long)st.st_size / PAGE_SIZE);
	assert_true(failed > 200);
	assert_int_equal(store_pages_check(scratch.dir, findings_note, &findings, NULL), OK);
	scratch_remove(&scratch);
}

/* The larger of both heads' last pages. */
static uint64_t last_page(const struct scratch *scratch, uint64_t claimed)
{
	int file = open(scratch->file, O_RDWR | O_CLOEXEC);
	uint64_t last = 0;

	for (off_t head = 0; head < 2; head++) {
		off_t at = head * PAGE_SIZE + 16 + 120;
		uint64_t one;

		assert_int_equal(pread(file, &one, sizeof one, at), sizeof one);
		last = one > last ? one : last;
		if (claimed)
			assert_int_equal(pwrite(file, &claimed, sizeof claimed, at), sizeof claimed);
	}
	close(file);
	return last;
}

static void memory_is_bounded_by_the_file(void **state)
{
	struct scratch scratch = scratch_make();
	struct store *store = scratch_open(&scratch, LMDB_WRITER);
	struct store_txn *txn;
	struct stat st;
	uint8_t room[5];

	(void)state;
	/* What was given back before it was written is no reason to refuse a file. */
	assert_int_equal(store_begin(store, &txn, NULL), OK);
	for (uint32_t number = 0; number < 300; number++)
		put_number(txn, number, 1);
	for (uint32_t number = 0; number < 300; number++)
		store_delete(txn, number_key(number, room), NULL);
	put_number(txn, MANY, 1);
	assert_int_equal(store_commit(txn, NULL), OK);
	scratch_assert_whole(&scratch, store);
	store_close(store);
	assert_int_equal(stat(scratch.file, &st), 0);
	print_message("  pages in the file: %lld, counted: %llu\n", (long long)st.st_size / PAGE_SIZE,
		      (unsigned long long)last_page(&scratch, 0) + 1);
	for (uint64_t claimed = 1 << 20; claimed < 1 << 24; claimed *= 2) {
		last_page(&scratch, claimed);
		largest = 0;
		assert_true(scratch_pages(&scratch).count > 0);
		assert_true(largest < (size_t)st.st_size + 40 * PAGE_SIZE);
	}
	scratch_remove(&scratch);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* No threshold: a figure, to see what a check before each start would cost. */
static void speed_is_told(void **state)
{
	struct scratch scratch = scratch_make();
	struct store *store = scratch_open(&scratch, LMDB_WRITER);
	struct store_txn *txn;
	struct stat st;
	double start, pages, scan;

	(void)state;
	assert_int_equal(store_begin(store, &txn, NULL), OK);
	for (uint32_t number = 0; number < SCAN_RECORDS; number++)
		put_small(txn, number, 300);
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_int_equal(stat(scratch.file, &st), 0);
	start = seconds();
	assert_int_equal(scratch_pages(&scratch).count, 0);
	pages = seconds() - start;
	start = seconds();
	assert_int_equal(scratch_scan(store).count, 0);
	scan = seconds() - start;
	print_message("  %d records, %lld bytes: pages %.1f ms, scan %.1f ms\n", SCAN_RECORDS, (long long)st.st_size,
		      1e3 * pages, 1e3 * scan);
	store_close(store);
	scratch_remove(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_file_is_never_blamed),
		cmocka_unit_test(large_trees_and_lists_are_followed),
		cmocka_unit_test(any_bytes_are_answered),
		cmocka_unit_test(a_page_that_the_disk_does_not_give_is_no_damage),
		cmocka_unit_test(memory_is_bounded_by_the_file),
		cmocka_unit_test(speed_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
