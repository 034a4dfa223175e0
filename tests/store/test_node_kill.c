/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/lone_check.h"
#include "tests/unit/base/check.h"

#include "crdt/base/rng.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A node writes in a child process, several requests to a commit, and what it answers goes through a pipe; it is killed
 * at any moment, again and again over the same files, and whatever it answered must be there.
 */
enum { KILLS = 120 };

static void tell(void *context, const struct reply *reply)
{
	const int *acks = context;

	if (reply->code || write(*acks, &reply->number, sizeof reply->number) != sizeof reply->number)
		_exit(1);
}

static void write_until_killed(const struct scratch *scratch, uint64_t next, int acks)
{
	struct lone lone = { .replied = tell, .context = &acks };
	struct store *store;

	if (scratch_try(scratch, LMDB_WRITER, &store, NULL) || lone_open(&lone, store, NULL))
		_exit(1);
	for (size_t size; (size = lone_commit_size(next)); next += size)
		if (lone_write(&lone, next, size, NULL))
			_exit(1);
}

struct said {
	uint64_t last, count;
};

/* Whether there was another answer, and it was the next. */
static bool hear(int from, uint64_t next, struct said *said)
{
	uint64_t number;

	if (read(from, &number, sizeof number) != sizeof number)
		return false;
	assert_int_equal(number, next + said->count);
	*said = (struct said){ number, said->count + 1 };
	return true;
}

/* Killed some time after as many answers. */
static struct said run_and_kill(const struct scratch *scratch, uint64_t next, size_t answers, unsigned microseconds)
{
	struct said said = { 0 };
	int ends[2], status;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(ends[0]);
		write_until_killed(scratch, next, ends[1]);
	}
	close(ends[1]);
	while (said.count < answers && hear(ends[0], next, &said))
		;
	usleep(microseconds);
	kill(child, SIGKILL);
	while (hear(ends[0], next, &said))
		;
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("the node ended by itself, with status %d", status);
	return said;
}

static void what_was_answered_survives_kill_9(void **state)
{
	struct scratch scratch = scratch_make();
	struct rng rng = rng_from_number(17);
	uint64_t count = 0;
	size_t busy = 0, unsaid = 0;

	(void)state;
	for (int i = 0; i < KILLS; i++) {
		/* Some die while they open the store, or found the cluster. */
		size_t answers = i % 4 ? 1 + rng_below(&rng, 40) : 0;
		unsigned microseconds = (unsigned)rng_below(&rng, i % 4 ? 2000 : 30000);
		struct said said = run_and_kill(&scratch, count + 1, answers, microseconds);
		struct store *store = scratch_open(&scratch, LMDB_WRITER);
		uint64_t before = count, acked = said.count ? said.last : count;

		count = lone_check_all(&scratch, store);
		store_close(store);
		if (count < acked || count >= acked + 2 * LONE_COMMIT_MAX || count < before)
			fail_msg("kill %d: the store has %llu changes, answered were %llu", i,
				 (unsigned long long)count, (unsigned long long)acked);
		busy += said.count > 0;
		unsaid += count > acked;
	}
	print_message("  %d kills, %zu of them after answers, %zu between a commit and its answers, %llu changes, "
		      "answered and lost: 0\n",
		      KILLS, busy, unsaid, (unsigned long long)count);
	assert_true(busy >= KILLS * 3 / 4);
	scratch_remove(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_was_answered_survives_kill_9) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
