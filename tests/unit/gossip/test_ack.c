/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

/* Acknowledgements: what is said to whom and when, and what those of others are worth. */

static struct stream own_stream(const struct real *real)
{
	return (struct stream){ real_mesh(real)->node, 1, LANE_PEOPLE };
}

static struct end own_end(const struct real *real)
{
	return *vector_find(&real_mesh(real)->vector, own_stream(real));
}

static uint32_t copies(const struct real *real, uint64_t seq)
{
	struct mesh *mesh = (struct mesh *)(uintptr_t)real_mesh(real);
	uint32_t found = 99;

	assert_int_equal(ack_copies(mesh, own_stream(real), seq, &found, NULL), OK);
	store_end(mesh->look);
	mesh->look = NULL;
	return found;
}

static void a_new_link_is_told_the_whole_vector(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two;
	struct chain chain = chain_of(scene, 1);

	(void)state;
	puppet_batch(one, chain_next(&chain, 2, 10));
	real_write(real, 10, 0);
	two = puppet_member(real, 2);
	assert_true(puppet_last(two, FRAME_INDEX)->index.is_whole);
	assert_true(puppet_heard_end(two, chain.stream, 2));
	assert_true(puppet_heard_end(two, own_stream(real), 1));
	scene_free(scene);
}

static void others_hear_within_a_second(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2);
	struct chain chain = chain_of(scene, 1);

	(void)state;
	scene_pass(scene, 100);
	puppet_forget(two);
	puppet_batch(one, chain_next(&chain, 1, 10));
	assert_int_equal(puppet_count(two, FRAME_ACK), 0);
	scene_pass(scene, 1000);
	assert_int_equal(puppet_count(two, FRAME_ACK), 1);
	assert_true(puppet_heard_end(two, chain.stream, 1));
	puppet_batch(one, chain_next(&chain, 1, 10));
	real_write(real, 10, 0);
	scene_pass(scene, 1000);
	assert_true(puppet_heard_end(two, chain.stream, 2));
	/* And nothing more when nothing more changed. */
	puppet_forget(two);
	scene_pass(scene, 5000);
	assert_in_range(puppet_count(two, FRAME_ACK), 0, 1);
	scene_free(scene);
}

/* Neither a batch that was not taken nor many streams at once keep the giver waiting. */
static void who_gave_a_batch_hears_with_the_commit(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1), chains[2 * ACK_GIVEN];
	struct bytes first = chain_next(&chain, 1, 10), second = chain_next(&chain, 1, 10);

	(void)state;
	puppet_batch(puppet, second);
	puppet_batch(puppet, first);
	assert_true(puppet_heard_end(puppet, chain.stream, 1));
	puppet_batch(puppet, second);
	assert_true(puppet_heard_end(puppet, chain.stream, 2));
	real->is_gathering = true;
	for (size_t i = 0; i < COUNT(chains); i++) {
		chains[i] = chain_of(scene, 1);
		chains[i].stream.start = 100 + i;
		puppet_batch(puppet, chain_next(&chains[i], 1, 10));
	}
	assert_int_equal(real_commit(real), OK);
	for (size_t i = 0; i < COUNT(chains); i++)
		assert_true(puppet_heard_end(puppet, chains[i].stream, 1));
	scene_free(scene);
}

enum { STREAMS = PUSH_STARTS * LANES };

/* One more batch of each, all in one commit. */
static void next_of_each(struct puppet *puppet, struct chain chains[STREAMS])
{
	puppet->to->is_gathering = true;
	for (size_t i = 0; i < STREAMS; i++)
		puppet_batch(puppet, chain_next(&chains[i], 1, 1));
	assert_int_equal(real_commit(puppet->to), OK);
	puppet->to->is_gathering = false;
}

/* As many changes as are kept in mind one by one, and more: no stream is left out. */
static void all_streams_are_told_however_often_they_change(void **state)
{
	static const size_t rounds[] = { 1, ACK_RECENT / STREAMS, ACK_RECENT / STREAMS + 1, 2 * ACK_RECENT / STREAMS };
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2);
	struct chain chains[STREAMS];

	(void)state;
	for (size_t i = 0; i < STREAMS; i++) {
		chains[i] = chain_of(scene, 1);
		chains[i].stream.start = 1 + i / LANES;
		chains[i].stream.lane = (enum lane)(i % LANES);
	}
	for (size_t k = 0; k < COUNT(rounds); k++) {
		puppet_forget(two);
		for (size_t i = 0; i < rounds[k]; i++)
			next_of_each(one, chains);
		scene_pass(scene, 1000);
		for (size_t i = 0; i < STREAMS; i++)
			assert_true(puppet_heard_end(two, chains[i].stream, chains[i].end.seq));
	}
	scene_free(scene);
}

/* A giver hears once of what it gave. */
static void what_was_said_to_a_giver_is_not_said_again(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2);
	struct chain mine = chain_of(scene, 1), other = chain_of(scene, 2), third = chain_of(scene, 1);
	struct frontier frontier = { 0 };
	struct reader list;

	(void)state;
	third.stream.start = 2;
	scene_pass(scene, 1000);
	real->is_gathering = true;
	puppet_batch(two, chain_next(&other, 1, 10));
	puppet_batch(one, chain_next(&mine, 1, 10));
	assert_int_equal(real_commit(real), OK);
	assert_true(puppet_heard_end(one, mine.stream, 1));
	puppet_forget(one);
	puppet_batch(one, chain_next(&third, 1, 10));
	assert_int_equal(real_commit(real), OK);
	list = puppet_last(one, FRAME_ACK)->ack.list;
	assert_true(frame_next_frontier(&list, &one->told, &frontier));
	assert_int_equal(frontier.stream.start, 2);
	assert_false(frame_next_frontier(&list, &one->told, &frontier));
	scene_free(scene);
}

static void copies_count_members_on_our_chain(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2), *three = puppet_member(real, 3);
	struct end first, end;

	(void)state;
	real_write(real, 10, 0);
	first = own_end(real);
	real_write(real, 10, 0);
	end = own_end(real);
	puppet_ack(one, own_stream(real), first);
	assert_int_equal(copies(real, 1), 1);
	assert_int_equal(copies(real, 2), 0);
	puppet_ack(two, own_stream(real), end);
	assert_int_equal(copies(real, 1), 2);
	assert_int_equal(copies(real, 2), 1);
	/* An end that is not on our chain, or that lies beyond it, is nobody's copy. */
	end.hash.bytes[0] ^= 1;
	puppet_ack(three, own_stream(real), end);
	first.hash.bytes[0] ^= 1;
	puppet_ack(one, own_stream(real), first);
	assert_int_equal(copies(real, 1), 1);
	end = own_end(real);
	end.seq = 1000;
	puppet_ack(three, own_stream(real), end);
	assert_int_equal(copies(real, 1), 1);
	assert_int_equal(copies(real, 2), 1);
	scene_free(scene);
}

static void an_acknowledgement_that_goes_back_holds(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct id disk;
	struct end first;

	(void)state;
	real_write(real, 10, 0);
	first = own_end(real);
	real_write(real, 10, 0);
	disk = real_disk(real);
	puppet_ack(puppet, own_stream(real), own_end(real));
	assert_int_equal(copies(real, 2), 1);
	puppet_ack(puppet, own_stream(real), first);
	assert_int_equal(copies(real, 2), 0);
	assert_int_equal(copies(real, 1), 1);
	puppet_ack(puppet, own_stream(real), (struct end){ 0 });
	assert_int_equal(copies(real, 1), 0);
	puppet_ignored(puppet, disk);
	scene_free(scene);
}

static void a_copy_of_who_is_evicted_is_none(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 2);
	struct bytes eviction = scene_evict(scene, 2, 0);

	(void)state;
	real_write(real, 10, 0);
	puppet_ack(puppet, own_stream(real), own_end(real));
	assert_int_equal(copies(real, 1), 1);
	real_bring(real, &eviction, 1);
	assert_int_equal(copies(real, 1), 0);
	scene_free(scene);
}

static void put_many(struct puppet *puppet, uint64_t from)
{
	struct frame_list list = frame_begin_frontiers(&puppet->frame, FRAME_ACK, false, false);

	for (uint64_t i = 0; i < FRAME_FRONTIERS_MAX; i++) {
		struct frontier frontier = { { 1 + from + i, 1, LANE_BULK }, { 1, { { 1 } } } };

		assert_true(frame_put_frontier(&list, &puppet->named, &frontier));
	}
	puppet_say(puppet);
}

static void more_streams_than_there_can_be_end_the_link(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct peer *peer = mesh_peer(real_mesh(real), scene_node(scene, 1));
	struct id disk = real_disk(real);
	uint64_t from = 0;

	(void)state;
	while (from + FRAME_FRONTIERS_MAX <= ACK_STREAMS_MAX) {
		put_many(puppet, from);
		from += FRAME_FRONTIERS_MAX;
	}
	assert_false(puppet->is_closed);
	put_many(puppet, from);
	puppet_refused(puppet, disk, "it named more than 65535 streams");
	assert_in_range(peer->acked.count, 1, ACK_STREAMS_MAX + FRAME_FRONTIERS_MAX);
	assert_in_range(real_mesh(real)->gaps.count, 0, ANTIENTROPY_GAPS);
	scene_free(scene);
}

/* Nor a frame for each commit while its window is full. */
static void who_takes_nothing_is_not_told_at_each_commit(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *stuck = puppet_member(real, 1), *busy = puppet_member(real, 2);
	struct chain chain = chain_of(scene, 2);

	(void)state;
	scene_pass(scene, 1100);
	for (int i = 0; i < 75; i++)
		real_write(real, 3900, 0);
	assert_true(real_mesh(real)->counts.window_full > 0);
	puppet_forget(stuck);
	for (int i = 0; i < 1000; i++) {
		puppet_batch(busy, chain_next(&chain, 1, 1));
		real_write(real, 1, 0);
		real_forget(real);
		puppet_forget(busy);
	}
	assert_int_equal(stuck->count, 0);
	scene_pass(scene, 1000);
	assert_in_range(puppet_count(stuck, FRAME_ACK), 1, 2);
	scene_free(scene);
}

static struct puppet *connect(struct real *real, uint32_t key)
{
	struct puppet *puppet = puppet_dial(real, &real->scene->keys[key], 1000 + key);

	puppet_agree(puppet);
	return puppet;
}

/* Its disk went back, and the next link broke before it had said all: that is found on the one after it. */
static void what_was_said_before_two_links_is_compared_too(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1), urgent = chain_of(scene, 1);
	struct vector vector = { 0 };
	struct end first;

	(void)state;
	urgent.stream.lane = LANE_URGENT;
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	first = chain.end;
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	puppet_batch(puppet, chain_next(&urgent, 1, 10));
	puppet_ack(puppet, chain.stream, chain.end);
	puppet_hang_up(puppet);
	puppet = connect(real, 1);
	puppet_ack(puppet, urgent.stream, urgent.end);
	puppet_hang_up(puppet);
	puppet = connect(real, 1);
	assert_int_equal(real_mesh(real)->counts.went_back, 0);
	vector_set(&vector, chain.stream, first);
	vector_set(&vector, urgent.stream, urgent.end);
	puppet_index(puppet, &vector, true);
	assert_int_equal(real_mesh(real)->counts.went_back, 1);
	/* Once is enough. */
	puppet_index(puppet, &vector, true);
	assert_int_equal(real_mesh(real)->counts.went_back, 1);
	vector_done(&vector);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_link_is_told_the_whole_vector),
		cmocka_unit_test(others_hear_within_a_second),
		cmocka_unit_test(who_gave_a_batch_hears_with_the_commit),
		cmocka_unit_test(all_streams_are_told_however_often_they_change),
		cmocka_unit_test(what_was_said_to_a_giver_is_not_said_again),
		cmocka_unit_test(copies_count_members_on_our_chain),
		cmocka_unit_test(an_acknowledgement_that_goes_back_holds),
		cmocka_unit_test(a_copy_of_who_is_evicted_is_none),
		cmocka_unit_test(more_streams_than_there_can_be_end_the_link),
		cmocka_unit_test(who_takes_nothing_is_not_told_at_each_commit),
		cmocka_unit_test(what_was_said_before_two_links_is_compared_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
