/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/exchange.h"
#include "crdt/log/log.h"
#include "tests/unit/gossip/puppet.h"

/* More of what a member does first after a start: where others leave early, and where its log does not reach. */

static void who_has_its_own_lanes_goes_on_alone_too(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	const struct mesh *mesh;
	struct puppet *puppet;

	(void)state;
	/* Its disk was in use before. */
	real_end(real);
	real = real_boot(scene, 0);
	mesh = real_mesh(real);
	puppet = puppet_dial(real, &scene->keys[1], 7);
	puppet_agree(puppet);
	puppet_fronts(puppet, NULL, 0);
	assert_int_equal(mesh->exchange.stage, EXCHANGE_URGENT);
	puppet_hang_up(puppet);
	scene_pass(scene, 19000);
	assert_false(exchange_may_serve(mesh));
	scene_pass(scene, 2000);
	assert_true(exchange_may_serve(mesh));
	assert_false(exchange_may_give(mesh));
	assert_int_equal(mesh->counts.exchange_stale, 1);
	scene_free(scene);
}

/* Of what everybody had not even a footprint is left: it was its own all the same. */
static void what_its_log_does_not_reach_is_no_other_history(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct stream own = { real_mesh(real)->node, 1, LANE_PEOPLE };
	struct bytes front = { 0 };
	struct store_txn *txn;
	struct logged logged;
	struct batch batch;

	(void)state;
	for (int i = 0; i < 3; i++) {
		real_write(real, 10, 0);
		if (front.size)
			continue;
		assert_int_equal(batch_read(puppet_last(puppet, FRAME_BATCH)->batch, &batch, NULL), OK);
		front = arena_copy(&scene->arena, batch_front(&batch));
	}
	assert_int_equal(store_begin(real->store, &txn, NULL), OK);
	assert_int_equal(log_after(txn, own, (struct log_place){ 0 }, &logged, NULL), OK);
	assert_int_equal(log_drop(txn, &logged, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	real_end(real);
	real = real_boot(scene, 0);
	puppet = puppet_dial(real, &scene->keys[1], 7);
	puppet_agree(puppet);
	puppet_fronts(puppet, &front, 1);
	assert_int_equal(real_mesh(real)->proofs.count, 0);
	assert_int_equal(real_mesh(real)->author.start, 1);
	assert_int_equal(real_mesh(real)->exchange.stage, EXCHANGE_URGENT);
	scene_free(scene);
}

/* Of a closed start that somebody says to end where the log does not reach any more. */
static void what_is_below_the_log_is_not_waited_for(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 2);
	struct vector has = { 0 };
	struct bytes eviction;
	struct store_txn *txn;
	struct logged logged;

	(void)state;
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	vector_set(&has, chain.stream, chain.end);
	puppet_batch(puppet, chain_next(&chain, 1, 10));
	eviction = scene_evict(scene, 2, 0);
	real_bring(real, &eviction, 1);
	assert_int_equal(store_begin(real->store, &txn, NULL), OK);
	assert_int_equal(log_after(txn, chain.stream, (struct log_place){ 0 }, &logged, NULL), OK);
	assert_int_equal(log_drop(txn, &logged, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	real_end(real);
	real = real_boot(scene, 0);
	puppet = puppet_dial(real, &scene->keys[1], 7);
	puppet_agree(puppet);
	puppet_fronts(puppet, NULL, 0);
	puppet_index(puppet, &has, true);
	assert_true(exchange_is_whole(real_mesh(real)));
	vector_done(&has);
	scene_free(scene);
}

/* Another process under its key wrote it: where it ends is shown on a new link, and not at once again. */
static void whoever_knows_more_of_its_own_start_is_met_anew(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1), *other = puppet_member(real, 2);
	struct stream own = { real_mesh(real)->node, 1, LANE_PEOPLE };
	struct end end = { .seq = 1000 };

	(void)state;
	real_write(real, 10, 0);
	puppet_ack(puppet, own, *vector_find(&real_mesh(real)->vector, own));
	scene_pass(scene, 3000);
	assert_false(puppet->is_closed || other->is_closed);
	puppet_ack(puppet, own, end);
	scene_pass(scene, 2000);
	assert_true(puppet->is_closed);
	assert_false(other->is_closed);
	puppet = puppet_member(real, 1);
	puppet_ack(puppet, own, end);
	scene_pass(scene, 30000);
	assert_false(puppet->is_closed);
	scene_pass(scene, 32000);
	assert_true(puppet->is_closed);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_its_own_lanes_goes_on_alone_too),
		cmocka_unit_test(what_its_log_does_not_reach_is_no_other_history),
		cmocka_unit_test(what_is_below_the_log_is_not_waited_for),
		cmocka_unit_test(whoever_knows_more_of_its_own_start_is_met_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
