/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_ASKING_H
#define WARREN_TEST_ASKING_H

/*
 * What the tests of the judge share: a request is put together change by change, judged, and when it is taken its entry
 * goes the way of any other: checked by its form, and applied. Whatever it is, its audit row must be there.
 */

#include "tests/unit/state/put.h"

#include "crdt/state/judge.h"

enum { ASKING_NODE = 77, ASKING_START = 3 };

struct asking {
	struct putting p;
	struct rng rng;
	struct judging judging;
	struct asker asker;
	struct change changes[JUDGE_CHANGES_MAX + 1];
	size_t count;
	struct judged judged; /* of the last request that was taken */
	struct id dry;        /* the pool that the last request with E_DRY found none in */
	struct err err;
};

void asking_start(struct asking *a, uint64_t seed);
void asking_end(struct asking *a);

void ask_create(struct asking *a, const struct kind *kind, const void *row);
void ask_set(struct asking *a, const struct kind *kind, struct id id, const void *row);
void ask_unset(struct asking *a, const struct kind *kind, struct id id, size_t place);
void ask_map(struct asking *a, enum change_what what, uint32_t kind, struct id id, struct bytes map);
void ask_remove(struct asking *a, const struct kind *kind, struct id id);

/* Judges the request, merges its entry, and begins the next one. */
enum code asked(struct asking *a);

#define REFUSED(asking, code, said)                              \
	do {                                                     \
		assert_int_equal(asked(asking), (code));         \
		assert_string_equal((asking)->err.text, (said)); \
	} while (0)
#define TAKEN(asking)                                                                  \
	do {                                                                           \
		enum code taken_code = asked(asking);                                  \
		if (taken_code)                                                        \
			fail_msg("%s: %s", code_name(taken_code), (asking)->err.text); \
	} while (0)

/* Common changes. */
void ask_user(struct asking *a, const char *login, uint64_t role, struct id plan);
void ask_device(struct asking *a, struct id owner, const char *name, uint8_t key);
void ask_login(struct asking *a, struct id user, const char *login);
void ask_role(struct asking *a, struct id user, uint64_t role);

/* Asked for and taken: the new user. */
struct id made_user(struct asking *a, const char *login, uint64_t role);

/* The row as it is stored; it must be there. */
void read_row(struct asking *a, const struct kind *kind, struct id id, void *ret_row);
bool is_there(struct asking *a, const struct kind *kind, struct id id);

#endif
