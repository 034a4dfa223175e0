/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config_table.h"
#include "tests/unit/base/check.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * What deploy/warrend.conf and the table in docs/configuration.md say is what the table of options makes. Where they
 * differ, `test_config_documents --write` writes both anew.
 */

#define EXAMPLE WARREN_SOURCE_DIR "/deploy/warrend.conf"
#define DOCUMENT WARREN_SOURCE_DIR "/docs/configuration.md"

enum { TEXT_MAX = 64 * 1024 };

static const char table_head[] =
	"| option | usual value | takes | what it is | variable and flag |\n|---|---|---|---|---|\n";

static char *read_whole(const char *path)
{
	char *text = calloc(1, TEXT_MAX);
	FILE *file = fopen(path, "re");

	assert_non_null(text);
	if (!file)
		fail_msg("%s is not there: run test_config_documents --write", path);
	assert_true(fread(text, 1, TEXT_MAX - 1, file) < TEXT_MAX - 1);
	fclose(file);
	return text;
}

static void write_whole(const char *path, struct bytes text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text.data, 1, text.size, file), text.size);
	assert_int_equal(fclose(file), 0);
}

static void put_row(const struct option *option, struct buf *out)
{
	char line[1024], variable[OPTION_NAME_MAX + sizeof "WARREN_"];

	snprintf(line, sizeof line, "| `%s`%s | %s%s%s | %s | ", option->name, option->is_live ? " (live)" : "",
		 *option->usual ? "`" : "empty", option->usual, *option->usual ? "`" : "", option->form);
	buf_put_text(out, line);
	for (const char *at = option->about; *at; at++)
		buf_put_byte(out, *at == '\n' ? ' ' : (uint8_t)*at);
	config_variable(option, variable);
	snprintf(line, sizeof line, " | `%s=…`, `--%s=…` |\n", variable, option->name);
	buf_put_text(out, line);
}

static struct buf table(void)
{
	struct buf out = buf_growing(TEXT_MAX);

	buf_put_text(&out, table_head);
	for (size_t i = 0; i < config_options_count; i++)
		put_row(&config_options[i], &out);
	assert_false(out.is_full);
	return out;
}

static struct buf example(void)
{
	struct buf out = buf_growing(TEXT_MAX);

	config_write_example(&out);
	assert_false(out.is_full);
	return out;
}

/* The rows that stand in the document, from their head to the first line that is none. */
static struct bytes rows_in(const char *text)
{
	const char *begin = strstr(text, table_head), *end = begin;

	assert_non_null(begin);
	while (*end == '|')
		end = strchr(end, '\n') + 1;
	return bytes_of(begin, (size_t)(end - begin));
}

static void check_same(const char *path, struct bytes is, struct bytes should)
{
	if (!bytes_equal(is, should))
		fail_msg("%s is not what agent/config_table.c makes: run test_config_documents --write", path);
}

static void test_example(void **state)
{
	struct buf made = example();
	char *text = read_whole(EXAMPLE);

	(void)state;
	check_same(EXAMPLE, bytes_text(text), buf_bytes(&made));
	free(text);
	buf_done(&made);
}

static void test_document(void **state)
{
	struct buf made = table();
	char *text = read_whole(DOCUMENT);

	(void)state;
	check_same(DOCUMENT, rows_in(text), buf_bytes(&made));
	free(text);
	buf_done(&made);
}

static void check_lines(const char *text)
{
	for (const char *end; *text; text = end + 1) {
		end = strchr(text, '\n');
		assert_non_null(end);
		assert_true(end - text <= 100);
		assert_true(end == text || end[-1] != ' ');
	}
}

/* As it is, it says nothing; and with every option uncommented the same. */
static void test_example_is_usual(void **state)
{
	struct config usual, got;
	struct buf made = example();
	struct err err = { 0 };
	char *text;

	(void)state;
	buf_put_byte(&made, '\0');
	text = (char *)made.data;
	check_lines(text);
	config_usual(&usual);
	memset(&got, 0, sizeof got);
	assert_int_equal(config_read_text(bytes_text(text), "x", &got, &err), OK);
	assert_string_equal(got.state, "");
	for (char *at = text; *at; at = strchr(at, '\n') + 1)
		if (at[0] == '#' && at[1] >= 'a')
			*at = ' ';
	if (config_read_text(bytes_text(text), "x", &got, &err))
		fail_msg("%s", err.text);
	assert_string_equal(got.state, usual.state);
	for (size_t i = 0; i < config_options_count; i++)
		assert_true(config_same(&config_options[i], &usual, &got));
	buf_done(&made);
}

static int write_both(void)
{
	struct buf conf = example(), rows = table(), whole = buf_growing(TEXT_MAX);
	char *text = read_whole(DOCUMENT);
	struct bytes old = rows_in(text);

	buf_put(&whole, text, (size_t)((const char *)old.data - text));
	buf_put_bytes(&whole, buf_bytes(&rows));
	buf_put_text(&whole, (const char *)old.data + old.size);
	write_whole(EXAMPLE, buf_bytes(&conf));
	write_whole(DOCUMENT, buf_bytes(&whole));
	free(text);
	buf_done(&conf);
	buf_done(&rows);
	buf_done(&whole);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_example_is_usual),
	};

	if (argc == 2 && !strcmp(argv[1], "--write"))
		return write_both();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
