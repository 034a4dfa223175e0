/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_ROOT_H
#define WARREN_ROOT_H

/*
 * The root: what the records weigh, so that two members with equal vectors can tell whether they hold the same.
 *
 * 256 buckets by the first byte of a record's id, each the sum of the hashes of its records (kind, id, bytes) that live
 * and whose identity is there. Marks and records without identity weigh nothing. The hash's key is the cluster's id. It
 * is stored in parts, of which those that changed are put in the transaction of the records; who abandons that
 * transaction reads the root anew.
 */

#include "crdt/base/hash.h"
#include "crdt/store.h"

enum {
	ROOT_BUCKETS = 256,
	ROOT_SIZE = ROOT_BUCKETS * 16,
	ROOT_PARTS = 16, /* of as many buckets each, in order */
	ROOT_ALL_PARTS = (1 << ROOT_PARTS) - 1,
	ROOT_KEY_SIZE = 3,
};

struct root {
	struct hash_key key;
	struct sum buckets[ROOT_BUCKETS];
	uint32_t changed; /* the parts that root_put has to put, a bit each */
};

/* Where the first part lies in the store, where any does, and whether one does there. */
extern const uint8_t root_key[ROOT_KEY_SIZE];
struct bytes root_part_key(size_t part, uint8_t room[ROOT_KEY_SIZE]);
bool root_is_key(struct bytes key);

/* What one record weighs; zero for what weighs nothing. `record` is as it is stored, or empty. */
struct sum root_weight(const struct root *root, uint32_t kind, struct id id, struct bytes record);

/* A record's bytes became others; empty ones stand for no record. */
void root_change(struct root *root, uint32_t kind, struct id id, struct bytes old, struct bytes new);

/* What all records weigh together. */
struct sum root_total(const struct root *root);

/* From the store; worked out, and to be put, where none is stored. E_VALUE when the stored one is another cluster's. */
enum code root_read(struct store_txn *txn, struct id cluster, struct root *ret_root, struct err *err);

/* As it is stored, of whichever cluster. E_ABSENT; E_FORM when it is none. */
enum code root_find(struct store_txn *txn, struct root *ret_root, struct err *err);

/* Into the store, when it changed. */
enum code root_put(struct store_txn *txn, struct root *root, struct err *err);

/* Worked out from all records. */
enum code root_compute(struct store_txn *txn, struct id cluster, struct root *ret_root, struct err *err);

#endif
