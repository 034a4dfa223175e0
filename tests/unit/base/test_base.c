/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/base.h"

#include "tests/unit/base/check.h"

enum { ROUNDS = 50000, LONGEST = 6 };

/* The oracle: each byte moved up by one, and 0 for the end, which comes before every byte. */
static int naive_compare(struct bytes a, struct bytes b)
{
	for (size_t i = 0;; i++) {
		int of_a = i < a.size ? a.data[i] + 1 : 0, of_b = i < b.size ? b.data[i] + 1 : 0;

		if (of_a != of_b)
			return of_a < of_b ? -1 : 1;
		if (!of_a)
			return 0;
	}
}

static int sign(int order)
{
	return (order > 0) - (order < 0);
}

static struct bytes random_bytes(uint8_t room[LONGEST])
{
	static const uint8_t letters[] = { 0, 1, 0x7f, 0x80, 0xff };

	for (size_t i = 0; i < LONGEST; i++)
		room[i] = letters[dice_below(COUNT(letters))];
	return bytes_of(room, dice_below(LONGEST + 1));
}

static void bytes_order_as_the_oracle_says(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint8_t room_a[LONGEST], room_b[LONGEST];
		struct bytes a = random_bytes(room_a), b = random_bytes(room_b);
		int order = naive_compare(a, b);
		bool starts = a.size >= b.size && !naive_compare(bytes_of(a.data, b.size), b);

		assert_int_equal(sign(bytes_compare(a, b)), order);
		assert_int_equal(sign(bytes_compare(b, a)), -order);
		assert_int_equal(bytes_equal(a, b), order == 0);
		assert_int_equal(bytes_start_with(a, b), starts);
	}
}

static void no_bytes_are_the_smallest(void **state)
{
	struct bytes none = { 0 }, text = bytes_text("a");

	(void)state;
	assert_int_equal(bytes_compare(none, none), 0);
	assert_int_equal(bytes_compare(none, bytes_text("")), 0);
	assert_true(bytes_compare(none, text) < 0);
	assert_true(bytes_compare(text, none) > 0);
	assert_true(bytes_equal(none, bytes_text("")));
	assert_false(bytes_equal(none, text));
	assert_true(bytes_start_with(none, none));
	assert_true(bytes_start_with(text, none));
	assert_false(bytes_start_with(none, text));
}

static void ids_differ_by_any_byte(void **state)
{
	struct id a = { { 0 } };

	(void)state;
	assert_true(id_equal(a, a));
	for (size_t i = 0; i < sizeof a.bytes; i++) {
		struct id b = a;

		b.bytes[i] = 0x80;
		assert_false(id_equal(a, b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_order_as_the_oracle_says),
		cmocka_unit_test(no_bytes_are_the_smallest),
		cmocka_unit_test(ids_differ_by_any_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
