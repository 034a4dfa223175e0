/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/batch.h"

#include "crdt/base/hash.h"
#include "crdt/model/model.h"
#include "crdt/model/mp.h"
#include "crdt/model/record.h"

#include <assert.h>
#include <sodium.h>

enum { HEADER_FIELDS = 9, ENTRY_FIELDS = 3, OP_FIELDS = 3, HASH_SIZE = 32 };

/* As it stands behind a header. */
enum { SIGNATURE_SIZE = 2 + sizeof(struct signature) };

int stream_compare(const struct stream *a, const struct stream *b)
{
	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return (a->lane > b->lane) - (a->lane < b->lane);
}

static inline bool read_uint(struct reader *r, uint64_t *ret_number)
{
	struct mp_head head;

	if (mp_read_quick_uint(r, ret_number))
		return true;
	head = mp_read(r);
	*ret_number = head.value;
	return head.class == MP_UINT;
}

static inline bool read_fixed(struct reader *r, void *room, size_t size)
{
	struct bytes bytes;

	if (!mp_read_short_bin(r, &bytes) || bytes.size != size)
		return false;
	memcpy(room, bytes.data, size);
	return true;
}

/* Short ones without a call. */
static inline bool read_array(struct reader *r, uint64_t *ret_count)
{
	struct mp_head head;

	if (reader_left(r) > 16 && (*r->at & 0xf0) == 0x90) {
		*ret_count = *r->at++ & 15;
		return true;
	}
	head = mp_read(r);
	*ret_count = head.value;
	return head.class == MP_ARRAY;
}

/* How long a value is whose first byte says it, and how many values are inside; 0: the byte does not say it. */
static inline size_t short_size(const uint8_t *at, size_t left, uint64_t *ret_inside)
{
	uint8_t first = *at;

	*ret_inside = 0;
	if (first < 0x80)
		return 1;
	if (first >= 0xa0 && first < 0xc0)
		return 1 + (first & 31);
	if (first == 0xc4)
		return left < 2 ? 0 : 2 + (size_t)at[1];
	if (first >= 0xa0)
		return 0;
	*ret_inside = first < 0x90 ? 2 * (first & 15) : first & 15;
	return 1;
}

/* Any value's head, and what is not inside values of their own; how many of those there are. */
static bool step_long(struct reader *r, uint64_t *ret_inside)
{
	struct mp_head head = mp_read(r);

	*ret_inside = 0;
	switch (head.class) {
	case MP_TEXT:
	case MP_BIN: read_bytes(r, head.value); break;
	case MP_ARRAY: *ret_inside = head.value; break;
	case MP_MAP: *ret_inside = 2 * head.value; break;
	case MP_UINT:
	case MP_NEGATIVE:
	case MP_NIL:
	case MP_BOOL:
	case MP_BROKEN: break;
	}
	return !r->is_short;
}

/* Steps over so many values of any depth, looking at their heads alone; false when there are fewer. */
static bool step_over(struct reader *r, uint64_t values)
{
	const uint8_t *at = r->at, *end = r->end;
	uint64_t inside;

	for (; values; values += inside - 1) {
		size_t left = (size_t)(end - at), size = left ? short_size(at, left, &inside) : 0;

		if (size && size <= left) {
			at += size;
			continue;
		}
		r->at = at;
		if (!step_long(r, &inside))
			return false;
		at = r->at;
	}
	r->at = at;
	return true;
}

static struct id hash_of(struct bytes header)
{
	return hash_id(&header, 1);
}

static void hash_entries(struct bytes entries, uint8_t ret_hash[HASH_SIZE])
{
	crypto_generichash(ret_hash, HASH_SIZE, entries.data, entries.size, NULL, 0);
}

static enum code broken(struct err *err, const char *what)
{
	return fail(err, E_FORM, "batch: %s", what);
}

/* What the header says, in so far as its limits do. */
static enum code check_header(const struct batch *batch, uint64_t count, uint64_t lane, struct err *err)
{
	if (!batch->stream.node || !batch->stream.start || lane >= LANES)
		return broken(err, "it is of no stream");
	if (count > BATCH_ENTRIES_MAX)
		return fail(err, E_LIMIT, "batch: more than %d entries", BATCH_ENTRIES_MAX);
	if (!count || !batch->first || batch->first > UINT64_MAX - count)
		return broken(err, "its entries have no numbers");
	if ((batch->first == 1) != id_equal(batch->before, (struct id){ 0 }))
		return broken(err, "only the first of a stream has none before it");
	return OK;
}

/* The header; `r` stands behind it afterwards. */
static enum code read_header(struct reader *r, struct batch *batch, uint8_t ret_hash[HASH_SIZE], struct err *err)
{
	const uint8_t *start = r->at;
	uint64_t fields, lane, count;
	enum code code;

	if (!read_array(r, &fields) || !fields || !read_uint(r, &batch->version) || !batch->version)
		return broken(err, "it has no version");
	if (batch->version > BATCH_VERSION)
		return fail(err, E_NEWER, "batch: of version %llu, made by a newer Warren: update this server",
			    (unsigned long long)batch->version);
	if (fields != HEADER_FIELDS || !read_fixed(r, batch->cluster.bytes, sizeof batch->cluster.bytes) ||
	    !read_uint(r, &batch->stream.node) || !read_uint(r, &batch->stream.start) || !read_uint(r, &lane) ||
	    !read_uint(r, &batch->first) || !read_uint(r, &count) ||
	    !read_fixed(r, batch->before.bytes, sizeof batch->before.bytes) || !read_fixed(r, ret_hash, HASH_SIZE))
		return broken(err, "its header is not canonical");
	code = check_header(batch, count, lane, err);
	if (code)
		return code;
	batch->stream.lane = (enum lane)lane;
	batch->count = (uint32_t)count;
	batch->header = bytes_of(start, (size_t)(r->at - start));
	batch->end = (struct end){ batch->first + count - 1, hash_of(batch->header) };
	return OK;
}

enum code batch_read(struct bytes whole, struct batch *ret_batch, struct err *err)
{
	struct reader r = reader_over(whole), values;
	struct batch batch = { .whole = whole };
	uint8_t said[HASH_SIZE], is[HASH_SIZE];
	enum code code;

	if (whole.size > BATCH_MAX)
		return fail(err, E_LIMIT, "batch: %zu bytes, at most %d are allowed", whole.size, BATCH_MAX);
	code = read_header(&r, &batch, said, err);
	if (code)
		return code;
	if (!read_fixed(&r, batch.signature.bytes, sizeof batch.signature.bytes))
		return broken(err, "it has no signature");
	batch.entries = bytes_of(r.at, reader_left(&r));
	hash_entries(batch.entries, is);
	if (memcmp(is, said, sizeof is))
		return broken(err, "its entries are not those of its header");
	values = reader_over(batch.entries);
	if (!step_over(&values, batch.count) || reader_left(&values))
		batch.entries.size = 0;
	*ret_batch = batch;
	return OK;
}

enum code batch_read_front(struct bytes front, struct batch *ret_batch, struct err *err)
{
	struct reader r = reader_over(front);
	struct batch batch = { .whole = front };
	uint8_t of_entries[HASH_SIZE];
	enum code code = read_header(&r, &batch, of_entries, err);

	if (code)
		return code;
	if (!read_fixed(&r, batch.signature.bytes, sizeof batch.signature.bytes) || reader_left(&r))
		return broken(err, "it is not a header and its signature");
	*ret_batch = batch;
	return OK;
}

struct bytes batch_front(const struct batch *batch)
{
	return bytes_of(batch->header.data, batch->header.size + SIGNATURE_SIZE);
}

bool batch_is_signed(const struct batch *batch, struct key32 author)
{
	return sign_check(author, SIGN_BATCH, batch->header, batch->signature);
}

void batch_write(const struct signer *author, struct id cluster, struct stream stream, struct end before,
		 struct bytes entries, uint32_t count, struct buf *out)
{
	uint8_t room[BATCH_FRONT_MAX], hash[HASH_SIZE];
	struct buf header = buf_over(room, sizeof room);
	struct signature signature;

	assert(count && count <= BATCH_ENTRIES_MAX && entries.size <= ENTRY_MAX);
	hash_entries(entries, hash);
	mp_put_array(&header, HEADER_FIELDS);
	mp_put_uint(&header, BATCH_VERSION);
	mp_put_bin(&header, bytes_of(cluster.bytes, sizeof cluster.bytes));
	mp_put_uint(&header, stream.node);
	mp_put_uint(&header, stream.start);
	mp_put_uint(&header, stream.lane);
	mp_put_uint(&header, before.seq + 1);
	mp_put_uint(&header, count);
	mp_put_bin(&header, bytes_of(before.hash.bytes, sizeof before.hash.bytes));
	mp_put_bin(&header, bytes_of(hash, sizeof hash));
	assert(!header.is_full);
	signature = sign_make(author, SIGN_BATCH, buf_bytes(&header));
	buf_put_bytes(out, buf_bytes(&header));
	mp_put_bin(out, bytes_of(signature.bytes, sizeof signature.bytes));
	buf_put_bytes(out, entries);
}

static enum code void_entry(struct err *err, const char *what)
{
	return fail(err, E_FORM, "entry: %s", what);
}

/* Whether the value is this number, which is in its one form. */
static bool is_number(struct bytes value, uint64_t number)
{
	struct reader r = reader_over(value);
	uint64_t is;

	return value.size && read_uint(&r, &is) && is == number;
}

/* Whether the author may write that: `first` is the value of the row's first field, if it is there. */
static enum code check_author(uint32_t kind, bool is_dead, struct bytes first, uint64_t author, struct err *err)
{
	switch (kind & 3) {
	case TIER_SHARED: return OK;
	case TIER_OWN:
		if (is_dead)
			return fail(err, E_DENIED, "entry: a member's own rows do not die");
		if (!is_number(first, author))
			return fail(err, E_DENIED, "entry: an op on a row of kind %u that is not its author's", kind);
		return OK;
	default: return fail(err, E_DENIED, "entry: there are no ops on kind %u", kind);
	}
}

static inline bool read_nil(struct reader *r)
{
	if (!reader_left(r) || *r->at != 0xc0)
		return false;
	r->at++;
	return true;
}

/* [kind, id, and the reader stands before the map or nil. */
static inline bool read_op_front(struct reader *r, struct op *op)
{
	uint64_t fields, kind;

	if (!read_array(r, &fields) || fields != OP_FIELDS || !read_uint(r, &kind) || kind > MODEL_KIND_MAX)
		return false;
	op->kind = (uint32_t)kind;
	return read_fixed(r, op->id.bytes, sizeof op->id.bytes);
}

static enum code check_op(struct reader *r, uint64_t author, struct err *err)
{
	struct bytes first = { 0 };
	struct op op = { 0 };
	enum code code;

	if (!read_op_front(r, &op))
		return void_entry(err, "an op is not canonical");
	op.is_dead = read_nil(r);
	if (!op.is_dead) {
		code = record_skip_op(r, &first, err);
		if (code)
			return code;
	}
	return check_author(op.kind, op.is_dead, first, author, err);
}

/* nil or [kind, id] */
static bool read_actor(struct reader *r, struct entry *entry)
{
	uint64_t fields, kind;

	entry->has_actor = !read_nil(r);
	if (!entry->has_actor)
		return true;
	if (!read_array(r, &fields) || fields != 2 || !read_uint(r, &kind) || !kind || kind > MODEL_KIND_MAX)
		return false;
	entry->actor.kind = (uint32_t)kind;
	return read_fixed(r, entry->actor.id.bytes, sizeof entry->actor.id.bytes);
}

/* One entry; after a failure the reader stands anywhere. */
static enum code read_entry(struct reader *r, uint64_t author, struct entry *ret_entry, struct err *err)
{
	const uint8_t *start = r->at, *ops;
	struct entry entry = { 0 };
	uint64_t fields, count;
	enum code code;

	if (!read_array(r, &fields) || fields != ENTRY_FIELDS || !read_uint(r, &entry.hlc.bits))
		return void_entry(err, "it is not canonical");
	if (!hlc_is_valid(entry.hlc))
		return void_entry(err, "its stamp lies beyond the year 6429");
	if (!read_actor(r, &entry))
		return void_entry(err, "its actor is no record");
	if (!read_array(r, &count) || !count)
		return void_entry(err, "it has no ops");
	if (count > ENTRY_OPS_MAX)
		return fail(err, E_LIMIT, "entry: more than %d ops", ENTRY_OPS_MAX);
	ops = r->at;
	for (uint64_t i = 0; i < count; i++) {
		code = check_op(r, author, err);
		if (code)
			return code;
	}
	if (r->at - start > ENTRY_MAX)
		return fail(err, E_LIMIT, "entry: more than %d bytes", ENTRY_MAX);
	entry.count = (uint32_t)count;
	entry.ops = bytes_of(ops, (size_t)(r->at - ops));
	entry.whole = bytes_of(start, (size_t)(r->at - start));
	*ret_entry = entry;
	return OK;
}

bool batch_next(struct reader *entries, uint64_t author, struct entry *ret_entry, enum code *ret_validity,
		struct err *err)
{
	struct reader r = *entries;

	if (!reader_left(entries))
		return false;
	*ret_validity = read_entry(&r, author, ret_entry, err);
	if (!*ret_validity)
		*entries = r;
	else if (!step_over(entries, 1))
		entries->is_short = true;
	return true;
}

enum code entry_check(struct bytes whole, uint64_t author, struct entry *ret_entry, struct err *err)
{
	struct reader r = reader_over(whole);
	struct entry entry;
	enum code code = read_entry(&r, author, &entry, err);

	if (!code && reader_left(&r))
		code = void_entry(err, "bytes follow its last op");
	if (!code)
		*ret_entry = entry;
	return code;
}

bool entry_next(struct reader *ops, struct op *ret_op)
{
	const uint8_t *start;
	struct op op = { 0 };

	if (!reader_left(ops) || !read_op_front(ops, &op))
		return false;
	op.is_dead = read_nil(ops);
	start = ops->at;
	if (!op.is_dead && step_over(ops, 1))
		op.map = bytes_of(start, (size_t)(ops->at - start));
	*ret_op = op;
	return !ops->is_short;
}

void entry_write(struct hlc hlc, const struct ref *actor, const struct op *ops, size_t count, struct buf *out)
{
	mp_put_array(out, ENTRY_FIELDS);
	mp_put_uint(out, hlc.bits);
	if (actor) {
		mp_put_array(out, 2);
		mp_put_uint(out, actor->kind);
		mp_put_bin(out, bytes_of(actor->id.bytes, sizeof actor->id.bytes));
	} else {
		mp_put_nil(out);
	}
	mp_put_array(out, count);
	for (size_t i = 0; i < count; i++) {
		mp_put_array(out, OP_FIELDS);
		mp_put_uint(out, ops[i].kind);
		mp_put_bin(out, bytes_of(ops[i].id.bytes, sizeof ops[i].id.bytes));
		if (ops[i].is_dead)
			mp_put_nil(out);
		else
			buf_put_bytes(out, ops[i].map);
	}
}

static bool has_identity(struct bytes map)
{
	struct reader r = reader_over(map);
	uint64_t number, count = mp_read(&r).value;

	for (uint64_t i = 0; i < count && read_uint(&r, &number); i++) {
		if (field_merge((uint32_t)number) == MERGE_ONCE)
			return true;
		step_over(&r, 1);
	}
	return false;
}

static enum lane op_lane(const struct op *op)
{
	const struct kind *kind = model_kind(op->kind);

	if (op->is_dead && kind && kind->is_urgent)
		return LANE_URGENT;
	/* Also making a hold is taking something away. */
	if (op->kind == KIND_hold && !op->is_dead && has_identity(op->map))
		return LANE_URGENT;
	if (op->kind == KIND_closing)
		return LANE_URGENT;
	/* Somebody waits for its addresses. */
	if (op->kind == KIND_transfer)
		return LANE_PEOPLE;
	return (op->kind & 3) == TIER_OWN ? LANE_BULK : LANE_PEOPLE;
}

enum lane entry_lane(const struct op *ops, size_t count)
{
	enum lane lane = LANE_BULK;

	for (size_t i = 0; i < count; i++) {
		enum lane of_op = op_lane(&ops[i]);

		lane = of_op < lane ? of_op : lane;
	}
	return lane;
}
