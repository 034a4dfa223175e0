/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FUZZ_H
#define WARREN_FUZZ_H

/*
 * What the fuzz targets share: the front of an input, which libFuzzer's bytes choose, and the count of those inputs
 * that the decoder under test took.
 *
 * Every target asserts properties of what was taken, and makes its own valid inputs (make.h) in a mutator, so there is
 * no corpus to keep. Under WARREN_FUZZ_EXPECT=n a run fails at its end unless n inputs were taken.
 */

#include "crdt/base/buf.h"
#include "crdt/base/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* To be called once, at the start. */
void fuzz_begin(void);

/* One input, or part of one, was taken. */
void fuzz_taken(void);

/* An input is a fixed front and up to FUZZ_PARTS strings of bytes; each but the last has its size before it. */
enum { FUZZ_FRONT = 4, FUZZ_PARTS = 3 };

struct fuzz_input {
	uint8_t front[FUZZ_FRONT];
	struct bytes parts[FUZZ_PARTS];
};

/* Any bytes are an input. */
struct fuzz_input fuzz_read(const uint8_t *data, size_t size);

/* How many bytes it took; 0 when they do not fit. */
size_t fuzz_write(const struct fuzz_input *input, uint8_t *data, size_t max_size);

/*
 * Changes the input in place by one step: its front, any of its bytes, or one part alone, so that the others stay what
 * they are. Some steps know what lengths look like in msgpack, and turn one value into another encoding of it.
 */
size_t fuzz_mutate(uint8_t *data, size_t size, size_t max_size, struct rng *rng);

#endif
