/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as keys: what is read back is what was put, and keys stand in the order of their values.
 */
#include "crdt/model/key.h"
#include "crdt/store.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/make.h"

#include <assert.h>

/* All that can be in a key. */
static const struct field *fields[2048];
static size_t field_count;

static void collect(const struct shape *shape)
{
	for (size_t i = 0; i < shape->count; i++)
		if (key_takes((enum type)shape->fields[i].type)) {
			assert(field_count < COUNT(fields));
			fields[field_count++] = &shape->fields[i];
		}
}

static const struct field *field_of(const struct fuzz_input *input)
{
	return fields[((size_t)input->front[0] << 8 | input->front[1]) % field_count];
}

static int order_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int order_texts(struct bytes a, struct bytes b)
{
	for (size_t i = 0; i < a.size && i < b.size; i++)
		if (a.data[i] != b.data[i])
			return a.data[i] < b.data[i] ? -1 : 1;
	return order_numbers(a.size, b.size);
}

static int order_addresses(const struct address *a, const struct address *b)
{
	int order = order_numbers(a->size, b->size);

	return order ? order : order_texts(bytes_of(a->bytes, a->size), bytes_of(b->bytes, b->size));
}

/* As slowly and plainly as can be. */
static int order_slots(enum type type, const union slot *a, const union slot *b)
{
	int order;

	switch (type) {
	case TYPE_BOOL: return a->truth - b->truth;
	case TYPE_UINT:
	case TYPE_COUNT64:
	case TYPE_SPAN:
	case TYPE_CHOICE:
	case TYPE_NODE: return order_numbers(a->number, b->number);
	case TYPE_TIME: return order_numbers(a->time.ms, b->time.ms);
	case TYPE_INT: return (a->signed_number > b->signed_number) - (a->signed_number < b->signed_number);
	case TYPE_SLUG:
	case TYPE_LOGIN:
	case TYPE_NAME:
	case TYPE_LINE:
	case TYPE_NOTE:
	case TYPE_HOST:
	case TYPE_URL:
	case TYPE_BYTES: return order_texts(a->bytes, b->bytes);
	case TYPE_ID: return order_texts(bytes_of(&a->id, sizeof a->id), bytes_of(&b->id, sizeof b->id));
	case TYPE_REF:
		order = order_numbers(a->ref.kind, b->ref.kind);
		return order ? order : order_texts(bytes_of(&a->ref.id, 16), bytes_of(&b->ref.id, 16));
	case TYPE_KEY: return order_texts(bytes_of(&a->key, sizeof a->key), bytes_of(&b->key, sizeof b->key));
	case TYPE_ADDRESS: return order_addresses(&a->address, &b->address);
	case TYPE_NETWORK:
		order = order_addresses(&a->network.address, &b->network.address);
		return order ? order : order_numbers(a->network.prefix, b->network.prefix);
	case TYPE_COUNTER:
	case TYPE_PART: break;
	}
	return 0;
}

/* A key, what it says, and the text that this is borrowed from. */
struct reading {
	struct bytes key;
	union slot slot;
	uint8_t room[STORE_KEY_MAX];
};

static bool check_key(const struct field *field, struct bytes bytes, struct reading *ret_reading)
{
	uint8_t room[STORE_KEY_MAX];
	struct buf text = buf_over(ret_reading->room, sizeof ret_reading->room), key = buf_over(room, sizeof room);
	struct reader r = reader_over(bytes);

	memset(&ret_reading->slot, 0, sizeof ret_reading->slot);
	if (bytes.size > STORE_KEY_MAX || !key_read_slot(field, &r, &text, &ret_reading->slot))
		return false;
	fuzz_taken();
	assert(!r.is_short);
	ret_reading->key = bytes_of(bytes.data, bytes.size - reader_left(&r));
	key_put_slot(field, &ret_reading->slot, &key);
	assert(!key.is_full && bytes_equal(buf_bytes(&key), ret_reading->key));
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reading readings[2];
	struct fuzz_input input = fuzz_read(data, size);
	const struct field *field = field_of(&input);
	int of_keys, of_values;

	for (size_t i = 0; i < COUNT(readings); i++)
		if (!check_key(field, input.parts[i], &readings[i]))
			return 0;
	of_keys = bytes_compare(readings[0].key, readings[1].key);
	of_values = order_slots((enum type)field->type, &readings[0].slot, &readings[1].slot);
	assert((of_keys > 0) - (of_keys < 0) == (of_values > 0) - (of_values < 0));
	/* An id follows: no value may be the beginning of another. */
	assert(!of_values || (!bytes_start_with(readings[0].key, readings[1].key) &&
			      !bytes_start_with(readings[1].key, readings[0].key)));
	return 0;
}

/* Two values; of texts often such that one begins the other, with the bytes that are escaped. */
static size_t make_input(struct rng *rng, uint8_t *data, size_t max_size)
{
	static struct maker maker;
	struct fuzz_input input = { .front = { (uint8_t)rng_u64(rng), (uint8_t)rng_u64(rng) } };
	const struct field *field = field_of(&input);
	uint8_t rooms[2][STORE_KEY_MAX], text[8];
	size_t size;

	maker.rng = rng_from_number(rng_u64(rng));
	for (size_t i = 0; i < COUNT(text); i++)
		text[i] = (uint8_t)rng_below(rng, 3);
	for (size_t i = 0; i < COUNT(rooms); i++) {
		struct buf key = buf_over(rooms[i], sizeof rooms[i]);
		union slot slot;

		make_slot(&maker, field, &slot);
		if (field->type == TYPE_BYTES ||
		    (field->type >= TYPE_SLUG && field->type <= TYPE_URL && rng_below(rng, 2)))
			slot.bytes = bytes_of(text, rng_below(rng, sizeof text + 1));
		key_put_slot(field, &slot, &key);
		if (!key.is_full)
			input.parts[i] = buf_bytes(&key);
	}
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
	for (size_t i = 0; i < MODEL_KINDS + MODEL_PARTS; i++)
		collect(make_shape(i));
	return 0;
}
