/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/vector.h"

#include <stdlib.h>

enum { FIRST_ROOM = 16, WEIGHED_SIZE = 8 + 8 + 1 + 8 + 16 };

void vector_done(struct vector *vector)
{
	free(vector->all);
	*vector = (struct vector){ 0 };
}

static int end_compare(const struct end *a, const struct end *b)
{
	if (a->seq != b->seq)
		return a->seq < b->seq ? -1 : 1;
	return memcmp(a->hash.bytes, b->hash.bytes, sizeof a->hash.bytes);
}

/* The first that is not less: the zeroed end is less than any other. */
static size_t place_of(const struct vector *vector, const struct stream *stream, const struct end *end)
{
	size_t low = 0, high = vector->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct frontier *there = &vector->all[middle];
		int order = stream_compare(&there->stream, stream);

		if (order < 0 || (!order && end_compare(&there->end, end) < 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_of(const struct vector *vector, size_t place, const struct stream *stream)
{
	return place < vector->count && !stream_compare(&vector->all[place].stream, stream);
}

const struct frontier *vector_ends(const struct vector *vector, struct stream stream, size_t *ret_count)
{
	size_t place = place_of(vector, &stream, &(struct end){ 0 }), count = 0;

	while (is_of(vector, place + count, &stream))
		count++;
	*ret_count = count;
	return count ? &vector->all[place] : NULL;
}

const struct end *vector_find(const struct vector *vector, struct stream stream)
{
	size_t count;
	const struct frontier *ends = vector_ends(vector, stream, &count);

	return ends ? &ends[count - 1].end : NULL;
}

bool vector_has(const struct vector *vector, struct stream stream, struct end end)
{
	size_t place = place_of(vector, &stream, &end);

	return is_of(vector, place, &stream) && end_equal(vector->all[place].end, end);
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

static void take_out(struct vector *vector, size_t place, size_t count)
{
	vector->count -= count;
	memmove(&vector->all[place], &vector->all[place + count], (vector->count - place) * sizeof *vector->all);
}

static bool is_nothing(const struct end *end)
{
	return end_equal(*end, (struct end){ 0 });
}

void vector_note(struct vector *vector, struct stream stream, struct end end)
{
	size_t place = place_of(vector, &stream, &(struct end){ 0 }), count = 0, kept = !is_nothing(&end);

	while (is_of(vector, place + count, &stream))
		count++;
	if (count > kept)
		take_out(vector, place, count - kept);
	if (!kept)
		return;
	if (!count)
		insert(vector, place);
	vector->all[place] = (struct frontier){ stream, end };
}

void vector_note_more(struct vector *vector, struct stream stream, struct end end)
{
	size_t place = place_of(vector, &stream, &end);

	if (is_nothing(&end) || vector_has(vector, stream, end))
		return;
	insert(vector, place);
	vector->all[place] = (struct frontier){ stream, end };
}

void vector_set(struct vector *vector, struct stream stream, struct end end)
{
	size_t count;
	const struct frontier *ends = vector_ends(vector, stream, &count);

	for (size_t i = 0; i < count; i++)
		sum_take(&vector->sum, weigh(&ends[i]));
	if (!is_nothing(&end))
		sum_add(&vector->sum, weigh(&(struct frontier){ stream, end }));
	vector_note(vector, stream, end);
}

void vector_add(struct vector *vector, struct stream stream, struct end end)
{
	if (is_nothing(&end) || vector_has(vector, stream, end))
		return;
	sum_add(&vector->sum, weigh(&(struct frontier){ stream, end }));
	vector_note_more(vector, stream, end);
}

void vector_drop(struct vector *vector, struct stream stream, struct end end)
{
	if (!vector_has(vector, stream, end))
		return;
	sum_take(&vector->sum, weigh(&(struct frontier){ stream, end }));
	take_out(vector, place_of(vector, &stream, &end), 1);
}

/* The last of those of its stream, at or behind `at`. */
static size_t furthest(const struct vector *vector, size_t at)
{
	while (is_of(vector, at + 1, &vector->all[at].stream))
		at++;
	return at;
}

bool vector_covers(const struct vector *have, const struct vector *want)
{
	size_t at = 0;

	for (size_t i = 0; i < want->count; i++) {
		const struct frontier *wanted = &want->all[i];

		while (at < have->count && stream_compare(&have->all[at].stream, &wanted->stream) < 0)
			at++;
		if (!is_of(have, at, &wanted->stream))
			return false;
		at = furthest(have, at);
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
	size_t place = place_of(vector, &(struct stream){ .node = node }, &(struct end){ 0 }), count = 0;

	for (size_t i = place; i < vector->count && vector->all[i].stream.node == node; i++)
		count += i == place || stream_compare(&vector->all[i - 1].stream, &vector->all[i].stream);
	return count;
}
