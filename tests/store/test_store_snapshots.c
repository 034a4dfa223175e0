/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/scratch.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 4, ROUNDS = 300, PER_COMMIT = 4 };

static struct {
	struct store *store;
	atomic_bool is_over;
	atomic_size_t snapshots;
} shared;

/* All of a commit's numbers, or none: a snapshot shows one version of them, and goes on showing it. */
static void *read_often(void *nothing)
{
	uint64_t last = 0;

	while (!atomic_load(&shared.is_over)) {
		struct store_txn *txn;
		uint64_t versions[2 * PER_COMMIT];

		if (store_snapshot(shared.store, &txn, NULL))
			abort();
		for (uint32_t i = 0; i < COUNT(versions); i++) {
			uint8_t room[5];
			struct bytes value;

			if (store_get(txn, number_key(i % PER_COMMIT, room), &value, NULL))
				abort();
			versions[i] = 0;
			for (size_t at = 0; at < 8; at++)
				versions[i] = versions[i] << 8 | value.data[at];
			if (versions[i] != versions[0] || versions[i] < last)
				abort();
			sched_yield();
		}
		last = versions[0];
		store_end(txn);
		atomic_fetch_add(&shared.snapshots, 1);
	}
	return nothing;
}

static void *write_often(void *nothing)
{
	for (uint64_t version = 2; version <= ROUNDS; version++) {
		struct store_txn *txn;

		if (store_begin(shared.store, &txn, NULL))
			abort();
		for (uint32_t number = 0; number < PER_COMMIT; number++)
			put_number(txn, number, version);
		if (store_commit(txn, NULL))
			abort();
	}
	atomic_store(&shared.is_over, true);
	return nothing;
}

static void snapshots_stand_still_while_a_thread_writes(void **state)
{
	const struct scratch *scratch = *state;
	pthread_t threads[THREADS + 1];
	struct store_txn *txn;

	shared.store = scratch_open(scratch, LMDB_WRITER);
	atomic_store(&shared.is_over, false);
	/* Not a writing thread by having opened it: that is the one that first begins. */
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(store_snapshot(shared.store, &txn, NULL), OK);
		store_end(txn);
	}
	assert_int_equal(pthread_create(&threads[0], NULL, write_often, NULL), 0);
	/* The readers begin when there is something to read. */
	for (bool is_there = false; !is_there;) {
		uint8_t room[5];
		struct bytes value;

		assert_int_equal(store_snapshot(shared.store, &txn, NULL), OK);
		is_there = store_get(txn, number_key(0, room), &value, NULL) == OK;
		store_end(txn);
	}
	for (size_t i = 1; i <= THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_often, NULL), 0);
	for (size_t i = 0; i <= THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	print_message("  %zu snapshots\n", atomic_load(&shared.snapshots));
	assert_true(atomic_load(&shared.snapshots) > 0);
	scratch_assert_whole(scratch, shared.store);
	store_close(shared.store);
}

static void an_old_snapshot_shows_the_old(void **state)
{
	struct store *store = scratch_open(*state, LMDB_WRITER);
	struct store_txn *old;
	struct bytes value;
	uint8_t room[5];

	commit_one(store, 1, 1);
	assert_int_equal(store_snapshot(store, &old, NULL), OK);
	for (uint64_t version = 2; version < 50; version++)
		commit_one(store, 1, version);
	assert_int_equal(store_get(old, number_key(1, room), &value, NULL), OK);
	assert_true(bytes_equal(value, number_value(1, 1)));
	store_end(old);
	assert_number(store, 1, 49);
	store_close(store);
}

/* Snapshots are had again and again without running out, and the limit of those at once is told, not crossed. */
static void snapshots_come_from_a_pool(void **state)
{
	enum { AT_ONCE = 254, TIMES = 20000 };
	struct store *store = scratch_open(*state, LMDB_WRITER);
	static struct store_txn *txns[AT_ONCE + 200];
	struct err err = { 0 };
	size_t count = 0;

	commit_one(store, 1, 1);
	for (int i = 0; i < TIMES; i++) {
		assert_int_equal(store_snapshot(store, &txns[0], NULL), OK);
		store_end(txns[0]);
	}
	while (count < COUNT(txns) && !store_snapshot(store, &txns[count], &err))
		count++;
	assert_true(count >= AT_ONCE && count < COUNT(txns));
	assert_non_null(strstr(err.text, "end some"));
	assert_int_equal(store_health(store), STORE_WELL);
	commit_one(store, 1, 2);
	while (count)
		store_end(txns[--count]);
	assert_number(store, 1, 2);
	for (; count < AT_ONCE; count++)
		assert_int_equal(store_snapshot(store, &txns[count], NULL), OK);
	while (count)
		store_end(txns[--count]);
	store_close(store);
}

static void *write_one(void *version)
{
	commit_one(shared.store, 1, *(uint64_t *)version);
	return NULL;
}

/* The one that starts an agent is not the one that writes later: who writes may change between two transactions. */
static void writers_may_follow_one_another_on_any_thread(void **state)
{
	const struct scratch *scratch = *state;

	shared.store = scratch_open(scratch, LMDB_WRITER);
	for (uint64_t version = 1; version <= 20; version++) {
		struct store_txn *abandoned;
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, write_one, &version), 0);
		pthread_join(thread, NULL);
		assert_number(shared.store, 1, version);
		assert_int_equal(store_begin(shared.store, &abandoned, NULL), OK);
		put_number(abandoned, 1, 1000);
		store_end(abandoned);
		commit_one(shared.store, 2, version);
	}
	scratch_assert_whole(scratch, shared.store);
	store_close(shared.store);
}

static void *end_it(void *txn)
{
	store_end(txn);
	return NULL;
}

/* What LMDB would answer by waiting for ever. */
static int misuse(const struct scratch *scratch, bool is_of_another)
{
	struct store *store = scratch_open(scratch, LMDB_WRITER);
	struct store_txn *txn, *second;
	pthread_t thread;

	alarm(20);
	if (store_begin(store, &txn, NULL))
		return 1;
	if (!is_of_another)
		return store_begin(store, &second, NULL) ? 1 : 0;
	if (pthread_create(&thread, NULL, end_it, txn))
		return 1;
	pthread_join(thread, NULL);
	return 0;
}

static void writers_that_overlap_or_change_hands_are_caught(void **state)
{
	const struct scratch *scratch = *state;

	for (int is_of_another = 0; is_of_another < 2; is_of_another++) {
		int status;
		pid_t child = fork();

		if (!child) {
			int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

			signal(SIGABRT, SIG_DFL);
			dup2(nowhere, STDERR_FILENO);
			_exit(misuse(scratch, is_of_another));
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_old_snapshot_shows_the_old),
		TEST(snapshots_come_from_a_pool),
		TEST(writers_may_follow_one_another_on_any_thread),
		TEST(writers_that_overlap_or_change_hands_are_caught),
		TEST(snapshots_stand_still_while_a_thread_writes),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
