/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/log.h"
#include "tests/unit/gossip/carry.h"
#include "tests/unit/gossip/puppet.h"

/* Proofs that starts are closed: a set, passed on like statements. */

static struct bytes kept(struct scene *scene, struct buf *out)
{
	struct bytes whole = arena_copy(&scene->arena, buf_bytes(out));

	buf_done(out);
	return whole;
}

/* The member's own word that it ends a start of its. */
static struct bytes own_word(struct scene *scene, uint32_t key, uint64_t start)
{
	struct buf out = buf_growing(PROOF_MAX);

	proof_write_own(&scene->keys[key], scene->cluster, start, &out);
	return kept(scene, &out);
}

static struct bytes fork_proof(struct scene *scene, const struct signer *signer, uint32_t key, uint64_t start)
{
	struct chain one = chain_of(scene, key), other;
	struct buf out = buf_growing(PROOF_MAX);
	struct batch batches[2];

	one.stream.start = start;
	one.signer = *signer;
	other = one;
	assert_int_equal(batch_read(chain_next(&one, 1, 10), &batches[0], NULL), OK);
	assert_int_equal(batch_read(chain_next(&other, 1, 10), &batches[1], NULL), OK);
	proof_write_fork(&batches[0], &batches[1], &out);
	return kept(scene, &out);
}

static void say_proofs(struct puppet *puppet, const struct bytes *all, size_t count)
{
	struct frame_list list = frame_begin_proofs(&puppet->frame);

	for (size_t i = 0; i < count; i++)
		assert_true(frame_put_proof(&list, all[i]));
	puppet_say(puppet);
}

/* How often a puppet was told of it. */
static size_t heard_proof(const struct puppet *puppet, struct bytes whole)
{
	size_t times = 0;

	for (size_t i = 0; i < puppet->count; i++) {
		struct reader list;
		struct bytes one;

		if (puppet->heard[i].frame.kind != FRAME_PROOFS)
			continue;
		list = puppet->heard[i].frame.proofs;
		while (frame_next_proof(&list, &one))
			times += bytes_equal(one, whole);
	}
	return times;
}

static enum code count_one(void *context, uint64_t node, uint64_t start, struct bytes proof, struct err *err)
{
	size_t *count = context;

	(void)node;
	(void)start;
	(void)proof;
	(void)err;
	++*count;
	return OK;
}

static size_t on_disk(const struct real *real)
{
	struct store_txn *txn;
	size_t count = 0;

	assert_int_equal(store_snapshot(real->store, &txn, NULL), OK);
	assert_int_equal(log_read_proofs(txn, count_one, &count, NULL), OK);
	store_end(txn);
	return count;
}

static void a_proof_closes_its_start_and_no_other(void **state)
{
	(void)state;
	for (int is_fork = 0; is_fork < 2; is_fork++) {
		struct scene *scene = scene_new(3);
		struct real *real = real_boot(scene, 0);
		struct puppet *puppet = puppet_member(real, 1);
		const struct mesh *mesh = real_mesh(real);
		uint64_t node = scene_node(scene, 2);
		struct bytes proof = is_fork ? fork_proof(scene, &scene->keys[2], 2, 5) : own_word(scene, 2, 5);

		say_proofs(puppet, &proof, 1);
		assert_true(closed_is(mesh, node, 5));
		assert_false(closed_is(mesh, node, 4) || closed_is(mesh, node, 6) || closed_is(mesh, node, 1));
		assert_false(closed_is(mesh, scene_node(scene, 1), 5) || closed_is(mesh, mesh->node, 5));
		assert_int_equal(mesh->counts.proof, 1);
		assert_int_equal(mesh->counts.proof_own, !is_fork);
		assert_int_equal(real->alarms_count, is_fork);
		assert_int_equal(on_disk(real), 1);
		real_check(real);
		scene_free(scene);
	}
}

/* In any order, in one frame or in many: the set is the same, and so is its weight. */
static void it_is_a_set(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1);
	struct puppet *to_a = puppet_member(a, 2), *to_b = puppet_member(b, 2);
	struct bytes all[40];
	struct sum before;

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		all[i] = own_word(scene, 2, 1 + (i * 7) % COUNT(all));
	assert_true(sum_equal(real_mesh(a)->proofs.sum, real_mesh(b)->proofs.sum));
	before = real_mesh(a)->proofs.sum;
	say_proofs(to_a, all, COUNT(all));
	for (size_t i = COUNT(all); i-- > 0;) {
		say_proofs(to_b, &all[i], 1);
		say_proofs(to_b, &all[i], 1);
	}
	assert_int_equal(real_mesh(a)->proofs.count, COUNT(all));
	assert_int_equal(real_mesh(b)->proofs.count, COUNT(all));
	assert_false(sum_equal(real_mesh(a)->proofs.sum, before));
	assert_true(sum_equal(real_mesh(a)->proofs.sum, real_mesh(b)->proofs.sum));
	for (uint64_t start = 1; start <= COUNT(all) + 1; start++)
		assert_int_equal(closed_is(real_mesh(b), scene_node(scene, 2), start), start <= COUNT(all));
	real_check(a);
	real_check(b);
	scene_free(scene);
}

/* Of two proofs of one start the first that came is kept, and the other is no news. */
static void the_first_that_comes_is_kept(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1), *other = puppet_member(real, 2);
	struct bytes first = own_word(scene, 2, 1), second = fork_proof(scene, &scene->keys[2], 2, 1);
	struct id disk;

	(void)state;
	say_proofs(puppet, &first, 1);
	disk = real_disk(real);
	puppet_forget(other);
	say_proofs(puppet, &second, 1);
	puppet_ignored(puppet, disk);
	assert_int_equal(real_mesh(real)->proofs.count, 1);
	assert_true(bytes_equal(real_mesh(real)->proofs.all[0].whole, first));
	assert_int_equal(puppet_count(other, FRAME_PROOFS), 0);
	scene_free(scene);
}

static void each_link_is_told_all_and_each_new_one_at_once(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2), *stranger;
	struct bytes first = own_word(scene, 3, 1), second = fork_proof(scene, &scene->keys[3], 3, 2);

	(void)state;
	say_proofs(one, &first, 1);
	assert_int_equal(heard_proof(two, first), 1);
	stranger = puppet_dial(real, &scene->keys[6], 5);
	say_proofs(one, &second, 1);
	assert_int_equal(heard_proof(two, second), 1);
	puppet_hang_up(two);
	two = puppet_member(real, 2);
	assert_int_equal(heard_proof(two, first), 1);
	assert_int_equal(heard_proof(two, second), 1);
	scene_pass(scene, 30000);
	assert_int_equal(heard_proof(two, first), 1);
	assert_int_equal(puppet_count(stranger, FRAME_PROOFS), 0);
	scene_free(scene);
}

/* Also by one that has just started, and may not yet write anything itself. */
static void who_may_not_write_passes_them_on(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *one, *two;
	struct bytes proof = own_word(scene, 3, 1);

	(void)state;
	real_end(real);
	real = real_boot(scene, 0);
	one = puppet_dial(real, &scene->keys[1], 7);
	puppet_agree(one);
	two = puppet_dial(real, &scene->keys[2], 8);
	puppet_agree(two);
	say_proofs(one, &proof, 1);
	assert_int_equal(real_mesh(real)->counts.row, 0);
	assert_true(closed_is(real_mesh(real), scene_node(scene, 3), 1));
	assert_int_equal(heard_proof(two, proof), 1);
	puppet_fronts(one, NULL, 0);
	assert_int_equal(real_mesh(real)->counts.row, 1);
	scene_free(scene);
}

static void more_than_a_frame_holds_comes_in_several(void **state)
{
	enum { ALL = FRAME_PROOFS_MAX + 30 };
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1), *late;
	struct bytes all[ALL];

	(void)state;
	for (size_t i = 0; i < ALL; i++)
		all[i] = own_word(scene, 3, 1 + i);
	say_proofs(puppet, all, ALL / 2);
	say_proofs(puppet, all + ALL / 2, ALL - ALL / 2);
	late = puppet_member(real, 2);
	for (size_t i = 0; i < ALL; i++)
		assert_int_equal(heard_proof(late, all[i]), 1);
	assert_in_range(puppet_count(late, FRAME_PROOFS), 2, 3);
	scene_free(scene);
}

static void a_restart_finds_them(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct bytes all[2] = { own_word(scene, 2, 9), fork_proof(scene, &scene->keys[2], 2, 3) };
	struct sum sum;

	(void)state;
	say_proofs(puppet, all, 2);
	sum = real_mesh(real)->proofs.sum;
	real_end(real);
	real = real_boot(scene, 0);
	assert_int_equal(real_mesh(real)->proofs.count, 2);
	assert_true(sum_equal(real_mesh(real)->proofs.sum, sum));
	assert_true(closed_is(real_mesh(real), scene_node(scene, 2), 9));
	assert_true(closed_is(real_mesh(real), scene_node(scene, 2), 3));
	puppet = puppet_member(real, 1);
	assert_int_equal(heard_proof(puppet, all[0]), 1);
	assert_int_equal(heard_proof(puppet, all[1]), 1);
	scene_free(scene);
}

/* Nobody is told of what a full disk did not take, and it can come again. */
static void what_a_failed_commit_lost_was_never_there(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2);
	struct bytes first = own_word(scene, 3, 1), second = own_word(scene, 3, 2);
	struct id disk;

	(void)state;
	say_proofs(one, &first, 1);
	disk = real_disk(real);
	puppet_forget(two);
	mem_disk_full_at(real->disk, 1);
	say_proofs(one, &second, 1);
	mem_disk_full_at(real->disk, 0);
	assert_int_equal(real_mesh(real)->counts.commit_failed, 1);
	assert_true(id_equal(real_disk(real), disk));
	assert_int_equal(real_mesh(real)->proofs.count, 1);
	assert_false(closed_is(real_mesh(real), scene_node(scene, 3), 2));
	assert_int_equal(heard_proof(two, second), 0);
	say_proofs(one, &second, 1);
	assert_int_equal(real_mesh(real)->proofs.count, 2);
	assert_int_equal(heard_proof(two, second), 1);
	assert_int_equal(on_disk(real), 2);
	real_check(real);
	scene_free(scene);
}

/* --- What is no proof. */

static void refuse(struct scene *scene, struct bytes proof, const char *why)
{
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct id disk = real_disk(real);

	say_proofs(puppet, &proof, 1);
	puppet_refused(puppet, disk, why);
	assert_int_equal(real_mesh(real)->proofs.count, 0);
	scene_free(scene);
}

static void a_forged_proof_ends_the_link(void **state)
{
	static const char *const why = "it passed on a proof whose signature is wrong";
	struct scene *scene = scene_new(3);
	struct bytes word;

	(void)state;
	refuse(scene, fork_proof(scene, &scene->keys[1], 2, 1), why);
	scene = scene_new(3);
	word = own_word(scene, 2, 1);
	((uint8_t *)(uintptr_t)word.data)[word.size - 1] ^= 1;
	refuse(scene, word, why);
	/* Of another cluster. */
	scene = scene_new(3);
	scene->cluster.bytes[3] ^= 1;
	word = fork_proof(scene, &scene->keys[2], 2, 1);
	scene->cluster.bytes[3] ^= 1;
	refuse(scene, word, why);
}

/* Two keys of one id are both evicted: what one of them signed is no fault of who passes it on. */
static void of_the_evicted_it_is_passed_over(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct bytes eviction = scene_evict(scene, 2, 0), proof = fork_proof(scene, &scene->keys[1], 2, 1);
	struct puppet *puppet = puppet_member(real, 1);
	struct id disk;

	(void)state;
	real_bring(real, &eviction, 1);
	puppet_agree(puppet);
	disk = real_disk(real);
	say_proofs(puppet, &proof, 1);
	puppet_ignored(puppet, disk);
	assert_int_equal(real_mesh(real)->proofs.count, 0);
	scene_free(scene);
}

static void what_proves_nothing_ends_the_link(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 2);
	struct buf out = buf_growing(PROOF_MAX);
	struct batch batches[2];
	struct bytes all[2] = { own_word(scene, 2, 7) };
	struct id disk = real_disk(real);

	(void)state;
	/* Two that lie on one chain. */
	assert_int_equal(batch_read(chain_next(&chain, 1, 10), &batches[0], NULL), OK);
	assert_int_equal(batch_read(chain_next(&chain, 1, 10), &batches[1], NULL), OK);
	proof_write_fork(&batches[0], &batches[1], &out);
	all[1] = kept(scene, &out);
	say_proofs(puppet, &all[1], 1);
	assert_true(puppet_was_told(puppet, BYE_BROKE));
	assert_true(id_equal(real_disk(real), disk));
	puppet = puppet_member(real, 1);
	all[0] = bytes_text("rubbish");
	say_proofs(puppet, all, 1);
	assert_true(puppet_was_told(puppet, BYE_BROKE));
	assert_int_equal(real_mesh(real)->proofs.count, 0);
	real_check(real);
	scene_free(scene);
}

static void of_whom_is_not_known_nothing_is_kept(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct bytes proof = own_word(scene, 6, 1);
	struct id disk = real_disk(real);

	(void)state;
	say_proofs(puppet, &proof, 1);
	puppet_ignored(puppet, disk);
	assert_int_equal(real_mesh(real)->proofs.count, 0);
	scene_free(scene);
}

static void one_member_has_no_more_than_it_may(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct bytes proof;
	struct id disk;

	(void)state;
	real->is_gathering = true;
	for (uint64_t start = 1; start <= PROOFS_OF_ONE; start++) {
		proof = own_word(scene, 2, start);
		say_proofs(puppet, &proof, 1);
	}
	assert_int_equal(real_commit(real), OK);
	real->is_gathering = false;
	assert_int_equal(real_mesh(real)->proofs.count, PROOFS_OF_ONE);
	disk = real_disk(real);
	proof = own_word(scene, 2, PROOFS_OF_ONE + 1);
	say_proofs(puppet, &proof, 1);
	puppet_ignored(puppet, disk);
	proof = own_word(scene, 3, 1);
	say_proofs(puppet, &proof, 1);
	assert_int_equal(real_mesh(real)->proofs.count, PROOFS_OF_ONE + 1);
	scene_free(scene);
}

/* They stand where their node and start belong, and not behind what was told. */
static void those_of_a_donors_state_are_told_too(void **state)
{
	struct two two = carry_two(3);
	struct puppet *puppet = puppet_member(two.to, 2);
	struct bytes here = own_word(two.scene, 2, 7), there = own_word(two.scene, 2, 5);

	(void)state;
	say_proofs(puppet, &here, 1);
	assert_int_equal(real_mesh(two.to)->links->proofs_told, 1);
	carry_put_proof(two.donor, 2, 5);
	carry_whole(two.donor, two.to);
	carry_install(two.to, SNAPSHOT_JOIN);
	assert_true(proofs_has(&real_mesh(two.to)->proofs, scene_node(two.scene, 2), 5));
	scene_pass(two.scene, 2000);
	assert_int_equal(heard_proof(puppet, there), 1);
	carry_end(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proof_closes_its_start_and_no_other),
		cmocka_unit_test(it_is_a_set),
		cmocka_unit_test(the_first_that_comes_is_kept),
		cmocka_unit_test(each_link_is_told_all_and_each_new_one_at_once),
		cmocka_unit_test(who_may_not_write_passes_them_on),
		cmocka_unit_test(more_than_a_frame_holds_comes_in_several),
		cmocka_unit_test(a_restart_finds_them),
		cmocka_unit_test(what_a_failed_commit_lost_was_never_there),
		cmocka_unit_test(a_forged_proof_ends_the_link),
		cmocka_unit_test(of_the_evicted_it_is_passed_over),
		cmocka_unit_test(what_proves_nothing_ends_the_link),
		cmocka_unit_test(of_whom_is_not_known_nothing_is_kept),
		cmocka_unit_test(one_member_has_no_more_than_it_may),
		cmocka_unit_test(those_of_a_donors_state_are_told_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
