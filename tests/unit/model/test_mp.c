/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/mp.h"

#include "tests/unit/base/check.h"
#include "tests/unit/model/hex.h"

#include <msgpack.h>
#include <stdlib.h>

enum { ROUNDS = 20000 };

/* In memory of exactly its size, so that the sanitizer sees each step too far. */
static struct bytes exact(struct bytes bytes)
{
	uint8_t *copy = malloc(bytes.size ? bytes.size : 1);

	assert_non_null(copy);
	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	return bytes_of(copy, bytes.size);
}

static void drop(struct bytes bytes)
{
	free((void *)(uintptr_t)bytes.data);
}

/* The head, and as many bytes behind it as its count asks for at least. */
static const struct head_case {
	const char *head;
	size_t behind;
	enum mp_class class;
	uint64_t value;
} heads[] = {
	{ "00", 0, MP_UINT, 0 },
	{ "7f", 0, MP_UINT, 127 },
	{ "cc 80", 0, MP_UINT, 128 },
	{ "cc ff", 0, MP_UINT, 255 },
	{ "cd 0100", 0, MP_UINT, 256 },
	{ "cd ffff", 0, MP_UINT, 65535 },
	{ "ce 00010000", 0, MP_UINT, 65536 },
	{ "ce ffffffff", 0, MP_UINT, UINT32_MAX },
	{ "cf 0000000100000000", 0, MP_UINT, UINT64_C(1) << 32 },
	{ "cf ffffffffffffffff", 0, MP_UINT, UINT64_MAX },
	{ "ff", 0, MP_NEGATIVE, (uint64_t)-1 },
	{ "e0", 0, MP_NEGATIVE, (uint64_t)-32 },
	{ "d0 df", 0, MP_NEGATIVE, (uint64_t)-33 },
	{ "d0 80", 0, MP_NEGATIVE, (uint64_t)-128 },
	{ "d1 ff7f", 0, MP_NEGATIVE, (uint64_t)-129 },
	{ "d1 8000", 0, MP_NEGATIVE, (uint64_t)-32768 },
	{ "d2 ffff7fff", 0, MP_NEGATIVE, (uint64_t)-32769 },
	{ "d2 80000000", 0, MP_NEGATIVE, (uint64_t)INT32_MIN },
	{ "d3 ffffffff7fffffff", 0, MP_NEGATIVE, (uint64_t)((int64_t)INT32_MIN - 1) },
	{ "d3 8000000000000000", 0, MP_NEGATIVE, UINT64_C(1) << 63 },
	{ "c0", 0, MP_NIL, 0 },
	{ "c2", 0, MP_BOOL, 0 },
	{ "c3", 0, MP_BOOL, 1 },
	{ "a0", 0, MP_TEXT, 0 },
	{ "bf", 31, MP_TEXT, 31 },
	{ "d9 20", 32, MP_TEXT, 32 },
	{ "d9 ff", 255, MP_TEXT, 255 },
	{ "da 0100", 256, MP_TEXT, 256 },
	{ "da ffff", 65535, MP_TEXT, 65535 },
	{ "db 00010000", 65536, MP_TEXT, 65536 },
	{ "c4 00", 0, MP_BIN, 0 },
	{ "c4 ff", 255, MP_BIN, 255 },
	{ "c5 0100", 256, MP_BIN, 256 },
	{ "c5 ffff", 65535, MP_BIN, 65535 },
	{ "c6 00010000", 65536, MP_BIN, 65536 },
	{ "90", 0, MP_ARRAY, 0 },
	{ "9f", 15, MP_ARRAY, 15 },
	{ "dc 0010", 16, MP_ARRAY, 16 },
	{ "dc ffff", 65535, MP_ARRAY, 65535 },
	{ "dd 00010000", 65536, MP_ARRAY, 65536 },
	{ "80", 0, MP_MAP, 0 },
	{ "8f", 30, MP_MAP, 15 },
	{ "de 0010", 32, MP_MAP, 16 },
	{ "de ffff", 131070, MP_MAP, 65535 },
	{ "df 00010000", 131072, MP_MAP, 65536 },
};

static struct bytes with_behind(const struct head_case *c, size_t behind, struct arena *arena)
{
	struct bytes head = unhex(arena, c->head);
	uint8_t *bytes = arena_take(arena, head.size + behind);

	memcpy(bytes, head.data, head.size);
	return bytes_of(bytes, head.size + behind);
}

static void every_head_reads(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++) {
		struct bytes whole = exact(with_behind(&heads[i], heads[i].behind, &arena));
		size_t size = unhex(&arena, heads[i].head).size;
		struct reader r = reader_over(whole);
		struct mp_head head = mp_read(&r);

		print_message("  %s\n", heads[i].head);
		assert_int_equal(head.class, heads[i].class);
		assert_true(head.value == heads[i].value);
		assert_false(r.is_short);
		assert_ptr_equal(r.at, whole.data + size);
		/* Cut anywhere in the head, or one byte of what it promises missing: broken, and it stays so. */
		for (size_t cut = 0; cut < size; cut++) {
			struct bytes part = exact(bytes_of(whole.data, cut));

			r = reader_over(part);
			assert_int_equal(mp_read(&r).class, MP_BROKEN);
			assert_true(r.is_short);
			assert_int_equal(mp_read(&r).class, MP_BROKEN);
			drop(part);
		}
		if (heads[i].behind) {
			r = reader_over(bytes_of(whole.data, whole.size - 1));
			assert_int_equal(mp_read(&r).class, MP_BROKEN);
			assert_true(r.is_short);
		}
		drop(whole);
	}
	arena_done(&arena);
}

static void what_is_written_is_what_the_tables_say(void **state)
{
	struct arena arena = { 0 };
	struct buf buf = buf_growing(1 << 20);

	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++) {
		const struct head_case *c = &heads[i];
		struct bytes wanted = unhex(&arena, c->head), text = bytes_of(arena_take(&arena, c->behind), c->behind);

		buf_clear(&buf);
		switch (c->class) {
		case MP_UINT: mp_put_uint(&buf, c->value); break;
		case MP_NEGATIVE: mp_put_int(&buf, (int64_t)c->value); break;
		case MP_NIL: mp_put_nil(&buf); break;
		case MP_BOOL: mp_put_bool(&buf, c->value); break;
		case MP_TEXT: mp_put_text(&buf, text); break;
		case MP_BIN: mp_put_bin(&buf, text); break;
		case MP_ARRAY: mp_put_array(&buf, c->value); break;
		case MP_MAP: mp_put_map(&buf, c->value); break;
		case MP_BROKEN: break;
		}
		assert_true(buf.size >= wanted.size);
		assert_memory_equal(buf.data, wanted.data, wanted.size);
		assert_int_equal(buf.size - wanted.size, c->class == MP_TEXT || c->class == MP_BIN ? c->behind : 0);
		if (c->class == MP_UINT && c->value <= INT64_MAX) {
			buf_clear(&buf);
			mp_put_int(&buf, (int64_t)c->value);
			assert_true(bytes_equal(buf_bytes(&buf), wanted));
		}
	}
	buf_done(&buf);
	arena_done(&arena);
}

/* Longer than needed, or of a class that we do not have; with plenty of bytes behind. */
static const char *const refused[] = {
	"c1",
	"cc 00",
	"cc 7f",
	"cd 0000",
	"cd 00ff",
	"ce 00000000",
	"ce 0000ffff",
	"cf 0000000000000000",
	"cf 00000000ffffffff",
	"d0 00",
	"d0 7f",
	"d0 e0",
	"d0 ff",
	"d1 0000",
	"d1 7fff",
	"d1 ff80",
	"d1 ffff",
	"d2 00000000",
	"d2 7fffffff",
	"d2 ffff8000",
	"d3 0000000000000000",
	"d3 ffffffff80000000",
	"d3 7fffffffffffffff",
	"d9 00",
	"d9 1f",
	"da 0000",
	"da 00ff",
	"db 0000ffff",
	"c5 0000",
	"c5 00ff",
	"c6 0000ffff",
	"dc 0000",
	"dc 000f",
	"dd 0000ffff",
	"de 0000",
	"de 000f",
	"df 0000ffff",
	"ca 00000000",
	"cb 0000000000000000",
	"c7 0000",
	"c8 000000",
	"c9 0000000000",
	"d4 0000",
	"d5 000000",
	"d6 0000000000",
	"d7 000000000000000000",
	"d8 0000000000000000000000000000000000",
};

static void no_other_form_is_taken(void **state)
{
	static uint8_t room[200000];
	struct arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct bytes head = unhex(&arena, refused[i]);
		struct reader r;

		memcpy(room, head.data, head.size);
		r = reader_over(bytes_of(room, sizeof room));
		print_message("  %s\n", refused[i]);
		assert_int_equal(mp_read(&r).class, MP_BROKEN);
		assert_true(r.is_short);
		assert_false(mp_is_canonical(head));
	}
	arena_done(&arena);
}

static void no_count_exceeds_what_is_there(void **state)
{
	static const char *const hostile[] = {
		"91",         "9f 00",          "dc ffff 00",     "dd ffffffff 00",       "81 00",
		"8f 00 00",   "de ffff 00 00",  "df ffffffff 00", "df 80000001 00",       "a1",
		"bf 00",      "d9 ff 00",       "da ffff 00",     "db ffffffff 00",       "c4 01",
		"c5 ffff 00", "c6 ffffffff 00", "92 91",          "93 dd ffffffff 00 00", "82 00 00 01",
	};
	struct arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(hostile); i++) {
		struct bytes bytes = exact(unhex(&arena, hostile[i]));
		struct reader r = reader_over(bytes);
		struct bytes got = mp_skip(&r);

		print_message("  %s\n", hostile[i]);
		assert_true(r.is_short && !got.size);
		assert_false(mp_is_canonical(bytes));
		drop(bytes);
	}
	arena_done(&arena);
}

static void nesting_ends(void **state)
{
	uint8_t bytes[4 * MP_DEPTH];

	(void)state;
	for (size_t depth = 1; depth < 2 * MP_DEPTH; depth++) {
		memset(bytes, 0x91, depth - 1);
		bytes[depth - 1] = 0x90;
		assert_int_equal(mp_is_canonical(bytes_of(bytes, depth)), depth <= MP_DEPTH);
		bytes[depth - 1] = 0x80;
		assert_int_equal(mp_is_canonical(bytes_of(bytes, depth)), depth <= MP_DEPTH);
		bytes[depth - 1] = 0x07;
		assert_int_equal(mp_is_canonical(bytes_of(bytes, depth)), depth <= MP_DEPTH);
		/* Maps nest in their values: {0: {0: …}}. */
		for (size_t i = 0; i + 1 < depth; i++)
			memcpy(bytes + 2 * i, "\x81\0", 2);
		bytes[2 * (depth - 1)] = 0x07;
		assert_int_equal(mp_is_canonical(bytes_of(bytes, 2 * depth - 1)), depth <= MP_DEPTH);
	}
}

static void map_keys_ascend(void **state)
{
	static const struct {
		const char *bytes;
		bool is_taken;
	} cases[] = {
		{ "82 00 00 01 00", true },
		{ "82 01 00 00 00", false },
		{ "82 01 00 01 00", false },
		{ "82 7f 00 cc80 00", true },
		{ "82 ccff 00 cd0100 00", true },
		{ "82 cd0100 00 ccff 00", false },
		{ "82 a161 00 a162 00", true },
		{ "82 a162 00 a161 00", false },
		{ "82 a161 00 a26161 00", true },
		{ "82 a26161 00 a161 00", false },
		{ "83 00 00 02 00 01 00", false },
		{ "91 82 01 00 00 00", false },
		{ "81 00 82 01 00 00 00", false },
		{ "81 00 82 00 00 01 00", true },
		{ "00 00", false },
		{ "", false },
	};
	struct arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		print_message("  %s\n", cases[i].bytes);
		assert_int_equal(mp_is_canonical(unhex(&arena, cases[i].bytes)), cases[i].is_taken);
	}
	arena_done(&arena);
}

/* What msgpack-c made of the bytes, and what we read, step by step. */
static void compare(const msgpack_object *object, struct reader *r)
{
	struct mp_head head = mp_read(r);

	switch (object->type) {
	case MSGPACK_OBJECT_NIL: assert_int_equal(head.class, MP_NIL); break;
	case MSGPACK_OBJECT_BOOLEAN:
		assert_int_equal(head.class, MP_BOOL);
		assert_int_equal(head.value, object->via.boolean);
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		assert_int_equal(head.class, MP_UINT);
		assert_true(head.value == object->via.u64);
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		assert_int_equal(head.class, MP_NEGATIVE);
		assert_true((int64_t)head.value == object->via.i64);
		break;
	case MSGPACK_OBJECT_STR:
	case MSGPACK_OBJECT_BIN:
		assert_int_equal(head.class, object->type == MSGPACK_OBJECT_STR ? MP_TEXT : MP_BIN);
		assert_int_equal(head.value, object->via.str.size);
		assert_memory_equal(read_bytes(r, head.value), object->via.str.ptr, head.value);
		break;
	case MSGPACK_OBJECT_ARRAY:
		assert_int_equal(head.class, MP_ARRAY);
		assert_int_equal(head.value, object->via.array.size);
		for (uint32_t i = 0; i < object->via.array.size; i++)
			compare(&object->via.array.ptr[i], r);
		break;
	case MSGPACK_OBJECT_MAP:
		assert_int_equal(head.class, MP_MAP);
		assert_int_equal(head.value, object->via.map.size);
		for (uint32_t i = 0; i < object->via.map.size; i++) {
			compare(&object->via.map.ptr[i].key, r);
			compare(&object->via.map.ptr[i].val, r);
		}
		break;
	default: fail_msg("msgpack-c found a class that we do not have");
	}
}

/* Whatever we take, msgpack-c takes, understands alike and packs to the same bytes: it was the shortest form. */
static void check_against_msgpack_c(struct bytes bytes)
{
	struct reader r = reader_over(bytes);
	msgpack_sbuffer again;
	msgpack_packer packer;
	msgpack_unpacked result;
	size_t end = 0;

	msgpack_unpacked_init(&result);
	msgpack_sbuffer_init(&again);
	msgpack_packer_init(&packer, &again, msgpack_sbuffer_write);
	assert_int_equal(msgpack_unpack_next(&result, (const char *)bytes.data, bytes.size, &end),
			 MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(end, bytes.size);
	compare(&result.data, &r);
	assert_int_equal(reader_left(&r), 0);
	assert_int_equal(msgpack_pack_object(&packer, result.data), 0);
	assert_int_equal(again.size, bytes.size);
	assert_memory_equal(again.data, bytes.data, bytes.size);
	msgpack_sbuffer_destroy(&again);
	msgpack_unpacked_destroy(&result);
}

static uint64_t dice_number(void)
{
	return dice() >> dice_below(64);
}

static void pack_random(msgpack_packer *p, unsigned depth)
{
	static const char text[70000];
	size_t size = dice_below(20) ? dice_below(40) : dice_below(sizeof text);

	switch (dice_below(depth ? 8 : 6)) {
	case 0: msgpack_pack_uint64(p, dice_number()); break;
	case 1: msgpack_pack_int64(p, -(int64_t)(dice_number() >> 1)); break;
	case 2: msgpack_pack_nil(p); break;
	case 3: dice_below(2) ? msgpack_pack_true(p) : msgpack_pack_false(p); break;
	case 4:
		msgpack_pack_str(p, size);
		msgpack_pack_str_body(p, text, size);
		break;
	case 5:
		msgpack_pack_bin(p, size);
		msgpack_pack_bin_body(p, text, size);
		break;
	case 6:
		size = dice_below(20);
		msgpack_pack_array(p, size);
		for (size_t i = 0; i < size; i++)
			pack_random(p, depth - 1);
		break;
	default:
		size = dice_below(20);
		msgpack_pack_map(p, size);
		for (size_t i = 0; i < size; i++) {
			msgpack_pack_uint64(p, i < 5 ? i : 5 + i * 1000);
			pack_random(p, depth - 1);
		}
	}
}

static void what_msgpack_c_packs_is_read(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS / 10; round++) {
		msgpack_sbuffer made;
		msgpack_packer packer;
		struct bytes bytes;

		msgpack_sbuffer_init(&made);
		msgpack_packer_init(&packer, &made, msgpack_sbuffer_write);
		pack_random(&packer, 3);
		bytes = exact(bytes_of(made.data, made.size));
		assert_true(mp_is_canonical(bytes));
		check_against_msgpack_c(bytes);
		drop(bytes);
		msgpack_sbuffer_destroy(&made);
	}
}

static void random_bytes_do_no_harm(void **state)
{
	static const uint8_t likely[] = {
		0x80, 0x81, 0x90, 0x92, 0xa1, 0xc0, 0xc4, 0xcc, 0xcd, 0xd0, 0xd9, 0xdc, 0xde
	};
	size_t taken = 0;

	(void)state;
	for (int round = 0; round < ROUNDS * 10; round++) {
		uint8_t room[24];
		size_t size = dice_below(sizeof room + 1);
		struct bytes bytes;

		dice_fill(room, size);
		for (size_t i = 0; i < size; i++)
			if (dice_below(2))
				room[i] = dice_below(2) ? room[i] & 0x7f : likely[dice_below(sizeof likely)];
		bytes = exact(bytes_of(room, size));
		if (mp_is_canonical(bytes)) {
			check_against_msgpack_c(bytes);
			taken += size > 2;
		}
		drop(bytes);
	}
	assert_true(taken > 200);
}

/* The short ways take nothing that the long one refuses, read the same, and else leave the reader where it was. */
static void check_short_ways(struct bytes bytes)
{
	struct reader slow = reader_over(bytes), quick = slow, texts = slow, bins = slow;
	struct mp_head head = mp_read(&slow);
	struct bytes found;
	uint64_t number;

	if (mp_read_quick_uint(&quick, &number)) {
		assert_int_equal(head.class, MP_UINT);
		assert_true(number == head.value && quick.at == slow.at);
	} else {
		assert_true(quick.at == bytes.data && !quick.is_short);
	}
	if (mp_read_short_text(&texts, &found)) {
		assert_int_equal(head.class, MP_TEXT);
		assert_true(found.size == head.value && found.data == slow.at && texts.at == slow.at + found.size);
	} else {
		assert_true(texts.at == bytes.data && !texts.is_short);
	}
	if (mp_read_short_bin(&bins, &found)) {
		assert_int_equal(head.class, MP_BIN);
		assert_true(found.size == head.value && found.data == slow.at && bins.at == slow.at + found.size);
	} else {
		assert_true(bins.at == bytes.data && !bins.is_short);
	}
}

static void short_ways_lead_to_the_same(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS * 10; round++) {
		uint8_t room[14] = { (uint8_t)dice() };
		struct bytes bytes;

		for (size_t i = 1; i < sizeof room; i++)
			room[i] = dice_below(3) ? 0 : (uint8_t)dice();
		if (dice_below(2))
			room[0] = (uint8_t)(0xc0 + dice_below(16));
		if (room[0] == 0xc4)
			room[1] &= 15;
		bytes = exact(bytes_of(room, dice_below(sizeof room + 1)));
		check_short_ways(bytes);
		drop(bytes);
	}
}

static void skipping_gives_the_bytes_of_one_value(void **state)
{
	struct arena arena = { 0 };
	struct bytes bytes = unhex(&arena, "92 01 a161 c0 82 00 90 01 c401ff 2a");
	struct reader r = reader_over(bytes);

	(void)state;
	assert_int_equal(mp_skip(&r).size, 4);
	assert_int_equal(mp_skip(&r).size, 1);
	assert_int_equal(mp_skip(&r).size, 7);
	assert_int_equal(mp_read(&r).value, 42);
	assert_int_equal(mp_skip(&r).size, 0);
	assert_true(r.is_short);
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_head_reads),
		cmocka_unit_test(what_is_written_is_what_the_tables_say),
		cmocka_unit_test(no_other_form_is_taken),
		cmocka_unit_test(no_count_exceeds_what_is_there),
		cmocka_unit_test(nesting_ends),
		cmocka_unit_test(map_keys_ascend),
		cmocka_unit_test(what_msgpack_c_packs_is_read),
		cmocka_unit_test(random_bytes_do_no_harm),
		cmocka_unit_test(short_ways_lead_to_the_same),
		cmocka_unit_test(skipping_gives_the_bytes_of_one_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
