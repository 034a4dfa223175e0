/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_VECTOR_H
#define WARREN_VECTOR_H

/*
 * Vectors: for each stream the ends up to which it is merged. A stream that is not there stands at nothing; one whose
 * start is closed may have several ends, its branches, every other has one. Frontiers ascend by stream, seq and hash,
 * none is there twice. The sum tells two vectors apart without going through them.
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

/* All ends of a stream, one after the other; *ret_count of them, NULL for none. */
const struct frontier *vector_ends(const struct vector *vector, struct stream stream, size_t *ret_count);

/* The furthest end, by seq and hash. NULL: nothing of it. */
const struct end *vector_find(const struct vector *vector, struct stream stream);

/* Whether this very end is one of the stream's. */
bool vector_has(const struct vector *vector, struct stream stream, struct end end);

/* How many streams a member has in it. */
size_t vector_streams_of(const struct vector *vector, uint64_t node);

/* The seq of the furthest end, 0 for nothing. */
uint64_t vector_seq(const struct vector *vector, struct stream stream);

/* The stream stands there and nowhere else, also back; a zeroed end takes it out. */
void vector_set(struct vector *vector, struct stream stream, struct end end);

/* One end more, or one less: a branch that grows loses the end it had. */
void vector_add(struct vector *vector, struct stream stream, struct end end);
void vector_drop(struct vector *vector, struct stream stream, struct end end);

/* As vector_set and vector_add in a vector whose sum nobody asks for, which then stands for nothing. */
void vector_note(struct vector *vector, struct stream stream, struct end end);
void vector_note_more(struct vector *vector, struct stream stream, struct end end);

/* Whether `have` has each stream at least as far, by the seqs of the furthest ends. */
bool vector_covers(const struct vector *have, const struct vector *want);

bool vector_equal(const struct vector *a, const struct vector *b);

#endif
