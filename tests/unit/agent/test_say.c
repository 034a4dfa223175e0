/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/say.h"

#include "tests/unit/base/check.h"

/* Answers as JSON: commas, nesting, and every value as it is written. */

static void assert_said(struct say *say, const char *text)
{
	buf_put_byte(&say->buf, 0);
	assert_string_equal((const char *)say->buf.data, text);
	say_done(say);
}

static void commas_stand_between_and_nowhere_else(void **state)
{
	struct say say = say_new();

	(void)state;
	say_object(&say, NULL);
	say_list(&say, "empty");
	say_list_end(&say);
	say_object(&say, "none");
	say_object_end(&say);
	say_list(&say, "list");
	say_number(&say, NULL, 1);
	say_list(&say, NULL);
	say_list_end(&say);
	say_object(&say, NULL);
	say_bool(&say, "a", true);
	say_bool(&say, "b", false);
	say_object_end(&say);
	say_null(&say, NULL);
	say_list_end(&say);
	say_text(&say, "last", NULL);
	say_object_end(&say);
	assert_said(&say, "{\"empty\":[],\"none\":{},\"list\":[1,[],{\"a\":true,\"b\":false},null],\"last\":null}");
}

static void texts_say_nothing_but_themselves(void **state)
{
	struct say say = say_new();

	(void)state;
	say_list(&say, NULL);
	say_text(&say, NULL, "\"],{}\\ \n");
	say_bytes(&say, NULL, bytes_of("a\0b", 3));
	say_bytes(&say, NULL, bytes_of(NULL, 0));
	say_list_end(&say);
	assert_said(&say, "[\"\\\"],{}\\\\ \\u000a\",\"a\\u0000b\",\"\"]");
}

static void values_have_one_form_each(void **state)
{
	struct say say = say_new();
	struct key32 key = { { 0xfb, 0xff } };
	struct id id = { { 0x0a, 0xbc } };

	(void)state;
	say_list(&say, NULL);
	say_number(&say, NULL, INT64_MIN);
	say_number(&say, NULL, INT64_MAX);
	say_node(&say, NULL, 0xabc);
	say_id(&say, NULL, id);
	say_key(&say, NULL, key);
	say_time(&say, NULL, (struct wall_time){ 1500 });
	buf_put_text(say_raw(&say, NULL), "{\"x\":1}");
	say_list_end(&say);
	assert_said(&say, "[-9223372036854775808,9223372036854775807,\"0000000000000abc\","
			  "\"0abc0000000000000000000000000000\",\"+/8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
			  "\"1970-01-01T00:00:01.500Z\",{\"x\":1}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_stand_between_and_nowhere_else),
		cmocka_unit_test(texts_say_nothing_but_themselves),
		cmocka_unit_test(values_have_one_form_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
