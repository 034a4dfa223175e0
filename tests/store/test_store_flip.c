/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/scratch.h"

#include "crdt/base/buf.h"
#include "crdt/base/rng.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * Single bits of a store's file change. A reader then gets right bytes or an error, and whatever it does not get as
 * it was written, the scan or the check of the pages has found. Each flip is read in a child, as LMDB may crash.
 */
enum { NUMBERS = 400, COMMITS = 14, FLIPS = 500, PAGE_SIZE = 4096, PATIENCE = 20 };

/* How a child ended; the lowest bit is a sanitizer's. */
enum { ENDED_BY_SANITIZER = 1, GOT_ERROR = 2, GOT_CHANGED = 4, GOT_WRONG = 8, SCAN_FOUND = 16, OPEN_REFUSED = 32 };

static struct {
	struct scratch scratch;
	struct bytes values[NUMBERS]; /* no data: absent */
	uint8_t *file;
	size_t size;
	int handle;
} bed;

static struct tally {
	size_t flips, harmless, found_by_pages, found_by_scan, refused, errors, changed, crashed, crashed_unseen;
} tally;

static void fill_store(struct store *store)
{
	uint64_t versions[NUMBERS] = { 0 };
	struct rng rng = rng_from_number(3);

	for (uint64_t commit = 1; commit <= COMMITS; commit++) {
		struct store_txn *txn;

		assert_int_equal(store_begin(store, &txn, NULL), OK);
		for (uint32_t number = 0; number < NUMBERS; number++) {
			uint64_t what = commit == 1 ? 1 : rng_below(&rng, 12);
			uint8_t room[5];

			if (what == 0) {
				store_delete(txn, number_key(number, room), NULL);
				versions[number] = 0;
			} else if (what == 1) {
				put_number(txn, number, commit);
				versions[number] = commit;
			}
		}
		assert_int_equal(store_commit(txn, NULL), OK);
	}
	for (uint32_t number = 0; number < NUMBERS; number++) {
		struct bytes value = number_value(number, versions[number]);
		uint8_t *copy = must_alloc(value.size);

		memcpy(copy, value.data, value.size);
		bed.values[number] = versions[number] ? bytes_of(copy, value.size) : bytes_of(NULL, 0);
		if (!versions[number])
			free(copy);
	}
}

static int make_bed(void **state)
{
	struct store *store;
	off_t size;

	(void)state;
	bed.scratch = scratch_make();
	store = scratch_open(&bed.scratch, LMDB_WRITER);
	fill_store(store);
	scratch_assert_whole(&bed.scratch, store);
	store_close(store);
	bed.handle = open(bed.scratch.file, O_RDWR | O_CLOEXEC);
	size = lseek(bed.handle, 0, SEEK_END);
	bed.size = (size_t)size;
	bed.file = must_alloc(bed.size);
	return pread(bed.handle, bed.file, bed.size, 0) == size ? 0 : -1;
}

static int drop_bed(void **state)
{
	(void)state;
	for (size_t i = 0; i < NUMBERS; i++)
		free((void *)(uintptr_t)bed.values[i].data);
	free(bed.file);
	close(bed.handle);
	scratch_remove(&bed.scratch);
	return 0;
}

/*
 * What is not as last written is either hidden by an older version of the same entry, whole under its seal, or wrong.
 */
static int judge_value(uint32_t number, struct bytes value)
{
	struct reader r = reader_over(value);
	uint64_t version = read_big_endian(&r, 8);

	if (bed.values[number].data && bytes_equal(value, bed.values[number]))
		return 0;
	return version <= COMMITS && bytes_equal(value, number_value(number, version)) ? GOT_CHANGED : GOT_WRONG;
}

static int read_each(struct store_txn *txn)
{
	int seen = 0;

	for (uint32_t number = 0; number < NUMBERS; number++) {
		uint8_t room[5];
		struct bytes value, should = bed.values[number];
		enum code code = store_get(txn, number_key(number, room), &value, NULL);

		if (code && code != E_ABSENT)
			seen |= GOT_ERROR;
		else if ((code == OK) != (should.data != NULL))
			seen |= GOT_CHANGED;
		if (!code)
			seen |= judge_value(number, value);
	}
	return seen;
}

static uint32_t next_there(uint32_t number)
{
	while (number < NUMBERS && !bed.values[number].data)
		number++;
	return number;
}

static int read_range(struct store_txn *txn)
{
	static const uint8_t prefix[] = { 1 };
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code = store_range(txn, bytes_of(prefix, 1), bytes_of(NULL, 0), &cursor, NULL);
	uint32_t number = 0;

	if (code)
		return GOT_ERROR;
	while (!(code = store_next(cursor, &key, &value, NULL))) {
		uint8_t room[5];

		number = next_there(number);
		if (number == NUMBERS || !bytes_equal(key, number_key(number, room)) ||
		    !bytes_equal(value, bed.values[number]))
			break;
		number++;
	}
	store_range_end(cursor);
	if (code && code != E_ABSENT)
		return GOT_ERROR;
	return code == E_ABSENT && next_there(number) == NUMBERS ? 0 : GOT_CHANGED;
}

static int read_all(void)
{
	struct store *store;
	struct store_txn *txn;
	int seen;

	if (scratch_try(&bed.scratch, LMDB_READER, &store, NULL))
		return OPEN_REFUSED;
	if (store_snapshot(store, &txn, NULL))
		return OPEN_REFUSED;
	seen = read_each(txn) | read_range(txn);
	store_end(txn);
	return seen | (scratch_scan(store).count ? SCAN_FOUND : 0);
}

/* What a reader sees, as the bits above; -1 when it died of it. */
static int read_in_child(void)
{
	static const int deaths[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

		/* The sanitizers would make an exit of a signal. */
		for (size_t i = 0; i < COUNT(deaths); i++)
			signal(deaths[i], SIG_DFL);
		dup2(nowhere, STDERR_FILENO);
		alarm(PATIENCE);
		_exit(read_all());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void put_byte(size_t offset, uint8_t byte)
{
	assert_int_equal(pwrite(bed.handle, &byte, 1, (off_t)offset), 1);
}

static void judge_flip(size_t offset, unsigned bit, int seen, const struct findings *pages)
{
	bool is_hurt = seen < 0 || (seen & (GOT_ERROR | GOT_CHANGED | OPEN_REFUSED));
	bool is_found = pages->count || seen < 0 || (seen & (SCAN_FOUND | OPEN_REFUSED));

	if (seen >= 0 && (seen & (ENDED_BY_SANITIZER | GOT_WRONG)))
		fail_msg("byte %zu bit %u: %s", offset, bit,
			 seen & GOT_WRONG ? "a reader got wrong bytes" : "a sanitizer ended the reader");
	if (is_hurt && !is_found)
		fail_msg("byte %zu (page %zu, at %zu) bit %u: a reader does not see what was written, and nothing "
			 "finds it",
			 offset, offset / PAGE_SIZE, offset % PAGE_SIZE, bit);
	tally.flips++;
	tally.harmless += !is_hurt && !is_found;
	tally.found_by_pages += pages->count > 0;
	tally.crashed += seen < 0;
	tally.crashed_unseen += seen < 0 && !pages->count;
	if (seen < 0)
		return;
	tally.found_by_scan += (seen & SCAN_FOUND) != 0;
	tally.refused += (seen & OPEN_REFUSED) != 0;
	tally.errors += (seen & GOT_ERROR) != 0;
	tally.changed += (seen & GOT_CHANGED) != 0;
}

static void flip(size_t offset, unsigned bit)
{
	struct findings pages;
	int seen;

	put_byte(offset, (uint8_t)(bed.file[offset] ^ (1u << bit)));
	pages = scratch_pages(&bed.scratch);
	seen = read_in_child();
	put_byte(offset, bed.file[offset]);
	judge_flip(offset, bit, seen, &pages);
}

static void print_tally(const char *what)
{
	print_message(
		"  %s: %zu flips; without effect and unseen %zu; found by pages %zu, by scan %zu; refused at "
		"open %zu; read errors %zu, changed or hidden %zu, wrong bytes 0; crashed %zu, of those unseen by "
		"pages %zu\n",
		what, tally.flips, tally.harmless, tally.found_by_pages, tally.found_by_scan, tally.refused,
		tally.errors, tally.changed, tally.crashed, tally.crashed_unseen);
	tally = (struct tally){ 0 };
}

/* Where to change a bit: anywhere, in a page that has structure, or in what is nothing but structure. */
enum where { ANYWHERE, IN_STRUCTURE, IN_HEADERS, WHERES };

static bool is_at(size_t offset, enum where where)
{
	const uint8_t *page = bed.file + offset / PAGE_SIZE * PAGE_SIZE;
	uint64_t number;
	uint16_t kind, lower;

	memcpy(&number, page, sizeof number);
	memcpy(&kind, page + 10, sizeof kind);
	memcpy(&lower, page + 12, sizeof lower);
	if (where == ANYWHERE)
		return true;
	if (number != offset / PAGE_SIZE || (kind != 1 && kind != 2))
		return where == IN_HEADERS && kind == 4 && offset % PAGE_SIZE < 16;
	return where == IN_STRUCTURE || offset % PAGE_SIZE < lower;
}

static void a_changed_bit_anywhere_is_never_believed(void **state)
{
	static const char *const names[] = { "anywhere", "in leaves and branches", "in headers and offsets" };
	struct rng rng = rng_from_number(5);

	(void)state;
	for (enum where where = ANYWHERE; where < WHERES; where++) {
		for (size_t i = 0; i < FLIPS; i++) {
			size_t offset;

			do
				offset = rng_below(&rng, bed.size);
			while (!is_at(offset, where));
			flip(offset, (unsigned)rng_below(&rng, 8));
		}
		print_tally(names[where]);
	}
}

/* All bits by which LMDB chooses what is the newest, and where it begins. */
static size_t older_head(void)
{
	uint64_t numbers[2];

	memcpy(&numbers[0], bed.file + 144, 8);
	memcpy(&numbers[1], bed.file + PAGE_SIZE + 144, 8);
	return numbers[1] < numbers[0];
}

static void a_changed_bit_of_a_head_is_never_believed(void **state)
{
	enum { HEAD = 16, FREE_ROOT = HEAD + 64, MAIN_ROOT = HEAD + 112, COMMIT = HEAD + 128 };
	static const size_t fields[] = { FREE_ROOT, MAIN_ROOT, COMMIT };

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(fields) * 64; i++) {
		size_t slot = i / 64 % 2, field = fields[i / 128];
		size_t harmless = tally.harmless;

		flip(slot * PAGE_SIZE + field + i % 64 / 8, (unsigned)(i % 8));
		/* The list of free pages that the older head knows is used by nobody. */
		if (tally.harmless > harmless && !(slot == older_head() && field == FREE_ROOT))
			fail_msg("head %zu, field at %zu, bit %zu: a change is not seen", slot, field, i % 64);
	}
	print_tally("heads");
}

/*
 * Every bit of both heads, against the check of pages alone. What a file may grow to it has no way to know; how many
 * pages the older trees had, and where its list of free ones is, is used by nobody and goes with the next commit.
 */
static void no_bit_of_a_head_changes_unseen(void **state)
{
	size_t older = older_head();

	(void)state;
	for (size_t i = 0; i < 2 * 152 * 8; i++) {
		size_t slot = i / (152 * 8), at = i / 8 % 152, offset = slot * PAGE_SIZE + at;
		bool is_size = at >= 32 && at < 40;
		bool is_count = (at >= 48 && at < 88) || (at >= 96 && at < 128) || (at >= 136 && at < 144);

		put_byte(offset, (uint8_t)(bed.file[offset] ^ (1u << i % 8)));
		if (!is_size && !(slot == older && is_count) && !scratch_pages(&bed.scratch).count)
			fail_msg("head %zu, byte %zu, bit %zu: a change is not seen", slot, at, i % 8);
		put_byte(offset, bed.file[offset]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_changed_bit_anywhere_is_never_believed),
		cmocka_unit_test(a_changed_bit_of_a_head_is_never_believed),
		cmocka_unit_test(no_bit_of_a_head_changes_unseen),
	};

	return cmocka_run_group_tests(tests, make_bed, drop_bed);
}
