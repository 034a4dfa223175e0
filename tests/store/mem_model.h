/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_STORE_MEM_MODEL_H
#define WARREN_TEST_STORE_MEM_MODEL_H

/*
 * What a simulated disk should hold, as an array, and what its store says about it.
 */

#include "tests/sim/store_mem.h"

enum { MODEL_KEYS = 64 };

extern const struct hash_key model_secret;

/* What should be there: a number per key, which gives the value; 0 is none. */
struct model {
	uint64_t values[MODEL_KEYS];
};

struct room {
	uint8_t bytes[256];
};

struct bytes model_key(size_t i, struct room *room);
struct bytes model_value(uint64_t number, struct room *room);

/* Whether these are the bytes of that number. */
bool model_has(struct bytes found, uint64_t number);

/* Each fails the test where it cannot. */
struct store *model_open(struct mem_disk *disk);
struct store_txn *model_begin(struct store *store);
struct store_txn *model_snapshot(struct store *store);

/* A disk with every key on it, by one commit for each table. */
struct mem_disk *model_disk(struct rng *rng, struct model *ret_model);

/* Writes, or with 0 deletes, one key in both. */
enum code model_change(struct store_txn *txn, struct model *model, size_t i, uint64_t number);

/* `next` becomes `now` with some changes; what the commit says. */
enum code model_commit(struct store *store, struct rng *rng, const struct model *now, struct model *next);

/* How many keys read otherwise than the model says; errors count as that. */
size_t model_differences(struct store *store, const struct model *model);

/* What a scan told, by what told it. */
struct told {
	uint64_t seal, count, sum, order, number, other;
};

void model_note(void *told, struct bytes key, const char *text);
enum code model_scan(struct store *store, struct told *told);
void model_assert_clean(struct store *store);

#endif
