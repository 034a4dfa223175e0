/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TAKER_H
#define WARREN_TAKER_H

/*
 * The taker of a snapshot: gathers all that a donor sends (donor.h) in memory, judging each piece as it comes. Nothing
 * is put in place before all of it is there and was found to hold together (gift.h, install.h).
 *
 * It asks for a window of chunks, and on when half of them came, so that the next are under way while it reads. A donor
 * that is silent for TAKER_PATIENCE is given up, and so is one whose chunks are wrong.
 */

#include "crdt/gossip/donor.h"
#include "crdt/state/gift.h"

#define TAKER_PATIENCE (UINT64_C(10) * 1000000000)

enum {
	TAKER_CHUNKS = 4,                                 /* asked for at once */
	TAKER_MAX = 1 << 30,                              /* bytes of a snapshot */
	TAKER_ENTRY_COST = 2 * sizeof(struct gift_entry), /* what an entry takes beside its bytes, at most */
};

enum taker_stage { TAKER_IDLE, TAKER_GATHERS, TAKER_IS_WHOLE };

struct taker {
	enum taker_stage stage;
	uint64_t donor;
	uint32_t number; /* of this attempt: chunks of an earlier one are not its */
	struct mono_time heard;
	size_t size, limit; /* bytes kept, and how many may be */

	/* What was asked for. */
	bool has_to_ask;
	uint8_t windows, left; /* under way; chunks to come of the first */
	bool is_asked_on;      /* behind that window */
	struct snap_debt from; /* where to ask next */

	/* What came. */
	enum snap_part part;
	uint8_t last[FRAME_SNAP_KEY_MAX], last_size; /* the last key of the part */
	struct snap_piece piece;                     /* of a value that is not whole; its key is `last` */
	uint8_t *pieces;
	struct taker_block *blocks;
	uint64_t total, count; /* records: as many as the donor has, and as came */
	struct gift gift;
};

/* From the beginning, whatever was under way. */
void taker_begin(struct taker *taker, uint64_t donor, struct id cluster, struct mono_time now);

/* Lets go of everything. A zeroed struct is an idle taker. */
void taker_end(struct taker *taker);

/* Whether there is something to ask of the donor now: appends that frame. */
bool taker_ask(struct taker *taker, struct buf *out);

/*
 * A chunk from `node`; what nobody asked for is left aside. When the last one is there the stage is TAKER_IS_WHOLE.
 * Else than OK: with this donor it comes to nothing. E_ABSENT: it may be nobody's fault; E_IO, E_DAMAGED: our store's;
 * all others are the donor's. `look` is a snapshot of our own store; NULL: there is none.
 */
enum code taker_take(struct taker *taker, uint64_t node, const struct frame *frame, const struct members *members,
		     struct store_txn *look, struct mono_time now, struct err *err);

/* Whether the donor is silent for too long. */
bool taker_is_late(const struct taker *taker, struct mono_time now);

#endif
