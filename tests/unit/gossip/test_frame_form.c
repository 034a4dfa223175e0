/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/text.h"
#include "tests/unit/base/check.h"
#include "tests/unit/gossip/frame_case.h"

#define HASH "abababababababababababababababab"

/* `#` stands for a hash. */
static void put_hex(const char *text)
{
	buf_clear(&frame_out);
	while (*text) {
		size_t size = *text == '#' ? 16 : 1;

		assert_true(hex_read(*text == '#' ? bytes_text(HASH) : bytes_of(text, 2), buf_take(&frame_out, size),
				     size));
		text += *text == '#' ? 1 : 2;
	}
}

static void assert_hex(const char *text)
{
	char room[512];

	assert_true(2 * frame_out.size < sizeof room);
	hex_write(buf_bytes(&frame_out), room);
	assert_string_equal(room, text);
}

/* The bytes themselves: other versions read them. */
static void the_form_is_this(void **state)
{
	struct frontier one = frontier_of(7, 1), two = frontier_of(9, 70000);
	struct frame_list list;

	(void)state;
	frame_put_beat(&frame_out, (struct sum){ .low = 2, .high = 1 });
	assert_hex("08"
		   "00000000000000010000000000000002");
	buf_clear(&frame_out);
	list = frame_begin_frontiers(&frame_out, FRAME_ACK, false, false);
	assert_true(frame_put_frontier(&list, &frame_named, &one));
	assert_true(frame_put_frontier(&list, &frame_named, &two));
	assert_hex("0700"
		   "0000000000000000070101"
		   "01" HASH "0000000000000000090101"
		   "ce00011170" HASH);
	buf_clear(&frame_out);
	list = frame_begin_frontiers(&frame_out, FRAME_ACK, false, false);
	one.end.seq = 300;
	assert_true(frame_put_frontier(&list, &frame_named, &one));
	assert_hex("070002cd012c" HASH);
	assert_int_equal(frame_out.size, 1 + 1 + 1 + 3 + 16);
	buf_clear(&frame_out);
	list = frame_begin_frontiers(&frame_out, FRAME_INDEX, true, true);
	one.end = (struct end){ 0 };
	assert_true(frame_put_frontier(&list, &frame_named, &one));
	assert_hex("0a030200");
	buf_clear(&frame_out);
	frame_put_bye(&frame_out, BYE_TWIN);
	assert_hex("1102");
}

static void the_form_of_several_ends_is_this(void **state)
{
	struct frontier one = frontier_of(7, 1);
	struct frame_list list;

	(void)state;
	stream_table_append(&frame_named, one.stream);
	stream_table_settle(&frame_named);
	one.end = (struct end){ 0 };
	list = frame_begin_frontiers(&frame_out, FRAME_ACK, false, false);
	one.end.seq = 6;
	assert_true(frame_put_frontier(&list, &frame_named, &one));
	one.end.seq = 8;
	memset(&one.end.hash, 0xab, sizeof one.end.hash);
	assert_true(frame_put_frontier(&list, &frame_named, &one));
	assert_hex("07000206"
		   "00000000000000000000000000000000"
		   "0108" HASH);
	buf_clear(&frame_out);
	list = frame_begin_old(&frame_out);
	assert_true(frame_put_old(&list, &one));
	assert_hex("14"
		   "00000000000000070101"
		   "08" HASH);
	buf_clear(&frame_out);
	list = frame_begin_wants(&frame_out);
	assert_true(frame_put_want(&list, &(struct want){ one.stream, 5, 200 }));
	assert_hex("0b"
		   "00000000000000070101"
		   "05ccc8");
	buf_clear(&frame_out);
	frame_put_answer(&frame_out, 258, E_ABSENT, bytes_text("x"));
	assert_hex("10"
		   "00000102"
		   "04"
		   "78");
	buf_clear(&frame_out);
	list = frame_begin_proofs(&frame_out);
	assert_true(frame_put_proof(&list, bytes_text("xy")));
	assert_true(frame_put_proof(&list, bytes_text("x")));
	assert_hex("12"
		   "00027879"
		   "000178");
	buf_clear(&frame_out);
	list = frame_begin_fronts(&frame_out);
	assert_true(frame_put_front(&list, bytes_text("x")));
	assert_hex("13"
		   "000178");
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
	{ "0f000000010600000000", E_FORM },
	{ "1100", E_FORM },
	{ "1109", E_FORM },
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
		frame_assert_refused(buf_bytes(&frame_out), wrong[i].code);
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
	frame_assert_refused(buf_bytes(&frame_out), E_FORM);
	put_hex("0a0000000000000000000901013f#");
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
	assert_int_equal(frame_told.count, 1);
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), E_FORM);
	assert_int_equal(frame_told.count, 1);
	/* The new one comes first, and has number 1 all the same. */
	put_hex("0a00000000000000000007010100023f#");
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
	list = frame.index.list;
	assert_true(frame_next_frontier(&list, &frame_told, &frontier));
	assert_int_equal(frontier.stream.node, 7);
	assert_true(frame_next_frontier(&list, &frame_told, &frontier));
	assert_int_equal(frontier.stream.node, 9);
	assert_int_equal(frontier.end.seq, 0x3f);
	assert_false(frame_next_frontier(&list, &frame_told, &frontier));
	put_hex("0a000300023f#");
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
	put_hex("0a00023f#0300");
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), E_FORM);
	put_hex("0a000400");
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), E_FORM);
	/* For a second end a stream has no number, whether it has one or not. */
	put_hex("0a00023f#0240#");
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), E_FORM);
	put_hex("0a00023f#0140#0141#");
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
	list = frame.index.list;
	frontier = (struct frontier){ 0 };
	for (uint64_t seq = 0x3f; seq <= 0x41; seq++) {
		assert_true(frame_next_frontier(&list, &frame_told, &frontier));
		assert_int_equal(frontier.stream.node, 9);
		assert_int_equal(frontier.end.seq, seq);
	}
	assert_false(frame_next_frontier(&list, &frame_told, &frontier));
}

static void what_is_on_the_edge_is_taken(void **state)
{
	struct frame frame;

	(void)state;
	/* Ranges that touch. */
	put_hex("0b000000000000000701010508000000000000000701010809");
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
	/* The last code that there is, and one that a later version may have. */
	put_hex("10000000010e");
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
	assert_int_equal(frame.answer.code, E_ELSEWHERE);
	put_hex("10000000010f");
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
	assert_int_equal(frame.answer.code, E_NEWER);
	/* Empty lists: all is said. */
	put_hex("0a03");
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
	assert_true(frame.index.is_answer && frame.index.is_whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRAME_TEST(the_form_is_this),
		FRAME_TEST(the_form_of_several_ends_is_this),
		FRAME_TEST(what_is_wrong_is_refused),
		FRAME_TEST(numbers_are_given_once),
		FRAME_TEST(what_is_on_the_edge_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
