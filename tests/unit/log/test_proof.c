/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/proof.h"

#include "crdt/base/arena.h"
#include "crdt/model/model.h"
#include "crdt/model/mp.h"
#include "tests/unit/base/check.h"

#include <stdlib.h>

enum { ENTRIES = 7 };

static struct arena arena;
static struct signer author, stranger;
static uint64_t node;
static const struct id cluster = { { 1, 2, 3 } }, elsewhere = { { 1, 2, 4 } };

/* A batch that begins behind `before`; those that differ in `turn` differ in their bytes. */
static struct batch batch_at(const struct signer *by, struct id of, struct stream stream, struct end before,
			     uint32_t count, uint64_t turn)
{
	struct buf entries = buf_growing(BATCH_MAX), whole = buf_growing(BATCH_MAX);
	struct op op = { .kind = KIND_group, .is_dead = true };
	struct batch batch;

	for (uint32_t i = 0; i < count; i++)
		entry_write((struct hlc){ turn }, NULL, &op, 1, &entries);
	batch_write(by, of, stream, before, buf_bytes(&entries), count, &whole);
	assert_int_equal(batch_read(arena_copy(&arena, buf_bytes(&whole)), &batch, NULL), OK);
	buf_done(&entries);
	buf_done(&whole);
	return batch;
}

static struct batch own_batch(uint64_t first, uint32_t count, uint8_t before, uint64_t turn)
{
	struct end end = { first - 1, first > 1 ? (struct id){ { before } } : (struct id){ { 0 } } };

	return batch_at(&author, cluster, (struct stream){ node, 3, LANE_PEOPLE }, end, count, turn);
}

static struct bytes fork_of(const struct batch *one, const struct batch *other)
{
	struct buf buf = buf_growing(PROOF_MAX);
	struct bytes made;

	proof_write_fork(one, other, &buf);
	assert_false(buf.is_full);
	made = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return made;
}

static struct bytes own_word(const struct signer *by, struct id of, uint64_t start)
{
	struct buf buf = buf_growing(PROOF_MAX);
	struct bytes made;

	proof_write_own(by, of, start, &buf);
	assert_false(buf.is_full);
	made = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return made;
}

static void assert_refused(struct bytes whole, enum code code)
{
	struct proof proof, before;
	struct err err = { 0 };

	memset(&proof, 7, sizeof proof);
	before = proof;
	assert_int_equal(proof_read(whole, &proof, &err), code);
	assert_true(*err.text);
	assert_memory_equal(&proof, &before, sizeof proof);
}

static void assert_fork(const struct batch *one, const struct batch *other)
{
	struct bytes whole = fork_of(one, other), turned = fork_of(other, one);
	struct proof proof;

	assert_true(proof_is_fork(one, other) && proof_is_fork(other, one));
	assert_true(bytes_equal(whole, turned));
	assert_int_equal(proof_read(whole, &proof, NULL), OK);
	assert_true(proof.is_fork && proof.node == node && proof.start == 3 && bytes_equal(proof.whole, whole));
	assert_true(end_equal(proof.one.end, one->end) || end_equal(proof.other.end, one->end));
	assert_true(end_equal(proof.one.end, other->end) || end_equal(proof.other.end, other->end));
	assert_int_equal(proof.one.entries.size + proof.other.entries.size, 0);
	assert_true(proof_is_signed(&proof, cluster, author.key));
	assert_false(proof_is_signed(&proof, cluster, stranger.key));
	assert_false(proof_is_signed(&proof, elsewhere, author.key));
	/* What was read of it makes it again. */
	assert_true(bytes_equal(fork_of(&proof.one, &proof.other), whole));
}

static void assert_chain(const struct batch *one, const struct batch *other)
{
	assert_false(proof_is_fork(one, other) || proof_is_fork(other, one));
	assert_refused(fork_of(one, other), E_VALUE);
}

/* Each two ranges there are, against what the words say. */
static void any_two_ranges_are_a_fork_when_they_meet(void **state)
{
	size_t forks = 0, chains = 0;

	(void)state;
	for (uint32_t turn = 0; turn < ENTRIES * ENTRIES * ENTRIES * ENTRIES; turn++) {
		uint32_t first = 1 + turn % ENTRIES, count = 1 + turn / ENTRIES % ENTRIES;
		uint32_t other_first = 1 + turn / (ENTRIES * ENTRIES) % ENTRIES;
		uint32_t other_count = 1 + turn / (ENTRIES * ENTRIES * ENTRIES);
		bool is_shared = false;
		struct batch one, other;

		/* A third of them is enough of signatures. */
		if (dice_below(3))
			continue;
		one = own_batch(first, count, 9, 1);
		other = own_batch(other_first, other_count, 9, 2);
		for (uint32_t i = 0; i < count; i++)
			is_shared |= first + i >= other_first && first + i < other_first + other_count;
		if (is_shared || first + count == other_first || other_first + other_count == first) {
			assert_fork(&one, &other);
			forks++;
		} else {
			assert_chain(&one, &other);
			chains++;
		}
	}
	assert_true(forks > 200 && chains > 50);
	arena_reset(&arena);
}

static void what_lies_on_a_chain_is_no_fork(void **state)
{
	struct batch one = own_batch(5, 3, 9, 1), same = own_batch(5, 3, 9, 1), next, far;

	(void)state;
	next = batch_at(&author, cluster, one.stream, one.end, 2, 1);
	far = batch_at(&author, cluster, one.stream, next.end, 2, 1);
	assert_chain(&one, &same);
	assert_chain(&one, &next);
	assert_chain(&next, &far);
	assert_chain(&one, &far);
	next = batch_at(&author, cluster, one.stream, (struct end){ one.end.seq, { { 1 } } }, 2, 1);
	assert_fork(&one, &next);
	arena_reset(&arena);
}

/* Two that would be a fork, but for one thing in which they are not of one stream. */
static void two_streams_are_no_fork(void **state)
{
	struct batch one = own_batch(1, 3, 0, 1), other;
	struct stream stream = one.stream;

	(void)state;
	other = batch_at(&author, elsewhere, stream, (struct end){ 0 }, 3, 2);
	assert_chain(&one, &other);
	stream.start++;
	other = batch_at(&author, cluster, stream, (struct end){ 0 }, 3, 2);
	assert_chain(&one, &other);
	stream = one.stream;
	stream.lane = LANE_BULK;
	other = batch_at(&author, cluster, stream, (struct end){ 0 }, 3, 2);
	assert_chain(&one, &other);
	stream = one.stream;
	stream.node++;
	other = batch_at(&author, cluster, stream, (struct end){ 0 }, 3, 2);
	assert_chain(&one, &other);
	arena_reset(&arena);
}

/* What only one of the two signed closes nothing. */
static void a_forged_half_is_not_signed(void **state)
{
	struct batch one = own_batch(1, 3, 0, 1), other;
	struct proof proof;

	(void)state;
	for (int turn = 0; turn < 20; turn++) {
		other = batch_at(&stranger, cluster, one.stream, (struct end){ 0 }, 3, 2 + (uint64_t)turn);
		assert_int_equal(proof_read(fork_of(&one, &other), &proof, NULL), OK);
		assert_false(proof_is_signed(&proof, cluster, author.key));
		assert_false(proof_is_signed(&proof, cluster, stranger.key));
	}
	/* The key of another node, which signed both. */
	one = batch_at(&stranger, cluster, one.stream, (struct end){ 0 }, 3, 1);
	assert_int_equal(proof_read(fork_of(&one, &other), &proof, NULL), OK);
	assert_false(proof_is_signed(&proof, cluster, stranger.key));
	arena_reset(&arena);
}

static void a_node_closes_its_own_start(void **state)
{
	struct bytes whole = own_word(&author, cluster, UINT64_C(1) << 47);
	struct proof proof;

	(void)state;
	assert_int_equal(proof_read(whole, &proof, NULL), OK);
	assert_true(!proof.is_fork && proof.node == node && proof.start == UINT64_C(1) << 47);
	assert_true(bytes_equal(proof.whole, whole));
	assert_true(proof_is_signed(&proof, cluster, author.key));
	assert_false(proof_is_signed(&proof, elsewhere, author.key));
	assert_false(proof_is_signed(&proof, cluster, stranger.key));
	arena_reset(&arena);
}

static struct bytes word_with(uint64_t by, uint64_t start, struct id of, enum sign_what what,
			      const struct signer *signer)
{
	struct buf buf = buf_growing(PROOF_MAX);
	struct signature signature;
	struct bytes made;

	mp_put_array(&buf, 5);
	mp_put_uint(&buf, 2);
	mp_put_bin(&buf, bytes_of(of.bytes, sizeof of.bytes));
	mp_put_uint(&buf, by);
	mp_put_uint(&buf, start);
	signature = sign_make(signer, what, buf_bytes(&buf));
	mp_put_bin(&buf, bytes_of(signature.bytes, sizeof signature.bytes));
	made = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return made;
}

static void nobody_closes_anothers_start(void **state)
{
	struct proof proof;

	(void)state;
	assert_true(bytes_equal(word_with(node, 3, cluster, SIGN_CLOSING, &author), own_word(&author, cluster, 3)));
	assert_int_equal(proof_read(word_with(node, 3, cluster, SIGN_CLOSING, &stranger), &proof, NULL), OK);
	assert_false(proof_is_signed(&proof, cluster, author.key));
	assert_false(proof_is_signed(&proof, cluster, stranger.key));
	assert_int_equal(proof_read(word_with(node + 1, 3, cluster, SIGN_CLOSING, &author), &proof, NULL), OK);
	assert_false(proof_is_signed(&proof, cluster, author.key));
	/* A signature that was given for another kind of thing. */
	assert_int_equal(proof_read(word_with(node, 3, cluster, SIGN_BATCH, &author), &proof, NULL), OK);
	assert_false(proof_is_signed(&proof, cluster, author.key));
	assert_refused(word_with(0, 3, cluster, SIGN_CLOSING, &author), E_FORM);
	assert_refused(word_with(node, 0, cluster, SIGN_CLOSING, &author), E_FORM);
	arena_reset(&arena);
}

/* Any bit that is turned, any byte that is missing or added. */
static void a_changed_proof_proves_nothing(void **state)
{
	struct batch one = own_batch(5, 3, 9, 1), other = own_batch(7, 4, 9, 2);
	struct bytes all[] = { fork_of(&one, &other), own_word(&author, cluster, 3) };

	(void)state;
	for (size_t k = 0; k < COUNT(all); k++) {
		size_t size = all[k].size;
		uint8_t *bytes = malloc(size + 1);
		struct proof proof;

		memcpy(bytes, all[k].data, size);
		for (size_t bit = 0; bit < 8 * size; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (!proof_read(bytes_of(bytes, size), &proof, NULL))
				assert_false(proof_is_signed(&proof, cluster, author.key));
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		bytes[size] = 0xc0;
		assert_refused(bytes_of(bytes, size + 1), E_FORM);
		for (size_t less = 0; less < size; less++) {
			uint8_t *exact = malloc(less ? less : 1);

			memcpy(exact, bytes, less);
			assert_refused(bytes_of(exact, less), E_FORM);
			free(exact);
		}
		free(bytes);
	}
	arena_reset(&arena);
}

static struct bytes pair_of(uint64_t kind, size_t fields, struct bytes one, struct bytes other)
{
	struct buf buf = buf_growing(4 * BATCH_MAX);
	struct bytes made;

	mp_put_array(&buf, fields);
	mp_put_uint(&buf, kind);
	mp_put_bin(&buf, one);
	mp_put_bin(&buf, other);
	made = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return made;
}

static void a_proof_has_one_form(void **state)
{
	struct batch low = own_batch(5, 3, 9, 1), high = own_batch(7, 4, 9, 2);
	struct bytes one = batch_front(&low), other = batch_front(&high), newer;

	(void)state;
	assert_true(bytes_equal(pair_of(1, 3, one, other), fork_of(&high, &low)));
	assert_refused(pair_of(1, 3, other, one), E_FORM);
	assert_refused(pair_of(1, 4, one, other), E_FORM);
	assert_refused(pair_of(2, 3, one, other), E_FORM);
	assert_refused(pair_of(3, 3, one, other), E_FORM);
	assert_refused(pair_of(1, 3, low.whole, other), E_FORM);
	assert_refused(pair_of(1, 3, one, high.header), E_FORM);
	newer = arena_copy(&arena, other);
	((uint8_t *)(uintptr_t)newer.data)[1] = BATCH_VERSION + 1;
	assert_refused(pair_of(1, 3, one, newer), E_NEWER);
	arena_reset(&arena);
}

static void a_front_is_what_a_batch_begins_with(void **state)
{
	struct batch batch = own_batch(5, 3, 9, 1), front, untouched;
	struct bytes bytes = batch_front(&batch);
	struct err err = { 0 };

	(void)state;
	assert_true(bytes_start_with(batch.whole, bytes) && bytes.size < BATCH_FRONT_MAX);
	assert_int_equal(batch_read_front(bytes, &front, NULL), OK);
	assert_true(end_equal(front.end, batch.end) && front.first == batch.first && front.count == batch.count);
	assert_true(!stream_compare(&front.stream, &batch.stream) && id_equal(front.before, batch.before));
	assert_true(bytes_equal(front.whole, bytes) && !front.entries.size);
	assert_true(batch_is_signed(&front, author.key) && bytes_equal(batch_front(&front), bytes));
	memset(&front, 7, sizeof front);
	untouched = front;
	assert_int_equal(batch_read_front(batch.whole, &front, &err), E_FORM);
	assert_int_equal(batch_read_front(batch.header, &front, &err), E_FORM);
	assert_int_equal(batch_read_front(bytes_of(bytes.data, bytes.size - 1), &front, &err), E_FORM);
	assert_memory_equal(&front, &untouched, sizeof front);
	arena_reset(&arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_two_ranges_are_a_fork_when_they_meet),
		cmocka_unit_test(what_lies_on_a_chain_is_no_fork),
		cmocka_unit_test(two_streams_are_no_fork),
		cmocka_unit_test(a_forged_half_is_not_signed),
		cmocka_unit_test(a_node_closes_its_own_start),
		cmocka_unit_test(nobody_closes_anothers_start),
		cmocka_unit_test(a_changed_proof_proves_nothing),
		cmocka_unit_test(a_proof_has_one_form),
		cmocka_unit_test(a_front_is_what_a_batch_begins_with),
	};
	uint8_t seed[32] = { 1 }, other[32] = { 2 };
	int failed;

	author = signer_from_seed(seed);
	stranger = signer_from_seed(other);
	node = node_of_key(author.key);
	failed = cmocka_run_group_tests_name("proof", tests, NULL, NULL);
	arena_done(&arena);
	return failed;
}
