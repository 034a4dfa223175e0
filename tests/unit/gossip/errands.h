/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_ERRANDS_H
#define WARREN_TEST_ERRANDS_H

/*
 * What the tests of requests share: three members that know each other, and clients that want something spent.
 */

#include "tests/unit/gossip/scene.h"

enum { HOME = 0, OTHER = 1, THIRD = 2 };

struct errands {
	struct scene *scene;
	struct real *reals[SCENE_REALS];
	struct wire *wires[SCENE_REALS]; /* by the end that is not there: [THIRD] is between HOME and OTHER */
};

/* Of the test at hand. */
extern struct errands errands;

void errands_begin(uint32_t members);

struct asked_for {
	struct change changes[4];
	size_t count;
	const char *key;
	uint32_t copies;
};

/* One record more to be made. */
void errand_put(struct asked_for *asking, const struct kind *kind, const void *row);

/* The request's number. */
uint64_t errand_ask(struct real *real, const struct asked_for *asking);

/* An enrolment token of so many uses whose home is that member, known to everybody. */
struct id errands_token(uint32_t home, uint64_t uses);

/* `key` NULL: none. */
struct asked_for errand_spending(struct id token, const char *key);
uint64_t errand_spend(uint32_t at, struct id token, const char *key);

/* How often the token was spent, as far as that member knows. */
size_t errands_count(uint32_t at, struct id token);

/* It was answered, and so. */
const struct answered *errands_answer(uint32_t at, uint64_t number, enum code code);
const struct mesh_counts *errands_counts(uint32_t at);

#endif
