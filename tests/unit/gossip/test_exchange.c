/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/log.h"
#include "tests/unit/gossip/puppet.h"

/* What a member does first after a start: its disk may be older than what others have of it. */

enum { WRITTEN = 3 };

static const char *const just_started =
	"this server has just started, and asks the others for what they have of it: try again";

static struct stream own_stream(const struct real *real, enum lane lane)
{
	return (struct stream){ real_mesh(real)->node, 1, lane };
}

static uint64_t own_seq(const struct real *real)
{
	return vector_seq(&real_mesh(real)->vector, own_stream(real, LANE_PEOPLE));
}

static enum exchange_stage stage_of(const struct real *real)
{
	return real_mesh(real)->exchange.stage;
}

static bool is_refused(struct real *real)
{
	uint64_t number = real_write(real, 10, 0);
	const struct answered *answer = real_answer(real, number);

	assert_true(!answer->code || (answer->code == E_BUSY && !strcmp(answer->text, just_started)));
	return answer->code;
}

/* The member of key 0 wrote three batches, others have them, and then its disk was put back to the first. */
struct tale {
	struct scene *scene;
	struct real *real;
	struct bytes wholes[WRITTEN], fronts[WRITTEN];
};

static struct bytes front_of(struct scene *scene, struct bytes whole)
{
	struct batch batch;

	assert_int_equal(batch_read(whole, &batch, NULL), OK);
	return arena_copy(&scene->arena, batch_front(&batch));
}

static struct tale tale_of(uint32_t members)
{
	struct tale tale = { .scene = scene_new(members) };
	struct mem_disk *copy = NULL;
	struct puppet *puppet;

	tale.real = real_boot(tale.scene, 0);
	puppet = puppet_member(tale.real, 1);
	for (size_t i = 0; i < WRITTEN; i++) {
		real_write(tale.real, 10, 0);
		tale.wholes[i] = arena_copy(&tale.scene->arena, puppet_last(puppet, FRAME_BATCH)->batch);
		tale.fronts[i] = front_of(tale.scene, tale.wholes[i]);
		if (!copy)
			copy = mem_disk_clone(tale.scene->disks[0]);
	}
	real_end(tale.real);
	mem_disk_restore(tale.scene->disks[0], copy);
	mem_disk_free(copy);
	tale.real = real_boot(tale.scene, 0);
	assert_int_equal(own_seq(tale.real), 1);
	return tale;
}

/* A member that agrees and has not yet said anything else. */
static struct puppet *silent(struct real *real, uint32_t key)
{
	struct puppet *puppet = puppet_dial(real, &real->scene->keys[key], 2000 + key);

	puppet_agree(puppet);
	return puppet;
}

static bool asks_for_own(const struct puppet *puppet, const struct real *real, uint64_t after, uint64_t until)
{
	struct reader list = puppet_last(puppet, FRAME_WANT)->wants;
	struct stream own = own_stream(real, LANE_PEOPLE);
	struct want want;

	while (frame_next_want(&list, &want))
		if (!stream_compare(&want.stream, &own))
			return want.after == after && want.until == until;
	return false;
}

/* --- Own lanes first. */

static void own_lanes_come_before_all_else(void **state)
{
	struct tale tale = tale_of(3);
	struct real *real = tale.real;
	struct puppet *puppet = silent(real, 1);
	struct chain chain = chain_of(tale.scene, 2);
	struct bytes whole = chain_next(&chain, 1, 10);

	(void)state;
	puppet_batch(puppet, whole);
	puppet_index(puppet, NULL, true);
	assert_int_equal(stage_of(real), EXCHANGE_OWN);
	puppet_fronts(puppet, &tale.fronts[2], 1);
	assert_true(asks_for_own(puppet, real, 1, 3));
	puppet_batch(puppet, whole);
	assert_int_equal(real_mesh(real)->counts.too_early, 2);
	assert_int_equal(vector_seq(&real_mesh(real)->vector, chain.stream), 0);
	assert_true(is_refused(real));
	puppet_batch(puppet, tale.wholes[1]);
	assert_int_equal(own_seq(real), 2);
	assert_int_equal(stage_of(real), EXCHANGE_OWN);
	assert_true(is_refused(real));
	puppet_forget(puppet);
	puppet_batch(puppet, tale.wholes[2]);
	assert_int_equal(own_seq(real), 3);
	assert_true(stage_of(real) > EXCHANGE_OWN);
	/* What came too early is asked for. */
	assert_int_equal(puppet_count(puppet, FRAME_INDEX), 1);
	puppet_batch(puppet, whole);
	assert_int_equal(vector_seq(&real_mesh(real)->vector, chain.stream), 1);
	assert_false(is_refused(real));
	assert_int_equal(own_seq(real), 4);
	assert_false(closed_is(real_mesh(real), real_mesh(real)->node, 1));
	assert_int_equal(real_mesh(real)->counts.own_followed, 2);
	real_check(real);
	scene_free(tale.scene);
}

static void who_has_nothing_newer_of_it_lets_it_go_on(void **state)
{
	struct tale tale = tale_of(2);
	struct puppet *puppet = silent(tale.real, 1);

	(void)state;
	assert_true(is_refused(tale.real));
	puppet_fronts(puppet, &tale.fronts[0], 1);
	assert_int_equal(stage_of(tale.real), EXCHANGE_URGENT);
	assert_false(is_refused(tale.real));
	scene_free(tale.scene);
}

/* What one has shown is there, whoever else has not got it. */
static void who_knows_less_takes_back_nothing(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 4; round++) {
		struct tale tale = tale_of(3);
		struct puppet *one = silent(tale.real, 1), *two = silent(tale.real, 2);

		puppet_fronts(one, &tale.fronts[2], 1);
		puppet_fronts(two, &tale.fronts[1], round / 2);
		if (round % 2)
			puppet_hang_up(one);
		scene_pass(tale.scene, 3000);
		assert_int_equal(stage_of(tale.real), EXCHANGE_OWN);
		assert_true(is_refused(tale.real));
		/* Whoever has it may bring it. */
		puppet_batch(two, tale.wholes[1]);
		assert_int_equal(stage_of(tale.real), EXCHANGE_OWN);
		puppet_batch(two, tale.wholes[2]);
		scene_pass(tale.scene, 3000);
		assert_true(stage_of(tale.real) > EXCHANGE_OWN);
		assert_false(is_refused(tale.real));
		assert_int_equal(own_seq(tale.real), 4);
		scene_free(tale.scene);
	}
}

static void what_does_not_come_is_asked_for_again(void **state)
{
	struct tale tale = tale_of(2);
	struct puppet *puppet = silent(tale.real, 1);

	(void)state;
	puppet_fronts(puppet, &tale.fronts[2], 1);
	assert_int_equal(puppet_count(puppet, FRAME_WANT), 1);
	puppet_forget(puppet);
	scene_pass(tale.scene, 3500);
	assert_in_range(puppet_count(puppet, FRAME_WANT), 1, 2);
	assert_true(asks_for_own(puppet, tale.real, 1, 3));
	puppet_batch(puppet, tale.wholes[1]);
	puppet_forget(puppet);
	scene_pass(tale.scene, 3500);
	assert_true(asks_for_own(puppet, tale.real, 2, 3));
	scene_free(tale.scene);
}

/* And of one that says it has it, whoever showed it first. */
static void who_has_it_is_asked(void **state)
{
	struct tale tale = tale_of(6);
	struct puppet *others[4], *holder;
	struct vector vector = { 0 };
	struct batch last;

	(void)state;
	for (uint32_t i = 0; i < COUNT(others); i++)
		others[i] = silent(tale.real, 2 + i);
	holder = silent(tale.real, 1);
	assert_int_equal(batch_read(tale.wholes[2], &last, NULL), OK);
	vector_set(&vector, last.stream, last.end);
	puppet_fronts(others[0], &tale.fronts[2], 1);
	puppet_index(holder, &vector, true);
	assert_int_equal(puppet_count(holder, FRAME_WANT), 0);
	puppet_forget(others[0]);
	scene_pass(tale.scene, 13000);
	assert_in_range(puppet_count(holder, FRAME_WANT), 4, 7);
	assert_true(asks_for_own(holder, tale.real, 1, 3));
	for (size_t i = 0; i < COUNT(others); i++)
		assert_int_equal(puppet_count(others[i], FRAME_WANT), 0);
	vector_done(&vector);
	scene_free(tale.scene);
}

/* A member that shows and never brings holds it up no longer than one that says nothing. */
static void who_withholds_holds_it_up_for_20_s(void **state)
{
	struct tale tale = tale_of(2);
	struct puppet *puppet = silent(tale.real, 1);

	(void)state;
	puppet_fronts(puppet, &tale.fronts[2], 1);
	scene_pass(tale.scene, 19000);
	assert_true(is_refused(tale.real));
	scene_pass(tale.scene, 2500);
	assert_true(tale.real->alarms_count > 0);
	assert_int_equal(real_mesh(tale.real)->counts.exchange_stale, 1);
	assert_false(is_refused(tale.real));
	scene_free(tale.scene);
}

/* --- Fronts that are none. */

static void assert_fronts_refused(struct tale *tale, struct puppet *puppet, const struct bytes *fronts, size_t count)
{
	struct id disk = real_disk(tale->real);

	puppet_fronts(puppet, fronts, count);
	puppet_refused(puppet, disk, "it showed a batch as this server's own that is none");
	assert_int_equal(stage_of(tale->real), EXCHANGE_OWN);
	assert_true(is_refused(tale->real));
}

static void nobody_else_writes_in_its_name(void **state)
{
	struct tale tale = tale_of(3);
	struct chain forged = chain_of(tale.scene, 0), foreign = chain_of(tale.scene, 2),
		     other = chain_of(tale.scene, 0);
	struct bytes fronts[2] = { tale.fronts[0] };

	(void)state;
	forged.signer = tale.scene->keys[2];
	fronts[1] = front_of(tale.scene, chain_next(&forged, 1, 10));
	assert_fronts_refused(&tale, silent(tale.real, 1), fronts, 2);
	assert_fronts_refused(&tale, silent(tale.real, 1), &fronts[1], 1);
	fronts[1] = front_of(tale.scene, chain_next(&foreign, 1, 10));
	assert_fronts_refused(&tale, silent(tale.real, 1), fronts, 2);
	tale.scene->cluster.bytes[0] ^= 1;
	fronts[1] = front_of(tale.scene, chain_next(&other, 1, 10));
	tale.scene->cluster.bytes[0] ^= 1;
	assert_fronts_refused(&tale, silent(tale.real, 1), fronts, 2);
	scene_free(tale.scene);
}

static void what_is_no_front_ends_the_link(void **state)
{
	struct tale tale = tale_of(2);
	struct puppet *puppet = silent(tale.real, 1);
	struct bytes rubbish = bytes_text("rubbish");

	(void)state;
	puppet_fronts(puppet, &rubbish, 1);
	assert_true(puppet_was_told(puppet, BYE_BROKE));
	assert_int_equal(stage_of(tale.real), EXCHANGE_OWN);
	scene_free(tale.scene);
}

/* --- Nobody answers. */

static void after_20_s_alone_it_goes_on_with_what_its_disk_says(void **state)
{
	struct tale tale = tale_of(3);
	const struct mesh *mesh = real_mesh(tale.real);
	struct puppet *puppet;
	struct chain chain = chain_of(tale.scene, 2);

	(void)state;
	scene_pass(tale.scene, 19000);
	assert_true(is_refused(tale.real));
	assert_false(exchange_may_serve(mesh));
	assert_int_equal(tale.real->alarms_count, 0);
	scene_pass(tale.scene, 2000);
	assert_true(real_has_alarm(tale.real,
				   "stale start: no other member answered, and this one goes on with what its disk "
				   "says; evict members that will not return"));
	assert_false(is_refused(tale.real));
	assert_true(exchange_may_serve(mesh));
	assert_false(exchange_may_give(mesh));
	assert_false(exchange_is_whole(mesh));
	/* Once. */
	scene_pass(tale.scene, 30000);
	assert_int_equal(mesh->counts.exchange_stale, 1);
	puppet = silent(tale.real, 1);
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	assert_int_equal(vector_seq(&mesh->vector, chain.stream), 1);
	scene_free(tale.scene);
}

static void alone_in_its_cluster_it_asks_nobody(void **state)
{
	struct scene *scene = scene_new(1);
	struct real *real = real_boot(scene, 0);

	(void)state;
	real_write(real, 10, 0);
	real_end(real);
	real = real_boot(scene, 0);
	assert_false(is_refused(real));
	assert_int_equal(own_seq(real), 2);
	assert_true(exchange_is_whole(real_mesh(real)));
	assert_true(exchange_may_give(real_mesh(real)));
	scene_free(scene);
}

/* --- Then what is urgent, then the rest. */

static void what_is_urgent_comes_next_and_then_the_rest(void **state)
{
	struct tale tale = tale_of(3);
	const struct mesh *mesh = real_mesh(tale.real);
	struct puppet *puppet = silent(tale.real, 1);
	struct chain urgent = chain_of(tale.scene, 2), people = chain_of(tale.scene, 2);
	struct vector none = { 0 }, vector = { 0 };
	struct bytes row, whole = chain_next(&people, 1, 10);
	uint64_t strict;

	(void)state;
	urgent.stream.lane = LANE_URGENT;
	row = chain_row(&urgent, 1, 7, &none);
	vector_set(&vector, urgent.stream, urgent.end);
	vector_set(&vector, people.stream, people.end);
	puppet_fronts(puppet, NULL, 0);
	strict = real_await(tale.real, bytes_of(NULL, 0), true);
	puppet_index(puppet, &vector, true);
	assert_int_equal(stage_of(tale.real), EXCHANGE_URGENT);
	assert_false(exchange_may_give(mesh) || exchange_may_serve(mesh));
	assert_false(is_refused(tale.real));
	puppet_batch(puppet, row);
	assert_int_equal(stage_of(tale.real), EXCHANGE_REST);
	assert_true(exchange_may_give(mesh) && exchange_may_serve(mesh));
	assert_false(exchange_is_whole(mesh));
	assert_null(real_answer(tale.real, strict));
	puppet_batch(puppet, whole);
	assert_int_equal(stage_of(tale.real), EXCHANGE_DONE);
	assert_true(exchange_is_whole(mesh));
	assert_int_equal(real_answer(tale.real, strict)->code, OK);
	vector_done(&vector);
	scene_free(tale.scene);
}

/* What one showed and never brought is not waited for when another one shows less. */
static void another_member_stands_in_for_one_that_went_away(void **state)
{
	struct tale tale = tale_of(4);
	struct puppet *one = silent(tale.real, 1), *two;
	struct chain people = chain_of(tale.scene, 3);
	struct vector vector = { 0 };

	(void)state;
	chain_next(&people, 1, 10);
	vector_set(&vector, people.stream, people.end);
	puppet_fronts(one, NULL, 0);
	puppet_index(one, &vector, true);
	assert_int_equal(stage_of(tale.real), EXCHANGE_REST);
	two = puppet_member(tale.real, 2);
	assert_int_equal(stage_of(tale.real), EXCHANGE_REST);
	puppet_hang_up(one);
	scene_pass(tale.scene, 2000);
	puppet_index(two, NULL, true);
	assert_int_equal(stage_of(tale.real), EXCHANGE_DONE);
	vector_done(&vector);
	scene_free(tale.scene);
}

/* --- What it tells others. */

static void a_peer_is_shown_where_its_own_streams_end(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1), other = chain_of(scene, 2);
	struct bytes front, whole;
	struct reader list = puppet_last(puppet, FRAME_FRONTS)->fronts;

	(void)state;
	assert_false(frame_next_front(&list, &front));
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	whole = chain_next(&chain, 1, 10);
	puppet_batch(puppet, whole);
	puppet_batch(puppet, chain_next(&other, 1, 10));
	puppet_hang_up(puppet);
	puppet = puppet_member(real, 1);
	assert_int_equal(puppet_count(puppet, FRAME_FRONTS), 1);
	list = puppet_last(puppet, FRAME_FRONTS)->fronts;
	assert_true(frame_next_front(&list, &front));
	assert_true(bytes_equal(front, front_of(scene, whole)));
	assert_false(frame_next_front(&list, &front));
	scene_free(scene);
}

/* Two real members: the one whose disk was put back gets back what it wrote, and they agree. */
static void an_old_disk_gets_back_what_it_wrote(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1);
	struct wire *wire = scene_meet(scene, a, b);
	struct mem_disk *copy;

	(void)state;
	scene_pass(scene, 2000);
	real_write(a, 10, 0);
	copy = mem_disk_clone(scene->disks[0]);
	for (int i = 0; i < 5; i++)
		real_write(a, 10, 0);
	scene_pass(scene, 1000);
	scene_cut(wire);
	real_end(a);
	mem_disk_restore(scene->disks[0], copy);
	mem_disk_free(copy);
	a = real_boot(scene, 0);
	assert_true(is_refused(a));
	scene_meet(scene, a, b);
	scene_pass(scene, 3000);
	assert_int_equal(own_seq(a), 6);
	assert_false(is_refused(a));
	scene_pass(scene, 3000);
	assert_int_equal(own_seq(a), 7);
	assert_int_equal(stage_of(a), EXCHANGE_DONE);
	assert_true(vector_equal(&real_mesh(a)->vector, &real_mesh(b)->vector));
	assert_int_equal(real_mesh(a)->proofs.count + real_mesh(b)->proofs.count, 0);
	real_check(a);
	real_check(b);
	scene_free(scene);
}

/* --- A commit that fails. */

static void what_a_full_disk_lost_is_still_lacking(void **state)
{
	struct tale tale = tale_of(2);
	struct puppet *puppet = silent(tale.real, 1);

	(void)state;
	puppet_fronts(puppet, &tale.fronts[1], 1);
	mem_disk_full_at(tale.real->disk, 1);
	puppet_batch(puppet, tale.wholes[1]);
	mem_disk_full_at(tale.real->disk, 0);
	assert_int_equal(real_mesh(tale.real)->counts.commit_failed, 1);
	assert_int_equal(own_seq(tale.real), 1);
	assert_int_equal(stage_of(tale.real), EXCHANGE_OWN);
	assert_true(is_refused(tale.real));
	puppet_batch(puppet, tale.wholes[1]);
	assert_false(is_refused(tale.real));
	assert_int_equal(own_seq(tale.real), 3);
	real_check(tale.real);
	scene_free(tale.scene);
}

/* --- Stories. */

/* The disk is older than an eviction and its row; the statement comes first, and the row must not take a used seq. */
static void no_row_is_written_before_the_own_lanes_are_in(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct bytes eviction = scene_evict(scene, 2, 0), whole, front;
	struct mem_disk *copy = mem_disk_clone(scene->disks[0]);

	(void)state;
	real_bring(real, &eviction, 1);
	whole = arena_copy(&scene->arena, puppet_last(puppet, FRAME_BATCH)->batch);
	front = front_of(scene, whole);
	real_end(real);
	mem_disk_restore(scene->disks[0], copy);
	mem_disk_free(copy);
	real = real_boot(scene, 0);
	puppet = silent(real, 1);
	puppet_statements(puppet, &eviction, 1);
	assert_true(members_find(real_mesh(real)->t0.members, scene_node(scene, 2))->is_evicted);
	scene_pass(scene, 3000);
	assert_int_equal(real_mesh(real)->counts.row, 0);
	assert_int_equal(vector_seq(&real_mesh(real)->vector, own_stream(real, LANE_URGENT)), 0);
	puppet_agree(puppet);
	puppet_fronts(puppet, &front, 1);
	assert_int_equal(real_mesh(real)->counts.row, 0);
	puppet_batch(puppet, whole);
	/* The row of old says it. */
	assert_int_equal(real_mesh(real)->counts.row, 0);
	assert_int_equal(vector_seq(&real_mesh(real)->vector, own_stream(real, LANE_URGENT)), 1);
	assert_false(is_refused(real));
	assert_int_equal(real_mesh(real)->proofs.count, 0);
	real_check(real);
	scene_free(scene);
}

/* What is left of the member's own batches, so that nothing can be proven by them. */
static void shrink_own(struct real *real)
{
	struct log_place from = { 0 };
	struct store_txn *txn;
	struct logged logged;

	assert_int_equal(store_begin(real->store, &txn, NULL), OK);
	while (!log_after(txn, own_stream(real, LANE_PEOPLE), from, &logged, NULL)) {
		from = log_place_of(&logged);
		assert_int_equal(log_shrink(txn, &logged, LOG_FOOTPRINT, NULL), OK);
	}
	assert_int_equal(store_commit(txn, NULL), OK);
}

/* Put back, and alone for so long that it wrote its seqs again: then it is shown what it cannot place. */
static void what_cannot_be_placed_closes_the_own_start(void **state)
{
	(void)state;
	for (int is_shrunk = 0; is_shrunk < 2; is_shrunk++) {
		struct tale tale = tale_of(2);
		const struct mesh *mesh = real_mesh(tale.real);
		struct puppet *puppet;
		struct stream next = own_stream(tale.real, LANE_PEOPLE);

		scene_pass(tale.scene, 21000);
		assert_false(is_refused(tale.real));
		assert_int_equal(own_seq(tale.real), 2);
		if (is_shrunk)
			shrink_own(tale.real);
		puppet = silent(tale.real, 1);
		puppet_forget(puppet);
		puppet_fronts(puppet, &tale.fronts[1], 1);
		assert_false(puppet->is_closed);
		assert_true(closed_is(mesh, mesh->node, 1));
		assert_int_equal(mesh->counts.fork, !is_shrunk);
		assert_int_equal(mesh->counts.unplaced, is_shrunk);
		assert_int_equal(mesh->counts.proof_own, is_shrunk);
		assert_int_equal(mesh->counts.own_start, 1);
		assert_int_equal(puppet_count(puppet, FRAME_PROOFS), 1);
		next.start = mesh->author.start;
		assert_true(next.start > 1 && next.start < UINT64_C(1) << 48);
		assert_int_equal(own_seq(tale.real), 2);
		assert_false(is_refused(tale.real));
		assert_int_equal(own_seq(tale.real), 2);
		assert_int_equal(vector_seq(&mesh->vector, next), 1);
		next.lane = LANE_URGENT;
		assert_int_equal(vector_seq(&mesh->vector, next), 1);
		assert_int_equal(mesh->counts.row, 1);
		if (!is_shrunk)
			real_check(tale.real);
		scene_free(tale.scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_lanes_come_before_all_else),
		cmocka_unit_test(who_has_nothing_newer_of_it_lets_it_go_on),
		cmocka_unit_test(who_knows_less_takes_back_nothing),
		cmocka_unit_test(what_does_not_come_is_asked_for_again),
		cmocka_unit_test(who_has_it_is_asked),
		cmocka_unit_test(who_withholds_holds_it_up_for_20_s),
		cmocka_unit_test(nobody_else_writes_in_its_name),
		cmocka_unit_test(what_is_no_front_ends_the_link),
		cmocka_unit_test(after_20_s_alone_it_goes_on_with_what_its_disk_says),
		cmocka_unit_test(alone_in_its_cluster_it_asks_nobody),
		cmocka_unit_test(what_is_urgent_comes_next_and_then_the_rest),
		cmocka_unit_test(another_member_stands_in_for_one_that_went_away),
		cmocka_unit_test(a_peer_is_shown_where_its_own_streams_end),
		cmocka_unit_test(an_old_disk_gets_back_what_it_wrote),
		cmocka_unit_test(what_a_full_disk_lost_is_still_lacking),
		cmocka_unit_test(no_row_is_written_before_the_own_lanes_are_in),
		cmocka_unit_test(what_cannot_be_placed_closes_the_own_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
