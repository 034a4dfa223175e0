/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/diff.h"
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "tests/unit/base/check.h"
#include "tests/unit/model/gen_row.h"

enum { ROUNDS = 60 };

static struct rng rng;
static struct arena arena;

static bool is_guarded(const struct field *f, const void *row)
{
	return f->merge == MERGE_CRED && field_guard_const(f, row)->generation;
}

/* The oracle: two rows differ in a field when its bytes in their canonical maps do. */
static uint64_t naive_diff(const struct shape *shape, const void *a, const void *b)
{
	uint64_t places = 0;

	for (size_t i = 0; i < shape->count; i++) {
		struct buf bytes[2] = { buf_growing(1 << 20), buf_growing(1 << 20) };
		const void *rows[2] = { a, b };

		for (size_t k = 0; k < 2; k++)
			if (row_has_field(shape, rows[k], i) || is_guarded(&shape->fields[i], rows[k]))
				pack_write_field(shape, i, rows[k], &bytes[k]);
		places |= (uint64_t)!bytes_equal(buf_bytes(&bytes[0]), buf_bytes(&bytes[1])) << i;
		buf_done(&bytes[0]);
		buf_done(&bytes[1]);
	}
	return places;
}

static void a_diff_names_the_fields_whose_bytes_differ(void **state)
{
	(void)state;
	for (size_t k = 0; k < MODEL_KINDS; k++) {
		const struct shape *shape = &model_kinds[k].shape;

		for (int round = 0; round < ROUNDS; round++) {
			void *a = arena_take(&arena, shape->size), *b = arena_take(&arena, shape->size);

			gen_row(shape, &rng, &arena, a);
			gen_row(shape, &rng, &arena, b);
			assert_int_equal(diff_rows(shape, a, b), naive_diff(shape, a, b));
			assert_int_equal(diff_rows(shape, b, a), naive_diff(shape, a, b));
			assert_int_equal(diff_rows(shape, a, a), 0);
			arena_reset(&arena);
		}
	}
}

/* Where the slot ends: before the next one, and before its guard. */
static size_t slot_end(const struct shape *shape, size_t place)
{
	const struct field *next = &shape->fields[place + 1];

	if (place + 1 == shape->count)
		return shape->size;
	return next->merge == MERGE_CRED ? next->guard : next->offset;
}

/* `to` becomes `from` with some of what may change taken from another row, or unset. */
static void change_some(const struct shape *shape, const void *from, void *to)
{
	void *other = arena_take(&arena, shape->size);

	gen_row(shape, &rng, &arena, other);
	memcpy(to, from, shape->size);
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];
		size_t end = slot_end(shape, i);

		if (f->merge == MERGE_ONCE || rng_below(&rng, 2))
			continue;
		if (f->merge == MERGE_CRED && !field_guard_const(f, other)->generation)
			continue;
		if (f->merge == MERGE_CRED)
			*field_guard(f, to) = *field_guard_const(f, other);
		if (row_has_field(shape, other, i)) {
			memcpy(field_slot(f, to), field_slot_const(f, other), end - f->offset);
			*row_has(shape, to) |= BIT(i);
		} else if ((f->merge == MERGE_LWW && !f->is_required) || f->merge == MERGE_CRED) {
			*row_has(shape, to) &= ~BIT(i);
		}
	}
}

static void the_written_diff_makes_one_row_of_the_other(void **state)
{
	struct err err = { 0 };

	(void)state;
	for (size_t k = 0; k < MODEL_KINDS; k++) {
		const struct shape *shape = &model_kinds[k].shape;

		for (int round = 0; round < ROUNDS; round++) {
			void *from = arena_take(&arena, shape->size), *to = arena_take(&arena, shape->size);
			void *read = arena_take(&arena, shape->size);
			struct buf map = buf_growing(1 << 20);
			uint64_t places;

			gen_row(shape, &rng, &arena, from);
			change_some(shape, from, to);
			places = diff_rows(shape, from, to);
			assert_int_equal(diff_write(shape, from, to, &map, &err), OK);
			assert_true(mp_is_canonical(buf_bytes(&map)));
			assert_int_equal(pack_read(shape, buf_bytes(&map), false, read, &err), OK);
			/* It holds what `to` has of the changed fields, and nothing else. */
			assert_int_equal(*row_has(shape, read), *row_has(shape, to) & places);
			assert_int_equal(diff_rows(shape, read, to) & *row_has(shape, read), 0);
			buf_done(&map);
			arena_reset(&arena);
		}
	}
}

static void what_cannot_change_is_refused_by_name(void **state)
{
	static const struct {
		uint64_t place;
		const char *text;
	} cases[] = {
		{ AT_device_owner, "`owner`: cannot be changed" },
		{ AT_device_name, "`name`: cannot be unset" },
		{ AT_device_ordinal, "`ordinal`: cannot be unset" },
		{ AT_device_revision, "`revision`: cannot be unset" },
	};
	const struct shape *shape = &KIND_TABLE(device)->shape;
	struct device_row from = { .name = { (const uint8_t *)"a", 1 } }, to;
	struct err err = { 0 };

	(void)state;
	from.has = BIT(AT_device_owner) | BIT(AT_device_name) | BIT(AT_device_ordinal) | BIT(AT_device_revision);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf map = buf_growing(100);

		to = from;
		to.has &= ~BIT(cases[i].place);
		assert_int_equal(diff_write(shape, &from, &to, &map, &err), E_VALUE);
		assert_string_equal(err.text, cases[i].text);
		assert_int_equal(map.size, 0);
		buf_done(&map);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_diff_names_the_fields_whose_bytes_differ),
		cmocka_unit_test(the_written_diff_makes_one_row_of_the_other),
		cmocka_unit_test(what_cannot_change_is_refused_by_name),
	};
	int failed;

	rng = rng_from_number(11);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_done(&arena);
	return failed;
}
