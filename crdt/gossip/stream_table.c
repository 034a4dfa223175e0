/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/stream_table.h"

#include <stdlib.h>

enum { FIRST_ROOM = 16 };

_Static_assert(STREAM_TABLE_MAX <= UINT16_MAX, "each number has room in `sorted`");

void stream_table_done(struct stream_table *table)
{
	free(table->all);
	free(table->sorted);
	*table = (struct stream_table){ 0 };
}

bool stream_table_find(const struct stream_table *table, struct stream stream, uint32_t *ret_number)
{
	size_t low = 0, high = table->settled;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = stream_compare(&table->all[table->sorted[middle]], &stream);

		if (!order) {
			*ret_number = table->sorted[middle];
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

void stream_table_append(struct stream_table *table, struct stream stream)
{
	if (table->count == STREAM_TABLE_MAX)
		return;
	if (table->count == table->room) {
		table->room = table->room ? table->room * 2 : FIRST_ROOM;
		table->all = must_realloc(table->all, table->room * sizeof *table->all);
		table->sorted = must_realloc(table->sorted, table->room * sizeof *table->sorted);
	}
	table->all[table->count++] = stream;
}

/* From the end: so each number moves once, and those below the first new one do not. */
void stream_table_settle(struct stream_table *table)
{
	size_t old = table->settled, new = table->count, to = table->count;

	while (new > table->settled) {
		const struct stream *next = &table->all[new - 1];

		if (old && stream_compare(&table->all[table->sorted[old - 1]], next) > 0) {
			table->sorted[--to] = table->sorted[--old];
		} else {
			table->sorted[--to] = (uint16_t)(--new);
		}
	}
	table->settled = table->count;
}
