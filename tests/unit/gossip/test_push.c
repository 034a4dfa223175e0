/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

#include "crdt/log/log.h"

#include <stdio.h>

/* Batches that come in, and batches that go out. */

static struct stream own_stream(const struct real *real, enum lane lane)
{
	return (struct stream){ real_mesh(real)->node, 1, lane };
}

static struct end own_end(const struct real *real)
{
	const struct end *end = vector_find(&real_mesh(real)->vector, own_stream(real, LANE_PEOPLE));

	assert_non_null(end);
	return *end;
}

static void batches_in_order_are_merged_and_acknowledged(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1);

	(void)state;
	for (uint64_t seq = 2; seq <= 6; seq += 2) {
		puppet_forget(puppet);
		puppet_batch(puppet, chain_next(&chain, 2, 10));
		assert_int_equal(vector_seq(&real_mesh(real)->vector, chain.stream), seq);
		assert_true(puppet_heard_end(puppet, chain.stream, seq));
		real_check(real);
	}
	assert_int_equal(real_mesh(real)->counts.merged, 3);
	assert_int_equal(real->changes, 6);
	scene_free(scene);
}

/* Whoever has seen a change writes behind it, though its clock is behind the other's. */
static void what_is_written_is_later_than_what_was_merged(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1);
	struct bytes whole;

	(void)state;
	scene->wall.ms += 5000;
	whole = chain_next(&chain, 1, 10);
	scene->wall.ms -= 5000;
	puppet_batch(puppet, whole);
	real_write(real, 10, 0);
	assert_true(hlc_compare(real_mesh(real)->author.hlc, hlc_make(scene->wall.ms + 5000, 0)) > 0);
	scene_free(scene);
}

static void a_duplicate_changes_nothing_and_is_acknowledged_again(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1);
	struct bytes first = chain_next(&chain, 1, 10), second = chain_next(&chain, 1, 10);
	struct id disk;

	(void)state;
	puppet_batch(puppet, first);
	puppet_batch(puppet, second);
	disk = real_disk(real);
	puppet_forget(puppet);
	puppet_batch(puppet, first);
	assert_true(puppet_heard_end(puppet, chain.stream, 2));
	puppet_forget(puppet);
	puppet_batch(puppet, second);
	assert_true(puppet_heard_end(puppet, chain.stream, 2));
	puppet_ignored(puppet, disk);
	assert_int_equal(real_mesh(real)->counts.duplicate, 2);
	assert_int_equal(real->alarms_count, 0);
	scene_free(scene);
}

static void behind_a_gap_nothing_is_taken_and_the_gap_is_told(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1);
	struct bytes first = chain_next(&chain, 1, 10), second = chain_next(&chain, 1, 10);
	struct id disk = real_disk(real);

	(void)state;
	puppet_forget(puppet);
	puppet_batch(puppet, second);
	puppet_ignored(puppet, disk);
	assert_int_equal(real_mesh(real)->counts.gap, 1);
	assert_int_equal(puppet_count(puppet, FRAME_INDEX), 1);
	assert_false(puppet_heard_end(puppet, chain.stream, 2));
	puppet_batch(puppet, first);
	puppet_batch(puppet, second);
	assert_int_equal(vector_seq(&real_mesh(real)->vector, chain.stream), 2);
	scene_free(scene);
}

static void what_strangers_wrote_is_not_taken_and_what_evicted_members_wrote_waits(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain stranger = chain_of(scene, 6), evicted = chain_of(scene, 2);
	struct bytes eviction = scene_evict(scene, 2, 0);
	struct id disk = real_disk(real);

	(void)state;
	puppet_batch(puppet, chain_next(&stranger, 1, 10));
	puppet_ignored(puppet, disk);
	real_bring(real, &eviction, 1);
	disk = real_disk(real);
	puppet_batch(puppet, chain_next(&evicted, 1, 10));
	assert_false(puppet->is_closed);
	/* It may have been merged elsewhere before: so it waits for a row that says so. */
	assert_false(id_equal(real_disk(real), disk));
	assert_int_equal(real_mesh(real)->counts.waiting, 1);
	assert_int_equal(vector_seq(&real_mesh(real)->vector, evicted.stream), 0);
	assert_false(puppet_heard_end(puppet, evicted.stream, 1));
	real_check(real);
	assert_int_equal(real_mesh(real)->counts.unknown_author, 1);
	assert_int_equal(real->alarms_count, 0);
	scene_free(scene);
}

/* The batch that a puppet brings, and what is said of it. */
static void refuse(struct scene *scene, struct bytes whole, const char *why)
{
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct id disk = real_disk(real);

	puppet_batch(puppet, whole);
	puppet_refused(puppet, disk, why);
	assert_int_equal(real_mesh(real)->counts.merged, 0);
	scene_free(scene);
}

static void a_wrong_signature_ends_the_link(void **state)
{
	struct scene *scene = scene_new(3);
	struct chain chain = chain_of(scene, 2);

	(void)state;
	chain.signer = scene->keys[3];
	refuse(scene, chain_next(&chain, 1, 10), "it passed on a batch whose signature is wrong");
}

static void a_batch_of_another_cluster_ends_the_link(void **state)
{
	struct scene *scene = scene_new(2);
	struct chain chain = chain_of(scene, 1);
	struct id cluster = scene->cluster;
	struct bytes whole;

	(void)state;
	scene->cluster.bytes[3] ^= 1;
	whole = chain_next(&chain, 1, 10);
	scene->cluster = cluster;
	refuse(scene, whole, "it sent a batch of another cluster");
}

static void what_is_no_batch_ends_the_link(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1);
	struct bytes whole = chain_next(&chain, 1, 10);
	struct id disk = real_disk(real);
	struct batch batch;
	struct err err = { 0 };

	(void)state;
	/* One byte of the entries is another than the header's hash says. */
	((uint8_t *)(uintptr_t)whole.data)[whole.size - 1] ^= 1;
	assert_int_equal(batch_read(whole, &batch, &err), E_FORM);
	puppet_batch(puppet, whole);
	puppet_refused(puppet, disk, err.text);
	scene_free(scene);
}

/* Two chains that begin alike. */
struct fork {
	struct scene *scene;
	struct real *real;
	struct puppet *puppet;
	struct bytes first, second, other;
	struct chain chain;
};

static struct fork make_fork(void)
{
	struct fork fork = { .scene = scene_new(3) };
	struct chain twin;

	fork.real = real_boot(fork.scene, 0);
	fork.puppet = puppet_member(fork.real, 1);
	fork.chain = chain_of(fork.scene, 2);
	twin = fork.chain;
	fork.first = chain_next(&fork.chain, 1, 10);
	fork.second = chain_next(&fork.chain, 1, 10);
	fork.other = chain_next(&twin, 1, 10);
	puppet_batch(fork.puppet, fork.first);
	return fork;
}

static void alarm_text(char room[160], const char *form, const struct chain *chain)
{
	snprintf(room, 160, form, (unsigned long long)chain->stream.node);
}

/* The start is closed, what was merged of it stays, and the other batch waits until somebody says that it counts. */
static void assert_closed(const struct fork *fork)
{
	const struct mesh *mesh = real_mesh(fork->real);
	char alarm[160];

	assert_false(fork->puppet->is_closed);
	alarm_text(alarm, "member %016llx wrote two histories: an old or a second disk of it was in use", &fork->chain);
	assert_true(real_has_alarm(fork->real, alarm));
	assert_true(closed_is(mesh, fork->chain.stream.node, 1));
	assert_int_equal(mesh->counts.fork, 1);
	assert_int_equal(mesh->counts.row, 1);
	assert_int_equal(mesh->counts.waiting, 1);
	assert_int_equal(mesh->counts.merged, 1);
	assert_int_equal(vector_seq(&mesh->vector, fork->chain.stream), 1);
	assert_int_equal(puppet_count(fork->puppet, FRAME_PROOFS), 1);
	real_check(fork->real);
}

static void two_batches_for_one_place_close_the_start(void **state)
{
	struct fork fork = make_fork();

	(void)state;
	puppet_batch(fork.puppet, fork.other);
	assert_closed(&fork);
	scene_free(fork.scene);
}

static void a_batch_behind_another_chain_closes_the_start(void **state)
{
	struct fork fork = make_fork();
	struct chain twin = chain_of(fork.scene, 2);

	(void)state;
	twin.end = fork.chain.end;
	twin.end.seq = 1;
	puppet_batch(fork.puppet, chain_next(&twin, 1, 10));
	assert_closed(&fork);
	scene_free(fork.scene);
}

/* Nobody is accused of what he never signed. */
static void a_forged_fork_ends_the_link_of_whoever_brings_it(void **state)
{
	(void)state;
	for (int behind = 0; behind < 2; behind++) {
		struct fork fork = make_fork();
		struct chain forged = chain_of(fork.scene, 2);
		struct id disk = real_disk(fork.real);

		forged.signer = fork.scene->keys[1];
		if (behind) {
			forged.end = fork.chain.end;
			forged.end.seq = 1;
		}
		puppet_batch(fork.puppet, chain_next(&forged, 1, 10));
		puppet_refused(fork.puppet, disk, "it passed on a batch whose signature is wrong");
		assert_int_equal(fork.real->alarms_count, 1);
		assert_int_equal(real_mesh(fork.real)->counts.fork, 0);
		scene_free(fork.scene);
	}
}

static void a_batch_of_a_newer_version_waits(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1);
	struct bytes whole = chain_next(&chain, 1, 10);
	struct id disk = real_disk(real);

	(void)state;
	/* The version is the first number of the header's array. */
	assert_int_equal(whole.data[1], BATCH_VERSION);
	((uint8_t *)(uintptr_t)whole.data)[1] = BATCH_VERSION + 1;
	puppet_batch(puppet, whole);
	puppet_ignored(puppet, disk);
	assert_int_equal(real_mesh(real)->counts.newer, 1);
	scene_free(scene);
}

/* A batch of rubbish is signed, so it takes its place in the chain; it says nothing. */
static void void_entries_are_skipped(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain chain = chain_of(scene, 1);
	struct buf out = buf_growing(BATCH_MAX);

	(void)state;
	batch_write(&chain.signer, scene->cluster, chain.stream, chain.end, bytes_text("\x01\x02\x03"), 3, &out);
	puppet_batch(puppet, buf_bytes(&out));
	assert_false(puppet->is_closed);
	assert_int_equal(vector_seq(&real_mesh(real)->vector, chain.stream), 3);
	assert_int_equal(real_mesh(real)->counts.void_entry, 3);
	assert_int_equal(real->changes, 0);
	real_check(real);
	buf_done(&out);
	scene_free(scene);
}

/* --- Going out. */

static void what_is_written_is_pushed_to_all_at_once_and_once(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *one = puppet_member(real, 1), *two = puppet_member(real, 2);
	struct batch batch;

	(void)state;
	puppet_forget(one);
	puppet_forget(two);
	real_write(real, 10, 0);
	assert_int_equal(puppet_count(one, FRAME_BATCH), 1);
	assert_int_equal(puppet_count(two, FRAME_BATCH), 1);
	assert_int_equal(batch_read(puppet_last(two, FRAME_BATCH)->batch, &batch, NULL), OK);
	assert_true(batch_is_signed(&batch, scene->keys[0].key));
	assert_int_equal(batch.first, 1);
	real_write(real, 10, 0);
	assert_int_equal(puppet_count(one, FRAME_BATCH), 2);
	scene_free(scene);
}

static void nothing_is_pushed_before_the_peer_says_where_it_stands(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet;
	struct vector vector = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		real_write(real, 10, 0);
	puppet = puppet_dial(real, &scene->keys[1], 5);
	puppet_agree(puppet);
	assert_int_equal(puppet_count(puppet, FRAME_BATCH), 0);
	vector_set(&vector, own_stream(real, LANE_PEOPLE), (struct end){ 2, { { 1 } } });
	puppet_index(puppet, &vector, true);
	assert_int_equal(puppet_count(puppet, FRAME_BATCH), 1);
	vector_done(&vector);
	scene_free(scene);
}

/* The bytes of batches heard. */
static size_t heard_bytes(const struct puppet *puppet)
{
	size_t size = 0;

	for (size_t i = 0; i < puppet->count; i++)
		if (puppet->heard[i].frame.kind == FRAME_BATCH)
			size += puppet->heard[i].frame.batch.size;
	return size;
}

static void the_window_holds_until_something_is_acknowledged(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	size_t size;

	(void)state;
	for (int i = 0; i < 90; i++)
		real_write(real, 3900, 0);
	size = heard_bytes(puppet);
	/* The last batch may reach beyond it. */
	assert_in_range(size, PUSH_WINDOW, PUSH_WINDOW + BATCH_MAX);
	assert_true(puppet_count(puppet, FRAME_BATCH) < 90);
	assert_true(real_mesh(real)->counts.window_full > 0);
	puppet_ack(puppet, own_stream(real, LANE_PEOPLE), own_end(real));
	assert_int_equal(puppet_count(puppet, FRAME_BATCH), 90);
	scene_free(scene);
}

static void what_is_never_acknowledged_is_sent_again(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);

	(void)state;
	real_write(real, 10, 0);
	puppet_forget(puppet);
	scene_pass(scene, 9000);
	assert_int_equal(puppet_count(puppet, FRAME_BATCH), 0);
	puppet_forget(puppet);
	scene_pass(scene, 2500);
	assert_int_equal(puppet_count(puppet, FRAME_BATCH), 1);
	assert_int_equal(real_mesh(real)->counts.lost_patience, 1);
	/* And the peer is asked where it stands. */
	assert_int_equal(puppet_count(puppet, FRAME_INDEX), 1);
	puppet_ack(puppet, own_stream(real, LANE_PEOPLE), own_end(real));
	puppet_forget(puppet);
	scene_pass(scene, 30000);
	assert_int_equal(puppet_count(puppet, FRAME_BATCH), 0);
	/* However long nothing was under way, what is sent then has as much time. */
	real_write(real, 10, 0);
	puppet_forget(puppet);
	scene_pass(scene, 9000);
	assert_int_equal(puppet_count(puppet, FRAME_BATCH), 0);
	scene_free(scene);
}

static void an_index_that_goes_back_begins_anew_from_there(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct vector vector = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		real_write(real, 10, 0);
	puppet_ack(puppet, own_stream(real, LANE_PEOPLE), own_end(real));
	puppet_forget(puppet);
	vector_set(&vector, own_stream(real, LANE_PEOPLE), (struct end){ 1, { { 1 } } });
	puppet_index(puppet, &vector, true);
	assert_int_equal(puppet_count(puppet, FRAME_BATCH), 2);
	vector_done(&vector);
	scene_free(scene);
}

/* Each would be in everybody's vector for good. */
static void a_members_starts_are_bounded(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct chain first = chain_of(scene, 1), other = chain_of(scene, 2);
	size_t most = PUSH_STARTS * LANES;
	struct id disk;

	(void)state;
	puppet_batch(puppet, chain_next(&first, 1, 1));
	for (uint64_t i = 1; i < 2 * most; i++) {
		struct chain chain = chain_of(scene, 1);

		chain.stream.start = 1000 + i;
		puppet_batch(puppet, chain_next(&chain, 1, 1));
		puppet_forget(puppet);
		if (i == most)
			disk = real_disk(real);
	}
	puppet_ignored(puppet, disk);
	assert_int_equal(real_mesh(real)->vector.count, most);
	/* Those that are there go on, and so does everybody else. */
	puppet_batch(puppet, chain_next(&first, 1, 1));
	assert_true(puppet_heard_end(puppet, first.stream, 2));
	puppet_batch(puppet, chain_next(&other, 1, 1));
	assert_int_equal(vector_seq(&real_mesh(real)->vector, other.stream), 1);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_in_order_are_merged_and_acknowledged),
		cmocka_unit_test(what_is_written_is_later_than_what_was_merged),
		cmocka_unit_test(a_duplicate_changes_nothing_and_is_acknowledged_again),
		cmocka_unit_test(behind_a_gap_nothing_is_taken_and_the_gap_is_told),
		cmocka_unit_test(what_strangers_wrote_is_not_taken_and_what_evicted_members_wrote_waits),
		cmocka_unit_test(a_wrong_signature_ends_the_link),
		cmocka_unit_test(a_batch_of_another_cluster_ends_the_link),
		cmocka_unit_test(what_is_no_batch_ends_the_link),
		cmocka_unit_test(two_batches_for_one_place_close_the_start),
		cmocka_unit_test(a_batch_behind_another_chain_closes_the_start),
		cmocka_unit_test(a_forged_fork_ends_the_link_of_whoever_brings_it),
		cmocka_unit_test(a_batch_of_a_newer_version_waits),
		cmocka_unit_test(void_entries_are_skipped),
		cmocka_unit_test(what_is_written_is_pushed_to_all_at_once_and_once),
		cmocka_unit_test(nothing_is_pushed_before_the_peer_says_where_it_stands),
		cmocka_unit_test(the_window_holds_until_something_is_acknowledged),
		cmocka_unit_test(what_is_never_acknowledged_is_sent_again),
		cmocka_unit_test(an_index_that_goes_back_begins_anew_from_there),
		cmocka_unit_test(a_members_starts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
