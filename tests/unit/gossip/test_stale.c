/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/exchange.h"
#include "tests/unit/gossip/puppet.h"

/* A member that has just started, and that the others leave before they have said what they have. */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_its_own_lanes_goes_on_alone_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
