/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/json.h"

#include "crdt/base/text.h"
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/model/validate.h"

#include <inttypes.h>
#include <stdio.h>

/* The parser takes some 80 bytes for the smallest value: a document of commas would take a hundred times its size. */
enum { VALUES_MIN = 1000, BYTES_PER_VALUE = 16 };

/* Refuses nesting before the parser recurses into it, and too many values before it makes them. */
static enum code check_outline(struct bytes text, struct err *err)
{
	size_t depth = 0, line = 1, values = 0;
	bool is_inside = false;

	for (size_t i = 0; i < text.size; i++) {
		uint8_t b = text.data[i];

		line += b == '\n';
		if (is_inside && b == '\\')
			i++;
		else if (b == '"')
			is_inside = !is_inside;
		else if (is_inside)
			continue;
		else if ((b == ',' || b == '[' || b == '{') && ++values > VALUES_MIN + text.size / BYTES_PER_VALUE)
			return fail(err, E_LIMIT, "line %zu: more than %zu values in %zu bytes", line, values - 1,
				    text.size);
		else if ((b == '[' || b == '{') && ++depth > JSON_DEPTH)
			return fail(err, E_LIMIT, "line %zu: nested deeper than %d levels", line, JSON_DEPTH);
		else if ((b == ']' || b == '}') && depth)
			depth--;
	}
	return OK;
}

enum code json_open(struct bytes text, size_t limit, json_t **ret_document, struct err *err)
{
	json_error_t error;
	json_t *document;
	enum code code;

	if (text.size > limit)
		return fail(err, E_LIMIT, "the document has %zu bytes, at most %zu are allowed", text.size, limit);
	code = check_outline(text, err);
	if (code)
		return code;
	/* jansson takes no NULL, which is what an empty body may be. */
	document = json_loadb(text.size ? (const char *)text.data : "", text.size, JSON_REJECT_DUPLICATES, &error);
	if (!document)
		return fail(err, E_FORM, "line %d, column %d: %s", error.line, error.column, error.text);
	*ret_document = document;
	return OK;
}

/* As much of a text as an error repeats. */
#define SHOWN(text) (int)((text).size < 64 ? (text).size : 64), (const char *)(text).data

static struct bytes text_of(json_t *value)
{
	return bytes_of(json_string_value(value), json_string_length(value));
}

static enum code wrong_type(const struct field *field, struct err *err)
{
	return fail(err, E_VALUE, "must be %s", validate_type_text(field));
}

/* A whole number, or, where it may exceed what JSON numbers carry, its digits as text. */
static enum code to_number(const struct field *field, json_t *value, uint64_t *ret_number, struct err *err)
{
	struct bytes text = json_is_string(value) ? text_of(value) : bytes_of(NULL, 0);
	uint64_t number = 0;

	if (json_is_integer(value)) {
		if (json_integer_value(value) < 0)
			return fail(err, E_VALUE, "must be %" PRIu64 " or more", field->min);
		*ret_number = (uint64_t)json_integer_value(value);
		return OK;
	}
	if (field->type != TYPE_COUNT64 || !text.size)
		return wrong_type(field, err);
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number))
			return wrong_type(field, err);
	*ret_number = number;
	return OK;
}

static enum code to_bool(const struct field *field, json_t *value, bool *ret_truth, struct err *err)
{
	if (!json_is_boolean(value))
		return wrong_type(field, err);
	*ret_truth = json_is_true(value);
	return OK;
}

static enum code to_signed(const struct field *field, json_t *value, int64_t *ret_number, struct err *err)
{
	if (!json_is_integer(value))
		return wrong_type(field, err);
	*ret_number = json_integer_value(value);
	return OK;
}

static enum code to_choice(const struct field *field, struct bytes text, uint64_t *ret_number, struct err *err)
{
	const struct choices *choices = &model_choices[field->of];
	char names[160] = "";
	size_t used = 0;

	for (size_t i = 0; i < choices->count; i++) {
		if (bytes_equal(text, bytes_text(choices->all[i].name))) {
			*ret_number = choices->all[i].number;
			return OK;
		}
		if (used < sizeof names)
			used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
						 choices->all[i].name);
	}
	return fail(err, E_VALUE, "%.*s is none of: %s", SHOWN(text), names);
}

static enum code to_hex(const struct field *field, struct bytes text, void *room, size_t size, struct err *err)
{
	if (hex_read(text, room, size))
		return OK;
	return fail(err, E_VALUE, "%.*s is not %s: %zu hex digits are", SHOWN(text), validate_type_text(field),
		    2 * size);
}

static enum code to_node(const struct field *field, struct bytes text, uint64_t *ret_node, struct err *err)
{
	uint8_t bytes[8] = { 0 };
	struct reader r = reader_over(bytes_of(bytes, sizeof bytes));
	enum code code = to_hex(field, text, bytes, sizeof bytes, err);

	if (!code)
		*ret_node = read_big_endian(&r, sizeof bytes);
	return code;
}

/* A kind by its name, or, one that only a later version knows, by its number; 0 when it is neither. */
static uint32_t kind_number(struct bytes name)
{
	const struct kind *kind = model_kind_named(name);
	uint32_t number = 0;

	if (kind)
		return kind->number;
	for (size_t i = 0; i < name.size; i++) {
		if (i > 4 || name.data[i] < '0' || name.data[i] > '9')
			return 0;
		number = number * 10 + (uint32_t)(name.data[i] - '0');
	}
	return number <= MODEL_KIND_MAX ? number : 0;
}

/* "device/3f2a…" */
static enum code to_ref(const struct field *field, struct bytes text, struct ref *ret_ref, struct err *err)
{
	const uint8_t *slash = text.size ? memchr(text.data, '/', text.size) : NULL;
	struct bytes name = bytes_of(text.data, slash ? (size_t)(slash - text.data) : 0);
	struct bytes id = slash ? bytes_of(slash + 1, text.size - name.size - 1) : name;

	ret_ref->kind = kind_number(name);
	if (ret_ref->kind && hex_read(id, ret_ref->id.bytes, sizeof ret_ref->id.bytes))
		return OK;
	return fail(err, E_VALUE, "%.*s is not %s: write it as device/ and 32 hex digits", SHOWN(text),
		    validate_type_text(field));
}

static enum code to_key(struct bytes text, struct key32 *ret_key, struct err *err)
{
	size_t size;

	if (base64_read(text, ret_key->bytes, sizeof ret_key->bytes, &size) && size == sizeof ret_key->bytes)
		return OK;
	return fail(err, E_VALUE, "is not a key: 44 characters of base64 are, as wg pubkey prints them");
}

/* Types that are written as one JSON string. */
static enum code to_texted(const struct field *field, json_t *value, void *slot, struct err *err)
{
	struct bytes text = text_of(value);

	if (!json_is_string(value))
		return wrong_type(field, err);
	switch ((enum type)field->type) {
	case TYPE_TIME: return wall_parse(text, slot, err);
	case TYPE_CHOICE: return to_choice(field, text, slot, err);
	case TYPE_NODE: return to_node(field, text, slot, err);
	case TYPE_REF: return to_ref(field, text, slot, err);
	case TYPE_ID: return to_hex(field, text, slot, sizeof(struct id), err);
	case TYPE_KEY: return to_key(text, slot, err);
	case TYPE_ADDRESS: return address_parse(text, slot, err);
	case TYPE_NETWORK: return network_parse(text, slot, err);
	case TYPE_SLUG:
	case TYPE_LOGIN:
	case TYPE_NAME:
	case TYPE_LINE:
	case TYPE_NOTE:
	case TYPE_HOST:
	case TYPE_URL: *(struct bytes *)slot = text; return OK;
	case TYPE_BOOL:
	case TYPE_UINT:
	case TYPE_COUNT64:
	case TYPE_SPAN:
	case TYPE_INT:
	case TYPE_BYTES:
	case TYPE_COUNTER:
	case TYPE_PART: break;
	}
	return wrong_type(field, err);
}

static enum code to_slot(const struct field *field, json_t *value, void *slot, struct err *err)
{
	switch ((enum type)field->type) {
	case TYPE_BOOL: return to_bool(field, value, slot, err);
	case TYPE_UINT:
	case TYPE_COUNT64:
	case TYPE_SPAN: return to_number(field, value, slot, err);
	case TYPE_INT: return to_signed(field, value, slot, err);
	case TYPE_TIME:
	case TYPE_CHOICE:
	case TYPE_NODE:
	case TYPE_ID:
	case TYPE_REF:
	case TYPE_KEY:
	case TYPE_ADDRESS:
	case TYPE_NETWORK:
	case TYPE_SLUG:
	case TYPE_LOGIN:
	case TYPE_NAME:
	case TYPE_LINE:
	case TYPE_NOTE:
	case TYPE_HOST:
	case TYPE_URL: return to_texted(field, value, slot, err);
	case TYPE_BYTES:
	case TYPE_COUNTER:
	case TYPE_PART: break;
	}
	return fail(err, E_DENIED, "is not set this way");
}

/* Bytes come as base64 and are decoded straight into the map. */
static enum code read_bytes_value(const struct field *field, json_t *value, struct buf *map, struct err *err)
{
	struct buf room = buf_growing(MODEL_OP_MAX);
	struct bytes text = text_of(value), bytes;
	size_t size = 0;
	uint8_t *decoded;
	enum code code;

	if (!json_is_string(value))
		return wrong_type(field, err);
	if (text.size > MODEL_OP_MAX)
		return fail(err, E_LIMIT, "is too long");
	decoded = buf_take(&room, text.size);
	if (!decoded || !base64_read(text, decoded, text.size, &size)) {
		buf_done(&room);
		return fail(err, E_VALUE, "is not base64");
	}
	bytes = bytes_of(decoded, size);
	code = validate_slot(field, &bytes, err);
	if (!code)
		mp_put_bin(map, bytes);
	buf_done(&room);
	return code;
}

static enum code read_value(const struct field *field, json_t *value, struct json_asked asked, struct buf *map,
			    struct err *err)
{
	union slot slot = { 0 };
	enum code code;

	if (field->type == TYPE_PART) {
		asked.is_whole = true; /* its list is replaced as one, so nothing is left of what it was */
		return json_read_row(&model_parts[field->of], value, asked, map, err);
	}
	if (field->type == TYPE_BYTES)
		return read_bytes_value(field, value, map, err);
	code = to_slot(field, value, &slot, err);
	if (!code)
		code = validate_slot(field, &slot, err);
	if (!code)
		pack_write_slot(field, &slot, map);
	return code;
}

static enum code read_list(const struct field *field, json_t *value, struct json_asked asked, struct buf *map,
			   struct err *err)
{
	size_t count = json_array_size(value);

	if (!json_is_array(value))
		return fail_at(err, fail(err, E_VALUE, "must be a list"), field->name, -1);
	if (count > field->most)
		return fail_at(err, fail(err, E_LIMIT, "has %zu items, at most %u are allowed", count, field->most),
			       field->name, -1);
	mp_put_array(map, count);
	for (size_t i = 0; i < count; i++) {
		enum code code = read_value(field, json_array_get(value, i), asked, map, err);

		if (code)
			return fail_at(err, code, field->name, (long)i);
	}
	return OK;
}

static enum code not_yours(const struct field *field, struct err *err)
{
	const char *who = "only the agent itself sets this";

	if (field->by & BY_SIGNATURE)
		who = "only an operator's key can sign this";
	else if (field->by & BY_SELF)
		who = "only its user, or a role above, may set this";
	else if (field->by & BY_OPERATOR)
		who = "only the roles owner, admin and operator may set this";
	else if (field->by & BY_ADMIN)
		who = "only the roles owner and admin may set this";
	else if (field->by & BY_OWNER)
		who = "only the role owner may set this";
	return fail_at(err, fail(err, E_DENIED, "%s", who), field->name, -1);
}

static enum code read_member(const struct field *field, json_t *value, struct json_asked asked, struct buf *map,
			     struct err *err)
{
	enum code code;

	/* Parts have no say of their own: who may set the list may set what is in it. */
	if (field->by && !(field->by & asked.by))
		return not_yours(field, err);
	mp_put_uint(map, field->number);
	if (field->merge == MERGE_CRED) {
		mp_put_array(map, 2);
		mp_put_uint(map, 1);
	}
	if (json_is_null(value)) {
		if (field->is_required || (field->merge != MERGE_LWW && field->merge != MERGE_CRED))
			return fail_at(err, fail(err, E_VALUE, "cannot be unset"), field->name, -1);
		mp_put_nil(map);
		return OK;
	}
	if (field->is_list)
		return read_list(field, value, asked, map, err);
	code = read_value(field, value, asked, map, err);
	return code ? fail_at(err, code, field->name, -1) : OK;
}

static bool is_known(const struct shape *shape, const char *name)
{
	const struct field *field = model_field_named(shape, bytes_text(name));

	return field && !field->is_hidden;
}

static enum code unknown_member(const struct shape *shape, const char *name, struct err *err)
{
	const char *nearest = NULL;
	char shown[41];
	size_t least = 3;

	for (size_t i = 0; i < shape->count; i++) {
		size_t far = shape->fields[i].is_hidden ? SIZE_MAX : text_distance(name, shape->fields[i].name);

		if (far < least) {
			least = far;
			nearest = shape->fields[i].name;
		}
	}
	snprintf(shown, sizeof shown, "%s", name);
	if (nearest)
		fail(err, E_VALUE, "a %s has no such field; did you mean `%s`?", shape->name, nearest);
	else
		fail(err, E_VALUE, "a %s has no such field", shape->name);
	return fail_at(err, E_VALUE, shown, -1);
}

static enum code check_members(const struct shape *shape, json_t *object, size_t *ret_count, struct err *err)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return fail(err, E_VALUE, "must be an object");
	json_object_foreach(object, name, value) if (!is_known(shape, name)) return unknown_member(shape, name, err);
	*ret_count = json_object_size(object);
	return OK;
}

/* Values and lists stand where they should and keep their limits, and no field is left out that must be there. */
enum code json_read_row(const struct shape *shape, json_t *object, struct json_asked asked, struct buf *ret_map,
			struct err *err)
{
	size_t count = 0;
	enum code code = check_members(shape, object, &count, err);

	if (code)
		return code;
	mp_put_map(ret_map, count);
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];
		json_t *value = f->is_hidden ? NULL : json_object_get(object, f->name);

		if (value)
			code = read_member(f, value, asked, ret_map, err);
		else if (asked.is_whole && f->is_required && (!f->by || f->by & asked.by))
			code = fail_at(err, fail(err, E_VALUE, "is required"), f->name, -1);
		if (code)
			return code;
	}
	return ret_map->is_full ? fail(err, E_LIMIT, "the %s is too big", shape->name) : OK;
}
