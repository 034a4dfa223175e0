/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/json.h"

#include "crdt/model/pack.h"
#include "tests/unit/base/check.h"
#include "tests/unit/model/gen_row.h"
#include "tests/unit/model/hex.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 100, LIMIT = 1 << 24 };

static struct arena arena;
static struct rng rng;

static const char *json_of(const struct shape *shape, const struct id *id, const void *row, enum json_view view)
{
	struct buf buf = buf_growing(LIMIT);
	struct bytes text;

	json_write_row(shape, id, row, view, &buf);
	buf_put_byte(&buf, 0);
	assert_false(buf.is_full);
	text = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return (const char *)text.data;
}

#define ROW(shape, hex, row) assert_int_equal(pack_read(shape, unhex(&arena, hex), false, row, NULL), OK)

static const struct document {
	const char *kind, *hex;
	enum json_view view;
	const char *json;
} documents[] = {
	{ "device",
	  "8a 04 c420 7777777777777777777777777777777777777777777777777777777777777777"
	  "08 c410 22222222222222222222222222222222 0d a6 4c6170222f5c 12 03 17 920900 19 92 a161 a26262 1d 02"
	  "21 92 c405c0a8000010 c411fd00000000000000000000000000000008 29 19 35 c3",
	  JSON_PUBLIC,
	  "{\"id\":\"ffeeddccbbaa99887766554433221100\","
	  "\"public_key\":\"d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3c=\","
	  "\"owner\":\"22222222222222222222222222222222\",\"name\":\"Lap\\\"/"
	  "\\\\\",\"expires\":\"1970-01-01T00:00:00.000Z\","
	  "\"tags\":[\"a\",\"bb\"],\"routes\":\"split\",\"split\":[\"192.168.0.0/16\",\"fd00::/8\"],\"keepalive\":25,"
	  "\"kill_switch\":true}" },
	{ "device", "82 0d a161 12 03", JSON_MASKED,
	  "{\"id\":\"ffeeddccbbaa99887766554433221100\",\"name\":\"a\",\"ordinal\":3}" },
	{ "gateway", "84 15 d2faa2b580 19 00 2d c4040a000001 35 a4 610a0962", JSON_PUBLIC,
	  "{\"id\":\"ffeeddccbbaa99887766554433221100\",\"latitude\":-90000000,\"longitude\":0,"
	  "\"egress4\":\"10.0.0.1\",\"note\":\"a\\u000a\\u0009b\"}" },
	{ "password", "81 0b 92 05 c40161", JSON_PUBLIC, "{\"id\":\"ffeeddccbbaa99887766554433221100\"}" },
	{ "password", "81 0b 92 05 c40161", JSON_MASKED,
	  "{\"id\":\"ffeeddccbbaa99887766554433221100\",\"hash\":\"(secret)\"}" },
	{ "password", "81 0b 92 05 c0", JSON_MASKED, "{\"id\":\"ffeeddccbbaa99887766554433221100\"}" },
	{ "password", "81 0b 91 05", JSON_MASKED,
	  "{\"id\":\"ffeeddccbbaa99887766554433221100\",\"conflicts\":[\"hash\"]}" },
	{ "usage", "83 04 01 08 07 16 93 0a 09 08", JSON_PUBLIC,
	  "{\"id\":\"ffeeddccbbaa99887766554433221100\",\"node\":\"0000000000000001\","
	  "\"sent\":{\"total\":10,\"reading\":9,\"making\":8}}" },
	{ "policy_version", "81 0c 92 84 04 01 08 91 c4050a00000008 14 91 82 04 16 08 17 1c 03 81 04 02", JSON_PUBLIC,
	  "{\"id\":\"ffeeddccbbaa99887766554433221100\",\"rules\":[{\"verdict\":\"allow\",\"to\":[\"10.0.0.0/8\"],"
	  "\"ports\":[{\"first\":22,\"last\":23}],\"grant\":\"lan\"},{\"verdict\":\"deny\"}]}" },
	{ "certificate", "82 04 c403010203 10 c2", JSON_PUBLIC,
	  "{\"id\":\"ffeeddccbbaa99887766554433221100\",\"chain\":\"AQID\",\"is_own\":false}" },
	{ "plan", "82 11 cf001fffffffffffff 15 cf0020000000000000", JSON_PUBLIC,
	  "{\"id\":\"ffeeddccbbaa99887766554433221100\",\"down\":9007199254740991,\"up\":\"9007199254740992\"}" },
	{ "usage", "81 16 93 cfffffffffffffffff 00 01", JSON_PUBLIC,
	  "{\"id\":\"ffeeddccbbaa99887766554433221100\","
	  "\"sent\":{\"total\":\"18446744073709551615\",\"reading\":0,\"making\":1}}" },
	{ "device", "80", JSON_PUBLIC, "{\"id\":\"ffeeddccbbaa99887766554433221100\"}" },
};

static void documents_are_these(void **state)
{
	const struct id id = { { 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22,
				 0x11, 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(documents); i++) {
		const struct kind *kind = model_kind_named(bytes_text(documents[i].kind));
		void *row = arena_take(&arena, kind->shape.size);

		print_message("  %s\n", documents[i].json);
		ROW(&kind->shape, documents[i].hex, row);
		assert_string_equal(json_of(&kind->shape, &id, row, documents[i].view), documents[i].json);
	}
	arena_reset(&arena);
}

static void a_part_has_no_id(void **state)
{
	struct rule_row row;

	(void)state;
	ROW(&model_parts[PART_rule], "82 04 02 20 a3616c6c", &row);
	assert_string_equal(json_of(&model_parts[PART_rule], NULL, &row, JSON_PUBLIC),
			    "{\"verdict\":\"deny\",\"note\":\"all\"}");
	ROW(&model_parts[PART_rule], "80", &row);
	assert_string_equal(json_of(&model_parts[PART_rule], NULL, &row, JSON_PUBLIC), "{}");
	arena_reset(&arena);
}

/* Every byte, escaped so that a parser that did not write it reads it back. */
static void texts_are_escaped(void **state)
{
	struct buf buf = buf_growing(LIMIT);
	uint8_t text[0x80];
	json_t *read;

	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)i;
	json_write_text(bytes_of(text, sizeof text), &buf);
	read = json_loadb((const char *)buf.data, buf.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert_non_null(read);
	assert_int_equal(json_string_length(read), sizeof text);
	assert_memory_equal(json_string_value(read), text, sizeof text);
	json_decref(read);
	buf_clear(&buf);
	json_write_text(bytes_text("\x1f\"\\/\x7fé"), &buf);
	assert_true(bytes_equal(buf_bytes(&buf), bytes_text("\"\\u001f\\\"\\\\/\x7fé\"")));
	buf_clear(&buf);
	json_write_text(bytes_of(NULL, 0), &buf);
	assert_true(bytes_equal(buf_bytes(&buf), bytes_text("\"\"")));
	buf_done(&buf);
}

/* All rows that can be are JSON to a parser of others, with every number as it was. */
static void random_rows_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < MODEL_KINDS; i++)
		for (int round = 0; round < ROUNDS; round++) {
			const struct shape *shape = &model_kinds[i].shape;
			void *row = arena_take(&arena, shape->size);
			json_error_t error;
			json_t *read;
			const char *text;

			gen_row(shape, &rng, &arena, row);
			text = json_of(shape, row, row, dice_below(2) ? JSON_PUBLIC : JSON_MASKED);
			read = json_loads(text, JSON_REJECT_DUPLICATES, &error);
			if (!read)
				fail_msg("%s: %s: %s", shape->name, error.text, text);
			assert_int_equal(json_string_length(json_object_get(read, "id")), 32);
			json_decref(read);
			arena_reset(&arena);
		}
}

static bool has(const char *text, const char *needle)
{
	return strstr(text, needle);
}

/* Plants a marker in every secret and looks for it, in each spelling, in what comes out. */
static void no_secret_comes_out(void **state)
{
	static const char marker[] = "MARKERMARKERMARKERMARKERMARKERMARKERMARKERMARKERMARKERMARKER";
	static const char *const spellings[] = { "MARKER", "TUFSS0VS", "QVJLRVJN", "UktFUk1B", "4d41524b4552" };
	size_t planted = 0;

	(void)state;
	for (size_t i = 0; i < MODEL_KINDS; i++) {
		const struct shape *shape = &model_kinds[i].shape;
		void *row = arena_take(&arena, shape->size);
		const char *public, *masked;

		gen_row(shape, &rng, &arena, row);
		for (size_t k = 0; k < shape->count; k++) {
			const struct field *f = &shape->fields[k];
			struct bytes secret = bytes_text(marker);

			if (!f->is_secret)
				continue;
			planted++;
			*row_has(shape, row) |= BIT(k);
			*(struct bytes *)field_slot(f, row) = secret;
			masked = json_of(shape, row, row, JSON_MASKED);
			public = json_of(shape, row, row, JSON_PUBLIC);
			assert_true(has(masked, "\"(secret)\""));
			assert_true(has(masked, f->name));
			assert_false(has(public, "\"(secret)\""));
			for (size_t s = 0; s < COUNT(spellings); s++)
				if (has(masked, spellings[s]) || has(public, spellings[s]))
					fail_msg("%s.%s came out", shape->name, f->name);
		}
		arena_reset(&arena);
	}
	assert_true(planted >= 10);
}

static void hidden_fields_are_for_the_agent_only(void **state)
{
	size_t hidden = 0;

	(void)state;
	for (size_t i = 0; i < MODEL_KINDS; i++) {
		const struct shape *shape = &model_kinds[i].shape;
		void *row = arena_take(&arena, shape->size);
		json_t *public, *masked;

		gen_row(shape, &rng, &arena, row);
		public = json_loads(json_of(shape, NULL, row, JSON_PUBLIC), 0, NULL);
		masked = json_loads(json_of(shape, NULL, row, JSON_MASKED), 0, NULL);
		assert_true(public && masked);
		for (size_t k = 0; k < shape->count; k++) {
			const struct field *f = &shape->fields[k];
			bool is_set = row_has_field(shape, row, k), is_shown = is_set && !f->is_hidden && !f->is_secret;

			assert_int_equal(json_object_get(public, f->name) != NULL, is_shown);
			assert_int_equal(json_object_get(masked, f->name) != NULL, is_set);
			hidden += f->is_hidden;
		}
		assert_null(json_object_get(public, "id"));
		json_decref(public);
		json_decref(masked);
		arena_reset(&arena);
	}
	assert_true(hidden > 10);
}

/* A buf that ends somewhere says so and nothing worse. */
static void a_full_buf_is_full(void **state)
{
	const struct kind *kind = KIND_TABLE(certificate);
	struct certificate_row row;
	size_t size;

	(void)state;
	gen_row(&kind->shape, &rng, &arena, &row);
	size = strlen(json_of(&kind->shape, &row.id, &row, JSON_PUBLIC));
	for (size_t limit = 0; limit <= size; limit += limit < 300 ? 1 : 501) {
		struct buf buf = buf_growing(limit);

		json_write_row(&kind->shape, &row.id, &row, JSON_PUBLIC, &buf);
		assert_int_equal(buf.is_full, limit < size);
		buf_done(&buf);
	}
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_are_these), cmocka_unit_test(a_part_has_no_id),
		cmocka_unit_test(texts_are_escaped),   cmocka_unit_test(random_rows_parse),
		cmocka_unit_test(no_secret_comes_out), cmocka_unit_test(hidden_fields_are_for_the_agent_only),
		cmocka_unit_test(a_full_buf_is_full),
	};
	int failed;

	rng = rng_from_number(5);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_done(&arena);
	return failed;
}
