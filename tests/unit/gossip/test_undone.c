/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

/* What comes once on a link, when the disk is full just then. */

static void show(struct puppet *puppet, struct bytes whole)
{
	struct batch batch;
	struct bytes front;

	assert_int_equal(batch_read(whole, &batch, NULL), OK);
	front = batch_front(&batch);
	puppet_agree(puppet);
	puppet_fronts(puppet, &front, 1);
}

/* It is shown once on a link, so it is not forgotten with the commit that failed. */
static void another_history_of_its_own_is_kept_in_mind(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct chain other = chain_of(scene, 0);
	struct stream own = other.stream;
	struct puppet *puppet;
	const struct mesh *mesh;

	(void)state;
	puppet = puppet_member(real, 1);
	real_write(real, 50, 0);
	real_write(real, 60, 0);
	assert_int_equal(vector_seq(&real_mesh(real)->vector, own), 2);
	puppet_hang_up(puppet);
	real_end(real);
	real = real_boot(scene, 0);
	mesh = real_mesh(real);
	puppet = puppet_dial(real, &scene->keys[1], 7);
	mem_disk_full_at(real->disk, 1);
	show(puppet, chain_next(&other, 1, 10));
	assert_int_equal(mesh->exchange.stage, EXCHANGE_OWN);
	assert_false(proofs_has(&mesh->proofs, mesh->node, 1));
	scene_pass(scene, 100);
	assert_int_equal(mesh->exchange.stage, EXCHANGE_OWN);
	mem_disk_full_at(real->disk, 0);
	scene_pass(scene, 2100);
	/* It has said that the start is closed before it writes anything, and goes on in another. */
	assert_true(proofs_has(&mesh->proofs, mesh->node, 1));
	assert_int_not_equal(mesh->author.start, 1);
	assert_true(mesh->exchange.stage > EXCHANGE_OWN);
	real_write(real, 70, 0);
	assert_int_equal(vector_seq(&mesh->vector, own), 2);
	real_check(real);
	scene_free(scene);
}

/* Proofs are told once on a link, too. */
static void proofs_are_kept_in_mind(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	const struct mesh *mesh = real_mesh(real);
	struct puppet *puppet = puppet_member(real, 1);
	uint64_t node = scene_node(scene, 2);

	(void)state;
	mem_disk_full_at(real->disk, 1);
	for (uint64_t start = 1; start <= 3; start++) {
		struct frame_list list = frame_begin_proofs(&puppet->frame);
		uint8_t room[PROOF_MAX];
		struct buf out = buf_over(room, sizeof room);

		proof_write_own(&scene->keys[2], scene->cluster, start, &out);
		assert_true(frame_put_proof(&list, buf_bytes(&out)));
		puppet_say(puppet);
		scene_pass(scene, 100);
		assert_int_equal(mesh->proofs.count, 0);
	}
	mem_disk_full_at(real->disk, 0);
	scene_pass(scene, 2100);
	for (uint64_t start = 1; start <= 3; start++)
		assert_true(proofs_has(&mesh->proofs, node, start));
	assert_int_equal(mesh->proofs.stored, 3);
	assert_int_equal(mesh->proofs.undone.size, 0);
	real_check(real);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_history_of_its_own_is_kept_in_mind),
		cmocka_unit_test(proofs_are_kept_in_mind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
