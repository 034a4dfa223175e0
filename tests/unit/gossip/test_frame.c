/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/frame.h"

#include "crdt/base/text.h"
#include "crdt/log/proof.h"
#include "tests/unit/base/check.h"
#include "tests/unit/gossip/gen_frame.h"

#include <stdio.h>

enum { ROUNDS = 4000, SEED = 20261121 };

static size_t allocations;

void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	allocations++;
	return __real_realloc(memory, size);
}

/* A peer's side of a link and ours: what it has named, and what we were told. */
static struct stream_table named, told;
static struct buf out, again;

static int begin(void **state)
{
	(void)state;
	out = buf_growing(1 << 17);
	again = buf_growing(1 << 17);
	return 0;
}

static int end(void **state)
{
	(void)state;
	stream_table_done(&named);
	stream_table_done(&told);
	buf_done(&out);
	buf_done(&again);
	return 0;
}

static void assert_told_is_named(void)
{
	assert_int_equal(told.count, named.count);
	assert_int_equal(told.settled, named.settled);
	if (told.count) {
		for (size_t i = 0; i < told.count; i++)
			assert_false(stream_compare(&told.all[i], &named.all[i]));
		assert_memory_equal(told.sorted, named.sorted, told.count * sizeof *told.sorted);
	}
}

static enum code read_out(enum link_stage stage, struct frame *ret_frame)
{
	struct err err = { 0 };
	enum code code = frame_read(buf_bytes(&out), stage, &told, ret_frame, &err);

	assert_int_equal(!code, !*err.text);
	return code;
}

static void frames_come_back(void **state)
{
	struct rng rng = rng_from_number(SEED);
	size_t met_known = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		enum frame_kind kind = gen_kind(&rng);
		struct stream_table before = { 0 };
		struct frame frame;

		if (named.count > 300) {
			stream_table_done(&named);
			stream_table_done(&told);
		}
		for (size_t i = 0; i < named.count; i++) {
			stream_table_append(&before, named.all[i]);
			stream_table_settle(&before);
		}
		buf_clear(&out);
		gen_frame(&rng, kind, &named, &out);
		assert_false(out.is_full);
		assert_true(out.size <= FRAME_MAX);
		assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
		assert_int_equal(frame.kind, kind);
		assert_told_is_named();
		met_known += before.count && before.count < told.count;
		buf_clear(&again);
		frame_write_again(&frame, &told, &before, &again);
		assert_int_equal(again.size, out.size);
		assert_memory_equal(again.data, out.data, out.size);
		stream_table_done(&before);
	}
	assert_true(met_known > 100);
}

/* Refused, and the table as it was. */
static void assert_refused(struct bytes bytes, enum code expected)
{
	struct frame frame, untouched;
	struct err err = { 0 };

	memset(&untouched, 0xa5, sizeof untouched);
	frame = untouched;
	assert_int_equal(frame_read(bytes, LINK_MEMBER, &told, &frame, &err), expected);
	assert_true(*err.text);
	assert_memory_equal(&frame, &untouched, sizeof frame);
	assert_told_is_named();
	/* Also without a place for a message. */
	assert_int_equal(frame_read(bytes, LINK_MEMBER, &told, &frame, NULL), expected);
}

/* Whatever a change does to a frame: it is refused without a trace, or what it says now has these bytes alone. */
static void changed_frames_are_refused_or_canonical(void **state)
{
	struct rng rng = rng_from_number(SEED + 1);
	size_t taken = 0, refused = 0;

	(void)state;
	for (int round = 0; round < 3 * ROUNDS; round++) {
		enum frame_kind kind = gen_kind(&rng);
		struct stream_table fresh = { 0 }, other = { 0 };
		struct frame frame;
		size_t at;

		buf_clear(&out);
		gen_frame(&rng, kind, &fresh, &out);
		stream_table_done(&fresh);
		at = rng_below(&rng, out.size < 40 ? out.size : 40);
		if (rng_below(&rng, 3))
			out.data[at] = (uint8_t)rng_u64(&rng);
		else
			out.size = at;
		if (frame_read(buf_bytes(&out), LINK_MEMBER, &fresh, &frame, NULL)) {
			refused++;
			assert_int_equal(fresh.count, 0);
		} else {
			taken++;
			buf_clear(&again);
			frame_write_again(&frame, &fresh, &other, &again);
			if (frame.kind != FRAME_ANSWER || frame.answer.code != E_NEWER)
				assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&again)));
		}
		stream_table_done(&fresh);
		stream_table_done(&other);
	}
	assert_true(taken > ROUNDS / 2 && refused > ROUNDS / 2);
}

#define HASH "abababababababababababababababab"

/* `#` stands for a hash. */
static void put_hex(const char *text)
{
	buf_clear(&out);
	while (*text) {
		size_t size = *text == '#' ? 16 : 1;

		assert_true(hex_read(*text == '#' ? bytes_text(HASH) : bytes_of(text, 2), buf_take(&out, size), size));
		text += *text == '#' ? 1 : 2;
	}
}

static void assert_hex(const char *text)
{
	char room[512];

	assert_true(2 * out.size < sizeof room);
	hex_write(buf_bytes(&out), room);
	assert_string_equal(room, text);
}

static struct frontier frontier_of(uint64_t node, uint64_t seq)
{
	struct frontier frontier = { .stream = { .node = node, .start = 1, .lane = LANE_PEOPLE }, .end.seq = seq };

	if (seq)
		memset(&frontier.end.hash, 0xab, sizeof frontier.end.hash);
	return frontier;
}

/* The bytes themselves: other versions read them. */
static void the_form_is_this(void **state)
{
	struct frontier one = frontier_of(7, 1), two = frontier_of(9, 70000);
	struct frame_list list;

	(void)state;
	frame_put_beat(&out, (struct sum){ .low = 2, .high = 1 });
	assert_hex("08"
		   "00000000000000010000000000000002");
	buf_clear(&out);
	list = frame_begin_frontiers(&out, FRAME_ACK, false, false);
	assert_true(frame_put_frontier(&list, &named, &one));
	assert_true(frame_put_frontier(&list, &named, &two));
	assert_hex("0700"
		   "0000000000000000070101"
		   "01" HASH "0000000000000000090101"
		   "ce00011170" HASH);
	buf_clear(&out);
	list = frame_begin_frontiers(&out, FRAME_ACK, false, false);
	one.end.seq = 300;
	assert_true(frame_put_frontier(&list, &named, &one));
	assert_hex("070002cd012c" HASH);
	assert_int_equal(out.size, 1 + 1 + 1 + 3 + 16);
	buf_clear(&out);
	list = frame_begin_frontiers(&out, FRAME_INDEX, true, true);
	one.end = (struct end){ 0 };
	assert_true(frame_put_frontier(&list, &named, &one));
	assert_hex("0a030200");
	buf_clear(&out);
	list = frame_begin_frontiers(&out, FRAME_ACK, false, false);
	one.end.seq = 6;
	assert_true(frame_put_frontier(&list, &named, &one));
	one.end.seq = 8;
	memset(&one.end.hash, 0xab, sizeof one.end.hash);
	assert_true(frame_put_frontier(&list, &named, &one));
	assert_hex("07000206"
		   "00000000000000000000000000000000"
		   "0108" HASH);
	buf_clear(&out);
	list = frame_begin_old(&out);
	assert_true(frame_put_old(&list, &one));
	assert_hex("14"
		   "00000000000000070101"
		   "08" HASH);
	buf_clear(&out);
	list = frame_begin_wants(&out);
	assert_true(frame_put_want(&list, &(struct want){ one.stream, 5, 200 }));
	assert_hex("0b"
		   "00000000000000070101"
		   "05ccc8");
	buf_clear(&out);
	frame_put_answer(&out, 258, E_ABSENT, bytes_text("x"));
	assert_hex("10"
		   "00000102"
		   "04"
		   "78");
	buf_clear(&out);
	list = frame_begin_proofs(&out);
	assert_true(frame_put_proof(&list, bytes_text("xy")));
	assert_true(frame_put_proof(&list, bytes_text("x")));
	assert_hex("12"
		   "00027879"
		   "000178");
	buf_clear(&out);
	list = frame_begin_fronts(&out);
	assert_true(frame_put_front(&list, bytes_text("x")));
	assert_hex("13"
		   "000178");
	buf_clear(&out);
	frame_put_bye(&out, BYE_TWIN);
	assert_hex("1102");
}

static const struct {
	const char *hex;
	enum code code;
} wrong[] = {
	{ "", E_FORM },
	{ "00", E_FORM },
	{ "7f", E_FORM },
	{ "ff", E_FORM },
	{ "080000000000000001000000000000000200", E_FORM }, /* a byte too many */
	{ "08000000000000000100000000000000", E_FORM },
	{ "070001", E_FORM }, /* once more of nothing */
	{ "07000105#", E_FORM },
	{ "07000205#", E_FORM },                                              /* no such number */
	{ "07ff", E_FORM },                                                   /* no such truths */
	{ "0701", E_FORM },                                                   /* an ack answers nothing */
	{ "0a00000000000000000000010100", E_FORM },                           /* no such node */
	{ "0a00000000000000000007010300", E_FORM },                           /* no such lane */
	{ "0a00000000000000000007cc010100", E_FORM },                         /* not the shortest */
	{ "0a000000000000000000070101cd0001#", E_FORM },                      /* nor this */
	{ "0a000000000000000000070101c0#", E_FORM },                          /* no number */
	{ "0a000000000000000000070101ff#", E_FORM },                          /* below zero */
	{ "0a00000000000000000007010101abab", E_FORM },                       /* half a hash */
	{ "0a00000000000000000007010100000000000000000007010100", E_FORM },   /* twice */
	{ "0a00000000000000000007010100000000000000000006010100", E_FORM },   /* descends */
	{ "0a00000000000000000007010100020500", E_FORM },                     /* not yet numbered */
	{ "0a000000000000000000070101000105#", E_FORM },                      /* one more end than nothing */
	{ "0a00000000000000000007010105#0100", E_FORM },                      /* nothing, and more than that */
	{ "0a00000000000000000007010105#0105#", E_FORM },                     /* one end twice */
	{ "0a00000000000000000007010105#0104#", E_FORM },                     /* ends descend */
	{ "0a00000000000000000007010105#000000000000000007010106#", E_FORM }, /* named for each end */
	{ "0b000000000000000701010505", E_FORM },                             /* wants nothing */
	{ "0b000000000000000701010508000000000000000701010709", E_FORM },     /* overlap */
	{ "0c0000000000000007010100000000000000070101", E_FORM },
	{ "0d03", E_FORM },
	{ "0d01aa", E_FORM },
	{ "0d00", E_FORM },
	{ "0d000705##05##", E_FORM },
	{ "0d000705##04##", E_FORM },
	{ "0d0007cf0000000100000000##", E_FORM }, /* no such kind */
	{ "0e0107", E_FORM },
	{ "0e02", E_FORM },
	{ "0e00", E_FORM },
	{ "09000000000000000007", E_FORM },
	{ "09040000000000000007", E_FORM },
	{ "09010000000000000000", E_FORM },
	{ "0f000000010200000000", E_FORM },
	{ "1100", E_FORM },
	{ "1108", E_FORM },
	{ "120000", E_FORM },
	{ "120002aa", E_FORM },
	{ "1200", E_FORM },
	{ "130000", E_FORM },
	{ "130002aa", E_FORM },
	{ "140000000000000000010105#", E_FORM },
	{ "140000000000000007010305#", E_FORM },
	{ "14000000000000000701010500", E_FORM },
	{ "140000000000000007010100", E_FORM },
	{ "140000000000000007010100#", E_FORM },
	{ "140000000000000007010105#0000000000000007010105#", E_FORM },
	{ "140000000000000007010105#0000000000000006010105#", E_FORM },
	{ "140000000000000007010105#0000000000000007010104#", E_FORM },
	{ "140000000000000007010105#0105#", E_FORM },
	{ "06", E_FORM },
	{ "0204", E_FORM },
	{ "0203abab", E_FORM },
	{ "030000", E_FORM },
	{ "030002aa", E_FORM },
	{ "03f001aa", E_FORM },
	{ "05c3", E_FORM },
	{ "0507", E_FORM },
	{ "01#000000", E_FORM },
	{ "04#", E_FORM },
};

static void what_is_wrong_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		put_hex(wrong[i].hex);
		assert_refused(buf_bytes(&out), wrong[i].code);
	}
}

/* A stream that has a number is not named again, and one that a refused frame named has none. */
static void numbers_are_given_once(void **state)
{
	struct frame frame;
	struct reader list;
	struct frontier frontier = { 0 };

	(void)state;
	put_hex("0a0000000000000000000701010000000000000000000901013f#aa");
	assert_refused(buf_bytes(&out), E_FORM);
	put_hex("0a0000000000000000000901013f#");
	assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
	assert_int_equal(told.count, 1);
	assert_int_equal(read_out(LINK_MEMBER, &frame), E_FORM);
	assert_int_equal(told.count, 1);
	/* The new one comes first, and has number 1 all the same. */
	put_hex("0a00000000000000000007010100023f#");
	assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
	list = frame.index.list;
	assert_true(frame_next_frontier(&list, &told, &frontier));
	assert_int_equal(frontier.stream.node, 7);
	assert_true(frame_next_frontier(&list, &told, &frontier));
	assert_int_equal(frontier.stream.node, 9);
	assert_int_equal(frontier.end.seq, 0x3f);
	assert_false(frame_next_frontier(&list, &told, &frontier));
	put_hex("0a000300023f#");
	assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
	put_hex("0a00023f#0300");
	assert_int_equal(read_out(LINK_MEMBER, &frame), E_FORM);
	put_hex("0a000400");
	assert_int_equal(read_out(LINK_MEMBER, &frame), E_FORM);
	/* For a second end a stream has no number, whether it has one or not. */
	put_hex("0a00023f#0240#");
	assert_int_equal(read_out(LINK_MEMBER, &frame), E_FORM);
	put_hex("0a00023f#0140#0141#");
	assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
	list = frame.index.list;
	frontier = (struct frontier){ 0 };
	for (uint64_t seq = 0x3f; seq <= 0x41; seq++) {
		assert_true(frame_next_frontier(&list, &told, &frontier));
		assert_int_equal(frontier.stream.node, 9);
		assert_int_equal(frontier.end.seq, seq);
	}
	assert_false(frame_next_frontier(&list, &told, &frontier));
}

static void what_is_on_the_edge_is_taken(void **state)
{
	struct frame frame;

	(void)state;
	/* Ranges that touch. */
	put_hex("0b000000000000000701010508000000000000000701010809");
	assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
	/* The last code that there is, and one that a later version may have. */
	put_hex("10000000010c");
	assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
	assert_int_equal(frame.answer.code, E_LOST);
	put_hex("10000000010d");
	assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
	assert_int_equal(frame.answer.code, E_NEWER);
	/* Empty lists: all is said. */
	put_hex("0a03");
	assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
	assert_true(frame.index.is_answer && frame.index.is_whole);
}

static void stages_expect_what_they_expect(void **state)
{
	struct rng rng = rng_from_number(SEED + 2);

	(void)state;
	for (enum frame_kind kind = FRAME_T0_SUM; kind < FRAME_KINDS; kind++) {
		bool is_for_guests = kind <= FRAME_T0_REFUSE || kind == FRAME_BYE;
		struct frame frame;

		buf_clear(&out);
		stream_table_done(&named);
		stream_table_done(&told);
		gen_frame(&rng, kind, &named, &out);
		assert_int_equal(read_out(LINK_GUEST, &frame), is_for_guests ? OK : E_DENIED);
		assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
		assert_non_null(frame_name(kind));
	}
	for (enum bye_reason reason = BYE_STOPPING; reason < BYE_REASONS; reason++)
		assert_non_null(bye_text(reason));
}

/* Puts items until the list is full; the reader takes that, and one item more is too much for it. */
static void frontiers_have_a_limit(void **state)
{
	struct frame_list list;
	struct frontier frontier = { 0 };
	struct frame frame;
	struct reader from;
	uint64_t count = 0;

	(void)state;
	list = frame_begin_frontiers(&out, FRAME_INDEX, false, false);
	while (frontier = frontier_of(count + 1, 3), frame_put_frontier(&list, &named, &frontier))
		count++;
	assert_int_equal(count, FRAME_FRONTIERS_MAX);
	assert_int_equal(named.count, count);
	assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
	assert_told_is_named();
	for (from = frame.index.list, count = 0; frame_next_frontier(&from, &told, &frontier); count++)
		assert_int_equal(frontier.stream.node, count + 1);
	assert_int_equal(count, FRAME_FRONTIERS_MAX);
	list.count = 0;
	frontier = frontier_of(1 << 20, 3);
	assert_true(frame_put_frontier(&list, &named, &frontier));
	stream_table_done(&told);
	assert_int_equal(read_out(LINK_MEMBER, &frame), E_LIMIT);
	assert_int_equal(told.count, 0);
}

static bool put_one(enum frame_kind kind, struct frame_list *list, uint64_t number)
{
	struct record_hash hash = { .kind = (uint32_t)number };

	if (kind == FRAME_WANT)
		return frame_put_want(list, &(struct want){ { number, 1, LANE_BULK }, 0, 1 });
	if (kind == FRAME_GONE)
		return frame_put_gone(list, (struct stream){ number, 1, LANE_BULK });
	if (kind == FRAME_BUCKET)
		return frame_put_record(list, &hash);
	if (kind == FRAME_PROOFS)
		return frame_put_proof(list, bytes_text("one"));
	if (kind == FRAME_FRONTS)
		return frame_put_front(list, bytes_text("one"));
	if (kind == FRAME_OLD) {
		struct frontier frontier = frontier_of(number, 1);

		return frame_put_old(list, &frontier);
	}
	return frame_put_statement(list, bytes_text("one"));
}

static struct frame_list begin_list(enum frame_kind kind)
{
	switch ((int)kind) {
	case FRAME_WANT: return frame_begin_wants(&out);
	case FRAME_GONE: return frame_begin_gone(&out);
	case FRAME_BUCKET: return frame_begin_bucket(&out, (struct sum){ 1, 2 }, 9, true);
	case FRAME_PROOFS: return frame_begin_proofs(&out);
	case FRAME_FRONTS: return frame_begin_fronts(&out);
	case FRAME_OLD: return frame_begin_old(&out);
	default: return frame_begin_statements(&out);
	}
}

static void lists_have_a_limit(void **state)
{
	static const struct {
		enum frame_kind kind;
		uint64_t most;
	} lists[] = {
		{ FRAME_WANT, FRAME_WANTS_MAX },     { FRAME_GONE, FRAME_GONE_MAX },
		{ FRAME_BUCKET, FRAME_RECORDS_MAX }, { FRAME_T0_STATEMENTS, FRAME_STATEMENTS_MAX },
		{ FRAME_PROOFS, FRAME_PROOFS_MAX },  { FRAME_FRONTS, FRAME_FRONTS_MAX },
		{ FRAME_OLD, FRAME_OLD_MAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		enum frame_kind kind = lists[i].kind;
		struct frame_list list;
		struct frame frame;
		uint64_t count = 0;

		buf_clear(&out);
		list = begin_list(kind);
		while (put_one(kind, &list, count + 1))
			count++;
		assert_int_equal(count, lists[i].most);
		assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
		list.count = 0;
		assert_true(put_one(kind, &list, count + 1));
		assert_int_equal(read_out(LINK_MEMBER, &frame), E_LIMIT);
	}
}

static void sizes_have_a_limit(void **state)
{
	static uint8_t room[1 << 17];
	struct bytes statement = bytes_of(room, STATEMENT_MAX);
	struct frame_list list;
	struct frame frame;

	(void)state;
	/* Behind something else: the limit is the frame's own. */
	buf_put(&out, room, 1000);
	list = frame_begin_statements(&out);
	assert_true(frame_put_statement(&list, statement));
	assert_false(frame_put_statement(&list, statement));
	statement.size = FRAME_MAX - (1 + 2 + STATEMENT_MAX) - 2 + 1;
	assert_false(frame_put_statement(&list, statement));
	statement.size--;
	assert_true(frame_put_statement(&list, statement));
	assert_int_equal(out.size, 1000 + FRAME_MAX);
	assert_int_equal(frame_read(bytes_of(out.data + 1000, FRAME_MAX), LINK_GUEST, &told, &frame, NULL), OK);
	list.start += 3;
	statement.size = 1;
	assert_true(frame_put_statement(&list, statement));
	assert_refused(bytes_of(out.data + 1000, FRAME_MAX + 3), E_LIMIT);
	/* A buf that is full sooner ends the frame sooner, whole. */
	buf_done(&out);
	out = buf_growing(1000);
	list = frame_begin_statements(&out);
	statement.size = 600;
	assert_true(frame_put_statement(&list, statement));
	assert_false(frame_put_statement(&list, statement));
	assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
}

static void fields_have_a_limit(void **state)
{
	static uint8_t room[1 << 17];
	struct frame frame;

	(void)state;
	memset(room, 'a', sizeof room);
	room[0] = FRAME_BATCH;
	assert_int_equal(frame_read(bytes_of(room, 1 + BATCH_MAX), LINK_MEMBER, &told, &frame, NULL), OK);
	assert_refused(bytes_of(room, 2 + BATCH_MAX), E_LIMIT);
	assert_refused(bytes_of(room, FRAME_MAX + 1), E_LIMIT);
	room[0] = FRAME_ANSWER;
	assert_int_equal(frame_read(bytes_of(room, 6 + FRAME_BODY_MAX), LINK_MEMBER, &told, &frame, NULL), OK);
	assert_int_equal(frame.answer.code, E_NEWER);
	assert_refused(bytes_of(room, 7 + FRAME_BODY_MAX), E_LIMIT);
	room[0] = FRAME_T0_REFUSE;
	assert_int_equal(frame_read(bytes_of(room, 1 + FRAME_REASON_MAX), LINK_MEMBER, &told, &frame, NULL), OK);
	assert_refused(bytes_of(room, 2 + FRAME_REASON_MAX), E_LIMIT);
	room[0] = FRAME_T0_STATEMENTS;
	room[1] = (uint8_t)(STATEMENT_MAX >> 8);
	room[2] = (uint8_t)STATEMENT_MAX;
	assert_int_equal(frame_read(bytes_of(room, 3 + STATEMENT_MAX), LINK_MEMBER, &told, &frame, NULL), OK);
	room[2]++;
	assert_refused(bytes_of(room, 4 + STATEMENT_MAX), E_FORM);
	room[0] = FRAME_PROOFS;
	room[1] = (uint8_t)(PROOF_MAX >> 8);
	room[2] = (uint8_t)(PROOF_MAX & 255);
	assert_int_equal(frame_read(bytes_of(room, 3 + PROOF_MAX), LINK_MEMBER, &told, &frame, NULL), OK);
	room[2]++;
	assert_refused(bytes_of(room, 4 + PROOF_MAX), E_FORM);
	room[0] = FRAME_FRONTS;
	room[1] = (uint8_t)(BATCH_FRONT_MAX >> 8);
	room[2] = (uint8_t)(BATCH_FRONT_MAX & 255);
	assert_int_equal(frame_read(bytes_of(room, 3 + BATCH_FRONT_MAX), LINK_MEMBER, &told, &frame, NULL), OK);
	room[2]++;
	assert_refused(bytes_of(room, 4 + BATCH_FRONT_MAX), E_FORM);
	room[0] = FRAME_T0_LIST;
	room[1] = 3;
	assert_int_equal(frame_read(bytes_of(room, 2 + 16 * FRAME_HASHES_MAX), LINK_MEMBER, &told, &frame, NULL), OK);
	assert_refused(bytes_of(room, 2 + 16 * (FRAME_HASHES_MAX + 1)), E_LIMIT);
}

static void assert_same_frontier(const struct frontier *a, const struct frontier *b)
{
	assert_false(stream_compare(&a->stream, &b->stream));
	assert_true(end_equal(a->end, b->end));
}

/* What got no number because there is none left is named in full, again and again. */
static void streams_beyond_the_last_number_travel_too(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < STREAM_TABLE_MAX; i++) {
		stream_table_append(&named, (struct stream){ 5 + i, 1, 0 });
		stream_table_append(&told, (struct stream){ 5 + i, 1, 0 });
	}
	stream_table_settle(&named);
	stream_table_settle(&told);
	for (int round = 0; round < 2; round++) {
		struct frontier known = frontier_of(9, 4), beyond = frontier_of(1 << 20, 4), read = { 0 };
		struct frame_list list;
		struct frame frame;

		known.stream.lane = LANE_URGENT;
		buf_clear(&out);
		list = frame_begin_frontiers(&out, FRAME_ACK, false, false);
		assert_true(frame_put_frontier(&list, &named, &known));
		assert_true(frame_put_frontier(&list, &named, &beyond));
		assert_int_equal(out.size, 2 + 1 + 1 + 16 + 1 + 10 + 1 + 16);
		assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
		assert_told_is_named();
		assert_int_equal(told.count, STREAM_TABLE_MAX);
		assert_true(frame_next_frontier(&frame.ack.list, &told, &read));
		assert_same_frontier(&read, &known);
		assert_true(frame_next_frontier(&frame.ack.list, &told, &read));
		assert_same_frontier(&read, &beyond);
	}
}

static void reading_what_is_known_allocates_nothing(void **state)
{
	struct frontier frontier = frontier_of(7, 70000);
	struct frame_list list = frame_begin_frontiers(&out, FRAME_ACK, false, false);
	struct frame frame;
	size_t before;

	(void)state;
	assert_true(frame_put_frontier(&list, &named, &frontier));
	before = allocations;
	assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
	assert_true(allocations > before);
	buf_clear(&out);
	list = frame_begin_frontiers(&out, FRAME_ACK, false, false);
	before = allocations;
	assert_true(frame_put_frontier(&list, &named, &frontier));
	assert_int_equal(read_out(LINK_MEMBER, &frame), OK);
	assert_true(frame_next_frontier(&frame.ack.list, &told, &frontier));
	assert_int_equal(allocations, before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_come_back),
		TEST(changed_frames_are_refused_or_canonical),
		TEST(the_form_is_this),
		TEST(what_is_wrong_is_refused),
		TEST(numbers_are_given_once),
		TEST(what_is_on_the_edge_is_taken),
		TEST(stages_expect_what_they_expect),
		TEST(frontiers_have_a_limit),
		TEST(lists_have_a_limit),
		TEST(sizes_have_a_limit),
		TEST(fields_have_a_limit),
		TEST(streams_beyond_the_last_number_travel_too),
		TEST(reading_what_is_known_allocates_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
