/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_ROUNDS_H
#define WARREN_ROUNDS_H

/*
 * When a mark of a dead record may go. With one round of acknowledgements a write that the `dead` overtook could still
 * be on its way and bring the record back, so there are two: once every member has the `dead`, what all of them have
 * between them is noted; once every member has that too, nobody is left who could send anything older.
 *
 * All the dead that there are when the first round begins go through both together. Whoever may have lost what it
 * acknowledged, or comes anew, sends the round back to its beginning. Memory only: a new process begins anew.
 */

#include "crdt/log/vector.h"

enum round { ROUND_NONE, ROUND_FIRST, ROUND_SECOND };

struct rounds {
	enum round round;
	uint64_t last;       /* the largest number of the dead that it is about */
	struct vector goal;  /* what every member is to have */
	struct vector lacks; /* the part of it that not every member was seen to have yet */
};

/* The first begins, about the dead up to a number, all of which are in what this member has. */
void rounds_begin(struct rounds *rounds, uint64_t last, const struct vector *own);

/* The second begins: `joined` is what all members have between them, by what they acknowledged. */
void rounds_go_on(struct rounds *rounds, const struct vector *joined);

/* Back to the beginning. */
void rounds_again(struct rounds *rounds);
void rounds_done(struct rounds *rounds);

#endif
