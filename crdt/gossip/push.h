/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_PUSH_H
#define WARREN_PUSH_H

/*
 * Batches on their way. What this member writes goes to every link at once, in the order of its streams, from where the
 * peer says it stands; what a peer asks for goes from the log. A link has at most PUSH_WINDOW bytes on their way that
 * are not acknowledged in the lanes of people, and as much bulk as its line is measured to hold. Nothing is queued:
 * what is still to be sent follows from the log and from where the peer stands.
 */

#include "crdt/base/time.h"
#include "crdt/gossip/frame.h"
#include "crdt/log/log.h"

struct mesh;
struct link;
struct effects;

enum {
	PUSH_WINDOW = 256 * 1024,
	PUSH_BULK_LEAST = 128 * 1024,
	PUSH_BULK_MOST = 4096 * 1024,
	PUSH_STARTS = 64, /* of one member */
};

/* What is not acknowledged for this long is taken for lost. */
#define PUSH_PATIENCE (UINT64_C(10) * 1000000000)

/* A batch that was sent. */
struct sent {
	struct stream stream;
	uint64_t seq;
	uint32_t size;
	bool is_wanted; /* the peer asked for it; else it is ours, and new */
	struct mono_time at;
};

/* The last batch that was sent, for the next link: mostly all are told the same. */
struct last_sent {
	bool is_there;
	struct log_place after; /* the place that it follows */
	struct batch batch;
};

/* One link's side of it. */
struct flow {
	bool is_begun;          /* the peer has said where it stands */
	uint64_t pushed[LANES]; /* of this member's own streams */
	struct wanted {
		struct want want;
		struct log_place at; /* how far it was sent */
	} * wants;                   /* what the peer asked for */
	uint32_t wants_count, wants_room;
	struct sent *sent;
	size_t sent_count, sent_room;
	uint64_t under_way[2];     /* bytes: of people's lanes, of bulk */
	uint64_t wanted_under_way; /* of people's, what the peer asked for */
	uint64_t round_ns, bytes_per_s;
};

void flow_done(struct flow *flow);

/* Whether batches of the stream are taken: its author is or was a member, and has no more streams than it may. */
bool push_takes(const struct mesh *mesh, struct stream stream);

/* A verified batch that goes on from what is merged. Failures of the store alone. */
enum code push_merge(struct mesh *mesh, const struct batch *batch, struct err *err);

/* A batch came in. Failures of the store alone, and E_DENIED or E_FORM for what breaks the link. */
enum code push_receive(struct mesh *mesh, struct link *link, struct bytes whole, struct err *err);

/* The peer asks for stretches of streams. */
void push_wanted(struct mesh *mesh, struct link *link, struct reader wants);

/* The peer says that it has the stream up to here. */
void push_acknowledged(struct mesh *mesh, struct link *link, const struct frontier *frontier);

/* The peer has said where it stands with all streams: from there on, ours are pushed. */
void push_begin(struct mesh *mesh, struct link *link);

/* This member's start is another one, or was none after all: each peer gets it from where it says it stands. */
void push_restart(struct mesh *mesh);

/* What was sent long ago and never acknowledged is sent again. */
void push_tick(struct mesh *mesh, struct link *link);

/* The peer is to have the stream up to there, from the log, behind what it has or was sent. */
void push_owe(struct mesh *mesh, struct link *link, struct stream stream, uint64_t until);

/* Whether the stream is on its way to the peer, or owed to it, as far as that. */
bool push_has_sent(const struct link *link, struct stream stream, uint64_t seq);

/* Sends what fits. */
enum code push_flush(struct mesh *mesh, struct link *link, struct err *err);

#endif
