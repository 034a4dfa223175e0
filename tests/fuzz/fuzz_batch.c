/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches and entries: no bytes make their readers crash, what is taken has one form, and what is refused leaves no
 * trace. The first part is entries, written into a batch that is then signed as it has to be; the second a batch as it
 * would arrive; the third the node that their author has.
 */
#include "crdt/log/batch.h"
#include "crdt/model/model.h"
#include "crdt/model/mp.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/make.h"

#include <assert.h>
#include <stdlib.h>

enum { ENTRIES = 4, OPS = 3 };

static const struct id cluster = { { 1, 2, 3 } };
static struct signer signer;
static struct arena arena;
static struct record record;

/* In memory of its own, so that the sanitizer sees each step too far. */
static struct bytes exact(struct bytes bytes)
{
	uint8_t *copy = must_alloc(bytes.size ? bytes.size : 1);

	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	return bytes_of(copy, bytes.size);
}

static void check_op(const struct op *op, uint64_t author)
{
	bool is_own = false;

	assert(op->kind % 4 == TIER_SHARED || op->kind % 4 == TIER_OWN);
	if (op->is_dead) {
		assert(op->kind % 4 == TIER_SHARED);
		return;
	}
	assert(!record_from_op(op->map, (struct stamp){ 0 }, &record, NULL));
	for (size_t i = 0; i < record.count; i++) {
		struct reader r = reader_over(record.cells[i].value);
		struct mp_head head = mp_read(&r);

		is_own |= record.cells[i].number == RECORD_FIRST && head.class == MP_UINT && head.value == author;
	}
	assert(is_own || op->kind % 4 == TIER_SHARED);
}

/* Written again from what was read of it, it is the same. */
static void check_entry(const struct entry *entry, uint64_t author)
{
	struct reader r = reader_over(entry->ops);
	struct op *ops = arena_take(&arena, entry->count * sizeof *ops);
	struct buf buf = buf_growing(2 * BATCH_MAX);
	size_t count = 0;

	while (entry_next(&r, &ops[count])) {
		check_op(&ops[count], author);
		if (++count == entry->count)
			break;
	}
	assert(count == entry->count && !reader_left(&r));
	entry_write(entry->hlc, entry->has_actor ? &entry->actor : NULL, ops, count, &buf);
	assert(bytes_equal(buf_bytes(&buf), entry->whole));
	assert(entry_lane(ops, count) < LANES);
	buf_done(&buf);
	fuzz_taken();
}

static void check_alone(struct bytes bytes, uint64_t author)
{
	struct entry entry = { .count = 77 }, untouched = entry;
	struct err err = { 0 };
	enum code code = entry_check(bytes, author, &entry, &err);

	if (!code) {
		assert(bytes_equal(entry.whole, bytes));
		check_entry(&entry, author);
		return;
	}
	assert(*err.text && (code == E_FORM || code == E_LIMIT || code == E_DENIED));
	assert(!memcmp(&entry, &untouched, sizeof entry));
}

/* All of them, each judged as it is alone; together they are all the bytes. */
static void check_entries(const struct batch *batch, uint64_t author)
{
	struct reader r = reader_over(batch->entries);
	const uint8_t *at = batch->entries.data;
	uint32_t count = 0;

	for (;; count++) {
		struct entry entry = { .count = 77 }, untouched = entry;
		struct err err = { 0 };
		enum code validity;

		if (!batch_next(&r, author, &entry, &validity, &err))
			break;
		assert(r.at > at && !r.is_short);
		assert(entry_check(bytes_of(at, (size_t)(r.at - at)), author, &(struct entry){ 0 }, NULL) == validity);
		if (validity)
			assert(*err.text && !memcmp(&entry, &untouched, sizeof entry));
		else
			check_entry(&entry, author);
		at = r.at;
	}
	assert(count == (batch->entries.size ? batch->count : 0));
}

static void check_batch(struct bytes whole, uint64_t author)
{
	struct batch batch = { .count = 77 }, untouched = batch;
	struct buf buf = buf_growing(2 * BATCH_MAX);
	struct err err = { 0 };
	struct bytes entries;

	if (batch_read(whole, &batch, &err)) {
		assert(*err.text && !memcmp(&batch, &untouched, sizeof batch));
		return;
	}
	entries = bytes_of(whole.data + batch.header.size + 66, whole.size - batch.header.size - 66);
	assert(batch.entries.size == entries.size || !batch.entries.size);
	if (entries.size <= ENTRY_MAX) {
		batch_write(&signer, batch.cluster, batch.stream, (struct end){ batch.first - 1, batch.before },
			    entries, batch.count, &buf);
		assert(bytes_start_with(buf_bytes(&buf), batch.header) && buf.size == whole.size);
	}
	check_entries(&batch, author);
	fuzz_taken();
	buf_done(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_read(data, size);
	struct reader number = reader_over(input.parts[2]);
	uint64_t author = reader_left(&number) >= 8 ? read_big_endian(&number, 8) : 7;
	struct bytes entries = exact(input.parts[0]), whole = exact(input.parts[1]), made;
	struct stream stream = { author ? author : 1, 1 + input.front[1], (enum lane)(input.front[2] % LANES) };
	struct end before = { input.front[3] & 1, input.front[3] & 1 ? cluster : (struct id){ 0 } };
	struct buf buf = buf_growing(2 * BATCH_MAX);
	struct batch batch;
	enum code code;

	if (entries.size <= ENTRY_MAX) {
		batch_write(&signer, cluster, stream, before, entries, 1 + input.front[0] % ENTRIES, &buf);
		made = exact(buf_bytes(&buf));
		code = batch_read(made, &batch, NULL);
		assert(!code && batch_is_signed(&batch, signer.key));
		check_batch(made, author);
		free((void *)(uintptr_t)made.data);
	}
	check_alone(entries, author);
	check_batch(whole, author);
	free((void *)(uintptr_t)entries.data);
	free((void *)(uintptr_t)whole.data);
	buf_done(&buf);
	arena_reset(&arena);
	return 0;
}

static uint64_t author_of(struct bytes map)
{
	if (record_from_op(map, (struct stamp){ 0 }, &record, NULL))
		return 0;
	for (size_t i = 0; i < record.count; i++) {
		struct reader r = reader_over(record.cells[i].value);

		if (record.cells[i].number == RECORD_FIRST)
			return mp_read(&r).value;
	}
	return 0;
}

/* An author's own rows alone are those of one author, so there is at most one of them. */
static void make_entry(struct maker *maker, uint64_t *author, struct buf *entries)
{
	struct ref actor = { 1 + (uint32_t)rng_below(&maker->rng, MODEL_KIND_MAX), { { 9 } } };
	struct op ops[OPS];
	size_t count = 1 + rng_below(&maker->rng, OPS);

	for (size_t i = 0; i < count; i++) {
		const struct kind *kind = &model_kinds[rng_below(&maker->rng, MODEL_KINDS)];

		while (kind->number % 4 != TIER_SHARED && (kind->number % 4 != TIER_OWN || *author))
			kind = &model_kinds[rng_below(&maker->rng, MODEL_KINDS)];
		ops[i] = (struct op){ .kind = kind->number, .map = make_map(maker, &kind->shape, true, NULL) };
		if (kind->number % 4 == TIER_OWN)
			*author = author_of(ops[i].map);
		else if (!rng_below(&maker->rng, 4))
			ops[i].is_dead = true;
	}
	entry_write((struct hlc){ rng_u64(&maker->rng) >> 2 }, rng_below(&maker->rng, 2) ? &actor : NULL, ops, count,
		    entries);
}

static size_t make_input(struct rng *rng, uint8_t *data, size_t max_size)
{
	static struct maker maker;
	struct fuzz_input input = { .front = { (uint8_t)rng_u64(rng), (uint8_t)rng_u64(rng), (uint8_t)rng_u64(rng),
					       (uint8_t)rng_u64(rng) } };
	struct buf entries = buf_growing(ENTRY_MAX), whole = buf_growing(BATCH_MAX), number = buf_growing(8);
	uint32_t count = 1 + input.front[0] % ENTRIES;
	uint64_t author = 0;
	size_t size = 0;

	maker.rng = rng_from_number(rng_u64(rng));
	for (uint32_t i = 0; i < count; i++)
		make_entry(&maker, &author, &entries);
	buf_put_big_endian(&number, author, 8);
	if (!entries.is_full) {
		batch_write(&signer, cluster, (struct stream){ 5, 1, LANE_BULK }, (struct end){ 0 },
			    buf_bytes(&entries), count, &whole);
		input.parts[0] = buf_bytes(&entries);
		input.parts[1] = buf_bytes(&whole);
		input.parts[2] = buf_bytes(&number);
		size = fuzz_write(&input, data, max_size);
	}
	buf_done(&entries);
	buf_done(&whole);
	buf_done(&number);
	arena_reset(&maker.arena);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct rng rng = rng_from_number(seed);
	size_t made = rng_below(&rng, 4) ? 0 : make_input(&rng, data, max_size);

	return made ? made : fuzz_mutate(data, size, max_size, &rng);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	uint8_t seed[32] = { 1 };

	(void)argc;
	(void)argv;
	signer = signer_from_seed(seed);
	fuzz_begin();
	return 0;
}
