/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"
#include "crdt/state/collect.h"
#include "crdt/state/mark.h"
#include "tests/unit/base/check.h"
#include "tests/unit/state/world.h"

#include <stdlib.h>

/* The list of the dead against a look at every record, and what is collected of it. */

static struct arena arena;

enum { PILE_MAX = 8000 };

static struct pile {
	struct known all[PILE_MAX];
	size_t count;
} listed, wanted;

static void never(void *context, struct bytes key, const char *text)
{
	(void)context;
	fail_msg("table %u: %s", key.size ? key.data[0] : 0, text);
}

static struct store_txn *begin(struct world *world)
{
	struct store_txn *txn;

	assert_int_equal(store_begin(world->store, &txn, NULL), OK);
	return txn;
}

static void commit(struct world *world, struct store_txn *txn)
{
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_int_equal(store_snapshot(world->store, &txn, NULL), OK);
	assert_int_equal(state_check(txn, never, NULL, NULL), OK);
	store_end(txn);
	arena_reset(&arena);
}

/* From the record taken apart: dead, of a known kind with a nonce, but no user, and its nonce of 8 bytes. */
static bool naive_is_listed(uint32_t number, struct bytes value)
{
	struct record *record = arena_take(&arena, sizeof *record);
	const struct kind *kind = model_kind(number);

	assert_int_equal(record_read(value, record, NULL), OK);
	if (!record->is_dead || !kind || kind == KIND_TABLE(user) || strcmp(kind->shape.fields[0].name, "nonce"))
		return false;
	for (size_t i = 0; i < record->count; i++)
		if (record->cells[i].number == kind->shape.fields[0].number)
			return record->cells[i].value.size == 2 + 8;
	return false;
}

static void pile_up(struct store_txn *txn, uint8_t table, struct pile *pile)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code;

	pile->count = 0;
	assert_int_equal(store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, NULL), OK);
	while (!(code = store_next(cursor, &key, &value, NULL))) {
		struct known *at = &pile->all[pile->count];

		assert_true(pile->count < PILE_MAX && key.size == 19);
		at->kind = (uint32_t)(key.data[1] << 8 | key.data[2]);
		memcpy(at->id.bytes, key.data + 3, sizeof at->id.bytes);
		pile->count += table == TABLE_DEAD || naive_is_listed(at->kind, value);
		arena_reset(&arena);
	}
	assert_int_equal(code, E_ABSENT);
	store_range_end(cursor);
}

static void assert_listed(struct store_txn *txn)
{
	pile_up(txn, TABLE_DEAD, &listed);
	pile_up(txn, TABLE_RECORD, &wanted);
	assert_int_equal(listed.count, wanted.count);
	for (size_t i = 0; i < wanted.count; i++)
		assert_true(listed.all[i].kind == wanted.all[i].kind && id_equal(listed.all[i].id, wanted.all[i].id));
}

static struct record *lease(uint64_t number, size_t nonce_size)
{
	struct lease_row row = { .address = { .size = 4, .bytes = { 10, 0, (uint8_t)(number >> 8), (uint8_t)number } },
				 .author = 5 };
	struct record *record = arena_take(&arena, sizeof *record);
	struct buf map = buf_over(arena_take(&arena, 1000), 1000);
	uint8_t nonce[16] = { 0 };

	memcpy(nonce, &number, sizeof number);
	row.nonce = bytes_of(nonce, nonce_size);
	row.has = BIT(AT_lease_nonce) | BIT(AT_lease_device) | BIT(AT_lease_pool) | BIT(AT_lease_address) |
		  BIT(AT_lease_author);
	pack_write(&KIND_TABLE(lease)->shape, &row, &map);
	assert_int_equal(record_from_op(buf_bytes(&map), (struct stamp){ hlc_make(1, 0), 1 }, record, NULL), OK);
	return record;
}

static void merge(struct store_txn *txn, struct root *root, uint32_t kind, struct id id, const struct record *record)
{
	bool is_changed;

	assert_int_equal(state_merge(txn, root, kind, id, record, &arena, &is_changed, NULL), OK);
}

static void kill_record(struct store_txn *txn, struct root *root, uint32_t kind, struct id id)
{
	struct record *dead = arena_take(&arena, sizeof *dead);

	dead->is_dead = true;
	merge(txn, root, kind, id, dead);
}

/* The number of a record on the list; UINT64_MAX: it is not there. */
static uint64_t number_of(struct store_txn *txn, uint32_t kind, struct id id)
{
	uint8_t key[DEAD_KEY_SIZE];
	struct bytes value;
	uint64_t round;

	dead_key_write(kind, id, key);
	if (store_get(txn, bytes_of(key, sizeof key), &value, NULL))
		return UINT64_MAX;
	assert_true(dead_value_read(value, &round));
	return round;
}

static void the_list_is_what_a_look_at_every_record_says(void **state)
{
	size_t most = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct world world;
		struct store_txn *txn;

		world_start(&world, seed);
		for (int i = 0; i < 100; i++) {
			world_step(&world, 40);
			commit(&world, txn = begin(&world));
			assert_listed(txn = begin(&world));
			store_end(txn);
			most = listed.count > most ? listed.count : most;
		}
		assert_int_equal(state_rebuild(world.store, NULL), OK);
		assert_listed(txn = begin(&world));
		commit(&world, txn);
		world_end(&world);
	}
	assert_in_range(most, 3, PILE_MAX);
}

/* In whichever order they come; and only when chance alone made the id. */
static void it_takes_dead_and_identity_and_a_random_nonce(void **state)
{
	struct world world;
	struct store_txn *txn;

	(void)state;
	world_start(&world, 1);
	txn = begin(&world);
	for (uint64_t i = 0; i < 2; i++) {
		struct record *record = lease(i, 8);
		struct id id = record_id(KIND_lease, record);

		i ? merge(txn, NULL, KIND_lease, id, record) : kill_record(txn, NULL, KIND_lease, id);
		assert_int_equal(number_of(txn, KIND_lease, id), UINT64_MAX);
		i ? kill_record(txn, NULL, KIND_lease, id) : merge(txn, NULL, KIND_lease, id, record);
		assert_int_equal(number_of(txn, KIND_lease, id), 0);
	}
	for (size_t size = 9; size <= 16; size++) {
		struct record *record = lease(7, size);
		struct id id = record_id(KIND_lease, record);

		merge(txn, NULL, KIND_lease, id, record);
		kill_record(txn, NULL, KIND_lease, id);
		assert_int_equal(number_of(txn, KIND_lease, id), UINT64_MAX);
		assert_int_equal(state_forget(txn, KIND_lease, id, &arena, NULL), E_VALUE);
	}
	assert_int_equal(store_count(txn, TABLE_DEAD), 2);
	commit(&world, txn);
	world_end(&world);
}

/* What was on the list before a round begins has a smaller number than what comes later; a rebuild numbers anew. */
static void rounds_tell_the_old_from_the_new(void **state)
{
	struct world world;
	struct store_txn *txn;
	struct id ids[5];
	uint64_t last;

	(void)state;
	world_start(&world, 1);
	for (uint64_t i = 0; i < COUNT(ids); i++) {
		struct record *record = lease(i, 8);

		txn = begin(&world);
		ids[i] = record_id(KIND_lease, record);
		merge(txn, NULL, KIND_lease, ids[i], record);
		kill_record(txn, NULL, KIND_lease, ids[i]);
		assert_int_equal(number_of(txn, KIND_lease, ids[i]), i);
		assert_int_equal(dead_begin_round(txn, &last, NULL), OK);
		assert_int_equal(last, i);
		/* Dead again is not dead anew. */
		kill_record(txn, NULL, KIND_lease, ids[0]);
		merge(txn, NULL, KIND_lease, ids[0], lease(0, 8));
		assert_int_equal(number_of(txn, KIND_lease, ids[0]), 0);
		commit(&world, txn);
	}
	assert_int_equal(state_rebuild(world.store, NULL), OK);
	txn = begin(&world);
	for (size_t i = 0; i < COUNT(ids); i++)
		assert_int_equal(number_of(txn, KIND_lease, ids[i]), 0);
	assert_int_equal(dead_round(txn, &last, NULL), OK);
	assert_int_equal(last, 0);
	commit(&world, txn);
	world_end(&world);
}

/* All up to the number and nothing else, a bounded part at a time, and nobody sees a difference. */
static void what_is_old_enough_is_collected(void **state)
{
	/* More than are looked at in one go are not old enough. */
	enum { OLD = 3000, NEW = 3000 };
	static struct root root, fresh;
	struct collect_walk walk = { 0 };
	size_t steps = 0, sum = 0, count;
	struct id cluster = { { 4 } };
	struct world world;
	struct store_txn *txn;
	uint64_t last;

	(void)state;
	world_start(&world, 3);
	txn = begin(&world);
	assert_int_equal(root_read(txn, cluster, &root, NULL), OK);
	for (uint64_t i = 0; i < OLD + NEW; i++) {
		struct record *record = lease(i, i % 10 ? 8 : 16);
		struct id id = record_id(KIND_lease, record);

		if (i == OLD)
			assert_int_equal(dead_begin_round(txn, &last, NULL), OK);
		merge(txn, &root, KIND_lease, id, record);
		if (i % 10 != 1)
			kill_record(txn, &root, KIND_lease, id);
		arena_reset(&arena);
	}
	commit(&world, txn);
	assert_int_equal(last, 0);
	while (!walk.is_done) {
		txn = begin(&world);
		assert_int_equal(collect_some(txn, last, &walk, &arena, &count, NULL), OK);
		assert_true(count <= COLLECT_MOST);
		sum += count;
		assert_true(++steps < 100);
		commit(&world, txn);
	}
	assert_int_equal(sum, OLD * 8 / 10);
	assert_true(steps >= sum / COLLECT_MOST && steps <= sum / COLLECT_MOST + 5);
	txn = begin(&world);
	assert_int_equal(store_count(txn, TABLE_DEAD), NEW * 8 / 10);
	assert_int_equal(store_count(txn, TABLE_RECORD), OLD * 2 / 10 + NEW);
	assert_int_equal(root_compute(txn, cluster, &fresh, NULL), OK);
	assert_memory_equal(root.buckets, fresh.buckets, sizeof root.buckets);
	assert_listed(txn);
	store_end(txn);
	world_end(&world);
}

/* A walk that met a commit that failed goes on from where it was before. */
static void a_walk_is_its_callers_to_take_back(void **state)
{
	struct collect_walk walk = { 0 }, before;
	size_t count, sum = 0;
	struct world world;
	struct store_txn *txn;

	(void)state;
	world_start(&world, 3);
	txn = begin(&world);
	for (uint64_t i = 0; i < 1000; i++) {
		struct record *record = lease(i, 8);
		struct id id = record_id(KIND_lease, record);

		merge(txn, NULL, KIND_lease, id, record);
		kill_record(txn, NULL, KIND_lease, id);
		arena_reset(&arena);
	}
	commit(&world, txn);
	for (int i = 0; !walk.is_done; i++) {
		before = walk;
		txn = begin(&world);
		assert_int_equal(collect_some(txn, 0, &walk, &arena, &count, NULL), OK);
		if (i % 2) {
			commit(&world, txn);
			sum += count;
		} else {
			store_end(txn);
			walk = before;
		}
	}
	assert_int_equal(sum, 1000);
	world_end(&world);
}

static void a_damaged_list_is_not_walked(void **state)
{
	static const struct {
		uint8_t key[20];
		size_t key_size, value_size;
	} cases[] = {
		{ { TABLE_DEAD, 1 }, 18, 8 },
		{ { TABLE_DEAD, 1 }, 20, 8 },
		{ { TABLE_DEAD, 1 }, 19, 7 },
		{ { TABLE_DEAD, 1 }, 19, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct collect_walk walk = { 0 };
		struct bytes key = bytes_of(cases[i].key, cases[i].key_size);
		struct world world;
		struct store_txn *txn;
		size_t count = 77;

		world_start(&world, 3);
		txn = begin(&world);
		assert_int_equal(store_put(txn, key, bytes_of("12345678", cases[i].value_size), NULL), OK);
		assert_int_equal(collect_some(txn, 0, &walk, &arena, &count, NULL), E_DAMAGED);
		assert_int_equal(count, 77);
		assert_int_equal(store_delete(txn, key, NULL), OK);
		assert_int_equal(store_put(txn, bytes_of(dead_round_key, sizeof dead_round_key), key, NULL), OK);
		assert_int_equal(dead_round(txn, &(uint64_t){ 0 }, NULL), E_DAMAGED);
		store_end(txn);
		world_end(&world);
	}
}

static int clean(void **state)
{
	(void)state;
	arena_done(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_is_what_a_look_at_every_record_says),
		cmocka_unit_test(it_takes_dead_and_identity_and_a_random_nonce),
		cmocka_unit_test(rounds_tell_the_old_from_the_new),
		cmocka_unit_test(what_is_old_enough_is_collected),
		cmocka_unit_test(a_walk_is_its_callers_to_take_back),
		cmocka_unit_test(a_damaged_list_is_not_walked),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
