/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"

#include "crdt/model/mp.h"
#include "crdt/model/validate.h"

#include <assert.h>

static bool read_long(struct reader *r, enum mp_class class, struct bytes *ret_bytes)
{
	struct mp_head head = mp_read(r);

	if (head.class != class)
		return false;
	*ret_bytes = bytes_of(read_bytes(r, head.value), head.value);
	return ret_bytes->data;
}

static inline bool read_text(struct reader *r, struct bytes *ret_text)
{
	return mp_read_short_text(r, ret_text) || read_long(r, MP_TEXT, ret_text);
}

static inline bool read_bin(struct reader *r, struct bytes *ret_bytes)
{
	return mp_read_short_bin(r, ret_bytes) || read_long(r, MP_BIN, ret_bytes);
}

static inline bool read_fixed(struct reader *r, void *room, size_t size)
{
	struct bytes bytes;

	if (!read_bin(r, &bytes) || bytes.size != size)
		return false;
	memcpy(room, bytes.data, size);
	return true;
}

static inline bool read_uint(struct reader *r, uint64_t *ret_number)
{
	struct mp_head head;

	if (mp_read_quick_uint(r, ret_number))
		return true;
	head = mp_read(r);
	*ret_number = head.value;
	return head.class == MP_UINT;
}

static bool read_int(struct reader *r, int64_t *ret_number)
{
	struct mp_head head = mp_read(r);

	*ret_number = (int64_t)head.value;
	return (head.class == MP_UINT && head.value <= INT64_MAX) || head.class == MP_NEGATIVE;
}

static bool read_bool(struct reader *r, bool *ret_truth)
{
	struct mp_head head = mp_read(r);

	*ret_truth = head.value;
	return head.class == MP_BOOL;
}

static bool read_address(struct reader *r, struct address *ret_address)
{
	struct bytes bytes;

	if (!read_bin(r, &bytes) || (bytes.size != 4 && bytes.size != 16))
		return false;
	*ret_address = (struct address){ .size = (uint8_t)bytes.size };
	memcpy(ret_address->bytes, bytes.data, bytes.size);
	return true;
}

/* The address and then the prefix, as one string of bytes. */
static bool read_network(struct reader *r, struct network *ret_network)
{
	struct bytes bytes;

	if (!read_bin(r, &bytes) || (bytes.size != 5 && bytes.size != 17))
		return false;
	*ret_network =
		(struct network){ .address.size = (uint8_t)(bytes.size - 1), .prefix = bytes.data[bytes.size - 1] };
	memcpy(ret_network->address.bytes, bytes.data, bytes.size - 1);
	return true;
}

/* [kind, id] */
static bool read_ref(struct reader *r, struct ref *ret_ref)
{
	struct mp_head head = mp_read(r);
	uint64_t kind;

	if (head.class != MP_ARRAY || head.value != 2 || !read_uint(r, &kind) || !kind || kind > MODEL_KIND_MAX)
		return false;
	ret_ref->kind = (uint32_t)kind;
	return read_fixed(r, ret_ref->id.bytes, sizeof ret_ref->id.bytes);
}

static bool read_counter(struct reader *r, struct counter *ret_counter)
{
	struct mp_head head = mp_read(r);

	return head.class == MP_ARRAY && head.value == 3 && read_uint(r, &ret_counter->total) &&
	       read_uint(r, &ret_counter->reading) && read_uint(r, &ret_counter->making);
}

static inline bool read_form(enum type type, struct reader *r, void *slot)
{
	switch (type) {
	case TYPE_BOOL: return read_bool(r, slot);
	case TYPE_UINT:
	case TYPE_COUNT64:
	case TYPE_SPAN:
	case TYPE_CHOICE:
	case TYPE_NODE: return read_uint(r, slot);
	case TYPE_TIME: return read_uint(r, &((struct wall_time *)slot)->ms);
	case TYPE_INT: return read_int(r, slot);
	case TYPE_SLUG:
	case TYPE_LOGIN:
	case TYPE_NAME:
	case TYPE_LINE:
	case TYPE_NOTE:
	case TYPE_HOST:
	case TYPE_URL: return read_text(r, slot);
	case TYPE_BYTES: return read_bin(r, slot);
	case TYPE_REF: return read_ref(r, slot);
	case TYPE_ID: return read_fixed(r, slot, sizeof(struct id));
	case TYPE_KEY: return read_fixed(r, slot, sizeof(struct key32));
	case TYPE_ADDRESS: return read_address(r, slot);
	case TYPE_NETWORK: return read_network(r, slot);
	case TYPE_COUNTER: return read_counter(r, slot);
	case TYPE_PART: *(struct bytes *)slot = mp_skip(r); return !r->is_short;
	}
	return false;
}

static enum code read_part(const struct field *field, struct bytes map, struct err *err)
{
	_Alignas(max_align_t) uint8_t row[MODEL_PART_SIZE];

	return pack_read(&model_parts[field->of], map, true, row, err);
}

enum code pack_read_slot(const struct field *field, struct reader *r, void *ret_slot, struct err *err)
{
	if (!read_form((enum type)field->type, r, ret_slot))
		return fail(err, E_VALUE, "must be %s", validate_type_text(field));
	if (field->type == TYPE_PART)
		return read_part(field, *(struct bytes *)ret_slot, err);
	return validate_slot(field, ret_slot, err);
}

/*
 * The quick way, for the commonest types: takes what it knows to be right, limits included. False judges nothing and
 * leaves the reader anywhere: then pack_read_slot reads the value again and says what is wrong, or that nothing is.
 */
static inline bool quick_number(const struct field *field, struct reader *r, uint64_t *ret_number)
{
	return mp_read_quick_uint(r, ret_number) && *ret_number >= field->min && *ret_number <= field->max;
}

static inline bool quick_choice(const struct field *field, struct reader *r, uint64_t *ret_number)
{
	const struct choices *choices = &model_choices[field->of];

	return mp_read_quick_uint(r, ret_number) && *ret_number - 1 < choices->count &&
	       choices->all[*ret_number - 1].number == *ret_number;
}

static inline bool quick_bool(struct reader *r, bool *ret_truth)
{
	if (!reader_left(r) || (*r->at | 1) != 0xc3)
		return false;
	*ret_truth = *r->at++ & 1;
	return true;
}

static inline bool quick_fixed(struct reader *r, void *room, size_t size)
{
	if (reader_left(r) < 2 + size || r->at[0] != 0xc4 || r->at[1] != size)
		return false;
	memcpy(room, r->at + 2, size);
	r->at += 2 + size;
	return true;
}

/* Printable ASCII below ~, with no space at either end: right in any line, note or name. */
static inline bool quick_text(const struct field *field, struct reader *r, struct bytes *ret_text)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	uint64_t odd = 0, word;
	size_t at = 0;

	if (!mp_read_short_text(r, ret_text) || !ret_text->size || ret_text->size < field->min ||
	    ret_text->size > field->max || ret_text->data[0] == ' ' || ret_text->data[ret_text->size - 1] == ' ')
		return false;
	for (; at + 8 <= ret_text->size; at += 8) {
		memcpy(&word, ret_text->data + at, 8);
		/* Below 0x20 borrows, from 0x7e on carries, into the high bit. */
		odd |= (word - ones * 0x20) | (word + ones * 2) | word;
	}
	for (; at < ret_text->size; at++)
		odd |= (uint64_t)((uint8_t)(ret_text->data[at] - 0x20) > 0x7d - 0x20) << 7;
	return !(odd & high);
}

/* Small letters and digits, and behind the first also - _ . */
static inline bool quick_slug(const struct field *field, struct reader *r, struct bytes *ret_text)
{
	if (!mp_read_short_text(r, ret_text) || !ret_text->size || ret_text->size < field->min ||
	    ret_text->size > field->max)
		return false;
	for (size_t i = 0; i < ret_text->size; i++) {
		uint8_t b = ret_text->data[i];

		if (!((uint8_t)(b - 'a') < 26 || (uint8_t)(b - '0') < 10 || (i && (b == '-' || b == '_' || b == '.'))))
			return false;
	}
	return true;
}

static inline bool quick_address(const struct field *field, struct reader *r, struct address *ret_address)
{
	size_t size = reader_left(r) < 2 ? 0 : r->at[1];

	if ((size != 4 && size != 16) || (field->of && size != (field->of == 4 ? 4 : 16)))
		return false;
	*ret_address = (struct address){ .size = (uint8_t)size };
	return quick_fixed(r, ret_address->bytes, size);
}

static inline __attribute__((always_inline)) bool quick_value(const struct field *field, struct reader *r, void *slot)
{
	switch ((enum type)field->type) {
	case TYPE_BOOL: return quick_bool(r, slot);
	case TYPE_UINT:
	case TYPE_COUNT64:
	case TYPE_SPAN:
	case TYPE_NODE: return quick_number(field, r, slot);
	case TYPE_TIME: return quick_number(field, r, &((struct wall_time *)slot)->ms);
	case TYPE_CHOICE: return quick_choice(field, r, slot);
	case TYPE_NAME:
	case TYPE_LINE:
	case TYPE_NOTE: return quick_text(field, r, slot);
	case TYPE_SLUG: return quick_slug(field, r, slot);
	case TYPE_ADDRESS: return quick_address(field, r, slot);
	case TYPE_ID: return quick_fixed(r, slot, sizeof(struct id));
	case TYPE_KEY: return quick_fixed(r, slot, sizeof(struct key32));
	case TYPE_INT:
	case TYPE_LOGIN:
	case TYPE_HOST:
	case TYPE_URL:
	case TYPE_BYTES:
	case TYPE_NETWORK:
	case TYPE_REF:
	case TYPE_COUNTER:
	case TYPE_PART: break;
	}
	return false;
}

static enum code read_list(const struct field *field, struct reader *r, struct list *ret_list, struct err *err)
{
	struct mp_head head = mp_read(r);
	const uint8_t *start = r->at;
	union slot item;

	if (head.class != MP_ARRAY)
		return fail_at(err, fail(err, E_VALUE, "must be a list"), field->name, -1);
	if (head.value > field->most)
		return fail_at(
			err,
			fail(err, E_LIMIT, "has %zu items, at most %u are allowed", (size_t)head.value, field->most),
			field->name, -1);
	for (uint64_t i = 0; i < head.value; i++) {
		struct reader quick = *r;
		enum code code;

		if (quick_value(field, &quick, &item)) {
			r->at = quick.at;
			continue;
		}
		code = pack_read_slot(field, r, &item, err);
		if (code)
			return fail_at(err, code, field->name, (long)i);
	}
	*ret_list = (struct list){ bytes_of(start, (size_t)(r->at - start)), head.value };
	return OK;
}

/* Only a value that time may change can be unset again; nil says so. */
static bool is_unset(const struct field *field, struct reader *r)
{
	if (field->merge != MERGE_LWW || r->at >= r->end || *r->at != 0xc0)
		return false;
	r->at++;
	return true;
}

static enum code missing(const struct field *field, struct err *err)
{
	return fail_at(err, fail(err, E_VALUE, "is required"), field->name, -1);
}

static enum code read_value(const struct field *field, struct reader *r, void *row, struct err *err)
{
	enum code code;

	if (field->is_list)
		return read_list(field, r, field_slot(field, row), err);
	code = pack_read_slot(field, r, field_slot(field, row), err);
	return code ? fail_at(err, code, field->name, -1) : OK;
}

/* [generation, value], [generation, nil] once removed, [generation] in conflict. */
static enum code read_guarded(const struct field *field, struct reader *r, void *row, bool *ret_is_set, struct err *err)
{
	struct guard *guard = field_guard(field, row);
	struct mp_head head = mp_read(r);

	*ret_is_set = false;
	if (head.class != MP_ARRAY || head.value < 1 || head.value > 2 || !read_uint(r, &guard->generation) ||
	    !guard->generation)
		return fail_at(err, fail(err, E_VALUE, "must have a generation"), field->name, -1);
	guard->is_conflict = head.value == 1;
	if (guard->is_conflict)
		return OK;
	*ret_is_set = reader_left(r) && *r->at != 0xc0;
	if (*ret_is_set)
		return read_value(field, r, row, err);
	return mp_read(r).class == MP_NIL ? OK : E_FORM;
}

/* Reads the field into the row; *ret_is_set says whether it has a value. */
static enum code read_field(const struct field *field, struct reader *r, void *row, bool *ret_is_set, struct err *err)
{
	if (field->merge == MERGE_CRED)
		return read_guarded(field, r, row, ret_is_set, err);
	*ret_is_set = !is_unset(field, r);
	if (!*ret_is_set)
		return field->is_required ? missing(field, err) : OK;
	return read_value(field, r, row, err);
}

/* Goes to the table's place of `number`; fails if that passes a field that should have been there. */
static enum code seek(const struct field **at, const struct field *end, uint64_t number, bool is_whole, struct err *err)
{
	const struct field *f = *at;

	for (; f < end && f->number < number; f++)
		if (is_whole && f->is_required)
			return missing(f, err);
	*at = f;
	return OK;
}

static enum code not_canonical(const struct shape *shape, struct err *err)
{
	return fail(err, E_FORM, "%s: its fields are not canonical msgpack", shape->name);
}

/* A row of a kind begins with its id; a part has none. */
static bool is_part(const struct shape *shape)
{
	return !shape->has_at;
}

/* What a later version added to a part may narrow it: whoever cannot read that must not act on the rest. */
static enum code unknown_part(const struct shape *shape, uint64_t number, struct err *err)
{
	return fail(err, E_VALUE, "the %s has a field %u that this version does not know", shape->name,
		    (unsigned)number);
}

enum code pack_read(const struct shape *shape, struct bytes map, bool is_whole, void *ret_row, struct err *err)
{
	struct reader r = reader_over(map), quick;
	struct mp_head head = mp_read(&r);
	const struct field *f = shape->fields, *end = f + shape->count;
	uint64_t has = 0, least = 0;
	enum code code;
	bool is_set;

	if (head.class != MP_MAP)
		return not_canonical(shape, err);
	memset((uint8_t *)ret_row + shape->has_at, 0, (size_t)shape->size - shape->has_at);
	for (uint64_t i = 0; i < head.value; i++) {
		uint64_t number;

		if (!read_uint(&r, &number) || number < least)
			return not_canonical(shape, err);
		least = number + 1;
		code = seek(&f, end, number, is_whole, err);
		if (code)
			return code;
		if (f == end || f->number != number) {
			mp_skip(&r);
			if (is_part(shape))
				return unknown_part(shape, number, err);
			continue;
		}
		/* A copy that no call can reach stays in registers. */
		quick = r;
		is_set = !f->is_list && f->merge != MERGE_CRED && quick_value(f, &quick, field_slot(f, ret_row));
		if (is_set) {
			r.at = quick.at;
		} else {
			code = read_field(f, &r, ret_row, &is_set, err);
			if (code)
				return r.is_short ? not_canonical(shape, err) : code;
		}
		has |= (uint64_t)is_set << (f - shape->fields);
		f++;
	}
	if (r.is_short || reader_left(&r))
		return not_canonical(shape, err);
	*row_has(shape, ret_row) = has;
	return seek(&f, end, UINT64_MAX, is_whole, err);
}

static void write_address(const struct address *address, struct buf *buf)
{
	mp_put_bin(buf, bytes_of(address->bytes, address->size));
}

static void write_network(const struct network *network, struct buf *buf)
{
	uint8_t bytes[17];

	memcpy(bytes, network->address.bytes, network->address.size);
	bytes[network->address.size] = network->prefix;
	mp_put_bin(buf, bytes_of(bytes, network->address.size + (size_t)1));
}

static void write_ref(const struct ref *ref, struct buf *buf)
{
	mp_put_array(buf, 2);
	mp_put_uint(buf, ref->kind);
	mp_put_bin(buf, bytes_of(ref->id.bytes, sizeof ref->id.bytes));
}

static void write_counter(const struct counter *counter, struct buf *buf)
{
	mp_put_array(buf, 3);
	mp_put_uint(buf, counter->total);
	mp_put_uint(buf, counter->reading);
	mp_put_uint(buf, counter->making);
}

void pack_write_slot(const struct field *field, const void *slot, struct buf *buf)
{
	switch ((enum type)field->type) {
	case TYPE_BOOL: mp_put_bool(buf, *(const bool *)slot); break;
	case TYPE_UINT:
	case TYPE_COUNT64:
	case TYPE_SPAN:
	case TYPE_CHOICE:
	case TYPE_NODE: mp_put_uint(buf, *(const uint64_t *)slot); break;
	case TYPE_TIME: mp_put_uint(buf, ((const struct wall_time *)slot)->ms); break;
	case TYPE_INT: mp_put_int(buf, *(const int64_t *)slot); break;
	case TYPE_SLUG:
	case TYPE_LOGIN:
	case TYPE_NAME:
	case TYPE_LINE:
	case TYPE_NOTE:
	case TYPE_HOST:
	case TYPE_URL: mp_put_text(buf, *(const struct bytes *)slot); break;
	case TYPE_BYTES: mp_put_bin(buf, *(const struct bytes *)slot); break;
	case TYPE_REF: write_ref(slot, buf); break;
	case TYPE_ID: mp_put_bin(buf, bytes_of(slot, sizeof(struct id))); break;
	case TYPE_KEY: mp_put_bin(buf, bytes_of(slot, sizeof(struct key32))); break;
	case TYPE_ADDRESS: write_address(slot, buf); break;
	case TYPE_NETWORK: write_network(slot, buf); break;
	case TYPE_COUNTER: write_counter(slot, buf); break;
	case TYPE_PART: buf_put_bytes(buf, *(const struct bytes *)slot); break;
	}
}

static void write_list(const struct list *list, struct buf *buf)
{
	mp_put_array(buf, list->count);
	buf_put_bytes(buf, list->items);
}

static void write_value(const struct field *field, const void *row, struct buf *buf)
{
	if (field->is_list)
		write_list(field_slot_const(field, row), buf);
	else
		pack_write_slot(field, field_slot_const(field, row), buf);
}

static void write_guarded(const struct field *field, const void *row, bool is_set, struct buf *buf)
{
	const struct guard *guard = field_guard_const(field, row);

	mp_put_array(buf, guard->is_conflict ? 1 : 2);
	mp_put_uint(buf, guard->generation);
	if (guard->is_conflict)
		return;
	if (is_set)
		write_value(field, row, buf);
	else
		mp_put_nil(buf);
}

void pack_write_field(const struct shape *shape, size_t place, const void *row, struct buf *buf)
{
	const struct field *field = &shape->fields[place];

	if (field->merge == MERGE_CRED)
		write_guarded(field, row, row_has_field(shape, row, place), buf);
	else
		write_value(field, row, buf);
}

/* A CRED field says something also without a value: that it was removed, or is in conflict. */
static bool is_written(const struct shape *shape, size_t place, const void *row)
{
	const struct field *field = &shape->fields[place];

	if (field->merge == MERGE_CRED)
		return field_guard_const(field, row)->generation;
	return row_has_field(shape, row, place);
}

void pack_write(const struct shape *shape, const void *row, struct buf *buf)
{
	size_t count = 0;

	for (size_t i = 0; i < shape->count; i++)
		count += is_written(shape, i, row);
	mp_put_map(buf, count);
	for (size_t i = 0; i < shape->count; i++) {
		if (!is_written(shape, i, row))
			continue;
		mp_put_uint(buf, shape->fields[i].number);
		pack_write_field(shape, i, row, buf);
	}
}

bool pack_next(const struct field *field, struct reader *items, void *ret_slot)
{
	return reader_left(items) && read_form((enum type)field->type, items, ret_slot);
}
