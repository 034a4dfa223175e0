/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/text.h"
#include "crdt/gossip/frame_form.h"
#include "crdt/gossip/frame_inside.h"
#include "crdt/log/proof.h"

/* A frame on its way apart. What is wrong in form makes `r` short, and frame_read says so. */
struct reading {
	struct reader r;
	struct frame frame;
	struct stream_table *told;
	struct err *err;
};

typedef enum code read_fields(struct reading *reading);

/* The kinds. */

static enum code too_many(const struct reading *reading, uint32_t most)
{
	return fail(reading->err, E_LIMIT, "a frame `%s` has more than %u items", frame_name(reading->frame.kind),
		    (unsigned)most);
}

static enum code not_ascending(const struct reading *reading)
{
	return fail(reading->err, E_FORM, "the items of a frame `%s` do not ascend", frame_name(reading->frame.kind));
}

static enum code read_t0_sum(struct reading *reading)
{
	reading->frame.t0_sum.sum = frame_read_sum(&reading->r);
	reading->frame.t0_sum.count = (uint32_t)read_big_endian(&reading->r, 4);
	reading->frame.t0_sum.wall.ms = read_big_endian(&reading->r, 8);
	if (reading->frame.t0_sum.wall.ms > WALL_MAX_MS)
		frame_refuse(&reading->r);
	return OK;
}

static enum code read_t0_list(struct reading *reading)
{
	uint8_t truths = frame_read_below(&reading->r, 4);
	struct bytes hashes = frame_read_rest(&reading->r);

	if (hashes.size % sizeof(struct id))
		frame_refuse(&reading->r);
	if (hashes.size / sizeof(struct id) > FRAME_HASHES_MAX)
		return too_many(reading, FRAME_HASHES_MAX);
	reading->frame.t0_list.is_first = truths & LIST_IS_FIRST;
	reading->frame.t0_list.is_last = truths & LIST_IS_LAST;
	reading->frame.t0_list.hashes = hashes;
	return OK;
}

/* Items with their sizes, each of at most `largest` bytes. */
static enum code read_sized(struct reading *reading, struct reader *ret_list, size_t largest, uint32_t most)
{
	*ret_list = reading->r;
	for (uint32_t count = 0; reader_left(&reading->r); count++) {
		if (count == most)
			return too_many(reading, most);
		frame_read_item(&reading->r, largest);
	}
	return OK;
}

static enum code read_t0_statements(struct reading *reading)
{
	return read_sized(reading, &reading->frame.t0_statements, STATEMENT_MAX, FRAME_STATEMENTS_MAX);
}

static enum code read_t0_apply(struct reading *reading)
{
	struct reader *r = &reading->r;

	frame_read_into(r, &reading->frame.t0_apply.invite, sizeof reading->frame.t0_apply.invite);
	frame_read_into(r, &reading->frame.t0_apply.key, sizeof reading->frame.t0_apply.key);
	frame_read_into(r, &reading->frame.t0_apply.box_key, sizeof reading->frame.t0_apply.box_key);
	frame_read_into(r, &reading->frame.t0_apply.proof, sizeof reading->frame.t0_apply.proof);
	reading->frame.t0_apply.level = (uint32_t)read_big_endian(r, 4);
	return OK;
}

static enum code read_t0_refuse(struct reading *reading)
{
	struct bytes text = reading->frame.t0_refuse = frame_read_rest(&reading->r);

	if (text.size > FRAME_REASON_MAX)
		return fail(reading->err, E_LIMIT, "a refusal is longer than %d bytes", FRAME_REASON_MAX);
	while (text.size) {
		uint32_t point;
		size_t size = text_decode(text, &point);

		if (!size || text_is_refused(point))
			return fail(reading->err, E_FORM, "a refusal has characters that no text of ours has");
		text = bytes_of(text.data + size, text.size - size);
	}
	return OK;
}

static enum code read_batch(struct reading *reading)
{
	reading->frame.batch = frame_read_rest(&reading->r);
	if (!reading->frame.batch.size)
		frame_refuse(&reading->r);
	if (reading->frame.batch.size > BATCH_MAX)
		return fail(reading->err, E_LIMIT, "a batch is larger than %d bytes", BATCH_MAX);
	return OK;
}

/* The table learns only from what was checked: so the streams are read a second time. */
static void learn(struct reader list, struct stream_table *told)
{
	size_t known = told->count;
	struct frontier frontier = { 0 };

	while (reader_left(&list))
		if (frame_read_frontier(&list, told, known, &frontier))
			stream_table_append(told, frontier.stream);
	stream_table_settle(told);
}

/* Several ends of one stream ascend too, and none of them is nothing. */
static bool frontier_ascends(const struct frontier *a, const struct frontier *b)
{
	int order = stream_compare(&a->stream, &b->stream);

	if (order || !a->end.seq)
		return order < 0;
	return a->end.seq < b->end.seq ||
	       (a->end.seq == b->end.seq && memcmp(&a->end.hash, &b->end.hash, sizeof a->end.hash) < 0);
}

static enum code read_frontiers(struct reading *reading)
{
	uint8_t truths = frame_read_below(&reading->r, 4);
	struct frontiers *frontiers = &reading->frame.index;
	struct stream_table *told = reading->told;
	struct frontier frontier = { 0 }, last = { 0 };
	bool has_new = false;
	uint32_t number;

	if (reading->frame.kind == FRAME_ACK && truths & FRONTIERS_ARE_ANSWER)
		frame_refuse(&reading->r);
	frontiers->is_answer = truths & FRONTIERS_ARE_ANSWER;
	frontiers->is_whole = truths & FRONTIERS_ARE_WHOLE;
	frontiers->list = reading->r;
	for (uint32_t count = 0; reader_left(&reading->r); count++, last = frontier) {
		bool is_new = frame_read_frontier(&reading->r, told, told->count, &frontier);

		if (reading->r.is_short)
			return OK;
		if (count == FRAME_FRONTIERS_MAX)
			return too_many(reading, FRAME_FRONTIERS_MAX);
		if (count && !frontier_ascends(&last, &frontier))
			return not_ascending(reading);
		if (is_new && stream_table_find(told, frontier.stream, &number))
			return fail(reading->err, E_FORM, "a frame `%s` names a stream that has a number",
				    frame_name(reading->frame.kind));
		has_new |= is_new;
	}
	if (has_new)
		learn(frontiers->list, told);
	return OK;
}

static enum code read_beat(struct reading *reading)
{
	reading->frame.beat = frame_read_sum(&reading->r);
	return OK;
}

static enum code read_hint(struct reading *reading)
{
	reading->frame.hint.what = (enum hint_what)frame_read_choice(&reading->r, HINT_KINDS);
	reading->frame.hint.node = frame_read_node(&reading->r);
	reading->frame.hint.number = (uint32_t)read_big_endian(&reading->r, 4);
	return OK;
}

static bool want_ascends(const struct want *a, const struct want *b)
{
	int order = stream_compare(&a->stream, &b->stream);

	return order < 0 || (!order && a->until <= b->after);
}

static enum code read_wants(struct reading *reading)
{
	struct want want, last;

	reading->frame.wants = reading->r;
	for (uint32_t count = 0; reader_left(&reading->r); count++, last = want) {
		want = frame_read_want(&reading->r);
		if (reading->r.is_short)
			return OK;
		if (count == FRAME_WANTS_MAX)
			return too_many(reading, FRAME_WANTS_MAX);
		if (count && !want_ascends(&last, &want))
			return not_ascending(reading);
	}
	return OK;
}

static enum code read_gone(struct reading *reading)
{
	struct stream stream, last;

	reading->frame.gone = reading->r;
	for (uint32_t count = 0; reader_left(&reading->r); count++, last = stream) {
		stream = frame_read_stream(&reading->r);
		if (reading->r.is_short)
			return OK;
		if (count == FRAME_GONE_MAX)
			return too_many(reading, FRAME_GONE_MAX);
		if (count && stream_compare(&last, &stream) >= 0)
			return not_ascending(reading);
	}
	return OK;
}

static int order_records(const struct record_hash *a, const struct record_hash *b)
{
	return a->kind != b->kind ? (a->kind > b->kind ? 1 : -1) : memcmp(&a->id, &b->id, sizeof a->id);
}

static enum code read_records(struct reading *reading)
{
	struct record_hash hash, last;

	reading->frame.bucket.hashes = reading->r;
	for (uint32_t count = 0; reader_left(&reading->r); count++, last = hash) {
		hash = frame_read_record(&reading->r);
		if (reading->r.is_short)
			return OK;
		if (count == FRAME_RECORDS_MAX)
			return too_many(reading, FRAME_RECORDS_MAX);
		if (count && order_records(&last, &hash) >= 0)
			return not_ascending(reading);
	}
	return OK;
}

/* They ascend, and 0, which is anybody, stands alone. */
static enum code read_sources(struct reading *reading)
{
	struct sources *sources = &reading->frame.bucket.sources;
	uint8_t head = frame_read_below(&reading->r, 2 * SOURCES_ARE_FIRST);
	size_t count = head % SOURCES_ARE_FIRST;

	/* Whoever is proven has none, and is not the first of anything. */
	if (count > SOURCES_MAX || head == SOURCES_ARE_FIRST)
		frame_refuse(&reading->r);
	for (size_t i = 0; !reading->r.is_short && i < count; i++) {
		sources->all[i] = read_big_endian(&reading->r, 8);
		if (i && !reading->r.is_short && (!sources->all[0] || sources->all[i] <= sources->all[i - 1]))
			return not_ascending(reading);
	}
	sources->count = count;
	sources->is_first = head & SOURCES_ARE_FIRST;
	return OK;
}

static enum code read_bucket(struct reading *reading)
{
	uint8_t truths = frame_read_below(&reading->r, 3);

	reading->frame.bucket.is_table = truths & BUCKET_IS_TABLE;
	reading->frame.bucket.is_last = truths;
	reading->frame.bucket.vector = frame_read_sum(&reading->r);
	if (truths & BUCKET_IS_TABLE) {
		enum code code = read_sources(reading);

		reading->frame.bucket.table = bytes_of(read_bytes(&reading->r, FRAME_TABLE_SIZE), FRAME_TABLE_SIZE);
		return code;
	}
	reading->frame.bucket.number = (uint8_t)read_big_endian(&reading->r, 1);
	return read_records(reading);
}

static enum code read_bucket_ask(struct reading *reading)
{
	reading->frame.bucket_ask.is_table = frame_read_below(&reading->r, 2);
	if (!reading->frame.bucket_ask.is_table)
		reading->frame.bucket_ask.number = (uint8_t)read_big_endian(&reading->r, 1);
	return OK;
}

static enum code read_snap_ask(struct reading *reading)
{
	frame_read_snap_ask(&reading->r, &reading->frame);
	return OK;
}

static enum code read_snap(struct reading *reading)
{
	frame_read_snap(&reading->r, &reading->frame);
	return OK;
}

static enum code read_body(struct reading *reading, struct bytes *ret_body)
{
	*ret_body = frame_read_rest(&reading->r);
	if (ret_body->size > FRAME_BODY_MAX)
		return fail(reading->err, E_LIMIT, "the body of a frame `%s` is larger than %d bytes",
			    frame_name(reading->frame.kind), FRAME_BODY_MAX);
	return OK;
}

static enum code read_ask(struct reading *reading)
{
	reading->frame.ask.number = (uint32_t)read_big_endian(&reading->r, 4);
	reading->frame.ask.what = (enum ask_what)frame_read_choice(&reading->r, ASK_KINDS);
	reading->frame.ask.within_ms = (uint32_t)read_big_endian(&reading->r, 4);
	return read_body(reading, &reading->frame.ask.body);
}

static enum code read_answer(struct reading *reading)
{
#define X(name, number, http, text) +1
	enum { CODES = 0 ERR_CODES(X) };
#undef X
	uint64_t number;

	reading->frame.answer.number = (uint32_t)read_big_endian(&reading->r, 4);
	number = read_big_endian(&reading->r, 1);
	reading->frame.answer.code = number < CODES ? (enum code) - (int)number : E_NEWER;
	return read_body(reading, &reading->frame.answer.body);
}

static enum code read_bye(struct reading *reading)
{
	reading->frame.bye = (enum bye_reason)frame_read_choice(&reading->r, BYE_REASONS);
	return OK;
}

static enum code read_proofs(struct reading *reading)
{
	return read_sized(reading, &reading->frame.proofs, PROOF_MAX, FRAME_PROOFS_MAX);
}

static enum code read_fronts(struct reading *reading)
{
	return read_sized(reading, &reading->frame.fronts, BATCH_FRONT_MAX, FRAME_FRONTS_MAX);
}

static enum code read_old(struct reading *reading)
{
	struct frontier frontier, last = { 0 };

	reading->frame.old = reading->r;
	for (uint32_t count = 0; reader_left(&reading->r); count++, last = frontier) {
		frontier = frame_read_named(&reading->r);
		if (reading->r.is_short)
			return OK;
		if (count == FRAME_OLD_MAX)
			return too_many(reading, FRAME_OLD_MAX);
		if (count && !frontier_ascends(&last, &frontier))
			return not_ascending(reading);
	}
	return OK;
}

static enum code read_region(struct reading *reading)
{
	struct stream last = { .node = 0 };

	frame_read_region(&reading->r, &reading->frame);
	for (uint32_t count = 0; !reading->r.is_short && reader_left(&reading->r); count++) {
		if (count == FRAME_REGION_MAX)
			return too_many(reading, FRAME_REGION_MAX);
		if (!frame_read_region_item(&reading->r, &last))
			return not_ascending(reading);
	}
	return OK;
}

enum { GUEST = BIT(LINK_GUEST), MEMBER = BIT(LINK_MEMBER), BOTH = GUEST | MEMBER };

/* Each kind: its name, the stages that take it, and its fields. */
static const struct {
	const char *name;
	unsigned stages;
	read_fields *read;
} kinds[FRAME_KINDS] = {
	[FRAME_T0_SUM] = { "t0_sum", BOTH, read_t0_sum },
	[FRAME_T0_LIST] = { "t0_list", BOTH, read_t0_list },
	[FRAME_T0_STATEMENTS] = { "t0_statements", BOTH, read_t0_statements },
	[FRAME_T0_APPLY] = { "t0_apply", BOTH, read_t0_apply },
	[FRAME_T0_REFUSE] = { "t0_refuse", BOTH, read_t0_refuse },
	[FRAME_BATCH] = { "batch", MEMBER, read_batch },
	[FRAME_ACK] = { "ack", MEMBER, read_frontiers },
	[FRAME_BEAT] = { "beat", MEMBER, read_beat },
	[FRAME_HINT] = { "hint", MEMBER, read_hint },
	[FRAME_INDEX] = { "index", MEMBER, read_frontiers },
	[FRAME_WANT] = { "want", MEMBER, read_wants },
	[FRAME_GONE] = { "gone", MEMBER, read_gone },
	[FRAME_BUCKET] = { "bucket", MEMBER, read_bucket },
	[FRAME_BUCKET_ASK] = { "bucket_ask", MEMBER, read_bucket_ask },
	[FRAME_SNAP_ASK] = { "snap_ask", MEMBER, read_snap_ask },
	[FRAME_SNAP] = { "snap", MEMBER, read_snap },
	[FRAME_ASK] = { "ask", MEMBER, read_ask },
	[FRAME_ANSWER] = { "answer", MEMBER, read_answer },
	[FRAME_BYE] = { "bye", BOTH, read_bye },
	[FRAME_PROOFS] = { "proofs", MEMBER, read_proofs },
	[FRAME_FRONTS] = { "fronts", MEMBER, read_fronts },
	[FRAME_OLD] = { "old", MEMBER, read_old },
	[FRAME_REGION] = { "region", MEMBER, read_region },
};

static const char *const byes[BYE_REASONS] = {
	[BYE_STOPPING] = "the server stops",
	[BYE_TWIN] = "this server runs twice: stop one and evict it, or evict both",
	[BYE_DUPLICATE] = "there is another link between us",
	[BYE_RENEWED] = "a link with new keys took this one's place",
	[BYE_EVICTED] = "this server was evicted from the cluster",
	[BYE_BROKE] = "what this server sent was refused",
	[BYE_STRANGER] = "this server is not a member of the cluster",
	[BYE_SPARE] = "no link between us is needed",
};

const char *frame_name(enum frame_kind kind)
{
	return kinds[kind].name;
}

const char *bye_text(enum bye_reason reason)
{
	return byes[reason];
}

static enum code read_kind(struct reading *reading, enum link_stage stage)
{
	uint64_t kind = read_big_endian(&reading->r, 1);

	if (!kind || kind >= FRAME_KINDS)
		return fail(reading->err, E_FORM, "a frame is of kind %u, which this version does not know",
			    (unsigned)kind);
	if (!(kinds[kind].stages & BIT(stage)))
		return fail(reading->err, E_DENIED,
			    "a frame `%s` is not expected from one that is not known as a member", kinds[kind].name);
	reading->frame.kind = (enum frame_kind)kind;
	return kinds[kind].read(reading);
}

enum code frame_read(struct bytes bytes, enum link_stage stage, struct stream_table *told, struct frame *ret_frame,
		     struct err *err)
{
	struct reading reading;
	enum code code;

	/* All of it: an initializer would zero the first member of the union alone. */
	memset(&reading, 0, sizeof reading);
	reading.r = reader_over(bytes);
	reading.told = told;
	reading.err = err;
	if (!bytes.size)
		return fail(err, E_FORM, "a frame is empty");
	if (bytes.size > FRAME_MAX)
		return fail(err, E_LIMIT, "a frame is larger than %d bytes", FRAME_MAX);
	code = read_kind(&reading, stage);
	if (code)
		return code;
	if (reading.r.is_short)
		return fail(err, E_FORM, "a frame `%s` ends too early, or a field of it has a form that none has",
			    frame_name(reading.frame.kind));
	if (reading.r.at != reading.r.end)
		return fail(err, E_FORM, "a frame `%s` has %zu bytes too many", frame_name(reading.frame.kind),
			    reader_left(&reading.r));
	*ret_frame = reading.frame;
	return OK;
}
