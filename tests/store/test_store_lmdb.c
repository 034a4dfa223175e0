/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/rng.h"
#include "tests/store/scratch.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Opening fails, with this code and something in the message that helps. */
static void assert_refused(const struct scratch *scratch, enum lmdb_mode mode, enum code code, const char *help)
{
	struct store *store = NULL;
	struct err err = { 0 };

	assert_int_equal(scratch_try(scratch, mode, &store, &err), code);
	assert_null(store);
	if (!strstr(err.text, help))
		fail_msg("\"%s\" does not say \"%s\"", err.text, help);
}

static void make_store(const struct scratch *scratch)
{
	struct store *store = scratch_open(scratch, LMDB_WRITER);

	commit_one(store, 1, 1);
	store_close(store);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void a_writer_makes_what_is_missing_for_its_owner_alone(void **state)
{
	const struct scratch *scratch = *state;
	static const mode_t masks[] = { 0, 022, 0777 };
	char lock[PATH_MAX + 8];

	snprintf(lock, sizeof lock, "%s-lock", scratch->file);
	for (size_t i = 0; i < COUNT(masks); i++) {
		mode_t before = umask(masks[i]);

		make_store(scratch);
		umask(before);
		assert_int_equal(mode_of(scratch->dir), 0700);
		assert_int_equal(mode_of(scratch->file), 0600);
		assert_int_equal(mode_of(lock), 0600);
		scratch_empty(scratch);
	}
}

static void what_was_committed_is_there_after_reopening(void **state)
{
	const struct scratch *scratch = *state;
	struct store *store;

	make_store(scratch);
	store = scratch_open(scratch, LMDB_WRITER);
	assert_number(store, 1, 1);
	commit_one(store, 1, 2);
	store_close(store);
	store = scratch_open(scratch, LMDB_READER);
	assert_number(store, 1, 2);
	scratch_assert_whole(scratch, store);
	store_close(store);
}

static void a_store_that_was_half_made_is_made_anew(void **state)
{
	const struct scratch *scratch = *state;
	char path[PATH_MAX + 8];
	int file;

	assert_int_equal(mkdir(scratch->dir, 0700), 0);
	snprintf(path, sizeof path, "%s.new", scratch->file);
	file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(file, "half", 4), 4);
	close(file);
	make_store(scratch);
	assert_int_equal(access(path, F_OK), -1);
}

static void nothing_to_read_is_absent(void **state)
{
	const struct scratch *scratch = *state;
	struct lmdb_options options = { .mode = LMDB_WRITER };
	struct store *store;

	assert_refused(scratch, LMDB_READER, E_ABSENT, "check the path");
	assert_int_equal(access(scratch->dir, F_OK), -1);
	assert_int_equal(mkdir(scratch->dir, 0700), 0);
	assert_refused(scratch, LMDB_READER, E_ABSENT, "there is no Warren state in");
	assert_int_equal(access(scratch->file, F_OK), -1);
	assert_int_equal(lmdb_store_open(scratch->dir, &options, &store, NULL), E_ABSENT);
	assert_int_equal(access(scratch->file, F_OK), -1);
}

/* In another process, as it would be. */
static enum code try_in_child(const struct scratch *scratch, enum lmdb_mode mode)
{
	int status;
	pid_t child = fork();

	if (!child) {
		struct store *store;

		_exit(-scratch_try(scratch, mode, &store, NULL));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return (enum code) - WEXITSTATUS(status);
}

static void one_writer_or_many_readers(void **state)
{
	const struct scratch *scratch = *state;
	struct store *store = scratch_open(scratch, LMDB_WRITER), *second;
	struct findings findings = { 0 };

	assert_refused(scratch, LMDB_WRITER, E_BUSY, "in use by another process: stop it first");
	assert_refused(scratch, LMDB_READER, E_BUSY, "is warrend running?");
	assert_int_equal(try_in_child(scratch, LMDB_WRITER), E_BUSY);
	assert_int_equal(try_in_child(scratch, LMDB_READER), E_BUSY);
	assert_int_equal(store_pages_check(scratch->dir, findings_note, &findings, NULL), E_BUSY);
	commit_one(store, 1, 1);
	store_close(store);
	store = scratch_open(scratch, LMDB_READER);
	second = scratch_open(scratch, LMDB_READER);
	assert_int_equal(try_in_child(scratch, LMDB_READER), OK);
	assert_refused(scratch, LMDB_WRITER, E_BUSY, "stop it first");
	assert_int_equal(try_in_child(scratch, LMDB_WRITER), E_BUSY);
	assert_int_equal(store_pages_check(scratch->dir, findings_note, &findings, NULL), OK);
	store_close(store);
	store_close(second);
	store_close(scratch_open(scratch, LMDB_WRITER));
}

static void what_others_may_open_is_refused(void **state)
{
	const struct scratch *scratch = *state;
	static const mode_t modes[] = { 0750, 0701, 0770, 0707 };

	make_store(scratch);
	for (size_t i = 0; i < COUNT(modes); i++) {
		chmod(scratch->dir, modes[i]);
		assert_refused(scratch, LMDB_WRITER, E_DENIED, "(chmod go-rwx)");
		assert_refused(scratch, LMDB_READER, E_DENIED, "(chmod go-rwx)");
	}
	chmod(scratch->dir, 0700);
	chmod(scratch->file, 0640);
	assert_refused(scratch, LMDB_WRITER, E_DENIED, "(chmod go-rwx)");
	assert_refused(scratch, LMDB_READER, E_DENIED, "(chmod go-rwx)");
	chmod(scratch->file, 0600);
	store_close(scratch_open(scratch, LMDB_WRITER));
}

/* Who this process is, to the code under test. */
static uid_t pretended;
static bool is_pretending;

uid_t __real_geteuid(void);
uid_t __wrap_geteuid(void);

uid_t __wrap_geteuid(void)
{
	return is_pretending ? pretended : __real_geteuid();
}

static void what_is_another_users_is_refused(void **state)
{
	const struct scratch *scratch = *state;
	char lock[PATH_MAX + 8];
	const char *const paths[] = { scratch->dir, scratch->file, lock };

	snprintf(lock, sizeof lock, "%s-lock", scratch->file);
	make_store(scratch);
	is_pretending = true;
	pretended = __real_geteuid() + 1;
	assert_refused(scratch, LMDB_WRITER, E_DENIED, "run as its owner");
	assert_refused(scratch, LMDB_READER, E_DENIED, "run as its owner");
	/* Root reads it, and writes nothing that its owner could not open. */
	pretended = 0;
	for (size_t i = 0; i < COUNT(paths); i++) {
		if (!__real_geteuid())
			assert_int_equal(chown(paths[i], 1234, (gid_t)-1), 0);
		assert_refused(scratch, LMDB_WRITER, E_DENIED, "(chown)");
		store_close(scratch_open(scratch, LMDB_READER));
		if (!__real_geteuid())
			assert_int_equal(chown(paths[i], 0, (gid_t)-1), 0);
	}
	is_pretending = false;
	store_close(scratch_open(scratch, LMDB_WRITER));
}

static void links_and_oddities_are_refused(void **state)
{
	const struct scratch *scratch = *state;
	char other[PATH_MAX + 8], lock[PATH_MAX + 8];
	struct stat before, after;

	make_store(scratch);
	snprintf(other, sizeof other, "%s.other", scratch->file);
	snprintf(lock, sizeof lock, "%s-lock", scratch->file);
	assert_int_equal(rename(scratch->file, other), 0);
	assert_int_equal(stat(other, &before), 0);
	assert_int_equal(symlink(other, scratch->file), 0);
	assert_refused(scratch, LMDB_WRITER, E_DENIED, "put the file itself there");
	assert_refused(scratch, LMDB_READER, E_DENIED, "put the file itself there");
	unlink(scratch->file);
	/* A link that leads nowhere is no invitation to make what it names. */
	assert_int_equal(symlink("nowhere", scratch->file), 0);
	assert_refused(scratch, LMDB_WRITER, E_DENIED, "put the file itself there");
	unlink(scratch->file);
	assert_int_equal(mkfifo(scratch->file, 0600), 0);
	assert_refused(scratch, LMDB_WRITER, E_DENIED, "no plain file");
	assert_refused(scratch, LMDB_READER, E_DENIED, "no plain file");
	unlink(scratch->file);
	assert_int_equal(mkdir(scratch->file, 0700), 0);
	assert_refused(scratch, LMDB_READER, E_DENIED, "no plain file");
	rmdir(scratch->file);
	assert_int_equal(rename(other, scratch->file), 0);
	unlink(lock);
	assert_int_equal(symlink("elsewhere", lock), 0);
	assert_refused(scratch, LMDB_WRITER, E_DENIED, "put the file itself there");
	unlink(lock);
	assert_int_equal(stat(scratch->file, &after), 0);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	store_close(scratch_open(scratch, LMDB_WRITER));
}

static void overwrite(const char *path, off_t offset, const void *data, size_t size)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(file, data, size, offset), (ssize_t)size);
	close(file);
}

static void a_newer_or_strange_file_is_refused(void **state)
{
	const struct scratch *scratch = *state;
	static const uint8_t garbage[3 * 4096] = { 'n', 'o' };
	uint32_t version = 2;
	struct stat st;

	make_store(scratch);
	overwrite(scratch->file, 16 + 4, &version, sizeof version);
	/* One head alone is damage; both say what is meant. */
	assert_refused(scratch, LMDB_WRITER, E_DAMAGED, "its format is 2");
	overwrite(scratch->file, 4096 + 16 + 4, &version, sizeof version);
	assert_refused(scratch, LMDB_WRITER, E_NEWER, "newer version");
	assert_refused(scratch, LMDB_READER, E_NEWER, "newer version");
	overwrite(scratch->file, 0, garbage, sizeof garbage);
	assert_refused(scratch, LMDB_WRITER, E_DAMAGED, "restore it");
	assert_refused(scratch, LMDB_READER, E_DAMAGED, "restore it");
	for (off_t size = 5000; size >= 0; size -= 5000 / 2) {
		assert_int_equal(truncate(scratch->file, size), 0);
		assert_refused(scratch, LMDB_WRITER, E_DAMAGED, "restore it");
		assert_refused(scratch, LMDB_READER, E_DAMAGED, "restore it");
		assert_int_equal(stat(scratch->file, &st), 0);
		assert_int_equal(st.st_size, size);
	}
}

/*
 * LMDB takes the head with the larger number. A changed bit in one is refused at once, unless the two still follow one
 * another: that can be with one bit of each, and is for the check of pages to find.
 */
static void a_head_with_another_number_is_refused(void **state)
{
	const struct scratch *scratch = *state;
	int file, refused = 0;

	make_store(scratch);
	file = open(scratch->file, O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 2 * 64; i++) {
		off_t at = (i / 64) * 4096 + 16 + 128 + i % 64 / 8;
		struct store *store;
		uint8_t good, bad;

		assert_int_equal(pread(file, &good, 1, at), 1);
		bad = good ^ (uint8_t)(1u << i % 8);
		assert_int_equal(pwrite(file, &bad, 1, at), 1);
		if (scratch_try(scratch, LMDB_WRITER, &store, NULL) == E_DAMAGED)
			refused++;
		else
			store_close(store);
		assert_true(scratch_pages(scratch).count > 0);
		assert_int_equal(pwrite(file, &good, 1, at), 1);
	}
	close(file);
	assert_true(refused >= 2 * 64 - 2);
}

/* LMDB believes the size that stands before a key: here half a megabyte, in a file of a few pages. */
static void a_size_that_leads_out_of_the_file_is_damage(void **state)
{
	const struct scratch *scratch = *state;
	uint8_t file[16 * 4096], room[5];
	struct bytes key = number_key(1, room), value, found = { 0 };
	struct store *store;
	struct store_txn *txn;
	struct store_cursor *cursor;
	int handle;
	ssize_t size;

	make_store(scratch);
	store = scratch_open(scratch, LMDB_WRITER);
	commit_one(store, 2, 1);
	store_close(store);
	handle = open(scratch->file, O_RDWR | O_CLOEXEC);
	size = pread(handle, file, sizeof file, 0);
	for (ssize_t at = 8; at + 5 <= size; at++)
		if (!memcmp(file + at, key.data, key.size) && file[at - 2] == key.size)
			file[at - 6] ^= 8;
	assert_int_equal(pwrite(handle, file, (size_t)size, 0), size);
	close(handle);
	store = scratch_open(scratch, LMDB_READER);
	assert_int_equal(store_snapshot(store, &txn, NULL), OK);
	assert_int_equal(store_get(txn, key, &value, NULL), E_DAMAGED);
	/* Nor is there a way on behind it. */
	assert_int_equal(store_range(txn, bytes_of(key.data, 1), bytes_of(NULL, 0), &cursor, NULL), OK);
	assert_int_equal(store_next(cursor, &found, &value, NULL), E_DAMAGED);
	assert_int_equal(found.size, 0);
	assert_int_equal(store_next(cursor, &found, &value, NULL), E_ABSENT);
	store_range_end(cursor);
	store_end(txn);
	assert_true(scratch_scan(store).count > 0);
	assert_true(scratch_pages(scratch).count > 0);
	store_close(store);
}

/* All that a listing of the directory tells. */
struct seen {
	size_t count;
	int64_t changed; /* the latest of any times, in nanoseconds */
};

static struct seen seen;

static int see_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	int64_t at = st->st_ctim.tv_sec * INT64_C(1000000000) + st->st_ctim.tv_nsec;

	(void)path, (void)kind, (void)where;
	seen.count++;
	seen.changed = at > seen.changed ? at : seen.changed;
	return 0;
}

static struct seen see(const char *dir)
{
	seen = (struct seen){ 0 };
	nftw(dir, see_one, 8, FTW_PHYS);
	return seen;
}

static void read_all(const struct scratch *scratch)
{
	struct store *store = scratch_open(scratch, LMDB_READER);
	struct findings findings = { 0 };

	assert_number(store, 1, 1);
	scratch_assert_whole(scratch, store);
	assert_int_equal(store_pages_check(scratch->dir, findings_note, &findings, NULL), OK);
	store_close(store);
}

static void a_reader_changes_nothing_and_needs_no_right_to(void **state)
{
	const struct scratch *scratch = *state;
	char lock[PATH_MAX + 8];
	struct seen before, after;

	make_store(scratch);
	snprintf(lock, sizeof lock, "%s-lock", scratch->file);
	unlink(lock);
	before = see(scratch->dir);
	read_all(scratch);
	after = see(scratch->dir);
	assert_int_equal(before.count, after.count);
	assert_int_equal(before.changed, after.changed);
	scratch_mount_alone(scratch->dir);
	scratch_mount_read_only(scratch->dir);
	read_all(scratch);
	assert_refused(scratch, LMDB_WRITER, E_DENIED, "mount it for writing");
	assert_int_equal(umount2(scratch->dir, MNT_DETACH), 0);
}

static void a_full_map_refuses_and_recovers(void **state)
{
	const struct scratch *scratch = *state;
	struct lmdb_options options = { .fresh_key = &scratch_key, .map_size = 40 * 4096 };
	struct store *store;
	struct store_txn *txn;
	struct err err = { 0 };
	uint8_t room[5];

	assert_int_equal(lmdb_store_open(scratch->dir, &options, &store, NULL), OK);
	commit_one(store, 1, 1);
	assert_int_equal(store_begin(store, &txn, NULL), OK);
	for (uint32_t number = 2; number < 1000; number++)
		put_number(txn, number, 1);
	assert_int_equal(store_put(txn, number_key(1, room), bytes_of("x", 1), NULL), E_FULL);
	assert_int_equal(store_commit(txn, &err), E_FULL);
	assert_non_null(strstr(err.text, "reads go on"));
	assert_non_null(strstr(err.text, "the largest size"));
	assert_null(strstr(err.text, "disk"));
	assert_int_equal(store_health(store), STORE_IS_FULL);
	assert_number(store, 1, 1);
	commit_one(store, 1, 2);
	assert_int_equal(store_health(store), STORE_WELL);
	scratch_assert_whole(scratch, store);
	store_close(store);
}

enum { ROW = 3000 };

/* What is in `is_there`, in order, and nothing else. */
static void assert_row(struct store_txn *txn, const bool *is_there, uint32_t count)
{
	struct store_cursor *cursor;
	struct bytes key, value, none = { 0 };
	struct err err = { 0 };
	uint8_t room[5];

	assert_int_equal(store_range(txn, none, none, &cursor, &err), OK);
	for (uint32_t i = 0; i < count; i++) {
		if (!is_there[i])
			continue;
		assert_int_equal(store_next(cursor, &key, &value, &err), OK);
		assert_true(bytes_equal(key, number_key(i, room)));
		assert_true(bytes_equal(value, number_value(i, 1)));
	}
	assert_int_equal(store_next(cursor, &key, &value, &err), E_ABSENT);
	store_range_end(cursor);
}

/* Most are added behind all others; now and then one is put there, and the last ones go. */
static void what_is_added_behind_others_lies_in_order_whatever_comes_between(void **state)
{
	const struct scratch *scratch = *state;
	struct store *store = scratch_open(scratch, LMDB_WRITER);
	struct rng rng = rng_from_number(17);
	static bool is_there[ROW];
	struct store_txn *txn;
	struct err err = { 0 };
	uint8_t room[5];

	assert_int_equal(store_begin(store, &txn, &err), OK);
	for (uint32_t i = 0; i < ROW; i++) {
		uint32_t gone = rng_below(&rng, 10) ? 0 : (uint32_t)rng_below(&rng, 40);
		bool is_put = !rng_below(&rng, 3);

		for (uint32_t k = 1; k <= gone && k <= i; k++) {
			assert_int_equal(store_delete(txn, number_key(i - k, room), &err), OK);
			is_there[i - k] = false;
		}
		assert_int_equal((is_put ? store_put : store_add)(txn, number_key(i, room), number_value(i, 1), &err),
				 OK);
		is_there[i] = true;
		if (i % 100 == 0)
			assert_row(txn, is_there, i + 1);
	}
	assert_int_equal(store_commit(txn, &err), OK);
	assert_int_equal(store_snapshot(store, &txn, &err), OK);
	assert_row(txn, is_there, ROW);
	store_end(txn);
	scratch_assert_whole(scratch, store);
	store_close(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_writer_makes_what_is_missing_for_its_owner_alone),
		TEST(what_was_committed_is_there_after_reopening),
		TEST(a_store_that_was_half_made_is_made_anew),
		TEST(nothing_to_read_is_absent),
		TEST(one_writer_or_many_readers),
		TEST(what_others_may_open_is_refused),
		TEST(what_is_another_users_is_refused),
		TEST(links_and_oddities_are_refused),
		TEST(a_newer_or_strange_file_is_refused),
		TEST(a_head_with_another_number_is_refused),
		TEST(a_size_that_leads_out_of_the_file_is_damage),
		TEST(a_full_map_refuses_and_recovers),
		TEST(what_is_added_behind_others_lies_in_order_whatever_comes_between),
		TEST(a_reader_changes_nothing_and_needs_no_right_to),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
