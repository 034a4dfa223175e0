/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A file is only as durable as its name, and a name as the directory that holds it: each is synced once it is there. */

static struct {
	/* m: a directory made, o: its parent opened, f: room reserved, r: renamed, p and d: parent and directory synced
	 */
	char said[64];
	ino_t parent;
	const char *dir;
	char fails; /* the one that is to fail, */
	int number; /* and how */
} seen;

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __real_fsync(int file);
int __wrap_fsync(int file);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_fallocate(int file, int mode, off_t offset, off_t size);
int __wrap_fallocate(int file, int mode, off_t offset, off_t size);

static bool note(char what)
{
	size_t size = strlen(seen.said);

	if (size + 1 < sizeof seen.said)
		seen.said[size] = what;
	errno = seen.number;
	return what == seen.fails;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	int made = __real_mkdir(path, mode);

	if (!made)
		note('m');
	return made;
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return note('r') ? -1 : __real_renameat(from_dir, from, to_dir, to);
}

int __wrap_fsync(int file)
{
	struct stat st, dir;

	if (seen.dir && !fstat(file, &st) && S_ISDIR(st.st_mode)) {
		if (st.st_ino == seen.parent && note('p'))
			return -1;
		if (!stat(seen.dir, &dir) && dir.st_ino == st.st_ino && note('d'))
			return -1;
	}
	return __real_fsync(file);
}

/* Nothing in here is made by `open`, so it is called without a mode. */
int __wrap_open(const char *path, int flags, ...)
{
	size_t size = strlen(path);

	if (size > 3 && !strcmp(path + size - 3, "/..") && note('o'))
		return -1;
	return __real_open(path, flags);
}

int __wrap_fallocate(int file, int mode, off_t offset, off_t size)
{
	return note('f') ? -1 : __real_fallocate(file, mode, offset, size);
}

static void watch(const struct scratch *scratch, char fails, int number)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof path, "%.*s", (int)(strrchr(scratch->dir, '/') - scratch->dir), scratch->dir);
	assert_int_equal(stat(path, &st), 0);
	memset(&seen, 0, sizeof seen);
	seen.parent = st.st_ino;
	seen.dir = scratch->dir;
	seen.fails = fails;
	seen.number = number;
}

static void a_new_name_is_synced_into_its_directory(void **state)
{
	const struct scratch *scratch = *state;

	watch(scratch, 0, 0);
	store_close(scratch_open(scratch, LMDB_WRITER));
	assert_string_equal(seen.said, "mopfrdf");
	/* Where all is there already, nothing of it is made or synced again. */
	watch(scratch, 0, 0);
	store_close(scratch_open(scratch, LMDB_WRITER));
	assert_string_equal(seen.said, "");
}

static void a_name_that_may_not_last_is_not_relied_on(void **state)
{
	const struct scratch *scratch = *state;

	for (const char *step = "oprd"; *step; step++) {
		struct store *store = NULL;

		watch(scratch, *step, EIO);
		assert_int_equal(scratch_try(scratch, LMDB_WRITER, &store, NULL), E_IO);
		assert_null(store);
		scratch_empty(scratch);
	}
}

/* One that may be crossed but not read: whoever owns it made the directory. */
static void a_parent_that_cannot_be_read_is_no_fault(void **state)
{
	const struct scratch *scratch = *state;

	watch(scratch, 'o', EACCES);
	store_close(scratch_open(scratch, LMDB_WRITER));
	assert_string_equal(seen.said, "mofrdf");
}

/* LMDB writes its lock through a map: on a full disk that would be the end of the process. */
static void the_lock_has_its_room_from_the_start(void **state)
{
	const struct scratch *scratch = *state;
	char lock[PATH_MAX + 8];
	struct stat st;

	snprintf(lock, sizeof lock, "%s-lock", scratch->file);
	store_close(scratch_open(scratch, LMDB_WRITER));
	assert_int_equal(stat(lock, &st), 0);
	assert_true(st.st_blocks * 512 >= st.st_size);
	assert_true(st.st_blocks * 512 >= 5 * 4096);
}

/* A lock without its room would be taken for a good one by the next who comes. */
static void a_lock_that_found_no_room_is_not_left_behind(void **state)
{
	const struct scratch *scratch = *state;
	struct store *store = NULL;
	char lock[PATH_MAX + 8];

	snprintf(lock, sizeof lock, "%s-lock", scratch->file);
	store_close(scratch_open(scratch, LMDB_WRITER));
	assert_int_equal(unlink(lock), 0);
	watch(scratch, 'f', ENOSPC);
	assert_int_equal(scratch_try(scratch, LMDB_WRITER, &store, NULL), E_FULL);
	assert_int_equal(access(lock, F_OK), -1);
	watch(scratch, 0, 0);
	store_close(scratch_open(scratch, LMDB_WRITER));
}

static int set_up(void **state)
{
	memset(&seen, 0, sizeof seen);
	return scratch_setup(state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_new_name_is_synced_into_its_directory),  TEST(a_name_that_may_not_last_is_not_relied_on),
		TEST(a_parent_that_cannot_be_read_is_no_fault), TEST(a_lock_that_found_no_room_is_not_left_behind),
		TEST(the_lock_has_its_room_from_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
