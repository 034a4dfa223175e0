/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"
#include "tests/sim/world.h"
#include "tests/unit/base/check.h"

#include <stdlib.h>

/* That a cluster lives at all: it forms, writes arrive, what was killed catches up. */

enum { SECOND = 1000000000 };

static uint64_t write_setting(struct world *world, uint32_t machine, const char *name, const char *text,
			      uint32_t copies)
{
	struct setting_row row = { .name = bytes_text(name), .value = bytes_text(text) };
	uint8_t room[512];
	struct buf map = buf_over(room, sizeof room);
	struct asker asker = { .writes = BY_OWNER };
	struct change change = { .what = CHANGE_CREATE, .kind = KIND_setting };

	row.has = BIT(AT_setting_name) | BIT(AT_setting_value);
	pack_write(&KIND_TABLE(setting)->shape, &row, &map);
	change.map = buf_bytes(&map);
	return world_write(world, machine, &asker, &change, 1, copies, bytes_of(NULL, 0));
}

struct seen {
	size_t replies, refusals;
	uint32_t copies;
	char text[256];
};

static void replied(void *context, struct machine *machine, const struct reply *reply)
{
	struct seen *seen = context;

	(void)machine;
	seen->replies++;
	seen->copies = reply->copies;
	if (!reply->code)
		return;
	seen->refusals++;
	snprintf(seen->text, sizeof seen->text, "%s", reply->text);
}

static struct world *make_world(struct seen *seen, uint32_t machines)
{
	struct world_options options = { .seed = 1, .machines = machines };
	struct world *world;

	options.hooks.context = seen;
	options.hooks.replied = replied;
	world = world_new(&options);
	world->timeline = getenv("TIMELINE") ? stderr : NULL;
	return world;
}

static void assert_same(struct world *world)
{
	assert_true(world_is_settled(world));
	for (uint32_t i = 1; i < world->options.machines; i++)
		assert_true(
			sum_equal(root_total(&world_mesh(world, i)->root), root_total(&world_mesh(world, 0)->root)));
}

static void test_writes_arrive(void **state)
{
	struct seen seen = { 0 };
	struct world *world = make_world(&seen, 3);

	(void)state;
	world_found_all(world, 3);
	world_run(world, 5ull * SECOND);
	for (uint32_t i = 0; i < 30; i++) {
		char name[16];

		snprintf(name, sizeof name, "name-%u", i);
		write_setting(world, i % 3, name, "value", i % 3);
		world_run(world, world_now(world) + SECOND / 10);
	}
	world_run(world, world_now(world) + 5ull * SECOND);
	assert_int_equal(seen.replies, 33);
	if (seen.refusals)
		fail_msg("%s", seen.text);
	assert_same(world);
	assert_int_equal(world_mesh(world, 0)->counts.duplicate, 0);
	world_free(world);
}

static void test_a_killed_one_catches_up(void **state)
{
	struct seen seen = { 0 };
	struct world *world = make_world(&seen, 3);

	(void)state;
	world_found_all(world, 3);
	world_run(world, 5ull * SECOND);
	world_kill(world, 1);
	write_setting(world, 0, "one", "value", 0);
	write_setting(world, 2, "two", "value", 1);
	world_run(world, world_now(world) + 20ull * SECOND);
	assert_true(world_boot(world, 1));
	world_run(world, world_now(world) + 10ull * SECOND);
	assert_same(world);
	assert_int_equal(seen.refusals, 0);
	world_free(world);
}

static void test_joining(void **state)
{
	struct seen seen = { 0 };
	struct world *world = make_world(&seen, 4);

	(void)state;
	world_found(world);
	world_run(world, SECOND);
	write_setting(world, 0, "before", "value", 0);
	for (uint32_t i = 1; i < 4; i++) {
		world_invite(world, i, i - 1);
		assert_true(world_boot(world, i));
		world_run(world, world_now(world) + 10ull * SECOND);
		assert_true(world_mesh(world, i)->is_member);
	}
	write_setting(world, 3, "after", "value", 3);
	world_run(world, world_now(world) + 5ull * SECOND);
	assert_same(world);
	if (seen.refusals)
		fail_msg("%s", seen.text);
	assert_int_equal(seen.copies, 3);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes_arrive),
		cmocka_unit_test(test_a_killed_one_catches_up),
		cmocka_unit_test(test_joining),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
