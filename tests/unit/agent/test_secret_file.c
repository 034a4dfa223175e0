/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/secret_file.h"

#include "tests/unit/base/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files of keys: whole or not there, and nobody else's business. */

static char parent[64], dir[80];

/* The next this many syncs go well, and the one behind them fails; SIZE_MAX: none does. */
static size_t syncs_left = SIZE_MAX;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
	if (syncs_left == SIZE_MAX || syncs_left--)
		return __real_fsync(fd);
	errno = EIO;
	return -1;
}

static int begin(void **state)
{
	(void)state;
	snprintf(parent, sizeof parent, "/tmp/warren-secret-XXXXXX");
	assert_non_null(mkdtemp(parent));
	snprintf(dir, sizeof dir, "%s/state", parent);
	return 0;
}

static const char *path_of(const char *name)
{
	static char path[400];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

/* How many entries the directory has; with `is_emptied` they go. */
static size_t count_files(bool is_emptied)
{
	DIR *open_dir = opendir(dir);
	struct dirent *entry;
	size_t count = 0;

	while (open_dir && (entry = readdir(open_dir)))
		if (entry->d_name[0] != '.') {
			count++;
			if (is_emptied)
				remove(path_of(entry->d_name));
		}
	if (open_dir)
		closedir(open_dir);
	return count;
}

static int end(void **state)
{
	(void)state;
	count_files(true);
	rmdir(dir);
	return rmdir(parent);
}

static enum code put_file(const char *name, const char *value, bool is_new, struct err *err)
{
	struct secret_file file = secret_file_new("magic-1");
	enum code code;

	secret_file_put(&file, "word", bytes_text(value));
	secret_file_put_hex(&file, "bytes", bytes_of("\x01\xff", 2));
	code = secret_file_write(dir, name, &file, is_new, err);
	secret_file_done(&file);
	return code;
}

static void assert_says(const char *name, const char *value)
{
	struct secret_file file;
	struct bytes text;
	uint8_t raw[2];
	size_t at = 0;

	assert_int_equal(secret_file_read(dir, name, "magic-1", &file, NULL), OK);
	assert_true(secret_file_next(&file, "word", &at, &text));
	assert_true(bytes_equal(text, bytes_text(value)));
	assert_false(secret_file_next(&file, "word", &at, &text));
	assert_int_equal(secret_file_hex(&file, "bytes", raw, 2, NULL), OK);
	assert_memory_equal(raw, "\x01\xff", 2);
	assert_int_equal(secret_file_hex(&file, "bytes", raw, 1, NULL), E_FORM);
	assert_int_equal(secret_file_hex(&file, "word", raw, 2, NULL), E_FORM);
	assert_int_equal(secret_file_hex(&file, "byte", raw, 2, NULL), E_FORM);
	secret_file_done(&file);
}

static enum code read_code(const char *name)
{
	struct err err = { 0 };
	struct secret_file file;
	enum code code = secret_file_read(dir, name, "magic-1", &file, &err);

	if (!code)
		secret_file_done(&file);
	else
		assert_true(err.text[0]);
	return code;
}

static void what_was_written_is_read_and_open_to_nobody_else(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(read_code("k"), E_ABSENT);
	assert_int_equal(put_file("k", "one", true, NULL), OK);
	assert_says("k", "one");
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(path_of("k"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(count_files(false), 1);
	assert_int_equal(read_code("other"), E_ABSENT);
}

static void the_new_takes_the_place_of_the_old_whole(void **state)
{
	struct stat first, second;

	(void)state;
	assert_int_equal(put_file("k", "a long first value", true, NULL), OK);
	assert_int_equal(stat(path_of("k"), &first), 0);
	assert_int_equal(put_file("k", "two", true, NULL), E_TAKEN);
	assert_says("k", "a long first value");
	assert_int_equal(put_file("k", "two", false, NULL), OK);
	assert_says("k", "two");
	/* Another file, not the old one written over. */
	assert_int_equal(stat(path_of("k"), &second), 0);
	assert_true(first.st_ino != second.st_ino || first.st_ctim.tv_nsec != second.st_ctim.tv_nsec);
	assert_int_equal(second.st_nlink, 1);
	assert_int_equal(count_files(false), 1);
	assert_int_equal(secret_file_remove(dir, "k", NULL), OK);
	assert_int_equal(secret_file_remove(dir, "k", NULL), OK);
	assert_int_equal(count_files(false), 0);
}

/* What a process left that died while it wrote, be it a link to elsewhere. */
static void what_a_dead_process_left_beside_it_is_no_hindrance(void **state)
{
	char victim[100];
	struct stat st;

	(void)state;
	assert_int_equal(put_file("k", "one", true, NULL), OK);
	snprintf(victim, sizeof victim, "%s/victim", parent);
	assert_int_equal(symlink(victim, path_of("k.new")), 0);
	assert_int_equal(put_file("k", "two", false, NULL), OK);
	assert_says("k", "two");
	assert_int_equal(lstat(victim, &st), -1);
	assert_int_equal(lstat(path_of("k"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(count_files(false), 1);
}

static void what_others_could_have_made_or_read_is_refused(void **state)
{
	(void)state;
	assert_int_equal(put_file("k", "one", true, NULL), OK);
	assert_int_equal(chmod(path_of("k"), 0640), 0);
	assert_int_equal(read_code("k"), E_DENIED);
	assert_int_equal(chmod(path_of("k"), 0600), 0);
	assert_int_equal(symlink("k", path_of("link")), 0);
	assert_int_equal(read_code("link"), E_DENIED);
	assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
	assert_int_equal(read_code("pipe"), E_DENIED);
	assert_int_equal(put_file("link", "two", true, NULL), E_TAKEN);
	assert_says("k", "one");
}

static void no_key_goes_where_others_may_put_files(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(chmod(dir, 0770), 0);
	assert_int_equal(put_file("k", "one", true, &err), E_DENIED);
	assert_non_null(strstr(err.text, "chmod"));
	assert_int_equal(count_files(false), 0);
	if (!geteuid()) {
		assert_int_equal(chmod(dir, 0700), 0);
		assert_int_equal(chown(dir, 12345, 12345), 0);
		assert_int_equal(put_file("k", "one", true, NULL), E_DENIED);
		assert_int_equal(count_files(false), 0);
	}
}

static void write_raw(const char *name, const char *bytes, size_t size)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static void what_is_damaged_is_refused(void **state)
{
	static char much[SECRET_FILE_MAX + 10];

	(void)state;
	assert_int_equal(put_file("k", "one", true, NULL), OK);
	write_raw("k", "", 0);
	assert_int_equal(read_code("k"), E_FORM);
	write_raw("k", "magic-1", 7);
	assert_int_equal(read_code("k"), E_FORM);
	write_raw("k", "magic-10\n", 9);
	assert_int_equal(read_code("k"), E_FORM);
	write_raw("k", "magic-1\nword a\0b\n", 17);
	assert_int_equal(read_code("k"), E_FORM);
	memset(much, 'x', sizeof much);
	memcpy(much, "magic-1\n", 8);
	write_raw("k", much, sizeof much);
	assert_int_equal(read_code("k"), E_FORM);
	write_raw("k", much, SECRET_FILE_MAX - 1);
	assert_int_equal(read_code("k"), OK);
	/* A last line without an end, and one without a value. */
	write_raw("k", "magic-1\nword\nwordy x\nbytes 01ff\nword one", 40);
	assert_says("k", "one");
}

/* The directory above, the file, the directory: whichever fails, there is no new file and the old one is whole. */
static void a_new_file_is_durable_or_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		syncs_left = i;
		assert_int_equal(put_file("k", "one", true, NULL), E_IO);
		assert_int_equal(count_files(false), 0);
	}
	assert_int_equal(put_file("k", "one", true, NULL), OK);
	for (size_t i = 0; i < 3; i++) {
		syncs_left = i;
		assert_int_equal(put_file("k", "one", false, NULL), E_IO);
		assert_says("k", "one");
		assert_int_equal(count_files(false), 1);
	}
}

/* A disk of one page: the old one stays, and nothing beside it. */
static void a_full_disk_leaves_the_old_one(void **state)
{
	char filler[4096];
	struct err err = { 0 };
	int fd;

	(void)state;
	assert_int_equal(mkdir(dir, 0700), 0);
	if (mount("tmpfs", dir, "tmpfs", 0, "size=16k,mode=0700"))
		skip();
	memset(filler, 'x', sizeof filler);
	assert_int_equal(put_file("k", "one", true, NULL), OK);
	fd = open(path_of("filler"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, filler, sizeof filler) > 0)
		;
	close(fd);
	assert_int_equal(put_file("k", "two", false, &err), E_FULL);
	assert_non_null(strstr(err.text, "free space"));
	assert_says("k", "one");
	assert_int_equal(count_files(false), 2);
	unlink(path_of("filler"));
	assert_int_equal(put_file("k", "two", false, NULL), OK);
	assert_says("k", "two");
	assert_int_equal(umount(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_written_is_read_and_open_to_nobody_else, begin, end),
		cmocka_unit_test_setup_teardown(the_new_takes_the_place_of_the_old_whole, begin, end),
		cmocka_unit_test_setup_teardown(what_a_dead_process_left_beside_it_is_no_hindrance, begin, end),
		cmocka_unit_test_setup_teardown(what_others_could_have_made_or_read_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(no_key_goes_where_others_may_put_files, begin, end),
		cmocka_unit_test_setup_teardown(what_is_damaged_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(a_new_file_is_durable_or_none, begin, end),
		cmocka_unit_test_setup_teardown(a_full_disk_leaves_the_old_one, begin, end),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
