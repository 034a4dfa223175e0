/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_REQUEST_H
#define WARREN_REQUEST_H

/*
 * Requests for changes. Each is judged and written by the member that was asked, except those that spend what is spent
 * once: of these the whole request goes to the home of the secret (crdt/state/spend.h), is judged and written there as
 * if it had been asked there, and the answer comes back to whoever asked here. A request that came so goes no further;
 * where it needs an address that the home has not got it waits there (crdt/gossip/lend.h), and is done only if the link
 * that it came by is still there.
 *
 * That somebody is who they say they are is known by the member that they asked. The home believes it, since members
 * alone send requests and each could as well write the entry itself; but nobody writes what a member says of itself,
 * and what spends nothing is not done for another member.
 *
 * In a cluster of two or more such a request is answered only after another member has it too, and so is its repeat.
 * When none has said so in time the answer is E_BUSY although it is written: a repeat under the same key is the same
 * request, however often and wherever it is asked.
 */

#include "crdt/gossip/frame.h"
#include "crdt/state/judge.h"

struct mesh;
struct link;

struct errand {
	uint64_t number;    /* of the answer */
	uint32_t link;      /* of the member that asks for a client of its own; 0: a client of this one */
	uint32_t within_ms; /* and how long it waits for the answer */
	struct asker asker;
	const struct change *changes;
	size_t count;
	struct bytes idempotency, action;
	uint32_t copies; /* that other members are to have before the answer */
};

/* Failures of the store alone. */
enum code request_do(struct mesh *mesh, const struct errand *errand, struct err *err);

/* Another member's, for a client of its own. A failure other than of the store breaks the link. */
enum code request_take(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err);

/* Without who is to be answered. False: it does not fit into a frame. */
bool request_put(const struct errand *errand, struct buf *out);

/* E_FORM. The changes are in `arena`, all else borrowed. */
enum code request_read(struct bytes bytes, struct arena *arena, struct errand *ret_errand, struct err *err);

/* What came of it; its code goes beside. */
struct outcome {
	struct bytes text;
	const struct id *ids;
	size_t count;
	uint32_t copies;
	struct bytes token;
};

void request_put_outcome(const struct outcome *outcome, struct buf *out);
enum code request_read_outcome(struct bytes bytes, struct arena *arena, struct outcome *ret_outcome, struct err *err);

#endif
