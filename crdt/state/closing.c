/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/closing.h"

#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/state/found.h"
#include "crdt/state/state.h"

#include <assert.h>
#include <stdlib.h>

/* Of one row, as model.def has it; what remains goes into a further row. */
enum { ROW_ENDS_MAX = 400, MAP_FRONT_MAX = 64, END_MAX = 48 };

/* Gives each end of each row about a node to `visit`; a false one ends the walk. */
struct walk {
	struct store_txn *txn;
	struct arena *arena;
	uint64_t subject;
	bool (*row)(void *context, const struct closing_row *row);
	bool (*end)(void *context, const struct closing_row *row, const struct frontier *end);
	void *context;
};

static bool read_end(struct bytes part, uint64_t node, struct frontier *ret_end)
{
	struct chain_end_row end;

	if (pack_read(&model_parts[PART_chain_end], part, true, &end, NULL))
		return false;
	*ret_end = (struct frontier){ { node, end.start, (enum lane)end.lane }, { .seq = end.seq } };
	memcpy(ret_end->end.hash.bytes, end.hash.data, sizeof ret_end->end.hash.bytes);
	return true;
}

static bool walk_ends(const struct walk *walk, const struct closing_row *row)
{
	struct reader items = reader_over(row->ends.items);
	struct frontier end;
	struct bytes part;

	if (!(row->has & BIT(AT_closing_ends)) || !walk->end)
		return true;
	while (pack_next(FIELD_TABLE(closing, ends), &items, &part))
		if (read_end(part, row->subject, &end) && !walk->end(walk->context, row, &end))
			return false;
	return true;
}

static enum code walk_rows(const struct walk *walk, struct err *err)
{
	struct ids ids;
	enum code code = ids_find(walk->txn, KIND_TABLE(closing), FIELD_TABLE(closing, subject), &walk->subject,
				  walk->arena, &ids, err);

	for (size_t i = 0; !code && i < ids.count; i++) {
		struct closing_row row;

		code = state_row(walk->txn, KIND_TABLE(closing), ids.all[i], &row, err);
		if (is_gone(code)) {
			code = OK;
			continue;
		}
		if (code || (walk->row && !walk->row(walk->context, &row)) || !walk_ends(walk, &row))
			break;
	}
	return code;
}

struct gathering {
	struct stream stream;
	struct arena *arena;
	struct end *ends;
	size_t count, room;
};

/* All of them, however many: what was left out would be merged by some members and not by others. */
static bool gather(void *context, const struct closing_row *row, const struct frontier *end)
{
	struct gathering *g = context;

	(void)row;
	if (stream_compare(&end->stream, &g->stream))
		return true;
	if (g->count == g->room) {
		struct end *ends = g->ends;

		g->room = 2 * g->room + 16;
		g->ends = arena_take(g->arena, g->room * sizeof *g->ends);
		if (g->count)
			memcpy(g->ends, ends, g->count * sizeof *ends);
	}
	g->ends[g->count++] = end->end;
	return true;
}

static int compare_ends(const void *a, const void *b)
{
	const struct end *one = a, *other = b;

	if (one->seq != other->seq)
		return one->seq > other->seq ? 1 : -1;
	return memcmp(one->hash.bytes, other->hash.bytes, sizeof one->hash.bytes);
}

enum code closing_ends(struct store_txn *txn, struct stream stream, struct arena *arena, struct end **ret_ends,
		       size_t *ret_count, struct err *err)
{
	struct gathering g = { .stream = stream, .arena = arena };
	struct walk walk = { txn, arena, stream.node, NULL, gather, &g };
	size_t kept = 0;
	enum code code = walk_rows(&walk, err);

	if (code)
		return code;
	if (g.count > 1)
		qsort(g.ends, g.count, sizeof *g.ends, compare_ends);
	for (size_t i = 0; i < g.count; i++)
		if (!kept || !end_equal(g.ends[kept - 1], g.ends[i]))
			g.ends[kept++] = g.ends[i];
	*ret_ends = g.ends;
	*ret_count = kept;
	return OK;
}

struct looking {
	uint64_t member;
	struct closed_start closed;
	bool has;
};

/* A row of an eviction that was undone does not tell what its member has merged of a start that is closed since. */
static bool is_about(const struct closing_row *row, struct closed_start closed)
{
	return (row->has & BIT(AT_closing_start) ? row->start : 0) == closed.start;
}

static bool look(void *context, const struct closing_row *row)
{
	struct looking *looking = context;

	looking->has |= row->node == looking->member && is_about(row, looking->closed);
	return !looking->has;
}

enum code closing_has_row(struct store_txn *txn, uint64_t member, struct closed_start closed, struct arena *arena,
			  bool *ret_has, struct err *err)
{
	struct looking looking = { .member = member, .closed = closed };
	struct walk walk = { txn, arena, closed.node, look, NULL, &looking };
	enum code code = walk_rows(&walk, err);

	if (!code)
		*ret_has = looking.has;
	return code;
}

static bool is_in(const struct stream *stream, struct closed_start closed)
{
	return stream->node == closed.node && (!closed.start || stream->start == closed.start);
}

/* The ends of what is closed, one after the other, since frontiers ascend by node and start. */
static const struct frontier *ends_of(const struct vector *vector, struct closed_start closed, size_t *ret_count)
{
	size_t from = 0, count = 0;

	while (from < vector->count && !is_in(&vector->all[from].stream, closed))
		from++;
	while (from + count < vector->count && is_in(&vector->all[from + count].stream, closed))
		count++;
	*ret_count = count;
	return vector->all + from;
}

/* Rows may name what is not in the vector. */
static bool note_named(void *context, const struct closing_row *row, const struct frontier *end)
{
	struct closing_said *said = context;
	size_t low = 0, high = said->count;

	(void)row;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct frontier *at = &said->ends[middle];
		int order = stream_compare(&at->stream, &end->stream);

		if (!order)
			order = compare_ends(&at->end, &end->end);
		if (!order) {
			said->is_named[middle] = true;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return true;
}

static bool note_row(void *context, const struct closing_row *row)
{
	struct closing_said *said = context;

	if (row->node != said->member)
		return true;
	if (!(row->has & BIT(AT_closing_start))) {
		said->has_all = true;
		return true;
	}
	if (said->starts_count == said->starts_room) {
		uint64_t *starts = said->starts;

		said->starts_room = 2 * said->starts_room + 16;
		said->starts = arena_take(said->arena, said->starts_room * sizeof *starts);
		if (said->starts_count)
			memcpy(said->starts, starts, said->starts_count * sizeof *starts);
	}
	said->starts[said->starts_count++] = row->start;
	return true;
}

static int compare_starts(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

enum code closing_read(struct store_txn *txn, uint64_t member, uint64_t subject, const struct vector *vector,
		       struct arena *arena, struct closing_said *ret_said, struct err *err)
{
	struct closing_said said = { .member = member, .arena = arena };
	struct walk walk = { txn, arena, subject, note_row, note_named, &said };
	enum code code;

	said.ends = ends_of(vector, (struct closed_start){ subject, 0 }, &said.count);
	said.is_named = arena_take(arena, said.count + 1);
	memset(said.is_named, 0, said.count + 1);
	code = walk_rows(&walk, err);
	if (code)
		return code;
	if (said.starts_count > 1)
		qsort(said.starts, said.starts_count, sizeof *said.starts, compare_starts);
	*ret_said = said;
	return OK;
}

/* Which of the ends are those of what is closed: from *ret_from on, so many. */
static size_t range_of(const struct closing_said *said, struct closed_start closed, size_t *ret_from)
{
	struct vector all = { .all = (struct frontier *)(uintptr_t)said->ends, .count = said->count };
	size_t count;

	*ret_from = (size_t)(ends_of(&all, closed, &count) - said->ends);
	return count;
}

bool closing_is_due(const struct closing_said *said, struct closed_start closed, size_t *ret_from)
{
	size_t first, count = range_of(said, closed, &first), from = 0;
	bool has = closed.start ? said->starts_count && bsearch(&closed.start, said->starts, said->starts_count,
								sizeof *said->starts, compare_starts)
				: said->has_all;

	/* The first one names all, also what others named. */
	while (has && from < count && said->is_named[first + from])
		from++;
	*ret_from = from;
	return !has || from < count;
}

bool closing_wrote(struct closing_said *said, struct closed_start closed, size_t from, size_t *ret_from)
{
	size_t first, count = range_of(said, closed, &first);

	for (size_t i = from; i < count && i - from < ROW_ENDS_MAX; i++)
		said->is_named[first + i] = true;
	while (from < count && said->is_named[first + from])
		from++;
	*ret_from = from;
	return from < count;
}

static void put_end(const struct frontier *end, struct buf *out)
{
	struct chain_end_row part = { .start = end->stream.start,
				      .lane = end->stream.lane,
				      .seq = end->end.seq,
				      .hash = bytes_of(end->end.hash.bytes, sizeof end->end.hash.bytes) };

	part.has = BIT(AT_chain_end_start) | BIT(AT_chain_end_lane) | BIT(AT_chain_end_seq) | BIT(AT_chain_end_hash);
	pack_write(&model_parts[PART_chain_end], &part, out);
}

struct change closing_change(uint64_t member, struct closed_start closed, const struct vector *vector, size_t from,
			     struct arena *arena)
{
	struct closing_row row = { .node = member, .subject = closed.node, .start = closed.start };
	size_t count, size;
	const struct frontier *ends = ends_of(vector, closed, &count);
	struct buf items, map;

	ends += from;
	count -= from;
	if (count > ROW_ENDS_MAX)
		count = ROW_ENDS_MAX;
	size = count * END_MAX;
	items = buf_over(arena_take(arena, size + 1), size);
	for (size_t i = 0; i < count; i++)
		put_end(&ends[i], &items);
	row.has = BIT(AT_closing_node) | BIT(AT_closing_subject);
	if (closed.start)
		row.has |= BIT(AT_closing_start);
	if (count) {
		row.has |= BIT(AT_closing_ends);
		row.ends = (struct list){ .items = buf_bytes(&items), .count = count };
	}
	map = buf_over(arena_take(arena, size + MAP_FRONT_MAX), size + MAP_FRONT_MAX);
	pack_write(&KIND_TABLE(closing)->shape, &row, &map);
	assert(!items.is_full && !map.is_full);
	return (struct change){ .what = CHANGE_CREATE, .kind = KIND_closing, .map = buf_bytes(&map) };
}
