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
#include "crdt/state/block.h"
#include "crdt/store.h"

enum change_what { CHANGE_CREATE, CHANGE_SET, CHANGE_REMOVE };

/*
 * One wish. A request is a few of them, and all come true or none; the rules see the records as they will be then. No
 * record is in two changes.
 */
struct change {
	enum change_what what;
	uint32_t kind;
	struct id id;     /* of one that exists */
	struct bytes map; /* {field: value} to create or set; nil unsets; a guarded value's generation is set here */
};

enum { JUDGE_CHANGES_MAX = 64, JUDGE_IDS_MAX = JUDGE_CHANGES_MAX };

/*
 * Stands, as the value of a field that names a record (not in a list), for what an earlier change of the request makes,
 * counted from 0: so that a user and the user's password are one request.
 */
struct id judge_made(size_t position);

/*
 * Who asks with BY_SELF and no bit of the staff's touches only what belongs to `user`: that record, and what hangs on
 * it. Who asks with a bit of the staff's touches nothing of somebody with a higher role (of `user` only with BY_SELF
 * too). The agent's own doing, with neither, is not asked whose a record is.
 *
 * A role in conflict grants the least, and protects as an owner's, since it may be decided to be one. Of the owners
 * that must remain it is none.
 */
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
	struct bytes action;      /* for the audit row, such as "device.create"; empty: no row, for own rows alone */
	uint64_t audit_seq;       /* of the audit row */
	struct id audit_before;   /* the hash of the one before it */
	const struct members *members;   /* who owns which addresses; NULL: nobody any */
	const struct block_gates *gates; /* NULL: nothing is in the way of leasing, nor of what else is inherited */
	bool leases_nothing;             /* of what it owns: it may not know of all that it leased */
	const char *spends_not;          /* why this member spends nothing once-only now; NULL: it may */
};

struct judged {
	struct bytes entry; /* in the judging's arena */
	enum lane lane;
	struct hlc hlc;
	struct id ids[JUDGE_IDS_MAX]; /* of the changes, in order */
	struct id audit_hash;         /* the id of its audit row, for the next one */
	bool is_repeat;               /* it came true before, or changes nothing: there is no entry, only ids */
	struct id pool;               /* after E_DRY, which sets nothing else: the one that has no address left here */
	uint64_t home;                /* after E_ELSEWHERE, which sets nothing else: who is to be asked instead */
	bool spends;                  /* something that is spent once: told only when another member has it too */
	const uint64_t *keepers;      /* who kept that before this member did, all evicted; in the judging's arena */
	size_t keepers_count;
};

/*
 * E_DENIED (who asks may not), E_TAKEN (a name, a key, an address), E_ABSENT, E_LIMIT, E_VALUE, E_FORM, E_BUSY,
 * E_DRY, E_ELSEWHERE: each says which change and field, and what to do. An audit row is part of every entry.
 *
 * A lease in a pool with IPv4 gets an address that this member owns (block.h), unless it brings one along that this
 * member may lease. E_DRY when there is none: all else about the request was in order, and it may be asked again once
 * another member gave addresses of that pool.
 *
 * What can be spent but so often (spend.h) is spent by its home alone. E_ELSEWHERE where that is another member: the
 * whole request is to be asked there. Whether it is a repeat, its home says.
 *
 * A record's nonce is random, of a lease always, or 16 bytes that follow from `idempotency`: then the same request
 * makes the same ids at any member, unless the identity names the member or the time (pools, leases, secrets spent at
 * home). It is a repeat when a record of such an id was ever made; one of natural ids alone when all live as they are
 * asked for; one of leases alone when each device has its own. Set here unless given: the ordinal of a device, what a
 * policy's version replaces, a lease's address, who, and when (not where the time is part of an identity that
 * `idempotency` makes, unless it must be there).
 */
enum code judge(const struct judging *judging, const struct asker *asker, const struct change *changes, size_t count,
		struct judged *ret_judged, struct err *err);

#endif
