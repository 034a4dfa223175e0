/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_BLOCK_USE_H
#define WARREN_BLOCK_USE_H

/*
 * The addresses that a member may lease now, as if they stood in one row, and a look at one after the other. For the
 * parts of block.h alone.
 */

#include "crdt/state/block.h"

struct block_usable {
	struct block_part {
		const struct block *block;
		uint64_t end; /* how many addresses there are up to its last */
	} * all;
	size_t count;
	uint64_t total;
};

struct block_usable block_usable(const struct block_owner *owner);

/* The part that the n-th address is in, counted from 0, and the address. */
size_t block_usable_part(const struct block_usable *usable, uint64_t n);
uint32_t block_usable_at(const struct block_usable *usable, size_t part, uint64_t n);

/*
 * Goes over addresses in order, from the n-th on and round again: cheaper than a look at each. Ends before the next
 * put or delete.
 */
struct state_cursor;
struct block_round {
	const struct block_owner *owner;
	const struct block_usable *usable;
	uint64_t next; /* the n-th comes next */
	size_t part;
	struct state_cursor *leases;
	uint64_t leased; /* the next address with a lease of any pool; UINT64_MAX: there is none */
	struct id lease;
	size_t front; /* of an index entry, before the address */
	struct arena arena;
};

enum code block_round_begin(struct block_round *round, const struct block_owner *owner,
			    const struct block_usable *usable, uint64_t n, struct err *err);

/* The next address, whether it is free, and whether it follows upon the one before in the same block. */
enum code block_round_next(struct block_round *round, uint32_t *ret_address, bool *ret_is_free, bool *ret_follows,
			   struct err *err);
void block_round_end(struct block_round *round);

#endif
