/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_CHECK_MAP_H
#define WARREN_SIM_CHECK_MAP_H

/*
 * A table from 16 bytes that are as good as random (ids, sums) to a few words. Nothing is taken out, and nothing
 * depends on where things lie in memory. A zeroed struct is an empty one.
 */

#include "crdt/base/hash.h"

struct check_item {
	struct sum key; /* zero: free */
	uint64_t words[4];
};

struct check_map {
	struct check_item *all;
	size_t count, room; /* a power of two */
};

void check_map_done(struct check_map *map);

/* NULL: it is not there. Good until the next check_map_put. */
struct check_item *check_map_find(const struct check_map *map, struct sum key);

/* Where it is, or from now on is, with zeroed words. */
struct check_item *check_map_put(struct check_map *map, struct sum key);

/* Of an id among others of its sort: `what` tells apart what is known of one id. */
static inline struct sum check_key(struct id id, uint32_t kind, uint32_t what)
{
	struct sum key;

	memcpy(&key.low, id.bytes, 8);
	memcpy(&key.high, id.bytes + 8, 8);
	key.low ^= ((uint64_t)kind << 32 | what) * UINT64_C(0x9e3779b97f4a7c15);
	return key;
}

#endif
