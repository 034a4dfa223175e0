/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_LOG_H
#define WARREN_LOG_H

/*
 * The log on disk: the batches that are merged, those that wait, the ends of each stream, the statements in order of
 * arrival, the proofs.
 *
 * A merged batch lies under (table, node, start, lane, last seq, 8 bytes of its hash), so whoever looks for what
 * follows a seq finds it with one search, and the branches of a closed start lie beside each other. It is there whole,
 * or what is left of it: its header and signature, by which a fork can still be proven, or a footprint, by which it is
 * known again. Below a stream's lowest entry nothing is known of it any more.
 *
 * What waits is a batch of a closed start that nobody has vouched for yet: it counts for nothing.
 */

#include "crdt/base/arena.h"
#include "crdt/log/statement.h"
#include "crdt/log/vector.h"
#include "crdt/store.h"

/* First bytes of keys. */
enum {
	TABLE_BATCH = 4,
	TABLE_STATEMENT = 5,
	TABLE_VECTOR = 6,
	TABLE_WAITING = 8,
	TABLE_PROOF = 9,
	TABLE_STABLE = 10,
	TABLE_HAD = 12
};

enum log_form { LOG_WHOLE, LOG_HEADER, LOG_FOOTPRINT };

/* What there is of a batch; borrowed from the transaction. */
struct logged {
	enum log_form form;
	struct stream stream;
	uint64_t first, last;
	uint64_t tail;      /* the first 8 bytes of its hash, big-endian */
	struct bytes bytes; /* for batch_read; of a header, for batch_read_front */
};

/* A place between entries of a stream: behind those that end at `seq` with a hash that begins with `tail` or less. */
struct log_place {
	uint64_t seq, tail;
};

/* Behind all that end at the seq. */
static inline struct log_place log_behind(uint64_t seq)
{
	return (struct log_place){ seq, UINT64_MAX };
}

static inline struct log_place log_place_of(const struct logged *logged)
{
	return (struct log_place){ logged->last, logged->tail };
}

/* Behind the batch with that end. */
struct log_place log_place_at(struct end end);

enum code log_put_batch(struct store_txn *txn, const struct batch *batch, struct err *err);

/* The first entry of the stream behind the place. E_ABSENT. */
enum code log_after(struct store_txn *txn, struct stream stream, struct log_place place, struct logged *ret_logged,
		    struct err *err);

/* The entry of the batch with that end. E_ABSENT. */
enum code log_find(struct store_txn *txn, struct stream stream, struct end end, struct logged *ret_logged,
		   struct err *err);

/* Up to which seq nothing is known of the stream any more; 0: everything is known. */
enum code log_horizon(struct store_txn *txn, struct stream stream, uint64_t *ret_seq, struct err *err);

/*
 * Leaves less of an entry, or nothing; `logged` may have been read in the same transaction. Footprints are of batches
 * that follow footprints only; what is dropped lies below all that stays: none of it begins at or below that end.
 */
enum code log_shrink(struct store_txn *txn, const struct logged *logged, enum log_form form, struct err *err);
enum code log_drop(struct store_txn *txn, const struct logged *logged, struct err *err);

/* An entry as another member's log has it, judged by whoever took it; its bytes are not borrowed from this one. */
enum code log_put_logged(struct store_txn *txn, const struct logged *logged, struct err *err);

/* The same for what waits, which is always whole. */
enum code log_put_waiting(struct store_txn *txn, const struct batch *batch, struct err *err);
enum code log_waiting_after(struct store_txn *txn, struct stream stream, struct log_place place,
			    struct logged *ret_logged, struct err *err);
enum code log_find_waiting(struct store_txn *txn, struct stream stream, struct end end, struct logged *ret_logged,
			   struct err *err);
enum code log_drop_waiting(struct store_txn *txn, const struct logged *logged, struct err *err);

/* The first stream behind this one (zeroed: of all) that has an entry in the table. E_ABSENT. */
enum code log_next_stream(struct store_txn *txn, uint8_t table, const struct stream *after, struct stream *ret_stream,
			  struct err *err);

/*
 * The ends of one stream in a table of vectors: where it is merged, where everybody had it, and where it was merged on
 * this disk before that was replaced. None takes them out.
 */
enum code log_put_ends(struct store_txn *txn, uint8_t table, struct stream stream, const struct frontier *ends,
		       size_t count, struct err *err);

/* All of it, into an empty vector, which is its caller's to free also after a failure. E_DAMAGED. */
enum code log_read_vector(struct store_txn *txn, uint8_t table, struct vector *ret_vector, struct err *err);

/* The bytes of a proof that a start is closed. */
enum code log_put_proof(struct store_txn *txn, uint64_t node, uint64_t start, struct bytes proof, struct err *err);

/* Gives each proof to `visit`, ascending by (node, start), until one fails. */
typedef enum code log_visit_proof(void *context, uint64_t node, uint64_t start, struct bytes proof, struct err *err);
enum code log_read_proofs(struct store_txn *txn, log_visit_proof *visit, void *context, struct err *err);

/* `number` is how many there are before it. */
enum code log_put_statement(struct store_txn *txn, uint32_t number, struct bytes whole, struct err *err);

/* All statements, as many as were taken, each read again, in `arena`. E_DAMAGED; E_NEWER when a newer version wrote
 * them. */
enum code log_read_statements(struct store_txn *txn, struct arena *arena, struct statement **ret_all, size_t *ret_count,
			      struct err *err);

/*
 * Checks the form of every entry; of every batch the signature, and that it follows one before it where that is still
 * known; that each end of a stream is that of an entry which none follows, and each such entry's is an end; of every
 * statement the form, the signature and that the others let it in; of every proof that it proves. What the store itself
 * finds damaged is its own scan's to tell. E_DAMAGED if `found` was told anything.
 */
enum code log_check(struct store_txn *txn, store_found *found, void *context, struct err *err);

#endif
