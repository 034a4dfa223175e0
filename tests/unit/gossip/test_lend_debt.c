/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/lend_case.h"

/* Members that ask more than is worked out for them. */

/* So many pools, from that one on, that there are not. */
static void ask_pools(struct puppet *puppet, uint8_t first, size_t count)
{
	puppet->to->is_gathering = true;
	for (size_t i = 0; i < count; i++)
		ask_node(puppet, ASK_FREE, (uint32_t)(first + i), (struct id){ { (uint8_t)(first + i), 1 } }, 0);
	puppet->to->is_gathering = false;
	real_tick(puppet->to);
}

static void a_pool_is_looked_at_once_in_a_transaction(void **state)
{
	struct play play = play_of(3, 0);
	uint64_t before = counts(play.real)->free_counted;

	(void)state;
	play.real->is_gathering = true;
	for (uint32_t i = 0; i < LEND_ASKED; i++) {
		ask_node(play.puppets[0], ASK_FREE, 1 + i, play.pool, 0);
		ask_node(play.puppets[1], ASK_FREE, 1 + i, play.pool, 0);
	}
	play.real->is_gathering = false;
	real_tick(play.real);
	assert_int_equal(counts(play.real)->free_counted - before, 1);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(puppet_count(play.puppets[i], FRAME_ANSWER), LEND_ASKED);
		assert_int_equal(heard_free(play.puppets[i], LEND_ASKED), 253);
	}
	/* What is given thereafter is seen by the next one. */
	ask_node(play.puppets[0], ASK_BLOCK, 100, play.pool, 77);
	ask_node(play.puppets[0], ASK_FREE, 101, play.pool, 0);
	assert_int_equal(heard_free(play.puppets[0], 101), 253 - 126);
	scene_free(play.scene);
}

static void so_many_pools_are_looked_at_each_second(void **state)
{
	struct play play = play_of(3, 0);
	struct puppet *puppet = play.puppets[0];
	uint64_t before;

	(void)state;
	scene_pass(play.scene, 1000);
	before = counts(play.real)->free_counted;
	ask_pools(puppet, 1, LEND_WORKED + 4);
	assert_int_equal(counts(play.real)->free_counted - before, LEND_WORKED);
	assert_int_equal(puppet_count(puppet, FRAME_ANSWER), LEND_WORKED);
	/* Others are not held up, and blocks count as well. */
	ask_node(play.puppets[1], ASK_FREE, 5, play.pool, 0);
	assert_int_equal(heard_free(play.puppets[1], 5), 253);
	ask_node(puppet, ASK_BLOCK, 100, play.pool, 77);
	assert_int_equal(puppet_count(puppet, FRAME_ANSWER), 0);
	assert_int_equal(counts(play.real)->given, 0);
	scene_pass(play.scene, 2000);
	assert_int_equal(puppet_count(puppet, FRAME_ANSWER), 5);
	heard_transfer(puppet, 100);
	/* However many are asked, the link stays. */
	before = counts(play.real)->free_counted;
	for (size_t i = 0; i < 20; i++)
		ask_pools(puppet, 100, LEND_WORKED);
	assert_true(counts(play.real)->free_counted - before <= LEND_WORKED);
	scene_pass(play.scene, 5000);
	assert_false(puppet->is_closed);
	assert_int_equal(real_mesh(play.real)->peers[0]->lend.count, 0);
	assert_true(counts(play.real)->free_counted - before <= LEND_WORKED + LEND_ASKED);
	real_check(play.real);
	scene_free(play.scene);
}

/* They are no answers to what a new link is asked. */
static void what_is_late_goes_with_its_link(void **state)
{
	struct play play = play_of(2, 0);
	struct puppet *puppet = play.puppets[0];

	(void)state;
	scene_pass(play.scene, 1000);
	ask_pools(puppet, 1, LEND_WORKED + 4);
	puppet_hang_up(puppet);
	scene_pass(play.scene, 2000);
	puppet = puppet_member(play.real, 1);
	scene_pass(play.scene, 2000);
	assert_int_equal(puppet_count(puppet, FRAME_ANSWER), 0);
	scene_free(play.scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_is_looked_at_once_in_a_transaction),
		cmocka_unit_test(so_many_pools_are_looked_at_each_second),
		cmocka_unit_test(what_is_late_goes_with_its_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
