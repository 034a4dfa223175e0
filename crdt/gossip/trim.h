/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TRIM_H
#define WARREN_TRIM_H

/*
 * What is left of the log. A batch that every member has becomes a footprint, but the newest of each stream a header.
 * When the log is larger than its budget, footprints go, the oldest first; then what another member has becomes a
 * header before its time. A header of what not every member has never goes: it may be all that proves a fork.
 *
 * Everything is done in steps, each bounded, some in each transaction. Memory follows the disk: what a step did counts
 * once it is durable, and is taken back when it comes to nothing.
 */

#include "crdt/log/log.h"

#define LOG_BUDGET (UINT64_C(256) << 20)

enum {
	TRIM_CHANGES = 256, /* of entries, in one step */
	TRIM_LOOKS = 2048,  /* at entries */
	TRIM_TURN = 16,     /* entries of one stream, before it is the next one's turn */
	TRIM_ENTRY = 64,    /* bytes that an entry takes beside its value */
};

/* Of a stream: up to where it was gone through, for what, and whether for that it was gone through to the end. */
struct trim_stream {
	struct stream stream;
	struct log_place cut, early;
	uint64_t cut_for, early_for;
	bool is_cut, is_early;
	bool has_prints; /* or may have */
};

struct trim_state {
	struct trim_stream *all; /* ascending by stream */
	size_t count, turn;
	struct stream counting; /* the log is counted up to here */
	struct log_place place;
	bool is_begun, is_counted;
};

struct trim {
	struct trim_state state, before; /* before this transaction's step */
	uint64_t bytes, budget;
	int64_t change; /* of the bytes, by this transaction */
	bool is_open;   /* there is a step in this transaction */
	bool is_more;   /* there is more to be done */
};

/* What trimming goes by. */
struct trimming {
	struct store_txn *txn;
	const struct vector *own, *stable, *most; /* most: up to where one other member has each stream */
};

/* A batch was put into the log. */
void trim_grew(struct trim *trim, const struct batch *batch);

/* Before a step, but only the first of a transaction; the streams are those of `own`. */
void trim_open(struct trim *trim, const struct vector *own);

/* Whether the log, as far as it was counted, is larger than its budget. */
bool trim_is_over(const struct trim *trim);

/* Whether the next step only reads. */
bool trim_is_counting(const struct trim *trim);
enum code trim_step(struct trim *trim, const struct trimming *trimming, struct err *err);

/* The transaction is durable, or came to nothing. */
void trim_settle(struct trim *trim);
void trim_take_back(struct trim *trim);

/* The log is another one: it is counted and gone through anew. */
void trim_anew(struct trim *trim);
void trim_done(struct trim *trim);

#endif
