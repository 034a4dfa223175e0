/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents: what is taken becomes a canonical map that pack_read takes too, and what is written of it is JSON by
 * another's judgement, from which the same comes back.
 */
#include "crdt/model/diff.h"
#include "crdt/model/json.h"
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/make.h"

#include <assert.h>
#include <stdlib.h>

enum { ROW_MAX = 4096, DOCUMENT_MAX = 1 << 16, BY_EVERYBODY = 0x7f };

static _Alignas(max_align_t) uint8_t row[ROW_MAX], back[ROW_MAX];

static bool is_public(const struct field *field)
{
	return !field->is_hidden && !field->is_secret;
}

static bool can_come(const struct field *field)
{
	return is_public(field) && field->type != TYPE_COUNTER;
}

/* Parts are left to the comparison of texts: an unset field of theirs may be said in two ways. */
static bool is_compared(const struct field *field)
{
	return is_public(field) && field->type != TYPE_PART;
}

/* Generations and removals are not the client's to say. */
static void check_values(const struct shape *shape)
{
	for (size_t i = 0; i < shape->count; i++) {
		const struct field *f = &shape->fields[i];
		bool has = row_has_field(shape, row, i);

		if (!is_compared(f))
			continue;
		assert(has == row_has_field(shape, back, i));
		assert(!has || diff_slots_equal(f, field_slot_const(f, row), field_slot_const(f, back)));
	}
}

static void check_same(const struct shape *shape, struct bytes text)
{
	struct buf again = buf_growing(DOCUMENT_MAX * 8);

	check_values(shape);
	json_write_row(shape, NULL, back, JSON_PUBLIC, &again);
	assert(bytes_equal(text, buf_bytes(&again)));
	buf_done(&again);
}

/* What was written, read again: by jansson alone, and then by us. */
static void check_written(const struct shape *shape)
{
	struct json_asked asked = { .by = BY_EVERYBODY };
	struct buf text = buf_growing(DOCUMENT_MAX * 8), map = buf_growing(DOCUMENT_MAX * 8);
	struct err err = { 0 };
	json_t *document;
	enum code code;

	json_write_row(shape, NULL, row, JSON_PUBLIC, &text);
	assert(!text.is_full);
	document = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
	assert(document);
	code = json_read_row(shape, document, asked, &map, &err);
	assert(!code);
	code = pack_read(shape, buf_bytes(&map), false, back, &err);
	assert(!code);
	check_same(shape, buf_bytes(&text));
	json_decref(document);
	buf_done(&text);
	buf_done(&map);
}

static void check_document(const struct shape *shape, json_t *document, struct json_asked asked)
{
	struct buf map = buf_growing(DOCUMENT_MAX * 2);
	struct err err = { 0 };
	enum code code = json_read_row(shape, document, asked, &map, &err);

	if (code) {
		assert(*err.text);
		buf_done(&map);
		return;
	}
	fuzz_taken();
	assert(mp_is_canonical(buf_bytes(&map)));
	code = pack_read(shape, buf_bytes(&map), false, row, &err);
	assert(!code);
	check_written(shape);
	buf_done(&map);
}

static struct json_asked asked_by(const struct fuzz_input *input)
{
	return (struct json_asked){ .by = input->front[1] & BY_EVERYBODY, .is_whole = input->front[2] & 1 };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_read(data, size);
	const struct shape *shape = make_shape(input.front[0]);
	struct err err = { 0 };
	json_t *document;

	assert(shape->size <= sizeof row);
	if (json_open(input.parts[0], DOCUMENT_MAX, &document, &err)) {
		assert(*err.text);
		return 0;
	}
	check_document(shape, document, asked_by(&input));
	json_decref(document);
	return 0;
}

/* Values that belong nowhere in particular, or just not here. */
static json_t *make_value(struct rng *rng)
{
	static const char *const texts[] = { "",
					     "0",
					     "18446744073709551615",
					     "10.0.0.0/8",
					     "fd00::/64",
					     "a.example",
					     "owner",
					     "\xc3\xa9",
					     "\xe2\x80\xae",
					     "https://a.b",
					     "1970-01-01T00:00:00Z",
					     "a\\b\"c" };
	static const json_int_t numbers[] = { 0, 1, -1, 9000, INT64_MAX, INT64_MIN, INT64_C(1) << 53 };

	switch (rng_below(rng, 6)) {
	case 0: return json_null();
	case 1: return json_boolean(rng_below(rng, 2));
	case 2: return json_integer(numbers[rng_below(rng, COUNT(numbers))]);
	case 3: return json_array();
	case 4: return json_object();
	default: return json_string(texts[rng_below(rng, COUNT(texts))]);
	}
}

/* One member, or one of a part's, changes its value or goes. */
static void disturb(json_t *object, struct rng *rng)
{
	size_t nth = json_object_size(object) ? rng_below(rng, json_object_size(object)) : 0;
	const char *name;
	json_t *value;
	void *next;

	json_object_foreach_safe(object, next, name, value)
	{
		if (nth--)
			continue;
		if (json_is_array(value) && json_array_size(value) && json_is_object(json_array_get(value, 0)) &&
		    rng_below(rng, 4))
			disturb(json_array_get(value, 0), rng);
		else if (json_is_array(value) && rng_below(rng, 2))
			json_array_append_new(value, make_value(rng));
		else if (rng_below(rng, 4))
			json_object_set_new(object, name, make_value(rng));
		else
			json_object_del(object, name);
		return;
	}
}

static size_t rewrite(struct fuzz_input *input, json_t *document, uint8_t *data, size_t max_size)
{
	char *text = json_dumps(document, JSON_COMPACT);
	size_t size;

	assert(text);
	input->parts[0] = bytes_text(text);
	input->parts[1] = input->parts[2] = (struct bytes){ 0 }; /* nobody reads them, and they lie in `data` */
	size = fuzz_write(input, data, max_size);
	free(text);
	return size;
}

static size_t make_input(struct rng *rng, uint8_t *data, size_t max_size)
{
	static struct maker maker;
	struct fuzz_input input = { .front = { (uint8_t)rng_u64(rng), BY_EVERYBODY, (uint8_t)rng_u64(rng) } };
	const struct shape *shape = make_shape(input.front[0]);
	struct buf text = buf_growing(DOCUMENT_MAX);
	struct bytes map;
	size_t size;
	enum code code;

	if (!rng_below(rng, 2))
		input.front[1] = rng_below(rng, 2) ? BY_ALL : BY_EVERYBODY & ~BY_AGENT;
	maker.rng = rng_from_number(rng_u64(rng));
	map = make_map(&maker, shape, true, can_come);
	code = pack_read(shape, map, false, row, NULL);
	assert(!code);
	json_write_row(shape, NULL, row, JSON_PUBLIC, &text);
	input.parts[0] = buf_bytes(&text);
	size = fuzz_write(&input, data, max_size);
	buf_done(&text);
	arena_reset(&maker.arena);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct rng rng = rng_from_number(seed);
	size_t way = rng_below(&rng, 4), changed = way ? 0 : make_input(&rng, data, max_size);
	struct fuzz_input input = fuzz_read(data, size);
	json_t *document;

	if (!way && changed)
		return changed;
	if (way > 1 && !json_open(input.parts[0], DOCUMENT_MAX, &document, NULL)) {
		disturb(document, &rng);
		changed = rewrite(&input, document, data, max_size);
		json_decref(document);
	}
	return changed ? changed : fuzz_mutate(data, size, max_size, &rng);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_begin();
	return 0;
}
