/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/scratch.h"

#include "crdt/base/buf.h"
#include "crdt/base/rng.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * A child writes and says through a pipe what is committed; it is killed at any moment, and whatever it said must be
 * there. Commit `seq` writes a few of the numbers round and round, and deletes one.
 */
enum { KILLS = 200, NUMBERS = 120, PER_COMMIT = 5 };

static const uint8_t seq_key[] = { 2, 's' };

static uint64_t read_seq(struct store_txn *txn)
{
	struct bytes value;
	struct reader r;
	struct err err = { 0 };
	enum code code = store_get(txn, bytes_of(seq_key, sizeof seq_key), &value, &err);

	if (code == E_ABSENT)
		return 0;
	assert_int_equal(code, OK);
	r = reader_over(value);
	return read_big_endian(&r, 8);
}

static uint32_t number_at(uint64_t seq, uint32_t i)
{
	return (uint32_t)((seq * PER_COMMIT + i) % NUMBERS);
}

/* Which commit up to `seq` wrote a number last; 0 when none did, or when it was the one that deleted it. */
static uint64_t version_of(uint32_t number, uint64_t seq)
{
	for (uint64_t s = seq; s > 0 && s + NUMBERS > seq; s--)
		for (uint32_t i = 0; i < PER_COMMIT; i++)
			if (number_at(s, i) == number)
				return i ? s : 0;
	return 0;
}

static bool commit_seq(struct store *store, uint64_t seq)
{
	struct store_txn *txn;
	uint8_t room[8], key[5];
	struct buf buf = buf_over(room, sizeof room);

	if (store_begin(store, &txn, NULL))
		return false;
	store_delete(txn, number_key(number_at(seq, 0), key), NULL);
	for (uint32_t i = 1; i < PER_COMMIT; i++)
		put_number(txn, number_at(seq, i), seq);
	buf_put_big_endian(&buf, seq, 8);
	store_put(txn, bytes_of(seq_key, sizeof seq_key), buf_bytes(&buf), NULL);
	return store_commit(txn, NULL) == OK;
}

static void write_until_killed(const struct scratch *scratch, int acks)
{
	struct store *store;
	struct store_txn *txn;
	uint64_t seq;

	if (scratch_try(scratch, LMDB_WRITER, &store, NULL) || store_snapshot(store, &txn, NULL))
		_exit(1);
	seq = read_seq(txn);
	store_end(txn);
	while (commit_seq(store, ++seq))
		if (write(acks, &seq, sizeof seq) != sizeof seq)
			break;
	_exit(1);
}

/* The last that the child said before it was killed. */
static uint64_t run_and_kill(const struct scratch *scratch, unsigned microseconds)
{
	uint64_t seq, last = 0;
	int ends[2], status;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(ends[0]);
		write_until_killed(scratch, ends[1]);
	}
	close(ends[1]);
	usleep(microseconds);
	kill(child, SIGKILL);
	while (read(ends[0], &seq, sizeof seq) == sizeof seq)
		last = seq;
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("the writer ended by itself, with status %d", status);
	return last;
}

static void check_numbers(struct store_txn *txn, uint64_t seq)
{
	for (uint32_t number = 0; number < NUMBERS; number++) {
		uint64_t version = version_of(number, seq);
		uint8_t room[5];
		struct bytes value;
		enum code code = store_get(txn, number_key(number, room), &value, NULL);

		assert_int_equal(code, version ? OK : E_ABSENT);
		if (version)
			assert_true(bytes_equal(value, number_value(number, version)));
	}
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
	struct scratch scratch = scratch_make();
	struct rng rng = rng_from_number(7);
	uint64_t seq = 0, last = 0;
	size_t busy = 0;

	(void)state;
	for (int i = 0; i < KILLS; i++) {
		/* Some die while they open or make the store. */
		unsigned microseconds = (unsigned)rng_below(&rng, i % 4 ? 60000 : 6000);
		uint64_t said = run_and_kill(&scratch, microseconds);
		struct store *store = scratch_open(&scratch, LMDB_WRITER);
		struct store_txn *txn;

		if (said)
			last = said, busy++;
		assert_int_equal(store_snapshot(store, &txn, NULL), OK);
		seq = read_seq(txn);
		if (seq < last || seq > last + 1)
			fail_msg("kill %d: the store is at %llu, acknowledged was %llu", i, (unsigned long long)seq,
				 (unsigned long long)last);
		last = seq;
		check_numbers(txn, seq);
		store_end(txn);
		scratch_assert_whole(&scratch, store);
		store_close(store);
	}
	print_message("  %d kills, %zu of them after commits, %llu commits, acknowledged and lost: 0\n", KILLS, busy,
		      (unsigned long long)seq);
	assert_true(busy > KILLS / 3);
	scratch_remove(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_was_acknowledged_survives_kill_9) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
