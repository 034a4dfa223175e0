/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { CHUNK_SIZE = 16 * 1024 };

struct arena_chunk {
	struct arena_chunk *older;
	size_t size;
	alignas(max_align_t) uint8_t room[];
};

static void add_chunk(struct arena *arena, size_t at_least)
{
	size_t least = arena->wanted > CHUNK_SIZE ? arena->wanted : CHUNK_SIZE;
	size_t size = at_least > least ? at_least : least;
	struct arena_chunk *chunk = must_alloc(sizeof *chunk + size);

	chunk->older = arena->chunks;
	chunk->size = size;
	arena->chunks = chunk;
	arena->used = 0;
}

void *arena_take(struct arena *arena, size_t size)
{
	size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	void *memory;

	if (rounded < size || rounded > SIZE_MAX - sizeof(struct arena_chunk))
		abort();
	if (!arena->chunks || arena->chunks->size - arena->used < rounded)
		add_chunk(arena, rounded);
	memory = arena->chunks->room + arena->used;
	arena->used += rounded;
	return memset(memory, 0, size);
}

struct bytes arena_copy(struct arena *arena, struct bytes bytes)
{
	void *copy = arena_take(arena, bytes.size);

	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	return bytes_of(copy, bytes.size);
}

static void free_chunks(struct arena *arena)
{
	while (arena->chunks) {
		struct arena_chunk *newest = arena->chunks;

		arena->chunks = newest->older;
		free(newest);
	}
	arena->used = 0;
}

/* Several chunks give way to one that would have held it all. */
void arena_reset(struct arena *arena)
{
	size_t size = 0;

	for (const struct arena_chunk *chunk = arena->chunks; chunk; chunk = chunk->older)
		size += chunk->size;
	if (arena->chunks && (arena->chunks->older || size > ARENA_KEPT_MAX)) {
		arena->wanted = size < ARENA_KEPT_MAX ? size : ARENA_KEPT_MAX;
		free_chunks(arena);
	}
	arena->used = 0;
}

struct arena_mark arena_mark(const struct arena *arena)
{
	return (struct arena_mark){ .newest = arena->chunks, .used = arena->used };
}

void arena_release(struct arena *arena, struct arena_mark mark)
{
	/* Nothing was there before: so a chunk may stay. */
	if (!mark.newest) {
		arena_reset(arena);
		return;
	}
	while (arena->chunks != mark.newest) {
		struct arena_chunk *newest = arena->chunks;

		arena->chunks = newest->older;
		free(newest);
	}
	arena->used = mark.used;
}

void arena_done(struct arena *arena)
{
	free_chunks(arena);
	*arena = (struct arena){ 0 };
}
