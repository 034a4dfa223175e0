/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/model/gen_row.h"

#include "crdt/model/pack.h"

#include <stdio.h>
#include <stdlib.h>

static bool one_in(struct rng *rng, uint64_t n)
{
	return !rng_below(rng, n);
}

static uint64_t within(struct rng *rng, uint64_t min, uint64_t max)
{
	return max - min == UINT64_MAX ? rng_u64(rng) : min + rng_below(rng, max - min + 1);
}

/* Limits, and numbers of every length, are where codecs go wrong. */
static uint64_t gen_number(uint64_t min, uint64_t max, struct rng *rng)
{
	uint64_t number;

	if (one_in(rng, 3))
		return one_in(rng, 2) ? min : max;
	if (one_in(rng, 4))
		return within(rng, min, max);
	number = rng_u64(rng) >> rng_below(rng, 64);
	return number < min ? min : number > max ? max : number;
}

static int64_t gen_signed(const struct field *field, struct rng *rng)
{
	int64_t min = (int64_t)field->min, max = (int64_t)field->max;
	int64_t number = (int64_t)rng_u64(rng) >> rng_below(rng, 64);

	if (one_in(rng, 6))
		return one_in(rng, 2) ? min : max;
	return number < min ? min : number > max ? max : number;
}

static size_t gen_size(const struct field *field, struct rng *rng)
{
	uint64_t min = field->min, max = field->max;

	if (one_in(rng, 8))
		return one_in(rng, 2) ? min : max;
	return within(rng, min, max - min > 20 ? min + 20 : max);
}

/* Each of `letters`, a list of UTF-8 characters with blanks between, as long as it fits; then `last`. */
static struct bytes gen_letters(const char *const *letters, size_t count, size_t size, char last, struct rng *rng,
				struct arena *arena)
{
	char *text = arena_take(arena, size + 1);
	size_t at = 0;

	while (at < size) {
		const char *letter = letters[rng_below(rng, count)];
		size_t length = strlen(letter);

		if (!at || at + length >= size) {
			text[at++] = last;
			continue;
		}
		memcpy(text + at, letter, length);
		at += length;
	}
	return bytes_of(text, size);
}

static struct bytes gen_text(const struct field *field, bool has_lines, struct rng *rng, struct arena *arena)
{
	static const char *const letters[] = { "\n", "\t", "a", "B", "7",  "\"", "\\",         "/",
					       " ",  "<",  "é", "ß", "漢", "€",  "\U0001F430", "`" };
	size_t from = has_lines ? 0 : 2;

	return gen_letters(letters + from, COUNT(letters) - from, gen_size(field, rng), 'z', rng, arena);
}

static struct bytes gen_slug(const struct field *field, struct rng *rng, struct arena *arena)
{
	static const char *const letters[] = { "a", "b", "z", "0", "9", "-", "_", "." };

	return gen_letters(letters, COUNT(letters), gen_size(field, rng), 'x', rng, arena);
}

static struct bytes gen_host(const struct field *field, struct rng *rng, struct arena *arena)
{
	static const char *const fixed[] = {
		"10.0.0.1", "fd00::1", "fra-1.example.net", "a", "EXAMPLE.org", "x-1.y-2.z"
	};
	char *text = arena_take(arena, 254);
	size_t size = field->max;

	if (!one_in(rng, 8))
		return bytes_text(fixed[rng_below(rng, COUNT(fixed))]);
	for (size_t i = 0; i < size; i++)
		text[i] = i % 50 == 49 && i + 1 < size ? '.' : 'h';
	return bytes_of(text, size);
}

static struct bytes gen_url(const struct field *field, struct rng *rng, struct arena *arena)
{
	static const char front[] = "https://a/";
	size_t size = gen_size(field, rng);
	char *text = arena_take(arena, size + sizeof front);

	memset(text, 'u', size + sizeof front);
	memcpy(text, front, sizeof front - 1);
	return bytes_of(text, size < sizeof front ? sizeof front - 1 : size);
}

static struct bytes gen_bytes(size_t size, struct rng *rng, struct arena *arena)
{
	uint8_t *bytes = arena_take(arena, size);

	rng_fill(rng, bytes, size);
	/* Keys escape the smallest bytes. */
	for (size_t i = 0; i < size; i++)
		if (bytes[i] > 200)
			bytes[i] &= 3;
	return bytes_of(bytes, size);
}

static struct address gen_address(const struct field *field, struct rng *rng)
{
	struct address address = { .size = field->of == 4 || (!field->of && one_in(rng, 2)) ? 4 : 16 };

	rng_fill(rng, address.bytes, address.size);
	if (one_in(rng, 3))
		memset(address.bytes + 1, 0, address.size - 1U);
	return address;
}

static struct network gen_network(const struct field *field, struct rng *rng)
{
	struct network network = { .address = gen_address(field, rng) };
	unsigned bits = network.address.size * 8U;

	network.prefix = (uint8_t)rng_below(rng, bits + 1);
	for (unsigned bit = network.prefix; bit < bits; bit++)
		network.address.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return network;
}

/* Whether the field has a value beside its guard: else it was removed, or is in conflict. */
static bool gen_guard(struct rng *rng, struct guard *ret_guard)
{
	ret_guard->generation = gen_number(1, UINT64_MAX, rng);
	ret_guard->is_conflict = one_in(rng, 4);
	return !ret_guard->is_conflict && !one_in(rng, 4);
}

static struct bytes gen_part(const struct field *field, struct rng *rng, struct arena *arena)
{
	_Alignas(max_align_t) uint8_t row[MODEL_PART_SIZE];
	struct buf buf = buf_growing(MODEL_OP_MAX);
	struct bytes map;

	gen_row(&model_parts[field->of], rng, arena, row);
	pack_write(&model_parts[field->of], row, &buf);
	map = arena_copy(arena, buf_bytes(&buf));
	buf_done(&buf);
	return map;
}

static uint64_t gen_choice(const struct field *field, struct rng *rng)
{
	const struct choices *choices = &model_choices[field->of];

	return choices->all[rng_below(rng, choices->count)].number;
}

static struct counter gen_counter(struct rng *rng)
{
	struct counter counter;

	counter.total = gen_number(0, UINT64_MAX, rng);
	counter.reading = gen_number(0, UINT64_MAX, rng);
	counter.making = gen_number(0, UINT64_MAX, rng);
	return counter;
}

static struct bytes gen_texted(const struct field *field, struct rng *rng, struct arena *arena)
{
	if (field->type == TYPE_SLUG || field->type == TYPE_LOGIN)
		return gen_slug(field, rng, arena);
	if (field->type == TYPE_HOST)
		return gen_host(field, rng, arena);
	if (field->type == TYPE_URL)
		return gen_url(field, rng, arena);
	if (field->type == TYPE_BYTES)
		return gen_bytes(gen_size(field, rng), rng, arena);
	if (field->type == TYPE_PART)
		return gen_part(field, rng, arena);
	return gen_text(field, field->type == TYPE_NOTE, rng, arena);
}

void gen_slot(const struct field *field, struct rng *rng, struct arena *arena, void *slot)
{
	switch ((enum type)field->type) {
	case TYPE_BOOL: *(bool *)slot = one_in(rng, 2); break;
	case TYPE_UINT:
	case TYPE_COUNT64:
	case TYPE_SPAN:
	case TYPE_NODE: *(uint64_t *)slot = gen_number(field->min, field->max, rng); break;
	case TYPE_CHOICE: *(uint64_t *)slot = gen_choice(field, rng); break;
	case TYPE_TIME: ((struct wall_time *)slot)->ms = gen_number(field->min, field->max, rng); break;
	case TYPE_INT: *(int64_t *)slot = gen_signed(field, rng); break;
	case TYPE_SLUG:
	case TYPE_LOGIN:
	case TYPE_NAME:
	case TYPE_LINE:
	case TYPE_NOTE:
	case TYPE_HOST:
	case TYPE_URL:
	case TYPE_BYTES:
	case TYPE_PART: *(struct bytes *)slot = gen_texted(field, rng, arena); break;
	case TYPE_REF:
		((struct ref *)slot)->kind = 1 + (uint32_t)rng_below(rng, rng_below(rng, 2) ? 200 : MODEL_KIND_MAX);
		rng_fill(rng, &((struct ref *)slot)->id, sizeof(struct id));
		break;
	case TYPE_ID: rng_fill(rng, slot, sizeof(struct id)); break;
	case TYPE_KEY: rng_fill(rng, slot, sizeof(struct key32)); break;
	case TYPE_ADDRESS: *(struct address *)slot = gen_address(field, rng); break;
	case TYPE_NETWORK: *(struct network *)slot = gen_network(field, rng); break;
	case TYPE_COUNTER: *(struct counter *)slot = gen_counter(rng); break;
	}
}

static struct list gen_list(const struct field *field, struct rng *rng, struct arena *arena)
{
	size_t count = rng_below(rng, field->most < 4 ? field->most + 1U : 5);
	struct buf buf = buf_growing(MODEL_OP_MAX * 4);
	struct list list = { .count = count };
	union slot slot;

	/* A full list, where its items are small. */
	if (one_in(rng, 16) && field->type != TYPE_PART && field->most <= 64 && field->max <= 64)
		list.count = field->most;
	for (size_t i = 0; i < list.count; i++) {
		gen_slot(field, rng, arena, &slot);
		pack_write_slot(field, &slot, &buf);
		if (one_in(rng, 6) && i + 1 < list.count && ++i)
			pack_write_slot(field, &slot, &buf);
	}
	list.items = arena_copy(arena, buf_bytes(&buf));
	buf_done(&buf);
	return list;
}

static void gen_fields(const struct shape *shape, uint64_t wanted, struct rng *rng, struct arena *arena, void *row)
{
	memset(row, 0, shape->size);
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];

		if (!(wanted & BIT(i)) || (f->merge == MERGE_CRED && !gen_guard(rng, field_guard(f, row))))
			continue;
		*row_has(shape, row) |= BIT(i);
		if (f->is_list)
			*(struct list *)field_slot(f, row) = gen_list(f, rng, arena);
		else
			gen_slot(f, rng, arena, field_slot(f, row));
	}
}

void gen_row(const struct shape *shape, struct rng *rng, struct arena *arena, void *ret_row)
{
	uint64_t wanted = one_in(rng, 8) ? UINT64_MAX : one_in(rng, 8) ? 0 : rng_u64(rng);

	for (size_t i = 0; i < shape->count; i++)
		if (shape->fields[i].is_required)
			wanted |= BIT(i);
	gen_fields(shape, wanted, rng, arena, ret_row);
}

struct id gen_id_of(uint32_t kind, struct bytes map)
{
	struct record *record = must_alloc(sizeof *record);
	struct id id;

	if (record_from_op(map, (struct stamp){ hlc_make(1, 0), 1 }, record, NULL))
		abort();
	id = record_id(kind, record);
	free(record);
	return id;
}

static struct bytes packed(const struct shape *shape, const void *row, struct arena *arena)
{
	struct buf buf = buf_growing(1 << 20);
	struct bytes map;

	pack_write(shape, row, &buf);
	map = arena_copy(arena, buf_bytes(&buf));
	buf_done(&buf);
	return map;
}

struct bytes gen_op(const struct kind *kind, struct rng *rng, struct arena *arena, struct id *ret_id)
{
	void *row = arena_take(arena, kind->shape.size);
	struct bytes map;

	do {
		gen_row(&kind->shape, rng, arena, row);
		map = packed(&kind->shape, row, arena);
	} while (map.size > MODEL_OP_MAX);
	*ret_id = gen_id_of(kind->number, map);
	return map;
}

struct bytes gen_change(const struct kind *kind, struct rng *rng, struct arena *arena)
{
	void *row = arena_take(arena, kind->shape.size);
	uint64_t wanted;
	struct bytes map;

	do {
		wanted = rng_u64(rng) & rng_u64(rng);
		for (size_t i = 0; i < kind->shape.count; i++)
			if (kind->shape.fields[i].merge == MERGE_ONCE)
				wanted &= ~BIT(i);
		gen_fields(&kind->shape, wanted, rng, arena, row);
		map = packed(&kind->shape, row, arena);
	} while (map.size > MODEL_OP_MAX);
	return map;
}
