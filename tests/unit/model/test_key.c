/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/key.h"

#include "tests/unit/base/check.h"
#include "tests/unit/model/gen_row.h"
#include "tests/unit/model/hex.h"

#include <stdlib.h>

enum { VALUES = 120, KEY_ROOM = 2048 };

static struct rng rng;
static struct arena arena;

static const struct field fields[] = {
	{ .type = TYPE_BOOL, .min = LEAST_BOOL, .max = MOST_BOOL },
	{ .type = TYPE_UINT, .min = LEAST_UINT, .max = MOST_UINT },
	{ .type = TYPE_COUNT64, .min = LEAST_COUNT64, .max = MOST_COUNT64 },
	{ .type = TYPE_INT, .min = UINT64_C(1) << 63, .max = INT64_MAX },
	{ .type = TYPE_TIME, .min = LEAST_TIME, .max = MOST_TIME },
	{ .type = TYPE_SPAN, .min = LEAST_SPAN, .max = MOST_SPAN },
	{ .type = TYPE_CHOICE, .min = LEAST_CHOICE, .max = MOST_CHOICE },
	{ .type = TYPE_NODE, .min = LEAST_NODE, .max = MOST_NODE },
	{ .type = TYPE_SLUG, .min = LEAST_SLUG, .max = MOST_SLUG },
	{ .type = TYPE_NAME, .min = LEAST_NAME, .max = MOST_NAME },
	{ .type = TYPE_LINE, .min = LEAST_LINE, .max = MOST_LINE },
	{ .type = TYPE_NOTE, .min = 1, .max = 400 },
	{ .type = TYPE_HOST, .min = LEAST_HOST, .max = MOST_HOST },
	{ .type = TYPE_URL, .min = 9, .max = 400 },
	{ .type = TYPE_BYTES, .min = LEAST_BYTES, .max = MOST_BYTES },
	{ .type = TYPE_ID },
	{ .type = TYPE_REF },
	{ .type = TYPE_KEY },
	{ .type = TYPE_ADDRESS },
	{ .type = TYPE_NETWORK },
};

static bool is_texted(const struct field *f)
{
	return f->type >= TYPE_SLUG && f->type <= TYPE_BYTES;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_addresses(const struct address *a, const struct address *b)
{
	return a->size != b->size ? compare_numbers(a->size, b->size) : memcmp(a->bytes, b->bytes, a->size);
}

/* The oracle: values as values. */
static int naive(const struct field *f, const union slot *a, const union slot *b)
{
	int order;

	if (f->type == TYPE_BOOL)
		return a->truth - b->truth;
	if (f->type == TYPE_INT)
		return (a->signed_number > b->signed_number) - (a->signed_number < b->signed_number);
	if (f->type == TYPE_TIME)
		return compare_numbers(a->time.ms, b->time.ms);
	if (f->type == TYPE_ID)
		return memcmp(&a->id, &b->id, sizeof a->id);
	if (f->type == TYPE_REF && a->ref.kind != b->ref.kind)
		return compare_numbers(a->ref.kind, b->ref.kind);
	if (f->type == TYPE_REF)
		return memcmp(&a->ref.id, &b->ref.id, sizeof a->ref.id);
	if (f->type == TYPE_KEY)
		return memcmp(&a->key, &b->key, sizeof a->key);
	if (f->type == TYPE_ADDRESS)
		return compare_addresses(&a->address, &b->address);
	if (f->type == TYPE_NETWORK) {
		order = compare_addresses(&a->network.address, &b->network.address);
		return order ? order : compare_numbers(a->network.prefix, b->network.prefix);
	}
	if (!is_texted(f))
		return compare_numbers(a->number, b->number);
	for (size_t i = 0; i < a->bytes.size && i < b->bytes.size; i++)
		if (a->bytes.data[i] != b->bytes.data[i])
			return a->bytes.data[i] < b->bytes.data[i] ? -1 : 1;
	return compare_numbers(a->bytes.size, b->bytes.size);
}

/* Short texts of the smallest bytes are prefixes of one another, and all escapes. */
static struct bytes tricky_text(void)
{
	size_t size = dice_below(5);
	uint8_t *text = arena_take(&arena, size);

	for (size_t i = 0; i < size; i++)
		text[i] = dice_below(4) ? (uint8_t)dice_below(4) : 0xff;
	return bytes_of(text, size);
}

static void make_value(const struct field *f, size_t i, union slot *slot)
{
	static const int64_t edges[] = { 0, -1, 1, INT64_MIN, INT64_MAX, INT64_MIN + 1, -256, 255, 256 };

	memset(slot, 0, sizeof *slot);
	if (is_texted(f) && i % 2)
		slot->bytes = tricky_text();
	else if (f->type == TYPE_INT && i < COUNT(edges))
		slot->signed_number = edges[i];
	else if (f->type == TYPE_CHOICE)
		slot->number = dice() & UINT32_MAX;
	else
		gen_slot(f, &rng, &arena, slot);
	if (f->type == TYPE_ID && i % 4 == 0)
		slot->id.bytes[0] = 0xff;
	if (f->type == TYPE_ID && i % 8 == 0)
		memset(&slot->id, i % 16 ? 0xff : 0, sizeof slot->id);
}

static struct bytes key_of(const struct field *f, const union slot *slot)
{
	static uint8_t room[KEY_ROOM];
	struct buf buf = buf_over(room, sizeof room);

	key_put_slot(f, slot, &buf);
	assert_false(buf.is_full);
	return arena_copy(&arena, buf_bytes(&buf));
}

static int sign_of(int order)
{
	return (order > 0) - (order < 0);
}

static void keys_order_as_their_values_do(void **state)
{
	static union slot slots[VALUES];
	struct bytes keys[VALUES];

	(void)state;
	for (size_t t = 0; t < COUNT(fields); t++) {
		assert_true(key_takes((enum type)fields[t].type));
		for (size_t i = 0; i < VALUES; i++) {
			make_value(&fields[t], i, &slots[i]);
			keys[i] = key_of(&fields[t], &slots[i]);
		}
		for (size_t i = 0; i < VALUES; i++)
			for (size_t k = 0; k < VALUES; k++) {
				int wanted = sign_of(naive(&fields[t], &slots[i], &slots[k]));

				assert_int_equal(sign_of(bytes_compare(keys[i], keys[k])), wanted);
				/* What begins alike is alike: no value's entries lie among another's. */
				if (wanted)
					assert_false(bytes_start_with(keys[i], keys[k]));
			}
		arena_reset(&arena);
	}
}

static void keys_read_back(void **state)
{
	uint8_t room[512];

	(void)state;
	for (size_t t = 0; t < COUNT(fields); t++) {
		for (size_t i = 0; i < VALUES; i++) {
			union slot slot, back = { 0 };
			struct buf buf = buf_over(room, sizeof room);
			struct bytes key;
			struct reader r;

			make_value(&fields[t], i, &slot);
			key = key_of(&fields[t], &slot);
			r = reader_over(key);
			assert_true(key_read_slot(&fields[t], &r, &buf, &back));
			assert_int_equal(naive(&fields[t], &slot, &back), 0);
			assert_int_equal(reader_left(&r), 0);
			for (size_t cut = 0; cut < key.size; cut++) {
				buf_clear(&buf);
				r = reader_over(arena_copy(&arena, bytes_of(key.data, cut)));
				assert_false(key_read_slot(&fields[t], &r, &buf, &back));
			}
		}
		arena_reset(&arena);
	}
}

static void keys_are_these_bytes(void **state)
{
	static const struct field text = { .type = TYPE_LINE }, number = { .type = TYPE_UINT },
				  whole = { .type = TYPE_INT }, truth = { .type = TYPE_BOOL },
				  address = { .type = TYPE_ADDRESS }, network = { .type = TYPE_NETWORK };
	const struct {
		const struct field *field;
		union slot slot;
		const char *hex;
	} cases[] = {
		{ &text, { .bytes = bytes_text("ab") }, "6162 00" },
		{ &text, { .bytes = bytes_of("", 0) }, "00" },
		{ &text, { .bytes = bytes_of("\0\1\2\377", 4) }, "0101 0102 02 ff 00" },
		{ &number, { .number = 258 }, "0000000000000102" },
		{ &whole, { .signed_number = 0 }, "8000000000000000" },
		{ &whole, { .signed_number = -1 }, "7fffffffffffffff" },
		{ &whole, { .signed_number = INT64_MIN }, "0000000000000000" },
		{ &truth, { .truth = true }, "01" },
		{ &address, { .address = { 4, { 10, 0, 0, 1 } } }, "04 0a000001" },
		{ &network, { .network = { { 4, { 10 } }, 8 } }, "04 0a000000 08" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bytes wanted = unhex(&arena, cases[i].hex), key = key_of(cases[i].field, &cases[i].slot);

		assert_int_equal(key.size, wanted.size);
		assert_memory_equal(key.data, wanted.data, wanted.size);
	}
	arena_reset(&arena);
}

static void other_bytes_are_no_key(void **state)
{
	static const struct {
		enum type type;
		const char *hex;
	} cases[] = {
		{ TYPE_BOOL, "02" },
		{ TYPE_LINE, "61 0100 00" },
		{ TYPE_LINE, "61 0103 00" },
		{ TYPE_LINE, "61 01ff 00" },
		{ TYPE_ADDRESS, "00" },
		{ TYPE_ADDRESS, "05 0000000000" },
		{ TYPE_NETWORK, "04 0a000001 08" },
		{ TYPE_NETWORK, "04 00000000 21" },
		{ TYPE_COUNTER, "00" },
		{ TYPE_PART, "00" },
	};
	uint8_t room[512];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct field f = { .type = (uint8_t)cases[i].type };
		struct buf buf = buf_over(room, sizeof room);
		struct reader r = reader_over(unhex(&arena, cases[i].hex));
		union slot slot;

		assert_false(key_read_slot(&f, &r, &buf, &slot));
	}
	assert_false(key_takes(TYPE_COUNTER) || key_takes(TYPE_PART));
	arena_reset(&arena);
}

static void a_text_needs_room(void **state)
{
	static const struct field text = { .type = TYPE_LINE };
	uint8_t room[3];
	struct buf buf = buf_over(room, sizeof room);
	struct reader r = reader_over(unhex(&arena, "61626300"));
	union slot slot;

	(void)state;
	assert_true(key_read_slot(&text, &r, &buf, &slot));
	assert_true(bytes_equal(slot.bytes, bytes_text("abc")));
	buf_clear(&buf);
	r = reader_over(unhex(&arena, "6162636400"));
	assert_false(key_read_slot(&text, &r, &buf, &slot));
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_order_as_their_values_do),
		cmocka_unit_test(keys_read_back),
		cmocka_unit_test(keys_are_these_bytes),
		cmocka_unit_test(other_bytes_are_no_key),
		cmocka_unit_test(a_text_needs_room),
	};

	rng = rng_from_number(7);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
