/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_BLOCK_LINE_H
#define WARREN_BLOCK_LINE_H

/*
 * Lines of owners: to whom a block goes when its owner was evicted (block.h says by which rules). For the parts of
 * block.h, and for whoever waits to inherit.
 */

#include "crdt/state/block.h"

/* What all lines of a map share. */
struct block_lines {
	const struct members *members;
	const struct member *all;
	size_t count;
	struct arena *arena;
	uint32_t *seen; /* of each member, the last line that it is in, counted from 1 */
	uint32_t lines;
	uint64_t *nodes; /* of the line in the making */
	size_t length;
};

void block_lines_begin(struct block_lines *lines, const struct members *members, struct arena *arena);

/* Of what was made for, or given to, a node. */
const struct block_line *block_line_of(struct block_lines *lines, uint64_t node);

/* Of a gateway's own pool. */
const struct block_line *block_line_of_gateway(struct block_lines *lines, struct id gateway, uint64_t maker);

/* Where a node stands in the line; SIZE_MAX: nowhere. */
size_t block_line_place(const struct block_line *line, uint64_t node);

#endif
