/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/carry.h"

/* What is whole and finds no room on the disk. */

/* Each try writes all of it, and commits follow each other at once. */
static void a_full_disk_is_tried_once_a_second(void **state)
{
	struct two two = carry_parted(5);
	const struct mesh *mesh = real_mesh(two.to);
	struct id disk;

	(void)state;
	carry_write(two.donor, 20);
	disk = real_disk(two.to);
	carry_whole(two.donor, two.to);
	real_forget(two.to);
	mem_disk_full_at(two.to->disk, 1);
	for (size_t i = 0; i < 40; i++) {
		real_tick(two.to);
		scene_pass(two.scene, 90);
	}
	assert_int_equal(mesh->snapshot.stage, SNAPSHOT_READY);
	assert_true(id_equal(disk, real_disk(two.to)));
	assert_int_equal(two.to->alarms_count, 1);
	/* The last try was less than a second ago. */
	while (mono_since_ns(mesh->now, mesh->snapshot.full) >= 500 * MS)
		scene_pass(two.scene, 100);
	mem_disk_full_at(two.to->disk, 0);
	for (size_t i = 0; i < 5; i++)
		real_tick(two.to);
	assert_int_equal(mesh->snapshot.stage, SNAPSHOT_READY);
	scene_pass(two.scene, 1000);
	real_tick(two.to);
	assert_int_equal(mesh->snapshot.stage, SNAPSHOT_NONE);
	assert_int_equal(mesh->counts.joined, 1);
	assert_int_equal(two.to->alarms_count, 1);
	carry_end(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_disk_is_tried_once_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
