/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FRAME_ITEM_H
#define WARREN_FRAME_ITEM_H

/* What the lists in frames consist of. */

#include "crdt/log/vector.h"

/* Of a stream what lies in (after, until]. */
struct want {
	struct stream stream;
	uint64_t after, until; /* seqs */
};

/* An entry of a snapshot. */
struct snap_entry {
	struct bytes key, value;
};

/* How far all members of a region have a stream, and how far the furthest of them; zeroed: one at least has nothing. */
struct region_item {
	struct stream stream;
	struct end least, most;
};

struct record_hash {
	uint32_t kind;
	struct id id;
	struct sum hash;
};

#endif
