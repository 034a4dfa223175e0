/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/asking.h"

#include <stdio.h>

static struct asking a;
static const struct id none;

static struct id owner_makes(const char *login, uint64_t role)
{
	a.asker.writes = BY_OWNER;
	return made_user(&a, login, role);
}

static struct id made_device(struct id owner, const char *name, uint8_t key)
{
	ask_device(&a, owner, name, key);
	TAKEN(&a);
	return a.judged.ids[0];
}

static void as(unsigned writes, struct id user)
{
	a.asker.writes = (uint8_t)writes;
	a.asker.user = user;
}

static void ask_name(struct id device, const char *name)
{
	struct device_row row = { .has = BIT(AT_device_name), .name = bytes_text(name) };

	ask_set(&a, KIND_TABLE(device), device, &row);
}

static void ask_hold(uint32_t kind, struct id id)
{
	struct hold_row row = { .has = BIT(AT_hold_subject), .subject = { kind, id } };

	ask_create(&a, KIND_TABLE(hold), &row);
}

static void ask_session(struct id user)
{
	struct session_row row = { .has = BIT(AT_session_user) | BIT(AT_session_expires), .user = user };

	ask_create(&a, KIND_TABLE(session), &row);
}

static void roles_go_no_higher_than_who_asks(void **state)
{
	struct id owner, admin, other, user;

	(void)state;
	asking_start(&a, 1);
	owner = owner_makes("owner", ROLE_OWNER);
	admin = owner_makes("admin", ROLE_ADMIN);
	other = owner_makes("other", ROLE_ADMIN);
	user = owner_makes("user", 0);
	as(BY_ADMIN, admin);
	for (uint64_t role = ROLE_OWNER; role <= ROLE_USER; role++) {
		ask_role(&a, user, role);
		assert_int_equal(asked(&a), role <= ROLE_ADMIN ? E_DENIED : OK);
		ask_user(&a, role & 1 ? "x1" : "x2", role, none);
		if (role > ROLE_ADMIN) {
			TAKEN(&a);
			ask_remove(&a, KIND_TABLE(user), a.judged.ids[0]);
			TAKEN(&a);
			continue;
		}
		REFUSED(&a, E_DENIED, "`role`: only an owner makes or unmakes owners and admins: ask one");
	}
	/* Nor may they be unmade, also oneself. */
	ask_role(&a, other, ROLE_USER);
	REFUSED(&a, E_DENIED, "`role`: only an owner makes or unmakes owners and admins: ask one");
	ask_role(&a, admin, ROLE_OPERATOR);
	assert_int_equal(asked(&a), E_DENIED);
	ask_role(&a, owner, ROLE_USER);
	REFUSED(&a, E_DENIED, "this user is that of somebody with a higher role: ask an owner");
	as(BY_OPERATOR, none);
	ask_role(&a, user, ROLE_VIEWER);
	REFUSED(&a, E_DENIED, "`role`: is set by an admin or owner alone: leave it out");
	as(BY_OWNER, owner);
	ask_role(&a, other, ROLE_OWNER);
	TAKEN(&a);
	ask_role(&a, owner, ROLE_USER);
	TAKEN(&a);
	asking_end(&a);
}

static void nobody_reaches_above_themselves(void **state)
{
	struct one_time_link_row link = { .has = BIT(AT_one_time_link_hash) | BIT(AT_one_time_link_purpose) |
						 BIT(AT_one_time_link_subject) | BIT(AT_one_time_link_expires),
					  .purpose = PURPOSE_PASSWORD };
	static const uint8_t hash[32];
	struct id owner, admin, op, device;

	(void)state;
	asking_start(&a, 2);
	owner = owner_makes("owner", ROLE_OWNER);
	admin = owner_makes("admin", ROLE_ADMIN);
	op = owner_makes("operator", ROLE_OPERATOR);
	device = made_device(owner, "phone", 1);
	link.hash = bytes_of(hash, sizeof hash);
	link.subject = (struct ref){ KIND_user, owner };
	as(BY_OPERATOR | BY_AGENT, op);
	ask_create(&a, KIND_TABLE(one_time_link), &link);
	REFUSED(&a, E_DENIED, "this one_time_link is that of somebody with a higher role: ask an owner");
	ask_hold(KIND_user, admin);
	REFUSED(&a, E_DENIED, "this hold is that of somebody with a higher role: ask an admin or owner");
	ask_hold(KIND_device, device);
	assert_int_equal(asked(&a), E_DENIED);
	ask_login(&a, owner, "x");
	assert_int_equal(asked(&a), E_DENIED);
	ask_device(&a, admin, "mine", 2);
	assert_int_equal(asked(&a), E_DENIED);
	ask_remove(&a, KIND_TABLE(device), device);
	assert_int_equal(asked(&a), E_DENIED);
	/* What is their own, and that of their equals, is theirs to change. */
	ask_login(&a, op, "op");
	TAKEN(&a);
	link.subject.id = op;
	ask_create(&a, KIND_TABLE(one_time_link), &link);
	TAKEN(&a);
	as(BY_ADMIN, admin);
	ask_hold(KIND_user, op);
	TAKEN(&a);
	ask_remove(&a, KIND_TABLE(device), device);
	assert_int_equal(asked(&a), E_DENIED);
	/* Somebody who signs in is nobody's subject. */
	as(BY_AGENT, none);
	ask_session(owner);
	TAKEN(&a);
	asking_end(&a);
}

static void a_key_is_not_its_owner(void **state)
{
	struct id owner, device;

	(void)state;
	asking_start(&a, 15);
	owner = owner_makes("owner", ROLE_OWNER);
	device = made_device(owner, "phone", 1);
	/* An owner with fewer rights, as a key has them, is no owner; as itself it is. */
	as(BY_OPERATOR, owner);
	ask_name(device, "mine");
	assert_int_equal(asked(&a), E_DENIED);
	as(BY_OPERATOR | BY_SELF, owner);
	ask_name(device, "mine");
	TAKEN(&a);
	asking_end(&a);
}

static void people_have_what_is_theirs(void **state)
{
	struct user_row row = { .has = BIT(AT_user_name), .name = bytes_text("Anna") };
	struct id anna, bert, phone, tablet;

	(void)state;
	asking_start(&a, 3);
	owner_makes("owner", ROLE_OWNER);
	anna = owner_makes("anna", 0);
	bert = owner_makes("bert", 0);
	tablet = made_device(bert, "tablet", 2);
	as(BY_SELF, anna);
	ask_set(&a, KIND_TABLE(user), anna, &row);
	TAKEN(&a);
	phone = made_device(anna, "phone", 1);
	ask_name(phone, "my phone");
	TAKEN(&a);
	ask_login(&a, anna, "queen");
	REFUSED(&a, E_DENIED, "`login`: is set by an operator, admin or owner alone: leave it out");
	row.name = bytes_text("Bert");
	ask_set(&a, KIND_TABLE(user), bert, &row);
	REFUSED(&a, E_DENIED, "this user is not yours: ask an operator");
	ask_name(tablet, "mine");
	REFUSED(&a, E_DENIED, "this device is not yours: ask an operator");
	ask_remove(&a, KIND_TABLE(device), tablet);
	REFUSED(&a, E_DENIED, "this device is not yours: ask an operator");
	ask_device(&a, bert, "mine", 3);
	REFUSED(&a, E_DENIED, "this device is not yours: ask an operator");
	ask_remove(&a, KIND_TABLE(device), phone);
	TAKEN(&a);
	asking_end(&a);
}

static void what_is_done_for_people_is_theirs_too(void **state)
{
	struct user_row row = { .has = BIT(AT_user_name), .name = bytes_text("Bert") };
	struct id anna, bert, tablet, session;

	(void)state;
	asking_start(&a, 13);
	owner_makes("owner", ROLE_OWNER);
	anna = owner_makes("anna", 0);
	bert = owner_makes("bert", 0);
	tablet = made_device(bert, "tablet", 2);
	as(BY_AGENT, none);
	ask_session(bert);
	TAKEN(&a);
	session = a.judged.ids[0];
	as(BY_SELF | BY_AGENT, anna);
	ask_remove(&a, KIND_TABLE(session), session);
	REFUSED(&a, E_DENIED, "this session is not yours: ask an operator");
	ask_session(bert);
	assert_int_equal(asked(&a), E_DENIED);
	ask_session(anna);
	TAKEN(&a);
	ask_remove(&a, KIND_TABLE(session), a.judged.ids[0]);
	TAKEN(&a);
	ask_remove(&a, KIND_TABLE(user), anna);
	assert_int_equal(asked(&a), E_DENIED);
	/* An operator is a user too, but of others sets only what operators do. */
	as(BY_OPERATOR | BY_SELF, anna);
	ask_set(&a, KIND_TABLE(user), bert, &row);
	TAKEN(&a);
	/* A viewer sets nothing. */
	as(0, anna);
	ask_set(&a, KIND_TABLE(user), anna, &row);
	assert_int_equal(asked(&a), E_DENIED);
	ask_remove(&a, KIND_TABLE(device), tablet);
	REFUSED(&a, E_DENIED, "removing this device is not yours to do: ask who may");
	asking_end(&a);
}

static void a_name_has_one_holder(void **state)
{
	struct id anna, bert;
	char wanted[200], hex[33];

	(void)state;
	asking_start(&a, 5);
	anna = owner_makes("anna", 0);
	bert = owner_makes("bert", 0);
	for (size_t i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", anna.bytes[i]);
	snprintf(wanted, sizeof wanted, "`login`: anna is taken by the user %s: choose another", hex);
	ask_user(&a, "anna", 0, none);
	REFUSED(&a, E_TAKEN, wanted);
	ask_login(&a, bert, "anna");
	REFUSED(&a, E_TAKEN, wanted);
	ask_login(&a, anna, "anna");
	TAKEN(&a);
	ask_user(&a, "carl", 0, none);
	ask_user(&a, "carl", 0, none);
	assert_int_equal(asked(&a), E_TAKEN);
	assert_non_null(strstr(a.err.text, "`changes[1].login`: carl is taken"));
	ask_user(&a, hex, 0, none);
	REFUSED(&a, E_VALUE, "`login`: looks like an id: choose another");
	/* What counts is how it will be. */
	ask_login(&a, anna, "bert");
	ask_login(&a, bert, "anna");
	TAKEN(&a);
	ask_remove(&a, KIND_TABLE(user), anna);
	ask_user(&a, "bert", 0, none);
	TAKEN(&a);
	ask_login(&a, bert, "dora");
	ask_user(&a, "anna", 0, none);
	TAKEN(&a);
	ask_login(&a, bert, "emil");
	ask_user(&a, "emil", 0, none);
	assert_int_equal(asked(&a), E_TAKEN);
	asking_end(&a);
}

static void a_user_tells_devices_by_their_names(void **state)
{
	struct id anna, bert, phone, tablet;

	(void)state;
	asking_start(&a, 6);
	anna = owner_makes("anna", 0);
	bert = owner_makes("bert", 0);
	phone = made_device(anna, "phone", 1);
	made_device(bert, "phone", 2);
	tablet = made_device(anna, "tablet", 3);
	ask_device(&a, anna, "phone", 4);
	assert_int_equal(asked(&a), E_TAKEN);
	assert_non_null(strstr(a.err.text, "`name`: phone is taken by the device"));
	ask_name(tablet, "phone");
	assert_int_equal(asked(&a), E_TAKEN);
	ask_device(&a, anna, "watch", 5);
	ask_device(&a, anna, "watch", 6);
	assert_int_equal(asked(&a), E_TAKEN);
	ask_name(tablet, "phone");
	ask_name(phone, "tablet");
	TAKEN(&a);
	ask_remove(&a, KIND_TABLE(device), phone);
	ask_device(&a, anna, "tablet", 7);
	TAKEN(&a);
	asking_end(&a);
}

static void a_key_is_used_once(void **state)
{
	struct id anna, bert, phone;

	(void)state;
	asking_start(&a, 7);
	anna = owner_makes("anna", 0);
	bert = owner_makes("bert", 0);
	phone = made_device(anna, "phone", 1);
	ask_device(&a, bert, "phone", 1);
	REFUSED(&a, E_TAKEN, "`public_key`: is that of another device: enrol with a new key");
	ask_device(&a, anna, "one", 2);
	ask_device(&a, bert, "two", 2);
	REFUSED(&a, E_TAKEN, "`changes[1].public_key`: is that of another device: enrol with a new key");
	ask_remove(&a, KIND_TABLE(device), phone);
	TAKEN(&a);
	ask_device(&a, bert, "phone", 1);
	REFUSED(&a, E_TAKEN, "`public_key`: was revoked for good: enrol with a new key");
	ask_device(&a, anna, "phone", 1);
	REFUSED(&a, E_TAKEN, "`public_key`: was revoked for good: enrol with a new key");
	/* Also that of a user who is gone. */
	made_device(bert, "phone", 3);
	ask_remove(&a, KIND_TABLE(user), bert);
	TAKEN(&a);
	ask_device(&a, anna, "phone", 3);
	assert_int_equal(asked(&a), E_TAKEN);
	asking_end(&a);
}

static void ask_another_plan(struct id user)
{
	struct user_row row = { .has = BIT(AT_user_plan), .plan = put_plan_of(&a.p, "other", 9) };

	ask_set(&a, KIND_TABLE(user), user, &row);
}

static void plans_limit_devices(void **state)
{
	struct plan_row plan = { .has = BIT(AT_plan_name) | BIT(AT_plan_devices), .devices = 2 };
	struct device_row row;
	struct id id, anna, first;

	(void)state;
	asking_start(&a, 8);
	plan.name = bytes_text("two");
	ask_create(&a, KIND_TABLE(plan), &plan);
	TAKEN(&a);
	id = a.judged.ids[0];
	ask_user(&a, "anna", 0, id);
	TAKEN(&a);
	anna = a.judged.ids[0];
	first = made_device(anna, "one", 1);
	ask_device(&a, anna, "two", 2);
	ask_device(&a, anna, "three", 3);
	REFUSED(&a, E_LIMIT,
		"`changes[1].owner`: has 2 devices, and the plan allows 2: remove one first, or choose a larger plan");
	made_device(anna, "two", 2);
	read_row(&a, KIND_TABLE(device), a.judged.ids[0], &row);
	assert_int_equal(row.ordinal, 2);
	ask_device(&a, anna, "three", 3);
	assert_int_equal(asked(&a), E_LIMIT);
	ask_remove(&a, KIND_TABLE(device), first);
	ask_device(&a, anna, "three", 3);
	TAKEN(&a);
	read_row(&a, KIND_TABLE(device), a.judged.ids[1], &row);
	assert_int_equal(row.ordinal, 3);
	/* A user that the same request makes has a plan too. */
	ask_user(&a, "bert", 0, id);
	for (uint8_t i = 0; i < 3; i++)
		ask_device(&a, judge_made(0), (const char *[]){ "x", "y", "z" }[i], (uint8_t)(10 + i));
	assert_int_equal(asked(&a), E_LIMIT);
	assert_non_null(strstr(a.err.text, "`changes[3].owner`: has 2 devices"));
	ask_user(&a, "bert", 0, id);
	for (uint8_t i = 0; i < 2; i++)
		ask_device(&a, judge_made(0), (const char *[]){ "x", "y" }[i], (uint8_t)(10 + i));
	TAKEN(&a);
	read_row(&a, KIND_TABLE(device), a.judged.ids[2], &row);
	assert_int_equal(row.ordinal, 2);
	ask_remove(&a, KIND_TABLE(plan), id);
	REFUSED(&a, E_TAKEN, "users have this plan: give them another one first");
	ask_unset(&a, KIND_TABLE(user), anna, AT_user_plan);
	ask_another_plan(a.judged.ids[0]);
	ask_remove(&a, KIND_TABLE(plan), id);
	TAKEN(&a);
	made_device(anna, "four", 4);
	asking_end(&a);
}

static void what_a_record_names_is_there(void **state)
{
	struct membership_row row = { .has = BIT(AT_membership_user) | BIT(AT_membership_group) };
	struct group_row group = { .has = BIT(AT_group_name), .name = bytes_text("team") };
	struct id anna, phone;

	(void)state;
	asking_start(&a, 9);
	anna = owner_makes("anna", 0);
	ask_create(&a, KIND_TABLE(group), &group);
	TAKEN(&a);
	row.user = anna;
	row.group = (struct id){ { 4 } };
	ask_create(&a, KIND_TABLE(membership), &row);
	REFUSED(&a, E_ABSENT, "`group`: there is no such group (any more): name one that is there");
	row.group = a.judged.ids[0];
	ask_create(&a, KIND_TABLE(membership), &row);
	TAKEN(&a);
	ask_user(&a, "bert", 0, row.group);
	REFUSED(&a, E_ABSENT, "`plan`: there is no such plan (any more): name one that is there");
	ask_hold(KIND_device, anna);
	REFUSED(&a, E_ABSENT, "`subject`: there is no such device (any more): name one that is there");
	ask_hold(1000 << 2 | TIER_SHARED, anna);
	REFUSED(&a, E_ABSENT, "`subject`: there is no such kind of record (any more): name one that is there");
	phone = made_device(anna, "phone", 1);
	ask_remove(&a, KIND_TABLE(user), anna);
	TAKEN(&a);
	ask_remove(&a, KIND_TABLE(user), anna);
	REFUSED(&a, E_ABSENT, "there is no such user (any more)");
	ask_hold(KIND_device, phone);
	assert_int_equal(asked(&a), E_ABSENT);
	ask_name(phone, "x");
	assert_int_equal(asked(&a), E_ABSENT);
	asking_end(&a);
}

static void who_could_make_it_may_remove_it(void **state)
{
	struct cluster_settings_row settings = { .has = BIT(AT_cluster_settings_scope), .scope = SCOPE_CLUSTER };
	struct enrolment_approval_row approval = { .has = BIT(AT_enrolment_approval_device) };
	struct id id;

	(void)state;
	asking_start(&a, 14);
	approval.device = made_device(owner_makes("anna", 0), "phone", 1);
	as(BY_OWNER | BY_AGENT, none);
	ask_create(&a, KIND_TABLE(cluster_settings), &settings);
	ask_create(&a, KIND_TABLE(enrolment_approval), &approval);
	TAKEN(&a);
	id = a.judged.ids[1];
	ask_remove(&a, KIND_TABLE(cluster_settings), a.judged.ids[0]);
	REFUSED(&a, E_DENIED, "removing this cluster_settings is not yours to do: ask who may");
	as(BY_OWNER, none);
	ask_remove(&a, KIND_TABLE(enrolment_approval), id);
	assert_int_equal(asked(&a), E_DENIED);
	as(BY_AGENT, none);
	ask_remove(&a, KIND_TABLE(enrolment_approval), id);
	TAKEN(&a);
	asking_end(&a);
}

static void holds_are_made_and_lifted(void **state)
{
	struct hold_row row;
	struct id anna;

	(void)state;
	asking_start(&a, 10);
	anna = owner_makes("anna", 0);
	ask_hold(KIND_user, anna);
	ask_hold(KIND_user, anna);
	TAKEN(&a);
	assert_int_equal(a.judged.lane, LANE_URGENT);
	read_row(&a, KIND_TABLE(hold), a.judged.ids[0], &row);
	assert_int_equal(row.made.ms, a.judging.now.ms);
	ask_remove(&a, KIND_TABLE(hold), a.judged.ids[0]);
	ask_remove(&a, KIND_TABLE(hold), a.judged.ids[1]);
	TAKEN(&a);
	/* Under a key the time is not part of what is made. */
	a.judging.idempotency = bytes_text("1");
	ask_hold(KIND_user, anna);
	TAKEN(&a);
	read_row(&a, KIND_TABLE(hold), a.judged.ids[0], &row);
	assert_false(row.has & BIT(AT_hold_made));
	asking_end(&a);
}

static void secrets_go_with_their_owners(void **state)
{
	struct password_row row = { .has = BIT(AT_password_user) | BIT(AT_password_hash), .hash = bytes_text("h") };
	struct id password;

	(void)state;
	asking_start(&a, 11);
	row.user = owner_makes("anna", 0);
	as(BY_AGENT, none);
	ask_create(&a, KIND_TABLE(password), &row);
	TAKEN(&a);
	password = a.judged.ids[0];
	ask_remove(&a, KIND_TABLE(password), password);
	REFUSED(&a, E_VALUE, "`hash`: goes with what it belongs to alone: unset it instead");
	ask_unset(&a, KIND_TABLE(password), password, AT_password_hash);
	TAKEN(&a);
	as(BY_OWNER | BY_AGENT, none);
	ask_remove(&a, KIND_TABLE(user), row.user);
	ask_remove(&a, KIND_TABLE(password), password);
	TAKEN(&a);
	asking_end(&a);
}

static void what_is_invalid_can_be_removed(void **state)
{
	struct user_row row = { .has = BIT(AT_user_login), .login = bytes_text("no\nlogin") };
	struct id user;

	(void)state;
	asking_start(&a, 12);
	user = put_row(&a.p, KIND_TABLE(user), &row, 1);
	ask_login(&a, user, "good");
	assert_int_equal(asked(&a), E_VALUE);
	assert_non_null(strstr(a.err.text, "this record is not valid here, remove it and make another: `login`"));
	as(BY_SELF, user);
	ask_remove(&a, KIND_TABLE(user), user);
	assert_int_equal(asked(&a), E_DENIED);
	as(BY_OPERATOR, none);
	ask_remove(&a, KIND_TABLE(user), user);
	TAKEN(&a);
	asking_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles_go_no_higher_than_who_asks),
		cmocka_unit_test(nobody_reaches_above_themselves),
		cmocka_unit_test(a_key_is_not_its_owner),
		cmocka_unit_test(people_have_what_is_theirs),
		cmocka_unit_test(what_is_done_for_people_is_theirs_too),
		cmocka_unit_test(a_name_has_one_holder),
		cmocka_unit_test(a_user_tells_devices_by_their_names),
		cmocka_unit_test(a_key_is_used_once),
		cmocka_unit_test(plans_limit_devices),
		cmocka_unit_test(what_a_record_names_is_there),
		cmocka_unit_test(who_could_make_it_may_remove_it),
		cmocka_unit_test(holds_are_made_and_lifted),
		cmocka_unit_test(secrets_go_with_their_owners),
		cmocka_unit_test(what_is_invalid_can_be_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
