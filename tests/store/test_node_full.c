/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/state.h"
#include "tests/store/lone_check.h"
#include "tests/store/shim.h"
#include "tests/unit/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A disk without room, under a node: whoever asked is told, the node lives on with what the disk has, and writes again
 * once there is room.
 */
enum { COMMITS = 5, TRIES_MAX = 400, DISK_SIZE = 8 << 20, PAGE = 4096, ROUNDS = 40 };

struct heard {
	size_t done, full;
};

static void hear(void *context, const struct reply *reply)
{
	struct heard *heard = context;

	if (!reply->code) {
		heard->done++;
		return;
	}
	assert_int_equal(reply->code, E_FULL);
	assert_non_null(strstr(reply->text, "the disk is full"));
	assert_int_equal(reply->count, 0);
	heard->full++;
}

struct client {
	struct lone lone;
	struct heard heard;
	uint64_t count; /* of changes that are done */
};

static void open_client(struct client *client, struct store *store)
{
	struct err err = { 0 };

	*client = (struct client){ .lone = { .replied = hear } };
	client->lone.context = &client->heard;
	if (lone_open(&client->lone, store, &err))
		fail_msg("%s", err.text);
}

/* One commit. Whether it found room: either way each request was answered, and memory is what the disk is. */
static bool try_commit(struct client *client)
{
	size_t size = lone_commit_size(client->count + 1), done = client->heard.done, full = client->heard.full;
	struct err err = { 0 };
	bool is_full;

	if (lone_write(&client->lone, client->count + 1, size, &err))
		fail_msg("the node did not survive: %s", err.text);
	is_full = client->heard.full > full;
	if (is_full) {
		assert_int_equal(client->heard.full, full + size);
		assert_int_equal(client->heard.done, done);
		assert_int_equal(store_health(client->lone.store), STORE_IS_FULL);
	} else {
		assert_int_equal(client->heard.done, done + size);
		assert_int_equal(store_health(client->lone.store), STORE_WELL);
		client->count += size;
	}
	lone_check_memory(&client->lone);
	return !is_full;
}

static void enospc_at_any_write_refuses_one_commit(void **state)
{
	struct scratch scratch = scratch_make();
	size_t refused = 0;
	bool is_hit = true;
	unsigned n = 1;

	(void)state;
	for (; is_hit; n++) {
		struct store *store = scratch_open(&scratch, LMDB_WRITER);
		struct client client;
		enum shim_what what;

		assert_true(n < TRIES_MAX);
		open_client(&client, store);
		shim_watch(scratch.file);
		shim_fail(n, ENOSPC, SHIM_WRITES_ONLY);
		for (size_t i = 0; i < COMMITS; i++)
			if (!try_commit(&client)) {
				refused++;
				assert_int_equal(lone_check(store), client.count);
				assert_true(try_commit(&client));
			}
		is_hit = shim_has_failed(&what);
		shim_fail(0, 0, SHIM_ANY_CALL);
		shim_watch(NULL);
		shim_forget();
		assert_int_equal(lone_check_all(&scratch, store), client.count);
		lone_close(&client.lone);
		store_close(store);
		scratch_empty(&scratch);
	}
	print_message("  %u writes failed, %zu commits refused\n", n - 2, refused);
	assert_int_equal(refused, n - 2);
	assert_true(refused > COMMITS);
	scratch_remove(&scratch);
}

/* Statements too: without room nothing of them is known, and the same ones are taken later. */
static void enospc_at_any_write_of_a_founding_leaves_no_cluster(void **state)
{
	struct scratch scratch = scratch_make();
	bool is_hit = true;
	unsigned n = 1;

	(void)state;
	for (; is_hit; n++) {
		struct store *store = scratch_open(&scratch, LMDB_WRITER);
		struct lone lone = { .replied = NULL };
		struct err err = { 0 };
		enum shim_what what;
		enum code code;

		assert_true(n < TRIES_MAX);
		/* What the model leaves in any new store is written before. */
		assert_int_equal(state_open(store, &err), OK);
		shim_watch(scratch.file);
		shim_fail(n, ENOSPC, SHIM_WRITES_ONLY);
		code = lone_open(&lone, store, &err);
		is_hit = shim_has_failed(&what);
		assert_int_equal(code, is_hit ? E_FULL : OK);
		if (is_hit) {
			assert_false(node_mesh(lone.node)->is_member);
			assert_int_equal(node_mesh(lone.node)->t0.count, 0);
			assert_int_equal(lone_check(store), 0);
			if (lone_found(&lone, &err))
				fail_msg("%s", err.text);
		}
		shim_fail(0, 0, SHIM_ANY_CALL);
		shim_watch(NULL);
		shim_forget();
		lone_check_memory(&lone);
		lone_close(&lone);
		store_close(store);
		scratch_empty(&scratch);
	}
	print_message("  %u writes failed\n", n - 2);
	assert_true(n > 3);
	scratch_remove(&scratch);
}

/* Takes all room on the disk but about `left` bytes. */
static void fill_disk(const char *path, size_t left)
{
	static const uint8_t block[PAGE];
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
	struct client client;
	struct store *store;
	size_t refused = 0, again = 0;

	(void)state;
	snprintf(disk, sizeof disk, "%s/warren.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(disk));
	scratch_mount_alone(disk);
	scratch_mount_disk(disk, DISK_SIZE);
	snprintf(scratch.dir, sizeof scratch.dir, "%s/state", disk);
	snprintf(scratch.file, sizeof scratch.file, "%s/state.mdb", scratch.dir);
	snprintf(ballast, sizeof ballast, "%s/ballast", disk);
	store = scratch_open(&scratch, LMDB_WRITER);
	open_client(&client, store);
	/* From no room at all to room for some of the pages; the same node lives through all of it. */
	for (size_t left = 0; left < ROUNDS; left++) {
		fill_disk(ballast, left % 8 * PAGE);
		for (size_t i = 0; i < TRIES_MAX && try_commit(&client); i++)
			;
		if (store_health(store) == STORE_IS_FULL) {
			refused++;
			/* It tries anew, and may find room in pages that are free by now. */
			again += !try_commit(&client);
			assert_int_equal(lone_check_all(&scratch, store), client.count);
		}
		assert_int_equal(unlink(ballast), 0);
		assert_true(try_commit(&client));
		assert_int_equal(lone_check_all(&scratch, store), client.count);
	}
	print_message("  refused in %zu rounds, %zu alarms, %llu changes\n", refused, client.lone.alarms,
		      (unsigned long long)client.count);
	assert_true(refused > 5 && again > 5);
	/* Once a minute, and no minute passes here. */
	assert_int_equal(client.lone.alarms, 1);
	lone_close(&client.lone);
	store_close(store);
	umount2(disk, MNT_DETACH);
	rmdir(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enospc_at_any_write_refuses_one_commit),
		cmocka_unit_test(enospc_at_any_write_of_a_founding_leaves_no_cluster),
		cmocka_unit_test(a_full_disk_refuses_writes_until_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
