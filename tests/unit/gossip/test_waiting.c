/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/carry.h"
#include "tests/unit/gossip/puppet.h"

#include <inttypes.h>
#include <stdio.h>

/* Who may have how much of the room for what waits. */

enum { ROOM = 12 };

struct queue {
	struct scene *scene;
	struct real *real;
	struct puppet *puppet;          /* of key 1 */
	struct chain evil, sound, rows; /* of keys 2, 3 and 1 */
};

static void close_start(struct queue *queue, uint32_t key, uint64_t start)
{
	struct frame_list list = frame_begin_proofs(&queue->puppet->frame);
	uint8_t room[PROOF_MAX];
	struct buf out = buf_over(room, sizeof room);

	proof_write_own(&queue->scene->keys[key], queue->scene->cluster, start, &out);
	assert_true(frame_put_proof(&list, buf_bytes(&out)));
	puppet_say(queue->puppet);
}

/* The starts of two are closed, and one of them has filled the room with what no row will ever name. */
static struct queue queue_of(void)
{
	struct queue queue = { .scene = scene_new(4) };

	queue.real = real_boot(queue.scene, 0);
	carry_mesh(queue.real)->waiting.limit = ROOM * WAITING_LEAST;
	queue.puppet = puppet_member(queue.real, 1);
	queue.evil = chain_of(queue.scene, 2);
	queue.sound = chain_of(queue.scene, 3);
	queue.rows = chain_of(queue.scene, 1);
	queue.rows.stream.lane = LANE_URGENT;
	close_start(&queue, 2, 1);
	close_start(&queue, 3, 1);
	for (size_t i = 0; i < ROOM + 5; i++)
		puppet_batch(queue.puppet, chain_next(&queue.evil, 1, 10));
	assert_int_equal(real_mesh(queue.real)->waiting.total, ROOM);
	assert_int_equal(real_mesh(queue.real)->counts.waiting_full, 5);
	return queue;
}

static void assert_counted(const struct real *real)
{
	const struct waitings *waiting = &real_mesh(real)->waiting;
	struct store_txn *look;
	size_t sum = 0, size = 0;

	assert_int_equal(store_snapshot(real->store, &look, NULL), OK);
	assert_int_equal(store_count(look, TABLE_WAITING), waiting->total);
	store_end(look);
	for (size_t i = 0; i < waiting->count; i++)
		sum += waiting->all[i].count, size += waiting->all[i].size;
	assert_int_equal(sum, waiting->total);
	assert_int_equal(size, waiting->size);
	assert_true(size <= waiting->limit || !waiting->limit);
}

static void nobody_takes_all_the_room(void **state)
{
	struct queue queue = queue_of();
	const struct mesh *mesh = real_mesh(queue.real);
	struct vector ends = { 0 };

	(void)state;
	for (size_t i = 0; i < ROOM / 2; i++)
		puppet_batch(queue.puppet, chain_next(&queue.sound, 1, 10));
	assert_int_equal(mesh->counts.waiting_out, ROOM / 2);
	assert_counted(queue.real);
	vector_set(&ends, queue.sound.stream, queue.sound.end);
	puppet_batch(queue.puppet, chain_row(&queue.rows, 3, 1, &ends));
	assert_true(vector_has(&mesh->vector, queue.sound.stream, queue.sound.end));
	assert_int_equal(mesh->waiting.total, ROOM / 2);
	assert_counted(queue.real);
	real_check(queue.real);
	vector_done(&ends);
	scene_free(queue.scene);
}

/* And whoever has as much as the other gets no more of it. */
static void room_is_shared_by_halves(void **state)
{
	struct queue queue = queue_of();
	const struct mesh *mesh = real_mesh(queue.real);

	(void)state;
	for (size_t i = 0; i < 2 * ROOM; i++)
		puppet_batch(queue.puppet, chain_next(&queue.sound, 1, 10));
	assert_int_equal(mesh->counts.waiting_out, ROOM / 2);
	assert_int_equal(mesh->waiting.total, ROOM);
	assert_counted(queue.real);
	scene_free(queue.scene);
}

/* Whoever writes long ones has room for fewer of them. */
static void room_is_counted_in_bytes(void **state)
{
	struct queue queue = queue_of();
	const struct mesh *mesh = real_mesh(queue.real);

	(void)state;
	/* A little more than four take: five make way for it. */
	puppet_batch(queue.puppet, chain_next(&queue.sound, 60, 850));
	assert_int_equal(mesh->counts.waiting_out, 5);
	assert_int_equal(mesh->waiting.total, ROOM - 5 + 1);
	assert_counted(queue.real);
	/* With another one it would take more than whoever takes most. */
	puppet_batch(queue.puppet, chain_next(&queue.sound, 60, 850));
	assert_int_equal(mesh->counts.waiting_out, 5);
	assert_int_equal(mesh->waiting.total, ROOM - 5 + 1);
	/* A short one still goes. */
	puppet_batch(queue.puppet, chain_next(&queue.sound, 1, 10));
	assert_int_equal(mesh->counts.waiting_out, 6);
	assert_int_equal(mesh->waiting.total, ROOM - 5 + 1);
	assert_counted(queue.real);
	puppet_hang_up(queue.puppet);
	real_end(queue.real);
	queue.real = real_boot(queue.scene, 0);
	assert_int_equal(real_mesh(queue.real)->waiting.total, ROOM - 5 + 1);
	assert_counted(queue.real);
	scene_free(queue.scene);
}

/* A commit that failed, and a restart, leave the count as the disk has it. */
static void it_is_counted_anew(void **state)
{
	struct queue queue = queue_of();

	(void)state;
	mem_disk_full_at(queue.real->disk, 1);
	puppet_batch(queue.puppet, chain_next(&queue.sound, 1, 10));
	mem_disk_full_at(queue.real->disk, 0);
	assert_counted(queue.real);
	puppet_hang_up(queue.puppet);
	real_end(queue.real);
	queue.real = real_boot(queue.scene, 0);
	assert_int_equal(real_mesh(queue.real)->waiting.total, ROOM);
	assert_counted(queue.real);
	scene_free(queue.scene);
}

/* What was merged on a disk that was replaced may be nowhere else. */
static void what_was_had_is_not_pushed_out(void **state)
{
	struct queue queue = queue_of();
	struct mesh *mesh = carry_mesh(queue.real);

	(void)state;
	vector_note(&mesh->had, queue.evil.stream, queue.evil.end);
	for (size_t i = 0; i < ROOM / 2; i++)
		puppet_batch(queue.puppet, chain_next(&queue.sound, 1, 10));
	assert_int_equal(mesh->counts.waiting_out, 0);
	assert_int_equal(mesh->waiting.total, ROOM);
	assert_counted(queue.real);
	scene_free(queue.scene);
}

static struct queue queue_at_a_real_one(void)
{
	struct queue queue = { .scene = scene_new(4) };

	queue.real = real_boot(queue.scene, 0);
	queue.puppet = puppet_member(queue.real, 1);
	queue.rows = chain_of(queue.scene, 1);
	queue.rows.stream.lane = LANE_URGENT;
	return queue;
}

enum { MORE = CLOSED_BRANCHES_MAX + 10 };

/* More histories of that member's first start than anybody takes. *ret_next goes on with one of those that are taken.
 */
static void write_histories(struct queue *queue, uint32_t key, struct chain *ret_first, struct bytes *ret_next)
{
	struct bytes wholes[MORE];
	struct vector ends = { 0 };

	close_start(queue, key, 1);
	for (uint32_t i = 0; i < MORE; i++) {
		struct chain branch = chain_of(queue->scene, key);

		wholes[i] = chain_next(&branch, 1 + i, 10);
		vector_note_more(&ends, branch.stream, branch.end);
		if (!i)
			*ret_first = branch;
	}
	*ret_next = chain_next(ret_first, 1, 10);
	vector_note_more(&ends, ret_first->stream, ret_first->end);
	puppet_batch(queue->puppet, chain_row(&queue->rows, key, 1, &ends));
	for (size_t i = 0; i < MORE; i++)
		puppet_batch(queue->puppet, wholes[i]);
	vector_done(&ends);
}

/* Each branch is an end in everybody's vector for good. */
static void branches_are_bounded(void **state)
{
	struct queue queue = queue_at_a_real_one();
	const struct mesh *mesh = real_mesh(queue.real);
	struct chain first;
	struct bytes next;
	size_t count;

	(void)state;
	write_histories(&queue, 2, &first, &next);
	vector_ends(&mesh->vector, first.stream, &count);
	assert_int_equal(count, CLOSED_BRANCHES_MAX);
	assert_int_equal(mesh->waiting.total, MORE - CLOSED_BRANCHES_MAX);
	puppet_batch(queue.puppet, next);
	assert_true(vector_has(&mesh->vector, first.stream, first.end));
	vector_ends(&mesh->vector, first.stream, &count);
	assert_int_equal(count, CLOSED_BRANCHES_MAX);
	assert_counted(queue.real);
	real_check(queue.real);
	scene_free(queue.scene);
}

static void each_that_writes_too_many_branches_is_named_once(void **state)
{
	struct queue queue = queue_at_a_real_one();
	struct chain first;
	struct bytes next;
	char text[160];

	(void)state;
	for (uint32_t key = 2; key < 4; key++) {
		write_histories(&queue, key, &first, &next);
		assert_int_equal(queue.real->alarms_count, key - 1);
		snprintf(text, sizeof text,
			 "member %016" PRIx64 " wrote more histories of one start than any sound member: evict it",
			 first.stream.node);
		assert_true(real_has_alarm(queue.real, text));
	}
	assert_true(real_mesh(queue.real)->counts.branches_full > 2);
	scene_free(queue.scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_takes_all_the_room),
		cmocka_unit_test(room_is_shared_by_halves),
		cmocka_unit_test(it_is_counted_anew),
		cmocka_unit_test(what_was_had_is_not_pushed_out),
		cmocka_unit_test(branches_are_bounded),
		cmocka_unit_test(room_is_counted_in_bytes),
		cmocka_unit_test(each_that_writes_too_many_branches_is_named_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
