/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_VECTOR_H
#define WARREN_VECTOR_H

/*
 * Vectors: for each stream the end up to which it is merged. Streams ascend, none is there twice, and one that is
 * absent stands at nothing. The sum tells two vectors apart without going through them.
 */

#include "crdt/base/hash.h"
#include "crdt/log/batch.h"

struct frontier {
	struct stream stream;
	struct end end;
};

struct vector {
	struct frontier *all;
	size_t count, room;
	struct sum sum; /* of what was set */
};

void vector_done(struct vector *vector);

/* NULL: nothing of it. */
const struct end *vector_find(const struct vector *vector, struct stream stream);

/* How many streams a member has in it. */
size_t vector_streams_of(const struct vector *vector, uint64_t node);

/* The seq, 0 for nothing. */
uint64_t vector_seq(const struct vector *vector, struct stream stream);

/* Sets it, also back; a zeroed end takes it out. */
void vector_set(struct vector *vector, struct stream stream, struct end end);

/* As vector_set in a vector whose sum nobody asks for, which then stands for nothing. */
void vector_note(struct vector *vector, struct stream stream, struct end end);

/* Whether `have` has each stream at least as far, by seq. */
bool vector_covers(const struct vector *have, const struct vector *want);

bool vector_equal(const struct vector *a, const struct vector *b);

#endif
