/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/scratch.h"

#include "tests/store/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PER_COMMIT = 6, COMMITS = 5, TRIES_MAX = 400, DISK_SIZE = 3 << 20 };

/* Commit `version` writes the same few numbers anew, so the last one acknowledged is all there is. */
static enum code commit_version(struct store *store, uint64_t version, struct err *err)
{
	struct store_txn *txn;
	enum code code = store_begin(store, &txn, err);

	if (code)
		return code;
	for (uint32_t number = 0; number < PER_COMMIT; number++)
		put_number(txn, number, version);
	return store_commit(txn, err);
}

static void check_version(struct store *store, uint64_t version)
{
	struct store_txn *txn;

	assert_int_equal(store_snapshot(store, &txn, NULL), OK);
	for (uint32_t number = 0; number < PER_COMMIT; number++) {
		uint8_t room[5];
		struct bytes value;
		enum code code = store_get(txn, number_key(number, room), &value, NULL);

		assert_int_equal(code, version ? OK : E_ABSENT);
		if (version)
			assert_true(bytes_equal(value, number_value(number, version)));
	}
	store_end(txn);
}

static void check_stopped(struct store *store)
{
	struct store_txn *txn;
	struct err err = { 0 };

	assert_int_equal(store_health(store), STORE_STOPPED);
	assert_int_equal(store_begin(store, &txn, &err), E_IO);
	assert_non_null(strstr(err.text, "--check"));
	assert_int_equal(store_snapshot(store, &txn, NULL), E_IO);
}

/* What a refused commit must look like, by what failed and how. Whether the store may go on. */
static bool check_refusal(struct store *store, enum code code, const struct err *err, int number, uint64_t acked)
{
	enum shim_what what;

	assert_true(shim_has_failed(&what));
	if (number != ENOSPC || what != SHIM_WRITE) {
		assert_int_equal(code, E_IO);
		assert_non_null(strstr(err->text, "the disk failed"));
		assert_non_null(strstr(err->text, "--check"));
		check_stopped(store);
		return false;
	}
	assert_int_equal(code, E_FULL);
	assert_non_null(strstr(err->text, "the disk is full: writes are refused and reads go on; free space under"));
	assert_int_equal(store_health(store), STORE_IS_FULL);
	check_version(store, acked);
	return true;
}

static uint64_t run_scenario(struct store *store, int number)
{
	uint64_t acked = 0;

	while (acked < COMMITS) {
		struct err err = { 0 };
		enum code code = commit_version(store, acked + 1, &err);

		if (!code) {
			acked++;
			assert_int_equal(store_health(store), STORE_WELL);
		} else if (!check_refusal(store, code, &err, number, acked)) {
			break;
		}
	}
	return acked;
}

static void check_after(const struct scratch *scratch, uint64_t acked, bool has_failed, enum shim_what what)
{
	struct store *store = scratch_open(scratch, LMDB_WRITER);
	struct findings scan = scratch_scan(store), pages = scratch_pages(scratch);

	check_version(store, acked);
	if (scan.count)
		fail_msg("the scan finds: %s", scan.first);
	/* A head that LMDB took back after its write failed stays visible to the check, until it is overwritten. */
	if (pages.count && !(has_failed && what == SHIM_DURABLE && pages.count == 1 &&
			     strstr(pages.first, "a commit was taken back, or never ended because the disk failed")))
		fail_msg("the check of pages finds: %s", pages.first);
	assert_int_equal(commit_version(store, acked + 1, NULL), OK);
	scratch_assert_whole(scratch, store);
	store_close(store);
}

static void fail_each_call(int number)
{
	struct scratch scratch = scratch_make();
	size_t seen[3] = { 0 };
	unsigned n = 1;

	for (bool is_hit = true; is_hit; n++) {
		struct store *store = scratch_open(&scratch, LMDB_WRITER);
		enum shim_what what;
		uint64_t acked;

		assert_true(n < TRIES_MAX);
		shim_watch(scratch.file);
		shim_fail(n, number, SHIM_ANY_CALL);
		acked = run_scenario(store, number);
		is_hit = shim_has_failed(&what);
		if (is_hit)
			seen[what]++;
		else
			assert_int_equal(acked, COMMITS);
		shim_fail(0, 0, SHIM_ANY_CALL);
		shim_watch(NULL);
		store_close(store);
		check_after(&scratch, acked, is_hit, what);
		shim_forget();
		scratch_empty(&scratch);
	}
	print_message("  %s at each of %u calls: %zu writes, %zu heads, %zu syncs\n", strerror(number), n - 2,
		      seen[SHIM_WRITE], seen[SHIM_DURABLE], seen[SHIM_SYNC]);
	assert_true(seen[SHIM_WRITE] && seen[SHIM_DURABLE] == COMMITS && seen[SHIM_SYNC] == COMMITS);
	scratch_remove(&scratch);
}

static void eio_at_any_call_stops_the_store(void **state)
{
	(void)state;
	fail_each_call(EIO);
}

static void enospc_at_any_write_refuses_one_commit(void **state)
{
	(void)state;
	fail_each_call(ENOSPC);
}

/* A disk of its own, in a mount namespace of its own: it goes away with the process. */
static void mount_small_disk(char *room, size_t size)
{
	assert_true((size_t)snprintf(room, size, "%s/warren.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp") <
		    size);
	assert_non_null(mkdtemp(room));
	scratch_mount_alone(room);
	scratch_mount_disk(room, DISK_SIZE);
}

/* Takes all room on the disk but about `left` bytes. */
static void fill_disk(const char *path, size_t left)
{
	static const uint8_t block[4096];
	struct stat st;
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(file >= 0);
	while (write(file, block, sizeof block) == sizeof block)
		;
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(ftruncate(file, st.st_size > (off_t)left ? st.st_size - (off_t)left : 0), 0);
	close(file);
}

static void a_full_disk_refuses_writes_until_there_is_room(void **state)
{
	char disk[PATH_MAX - 128], ballast[PATH_MAX];
	struct scratch scratch;
	struct store *store;
	uint64_t acked = 0, refused = 0;

	(void)state;
	mount_small_disk(disk, sizeof disk);
	snprintf(scratch.dir, sizeof scratch.dir, "%s/state", disk);
	snprintf(scratch.file, sizeof scratch.file, "%s/state.mdb", scratch.dir);
	snprintf(ballast, sizeof ballast, "%s/ballast", disk);
	store = scratch_open(&scratch, LMDB_WRITER);
	assert_int_equal(commit_version(store, ++acked, NULL), OK);
	/* From no room at all to room for some of the pages, so that writes are refused and cut short. */
	for (size_t left = 0; left < 40 * 4096; left += 4096) {
		struct err err = { 0 };
		enum code code;

		fill_disk(ballast, left);
		while (!(code = commit_version(store, acked + 1, &err)) && acked < TRIES_MAX)
			acked++;
		if (code != OK) {
			refused++;
			assert_int_equal(code, E_FULL);
			assert_int_equal(store_health(store), STORE_IS_FULL);
			assert_int_equal(commit_version(store, acked + 1, NULL), E_FULL);
			check_version(store, acked);
			scratch_assert_whole(&scratch, store);
		}
		assert_int_equal(unlink(ballast), 0);
		assert_int_equal(commit_version(store, ++acked, &err), OK);
		assert_int_equal(store_health(store), STORE_WELL);
		check_version(store, acked);
		scratch_assert_whole(&scratch, store);
		/* Begin again with a small file, or the next round finds all its pages there already. */
		store_close(store);
		store = scratch_open(&scratch, LMDB_WRITER);
		check_version(store, acked);
		store_close(store);
		scratch_empty(&scratch);
		store = scratch_open(&scratch, LMDB_WRITER);
		assert_int_equal(commit_version(store, acked = 1 + left / 4096, NULL), OK);
	}
	print_message("  refused in %llu rounds\n", (unsigned long long)refused);
	assert_true(refused > 5);
	store_close(store);
	umount2(disk, MNT_DETACH);
	rmdir(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eio_at_any_call_stops_the_store),
		cmocka_unit_test(enospc_at_any_write_refuses_one_commit),
		cmocka_unit_test(a_full_disk_refuses_writes_until_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
