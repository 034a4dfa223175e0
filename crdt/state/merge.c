/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/merge.h"

#include "crdt/model/mp.h"

#include <assert.h>

static const struct cell *larger_value(const struct cell *a, const struct cell *b)
{
	return bytes_compare(a->value, b->value) >= 0 ? a : b;
}

static const struct cell *later(const struct cell *a, const struct cell *b)
{
	int order = stamp_compare(a->stamp, b->stamp);

	return order ? (order > 0 ? a : b) : larger_value(a, b);
}

static uint64_t generation_of(const struct cell *cell)
{
	struct reader r = reader_over(cell->value);

	mp_read(&r);
	return mp_read(&r).value;
}

static struct cell conflict(const struct cell *cell, uint64_t generation, struct arena *arena)
{
	uint8_t room[16];
	struct buf buf = buf_over(room, sizeof room);

	mp_put_array(&buf, 1);
	mp_put_uint(&buf, generation);
	return (struct cell){ .number = cell->number, .value = arena_copy(arena, buf_bytes(&buf)) };
}

static struct cell newer_credential(const struct cell *a, const struct cell *b, struct arena *arena)
{
	uint64_t of_a = generation_of(a), of_b = generation_of(b);

	if (of_a != of_b)
		return of_a > of_b ? *a : *b;
	return bytes_equal(a->value, b->value) ? *a : conflict(a, of_a, arena);
}

static struct cell merge_cells(const struct cell *a, const struct cell *b, struct arena *arena)
{
	switch (field_merge(a->number)) {
	case MERGE_LWW: return *later(a, b);
	case MERGE_CRED: return newer_credential(a, b, arena);
	/* Two identities under one id cannot be; should the hash ever fail, all at least agree. */
	case MERGE_ONCE:
	case MERGE_MAX: return *larger_value(a, b);
	}
	return *a;
}

void merge_records(const struct record *a, const struct record *b, struct arena *arena, struct record *ret_merged)
{
	size_t i = 0, j = 0, count = 0;

	ret_merged->is_dead = a->is_dead || b->is_dead;
	while (i < a->count || j < b->count) {
		bool has_a = i < a->count && (j == b->count || a->cells[i].number <= b->cells[j].number);
		bool has_b = j < b->count && (i == a->count || b->cells[j].number <= a->cells[i].number);
		struct cell cell;

		if (has_a && has_b)
			cell = merge_cells(&a->cells[i], &b->cells[j], arena);
		else
			cell = has_a ? a->cells[i] : b->cells[j];
		i += has_a;
		j += has_b;
		if (ret_merged->is_dead && field_merge(cell.number) != MERGE_ONCE)
			continue;
		assert(count < RECORD_CELLS_MAX);
		ret_merged->cells[count++] = cell;
	}
	ret_merged->count = count;
}
