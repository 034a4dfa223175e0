/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

/* Requests that wait: for copies, for what a token names, for another member's word. */

static struct stream own_stream(const struct real *real)
{
	return (struct stream){ real_mesh(real)->node, 1, LANE_PEOPLE };
}

static struct end own_end(const struct real *real)
{
	return *vector_find(&real_mesh(real)->vector, own_stream(real));
}

/* A token that names a chain's end. */
static struct bytes token_of(struct scene *scene, const struct chain *chain)
{
	struct vector vector = { 0 };
	struct buf out = buf_growing(TOKEN_MAX);
	struct bytes token;

	vector_set(&vector, chain->stream, chain->end);
	token_write_vector(&vector, &out);
	token = arena_copy(&scene->arena, buf_bytes(&out));
	buf_done(&out);
	vector_done(&vector);
	return token;
}

/* --- Copies. */

static void a_write_that_wants_copies_is_answered_when_they_are_there(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2);
	uint64_t number = real_write(real, 10, 2), other = real_write(real, 10, 1);

	(void)state;
	assert_null(real_answer(real, number));
	puppet_ack(one, own_stream(real), own_end(real));
	assert_null(real_answer(real, number));
	assert_int_equal(real_answer(real, other)->copies, 1);
	puppet_ack(two, own_stream(real), own_end(real));
	assert_int_equal(real_answer(real, number)->code, OK);
	assert_int_equal(real_answer(real, number)->copies, 2);
	assert_int_equal(real_answer(real, number)->count, 1);
	assert_int_equal(real_mesh(real)->counts.copies_reached, 2);
	scene_free(scene);
}

static void after_2_s_it_is_answered_with_what_there_is(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1);
	uint64_t number;

	(void)state;
	scene_pass(scene, 100);
	number = real_write(real, 10, 2);
	puppet_ack(one, own_stream(real), own_end(real));
	scene_pass(scene, 1990);
	assert_null(real_answer(real, number));
	scene_pass(scene, 20);
	assert_int_equal(real_answer(real, number)->code, OK);
	assert_int_equal(real_answer(real, number)->copies, 1);
	assert_int_equal(real_mesh(real)->counts.copies_short, 1);
	scene_free(scene);
}

static void more_copies_than_members_are_refused(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct id disk = real_disk(real);
	uint64_t number = real_write(real, 10, 3);

	(void)state;
	assert_int_equal(real_answer(real, number)->code, E_VALUE);
	assert_string_equal(real_answer(real, number)->text,
			    "3 copies beside this one are more than there are other members");
	assert_true(id_equal(real_disk(real), disk));
	scene_free(scene);
}

/* --- Tokens. */

static void what_is_covered_is_answered_at_once(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	uint64_t number;
	struct answered first;

	(void)state;
	puppet_member(real, 1);
	number = real_write(real, 10, 0);
	first = *real_answer(real, number);
	real_write(real, 10, 0);
	for (int strict = 0; strict < 2; strict++) {
		number = real_await(real, bytes_of(first.token, first.token_size), strict);
		assert_int_equal(real_answer(real, number)->code, OK);
		assert_false(real_answer(real, number)->is_behind);
		number = real_await(real, bytes_of(NULL, 0), strict);
		assert_int_equal(real_answer(real, number)->code, OK);
	}
	assert_int_equal(real_mesh(real)->counts.await_covered, 4);
	scene_free(scene);
}

/* It may have promised more before it started: who asks to be sure waits until it has heard all of that. */
static void after_a_start_who_is_strict_waits_for_the_exchange(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet;
	uint64_t loose, strict;

	(void)state;
	real_end(real);
	real = real_boot(scene, 0);
	loose = real_await(real, bytes_of(NULL, 0), false);
	assert_int_equal(real_answer(real, loose)->code, OK);
	strict = real_await(real, bytes_of(NULL, 0), true);
	scene_pass(scene, 1000);
	puppet = puppet_dial(real, &scene->keys[1], 7);
	puppet_agree(puppet);
	puppet_fronts(puppet, NULL, 0);
	assert_null(real_answer(real, strict));
	puppet_index(puppet, NULL, true);
	assert_int_equal(real_answer(real, strict)->code, OK);
	scene_free(scene);
}

static void what_arrives_in_time_is_waited_for(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1);
	struct bytes whole = chain_next(&chain, 1, 10);
	uint64_t number = real_await(real, token_of(scene, &chain), true);

	(void)state;
	scene_pass(scene, 1000);
	assert_null(real_answer(real, number));
	puppet_batch(puppet, whole);
	assert_int_equal(real_answer(real, number)->code, OK);
	assert_false(real_answer(real, number)->is_behind);
	scene_free(scene);
}

static void what_does_not_arrive_is_answered_as_behind_or_refused(void **state)
{
	(void)state;
	for (int strict = 0; strict < 2; strict++) {
		struct scene *scene = scene_new(2);
		struct real *real = real_boot(scene, 0);
		struct chain chain = chain_of(scene, 1);
		const struct answered *answer;
		uint64_t number;

		chain_next(&chain, 1, 10);
		number = real_await(real, token_of(scene, &chain), strict);
		scene_pass(scene, 1990);
		assert_null(real_answer(real, number));
		scene_pass(scene, 20);
		answer = real_answer(real, number);
		assert_int_equal(answer->code, strict ? E_BUSY : OK);
		assert_true(answer->is_behind);
		assert_false(answer->is_lost);
		if (strict)
			assert_string_equal(answer->text,
					    "this server has not yet got what the token names: try again");
		scene_free(scene);
	}
}

static void what_is_lost_is_told_at_once(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 2), rows = chain_of(scene, 1);
	struct bytes eviction = scene_evict(scene, 2, 0);
	struct vector none = { 0 };
	const struct answered *answer;
	uint64_t number;

	(void)state;
	/* What nobody had of an evicted member's. */
	chain_next(&chain, 1, 10);
	real_bring(real, &eviction, 1);
	puppet_agree(puppet);
	rows.stream.lane = LANE_URGENT;
	puppet_batch(puppet, chain_row(&rows, 2, 0, &none));
	number = real_await(real, token_of(scene, &chain), false);
	answer = real_answer(real, number);
	assert_int_equal(answer->code, E_LOST);
	assert_true(answer->is_lost);
	assert_int_equal(real_mesh(real)->counts.await_lost, 1);
	/* The answer's own token goes on. */
	number = real_await(real, bytes_of(answer->token, answer->token_size), true);
	assert_int_equal(real_answer(real, number)->code, OK);
	scene_free(scene);
}

static void what_is_no_token_is_refused(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	uint8_t large[TOKEN_MAX + 1] = { 1 };
	uint64_t number = real_await(real, bytes_text("rubbish"), false);

	(void)state;
	assert_int_equal(real_answer(real, number)->code, E_FORM);
	assert_string_equal(real_answer(real, number)->text, "the token is not one of ours: leave it out");
	number = real_await(real, bytes_of(large, sizeof large), false);
	assert_int_equal(real_answer(real, number)->code, E_LIMIT);
	assert_int_equal(real_mesh(real)->counts.await_covered, 0);
	scene_free(scene);
}

/* --- A commit of another member. */

/* What the member of `key` gives when its vector is too long for a token. */
static struct bytes commit_token(struct scene *scene, uint32_t key, uint64_t process, uint8_t number)
{
	struct buf out = buf_growing(100);
	struct bytes token;

	buf_put_byte(&out, 2);
	buf_put_big_endian(&out, scene_node(scene, key), 8);
	buf_put_big_endian(&out, process, 8);
	buf_put_byte(&out, number);
	token = arena_copy(&scene->arena, buf_bytes(&out));
	buf_done(&out);
	return token;
}

static void a_commit_of_another_member_is_asked_of_it_at_once(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1), *other = puppet_member(real, 2);
	struct chain chain = chain_of(scene, 1);
	struct bytes token = commit_token(scene, 1, 1001, 9), whole;
	uint64_t number = real_await(real, token, true);
	const struct frame *ask;

	(void)state;
	assert_int_equal(puppet_count(puppet, FRAME_ASK), 1);
	assert_int_equal(puppet_count(other, FRAME_ASK), 0);
	ask = puppet_last(puppet, FRAME_ASK);
	assert_int_equal(ask->ask.what, ASK_TOKEN);
	assert_true(bytes_equal(ask->ask.body, token));
	whole = chain_next(&chain, 1, 10);
	frame_put_answer(&puppet->frame, ask->ask.number, OK, token_of(scene, &chain));
	puppet_say(puppet);
	assert_null(real_answer(real, number));
	puppet_batch(puppet, whole);
	assert_int_equal(real_answer(real, number)->code, OK);
	assert_int_equal(puppet_count(puppet, FRAME_ASK), 1);
	scene_free(scene);
}

static void a_commit_of_a_process_that_ended_is_lost(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	uint64_t number = real_await(real, commit_token(scene, 1, 1, 9), false);

	(void)state;
	scene_pass(scene, 1100);
	frame_put_answer(&puppet->frame, puppet_last(puppet, FRAME_ASK)->ask.number, E_LOST, bytes_of(NULL, 0));
	puppet_say(puppet);
	assert_int_equal(real_answer(real, number)->code, E_LOST);
	assert_true(real_answer(real, number)->is_lost);
	assert_int_equal(real_mesh(real)->counts.await_lost, 1);
	assert_int_equal(real_mesh(real)->counts.await_covered, 0);
	scene_free(scene);
}

static void a_commit_of_an_evicted_member_is_lost(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct bytes eviction = scene_evict(scene, 2, 0);
	uint64_t number;

	(void)state;
	real_bring(real, &eviction, 1);
	number = real_await(real, commit_token(scene, 2, 1, 9), false);
	assert_int_equal(real_answer(real, number)->code, E_LOST);
	scene_free(scene);
}

static void nobody_else_answers_a_question(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1), *other = puppet_member(real, 2);
	uint64_t number = real_await(real, commit_token(scene, 1, 1001, 9), false);
	struct id disk = real_disk(real);
	uint32_t question;

	(void)state;
	scene_pass(scene, 1100);
	question = puppet_last(puppet, FRAME_ASK)->ask.number;
	frame_put_answer(&other->frame, question, E_LOST, bytes_of(NULL, 0));
	puppet_say(other);
	frame_put_answer(&puppet->frame, question + 1, E_LOST, bytes_of(NULL, 0));
	puppet_say(puppet);
	assert_null(real_answer(real, number));
	puppet_ignored(puppet, disk);
	puppet_ignored(other, disk);
	scene_pass(scene, 1000);
	assert_int_equal(real_answer(real, number)->code, OK);
	assert_true(real_answer(real, number)->is_behind);
	/* Nor does an answer that comes too late do anything. */
	frame_put_answer(&puppet->frame, question, OK, bytes_of(NULL, 0));
	puppet_say(puppet);
	puppet_ignored(puppet, disk);
	scene_free(scene);
}

/* --- Questions of peers. */

static void questions_are_answered_with_the_whole_vector(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	const struct mesh *mesh = real_mesh(real);
	struct buf vector = buf_growing(FRAME_BODY_MAX);

	(void)state;
	real_write(real, 10, 0);
	token_write_vector(&mesh->vector, &vector);
	frame_put_ask(&puppet->frame, 77, ASK_TOKEN, 2000,
		      commit_token(scene, 0, real->process, (uint8_t)mesh->commits));
	puppet_say(puppet);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.number, 77);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.code, OK);
	assert_true(bytes_equal(puppet_last(puppet, FRAME_ANSWER)->answer.body, buf_bytes(&vector)));
	/* Of a commit that is still to come, or of another process: lost. */
	frame_put_ask(&puppet->frame, 78, ASK_TOKEN, 2000,
		      commit_token(scene, 0, real->process, (uint8_t)mesh->commits + 1));
	puppet_say(puppet);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.code, E_LOST);
	frame_put_ask(&puppet->frame, 79, ASK_TOKEN, 2000, commit_token(scene, 0, real->process + 1, 1));
	puppet_say(puppet);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.code, E_LOST);
	buf_done(&vector);
	scene_free(scene);
}

static void too_many_questions_end_the_link(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct id disk = real_disk(real);
	size_t all = PENDING_ASKS;

	(void)state;
	/* Those that were answered are not open any more. */
	for (uint32_t i = 0; i < 2 * all; i++) {
		frame_put_ask(&puppet->frame, i, ASK_TOKEN, 2000, bytes_of(NULL, 0));
		puppet_say(puppet);
	}
	assert_int_equal(puppet_count(puppet, FRAME_ANSWER), 2 * all);
	real->is_gathering = true;
	for (uint32_t i = 0; i <= all; i++) {
		frame_put_ask(&puppet->frame, i, ASK_TOKEN, 2000, bytes_of(NULL, 0));
		puppet_say(puppet);
	}
	assert_int_equal(real_commit(real), OK);
	puppet_refused(puppet, disk, "it asked more than 64 questions at once");
	scene_free(scene);
}

static void a_question_about_no_token_ends_the_link(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct id disk = real_disk(real);

	(void)state;
	frame_put_ask(&puppet->frame, 1, ASK_TOKEN, 2000, bytes_text("\x09"));
	puppet_say(puppet);
	puppet_refused(puppet, disk, "the token is not one of ours: leave it out");
	scene_free(scene);
}

/* --- Clients that invent tokens. */

/* However many ask, the member is asked as much as it bears, and the rest when it has answered. */
static void the_tokens_of_clients_end_no_link(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1);
	struct wire *wire = scene_meet(scene, a, b);
	struct bytes token = commit_token(scene, 0, 1, 1);
	size_t all = PENDING_ASKS + 20;

	(void)state;
	scene_pass(scene, 3000);
	real_forget(b);
	b->is_gathering = true;
	for (size_t i = 0; i < all; i++)
		real_await(b, token, false);
	b->is_gathering = false;
	real_tick(b);
	assert_int_equal(b->replies_count, 0);
	scene_carry(scene);
	assert_false(wire->is_closed[0] || wire->is_closed[1]);
	assert_int_equal(a->alarms_count, 0);
	assert_int_equal(real_mesh(a)->counts.token_asked, all);
	assert_int_equal(b->replies_count, all);
	for (size_t i = 0; i < all; i++)
		assert_int_equal(b->replies[i].code, E_LOST);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_that_wants_copies_is_answered_when_they_are_there),
		cmocka_unit_test(after_2_s_it_is_answered_with_what_there_is),
		cmocka_unit_test(more_copies_than_members_are_refused),
		cmocka_unit_test(what_is_covered_is_answered_at_once),
		cmocka_unit_test(after_a_start_who_is_strict_waits_for_the_exchange),
		cmocka_unit_test(what_arrives_in_time_is_waited_for),
		cmocka_unit_test(what_does_not_arrive_is_answered_as_behind_or_refused),
		cmocka_unit_test(what_is_lost_is_told_at_once),
		cmocka_unit_test(what_is_no_token_is_refused),
		cmocka_unit_test(a_commit_of_another_member_is_asked_of_it_at_once),
		cmocka_unit_test(a_commit_of_a_process_that_ended_is_lost),
		cmocka_unit_test(a_commit_of_an_evicted_member_is_lost),
		cmocka_unit_test(nobody_else_answers_a_question),
		cmocka_unit_test(questions_are_answered_with_the_whole_vector),
		cmocka_unit_test(too_many_questions_end_the_link),
		cmocka_unit_test(a_question_about_no_token_ends_the_link),
		cmocka_unit_test(the_tokens_of_clients_end_no_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
