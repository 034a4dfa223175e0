/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/json.h"

#include "crdt/base/text.h"
#include "crdt/model/pack.h"

void json_write_text(struct bytes text, struct buf *buf)
{
	static const char hex[] = "0123456789abcdef";
	size_t start = 0;

	buf_put_byte(buf, '"');
	for (size_t i = 0; i < text.size; i++) {
		uint8_t b = text.data[i];

		if (b >= 0x20 && b != '"' && b != '\\')
			continue;
		buf_put(buf, text.data + start, i - start);
		start = i + 1;
		if (b >= 0x20) {
			buf_put(buf, (char[]){ '\\', (char)b }, 2);
		} else {
			buf_put(buf, (char[]){ '\\', 'u', '0', '0', hex[b >> 4], hex[b & 15] }, 6);
		}
	}
	buf_put(buf, text.data + start, text.size - start);
	buf_put_byte(buf, '"');
}

static void put_number(uint64_t number, struct buf *buf)
{
	char digits[20];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	buf_put(buf, digits + at, sizeof digits - at);
}

/* Up to 64 bits: as text where a JSON number would lose digits, and many readers refuse it. */
static void put_count(uint64_t number, struct buf *buf)
{
	bool is_text = number >> 53;

	if (is_text)
		buf_put_byte(buf, '"');
	put_number(number, buf);
	if (is_text)
		buf_put_byte(buf, '"');
}

static void put_signed(int64_t number, struct buf *buf)
{
	if (number < 0)
		buf_put_byte(buf, '-');
	put_number(number < 0 ? -(uint64_t)number : (uint64_t)number, buf);
}

/* Printable ASCII that needs no escape. */
static void put_plain(const char *text, struct buf *buf)
{
	buf_put_byte(buf, '"');
	buf_put_text(buf, text);
	buf_put_byte(buf, '"');
}

static void put_base64(struct bytes bytes, struct buf *buf)
{
	size_t size = base64_size(bytes.size);
	uint8_t *room;

	buf_put_byte(buf, '"');
	room = buf_take(buf, size + 1);
	if (room) {
		base64_write(bytes, (char *)room);
		room[size] = '"'; /* where the final zero was */
	}
}

static void put_hex(struct bytes bytes, struct buf *buf)
{
	char hex[2 * 16 + 1];

	hex_write(bytes, hex);
	put_plain(hex, buf);
}

void json_write_id(struct id id, struct buf *buf)
{
	put_hex(bytes_of(id.bytes, sizeof id.bytes), buf);
}

/* "device/3f2a…"; a kind that this version does not know by its number. */
static void put_ref(const struct ref *ref, struct buf *buf)
{
	const struct kind *kind = model_kind(ref->kind);
	char hex[2 * sizeof ref->id.bytes + 1];

	hex_write(bytes_of(ref->id.bytes, sizeof ref->id.bytes), hex);
	buf_put_byte(buf, '"');
	if (kind)
		buf_put_text(buf, kind->shape.name);
	else
		put_number(ref->kind, buf);
	buf_put_byte(buf, '/');
	buf_put_text(buf, hex);
	buf_put_byte(buf, '"');
}

static void put_node(uint64_t node, struct buf *buf)
{
	uint8_t room[8];
	struct buf bytes = buf_over(room, sizeof room);

	buf_put_big_endian(&bytes, node, sizeof room);
	put_hex(buf_bytes(&bytes), buf);
}

static void put_time(struct wall_time time, struct buf *buf)
{
	char text[WALL_TEXT_SIZE];

	wall_format(time, text);
	put_plain(text, buf);
}

static void put_choice(const struct field *field, uint64_t number, struct buf *buf)
{
	const struct choices *choices = &model_choices[field->of];

	for (size_t i = 0; i < choices->count; i++)
		if (choices->all[i].number == number) {
			put_plain(choices->all[i].name, buf);
			return;
		}
	put_number(number, buf);
}

static void put_address(const struct address *address, struct buf *buf)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(address, text);
	put_plain(text, buf);
}

static void put_network(const struct network *network, struct buf *buf)
{
	char text[NETWORK_TEXT_SIZE];

	network_format(network, text);
	put_plain(text, buf);
}

static void put_counter(const struct counter *counter, struct buf *buf)
{
	buf_put_text(buf, "{\"total\":");
	put_count(counter->total, buf);
	buf_put_text(buf, ",\"reading\":");
	put_count(counter->reading, buf);
	buf_put_text(buf, ",\"making\":");
	put_count(counter->making, buf);
	buf_put_byte(buf, '}');
}

static void put_part(const struct field *field, struct bytes map, enum json_view view, struct buf *buf)
{
	_Alignas(max_align_t) uint8_t row[MODEL_PART_SIZE];

	if (!pack_read(&model_parts[field->of], map, true, row, NULL))
		json_write_row(&model_parts[field->of], NULL, row, view, buf);
	else
		buf_put_text(buf, "null");
}

static void put_slot(const struct field *field, const void *slot, enum json_view view, struct buf *buf)
{
	switch ((enum type)field->type) {
	case TYPE_BOOL: buf_put_text(buf, *(const bool *)slot ? "true" : "false"); break;
	case TYPE_COUNT64: put_count(*(const uint64_t *)slot, buf); break;
	case TYPE_UINT:
	case TYPE_SPAN: put_number(*(const uint64_t *)slot, buf); break;
	case TYPE_INT: put_signed(*(const int64_t *)slot, buf); break;
	case TYPE_TIME: put_time(*(const struct wall_time *)slot, buf); break;
	case TYPE_CHOICE: put_choice(field, *(const uint64_t *)slot, buf); break;
	case TYPE_NODE: put_node(*(const uint64_t *)slot, buf); break;
	case TYPE_SLUG:
	case TYPE_LOGIN:
	case TYPE_NAME:
	case TYPE_LINE:
	case TYPE_NOTE:
	case TYPE_HOST:
	case TYPE_URL: json_write_text(*(const struct bytes *)slot, buf); break;
	case TYPE_BYTES: put_base64(*(const struct bytes *)slot, buf); break;
	case TYPE_REF: put_ref(slot, buf); break;
	case TYPE_ID: json_write_id(*(const struct id *)slot, buf); break;
	case TYPE_KEY: put_base64(bytes_of(slot, sizeof(struct key32)), buf); break;
	case TYPE_ADDRESS: put_address(slot, buf); break;
	case TYPE_NETWORK: put_network(slot, buf); break;
	case TYPE_COUNTER: put_counter(slot, buf); break;
	case TYPE_PART: put_part(field, *(const struct bytes *)slot, view, buf); break;
	}
}

static void put_list(const struct field *field, const struct list *list, enum json_view view, struct buf *buf)
{
	struct reader items = reader_over(list->items);
	union slot item;

	buf_put_byte(buf, '[');
	for (size_t i = 0; pack_next(field, &items, &item); i++) {
		if (i)
			buf_put_byte(buf, ',');
		put_slot(field, &item, view, buf);
	}
	buf_put_byte(buf, ']');
}

static void put_field(const struct field *field, const void *slot, enum json_view view, struct buf *buf)
{
	put_plain(field->name, buf);
	buf_put_byte(buf, ':');
	if (field->is_secret)
		put_plain("(secret)", buf);
	else if (field->is_list)
		put_list(field, slot, view, buf);
	else
		put_slot(field, slot, view, buf);
}

static bool is_in_conflict(const struct field *field, const void *row)
{
	return field->merge == MERGE_CRED && field_guard_const(field, row)->is_conflict;
}

/* The names of the fields in conflict, which have no value to show. */
static void put_conflicts(const struct shape *shape, const void *row, bool *is_first, struct buf *buf)
{
	bool is_open = false;

	for (size_t i = 0; i < shape->count; i++) {
		if (!is_in_conflict(&shape->fields[i], row))
			continue;
		buf_put_text(buf, is_open ? "," : *is_first ? "\"conflicts\":[" : ",\"conflicts\":[");
		put_plain(shape->fields[i].name, buf);
		is_open = true;
		*is_first = false;
	}
	if (is_open)
		buf_put_byte(buf, ']');
}

void json_write_row(const struct shape *shape, const struct id *id, const void *row, enum json_view view,
		    struct buf *buf)
{
	bool is_first = !id;

	buf_put_byte(buf, '{');
	if (id) {
		buf_put_text(buf, "\"id\":");
		json_write_id(*id, buf);
	}
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];

		if (!row_has_field(shape, row, i) || (view == JSON_PUBLIC && (f->is_hidden || f->is_secret)))
			continue;
		if (!is_first)
			buf_put_byte(buf, ',');
		is_first = false;
		put_field(f, field_slot_const(f, row), view, buf);
	}
	if (view == JSON_MASKED)
		put_conflicts(shape, row, &is_first, buf);
	buf_put_byte(buf, '}');
}
