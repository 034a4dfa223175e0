/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

#include <stdlib.h>

/*
 * What relays say of their regions, and what follows from it. The node has key 0 and is the relay of its region; key 2
 * is that of the other one. It is shown a map as it would be in a cluster of more members.
 */

enum { NEAR = 11, FAR = 12, ELSEWHERE = 13, MEMBERS = 7 };

static struct scene *scene;
static struct real *real;
static struct puppet *near, *far;
static struct chain chain;

static struct mesh *mesh_of(void)
{
	return (struct mesh *)(uintptr_t)real_mesh(real);
}

/* The region of each key. Who is not to be a relay is said to be silent. */
static void draw(const uint64_t *regions)
{
	struct mesh *mesh = mesh_of();
	struct relay *relay = &mesh->relay;
	struct relay_place places[MEMBERS];
	const struct relay_region *region;

	for (uint32_t i = 0; i < MEMBERS; i++)
		places[i] = (struct relay_place){ .node = scene_node(scene, i),
						  .region = regions[i],
						  .is_silent = i != 0 && i != 2 };
	relay_map_make(&relay->map, places, MEMBERS);
	relay->is_on = true;
	relay->own = relay_map_find(&relay->map, mesh->node);
	relay->rank = 0;
	relay->twin = NULL;
	for (size_t i = 0; i < mesh->peers_count; i++)
		mesh->peers[i]->place = relay_map_find(&relay->map, mesh->peers[i]->node);
	region = relay_map_region(&relay->map, relay->own);
	free(relay->near);
	relay->near = must_alloc((region->count + 1) * sizeof *relay->near);
	for (uint32_t i = 0; i < region->count; i++)
		relay->near[i] = mesh_peer(mesh, relay->map.places[region->first + i].node);
	relay_words_refresh(mesh);
}

static const uint64_t drawn[MEMBERS] = { NEAR, NEAR, FAR, FAR, ELSEWHERE, ELSEWHERE, FAR };

static void begin(void)
{
	scene = scene_new(MEMBERS);
	real = real_boot(scene, 0);
	near = puppet_member(real, 1);
	far = puppet_member(real, 2);
	chain = chain_of(scene, 1);
	for (int i = 0; i < 4; i++)
		puppet_batch(near, chain_next(&chain, 1, 10));
	draw(drawn);
}

static uint64_t set_of(uint64_t region)
{
	const struct relay_map *map = &mesh_of()->relay.map;

	for (uint32_t i = 0; i < map->regions_count; i++)
		if (map->regions[i].region == region)
			return map->regions[i].set;
	return 0;
}

static void say(struct puppet *puppet, uint64_t region, uint64_t set, struct stream stream, struct end end)
{
	struct region_item item = { stream, end, end };

	frame_put_region(&puppet->frame, region, set, true, &item, 1);
	puppet_say(puppet);
}

static const struct region_word *far_word(void)
{
	return relay_word_of(mesh_of(), FAR, set_of(FAR));
}

/* As many as before, and not the same. */
static void of_other_members_a_word_says_nothing(void **state)
{
	const uint64_t moved[MEMBERS] = { NEAR, NEAR, FAR, ELSEWHERE, FAR, ELSEWHERE, FAR };
	struct stream other = { .start = 1, .lane = LANE_PEOPLE };

	(void)state;
	begin();
	other.node = scene_node(scene, 2);
	say(far, FAR, set_of(FAR), chain.stream, chain.end);
	assert_non_null(far_word());
	assert_int_equal(vector_seq(&far_word()->least, chain.stream), 4);
	draw(moved);
	assert_null(far_word());
	/* It speaks of these now, and of another stream: what it said before was of others. */
	say(far, FAR, set_of(FAR), other, (struct end){ .seq = 1 });
	assert_non_null(far_word());
	assert_int_equal(vector_seq(&far_word()->least, other), 1);
	assert_int_equal(vector_seq(&far_word()->least, chain.stream), 0);
	scene_free(scene);
}

static void what_was_said_of_a_region_goes_with_it(void **state)
{
	const uint64_t left[MEMBERS] = { NEAR, NEAR, NEAR, NEAR, NEAR, NEAR, NEAR };

	(void)state;
	begin();
	say(far, FAR, set_of(FAR), chain.stream, chain.end);
	assert_int_equal(mesh_of()->relay.words.count, 1);
	draw(left);
	assert_int_equal(mesh_of()->relay.words.count, 0);
	scene_free(scene);
}

/* A relay hears of each region from that region's. */
static void nobody_speaks_for_others(void **state)
{
	(void)state;
	begin();
	say(far, ELSEWHERE, set_of(ELSEWHERE), chain.stream, chain.end);
	say(far, NEAR, set_of(NEAR), chain.stream, chain.end);
	say(near, FAR, set_of(FAR), chain.stream, chain.end);
	assert_int_equal(mesh_of()->relay.words.count, 0);
	/* Nor from the other one of its own region. */
	relay_map_silence(&mesh_of()->relay.map, scene_node(scene, 1), false);
	say(near, FAR, set_of(FAR), chain.stream, chain.end);
	assert_int_equal(mesh_of()->relay.words.count, 0);
	assert_false(far->is_closed || near->is_closed);
	scene_free(scene);
}

/* The one is behind, and the other on another branch, and further: the least of their numbers says too much. */
static bool was_said(const struct puppet *puppet, struct stream stream)
{
	bool was = false;

	for (size_t i = 0; i < puppet->count; i++) {
		struct reader items = puppet->heard[i].frame.region.items;
		struct region_item item;

		while (puppet->heard[i].frame.kind == FRAME_REGION && frame_next_region_item(&items, &item))
			was |= !stream_compare(&item.stream, &stream);
	}
	return was;
}

/* A member of the region says something of so many streams, and the relay's next word of them comes. */
static bool is_said_after(uint64_t starts, size_t times)
{
	puppet_forget(far);
	for (size_t i = 0; i < times; i++)
		for (uint64_t start = 1; start <= starts; start++)
			relay_touch(mesh_of(), mesh_peer(mesh_of(), scene_node(scene, 1)),
				    (struct stream){ scene_node(scene, 3), start, LANE_PEOPLE });
	scene_pass(scene, 200);
	return was_said(far, chain.stream);
}

/* All is said when too much was touched, and that need not be because of many. */
static void all_is_said_no_more_than_once_a_second(void **state)
{
	struct mesh *mesh;
	size_t count = 0;

	(void)state;
	begin();
	mesh = mesh_of();
	scene_pass(scene, 2000);
	/* The same over and over is no more than that. */
	for (size_t i = 0; i < 5; i++)
		assert_false(is_said_after(3, 1000));
	assert_false(is_said_after(ACK_RECENT / 2, 10));
	for (size_t i = 0; i < 25; i++)
		count += is_said_after(ACK_RECENT + 100, 1);
	assert_in_range(count, 4, 6);
	/* What was touched before the others is not forgotten. */
	scene_pass(scene, 2000);
	is_said_after(ACK_RECENT + 100, 1);
	relay_touch(mesh, NULL, chain.stream);
	assert_false(is_said_after(ACK_RECENT + 100, 1));
	puppet_forget(far);
	scene_pass(scene, 1000);
	assert_true(was_said(far, chain.stream));
	/* And then there is peace. */
	puppet_forget(far);
	scene_pass(scene, 3000);
	assert_false(was_said(far, chain.stream));
	scene_free(scene);
}

static void of_who_is_on_another_branch_nothing_is_said(void **state)
{
	const uint64_t together[MEMBERS] = { NEAR, NEAR, NEAR, NEAR, NEAR, NEAR, NEAR };
	struct end branch = { 3, { { 1, 2, 3 } } }, first;
	struct puppet *all[MEMBERS];

	(void)state;
	scene = scene_new(MEMBERS);
	real = real_boot(scene, 0);
	for (uint32_t i = 1; i < MEMBERS; i++)
		all[i] = puppet_member(real, i);
	chain = chain_of(scene, 1);
	puppet_batch(all[1], chain_next(&chain, 1, 10));
	puppet_batch(all[1], chain_next(&chain, 1, 10));
	first = chain.end;
	puppet_batch(all[1], chain_next(&chain, 1, 10));
	puppet_batch(all[1], chain_next(&chain, 1, 10));
	draw(together);
	for (uint32_t i = 1; i < MEMBERS; i++)
		puppet_ack(all[i], chain.stream, i == 1 ? first : chain.end);
	assert_int_equal(relay_least(mesh_of(), chain.stream).seq, 2);
	puppet_ack(all[2], chain.stream, branch);
	assert_int_equal(relay_least(mesh_of(), chain.stream).seq, 0);
	/* Back on the chain. */
	puppet_ack(all[2], chain.stream, chain.end);
	assert_int_equal(relay_least(mesh_of(), chain.stream).seq, 2);
	store_end(mesh_of()->look);
	mesh_of()->look = NULL;
	scene_free(scene);
}

/* Where a disk of that region is an older one now, what everybody was seen to have is to be seen anew. */
static void a_region_that_goes_back_begins_the_rounds_again(void **state)
{
	struct end less = { 2, { { 1, 2, 3 } } };

	(void)state;
	begin();
	say(far, FAR, set_of(FAR), chain.stream, chain.end);
	mesh_of()->stable.rounds.round = ROUND_SECOND;
	say(far, FAR, set_of(FAR), chain.stream, chain.end);
	assert_int_equal(mesh_of()->stable.rounds.round, ROUND_SECOND);
	say(far, FAR, set_of(FAR), chain.stream, less);
	assert_int_equal(mesh_of()->counts.went_back, 1);
	assert_int_equal(mesh_of()->stable.rounds.round, ROUND_NONE);
	scene_free(scene);
}

/* An author is told of its own streams, and no others are kept, nor of its own any that there are not. */
static void of_what_is_not_there_nothing_is_kept(void **state)
{
	struct stream own = { .start = 1, .lane = LANE_PEOPLE }, none = { .start = 77, .lane = LANE_PEOPLE };
	const struct region_word *word;

	(void)state;
	begin();
	own.node = none.node = mesh_of()->node;
	real_write(real, 10, 0);
	/* No relay itself any more. */
	mesh_of()->relay.rank = RELAYS;
	relay_map_silence(&mesh_of()->relay.map, mesh_of()->node, true);
	relay_map_silence(&mesh_of()->relay.map, scene_node(scene, 1), false);
	say(near, FAR, set_of(FAR), none, chain.end);
	say(near, FAR, set_of(FAR), chain.stream, chain.end);
	say(near, FAR, set_of(FAR), own, (struct end){ .seq = 1 });
	word = far_word();
	assert_non_null(word);
	assert_int_equal(word->most.count, 1);
	assert_int_equal(vector_seq(&word->least, own), 1);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_other_members_a_word_says_nothing),
		cmocka_unit_test(what_was_said_of_a_region_goes_with_it),
		cmocka_unit_test(nobody_speaks_for_others),
		cmocka_unit_test(all_is_said_no_more_than_once_a_second),
		cmocka_unit_test(of_who_is_on_another_branch_nothing_is_said),
		cmocka_unit_test(a_region_that_goes_back_begins_the_rounds_again),
		cmocka_unit_test(of_what_is_not_there_nothing_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
