/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FACTS_H
#define WARREN_FACTS_H

/*
 * What the two halves of members.h, operators and nodes, know of each other. For nobody else.
 *
 * A fact is a statement with its row. Facts are sorted by hash and none is there twice, so that whatever follows from
 * them does not depend on the order they came in, and the smaller hash is the smaller index.
 */

#include "crdt/base/arena.h"
#include "crdt/log/statement.h"

enum { NOWHERE = UINT32_MAX };

struct fact {
	const struct statement *said;
	union {
		struct cluster_row cluster;
		struct operator_row operator;
		struct operator_removal_row operator_removal;
		struct root_change_row root_change;
		struct invite_row invite;
		struct invite_void_row invite_void;
		struct admission_row admission;
		struct eviction_row eviction;
		struct level_row level;
		struct grant_row grant;
		struct switch_row switch_;
	} row;
	bool is_by_right; /* signed by who may, and left standing where that one was removed */
	bool stands;      /* it counts */
};

struct facts {
	struct fact *all;
	uint32_t count;
	struct id cluster;
	struct arena arena; /* what lives as long as the facts */
};

/* A key that the cluster's own statements lead to, as an operator's or for recovery. */
struct signatory {
	struct key32 key;
	uint32_t parent, depth;        /* in the tree; of the root its own index and 0 */
	uint32_t replaced_by;          /* of a root that was: the fact that removed it; NOWHERE: none */
	uint32_t named_by;             /* the fact that is to place it; NOWHERE: none */
	bool is_operator, is_recovery; /* in the set at all: what it signs is worth keeping */
	bool is_placed, is_removed;    /* in the tree */
	const struct id *left;         /* of one that was removed: what all removals list, ascending */
	size_t left_count;
};

/* Ascending by key. */
struct signatories {
	struct signatory *all;
	uint32_t count;
};

/* Facts by some key that they name. */
struct by_key {
	struct by_key_item {
		struct key32 key;
		uint32_t fact;
	} * all;
	uint32_t count;
};

/* Those of a key: from *ret_from on, up to the result. */
uint32_t by_key_find(const struct by_key *by_key, struct key32 key, uint32_t *ret_from);

/* `all` has room for what is added; sorted once all are there. */
void by_key_add(struct by_key *by_key, struct key32 key, uint32_t fact);
void by_key_sort(struct by_key *by_key);

/* NULL: none of them. */
struct signatory *signatory_find(const struct signatories *signatories, struct key32 key);

/* Who are operators, and which facts stand but for admissions. Without the cluster's own statement nobody and none. */
struct signatories operators_place(struct facts *facts);

/* An invite, however often it was signed: its id says all of it. */
struct place_for {
	struct id id;
	const struct invite_row *row;
	uint32_t taken_by; /* a holder that redeemed it; NOWHERE: none */
	uint32_t admissions;
	bool is_known; /* signed by some operator that was or is */
	bool stands;
	bool is_taken_back;
	bool is_shared; /* redeemed by different keys */
};

/* An admission that its bytes allow. */
struct entrance {
	uint32_t fact, invite, holder, sponsor; /* a sponsor NOWHERE was itself never admitted */
	uint32_t next;                          /* of the same sponsor */
	bool is_listed;                         /* by an eviction of its sponsor */
	bool is_founded, stands;
};

/* A key that was admitted, or that an eviction names. */
struct holder {
	struct key32 key;
	uint64_t node;
	uint32_t let_in;   /* the first entrance that it is sponsor of */
	uint32_t named_by; /* the eviction of the smallest hash; NOWHERE: none */
	bool is_founded;   /* a chain of sponsors leads to it from one that let itself in */
	bool is_doubled;   /* another key has its id */
	bool stands;
};

/* Invites ascend by id, entrances by fact, holders by key. */
struct nodes {
	struct place_for *invites;
	struct entrance *entrances;
	struct holder *holders;
	uint32_t invites_count, entrances_count, holders_count;
};

/* Behind operators_place: who was admitted and who of them stands; sets which admissions stand. */
struct nodes nodes_judge(struct facts *facts, const struct signatories *signatories);

struct place_for *nodes_invite(const struct nodes *nodes, struct id id);

/* NULL: neither admitted nor evicted. */
struct holder *nodes_holder(const struct nodes *nodes, struct key32 key);

#endif
