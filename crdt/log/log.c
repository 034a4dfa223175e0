/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/log.h"

#include "crdt/log/log_inside.h"

struct bytes log_stream_key(uint8_t table, const struct stream *stream, uint8_t room[LOG_STREAM_KEY_SIZE])
{
	struct buf buf = buf_over(room, LOG_STREAM_KEY_SIZE);

	buf_put_byte(&buf, table);
	buf_put_big_endian(&buf, stream->node, 8);
	buf_put_big_endian(&buf, stream->start, 8);
	buf_put_byte(&buf, (uint8_t)stream->lane);
	return buf_bytes(&buf);
}

static struct bytes statement_key(uint32_t number, uint8_t room[LOG_STATEMENT_KEY_SIZE])
{
	struct buf buf = buf_over(room, LOG_STATEMENT_KEY_SIZE);

	buf_put_byte(&buf, TABLE_STATEMENT);
	buf_put_big_endian(&buf, number, 4);
	return buf_bytes(&buf);
}

struct bytes log_proof_key(uint64_t node, uint64_t start, uint8_t room[LOG_PROOF_KEY_SIZE])
{
	struct buf buf = buf_over(room, LOG_PROOF_KEY_SIZE);

	buf_put_byte(&buf, TABLE_PROOF);
	buf_put_big_endian(&buf, node, 8);
	buf_put_big_endian(&buf, start, 8);
	return buf_bytes(&buf);
}

enum code log_put_ends(struct store_txn *txn, uint8_t table, struct stream stream, const struct frontier *ends,
		       size_t count, struct err *err)
{
	uint8_t room[LOG_STREAM_KEY_SIZE];
	struct bytes key = log_stream_key(table, &stream, room);
	struct buf value;
	enum code code;

	if (!count)
		return store_delete(txn, key, err);
	value = buf_growing(STORE_VALUE_MAX);
	for (size_t i = 0; i < count; i++) {
		buf_put_big_endian(&value, ends[i].end.seq, 8);
		buf_put(&value, ends[i].end.hash.bytes, sizeof ends[i].end.hash.bytes);
	}
	code = value.is_full ? fail(err, E_LIMIT, "log: a stream has %zu branches, more than can be stored", count)
			     : store_put(txn, key, buf_bytes(&value), err);
	buf_done(&value);
	return code;
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

struct end log_end_at(struct bytes value, size_t place)
{
	struct reader r = reader_over(bytes_of(value.data + place * LOG_END_SIZE, LOG_END_SIZE));
	struct end end = { .seq = read_big_endian(&r, 8) };

	memcpy(end.hash.bytes, r.at, sizeof end.hash.bytes);
	return end;
}

bool log_read_ends(struct bytes key, struct bytes value, struct stream *ret_stream, size_t *ret_count)
{
	struct reader r = reader_over(key);
	size_t count = value.size / LOG_END_SIZE;

	if (key.size != LOG_STREAM_KEY_SIZE || !count || value.size % LOG_END_SIZE || !log_read_stream(&r, ret_stream))
		return false;
	for (size_t i = 0; i < count; i++) {
		const uint8_t *at = value.data + i * LOG_END_SIZE;

		if (!log_end_at(value, i).seq || (i && memcmp(at - LOG_END_SIZE, at, LOG_END_SIZE) >= 0))
			return false;
	}
	*ret_count = count;
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

static enum code read_ends(void *context, struct bytes key, struct bytes value, struct err *err)
{
	struct stream stream;
	size_t count;

	if (!log_read_ends(key, value, &stream, &count))
		return fail(err, E_DAMAGED, "log: the ends of a stream are not what they have to be: check the store");
	for (size_t i = 0; i < count; i++)
		vector_add(context, stream, log_end_at(value, i));
	return OK;
}

enum code log_read_vector(struct store_txn *txn, uint8_t table, struct vector *ret_vector, struct err *err)
{
	return walk(txn, table, read_ends, ret_vector, err);
}

enum code log_put_proof(struct store_txn *txn, uint64_t node, uint64_t start, struct bytes proof, struct err *err)
{
	uint8_t room[LOG_PROOF_KEY_SIZE];

	return store_put(txn, log_proof_key(node, start, room), proof, err);
}

bool log_read_proof_key(struct bytes key, uint64_t *ret_node, uint64_t *ret_start)
{
	struct reader r = reader_over(key);

	if (key.size != LOG_PROOF_KEY_SIZE)
		return false;
	read_big_endian(&r, 1);
	*ret_node = read_big_endian(&r, 8);
	*ret_start = read_big_endian(&r, 8);
	return true;
}

struct visiting {
	log_visit_proof *visit;
	void *context;
};

static enum code visit_proof(void *context, struct bytes key, struct bytes value, struct err *err)
{
	const struct visiting *visiting = context;
	uint64_t node, start;

	if (!log_read_proof_key(key, &node, &start))
		return fail(err, E_DAMAGED, "log: a proof lies where none can: check the store");
	return visiting->visit(visiting->context, node, start, value, err);
}

enum code log_read_proofs(struct store_txn *txn, log_visit_proof *visit, void *context, struct err *err)
{
	struct visiting visiting = { visit, context };

	return walk(txn, TABLE_PROOF, visit_proof, &visiting, err);
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
