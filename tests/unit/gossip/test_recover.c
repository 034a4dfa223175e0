/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/log.h"
#include "tests/unit/gossip/puppet.h"

/* Old disks: who is told to have one, who believes it, and whose state is then taken. */

/*
 * A member (key 0, real), others that are puppets (1 and on), and one (key 3) whose stream has two histories: [1] and
 * [2], and upon that either [3][4], or [3] alone.
 */
struct tale {
	struct scene *scene;
	struct real *real;
	struct puppet *one, *two;
	struct chain chain, twin;
	struct bytes wholes[4], rival;
	struct end ends[4];
};

static struct mesh *mesh_of(const struct tale *tale)
{
	return (struct mesh *)(uintptr_t)real_mesh(tale->real);
}

static struct tale begin(void)
{
	struct tale tale = { .scene = scene_new(4) };

	tale.real = real_boot(tale.scene, 0);
	tale.one = puppet_member(tale.real, 1);
	tale.two = puppet_member(tale.real, 2);
	tale.chain = chain_of(tale.scene, 3);
	for (size_t i = 0; i < COUNT(tale.wholes); i++) {
		if (i == 2)
			tale.twin = tale.chain;
		tale.wholes[i] = chain_next(&tale.chain, 1, 10);
		tale.ends[i] = tale.chain.end;
	}
	tale.rival = chain_next(&tale.twin, 1, 20);
	return tale;
}

/* The real one merges so many batches. */
static void merge(struct tale *tale, size_t count)
{
	for (size_t i = 0; i < count; i++)
		puppet_batch(tale->one, tale->wholes[i]);
	assert_true(vector_has(&mesh_of(tale)->vector, tale->chain.stream, tale->ends[count - 1]));
}

static void close_start(struct tale *tale)
{
	uint8_t room[PROOF_MAX];
	struct buf out = buf_over(room, sizeof room);
	struct frame_list list = frame_begin_proofs(&tale->one->frame);

	proof_write_own(&tale->chain.signer, tale->scene->cluster, 1, &out);
	assert_true(frame_put_proof(&list, buf_bytes(&out)));
	puppet_say(tale->one);
	assert_true(closed_is(mesh_of(tale), tale->chain.stream.node, 1));
}

static void make_stable(struct tale *tale, struct end end)
{
	vector_set(&mesh_of(tale)->stable.vector, tale->chain.stream, end);
}

static void stand_at(struct tale *tale, struct puppet *puppet, struct end end)
{
	struct vector vector = { 0 };

	vector_set(&vector, tale->chain.stream, end);
	puppet_forget(puppet);
	puppet_index(puppet, &vector, true);
	vector_done(&vector);
}

static void say_old(struct tale *tale, struct puppet *puppet, struct end end)
{
	struct frame_list list = frame_begin_old(&puppet->frame);
	struct frontier frontier = { tale->chain.stream, end };

	assert_true(frame_put_old(&list, &frontier));
	puppet_say(puppet);
}

static bool is_old(const struct tale *tale)
{
	return mesh_of(tale)->recovery.need == RECOVERY_REPLACE;
}

/* --- Who believes it. */

/* How far one branch goes says nothing of the others. */
static void a_branch_that_everybody_had_is_not_had_with_a_longer_one(void **state)
{
	struct tale tale = begin();

	(void)state;
	merge(&tale, 4);
	/* Of an open start there is one history, and this one is further. */
	say_old(&tale, tale.one, tale.twin.end);
	assert_false(is_old(&tale));
	close_start(&tale);
	/* What lies on the own chain is there. */
	say_old(&tale, tale.one, tale.ends[3]);
	say_old(&tale, tale.one, tale.ends[1]);
	assert_false(is_old(&tale));
	say_old(&tale, tale.one, tale.twin.end);
	assert_true(is_old(&tale));
	scene_free(tale.scene);
}

static void what_came_meanwhile_is_there(void **state)
{
	struct tale tale = begin();
	struct chain rows = chain_of(tale.scene, 1), further = tale.twin;
	struct bytes next = chain_next(&further, 1, 10);
	struct vector ends = { 0 };

	(void)state;
	merge(&tale, 4);
	close_start(&tale);
	rows.stream.lane = LANE_URGENT;
	vector_set(&ends, tale.chain.stream, further.end);
	puppet_batch(tale.one, chain_row(&rows, 3, 1, &ends));
	puppet_batch(tale.one, tale.rival);
	puppet_batch(tale.one, next);
	assert_true(vector_has(&mesh_of(&tale)->vector, further.stream, further.end));
	say_old(&tale, tale.one, tale.twin.end);
	assert_false(is_old(&tale));
	vector_done(&ends);
	scene_free(tale.scene);
}

/* --- Who is told. */

static void whoever_stands_elsewhere_on_a_closed_start_and_no_further_is_told(void **state)
{
	struct tale tale = begin();

	(void)state;
	merge(&tale, 3);
	close_start(&tale);
	make_stable(&tale, tale.ends[2]);
	stand_at(&tale, tale.one, tale.ends[2]);
	assert_int_equal(puppet_count(tale.one, FRAME_OLD), 0);
	/* It may have all of it: where it came from is not known here. */
	stand_at(&tale, tale.one, tale.ends[3]);
	assert_int_equal(puppet_count(tale.one, FRAME_OLD), 0);
	/* No further, and another end. */
	stand_at(&tale, tale.one, tale.twin.end);
	assert_int_equal(puppet_count(tale.one, FRAME_OLD), 1);
	stand_at(&tale, tale.one, tale.ends[1]);
	assert_int_equal(puppet_count(tale.one, FRAME_OLD), 1);
	scene_free(tale.scene);
}

/* --- Whose state is taken. */

static void of_two_that_judge_each_other_old_neither_gives(void **state)
{
	struct tale tale = begin();

	(void)state;
	merge(&tale, 3);
	close_start(&tale);
	make_stable(&tale, tale.ends[2]);
	stand_at(&tale, tale.one, tale.twin.end);
	say_old(&tale, tale.one, tale.twin.end);
	assert_true(is_old(&tale));
	scene_pass(tale.scene, 25000);
	assert_int_equal(puppet_count(tale.one, FRAME_SNAP_ASK) + puppet_count(tale.two, FRAME_SNAP_ASK), 0);
	/* The operator is told. */
	assert_true(mesh_of(&tale)->recovery.tries >= RECOVER_TRIES);
	assert_true(tale.real->alarms_count >= 2);
	scene_free(tale.scene);
}

static void what_a_donor_says_to_have_is_had_by_each_branch(void **state)
{
	struct tale tale = begin();

	(void)state;
	merge(&tale, 4);
	close_start(&tale);
	stand_at(&tale, tale.two, tale.ends[3]);
	stand_at(&tale, tale.one, tale.twin.end);
	say_old(&tale, tale.one, tale.twin.end);
	assert_true(is_old(&tale));
	/* The one that stands where this member does lacks it too; the one that said so has it. */
	scene_pass(tale.scene, 3000);
	assert_int_equal(puppet_count(tale.two, FRAME_SNAP_ASK), 0);
	assert_true(puppet_count(tale.one, FRAME_SNAP_ASK) > 0);
	scene_free(tale.scene);
}

/* A donor's state, with so much of the longer history, or with the other one and what goes on from there. */
static void receive_part(struct tale *tale, bool is_rival, size_t count)
{
	struct mesh *mesh = mesh_of(tale);
	struct taker *taker = &mesh->snapshot.taker;
	struct chain further = tale->twin;
	struct bytes wholes[4] = { tale->wholes[0], tale->wholes[1], tale->wholes[2], tale->wholes[3] };
	struct batch batch;

	if (is_rival) {
		wholes[2] = tale->rival;
		wholes[3] = chain_next(&further, 1, 10);
	}
	taker_begin(taker, scene_node(tale->scene, 1), tale->scene->cluster, mesh->now);
	taker->gift.members = mesh->t0.members;
	for (size_t i = 0; i < count; i++) {
		struct logged logged = { .form = LOG_WHOLE, .stream = tale->chain.stream, .bytes = wholes[i] };

		assert_int_equal(batch_read(wholes[i], &batch, NULL), OK);
		logged.last = batch.end.seq;
		logged.tail = log_place_at(batch.end).tail;
		assert_int_equal(gift_add_entry(&taker->gift, &logged, NULL), OK);
	}
	vector_set(&taker->gift.vector, batch.stream, batch.end);
	assert_int_equal(gift_judge(&taker->gift, NULL), OK);
	taker->stage = TAKER_IS_WHOLE;
	mesh->snapshot.stage = SNAPSHOT_READY;
	assert_int_equal(real_commit(tale->real), OK);
	assert_int_equal(mesh->snapshot.stage, SNAPSHOT_NONE);
}

static void receive_state(struct tale *tale, bool is_rival)
{
	mesh_of(tale)->recovery.need = RECOVERY_REPLACE;
	receive_part(tale, is_rival, COUNT(tale->wholes));
}

/* It went on from another history, as its state shows. */
static void a_state_that_lacks_what_everybody_had_is_not_taken(void **state)
{
	(void)state;
	for (int is_rival = 0; is_rival < 2; is_rival++) {
		struct tale tale = begin();
		const struct mesh *mesh = mesh_of(&tale);
		struct chain further = tale.twin;

		merge(&tale, 3);
		close_start(&tale);
		make_stable(&tale, tale.ends[2]);
		chain_next(&further, 1, 10);
		stand_at(&tale, tale.one, is_rival ? further.end : tale.ends[3]);
		receive_state(&tale, is_rival);
		assert_int_equal(mesh->counts.replaced, !is_rival);
		assert_int_equal(is_old(&tale), is_rival);
		if (is_rival) {
			assert_true(vector_has(&mesh->vector, tale.chain.stream, tale.ends[2]));
			/* Nor asked for again at once. */
			scene_pass(tale.scene, 50000);
			assert_int_equal(puppet_count(tale.one, FRAME_SNAP_ASK), 0);
			scene_pass(tale.scene, 15000);
			assert_true(puppet_count(tale.one, FRAME_SNAP_ASK) > 0);
			/* Once more is no way out: the operator is told what is. */
			assert_true(mesh->recovery.tries >= RECOVER_TRIES);
		}
		scene_free(tale.scene);
	}
}

/* --- What is gone. */

static void say_gone(struct tale *tale, struct puppet *puppet, size_t count)
{
	struct frame_list list;

	stand_at(tale, puppet, tale->ends[count - 1]);
	list = frame_begin_gone(&puppet->frame);
	assert_true(frame_put_gone(&list, tale->chain.stream));
	puppet_say(puppet);
}

static bool is_heard(struct tale *tale, struct puppet *puppet, size_t count)
{
	struct recovery *recovery = &mesh_of(tale)->recovery;
	bool is;

	assert_int_equal(recovery->need, RECOVERY_NONE);
	say_gone(tale, puppet, count);
	is = recovery->need == RECOVERY_JOIN;
	/* As if it had come to nothing. */
	recovery->need = RECOVERY_NONE;
	return is;
}

static void join(struct tale *tale, struct puppet *teller, size_t said, size_t count)
{
	say_gone(tale, teller, said);
	assert_int_equal(mesh_of(tale)->recovery.need, RECOVERY_JOIN);
	scene_pass(tale->scene, 1000);
	assert_true(puppet_count(teller, FRAME_SNAP_ASK) > 0);
	receive_part(tale, false, count);
	assert_int_equal(mesh_of(tale)->recovery.need, RECOVERY_NONE);
}

static void whoever_has_what_is_gone_is_asked_before_who_says_so(void **state)
{
	struct tale tale = begin();

	(void)state;
	stand_at(&tale, tale.two, tale.ends[1]);
	say_gone(&tale, tale.one, 2);
	scene_pass(tale.scene, 3000);
	assert_true(puppet_count(tale.two, FRAME_SNAP_ASK) > 0);
	assert_int_equal(puppet_count(tale.one, FRAME_SNAP_ASK), 0);
	/* Where it gives nothing the other one does. */
	scene_pass(tale.scene, 15000);
	assert_true(puppet_count(tale.one, FRAME_SNAP_ASK) > 0);
	scene_free(tale.scene);
}

/* Its author, and nobody else, has ever more that no member can ask for. */
static void what_its_author_alone_has_is_joined_for_ever_more_seldom(void **state)
{
	struct tale tale = begin();
	struct puppet *author = puppet_member(tale.real, 3);

	(void)state;
	join(&tale, author, 1, 1);
	scene_pass(tale.scene, 110000);
	assert_false(is_heard(&tale, author, 2));
	/* Nobody else suffers from it. */
	assert_true(is_heard(&tale, tale.one, 2));
	stand_at(&tale, tale.one, tale.ends[0]);
	scene_pass(tale.scene, 15000);
	join(&tale, author, 2, 2);
	scene_pass(tale.scene, 230000);
	assert_false(is_heard(&tale, author, 3));
	scene_pass(tale.scene, 15000);
	assert_true(is_heard(&tale, author, 3));
	scene_free(tale.scene);
}

static void what_joining_did_not_bring_is_joined_for_more_seldom(void **state)
{
	struct tale tale = begin();

	(void)state;
	merge(&tale, 1);
	join(&tale, tale.one, 3, 1);
	scene_pass(tale.scene, 110000);
	assert_false(is_heard(&tale, tale.one, 3));
	scene_pass(tale.scene, 15000);
	assert_true(is_heard(&tale, tale.one, 3));
	scene_free(tale.scene);
}

/* Others may have dropped it as well. */
static void whose_word_was_good_is_heard_again(void **state)
{
	struct tale tale = begin();

	(void)state;
	join(&tale, tale.one, 2, 2);
	scene_pass(tale.scene, 55000);
	assert_false(is_heard(&tale, tale.one, 3));
	scene_pass(tale.scene, 10000);
	assert_true(is_heard(&tale, tale.one, 3));
	scene_free(tale.scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_branch_that_everybody_had_is_not_had_with_a_longer_one),
		cmocka_unit_test(what_came_meanwhile_is_there),
		cmocka_unit_test(whoever_stands_elsewhere_on_a_closed_start_and_no_further_is_told),
		cmocka_unit_test(of_two_that_judge_each_other_old_neither_gives),
		cmocka_unit_test(what_a_donor_says_to_have_is_had_by_each_branch),
		cmocka_unit_test(a_state_that_lacks_what_everybody_had_is_not_taken),
		cmocka_unit_test(whoever_has_what_is_gone_is_asked_before_who_says_so),
		cmocka_unit_test(what_its_author_alone_has_is_joined_for_ever_more_seldom),
		cmocka_unit_test(what_joining_did_not_bring_is_joined_for_more_seldom),
		cmocka_unit_test(whose_word_was_good_is_heard_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
