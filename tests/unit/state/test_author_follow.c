/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/desk.h"

/* A member whose disk was put back goes on behind what others had of it; and one whose start is closed, in another. */

enum { STEPS = 4 };

/* What a member wrote on another disk: each step's batch. */
struct past {
	struct desk desk;
	struct arena arena;
	struct batch all[STEPS];
	size_t count;
};

static void keep(struct past *past)
{
	for (size_t i = 0; i < past->desk.author.closed_count; i++) {
		struct bytes whole = arena_copy(&past->arena, past->desk.author.closed[i].whole);

		assert_true(past->count < STEPS);
		assert_int_equal(batch_read(whole, &past->all[past->count++], NULL), OK);
	}
}

static void past_begin(struct past *past)
{
	*past = (struct past){ 0 };
	desk_begin(&past->desk);
}

static void past_step(struct past *past)
{
	desk_step(&past->desk);
	desk_must(&past->desk, desk_set(&past->desk, 10));
	desk_finish(&past->desk);
	keep(past);
	desk_forget(&past->desk);
}

static void past_end(struct past *past)
{
	arena_done(&past->arena);
	desk_end(&past->desk);
}

/* As a member merges a batch. */
static void follow(struct desk *desk, const struct batch *batch)
{
	struct frontier frontier = { batch->stream, batch->end };
	size_t from = desk->changes.count;
	struct applied applied;

	desk_must(desk, apply_batch(&desk->applying, batch, &applied, &desk->err));
	assert_int_equal(applied.voids, 0);
	desk_must(desk, log_put_batch(desk->applying.txn, batch, &desk->err));
	desk_must(desk, author_follow(&desk->author, batch, &desk->changes, from, desk->applying.txn, &desk->err));
	vector_set(&desk->vector, frontier.stream, frontier.end);
	desk_must(desk, log_put_ends(desk->applying.txn, TABLE_VECTOR, batch->stream, &frontier, 1, &desk->err));
}

static void assert_same_audit(const struct desk *a, const struct desk *b)
{
	assert_int_equal(a->author.audit_seq, b->author.audit_seq);
	assert_true(id_equal(a->author.audit_hash, b->author.audit_hash));
}

static void it_goes_on_behind_what_others_had_of_it(void **state)
{
	struct past past;
	struct desk desk;

	(void)state;
	past_begin(&past);
	for (size_t i = 0; i < STEPS; i++)
		past_step(&past);
	assert_int_equal(past.desk.author.audit_seq, STEPS);
	/* Also in the transaction that brought it, and over a restart. */
	for (int restarts = 0; restarts < 2; restarts++) {
		desk_begin(&desk);
		desk_step(&desk);
		for (size_t i = 0; i < STEPS; i++)
			follow(&desk, &past.all[i]);
		assert_same_audit(&desk, &past.desk);
		if (restarts) {
			desk_finish(&desk);
			desk_forget(&desk);
			desk_open(&desk);
			assert_same_audit(&desk, &past.desk);
			desk_step(&desk);
		}
		desk_must(&desk, desk_set(&desk, 10));
		assert_int_equal(desk.place.seq, STEPS + 1);
		assert_int_equal(desk.author.audit_seq, STEPS + 1);
		desk_finish(&desk);
		assert_true(id_equal(desk.author.closed[0].before, past.all[STEPS - 1].end.hash));
		desk_forget(&desk);
		desk_check(&desk);
		desk_end(&desk);
	}
	past_end(&past);
}

/* Lanes come in any order: the last of the audit rows is the one with the highest number. */
static void an_audit_row_that_comes_late_sets_nothing_back(void **state)
{
	struct user_row user = { .has = BIT(AT_user_login), .login = bytes_text("anna") };
	struct change change = { .what = CHANGE_CREATE, .kind = KIND_user };
	struct past past;
	struct desk desk;

	(void)state;
	past_begin(&past);
	desk_step(&past.desk);
	change.map = desk_pack(&past.desk, KIND_TABLE(user), &user);
	desk_must(&past.desk, desk_ask(&past.desk, &change, BY_OWNER, "user.create"));
	change = (struct change){ .what = CHANGE_REMOVE, .kind = KIND_user, .id = past.desk.judged.ids[0] };
	desk_must(&past.desk, desk_ask(&past.desk, &change, BY_OWNER, "user.remove"));
	desk_finish(&past.desk);
	keep(&past);
	desk_forget(&past.desk);
	assert_int_equal(past.count, 2);
	for (size_t first = 0; first < 2; first++) {
		desk_begin(&desk);
		desk_step(&desk);
		follow(&desk, &past.all[first]);
		follow(&desk, &past.all[!first]);
		assert_same_audit(&desk, &past.desk);
		desk_finish(&desk);
		desk_forget(&desk);
		desk_end(&desk);
	}
	past_end(&past);
}

static void what_others_wrote_moves_nothing(void **state)
{
	struct past past;
	struct desk desk;

	(void)state;
	past_begin(&past);
	past_step(&past);
	for (int is_foreign = 0; is_foreign < 2; is_foreign++) {
		desk_begin(&desk);
		if (is_foreign)
			desk.author.node ^= 1;
		else
			desk.author.start = 2;
		desk_step(&desk);
		follow(&desk, &past.all[0]);
		assert_int_equal(desk.author.audit_seq, 0);
		assert_int_equal(desk.author.lanes[LANE_PEOPLE].end.seq, 0);
		store_end(desk.applying.txn);
		desk_end(&desk);
	}
	past_end(&past);
}

static void another_start_begins_at_nothing(void **state)
{
	struct stream old;
	struct id before = { { 0 } };
	struct desk desk;

	(void)state;
	desk_begin(&desk);
	old = (struct stream){ desk.author.node, 1, LANE_PEOPLE };
	for (int i = 0; i < 2; i++) {
		desk_step(&desk);
		desk_must(&desk, desk_set(&desk, 10));
		desk_finish(&desk);
		desk_forget(&desk);
	}
	/* In one transaction: what was asked before stands in the old start, what is asked then in the new one. */
	desk_step(&desk);
	desk_must(&desk, desk_set(&desk, 10));
	assert_int_equal(desk.place.stream.start, 1);
	desk_must(&desk, author_finish(&desk.author, &desk.applying, &desk.err));
	desk_must(&desk, author_restart(&desk.author, 77, desk.applying.txn, &desk.err));
	desk_must(&desk, desk_set(&desk, 10));
	assert_int_equal(desk.place.stream.start, 77);
	assert_int_equal(desk.place.seq, 1);
	assert_int_equal(desk.author.audit_seq, 1);
	desk_finish(&desk);
	assert_int_equal(desk.author.closed_count, 2);
	assert_int_equal(desk.author.closed[0].stream.start, 1);
	assert_int_equal(desk.author.closed[0].end.seq, 3);
	assert_int_equal(desk.author.closed[1].stream.start, 77);
	assert_int_equal(desk.author.closed[1].first, 1);
	assert_true(id_equal(desk.author.closed[1].before, before));
	desk_forget(&desk);
	assert_int_equal(vector_seq(&desk.vector, old), 3);
	/* And so after a restart. */
	desk_open(&desk);
	assert_int_equal(desk.author.start, 77);
	assert_int_equal(desk.author.audit_seq, 1);
	desk_step(&desk);
	desk_must(&desk, desk_set(&desk, 10));
	assert_int_equal(desk.place.stream.start, 77);
	assert_int_equal(desk.place.seq, 2);
	desk_finish(&desk);
	desk_forget(&desk);
	desk_check(&desk);
	desk_end(&desk);
}

static void a_start_that_was_given_up_never_began(void **state)
{
	struct desk desk;

	(void)state;
	desk_begin(&desk);
	desk_step(&desk);
	desk_must(&desk, desk_set(&desk, 10));
	desk_finish(&desk);
	desk_forget(&desk);
	desk_step(&desk);
	desk_must(&desk, author_restart(&desk.author, 77, desk.applying.txn, &desk.err));
	store_end(desk.applying.txn);
	desk_open(&desk);
	assert_int_equal(desk.author.start, 1);
	assert_int_equal(desk.author.audit_seq, 1);
	assert_int_equal(desk.author.lanes[LANE_PEOPLE].end.seq, 1);
	desk_end(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_goes_on_behind_what_others_had_of_it),
		cmocka_unit_test(an_audit_row_that_comes_late_sets_nothing_back),
		cmocka_unit_test(what_others_wrote_moves_nothing),
		cmocka_unit_test(another_start_begins_at_nothing),
		cmocka_unit_test(a_start_that_was_given_up_never_began),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
