/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/record.h"

#include "crdt/model/mp.h"
#include "tests/unit/base/check.h"
#include "tests/unit/model/hex.h"

#include <stdlib.h>

enum { ROUNDS = 4000 };

static struct arena arena;
static struct record record, other;

#define STAMP_A "0000000000010000 0000000000000001 "
#define STAMP_B "0000000000020000 0000000000000001 "
#define STAMP_C "0000000000020000 0000000000000002 "

static const struct form {
	const char *hex;
	enum code code;
	const char *why;
} forms[] = {
	{ "93 c2 c400 80", OK, "" },
	{ "93 c3 c400 80", OK, "" },
	{ "93 c3 c400 81 04 01", OK, "" },
	{ "93 c2 c410 " STAMP_A "81 01 c0", OK, "" },
	{ "93 c2 c410 " STAMP_A "83 01 c0 05 01 09 02", OK, "" },
	{ "93 c2 c422 " STAMP_A STAMP_B "00 01 82 01 c0 05 01", OK, "" },
	{ "93 c2 c422 " STAMP_A STAMP_B "01 00 82 01 c0 05 01", OK, "" },
	{ "93 c2 c433 " STAMP_A STAMP_B STAMP_C "02 00 01 83 01 01 05 01 09 01", OK, "" },
	{ "93 c2 c423 " STAMP_A STAMP_B "01 00 01 84 01 c0 05 01 06 02 09 01", OK, "" },
	{ "93 c2 c410 7fffffffffffffff ffffffffffffffff 81 ccfd 01", OK, "" },
	{ "93 c2 c400 83 00 01 02 05 03 92 01 c0", OK, "" },
#define FRAME "record: its frame is not canonical"
	{ "", E_FORM, FRAME },
	{ "92 c2 c400", E_FORM, FRAME },
	{ "94 c2 c400 80 00", E_FORM, FRAME },
	{ "83 c2 c400 80 00 00 00", E_FORM, FRAME },
	{ "93 00 c400 80", E_FORM, FRAME },
	{ "93 c0 c400 80", E_FORM, FRAME },
	{ "93 c2 a0 80", E_FORM, FRAME },
	{ "93 c2 c0 80", E_FORM, FRAME },
	{ "93 c2 c50000 80", E_FORM, FRAME },
	{ "93 c2 c410 80", E_FORM, FRAME },
	{ "93 c2 c400 90", E_FORM, "record: its fields are no map" },
	{ "93 c2 c400 81", E_FORM, "record: its fields are no map" },
	{ "93 c2 c400 de0000", E_FORM, "record: its fields are no map" },
	{ "93 c2 c400 80 00", E_FORM, "record: bytes follow its last field" },
	{ "93 c2 c400 81 a100 01", E_FORM, "record: a field has no number" },
	{ "93 c2 c400 81 ff 01", E_FORM, "record: a field has no number" },
	{ "93 c2 c400 81 cd0100 01", E_FORM, "record: a field has no number" },
	{ "93 c2 c400 82 04 01 04 01", E_FORM, "record: its fields do not ascend" },
	{ "93 c2 c400 82 08 01 04 01", E_FORM, "record: its fields do not ascend" },
#define VALUE "record: a field's value is not canonical, or too large"
	{ "93 c2 c400 81 04 c0", E_FORM, VALUE },
	{ "93 c2 c400 81 06 c0", E_FORM, VALUE },
	{ "93 c2 c400 81 04 cc01", E_FORM, VALUE },
	{ "93 c2 c400 81 04 92 01", E_FORM, VALUE },
	{ "93 c2 c400 81 04 82 01 00 00 00", E_FORM, VALUE },
	{ "93 c2 c400 81 04 cb0000000000000000", E_FORM, VALUE },
	{ "93 c2 c400 81 07 01", E_FORM, VALUE },
	{ "93 c2 c400 81 07 90", E_FORM, VALUE },
	{ "93 c2 c400 81 07 91 00", E_FORM, VALUE },
	{ "93 c2 c400 81 07 92 00 01", E_FORM, VALUE },
	{ "93 c2 c400 81 07 91 a131", E_FORM, VALUE },
	{ "93 c2 c400 81 07 91 ff", E_FORM, VALUE },
	{ "93 c2 c400 81 07 93 01 01 01", E_FORM, VALUE },
	{ "93 c2 c400 81 07 91 01", OK, "" },
	{ "93 c2 c400 81 06 a131", E_FORM, VALUE },
	{ "93 c2 c400 81 06 ff", E_FORM, VALUE },
	{ "93 c2 c400 81 06 90", E_FORM, VALUE },
	{ "93 c2 c400 81 06 92 01 ff", E_FORM, VALUE },
	{ "93 c2 c400 81 06 95 01 01 01 01 01", E_FORM, VALUE },
	{ "93 c2 c400 81 06 94 01 01 01 01", OK, "" },
	{ "93 c2 c400 81 06 c3", OK, "" },
#define DEAD "record: it is dead and yet has more than its identity"
	{ "93 c3 c410 " STAMP_A "81 01 01", E_FORM, DEAD },
	{ "93 c3 c400 81 02 01", E_FORM, DEAD },
	{ "93 c3 c400 82 04 01 07 91 01", E_FORM, DEAD },
#define STAMPS "record: its stamps are not canonical"
	{ "93 c2 c400 81 01 01", E_FORM, STAMPS },
	{ "93 c2 c410 " STAMP_A "80", E_FORM, STAMPS },
	{ "93 c3 c410 " STAMP_A "80", E_FORM, STAMPS },
	{ "93 c2 c410 " STAMP_A "81 04 01", E_FORM, STAMPS },
	{ "93 c2 c40f 000000000001000000000000000000 81 01 01", E_FORM, STAMPS },
	{ "93 c2 c401 00 81 01 01", E_FORM, STAMPS },
	{ "93 c2 c411 " STAMP_A "00 81 01 01", E_FORM, STAMPS },
	{ "93 c2 c412 " STAMP_A "00 00 82 01 01 05 01", E_FORM, STAMPS },
	{ "93 c2 c412 " STAMP_A "07 09 82 01 01 05 01", E_FORM, STAMPS },
	{ "93 c2 c421 " STAMP_A STAMP_B "00 82 01 01 05 01", E_FORM, STAMPS },
	{ "93 c2 c420 " STAMP_A STAMP_B "82 01 01 05 01", E_FORM, STAMPS },
	{ "93 c2 c423 " STAMP_A STAMP_B "00 01 00 82 01 01 05 01", E_FORM, STAMPS },
	{ "93 c2 c422 " STAMP_B STAMP_A "00 01 82 01 01 05 01", E_FORM, STAMPS },
	{ "93 c2 c422 " STAMP_C STAMP_B "00 01 82 01 01 05 01", E_FORM, STAMPS },
	{ "93 c2 c422 " STAMP_A STAMP_A "00 01 82 01 01 05 01", E_FORM, STAMPS },
	{ "93 c2 c421 " STAMP_A STAMP_B "00 81 01 01", E_FORM, STAMPS },
	{ "93 c2 c410 8000000000000000 0000000000000001 81 01 01", E_FORM, STAMPS },
	{ "93 c2 c422 " STAMP_A "8000000000000000 0000000000000001 00 01 82 01 01 05 01", E_FORM, STAMPS },
	{ "93 c2 c422 " STAMP_A STAMP_B "00 00 82 01 01 05 01", E_FORM, "record: a stamp is nobody's" },
	{ "93 c2 c422 " STAMP_A STAMP_B "01 01 82 01 01 05 01", E_FORM, "record: a stamp is nobody's" },
	{ "93 c2 c422 " STAMP_A STAMP_B "00 02 82 01 01 05 01", E_FORM, "record: a field's stamp is missing" },
	{ "93 c2 c422 " STAMP_A STAMP_B "00 ff 82 01 01 05 01", E_FORM, "record: a field's stamp is missing" },
};

static struct bytes written(const struct record *made)
{
	struct buf buf = buf_growing(RECORD_MAX);
	struct bytes bytes;

	record_write(made, &buf);
	assert_false(buf.is_full);
	bytes = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return bytes;
}

/* In memory of its own, so that the sanitizer sees each step too far. */
static struct bytes exact(struct bytes bytes)
{
	uint8_t *copy = malloc(bytes.size ? bytes.size : 1);

	assert_non_null(copy);
	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	return bytes_of(copy, bytes.size);
}

static void one_content_has_one_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		struct bytes bytes = exact(unhex(&arena, forms[i].hex)), again;
		struct err err = { 0 };
		enum code code = record_read(bytes, &record, &err);

		print_message("  %s\n", forms[i].hex);
		assert_string_equal(err.text, forms[i].why);
		assert_int_equal(code, forms[i].code);
		if (!code) {
			again = written(&record);
			assert_true(bytes_equal(bytes, again));
		}
		free((void *)(uintptr_t)bytes.data);
	}
	arena_reset(&arena);
}

/* A random canonical value, as its merge kind allows. */
static struct bytes random_value(enum merge merge)
{
	uint8_t room[64], text[20];
	struct buf buf = buf_over(room, sizeof room);

	dice_fill(text, sizeof text);
	if (merge == MERGE_CRED) {
		bool is_conflict = dice_below(2);

		mp_put_array(&buf, is_conflict ? 1 : 2);
		mp_put_uint(&buf, 1 + dice_below(300));
		if (!is_conflict)
			mp_put_bin(&buf, bytes_of(text, dice_below(sizeof text)));
	} else if (merge == MERGE_LWW && !dice_below(4)) {
		mp_put_nil(&buf);
	} else if (merge == MERGE_MAX && !dice_below(3)) {
		size_t count = 1 + dice_below(4);

		mp_put_array(&buf, count);
		for (size_t i = 0; i < count; i++)
			mp_put_uint(&buf, dice() >> dice_below(64));
	} else if (merge == MERGE_MAX || dice_below(2)) {
		mp_put_uint(&buf, dice() >> dice_below(64));
	} else {
		mp_put_map(&buf, 1);
		mp_put_text(&buf, bytes_of(text, dice_below(sizeof text)));
		mp_put_bool(&buf, dice_below(2));
	}
	return arena_copy(&arena, buf_bytes(&buf));
}

static struct stamp random_stamp(void)
{
	static const uint64_t ms[] = { 0, 1, 2, WALL_MAX_MS - 1, WALL_MAX_MS };

	return (struct stamp){ hlc_make(ms[dice_below(COUNT(ms))], (uint16_t)dice_below(2)), dice_below(3) };
}

static void make_random(struct record *made, uint64_t density)
{
	made->is_dead = !dice_below(4);
	made->count = 0;
	for (uint32_t number = 0; number <= MODEL_FIELD_MAX; number++) {
		if (dice_below(256) >= density || (made->is_dead && field_merge(number) != MERGE_ONCE))
			continue;
		made->cells[made->count] =
			(struct cell){ .number = number, .value = random_value(field_merge(number)) };
		if (field_merge(number) == MERGE_LWW)
			made->cells[made->count].stamp = random_stamp();
		made->count++;
	}
}

static void assert_same(const struct record *a, const struct record *b)
{
	assert_int_equal(a->is_dead, b->is_dead);
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->cells[i].number, b->cells[i].number);
		assert_true(bytes_equal(a->cells[i].value, b->cells[i].value));
		assert_int_equal(stamp_compare(a->cells[i].stamp, b->cells[i].stamp), 0);
	}
}

static void random_records_come_back(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct bytes bytes;

		make_random(&record, round % 100 ? dice_below(40) : 256);
		bytes = written(&record);
		assert_true(mp_is_canonical(bytes));
		assert_int_equal(record_read(bytes, &other, NULL), OK);
		assert_same(&record, &other);
		assert_true(bytes_equal(written(&other), bytes));
		arena_reset(&arena);
	}
}

/* A byte turned, cut or put in: refused, or the one form of something else. */
static void whatever_is_read_is_canonical(void **state)
{
	size_t taken = 0;

	(void)state;
	for (int round = 0; round < ROUNDS * 5; round++) {
		struct bytes bytes;
		uint8_t *copy;
		size_t size, at;

		make_random(&record, 10);
		bytes = written(&record);
		size = bytes.size - dice_below(3) % bytes.size;
		copy = (uint8_t *)(uintptr_t)exact(bytes_of(bytes.data, size)).data;
		at = dice_below(size);
		copy[at] = dice_below(2) ? (uint8_t)dice() : (uint8_t)(copy[at] + dice_below(3) - 1);
		if (!record_read(bytes_of(copy, size), &other, NULL)) {
			assert_true(bytes_equal(written(&other), bytes_of(copy, size)));
			taken++;
		}
		free(copy);
		arena_reset(&arena);
	}
	assert_true(taken > 500);
}

static void ops_become_records(void **state)
{
	const struct stamp stamp = { hlc_make(5, 6), 7 };
	struct bytes map = unhex(&arena, "84 04 01 05 c0 0a 02 0d a161");
	struct err err = { 0 };
	struct buf buf = buf_growing(100);

	(void)state;
	other.is_dead = true;
	assert_int_equal(record_from_op(map, stamp, &other, &err), OK);
	assert_true(!other.is_dead && other.count == 4);
	assert_int_equal(stamp_compare(other.cells[1].stamp, stamp), 0);
	assert_int_equal(stamp_compare(other.cells[3].stamp, stamp), 0);
	assert_int_equal(stamp_compare(other.cells[0].stamp, (struct stamp){ { 0 }, 0 }), 0);
	assert_int_equal(stamp_compare(other.cells[2].stamp, (struct stamp){ { 0 }, 0 }), 0);
	record_write_map(&other, &buf);
	assert_true(bytes_equal(buf_bytes(&buf), map));
	buf_done(&buf);
	assert_int_equal(record_from_op(unhex(&arena, "80 00"), stamp, &other, &err), E_FORM);
	assert_string_equal(err.text, "record: bytes follow its last field");
	assert_int_equal(record_from_op(unhex(&arena, "81 06 c0"), stamp, &other, &err), E_FORM);
	assert_int_equal(record_from_op(map, (struct stamp){ hlc_make(WALL_MAX_MS + 1, 0), 1 }, &other, &err), E_FORM);
	assert_string_equal(err.text, "record: its stamp lies beyond the year 6429");
	assert_int_equal(record_from_op(map, (struct stamp){ hlc_make(WALL_MAX_MS, UINT16_MAX), 1 }, &other, &err), OK);
	arena_reset(&arena);
}

/* However many ops merge: what may change is small, and the identity comes once. */
static void no_record_grows_without_end(void **state)
{
	static uint8_t room[MODEL_OP_MAX];
	struct buf buf = buf_growing(4 * MODEL_OP_MAX);
	const struct stamp stamp = { { 0 }, 1 };
	struct err err = { 0 };

	(void)state;
	for (size_t size = MODEL_CELL_MAX - 4; size <= MODEL_CELL_MAX; size++) {
		buf_clear(&buf);
		mp_put_map(&buf, 1);
		mp_put_uint(&buf, 5);
		mp_put_bin(&buf, bytes_of(room, size));
		assert_int_equal(record_from_op(buf_bytes(&buf), stamp, &other, &err),
				 size + 3 <= MODEL_CELL_MAX ? OK : E_FORM);
	}
	assert_string_equal(err.text, VALUE);
	buf_clear(&buf);
	buf_put_bytes(&buf, unhex(&arena, "93 c2 c400 83"));
	for (uint64_t number = 0; number < 12; number += 4) {
		mp_put_uint(&buf, number);
		mp_put_bin(&buf, bytes_of(room, MODEL_OP_MAX / 2));
	}
	assert_int_equal(record_read(buf_bytes(&buf), &other, &err), E_FORM);
	assert_string_equal(err.text, "record: its identity is too large");
	buf_done(&buf);
	arena_reset(&arena);
}

static void limits_are_kept(void **state)
{
	static uint8_t room[RECORD_MAX + 1];
	struct buf buf = buf_growing(MODEL_OP_MAX + 10);
	const struct stamp stamp = { { 0 }, 1 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(record_read(bytes_of(room, sizeof room), &other, &err), E_LIMIT);
	mp_put_map(&buf, 1);
	mp_put_uint(&buf, 4);
	mp_put_bin(&buf, bytes_of(room, MODEL_OP_MAX - 5));
	assert_int_equal(buf.size, MODEL_OP_MAX);
	assert_int_equal(record_from_op(buf_bytes(&buf), stamp, &other, &err), OK);
	buf_clear(&buf);
	mp_put_map(&buf, 1);
	mp_put_uint(&buf, 4);
	mp_put_bin(&buf, bytes_of(room, MODEL_OP_MAX - 4));
	assert_int_equal(record_from_op(buf_bytes(&buf), stamp, &other, &err), E_LIMIT);
	assert_string_equal(err.text, "record: 61441 bytes, at most 61440 are allowed");
	buf_clear(&buf);
	mp_put_map(&buf, RECORD_CELLS_MAX + 1);
	for (uint64_t i = 0; i <= RECORD_CELLS_MAX; i++) {
		mp_put_uint(&buf, i);
		mp_put_uint(&buf, 0);
	}
	assert_int_equal(record_from_op(buf_bytes(&buf), stamp, &other, &err), E_LIMIT);
	assert_string_equal(err.text, "record: 257 fields, at most 256 are allowed");
	buf_done(&buf);
}

static void the_map_is_found_without_the_rest(void **state)
{
	struct bytes bytes = unhex(&arena, "93 c3 c400 81 04 01"), map;
	bool is_dead = false;

	(void)state;
	assert_int_equal(record_map(bytes, &is_dead, &map, NULL), OK);
	assert_true(is_dead && bytes_equal(map, unhex(&arena, "81 04 01")));
	bytes = unhex(&arena, "93 c2 c410 " STAMP_A "81 01 c0");
	assert_int_equal(record_map(bytes, &is_dead, &map, NULL), OK);
	assert_true(!is_dead && bytes_equal(map, unhex(&arena, "81 01 c0")));
	assert_int_equal(record_map(unhex(&arena, "93 c2 c410 00"), &is_dead, &map, NULL), E_FORM);
	arena_reset(&arena);
}

static void ids_are_hashes_of_kind_and_identity(void **state)
{
	/* python3 -c "import hashlib; print(hashlib.blake2b(bytes.fromhex(…), digest_size=16).hexdigest())" */
	static const struct {
		const char *hex, *id;
	} cases[] = {
		{ "82 04 01 0d a161", "4a313af1300160778691497b10f50444" }, /* 0000004d 00000004 01 */
		{ "83 04 01 05 02 08 c40107",
		  "020635828258f6507a6a9a63300884ad" },       /* 0000004d 00000004 01 00000008 c40107 */
		{ "80", "d5b1201c0ebb6dfe0b93d86f49ebec00" }, /* 0000004d */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bytes wanted = unhex(&arena, cases[i].id);
		struct id id;

		assert_int_equal(record_from_op(unhex(&arena, cases[i].hex), (struct stamp){ { 0 }, 0 }, &other, NULL),
				 OK);
		id = record_id(KIND_device, &other);
		assert_memory_equal(id.bytes, wanted.data, sizeof id.bytes);
		assert_int_equal(record_has_identity(&other), i < 2);
		id = record_id(KIND_user, &other);
		assert_memory_not_equal(id.bytes, wanted.data, sizeof id.bytes);
	}
	arena_reset(&arena);
}

static void stamps_order_by_time_and_then_by_node(void **state)
{
	const struct stamp ascending[] = { { { 0 }, 0 },
					   { { 0 }, UINT64_MAX },
					   { { 1 }, 0 },
					   { hlc_make(1, 0), 5 },
					   { hlc_make(1, 0), 6 },
					   { hlc_make(1, 1), 0 },
					   { hlc_make(WALL_MAX_MS, 0), 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(ascending); i++)
		for (size_t k = 0; k < COUNT(ascending); k++)
			assert_int_equal(stamp_compare(ascending[i], ascending[k]), (i > k) - (i < k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_content_has_one_form),
		cmocka_unit_test(random_records_come_back),
		cmocka_unit_test(whatever_is_read_is_canonical),
		cmocka_unit_test(ops_become_records),
		cmocka_unit_test(no_record_grows_without_end),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(the_map_is_found_without_the_rest),
		cmocka_unit_test(ids_are_hashes_of_kind_and_identity),
		cmocka_unit_test(stamps_order_by_time_and_then_by_node),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_done(&arena);
	return failed;
}
