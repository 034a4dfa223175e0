/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_MEMBERS_H
#define WARREN_MEMBERS_H

/*
 * What a set of statements means: operators, invites, members, evictions, the level. A function of the set and of
 * nothing else, so that whoever has the same statements sees the same members.
 *
 * In this order: operators from the root downward (one is removed by an ancestor only, the root by the recovery key; of
 * a removed one only those statements stand that every removal of it lists); the statements that stand; the nodes that
 * stand, sponsors before those whom they let in. A node is evicted, by its key and for good, when its invite does not
 * stand, a standing eviction names it, another admission of another key has its invite or its node id, or its sponsor
 * was evicted and no standing eviction of the sponsor lists its admission.
 *
 * Of two changes of the root by one recovery key the one with the smaller hash counts; a root that was, and is not
 * again, is the next one's child, removed for good. A key that is named as operator twice stands nearest to the root,
 * then by the smaller hash. An invite whose sponsor is the key that redeems it makes a founder; whom no chain of
 * sponsors leads to from a founder was never admitted. A key with several admissions stands while one of them does, so
 * that nobody evicts another by admitting it again.
 */

#include "crdt/log/statement.h"

/* The level of formats and rules that this version understands. */
enum { LEVEL_KNOWN = 1 };

/* What is kept of that which counts for nothing: admissions of one invite, invites and operators of who was removed. */
enum { ADMISSIONS_MAX = 8, VOIDS_MAX = 250 };

struct members;

struct member {
	uint64_t node;
	struct key32 key, box_key;
	struct id gateway;   /* that it serves */
	struct id admission; /* the statement's hash */
	struct id invite;    /* the invite's id */
	uint64_t sponsor;
	uint64_t heir; /* of one that an eviction names; 0: none named */
	bool is_evicted;
};

/* What becomes of a frozen block, by the word of an operator. */
struct grant_view {
	uint64_t node, heir;
	struct id hash; /* of the statement */
};

struct invite_view {
	struct id id;
	struct key32 key, sponsor;
	struct id gateway;
	struct wall_time expires; /* binds the sponsor alone, and so does `is_void` */
	bool is_void, is_used;
	bool is_shared; /* by several keys: it lets nobody in */
	uint32_t admissions;
	struct key32 holder; /* of one that redeemed it */
};

/*
 * The set `all`, in any order; each was read, its signature checked, and let in by members_admit_statement. Copies what
 * it keeps. Always answers: a set without the cluster's own statement has no members.
 */
struct members *members_make(struct id cluster, const struct statement *all, size_t count);
void members_free(struct members *members);

/* NULL: was never admitted. One that was evicted is found, and says so; of two keys with one id, either. */
const struct member *members_find(const struct members *members, uint64_t node);

/* All that were ever admitted, ascending by node, the evicted among them. */
const struct member *members_all(const struct members *members, size_t *ret_count);

/* How many stand. */
size_t members_standing(const struct members *members);

/* NULL: none, or signed by nobody who ever was an operator. */
const struct invite_view *members_invite(const struct members *members, struct id invite);

bool members_is_operator(const struct members *members, struct key32 key);

/* Who was ever named by one that was an operator; of the root `parent` is itself. */
struct operator_view {
	struct key32 key, parent;
	uint32_t depth; /* below the root */
	bool is_removed;
};

/* Ascending by key, from place 0 on; false behind the last. */
bool members_operator(const struct members *members, size_t place, struct operator_view *ret_view);
uint64_t members_level(const struct members *members);

/* The value of a cluster-wide switch, 0 when it was never set. */
uint64_t members_switch(const struct members *members, struct bytes name);

/* Who was granted what the node owned, as far as nobody inherits it: of several the smallest hash. NULL: nobody. */
const struct grant_view *members_grant(const struct members *members, uint64_t node);

/* Whether the statement counts (by its hash); an admission does while its node stands by it. */
bool members_stands(const struct members *members, struct id statement);

/*
 * Whether a further statement, whose signature was checked, has a signer that the set knows of, removed or not: what
 * has none is not taken, so that no stranger fills the disk. Of an admission also the proof is checked, here and
 * nowhere else. E_DENIED says why, and once more statements are there the answer may be another. How many there may
 * be in all is statement_fits's to say.
 *
 * Nobody fills the set with what counts for nothing. E_LIMIT, of what is not there already:
 *
 * - more than ADMISSIONS_MAX by one invite, unless its key is the second: that one evicts both, and no further one
 *   changes anything.
 * - what is void because its signer was removed: that it is not listed as standing by every removal, or that nobody
 *   who stands named its signer. It changes nothing, except that a void invite and a void operator lead to members that
 *   were admitted, and are known as evicted. So of these two VOIDS_MAX are taken, and of all others none.
 */
enum code members_admit_statement(const struct members *members, const struct statement *statement, struct err *err);

/*
 * How often a statement of the set counts in what two members compare. Not what another of them might not have taken
 * for the reasons above, or the two would never agree; and once more an invite that is full and not shared, so that
 * the second key reaches everybody.
 */
unsigned members_weight(const struct members *members, const struct statement *statement);

#endif
