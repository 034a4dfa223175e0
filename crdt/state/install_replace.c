/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/dead.h"
#include "crdt/state/install_inside.h"
#include "crdt/state/mark.h"
#include "crdt/state/state.h"

enum { CLEAR_CHUNK = 4096, LIFTED_MAX = 16 << 20 };

/* An old batch that may lie beside one of the gift's: a proof, where they cannot be of one chain. */
static enum code look_for_fork(struct installer *in, const struct batch *old, struct err *err)
{
	const struct gift *gift = in->with->gift;
	const struct gift_entry *entry, *end = gift->entries + gift->entries_count;
	struct batch other;

	if (install_is_closed(in, old->stream))
		return OK;
	entry = gift_entry_from(gift, old->stream, (struct log_place){ old->first - 1, 0 });
	for (; entry && entry < end && !stream_compare(&entry->logged.stream, &old->stream); entry++) {
		if (entry->logged.last > old->end.seq + BATCH_ENTRIES_MAX)
			break;
		if (install_read_front(&entry->logged, &other) && proof_is_fork(old, &other))
			return install_fork(in, old, &other, err);
	}
	return OK;
}

/* Which ends the gift lacks: with the row that closes their start this member says that it had them. */
static enum code keep_ends(struct installer *in, struct stream stream, struct err *err)
{
	struct vector had = { 0 };
	size_t count;
	const struct frontier *ends = vector_ends(in->with->vector, stream, &count);
	enum code code = log_read_vector(in->with->txn, TABLE_HAD, &had, err);

	for (size_t i = 0; !code && i < count; i++) {
		struct logged logged;

		code = log_find(in->with->txn, stream, ends[i].end, &logged, err);
		if (!code && logged.form == LOG_WHOLE && !gift_has(in->with->gift, &logged))
			vector_add(&had, stream, ends[i].end);
		code = code == E_ABSENT ? OK : code;
	}
	ends = vector_ends(&had, stream, &count);
	if (!code)
		code = log_put_ends(in->with->txn, TABLE_HAD, stream, ends, count, err);
	vector_done(&had);
	return code;
}

/*
 * Whether the gift can give it to others. By the donor's word everybody has what it shows no more than the header of;
 * what this member does not itself know that of it keeps.
 */
static bool gift_gives(const struct gift *gift, const struct logged *logged, uint64_t stable)
{
	const struct gift_entry *entry = gift_find(gift, logged);

	return gift_has(gift, logged) && (logged->last <= stable || (entry && entry->logged.form == LOG_WHOLE));
}

/* One stream of the old log: what the gift cannot give of it waits. */
static enum code keep_stream(struct installer *in, struct stream stream, uint64_t stable, struct err *err)
{
	struct log_place place = { 0 };
	struct logged logged;
	enum code code;

	while (!(code = log_after(in->with->txn, stream, place, &logged, err))) {
		struct batch batch;

		place = log_place_of(&logged);
		if (logged.form != LOG_WHOLE || gift_gives(in->with->gift, &logged, stable))
			continue;
		/* A put makes stale what was read in this transaction. */
		logged.bytes = arena_copy(in->with->arena, logged.bytes);
		code = batch_read(logged.bytes, &batch, err);
		if (!code && !gift_has(in->with->gift, &logged))
			code = look_for_fork(in, &batch, err);
		if (!code)
			code = log_put_waiting(in->with->txn, &batch, err);
		if (code)
			return code;
		in->installed->waiting++;
	}
	return code == E_ABSENT ? OK : code;
}

static enum code keep_old(struct installer *in, struct err *err)
{
	struct stream after = { 0 }, stream;
	struct vector stable = { 0 };
	enum code code = log_read_vector(in->with->txn, TABLE_STABLE, &stable, err);

	while (!code) {
		code = log_next_stream(in->with->txn, TABLE_BATCH, &after, &stream, err);
		if (!code)
			code = keep_ends(in, stream, err);
		if (!code)
			code = keep_stream(in, stream, vector_seq(&stable, stream), err);
		after = stream;
	}
	vector_done(&stable);
	return code == E_ABSENT ? OK : code;
}

static enum code clear_all(struct installer *in, struct err *err)
{
	static const uint8_t tables[] = { TABLE_RECORD, TABLE_INDEX,  TABLE_MARK,  TABLE_DEAD,
					  TABLE_BATCH,  TABLE_VECTOR, TABLE_STABLE };
	enum code code = OK;

	for (size_t i = 0; !code && i < COUNT(tables); i++) {
		bool is_empty = false;

		while (!code && !is_empty)
			code = store_clear_some(in->with->txn, tables[i], CLEAR_CHUNK, false, &is_empty, err);
	}
	return code;
}

/* What lies behind records and indexes, while these are added in order and so take the least room. */
struct lifted {
	struct buf bytes; /* of each entry: key and value, each behind its size */
};

static enum code read_lifted(struct installer *in, struct lifted *lifted, struct err *err)
{
	static const uint8_t from[] = { TABLE_INDEX + 1 };
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code = store_range(in->with->txn, bytes_of(NULL, 0), bytes_of(from, sizeof from), &cursor, err);

	if (code)
		return code;
	while (!(code = store_next(cursor, &key, &value, err)) && !lifted->bytes.is_full) {
		buf_put_big_endian(&lifted->bytes, key.size, 2);
		buf_put_bytes(&lifted->bytes, key);
		buf_put_big_endian(&lifted->bytes, value.size, 4);
		buf_put_bytes(&lifted->bytes, value);
	}
	store_range_end(cursor);
	return code == E_ABSENT ? OK : code;
}

static bool next_lifted(struct reader *r, struct bytes *ret_key, struct bytes *ret_value)
{
	if (!reader_left(r))
		return false;
	ret_key->size = read_big_endian(r, 2);
	ret_key->data = read_bytes(r, ret_key->size);
	ret_value->size = read_big_endian(r, 4);
	ret_value->data = read_bytes(r, ret_value->size);
	return true;
}

/* Where it is much, it stays, and what is added takes more room. */
static enum code lift(struct installer *in, struct lifted *lifted, struct err *err)
{
	enum code code = read_lifted(in, lifted, err);
	struct bytes key, value;
	struct reader r;

	if (lifted->bytes.is_full)
		buf_clear(&lifted->bytes);
	r = reader_over(buf_bytes(&lifted->bytes));
	while (!code && next_lifted(&r, &key, &value))
		code = store_delete(in->with->txn, key, err);
	return code;
}

static enum code put_back(struct installer *in, const struct lifted *lifted, struct err *err)
{
	struct reader r = reader_over(buf_bytes(&lifted->bytes));
	struct bytes key, value;
	enum code code = OK;

	while (!code && next_lifted(&r, &key, &value))
		code = store_add(in->with->txn, key, value, err);
	return code;
}

static enum code add_records(struct installer *in, struct derived_keys *derived, struct err *err)
{
	const struct gift *gift = in->with->gift;
	enum code code = OK;

	memset(in->with->root->buckets, 0, sizeof in->with->root->buckets);
	in->with->root->changed = ROOT_ALL_PARTS;
	for (size_t i = 0; !code && i < gift->records_count; i++) {
		const struct gift_record *record = &gift->records[i];

		code = state_add(in->with->txn, in->with->root, record->kind, record->id, record->record, derived, err);
	}
	if (!code)
		code = state_put_derived(in->with->txn, derived, err);
	in->installed->records = gift->records_count;
	return code;
}

static void take_vector(struct vector *vector, const struct vector *from)
{
	vector_done(vector);
	*vector = (struct vector){ 0 };
	for (size_t i = 0; i < from->count; i++)
		vector_add(vector, from->all[i].stream, from->all[i].end);
}

enum code install_replace_steps(struct installer *in, struct err *err)
{
	struct lifted lifted = { .bytes = buf_growing(LIFTED_MAX) };
	struct derived_keys derived = { .all = NULL };
	const struct gift *gift = in->with->gift;
	enum code code = keep_old(in, err);

	if (!code)
		code = clear_all(in, err);
	if (!code)
		code = lift(in, &lifted, err);
	if (!code)
		code = add_records(in, &derived, err);
	if (!code)
		code = put_back(in, &lifted, err);
	buf_done(&lifted.bytes);
	if (!code)
		code = state_list_dead(in->with->txn, &derived, err);
	derived_keys_done(&derived);
	for (size_t i = 0; !code && i < gift->entries_count; i++)
		if (gift->entries[i].is_merged)
			code = log_put_logged(in->with->txn, &gift->entries[i].logged, err);
	if (!code)
		code = install_put_ends(in, TABLE_VECTOR, &gift->vector, err);
	if (!code)
		code = install_put_ends(in, TABLE_STABLE, &gift->stable, err);
	if (!code)
		code = install_keep_later(in, err);
	if (!code)
		take_vector(in->with->vector, &gift->vector);
	return code;
}
