/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/log/tree.h"

#include "crdt/log/proof.h"
#include "tests/unit/base/check.h"

struct logbook book;
struct stream stream;

struct kept kept[BATCHES];
size_t count;

int tree_begin(void **state)
{
	(void)state;
	dice_state = 1;
	count = 0;
	logbook_begin(&book);
	stream = (struct stream){ node_of_key(book.guest.key), START, LANE_PEOPLE };
	return 0;
}

int tree_end(void **state)
{
	(void)state;
	logbook_end(&book);
	return 0;
}

void grow(size_t parent, uint32_t entries)
{
	struct end before = parent < BATCHES ? kept[parent].batch.end : (struct end){ 0 };

	kept[count] = (struct kept){
		.batch = logbook_batch(&book, &book.guest, stream, before, entries, 100 * count),
		.parent = parent,
	};
	if (parent < BATCHES)
		kept[parent].has_children = true;
	assert_int_equal(log_put_batch(book.txn, &kept[count++].batch, NULL), OK);
}

void put_ends(void)
{
	struct vector ends = { 0 };

	for (size_t i = 0; i < count; i++)
		if (!kept[i].has_children)
			vector_add(&ends, stream, kept[i].batch.end);
	assert_int_equal(log_put_ends(book.txn, TABLE_VECTOR, stream, ends.all, ends.count, NULL), OK);
	vector_done(&ends);
}

void put_proof(void)
{
	struct buf buf = buf_growing(PROOF_MAX);

	proof_write_own(&book.guest, book.realm.cluster, START, &buf);
	assert_int_equal(log_put_proof(book.txn, stream.node, START, buf_bytes(&buf), NULL), OK);
	buf_done(&buf);
}

void grow_tree(void)
{
	count = 0;
	grow(BATCHES, 1 + (uint32_t)dice_below(3));
	while (count < BATCHES) {
		size_t parent = dice_below(3) ? count - 1 : dice_below(count);

		grow(dice_below(20) ? parent : BATCHES, 1 + (uint32_t)dice_below(3));
	}
	put_ends();
}

void grow_fork(void)
{
	logbook_write(&book);
	count = 0;
	grow(BATCHES, 3);
	grow(0, 3);
	grow(1, 3);
	grow(0, 3);
	put_ends();
	put_proof();
	logbook_commit(&book);
	logbook_expect(&book, 0, "");
}

struct logged found(size_t i)
{
	struct logged logged = { 0 };

	assert_int_equal(log_find(book.txn, stream, kept[i].batch.end, &logged, NULL), OK);
	return logged;
}

void shrink(size_t i, enum log_form form)
{
	struct logged logged = found(i);

	assert_int_equal(log_shrink(book.txn, &logged, form, NULL), OK);
	kept[i].form = form > kept[i].form ? form : kept[i].form;
}

void drop(size_t i)
{
	struct logged logged = found(i);

	assert_int_equal(log_drop(book.txn, &logged, NULL), OK);
	kept[i].is_gone = true;
}

struct bytes key_at(uint8_t table, struct stream of, const struct end *end)
{
	struct buf buf = buf_over(arena_take(&book.arena, 34), 34);

	buf_put_byte(&buf, table);
	buf_put_big_endian(&buf, of.node, 8);
	buf_put_big_endian(&buf, of.start, 8);
	buf_put_byte(&buf, (uint8_t)of.lane);
	if (end) {
		buf_put_big_endian(&buf, end->seq, 8);
		buf_put(&buf, end->hash.bytes, 8);
	}
	return buf_bytes(&buf);
}

void plant(struct bytes key, struct bytes value)
{
	assert_int_equal(store_put(book.txn, key, value, NULL), OK);
}
