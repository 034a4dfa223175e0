/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

#include "crdt/gossip/recover.h"

/* Who is believed when it says that a disk is old. */

/* A node (key 0) that has something that everybody had, and members who say what they like (keys 1 and on). */
struct court {
	struct scene *scene;
	struct real *real;
	struct puppet *puppets[4];
	size_t others;
	struct chain evil; /* of key 1, which nobody else has */
	struct vector all; /* what the node itself has, and the last of that chain */
};

static struct court court_of(size_t others)
{
	struct court court = { .scene = scene_new((uint32_t)others + 1), .others = others };
	const struct mesh *mesh;

	court.real = real_boot(court.scene, 0);
	mesh = real_mesh(court.real);
	for (uint32_t i = 0; i < others; i++)
		court.puppets[i] = puppet_member(court.real, i + 1);
	for (size_t i = 0; i < 3; i++)
		real_write(court.real, 100, 0);
	real_forget(court.real);
	for (size_t i = 0; i < mesh->vector.count; i++) {
		vector_note_more(&court.all, mesh->vector.all[i].stream, mesh->vector.all[i].end);
		for (size_t k = 0; k < others; k++)
			puppet_ack(court.puppets[k], mesh->vector.all[i].stream, mesh->vector.all[i].end);
	}
	scene_pass(court.scene, 15000);
	assert_int_equal(mesh->exchange.stage, EXCHANGE_DONE);
	assert_true(mesh->stable.vector.count);
	court.evil = chain_of(court.scene, 1);
	chain_next(&court.evil, 1, 10);
	vector_note_more(&court.all, court.evil.stream, court.evil.end);
	for (size_t k = 0; k < others; k++)
		puppet_forget(court.puppets[k]);
	return court;
}

static void court_end(struct court *court)
{
	vector_done(&court->all);
	scene_free(court->scene);
}

static void say_old(struct puppet *puppet, struct stream stream, struct end end)
{
	struct frame_list list = frame_begin_old(&puppet->frame);
	struct frontier frontier = { stream, end };

	assert_true(frame_put_old(&list, &frontier));
	puppet_say(puppet);
}

static bool is_asked(const struct court *court, size_t at)
{
	return puppet_count(court->puppets[at], FRAME_SNAP_ASK);
}

/* It says that everybody had what it alone ever saw, and offers its own state. */
static void one_word_against_two_is_nothing(void **state)
{
	struct court court = court_of(3);
	const struct mesh *mesh = real_mesh(court.real);

	(void)state;
	puppet_index(court.puppets[0], &court.all, true);
	for (size_t i = 0; i < 5; i++) {
		say_old(court.puppets[0], court.evil.stream, court.evil.end);
		assert_int_equal(mesh->recovery.need, RECOVERY_NONE);
		assert_false(recover_is_old(mesh));
		scene_pass(court.scene, 3000);
	}
	assert_false(is_asked(&court, 0));
	assert_int_equal(mesh->counts.denied, 5);
	assert_int_equal(court.real->alarms_count, 1);
	assert_non_null(strstr(court.real->alarms[0], "and others deny it: evict it, or, if most disks were put back, "
						      "evict this server and let it join anew"));
	real_check(court.real);
	court_end(&court);
}

/* Also the first that comes after a start is denied by those who come after it. */
static void who_comes_first_is_denied_later(void **state)
{
	struct court court = court_of(3);
	const struct mesh *mesh;

	(void)state;
	for (size_t k = 0; k < 3; k++)
		puppet_hang_up(court.puppets[k]);
	real_end(court.real);
	court.real = real_boot(court.scene, 0);
	mesh = real_mesh(court.real);
	court.puppets[0] = puppet_dial(court.real, &court.scene->keys[1], 11);
	puppet_open(court.puppets[0], NULL);
	say_old(court.puppets[0], court.evil.stream, court.evil.end);
	assert_int_equal(mesh->recovery.need, RECOVERY_REPLACE);
	vector_note(&court.all, court.evil.stream, (struct end){ 0 });
	for (uint32_t k = 1; k < 3; k++) {
		court.puppets[k] = puppet_dial(court.real, &court.scene->keys[k + 1], 11 + k);
		puppet_open(court.puppets[k], &court.all);
	}
	scene_pass(court.scene, 5000);
	assert_int_equal(mesh->recovery.need, RECOVERY_NONE);
	court_end(&court);
}

/* One that confirms it is as good as all. */
static void what_another_has_is_believed(void **state)
{
	struct court court = court_of(3);
	const struct mesh *mesh = real_mesh(court.real);

	(void)state;
	puppet_index(court.puppets[0], &court.all, true);
	puppet_index(court.puppets[2], &court.all, true);
	say_old(court.puppets[0], court.evil.stream, court.evil.end);
	scene_pass(court.scene, 3000);
	assert_int_equal(mesh->recovery.need, RECOVERY_REPLACE);
	/* And of its state nothing is taken while there is another. */
	assert_true(is_asked(&court, 2));
	assert_false(is_asked(&court, 0));
	court_end(&court);
}

/* Of three two may have old disks. */
static void one_alone_does_not_deny(void **state)
{
	struct court court = court_of(2);
	const struct mesh *mesh = real_mesh(court.real);

	(void)state;
	puppet_index(court.puppets[0], &court.all, true);
	say_old(court.puppets[0], court.evil.stream, court.evil.end);
	scene_pass(court.scene, 3000);
	assert_int_equal(mesh->recovery.need, RECOVERY_REPLACE);
	assert_true(is_asked(&court, 0));
	court_end(&court);
}

static void what_came_in_the_meantime_is_not_lacking(void **state)
{
	struct court court = court_of(1);
	const struct mesh *mesh = real_mesh(court.real);
	struct chain late = chain_of(court.scene, 1);
	struct bytes whole = chain_next(&late, 1, 10);

	(void)state;
	say_old(court.puppets[0], late.stream, late.end);
	assert_int_equal(mesh->recovery.need, RECOVERY_REPLACE);
	puppet_batch(court.puppets[0], whole);
	assert_int_equal(vector_seq(&mesh->vector, late.stream), late.end.seq);
	scene_pass(court.scene, 3000);
	assert_int_equal(mesh->recovery.need, RECOVERY_NONE);
	assert_int_equal(mesh->counts.replaced, 0);
	court_end(&court);
}

static void the_word_of_who_is_evicted_is_void(void **state)
{
	struct court court = court_of(2);
	const struct mesh *mesh = real_mesh(court.real);
	struct bytes eviction = scene_evict(court.scene, 1, 0);

	(void)state;
	say_old(court.puppets[0], court.evil.stream, (struct end){ .seq = UINT64_C(1) << 60 });
	scene_pass(court.scene, 5000);
	assert_int_equal(mesh->recovery.need, RECOVERY_REPLACE);
	real_bring(court.real, &eviction, 1);
	scene_pass(court.scene, 3000);
	assert_int_equal(mesh->recovery.need, RECOVERY_NONE);
	court_end(&court);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_word_against_two_is_nothing),
		cmocka_unit_test(who_comes_first_is_denied_later),
		cmocka_unit_test(what_another_has_is_believed),
		cmocka_unit_test(one_alone_does_not_deny),
		cmocka_unit_test(what_came_in_the_meantime_is_not_lacking),
		cmocka_unit_test(the_word_of_who_is_evicted_is_void),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
