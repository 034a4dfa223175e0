/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/index.h"

#include "crdt/model/key.h"
#include "crdt/model/pack.h"
#include "crdt/model/record.h"

enum { KEY_FRONT = 1 + 2 + 2 };

void record_key_write(uint32_t kind, struct id id, uint8_t room[RECORD_KEY_SIZE])
{
	struct buf buf = buf_over(room, RECORD_KEY_SIZE);

	buf_put_byte(&buf, TABLE_RECORD);
	buf_put_big_endian(&buf, kind, 2);
	buf_put(&buf, id.bytes, sizeof id.bytes);
}

bool record_key_read(struct bytes key, uint32_t *ret_kind, struct id *ret_id)
{
	struct reader r = reader_over(key);

	if (key.size != RECORD_KEY_SIZE || read_big_endian(&r, 1) != TABLE_RECORD)
		return false;
	*ret_kind = (uint32_t)read_big_endian(&r, 2);
	memcpy(ret_id->bytes, r.at, sizeof ret_id->bytes);
	return true;
}

static void put_front(uint32_t kind, uint32_t field, struct buf *buf)
{
	buf_put_byte(buf, TABLE_INDEX);
	buf_put_big_endian(buf, kind, 2);
	buf_put_big_endian(buf, field, 2);
}

struct bytes index_prefix(const struct kind *kind, const struct field *field, const void *slot, struct arena *arena)
{
	uint8_t room[STORE_KEY_MAX];
	struct buf buf = buf_over(room, sizeof room);

	put_front(kind->number, field->number, &buf);
	if (slot)
		key_put_slot(field, slot, &buf);
	return arena_copy(arena, buf_bytes(&buf));
}

bool index_key_read(struct bytes key, uint32_t *ret_kind, struct id *ret_id)
{
	struct reader r = reader_over(key);

	if (key.size < KEY_FRONT + sizeof ret_id->bytes || read_big_endian(&r, 1) != TABLE_INDEX)
		return false;
	*ret_kind = (uint32_t)read_big_endian(&r, 2);
	memcpy(ret_id->bytes, key.data + key.size - sizeof ret_id->bytes, sizeof ret_id->bytes);
	return true;
}

bool index_keys_contain(const struct index_keys *keys, struct bytes key)
{
	for (size_t i = 0; i < keys->count; i++)
		if (bytes_equal(keys->keys[i], key))
			return true;
	return false;
}

static bool has_indexes(const struct kind *kind)
{
	for (size_t i = 0; i < kind->shape.count; i++)
		if (kind->shape.fields[i].is_indexed)
			return true;
	return false;
}

/* A row's entries in the making. */
struct gathering {
	const struct kind *kind;
	struct id id;
	struct arena *arena;
	struct index_keys keys;
};

/* Whether the entry is among those from the `first` on. */
static bool is_gathered(const struct gathering *g, struct bytes key, size_t first)
{
	for (size_t i = first; i < g->keys.count; i++)
		if (bytes_equal(g->keys.keys[i], key))
			return true;
	return false;
}

/* `first` is the field's first entry. */
static void gather(struct gathering *g, const struct field *field, const void *slot, size_t first)
{
	uint8_t room[STORE_KEY_MAX];
	struct buf buf = buf_over(room, sizeof room);

	put_front(g->kind->number, field->number, &buf);
	key_put_slot(field, slot, &buf);
	buf_put(&buf, g->id.bytes, sizeof g->id.bytes);
	/* A list may hold an item twice; its entry is there once, and counts once. */
	if (is_gathered(g, buf_bytes(&buf), first))
		return;
	g->keys.keys[g->keys.count++] = arena_copy(g->arena, buf_bytes(&buf));
}

static size_t count_entries(const struct kind *kind, const void *row)
{
	size_t count = 0;

	for (size_t i = 0; i < kind->shape.count; i++) {
		const struct field *f = &kind->shape.fields[i];

		if (f->is_indexed && row_has_field(&kind->shape, row, i))
			count += f->is_list ? ((const struct list *)field_slot_const(f, row))->count : 1;
	}
	return count;
}

static void gather_list(struct gathering *g, const struct field *field, const struct list *list)
{
	struct reader items = reader_over(list->items);
	size_t first = g->keys.count;
	union slot item;

	while (pack_next(field, &items, &item))
		gather(g, field, &item, first);
}

static void gather_row(struct gathering *g, const void *row)
{
	const struct shape *shape = &g->kind->shape;

	g->keys.keys = arena_take(g->arena, count_entries(g->kind, row) * sizeof *g->keys.keys);
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];

		if (!f->is_indexed || !row_has_field(shape, row, i))
			continue;
		if (f->is_list)
			gather_list(g, f, field_slot_const(f, row));
		else
			gather(g, f, field_slot_const(f, row), g->keys.count);
	}
}

struct index_keys index_keys_of(uint32_t kind, struct id id, struct bytes record, struct arena *arena)
{
	struct gathering g = { .kind = model_kind(kind), .id = id, .arena = arena };
	struct bytes map;
	bool is_dead;
	void *row;

	if (!g.kind || !has_indexes(g.kind) || record_map(record, &is_dead, &map, NULL) || is_dead)
		return g.keys;
	row = arena_take(arena, g.kind->shape.size);
	if (!pack_read(&g.kind->shape, map, true, row, NULL))
		gather_row(&g, row);
	return g.keys;
}
