/* SPDX-License-Identifier: Apache-2.0 */

/* Clusters too large for a link to every other member: that everybody has everything, also when relays fail. */

#include "crdt/gossip/link.h"
#include "crdt/model/pack.h"
#include "tests/sim/world.h"
#include "tests/unit/base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { MEMBERS = 80, REGION_NAMES = 5, REPLIES = 64 };

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

/* One region has one member, one has two. */
static const char *const region_names[REGION_NAMES] = { "alone", "pair", "north", "south", "" };

struct large {
	struct world *world;
	const char *regions[MEMBERS];
	struct reply replies[REPLIES];
	size_t replies_count;
};

static void replied(void *context, struct machine *machine, const struct reply *reply)
{
	struct large *large = context;

	(void)machine;
	if (large->replies_count < REPLIES)
		large->replies[large->replies_count++] = *reply;
}

static uint32_t region_at(uint32_t machine)
{
	if (machine < 3)
		return machine ? 1 : 0;
	return 2 + machine % 3;
}

static struct large *large_new(uint32_t members)
{
	struct world_options options = { .seed = 11, .machines = members, .commit_ns = MS };
	struct large *large = must_alloc(sizeof *large);

	options.hooks.context = large;
	options.hooks.replied = replied;
	for (uint32_t i = 0; i < members; i++)
		large->regions[i] = region_names[region_at(i)];
	large->world = world_new(&options);
	for (uint32_t i = 0; i < members; i++)
		for (uint32_t k = 0; k < members; k++)
			net_path(large->world->net, i, k)->delay_ns = region_at(i) == region_at(k) ? MS : 30 * MS;
	world_found_large(large->world, large->regions);
	world_run(large->world, 15 * SECOND);
	assert_true(world_is_settled(large->world));
	return large;
}

static void large_free(struct large *large)
{
	world_free(large->world);
	free(large);
}

static void run(struct large *large, uint64_t ns)
{
	world_run(large->world, world_now(large->world) + ns);
}

/* The request's number. */
static uint64_t write_at(struct large *large, uint32_t machine, uint32_t copies)
{
	struct setting_row row = { .name = bytes_text("relayed"), .value = bytes_text("yes") };
	struct asker asker = { .writes = BY_OWNER };
	struct change change = { .what = CHANGE_CREATE, .kind = KIND_setting };
	char name[32];
	uint8_t room[200];
	struct buf map = buf_over(room, sizeof room);

	snprintf(name, sizeof name, "s%llu", (unsigned long long)large->world->requests);
	row.name = bytes_text(name);
	row.has = BIT(AT_setting_name) | BIT(AT_setting_value);
	pack_write(&KIND_TABLE(setting)->shape, &row, &map);
	change.map = buf_bytes(&map);
	return world_write(large->world, machine, &asker, &change, 1, copies, bytes_of(NULL, 0));
}

/* How many that are up have what that machine wrote. */
static uint32_t count_having(const struct large *large, uint32_t machine)
{
	const struct world *world = large->world;
	const struct mesh *author = world_mesh(world, machine);
	struct stream stream = { world->machines[machine].id, author->author.start, LANE_PEOPLE };
	uint32_t count = 0;

	for (uint32_t i = 0; i < world->options.machines; i++)
		if (world_is_up(world, i) &&
		    vector_seq(&world_mesh(world, i)->vector, stream) == author->author.lanes[LANE_PEOPLE].end.seq)
			count++;
	return count;
}

static const struct relay_map *map_of(const struct large *large, uint32_t machine)
{
	return &world_mesh(large->world, machine)->relay.map;
}

static uint32_t machine_of(const struct large *large, uint64_t node)
{
	for (uint32_t i = 0; i < large->world->options.machines; i++)
		if (large->world->machines[i].id == node)
			return i;
	fail_msg("no such machine");
	return 0;
}

/* A relay of a machine's region, by its rank. */
static uint32_t relay_of(const struct large *large, uint32_t machine, uint32_t rank)
{
	const struct relay_map *map = map_of(large, machine);
	const struct relay_region *region =
		relay_map_region(map, relay_map_find(map, large->world->machines[machine].id));

	assert_in_range(rank + 1, 1, region->relays_count);
	return machine_of(large, map->places[region->relays[rank]].node);
}

/* One of that region who is no relay. */
static uint32_t other_of(const struct large *large, uint32_t region)
{
	for (uint32_t i = 0; i < large->world->options.machines; i++)
		if (region_at(i) == region && world_mesh(large->world, i)->relay.rank == RELAYS)
			return i;
	fail_msg("all of that region are relays");
	return 0;
}

static void up_to_64_members_all_meet_all(void **state)
{
	struct large *large = large_new(64);

	(void)state;
	for (uint32_t i = 0; i < 64; i++) {
		assert_false(world_mesh(large->world, i)->relay.is_on);
		assert_int_equal(world_mesh(large->world, i)->links_count, 63);
	}
	large_free(large);
}

static void links_are_few_and_each_batch_comes_once(void **state)
{
	struct large *large = large_new(MEMBERS);
	struct mesh_counts before, now;

	(void)state;
	for (uint32_t i = 0; i < MEMBERS; i++) {
		const struct mesh *mesh = world_mesh(large->world, i);

		assert_true(mesh->relay.is_on);
		if (mesh->relay.rank == RELAYS)
			assert_in_range(mesh->links_count, 2, RELAYS + 2);
		else
			assert_in_range(mesh->links_count, 2, MEMBERS / 2);
	}
	world_counts(large->world, &before);
	for (uint32_t i = 0; i < MEMBERS; i++) {
		write_at(large, i, 0);
		run(large, 20 * MS);
	}
	run(large, 100 * MS);
	for (uint32_t i = 0; i < MEMBERS; i++)
		assert_int_equal(count_having(large, i), MEMBERS);
	world_counts(large->world, &now);
	assert_int_equal(now.merged - before.merged, MEMBERS * (MEMBERS - 1));
	assert_in_range(now.duplicate - before.duplicate, 0, MEMBERS * MEMBERS / 20);
	large_free(large);
}

/* The process ends while a batch is on its way through it. */
static void a_relay_that_dies_midway_holds_up_nothing(void **state)
{
	for (uint32_t rank = 0; rank < RELAYS; rank++) {
		struct large *large = large_new(MEMBERS);
		uint32_t author = other_of(large, 2), relay = relay_of(large, other_of(large, 3), rank);

		write_at(large, author, 0);
		run(large, 20 * MS);
		world_kill(large->world, relay);
		run(large, 400 * MS);
		assert_int_equal(count_having(large, author), MEMBERS - 1);
		/* And what comes later finds its way at once. */
		run(large, 5 * SECOND);
		write_at(large, author, 0);
		run(large, 60 * MS);
		assert_int_equal(count_having(large, author), MEMBERS - 1);
		large_free(large);
	}
	(void)state;
}

/* Nobody is told, so its links seem to be there: what is not acknowledged comes by way of its twin. */
static void the_twin_takes_over_whom_nobody_serves(void **state)
{
	for (uint32_t rank = 0; rank < RELAYS; rank++) {
		struct large *large = large_new(MEMBERS);
		uint32_t author = other_of(large, 2), relay = relay_of(large, other_of(large, 3), rank);
		struct mesh_counts before, now;

		world_cut_power(large->world, relay);
		world_counts(large->world, &before);
		write_at(large, author, 0);
		run(large, 60 * MS);
		assert_in_range(count_having(large, author), 2, MEMBERS - 2);
		run(large, 240 * MS);
		assert_int_equal(count_having(large, author), MEMBERS - 1);
		world_counts(large->world, &now);
		assert_in_range(now.taken_over - before.taken_over, 1, MEMBERS);
		large_free(large);
	}
	(void)state;
}

/* The author's own relay: its twin gives to the other regions what that one would have given. */
static void an_authors_relay_may_be_gone(void **state)
{
	for (uint32_t rank = 0; rank < RELAYS; rank++) {
		struct large *large = large_new(MEMBERS);
		uint32_t author = other_of(large, 2), relay = relay_of(large, author, rank);

		world_cut_power(large->world, relay);
		write_at(large, author, 0);
		run(large, 700 * MS);
		assert_int_equal(count_having(large, author), MEMBERS - 1);
		large_free(large);
	}
	(void)state;
}

static void with_both_relays_gone_there_are_others(void **state)
{
	struct large *large = large_new(MEMBERS);
	uint32_t member = other_of(large, 3), first = relay_of(large, member, 0), second = relay_of(large, member, 1);
	uint32_t author = other_of(large, 2);

	(void)state;
	world_cut_power(large->world, first);
	world_cut_power(large->world, second);
	run(large, 20 * SECOND);
	for (uint32_t i = 0; i < RELAYS; i++) {
		assert_int_not_equal(relay_of(large, member, i), first);
		assert_int_not_equal(relay_of(large, member, i), second);
	}
	write_at(large, author, 0);
	write_at(large, member, 0);
	run(large, 100 * MS);
	assert_int_equal(count_having(large, author), MEMBERS - 2);
	assert_int_equal(count_having(large, member), MEMBERS - 2);
	/* They come back, and are what they were. */
	assert_true(world_boot(large->world, first));
	assert_true(world_boot(large->world, second));
	run(large, 30 * SECOND);
	assert_int_equal(relay_of(large, member, 0), first);
	assert_true(world_is_settled(large->world));
	large_free(large);
}

static const struct reply *reply_to(const struct large *large, uint64_t number)
{
	for (size_t i = 0; i < large->replies_count; i++)
		if (large->replies[i].number == number)
			return &large->replies[i];
	fail_msg("not answered");
	return NULL;
}

/* Each is counted once, also by an author that hears of most through others. */
static void copies_are_counted_across_regions(void **state)
{
	struct large *large = large_new(MEMBERS);
	uint32_t authors[3] = { 0, other_of(large, 2), relay_of(large, other_of(large, 3), 1) };

	(void)state;
	for (size_t i = 0; i < COUNT(authors); i++) {
		uint64_t few = write_at(large, authors[i], 2), all = write_at(large, authors[i], MEMBERS - 1);

		run(large, 3 * SECOND);
		assert_in_range(reply_to(large, few)->copies, 2, MEMBERS - 1);
		assert_int_equal(reply_to(large, all)->copies, MEMBERS - 1);
	}
	/* Whoever is away is not counted. */
	world_cut_power(large->world, other_of(large, 4));
	for (size_t i = 0; i < COUNT(authors); i++) {
		uint64_t all = write_at(large, authors[i], MEMBERS - 1);

		run(large, 3 * SECOND);
		assert_in_range(reply_to(large, all)->copies, 2, MEMBERS - 2);
	}
	large_free(large);
}

static bool is_all_stable(const struct large *large, uint32_t machine)
{
	const struct mesh *mesh = world_mesh(large->world, machine);

	return vector_covers(&mesh->stable.vector, &mesh->vector);
}

/* What everybody has is known to all, and while one is away nothing new of it is. */
static void what_everybody_has_becomes_stable(void **state)
{
	struct large *large = large_new(MEMBERS);
	uint32_t away = other_of(large, 4);

	(void)state;
	for (uint32_t i = 0; i < MEMBERS; i++)
		write_at(large, i, 0);
	run(large, 60 * SECOND);
	for (uint32_t i = 0; i < MEMBERS; i++) {
		const struct mesh *mesh = world_mesh(large->world, i);

		assert_int_equal(mesh->vector.count, MEMBERS);
		assert_true(is_all_stable(large, i));
		/* And next to nothing of it is kept elsewhere. */
		for (size_t k = 0; k < mesh->peers_count; k++)
			assert_in_range(mesh->peers[k]->acked.count, 0, MEMBERS / 8);
		assert_int_equal(mesh->counts.went_back, 0);
	}
	world_cut_power(large->world, away);
	write_at(large, 0, 0);
	run(large, 60 * SECOND);
	for (uint32_t i = 0; i < MEMBERS; i++)
		assert_true(i == away || !is_all_stable(large, i));
	assert_true(world_boot(large->world, away));
	run(large, 60 * SECOND);
	for (uint32_t i = 0; i < MEMBERS; i++)
		assert_true(is_all_stable(large, i));
	large_free(large);
}

/* Beats, and nothing else. */
static void idle_members_say_little(void **state)
{
	struct large *large = large_new(MEMBERS);
	uint64_t before[MEMBERS];

	(void)state;
	run(large, 60 * SECOND);
	for (uint32_t i = 0; i < MEMBERS; i++)
		before[i] = net_traffic(large->world->net, i).bytes_sent;
	run(large, 60 * SECOND);
	for (uint32_t i = 0; i < MEMBERS; i++)
		assert_in_range(net_traffic(large->world->net, i).bytes_sent - before[i], 60 * 30, 60 * 200);
	large_free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(up_to_64_members_all_meet_all),
		cmocka_unit_test(links_are_few_and_each_batch_comes_once),
		cmocka_unit_test(a_relay_that_dies_midway_holds_up_nothing),
		cmocka_unit_test(the_twin_takes_over_whom_nobody_serves),
		cmocka_unit_test(an_authors_relay_may_be_gone),
		cmocka_unit_test(with_both_relays_gone_there_are_others),
		cmocka_unit_test(copies_are_counted_across_regions),
		cmocka_unit_test(what_everybody_has_becomes_stable),
		cmocka_unit_test(idle_members_say_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
