/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/proof.h"
#include "tests/unit/gossip/yard.h"

/* What is stable, and what is left of the log because of it. */

static enum log_form form_of(struct yard *yard, size_t chain, size_t number)
{
	enum log_form form;

	assert_true(yard_form(yard, chain, number, &form));
	return form;
}

static void expect_forms(struct yard *yard, size_t chain, const char *forms)
{
	char is[YARD_BATCHES + 1] = "";
	enum log_form form;

	for (size_t i = 1; i <= yard->chains[chain].count; i++)
		is[i - 1] = yard_form(yard, chain, i, &form) ? "whf"[form] : '-';
	assert_string_equal(is, forms);
}

static uint64_t stable_seq(const struct yard *yard, size_t chain)
{
	return vector_seq(&yard->mesh->stable.vector, yard->chains[chain].stream);
}

static void write_some(struct yard *yard, size_t chain, size_t count, size_t size)
{
	for (size_t i = 0; i < count; i++)
		yard_write_large(yard, chain, size);
}

static void what_all_acknowledged_is_stable(void **state)
{
	struct yard *yard = yard_new(3);

	(void)state;
	write_some(yard, 0, 6, 20);
	yard_merge_to(yard, 0, 5);
	yard_ack(yard, 0, 0, 6);
	yard_ack(yard, 1, 0, 4);
	yard_look(yard);
	assert_int_equal(stable_seq(yard, 0), 0);
	expect_forms(yard, 0, "wwwww-");
	/* The last one says something: the first, who was ahead, not yet anything that is here. */
	yard_ack(yard, 2, 0, 3);
	yard_look(yard);
	assert_int_equal(stable_seq(yard, 0), 0);
	yard_ack(yard, 0, 0, 5);
	yard_look(yard);
	assert_int_equal(stable_seq(yard, 0), 3);
	expect_forms(yard, 0, "fffww-");
	yard_check(yard);
	/* Not back, whoever goes back. */
	yard_ack(yard, 1, 0, 1);
	stable_went_back(yard->mesh);
	yard_look(yard);
	assert_int_equal(stable_seq(yard, 0), 3);
	yard_merge_to(yard, 0, 6);
	yard_ack_all(yard);
	yard_look(yard);
	assert_int_equal(stable_seq(yard, 0), 6);
	/* The newest is what a fork would be proven by. */
	expect_forms(yard, 0, "fffffh");
	write_some(yard, 0, 1, 20);
	yard_merge_to(yard, 0, 7);
	yard_look(yard);
	expect_forms(yard, 0, "fffffhw");
	yard_ack_all(yard);
	yard_look(yard);
	expect_forms(yard, 0, "ffffffh");
	yard_check(yard);
	yard_restart(yard);
	assert_int_equal(stable_seq(yard, 0), 7);
	yard_look(yard);
	yard_check(yard);
	yard_free(yard);
}

/* Somewhere else another batch may have that seq. */
static void only_this_chain_counts(void **state)
{
	struct yard *yard = yard_new(2);
	struct batch other;

	(void)state;
	write_some(yard, 0, 4, 20);
	yard_merge_to(yard, 0, 4);
	yard_ack(yard, 0, 0, 4);
	other = yard_batch(yard, 0, yard->chains[0].ends[2], 33);
	vector_note(&yard_peer(yard, 1)->acked, other.stream, other.end);
	yard->mesh->stable.is_touched = true;
	yard_look(yard);
	assert_int_equal(stable_seq(yard, 0), 0);
	yard_ack(yard, 1, 0, 3);
	yard_look(yard);
	assert_int_equal(stable_seq(yard, 0), 3);
	yard_check(yard);
	yard_free(yard);
}

/* Where much is written somebody is always ahead; what was named is remembered until it comes. */
static void whoever_is_always_ahead_counts_too(void **state)
{
	struct yard *yard = yard_new(2);

	(void)state;
	for (size_t i = 1; i <= 8; i++) {
		write_some(yard, 0, 1, 20);
		yard_ack(yard, 0, 0, i);
		if (i > 3)
			yard_merge_to(yard, 0, i - 3);
		yard_ack(yard, 1, 0, i > 3 ? i - 3 : 0);
		yard_look(yard);
		assert_in_range(yard->mesh->stable.ahead[0].ends.count, 1, 1);
	}
	assert_in_range(stable_seq(yard, 0), 1, 5);
	/* Unless it went back: then nothing that it said before counts. */
	yard_merge_to(yard, 0, 6);
	write_some(yard, 0, 20, 20);
	yard_ack(yard, 0, 0, 20);
	yard_ack(yard, 1, 0, 6);
	yard_look(yard);
	yard_ack(yard, 0, 0, 28);
	stable_went_back(yard->mesh);
	yard_merge_to(yard, 0, 25);
	yard_ack(yard, 1, 0, 25);
	yard_look(yard);
	assert_in_range(stable_seq(yard, 0), 1, 6);
	yard_merge_to(yard, 0, 28);
	yard_look(yard);
	assert_int_equal(stable_seq(yard, 0), 25);
	yard_check(yard);
	yard_free(yard);
}

/* Who is alone may have others that it does not know of yet. */
static void alone_all_is_stable_once_there_is_no_room(void **state)
{
	struct scene *scene = scene_new(1);
	struct real *real = real_boot(scene, 0);
	struct mesh *mesh = (struct mesh *)(uintptr_t)real_mesh(real);

	(void)state;
	for (int i = 0; i < 5; i++)
		real_write(real, 10, 0);
	scene_pass(scene, 30000);
	assert_int_equal(mesh->stable.vector.count, 0);
	mesh->stable.trim.budget = mesh->stable.trim.bytes - 1;
	real_write(real, 10, 0);
	scene_pass(scene, 30000);
	assert_true(mesh->vector.count > 0 && vector_equal(&mesh->vector, &mesh->stable.vector));
	real_check(real);
	scene_free(scene);
}

/* From its admission on, whether it ever came or not. */
static void a_new_member_counts_at_once(void **state)
{
	struct yard *yard = yard_new(1);
	struct signer one_time;
	struct bytes all[2];

	(void)state;
	write_some(yard, 0, 4, 20);
	yard_merge_to(yard, 0, 4);
	yard_ack(yard, 0, 0, 2);
	yard_look(yard);
	assert_int_equal(stable_seq(yard, 0), 2);
	all[0] = scene_invite(yard->scene, yard->scene->keys[0].key, yard->scene->wall.ms + 1000, &one_time);
	all[1] = scene_admit(yard->scene, &yard->scene->keys[0], &one_time, scene_statement_id(all[0]), 5);
	real_bring(yard->real, all, 2);
	yard_ack(yard, 0, 0, 4);
	yard_look(yard);
	assert_int_equal(yard->mesh->peers_count, 2);
	assert_int_equal(stable_seq(yard, 0), 2);
	all[0] = scene_evict(yard->scene, 5, 0);
	real_bring(yard->real, all, 1);
	yard_look(yard);
	assert_int_equal(stable_seq(yard, 0), 4);
	yard_check(yard);
	yard_free(yard);
}

static void prove_fork(struct yard *yard, const struct batch *one, struct bytes whole)
{
	struct buf proof = buf_growing(PROOF_MAX);
	struct batch other;

	assert_int_equal(batch_read(whole, &other, NULL), OK);
	proof_write_fork(one, &other, &proof);
	assert_int_equal(mesh_txn(yard->mesh, NULL), OK);
	assert_int_equal(log_put_proof(yard->mesh->txn, one->stream.node, one->stream.start, buf_bytes(&proof), NULL),
			 OK);
	buf_done(&proof);
}

/* A stream with branches: an end is stable when all have it; the log goes when all ends are. */
static void branches_are_stable_one_by_one(void **state)
{
	struct yard *yard = yard_new(2);
	const struct yard_chain *chain = &yard->chains[0];
	struct batch one, two;
	struct logged logged;
	struct store_txn *txn;

	(void)state;
	write_some(yard, 0, 5, 20);
	yard_merge_to(yard, 0, 5);
	yard_ack(yard, 0, 0, 4);
	yard_ack(yard, 1, 0, 4);
	yard_look(yard);
	expect_forms(yard, 0, "ffffw");
	/* A branch comes that leaves the chain below what is stable. */
	one = yard_batch(yard, 0, chain->ends[2], 33);
	two = yard_batch(yard, 0, one.end, 34);
	prove_fork(yard, &one, chain->whole[3]);
	yard_branch(yard, &one);
	yard_branch(yard, &two);
	stable_closing(yard->mesh);
	yard_ack(yard, 0, 0, 5);
	yard_ack(yard, 1, 0, 5);
	vector_note_more(&yard_peer(yard, 0)->acked, chain->stream, two.end);
	yard_look(yard);
	assert_true(vector_has(&yard->mesh->stable.vector, chain->stream, chain->ends[5]));
	assert_false(vector_has(&yard->mesh->stable.vector, chain->stream, two.end));
	expect_forms(yard, 0, "ffffw");
	vector_note_more(&yard_peer(yard, 1)->acked, chain->stream, one.end);
	yard->mesh->stable.is_touched = true;
	yard_look(yard);
	assert_false(vector_has(&yard->mesh->stable.vector, chain->stream, two.end));
	vector_note_more(&yard_peer(yard, 1)->acked, chain->stream, two.end);
	yard->mesh->stable.is_touched = true;
	yard_look(yard);
	assert_true(vector_equal(&yard->mesh->stable.vector, &yard->mesh->vector));
	expect_forms(yard, 0, "ffffh");
	assert_int_equal(store_snapshot(yard->real->store, &txn, NULL), OK);
	assert_int_equal(log_find(txn, chain->stream, one.end, &logged, NULL), OK);
	assert_int_equal(logged.form, LOG_FOOTPRINT);
	assert_int_equal(log_find(txn, chain->stream, two.end, &logged, NULL), OK);
	assert_int_equal(logged.form, LOG_HEADER);
	store_end(txn);
	yard_check(yard);
	yard_free(yard);
}

/* Some in each transaction, and all of it in the end. */
static void a_step_is_bounded(void **state)
{
	struct yard *yard = yard_new(1);
	size_t left[2] = { 0 };

	(void)state;
	write_some(yard, 0, 400, 20);
	yard_merge_to(yard, 0, 400);
	write_some(yard, 1, 300, 20);
	yard_merge_to(yard, 1, 300);
	yard_ack_all(yard);
	yard->scene->now += STABLE_EVERY_MS * MS;
	real_tick(yard->real);
	for (size_t chain = 0; chain < 2; chain++)
		for (size_t i = 1; i <= yard->chains[chain].count; i++)
			left[chain] += form_of(yard, chain, i) == LOG_WHOLE;
	assert_int_equal(left[0] + left[1], 700 - TRIM_CHANGES);
	assert_int_equal(node_next(yard->real->node).ns, yard->scene->now + STABLE_STEP_MS * MS);
	yard_look(yard);
	for (size_t chain = 0; chain < 2; chain++)
		for (size_t i = 1; i <= yard->chains[chain].count; i++)
			assert_int_equal(form_of(yard, chain, i),
					 i < yard->chains[chain].count ? LOG_FOOTPRINT : LOG_HEADER);
	yard_check(yard);
	yard_free(yard);
}

/* Footprints first, the oldest of each stream; then the entries that another one has; never a header above stable. */
static void the_budget_is_kept(void **state)
{
	struct yard *yard = yard_new(2);
	struct trim *trim = &yard->mesh->stable.trim;

	(void)state;
	write_some(yard, 0, 40, 3000);
	yard_merge_to(yard, 0, 40);
	write_some(yard, 1, 40, 3000);
	yard_merge_to(yard, 1, 40);
	write_some(yard, 2, 40, 3000);
	yard_merge_to(yard, 2, 40);
	for (size_t chain = 0; chain < 2; chain++) {
		yard_ack(yard, 0, chain, 10);
		yard_ack(yard, 1, chain, chain ? 30 : 10);
	}
	yard_look(yard);
	expect_forms(yard, 0, "ffffffffffwwwwwwwwwwwwwwwwwwwwwwwwwwwwww");
	yard_check(yard);
	/* So many that all footprints but a few suffice. */
	trim->budget = trim->bytes - 15 * (TRIM_ENTRY + 1);
	yard->mesh->stable.is_touched = true;
	yard_look(yard);
	assert_true(trim->bytes <= trim->budget && trim->bytes > trim->budget - TRIM_ENTRY - 4);
	expect_forms(yard, 0, "----------wwwwwwwwwwwwwwwwwwwwwwwwwwwwww");
	expect_forms(yard, 1, "-----fffffwwwwwwwwwwwwwwwwwwwwwwwwwwwwww");
	yard_check(yard);
	/* Then the entries, from the lowest, of what another one has. */
	trim->budget -= 5 * (TRIM_ENTRY + 1) + 5 * 2900;
	yard->mesh->stable.is_touched = true;
	yard_look(yard);
	assert_true(trim->bytes <= trim->budget && trim->bytes > trim->budget - 3000);
	expect_forms(yard, 0, "----------wwwwwwwwwwwwwwwwwwwwwwwwwwwwww");
	expect_forms(yard, 1, "----------hhhhhwwwwwwwwwwwwwwwwwwwwwwwww");
	trim->budget = 1;
	yard->mesh->stable.is_touched = true;
	yard_look(yard);
	expect_forms(yard, 0, "----------wwwwwwwwwwwwwwwwwwwwwwwwwwwwww");
	expect_forms(yard, 1, "----------hhhhhhhhhhhhhhhhhhhhwwwwwwwwww");
	expect_forms(yard, 2, "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww");
	yard_check(yard);
	/* What others have by then, too; and the newest stays when all have it. */
	yard_ack(yard, 1, 2, 40);
	yard_ack(yard, 0, 1, 40);
	yard_ack(yard, 1, 1, 40);
	yard_look(yard);
	expect_forms(yard, 1, "---------------------------------------h");
	expect_forms(yard, 2, "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh");
	yard_check(yard);
	yard_free(yard);
}

/* At a start, and also of a log that takes several steps to count, while more comes. */
static void bytes_are_counted_in_steps(void **state)
{
	enum { MANY = 3 * TRIM_LOOKS / 2 };
	struct yard *yard = yard_new(1);
	struct batch batch = { 0 };
	struct end end = { 0 };

	(void)state;
	assert_int_equal(mesh_txn(yard->mesh, NULL), OK);
	for (size_t i = 0; i < MANY; i++) {
		batch = yard_batch(yard, 0, end, 10);
		assert_int_equal(log_put_batch(yard->mesh->txn, &batch, NULL), OK);
		mesh_move(yard->mesh, &batch);
		end = batch.end;
	}
	assert_int_equal(real_commit(yard->real), OK);
	write_some(yard, 1, 40, 10);
	yard_merge_to(yard, 1, 10);
	yard_restart(yard);
	assert_false(trim_is_counting(&yard->mesh->stable.trim));
	yard_check(yard);
	/* As after a snapshot was put in place. */
	stable_replaced(yard->mesh);
	for (size_t i = 11; i <= 40; i++) {
		struct batch more = yard_batch(yard, 0, end, 10);

		yard_merge_to(yard, 1, i);
		if (i % 2) {
			assert_int_equal(log_put_batch((mesh_txn(yard->mesh, NULL), yard->mesh->txn), &more, NULL), OK);
			trim_grew(&yard->mesh->stable.trim, &more);
			mesh_move(yard->mesh, &more);
			end = more.end;
			assert_int_equal(real_commit(yard->real), OK);
		}
		if (i % 10 == 4) {
			assert_int_equal(trim_is_counting(&yard->mesh->stable.trim), i <= 24);
			yard->scene->now += STABLE_STEP_MS * MS;
			real_tick(yard->real);
		}
	}
	assert_false(trim_is_counting(&yard->mesh->stable.trim));
	assert_int_equal(yard->mesh->stable.trim.is_more, false);
	assert_true(yard->mesh->stable.trim.bytes > MANY * TRIM_ENTRY);
	yard_check(yard);
	yard_free(yard);
}

/* A commit that finds no room takes all of it back, and later it is done. */
static void a_full_disk_takes_it_back(void **state)
{
	struct yard *yard = yard_new(1);
	struct trim *trim = &yard->mesh->stable.trim;
	size_t fulls = 0;

	(void)state;
	write_some(yard, 0, 30, 500);
	yard_merge_to(yard, 0, 30);
	yard_look(yard);
	yard_ack_all(yard);
	trim->budget = 1;
	for (uint64_t change = 1; change < 60; change += 3) {
		uint64_t bytes = trim->bytes;

		mem_disk_full_at(yard->real->disk, change);
		yard->scene->now += STABLE_EVERY_MS * MS;
		yard->mesh->stable.is_touched = true;
		real_tick(yard->real);
		mem_disk_full_at(yard->real->disk, 0);
		yard_check(yard);
		assert_true(stable_next(yard->mesh).ns == UINT64_MAX);
		fulls += bytes == trim->bytes;
	}
	assert_in_range(fulls, 5, 20);
	yard_look(yard);
	expect_forms(yard, 0, "-----------------------------h");
	yard_check(yard);
	yard_free(yard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_all_acknowledged_is_stable),
		cmocka_unit_test(only_this_chain_counts),
		cmocka_unit_test(whoever_is_always_ahead_counts_too),
		cmocka_unit_test(alone_all_is_stable_once_there_is_no_room),
		cmocka_unit_test(a_new_member_counts_at_once),
		cmocka_unit_test(branches_are_stable_one_by_one),
		cmocka_unit_test(a_step_is_bounded),
		cmocka_unit_test(the_budget_is_kept),
		cmocka_unit_test(bytes_are_counted_in_steps),
		cmocka_unit_test(a_full_disk_takes_it_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
