/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/log.h"
#include "tests/unit/gossip/puppet.h"

static void what_is_wanted_comes_from_the_log(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2);
	struct chain chain = chain_of(scene, 1);
	struct bytes wholes[3];

	(void)state;
	for (size_t i = 0; i < COUNT(wholes); i++) {
		wholes[i] = chain_next(&chain, 1, 10);
		puppet_batch(one, wholes[i]);
	}
	puppet_forget(two);
	puppet_want(two, chain.stream, 1, 3);
	assert_int_equal(puppet_count(two, FRAME_BATCH), 2);
	assert_true(bytes_equal(puppet_last(two, FRAME_BATCH)->batch, wholes[2]));
	assert_int_equal(puppet_count(two, FRAME_GONE), 0);
	scene_free(scene);
}

static void what_is_wanted_of_several_streams_is_of_each(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2);
	struct chain chains[2] = { chain_of(scene, 1), chain_of(scene, 1) };
	struct frame_list list = frame_begin_wants(&two->frame);
	struct bytes wholes[2];

	(void)state;
	for (uint64_t i = 0; i < COUNT(wholes); i++) {
		struct want want = { chains[i].stream, 0, 1 };

		want.stream.start = chains[i].stream.start = 1 + i;
		wholes[i] = chain_next(&chains[i], 1, 10);
		puppet_batch(one, wholes[i]);
		assert_true(frame_put_want(&list, &want));
	}
	puppet_say(two);
	assert_int_equal(puppet_count(two, FRAME_BATCH), 2);
	for (size_t i = 0, k = 0; i < two->count; i++)
		if (two->heard[i].frame.kind == FRAME_BATCH)
			assert_true(bytes_equal(two->heard[i].frame.batch, wholes[k++]));
	scene_free(scene);
}

/* What a log that is short of room leaves of them. */
static void shrink_batches(struct real *real, const struct chain *chain)
{
	struct log_place from = { 0 };
	struct store_txn *txn;
	struct logged logged;

	assert_int_equal(store_begin(real->store, &txn, NULL), OK);
	while (!log_after(txn, chain->stream, from, &logged, NULL)) {
		from = log_place_of(&logged);
		assert_int_equal(log_shrink(txn, &logged, LOG_HEADER, NULL), OK);
	}
	assert_int_equal(store_commit(txn, NULL), OK);
}

static void who_wants_what_is_gone_is_told_once(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 2);
	struct reader list;
	struct stream stream;

	(void)state;
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	shrink_batches(real, &chain);
	puppet_want(puppet, chain.stream, 0, UINT64_MAX);
	assert_int_equal(puppet_count(puppet, FRAME_GONE), 1);
	list = puppet_last(puppet, FRAME_GONE)->gone;
	assert_true(frame_next_gone(&list, &stream));
	assert_int_equal(stream_compare(&stream, &chain.stream), 0);
	puppet_forget(puppet);
	scene_pass(scene, 3000);
	assert_int_equal(puppet_count(puppet, FRAME_GONE), 0);
	scene_free(scene);
}

static void what_we_never_had_is_not_gone(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 2);
	struct id disk = real_disk(real);

	(void)state;
	puppet_forget(puppet);
	puppet_want(puppet, chain.stream, 0, UINT64_MAX);
	assert_int_equal(puppet->count, 0);
	puppet_ignored(puppet, disk);
	scene_free(scene);
}

/* A whole frame of wants, again and again, is kept once. */
static void endless_wants_are_bounded(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct link *link = link_find(real_mesh(real), puppet->number);

	(void)state;
	real->is_gathering = true;
	for (uint64_t round = 0; round < 4; round++) {
		struct frame_list list = frame_begin_wants(&puppet->frame);

		for (uint64_t i = 0; i < FRAME_WANTS_MAX; i++) {
			struct want want = { { 1 + i + round * 1000, 1, LANE_BULK }, 0, 9 };

			assert_true(frame_put_want(&list, &want));
		}
		puppet_say(puppet);
		assert_int_equal(link->flow.wants_count, FRAME_WANTS_MAX);
	}
	assert_int_equal(real_commit(real), OK);
	assert_int_equal(link->flow.wants_count, 0);
	assert_int_equal(puppet_count(puppet, FRAME_GONE), 0);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wanted_comes_from_the_log),
		cmocka_unit_test(what_is_wanted_of_several_streams_is_of_each),
		cmocka_unit_test(who_wants_what_is_gone_is_told_once),
		cmocka_unit_test(what_we_never_had_is_not_gone),
		cmocka_unit_test(endless_wants_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
