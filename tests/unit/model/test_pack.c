/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"

#include "crdt/model/mp.h"
#include "tests/unit/base/check.h"
#include "tests/unit/model/gen_row.h"
#include "tests/unit/model/hex.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 200 };

static struct arena arena;
static struct rng rng;

/* This test stands between the archives and malloc, to count. */
static size_t allocations;
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	allocations++;
	return __real_realloc(memory, size);
}

static const struct shape *shape_at(size_t i)
{
	return i < MODEL_KINDS ? &model_kinds[i].shape : &model_parts[i - MODEL_KINDS];
}

enum { SHAPES = (int)MODEL_KINDS + (int)MODEL_PARTS };

static struct bytes packed(const struct shape *shape, const void *row)
{
	struct buf buf = buf_growing(1 << 22);
	struct bytes map;

	pack_write(shape, row, &buf);
	assert_false(buf.is_full);
	map = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return map;
}

/* In memory of its own, so that the sanitizer sees each step too far. */
static struct bytes exact(struct bytes bytes)
{
	uint8_t *copy = malloc(bytes.size ? bytes.size : 1);

	assert_non_null(copy);
	memcpy(copy, bytes.data, bytes.size);
	return bytes_of(copy, bytes.size);
}

static void drop(struct bytes bytes)
{
	free((void *)(uintptr_t)bytes.data);
}

static size_t size_of(const struct field *f)
{
	static const size_t sizes[] = {
#define X(type, c_type, least, most) sizeof(c_type),
		MODEL_TYPES(X)
#undef X
	};

	return f->is_list ? sizeof(struct list) : sizes[f->type];
}

static void assert_same_text(struct bytes a, struct bytes b)
{
	assert_int_equal(a.size, b.size);
	assert_memory_equal(a.data, b.data, a.size);
}

/* The same values, whatever memory their bytes lie in. */
static void assert_same(const struct shape *shape, const void *a, const void *b)
{
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];
		const void *of_a = field_slot_const(f, a), *of_b = field_slot_const(f, b);

		if (f->merge == MERGE_CRED) {
			const struct guard *one = field_guard_const(f, a), *other = field_guard_const(f, b);

			assert_true(one->generation == other->generation && one->is_conflict == other->is_conflict);
		}
		if (f->is_list) {
			const struct list *list = of_a, *other = of_b;

			assert_int_equal(list->count, other->count);
			assert_same_text(list->items, other->items);
		} else if ((f->type >= TYPE_SLUG && f->type <= TYPE_BYTES) || f->type == TYPE_PART) {
			assert_same_text(*(const struct bytes *)of_a, *(const struct bytes *)of_b);
		} else {
			assert_memory_equal(of_a, of_b, size_of(f));
		}
	}
	assert_true(*row_has(shape, (void *)(uintptr_t)a) == *row_has(shape, (void *)(uintptr_t)b));
}

static void random_rows_of_all_shapes_come_back(void **state)
{
	(void)state;
	for (size_t s = 0; s < SHAPES; s++) {
		const struct shape *shape = shape_at(s);

		for (int round = 0; round < ROUNDS; round++) {
			void *row = arena_take(&arena, shape->size), *back = arena_take(&arena, shape->size);
			struct err err = { 0 };
			struct bytes map;
			size_t before;

			gen_row(shape, &rng, &arena, row);
			map = exact(packed(shape, row));
			assert_true(mp_is_canonical(map));
			memset((uint8_t *)back + shape->has_at, 0xee, shape->size - (size_t)shape->has_at);
			before = allocations;
			if (pack_read(shape, map, true, back, &err))
				fail_msg("%s: %s", shape->name, err.text);
			assert_int_equal(allocations, before);
			assert_same(shape, row, back);
			assert_same_text(packed(shape, back), map);
			drop(map);
			arena_reset(&arena);
		}
	}
}

static void texts_are_borrowed_and_the_id_is_left_alone(void **state)
{
	struct bytes map = unhex(&arena, "81 0d a3616263");
	struct device_row row;
	struct id id;

	(void)state;
	memset(&id, 0x5a, sizeof id);
	row.id = id;
	assert_int_equal(pack_read(&KIND_TABLE(device)->shape, map, false, &row, NULL), OK);
	assert_ptr_equal(row.name.data, map.data + 3);
	assert_true(id_equal(row.id, id));
	arena_reset(&arena);
}

/* Cut anywhere: refused, and not a byte behind the end is read. */
static void cut_rows_are_refused(void **state)
{
	(void)state;
	for (size_t s = 0; s < SHAPES; s++) {
		const struct shape *shape = shape_at(s);
		void *row = arena_take(&arena, shape->size);
		struct bytes map;

		do {
			gen_row(shape, &rng, &arena, row);
			map = packed(shape, row);
		} while (map.size > 3000);
		for (size_t cut = 0; cut < map.size; cut++) {
			struct bytes part = exact(bytes_of(map.data, cut));

			assert_int_not_equal(pack_read(shape, part, true, row, NULL), OK);
			assert_int_not_equal(pack_read(shape, part, false, row, NULL), OK);
			drop(part);
		}
		arena_reset(&arena);
	}
}

/* A byte turned somewhere: refused, or it says what it says, and writing it again gives the same. */
static void changed_rows_do_no_harm(void **state)
{
	(void)state;
	for (size_t s = 0; s < SHAPES; s++) {
		const struct shape *shape = shape_at(s);

		for (int round = 0; round < ROUNDS; round++) {
			uint8_t *row = arena_take(&arena, shape->size);
			struct bytes map;

			gen_row(shape, &rng, &arena, row);
			map = exact(packed(shape, row));
			((uint8_t *)(uintptr_t)map.data)[dice_below(map.size)] ^= (uint8_t)(1 + dice_below(255));
			if (!pack_read(shape, map, true, row, NULL)) {
				struct bytes again = packed(shape, row);

				assert_true(mp_is_canonical(again));
				assert_true(again.size <= map.size);
			}
			drop(map);
			arena_reset(&arena);
		}
	}
}

#define KEY "04 c420 0000000000000000000000000000000000000000000000000000000000000000 "
#define OWNER "08 c410 00000000000000000000000000000000 "
#define DEVICE KEY OWNER "0d a161 12 01 "

static const struct refusal {
	const char *hex;
	bool is_whole;
	enum code code;
	const char *why;
} refusals[] = {
	{ "84" DEVICE, true, OK, "" },
	{ "80", false, OK, "" },
	{ "80", true, E_VALUE, "`public_key`: is required" },
	{ "83" KEY OWNER "0d a161", true, E_VALUE, "`ordinal`: is required" },
	{ "83" KEY OWNER "12 01", true, E_VALUE, "`name`: is required" },
	{ "83" KEY OWNER "12 01", false, OK, "" },
	{ "83" OWNER "0d a161 12 01", true, E_VALUE, "`public_key`: is required" },
	/* nil unsets what time may change, and nothing else. */
	{ "85" DEVICE "15 c0", true, OK, "" },
	{ "85" DEVICE "19 c0", true, OK, "" },
	{ "81 0d c0", false, E_VALUE, "`name`: is required" },
	{ "81 12 c0", false, E_VALUE, "`ordinal`: must be a whole number" },
	{ "81 08 c0", false, E_VALUE, "`owner`: must be an id" },
	/* Wrong types. */
	{ "81 0d 01", false, E_VALUE, "`name`: must be a text" },
	{ "81 0d c40161", false, E_VALUE, "`name`: must be a text" },
	{ "81 12 ff", false, E_VALUE, "`ordinal`: must be a whole number" },
	{ "81 12 a131", false, E_VALUE, "`ordinal`: must be a whole number" },
	{ "81 12 c3", false, E_VALUE, "`ordinal`: must be a whole number" },
	{ "81 35 01", false, E_VALUE, "`kill_switch`: must be true or false" },
	{ "81 41 a0", false, E_VALUE, "`made`: must be a time" },
	{ "81 29 a0", false, E_VALUE, "`keepalive`: must be a number of seconds" },
	{ "81 1d a0", false, E_VALUE, "`routes`: must be a choice" },
	{ "81 04 c41f 00000000000000000000000000000000000000000000000000000000000000", false, E_VALUE,
	  "`public_key`: must be a key of 32 bytes" },
	{ "81 08 b0 00000000000000000000000000000000", false, E_VALUE, "`owner`: must be an id" },
	/* Lists, and the place in them. */
	{ "81 19 a161", false, E_VALUE, "`tags`: must be a list" },
	{ "81 19 92 a161 01", false, E_VALUE, "`tags[1]`: must be a text" },
	{ "81 19 91 a0", false, E_VALUE, "`tags[0]`: must not be empty" },
	{ "81 19 91 c0", false, E_VALUE, "`tags[0]`: must be a text" },
	{ "81 25 99 00 00 00 00 00 00 00 00 00", false, E_LIMIT, "`dns`: has 9 items, at most 8 are allowed" },
	{ "81 25 92 c4040a000001 c4050a00000100", false, E_VALUE, "`dns[1]`: must be an IP address" },
	{ "81 21 91 c4040a000001", false, E_VALUE, "`split[0]`: must be a network" },
	{ "81 21 91 c4050a00000108", false, E_VALUE, "`split[0]`: is not a network: it has bits behind its prefix" },
	{ "81 21 91 c4050a00000021", false, E_VALUE, "`split[0]`: is not a network: it has bits behind its prefix" },
	/* Limits. */
	{ "81 2d cd04ff", false, E_VALUE, "`mtu`: must be 1280 to 9000, is 1279" },
	{ "81 1d 04", false, E_VALUE, "`routes`: 4 is no routes that this version knows" },
	/* Form. */
	{ "", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "90", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "81 12 01 00", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "82 12 01", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "81 12", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "81 a112 01", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "81 ff 01", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "82 12 01 12 01", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "82 35 c3 12 01", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "81 cc12 01", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "81 12 cc01", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "81 0d d90161", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "81 0d a261", false, E_FORM, "device: its fields are not canonical msgpack" },
	/* Fields of a later version: stepped over, whatever they are, in front, between and behind. */
	{ "86 01 01" DEVICE "ccfd 82 00 00 01 93010203", true, OK, "" },
	{ "82 05 ca 12 01", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "81 ccfd 82 01 00 00 00", false, E_FORM, "device: its fields are not canonical msgpack" },
	{ "81 05 cc01", false, E_FORM, "device: its fields are not canonical msgpack" },
	/* The right place with another merge kind is another field. */
	{ "81 0c 01", false, OK, "" },
};

static void what_is_wrong_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refusals); i++) {
		const struct refusal *c = &refusals[i];
		struct bytes map = exact(unhex(&arena, c->hex));
		struct device_row row;
		struct err err = { 0 };
		enum code code = pack_read(&KIND_TABLE(device)->shape, map, c->is_whole, &row, &err);

		print_message("  %s\n", c->hex);
		assert_string_equal(err.text, c->why);
		assert_int_equal(code, c->code);
		assert_int_equal(pack_read(&KIND_TABLE(device)->shape, map, c->is_whole, &row, NULL), code);
		drop(map);
	}
	arena_reset(&arena);
}

static const struct nested {
	uint32_t kind;
	const char *hex;
	enum code code;
	const char *why;
} nested[] = {
	{ KIND_policy_version, "81 0c 90", OK, "" },
	{ KIND_policy_version, "81 0c 91 80", E_VALUE, "`rules[0].verdict`: is required" },
	{ KIND_policy_version, "81 0c 92 81 04 01 81 04 03", E_VALUE,
	  "`rules[1].verdict`: 3 is no verdict that this version knows" },
	{ KIND_policy_version, "81 0c 91 82 04 01 14 92 82 04 01 08 01 82 04 01 08 00", E_VALUE,
	  "`rules[0].ports[1].last`: must be 1 to 65535, is 0" },
	{ KIND_policy_version, "81 0c 91 82 04 01 08 92 c4050000000000 c406000000000000", E_VALUE,
	  "`rules[0].to[1]`: must be a network" },
	{ KIND_policy_version, "81 0c 91 01", E_FORM, "`rules[0]`: rule: its fields are not canonical msgpack" },
	{ KIND_policy_version, "81 0c 91 82 04 01 24 01", E_VALUE,
	  "`rules[0]`: the rule has a field 36 that this version does not know" },
	{ KIND_usage, "81 16 93 01 02 03", OK, "" },
	{ KIND_usage, "81 16 92 01 02", E_VALUE, "`sent`: must be a counter" },
	{ KIND_usage, "81 16 94 01 02 03 04", E_VALUE, "`sent`: must be a counter" },
	{ KIND_usage, "81 16 93 01 02 ff", E_VALUE, "`sent`: must be a counter" },
	{ KIND_usage, "81 16 01", E_VALUE, "`sent`: must be a counter" },
	{ KIND_password, "81 0b 92 01 c40161", OK, "" },
	{ KIND_password, "81 0b 92 01 c0", OK, "" },
	{ KIND_password, "81 0b 91 01", OK, "" },
	{ KIND_password, "81 0b 92 00 c0", E_VALUE, "`hash`: must have a generation" },
	{ KIND_password, "81 0b 91 00", E_VALUE, "`hash`: must have a generation" },
	{ KIND_password, "81 0b 92 01 c400", E_VALUE, "`hash`: must not be empty" },
	{ KIND_password, "81 0b 92 01 a161", E_VALUE, "`hash`: must be bytes" },
	{ KIND_password, "81 0b 90", E_VALUE, "`hash`: must have a generation" },
	{ KIND_password, "81 0b 93 01 c40161 00", E_VALUE, "`hash`: must have a generation" },
	{ KIND_password, "81 0b 92 a1 c40161", E_VALUE, "`hash`: must have a generation" },
	{ KIND_password, "81 0b c0", E_VALUE, "`hash`: must have a generation" },
	{ KIND_gateway, "81 15 ff", OK, "" },
	{ KIND_gateway, "81 15 cf8000000000000000", E_VALUE, "`latitude`: must be a whole number" },
	{ KIND_gateway, "81 15 ce055d4a81", E_VALUE, "`latitude`: must be -90000000 to 90000000, is 90000001" },
	{ KIND_gateway, "81 15 d2faa2b57f", E_VALUE, "`latitude`: must be -90000000 to 90000000, is -90000001" },
	{ KIND_gateway, "81 15 d2faa2b580", OK, "" },
};

static void what_is_wrong_inside_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(nested); i++) {
		const struct nested *c = &nested[i];
		const struct shape *shape = &model_kind(c->kind)->shape;
		struct bytes map = exact(unhex(&arena, c->hex));
		void *row = arena_take(&arena, shape->size);
		struct err err = { 0 };
		enum code code = pack_read(shape, map, false, row, &err);

		print_message("  %s\n", c->hex);
		assert_string_equal(err.text, c->why);
		assert_int_equal(code, c->code);
		drop(map);
	}
	arena_reset(&arena);
}

static enum code slowly(const struct field *f, struct bytes value)
{
	struct reader r = reader_over(value);
	union slot slot;

	return pack_read_slot(f, &r, &slot, NULL);
}

/* What a row is read by takes short ways; they judge as the long one does. */
static void expect_as_slowly(const struct kind *kind, const struct field *f, struct bytes value)
{
	uint8_t room[80];
	struct buf buf = buf_over(room, sizeof room);
	void *row = arena_take(&arena, kind->shape.size);
	enum code code;

	mp_put_map(&buf, 1);
	mp_put_uint(&buf, f->number);
	buf_put_bytes(&buf, value);
	code = pack_read(&kind->shape, buf_bytes(&buf), false, row, NULL);
	if ((code == OK) != (slowly(f, value) == OK))
		fail_msg("%s: %d, a value of %u bytes", f->name, code, (unsigned)value.size);
	if (!code) {
		struct bytes again = packed(&kind->shape, row);

		assert_same_text(again, buf_bytes(&buf));
	}
	arena_reset(&arena);
}

static void texts_are_judged_alike_on_both_ways(void **state)
{
	const struct {
		const struct kind *kind;
		const struct field *field;
	} cases[] = { { KIND_TABLE(device), FIELD_TABLE(device, name) },
		      { KIND_TABLE(device), FIELD_TABLE(device, note) },
		      { KIND_TABLE(user), FIELD_TABLE(user, email) } };
	uint8_t room[80];

	(void)state;
	for (size_t c = 0; c < COUNT(cases); c++)
		for (size_t size = 1; size < 36; size++)
			for (size_t at = 0; at < size; at++)
				for (unsigned b = 0; b < 256; b++) {
					struct buf buf = buf_over(room, sizeof room);
					uint8_t text[36];

					memset(text, at % 2 ? '!' : '}', size);
					text[at] = (uint8_t)b;
					mp_put_text(&buf, bytes_of(text, size));
					expect_as_slowly(cases[c].kind, cases[c].field, buf_bytes(&buf));
				}
}

static void numbers_are_judged_alike_on_both_ways(void **state)
{
	const struct {
		const struct kind *kind;
		const struct field *field;
	} cases[] = { { KIND_TABLE(device), FIELD_TABLE(device, mtu) },
		      { KIND_TABLE(device), FIELD_TABLE(device, made) },
		      { KIND_TABLE(device), FIELD_TABLE(device, keepalive) },
		      { KIND_TABLE(device), FIELD_TABLE(device, routes) },
		      { KIND_TABLE(device), FIELD_TABLE(device, ordinal) },
		      { KIND_TABLE(device), FIELD_TABLE(device, kill_switch) },
		      { KIND_TABLE(plan), FIELD_TABLE(plan, down) },
		      { KIND_TABLE(gateway), FIELD_TABLE(gateway, latitude) },
		      { KIND_TABLE(usage), FIELD_TABLE(usage, node) } };

	(void)state;
	for (size_t c = 0; c < COUNT(cases); c++)
		for (int round = 0; round < 20000; round++) {
			static const uint8_t heads[] = { 0xcc, 0xcd, 0xce, 0xcf, 0xc2, 0xc3, 0xd0, 0xd1, 0xc0 };
			static const uint8_t sizes[] = { 1, 2, 4, 8, 0, 0, 1, 2, 0 };
			size_t kind = dice_below(COUNT(heads));
			uint8_t value[9] = { heads[kind] };

			for (size_t i = 1; i < sizeof value; i++)
				value[i] = dice_below(3) ? 0 : (uint8_t)dice();
			if (!dice_below(4))
				value[0] = (uint8_t)dice_below(0x80);
			/* Of an unset field nothing is left. */
			if (value[0] == 0xc0)
				continue;
			expect_as_slowly(cases[c].kind, cases[c].field,
					 bytes_of(value, 1 + (value[0] < 0x80 ? 0U : sizes[kind])));
		}
}

/* Each length that a head can give, before as many bytes as there should be. */
static void ids_and_keys_are_judged_alike_on_both_ways(void **state)
{
	const struct {
		const struct field *field;
		size_t size;
	} cases[] = { { FIELD_TABLE(device, public_key), sizeof(struct key32) },
		      { FIELD_TABLE(device, owner), sizeof(struct id) } };

	(void)state;
	for (size_t c = 0; c < COUNT(cases); c++)
		for (unsigned head = 0xa0; head < 0x100; head++)
			for (unsigned size = 0; size < 0x100; size++) {
				uint8_t value[2 + sizeof(struct key32)] = { (uint8_t)head, (uint8_t)size, 1 };

				if (head != 0xc0)
					expect_as_slowly(KIND_TABLE(device), cases[c].field,
							 bytes_of(value, 2 + cases[c].size));
			}
}

static void slugs_are_judged_alike_on_both_ways(void **state)
{
	uint8_t room[80];

	(void)state;
	for (size_t size = 0; size < 36; size++)
		for (size_t at = 0; at < size + !size; at++)
			for (unsigned b = 0; b < 256; b++) {
				struct buf buf = buf_over(room, sizeof room);
				uint8_t text[36];

				memset(text, 'a', sizeof text);
				text[at] = (uint8_t)b;
				mp_put_text(&buf, bytes_of(text, size));
				expect_as_slowly(KIND_TABLE(gateway), FIELD_TABLE(gateway, region), buf_bytes(&buf));
			}
}

static void addresses_are_judged_alike_on_both_ways(void **state)
{
	const struct field *cases[] = { FIELD_TABLE(gateway, egress4), FIELD_TABLE(gateway, egress6) };

	(void)state;
	for (size_t c = 0; c < COUNT(cases); c++)
		for (unsigned head = 0xa0; head < 0x100; head++)
			for (unsigned size = 0; size < 20; size++)
				for (size_t there = 0; there <= size; there++) {
					uint8_t value[2 + 20] = { (uint8_t)head, (uint8_t)size, 10 };

					if (head != 0xc0)
						expect_as_slowly(KIND_TABLE(gateway), cases[c],
								 bytes_of(value, 2 + there));
				}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_rows_of_all_shapes_come_back),
		cmocka_unit_test(texts_are_borrowed_and_the_id_is_left_alone),
		cmocka_unit_test(cut_rows_are_refused),
		cmocka_unit_test(changed_rows_do_no_harm),
		cmocka_unit_test(texts_are_judged_alike_on_both_ways),
		cmocka_unit_test(numbers_are_judged_alike_on_both_ways),
		cmocka_unit_test(ids_and_keys_are_judged_alike_on_both_ways),
		cmocka_unit_test(slugs_are_judged_alike_on_both_ways),
		cmocka_unit_test(addresses_are_judged_alike_on_both_ways),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(what_is_wrong_inside_is_named),
	};
	int failed;

	rng = rng_from_number(3);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_done(&arena);
	return failed;
}
