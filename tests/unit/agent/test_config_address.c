/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config_address.h"
#include "tests/unit/base/check.h"

#include <stdio.h>

static enum code read_text(const char *text, enum config_address_use use, struct config_addresses *ret, struct err *err)
{
	return config_addresses_read(bytes_text(text), use, ret, err);
}

static void check_read(const char *text, const char *host, uint16_t port)
{
	struct config_addresses got = { 0 };
	struct err err = { 0 };

	if (read_text(text, ADDRESS_TO_LISTEN, &got, &err))
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(got.count, 1);
	assert_string_equal(got.all[0].host, host);
	assert_int_equal(got.all[0].port, port);
}

static void test_forms(void **state)
{
	(void)state;
	check_read("fra-1.example.net:9000", "fra-1.example.net", 9000);
	check_read("fra-1.example.net", "fra-1.example.net", 8444);
	check_read("localhost", "localhost", 8444);
	check_read("a.example.", "a.example.", 8444);
	check_read("10.0.0.1:1", "10.0.0.1", 1);
	check_read("10.0.0.1", "10.0.0.1", 8444);
	check_read("10.0.0.1:65535", "10.0.0.1", 65535);
	check_read("[fd00::1]:9000", "fd00::1", 9000);
	check_read("[FD00:0:0::1]", "fd00::1", 8444);
	check_read("[::]:8444", "::", 8444);
	check_read(":9000", "::", 9000);
	check_read(":0", "::", 0);
	check_read("  10.0.0.1:0\t", "10.0.0.1", 0);
	check_read("0x.7f", "0x.7f", 8444);
}

static void test_lists(void **state)
{
	struct config_addresses got = { .count = 7 };

	(void)state;
	assert_int_equal(read_text("", ADDRESS_TO_LISTEN, &got, NULL), OK);
	assert_int_equal(got.count, 0);
	assert_int_equal(read_text("10.0.0.1 , [fd00::1]:1,\tb.example", ADDRESS_TO_REACH, &got, NULL), OK);
	assert_int_equal(got.count, 3);
	assert_string_equal(got.all[0].host, "10.0.0.1");
	assert_string_equal(got.all[1].host, "fd00::1");
	assert_string_equal(got.all[2].host, "b.example");
	assert_int_equal(read_text("127.0.0.1:0,127.0.0.1:0", ADDRESS_TO_LISTEN, &got, NULL), OK);
	assert_int_equal(got.count, 2);
}

static void test_most(void **state)
{
	struct config_addresses got = { 0 };
	struct err err = { 0 };
	char text[512] = "";

	(void)state;
	for (int i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
		sprintf(text + strlen(text), "%s10.0.0.%d", i ? "," : "", i);
	assert_int_equal(read_text(text, ADDRESS_TO_LISTEN, &got, NULL), OK);
	assert_int_equal(got.count, TRANSPORT_ADDRESSES_MAX);
	strcat(text, ",10.0.1.0");
	assert_int_equal(read_text(text, ADDRESS_TO_LISTEN, &got, &err), E_LIMIT);
	assert_non_null(strstr(err.text, "more than 16"));
}

static void check_refused(const char *text, enum config_address_use use, const char *why)
{
	struct config_addresses got = { .count = 7 };
	struct err err = { 0 };

	if (!read_text(text, use, &got, &err))
		fail_msg("\"%s\" was taken", text);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" is refused with \"%s\", not with \"%s\"", text, err.text, why);
	assert_int_equal(got.count, 7);
}

static const struct {
	const char *text, *why;
} wrong[] = {
	{ "a:", "no port behind the colon" },
	{ "a:x", "is no port" },
	{ "a:+1", "is no port" },
	{ "a: 1", "is no port" },
	{ "a:01", "is no port" },
	{ "a:00", "is no port" },
	{ "a:65536", "from 0 to 65535" },
	{ "a:99999999999999999999999", "from 0 to 65535" },
	{ "[fd00::1]:", "no port behind the colon" },
	{ "[fd00::1]x", "write it as [fd00::1]:8444" },
	{ "[fd00::1]8444", "write it as [fd00::1]:8444" },
	{ "[fd00::1", "write it as [fd00::1]:8444" },
	{ "[", "write it as [fd00::1]:8444" },
	{ "[]", "is no IPv6 address" },
	{ "[10.0.0.1]:1", "is no IPv6 address" },
	{ "[a.example]", "is no IPv6 address" },
	{ "[fe80::1%eth0]:1", "has a zone" },
	{ "[fd00::g]:1", "not an IP address" },
	{ "fd00::1", "in brackets" },
	{ "::", "in brackets" },
	{ "a:1:2", "in brackets" },
	{ "300.0.0.1", "not an IP address" },
	{ "10.0.0", "not an IP address" },
	{ "8444", "not an IP address" },
	{ "010.0.0.1", "not an IP address" },
	{ "*:8444", "as in :8444" },
	{ "a b", "is no host" },
	{ "a/b", "is no host" },
	{ "-a", "is no host" },
	{ ".a", "is no host" },
	{ "a..b", "is no host" },
	{ "\xc3\xa9.example", "is no host" },
	{ "tcp://a:1", "several colons" },
	{ "a,,b", "nothing between two commas" },
	{ "a,", "nothing between two commas" },
	{ ",a", "nothing between two commas" },
	{ ",", "nothing between two commas" },
	{ "a.example,A.EXAMPLE:8444", "there twice" },
	{ "[fd00::1],[fd00:0::1]", "there twice" },
	{ ":8444,[::]:8444", "there twice" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		check_refused(wrong[i].text, ADDRESS_TO_LISTEN, wrong[i].why);
	check_refused(":8444", ADDRESS_TO_REACH, "no host before the port");
	check_refused("0.0.0.0", ADDRESS_TO_REACH, "stands for all");
	check_refused("[::]:1", ADDRESS_TO_REACH, "stands for all");
	check_refused("a:0", ADDRESS_TO_REACH, "from 1 to 65535");
}

static void test_long_names(void **state)
{
	char text[400];

	(void)state;
	memset(text, 'a', sizeof text);
	text[63] = '\0';
	check_read(text, text, 8444);
	text[63] = 'a';
	text[64] = '\0';
	check_refused(text, ADDRESS_TO_LISTEN, "is no host");
	for (size_t i = 0; i < 254; i++)
		text[i] = i % 8 == 7 ? '.' : 'a';
	text[253] = '\0';
	check_read(text, text, 8444);
	text[253] = 'a';
	text[254] = '\0';
	check_refused(text, ADDRESS_TO_LISTEN, "is no host");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),   cmocka_unit_test(test_lists),      cmocka_unit_test(test_most),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
