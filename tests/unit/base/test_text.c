/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/text.h"
#include "tests/unit/base/check.h"

#include <stdio.h>

enum { ROUNDS = 20000 };

/* The oracle, the other way round: every code point's one encoding, looked up by its bytes. */
static size_t encode(uint32_t point, uint8_t room[4])
{
	if (point < 0x80)
		return room[0] = (uint8_t)point, 1;
	if (point < 0x800)
		return room[0] = (uint8_t)(0xc0 | point >> 6), room[1] = (uint8_t)(0x80 | (point & 63)), 2;
	room[0] = (uint8_t)(0xe0 | point >> 12);
	room[1] = (uint8_t)(0x80 | (point >> 6 & 63));
	room[2] = (uint8_t)(0x80 | (point & 63));
	if (point < 0x10000)
		return 3;
	room[0] = (uint8_t)(0xf0 | point >> 18);
	room[1] = (uint8_t)(0x80 | (point >> 12 & 63));
	room[2] = (uint8_t)(0x80 | (point >> 6 & 63));
	room[3] = (uint8_t)(0x80 | (point & 63));
	return 4;
}

static void every_code_point_is_read_and_nothing_else(void **state)
{
	uint8_t room[4];

	(void)state;
	for (uint32_t point = 0; point < 0x110000; point++) {
		size_t size = encode(point, room);
		bool is_surrogate = point >= 0xd800 && point < 0xe000;
		uint32_t read = 0;

		assert_int_equal(text_decode(bytes_of(room, size), &read), is_surrogate ? 0 : size);
		assert_int_equal(read, is_surrogate ? 0 : point);
		if (size > 1)
			assert_int_equal(text_decode(bytes_of(room, size - 1), &read), 0);
	}
	for (int round = 0; round < 50 * ROUNDS; round++) {
		uint32_t read;
		uint8_t again[4];
		size_t size;

		dice_fill(room, sizeof room);
		size = text_decode(bytes_of(room, sizeof room), &read);
		if (!size)
			continue;
		assert_int_equal(encode(read, again), size);
		assert_memory_equal(again, room, size);
	}
}

static void messages_become_printable(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "plain ~ text", "plain ~ text" },
		{ "Zürich \xf0\x9f\x98\x80", "Zürich \xf0\x9f\x98\x80" },
		{ "a\nb\tc\x7f\x1b[0m", "a?b?c??[0m" },
		{ "\xff\xfe!", "?\x3f!" },
		{ "cut \xe2\x82", "cut " },
		{ "cut \xf0\x9f\x98", "cut " },
		{ "no beginning \xf5", "no beginning ?" },
		{ "no beginning \xc1", "no beginning ?" },
		{ "the last beginning \xf4\x8f", "the last beginning " },
		{ "\xe2\x80\xae"
		  "evil\xc2\x85",
		  "?evil?" },
		{ "over\xc0\xaflong", "over??long" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[64];

		snprintf(text, sizeof text, "%s", cases[i][0]);
		text_make_printable(text);
		assert_string_equal(text, cases[i][1]);
	}
	for (int round = 0; round < ROUNDS; round++) {
		uint8_t bytes[33] = { 0 };
		char *text = (char *)bytes;

		dice_fill(bytes, 32);
		text_make_printable(text);
		for (size_t at = 0, size = strlen(text); at < size;) {
			uint32_t point;
			size_t length = text_decode(bytes_of(text + at, size - at), &point);

			assert_true(length && !text_is_refused(point));
			at += length;
		}
	}
}

static void hex_goes_there_and_back(void **state)
{
	uint8_t bytes[20], back[20];
	char text[41];

	(void)state;
	hex_write(bytes_of("\x00\x1f\xa0\xff", 4), text);
	assert_string_equal(text, "001fa0ff");
	for (size_t size = 0; size <= sizeof bytes; size++) {
		dice_fill(bytes, size);
		hex_write(bytes_of(bytes, size), text);
		assert_true(hex_read(bytes_text(text), back, size));
		assert_memory_equal(bytes, back, size);
		assert_false(hex_read(bytes_text(text), back, size + 1));
	}
	assert_false(hex_read(bytes_text("0g"), back, 1));
	assert_false(hex_read(bytes_text("0 1 "), back, 2));
	assert_true(hex_read(bytes_text("AbCd"), back, 2));
}

static void base64_goes_there_and_back(void **state)
{
	static const char *const wrong[] = { "YQ", "YQ=", "YQ==YQ==", "Y Q==", "YR==", "YQ==\n", "====", "Y-_=" };
	uint8_t bytes[40], back[40];
	char text[64];
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++) {
		dice_fill(bytes, i);
		base64_write(bytes_of(bytes, i), text);
		assert_int_equal(strlen(text), base64_size(i));
		assert_true(base64_read(bytes_text(text), back, sizeof back, &size));
		assert_int_equal(size, i);
		assert_memory_equal(bytes, back, i);
		if (i)
			assert_false(base64_read(bytes_text(text), back, i - 1, &size));
	}
	base64_write(bytes_text("any carnal pleas"), text);
	assert_string_equal(text, "YW55IGNhcm5hbCBwbGVhcw==");
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (base64_read(bytes_text(wrong[i]), back, sizeof back, &size))
			fail_msg("'%s' was taken", wrong[i]);
}

static void words_are_as_far_apart_as_letters_differ(void **state)
{
	char longest[TEXT_WORD_MAX + 2];

	(void)state;
	assert_int_equal(text_distance("", ""), 0);
	assert_int_equal(text_distance("name", "name"), 0);
	assert_int_equal(text_distance("nmae", "name"), 2);
	assert_int_equal(text_distance("nam", "name"), 1);
	assert_int_equal(text_distance("naame", "name"), 1);
	assert_int_equal(text_distance("kitten", "sitting"), 3);
	assert_int_equal(text_distance("", "abc"), 3);
	memset(longest, 'a', sizeof longest);
	longest[TEXT_WORD_MAX] = 0;
	assert_int_equal(text_distance(longest, "a"), TEXT_WORD_MAX - 1);
	longest[TEXT_WORD_MAX] = 'a';
	longest[TEXT_WORD_MAX + 1] = 0;
	assert_true(text_distance(longest, "a") == SIZE_MAX);
	assert_true(text_distance("a", longest) == SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point_is_read_and_nothing_else),
		cmocka_unit_test(messages_become_printable),
		cmocka_unit_test(hex_goes_there_and_back),
		cmocka_unit_test(base64_goes_there_and_back),
		cmocka_unit_test(words_are_as_far_apart_as_letters_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
