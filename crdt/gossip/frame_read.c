/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/text.h"
#include "crdt/gossip/frame.h"
#include "crdt/gossip/frame_form.h"
#include "crdt/gossip/frame_reading.h"

/* A frame on its way apart. What is wrong in form makes `r` short, and frame_read says so. */
struct reading {
	struct reader r;
	struct frame frame;
	struct stream_table *told;
	struct err *err;
};

typedef enum code read_fields(struct reading *reading);

/* Into `room`, which stays as it is when there are fewer. */
static void read_into(struct reader *r, void *room, size_t size)
{
	const uint8_t *data = read_bytes(r, size);

	if (data)
		memcpy(room, data, size);
}

static struct sum read_sum(struct reader *r)
{
	struct sum sum = { 0 };

	sum.high = read_big_endian(r, 8);
	sum.low = read_big_endian(r, 8);
	return sum;
}

/* No node has the id 0. */
static uint64_t read_node(struct reader *r)
{
	uint64_t node = read_big_endian(r, 8);

	return node ? node : refuse(r);
}

static struct stream read_stream(struct reader *r)
{
	struct stream stream = { 0 };

	stream.node = read_node(r);
	stream.start = read_number(r);
	stream.lane = (enum lane)read_below(r, LANES);
	return stream;
}

/*
 * The items of lists. What a walk after frame_read reads is what frame_read has read, so it meets nothing that is
 * wrong.
 */

static struct bytes read_statement(struct reader *list)
{
	size_t size = read_big_endian(list, 2);

	if (!size || size > STATEMENT_MAX)
		refuse(list);
	return bytes_of(read_bytes(list, size), size);
}

/* `known` streams have numbers. True: the frontier brings one that has none. */
static bool read_frontier(struct reader *list, const struct stream_table *told, size_t known, struct frontier *ret)
{
	uint64_t number = read_number(list);
	bool is_new = number == FRONTIER_NAMES;

	*ret = (struct frontier){ 0 };
	if (is_new)
		ret->stream = read_stream(list);
	else if (number <= known)
		ret->stream = told->all[number - 1];
	else
		refuse(list);
	ret->end.seq = read_number(list);
	if (ret->end.seq)
		read_into(list, ret->end.hash.bytes, sizeof ret->end.hash.bytes);
	return is_new;
}

static struct want read_want(struct reader *list)
{
	struct want want = { .stream = read_stream(list) };

	want.after = read_number(list);
	want.until = read_number(list);
	if (want.after >= want.until)
		refuse(list);
	return want;
}

static struct record_hash read_record_hash(struct reader *list)
{
	struct record_hash hash = { 0 };
	uint64_t kind = read_number(list);

	hash.kind = (uint32_t)(kind <= UINT32_MAX ? kind : refuse(list));
	read_into(list, hash.id.bytes, sizeof hash.id.bytes);
	hash.hash = read_sum(list);
	return hash;
}

bool frame_next_statement(struct reader *list, struct bytes *ret_statement)
{
	if (!reader_left(list))
		return false;
	*ret_statement = read_statement(list);
	return true;
}

bool frame_next_frontier(struct reader *list, const struct stream_table *told, struct frontier *ret_frontier)
{
	if (!reader_left(list))
		return false;
	read_frontier(list, told, told->count, ret_frontier);
	return true;
}

bool frame_next_want(struct reader *list, struct want *ret_want)
{
	if (!reader_left(list))
		return false;
	*ret_want = read_want(list);
	return true;
}

bool frame_next_gone(struct reader *list, struct stream *ret_stream)
{
	if (!reader_left(list))
		return false;
	*ret_stream = read_stream(list);
	return true;
}

bool frame_next_record(struct reader *list, struct record_hash *ret_hash)
{
	if (!reader_left(list))
		return false;
	*ret_hash = read_record_hash(list);
	return true;
}

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
	reading->frame.t0_sum.sum = read_sum(&reading->r);
	reading->frame.t0_sum.count = (uint32_t)read_big_endian(&reading->r, 4);
	reading->frame.t0_sum.wall.ms = read_big_endian(&reading->r, 8);
	if (reading->frame.t0_sum.wall.ms > WALL_MAX_MS)
		refuse(&reading->r);
	return OK;
}

static enum code read_t0_list(struct reading *reading)
{
	uint8_t truths = read_below(&reading->r, 4);
	struct bytes hashes = read_rest(&reading->r);

	if (hashes.size % sizeof(struct id))
		refuse(&reading->r);
	if (hashes.size / sizeof(struct id) > FRAME_HASHES_MAX)
		return too_many(reading, FRAME_HASHES_MAX);
	reading->frame.t0_list.is_first = truths & LIST_IS_FIRST;
	reading->frame.t0_list.is_last = truths & LIST_IS_LAST;
	reading->frame.t0_list.hashes = hashes;
	return OK;
}

static enum code read_t0_statements(struct reading *reading)
{
	reading->frame.t0_statements = reading->r;
	for (uint32_t count = 0; reader_left(&reading->r); count++) {
		if (count == FRAME_STATEMENTS_MAX)
			return too_many(reading, FRAME_STATEMENTS_MAX);
		read_statement(&reading->r);
	}
	return OK;
}

static enum code read_t0_apply(struct reading *reading)
{
	struct reader *r = &reading->r;

	read_into(r, &reading->frame.t0_apply.invite, sizeof reading->frame.t0_apply.invite);
	read_into(r, &reading->frame.t0_apply.key, sizeof reading->frame.t0_apply.key);
	read_into(r, &reading->frame.t0_apply.box_key, sizeof reading->frame.t0_apply.box_key);
	read_into(r, &reading->frame.t0_apply.proof, sizeof reading->frame.t0_apply.proof);
	reading->frame.t0_apply.level = (uint32_t)read_big_endian(r, 4);
	return OK;
}

static enum code read_t0_refuse(struct reading *reading)
{
	struct bytes text = reading->frame.t0_refuse = read_rest(&reading->r);

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
	reading->frame.batch = read_rest(&reading->r);
	if (!reading->frame.batch.size)
		refuse(&reading->r);
	if (reading->frame.batch.size > BATCH_MAX)
		return fail(reading->err, E_LIMIT, "a batch is larger than %d bytes", BATCH_MAX);
	return OK;
}

/* The table learns only from what was checked: so the streams are read a second time. */
static void learn(struct reader list, struct stream_table *told)
{
	size_t known = told->count;
	struct frontier frontier;

	while (reader_left(&list))
		if (read_frontier(&list, told, known, &frontier))
			stream_table_append(told, frontier.stream);
	stream_table_settle(told);
}

static enum code read_frontiers(struct reading *reading)
{
	uint8_t truths = read_below(&reading->r, 4);
	struct frontiers *frontiers = &reading->frame.index;
	struct stream_table *told = reading->told;
	struct frontier frontier, last;
	bool has_new = false;
	uint32_t number;

	if (reading->frame.kind == FRAME_ACK && truths & FRONTIERS_ARE_ANSWER)
		refuse(&reading->r);
	frontiers->is_answer = truths & FRONTIERS_ARE_ANSWER;
	frontiers->is_whole = truths & FRONTIERS_ARE_WHOLE;
	frontiers->list = reading->r;
	for (uint32_t count = 0; reader_left(&reading->r); count++, last = frontier) {
		bool is_new = read_frontier(&reading->r, told, told->count, &frontier);

		if (reading->r.is_short)
			return OK;
		if (count == FRAME_FRONTIERS_MAX)
			return too_many(reading, FRAME_FRONTIERS_MAX);
		if (count && stream_compare(&last.stream, &frontier.stream) >= 0)
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
	reading->frame.beat = read_sum(&reading->r);
	return OK;
}

static enum code read_hint(struct reading *reading)
{
	reading->frame.hint.what = (enum hint_what)read_choice(&reading->r, HINT_KINDS);
	reading->frame.hint.node = read_node(&reading->r);
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
		want = read_want(&reading->r);
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
		stream = read_stream(&reading->r);
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
		hash = read_record_hash(&reading->r);
		if (reading->r.is_short)
			return OK;
		if (count == FRAME_RECORDS_MAX)
			return too_many(reading, FRAME_RECORDS_MAX);
		if (count && order_records(&last, &hash) >= 0)
			return not_ascending(reading);
	}
	return OK;
}

static enum code read_bucket(struct reading *reading)
{
	uint8_t truths = read_below(&reading->r, 3);

	reading->frame.bucket.is_table = truths & BUCKET_IS_TABLE;
	reading->frame.bucket.is_last = truths;
	reading->frame.bucket.vector = read_sum(&reading->r);
	if (truths & BUCKET_IS_TABLE) {
		reading->frame.bucket.table = bytes_of(read_bytes(&reading->r, FRAME_TABLE_SIZE), FRAME_TABLE_SIZE);
		return OK;
	}
	reading->frame.bucket.number = (uint8_t)read_big_endian(&reading->r, 1);
	return read_records(reading);
}

static enum code read_bucket_ask(struct reading *reading)
{
	reading->frame.bucket_ask.is_table = read_below(&reading->r, 2);
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
	*ret_body = read_rest(&reading->r);
	if (ret_body->size > FRAME_BODY_MAX)
		return fail(reading->err, E_LIMIT, "the body of a frame `%s` is larger than %d bytes",
			    frame_name(reading->frame.kind), FRAME_BODY_MAX);
	return OK;
}

static enum code read_ask(struct reading *reading)
{
	reading->frame.ask.number = (uint32_t)read_big_endian(&reading->r, 4);
	reading->frame.ask.what = (enum ask_what)read_choice(&reading->r, ASK_KINDS);
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
	reading->frame.bye = (enum bye_reason)read_choice(&reading->r, BYE_REASONS);
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
};

static const char *const byes[BYE_REASONS] = {
	[BYE_STOPPING] = "the server stops",
	[BYE_TWIN] = "this server runs twice: stop one and evict it, or evict both",
	[BYE_DUPLICATE] = "there is another link between us",
	[BYE_RENEWED] = "a link with new keys took this one's place",
	[BYE_EVICTED] = "this server was evicted from the cluster",
	[BYE_BROKE] = "what this server sent was refused",
	[BYE_STRANGER] = "this server is not a member of the cluster",
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
