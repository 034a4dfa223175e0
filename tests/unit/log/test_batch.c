/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/batch.h"

#include "crdt/model/mp.h"
#include "crdt/model/record.h"
#include "tests/unit/base/check.h"
#include "tests/unit/model/gen_row.h"
#include "tests/unit/model/hex.h"

#include <sodium.h>
#include <stdlib.h>

enum { BATCHES = 300, MUTATIONS = 60000, ENTRIES = 12, OPS = 4, ODD_KIND = 0xfff1 };

static struct arena arena;
static struct rng rng;
static struct signer author;
static uint64_t node;
static const struct id cluster = { { 1, 2, 3 } };

static uint64_t below(uint64_t bound)
{
	return rng_below(&rng, bound);
}

/* In memory of its own, so that the sanitizer sees each step too far. */
static struct bytes exact(struct bytes bytes)
{
	uint8_t *copy = malloc(bytes.size ? bytes.size : 1);

	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	return bytes_of(copy, bytes.size);
}

/* The same map with another number in its field 4. */
static struct bytes authored(struct bytes map, uint64_t by)
{
	struct reader r = reader_over(map);
	struct buf buf = buf_growing(BATCH_MAX);
	uint64_t count = mp_read(&r).value;
	struct bytes made;

	mp_put_map(&buf, count);
	while (count--) {
		uint64_t number = mp_read(&r).value;
		struct bytes value = mp_skip(&r);

		mp_put_uint(&buf, number);
		if (number == RECORD_FIRST)
			mp_put_uint(&buf, by);
		else
			buf_put_bytes(&buf, value);
	}
	made = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return made;
}

/* One that its author may write: of any kind with ops, also of one that only later versions know. */
static struct op some_op(void)
{
	const struct kind *kind = &model_kinds[below(MODEL_KINDS)];
	struct op op = { .kind = kind->number };

	if (kind->number % 4 == TIER_STATEMENT)
		return some_op();
	do
		op.map = gen_op(kind, &rng, &arena, &op.id);
	while (op.map.size > 2000);
	if (op.kind % 4 == TIER_OWN) {
		op.map = authored(op.map, node);
		op.id = gen_id_of(op.kind, op.map);
	} else if (!below(4)) {
		op = (struct op){ .kind = op.kind, .id = op.id, .is_dead = true };
	} else if (!below(4)) {
		op.kind = ODD_KIND;
	}
	return op;
}

static struct hlc some_time(void)
{
	return (struct hlc){ rng_u64(&rng) >> (1 + below(63)) };
}

struct made {
	struct hlc hlc;
	bool has_actor;
	struct ref actor;
	struct op ops[OPS];
	size_t count;
	struct bytes bytes;
};

static struct made some_entry(void)
{
	struct made made = { .hlc = some_time(), .has_actor = below(2), .count = 1 + below(OPS) };
	struct buf buf = buf_growing(BATCH_MAX);

	if (made.has_actor)
		made.actor = (struct ref){ 1 + (uint32_t)below(MODEL_KIND_MAX), { { (uint8_t)below(256) } } };
	for (size_t i = 0; i < made.count; i++)
		made.ops[i] = some_op();
	entry_write(made.hlc, made.has_actor ? &made.actor : NULL, made.ops, made.count, &buf);
	made.bytes = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return made;
}

static void assert_bytes(struct bytes is, struct bytes should)
{
	assert_int_equal(is.size, should.size);
	if (is.size)
		assert_memory_equal(is.data, should.data, is.size);
}

static void assert_entry(const struct entry *is, const struct made *made)
{
	struct reader ops = reader_over(is->ops);
	struct op op;

	assert_true(is->hlc.bits == made->hlc.bits && is->has_actor == made->has_actor && is->count == made->count);
	assert_memory_equal(&is->actor, &made->actor, sizeof is->actor);
	assert_bytes(is->whole, made->bytes);
	for (size_t i = 0; i < made->count; i++) {
		assert_true(entry_next(&ops, &op));
		assert_true(op.kind == made->ops[i].kind && id_equal(op.id, made->ops[i].id) &&
			    op.is_dead == made->ops[i].is_dead);
		assert_bytes(op.map, made->ops[i].map);
	}
	assert_false(entry_next(&ops, &op));
}

static struct bytes written(struct end before, struct bytes entries, uint32_t count)
{
	struct stream stream = { node, 1, LANE_PEOPLE };
	struct buf buf = buf_growing(2 * BATCH_MAX);
	struct bytes whole;

	batch_write(&author, cluster, stream, before, entries, count, &buf);
	whole = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return whole;
}

static struct batch read(struct bytes whole)
{
	struct err err = { 0 };
	struct batch batch;

	if (batch_read(whole, &batch, &err))
		fail_msg("%s", err.text);
	return batch;
}

static void what_was_written_is_read(void **state)
{
	struct end before = { 0 };

	(void)state;
	for (int n = 0; n < BATCHES; n++) {
		struct made made[ENTRIES];
		size_t count = 1 + below(ENTRIES), i = 0;
		struct buf buf = buf_growing(ENTRY_MAX);
		struct batch batch;
		struct reader entries;
		struct entry entry;
		enum code validity;

		for (; i < count; i++) {
			made[i] = some_entry();
			if (buf.size + made[i].bytes.size > ENTRY_MAX)
				break;
			buf_put_bytes(&buf, made[i].bytes);
		}
		count = i;
		batch = read(written(before, buf_bytes(&buf), (uint32_t)count));
		assert_true(batch_is_signed(&batch, author.key));
		assert_int_equal(batch.version, BATCH_VERSION);
		assert_true(id_equal(batch.cluster, cluster) && id_equal(batch.before, before.hash));
		assert_true(batch.first == before.seq + 1 && batch.end.seq == before.seq + count);
		assert_true(batch.stream.node == node && batch.stream.start == 1);
		assert_int_equal(batch.stream.lane, LANE_PEOPLE);
		assert_bytes(batch.entries, buf_bytes(&buf));
		assert_true(batch.whole.size - buf.size <= BATCH_FRONT_MAX);
		entries = reader_over(batch.entries);
		for (i = 0; i < count; i++) {
			assert_true(batch_next(&entries, node, &entry, &validity, NULL));
			assert_int_equal(validity, OK);
			assert_entry(&entry, &made[i]);
		}
		assert_false(batch_next(&entries, node, &entry, &validity, NULL));
		before = below(20) ? batch.end : (struct end){ 0 };
		buf_done(&buf);
		arena_reset(&arena);
	}
}

/* What a reader says that goes over the bytes with the long ways of mp.h and record.h alone. */
static bool is_valid(struct bytes whole)
{
	struct reader r = reader_over(whole);
	static struct record record;
	struct mp_head fields = mp_read(&r), time = mp_read(&r), actor, ops;

	if (fields.class != MP_ARRAY || fields.value != 3 || time.class != MP_UINT || time.value >> 63 ||
	    whole.size > ENTRY_MAX)
		return false;
	actor = mp_read(&r);
	if (actor.class == MP_ARRAY) {
		struct mp_head kind = mp_read(&r), id = mp_read(&r);

		if (actor.value != 2 || kind.class != MP_UINT || !kind.value || kind.value > MODEL_KIND_MAX ||
		    id.class != MP_BIN || id.value != 16 || !read_bytes(&r, 16))
			return false;
	} else if (actor.class != MP_NIL) {
		return false;
	}
	ops = mp_read(&r);
	if (ops.class != MP_ARRAY || !ops.value || ops.value > ENTRY_OPS_MAX)
		return false;
	for (uint64_t i = 0; i < ops.value; i++) {
		struct mp_head op = mp_read(&r), kind = mp_read(&r), id = mp_read(&r);
		struct bytes map;
		bool is_authors = false;

		if (op.class != MP_ARRAY || op.value != 3 || kind.class != MP_UINT || kind.value > MODEL_KIND_MAX ||
		    id.class != MP_BIN || id.value != 16 || !read_bytes(&r, 16))
			return false;
		map = mp_skip(&r);
		if (r.is_short)
			return false;
		if (map.data[0] == 0xc0 ? kind.value % 4 != TIER_SHARED
					: record_from_op(map, (struct stamp){ 0 }, &record, NULL) != OK)
			return false;
		for (size_t k = 0; map.data[0] != 0xc0 && k < record.count; k++) {
			struct reader value = reader_over(record.cells[k].value);
			struct mp_head number = mp_read(&value);

			is_authors |= record.cells[k].number == 4 && number.class == MP_UINT && number.value == node;
		}
		if (kind.value % 4 != TIER_SHARED && (kind.value % 4 != TIER_OWN || !is_authors))
			return false;
	}
	return !reader_left(&r);
}

static struct bytes bent(struct bytes bytes)
{
	static const uint8_t odd[] = {
		0xc0, 0xc1, 0xc4, 0xcc, 0xcd, 0xcf, 0x80, 0x81, 0x90, 0x93, 0xa0, 0x00, 0x7f, 4
	};
	uint8_t *copy = arena_take(&arena, bytes.size + 1);
	size_t at = below(bytes.size), changes = 1 + below(2);

	memcpy(copy, bytes.data, bytes.size);
	if (!below(6))
		return bytes_of(copy, at);
	if (!below(8)) {
		copy[bytes.size] = (uint8_t)below(256);
		return bytes_of(copy, bytes.size + 1);
	}
	while (changes--) {
		at = below(2) ? below(bytes.size) : below(bytes.size < 40 ? bytes.size : 40);
		if (below(2))
			copy[at] = odd[below(COUNT(odd))];
		else
			copy[at] ^= (uint8_t)(1 << below(8));
	}
	return bytes_of(copy, bytes.size);
}

/* Judged by itself, and as the middle one of a batch, where those around it stay what they are. */
static void assert_judged(struct bytes bytes, struct bytes good, size_t *valid)
{
	struct entry entry = { .count = 77 }, untouched = entry;
	struct err err = { 0 };
	bool is = is_valid(bytes);
	struct reader r;
	struct bytes copy = exact(bytes), all;
	enum code code = entry_check(copy, node, &entry, &err), validity;
	uint8_t *room = arena_take(&arena, 2 * good.size + bytes.size);

	assert_int_equal(!code, is);
	if (code)
		assert_true(*err.text && (code == E_FORM || code == E_LIMIT || code == E_DENIED));
	if (code)
		assert_memory_equal(&entry, &untouched, sizeof entry);
	*valid += is;
	r = reader_over(copy);
	if (mp_skip(&r).size == copy.size && copy.size) {
		memcpy(room, good.data, good.size);
		memcpy(room + good.size, bytes.data, bytes.size);
		memcpy(room + good.size + bytes.size, good.data, good.size);
		all = exact(bytes_of(room, 2 * good.size + bytes.size));
		r = reader_over(all);
		assert_true(batch_next(&r, node, &entry, &validity, NULL) && !validity);
		assert_true(batch_next(&r, node, &entry, &validity, NULL) && validity == code);
		assert_true(batch_next(&r, node, &entry, &validity, NULL) && !validity);
		assert_false(batch_next(&r, node, &entry, &validity, NULL));
		free((void *)all.data);
	}
	free((void *)copy.data);
}

static void an_entry_is_valid_when_the_long_way_says_so(void **state)
{
	size_t valid = 0;

	(void)state;
	for (int n = 0; n < MUTATIONS / 100; n++) {
		struct made made = some_entry(), good = some_entry();

		assert_true(is_valid(made.bytes));
		for (int k = 0; k < 100; k++)
			assert_judged(bent(made.bytes), good.bytes, &valid);
		arena_reset(&arena);
	}
	print_message("of %d bent entries %zu are valid\n", MUTATIONS, valid);
	assert_true(valid > MUTATIONS / 20 && valid < MUTATIONS * 19 / 20);
}

#define ID "c410 00112233445566778899aabbccddeeff "
static const struct judged {
	const char *hex;
	enum code code;
} judged[] = {
	/* The author's number is 7 here, kinds are 0x41 (shared) and 0x06 (own). */
	{ "93 01 c0 91 93 41 " ID "80", OK },
	{ "93 01 c0 91 93 41 " ID "c0", OK },
	{ "93 00 92 41 " ID "91 93 41 " ID "c0", OK },
	{ "93 cf7fffffffffffffff c0 91 93 41 " ID "c0", OK },
	{ "93 cf8000000000000000 c0 91 93 41 " ID "c0", E_FORM },
	{ "93 cc01 c0 91 93 41 " ID "c0", E_FORM },
	{ "93 ff c0 91 93 41 " ID "c0", E_FORM },
	{ "92 01 c0", E_FORM },
	{ "94 01 c0 91 93 41 " ID "c0 00", E_FORM },
	{ "93 01 c0 90", E_FORM },
	{ "93 01 c0 80", E_FORM },
	{ "93 01 c0 dc0001 93 41 " ID "c0", E_FORM },
	{ "93 01 92 00 " ID "91 93 41 " ID "c0", E_FORM },
	{ "93 01 92 ce00010001 " ID "91 93 41 " ID "c0", E_FORM },
	{ "93 01 91 41 91 93 41 " ID "c0", E_FORM },
	{ "93 01 c2 91 93 41 " ID "c0", E_FORM },
	{ "93 01 c0 91 93 41 " ID "c2", E_FORM },
	{ "93 01 c0 91 92 41 " ID, E_FORM },
	{ "93 01 c0 91 93 ce00010001 " ID "c0", E_FORM },
	{ "93 01 c0 91 93 cdffff " ID "c0", E_DENIED },
	{ "93 01 c0 91 93 cdfffd " ID "c0", OK },
	{ "93 01 c0 91 93 41 c40f 00112233445566778899aabbccddee c0", E_FORM },
	{ "93 01 c0 91 93 41 " ID "82 05 01 01 01", E_FORM },
	{ "93 01 c0 91 93 41 " ID "81 04 c0", E_FORM },
	{ "93 01 c0 91 93 41 " ID "81 cd0104 01", E_FORM },
	{ "93 01 c0 91 93 41 " ID "80 00", E_FORM },
	{ "93 01 c0 91 93 00 " ID "c0", E_DENIED },
	{ "93 01 c0 91 93 04 " ID "81 04 07", E_DENIED },
	{ "93 01 c0 91 93 07 " ID "81 04 07", E_DENIED },
	{ "93 01 c0 91 93 06 " ID "81 04 07", OK },
	{ "93 01 c0 91 93 06 " ID "82 00 01 04 07", OK },
	{ "93 01 c0 91 93 06 " ID "81 04 08", E_DENIED },
	{ "93 01 c0 91 93 06 " ID "81 04 9107", E_DENIED },
	{ "93 01 c0 91 93 06 " ID "81 08 07", E_DENIED },
	{ "93 01 c0 91 93 06 " ID "81 00 07", E_DENIED },
	{ "93 01 c0 91 93 06 " ID "80", E_DENIED },
	{ "93 01 c0 91 93 06 " ID "c0", E_DENIED },
	{ "93 01 c0 92 93 06 " ID "81 04 07 93 06 " ID "81 04 08", E_DENIED },
};

static void each_rule_of_entries_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(judged); i++) {
		struct bytes bytes = exact(unhex(&arena, judged[i].hex));
		struct entry entry;
		struct err err = { 0 };
		enum code code = entry_check(bytes, 7, &entry, &err);

		if (code != judged[i].code)
			fail_msg("%s: %s", judged[i].hex, code ? err.text : "is valid");
		assert_int_equal(entry_check(bytes, 7, &entry, NULL), code);
		free((void *)bytes.data);
	}
	arena_reset(&arena);
}

static struct bytes entry_of(size_t ops, size_t size)
{
	struct buf buf = buf_growing(2 * BATCH_MAX);
	struct op op = { .kind = KIND_group, .map = bytes_of("\x80", 1) };
	struct bytes made;

	mp_put_array(&buf, 3);
	mp_put_uint(&buf, 5);
	mp_put_nil(&buf);
	mp_put_array(&buf, ops);
	for (size_t i = 0; i < ops; i++) {
		size_t front = buf.size;

		entry_write((struct hlc){ 0 }, NULL, &op, 1, &buf);
		/* Without the frame of an entry, which is four bytes here. */
		memmove(buf.data + front, buf.data + front + 4, buf.size - front - 4);
		buf.size -= 4;
	}
	if (size) {
		buf.size--; /* the last map gets a field that fills the entry */
		buf_put(&buf, "\x81\x04\xc5", 3);
		buf_put_big_endian(&buf, size - buf.size - 2, 2);
		while (buf.size < size)
			buf_put_byte(&buf, 0);
	}
	made = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return made;
}

static void limits_are_where_they_are_said_to_be(void **state)
{
	struct entry entry;

	(void)state;
	assert_int_equal(entry_check(entry_of(ENTRY_OPS_MAX, 0), node, &entry, NULL), OK);
	assert_int_equal(entry.count, ENTRY_OPS_MAX);
	assert_int_equal(entry_check(entry_of(ENTRY_OPS_MAX + 1, 0), node, &entry, NULL), E_LIMIT);
	assert_int_equal(entry_check(entry_of(300, ENTRY_MAX), node, &entry, NULL), OK);
	assert_int_equal(entry_check(entry_of(300, ENTRY_MAX + 1), node, &entry, NULL), E_LIMIT);
	assert_true(read(written((struct end){ UINT32_MAX, cluster }, entry_of(300, ENTRY_MAX), 1)).whole.size <=
		    BATCH_MAX);
	assert_int_equal(entry_check(entry_of(1, MODEL_OP_MAX + 23), node, &entry, NULL), OK);
	assert_int_equal(entry_check(entry_of(1, MODEL_OP_MAX + 28), node, &entry, NULL), E_LIMIT);
	arena_reset(&arena);
}

/* Fewer values than said, more, or none at all. */
static void entries_that_are_not_as_many_as_said_are_void(void **state)
{
	struct made made = some_entry();
	struct bytes twice = entry_of(2, 0);
	struct buf buf = buf_growing(BATCH_MAX);

	(void)state;
	buf_put_bytes(&buf, made.bytes);
	buf_put_bytes(&buf, twice);
	for (uint32_t count = 1; count < 5; count++) {
		struct batch batch = read(written((struct end){ 0 }, buf_bytes(&buf), count));

		assert_int_equal(batch.count, count);
		assert_int_equal(batch.end.seq, count);
		assert_int_equal(batch.entries.size, count == 2 ? buf.size : 0);
		assert_true(batch_is_signed(&batch, author.key));
	}
	buf_put_byte(&buf, 0xc1);
	assert_int_equal(read(written((struct end){ 0 }, buf_bytes(&buf), 3)).entries.size, 0);
	assert_int_equal(read(written((struct end){ 0 }, buf_bytes(&buf), 2)).entries.size, 0);
	assert_int_equal(read(written((struct end){ 0 }, bytes_of(NULL, 0), 1)).entries.size, 0);
	buf_done(&buf);
	arena_reset(&arena);
}

/* A header from numbers, signed as it is. */
struct raw {
	uint64_t fields, version, node, start, lane, first, count;
	struct id before;
};

static enum code read_raw(const struct raw *raw, const char *says)
{
	struct buf header = buf_growing(BATCH_MAX), whole = buf_growing(2 * BATCH_MAX);
	struct bytes entries = entry_of(1, 0);
	struct batch batch = { .count = 77 }, untouched = batch;
	struct signature signature;
	struct err err = { 0 };
	uint8_t hash[32];
	enum code code;

	crypto_generichash(hash, sizeof hash, entries.data, entries.size, NULL, 0);
	mp_put_array(&header, raw->fields);
	mp_put_uint(&header, raw->version);
	mp_put_bin(&header, bytes_of(cluster.bytes, 16));
	mp_put_uint(&header, raw->node);
	mp_put_uint(&header, raw->start);
	mp_put_uint(&header, raw->lane);
	mp_put_uint(&header, raw->first);
	mp_put_uint(&header, raw->count);
	mp_put_bin(&header, bytes_of(raw->before.bytes, 16));
	mp_put_bin(&header, bytes_of(hash, sizeof hash));
	signature = sign_make(&author, SIGN_BATCH, buf_bytes(&header));
	buf_put_bytes(&whole, buf_bytes(&header));
	mp_put_bin(&whole, bytes_of(signature.bytes, sizeof signature.bytes));
	buf_put_bytes(&whole, entries);
	code = batch_read(buf_bytes(&whole), &batch, &err);
	if (code && !strstr(err.text, says))
		fail_msg("%s", err.text);
	if (code)
		assert_memory_equal(&batch, &untouched, sizeof batch);
	buf_done(&header);
	buf_done(&whole);
	return code;
}

static void each_rule_of_headers_holds(void **state)
{
	const struct raw good = { 9, 1, 5, 1, 2, 1, 1, { { 0 } } };
	struct raw raw;

	(void)state;
#define RAW(field, value, code, says) \
	raw = good;                   \
	raw.field = value;            \
	assert_int_equal(read_raw(&raw, says), code)
	assert_int_equal(read_raw(&good, ""), OK);
	RAW(fields, 8, E_FORM, "header");
	RAW(fields, 10, E_FORM, "header");
	RAW(version, 0, E_FORM, "no version");
	RAW(version, 2, E_NEWER, "newer");
	RAW(node, 0, E_FORM, "no stream");
	RAW(start, 0, E_FORM, "no stream");
	RAW(lane, LANES, E_FORM, "no stream");
	RAW(first, 0, E_FORM, "no numbers");
	RAW(count, 0, E_FORM, "no numbers");
	RAW(count, BATCH_ENTRIES_MAX, OK, "");
	RAW(count, BATCH_ENTRIES_MAX + 1, E_LIMIT, "more than");
	RAW(first, 2, E_FORM, "none before it");
	RAW(before, cluster, E_FORM, "none before it");
	RAW(first, UINT64_MAX, E_FORM, "no numbers");
	raw.before = cluster;
	raw.first = UINT64_MAX - 1;
	assert_int_equal(read_raw(&raw, ""), OK);
	raw.count = 2;
	assert_int_equal(read_raw(&raw, "no numbers"), E_FORM);
	arena_reset(&arena);
}

/* Every single bit matters: to the form, the chain, the hash or the signature. */
static void no_bit_of_a_batch_can_change(void **state)
{
	struct bytes whole = exact(written((struct end){ 9, cluster }, entry_of(2, 0), 1));
	uint8_t *bytes = (uint8_t *)whole.data;

	(void)state;
	for (size_t bit = 0; bit < 8 * whole.size; bit++) {
		struct batch batch;

		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (!batch_read(whole, &batch, NULL))
			assert_false(batch_is_signed(&batch, author.key));
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t size = 0; size < whole.size; size++) {
		struct bytes cut = exact(bytes_of(whole.data, size));
		struct batch batch;

		assert_int_not_equal(batch_read(cut, &batch, NULL), OK);
		free((void *)cut.data);
	}
	free((void *)whole.data);
	arena_reset(&arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(an_entry_is_valid_when_the_long_way_says_so),
		cmocka_unit_test(each_rule_of_entries_holds),
		cmocka_unit_test(limits_are_where_they_are_said_to_be),
		cmocka_unit_test(entries_that_are_not_as_many_as_said_are_void),
		cmocka_unit_test(each_rule_of_headers_holds),
		cmocka_unit_test(no_bit_of_a_batch_can_change),
	};
	uint8_t seed[32] = { 4 };
	int failed;

	author = signer_from_seed(seed);
	node = node_of_key(author.key);
	rng = rng_from_number(1);
	failed = cmocka_run_group_tests_name("batch", tests, NULL, NULL);
	arena_done(&arena);
	return failed;
}
