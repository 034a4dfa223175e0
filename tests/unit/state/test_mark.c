/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"
#include "crdt/state/mark.h"
#include "tests/unit/base/check.h"
#include "tests/unit/state/world.h"

static struct arena arena;

static void never(void *context, struct bytes key, const char *text)
{
	(void)context;
	fail_msg("table %u: %s", key.size ? key.data[0] : 0, text);
}

static void ignore(void *context, struct bytes key, const char *text)
{
	(void)context;
	(void)key;
	(void)text;
}

static struct store_txn *begin(struct world *world)
{
	struct store_txn *txn;

	assert_int_equal(store_begin(world->store, &txn, NULL), OK);
	return txn;
}

/* Ends the transaction; all that it left fits together. */
static void commit(struct world *world, struct store_txn *txn)
{
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_int_equal(store_snapshot(world->store, &txn, NULL), OK);
	assert_int_equal(state_check(txn, never, NULL, NULL), OK);
	store_end(txn);
	arena_reset(&arena);
}

static struct record *record_of(const struct kind *kind, const void *row)
{
	struct record *record = arena_take(&arena, sizeof *record);
	struct buf map = buf_over(arena_take(&arena, 1000), 1000);

	pack_write(&kind->shape, row, &map);
	assert_int_equal(record_from_op(buf_bytes(&map), (struct stamp){ hlc_make(1, 0), 1 }, record, NULL), OK);
	return record;
}

static struct record *device(char key, char owner)
{
	struct device_row row = { .has = BIT(AT_device_public_key) | BIT(AT_device_owner) };

	memset(&row.public_key, key, sizeof row.public_key);
	memset(&row.owner, owner, sizeof row.owner);
	return record_of(KIND_TABLE(device), &row);
}

static struct record *lease(const char *nonce, uint8_t last)
{
	struct lease_row row = { .nonce = bytes_text(nonce), .address = { .size = 4, .bytes = { 10, 0, 0, last } } };

	row.author = 5;
	row.has = BIT(AT_lease_nonce) | BIT(AT_lease_device) | BIT(AT_lease_pool) | BIT(AT_lease_address) |
		  BIT(AT_lease_author);
	return record_of(KIND_TABLE(lease), &row);
}

static void merge(struct store_txn *txn, uint32_t kind, struct id id, const struct record *record)
{
	bool is_changed;

	assert_int_equal(state_merge(txn, NULL, kind, id, record, &arena, &is_changed, NULL), OK);
}

static void kill_record(struct store_txn *txn, uint32_t kind, struct id id)
{
	struct record *dead = arena_take(&arena, sizeof *dead);

	dead->is_dead = true;
	merge(txn, kind, id, dead);
}

static bool is_revoked(struct store_txn *txn, char key)
{
	struct key32 public_key;
	bool is_revoked;

	memset(&public_key, key, sizeof public_key);
	assert_int_equal(mark_is_revoked(txn, public_key, &is_revoked, NULL), OK);
	return is_revoked;
}

static bool is_used(struct store_txn *txn, uint8_t last)
{
	struct address address = { .size = 4, .bytes = { 10, 0, 0, last } };
	bool is_set;

	assert_int_equal(mark_is_set(txn, KIND_TABLE(lease), FIELD_TABLE(lease, address), &address, &is_set, NULL), OK);
	return is_set;
}

/* Whatever comes first, the key is revoked once both are there. */
static void a_dead_device_revokes_its_key(void **state)
{
	struct world world;

	(void)state;
	world_start(&world, 1);
	for (char key = 'a'; key <= 'd'; key++) {
		struct store_txn *txn = begin(&world);
		struct record *record = device(key, 'x');
		struct id id = record_id(KIND_device, record);

		assert_false(is_revoked(txn, key));
		if (key % 2)
			merge(txn, KIND_device, id, record);
		else
			kill_record(txn, KIND_device, id);
		assert_false(is_revoked(txn, key));
		if (key % 2)
			kill_record(txn, KIND_device, id);
		else
			merge(txn, KIND_device, id, record);
		assert_true(is_revoked(txn, key));
		assert_false(is_revoked(txn, 'z'));
		assert_int_equal(store_count(txn, TABLE_MARK), key - 'a' + 1);
		commit(&world, txn);
	}
	world_end(&world);
}

static void one_key_of_two_owners_has_two_marks(void **state)
{
	struct world world;
	struct store_txn *txn;
	struct id id;

	(void)state;
	world_start(&world, 1);
	txn = begin(&world);
	for (char owner = 'x'; owner <= 'y'; owner++) {
		merge(txn, KIND_device, id = record_id(KIND_device, device('k', owner)), device('k', owner));
		kill_record(txn, KIND_device, id);
	}
	assert_int_equal(store_count(txn, TABLE_MARK), 2);
	assert_int_equal(state_forget(txn, KIND_device, id, &arena, NULL), E_VALUE);
	assert_true(is_revoked(txn, 'k'));
	commit(&world, txn);
	world_end(&world);
}

static void a_forgotten_lease_frees_its_address(void **state)
{
	struct world world;
	struct store_txn *txn;
	struct id ids[3];

	(void)state;
	world_start(&world, 1);
	txn = begin(&world);
	for (uint8_t i = 0; i < 3; i++) {
		struct record *record =
			lease((const char *[]){ "nonce--1", "nonce--2", "nonce--3" }[i], (uint8_t)(7 + i / 2));

		merge(txn, KIND_lease, ids[i] = record_id(KIND_lease, record), record);
		assert_false(is_used(txn, (uint8_t)(7 + i / 2)) && i != 1);
		kill_record(txn, KIND_lease, ids[i]);
		assert_true(is_used(txn, (uint8_t)(7 + i / 2)));
	}
	assert_int_equal(state_forget(txn, KIND_lease, ids[0], &arena, NULL), OK);
	assert_true(is_used(txn, 7));
	assert_int_equal(state_forget(txn, KIND_lease, ids[1], &arena, NULL), OK);
	assert_false(is_used(txn, 7));
	assert_true(is_used(txn, 8));
	commit(&world, txn);
	world_end(&world);
}

/* No hash is known to make such ids, so they are planted. */
static void a_shared_mark_stays_for_the_last(void **state)
{
	static const uint8_t tails[] = { 1, 2, 200 };
	struct record *record = lease("nonce--1", 9);
	struct buf bytes = buf_growing(1000);
	struct id id = { "seven--" };
	struct index_keys marks;
	struct world world;
	struct store_txn *txn;

	(void)state;
	world_start(&world, 1);
	record->is_dead = true;
	record_write(record, &bytes);
	txn = begin(&world);
	marks = mark_keys_of(KIND_lease, id, buf_bytes(&bytes), &arena);
	assert_int_equal(marks.count, 1);
	assert_int_equal(marks.keys[0].size, 24);
	assert_int_equal(store_put(txn, marks.keys[0], bytes_of(NULL, 0), NULL), OK);
	for (size_t i = 0; i < COUNT(tails); i++) {
		uint8_t key[RECORD_KEY_SIZE];

		id.bytes[7] = tails[i];
		record_key_write(KIND_lease, id, key);
		assert_int_equal(store_put(txn, bytes_of(key, sizeof key), buf_bytes(&bytes), NULL), OK);
	}
	for (size_t i = 0; i < COUNT(tails); i++) {
		assert_true(is_used(txn, 9));
		id.bytes[7] = tails[(i + 1) % COUNT(tails)];
		assert_int_equal(state_forget(txn, KIND_lease, id, &arena, NULL), OK);
	}
	assert_false(is_used(txn, 9));
	commit(&world, txn);
	buf_done(&bytes);
	world_end(&world);
}

static void only_the_identity_of_the_dead_is_kept(void **state)
{
	struct record *record = device('k', 'x');
	struct world world;
	struct store_txn *txn;
	struct bytes stored;
	struct id id = record_id(KIND_device, record);
	size_t once = record->count;

	(void)state;
	world_start(&world, 1);
	txn = begin(&world);
	record->is_dead = true;
	record->cells[record->count++] = (struct cell){ .number = 13, .value = bytes_of("\xa1n", 2) };
	merge(txn, KIND_device, id, record);
	assert_int_equal(state_record(txn, KIND_device, id, &stored, NULL), OK);
	assert_int_equal(record_read(stored, record, NULL), OK);
	assert_int_equal(record->count, once);
	assert_true(is_revoked(txn, 'k'));
	commit(&world, txn);
	world_end(&world);
}

/* All entries of the table, one after the other. */
static struct bytes dump(struct world *world)
{
	static const uint8_t table = TABLE_MARK;
	struct buf buf = buf_growing(1 << 20);
	struct store_cursor *cursor;
	struct store_txn *txn;
	struct bytes key, value;

	assert_int_equal(store_snapshot(world->store, &txn, NULL), OK);
	assert_int_equal(store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, NULL), OK);
	while (!store_next(cursor, &key, &value, NULL))
		buf_put_bytes(&buf, key);
	store_range_end(cursor);
	store_end(txn);
	key = arena_copy(&arena, buf_bytes(&buf));
	buf_done(&buf);
	return key;
}

static void a_rebuild_makes_the_same_marks(void **state)
{
	struct world world;
	struct store_txn *txn;
	struct bytes before;

	(void)state;
	world_start(&world, 5);
	for (int i = 0; i < 120; i++)
		world_step(&world, 40);
	before = dump(&world);
	assert_true(before.size >= 3 * 24 && before.size % 24 == 0);
	txn = begin(&world);
	for (uint8_t i = 0; i < 200; i++)
		assert_int_equal(store_put(txn, bytes_of((uint8_t[24]){ TABLE_MARK, i }, 24), bytes_of(NULL, 0), NULL),
				 OK);
	assert_int_equal(store_delete(txn, bytes_of(before.data, 24), NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	assert_false(bytes_equal(dump(&world), before));
	assert_int_equal(state_rebuild(world.store, NULL), OK);
	assert_true(bytes_equal(dump(&world), before));
	/* One that the disk lost is missed by the ledger too, until then. */
	mem_disk_poke(world.disk, bytes_of(before.data, 24), bytes_of(NULL, 0));
	assert_int_equal(store_snapshot(world.store, &txn, NULL), OK);
	assert_int_equal(store_scan(txn, ignore, NULL, NULL), E_DAMAGED);
	store_end(txn);
	assert_int_equal(state_rebuild(world.store, NULL), OK);
	assert_int_equal(store_snapshot(world.store, &txn, NULL), OK);
	assert_int_equal(store_scan(txn, never, NULL, NULL), OK);
	store_end(txn);
	assert_true(bytes_equal(dump(&world), before));
	commit(&world, begin(&world));
	world_end(&world);
}

/* What its record asked for nobody can say any more: a key that may be revoked stays so. */
static void the_mark_of_a_damaged_record_stays(void **state)
{
	static const uint8_t table[] = { TABLE_MARK };
	struct record *record = device('a', 'x');
	struct id id = record_id(KIND_device, record);
	uint8_t room[RECORD_KEY_SIZE];
	struct store_cursor *cursor;
	struct bytes key, nothing;
	struct store_txn *txn;
	struct world world;
	bool is_asked = false;

	(void)state;
	world_start(&world, 1);
	txn = begin(&world);
	merge(txn, KIND_device, id, record);
	kill_record(txn, KIND_device, id);
	commit(&world, txn);
	record_key_write(KIND_device, id, room);
	mem_disk_poke(world.disk, bytes_of(room, sizeof room), bytes_text("what no store has written here"));
	assert_int_equal(store_snapshot(world.store, &txn, NULL), OK);
	assert_int_equal(store_get(txn, bytes_of(room, sizeof room), &nothing, NULL), E_DAMAGED);
	assert_int_equal(store_range(txn, bytes_of(table, 1), bytes_of(NULL, 0), &cursor, NULL), OK);
	assert_int_equal(store_next(cursor, &key, &nothing, NULL), OK);
	assert_int_equal(mark_is_asked_for(txn, arena_copy(&arena, key), NULL, &arena, &is_asked, NULL), OK);
	assert_true(is_asked);
	store_range_end(cursor);
	store_end(txn);
	world_end(&world);
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
		cmocka_unit_test(a_dead_device_revokes_its_key),
		cmocka_unit_test(one_key_of_two_owners_has_two_marks),
		cmocka_unit_test(a_forgotten_lease_frees_its_address),
		cmocka_unit_test(a_shared_mark_stays_for_the_last),
		cmocka_unit_test(only_the_identity_of_the_dead_is_kept),
		cmocka_unit_test(a_rebuild_makes_the_same_marks),
		cmocka_unit_test(the_mark_of_a_damaged_record_stays),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
