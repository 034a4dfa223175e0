/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/statement.h"

#include "crdt/base/hash.h"
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/model/record.h"

#include <assert.h>
#include <stdlib.h>

enum { FIELDS = 6, ID_SIZE = sizeof(struct id), ROW_MAX = 512, SIGNED_BY_SIZE = 2 + sizeof(struct signature) };

static enum code broken(struct err *err, const char *what)
{
	return fail(err, E_FORM, "statement: %s", what);
}

static bool read_fixed(struct reader *r, void *room, size_t size)
{
	struct mp_head head = mp_read(r);
	const uint8_t *bytes = head.class == MP_BIN && head.value == size ? read_bytes(r, size) : NULL;

	if (bytes)
		memcpy(room, bytes, size);
	return bytes;
}

static enum code read_version(struct reader *r, struct err *err)
{
	struct mp_head fields = mp_read(r), version = mp_read(r);

	if (fields.class != MP_ARRAY || version.class != MP_UINT || !version.value)
		return broken(err, "it has no version");
	if (version.value > STATEMENT_VERSION)
		return fail(err, E_NEWER, "statement: of version %llu, made by a newer Warren: update this server",
			    (unsigned long long)version.value);
	return fields.value == FIELDS ? OK : broken(err, "it has not the fields of its version");
}

/* A row that this version knows, within its limits, and the id that it has. */
static enum code read_row(struct reader *r, struct statement *statement, struct err *err)
{
	const struct kind *kind = model_kind(statement->kind);
	_Alignas(max_align_t) uint8_t row[ROW_MAX];
	const uint8_t *start = r->at;
	struct record record;
	enum code code;

	if ((statement->kind & 3) != TIER_STATEMENT || !statement->kind)
		return broken(err, "nobody signs statements of this kind");
	if (!kind)
		return fail(err, E_NEWER, "statement: of kind %u, made by a newer Warren: update this server",
			    statement->kind);
	assert(kind->shape.size <= sizeof row);
	mp_skip(r);
	if (r->is_short)
		return broken(err, "its row is not canonical");
	statement->map = bytes_of(start, (size_t)(r->at - start));
	code = record_from_op(statement->map, (struct stamp){ 0 }, &record, err);
	if (!code)
		code = pack_read(&kind->shape, statement->map, true, row, err);
	if (code)
		return fail_in(err, code, "statement");
	statement->id = record_id(statement->kind, &record);
	if (statement->kind == KIND_admission)
		statement->invite = ((const struct admission_row *)(const void *)row)->invite;
	return OK;
}

/* Ascending, so that one set has one form. */
static enum code read_heads(struct reader *r, struct statement *statement, struct err *err)
{
	struct mp_head head = mp_read(r);
	struct bytes heads;

	if (head.class != MP_BIN || head.value % ID_SIZE)
		return broken(err, "its heads are no hashes");
	if (head.value && statement->kind == KIND_admission)
		return broken(err, "an admission with heads");
	if (head.value / ID_SIZE > STATEMENT_HEADS_MAX)
		return fail(err, E_LIMIT, "statement: more than %d heads", STATEMENT_HEADS_MAX);
	heads = bytes_of(read_bytes(r, head.value), head.value);
	if (!heads.data)
		return broken(err, "its heads are not whole");
	for (size_t at = ID_SIZE; at < heads.size; at += ID_SIZE)
		if (memcmp(heads.data + at - ID_SIZE, heads.data + at, ID_SIZE) >= 0)
			return broken(err, "its heads do not ascend");
	statement->heads = heads;
	return OK;
}

static enum code read_body(struct reader *r, struct statement *statement, struct err *err)
{
	const uint8_t *start = r->at;
	struct mp_head kind;
	enum code code = read_version(r, err);

	if (code)
		return code;
	if (!read_fixed(r, statement->cluster.bytes, sizeof statement->cluster.bytes) ||
	    !read_fixed(r, statement->signer.bytes, sizeof statement->signer.bytes))
		return broken(err, "it has no cluster, or no signer");
	kind = mp_read(r);
	if (kind.class != MP_UINT || kind.value > MODEL_KIND_MAX)
		return broken(err, "it is of no kind");
	statement->kind = (uint32_t)kind.value;
	code = read_row(r, statement, err);
	if (!code)
		code = read_heads(r, statement, err);
	if (code)
		return code;
	statement->body = bytes_of(start, (size_t)(r->at - start));
	statement->hash = hash_id(&statement->body, 1);
	return OK;
}

enum code statement_read(struct bytes whole, struct statement *ret_statement, struct err *err)
{
	struct statement statement = { .whole = whole };
	struct reader r = reader_over(whole);
	enum code code;

	if (whole.size > STATEMENT_MAX)
		return fail(err, E_LIMIT, "statement: %zu bytes, at most %d are allowed", whole.size, STATEMENT_MAX);
	code = read_body(&r, &statement, err);
	if (code)
		return code;
	if (!read_fixed(&r, statement.signature.bytes, sizeof statement.signature.bytes) || reader_left(&r))
		return broken(err, "it does not end with its signature");
	*ret_statement = statement;
	return OK;
}

bool statement_is_signed(const struct statement *statement)
{
	return sign_check(statement->signer, SIGN_STATEMENT, statement->body, statement->signature);
}

enum code statement_fits(uint32_t kind, size_t count, struct err *err)
{
	bool is_putting_out = kind == KIND_eviction || kind == KIND_operator_removal || kind == KIND_root_change;

	if (count >= STATEMENTS_MAX)
		return fail(err, E_LIMIT, "statement: this cluster has %d already, and can have no more",
			    STATEMENTS_MAX);
	if (!is_putting_out && count >= STATEMENTS_MAX - STATEMENTS_RESERVED)
		return fail(err, E_LIMIT,
			    "statement: this cluster has %d already; the last %d are for evicting members, removing "
			    "operators and changing the root",
			    STATEMENTS_MAX - STATEMENTS_RESERVED, STATEMENTS_RESERVED);
	return OK;
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, ID_SIZE);
}

static void write_heads(const struct id *heads, size_t count, struct buf *out)
{
	struct id sorted[STATEMENT_HEADS_MAX];
	size_t different = 0;

	assert(count <= STATEMENT_HEADS_MAX);
	if (count)
		memcpy(sorted, heads, count * sizeof *heads);
	qsort(sorted, count, sizeof *sorted, compare_ids);
	for (size_t i = 0; i < count; i++)
		if (!different || !id_equal(sorted[different - 1], sorted[i]))
			sorted[different++] = sorted[i];
	mp_put_bin(out, bytes_of(sorted, different * sizeof *sorted));
}

void statement_write(const struct signer *signer, struct id cluster, const struct kind *kind, const void *row,
		     const struct id *heads, size_t count, struct buf *out)
{
	struct buf body = buf_growing(STATEMENT_MAX - SIGNED_BY_SIZE);
	struct signature signature;

	assert(!count || kind->number != KIND_admission);
	mp_put_array(&body, FIELDS);
	mp_put_uint(&body, STATEMENT_VERSION);
	mp_put_bin(&body, bytes_of(cluster.bytes, sizeof cluster.bytes));
	mp_put_bin(&body, bytes_of(signer->key.bytes, sizeof signer->key.bytes));
	mp_put_uint(&body, kind->number);
	pack_write(&kind->shape, row, &body);
	write_heads(heads, count, &body);
	assert(!body.is_full);
	signature = sign_make(signer, SIGN_STATEMENT, buf_bytes(&body));
	buf_put_bytes(out, buf_bytes(&body));
	mp_put_bin(out, bytes_of(signature.bytes, sizeof signature.bytes));
	buf_done(&body);
}

struct bytes admission_text(struct id cluster, struct id invite, struct key32 key, struct key32 box_key,
			    uint8_t room[ADMISSION_TEXT_SIZE])
{
	struct buf buf = buf_over(room, ADMISSION_TEXT_SIZE);

	buf_put(&buf, cluster.bytes, sizeof cluster.bytes);
	buf_put(&buf, invite.bytes, sizeof invite.bytes);
	buf_put(&buf, key.bytes, sizeof key.bytes);
	buf_put(&buf, box_key.bytes, sizeof box_key.bytes);
	return buf_bytes(&buf);
}

struct id cluster_id(const struct cluster_row *row)
{
	uint8_t room[512];
	struct buf map = buf_over(room, sizeof room);
	struct record record;
	enum code code;

	pack_write(&KIND_TABLE(cluster)->shape, row, &map);
	assert(!map.is_full);
	code = record_from_op(buf_bytes(&map), (struct stamp){ 0 }, &record, NULL);
	assert(!code);
	return record_id(KIND_cluster, &record);
}
