/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_MODEL_H
#define WARREN_MODEL_H

/*
 * The entities, as C sees them. `model.def` describes each once; from it come here a struct for each (`struct
 * device_row`), its number (KIND_device), the places of its fields (AT_device_name) and const tables, which all codecs,
 * keys, limits and indexes walk. Nothing else in the code lists entities or fields.
 *
 * Texts, bytes and lists in a row are borrowed from what it was read from. A field that is not set has its bit in
 * `has` clear, and the value that zeroed memory has.
 */

#include "crdt/model/types.h"

#ifndef MODEL_DEF
#define MODEL_DEF "crdt/model/model.def"
#endif

struct field {
	const char *name, *about;
	uint64_t min, max; /* of a number; of a text or bytes, their size */
	uint32_t number;   /* place in the record << 2 | merge */
	uint16_t offset;   /* in the row */
	uint16_t guard;    /* of a CRED field, in the row */
	uint16_t most;     /* items of a list */
	uint16_t of;       /* an ID's kind, a CHOICE's choices, a PART's shape, an address's version (0: any) */
	uint8_t type, merge, by;
	bool is_list, is_required, is_indexed, is_claim, is_parent, is_marked, is_secret, is_hidden;
};

/* A table of fields, ascending by number, and the row that they describe. */
struct shape {
	const char *name;
	const struct field *fields;
	uint16_t count, size, has_at; /* of the row: its size, and where `has` lies */
};

struct kind {
	struct shape shape;
	const char *plural, *about;
	uint32_t number;
	bool is_urgent; /* its `dead` overtakes everything else */
};

struct choices {
	const char *name;
	const struct choice {
		const char *name;
		uint64_t number;
	} * all;
	size_t count;
};

/* clang-format off */
#define KIND(name, ...) struct name##_row { struct id id; uint64_t has;
#define PART(name) struct name##_row { uint64_t has;
#define FIELD(owner, place, merge, name, type, ...) GUARD_##merge(name) type_##type name;
#define LIST(owner, place, merge, name, type, ...) GUARD_##merge(name) struct list name;
#define GUARD_ONCE(name)
#define GUARD_LWW(name)
#define GUARD_MAX(name)
#define GUARD_CRED(name) struct guard name##_guard;
#define KIND_END(name) };
#define PART_END(name) };
#include MODEL_DEF

/* The places of fields: AT_device_name. */
#define KIND(name, ...) enum {
#define PART(name) enum {
#define FIELD(owner, place, merge, name, type, ...) AT_##owner##_##name,
#define LIST(owner, place, merge, name, type, ...) AT_##owner##_##name,
#define KIND_END(name) COUNT_##name };
#define PART_END(name) COUNT_##name };
#include MODEL_DEF
/* clang-format on */

/* The numbers of kinds: KIND_device. */
enum {
#define KIND(name, plural, place, tier, ...) KIND_##name = (place) << 2 | TIER_##tier,
#include MODEL_DEF
};

/* The choices of fields: ROLE_ADMIN. */
enum {
#define CHOICE(list, constant, number, name) constant = (number),
#include MODEL_DEF
};

/* Where the tables of kinds, parts and choices stand. */
enum {
#define KIND(name, ...) KIND_AT_##name,
#include MODEL_DEF
	MODEL_KINDS
};
enum {
#define PART(name) PART_##name,
#include MODEL_DEF
	MODEL_PARTS
};
enum {
#define CHOICES(name) CHOICES_##name,
#include MODEL_DEF
	MODEL_CHOICES
};

extern const struct kind model_kinds[MODEL_KINDS];
extern const struct shape model_parts[MODEL_PARTS];
extern const struct choices model_choices[MODEL_CHOICES];
/* The table of a kind that is named in the code: KIND_TABLE(device). */
#define KIND_TABLE(name) (&model_kinds[KIND_AT_##name])
#define FIELD_TABLE(owner, name) (&KIND_TABLE(owner)->shape.fields[AT_##owner##_##name])

/* NULL when this version does not know it. */
const struct kind *model_kind(uint32_t number);
const struct kind *model_kind_named(struct bytes name);
const struct field *model_field(const struct shape *shape, uint32_t number);
const struct field *model_field_named(const struct shape *shape, struct bytes name);

/* A hash over all that codecs and indexes follow: two versions with equal ones keep the same indexes. */
struct id model_fingerprint(void);

static inline const struct guard *field_guard_const(const struct field *field, const void *row)
{
	return (const void *)((const uint8_t *)row + field->guard);
}
static inline struct guard *field_guard(const struct field *field, void *row)
{
	return (void *)((uint8_t *)row + field->guard);
}
static inline void *field_slot(const struct field *field, void *row)
{
	return (uint8_t *)row + field->offset;
}
static inline const void *field_slot_const(const struct field *field, const void *row)
{
	return (const uint8_t *)row + field->offset;
}

#endif
