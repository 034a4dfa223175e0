/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/join_token.h"

#include "crdt/base/hash.h"
#include "tests/unit/base/check.h"

#include <sodium.h>
#include <stdio.h>

/* What people copy from one terminal to another: it comes back whole, or is refused. */

static struct join_token token_of(size_t addresses)
{
	struct join_token token = { .expires = { dice() }, .count = addresses };

	dice_fill(token.cluster.bytes, sizeof token.cluster.bytes);
	dice_fill(token.invite.bytes, sizeof token.invite.bytes);
	dice_fill(token.sponsor.bytes, sizeof token.sponsor.bytes);
	dice_fill(token.one_time, sizeof token.one_time);
	for (size_t i = 0; i < addresses; i++) {
		snprintf(token.addresses[i].host, sizeof token.addresses[i].host, "host-%zu.example.net", i);
		token.addresses[i].port = (uint16_t)(1 + dice_below(65535));
	}
	return token;
}

static void assert_same(const struct join_token *a, const struct join_token *b)
{
	assert_memory_equal(&a->cluster, &b->cluster, sizeof a->cluster);
	assert_memory_equal(&a->invite, &b->invite, sizeof a->invite);
	assert_memory_equal(&a->sponsor, &b->sponsor, sizeof a->sponsor);
	assert_memory_equal(a->one_time, b->one_time, sizeof a->one_time);
	assert_true(a->expires.ms == b->expires.ms);
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_string_equal(a->addresses[i].host, b->addresses[i].host);
		assert_int_equal(a->addresses[i].port, b->addresses[i].port);
	}
}

/* Refused, with words and no traces of what was read before the fault was seen. */
static enum code refuse(struct bytes text)
{
	struct join_token token, before;
	struct err err = { 0 };
	enum code code;

	memset(&token, 0x5a, sizeof token);
	before = token;
	code = join_token_read(text, &token, &err);
	assert_int_not_equal(code, OK);
	assert_true(err.text[0]);
	assert_memory_equal(&token, &before, sizeof token);
	return code;
}

static void what_was_written_is_read(void **state)
{
	char text[JOIN_TOKEN_MAX];

	(void)state;
	for (size_t addresses = 0; addresses <= JOIN_TOKEN_ADDRESSES; addresses++) {
		struct join_token token = token_of(addresses), again;

		join_token_write(&token, text);
		assert_int_equal(join_token_read(bytes_text(text), &again, NULL), OK);
		assert_same(&token, &again);
	}
}

static void the_longest_names_fit(void **state)
{
	struct join_token token = token_of(JOIN_TOKEN_ADDRESSES), again;
	char text[JOIN_TOKEN_MAX];

	(void)state;
	for (size_t i = 0; i < token.count; i++) {
		memset(token.addresses[i].host, 'a', 253);
		token.addresses[i].host[253] = 0;
	}
	join_token_write(&token, text);
	assert_int_equal(join_token_read(bytes_text(text), &again, NULL), OK);
	assert_same(&token, &again);
}

static void whatever_is_cut_off_is_missed(void **state)
{
	struct join_token token = token_of(2);
	char text[JOIN_TOKEN_MAX];

	(void)state;
	join_token_write(&token, text);
	for (size_t size = 0; size < strlen(text); size++)
		assert_int_equal(refuse(bytes_of(text, size)), E_FORM);
}

static void whatever_is_changed_or_added_is_seen(void **state)
{
	static const char others[] = "ABz059-_ =.\n";
	struct join_token token = token_of(1);
	char text[JOIN_TOKEN_MAX];
	size_t size;

	(void)state;
	join_token_write(&token, text);
	size = strlen(text);
	for (size_t i = 0; i < size; i++) {
		char right = text[i];

		for (size_t bit = 0; bit < 8; bit++) {
			text[i] = (char)(right ^ 1 << bit);
			refuse(bytes_of(text, size));
		}
		text[i] = right;
	}
	for (const char *other = others; *other; other++) {
		text[size] = *other;
		refuse(bytes_of(text, size + 1));
	}
}

/* The same with a check that is right: as another program would write it. */
static enum code refuse_raw(uint8_t *raw, size_t size)
{
	char text[JOIN_TOKEN_MAX] = JOIN_TOKEN_PREFIX;
	struct bytes front = bytes_of(raw, size);
	struct id check = hash_id(&front, 1);

	memcpy(raw + size, check.bytes, 4);
	sodium_bin2base64(text + strlen(JOIN_TOKEN_PREFIX), sizeof text - strlen(JOIN_TOKEN_PREFIX), raw, size + 4,
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return refuse(bytes_text(text));
}

enum { AT_COUNT = 1 + 16 + 32 + 16 + 32 + 8 };

static void what_no_warren_writes_is_refused(void **state)
{
	uint8_t raw[400] = { 1 };

	(void)state;
	raw[0] = 2;
	assert_int_equal(refuse_raw(raw, AT_COUNT + 1), E_NEWER);
	raw[0] = 1;
	raw[AT_COUNT] = JOIN_TOKEN_ADDRESSES + 1;
	assert_int_equal(refuse_raw(raw, 300), E_FORM);
	/* A port of 0, a host of no bytes, one with a line feed, one that ends early, and something behind it all. */
	raw[AT_COUNT] = 1;
	memcpy(raw + AT_COUNT + 1, "\0\0\2ab", 5);
	assert_int_equal(refuse_raw(raw, AT_COUNT + 6), E_FORM);
	memcpy(raw + AT_COUNT + 1, "\0\1\0", 3);
	assert_int_equal(refuse_raw(raw, AT_COUNT + 4), E_FORM);
	memcpy(raw + AT_COUNT + 1, "\0\1\2a\n", 5);
	assert_int_equal(refuse_raw(raw, AT_COUNT + 6), E_FORM);
	memcpy(raw + AT_COUNT + 1, "\0\1\3ab", 5);
	assert_int_equal(refuse_raw(raw, AT_COUNT + 6), E_FORM);
	memcpy(raw + AT_COUNT + 1, "\0\1\2abc", 6);
	assert_int_equal(refuse_raw(raw, AT_COUNT + 7), E_FORM);
}

static void a_recovery_key_comes_back_from_paper(void **state)
{
	char text[RECOVERY_KEY_MAX], spaced[RECOVERY_KEY_MAX];
	uint8_t seed[32], again[32];

	(void)state;
	dice_fill(seed, sizeof seed);
	recovery_key_write(seed, text);
	assert_int_equal(recovery_key_read(bytes_text(text), again, NULL), OK);
	assert_memory_equal(seed, again, sizeof seed);
	/* People write it in other groups. */
	snprintf(spaced, sizeof spaced, "%s", text);
	for (char *at = spaced + strlen("wrn-recovery-"); *at; at++)
		*at = *at == '-' ? ' ' : *at;
	assert_int_equal(recovery_key_read(bytes_text(spaced), again, NULL), OK);
	assert_memory_equal(seed, again, sizeof seed);
}

static void a_recovery_key_that_was_mistyped_is_refused(void **state)
{
	char text[RECOVERY_KEY_MAX];
	uint8_t seed[32], again[32] = { 7 };
	size_t size;

	(void)state;
	dice_fill(seed, sizeof seed);
	recovery_key_write(seed, text);
	size = strlen(text);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(recovery_key_read(bytes_of(text, i), again, NULL), E_FORM);
	for (size_t i = strlen("wrn-recovery-"); i < size; i++) {
		char right = text[i];

		text[i] = right == '-' ? '0' : right == '0' ? '1' : '0';
		assert_int_equal(recovery_key_read(bytes_of(text, size), again, NULL), E_FORM);
		text[i] = right;
	}
	assert_int_equal(again[0], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(the_longest_names_fit),
		cmocka_unit_test(whatever_is_cut_off_is_missed),
		cmocka_unit_test(whatever_is_changed_or_added_is_seen),
		cmocka_unit_test(what_no_warren_writes_is_refused),
		cmocka_unit_test(a_recovery_key_comes_back_from_paper),
		cmocka_unit_test(a_recovery_key_that_was_mistyped_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
