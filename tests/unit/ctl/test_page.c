/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/page.h"
#include "tests/unit/base/check.h"

#include <locale.h>

static char *text_of(struct page *page)
{
	buf_put_byte(&page->text, '\0');
	return (char *)page->text.data;
}

static void widths_are_those_of_terminals(void **state)
{
	static const struct {
		const char *text;
		size_t width;
	} cases[] = {
		{ "", 0 },  { "abc", 3 },  { "Müllheim", 8 },      { "日本", 4 }, { "e\xcc\x81", 1 }, { "\xff\xfe", 2 },
		{ "ｶ", 1 }, { "한글", 4 }, { "a\xe2\x80\x8b", 1 }, { "🙂", 2 }, { "…", 1 },         { "\xc2\xad", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (text_width(bytes_text(cases[i].text)) != cases[i].width)
			fail_msg("%s is said to take %zu columns", cases[i].text,
				 text_width(bytes_text(cases[i].text)));
}

static const struct column columns[] = {
	{ .title = "ID", .is_whole = true },
	{ .title = "NAME" },
	{ .title = "N", .is_number = true },
	{ .title = "LAST" },
};

static void fill(struct table *table)
{
	table_add(table, TONE_PLAIN, bytes_text("12345678"));
	table_add(table, TONE_PLAIN, bytes_text("日本語の名前"));
	table_addf(table, TONE_PLAIN, "%d", 7);
	table_add(table, TONE_GOOD, bytes_text("x"));
	table_add(table, TONE_PLAIN, bytes_text("a"));
	table_add(table, TONE_PLAIN, bytes_text("b\tc\n\x1b[31m"));
	table_addf(table, TONE_PLAIN, "%d", 12345);
	table_add(table, TONE_PLAIN, bytes_text(""));
}

static void columns_stand_under_each_other(void **state)
{
	struct page page = page_make(PAGE_ENDLESS, false);
	struct table table = table_make(columns, COUNT(columns));

	(void)state;
	fill(&table);
	table_end(&table, &page);
	assert_string_equal(text_of(&page), "ID        NAME              N  LAST\n"
					    "12345678  日本語の名前      7  x\n"
					    "a         b?c??[31m     12345  -\n");
	page_done(&page);
}

static void what_is_cut_says_so(void **state)
{
	struct page page = page_make(27, false);
	struct table table = table_make(columns, COUNT(columns));

	(void)state;
	fill(&table);
	table_end(&table, &page);
	/* A wide letter of which half would fit is left out; a number is never shortened to another. */
	assert_string_equal(text_of(&page), "ID        NAME      N  LAST\n"
					    "12345678  日…       7  x\n"
					    "a         b?c…  12345  -\n");
	page_done(&page);
}

static void numbers_and_ids_are_not_cut_to_make_room(void **state)
{
	struct page page = page_make(21, false);
	struct table table = table_make(columns, 3);

	(void)state;
	table_add(&table, TONE_PLAIN, bytes_text("12345678"));
	table_add(&table, TONE_PLAIN, bytes_text("a long name"));
	table_add(&table, TONE_PLAIN, bytes_text("12345"));
	table_end(&table, &page);
	assert_string_equal(text_of(&page), "ID        NAME      N\n"
					    "12345678  a l…  12345\n");
	page_done(&page);
}

static void only_terminals_get_colour(void **state)
{
	struct page page = page_make(PAGE_ENDLESS, true);

	(void)state;
	page_line_in(&page, TONE_BAD, "%s", "bad");
	page_line(&page, "%s", "plain");
	assert_string_equal(text_of(&page), "\x1b[31mbad\x1b[0m\nplain\n");
	page_done(&page);
}

static size_t widest_line(const char *text)
{
	size_t widest = 0;

	while (*text) {
		size_t size = strcspn(text, "\n"), width = text_width(bytes_of(text, size));

		widest = width > widest ? width : widest;
		text += size + (text[size] == '\n');
	}
	return widest;
}

static size_t lines_of(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static void put_random_cell(struct table *table)
{
	static const char *const letters[] = { "a",    "日",   "e\xcc\x81", "\x1b",     "\n",
					       "\xff", "🙂", " ",         "\xc2\x9b", "\xe2\x80\xae" };
	char text[400] = "";

	for (size_t i = dice_below(30); i; i--)
		strcat(text, letters[dice_below(COUNT(letters))]);
	table_add(table, (enum tone)dice_below(TONE_DIM + 1), bytes_text(text));
}

static void no_table_is_wider_than_its_page(void **state)
{
	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct column random[TABLE_COLUMNS_MAX] = { 0 };
		size_t width = 1 + dice_below(120), count = 1 + dice_below(COUNT(random)), rows = dice_below(5);
		struct page page = page_make(width, false);
		struct table table = table_make(random, count);

		for (size_t c = 0; c < count; c++)
			random[c] = (struct column){ "TITLE", dice_below(2), dice_below(4) == 0 };
		for (size_t i = 0; i < rows * count; i++)
			put_random_cell(&table);
		table_end(&table, &page);
		if (widest_line(text_of(&page)) > width || lines_of(text_of(&page)) != rows + 1)
			fail_msg("round %d, width %zu:\n%s", round, width, text_of(&page));
		assert_null(strpbrk(text_of(&page), "\x1b\t\r"));
		page_done(&page);
	}
}

static void words_are_broken_into_lines(void **state)
{
	struct page page = page_make(PAGE_ENDLESS, false);

	(void)state;
	page_wrap(&page, 2, 12, "one two three averyverylongword x");
	page_entry(&page, "  --a", 8, 16, "some words here");
	page_entry(&page, "  --long", 8, 16, "some words");
	page_entry(&page, "  --none", 12, 16, "");
	assert_string_equal(text_of(&page), "  one two\n  three\n  averyverylongword\n  x\n"
					    "  --a   some\n        words\n        here\n"
					    "  --long\n        some\n        words\n"
					    "  --none    \n");
	page_done(&page);
}

static void a_block_keeps_its_lines_and_nothing_else(void **state)
{
	struct page page = page_make(PAGE_ENDLESS, false);

	(void)state;
	page_block(&page, 2, bytes_text("a\nb\x07\n\nc"));
	page_block(&page, 0, bytes_of("x\0y", 3));
	page_line(&page, "%s", "a\nb");
	assert_string_equal(text_of(&page), "  a\n  b?\n  \n  c\nx?y\na?b\n");
	page_done(&page);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(widths_are_those_of_terminals),
		cmocka_unit_test(columns_stand_under_each_other),
		cmocka_unit_test(what_is_cut_says_so),
		cmocka_unit_test(numbers_and_ids_are_not_cut_to_make_room),
		cmocka_unit_test(only_terminals_get_colour),
		cmocka_unit_test(no_table_is_wider_than_its_page),
		cmocka_unit_test(words_are_broken_into_lines),
		cmocka_unit_test(a_block_keeps_its_lines_and_nothing_else),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
