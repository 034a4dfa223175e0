/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records and rows: one content has one form, merge is a join, and no bytes make a reader of either crash.
 */
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/state/index.h"
#include "crdt/state/merge.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/make.h"

#include <assert.h>
#include <msgpack.h>

enum { ROW_MAX = 4096 };

static struct record records[FUZZ_PARTS], joined, again;
static struct arena arena;

static struct bytes written(const struct record *record)
{
	struct buf buf = buf_growing(RECORD_MAX);
	struct bytes bytes;

	record_write(record, &buf);
	assert(!buf.is_full);
	bytes = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return bytes;
}

static struct bytes packed_again(const msgpack_object *object)
{
	msgpack_sbuffer buf;
	msgpack_packer packer;
	struct bytes bytes;

	msgpack_sbuffer_init(&buf);
	msgpack_packer_init(&packer, &buf, msgpack_sbuffer_write);
	msgpack_pack_object(&packer, *object);
	bytes = arena_copy(&arena, bytes_of(buf.data, buf.size));
	msgpack_sbuffer_destroy(&buf);
	return bytes;
}

static void check_keys_ascend(const msgpack_object *object)
{
	struct bytes last = { 0 };

	assert(object->type != MSGPACK_OBJECT_EXT && object->type != MSGPACK_OBJECT_FLOAT32 &&
	       object->type != MSGPACK_OBJECT_FLOAT64);
	for (uint32_t i = 0; object->type == MSGPACK_OBJECT_ARRAY && i < object->via.array.size; i++)
		check_keys_ascend(&object->via.array.ptr[i]);
	for (uint32_t i = 0; object->type == MSGPACK_OBJECT_MAP && i < object->via.map.size; i++) {
		struct bytes key = packed_again(&object->via.map.ptr[i].key);

		assert(!i || bytes_compare(last, key) < 0);
		last = key;
		check_keys_ascend(&object->via.map.ptr[i].key);
		check_keys_ascend(&object->via.map.ptr[i].val);
	}
}

/* Another's reader and writer: what is canonical comes out of them as it went in. */
static void check_canonical(struct bytes value)
{
	msgpack_unpacked unpacked;
	size_t used = 0;

	msgpack_unpacked_init(&unpacked);
	assert(msgpack_unpack_next(&unpacked, (const char *)value.data, value.size, &used) == MSGPACK_UNPACK_SUCCESS);
	assert(used == value.size && bytes_equal(packed_again(&unpacked.data), value));
	check_keys_ascend(&unpacked.data);
	msgpack_unpacked_destroy(&unpacked);
}

/* Whether every key is one of the shape's and no value is nil; each value must be canonical. */
static bool is_plain(const struct shape *shape, struct bytes map)
{
	struct reader r = reader_over(map);
	uint64_t count = mp_read(&r).value;
	bool is_known = true;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t number = mp_read(&r).value;
		struct bytes value = mp_skip(&r);

		assert(!r.is_short && mp_is_canonical(value));
		check_canonical(value);
		is_known &= number <= UINT32_MAX && model_field(shape, (uint32_t)number) && *value.data != 0xc0;
	}
	assert(!reader_left(&r));
	return is_known;
}

static void check_row(const struct shape *shape, struct bytes map, bool is_whole)
{
	static _Alignas(max_align_t) uint8_t row[ROW_MAX];
	struct buf first = buf_growing(RECORD_MAX), second = buf_growing(RECORD_MAX);
	struct err err = { 0 };

	assert(shape->size <= sizeof row);
	if (pack_read(shape, map, is_whole, row, &err)) {
		assert(*err.text);
		return;
	}
	fuzz_taken();
	pack_write(shape, row, &first);
	if (is_plain(shape, map))
		assert(bytes_equal(buf_bytes(&first), map));
	assert(!pack_read(shape, buf_bytes(&first), is_whole, row, &err));
	pack_write(shape, row, &second);
	assert(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
	buf_done(&first);
	buf_done(&second);
}

static void check_index(const struct kind *kind, struct bytes bytes)
{
	static const struct id id = { { 7, 0, 255 } };
	struct index_keys keys = index_keys_of(kind->number, id, bytes, &arena);

	for (size_t i = 0; i < keys.count; i++) {
		struct id pointed;
		uint32_t number;

		assert(keys.keys[i].size <= STORE_KEY_MAX);
		assert(index_key_read(keys.keys[i], &number, &pointed));
		assert(number == kind->number && id_equal(pointed, id));
	}
}

static struct bytes merged(const struct record *a, const struct record *b)
{
	struct bytes bytes;
	enum code code;

	merge_records(a, b, &arena, &joined);
	bytes = written(&joined);
	code = record_read(bytes, &again, NULL);
	assert(!code);
	assert(bytes_equal(written(&again), bytes));
	return bytes;
}

static bool check_record(const struct kind *kind, struct bytes bytes, struct record *record)
{
	struct buf map = buf_growing(RECORD_MAX);
	struct bytes lying;
	struct err err = { 0 };
	bool is_dead;

	check_index(kind, bytes);
	if (record_read(bytes, record, &err)) {
		assert(*err.text);
		return false;
	}
	fuzz_taken();
	assert(bytes_equal(written(record), bytes));
	assert(bytes_equal(merged(record, record), bytes));
	record_write_map(record, &map);
	assert(!record_map(bytes, &is_dead, &lying, &err));
	assert(is_dead == record->is_dead && bytes_equal(lying, buf_bytes(&map)));
	record_id(kind->number, record);
	buf_done(&map);
	return true;
}

static void check_merge(const struct record *a, const struct record *b)
{
	struct bytes one = merged(a, b);
	enum code code = record_read(one, &again, NULL);

	assert(!code && bytes_equal(merged(b, a), one));
	code = record_read(one, &again, NULL);
	merge_records(&again, b, &arena, &joined);
	assert(!code && bytes_equal(written(&joined), one));
}

static void check_grouping(const struct record *a, const struct record *b, const struct record *c)
{
	static struct record pair;
	struct bytes left, right;

	merge_records(a, b, &arena, &pair);
	left = merged(&pair, c);
	merge_records(b, c, &arena, &pair);
	right = merged(a, &pair);
	assert(bytes_equal(left, right));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_read(data, size);
	const struct kind *kind = &model_kinds[input.front[0] % MODEL_KINDS];
	const struct shape *shapes[] = { &kind->shape, make_shape(input.front[1]) };
	bool is_taken[FUZZ_PARTS], is_dead;
	struct bytes map;

	for (size_t i = 0; i < FUZZ_PARTS; i++) {
		is_taken[i] = check_record(kind, input.parts[i], &records[i]);
		if (record_map(input.parts[i], &is_dead, &map, NULL))
			map = input.parts[i];
		if (mp_is_canonical(input.parts[i]))
			check_canonical(input.parts[i]);
		for (size_t k = 0; k < COUNT(shapes); k++)
			check_row(shapes[k], map, input.front[2] & 1);
	}
	if (is_taken[0] && is_taken[1])
		check_merge(&records[0], &records[1]);
	if (is_taken[0] && is_taken[1] && is_taken[2])
		check_grouping(&records[0], &records[1], &records[2]);
	arena_reset(&arena);
	return 0;
}

static size_t make_input(struct rng *rng, uint8_t *data, size_t max_size)
{
	static struct maker maker;
	struct fuzz_input input = { .front = { (uint8_t)rng_u64(rng), (uint8_t)rng_u64(rng), (uint8_t)rng_u64(rng) } };
	const struct kind *kind = &model_kinds[input.front[0] % MODEL_KINDS];
	size_t size;

	maker.rng = rng_from_number(rng_u64(rng));
	input.parts[0] = make_record(&maker, kind);
	for (size_t i = 1; i < FUZZ_PARTS; i++)
		input.parts[i] = make_other_record(&maker, kind, input.parts[0]);
	size = fuzz_write(&input, data, max_size);
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
	(void)argc;
	(void)argv;
	fuzz_begin();
	return 0;
}
