/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_AUTHOR_H
#define WARREN_AUTHOR_H

/*
 * This member as an author: its entries are merged as they are written, and become one batch per lane, or several, when
 * the transaction ends. What was written in a transaction that did not commit must be forgotten with author_forget.
 */

#include "crdt/log/vector.h"
#include "crdt/state/apply.h"
#include "crdt/state/judge.h"

struct author {
	const struct signer *signer;
	struct id cluster;
	uint64_t node, start;
	struct hlc hlc;
	uint64_t audit_seq; /* of the last audit row, and its hash */
	struct id audit_hash;
	bool is_changed; /* the two above, since they were stored */
	struct author_lane {
		struct buf entries;
		uint32_t count;
		struct end end; /* of the stream, with the batches closed in this transaction */
	} lanes[LANES];
	struct batch *closed; /* of this transaction; their bytes in its arena */
	size_t closed_count, closed_room;
};

/* Where an entry will stand. */
struct place {
	struct stream stream;
	uint64_t seq;
};

/* `vector` says where the author's streams end. */
enum code author_open(struct author *author, const struct signer *signer, struct id cluster,
		      const struct vector *vector, struct store_txn *txn, struct err *err);
void author_done(struct author *author);

/*
 * Judges what somebody asks and writes it. *ret_place is where it stands, seq 0 when there was nothing to write.
 * E_DENIED, E_TAKEN and so on are the judge's; E_FULL, E_IO and E_DAMAGED the store's, after which the transaction must
 * not commit.
 */
enum code author_ask(struct author *author, struct applying *applying, struct judging *judging,
		     const struct asker *asker, const struct change *changes, size_t count, struct judged *ret_judged,
		     struct place *ret_place, struct err *err);

/* Closes and stores the batches of the transaction: author->closed, borrowed until author_forget. */
enum code author_finish(struct author *author, struct applying *applying, struct err *err);

/* What others have of this member's own stream was merged: it goes on from there. */
enum code author_follow(struct author *author, const struct batch *batch, const struct changes *changes, size_t from,
			struct store_txn *txn, struct err *err);

/* Another start begins, at nothing; what was written before is closed already. */
enum code author_restart(struct author *author, uint64_t start, struct store_txn *txn, struct err *err);

/* After the commit, or in its place: the transaction's entries are off the author's hands. */
void author_forget(struct author *author, const struct vector *vector);

#endif
