/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/frame_write.h"

#include "crdt/gossip/frame_form.h"
#include "crdt/log/proof.h"
#include "crdt/model/mp.h"

#include <assert.h>

static void put_kind(struct buf *out, enum frame_kind kind)
{
	buf_put_byte(out, (uint8_t)kind);
}

static void put_id(struct buf *out, struct id id)
{
	buf_put(out, id.bytes, sizeof id.bytes);
}

static void put_sum(struct buf *out, struct sum sum)
{
	buf_put_big_endian(out, sum.high, 8);
	buf_put_big_endian(out, sum.low, 8);
}

static void put_stream(struct buf *out, struct stream stream)
{
	buf_put_big_endian(out, stream.node, 8);
	mp_put_uint(out, stream.start);
	buf_put_byte(out, (uint8_t)stream.lane);
}

void frame_put_t0_sum(struct buf *out, struct sum sum, uint32_t count, struct wall_time wall)
{
	put_kind(out, FRAME_T0_SUM);
	put_sum(out, sum);
	buf_put_big_endian(out, count, 4);
	buf_put_big_endian(out, wall.ms, 8);
}

void frame_put_t0_list(struct buf *out, bool is_first, bool is_last, struct bytes hashes)
{
	assert(hashes.size % sizeof(struct id) == 0 && hashes.size / sizeof(struct id) <= FRAME_HASHES_MAX);
	put_kind(out, FRAME_T0_LIST);
	buf_put_byte(out, (uint8_t)((is_first ? LIST_IS_FIRST : 0) | (is_last ? LIST_IS_LAST : 0)));
	buf_put_bytes(out, hashes);
}

void frame_put_t0_apply(struct buf *out, struct id invite, struct key32 key, struct key32 box_key,
			struct signature proof, uint32_t level)
{
	put_kind(out, FRAME_T0_APPLY);
	put_id(out, invite);
	buf_put(out, key.bytes, sizeof key.bytes);
	buf_put(out, box_key.bytes, sizeof box_key.bytes);
	buf_put(out, proof.bytes, sizeof proof.bytes);
	buf_put_big_endian(out, level, 4);
}

void frame_put_t0_refuse(struct buf *out, struct bytes reason)
{
	assert(reason.size <= FRAME_REASON_MAX);
	put_kind(out, FRAME_T0_REFUSE);
	buf_put_bytes(out, reason);
}

void frame_put_batch(struct buf *out, struct bytes batch)
{
	assert(batch.size && batch.size <= BATCH_MAX);
	put_kind(out, FRAME_BATCH);
	buf_put_bytes(out, batch);
}

void frame_put_beat(struct buf *out, struct sum sum)
{
	put_kind(out, FRAME_BEAT);
	put_sum(out, sum);
}

void frame_put_hint(struct buf *out, enum hint_what what, uint64_t node, uint32_t number)
{
	put_kind(out, FRAME_HINT);
	buf_put_byte(out, (uint8_t)what);
	buf_put_big_endian(out, node, 8);
	buf_put_big_endian(out, number, 4);
}

void frame_put_bucket_table(struct buf *out, struct sum vector, const struct sources *sources, struct bytes table)
{
	assert(table.size == FRAME_TABLE_SIZE);
	put_kind(out, FRAME_BUCKET);
	buf_put_byte(out, BUCKET_IS_TABLE);
	put_sum(out, vector);
	buf_put_byte(out, (uint8_t)(sources->count | (sources->is_first ? SOURCES_ARE_FIRST : 0)));
	for (size_t i = 0; i < sources->count; i++)
		buf_put_big_endian(out, sources->all[i], 8);
	buf_put_bytes(out, table);
}

void frame_put_bucket_ask(struct buf *out, bool is_table, uint8_t number)
{
	put_kind(out, FRAME_BUCKET_ASK);
	buf_put_byte(out, is_table ? BUCKET_IS_TABLE : 0);
	if (!is_table)
		buf_put_byte(out, number);
}

static void put_key(struct buf *out, struct bytes key)
{
	assert(key.size <= FRAME_SNAP_KEY_MAX);
	buf_put_byte(out, (uint8_t)key.size);
	buf_put_bytes(out, key);
}

static void put_place(struct buf *out, const struct snap_place *place)
{
	buf_put_byte(out, (uint8_t)place->part);
	put_key(out, place->key);
}

void frame_put_snap_ask(struct buf *out, uint32_t number, uint8_t chunks, const struct snap_place *from)
{
	put_kind(out, FRAME_SNAP_ASK);
	buf_put_big_endian(out, number, 4);
	buf_put_byte(out, chunks);
	put_place(out, from);
}

static void put_snap_front(struct buf *out, const struct snap_front *front, uint8_t truths)
{
	put_kind(out, FRAME_SNAP);
	buf_put_big_endian(out, front->number, 4);
	buf_put_byte(out, front->left);
	buf_put_byte(out, (uint8_t)front->part);
	mp_put_uint(out, front->total);
	put_place(out, &front->next);
	buf_put_byte(out, truths);
}

void frame_put_snap(struct buf *out, const struct snap_front *front, struct bytes entries)
{
	put_snap_front(out, front, 0);
	buf_put_bytes(out, entries);
}

void frame_put_snap_piece(struct buf *out, const struct snap_front *front, const struct snap_piece *piece)
{
	put_snap_front(out, front, SNAP_IS_PIECE);
	put_key(out, piece->key);
	mp_put_uint(out, piece->size);
	mp_put_uint(out, piece->at);
	buf_put_bytes(out, piece->bytes);
}

void frame_put_entry(struct buf *entries, const struct snap_entry *entry)
{
	put_key(entries, entry->key);
	mp_put_uint(entries, entry->value.size);
	buf_put_bytes(entries, entry->value);
}

void frame_put_ask(struct buf *out, uint32_t number, enum ask_what what, uint32_t within_ms, struct bytes body)
{
	assert(body.size <= FRAME_BODY_MAX);
	put_kind(out, FRAME_ASK);
	buf_put_big_endian(out, number, 4);
	buf_put_byte(out, (uint8_t)what);
	buf_put_big_endian(out, within_ms, 4);
	buf_put_bytes(out, body);
}

void frame_put_answer(struct buf *out, uint32_t number, enum code code, struct bytes body)
{
	assert(body.size <= FRAME_BODY_MAX);
	put_kind(out, FRAME_ANSWER);
	buf_put_big_endian(out, number, 4);
	buf_put_byte(out, (uint8_t)-code);
	buf_put_bytes(out, body);
}

void frame_put_bye(struct buf *out, enum bye_reason reason)
{
	put_kind(out, FRAME_BYE);
	buf_put_byte(out, (uint8_t)reason);
}

static struct frame_list begin(struct buf *out, enum frame_kind kind)
{
	struct frame_list list = { .out = out, .start = out->size };

	put_kind(out, kind);
	return list;
}

struct frame_list frame_begin_statements(struct buf *out)
{
	return begin(out, FRAME_T0_STATEMENTS);
}

struct frame_list frame_begin_frontiers(struct buf *out, enum frame_kind kind, bool is_answer, bool is_whole)
{
	struct frame_list list = begin(out, kind);

	assert(kind == FRAME_INDEX || (kind == FRAME_ACK && !is_answer));
	buf_put_byte(out, (uint8_t)((is_answer ? FRONTIERS_ARE_ANSWER : 0) | (is_whole ? FRONTIERS_ARE_WHOLE : 0)));
	return list;
}

struct frame_list frame_begin_wants(struct buf *out)
{
	return begin(out, FRAME_WANT);
}

struct frame_list frame_begin_gone(struct buf *out)
{
	return begin(out, FRAME_GONE);
}

struct frame_list frame_begin_bucket(struct buf *out, struct sum vector, uint8_t number, bool is_last)
{
	struct frame_list list = begin(out, FRAME_BUCKET);

	buf_put_byte(out, is_last ? BUCKET_IS_LAST : 0);
	put_sum(out, vector);
	buf_put_byte(out, number);
	return list;
}

struct frame_list frame_begin_proofs(struct buf *out)
{
	return begin(out, FRAME_PROOFS);
}

struct frame_list frame_begin_fronts(struct buf *out)
{
	return begin(out, FRAME_FRONTS);
}

struct frame_list frame_begin_old(struct buf *out)
{
	return begin(out, FRAME_OLD);
}

bool frame_has_room(const struct frame_list *list, size_t frontiers)
{
	return list->count + frontiers <= FRAME_FRONTIERS_MAX &&
	       list->out->size - list->start + frontiers * FRAME_ITEM_MAX <= FRAME_MAX;
}

/* Whether an item of that size is the frame's next; if so it counts. */
static bool takes(struct frame_list *list, size_t size, uint32_t most)
{
	const struct buf *out = list->out;

	if (list->count == most || out->is_full || size > out->limit - out->size ||
	    out->size - list->start + size > FRAME_MAX)
		return false;
	list->count++;
	return true;
}

static bool put_item(struct frame_list *list, const struct buf *item, uint32_t most)
{
	if (!takes(list, item->size, most))
		return false;
	buf_put_bytes(list->out, buf_bytes(item));
	return true;
}

static bool put_sized(struct frame_list *list, struct bytes bytes, uint32_t most)
{
	if (!takes(list, 2 + bytes.size, most))
		return false;
	buf_put_big_endian(list->out, bytes.size, 2);
	buf_put_bytes(list->out, bytes);
	return true;
}

bool frame_put_statement(struct frame_list *list, struct bytes statement)
{
	assert(statement.size && statement.size <= STATEMENT_MAX);
	return put_sized(list, statement, FRAME_STATEMENTS_MAX);
}

bool frame_put_frontier(struct frame_list *list, struct stream_table *named, const struct frontier *frontier)
{
	uint8_t room[FRAME_ITEM_MAX];
	struct buf item = buf_over(room, sizeof room);
	uint32_t number;
	bool is_known = stream_table_find(named, frontier->stream, &number);

	if (list->count && !stream_compare(&list->last, &frontier->stream)) {
		buf_put_byte(&item, FRONTIER_AGAIN);
		is_known = true;
	} else if (is_known) {
		mp_put_uint(&item, number + FRONTIER_NUMBERS);
	} else {
		buf_put_byte(&item, FRONTIER_NAMES);
		put_stream(&item, frontier->stream);
	}
	mp_put_uint(&item, frontier->end.seq);
	if (frontier->end.seq)
		put_id(&item, frontier->end.hash);
	if (!put_item(list, &item, FRAME_FRONTIERS_MAX))
		return false;
	list->last = frontier->stream;
	if (!is_known) {
		stream_table_append(named, frontier->stream);
		stream_table_settle(named);
	}
	return true;
}

bool frame_put_want(struct frame_list *list, const struct want *want)
{
	uint8_t room[FRAME_ITEM_MAX];
	struct buf item = buf_over(room, sizeof room);

	put_stream(&item, want->stream);
	mp_put_uint(&item, want->after);
	mp_put_uint(&item, want->until);
	return put_item(list, &item, FRAME_WANTS_MAX);
}

bool frame_put_gone(struct frame_list *list, struct stream stream)
{
	uint8_t room[FRAME_ITEM_MAX];
	struct buf item = buf_over(room, sizeof room);

	put_stream(&item, stream);
	return put_item(list, &item, FRAME_GONE_MAX);
}

bool frame_put_record(struct frame_list *list, const struct record_hash *hash)
{
	uint8_t room[FRAME_ITEM_MAX];
	struct buf item = buf_over(room, sizeof room);

	mp_put_uint(&item, hash->kind);
	put_id(&item, hash->id);
	put_sum(&item, hash->hash);
	return put_item(list, &item, FRAME_RECORDS_MAX);
}

bool frame_put_proof(struct frame_list *list, struct bytes proof)
{
	assert(proof.size && proof.size <= PROOF_MAX);
	return put_sized(list, proof, FRAME_PROOFS_MAX);
}

bool frame_put_front(struct frame_list *list, struct bytes front)
{
	assert(front.size && front.size <= BATCH_FRONT_MAX);
	return put_sized(list, front, FRAME_FRONTS_MAX);
}

bool frame_put_old(struct frame_list *list, const struct frontier *frontier)
{
	uint8_t room[FRAME_ITEM_MAX];
	struct buf item = buf_over(room, sizeof room);

	put_stream(&item, frontier->stream);
	mp_put_uint(&item, frontier->end.seq);
	put_id(&item, frontier->end.hash);
	return put_item(list, &item, FRAME_OLD_MAX);
}
