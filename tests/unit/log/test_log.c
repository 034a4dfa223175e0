/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/log.h"

#include "crdt/model/mp.h"
#include "tests/sim/store_mem.h"
#include "tests/unit/base/check.h"
#include "tests/unit/log/realm.h"

#include <stdio.h>
#include <stdlib.h>

enum { STREAMS = 7, BATCHES = 400 };

static struct realm realm;
static struct arena arena;
static struct mem_disk *disk;
static struct store *store;
static struct store_txn *txn;
static struct signer root, founder, guest;

/* Each batch that was put, in order. */
static struct batch kept[BATCHES];
static size_t kept_count;

static void write_begin(void)
{
	assert_int_equal(store_begin(store, &txn, NULL), OK);
}

static void write_end(void)
{
	assert_int_equal(store_commit(txn, NULL), OK);
}

static struct batch next_batch(const struct signer *author, uint64_t start, enum lane lane, struct end before,
			       uint32_t count)
{
	struct stream stream = { node_of_key(author->key), start, lane };
	struct buf entries = buf_growing(BATCH_MAX), whole = buf_growing(BATCH_MAX);
	struct op op = { .kind = KIND_group, .is_dead = true };
	struct batch batch;

	for (uint32_t i = 0; i < count; i++)
		entry_write((struct hlc){ i }, NULL, &op, 1, &entries);
	batch_write(author, realm.cluster, stream, before, buf_bytes(&entries), count, &whole);
	assert_int_equal(batch_read(arena_copy(&arena, buf_bytes(&whole)), &batch, NULL), OK);
	buf_done(&entries);
	buf_done(&whole);
	return batch;
}

/* That the stream ends there and nowhere else; zeroed: nowhere. */
static enum code put_end(struct stream stream, struct end end)
{
	struct frontier one = { stream, end };

	return log_put_ends(txn, TABLE_VECTOR, stream, &one, end.seq != 0, NULL);
}

static void put(const struct batch *batch)
{
	assert_int_equal(log_put_batch(txn, batch, NULL), OK);
	assert_int_equal(put_end(batch->stream, batch->end), OK);
}

/* Some streams of two members that statements let in, in an order as it comes. */
static int begin(void **state)
{
	struct signer recovery = realm_signer(9, 9), once = realm_signer(8, 8), once_more = realm_signer(7, 7);
	struct end ends[STREAMS] = { { 0 } };
	struct id invite;

	(void)state;
	dice_state = 1;
	root = realm_signer(1, 1);
	founder = realm_signer(2, 2);
	guest = realm_signer(3, 3);
	realm_begin(&realm, &root, &recovery);
	invite = realm_invite(&realm, &root, &once, founder.key)->id;
	realm_admit(&realm, &founder, &once, invite, founder.key);
	invite = realm_invite(&realm, &root, &once_more, founder.key)->id;
	realm_admit(&realm, &founder, &once_more, invite, guest.key);
	disk = mem_disk_new();
	assert_int_equal(mem_store_open(disk, &(struct hash_key){ { 7 } }, &store, NULL), OK);
	write_begin();
	for (size_t i = 0; i < realm.count; i++)
		assert_int_equal(log_put_statement(txn, (uint32_t)i, realm.all[i].whole, NULL), OK);
	for (kept_count = 0; kept_count < BATCHES; kept_count++) {
		size_t stream = dice_below(STREAMS);
		const struct signer *author = stream & 1 ? &founder : &guest;

		kept[kept_count] =
			next_batch(author, stream < 2 ? 1 : UINT64_C(1) << 40, (enum lane)(stream / 2 % LANES),
				   ends[stream], 1 + (uint32_t)dice_below(5));
		ends[stream] = kept[kept_count].end;
		put(&kept[kept_count]);
	}
	write_end();
	return 0;
}

static int end(void **state)
{
	(void)state;
	store_close(store);
	mem_disk_free(disk);
	realm_end(&realm);
	arena_reset(&arena);
	return 0;
}

struct findings {
	size_t count;
	char text[300];
};

static void note(void *context, struct bytes key, const char *text)
{
	struct findings *findings = context;

	assert_true(key.size > 0);
	if (!findings->count++)
		snprintf(findings->text, sizeof findings->text, "%s", text);
}

static void expect(size_t count, const char *text)
{
	struct findings findings = { 0 };
	struct store_txn *look;
	struct err err = { 0 };

	assert_int_equal(store_snapshot(store, &look, NULL), OK);
	assert_int_equal(log_check(look, note, &findings, &err), count ? E_DAMAGED : OK);
	if (count)
		assert_string_equal(err.text, "the log is damaged");
	if (!strstr(findings.text, text))
		fail_msg("%s", findings.text);
	assert_int_equal(findings.count, count);
	store_end(look);
}

static void the_batch_behind_a_number_is_found(void **state)
{
	(void)state;
	assert_int_equal(store_snapshot(store, &txn, NULL), OK);
	for (size_t i = 0; i < kept_count; i++) {
		const struct stream stream = kept[i].stream;
		size_t last = 0;

		for (size_t k = 0; k < kept_count; k++)
			if (!stream_compare(&kept[k].stream, &stream))
				last = k;
		for (uint64_t seq = kept[i].first - 1; seq < kept[i].end.seq; seq++) {
			struct logged logged;

			assert_int_equal(log_after(txn, stream, log_behind(seq), &logged, NULL), OK);
			assert_true(bytes_equal(logged.bytes, kept[i].whole));
		}
		if (last == i) {
			struct logged logged = { 0 };

			assert_int_equal(log_after(txn, stream, log_behind(kept[i].end.seq), &logged, NULL), E_ABSENT);
			assert_int_equal(log_after(txn, stream, log_behind(UINT64_MAX), &logged, NULL), E_ABSENT);
			assert_null(logged.bytes.data);
		}
	}
	store_end(txn);
}

static void the_vector_is_all_ends(void **state)
{
	struct vector is = { 0 }, should = { 0 };

	(void)state;
	for (size_t i = 0; i < kept_count; i++)
		vector_set(&should, kept[i].stream, kept[i].end);
	write_begin();
	assert_int_equal(put_end((struct stream){ 5, 5, 1 }, kept[0].end), OK);
	assert_int_equal(put_end((struct stream){ 5, 5, 1 }, (struct end){ 0 }), OK);
	assert_int_equal(log_read_vector(txn, TABLE_VECTOR, &is, NULL), OK);
	assert_true(vector_equal(&is, &should));
	assert_true(store_count(txn, TABLE_VECTOR) == should.count);
	vector_done(&is);
	vector_done(&should);
	assert_int_equal(store_put(txn, bytes_of("\x06xx", 3), bytes_text("y"), NULL), OK);
	assert_int_equal(log_read_vector(txn, TABLE_VECTOR, &is, NULL), E_DAMAGED);
	vector_done(&is);
	store_end(txn);
	write_begin();
	assert_int_equal(put_end((struct stream){ 5, 5, LANES }, kept[0].end), OK);
	assert_int_equal(log_read_vector(txn, TABLE_VECTOR, &is, NULL), E_DAMAGED);
	vector_done(&is);
	store_end(txn);
}

static void statements_come_back_in_order(void **state)
{
	struct statement *all = NULL;
	size_t count = 0;

	(void)state;
	write_begin();
	assert_int_equal(log_read_statements(txn, &arena, &all, &count, NULL), OK);
	assert_int_equal(count, realm.count);
	for (size_t i = 0; i < count; i++) {
		assert_true(id_equal(all[i].hash, realm.all[i].hash));
		assert_true(bytes_equal(all[i].whole, realm.all[i].whole));
	}
	assert_int_equal(log_put_statement(txn, (uint32_t)count + 1, realm.all[0].whole, NULL), OK);
	all = NULL;
	assert_int_equal(log_read_statements(txn, &arena, &all, &count, NULL), E_DAMAGED);
	assert_null(all);
	assert_int_equal(log_put_statement(txn, (uint32_t)count, bytes_text("nothing"), NULL), OK);
	assert_int_equal(log_read_statements(txn, &arena, &all, &count, NULL), E_DAMAGED);
	store_end(txn);
}

static void a_good_log_has_nothing_to_tell(void **state)
{
	struct signer recovery = realm_signer(9, 9);

	(void)state;
	expect(0, "");
	/* Also of one who was evicted, and with statements that no longer stand. */
	realm_evict(&realm, &root, guest.key, founder.key, NULL, 0);
	realm_change_root(&realm, &recovery, realm_signer(20, 20).key, realm_signer(21, 21).key, NULL, 0);
	write_begin();
	for (size_t i = 5; i < realm.count; i++)
		assert_int_equal(log_put_statement(txn, (uint32_t)i, realm.all[i].whole, NULL), OK);
	write_end();
	expect(0, "");
}

static void an_empty_log_is_a_good_one(void **state)
{
	struct mem_disk *other = mem_disk_new();
	struct store *full = store;

	(void)state;
	assert_int_equal(mem_store_open(other, &(struct hash_key){ { 7 } }, &store, NULL), OK);
	expect(0, "");
	store_close(store);
	mem_disk_free(other);
	store = full;
}

/* The key of a batch that was put. */
static struct bytes key_of(const struct batch *batch, uint8_t room[34])
{
	struct buf buf = buf_over(room, 34);

	buf_put_byte(&buf, TABLE_BATCH);
	buf_put_big_endian(&buf, batch->stream.node, 8);
	buf_put_big_endian(&buf, batch->stream.start, 8);
	buf_put_byte(&buf, (uint8_t)batch->stream.lane);
	buf_put_big_endian(&buf, batch->end.seq, 8);
	buf_put(&buf, batch->end.hash.bytes, 8);
	return buf_bytes(&buf);
}

/* The first of a stream and its second. */
static const struct batch *first_of(uint64_t after)
{
	for (size_t i = 0; i < kept_count; i++)
		if (!stream_compare(&kept[i].stream, &kept[0].stream) && kept[i].first > after)
			return &kept[i];
	return NULL;
}

static void a_missing_batch_is_found(void **state)
{
	const struct batch *first = first_of(0), *second = first_of(first->end.seq);
	uint8_t room[34];

	(void)state;
	write_begin();
	assert_int_equal(store_delete(txn, key_of(first, room), NULL), OK);
	write_end();
	expect(0, "");
	write_begin();
	assert_int_equal(log_put_batch(txn, first, NULL), OK);
	assert_int_equal(store_delete(txn, key_of(second, room), NULL), OK);
	write_end();
	expect(1, "does not follow");
}

/* The right numbers behind another batch than the one that is there. */
static void a_chain_that_is_none_is_found(void **state)
{
	const struct batch *last = first_of(0), *next = last;
	struct batch other;

	(void)state;
	for (; next; next = first_of(next->end.seq))
		last = next;
	other = next_batch(last->stream.node == node_of_key(guest.key) ? &guest : &founder, last->stream.start,
			   last->stream.lane, (struct end){ last->end.seq, realm.cluster }, 1);
	write_begin();
	put(&other);
	write_end();
	expect(1, "does not follow");
}

static void a_batch_that_is_not_its_members_is_found(void **state)
{
	struct batch stranger = next_batch(&root, 1, LANE_BULK, (struct end){ 0 }, 1), bent = *first_of(0);
	uint8_t *bytes = (uint8_t *)(uintptr_t)arena_copy(&arena, bent.whole).data;

	(void)state;
	write_begin();
	put(&stranger);
	write_end();
	expect(1, "not that of a member");
	/* One bit of the signature, which stands right behind the header. */
	bytes[bent.header.size + 5] ^= 1;
	bent.whole.data = bytes;
	write_begin();
	assert_int_equal(log_put_batch(txn, &bent, NULL), OK);
	write_end();
	expect(2, "not that of a member");
}

static void a_batch_of_another_cluster_is_found(void **state)
{
	struct batch other;

	(void)state;
	realm.cluster.bytes[0] ^= 1;
	other = next_batch(&guest, 55, LANE_BULK, (struct end){ 0 }, 1);
	realm.cluster.bytes[0] ^= 1;
	write_begin();
	put(&other);
	write_end();
	expect(1, "another cluster");
}

static void what_lies_in_a_wrong_place_is_found(void **state)
{
	struct batch moved = *first_of(0);

	(void)state;
	moved.stream.start = 77;
	write_begin();
	put(&moved);
	write_end();
	expect(1, "lies where another belongs");
	write_begin();
	assert_int_equal(store_put(txn, bytes_of("\x04xx", 3), bytes_text("y"), NULL), OK);
	assert_int_equal(store_put(txn, bytes_of("\x05xx", 3), bytes_text("y"), NULL), OK);
	assert_int_equal(store_put(txn, bytes_of("\x06xx", 3), bytes_text("y"), NULL), OK);
	write_end();
	expect(4, "no statement's key");
}

static void a_wrong_end_is_found(void **state)
{
	const struct batch *first = first_of(0);

	(void)state;
	write_begin();
	assert_int_equal(put_end(first->stream, first->end), OK);
	write_end();
	expect(1, "not that of its last batch");
	write_begin();
	assert_int_equal(put_end(first->stream, (struct end){ 0 }), OK);
	write_end();
	expect(1, "has batches and no end");
	write_begin();
	assert_int_equal(put_end((struct stream){ 5, 5, 0 }, first->end), OK);
	write_end();
	expect(2, "has batches and no end");
}

static void an_end_without_batches_is_found(void **state)
{
	(void)state;
	write_begin();
	assert_int_equal(put_end((struct stream){ 5, 5, 0 }, kept[0].end), OK);
	write_end();
	expect(1, "an end and no batches");
}

static void put_statement(size_t number, struct bytes whole)
{
	write_begin();
	assert_int_equal(log_put_statement(txn, (uint32_t)number, whole, NULL), OK);
	write_end();
}

static void a_wrong_statement_is_found(void **state)
{
	struct signer stranger = realm_signer(40, 40);
	struct bytes good = realm.all[1].whole, bent = arena_copy(&arena, good);
	const struct statement *one = realm_operator(&realm, &stranger, guest.key);

	(void)state;
	((uint8_t *)(uintptr_t)bent.data)[bent.size - 1] ^= 1;
	put_statement(5, bent);
	expect(1, "signature");
	put_statement(5, bytes_text("x"));
	expect(1, "statement");
	put_statement(5, one->whole);
	expect(1, "not signed by an operator");
	put_statement(5, good);
	put_statement(7, good);
	expect(1, "before this one is missing");
	/* What follows the gap is told of no more. */
	put_statement(8, good);
	expect(1, "before this one is missing");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	static const struct CMUnitTest tests[] = {
		TEST(the_batch_behind_a_number_is_found),  TEST(the_vector_is_all_ends),
		TEST(statements_come_back_in_order),       TEST(a_good_log_has_nothing_to_tell),
		TEST(an_empty_log_is_a_good_one),          TEST(a_missing_batch_is_found),
		TEST(a_chain_that_is_none_is_found),       TEST(a_batch_that_is_not_its_members_is_found),
		TEST(what_lies_in_a_wrong_place_is_found), TEST(a_wrong_end_is_found),
		TEST(an_end_without_batches_is_found),     TEST(a_wrong_statement_is_found),
		TEST(a_batch_of_another_cluster_is_found),
	};
	int failed = cmocka_run_group_tests_name("log", tests, NULL, NULL);

	arena_done(&arena);
	arena_done(&realm.arena);
	return failed;
}
