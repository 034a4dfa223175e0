/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/carry.h"
#include "tests/unit/gossip/puppet.h"

#include "crdt/log/proof.h"
#include "crdt/state/index.h"

/* What was carried is put in place: joined, or instead of what was there. */

/* All records of both disks are the same. */
static void assert_same_records(const struct real *a, const struct real *b)
{
	const uint8_t table = TABLE_RECORD;
	const struct real *both[] = { a, b };
	struct buf all[2] = { buf_growing(1 << 28), buf_growing(1 << 28) };

	for (size_t i = 0; i < 2; i++) {
		struct store_cursor *cursor;
		struct store_txn *look;
		struct bytes key, value;

		assert_int_equal(store_snapshot(both[i]->store, &look, NULL), OK);
		assert_int_equal(store_range(look, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, NULL), OK);
		while (!store_next(cursor, &key, &value, NULL)) {
			buf_put_bytes(&all[i], key);
			buf_put_bytes(&all[i], value);
		}
		store_range_end(cursor);
		store_end(look);
	}
	assert_true(bytes_equal(buf_bytes(&all[0]), buf_bytes(&all[1])));
	buf_done(&all[0]);
	buf_done(&all[1]);
	assert_memory_equal(real_mesh(a)->root.buckets, real_mesh(b)->root.buckets, sizeof real_mesh(a)->root.buckets);
}

static size_t count_waiting(const struct real *real)
{
	struct store_txn *look;
	size_t count;

	assert_int_equal(store_snapshot(real->store, &look, NULL), OK);
	count = store_count(look, TABLE_WAITING);
	store_end(look);
	return count;
}

/* --- Replacing. */

static void an_empty_disk_becomes_the_donors(void **state)
{
	struct two two = carry_two(200);
	struct installed installed;

	(void)state;
	carry_put_stable(two.donor);
	carry_shrink(two.donor);
	carry_whole(two.donor, two.to);
	installed = carry_install(two.to, SNAPSHOT_REPLACE);
	assert_int_equal(installed.records, 400);
	assert_int_equal(installed.waiting, 0);
	assert_same_records(two.donor, two.to);
	assert_true(vector_equal(&real_mesh(two.donor)->vector, &real_mesh(two.to)->vector));
	assert_true(real_mesh(two.to)->snapshot.is_unproven);
	assert_int_equal(real_mesh(two.to)->snapshot.stage, SNAPSHOT_NONE);
	real_check(two.to);
	/* And it writes on, and passes on what it has. */
	carry_write(two.to, 3);
	real_check(two.to);
	scene_meet(two.scene, two.donor, two.to);
	scene_pass(two.scene, 5000);
	assert_same_records(two.donor, two.to);
	assert_int_equal(two.to->alarms_count, 0);
	carry_end(&two);
}

static void what_only_the_old_disk_held_waits(void **state)
{
	struct two two = carry_parted(20);
	struct vector before = { 0 };
	struct stream own = { real_mesh(two.to)->node, 1, LANE_PEOPLE };
	struct store_txn *look;
	struct logged logged;
	struct installed installed;
	uint64_t end;

	(void)state;
	end = vector_seq(&real_mesh(two.to)->vector, own);
	carry_write(two.to, 5);
	carry_write(two.donor, 7);
	assert_int_equal(vector_seq(&real_mesh(two.to)->vector, own), end + 5);
	carry_whole(two.donor, two.to);
	installed = carry_install(two.to, SNAPSHOT_REPLACE);
	assert_int_equal(installed.waiting, 5);
	assert_int_equal(installed.forks_count, 0);
	assert_int_equal(count_waiting(two.to), 5);
	assert_same_records(two.donor, two.to);
	assert_int_equal(vector_seq(&real_mesh(two.to)->vector, own), end);
	assert_int_equal(store_snapshot(two.to->store, &look, NULL), OK);
	assert_int_equal(log_waiting_after(look, own, (struct log_place){ 0 }, &logged, NULL), OK);
	assert_int_equal(logged.first, end + 1);
	assert_int_equal(logged.form, LOG_WHOLE);
	store_end(look);
	vector_done(&before);
	carry_end(&two);
}

/* What came back is had no more, for good. */
static void what_is_merged_again_is_had_no_more(void **state)
{
	struct two two = carry_parted(20);
	struct stream own = { real_mesh(two.to)->node, 1, LANE_PEOPLE };
	struct end last;

	(void)state;
	carry_write(two.to, 5);
	last = *vector_find(&real_mesh(two.to)->vector, own);
	carry_whole(two.donor, two.to);
	carry_install(two.to, SNAPSHOT_REPLACE);
	assert_true(vector_has(&real_mesh(two.to)->had, own, last));
	scene_meet(two.scene, two.donor, two.to);
	scene_pass(two.scene, 5000);
	assert_true(vector_has(&real_mesh(two.to)->vector, own, last));
	assert_int_equal(real_mesh(two.to)->had.count, 0);
	real_end(two.to);
	two.to = real_boot(two.scene, 1);
	assert_int_equal(real_mesh(two.to)->had.count, 0);
	carry_end(&two);
}

/* The donor says that everybody has that stream up to there, and has no more of it than it must. */
static void claim(struct two *two, struct frontier end)
{
	struct log_place place = { 0 };
	struct store_txn *own, *txn;
	struct logged logged;

	assert_int_equal(store_snapshot(two->to->store, &own, NULL), OK);
	assert_int_equal(store_begin(two->donor->store, &txn, NULL), OK);
	while (!log_after(own, end.stream, place, &logged, NULL) && logged.last <= end.end.seq) {
		place = log_place_of(&logged);
		assert_int_equal(log_put_logged(txn, &logged, NULL), OK);
		assert_int_equal(log_shrink(txn, &logged, logged.last < end.end.seq ? LOG_FOOTPRINT : LOG_HEADER, NULL),
				 OK);
	}
	while (!log_after(txn, end.stream, log_behind(end.end.seq), &logged, NULL))
		assert_int_equal(log_drop(txn, &logged, NULL), OK);
	assert_int_equal(log_put_ends(txn, TABLE_VECTOR, end.stream, &end, 1, NULL), OK);
	assert_int_equal(log_put_ends(txn, TABLE_STABLE, end.stream, &end, 1, NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
	store_end(own);
}

/* What this member does not itself know that everybody has it does not let go for a donor's word. */
static void what_no_donor_shows_is_kept(void **state)
{
	struct two two = carry_parted(20);
	struct real *sound;
	struct frontier last = { { real_mesh(two.to)->node, 1, LANE_PEOPLE }, { 0 } }, known;

	(void)state;
	known = (struct frontier){ last.stream, *vector_find(&real_mesh(two.to)->vector, last.stream) };
	carry_put_stable(two.to);
	sound = real_boot(two.scene, 2);
	carry_whole(two.donor, sound);
	carry_install(sound, SNAPSHOT_REPLACE);
	carry_write(two.to, 5);
	last.end = *vector_find(&real_mesh(two.to)->vector, last.stream);
	claim(&two, last);
	carry_whole(two.donor, two.to);
	assert_int_equal(carry_install(two.to, SNAPSHOT_REPLACE).waiting, 5);
	assert_true(vector_has(&real_mesh(two.to)->vector, last.stream, last.end));
	/* Nothing bears that state out, and so it stays. */
	assert_int_equal(real_commit(two.to), OK);
	assert_int_equal(count_waiting(two.to), 5);
	/* With a donor that does not lie it comes back. */
	carry_whole(sound, two.to);
	carry_install(two.to, SNAPSHOT_REPLACE);
	assert_true(vector_has(&real_mesh(two.to)->vector, known.stream, known.end));
	assert_int_equal(real_commit(two.to), OK);
	assert_true(vector_has(&real_mesh(two.to)->vector, last.stream, last.end));
	real_check(two.to);
	carry_whole(two.to, sound);
	carry_install(sound, SNAPSHOT_JOIN);
	assert_same_records(sound, two.to);
	carry_end(&two);
}

/* --- Joining. */

static void both_keep_what_each_had(void **state)
{
	(void)state;
	for (size_t round = 0; round < 2; round++) {
		struct two two = carry_parted(20);

		/* Of what both have either nothing is left, or everything. */
		if (round) {
			carry_put_stable(two.donor);
			carry_put_stable(two.to);
			carry_shrink(two.donor);
		}
		carry_write(two.to, 5);
		carry_write(two.donor, 7);
		carry_whole(two.donor, two.to);
		assert_int_equal(carry_install(two.to, SNAPSHOT_JOIN).forks_count, 0);
		assert_int_equal(real_mesh(two.to)->snapshot.stage, SNAPSHOT_NONE);
		real_check(two.to);
		assert_true(vector_covers(&real_mesh(two.to)->vector, &real_mesh(two.donor)->vector));
		assert_false(vector_equal(&real_mesh(two.to)->vector, &real_mesh(two.donor)->vector));
		carry_whole(two.to, two.donor);
		assert_int_equal(carry_install(two.donor, SNAPSHOT_JOIN).forks_count, 0);
		real_check(two.donor);
		assert_true(vector_equal(&real_mesh(two.to)->vector, &real_mesh(two.donor)->vector));
		assert_same_records(two.donor, two.to);
		/* Once more it makes no difference. */
		carry_whole(two.to, two.donor);
		assert_int_equal(carry_install(two.donor, SNAPSHOT_JOIN).unchanged, 2 * (40 + 5 + 7));
		assert_int_equal(count_waiting(two.to), 0);
		carry_end(&two);
	}
}

/* What everybody had, by the donor's word; and what is known of no more does not come back. */
static void what_everybody_had_comes_too(void **state)
{
	struct two two = carry_parted(20);
	struct stream stream = { real_mesh(two.donor)->node, 1, LANE_PEOPLE };
	struct vector theirs = { 0 }, ours = { 0 };
	struct store_txn *txn;
	struct logged logged;
	uint64_t horizon;

	(void)state;
	carry_put_stable(two.donor);
	assert_int_equal(store_begin(two.to->store, &txn, NULL), OK);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(log_after(txn, stream, (struct log_place){ 0 }, &logged, NULL), OK);
		assert_int_equal(log_drop(txn, &logged, NULL), OK);
	}
	assert_int_equal(store_commit(txn, NULL), OK);
	carry_whole(two.donor, two.to);
	carry_install(two.to, SNAPSHOT_JOIN);
	assert_int_equal(store_snapshot(two.to->store, &txn, NULL), OK);
	assert_int_equal(log_horizon(txn, stream, &horizon, NULL), OK);
	assert_int_equal(horizon, 5);
	assert_int_equal(log_read_vector(txn, TABLE_STABLE, &ours, NULL), OK);
	store_end(txn);
	assert_int_equal(store_snapshot(two.donor->store, &txn, NULL), OK);
	assert_int_equal(log_read_vector(txn, TABLE_STABLE, &theirs, NULL), OK);
	store_end(txn);
	assert_true(theirs.count && vector_equal(&ours, &theirs));
	vector_done(&ours);
	vector_done(&theirs);
	carry_end(&two);
}

static void who_lacks_what_everybody_had_is_not_joined(void **state)
{
	struct two two = carry_parted(10);
	struct id disk;

	(void)state;
	carry_write(two.donor, 3);
	disk = real_disk(two.to);
	carry_put_stable(two.donor);
	carry_whole(two.donor, two.to);
	carry_install(two.to, SNAPSHOT_JOIN);
	assert_int_equal(real_mesh(two.to)->snapshot.stage, SNAPSHOT_FAILED);
	assert_string_equal(real_mesh(two.to)->snapshot.why,
			    "this disk lacks what everybody had: it is to be replaced, not joined");
	assert_true(id_equal(disk, real_disk(two.to)));
	real_check(two.to);
	disk = real_disk(two.donor);
	carry_whole(two.to, two.donor);
	carry_install(two.donor, SNAPSHOT_JOIN);
	assert_string_equal(real_mesh(two.donor)->snapshot.why, "the donor's disk lacks what everybody had");
	assert_true(id_equal(disk, real_disk(two.donor)));
	real_check(two.donor);
	carry_end(&two);
}

/* --- Forks. */

static void give(struct real *real, struct bytes batch)
{
	struct puppet *puppet = puppet_member(real, 2);

	puppet_batch(puppet, batch);
	puppet_hang_up(puppet);
}

/* Key 2 wrote three batches, then one for each of the two. */
static struct two forked(struct chain *ret_chain)
{
	struct two two = carry_two(5);
	struct chain chain = chain_of(two.scene, 2), other;

	for (size_t i = 0; i < 3; i++) {
		struct bytes batch = chain_next(&chain, 2, 30);

		give(two.donor, batch);
		give(two.to, batch);
	}
	other = chain;
	give(two.donor, chain_next(&chain, 2, 30));
	give(two.to, chain_next(&other, 3, 40));
	assert_int_equal(vector_seq(&real_mesh(two.donor)->vector, chain.stream), 8);
	assert_int_equal(vector_seq(&real_mesh(two.to)->vector, chain.stream), 9);
	*ret_chain = chain;
	return two;
}

static void assert_proof(const struct two *two, const struct installed *installed, struct stream stream)
{
	struct proof proof;

	assert_int_equal(installed->forks_count, 1);
	assert_int_equal(proof_read(installed->forks[0], &proof, NULL), OK);
	assert_true(proof.is_fork && proof.node == stream.node && proof.start == stream.start);
	assert_true(proof_is_signed(&proof, two->scene->cluster, two->scene->keys[2].key));
}

static size_t count_ends(const struct real *real, struct stream stream)
{
	size_t count;

	vector_ends(&real_mesh(real)->vector, stream, &count);
	return count;
}

static void a_fork_between_the_two_is_proven(void **state)
{
	struct chain chain;
	struct two two = forked(&chain);
	struct installed installed;

	(void)state;
	carry_whole(two.donor, two.to);
	installed = carry_install(two.to, SNAPSHOT_JOIN);
	assert_proof(&two, &installed, chain.stream);
	assert_int_equal(count_ends(two.to, chain.stream), 2);
	real_check(two.to);
	/* With the proof come both branches, and it is not found anew. */
	carry_whole(two.to, two.donor);
	assert_int_equal(carry_install(two.donor, SNAPSHOT_JOIN).forks_count, 0);
	assert_int_equal(count_ends(two.donor, chain.stream), 2);
	assert_true(vector_equal(&real_mesh(two.to)->vector, &real_mesh(two.donor)->vector));
	assert_same_records(two.donor, two.to);
	real_check(two.donor);
	carry_end(&two);
}

static void branches_come_with_a_replacement(void **state)
{
	struct chain chain;
	struct two two = forked(&chain);
	struct real *third;

	(void)state;
	carry_whole(two.donor, two.to);
	carry_install(two.to, SNAPSHOT_JOIN);
	third = real_boot(two.scene, 2);
	carry_whole(two.to, third);
	carry_install(third, SNAPSHOT_REPLACE);
	assert_int_equal(count_ends(third, chain.stream), 2);
	assert_true(vector_equal(&real_mesh(two.to)->vector, &real_mesh(third)->vector));
	assert_same_records(third, two.to);
	carry_end(&two);
}

/* Whether it is the longer or the shorter one. */
static void the_old_disks_branch_waits(void **state)
{
	(void)state;
	for (size_t round = 0; round < 2; round++) {
		struct chain chain;
		struct two two = forked(&chain);
		struct real *from = round ? two.to : two.donor, *to = round ? two.donor : two.to;
		struct installed installed;
		size_t own = to == two.donor ? 5 : 0;

		carry_whole(from, to);
		installed = carry_install(to, SNAPSHOT_REPLACE);
		assert_proof(&two, &installed, chain.stream);
		assert_int_equal(installed.waiting, 1 + own);
		assert_int_equal(count_waiting(to), 1 + own);
		assert_int_equal(count_ends(to, chain.stream), 1);
		assert_same_records(from, to);
		carry_end(&two);
	}
}

/* Of two branches as long the one that goes on is no end of the other. */
static void a_branch_is_followed_by_its_own(void **state)
{
	struct two two = carry_two(5);
	struct chain chain = chain_of(two.scene, 2), other;
	struct bytes first = chain_next(&chain, 2, 30);
	size_t count;

	(void)state;
	give(two.donor, first);
	give(two.to, first);
	other = chain;
	give(two.donor, chain_next(&chain, 2, 30));
	give(two.donor, chain_next(&chain, 2, 30));
	give(two.to, chain_next(&other, 2, 40));
	carry_whole(two.donor, two.to);
	assert_int_equal(carry_install(two.to, SNAPSHOT_JOIN).forks_count, 1);
	assert_int_equal(count_ends(two.to, chain.stream), 2);
	assert_int_equal(vector_ends(&real_mesh(two.to)->vector, chain.stream, &count)[0].end.seq, 4);
	assert_int_equal(vector_seq(&real_mesh(two.to)->vector, chain.stream), 6);
	real_check(two.to);
	carry_end(&two);
}

/* Of a closed start the donor has less of its branch than is here of what came before. */
static void footprints_come_to_whole_batches(void **state)
{
	struct two two = carry_two(5);
	struct chain chain = chain_of(two.scene, 2), other;
	struct store_txn *txn;
	struct logged logged;
	struct log_place place = { 0 };
	struct frontier stable;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct bytes batch = chain_next(&chain, 1, 30);

		give(two.donor, batch);
		give(two.to, batch);
	}
	other = chain;
	give(two.donor, chain_next(&chain, 1, 30));
	stable = (struct frontier){ chain.stream, chain.end };
	give(two.donor, chain_next(&chain, 1, 30));
	give(two.to, chain_next(&other, 1, 40));
	carry_put_proof(two.donor, 2, 1);
	carry_put_proof(two.to, 2, 1);
	assert_int_equal(store_begin(two.donor->store, &txn, NULL), OK);
	assert_int_equal(log_put_ends(txn, TABLE_STABLE, chain.stream, &stable, 1, NULL), OK);
	while (!log_after(txn, chain.stream, place, &logged, NULL) && logged.last <= 4) {
		place = log_place_of(&logged);
		assert_int_equal(log_shrink(txn, &logged, LOG_FOOTPRINT, NULL), OK);
	}
	assert_int_equal(store_commit(txn, NULL), OK);
	carry_whole(two.donor, two.to);
	/* It is closed already: nothing new is proven. */
	assert_int_equal(carry_install(two.to, SNAPSHOT_JOIN).forks_count, 0);
	assert_int_equal(real_mesh(two.to)->snapshot.stage, SNAPSHOT_NONE);
	assert_int_equal(count_ends(two.to, chain.stream), 2);
	real_check(two.to);
	carry_end(&two);
}

/* --- The disk. */

static struct installed try_install(struct real *real, enum snapshot_way way, enum code *ret_code)
{
	struct installed installed = { .forks = NULL };

	*ret_code = snapshot_install(carry_mesh(real), way, &installed, NULL);
	return installed;
}

static void a_full_disk_takes_nothing(void **state)
{
	enum code code;

	(void)state;
	for (uint64_t at = 1; at < 400; at += 1 + at / 3)
		for (enum snapshot_way way = SNAPSHOT_JOIN; way <= SNAPSHOT_REPLACE; way++) {
			struct two two = carry_parted(10);
			struct id disk;

			carry_write(two.to, 5);
			carry_write(two.donor, 20);
			disk = real_disk(two.to);
			carry_whole(two.donor, two.to);
			mem_disk_full_at(two.to->disk, at);
			try_install(two.to, way, &code);
			assert_int_equal(code, OK);
			if (real_mesh(two.to)->snapshot.stage == SNAPSHOT_READY) {
				assert_true(id_equal(disk, real_disk(two.to)));
				real_check(two.to);
				mem_disk_full_at(two.to->disk, 0);
				carry_install(two.to, way);
			}
			assert_int_equal(real_mesh(two.to)->snapshot.stage, SNAPSHOT_NONE);
			assert_false(id_equal(disk, real_disk(two.to)));
			carry_end(&two);
		}
}

static void a_crash_leaves_all_or_nothing(void **state)
{
	size_t olds = 0, news = 0;
	enum code code;

	(void)state;
	for (uint64_t at = 1; at < 600; at += 1 + at / 2) {
		struct two two = carry_parted(10);
		struct id before, after;

		carry_write(two.to, 5);
		carry_write(two.donor, 20);
		before = real_disk(two.to);
		carry_whole(two.donor, two.to);
		mem_disk_crash_at(two.to->disk, at);
		try_install(two.to, SNAPSHOT_REPLACE, &code);
		mem_disk_crash_at(two.to->disk, 0);
		real_end(two.to);
		two.to = real_boot(two.scene, 1);
		after = real_disk(two.to);
		if (id_equal(before, after)) {
			olds++;
			assert_int_equal(count_waiting(two.to), 0);
		} else {
			news++;
			assert_int_equal(count_waiting(two.to), 5);
			assert_same_records(two.donor, two.to);
			/* Also that nobody bore it out yet. */
			assert_true(real_mesh(two.to)->snapshot.is_unproven);
		}
		carry_end(&two);
	}
	assert_true(olds && news);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_disk_becomes_the_donors),
		cmocka_unit_test(what_only_the_old_disk_held_waits),
		cmocka_unit_test(what_is_merged_again_is_had_no_more),
		cmocka_unit_test(what_no_donor_shows_is_kept),
		cmocka_unit_test(both_keep_what_each_had),
		cmocka_unit_test(what_everybody_had_comes_too),
		cmocka_unit_test(who_lacks_what_everybody_had_is_not_joined),
		cmocka_unit_test(a_fork_between_the_two_is_proven),
		cmocka_unit_test(branches_come_with_a_replacement),
		cmocka_unit_test(the_old_disks_branch_waits),
		cmocka_unit_test(a_branch_is_followed_by_its_own),
		cmocka_unit_test(footprints_come_to_whole_batches),
		cmocka_unit_test(a_full_disk_takes_nothing),
		cmocka_unit_test(a_crash_leaves_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
