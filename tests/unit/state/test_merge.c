/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/merge.h"

#include "crdt/model/mp.h"
#include "tests/unit/base/check.h"

/*
 * Merge against a fold over the set of ops that keeps nothing but what the rules say: per field, the winner among all
 * values that were ever written. Ops are few, small and full of ties, with fields of every merge kind and no table.
 */

enum { FIELDS = 12, OPS_MAX = 9, ROUNDS = 400, ONCE_VALUE = 77 };

static struct arena arena;

/* A value as the oracle sees it: a number, or nothing; of a CRED field a generation and what (0: removed). */
struct value {
	bool is_set, is_nil, is_conflict;
	unsigned number, generation;
};

struct op {
	bool is_dead;
	unsigned ms, counter, node;
	struct value fields[FIELDS]; /* by number: 0 ONCE, 1 LWW, 2 MAX, 3 CRED, 4 ONCE … */
};

static struct value random_value(unsigned number)
{
	struct value value = { .is_set = dice_below(2), .number = (unsigned)dice_below(3) };

	if (number % 4 == MERGE_ONCE)
		value.number = ONCE_VALUE + number;
	if (number % 4 == MERGE_LWW)
		value.is_nil = !dice_below(4);
	if (number % 4 == MERGE_CRED) {
		value.generation = 1 + (unsigned)dice_below(2) * 299;
		value.is_conflict = !dice_below(8);
	}
	return value;
}

static struct op random_op(void)
{
	struct op op = { .is_dead = !dice_below(30) };
	bool has_identity = dice_below(2);

	op.ms = (unsigned)dice_below(2) + 5;
	op.counter = (unsigned)dice_below(2);
	op.node = (unsigned)dice_below(2) + 1;
	for (unsigned i = 0; i < FIELDS; i++) {
		op.fields[i] = random_value(i);
		if (i % 4 == MERGE_ONCE)
			op.fields[i].is_set = has_identity;
		else if (op.is_dead)
			op.fields[i].is_set = false;
	}
	return op;
}

/* 0, 1 and 2 as numbers whose encodings have three lengths. */
static void put_number(unsigned number, struct buf *buf)
{
	static const uint64_t numbers[] = { 5, 500, 70000 };

	mp_put_uint(buf, number < 3 ? numbers[number] : number);
}

static void put_value(unsigned number, struct value value, struct buf *buf)
{
	if (number % 4 != MERGE_CRED && value.is_nil) {
		mp_put_nil(buf);
	} else if (number % 4 != MERGE_CRED) {
		put_number(value.number, buf);
	} else {
		mp_put_array(buf, value.is_conflict ? 1 : 2);
		mp_put_uint(buf, value.generation);
		if (!value.is_conflict && value.number)
			mp_put_bin(buf, bytes_of("0123456789abcdef0123456789abcdef", value.number * 16));
		else if (!value.is_conflict)
			mp_put_nil(buf);
	}
}

static struct record *record_of(const struct op *op)
{
	struct record *record = arena_take(&arena, sizeof *record);
	struct buf buf = buf_growing(1000);
	size_t count = 0;

	for (unsigned i = 0; i < FIELDS; i++)
		count += op->fields[i].is_set;
	mp_put_map(&buf, count);
	for (unsigned i = 0; i < FIELDS; i++)
		if (op->fields[i].is_set) {
			mp_put_uint(&buf, i);
			put_value(i, op->fields[i], &buf);
		}
	assert_int_equal(record_from_op(arena_copy(&arena, buf_bytes(&buf)),
					(struct stamp){ hlc_make(op->ms, (uint16_t)op->counter), op->node }, record,
					NULL),
			 OK);
	record->is_dead = op->is_dead;
	buf_done(&buf);
	return record;
}

static bool later(const struct op *a, const struct op *b, unsigned field)
{
	const struct value *of_a = &a->fields[field], *of_b = &b->fields[field];

	if (a->ms != b->ms)
		return a->ms > b->ms;
	if (a->counter != b->counter)
		return a->counter > b->counter;
	if (a->node != b->node)
		return a->node > b->node;
	/* As bytes: nil is c0, 5 is 05, 500 is cd…, 70000 is ce… */
	if (of_a->is_nil || of_b->is_nil)
		return of_a->is_nil ? !of_b->is_nil && of_b->number == 0 : of_a->number > 0;
	return of_a->number > of_b->number;
}

static const struct op *winner_of(const struct op *ops, size_t count, unsigned field)
{
	const struct op *best = NULL;

	for (size_t i = 0; i < count; i++) {
		if (!ops[i].fields[field].is_set)
			continue;
		if (!best || (field % 4 == MERGE_LWW && later(&ops[i], best, field)) ||
		    (field % 4 == MERGE_MAX && ops[i].fields[field].number > best->fields[field].number) ||
		    (field % 4 == MERGE_CRED && ops[i].fields[field].generation > best->fields[field].generation))
			best = &ops[i];
	}
	return best;
}

static bool is_disputed(const struct op *ops, size_t count, unsigned field, struct value best)
{
	for (size_t i = 0; i < count; i++) {
		struct value v = ops[i].fields[field];

		if (v.is_set && v.generation == best.generation &&
		    (v.number != best.number || v.is_conflict || best.is_conflict))
			return true;
	}
	return false;
}

/* The oracle: what the set of ops means, as a canonical record. */
static struct bytes meaning_of(const struct op *ops, size_t count)
{
	struct record *record = arena_take(&arena, sizeof *record);
	struct buf buf = buf_growing(RECORD_MAX);
	struct bytes bytes;

	for (size_t i = 0; i < count; i++)
		record->is_dead |= ops[i].is_dead;
	for (unsigned f = 0; f < FIELDS; f++) {
		const struct op *best = winner_of(ops, count, f);
		struct cell *cell = &record->cells[record->count];
		struct value value;

		if (!best || (record->is_dead && f % 4 != MERGE_ONCE))
			continue;
		value = best->fields[f];
		if (f % 4 == MERGE_CRED)
			value.is_conflict = is_disputed(ops, count, f, value);
		buf_clear(&buf);
		put_value(f, value, &buf);
		*cell = (struct cell){ .number = f, .value = arena_copy(&arena, buf_bytes(&buf)) };
		if (f % 4 == MERGE_LWW)
			cell->stamp = (struct stamp){ hlc_make(best->ms, (uint16_t)best->counter), best->node };
		record->count++;
	}
	buf_clear(&buf);
	record_write(record, &buf);
	bytes = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return bytes;
}

static struct record *merged(const struct record *a, const struct record *b)
{
	struct record *both = arena_take(&arena, sizeof *both);

	merge_records(a, b, &arena, both);
	return both;
}

static void assert_is(const struct record *record, struct bytes wanted)
{
	struct buf buf = buf_growing(RECORD_MAX);

	record_write(record, &buf);
	assert_int_equal(buf.size, wanted.size);
	assert_memory_equal(buf.data, wanted.data, wanted.size);
	buf_done(&buf);
}

/* Heap's algorithm, without recursion. */
static void each_order(struct record **records, size_t count, struct bytes wanted)
{
	size_t at[OPS_MAX] = { 0 }, i = 1;
	struct arena outer = arena;

	for (;;) {
		struct record empty = { 0 }, *whole = &empty;

		/* What a fold makes is given back with it. */
		arena = (struct arena){ 0 };
		for (size_t k = 0; k < count; k++)
			whole = merged(whole, records[k]);
		assert_is(whole, wanted);
		arena_done(&arena);
		while (i < count && at[i] == i)
			at[i++] = 0;
		if (i >= count)
			break;
		struct record *moved = records[i % 2 ? at[i] : 0];
		records[i % 2 ? at[i] : 0] = records[i];
		records[i] = moved;
		at[i]++;
		i = 1;
	}
	arena = outer;
}

static void all_orders_of_a_few_ops_agree(void **state)
{
	(void)state;
	for (int round = 0; round < 60; round++) {
		size_t count = round % 10 ? 1 + dice_below(4) : 6;
		struct record *records[OPS_MAX];
		struct op ops[OPS_MAX];

		for (size_t i = 0; i < count; i++) {
			ops[i] = random_op();
			records[i] = record_of(&ops[i]);
		}
		each_order(records, count, meaning_of(ops, count));
		arena_reset(&arena);
	}
}

/* Any grouping: two of what is there become one, until one is left; some are thrown in again. */
static void all_groupings_and_repetitions_agree(void **state)
{
	size_t dead = 0, live = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		size_t count = 1 + dice_below(OPS_MAX), left = 0;
		struct record *records[2 * OPS_MAX], *again;
		struct op ops[OPS_MAX];
		struct bytes wanted;

		for (size_t i = 0; i < count; i++) {
			ops[i] = random_op();
			records[left++] = record_of(&ops[i]);
			if (dice_below(3))
				continue;
			records[left] = records[dice_below(left)];
			left++;
		}
		wanted = meaning_of(ops, count);
		again = records[0];
		while (left > 1) {
			size_t a = dice_below(left), b = (a + 1 + dice_below(left - 1)) % left;

			records[a] = dice_below(2) ? merged(records[a], records[b]) : merged(records[b], records[a]);
			records[b] = records[--left];
		}
		assert_is(merged(records[0], again), wanted);
		assert_is(merged(records[0], records[0]), wanted);
		dead += records[0]->is_dead;
		live += !records[0]->is_dead;
		arena_reset(&arena);
	}
	assert_true(dead > ROUNDS / 30 && live > ROUNDS / 3);
}

/* A record as it is stored merges as the ops that made it do. */
static void what_was_stored_merges_on(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct op ops[3] = { random_op(), random_op(), random_op() };
		struct record *stored = arena_take(&arena, sizeof *stored);
		struct bytes bytes = meaning_of(ops, 2);

		assert_int_equal(record_read(bytes, stored, NULL), OK);
		assert_is(merged(stored, record_of(&ops[2])), meaning_of(ops, 3));
		assert_is(merged(record_of(&ops[2]), stored), meaning_of(ops, 3));
		arena_reset(&arena);
	}
}

static void nothing_changes_nothing(void **state)
{
	struct op op = random_op();
	struct record empty = { 0 };

	(void)state;
	op.is_dead = false;
	assert_is(merged(&empty, record_of(&op)), meaning_of(&op, 1));
	assert_is(merged(record_of(&op), &empty), meaning_of(&op, 1));
	assert_is(merged(&empty, &empty), bytes_of("\x93\xc2\xc4\0\x80", 5));
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_orders_of_a_few_ops_agree),
		cmocka_unit_test(all_groupings_and_repetitions_agree),
		cmocka_unit_test(what_was_stored_merges_on),
		cmocka_unit_test(nothing_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
