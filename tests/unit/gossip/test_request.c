/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/request.h"
#include "tests/unit/gossip/carry.h"
#include "tests/unit/gossip/errands.h"
#include "tests/unit/gossip/puppet.h"

/* Requests that only one member may do: handed to it, done there once, and answered where they were asked. */

/* --- Handed on. */

static void what_another_spends_is_done_there_and_answered_here(void **state)
{
	const struct answered *answer;
	struct id token;
	uint64_t number;

	(void)state;
	errands_begin(3);
	token = errands_token(HOME, 2);
	number = errand_spend(OTHER, token, "a");
	assert_null(real_answer(errands.reals[OTHER], number));
	scene_pass(errands.scene, 200);
	answer = errands_answer(OTHER, number, OK);
	assert_true(answer->copies >= 1 && answer->count == 1);
	assert_int_equal(errands_counts(OTHER)->request_handed, 1);
	assert_int_equal(errands_counts(HOME)->request_taken, 1);
	assert_int_equal(errands_counts(OTHER)->request_answered, 1);
	/* Its token tells of it: whoever shows it anywhere reads what was done. */
	number = real_await(errands.reals[OTHER], bytes_of(answer->token, answer->token_size), true);
	assert_false(errands_answer(OTHER, number, OK)->is_behind);
	assert_int_equal(errands_count(OTHER, token), 1);
	assert_int_equal(errands_count(HOME, token), 1);
	/* At its home nothing is handed on. */
	number = errand_spend(HOME, token, NULL);
	scene_pass(errands.scene, 200);
	assert_true(errands_answer(HOME, number, OK)->copies >= 1);
	/* What the judge there says is said here. */
	number = errand_spend(THIRD, token, "b");
	scene_pass(errands.scene, 200);
	assert_non_null(strstr(errands_answer(THIRD, number, E_TAKEN)->text, "was used already"));
	for (uint32_t i = 0; i < SCENE_REALS; i++)
		real_check(errands.reals[i]);
	scene_free(errands.scene);
}

/* Who asked counted by what is known there. */
static void a_home_that_knows_of_fewer_members_says_try_again(void **state)
{
	struct asked_for asking;
	struct bytes eviction;
	struct id token;
	uint64_t number;

	(void)state;
	errands_begin(4);
	token = errands_token(HOME, 2);
	asking = errand_spending(token, "a");
	asking.copies = 3;
	eviction = scene_evict(errands.scene, 3, HOME);
	errands.wires[THIRD]->is_held = true;
	number = errand_ask(errands.reals[OTHER], &asking);
	real_bring(errands.reals[HOME], &eviction, 1);
	errands.wires[THIRD]->is_held = false;
	scene_pass(errands.scene, 500);
	assert_non_null(strstr(errands_answer(OTHER, number, E_BUSY)->text, "does not know of as many members"));
	assert_int_equal(errands_count(HOME, token), 0);
	/* What is known here too is no matter of trying again. */
	number = errand_ask(errands.reals[OTHER], &asking);
	errands_answer(OTHER, number, E_VALUE);
	scene_free(errands.scene);
}

static void a_repeat_is_answered_alike_wherever_it_is_asked(void **state)
{
	struct id token, first;
	uint64_t number;

	(void)state;
	errands_begin(3);
	token = errands_token(HOME, 5);
	number = errand_spend(OTHER, token, "same");
	scene_pass(errands.scene, 200);
	first = errands_answer(OTHER, number, OK)->id;
	for (uint32_t at = 0; at < SCENE_REALS; at++) {
		number = errand_spend(at, token, "same");
		scene_pass(errands.scene, 1200);
		assert_true(id_equal(errands_answer(at, number, OK)->id, first));
		assert_true(errands_answer(at, number, OK)->copies >= 1);
	}
	assert_int_equal(errands_count(HOME, token), 1);
	assert_int_equal(errands_counts(HOME)->spend_repeated, 3);
	scene_free(errands.scene);
}

/* All at once, before anything of it can have been written. */
static void two_at_once_under_one_key_are_one_use(void **state)
{
	uint64_t one, other;
	struct id token;

	(void)state;
	errands_begin(3);
	token = errands_token(HOME, 5);
	one = errand_spend(OTHER, token, "same");
	other = errand_spend(THIRD, token, "same");
	scene_pass(errands.scene, 300);
	assert_true(id_equal(errands_answer(OTHER, one, OK)->id, errands_answer(THIRD, other, OK)->id));
	errands.reals[HOME]->is_gathering = true;
	one = errand_spend(HOME, token, "both");
	other = errand_spend(HOME, token, "both");
	errands.reals[HOME]->is_gathering = false;
	real_tick(errands.reals[HOME]);
	assert_null(real_answer(errands.reals[HOME], one));
	assert_null(real_answer(errands.reals[HOME], other));
	scene_pass(errands.scene, 1200);
	assert_true(id_equal(errands_answer(HOME, one, OK)->id, errands_answer(HOME, other, OK)->id));
	assert_int_equal(errands_count(HOME, token), 2);
	scene_free(errands.scene);
}

/* --- Told only when another member has it. */

static void hold(bool is_held)
{
	for (uint32_t i = 0; i < SCENE_REALS; i++)
		errands.wires[i]->is_held = is_held;
}

static void nobody_is_told_before_another_member_has_it(void **state)
{
	uint64_t number, again;
	struct id token;

	(void)state;
	errands_begin(3);
	token = errands_token(HOME, 5);
	hold(true);
	number = errand_spend(HOME, token, "a");
	scene_pass(errands.scene, 1000);
	assert_null(real_answer(errands.reals[HOME], number));
	again = errand_spend(HOME, token, "a");
	scene_pass(errands.scene, 1010);
	assert_string_equal(errands_answer(HOME, number, E_BUSY)->text,
			    "it is done, but no other server has confirmed it yet: repeat it with the same key");
	assert_int_equal(errands_answer(HOME, number, E_BUSY)->count, 0);
	scene_pass(errands.scene, 1000);
	errands_answer(HOME, again, E_BUSY);
	number = errand_spend(HOME, token, NULL);
	scene_pass(errands.scene, 2010);
	assert_non_null(strstr(errands_answer(HOME, number, E_BUSY)->text, "see what came of it"));
	assert_int_equal(errands_counts(HOME)->spend_alone, 3);
	/* It stands, and its repeat is told when they have it. */
	hold(false);
	number = errand_spend(HOME, token, "a");
	scene_pass(errands.scene, 1500);
	errands_answer(HOME, number, OK);
	assert_int_equal(errands_count(OTHER, token), 2);
	scene_free(errands.scene);
}

static void whoever_is_alone_tells_at_once(void **state)
{
	struct id token;
	uint64_t number;

	(void)state;
	errands.scene = scene_new(1);
	errands.reals[HOME] = real_boot(errands.scene, HOME);
	token = errands_token(HOME, 1);
	number = errand_spend(HOME, token, "a");
	errands_answer(HOME, number, OK);
	number = errand_spend(HOME, token, "a");
	errands_answer(HOME, number, OK);
	number = errand_spend(HOME, token, "b");
	errands_answer(HOME, number, E_TAKEN);
	scene_free(errands.scene);
}

/* --- Homes that are away. */

static void a_home_that_cannot_be_reached_is_named(void **state)
{
	uint64_t number;
	struct id token;

	(void)state;
	errands_begin(3);
	token = errands_token(HOME, 5);
	scene_cut(errands.wires[OTHER]);
	scene_cut(errands.wires[THIRD]);
	number = errand_spend(OTHER, token, "a");
	scene_pass(errands.scene, 1990);
	assert_null(real_answer(errands.reals[OTHER], number));
	scene_pass(errands.scene, 20);
	assert_non_null(strstr(errands_answer(OTHER, number, E_BUSY)->text, "cannot be reached from here: try again"));
	assert_int_equal(errands_counts(OTHER)->request_silent, 1);
	/* It is asked once it is there, if that is in time. */
	number = errand_spend(OTHER, token, "a");
	scene_pass(errands.scene, 500);
	errands.wires[THIRD] = scene_meet(errands.scene, errands.reals[HOME], errands.reals[OTHER]);
	scene_pass(errands.scene, 1400);
	errands_answer(OTHER, number, OK);
	assert_int_equal(errands_count(HOME, token), 1);
	scene_free(errands.scene);
}

/* Each may be as long as a frame, and many clients may ask at once. */
static void requests_that_wait_are_bounded_in_bytes(void **state)
{
	enum { FIT = 8, LONG = 50000 };
	struct pendings *pendings;
	char key[LONG + 1];
	uint64_t numbers[FIT + 2], number;
	struct id token;

	(void)state;
	errands_begin(3);
	token = errands_token(HOME, 5);
	scene_cut(errands.wires[OTHER]);
	scene_cut(errands.wires[THIRD]);
	pendings = &carry_mesh(errands.reals[OTHER])->pendings;
	pendings->limit = FIT * FRAME_BODY_MAX;
	memset(key, 'k', LONG);
	key[LONG] = 0;
	for (size_t i = 0; i < FIT + 2; i++)
		numbers[i] = errand_spend(OTHER, token, key);
	assert_int_equal(pendings->count, FIT);
	assert_true(pendings->size > FIT * LONG && pendings->size <= pendings->limit);
	for (size_t i = 0; i < FIT; i++)
		assert_null(real_answer(errands.reals[OTHER], numbers[i]));
	for (size_t i = FIT; i < FIT + 2; i++)
		assert_string_equal(errands_answer(OTHER, numbers[i], E_BUSY)->text,
				    "too many requests wait here: try again");
	/* What is written here takes none of that room, and a token does. */
	real_write(errands.reals[OTHER], 10, 0);
	number = real_await(errands.reals[OTHER], bytes_text("some token"), false);
	assert_string_equal(errands_answer(OTHER, number, E_BUSY)->text, "too many requests wait here: try again");
	/* Those that were answered make room. */
	scene_pass(errands.scene, 2010);
	errands_answer(OTHER, numbers[0], E_BUSY);
	assert_int_equal(pendings->size, 0);
	number = errand_spend(OTHER, token, key);
	assert_null(real_answer(errands.reals[OTHER], number));
	scene_free(errands.scene);
}

/* The request came there, and its answer does not come back. */
static void a_home_that_ends_before_it_answers_spends_once_all_the_same(void **state)
{
	struct id token, first;
	uint64_t number;

	(void)state;
	errands_begin(3);
	token = errands_token(HOME, 5);
	/* What goes to the third is held, and nobody else acknowledges in time. */
	errands.wires[OTHER]->is_held = true;
	number = errand_spend(OTHER, token, "a");
	for (int i = 0; i < 40 && !errands_counts(HOME)->request_taken; i++)
		scene_pass(errands.scene, 1);
	assert_int_equal(errands_count(HOME, token), 1);
	scene_cut(errands.wires[THIRD]);
	scene_cut(errands.wires[OTHER]);
	real_end(errands.reals[HOME]);
	scene_pass(errands.scene, 2100);
	/* Acknowledged or not: the client cannot know. */
	assert_non_null(real_answer(errands.reals[OTHER], number));
	errands.reals[HOME] = real_boot(errands.scene, HOME);
	errands.wires[THIRD] = scene_meet(errands.scene, errands.reals[HOME], errands.reals[OTHER]);
	scene_pass(errands.scene, 3000);
	number = errand_spend(OTHER, token, "a");
	scene_pass(errands.scene, 1500);
	first = errands_answer(OTHER, number, OK)->id;
	number = errand_spend(HOME, token, "a");
	scene_pass(errands.scene, 1500);
	assert_true(id_equal(errands_answer(HOME, number, OK)->id, first));
	assert_int_equal(errands_count(HOME, token), 1);
	scene_free(errands.scene);
}

static void after_a_start_nothing_is_spent_before_the_exchange(void **state)
{
	uint64_t number;
	struct id token;

	(void)state;
	errands_begin(3);
	token = errands_token(HOME, 5);
	scene_cut(errands.wires[OTHER]);
	scene_cut(errands.wires[THIRD]);
	real_end(errands.reals[HOME]);
	errands.reals[HOME] = real_boot(errands.scene, HOME);
	/* It writes on with what its disk says, but what it spent it cannot know. */
	scene_pass(errands.scene, 21000);
	assert_true(exchange_may_write(real_mesh(errands.reals[HOME])));
	number = errand_spend(HOME, token, "a");
	assert_non_null(strstr(errands_answer(HOME, number, E_BUSY)->text, "does not know yet what was spent"));
	errands.wires[THIRD] = scene_meet(errands.scene, errands.reals[HOME], errands.reals[OTHER]);
	scene_pass(errands.scene, 3000);
	number = errand_spend(HOME, token, "a");
	scene_pass(errands.scene, 1500);
	errands_answer(HOME, number, OK);
	scene_free(errands.scene);
}

/* Key 0 let the others in: it stays. */
static void of_an_evicted_home_the_heir_spends_once_it_knows_all(void **state)
{
	struct bytes eviction;
	struct id token, first;
	uint64_t number;

	(void)state;
	errands_begin(3);
	token = errands_token(THIRD, 2);
	number = errand_spend(HOME, token, "a");
	scene_pass(errands.scene, 1500);
	first = errands_answer(HOME, number, OK)->id;
	eviction = scene_evict(errands.scene, THIRD, OTHER);
	/* The heir hears of it, and does not hear the other's row. */
	errands.wires[THIRD]->is_held = true;
	real_bring(errands.reals[OTHER], &eviction, 1);
	number = errand_spend(OTHER, token, "b");
	assert_non_null(strstr(errands_answer(OTHER, number, E_BUSY)->text, "not all have told yet"));
	/* What was done before is found all the same; that others have what the heir wrote since is another matter. */
	number = errand_spend(OTHER, token, "a");
	assert_null(real_answer(errands.reals[OTHER], number));
	errands.wires[THIRD]->is_held = false;
	scene_pass(errands.scene, 4000);
	assert_true(id_equal(errands_answer(OTHER, number, OK)->id, first));
	number = errand_spend(HOME, token, "b");
	scene_pass(errands.scene, 1500);
	errands_answer(HOME, number, OK);
	assert_int_equal(errands_counts(OTHER)->request_taken, 1);
	number = errand_spend(HOME, token, "c");
	scene_pass(errands.scene, 1500);
	errands_answer(HOME, number, E_TAKEN);
	assert_int_equal(errands_count(OTHER, token), 2);
	scene_free(errands.scene);
}

static void a_home_that_is_evicted_meanwhile_spends_once_all_the_same(void **state)
{
	struct bytes eviction;
	struct id token, first;
	uint64_t number;

	(void)state;
	errands_begin(3);
	token = errands_token(THIRD, 5);
	/* It is done at the home, which only the heir hears of; the answer does not come. */
	number = errand_spend(HOME, token, "a");
	for (int i = 0; i < 40 && !errands_count(OTHER, token); i++)
		scene_pass(errands.scene, 1);
	errands.wires[OTHER]->is_held = true;
	eviction = scene_evict(errands.scene, THIRD, OTHER);
	real_bring(errands.reals[HOME], &eviction, 1);
	scene_pass(errands.scene, 6000);
	assert_non_null(real_answer(errands.reals[HOME], number));
	number = errand_spend(HOME, token, "a");
	scene_pass(errands.scene, 2000);
	first = errands_answer(HOME, number, OK)->id;
	number = errand_spend(OTHER, token, "a");
	scene_pass(errands.scene, 2000);
	assert_true(id_equal(errands_answer(OTHER, number, OK)->id, first));
	assert_int_equal(errands_count(OTHER, token), 1);
	assert_int_equal(errands_count(HOME, token), 1);
	scene_free(errands.scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_another_spends_is_done_there_and_answered_here),
		cmocka_unit_test(a_home_that_knows_of_fewer_members_says_try_again),
		cmocka_unit_test(a_repeat_is_answered_alike_wherever_it_is_asked),
		cmocka_unit_test(two_at_once_under_one_key_are_one_use),
		cmocka_unit_test(nobody_is_told_before_another_member_has_it),
		cmocka_unit_test(whoever_is_alone_tells_at_once),
		cmocka_unit_test(a_home_that_cannot_be_reached_is_named),
		cmocka_unit_test(requests_that_wait_are_bounded_in_bytes),
		cmocka_unit_test(a_home_that_ends_before_it_answers_spends_once_all_the_same),
		cmocka_unit_test(after_a_start_nothing_is_spent_before_the_exchange),
		cmocka_unit_test(of_an_evicted_home_the_heir_spends_once_it_knows_all),
		cmocka_unit_test(a_home_that_is_evicted_meanwhile_spends_once_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
