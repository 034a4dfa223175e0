/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FRAME_INSIDE_H
#define WARREN_FRAME_INSIDE_H

/* What the reader of frames (frame_read.c), those of the items of their lists (frame_list.c) and of snapshots
 * (frame_snap.c) share. */

#include "crdt/gossip/frame.h"
#include "crdt/model/mp.h"

/* What is wrong in form makes the reader short. */
static inline uint64_t frame_refuse(struct reader *r)
{
	r->is_short = true;
	return 0;
}

/* A byte below `end`. */
static inline uint8_t frame_read_below(struct reader *r, unsigned end)
{
	uint64_t byte = read_big_endian(r, 1);

	return (uint8_t)(byte < end ? byte : frame_refuse(r));
}

/* Of an enum whose first is 1. */
static inline uint8_t frame_read_choice(struct reader *r, unsigned end)
{
	uint8_t choice = frame_read_below(r, end);

	return (uint8_t)(choice ? choice : frame_refuse(r));
}

static inline struct bytes frame_read_rest(struct reader *r)
{
	size_t size = reader_left(r);

	return bytes_of(read_bytes(r, size), size);
}

static inline uint64_t frame_read_number(struct reader *r)
{
	struct mp_head head;
	uint64_t number;

	if (mp_read_quick_uint(r, &number))
		return number;
	head = mp_read(r);
	return head.class == MP_UINT ? head.value : frame_refuse(r);
}

/* Into `room`, which stays as it is when there are fewer. */
static inline void frame_read_into(struct reader *r, void *room, size_t size)
{
	const uint8_t *data = read_bytes(r, size);

	if (data)
		memcpy(room, data, size);
}

static inline struct sum frame_read_sum(struct reader *r)
{
	struct sum sum = { 0 };

	sum.high = read_big_endian(r, 8);
	sum.low = read_big_endian(r, 8);
	return sum;
}

/* No node has the id 0. */
static inline uint64_t frame_read_node(struct reader *r)
{
	uint64_t node = read_big_endian(r, 8);

	return node ? node : frame_refuse(r);
}

/* Items of lists; frame_next_* read the same once more. */
struct bytes frame_read_item(struct reader *list, size_t largest);
struct stream frame_read_stream(struct reader *list);
struct want frame_read_want(struct reader *list);
struct record_hash frame_read_record(struct reader *list);

/* A frontier of something, whose stream has no number. */
struct frontier frame_read_named(struct reader *list);

/*
 * `known` streams have numbers; *ret is the frontier before, or zeroed. True: the frontier brings one that has none.
 */
bool frame_read_frontier(struct reader *list, const struct stream_table *told, size_t known, struct frontier *ret);

/* The fields of a chunk of a snapshot, and of the ask for some. */
void frame_read_snap_ask(struct reader *r, struct frame *frame);
void frame_read_snap(struct reader *r, struct frame *frame);

/* Those of what a region acknowledged; then one item. False: it is not behind the stream of the last. */
void frame_read_region(struct reader *r, struct frame *frame);
bool frame_read_region_item(struct reader *r, struct stream *last);

#endif
