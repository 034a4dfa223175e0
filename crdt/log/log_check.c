/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/log_inside.h"
#include "crdt/log/members.h"

#include <stdlib.h>

/*
 * One walk over the log, in the order of its keys: at any time it holds the statements and the end of one stream. What
 * the store itself finds damaged its own scan names; here it is only a gap, behind which the chain begins again.
 */
struct check {
	struct store_txn *txn;
	store_found *found;
	void *context;
	bool is_damaged;
	struct arena arena; /* of the statements */
	struct statement *statements;
	size_t room, good;
	uint32_t number; /* of the next statement */
	struct members *members;
	struct frontier last; /* the batch before; a zeroed end: none of this stream, or a gap */
	bool has_stream, is_gap;
	uint64_t streams; /* that have batches and an end */
};

static enum code report(struct check *check, struct bytes key, const char *text)
{
	check->is_damaged = true;
	check->found(check->context, key, text);
	return OK;
}

typedef enum code visitor(struct check *check, struct bytes key, struct bytes value, struct err *err);

/* `value` is empty where the store says that it is damaged: no entry here is empty. */
static enum code walk(struct check *check, uint8_t table, visitor *visit, struct err *err)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code = store_range(check->txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, err);

	if (code)
		return code;
	do {
		key = bytes_of(NULL, 0);
		code = store_next(cursor, &key, &value, err);
		if (code == E_DAMAGED && key.size) {
			value = bytes_of(NULL, 0);
			code = OK;
		}
		if (!code)
			code = visit(check, key, value, err);
	} while (!code);
	store_range_end(cursor);
	return code == E_ABSENT ? OK : code;
}

static enum code check_statement(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	struct statement *one = &check->statements[check->good];
	struct err own = { 0 };
	uint32_t number;

	(void)err;
	if (!log_read_number(key, &number) || check->good == check->room)
		return report(check, key, "this is no statement's key");
	if (number != check->number)
		report(check, key, "the statement before this one is missing");
	check->number = number + 1;
	if (!value.size)
		return OK;
	if (statement_read(arena_copy(&check->arena, value), one, &own))
		return report(check, key, own.text);
	if (!statement_is_signed(one))
		return report(check, key, "this statement's signature is not its signer's");
	if (!id_equal(one->cluster, check->statements[0].cluster))
		return report(check, key, "this statement is of another cluster than the first");
	check->good++;
	return OK;
}

/* Whether all were let in by those that are there; more of them let in no less. */
static void check_signers(struct check *check)
{
	for (size_t i = 0; i < check->good; i++) {
		struct err own = { 0 };
		uint8_t table = TABLE_STATEMENT;

		if (members_admit_statement(check->members, &check->statements[i], &own) == E_DENIED)
			report(check, bytes_of(&table, 1), own.text);
	}
}

static enum code check_statements(struct check *check, struct err *err)
{
	uint64_t count = store_count(check->txn, TABLE_STATEMENT);
	struct id cluster = { 0 };
	enum code code;

	check->room = count;
	check->statements = arena_take(&check->arena, (check->room + 1) * sizeof *check->statements);
	code = walk(check, TABLE_STATEMENT, check_statement, err);
	if (code)
		return code;
	if (check->good)
		cluster = check->statements[0].cluster;
	check->members = members_make(cluster, check->statements, check->good);
	check_signers(check);
	return OK;
}

/* Whose key it is that its node has; an id that two keys claim is both's. */
static bool is_signed(const struct members *members, const struct batch *batch)
{
	const struct member *member = members_find(members, batch->stream.node), *end;
	size_t count;

	end = members_all(members, &count) + count;
	for (; member && member < end && member->node == batch->stream.node; member++)
		if (batch_is_signed(batch, member->key))
			return true;
	return false;
}

/* Behind the last batch of a stream: that its end is that. */
static enum code check_end(struct check *check, struct err *err)
{
	uint8_t room[LOG_STREAM_KEY_SIZE];
	struct bytes key = log_stream_key(TABLE_VECTOR, &check->last.stream, room), value;
	struct frontier frontier;
	struct err own = { 0 };
	enum code code;

	if (!check->has_stream)
		return OK;
	code = store_get(check->txn, key, &value, &own);
	if (code == E_ABSENT)
		return report(check, key, "this stream has batches and no end");
	check->streams++;
	if (code)
		return code == E_DAMAGED ? OK : fail(err, code, "%s", own.text);
	if (!log_read_end(key, value, &frontier))
		return report(check, key, "this is no end of a stream");
	if (!check->is_gap && !end_equal(frontier.end, check->last.end))
		return report(check, key, "this stream's end is not that of its last batch");
	return OK;
}

/* The form and the signature of one batch, and that it follows the one before. */
static const char *fault(struct check *check, const struct stream *stream, uint64_t seq, struct bytes value,
			 struct batch *ret_batch, struct err *own)
{
	if (batch_read(value, ret_batch, own))
		return own->text;
	if (stream_compare(&ret_batch->stream, stream) || ret_batch->end.seq != seq)
		return "this batch lies where another belongs";
	if (check->good && !id_equal(ret_batch->cluster, check->statements[0].cluster))
		return "this batch is of another cluster";
	if (!is_signed(check->members, ret_batch))
		return "this batch's signature is not that of a member";
	return NULL;
}

static enum code check_batch(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	struct reader r = reader_over(key);
	struct batch batch = { 0 };
	struct err own = { 0 };
	struct stream stream;
	const char *text;
	uint64_t seq;

	if (key.size != LOG_BATCH_KEY_SIZE || !log_read_stream(&r, &stream))
		return report(check, key, "this is no batch's key");
	seq = read_big_endian(&r, 8);
	if (!check->has_stream || stream_compare(&stream, &check->last.stream)) {
		enum code code = check_end(check, err);

		if (code)
			return code;
		check->last = (struct frontier){ .stream = stream };
		check->has_stream = true;
		check->is_gap = false;
	}
	text = value.size ? fault(check, &stream, seq, value, &batch, &own) : NULL;
	if (text)
		report(check, key, text);
	else if (value.size && !check->is_gap && check->last.end.seq &&
		 !(batch.first == check->last.end.seq + 1 && id_equal(batch.before, check->last.end.hash)))
		report(check, key, "this batch does not follow the one before it");
	check->is_gap = text || !value.size;
	check->last.end = batch.end;
	return OK;
}

static enum code check_has_batches(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	struct frontier frontier;
	struct err own = { 0 };
	enum code code;

	if (!value.size)
		return OK;
	if (!log_read_end(key, value, &frontier))
		return report(check, key, "this is no end of a stream");
	code = log_batch_after(check->txn, frontier.stream, 0, &value, &own);
	if (code == E_ABSENT)
		return report(check, key, "this stream has an end and no batches");
	return code && code != E_DAMAGED ? fail(err, code, "%s", own.text) : OK;
}

enum code log_check(struct store_txn *txn, store_found *found, void *context, struct err *err)
{
	struct check *check = must_alloc(sizeof *check);
	enum code code;

	*check = (struct check){ .txn = txn, .found = found, .context = context };
	code = check_statements(check, err);
	if (!code)
		code = walk(check, TABLE_BATCH, check_batch, err);
	if (!code)
		code = check_end(check, err);
	/* As many ends as streams, and each stream's was there: then there is no other. */
	if (!code && store_count(txn, TABLE_VECTOR) != check->streams)
		code = walk(check, TABLE_VECTOR, check_has_batches, err);
	if (!code && check->is_damaged)
		code = fail(err, E_DAMAGED, "the log is damaged");
	members_free(check->members);
	arena_done(&check->arena);
	free(check);
	return code;
}
