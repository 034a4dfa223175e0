/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/gen_frame.h"

#include "crdt/log/proof.h"

#include <assert.h>
#include <stdlib.h>

enum { ITEMS_MAX = 1600, NODES = 6 };

enum frame_kind gen_kind(struct rng *rng)
{
	return (enum frame_kind)(1 + rng_below(rng, FRAME_KINDS - 1));
}

/* Of any length as a number, the least and the largest among them. */
static uint64_t gen_number(struct rng *rng)
{
	uint64_t number = rng_u64(rng) >> rng_below(rng, 64);

	return rng_below(rng, 16) ? number : rng_below(rng, 2) ? 0 : UINT64_MAX;
}

static size_t gen_count(struct rng *rng, size_t most)
{
	if (!rng_below(rng, 64))
		return most;
	return rng_below(rng, rng_below(rng, 8) ? 4 : 40);
}

static struct bytes gen_bytes(struct rng *rng, size_t size)
{
	static uint8_t room[1 << 16];

	rng_fill(rng, room, size < 256 ? size : 256);
	return bytes_of(room, size);
}

static struct sum gen_sum(struct rng *rng)
{
	struct sum sum = { 0 };

	sum.low = rng_u64(rng);
	sum.high = rng_u64(rng);
	return sum;
}

static int order_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int order_streams(const void *a, const void *b)
{
	return stream_compare(a, b);
}

/* Ascending; how many were left when equal ones went. */
static size_t gen_streams(struct rng *rng, size_t count, struct stream *streams)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		bool is_small = rng_below(rng, 4);

		streams[i].node = is_small ? 1 + rng_below(rng, NODES) : rng_u64(rng) | 1;
		streams[i].start = is_small ? 1 : gen_number(rng);
		streams[i].lane = (enum lane)rng_below(rng, LANES);
	}
	qsort(streams, count, sizeof *streams, order_streams);
	for (size_t i = 0; i < count; i++)
		if (!kept || stream_compare(&streams[kept - 1], &streams[i]))
			streams[kept++] = streams[i];
	return kept;
}

static void gen_frontiers(struct rng *rng, enum frame_kind kind, struct stream_table *named, struct buf *out)
{
	static struct stream streams[ITEMS_MAX];
	size_t count = gen_streams(rng, gen_count(rng, ITEMS_MAX), streams);
	bool is_answer = kind == FRAME_INDEX && rng_below(rng, 2);
	struct frame_list list = frame_begin_frontiers(out, kind, is_answer, rng_below(rng, 2));

	for (size_t i = 0; i < count; i++) {
		struct frontier frontier = { .stream = streams[i], .end.seq = gen_number(rng) };
		size_t more = rng_below(rng, 4) ? 0 : rng_below(rng, 5);

		if (frontier.end.seq)
			rng_fill(rng, &frontier.end.hash, sizeof frontier.end.hash);
		if (!frame_put_frontier(&list, named, &frontier))
			break;
		/* Several ends of one stream ascend, by their seqs or by their hashes alone. */
		for (; more && frontier.end.seq && frontier.end.seq < UINT64_MAX; more--) {
			if (rng_below(rng, 2) || frontier.end.hash.bytes[0] == 255)
				frontier.end.seq++;
			else
				frontier.end.hash.bytes[0]++;
			if (!frame_put_frontier(&list, named, &frontier))
				break;
		}
	}
}

static void gen_old(struct rng *rng, struct buf *out)
{
	static struct stream streams[ITEMS_MAX];
	size_t count = gen_streams(rng, gen_count(rng, FRAME_OLD_MAX + 5), streams);
	struct frame_list list = frame_begin_old(out);

	for (size_t i = 0; i < count; i++) {
		struct frontier frontier = { .stream = streams[i], .end.seq = gen_number(rng) };

		if (!frontier.end.seq)
			continue;
		rng_fill(rng, &frontier.end.hash, sizeof frontier.end.hash);
		frame_put_old(&list, &frontier);
	}
}

static void gen_region(struct rng *rng, struct buf *out)
{
	static struct stream streams[FRAME_REGION_MAX];
	static struct region_item items[FRAME_REGION_MAX];
	size_t count = gen_streams(rng, gen_count(rng, FRAME_REGION_MAX), streams);

	for (size_t i = 0; i < count; i++) {
		uint64_t a = gen_number(rng), b = gen_number(rng);

		items[i] = (struct region_item){ streams[i], { .seq = a < b ? a : b }, { .seq = a < b ? b : a } };
		if (items[i].least.seq)
			rng_fill(rng, &items[i].least.hash, sizeof items[i].least.hash);
		if (items[i].most.seq)
			rng_fill(rng, &items[i].most.hash, sizeof items[i].most.hash);
	}
	frame_put_region(out, rng_u64(rng), rng_u64(rng), rng_below(rng, 2), items, count);
}

static void gen_certificates(struct rng *rng, enum frame_kind kind, struct buf *out)
{
	bool are_proofs = kind == FRAME_PROOFS;
	size_t count = gen_count(rng, 300);
	struct frame_list list = are_proofs ? frame_begin_proofs(out) : frame_begin_fronts(out);

	for (size_t i = 0; i < count; i++)
		if (are_proofs)
			frame_put_proof(&list, gen_bytes(rng, 1 + rng_below(rng, PROOF_MAX)));
		else
			frame_put_front(&list, gen_bytes(rng, 1 + rng_below(rng, BATCH_FRONT_MAX)));
}

static void gen_wants(struct rng *rng, struct buf *out)
{
	static struct stream streams[ITEMS_MAX];
	size_t count = gen_streams(rng, gen_count(rng, 300), streams);
	struct frame_list list = frame_begin_wants(out);

	for (size_t i = 0; i < count; i++) {
		uint64_t ends[4] = { gen_number(rng), gen_number(rng), gen_number(rng), gen_number(rng) };

		qsort(ends, COUNT(ends), sizeof *ends, order_numbers);
		for (size_t k = 0; k < COUNT(ends); k += 2)
			if (ends[k] < ends[k + 1])
				frame_put_want(&list, &(struct want){ streams[i], ends[k], ends[k + 1] });
	}
}

static void gen_gone(struct rng *rng, struct buf *out)
{
	static struct stream streams[ITEMS_MAX];
	size_t count = gen_streams(rng, gen_count(rng, 300), streams);
	struct frame_list list = frame_begin_gone(out);

	for (size_t i = 0; i < count; i++)
		frame_put_gone(&list, streams[i]);
}

static void gen_statements(struct rng *rng, struct buf *out)
{
	size_t count = gen_count(rng, 300);
	struct frame_list list = frame_begin_statements(out);

	for (size_t i = 0; i < count; i++) {
		size_t size = 1 + rng_below(rng, rng_below(rng, 50) ? 300 : STATEMENT_MAX);

		frame_put_statement(&list, gen_bytes(rng, size));
	}
}

static void gen_bucket(struct rng *rng, struct buf *out)
{
	size_t count = gen_count(rng, FRAME_RECORDS_MAX + 5);
	struct record_hash hash = { 0 };
	struct frame_list list;

	if (!rng_below(rng, 4)) {
		struct sources sources = { 0 };

		/* Now and then more than there is room for. */
		for (size_t i = gen_count(rng, SOURCES_MAX + 1); i; i--)
			sources_add(&sources, rng_u64(rng));
		sources.is_first = sources.count && rng_below(rng, 2);
		frame_put_bucket_table(out, gen_sum(rng), &sources, gen_bytes(rng, FRAME_TABLE_SIZE));
		return;
	}
	list = frame_begin_bucket(out, gen_sum(rng), (uint8_t)rng_u64(rng), rng_below(rng, 2));
	for (size_t i = 0; i < count; i++) {
		hash.kind += (uint32_t)rng_below(rng, rng_below(rng, 8) ? 3 : 100000);
		rng_fill(rng, &hash.id, sizeof hash.id);
		/* So that those of one kind ascend. */
		hash.id.bytes[0] = (uint8_t)(i >> 8);
		hash.id.bytes[1] = (uint8_t)i;
		hash.hash = gen_sum(rng);
		frame_put_record(&list, &hash);
	}
}

static void gen_t0(struct rng *rng, enum frame_kind kind, struct buf *out)
{
	struct id invite;
	struct key32 key, box_key;
	struct signature proof;

	if (kind == FRAME_T0_SUM) {
		frame_put_t0_sum(out, gen_sum(rng), (uint32_t)rng_u64(rng),
				 (struct wall_time){ rng_below(rng, WALL_MAX_MS + 1) });
		return;
	}
	if (kind == FRAME_T0_LIST) {
		size_t count = gen_count(rng, FRAME_HASHES_MAX);

		frame_put_t0_list(out, rng_below(rng, 2), rng_below(rng, 2), gen_bytes(rng, count * 16));
		return;
	}
	rng_fill(rng, &invite, sizeof invite);
	rng_fill(rng, &key, sizeof key);
	rng_fill(rng, &box_key, sizeof box_key);
	rng_fill(rng, &proof, sizeof proof);
	frame_put_t0_apply(out, invite, key, box_key, proof, (uint32_t)rng_u64(rng));
}

static struct bytes gen_key(struct rng *rng, uint64_t number, uint8_t room[FRAME_SNAP_KEY_MAX])
{
	struct buf key = buf_over(room, FRAME_SNAP_KEY_MAX);

	/* Ascending with the number, whatever follows. */
	buf_put_big_endian(&key, number, 4);
	buf_put_bytes(&key, gen_bytes(rng, rng_below(rng, FRAME_SNAP_KEY_MAX - 3)));
	return buf_bytes(&key);
}

static struct snap_place gen_place(struct rng *rng, unsigned end, uint8_t room[FRAME_SNAP_KEY_MAX])
{
	struct snap_place place = { .part = (enum snap_part)(1 + rng_below(rng, end - 1)) };

	if (place.part < SNAP_PARTS && rng_below(rng, 2))
		place.key = gen_key(rng, rng_u64(rng), room);
	return place;
}

static void gen_snap(struct rng *rng, struct buf *out)
{
	static uint8_t entries_room[FRAME_MAX - FRAME_SNAP_FRONT_MAX];
	struct buf entries = buf_over(entries_room, sizeof entries_room);
	uint8_t next[FRAME_SNAP_KEY_MAX], room[FRAME_SNAP_KEY_MAX];
	struct snap_front front = { .number = (uint32_t)rng_u64(rng), .total = gen_number(rng) };
	size_t count = gen_count(rng, 1000);

	front.left = (uint8_t)rng_below(rng, FRAME_SNAP_CHUNKS_MAX);
	front.part = (enum snap_part)(1 + rng_below(rng, SNAP_PARTS - 1));
	front.next = gen_place(rng, SNAP_PARTS + 1, next);
	if (!rng_below(rng, 3)) {
		struct snap_piece piece = { .at = (uint32_t)rng_below(rng, 1000) };

		piece.bytes = gen_bytes(rng, 1 + rng_below(rng, rng_below(rng, 20) ? 300 : 65000));
		piece.key = gen_key(rng, rng_u64(rng), room);
		piece.size = piece.at + (uint32_t)(piece.bytes.size + rng_below(rng, 1000));
		frame_put_snap_piece(out, &front, &piece);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct snap_entry entry = { .key = gen_key(rng, i, room) };

		entry.value = gen_bytes(rng, rng_below(rng, 60));
		frame_put_entry(&entries, &entry);
	}
	assert(!entries.is_full);
	frame_put_snap(out, &front, buf_bytes(&entries));
}

static void gen_snap_ask(struct rng *rng, struct buf *out)
{
	uint8_t room[FRAME_SNAP_KEY_MAX];
	struct snap_place from = gen_place(rng, SNAP_PARTS, room);

	frame_put_snap_ask(out, (uint32_t)rng_u64(rng), (uint8_t)(1 + rng_below(rng, FRAME_SNAP_CHUNKS_MAX)), &from);
}

static void gen_question(struct rng *rng, enum frame_kind kind, struct buf *out)
{
	struct bytes body = gen_bytes(rng, rng_below(rng, rng_below(rng, 20) ? 200 : FRAME_BODY_MAX + 1));
	uint32_t number = (uint32_t)rng_u64(rng);

	if (kind == FRAME_ASK)
		frame_put_ask(out, number, (enum ask_what)(1 + rng_below(rng, ASK_KINDS - 1)), (uint32_t)rng_u64(rng),
			      body);
	else
		frame_put_answer(out, number, (enum code) - (int)rng_below(rng, 13), body);
}

void gen_frame(struct rng *rng, enum frame_kind kind, struct stream_table *named, struct buf *out)
{
	static const char *reasons[] = { "", "the invite has expired: ask for another", "Schl\xc3\xbcssel" };

	switch (kind) {
	case FRAME_T0_SUM:
	case FRAME_T0_LIST:
	case FRAME_T0_APPLY: gen_t0(rng, kind, out); return;
	case FRAME_T0_STATEMENTS: gen_statements(rng, out); return;
	case FRAME_T0_REFUSE: frame_put_t0_refuse(out, bytes_text(reasons[rng_below(rng, COUNT(reasons))])); return;
	case FRAME_BATCH:
		frame_put_batch(out, gen_bytes(rng, 1 + rng_below(rng, rng_below(rng, 20) ? 400 : BATCH_MAX)));
		return;
	case FRAME_ACK:
	case FRAME_INDEX: gen_frontiers(rng, kind, named, out); return;
	case FRAME_BEAT: frame_put_beat(out, gen_sum(rng)); return;
	case FRAME_HINT:
		frame_put_hint(out, (enum hint_what)(1 + rng_below(rng, HINT_KINDS - 1)), rng_u64(rng) | 1,
			       (uint32_t)rng_u64(rng));
		return;
	case FRAME_WANT: gen_wants(rng, out); return;
	case FRAME_GONE: gen_gone(rng, out); return;
	case FRAME_BUCKET: gen_bucket(rng, out); return;
	case FRAME_BUCKET_ASK: frame_put_bucket_ask(out, rng_below(rng, 2), (uint8_t)rng_u64(rng)); return;
	case FRAME_SNAP_ASK: gen_snap_ask(rng, out); return;
	case FRAME_SNAP: gen_snap(rng, out); return;
	case FRAME_ASK:
	case FRAME_ANSWER: gen_question(rng, kind, out); return;
	case FRAME_BYE: frame_put_bye(out, (enum bye_reason)(1 + rng_below(rng, BYE_REASONS - 1))); return;
	case FRAME_PROOFS:
	case FRAME_FRONTS: gen_certificates(rng, kind, out); return;
	case FRAME_OLD: gen_old(rng, out); return;
	case FRAME_REGION: gen_region(rng, out); return;
	case FRAME_KINDS: break;
	}
	abort();
}

static void frontiers_again(const struct frame *frame, const struct stream_table *told, struct stream_table *named,
			    struct buf *out)
{
	const struct frontiers *frontiers = &frame->index;
	struct frame_list to = frame_begin_frontiers(out, frame->kind, frontiers->is_answer, frontiers->is_whole);
	struct reader from = frontiers->list;
	struct frontier frontier = { 0 };

	while (frame_next_frontier(&from, told, &frontier)) {
		bool is_put = frame_put_frontier(&to, named, &frontier);

		assert(is_put);
	}
	assert(!from.is_short);
}

static void list_again(const struct frame *frame, struct buf *out)
{
	struct frame_list to;
	struct reader from;
	struct bytes statement;
	struct stream stream;
	struct want want;
	bool is_put = true;

	if (frame->kind == FRAME_T0_STATEMENTS) {
		from = frame->t0_statements;
		for (to = frame_begin_statements(out); is_put && frame_next_statement(&from, &statement);)
			is_put = frame_put_statement(&to, statement);
	} else if (frame->kind == FRAME_WANT) {
		from = frame->wants;
		for (to = frame_begin_wants(out); is_put && frame_next_want(&from, &want);)
			is_put = frame_put_want(&to, &want);
	} else {
		from = frame->gone;
		for (to = frame_begin_gone(out); is_put && frame_next_gone(&from, &stream);)
			is_put = frame_put_gone(&to, stream);
	}
	assert(is_put && !from.is_short);
}

static void certificates_again(const struct frame *frame, struct buf *out)
{
	struct frame_list to;
	struct reader from;
	struct frontier frontier;
	struct bytes item;
	bool is_put = true;

	if (frame->kind == FRAME_PROOFS) {
		from = frame->proofs;
		for (to = frame_begin_proofs(out); is_put && frame_next_proof(&from, &item);)
			is_put = frame_put_proof(&to, item);
	} else if (frame->kind == FRAME_FRONTS) {
		from = frame->fronts;
		for (to = frame_begin_fronts(out); is_put && frame_next_front(&from, &item);)
			is_put = frame_put_front(&to, item);
	} else {
		from = frame->old;
		for (to = frame_begin_old(out); is_put && frame_next_old(&from, &frontier);)
			is_put = frame_put_old(&to, &frontier);
	}
	assert(is_put && !from.is_short);
}

static void region_again(const struct frame *frame, struct buf *out)
{
	static struct region_item items[FRAME_REGION_MAX];
	struct reader from = frame->region.items;
	size_t count = 0;

	while (count < FRAME_REGION_MAX && frame_next_region_item(&from, &items[count]))
		count++;
	assert(!from.is_short);
	frame_put_region(out, frame->region.region, frame->region.set, frame->region.is_last, items, count);
}

static void bucket_again(const struct frame *frame, struct buf *out)
{
	struct record_hash hash;
	struct frame_list to;
	struct reader from;

	if (frame->bucket.is_table) {
		assert(frame->bucket.is_last);
		frame_put_bucket_table(out, frame->bucket.vector, &frame->bucket.sources, frame->bucket.table);
		return;
	}
	from = frame->bucket.hashes;
	to = frame_begin_bucket(out, frame->bucket.vector, frame->bucket.number, frame->bucket.is_last);
	while (frame_next_record(&from, &hash)) {
		bool is_put = frame_put_record(&to, &hash);

		assert(is_put);
	}
	assert(!from.is_short);
}

static void snap_again(const struct frame *frame, struct buf *out)
{
	struct snap_front front = { .number = frame->snap.number, .left = frame->snap.left };
	struct reader from = frame->snap.entries;
	struct buf entries = buf_growing(FRAME_MAX);
	struct snap_entry entry;

	front.part = frame->snap.part;
	front.total = frame->snap.total;
	front.next = frame->snap.next;
	if (frame->snap.is_piece) {
		frame_put_snap_piece(out, &front, &frame->snap.piece);
		return;
	}
	while (frame_next_entry(&from, &entry))
		frame_put_entry(&entries, &entry);
	assert(!from.is_short && !entries.is_full);
	frame_put_snap(out, &front, buf_bytes(&entries));
	buf_done(&entries);
}

void frame_write_again(const struct frame *frame, const struct stream_table *told, struct stream_table *named,
		       struct buf *out)
{
	switch (frame->kind) {
	case FRAME_T0_SUM: frame_put_t0_sum(out, frame->t0_sum.sum, frame->t0_sum.count, frame->t0_sum.wall); return;
	case FRAME_T0_LIST:
		frame_put_t0_list(out, frame->t0_list.is_first, frame->t0_list.is_last, frame->t0_list.hashes);
		return;
	case FRAME_T0_STATEMENTS:
	case FRAME_WANT:
	case FRAME_GONE: list_again(frame, out); return;
	case FRAME_T0_APPLY:
		frame_put_t0_apply(out, frame->t0_apply.invite, frame->t0_apply.key, frame->t0_apply.box_key,
				   frame->t0_apply.proof, frame->t0_apply.level);
		return;
	case FRAME_T0_REFUSE: frame_put_t0_refuse(out, frame->t0_refuse); return;
	case FRAME_BATCH: frame_put_batch(out, frame->batch); return;
	case FRAME_ACK:
	case FRAME_INDEX: frontiers_again(frame, told, named, out); return;
	case FRAME_BEAT: frame_put_beat(out, frame->beat); return;
	case FRAME_HINT: frame_put_hint(out, frame->hint.what, frame->hint.node, frame->hint.number); return;
	case FRAME_BUCKET: bucket_again(frame, out); return;
	case FRAME_BUCKET_ASK: frame_put_bucket_ask(out, frame->bucket_ask.is_table, frame->bucket_ask.number); return;
	case FRAME_SNAP_ASK:
		frame_put_snap_ask(out, frame->snap_ask.number, frame->snap_ask.chunks, &frame->snap_ask.from);
		return;
	case FRAME_SNAP: snap_again(frame, out); return;
	case FRAME_ASK:
		frame_put_ask(out, frame->ask.number, frame->ask.what, frame->ask.within_ms, frame->ask.body);
		return;
	case FRAME_ANSWER: frame_put_answer(out, frame->answer.number, frame->answer.code, frame->answer.body); return;
	case FRAME_BYE: frame_put_bye(out, frame->bye); return;
	case FRAME_PROOFS:
	case FRAME_FRONTS:
	case FRAME_OLD: certificates_again(frame, out); return;
	case FRAME_REGION: region_again(frame, out); return;
	case FRAME_KINDS: break;
	}
	abort();
}
