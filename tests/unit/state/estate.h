/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_ESTATE_H
#define WARREN_TEST_ESTATE_H

/*
 * What the tests of blocks share: members that come and go by an operator's word, pools, transfers and leases as they
 * arrive from anywhere, and the address by address answer to who owns what.
 */

#include "tests/unit/log/realm.h"
#include "tests/unit/state/put.h"

#include "crdt/state/block.h"

enum { ESTATE_NODES = 16, ESTATE_SAID = 64, ESTATE_GIFTS = 120 };

/* What was said of a node and an heir, by the statement's hash. */
struct estate_word {
	uint64_t node, heir;
	struct id hash;
};

struct estate {
	struct putting p;
	struct realm realm;
	struct members *members; /* of what was said when estate_members was last called */
	struct estate_word evictions[ESTATE_SAID], grants[ESTATE_SAID];
	size_t evictions_count, grants_count;
	struct transfer_row gifts[ESTATE_GIFTS];
	size_t gifts_count;
};

/* Node 1 founds the cluster; nodes are numbered from 1. */
void estate_start(struct estate *estate, uint64_t seed);
void estate_end(struct estate *estate);

/* Statements, of the root operator. A gateway may be zero. */
void estate_admit(struct estate *estate, uint64_t node, uint64_t sponsor, struct id gateway);
void estate_evict(struct estate *estate, uint64_t node, uint64_t heir);
void estate_grant(struct estate *estate, uint64_t node, uint64_t heir);

/* The invite that the node came by is used once more, by another key: both are evicted without an heir. */
void estate_double(struct estate *estate, uint64_t node, uint64_t sponsor);
void estate_members(struct estate *estate);

/* A pool as its row is read: "10.0.0.0/24", of a gateway unless that is zero. */
struct pool_row estate_pool(struct estate *estate, const char *network, uint64_t maker, struct id gateway);

/* `before` NULL: none. */
struct id estate_give(struct estate *estate, const struct pool_row *pool, uint64_t giver, uint64_t taker,
		      uint32_t first, uint32_t last, const struct id *before);
struct id estate_lease(struct estate *estate, const struct pool_row *pool, struct id device, uint32_t address,
		       uint64_t author);

/* Who owns one address, by the rules read literally. */
struct estate_owner {
	uint64_t owner;
	bool has_tip;
	struct id tip;
	uint64_t via[ESTATE_NODES + 1];
	size_t via_count;
};
struct estate_owner estate_owner(const struct estate *estate, const struct pool_row *pool, uint32_t address);

uint32_t estate_number(const char *address);
struct block_map estate_map(struct estate *estate, const struct pool_row *pool);

#endif
