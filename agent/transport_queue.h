/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TRANSPORT_QUEUE_H
#define WARREN_TRANSPORT_QUEUE_H

/*
 * Bytes that wait to be sent, in pieces of one size that never move: what was handed to the kernel may stay where it is
 * while more is appended behind it.
 */

#include "crdt/base/base.h"

struct transport_chunk;

struct transport_queue {
	struct transport_chunk *first, *last;
	size_t offset; /* of the first chunk's bytes that were sent */
	size_t size;   /* all that waits */
};

void transport_queue_put(struct transport_queue *queue, struct bytes bytes);

/* The oldest bytes, as many pieces as there are and fit; they stay until transport_queue_drop. */
size_t transport_queue_peek(const struct transport_queue *queue, struct bytes *ret_pieces, size_t max);

/* The oldest `size` bytes were sent. */
void transport_queue_drop(struct transport_queue *queue, size_t size);
void transport_queue_done(struct transport_queue *queue);

#endif
