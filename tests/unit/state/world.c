/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/state/world.h"

#include "crdt/model/key.h"
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { UNKNOWN_KIND = 1000 << 2 | TIER_SHARED, INDEX_MAX = 1 << 26 };

static struct err err;

static void must(enum code code)
{
	if (!code)
		return;
	fprintf(stderr, "%s\n", err.text);
	abort();
}

void world_start(struct world *world, uint64_t seed)
{
	*world = (struct world){ .disk = mem_disk_new(), .rng = rng_from_number(seed) };
	must(mem_store_open(world->disk, &(struct hash_key){ { 7 } }, &world->store, &err));
	must(state_open(world->store, &err));
}

void world_end(struct world *world)
{
	store_close(world->store);
	mem_disk_free(world->disk);
}

/* Values of unknown fields, and values of known ones that no version took. */
static struct bytes odd_map(struct rng *rng, struct arena *arena)
{
	struct buf buf = buf_growing(2000);
	struct bytes map;
	uint32_t number;

	mp_put_map(&buf, 3);
	for (size_t i = 0; i < 3; i++) {
		/* Not of the identity, and not a credential, whose form is everybody's. */
		do
			number = (uint32_t)(80 * i + rng_below(rng, 80));
		while (field_merge(number) == MERGE_ONCE || field_merge(number) == MERGE_CRED);
		mp_put_uint(&buf, number);
		mp_put_uint(&buf, rng_u64(rng) >> rng_below(rng, 64));
	}
	map = arena_copy(arena, buf_bytes(&buf));
	buf_done(&buf);
	return map;
}

static struct bytes unknown_op(struct rng *rng, struct arena *arena, struct known *known)
{
	uint8_t room[40];
	struct buf buf = buf_over(room, sizeof room);
	struct bytes map;

	mp_put_map(&buf, 2);
	mp_put_uint(&buf, 8);
	mp_put_uint(&buf, rng_u64(rng));
	mp_put_uint(&buf, 13);
	mp_put_uint(&buf, rng_u64(rng));
	map = arena_copy(arena, buf_bytes(&buf));
	*known = (struct known){ UNKNOWN_KIND, gen_id_of(UNKNOWN_KIND, map) };
	return map;
}

static struct bytes new_op(struct world *world, struct arena *arena, struct known *known)
{
	const struct kind *kind = &model_kinds[rng_below(&world->rng, MODEL_KINDS)];
	struct bytes map;

	if (!rng_below(&world->rng, 10)) {
		map = unknown_op(&world->rng, arena, known);
	} else {
		known->kind = kind->number;
		map = gen_op(kind, &world->rng, arena, &known->id);
	}
	if (world->count < WORLD_IDS)
		world->known[world->count++] = *known;
	else
		world->known[rng_below(&world->rng, WORLD_IDS)] = *known;
	return map;
}

struct record *world_op(struct world *world, struct arena *arena, struct known *ret_known)
{
	struct stamp stamp = { hlc_make(rng_below(&world->rng, 4), 0), rng_below(&world->rng, 3) };
	struct record *record = arena_take(arena, sizeof *record);
	bool is_new = world->count < 10 || !rng_below(&world->rng, 4);
	const struct kind *kind;
	struct bytes map;

	if (is_new) {
		map = new_op(world, arena, ret_known);
	} else {
		*ret_known = world->known[rng_below(&world->rng, world->count)];
		kind = model_kind(ret_known->kind);
		if (!kind || !rng_below(&world->rng, 4))
			map = odd_map(&world->rng, arena);
		else
			map = gen_change(kind, &world->rng, arena);
	}
	must(record_from_op(map, stamp, record, &err));
	if (!rng_below(&world->rng, 15))
		*record = (struct record){ .is_dead = true };
	return record;
}

void world_step(struct world *world, size_t count)
{
	struct store_txn *txn;

	must(store_begin(world->store, &txn, &err));
	for (size_t i = 0; i < count; i++) {
		struct arena arena = { 0 };
		struct known known;
		struct record *record = world_op(world, &arena, &known);
		bool is_changed;

		must(state_merge(txn, NULL, known.kind, known.id, record, &arena, &is_changed, &err));
		arena_done(&arena);
	}
	must(store_commit(txn, &err));
}

static void put_key(struct bytes key, struct buf *buf)
{
	buf_put_big_endian(buf, key.size, 2);
	buf_put_bytes(buf, key);
	assert(!buf->is_full);
}

void world_index(struct store_txn *txn, struct buf *buf)
{
	static const uint8_t table = TABLE_INDEX;
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code;

	must(store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, &err));
	while (!(code = store_next(cursor, &key, &value, &err))) {
		assert(!value.size);
		put_key(key, buf);
	}
	store_range_end(cursor);
	must(code == E_ABSENT ? OK : code);
}

struct pile {
	struct bytes *keys;
	size_t count, room;
	struct arena arena;
};

static void pile_value(struct pile *pile, const struct kind *kind, const struct field *f, const void *slot,
		       struct id id)
{
	uint8_t room[2048];
	struct buf buf = buf_over(room, sizeof room);

	buf_put_byte(&buf, 2);
	buf_put_byte(&buf, (uint8_t)(kind->number >> 8));
	buf_put_byte(&buf, (uint8_t)kind->number);
	buf_put_byte(&buf, 0);
	buf_put_byte(&buf, (uint8_t)f->number);
	key_put_slot(f, slot, &buf);
	buf_put(&buf, id.bytes, sizeof id.bytes);
	if (pile->count == pile->room) {
		pile->room = pile->room * 2 + 100;
		pile->keys = must_realloc(pile->keys, pile->room * sizeof *pile->keys);
	}
	pile->keys[pile->count++] = arena_copy(&pile->arena, buf_bytes(&buf));
}

static void pile_row(struct pile *pile, const struct kind *kind, const void *row, struct id id)
{
	for (size_t i = 0; i < kind->shape.count; i++) {
		const struct field *f = &kind->shape.fields[i];
		const struct list *list = field_slot_const(f, row);
		struct reader items;
		union slot slot;

		if (!f->is_indexed || !row_has_field(&kind->shape, row, i))
			continue;
		if (!f->is_list) {
			pile_value(pile, kind, f, list, id);
			continue;
		}
		items = reader_over(list->items);
		while (pack_next(f, &items, &slot))
			pile_value(pile, kind, f, &slot, id);
	}
}

/* From the record taken apart and put together again, not from its bytes as they lie. */
static void pile_record(struct pile *pile, struct bytes key, struct bytes value)
{
	struct record *record = must_alloc(sizeof *record);
	struct buf map = buf_growing(RECORD_MAX);
	const struct kind *kind = model_kind((uint32_t)(key.data[1] << 8 | key.data[2]));
	void *row = must_alloc(2000);
	struct id id;

	memcpy(id.bytes, key.data + 3, sizeof id.bytes);
	must(record_read(value, record, &err));
	record_write_map(record, &map);
	if (kind && !record->is_dead && !pack_read(&kind->shape, buf_bytes(&map), true, row, NULL))
		pile_row(pile, kind, row, id);
	free(row);
	free(record);
	buf_done(&map);
}

static int compare(const void *a, const void *b)
{
	return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

void world_naive_index(struct store_txn *txn, struct buf *buf)
{
	static const uint8_t table = TABLE_RECORD;
	struct pile pile = { 0 };
	struct store_cursor *cursor;
	struct bytes key, value;

	must(store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, &err));
	while (!store_next(cursor, &key, &value, &err))
		pile_record(&pile, key, value);
	store_range_end(cursor);
	if (pile.count)
		qsort(pile.keys, pile.count, sizeof *pile.keys, compare);
	for (size_t i = 0; i < pile.count; i++)
		if (!i || !bytes_equal(pile.keys[i], pile.keys[i - 1]))
			put_key(pile.keys[i], buf);
	free(pile.keys);
	arena_done(&pile.arena);
}
