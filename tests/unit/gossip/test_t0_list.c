/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

#include <stdlib.h>

/* Two sets of statements that differ: what is listed, and what is sent then. Also clocks that do. */

enum { STRANGER = 6 };

static void sets_that_differ_are_listed_and_what_lacks_is_sent(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_dial(real, &scene->keys[1], 7);
	struct id hashes[2 * SCENE_KEYS];
	struct bytes heard;
	struct reader list;

	(void)state;
	puppet_forget(puppet);
	frame_put_t0_sum(&puppet->frame, (struct sum){ 1, 1 }, 4, scene->wall);
	puppet_say(puppet);
	assert_int_equal(puppet_count(puppet, FRAME_T0_LIST), 1);
	assert_int_equal(puppet_last(puppet, FRAME_T0_LIST)->t0_list.hashes.size, scene->count * 16);
	assert_int_equal(puppet_count(puppet, FRAME_INDEX), 0);
	for (size_t i = 0; i < scene->count; i++)
		hashes[i] = real_mesh(real)->t0.all[i].hash;
	hashes[2] = (struct id){ { 99 } };
	frame_put_t0_list(&puppet->frame, true, true, bytes_of(hashes, scene->count * 16));
	puppet_say(puppet);
	list = puppet_last(puppet, FRAME_T0_STATEMENTS)->t0_statements;
	assert_true(frame_next_statement(&list, &heard));
	assert_true(bytes_equal(heard, real_mesh(real)->t0.all[2].whole));
	assert_false(frame_next_statement(&list, &heard));
	/* Only now is the rest said. */
	assert_int_equal(puppet_count(puppet, FRAME_INDEX), 1);
	scene_free(scene);
}

static void a_list_that_begins_anew_is_all_that_counts(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_dial(real, &scene->keys[1], 7);
	struct id hash = real_mesh(real)->t0.all[1].hash;
	struct bytes heard;
	struct reader list;
	size_t count = 0;

	(void)state;
	puppet_forget(puppet);
	frame_put_t0_list(&puppet->frame, true, false, bytes_of(&hash, sizeof hash));
	puppet_say(puppet);
	frame_put_t0_list(&puppet->frame, true, true, bytes_of(NULL, 0));
	puppet_say(puppet);
	list = puppet_last(puppet, FRAME_T0_STATEMENTS)->t0_statements;
	while (frame_next_statement(&list, &heard))
		count++;
	assert_int_equal(count, scene->count);
	scene_free(scene);
}

/* Of several frames the first says that it is that, and the last; also where the last is just full. */
static void a_list_says_where_it_begins_and_ends(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);

	(void)state;
	for (size_t count = 255; count <= 257; count++) {
		size_t frames = 0, hashes = 0;
		struct puppet *puppet;

		while (real_mesh(real)->t0.count < count) {
			struct signer one_time;
			struct bytes whole = scene_invite(scene, scene->keys[0].key, 1, &one_time);

			real_bring(real, &whole, 1);
			real_forget(real);
		}
		puppet = puppet_dial(real, &scene->keys[1], 7);
		frame_put_t0_sum(&puppet->frame, (struct sum){ 1, 1 }, 4, scene->wall);
		puppet_say(puppet);
		for (size_t i = 0; i < puppet->count; i++) {
			const struct frame *frame = &puppet->heard[i].frame;

			if (frame->kind != FRAME_T0_LIST)
				continue;
			assert_int_equal(frame->t0_list.is_first, !frames++);
			hashes += frame->t0_list.hashes.size / sizeof(struct id);
			assert_int_equal(frame->t0_list.is_last, hashes == count);
		}
		assert_int_equal(hashes, count);
	}
	scene_free(scene);
}

static void a_list_is_not_repeated_at_once(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_dial(real, &scene->keys[1], 7);

	(void)state;
	for (uint64_t i = 1; i < 20; i++) {
		scene->now += 100 * MS;
		frame_put_t0_sum(&puppet->frame, (struct sum){ i, 1 }, 4, scene->wall);
		puppet_say(puppet);
	}
	assert_int_equal(puppet_count(puppet, FRAME_T0_LIST), 1);
	scene->now += 5 * MESH_SECOND;
	frame_put_t0_sum(&puppet->frame, (struct sum){ 1, 1 }, 4, scene->wall);
	puppet_say(puppet);
	assert_int_equal(puppet_count(puppet, FRAME_T0_LIST), 2);
	scene_free(scene);
}

static void say_sum(struct puppet *puppet, struct sum sum)
{
	frame_put_t0_sum(&puppet->frame, sum, 1, puppet->scene->wall);
	puppet_say(puppet);
}

/* What a set weighs that has one more than the node's: as another node says that has it. */
static struct sum sum_with(struct scene *scene, struct bytes whole)
{
	struct real *other = real_boot(scene, 1);

	real_bring(other, &whole, 1);
	return real_mesh(other)->t0.sum;
}

/*
 * Two may lack nothing of each other any more before either has listed anything: by what was shown to a stranger, or by
 * what a third told one of them. The one knows so by the other's word, and the other only by that of the first.
 */
static void a_peer_that_knows_an_older_sum_is_told_the_new_one(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_dial(real, &scene->keys[1], 7);
	struct signer one_time;
	struct bytes whole = scene_invite(scene, scene->keys[0].key, scene->wall.ms, &one_time);

	(void)state;
	assert_int_equal(puppet_count(puppet, FRAME_T0_SUM), 1);
	puppet_statements(puppet, &whole, 1);
	puppet_forget(puppet);
	for (size_t i = 0; i < 2; i++) {
		puppet_agree(puppet);
		assert_int_equal(puppet_count(puppet, FRAME_T0_SUM), 1);
		assert_true(sum_equal(puppet_last(puppet, FRAME_T0_SUM)->t0_sum.sum, real_mesh(real)->t0.sum));
		assert_int_equal(puppet_count(puppet, FRAME_T0_LIST), 0);
	}
	scene_free(scene);
}

/* What the peer said of its set counts against what ours becomes, not only against what it was then. */
static void a_set_that_grows_is_compared_anew(void **state)
{
	struct scene *scene = scene_new(4);
	struct real *real = real_boot(scene, 0);
	struct puppet *third = puppet_member(real, 3), *equal, *other;
	struct signer one_time;
	struct bytes whole = scene_invite(scene, scene->keys[0].key, scene->wall.ms, &one_time);
	struct sum sum = sum_with(scene, whole);

	(void)state;
	equal = puppet_dial(real, &scene->keys[1], 7);
	other = puppet_dial(real, &scene->keys[2], 7);
	say_sum(equal, sum);
	say_sum(other, (struct sum){ 1, 1 });
	puppet_forget(equal);
	puppet_forget(other);
	puppet_statements(third, &whole, 1);
	assert_true(sum_equal(real_mesh(real)->t0.sum, sum));
	/* It is told the rest. */
	assert_int_equal(puppet_count(equal, FRAME_INDEX), 1);
	assert_int_equal(puppet_count(equal, FRAME_T0_LIST), 0);
	assert_int_equal(puppet_count(other, FRAME_T0_LIST), 1);
	assert_true(sum_equal(puppet_last(other, FRAME_T0_SUM)->t0_sum.sum, sum));
	assert_int_equal(puppet_count(other, FRAME_INDEX), 0);
	scene_free(scene);
}

static void put_hashes(struct puppet *puppet, bool is_first, size_t count)
{
	struct id *hashes = must_alloc((count + 1) * sizeof *hashes);

	frame_put_t0_list(&puppet->frame, is_first, false, bytes_of(hashes, count * sizeof *hashes));
	puppet_say(puppet);
	free(hashes);
}

static void a_list_without_end_ends_the_link(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_dial(real, &scene->keys[1], 7);
	struct link *link = link_find(real_mesh(real), puppet->number);
	struct id disk = real_disk(real);

	(void)state;
	for (size_t i = 0; i < STATEMENTS_MAX / FRAME_HASHES_MAX; i++)
		put_hashes(puppet, !i, FRAME_HASHES_MAX);
	assert_false(puppet->is_closed);
	assert_int_equal(link->t0.count, STATEMENTS_MAX);
	put_hashes(puppet, false, 1);
	puppet_refused(puppet, disk, "more than 20000 statements were listed");
	scene_free(scene);
}

static void the_list_of_a_stranger_is_not_kept(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_dial(real, &scene->keys[STRANGER], 7);
	struct link *link = link_find(real_mesh(real), puppet->number);

	(void)state;
	puppet_forget(puppet);
	for (size_t i = 0; i < 20; i++)
		put_hashes(puppet, false, FRAME_HASHES_MAX);
	frame_put_t0_list(&puppet->frame, true, true, bytes_of(NULL, 0));
	puppet_say(puppet);
	assert_int_equal(link->t0.count, 0);
	assert_null(link->t0.theirs);
	assert_int_equal(puppet->count, 0);
	assert_false(puppet->is_closed);
	scene_free(scene);
}

static void clocks_that_are_off_are_told_once(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_dial(real, &scene->keys[1], 7);

	(void)state;
	puppet_agree(puppet);
	assert_int_equal(real->alarms_count, 0);
	for (int i = 0; i < 2; i++) {
		frame_put_t0_sum(&puppet->frame, real_mesh(real)->t0.sum, 1,
				 (struct wall_time){ scene->wall.ms - 60000 });
		puppet_say(puppet);
		assert_int_equal(real->alarms_count, 1);
	}
	scene_free(scene);
}

/* What was refused by a full disk may have been asked for when nobody answered. */
static void a_set_that_differs_is_compared_again(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);

	(void)state;
	scene_pass(scene, 7000);
	puppet_forget(puppet);
	scene_pass(scene, 11000);
	/* They agree: nothing is said. */
	assert_int_equal(puppet_count(puppet, FRAME_T0_SUM), 0);
	frame_put_t0_sum(&puppet->frame, (struct sum){ 1, 2 }, 1, scene->wall);
	puppet_say(puppet);
	puppet_forget(puppet);
	scene_pass(scene, 11000);
	assert_in_range(puppet_count(puppet, FRAME_T0_SUM), 2, 3);
	puppet_agree(puppet);
	puppet_forget(puppet);
	scene_pass(scene, 11000);
	assert_int_equal(puppet_count(puppet, FRAME_T0_SUM), 0);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_that_differ_are_listed_and_what_lacks_is_sent),
		cmocka_unit_test(a_list_that_begins_anew_is_all_that_counts),
		cmocka_unit_test(a_list_says_where_it_begins_and_ends),
		cmocka_unit_test(a_list_is_not_repeated_at_once),
		cmocka_unit_test(a_peer_that_knows_an_older_sum_is_told_the_new_one),
		cmocka_unit_test(a_set_that_grows_is_compared_anew),
		cmocka_unit_test(a_list_without_end_ends_the_link),
		cmocka_unit_test(the_list_of_a_stranger_is_not_kept),
		cmocka_unit_test(clocks_that_are_off_are_told_once),
		cmocka_unit_test(a_set_that_differs_is_compared_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
