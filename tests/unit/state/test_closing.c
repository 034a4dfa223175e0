/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/closing.h"

#include "crdt/model/pack.h"
#include "tests/unit/base/check.h"
#include "tests/unit/state/put.h"

#include <stdlib.h>

/* Rows about closed starts: which ends they name, and who owes one. */

enum { SUBJECT = 77 };

static struct frontier end_of(uint64_t start, enum lane lane, uint64_t seq, uint8_t mark)
{
	struct frontier frontier = { { SUBJECT, start, lane }, { .seq = seq } };

	memset(frontier.end.hash.bytes, mark, sizeof frontier.end.hash.bytes);
	return frontier;
}

static void add(struct vector *vector, struct frontier frontier)
{
	vector_add(vector, frontier.stream, frontier.end);
}

/* The member's row, as it would write it. */
static void put_closing(struct putting *p, uint64_t member, struct closed_start closed, const struct vector *vector,
			size_t from)
{
	struct change change = closing_change(member, closed, vector, from, &p->arena);
	struct closing_row row;

	assert_int_equal(change.what, CHANGE_CREATE);
	assert_int_equal(change.kind, KIND_closing);
	assert_int_equal(pack_read(&KIND_TABLE(closing)->shape, change.map, false, &row, NULL), OK);
	assert_int_equal(row.node, member);
	assert_int_equal(row.subject, closed.node);
	assert_int_equal(!!(row.has & BIT(AT_closing_start)), closed.start != 0);
	put_row(p, KIND_TABLE(closing), &row, 1);
}

static size_t count_named(struct putting *p, struct stream stream, struct end **ret_ends)
{
	struct end *ends;
	size_t count = 1000;

	assert_int_equal(closing_ends(p->txn, stream, &p->arena, &ends, &count, NULL), OK);
	if (ret_ends)
		*ret_ends = ends;
	return count;
}

static bool has_row(struct putting *p, uint64_t member, uint64_t start)
{
	bool has = false;

	assert_int_equal(
		closing_has_row(p->txn, member, (struct closed_start){ SUBJECT, start }, &p->arena, &has, NULL), OK);
	return has;
}

static bool is_due(struct putting *p, uint64_t member, uint64_t start, const struct vector *vector, size_t *ret_from)
{
	struct closing_said said;

	assert_int_equal(closing_read(p->txn, member, SUBJECT, vector, &p->arena, &said, NULL), OK);
	return closing_is_due(&said, (struct closed_start){ SUBJECT, start }, ret_from);
}

static void a_row_names_all_ends_of_what_is_closed_and_no_others(void **state)
{
	struct putting p;
	struct vector vector = { 0 };
	struct end *ends;

	(void)state;
	putting_start(&p, 1);
	add(&vector, end_of(1, LANE_URGENT, 3, 1));
	add(&vector, end_of(1, LANE_PEOPLE, 5, 2));
	add(&vector, end_of(1, LANE_PEOPLE, 5, 3));
	add(&vector, end_of(2, LANE_PEOPLE, 9, 4));
	vector_add(&vector, (struct stream){ SUBJECT - 1, 1, LANE_PEOPLE }, end_of(1, 0, 4, 5).end);
	vector_add(&vector, (struct stream){ SUBJECT + 1, 1, LANE_PEOPLE }, end_of(1, 0, 4, 6).end);
	put_closing(&p, 5, (struct closed_start){ SUBJECT, 1 }, &vector, 0);
	assert_int_equal(count_named(&p, end_of(1, LANE_URGENT, 0, 0).stream, &ends), 1);
	assert_true(end_equal(ends[0], end_of(1, LANE_URGENT, 3, 1).end));
	assert_int_equal(count_named(&p, end_of(1, LANE_PEOPLE, 0, 0).stream, &ends), 2);
	assert_true(end_equal(ends[0], end_of(1, LANE_PEOPLE, 5, 2).end));
	assert_true(end_equal(ends[1], end_of(1, LANE_PEOPLE, 5, 3).end));
	assert_int_equal(count_named(&p, end_of(1, LANE_BULK, 0, 0).stream, NULL), 0);
	assert_int_equal(count_named(&p, end_of(2, LANE_PEOPLE, 0, 0).stream, NULL), 0);
	/* An eviction closes them all. */
	put_closing(&p, 5, (struct closed_start){ SUBJECT, 0 }, &vector, 0);
	assert_int_equal(count_named(&p, end_of(2, LANE_PEOPLE, 0, 0).stream, &ends), 1);
	assert_int_equal(count_named(&p, end_of(1, LANE_PEOPLE, 0, 0).stream, NULL), 2);
	assert_int_equal(count_named(&p, (struct stream){ SUBJECT + 1, 1, LANE_PEOPLE }, NULL), 0);
	vector_done(&vector);
	putting_end(&p);
}

/* Of a thousand members each may have stood elsewhere, and none of their ends may be left out. */
static void however_many_ends_there_are_each_counts_once(void **state)
{
	enum { MEMBERS = 300 };
	struct putting p;
	struct end *ends;

	(void)state;
	putting_start(&p, 2);
	for (uint64_t member = 1; member <= MEMBERS; member++) {
		struct vector vector = { 0 };

		add(&vector, end_of(1, LANE_PEOPLE, 1 + (member * 7) % (MEMBERS / 2), 9));
		put_closing(&p, member, (struct closed_start){ SUBJECT, 0 }, &vector, 0);
		vector_done(&vector);
	}
	assert_int_equal(count_named(&p, end_of(1, LANE_PEOPLE, 0, 0).stream, &ends), MEMBERS / 2);
	for (size_t i = 0; i < MEMBERS / 2; i++)
		assert_int_equal(ends[i].seq, i + 1);
	putting_end(&p);
}

static void a_row_speaks_of_just_what_it_closes(void **state)
{
	struct putting p;
	struct vector none = { 0 };
	size_t from;

	(void)state;
	putting_start(&p, 3);
	assert_false(has_row(&p, 5, 0) || has_row(&p, 5, 1));
	put_closing(&p, 5, (struct closed_start){ SUBJECT, 1 }, &none, 0);
	assert_true(has_row(&p, 5, 1));
	assert_false(has_row(&p, 5, 0) || has_row(&p, 5, 2) || has_row(&p, 6, 1));
	put_closing(&p, 6, (struct closed_start){ SUBJECT, 0 }, &none, 0);
	/* The eviction may be undone, and more merged, before a start of it is closed. */
	assert_true(has_row(&p, 6, 0));
	assert_false(has_row(&p, 6, 1) || has_row(&p, 7, 0));
	assert_true(is_due(&p, 6, 1, &none, &from));
	assert_false(is_due(&p, 6, 0, &none, &from));
	putting_end(&p);
}

static void who_has_said_all_owes_nothing(void **state)
{
	struct putting p;
	struct vector vector = { 0 };
	size_t from = 9;

	(void)state;
	putting_start(&p, 4);
	/* Also who had nothing says so, once. */
	assert_true(is_due(&p, 5, 1, &vector, &from));
	assert_int_equal(from, 0);
	put_closing(&p, 5, (struct closed_start){ SUBJECT, 1 }, &vector, 0);
	assert_false(is_due(&p, 5, 1, &vector, &from));
	add(&vector, end_of(1, LANE_URGENT, 3, 1));
	add(&vector, end_of(1, LANE_PEOPLE, 5, 2));
	assert_true(is_due(&p, 5, 1, &vector, &from));
	/* Another's row that names them all is enough for what counts, but each says that it has spoken. */
	put_closing(&p, 6, (struct closed_start){ SUBJECT, 1 }, &vector, 0);
	assert_false(is_due(&p, 5, 1, &vector, &from));
	assert_true(is_due(&p, 7, 1, &vector, &from));
	/* The first that is not named. */
	add(&vector, end_of(1, LANE_PEOPLE, 7, 3));
	assert_true(is_due(&p, 5, 1, &vector, &from));
	assert_int_equal(from, 2);
	put_closing(&p, 5, (struct closed_start){ SUBJECT, 1 }, &vector, from);
	assert_false(is_due(&p, 5, 1, &vector, &from));
	/* Another start is none of its business. */
	add(&vector, end_of(2, LANE_PEOPLE, 7, 3));
	assert_false(is_due(&p, 5, 1, &vector, &from));
	assert_true(is_due(&p, 5, 2, &vector, &from));
	vector_done(&vector);
	putting_end(&p);
}

static void what_one_row_does_not_hold_the_next_one_names(void **state)
{
	enum { ENDS = 900 };
	struct putting p;
	struct vector vector = { 0 };
	size_t from = 0, rows = 0;

	(void)state;
	putting_start(&p, 5);
	for (uint64_t seq = 1; seq <= ENDS; seq++)
		add(&vector, end_of(1, LANE_PEOPLE, seq, 1));
	for (; is_due(&p, 5, 1, &vector, &from); rows++)
		put_closing(&p, 5, (struct closed_start){ SUBJECT, 1 }, &vector, from);
	assert_int_equal(rows, 3);
	assert_int_equal(count_named(&p, end_of(1, LANE_PEOPLE, 0, 0).stream, NULL), ENDS);
	vector_done(&vector);
	putting_end(&p);
}

/* In as many rows as it takes, one after the other. */
static void what_one_row_has_no_room_for_is_still_due(void **state)
{
	enum { IN_ONE = 400 };
	struct closed_start closed = { SUBJECT, 1 };
	struct closing_said said;
	struct putting p;
	struct vector vector = { 0 };
	size_t from = 1;

	(void)state;
	putting_start(&p, 1);
	for (uint64_t seq = 1; seq <= 2 * IN_ONE + 1; seq++)
		add(&vector, end_of(1, LANE_PEOPLE, seq, 1));
	assert_int_equal(closing_read(p.txn, 5, SUBJECT, &vector, &p.arena, &said, NULL), OK);
	assert_true(closing_is_due(&said, closed, &from));
	assert_int_equal(from, 0);
	assert_true(closing_wrote(&said, closed, from, &from));
	assert_int_equal(from, IN_ONE);
	assert_true(closing_wrote(&said, closed, from, &from));
	assert_int_equal(from, 2 * IN_ONE);
	assert_false(closing_wrote(&said, closed, from, &from));
	vector_done(&vector);
	putting_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_names_all_ends_of_what_is_closed_and_no_others),
		cmocka_unit_test(however_many_ends_there_are_each_counts_once),
		cmocka_unit_test(a_row_speaks_of_just_what_it_closes),
		cmocka_unit_test(who_has_said_all_owes_nothing),
		cmocka_unit_test(what_one_row_does_not_hold_the_next_one_names),
		cmocka_unit_test(what_one_row_has_no_room_for_is_still_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
