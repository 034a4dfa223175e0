/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/dump.h"

#include "agent/cleanup.h"
#include "agent/key_name.h"
#include "agent/store.h"
#include "agent/store_pages.h"
#include "crdt/base/text.h"
#include "crdt/log/log.h"
#include "crdt/model/json.h"
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/model/record.h"
#include "crdt/state/index.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct dump {
	const struct kind *only;
	uint64_t *damages;
	struct store_txn *txn;
	struct buf line;
};

/* Makes the line of one entry; an empty line is not shown. */
typedef enum code printer(struct dump *dump, struct bytes key, struct bytes value, struct err *err);

static void found(void *context, struct bytes key, const char *text)
{
	struct dump *dump = context;
	char name[KEY_NAME_SIZE];

	++*dump->damages;
	key_name(key, name);
	fprintf(stderr, "warrend: damaged: %s%s%s\n", key.size > 1 ? name : "", key.size > 1 ? ": " : "", text);
}

PRINTF(2, 3) static void put(struct buf *line, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	buf_put_text(line, text);
}

static void put_head(const struct kind *kind, uint32_t number, struct id id, struct buf *line)
{
	buf_put_text(line, "{\"kind\":");
	if (kind)
		json_write_text(bytes_text(kind->shape.name), line);
	else
		put(line, "%" PRIu32, number);
	buf_put_text(line, ",\"id\":");
	json_write_id(id, line);
}

/* The fields that only a later version could show, by their numbers. */
static void put_unknown(const struct kind *kind, const struct record *record, struct buf *line)
{
	bool is_first = true;

	for (size_t i = 0; i < record->count; i++) {
		if (kind && model_field(&kind->shape, record->cells[i].number))
			continue;
		put(line, "%s%" PRIu32, is_first ? ",\"unknown_fields\":[" : ",", record->cells[i].number);
		is_first = false;
	}
	if (!is_first)
		buf_put_byte(line, ']');
}

static void put_row(const struct kind *kind, struct bytes map, struct buf *line)
{
	CLEANUP(cleanup_memory) void *row = must_alloc(kind->shape.size);
	struct err why = { 0 };

	if (pack_read(&kind->shape, map, true, row, &why)) {
		buf_put_text(line, ",\"invalid\":");
		json_write_text(bytes_text(why.text), line);
	} else {
		buf_put_text(line, ",\"fields\":");
		json_write_row(&kind->shape, NULL, row, JSON_MASKED, line);
	}
}

static enum code print_record(struct dump *dump, struct bytes key, struct bytes value, struct err *err)
{
	CLEANUP(cleanup_memory) struct record *record = must_alloc(sizeof *record);
	const struct kind *kind;
	struct bytes map;
	uint32_t number;
	struct id id;
	bool is_dead;
	enum code code;

	if (!record_key_read(key, &number, &id))
		return fail(err, E_DAMAGED, "this is no record's key");
	code = record_read(value, record, err);
	if (!code)
		code = record_map(value, &is_dead, &map, err);
	if (code)
		return code;
	kind = model_kind(number);
	put_head(kind, number, id, &dump->line);
	if (is_dead)
		buf_put_text(&dump->line, ",\"dead\":true");
	else if (kind)
		put_row(kind, map, &dump->line);
	put_unknown(kind, record, &dump->line);
	return OK;
}

static void put_hex(const char *name, struct bytes bytes, struct buf *line)
{
	char hex[2 * sizeof(struct key32) + 1];

	hex_write(bytes, hex);
	put(line, ",\"%s\":\"%s\"", name, hex);
}

static enum code print_statement(struct dump *dump, struct bytes key, struct bytes value, struct err *err)
{
	struct statement statement;
	uint32_t number;
	enum code code;

	if (!key_statement(key, &number))
		return fail(err, E_DAMAGED, "this is no statement's key");
	code = statement_read(value, &statement, err);
	if (code)
		return code;
	if (dump->only && dump->only->number != statement.kind)
		return OK;
	put_head(model_kind(statement.kind), statement.kind, statement.id, &dump->line);
	put(&dump->line, ",\"statement\":%" PRIu32, number);
	put_hex("hash", bytes_of(statement.hash.bytes, sizeof statement.hash.bytes), &dump->line);
	put_hex("signer", bytes_of(statement.signer.bytes, sizeof statement.signer.bytes), &dump->line);
	put_row(model_kind(statement.kind), statement.map, &dump->line);
	return OK;
}

/* A header or a footprint. */
static bool is_left_of_batch(struct bytes value)
{
	struct reader r = reader_over(value);
	struct batch batch;

	return !batch_read_front(value, &batch, NULL) || (mp_read(&r).class == MP_UINT && !reader_left(&r));
}

/* How many batches of a stream are kept whole, with which entry they begin, and of how many less is left. */
struct kept {
	uint64_t batches, first, left;
};

static enum code count_batches(struct dump *dump, struct bytes end_key, struct kept *ret_kept, struct err *err)
{
	uint8_t prefix[STORE_KEY_MAX];
	struct store_cursor *cursor;
	struct bytes key, value;
	struct batch batch;
	enum code code;

	memcpy(prefix, end_key.data, end_key.size);
	prefix[0] = TABLE_BATCH;
	*ret_kept = (struct kept){ 0 };
	code = store_range(dump->txn, bytes_of(prefix, end_key.size), bytes_of(NULL, 0), &cursor, err);
	if (code)
		return code;
	for (;;) {
		struct err why = { 0 };

		key = bytes_of(NULL, 0);
		code = store_next(cursor, &key, &value, &why);
		if (!code)
			code = batch_read(value, &batch, &why);
		if (code == E_ABSENT || code == E_IO || (code && !key.size)) {
			store_range_end(cursor);
			return code == E_ABSENT ? OK : fail(err, code, "%s", why.text);
		}
		if (code == E_FORM && is_left_of_batch(value))
			ret_kept->left++;
		else if (code)
			found(dump, key, why.text);
		else if (!ret_kept->batches++)
			ret_kept->first = batch.first;
	}
}

static enum code print_end(struct dump *dump, struct bytes key, struct bytes value, struct err *err)
{
	struct reader r = reader_over(value);
	uint64_t unused, seq;
	struct kept kept;
	struct stream stream;
	const uint8_t *hash;
	enum code code;

	if (!key_stream(key, &stream, &unused))
		return fail(err, E_DAMAGED, "this is no stream's key");
	code = count_batches(dump, key, &kept, err);
	/* A line for each branch. */
	do {
		seq = read_big_endian(&r, 8);
		hash = read_bytes(&r, sizeof(struct id));
		if (!hash)
			return fail(err, E_DAMAGED, "this is no end of a stream");
		put(&dump->line,
		    "%s{\"node\":\"%016" PRIx64 "\",\"start\":%" PRIu64 ",\"lane\":\"%s\",\"end\":%" PRIu64,
		    dump->line.size ? "}\n" : "", stream.node, stream.start, key_lane(stream.lane), seq);
		put_hex("hash", bytes_of(hash, sizeof(struct id)), &dump->line);
		put(&dump->line, ",\"batches\":%" PRIu64 ",\"first\":%" PRIu64 ",\"left\":%" PRIu64, kept.batches,
		    kept.first, kept.left);
	} while (reader_left(&r));
	return code;
}

/* The next entry onto stdout; a damaged one is named, and passed over while there is a way on. */
static enum code print_next(struct dump *dump, struct store_cursor *cursor, printer *print, struct err *err)
{
	struct bytes key = { 0 }, value;
	enum code code = store_next(cursor, &key, &value, err);
	bool is_read = !code;

	buf_clear(&dump->line);
	if (is_read)
		code = print(dump, key, value, err);
	if (!code && dump->line.size) {
		buf_put_text(&dump->line, "}\n");
		if (dump->line.is_full)
			code = fail(err, E_LIMIT, "it is too large to be shown");
		else
			fwrite(dump->line.data, 1, dump->line.size, stdout);
	}
	if (!code || code == E_ABSENT || code == E_IO)
		return code;
	found(dump, key, key.size && !is_read ? "its bytes do not match their hash" : err->text);
	return key.size ? OK : code;
}

static enum code print_all(struct dump *dump, struct bytes prefix, printer *print, struct err *err)
{
	struct store_cursor *cursor;
	uint64_t count = 0;
	enum code code = store_range(dump->txn, prefix, bytes_of(NULL, 0), &cursor, err);

	if (code)
		return code;
	while (!(code = print_next(dump, cursor, print, err)))
		count++;
	store_range_end(cursor);
	if (code == E_ABSENT && prefix.size == 1 && count != store_count(dump->txn, prefix.data[0]))
		found(dump, bytes_of(NULL, 0), "there are other entries than the ledger counts");
	return code == E_ABSENT ? OK : code;
}

static enum code print_tables(struct dump *dump, struct err *err)
{
	static const uint8_t statements[] = { TABLE_STATEMENT }, ends[] = { TABLE_VECTOR };
	const struct kind *only = dump->only;
	uint8_t records[RECORD_KEY_SIZE];
	enum code code;

	record_key_write(only ? only->number : 0, (struct id){ { 0 } }, records);
	code = print_all(dump, bytes_of(records, only ? 3 : 1), print_record, err);
	if (!code && (!only || (only->number & 3) == TIER_STATEMENT))
		code = print_all(dump, bytes_of(statements, sizeof statements), print_statement, err);
	if (!code && !only)
		code = print_all(dump, bytes_of(ends, sizeof ends), print_end, err);
	return code;
}

enum code dump_state(const char *state_dir, const struct kind *only, uint64_t *damages, struct err *err)
{
	CLEANUP(cleanup_store) struct store *store = NULL;
	CLEANUP(cleanup_txn) struct store_txn *txn = NULL;
	struct lmdb_options options = { .mode = LMDB_READER };
	struct dump dump = { .only = only, .damages = damages };
	enum code code = store_pages_check(state_dir, found, &dump, err);

	if (code && code != E_DAMAGED)
		return code;
	code = lmdb_store_open(state_dir, &options, &store, err);
	if (!code)
		code = store_snapshot(store, &txn, err);
	if (code)
		return code;
	dump.txn = txn;
	dump.line = buf_growing(4 * (size_t)RECORD_MAX);
	code = print_tables(&dump, err);
	buf_done(&dump.line);
	return code;
}
