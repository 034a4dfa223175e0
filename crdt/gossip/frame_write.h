/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FRAME_WRITE_H
#define WARREN_FRAME_WRITE_H

/*
 * Appending frames, each of at most FRAME_MAX bytes, to a buf. What is put is of the sizes that frame_kind.h allows;
 * that is for the caller to see to.
 */

#include "crdt/gossip/frame.h"

void frame_put_t0_sum(struct buf *out, struct sum sum, uint32_t count, struct wall_time wall);
void frame_put_t0_list(struct buf *out, bool is_first, bool is_last, struct bytes hashes);
void frame_put_t0_apply(struct buf *out, struct id invite, struct key32 key, struct key32 box_key,
			struct signature proof, uint32_t level);
/* UTF-8 without control characters, as fail() leaves a message. */
void frame_put_t0_refuse(struct buf *out, struct bytes reason);
void frame_put_batch(struct buf *out, struct bytes batch);
void frame_put_beat(struct buf *out, struct sum sum);
void frame_put_hint(struct buf *out, enum hint_what what, uint64_t node, uint32_t number);
void frame_put_bucket_table(struct buf *out, struct sum vector, const struct sources *sources, struct bytes table);
void frame_put_bucket_ask(struct buf *out, bool is_table, uint8_t number);
void frame_put_snap_ask(struct buf *out, uint32_t number, uint8_t chunks, const struct snap_place *from);

/* What each chunk of a snapshot begins with; at most FRAME_SNAP_FRONT_MAX bytes. */
struct snap_front {
	uint32_t number;
	uint8_t left;
	enum snap_part part;
	uint64_t total;
	struct snap_place next;
};

/* `entries` are what frame_put_entry appended, ascending by key. */
void frame_put_snap(struct buf *out, const struct snap_front *front, struct bytes entries);
void frame_put_snap_piece(struct buf *out, const struct snap_front *front, const struct snap_piece *piece);
void frame_put_entry(struct buf *entries, const struct snap_entry *entry);

/* Items ascend by stream, and are at most FRAME_REGION_MAX. */
void frame_put_region(struct buf *out, uint64_t region, uint64_t set, bool is_last, const struct region_item *items,
		      size_t count);

void frame_put_ask(struct buf *out, uint32_t number, enum ask_what what, uint32_t within_ms, struct bytes body);
void frame_put_answer(struct buf *out, uint32_t number, enum code code, struct bytes body);
void frame_put_bye(struct buf *out, enum bye_reason reason);

/* A list that is being put: the frame ends with its last item, and nothing else goes to `out` before. */
struct frame_list {
	struct buf *out;
	size_t start;       /* of the frame, in `out` */
	uint32_t count;     /* of items so far */
	struct stream last; /* of the last frontier */
};

struct frame_list frame_begin_statements(struct buf *out);
struct frame_list frame_begin_frontiers(struct buf *out, enum frame_kind kind, bool is_answer, bool is_whole);
struct frame_list frame_begin_wants(struct buf *out);
struct frame_list frame_begin_gone(struct buf *out);
struct frame_list frame_begin_bucket(struct buf *out, struct sum vector, uint8_t number, bool is_last);
struct frame_list frame_begin_proofs(struct buf *out);
struct frame_list frame_begin_fronts(struct buf *out);
struct frame_list frame_begin_old(struct buf *out);

/* Whether so many frontiers more have room: for all ends of a stream are said in one frame. */
bool frame_has_room(const struct frame_list *list, size_t frontiers);

/*
 * Puts one item, in this order: frontiers, wants and gone ascending by stream, several frontiers of
 * one by seq and hash, wants of one by their ranges, records by kind and id. False: the frame is full and stays as it
 * was. `named` learns the stream that a frontier names for the first time, and the peer is to get the frame, or nothing
 * more that was put with this table.
 */
bool frame_put_statement(struct frame_list *list, struct bytes statement);
bool frame_put_frontier(struct frame_list *list, struct stream_table *named, const struct frontier *frontier);
bool frame_put_want(struct frame_list *list, const struct want *want);
bool frame_put_gone(struct frame_list *list, struct stream stream);
bool frame_put_record(struct frame_list *list, const struct record_hash *hash);
bool frame_put_proof(struct frame_list *list, struct bytes proof);
bool frame_put_front(struct frame_list *list, struct bytes front);
bool frame_put_old(struct frame_list *list, const struct frontier *frontier);

#endif
