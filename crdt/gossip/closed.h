/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CLOSED_H
#define WARREN_CLOSED_H

/*
 * What happens to the batches of closed starts. A start is closed by a proof, or with its node's eviction. From then on
 * this member has said in a row what it had merged of it (crdt/state/closing.h), and merges further what rows name:
 * a batch waits until all of its chain is there, from one that is merged up to an end that a row names.
 *
 * All of it is done once per transaction, before that ends: rows first, then what they let in.
 */

#include "crdt/gossip/waiting.h"
#include "crdt/state/closing.h"

struct mesh;

struct closings {
	bool is_changed; /* starts became closed, or open again */
	bool has_news;   /* rows, or batches that wait */
};

bool closed_is(const struct mesh *mesh, uint64_t node, uint64_t start);

/* All of its starts: it is evicted. */
bool closed_is_whole(const struct mesh *mesh, uint64_t node);

/* Proofs came, or statements: what is closed may be another set. */
void closed_changed(struct mesh *mesh);

/* A signed batch of a closed start. Failures of the store alone. */
enum code closed_take(struct mesh *mesh, const struct batch *batch, struct err *err);

/*
 * A signed batch, or its front, of an open start that does not lie on the chain that is here: a proof. Where our own
 * batch is no more to be shown, nothing can be proven, and only the author's word can close the start.
 */
enum code closed_contradict(struct mesh *mesh, const struct batch *front, struct err *err);

/* Whether a batch of a closed start is merged, or waits with all that leads to it. */
enum code closed_has(struct mesh *mesh, const struct frontier *frontier, bool *ret_has, struct err *err);

/*
 * Whether the chain that goes on from there may be merged: it is no branch more, or there is room for one. Every member
 * has all branches of a stream in its vector, and a sound member makes one for each fork.
 */
enum { CLOSED_BRANCHES_MAX = 64 };
bool closed_has_room(struct mesh *mesh, struct stream stream, struct end before);

/* Whether a transaction is needed. */
bool closed_is_due(const struct mesh *mesh);

/* Before the transaction ends. */
enum code closed_finish(struct mesh *mesh, struct err *err);

/* The open transaction, for what this member writes: what it owes because a start is closed it says before anything
 * else. */
enum code closed_begin_write(struct mesh *mesh, struct err *err);

/* A start of this member's own ends by its own word; if it is the present one, the next begins. */
enum code closed_own(struct mesh *mesh, uint64_t start, struct err *err);

/* Its next start begins, whatever becomes of the one before. */
enum code closed_begin_start(struct mesh *mesh, struct err *err);

/*
 * Whether an end is merged here: of an open start that one or one that is further, of a closed one itself. What is
 * below the horizon was.
 */
enum code closed_is_here(struct mesh *mesh, const struct frontier *frontier, bool *ret_is_here, struct err *err);

/* Whether every member has said what it had merged, and all acknowledge the same ends. */
enum code closed_is_settled(struct mesh *mesh, struct closed_start closed, bool *ret_is_settled, struct err *err);

#endif
