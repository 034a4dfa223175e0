/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/state.h"
#include "tests/unit/gossip/lend_case.h"

#include <stdio.h>

/* Addresses that members give each other: whoever asks, and whoever gives. */

/* --- Real nodes. */

struct farm {
	struct scene *scene;
	struct real *reals[3];
	struct id user, pool;
};

static struct farm farm_of(uint32_t count, const char *network)
{
	struct farm farm = { .scene = scene_new(count) };

	for (uint32_t i = 0; i < count; i++) {
		farm.reals[i] = real_boot(farm.scene, i);
		for (uint32_t k = 0; k < i; k++)
			scene_meet(farm.scene, farm.reals[i], farm.reals[k]);
	}
	scene_pass(farm.scene, 3000);
	farm.user = made_user(farm.reals[0]);
	farm.pool = made_pool(farm.reals[0], network);
	scene_pass(farm.scene, 1500);
	return farm;
}

static void whoever_has_none_asks_and_is_given_half(void **state)
{
	struct farm farm = farm_of(2, "10.0.0.0/24");
	uint64_t number = ask_lease(farm.reals[1], farm.user, farm.pool), again;

	(void)state;
	assert_null(real_answer(farm.reals[1], number));
	scene_carry(farm.scene);
	assert_leased(farm.reals[1], number);
	assert_int_equal(real_answer(farm.reals[1], number)->count, 2);
	assert_int_equal(counts(farm.reals[1])->asked, 1);
	assert_int_equal(counts(farm.reals[0])->given, 1);
	/* The next needs nobody. */
	again = ask_lease(farm.reals[1], farm.user, farm.pool);
	assert_leased(farm.reals[1], again);
	scene_pass(farm.scene, 100);
	assert_int_equal(leases(farm.reals[0]), 2);
	for (size_t i = 0; i < 2; i++)
		real_check(farm.reals[i]);
	scene_free(farm.scene);
}

/* Each giving is of half at most, and a request of many is one. */
static void who_needs_more_than_half_asks_again(void **state)
{
	enum { MANY = 10 };
	struct farm farm = farm_of(2, "10.0.0.0/28");
	uint64_t number = ask_leases(farm.reals[1], farm.user, farm.pool, MANY);

	(void)state;
	scene_carry(farm.scene);
	assert_leased(farm.reals[1], number);
	assert_in_range(counts(farm.reals[1])->asked, 2, MANY);
	assert_int_equal(leases(farm.reals[0]), MANY);
	/* There are 13. */
	number = ask_leases(farm.reals[1], farm.user, farm.pool, 4);
	scene_pass(farm.scene, 2000);
	assert_dry(farm.reals[1], number);
	assert_int_equal(leases(farm.reals[1]), MANY);
	for (size_t i = 0; i < 2; i++)
		real_check(farm.reals[i]);
	scene_free(farm.scene);
}

/* A round trip for each would take too long: all wait for the same one. */
static void those_who_wait_share_one_asking(void **state)
{
	struct farm farm = farm_of(2, "10.0.0.0/24");
	uint64_t numbers[8];

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++)
		numbers[i] = ask_lease(farm.reals[1], farm.user, farm.pool);
	scene_carry(farm.scene);
	for (size_t i = 0; i < COUNT(numbers); i++)
		assert_leased(farm.reals[1], numbers[i]);
	assert_int_equal(counts(farm.reals[1])->asked, 1);
	assert_int_equal(counts(farm.reals[0])->given, 1);
	assert_int_equal(leases(farm.reals[1]), COUNT(numbers));
	assert_int_equal(real_mesh(farm.reals[1])->lend.waits_count, 0);
	assert_int_equal(real_mesh(farm.reals[1])->lend.askings_count, 0);
	scene_free(farm.scene);
}

static void a_24_serves_three_members_to_its_last_address(void **state)
{
	struct farm farm = farm_of(3, "10.0.0.0/24");
	struct rng dice = rng_from_number(7);
	uint64_t number;

	(void)state;
	/* The network, broadcast and first host address are nobody's. */
	for (size_t i = 0; i < 253; i++) {
		struct real *real = farm.reals[rng_below(&dice, 3)];

		number = ask_lease(real, farm.user, farm.pool);
		scene_pass(farm.scene, 20);
		assert_leased(real, number);
		real_forget(real);
	}
	scene_pass(farm.scene, 2000);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(leases(farm.reals[i]), 253);
		number = ask_lease(farm.reals[i], farm.user, farm.pool);
		scene_pass(farm.scene, 100);
		assert_dry(farm.reals[i], number);
		assert_string_equal(
			real_answer(farm.reals[i], number)->text,
			"no server has a free address of this pool: remove devices, or make a further pool");
		real_check(farm.reals[i]);
	}
	scene_free(farm.scene);
}

/* The asker's process ends between its question and the transfer: the next one finds what was given. */
static void what_was_given_to_a_process_before_is_there(void **state)
{
	struct farm farm = farm_of(2, "10.0.0.0/24");
	struct wire *wire = &farm.scene->wires[0];
	uint64_t number;

	(void)state;
	ask_lease(farm.reals[1], farm.user, farm.pool);
	while (!counts(farm.reals[0])->given) {
		/* One frame at a time would need a puppet: the answer is lost with the link. */
		assert_false(wire->is_held);
		scene_carry(farm.scene);
	}
	real_end(farm.reals[1]);
	scene_cut(wire);
	farm.reals[1] = real_boot(farm.scene, 1);
	scene_meet(farm.scene, farm.reals[1], farm.reals[0]);
	scene_pass(farm.scene, 3000);
	number = ask_lease(farm.reals[1], farm.user, farm.pool);
	assert_leased(farm.reals[1], number);
	assert_int_equal(counts(farm.reals[1])->asked, 0);
	assert_int_equal(counts(farm.reals[0])->given, 1);
	scene_free(farm.scene);
}

static void a_lease_of_a_device_that_is_gone_is_ended(void **state)
{
	struct farm farm = farm_of(2, "10.0.0.0/24");
	struct change change = { .what = CHANGE_REMOVE, .kind = KIND_device };
	uint64_t number = ask_lease(farm.reals[1], farm.user, farm.pool);

	(void)state;
	scene_pass(farm.scene, 100);
	assert_leased(farm.reals[1], number);
	change.id = real_answer(farm.reals[1], number)->id;
	number = ask(farm.reals[0], &change, 1, NULL);
	assert_leased(farm.reals[0], number);
	scene_pass(farm.scene, 3500);
	/* By the owner of its block alone, and no more often. */
	assert_int_equal(counts(farm.reals[1])->ended, 1);
	assert_int_equal(counts(farm.reals[0])->ended, 0);
	assert_true(real_mesh(farm.reals[0])->lend.is_walked);
	scene_free(farm.scene);
}

/* Under one key the first answer comes again, with the same lease, whoever gave the address. */
static void a_repeat_gets_the_same_lease(void **state)
{
	struct farm farm = farm_of(2, "10.0.0.0/24");
	struct lease_row lease = { .has = BIT(AT_lease_device) | BIT(AT_lease_pool), .pool = farm.pool };
	struct device_row device = { .has = BIT(AT_device_public_key) | BIT(AT_device_owner) | BIT(AT_device_name),
				     .public_key = { { 9 } },
				     .name = bytes_text("phone"),
				     .owner = farm.user };
	struct store_txn *txn;
	struct change change;
	struct id first;
	uint64_t number;

	(void)state;
	lease.device = made(farm.reals[1], KIND_TABLE(device), &device);
	change = creates(farm.scene, KIND_TABLE(lease), &lease);
	number = ask(farm.reals[1], &change, 1, "once");
	scene_pass(farm.scene, 1500);
	assert_leased(farm.reals[1], number);
	first = real_answer(farm.reals[1], number)->id;
	for (size_t i = 0; i < 2; i++) {
		number = ask(farm.reals[i], &change, 1, "once");
		assert_leased(farm.reals[i], number);
		assert_true(id_equal(real_answer(farm.reals[i], number)->id, first));
	}
	assert_int_equal(leases(farm.reals[0]), 1);
	/* Its mark goes when it is done with. */
	assert_int_equal(store_snapshot(farm.reals[0]->store, &txn, NULL), OK);
	assert_int_equal(state_row(txn, KIND_TABLE(lease), first, &lease, NULL), OK);
	assert_int_equal(lease.nonce.size, 8);
	store_end(txn);
	scene_free(farm.scene);
}

/* --- A real node among puppets. */

static void whoever_never_answers_is_waited_for_half_a_second(void **state)
{
	struct play play = play_of(2, 1);
	uint64_t number = lease_in(&play);

	(void)state;
	assert_non_null(question(play.puppets[0], ASK_FREE));
	scene_pass(play.scene, 490);
	assert_null(real_answer(play.real, number));
	scene_pass(play.scene, 20);
	assert_dry(play.real, number);
	assert_null(question(play.puppets[0], ASK_BLOCK));
	assert_int_equal(counts(play.real)->dry, 1);
	scene_free(play.scene);
}

static void with_nobody_there_it_is_refused_at_once(void **state)
{
	struct play play = play_of(3, 1);
	uint64_t number;
	char text[128];

	(void)state;
	puppet_hang_up(play.puppets[0]);
	puppet_hang_up(play.puppets[1]);
	number = lease_in(&play);
	assert_dry(play.real, number);
	snprintf(text, sizeof text,
		 "no server has a free address of this pool; held up by %016llx (silent), %016llx (silent)",
		 (unsigned long long)scene_node(play.scene, 1), (unsigned long long)scene_node(play.scene, 2));
	assert_string_equal(real_answer(play.real, number)->text, text);
	scene_free(play.scene);
}

static void whoever_has_most_is_asked_first_and_then_the_next(void **state)
{
	struct play play = play_of(3, 2);
	uint64_t number = lease_in(&play);
	struct bytes batch;
	struct id id;

	(void)state;
	say_free(play.puppets[1], 5);
	assert_null(question(play.puppets[1], ASK_BLOCK));
	say_free(play.puppets[0], 10);
	assert_null(question(play.puppets[1], ASK_BLOCK));
	answer(play.puppets[0], question(play.puppets[0], ASK_BLOCK), E_DRY, bytes_of(NULL, 0));
	/* What it gives to another one meanwhile is no answer. */
	puppet_batch(play.puppets[1], transfer_to(&play, 2, 1, 9, 9, &id));
	assert_null(real_answer(play.real, number));
	batch = transfer(&play, 2, 10, 10, &id);
	say_given(play.puppets[1], id);
	assert_null(real_answer(play.real, number));
	puppet_batch(play.puppets[1], batch);
	assert_leased(play.real, number);
	assert_int_equal(leases(play.real), 1);
	scene_free(play.scene);
}

static void a_promise_is_waited_for_and_no_longer(void **state)
{
	struct play play = play_of(2, 1);
	uint64_t number = lease_in(&play);
	struct id id;

	(void)state;
	say_free(play.puppets[0], 5);
	transfer(&play, 1, 10, 10, &id);
	say_given(play.puppets[0], id);
	scene_pass(play.scene, 690);
	assert_null(real_answer(play.real, number));
	scene_pass(play.scene, 20);
	assert_dry(play.real, number);
	scene_free(play.scene);
}

/* It says that it has most, and gives what is another's. */
static void what_was_not_the_givers_is_of_no_use(void **state)
{
	struct play play = play_of(3, 2);
	uint64_t number = lease_in(&play);
	struct bytes batch;
	struct id id;

	(void)state;
	say_free(play.puppets[0], UINT64_MAX);
	say_free(play.puppets[1], 1);
	batch = transfer(&play, 1, 20, 29, &id);
	puppet_batch(play.puppets[0], batch);
	say_given(play.puppets[0], id);
	assert_null(real_answer(play.real, number));
	/* Nor while the next one is asked. */
	puppet_batch(play.puppets[0], transfer(&play, 1, 40, 49, &id));
	assert_null(real_answer(play.real, number));
	batch = transfer(&play, 2, 30, 30, &id);
	say_given(play.puppets[1], id);
	puppet_batch(play.puppets[1], batch);
	assert_leased(play.real, number);
	scene_free(play.scene);
}

/* Two transfers of the same addresses are as one. */
static void what_is_given_twice_is_leased_once(void **state)
{
	struct play play = play_of(2, 1);
	uint64_t numbers[3];
	struct id id;

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++)
		numbers[i] = lease_in(&play);
	assert_int_equal(puppet_count(play.puppets[0], FRAME_ASK), 1);
	say_free(play.puppets[0], 5);
	puppet_batch(play.puppets[0], transfer(&play, 1, 10, 10, &id));
	puppet_batch(play.puppets[0], transfer(&play, 1, 10, 10, &id));
	say_given(play.puppets[0], id);
	assert_leased(play.real, numbers[0]);
	/* It was of use, so all are asked again, and the others have their turn. */
	for (size_t i = 1; i < COUNT(numbers); i++)
		assert_null(real_answer(play.real, numbers[i]));
	assert_int_equal(counts(play.real)->asked, 2);
	say_free(play.puppets[0], 0);
	for (size_t i = 1; i < COUNT(numbers); i++)
		assert_dry(play.real, numbers[i]);
	assert_int_equal(leases(play.real), 1);
	scene_free(play.scene);
}

static void a_request_waits_no_longer_than_others(void **state)
{
	struct play play = play_of(4, 1);
	uint64_t number = lease_in(&play);

	(void)state;
	for (size_t i = 0; i < 3; i++)
		say_free(play.puppets[i], 5 + i);
	scene_pass(play.scene, 1990);
	assert_null(real_answer(play.real, number));
	scene_pass(play.scene, 20);
	assert_dry(play.real, number);
	scene_free(play.scene);
}

/* --- The node gives. */

static struct transfer_row read_transfer(const struct real *real, struct id id)
{
	struct transfer_row row;
	struct store_txn *txn;

	assert_int_equal(store_snapshot(real->store, &txn, NULL), OK);
	assert_int_equal(state_row(txn, KIND_TABLE(transfer), id, &row, NULL), OK);
	row.nonce = bytes_of(NULL, 0);
	store_end(txn);
	return row;
}

static void half_is_given_and_then_the_next_half(void **state)
{
	struct play play = play_of(2, 0);
	struct puppet *puppet = play.puppets[0];
	struct transfer_row row;
	struct id id, next;

	(void)state;
	ask_node(puppet, ASK_FREE, 5, play.pool, 0);
	assert_int_equal(heard_free(puppet, 5), 253);
	ask_node(puppet, ASK_BLOCK, 6, play.pool, 77);
	id = heard_transfer(puppet, 6);
	row = read_transfer(play.real, id);
	assert_true(row.giver == scene_node(play.scene, 0) && row.taker == scene_node(play.scene, 1));
	assert_int_equal(row.start, 77);
	assert_int_equal(row.last.bytes[3] - row.first.bytes[3] + 1, 126);
	/* Not acknowledged: the same again. */
	ask_node(puppet, ASK_BLOCK, 7, play.pool, 77);
	assert_true(id_equal(heard_transfer(puppet, 7), id));
	assert_int_equal(counts(play.real)->given_again, 1);
	puppet_ack(puppet, (struct stream){ scene_node(play.scene, 0), 1, LANE_PEOPLE },
		   *vector_find(&real_mesh(play.real)->vector,
				(struct stream){ scene_node(play.scene, 0), 1, LANE_PEOPLE }));
	ask_node(puppet, ASK_BLOCK, 8, play.pool, 77);
	next = heard_transfer(puppet, 8);
	assert_false(id_equal(next, id));
	assert_int_equal(counts(play.real)->given, 2);
	ask_node(puppet, ASK_FREE, 9, play.pool, 0);
	assert_int_equal(heard_free(puppet, 9), 253 - 126 - 63);
	real_check(play.real);
	scene_free(play.scene);
}

/* What a process before gave is not given twice either. */
static void after_a_start_the_last_transfer_is_known(void **state)
{
	struct play play = play_of(2, 0);
	struct stream own = { scene_node(play.scene, 0), 1, LANE_PEOPLE };
	struct puppet *puppet = play.puppets[0];
	struct id id;

	(void)state;
	ask_node(puppet, ASK_BLOCK, 6, play.pool, 1);
	id = heard_transfer(puppet, 6);
	real_end(play.real);
	play.real = real_boot(play.scene, 0);
	puppet = puppet_member(play.real, 1);
	ask_node(puppet, ASK_BLOCK, 7, play.pool, 1);
	assert_true(id_equal(heard_transfer(puppet, 7), id));
	for (enum lane lane = LANE_URGENT; lane < LANES; lane++) {
		const struct end *end;

		own.lane = lane;
		end = vector_find(&real_mesh(play.real)->vector, own);
		if (end)
			puppet_ack(puppet, own, *end);
	}
	ask_node(puppet, ASK_BLOCK, 8, play.pool, 1);
	assert_false(id_equal(heard_transfer(puppet, 8), id));
	scene_free(play.scene);
}

/* And what another one gave is not this one's to give again. */
static void what_others_gave_is_not_given_again(void **state)
{
	struct play play = play_of(3, 0);
	struct puppet *puppet;
	struct id id;

	(void)state;
	puppet_batch(play.puppets[1], transfer_to(&play, 2, 1, 9, 9, &id));
	assert_true(read_transfer(play.real, id).taker == scene_node(play.scene, 1));
	real_end(play.real);
	play.real = real_boot(play.scene, 0);
	puppet = puppet_member(play.real, 1);
	ask_node(puppet, ASK_BLOCK, 7, play.pool, 1);
	assert_true(read_transfer(play.real, heard_transfer(puppet, 7)).giver == scene_node(play.scene, 0));
	scene_free(play.scene);
}

static void who_asks_faster_than_it_hears_is_not_answered(void **state)
{
	struct play play = play_of(2, 0);
	struct puppet *puppet = play.puppets[0];

	(void)state;
	puppet_forget(puppet);
	for (uint32_t number = 1; number <= LEND_ASKED + 5; number++) {
		frame_put_ask(&puppet->frame, number, ASK_FREE, 700, bytes_of(play.pool.bytes, sizeof play.pool.bytes));
		session_send(puppet->session, buf_bytes(&puppet->frame), &puppet->out);
		buf_clear(&puppet->frame);
	}
	ask_node(puppet, ASK_FREE, 100, play.pool, 0);
	assert_int_equal(puppet_count(puppet, FRAME_ANSWER), LEND_ASKED);
	assert_int_equal(puppet_last(puppet, FRAME_ANSWER)->answer.number, LEND_ASKED);
	real_check(play.real);
	scene_free(play.scene);
}

static void what_could_not_be_written_was_not_given(void **state)
{
	struct play play = play_of(2, 0);
	struct puppet *puppet = play.puppets[0];

	(void)state;
	mem_disk_full_at(play.real->disk, 1);
	ask_node(puppet, ASK_BLOCK, 6, play.pool, 1);
	mem_disk_full_at(play.real->disk, 0);
	assert_int_not_equal(heard_answer(puppet, 6)->answer.code, OK);
	assert_int_equal(real_mesh(play.real)->lend.given_count, 0);
	real_check(play.real);
	ask_node(puppet, ASK_BLOCK, 7, play.pool, 1);
	heard_transfer(puppet, 7);
	real_check(play.real);
	scene_free(play.scene);
}

static void who_has_just_started_gives_nothing(void **state)
{
	struct play play = play_of(3, 0);
	struct puppet *puppet;

	(void)state;
	real_end(play.real);
	play.real = real_boot(play.scene, 0);
	puppet = puppet_dial(play.real, &play.scene->keys[1], 7);
	puppet_agree(puppet);
	ask_node(puppet, ASK_BLOCK, 6, play.pool, 1);
	assert_int_equal(heard_answer(puppet, 6)->answer.code, E_BUSY);
	ask_node(puppet, ASK_FREE, 7, play.pool, 0);
	assert_int_equal(heard_free(puppet, 7), 0);
	scene_free(play.scene);
}

static void of_what_is_no_pool_nothing_is_given(void **state)
{
	struct play play = play_of(2, 0);
	struct puppet *puppet = play.puppets[0];
	struct id disk = real_disk(play.real);

	(void)state;
	ask_node(puppet, ASK_FREE, 5, (struct id){ { 1 } }, 0);
	assert_int_equal(heard_free(puppet, 5), 0);
	ask_node(puppet, ASK_BLOCK, 6, (struct id){ { 1 } }, 1);
	assert_int_equal(heard_answer(puppet, 6)->answer.code, E_ABSENT);
	puppet_ignored(puppet, disk);
	frame_put_ask(&puppet->frame, 7, ASK_BLOCK, 700, bytes_of(play.pool.bytes, sizeof play.pool.bytes));
	puppet_say(puppet);
	puppet_refused(puppet, disk, "it asked for addresses of what is no pool");
	scene_free(play.scene);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(whoever_has_none_asks_and_is_given_half),
	cmocka_unit_test(who_needs_more_than_half_asks_again),
	cmocka_unit_test(those_who_wait_share_one_asking),
	cmocka_unit_test(a_24_serves_three_members_to_its_last_address),
	cmocka_unit_test(what_was_given_to_a_process_before_is_there),
	cmocka_unit_test(a_lease_of_a_device_that_is_gone_is_ended),
	cmocka_unit_test(a_repeat_gets_the_same_lease),
	cmocka_unit_test(whoever_never_answers_is_waited_for_half_a_second),
	cmocka_unit_test(with_nobody_there_it_is_refused_at_once),
	cmocka_unit_test(whoever_has_most_is_asked_first_and_then_the_next),
	cmocka_unit_test(a_promise_is_waited_for_and_no_longer),
	cmocka_unit_test(what_was_not_the_givers_is_of_no_use),
	cmocka_unit_test(what_is_given_twice_is_leased_once),
	cmocka_unit_test(a_request_waits_no_longer_than_others),
	cmocka_unit_test(half_is_given_and_then_the_next_half),
	cmocka_unit_test(after_a_start_the_last_transfer_is_known),
	cmocka_unit_test(what_others_gave_is_not_given_again),
	cmocka_unit_test(who_asks_faster_than_it_hears_is_not_answered),
	cmocka_unit_test(what_could_not_be_written_was_not_given),
	cmocka_unit_test(who_has_just_started_gives_nothing),
	cmocka_unit_test(of_what_is_no_pool_nothing_is_given),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
