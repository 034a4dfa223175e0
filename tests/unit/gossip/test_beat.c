/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

/* Beats and silence. The ring goes by ids: 0, 1, 2 and around; before 1 is 0. */

static bool is_silent(const struct real *real, uint32_t key)
{
	return mesh_peer(real_mesh(real), scene_node(real->scene, key))->pulse.is_silent;
}

/* The last hint that was heard about that member; 0: none. */
static int hint_about(const struct puppet *puppet, uint32_t key)
{
	int what = 0;

	for (size_t i = 0; i < puppet->count; i++) {
		const struct frame *frame = &puppet->heard[i].frame;

		if (frame->kind == FRAME_HINT && frame->hint.node == scene_node(puppet->scene, key))
			what = (int)frame->hint.what;
	}
	return what;
}

static void say_beat(struct puppet *puppet, struct sum sum)
{
	frame_put_beat(&puppet->frame, sum);
	puppet_say(puppet);
}

static void the_successor_alone_gets_a_beat_a_second(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 1);
	struct puppet *before = puppet_member(real, 0), *after = puppet_member(real, 2);

	(void)state;
	scene_pass(scene, 1000);
	puppet_forget(after);
	scene_pass(scene, 10000);
	assert_in_range(puppet_count(after, FRAME_BEAT), 9, 11);
	assert_int_equal(puppet_count(before, FRAME_BEAT), 0);
	assert_true(sum_equal(puppet_last(after, FRAME_BEAT)->beat, beat_sum(real_mesh(real))));
	scene_free(scene);
}

static void a_beat_weighs_everything(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 1);
	struct sum first = beat_sum(real_mesh(real)), second, third;
	struct bytes eviction = scene_evict(scene, 2, 0);

	(void)state;
	real_write(real, 10, 0);
	second = beat_sum(real_mesh(real));
	real_bring(real, &eviction, 1);
	third = beat_sum(real_mesh(real));
	assert_false(sum_equal(first, second) || sum_equal(second, third));
	scene_free(scene);
}

static void equal_beats_are_not_answered(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);

	(void)state;
	puppet_forget(puppet);
	for (int i = 0; i < 10; i++)
		say_beat(puppet, beat_sum(real_mesh(real)));
	assert_int_equal(puppet->count, 0);
	scene_free(scene);
}

static void a_difference_that_lasts_begins_an_exchange(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct id disk = real_disk(real);

	(void)state;
	puppet_forget(puppet);
	for (int round = 0; round < 2; round++) {
		say_beat(puppet, (struct sum){ 1, 1 });
		say_beat(puppet, (struct sum){ 2, 1 });
		assert_int_equal(puppet_count(puppet, FRAME_INDEX), round);
		say_beat(puppet, (struct sum){ 3, 1 });
		assert_int_equal(puppet_count(puppet, FRAME_INDEX), round + 1);
		assert_int_equal(puppet_count(puppet, FRAME_T0_SUM), round + 1);
	}
	/* One that is equal begins the count anew. */
	say_beat(puppet, (struct sum){ 1, 1 });
	say_beat(puppet, (struct sum){ 1, 1 });
	say_beat(puppet, beat_sum(real_mesh(real)));
	say_beat(puppet, (struct sum){ 1, 1 });
	assert_int_equal(puppet_count(puppet, FRAME_INDEX), 2);
	puppet_ignored(puppet, disk);
	scene_free(scene);
}

/* --- Silence. Node 1 watches node 0; node 2 is asked. */

struct watch {
	struct scene *scene;
	struct real *real;
	struct puppet *before, *other;
};

static struct watch begin_watch(void)
{
	struct watch watch = { .scene = scene_new(3) };

	watch.real = real_boot(watch.scene, 1);
	watch.before = puppet_member(watch.real, 0);
	watch.other = puppet_member(watch.real, 2);
	return watch;
}

static void silence_is_probed_after_2600_ms_and_told_after_700_more(void **state)
{
	struct watch w = begin_watch();

	(void)state;
	scene_pass(w.scene, 2590);
	assert_int_equal(hint_about(w.other, 0), 0);
	scene_pass(w.scene, 20);
	assert_int_equal(hint_about(w.other, 0), HINT_PROBE);
	scene_pass(w.scene, 680);
	assert_int_equal(hint_about(w.other, 0), HINT_PROBE);
	assert_false(is_silent(w.real, 0));
	scene_pass(w.scene, 20);
	assert_int_equal(hint_about(w.other, 0), HINT_SILENT);
	assert_true(is_silent(w.real, 0));
	assert_int_equal(hint_about(w.before, 0), 0);
	/* It is said once, and nothing follows from it. */
	puppet_forget(w.other);
	scene_pass(w.scene, 20000);
	assert_int_equal(hint_about(w.other, 0), 0);
	assert_false(w.before->is_closed);
	assert_int_equal(real_mesh(w.real)->counts.silence, 1);
	assert_int_equal(real_mesh(w.real)->counts.probe, 1);
	scene_free(w.scene);
}

static void anything_at_all_is_a_sign_of_life(void **state)
{
	struct watch w = begin_watch();

	(void)state;
	for (int i = 0; i < 10; i++) {
		scene_pass(w.scene, 2000);
		puppet_hint(w.before, HINT_BACK, scene_node(w.scene, 2));
	}
	assert_int_equal(real_mesh(w.real)->counts.probe, 0);
	scene_free(w.scene);
}

static void who_hears_it_says_so_and_there_is_no_silence(void **state)
{
	struct watch w = begin_watch();

	(void)state;
	scene_pass(w.scene, 2700);
	puppet_hint(w.other, HINT_BACK, scene_node(w.scene, 0));
	puppet_forget(w.other);
	scene_pass(w.scene, 2500);
	assert_false(is_silent(w.real, 0));
	assert_int_equal(hint_about(w.other, 0), 0);
	scene_pass(w.scene, 200);
	assert_int_equal(hint_about(w.other, 0), HINT_PROBE);
	scene_free(w.scene);
}

static void who_comes_back_is_told_of(void **state)
{
	struct watch w = begin_watch();

	(void)state;
	scene_pass(w.scene, 3400);
	assert_true(is_silent(w.real, 0));
	say_beat(w.before, beat_sum(real_mesh(w.real)));
	assert_false(is_silent(w.real, 0));
	assert_int_equal(hint_about(w.other, 0), HINT_BACK);
	assert_int_equal(real_mesh(w.real)->counts.false_silence, 1);
	scene_free(w.scene);
}

static void a_link_that_ends_is_silence_at_once(void **state)
{
	struct watch w = begin_watch();

	(void)state;
	puppet_hang_up(w.before);
	assert_true(is_silent(w.real, 0));
	assert_int_equal(real_mesh(w.real)->counts.probe, 0);
	scene_free(w.scene);
}

static void a_probe_is_passed_on_and_answered_when_there_is_an_answer(void **state)
{
	struct watch w = begin_watch();

	(void)state;
	/* Node 2 asks about node 0. */
	puppet_hint(w.other, HINT_PROBE, scene_node(w.scene, 0));
	assert_int_equal(hint_about(w.before, 0), HINT_PROBE);
	assert_int_equal(hint_about(w.other, 0), 0);
	puppet_hint(w.before, HINT_BACK, scene_node(w.scene, 0));
	assert_int_equal(hint_about(w.other, 0), HINT_BACK);
	/* Once. */
	puppet_forget(w.other);
	puppet_hint(w.before, HINT_BACK, scene_node(w.scene, 0));
	assert_int_equal(hint_about(w.other, 0), 0);
	scene_free(w.scene);
}

static void hints_about_oneself_are_denied(void **state)
{
	struct watch w = begin_watch();
	struct id disk = real_disk(w.real);

	(void)state;
	puppet_hint(w.before, HINT_PROBE, scene_node(w.scene, 1));
	assert_int_equal(hint_about(w.before, 1), HINT_BACK);
	assert_int_equal(hint_about(w.other, 1), 0);
	puppet_hint(w.before, HINT_SILENT, scene_node(w.scene, 1));
	assert_int_equal(hint_about(w.other, 1), HINT_BACK);
	puppet_hint(w.before, HINT_BACK, scene_node(w.scene, 1));
	puppet_ignored(w.before, disk);
	scene_free(w.scene);
}

static void of_whom_we_hear_ourselves_no_hint_is_believed(void **state)
{
	struct watch w = begin_watch();
	struct id disk = real_disk(w.real);

	(void)state;
	scene_pass(w.scene, 1000);
	puppet_hint(w.before, HINT_SILENT, scene_node(w.scene, 2));
	assert_false(is_silent(w.real, 2));
	scene_pass(w.scene, 2000);
	puppet_hint(w.before, HINT_SILENT, scene_node(w.scene, 2));
	assert_true(is_silent(w.real, 2));
	/* Nobody speaks so of itself, and of nobody there is nothing to say. */
	puppet_hint(w.before, HINT_SILENT, scene_node(w.scene, 0));
	assert_false(is_silent(w.real, 0));
	puppet_hint(w.before, HINT_SILENT, 4711);
	puppet_hint(w.before, HINT_PROBE, 4711);
	puppet_ignored(w.before, disk);
	scene_free(w.scene);
}

static void a_flood_of_hints_is_answered_within_bounds(void **state)
{
	struct watch w = begin_watch();

	(void)state;
	w.real->is_gathering = true;
	for (int i = 0; i < 1000; i++)
		puppet_hint(w.before, HINT_SILENT, scene_node(w.scene, 1));
	assert_int_equal(real_commit(w.real), OK);
	assert_in_range(puppet_count(w.other, FRAME_HINT), 1, HINTS_MAX);
	scene_free(w.scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_successor_alone_gets_a_beat_a_second),
		cmocka_unit_test(a_beat_weighs_everything),
		cmocka_unit_test(equal_beats_are_not_answered),
		cmocka_unit_test(a_difference_that_lasts_begins_an_exchange),
		cmocka_unit_test(silence_is_probed_after_2600_ms_and_told_after_700_more),
		cmocka_unit_test(anything_at_all_is_a_sign_of_life),
		cmocka_unit_test(who_hears_it_says_so_and_there_is_no_silence),
		cmocka_unit_test(who_comes_back_is_told_of),
		cmocka_unit_test(a_link_that_ends_is_silence_at_once),
		cmocka_unit_test(a_probe_is_passed_on_and_answered_when_there_is_an_answer),
		cmocka_unit_test(hints_about_oneself_are_denied),
		cmocka_unit_test(of_whom_we_hear_ourselves_no_hint_is_believed),
		cmocka_unit_test(a_flood_of_hints_is_answered_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
