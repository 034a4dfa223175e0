/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_QUEUE_H
#define WARREN_SIM_QUEUE_H

/*
 * Virtual time, and what is going to happen in it: events come out by time, and at one time in the order in which they
 * were put in.
 *
 * Nothing can be taken out before its time: whoever may change its mind compares a number of its own when the event
 * fires. A zeroed struct is an empty queue at time 0.
 */

#include "crdt/base/base.h"

/* What the fields mean is between whoever adds the event and whoever it is for; `kind` tells these apart. */
struct event {
	uint64_t at_ns;
	uint64_t number; /* given by the queue */
	uint32_t kind, a;
	uint64_t b;
	void *what;
};

struct queue {
	uint64_t now_ns;
	uint64_t added;
	struct event *heap; /* each of four is not before its parent */
	size_t count, room;
};

void queue_done(struct queue *queue);

/* At `at_ns`, or now if that is past. */
void queue_add(struct queue *queue, uint64_t at_ns, struct event event);

/* Borrowed until the next change; NULL: there is none. */
static inline const struct event *queue_peek(const struct queue *queue)
{
	return queue->count ? queue->heap : NULL;
}

/* Takes the first event that is due by `until_ns` and moves time there; or else moves time to `until_ns`: false. */
bool queue_take(struct queue *queue, uint64_t until_ns, struct event *ret_event);

#endif
