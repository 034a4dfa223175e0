/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_HTTP_TARGET_H
#define WARREN_HTTP_TARGET_H

/*
 * What is written into a request's target: segments of the path, and the query as names and values. Decoded it is
 * UTF-8 without a zero in it, or it is refused.
 */

#include "agent/http/gate.h"
#include "crdt/base/arena.h"

enum { TARGET_QUERY_MAX = 16 };

struct target_pair {
	struct bytes name, value;
};

struct target_query {
	struct target_pair all[TARGET_QUERY_MAX];
	size_t count;
};

/* Decoded into the arena. */
bool target_segment(struct bytes segment, struct arena *arena, struct bytes *ret_text, struct refusal *ret_refusal);

/* "name=value&…", a plus for a space; each name at most once. */
bool target_query(struct bytes query, struct arena *arena, struct target_query *ret_query, struct refusal *ret_refusal);

#endif
