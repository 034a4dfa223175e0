/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_LEND_H
#define WARREN_LEND_H

/*
 * Addresses that members give each other. A write that needs a lease and finds no free address here waits, while this
 * member asks all whom it reaches how many they have, and then the one with the most for some; with what that one gave,
 * or once nobody has any, the write is judged anew as a whole. Whoever gives writes a transfer (crdt/state/block.h) and
 * answers after its commit; what it gave is not given twice before the asker has acknowledged it.
 *
 * It also ends the leases that are this member's to end, a few each second.
 */

#include "crdt/gossip/frame.h"
#include "crdt/gossip/lend_debt.h"
#include "crdt/gossip/lend_gates.h"
#include "crdt/state/author.h"
#include "crdt/state/block_lease.h"

struct errand;
struct mesh;
struct link;
struct peer;

enum {
	LEND_POOLS = 64,   /* that are asked about at once */
	LEND_WAITS = 1024, /* writes that wait for an address */
	LEND_WAITS_SIZE = 4 * 1024 * 1024,
	LEND_GIVEN = 256, /* transfers of this process whose places are remembered */
	LEND_STEPS = 200, /* leases that are looked at each second, and ended at most */
	LEND_ENDED = 16,
};

/* How long members may take to say what they have, and to give. */
#define LEND_FREE_PATIENCE (UINT64_C(500) * 1000000)
#define LEND_BLOCK_PATIENCE (UINT64_C(700) * 1000000)

struct lend_wait;
struct lend_asking;

/* A question to a member that it has not answered. */
struct lend_question {
	uint32_t number; /* 0: not said yet */
	enum ask_what what;
	uint64_t node, turn;
	struct id pool;
	struct mono_time until;
};

/* A transfer of this process: where it is written. */
struct lend_given {
	uint64_t taker;
	struct id pool, transfer;
	struct place place;
	uint64_t commits; /* before it */
};

struct lend {
	struct lend_gates gates;
	struct lend_wait *waits;  /* in order of their times */
	struct lend_wait *judged; /* the one that is being judged anew */
	size_t waits_count, waits_size;
	struct lend_asking *askings;
	size_t askings_count;
	struct lend_question *questions;
	size_t questions_count, questions_room;
	size_t looked;                       /* at so many of the transaction's changes */
	struct lend_given given[LEND_GIVEN]; /* the oldest first */
	size_t given_count;
	struct vector before; /* of this member's own streams: all transfers that are not among them are in it */
	struct lend_free frees[LEND_FREES]; /* of this transaction */
	size_t frees_count;
	struct lease_walk walk;
	struct sum walked;         /* what all that a lease may hang on weighed when the walk began */
	bool has_ended, is_walked; /* a walk ended some; the last one found nothing to do */
};

/* From the disk, as it is before the first event, or after a commit that failed. */
enum code lend_load(struct mesh *mesh, struct err *err);
void lend_done(struct lend *lend);

/* Before the transaction ends; after it failed, before what is owed is said. */
enum code lend_finish(struct mesh *mesh, struct err *err);
void lend_back(struct mesh *mesh);

/* The state is a donor's now. */
void lend_replaced(struct mesh *mesh);

/* What lend.c has lend_give.c, and the gates, do, and they have it do. */

/* Asks the peer what it has of a pool (zeroed: of none, to hear what it acknowledges). */
void lend_ask_free(struct mesh *mesh, struct peer *peer, struct id pool);

/* Whether this member has more to lease by a transfer: a giver may have given what it did not own. */
bool lend_is_gain(struct mesh *mesh, const struct transfer_row *transfer);

/* Whether addresses of a pool are nobody's to lease: its gateway has no server, or whoever had them left no heir. */
bool lend_is_nobodys(struct mesh *mesh, struct id pool);

/* Others are asked for addresses of a pool, though no request waits for one. */
void lend_want(struct mesh *mesh, struct id pool);

/* For lend_debt.c: what this member has of a pool, and gives of it; zeroed, E_BUSY and so on, and the store's failures.
 */
enum code lend_count_free(struct mesh *mesh, struct id pool, uint64_t *ret_free, struct err *err);
enum code lend_answer_block(struct mesh *mesh, const struct peer *peer, struct lend_answer *answer, struct err *err);

/* What was being judged anew when the disk failed has its answer. */
void lend_judged(struct mesh *mesh);

/* Ends leases that are this member's to end. */
enum code lend_end_some(struct mesh *mesh, struct err *err);

/*
 * A request came to E_DRY, for want of an address of `pool`. True: it is kept, and waits. False: it is to be refused,
 * with *code and a text that says who holds addresses up.
 */
bool lend_keep(struct mesh *mesh, const struct errand *request, struct id pool, enum code *code, struct err *err);

/* How many requests of that link's peer wait, but for the one that is being judged anew. */
size_t lend_waiting(const struct mesh *mesh, uint32_t link);

/* After each event, and until there is none: a request that is to be judged anew. Borrowed until the next call. */
const struct errand *lend_next(struct mesh *mesh);

/* Members alone are asked, so the link has a peer. Failures of the store, and E_FORM. */
enum code lend_asked(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err);

/* Whether it is the answer to a question about addresses. */
bool lend_answered(struct mesh *mesh, struct link *link, const struct frame *frame);

/* Says the questions and answers that are owed to a link. */
void lend_say(struct mesh *mesh, struct link *link);

/* Once a second. Failures of the store alone. */
enum code lend_tick(struct mesh *mesh, struct err *err);

/* When one has waited long enough; UINT64_MAX: never. */
struct mono_time lend_due(const struct mesh *mesh);

#endif
