/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

#include "crdt/state/index.h"

#include <stdio.h>

/* Equal vectors and another state: the comparison goes down to the record, and an alarm names it. */

/* Two nodes that have a few records in common. */
struct two {
	struct scene *scene;
	struct real *a, *b;
	struct wire *wire;
	struct id id;
};

static struct two make_two(void)
{
	struct two two = { .scene = scene_new(2) };
	uint64_t number = 0;

	two.a = real_boot(two.scene, 0);
	two.b = real_boot(two.scene, 1);
	two.wire = scene_meet(two.scene, two.a, two.b);
	scene_carry(two.scene);
	for (int i = 0; i < 40; i++)
		number = real_write(two.a, 10, 0);
	two.id = real_answer(two.a, number)->id;
	scene_pass(two.scene, 2000);
	assert_true(vector_equal(&real_mesh(two.a)->vector, &real_mesh(two.b)->vector));
	return two;
}

/* Takes a record away, and from the root what it weighs, behind the node's back: the process starts on that. */
static void spoil(struct two *two)
{
	struct mesh *mesh = (struct mesh *)(uintptr_t)real_mesh(two->b);
	uint8_t key[RECORD_KEY_SIZE];
	struct store_txn *txn;
	struct bytes record;

	record_key_write(KIND_setting, two->id, key);
	assert_int_equal(store_begin(two->b->store, &txn, NULL), OK);
	assert_int_equal(store_get(txn, bytes_of(key, sizeof key), &record, NULL), OK);
	root_change(&mesh->root, KIND_setting, two->id, record, bytes_of(NULL, 0));
	assert_int_equal(store_delete(txn, bytes_of(key, sizeof key), NULL), OK);
	assert_int_equal(store_commit(txn, NULL), OK);
}

static void a_record_that_differs_is_named(void **state)
{
	struct two two = make_two();
	char alarm[160];

	(void)state;
	spoil(&two);
	scene_pass(two.scene, 20000);
	snprintf(alarm, sizeof alarm,
		 "member %016llx has merged the same as this one and holds another state: comparing records",
		 (unsigned long long)scene_node(two.scene, 0));
	assert_true(real_has_alarm(two.b, alarm));
	snprintf(alarm, sizeof alarm, "a record of kind %d in bucket %d is another at member %016llx", KIND_setting,
		 two.id.bytes[0], (unsigned long long)scene_node(two.scene, 0));
	assert_true(real_has_alarm(two.b, alarm));
	assert_true(real_mesh(two.b)->counts.root_differed > 0);
	scene_free(two.scene);
}

static void equal_states_are_not_compared(void **state)
{
	struct two two = make_two();

	(void)state;
	scene_pass(two.scene, 60000);
	assert_int_equal(real_mesh(two.a)->counts.bucket + real_mesh(two.b)->counts.bucket, 0);
	assert_int_equal(two.a->alarms_count + two.b->alarms_count, 0);
	scene_free(two.scene);
}

static void read_table(const struct frame *frame, struct sum sums[ROOT_BUCKETS])
{
	struct reader r = reader_over(frame->bucket.table);

	for (size_t i = 0; i < ROOT_BUCKETS; i++) {
		sums[i].low = read_big_endian(&r, 8);
		sums[i].high = read_big_endian(&r, 8);
	}
}

static void table_and_bucket_are_told_as_they_are(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	struct sum sums[ROOT_BUCKETS];
	uint8_t bucket;

	(void)state;
	for (int i = 0; i < 20; i++)
		real_write(real, 10, 0);
	bucket = real_answer(real, 2)->id.bytes[0];
	frame_put_bucket_ask(&puppet->frame, true, 0);
	puppet_say(puppet);
	read_table(puppet_last(puppet, FRAME_BUCKET), sums);
	assert_int_equal(puppet_last(puppet, FRAME_BUCKET)->bucket.sources.count, 0);
	assert_memory_equal(sums, real_mesh(real)->root.buckets, sizeof sums);
	puppet_forget(puppet);
	frame_put_bucket_ask(&puppet->frame, false, bucket);
	puppet_say(puppet);
	assert_true(puppet_last(puppet, FRAME_BUCKET)->bucket.is_last);
	/* What is listed of a bucket weighs what the table says. */
	for (size_t i = 0; i < puppet->count; i++) {
		const struct frame *frame = &puppet->heard[i].frame;
		struct record_hash hash;
		struct reader list = frame->bucket.hashes;

		while (frame->kind == FRAME_BUCKET && frame_next_record(&list, &hash)) {
			assert_int_equal(hash.id.bytes[0], bucket);
			sum_take(&sums[bucket], hash.hash);
		}
	}
	assert_true(sum_equal(sums[bucket], (struct sum){ 0 }));
	scene_free(scene);
}

static void what_nobody_asked_for_changes_nothing(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	uint8_t table[FRAME_TABLE_SIZE] = { 1 };
	struct record_hash hash = { KIND_setting, { { 7 } }, { 1, 1 } };
	struct frame_list list;
	struct id disk;

	(void)state;
	real_write(real, 10, 0);
	disk = real_disk(real);
	puppet_forget(puppet);
	frame_put_bucket_table(&puppet->frame, (struct sum){ 1, 2 }, &(struct sources){ 0 },
			       bytes_of(table, sizeof table));
	puppet_say(puppet);
	list = frame_begin_bucket(&puppet->frame, (struct sum){ 1, 2 }, 7, true);
	assert_true(frame_put_record(&list, &hash));
	puppet_say(puppet);
	puppet_ignored(puppet, disk);
	/* Its vector is not ours, so nothing follows from what it says. */
	assert_int_equal(puppet_count(puppet, FRAME_BUCKET_ASK), 0);
	assert_int_equal(real->alarms_count, 0);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_that_differs_is_named),
		cmocka_unit_test(equal_states_are_not_compared),
		cmocka_unit_test(table_and_bucket_are_told_as_they_are),
		cmocka_unit_test(what_nobody_asked_for_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
