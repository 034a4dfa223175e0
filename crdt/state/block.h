/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_BLOCK_H
#define WARREN_BLOCK_H

/*
 * Blocks: which member owns which IPv4 addresses of a pool, so that two members never lease one address without having
 * to ask each other. Who owns what is a function of the pool, its transfers and the members, and of nothing else.
 *
 * A pool's network, broadcast and first host address are in no block: the first host is the gateway's own, on every
 * interface of the pool. All others are first its maker's; those of a gateway's own pool are the member's that serves
 * the gateway, and nobody's before one does. From there on transfers lead, each naming the one that gave the addresses
 * to its giver: of several that name one predecessor the owner's goes before an heir's, then the smaller id. A transfer
 * counts for nothing where its giver does not own, when it leads outside the pool, or nowhere.
 *
 * What an evicted member owns goes on to the heir that its eviction names, without one to its sponsor, and so on until
 * one stands. Where that leads in a circle or to nobody the block is frozen, until a grant of one of them gives it
 * away. A gateway's own pool goes on to the member that serves the gateway now; of several that stand the maker, then
 * the smallest admission.
 */

#include "crdt/base/arena.h"
#include "crdt/base/rng.h"
#include "crdt/log/members.h"
#include "crdt/model/model.h"
#include "crdt/store.h"

/* Who owns a block, and through whom it came. */
struct block_line {
	const uint64_t *nodes; /* by right of whom transfers are given: the owner, then the heirs in order */
	size_t count;
	uint64_t owner;      /* 0: it is frozen, or nobody's yet */
	const uint64_t *via; /* those of them who were evicted, and may have leased from it */
	size_t via_count;
	bool is_under;   /* the owner has it by a statement, while another who stands may have leased from it: */
	struct id under; /* the grant, or the admission that replaced the gateway's node; by its hash */
};

struct block {
	uint32_t first, last;
	bool has_tip;
	struct id tip;  /* the transfer that it follows from; none: the pool's first owner has it yet */
	uint64_t start; /* in which start of its taker it was given */
	const struct block_line *line;
};

/* The blocks of a pool, ascending, which cover [first, last]; no blocks when that is empty. */
struct block_map {
	struct id pool;
	uint32_t first, last;
	const struct block *all;
	size_t count;
	const struct block_line *root; /* of what no transfer gave away */
};

/* In `arena`. Without `members` (NULL) nobody owns anything. A pool without IPv4 has no blocks. */
enum code block_map(struct store_txn *txn, const struct members *members, const struct pool_row *pool,
		    struct arena *arena, struct block_map *ret_map, struct err *err);

/* The block of an address, NULL for what is in none. */
const struct block *block_of(const struct block_map *map, struct address address);

struct address block_address(uint32_t number);

/*
 * What gossip alone knows, and what once met stays met. NULL in place of a function, or of all: nothing is in the way.
 *
 * - may_inherit: every standing member has published its closing row for the evicted node, and all ends of it that a
 *   member acknowledges are held here.
 * - may_take: every standing member has acknowledged something under the statement, and that is held here.
 * - may_lease_own: as may_inherit, for those starts of this member itself that are closed; true when there is none.
 *   Asked about blocks that were its own before its present start.
 */
struct block_gates {
	bool (*may_inherit)(void *context, uint64_t node);
	bool (*may_take)(void *context, struct id statement);
	bool (*may_lease_own)(void *context);
	void *context;
};

/* A member that leases from a pool or gives of it. All it needs is borrowed. */
struct block_owner {
	struct store_txn *txn;
	struct arena *arena; /* for temporaries */
	struct rng *rng;
	const struct block_map *map;
	uint64_t node, start;
	const struct block_gates *gates;
	const struct address *spoken; /* for, by leases that are not written yet */
	size_t spoken_count;
};

/* Whether the member owns the block and nothing is in the way of leasing from it. */
bool block_may_use(const struct block_owner *owner, const struct block *block);

/* Whether no live lease of the pool has the address, and no dead one of any pool left its mark. */
enum code block_is_free(const struct block_owner *owner, struct address address, bool *ret_is_free, struct err *err);

/*
 * A random free address among those that the member may lease. E_DRY when there is none: then others are to be asked
 * for a block. Looks at some at random, then at one after the other from a random place on.
 */
enum code block_choose(const struct block_owner *owner, struct address *ret_address, struct err *err);

/* How many are free, told to others who look for the fullest: counted up to BLOCK_COUNTED, beyond that by a sample. */
enum { BLOCK_COUNTED = 4096 };
enum code block_free(const struct block_owner *owner, uint64_t *ret_count, struct err *err);

/*
 * What to give to a member that asks: addresses in a row, none of them with a lease or a mark, at most half of what is
 * free but one at least, and at most BLOCK_GIVEN. The row of a transfer, but for nonce and giver, to be written in the
 * same transaction; `start` is the taker's, as it asked. E_DRY when nothing is free.
 */
enum { BLOCK_GIVEN = 4096 };
enum code block_give(const struct block_owner *owner, uint64_t taker, uint64_t start, struct transfer_row *ret_row,
		     struct err *err);

#endif
