/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FRAME_FORM_H
#define WARREN_FRAME_FORM_H

/* What reader and writer of frames agree on beyond frame_kind.h, and nobody else needs to know. */

#include "crdt/log/statement.h"

/* The byte of truths that some frames begin with. */
enum { LIST_IS_FIRST = 1, LIST_IS_LAST = 2 };
enum { FRONTIERS_ARE_ANSWER = 1, FRONTIERS_ARE_WHOLE = 2 };
enum { BUCKET_IS_TABLE = 1, BUCKET_IS_LAST = 2 };
enum { SOURCES_ARE_FIRST = 16 }; /* beside their count */
enum { SNAP_IS_PIECE = 1 };

/*
 * A frontier begins with its stream's number plus FRONTIER_NUMBERS, or with FRONTIER_NAMES and then the stream itself,
 * which gets the next number, or, where it is one more end of the stream before it, with FRONTIER_AGAIN. A seq follows,
 * and a hash unless the seq is 0, which means nothing.
 */
enum { FRONTIER_NAMES = 0, FRONTIER_AGAIN = 1, FRONTIER_NUMBERS = 2 };

/* No item of a list is larger, statements aside. */
enum { FRAME_ITEM_MAX = 64 };

#endif
