/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/ip.h"
#include "crdt/base/text.h"

#include "tests/unit/base/check.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 100000 };

static struct address random_address(uint8_t size)
{
	struct address address = { .size = size };

	dice_fill(address.bytes, size);
	/* Runs of zeros, and few digits, are where spellings differ. */
	for (size_t i = 0; i < size; i++)
		if (dice_below(3))
			address.bytes[i] = dice_below(4) ? 0 : address.bytes[i] & 0x0f;
	if (size == 16 && !dice_below(4))
		memset(address.bytes, 0, dice_below(17));
	if (size == 16 && !dice_below(8))
		memcpy(address.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
	return address;
}

static void assert_same(const struct address *a, const struct address *b)
{
	assert_int_equal(a->size, b->size);
	assert_memory_equal(a->bytes, b->bytes, sizeof a->bytes);
}

static void addresses_come_back(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct address address = random_address(dice_below(2) ? 4 : 16), back = { .size = 9 };
		int family = address.size == 4 ? AF_INET : AF_INET6;
		char text[ADDRESS_TEXT_SIZE], naive[INET6_ADDRSTRLEN];
		uint8_t raw[16] = { 0 };

		address_format(&address, text);
		assert_non_null(inet_ntop(family, address.bytes, naive, sizeof naive));
		if (address.size == 4 || !strchr(naive, '.'))
			assert_string_equal(text, naive);
		else
			assert_null(strchr(text, '.'));
		assert_int_equal(inet_pton(family, text, raw), 1);
		assert_memory_equal(raw, address.bytes, sizeof raw);
		assert_int_equal(address_parse(bytes_text(text), &back, NULL), OK);
		assert_same(&back, &address);
	}
}

static void ipv6_is_never_written_with_dots(void **state)
{
	static const struct {
		uint8_t bytes[16];
		const char *text;
	} cases[] = {
		{ { [10] = 0xff, 0xff, 1, 2, 3, 4 }, "::ffff:102:304" },
		{ { [10] = 0xff, 0xff }, "::ffff:0:0" },
		{ { [10] = 0xff, 0xff, 255, 255, 255, 255 }, "::ffff:ffff:ffff" },
		{ { [12] = 1, 2, 3, 4 }, "::102:304" },
		{ { [13] = 1, 0, 0 }, "::1:0" },
		{ { [15] = 1 }, "::1" },
		{ { 0 }, "::" },
		{ { [1] = 100, 0xff, 0x9b, [12] = 8, 8, 8, 8 }, "64:ff9b::808:808" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct address address = { .size = 16 };
		char text[ADDRESS_TEXT_SIZE];

		memcpy(address.bytes, cases[i].bytes, 16);
		address_format(&address, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void no_address_is_no_text(void **state)
{
	char text[ADDRESS_TEXT_SIZE] = "?";

	(void)state;
	address_format(&(struct address){ 0 }, text);
	assert_string_equal(text, "");
}

static const char *const refused[] = {
	"1",
	"1.2.3",
	"1.2.3.4.5",
	"1.2.3.256",
	"01.2.3.4",
	"1.2.3.04",
	"1.2.3.00",
	"0x1.2.3.4",
	"1.2.3.4 ",
	" 1.2.3.4",
	"1.2.3.4\n",
	"1..2.3",
	".1.2.3.4",
	"1.2.3.4.",
	"1.2.3.-4",
	"1.2.3.4/32",
	"1.2.3.4:80",
	"[::1]",
	"::1%lo",
	"::1 ",
	" ::1",
	":",
	":::",
	"1::2::3",
	"1:2:3:4:5:6:7",
	"1:2:3:4:5:6:7:8:9",
	"::g",
	"00001::",
	"12345::",
	"1:",
	":1",
	"::ffff:1.2.3.4",
	"::1.2.3.4",
	"fe80::1/64",
	"localhost",
	"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff",
};

static void addresses_are_read_strictly(void **state)
{
	struct address address = { .size = 9 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		char message[256];

		if (address_parse(bytes_text(refused[i]), &address, &err) != E_VALUE)
			fail_msg("'%s' was taken", refused[i]);
		snprintf(message, sizeof message, "%.64s is not an IP address", refused[i]);
		text_make_printable(message);
		assert_string_equal(err.text, message);
		assert_int_equal(address_parse(bytes_text(refused[i]), &address, NULL), E_VALUE);
	}
	assert_int_equal(address_parse(bytes_of("1.2.3.4\0x", 9), &address, &err), E_VALUE);
	assert_int_equal(address_parse(bytes_of("::1\0", 4), &address, &err), E_VALUE);
	assert_int_equal(address_parse((struct bytes){ 0 }, &address, &err), E_VALUE);
	assert_int_equal(address.size, 9);
}

/* Texts a digit away from addresses, each in memory of exactly its size: taken exactly when libc takes them. */
static void libc_agrees_on_what_an_address_is(void **state)
{
	static const char letters[] = "0123456789abcdefABCDEF::::....gx/% ";
	size_t taken = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct address address = random_address(dice_below(2) ? 4 : 16), parsed;
		char text[ADDRESS_TEXT_SIZE], *exact;
		uint8_t raw[16] = { 0 };
		bool is_v6, is_taken;
		size_t size;

		address_format(&address, text);
		size = strlen(text);
		text[dice_below(size)] = letters[dice_below(sizeof letters - 1)];
		is_v6 = strchr(text, ':');
		is_taken = inet_pton(is_v6 ? AF_INET6 : AF_INET, text, raw) == 1 && !(is_v6 && strchr(text, '.'));
		exact = malloc(size);
		assert_non_null(exact);
		memcpy(exact, text, size);
		assert_int_equal(address_parse(bytes_of(exact, size), &parsed, NULL) == OK, is_taken);
		if (is_taken)
			assert_memory_equal(parsed.bytes, raw, 16);
		free(exact);
		taken += is_taken;
	}
	assert_in_range(taken, ROUNDS / 10, ROUNDS * 9 / 10);
}

static void networks_come_back_and_have_no_host_bits(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct address address = random_address(dice_below(2) ? 4 : 16);
		size_t bits = (size_t)address.size * 8, last = 0;
		struct network network = { address, (uint8_t)dice_below(bits + 1) }, back = { .prefix = 200 };
		char text[NETWORK_TEXT_SIZE], naive[80], alone[ADDRESS_TEXT_SIZE];

		/* The oracle: a network ends no earlier than its last set bit. */
		for (size_t bit = 0; bit < bits; bit++)
			if (address.bytes[bit / 8] >> (7 - bit % 8) & 1)
				last = bit + 1;
		network_format(&network, text);
		address_format(&address, alone);
		snprintf(naive, sizeof naive, "%s/%d", alone, network.prefix);
		assert_string_equal(text, naive);
		assert_int_equal(network_is_valid(&network), network.prefix >= last);
		if (network.prefix >= last) {
			assert_int_equal(network_parse(bytes_text(text), &back, NULL), OK);
			assert_same(&back.address, &address);
			assert_int_equal(back.prefix, network.prefix);
		} else {
			assert_int_equal(network_parse(bytes_text(text), &back, NULL), E_VALUE);
			assert_int_equal(back.prefix, 200);
		}
		assert_int_equal(network_parse(bytes_text(alone), &back, NULL), OK);
		assert_int_equal(back.prefix, bits);
	}
}

static void only_real_networks_are_valid(void **state)
{
	(void)state;
	for (unsigned size = 0; size < 256; size++) {
		for (unsigned prefix = 0; prefix < 256; prefix++) {
			struct network network = { { .size = (uint8_t)size }, (uint8_t)prefix };
			bool is_valid = size == 4 ? prefix <= 32 : size == 16 && prefix <= 128;

			assert_int_equal(network_is_valid(&network), is_valid);
		}
	}
}

#define FORM "write it as 10.0.0.0/24 or fd00::/64"

static void what_is_no_network_says_why(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "10.0.0.0/33", "the prefix of an IPv4 network is at most 32" },
		{ "10.0.0.0/999", "the prefix of an IPv4 network is at most 32" },
		{ "fd00::/129", "the prefix of an IPv6 network is at most 128" },
		{ "10.0.0.1/24", "it has bits behind its prefix; /32 names one address" },
		{ "fd00::1/64", "it has bits behind its prefix; /128 names one address" },
		{ "128.0.0.0/0", "it has bits behind its prefix; /32 names one address" },
		{ "10.0.0.0/", "a prefix is a number from 0 to 32" },
		{ "10.0.0.0/08", "a prefix is a number from 0 to 32" },
		{ "10.0.0.0/00", "a prefix is a number from 0 to 32" },
		{ "10.0.0.0/-1", "a prefix is a number from 0 to 32" },
		{ "10.0.0.0/+8", "a prefix is a number from 0 to 32" },
		{ "10.0.0.0/8 ", "a prefix is a number from 0 to 32" },
		{ "10.0.0.0/8/8", "a prefix is a number from 0 to 32" },
		{ "10.0.0.0/1000", "a prefix is a number from 0 to 32" },
		{ "10.0.0.0/4294967304", "a prefix is a number from 0 to 32" },
		{ "10.0.0.0/255.0.0.0", "a prefix is a number from 0 to 32" },
		{ "fd00::/a", "a prefix is a number from 0 to 128" },
		{ "", FORM },
		{ "/", FORM },
		{ "/8", FORM },
		{ "10/8", FORM },
		{ "10.0.0/24", FORM },
		{ "10.0.0.0 /24", FORM },
		{ "::ffff:10.0.0.0/104", FORM },
		{ "everywhere", FORM },
	};
	struct network network = { .prefix = 200 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char message[256];

		if (network_parse(bytes_text(cases[i].text), &network, &err) != E_VALUE)
			fail_msg("'%s' was taken", cases[i].text);
		snprintf(message, sizeof message, "%s is not a network: %s", cases[i].text, cases[i].why);
		assert_string_equal(err.text, message);
		assert_int_equal(network_parse(bytes_text(cases[i].text), &network, NULL), E_VALUE);
	}
	assert_int_equal(network_parse((struct bytes){ 0 }, &network, &err), E_VALUE);
	assert_string_equal(err.text, " is not a network: " FORM);
	assert_int_equal(network.prefix, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_come_back),
		cmocka_unit_test(ipv6_is_never_written_with_dots),
		cmocka_unit_test(no_address_is_no_text),
		cmocka_unit_test(addresses_are_read_strictly),
		cmocka_unit_test(libc_agrees_on_what_an_address_is),
		cmocka_unit_test(networks_come_back_and_have_no_host_bits),
		cmocka_unit_test(only_real_networks_are_valid),
		cmocka_unit_test(what_is_no_network_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
