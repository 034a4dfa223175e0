/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/author.h"

#include "crdt/log/log.h"
#include "crdt/state/found.h"
#include "crdt/state/index.h"
#include "crdt/state/state.h"

#include <assert.h>
#include <stdlib.h>

enum { AUDIT_SIZE = 8 + 16 };

static const uint8_t audit_key[] = { TABLE_META, 'a' };
static const uint8_t start_key[] = { TABLE_META, 's' };

static struct stream stream_of(const struct author *author, enum lane lane)
{
	return (struct stream){ .node = author->node, .start = author->start, .lane = lane };
}

static enum code get_optional(struct store_txn *txn, struct bytes key, struct bytes *ret_value, struct err *err)
{
	enum code code = store_get(txn, key, ret_value, err);

	return code == E_ABSENT ? OK : code;
}

static enum code read_start(struct author *author, struct store_txn *txn, struct err *err)
{
	struct bytes value = { 0 };
	enum code code = get_optional(txn, bytes_of(start_key, sizeof start_key), &value, err);
	struct reader r = reader_over(value);

	if (!code && value.size && value.size != 8)
		return fail(err, E_DAMAGED, "this server's start has a wrong size");
	/* A member's first start is 1; a later one is chosen when that is closed. */
	author->start = !code && value.size ? read_big_endian(&r, 8) : 1;
	return code;
}

static enum code read_audit(struct author *author, struct store_txn *txn, struct err *err)
{
	struct bytes value = { 0 };
	enum code code = get_optional(txn, bytes_of(audit_key, sizeof audit_key), &value, err);
	struct reader r = reader_over(value);

	if (code)
		return code;
	author->audit_seq = 0;
	author->audit_hash = (struct id){ { 0 } };
	author->is_changed = false;
	if (value.size != AUDIT_SIZE)
		return value.size ? fail(err, E_DAMAGED, "the end of the audit chain has a wrong size") : OK;
	author->audit_seq = read_big_endian(&r, 8);
	memcpy(author->audit_hash.bytes, r.at, sizeof author->audit_hash.bytes);
	return OK;
}

static void reset_lanes(struct author *author, const struct vector *vector)
{
	for (enum lane lane = LANE_URGENT; lane < LANES; lane++) {
		const struct end *end = vector_find(vector, stream_of(author, lane));

		buf_clear(&author->lanes[lane].entries);
		author->lanes[lane].count = 0;
		author->lanes[lane].end = end ? *end : (struct end){ 0 };
	}
	author->closed_count = 0;
}

enum code author_open(struct author *author, const struct signer *signer, struct id cluster,
		      const struct vector *vector, struct store_txn *txn, struct err *err)
{
	enum code code = read_start(author, txn, err);

	if (!code)
		code = read_audit(author, txn, err);
	if (code)
		return code;
	author->signer = signer;
	author->cluster = cluster;
	author->node = node_of_key(signer->key);
	for (enum lane lane = LANE_URGENT; lane < LANES; lane++)
		if (!author->lanes[lane].entries.limit)
			author->lanes[lane].entries = buf_growing(ENTRY_MAX);
	reset_lanes(author, vector);
	return OK;
}

void author_done(struct author *author)
{
	for (enum lane lane = LANE_URGENT; lane < LANES; lane++)
		buf_done(&author->lanes[lane].entries);
	free(author->closed);
	*author = (struct author){ 0 };
}

/* What a lane has gathered becomes a batch, stored and next in its stream. */
static enum code close_lane(struct author *author, enum lane lane, struct applying *applying, struct err *err)
{
	struct author_lane *l = &author->lanes[lane];
	uint8_t *room;
	struct buf buf;
	struct batch batch;
	enum code code;

	if (!l->count)
		return OK;
	room = arena_take(applying->arena, l->entries.size + BATCH_FRONT_MAX);
	buf = buf_over(room, l->entries.size + BATCH_FRONT_MAX);
	batch_write(author->signer, author->cluster, stream_of(author, lane), l->end, buf_bytes(&l->entries), l->count,
		    &buf);
	code = batch_read(buf_bytes(&buf), &batch, err);
	assert(!code);
	code = log_put_batch(applying->txn, &batch, err);
	if (code)
		return code;
	if (author->closed_count == author->closed_room) {
		author->closed_room = author->closed_room ? 2 * author->closed_room : 4;
		author->closed = must_realloc(author->closed, author->closed_room * sizeof *author->closed);
	}
	author->closed[author->closed_count++] = batch;
	l->end = batch.end;
	l->count = 0;
	buf_clear(&l->entries);
	return OK;
}

static enum code append(struct author *author, enum lane lane, struct bytes entry, struct applying *applying,
			struct place *ret_place, struct err *err)
{
	struct author_lane *l = &author->lanes[lane];
	enum code code = OK;

	if (l->entries.size + entry.size > ENTRY_MAX || l->count == BATCH_ENTRIES_MAX)
		code = close_lane(author, lane, applying, err);
	if (code)
		return code;
	buf_put_bytes(&l->entries, entry);
	assert(!l->entries.is_full);
	l->count++;
	*ret_place = (struct place){ stream_of(author, lane), l->end.seq + l->count };
	return OK;
}

static enum code write_judged(struct author *author, struct applying *applying, const struct judged *judged,
			      struct place *ret_place, struct err *err)
{
	struct entry entry;
	enum code code = entry_check(judged->entry, author->node, &entry, err);

	assert(!code);
	code = apply_entry(applying, author->node, &entry, err);
	if (!code)
		code = append(author, judged->lane, judged->entry, applying, ret_place, err);
	return code;
}

enum code author_ask(struct author *author, struct applying *applying, struct judging *judging,
		     const struct asker *asker, const struct change *changes, size_t count, struct judged *ret_judged,
		     struct place *ret_place, struct err *err)
{
	struct hlc ticked;
	enum code code;

	if (!hlc_tick(author->hlc, judging->now, &ticked))
		return fail(err, E_VALUE, "this server's clock is beyond the year 6429: set it right");
	judging->txn = applying->txn;
	judging->arena = applying->arena;
	judging->node = author->node;
	judging->start = author->start;
	judging->hlc = ticked;
	judging->audit_seq = author->audit_seq + 1;
	judging->audit_before = author->audit_hash;
	code = judge(judging, asker, changes, count, ret_judged, err);
	if (code)
		return code;
	*ret_place = (struct place){ 0 };
	if (ret_judged->is_repeat)
		return OK;
	code = write_judged(author, applying, ret_judged, ret_place, err);
	if (code)
		return code;
	author->hlc = hlc_observe(ticked, judging->now, ret_judged->hlc);
	/* What a member notes of itself has no audit row. */
	if (judging->action.size) {
		author->audit_seq++;
		author->audit_hash = ret_judged->audit_hash;
		author->is_changed = true;
	}
	return OK;
}

static enum code put_audit(struct author *author, struct store_txn *txn, struct err *err)
{
	uint8_t room[AUDIT_SIZE];
	struct buf buf = buf_over(room, sizeof room);

	if (!author->is_changed)
		return OK;
	buf_put_big_endian(&buf, author->audit_seq, 8);
	buf_put(&buf, author->audit_hash.bytes, sizeof author->audit_hash.bytes);
	author->is_changed = false;
	return store_put(txn, bytes_of(audit_key, sizeof audit_key), buf_bytes(&buf), err);
}

enum code author_finish(struct author *author, struct applying *applying, struct err *err)
{
	enum code code = OK;

	for (enum lane lane = LANE_URGENT; !code && lane < LANES; lane++)
		code = close_lane(author, lane, applying, err);
	return code ? code : put_audit(author, applying->txn, err);
}

/* Audit rows are counted per start: the next one goes on behind the last. */
static enum code follow_audit(struct author *author, struct id id, struct store_txn *txn, struct err *err)
{
	struct audit_row row;
	enum code code = state_row(txn, KIND_TABLE(audit), id, &row, err);

	if (is_gone(code))
		return OK;
	if (!code && row.node == author->node && row.start == author->start && row.seq > author->audit_seq) {
		author->audit_seq = row.seq;
		author->audit_hash = id;
		author->is_changed = true;
	}
	return code;
}

enum code author_follow(struct author *author, const struct batch *batch, const struct changes *changes, size_t from,
			struct store_txn *txn, struct err *err)
{
	enum code code = OK;

	if (batch->stream.node != author->node || batch->stream.start != author->start)
		return OK;
	author->lanes[batch->stream.lane].end = batch->end;
	for (size_t i = from; !code && i < changes->count; i++)
		if (changes->all[i].kind == KIND_audit)
			code = follow_audit(author, changes->all[i].id, txn, err);
	return code;
}

enum code author_restart(struct author *author, uint64_t start, struct store_txn *txn, struct err *err)
{
	uint8_t room[8];
	struct buf buf = buf_over(room, sizeof room);

	author->start = start;
	author->audit_seq = 0;
	author->audit_hash = (struct id){ { 0 } };
	author->is_changed = true;
	for (enum lane lane = LANE_URGENT; lane < LANES; lane++) {
		assert(!author->lanes[lane].count);
		author->lanes[lane].end = (struct end){ 0 };
	}
	buf_put_big_endian(&buf, start, 8);
	return store_put(txn, bytes_of(start_key, sizeof start_key), buf_bytes(&buf), err);
}

void author_forget(struct author *author, const struct vector *vector)
{
	reset_lanes(author, vector);
}
