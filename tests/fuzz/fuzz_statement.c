/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements: no bytes make a reader crash, what is taken has one form, and what is refused leaves no trace. The first
 * part is a row and the second heads, written into a statement that is then signed as it has to be; the third a
 * statement as it would arrive. What was taken also goes through the function that says who are members.
 */
#include "crdt/base/hash.h"
#include "crdt/log/members.h"
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/make.h"

#include <assert.h>
#include <stdlib.h>

enum { ROW_MAX = 4096 };

static const struct kind *kinds[MODEL_KINDS];
static size_t kinds_count;
static struct signer signer;
static struct id cluster;
static struct bytes own; /* the cluster's own statement */

/* In memory of its own, so that the sanitizer sees each step too far. */
static struct bytes exact(struct bytes bytes)
{
	uint8_t *copy = must_alloc(bytes.size ? bytes.size : 1);

	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	return bytes_of(copy, bytes.size);
}

static void put_body(struct bytes map, struct bytes heads, struct id of, struct key32 key, uint32_t kind,
		     struct buf *buf)
{
	mp_put_array(buf, 6);
	mp_put_uint(buf, STATEMENT_VERSION);
	mp_put_bin(buf, bytes_of(of.bytes, sizeof of.bytes));
	mp_put_bin(buf, bytes_of(key.bytes, sizeof key.bytes));
	mp_put_uint(buf, kind);
	buf_put_bytes(buf, map);
	mp_put_bin(buf, heads);
}

/* Written again from what was read of it, it is the same. */
static void check_form(const struct statement *statement)
{
	_Alignas(max_align_t) static uint8_t row[ROW_MAX];
	struct buf buf = buf_growing(2 * STATEMENT_MAX);
	struct id hash;
	enum code code = pack_read(&model_kind(statement->kind)->shape, statement->map, true, row, NULL);

	assert(!code && mp_is_canonical(statement->body));
	put_body(statement->map, statement->heads, statement->cluster, statement->signer, statement->kind, &buf);
	assert(bytes_equal(buf_bytes(&buf), statement->body));
	hash = hash_id(&statement->body, 1);
	assert(id_equal(hash, statement->hash));
	mp_put_bin(&buf, bytes_of(statement->signature.bytes, sizeof statement->signature.bytes));
	assert(bytes_equal(buf_bytes(&buf), statement->whole));
	buf_done(&buf);
}

/* What it means beside the cluster's own, which the same key signed. */
static void check_meaning(const struct statement *statement)
{
	struct statement all[2] = { 0 };
	struct members *members, *turned;
	enum code code = statement_read(own, &all[0], NULL);

	assert(!code);
	all[1] = *statement;
	members = members_make(cluster, all, 1);
	members_admit_statement(members, statement, NULL);
	assert(members_is_operator(members, signer.key) && !members_standing(members));
	members_free(members);
	members = members_make(cluster, all, 2);
	all[0] = all[1];
	code = statement_read(own, &all[1], NULL);
	assert(!code);
	turned = members_make(cluster, all, 2);
	assert(members_stands(members, statement->hash) == members_stands(turned, statement->hash));
	assert(members_level(members) == members_level(turned));
	members_free(members);
	members_free(turned);
}

static bool check(struct bytes whole)
{
	struct statement statement = { .kind = 77 }, untouched = statement;
	struct err err = { 0 };

	if (statement_read(whole, &statement, &err)) {
		assert(*err.text && !memcmp(&statement, &untouched, sizeof statement));
		return false;
	}
	check_form(&statement);
	check_meaning(&statement);
	fuzz_taken();
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_read(data, size);
	struct bytes raw = exact(input.parts[2]), made;
	struct buf buf = buf_growing(4 * STATEMENT_MAX);
	struct statement statement;
	struct signature signature;

	put_body(input.parts[0], input.parts[1], cluster, signer.key, kinds[input.front[0] % kinds_count]->number,
		 &buf);
	signature = sign_make(&signer, SIGN_STATEMENT, buf_bytes(&buf));
	mp_put_bin(&buf, bytes_of(signature.bytes, sizeof signature.bytes));
	made = exact(buf_bytes(&buf));
	if (check(made)) {
		enum code code = statement_read(made, &statement, NULL);

		assert(!code && statement_is_signed(&statement));
	}
	check(raw);
	free((void *)(uintptr_t)made.data);
	free((void *)(uintptr_t)raw.data);
	buf_done(&buf);
	return 0;
}

static size_t make_input(struct rng *rng, uint8_t *data, size_t max_size)
{
	static struct maker maker;
	struct fuzz_input input = { .front = { (uint8_t)rng_u64(rng) } };
	const struct kind *kind = kinds[input.front[0] % kinds_count];
	struct buf whole = buf_growing(STATEMENT_MAX);
	uint8_t heads[3 * 16], bytes[64] = { 0 };
	size_t size;

	maker.rng = rng_from_number(rng_u64(rng));
	for (size_t i = 0; i < sizeof heads; i++)
		heads[i] = (uint8_t)(i / 16 * 16 + rng_below(rng, 16));
	input.parts[0] = make_map(&maker, &kind->shape, true, NULL);
	input.parts[1] = bytes_of(heads, 16 * rng_below(rng, 4));
	put_body(input.parts[0], input.parts[1], cluster, signer.key, kind->number, &whole);
	mp_put_bin(&whole, bytes_of(bytes, sizeof bytes));
	if (!whole.is_full)
		input.parts[2] = buf_bytes(&whole);
	size = fuzz_write(&input, data, max_size);
	buf_done(&whole);
	arena_reset(&maker.arena);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct rng rng = rng_from_number(seed);
	size_t made = rng_below(&rng, 4) ? 0 : make_input(&rng, data, max_size);

	return made ? made : fuzz_mutate(data, size, max_size, &rng);
}

static void make_own(void)
{
	static uint8_t room[1024];
	struct buf buf = buf_over(room, sizeof room);
	struct cluster_row row = {
		.has = BIT(AT_cluster_nonce) | BIT(AT_cluster_root_key) | BIT(AT_cluster_recovery_key) |
		       BIT(AT_cluster_name),
		.nonce = bytes_text("12345678"),
		.root_key = signer.key,
		.recovery_key = { { 1 } },
		.name = bytes_text("own"),
	};

	cluster = cluster_id(&row);
	statement_write(&signer, cluster, KIND_TABLE(cluster), &row, NULL, 0, &buf);
	own = buf_bytes(&buf);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	uint8_t seed[32] = { 1 };

	(void)argc;
	(void)argv;
	signer = signer_from_seed(seed);
	make_own();
	for (size_t i = 0; i < MODEL_KINDS; i++)
		if (model_kinds[i].number % 4 == TIER_STATEMENT)
			kinds[kinds_count++] = &model_kinds[i];
	fuzz_begin();
	return 0;
}
