/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/donor.h"

#include "crdt/gossip/link.h"
#include "crdt/log/log.h"
#include "crdt/state/index.h"

#include <assert.h>

enum { CHUNK_ROOM = FRAME_MAX - FRAME_SNAP_FRONT_MAX, ENTRY_FRONT = 1 + 5 };

_Static_assert((int)SNAP_LOG_KEY <= (int)FRAME_SNAP_KEY_MAX, "frames take any key");
_Static_assert((int)STORE_VALUE_MAX <= (FRAME_SNAP_CHUNKS_MAX - 1) * (int)CHUNK_ROOM, "a window takes any value");

/* A part that is being read, from a key on. */
struct reading_part {
	struct donor_window *window;
	struct store_txn *look;
	enum snap_part part;
	struct bytes from;
	uint64_t total;
	bool is_full; /* an entry had no room, and the window's next place is that */
};

static struct donor_chunk *add_chunk(struct reading_part *reading)
{
	struct donor_window *window = reading->window;
	struct donor_chunk *chunk = &window->chunks[window->count++];

	*chunk = (struct donor_chunk){ .part = reading->part, .total = reading->total };
	chunk->start = window->bytes.size;
	return chunk;
}

static void end_window(struct reading_part *reading, struct bytes key)
{
	struct donor_window *window = reading->window;

	reading->is_full = true;
	window->next = (struct snap_place){ reading->part, bytes_of(window->next_key, key.size) };
	memcpy(window->next_key, key.data, key.size);
}

/* All of it in one window, so that it is of one time: the first of a window always has room. */
static void put_pieces(struct reading_part *reading, const struct snap_entry *entry)
{
	struct donor_window *window = reading->window;
	size_t pieces = (entry->value.size + CHUNK_ROOM - 1) / CHUNK_ROOM;

	if (window->count && window->count + pieces > window->asked) {
		end_window(reading, entry->key);
		return;
	}
	for (size_t at = 0; at < entry->value.size;) {
		size_t left = entry->value.size - at, size = left < CHUNK_ROOM ? left : CHUNK_ROOM;
		struct donor_chunk *chunk = add_chunk(reading);

		chunk->is_piece = true;
		chunk->piece.size = (uint32_t)entry->value.size;
		chunk->piece.at = (uint32_t)at;
		chunk->piece.key.size = entry->key.size;
		memcpy(chunk->key, entry->key.data, entry->key.size);
		chunk->size = size;
		buf_put(&window->bytes, entry->value.data + at, size);
		at += size;
	}
}

/* Sets is_full where there is no room for it. */
static void put_entry(struct reading_part *reading, struct bytes key, struct bytes value)
{
	struct donor_window *window = reading->window;
	struct donor_chunk *chunk = window->count ? &window->chunks[window->count - 1] : NULL;
	struct snap_entry entry = { key, value };
	size_t size = ENTRY_FRONT + key.size + value.size;

	if (size > CHUNK_ROOM) {
		put_pieces(reading, &entry);
		return;
	}
	if (!chunk || chunk->is_piece || chunk->part != reading->part || chunk->size + size > CHUNK_ROOM) {
		if (window->count >= window->asked) {
			end_window(reading, key);
			return;
		}
		chunk = add_chunk(reading);
	}
	frame_put_entry(&window->bytes, &entry);
	chunk->size = window->bytes.size - chunk->start;
}

static struct bytes stream_key(struct stream stream, struct buf *key)
{
	buf_clear(key);
	buf_put_big_endian(key, stream.node, 8);
	buf_put_big_endian(key, stream.start, 8);
	buf_put_byte(key, (uint8_t)stream.lane);
	return buf_bytes(key);
}

static enum code read_ends(struct reading_part *reading, uint8_t table, struct err *err)
{
	struct vector vector = { 0 };
	uint8_t room[SNAP_STREAM_KEY];
	struct buf key = buf_over(room, sizeof room), value = buf_growing(STORE_VALUE_MAX);
	enum code code = log_read_vector(reading->look, table, &vector, err);

	for (size_t i = 0; !code && !reading->is_full && i < vector.count;) {
		struct stream stream = vector.all[i].stream;

		buf_clear(&value);
		for (; i < vector.count && !stream_compare(&vector.all[i].stream, &stream); i++) {
			buf_put_big_endian(&value, vector.all[i].end.seq, 8);
			buf_put(&value, vector.all[i].end.hash.bytes, sizeof vector.all[i].end.hash.bytes);
		}
		if (value.is_full)
			code = fail(err, E_DAMAGED, "a stream has more ends than there can be");
		else if (bytes_compare(stream_key(stream, &key), reading->from) >= 0)
			put_entry(reading, buf_bytes(&key), buf_bytes(&value));
	}
	buf_done(&value);
	vector_done(&vector);
	return code;
}

static enum code visit_proof(void *context, uint64_t node, uint64_t start, struct bytes proof, struct err *err)
{
	struct reading_part *reading = context;
	uint8_t room[SNAP_PROOF_KEY];
	struct buf key = buf_over(room, sizeof room);

	(void)err;
	buf_put_big_endian(&key, node, 8);
	buf_put_big_endian(&key, start, 8);
	if (!reading->is_full && bytes_compare(buf_bytes(&key), reading->from) >= 0)
		put_entry(reading, buf_bytes(&key), proof);
	return OK;
}

static enum code read_records(struct reading_part *reading, struct err *err)
{
	uint8_t room[1 + FRAME_SNAP_KEY_MAX] = { TABLE_RECORD };
	struct buf from = buf_over(room, sizeof room);
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code;

	buf_put_byte(&from, TABLE_RECORD);
	buf_put_bytes(&from, reading->from);
	code = store_range(reading->look, bytes_of(room, 1), buf_bytes(&from), &cursor, err);
	if (code)
		return code;
	while (!reading->is_full && !(code = store_next(cursor, &key, &value, err)))
		put_entry(reading, bytes_of(key.data + 1, key.size - 1), value);
	store_range_end(cursor);
	return code == E_ABSENT ? OK : code;
}

static void put_logged(struct reading_part *reading, const struct logged *logged, struct buf *value)
{
	uint8_t room[SNAP_LOG_KEY];
	struct buf key = buf_over(room, sizeof room);

	stream_key(logged->stream, &key);
	buf_put_big_endian(&key, logged->last, 8);
	buf_put_big_endian(&key, logged->tail, 8);
	buf_clear(value);
	buf_put_byte(value, (uint8_t)logged->form);
	if (logged->form == LOG_FOOTPRINT)
		buf_put_big_endian(value, logged->first, 8);
	else
		buf_put_bytes(value, logged->bytes);
	put_entry(reading, buf_bytes(&key), buf_bytes(value));
}

/* The place right before the entry of that key. */
static bool read_place(struct bytes key, struct stream *ret_stream, struct log_place *ret_place)
{
	struct reader r = reader_over(key);

	ret_stream->node = read_big_endian(&r, 8);
	ret_stream->start = read_big_endian(&r, 8);
	ret_stream->lane = (enum lane)read_big_endian(&r, 1);
	ret_place->seq = read_big_endian(&r, 8);
	ret_place->tail = read_big_endian(&r, 8);
	if (r.is_short || reader_left(&r) || ret_stream->lane >= LANES)
		return false;
	if (ret_place->tail)
		ret_place->tail--;
	else if (ret_place->seq)
		*ret_place = log_behind(ret_place->seq - 1);
	return true;
}

static enum code read_log(struct reading_part *reading, struct err *err)
{
	struct buf value = buf_growing(BATCH_MAX + 1);
	struct stream stream = { 0 }, before = { 0 };
	struct log_place place = { 0 };
	struct logged logged;
	enum code code = OK;

	if (!reading->from.size)
		code = log_next_stream(reading->look, TABLE_BATCH, &before, &stream, err);
	else if (!read_place(reading->from, &stream, &place))
		return fail(err, E_FORM, "this is no place in a log");
	while (!code && !reading->is_full) {
		code = log_after(reading->look, stream, place, &logged, err);
		if (!code) {
			put_logged(reading, &logged, &value);
			place = log_place_of(&logged);
		} else if (code == E_ABSENT) {
			place = (struct log_place){ 0 };
			before = stream;
			code = log_next_stream(reading->look, TABLE_BATCH, &before, &stream, err);
		}
	}
	buf_done(&value);
	return code == E_ABSENT ? OK : code;
}

static uint8_t table_of(enum snap_part part)
{
	static const uint8_t tables[SNAP_PARTS] = {
		[SNAP_STABLE] = TABLE_STABLE,  [SNAP_VECTOR] = TABLE_VECTOR, [SNAP_PROOFS] = TABLE_PROOF,
		[SNAP_RECORDS] = TABLE_RECORD, [SNAP_LOG] = TABLE_BATCH,
	};

	return tables[part];
}

static enum code read_part(struct reading_part *reading, struct err *err)
{
	switch (reading->part) {
	case SNAP_STABLE:
	case SNAP_VECTOR: return read_ends(reading, table_of(reading->part), err);
	case SNAP_PROOFS: return log_read_proofs(reading->look, visit_proof, reading, err);
	case SNAP_RECORDS: return read_records(reading, err);
	case SNAP_LOG: return read_log(reading, err);
	case SNAP_PARTS: break;
	}
	return OK;
}

enum code donor_read(struct donor_window *window, struct store_txn *look, const struct snap_debt *asked,
		     struct err *err)
{
	struct reading_part reading = { .window = window, .look = look, .part = asked->part };
	enum code code = OK;

	*window = (struct donor_window){ .number = asked->number, .asked = asked->chunks };
	window->bytes = buf_growing((size_t)FRAME_SNAP_CHUNKS_MAX * FRAME_MAX);
	reading.from = bytes_of(asked->key, asked->key_size);
	for (; !code && !reading.is_full && reading.part < SNAP_PARTS; reading.part++) {
		reading.total = store_count(look, table_of(reading.part));
		code = read_part(&reading, err);
		reading.from = bytes_of(NULL, 0);
	}
	if (code) {
		donor_done(window);
		return code;
	}
	if (!reading.is_full)
		window->next.part = SNAP_PARTS;
	/* Also nothing is an answer. */
	if (!window->count) {
		reading.part = asked->part;
		add_chunk(&reading);
	}
	assert(!window->bytes.is_full);
	return OK;
}

void donor_put(const struct donor_window *window, size_t chunk, struct buf *out)
{
	const struct donor_chunk *one = &window->chunks[chunk];
	struct snap_front front = { .number = window->number, .part = one->part, .total = one->total };
	struct bytes bytes = bytes_of(window->bytes.data ? window->bytes.data + one->start : NULL, one->size);
	struct snap_piece piece = one->piece;

	front.left = (uint8_t)(window->count - chunk - 1);
	front.next = window->next;
	if (!one->is_piece) {
		frame_put_snap(out, &front, bytes);
		return;
	}
	piece.key.data = one->key;
	piece.bytes = bytes;
	frame_put_snap_piece(out, &front, &piece);
}

void donor_done(struct donor_window *window)
{
	buf_done(&window->bytes);
}

struct snap_debt snap_debt_of(const struct frame *frame)
{
	struct snap_debt debt = { .number = frame->snap_ask.number, .chunks = frame->snap_ask.chunks };

	debt.part = frame->snap_ask.from.part;
	debt.key_size = (uint8_t)frame->snap_ask.from.key.size;
	memcpy(debt.key, frame->snap_ask.from.key.data, debt.key_size);
	return debt;
}

enum code donor_asked(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	const struct snap_place *from = &frame->snap_ask.from;
	struct stream stream;
	struct log_place place;

	if (from->part == SNAP_LOG && from->key.size && !read_place(from->key, &stream, &place))
		return fail(err, E_FORM, "this is no place in a log");
	link->peer->snap_debt = snap_debt_of(frame);
	link_owe(mesh, link, OWED_SNAP);
	return OK;
}

enum code donor_flush(struct mesh *mesh, struct link *link, struct err *err)
{
	struct donor_window window;
	enum code code;

	if (!(link->owed & OWED_SNAP))
		return OK;
	code = mesh_look(mesh, err);
	if (!code)
		code = donor_read(&window, mesh->look, &link->peer->snap_debt, err);
	if (code)
		return code;
	for (size_t i = 0; i < window.count; i++) {
		buf_clear(&mesh->frame);
		donor_put(&window, i, &mesh->frame);
		link_send(mesh, link);
	}
	donor_done(&window);
	return OK;
}
