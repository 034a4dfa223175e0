/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FRAME_READING_H
#define WARREN_FRAME_READING_H

/*
 * What the readers of frames share. What is wrong in form makes the reader short, and frame_read says so.
 */

#include "crdt/gossip/frame.h"
#include "crdt/model/mp.h"

static inline uint64_t refuse(struct reader *r)
{
	r->is_short = true;
	return 0;
}

static inline uint64_t read_number(struct reader *r)
{
	struct mp_head head;
	uint64_t number;

	if (mp_read_quick_uint(r, &number))
		return number;
	head = mp_read(r);
	return head.class == MP_UINT ? head.value : refuse(r);
}

/* A byte below `end`. */
static inline uint8_t read_below(struct reader *r, unsigned end)
{
	uint64_t byte = read_big_endian(r, 1);

	return (uint8_t)(byte < end ? byte : refuse(r));
}

/* Of an enum whose first is 1. */
static inline uint8_t read_choice(struct reader *r, unsigned end)
{
	uint8_t choice = read_below(r, end);

	return (uint8_t)(choice ? choice : refuse(r));
}

static inline struct bytes read_rest(struct reader *r)
{
	size_t size = reader_left(r);

	return bytes_of(read_bytes(r, size), size);
}

/* The fields of a chunk of a snapshot, and of the ask for some (frame_snap.c). */
void frame_read_snap_ask(struct reader *r, struct frame *frame);
void frame_read_snap(struct reader *r, struct frame *frame);

#endif
