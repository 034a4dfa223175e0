/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/stream_table.h"

#include "tests/unit/base/check.h"

#include <stdlib.h>

enum { ROUNDS = 300, MOST = 400 };

/* Few of each, so that they come again. */
static struct stream some_stream(void)
{
	struct stream stream = { .node = 1 + dice_below(12), .start = 1 + dice_below(5) };

	stream.lane = (enum lane)dice_below(LANES);
	return stream;
}

static int order(const void *a, const void *b)
{
	return stream_compare(a, b);
}

/* The oracle: a list, searched from its start. */
static bool naive_find(const struct stream *all, size_t count, struct stream stream, uint32_t *ret_number)
{
	for (size_t i = 0; i < count; i++)
		if (!stream_compare(&all[i], &stream)) {
			*ret_number = (uint32_t)i;
			return true;
		}
	return false;
}

static void a_table_agrees_with_the_oracle(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct stream naive[MOST], fresh[8];
		struct stream_table table = { 0 };
		size_t count = 0;

		while (count < 150) {
			size_t some = 1 + dice_below(COUNT(fresh));
			uint32_t number, expected;

			for (size_t i = 0; i < some; i++)
				fresh[i] = some_stream();
			qsort(fresh, some, sizeof *fresh, order);
			for (size_t i = 0; i < some; i++)
				if (!naive_find(naive, count, fresh[i], &expected)) {
					naive[count++] = fresh[i];
					stream_table_append(&table, fresh[i]);
				}
			stream_table_settle(&table);
			assert_int_equal(table.count, count);
			for (size_t i = 0; i < 10; i++) {
				struct stream stream = some_stream();
				bool is_there = naive_find(naive, count, stream, &expected);

				assert_int_equal(stream_table_find(&table, stream, &number), is_there);
				if (is_there)
					assert_int_equal(number, expected);
			}
		}
		assert_memory_equal(table.all, naive, count * sizeof *naive);
		stream_table_done(&table);
	}
}

static void a_full_table_gives_no_number(void **state)
{
	struct stream_table table = { 0 };
	uint32_t number;

	(void)state;
	for (uint64_t i = 0; i < STREAM_TABLE_MAX + 10; i++)
		stream_table_append(&table, (struct stream){ .node = 5 + i, .start = 1 });
	stream_table_settle(&table);
	assert_int_equal(table.count, STREAM_TABLE_MAX);
	assert_true(stream_table_find(&table, (struct stream){ 5 + STREAM_TABLE_MAX - 1, 1, 0 }, &number));
	assert_int_equal(number, STREAM_TABLE_MAX - 1);
	assert_false(stream_table_find(&table, (struct stream){ 5 + STREAM_TABLE_MAX, 1, 0 }, &number));
	stream_table_done(&table);
	assert_null(table.all);
	stream_table_done(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_agrees_with_the_oracle),
		cmocka_unit_test(a_full_table_gives_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
