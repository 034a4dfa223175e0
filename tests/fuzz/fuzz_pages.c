/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of a state file's pages: no bytes make it crash or run on, and what it lets through LMDB can read: whatever
 * that gives then is what was written, or known to be damaged.
 *
 * An input is a list of patches to a small file that is sound, or, now and then, the file itself.
 */
#include "agent/store.h"
#include "agent/store_pages.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NUMBERS = 120, FILE_MAX = 1 << 20, PATCHES_MAX = 8, VALUE_MAX = 9000, PAGE_SIZE = 4096, MAP_SIZE = 1 << 24 };

static const struct hash_key key_of_seals = { { 4, 5, 6 } };
static uint8_t sound[FILE_MAX], patched[FILE_MAX];
static size_t sound_size, patched_size, damaged_size;
static char dir[64], path[96];
static int file = -1;

static struct bytes key_of(uint32_t number, uint8_t room[4])
{
	struct buf buf = buf_over(room, 4);

	buf_put_byte(&buf, 1);
	buf_put_big_endian(&buf, number, 3);
	return buf_bytes(&buf);
}

/* Mostly small, some with pages of their own. */
static struct bytes value_of(uint32_t number)
{
	static uint8_t room[VALUE_MAX];
	size_t size = number % 24 ? number * 7 % 300 : VALUE_MAX - number;

	memset(room, (int)number, size);
	return bytes_of(room, size);
}

/* Any offset; most often one in the first bytes of a page, where its structure is. */
static size_t place(uint32_t number)
{
	size_t page = number >> 16 & 0xff, at = number & 0xffff;

	at = number >> 24 & 3 ? at % 256 : at % PAGE_SIZE;
	return (page * PAGE_SIZE + at) % sound_size;
}

/* What follows a patch's place and size; with a size of none, one bit turns round. */
static void patch(struct reader *r)
{
	size_t at = place((uint32_t)read_big_endian(r, 4)), size = read_big_endian(r, 1) % 12, left = sound_size - at;
	const uint8_t *bytes;

	if (!size) {
		patched[at] ^= (uint8_t)(1U << read_big_endian(r, 1) % 8);
		return;
	}
	bytes = read_bytes(r, size);
	if (bytes)
		memcpy(patched + at, bytes, size < left ? size : left);
}

static void damage(const struct fuzz_input *input)
{
	struct reader r = reader_over(input->parts[0]);

	patched_size = sound_size;
	memcpy(patched, sound, sound_size);
	if (input->front[0] == 0) {
		patched_size = input->parts[1].size;
		if (patched_size)
			memcpy(patched, input->parts[1].data, patched_size);
		return;
	}
	for (size_t i = 0; i < PATCHES_MAX && reader_left(&r) > 5; i++)
		patch(&r);
	if (input->front[0] == 1)
		patched_size = place((uint32_t)input->front[1] << 16 | (uint32_t)input->front[2] << 8);
}

/* Only the pages that differ are written. */
static void write_file(void)
{
	size_t most = patched_size > damaged_size ? patched_size : damaged_size;
	static uint8_t last[FILE_MAX];

	for (size_t at = 0; at < most && at < patched_size; at += PAGE_SIZE) {
		size_t size = patched_size - at < PAGE_SIZE ? patched_size - at : PAGE_SIZE;

		if (damaged_size == patched_size && !memcmp(last + at, patched + at, size))
			continue;
		assert(pwrite(file, patched + at, size, (off_t)at) == (ssize_t)size);
	}
	assert(!ftruncate(file, (off_t)patched_size));
	memcpy(last, patched, patched_size);
	damaged_size = patched_size;
}

static void note(void *context, struct bytes key, const char *text)
{
	(void)key;
	assert(*text);
	++*(size_t *)context;
}

static void check_values(struct store_txn *txn, bool is_whole)
{
	for (uint32_t number = 0; number < NUMBERS; number++) {
		uint8_t room[4];
		struct bytes value;
		enum code code = store_get(txn, key_of(number, room), &value, NULL);

		assert(!code || !is_whole);
		assert(code || bytes_equal(value, value_of(number)));
	}
}

/* LMDB believes what it reads, so this crashes when the check let through what it should not. */
static void check_below(void)
{
	struct lmdb_options options = { .mode = LMDB_READER, .map_size = MAP_SIZE };
	size_t found = 0;
	struct store_txn *txn;
	struct store *store;
	enum code code;

	if (lmdb_store_open(dir, &options, &store, NULL))
		return;
	code = store_snapshot(store, &txn, NULL);
	if (!code) {
		code = store_scan(txn, note, &found, NULL);
		assert(!code == !found);
		check_values(txn, !code);
		store_end(txn);
	}
	store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_read(data, size);
	size_t found = 0;
	enum code heads, all;

	damage(&input);
	write_file();
	heads = store_pages_check_heads(file, NULL);
	all = store_pages_check_file(file, note, &found, NULL);
	assert((all == OK) == !found || all == E_NEWER || all == E_IO);
	assert(all || !heads);
	if (patched_size == sound_size && !memcmp(patched, sound, sound_size))
		assert(!heads && !all);
	if (!heads)
		fuzz_taken();
	if (!all)
		check_below();
	return 0;
}

static uint16_t word_at(size_t at)
{
	return (uint16_t)(sound[at] | sound[at + 1] << 8);
}

/* Where a word of a page's beginning lies, or of one of its nodes' beginnings: sizes, flags, page numbers. */
static size_t choose_word(struct rng *rng, size_t page)
{
	size_t start = page * PAGE_SIZE, lower = word_at(start + 12), node;

	if (rng_below(rng, 2) || lower < 18 || lower > PAGE_SIZE)
		return 2 * rng_below(rng, 80);
	node = word_at(start + 16 + 2 * (rng_below(rng, 2) ? rng_below(rng, (lower - 16) / 2) : 0));
	return (node + 2 * rng_below(rng, 8)) % PAGE_SIZE;
}

/* That word becomes one at the edge of sense. */
static void make_word(struct rng *rng, struct buf *buf)
{
	static const uint16_t words[] = { 0,    1,    2,    15,   16,   18,   4080,   4086,
					  4088, 4090, 4092, 4094, 4096, 4098, 0xfffe, 0xffff };
	uint64_t pages = sound_size / PAGE_SIZE, page = rng_below(rng, pages);
	uint16_t word = rng_below(rng, 2) ? words[rng_below(rng, COUNT(words))] : (uint16_t)(pages - rng_below(rng, 2));

	if (!rng_below(rng, 4))
		word = (uint16_t)rng_below(rng, PAGE_SIZE * 2);
	buf_put_big_endian(buf, page << 16 | choose_word(rng, page), 4);
	buf_put_byte(buf, 2);
	buf_put_byte(buf, (uint8_t)word);
	buf_put_byte(buf, (uint8_t)(word >> 8));
}

static void make_patch(struct rng *rng, struct buf *buf)
{
	size_t length = rng_below(rng, 9), page = rng_below(rng, sound_size / PAGE_SIZE);
	uint64_t kind = rng_below(rng, 4);

	buf_put_big_endian(buf, kind << 24 | page << 16 | rng_below(rng, PAGE_SIZE), 4);
	buf_put_byte(buf, (uint8_t)length);
	for (size_t i = 0; i < (length ? length : 1); i++)
		buf_put_byte(buf, (uint8_t)(rng_below(rng, 2) ? rng_u64(rng) : rng_below(rng, 4)));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct rng rng = rng_from_number(seed);
	struct fuzz_input input = { .front = { 2 } };
	uint8_t room[64];
	struct buf buf = buf_over(room, sizeof room);
	size_t made, count = 1 + rng_below(&rng, 2);

	if (!rng_below(&rng, 3))
		return fuzz_mutate(data, size, max_size, &rng);
	if (!rng_below(&rng, 8))
		input.front[0] = (uint8_t)rng_below(&rng, 2);
	input.front[1] = (uint8_t)rng_u64(&rng);
	for (size_t i = 0; i < count; i++)
		if (rng_below(&rng, 2))
			make_word(&rng, &buf);
		else
			make_patch(&rng, &buf);
	input.parts[0] = buf_bytes(&buf);
	made = fuzz_write(&input, data, max_size);
	return made ? made : fuzz_mutate(data, size, max_size, &rng);
}

/* Several commits, so that there are free pages and both heads mean something. */
static void fill(void)
{
	struct lmdb_options options = { .mode = LMDB_WRITER, .fresh_key = &key_of_seals, .map_size = MAP_SIZE };
	struct store *store;
	enum code code = lmdb_store_open(dir, &options, &store, NULL);

	assert(!code);
	for (uint32_t round = 0; round < 4; round++) {
		struct store_txn *txn;

		code = store_begin(store, &txn, NULL);
		assert(!code);
		for (uint32_t number = 0; number < NUMBERS; number++) {
			uint8_t room[4];

			if (round == 3 || number % (round + 2) == 0)
				code = store_put(txn, key_of(number, room), value_of(number), NULL);
			assert(!code);
		}
		code = store_commit(txn, NULL);
		assert(!code);
	}
	store_close(store);
}

static void clean(void)
{
	char lock[128];

	close(file);
	unlink(path);
	snprintf(lock, sizeof lock, "%s/state.mdb-lock", dir);
	unlink(lock);
	rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	ssize_t size;

	(void)argc;
	(void)argv;
	fuzz_begin();
	snprintf(dir, sizeof dir, "%s",
		 access("/dev/shm", W_OK) ? "/tmp/warren-fuzz-XXXXXX" : "/dev/shm/warren-fuzz-XXXXXX");
	assert(mkdtemp(dir));
	assert(!chmod(dir, 0700));
	snprintf(path, sizeof path, "%s/state.mdb", dir);
	fill();
	file = open(path, O_RDWR | O_CLOEXEC);
	assert(file >= 0);
	size = read(file, sound, sizeof sound);
	assert(size > PAGE_SIZE && (size_t)size < sizeof sound);
	sound_size = (size_t)size;
	atexit(clean);
	return 0;
}
