/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

/* Commits: nothing is said before one, memory follows the disk when one fails, and links stay. */

static struct stream own_stream(const struct real *real)
{
	return (struct stream){ real_mesh(real)->node, 1, LANE_PEOPLE };
}

static void nothing_is_said_before_the_commit(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2);
	struct chain chain = chain_of(scene, 1);
	struct bytes eviction = scene_evict(scene, 2, 0);
	uint64_t number;

	(void)state;
	puppet_forget(one);
	puppet_forget(two);
	real_forget(real);
	real->is_gathering = true;
	number = real_write(real, 10, 0);
	puppet_batch(one, chain_next(&chain, 1, 10));
	real_bring(real, &eviction, 1);
	real_tick(real);
	assert_int_equal(real->sends + real->replies_count + real->changes + real->alarms_count, 0);
	assert_int_equal(one->count + two->count, 0);
	assert_false(two->is_closed);
	assert_int_equal(real_commit(real), OK);
	assert_int_equal(real_answer(real, number)->code, OK);
	/* What was written, and the row about the evicted. */
	assert_int_equal(puppet_count(one, FRAME_BATCH), 2);
	assert_true(puppet_heard_end(one, chain.stream, 1));
	assert_true(puppet_was_told(two, BYE_EVICTED));
	real_check(real);
	scene_free(scene);
}

/* At each step of the commit. What was said is on the disk; what is not on the disk was not said. */
static void a_crash_in_the_commit_leaves_nothing_said(void **state)
{
	(void)state;
	for (uint64_t step = 1; step < 40; step++) {
		struct scene *scene = scene_new(2);
		struct real *real = real_boot(scene, 0);
		struct puppet *puppet = puppet_member(real, 1);
		struct chain chain = chain_of(scene, 1);
		uint64_t number, seq;
		enum code code;

		puppet_forget(puppet);
		real_forget(real);
		real->is_gathering = true;
		number = real_write(real, 10, 0);
		puppet_batch(puppet, chain_next(&chain, 1, 10));
		mem_disk_crash_at(real->disk, step);
		code = real_commit(real);
		if (!code) {
			assert_in_range(step, 5, 39);
			scene_free(scene);
			return;
		}
		assert_int_equal(code, E_IO);
		assert_int_equal(real->sends + real->changes + real->replies_count, 0);
		assert_null(real_answer(real, number));
		real_end(real);
		real = real_boot(scene, 0);
		seq = vector_seq(&real_mesh(real)->vector, own_stream(real));
		assert_int_equal(vector_seq(&real_mesh(real)->vector, chain.stream), seq);
		real_check(real);
		scene_free(scene);
	}
	fail_msg("no commit came through");
}

/* A disk that is full while something of everything happens. */
static void fill(struct real *real, struct puppet *one, struct chain *chain, const struct bytes *eviction,
		 uint64_t change)
{
	struct id disk = real_disk(real);
	uint64_t number, statement;

	real->is_gathering = true;
	number = real_write(real, 10, 0);
	puppet_batch(one, chain_next(chain, 1, 10));
	statement = real_bring(real, eviction, 1);
	mem_disk_full_at(real->disk, change);
	assert_int_equal(real_commit(real), OK);
	mem_disk_full_at(real->disk, 0);
	real->is_gathering = false;
	assert_true(id_equal(real_disk(real), disk));
	assert_int_equal(real_answer(real, number)->code, E_FULL);
	assert_int_equal(real_answer(real, number)->count, 0);
	assert_int_equal(real_answer(real, statement)->code, E_FULL);
	assert_true(real->alarms_count > 0);
	real_check(real);
}

static void a_full_disk_takes_nothing_and_the_node_goes_on(void **state)
{
	(void)state;
	for (uint64_t change = 1; change < 8; change += 3) {
		struct scene *scene = scene_new(3);
		struct real *real = real_boot(scene, 0);
		struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2);
		struct chain chain = chain_of(scene, 1);
		struct bytes eviction = scene_evict(scene, 2, 0);
		uint64_t number;

		real_write(real, 10, 0);
		puppet_forget(one);
		fill(real, one, &chain, &eviction, change);
		assert_int_equal(real_mesh(real)->counts.commit_failed, 1);
		assert_int_equal(puppet_count(one, FRAME_BATCH), 0);
		assert_false(puppet_heard_end(one, chain.stream, 1));
		assert_false(one->is_closed);
		/* The next ones work, also the batch that was lost, and what is written now is told. */
		number = real_write(real, 10, 0);
		assert_int_equal(real_answer(real, number)->code, OK);
		assert_int_equal(vector_seq(&real_mesh(real)->vector, own_stream(real)), 2);
		assert_int_equal(puppet_count(one, FRAME_BATCH), 1);
		chain = chain_of(scene, 1);
		puppet_batch(one, chain_next(&chain, 1, 10));
		assert_true(puppet_heard_end(one, chain.stream, 1));
		real_bring(real, &eviction, 1);
		assert_true(two->is_closed);
		real_check(real);
		scene_free(scene);
	}
}

/* What was committed before waits on, whatever comes of later steps. */
static void a_full_disk_refuses_only_what_hung_on_that_commit(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	uint64_t first = real_write(real, 10, 1), second, refused;
	struct end end = *vector_find(&real_mesh(real)->vector, own_stream(real));

	(void)state;
	mem_disk_full_at(real->disk, 1);
	real->is_gathering = true;
	second = real_write(real, 10, 1);
	refused = real_write(real, 10, 99);
	assert_int_equal(real_commit(real), OK);
	real->is_gathering = false;
	mem_disk_full_at(real->disk, 0);
	assert_int_equal(real_answer(real, second)->code, E_FULL);
	/* Nor is what was refused for another reason. */
	assert_int_equal(real_answer(real, refused)->code, E_VALUE);
	assert_null(real_answer(real, first));
	puppet_ack(puppet, own_stream(real), end);
	assert_int_equal(real_answer(real, first)->code, OK);
	assert_int_equal(real_answer(real, first)->copies, 1);
	scene_free(scene);
}

/* Each commit of a full disk fails; the operator reads it once a minute. What ends the process it reads in any case. */
static void a_full_disk_is_told_once_a_minute(void **state)
{
	struct scene *scene = scene_new(1);
	struct real *real = real_boot(scene, 0);
	const struct mesh_counts *counts = &real_mesh(real)->counts;

	(void)state;
	for (size_t minute = 1; minute < 4; minute++) {
		mem_disk_limit(real->disk, mem_disk_used(real->disk) + 10);
		for (size_t i = 0; i < 6; i++) {
			assert_int_equal(real_answer(real, real_write(real, 3000, 0))->code, E_FULL);
			assert_int_equal(real->alarms_count, minute);
			scene_pass(scene, 9900);
		}
		assert_true(counts->commit_failed >= 6 * minute);
		/* That it had room in between does not make it news. */
		mem_disk_limit(real->disk, 0);
		assert_int_equal(real_answer(real, real_write(real, 10, 0))->code, OK);
		mem_disk_limit(real->disk, mem_disk_used(real->disk) + 10);
		real_write(real, 3000, 0);
		assert_int_equal(real->alarms_count, minute);
		scene_pass(scene, 700);
	}
	assert_string_equal(real->alarms[0], "nothing was written: the simulated disk is full");
	real_write(real, 3000, 0);
	assert_int_equal(real->alarms_count, 4);
	mem_disk_limit(real->disk, 0);
	mem_disk_fail_at(real->disk, 1);
	real->is_gathering = true;
	real_write(real, 10, 0);
	assert_int_equal(real_commit(real), E_IO);
	assert_int_equal(real->alarms_count, 5);
	scene_free(scene);
}

static void a_put_that_finds_no_room_is_as_a_commit_that_does(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1);
	struct id disk = real_disk(real);
	uint64_t number;

	(void)state;
	mem_disk_limit(real->disk, mem_disk_used(real->disk) + 10);
	number = real_write(real, 3000, 0);
	assert_int_equal(real_answer(real, number)->code, E_FULL);
	puppet_batch(puppet, chain_next(&chain, 3, 3000));
	assert_false(puppet_heard_end(puppet, chain.stream, 3));
	puppet_ignored(puppet, disk);
	mem_disk_limit(real->disk, 0);
	chain = chain_of(scene, 1);
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	assert_true(puppet_heard_end(puppet, chain.stream, 1));
	number = real_write(real, 10, 0);
	assert_int_equal(real_answer(real, number)->code, OK);
	real_check(real);
	scene_free(scene);
}

/* The peer takes statements for told that the full disk did not keep. */
static void statements_that_a_full_disk_lost_are_asked_for_again(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct signer one_time;
	struct bytes whole = scene_invite(scene, scene->keys[0].key, scene->wall.ms + 1000, &one_time);
	struct id disk = real_disk(real);

	(void)state;
	real->is_gathering = true;
	puppet_statements(puppet, &whole, 1);
	puppet_agree(puppet);
	puppet_forget(puppet);
	mem_disk_full_at(real->disk, 1);
	assert_int_equal(real_commit(real), OK);
	mem_disk_full_at(real->disk, 0);
	real->is_gathering = false;
	puppet_ignored(puppet, disk);
	assert_int_equal(puppet_count(puppet, FRAME_T0_SUM), 1);
	/* And the link is open all the while. */
	real_write(real, 10, 0);
	assert_int_equal(puppet_count(puppet, FRAME_BATCH), 1);
	scene_free(scene);
}

/* Two real nodes, one whose disk is full for a while. */
static void after_a_full_disk_both_agree_again(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1);

	(void)state;
	scene_meet(scene, a, b);
	scene_carry(scene);
	mem_disk_full_at(b->disk, 1);
	for (int i = 0; i < 5; i++) {
		real_write(a, 10, 0);
		scene_carry(scene);
	}
	assert_int_equal(vector_seq(&real_mesh(b)->vector, own_stream(a)), 0);
	assert_true(real_mesh(b)->counts.commit_failed > 0);
	mem_disk_full_at(b->disk, 0);
	real_write(b, 10, 0);
	scene_pass(scene, 15000);
	assert_true(vector_equal(&real_mesh(a)->vector, &real_mesh(b)->vector));
	assert_int_equal(real_mesh(a)->vector.count, 2);
	assert_true(sum_equal(root_total(&real_mesh(a)->root), root_total(&real_mesh(b)->root)));
	real_check(a);
	real_check(b);
	scene_free(scene);
}

static void a_disk_that_fails_ends_the_process(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);

	(void)state;
	puppet_forget(puppet);
	real_forget(real);
	real->is_gathering = true;
	real_write(real, 10, 0);
	mem_disk_fail_at(real->disk, 1);
	assert_int_equal(real_commit(real), E_IO);
	assert_int_equal(real->sends + real->replies_count, 0);
	scene_free(scene);
}

/* The question had a look at the store before the commit; what is said after it needs a look of its own. */
static void a_question_beside_a_write_does_not_end_the_process(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct buf token = buf_growing(1000);

	(void)state;
	real_write(real, 10, 0);
	token_write(real_mesh(real), &token);
	real_write(real, 10, 0);
	puppet_forget(puppet);
	real->is_gathering = true;
	frame_put_ask(&puppet->frame, 1, ASK_TOKEN, 1000, buf_bytes(&token));
	puppet_say(puppet);
	real_write(real, 10, 0);
	assert_int_equal(real_commit(real), OK);
	assert_int_equal(puppet_count(puppet, FRAME_BATCH), 1);
	assert_int_equal(puppet_count(puppet, FRAME_ANSWER), 1);
	buf_done(&token);
	scene_free(scene);
}

/* A session bears no gap: what stood behind the failure is lost, so the link goes, and the peer is not accused. */
static void what_stood_behind_a_full_disk_comes_by_the_next_link(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1);
	struct bytes whole = chain_next(&chain, 1, 3000);

	(void)state;
	mem_disk_limit(real->disk, mem_disk_used(real->disk) + 10);
	frame_put_batch(&puppet->frame, whole);
	session_send(puppet->session, buf_bytes(&puppet->frame), &puppet->out);
	buf_clear(&puppet->frame);
	puppet_hint(puppet, HINT_PROBE, scene_node(scene, 0)); /* in the same bytes */
	mem_disk_limit(real->disk, 0);
	assert_true(puppet->is_closed);
	assert_int_equal(real_mesh(real)->counts.link_broken, 0);
	assert_int_equal(real_mesh(real)->links_count, 0);
	puppet = puppet_member(real, 1);
	puppet_batch(puppet, whole);
	assert_true(puppet_heard_end(puppet, chain.stream, 1));
	real_check(real);
	scene_free(scene);
}

static void a_restart_finds_everything(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1);
	uint64_t number;
	struct id disk;

	(void)state;
	real_write(real, 10, 0);
	puppet_batch(puppet, chain_next(&chain, 2, 10));
	disk = real_disk(real);
	real_end(real);
	real = real_boot(scene, 0);
	assert_true(id_equal(real_disk(real), disk));
	assert_int_equal(vector_seq(&real_mesh(real)->vector, chain.stream), 2);
	number = real_write(real, 10, 0);
	assert_string_equal(real_answer(real, number)->text,
			    "this server has just started, and asks the others for what they have of it: try again");
	assert_true(id_equal(real_disk(real), disk));
	puppet_member(real, 1);
	real_write(real, 10, 0);
	assert_int_equal(vector_seq(&real_mesh(real)->vector, own_stream(real)), 2);
	real_check(real);
	scene_free(scene);
}

/* It was not even taken into memory; the sender takes it for told. */
static void a_statement_that_met_a_full_disk_is_asked_for_again(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct bytes eviction = scene_evict(scene, 3, 1);
	size_t count = real_mesh(real)->t0.count;

	(void)state;
	scene_pass(scene, 10);
	puppet_forget(puppet);
	mem_disk_limit(real->disk, 1);
	puppet_statements(puppet, &eviction, 1);
	mem_disk_limit(real->disk, 0);
	assert_int_equal(real_mesh(real)->t0.count, count);
	assert_false(puppet->is_closed);
	assert_true(puppet_count(puppet, FRAME_T0_SUM) > 0);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_said_before_the_commit),
		cmocka_unit_test(a_crash_in_the_commit_leaves_nothing_said),
		cmocka_unit_test(a_full_disk_takes_nothing_and_the_node_goes_on),
		cmocka_unit_test(a_full_disk_refuses_only_what_hung_on_that_commit),
		cmocka_unit_test(a_full_disk_is_told_once_a_minute),
		cmocka_unit_test(a_put_that_finds_no_room_is_as_a_commit_that_does),
		cmocka_unit_test(statements_that_a_full_disk_lost_are_asked_for_again),
		cmocka_unit_test(after_a_full_disk_both_agree_again),
		cmocka_unit_test(a_disk_that_fails_ends_the_process),
		cmocka_unit_test(a_question_beside_a_write_does_not_end_the_process),
		cmocka_unit_test(a_restart_finds_everything),
		cmocka_unit_test(what_stood_behind_a_full_disk_comes_by_the_next_link),
		cmocka_unit_test(a_statement_that_met_a_full_disk_is_asked_for_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
