/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/mark.h"
#include "crdt/state/state.h"
#include "tests/sim/trial.h"
#include "tests/unit/base/check.h"

#include <stdlib.h>

/* That a sound world violates nothing, and that each check fails when what it is for comes to pass. */

enum { WRITES = 100 };

static void shake(struct trial *t)
{
	uint32_t machine = (uint32_t)rng_below(&t->rng, 3);

	switch (rng_below(&t->rng, 8)) {
	case 0:
		if (world_is_up(t->world, machine))
			world_kill(t->world, machine);
		break;
	case 1:
		if (world_is_up(t->world, machine))
			world_cut_power(t->world, machine);
		break;
	case 2: net_partition(t->world->net, (enum net_shape)rng_below(&t->rng, NET_SHAPES), NULL); break;
	case 3: clock_jump(&t->world->machines[machine].clock, world_now(t->world), -1000 * SIM_YEAR_MS); break;
	case 4: clock_set(&t->world->machines[machine].clock, world_now(t->world)); break;
	default: break;
	}
	for (uint32_t i = 0; i < 3; i++)
		if (!world_is_up(t->world, i) && rng_below(&t->rng, 3) == 0)
			world_boot(t->world, i);
}

/* Users of few names, who come with a device; some go, and some devices. */
static void write_something(struct trial *t, uint32_t machine)
{
	static const char names[][4] = { "ann", "bob", "eve" };
	struct id user;

	switch (rng_below(&t->rng, 4)) {
	case 0:
		user = trial_user(t, machine, names[rng_below(&t->rng, 3)]);
		t->device = trial_device(t, machine, user, "phone");
		break;
	case 1: trial_remove(t, machine, KIND_device, t->device); break;
	default: trial_write(t, machine, (uint32_t)rng_below(&t->rng, 3)); break;
	}
}

/* A check that never ran proves nothing. Nobody leases or is evicted here. */
static void assert_all_checked(struct trial *t)
{
	struct check_counts counts = check_counts(t->check);

	for (uint32_t i = 1; i <= INVARIANTS; i++) {
		if (getenv("TIMELINE"))
			print_message("invariant %u: %llu in part, %llu in full\n", i,
				      (unsigned long long)counts.partial[i], (unsigned long long)counts.full[i]);
		if (i != 5 && i != 7)
			assert_true(counts.partial[i] + counts.full[i]);
	}
}

static void test_a_sound_world(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct trial *t = trial_begin(seed, 3);

		for (uint32_t i = 0; i < WRITES; i++) {
			uint32_t machine = (uint32_t)rng_below(&t->rng, 3);

			shake(t);
			write_something(t, machine);
			trial_run(t, rng_below(&t->rng, SECOND));
			trial_read(t, (uint32_t)rng_below(&t->rng, 3));
			trial_run(t, rng_below(&t->rng, 2 * SECOND));
		}
		trial_rest(t);
		assert_all_checked(t);
		if (check_violation(t->check))
			fail_msg("seed %u: %s", (unsigned)seed, check_violation(t->check));
		assert_true(t->written > WRITES / 3);
		assert_true(t->read > WRITES / 10);
		trial_end(t);
	}
}

static struct record changed(void)
{
	struct record record = { .count = 1 };

	record.cells[0].number = FIELD_TABLE(setting, value)->number;
	record.cells[0].value = bytes_of("\xa1v", 2);
	record.cells[0].stamp = (struct stamp){ hlc_make(1, 0), 1 };
	return record;
}

/* A record that weighs nothing: nobody has told who it is. */
static void add_nameless(struct trial *t, uint32_t machine)
{
	struct record record = changed();

	trial_put(t, machine, KIND_setting, (struct id){ "none said which." }, &record);
}

/* Some join while others go and come; the last one never does. */
static void test_joining(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct trial *t = trial_begin_some(seed, 7, 3);

		for (uint32_t i = 0; i < 30; i++) {
			if (i % 10 == 5 && world_is_up(t->world, 0)) {
				world_invite(t->world, 3 + i / 10, 0);
				world_boot(t->world, 3 + i / 10);
			}
			shake(t);
			write_something(t, (uint32_t)rng_below(&t->rng, 3));
			trial_run(t, rng_below(&t->rng, 3 * SECOND));
		}
		trial_rest(t);
		if (check_violation(t->check))
			fail_msg("seed %u: %s", (unsigned)seed, check_violation(t->check));
		trial_end(t);
	}
}

/* A disk that is lost, or spoiled: nothing is held against its machine, and nobody else is excused. */
static void test_bad_disks(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct trial *t = trial_begin(seed, 3);
		struct mem_disk *disk = t->world->machines[2].disk;

		for (uint32_t i = 0; i < 20; i++)
			write_something(t, i % 3);
		trial_run(t, 5 * SECOND);
		if (seed % 2) {
			mem_disk_lie(disk, seed);
			world_cut_power(t->world, 2);
		} else {
			assert_true(mem_disk_flip(disk, &t->rng));
		}
		check_disk_damaged(t->check, 2);
		for (uint32_t i = 0; i < 20; i++) {
			if (!world_is_up(t->world, 2))
				world_boot(t->world, 2);
			write_something(t, i % 3);
			trial_run(t, SECOND);
		}
		check_full(t->check);
		trial_is_well(t);
		trial_end(t);
	}
}

static void test_1_another_root(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	trial_mesh(t, 1)->root.buckets[7].low++;
	trial_write(t, 0, 0);
	trial_run(t, 1 * SECOND);
	trial_violates(t, 1);
	trial_end(t);
}

static void test_1_other_records(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	add_nameless(t, 1);
	check_full(t->check);
	trial_violates(t, 1);
	trial_end(t);
}

static void test_1_another_order(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		add_nameless(t, i);
	check_full(t->check);
	trial_is_well(t);
	check_rest(t->check);
	trial_violates(t, 1);
	trial_end(t);
}

/* A setting is removed everywhere, collected at one machine, and then more of it comes there. */
static void change_collected(struct trial *t, uint32_t machine, const struct record *with)
{
	uint32_t kind = KIND_setting;
	struct id id = t->last;
	struct arena arena = { 0 };
	struct root root;
	struct store_txn *txn;
	bool is_changed;

	trial_remove(t, 0, kind, id);
	trial_run(t, 2 * SECOND);
	assert_int_equal(store_begin(t->world->machines[machine].store, &txn, NULL), OK);
	assert_int_equal(root_find(txn, &root, NULL), OK);
	assert_int_equal(state_forget(txn, kind, id, &arena, NULL), OK);
	assert_int_equal(state_merge(txn, &root, kind, id, with, &arena, &is_changed, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	arena_done(&arena);
}

static struct record gone(void)
{
	return (struct record){ .is_dead = true };
}

/* Where a start was closed more may come of it when it is forgotten what was removed. */
static void test_1_after_collecting(void **state)
{
	struct record late[] = { gone(), changed() };

	(void)state;
	/* The first machine is compared with all batches anew, the second with another machine. */
	for (uint32_t i = 0; i < 4; i++) {
		struct trial *t = trial_begin_any();

		t->check->disks[2].may_fork = true;
		trial_write(t, 0, 0);
		change_collected(t, i / 2, &late[i % 2]);
		check_rest(t->check);
		trial_is_well(t);
		trial_end(t);
	}
}

/* Where none was, all had everything before they forgot. */
static void test_1_after_collecting_and_no_fork(void **state)
{
	struct record late[] = { gone(), changed() };

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct trial *t = trial_begin_any();

		trial_write(t, 0, 0);
		change_collected(t, 1, &late[i]);
		check_full(t->check);
		trial_violates(t, 1);
		trial_end(t);
	}
}

/* What nobody wrote is nowhere, whatever may come late. */
static void test_1_out_of_nothing(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	t->check->disks[2].may_fork = true;
	for (uint32_t i = 0; i < 3; i++)
		add_nameless(t, i);
	check_rest(t->check);
	trial_violates(t, 1);
	trial_end(t);
}

/* What is never collected keeps its identity. */
static void test_1_an_identity_is_lost(void **state)
{
	struct record mark = gone();
	struct id user, device;
	struct trial *t = trial_begin_with(&user, &device);

	(void)state;
	t->check->disks[2].may_fork = true;
	trial_remove(t, 0, KIND_user, user);
	trial_run(t, 2 * SECOND);
	trial_put(t, 1, KIND_user, user, &mark);
	check_full(t->check);
	trial_violates(t, 1);
	trial_end(t);
}

static void test_1_a_mark_is_lost(void **state)
{
	struct id user, device;
	struct trial *t = trial_begin_with(&user, &device);
	uint8_t key[RECORD_KEY_SIZE];

	(void)state;
	t->check->disks[2].may_fork = true;
	trial_remove(t, 0, KIND_user, user);
	trial_run(t, 2 * SECOND);
	record_key_write(KIND_user, user, key);
	trial_tamper(t, 1, bytes_of(key, sizeof key), NULL);
	check_full(t->check);
	trial_violates(t, 1);
	trial_end(t);
}

static void test_1_other_members(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	for (size_t i = 0; i < t->check->members.room; i++)
		t->check->members.all[i].words[0]++;
	t->check->disks[1].members.low++;
	trial_run(t, 2 * SECOND);
	trial_violates(t, 1);
	trial_end(t);
}

static void test_2_a_key_comes_back(void **state)
{
	struct id user, device;
	struct trial *t = trial_begin_with(&user, &device);

	(void)state;
	trial_remove(t, 0, KIND_device, device);
	trial_run(t, 2 * SECOND);
	assert_int_equal(t->check->disks[2].revoked_count, 1);
	check_full(t->check);
	trial_is_well(t);
	trial_clear(t, 2, TABLE_MARK);
	check_full(t->check);
	trial_violates(t, 2);
	trial_end(t);
}

static void test_2_after_a_start(void **state)
{
	struct id user, device;
	struct trial *t = trial_begin_with(&user, &device);

	(void)state;
	trial_remove(t, 0, KIND_device, device);
	trial_run(t, 2 * SECOND);
	trial_clear(t, 2, TABLE_MARK);
	world_cut_power(t->world, 2);
	world_boot(t->world, 2);
	trial_violates(t, 2);
	trial_end(t);
}

static void test_3_not_everywhere(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	net_partition(t->world->net, NET_FULL, NULL);
	trial_write(t, 0, 0);
	check_full(t->check);
	trial_is_well(t);
	check_rest(t->check);
	trial_violates(t, 3);
	trial_end(t);
}

static void test_3_a_record_is_missing(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	assert_true(t->check->promises_count > 1);
	t->check->promises[0].id.bytes[0]++;
	check_rest(t->check);
	trial_violates(t, 3);
	trial_end(t);
}

/* The author's disk is an older one; whoever says so is not blamed for what nobody else has. */
static void test_3_and_4_an_older_disk(void **state)
{
	(void)state;
	for (uint32_t is_told = 0; is_told < 2; is_told++) {
		struct trial *t = trial_begin_any();
		struct mem_disk *copy = mem_disk_clone(t->world->machines[0].disk);

		net_partition(t->world->net, NET_FULL, NULL);
		trial_write(t, 0, 0);
		world_kill(t->world, 0);
		mem_disk_restore(t->world->machines[0].disk, copy);
		mem_disk_free(copy);
		if (is_told)
			check_disk_lost(t->check, 0);
		world_boot(t->world, 0);
		if (!is_told)
			trial_violates(t, 4);
		else
			trial_rest(t);
		if (is_told)
			trial_is_well(t);
		trial_end(t);
	}
}

static void test_4_told_before_durable(void **state)
{
	struct trial *t = trial_begin_any();
	struct mem_disk *copy = mem_disk_clone(t->world->machines[0].disk);

	(void)state;
	trial_write(t, 0, 0);
	trial_run(t, 1 * SECOND);
	world_kill(t->world, 0);
	mem_disk_restore(t->world->machines[0].disk, copy);
	mem_disk_free(copy);
	vector_done(&t->check->disks[0].acked);
	world_boot(t->world, 0);
	trial_violates(t, 4);
	trial_end(t);
}

static void test_4_more_than_its_author(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	chains_done(&t->check->chains);
	t->check->chains = (struct chains){ 0 };
	t->check->disks[1].noted = 0;
	check_stepped(t->check, &t->world->machines[1]);
	trial_violates(t, 4);
	trial_end(t);
}

static void test_4_acknowledged_what_is_not_there(void **state)
{
	struct trial *t = trial_begin_any();
	struct mesh *mesh = trial_mesh(t, 1);
	struct frontier f = mesh->vector.all[0];
	size_t other;

	(void)state;
	/* More of its own would be asked about, and taken back; and whoever wrote it has it. */
	assert_true(f.stream.node != mesh->node);
	other = mesh->peers[0]->node == f.stream.node;
	f.end.seq++;
	vector_set(&mesh->peers[other]->acked, f.stream, f.end);
	trial_run(t, 10 * SECOND);
	check_full(t->check);
	trial_violates(t, 4);
	trial_end(t);
}

/* Whether it met a fork is asked of both counters. */
static void meet_fork(struct trial *t, uint64_t *count)
{
	check_may_fork(t->check, 2);
	(*count)++;
	trial_run(t, 2 * SECOND);
	trial_is_well(t);
	t->check->disks[2].may_fork = false;
	trial_run(t, 2 * SECOND);
	trial_violates(t, 4);
	trial_end(t);
}

static void test_4_a_fork(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	meet_fork(t, &trial_mesh(t, 0)->counts.fork);
}

static void test_4_a_fork_without_a_proof(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	meet_fork(t, &trial_mesh(t, 0)->counts.unplaced);
}

static void test_4_another_vector_on_disk(void **state)
{
	struct trial *t = trial_begin_any();
	struct mesh *mesh = trial_mesh(t, 0);
	struct frontier f = mesh->vector.all[0];

	(void)state;
	f.end.seq++;
	vector_set(&mesh->vector, f.stream, f.end);
	check_full(t->check);
	trial_violates(t, 4);
	vector_set(&mesh->vector, f.stream, mesh->vector.all[0].end);
	trial_end(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sound_world),
		cmocka_unit_test(test_joining),
		cmocka_unit_test(test_bad_disks),
		cmocka_unit_test(test_1_another_root),
		cmocka_unit_test(test_1_other_records),
		cmocka_unit_test(test_1_another_order),
		cmocka_unit_test(test_1_after_collecting),
		cmocka_unit_test(test_1_after_collecting_and_no_fork),
		cmocka_unit_test(test_1_out_of_nothing),
		cmocka_unit_test(test_1_an_identity_is_lost),
		cmocka_unit_test(test_1_a_mark_is_lost),
		cmocka_unit_test(test_1_other_members),
		cmocka_unit_test(test_2_a_key_comes_back),
		cmocka_unit_test(test_2_after_a_start),
		cmocka_unit_test(test_3_not_everywhere),
		cmocka_unit_test(test_3_a_record_is_missing),
		cmocka_unit_test(test_3_and_4_an_older_disk),
		cmocka_unit_test(test_4_told_before_durable),
		cmocka_unit_test(test_4_more_than_its_author),
		cmocka_unit_test(test_4_acknowledged_what_is_not_there),
		cmocka_unit_test(test_4_a_fork),
		cmocka_unit_test(test_4_a_fork_without_a_proof),
		cmocka_unit_test(test_4_another_vector_on_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
