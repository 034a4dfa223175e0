/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

/* When it is known what there is of a closed start. */

static bool is_settled(const struct real *real, uint32_t key)
{
	struct mesh *mesh = (struct mesh *)(uintptr_t)real_mesh(real);
	struct closed_start closed = { scene_node(real->scene, key), 0 };
	bool settled = false;

	assert_int_equal(closed_is_settled(mesh, closed, &settled, NULL), OK);
	store_end(mesh->look);
	mesh->look = NULL;
	return settled;
}

static void it_is_settled_when_all_have_spoken_and_have_the_same(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *other = puppet_member(real, 3);
	struct chain chain = chain_of(scene, 2), rows[2] = { chain_of(scene, 1), chain_of(scene, 3) };
	struct bytes eviction = scene_evict(scene, 2, 0);
	struct vector none = { 0 };
	struct end first, second;

	(void)state;
	rows[0].stream.lane = rows[1].stream.lane = LANE_URGENT;
	puppet_batch(one, chain_next(&chain, 1, 10));
	first = chain.end;
	chain_next(&chain, 1, 10);
	second = chain.end;
	real_bring(real, &eviction, 1);
	puppet_agree(one);
	puppet_agree(other);
	puppet_batch(one, chain_row(&rows[0], 2, 0, &none));
	assert_false(is_settled(real, 2));
	puppet_batch(other, chain_row(&rows[1], 2, 0, &none));
	/* All have spoken, and none of them has what is here. */
	assert_false(is_settled(real, 2));
	puppet_ack(one, chain.stream, first);
	assert_false(is_settled(real, 2));
	puppet_ack(other, chain.stream, second);
	assert_false(is_settled(real, 2));
	puppet_ack(other, chain.stream, first);
	assert_true(is_settled(real, 2));
	/* What somebody has beyond may still come. */
	puppet_ack(one, chain.stream, second);
	assert_false(is_settled(real, 2));
	scene_free(scene);
}

/* All have the same, and one has not yet said what it had when it heard of it. */
static void who_has_not_spoken_is_waited_for(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1);
	struct chain rows = chain_of(scene, 1);
	struct bytes eviction = scene_evict(scene, 2, 0);
	struct vector none = { 0 };

	(void)state;
	rows.stream.lane = LANE_URGENT;
	real_bring(real, &eviction, 1);
	puppet_agree(one);
	assert_false(is_settled(real, 2));
	puppet_batch(one, chain_row(&rows, 2, 0, &none));
	assert_true(is_settled(real, 2));
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_settled_when_all_have_spoken_and_have_the_same),
		cmocka_unit_test(who_has_not_spoken_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
