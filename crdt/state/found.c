/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/found.h"

#include "crdt/state/state.h"

#include <stdlib.h>

void ids_add(struct ids *ids, struct id id, struct arena *arena)
{
	if (ids->count == ids->room) {
		size_t room = ids->room ? 2 * ids->room : 8;
		struct id *all = arena_take(arena, room * sizeof *all);

		if (ids->count)
			memcpy(all, ids->all, ids->count * sizeof *all);
		ids->all = all;
		ids->room = room;
	}
	ids->all[ids->count++] = id;
}

size_t ids_place(const struct id *all, size_t count, struct id id)
{
	size_t first = 0;

	while (first < count) {
		size_t middle = first + (count - first) / 2;

		if (memcmp(all[middle].bytes, id.bytes, sizeof id.bytes) < 0)
			first = middle + 1;
		else
			count = middle;
	}
	return first;
}

bool ids_has(const struct id *all, size_t count, struct id id)
{
	size_t place = ids_place(all, count, id);

	return place < count && id_equal(all[place], id);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct id));
}

void ids_sort(struct ids *ids)
{
	size_t different = 0;

	if (ids->count)
		qsort(ids->all, ids->count, sizeof *ids->all, compare);
	for (size_t i = 0; i < ids->count; i++)
		if (!different || !id_equal(ids->all[different - 1], ids->all[i]))
			ids->all[different++] = ids->all[i];
	ids->count = different;
}

enum code ids_find(struct store_txn *txn, const struct kind *kind, const struct field *field, const void *slot,
		   struct arena *arena, struct ids *ret_ids, struct err *err)
{
	struct state_cursor *cursor;
	struct ids ids = { 0 };
	uint32_t number;
	struct id id;
	enum code code = state_find(txn, kind, field, slot, bytes_of(NULL, 0), &cursor, err);

	if (code)
		return code;
	while (!(code = state_next(cursor, &number, &id, err)))
		ids_add(&ids, id, arena);
	state_find_end(cursor);
	if (code != E_ABSENT)
		return code;
	*ret_ids = ids;
	return OK;
}
