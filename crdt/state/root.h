/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_ROOT_H
#define WARREN_ROOT_H

/*
 * The root: what the records weigh, so that two members with equal vectors can tell whether they hold the same.
 *
 * 256 buckets by the first byte of a record's id, each the sum of the hashes of its records (kind, id, bytes) that live
 * and whose identity is there. Marks and records without identity weigh nothing. The hash's key is the cluster's id. It
 * is stored in one value, in the transaction of the records.
 */

#include "crdt/base/hash.h"
#include "crdt/store.h"

enum { ROOT_BUCKETS = 256, ROOT_SIZE = ROOT_BUCKETS * 16 };

struct root {
	struct hash_key key;
	struct sum buckets[ROOT_BUCKETS];
	bool is_changed; /* since root_read or root_put */
};

/* What one record weighs; zero for what weighs nothing. `record` is as it is stored, or empty. */
struct sum root_weight(const struct root *root, uint32_t kind, struct id id, struct bytes record);

/* A record's bytes became others; empty ones stand for no record. */
void root_change(struct root *root, uint32_t kind, struct id id, struct bytes old, struct bytes new);

/* One hash over all buckets. */
struct sum root_total(const struct root *root);

/* From the store; all zero where none was put yet. */
enum code root_read(struct store_txn *txn, struct id cluster, struct root *ret_root, struct err *err);

/* Into the store, when it changed. */
enum code root_put(struct store_txn *txn, struct root *root, struct err *err);

/* Worked out from all records. */
enum code root_compute(struct store_txn *txn, struct id cluster, struct root *ret_root, struct err *err);

#endif
