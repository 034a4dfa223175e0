/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_PENDING_H
#define WARREN_PENDING_H

/*
 * Requests that wait: for the commit, for copies at other members, for what a token names. Each is answered once, at
 * its time at the latest; none survives the process, whose end is their answer.
 */

#include "crdt/gossip/frame.h"
#include "crdt/gossip/token.h"
#include "crdt/state/author.h"

struct mesh;
struct link;
struct pending;

enum {
	PENDING_MAX = 65536,
	PENDING_SIZE = 64 * 1024 * 1024, /* of the requests and tokens among them, in bytes */
	PENDING_ASKS = 64,               /* open questions of one link */
};

#define NS_PER_MS UINT64_C(1000000)

/* How long a request may wait. */
#define PENDING_PATIENCE (2000 * NS_PER_MS)

struct pendings {
	struct pending *first, *last; /* in order of their times */
	size_t count;
	size_t size, limit; /* in bytes; 0: PENDING_SIZE */
	uint32_t asked;     /* the number of the last question */
	bool is_touched;    /* something happened that one may wait for */
};

/* The questions of one link's peer that are to be answered. */
struct asked {
	struct question {
		uint32_t number;
		enum code code;
	} * all; /* PENDING_ASKS of them; NULL where nothing is asked, as mostly */
	size_t count;
};

void asked_done(struct asked *asked);

void pendings_done(struct pendings *pendings);

/* What a request came to: written at `place` (seq 0: nothing to write), or refused with `code` and `text`. */
struct written {
	uint64_t number;
	enum code code;
	const char *text;
	const struct id *ids;
	size_t count;
	struct place place;
	uint32_t copies;         /* that are wanted */
	bool spends;             /* answered only after another member has it: request.h */
	bool is_keyed;           /* and may be repeated */
	const uint64_t *keepers; /* where there was nothing to write: who else may have written it */
	size_t keepers_count;
	uint32_t link; /* another member asked, on this link and by that number; 0: a client */
	uint32_t within_ms;
};

/* How long: a member that asks (`link`) has told for how long its client waits. */
uint64_t pending_patience(uint32_t link, uint32_t within_ms);

/* To be answered after the commit. */
void pending_write(struct mesh *mesh, const struct written *written);

/*
 * A client's request, encoded, that the member `home` is to answer: put to it once, and never again. Takes the body.
 * E_BUSY: there is no room, and nothing was taken.
 */
enum code pending_hand_on(struct mesh *mesh, uint64_t number, uint64_t home, bool is_keyed, struct buf *body,
			  struct err *err);

/* How many requests of the link's peer wait here. */
size_t pending_open(const struct mesh *mesh, uint32_t link);

/* A request that wants to be answered from no less than the token says. */
void pending_await(struct mesh *mesh, uint64_t number, struct bytes token, bool is_strict);

/* A question of a peer, and the answer to one of ours. */
enum code pending_asked(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err);
enum code pending_answered(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err);

/* Says the questions and answers that are owed to a link. */
void pending_say(struct mesh *mesh, struct link *link);

/* After a commit: answers what can be answered. */
enum code pending_flush(struct mesh *mesh, struct err *err);

/* In place of a commit: what hung on it is refused. */
void pending_refuse(struct mesh *mesh, enum code code, const char *text);

/* Another state took the place of ours: a write that it does not show is no success yet. E_IO, E_DAMAGED. */
enum code pending_replaced(struct mesh *mesh, struct err *err);

/* When the next has waited long enough; UINT64_MAX: never. */
struct mono_time pending_next(const struct mesh *mesh);

#endif
