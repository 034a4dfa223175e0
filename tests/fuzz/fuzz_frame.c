/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames, one after the other on one link: what is taken has these bytes alone, and what is refused leaves no trace.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/gossip/gen_frame.h"

#include <assert.h>

static void check_tables(const struct stream_table *told, const struct stream_table *named)
{
	assert(told->count == named->count && told->settled == told->count);
	for (size_t i = 0; i < told->count; i++) {
		assert(!stream_compare(&told->all[i], &named->all[i]));
		assert(!i || stream_compare(&told->all[told->sorted[i - 1]], &told->all[told->sorted[i]]) < 0);
	}
}

static void check_frame(struct bytes bytes, enum link_stage stage, struct stream_table *told,
			struct stream_table *named)
{
	struct buf again = buf_growing(1 << 17);
	struct err err = { 0 };
	struct frame frame;

	if (frame_read(bytes, stage, told, &frame, &err)) {
		assert(*err.text);
	} else {
		fuzz_taken();
		frame_write_again(&frame, told, named, &again);
		if (frame.kind == FRAME_ANSWER && frame.answer.code == E_NEWER)
			again.data[5] = bytes.data[5];
		assert(bytes_equal(buf_bytes(&again), bytes));
		assert((frame.kind <= FRAME_T0_REFUSE || frame.kind == FRAME_BYE) || stage == LINK_MEMBER);
	}
	check_tables(told, named);
	buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_read(data, size);
	struct stream_table told = { 0 }, named = { 0 };

	for (size_t i = 0; i < FUZZ_PARTS; i++)
		check_frame(input.parts[i], input.front[0] & 7 ? LINK_MEMBER : LINK_GUEST, &told, &named);
	stream_table_done(&told);
	stream_table_done(&named);
	return 0;
}

/* Frames that build on each other's names; those of one kind more often than chance has it. */
static size_t make_input(struct rng *rng, uint8_t *data, size_t max_size)
{
	static uint8_t rooms[FUZZ_PARTS][1 << 17];
	struct fuzz_input input = { .front = { (uint8_t)rng_u64(rng) } };
	struct stream_table named = { 0 };

	for (size_t i = 0; i < FUZZ_PARTS; i++) {
		struct buf out = buf_over(rooms[i], sizeof rooms[i]);

		gen_frame(rng, rng_below(rng, 3) ? gen_kind(rng) : FRAME_INDEX, &named, &out);
		input.parts[i] = buf_bytes(&out);
	}
	stream_table_done(&named);
	return fuzz_write(&input, data, max_size);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct rng rng = rng_from_number(seed);
	size_t made = rng_below(&rng, 4) ? 0 : make_input(&rng, data, max_size);

	return made ? made : fuzz_mutate(data, size, max_size, &rng);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_begin();
	return 0;
}
