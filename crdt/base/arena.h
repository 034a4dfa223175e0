/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_ARENA_H
#define WARREN_ARENA_H

/*
 * Arenas: memory for the length of one step or one request, given back all at once.
 *
 * What `arena_take` returns is zeroed, aligned for anything, and lives until `arena_reset` or `arena_done`. After a
 * reset there is one chunk, as large as all that was taken before needed (up to ARENA_KEPT_MAX), so a steady step
 * allocates nothing. A zeroed struct is an empty arena.
 */

#include "crdt/base/base.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* the newest first */
	size_t used;                /* of the newest */
	size_t wanted;              /* how large the next is to be at least */
};

enum { ARENA_KEPT_MAX = 1 << 20 };

void *arena_take(struct arena *arena, size_t size);

/* A copy of `bytes` in the arena. */
struct bytes arena_copy(struct arena *arena, struct bytes bytes);

/* Where an arena stands, so that all that is taken from then on can be given back before the rest. */
struct arena_mark {
	struct arena_chunk *newest;
	size_t used;
};
struct arena_mark arena_mark(const struct arena *arena);
void arena_release(struct arena *arena, struct arena_mark mark);

void arena_reset(struct arena *arena);
void arena_done(struct arena *arena);

#endif
