/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

#include "crdt/model/mp.h"

#include <stdlib.h>

/* A set of statements that somebody tries to fill, and one that is full. */

enum { STRANGER = 6, EVICTED = 2, USUAL = STATEMENTS_MAX - STATEMENTS_RESERVED };

static size_t count_of(const struct real *real)
{
	return real_mesh(real)->t0.count;
}

/* The same key once more: the one-time key signs for as many box keys as there are. */
static struct bytes vary(struct scene *scene, const struct signer *one_time, struct id invite, uint64_t nth)
{
	struct key32 box_key = scene->box_keys[4];
	struct bytes whole;

	memcpy(scene->box_keys[4].bytes, &nth, sizeof nth);
	whole = scene_admit(scene, &scene->keys[EVICTED], one_time, invite, 4);
	scene->box_keys[4] = box_key;
	return whole;
}

/* A sponsor that was evicted, and whom it let in, at one node that knows all of it. */
static struct real *boot_with_evicted_sponsor(struct scene *scene, struct signer *ret_one_time, struct id *ret_invite)
{
	struct real *real = real_boot(scene, 1);
	struct bytes some[3];

	some[0] = scene_invite(scene, scene->keys[EVICTED].key, scene->wall.ms + 1000000, ret_one_time);
	*ret_invite = scene_statement_id(some[0]);
	some[1] = scene_admit(scene, &scene->keys[EVICTED], ret_one_time, *ret_invite, 4);
	some[2] = scene_evict(scene, EVICTED, 1);
	real_bring(real, some, 3);
	return real;
}

/* Also where they come in one frame, and by whoever has the key. */
static void an_evicted_sponsor_does_not_fill_the_set(void **state)
{
	struct scene *scene = scene_new(3);
	struct signer one_time;
	struct id invite;
	struct real *real = boot_with_evicted_sponsor(scene, &one_time, &invite);
	struct puppet *stranger = puppet_dial(real, &scene->keys[STRANGER], 77);
	struct bytes some[200], eviction = scene_evict(scene, 4, 1);
	size_t before = count_of(real);
	uint64_t nth = 0, number;

	(void)state;
	for (int frame = 0; frame < 5; frame++) {
		for (size_t i = 0; i < COUNT(some); i++)
			some[i] = vary(scene, &one_time, invite, ++nth);
		if (stranger->is_closed)
			stranger = puppet_dial(real, &scene->keys[STRANGER], 78 + nth);
		puppet_statements(stranger, some, COUNT(some));
		assert_int_equal(count_of(real), before + ADMISSIONS_MAX - 1);
	}
	number = real_bring(real, &eviction, 1);
	assert_int_equal(real_answer(real, number)->code, OK);
	real_check(real);
	scene_free(scene);
}

/* One row has one hash. */
static void an_admission_with_heads_ends_the_link(void **state)
{
	struct scene *scene = scene_new(3);
	struct signer one_time;
	struct id invite;
	struct real *real = boot_with_evicted_sponsor(scene, &one_time, &invite);
	struct puppet *puppet = puppet_member(real, 0);
	struct bytes plain = vary(scene, &one_time, invite, 1), whole;
	struct buf buf = buf_growing(STATEMENT_MAX);
	struct statement statement;
	struct id disk = real_disk(real);
	size_t before;

	(void)state;
	assert_int_equal(statement_read(plain, &statement, NULL), OK);
	before = (size_t)(statement.body.data - plain.data) + statement.body.size - 2;
	buf_put_bytes(&buf, bytes_of(plain.data, before));
	mp_put_bin(&buf, bytes_of(invite.bytes, sizeof invite.bytes));
	buf_put_bytes(&buf, bytes_of(plain.data + before + 2, plain.size - before - 2));
	whole = buf_bytes(&buf);
	puppet_statements(puppet, &whole, 1);
	puppet_refused(puppet, disk, "statement: an admission with heads");
	buf_done(&buf);
	scene_free(scene);
}

/* Which of them the two took is of no matter. */
static void two_that_took_different_admissions_agree(void **state)
{
	struct scene *scene = scene_new(3);
	struct real *reals[2];
	struct signer one_time;
	struct bytes some[2 * ADMISSIONS_MAX], invite;
	uint64_t lists;

	(void)state;
	invite = scene_invite(scene, scene->keys[EVICTED].key, scene->wall.ms + 1000000, &one_time);
	for (size_t i = 0; i < COUNT(some); i++)
		some[i] = vary(scene, &one_time, scene_statement_id(invite), i);
	for (size_t i = 0; i < 2; i++) {
		reals[i] = real_boot(scene, (uint32_t)i);
		real_bring(reals[i], &invite, 1);
		real_bring(reals[i], some + i * ADMISSIONS_MAX, ADMISSIONS_MAX);
	}
	scene_meet(scene, reals[0], reals[1]);
	scene_pass(scene, 2000);
	assert_true(sum_equal(real_mesh(reals[0])->t0.sum, real_mesh(reals[1])->t0.sum));
	lists = real_mesh(reals[0])->counts.t0_list;
	scene_pass(scene, 60000);
	assert_int_equal(real_mesh(reals[0])->counts.t0_list, lists);
	real_check(reals[0]);
	real_check(reals[1]);
	scene_free(scene);
}

/* What one of them took before it heard of the removal, the other does not take any more. */
static void two_of_whom_one_took_what_is_void_agree(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *a = real_boot(scene, 0), *b = real_boot(scene, 1);
	struct operator_row named = { .has = BIT(AT_operator_key) | BIT(AT_operator_parent) | BIT(AT_operator_name),
				      .key = scene->keys[5].key,
				      .parent = scene->root.key,
				      .name = bytes_text("helper") };
	struct operator_removal_row removal = { .has = BIT(AT_operator_removal_key) | BIT(AT_operator_removal_standing),
						.key = scene->keys[5].key };
	struct level_row level = { .has = BIT(AT_level_level), .level = 1 };
	struct bytes some[3] = { scene_sign(scene, &scene->root, KIND_TABLE(operator), &named),
				 scene_sign(scene, &scene->keys[5], KIND_TABLE(level), &level),
				 scene_sign(scene, &scene->root, KIND_TABLE(operator_removal), &removal) },
		     other[2] = { some[0], some[2] };

	(void)state;
	real_bring(a, some, 2);
	real_bring(b, other, 2);
	scene_meet(scene, a, b);
	scene_pass(scene, 10000);
	assert_int_equal(count_of(a), count_of(b) + 1);
	assert_true(sum_equal(real_mesh(a)->t0.sum, real_mesh(b)->t0.sum));
	assert_int_equal(members_level(real_mesh(a)->t0.members), 0);
	real_check(a);
	real_check(b);
	scene_free(scene);
}

/* Of nobody who is there. */
static struct bytes evict_nobody(struct scene *scene, uint64_t nth)
{
	struct eviction_row row = { .has = BIT(AT_eviction_key) | BIT(AT_eviction_heir) | BIT(AT_eviction_standing),
				    .heir = scene->keys[0].key };

	memcpy(row.key.bytes, &nth, sizeof nth);
	return scene_sign(scene, &scene->root, KIND_TABLE(eviction), &row);
}

static void bring_many(struct scene *scene, struct real *real, size_t count, bool as_evictions)
{
	struct bytes *some = must_alloc(count * sizeof *some);

	for (size_t i = 0; i < count; i++) {
		struct grant_row grant = { .has = BIT(AT_grant_key) | BIT(AT_grant_heir) };

		memcpy(grant.key.bytes, &i, sizeof i);
		some[i] = as_evictions ? evict_nobody(scene, i)
				       : scene_sign(scene, &scene->root, KIND_TABLE(grant), &grant);
	}
	real_bring(real, some, count);
	free(some);
}

/* A node starts again with it, and another one gets all of it. */
static void a_full_set_takes_evictions_and_goes_on(void **state)
{
	struct scene *scene = scene_new(2);
	struct real *real = real_boot(scene, 0), *other;
	struct bytes eviction = scene_evict(scene, 5, 1);
	uint64_t number;

	(void)state;
	bring_many(scene, real, USUAL + 10 - count_of(real), false);
	assert_int_equal(count_of(real), USUAL);
	number = real_bring(real, &eviction, 1);
	assert_int_equal(real_answer(real, number)->code, OK);
	bring_many(scene, real, STATEMENTS_RESERVED + 10, true);
	assert_int_equal(count_of(real), STATEMENTS_MAX);
	eviction = scene_evict(scene, 4, 1);
	number = real_bring(real, &eviction, 1);
	assert_int_equal(real_answer(real, number)->code, E_LIMIT);
	real_end(real);
	real = real_boot(scene, 0);
	assert_int_equal(count_of(real), STATEMENTS_MAX);
	other = real_boot(scene, 1);
	scene_meet(scene, real, other);
	scene_pass(scene, 10000);
	assert_int_equal(count_of(other), STATEMENTS_MAX);
	assert_true(sum_equal(real_mesh(real)->t0.sum, real_mesh(other)->t0.sum));
	/* Neither was cut off, also when both list all. */
	assert_int_equal(real->alarms_count + other->alarms_count, 0);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_evicted_sponsor_does_not_fill_the_set),
		cmocka_unit_test(an_admission_with_heads_ends_the_link),
		cmocka_unit_test(two_that_took_different_admissions_agree),
		cmocka_unit_test(two_of_whom_one_took_what_is_void_agree),
		cmocka_unit_test(a_full_set_takes_evictions_and_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
