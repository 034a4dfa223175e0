/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/vector.h"

#include <stdlib.h>

enum { FIRST_ROOM = 16, WEIGHED_SIZE = 8 + 8 + 1 + 8 + 16 };

void vector_done(struct vector *vector)
{
	free(vector->all);
	*vector = (struct vector){ 0 };
}

/* Where the stream is, or is to be. */
static size_t place_of(const struct vector *vector, const struct stream *stream, bool *ret_is_there)
{
	size_t low = 0, high = vector->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = stream_compare(&vector->all[middle].stream, stream);

		if (!order) {
			*ret_is_there = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_is_there = false;
	return low;
}

const struct end *vector_find(const struct vector *vector, struct stream stream)
{
	bool is_there;
	size_t place = place_of(vector, &stream, &is_there);

	return is_there ? &vector->all[place].end : NULL;
}

uint64_t vector_seq(const struct vector *vector, struct stream stream)
{
	const struct end *end = vector_find(vector, stream);

	return end ? end->seq : 0;
}

/* Everybody's sums are under one key: they travel. */
static struct sum weigh(const struct frontier *frontier)
{
	static const struct hash_key key = { "warren's vectors" };
	uint8_t room[WEIGHED_SIZE];
	struct buf buf = buf_over(room, sizeof room);

	buf_put_big_endian(&buf, frontier->stream.node, 8);
	buf_put_big_endian(&buf, frontier->stream.start, 8);
	buf_put_byte(&buf, (uint8_t)frontier->stream.lane);
	buf_put_big_endian(&buf, frontier->end.seq, 8);
	buf_put(&buf, frontier->end.hash.bytes, sizeof frontier->end.hash.bytes);
	return hash_wide(key, buf_bytes(&buf));
}

static void insert(struct vector *vector, size_t place)
{
	if (vector->count == vector->room) {
		vector->room = vector->room ? vector->room * 2 : FIRST_ROOM;
		vector->all = must_realloc(vector->all, vector->room * sizeof *vector->all);
	}
	memmove(&vector->all[place + 1], &vector->all[place], (vector->count - place) * sizeof *vector->all);
	vector->count++;
}

static void take_out(struct vector *vector, size_t place)
{
	vector->count--;
	memmove(&vector->all[place], &vector->all[place + 1], (vector->count - place) * sizeof *vector->all);
}

static bool is_nothing(const struct end *end)
{
	return end_equal(*end, (struct end){ 0 });
}

void vector_note(struct vector *vector, struct stream stream, struct end end)
{
	bool is_there;
	size_t place = place_of(vector, &stream, &is_there);

	if (is_there && is_nothing(&end))
		take_out(vector, place);
	if (is_nothing(&end))
		return;
	if (!is_there)
		insert(vector, place);
	vector->all[place] = (struct frontier){ stream, end };
}

void vector_set(struct vector *vector, struct stream stream, struct end end)
{
	const struct end *old = vector_find(vector, stream);

	if (old)
		sum_take(&vector->sum, weigh(&(struct frontier){ stream, *old }));
	if (!is_nothing(&end))
		sum_add(&vector->sum, weigh(&(struct frontier){ stream, end }));
	vector_note(vector, stream, end);
}

bool vector_covers(const struct vector *have, const struct vector *want)
{
	size_t at = 0;

	for (size_t i = 0; i < want->count; i++) {
		const struct frontier *wanted = &want->all[i];

		while (at < have->count && stream_compare(&have->all[at].stream, &wanted->stream) < 0)
			at++;
		if (at == have->count || stream_compare(&have->all[at].stream, &wanted->stream))
			return false;
		if (have->all[at].end.seq < wanted->end.seq)
			return false;
	}
	return true;
}

bool vector_equal(const struct vector *a, const struct vector *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (stream_compare(&a->all[i].stream, &b->all[i].stream) || !end_equal(a->all[i].end, b->all[i].end))
			return false;
	return true;
}

size_t vector_streams_of(const struct vector *vector, uint64_t node)
{
	size_t count = 0;

	for (size_t i = 0; i < vector->count && vector->all[i].stream.node <= node; i++)
		count += vector->all[i].stream.node == node;
	return count;
}
