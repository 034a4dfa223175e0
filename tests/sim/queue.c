/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/queue.h"

#include <stdlib.h>

enum { CHILDREN = 4, ROOM = 256 };

void queue_done(struct queue *queue)
{
	free(queue->heap);
	*queue = (struct queue){ 0 };
}

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->number < b->number;
}

void queue_add(struct queue *queue, uint64_t at_ns, struct event event)
{
	size_t place = queue->count++;

	if (place == queue->room) {
		queue->room = queue->room ? queue->room * 2 : ROOM;
		queue->heap = must_realloc(queue->heap, queue->room * sizeof *queue->heap);
	}
	event.at_ns = at_ns > queue->now_ns ? at_ns : queue->now_ns;
	event.number = queue->added++;
	while (place) {
		size_t parent = (place - 1) / CHILDREN;

		if (!is_before(&event, &queue->heap[parent]))
			break;
		queue->heap[place] = queue->heap[parent];
		place = parent;
	}
	queue->heap[place] = event;
}

/* Puts the last event in the place of the first. */
static void close_gap(struct queue *queue)
{
	struct event last = queue->heap[--queue->count];
	size_t place = 0;

	for (;;) {
		size_t child = place * CHILDREN + 1, end = child + CHILDREN, best = child;

		if (child >= queue->count)
			break;
		end = end < queue->count ? end : queue->count;
		while (++child < end)
			best = is_before(&queue->heap[child], &queue->heap[best]) ? child : best;
		if (!is_before(&queue->heap[best], &last))
			break;
		queue->heap[place] = queue->heap[best];
		place = best;
	}
	queue->heap[place] = last;
}

bool queue_take(struct queue *queue, uint64_t until_ns, struct event *ret_event)
{
	if (!queue->count || queue->heap[0].at_ns > until_ns) {
		queue->now_ns = until_ns > queue->now_ns ? until_ns : queue->now_ns;
		return false;
	}
	*ret_event = queue->heap[0];
	queue->now_ns = ret_event->at_ns;
	close_gap(queue);
	return true;
}
