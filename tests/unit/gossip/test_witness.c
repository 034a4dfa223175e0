/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/carry.h"
#include "tests/unit/gossip/puppet.h"

#include "crdt/state/index.h"

/* Who bears out a state that came from others: a real member (key 0), and puppets (1 and on) that say whose theirs is.
 */
struct court {
	struct scene *scene;
	struct real *real;
	struct puppet *puppets[SCENE_KEYS];
};

static struct mesh *mesh_of(const struct court *court)
{
	return carry_mesh(court->real);
}

/* A list of keys, up to the first that is none. */
enum { END = -1, MOST = 4 };

static struct sources sources_of(const struct court *court, const int keys[MOST])
{
	struct sources sources = { 0 };

	for (size_t i = 0; i < MOST && keys[i] != END; i++)
		sources_add(&sources, scene_node(court->scene, (uint32_t)keys[i]));
	return sources;
}

#define OF(...) sources_of(&court, (const int[MOST]){ __VA_ARGS__ })

/* So many members, and the real one's state is of these. */
static struct court court_of(uint32_t members, const int keys[MOST])
{
	struct court court = { .scene = scene_new(members) };

	court.real = real_boot(court.scene, 0);
	for (uint32_t k = 1; k < members; k++)
		court.puppets[k] = puppet_member(court.real, k);
	mesh_of(&court)->snapshot.is_unproven = true;
	mesh_of(&court)->snapshot.sources = sources_of(&court, keys);
	return court;
}

#define COURT(members, ...) court_of(members, (const int[MOST]){ __VA_ARGS__ })

/* It weighs what the real one does. */
static void weigh(struct court *court, uint32_t key, struct sources sources)
{
	const struct mesh *mesh = real_mesh(court->real);
	struct puppet *puppet = court->puppets[key];
	uint8_t room[ROOT_SIZE];
	struct buf table = buf_over(room, sizeof room);

	for (size_t i = 0; i < ROOT_BUCKETS; i++) {
		buf_put_big_endian(&table, mesh->root.buckets[i].low, 8);
		buf_put_big_endian(&table, mesh->root.buckets[i].high, 8);
	}
	frame_put_bucket_table(&puppet->frame, mesh->vector.sum, &sources, buf_bytes(&table));
	puppet_say(puppet);
}

static bool is_proven(const struct court *court)
{
	return !real_mesh(court->real)->snapshot.is_unproven;
}

/* One that lies gave it to everybody. */
static void who_has_it_from_the_same_one_is_no_witness(void **state)
{
	struct court court = COURT(5, 1, END);
	struct bytes eviction = scene_evict(court.scene, 1, 0);

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		for (uint32_t k = 2; k < 5; k++)
			weigh(&court, k, OF(1, END));
		weigh(&court, 1, OF(END));
		scene_pass(court.scene, 1000);
		assert_false(is_proven(&court));
	}
	assert_int_equal(court.real->alarms_count, 0);
	scene_pass(court.scene, 15000);
	assert_int_equal(court.real->alarms_count, 1);
	assert_non_null(strstr(court.real->alarms[0], "all others have their state from member"));
	/* What the operator leaves in place stands. */
	real_bring(court.real, &eviction, 1);
	weigh(&court, 2, OF(1, END));
	assert_false(is_proven(&court));
	weigh(&court, 3, OF(1, END));
	assert_true(is_proven(&court));
	assert_int_equal(real_mesh(court.real)->snapshot.sources.count, 0);
	scene_free(court.scene);
}

/* By way of others, and with more than that. */
static void who_has_some_of_it_from_the_same_one_is_no_witness(void **state)
{
	struct court court = COURT(6, 1, 2, END);

	(void)state;
	weigh(&court, 3, OF(2, END));
	weigh(&court, 4, OF(1, 3, END));
	weigh(&court, 5, OF(0, END));
	weigh(&court, 5, OF(0, 4, END));
	assert_int_equal(real_mesh(court.real)->snapshot.witnesses_count, 0);
	mesh_of(&court)->snapshot.sources = OF(1, END);
	weigh(&court, 3, OF(2, END));
	assert_int_equal(real_mesh(court.real)->snapshot.witnesses_count, 1);
	weigh(&court, 4, (struct sources){ .count = 1 });
	assert_int_equal(real_mesh(court.real)->snapshot.witnesses_count, 1);
	assert_false(is_proven(&court));
	weigh(&court, 4, OF(2, 3, END));
	assert_true(is_proven(&court));
	scene_free(court.scene);
}

/* Two disks of four were put back. */
static void those_who_can_are_enough(void **state)
{
	struct court court = COURT(4, 1, END);

	(void)state;
	weigh(&court, 3, OF(END));
	scene_pass(court.scene, 3000);
	assert_false(is_proven(&court));
	weigh(&court, 2, OF(1, END));
	scene_pass(court.scene, 3000);
	assert_true(is_proven(&court));
	scene_free(court.scene);
}

/* Two disks of three: there is nobody else. */
static void of_three_the_only_other_one_is_a_witness(void **state)
{
	struct court court = COURT(3, 1, END);

	(void)state;
	weigh(&court, 1, OF(END));
	assert_false(is_proven(&court));
	weigh(&court, 2, OF(1, END));
	assert_true(is_proven(&court));
	scene_free(court.scene);
}

static struct sources first(struct sources sources)
{
	sources.is_first = true;
	return sources;
}

/* Where a cluster is made of one by letting in many at once, nobody else has ever had anything. */
static void those_who_have_just_joined_bear_out_each_other(void **state)
{
	struct court court = COURT(4, 1, END);

	(void)state;
	mesh_of(&court)->snapshot.sources.is_first = true;
	weigh(&court, 2, first(OF(1, END)));
	weigh(&court, 3, OF(1, END));
	scene_pass(court.scene, 3000);
	assert_false(is_proven(&court));
	weigh(&court, 3, first(OF(1, END)));
	weigh(&court, 2, first(OF(1, END)));
	assert_true(is_proven(&court));
	/* Who had something before needs one that is independent. */
	mesh_of(&court)->snapshot.is_unproven = true;
	mesh_of(&court)->snapshot.sources = OF(1, END);
	mesh_of(&court)->snapshot.witnesses_count = 0;
	weigh(&court, 3, first(OF(1, END)));
	weigh(&court, 2, first(OF(1, END)));
	scene_pass(court.scene, 3000);
	assert_false(is_proven(&court));
	scene_free(court.scene);
}

static void two_sources_bear_out_each_other_when_they_are_proven(void **state)
{
	struct court court = COURT(4, 1, 2, END);

	(void)state;
	weigh(&court, 3, OF(1, END));
	weigh(&court, 1, OF(END));
	weigh(&court, 2, OF(1, END));
	assert_int_equal(real_mesh(court.real)->snapshot.witnesses_count, 1);
	assert_false(is_proven(&court));
	weigh(&court, 2, OF(END));
	assert_true(is_proven(&court));
	scene_free(court.scene);
}

/* It would lower what is needed, and have spoken. */
static void who_says_that_it_is_none_has_never_been_one(void **state)
{
	struct court court = COURT(5, 1, 2, END);

	(void)state;
	weigh(&court, 1, OF(END));
	weigh(&court, 2, OF(3, END));
	weigh(&court, 3, OF(1, END));
	assert_int_equal(real_mesh(court.real)->snapshot.witnesses_count, 1);
	weigh(&court, 1, OF(3, END));
	scene_pass(court.scene, 3000);
	assert_int_equal(real_mesh(court.real)->snapshot.witnesses_count, 0);
	assert_false(is_proven(&court));
	scene_free(court.scene);
}

static void who_is_unproven_says_so(void **state)
{
	struct court court = COURT(5, 1, 2, END);
	const struct sources *said;

	(void)state;
	frame_put_bucket_ask(&court.puppets[3]->frame, true, 0);
	puppet_say(court.puppets[3]);
	said = &puppet_last(court.puppets[3], FRAME_BUCKET)->bucket.sources;
	assert_int_equal(said->count, 2);
	assert_true(sources_have(said, scene_node(court.scene, 1)) && sources_have(said, scene_node(court.scene, 2)));
	scene_free(court.scene);
}

/* --- Whose a state is. */

/* Three that have the same; the first is unproven, and its state of keys 1 and 3. */
static void what_an_unproven_one_gives_is_of_its_sources_too(void **state)
{
	(void)state;
	for (enum snapshot_way way = SNAPSHOT_JOIN; way <= SNAPSHOT_REPLACE; way++) {
		struct scene *scene = scene_new(6);
		struct real *donor = real_boot(scene, 0), *to = real_boot(scene, 1);
		const struct snapshot *snapshot;

		scene_meet(scene, donor, to);
		scene_pass(scene, 5000);
		carry_mesh(donor)->snapshot.is_unproven = true;
		sources_add(&carry_mesh(donor)->snapshot.sources, scene_node(scene, 1));
		sources_add(&carry_mesh(donor)->snapshot.sources, scene_node(scene, 3));
		carry_mesh(to)->snapshot.is_unproven = true;
		sources_add(&carry_mesh(to)->snapshot.sources, scene_node(scene, 4));
		carry_mesh(to)->recovery.need = way == SNAPSHOT_JOIN ? RECOVERY_JOIN : RECOVERY_REPLACE;
		snapshot_begin(carry_mesh(to), mesh_peer(real_mesh(to), scene_node(scene, 0)));
		assert_int_equal(real_commit(to), OK);
		scene_carry(scene);
		assert_int_equal(real_mesh(to)->counts.joined + real_mesh(to)->counts.replaced, 1);
		snapshot = &real_mesh(to)->snapshot;
		assert_true(snapshot->is_unproven);
		assert_int_equal(snapshot->sources.count, way == SNAPSHOT_JOIN ? 3 : 2);
		assert_true(sources_have(&snapshot->sources, scene_node(scene, 0)));
		assert_true(sources_have(&snapshot->sources, scene_node(scene, 3)));
		assert_int_equal(sources_have(&snapshot->sources, scene_node(scene, 4)), way == SNAPSHOT_JOIN);
		scene_free(scene);
	}
}

/* --- Sets of sources. */

static void sources_ascend_and_are_bounded(void **state)
{
	static const uint64_t nodes[] = { 5, 3, 9, 3, 7, 1, 8, 2, 6, 5 };
	struct sources sources = { 0 }, other = { .all = { 4 }, .count = 1 }, nobody = { 0 }, anybody = { .count = 1 };

	(void)state;
	for (size_t i = 0; i < COUNT(nodes); i++)
		sources_add(&sources, nodes[i]);
	assert_int_equal(sources.count, SOURCES_MAX);
	for (size_t i = 1; i < sources.count; i++)
		assert_true(sources.all[i - 1] < sources.all[i]);
	assert_true(sources_have(&sources, 9) && !sources_have(&sources, 4));
	assert_true(sources_are_many(&sources) && !sources_are_many(&other) && !sources_are_many(&nobody));
	assert_false(sources_meet(&sources, &other));
	sources_add(&other, 6);
	assert_true(sources_meet(&sources, &other) && sources_meet(&other, &sources));
	/* One too many: anybody's. */
	sources_add(&sources, 4);
	assert_int_equal(sources.count, 1);
	assert_true(sources_have(&sources, 77) && sources_are_many(&anybody));
	assert_true(sources_meet(&other, &anybody) && sources_meet(&anybody, &other));
	assert_false(sources_meet(&nobody, &anybody) || sources_meet(&anybody, &nobody));
	sources_add(&sources, 4);
	assert_int_equal(sources.count, 1);
}

static void a_table_whose_sources_do_not_ascend_is_refused(void **state)
{
	static const struct sources wrong[] = { { .all = { 7, 7 }, .count = 2 },
						{ .all = { 7, 6 }, .count = 2 },
						{ .all = { 0, 7 }, .count = 2 } };
	static const struct sources right[] = { { .count = 1 }, { .all = { 6, 7 }, .count = 2 }, { .count = 0 } };
	static const struct sources nothing = { .is_first = true };
	static const uint8_t table[FRAME_TABLE_SIZE];
	struct buf out = buf_growing(1 << 17);
	struct stream_table told = { 0 };
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		buf_clear(&out);
		frame_put_bucket_table(&out, (struct sum){ 1, 2 }, &wrong[i], bytes_of(table, sizeof table));
		assert_int_equal(frame_read(buf_bytes(&out), LINK_MEMBER, &told, &frame, NULL), E_FORM);
		buf_clear(&out);
		frame_put_bucket_table(&out, (struct sum){ 1, 2 }, &right[i], bytes_of(table, sizeof table));
		assert_int_equal(frame_read(buf_bytes(&out), LINK_MEMBER, &told, &frame, NULL), OK);
		assert_int_equal(frame.bucket.sources.count, right[i].count);
	}
	buf_clear(&out);
	frame_put_bucket_table(&out, (struct sum){ 1, 2 }, &nothing, bytes_of(table, sizeof table));
	assert_int_equal(frame_read(buf_bytes(&out), LINK_MEMBER, &told, &frame, NULL), E_FORM);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_it_from_the_same_one_is_no_witness),
		cmocka_unit_test(who_has_some_of_it_from_the_same_one_is_no_witness),
		cmocka_unit_test(those_who_can_are_enough),
		cmocka_unit_test(of_three_the_only_other_one_is_a_witness),
		cmocka_unit_test(those_who_have_just_joined_bear_out_each_other),
		cmocka_unit_test(two_sources_bear_out_each_other_when_they_are_proven),
		cmocka_unit_test(who_says_that_it_is_none_has_never_been_one),
		cmocka_unit_test(who_is_unproven_says_so),
		cmocka_unit_test(what_an_unproven_one_gives_is_of_its_sources_too),
		cmocka_unit_test(sources_ascend_and_are_bounded),
		cmocka_unit_test(a_table_whose_sources_do_not_ascend_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
