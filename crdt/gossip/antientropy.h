/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_ANTIENTROPY_H
#define WARREN_ANTIENTROPY_H

/*
 * Anti-entropy: the one guarantee that everything arrives. Two members tell each other where they stand (an index, and
 * one in answer), then each asks the other for what it lacks. It happens when a link comes up, every ANTIENTROPY_ROUND
 * with one peer of a shuffled round, and when beats go on differing. What a member pushes to us itself is asked of
 * others only after it has not come for ANTIENTROPY_GRACE.
 */

#include "crdt/base/time.h"
#include "crdt/gossip/frame.h"

struct mesh;
struct link;

/* How many gaps are kept in all, and how many that one peer told of: so none keeps out what others know. */
enum { ANTIENTROPY_GAPS = 4096, ANTIENTROPY_SHARE = 256 };

/* So many bytes of a branch are taken before the peer is told that they are here: less than it sends before that. */
enum { ANTIENTROPY_CREDIT = 64 * 1024 };

#define ANTIENTROPY_ROUND (UINT64_C(15) * 1000000000)
#define ANTIENTROPY_GRACE (UINT64_C(1500) * 1000000)
#define ANTIENTROPY_PATIENCE (UINT64_C(5) * 1000000000)

/*
 * A stretch of a stream that some peer has and this member has not. Of a closed start nobody can tell where a branch
 * leaves what is known: so `back` seqs before its end are asked for, and twice as many when that was not enough. What
 * comes of it waits, and is not acknowledged: so what is asked for next says how far it came.
 */
struct gap {
	struct stream stream;
	struct end until;
	uint64_t teller, back;
	uint64_t asked, after; /* of a branch: who was asked last, and from where on */
	uint64_t reached;      /* up to there all of it is here */
	size_t came;           /* its bytes since */
	bool is_apart;         /* what came since leads to nothing that is here */
	struct mono_time due;
};

struct gaps {
	struct gap *all;
	size_t count, room;
	uint64_t *round; /* the peers of this round, shuffled */
	size_t round_count;
	struct mono_time exchanged;
};

void gaps_done(struct gaps *gaps);

/* The peer is none any more, and what it told of goes with it: should it come back, it begins with its whole share. */
void antientropy_forget(struct mesh *mesh, uint64_t teller);

/* A peer said that it stands here. */
enum code antientropy_notice(struct mesh *mesh, struct link *link, const struct frontier *frontier, struct err *err);

/* An index came, and what it said was noted. */
enum code antientropy_compare(struct mesh *mesh, struct link *link, bool is_answer, struct err *err);

/* Has this asked of the link's peer, whatever else is known. */
void antientropy_ask(struct mesh *mesh, struct link *link, struct want want);

/* Has the peer told where we stand, and asked where it does. */
void antientropy_begin(struct mesh *mesh, struct link *link);

/* `gone`: the peer has not got what was asked for. */
void antientropy_gone(struct mesh *mesh, struct link *link, struct reader streams);

/* What a part of a branch goes on from: what is merged, what waits as well, or what is not here. */
enum part { PART_FOUNDED, PART_FOLLOWS, PART_APART };

/* It came. Where it is apart, more is asked for with the next tick; else not before it stops coming. */
void antientropy_came(struct mesh *mesh, const struct batch *batch, enum part part);

/* Says what is wanted of a link's peer. */
void antientropy_say(struct mesh *mesh, struct link *link);

/* Asks somebody for each gap that is due. */
enum code antientropy_want(struct mesh *mesh, struct err *err);

/* The round, and gaps that are due: whose are then wanted of somebody. */
enum code antientropy_tick(struct mesh *mesh, struct err *err);

#endif
