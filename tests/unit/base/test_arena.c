/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/arena.h"

#include "tests/unit/base/check.h"

#include <signal.h>
#include <stdalign.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 40, TAKES = 300, ORDINARY = 16 * 1024 };

/* The linker hands us what the arena asks of libc. */
void *__wrap_calloc(size_t count, size_t size);
void *__real_calloc(size_t count, size_t size);
void __wrap_free(void *memory);
void __real_free(void *memory);

static size_t allocated, freed;

void *__wrap_calloc(size_t count, size_t size)
{
	allocated++;
	/* A sanitizer would end the process in its own way where libc returns NULL. */
	return size >> 40 ? NULL : __real_calloc(count, size);
}

void __wrap_free(void *memory)
{
	freed += memory != NULL;
	__real_free(memory);
}

static size_t random_size(void)
{
	switch (dice_below(10)) {
	case 0: return 0;
	case 1: return dice_below(3 * ORDINARY);
	case 2: return ORDINARY - 20 + dice_below(40);
	default: return dice_below(200);
	}
}

/* Whatever is taken is aligned, zeroed and apart from all else: each keeps its own pattern until the end. */
static void takes_are_aligned_zeroed_and_apart(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct {
			uint8_t *at;
			size_t size;
		} taken[TAKES];

		for (size_t i = 0; i < TAKES; i++) {
			taken[i].size = random_size();
			taken[i].at = arena_take(&arena, taken[i].size);
			assert_non_null(taken[i].at);
			assert_int_equal((uintptr_t)taken[i].at % alignof(max_align_t), 0);
			for (size_t b = 0; b < taken[i].size; b++)
				if (taken[i].at[b])
					fail_msg("byte %zu of a take of %zu is not zero", b, taken[i].size);
			memset(taken[i].at, (int)(i % 255) + 1, taken[i].size);
		}
		for (size_t i = 0; i < TAKES; i++)
			for (size_t b = 0; b < taken[i].size; b++)
				if (taken[i].at[b] != i % 255 + 1)
					fail_msg("take %zu was written over at %zu", i, b);
		if (dice_below(4))
			arena_reset(&arena);
		else
			arena_done(&arena);
	}
	arena_done(&arena);
}

/* What was taken before stays as it was, and what comes behind is zeroed again. */
static void a_release_gives_back_what_came_behind(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		size_t size = random_size() + 1;
		struct arena_mark mark, none = arena_mark(&arena);
		uint8_t *kept = arena_take(&arena, size);
		size_t before;

		memset(kept, 0xaa, size);
		mark = arena_mark(&arena);
		before = allocated - freed;
		for (size_t i = dice_below(30); i > 0; i--) {
			size_t more = random_size();

			memset(arena_take(&arena, more), 0xbb, more);
		}
		arena_release(&arena, mark);
		assert_int_equal(allocated - freed, before);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(kept[i], 0xaa);
		assert_int_equal(*(uint8_t *)arena_take(&arena, 1), 0);
		if (round % 3)
			continue;
		arena_release(&arena, none);
		if (dice_below(2))
			arena_done(&arena);
	}
	arena_done(&arena);
}

static void a_steady_step_allocates_nothing(void **state)
{
	struct arena arena = { 0 };
	void *first = arena_take(&arena, 1);
	size_t before = allocated;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		arena_reset(&arena);
		assert_ptr_equal(arena_take(&arena, 100), first);
		for (size_t used = 112; used + 1024 <= ORDINARY; used += 1024)
			arena_take(&arena, 1024);
	}
	assert_int_equal(allocated, before);
	arena_done(&arena);
}

/* What one step needed in several chunks, the next ones have in one. */
static void a_step_of_many_chunks_soon_allocates_nothing(void **state)
{
	struct arena arena = { 0 };
	size_t after_two = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < 20; i++)
			arena_take(&arena, 12000);
		arena_reset(&arena);
		if (round == 1)
			after_two = allocated;
	}
	assert_int_equal(allocated, after_two);
	arena_done(&arena);
}

static void a_huge_take_leaves_with_the_reset(void **state)
{
	struct arena arena = { 0 };
	size_t before = allocated, freed_before = freed;
	uint8_t *big;

	(void)state;
	big = arena_take(&arena, ARENA_KEPT_MAX + 1);
	big[0] = big[ARENA_KEPT_MAX] = 1;
	assert_int_equal(allocated - before, 1);
	arena_reset(&arena);
	assert_int_equal(freed - freed_before, 1);
	assert_null(arena.chunks);
	arena_done(&arena);
	assert_null(arena.chunks);
	assert_int_equal(arena.used, 0);
}

static void an_empty_arena_can_be_reset_and_done(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	arena_reset(&arena);
	arena_done(&arena);
	arena_done(&arena);
	assert_non_null(arena_take(&arena, 0));
	arena_done(&arena);
}

static void copies_are_their_own(void **state)
{
	struct arena arena = { 0 };
	uint8_t original[] = { 1, 2, 3 };
	struct bytes copy = arena_copy(&arena, bytes_of(original, 3)), none = arena_copy(&arena, (struct bytes){ 0 });

	(void)state;
	original[1] = 9;
	assert_int_equal(copy.size, 3);
	assert_memory_equal(copy.data, ((uint8_t[]){ 1, 2, 3 }), 3);
	assert_int_equal(none.size, 0);
	assert_non_null(none.data);
	arena_done(&arena);
}

/* No size may wrap around into a small chunk. */
static void an_impossible_take_ends_the_process(void **state)
{
	(void)state;
	for (size_t less = 0; less < 32; less++) {
		int status;
		pid_t child = fork();

		assert_true(child >= 0);
		if (!child) {
			struct arena arena = { 0 };

			signal(SIGABRT, SIG_DFL);
			setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
			arena_take(&arena, SIZE_MAX - less);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_are_aligned_zeroed_and_apart),
		cmocka_unit_test(a_release_gives_back_what_came_behind),
		cmocka_unit_test(a_steady_step_allocates_nothing),
		cmocka_unit_test(a_step_of_many_chunks_soon_allocates_nothing),
		cmocka_unit_test(a_huge_take_leaves_with_the_reset),
		cmocka_unit_test(an_empty_arena_can_be_reset_and_done),
		cmocka_unit_test(copies_are_their_own),
		cmocka_unit_test(an_impossible_take_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
