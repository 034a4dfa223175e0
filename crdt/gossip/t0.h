/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_T0_H
#define WARREN_T0_H

/*
 * The set of statements, here and on its way: first on every link, and the one thing that is said to strangers.
 *
 * Two members compare what their sets weigh; where that differs each lists its hashes, and each sends what the other's
 * list lacks, in the order of arrival, so that every statement finds its signer known. From then on each new one is
 * sent at once. Only then is the peer told anything else, so it knows by then that we are a member.
 *
 * To a stranger a member shows what makes it one, and nothing more, and waits to be shown the same. Whoever joins
 * shows its invite to its sponsor, and trusts that one member before it knows any.
 */

#include "crdt/base/arena.h"
#include "crdt/gossip/frame.h"
#include "crdt/log/members.h"

struct mesh;
struct link;

struct t0 {
	struct arena arena; /* the statements' bytes */
	struct statement *all;
	size_t count, room, stored;
	size_t judged;  /* of which `members` and `sum` know */
	struct sum sum; /* by members_weight */
	struct members *members;
};

/* What one link knows of it. */
struct t0_link {
	bool is_told; /* the peer has all before `at` */
	size_t at;
	struct id *theirs; /* the peer's list, as far as it has arrived */
	size_t count;
	bool is_listed;    /* to its end */
	struct sum listed; /* what our set weighed when we last listed it, and when that was */
	struct mono_time listed_at;
	size_t strange;            /* bytes of statements that came from a stranger */
	bool has_said;             /* what the peer's set weighs */
	struct sum said, own_said; /* and what we last said of ours */
	struct mono_time again;    /* when that was last said because the two differ */
	bool is_clock_told;        /* an operator was, that it is wrong */
	bool is_shown;             /* what makes us a member, or our application */
	char *refusal;             /* of the peer's application */
};

/* How this member joins: from a join token. */
struct joining {
	struct key32 sponsor;
	struct id invite;
	struct signer one_time;
};

enum code t0_open(struct mesh *mesh, struct err *err);
void t0_done(struct t0 *t0);
void t0_link_done(struct t0_link *link);

/*
 * Takes statements that belong together, in any order; those that are not signed, or by nobody who is known, are left
 * out, and E_DENIED says why the last of them was. *ret_taken counts those that were new.
 */
enum code t0_take(struct mesh *mesh, const struct bytes *wholes, size_t count, size_t *ret_taken, struct err *err);

/* A frame of one of the T0 kinds. A failure other than of the store breaks the link. */
enum code t0_receive(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err);

/* Somebody who would join by an invite of ours: let in, or told why not. Failures of the store alone. */
enum code t0_apply(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err);

/* Whether the peer may be told the whole set. */
bool t0_trusts(const struct mesh *mesh, const struct link *link);

/* The peer is a member from now on: what it said before counts. */
void t0_begin(struct mesh *mesh, struct link *link);

/* To a peer that was evicted, before its link is closed: by whom, so that it need not take our word for it. */
void t0_show_eviction(struct mesh *mesh, struct link *link);

/* Once a second: where a peer's set is another still, what ours weighs is said again. */
void t0_tick(struct mesh *mesh);

/* Says what is owed. */
void t0_flush(struct mesh *mesh, struct link *link);

#endif
