/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FRAME_H
#define WARREN_FRAME_H

/*
 * Frames: what members say to each other inside a session. A byte for the kind, then its fields: numbers of fixed size
 * big-endian, those that are mostly small as canonical msgpack, a list up to the frame's end. Every list is bounded,
 * what has an order ascends, every byte is accounted for, and a kind that a link's stage does not expect is refused.
 *
 * Reading takes a frame apart completely: lists stay in place and are walked with frame_next_…, which cannot fail after
 * frame_read has passed them. Everything borrows from the frame's bytes. frame_write.h puts frames together.
 */

#include "crdt/base/buf.h"
#include "crdt/base/err.h"
#include "crdt/gossip/frame_item.h"
#include "crdt/gossip/frame_kind.h"
#include "crdt/gossip/sources.h"
#include "crdt/gossip/stream_table.h"
#include "crdt/log/vector.h"

/* Where a snapshot goes on: with the first key of the part that is not less; empty: with the part's first. */
struct snap_place {
	enum snap_part part;
	struct bytes key;
};

struct frame {
	enum frame_kind kind;
	union {
		struct {
			struct sum sum;
			uint32_t count;
			struct wall_time wall; /* what the sender's clock shows */
		} t0_sum;
		struct {
			bool is_first, is_last;
			struct bytes hashes; /* 16 each */
		} t0_list;
		struct reader t0_statements; /* frame_next_statement */
		struct {
			struct id invite;
			struct key32 key, box_key;
			struct signature proof;
			uint32_t level; /* that the applicant's version understands */
		} t0_apply;
		struct bytes t0_refuse; /* text, to be shown to whoever joins */
		struct bytes batch;     /* for batch_read */
		struct frontiers {
			bool is_answer;     /* of an index alone: nothing more is expected */
			bool is_whole;      /* all that the sender has, not only what changed */
			struct reader list; /* frame_next_frontier */
		} ack, index;
		struct sum beat;
		struct {
			enum hint_what what;
			uint64_t node;
			uint32_t number; /* of a probe, which its answer repeats; 0 of what nobody asked */
		} hint;
		struct reader wants; /* frame_next_want */
		struct reader gone;  /* frame_next_gone */
		struct {
			bool is_table;     /* else the hashes of one bucket */
			struct sum vector; /* what the sender's weighs: with another one nothing is to be compared */
			uint8_t number;
			bool is_last;           /* also of a table */
			struct bytes table;     /* 256 sums, 16 bytes each */
			struct sources sources; /* with a table: whom the sender has it from while unproven */
			struct reader hashes;   /* frame_next_record */
		} bucket;
		struct {
			bool is_table;
			uint8_t number;
		} bucket_ask;
		struct {
			uint32_t number; /* which the chunks repeat */
			uint8_t chunks;  /* so many may follow one another */
			struct snap_place from;
		} snap_ask;
		struct {
			uint32_t number;
			uint8_t left; /* chunks that follow unasked */
			enum snap_part part;
			uint64_t total;         /* entries that the part has */
			struct snap_place next; /* where to ask on, behind what follows */
			bool is_piece;
			struct reader entries; /* frame_next_entry */
			struct snap_piece {    /* or a piece of one that no frame takes whole */
				struct bytes key, bytes;
				uint32_t size, at; /* of the value; and where in it the bytes stand */
			} piece;
		} snap;
		struct {
			uint32_t number;
			enum ask_what what;
			uint32_t within_ms;
			struct bytes body;
		} ask;
		struct {
			uint32_t number;
			enum code code; /* E_NEWER for one that this version does not know */
			struct bytes body;
		} answer;
		enum bye_reason bye;
		struct reader proofs; /* frame_next_proof */
		struct reader fronts; /* frame_next_front */
		struct reader old;    /* frame_next_old */
		struct {
			uint64_t region;
			uint64_t set; /* of whom it says so: struct relay_region */
			bool is_last;
			struct reader items; /* frame_next_region_item */
		} region;
	};
};

/*
 * Takes a frame apart. `told` is what the peer named before, and learns what this frame names, when it is whole.
 * E_FORM, E_LIMIT; E_DENIED where the stage does not expect the kind.
 */
enum code frame_read(struct bytes bytes, enum link_stage stage, struct stream_table *told, struct frame *ret_frame,
		     struct err *err);

/* False after the last. */
bool frame_next_statement(struct reader *list, struct bytes *ret_statement);
/* *frontier is zeroed before the first, and then the one before. */
bool frame_next_frontier(struct reader *list, const struct stream_table *told, struct frontier *frontier);
bool frame_next_want(struct reader *list, struct want *ret_want);
bool frame_next_gone(struct reader *list, struct stream *ret_stream);
bool frame_next_record(struct reader *list, struct record_hash *ret_hash);
bool frame_next_proof(struct reader *list, struct bytes *ret_proof);
bool frame_next_front(struct reader *list, struct bytes *ret_front);
bool frame_next_old(struct reader *list, struct frontier *ret_frontier);
bool frame_next_region_item(struct reader *list, struct region_item *ret_item);
bool frame_next_entry(struct reader *list, struct snap_entry *ret_entry);

#endif
