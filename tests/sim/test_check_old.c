/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/proof.h"
#include "crdt/state/state.h"
#include "tests/sim/check_closing.h"
#include "tests/sim/trial.h"
#include "tests/unit/base/check.h"

/* The checks of worlds in which disks are old, machines are two, streams fork and starts are closed. */

/* --- Chains. */

struct chain {
	struct stream stream;
	struct end end;
};

/* The next batch, of one entry that is none; batches with another number are others. */
static struct end grow(struct chains *chains, struct chain *chain, uint32_t count)
{
	static const uint8_t nothing[] = { 0xc0, 0xc0, 0xc0, 0xc0 };
	struct signer signer = signer_from_seed((const uint8_t[32]){ 1 });
	struct buf out = buf_growing(BATCH_MAX);
	struct batch batch;

	batch_write(&signer, (struct id){ "a cluster" }, chain->stream, chain->end, bytes_of(nothing, count), count,
		    &out);
	assert_int_equal(batch_read(buf_bytes(&out), &batch, NULL), OK);
	chains_learn(chains, batch.whole);
	chains_learn(chains, batch.whole);
	chain->end = batch.end;
	buf_done(&out);
	return batch.end;
}

static void test_chains(void **state)
{
	struct chains chains = { 0 };
	struct vector vector = { 0 }, copy = { 0 };
	struct chain one = { .stream = { 7, 1, LANE_PEOPLE } }, other;
	struct end first = grow(&chains, &one, 1), middle = grow(&chains, &one, 2), one_end, other_end, before;

	(void)state;
	assert_false(chains_forked(&chains, one.stream));
	assert_true(chains_lead(&chains, one.stream, middle, first));
	other = one;
	one_end = grow(&chains, &one, 1);
	other_end = grow(&chains, &other, 3);
	assert_int_equal(chains.count, 4);
	assert_true(chains_forked(&chains, one.stream));
	assert_true(chains_lead(&chains, one.stream, one_end, first) &&
		    chains_lead(&chains, one.stream, one_end, one_end));
	assert_true(chains_lead(&chains, one.stream, other_end, middle));
	assert_false(chains_lead(&chains, one.stream, other_end, one_end));
	assert_false(chains_lead(&chains, one.stream, first, middle));
	assert_true(chains_before(&chains, one.stream, other_end, &before) && before.seq == middle.seq);
	assert_false(chains_before(&chains, one.stream, first, &before));
	vector_add(&vector, one.stream, other_end);
	assert_false(chains_cover(&chains, &vector, one.stream, one_end));
	vector_add(&vector, one.stream, one_end);
	assert_true(chains_cover(&chains, &vector, one.stream, one_end));
	vector_copy(&copy, &vector);
	assert_true(vector_equal(&copy, &vector) && copy.count == 2 && chains_cover_all(&chains, &copy, &vector));
	vector_set(&vector, one.stream, first);
	assert_false(chains_cover_all(&chains, &vector, &copy));
	vector_follow(&copy, &vector, one.stream);
	assert_true(vector_equal(&copy, &vector));
	vector_done(&vector);
	vector_done(&copy);
	chains_done(&chains);
}

/* --- Old disks. */

/* The author of a stream, where its copy of it ends. */
static struct frontier some_frontier(const struct trial *t, uint32_t machine)
{
	const struct vector *vector = &world_mesh(t->world, machine)->vector;

	assert_true(vector->count > 0);
	return vector->all[vector->count - 1];
}

static void test_an_old_disk(void **state)
{
	struct trial *t = trial_begin_any();
	struct mem_disk *copy = mem_disk_clone(t->world->machines[1].disk);
	struct vector has = { 0 };

	(void)state;
	vector_copy(&has, &world_mesh(t->world, 1)->vector);
	trial_write(t, 0, 0);
	trial_write(t, 1, 0);
	trial_run(t, 5 * SECOND);
	world_cut_power(t->world, 1);
	mem_disk_restore(t->world->machines[1].disk, copy);
	check_disk_restored(t->check, 1, &has);
	mem_disk_free(copy);
	vector_done(&has);
	world_boot(t->world, 1);
	trial_rest(t);
	trial_is_well(t);
	trial_end(t);
}

static void test_3_what_a_disk_had(void **state)
{
	struct trial *t = trial_begin_any();
	struct frontier f = some_frontier(t, 1);

	(void)state;
	trial_rest(t);
	check_healed(t->check);
	check_rest(t->check);
	trial_is_well(t);
	f.end.seq++;
	vector_set(&t->check->disks[1].healed, f.stream, f.end);
	check_rest(t->check);
	trial_violates(t, 3);
	trial_end(t);
}

static void test_4_what_an_old_disk_acknowledged(void **state)
{
	struct trial *t = trial_begin_any();
	struct frontier f = some_frontier(t, 1);

	(void)state;
	check_may_fork(t->check, 1);
	vector_set(&t->check->disks[1].acked, f.stream, f.end);
	world_kill(t->world, 1);
	world_boot(t->world, 1);
	trial_is_well(t);
	f.end.hash.bytes[3]++;
	vector_set(&t->check->disks[1].acked, f.stream, f.end);
	world_kill(t->world, 1);
	world_boot(t->world, 1);
	trial_violates(t, 4);
	trial_end(t);
}

/* All that is urgent is here, so what was revoked there is revoked here, too. */
static void test_2_revoked_elsewhere(void **state)
{
	struct id user, device;
	struct trial *t = trial_begin_with(&user, &device);
	struct disk *other = &t->check->disks[1];
	struct store_txn *txn = check_snapshot(t->check, &t->world->machines[0]);
	struct device_row row;

	(void)state;
	assert_int_equal(state_row(txn, KIND_TABLE(device), device, &row, NULL), OK);
	store_end(txn);
	other->revoked = must_alloc(sizeof *other->revoked);
	other->revoked[0] = row.public_key;
	other->revoked_count = other->revoked_room = 1;
	check_machine(t->check, &t->world->machines[0]);
	trial_is_well(t);
	t->check->disks[0].was_lost = true;
	check_machine(t->check, &t->world->machines[0]);
	trial_violates(t, 2);
	trial_end(t);
}

/* It moves a stream while it has not been told yet what others have of its own. */
static void test_4_too_early(void **state)
{
	(void)state;
	for (uint32_t is_early = 0; is_early < 2; is_early++) {
		struct trial *t = trial_begin_any();
		struct mesh *mesh = trial_mesh(t, 0);
		struct stream stream = { mesh->node, mesh->author.start, LANE_PEOPLE };
		struct end end;

		trial_write(t, 0, 0);
		trial_run(t, SECOND);
		assert_non_null(vector_find(&mesh->vector, stream));
		end = *vector_find(&mesh->vector, stream);
		end.seq++;
		mesh->exchange.stage = is_early ? EXCHANGE_OWN : EXCHANGE_DONE;
		vector_set(&mesh->vector, stream, end);
		ack_note(&mesh->recent, stream);
		check_vector(t->check, &t->world->machines[0]);
		if (is_early)
			trial_violates(t, 4);
		else
			trial_is_well(t);
		trial_end(t);
	}
}

/* --- Two machines. */

static void test_a_clone(void **state)
{
	struct trial *t = trial_begin_some(1, 4, 3);
	struct vector has = { 0 };

	(void)state;
	trial_write(t, 1, 0);
	trial_run(t, 5 * SECOND);
	vector_copy(&has, &world_mesh(t->world, 1)->vector);
	world_clone(t->world, 3, 1, t->world->machines[1].disk);
	check_disk_cloned(t->check, 3, 1, &has);
	vector_done(&has);
	world_boot(t->world, 3);
	trial_run(t, 60 * SECOND);
	/* Both are met, and it is told that they are two. */
	assert_true(world_mesh(t->world, 1)->counts.link_up && world_mesh(t->world, 3)->counts.link_up);
	assert_true(world_mesh(t->world, 1)->is_twin || world_mesh(t->world, 3)->is_twin);
	trial_is_well(t);
	world_kill(t->world, 1);
	check_disk_lost(t->check, 1);
	trial_run(t, 60 * SECOND);
	trial_is_well(t);
	trial_end(t);
}

/* --- Closed starts. */

static void put_proof(struct trial *t, uint32_t machine, uint32_t of)
{
	const struct machine *subject = &t->world->machines[of];
	struct buf proof = buf_growing(PROOF_MAX);
	struct store_txn *txn;

	proof_write_own(&subject->signer, t->world->cluster, 1, &proof);
	assert_int_equal(store_begin(t->world->machines[machine].store, &txn, NULL), OK);
	assert_int_equal(log_put_proof(txn, subject->id, 1, buf_bytes(&proof), NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	buf_done(&proof);
}

static void test_4_a_proof_against_the_innocent(void **state)
{
	struct trial *t = trial_begin_any();

	(void)state;
	check_may_fork(t->check, 1);
	put_proof(t, 0, 1);
	check_machine(t->check, &t->world->machines[0]);
	trial_is_well(t);
	t->check->disks[1].may_fork = false;
	check_machine(t->check, &t->world->machines[0]);
	trial_violates(t, 4);
	trial_end(t);
}

/* Everybody is told, and says what it had. */
static void close_first_start(struct trial *t, uint32_t of)
{
	check_may_fork(t->check, of);
	put_proof(t, 1, of);
	world_kill(t->world, 1);
	world_boot(t->world, 1);
	trial_rest(t);
	trial_is_well(t);
}

/* A stream has two ends, and nobody closed it. */
static void test_4_two_histories(void **state)
{
	(void)state;
	for (uint32_t is_proven = 0; is_proven < 2; is_proven++) {
		struct trial *t = trial_begin_any();
		struct machine *m = &t->world->machines[1];
		struct frontier f = some_frontier(t, 1);
		struct store_txn *txn;

		if (is_proven)
			close_first_start(t, check_machine_of(t->check, f.stream.node));
		f.end.hash.bytes[0]++;
		vector_add(&trial_mesh(t, 1)->vector, f.stream, f.end);
		txn = check_snapshot(t->check, m);
		check_closed(t->check, m, txn);
		store_end(txn);
		if (is_proven)
			trial_is_well(t);
		else
			trial_violates(t, 4);
		trial_end(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_an_old_disk),
		cmocka_unit_test(test_3_what_a_disk_had),
		cmocka_unit_test(test_4_what_an_old_disk_acknowledged),
		cmocka_unit_test(test_2_revoked_elsewhere),
		cmocka_unit_test(test_4_too_early),
		cmocka_unit_test(test_a_clone),
		cmocka_unit_test(test_4_a_proof_against_the_innocent),
		cmocka_unit_test(test_4_two_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
