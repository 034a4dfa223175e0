/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_CHECK_CHAIN_H
#define WARREN_SIM_CHECK_CHAIN_H

/*
 * All batches that any member ever merged, in their original bytes, and how they hang together: for worlds in which a
 * stream has more than one history, and where logs are shortened. A place is known by its stream, its seq and the first
 * 8 bytes of its hash, which is what a token says of it.
 *
 * A zeroed struct is an empty one.
 */

#include "crdt/base/arena.h"
#include "crdt/log/vector.h"
#include "tests/sim/check_map.h"

struct chains {
	struct check_map batches, firsts, forked, written;
	struct arena arena;
	struct bytes *all;
	size_t count, room;
};

void chains_done(struct chains *chains);

/* A batch was merged somewhere. */
void chains_learn(struct chains *chains, struct bytes whole);

bool chains_know(const struct chains *chains, struct stream stream, struct end end);

/* Whether two batches are known that cannot lie on one chain of the stream. */
bool chains_forked(const struct chains *chains, struct stream stream);

/* Whether others wrote of a record, and that start of that node did not: whoever answers there repeats what they did.
 */
bool chains_only_others_wrote(const struct chains *chains, struct id record, uint64_t node, uint64_t start);

/* Whether the chain up to `to` leads through `end`, or ends there. */
bool chains_lead(const struct chains *chains, struct stream stream, struct end to, struct end end);

/* Whether one of the vector's ends does. */
bool chains_cover(const struct chains *chains, const struct vector *vector, struct stream stream, struct end end);

/* The same for all that another vector has. */
bool chains_cover_all(const struct chains *chains, const struct vector *vector, const struct vector *other);

/* The end right before that of a batch; false: it is the stream's first, or not known. */
bool chains_before(const struct chains *chains, struct stream stream, struct end end, struct end *ret_before);

/* The stream stands in `vector` as it stands in `now`; all streams do. */
void vector_follow(struct vector *vector, const struct vector *now, struct stream stream);
void vector_copy(struct vector *vector, const struct vector *now);

#endif
