/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks of a snapshot: whatever comes, the taker refuses it with a word, or takes it; and what is whole and put in
 * place is a sound state with a sound log. The three parts of an input are chunks.
 */
#include "crdt/gossip/taker.h"
#include "crdt/state/install.h"
#include "crdt/state/state.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/make.h"
#include "tests/sim/store_mem.h"
#include "tests/unit/log/realm.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { DONOR = 9, BATCHES = 4, RECORDS = 6 };

static struct realm realm;
static struct members *members;
static struct signer authors[2];
static struct mem_disk *fresh; /* with the statements alone */

static struct store *open_disk(struct mem_disk *disk)
{
	static const struct hash_key key = { { 1 } };
	struct store *store;
	enum code code = mem_store_open(disk, &key, &store, NULL);

	assert(!code);
	code = state_open(store, NULL);
	assert(!code);
	return store;
}

static void found_wrong(void *context, struct bytes key, const char *text)
{
	(void)context;
	(void)key;
	fprintf(stderr, "%s\n", text);
}

static void check_disk(struct store *store)
{
	struct store_txn *look;
	enum code code = store_snapshot(store, &look, NULL);

	assert(!code);
	code = state_check(look, found_wrong, NULL, NULL);
	assert(!code);
	code = log_check(look, found_wrong, NULL, NULL);
	assert(!code);
	store_end(look);
}

/* Instead of an empty state, and then joined with itself, which changes nothing. */
static void put_in_place(const struct gift *gift)
{
	struct mem_disk *disk = mem_disk_clone(fresh);
	struct store *store = open_disk(disk);
	struct vector vector = { 0 };
	struct arena arena = { 0 };

	for (int is_again = 0; is_again < 2; is_again++) {
		struct installing installing = { .gift = gift, .members = members, .vector = &vector, .arena = &arena };
		struct installed installed;
		static struct root root;
		enum code code = store_begin(store, &installing.txn, NULL);

		assert(!code);
		code = root_read(installing.txn, realm.cluster, &root, NULL);
		assert(!code);
		installing.root = &root;
		code = is_again ? install_join(&installing, &installed, NULL)
				: install_replace(&installing, &installed, NULL);
		assert(!code && installed.records == gift->records_count);
		assert(!is_again || (installed.unchanged == installed.records && !installed.forks_count));
		assert(vector_equal(&vector, &gift->vector));
		code = root_put(installing.txn, &root, NULL);
		assert(!code);
		code = store_commit(installing.txn, NULL);
		assert(!code);
		check_disk(store);
	}
	vector_done(&vector);
	arena_done(&arena);
	store_close(store);
	mem_disk_free(disk);
}

static void drop_asks(struct taker *taker)
{
	struct buf out = buf_growing(FRAME_MAX);

	while (taker_ask(taker, &out))
		buf_clear(&out);
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_read(data, size);
	struct taker taker = { .stage = TAKER_IDLE };
	struct stream_table told = { 0 };
	struct mono_time now = { 1 };
	enum code code = OK;

	taker_begin(&taker, DONOR, realm.cluster, now);
	for (size_t i = 0; !code && i < FUZZ_PARTS; i++) {
		struct err err = { 0 };
		struct frame frame;

		drop_asks(&taker);
		code = frame_read(input.parts[i], LINK_MEMBER, &told, &frame, &err);
		if (!code && frame.kind == FRAME_SNAP)
			code = taker_take(&taker, DONOR, &frame, members, NULL, now, &err);
		if (code)
			assert(*err.text && code != E_FULL && code != E_IO && code != E_DAMAGED);
		else
			fuzz_taken();
	}
	if (taker.stage == TAKER_IS_WHOLE)
		put_in_place(&taker.gift);
	taker_end(&taker);
	stream_table_done(&told);
	return 0;
}

/* --- Chunks as a donor makes them. */

struct making {
	struct maker maker;
	struct buf entries;
	struct bytes batches[BATCHES];
	size_t count;
	struct stream stream;
	struct end ends[2]; /* the second of a branch, of a closed start */
	size_t ends_count;
};

static struct bytes make_batch(struct making *m, struct end before)
{
	struct buf entries = buf_growing(ENTRY_MAX), whole = buf_growing(BATCH_MAX);
	struct op op = { .kind = KIND_setting, .id = { { (uint8_t)rng_u64(&m->maker.rng) } }, .is_dead = true };
	uint32_t count = 1 + (uint32_t)rng_below(&m->maker.rng, 3);
	struct bytes copy;

	for (uint32_t i = 0; i < count; i++)
		entry_write(hlc_make(1 + i, 0), NULL, &op, 1, &entries);
	batch_write(&authors[m->stream.start == 2], realm.cluster, m->stream, before, buf_bytes(&entries), count,
		    &whole);
	copy = arena_copy(&m->maker.arena, buf_bytes(&whole));
	buf_done(&entries);
	buf_done(&whole);
	return copy;
}

/* A chain, whose last batch may have a twin. */
static void make_chain(struct making *m)
{
	size_t count = 1 + rng_below(&m->maker.rng, BATCHES - 1);
	bool has_twin = rng_below(&m->maker.rng, 4) == 0;
	struct end before = { 0 };
	struct batch batch;
	enum code code;

	m->stream.node = node_of_key(authors[0].key);
	m->stream.start = 1;
	m->stream.lane = (enum lane)rng_below(&m->maker.rng, LANES);
	for (size_t i = 0; i < count + has_twin; i++) {
		struct end behind = before;

		m->batches[m->count++] = make_batch(m, before);
		code = batch_read(m->batches[i], &batch, NULL);
		assert(!code);
		if (i + 1 >= count)
			m->ends[m->ends_count++] = batch.end;
		before = i + 1 == count ? behind : batch.end;
	}
}

static void put_key(struct buf *key, struct stream stream)
{
	buf_put_big_endian(key, stream.node, 8);
	buf_put_big_endian(key, stream.start, 8);
	buf_put_byte(key, (uint8_t)stream.lane);
}

static int order_ends(const void *a, const void *b)
{
	const struct end *one = a, *other = b;

	if (one->seq != other->seq)
		return one->seq < other->seq ? -1 : 1;
	return memcmp(&one->hash, &other->hash, sizeof one->hash);
}

static void put_ends(struct making *m)
{
	uint8_t key_room[FRAME_SNAP_KEY_MAX], room[2 * SNAP_END_SIZE];
	struct buf key = buf_over(key_room, sizeof key_room), value = buf_over(room, sizeof room);

	qsort(m->ends, m->ends_count, sizeof *m->ends, order_ends);
	put_key(&key, m->stream);
	for (size_t i = 0; i < m->ends_count; i++) {
		buf_put_big_endian(&value, m->ends[i].seq, 8);
		buf_put(&value, &m->ends[i].hash, sizeof m->ends[i].hash);
	}
	frame_put_entry(&m->entries, &(struct snap_entry){ buf_bytes(&key), buf_bytes(&value) });
}

static int order_entries(const void *a, const void *b)
{
	const struct snap_entry *one = a, *other = b;

	return bytes_compare(one->key, other->key);
}

/* Sorted, each key once. */
static void put_sorted(struct making *m, struct snap_entry *all, size_t count)
{
	qsort(all, count, sizeof *all, order_entries);
	for (size_t i = 0; i < count; i++)
		if (!i || !bytes_equal(all[i - 1].key, all[i].key))
			frame_put_entry(&m->entries, &all[i]);
}

static void put_log(struct making *m)
{
	struct snap_entry all[BATCHES];

	for (size_t i = 0; i < m->count; i++) {
		struct buf key = buf_over(arena_take(&m->maker.arena, SNAP_LOG_KEY), SNAP_LOG_KEY);
		struct buf value = buf_over(arena_take(&m->maker.arena, BATCH_MAX), BATCH_MAX);
		bool is_whole = rng_below(&m->maker.rng, 2);
		struct batch batch;
		enum code code = batch_read(m->batches[i], &batch, NULL);

		assert(!code);
		put_key(&key, m->stream);
		buf_put_big_endian(&key, batch.end.seq, 8);
		buf_put(&key, &batch.end.hash, 8);
		buf_put_byte(&value, is_whole ? LOG_WHOLE : LOG_HEADER);
		buf_put_bytes(&value, is_whole ? m->batches[i] : batch_front(&batch));
		all[i] = (struct snap_entry){ buf_bytes(&key), buf_bytes(&value) };
	}
	put_sorted(m, all, m->count);
}

static void put_records(struct making *m)
{
	struct snap_entry all[RECORDS];
	size_t count = rng_below(&m->maker.rng, RECORDS + 1), kept = 0;
	static struct record record;

	for (size_t i = 0; i < count; i++) {
		const struct kind *kind = &model_kinds[rng_below(&m->maker.rng, MODEL_KINDS)];
		struct buf key = buf_over(arena_take(&m->maker.arena, SNAP_RECORD_KEY), SNAP_RECORD_KEY);
		struct bytes bytes = make_record(&m->maker, kind);
		struct id id;

		if ((kind->number & 3) == TIER_STATEMENT || record_read(bytes, &record, NULL))
			continue;
		id = record_id(kind->number, &record);
		buf_put_big_endian(&key, kind->number, 2);
		buf_put(&key, &id, sizeof id);
		all[kept++] = (struct snap_entry){ buf_bytes(&key), bytes };
	}
	put_sorted(m, all, kept);
}

static struct bytes close_chunk(struct making *m, enum snap_part part, uint8_t left)
{
	struct snap_front front = { .number = 1, .left = left, .part = part, .next = { .part = SNAP_PARTS } };
	struct buf out = buf_growing(2 * FRAME_MAX);
	struct bytes copy;

	frame_put_snap(&out, &front, buf_bytes(&m->entries));
	copy = arena_copy(&m->maker.arena, buf_bytes(&out));
	buf_done(&out);
	buf_clear(&m->entries);
	return copy;
}

static size_t make_input(struct rng *rng, uint8_t *data, size_t max_size)
{
	struct making m = { .maker = { .rng = *rng }, .entries = buf_growing(FRAME_MAX) };
	struct fuzz_input input = { .front = { 0 } };
	size_t size;

	make_chain(&m);
	put_ends(&m);
	input.parts[0] = close_chunk(&m, SNAP_VECTOR, 2);
	put_records(&m);
	input.parts[1] = close_chunk(&m, SNAP_RECORDS, 1);
	put_log(&m);
	input.parts[2] = close_chunk(&m, SNAP_LOG, 0);
	size = fuzz_write(&input, data, max_size);
	buf_done(&m.entries);
	arena_done(&m.maker.arena);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct rng rng = rng_from_number(seed);
	size_t made = rng_below(&rng, 3) ? 0 : make_input(&rng, data, max_size);

	return made ? made : fuzz_mutate(data, size, max_size, &rng);
}

/* Two members, the first of whom wrote; its start 1 is closed, so that it may have branches. */
static void found(void)
{
	struct signer root = realm_signer(1, 1), recovery = realm_signer(2, 2), once = realm_signer(3, 3);
	const struct statement *invite;

	realm_begin(&realm, &root, &recovery);
	authors[0] = realm_signer(4, 4);
	authors[1] = realm_signer(5, 5);
	invite = realm_invite(&realm, &root, &once, authors[0].key);
	realm_admit(&realm, &authors[0], &once, invite->id, authors[0].key);
	members = members_make(realm.cluster, realm.all, realm.count);
	assert(members_find(members, node_of_key(authors[0].key)));
}

static void make_disk(void)
{
	struct buf proof = buf_growing(PROOF_MAX);
	struct store *store;
	struct store_txn *txn;
	enum code code;

	fresh = mem_disk_new();
	store = open_disk(fresh);
	code = store_begin(store, &txn, NULL);
	for (size_t i = 0; !code && i < realm.count; i++)
		code = log_put_statement(txn, (uint32_t)i, realm.all[i].whole, NULL);
	proof_write_own(&authors[0], realm.cluster, 1, &proof);
	if (!code)
		code = log_put_proof(txn, node_of_key(authors[0].key), 1, buf_bytes(&proof), NULL);
	if (!code)
		code = store_commit(txn, NULL);
	assert(!code);
	buf_done(&proof);
	store_close(store);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_begin();
	found();
	make_disk();
	return 0;
}
