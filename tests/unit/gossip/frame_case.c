/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/frame_case.h"

#include "tests/unit/base/check.h"

struct stream_table frame_named, frame_told;
struct buf frame_out, frame_again;

int frame_begin(void **state)
{
	(void)state;
	frame_out = buf_growing(1 << 17);
	frame_again = buf_growing(1 << 17);
	return 0;
}

int frame_end(void **state)
{
	(void)state;
	stream_table_done(&frame_named);
	stream_table_done(&frame_told);
	buf_done(&frame_out);
	buf_done(&frame_again);
	return 0;
}

void frame_assert_told(void)
{
	assert_int_equal(frame_told.count, frame_named.count);
	assert_int_equal(frame_told.settled, frame_named.settled);
	if (frame_told.count) {
		for (size_t i = 0; i < frame_told.count; i++)
			assert_false(stream_compare(&frame_told.all[i], &frame_named.all[i]));
		assert_memory_equal(frame_told.sorted, frame_named.sorted,
				    frame_told.count * sizeof *frame_told.sorted);
	}
}

enum code frame_read_out(enum link_stage stage, struct frame *ret_frame)
{
	struct err err = { 0 };
	enum code code = frame_read(buf_bytes(&frame_out), stage, &frame_told, ret_frame, &err);

	assert_int_equal(!code, !*err.text);
	return code;
}

/* Refused, and the table as it was. */
void frame_assert_refused(struct bytes bytes, enum code expected)
{
	struct frame frame, untouched;
	struct err err = { 0 };

	memset(&untouched, 0xa5, sizeof untouched);
	frame = untouched;
	assert_int_equal(frame_read(bytes, LINK_MEMBER, &frame_told, &frame, &err), expected);
	assert_true(*err.text);
	assert_memory_equal(&frame, &untouched, sizeof frame);
	frame_assert_told();
	/* Also without a place for a message. */
	assert_int_equal(frame_read(bytes, LINK_MEMBER, &frame_told, &frame, NULL), expected);
}

struct frontier frontier_of(uint64_t node, uint64_t seq)
{
	struct frontier frontier = { .stream = { .node = node, .start = 1, .lane = LANE_PEOPLE }, .end.seq = seq };

	if (seq)
		memset(&frontier.end.hash, 0xab, sizeof frontier.end.hash);
	return frontier;
}
