/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/asking.h"

/* What a request that comes again makes, and what its records are found by. */

static struct asking a;
static const struct id none;

static void repeats_make_nothing(void **state)
{
	struct user_row row;
	struct id user;

	(void)state;
	asking_start(&a, 11);
	a.judging.idempotency = bytes_text("anna, POST /users, 1");
	ask_user(&a, "bert", 0, none);
	ask_user(&a, "carl", 0, none);
	TAKEN(&a);
	user = a.judged.ids[0];
	assert_false(id_equal(user, a.judged.ids[1]));
	read_row(&a, KIND_TABLE(user), user, &row);
	assert_int_equal(row.nonce.size, 16);
	/* At another member, whose random numbers are others, and even after one of them is dead. */
	for (int round = 0; round < 2; round++) {
		rng_u64(&a.rng);
		a.judging.node = ASKING_NODE + 1;
		ask_user(&a, "bert", 0, none);
		ask_user(&a, "carl", 0, none);
		TAKEN(&a);
		assert_true(a.judged.is_repeat && id_equal(user, a.judged.ids[0]));
		a.judging.node = ASKING_NODE;
		put_dead(&a.p, KIND_TABLE(user), user);
	}
	a.judging.idempotency = bytes_text("anna, POST /users, 2");
	ask_user(&a, "bert", 0, none);
	TAKEN(&a);
	assert_false(a.judged.is_repeat || id_equal(user, a.judged.ids[0]));
	ask_user(&a, "bert", 0, none);
	TAKEN(&a);
	assert_true(a.judged.is_repeat);
	a.judging.idempotency = bytes_of(NULL, 0);
	ask_user(&a, "bert", 0, none);
	assert_int_equal(asked(&a), E_TAKEN);
	asking_end(&a);
}

/* A removal may be here before what it removed, and what it removed was made by this very request. */
static void what_was_removed_before_it_came_is_made_no_second_time(void **state)
{
	struct id user = none;

	(void)state;
	for (int round = 0; round < 2; round++) {
		asking_start(&a, 16);
		if (round)
			put_dead(&a.p, KIND_TABLE(user), user);
		a.judging.idempotency = bytes_text("1");
		ask_user(&a, "anna", 0, none);
		TAKEN(&a);
		assert_int_equal(a.judged.is_repeat, round);
		assert_true(!round || id_equal(user, a.judged.ids[0]));
		user = a.judged.ids[0];
		asking_end(&a);
	}
}

static void natural_ids_repeat_only_what_is_the_same(void **state)
{
	struct id user, device;

	(void)state;
	asking_start(&a, 12);
	user = made_user(&a, "anna", 0);
	a.judging.idempotency = bytes_text("1");
	ask_device(&a, user, "phone", 1);
	TAKEN(&a);
	device = a.judged.ids[0];
	ask_device(&a, user, "phone", 1);
	TAKEN(&a);
	assert_true(a.judged.is_repeat && id_equal(a.judged.ids[0], device));
	/* One that is there does not stand for another that is not. */
	ask_device(&a, user, "phone", 1);
	ask_device(&a, user, "tablet", 2);
	REFUSED(&a, E_TAKEN, "`changes[0].public_key`: is that of a device which this user has: enrol with a new key");
	ask_device(&a, user, "tablet", 1);
	REFUSED(&a, E_TAKEN, "`public_key`: is that of a device which this user has: enrol with a new key");
	a.judging.idempotency = bytes_of(NULL, 0);
	ask_device(&a, user, "phone", 1);
	REFUSED(&a, E_TAKEN, "`public_key`: is that of a device which this user has: enrol with a new key");
	ask_remove(&a, KIND_TABLE(device), device);
	TAKEN(&a);
	a.judging.idempotency = bytes_text("1");
	ask_device(&a, user, "phone", 1);
	REFUSED(&a, E_TAKEN, "`public_key`: was revoked for good: enrol with a new key");
	asking_end(&a);
}

/* A device with something that has a nonce: the nonce tells. */
static void what_hangs_on_a_device_tells_a_repeat(void **state)
{
	struct hold_row hold = { .has = BIT(AT_hold_subject) };
	struct id user;

	(void)state;
	asking_start(&a, 13);
	user = made_user(&a, "anna", 0);
	hold.subject = (struct ref){ KIND_device, judge_made(0) };
	for (int round = 0; round < 2; round++) {
		a.judging.idempotency = bytes_text("1");
		a.judging.now.ms++;
		ask_device(&a, user, "phone", 1);
		ask_create(&a, KIND_TABLE(hold), &hold);
		TAKEN(&a);
		assert_int_equal(a.judged.is_repeat, round);
	}
	a.judging.idempotency = bytes_text("2");
	ask_device(&a, user, "phone", 1);
	ask_create(&a, KIND_TABLE(hold), &hold);
	assert_int_equal(asked(&a), E_TAKEN);
	asking_end(&a);
}

/* What has its home at its author would be another at another member, and says nothing of a repeat there. */
static void what_names_its_author_tells_no_repeat(void **state)
{
	static const uint8_t hash[32];
	struct one_time_link_row link = { .has = BIT(AT_one_time_link_hash) | BIT(AT_one_time_link_purpose) |
						 BIT(AT_one_time_link_subject) | BIT(AT_one_time_link_expires),
					  .purpose = PURPOSE_CONFIG };
	struct id user;

	(void)state;
	asking_start(&a, 15);
	user = made_user(&a, "anna", 0);
	a.asker.writes = BY_OWNER | BY_AGENT;
	a.judging.idempotency = bytes_text("1");
	link.hash = bytes_of(hash, sizeof hash);
	link.subject = (struct ref){ KIND_device, judge_made(0) };
	for (int round = 0; round < 2; round++) {
		ask_device(&a, user, "phone", 1);
		ask_create(&a, KIND_TABLE(one_time_link), &link);
		TAKEN(&a);
		assert_int_equal(a.judged.is_repeat, round);
		a.judging.node = ASKING_NODE + 1;
	}
	asking_end(&a);
}

static void what_is_given_stays_and_what_is_required_comes(void **state)
{
	static const uint8_t nonce[16] = { 1, 2, 3 };
	struct setting_row setting = { .has = BIT(AT_setting_nonce) | BIT(AT_setting_name) | BIT(AT_setting_value),
				       .nonce = bytes_of(nonce, sizeof nonce),
				       .name = bytes_text("n"),
				       .value = bytes_text("v") };
	struct session_row session = { .has = BIT(AT_session_user) | BIT(AT_session_expires), .expires = { 5000 } };

	(void)state;
	asking_start(&a, 17);
	session.user = made_user(&a, "anna", 0);
	a.asker.writes = BY_OWNER | BY_AGENT;
	a.judging.idempotency = bytes_text("1");
	ask_create(&a, KIND_TABLE(setting), &setting);
	TAKEN(&a);
	read_row(&a, KIND_TABLE(setting), a.judged.ids[0], &setting);
	assert_true(bytes_equal(setting.nonce, bytes_of(nonce, sizeof nonce)));
	/* A time that is part of the identity, and must be there also in a request that may be repeated. */
	ask_create(&a, KIND_TABLE(session), &session);
	TAKEN(&a);
	read_row(&a, KIND_TABLE(session), a.judged.ids[0], &session);
	assert_true(session.made.ms == a.judging.now.ms);
	asking_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repeats_make_nothing),
		cmocka_unit_test(what_was_removed_before_it_came_is_made_no_second_time),
		cmocka_unit_test(natural_ids_repeat_only_what_is_the_same),
		cmocka_unit_test(what_hangs_on_a_device_tells_a_repeat),
		cmocka_unit_test(what_names_its_author_tells_no_repeat),
		cmocka_unit_test(what_is_given_stays_and_what_is_required_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
