/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_LOOK_H
#define WARREN_LOOK_H

/*
 * A look at what all members acknowledged: of each stream what all of them have (where it has branches, those of its
 * ends that each of them names), what one of them at least has, and what they have between them.
 */

#include "crdt/gossip/stable.h"

struct look {
	struct mesh *mesh;
	struct store_txn *txn;
	struct vector least;  /* what all of them and this member have */
	struct vector most;   /* what another one has */
	struct vector joined; /* what they have between them */
	struct ahead *ahead;  /* of each peer */
};

/* What is named and not here is noted as ahead, for the next look. E_IO, E_DAMAGED. */
enum code look_around(struct look *look, struct err *err);

enum covered { COVERED_NOT, COVERED, COVERED_NEVER };

/* Whether every member has an end of the goal. What branches went past nobody can compare any more. */
enum code look_covers(const struct look *look, const struct frontier *goal, enum covered *ret_covered, struct err *err);
void look_done(struct look *look);

#endif
