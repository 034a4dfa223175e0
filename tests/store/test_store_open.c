/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What comes of it when LMDB cannot open the file, or opens another than the one that was examined. */

static struct {
	int result;
	bool is_exchanged;
} next;

int __real_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);

int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
	char command[3 * PATH_MAX];

	if (next.result)
		return next.result;
	snprintf(command, sizeof command, "cp -p '%s' '%s.2' && mv '%s.2' '%s'", path, path, path, path);
	if (next.is_exchanged)
		assert_int_equal(system(command), 0);
	return __real_mdb_env_open(env, path, flags, mode);
}

static void make_store(const struct scratch *scratch)
{
	struct store *store = scratch_open(scratch, LMDB_WRITER);

	commit_one(store, 1, 1);
	store_close(store);
}

static void each_failure_has_its_code(void **state)
{
	const struct scratch *scratch = *state;
	static const struct {
		int result;
		enum code code;
		const char *help;
	} cases[] = {
		{ ENOSPC, E_FULL, "free space" },
		{ EDQUOT, E_FULL, "free space" },
		{ EFBIG, E_FULL, "free space" },
		{ EACCES, E_DENIED, "run as its owner" },
		{ EPERM, E_DENIED, "run as its owner" },
		{ EROFS, E_DENIED, "run as its owner" },
		{ ENOMEM, E_LIMIT, "raise the limit" },
		{ EIO, E_IO, "check the disk" },
		{ MDB_INVALID, E_DAMAGED, "warrend --check" },
		{ MDB_CORRUPTED, E_DAMAGED, "warrend --check" },
		{ MDB_VERSION_MISMATCH, E_NEWER, "newer version" },
	};

	make_store(scratch);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct store *store = NULL;
		struct err err = { 0 };

		next.result = cases[i].result;
		assert_int_equal(scratch_try(scratch, LMDB_WRITER, &store, &err), cases[i].code);
		assert_non_null(strstr(err.text, cases[i].help));
		assert_int_equal(scratch_try(scratch, LMDB_READER, &store, NULL), cases[i].code);
	}
	next.result = 0;
	store_close(scratch_open(scratch, LMDB_WRITER));
}

static void a_file_that_is_exchanged_meanwhile_is_refused(void **state)
{
	const struct scratch *scratch = *state;
	struct store *store = NULL;
	struct err err = { 0 };

	make_store(scratch);
	next.is_exchanged = true;
	assert_int_equal(scratch_try(scratch, LMDB_WRITER, &store, &err), E_DENIED);
	assert_non_null(strstr(err.text, "was replaced while it was opened"));
	assert_int_equal(scratch_try(scratch, LMDB_READER, &store, NULL), E_DENIED);
	next.is_exchanged = false;
	store_close(scratch_open(scratch, LMDB_WRITER));
}

/* Nor does a program that is executed later get hold of the state. */
static void no_handle_is_inherited(void **state)
{
	const struct scratch *scratch = *state;
	struct store *store = scratch_open(scratch, LMDB_WRITER);
	DIR *handles = opendir("/proc/self/fd");
	const struct dirent *entry;
	size_t count = 0;

	while ((entry = readdir(handles))) {
		char path[PATH_MAX] = "";

		if (readlinkat(dirfd(handles), entry->d_name, path, sizeof path - 1) < 0 ||
		    strncmp(path, scratch->dir, strlen(scratch->dir)) != 0)
			continue;
		count++;
		if (!(fcntl(atoi(entry->d_name), F_GETFD) & FD_CLOEXEC))
			fail_msg("%s would be inherited", path);
	}
	assert_true(count >= 3);
	closedir(handles);
	store_close(store);
}

static int set_up(void **state)
{
	memset(&next, 0, sizeof next);
	return scratch_setup(state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_failure_has_its_code),
		TEST(a_file_that_is_exchanged_meanwhile_is_refused),
		TEST(no_handle_is_inherited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
