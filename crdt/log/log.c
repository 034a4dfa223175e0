/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/log.h"

#include "crdt/log/log_inside.h"

static struct buf begin_key(uint8_t *room, size_t size, uint8_t table, const struct stream *stream)
{
	struct buf buf = buf_over(room, size);

	buf_put_byte(&buf, table);
	buf_put_big_endian(&buf, stream->node, 8);
	buf_put_big_endian(&buf, stream->start, 8);
	buf_put_byte(&buf, (uint8_t)stream->lane);
	return buf;
}

struct bytes log_stream_key(uint8_t table, const struct stream *stream, uint8_t room[LOG_STREAM_KEY_SIZE])
{
	struct buf buf = begin_key(room, LOG_STREAM_KEY_SIZE, table, stream);

	return buf_bytes(&buf);
}

struct bytes log_batch_key(const struct stream *stream, uint64_t seq, uint8_t room[LOG_BATCH_KEY_SIZE])
{
	struct buf buf = begin_key(room, LOG_BATCH_KEY_SIZE, TABLE_BATCH, stream);

	buf_put_big_endian(&buf, seq, 8);
	return buf_bytes(&buf);
}

static struct bytes statement_key(uint32_t number, uint8_t room[LOG_STATEMENT_KEY_SIZE])
{
	struct buf buf = buf_over(room, LOG_STATEMENT_KEY_SIZE);

	buf_put_byte(&buf, TABLE_STATEMENT);
	buf_put_big_endian(&buf, number, 4);
	return buf_bytes(&buf);
}

enum code log_put_batch(struct store_txn *txn, const struct batch *batch, struct err *err)
{
	uint8_t room[LOG_BATCH_KEY_SIZE];

	return store_put(txn, log_batch_key(&batch->stream, batch->end.seq, room), batch->whole, err);
}

enum code log_batch_after(struct store_txn *txn, struct stream stream, uint64_t seq, struct bytes *ret_whole,
			  struct err *err)
{
	uint8_t prefix[LOG_STREAM_KEY_SIZE], from[LOG_BATCH_KEY_SIZE];
	struct store_cursor *cursor;
	struct bytes key, whole;
	enum code code;

	if (seq == UINT64_MAX)
		return fail(err, E_ABSENT, "log: nothing lies behind the last number");
	code = store_range(txn, log_stream_key(TABLE_BATCH, &stream, prefix), log_batch_key(&stream, seq + 1, from),
			   &cursor, err);
	if (code)
		return code;
	code = store_next(cursor, &key, &whole, err);
	store_range_end(cursor);
	if (!code)
		*ret_whole = whole;
	return code;
}

enum code log_put_end(struct store_txn *txn, struct stream stream, struct end end, struct err *err)
{
	uint8_t key_room[LOG_STREAM_KEY_SIZE], room[LOG_END_SIZE];
	struct bytes key = log_stream_key(TABLE_VECTOR, &stream, key_room);
	struct buf value = buf_over(room, sizeof room);

	if (end_equal(end, (struct end){ 0 }))
		return store_delete(txn, key, err);
	buf_put_big_endian(&value, end.seq, 8);
	buf_put(&value, end.hash.bytes, sizeof end.hash.bytes);
	return store_put(txn, key, buf_bytes(&value), err);
}

bool log_read_stream(struct reader *key, struct stream *ret_stream)
{
	uint64_t node, start, lane;

	read_big_endian(key, 1);
	node = read_big_endian(key, 8);
	start = read_big_endian(key, 8);
	lane = read_big_endian(key, 1);
	if (key->is_short || lane >= LANES)
		return false;
	*ret_stream = (struct stream){ node, start, (enum lane)lane };
	return true;
}

bool log_read_end(struct bytes key, struct bytes value, struct frontier *ret_frontier)
{
	struct reader k = reader_over(key), v = reader_over(value);
	struct frontier frontier;

	if (key.size != LOG_STREAM_KEY_SIZE || value.size != LOG_END_SIZE || !log_read_stream(&k, &frontier.stream))
		return false;
	frontier.end.seq = read_big_endian(&v, 8);
	memcpy(frontier.end.hash.bytes, v.at, sizeof frontier.end.hash.bytes);
	*ret_frontier = frontier;
	return true;
}

/* Gives each entry of a table to `visit`, until one fails. */
typedef enum code visitor(void *context, struct bytes key, struct bytes value, struct err *err);

static enum code walk(struct store_txn *txn, uint8_t table, visitor *visit, void *context, struct err *err)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code = store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, err);

	if (code)
		return code;
	for (;;) {
		code = store_next(cursor, &key, &value, err);
		if (!code)
			code = visit(context, key, value, err);
		if (code)
			break;
	}
	store_range_end(cursor);
	return code == E_ABSENT ? OK : code;
}

static enum code read_end(void *context, struct bytes key, struct bytes value, struct err *err)
{
	struct frontier frontier;

	if (!log_read_end(key, value, &frontier))
		return fail(err, E_DAMAGED, "log: the end of a stream is not what it has to be: check the store");
	vector_set(context, frontier.stream, frontier.end);
	return OK;
}

enum code log_read_vector(struct store_txn *txn, struct vector *ret_vector, struct err *err)
{
	return walk(txn, TABLE_VECTOR, read_end, ret_vector, err);
}

enum code log_put_statement(struct store_txn *txn, uint32_t number, struct bytes whole, struct err *err)
{
	uint8_t room[LOG_STATEMENT_KEY_SIZE];

	return store_put(txn, statement_key(number, room), whole, err);
}

bool log_read_number(struct bytes key, uint32_t *ret_number)
{
	struct reader r = reader_over(key);

	if (key.size != LOG_STATEMENT_KEY_SIZE)
		return false;
	read_big_endian(&r, 1);
	*ret_number = (uint32_t)read_big_endian(&r, 4);
	return true;
}

struct reading {
	struct arena *arena;
	struct statement *all;
	size_t room;
	uint32_t count;
};

static enum code read_statement(void *context, struct bytes key, struct bytes value, struct err *err)
{
	struct reading *reading = context;
	uint32_t number;
	enum code code;

	if (reading->count == reading->room || !log_read_number(key, &number) || number != reading->count)
		return fail(err, E_DAMAGED, "log: a statement is missing, or one too many: check the store");
	code = statement_read(arena_copy(reading->arena, value), &reading->all[reading->count], err);
	if (code)
		return fail_in(err, code == E_NEWER ? code : E_DAMAGED, "log: statement %u", reading->count);
	reading->count++;
	return OK;
}

enum code log_read_statements(struct store_txn *txn, struct arena *arena, struct statement **ret_all, size_t *ret_count,
			      struct err *err)
{
	uint64_t count = store_count(txn, TABLE_STATEMENT);
	struct reading reading = { .arena = arena, .room = count };
	enum code code;

	reading.all = arena_take(arena, (reading.room + 1) * sizeof *reading.all);
	code = walk(txn, TABLE_STATEMENT, read_statement, &reading, err);
	if (code)
		return code;
	*ret_all = reading.all;
	*ret_count = reading.count;
	return OK;
}
