/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/make.h"

#include "crdt/model/mp.h"
#include "crdt/model/pack.h"

#include <assert.h>

enum { MAP_MAX = 1 << 16 };

static bool one_in(struct maker *maker, uint64_t n)
{
	return !rng_below(&maker->rng, n);
}

/* From `min` to `max`, both likely. */
static uint64_t make_number(struct maker *maker, uint64_t min, uint64_t max)
{
	uint64_t width = max - min;

	switch (rng_below(&maker->rng, 4)) {
	case 0: return min;
	case 1: return max;
	case 2: return min + rng_below(&maker->rng, width < 300 ? width + 1 : 300);
	default: return width == UINT64_MAX ? rng_u64(&maker->rng) : min + rng_below(&maker->rng, width + 1);
	}
}

/* Mostly short, so that whole rows stay small. */
static size_t make_size(struct maker *maker, const struct field *field)
{
	size_t min = field->min, max = field->max;

	if (one_in(maker, 16) && max <= 255)
		return max;
	return min + rng_below(&maker->rng, max - min < 12 ? max - min + 1 : 12);
}

static struct bytes make_bytes(struct maker *maker, size_t size)
{
	uint8_t *room = arena_take(&maker->arena, size + 1);

	rng_fill(&maker->rng, room, size);
	return bytes_of(room, size);
}

static struct bytes make_text(struct maker *maker, const struct field *field)
{
	static const char url[] = "https://", letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t size = make_size(maker, field);
	uint8_t *text = arena_take(&maker->arena, size + sizeof url);
	bool is_free = field->type == TYPE_NAME || field->type == TYPE_LINE || field->type == TYPE_NOTE;

	if (field->type == TYPE_HOST && size > 63)
		size = 63;
	for (size_t i = 0; i < size; i++)
		text[i] = (uint8_t)letters[rng_below(&maker->rng, sizeof letters - 1)];
	/* A host has a letter, also behind a scheme. */
	if (field->type == TYPE_HOST)
		text[0] = 'h';
	if (field->type == TYPE_URL && size == sizeof url - 1)
		text[size++] = 'h';
	if (field->type == TYPE_URL)
		memcpy(text, url, sizeof url - 1);
	if (is_free && size > 2 && one_in(maker, 2))
		memcpy(text, one_in(maker, 2) ? "\xc3\xa9" : "\"\\", 2);
	if (is_free && size > 2 && one_in(maker, 4))
		text[1 + rng_below(&maker->rng, size - 2)] = 0x20;
	/* Over half of a letter of two bytes, that may have come to stand. */
	if (is_free && size > 2 && text[0] == 0xc3)
		text[1] = 0xa9;
	return bytes_of(text, size);
}

static struct address make_address(struct maker *maker, const struct field *field)
{
	struct address address = { .size = field->of == 4 || (!field->of && one_in(maker, 2)) ? 4 : 16 };

	rng_fill(&maker->rng, address.bytes, address.size);
	return address;
}

static struct network make_network(struct maker *maker, const struct field *field)
{
	struct network network = { .address = make_address(maker, field) };
	unsigned bits = network.address.size * 8U;

	network.prefix = (uint8_t)make_number(maker, 0, bits);
	for (unsigned i = network.prefix; i < bits; i++)
		network.address.bytes[i / 8] &= (uint8_t) ~(0x80U >> i % 8);
	return network;
}

void make_slot(struct maker *maker, const struct field *field, union slot *ret_slot)
{
	const struct choices *choices = &model_choices[field->type == TYPE_CHOICE ? field->of : 0];
	uint64_t min = field->min, max = field->max;

	memset(ret_slot, 0, sizeof *ret_slot);
	switch ((enum type)field->type) {
	case TYPE_BOOL: ret_slot->truth = one_in(maker, 2); break;
	case TYPE_UINT:
	case TYPE_COUNT64:
	case TYPE_SPAN:
	case TYPE_NODE: ret_slot->number = make_number(maker, min, max); break;
	case TYPE_INT: ret_slot->signed_number = (int64_t)make_number(maker, min, max); break;
	case TYPE_TIME: ret_slot->time.ms = make_number(maker, min, max); break;
	case TYPE_CHOICE: ret_slot->number = choices->all[rng_below(&maker->rng, choices->count)].number; break;
	case TYPE_SLUG:
	case TYPE_LOGIN:
	case TYPE_NAME:
	case TYPE_LINE:
	case TYPE_NOTE:
	case TYPE_HOST:
	case TYPE_URL: ret_slot->bytes = make_text(maker, field); break;
	case TYPE_BYTES: ret_slot->bytes = make_bytes(maker, make_size(maker, field)); break;
	case TYPE_REF:
		ret_slot->ref.kind = 1 + (uint32_t)rng_below(&maker->rng, MODEL_KIND_MAX);
		rng_fill(&maker->rng, &ret_slot->ref.id, sizeof ret_slot->ref.id);
		break;
	case TYPE_ID:
	case TYPE_KEY: rng_fill(&maker->rng, ret_slot, field->type == TYPE_ID ? 16 : 32); break;
	case TYPE_ADDRESS: ret_slot->address = make_address(maker, field); break;
	case TYPE_NETWORK: ret_slot->network = make_network(maker, field); break;
	case TYPE_COUNTER:
		ret_slot->counter.total = make_number(maker, 0, UINT64_MAX);
		ret_slot->counter.making = rng_below(&maker->rng, 3);
		break;
	case TYPE_PART: ret_slot->bytes = make_map(maker, &model_parts[field->of], true, NULL); break;
	}
}

/* The front of a CRED value; whether the value itself is still to come. */
static bool put_guard(struct maker *maker, struct buf *buf)
{
	bool is_conflict = one_in(maker, 4), is_removed = one_in(maker, 4);

	mp_put_array(buf, is_conflict ? 1 : 2);
	mp_put_uint(buf, 1 + rng_below(&maker->rng, 3));
	if (!is_conflict && is_removed)
		mp_put_nil(buf);
	return !is_conflict && !is_removed;
}

static void put_value(struct maker *maker, const struct field *field, struct buf *buf)
{
	size_t count = 1;
	union slot slot;

	if (field->merge == MERGE_LWW && !field->is_required && one_in(maker, 6)) {
		mp_put_nil(buf);
		return;
	}
	if (field->merge == MERGE_CRED && !put_guard(maker, buf))
		return;
	if (field->is_list) {
		count = rng_below(&maker->rng, field->most < 3 ? field->most + 1U : 4);
		mp_put_array(buf, count);
	}
	for (size_t i = 0; i < count; i++) {
		make_slot(maker, field, &slot);
		pack_write_slot(field, &slot, buf);
	}
}

struct bytes make_map(struct maker *maker, const struct shape *shape, bool is_whole, make_wants *wants)
{
	struct buf all = buf_growing(MAP_MAX), head = buf_growing(MAP_MAX);
	uint64_t rarity = 1 + rng_below(&maker->rng, 3);
	struct bytes map;
	size_t count = 0;

	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];

		if ((wants && !wants(f)) || (!(is_whole && f->is_required) && !one_in(maker, rarity)))
			continue;
		mp_put_uint(&all, f->number);
		put_value(maker, f, &all);
		count++;
	}
	mp_put_map(&head, count);
	buf_put_bytes(&head, buf_bytes(&all));
	map = arena_copy(&maker->arena, buf_bytes(&head));
	buf_done(&all);
	buf_done(&head);
	return map;
}

static struct stamp make_stamp(struct maker *maker)
{
	return (struct stamp){ hlc_make(1 + rng_below(&maker->rng, 2), 0), 1 + rng_below(&maker->rng, 2) };
}

/* What only a later version knows. */
static void add_unknown(struct maker *maker, struct record *record)
{
	uint32_t last = record->count ? record->cells[record->count - 1].number : 0;
	struct cell *cell = &record->cells[record->count];
	struct buf buf = buf_growing(64);

	if (last >= MODEL_FIELD_MAX)
		return;
	*cell = (struct cell){ .number = last + 1 + (uint32_t)rng_below(&maker->rng, MODEL_FIELD_MAX - last) };
	if (field_merge(cell->number) == MERGE_CRED)
		mp_put_array(&buf, 1);
	if (field_merge(cell->number) == MERGE_LWW) {
		mp_put_map(&buf, 2);
		mp_put_uint(&buf, rng_below(&maker->rng, 3));
		mp_put_nil(&buf);
		mp_put_uint(&buf, 3);
	}
	mp_put_uint(&buf, 1 + rng_below(&maker->rng, 300));
	cell->value = arena_copy(&maker->arena, buf_bytes(&buf));
	cell->stamp = make_stamp(maker);
	record->count++;
	buf_done(&buf);
}

/* What is dead has nothing but its identity. */
static void kill(struct record *record)
{
	size_t count = 0;

	for (size_t i = 0; i < record->count; i++)
		if (field_merge(record->cells[i].number) == MERGE_ONCE)
			record->cells[count++] = record->cells[i];
	record->count = count;
	record->is_dead = true;
}

static struct bytes finish(struct maker *maker, const struct record *record)
{
	struct buf buf = buf_growing(RECORD_MAX);
	struct bytes bytes;

	record_write(record, &buf);
	bytes = arena_copy(&maker->arena, buf_bytes(&buf));
	buf_done(&buf);
	return bytes;
}

static void vary(struct maker *maker, struct record *record)
{
	struct stamp one = make_stamp(maker);
	bool has_one = one_in(maker, 2);

	for (size_t i = 0; i < record->count; i++)
		record->cells[i].stamp = has_one ? one : make_stamp(maker);
	if (one_in(maker, 4))
		add_unknown(maker, record);
	if (one_in(maker, 8))
		kill(record);
}

struct bytes make_record(struct maker *maker, const struct kind *kind)
{
	struct record *record = arena_take(&maker->arena, sizeof *record);
	struct bytes map = make_map(maker, &kind->shape, !one_in(maker, 4), NULL);
	enum code code = record_from_op(map, make_stamp(maker), record, NULL);

	assert(!code);
	vary(maker, record);
	return finish(maker, record);
}

struct bytes make_other_record(struct maker *maker, const struct kind *kind, struct bytes bytes)
{
	struct record *record = arena_take(&maker->arena, sizeof *record),
		      *other = arena_take(&maker->arena, sizeof *other);
	struct bytes map = make_map(maker, &kind->shape, true, NULL);
	size_t count = 0;
	enum code code = record_read(bytes, record, NULL);

	assert(!code);
	code = record_from_op(map, make_stamp(maker), other, NULL);
	assert(!code);
	for (size_t i = 0; i < record->count; i++) {
		struct cell cell = record->cells[i];

		if (field_merge(cell.number) != MERGE_ONCE && one_in(maker, 4))
			continue;
		for (size_t k = 0; k < other->count && field_merge(cell.number) != MERGE_ONCE && one_in(maker, 3); k++)
			if (other->cells[k].number == cell.number)
				cell.value = other->cells[k].value;
		record->cells[count++] = cell;
	}
	record->count = count;
	if (!record->is_dead)
		vary(maker, record);
	return finish(maker, record);
}

const struct shape *make_shape(size_t number)
{
	number %= MODEL_KINDS + MODEL_PARTS;
	return number < MODEL_KINDS ? &model_kinds[number].shape : &model_parts[number - MODEL_KINDS];
}
