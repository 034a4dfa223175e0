/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/body.h"
#include "tests/unit/base/check.h"

static void spans_have_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} cases[] = { { "0", 0 },       { "90", 90 },     { "90s", 90 },    { "15m", 900 },
		      { "24h", 86400 }, { "7d", 604800 }, { "2w", 1209600 } };
	static const char *const wrong[] = {
		"", "m", "-1", "1.5h", "1 h", "h1", "1hh", "99999999999999999999", "18446744073709551615w", "1y", "0x10"
	};
	uint64_t seconds;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_true(span_read(cases[i].text, &seconds));
		assert_int_equal(seconds, cases[i].seconds);
	}
	seconds = 77;
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (span_read(wrong[i], &seconds))
			fail_msg("%s is taken", wrong[i]);
	assert_int_equal(seconds, 77);
}

static void counts_are_whole(void **state)
{
	uint64_t count = 5;

	(void)state;
	assert_true(count_read("18446744073709551615", &count));
	assert_true(count == UINT64_MAX);
	assert_false(count_read("18446744073709551616", &count));
	assert_false(count_read("", &count));
	assert_false(count_read("+1", &count));
	assert_false(count_read(" 1", &count));
	assert_true(count == UINT64_MAX);
}

static void paths_are_encoded(void **state)
{
	struct ctl ctl = { 0 };

	(void)state;
	assert_string_equal(ctl_path(&ctl, "users", NULL), "/api/v1/users");
	assert_string_equal(ctl_path(&ctl, "operators", "a/b+c=", "export", NULL),
			    "/api/v1/operators/a%2Fb%2Bc%3D/export");
	assert_string_equal(ctl_path(&ctl, "x", "../?#%\xc3\xbc ", NULL), "/api/v1/x/..%2F%3F%23%25%C3%BC%20");
	arena_done(&ctl.arena);
}

static void json_is_made_harmless(void **state)
{
	json_t *document =
		json_pack("{s:s, s:[i, b, n]}", "a", "\x1b[1m\x7f\xc2\x9b\xe2\x80\xae\xef\xbb\xbf ü\n\"", "b", 1, 1);
	struct buf text = buf_growing(4096);

	(void)state;
	json_put_safe(document, JSON_COMPACT, &text);
	buf_put_byte(&text, '\0');
	assert_string_equal((char *)text.data,
			    "{\"a\":\"\\u001B[1m\\u007f\\u009b\\u202e\\ufeff ü\\n\\\"\",\"b\":[1,true,null]}");
	buf_done(&text);
	json_decref(document);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_have_units),
		cmocka_unit_test(counts_are_whole),
		cmocka_unit_test(paths_are_encoded),
		cmocka_unit_test(json_is_made_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
