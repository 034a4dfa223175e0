/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/lone_check.h"
#include "tests/store/replay.h"
#include "tests/store/shim.h"
#include "tests/unit/base/check.h"

#include <stdlib.h>

/* Power cuts in the middle of a node's commits, from its founding on: what it answered is there, and it goes on. */
enum { COMMITS = 60, CUTS = 100 };

static void mark(void *context, const struct reply *reply)
{
	(void)context;
	if (reply->code)
		fail_msg("change %llu: %s", (unsigned long long)reply->number, reply->text);
	shim_mark(reply->number);
}

static void write_commits(struct store *store)
{
	struct lone lone = { .replied = mark };
	struct err err = { 0 };
	uint64_t next = 1;

	if (lone_open(&lone, store, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < COMMITS; i++) {
		size_t size = lone_commit_size(next);

		if (lone_write(&lone, next, size, &err))
			fail_msg("%s", err.text);
		next += size;
	}
	lone_check_memory(&lone);
	lone_close(&lone);
}

static void go_on(struct store *store, uint64_t count)
{
	struct lone lone = { .replied = NULL };
	size_t size = lone_commit_size(count + 1);
	struct err err = { 0 };

	if (lone_open(&lone, store, &err) || lone_write(&lone, count + 1, size, &err) || lone.refused)
		fail_msg("it does not go on: %s%s", err.text, lone.refusal);
	lone_check_memory(&lone);
	lone_close(&lone);
	assert_int_equal(lone_check(store), count + size);
}

static void check_disk(const struct scratch *scratch, uint64_t acked)
{
	struct store *store = scratch_open(scratch, LMDB_WRITER);
	uint64_t count = lone_check_all(scratch, store);

	/* A cut in a commit may leave it whole before anything of it was answered, or when some of it was. */
	if (count < acked || count >= acked + 2 * LONE_COMMIT_MAX)
		fail_msg("the disk has %llu changes, answered were %llu", (unsigned long long)count,
			 (unsigned long long)acked);
	go_on(store, count);
	store_close(store);
}

static void power_cuts_take_nothing_that_was_answered(void **state)
{
	struct scratch scratch = scratch_make();
	struct store *store = scratch_open(&scratch, LMDB_WRITER);
	struct image before = image_load(scratch.file);

	(void)state;
	shim_watch(scratch.file);
	write_commits(store);
	shim_watch(NULL);
	store_close(store);
	replay_cuts(&before, CUT_DROPS, CUTS, check_disk);
	replay_cuts(&before, CUT_TEARS, CUTS, check_disk);
	shim_forget();
	free(before.data);
	scratch_remove(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(power_cuts_take_nothing_that_was_answered) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
