/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_SCRATCH_H
#define WARREN_TEST_SCRATCH_H

/*
 * What the tests of the store on a real disk share: a directory that goes away, a store in it, and the judgement
 * that it is whole.
 */

#include "agent/store.h"
#include "agent/store_pages.h"

#include <limits.h>

struct scratch {
	char dir[PATH_MAX - 64], file[PATH_MAX];
};

/* A new state directory, not yet made, in a directory of its own. */
struct scratch scratch_make(void);

/* Takes away the state directory with all in it; `scratch_remove` also what holds it. */
void scratch_empty(const struct scratch *scratch);
void scratch_remove(const struct scratch *scratch);

/* A fixture: `*state` is a scratch. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/*
 * From here on this process mounts what it likes on `dir` and nobody sees it: as root, or in a user namespace of its
 * own. Fails the test, saying what it needs, where neither is to be had.
 */
void scratch_mount_alone(const char *dir);

/* From now on `dir` can only be read; or a fresh disk of `size` bytes lies on it. */
void scratch_mount_read_only(const char *dir);
void scratch_mount_disk(const char *dir, size_t size);

extern const struct hash_key scratch_key;

enum code scratch_try(const struct scratch *scratch, enum lmdb_mode mode, struct store **ret_store, struct err *err);
struct store *scratch_open(const struct scratch *scratch, enum lmdb_mode mode);

/* What a check told, the first of it in words. */
struct findings {
	size_t count;
	char first[256];
};

/* A `store_found`; `context` is a struct findings. */
void findings_note(void *context, struct bytes key, const char *text);

/* The scan of an open store, and the check of the pages below it, while nobody writes. */
struct findings scratch_scan(struct store *store);
struct findings scratch_pages(const struct scratch *scratch);

/* Fails the test when either finds anything. */
void scratch_assert_whole(const struct scratch *scratch, struct store *store);

/* A key of table 1 for a number, and the bytes that a version of it has: from 8 up to about 40,000. */
struct bytes number_key(uint32_t number, uint8_t room[5]);
struct bytes number_value(uint32_t number, uint64_t version);

void put_number(struct store_txn *txn, uint32_t number, uint64_t version);

/* In a transaction of its own; and that it is there. */
void commit_one(struct store *store, uint32_t number, uint64_t version);
void assert_number(struct store *store, uint32_t number, uint64_t version);

#endif
