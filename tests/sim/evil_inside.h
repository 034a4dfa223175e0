/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_EVIL_INSIDE_H
#define WARREN_SIM_EVIL_INSIDE_H

/*
 * What the parts of the evil member know of each other: its links (evil.c), what it says in batches (evil_batches.c)
 * and in other frames (evil_frames.c).
 */

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/session.h"
#include "tests/sim/evil.h"

enum { EVIL_LINKS = 40, EVIL_KEPT = 32, EVIL_SAID = 1024, EVIL_GIVES = 40 };

enum evil_kind {
#define X(name, weight) EVIL_##name,
	EVIL_ACTS(X)
#undef X
		EVIL_ALL,
};

struct evil_link {
	uint64_t link; /* the network's; 0: free */
	uint32_t side, machine;
	struct session *session;
	struct stream_table told, named;
	bool is_up, is_silent;   /* nothing is acknowledged on it */
	bool is_half;            /* the handshake never ends */
	uint8_t said[EVIL_SAID]; /* sealed bytes, to be said again */
	size_t said_size;
};

/* A stream that it writes. */
struct evil_chain {
	struct stream stream;
	struct end end;
};

struct evil {
	struct world *world;
	struct check *check;
	struct machine *machine;
	uint32_t machines;
	struct rng rng;
	struct session_self self;
	struct evil_link links[EVIL_LINKS];
	struct evil_chain lanes[LANES];
	struct bytes kept[EVIL_KEPT]; /* batches that it was told or that it told */
	uint64_t kept_at;
	struct bytes *own; /* all batches of its lanes */
	size_t own_count, own_room;
	uint32_t asked; /* the last question that it was put */
	uint64_t until_ns, pause_ns;
	bool is_over, is_silent;
	struct arena arena; /* of one act */
	struct buf frame, out;
	struct evil_counts counts;
};

/* Sends evil->frame, sealed. */
void evil_say(struct evil *evil, struct evil_link *link);
void evil_keep(struct evil *evil, struct bytes batch);
void evil_own(struct evil *evil, struct bytes batch);
uint64_t evil_below(struct evil *evil, uint64_t bound);

/* The machine's own idea of things. NULL: it is down. */
const struct mesh *evil_mesh(const struct evil *evil, const struct evil_link *link);

/* Any other link that is up; the same one where there is none. */
struct evil_link *evil_other(struct evil *evil, struct evil_link *link);

/* Whether it is a batch's, or a frame's. */
bool evil_act_batch(struct evil *evil, enum evil_kind kind, struct evil_link *link);
void evil_act_frame(struct evil *evil, enum evil_kind kind, struct evil_link *link);

/* Dials, and says half of a hello. */
void evil_half_open(struct evil *evil);

/* A batch to one, and to all. */
void evil_send(struct evil *evil, struct evil_link *link, struct bytes batch);
void evil_send_all(struct evil *evil, struct bytes batch);

#endif
