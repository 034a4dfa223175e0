/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/log/logbook.h"

#include "tests/unit/base/check.h"

#include <stdlib.h>

enum { STREAMS = 7, BATCHES = 400 };

static struct logbook book;

/* Each batch that was put, in order. */
static struct batch kept[BATCHES];
static size_t kept_count;

static struct batch next_batch(const struct signer *author, uint64_t start, enum lane lane, struct end before,
			       uint32_t count)
{
	return logbook_batch(&book, author, (struct stream){ node_of_key(author->key), start, lane }, before, count, 0);
}

static void put(const struct batch *batch)
{
	assert_int_equal(log_put_batch(book.txn, batch, NULL), OK);
	logbook_put_end(&book, batch->stream, batch->end);
}

/* Some streams of two members that statements let in, in an order as it comes. */
static int begin(void **state)
{
	struct end ends[STREAMS] = { { 0 } };

	(void)state;
	dice_state = 1;
	logbook_begin(&book);
	logbook_write(&book);
	for (kept_count = 0; kept_count < BATCHES; kept_count++) {
		size_t stream = dice_below(STREAMS);
		const struct signer *author = stream & 1 ? &book.founder : &book.guest;

		kept[kept_count] =
			next_batch(author, stream < 2 ? 1 : UINT64_C(1) << 40, (enum lane)(stream / 2 % LANES),
				   ends[stream], 1 + (uint32_t)dice_below(5));
		ends[stream] = kept[kept_count].end;
		put(&kept[kept_count]);
	}
	logbook_commit(&book);
	return 0;
}

static int end(void **state)
{
	(void)state;
	logbook_end(&book);
	return 0;
}

static void the_batch_behind_a_number_is_found(void **state)
{
	(void)state;
	assert_int_equal(store_snapshot(book.store, &book.txn, NULL), OK);
	for (size_t i = 0; i < kept_count; i++) {
		const struct stream stream = kept[i].stream;
		size_t last = 0;

		for (size_t k = 0; k < kept_count; k++)
			if (!stream_compare(&kept[k].stream, &stream))
				last = k;
		for (uint64_t seq = kept[i].first - 1; seq < kept[i].end.seq; seq++) {
			struct logged logged;

			assert_int_equal(log_after(book.txn, stream, log_behind(seq), &logged, NULL), OK);
			assert_true(bytes_equal(logged.bytes, kept[i].whole));
		}
		if (last == i) {
			struct logged logged = { 0 };

			assert_int_equal(log_after(book.txn, stream, log_behind(kept[i].end.seq), &logged, NULL),
					 E_ABSENT);
			assert_int_equal(log_after(book.txn, stream, log_behind(UINT64_MAX), &logged, NULL), E_ABSENT);
			assert_null(logged.bytes.data);
		}
	}
	logbook_abandon(&book);
}

static void the_vector_is_all_ends(void **state)
{
	struct vector is = { 0 }, should = { 0 };

	(void)state;
	for (size_t i = 0; i < kept_count; i++)
		vector_set(&should, kept[i].stream, kept[i].end);
	logbook_write(&book);
	logbook_put_end(&book, (struct stream){ 5, 5, 1 }, kept[0].end);
	logbook_put_end(&book, (struct stream){ 5, 5, 1 }, (struct end){ 0 });
	assert_int_equal(log_read_vector(book.txn, TABLE_VECTOR, &is, NULL), OK);
	assert_true(vector_equal(&is, &should));
	assert_true(store_count(book.txn, TABLE_VECTOR) == should.count);
	vector_done(&is);
	vector_done(&should);
	assert_int_equal(store_put(book.txn, bytes_of("\x06xx", 3), bytes_text("y"), NULL), OK);
	assert_int_equal(log_read_vector(book.txn, TABLE_VECTOR, &is, NULL), E_DAMAGED);
	vector_done(&is);
	logbook_abandon(&book);
	logbook_write(&book);
	logbook_put_end(&book, (struct stream){ 5, 5, LANES }, kept[0].end);
	assert_int_equal(log_read_vector(book.txn, TABLE_VECTOR, &is, NULL), E_DAMAGED);
	vector_done(&is);
	logbook_abandon(&book);
}

static void statements_come_back_in_order(void **state)
{
	struct statement *all = NULL;
	size_t count = 0;

	(void)state;
	logbook_write(&book);
	assert_int_equal(log_read_statements(book.txn, &book.arena, &all, &count, NULL), OK);
	assert_int_equal(count, book.realm.count);
	for (size_t i = 0; i < count; i++) {
		assert_true(id_equal(all[i].hash, book.realm.all[i].hash));
		assert_true(bytes_equal(all[i].whole, book.realm.all[i].whole));
	}
	assert_int_equal(log_put_statement(book.txn, (uint32_t)count + 1, book.realm.all[0].whole, NULL), OK);
	all = NULL;
	assert_int_equal(log_read_statements(book.txn, &book.arena, &all, &count, NULL), E_DAMAGED);
	assert_null(all);
	assert_int_equal(log_put_statement(book.txn, (uint32_t)count, bytes_text("nothing"), NULL), OK);
	assert_int_equal(log_read_statements(book.txn, &book.arena, &all, &count, NULL), E_DAMAGED);
	logbook_abandon(&book);
}

static void a_good_log_has_nothing_to_tell(void **state)
{
	struct signer recovery = realm_signer(9, 9);

	(void)state;
	logbook_expect(&book, 0, "");
	/* Also of one who was evicted, and with statements that no longer stand. */
	realm_evict(&book.realm, &book.root, book.guest.key, book.founder.key, NULL, 0);
	realm_change_root(&book.realm, &recovery, realm_signer(20, 20).key, realm_signer(21, 21).key, NULL, 0);
	logbook_write(&book);
	for (size_t i = 5; i < book.realm.count; i++)
		assert_int_equal(log_put_statement(book.txn, (uint32_t)i, book.realm.all[i].whole, NULL), OK);
	logbook_commit(&book);
	logbook_expect(&book, 0, "");
}

static void an_empty_log_is_a_good_one(void **state)
{
	struct mem_disk *other = mem_disk_new();
	struct store *full = book.store;

	(void)state;
	assert_int_equal(mem_store_open(other, &(struct hash_key){ { 7 } }, &book.store, NULL), OK);
	logbook_expect(&book, 0, "");
	store_close(book.store);
	mem_disk_free(other);
	book.store = full;
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
	logbook_write(&book);
	assert_int_equal(store_delete(book.txn, key_of(first, room), NULL), OK);
	logbook_commit(&book);
	logbook_expect(&book, 0, "");
	logbook_write(&book);
	assert_int_equal(log_put_batch(book.txn, first, NULL), OK);
	assert_int_equal(store_delete(book.txn, key_of(second, room), NULL), OK);
	logbook_commit(&book);
	logbook_expect(&book, 1, "does not follow");
}

/* The right numbers behind another batch than the one that is there. */
static void a_chain_that_is_none_is_found(void **state)
{
	const struct batch *last = first_of(0), *next = last;
	struct batch other;

	(void)state;
	for (; next; next = first_of(next->end.seq))
		last = next;
	other = next_batch(last->stream.node == node_of_key(book.guest.key) ? &book.guest : &book.founder,
			   last->stream.start, last->stream.lane, (struct end){ last->end.seq, book.realm.cluster }, 1);
	logbook_write(&book);
	put(&other);
	logbook_commit(&book);
	logbook_expect(&book, 1, "does not follow");
}

static void a_batch_that_is_not_its_members_is_found(void **state)
{
	struct batch stranger = next_batch(&book.root, 1, LANE_BULK, (struct end){ 0 }, 1), bent = *first_of(0);
	uint8_t *bytes = (uint8_t *)(uintptr_t)arena_copy(&book.arena, bent.whole).data;

	(void)state;
	logbook_write(&book);
	put(&stranger);
	logbook_commit(&book);
	logbook_expect(&book, 1, "not that of a member");
	/* One bit of the signature, which stands right behind the header. */
	bytes[bent.header.size + 5] ^= 1;
	bent.whole.data = bytes;
	logbook_write(&book);
	assert_int_equal(log_put_batch(book.txn, &bent, NULL), OK);
	logbook_commit(&book);
	logbook_expect(&book, 2, "not that of a member");
}

static void a_batch_of_another_cluster_is_found(void **state)
{
	struct batch other;

	(void)state;
	book.realm.cluster.bytes[0] ^= 1;
	other = next_batch(&book.guest, 55, LANE_BULK, (struct end){ 0 }, 1);
	book.realm.cluster.bytes[0] ^= 1;
	logbook_write(&book);
	put(&other);
	logbook_commit(&book);
	logbook_expect(&book, 1, "another cluster");
}

static void what_lies_in_a_wrong_place_is_found(void **state)
{
	struct batch moved = *first_of(0);

	(void)state;
	moved.stream.start = 77;
	logbook_write(&book);
	put(&moved);
	logbook_commit(&book);
	logbook_expect(&book, 1, "lies where another belongs");
	logbook_write(&book);
	assert_int_equal(store_put(book.txn, bytes_of("\x04xx", 3), bytes_text("y"), NULL), OK);
	assert_int_equal(store_put(book.txn, bytes_of("\x05xx", 3), bytes_text("y"), NULL), OK);
	assert_int_equal(store_put(book.txn, bytes_of("\x06xx", 3), bytes_text("y"), NULL), OK);
	logbook_commit(&book);
	logbook_expect(&book, 4, "no statement's key");
}

static void a_wrong_end_is_found(void **state)
{
	const struct batch *first = first_of(0);

	(void)state;
	logbook_write(&book);
	logbook_put_end(&book, first->stream, first->end);
	logbook_commit(&book);
	logbook_expect(&book, 1, "not that of its last batch");
	logbook_write(&book);
	logbook_put_end(&book, first->stream, (struct end){ 0 });
	logbook_commit(&book);
	logbook_expect(&book, 1, "has batches and no end");
	logbook_write(&book);
	logbook_put_end(&book, (struct stream){ 5, 5, 0 }, first->end);
	logbook_commit(&book);
	logbook_expect(&book, 2, "has batches and no end");
}

static void an_end_without_batches_is_found(void **state)
{
	(void)state;
	logbook_write(&book);
	logbook_put_end(&book, (struct stream){ 5, 5, 0 }, kept[0].end);
	logbook_commit(&book);
	logbook_expect(&book, 1, "an end and no batches");
}

static void put_statement(size_t number, struct bytes whole)
{
	logbook_write(&book);
	assert_int_equal(log_put_statement(book.txn, (uint32_t)number, whole, NULL), OK);
	logbook_commit(&book);
}

static void a_wrong_statement_is_found(void **state)
{
	struct signer stranger = realm_signer(40, 40);
	struct bytes good = book.realm.all[1].whole, bent = arena_copy(&book.arena, good);
	const struct statement *one = realm_operator(&book.realm, &stranger, book.guest.key);

	(void)state;
	((uint8_t *)(uintptr_t)bent.data)[bent.size - 1] ^= 1;
	put_statement(5, bent);
	logbook_expect(&book, 1, "signature");
	put_statement(5, bytes_text("x"));
	logbook_expect(&book, 1, "statement");
	put_statement(5, one->whole);
	logbook_expect(&book, 1, "not signed by an operator");
	put_statement(5, good);
	put_statement(7, good);
	logbook_expect(&book, 1, "before this one is missing");
	/* What follows the gap is told of no more. */
	put_statement(8, good);
	logbook_expect(&book, 1, "before this one is missing");
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
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
