/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_JUDGE_H
#define WARREN_JUDGE_H

/*
 * What people ask becomes an entry, or is refused: roles, limits, uniqueness, parents. Judged here and nowhere else,
 * once, by the member that was asked, in the transaction that writes the entry; no receiver judges again.
 */

#include "crdt/base/arena.h"
#include "crdt/base/rng.h"
#include "crdt/log/batch.h"
#include "crdt/model/model.h"
#include "crdt/store.h"

enum change_what { CHANGE_CREATE, CHANGE_SET, CHANGE_REMOVE };

/* One wish. A request is a few of them, and all come true or none. */
struct change {
	enum change_what what;
	uint32_t kind;
	struct id id;     /* of one that exists */
	struct bytes map; /* {field: value} to create or set; nil unsets; a guarded value's generation is set here */
};

enum { JUDGE_CHANGES_MAX = 64, JUDGE_IDS_MAX = JUDGE_CHANGES_MAX };

struct asker {
	uint8_t writes; /* enum writer: BY_OWNER …, BY_SELF for a user's own, BY_AGENT for the agent's own doing */
	struct id user; /* whose records BY_SELF covers */
	struct ref actor;
	bool has_actor;
};

struct judging {
	struct store_txn *txn;
	struct arena *arena;
	struct rng *rng;
	uint64_t node; /* the author */
	uint64_t start;
	struct hlc hlc; /* of the entry, unless what it replaces was stamped later */
	struct wall_time now;
	struct bytes idempotency; /* what makes a repeat the same request: (actor, route, key); empty: none */
	struct bytes action;      /* for the audit row, such as "device.create" */
	uint64_t audit_seq;       /* of the audit row */
	struct id audit_before;   /* the hash of the one before it */
};

struct judged {
	struct bytes entry; /* in the judging's arena */
	enum lane lane;
	struct hlc hlc;
	struct id ids[JUDGE_IDS_MAX]; /* of the changes, in order */
	struct id audit_hash;         /* of its audit row, for the next one */
	bool is_repeat;               /* the same request came true before: nothing to write */
};

/*
 * E_DENIED (who asks may not), E_TAKEN (a name, a key), E_ABSENT, E_LIMIT, E_VALUE, E_FORM: each says which change and
 * field, and what to do. An audit row is part of every entry.
 */
enum code judge(const struct judging *judging, const struct asker *asker, const struct change *changes, size_t count,
		struct judged *ret_judged, struct err *err);

#endif
