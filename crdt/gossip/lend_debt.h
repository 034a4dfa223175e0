/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_LEND_DEBT_H
#define WARREN_LEND_DEBT_H

/*
 * What members asked about addresses, until it is answered. To look what a pool has takes long, and members ask as they
 * like: of one pool that is done once in a transaction, and for one member LEND_WORKED times a second. What goes beyond
 * that is answered in the next second, and what was asked on a link that is gone is not answered.
 */

#include "crdt/base/time.h"
#include "crdt/gossip/frame.h"

struct mesh;
struct link;

enum {
	LEND_ASKED = 64,  /* members, at once about one pool; and open questions of one link */
	LEND_WORKED = 16, /* answers that are worked out for a member, each second */
	LEND_FREES = 64,  /* pools that are remembered during a transaction */
};

struct lend_answer {
	uint32_t number;
	bool is_block, is_later;
	bool is_new; /* a transfer of this transaction */
	enum code code;
	struct id id;    /* the pool; of a block, once it is given, the transfer */
	uint64_t amount; /* of a block the asker's start, else what is free */
};

struct lend_debt {
	struct lend_answer *all; /* LEND_ASKED of them; NULL where nothing is asked, as mostly */
	size_t count;
	uint32_t worked;
	struct mono_time since; /* so many were worked out */
	uint64_t heard;         /* the turn of the last question that it answered */
};

/* What a pool has free here, as this transaction counted it. */
struct lend_free {
	struct id pool;
	uint64_t free;
};

/* What was asked is not answered any more. */
void lend_debt_drop(struct lend_debt *debt);

/* Once a second: works out what is late. Failures of the store alone. */
enum code lend_debt_tick(struct mesh *mesh, struct err *err);

/* Whether answers are to be said on the link, and says them. */
bool lend_debt_is_due(const struct link *link);
void lend_debt_say(struct mesh *mesh, struct link *link);

/* What was given in a transaction that failed was not given. */
void lend_debt_back(struct mesh *mesh);

/* The transaction is over. */
void lend_debt_forget(struct mesh *mesh);

#endif
