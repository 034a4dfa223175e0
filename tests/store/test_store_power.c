/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/scratch.h"

#include "tests/store/replay.h"
#include "tests/store/shim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Power cuts in the middle of bare commits. */
enum { COMMITS = 160, NUMBERS = 60, PER_COMMIT = 4, CUTS = 200 };

static uint32_t number_at(uint64_t commit, uint32_t i)
{
	return (uint32_t)((commit * 7 + i * 13) % NUMBERS);
}

static void write_commits(struct store *store)
{
	for (uint64_t commit = 1; commit <= COMMITS; commit++) {
		struct store_txn *txn;
		uint8_t room[5];

		assert_int_equal(store_begin(store, &txn, NULL), OK);
		for (uint32_t i = 0; i < PER_COMMIT; i++)
			put_number(txn, number_at(commit, i), commit);
		if (commit % 3 == 0)
			store_delete(txn, number_key(number_at(commit, 0), room), NULL);
		put_number(txn, NUMBERS, commit);
		assert_int_equal(store_commit(txn, NULL), OK);
		shim_mark(commit);
	}
}

/* Which commit up to `commit` wrote a number last; 0 when it is not there. */
static uint64_t version_of(uint32_t number, uint64_t commit)
{
	for (uint64_t c = commit; c > 0; c--)
		for (uint32_t i = 0; i < PER_COMMIT; i++)
			if (number_at(c, i) == number)
				return c % 3 == 0 && number_at(c, 0) == number ? 0 : c;
	return 0;
}

/* The commit that the store shows, by the number that each one writes. */
static uint64_t shown_commit(struct store_txn *txn)
{
	uint8_t room[5];
	struct bytes value;
	uint64_t commit = 0;

	if (store_get(txn, number_key(NUMBERS, room), &value, NULL))
		return 0;
	for (size_t i = 0; i < 8; i++)
		commit = commit << 8 | value.data[i];
	return commit;
}

static void check_disk(const struct scratch *scratch, uint64_t acked)
{
	struct store *store = scratch_open(scratch, LMDB_WRITER);
	struct store_txn *txn;
	uint64_t commit;

	assert_int_equal(store_snapshot(store, &txn, NULL), OK);
	commit = shown_commit(txn);
	if (commit < acked || commit > acked + 1)
		fail_msg("the disk shows commit %llu, acknowledged was %llu", (unsigned long long)commit,
			 (unsigned long long)acked);
	for (uint32_t number = 0; number < NUMBERS; number++) {
		uint64_t version = version_of(number, commit);
		uint8_t room[5];
		struct bytes value;

		assert_int_equal(store_get(txn, number_key(number, room), &value, NULL), version ? OK : E_ABSENT);
		if (version)
			assert_true(bytes_equal(value, number_value(number, version)));
	}
	store_end(txn);
	scratch_assert_whole(scratch, store);
	store_close(store);
}

static void power_cuts_take_nothing_that_was_acknowledged(void **state)
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(power_cuts_take_nothing_that_was_acknowledged) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
