/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs that a start is closed: no bytes make their reader crash, what is taken has one form and proves what it says,
 * and what is refused leaves no trace. The first two parts are fronts of batches, put into a proof as they are; the
 * third is a proof as it would arrive.
 */
#include "crdt/log/proof.h"
#include "crdt/model/mp.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

static const struct id cluster = { { 1, 2, 3 } };
static struct signer signer;
static uint64_t node;

/* In memory of its own, so that the sanitizer sees each step too far. */
static struct bytes exact(struct bytes bytes)
{
	uint8_t *copy = must_alloc(bytes.size ? bytes.size : 1);

	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	return bytes_of(copy, bytes.size);
}

static bool holds(const struct batch *batch, uint64_t seq)
{
	return seq >= batch->first && seq <= batch->end.seq;
}

/* By the words: they share a seq and are not one, or one goes on from another than the one right before it. */
static bool is_fork(const struct batch *one, const struct batch *other)
{
	bool is_shared = holds(one, other->first) || holds(other, one->first);

	if (is_shared)
		return !bytes_equal(one->header, other->header);
	if (one->end.seq == other->first - 1)
		return !id_equal(other->before, one->end.hash);
	return other->end.seq == one->first - 1 && !id_equal(one->before, other->end.hash);
}

static void check_fork(const struct proof *proof)
{
	const struct batch *both[] = { &proof->one, &proof->other };
	struct buf buf = buf_growing(2 * PROOF_MAX);

	assert(is_fork(both[0], both[1]) && proof_is_fork(both[0], both[1]) && proof_is_fork(both[1], both[0]));
	assert(!stream_compare(&both[0]->stream, &both[1]->stream));
	for (size_t i = 0; i < 2; i++) {
		assert(both[i]->stream.node == proof->node && both[i]->stream.start == proof->start);
		assert(!both[i]->entries.size && id_equal(both[i]->cluster, both[0]->cluster));
		buf_clear(&buf);
		proof_write_fork(both[i], both[1 - i], &buf);
		assert(bytes_equal(buf_bytes(&buf), proof->whole));
	}
	buf_done(&buf);
}

/* Nothing in it but what was read. */
static void check_own(const struct proof *proof)
{
	struct reader r = reader_over(proof->whole);
	struct buf buf = buf_growing(2 * PROOF_MAX);
	struct bytes of;

	for (int i = 0; i < 2; i++)
		mp_read(&r);
	of = mp_skip(&r);
	mp_put_array(&buf, 5);
	mp_put_uint(&buf, 2);
	buf_put_bytes(&buf, of);
	mp_put_uint(&buf, proof->node);
	mp_put_uint(&buf, proof->start);
	mp_put_bin(&buf, bytes_of(proof->signature.bytes, sizeof proof->signature.bytes));
	assert(of.size == 2 + sizeof(struct id) && bytes_equal(buf_bytes(&buf), proof->whole));
	buf_done(&buf);
}

static void check(struct bytes whole)
{
	struct proof proof, untouched;
	struct err err = { 0 };
	enum code code;

	memset(&proof, 7, sizeof proof);
	untouched = proof;
	code = proof_read(whole, &proof, &err);
	if (code) {
		assert(*err.text && (code == E_FORM || code == E_VALUE || code == E_NEWER));
		assert(!memcmp(&proof, &untouched, sizeof proof));
		return;
	}
	assert(proof.node && proof.start && bytes_equal(proof.whole, whole) && whole.size <= PROOF_MAX);
	if (proof.is_fork)
		check_fork(&proof);
	else
		check_own(&proof);
	/* Only what its node signed, in this cluster. */
	if (proof_is_signed(&proof, cluster, signer.key))
		assert(proof.node == node && !proof_is_signed(&proof, (struct id){ { 0 } }, signer.key));
	fuzz_taken();
}

/* As two fronts are put together, whatever they are. */
static void check_pair(struct bytes one, struct bytes other)
{
	struct buf buf = buf_growing(BATCH_MAX);
	struct bytes made;

	mp_put_array(&buf, 3);
	mp_put_uint(&buf, 1);
	mp_put_bin(&buf, one);
	mp_put_bin(&buf, other);
	made = exact(buf_bytes(&buf));
	check(made);
	free((void *)(uintptr_t)made.data);
	buf_done(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_read(data, size);
	struct bytes one = exact(input.parts[0]), other = exact(input.parts[1]), whole = exact(input.parts[2]);
	struct batch first, second;

	check(whole);
	check_pair(one, other);
	check_pair(other, one);
	if (!batch_read_front(one, &first, NULL) && !batch_read_front(other, &second, NULL) &&
	    !stream_compare(&first.stream, &second.stream) && id_equal(first.cluster, second.cluster))
		assert(proof_is_fork(&first, &second) == is_fork(&first, &second));
	free((void *)(uintptr_t)one.data);
	free((void *)(uintptr_t)other.data);
	free((void *)(uintptr_t)whole.data);
	return 0;
}

/* A batch's front somewhere near the beginning of a stream. */
static void make_front(struct rng *rng, uint64_t start, struct buf *out)
{
	struct end before = { rng_below(rng, 6), { { (uint8_t)rng_below(rng, 2) + 1 } } };
	struct stream stream = { node, start, LANE_PEOPLE };
	struct buf whole = buf_growing(BATCH_MAX);
	uint8_t entry = (uint8_t)rng_below(rng, 3);
	struct batch batch;
	enum code code;

	if (!before.seq)
		before = (struct end){ 0 };
	batch_write(&signer, cluster, stream, before, bytes_of(&entry, 1), 1 + (uint32_t)rng_below(rng, 4), &whole);
	code = batch_read(buf_bytes(&whole), &batch, NULL);
	assert(!code);
	buf_put_bytes(out, batch_front(&batch));
	buf_done(&whole);
}

static size_t make_input(struct rng *rng, uint8_t *data, size_t max_size)
{
	struct fuzz_input input = { .front = { 0 } };
	struct buf one = buf_growing(BATCH_FRONT_MAX), other = buf_growing(BATCH_FRONT_MAX);
	struct buf whole = buf_growing(PROOF_MAX);
	uint64_t start = 1 + rng_below(rng, UINT64_C(1) << (8 * (1 + rng_below(rng, 6))));
	struct batch first, second;
	enum code code;
	size_t size;

	make_front(rng, start, &one);
	make_front(rng, start, &other);
	code = batch_read_front(buf_bytes(&one), &first, NULL);
	assert(!code);
	code = batch_read_front(buf_bytes(&other), &second, NULL);
	assert(!code);
	if (rng_below(rng, 2))
		proof_write_fork(&first, &second, &whole);
	else
		proof_write_own(&signer, cluster, start, &whole);
	input.parts[0] = buf_bytes(&one);
	input.parts[1] = buf_bytes(&other);
	input.parts[2] = buf_bytes(&whole);
	size = fuzz_write(&input, data, max_size);
	buf_done(&one);
	buf_done(&other);
	buf_done(&whole);
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
	uint8_t seed[32] = { 1 };

	(void)argc;
	(void)argv;
	signer = signer_from_seed(seed);
	node = node_of_key(signer.key);
	fuzz_begin();
	return 0;
}
