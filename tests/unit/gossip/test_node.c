/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

/* A node from outside: what it refuses, when it wants a tick, and that two of them agree. */

static const struct answered *write_to(struct real *real)
{
	return real_answer(real, real_write(real, 10, 0));
}

static void a_write_is_answered_with_what_it_made_and_a_token(void **state)
{
	struct scene *scene = scene_new(1);
	struct real *real = real_boot(scene, 0);
	const struct answered *answer = write_to(real);
	struct buf token = buf_growing(TOKEN_MAX);

	(void)state;
	assert_int_equal(answer->code, OK);
	assert_int_equal(answer->count, 1);
	assert_string_equal(answer->text, "");
	token_write(real_mesh(real), &token);
	assert_true(bytes_equal(bytes_of(answer->token, answer->token_size), buf_bytes(&token)));
	/* The setting and its audit row. */
	assert_int_equal(real->changes, 2);
	buf_done(&token);
	scene_free(scene);
}

static void what_is_refused_says_why_and_changes_nothing(void **state)
{
	struct scene *scene = scene_new(1);
	struct real *real = real_boot(scene, 0);
	struct id disk = real_disk(real);
	struct change change = { .what = CHANGE_REMOVE, .kind = KIND_setting, .id = { { 5 } } };
	struct node_event event = { .kind = EVENT_WRITE,
				    .write = { .number = 70,
					       .asker = { .writes = BY_OWNER },
					       .changes = &change,
					       .count = 1,
					       .action = bytes_text("test") } };

	(void)state;
	real_event(real, &event);
	assert_int_equal(real_answer(real, 70)->code, E_ABSENT);
	assert_true(real_answer(real, 70)->text[0]);
	assert_int_equal(real_answer(real, 70)->count, 0);
	assert_true(id_equal(real_disk(real), disk));
	real_check(real);
	scene_free(scene);
}

static void who_is_no_member_takes_no_writes(void **state)
{
	struct scene *scene = scene_new(1);
	struct real *real = real_boot(scene, 3);
	struct id disk = real_disk(real);

	(void)state;
	assert_int_equal(write_to(real)->code, E_BUSY);
	assert_string_equal(write_to(real)->text,
			    "this server is not a member of a cluster yet: let it join one first");
	assert_true(id_equal(real_disk(real), disk));
	scene_free(scene);
}

static void who_was_evicted_takes_no_writes_and_says_so(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 1);
	struct bytes eviction = scene_evict(scene, 1, 0);

	(void)state;
	assert_int_equal(write_to(real)->code, OK);
	real_bring(real, &eviction, 1);
	assert_string_equal(write_to(real)->text, "this server was evicted from the cluster: ask another one");
	assert_true(real_has_alarm(real,
				   "this server was evicted from the cluster: it serves and writes nothing any more"));
	real_check(real);
	scene_free(scene);
}

static void a_level_that_is_not_understood_stops_writes(void **state)
{
	struct scene *scene = scene_new(1);
	struct real *real = real_boot(scene, 0);
	struct level_row row = { .has = BIT(AT_level_level), .level = LEVEL_KNOWN + 1 };
	struct bytes whole = scene_sign(scene, &scene->root, KIND_TABLE(level), &row);

	(void)state;
	real_bring(real, &whole, 1);
	assert_int_equal(write_to(real)->code, E_BUSY);
	scene_free(scene);
}

static void many_steps_make_one_commit_and_one_batch(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct puppet *puppet = puppet_member(real, 1);
	uint64_t commits = real_mesh(real)->commits, numbers[20];
	struct batch batch;

	(void)state;
	real->is_gathering = true;
	for (size_t i = 0; i < COUNT(numbers); i++)
		numbers[i] = real_write(real, 10, 0);
	assert_int_equal(real_commit(real), OK);
	for (size_t i = 0; i < COUNT(numbers); i++)
		assert_int_equal(real_answer(real, numbers[i])->code, OK);
	assert_int_equal(real_mesh(real)->commits, commits + 1);
	assert_int_equal(puppet_count(puppet, FRAME_BATCH), 1);
	assert_int_equal(batch_read(puppet_last(puppet, FRAME_BATCH)->batch, &batch, NULL), OK);
	assert_int_equal(batch.count, COUNT(numbers));
	real_check(real);
	scene_free(scene);
}

static void a_tick_is_wanted_each_second_and_for_who_waits(void **state)
{
	struct scene *scene = scene_new(1);
	struct real *real = real_boot(scene, 0);
	struct chain chain = chain_of(scene, 1);
	struct vector vector = { 0 };
	struct buf token = buf_growing(100);
	uint64_t start;

	(void)state;
	assert_true(node_next(real->node).ns <= scene->now);
	real_tick(real);
	start = scene->now;
	assert_int_equal(node_next(real->node).ns, start + MESH_SECOND);
	scene->now += 900 * MS;
	real_tick(real);
	assert_int_equal(node_next(real->node).ns, start + MESH_SECOND);
	chain_next(&chain, 1, 10);
	vector_set(&vector, chain.stream, chain.end);
	token_write_vector(&vector, &token);
	real_await(real, buf_bytes(&token), false);
	for (uint64_t i = 1; i <= 2; i++) {
		scene->now = start + i * MESH_SECOND;
		real_tick(real);
	}
	/* 2 s after it was asked, not a tick later. */
	assert_int_equal(node_next(real->node).ns, start + 900 * MS + PENDING_PATIENCE);
	buf_done(&token);
	vector_done(&vector);
	scene_free(scene);
}

static void two_nodes_agree_whatever_they_write(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1);
	struct wire *wire = scene_meet(scene, a, b);

	(void)state;
	for (int i = 0; i < 60; i++) {
		real_write(dice_below(2) ? a : b, dice_below(3000), 0);
		a->replies_count = 0;
		b->replies_count = 0;
		if (!dice_below(4))
			scene_pass(scene, dice_below(400));
		if (!dice_below(10)) {
			scene_cut(wire);
			wire = dice_below(2) ? scene_meet(scene, a, b) : scene_meet(scene, b, a);
		}
		if (!dice_below(12)) {
			scene_cut(wire);
			real_end(b);
			b = real_boot(scene, 1);
			wire = scene_meet(scene, a, b);
		}
	}
	scene_pass(scene, 20000);
	assert_true(vector_equal(&real_mesh(a)->vector, &real_mesh(b)->vector));
	assert_true(sum_equal(root_total(&real_mesh(a)->root), root_total(&real_mesh(b)->root)));
	real_check(a);
	real_check(b);
	scene_free(scene);
}

static void nothing_arrives_for_links_that_are_no_more(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0);
	struct node_event bytes = { .kind = EVENT_BYTES }, gone = { .kind = EVENT_GONE },
			  refused = { .kind = EVENT_REFUSED };
	struct id disk = real_disk(real);

	(void)state;
	bytes.link.number = gone.link.number = 12345;
	bytes.link.bytes = bytes_text("late");
	refused.link.node = 12345;
	real_event(real, &bytes);
	real_event(real, &gone);
	real_event(real, &refused);
	assert_true(id_equal(real_disk(real), disk));
	assert_int_equal(real->sends, 0);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_is_answered_with_what_it_made_and_a_token),
		cmocka_unit_test(what_is_refused_says_why_and_changes_nothing),
		cmocka_unit_test(who_is_no_member_takes_no_writes),
		cmocka_unit_test(who_was_evicted_takes_no_writes_and_says_so),
		cmocka_unit_test(a_level_that_is_not_understood_stops_writes),
		cmocka_unit_test(many_steps_make_one_commit_and_one_batch),
		cmocka_unit_test(a_tick_is_wanted_each_second_and_for_who_waits),
		cmocka_unit_test(two_nodes_agree_whatever_they_write),
		cmocka_unit_test(nothing_arrives_for_links_that_are_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
