/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_MERGE_H
#define WARREN_MERGE_H

/*
 * Merge: two records of one id become one, the same whatever the order, the grouping or the repetition.
 *
 * It works on numbers and bytes alone, so it needs no table, and every version merges what only a later one knows.
 * ONCE: there is one value. LWW: the larger (stamp, node, bytes). MAX: the larger bytes. CRED: the larger generation;
 * two values at one generation become [generation], which is larger than both. Dead wins, and keeps the identity.
 */

#include "crdt/base/arena.h"
#include "crdt/model/record.h"

/* What is made anew lies in `arena`; all else is borrowed from `a` and `b`. */
void merge_records(const struct record *a, const struct record *b, struct arena *arena, struct record *ret_merged);

#endif
