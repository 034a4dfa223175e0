/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SOURCES_H
#define WARREN_SOURCES_H

/*
 * From whom a state came that is not borne out yet: the donors it was taken of, and of those of them that were unproven
 * themselves, theirs. Ascending. When there are more than there is room for it may be anybody's, which is the one 0.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SOURCES_MAX = 8 };

struct sources {
	uint64_t all[SOURCES_MAX];
	size_t count;  /* 0: it is proven, or one's own */
	bool is_first; /* there was nothing before: who has just joined could not have known better */
};

void sources_add(struct sources *sources, uint64_t node);
bool sources_have(const struct sources *sources, uint64_t node);
bool sources_meet(const struct sources *a, const struct sources *b);

/* Whether no single one of them can have made all of it up. */
bool sources_are_many(const struct sources *sources);

#endif
