/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/log_inside.h"
#include "crdt/model/mp.h"

/*
 * What there is of batches. A footprint is the number of the first entry alone; it begins with another byte than a
 * header. A batch without one byte of entries is as long as its front: the hash in its header tells that it is whole.
 */

static uint64_t tail_of(const struct id *hash)
{
	struct reader r = reader_over(bytes_of(hash->bytes, sizeof hash->bytes));

	return read_big_endian(&r, 8);
}

struct log_place log_place_at(struct end end)
{
	return (struct log_place){ end.seq, tail_of(&end.hash) };
}

struct bytes log_batch_key(uint8_t table, const struct stream *stream, struct log_place place,
			   uint8_t room[LOG_BATCH_KEY_SIZE])
{
	struct buf buf = buf_over(room, LOG_BATCH_KEY_SIZE);

	log_stream_key(table, stream, room);
	buf_take(&buf, LOG_STREAM_KEY_SIZE);
	buf_put_big_endian(&buf, place.seq, 8);
	buf_put_big_endian(&buf, place.tail, 8);
	return buf_bytes(&buf);
}

static enum code damaged(struct err *err)
{
	return fail(err, E_DAMAGED, "log: an entry is not what it has to be: check the store");
}

static bool read_number(struct reader *r, uint64_t *ret_number)
{
	struct mp_head head = mp_read(r);

	*ret_number = head.value;
	return head.class == MP_UINT;
}

/* The numbers of a header, and where its signature ends; hashes nothing. E_NEWER: nobody here knows its fields. */
static enum code measure_front(struct bytes value, uint64_t *ret_first, uint64_t *ret_count, size_t *ret_size,
			       struct err *err)
{
	struct reader r = reader_over(value);
	struct mp_head fields = mp_read(&r);
	uint64_t version;

	if (fields.class != MP_ARRAY || !read_number(&r, &version))
		return damaged(err);
	if (version > BATCH_VERSION)
		return fail(err, E_NEWER, "log: a batch of version %llu, made by a newer Warren: update this server",
			    (unsigned long long)version);
	/* cluster, node, start, lane */
	for (int i = 0; i < 4; i++)
		mp_skip(&r);
	if (!read_number(&r, ret_first) || !read_number(&r, ret_count))
		return damaged(err);
	/* before, hash of the entries, signature */
	for (int i = 0; i < 3; i++)
		mp_skip(&r);
	if (r.is_short)
		return damaged(err);
	*ret_size = (size_t)(r.at - value.data);
	return OK;
}

static bool is_whole_without_entries(struct bytes value)
{
	struct batch batch;

	return !batch_read(value, &batch, NULL);
}

static enum code read_forms(struct logged *logged, struct err *err)
{
	struct reader r = reader_over(logged->bytes);
	uint64_t count;
	size_t size;
	enum code code;

	if (read_number(&r, &logged->first) && !reader_left(&r)) {
		logged->form = LOG_FOOTPRINT;
		/* Also where it begins behind its end. */
		if (!logged->first || logged->last - logged->first >= BATCH_ENTRIES_MAX)
			return damaged(err);
		return OK;
	}
	code = measure_front(logged->bytes, &logged->first, &count, &size, err);
	if (code)
		return code;
	if (!logged->first || !count || logged->first > UINT64_MAX - count || logged->first + count - 1 != logged->last)
		return damaged(err);
	logged->form = LOG_WHOLE;
	if (size == logged->bytes.size && !is_whole_without_entries(logged->bytes))
		logged->form = LOG_HEADER;
	return OK;
}

enum code log_read_entry(struct bytes key, struct bytes value, struct logged *ret_logged, struct err *err)
{
	struct reader r = reader_over(key);
	struct logged logged = { .bytes = value };
	enum code code;

	if (key.size != LOG_BATCH_KEY_SIZE || !log_read_stream(&r, &logged.stream))
		return damaged(err);
	logged.last = read_big_endian(&r, 8);
	logged.tail = read_big_endian(&r, 8);
	code = read_forms(&logged, err);
	if (!code && key.data[0] == TABLE_WAITING && logged.form != LOG_WHOLE)
		code = damaged(err);
	if (!code)
		*ret_logged = logged;
	return code;
}

static enum code put(struct store_txn *txn, uint8_t table, const struct batch *batch, struct err *err)
{
	uint8_t room[LOG_BATCH_KEY_SIZE];

	return store_put(txn, log_batch_key(table, &batch->stream, log_place_at(batch->end), room), batch->whole, err);
}

/* The first entry behind a place, of the stream alone. */
static enum code after(struct store_txn *txn, uint8_t table, struct stream stream, struct log_place place,
		       struct logged *ret_logged, struct err *err)
{
	uint8_t prefix[LOG_STREAM_KEY_SIZE], from[LOG_BATCH_KEY_SIZE];
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code;

	if (place.tail == UINT64_MAX && place.seq == UINT64_MAX)
		return fail(err, E_ABSENT, "log: nothing lies behind the last number");
	if (!++place.tail)
		place.seq++;
	code = store_range(txn, log_stream_key(table, &stream, prefix), log_batch_key(table, &stream, place, from),
			   &cursor, err);
	if (code)
		return code;
	code = store_next(cursor, &key, &value, err);
	if (!code)
		code = log_read_entry(key, value, ret_logged, err);
	store_range_end(cursor);
	return code;
}

/* Two hashes of which an evil author made the beginnings alike are not one; of a footprint nothing more is known. */
static enum code check_hash(const struct logged *logged, struct end end, struct err *err)
{
	struct batch batch;
	size_t size;
	uint64_t first, count;
	enum code code;

	if (logged->form == LOG_FOOTPRINT)
		return OK;
	code = measure_front(logged->bytes, &first, &count, &size, err);
	if (!code)
		code = batch_read_front(bytes_of(logged->bytes.data, size), &batch, err);
	if (code)
		return code == E_NEWER ? code : damaged(err);
	return end_equal(batch.end, end) ? OK : fail(err, E_ABSENT, "log: another batch lies there");
}

static enum code find(struct store_txn *txn, uint8_t table, struct stream stream, struct end end,
		      struct logged *ret_logged, struct err *err)
{
	uint8_t room[LOG_BATCH_KEY_SIZE];
	struct bytes key = log_batch_key(table, &stream, log_place_at(end), room), value;
	struct logged logged = { 0 };
	enum code code = store_get(txn, key, &value, err);

	if (!code)
		code = log_read_entry(key, value, &logged, err);
	if (!code)
		code = check_hash(&logged, end, err);
	if (!code)
		*ret_logged = logged;
	return code;
}

static enum code drop(struct store_txn *txn, uint8_t table, const struct logged *logged, struct err *err)
{
	uint8_t room[LOG_BATCH_KEY_SIZE];

	return store_delete(txn, log_batch_key(table, &logged->stream, log_place_of(logged), room), err);
}

enum code log_put_batch(struct store_txn *txn, const struct batch *batch, struct err *err)
{
	return put(txn, TABLE_BATCH, batch, err);
}

enum code log_after(struct store_txn *txn, struct stream stream, struct log_place place, struct logged *ret_logged,
		    struct err *err)
{
	return after(txn, TABLE_BATCH, stream, place, ret_logged, err);
}

enum code log_find(struct store_txn *txn, struct stream stream, struct end end, struct logged *ret_logged,
		   struct err *err)
{
	return find(txn, TABLE_BATCH, stream, end, ret_logged, err);
}

enum code log_drop(struct store_txn *txn, const struct logged *logged, struct err *err)
{
	return drop(txn, TABLE_BATCH, logged, err);
}

enum code log_put_waiting(struct store_txn *txn, const struct batch *batch, struct err *err)
{
	return put(txn, TABLE_WAITING, batch, err);
}

enum code log_waiting_after(struct store_txn *txn, struct stream stream, struct log_place place,
			    struct logged *ret_logged, struct err *err)
{
	return after(txn, TABLE_WAITING, stream, place, ret_logged, err);
}

enum code log_find_waiting(struct store_txn *txn, struct stream stream, struct end end, struct logged *ret_logged,
			   struct err *err)
{
	return find(txn, TABLE_WAITING, stream, end, ret_logged, err);
}

enum code log_drop_waiting(struct store_txn *txn, const struct logged *logged, struct err *err)
{
	return drop(txn, TABLE_WAITING, logged, err);
}

enum code log_shrink(struct store_txn *txn, const struct logged *logged, enum log_form form, struct err *err)
{
	uint8_t key_room[LOG_BATCH_KEY_SIZE], room[BATCH_FRONT_MAX];
	struct bytes key = log_batch_key(TABLE_BATCH, &logged->stream, log_place_of(logged), key_room);
	struct buf less = buf_over(room, sizeof room);
	uint64_t first, count;
	size_t size;
	enum code code;

	if (form <= logged->form)
		return OK;
	if (form == LOG_FOOTPRINT) {
		mp_put_uint(&less, logged->first);
		return store_put(txn, key, buf_bytes(&less), err);
	}
	code = measure_front(logged->bytes, &first, &count, &size, err);
	if (code)
		return code;
	buf_put(&less, logged->bytes.data, size);
	return less.is_full ? damaged(err) : store_put(txn, key, buf_bytes(&less), err);
}

enum code log_put_logged(struct store_txn *txn, const struct logged *logged, struct err *err)
{
	uint8_t key_room[LOG_BATCH_KEY_SIZE], room[16];
	struct bytes key = log_batch_key(TABLE_BATCH, &logged->stream, log_place_of(logged), key_room);
	struct buf footprint = buf_over(room, sizeof room);

	if (logged->form != LOG_FOOTPRINT)
		return store_put(txn, key, logged->bytes, err);
	mp_put_uint(&footprint, logged->first);
	return store_put(txn, key, buf_bytes(&footprint), err);
}

/* What everybody has of the stream, for one of which no entry is left. */
static enum code read_stable(struct store_txn *txn, const struct stream *stream, uint64_t *ret_seq, struct err *err)
{
	uint8_t room[LOG_STREAM_KEY_SIZE];
	struct bytes key = log_stream_key(TABLE_STABLE, stream, room), value;
	struct stream of;
	size_t count;
	struct err own = { 0 };
	enum code code = store_get(txn, key, &value, &own);

	if (code && code != E_ABSENT)
		return fail(err, code, "%s", own.text);
	if (!code && !log_read_ends(key, value, &of, &count))
		return damaged(err);
	*ret_seq = code ? 0 : log_end_at(value, count - 1).seq;
	return OK;
}

enum code log_horizon(struct store_txn *txn, struct stream stream, uint64_t *ret_seq, struct err *err)
{
	struct err own = { 0 };
	struct logged lowest;
	enum code code = log_after(txn, stream, log_behind(0), &lowest, &own);

	if (code == E_ABSENT)
		return read_stable(txn, &stream, ret_seq, err);
	if (code)
		return fail(err, code, "%s", own.text);
	*ret_seq = lowest.first - 1;
	return OK;
}

enum code log_next_stream(struct store_txn *txn, uint8_t table, const struct stream *after, struct stream *ret_stream,
			  struct err *err)
{
	uint8_t room[LOG_STREAM_KEY_SIZE];
	struct store_cursor *cursor;
	struct bytes key, value;
	struct reader r;
	enum code code;

	log_stream_key(table, after, room);
	/* A lane more is no lane of another stream. */
	room[LOG_STREAM_KEY_SIZE - 1]++;
	code = store_range(txn, bytes_of(&table, 1), bytes_of(room, sizeof room), &cursor, err);
	if (code)
		return code;
	code = store_next(cursor, &key, &value, err);
	if (!code) {
		r = reader_over(key);
		code = log_read_stream(&r, ret_stream) ? OK : damaged(err);
	}
	store_range_end(cursor);
	return code;
}
