/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/proof.h"
#include "tests/unit/base/check.h"
#include "tests/unit/log/tree.h"

/* What the check of the log finds in closed starts: each damage, and nothing in what is sound. */

static void branches_need_a_proof(void **state)
{
	struct bytes proof;
	uint8_t table = TABLE_STATEMENT;

	(void)state;
	grow_fork();
	logbook_write(&book);
	assert_int_equal(store_delete(book.txn, proof = bytes_of(key_at(TABLE_PROOF, stream, NULL).data, 17), NULL),
			 OK);
	logbook_commit(&book);
	logbook_expect(&book, 1, "nothing closed it");
	/* Another start's says nothing of this one. */
	logbook_write(&book);
	((uint8_t *)(uintptr_t)proof.data)[16]++;
	plant(proof, bytes_text("x"));
	logbook_commit(&book);
	assert_int_equal(logbook_findings(&book), 2);
	logbook_write(&book);
	assert_int_equal(store_delete(book.txn, proof, NULL), OK);
	realm_evict(&book.realm, &book.root, book.guest.key, book.founder.key, NULL, 0);
	for (size_t i = store_count(book.txn, table); i < book.realm.count; i++)
		assert_int_equal(log_put_statement(book.txn, (uint32_t)i, book.realm.all[i].whole, NULL), OK);
	logbook_commit(&book);
	logbook_expect(&book, 0, "");
}

/* Also two roots are branches. */
static void a_second_root_needs_a_proof(void **state)
{
	(void)state;
	logbook_write(&book);
	grow(BATCHES, 3);
	grow(BATCHES, 5);
	put_ends();
	logbook_commit(&book);
	logbook_expect(&book, 1, "nothing closed it");
	logbook_write(&book);
	put_proof();
	logbook_commit(&book);
	logbook_expect(&book, 0, "");
}

/* Each one of a tree that is not there any more; the lowest of all may be gone. */
static void any_missing_entry_is_found(void **state)
{
	(void)state;
	for (int round = 0; round < 4; round++) {
		bool is_seen = false;

		logbook_write(&book);
		grow_tree();
		put_proof();
		logbook_commit(&book);
		for (size_t i = 0; i < count; i++) {
			size_t findings;

			logbook_write(&book);
			drop(i);
			logbook_commit(&book);
			findings = logbook_findings(&book);
			is_seen |= findings > 0;
			/* Whatever follows it, or the end that it was. */
			assert_true(findings > 0 || kept[i].batch.first <= kept[0].batch.end.seq + 3);
			logbook_write(&book);
			assert_int_equal(log_put_batch(book.txn, &kept[i].batch, NULL), OK);
			logbook_commit(&book);
			logbook_expect(&book, 0, "");
		}
		assert_true(is_seen);
		logbook_end(&book);
		logbook_begin(&book);
	}
}

/* Any entry that the disk changed: the store's own scan names it, and what lies around it is well. */
static void what_the_store_finds_itself_is_only_a_gap(void **state)
{
	(void)state;
	for (int round = 0; round < 10; round++) {
		logbook_write(&book);
		grow_tree();
		put_proof();
		for (size_t i = 0; i < count; i++) {
			if (round % 2 && (kept[i].parent == BATCHES || kept[kept[i].parent].form == LOG_FOOTPRINT))
				shrink(i, dice_below(4) ? LOG_FOOTPRINT : LOG_HEADER);
		}
		logbook_commit(&book);
		for (size_t i = 0; i < count; i++) {
			struct bytes key = key_at(TABLE_BATCH, stream, &kept[i].batch.end), value;

			logbook_write(&book);
			value = arena_copy(&book.arena, found(i).bytes);
			logbook_abandon(&book);
			mem_disk_poke(book.disk, key, bytes_text("rot"));
			logbook_expect(&book, 0, "");
			mem_disk_poke(book.disk, key, bytes_of(NULL, 0));
			logbook_write(&book);
			plant(key, value);
			logbook_commit(&book);
		}
		logbook_expect(&book, 0, "");
		logbook_end(&book);
		logbook_begin(&book);
	}
}

/* What the lowest of them followed nobody can say, so the others may have followed it too. */
static void a_changed_lowest_entry_is_only_a_gap(void **state)
{
	struct logged lowest;
	struct end end = { 0 };

	(void)state;
	logbook_write(&book);
	grow(BATCHES, 3);
	for (int i = 0; i < 3; i++)
		grow(0, 3);
	put_ends();
	put_proof();
	drop(0);
	assert_int_equal(log_after(book.txn, stream, log_behind(0), &lowest, NULL), OK);
	for (size_t i = 1; i < count; i++)
		if (log_place_at(kept[i].batch.end).tail == lowest.tail)
			end = kept[i].batch.end;
	logbook_commit(&book);
	logbook_expect(&book, 0, "");
	mem_disk_poke(book.disk, key_at(TABLE_BATCH, stream, &end), bytes_text("rot"));
	logbook_expect(&book, 0, "");
}

static void ends_that_are_no_tips_are_found(void **state)
{
	struct frontier tips[3];
	static const size_t wrong[][3] = { { 2 }, { 3 }, { 2, 3, 1 }, { 1, 3 }, { 0, 2, 3 }, { 2, 0 } };

	(void)state;
	grow_fork();
	for (size_t i = 0; i < COUNT(wrong); i++) {
		size_t size = i < 2 ? 1 : wrong[i][2] || i == 5 ? 3 : 2;
		struct vector ends = { 0 };

		for (size_t k = 0; k < size; k++)
			vector_add(&ends, stream, kept[wrong[i][k]].batch.end);
		logbook_write(&book);
		assert_int_equal(log_put_ends(book.txn, TABLE_VECTOR, stream, ends.all, ends.count, NULL), OK);
		logbook_commit(&book);
		logbook_expect(&book, 1, "not that of its last batch");
		vector_done(&ends);
	}
	/* An end more, of which there is no batch; and a hash that is nearly right. */
	for (int i = 0; i < 2; i++) {
		struct vector ends = { 0 };

		vector_add(&ends, stream, kept[2].batch.end);
		vector_add(&ends, stream, kept[3].batch.end);
		tips[0] = (struct frontier){ stream, kept[3].batch.end };
		tips[0].end.hash.bytes[i ? 15 : 0] ^= 1;
		vector_add(&ends, stream, tips[0].end);
		if (i)
			vector_drop(&ends, stream, kept[3].batch.end);
		logbook_write(&book);
		assert_int_equal(log_put_ends(book.txn, TABLE_VECTOR, stream, ends.all, ends.count, NULL), OK);
		logbook_commit(&book);
		logbook_expect(&book, 1, "not that of its last batch");
		vector_done(&ends);
	}
}

static void less_above_more_is_found(void **state)
{
	(void)state;
	grow_fork();
	logbook_write(&book);
	shrink(1, LOG_FOOTPRINT);
	logbook_commit(&book);
	logbook_expect(&book, 1, "less is left of this batch");
	logbook_write(&book);
	shrink(0, LOG_HEADER);
	logbook_commit(&book);
	logbook_expect(&book, 1, "less is left of this batch");
	logbook_write(&book);
	shrink(0, LOG_FOOTPRINT);
	logbook_commit(&book);
	logbook_expect(&book, 0, "");
	/* In a stream without branches too, and where nothing is before it. */
	logbook_write(&book);
	stream.lane = LANE_BULK;
	count = 0;
	grow(BATCHES, 2);
	grow(0, 2);
	put_ends();
	shrink(1, LOG_FOOTPRINT);
	logbook_commit(&book);
	logbook_expect(&book, 1, "less is left of this batch");
	logbook_write(&book);
	plant(key_at(TABLE_BATCH, stream, &kept[1].batch.end), bytes_text("\x04"));
	shrink(0, LOG_FOOTPRINT);
	logbook_commit(&book);
	logbook_expect(&book, 1, "does not follow");
	logbook_end(&book);
	logbook_begin(&book);
}

static void what_was_swapped_is_found(void **state)
{
	(void)state;
	grow_fork();
	logbook_write(&book);
	plant(key_at(TABLE_BATCH, stream, &kept[1].batch.end), kept[3].batch.whole);
	plant(key_at(TABLE_BATCH, stream, &kept[3].batch.end), kept[1].batch.whole);
	logbook_commit(&book);
	logbook_expect(&book, 2, "lies where another belongs");
	logbook_write(&book);
	plant(key_at(TABLE_BATCH, stream, &kept[1].batch.end), kept[1].batch.whole);
	plant(key_at(TABLE_BATCH, stream, &kept[3].batch.end), batch_front(&kept[2].batch));
	logbook_commit(&book);
	/* Not even its numbers are the key's. */
	logbook_expect(&book, 1, "not what it has to be");
}

/* A header alone is still signed. */
static void a_turned_bit_of_a_header_is_found(void **state)
{
	struct bytes front, key;
	uint8_t *bytes;

	(void)state;
	grow_fork();
	front = arena_copy(&book.arena, batch_front(&kept[1].batch));
	bytes = (uint8_t *)(uintptr_t)front.data;
	key = key_at(TABLE_BATCH, stream, &kept[1].batch.end);
	for (size_t bit = 0; bit < 8 * front.size; bit += 5) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		logbook_write(&book);
		plant(key, front);
		logbook_commit(&book);
		assert_int_equal(logbook_findings(&book), 1);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static struct bytes word_of(const struct signer *by, struct id cluster, uint64_t start)
{
	struct buf buf = buf_growing(PROOF_MAX);
	struct bytes made;

	proof_write_own(by, cluster, start, &buf);
	made = arena_copy(&book.arena, buf_bytes(&buf));
	buf_done(&buf);
	return made;
}

static void expect_proof(uint64_t node, struct bytes proof, size_t findings, const char *text)
{
	logbook_write(&book);
	assert_int_equal(log_put_proof(book.txn, node, START, proof, NULL), OK);
	logbook_commit(&book);
	logbook_expect(&book, findings, text);
}

static void a_proof_that_proves_nothing_is_found(void **state)
{
	struct id cluster = book.realm.cluster, elsewhere = cluster;
	struct buf fork = buf_growing(PROOF_MAX);
	uint64_t node = stream.node;

	(void)state;
	elsewhere.bytes[0] ^= 1;
	grow_fork();
	proof_write_fork(&kept[1].batch, &kept[3].batch, &fork);
	expect_proof(node, buf_bytes(&fork), 0, "");
	fork.data[fork.size - 1] ^= 1;
	expect_proof(node, buf_bytes(&fork), 1, "not that of a member");
	expect_proof(node, bytes_text("x"), 1, "proof");
	expect_proof(node, word_of(&book.guest, elsewhere, START), 1, "not that of a member");
	expect_proof(node, word_of(&book.guest, cluster, START + 1), 1, "another belongs");
	expect_proof(node, word_of(&book.founder, cluster, START), 1, "another belongs");
	expect_proof(node, word_of(&book.guest, cluster, START), 0, "");
	expect_proof(node_of_key(book.founder.key), word_of(&book.founder, cluster, START), 0, "");
	expect_proof(node_of_key(book.root.key), word_of(&book.root, cluster, START), 1, "not that of a member");
	logbook_write(&book);
	plant(bytes_of("\x09xx", 3), bytes_text("y"));
	logbook_commit(&book);
	logbook_expect(&book, 2, "proof");
	buf_done(&fork);
}

/* Two with one end seq: which of them a footprint follows nobody can say. */
static void a_footprint_may_follow_any(void **state)
{
	struct vector ends = { 0 };

	(void)state;
	logbook_write(&book);
	grow(BATCHES, 2);
	grow(BATCHES, 2);
	grow(0, 2);
	for (size_t i = 0; i < count; i++)
		shrink(i, LOG_FOOTPRINT);
	put_proof();
	vector_add(&ends, stream, kept[2].batch.end);
	for (size_t i = 0; i < 2; i++) {
		vector_add(&ends, stream, kept[i].batch.end);
		assert_int_equal(log_put_ends(book.txn, TABLE_VECTOR, stream, ends.all, ends.count, NULL), OK);
		logbook_commit(&book);
		logbook_expect(&book, 0, "");
		vector_drop(&ends, stream, kept[i].batch.end);
		logbook_write(&book);
	}
	/* But it is a tip itself. */
	vector_set(&ends, stream, kept[0].batch.end);
	assert_int_equal(log_put_ends(book.txn, TABLE_VECTOR, stream, ends.all, ends.count, NULL), OK);
	logbook_commit(&book);
	logbook_expect(&book, 1, "not that of its last batch");
	vector_done(&ends);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, tree_begin, tree_end)
	static const struct CMUnitTest tests[] = {
		TEST(branches_need_a_proof),
		TEST(a_second_root_needs_a_proof),
		TEST(any_missing_entry_is_found),
		TEST(a_changed_lowest_entry_is_only_a_gap),
		TEST(what_the_store_finds_itself_is_only_a_gap),
		TEST(ends_that_are_no_tips_are_found),
		TEST(less_above_more_is_found),
		TEST(what_was_swapped_is_found),
		TEST(a_turned_bit_of_a_header_is_found),
		TEST(a_proof_that_proves_nothing_is_found),
		TEST(a_footprint_may_follow_any),
	};

	return cmocka_run_group_tests_name("branch_check", tests, NULL, NULL);
}
