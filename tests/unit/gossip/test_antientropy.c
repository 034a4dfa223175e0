/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/log.h"
#include "tests/unit/gossip/puppet.h"

/* What is missing is asked for: of whom, when, and how often. */

/* What a peer says to have of a chain. */
static void say_has(struct puppet *puppet, const struct chain *chain)
{
	puppet_ack(puppet, chain->stream, chain->end);
}

static bool was_asked(const struct puppet *puppet, const struct chain *chain, uint64_t after, uint64_t until)
{
	struct want want;
	struct reader list;

	if (!puppet_count(puppet, FRAME_WANT))
		return false;
	list = puppet_last(puppet, FRAME_WANT)->wants;
	while (frame_next_want(&list, &want))
		if (!stream_compare(&want.stream, &chain->stream))
			return want.after == after && want.until == until;
	return false;
}

static void what_nobody_pushes_is_asked_for_at_the_next_tick(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 2);

	(void)state;
	chain_next(&chain, 3, 10);
	say_has(puppet, &chain);
	scene_pass(scene, 1000);
	assert_true(was_asked(puppet, &chain, 0, 3));
	assert_int_equal(puppet_count(puppet, FRAME_WANT), 1);
	scene_free(scene);
}

static void what_its_author_pushes_is_asked_for_only_when_it_does_not_come(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *author = puppet_member(real, 2);
	struct chain chain = chain_of(scene, 2);
	struct bytes whole = chain_next(&chain, 1, 10);

	(void)state;
	scene_pass(scene, 10);
	say_has(one, &chain);
	scene_pass(scene, 1400);
	assert_int_equal(puppet_count(one, FRAME_WANT) + puppet_count(author, FRAME_WANT), 0);
	puppet_batch(author, whole);
	scene_pass(scene, 3000);
	assert_int_equal(puppet_count(one, FRAME_WANT) + puppet_count(author, FRAME_WANT), 0);
	chain_next(&chain, 1, 10);
	say_has(one, &chain);
	scene_pass(scene, 2700);
	assert_true(was_asked(one, &chain, 1, 2));
	scene_free(scene);
}

static void who_does_not_answer_is_asked_again_after_5_s(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 2);
	struct bytes whole = chain_next(&chain, 1, 10);

	(void)state;
	say_has(puppet, &chain);
	scene_pass(scene, 4000);
	assert_int_equal(puppet_count(puppet, FRAME_WANT), 1);
	scene_pass(scene, 12000);
	/* At 0, 5, 10 and 15 s. */
	assert_int_equal(puppet_count(puppet, FRAME_WANT), 4);
	puppet_batch(puppet, whole);
	scene_pass(scene, 12000);
	assert_int_equal(puppet_count(puppet, FRAME_WANT), 4);
	assert_int_equal(real_mesh(real)->gaps.count, 0);
	scene_free(scene);
}

static void where_one_has_not_got_it_another_is_asked(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *all[2] = { puppet_member(real, 1), puppet_member(real, 2) };
	struct chain chain = chain_of(scene, 3);
	struct frame_list list;
	struct id disk = real_disk(real);
	size_t asked;

	(void)state;
	chain_next(&chain, 1, 10);
	say_has(all[0], &chain);
	say_has(all[1], &chain);
	scene_pass(scene, 1000);
	asked = puppet_count(all[1], FRAME_WANT);
	assert_int_equal(asked + puppet_count(all[0], FRAME_WANT), 1);
	puppet_forget(all[asked]);
	list = frame_begin_gone(&all[asked]->frame);
	assert_true(frame_put_gone(&list, chain.stream));
	puppet_say(all[asked]);
	/* If no other has it, a snapshot brings it. */
	assert_int_equal(real_mesh(real)->recovery.need, RECOVERY_JOIN);
	scene_pass(scene, 20000);
	assert_in_range(puppet_count(all[!asked], FRAME_WANT), 1, 5);
	assert_in_range(puppet_count(all[asked], FRAME_WANT) + puppet_count(all[!asked], FRAME_WANT), 3, 5);
	puppet_ignored(all[asked], disk);
	scene_free(scene);
}

static void of_our_own_streams_nothing_is_asked(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 0);

	(void)state;
	chain_next(&chain, 5, 10);
	say_has(puppet, &chain);
	scene_pass(scene, 10000);
	assert_int_equal(puppet_count(puppet, FRAME_WANT), 0);
	assert_int_equal(real_mesh(real)->gaps.count, 0);
	scene_free(scene);
}

/* What we write goes to all by itself; what we wrote under an earlier start goes to whoever asks. */
static void our_own_streams_of_another_start_are_given(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2);
	struct chain chain = chain_of(scene, 0);

	(void)state;
	chain.stream.start = 5;
	puppet_batch(one, chain_next(&chain, 1, 10));
	puppet_want(two, chain.stream, 0, 1);
	assert_int_equal(puppet_count(two, FRAME_BATCH), 1);
	scene_free(scene);
}

static void an_index_is_answered_with_one_and_an_answer_is_not(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);

	(void)state;
	puppet_forget(puppet);
	puppet_index(puppet, NULL, false);
	assert_int_equal(puppet_count(puppet, FRAME_INDEX), 1);
	assert_true(puppet_last(puppet, FRAME_INDEX)->index.is_answer);
	puppet_index(puppet, NULL, true);
	assert_int_equal(puppet_count(puppet, FRAME_INDEX), 1);
	scene_free(scene);
}

static void every_15_s_one_peer_of_a_round_is_told_where_we_stand(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *all[3];
	size_t before[3] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		all[i] = puppet_member(real, i + 1);
	scene_pass(scene, 1000);
	for (size_t i = 0; i < 3; i++)
		puppet_forget(all[i]);
	/* Five whole rounds: each has had each peer once. */
	for (size_t round = 1; round <= 5; round++) {
		for (int i = 0; i < 3; i++) {
			size_t sum = 0, sum_before = before[0] + before[1] + before[2];

			scene_pass(scene, 15000);
			for (size_t k = 0; k < 3; k++)
				sum += before[k] = puppet_count(all[k], FRAME_INDEX);
			assert_int_equal(sum, sum_before + 1);
		}
	}
	for (size_t i = 0; i < 3; i++)
		assert_in_range(before[i], 4, 6);
	scene_free(scene);
}

/* Endless streams of nobody are noticed up to a bound, and a frame of wants has one too. */
static void what_is_noticed_is_bounded(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct link *link = link_find(real_mesh(real), puppet->number);
	struct id disk = real_disk(real);

	(void)state;
	for (uint64_t round = 0; round < 6; round++) {
		struct frame_list list = frame_begin_frontiers(&puppet->frame, FRAME_ACK, false, false);

		for (uint64_t i = 0; i < 1000; i++) {
			struct frontier frontier = { { scene_node(scene, 2), 1 + i + 1000 * round, LANE_BULK },
						     { 1, { { 1 } } } };

			assert_true(frame_put_frontier(&list, &puppet->named, &frontier));
		}
		puppet_say(puppet);
	}
	assert_int_equal(real_mesh(real)->gaps.count, ANTIENTROPY_SHARE);
	scene_pass(scene, 20000);
	assert_in_range(link->wanted_count, 0, FRAME_WANTS_MAX);
	puppet_ignored(puppet, disk);
	scene_free(scene);
}

static void nobody_keeps_out_what_others_know(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *evil = puppet_member(real, 1), *good = puppet_member(real, 2);
	struct chain chain = chain_of(scene, 3);

	(void)state;
	for (uint64_t round = 0; round < 6; round++) {
		struct frame_list list = frame_begin_frontiers(&evil->frame, FRAME_ACK, false, false);

		for (uint64_t i = 0; i < 1000; i++) {
			struct frontier frontier = { { scene_node(scene, 2), 1 + i + 1000 * round, LANE_BULK },
						     { 1, { { 1 } } } };

			assert_true(frame_put_frontier(&list, &evil->named, &frontier));
		}
		puppet_say(evil);
	}
	chain_next(&chain, 1, 10);
	say_has(good, &chain);
	scene_pass(scene, 40000);
	assert_true(puppet_count(good, FRAME_WANT) > 0);
	puppet_hang_up(evil);
	say_has(good, &chain);
	scene_pass(scene, 40000);
	assert_true(puppet_count(good, FRAME_WANT) > 0);
	scene_free(scene);
}

static void what_was_said_while_a_gap_was_open_is_asked_for_when_it_closes(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 2);
	struct bytes first = chain_next(&chain, 3, 10);

	(void)state;
	say_has(puppet, &chain);
	scene_pass(scene, 1000);
	assert_true(was_asked(puppet, &chain, 0, 3));
	chain_next(&chain, 2, 10);
	say_has(puppet, &chain);
	puppet_batch(puppet, first);
	scene_pass(scene, 7000);
	assert_true(was_asked(puppet, &chain, 3, 5));
	scene_free(scene);
}

static void what_another_has_beyond_a_gap_is_asked_for_when_that_closes(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2);
	struct chain chain = chain_of(scene, 3);
	struct bytes first = chain_next(&chain, 3, 10);

	(void)state;
	say_has(one, &chain);
	chain_next(&chain, 2, 10);
	say_has(two, &chain);
	puppet_batch(one, first);
	scene_pass(scene, 7000);
	assert_true(was_asked(two, &chain, 3, 5));
	scene_free(scene);
}

/* In any frame, however many wants it had. */
static bool was_ever_asked(const struct puppet *puppet, const struct chain *chain)
{
	struct want want;

	for (size_t i = 0; i < puppet->count; i++) {
		struct reader list = puppet->heard[i].frame.wants;

		while (puppet->heard[i].frame.kind == FRAME_WANT && frame_next_want(&list, &want))
			if (!stream_compare(&want.stream, &chain->stream))
				return true;
	}
	return false;
}

/* Of one teller no more than its share at a time, and the rest when that has come. */
static void what_had_no_place_is_asked_for_when_there_is_one(void **state)
{
	enum { STREAMS = ANTIENTROPY_SHARE + 10, AUTHORS = 5 };
	struct scene *scene = scene_new(2 + AUTHORS);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chains[STREAMS];
	struct bytes wholes[STREAMS];

	(void)state;
	scene_pass(scene, 2000);
	for (size_t i = 0; i < STREAMS; i++) {
		chains[i] = chain_of(scene, 2 + (uint32_t)(i % AUTHORS));
		chains[i].stream.start = 1 + i / AUTHORS;
		wholes[i] = chain_next(&chains[i], 1, 10);
		say_has(puppet, &chains[i]);
	}
	assert_int_equal(real_mesh(real)->gaps.count, ANTIENTROPY_SHARE);
	scene_pass(scene, 1000);
	for (size_t i = 0; i < ANTIENTROPY_SHARE; i++)
		puppet_batch(puppet, wholes[i]);
	scene_pass(scene, 3000);
	for (size_t i = ANTIENTROPY_SHARE; i < STREAMS; i++)
		assert_true(was_ever_asked(puppet, &chains[i]));
	scene_free(scene);
}

static void what_was_missed_comes_between_real_nodes(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1), *c = real_boot(scene, 2);
	struct wire *wire;

	(void)state;
	wire = scene_meet(scene, a, b);
	scene_carry(scene);
	for (int i = 0; i < 5; i++)
		real_write(a, 100, 0);
	scene_carry(scene);
	scene_cut(wire);
	real_write(b, 100, 0);
	/* What a wrote reaches c by way of b. */
	scene_meet(scene, b, c);
	scene_pass(scene, 8000);
	assert_true(vector_equal(&real_mesh(b)->vector, &real_mesh(c)->vector));
	assert_int_equal(real_mesh(c)->vector.count, 2);
	assert_int_equal(real_mesh(c)->counts.duplicate, 0);
	scene_meet(scene, c, a);
	scene_pass(scene, 8000);
	assert_true(vector_equal(&real_mesh(a)->vector, &real_mesh(c)->vector));
	real_check(a);
	real_check(b);
	real_check(c);
	scene_free(scene);
}

/* --- What is missing is asked for, whatever one member says. */

static size_t wants_for(const struct puppet *puppet, struct stream stream)
{
	size_t count = 0;

	for (size_t i = 0; i < puppet->count; i++) {
		struct reader wants = puppet->heard[i].frame.wants;
		struct want want;

		if (puppet->heard[i].frame.kind != FRAME_WANT)
			continue;
		while (frame_next_want(&wants, &want))
			count += !stream_compare(&want.stream, &stream);
	}
	return count;
}

static void streams_that_an_evicted_member_invented_keep_out_nothing(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *evil = puppet_member(real, 1), *good;
	struct bytes eviction = scene_evict(scene, 1, 0);
	struct chain chain = chain_of(scene, 3);

	(void)state;
	for (uint64_t at = 0; at < ANTIENTROPY_GAPS;) {
		struct frame_list list = frame_begin_frontiers(&evil->frame, FRAME_ACK, false, false);
		struct frontier frontier = { { scene_node(scene, 1), 1000, LANE_PEOPLE }, { 1, { { 1 } } } };

		for (; at < ANTIENTROPY_GAPS; at++, frontier.stream.start = 1000 + at)
			if (!frame_put_frontier(&list, &evil->named, &frontier))
				break;
		puppet_say(evil);
	}
	real_bring(real, &eviction, 1);
	good = puppet_member(real, 2);
	chain_next(&chain, 1, 10);
	say_has(good, &chain);
	scene_pass(scene, 60000);
	assert_in_range(wants_for(good, chain.stream), 5, 30);
	/* And nothing of what nobody would take. */
	assert_int_equal(real_mesh(real)->gaps.count, 1);
	scene_free(scene);
}

static void who_claims_to_have_most_is_not_the_only_one_asked(void **state)
{
	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		struct scene *scene = scene_new(4);
		struct real *real = real_boot(scene, 0);
		struct puppet *evil = puppet_member(real, 1), *good = puppet_member(real, 2);
		struct chain chain = chain_of(scene, 3);
		struct bytes whole = chain_next(&chain, 1, 10), next;

		if (turn)
			say_has(good, &chain);
		puppet_ack(evil, chain.stream, (struct end){ UINT64_MAX, { { 1 } } });
		if (!turn)
			say_has(good, &chain);
		scene_pass(scene, 300000);
		assert_true(wants_for(good, chain.stream) > 10);
		/* Also of what comes after. */
		puppet_batch(good, whole);
		assert_int_equal(vector_seq(&real_mesh(real)->vector, chain.stream), 1);
		next = chain_next(&chain, 1, 10);
		say_has(good, &chain);
		puppet_forget(good);
		scene_pass(scene, 300000);
		assert_true(wants_for(good, chain.stream) > 10);
		puppet_batch(good, next);
		assert_int_equal(vector_seq(&real_mesh(real)->vector, chain.stream), 2);
		scene_free(scene);
	}
}

/* Of a closed start: what the log does not reach any more was merged. */
static void what_is_below_the_log_is_not_asked_for(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 2), old;
	struct bytes eviction = scene_evict(scene, 2, 0);
	struct store_txn *txn;
	struct logged logged;

	(void)state;
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	old = chain;
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	real_bring(real, &eviction, 1);
	puppet_agree(puppet);
	assert_int_equal(store_begin(real->store, &txn, NULL), OK);
	assert_int_equal(log_after(txn, chain.stream, (struct log_place){ 0 }, &logged, NULL), OK);
	assert_int_equal(log_drop(txn, &logged, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	puppet_forget(puppet);
	say_has(puppet, &old);
	scene_pass(scene, 3000);
	assert_int_equal(puppet_count(puppet, FRAME_WANT), 0);
	scene_free(scene);
}

/* What closed a gap in memory was lost with its commit. */
static void a_gap_stays_when_the_commit_that_closed_it_fails(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *good = puppet_member(real, 2);
	struct chain chain = chain_of(scene, 3);
	struct bytes whole = chain_next(&chain, 1, 10);

	(void)state;
	say_has(good, &chain);
	scene_pass(scene, 3000);
	assert_true(wants_for(good, chain.stream) > 0);
	mem_disk_full_at(real->disk, 1);
	real->is_gathering = true;
	puppet_batch(good, whole);
	puppet_index(good, NULL, true); /* which has the gaps looked through */
	real->is_gathering = false;
	assert_int_equal(real_commit(real), OK);
	mem_disk_full_at(real->disk, 0);
	assert_false(good->is_closed);
	assert_int_equal(vector_seq(&real_mesh(real)->vector, chain.stream), 0);
	puppet_forget(good);
	scene_pass(scene, 30000);
	assert_true(wants_for(good, chain.stream) > 0);
	puppet_batch(good, whole);
	assert_int_equal(vector_seq(&real_mesh(real)->vector, chain.stream), 1);
	scene_free(scene);
}

/* Its place in memory is gone with it, and the one that it has after the failure begins with its whole share. */
static void what_a_member_told_of_goes_with_it_and_its_failed_eviction(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *teller = puppet_member(real, 2), *good = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 3);
	struct bytes whole = chain_next(&chain, 1, 10), eviction = scene_evict(scene, 2, 1);

	(void)state;
	say_has(teller, &chain);
	assert_int_equal(mesh_peer(real_mesh(real), scene_node(scene, 2))->gaps, 1);
	mem_disk_full_at(real->disk, 1);
	real_bring(real, &eviction, 1);
	mem_disk_full_at(real->disk, 0);
	assert_int_equal(mesh_peer(real_mesh(real), scene_node(scene, 2))->gaps, 0);
	say_has(good, &chain);
	puppet_batch(good, whole);
	scene_pass(scene, 3000);
	assert_int_equal(vector_seq(&real_mesh(real)->vector, chain.stream), 1);
	assert_int_equal(mesh_peer(real_mesh(real), scene_node(scene, 1))->gaps, 0);
	assert_int_equal(mesh_peer(real_mesh(real), scene_node(scene, 2))->gaps, 0);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_pushes_is_asked_for_at_the_next_tick),
		cmocka_unit_test(what_its_author_pushes_is_asked_for_only_when_it_does_not_come),
		cmocka_unit_test(who_does_not_answer_is_asked_again_after_5_s),
		cmocka_unit_test(where_one_has_not_got_it_another_is_asked),
		cmocka_unit_test(of_our_own_streams_nothing_is_asked),
		cmocka_unit_test(our_own_streams_of_another_start_are_given),
		cmocka_unit_test(an_index_is_answered_with_one_and_an_answer_is_not),
		cmocka_unit_test(every_15_s_one_peer_of_a_round_is_told_where_we_stand),
		cmocka_unit_test(what_is_noticed_is_bounded),
		cmocka_unit_test(nobody_keeps_out_what_others_know),
		cmocka_unit_test(what_was_said_while_a_gap_was_open_is_asked_for_when_it_closes),
		cmocka_unit_test(what_another_has_beyond_a_gap_is_asked_for_when_that_closes),
		cmocka_unit_test(what_had_no_place_is_asked_for_when_there_is_one),
		cmocka_unit_test(what_was_missed_comes_between_real_nodes),
		cmocka_unit_test(streams_that_an_evicted_member_invented_keep_out_nothing),
		cmocka_unit_test(who_claims_to_have_most_is_not_the_only_one_asked),
		cmocka_unit_test(what_is_below_the_log_is_not_asked_for),
		cmocka_unit_test(a_gap_stays_when_the_commit_that_closed_it_fails),
		cmocka_unit_test(what_a_member_told_of_goes_with_it_and_its_failed_eviction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
