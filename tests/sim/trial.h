/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_TRIAL_H
#define WARREN_SIM_TRIAL_H

/*
 * A small world with its invariants watched, for their own tests: what people do in it, and what is done behind the
 * backs of its nodes.
 */

#include "tests/sim/check_inside.h"

#define SECOND UINT64_C(1000000000)

struct trial {
	struct world *world;
	struct check *check;
	struct rng rng;
	uint32_t members;
	uint8_t token[TOKEN_MAX];
	size_t token_size;
	uint8_t shown[TOKEN_MAX]; /* with the request of that number */
	size_t shown_size;
	uint64_t awaited;
	uint64_t written, refused, read;
	struct id last; /* that was made */
	struct id device;
};

/* All machines are members and up; or only the first `members`. */
struct trial *trial_begin(uint64_t seed, uint32_t machines);
struct trial *trial_begin_some(uint64_t seed, uint32_t machines, uint32_t members);
void trial_end(struct trial *t);

/* Three machines, a user with a device, and time for all to have them. */
struct trial *trial_begin_with(struct id *ret_user, struct id *ret_device);
struct trial *trial_begin_any(void);

void trial_run(struct trial *t, uint64_t ns);

/* Heals everything, waits, and checks the world at rest. */
void trial_rest(struct trial *t);

/* Assert that nothing is violated; that this is. */
void trial_is_well(struct trial *t);
void trial_violates(struct trial *t, uint32_t invariant);

/* --- What people do: answered when it returns, unless copies are waited for. */

struct id trial_make(struct trial *t, uint32_t machine, const struct kind *kind, void *row, uint32_t copies);
void trial_remove(struct trial *t, uint32_t machine, uint32_t kind, struct id id);
void trial_write(struct trial *t, uint32_t machine, uint32_t copies);
struct id trial_user(struct trial *t, uint32_t machine, const char *login);
struct id trial_device(struct trial *t, uint32_t machine, struct id owner, const char *name);

/* A strict client shows the last token that was given. */
void trial_read(struct trial *t, uint32_t machine);

/* --- Behind the back of a node. */

struct mesh *trial_mesh(struct trial *t, uint32_t machine);

/* A NULL value takes the entry out. */
void trial_tamper(struct trial *t, uint32_t machine, struct bytes key, const struct bytes *value);

/* A whole table goes, without a trace in the ledger. */
void trial_clear(struct trial *t, uint32_t machine, uint8_t table);
void trial_put(struct trial *t, uint32_t machine, uint32_t kind, struct id id, const struct record *record);

/* Until the next call. */
void trial_get(struct trial *t, uint32_t machine, uint32_t kind, struct id id, struct record *ret_record);

#endif
