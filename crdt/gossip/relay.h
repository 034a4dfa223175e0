/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_RELAY_H
#define WARREN_RELAY_H

/*
 * Batches on their way in a cluster of more than RELAY_ABOVE members, where not everybody holds a link to everybody
 * else: relay_map.h says who gives them to whom. What is news is passed on right behind the commit that merged it, from
 * the log, in the bytes that its author signed, as what a peer asks for is; nothing is queued but how far each stream
 * is owed.
 *
 * Members acknowledge to both relays of their region, relays also to those of the author's region. So a relay knows
 * what its twin's half lacks: it takes that half as its own when there is no link to the twin, and gives a batch to
 * whoever did not acknowledge it for two round trips and RELAY_SLACK. Of an author that did not hear from its relays
 * the same holds.
 *
 * With fewer members nothing here is in force.
 */

#include "crdt/base/time.h"
#include "crdt/gossip/frame.h"
#include "crdt/gossip/relay_ack.h"
#include "crdt/gossip/relay_map.h"

struct mesh;
struct link;
struct peer;

enum { RELAY_ABOVE = 64, RELAY_WATCHED_MAX = 4096 };

#define RELAY_SLACK (UINT64_C(50) * 1000000)
#define RELAY_PATIENCE (UINT64_C(10) * 1000000000)

/* A link that nobody needs any more, or that was made for one question, is closed after so long. */
#define RELAY_SPARE (UINT64_C(60) * 1000000000)

/* A stream whose batches up to `seq` came at a time, and are to be acknowledged. */
struct watched {
	struct stream stream;
	uint64_t seq;
	struct mono_time at, due;
};

struct relay {
	bool is_on;
	bool is_stale; /* members or regions are others than the map says */
	struct relay_map map;
	const struct relay_place *own; /* of the map; NULL: this member does not stand */
	const struct relay_place *twin;
	uint32_t rank;
	uint64_t watching;  /* the member before this one in the ring of beats, when that was last judged */
	struct peer **near; /* the members of this region, by their places; NULL for this one */
	struct relay_words words;
	struct watched *watched;
	size_t watched_count, watched_room;
};

void relay_done(struct relay *relay);

/* Members came or went, or gateways are in other regions: the map is made anew before anything is said. */
void relay_changed(struct mesh *mesh);
enum code relay_refresh(struct mesh *mesh, struct err *err);

/* The peer's silence began or ended. */
void relay_silence(struct mesh *mesh, const struct peer *peer);

/* Whether a link to the peer is to be held. */
bool relay_links(const struct mesh *mesh, const struct peer *peer);

/* A link to the peer is needed for a while, whatever the map says. */
void relay_need(struct mesh *mesh, struct peer *peer);

/* Whether to close the peer's link, for nobody has needed it for long. */
bool relay_spares(struct mesh *mesh, struct peer *peer);

/* Whether this member is to give the peer what comes from that author, or is told about it. */
bool relay_serves(const struct mesh *mesh, const struct relay_place *author, const struct peer *to);

/* Whether the peer is to hear of each change here. */
bool relay_tells(const struct mesh *mesh, const struct peer *peer);

/* The transaction is durable: its news is owed to whom this member serves, and acknowledged. */
void relay_news(struct mesh *mesh);

/* The peer has said where it stands: this member's own batches are owed to it from there on. */
void relay_begin(struct mesh *mesh, struct link *link);

/* Gives what was not acknowledged in time, and when that is next to be done. */
void relay_tick(struct mesh *mesh);
struct mono_time relay_next(const struct mesh *mesh);

/* The members behind and before this one in the ring of beats; NULL: there is none. */
struct peer *relay_behind(const struct mesh *mesh);
struct peer *relay_before(const struct mesh *mesh);

#endif
