/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/conformance.h"

#include "crdt/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS = 300, KEPT = 4, LARGE = 9000 };

static const struct hash_key secret = { "the random run's" };

/* The oracle: every key there may be, in order, and for each whether it is there and which bytes it has. */
struct pairs {
	struct pair {
		bool is_there;
		uint32_t size;
		uint64_t seed;
	} pairs[KEYS];
};

struct run {
	const struct store_maker *maker;
	void *place;
	struct store *store;
	struct rng rng;
	struct bytes keys[KEYS];
	struct pairs now;
	struct kept {
		struct store_txn *txn; /* NULL: none */
		struct pairs pairs;
	} kept[KEPT];
	uint8_t value[LARGE];
};

#define assert_fine(is, err)                                                      \
	do {                                                                      \
		enum code is_ = (is);                                             \
		if (is_)                                                          \
			fail_msg("%s: %s (%s)", #is, code_name(is_), (err).text); \
	} while (0)

static int compare_keys(const void *a, const void *b)
{
	return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static struct bytes random_key(struct rng *rng)
{
	static const uint8_t letters[] = { 0, 1, 2, 'a', 0x7f, 0x80, 0xff };
	size_t size = rng_below(rng, 20) ? 1 + rng_below(rng, 12) : STORE_KEY_MAX - rng_below(rng, 2);
	uint8_t *key = must_alloc(size);

	key[0] = (uint8_t)(1 + rng_below(rng, 3) * 7);
	for (size_t i = 1; i < size; i++)
		key[i] = letters[rng_below(rng, COUNT(letters))];
	return bytes_of(key, size);
}

static bool is_among(const struct bytes *keys, size_t count, struct bytes key)
{
	for (size_t i = 0; i < count; i++)
		if (bytes_equal(keys[i], key))
			return true;
	return false;
}

static void make_keys(struct run *run)
{
	for (size_t count = 0; count < KEYS;) {
		struct bytes key = random_key(&run->rng);

		if (is_among(run->keys, count, key))
			free((void *)(uintptr_t)key.data);
		else
			run->keys[count++] = key;
	}
	qsort(run->keys, KEYS, sizeof run->keys[0], compare_keys);
}

static struct bytes value_of(struct run *run, struct pair pair)
{
	uint64_t x = pair.seed | 1;

	for (size_t i = 0; i < pair.size; i += sizeof x) {
		x *= UINT64_C(6364136223846793005);
		memcpy(run->value + i, &x, pair.size - i < sizeof x ? pair.size - i : sizeof x);
	}
	return bytes_of(run->value, pair.size);
}

static void check_get(struct run *run, struct store_txn *txn, const struct pairs *pairs, size_t i)
{
	struct err err = { 0 };
	struct bytes found;
	enum code code = store_get(txn, run->keys[i], &found, &err);

	if (!pairs->pairs[i].is_there) {
		assert_int_equal(code, E_ABSENT);
		return;
	}
	assert_fine(code, err);
	assert_true(bytes_equal(found, value_of(run, pairs->pairs[i])));
}

static void check_range(struct run *run, struct store_txn *txn, const struct pairs *pairs, struct bytes prefix,
			struct bytes from)
{
	struct store_cursor *cursor = NULL;
	struct err err = { 0 };
	struct bytes key, value;

	assert_fine(store_range(txn, prefix, from, &cursor, &err), err);
	for (size_t i = 0; i < KEYS; i++) {
		if (!pairs->pairs[i].is_there || !bytes_start_with(run->keys[i], prefix) ||
		    bytes_compare(run->keys[i], from) < 0)
			continue;
		assert_fine(store_next(cursor, &key, &value, &err), err);
		assert_true(bytes_equal(key, run->keys[i]));
		assert_true(bytes_equal(value, value_of(run, pairs->pairs[i])));
	}
	assert_int_equal(store_next(cursor, &key, &value, &err), E_ABSENT);
	store_range_end(cursor);
}

/* A prefix of one key from somewhere in or beside it, so that ranges meet nothing, one, some and all. */
static void check_some_range(struct run *run, struct store_txn *txn, const struct pairs *pairs)
{
	struct bytes prefix = run->keys[rng_below(&run->rng, KEYS)], from = run->keys[rng_below(&run->rng, KEYS)];

	prefix.size = 1 + rng_below(&run->rng, prefix.size < 4 ? prefix.size : 4);
	from.size = rng_below(&run->rng, from.size + 1);
	check_range(run, txn, pairs, prefix, from);
}

static void check_all(struct run *run, struct store_txn *txn, const struct pairs *pairs)
{
	uint64_t counts[STORE_TABLES] = { 0 };

	for (size_t i = 0; i < KEYS; i++) {
		check_get(run, txn, pairs, i);
		counts[run->keys[i].data[0]] += pairs->pairs[i].is_there;
	}
	for (uint8_t table = 1; table < STORE_TABLES; table++)
		assert_int_equal(store_count(txn, table), counts[table]);
	check_range(run, txn, pairs, bytes_of(NULL, 0), bytes_of("\1", 1));
	for (size_t i = 0; i < KEYS; i += 43)
		check_range(run, txn, pairs, bytes_of(run->keys[i].data, 1), run->keys[i]);
}

static struct pair random_pair(struct run *run)
{
	static const uint64_t sizes[] = { 1, 40, 40, 40, 40, 40, 40, 300, 300, 300, 300, 300, 300, 300, 300, LARGE };
	uint64_t size = rng_below(&run->rng, sizes[rng_below(&run->rng, COUNT(sizes))]);

	return (struct pair){ .is_there = true, .size = (uint32_t)size, .seed = rng_u64(&run->rng) };
}

/* Each way of putting, and the last may give up after its look. */
static void put_one(struct run *run, struct store_txn *txn, struct pairs *pairs, size_t i)
{
	struct pair was = pairs->pairs[i], pair = random_pair(run);
	struct store_seen seen;
	struct err err = { 0 };
	struct bytes found;

	if (rng_below(&run->rng, 2)) {
		assert_fine(store_put(txn, run->keys[i], value_of(run, pair), &err), err);
	} else if (!was.is_there && rng_below(&run->rng, 2)) {
		assert_fine(store_add(txn, run->keys[i], value_of(run, pair), &err), err);
	} else {
		assert_fine(store_look(txn, run->keys[i], &found, &seen, &err), err);
		assert_int_equal(seen.is_there, was.is_there);
		assert_true(bytes_equal(found, was.is_there ? value_of(run, was) : bytes_of(NULL, 0)));
		if (!rng_below(&run->rng, 5))
			return;
		assert_fine(store_put_seen(txn, run->keys[i], value_of(run, pair), &seen, &err), err);
	}
	pairs->pairs[i] = pair;
}

static void change(struct run *run, struct store_txn *txn, struct pairs *pairs)
{
	size_t i = rng_below(&run->rng, KEYS);
	struct err err = { 0 };

	switch (rng_below(&run->rng, 8)) {
	case 0: check_get(run, txn, pairs, i); break;
	case 1: check_some_range(run, txn, pairs); break;
	case 2:
	case 3:
		assert_fine(store_delete(txn, run->keys[i], &err), err);
		pairs->pairs[i].is_there = false;
		break;
	default: put_one(run, txn, pairs, i);
	}
}

static void write_some(struct run *run)
{
	struct pairs next = run->now;
	struct store_txn *txn = NULL;
	struct err err = { 0 };
	uint64_t changes = rng_below(&run->rng, 24);

	assert_fine(store_begin(run->store, &txn, &err), err);
	for (uint64_t i = 0; i < changes; i++)
		change(run, txn, &next);
	if (!rng_below(&run->rng, 6)) {
		store_end(txn);
		return;
	}
	assert_fine(store_commit(txn, &err), err);
	run->now = next;
}

static void end_kept(struct run *run, struct kept *kept)
{
	if (kept->txn)
		check_all(run, kept->txn, &kept->pairs);
	store_end(kept->txn);
	kept->txn = NULL;
}

static void turn_kept(struct run *run)
{
	struct kept *kept = &run->kept[rng_below(&run->rng, KEPT)];
	struct err err = { 0 };

	if (!kept->txn) {
		assert_fine(store_snapshot(run->store, &kept->txn, &err), err);
		kept->pairs = run->now;
	} else if (rng_below(&run->rng, 4)) {
		check_some_range(run, kept->txn, &kept->pairs);
	} else {
		end_kept(run, kept);
	}
}

static void open_again(struct run *run)
{
	struct err err = { 0 };

	for (size_t i = 0; i < KEPT; i++)
		end_kept(run, &run->kept[i]);
	store_close(run->store);
	assert_fine(run->maker->open(run->place, &secret, &run->store, &err), err);
}

static void must_be_clean(void *context, struct bytes key, const char *text)
{
	(void)context;
	(void)key;
	fail_msg("the scan of a healthy store finds: %s", text);
}

static void check_store(struct run *run)
{
	struct store_txn *txn = NULL;
	struct err err = { 0 };

	assert_fine(store_snapshot(run->store, &txn, &err), err);
	check_all(run, txn, &run->now);
	assert_fine(store_scan(txn, must_be_clean, NULL, &err), err);
	store_end(txn);
}

void conformance_random(const struct store_maker *maker, uint64_t seed)
{
	struct run *run = must_alloc(sizeof *run);

	run->maker = maker;
	run->place = maker->make();
	run->rng = rng_from_number(seed);
	make_keys(run);
	for (int round = 0; round < maker->rounds; round++) {
		if (round % 97 == 0)
			open_again(run);
		write_some(run);
		turn_kept(run);
		if (round % 53 == 0)
			check_store(run);
	}
	open_again(run);
	check_store(run);
	store_close(run->store);
	maker->drop(run->place);
	for (size_t i = 0; i < KEYS; i++)
		free((void *)(uintptr_t)run->keys[i].data);
	free(run);
}
