/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_PENDING_INSIDE_H
#define WARREN_PENDING_INSIDE_H

/* What waits, for pending.c and for pending_ask.c, which puts questions to other members and answers theirs. */

#include "crdt/gossip/link.h"

enum waits_for { WAITS_FOR_COMMIT, WAITS_FOR_COPIES, WAITS_FOR_TOKEN, WAITS_FOR_HOME };

struct pending {
	struct pending *next;
	enum waits_for what;
	uint64_t number;
	uint32_t link; /* of the member that asked; 0: a client */
	struct mono_time until;
	/* A write. */
	enum code code;
	char text[256];
	struct id *ids;
	size_t count;
	struct place place;
	uint32_t copies;
	bool spends, is_keyed;
	uint64_t *keepers;
	size_t keepers_count;
	struct vector cover; /* of a repeat: what holds the request, wherever it was written */
	/* A token; or a request, and then the token of its answer. */
	struct buf token;
	size_t size; /* of that, as it was counted */
	bool is_strict;
	uint32_t question; /* put to the member that knows what it stands for; 0: none */
	uint64_t asked;    /* that member; 0: none */
	/* A request that is another member's to do. */
	uint64_t home;
	uint32_t home_link; /* on which it was put to it; 0: not yet */
	bool is_answered;
};

/* What the token takes is another now. */
void pending_weigh(struct pendings *pendings, struct pending *pending);

/* Whether so many bytes more find room. */
bool pending_fits(const struct pendings *pendings, size_t size);

/* With the token of what is here, unless the reply has one. */
void pending_answer(struct mesh *mesh, const struct pending *pending, struct reply *reply);

/* Whether it was answered: one that waits for a token, and one for what its home says. Failures of the store alone. */
enum code pending_try_token(struct mesh *mesh, struct pending *pending, bool *ret_is_done, struct err *err);
enum code pending_try_home(struct mesh *mesh, struct pending *pending, bool *ret_is_done, struct err *err);

#endif
