/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TWIN_H
#define WARREN_TWIN_H

/*
 * Twins: two processes of one node, from a cloned disk or machine. A second process is common, for a server starts
 * anew; it is a twin only when the first still lives: when it answers on its link while the second is there, or comes
 * back within TWIN_MEMORY after the second was seen. The later link is told so, and its process takes no more writes.
 */

#include "crdt/base/time.h"

struct mesh;
struct link;
struct peer;

#define TWIN_MEMORY (UINT64_C(60) * 1000000000)
#define TWIN_ANSWER (UINT64_C(1500) * 1000000)

/* The processes of one peer. */
struct processes {
	uint64_t now, former;
	struct mono_time former_seen;
	struct link *later; /* of another process, until it is known whether the first still answers */
	struct mono_time asked;
	uint32_t number; /* that its answer is to repeat */
};

enum twin_verdict {
	TWIN_NONE,  /* take the link */
	TWIN_WAIT,  /* a process before it has a link that may be dead: asked, and kept waiting */
	TWIN_FOUND, /* refuse it */
};

/* A link to a peer has come up, of that process. */
enum twin_verdict twin_judge(struct mesh *mesh, struct peer *peer, struct link *link, uint64_t process);

/*
 * The first process answered the question: if another waits, that is a twin. Only this answer counts, for what a
 * process said before it died may arrive long after.
 */
void twin_answered(struct mesh *mesh, struct peer *peer, uint32_t number);

/* A link of the peer has gone. */
void twin_gone(struct mesh *mesh, struct peer *peer, const struct link *link);

/* Whoever did not answer in time is dead, and the waiting link is taken. */
void twin_tick(struct mesh *mesh, struct peer *peer);

#endif
