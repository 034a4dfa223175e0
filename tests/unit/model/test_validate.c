/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/validate.h"

#include "tests/unit/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT(type_, min_, max_)                                                            \
	{                                                                                  \
		.name = "f", .type = TYPE_##type_, .min = (min_) ? (min_) : LEAST_##type_, \
		.max = (max_) ? (max_) : MOST_##type_                                      \
	}

static const struct field slug = TEXT(SLUG, 0, 0), name = TEXT(NAME, 0, 0), line = TEXT(LINE, 0, 0),
			  note = TEXT(NOTE, 0, 0), host = TEXT(HOST, 0, 0), url = TEXT(URL, 0, 0),
			  bytes = TEXT(BYTES, 0, 0), pair = TEXT(BYTES, 2, 2), few = TEXT(LINE, 2, 4),
			  login = TEXT(LOGIN, 0, 0);

#define U(text)                                           \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}

/* NULL: it is taken. */
static const struct text_case {
	const struct field *field;
	struct bytes text;
	const char *why;
} texts[] = {
	{ &slug, U("fra-1"), NULL },
	{ &slug, U("0_.-"), NULL },
	{ &slug, U("abcdefghijklmnopqrstuvwxyz012345"), NULL },
	{ &slug, U("abcdefghijklmnopqrstuvwxyz0123456"), "must have 1 to 32 bytes, has 33" },
	{ &slug, U(""), "must not be empty" },
#define SLUG "use small letters and digits, and behind the first also - _ . (byte "
	{ &slug, U("-a"), SLUG "0 is none)" },
	{ &slug, U("_a"), SLUG "0 is none)" },
	{ &slug, U("aB"), SLUG "1 is none)" },
	{ &slug, U("a b"), SLUG "1 is none)" },
	{ &slug, U("ab\0"), SLUG "2 is none)" },
	{ &slug, U("a/b"), SLUG "1 is none)" },
	{ &slug, U("a\xc3\xa9"), SLUG "1 is none)" },
	{ &name, U("Zoë O'Neil"), NULL },
	{ &name, U("a"), NULL },
	{ &name, U(""), "must not be empty" },
	{ &name, U(" a"), "must not begin or end with a space" },
	{ &name, U("a "), "must not begin or end with a space" },
	{ &name, U("a~3f2a"), "must not contain ~" },
	{ &name, U("a\nb"), "the character U+000A at byte 1 is not allowed" },
	{ &name, U("12345678\x7f"), "the character U+007F at byte 8 is not allowed" },
	{ &name, U("1234567\0"), "the character U+0000 at byte 7 is not allowed" },
	{ &name, U("admin\xe2\x80\x8b"), "the character U+200B at byte 5 cannot be seen" },
	{ &name,
	  U("\xc2\xad"
	    "a"),
	  "the character U+00AD at byte 0 cannot be seen" },
	{ &name, U("\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9"), NULL },
	{ &login, U("anna.b+vpn@example.org"), NULL },
	{ &login, U("Anna"), "use small letters and digits, and behind the first also - _ . @ + (byte 0 is none)" },
	{ &login, U("@anna"), "use small letters and digits, and behind the first also - _ . @ + (byte 0 is none)" },
	{ &login, U("anna b"), "use small letters and digits, and behind the first also - _ . @ + (byte 4 is none)" },
	{ &line, U("a ~ b"), NULL },
	{ &line, U("a\tb"), "the character U+0009 at byte 1 is not allowed" },
	{ &line, U("a\xc2\x85"), "the character U+0085 at byte 1 is not allowed" },
	{ &line, U("a\xe2\x80\xa8"), "the character U+2028 at byte 1 is not allowed" },
	{ &line, U("a\xe2\x80\xae"), "the character U+202E at byte 1 is not allowed" },
	{ &line, U("\xef\xbb\xbf"), "the character U+FEFF at byte 0 is not allowed" },
	{ &line, U("abc\xff"), "byte 3 is not UTF-8" },
	{ &line, U("abcdefgh\xc3"), "byte 8 is not UTF-8" },
	{ &line, U("\xed\xa0\x80"), "byte 0 is not UTF-8" },
	{ &few, U("a"), "must have 2 to 4 bytes, has 1" },
	{ &few, U("abcd"), NULL },
	{ &few, U("abcde"), "must have 2 to 4 bytes, has 5" },
	{ &note, U("a\n\tb"), NULL },
	{ &note, U("a\r\n"), "the character U+000D at byte 1 is not allowed" },
	{ &note, U("\x1b[0m"), "the character U+001B at byte 0 is not allowed" },
	{ &host, U("fra-1.Example.net"), NULL },
	{ &host, U("10.0.0.1"), NULL },
	{ &host, U("fd00::1"), NULL },
	{ &host, U("a"), NULL },
	{ &host, U("1a"), NULL },
	{ &host, U("10.0.0.256"), "is neither a DNS name nor an address" },
	{ &host, U("127.1"), "is neither a DNS name nor an address" },
	{ &host, U("7"), "is neither a DNS name nor an address" },
#define HOST "is neither a DNS name nor an address (byte "
	{ &host, U("a.example."), HOST "9)" },
	{ &host, U(".a"), HOST "0)" },
	{ &host, U("a..b"), HOST "2)" },
	{ &host, U("-a.b"), HOST "0)" },
	{ &host, U("a-.b"), HOST "1)" },
	{ &host, U("a.b-"), HOST "3)" },
	{ &host, U("a_b"), HOST "1)" },
	{ &host, U("a b"), HOST "1)" },
	{ &host, U("a\0b"), HOST "1)" },
	{ &host, U("fd00::1%lo"), HOST "4)" },
	{ &host, U("a:80"), HOST "1)" },
	{ &host, U("123456789012345678901234567890123456789012345678901234567890123.a"), NULL },
	{ &host, U("1234567890123456789012345678901234567890123456789012345678901234.a"), HOST "63)" },
	{ &url, U("https://a/b?c=d#e"), NULL },
	{ &url, U("http://10.0.0.1:80/"), NULL },
	{ &url, U("ftp://abcdef"), "must begin with https:// or http://" },
	{ &url, U("HTTPS://a"), "must begin with https:// or http://" },
	{ &url, U("javascript:"), "must begin with https:// or http://" },
	{ &url, U("http:/"), "must have 8 to 1000 bytes, has 6" },
	{ &url, U("https://a b"), "byte 9 must be written as %XX" },
	{ &url, U("https://a\n"), "byte 9 must be written as %XX" },
	{ &url, U("https://a\0b"), "byte 9 must be written as %XX" },
	{ &url, U("https://a\"b"), "byte 9 must be written as %XX" },
	{ &url, U("https://a\xc3\xa9"), "byte 9 must be written as %XX" },
	{ &bytes, U("\0\xff\x80"), NULL },
	{ &bytes, U(""), "must not be empty" },
	{ &pair, U("ab"), NULL },
	{ &pair, U("abc"), "must have 2 bytes, has 3" },
	{ &pair, U(""), "must not be empty" },
};

static void expect(const struct field *field, const void *slot, const char *why)
{
	struct err err = { 0 };
	enum code code = validate_slot(field, slot, &err);

	assert_string_equal(err.text, why ? why : "");
	assert_int_equal(code, why ? E_VALUE : OK);
	assert_int_equal(validate_slot(field, slot, NULL), code);
}

static void texts_keep_their_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		uint8_t *copy = malloc(texts[i].text.size + 1);
		struct bytes exact;

		assert_non_null(copy);
		/* The last byte of its memory, so that a step too far is seen. */
		exact = bytes_of(copy + 1, texts[i].text.size);
		memcpy(copy + 1, texts[i].text.data, exact.size);
		expect(texts[i].field, &exact, texts[i].why);
		free(copy);
	}
}

#define NUMBER(type_, min_, max_)                                                                                   \
	&(const struct field)                                                                                       \
	{                                                                                                           \
		.type = TYPE_##type_, .min = (min_) ? (min_) : LEAST_##type_, .max = (max_) ? (max_) : MOST_##type_ \
	}

static void numbers_keep_their_limits(void **state)
{
	const struct {
		const struct field *field;
		uint64_t number;
		const char *why;
	} cases[] = {
		{ NUMBER(UINT, 0, 0), 0, NULL },
		{ NUMBER(UINT, 0, 0), (UINT64_C(1) << 53) - 1, NULL },
		{ NUMBER(UINT, 0, 0), UINT64_C(1) << 53, "must be 0 to 9007199254740991, is 9007199254740992" },
		{ NUMBER(UINT, 1, 65535), 0, "must be 1 to 65535, is 0" },
		{ NUMBER(UINT, 1, 65535), 65536, "must be 1 to 65535, is 65536" },
		{ NUMBER(UINT, 1, 65535), 65535, NULL },
		{ NUMBER(COUNT64, 0, 0), UINT64_MAX, NULL },
		{ NUMBER(SPAN, 0, 0), 3153600000, NULL },
		{ NUMBER(SPAN, 0, 0), 3153600001, "must be 0 to 3153600000, is 3153600001" },
		{ NUMBER(TIME, 0, 0), WALL_MAX_MS, NULL },
		{ NUMBER(TIME, 0, 0), WALL_MAX_MS + 1, "must be 0 to 140737488355327, is 140737488355328" },
		{ NUMBER(NODE, 0, 0), 0, "must be 1 to 18446744073709551615, is 0" },
		{ NUMBER(NODE, 0, 0), UINT64_MAX, NULL },
		{ NUMBER(INT, (uint64_t)-90, 90), (uint64_t)-90, NULL },
		{ NUMBER(INT, (uint64_t)-90, 90), (uint64_t)-91, "must be -90 to 90, is -91" },
		{ NUMBER(INT, (uint64_t)-90, 90), 91, "must be -90 to 90, is 91" },
		{ NUMBER(INT, (uint64_t)-90, 90), UINT64_C(1) << 63, "must be -90 to 90, is -9223372036854775808" },
		{ FIELD_TABLE(user, role), ROLE_OWNER, NULL },
		{ FIELD_TABLE(user, role), ROLE_USER, NULL },
		{ FIELD_TABLE(user, role), 0, "0 is no role that this version knows" },
		{ FIELD_TABLE(user, role), 6, "6 is no role that this version knows" },
		{ FIELD_TABLE(user, role), UINT64_MAX, "18446744073709551615 is no role that this version knows" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		expect(cases[i].field, &cases[i].number, cases[i].why);
}

static void addresses_keep_their_form(void **state)
{
	static const struct field address = { .type = TYPE_ADDRESS }, network = { .type = TYPE_NETWORK };
	const char *host_bits = "is not a network: it has bits behind its prefix";

	(void)state;
	expect(&address, &(struct address){ .size = 4 }, NULL);
	expect(&address, &(struct address){ .size = 16 }, NULL);
	expect(&address, &(struct address){ .size = 0 }, "is not an IP address");
	expect(&address, &(struct address){ .size = 5 }, "is not an IP address");
	expect(&network, &(struct network){ { 4, { 10 } }, 8 }, NULL);
	expect(&network, &(struct network){ { 4, { 10 } }, 6 }, host_bits);
	expect(&network, &(struct network){ { 4, { 0 } }, 33 }, host_bits);
	expect(&network, &(struct network){ { 16, { 0xfd } }, 128 }, NULL);
	expect(&network, &(struct network){ { 16, { 0xfd } }, 129 }, host_bits);
	expect(&(struct field){ .type = TYPE_ADDRESS, .of = 4 }, &(struct address){ .size = 4 }, NULL);
	expect(&(struct field){ .type = TYPE_ADDRESS, .of = 4 }, &(struct address){ .size = 16 }, "must be IPv4");
	expect(&(struct field){ .type = TYPE_NETWORK, .of = 6 }, &(struct network){ { 4, { 0 } }, 0 }, "must be IPv6");
	expect(&(struct field){ .type = TYPE_BOOL }, &(bool){ true }, NULL);
	expect(&(struct field){ .type = TYPE_ID }, &(struct id){ { 0 } }, NULL);
}

/*
 * The oracle: all code points, encoded by hand, sorted into a table of what is taken. Whatever is not the encoding of
 * an allowed character is refused.
 */
static uint8_t *allowed; /* by number_of: whether these one to three bytes are one such character */

static bool is_allowed_point(uint32_t p)
{
	static const uint32_t banned[][2] = { { 0, 0x1f },        { 0x7f, 0x9f },     { 0x2028, 0x202e },
					      { 0x2066, 0x2069 }, { 0xd800, 0xdfff }, { 0xfeff, 0xfeff } };

	for (size_t i = 0; i < COUNT(banned); i++)
		if (p >= banned[i][0] && p <= banned[i][1])
			return false;
	return p < 0x110000;
}

static void encode_by_hand(uint32_t p, uint8_t out[4], size_t *ret_size)
{
	if (p < 0x80) {
		*ret_size = 1, out[0] = (uint8_t)p;
	} else if (p < 0x800) {
		*ret_size = 2, out[0] = (uint8_t)(0xc0 + p / 64), out[1] = (uint8_t)(0x80 + p % 64);
	} else if (p < 0x10000) {
		*ret_size = 3, out[0] = (uint8_t)(0xe0 + p / 4096), out[1] = (uint8_t)(0x80 + p / 64 % 64);
		out[2] = (uint8_t)(0x80 + p % 64);
	} else {
		*ret_size = 4, out[0] = (uint8_t)(0xf0 + p / 262144), out[1] = (uint8_t)(0x80 + p / 4096 % 64);
		out[2] = (uint8_t)(0x80 + p / 64 % 64), out[3] = (uint8_t)(0x80 + p % 64);
	}
}

static size_t number_of(const uint8_t *b, size_t size)
{
	static const size_t first[] = { 0, 0, 256, 65792 };
	size_t number = 0;

	for (size_t i = 0; i < size; i++)
		number = number << 8 | b[i];
	return first[size] + number;
}

static void mark_allowed(void)
{
	uint8_t b[4];
	size_t size;

	allowed = calloc(1, 65792 + (1 << 24));
	assert_non_null(allowed);
	for (uint32_t p = 0; p < 0x10000; p++) {
		encode_by_hand(p, b, &size);
		allowed[number_of(b, size)] = is_allowed_point(p);
	}
}

/* Two or three characters side by side are as good as each by itself. */
static bool oracle(const uint8_t *b, size_t size)
{
	if (!size || allowed[number_of(b, size)])
		return true;
	for (size_t i = 1; i < size; i++)
		if (allowed[number_of(b, i)] && oracle(b + i, size - i))
			return true;
	return false;
}

static void every_short_sequence_is_judged_as_the_oracle_does(void **state)
{
	(void)state;
	mark_allowed();
	for (size_t size = 1; size <= 3; size++)
		for (uint32_t n = 0; n < 1U << 8 * size; n++) {
			uint8_t b[3] = { (uint8_t)(n >> 8 * (size - 1)), (uint8_t)(size > 1 ? n >> 8 * (size - 2) : 0),
					 (uint8_t)n };
			struct bytes text = bytes_of(b, size);

			if (validate_slot(&line, &text, NULL) != (oracle(b, size) ? OK : E_VALUE))
				fail_msg("%02x %02x %02x (%zu)", b[0], b[1], b[2], size);
		}
	free(allowed);
}

static void four_bytes_are_judged_as_the_oracle_does(void **state)
{
	size_t taken = 0;

	(void)state;
	for (uint32_t p = 0x10000; p < 0x110000; p += 7) {
		uint8_t b[4];
		size_t size;
		struct bytes text;

		encode_by_hand(p, b, &size);
		text = bytes_of(b, size);
		assert_int_equal(validate_slot(&line, &text, NULL), OK);
	}
	for (int round = 0; round < 2000000; round++) {
		uint8_t b[4] = { (uint8_t)(0xf0 + dice_below(16)), (uint8_t)(0x80 + dice_below(80)),
				 (uint8_t)(0x80 + dice_below(68)), (uint8_t)(0x7f + dice_below(66)) };
		struct bytes text = bytes_of(b, 4);
		uint32_t p = (b[0] & 7U) << 18 | (b[1] & 63U) << 12 | (b[2] & 63U) << 6 | (b[3] & 63U);
		bool is_right = b[0] < 0xf8 && p >= 0x10000 && p < 0x110000 && b[1] < 0xc0 && b[2] < 0xc0 &&
				b[3] < 0xc0 && b[3] >= 0x80;

		if (validate_slot(&line, &text, NULL) != (is_right ? OK : E_VALUE))
			fail_msg("%02x %02x %02x %02x", b[0], b[1], b[2], b[3]);
		taken += is_right;
	}
	assert_true(taken > 100000);
}

/* Runs of eight bytes go another way than single ones: each byte, at each place, in each length. */
static void fast_and_slow_agree(void **state)
{
	(void)state;
	for (size_t size = 1; size <= 40; size++)
		for (size_t at = 0; at < size; at++)
			for (unsigned b = 0; b < 256; b++) {
				uint8_t text[40];
				bool is_taken = b >= 0x20 && b < 0x7f;
				struct bytes whole = bytes_of(text, size);
				char why[96] = "";

				memset(text, at % 2 ? ' ' : '~', size);
				text[at] = (uint8_t)b;
				if (!is_taken && b < 0x80)
					snprintf(why, sizeof why, "the character U+%04X at byte %zu is not allowed", b,
						 at);
				else if (!is_taken)
					snprintf(why, sizeof why, "byte %zu is not UTF-8", at);
				expect(&line, &whole, is_taken ? NULL : why);
			}
}

/* Two wrong bytes at once, where one's borrow could hide the other's carry. */
static void random_bytes_are_judged_one_by_one(void **state)
{
	(void)state;
	for (int round = 0; round < 300000; round++) {
		static const uint8_t edges[] = { 0x1f, 0x20, 0x7e, 0x7f, 0x00, 0x5f, 0x21, '\n' };
		uint8_t b[24];
		size_t size = 1 + dice_below(sizeof b);
		struct bytes text = bytes_of(b, size);
		bool is_taken = true;

		for (size_t i = 0; i < size; i++) {
			b[i] = dice_below(16) ? (uint8_t)(0x20 + dice_below(0x5f)) : edges[dice_below(sizeof edges)];
			is_taken &= (b[i] >= 0x20 && b[i] < 0x7f) || b[i] == '\n';
		}
		assert_int_equal(validate_slot(&note, &text, NULL), is_taken ? OK : E_VALUE);
	}
}

static void every_type_has_a_word(void **state)
{
	static const char *const words[] = {
#define X(type, c_type, least, most) #type,
		MODEL_TYPES(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++) {
		struct field field = { .type = (uint8_t)i };

		assert_true(strlen(validate_type_text(&field)) > 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_keep_their_limits),
		cmocka_unit_test(numbers_keep_their_limits),
		cmocka_unit_test(addresses_keep_their_form),
		cmocka_unit_test(every_short_sequence_is_judged_as_the_oracle_does),
		cmocka_unit_test(four_bytes_are_judged_as_the_oracle_does),
		cmocka_unit_test(fast_and_slow_agree),
		cmocka_unit_test(random_bytes_are_judged_one_by_one),
		cmocka_unit_test(every_type_has_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
