/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_STABLE_H
#define WARREN_STABLE_H

/*
 * What every member has: the stable vector, and what may go because of it, of the log (trim.h) and of the dead
 * (rounds.h). Members count from their admission, joined or not; neither silence nor a clock ends that.
 *
 * An acknowledgement counts when it lies on this member's own chain. Of a stream with several branches every member is
 * to have each of them. Who is alone goes by its own word, and only once the log is over its budget: its disk may be
 * from before the others came. The stable vector is on the disk with whatever goes because of it, so that a disk that
 * does not cover it is known to be old, and it never goes back.
 *
 * It is looked at no more often than every 10 s, and only when something changed; what follows is done in bounded
 * steps, so that nobody waits for it.
 */

#include "crdt/gossip/rounds.h"
#include "crdt/gossip/trim.h"
#include "crdt/state/collect.h"

enum { STABLE_EVERY_MS = 10000, STABLE_STEP_MS = 50 };

struct mesh;

/* A member, and what it acknowledged that is not there yet, by the last look: if it has come by the next, it counts. */
struct ahead {
	uint64_t node;
	struct vector ends;
};

/* The dead that went through both rounds. */
struct collecting {
	bool is_due;
	uint64_t last;
	struct collect_walk walk;
};

struct stable {
	struct vector vector; /* as it is stored; weighed by nobody */
	struct vector most;   /* up to where one other member at least has each stream that has no branches */
	struct sum own;       /* of this member's vector, at the last look */
	struct mono_time looked, stepped;
	bool is_touched; /* acknowledgements came since */
	bool is_open;    /* this transaction changed something of it */
	struct ahead *ahead;
	size_t ahead_count;
	struct rounds rounds;
	struct collecting collecting;
	struct trim trim;
	uint64_t collected; /* so many, by this process */
};

/* From the disk, as it is before the first event, or after a commit that failed. */
enum code stable_load(struct mesh *mesh, struct err *err);
void stable_done(struct stable *stable);

/* Looks, or does a step, when it is time. E_FULL, E_IO, E_DAMAGED. */
enum code stable_tick(struct mesh *mesh, struct err *err);

/* When there is a step to be done. */
struct mono_time stable_next(const struct mesh *mesh);

/* The transaction is durable; it has ended, one way or the other. */
void stable_settle(struct mesh *mesh);
void stable_forget(struct mesh *mesh);

/* A member said less than it had said before, or what does not follow on it: its disk is an old one. */
void stable_went_back(struct mesh *mesh);

/* A start became closed. */
void stable_closing(struct mesh *mesh);

/* The log on the disk is another one now: a snapshot was put in place. */
void stable_replaced(struct mesh *mesh);

#endif
