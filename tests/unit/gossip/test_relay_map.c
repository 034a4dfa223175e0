/* SPDX-License-Identifier: Apache-2.0 */

/* Who passes on to whom, beside what the rules say when they are followed one member at a time. */

#include "crdt/gossip/relay_map.h"

#include "crdt/base/buf.h"
#include "crdt/base/hash.h"
#include "crdt/base/rng.h"
#include "tests/unit/base/check.h"

#include <stdlib.h>

enum { SEED = 4711, ROUNDS = 30, MEMBERS_MAX = 80, REGIONS_MAX = 9 };

static struct relay_place places[MEMBERS_MAX];
static size_t places_count;
static uint32_t ranks[MEMBERS_MAX]; /* by the rules */
static struct relay_map map;

/* --- The rules. */

static uint64_t weight_of(uint64_t a, uint64_t b)
{
	static const struct hash_key key = { "warren relays of" };
	uint8_t room[16];
	struct buf buf = buf_over(room, sizeof room);

	buf_put_big_endian(&buf, a, 8);
	buf_put_big_endian(&buf, b, 8);
	return hash_keyed(key, buf_bytes(&buf));
}

/* Whether it may be a relay: it is not silent, or all of its region are. */
static bool is_eligible(const struct relay_place *place)
{
	if (!place->is_silent)
		return true;
	for (size_t i = 0; i < places_count; i++)
		if (places[i].region == place->region && !places[i].is_silent)
			return false;
	return true;
}

/* How many of its region that may be relays weigh more. */
static uint32_t rule_rank(const struct relay_place *place)
{
	uint32_t above = 0;

	if (!is_eligible(place))
		return RELAYS;
	for (size_t i = 0; i < places_count; i++)
		above += places[i].region == place->region && is_eligible(&places[i]) &&
			 weight_of(place->region, places[i].node) > weight_of(place->region, place->node);
	return above < RELAYS ? above : RELAYS;
}

static void rank_all(void)
{
	for (size_t i = 0; i < places_count; i++)
		ranks[i] = rule_rank(&places[i]);
}

/* NULL: the region has no such relay. */
static const struct relay_place *rule_relay(uint64_t region, uint32_t rank)
{
	for (size_t i = 0; i < places_count; i++)
		if (places[i].region == region && ranks[i] == rank)
			return &places[i];
	return NULL;
}

static uint64_t rule_server(const struct relay_place *author, const struct relay_place *to)
{
	const struct relay_place *first = rule_relay(to->region, 0), *second = rule_relay(to->region, 1), *mate;
	uint32_t rank = ranks[to - places];

	if (author == to)
		return 0;
	if (rank == RELAYS && second && weight_of(second->node, to->node) > weight_of(first->node, to->node))
		return second->node;
	if (rank == RELAYS)
		return first->node;
	if (author->region == to->region)
		return author->node;
	mate = rule_relay(author->region, rank);
	return mate ? mate->node : rule_relay(author->region, 0)->node;
}

/* --- Members. */

static void make_members(struct rng *rng)
{
	uint64_t regions = 1 + rng_below(rng, REGIONS_MAX);
	uint64_t silent = rng_below(rng, 4);

	places_count = 1 + rng_below(rng, MEMBERS_MAX);
	for (size_t i = 0; i < places_count; i++)
		places[i] = (struct relay_place){ .node = 1 + (i << 32) + rng_below(rng, 1 << 30),
						  .region = 100 * rng_below(rng, regions),
						  .is_silent = rng_below(rng, 4) < silent };
	relay_map_make(&map, places, places_count);
	rank_all();
}

static const struct relay_place *place_of(size_t at)
{
	const struct relay_place *place = relay_map_find(&map, places[at].node);

	assert_non_null(place);
	assert_int_equal(place->node, places[at].node);
	assert_int_equal(place->region, places[at].region);
	return place;
}

static void check_members(void)
{
	rank_all();
	for (size_t i = 0; i < places_count; i++) {
		const struct relay_place *a = place_of(i);

		assert_int_equal(relay_map_rank(&map, a), ranks[i]);
		for (size_t k = 0; k < places_count; k++) {
			const struct relay_place *server = relay_map_server(&map, a, place_of(k));

			assert_int_equal(server ? server->node : 0, rule_server(&places[i], &places[k]));
		}
	}
}

static void the_map_is_what_the_rules_say(void **state)
{
	struct rng rng = rng_from_number(SEED);

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		make_members(&rng);
		check_members();
		assert_null(relay_map_find(&map, 7));
	}
	relay_map_done(&map);
}

static void whoever_falls_silent_is_no_relay(void **state)
{
	struct rng rng = rng_from_number(SEED + 1);

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		make_members(&rng);
		for (size_t i = 0; i < 12; i++) {
			struct relay_place *place = &places[rng_below(&rng, places_count)];
			const struct relay_place *first, *second;

			rank_all();
			first = rule_relay(place->region, 0);
			second = rule_relay(place->region, 1);
			place->is_silent = !place->is_silent;
			rank_all();
			assert_int_equal(relay_map_silence(&map, place->node, place->is_silent),
					 first != rule_relay(place->region, 0) ||
						 second != rule_relay(place->region, 1));
			assert_false(relay_map_silence(&map, place->node, place->is_silent));
		}
		check_members();
	}
	relay_map_done(&map);
}

/* --- What it is for. */

/* A batch goes the ways that the map shows, over links that are held, to everybody once. */
static void check_spreading(size_t author)
{
	static size_t queue[MEMBERS_MAX];
	static bool has[MEMBERS_MAX];
	size_t count = 1, at = 0;

	memset(has, 0, sizeof has);
	queue[0] = author;
	has[author] = true;
	for (; at < count; at++) {
		const struct relay_place *from = place_of(queue[at]);

		for (size_t k = 0; k < places_count; k++) {
			if (relay_map_server(&map, place_of(author), place_of(k)) != from)
				continue;
			assert_true(relay_map_links(&map, from, place_of(k)));
			assert_false(has[k]);
			has[k] = true;
			queue[count++] = k;
		}
	}
	assert_int_equal(count, places_count);
}

static void everybody_gets_a_batch_once(void **state)
{
	struct rng rng = rng_from_number(SEED + 2);

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		make_members(&rng);
		for (size_t i = 0; i < 10; i++)
			check_spreading(rng_below(&rng, places_count));
	}
	relay_map_done(&map);
}

/* Of a region's members each is in one half, and neither half is much larger than the other. */
static void halves_are_disjoint_and_complete(void **state)
{
	const struct relay_place *relays[RELAYS];
	size_t sizes[RELAYS] = { 0 };

	(void)state;
	places_count = MEMBERS_MAX;
	for (size_t i = 0; i < places_count; i++)
		places[i] = (struct relay_place){ .node = 1000 + i, .region = 5 };
	relay_map_make(&map, places, places_count);
	rank_all();
	for (uint32_t i = 0; i < RELAYS; i++)
		relays[i] = relay_map_find(&map, rule_relay(5, i)->node);
	assert_ptr_equal(relay_map_twin(&map, relays[0]), relays[1]);
	assert_ptr_equal(relay_map_twin(&map, relays[1]), relays[0]);
	for (size_t i = 0; i < places_count; i++) {
		const struct relay_place *to = place_of(i);
		const struct relay_place *server = relay_map_server(&map, relays[0], to);

		if (to == relays[0] || to == relays[1])
			continue;
		assert_true(server == relays[0] || server == relays[1]);
		/* Whoever wrote it. */
		assert_ptr_equal(relay_map_server(&map, relays[1], to), server);
		sizes[server == relays[1]]++;
	}
	assert_int_equal(sizes[0] + sizes[1], MEMBERS_MAX - RELAYS);
	assert_in_range(sizes[0], MEMBERS_MAX / 4, MEMBERS_MAX * 3 / 4);
	relay_map_done(&map);
}

static void small_regions_have_what_relays_they_can(void **state)
{
	const struct relay_place *alone, *a, *b;

	(void)state;
	places_count = 3;
	places[0] = (struct relay_place){ .node = 10, .region = 1 };
	places[1] = (struct relay_place){ .node = 20, .region = 2 };
	places[2] = (struct relay_place){ .node = 30, .region = 2 };
	relay_map_make(&map, places, 3);
	alone = relay_map_find(&map, 10);
	a = relay_map_find(&map, 20);
	b = relay_map_find(&map, 30);
	assert_int_equal(relay_map_rank(&map, alone), 0);
	assert_null(relay_map_twin(&map, alone));
	/* The only one of its region is both relays to the others. */
	assert_ptr_equal(relay_map_server(&map, alone, a), alone);
	assert_ptr_equal(relay_map_server(&map, alone, b), alone);
	/* And one of theirs is the one to give to it. */
	assert_int_equal(relay_map_rank(&map, relay_map_server(&map, a, alone)), 0);
	assert_ptr_equal(relay_map_server(&map, b, alone), relay_map_server(&map, a, alone));
	assert_ptr_equal(relay_map_twin(&map, a), b);
	relay_map_done(&map);
}

static void where_all_are_silent_the_relays_are_those_of_all(void **state)
{
	uint64_t first, second;

	(void)state;
	places_count = 6;
	for (size_t i = 0; i < places_count; i++)
		places[i] = (struct relay_place){ .node = 50 + i, .region = 3 };
	relay_map_make(&map, places, places_count);
	rank_all();
	first = rule_relay(3, 0)->node;
	second = rule_relay(3, 1)->node;
	for (size_t i = 0; i < places_count; i++) {
		places[i].is_silent = true;
		relay_map_silence(&map, places[i].node, true);
	}
	assert_int_equal(relay_map_rank(&map, relay_map_find(&map, first)), 0);
	assert_int_equal(relay_map_rank(&map, relay_map_find(&map, second)), 1);
	/* One that is heard is alone. */
	places[2].is_silent = false;
	assert_true(relay_map_silence(&map, places[2].node, false));
	assert_int_equal(relay_map_rank(&map, place_of(2)), 0);
	assert_null(relay_map_twin(&map, place_of(2)));
	check_members();
	relay_map_done(&map);
}

/* One way round, through all that are heard, each region in a stretch: so few of its links leave a region. */
static void the_ring_goes_through_all(void **state)
{
	struct rng rng = rng_from_number(SEED + 3);

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		const struct relay_place *at, *first = NULL;
		size_t heard = 0, seen = 0;

		make_members(&rng);
		for (size_t i = 0; i < places_count; i++) {
			heard += !places[i].is_silent;
			first = places[i].is_silent ? first : place_of(i);
		}
		for (at = first; at && (!seen || at != first); seen++) {
			const struct relay_place *next = relay_map_behind(&map, at);

			assert_false(next->is_silent);
			assert_ptr_equal(relay_map_before(&map, next), at);
			assert_true(next == at || relay_map_links(&map, at, next));
			assert_in_range(seen, 0, heard);
			/* Ascending but for one step. */
			assert_true(next > at || next <= first || at >= first);
			at = next;
		}
		assert_int_equal(seen, heard);
	}
	relay_map_done(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_map_is_what_the_rules_say),
		cmocka_unit_test(whoever_falls_silent_is_no_relay),
		cmocka_unit_test(everybody_gets_a_batch_once),
		cmocka_unit_test(halves_are_disjoint_and_complete),
		cmocka_unit_test(small_regions_have_what_relays_they_can),
		cmocka_unit_test(where_all_are_silent_the_relays_are_those_of_all),
		cmocka_unit_test(the_ring_goes_through_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
