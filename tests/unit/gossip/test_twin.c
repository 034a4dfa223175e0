/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

/* Two processes of one node: a twin is found by the answer of the first alone, and a restart is none. */

static uint64_t twins(const struct real *real)
{
	return real_mesh(real)->counts.twin;
}

static bool was_probed(const struct puppet *puppet)
{
	return puppet_count(puppet, FRAME_HINT) && puppet_last(puppet, FRAME_HINT)->hint.what == HINT_PROBE;
}

static void a_second_process_is_a_twin_when_the_first_answers(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *first = puppet_member(real, 1), *second;
	struct id disk = real_disk(real);

	(void)state;
	puppet_forget(first);
	second = puppet_dial(real, &scene->keys[1], 2);
	assert_true(was_probed(first));
	assert_false(second->is_closed);
	/* Not by what it said of other things. */
	frame_put_beat(&first->frame, (struct sum){ 1, 1 });
	puppet_say(first);
	puppet_hint(first, HINT_SILENT, 5);
	puppet_hint(first, HINT_SILENT, scene_node(scene, 1));
	/* Nor by a word that may be older than the question. */
	puppet_hint(first, HINT_BACK, scene_node(scene, 1));
	assert_false(second->is_closed);
	puppet_lives(first);
	assert_true(puppet_was_told(second, BYE_TWIN));
	assert_int_equal(twins(real), 1);
	puppet_ignored(first, disk);
	scene_free(scene);
}

static void a_process_that_ended_makes_way(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *first = puppet_member(real, 1), *second;

	(void)state;
	puppet_hang_up(first);
	second = puppet_dial(real, &scene->keys[1], 2);
	puppet_open(second, NULL);
	real_write(real, 10, 0);
	assert_int_equal(puppet_count(second, FRAME_BATCH), 1);
	assert_int_equal(twins(real), 0);
	scene_free(scene);
}

static void one_whose_link_is_dead_makes_way_after_a_while(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *first = puppet_member(real, 1), *second;

	(void)state;
	scene_pass(scene, 1000);
	second = puppet_dial(real, &scene->keys[1], 2);
	scene_pass(scene, 1400);
	assert_false(first->is_closed);
	scene_pass(scene, 1700);
	assert_true(first->is_closed);
	assert_false(second->is_closed);
	puppet_open(second, NULL);
	real_write(real, 10, 0);
	assert_int_equal(puppet_count(second, FRAME_BATCH), 1);
	assert_int_equal(twins(real), 0);
	assert_int_equal(real_mesh(real)->counts.twin_cleared, 1);
	scene_free(scene);
}

/* Also where, of two dials of one process that cross, the first would stay. */
static void a_dead_link_that_we_dialled_makes_way_too(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *first = puppet_answer(real, &scene->keys[1], 1), *second;

	(void)state;
	puppet_open(first, NULL);
	second = puppet_dial(real, &scene->keys[1], 2);
	scene_pass(scene, 3000);
	assert_true(first->is_closed);
	assert_false(second->is_closed);
	puppet_open(second, NULL);
	real_write(real, 10, 0);
	assert_int_equal(puppet_count(second, FRAME_BATCH), 1);
	scene_free(scene);
}

static void one_whose_link_ends_meanwhile_makes_way_at_once(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *first = puppet_member(real, 1), *second = puppet_dial(real, &scene->keys[1], 2);

	(void)state;
	puppet_hang_up(first);
	scene_pass(scene, 1100);
	puppet_open(second, NULL);
	real_write(real, 10, 0);
	assert_int_equal(puppet_count(second, FRAME_BATCH), 1);
	scene_free(scene);
}

/* Whether the first process is taken for a twin when it comes back after the second. */
static bool comes_back(uint64_t after_ms)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *first = puppet_member(real, 1), *second;
	bool is_told;

	puppet_hang_up(first);
	second = puppet_dial(real, &scene->keys[1], 2);
	puppet_hang_up(second);
	scene->now += after_ms * MS;
	first = puppet_dial(real, &scene->keys[1], 1001);
	is_told = puppet_was_told(first, BYE_TWIN);
	assert_int_equal(is_told, first->is_closed);
	scene_free(scene);
	return is_told;
}

static void the_first_that_comes_back_within_60_s_is_a_twin(void **state)
{
	(void)state;
	assert_true(comes_back(10));
	assert_true(comes_back(59900));
	assert_false(comes_back(60100));
}

static void restart_after_restart_is_no_twin(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);

	(void)state;
	for (uint64_t process = 1; process < 20; process++) {
		struct puppet *puppet = puppet_dial(real, &scene->keys[1], process);

		puppet_open(puppet, NULL);
		assert_false(puppet->is_closed);
		scene_pass(scene, 200);
		puppet_hang_up(puppet);
	}
	assert_int_equal(twins(real), 0);
	scene_free(scene);
}

static void of_several_that_wait_the_last_is_kept(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *first = puppet_member(real, 1), *second = puppet_dial(real, &scene->keys[1], 2);
	struct puppet *third = puppet_dial(real, &scene->keys[1], 3);

	(void)state;
	assert_true(puppet_was_told(second, BYE_DUPLICATE));
	assert_false(third->is_closed);
	puppet_hang_up(third);
	puppet_lives(first);
	assert_int_equal(twins(real), 0);
	assert_false(first->is_closed);
	scene_free(scene);
}

/* Two real processes on one disk's clone: the later is told, says so, and writes no more. */
static void a_twin_takes_no_more_writes(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *keeper = real_boot(scene, 0), *first = real_boot(scene, 1), *second;
	uint64_t number;

	(void)state;
	scene_meet(scene, keeper, first);
	scene_carry(scene);
	scene->disks[1] = mem_disk_clone(first->disk);
	second = real_boot(scene, 1);
	scene_meet(scene, keeper, second);
	scene_carry(scene);
	assert_true(real_mesh(second)->is_twin);
	assert_false(real_mesh(first)->is_twin);
	assert_true(real_has_alarm(second, "this server runs twice: stop one and evict it, or evict both"));
	number = real_write(second, 10, 0);
	assert_int_equal(real_answer(second, number)->code, E_BUSY);
	number = real_write(first, 10, 1);
	scene_carry(scene);
	assert_int_equal(real_answer(first, number)->copies, 1);
	real_end(second);
	mem_disk_free(scene->disks[1]);
	scene->disks[1] = first->disk;
	scene_free(scene);
}

/* What a process said before it died comes late, and nobody asked this node for it. */
static void a_late_word_of_the_first_makes_no_twin(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *first = puppet_member(real, 1), *third = puppet_member(real, 2), *second;

	(void)state;
	/* Another member asks whether the first is there, which answers, and what it says is lost on its way. */
	puppet_hint(third, HINT_PROBE, scene_node(scene, 1));
	assert_true(was_probed(first));
	second = puppet_dial(real, &scene->keys[1], 4711);
	puppet_hint(first, HINT_BACK, scene_node(scene, 1));
	puppet_hang_up(first);
	scene_pass(scene, 1100);
	assert_false(second->is_closed);
	puppet_open(second, NULL);
	real_write(real, 10, 0);
	assert_int_equal(puppet_count(second, FRAME_BATCH), 1);
	assert_int_equal(twins(real), 0);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_process_is_a_twin_when_the_first_answers),
		cmocka_unit_test(a_process_that_ended_makes_way),
		cmocka_unit_test(one_whose_link_is_dead_makes_way_after_a_while),
		cmocka_unit_test(a_dead_link_that_we_dialled_makes_way_too),
		cmocka_unit_test(one_whose_link_ends_meanwhile_makes_way_at_once),
		cmocka_unit_test(the_first_that_comes_back_within_60_s_is_a_twin),
		cmocka_unit_test(restart_after_restart_is_no_twin),
		cmocka_unit_test(of_several_that_wait_the_last_is_kept),
		cmocka_unit_test(a_twin_takes_no_more_writes),
		cmocka_unit_test(a_late_word_of_the_first_makes_no_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
