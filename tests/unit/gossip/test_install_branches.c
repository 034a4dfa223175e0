/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/carry.h"
#include "tests/unit/gossip/puppet.h"

/* What becomes of the ends of one stream when two disks have others of it. */

static void give(struct real *real, struct bytes batch)
{
	struct puppet *puppet = puppet_member(real, 2);

	puppet_batch(puppet, batch);
	puppet_hang_up(puppet);
}

/* What everybody had of both, by either's word: none of it is forgotten. */
static void of_two_that_are_as_far_both_stay_stable(void **state)
{
	struct two two = carry_two(5);
	struct chain chain = chain_of(two.scene, 2), other = chain;
	struct vector stable = { 0 };
	struct store_txn *look;

	(void)state;
	give(two.donor, chain_next(&chain, 2, 30));
	give(two.to, chain_next(&other, 2, 40));
	carry_put_proof(two.donor, 2, 1);
	carry_put_proof(two.to, 2, 1);
	carry_put_stable(two.donor);
	carry_put_stable(two.to);
	/* Of the donor's own stream there is nothing here yet. */
	assert_int_equal(store_begin(two.donor->store, &look, NULL), OK);
	assert_int_equal(log_put_ends(look, TABLE_STABLE, (struct stream){ real_mesh(two.donor)->node, 1, LANE_PEOPLE },
				      NULL, 0, NULL),
			 OK);
	assert_int_equal(store_commit(look, NULL), OK);
	carry_whole(two.donor, two.to);
	carry_install(two.to, SNAPSHOT_JOIN);
	assert_int_equal(real_mesh(two.to)->snapshot.stage, SNAPSHOT_NONE);
	assert_int_equal(store_snapshot(two.to->store, &look, NULL), OK);
	assert_int_equal(log_read_vector(look, TABLE_STABLE, &stable, NULL), OK);
	store_end(look);
	assert_true(vector_has(&stable, chain.stream, chain.end));
	assert_true(vector_has(&stable, chain.stream, other.end));
	vector_done(&stable);
	carry_end(&two);
}

/* Of what was there before it goes on from there is no more than the header. */
static void what_goes_on_from_another_batch_is_a_fork(void **state)
{
	struct two two = carry_two(5);
	struct chain chain = chain_of(two.scene, 2), other = chain;
	struct store_txn *txn;
	struct logged logged;

	(void)state;
	give(two.donor, chain_next(&chain, 2, 30));
	give(two.to, chain_next(&other, 2, 40));
	give(two.to, chain_next(&other, 2, 40));
	assert_int_equal(store_begin(two.to->store, &txn, NULL), OK);
	assert_int_equal(log_after(txn, chain.stream, (struct log_place){ 0 }, &logged, NULL), OK);
	assert_int_equal(log_shrink(txn, &logged, LOG_HEADER, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	carry_whole(two.donor, two.to);
	assert_int_equal(carry_install(two.to, SNAPSHOT_REPLACE).forks_count, 1);
	assert_true(vector_has(&real_mesh(two.to)->vector, chain.stream, chain.end));
	carry_end(&two);
}

/* The donor has nothing left of what both had, and has gone on from there. */
static void an_end_below_the_donors_log_is_followed(void **state)
{
	struct two two = carry_two(5);
	struct stream stream = { real_mesh(two.donor)->node, 1, LANE_PEOPLE };
	struct wire *wire = scene_meet(two.scene, two.donor, two.to);
	struct store_txn *txn;
	struct logged logged;
	uint64_t end;

	(void)state;
	scene_pass(two.scene, 5000);
	end = vector_seq(&real_mesh(two.to)->vector, stream);
	assert_int_equal(end, 5);
	scene_cut(wire);
	carry_put_stable(two.to);
	carry_put_stable(two.donor);
	real_write(two.donor, 10, 0);
	assert_int_equal(store_begin(two.donor->store, &txn, NULL), OK);
	while (!log_after(txn, stream, (struct log_place){ 0 }, &logged, NULL) && logged.last <= end)
		assert_int_equal(log_drop(txn, &logged, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	carry_whole(two.donor, two.to);
	carry_install(two.to, SNAPSHOT_JOIN);
	assert_int_equal(real_mesh(two.to)->snapshot.stage, SNAPSHOT_NONE);
	assert_true(vector_equal(&real_mesh(two.to)->vector, &real_mesh(two.donor)->vector));
	real_check(two.to);
	carry_end(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_two_that_are_as_far_both_stay_stable),
		cmocka_unit_test(what_goes_on_from_another_batch_is_a_fork),
		cmocka_unit_test(an_end_below_the_donors_log_is_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
