/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check_chain.h"

#include <stdlib.h>

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t z = (a ^ b) * UINT64_C(0x9e3779b97f4a7c15);

	return z ^ z >> 29;
}

static uint64_t tail_of(struct id hash)
{
	uint64_t tail;

	memcpy(&tail, hash.bytes, sizeof tail);
	return tail;
}

static struct sum key_of(struct stream stream, uint64_t seq, uint64_t tail)
{
	uint64_t high = mix(mix(mix(stream.node, stream.start), (uint64_t)stream.lane), seq);

	/* Zero is a free place. */
	return (struct sum){ .low = tail, .high = high | 1 };
}

void chains_done(struct chains *chains)
{
	check_map_done(&chains->batches);
	check_map_done(&chains->firsts);
	check_map_done(&chains->forked);
	check_map_done(&chains->written);
	arena_done(&chains->arena);
	free(chains->all);
}

/* Two chains part where two batches have one first seq. */
static void note_first(struct chains *chains, const struct batch *batch)
{
	struct check_item *item = check_map_put(&chains->firsts, key_of(batch->stream, batch->first, 0));
	uint64_t tail = tail_of(batch->end.hash);

	if (item->words[0] && (item->words[1] != tail || item->words[2] != batch->end.seq))
		check_map_put(&chains->forked, key_of(batch->stream, 0, 0));
	item->words[0] = 1;
	item->words[1] = tail;
	item->words[2] = batch->end.seq;
}

static struct sum key_of_author(struct id record, uint64_t node, uint64_t start)
{
	struct sum key = check_key(record, 0, 0);

	key.high ^= mix(node, start);
	return key;
}

/* Of which records it says something. */
static void note_records(struct chains *chains, const struct batch *batch)
{
	struct reader entries = reader_over(batch->entries);
	struct entry entry;
	enum code validity;
	struct op op;

	while (batch_next(&entries, batch->stream.node, &entry, &validity, NULL)) {
		struct reader ops = reader_over(entry.ops);

		while (!validity && entry_next(&ops, &op)) {
			check_map_put(&chains->written, check_key(op.id, 0, 0));
			check_map_put(&chains->written, key_of_author(op.id, batch->stream.node, batch->stream.start));
		}
	}
}

void chains_learn(struct chains *chains, struct bytes whole)
{
	struct check_item *item;
	struct batch batch;

	if (batch_read(whole, &batch, NULL))
		return;
	item = check_map_put(&chains->batches, key_of(batch.stream, batch.end.seq, tail_of(batch.end.hash)));
	if (item->words[2])
		return;
	item->words[0] = tail_of(batch.before);
	item->words[1] = batch.first - 1;
	item->words[2] = chains->count + 1;
	note_first(chains, &batch);
	note_records(chains, &batch);
	if (chains->count == chains->room) {
		chains->room = 2 * chains->room + 256;
		chains->all = must_realloc(chains->all, chains->room * sizeof *chains->all);
	}
	chains->all[chains->count++] = arena_copy(&chains->arena, whole);
}

bool chains_know(const struct chains *chains, struct stream stream, struct end end)
{
	return check_map_find(&chains->batches, key_of(stream, end.seq, tail_of(end.hash)));
}

bool chains_forked(const struct chains *chains, struct stream stream)
{
	return check_map_find(&chains->forked, key_of(stream, 0, 0));
}

bool chains_before(const struct chains *chains, struct stream stream, struct end end, struct end *ret_before)
{
	const struct check_item *item = check_map_find(&chains->batches, key_of(stream, end.seq, tail_of(end.hash)));
	struct end before = { 0 };

	if (!item || !item->words[1])
		return false;
	before.seq = item->words[1];
	memcpy(before.hash.bytes, &item->words[0], sizeof item->words[0]);
	*ret_before = before;
	return true;
}

bool chains_only_others_wrote(const struct chains *chains, struct id record, uint64_t node, uint64_t start)
{
	return check_map_find(&chains->written, check_key(record, 0, 0)) &&
	       !check_map_find(&chains->written, key_of_author(record, node, start));
}

bool chains_lead(const struct chains *chains, struct stream stream, struct end to, struct end end)
{
	uint64_t tail = tail_of(end.hash);

	if (to.seq > end.seq && !chains_forked(chains, stream))
		return chains_know(chains, stream, end);
	while (to.seq > end.seq)
		if (!chains_before(chains, stream, to, &to))
			return false;
	return to.seq == end.seq && tail_of(to.hash) == tail;
}

bool chains_cover(const struct chains *chains, const struct vector *vector, struct stream stream, struct end end)
{
	size_t count = 0;
	const struct frontier *ends = vector_ends(vector, stream, &count);

	for (size_t i = 0; i < count; i++)
		if (chains_lead(chains, stream, ends[i].end, end))
			return true;
	return false;
}

bool chains_cover_all(const struct chains *chains, const struct vector *vector, const struct vector *other)
{
	for (size_t i = 0; i < other->count; i++)
		if (!chains_cover(chains, vector, other->all[i].stream, other->all[i].end))
			return false;
	return true;
}

void vector_follow(struct vector *vector, const struct vector *now, struct stream stream)
{
	size_t count = 0;
	const struct frontier *ends = vector_ends(now, stream, &count);

	vector_set(vector, stream, (struct end){ 0 });
	for (size_t i = 0; i < count; i++)
		vector_add(vector, stream, ends[i].end);
}

void vector_copy(struct vector *vector, const struct vector *now)
{
	vector_done(vector);
	*vector = (struct vector){ 0 };
	for (size_t i = 0; i < now->count; i++)
		vector_add(vector, now->all[i].stream, now->all[i].end);
}
