/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/carry.h"
#include "tests/unit/gossip/puppet.h"

#include "crdt/state/index.h"

/* Snapshots over links: asked for, given, given up, and borne out by others. */

static struct mesh *mesh_of(const struct real *real)
{
	return carry_mesh(real);
}

static void begin(struct real *real, uint32_t donor)
{
	snapshot_begin(mesh_of(real), mesh_peer(mesh_of(real), scene_node(real->scene, donor)));
	assert_int_equal(real_commit(real), OK);
}

static enum snapshot_stage stage_of(const struct real *real)
{
	return real_mesh(real)->snapshot.stage;
}

static void write_some(struct real *real, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		real_write(real, 700, 0);
		real_forget(real);
	}
}

/* Two of `members` that have the same, and a link. */
struct pair {
	struct scene *scene;
	struct real *donor, *to;
	struct wire *wire;
};

static struct pair make_pair(uint32_t members, size_t writes)
{
	struct pair pair = { .scene = scene_new(members) };

	pair.donor = real_boot(pair.scene, 0);
	pair.to = real_boot(pair.scene, 1);
	pair.wire = scene_meet(pair.scene, pair.donor, pair.to);
	scene_carry(pair.scene);
	write_some(pair.donor, writes);
	scene_pass(pair.scene, 5000);
	assert_true(vector_equal(&real_mesh(pair.donor)->vector, &real_mesh(pair.to)->vector));
	return pair;
}

/* The node puts it in place when it is whole. */
static void take(struct pair *pair, enum snapshot_way way)
{
	uint64_t commits = real_mesh(pair->to)->commits;

	mesh_of(pair->to)->recovery.need = way == SNAPSHOT_JOIN ? RECOVERY_JOIN : RECOVERY_REPLACE;
	begin(pair->to, 0);
	assert_int_equal(stage_of(pair->to), SNAPSHOT_COMES);
	scene_carry(pair->scene);
	assert_int_equal(stage_of(pair->to), SNAPSHOT_NONE);
	assert_true(real_mesh(pair->to)->commits > commits);
	assert_true(real_mesh(pair->to)->snapshot.is_unproven);
	real_check(pair->to);
}

static void a_snapshot_comes_over_a_link(void **state)
{
	(void)state;
	for (enum snapshot_way way = SNAPSHOT_JOIN; way <= SNAPSHOT_REPLACE; way++) {
		struct pair pair = make_pair(2, 400);
		struct id root = hash_id(&(struct bytes){ (const uint8_t *)real_mesh(pair.to)->root.buckets,
							  sizeof real_mesh(pair.to)->root.buckets },
					 1);

		take(&pair, way);
		assert_true(vector_equal(&real_mesh(pair.donor)->vector, &real_mesh(pair.to)->vector));
		assert_true(id_equal(root, hash_id(&(struct bytes){ (const uint8_t *)real_mesh(pair.to)->root.buckets,
								    sizeof real_mesh(pair.to)->root.buckets },
						   1)));
		assert_int_equal(pair.to->alarms_count + pair.donor->alarms_count, 0);
		scene_free(pair.scene);
	}
}

/* The taker's disk as it was before its last writes, which the donor has. */
static void put_back(struct pair *pair)
{
	struct mem_disk *copy;

	scene_cut(pair->wire);
	real_end(pair->to);
	copy = mem_disk_clone(pair->scene->disks[1]);
	pair->to = real_boot(pair->scene, 1);
	pair->wire = scene_meet(pair->scene, pair->to, pair->donor);
	scene_pass(pair->scene, 2000);
	write_some(pair->to, 2);
	scene_pass(pair->scene, 2000);
	scene_cut(pair->wire);
	real_end(pair->to);
	mem_disk_restore(pair->scene->disks[1], copy);
	mem_disk_free(copy);
	pair->to = real_boot(pair->scene, 1);
}

/* Its token could not name it. */
static void what_the_new_state_does_not_show_is_no_success(void **state)
{
	struct pair pair = make_pair(3, 5);
	const struct answered *answer;
	uint64_t number;

	(void)state;
	put_back(&pair);
	/* Nobody answers, so it goes on with what it has. */
	scene_pass(pair.scene, 25000);
	write_some(pair.to, 6);
	carry_shrink(pair.to);
	number = real_write(pair.to, 10, 2);
	assert_null(real_answer(pair.to, number));
	mesh_of(pair.to)->recovery.need = RECOVERY_REPLACE;
	pair.wire = scene_meet(pair.scene, pair.to, pair.donor);
	scene_carry(pair.scene);
	begin(pair.to, 0);
	scene_carry(pair.scene);
	assert_int_equal(real_mesh(pair.to)->counts.replaced, 1);
	answer = real_answer(pair.to, number);
	assert_non_null(answer);
	assert_int_equal(answer->code, E_BUSY);
	assert_non_null(strstr(answer->text, "taken over the state"));
	scene_free(pair.scene);
}

/* What the donor had of it is no less done for what came after it, in another history. */
static void what_the_new_state_shows_goes_on(void **state)
{
	struct pair pair = make_pair(3, 5);
	struct chain twin = chain_of(pair.scene, 1);
	uint64_t number = real_write(pair.to, 10, 2);

	(void)state;
	scene_pass(pair.scene, 1000);
	scene_cut(pair.wire);
	twin.end = *vector_find(&real_mesh(pair.donor)->vector, twin.stream);
	puppet_batch(puppet_member(pair.donor, 2), chain_next(&twin, 1, 10));
	assert_true(vector_has(&real_mesh(pair.donor)->vector, twin.stream, twin.end));
	/* Of its own not all is there any more, so the rest waits. */
	write_some(pair.to, 6);
	carry_shrink(pair.to);
	write_some(pair.to, 1);
	carry_whole(pair.donor, pair.to);
	mesh_of(pair.to)->recovery.need = RECOVERY_REPLACE;
	assert_int_equal(real_commit(pair.to), OK);
	assert_int_equal(real_mesh(pair.to)->counts.replaced, 1);
	assert_true(real_mesh(pair.to)->waiting.total > 0);
	scene_pass(pair.scene, 5000);
	assert_int_equal(real_answer(pair.to, number)->code, OK);
	assert_int_equal(real_answer(pair.to, number)->copies, 1);
	scene_free(pair.scene);
}

/* Where the donor knows more of what this member wrote, others may know still more. */
static void after_joining_who_wrote_more_a_fresh_start_begins(void **state)
{
	(void)state;
	for (int is_old = 0; is_old < 2; is_old++) {
		struct pair pair = make_pair(3, 5);
		struct stream own = { real_mesh(pair.to)->node, 1, LANE_PEOPLE };

		if (is_old)
			put_back(&pair);
		else
			scene_cut(pair.wire);
		/* Nobody answers, so it goes on with what it has. */
		scene_pass(pair.scene, 25000);
		carry_whole(pair.donor, pair.to);
		mesh_of(pair.to)->recovery.need = RECOVERY_JOIN;
		assert_int_equal(real_commit(pair.to), OK);
		assert_int_equal(real_mesh(pair.to)->counts.joined, 1);
		assert_int_equal(vector_seq(&real_mesh(pair.to)->vector, own), is_old ? 2 : 0);
		assert_int_equal(real_mesh(pair.to)->author.start != 1, is_old);
		real_check(pair.to);
		scene_free(pair.scene);
	}
}

static void who_has_just_joined_does_not_at_once_again(void **state)
{
	struct pair pair = make_pair(3, 5);
	struct mesh *mesh = mesh_of(pair.to);
	struct stream stream = { scene_node(pair.scene, 0), 1, LANE_PEOPLE };
	const struct link *link;

	(void)state;
	take(&pair, SNAPSHOT_JOIN);
	link = mesh_peer(mesh, scene_node(pair.scene, 0))->link;
	recover_gone(mesh, link, stream);
	assert_int_equal(mesh->recovery.need, RECOVERY_NONE);
	scene_pass(pair.scene, RECOVER_PAUSE / MS);
	recover_gone(mesh, link, stream);
	assert_int_equal(mesh->recovery.need, RECOVERY_JOIN);
	scene_free(pair.scene);
}

/* --- Witnesses. */

static void with_one_donor_there_is_nobody_to_ask(void **state)
{
	struct pair pair = make_pair(2, 5);

	(void)state;
	take(&pair, SNAPSHOT_REPLACE);
	assert_true(real_mesh(pair.to)->snapshot.is_unproven);
	scene_pass(pair.scene, 3000);
	assert_false(real_mesh(pair.to)->snapshot.is_unproven);
	real_end(pair.to);
	pair.to = real_boot(pair.scene, 1);
	assert_false(real_mesh(pair.to)->snapshot.is_unproven);
	scene_free(pair.scene);
}

static void others_bear_it_out(void **state)
{
	struct pair pair = make_pair(4, 5);
	struct real *third;

	(void)state;
	take(&pair, SNAPSHOT_REPLACE);
	scene_pass(pair.scene, 20000);
	/* The donor itself, and those who are away, bear out nothing; and a restart forgets nothing. */
	assert_true(real_mesh(pair.to)->snapshot.is_unproven);
	scene_cut(pair.wire);
	real_end(pair.to);
	pair.to = real_boot(pair.scene, 1);
	assert_true(real_mesh(pair.to)->snapshot.is_unproven);
	assert_int_equal(real_mesh(pair.to)->snapshot.sources.count, 1);
	assert_int_equal(real_mesh(pair.to)->snapshot.sources.all[0], scene_node(pair.scene, 0));
	scene_meet(pair.scene, pair.donor, pair.to);
	third = real_boot(pair.scene, 2);
	scene_meet(pair.scene, third, pair.to);
	scene_pass(pair.scene, 20000);
	assert_true(real_mesh(pair.to)->snapshot.is_unproven);
	assert_int_equal(real_mesh(pair.to)->snapshot.witnesses_count, 1);
	/* Asked once more they are no more, and the donor is none. */
	for (size_t i = 0; i < real_mesh(pair.to)->peers_count; i++)
		if (real_mesh(pair.to)->peers[i]->link)
			link_owe(mesh_of(pair.to), real_mesh(pair.to)->peers[i]->link, OWED_TABLE_ASK);
	assert_int_equal(real_commit(pair.to), OK);
	scene_carry(pair.scene);
	assert_int_equal(real_mesh(pair.to)->snapshot.witnesses_count, 1);
	assert_true(real_mesh(pair.to)->snapshot.is_unproven);
	/* The fourth comes in the third's place. */
	real_end(pair.donor);
	pair.donor = real_boot(pair.scene, 3);
	scene_meet(pair.scene, pair.donor, pair.to);
	scene_pass(pair.scene, 20000);
	assert_false(real_mesh(pair.to)->snapshot.is_unproven);
	scene_free(pair.scene);
}

/* A member whose disk lost a record, and does not know. */
static void spoil(struct real *real)
{
	struct mesh *mesh = mesh_of(real);
	struct bytes prefix = bytes_of(&(uint8_t){ TABLE_RECORD }, 1), key, value;
	uint8_t room[RECORD_KEY_SIZE];
	struct store_cursor *cursor;
	struct store_txn *txn;
	uint32_t kind;
	struct id id;

	assert_int_equal(store_begin(real->store, &txn, NULL), OK);
	assert_int_equal(store_range(txn, prefix, bytes_of(NULL, 0), &cursor, NULL), OK);
	assert_int_equal(store_next(cursor, &key, &value, NULL), OK);
	assert_true(record_key_read(key, &kind, &id));
	root_change(&mesh->root, kind, id, value, bytes_of(NULL, 0));
	memcpy(room, key.data, sizeof room);
	store_range_end(cursor);
	assert_int_equal(store_delete(txn, bytes_of(room, sizeof room), NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
}

static void who_differs_bears_out_nothing(void **state)
{
	struct pair pair = make_pair(3, 5);
	struct real *third = real_boot(pair.scene, 2);

	(void)state;
	scene_meet(pair.scene, third, pair.to);
	scene_pass(pair.scene, 5000);
	spoil(third);
	take(&pair, SNAPSHOT_REPLACE);
	scene_pass(pair.scene, 20000);
	assert_true(real_mesh(pair.to)->snapshot.is_unproven);
	assert_true(real_mesh(pair.to)->counts.root_differed > 0);
	scene_free(pair.scene);
}

/* --- Donors that go away. */

static void a_donor_that_is_gone_is_given_up(void **state)
{
	struct pair pair = make_pair(3, 400);
	struct snapshot *snapshot = &mesh_of(pair.to)->snapshot;

	(void)state;
	begin(pair.to, 2);
	assert_int_equal(stage_of(pair.to), SNAPSHOT_FAILED);
	assert_string_equal(snapshot->why, "there is no link to it");
	begin(pair.to, 0);
	assert_int_equal(stage_of(pair.to), SNAPSHOT_COMES);
	scene_cut(pair.wire);
	assert_int_equal(stage_of(pair.to), SNAPSHOT_FAILED);
	assert_string_equal(snapshot->why, "the link to it is gone");
	assert_int_equal(snapshot->taker.stage, TAKER_IDLE);
	/* It is begun again, and with another link it comes. */
	pair.wire = scene_meet(pair.scene, pair.donor, pair.to);
	scene_pass(pair.scene, 5000);
	take(&pair, SNAPSHOT_JOIN);
	scene_free(pair.scene);
}

static void a_donor_that_is_silent_is_given_up(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 1);
	struct puppet *puppet = puppet_member(real, 0);

	(void)state;
	begin(real, 0);
	assert_int_equal(puppet_count(puppet, FRAME_SNAP_ASK), 1);
	scene_pass(scene, 9000);
	assert_int_equal(stage_of(real), SNAPSHOT_COMES);
	scene_pass(scene, 2500);
	assert_int_equal(stage_of(real), SNAPSHOT_FAILED);
	assert_string_equal(real_mesh(real)->snapshot.why, "it is silent");
	scene_free(scene);
}

static void say_chunk(struct puppet *puppet, uint32_t number, struct bytes entries)
{
	struct snap_front front = { .number = number, .part = SNAP_RECORDS, .next = { .part = SNAP_PARTS } };

	frame_put_snap(&puppet->frame, &front, entries);
	puppet_say(puppet);
}

static void an_evil_donor_is_cut_off(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 1);
	struct puppet *puppet = puppet_member(real, 0), *other = puppet_member(real, 2);
	struct id disk = real_disk(real);
	struct buf entries = buf_growing(1000);
	struct snap_entry entry = { bytes_text("123456789012345678"), bytes_text("no record") };
	uint32_t number;

	(void)state;
	frame_put_entry(&entries, &entry);
	/* What nobody asked for is left aside. */
	say_chunk(puppet, 1, buf_bytes(&entries));
	puppet_ignored(puppet, disk);
	begin(real, 0);
	number = puppet_last(puppet, FRAME_SNAP_ASK)->snap_ask.number;
	say_chunk(puppet, number + 1, buf_bytes(&entries));
	say_chunk(puppet, number - 1, buf_bytes(&entries));
	puppet_ignored(puppet, disk);
	/* Nor what comes of another; and that one may go. */
	say_chunk(other, number, buf_bytes(&entries));
	puppet_ignored(other, disk);
	puppet_hang_up(other);
	assert_int_equal(stage_of(real), SNAPSHOT_COMES);
	say_chunk(puppet, number, buf_bytes(&entries));
	assert_int_equal(stage_of(real), SNAPSHOT_FAILED);
	assert_true(puppet_was_told(puppet, BYE_BROKE));
	assert_true(id_equal(disk, real_disk(real)));
	real_check(real);
	buf_done(&entries);
	scene_free(scene);
}

/* --- Takers. */

static void say_ask(struct puppet *puppet, uint32_t number, uint8_t chunks, enum snap_part part, struct bytes key)
{
	struct snap_place from = { part, key };

	frame_put_snap_ask(&puppet->frame, number, chunks, &from);
}

static void a_donor_answers_from_any_place(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet;
	size_t chunks = 0, records = 0;
	struct snap_place at = { .part = SNAP_STABLE };
	uint8_t key[FRAME_SNAP_KEY_MAX];

	(void)state;
	write_some(real, 300);
	puppet = puppet_member(real, 1);
	for (uint32_t number = 0; at.part < SNAP_PARTS; number++, chunks++) {
		const struct frame *frame;
		struct snap_entry entry;
		struct reader from;

		puppet_forget(puppet);
		say_ask(puppet, number, 1, at.part, at.key);
		puppet_say(puppet);
		assert_int_equal(puppet_count(puppet, FRAME_SNAP), 1);
		frame = puppet_last(puppet, FRAME_SNAP);
		assert_true(frame->snap.number == number && !frame->snap.left);
		for (from = frame->snap.entries; frame_next_entry(&from, &entry);)
			records += frame->snap.part == SNAP_RECORDS;
		if (frame->snap.part == SNAP_RECORDS)
			assert_int_equal(frame->snap.total, 600);
		memcpy(key, frame->snap.next.key.data, frame->snap.next.key.size);
		at = (struct snap_place){ frame->snap.next.part, bytes_of(key, frame->snap.next.key.size) };
	}
	assert_int_equal(records, 600);
	assert_true(chunks > 6);
	scene_free(scene);
}

/* The first entry of a part from a key on, as the donor answers; its key, into `key`. */
static size_t first_key(struct puppet *puppet, enum snap_part part, struct bytes from, uint8_t *key)
{
	struct snap_entry entry;
	struct reader entries;

	puppet_forget(puppet);
	say_ask(puppet, 1, 1, part, from);
	puppet_say(puppet);
	assert_int_equal(puppet_count(puppet, FRAME_SNAP), 1);
	entries = puppet_last(puppet, FRAME_SNAP)->snap.entries;
	assert_int_equal(puppet_last(puppet, FRAME_SNAP)->snap.part, part);
	assert_true(frame_next_entry(&entries, &entry));
	memcpy(key, entry.key.data, entry.key.size);
	return entry.key.size;
}

static void a_window_begins_with_its_place(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet;

	(void)state;
	write_some(real, 3);
	carry_put_stable(real);
	carry_put_proof(real, 2, 1);
	puppet = puppet_member(real, 1);
	for (enum snap_part part = SNAP_STABLE; part < SNAP_PARTS; part++) {
		uint8_t key[FRAME_SNAP_KEY_MAX], again[FRAME_SNAP_KEY_MAX];
		size_t size = first_key(puppet, part, bytes_of(NULL, 0), key);

		assert_int_equal(first_key(puppet, part, bytes_of(key, size), again), size);
		assert_memory_equal(key, again, size);
	}
	scene_free(scene);
}

/* However often it is asked in one go, it answers once, and no more than it may. */
static void a_donor_is_not_flooded(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet;

	(void)state;
	write_some(real, 700);
	puppet = puppet_member(real, 1);
	puppet_forget(puppet);
	for (uint32_t number = 1; number <= 50; number++) {
		say_ask(puppet, number, 4, SNAP_RECORDS, bytes_of(NULL, 0));
		session_send(puppet->session, buf_bytes(&puppet->frame), &puppet->out);
		buf_clear(&puppet->frame);
	}
	say_ask(puppet, 51, 4, SNAP_RECORDS, bytes_of(NULL, 0));
	puppet_say(puppet);
	assert_int_equal(puppet_count(puppet, FRAME_SNAP), 4);
	assert_int_equal(puppet_last(puppet, FRAME_SNAP)->snap.number, 51);
	scene_free(scene);
}

static void a_place_that_is_none_breaks_the_link(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);

	(void)state;
	say_ask(puppet, 1, 4, SNAP_LOG, bytes_text("no place"));
	puppet_say(puppet);
	assert_true(puppet_was_told(puppet, BYE_BROKE));
	real_check(real);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_comes_over_a_link),
		cmocka_unit_test(what_the_new_state_does_not_show_is_no_success),
		cmocka_unit_test(what_the_new_state_shows_goes_on),
		cmocka_unit_test(after_joining_who_wrote_more_a_fresh_start_begins),
		cmocka_unit_test(who_has_just_joined_does_not_at_once_again),
		cmocka_unit_test(with_one_donor_there_is_nobody_to_ask),
		cmocka_unit_test(others_bear_it_out),
		cmocka_unit_test(who_differs_bears_out_nothing),
		cmocka_unit_test(a_donor_that_is_gone_is_given_up),
		cmocka_unit_test(a_donor_that_is_silent_is_given_up),
		cmocka_unit_test(an_evil_donor_is_cut_off),
		cmocka_unit_test(a_donor_answers_from_any_place),
		cmocka_unit_test(a_window_begins_with_its_place),
		cmocka_unit_test(a_donor_is_not_flooded),
		cmocka_unit_test(a_place_that_is_none_breaks_the_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
