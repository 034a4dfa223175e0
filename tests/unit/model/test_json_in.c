/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/json.h"

#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "tests/unit/base/check.h"
#include "tests/unit/model/gen_row.h"
#include "tests/unit/model/hex.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 100, LIMIT = 1 << 24, EVERYBODY = 0x7f };

static struct arena arena;
static struct rng rng;

static enum code read_text(const struct shape *shape, const char *text, struct json_asked asked, struct buf *map,
			   struct err *err)
{
	json_t *document;
	enum code code = json_open(bytes_text(text), LIMIT, &document, err);

	if (code)
		return code;
	code = json_read_row(shape, document, asked, map, err);
	json_decref(document);
	return code;
}

/* In JSON, and the map it becomes, or (not hex) the error. */
static const struct reading {
	const char *kind, *json;
	unsigned by;
	bool is_whole;
	const char *map;
	enum code code;
	const char *why;
} readings[] = {
	{ "device", "{}", BY_OWNER, false, "80", OK, "" },
	{ "device", "{\"tags\":[\"a\",\"bb\"],\"name\":\"x\"}", BY_SELF, false, "82 0d a178 19 92 a161 a26262", OK,
	  "" },
	{ "device", "{\"expires\":null,\"tags\":null}", BY_OWNER, false, "82 17 9201c0 19 c0", OK, "" },
	{ "device", "{\"expires\":\"1970-01-01T01:00:00.001+01:00\"}", BY_OWNER, false, "81 17 920101", OK, "" },
	{ "device", "{\"owner\":\"AB000000000000000000000000000001\"}", BY_OWNER, false,
	  "81 08 c410 ab000000000000000000000000000001", OK, "" },
	{ "device", "{\"split\":[\"10.0.0.0/8\",\"10.0.0.1\"],\"dns\":[\"fd00::1\"],\"routes\":\"policy\"}", BY_OWNER,
	  false, "83 1d 03 21 92 c4050a00000008 c4050a00000120 25 91 c410fd000000000000000000000000000001", OK, "" },
	{ "hold", "{\"subject\":\"user/AB000000000000000000000000000001\"}", BY_OWNER, false,
	  "81 04 92 41 c410 ab000000000000000000000000000001", OK, "" },
	{ "hold", "{\"subject\":\"65535/ab000000000000000000000000000001\"}", BY_OWNER, false,
	  "81 04 92 cdffff c410 ab000000000000000000000000000001", OK, "" },
	{ "hold", "{\"subject\":\"65536/ab000000000000000000000000000001\"}", BY_OWNER, false, NULL, E_VALUE,
	  "`subject`: 65536/ab000000000000000000000000000001 is not a kind and an id: write it as device/ and 32 hex "
	  "digits" },
	{ "hold", "{\"subject\":\"gadget/ab000000000000000000000000000001\"}", BY_OWNER, false, NULL, E_VALUE,
	  "`subject`: gadget/ab000000000000000000000000000001 is not a kind and an id: write it as device/ and 32 hex "
	  "digits" },
	{ "hold", "{\"subject\":\"user/ab\"}", BY_OWNER, false, NULL, E_VALUE,
	  "`subject`: user/ab is not a kind and an id: write it as device/ and 32 hex digits" },
	{ "device", "{\"name\":null}", BY_OWNER, false, NULL, E_VALUE, "`name`: cannot be unset" },
	{ "device", "{\"owner\":null}", BY_OWNER, false, NULL, E_VALUE, "`owner`: cannot be unset" },
	{ "device", "{\"tags\":[null]}", BY_OWNER, false, NULL, E_VALUE, "`tags[0]`: must be a text" },
	{ "device", "{\"tags\":\"a\"}", BY_OWNER, false, NULL, E_VALUE, "`tags`: must be a list" },
	{ "device", "{\"tags\":[\"a\",\"B\"]}", BY_OWNER, false, NULL, E_VALUE,
	  "`tags[1]`: use small letters and digits, and behind the first also - _ . (byte 0 is none)" },
	{ "device", "{\"dns\":[1,2,3,4,5,6,7,8,9]}", BY_OWNER, false, NULL, E_LIMIT,
	  "`dns`: has 9 items, at most 8 are allowed" },
	{ "device", "{\"split\":[\"10.0.0.0/8\",\"10.0.0.0/33\"]}", BY_OWNER, false, NULL, E_VALUE,
	  "`split[1]`: 10.0.0.0/33 is not a network: the prefix of an IPv4 network is at most 32" },
	{ "device", "{\"dns\":[\"10.0.0.256\"]}", BY_OWNER, false, NULL, E_VALUE,
	  "`dns[0]`: 10.0.0.256 is not an IP address" },
	{ "device", "{\"routes\":\"some\"}", BY_OWNER, false, NULL, E_VALUE,
	  "`routes`: some is none of: full, split, policy" },
	{ "device", "{\"routes\":2}", BY_OWNER, false, NULL, E_VALUE, "`routes`: must be a choice" },
	{ "device", "{\"name\":\"a\\nb\"}", BY_OWNER, false, NULL, E_VALUE,
	  "`name`: the character U+000A at byte 1 is not allowed" },
	{ "device", "{\"name\":\"\"}", BY_OWNER, false, NULL, E_VALUE, "`name`: must not be empty" },
	{ "device", "{\"name\":5}", BY_OWNER, false, NULL, E_VALUE, "`name`: must be a text" },
	{ "device", "{\"kill_switch\":1}", BY_OWNER, false, NULL, E_VALUE, "`kill_switch`: must be true or false" },
	{ "device", "{\"expires\":\"tomorrow\"}", BY_OWNER, false, NULL, E_VALUE,
	  "`expires`: tomorrow is not a time: write it as 2026-11-21T15:26:43Z" },
	{ "device", "{\"owner\":\"12\"}", BY_OWNER, false, NULL, E_VALUE,
	  "`owner`: 12 is not an id: 32 hex digits are" },
	{ "device", "{\"owner\":\"g0000000000000000000000000000000\"}", BY_OWNER, false, NULL, E_VALUE,
	  "`owner`: g0000000000000000000000000000000 is not an id: 32 hex digits are" },
#define NO_KEY "`public_key`: is not a key: 44 characters of base64 are, as wg pubkey prints them"
	{ "device", "{\"public_key\":\"AAAA\"}", BY_OWNER, false, NULL, E_VALUE, NO_KEY },
	{ "device", "{\"public_key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", BY_OWNER, false, NULL, E_VALUE,
	  NO_KEY },
	{ "device", "{\"public_key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\"}", BY_OWNER, false, NULL, E_VALUE,
	  NO_KEY },
	{ "device", "{\"public_key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}", BY_OWNER, false,
	  "81 04 c420 0000000000000000000000000000000000000000000000000000000000000000", OK, "" },
	/* Numbers. */
	{ "device", "{\"mtu\":1420}", BY_OWNER, false, "81 2d cd058c", OK, "" },
	{ "device", "{\"mtu\":1279}", BY_OWNER, false, NULL, E_VALUE, "`mtu`: must be 1280 to 9000, is 1279" },
	{ "device", "{\"mtu\":-1}", BY_OWNER, false, NULL, E_VALUE, "`mtu`: must be 1280 or more" },
	{ "device", "{\"mtu\":1420.0}", BY_OWNER, false, NULL, E_VALUE, "`mtu`: must be a whole number" },
	{ "device", "{\"mtu\":\"1420\"}", BY_OWNER, false, NULL, E_VALUE, "`mtu`: must be a whole number" },
	{ "device", "{\"mtu\":1e3}", BY_OWNER, false, NULL, E_VALUE, "`mtu`: must be a whole number" },
	{ "device", "{\"keepalive\":true}", BY_OWNER, false, NULL, E_VALUE,
	  "`keepalive`: must be a number of seconds" },
	{ "plan", "{\"down\":\"18446744073709551615\"}", BY_ADMIN, false, "81 11 cfffffffffffffffff", OK, "" },
	{ "plan", "{\"down\":\"18446744073709551616\"}", BY_ADMIN, false, NULL, E_VALUE,
	  "`down`: must be a whole number" },
	{ "plan", "{\"down\":\"99999999999999999999\"}", BY_ADMIN, false, NULL, E_VALUE,
	  "`down`: must be a whole number" },
	{ "plan", "{\"down\":\"-1\"}", BY_ADMIN, false, NULL, E_VALUE, "`down`: must be a whole number" },
	{ "plan", "{\"down\":\"\"}", BY_ADMIN, false, NULL, E_VALUE, "`down`: must be a whole number" },
	{ "plan", "{\"down\":\"1 \"}", BY_ADMIN, false, NULL, E_VALUE, "`down`: must be a whole number" },
	{ "plan", "{\"down\":9007199254740993}", BY_ADMIN, false, "81 11 cf0020000000000001", OK, "" },
	{ "plan", "{\"down\":18446744073709551615}", BY_ADMIN, false, NULL, E_FORM,
	  "line 1, column 28: too big integer near '18446744073709551615'" },
	{ "plan", "{\"devices\":9007199254740992}", BY_ADMIN, false, NULL, E_VALUE,
	  "`devices`: must be 0 to 1000, is 9007199254740992" },
	{ "gateway", "{\"latitude\":-90000000}", BY_ADMIN, false, "81 15 d2faa2b580", OK, "" },
	{ "gateway", "{\"latitude\":-90000001}", BY_ADMIN, false, NULL, E_VALUE,
	  "`latitude`: must be -90000000 to 90000000, is -90000001" },
	{ "gateway", "{\"latitude\":0.5}", BY_ADMIN, false, NULL, E_VALUE, "`latitude`: must be a whole number" },
	/* Bytes. */
	{ "certificate", "{\"chain\":\"AQID\"}", BY_OWNER, false, "81 04 c403010203", OK, "" },
	{ "certificate", "{\"chain\":\"AQ\"}", BY_OWNER, false, NULL, E_VALUE, "`chain`: is not base64" },
	{ "certificate", "{\"chain\":\"AQ!=\"}", BY_OWNER, false, NULL, E_VALUE, "`chain`: is not base64" },
	{ "certificate", "{\"chain\":\"\"}", BY_OWNER, false, NULL, E_VALUE, "`chain`: must not be empty" },
	{ "certificate", "{\"chain\":1}", BY_OWNER, false, NULL, E_VALUE, "`chain`: must be bytes" },
	/* Who may. */
	{ "device", "{\"made\":\"2026-01-01T00:00:00Z\"}", BY_OWNER, false, NULL, E_DENIED,
	  "`made`: only the agent itself sets this" },
	{ "device", "{\"sites\":[]}", BY_SELF, false, NULL, E_DENIED,
	  "`sites`: only the roles owner and admin may set this" },
	{ "device", "{\"sites\":[]}", BY_SELF | BY_ADMIN, false, "81 33 920190", OK, "" },
	{ "device", "{\"expires\":null}", BY_SELF, false, NULL, E_DENIED,
	  "`expires`: only the roles owner, admin and operator may set this" },
	{ "certificate", "{\"chain\":\"AQID\"}", BY_ADMIN, false, NULL, E_DENIED,
	  "`chain`: only the role owner may set this" },
	{ "eviction", "{\"key\":\"\"}", BY_OWNER, false, NULL, E_DENIED,
	  "`key`: only an operator's key can sign this" },
	{ "user", "{\"name\":\"x\"}", 0, false, NULL, E_DENIED,
	  "`name`: only its user, or a role above, may set this" },
	{ "usage", "{\"period\":1}", BY_OWNER, false, NULL, E_DENIED, "`period`: only the agent itself sets this" },
	{ "password", "{\"hash\":\"x\"}", BY_AGENT, false, NULL, E_VALUE, "`hash`: is not base64" },
	{ "usage", "{\"sent\":{}}", BY_MEMBER, false, NULL, E_DENIED, "`sent`: is not set this way" },
	/* Members. */
	{ "device", "{\"nmae\":\"x\"}", BY_OWNER, false, NULL, E_VALUE,
	  "`nmae`: a device has no such field; did you mean `name`?" },
	{ "device", "{\"publickey\":\"x\"}", BY_OWNER, false, NULL, E_VALUE,
	  "`publickey`: a device has no such field; did you mean `public_key`?" },
	{ "device", "{\"somewhere\":1}", BY_OWNER, false, NULL, E_VALUE, "`somewhere`: a device has no such field" },
	{ "device", "{\"ordinal\":1}", BY_OWNER, false, NULL, E_VALUE, "`ordinal`: a device has no such field" },
	{ "device", "{\"id\":1}", BY_OWNER, false, NULL, E_VALUE, "`id`: a device has no such field" },
	{ "device", "[]", BY_OWNER, false, NULL, E_VALUE, "must be an object" },
	{ "device", "{\"name\":\"a\",\"name\":\"b\"}", BY_OWNER, false, NULL, E_FORM,
	  "line 1, column 18: duplicate object key near '\"name\"'" },
	/* What must be there, of what the asker may set. */
	{ "device", "{}", BY_OWNER, true, NULL, E_VALUE, "`public_key`: is required" },
	{ "user", "{\"login\":\"a\"}", BY_OPERATOR, true, "81 05 a161", OK, "" },
	{ "gateway", "{}", BY_ADMIN, true, NULL, E_VALUE, "`name`: is required" },
	/* Parts. */
	{ "policy_version",
	  "{\"rules\":[{\"ports\":[{\"last\":23,\"first\":22}],\"verdict\":\"deny\"},{\"verdict\":\"allow\"}]}",
	  BY_ADMIN, false, "81 0c 92 82 04 02 14 91 82 04 16 08 17 81 04 01", OK, "" },
	{ "policy_version", "{\"rules\":[{\"verdict\":\"deny\"},{\"verdict\":\"deny\",\"to\":[\"10.0.0.0/33\"]}]}",
	  BY_ADMIN, false, NULL, E_VALUE,
	  "`rules[1].to[0]`: 10.0.0.0/33 is not a network: the prefix of an IPv4 network is at most 32" },
	{ "policy_version", "{\"rules\":[{\"verdict\":\"deny\",\"prots\":[]}]}", BY_ADMIN, false, NULL, E_VALUE,
	  "`rules[0].prots`: a rule has no such field; did you mean `ports`?" },
	{ "policy_version", "{\"rules\":[{\"verdict\":\"deny\",\"ports\":[{\"first\":1}]}]}", BY_ADMIN, true, NULL,
	  E_VALUE, "`policy`: is required" },
	{ "policy_version", "{\"rules\":[{\"verdict\":\"deny\",\"ports\":[{\"first\":1}]}]}", BY_ADMIN, false, NULL,
	  E_VALUE, "`rules[0].ports[0].last`: is required" },
	{ "policy_version", "{\"rules\":[7]}", BY_ADMIN, false, NULL, E_VALUE, "`rules[0]`: must be an object" },
	{ "policy_version", "{\"rules\":[{\"verdict\":\"deny\",\"note\":null}]}", BY_ADMIN, false, NULL, E_VALUE,
	  "`rules[0].note`: cannot be unset" },
};

static void documents_become_maps_or_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(readings); i++) {
		const struct reading *c = &readings[i];
		const struct shape *shape = &model_kind_named(bytes_text(c->kind))->shape;
		struct json_asked asked = { c->by, c->is_whole };
		struct buf map = buf_growing(MODEL_OP_MAX);
		struct err err = { 0 };
		enum code code;

		print_message("  %s\n", c->json);
		code = read_text(shape, c->json, asked, &map, &err);
		assert_string_equal(err.text, c->why);
		assert_int_equal(code, c->code);
		if (!code) {
			struct bytes wanted = unhex(&arena, c->map);

			assert_int_equal(map.size, wanted.size);
			assert_memory_equal(map.data, wanted.data, wanted.size);
		}
		buf_clear(&map);
		assert_int_equal(read_text(shape, c->json, asked, &map, NULL), code);
		buf_done(&map);
	}
	arena_reset(&arena);
}

/* As the API puts it together from a bulk request. */
static void the_place_is_named_from_the_outside_in(void **state)
{
	static const char body[] = "{\"devices\":[{},{},{},{\"split\":[\"10.0.0.0/8\",\"10.0.0.0/33\"]}]}";
	struct json_asked asked = { BY_OWNER, false };
	struct err err = { 0 };
	json_t *document;
	enum code code = OK;

	(void)state;
	assert_int_equal(json_open(bytes_text(body), 1000, &document, NULL), OK);
	for (size_t i = 0; i < 4; i++) {
		json_t *item = json_array_get(json_object_get(document, "devices"), i);
		struct buf map = buf_growing(MODEL_OP_MAX);

		assert_int_equal(code, OK);
		code = json_read_row(&KIND_TABLE(device)->shape, item, asked, &map, &err);
		if (code)
			code = fail_at(&err, code, "devices", (long)i);
		buf_done(&map);
	}
	assert_int_equal(code, E_VALUE);
	assert_string_equal(err.text, "`devices[3].split[1]`: 10.0.0.0/33 is not a network: the prefix of an IPv4 "
				      "network is at most 32");
	json_decref(document);
}

static void expect_open(struct bytes text, size_t limit, enum code code, const char *why)
{
	struct err err = { 0 };
	json_t *document = NULL;

	assert_int_equal(json_open(text, limit, &document, &err), code);
	assert_string_equal(err.text, why);
	assert_int_equal(document != NULL, code == OK);
	json_decref(document);
}

#define FORTY "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["

static void documents_are_opened_with_care(void **state)
{
	char deep[2 * JSON_DEPTH + 8];
	size_t n = JSON_DEPTH;

	(void)state;
	expect_open(bytes_text("{}"), 2, OK, "");
	expect_open(bytes_text("{} "), 2, E_LIMIT, "the document has 3 bytes, at most 2 are allowed");
	expect_open(bytes_of(NULL, 0), 9, E_FORM, "line 1, column 0: '[' or '{' expected near end of file");
	expect_open(bytes_text(""), 9, E_FORM, "line 1, column 0: '[' or '{' expected near end of file");
	expect_open(bytes_text("{\n\"a\":}"), 99, E_FORM, "line 2, column 5: unexpected token near '}'");
	expect_open(bytes_text("{}x"), 99, E_FORM, "line 1, column 3: end of file expected near 'x'");
	expect_open(bytes_text("[\"\xff\"]"), 99, E_FORM, "line 1, column 2: unable to decode byte 0xff near '\"'");
	expect_open(bytes_text("[\"\\u0000\"]"), 99, E_FORM,
		    "line 1, column 9: \\u0000 is not allowed without JSON_ALLOW_NUL near '\"\\u0000\"'");
	memset(deep, '[', n);
	memset(deep + n, ']', n);
	expect_open(bytes_of(deep, 2 * n), 999, OK, "");
	memset(deep, '[', n + 1);
	memset(deep + n + 1, ']', n + 1);
	expect_open(bytes_of(deep, 2 * n + 2), 999, E_LIMIT, "line 1: nested deeper than 32 levels");
	/* Brackets inside a text nest nothing, and a quote behind a backslash does not end it; two of those do. */
	expect_open(bytes_text("[\"" FORTY "\\\"" FORTY "\\\\\"]"), 999, OK, "");
	expect_open(bytes_text("[\"\\\\\",\n" FORTY "]"), 999, E_LIMIT, "line 2: nested deeper than 32 levels");
	/* Side by side is not inside one another. */
	expect_open(bytes_text("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]"
			       ",[],[],[],[],[]]"),
		    999, OK, "");
}

static void what_exceeds_an_op_is_too_big(void **state)
{
	struct json_asked asked = { BY_OWNER, false };
	struct buf map = buf_growing(20);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(read_text(&KIND_TABLE(device)->shape, "{\"note\":\"0123456789012345678\"}", asked, &map, &err),
			 E_LIMIT);
	assert_string_equal(err.text, "the device is too big");
	buf_done(&map);
}

/* What the public view says, and can be said by a client, comes back as it went out. */
static uint64_t speakable(const struct shape *shape)
{
	uint64_t fields = 0;

	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];

		if (!f->is_hidden && !f->is_secret && f->type != TYPE_COUNTER)
			fields |= BIT(i);
	}
	return fields;
}

/* What a client says of a CRED field begins at generation 1, and says nothing of conflicts. */
static void said_anew(const struct shape *shape, void *row)
{
	for (size_t i = 0; i < shape->count; i++)
		if (shape->fields[i].merge == MERGE_CRED)
			*field_guard(&shape->fields[i], row) =
				(struct guard){ .generation = row_has_field(shape, row, i) ? 1 : 0 };
}

static void random_rows_of_all_kinds_come_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < (size_t)MODEL_KINDS * ROUNDS; i++) {
		const struct shape *shape = &model_kinds[i / ROUNDS].shape;
		void *row = arena_take(&arena, shape->size), *back = arena_take(&arena, shape->size);
		struct json_asked asked = { EVERYBODY, false };
		struct buf json = buf_growing(LIMIT), map = buf_growing(LIMIT), again = buf_growing(LIMIT);
		struct err err = { 0 };

		gen_row(shape, &rng, &arena, row);
		*row_has(shape, row) &= speakable(shape);
		said_anew(shape, row);
		json_write_row(shape, NULL, row, JSON_PUBLIC, &json);
		buf_put_byte(&json, 0);
		if (read_text(shape, (const char *)json.data, asked, &map, &err))
			fail_msg("%s: %s\n%s", shape->name, err.text, (const char *)json.data);
		pack_write(shape, row, &again);
		assert_int_equal(map.size, again.size);
		assert_memory_equal(map.data, again.data, map.size);
		assert_int_equal(pack_read(shape, buf_bytes(&map), false, back, &err), OK);
		buf_clear(&again);
		json_write_row(shape, NULL, back, JSON_PUBLIC, &again);
		assert_int_equal(again.size + 1, json.size);
		assert_memory_equal(again.data, json.data, again.size);
		buf_done(&json);
		buf_done(&map);
		buf_done(&again);
		arena_reset(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_become_maps_or_errors),
		cmocka_unit_test(the_place_is_named_from_the_outside_in),
		cmocka_unit_test(documents_are_opened_with_care),
		cmocka_unit_test(what_exceeds_an_op_is_too_big),
		cmocka_unit_test(random_rows_of_all_kinds_come_back),
	};
	int failed;

	rng = rng_from_number(6);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_done(&arena);
	return failed;
}
