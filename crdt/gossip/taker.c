/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/taker.h"

#include <stdlib.h>

/* Bytes that came, for as long as the gift borrows from them. */
struct taker_block {
	struct taker_block *next;
	uint8_t bytes[];
};

void taker_end(struct taker *taker)
{
	while (taker->blocks) {
		struct taker_block *next = taker->blocks->next;

		free(taker->blocks);
		taker->blocks = next;
	}
	gift_done(&taker->gift);
	*taker = (struct taker){ .number = taker->number };
}

void taker_begin(struct taker *taker, uint64_t donor, struct id cluster, struct mono_time now)
{
	taker_end(taker);
	taker->stage = TAKER_GATHERS;
	taker->donor = donor;
	taker->number++;
	taker->heard = now;
	taker->limit = TAKER_MAX;
	taker->gift.cluster = cluster;
	taker->part = taker->from.part = SNAP_STABLE;
	taker->has_to_ask = true;
}

bool taker_ask(struct taker *taker, struct buf *out)
{
	struct snap_place from = { taker->from.part, bytes_of(taker->from.key, taker->from.key_size) };

	if (taker->stage != TAKER_GATHERS || !taker->has_to_ask)
		return false;
	taker->has_to_ask = false;
	taker->windows++;
	frame_put_snap_ask(out, taker->number, TAKER_CHUNKS, &from);
	return true;
}

bool taker_is_late(const struct taker *taker, struct mono_time now)
{
	return taker->stage == TAKER_GATHERS && mono_since_ns(now, taker->heard) > TAKER_PATIENCE;
}

static enum code too_much(const struct taker *taker, struct err *err)
{
	return fail(err, E_LIMIT, "a snapshot is larger than the %zu MiB that there may be", taker->limit >> 20);
}

static uint8_t *keep(struct taker *taker, size_t size, struct err *err)
{
	struct taker_block *block;

	if (size > taker->limit - taker->size) {
		too_much(taker, err);
		return NULL;
	}
	/* Not zeroed: all of it is written at once. */
	block = must_realloc(NULL, sizeof *block + size);
	block->next = taker->blocks;
	taker->blocks = block;
	taker->size += size;
	return block->bytes;
}

/* Which window a chunk is of, and when to ask on. */
static enum code step_window(struct taker *taker, const struct frame *frame, struct err *err)
{
	const struct snap_place *next = &frame->snap.next;
	bool is_first = !taker->left;

	if (!taker->windows)
		return fail(err, E_DENIED, "a chunk of a snapshot came unasked");
	if (!is_first && frame->snap.left != taker->left - 1)
		return fail(err, E_VALUE, "a chunk of a snapshot is missing");
	taker->left = frame->snap.left;
	if (is_first) {
		taker->is_asked_on = next->part == SNAP_PARTS;
		taker->from.part = next->part;
		taker->from.key_size = (uint8_t)next->key.size;
		memcpy(taker->from.key, next->key.data, next->key.size);
	}
	if (!taker->is_asked_on && taker->left <= TAKER_CHUNKS / 2) {
		taker->is_asked_on = true;
		taker->has_to_ask = true;
	}
	if (!taker->left)
		taker->windows--;
	return OK;
}

static bool read_stream(struct reader *r, struct stream *ret_stream)
{
	ret_stream->node = read_big_endian(r, 8);
	ret_stream->start = read_big_endian(r, 8);
	ret_stream->lane = (enum lane)read_big_endian(r, 1);
	return !r->is_short && ret_stream->lane < LANES;
}

static enum code take_ends(struct taker *taker, struct reader key, struct bytes value, struct err *err)
{
	struct vector *vector = taker->part == SNAP_STABLE ? &taker->gift.stable : &taker->gift.vector;
	struct stream stream;

	if (!read_stream(&key, &stream) || reader_left(&key))
		return fail(err, E_FORM, "a stream of a snapshot has a wrong key");
	return gift_add_ends(vector, stream, value, err);
}

static enum code take_record(struct taker *taker, struct reader key, struct bytes value, struct err *err)
{
	uint32_t kind = (uint32_t)read_big_endian(&key, 2);
	struct id id;

	if (reader_left(&key) != sizeof id.bytes)
		return fail(err, E_FORM, "a record of a snapshot has a wrong key");
	memcpy(id.bytes, key.at, sizeof id.bytes);
	return gift_add_record(&taker->gift, kind, id, value, err);
}

static enum code take_entry(struct taker *taker, struct reader key, struct bytes value, struct err *err)
{
	struct reader r = reader_over(value);
	struct logged logged = { .form = (enum log_form)read_big_endian(&r, 1) };
	bool is_right = read_stream(&key, &logged.stream);

	logged.last = read_big_endian(&key, 8);
	logged.tail = read_big_endian(&key, 8);
	if (logged.form == LOG_FOOTPRINT)
		logged.first = read_big_endian(&r, 8);
	else
		logged.bytes = bytes_of(r.at, reader_left(&r));
	if (!is_right || key.is_short || reader_left(&key) || r.is_short || logged.form > LOG_FOOTPRINT ||
	    (logged.form == LOG_FOOTPRINT && reader_left(&r)))
		return fail(err, E_FORM, "an entry of a snapshot's log has a wrong form");
	return gift_add_entry(&taker->gift, &logged, err);
}

static enum code take_proof(struct taker *taker, struct reader key, struct bytes value, struct err *err)
{
	uint64_t node = read_big_endian(&key, 8), start = read_big_endian(&key, 8);

	if (key.is_short || reader_left(&key))
		return fail(err, E_FORM, "a proof of a snapshot has a wrong key");
	return gift_add_proof(&taker->gift, node, start, value, err);
}

static enum code take_value(struct taker *taker, struct bytes key, struct bytes value, struct err *err)
{
	struct reader r = reader_over(key);

	taker->size += TAKER_ENTRY_COST;
	if (taker->size > taker->limit)
		return too_much(taker, err);
	switch (taker->part) {
	case SNAP_STABLE:
	case SNAP_VECTOR: return take_ends(taker, r, value, err);
	case SNAP_PROOFS: return take_proof(taker, r, value, err);
	case SNAP_RECORDS: taker->count++; return take_record(taker, r, value, err);
	case SNAP_LOG: return take_entry(taker, r, value, err);
	case SNAP_PARTS: break;
	}
	return fail(err, E_FORM, "a chunk of a snapshot is of no part");
}

/* Keys ascend through all chunks of a part. */
static enum code step_key(struct taker *taker, struct bytes key, struct err *err)
{
	if (bytes_compare(bytes_of(taker->last, taker->last_size), key) >= 0)
		return fail(err, E_VALUE, "the entries of a snapshot do not ascend");
	memcpy(taker->last, key.data, key.size);
	taker->last_size = (uint8_t)key.size;
	return OK;
}

static enum code take_entries(struct taker *taker, struct reader entries, struct err *err)
{
	size_t size = reader_left(&entries);
	uint8_t *bytes = keep(taker, size, err);
	struct snap_entry entry;
	enum code code = OK;

	/* Only the end has nothing in it: so it is reached. */
	if (!size && taker->from.part != SNAP_PARTS)
		return fail(err, E_VALUE, "a chunk of a snapshot is empty");
	if (!bytes)
		return E_LIMIT;
	if (size)
		memcpy(bytes, entries.at, size);
	entries = reader_over(bytes_of(bytes, size));
	while (!code && frame_next_entry(&entries, &entry)) {
		code = step_key(taker, entry.key, err);
		if (!code)
			code = take_value(taker, entry.key, entry.value, err);
	}
	return code;
}

static enum code take_piece(struct taker *taker, const struct snap_piece *piece, struct err *err)
{
	struct bytes last = bytes_of(taker->last, taker->last_size);
	bool is_first = !piece->at;
	enum code code = OK;

	if (is_first ? taker->pieces != NULL
		     : !taker->pieces || !bytes_equal(last, piece->key) || taker->piece.size != piece->size ||
			       taker->piece.at != piece->at)
		return fail(err, E_VALUE, "a piece of a snapshot's value is missing");
	if (is_first) {
		code = step_key(taker, piece->key, err);
		taker->pieces = code ? NULL : keep(taker, piece->size, err);
		if (!taker->pieces)
			return code ? code : E_LIMIT;
	}
	memcpy(taker->pieces + piece->at, piece->bytes.data, piece->bytes.size);
	taker->piece = (struct snap_piece){ .size = piece->size };
	taker->piece.at = piece->at + (uint32_t)piece->bytes.size;
	if (taker->piece.at < piece->size)
		return OK;
	code = take_value(taker, piece->key, bytes_of(taker->pieces, piece->size), err);
	taker->pieces = NULL;
	return code;
}

static enum code take_chunk(struct taker *taker, const struct frame *frame, struct err *err)
{
	if (taker->pieces && (frame->snap.part != taker->part || !frame->snap.is_piece))
		return fail(err, E_VALUE, "a piece of a snapshot's value is missing");
	if (frame->snap.part < taker->part)
		return fail(err, E_VALUE, "the parts of a snapshot do not ascend");
	if (frame->snap.part > taker->part)
		taker->last_size = 0;
	taker->part = frame->snap.part;
	if (taker->part == SNAP_RECORDS)
		taker->total = frame->snap.total;
	return frame->snap.is_piece ? take_piece(taker, &frame->snap.piece, err)
				    : take_entries(taker, frame->snap.entries, err);
}

/* All chunks that were asked for came, and nothing is to be asked any more. */
static enum code judge_whole(struct taker *taker, struct err *err)
{
	enum code code;

	if (taker->pieces)
		return fail(err, E_VALUE, "a piece of a snapshot's value is missing");
	code = gift_judge(&taker->gift, err);
	if (!code)
		taker->stage = TAKER_IS_WHOLE;
	return code;
}

enum code taker_take(struct taker *taker, uint64_t node, const struct frame *frame, const struct members *members,
		     struct store_txn *look, struct mono_time now, struct err *err)
{
	enum code code;

	/* It may be of an attempt that was given up. */
	if (taker->stage != TAKER_GATHERS || node != taker->donor || frame->snap.number != taker->number)
		return OK;
	taker->heard = now;
	taker->gift.members = members;
	taker->gift.look = look;
	code = step_window(taker, frame, err);
	if (!code)
		code = take_chunk(taker, frame, err);
	if (!code && !taker->windows && !taker->has_to_ask)
		code = judge_whole(taker, err);
	/* Both may be gone when the next chunk comes. */
	taker->gift.members = NULL;
	taker->gift.look = NULL;
	return code;
}
