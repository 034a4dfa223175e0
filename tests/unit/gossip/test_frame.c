/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/frame.h"

#include "crdt/log/proof.h"
#include "tests/unit/base/check.h"
#include "tests/unit/gossip/frame_case.h"

enum { ROUNDS = 4000, SEED = 20261121 };

static size_t allocations;

void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	allocations++;
	return __real_realloc(memory, size);
}

static void frames_come_back(void **state)
{
	struct rng rng = rng_from_number(SEED);
	size_t met_known = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		enum frame_kind kind = gen_kind(&rng);
		struct stream_table before = { 0 };
		struct frame frame;

		if (frame_named.count > STREAM_TABLE_MAX / 4) {
			stream_table_done(&frame_named);
			stream_table_done(&frame_told);
		}
		for (size_t i = 0; i < frame_named.count; i++) {
			stream_table_append(&before, frame_named.all[i]);
			stream_table_settle(&before);
		}
		buf_clear(&frame_out);
		gen_frame(&rng, kind, &frame_named, &frame_out);
		assert_false(frame_out.is_full);
		assert_true(frame_out.size <= FRAME_MAX);
		assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
		assert_int_equal(frame.kind, kind);
		frame_assert_told();
		met_known += before.count && before.count < frame_told.count;
		buf_clear(&frame_again);
		frame_write_again(&frame, &frame_told, &before, &frame_again);
		assert_int_equal(frame_again.size, frame_out.size);
		assert_memory_equal(frame_again.data, frame_out.data, frame_out.size);
		stream_table_done(&before);
	}
	assert_true(met_known > 100);
}

/* Whatever a change does to a frame: it is refused without a trace, or what it says now has these bytes alone. */
static void changed_frames_are_refused_or_canonical(void **state)
{
	struct rng rng = rng_from_number(SEED + 1);
	size_t taken = 0, refused = 0;

	(void)state;
	for (int round = 0; round < 3 * ROUNDS; round++) {
		enum frame_kind kind = gen_kind(&rng);
		struct stream_table fresh = { 0 }, other = { 0 };
		struct frame frame;
		size_t at;

		buf_clear(&frame_out);
		gen_frame(&rng, kind, &fresh, &frame_out);
		stream_table_done(&fresh);
		at = rng_below(&rng, frame_out.size < 40 ? frame_out.size : 40);
		if (rng_below(&rng, 3))
			frame_out.data[at] = (uint8_t)rng_u64(&rng);
		else
			frame_out.size = at;
		if (frame_read(buf_bytes(&frame_out), LINK_MEMBER, &fresh, &frame, NULL)) {
			refused++;
			assert_int_equal(fresh.count, 0);
		} else {
			taken++;
			buf_clear(&frame_again);
			frame_write_again(&frame, &fresh, &other, &frame_again);
			if (frame.kind != FRAME_ANSWER || frame.answer.code != E_NEWER)
				assert_true(bytes_equal(buf_bytes(&frame_out), buf_bytes(&frame_again)));
		}
		stream_table_done(&fresh);
		stream_table_done(&other);
	}
	assert_true(taken > ROUNDS / 2 && refused > ROUNDS / 2);
}

static void stages_expect_what_they_expect(void **state)
{
	struct rng rng = rng_from_number(SEED + 2);

	(void)state;
	for (enum frame_kind kind = FRAME_T0_SUM; kind < FRAME_KINDS; kind++) {
		bool is_for_guests = kind <= FRAME_T0_REFUSE || kind == FRAME_BYE;
		struct frame frame;

		buf_clear(&frame_out);
		stream_table_done(&frame_named);
		stream_table_done(&frame_told);
		gen_frame(&rng, kind, &frame_named, &frame_out);
		assert_int_equal(frame_read_out(LINK_GUEST, &frame), is_for_guests ? OK : E_DENIED);
		assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
		assert_non_null(frame_name(kind));
	}
	for (enum bye_reason reason = BYE_STOPPING; reason < BYE_REASONS; reason++)
		assert_non_null(bye_text(reason));
}

/* Puts items until the list is full; the reader takes that, and one item more is too much for it. */
static void frontiers_have_a_limit(void **state)
{
	struct frame_list list;
	struct frontier frontier = { 0 };
	struct frame frame;
	struct reader from;
	uint64_t count = 0;

	(void)state;
	list = frame_begin_frontiers(&frame_out, FRAME_INDEX, false, false);
	while (frontier = frontier_of(count + 1, 3), frame_put_frontier(&list, &frame_named, &frontier))
		count++;
	assert_int_equal(count, FRAME_FRONTIERS_MAX);
	assert_int_equal(frame_named.count, count < STREAM_TABLE_MAX ? count : STREAM_TABLE_MAX);
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
	frame_assert_told();
	for (from = frame.index.list, count = 0; frame_next_frontier(&from, &frame_told, &frontier); count++)
		assert_int_equal(frontier.stream.node, count + 1);
	assert_int_equal(count, FRAME_FRONTIERS_MAX);
	list.count = 0;
	frontier = frontier_of(1 << 20, 3);
	assert_true(frame_put_frontier(&list, &frame_named, &frontier));
	stream_table_done(&frame_told);
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), E_LIMIT);
	assert_int_equal(frame_told.count, 0);
}

static bool put_one(enum frame_kind kind, struct frame_list *list, uint64_t number)
{
	struct record_hash hash = { .kind = (uint32_t)number };

	if (kind == FRAME_WANT)
		return frame_put_want(list, &(struct want){ { number, 1, LANE_BULK }, 0, 1 });
	if (kind == FRAME_GONE)
		return frame_put_gone(list, (struct stream){ number, 1, LANE_BULK });
	if (kind == FRAME_BUCKET)
		return frame_put_record(list, &hash);
	if (kind == FRAME_PROOFS)
		return frame_put_proof(list, bytes_text("one"));
	if (kind == FRAME_FRONTS)
		return frame_put_front(list, bytes_text("one"));
	if (kind == FRAME_OLD) {
		struct frontier frontier = frontier_of(number, 1);

		return frame_put_old(list, &frontier);
	}
	return frame_put_statement(list, bytes_text("one"));
}

static struct frame_list begin_list(enum frame_kind kind)
{
	switch ((int)kind) {
	case FRAME_WANT: return frame_begin_wants(&frame_out);
	case FRAME_GONE: return frame_begin_gone(&frame_out);
	case FRAME_BUCKET: return frame_begin_bucket(&frame_out, (struct sum){ 1, 2 }, 9, true);
	case FRAME_PROOFS: return frame_begin_proofs(&frame_out);
	case FRAME_FRONTS: return frame_begin_fronts(&frame_out);
	case FRAME_OLD: return frame_begin_old(&frame_out);
	default: return frame_begin_statements(&frame_out);
	}
}

static void lists_have_a_limit(void **state)
{
	static const struct {
		enum frame_kind kind;
		uint64_t most;
	} lists[] = {
		{ FRAME_WANT, FRAME_WANTS_MAX },     { FRAME_GONE, FRAME_GONE_MAX },
		{ FRAME_BUCKET, FRAME_RECORDS_MAX }, { FRAME_T0_STATEMENTS, FRAME_STATEMENTS_MAX },
		{ FRAME_PROOFS, FRAME_PROOFS_MAX },  { FRAME_FRONTS, FRAME_FRONTS_MAX },
		{ FRAME_OLD, FRAME_OLD_MAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		enum frame_kind kind = lists[i].kind;
		struct frame_list list;
		struct frame frame;
		uint64_t count = 0;

		buf_clear(&frame_out);
		list = begin_list(kind);
		while (put_one(kind, &list, count + 1))
			count++;
		assert_int_equal(count, lists[i].most);
		assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
		list.count = 0;
		assert_true(put_one(kind, &list, count + 1));
		assert_int_equal(frame_read_out(LINK_MEMBER, &frame), E_LIMIT);
	}
}

static void sizes_have_a_limit(void **state)
{
	static uint8_t room[1 << 17];
	struct bytes statement = bytes_of(room, STATEMENT_MAX);
	struct frame_list list;
	struct frame frame;

	(void)state;
	/* Behind something else: the limit is the frame's own. */
	buf_put(&frame_out, room, 1000);
	list = frame_begin_statements(&frame_out);
	assert_true(frame_put_statement(&list, statement));
	assert_false(frame_put_statement(&list, statement));
	statement.size = FRAME_MAX - (1 + 2 + STATEMENT_MAX) - 2 + 1;
	assert_false(frame_put_statement(&list, statement));
	statement.size--;
	assert_true(frame_put_statement(&list, statement));
	assert_int_equal(frame_out.size, 1000 + FRAME_MAX);
	assert_int_equal(frame_read(bytes_of(frame_out.data + 1000, FRAME_MAX), LINK_GUEST, &frame_told, &frame, NULL),
			 OK);
	list.start += 3;
	statement.size = 1;
	assert_true(frame_put_statement(&list, statement));
	frame_assert_refused(bytes_of(frame_out.data + 1000, FRAME_MAX + 3), E_LIMIT);
	/* A buf that is full sooner ends the frame sooner, whole. */
	buf_done(&frame_out);
	frame_out = buf_growing(1000);
	list = frame_begin_statements(&frame_out);
	statement.size = 600;
	assert_true(frame_put_statement(&list, statement));
	assert_false(frame_put_statement(&list, statement));
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
}

static void fields_have_a_limit(void **state)
{
	static uint8_t room[1 << 17];
	struct frame frame;

	(void)state;
	memset(room, 'a', sizeof room);
	room[0] = FRAME_BATCH;
	assert_int_equal(frame_read(bytes_of(room, 1 + BATCH_MAX), LINK_MEMBER, &frame_told, &frame, NULL), OK);
	frame_assert_refused(bytes_of(room, 2 + BATCH_MAX), E_LIMIT);
	frame_assert_refused(bytes_of(room, FRAME_MAX + 1), E_LIMIT);
	room[0] = FRAME_ANSWER;
	assert_int_equal(frame_read(bytes_of(room, 6 + FRAME_BODY_MAX), LINK_MEMBER, &frame_told, &frame, NULL), OK);
	assert_int_equal(frame.answer.code, E_NEWER);
	frame_assert_refused(bytes_of(room, 7 + FRAME_BODY_MAX), E_LIMIT);
	room[0] = FRAME_T0_REFUSE;
	assert_int_equal(frame_read(bytes_of(room, 1 + FRAME_REASON_MAX), LINK_MEMBER, &frame_told, &frame, NULL), OK);
	frame_assert_refused(bytes_of(room, 2 + FRAME_REASON_MAX), E_LIMIT);
	room[0] = FRAME_T0_STATEMENTS;
	room[1] = (uint8_t)(STATEMENT_MAX >> 8);
	room[2] = (uint8_t)STATEMENT_MAX;
	assert_int_equal(frame_read(bytes_of(room, 3 + STATEMENT_MAX), LINK_MEMBER, &frame_told, &frame, NULL), OK);
	room[2]++;
	frame_assert_refused(bytes_of(room, 4 + STATEMENT_MAX), E_FORM);
	room[0] = FRAME_PROOFS;
	room[1] = (uint8_t)(PROOF_MAX >> 8);
	room[2] = (uint8_t)(PROOF_MAX & 255);
	assert_int_equal(frame_read(bytes_of(room, 3 + PROOF_MAX), LINK_MEMBER, &frame_told, &frame, NULL), OK);
	room[2]++;
	frame_assert_refused(bytes_of(room, 4 + PROOF_MAX), E_FORM);
	room[0] = FRAME_FRONTS;
	room[1] = (uint8_t)(BATCH_FRONT_MAX >> 8);
	room[2] = (uint8_t)(BATCH_FRONT_MAX & 255);
	assert_int_equal(frame_read(bytes_of(room, 3 + BATCH_FRONT_MAX), LINK_MEMBER, &frame_told, &frame, NULL), OK);
	room[2]++;
	frame_assert_refused(bytes_of(room, 4 + BATCH_FRONT_MAX), E_FORM);
	room[0] = FRAME_T0_LIST;
	room[1] = 3;
	assert_int_equal(frame_read(bytes_of(room, 2 + 16 * FRAME_HASHES_MAX), LINK_MEMBER, &frame_told, &frame, NULL),
			 OK);
	frame_assert_refused(bytes_of(room, 2 + 16 * (FRAME_HASHES_MAX + 1)), E_LIMIT);
}

static void assert_same_frontier(const struct frontier *a, const struct frontier *b)
{
	assert_false(stream_compare(&a->stream, &b->stream));
	assert_true(end_equal(a->end, b->end));
}

/* What got no number because there is none left is named in full, again and again. */
static void streams_beyond_the_last_number_travel_too(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < STREAM_TABLE_MAX; i++) {
		stream_table_append(&frame_named, (struct stream){ 5 + i, 1, 0 });
		stream_table_append(&frame_told, (struct stream){ 5 + i, 1, 0 });
	}
	stream_table_settle(&frame_named);
	stream_table_settle(&frame_told);
	for (int round = 0; round < 2; round++) {
		struct frontier known = frontier_of(9, 4), beyond = frontier_of(1 << 20, 4), read = { 0 };
		struct frame_list list;
		struct frame frame;

		known.stream.lane = LANE_URGENT;
		buf_clear(&frame_out);
		list = frame_begin_frontiers(&frame_out, FRAME_ACK, false, false);
		assert_true(frame_put_frontier(&list, &frame_named, &known));
		assert_true(frame_put_frontier(&list, &frame_named, &beyond));
		assert_int_equal(frame_out.size, 2 + 1 + 1 + 16 + 1 + 10 + 1 + 16);
		assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
		frame_assert_told();
		assert_int_equal(frame_told.count, STREAM_TABLE_MAX);
		assert_true(frame_next_frontier(&frame.ack.list, &frame_told, &read));
		assert_same_frontier(&read, &known);
		assert_true(frame_next_frontier(&frame.ack.list, &frame_told, &read));
		assert_same_frontier(&read, &beyond);
	}
}

static void reading_what_is_known_allocates_nothing(void **state)
{
	struct frontier frontier = frontier_of(7, 70000);
	struct frame_list list = frame_begin_frontiers(&frame_out, FRAME_ACK, false, false);
	struct frame frame;
	size_t before;

	(void)state;
	assert_true(frame_put_frontier(&list, &frame_named, &frontier));
	before = allocations;
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
	assert_true(allocations > before);
	buf_clear(&frame_out);
	list = frame_begin_frontiers(&frame_out, FRAME_ACK, false, false);
	before = allocations;
	assert_true(frame_put_frontier(&list, &frame_named, &frontier));
	assert_int_equal(frame_read_out(LINK_MEMBER, &frame), OK);
	assert_true(frame_next_frontier(&frame.ack.list, &frame_told, &frontier));
	assert_int_equal(allocations, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRAME_TEST(frames_come_back),
		FRAME_TEST(changed_frames_are_refused_or_canonical),
		FRAME_TEST(stages_expect_what_they_expect),
		FRAME_TEST(frontiers_have_a_limit),
		FRAME_TEST(lists_have_a_limit),
		FRAME_TEST(sizes_have_a_limit),
		FRAME_TEST(fields_have_a_limit),
		FRAME_TEST(streams_beyond_the_last_number_travel_too),
		FRAME_TEST(reading_what_is_known_allocates_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
