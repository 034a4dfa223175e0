/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is special about the frame that says what a region acknowledged; that any of them is read as it was written is
 * test_frame.c's.
 */

#include "crdt/gossip/frame_write.h"
#include "tests/unit/base/check.h"

static struct region_item item_of(uint64_t node, uint64_t least, uint64_t most)
{
	return (struct region_item){ { node, 1, LANE_PEOPLE }, { .seq = least }, { .seq = most } };
}

static enum code read_items(const struct region_item *items, size_t count, struct frame *ret_frame)
{
	static uint8_t room[2 * FRAME_MAX];
	static struct stream_table told;
	struct buf out = buf_over(room, sizeof room);

	frame_put_region(&out, 7, 3, true, items, count);
	return frame_read(buf_bytes(&out), LINK_MEMBER, &told, ret_frame, NULL);
}

static void items_are_read_as_they_were_written(void **state)
{
	struct region_item items[2] = { item_of(1, 0, 4), item_of(2, 5, 5) }, item;
	struct frame frame;
	struct reader list;

	(void)state;
	items[1].least.hash.bytes[3] = 9;
	items[1].most.hash.bytes[0] = 8;
	assert_int_equal(read_items(items, 2, &frame), OK);
	assert_int_equal(frame.kind, FRAME_REGION);
	assert_int_equal(frame.region.region, 7);
	assert_int_equal(frame.region.set, 3);
	assert_true(frame.region.is_last);
	list = frame.region.items;
	for (size_t i = 0; i < 2; i++) {
		assert_true(frame_next_region_item(&list, &item));
		assert_int_equal(stream_compare(&item.stream, &items[i].stream), 0);
		assert_true(end_equal(item.least, items[i].least));
		assert_true(end_equal(item.most, items[i].most));
	}
	assert_false(frame_next_region_item(&list, &item));
}

static void the_least_is_no_more_than_the_greatest(void **state)
{
	struct region_item item = item_of(1, 5, 4);
	struct frame frame;

	(void)state;
	assert_int_equal(read_items(&item, 1, &frame), E_FORM);
}

static void streams_ascend(void **state)
{
	struct region_item twice[2] = { item_of(1, 1, 1), item_of(1, 1, 1) };
	struct region_item down[2] = { item_of(2, 1, 1), item_of(1, 1, 1) };
	struct frame frame;

	(void)state;
	assert_int_equal(read_items(twice, 2, &frame), E_FORM);
	assert_int_equal(read_items(down, 2, &frame), E_FORM);
}

/* The largest items fit, and one more than there may be is refused. */
static void items_have_a_limit(void **state)
{
	static struct region_item items[FRAME_REGION_MAX + 1];
	struct frame frame;

	(void)state;
	for (uint64_t i = 0; i < COUNT(items); i++) {
		items[i] = item_of(UINT64_MAX / 2 + i, UINT64_MAX, UINT64_MAX);
		items[i].stream.start = UINT64_MAX;
	}
	assert_int_equal(read_items(items, FRAME_REGION_MAX, &frame), OK);
	for (uint64_t i = 0; i < COUNT(items); i++)
		items[i] = item_of(1 + i, 0, 1);
	assert_int_equal(read_items(items, FRAME_REGION_MAX + 1, &frame), E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_are_read_as_they_were_written),
		cmocka_unit_test(the_least_is_no_more_than_the_greatest),
		cmocka_unit_test(streams_ascend),
		cmocka_unit_test(items_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
