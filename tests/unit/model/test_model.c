/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/model.h"

#include "crdt/base/buf.h"
#include "crdt/model/key.h"
#include "crdt/store.h"
#include "tests/unit/base/check.h"

/* What a wrong line in model.def would break, each rule over every kind and part. */

static const struct shape *shape_at(size_t i)
{
	return i < MODEL_KINDS ? &model_kinds[i].shape : &model_parts[i - MODEL_KINDS];
}

enum { SHAPES = (int)MODEL_KINDS + (int)MODEL_PARTS };

#define FOR_EACH_FIELD(shape, f)                                                    \
	for (size_t s_ = 0; s_ < SHAPES; s_++)                                      \
		for (const struct shape *shape = shape_at(s_); shape; shape = NULL) \
			for (const struct field *f = shape->fields; f < shape->fields + shape->count; f++)

#define WRONG(shape, f, what) fail_msg("%s.%s %s", (shape)->name, (f)->name, what)

static bool is_name(const char *name)
{
	size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return size && size < 32 && !name[size] && name[0] >= 'a';
}

static bool is_texted(const struct field *f)
{
	return f->type >= TYPE_SLUG && f->type <= TYPE_BYTES;
}

static bool is_number(const struct field *f)
{
	return f->type >= TYPE_UINT && f->type <= TYPE_NODE;
}

static void kinds_have_numbers_and_names_of_their_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < MODEL_KINDS; i++) {
		const struct kind *kind = &model_kinds[i];

		print_message("  %s %u\n", kind->shape.name, kind->number);
		assert_true(kind->number >= 4 && kind->number <= MODEL_KIND_MAX);
		assert_in_range(kind->number & 3, TIER_STATEMENT, TIER_OWN);
		assert_true(is_name(kind->shape.name) && is_name(kind->plural));
		assert_true(kind->about && kind->about[0]);
		assert_ptr_equal(model_kind(kind->number), kind);
		assert_ptr_equal(model_kind_named(bytes_text(kind->shape.name)), kind);
		for (size_t k = 0; k < i; k++) {
			assert_int_not_equal(kind->number, model_kinds[k].number);
			assert_string_not_equal(kind->shape.name, model_kinds[k].shape.name);
			assert_string_not_equal(kind->plural, model_kinds[k].plural);
			assert_string_not_equal(kind->plural, model_kinds[k].shape.name);
			assert_string_not_equal(kind->shape.name, model_kinds[k].plural);
		}
	}
	assert_null(model_kind(0));
	assert_null(model_kind(UINT32_MAX));
	assert_null(model_kind(KIND_device ^ 1));
	assert_null(model_kind(KIND_device | 0x10000));
	assert_null(model_kind_named(bytes_text("devic")));
	assert_null(model_kind_named(bytes_text("devices")));
}

static void fields_ascend_and_carry_their_merge(void **state)
{
	(void)state;
	for (size_t i = 0; i < SHAPES; i++) {
		const struct shape *shape = shape_at(i);

		assert_in_range(shape->count, 1, MODEL_FIELDS_MAX);
		for (size_t k = 0; k < shape->count; k++) {
			const struct field *f = &shape->fields[k];

			if (k && f->number >> 2 <= shape->fields[k - 1].number >> 2)
				WRONG(shape, f, "does not stand in the order of places");
			if (f->number > MODEL_FIELD_MAX || (f->number & 3) != f->merge)
				WRONG(shape, f, "has a number that is none");
			if (i >= MODEL_KINDS && f->merge != MERGE_ONCE)
				WRONG(shape, f, "is part of a list's value, so it cannot merge by itself");
			assert_ptr_equal(model_field(shape, f->number), f);
		}
		assert_null(model_field(shape, MODEL_FIELD_MAX + 1));
		assert_null(model_field(shape, shape->fields[0].number ^ 1));
	}
}

static void names_and_descriptions_are_there(void **state)
{
	(void)state;
	FOR_EACH_FIELD(shape, f)
	{
		if (!is_name(f->name) || !strcmp(f->name, "id"))
			WRONG(shape, f, "is no name");
		if (!f->about || !f->about[0] || strlen(f->about) > 100)
			WRONG(shape, f, "says nothing, or too much");
		if (model_field_named(shape, bytes_text(f->name)) != f)
			WRONG(shape, f, "exists twice");
	}
	assert_null(model_field_named(&KIND_TABLE(device)->shape, bytes_text("nam")));
}

static void rows_have_room_for_their_fields(void **state)
{
	static const size_t sizes[] = {
#define X(type, c_type, least, most) sizeof(c_type),
		MODEL_TYPES(X)
#undef X
	};

	(void)state;
	FOR_EACH_FIELD(shape, f)
	{
		size_t size = f->is_list ? sizeof(struct list) : sizes[f->type];

		assert_true(f->type < COUNT(sizes));
		assert_true(f->offset >= shape->has_at + sizeof(uint64_t));
		assert_true(f->offset + size <= shape->size);
		if (f > shape->fields)
			assert_true(f->offset > f[-1].offset);
		assert_true(sizeof(union slot) >= sizes[f->type]);
	}
}

static void every_kind_has_an_identity(void **state)
{
	(void)state;
	for (size_t i = 0; i < MODEL_KINDS; i++) {
		const struct shape *shape = &model_kinds[i].shape;
		size_t required = 0;

		for (size_t k = 0; k < shape->count; k++)
			required += shape->fields[k].merge == MERGE_ONCE && shape->fields[k].is_required;
		if (!required)
			fail_msg("%s has no ONCE field that must be there", shape->name);
		/* Statements are never changed, apart from what can only grow. */
		for (size_t k = 0; k < shape->count; k++)
			if ((model_kinds[i].number & 3) == TIER_STATEMENT)
				assert_true(shape->fields[k].merge == MERGE_ONCE ||
					    shape->fields[k].merge == MERGE_MAX);
	}
}

static void what_a_field_is_of_exists(void **state)
{
	(void)state;
	FOR_EACH_FIELD(shape, f)
	{
		bool is_right = !f->of;

		if (f->type == TYPE_ID)
			is_right = !f->of || model_kind(f->of);
		else if (f->type == TYPE_ADDRESS || f->type == TYPE_NETWORK)
			is_right = !f->of || f->of == 4 || f->of == 6;
		else if (f->type == TYPE_CHOICE)
			is_right = f->of < MODEL_CHOICES;
		else if (f->type == TYPE_PART)
			is_right = f->of < MODEL_PARTS;
		if (!is_right)
			WRONG(shape, f, "is of nothing that exists");
	}
}

/* 0 when parts contain one another for ever. */
static unsigned depth_of(const struct shape *shape, unsigned left)
{
	unsigned deepest = 0;

	for (size_t i = 0; left && i < shape->count; i++) {
		const struct field *f = &shape->fields[i];
		unsigned inner = f->type == TYPE_PART ? depth_of(&model_parts[f->of], left - 1) : 1;

		if (!inner)
			return 0;
		deepest = inner + f->is_list > deepest ? inner + f->is_list : deepest;
	}
	return left ? deepest + 1 : 0;
}

static void parts_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < SHAPES; i++)
		assert_in_range(depth_of(shape_at(i), 5), 1, 8);
}

static void check_limits(const struct shape *shape, const struct field *f)
{
	uint64_t min = f->min, max = f->max;

	if (f->type == TYPE_INT) {
		if ((int64_t)min >= (int64_t)max || (!f->min && !f->max))
			WRONG(shape, f, "needs limits of its own");
	} else if (is_number(f) || is_texted(f)) {
		if (min > max)
			WRONG(shape, f, "has its limits the wrong way round");
	} else if (f->min || f->max) {
		WRONG(shape, f, "is of a type that has no limits");
	}
	if (f->type == TYPE_UINT && max > MOST_UINT)
		WRONG(shape, f, "is more than JSON carries: use COUNT64");
	if (f->type == TYPE_TIME && max > WALL_MAX_MS)
		WRONG(shape, f, "lies beyond the calendar");
	if ((f->type == TYPE_SLUG || f->type == TYPE_NAME) && max > 64)
		WRONG(shape, f, "is too long for a name");
	/* Base64 of it comes through a buf as large as an op. */
	if ((is_texted(f)) && (max > MODEL_OP_MAX * 3 / 4 || !max))
		WRONG(shape, f, "does not fit into an op");
}

static void limits_make_sense(void **state)
{
	(void)state;
	FOR_EACH_FIELD(shape, f)
	{
		check_limits(shape, f);
		if (f->is_list != (f->most > 0))
			WRONG(shape, f, "is a list without .most, or the other way round");
		if (f->is_list && (f->type == TYPE_COUNTER || f->merge == MERGE_MAX))
			WRONG(shape, f, "cannot be a list");
	}
}

/* What the merge kinds ask of a value's bytes (merge.h). */
static void types_fit_their_merge(void **state)
{
	(void)state;
	FOR_EACH_FIELD(shape, f)
	{
		if (f->merge == MERGE_CRED && f->is_required)
			WRONG(shape, f, "is required, and yet a conflict leaves it without a value");
		/* Larger as bytes is larger as a number only without a sign. */
		if (f->merge == MERGE_MAX && (f->type == TYPE_INT || !(is_number(f) || f->type == TYPE_COUNTER)))
			WRONG(shape, f, "has no largest value");
		if (f->type == TYPE_COUNTER && f->merge != MERGE_MAX)
			WRONG(shape, f, "is a counter, so the larger must win");
	}
}

static size_t worst_key(const struct field *f)
{
	if (is_texted(f))
		return f->type == TYPE_BYTES ? 2 * f->max + 1 : f->max + 1;
	return 32;
}

static void indexes_fit_into_keys(void **state)
{
	size_t count = 0;

	(void)state;
	FOR_EACH_FIELD(shape, f)
	{
		if (!f->is_indexed)
			continue;
		count++;
		if (s_ >= MODEL_KINDS)
			WRONG(shape, f, "is part of a list, which nobody finds");
		if (!key_takes((enum type)f->type))
			WRONG(shape, f, "cannot be a key");
		if (1 + 2 + 2 + worst_key(f) + sizeof(struct id) > STORE_KEY_MAX)
			WRONG(shape, f, "is too long for a key");
	}
	assert_true(count > 30);
}

static void secrets_stay_inside(void **state)
{
	(void)state;
	FOR_EACH_FIELD(shape, f)
	{
		if (f->is_secret && (f->is_indexed || f->is_claim))
			WRONG(shape, f, "is secret and can be looked up");
		if (f->is_secret && (f->by & (BY_ALL | BY_MEMBER)))
			WRONG(shape, f, "is secret and set by somebody");
		if (f->is_secret && s_ >= MODEL_KINDS)
			WRONG(shape, f, "is secret inside a list");
	}
}

static void marks_stand_where_they_mean_something(void **state)
{
	(void)state;
	FOR_EACH_FIELD(shape, f)
	{
		if (f->is_claim && (f->merge != MERGE_LWW || !f->is_indexed || f->is_list ||
				    (f->type != TYPE_NAME && f->type != TYPE_LOGIN && f->type != TYPE_SLUG)))
			WRONG(shape, f, "is no name that can be claimed");
		if (f->is_marked && (f->merge != MERGE_ONCE || f->is_list || s_ >= MODEL_KINDS))
			WRONG(shape, f, "is gone when its record is dead");
		if (f->is_parent &&
		    ((f->type == TYPE_ID ? !f->of : f->type != TYPE_REF) || f->merge != MERGE_ONCE || f->is_list))
			WRONG(shape, f, "is no parent: that is an ID of some kind, or a REF, that never changes");
		if ((s_ >= MODEL_KINDS) != !f->by)
			WRONG(shape, f, "must say who may set it, unless it is part of a list");
		if (f->is_hidden && (f->by & BY_ALL))
			WRONG(shape, f, "is hidden and set by people");
		if (f->is_required && f->is_list)
			WRONG(shape, f, "is a list that must be there; an empty one is not");
	}
}

static void a_row_of_single_values_fits_into_an_op(void **state)
{
	(void)state;
	for (size_t i = 0; i < SHAPES; i++) {
		const struct shape *shape = shape_at(i);
		uint64_t worst = 3;

		for (size_t k = 0; k < shape->count; k++) {
			const struct field *f = &shape->fields[k];

			if (!f->is_list)
				worst += 2 + 5 + (is_texted(f) ? f->max + 10 : 34);
		}
		if (worst > MODEL_OP_MAX)
			fail_msg("%s may take %u bytes, an op has %d", shape->name, (unsigned)worst, MODEL_OP_MAX);
	}
}

static void writers_agree_with_tiers(void **state)
{
	(void)state;
	for (size_t i = 0; i < MODEL_KINDS; i++)
		for (size_t k = 0; k < model_kinds[i].shape.count; k++) {
			const struct field *f = &model_kinds[i].shape.fields[k];
			bool is_nonce = !strcmp(f->name, "nonce");
			unsigned expected = BY_ALL | BY_AGENT;

			if ((model_kinds[i].number & 3) == TIER_STATEMENT)
				expected = BY_SIGNATURE;
			else if ((model_kinds[i].number & 3) == TIER_OWN)
				expected = BY_MEMBER;
			if (is_nonce ? f->by != BY_AGENT : (f->by & ~expected) != 0)
				WRONG(&model_kinds[i].shape, f, "may be set by somebody who cannot write its kind");
		}
}

static void choices_have_names_and_numbers_of_their_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < MODEL_CHOICES; i++) {
		const struct choices *choices = &model_choices[i];

		assert_true(choices->count > 0 && is_name(choices->name));
		for (size_t k = 0; k < choices->count; k++) {
			assert_true(choices->all[k].number && choices->all[k].number <= 1000);
			assert_true(is_name(choices->all[k].name));
			for (size_t j = 0; j < k; j++) {
				assert_int_not_equal(choices->all[k].number, choices->all[j].number);
				assert_string_not_equal(choices->all[k].name, choices->all[j].name);
			}
		}
	}
}

/* Numbers are for ever: what a disk and a wire out there rely on. */
static void numbers_did_not_move(void **state)
{
	static const struct {
		unsigned got, wanted;
	} cases[] = {
		{ KIND_cluster, 4 },   { KIND_switch, 44 }, { KIND_gateway, 13 },
		{ KIND_user, 65 },     { KIND_device, 77 }, { KIND_policy_version, 89 },
		{ KIND_webhook, 189 }, { KIND_usage, 14 },  { KIND_audit, 34 },
		{ ROLE_USER, 5 },      { VERDICT_DENY, 2 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(cases[i].got, cases[i].wanted);
	assert_int_equal(FIELD_TABLE(device, public_key)->number, 1 << 2 | MERGE_ONCE);
	assert_int_equal(FIELD_TABLE(device, ordinal)->number, 4 << 2 | MERGE_MAX);
	assert_int_equal(FIELD_TABLE(device, keeps_peers)->number, 18 << 2 | MERGE_LWW);
	assert_int_equal(FIELD_TABLE(password, hash)->number, 2 << 2 | MERGE_CRED);
	assert_int_equal(MERGE_ONCE << 6 | MERGE_LWW << 4 | MERGE_MAX << 2 | MERGE_CRED, 0x1b);
}

static void the_fingerprint_is_the_same_each_time(void **state)
{
	struct id a = model_fingerprint(), b = model_fingerprint();

	(void)state;
	assert_true(id_equal(a, b));
	assert_false(id_equal(a, (struct id){ { 0 } }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_have_numbers_and_names_of_their_own),
		cmocka_unit_test(fields_ascend_and_carry_their_merge),
		cmocka_unit_test(names_and_descriptions_are_there),
		cmocka_unit_test(rows_have_room_for_their_fields),
		cmocka_unit_test(every_kind_has_an_identity),
		cmocka_unit_test(what_a_field_is_of_exists),
		cmocka_unit_test(parts_end),
		cmocka_unit_test(limits_make_sense),
		cmocka_unit_test(types_fit_their_merge),
		cmocka_unit_test(indexes_fit_into_keys),
		cmocka_unit_test(secrets_stay_inside),
		cmocka_unit_test(marks_stand_where_they_mean_something),
		cmocka_unit_test(a_row_of_single_values_fits_into_an_op),
		cmocka_unit_test(writers_agree_with_tiers),
		cmocka_unit_test(choices_have_names_and_numbers_of_their_own),
		cmocka_unit_test(numbers_did_not_move),
		cmocka_unit_test(the_fingerprint_is_the_same_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
