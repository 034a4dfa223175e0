/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FRAME_H
#define WARREN_FRAME_H

/*
 * Frames: what members say to each other inside a session. A byte for the kind, then its fields, big-endian; every
 * count is bounded, every byte accounted for, and a kind that a link's stage does not expect is refused.
 *
 * Reading takes a frame apart completely: lists stay in place and are walked with frame_next_…, which cannot fail after
 * frame_read has passed them. Everything borrows from the frame's bytes.
 */

#include "crdt/base/buf.h"
#include "crdt/base/err.h"
#include "crdt/log/vector.h"

enum frame_kind {
	FRAME_T0_SUM = 1,    /* what my set of statements weighs */
	FRAME_T0_LIST,       /* the hashes of my statements, some at a time */
	FRAME_T0_STATEMENTS, /* in the order they arrived here */
	FRAME_T0_APPLY,      /* somebody redeems an invite */
	FRAME_T0_REFUSE,     /* and why not */
	FRAME_BATCH,
	FRAME_ACK,
	FRAME_BEAT,
	FRAME_HINT,
	FRAME_INDEX,
	FRAME_WANT,
	FRAME_GONE,
	FRAME_BUCKET,
	FRAME_BUCKET_ASK,
	FRAME_ASK,
	FRAME_ANSWER,
	FRAME_BYE,
	FRAME_KINDS,
};

/* How far a link has come, and so what it may carry. */
enum link_stage {
	LINK_GUEST,  /* the peer is not known as a member: T0 and `bye` alone */
	LINK_MEMBER, /* everything */
};

enum {
	FRAME_MAX = 66000,
	FRAME_HASHES_MAX = 4000,
	FRAME_STATEMENTS_MAX = 256,
	FRAME_FRONTIERS_MAX = 1500,
	FRAME_WANTS_MAX = 256,
	FRAME_RECORDS_MAX = 1200,
	FRAME_BODY_MAX = 60 * 1024,
	FRAME_REASON_MAX = 255,
	FRAME_STREAMS_MAX = 65535, /* numbers that one side of a link gives */
};

enum hint_what {
	HINT_SILENT = 1, /* the member is not heard of any more */
	HINT_BACK,       /* the member is heard again */
	HINT_PROBE,      /* do you hear it? answered with silent or back */
};

enum bye_reason {
	BYE_STOPPING = 1,
	BYE_TWIN,      /* this server runs twice */
	BYE_DUPLICATE, /* there is another link between us */
	BYE_RENEWED,   /* a new link with new keys took this one's place */
	BYE_EVICTED,
	BYE_BROKE,    /* what you sent was refused */
	BYE_STRANGER, /* a guest that did not become a member */
	BYE_REASONS,
};

enum ask_what {
	ASK_TOKEN = 1, /* which vector a commit number stood for */
	ASK_KINDS,     /* one more than the last */
};

struct frame {
	enum frame_kind kind;
	union {
		struct {
			struct sum sum;
			uint32_t count;
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
		} t0_apply;
		struct bytes t0_refuse; /* text, to be shown to whoever joins */
		struct bytes batch;     /* for batch_read */
		struct frontiers {
			bool is_answer;     /* of an index: nothing more is expected */
			bool is_whole;      /* all that the sender has, not only what changed */
			struct reader list; /* frame_next_frontier */
		} ack, index;
		struct sum beat;
		struct {
			enum hint_what what;
			uint64_t node;
		} hint;
		struct reader wants; /* frame_next_want */
		struct reader gone;  /* frame_next_gone */
		struct {
			bool is_table; /* else the hashes of one bucket */
			uint8_t number;
			bool is_last;
			struct bytes table;   /* 256 sums, 16 bytes each */
			struct reader hashes; /* frame_next_record */
		} bucket;
		struct {
			bool is_table;
			uint8_t number;
		} bucket_ask;
		struct {
			uint32_t number;
			enum ask_what what;
			uint32_t within_ms;
			struct bytes body;
		} ask;
		struct {
			uint32_t number;
			enum code code;
			struct bytes body;
		} answer;
		enum bye_reason bye;
	};
};

/*
 * The streams that one side of a link has named: acks and indexes name a stream once, with its node, start and lane,
 * and by its number from then on.
 */
struct stream_table {
	struct stream *all;
	size_t count, room;
	uint32_t *sorted; /* numbers, in order of streams */
};

void stream_table_done(struct stream_table *table);

/*
 * Takes a frame apart. `told` is what the peer named before, and learns what this frame names, when it is whole.
 * E_FORM, E_LIMIT; E_DENIED where the stage does not expect the kind.
 */
enum code frame_read(struct bytes bytes, enum link_stage stage, struct stream_table *told, struct frame *ret_frame,
		     struct err *err);

struct want {
	struct stream stream;
	uint64_t after, until; /* seqs */
};

struct record_hash {
	uint32_t kind;
	struct id id;
	struct sum hash;
};

/* False after the last. */
bool frame_next_statement(struct reader *list, struct bytes *ret_statement);
bool frame_next_frontier(struct reader *list, const struct stream_table *told, struct frontier *ret_frontier);
bool frame_next_want(struct reader *list, struct want *ret_want);
bool frame_next_gone(struct reader *list, struct stream *ret_stream);
bool frame_next_record(struct reader *list, struct record_hash *ret_hash);

/* Appending. A list is begun, then its items are put, at most as many as fit: false says that the frame is full. */
void frame_put_t0_sum(struct buf *out, struct sum sum, uint32_t count);
void frame_put_t0_list(struct buf *out, bool is_first, bool is_last, struct bytes hashes);
void frame_begin_statements(struct buf *out);
bool frame_put_statement(struct buf *out, struct bytes statement);
void frame_put_t0_apply(struct buf *out, struct id invite, struct key32 key, struct key32 box_key,
			struct signature proof);
void frame_put_t0_refuse(struct buf *out, struct bytes reason);
void frame_put_batch(struct buf *out, struct bytes batch);
void frame_begin_frontiers(struct buf *out, enum frame_kind kind, bool is_answer, bool is_whole);
bool frame_put_frontier(struct buf *out, struct stream_table *named, const struct frontier *frontier);
void frame_put_beat(struct buf *out, struct sum sum);
void frame_put_hint(struct buf *out, enum hint_what what, uint64_t node);
void frame_begin_wants(struct buf *out);
bool frame_put_want(struct buf *out, const struct want *want);
void frame_begin_gone(struct buf *out);
bool frame_put_gone(struct buf *out, struct stream stream);
void frame_put_bucket_table(struct buf *out, struct bytes table);
void frame_begin_bucket(struct buf *out, uint8_t number, bool is_last);
bool frame_put_record(struct buf *out, const struct record_hash *hash);
void frame_put_bucket_ask(struct buf *out, bool is_table, uint8_t number);
void frame_put_ask(struct buf *out, uint32_t number, enum ask_what what, uint32_t within_ms, struct bytes body);
void frame_put_answer(struct buf *out, uint32_t number, enum code code, struct bytes body);
void frame_put_bye(struct buf *out, enum bye_reason reason);

const char *frame_name(enum frame_kind kind);
const char *bye_text(enum bye_reason reason);

#endif
