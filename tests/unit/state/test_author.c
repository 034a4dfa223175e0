/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/desk.h"

/* This member as an author: what is asked is merged at once, and one transaction's entries are one batch per lane. */

/* --- One step, one batch. */

static void what_is_asked_in_one_step_is_one_batch(void **state)
{
	struct desk desk;
	struct setting_row row;

	(void)state;
	desk_begin(&desk);
	desk_step(&desk);
	for (uint64_t seq = 1; seq <= 5; seq++) {
		desk_must(&desk, desk_set(&desk, 10));
		assert_int_equal(desk.place.seq, seq);
		assert_int_equal(desk.place.stream.lane, LANE_PEOPLE);
		/* It is there before the batch is. */
		assert_int_equal(state_row(desk.applying.txn, KIND_TABLE(setting), desk.judged.ids[0], &row, NULL), OK);
	}
	desk_finish(&desk);
	assert_int_equal(desk.author.closed_count, 1);
	assert_int_equal(desk.author.closed[0].count, 5);
	assert_int_equal(desk.author.closed[0].first, 1);
	assert_true(batch_is_signed(&desk.author.closed[0], desk.signer.key));
	desk_forget(&desk);
	assert_int_equal(desk.author.closed_count, 0);
	desk_check(&desk);
	desk_end(&desk);
}

static void step_after_step_is_one_chain_also_over_a_restart(void **state)
{
	struct desk desk;
	struct id before = { { 0 } };

	(void)state;
	desk_begin(&desk);
	for (uint64_t step = 1; step <= 6; step++) {
		if (step == 4)
			desk_open(&desk);
		desk_step(&desk);
		desk_must(&desk, desk_set(&desk, 10));
		desk_finish(&desk);
		assert_int_equal(desk.author.closed[0].end.seq, step);
		assert_true(id_equal(desk.author.closed[0].before, before));
		before = desk.author.closed[0].end.hash;
		desk_forget(&desk);
	}
	desk_check(&desk);
	desk_end(&desk);
}

static void more_than_a_batch_holds_is_several(void **state)
{
	struct desk desk;

	(void)state;
	desk_begin(&desk);
	desk_step(&desk);
	for (int i = 0; i < 60; i++)
		desk_must(&desk, desk_set(&desk, 3900));
	assert_int_equal(desk.place.seq, 60);
	desk_finish(&desk);
	assert_in_range(desk.author.closed_count, 4, 6);
	for (size_t i = 0; i < desk.author.closed_count; i++)
		assert_true(desk.author.closed[i].whole.size <= BATCH_MAX);
	assert_int_equal(desk.author.closed[desk.author.closed_count - 1].end.seq, 60);
	desk_forget(&desk);
	desk_check(&desk);
	desk_end(&desk);
}

static void a_step_without_a_word_has_no_batch(void **state)
{
	struct desk desk;

	(void)state;
	desk_begin(&desk);
	desk_step(&desk);
	desk_finish(&desk);
	assert_int_equal(desk.author.closed_count, 0);
	desk_forget(&desk);
	desk_end(&desk);
}

/* --- Lanes. */

static void each_lane_is_a_chain_of_its_own(void **state)
{
	struct user_row user = { .has = BIT(AT_user_login), .login = bytes_text("anna") };
	struct change change = { .what = CHANGE_CREATE, .kind = KIND_user };
	struct desk desk;

	(void)state;
	desk_begin(&desk);
	desk_step(&desk);
	change.map = desk_pack(&desk, KIND_TABLE(user), &user);
	desk_must(&desk, desk_ask(&desk, &change, BY_OWNER, "user.create"));
	assert_int_equal(desk.place.stream.lane, LANE_PEOPLE);
	change = (struct change){ .what = CHANGE_REMOVE, .kind = KIND_user, .id = desk.judged.ids[0] };
	desk_must(&desk, desk_ask(&desk, &change, BY_OWNER, "user.remove"));
	assert_int_equal(desk.place.stream.lane, LANE_URGENT);
	assert_int_equal(desk.place.seq, 1);
	desk_must(&desk, desk_set(&desk, 10));
	assert_int_equal(desk.place.seq, 2);
	desk_finish(&desk);
	assert_int_equal(desk.author.closed_count, 2);
	assert_int_equal(desk.author.closed[0].stream.lane, LANE_URGENT);
	assert_int_equal(desk.author.closed[0].count, 1);
	assert_int_equal(desk.author.closed[1].stream.lane, LANE_PEOPLE);
	assert_int_equal(desk.author.closed[1].count, 2);
	desk_forget(&desk);
	desk_check(&desk);
	desk_end(&desk);
}

static void what_a_member_notes_of_itself_is_bulk_without_an_audit_row(void **state)
{
	struct gateway_fact_row row = { .has = BIT(AT_gateway_fact_node) | BIT(AT_gateway_fact_load), .load = 7 };
	struct change change = { .what = CHANGE_CREATE, .kind = KIND_gateway_fact };
	struct desk desk;

	(void)state;
	desk_begin(&desk);
	row.node = desk.author.node;
	desk_step(&desk);
	desk_must(&desk, desk_set(&desk, 10));
	change.map = desk_pack(&desk, KIND_TABLE(gateway_fact), &row);
	desk_must(&desk, desk_ask(&desk, &change, BY_MEMBER, ""));
	assert_int_equal(desk.place.stream.lane, LANE_BULK);
	assert_int_equal(desk.author.audit_seq, 1);
	desk_finish(&desk);
	assert_int_equal(desk.author.closed_count, 2);
	desk_forget(&desk);
	desk_open(&desk);
	assert_int_equal(desk.author.audit_seq, 1);
	desk_check(&desk);
	desk_end(&desk);
}

static void a_repeat_writes_nothing_and_names_the_same(void **state)
{
	struct setting_row row = { .has = BIT(AT_setting_name), .name = bytes_text("once") };
	struct change change = { .what = CHANGE_CREATE, .kind = KIND_setting };
	struct asker asker = { .writes = BY_OWNER };
	struct id made = { { 0 } };
	struct desk desk;

	(void)state;
	desk_begin(&desk);
	desk_step(&desk);
	change.map = desk_pack(&desk, KIND_TABLE(setting), &row);
	for (int i = 0; i < 3; i++) {
		struct judging judging = { .rng = &desk.rng,
					   .now = { desk.now_ms },
					   .idempotency = bytes_text("the same request"),
					   .action = bytes_text("setting.create") };

		desk_must(&desk, author_ask(&desk.author, &desk.applying, &judging, &asker, &change, 1, &desk.judged,
					    &desk.place, &desk.err));
		assert_int_equal(desk.place.seq, i ? 0 : 1);
		assert_true(!i || id_equal(made, desk.judged.ids[0]));
		made = desk.judged.ids[0];
	}
	assert_int_equal(desk.author.audit_seq, 1);
	desk_finish(&desk);
	assert_int_equal(desk.author.closed[0].count, 1);
	desk_forget(&desk);
	desk_end(&desk);
}

static void a_start_that_was_chosen_is_gone_on_with(void **state)
{
	static const uint8_t key[] = { TABLE_META, 's' }, start[] = { 0, 0, 1, 2, 3, 4, 5, 6 };
	struct audit_row row;
	struct desk desk;
	struct store_txn *txn;

	(void)state;
	desk_begin(&desk);
	assert_int_equal(desk.author.start, 1);
	assert_int_equal(store_begin(desk.world.store, &txn, NULL), OK);
	assert_int_equal(store_put(txn, bytes_of(key, sizeof key), bytes_of(start, sizeof start), NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	desk_open(&desk);
	desk_step(&desk);
	desk_must(&desk, desk_set(&desk, 10));
	assert_int_equal(desk.place.stream.start, UINT64_C(0x010203040506));
	assert_int_equal(state_row(desk.applying.txn, KIND_TABLE(audit), desk.judged.audit_hash, &row, NULL), OK);
	assert_int_equal(row.start, UINT64_C(0x010203040506));
	desk_finish(&desk);
	desk_forget(&desk);
	desk_check(&desk);
	desk_end(&desk);
}

/* --- Refusals, and steps that fail. */

static void what_is_refused_leaves_nothing(void **state)
{
	struct change change = { .what = CHANGE_REMOVE, .kind = KIND_setting, .id = { { 7 } } };
	struct desk desk;
	uint64_t audit;

	(void)state;
	desk_begin(&desk);
	desk_step(&desk);
	desk_must(&desk, desk_set(&desk, 10));
	audit = desk.author.audit_seq;
	desk.place.seq = 4711;
	assert_int_equal(desk_ask(&desk, &change, BY_OWNER, "setting.remove"), E_ABSENT);
	assert_int_equal(desk.place.seq, 4711);
	assert_int_equal(desk.author.audit_seq, audit);
	desk_finish(&desk);
	assert_int_equal(desk.author.closed[0].count, 1);
	desk_forget(&desk);
	desk_check(&desk);
	desk_end(&desk);
}

static void a_clock_at_the_end_of_time_is_refused(void **state)
{
	struct desk desk;

	(void)state;
	desk_begin(&desk);
	desk.author.hlc = hlc_make(WALL_MAX_MS, UINT16_MAX);
	desk_step(&desk);
	assert_int_equal(desk_set(&desk, 10), E_VALUE);
	assert_string_equal(desk.err.text, "this server's clock is beyond the year 6429: set it right");
	store_end(desk.applying.txn);
	desk_end(&desk);
}

static void stamps_ascend_though_the_clock_stands_or_goes_back(void **state)
{
	struct hlc last = { 0 };
	struct desk desk;

	(void)state;
	desk_begin(&desk);
	desk_step(&desk);
	for (int i = 0; i < 20; i++) {
		desk.now_ms -= i > 10 ? 1000 : 0;
		desk_must(&desk, desk_set(&desk, 10));
		assert_true(hlc_compare(desk.judged.hlc, last) > 0);
		last = desk.judged.hlc;
	}
	desk_finish(&desk);
	desk_forget(&desk);
	desk_end(&desk);
}

/* What comes after a write that replaced a stamp of the future is later than that, too. */
static void a_stamp_that_was_raised_is_gone_on_from(void **state)
{
	struct setting_row row = { .has = BIT(AT_setting_value), .value = bytes_text("another") };
	struct change change = { .what = CHANGE_SET, .kind = KIND_setting };
	struct desk desk;
	struct hlc raised;

	(void)state;
	desk_begin(&desk);
	desk_step(&desk);
	desk.now_ms += 5000;
	desk_must(&desk, desk_set(&desk, 10));
	desk.now_ms -= 5000;
	/* As if another member had written it. */
	desk.author.hlc = (struct hlc){ 0 };
	change.id = desk.judged.ids[0];
	change.map = desk_pack(&desk, KIND_TABLE(setting), &row);
	desk_must(&desk, desk_ask(&desk, &change, BY_OWNER, "setting.set"));
	raised = desk.judged.hlc;
	assert_true(hlc_ms(raised) >= desk.now_ms + 5000);
	desk_must(&desk, desk_set(&desk, 10));
	assert_true(hlc_compare(desk.judged.hlc, raised) > 0);
	desk_finish(&desk);
	desk_forget(&desk);
	desk_end(&desk);
}

/* The audit rows are a chain, which goes on over a restart, and does not over a step that was given up. */
static void the_audit_chain_is_what_the_disk_has(void **state)
{
	struct desk desk;
	struct id hash;

	(void)state;
	desk_begin(&desk);
	desk_step(&desk);
	desk_must(&desk, desk_set(&desk, 10));
	desk_must(&desk, desk_set(&desk, 10));
	desk_finish(&desk);
	desk_forget(&desk);
	assert_int_equal(desk.author.audit_seq, 2);
	hash = desk.author.audit_hash;
	assert_true(id_equal(hash, desk.judged.audit_hash));
	desk_step(&desk);
	desk_must(&desk, desk_set(&desk, 10));
	assert_int_equal(desk.author.audit_seq, 3);
	store_end(desk.applying.txn);
	desk_forget(&desk);
	desk_open(&desk);
	assert_int_equal(desk.author.audit_seq, 2);
	assert_true(id_equal(desk.author.audit_hash, hash));
	desk_step(&desk);
	desk_must(&desk, desk_set(&desk, 10));
	assert_int_equal(desk.place.seq, 3);
	desk_finish(&desk);
	desk_forget(&desk);
	desk_check(&desk);
	desk_end(&desk);
}

static void an_audit_chain_does_not_begin_with_a_step_that_was_given_up(void **state)
{
	struct audit_row row;
	struct desk desk;

	(void)state;
	desk_begin(&desk);
	desk_step(&desk);
	desk_must(&desk, desk_set(&desk, 10));
	store_end(desk.applying.txn);
	desk_forget(&desk);
	desk_open(&desk);
	desk_step(&desk);
	desk_must(&desk, desk_set(&desk, 10));
	assert_int_equal(state_row(desk.applying.txn, KIND_TABLE(audit), desk.judged.audit_hash, &row, NULL), OK);
	assert_int_equal(row.seq, 1);
	assert_true(bytes_equal(row.before, bytes_of((const uint8_t[16]){ 0 }, 16)));
	desk_finish(&desk);
	desk_forget(&desk);
	desk_end(&desk);
}

/* At each change that the commit writes: nothing of the step is there, and the next one takes its numbers. */
static void a_step_that_finds_the_disk_full_never_was(void **state)
{
	(void)state;
	for (uint64_t change = 1; change <= 5; change++) {
		struct desk desk;

		desk_begin(&desk);
		desk_step(&desk);
		desk_must(&desk, desk_set(&desk, 10));
		desk_finish(&desk);
		desk_forget(&desk);
		desk_step(&desk);
		desk_must(&desk, desk_set(&desk, 10));
		assert_int_equal(desk.place.seq, 2);
		mem_disk_full_at(desk.world.disk, change);
		assert_int_equal(desk_end_step(&desk), E_FULL);
		mem_disk_full_at(desk.world.disk, 0);
		desk_forget(&desk);
		desk_open(&desk);
		desk_step(&desk);
		desk_must(&desk, desk_set(&desk, 10));
		assert_int_equal(desk.place.seq, 2);
		desk_finish(&desk);
		assert_int_equal(desk.author.closed[0].end.seq, 2);
		desk_forget(&desk);
		desk_check(&desk);
		desk_end(&desk);
	}
}

static void a_damaged_end_of_the_audit_chain_is_told(void **state)
{
	static const uint8_t key[] = { TABLE_META, 'a' };
	struct desk desk;
	struct store_txn *txn;

	(void)state;
	desk_begin(&desk);
	assert_int_equal(store_begin(desk.world.store, &txn, NULL), OK);
	assert_int_equal(store_put(txn, bytes_of(key, sizeof key), bytes_text("short"), NULL), OK);
	assert_int_equal(author_open(&desk.author, &desk.signer, desk_cluster, &desk.vector, txn, &desk.err),
			 E_DAMAGED);
	store_end(txn);
	desk_end(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_in_one_step_is_one_batch),
		cmocka_unit_test(step_after_step_is_one_chain_also_over_a_restart),
		cmocka_unit_test(more_than_a_batch_holds_is_several),
		cmocka_unit_test(a_step_without_a_word_has_no_batch),
		cmocka_unit_test(each_lane_is_a_chain_of_its_own),
		cmocka_unit_test(what_a_member_notes_of_itself_is_bulk_without_an_audit_row),
		cmocka_unit_test(a_repeat_writes_nothing_and_names_the_same),
		cmocka_unit_test(a_start_that_was_chosen_is_gone_on_with),
		cmocka_unit_test(what_is_refused_leaves_nothing),
		cmocka_unit_test(a_clock_at_the_end_of_time_is_refused),
		cmocka_unit_test(stamps_ascend_though_the_clock_stands_or_goes_back),
		cmocka_unit_test(a_stamp_that_was_raised_is_gone_on_from),
		cmocka_unit_test(the_audit_chain_is_what_the_disk_has),
		cmocka_unit_test(an_audit_chain_does_not_begin_with_a_step_that_was_given_up),
		cmocka_unit_test(a_step_that_finds_the_disk_full_never_was),
		cmocka_unit_test(a_damaged_end_of_the_audit_chain_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
