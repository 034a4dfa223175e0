/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_LOG_H
#define WARREN_LOG_H

/*
 * The log on disk: batches in their original bytes, the end of each stream, the statements in order of arrival.
 *
 * A batch lies under (table, node, start, lane, last seq), so whoever looks for the batch that follows a seq finds it
 * with one search.
 */

#include "crdt/base/arena.h"
#include "crdt/log/statement.h"
#include "crdt/log/vector.h"
#include "crdt/store.h"

/* First bytes of keys. */
enum { TABLE_BATCH = 4, TABLE_STATEMENT = 5, TABLE_VECTOR = 6 };

enum code log_put_batch(struct store_txn *txn, const struct batch *batch, struct err *err);

/* The first batch that ends behind `seq`; borrowed from the transaction. E_ABSENT. */
enum code log_batch_after(struct store_txn *txn, struct stream stream, uint64_t seq, struct bytes *ret_whole,
			  struct err *err);

/* A zeroed end takes it out. */
enum code log_put_end(struct store_txn *txn, struct stream stream, struct end end, struct err *err);

/* All ends, into an empty vector, which is its caller's to free also after a failure. E_DAMAGED. */
enum code log_read_vector(struct store_txn *txn, struct vector *ret_vector, struct err *err);

/* `number` is how many there are before it. */
enum code log_put_statement(struct store_txn *txn, uint32_t number, struct bytes whole, struct err *err);

/* All statements, as many as were taken, each read again, in `arena`. E_DAMAGED; E_NEWER when a newer version wrote
 * them. */
enum code log_read_statements(struct store_txn *txn, struct arena *arena, struct statement **ret_all, size_t *ret_count,
			      struct err *err);

/*
 * Checks the form, the chain and the signature of every batch, that each stream's end is that of its last batch, and of
 * every statement the form, the signature and that the others let it in. What the store itself finds damaged is its
 * own scan's to tell. E_DAMAGED if `found` was told anything.
 */
enum code log_check(struct store_txn *txn, store_found *found, void *context, struct err *err);

#endif
