/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/relay_map.h"

#include "crdt/base/buf.h"
#include "crdt/base/hash.h"

#include <stdlib.h>

void relay_map_done(struct relay_map *map)
{
	free(map->places);
	free(map->by_node);
	free(map->regions);
	*map = (struct relay_map){ 0 };
}

/* How near two numbers are: nobody chooses it, and it is the same everywhere. */
static uint64_t weigh(uint64_t a, uint64_t b)
{
	static const struct hash_key key = { "warren relays of" };
	uint8_t room[16];
	struct buf buf = buf_over(room, sizeof room);

	buf_put_big_endian(&buf, a, 8);
	buf_put_big_endian(&buf, b, 8);
	return hash_keyed(key, buf_bytes(&buf));
}

static int compare_places(const void *a, const void *b)
{
	const struct relay_place *one = a, *other = b;

	if (one->region != other->region)
		return one->region < other->region ? -1 : 1;
	return (one->node > other->node) - (one->node < other->node);
}

/* Node and place side by side, for sorting. */
struct named {
	uint64_t node;
	uint32_t at;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *one = a, *other = b;

	return (one->node > other->node) - (one->node < other->node);
}

static void name_places(struct relay_map *map)
{
	struct named *named = must_alloc((map->count + 1) * sizeof *named);

	for (uint32_t i = 0; i < map->count; i++)
		named[i] = (struct named){ map->places[i].node, i };
	qsort(named, map->count, sizeof *named, compare_named);
	for (uint32_t i = 0; i < map->count; i++)
		map->by_node[i] = named[i].at;
	free(named);
}

/* The two that weigh most of those that are silent, or of those that are not. */
static void choose(struct relay_region *region, const struct relay_place *places, bool is_silent)
{
	uint64_t weights[RELAYS] = { 0 };

	region->relays_count = 0;
	for (uint32_t i = region->first; i < region->first + region->count; i++) {
		uint64_t weight = weigh(region->region, places[i].node);
		uint32_t at = region->relays_count;

		if (places[i].is_silent != is_silent)
			continue;
		while (at > 0 && weights[at - 1] < weight)
			at--;
		if (at == RELAYS)
			continue;
		if (region->relays_count < RELAYS)
			region->relays_count++;
		for (uint32_t k = region->relays_count - 1; k > at; k--) {
			region->relays[k] = region->relays[k - 1];
			weights[k] = weights[k - 1];
		}
		region->relays[at] = i;
		weights[at] = weight;
	}
}

static void halve(const struct relay_region *region, struct relay_place *places)
{
	uint64_t first = places[region->relays[0]].node;
	uint64_t second = region->relays_count == RELAYS ? places[region->relays[1]].node : 0;

	for (uint32_t i = region->first; i < region->first + region->count; i++)
		places[i].half = second && weigh(second, places[i].node) > weigh(first, places[i].node);
	for (uint32_t i = 0; i < region->relays_count; i++)
		places[region->relays[i]].half = (uint8_t)i;
}

/* True: other relays than before. */
static bool settle(struct relay_map *map, struct relay_region *region)
{
	struct relay_region was = *region;

	choose(region, map->places, false);
	if (!region->relays_count)
		choose(region, map->places, true);
	if (was.relays_count == region->relays_count && was.relays[0] == region->relays[0] &&
	    (was.relays_count < RELAYS || was.relays[1] == region->relays[1]))
		return false;
	halve(region, map->places);
	return true;
}

/* Whatever their order. */
static uint64_t weigh_one(uint64_t node)
{
	static const struct hash_key key = { "warren relays so" };

	return hash_keyed(key, bytes_of(&node, sizeof node));
}

void relay_map_make(struct relay_map *map, const struct relay_place *places, size_t count)
{
	relay_map_done(map);
	map->count = (uint32_t)count;
	map->places = must_alloc((count + 1) * sizeof *places);
	map->by_node = must_alloc((count + 1) * sizeof *map->by_node);
	map->regions = must_alloc((count + 1) * sizeof *map->regions);
	if (count)
		memcpy(map->places, places, count * sizeof *places);
	qsort(map->places, count, sizeof *places, compare_places);
	name_places(map);
	for (uint32_t i = 0; i < map->count; i++) {
		if (!i || map->places[i].region != map->places[i - 1].region)
			map->regions[map->regions_count++] =
				(struct relay_region){ .region = map->places[i].region, .first = i };
		map->regions[map->regions_count - 1].count++;
		map->regions[map->regions_count - 1].set += weigh_one(map->places[i].node);
		map->set += weigh_one(map->places[i].node);
	}
	map->regions = must_realloc(map->regions, (map->regions_count + 1) * sizeof *map->regions);
	for (uint32_t i = 0; i < map->regions_count; i++)
		settle(map, &map->regions[i]);
}

const struct relay_place *relay_map_find(const struct relay_map *map, uint64_t node)
{
	uint32_t low = 0, high = map->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (map->places[map->by_node[middle]].node < node)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == map->count || map->places[map->by_node[low]].node != node)
		return NULL;
	return &map->places[map->by_node[low]];
}

static struct relay_region *region_of(const struct relay_map *map, uint64_t region)
{
	uint32_t low = 0, high = map->regions_count;

	while (low + 1 < high) {
		uint32_t middle = low + (high - low) / 2;

		if (map->regions[middle].region <= region)
			low = middle;
		else
			high = middle;
	}
	return &map->regions[low];
}

const struct relay_region *relay_map_region(const struct relay_map *map, const struct relay_place *place)
{
	return region_of(map, place->region);
}

bool relay_map_silence(struct relay_map *map, uint64_t node, bool is_silent)
{
	const struct relay_place *place = relay_map_find(map, node);

	if (!place || place->is_silent == is_silent)
		return false;
	map->places[place - map->places].is_silent = is_silent;
	return settle(map, region_of(map, place->region));
}

uint32_t relay_map_rank(const struct relay_map *map, const struct relay_place *place)
{
	const struct relay_region *region = relay_map_region(map, place);

	for (uint32_t i = 0; i < region->relays_count; i++)
		if (&map->places[region->relays[i]] == place)
			return i;
	return RELAYS;
}

const struct relay_place *relay_map_twin(const struct relay_map *map, const struct relay_place *relay)
{
	const struct relay_region *region = relay_map_region(map, relay);

	if (region->relays_count < RELAYS)
		return NULL;
	return &map->places[region->relays[!relay_map_rank(map, relay)]];
}

const struct relay_place *relay_map_server(const struct relay_map *map, const struct relay_place *author,
					   const struct relay_place *to)
{
	const struct relay_region *from = relay_map_region(map, author), *there = relay_map_region(map, to);
	uint32_t rank = relay_map_rank(map, to);

	if (author == to)
		return NULL;
	if (rank == RELAYS)
		return &map->places[there->relays[to->half]];
	if (from == there)
		return author;
	return &map->places[from->relays[rank < from->relays_count ? rank : from->relays_count - 1]];
}

bool relay_map_links(const struct relay_map *map, const struct relay_place *a, const struct relay_place *b)
{
	bool is_one = relay_map_rank(map, a) < RELAYS, is_other = relay_map_rank(map, b) < RELAYS;

	if (a == b)
		return false;
	if (a->region == b->region ? is_one || is_other : is_one && is_other)
		return true;
	return relay_map_behind(map, a) == b || relay_map_behind(map, b) == a;
}

/* Steps so many places on until somebody is heard, or all were seen. */
static const struct relay_place *walk(const struct relay_map *map, const struct relay_place *place, uint32_t step)
{
	uint32_t from = (uint32_t)(place - map->places), at = from;

	do {
		at = (at + step) % map->count;
	} while (at != from && map->places[at].is_silent);
	return &map->places[at];
}

const struct relay_place *relay_map_behind(const struct relay_map *map, const struct relay_place *place)
{
	return walk(map, place, 1);
}

const struct relay_place *relay_map_before(const struct relay_map *map, const struct relay_place *place)
{
	return walk(map, place, map->count - 1);
}
