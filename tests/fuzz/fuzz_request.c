/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that a member hands on, and what came of them: no bytes make their readers crash, and what is taken has one
 * form. The first part is a request, the second an outcome.
 */
#include "crdt/gossip/effects.h"
#include "crdt/gossip/frame_kind.h"
#include "crdt/gossip/request.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

static struct arena arena;

/* In memory of its own, so that the sanitizer sees each step too far. */
static struct bytes exact(struct bytes bytes)
{
	uint8_t *copy = must_alloc(bytes.size ? bytes.size : 1);

	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	return bytes_of(copy, bytes.size);
}

static void check_request(struct bytes bytes)
{
	struct buf again = buf_growing(FRAME_BODY_MAX);
	struct errand errand;

	if (request_read(bytes, &arena, &errand, NULL))
		return;
	fuzz_taken();
	assert(errand.count <= JUDGE_CHANGES_MAX);
	for (size_t i = 0; i < errand.count; i++)
		assert(errand.changes[i].what <= CHANGE_REMOVE);
	assert(request_put(&errand, &again) && bytes_equal(buf_bytes(&again), bytes));
	buf_done(&again);
}

static void check_outcome(struct bytes bytes)
{
	struct buf again = buf_growing(FRAME_BODY_MAX);
	struct outcome outcome;

	if (request_read_outcome(bytes, &arena, &outcome, NULL))
		return;
	fuzz_taken();
	assert(outcome.count <= JUDGE_IDS_MAX && outcome.token.size <= TOKEN_MAX);
	request_put_outcome(&outcome, &again);
	assert(bytes_equal(buf_bytes(&again), bytes));
	buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_read(data, size);
	struct bytes request = exact(input.parts[0]), outcome = exact(input.parts[1]);

	check_request(request);
	check_outcome(outcome);
	arena_reset(&arena);
	free((void *)(uintptr_t)request.data);
	free((void *)(uintptr_t)outcome.data);
	return 0;
}

static struct id some_id(struct rng *rng)
{
	struct id id;

	rng_fill(rng, id.bytes, sizeof id.bytes);
	return id;
}

static struct bytes some_bytes(struct rng *rng, uint8_t room[32])
{
	rng_fill(rng, room, 32);
	return bytes_of(room, (size_t)rng_below(rng, 33));
}

static void make_request(struct rng *rng, struct buf *out)
{
	uint8_t rooms[5][32];
	struct change changes[3];
	struct errand errand = { .asker = { .writes = (uint8_t)rng_u64(rng),
					    .user = some_id(rng),
					    .actor = { (uint32_t)rng_below(rng, 200), some_id(rng) },
					    .has_actor = rng_below(rng, 2) },
				 .changes = changes,
				 .count = (size_t)rng_below(rng, 4),
				 .idempotency = some_bytes(rng, rooms[3]),
				 .action = some_bytes(rng, rooms[4]),
				 .copies = (uint32_t)rng_below(rng, 3) };

	for (size_t i = 0; i < COUNT(changes); i++)
		changes[i] = (struct change){ (enum change_what)rng_below(rng, 3), (uint32_t)rng_below(rng, 200),
					      some_id(rng), some_bytes(rng, rooms[i]) };
	request_put(&errand, out);
}

static void make_outcome(struct rng *rng, struct buf *out)
{
	uint8_t rooms[2][32];
	struct id ids[3] = { some_id(rng), some_id(rng), some_id(rng) };
	struct outcome outcome = { .text = some_bytes(rng, rooms[0]),
				   .ids = ids,
				   .count = (size_t)rng_below(rng, 4),
				   .copies = (uint32_t)rng_below(rng, 100),
				   .token = some_bytes(rng, rooms[1]) };

	request_put_outcome(&outcome, out);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct rng rng = rng_from_number(seed);
	struct fuzz_input input = { .front = { 0 } };
	struct buf request = buf_growing(2000), outcome = buf_growing(2000);
	size_t made = 0;

	if (!rng_below(&rng, 4)) {
		make_request(&rng, &request);
		make_outcome(&rng, &outcome);
		input.parts[0] = buf_bytes(&request);
		input.parts[1] = buf_bytes(&outcome);
		made = fuzz_write(&input, data, max_size);
	}
	buf_done(&request);
	buf_done(&outcome);
	return made ? made : fuzz_mutate(data, size, max_size, &rng);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_begin();
	return 0;
}
