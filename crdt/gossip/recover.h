/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_RECOVER_H
#define WARREN_RECOVER_H

/*
 * What batches cannot bring back. A member that lacks what another has dropped takes a snapshot and joins it with what
 * is here. One whose vector does not cover what everybody had has an old or an empty disk: by the others' log it can
 * not be told what was removed since, so it replaces what is here by a donor's state, and what its own log held beyond
 * that is merged again. It goes on with a new start, for others may have more of the last one.
 *
 * Who has such a disk is told so by whoever sees it, at every index. Of two that say it of each other neither can help.
 * One that says it is not believed where as many as bear out a snapshot are there and lack what it says as well.
 */

#include "crdt/gossip/frame.h"

struct mesh;
struct link;

#define RECOVER_AGAIN (UINT64_C(2) * 1000000000)

/* What a snapshot could not join is not to be tried without end. */
#define RECOVER_PAUSE (UINT64_C(60) * 1000000000)

/*
 * Who says *gone* is heard less and less where joining by its word brings nothing of it, or what it alone wrote and
 * has: not before 2, 4, … 64 times that pause, until a day has passed.
 */
#define RECOVER_FORGIVEN (UINT64_C(86400) * 1000000000)
enum { RECOVER_DOUBLED = 6 };

/* After so many the operator is told. */
enum { RECOVER_TRIES = 10 };

/* How often somebody's word led to such a join, and when last. */
struct vain {
	uint32_t times;
	struct mono_time at;
};

enum recovery_need { RECOVERY_NONE, RECOVERY_JOIN, RECOVERY_REPLACE };

struct recovery {
	enum recovery_need need;
	uint64_t donor;       /* whoever said so: to be asked last */
	uint64_t asked;       /* instead of it, the last time */
	struct frontier gone; /* what is to be joined for, as far as the one who said so has it */
	uint64_t reached;     /* of that stream, here, when it was said */
	struct mono_time tried, joined;
	uint32_t tries;     /* for which there was nobody */
	bool begins_start;  /* with the next transaction */
	bool is_blank;      /* nothing was here when it was said */
	struct vector said; /* what everybody had, by whoever says that the disk is old: a donor has it */
	uint64_t denied;    /* who said so last and was not believed */
};

/* Whether the disk is known to be old, or what is here is not yet compared with others. */
bool recover_is_old(const struct mesh *mesh);
void recover_done(struct recovery *recovery);

/* The peer has dropped what this member lacks of that stream. */
void recover_gone(struct mesh *mesh, const struct link *link, struct stream stream);

/* The peer has merged the same and holds another state: if ours is a donor's, another donor is tried. */
void recover_doubt(struct mesh *mesh, const struct link *link);

/* The peer said where it stands with everything: if its disk is old it is told so. */
enum code recover_judge(struct mesh *mesh, struct link *link, struct err *err);
enum code recover_say(struct mesh *mesh, struct link *link, struct err *err);

/* The peer says that everybody had what this member has not. Failures of the store alone. */
enum code recover_old(struct mesh *mesh, struct link *link, struct reader list, struct err *err);

/* After a commit, when no transaction is open: puts a snapshot in place that is whole. E_IO, E_DAMAGED. */
enum code recover_install(struct mesh *mesh, bool *ret_is_installed, struct err *err);
enum code recover_tick(struct mesh *mesh, struct err *err);

#endif
