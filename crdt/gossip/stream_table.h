/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_STREAM_TABLE_H
#define WARREN_STREAM_TABLE_H

/*
 * The streams that one side of a link has named: acks and indexes name a stream once, with its node, start and lane,
 * and by its number from then on. Numbers ascend from 0 in the order in which streams were named.
 *
 * A zeroed struct is an empty table.
 */

#include "crdt/log/batch.h"

/*
 * What is named beyond them gets no number, and is named in full each time: those of 64 members have one, and with
 * hundreds of links what each knows of all streams would be most of what a member keeps.
 */
enum { STREAM_TABLE_MAX = 256 };

struct stream_table {
	struct stream *all; /* by number */
	uint16_t *sorted;   /* numbers, in order of streams; of the first `settled` alone */
	size_t count, settled, room;
};

void stream_table_done(struct stream_table *table);

/* Among all that are settled. */
bool stream_table_find(const struct stream_table *table, struct stream stream, uint32_t *ret_number);

/*
 * Gives the stream, which has no number, the next one, if one is left; then stream_table_settle has to follow. What is
 * appended between two of these ascends.
 */
void stream_table_append(struct stream_table *table, struct stream stream);
void stream_table_settle(struct stream_table *table);

#endif
