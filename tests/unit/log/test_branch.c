/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/log/tree.h"

#include <stdlib.h>

/* Closed starts in the log: branches, what is left of batches, what waits, proofs. */

enum { ROUNDS = 150 };

static int by_place(const void *a, const void *b)
{
	const struct end *one = &((const struct kept *)a)->batch.end, *other = &((const struct kept *)b)->batch.end;

	if (one->seq != other->seq)
		return one->seq < other->seq ? -1 : 1;
	return memcmp(one->hash.bytes, other->hash.bytes, 8);
}

/* That the log has what `kept` says, in order. */
static void assert_entries(void)
{
	struct kept sorted[BATCHES];
	struct log_place place = log_behind(0);
	struct logged logged;
	uint64_t horizon = 0;
	bool is_first = true;

	memcpy(sorted, kept, sizeof sorted);
	qsort(sorted, count, sizeof *sorted, by_place);
	for (size_t i = 0; i < count; i++) {
		const struct batch *batch = &sorted[i].batch;

		if (sorted[i].is_gone) {
			assert_int_equal(log_find(book.txn, stream, batch->end, &logged, NULL), E_ABSENT);
			continue;
		}
		assert_int_equal(log_after(book.txn, stream, place, &logged, NULL), OK);
		assert_int_equal(logged.form, sorted[i].form);
		assert_true(logged.first == batch->first && logged.last == batch->end.seq);
		assert_false(stream_compare(&logged.stream, &stream));
		if (logged.form == LOG_WHOLE)
			assert_true(bytes_equal(logged.bytes, batch->whole));
		if (logged.form == LOG_HEADER)
			assert_true(bytes_equal(logged.bytes, batch_front(batch)));
		place = log_place_of(&logged);
		assert_int_equal(log_find(book.txn, stream, batch->end, &logged, NULL), OK);
		assert_true(logged.first == batch->first && logged.tail == place.tail);
		assert_int_equal(log_horizon(book.txn, stream, &horizon, NULL), OK);
		assert_true(!is_first || horizon == batch->first - 1);
		is_first = false;
	}
	assert_int_equal(log_after(book.txn, stream, place, &logged, NULL), E_ABSENT);
}

/* What everybody has: whatever ends up to `seq`, unless a batch would then be left that begins below its end. */
static uint64_t let_go(uint64_t seq)
{
	for (bool is_moved = true; is_moved;) {
		is_moved = false;
		for (size_t i = 0; i < count; i++)
			if (kept[i].batch.first <= seq && kept[i].batch.end.seq > seq) {
				seq = kept[i].batch.first - 1;
				is_moved = true;
			}
	}
	for (size_t i = 0; i < count; i++)
		if (kept[i].batch.end.seq <= seq)
			drop(i);
	if (seq)
		assert_int_equal(log_put_ends(book.txn, TABLE_STABLE, stream,
					      &(struct frontier){ stream, { seq, { { 1 } } } }, 1, NULL),
				 OK);
	return seq;
}

/* Footprints at the beginning, headers anywhere, some gone: no step leaves anything for the check to find. */
static void whatever_is_left_is_known_again(void **state)
{
	size_t gone = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		logbook_write(&book);
		grow_tree();
		put_proof();
		for (size_t i = 0; i < count; i++) {
			bool may_go = kept[i].parent == BATCHES || kept[kept[i].parent].form == LOG_FOOTPRINT;

			if (dice_below(2))
				shrink(i, LOG_HEADER);
			if (may_go && dice_below(5))
				shrink(i, LOG_FOOTPRINT);
			if (!dice_below(4))
				shrink(i, LOG_WHOLE);
		}
		assert_entries();
		if (dice_below(2))
			gone += let_go(dice_below(20)) > 0;
		assert_entries();
		logbook_commit(&book);
		logbook_expect(&book, 0, "");
		logbook_end(&book);
		logbook_begin(&book);
	}
	assert_true(gone > ROUNDS / 20);
}

static void another_hash_is_another_batch(void **state)
{
	struct logged logged;
	struct end other;

	(void)state;
	grow_fork();
	logbook_write(&book);
	for (enum log_form form = LOG_WHOLE; form <= LOG_FOOTPRINT; form++) {
		shrink(1, form);
		other = kept[1].batch.end;
		other.hash.bytes[0] ^= 1;
		assert_int_equal(log_find(book.txn, stream, other, &logged, NULL), E_ABSENT);
		other = kept[1].batch.end;
		other.hash.bytes[8] ^= 1;
		/* A footprint tells no more than the key. */
		assert_int_equal(log_find(book.txn, stream, other, &logged, NULL),
				 form == LOG_FOOTPRINT ? OK : E_ABSENT);
	}
	logbook_abandon(&book);
}

/* Its front is all of it. */
static void a_batch_without_a_byte_of_entries_is_whole(void **state)
{
	struct buf whole = buf_growing(BATCH_MAX);
	struct logged logged;
	struct batch batch;

	(void)state;
	batch_write(&book.guest, book.realm.cluster, stream, (struct end){ 0 }, bytes_of(NULL, 0), 2, &whole);
	assert_int_equal(batch_read(buf_bytes(&whole), &batch, NULL), OK);
	logbook_write(&book);
	assert_int_equal(log_put_batch(book.txn, &batch, NULL), OK);
	logbook_put_end(&book, stream, batch.end);
	assert_int_equal(log_find(book.txn, stream, batch.end, &logged, NULL), OK);
	assert_int_equal(logged.form, LOG_WHOLE);
	assert_int_equal(log_shrink(book.txn, &logged, LOG_HEADER, NULL), OK);
	assert_int_equal(log_find(book.txn, stream, batch.end, &logged, NULL), OK);
	assert_int_equal(logged.form, LOG_WHOLE);
	assert_int_equal(log_shrink(book.txn, &logged, LOG_FOOTPRINT, NULL), OK);
	assert_int_equal(log_find(book.txn, stream, batch.end, &logged, NULL), OK);
	assert_int_equal(logged.form, LOG_FOOTPRINT);
	logbook_commit(&book);
	logbook_expect(&book, 0, "");
	buf_done(&whole);
}

static void without_entries_the_horizon_is_what_everybody_has(void **state)
{
	struct frontier ends[] = { { stream, { 4, { { 1 } } } }, { stream, { 9, { { 1 } } } } };
	struct stream other = stream;
	uint64_t horizon = 7;

	(void)state;
	logbook_write(&book);
	assert_int_equal(log_horizon(book.txn, stream, &horizon, NULL), OK);
	assert_true(horizon == 0);
	assert_int_equal(log_put_ends(book.txn, TABLE_STABLE, stream, ends, 2, NULL), OK);
	assert_int_equal(log_horizon(book.txn, stream, &horizon, NULL), OK);
	assert_true(horizon == 9);
	other.lane = LANE_BULK;
	assert_int_equal(log_horizon(book.txn, other, &horizon, NULL), OK);
	assert_true(horizon == 0);
	/* An end below it needs no batch, one beyond it does. */
	assert_int_equal(log_put_ends(book.txn, TABLE_VECTOR, stream, ends, 2, NULL), OK);
	logbook_commit(&book);
	logbook_expect(&book, 0, "");
	logbook_write(&book);
	ends[1].end.seq++;
	assert_int_equal(log_put_ends(book.txn, TABLE_VECTOR, stream, ends, 2, NULL), OK);
	logbook_commit(&book);
	logbook_expect(&book, 1, "an end and no batches");
	logbook_write(&book);
	plant(key_at(TABLE_STABLE, stream, NULL), bytes_text("x"));
	assert_int_equal(log_horizon(book.txn, stream, &horizon, NULL), E_DAMAGED);
	logbook_abandon(&book);
}

static void streams_are_found_one_after_the_other(void **state)
{
	static const uint8_t tables[] = { TABLE_BATCH, TABLE_WAITING, TABLE_VECTOR };
	struct vector all[COUNT(tables)] = { 0 };

	(void)state;
	logbook_write(&book);
	for (int i = 0; i < 200; i++) {
		struct stream of = { node_of_key(book.guest.key), dice_below(9) ? 1 + dice_below(9) : UINT64_MAX,
				     (enum lane)dice_below(LANES) };
		struct batch batch = logbook_batch(&book, &book.guest, of, (struct end){ 0 }, 1, dice());

		switch (dice_below(3)) {
		case 0: assert_int_equal(log_put_batch(book.txn, &batch, NULL), OK); break;
		case 1: assert_int_equal(log_put_waiting(book.txn, &batch, NULL), OK); break;
		default: logbook_put_end(&book, of, batch.end);
		}
		dice_state += (uint64_t)i;
	}
	for (size_t i = 0; i < COUNT(tables); i++) {
		struct stream at = { 0 };
		struct store_cursor *cursor;
		struct bytes key, value;

		assert_int_equal(store_range(book.txn, bytes_of(&tables[i], 1), bytes_of(NULL, 0), &cursor, NULL), OK);
		while (!store_next(cursor, &key, &value, NULL)) {
			struct reader r = reader_over(bytes_of(key.data + 1, key.size - 1));
			struct stream of = { .node = read_big_endian(&r, 8) };

			of.start = read_big_endian(&r, 8);
			of.lane = (enum lane)read_big_endian(&r, 1);
			vector_set(&all[i], of, (struct end){ 1, { { 0 } } });
		}
		store_range_end(cursor);
		assert_true(all[i].count > 10);
		for (size_t k = 0; k < all[i].count; k++) {
			assert_int_equal(log_next_stream(book.txn, tables[i], &at, &at, NULL), OK);
			assert_false(stream_compare(&at, &all[i].all[k].stream));
		}
		assert_int_equal(log_next_stream(book.txn, tables[i], &at, &at, NULL), E_ABSENT);
		vector_done(&all[i]);
	}
	logbook_abandon(&book);
}

static void what_waits_is_by_itself(void **state)
{
	struct batch one = logbook_batch(&book, &book.guest, stream, (struct end){ 4, { { 1 } } }, 2, 1);
	struct batch other = logbook_batch(&book, &book.guest, stream, (struct end){ 4, { { 1 } } }, 2, 2);
	struct log_place place = log_behind(0);
	struct logged logged;

	(void)state;
	logbook_write(&book);
	assert_int_equal(log_put_waiting(book.txn, &one, NULL), OK);
	assert_int_equal(log_put_waiting(book.txn, &other, NULL), OK);
	assert_int_equal(log_after(book.txn, stream, place, &logged, NULL), E_ABSENT);
	assert_int_equal(log_find(book.txn, stream, one.end, &logged, NULL), E_ABSENT);
	assert_int_equal(log_find_waiting(book.txn, stream, one.end, &logged, NULL), OK);
	assert_true(bytes_equal(logged.bytes, one.whole) && logged.form == LOG_WHOLE);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(log_waiting_after(book.txn, stream, place, &logged, NULL), OK);
		place = log_place_of(&logged);
	}
	assert_int_equal(log_waiting_after(book.txn, stream, place, &logged, NULL), E_ABSENT);
	assert_int_equal(log_put_batch(book.txn, &one, NULL), OK);
	assert_int_equal(log_find_waiting(book.txn, stream, one.end, &logged, NULL), OK);
	assert_int_equal(log_drop_waiting(book.txn, &logged, NULL), OK);
	assert_int_equal(log_find_waiting(book.txn, stream, one.end, &logged, NULL), E_ABSENT);
	assert_int_equal(log_find(book.txn, stream, one.end, &logged, NULL), OK);
	assert_int_equal(log_drop(book.txn, &logged, NULL), OK);
	logbook_commit(&book);
	/* It needs no chain and no proof; it needs its author. */
	logbook_expect(&book, 0, "");
	logbook_write(&book);
	plant(key_at(TABLE_WAITING, stream, &other.end), batch_front(&other));
	assert_int_equal(log_find_waiting(book.txn, stream, other.end, &logged, NULL), E_DAMAGED);
	logbook_commit(&book);
	logbook_expect(&book, 1, "not what it has to be");
	other = logbook_batch(&book, &book.founder, stream, (struct end){ 4, { { 1 } } }, 2, 4);
	one = logbook_batch(&book, &book.root, stream, (struct end){ 4, { { 1 } } }, 2, 3);
	logbook_write(&book);
	assert_int_equal(log_put_waiting(book.txn, &other, NULL), OK);
	assert_int_equal(log_put_waiting(book.txn, &one, NULL), OK);
	logbook_commit(&book);
	assert_int_equal(logbook_findings(&book), 3);
}

static void vectors_have_branches(void **state)
{
	struct vector is = { 0 }, should = { 0 };

	(void)state;
	logbook_write(&book);
	for (int i = 0; i < 300; i++) {
		struct stream of = { 1 + dice_below(5), 1 + dice_below(2), (enum lane)dice_below(LANES) };
		size_t ends;
		const struct frontier *all;

		vector_add(&should, of, (struct end){ 1 + dice_below(3), { { [15] = (uint8_t)dice_below(4) } } });
		if (!dice_below(5))
			vector_set(&should, of, (struct end){ 0 });
		all = vector_ends(&should, of, &ends);
		assert_int_equal(log_put_ends(book.txn, TABLE_STABLE, of, all, ends, NULL), OK);
		assert_int_equal(log_read_vector(book.txn, TABLE_STABLE, &is, NULL), OK);
		assert_true(vector_equal(&is, &should) && sum_equal(is.sum, should.sum));
		vector_done(&is);
	}
	assert_int_equal(log_read_vector(book.txn, TABLE_VECTOR, &is, NULL), OK);
	assert_int_equal(is.count, 0);
	logbook_abandon(&book);
	vector_done(&should);
}

static void find_bad_ends(uint8_t table)
{
	static const struct frontier bad[][2] = {
		{ { .end = { 5, { { 2 } } } }, { .end = { 5, { { 1 } } } } },
		{ { .end = { 5, { { 1 } } } }, { .end = { 5, { { 1 } } } } },
		{ { .end = { 6, { { 1 } } } }, { .end = { 5, { { 1 } } } } },
		{ { .end = { 0, { { 1 } } } }, { .end = { 5, { { 1 } } } } },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct vector is = { 0 };

		logbook_write(&book);
		assert_int_equal(log_put_ends(book.txn, table, stream, bad[i], 2, NULL), OK);
		assert_int_equal(log_read_vector(book.txn, table, &is, NULL), E_DAMAGED);
		vector_done(&is);
		logbook_commit(&book);
		logbook_expect(&book, 1, "no end of a stream");
	}
	for (size_t size = 0; size < 50; size++) {
		static const uint8_t zeros[50] = { [7] = 1, [31] = 2 };

		logbook_write(&book);
		plant(key_at(table, stream, NULL), bytes_of(zeros, size));
		logbook_commit(&book);
		/* An empty value is what the walk takes for one that the store names. */
		assert_int_equal(logbook_findings(&book), size % 24 != 0);
	}
	logbook_write(&book);
	assert_int_equal(log_put_ends(book.txn, table, stream, NULL, 0, NULL), OK);
	logbook_commit(&book);
}

static void ends_that_are_none_are_found(void **state)
{
	(void)state;
	find_bad_ends(TABLE_STABLE);
	find_bad_ends(TABLE_HAD);
}

static const struct {
	struct bytes value;
	enum code code;
} odd_values[] = {
	{ { (const uint8_t *)"\x00", 1 }, E_DAMAGED },     /* a footprint that begins with 0 */
	{ { (const uint8_t *)"\x07", 1 }, E_DAMAGED },     /* behind its end */
	{ { (const uint8_t *)"\x04\x04", 2 }, E_DAMAGED }, /* with more behind it */
	{ { (const uint8_t *)"\xcc\x04", 2 }, E_DAMAGED }, /* not in its one form */
	{ { (const uint8_t *)"\xc0", 1 }, E_DAMAGED },
	{ { (const uint8_t *)"\x99\x01", 2 }, E_DAMAGED },
	{ { (const uint8_t *)"\x99\x02\0\0\0\0\0\0\0\0", 10 }, E_NEWER },
};

static void entries_that_are_none_are_found(void **state)
{
	struct bytes key;
	struct logged logged;

	(void)state;
	grow_fork();
	/* The batch 1 is that of the seqs 4 to 6. */
	key = key_at(TABLE_BATCH, stream, &kept[1].batch.end);
	for (size_t i = 0; i < COUNT(odd_values); i++) {
		logbook_write(&book);
		plant(key, odd_values[i].value);
		assert_int_equal(log_find(book.txn, stream, kept[1].batch.end, &logged, NULL), odd_values[i].code);
		logbook_commit(&book);
		logbook_expect(&book, 1, odd_values[i].code == E_NEWER ? "newer Warren" : "not what it has to be");
	}
	logbook_write(&book);
	plant(key_at(TABLE_BATCH, stream, &(struct end){ 5000, { { 1 } } }), bytes_text("\x01"));
	assert_int_equal(log_after(book.txn, stream, log_behind(4000), &logged, NULL), E_DAMAGED);
	logbook_commit(&book);
	assert_int_equal(logbook_findings(&book), 2);
}

static enum code collect(void *context, uint64_t node, uint64_t start, struct bytes proof, struct err *err)
{
	uint64_t **next = context;

	*(*next)++ = node << 8 | start << 4 | proof.size;
	return node == 9 ? fail(err, E_VALUE, "no nine") : OK;
}

static void proofs_come_back_in_order(void **state)
{
	uint64_t all[5] = { 0 }, *next = all;

	(void)state;
	logbook_write(&book);
	assert_int_equal(log_put_proof(book.txn, 7, 2, bytes_text("yy"), NULL), OK);
	assert_int_equal(log_put_proof(book.txn, 3, 8, bytes_text("xxx"), NULL), OK);
	assert_int_equal(log_put_proof(book.txn, 7, 1, bytes_text("z"), NULL), OK);
	assert_int_equal(log_read_proofs(book.txn, collect, &next, NULL), OK);
	assert_true(next == all + 3 && all[0] == 0x383 && all[1] == 0x711 && all[2] == 0x722);
	assert_int_equal(log_put_proof(book.txn, 9, 1, bytes_text("z"), NULL), OK);
	assert_int_equal(log_put_proof(book.txn, 10, 1, bytes_text("z"), NULL), OK);
	next = all;
	assert_int_equal(log_read_proofs(book.txn, collect, &next, NULL), E_VALUE);
	assert_true(next == all + 4);
	plant(bytes_of("\x09xx", 3), bytes_text("y"));
	next = all;
	assert_int_equal(log_read_proofs(book.txn, collect, &next, NULL), E_VALUE);
	plant(bytes_of("\x09\0\0", 3), bytes_text("y"));
	assert_int_equal(log_read_proofs(book.txn, collect, &next, NULL), E_DAMAGED);
	logbook_abandon(&book);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, tree_begin, tree_end)
	static const struct CMUnitTest tests[] = {
		TEST(whatever_is_left_is_known_again),
		TEST(another_hash_is_another_batch),
		TEST(a_batch_without_a_byte_of_entries_is_whole),
		TEST(without_entries_the_horizon_is_what_everybody_has),
		TEST(streams_are_found_one_after_the_other),
		TEST(what_waits_is_by_itself),
		TEST(vectors_have_branches),
		TEST(ends_that_are_none_are_found),
		TEST(entries_that_are_none_are_found),
		TEST(proofs_come_back_in_order),
	};

	return cmocka_run_group_tests_name("branch", tests, NULL, NULL);
}
