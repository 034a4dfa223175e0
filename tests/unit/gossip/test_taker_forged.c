/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/carry.h"

#include "crdt/state/index.h"

/* Chunks that no donor sends: each is refused, for its own reason. */

/* What is done to the chunk of that part that comes after `skip` others, those without entries aside. */
struct deed {
	const char *why;
	enum code code;
	enum snap_part part;
	bool (*forge)(struct buf *out, const struct frame *frame, struct scene *scene);
	size_t skip;
};

struct forgery {
	const struct deed *deed;
	struct two *two;
	size_t seen;
	bool is_done;
};

static struct snap_front front_of(const struct frame *frame)
{
	struct snap_front front = { frame->snap.number, frame->snap.left, frame->snap.part, frame->snap.total,
				    frame->snap.next };

	return front;
}

/* The frame again, with its first entry another one. */
static bool with_entry(struct buf *out, const struct frame *frame, struct bytes key, struct bytes value)
{
	struct buf entries = buf_growing(2 * FRAME_MAX);
	struct snap_front front = front_of(frame);
	struct reader from = frame->snap.entries;
	struct snap_entry entry, other = { key, value };
	bool is_first = true;

	for (; frame_next_entry(&from, &entry); is_first = false)
		frame_put_entry(&entries, is_first ? &other : &entry);
	buf_clear(out);
	frame_put_snap(out, &front, buf_bytes(&entries));
	buf_done(&entries);
	return true;
}

static struct snap_entry first_of(const struct frame *frame)
{
	struct reader from = frame->snap.entries;
	struct snap_entry entry;

	assert_true(frame_next_entry(&from, &entry));
	return entry;
}

/* A copy of the first entry's value, or key, with one byte changed. */
static struct bytes changed(struct scene *scene, struct bytes bytes, size_t at)
{
	struct bytes copy = arena_copy(&scene->arena, bytes);

	((uint8_t *)(uintptr_t)copy.data)[at] ^= 1;
	return copy;
}

#define FORGE(name) static bool name(struct buf *out, const struct frame *frame, struct scene *scene)

FORGE(change_key)
{
	struct snap_entry entry = first_of(frame);

	return with_entry(out, frame, changed(scene, entry.key, entry.key.size - 1), entry.value);
}

FORGE(shorten_key)
{
	struct snap_entry entry = first_of(frame);

	(void)scene;
	return with_entry(out, frame, bytes_of(entry.key.data, entry.key.size - 1), entry.value);
}

FORGE(shorten_value)
{
	struct snap_entry entry = first_of(frame);

	(void)scene;
	return with_entry(out, frame, entry.key, bytes_of(entry.value.data, entry.value.size - 1));
}

FORGE(empty_value)
{
	struct snap_entry entry = first_of(frame);

	(void)scene;
	return with_entry(out, frame, entry.key, bytes_of(NULL, 0));
}

FORGE(change_end)
{
	struct snap_entry entry = first_of(frame);

	return with_entry(out, frame, entry.key, changed(scene, entry.value, entry.value.size - 1));
}

FORGE(change_seq)
{
	struct snap_entry entry = first_of(frame);

	return with_entry(out, frame, entry.key, changed(scene, entry.value, 0));
}

FORGE(change_identity)
{
	struct snap_entry entry = first_of(frame);

	/* In the middle of the id, not in the kind. */
	return with_entry(out, frame, changed(scene, entry.key, 9), entry.value);
}

FORGE(make_statement)
{
	struct snap_entry entry = first_of(frame);
	struct bytes key = arena_copy(&scene->arena, entry.key);

	((uint8_t *)(uintptr_t)key.data)[0] = 0;
	((uint8_t *)(uintptr_t)key.data)[1] = 1 << 2 | TIER_STATEMENT;
	return with_entry(out, frame, key, entry.value);
}

FORGE(make_nothing)
{
	static const uint8_t nothing[] = { 0x93, 0xc2, 0xc4, 0x00, 0x80 };
	struct snap_entry entry = first_of(frame);

	(void)scene;
	return with_entry(out, frame, entry.key, bytes_of(nothing, sizeof nothing));
}

FORGE(change_signature)
{
	struct snap_entry entry = first_of(frame);
	struct batch batch;

	assert_int_equal(batch_read(bytes_of(entry.value.data + 1, entry.value.size - 1), &batch, NULL), OK);
	return with_entry(out, frame, entry.key, changed(scene, entry.value, 1 + batch.header.size + 7));
}

FORGE(change_entries)
{
	struct snap_entry entry = first_of(frame);

	return with_entry(out, frame, entry.key, changed(scene, entry.value, entry.value.size - 1));
}

FORGE(change_form)
{
	struct snap_entry entry = first_of(frame);
	uint8_t *form = (uint8_t *)(uintptr_t)arena_copy(&scene->arena, entry.value).data;

	form[0] = 3;
	return with_entry(out, frame, entry.key, bytes_of(form, entry.value.size));
}

FORGE(make_wide_footprint)
{
	static const uint8_t footprint[] = { LOG_FOOTPRINT, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct snap_entry entry = first_of(frame);

	(void)scene;
	return with_entry(out, frame, entry.key, bytes_of(footprint, sizeof footprint));
}

FORGE(make_footprint)
{
	uint8_t *footprint = arena_take(&scene->arena, 9);
	struct snap_entry entry = first_of(frame);

	footprint[0] = LOG_FOOTPRINT;
	memcpy(footprint + 1, entry.key.data + 17, 8);
	return with_entry(out, frame, entry.key, bytes_of(footprint, 9));
}

FORGE(change_proof)
{
	struct snap_entry entry = first_of(frame);

	return with_entry(out, frame, entry.key, changed(scene, entry.value, entry.value.size - 1));
}

FORGE(drop_chunk_before)
{
	struct snap_front front = front_of(frame);

	(void)scene;
	if (!front.left)
		return false;
	front.left--;
	buf_clear(out);
	frame_put_snap(out, &front, bytes_of(frame->snap.entries.at, reader_left(&frame->snap.entries)));
	return true;
}

FORGE(go_back)
{
	struct snap_front front = front_of(frame);

	(void)scene;
	front.part = SNAP_STABLE;
	buf_clear(out);
	frame_put_snap(out, &front, bytes_of(frame->snap.entries.at, reader_left(&frame->snap.entries)));
	return true;
}

FORGE(send_nothing)
{
	struct snap_front front = front_of(frame);

	(void)scene;
	front.next = (struct snap_place){ .part = SNAP_LOG };
	buf_clear(out);
	frame_put_snap(out, &front, bytes_of(NULL, 0));
	return true;
}

FORGE(send_piece_of_the_middle)
{
	struct snap_front front = front_of(frame);
	struct snap_piece piece = { .key = first_of(frame).key, .bytes = bytes_text("x"), .size = 100, .at = 10 };

	(void)scene;
	buf_clear(out);
	frame_put_snap_piece(out, &front, &piece);
	return true;
}

/* Repeats the entry before, in the chunk after it. */
FORGE(descend)
{
	struct snap_entry entry = first_of(frame);

	return with_entry(out, frame, bytes_of(arena_take(&scene->arena, 18), 18), entry.value);
}

/* The last one of the chunk before once more. */
FORGE(repeat)
{
	const uint8_t table = TABLE_RECORD;
	struct snap_entry entry = first_of(frame);
	struct store_cursor *cursor;
	struct store_txn *look;
	struct bytes key, value, last = { 0 };

	assert_int_equal(store_snapshot(scene->reals[0].store, &look, NULL), OK);
	assert_int_equal(store_range(look, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, NULL), OK);
	while (!store_next(cursor, &key, &value, NULL)) {
		key = bytes_of(key.data + 1, key.size - 1);
		if (bytes_compare(key, entry.key) >= 0)
			break;
		last = arena_copy(&scene->arena, key);
	}
	store_range_end(cursor);
	store_end(look);
	return with_entry(out, frame, last, entry.value);
}

static bool forge(void *context, size_t number, struct buf *chunk)
{
	struct forgery *forgery = context;
	struct stream_table told = { 0 };
	struct buf copy = buf_growing(2 * FRAME_MAX);
	struct frame frame;

	(void)number;
	buf_put_bytes(&copy, buf_bytes(chunk));
	assert_int_equal(frame_read(buf_bytes(&copy), LINK_MEMBER, &told, &frame, NULL), OK);
	if (!forgery->is_done && !frame.snap.is_piece && frame.snap.part == forgery->deed->part &&
	    reader_left(&frame.snap.entries) && forgery->seen++ >= forgery->deed->skip)
		forgery->is_done = forgery->deed->forge(chunk, &frame, forgery->two->scene);
	buf_done(&copy);
	return true;
}

static const struct deed deeds[] = {
	{ "the ends of a stream have a wrong size", E_FORM, SNAP_VECTOR, shorten_value, 0 },
	{ "the ends of a stream have a wrong size", E_FORM, SNAP_STABLE, empty_value, 0 },
	{ "a stream of a snapshot has a wrong key", E_FORM, SNAP_VECTOR, shorten_key, 0 },
	{ "the donor's log lacks a batch", E_VALUE, SNAP_VECTOR, change_end, 0 },
	{ "the donor's log lacks a batch", E_VALUE, SNAP_VECTOR, change_seq, 0 },
	{ "the donor lacks what it says that everybody has", E_VALUE, SNAP_STABLE, change_seq, 0 },
	{ "a proof of a snapshot has a wrong key", E_FORM, SNAP_PROOFS, shorten_key, 0 },
	{ "a proof closes another start than it says", E_VALUE, SNAP_PROOFS, change_key, 0 },
	{ "a proof is not signed", E_DENIED, SNAP_PROOFS, change_proof, 0 },
	{ "", E_FORM, SNAP_PROOFS, empty_value, 0 },
	{ "a record of a snapshot has a wrong key", E_FORM, SNAP_RECORDS, shorten_key, 0 },
	{ "", E_FORM, SNAP_RECORDS, shorten_value, 0 },
	{ "a record's identity does not give its id", E_VALUE, SNAP_RECORDS, change_identity, 0 },
	{ "a record is of a kind that only statements have", E_VALUE, SNAP_RECORDS, make_statement, 0 },
	{ "a record has nothing in it", E_VALUE, SNAP_RECORDS, make_nothing, 0 },
	{ "an entry of a snapshot's log has a wrong form", E_FORM, SNAP_LOG, shorten_key, 0 },
	{ "an entry of a snapshot's log has a wrong form", E_FORM, SNAP_LOG, empty_value, 0 },
	{ "an entry of a snapshot's log has a wrong form", E_FORM, SNAP_LOG, change_form, 0 },
	{ "a batch stands where another one belongs", E_VALUE, SNAP_LOG, change_key, 0 },
	{ "", E_FORM, SNAP_LOG, shorten_value, 0 },
	{ "", E_FORM, SNAP_LOG, change_entries, 0 },
	{ "a batch is not signed by its author", E_DENIED, SNAP_LOG, change_signature, 0 },
	{ "a footprint is of no batch that there can be", E_VALUE, SNAP_LOG, make_wide_footprint, 0 },
	{ "the donor's log lacks a batch", E_VALUE, SNAP_LOG, make_footprint, 0 },
	{ "a chunk of a snapshot is missing", E_VALUE, SNAP_RECORDS, drop_chunk_before, 0 },
	{ "the parts of a snapshot do not ascend", E_VALUE, SNAP_RECORDS, go_back, 0 },
	{ "a chunk of a snapshot is empty", E_VALUE, SNAP_STABLE, send_nothing, 0 },
	{ "a piece of a snapshot's value is missing", E_VALUE, SNAP_RECORDS, send_piece_of_the_middle, 0 },
	{ "the entries of a snapshot do not ascend", E_VALUE, SNAP_RECORDS, descend, 1 },
	{ "the entries of a snapshot do not ascend", E_VALUE, SNAP_RECORDS, repeat, 1 },
};

/* A stable that is behind, so that the log has to show the chain. */
static void prepare(struct two *two)
{
	const struct mesh *mesh = real_mesh(two->donor);
	struct frontier first = mesh->vector.all[0];
	struct store_txn *txn;
	struct logged logged;
	struct batch batch;

	carry_put_proof(two->donor, 2, 1);
	assert_int_equal(store_begin(two->donor->store, &txn, NULL), OK);
	assert_int_equal(log_after(txn, first.stream, (struct log_place){ 0 }, &logged, NULL), OK);
	assert_int_equal(batch_read(logged.bytes, &batch, NULL), OK);
	first.end = batch.end;
	assert_int_equal(log_put_ends(txn, TABLE_STABLE, first.stream, &first, 1, NULL), OK);
	/* The first batch needs not be there; the second does. */
	assert_int_equal(log_drop(txn, &logged, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
}

static void what_no_donor_sends_is_refused(void **state)
{
	struct two two = carry_two(300);

	(void)state;
	prepare(&two);
	assert_int_equal(carry_all(&two.carry, &two.taker, NULL), OK);
	assert_int_equal(two.taker.stage, TAKER_IS_WHOLE);
	for (size_t i = 0; i < COUNT(deeds); i++) {
		struct forgery forgery = { .deed = &deeds[i], .two = &two };
		enum code code;

		two.carry.change = forge;
		two.carry.context = &forgery;
		carry_again(&two);
		code = carry_all(&two.carry, &two.taker, &two.err);
		if (code != forgery.deed->code || !strstr(two.err.text, forgery.deed->why) || !forgery.is_done)
			fail_msg("forgery %zu (%s): %s: %s", i, forgery.deed->why, code_name(code), two.err.text);
		assert_int_equal(two.taker.stage, TAKER_GATHERS);
	}
	carry_end(&two);
}

/* Two of one chain: nobody else's vector would ever be that. */
static void an_end_that_another_follows_is_refused(void **state)
{
	struct two two = carry_two(5);
	struct frontier ends[2] = { real_mesh(two.donor)->vector.all[0], real_mesh(two.donor)->vector.all[0] };
	struct store_txn *txn;
	struct logged logged;
	struct batch batch;

	(void)state;
	assert_int_equal(store_begin(two.donor->store, &txn, NULL), OK);
	assert_int_equal(log_after(txn, ends[0].stream, (struct log_place){ 0 }, &logged, NULL), OK);
	assert_int_equal(batch_read(logged.bytes, &batch, NULL), OK);
	ends[0].end = batch.end;
	assert_int_equal(log_put_ends(txn, TABLE_VECTOR, ends[0].stream, ends, 2, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_int_equal(carry_all(&two.carry, &two.taker, &two.err), E_VALUE);
	assert_string_equal(two.err.text, "an end of the donor's vector is followed by another one");
	carry_end(&two);
}

/* Where one member's word would be enough, the ends of a stream would soon fit nowhere. */
static void too_many_branches_are_refused(void **state)
{
	struct two two = carry_two(5);
	struct frontier ends[GIFT_ENDS_MAX + 1];
	struct store_txn *txn;

	(void)state;
	for (uint32_t i = 0; i < COUNT(ends); i++) {
		ends[i] = (struct frontier){ real_mesh(two.donor)->vector.all[0].stream, { .seq = 100 + i } };
		ends[i].end.hash.bytes[0] = 1;
	}
	assert_int_equal(store_begin(two.donor->store, &txn, NULL), OK);
	assert_int_equal(log_put_ends(txn, TABLE_STABLE, ends[0].stream, ends, COUNT(ends), NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_int_equal(carry_all(&two.carry, &two.taker, &two.err), E_VALUE);
	assert_non_null(strstr(two.err.text, "has more branches than there may be"));
	carry_end(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_no_donor_sends_is_refused),
		cmocka_unit_test(an_end_that_another_follows_is_refused),
		cmocka_unit_test(too_many_branches_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
