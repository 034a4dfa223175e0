/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/carry.h"

#include "crdt/state/index.h"

/* What comes of a donor's chunks, good and bad, before anything of them is put in place. */

enum { SEED = 20260 };

/* The gift is the donor's disk, part by part. */
static void assert_gift(const struct two *two)
{
	const struct gift *gift = &two->taker.gift;
	struct vector vector = { 0 }, stable = { 0 };
	struct store_cursor *cursor;
	struct store_txn *look;
	struct bytes key, value;
	size_t count = 0;

	assert_int_equal(two->taker.stage, TAKER_IS_WHOLE);
	assert_int_equal(store_snapshot(two->donor->store, &look, NULL), OK);
	assert_int_equal(log_read_vector(look, TABLE_VECTOR, &vector, NULL), OK);
	assert_int_equal(log_read_vector(look, TABLE_STABLE, &stable, NULL), OK);
	assert_true(vector_equal(&vector, &gift->vector) && vector_equal(&stable, &gift->stable));
	assert_int_equal(gift->proofs_count, store_count(look, TABLE_PROOF));
	assert_int_equal(gift->entries_count, store_count(look, TABLE_BATCH));
	assert_int_equal(store_range(look, bytes_of(&(uint8_t){ TABLE_RECORD }, 1), bytes_of(NULL, 0), &cursor, NULL),
			 OK);
	for (; !store_next(cursor, &key, &value, NULL); count++) {
		uint8_t room[RECORD_KEY_SIZE];

		assert_true(count < gift->records_count);
		record_key_write(gift->records[count].kind, gift->records[count].id, room);
		assert_true(bytes_equal(key, bytes_of(room, sizeof room)));
		assert_true(bytes_equal(value, gift->records[count].record));
	}
	assert_int_equal(count, gift->records_count);
	for (size_t i = 0; i < gift->entries_count; i++) {
		const struct logged *ours = &gift->entries[i].logged;
		struct log_place before = { ours->last, ours->tail - 1 };
		struct logged logged;

		assert_int_equal(log_after(look, ours->stream, before, &logged, NULL), OK);
		assert_true(logged.tail == ours->tail && logged.form == ours->form && logged.first == ours->first);
		assert_true(logged.form == LOG_FOOTPRINT || bytes_equal(logged.bytes, ours->bytes));
		assert_true(gift->entries[i].is_merged);
	}
	store_range_end(cursor);
	store_end(look);
	vector_done(&vector);
	vector_done(&stable);
}

static void a_snapshot_is_the_donors_disk(void **state)
{
	(void)state;
	for (uint8_t chunks = 0; chunks < 4; chunks++) {
		struct two two = carry_two(chunks == 1 ? 0 : 400);

		carry_put_proof(two.donor, 2, 1);
		carry_put_proof(two.donor, 2, 77);
		if (chunks != 1) {
			carry_put_stable(two.donor);
			carry_shrink(two.donor);
		}
		carry_put_large(two.donor, 1U + 20U * chunks);
		two.carry.chunks = chunks;
		if (carry_all(&two.carry, &two.taker, &two.err))
			fail_msg("%s", two.err.text);
		assert_gift(&two);
		carry_end(&two);
	}
}

/* What the donor merges while it gives is not of the snapshot's vector. */
static bool write_more(void *context, size_t number, struct buf *chunk)
{
	struct two *two = context;

	(void)chunk;
	(void)number;
	real_write(two->donor, 100, 0);
	real_forget(two->donor);
	return true;
}

static void what_comes_later_is_left_out(void **state)
{
	struct two two = carry_two(500);
	size_t left_out = 0;

	(void)state;
	two.carry.change = write_more;
	two.carry.context = &two;
	two.carry.chunks = 1;
	if (carry_all(&two.carry, &two.taker, &two.err))
		fail_msg("%s", two.err.text);
	assert_int_equal(two.taker.stage, TAKER_IS_WHOLE);
	assert_int_equal(vector_seq(&two.taker.gift.vector, two.taker.gift.vector.all[0].stream), 500);
	for (size_t i = 0; i < two.taker.gift.entries_count; i++)
		left_out += two.taker.gift.entries[i].is_merged ? 0 : 1;
	assert_true(left_out > 0 && left_out == two.taker.gift.entries_count - 500);
	carry_end(&two);
}

/* --- A donor that goes away, or is slow. */

static bool stop_at(void *context, size_t number, struct buf *chunk)
{
	(void)chunk;
	return number < *(size_t *)context;
}

static void a_donor_may_go_away_at_every_chunk(void **state)
{
	struct two two = carry_two(400);
	size_t chunks;

	(void)state;
	two.carry.chunks = 1;
	assert_int_equal(carry_all(&two.carry, &two.taker, NULL), OK);
	chunks = two.carry.asks;
	assert_true(chunks > 4);
	two.carry.change = stop_at;
	for (size_t stop = 0; stop < chunks; stop++) {
		struct mono_time later = { two.scene->now + TAKER_PATIENCE + 1 };
		uint32_t number = two.taker.number;

		two.carry.context = &stop;
		two.carry.carried = 0;
		carry_again(&two);
		assert_int_equal(two.taker.number, number + 1);
		assert_int_equal(carry_all(&two.carry, &two.taker, NULL), OK);
		assert_int_equal(two.taker.stage, TAKER_GATHERS);
		assert_false(taker_is_late(&two.taker, (struct mono_time){ later.ns - 1 }));
		assert_true(taker_is_late(&two.taker, later));
	}
	carry_end(&two);
}

/* How many asks there were before each chunk. */
struct seen {
	const struct carry *carry;
	size_t asks[64];
};

static bool count_asks(void *context, size_t number, struct buf *chunk)
{
	struct seen *seen = context;

	(void)chunk;
	assert_true(number < COUNT(seen->asks));
	seen->asks[number] = seen->carry->asks;
	return true;
}

static void what_nobody_asked_for_is_refused(void **state)
{
	struct snap_front front = { .number = 1, .part = SNAP_RECORDS, .next = { .part = SNAP_PARTS } };
	struct two two = carry_two(1);
	struct buf chunk = buf_growing(FRAME_MAX);
	struct stream_table told = { 0 };
	struct frame frame;

	(void)state;
	frame_put_snap(&chunk, &front, bytes_of(NULL, 0));
	assert_int_equal(frame_read(buf_bytes(&chunk), LINK_MEMBER, &told, &frame, NULL), OK);
	assert_int_equal(taker_take(&two.taker, two.taker.donor, &frame, NULL, NULL, two.taker.heard, &two.err),
			 E_DENIED);
	assert_string_equal(two.err.text, "a chunk of a snapshot came unasked");
	buf_done(&chunk);
	carry_end(&two);
}

/* Each piece goes on where the one before it ended. */
static bool skip_in_piece(void *context, size_t number, struct buf *chunk)
{
	struct buf copy = buf_growing(2 * FRAME_MAX);
	struct stream_table told = { 0 };
	struct frame frame;

	(void)context;
	(void)number;
	buf_put_bytes(&copy, buf_bytes(chunk));
	assert_int_equal(frame_read(buf_bytes(&copy), LINK_MEMBER, &told, &frame, NULL), OK);
	/* One in the middle, so that the last one reaches the end. */
	if (frame.snap.is_piece && frame.snap.piece.at &&
	    frame.snap.piece.at + frame.snap.piece.bytes.size < frame.snap.piece.size) {
		struct snap_front front = { frame.snap.number, frame.snap.left, frame.snap.part, frame.snap.total,
					    frame.snap.next };
		struct snap_piece piece = frame.snap.piece;

		piece.at--;
		buf_clear(chunk);
		frame_put_snap_piece(chunk, &front, &piece);
	}
	buf_done(&copy);
	return true;
}

static void pieces_go_on_where_they_ended(void **state)
{
	struct two two = carry_two(1);

	(void)state;
	carry_put_large(two.donor, 60);
	two.carry.change = skip_in_piece;
	assert_int_equal(carry_all(&two.carry, &two.taker, &two.err), E_VALUE);
	assert_string_equal(two.err.text, "a piece of a snapshot's value is missing");
	carry_end(&two);
}

/* Also where everybody has all of it. */
static void an_end_is_in_the_log(void **state)
{
	struct two two = carry_two(3);
	struct frontier end = real_mesh(two.donor)->vector.all[0];
	struct store_txn *txn;
	struct logged logged;

	(void)state;
	carry_put_stable(two.donor);
	assert_int_equal(store_begin(two.donor->store, &txn, NULL), OK);
	assert_int_equal(log_find(txn, end.stream, end.end, &logged, NULL), OK);
	assert_int_equal(log_drop(txn, &logged, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_int_equal(carry_all(&two.carry, &two.taker, &two.err), E_VALUE);
	assert_non_null(strstr(two.err.text, "the donor's log lacks a batch"));
	carry_end(&two);
}

/* Footprints of all but the last, and one of them gone. */
static size_t leave_footprints(struct real *donor, struct stream stream, size_t gone)
{
	struct log_place place = { 0 };
	struct store_txn *txn;
	struct logged logged;
	size_t count = 0;

	assert_int_equal(store_begin(donor->store, &txn, NULL), OK);
	while (!log_after(txn, stream, place, &logged, NULL)) {
		place = log_place_of(&logged);
		if (logged.last == vector_seq(&real_mesh(donor)->vector, stream))
			break;
		assert_int_equal(log_shrink(txn, &logged, LOG_FOOTPRINT, NULL), OK);
		if (++count == gone) {
			assert_int_equal(log_after(txn, stream, log_behind(logged.first - 1), &logged, NULL), OK);
			assert_int_equal(log_drop(txn, &logged, NULL), OK);
		}
	}
	assert_int_equal(store_commit(txn, NULL), OK);
	return count;
}

/* A bit of its key that turned takes an entry out of its place: what lies below is as good as dropped. */
static void below_a_gap_no_footprint_is_taken(void **state)
{
	enum { BATCHES = 9, GONE = 4 };

	(void)state;
	for (size_t gone = 0; gone <= GONE; gone += GONE) {
		struct two two = carry_two(0);
		struct stream stream = { real_mesh(two.donor)->node, 1, LANE_PEOPLE };
		const struct gift *gift = &two.taker.gift;
		size_t count;

		for (size_t i = 0; i < BATCHES; i++)
			real_write(two.donor, 10, 0);
		carry_put_stable(two.donor);
		count = leave_footprints(two.donor, stream, gone);
		assert_true(count > GONE + 1);
		assert_int_equal(carry_all(&two.carry, &two.taker, &two.err), OK);
		assert_int_equal(gift->entries_count, count + 1 - gone);
		assert_int_equal(gift->entries[0].logged.first, gift->entries[0].logged.last);
		carry_end(&two);
	}
}

static void a_footprint_is_of_one_batch(void **state)
{
	struct two two = carry_two(1);
	struct logged logged = { .form = LOG_FOOTPRINT, .stream = { 7, 1, LANE_BULK }, .first = 1, .tail = 1 };

	(void)state;
	logged.last = BATCH_ENTRIES_MAX;
	assert_int_equal(gift_add_entry(&two.taker.gift, &logged, &two.err), OK);
	logged.last++;
	assert_int_equal(gift_add_entry(&two.taker.gift, &logged, &two.err), E_VALUE);
	carry_end(&two);
}

static void windows_overlap(void **state)
{
	struct seen seen = { .carry = NULL };
	struct two two = carry_two(1200);

	(void)state;
	seen.carry = &two.carry;
	two.carry.change = count_asks;
	two.carry.context = &seen;
	assert_int_equal(carry_all(&two.carry, &two.taker, NULL), OK);
	/* The next are asked for when two of four came. */
	assert_int_equal(seen.asks[1], 1);
	assert_int_equal(seen.asks[2], 2);
	assert_int_equal(seen.asks[5], 2);
	assert_int_equal(seen.asks[6], 3);
	/* Four chunks for each ask, but for the last. */
	assert_true(two.carry.asks > 3);
	assert_int_equal(two.taker.stage, TAKER_IS_WHOLE);
	carry_end(&two);
}

static void a_snapshot_has_a_limit(void **state)
{
	struct two two = carry_two(300);

	(void)state;
	two.taker.limit = 100000;
	assert_int_equal(carry_all(&two.carry, &two.taker, &two.err), E_LIMIT);
	assert_string_equal(two.err.text, "a snapshot is larger than the 0 MiB that there may be");
	assert_true(two.taker.size <= two.taker.limit + TAKER_ENTRY_COST);
	carry_end(&two);
}

static void who_is_not_known_is_nobodys_fault(void **state)
{
	struct two two = carry_two(3);
	struct real *stranger;

	(void)state;
	/* It knows of no member at all. */
	real_end(two.to);
	stranger = real_boot_joining(two.scene, 2, &(struct joining){ .sponsor = two.scene->keys[0].key });
	two.carry.to = stranger;
	assert_int_equal(carry_all(&two.carry, &two.taker, &two.err), E_ABSENT);
	carry_end(&two);
}

/* Bytes changed anywhere: refused, or taken as something that holds together. */
static bool spoil(void *context, size_t number, struct buf *chunk)
{
	struct rng *rng = context;

	(void)number;
	if (!rng_below(rng, 3))
		chunk->data[rng_below(rng, rng_below(rng, 2) ? chunk->size : 64)] ^= (uint8_t)(1 + rng_below(rng, 255));
	return rng_below(rng, 50);
}

static void random_damage_is_survived(void **state)
{
	struct two two = carry_two(60);
	struct rng rng = rng_from_number(SEED);
	size_t refused = 0;

	(void)state;
	carry_put_proof(two.donor, 2, 1);
	carry_put_large(two.donor, 60);
	two.carry.change = spoil;
	two.carry.context = &rng;
	for (size_t i = 0; i < 600; i++) {
		carry_again(&two);
		refused += carry_all(&two.carry, &two.taker, &two.err) != OK;
	}
	print_message("%zu of 600 refused\n", refused);
	assert_true(refused > 100 && refused < 600);
	carry_end(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_is_the_donors_disk),
		cmocka_unit_test(what_comes_later_is_left_out),
		cmocka_unit_test(a_donor_may_go_away_at_every_chunk),
		cmocka_unit_test(what_nobody_asked_for_is_refused),
		cmocka_unit_test(pieces_go_on_where_they_ended),
		cmocka_unit_test(an_end_is_in_the_log),
		cmocka_unit_test(below_a_gap_no_footprint_is_taken),
		cmocka_unit_test(a_footprint_is_of_one_batch),
		cmocka_unit_test(windows_overlap),
		cmocka_unit_test(a_snapshot_has_a_limit),
		cmocka_unit_test(who_is_not_known_is_nobodys_fault),
		cmocka_unit_test(random_damage_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
