/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_RELAY_MAP_H
#define WARREN_RELAY_MAP_H

/*
 * Who passes batches on to whom in a cluster that is too large for a link to every other member: a function of the
 * members that stand, the region of each, and who is said to be silent. Silence is a hint, so two members may see it
 * otherwise for a while: then a batch comes twice, or by way of anti-entropy, and nothing else is different.
 *
 * Each region has two relays, the members with the greatest hashes among those that are not silent (among all, when all
 * are silent; one, when there is no other). An author gives its batches to the relays of its region. The first of them
 * passes them on to the first relays of the other regions, the second to the second, and each relay to that half of
 * its own region for whose members its hash is the greater.
 */

#include "crdt/base/base.h"

enum { RELAYS = 2 }; /* of a region */

struct relay_place {
	uint64_t node, region;
	bool is_silent;
	uint8_t half; /* which relay of its region serves it; a relay serves itself */
};

struct relay_region {
	uint64_t region;
	uint32_t first, count; /* its places */
	uint64_t set;          /* a hash of who is in it */
	uint32_t relays[RELAYS];
	uint32_t relays_count; /* at least 1 */
};

struct relay_map {
	struct relay_place *places; /* ascending by region and node */
	uint32_t *by_node;          /* the same, ascending by node */
	struct relay_region *regions;
	uint32_t count, regions_count;
	uint64_t set; /* a hash of who is in it */
};

/* Copies the places, of different nodes and in any order; `half` is not read. The map was zeroed, or is made anew. */
void relay_map_make(struct relay_map *map, const struct relay_place *places, size_t count);
void relay_map_done(struct relay_map *map);

/* A member is silent now, or not any more. True: some region has other relays by it. */
bool relay_map_silence(struct relay_map *map, uint64_t node, bool is_silent);

/* NULL: not in it. */
const struct relay_place *relay_map_find(const struct relay_map *map, uint64_t node);
const struct relay_region *relay_map_region(const struct relay_map *map, const struct relay_place *place);

/* Which relay of its region a member is; RELAYS: none. */
uint32_t relay_map_rank(const struct relay_map *map, const struct relay_place *place);

/* The other relay of a relay's region; NULL: there is none. */
const struct relay_place *relay_map_twin(const struct relay_map *map, const struct relay_place *relay);

/* Who gives batches of the author to that other member; NULL: nobody, as of an author to itself. */
const struct relay_place *relay_map_server(const struct relay_map *map, const struct relay_place *author,
					   const struct relay_place *to);

/* Whether these two are to hold a link to each other. */
bool relay_map_links(const struct relay_map *map, const struct relay_place *a, const struct relay_place *b);

/*
 * The ones behind and before a member in a ring of all that are not silent, in which each region is a stretch; where
 * there is no other, that very member.
 */
const struct relay_place *relay_map_behind(const struct relay_map *map, const struct relay_place *place);
const struct relay_place *relay_map_before(const struct relay_map *map, const struct relay_place *place);

#endif
