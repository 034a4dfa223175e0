/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_BEAT_H
#define WARREN_BEAT_H

/*
 * Beats: once a second each member says to its successor in the ring (members by the hash of their id) what its state
 * weighs. Nobody answers, unless what it weighs goes on differing. Whoever does not hear its predecessor for
 * BEAT_SILENCE, by a beat or otherwise, asks one other member whether it does, and tells all when it does not.
 *
 * What comes of it is a hint, for display and for choosing whom to ask: nothing is ever removed, freed or cut because
 * of silence.
 */

#include "crdt/base/time.h"
#include "crdt/gossip/frame.h"

struct mesh;
struct link;
struct peer;

#define BEAT_EVERY (UINT64_C(1000) * 1000000)
#define BEAT_SILENCE (UINT64_C(2600) * 1000000)
#define BEAT_PROBE (UINT64_C(700) * 1000000)

/* What is known of one peer. */
struct pulse {
	struct mono_time heard;
	struct mono_time probed; /* while a probe is open */
	bool is_probing, is_silent;
	struct sum differing; /* our own weight when its beat last differed */
	uint32_t differed;
	uint64_t probe_for; /* the member that asked us about it, 0 for none */
};

/* Hints that are owed to a link. */
enum { HINTS_MAX = 16 };
struct hints {
	struct hint {
		enum hint_what what;
		uint64_t node;
		uint32_t number;
	} * all; /* HINTS_MAX of them; NULL where none is owed, as mostly */
	size_t count;
};

void hints_done(struct hints *hints);

void beat_flush(struct mesh *mesh, struct link *link);

/* What this member's state weighs: vector, root and statements. */
struct sum beat_sum(const struct mesh *mesh);

void beat_receive(struct mesh *mesh, struct link *link, struct sum sum);
void beat_hint(struct mesh *mesh, struct link *link, enum hint_what what, uint64_t node, uint32_t number);

/*
 * The link is open: its peer may not have heard of those who are silent, where two of them cut the ring in half.
 */
void beat_greet(struct mesh *mesh, struct link *link);

/* Anything at all came from the peer. */
void beat_heard(struct mesh *mesh, struct peer *peer);

/* The peer's link is gone: whoever has the connection knows at once. */
void beat_lost(struct mesh *mesh, struct peer *peer);

/* Once a second: has the beat said. */
void beat_tick(struct mesh *mesh);

/* Has the peer asked for a sign of life, which repeats the number. */
void beat_ask(struct mesh *mesh, struct peer *peer, uint32_t number);

/* Judges the silence of the predecessor, and when that is to be done next. */
void beat_watch(struct mesh *mesh);
struct mono_time beat_next(const struct mesh *mesh);

#endif
