/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

#include "crdt/model/pack.h"

/* What one member, or one mishap, can do to two others: what people write goes on to arrive, and in time. */

static struct stream people_of(const struct real *real)
{
	return (struct stream){ real_mesh(real)->node, 1, LANE_PEOPLE };
}

/* The server writes a row of its own, which goes as bulk. */
static void write_presence(struct real *real)
{
	uint8_t room[200];
	struct presence_row row = { .is_online = true };
	struct buf map = buf_over(room, sizeof room);
	struct change change = { .what = CHANGE_CREATE, .kind = KIND_presence };
	struct node_event event = { .kind = EVENT_WRITE,
				    .write = { .number = ++real->scene->requests,
					       .asker = { .writes = BY_MEMBER },
					       .changes = &change,
					       .count = 1 } };

	rng_fill(&real->scene->rng, row.device.bytes, sizeof row.device.bytes);
	row.has = BIT(AT_presence_device) | BIT(AT_presence_is_online);
	pack_write(&KIND_TABLE(presence)->shape, &row, &map);
	change.map = buf_bytes(&map);
	real_event(real, &event);
	assert_int_equal(real_answer(real, event.write.number)->code, OK);
}

/*
 * Ten minutes of own rows, so often that the link is never without an acknowledgement, and of writes every so many
 * seconds. For how many seconds one of them was late.
 */
static size_t goes_on(struct scene *scene, struct real *a, struct real *b, int write_s)
{
	uint64_t before = vector_seq(&real_mesh(a)->vector, people_of(a)), seq = before;
	size_t late = 0;

	for (int at = 0; at < 600; at++) {
		if (at % write_s == 0)
			real_write(a, 10, 0);
		if (at % 5 == 0)
			write_presence(a);
		scene_pass(scene, 1000);
		real_forget(a);
		real_forget(b);
		seq = vector_seq(&real_mesh(a)->vector, people_of(a));
		late += vector_seq(&real_mesh(b)->vector, people_of(a)) != seq;
	}
	assert_int_equal(seq - before, 600 / write_s);
	assert_int_equal(vector_seq(&real_mesh(b)->vector, people_of(a)), seq);
	real_check(a);
	real_check(b);
	return late;
}

/* Also where something newer is always on its way. */
static void a_lane_that_met_a_full_disk_goes_on(void **state)
{
	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		struct scene *scene = scene_new(2);
		struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1);
		struct wire *wire = scene_meet(scene, a, b);

		scene_pass(scene, 3000);
		real_write(a, 10, 0);
		scene_pass(scene, 3000);
		mem_disk_full_at(b->disk, 1);
		real_write(a, 10, 0);
		scene_carry(scene);
		mem_disk_full_at(b->disk, 0);
		assert_int_equal(real_mesh(b)->counts.commit_failed, 1);
		assert_int_equal(vector_seq(&real_mesh(b)->vector, people_of(a)), 1);
		assert_in_range(goes_on(scene, a, b, turn ? 1 : 60), 1, 15);
		assert_false(wire->is_closed[0]);
		scene_free(scene);
	}
}

/* One side has much of a member that the other side takes nothing of, and asks for it without end. */
static void what_an_evicted_member_wrote_holds_up_nobody(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1);
	struct puppet *gone = puppet_member(a, 2);
	struct chain chain = chain_of(scene, 2);
	struct bytes eviction = scene_evict(scene, 2, 0);

	(void)state;
	for (int i = 0; i < 20; i++)
		puppet_batch(gone, chain_next(&chain, 10, 400));
	real_bring(a, &eviction, 1);
	real_bring(b, &eviction, 1);
	scene_meet(scene, a, b);
	scene_pass(scene, 5000);
	assert_int_equal(goes_on(scene, a, b, 6), 0);
	/* It is sent once, since a row says that it counts, and not again and again. */
	assert_int_equal(real_mesh(a)->counts.wanted, 20);
	assert_int_equal(real_mesh(b)->counts.let_in, 20);
	assert_true(vector_equal(&real_mesh(a)->vector, &real_mesh(b)->vector));
	scene_free(scene);
}

static void two_histories_of_a_member_hold_up_nobody(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1);
	struct puppet *to_a = puppet_member(a, 2), *to_b = puppet_member(b, 2);
	struct chain one = chain_of(scene, 2), other = chain_of(scene, 2);

	(void)state;
	/* More than a window is of the one. */
	for (int i = 0; i < 80; i++)
		puppet_batch(to_a, chain_next(&one, 10, 400));
	assert_true(80 * 10 * 400 > PUSH_WINDOW);
	puppet_batch(to_b, chain_next(&other, 10, 399));
	puppet_hang_up(to_a);
	puppet_hang_up(to_b);
	scene_meet(scene, a, b);
	scene_pass(scene, 5000);
	assert_true(real_mesh(b)->counts.fork + real_mesh(a)->counts.fork > 0);
	assert_int_equal(goes_on(scene, a, b, 6), 0);
	scene_free(scene);
}

/* As many streams as a member may have, from this start on. */
static void begin_streams(struct real *real, uint32_t key, uint64_t start)
{
	struct puppet *puppet = puppet_member(real, key);

	for (uint64_t i = 0; i < PUSH_STARTS * LANES; i++) {
		struct chain chain = chain_of(real->scene, key);

		chain.stream.start = start + i;
		puppet_batch(puppet, chain_next(&chain, 1, 1));
		puppet_forget(puppet);
	}
	puppet_hang_up(puppet);
}

/* Two members began others here than there, more in all than may be missed of one peer: neither side takes them all. */
static void streams_that_are_not_taken_keep_out_nothing(void **state)
{
	struct scene *scene = scene_new(5);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 3);
	struct chain chain = chain_of(scene, 4);
	struct puppet *puppet;

	(void)state;
	assert_true(2 * PUSH_STARTS * LANES > ANTIENTROPY_SHARE);
	for (uint32_t key = 1; key <= 2; key++) {
		begin_streams(a, key, 1000);
		begin_streams(b, key, 2000);
	}
	scene_meet(scene, a, b);
	scene_pass(scene, 20000);
	puppet = puppet_member(b, 4);
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	puppet_hang_up(puppet);
	scene_pass(scene, 20000);
	assert_int_equal(vector_seq(&real_mesh(a)->vector, chain.stream), 1);
	/* And of those nothing is sent in vain. */
	assert_int_equal(real_mesh(a)->counts.unknown_author, 0);
	assert_int_equal(real_mesh(a)->gaps.count, 0);
	scene_free(scene);
}

/* What somebody has of an evicted member's may count: it is asked for until it waits here. */
static void what_an_evicted_member_wrote_is_asked_for_until_it_waits(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 2);
	struct bytes eviction = scene_evict(scene, 2, 0), whole = chain_next(&chain, 1, 10);

	(void)state;
	puppet_ack(puppet, chain.stream, chain.end);
	scene_pass(scene, 3000);
	assert_int_equal(puppet_count(puppet, FRAME_WANT), 1);
	real_bring(real, &eviction, 1);
	puppet_agree(puppet);
	puppet_forget(puppet);
	scene_pass(scene, 30000);
	assert_int_equal(puppet_count(puppet, FRAME_WANT), 6);
	assert_int_equal(real_mesh(real)->gaps.count, 1);
	puppet_batch(puppet, whole);
	puppet_forget(puppet);
	scene_pass(scene, 30000);
	assert_int_equal(puppet_count(puppet, FRAME_WANT), 0);
	assert_int_equal(real_mesh(real)->gaps.count, 0);
	assert_int_equal(real_mesh(real)->counts.waiting, 1);
	assert_int_equal(vector_seq(&real_mesh(real)->vector, chain.stream), 0);
	scene_free(scene);
}

/* It was not there when the others were told, and learns of it from whomever it meets. */
static void who_was_evicted_learns_it_and_stops(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1), *c = real_boot(scene, 2);
	struct bytes eviction = scene_evict(scene, 1, 0);
	struct wire *wire;
	uint64_t number;

	(void)state;
	wire = scene_meet(scene, a, b);
	scene_meet(scene, a, c);
	scene_pass(scene, 5000);
	scene_cut(wire);
	real_bring(a, &eviction, 1);
	scene_pass(scene, 2000);
	number = real_write(b, 10, 0);
	assert_int_equal(real_answer(b, number)->code, OK);
	wire = scene_meet(scene, b, c);
	scene_carry(scene);
	assert_true(wire->is_closed[0] && wire->is_closed[1]);
	assert_true(real_mesh(b)->is_evicted);
	assert_true(
		real_has_alarm(b, "this server was evicted from the cluster: it serves and writes nothing any more"));
	number = real_write(b, 10, 0);
	assert_string_equal(real_answer(b, number)->text, "this server was evicted from the cluster: ask another one");
	assert_int_equal(vector_seq(&real_mesh(c)->vector, people_of(b)), 0);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lane_that_met_a_full_disk_goes_on),
		cmocka_unit_test(what_an_evicted_member_wrote_holds_up_nobody),
		cmocka_unit_test(two_histories_of_a_member_hold_up_nobody),
		cmocka_unit_test(streams_that_are_not_taken_keep_out_nothing),
		cmocka_unit_test(what_an_evicted_member_wrote_is_asked_for_until_it_waits),
		cmocka_unit_test(who_was_evicted_learns_it_and_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
