/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/model.h"

#include "crdt/base/buf.h"
#include "crdt/base/hash.h"
#include "crdt/model/validate.h"

/* A field's own limits stand behind those of its type and replace them. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif

#define ENTRY(owner, place, how, called, what, ...)       \
	{ .name = #called,                                \
	  .number = (place) << 2 | MERGE_##how,           \
	  .merge = MERGE_##how,                           \
	  .type = TYPE_##what,                            \
	  .min = LEAST_##what,                            \
	  .max = MOST_##what,                             \
	  .offset = offsetof(struct owner##_row, called), \
	  .guard = GUARD_AT_##how(owner, called),         \
	  __VA_ARGS__ },

#define GUARD_AT_ONCE(owner, called) 0
#define GUARD_AT_LWW(owner, called) 0
#define GUARD_AT_MAX(owner, called) 0
#define GUARD_AT_CRED(owner, called) offsetof(struct owner##_row, called##_guard)

#define KIND(name, ...) static const struct field fields_##name[] = {
#define PART(name) static const struct field fields_##name[] = {
#define FIELD(owner, place, merge, name, type, ...) ENTRY(owner, place, merge, name, type, __VA_ARGS__)
#define LIST(owner, place, merge, name, type, ...) ENTRY(owner, place, merge, name, type, .is_list = true, __VA_ARGS__)
#define KIND_END(name) \
	}              \
	;
#define PART_END(name) \
	}              \
	;
#include MODEL_DEF

#define SHAPE(called)                                                                             \
	{                                                                                         \
		.name = #called, .fields = fields_##called, .count = COUNT_##called,              \
		.size = sizeof(struct called##_row), .has_at = offsetof(struct called##_row, has) \
	}

const struct kind model_kinds[MODEL_KINDS] = {
#define KIND(name, many, place, tier, ...) \
	{ .shape = SHAPE(name), .plural = #many, .number = KIND_##name, __VA_ARGS__ },
#include MODEL_DEF
};

const struct shape model_parts[MODEL_PARTS] = {
#define PART(name) SHAPE(name),
#include MODEL_DEF
};

#define CHOICES(name) static const struct choice choices_##name[] = {
#define CHOICE(list, constant, number, name) { name, number },
#define CHOICES_END(name) \
	}                 \
	;
#include MODEL_DEF

const struct choices model_choices[MODEL_CHOICES] = {
#define CHOICES(called) { .name = #called, .all = choices_##called, .count = COUNT(choices_##called) },
#include MODEL_DEF
};

/* A part's row is read onto the stack. */
#define PART(name) _Static_assert(sizeof(struct name##_row) <= MODEL_PART_SIZE, "the part " #name " is too large");
#define KIND(name, ...) _Static_assert((int)COUNT_##name <= MODEL_FIELDS_MAX, "the kind " #name " has too many fields");
#include MODEL_DEF

const struct kind *model_kind(uint32_t number)
{
	switch (number) {
/* clang-format off */
#define KIND(name, ...) case KIND_##name: return &model_kinds[KIND_AT_##name];
#include MODEL_DEF
	/* clang-format on */
	default: return NULL;
	}
}

const struct kind *model_kind_named(struct bytes name)
{
	for (size_t i = 0; i < MODEL_KINDS; i++)
		if (bytes_equal(name, bytes_text(model_kinds[i].shape.name)))
			return &model_kinds[i];
	return NULL;
}

const struct field *model_field(const struct shape *shape, uint32_t number)
{
	for (size_t i = 0; i < shape->count; i++)
		if (shape->fields[i].number == number)
			return &shape->fields[i];
	return NULL;
}

const struct field *model_field_named(const struct shape *shape, struct bytes name)
{
	for (size_t i = 0; i < shape->count; i++)
		if (bytes_equal(name, bytes_text(shape->fields[i].name)))
			return &shape->fields[i];
	return NULL;
}

static void describe_shape(struct buf *buf, const struct shape *shape)
{
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];

		buf_put_text(buf, f->name);
		buf_put_big_endian(buf, f->number, 4);
		buf_put_big_endian(buf, f->min, 8);
		buf_put_big_endian(buf, f->max, 8);
		buf_put_big_endian(buf, f->most, 2);
		buf_put_big_endian(buf, f->of, 2);
		buf_put_byte(buf, f->type);
		buf_put_byte(buf, (uint8_t)(f->is_list | f->is_required << 1 | f->is_indexed << 2 | f->is_marked << 3));
	}
	buf_put_byte(buf, 0);
}

struct id model_fingerprint(void)
{
	struct buf buf = buf_growing(1 << 20);
	struct bytes whole;
	struct id id;

	buf_put_big_endian(&buf, VALIDATE_RULES, 4);
	for (size_t i = 0; i < MODEL_KINDS; i++) {
		buf_put_big_endian(&buf, model_kinds[i].number, 4);
		describe_shape(&buf, &model_kinds[i].shape);
	}
	for (size_t i = 0; i < MODEL_PARTS; i++)
		describe_shape(&buf, &model_parts[i]);
	for (size_t i = 0; i < MODEL_CHOICES; i++) {
		for (size_t k = 0; k < model_choices[i].count; k++)
			buf_put_big_endian(&buf, model_choices[i].all[k].number, 8);
		buf_put_byte(&buf, 0);
	}
	whole = buf_bytes(&buf);
	id = hash_id(&whole, 1);
	buf_done(&buf);
	return id;
}
