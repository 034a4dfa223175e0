/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_PUT_H
#define WARREN_TEST_PUT_H

/*
 * What the tests of people and what they hold share: a store with one open transaction, and rows that are put into it
 * as other members would have sent them, without anybody's judgement.
 */

#include "tests/unit/state/world.h"

struct putting {
	struct world world;
	struct store_txn *txn;
	struct arena arena;
	uint64_t nonces;
};

void putting_start(struct putting *putting, uint64_t seed);
void putting_end(struct putting *putting);

/* Merges the row as an op of its own, stamped `ms`; a nonce is made where the kind has one and the row has none. */
struct id put_row(struct putting *putting, const struct kind *kind, const void *row, uint64_t ms);
void put_dead(struct putting *putting, const struct kind *kind, struct id id);

struct id put_user(struct putting *putting, const char *login, uint64_t role, struct id plan);
struct id put_plan_of(struct putting *putting, const char *name, uint64_t devices);
struct id put_device(struct putting *putting, struct id owner, const char *name, uint8_t key, uint64_t ordinal);
struct id put_hold(struct putting *putting, uint32_t kind, struct id id);

bool id_is_zero(struct id id);

#endif
