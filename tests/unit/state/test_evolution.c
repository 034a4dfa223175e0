/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two versions whose only difference is model.def live in one mesh: the later one has a kind more and fields more.
 * They exchange ops, edit the same records side by side, take over each other's directories, and always hold the same
 * bytes.
 */
#include "crdt/base/base.h"
#include "tests/unit/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH = 200, OUTPUT = 400 };

static const char *older, *later;
static char home[PATH];

static char *at(char *room, const char *name)
{
	assert_in_range(snprintf(room, PATH, "%s/%s", home, name), 1, PATH - 1);
	return room;
}

/* Runs a version on a directory of the test's; paths of files are the test's too. What it prints is in `output`. */
static char output[OUTPUT];

static void read_output(int from)
{
	size_t used = 0;
	ssize_t got;

	while (used + 1 < OUTPUT && (got = read(from, output + used, OUTPUT - 1 - used)) > 0)
		used += (size_t)got;
	output[used] = '\0';
	close(from);
}

static void run(const char *version, const char *dir, const char *what, const char *seed, const char *file)
{
	char dir_path[PATH], file_path[PATH];
	const char *args[6] = { version, at(dir_path, dir), what };
	size_t count = 3;
	int ends[2], status;
	pid_t child;

	if (seed)
		args[count++] = seed;
	if (file)
		args[count++] = at(file_path, file);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (!child) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execv(version, (char *const *)(uintptr_t)args);
		_exit(127);
	}
	assert_true(child > 0);
	close(ends[1]);
	read_output(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (status)
		fail_msg("%s %s %s: %d", version == older ? "older" : "later", dir, what, status);
}

static void assert_same_files(const char *a, const char *b)
{
	char path_a[PATH], path_b[PATH];
	FILE *of_a = fopen(at(path_a, a), "rb"), *of_b = fopen(at(path_b, b), "rb");
	size_t size = 0;
	int byte;

	assert_true(of_a && of_b);
	do {
		byte = getc(of_a);
		if (byte != getc(of_b))
			fail_msg("%s and %s differ at byte %zu", a, b, size);
		size++;
	} while (byte != EOF);
	assert_true(size > 1000);
	fclose(of_a);
	fclose(of_b);
}

static bool files_differ(const char *a, const char *b)
{
	char command[3 * PATH];

	snprintf(command, sizeof command, "cmp -s '%s/%s' '%s/%s'", home, a, home, b);
	return system(command) != 0;
}

static void copy(const char *from, const char *to)
{
	char command[3 * PATH];

	snprintf(command, sizeof command, "cp -a '%s/%s' '%s/%s'", home, from, home, to);
	assert_int_equal(system(command), 0);
}

static void remove_dir(const char *name)
{
	char command[2 * PATH];

	snprintf(command, sizeof command, "rm -r '%s/%s'", home, name);
	assert_int_equal(system(command), 0);
}

struct seen {
	size_t records, rows, invalid, dead, unknown;
};

static struct seen look(const char *version, const char *dir)
{
	struct seen seen;

	run(version, dir, "read", NULL, NULL);
	assert_int_equal(sscanf(output, "%zu records: %zu rows, %zu invalid, %zu dead, %zu unknown", &seen.records,
				&seen.rows, &seen.invalid, &seen.dead, &seen.unknown),
			 5);
	return seen;
}

static void assert_same_root(const char *version, const char *dir, const char *other, const char *other_dir)
{
	char root[OUTPUT];

	run(version, dir, "root", NULL, NULL);
	memcpy(root, output, sizeof root);
	assert_int_equal(strlen(root), 33);
	run(other, other_dir, "root", NULL, NULL);
	assert_string_equal(output, root);
}

/* "later" writes, "older" hears of it; then both edit what both have, without hearing of each other. */
static void both_write(void)
{
	run(later, "later", "write", "1", "ops-write");
	run(older, "older", "merge", NULL, "ops-write");
	run(later, "later", "dump", NULL, "later.0");
	run(older, "older", "dump", NULL, "older.0");
	assert_same_files("later.0", "older.0");
	run(later, "later", "edit", "2", "ops-later");
	run(older, "older", "edit", "3", "ops-older");
	run(older, "older", "write", "4", "ops-older");
	run(later, "later", "dump", NULL, "later.1");
	run(older, "older", "dump", NULL, "older.1");
	assert_true(files_differ("later.1", "older.1"));
	run(later, "later", "merge", NULL, "ops-older");
	run(older, "older", "merge", NULL, "ops-later");
}

static void two_versions_hold_the_same_bytes(void **state)
{
	static const char *const ops[] = { "ops-later", "ops-older", "ops-write" };

	(void)state;
	both_write();
	run(later, "later", "dump", NULL, "later.2");
	run(older, "older", "dump", NULL, "older.2");
	assert_same_files("later.2", "older.2");
	assert_same_root(later, "later", older, "older");

	/* Latecomers of both versions, who hear it in other orders. */
	for (size_t i = 0; i < COUNT(ops); i++) {
		run(older, "older-back", "merge-back", NULL, ops[i]);
		run(later, "later-back", "merge-back", NULL, ops[COUNT(ops) - 1 - i]);
		run(later, "fresh", "merge", NULL, ops[COUNT(ops) - 1 - i]);
	}
	run(older, "older-back", "dump", NULL, "older-back.2");
	run(later, "later-back", "dump", NULL, "later-back.2");
	run(later, "fresh", "dump", NULL, "fresh.2");
	assert_same_files("later.2", "older-back.2");
	assert_same_files("later.2", "later-back.2");
	assert_same_files("later.2", "fresh.2");
	assert_same_root(older, "older-back", later, "later-back");
}

static void the_older_reads_around_what_it_does_not_know(void **state)
{
	struct seen by_older = look(older, "older"), by_later = look(later, "later");

	(void)state;
	assert_int_equal(by_older.records, by_later.records);
	assert_true(by_older.unknown >= 6);
	assert_int_equal(by_later.unknown, 0);
	assert_true(by_later.rows > by_older.rows && by_older.rows > 100 && by_later.dead > 10);
	assert_int_equal(by_later.rows + by_later.dead, by_older.rows + by_older.dead + by_older.unknown);
	assert_int_equal(by_later.invalid, by_older.invalid);
	run(older, "older", "check", NULL, NULL);
	run(later, "later", "check", NULL, NULL);
}

static void an_upgrade_in_place_makes_the_indexes(void **state)
{
	(void)state;
	run(older, "older", "index", NULL, "older.index");
	run(later, "later", "index", NULL, "later.index");
	assert_true(files_differ("older.index", "later.index"));
	run(later, "later-back", "index", NULL, "later-back.index");
	run(later, "fresh", "index", NULL, "fresh.index");
	assert_same_files("later.index", "later-back.index");
	assert_same_files("later.index", "fresh.index");

	copy("older", "upgraded");
	run(later, "upgraded", "open", NULL, NULL);
	run(later, "upgraded", "dump", NULL, "upgraded.3");
	run(later, "upgraded", "index", NULL, "upgraded.index");
	assert_same_files("later.2", "upgraded.3");
	assert_same_files("later.index", "upgraded.index");
	run(later, "upgraded", "check", NULL, NULL);
}

/* And it can go on: what both wrote after the upgrade merges as before. */
static void an_upgraded_one_lives_on(void **state)
{
	(void)state;
	run(later, "upgraded", "edit", "5", "ops-upgraded");
	run(older, "older", "edit", "6", "ops-left-behind");
	run(later, "upgraded", "merge", NULL, "ops-left-behind");
	run(older, "older", "merge", NULL, "ops-upgraded");
	run(later, "upgraded", "dump", NULL, "upgraded.4");
	run(older, "older", "dump", NULL, "older.4");
	assert_same_files("upgraded.4", "older.4");
}

static void a_downgrade_loses_nothing(void **state)
{
	(void)state;
	copy("upgraded", "downgraded");
	run(older, "downgraded", "open", NULL, NULL);
	run(older, "downgraded", "check", NULL, NULL);
	run(older, "downgraded", "dump", NULL, "downgraded.4");
	run(older, "downgraded", "index", NULL, "downgraded.index");
	run(older, "older", "index", NULL, "older.index4");
	assert_same_files("downgraded.4", "upgraded.4");
	assert_same_files("downgraded.index", "older.index4");

	run(later, "downgraded", "check", NULL, NULL);
	run(later, "downgraded", "dump", NULL, "again.4");
	run(later, "downgraded", "index", NULL, "again.index");
	run(later, "upgraded", "index", NULL, "upgraded.index4");
	assert_same_files("again.4", "upgraded.4");
	assert_same_files("again.index", "upgraded.index4");
	assert_int_equal(look(later, "downgraded").unknown, 0);
}

/* Every version starts on what any other left, wherever that one was stopped; nothing is damaged on the way. */
static void a_rebuild_cut_short_harms_nobody(void **state)
{
	static const char *const seeds[] = { "11", "12", "13", "14", "15", "16" };
	char commits[16];
	int cuts = 0;

	(void)state;
	copy("upgraded", "large");
	/* So many that they take more than one transaction. */
	for (size_t i = 0; i < COUNT(seeds); i++)
		run(later, "large", "write", seeds[i], "ops-large");
	for (int i = 1;; i++, cuts++) {
		snprintf(commits, sizeof commits, "%d", i);
		copy("large", "cut");
		run(older, "cut", "open", commits, NULL);
		if (strcmp(output, "gone\n"))
			break;
		run(older, "cut", "offline", NULL, NULL);
		if (!strstr(output, "each verified\n"))
			fail_msg("after %d commits: %s", i, output);
		/* Back to the one that wrote the old indexes, which are half gone; and again to the other. */
		copy("cut", "cut-back");
		run(later, "cut-back", "open", NULL, NULL);
		run(later, "cut-back", "check", NULL, NULL);
		run(older, "cut", "open", "1", NULL);
		run(older, "cut", "check", NULL, NULL);
		remove_dir("cut-back");
		remove_dir("cut");
	}
	assert_true(cuts >= 4);
}

static void what_another_version_left_is_told(void **state)
{
	(void)state;
	copy("older", "told");
	run(later, "told", "offline", NULL, NULL);
	assert_non_null(strstr(output, "its indexes are of another version, or half made"));
	run(later, "told", "open", NULL, NULL);
	run(later, "told", "offline", NULL, NULL);
	assert_null(strstr(output, "another version"));
	assert_non_null(strstr(output, "index entries, each verified"));
}

static int make_home(void **state)
{
	const char *temporary = getenv("TMPDIR");

	(void)state;
	snprintf(home, sizeof home, "%s/warren-evolution-XXXXXX", temporary ? temporary : "/tmp");
	return mkdtemp(home) ? 0 : -1;
}

static int remove_home(void **state)
{
	char command[2 * PATH];

	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", home);
	return system(command);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_versions_hold_the_same_bytes),
		cmocka_unit_test(the_older_reads_around_what_it_does_not_know),
		cmocka_unit_test(an_upgrade_in_place_makes_the_indexes),
		cmocka_unit_test(an_upgraded_one_lives_on),
		cmocka_unit_test(a_downgrade_loses_nothing),
		cmocka_unit_test(a_rebuild_cut_short_harms_nobody),
		cmocka_unit_test(what_another_version_left_is_told),
	};

	if (argc != 3)
		return 2;
	older = argv[1];
	later = argv[2];
	return cmocka_run_group_tests(tests, make_home, remove_home);
}
