/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/transport_queue.h"

#include <assert.h>
#include <stdlib.h>

enum { CHUNK_ROOM = 16 * 1024 };

struct transport_chunk {
	struct transport_chunk *next;
	size_t size;
	uint8_t bytes[CHUNK_ROOM];
};

static struct transport_chunk *add_chunk(struct transport_queue *queue)
{
	struct transport_chunk *chunk = must_realloc(NULL, sizeof *chunk);

	chunk->next = NULL;
	chunk->size = 0;
	if (queue->last)
		queue->last->next = chunk;
	else
		queue->first = chunk;
	queue->last = chunk;
	return chunk;
}

void transport_queue_put(struct transport_queue *queue, struct bytes bytes)
{
	queue->size += bytes.size;
	while (bytes.size) {
		struct transport_chunk *chunk = queue->last;
		size_t fits;

		if (!chunk || chunk->size == CHUNK_ROOM)
			chunk = add_chunk(queue);
		fits = CHUNK_ROOM - chunk->size < bytes.size ? CHUNK_ROOM - chunk->size : bytes.size;
		memcpy(chunk->bytes + chunk->size, bytes.data, fits);
		chunk->size += fits;
		bytes = bytes_of(bytes.data + fits, bytes.size - fits);
	}
}

size_t transport_queue_peek(const struct transport_queue *queue, struct bytes *ret_pieces, size_t max)
{
	size_t offset = queue->offset, count = 0;

	for (const struct transport_chunk *chunk = queue->first; chunk && count < max; chunk = chunk->next) {
		ret_pieces[count++] = bytes_of(chunk->bytes + offset, chunk->size - offset);
		offset = 0;
	}
	return count;
}

static void drop_first(struct transport_queue *queue)
{
	struct transport_chunk *chunk = queue->first;

	queue->first = chunk->next;
	if (!queue->first)
		queue->last = NULL;
	queue->offset = 0;
	free(chunk);
}

void transport_queue_drop(struct transport_queue *queue, size_t size)
{
	assert(size <= queue->size);
	queue->size -= size;
	while (size) {
		size_t left = queue->first->size - queue->offset;

		if (size < left) {
			queue->offset += size;
			return;
		}
		size -= left;
		drop_first(queue);
	}
}

void transport_queue_done(struct transport_queue *queue)
{
	while (queue->first)
		drop_first(queue);
	queue->size = 0;
}
