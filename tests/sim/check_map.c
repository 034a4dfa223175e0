/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check_map.h"

#include <stdlib.h>

enum { FIRST_ROOM = 64 };

void check_map_done(struct check_map *map)
{
	free(map->all);
	*map = (struct check_map){ 0 };
}

/* Zero is what free places have. */
static struct sum used(struct sum key)
{
	key.low |= !key.low && !key.high;
	return key;
}

/* Where it is, or the free place where it belongs. */
static struct check_item *place_of(const struct check_map *map, struct sum key)
{
	size_t at = (size_t)(key.low ^ key.high >> 32) & (map->room - 1);

	while (!sum_equal(map->all[at].key, (struct sum){ 0 }) && !sum_equal(map->all[at].key, key))
		at = (at + 1) & (map->room - 1);
	return &map->all[at];
}

struct check_item *check_map_find(const struct check_map *map, struct sum key)
{
	struct check_item *item;

	if (!map->count)
		return NULL;
	item = place_of(map, used(key));
	return sum_equal(item->key, used(key)) ? item : NULL;
}

static void grow(struct check_map *map)
{
	struct check_map larger = { .room = map->room ? 2 * map->room : FIRST_ROOM };

	larger.all = must_alloc(larger.room * sizeof *larger.all);
	for (size_t i = 0; i < map->room; i++)
		if (!sum_equal(map->all[i].key, (struct sum){ 0 }))
			*place_of(&larger, map->all[i].key) = map->all[i];
	larger.count = map->count;
	free(map->all);
	*map = larger;
}

struct check_item *check_map_put(struct check_map *map, struct sum key)
{
	struct check_item *item;

	if (2 * (map->count + 1) > map->room)
		grow(map);
	item = place_of(map, used(key));
	if (sum_equal(item->key, (struct sum){ 0 })) {
		*item = (struct check_item){ .key = used(key) };
		map->count++;
	}
	return item;
}
