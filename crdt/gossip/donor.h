/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_DONOR_H
#define WARREN_DONOR_H

/*
 * The donor of a snapshot: what it sends of its state.
 *
 * A snapshot has parts, which come one after the other: what everybody has, the vector, proofs, records, the log. Each
 * is a list of entries in order of their keys. Whoever takes it names the place to go on from, and gets a window: some
 * chunks, read in one short transaction. So nothing is kept of a taker. What is read later may hold more than the
 * vector, which came first; that is why it comes first, and what everybody has before it.
 *
 * Keys and values, numbers big-endian:
 *   stable, vector: (node, start, lane): the stream's ends (seq, hash), ascending
 *   proofs: (node, start): the proof
 *   records: (kind, id): the record as it is stored
 *   log: (node, start, lane, last seq, 8 bytes of the hash): the form, and of a footprint its first seq, else its bytes
 */

#include "crdt/gossip/frame_write.h"
#include "crdt/store.h"

enum {
	SNAP_STREAM_KEY = 8 + 8 + 1,
	SNAP_END_SIZE = 8 + 16,
	SNAP_PROOF_KEY = 8 + 8,
	SNAP_RECORD_KEY = 2 + 16,
	SNAP_LOG_KEY = SNAP_STREAM_KEY + 8 + 8,
};

struct mesh;
struct link;

/* Chunks in the making. */
struct donor_window {
	uint32_t number;
	uint8_t asked;
	struct snap_place next;
	uint8_t next_key[FRAME_SNAP_KEY_MAX];
	struct buf bytes; /* of all chunks, one behind the other */
	struct donor_chunk {
		enum snap_part part;
		uint64_t total;
		size_t start, size;
		bool is_piece;
		struct snap_piece piece; /* without bytes; its key lies in `key` */
		uint8_t key[FRAME_SNAP_KEY_MAX];
	} chunks[FRAME_SNAP_CHUNKS_MAX];
	size_t count;
};

/* What a link is owed of it. */
struct snap_debt {
	uint32_t number;
	uint8_t chunks;
	enum snap_part part;
	uint8_t key[FRAME_SNAP_KEY_MAX], key_size;
};

/* What the ask is answered with, at least one chunk. E_FORM for a place that is none; E_IO, E_DAMAGED. */
enum code donor_read(struct donor_window *window, struct store_txn *look, const struct snap_debt *asked,
		     struct err *err);

/* Appends the frame of one chunk. */
void donor_put(const struct donor_window *window, size_t chunk, struct buf *out);
void donor_done(struct donor_window *window);

/* What a frame asks for, with a copy of its key. */
struct snap_debt snap_debt_of(const struct frame *frame);

/* A peer asks; the newest of what it asked is answered. E_FORM. */
enum code donor_asked(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err);

/* Says what of it is owed. */
enum code donor_flush(struct mesh *mesh, struct link *link, struct err *err);

#endif
