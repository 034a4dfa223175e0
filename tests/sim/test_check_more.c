/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"
#include "crdt/state/found.h"
#include "crdt/state/index.h"
#include "tests/sim/trial.h"
#include "tests/unit/base/check.h"

#include <stdlib.h>

/* The checks of invariants 5 to 13, each with what it is for. */

/* --- 5 and 6: where an index leads astray. */

static struct lease_row lease_of(struct id pool, struct id device)
{
	struct lease_row row = { .device = device, .pool = pool, .address = { 4, { 10, 1, 2, 3 } } };

	row.has = BIT(AT_lease_device) | BIT(AT_lease_pool) | BIT(AT_lease_address);
	return row;
}

/* A lease that this machine's judge never saw, as one has it that was its author before its disk was replaced. */
static struct id make_unjudged_lease(struct trial *t, uint32_t machine, struct id pool, struct id device,
				     struct buf *ret_entries)
{
	struct lease_row row = lease_of(pool, device);
	struct record record;
	struct buf map = buf_growing(BATCH_MAX);
	struct op op = { .kind = KIND_lease };
	uint8_t nonce[8];

	rng_fill(&t->rng, nonce, sizeof nonce);
	row.nonce = bytes_of(nonce, sizeof nonce);
	row.author = t->world->machines[machine].id;
	row.has |= BIT(AT_lease_nonce) | BIT(AT_lease_author);
	pack_write(&KIND_TABLE(lease)->shape, &row, &map);
	op.map = buf_bytes(&map);
	assert_int_equal(record_from_op(op.map, (struct stamp){ hlc_make(1, 0), 1 }, &record, NULL), OK);
	op.id = record_id(KIND_lease, &record);
	entry_write(hlc_make(SIM_EPOCH_MS + world_now(t->world) / 1000000, 0), NULL, &op, 1, ret_entries);
	buf_done(&map);
	return op.id;
}

/* The next batch of its own, with all that a commit would have changed. */
static void merge_unjudged(struct trial *t, uint32_t machine, const struct frontier *at, struct bytes entries)
{
	struct machine *m = &t->world->machines[machine];
	static struct root root;
	struct arena arena = { 0 };
	struct buf whole = buf_growing(BATCH_MAX);
	struct applying applying = { .root = &root, .arena = &arena };
	struct applied applied;
	struct frontier after = *at;
	struct batch batch;

	batch_write(&m->signer, t->world->cluster, at->stream, at->end, entries, 1, &whole);
	assert_int_equal(batch_read(buf_bytes(&whole), &batch, NULL), OK);
	after.end = batch.end;
	assert_int_equal(store_begin(m->store, &applying.txn, NULL), OK);
	assert_int_equal(root_find(applying.txn, &root, NULL), OK);
	assert_int_equal(apply_batch(&applying, &batch, &applied, NULL), OK);
	assert_int_equal(applied.voids, 0);
	assert_int_equal(root_put(applying.txn, &root, NULL), OK);
	assert_int_equal(log_put_batch(applying.txn, &batch, NULL), OK);
	assert_int_equal(log_put_ends(applying.txn, TABLE_VECTOR, at->stream, &after, 1, NULL), OK);
	assert_int_equal(store_commit(applying.txn, NULL), OK);
	buf_done(&whole);
	arena_done(&arena);
}

static struct id put_unjudged_lease(struct trial *t, uint32_t machine, struct id pool, struct id device)
{
	const struct mesh *mesh = trial_mesh(t, machine);
	struct frontier at = { .stream = { mesh->node, mesh->author.start, LANE_PEOPLE } };
	struct buf entries = buf_growing(BATCH_MAX);
	const struct end *end = vector_find(&mesh->vector, at.stream);
	struct id id = make_unjudged_lease(t, machine, pool, device, &entries);

	if (end)
		at.end = *end;
	merge_unjudged(t, machine, &at, buf_bytes(&entries));
	buf_done(&entries);
	world_kill(t->world, machine);
	world_boot(t->world, machine);
	return id;
}

static struct id put_pool(struct trial *t)
{
	struct pool_row row = { .network4 = { { 4, { 10, 1 } }, 16 }, .name = bytes_text("pool") };

	row.has = BIT(AT_pool_network4) | BIT(AT_pool_name);
	return trial_make(t, 0, KIND_TABLE(pool), &row, 0);
}

static void drop_index(struct trial *t, const struct field *field, const struct kind *kind, struct id id)
{
	struct record record;
	static uint8_t room[RECORD_MAX];
	struct buf buf = buf_over(room, sizeof room);
	struct arena arena = { 0 };
	struct index_keys keys;
	struct bytes prefix = index_prefix(kind, field, NULL, &arena);

	trial_get(t, 0, kind->number, id, &record);
	record_write(&record, &buf);
	keys = index_keys_of(kind->number, id, buf_bytes(&buf), &arena);
	for (size_t i = 0; i < keys.count; i++)
		if (bytes_start_with(keys.keys[i], prefix))
			trial_tamper(t, 0, keys.keys[i], NULL);
	arena_done(&arena);
}

/* The first machine leased an address, and no other one may. */
static struct trial *begin_leased(struct id *ret_first, struct id *ret_pool, struct id *ret_other)
{
	struct id user, device;
	struct lease_row row;
	struct trial *t = trial_begin_with(&user, &device);

	*ret_other = trial_device(t, 0, user, "laptop");
	*ret_pool = put_pool(t);
	trial_run(t, 2 * SECOND);
	net_partition(t->world->net, NET_FULL, NULL);
	row = lease_of(*ret_pool, device);
	*ret_first = trial_make(t, 0, KIND_TABLE(lease), &row, 0);
	/* That address is the first machine's to give. */
	assert_int_equal(t->refused, 0);
	row = lease_of(*ret_pool, *ret_other);
	trial_make(t, 1, KIND_TABLE(lease), &row, 0);
	assert_int_equal(t->refused, 1);
	net_partition(t->world->net, NET_WHOLE, NULL);
	trial_rest(t);
	trial_is_well(t);
	assert_true(check_counts(t->check).full[5] > 1);
	return t;
}

static void test_5_two_leases_stand(void **state)
{
	struct id first, second, pool, other;
	struct trial *t = begin_leased(&first, &pool, &other);

	(void)state;
	t->check->disks[0].may_fork = true;
	second = put_unjudged_lease(t, 0, pool, other);
	check_full(t->check);
	trial_is_well(t);
	/* Whichever stands, the other does not find it any more. */
	drop_index(t, FIELD_TABLE(lease, address), KIND_TABLE(lease), first);
	drop_index(t, FIELD_TABLE(lease, address), KIND_TABLE(lease), second);
	check_full(t->check);
	trial_violates(t, 5);
	trial_end(t);
}

/* Only who lost something may come to that. */
static void test_5_leased_twice(void **state)
{
	struct id first, pool, other;
	struct trial *t = begin_leased(&first, &pool, &other);

	(void)state;
	put_unjudged_lease(t, 0, pool, other);
	check_full(t->check);
	trial_violates(t, 5);
	trial_end(t);
}

static void test_6_a_name_of_two(void **state)
{
	struct id user, device, other;
	struct trial *t = trial_begin_with(&user, &device);

	(void)state;
	net_partition(t->world->net, NET_FULL, NULL);
	trial_user(t, 0, "eve");
	other = trial_user(t, 1, "eve");
	net_partition(t->world->net, NET_WHOLE, NULL);
	trial_rest(t);
	trial_is_well(t);
	assert_true(check_counts(t->check).full[6] > 1);
	drop_index(t, FIELD_TABLE(user, login), KIND_TABLE(user), other);
	check_full(t->check);
	trial_violates(t, 6);
	trial_end(t);
}

static void test_6_a_name_of_nobody(void **state)
{
	struct id user, device;
	struct trial *t = trial_begin_with(&user, &device);

	(void)state;
	drop_index(t, FIELD_TABLE(user, login), KIND_TABLE(user), user);
	check_changed(t->check, &t->world->machines[0], KIND_user, user);
	check_stepped(t->check, &t->world->machines[0]);
	trial_violates(t, 6);
	trial_end(t);
}

/* --- 7. */

static void evict(struct trial *t, uint32_t machine)
{
	struct eviction_row row = { .key = t->world->machines[machine].signer.key,
				    .heir = t->world->machines[0].signer.key };

	row.has = BIT(AT_eviction_key) | BIT(AT_eviction_heir);
	world_state(t->world, 0, &t->world->root, KIND_TABLE(eviction), &row);
}

static void test_7_an_eviction(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	evict(t, 2);
	trial_run(t, 10 * SECOND);
	trial_is_well(t);
	assert_int_equal(t->check->disks[1].evicted_count, 1);
	trial_write(t, 0, 1);
	trial_rest(t);
	trial_is_well(t);
	trial_end(t);
}

/* As if the eviction of a member that goes on were known. */
static void pretend_evicted(struct trial *t, uint32_t at, uint32_t evicted)
{
	struct disk *disk = &t->check->disks[at];

	disk->evicted = must_alloc(sizeof *disk->evicted);
	disk->evicted[0] = t->world->machines[evicted].id;
	disk->evicted_count = disk->evicted_room = 1;
}

static void test_7_an_open_session(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	pretend_evicted(t, 0, 1);
	trial_run(t, 2 * SECOND);
	trial_violates(t, 7);
	trial_end(t);
}

static void test_7_a_stream_moves(void **state)
{
	struct trial *t = trial_begin_any();
	struct vector *vector = &t->check->disks[0].vector;

	(void)state;
	pretend_evicted(t, 1, 0);
	for (size_t i = 0; i < vector->count; i++)
		vector_set(&t->check->disks[1].frozen, vector->all[i].stream, vector->all[i].end);
	trial_write(t, 0, 0);
	trial_run(t, SECOND);
	trial_violates(t, 7);
	trial_end(t);
}

/* --- 8. */

static void test_8_a_vector_goes_back(void **state)
{
	struct trial *t = trial_begin_any();
	struct mem_disk *copy = mem_disk_clone(t->world->machines[1].disk);

	(void)state;
	trial_write(t, 0, 0);
	trial_run(t, SECOND);
	world_kill(t->world, 1);
	mem_disk_restore(t->world->machines[1].disk, copy);
	mem_disk_free(copy);
	world_boot(t->world, 1);
	trial_violates(t, 8);
	trial_end(t);
}

static void test_8_the_dead_live(void **state)
{
	struct id user, device;
	struct trial *t = trial_begin_with(&user, &device);
	struct record record;

	(void)state;
	trial_get(t, 0, KIND_device, device, &record);
	trial_remove(t, 0, KIND_device, device);
	trial_run(t, SECOND);
	trial_is_well(t);
	trial_put(t, 0, KIND_device, device, &record);
	check_full(t->check);
	trial_violates(t, 8);
	trial_end(t);
}

static void test_8_the_log_has_a_hole(void **state)
{
	struct trial *t = trial_begin_any();
	struct store_txn *txn;
	struct store_cursor *cursor;
	struct bytes key, value;
	uint8_t table = TABLE_BATCH, room[STORE_KEY_MAX];

	(void)state;
	assert_int_equal(store_snapshot(t->world->machines[0].store, &txn, NULL), OK);
	assert_int_equal(store_range(txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, NULL), OK);
	assert_int_equal(store_next(cursor, &key, &value, NULL), OK);
	memcpy(room, key.data, key.size);
	key.data = room;
	store_range_end(cursor);
	store_end(txn);
	trial_tamper(t, 0, key, NULL);
	check_full(t->check);
	trial_violates(t, 8);
	trial_end(t);
}

static void test_8_a_statement_is_gone(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	t->check->disks[0].statements++;
	t->check->disks[0].members.low++;
	trial_run(t, 2 * SECOND);
	trial_violates(t, 8);
	trial_end(t);
}

/* --- 9 and 10. */

static void test_9_a_clock_runs_ahead(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	clock_jump(&t->world->machines[1].clock, world_now(t->world), 100 * SIM_YEAR_MS);
	trial_write(t, 1, 0);
	trial_run(t, 2 * SECOND);
	trial_write(t, 0, 0);
	trial_run(t, 2 * SECOND);
	trial_is_well(t);
	trial_mesh(t, 0)->author.hlc = hlc_make(t->check->disks[0].latest_ms + 12000, 0);
	trial_run(t, 2 * SECOND);
	trial_violates(t, 9);
	trial_end(t);
}

static void test_10_too_much_under_way(void **state)
{
	struct trial *t = trial_begin_any();
	struct mesh *mesh = trial_mesh(t, 0);

	(void)state;
	mesh->links->flow.under_way[0] = PUSH_WINDOW + BATCH_MAX + 1;
	check_full(t->check);
	trial_violates(t, 10);
	mesh->links->flow.under_way[0] = 0;
	trial_end(t);
}

static void test_10_too_many(void **state)
{
	struct trial *t = trial_begin_any();
	struct mesh *mesh = trial_mesh(t, 0);

	(void)state;
	mesh->gaps.count = ANTIENTROPY_GAPS + 1;
	check_stepped(t->check, &t->world->machines[0]);
	trial_violates(t, 10);
	mesh->gaps.count = 0;
	trial_end(t);
}

static void test_10_too_much_memory(void **state)
{
	struct trial *t = trial_begin_any();
	struct mesh *mesh = trial_mesh(t, 0);
	size_t room = mesh->moved_room;

	(void)state;
	mesh->moved_room = 10000000;
	check_full(t->check);
	trial_violates(t, 10);
	mesh->moved_room = room;
	trial_end(t);
}

/* --- 11, 12, 13. */

static void test_11_less_than_was_seen(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	check_read(t->check, 1, bytes_of(t->token, t->token_size));
	trial_is_well(t);
	net_partition(t->world->net, NET_FULL, NULL);
	trial_write(t, 0, 0);
	check_read(t->check, 0, bytes_of(t->token, t->token_size));
	trial_is_well(t);
	check_read(t->check, 1, bytes_of(t->token, t->token_size));
	trial_violates(t, 11);
	trial_end(t);
}

static void test_11_not_what_was_written(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	t->check->promises[0].id.bytes[0]++;
	check_read(t->check, 1, bytes_of(t->token, t->token_size));
	check_read(t->check, 1, bytes_of(t->token, t->token_size));
	trial_violates(t, 11);
	trial_end(t);
}

/* Whoever answers a request again that another one was put to has not written what it names. */
static void test_11_a_repeat_says_nothing_of_the_place(void **state)
{
	struct trial *t = trial_begin_any();
	struct promise *promise;

	(void)state;
	net_partition(t->world->net, NET_FULL, NULL);
	trial_write(t, 0, 0);
	promise = &t->check->promises[t->check->promises_count - 1];
	*promise = (struct promise){ .id = promise->id, .machine = 1, .start = trial_mesh(t, 1)->author.start };
	for (int i = 0; i < 4; i++)
		check_read(t->check, 2, bytes_of(NULL, 0));
	trial_is_well(t);
	/* What nobody wrote at all is not there by that. */
	promise->id.bytes[0]++;
	for (int i = 0; i < 4; i++)
		check_read(t->check, 2, bytes_of(NULL, 0));
	trial_violates(t, 11);
	trial_end(t);
}

static void test_11_a_false_token(void **state)
{
	struct trial *t = trial_begin_any();
	struct reply reply = { .number = 1, .token = bytes_of(t->token, t->token_size) };

	(void)state;
	check_replied(t->check, &t->world->machines[1], &reply);
	trial_is_well(t);
	t->token[t->token_size - 1]++;
	check_replied(t->check, &t->world->machines[1], &reply);
	trial_violates(t, 11);
	trial_end(t);
}

static void test_11_part_of_a_token(void **state)
{
	struct trial *t = trial_begin_any();
	struct reply reply = { .number = 1, .token = bytes_of(t->token, 1) };

	(void)state;
	check_replied(t->check, &t->world->machines[1], &reply);
	trial_violates(t, 11);
	trial_end(t);
}

static void test_12_two_worlds(void **state)
{
	(void)state;
	for (uint32_t with_statement = 0; with_statement < 2; with_statement++) {
		struct trial *t = trial_begin_any();

		trial_rest(t);
		trial_is_well(t);
		net_partition(t->world->net, NET_FULL, NULL);
		if (with_statement) {
			evict(t, 2);
		} else {
			trial_write(t, 0, 0);
			/* As if nobody had been told that it is written. */
			vector_done(&t->check->disks[0].acked);
			t->check->promises_count = 0;
		}
		check_rest(t->check);
		trial_violates(t, 12);
		trial_end(t);
	}
}

static void test_13_a_counter_goes_back(void **state)
{
	struct id user, device;
	struct trial *t = trial_begin_with(&user, &device);
	struct record record;
	uint8_t zero = 0;

	(void)state;
	trial_get(t, 0, KIND_device, device, &record);
	for (size_t i = 0; i < record.count; i++)
		if (field_merge(record.cells[i].number) == MERGE_MAX)
			record.cells[i].value = bytes_of(&zero, 1);
	trial_put(t, 0, KIND_device, device, &record);
	check_full(t->check);
	trial_violates(t, 13);
	trial_end(t);
}

static void test_13_another_root(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	trial_mesh(t, 1)->root.buckets[7].low++;
	check_full(t->check);
	trial_violates(t, 13);
	trial_end(t);
}

static void test_13_an_index_too_many(void **state)
{
	struct trial *t = trial_begin_any();
	const uint8_t key[] = { TABLE_INDEX, 1, 2, 3 };
	struct bytes nothing = { 0 };

	(void)state;
	trial_tamper(t, 0, bytes_of(key, sizeof key), &nothing);
	check_full(t->check);
	trial_violates(t, 13);
	trial_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_5_two_leases_stand),
		cmocka_unit_test(test_5_leased_twice),
		cmocka_unit_test(test_6_a_name_of_two),
		cmocka_unit_test(test_6_a_name_of_nobody),
		cmocka_unit_test(test_7_an_eviction),
		cmocka_unit_test(test_7_an_open_session),
		cmocka_unit_test(test_7_a_stream_moves),
		cmocka_unit_test(test_8_a_vector_goes_back),
		cmocka_unit_test(test_8_the_dead_live),
		cmocka_unit_test(test_8_the_log_has_a_hole),
		cmocka_unit_test(test_8_a_statement_is_gone),
		cmocka_unit_test(test_9_a_clock_runs_ahead),
		cmocka_unit_test(test_10_too_much_under_way),
		cmocka_unit_test(test_10_too_many),
		cmocka_unit_test(test_10_too_much_memory),
		cmocka_unit_test(test_11_less_than_was_seen),
		cmocka_unit_test(test_11_not_what_was_written),
		cmocka_unit_test(test_11_a_repeat_says_nothing_of_the_place),
		cmocka_unit_test(test_11_a_false_token),
		cmocka_unit_test(test_11_part_of_a_token),
		cmocka_unit_test(test_12_two_worlds),
		cmocka_unit_test(test_13_a_counter_goes_back),
		cmocka_unit_test(test_13_another_root),
		cmocka_unit_test(test_13_an_index_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
