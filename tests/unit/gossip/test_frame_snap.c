/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/text.h"
#include "crdt/gossip/frame_write.h"
#include "crdt/store.h"
#include "tests/unit/base/check.h"

/* The frames of snapshots: their bytes, and those that are none. What is random is test_frame.c's. */

static struct buf out;
static struct stream_table told;

static enum code read_out(struct frame *ret_frame)
{
	return frame_read(buf_bytes(&out), LINK_MEMBER, &told, ret_frame, NULL);
}

static void assert_hex(const char *text)
{
	static char room[4000];

	assert_true(2 * out.size < sizeof room);
	hex_write(buf_bytes(&out), room);
	/* Behind the kind. */
	assert_string_equal(room + 2, text);
}

static void the_form_is_this(void **state)
{
	struct snap_place from = { SNAP_RECORDS, bytes_text("ab") };
	struct snap_front front = { 258, 3, SNAP_LOG, 200, { SNAP_PARTS, { 0 } } };
	struct snap_entry entry = { bytes_text("k"), bytes_text("value") };
	struct snap_piece piece = { bytes_text("k"), bytes_text("va"), 300, 7 };
	struct buf entries = buf_growing(100);

	(void)state;
	buf_clear(&out);
	frame_put_snap_ask(&out, 258, 4, &from);
	assert_hex("00000102"
		   "04"
		   "04026162");
	buf_clear(&out);
	frame_put_entry(&entries, &entry);
	frame_put_snap(&out, &front, buf_bytes(&entries));
	assert_hex("00000102"
		   "03"
		   "05"
		   "ccc8"
		   "0600"
		   "00"
		   "016b"
		   "0576616c7565");
	buf_clear(&out);
	frame_put_snap_piece(&out, &front, &piece);
	assert_hex("00000102"
		   "03"
		   "05"
		   "ccc8"
		   "0600"
		   "01"
		   "016b"
		   "cd012c"
		   "07"
		   "7661");
	buf_done(&entries);
}

static const struct {
	enum frame_kind kind;
	const char *hex;
	enum code code;
} cases[] = {
	{ FRAME_SNAP_ASK, "00000001040100", OK },
	{ FRAME_SNAP_ASK, "00000001140500", OK },
	{ FRAME_SNAP_ASK, "00000001000100", E_FORM },   /* for nothing */
	{ FRAME_SNAP_ASK, "00000001150100", E_FORM },   /* for too much */
	{ FRAME_SNAP_ASK, "00000001040000", E_FORM },   /* no part */
	{ FRAME_SNAP_ASK, "00000001040600", E_FORM },   /* behind all parts */
	{ FRAME_SNAP_ASK, "0000000104010261", E_FORM }, /* half a key */
	{ FRAME_SNAP_ASK, "0000000104010061", E_FORM }, /* a byte too many */
	{ FRAME_SNAP,
	  "000000010004000600"
	  "00",
	  OK },
	{ FRAME_SNAP,
	  "00000001000400060161"
	  "00",
	  E_FORM }, /* a place in what is not there */
	{ FRAME_SNAP,
	  "000000011404000600"
	  "00",
	  E_FORM }, /* more to come than there may */
	{ FRAME_SNAP,
	  "000000010006000600"
	  "00",
	  E_FORM }, /* of no part */
	{ FRAME_SNAP,
	  "000000010004000600"
	  "02",
	  E_FORM }, /* no such truths */
	{ FRAME_SNAP,
	  "000000010004000600"
	  "0001610162"
	  "01620163",
	  OK },
	{ FRAME_SNAP,
	  "000000010004000600"
	  "0001610162"
	  "01610163",
	  E_FORM }, /* twice */
	{ FRAME_SNAP,
	  "000000010004000600"
	  "0001620162"
	  "01610163",
	  E_FORM }, /* descends */
	{ FRAME_SNAP,
	  "000000010004000600"
	  "00000162",
	  E_FORM }, /* without a key */
	{ FRAME_SNAP,
	  "000000010004000600"
	  "0001610262",
	  E_FORM }, /* half a value */
	{ FRAME_SNAP,
	  "000000010004000600"
	  "000161cc0162",
	  E_FORM }, /* not the shortest */
	{ FRAME_SNAP,
	  "000000010004000600"
	  "000161ce00100001",
	  E_FORM }, /* larger than any value */
	{ FRAME_SNAP,
	  "000000010004000600"
	  "01016105036262",
	  OK },
	{ FRAME_SNAP,
	  "000000010004000600"
	  "010161050462"
	  "62",
	  E_FORM }, /* beyond the value's end */
	{ FRAME_SNAP,
	  "000000010004000600"
	  "0101610503",
	  E_FORM }, /* nothing of it */
	{ FRAME_SNAP,
	  "000000010004000600"
	  "010005036262",
	  E_FORM }, /* of nothing */
};

static void what_is_wrong_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct frame frame;
		size_t size = strlen(cases[i].hex) / 2;

		buf_clear(&out);
		buf_put_byte(&out, (uint8_t)cases[i].kind);
		assert_true(hex_read(bytes_text(cases[i].hex), buf_take(&out, size), size));
		if (read_out(&frame) != cases[i].code)
			fail_msg("case %zu: %s", i, cases[i].hex);
	}
}

/* The longest that a donor makes, with the longest front. */
static void the_largest_chunks_fit(void **state)
{
	static const uint8_t key[FRAME_SNAP_KEY_MAX] = { 1 };
	static uint8_t bytes[FRAME_MAX - FRAME_SNAP_FRONT_MAX];
	struct snap_front front = { UINT32_MAX, 19, SNAP_RECORDS, UINT64_MAX, { SNAP_LOG, bytes_of(key, sizeof key) } };
	struct snap_piece piece = { bytes_of(key, sizeof key), bytes_of(bytes, sizeof bytes), STORE_VALUE_MAX,
				    STORE_VALUE_MAX - sizeof bytes };
	struct frame frame;

	(void)state;
	buf_clear(&out);
	frame_put_snap_piece(&out, &front, &piece);
	assert_true(out.size <= FRAME_MAX && !out.is_full);
	assert_int_equal(read_out(&frame), OK);
	assert_int_equal(frame.snap.piece.at + frame.snap.piece.bytes.size, STORE_VALUE_MAX);
	assert_int_equal(frame.snap.left, 19);
	assert_true(bytes_equal(frame.snap.next.key, bytes_of(key, sizeof key)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_form_is_this),
		cmocka_unit_test(what_is_wrong_is_refused),
		cmocka_unit_test(the_largest_chunks_fit),
	};
	int failed;

	out = buf_growing(2 * FRAME_MAX);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_done(&out);
	stream_table_done(&told);
	return failed;
}
