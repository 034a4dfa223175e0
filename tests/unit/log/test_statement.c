/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/statement.h"

#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "tests/unit/base/check.h"
#include "tests/unit/model/gen_row.h"
#include "tests/unit/model/hex.h"

#include <stdlib.h>

enum { ROUNDS = 60 };

static struct arena arena;
static struct rng rng;
static struct signer signer;
static const struct id cluster = { { 1, 2, 3 } };

static struct bytes exact(struct bytes bytes)
{
	uint8_t *copy = malloc(bytes.size ? bytes.size : 1);

	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	return bytes_of(copy, bytes.size);
}

static struct bytes written(const struct kind *kind, const void *row, const struct id *heads, size_t count)
{
	struct buf buf = buf_growing(2 * STATEMENT_MAX);
	struct bytes whole;

	statement_write(&signer, cluster, kind, row, heads, count, &buf);
	whole = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return whole;
}

static struct statement read(struct bytes whole)
{
	struct statement statement;
	struct err err = { 0 };

	if (statement_read(whole, &statement, &err))
		fail_msg("%s", err.text);
	return statement;
}

static void assert_ascend(struct bytes heads)
{
	for (size_t at = 16; at < heads.size; at += 16)
		assert_true(memcmp(heads.data + at - 16, heads.data + at, 16) < 0);
}

static void what_was_written_is_read(void **state)
{
	_Alignas(max_align_t) static uint8_t row[4096];
	size_t kinds = 0;

	(void)state;
	for (size_t n = 0; n < MODEL_KINDS * ROUNDS; n++) {
		const struct kind *kind = &model_kinds[n % MODEL_KINDS];
		struct id heads[STATEMENT_HEADS_MAX];
		size_t count = rng_below(&rng, STATEMENT_HEADS_MAX + 1);
		struct buf map = buf_growing(STATEMENT_MAX);
		struct statement statement;

		if (kind->number % 4 != TIER_STATEMENT)
			continue;
		kinds++;
		if (kind->number == KIND_admission)
			count = 0;
		rng_fill(&rng, heads, sizeof heads);
		if (count > 1)
			heads[0] = heads[1];
		gen_row(&kind->shape, &rng, &arena, row);
		pack_write(&kind->shape, row, &map);
		statement = read(written(kind, row, heads, count));
		assert_true(statement_is_signed(&statement));
		assert_true(id_equal(statement.cluster, cluster));
		assert_memory_equal(statement.signer.bytes, signer.key.bytes, 32);
		assert_int_equal(statement.kind, kind->number);
		assert_true(bytes_equal(statement.map, buf_bytes(&map)));
		assert_true(id_equal(statement.id, gen_id_of(kind->number, statement.map)));
		assert_int_equal(statement.heads.size, 16 * (count > 1 ? count - 1 : count));
		assert_ascend(statement.heads);
		assert_int_equal(statement.whole.size, statement.body.size + 66);
		if (kind->number == KIND_cluster)
			assert_true(id_equal(statement.id, cluster_id((const void *)row)));
		buf_done(&map);
		arena_reset(&arena);
	}
	assert_int_equal(kinds, 11 * ROUNDS);
}

static struct bytes one(void)
{
	struct level_row row = { .has = BIT(AT_level_level), .level = 3 };
	struct id heads[] = { { { 2 } }, { { 1 } } };

	return written(KIND_TABLE(level), &row, heads, 2);
}

static void no_bit_of_a_statement_can_change(void **state)
{
	struct bytes whole = exact(one());
	uint8_t *bytes = (uint8_t *)whole.data;
	struct statement statement, other;

	(void)state;
	statement = read(whole);
	for (size_t bit = 0; bit < 8 * whole.size; bit++) {
		struct id hash = statement.hash;

		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (!statement_read(whole, &other, NULL)) {
			assert_false(statement_is_signed(&other));
			assert_int_equal(id_equal(other.hash, hash), bit / 8 >= statement.body.size);
		}
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t size = 0; size < whole.size; size++) {
		struct bytes cut = exact(bytes_of(whole.data, size));

		assert_int_equal(statement_read(cut, &other, NULL), E_FORM);
		free((void *)cut.data);
	}
	free((void *)whole.data);
	arena_reset(&arena);
}

#define ID "c410 00112233445566778899aabbccddeeff "
#define KEY "c420 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff "
#define SIGNATURE                                                               \
	"c440 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" \
	"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define LEVEL "24 81 04 03 "

static const struct form {
	const char *hex;
	enum code code;
	const char *says;
} forms[] = {
	{ "96 01 " ID KEY LEVEL "c400 " SIGNATURE, OK, "" },
	{ "96 01 " ID KEY LEVEL ID SIGNATURE, OK, "" },
	{ "96 01 " ID KEY LEVEL "c420 00112233445566778899aabbccddeeff 00112233445566778899aabbccddeefe" SIGNATURE,
	  E_FORM, "ascend" },
	{ "96 01 " ID KEY LEVEL "c420 00112233445566778899aabbccddeeff 00112233445566778899aabbccddeeff" SIGNATURE,
	  E_FORM, "ascend" },
	{ "96 01 " ID KEY LEVEL "c401 00 " SIGNATURE, E_FORM, "no hashes" },
	{ "96 01 " ID KEY LEVEL "90 " SIGNATURE, E_FORM, "no hashes" },
	{ "96 01 " ID KEY LEVEL "c420 00", E_FORM, "heads" },
	{ "96 01 " ID KEY LEVEL "c400 " SIGNATURE "00", E_FORM, "does not end" },
	{ "96 01 " ID KEY LEVEL "c400 " KEY, E_FORM, "does not end" },
	{ "95 01 " ID KEY LEVEL SIGNATURE, E_FORM, "fields of its version" },
	{ "97 01 " ID KEY LEVEL "c400 00 " SIGNATURE, E_FORM, "fields of its version" },
	{ "86 01 " ID KEY LEVEL "c400 " SIGNATURE, E_FORM, "no version" },
	{ "96 00 " ID KEY LEVEL "c400 " SIGNATURE, E_FORM, "no version" },
	{ "96 02 " ID KEY LEVEL "c400 " SIGNATURE, E_NEWER, "newer" },
	{ "99 02 c0", E_FORM, "no version" },
	{ "92 02 c0", E_NEWER, "newer" },
	{ "96 01 " KEY KEY LEVEL "c400 " SIGNATURE, E_FORM, "no cluster" },
	{ "96 01 " ID ID LEVEL "c400 " SIGNATURE, E_FORM, "no signer" },
	{ "96 01 " ID KEY "c0 81 04 03 c400 " SIGNATURE, E_FORM, "no kind" },
	{ "96 01 " ID KEY "ce00010000 81 04 03 c400 " SIGNATURE, E_FORM, "no kind" },
	{ "96 01 " ID KEY "00 81 04 03 c400 " SIGNATURE, E_FORM, "nobody signs" },
	{ "96 01 " ID KEY "25 81 04 03 c400 " SIGNATURE, E_FORM, "nobody signs" },
	{ "96 01 " ID KEY "26 81 04 03 c400 " SIGNATURE, E_FORM, "nobody signs" },
	{ "96 01 " ID KEY "27 81 04 03 c400 " SIGNATURE, E_FORM, "nobody signs" },
	{ "96 01 " ID KEY "cdff00 81 04 03 c400 " SIGNATURE, E_NEWER, "newer" },
	{ "96 01 " ID KEY "24 80 c400 " SIGNATURE, E_VALUE, "required" },
	{ "96 01 " ID KEY "24 81 04 00 c400 " SIGNATURE, E_VALUE, "level" },
	{ "96 01 " ID KEY "24 81 04 cd03e9 c400 " SIGNATURE, E_VALUE, "level" },
	{ "96 01 " ID KEY "24 81 04 cc03 c400 " SIGNATURE, E_FORM, "canonical" },
	{ "96 01 " ID KEY "24 82 04 03 04 03 c400 " SIGNATURE, E_FORM, "canonical" },
	{ "96 01 " ID KEY "24 82 04 03 05 ff c400 " SIGNATURE, OK, "" },
	{ "96 01 " ID KEY "24 82 04 03 07 ff c400 " SIGNATURE, E_FORM, "canonical" },
	{ "96 01 " ID KEY "24 91 03 c400 " SIGNATURE, E_FORM, "map" },
};

static void each_rule_of_the_form_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		struct bytes bytes = exact(unhex(&arena, forms[i].hex));
		struct statement statement = { .kind = 77 }, untouched = statement;
		struct err err = { 0 };
		enum code code = statement_read(bytes, &statement, &err);

		if (code != forms[i].code || (code && !strstr(err.text, forms[i].says)))
			fail_msg("%s: %s %s", forms[i].hex, code_name(code), err.text);
		if (code)
			assert_memory_equal(&statement, &untouched, sizeof statement);
		assert_int_equal(statement_read(bytes, &statement, NULL), code);
		free((void *)bytes.data);
	}
	arena_reset(&arena);
}

static void limits_are_where_they_are_said_to_be(void **state)
{
	static uint8_t much[STATEMENT_MAX + 1];
	struct buf buf = buf_growing(2 * STATEMENT_MAX);
	struct bytes front = unhex(&arena, "96 01 " ID KEY LEVEL), signature = unhex(&arena, SIGNATURE);
	struct statement statement;

	(void)state;
	assert_int_equal(statement_read(bytes_of(much, sizeof much), &statement, NULL), E_LIMIT);
	assert_int_equal(statement_read(bytes_of(much, sizeof much - 1), &statement, NULL), E_FORM);
	for (uint16_t count = STATEMENT_HEADS_MAX; count <= STATEMENT_HEADS_MAX + 1; count++) {
		buf_clear(&buf);
		buf_put_bytes(&buf, front);
		buf_put(&buf, "\xc5", 1);
		buf_put_big_endian(&buf, (uint64_t)count * 16, 2);
		for (uint16_t i = 0; i < count; i++) {
			buf_put_big_endian(&buf, i, 8);
			buf_put_big_endian(&buf, 0, 8);
		}
		buf_put_bytes(&buf, signature);
		assert_int_equal(statement_read(buf_bytes(&buf), &statement, NULL),
				 count > STATEMENT_HEADS_MAX ? E_LIMIT : OK);
	}
	buf_done(&buf);
	arena_reset(&arena);
}

/* The largest that can be meant fits. */
/* Else a sponsor says the same in as many ways as there are hashes. */
static void an_admission_has_no_heads(void **state)
{
	static const uint8_t proof[64];
	struct admission_row row = { .has = BIT(AT_admission_invite) | BIT(AT_admission_key) |
					    BIT(AT_admission_box_key) | BIT(AT_admission_proof),
				     .invite = { { 7 } },
				     .proof = bytes_of(proof, sizeof proof) };
	struct bytes whole = written(KIND_TABLE(admission), &row, NULL, 0);
	struct buf with = buf_growing(STATEMENT_MAX);
	struct statement statement = read(whole);
	struct err err = { 0 };
	size_t before = (size_t)(statement.body.data - whole.data) + statement.body.size - 2;

	(void)state;
	assert_true(id_equal(statement.invite, row.invite));
	buf_put_bytes(&with, bytes_of(whole.data, before));
	mp_put_bin(&with, bytes_of(row.invite.bytes, sizeof row.invite.bytes));
	buf_put_bytes(&with, bytes_of(whole.data + before + 2, whole.size - before - 2));
	assert_int_equal(statement_read(buf_bytes(&with), &statement, &err), E_FORM);
	assert_non_null(strstr(err.text, "an admission with heads"));
	buf_done(&with);
}

static void the_last_places_are_for_putting_somebody_out(void **state)
{
	size_t most = STATEMENTS_MAX - STATEMENTS_RESERVED;

	(void)state;
	for (size_t n = 0; n < MODEL_KINDS; n++) {
		uint32_t kind = model_kinds[n].number;
		bool is_reserved = kind == KIND_eviction || kind == KIND_operator_removal || kind == KIND_root_change;

		assert_int_equal(statement_fits(kind, most - 1, NULL), OK);
		assert_int_equal(statement_fits(kind, most, NULL), is_reserved ? OK : E_LIMIT);
		assert_int_equal(statement_fits(kind, STATEMENTS_MAX - 1, NULL), is_reserved ? OK : E_LIMIT);
		assert_int_equal(statement_fits(kind, STATEMENTS_MAX, NULL), E_LIMIT);
	}
}

static void the_longest_lists_fit(void **state)
{
	struct eviction_row row = {
		.has = BIT(AT_eviction_key) | BIT(AT_eviction_heir) | BIT(AT_eviction_standing),
	};
	struct id id, heads[STATEMENT_HEADS_MAX];
	struct buf items = buf_growing(STATEMENT_MAX);

	(void)state;
	row.standing.count = FIELD_TABLE(eviction, standing)->most;
	for (size_t i = 0; i < row.standing.count; i++) {
		rng_fill(&rng, &id, sizeof id);
		mp_put_bin(&items, bytes_of(id.bytes, sizeof id.bytes));
	}
	row.standing.items = buf_bytes(&items);
	rng_fill(&rng, heads, sizeof heads);
	read(written(KIND_TABLE(eviction), &row, heads, STATEMENT_HEADS_MAX));
	buf_done(&items);
	arena_reset(&arena);
}

static void an_admission_is_of_one_node_one_invite_and_one_cluster(void **state)
{
	uint8_t room[ADMISSION_TEXT_SIZE], text[ADMISSION_TEXT_SIZE];
	struct id one_id = { { 1 } }, two = { { 2 } };
	struct key32 three = { { 3 } }, four = { { 4 } };
	struct bytes bytes = admission_text(one_id, two, three, four, room);

	(void)state;
	memset(text, 0, sizeof text);
	text[0] = 1;
	text[16] = 2;
	text[32] = 3;
	text[64] = 4;
	assert_int_equal(bytes.size, sizeof text);
	assert_memory_equal(bytes.data, text, sizeof text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(no_bit_of_a_statement_can_change),
		cmocka_unit_test(each_rule_of_the_form_holds),
		cmocka_unit_test(limits_are_where_they_are_said_to_be),
		cmocka_unit_test(an_admission_has_no_heads),
		cmocka_unit_test(the_last_places_are_for_putting_somebody_out),
		cmocka_unit_test(the_longest_lists_fit),
		cmocka_unit_test(an_admission_is_of_one_node_one_invite_and_one_cluster),
	};
	uint8_t seed[32] = { 4 };
	int failed;

	signer = signer_from_seed(seed);
	rng = rng_from_number(1);
	failed = cmocka_run_group_tests_name("statement", tests, NULL, NULL);
	arena_done(&arena);
	return failed;
}
