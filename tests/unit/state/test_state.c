/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/model/hex.h"
#include "tests/unit/state/world.h"

#include "crdt/model/pack.h"
#include "crdt/state/merge.h"

#include <stdlib.h>

enum { STEPS = 60, OUTPUT = 1 << 26 };

static struct arena arena;

static void never_damaged(void *context, struct bytes key, const char *text)
{
	(void)context;
	fail_msg("damage at a key of %u bytes: %s", (unsigned)key.size, text);
}

static void assert_index_is_naive(struct store *store)
{
	struct buf is = buf_growing(OUTPUT), should = buf_growing(OUTPUT);
	struct store_txn *txn;
	struct err err = { 0 };

	assert_int_equal(store_snapshot(store, &txn, NULL), OK);
	world_index(txn, &is);
	world_naive_index(txn, &should);
	assert_int_equal(is.size, should.size);
	if (is.size)
		assert_memory_equal(is.data, should.data, is.size);
	assert_int_equal(state_check(txn, never_damaged, NULL, &err), OK);
	assert_int_equal(store_scan(txn, never_damaged, NULL, &err), OK);
	store_end(txn);
	buf_done(&is);
	buf_done(&should);
}

static void indexes_follow_whatever_happens(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct world world;

		world_start(&world, seed);
		for (int step = 0; step < STEPS; step++) {
			world_step(&world, 1 + rng_below(&world.rng, 12));
			if (step % 4 == 0)
				assert_index_is_naive(world.store);
		}
		assert_index_is_naive(world.store);
		world_end(&world);
	}
}

/* What is stored is what merging says, and only then has it changed. */
static void records_are_merged_and_nothing_else(void **state)
{
	struct world world;
	struct store_txn *txn;
	size_t unchanged = 0;

	(void)state;
	world_start(&world, 9);
	assert_int_equal(store_begin(world.store, &txn, NULL), OK);
	for (int i = 0; i < 600; i++) {
		struct record *old = arena_take(&arena, sizeof *old), *new = arena_take(&arena, sizeof *new);
		struct buf wanted = buf_growing(RECORD_MAX);
		struct bytes before = { 0 }, after;
		struct known known;
		struct record *op = world_op(&world, &arena, &known);
		bool is_changed;

		if (!state_record(txn, known.kind, known.id, &before, NULL)) {
			before = arena_copy(&arena, before);
			assert_int_equal(record_read(before, old, NULL), OK);
		}
		merge_records(old, op, &arena, new);
		record_write(new, &wanted);
		for (int again = 0; again < 2; again++) {
			assert_int_equal(state_merge(txn, NULL, known.kind, known.id, op, &arena, &is_changed, NULL),
					 OK);
			assert_int_equal(is_changed, !again && !bytes_equal(before, buf_bytes(&wanted)));
			unchanged += !again && !is_changed;
			assert_int_equal(state_record(txn, known.kind, known.id, &after, NULL), OK);
			assert_true(bytes_equal(after, buf_bytes(&wanted)));
		}
		buf_done(&wanted);
		arena_reset(&arena);
	}
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_true(unchanged > 10);
	assert_index_is_naive(world.store);
	world_end(&world);
}

/* A plan, its name a value to be found by. */
static struct id put_plan(struct store_txn *txn, const char *nonce, const char *name, uint64_t ms, bool is_dead)
{
	struct plan_row row = { .has = BIT(AT_plan_nonce) | BIT(AT_plan_name) };
	struct record *record = arena_take(&arena, sizeof *record);
	struct buf buf = buf_growing(500);
	bool is_changed;

	row.nonce = bytes_text(nonce);
	row.name = bytes_text(name);
	pack_write(&KIND_TABLE(plan)->shape, &row, &buf);
	row.id = gen_id_of(KIND_plan, arena_copy(&arena, buf_bytes(&buf)));
	assert_int_equal(
		record_from_op(arena_copy(&arena, buf_bytes(&buf)), (struct stamp){ hlc_make(ms, 0), 1 }, record, NULL),
		OK);
	if (is_dead)
		*record = (struct record){ .is_dead = true };
	assert_int_equal(state_merge(txn, NULL, KIND_plan, row.id, record, &arena, &is_changed, NULL), OK);
	assert_true(is_changed);
	buf_done(&buf);
	return row.id;
}

static size_t found(struct store_txn *txn, const char *name, struct id *ret_ids)
{
	struct bytes slot = bytes_text(name ? name : "");
	struct state_cursor *cursor;
	uint32_t kind;
	struct id id;
	size_t count = 0;

	assert_int_equal(state_find(txn, KIND_TABLE(plan), FIELD_TABLE(plan, name), name ? &slot : NULL,
				    bytes_of(NULL, 0), &cursor, NULL),
			 OK);
	while (!state_next(cursor, &kind, &id, NULL)) {
		assert_int_equal(kind, KIND_plan);
		ret_ids[count++] = id;
	}
	state_find_end(cursor);
	return count;
}

static void records_are_found_by_their_values(void **state)
{
	struct world world;
	struct store_txn *txn;
	struct id a, b, c, ids[8];

	(void)state;
	world_start(&world, 1);
	assert_int_equal(store_begin(world.store, &txn, NULL), OK);
	assert_int_equal(found(txn, NULL, ids), 0);
	b = put_plan(txn, "nonce--b", "bb", 1, false);
	a = put_plan(txn, "nonce--a", "b", 1, false);
	c = put_plan(txn, "nonce--c", "a", 1, false);
	assert_int_equal(found(txn, NULL, ids), 3);
	assert_true(id_equal(ids[0], c) && id_equal(ids[1], a) && id_equal(ids[2], b));
	assert_int_equal(found(txn, "b", ids), 1);
	assert_true(id_equal(ids[0], a));
	assert_int_equal(found(txn, "bbb", ids), 0);
	assert_int_equal(found(txn, "", ids), 0);
	/* Renamed: found under the new name alone. */
	put_plan(txn, "nonce--b", "b", 2, false);
	assert_int_equal(found(txn, "bb", ids), 0);
	assert_int_equal(found(txn, "b", ids), 2);
	/* An invalid name: there, and yet not for readers. */
	put_plan(txn, "nonce--a", "x\ny", 3, false);
	assert_int_equal(found(txn, NULL, ids), 2);
	put_plan(txn, "nonce--a", "fine", 4, false);
	assert_int_equal(found(txn, "fine", ids), 1);
	put_plan(txn, "nonce--c", "", 1, true);
	assert_int_equal(found(txn, "a", ids), 0);
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_index_is_naive(world.store);
	world_end(&world);
	arena_reset(&arena);
}

static void readers_see_live_and_valid_rows(void **state)
{
	const struct kind *kind = KIND_TABLE(plan);
	struct world world;
	struct store_txn *txn;
	struct plan_row row;
	struct err err = { 0 };
	struct id id;

	(void)state;
	world_start(&world, 1);
	assert_int_equal(store_begin(world.store, &txn, NULL), OK);
	id = put_plan(txn, "nonce--a", "one", 1, false);
	assert_int_equal(state_row(txn, kind, id, &row, &err), OK);
	assert_true(id_equal(row.id, id) && bytes_equal(row.name, bytes_text("one")));
	assert_int_equal(state_forget(txn, KIND_plan, id, &arena, &err), E_VALUE);
	put_plan(txn, "nonce--a", "x\ny", 2, false);
	assert_int_equal(state_row(txn, kind, id, &row, &err), E_VALUE);
	assert_string_equal(err.text, "`name`: the character U+000A at byte 1 is not allowed");
	put_plan(txn, "nonce--a", "", 1, true);
	assert_int_equal(state_row(txn, kind, id, &row, &err), E_ABSENT);
	assert_string_equal(err.text, "the plan was removed");
	id.bytes[3] ^= 1;
	assert_int_equal(state_row(txn, kind, id, &row, &err), E_ABSENT);
	assert_int_equal(state_record(txn, KIND_plan, id, &(struct bytes){ 0 }, &err), E_ABSENT);
	assert_int_equal(state_forget(txn, KIND_plan, id, &arena, &err), E_ABSENT);
	id.bytes[3] ^= 1;
	assert_int_equal(state_forget(txn, KIND_plan, id, &arena, &err), OK);
	assert_int_equal(state_record(txn, KIND_plan, id, &(struct bytes){ 0 }, &err), E_ABSENT);
	assert_int_equal(store_commit(txn, NULL), OK);
	world_end(&world);
	arena_reset(&arena);
}

/* Fields that come before the identity wait, unseen. */
static void a_record_without_identity_is_not_there_yet(void **state)
{
	struct bytes early = unhex(&arena, "81 0d a3 6e6577"), whole;
	struct record *record = arena_take(&arena, sizeof *record);
	struct stamp stamp = { hlc_make(9, 0), 1 };
	struct device_row row;
	struct store_txn *txn;
	struct world world;
	bool is_changed;
	struct id id;

	(void)state;
	world_start(&world, 2);
	do
		whole = gen_op(KIND_TABLE(device), &world.rng, &arena, &id);
	while (pack_read(&KIND_TABLE(device)->shape, whole, true, &row, NULL));
	assert_int_equal(store_begin(world.store, &txn, NULL), OK);
	assert_int_equal(record_from_op(early, stamp, record, NULL), OK);
	assert_int_equal(state_merge(txn, NULL, KIND_device, id, record, &arena, &is_changed, NULL), OK);
	assert_true(is_changed);
	assert_int_equal(state_row(txn, KIND_TABLE(device), id, &row, NULL), E_VALUE);
	assert_int_equal(record_from_op(whole, (struct stamp){ hlc_make(1, 0), 1 }, record, NULL), OK);
	assert_int_equal(state_merge(txn, NULL, KIND_device, id, record, &arena, &is_changed, NULL), OK);
	assert_int_equal(state_row(txn, KIND_TABLE(device), id, &row, NULL), OK);
	assert_true(bytes_equal(row.name, bytes_text("new")));
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_index_is_naive(world.store);
	world_end(&world);
	arena_reset(&arena);
}

static void what_is_refused_changes_nothing(void **state)
{
	struct record *record = arena_take(&arena, sizeof *record);
	struct world world;
	struct store_txn *txn;
	struct err err = { 0 };
	bool is_changed = true;
	struct id id;

	(void)state;
	world_start(&world, 3);
	assert_int_equal(record_from_op(gen_op(KIND_TABLE(device), &world.rng, &arena, &id), (struct stamp){ { 1 }, 1 },
					record, NULL),
			 OK);
	assert_int_equal(store_begin(world.store, &txn, NULL), OK);
	/* Under another id, or as another kind. */
	id.bytes[15] ^= 1;
	assert_int_equal(state_merge(txn, NULL, KIND_device, id, record, &arena, &is_changed, &err), E_VALUE);
	assert_string_equal(err.text, "the record's identity does not give its id");
	id.bytes[15] ^= 1;
	assert_int_equal(state_merge(txn, NULL, KIND_user, id, record, &arena, &is_changed, &err), E_VALUE);
	record->is_dead = true;
	assert_int_equal(state_merge(txn, NULL, KIND_user, id, record, &arena, &is_changed, &err), E_VALUE);
	/* A kind's number has two bytes in keys: a longer one would come to lie among another kind's. */
	*record = (struct record){ .is_dead = true };
	assert_int_equal(state_merge(txn, NULL, MODEL_KIND_MAX + 1, id, record, &arena, &is_changed, &err), E_LIMIT);
	assert_int_equal(state_merge(txn, NULL, KIND_device | 0x10000, id, record, &arena, &is_changed, &err), E_LIMIT);
	assert_string_equal(err.text, "65613 is no kind's number: they end at 65535");
	assert_true(is_changed);
	assert_int_equal(store_count(txn, TABLE_RECORD), 0);
	assert_int_equal(store_count(txn, TABLE_INDEX), 0);
	assert_int_equal(store_commit(txn, NULL), OK);
	world_end(&world);
	arena_reset(&arena);
}

static size_t count_all(struct store_txn *txn, uint32_t of_kind)
{
	struct state_cursor *cursor;
	uint32_t kind;
	struct id id;
	size_t count = 0;

	assert_int_equal(state_all(txn, of_kind, bytes_of(NULL, 0), &cursor, NULL), OK);
	for (; !state_next(cursor, &kind, &id, NULL); count++)
		assert_true(!of_kind || kind == of_kind);
	state_find_end(cursor);
	return count;
}

static void all_records_are_listed(void **state)
{
	struct world world;
	struct store_txn *txn;
	size_t sum = 0, unknown;

	(void)state;
	world_start(&world, 4);
	world_step(&world, 500);
	assert_int_equal(store_snapshot(world.store, &txn, NULL), OK);
	for (size_t i = 0; i < MODEL_KINDS; i++)
		sum += count_all(txn, model_kinds[i].number);
	unknown = count_all(txn, 1000 << 2 | TIER_SHARED);
	assert_true(unknown > 0 && sum > 50);
	assert_int_equal(count_all(txn, 0), sum + unknown);
	assert_int_equal(count_all(txn, 0), store_count(txn, TABLE_RECORD));
	store_end(txn);
	world_end(&world);
}

enum { LIST_MAX = 2000 };

/* A list in pages of `size`: each goes on where the one before ended. By a field, or of all records of a kind. */
static size_t list(struct store *store, const struct kind *kind, const struct field *field, size_t size,
		   struct known known[LIST_MAX])
{
	uint8_t place[STORE_KEY_MAX];
	struct bytes from = bytes_of(NULL, 0);
	size_t count = 0, before;

	do {
		struct state_cursor *cursor;
		struct store_txn *txn;

		before = count;
		assert_int_equal(store_snapshot(store, &txn, NULL), OK);
		if (field)
			assert_int_equal(state_find(txn, kind, field, NULL, from, &cursor, NULL), OK);
		else
			assert_int_equal(state_all(txn, kind ? kind->number : 0, from, &cursor, NULL), OK);
		while (count - before < size && !state_next(cursor, &known[count].kind, &known[count].id, NULL))
			assert_true(++count < LIST_MAX);
		from = state_place(cursor);
		if (from.size)
			memcpy(place, from.data, from.size);
		from.data = place;
		state_find_end(cursor);
		store_end(txn);
	} while (count - before == size);
	return count;
}

static void assert_pages(struct store *store, const struct kind *kind, const struct field *field, size_t *sum)
{
	static struct known whole[LIST_MAX], paged[LIST_MAX];
	size_t count = list(store, kind, field, LIST_MAX, whole);

	for (size_t size = 1; size < 5; size++) {
		assert_int_equal(list(store, kind, field, size, paged), count);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(whole[i].kind, paged[i].kind);
			assert_true(id_equal(whole[i].id, paged[i].id));
		}
	}
	*sum += count;
}

static void lists_go_on_where_they_ended(void **state)
{
	struct world world;
	size_t all = 0, sum = 0, by_fields = 0;

	(void)state;
	world_start(&world, 8);
	world_step(&world, 400);
	assert_pages(world.store, NULL, NULL, &all);
	for (size_t i = 0; i < MODEL_KINDS; i++) {
		const struct shape *shape = &model_kinds[i].shape;

		assert_pages(world.store, &model_kinds[i], NULL, &sum);
		for (size_t k = 0; k < shape->count; k++)
			if (shape->fields[k].is_indexed)
				assert_pages(world.store, &model_kinds[i], &shape->fields[k], &by_fields);
	}
	assert_true(all > 50 && sum > 50 && sum <= all && by_fields > 50);
	world_end(&world);
}

/* A place comes back from a stranger: what it names need not be there, nor make sense. */
static void a_place_may_be_any_bytes(void **state)
{
	static const uint8_t junk[STORE_KEY_MAX] = { 0xff };
	const struct kind *plan = KIND_TABLE(plan);
	struct state_cursor *cursor;
	struct store_txn *txn;
	struct world world;
	struct id id;
	uint32_t kind;

	(void)state;
	world_start(&world, 9);
	world_step(&world, 100);
	assert_int_equal(store_snapshot(world.store, &txn, NULL), OK);
	for (size_t size = 1; size < sizeof junk; size += 7) {
		assert_int_equal(state_all(txn, plan->number, bytes_of(junk, size), &cursor, NULL), OK);
		assert_int_equal(state_next(cursor, &kind, &id, NULL), E_ABSENT);
		assert_int_equal(state_place(cursor).size, 0);
		state_find_end(cursor);
		assert_int_equal(state_all(txn, plan->number, bytes_of(junk + 1, size), &cursor, NULL), OK);
		if (!state_next(cursor, &kind, &id, NULL))
			assert_int_equal(kind, plan->number);
		state_find_end(cursor);
	}
	assert_int_equal(state_all(txn, 0, bytes_of(junk, sizeof junk), &cursor, NULL), E_VALUE);
	assert_int_equal(
		state_find(txn, plan, FIELD_TABLE(plan, name), NULL, bytes_of(junk, sizeof junk), &cursor, NULL),
		E_VALUE);
	store_end(txn);
	world_end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(indexes_follow_whatever_happens),
		cmocka_unit_test(records_are_merged_and_nothing_else),
		cmocka_unit_test(records_are_found_by_their_values),
		cmocka_unit_test(readers_see_live_and_valid_rows),
		cmocka_unit_test(a_record_without_identity_is_not_there_yet),
		cmocka_unit_test(what_is_refused_changes_nothing),
		cmocka_unit_test(all_records_are_listed),
		cmocka_unit_test(lists_go_on_where_they_ended),
		cmocka_unit_test(a_place_may_be_any_bytes),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_done(&arena);
	return failed;
}
