/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_RELAY_ACK_H
#define WARREN_RELAY_ACK_H

/*
 * What members acknowledged to whom there is no link, in a cluster of more than RELAY_ABOVE members. A relay hears its
 * own region's members, and says of each stream how far all of them have it, and how far the furthest: to the relays of
 * the other regions, within RELAY_WORD_PROMPT. To the members whom it serves it says the same of everybody, within
 * RELAY_WORD_SLOW, and to an author at once what each region has of that author's streams.
 *
 * A word holds of those members whom its region has here; of others it says nothing, and when they change all of it is
 * said anew. What is not in it is where everybody is known to be: at the stable vector, below which nothing is kept.
 * Nor is more said than that of whoever stands where this member's chain does not lead.
 */

#include "crdt/gossip/ack.h"
#include "crdt/gossip/relay_kept.h"

struct mesh;
struct link;
struct peer;

#define RELAY_WORD_PROMPT (UINT64_C(200) * 1000000)
#define RELAY_WORD_SLOW (UINT64_C(5000) * 1000000)

/* All that a region has is said no more often than this, however much of it changes. */
#define RELAY_WORD_WHOLE (UINT64_C(1000) * 1000000)

/* What was said of one region; of everybody, where `region` is 0. */
struct region_word {
	uint64_t region;
	uint64_t set;    /* of whom */
	bool is_partial; /* a frame of several has not come yet */
	struct vector least, most;
};

/* What is to be said of some streams. */
struct region_items {
	struct region_item *all;
	size_t count, room;
};

struct relay_words {
	struct region_word *all;
	size_t count;
	struct recent touched;         /* streams of which somebody said something, once each between two words */
	uint64_t seen[2 * ACK_RECENT]; /* those places and one, by a hash of the stream */
	uint64_t told, told_all;
	struct mono_time due, due_all; /* 0: nothing is */
	struct mono_time whole;        /* when all of this region was said last, for there was too much */
	bool is_behind;                /* it is to be said again, once it may be */
	struct region_items near, far; /* of this region, of everybody; in this round */
	struct region_items all_near, all_far;
	struct mono_time all_made; /* all of it, for those who are told the first time; 0: not made */
};

void relay_words_done(struct relay_words *words);

/* Something was said of the stream, by a member of this region or by a word. */
void relay_touch(struct mesh *mesh, const struct peer *peer, struct stream stream);

/* The map is another one: what was said of regions that are no more is forgotten. */
void relay_words_refresh(struct mesh *mesh);

/* A word came. E_DENIED from whom none is expected. */
enum code relay_hear(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err);

/* Has what is due said, and says it to a link. */
void relay_words_tick(struct mesh *mesh);
struct mono_time relay_words_next(const struct mesh *mesh);
void relay_words_age(struct mesh *mesh, struct link *link);
void relay_words_flush(struct mesh *mesh, struct link *link);

/* --- What is known. */

/* Whether this member hears the acknowledgements of that one itself, and is the one to count them. */
bool relay_hears(const struct mesh *mesh, const struct peer *peer);

/* What was said of a region (0: of everybody), if it was of these members; NULL: nothing was, or not all yet. */
const struct region_word *relay_word_of(const struct mesh *mesh, uint64_t region, uint64_t set);

/* The words that together stand for all whom it does not hear: NULL for one that says nothing now. */
size_t relay_words_count(const struct mesh *mesh);
const struct region_word *relay_word(const struct mesh *mesh, size_t at);

/* How far everybody has it, this member among them, by what is known here; whether that is on its chain is not judged.
 */
struct end relay_least(struct mesh *mesh, struct stream stream);

/*
 * Whether everybody stands where this member does with the streams of a node's start (0: of all of them); where one has
 * several ends nobody can say.
 */
bool relay_agrees(struct mesh *mesh, uint64_t node, uint64_t start);

/* How many others have the stream up to there, each counted once. */
enum code relay_copies(struct mesh *mesh, struct stream stream, uint64_t seq, uint32_t *ret_copies, struct err *err);

#endif
