/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/request.h"
#include "tests/unit/gossip/errands.h"
#include "tests/unit/gossip/lend_case.h"

/* Requests that spend what their home alone spends, and need an address that the home has not got. */

static struct id user, token, pool;
static uint8_t devices;

/* The pool is another's than the token, and its home has no address of it. */
static void begin(uint64_t uses)
{
	errands_begin(3);
	token = errands_token(HOME, uses);
	user = made_user(errands.reals[HOME]);
	pool = made_pool(errands.reals[OTHER], "10.0.0.0/24");
	scene_pass(errands.scene, 1500);
	for (uint32_t i = 0; i < SCENE_REALS; i++)
		real_forget(errands.reals[i]);
}

/* A device with an address, for a use of the token. `key` NULL: none. */
static struct asked_for enrolling(uint8_t device, const char *key)
{
	struct device_row row = { .has = BIT(AT_device_public_key) | BIT(AT_device_owner) | BIT(AT_device_name),
				  .public_key.bytes = { 1, device },
				  .owner = user,
				  .name = bytes_text(device % 2 ? "laptop" : "phone") };
	struct lease_row lease = { .has = BIT(AT_lease_device) | BIT(AT_lease_pool),
				   .device = judge_made(0),
				   .pool = pool };
	struct spend_row spend = { .has = BIT(AT_spend_credential) | BIT(AT_spend_made),
				   .credential = { KIND_enrolment_token, token },
				   .made = { KIND_device, judge_made(0) } };
	struct asked_for asking = { .key = key };

	errand_put(&asking, KIND_TABLE(device), &row);
	errand_put(&asking, KIND_TABLE(lease), &lease);
	errand_put(&asking, KIND_TABLE(spend), &spend);
	return asking;
}

static uint64_t enrol(uint32_t at, const char *key)
{
	struct asked_for asking = enrolling(++devices, key);

	return errand_ask(errands.reals[at], &asking);
}

static uint64_t enrol_again(uint32_t at, const char *key)
{
	struct asked_for asking = enrolling(devices, key);

	return errand_ask(errands.reals[at], &asking);
}

static void check_all(void)
{
	for (uint32_t i = 0; i < SCENE_REALS; i++)
		real_check(errands.reals[i]);
}

static void the_home_asks_for_the_address_and_answers_once(void **state)
{
	uint64_t number;

	(void)state;
	begin(1);
	number = enrol(THIRD, "a");
	assert_null(real_answer(errands.reals[THIRD], number));
	scene_pass(errands.scene, 300);
	assert_int_equal(errands_answer(THIRD, number, OK)->count, 3);
	assert_true(errands_answer(THIRD, number, OK)->copies >= 1);
	assert_int_equal(errands_counts(HOME)->request_taken, 1);
	assert_int_equal(errands_counts(HOME)->asked, 1);
	assert_int_equal(errands_counts(OTHER)->given, 1);
	assert_int_equal(errands_counts(THIRD)->asked + errands_counts(THIRD)->given, 0);
	scene_pass(errands.scene, 2500);
	/* Later, too, it is not answered again: errands_answer looks. */
	errands_answer(THIRD, number, OK);
	for (uint32_t i = 0; i < SCENE_REALS; i++) {
		assert_int_equal(leases(errands.reals[i]), 1);
		assert_int_equal(errands_count(i, token), 1);
	}
	assert_int_equal(real_mesh(errands.reals[HOME])->lend.waits_count, 0);
	check_all();
	scene_free(errands.scene);
}

static void repeats_that_wait_are_one_use_and_one_address(void **state)
{
	uint64_t numbers[3];
	struct id first;

	(void)state;
	begin(5);
	numbers[0] = enrol(THIRD, "same");
	numbers[1] = enrol_again(HOME, "same");
	numbers[2] = enrol_again(THIRD, "same");
	scene_pass(errands.scene, 1500);
	first = errands_answer(THIRD, numbers[0], OK)->id;
	assert_true(id_equal(errands_answer(HOME, numbers[1], OK)->id, first));
	assert_true(id_equal(errands_answer(THIRD, numbers[2], OK)->id, first));
	assert_int_equal(errands_count(HOME, token), 1);
	assert_int_equal(leases(errands.reals[HOME]), 1);
	check_all();
	scene_free(errands.scene);
}

/* Of two that wait for an address, and for the last use, one is too late. */
static void the_last_use_is_used_once(void **state)
{
	uint64_t one, other;

	(void)state;
	begin(1);
	one = enrol(THIRD, "a");
	other = enrol(OTHER, "b");
	scene_pass(errands.scene, 1500);
	assert_int_not_equal(real_answer(errands.reals[THIRD], one)->code,
			     real_answer(errands.reals[OTHER], other)->code);
	assert_int_equal(errands_count(HOME, token), 1);
	assert_int_equal(leases(errands.reals[HOME]), 1);
	scene_free(errands.scene);
}

static void nobody_is_asked_for_an_address_for_what_is_refused_anyway(void **state)
{
	uint64_t number;

	(void)state;
	begin(1);
	enrol(THIRD, "a");
	scene_pass(errands.scene, 500);
	assert_int_equal(errands_counts(HOME)->asked, 1);
	/* It has addresses now: it is to have none. */
	pool = made_pool(errands.reals[OTHER], "10.1.0.0/24");
	scene_pass(errands.scene, 1500);
	number = enrol(THIRD, "b");
	scene_pass(errands.scene, 100);
	errands_answer(THIRD, number, E_TAKEN);
	assert_int_equal(errands_counts(HOME)->asked, 1);
	scene_free(errands.scene);
}

static void when_there_is_none_nothing_is_spent_and_who_asks_is_told(void **state)
{
	uint64_t number;

	(void)state;
	begin(1);
	errands.wires[THIRD]->is_held = true;
	number = enrol(THIRD, "a");
	scene_pass(errands.scene, 2010);
	assert_int_equal(errands_answer(THIRD, number, E_DRY)->count, 0);
	assert_int_equal(errands_count(HOME, token), 0);
	errands.wires[THIRD]->is_held = false;
	number = enrol_again(THIRD, "a");
	scene_pass(errands.scene, 1000);
	errands_answer(THIRD, number, OK);
	assert_int_equal(errands_count(HOME, token), 1);
	scene_free(errands.scene);
}

/* Who would hear of it is gone when the address is there. */
static void what_nobody_would_hear_of_is_not_done(void **state)
{
	uint64_t number;

	(void)state;
	begin(1);
	errands.wires[THIRD]->is_held = true;
	number = enrol(THIRD, NULL);
	scene_pass(errands.scene, 50);
	assert_int_equal(real_mesh(errands.reals[HOME])->lend.waits_count, 1);
	scene_cut(errands.wires[OTHER]);
	errands.wires[THIRD]->is_held = false;
	scene_pass(errands.scene, 2010);
	errands_answer(THIRD, number, E_BUSY);
	assert_int_equal(errands_count(HOME, token), 0);
	assert_int_equal(real_mesh(errands.reals[HOME])->lend.waits_count, 0);
	scene_free(errands.scene);
}

static void what_an_evicted_member_asked_is_not_done(void **state)
{
	struct bytes eviction;

	(void)state;
	begin(1);
	errands.wires[THIRD]->is_held = true;
	enrol(THIRD, NULL);
	scene_pass(errands.scene, 50);
	assert_int_equal(real_mesh(errands.reals[HOME])->lend.waits_count, 1);
	eviction = scene_evict(errands.scene, THIRD, HOME);
	real_bring(errands.reals[HOME], &eviction, 1);
	errands.wires[THIRD]->is_held = false;
	scene_pass(errands.scene, 2010);
	assert_int_equal(errands_count(HOME, token), 0);
	assert_int_equal(real_mesh(errands.reals[HOME])->lend.waits_count, 0);
	scene_free(errands.scene);
}

/* --- A member that is none too good. */

static void one_member_has_no_more_waiting_than_may_be_open(void **state)
{
	struct errand errand = { .asker = { .writes = BY_OWNER | BY_AGENT },
				 .action = bytes_text("scene.do"),
				 .count = 3 };
	struct puppet *puppet;
	struct asked_for asking;

	(void)state;
	errands_begin(4);
	token = errands_token(HOME, 100000);
	user = made_user(errands.reals[HOME]);
	pool = made_pool(errands.reals[OTHER], "10.0.0.0/24");
	scene_pass(errands.scene, 1500);
	errands.wires[THIRD]->is_held = true;
	puppet = puppet_member(errands.reals[HOME], 3);
	for (uint32_t i = 1; i <= 2 * PENDING_ASKS; i++) {
		struct buf body = buf_growing(FRAME_BODY_MAX);

		asking = enrolling((uint8_t)i, NULL);
		errand.changes = asking.changes;
		assert_true(request_put(&errand, &body));
		frame_put_ask(&puppet->frame, i, ASK_REQUEST, 60000, buf_bytes(&body));
		puppet_say(puppet);
		buf_done(&body);
	}
	assert_int_equal(real_mesh(errands.reals[HOME])->lend.waits_count, PENDING_ASKS);
	/* Each is answered, those that wait when their time is over. */
	scene_pass(errands.scene, 2010);
	assert_int_equal(real_mesh(errands.reals[HOME])->lend.waits_count, 0);
	assert_false(puppet->is_closed);
	scene_free(errands.scene);
}

/* --- A disk that is full when what waited is judged anew. */

/* Room for the transfer that is waited for, and perhaps for the write that waits: whether there was none for that. */
static bool meets_a_full_disk(uint64_t room)
{
	struct play play = play_of(2, 1);
	const struct answered *first;
	uint64_t number, other;
	struct id given, dry = made_pool(play.real, "10.2.0.0/30");
	struct bytes batch;
	bool was_full;

	assert_leased(play.real, ask_lease(play.real, play.user, dry));
	number = lease_in(&play);
	batch = transfer(&play, 1, 5, 8, &given);
	say_free(play.puppets[0], 10);
	mem_disk_limit(play.real->disk, mem_disk_used(play.real->disk) + room);
	puppet_batch(play.puppets[0], batch);
	mem_disk_limit(play.real->disk, 0);
	first = real_answer(play.real, number);
	was_full = first && first->code == E_FULL;
	/* Another one that waits is another one. */
	other = ask_lease(play.real, play.user, dry);
	scene_pass(play.scene, 2500);
	assert_dry(play.real, other);
	assert_non_null(real_answer(play.real, number));
	assert_int_equal(real_mesh(play.real)->lend.waits_count, 0);
	real_check(play.real);
	scene_free(play.scene);
	return was_full;
}

static void whoever_meets_a_full_disk_is_answered_once(void **state)
{
	size_t full = 0;

	(void)state;
	for (uint64_t room = 500; room < 3000; room += 100)
		full += meets_a_full_disk(room);
	assert_true(full > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_home_asks_for_the_address_and_answers_once),
		cmocka_unit_test(repeats_that_wait_are_one_use_and_one_address),
		cmocka_unit_test(the_last_use_is_used_once),
		cmocka_unit_test(nobody_is_asked_for_an_address_for_what_is_refused_anyway),
		cmocka_unit_test(when_there_is_none_nothing_is_spent_and_who_asks_is_told),
		cmocka_unit_test(what_nobody_would_hear_of_is_not_done),
		cmocka_unit_test(what_an_evicted_member_asked_is_not_done),
		cmocka_unit_test(one_member_has_no_more_waiting_than_may_be_open),
		cmocka_unit_test(whoever_meets_a_full_disk_is_answered_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
