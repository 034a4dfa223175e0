/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PART_MAX = 1 << 16 };

static uint64_t taken, expected;

static void judge_run(void)
{
	fprintf(stderr, "taken: %" PRIu64 " inputs, %" PRIu64 " expected\n", taken, expected);
	if (taken < expected)
		_exit(1);
}

void fuzz_begin(void)
{
	const char *text = getenv("WARREN_FUZZ_EXPECT");

	expected = text ? strtoull(text, NULL, 10) : 0;
	atexit(judge_run);
}

void fuzz_taken(void)
{
	taken++;
}

struct fuzz_input fuzz_read(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .parts = { { 0 } } };
	struct reader r = reader_over(bytes_of(data, size));

	for (size_t i = 0; i < FUZZ_FRONT; i++)
		input.front[i] = reader_left(&r) ? (uint8_t)read_big_endian(&r, 1) : 0;
	for (size_t i = 0; i < FUZZ_PARTS; i++) {
		size_t left, part;

		if (i + 1 < FUZZ_PARTS && reader_left(&r) < 2)
			break;
		part = i + 1 < FUZZ_PARTS ? read_big_endian(&r, 2) : SIZE_MAX;
		left = reader_left(&r);
		part = part < left ? part : left;
		input.parts[i] = bytes_of(read_bytes(&r, part), part);
	}
	return input;
}

size_t fuzz_write(const struct fuzz_input *input, uint8_t *data, size_t max_size)
{
	struct buf buf = buf_over(data, max_size);

	buf_put(&buf, input->front, sizeof input->front);
	for (size_t i = 0; i < FUZZ_PARTS; i++) {
		if (i + 1 < FUZZ_PARTS)
			buf_put_big_endian(&buf, input->parts[i].size, 2);
		buf_put_bytes(&buf, input->parts[i]);
	}
	return buf.is_full ? 0 : buf.size;
}

static size_t insert(uint8_t *data, size_t size, size_t max_size, size_t at, struct bytes what)
{
	if (at > size || size + what.size > max_size)
		return size;
	memmove(data + at + what.size, data + at, size - at);
	memcpy(data + at, what.data, what.size);
	return size + what.size;
}

/* A string of bytes, where one begins, gets a byte more, and its length says so. */
static size_t lengthen(uint8_t *data, size_t size, size_t max_size, struct rng *rng)
{
	uint8_t byte = (uint8_t)rng_below(rng, 3);

	for (size_t tries = 0; tries < 64 && size > 2; tries++) {
		size_t at = rng_below(rng, size - 1), after;

		if ((data[at] != 0xc4 && data[at] != 0xd9) || data[at + 1] == 0xff)
			continue;
		after = at + 2 + data[at + 1];
		if (after > size || size == max_size)
			continue;
		data[at + 1]++;
		return insert(data, size, max_size, after, bytes_of(&byte, 1));
	}
	return size;
}

/* Another encoding for a number, a count or a length: longer than it must be. */
static size_t loosen(uint8_t *data, size_t size, size_t max_size, struct rng *rng)
{
	size_t at = size ? rng_below(rng, size) : 0;
	uint8_t b = size ? data[at] : 0;

	if (!size)
		return 0;
	if (b < 0x80)
		return insert(data, size, max_size, at, bytes_of("\xcc", 1));
	if (b < 0xa0 && size + 2 <= max_size) {
		data[at] = b & 15;
		return insert(data, size, max_size, at, bytes_of(b < 0x90 ? "\xde\0" : "\xdc\0", 2));
	}
	if (b < 0xc0 && size + 1 <= max_size) {
		data[at] = b & 31;
		return insert(data, size, max_size, at, bytes_of("\xd9", 1));
	}
	if (b == 0xc4 && size + 1 <= max_size) {
		data[at] = 0xc5;
		return insert(data, size, max_size, at + 1, bytes_of("\0", 1));
	}
	return size;
}

/* Small numbers count, choose and refer: one of them becomes another. */
static size_t exchange(uint8_t *data, size_t size, struct rng *rng)
{
	for (size_t tries = 0; tries < 64 && size; tries++) {
		size_t at = rng_below(rng, size);

		if (data[at] > 3)
			continue;
		data[at] = (uint8_t)rng_below(rng, 4);
		break;
	}
	return size;
}

size_t fuzz_mutate(uint8_t *data, size_t size, size_t max_size, struct rng *rng)
{
	static uint8_t part[PART_MAX], copy[PART_MAX];
	struct fuzz_input input;
	size_t step = rng_below(rng, 8), which = rng_below(rng, FUZZ_PARTS), changed, room;

	if (size < FUZZ_FRONT || step == 0 || max_size > PART_MAX)
		return LLVMFuzzerMutate(data, size, max_size);
	if (step == 1) {
		data[rng_below(rng, FUZZ_FRONT)] = (uint8_t)rng_u64(rng);
		return size;
	}
	memcpy(copy, data, size);
	input = fuzz_read(copy, size);
	changed = input.parts[which].size;
	if (changed)
		memcpy(part, input.parts[which].data, changed);
	room = changed + max_size - size;
	if (step == 2)
		changed = lengthen(part, changed, room, rng);
	else if (step == 3)
		changed = loosen(part, changed, room, rng);
	else if (step == 4)
		changed = exchange(part, changed, rng);
	else if (room)
		changed = LLVMFuzzerMutate(part, changed, room);
	input.parts[which] = bytes_of(part, changed);
	changed = fuzz_write(&input, data, max_size);
	return changed ? changed : size;
}
