/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/asking.h"

#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/state/policy_head.h"

#include <stdio.h>

static struct asking a;
static const struct id none;

static void what_is_asked_comes_true(void **state)
{
	struct user_row row;
	struct id user;

	(void)state;
	asking_start(&a, 1);
	a.asker.has_actor = true;
	a.asker.actor = (struct ref){ KIND_session, { { 8 } } };
	ask_user(&a, "anna", ROLE_ADMIN, none);
	TAKEN(&a);
	assert_false(a.judged.is_repeat);
	assert_int_equal(a.judged.lane, LANE_PEOPLE);
	assert_int_equal(a.judged.hlc.bits, a.judging.hlc.bits);
	user = a.judged.ids[0];
	read_row(&a, KIND_TABLE(user), user, &row);
	assert_true(bytes_equal(row.login, bytes_text("anna")));
	assert_int_equal(row.nonce.size, 8);
	assert_int_equal(row.made.ms, a.judging.now.ms);
	assert_int_equal(row.role, ROLE_ADMIN);
	assert_int_equal(row.role_guard.generation, 1);
	ask_login(&a, user, "annabel");
	ask_device(&a, user, "phone", 1);
	TAKEN(&a);
	read_row(&a, KIND_TABLE(user), user, &row);
	assert_true(bytes_equal(row.login, bytes_text("annabel")));
	ask_remove(&a, KIND_TABLE(device), a.judged.ids[1]);
	TAKEN(&a);
	assert_int_equal(a.judged.lane, LANE_URGENT);
	assert_false(is_there(&a, KIND_TABLE(device), a.judged.ids[0]));
	asking_end(&a);
}

static void kinds_have_their_authors(void **state)
{
	struct gateway_fact_row fact = { .has = BIT(AT_gateway_fact_load), .load = 5 };
	struct level_row level = { .has = BIT(AT_level_level), .level = 2 };
	struct id id;

	(void)state;
	asking_start(&a, 2);
	a.asker.writes = 0xff;
	ask_create(&a, KIND_TABLE(level), &level);
	REFUSED(&a, E_DENIED, "a level is signed by an operator: use the command that does that");
	ask_map(&a, CHANGE_CREATE, 4000, none, bytes_of("\x80", 1));
	REFUSED(&a, E_VALUE, "there is no kind 4000 in this version");
	a.asker.writes = BY_ALL | BY_AGENT;
	ask_create(&a, KIND_TABLE(gateway_fact), &fact);
	REFUSED(&a, E_DENIED, "a gateway_fact is what a member says of itself: nobody else writes it");
	a.asker.writes = BY_MEMBER;
	ask_create(&a, KIND_TABLE(gateway_fact), &fact);
	TAKEN(&a);
	id = a.judged.ids[0];
	assert_int_equal(a.judged.lane, LANE_BULK);
	read_row(&a, KIND_TABLE(gateway_fact), id, &fact);
	assert_int_equal(fact.node, ASKING_NODE);
	/* A later change brings the identity along, or nobody would take it. */
	fact = (struct gateway_fact_row){ .has = BIT(AT_gateway_fact_load), .load = 6 };
	a.judging.action = bytes_of(NULL, 0);
	ask_set(&a, KIND_TABLE(gateway_fact), id, &fact);
	TAKEN(&a);
	read_row(&a, KIND_TABLE(gateway_fact), id, &fact);
	assert_int_equal(fact.load, 6);
	ask_remove(&a, KIND_TABLE(gateway_fact), id);
	REFUSED(&a, E_VALUE, "a gateway_fact is never removed");
	fact = (struct gateway_fact_row){ .has = BIT(AT_gateway_fact_node), .node = 5 };
	ask_create(&a, KIND_TABLE(gateway_fact), &fact);
	REFUSED(&a, E_DENIED, "`node`: names another member: each writes its own rows alone");
	a.asker.writes = BY_OWNER;
	ask_user(&a, "anna", 0, none);
	REFUSED(&a, E_VALUE, "say what is done: only a member's own rows go without an audit row");
	asking_end(&a);
}

static void fields_keep_their_rules(void **state)
{
	struct user_row row = { .has = BIT(AT_user_login) | BIT(AT_user_made), .login = bytes_text("anna") };

	(void)state;
	asking_start(&a, 3);
	ask_create(&a, KIND_TABLE(user), &row);
	REFUSED(&a, E_DENIED, "`made`: is set by Warren itself alone: leave it out");
	row.has = BIT(AT_user_name);
	row.name = bytes_text("Anna");
	ask_create(&a, KIND_TABLE(user), &row);
	REFUSED(&a, E_VALUE, "`login`: is required");
	ask_user(&a, "anna", 0, none);
	ask_user(&a, "Bert", 0, none);
	assert_int_equal(asked(&a), E_VALUE);
	assert_non_null(strstr(a.err.text, "`changes[1].login`: use small letters"));
	ask_map(&a, CHANGE_CREATE, KIND_user, none, bytes_of("\x81\xcc\xc9\x01", 4));
	REFUSED(&a, E_VALUE, "a user has no field 201 that this version knows: leave it out");
	ask_map(&a, CHANGE_CREATE, KIND_user, none, bytes_of("\x81\x05", 2));
	assert_int_equal(asked(&a), E_FORM);
	ask_map(&a, CHANGE_CREATE, KIND_user, none, bytes_of("\x01", 1));
	assert_int_equal(asked(&a), E_FORM);
	/* [generation] alone is a conflict. */
	ask_map(&a, CHANGE_CREATE, KIND_user, none,
		bytes_of("\x82\x05\xa1"
			 "a\x13\x91\x01",
			 7));
	REFUSED(&a, E_VALUE, "`role`: a conflict is nothing to set: give a value");
	REFUSED(&a, E_LIMIT, "a request has 1 to 64 changes, this has 0");
	for (int i = 0; i < JUDGE_CHANGES_MAX + 1; i++)
		ask_user(&a, "anna", 0, none);
	REFUSED(&a, E_LIMIT, "a request has 1 to 64 changes, this has 65");
	a.judging.action = bytes_text("two\nlines");
	ask_user(&a, "anna", 0, none);
	assert_int_equal(asked(&a), E_VALUE);
	asking_end(&a);
}

static void an_entry_has_its_size(void **state)
{
	static char note[4000];
	struct group_row row = { .has = BIT(AT_group_name) | BIT(AT_group_note) };
	char name[16];

	(void)state;
	asking_start(&a, 4);
	memset(note, 'x', sizeof note);
	row.note = bytes_of(note, sizeof note);
	for (int i = 0; i < 16; i++) {
		snprintf(name, sizeof name, "g%d", i);
		row.name = bytes_text(name);
		ask_create(&a, KIND_TABLE(group), &row);
	}
	TAKEN(&a);
	for (int i = 0; i < 17; i++) {
		snprintf(name, sizeof name, "h%d", i);
		row.name = bytes_text(name);
		ask_create(&a, KIND_TABLE(group), &row);
	}
	assert_int_equal(asked(&a), E_LIMIT);
	assert_non_null(strstr(a.err.text, "ask for fewer at once"));
	asking_end(&a);
}

static void a_set_changes_what_differs(void **state)
{
	struct device_row row = { .has = BIT(AT_device_public_key) };
	struct id user, device;

	(void)state;
	asking_start(&a, 5);
	a.asker.writes = BY_OWNER | BY_AGENT;
	user = made_user(&a, "anna", 0);
	ask_device(&a, user, "phone", 1);
	TAKEN(&a);
	device = a.judged.ids[0];
	ask_set(&a, KIND_TABLE(device), device, &row);
	REFUSED(&a, E_VALUE, "`public_key`: cannot be changed: make another device");
	memset(row.public_key.bytes, 1, sizeof row.public_key.bytes);
	ask_set(&a, KIND_TABLE(device), device, &row);
	TAKEN(&a);
	assert_true(a.judged.is_repeat && id_equal(a.judged.ids[0], device));
	ask_unset(&a, KIND_TABLE(device), device, AT_device_name);
	REFUSED(&a, E_VALUE, "`name`: is required");
	/* A value that only grows. */
	row = (struct device_row){ .has = BIT(AT_device_revision), .revision = 300 };
	ask_set(&a, KIND_TABLE(device), device, &row);
	TAKEN(&a);
	assert_false(a.judged.is_repeat);
	row.revision = 299;
	ask_set(&a, KIND_TABLE(device), device, &row);
	TAKEN(&a);
	assert_true(a.judged.is_repeat);
	read_row(&a, KIND_TABLE(device), device, &row);
	assert_int_equal(row.revision, 300);
	/* One that goes again. */
	row = (struct device_row){ .has = BIT(AT_device_note), .note = bytes_text("lent out") };
	ask_set(&a, KIND_TABLE(device), device, &row);
	TAKEN(&a);
	ask_unset(&a, KIND_TABLE(device), device, AT_device_note);
	TAKEN(&a);
	read_row(&a, KIND_TABLE(device), device, &row);
	assert_false(row.has & BIT(AT_device_note));
	ask_unset(&a, KIND_TABLE(device), device, AT_device_note);
	TAKEN(&a);
	assert_true(a.judged.is_repeat);
	ask_login(&a, (struct id){ { 3 } }, "x");
	REFUSED(&a, E_ABSENT, "there is no such user (any more)");
	asking_end(&a);
}

static void put_op(uint32_t kind, struct id id, struct bytes map, uint64_t bits)
{
	struct record *record = arena_take(&a.p.arena, sizeof *record);
	bool is_changed;

	assert_int_equal(record_from_op(map, (struct stamp){ { bits }, 99 }, record, NULL), OK);
	assert_int_equal(state_merge(a.p.txn, NULL, kind, id, record, &a.p.arena, &is_changed, NULL), OK);
	assert_true(is_changed);
}

static void guarded_values_go_up(void **state)
{
	struct user_row row;
	struct id user;

	(void)state;
	asking_start(&a, 6);
	/* So that anna need not be the last one. */
	ask_role(&a, made_user(&a, "olga", 0), ROLE_OWNER);
	TAKEN(&a);
	user = made_user(&a, "anna", 0);
	ask_unset(&a, KIND_TABLE(user), user, AT_user_expires);
	TAKEN(&a);
	assert_true(a.judged.is_repeat);
	for (uint64_t i = 1; i < 5; i++) {
		ask_role(&a, user, i % 2 ? ROLE_OPERATOR : ROLE_VIEWER);
		TAKEN(&a);
		read_row(&a, KIND_TABLE(user), user, &row);
		assert_int_equal(row.role_guard.generation, i);
		assert_int_equal(row.role, i % 2 ? ROLE_OPERATOR : ROLE_VIEWER);
	}
	ask_role(&a, user, ROLE_VIEWER);
	TAKEN(&a);
	assert_true(a.judged.is_repeat);
	ask_unset(&a, KIND_TABLE(user), user, AT_user_role);
	TAKEN(&a);
	read_row(&a, KIND_TABLE(user), user, &row);
	assert_int_equal(row.role_guard.generation, 5);
	assert_false(row.has & BIT(AT_user_role));
	/* Two values at one generation: any value decides, also none. */
	put_op(KIND_user, user, bytes_of("\x81\x13\x92\x05\x04", 5), 1);
	read_row(&a, KIND_TABLE(user), user, &row);
	assert_true(row.role_guard.is_conflict);
	ask_unset(&a, KIND_TABLE(user), user, AT_user_role);
	TAKEN(&a);
	read_row(&a, KIND_TABLE(user), user, &row);
	assert_true(!row.role_guard.is_conflict && row.role_guard.generation == 6);
	put_op(KIND_user, user, bytes_of("\x81\x13\x92\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x04", 13), 1);
	ask_role(&a, user, ROLE_VIEWER);
	TAKEN(&a);
	assert_true(a.judged.is_repeat);
	ask_role(&a, user, ROLE_OPERATOR);
	REFUSED(&a, E_LIMIT, "`role`: has had its last generation: remove the record and make another");
	asking_end(&a);
}

static void writes_are_stamped_behind_what_they_replace(void **state)
{
	uint64_t future = hlc_make(500000, 7).bits;
	struct user_row name = { .has = BIT(AT_user_name), .name = bytes_text("Anna") }, row;
	struct id user;

	(void)state;
	asking_start(&a, 7);
	user = made_user(&a, "anna", 0);
	put_op(KIND_user, user,
	       bytes_of("\x81\x09\xa1"
			"x",
			4),
	       future);
	ask_login(&a, user, "bert");
	TAKEN(&a);
	assert_int_equal(a.judged.hlc.bits, a.judging.hlc.bits + 1);
	ask_set(&a, KIND_TABLE(user), user, &name);
	TAKEN(&a);
	assert_int_equal(a.judged.hlc.bits, future + 1);
	read_row(&a, KIND_TABLE(user), user, &row);
	assert_true(bytes_equal(row.name, bytes_text("Anna")));
	put_op(KIND_user, user,
	       bytes_of("\x81\x09\xa1"
			"y",
			4),
	       hlc_make(WALL_MAX_MS, UINT16_MAX).bits);
	name.name = bytes_text("Anne");
	ask_set(&a, KIND_TABLE(user), user, &name);
	REFUSED(&a, E_LIMIT, "`name`: was stamped with the end of time: remove the record and make another");
	ask_login(&a, user, "carl");
	TAKEN(&a);
	asking_end(&a);
}

/* Another member's later change overtook the making of the record, which comes here with the same identity. */
static void what_has_arrived_without_identity_is_gone_behind(void **state)
{
	struct id id;

	(void)state;
	asking_start(&a, 8);
	a.judging.idempotency = bytes_text("key");
	ask_user(&a, "anna", ROLE_VIEWER, none);
	assert_int_equal(judge(&a.judging, &a.asker, a.changes, 1, &a.judged, &a.err), OK);
	id = a.judged.ids[0];
	put_op(KIND_user, id,
	       bytes_of("\x82\x05\xa1"
			"x\x13\x92\x07\x04",
			8),
	       hlc_make(9000, 0).bits);
	TAKEN(&a);
	assert_false(a.judged.is_repeat);
	assert_int_equal(a.judged.hlc.bits, hlc_make(9000, 1).bits);
	assert_true(id_equal(a.judged.ids[0], id));
	{
		struct user_row row;

		read_row(&a, KIND_TABLE(user), id, &row);
		assert_true(bytes_equal(row.login, bytes_text("anna")));
		assert_int_equal(row.role_guard.generation, 8);
	}
	/* Until it comes there is nothing to change. */
	put_op(KIND_user, (struct id){ { 1, 2, 3 } },
	       bytes_of("\x82\x05\xa1"
			"x\x13\x92\x07\x04",
			8),
	       hlc_make(9000, 0).bits);
	ask_login(&a, (struct id){ { 1, 2, 3 } }, "bert");
	REFUSED(&a, E_ABSENT, "there is no such user (any more)");
	asking_end(&a);
}

static void a_request_may_hang_together(void **state)
{
	struct password_row password = { .has = BIT(AT_password_user) | BIT(AT_password_hash) };
	struct hold_row hold = { .has = BIT(AT_hold_subject) };
	struct id user;

	(void)state;
	asking_start(&a, 9);
	a.asker.writes = BY_OWNER | BY_AGENT;
	password.user = judge_made(0);
	password.hash = bytes_text("hash");
	ask_user(&a, "anna", ROLE_OWNER, none);
	ask_create(&a, KIND_TABLE(password), &password);
	ask_device(&a, judge_made(0), "phone", 1);
	hold.subject = (struct ref){ KIND_device, judge_made(2) };
	ask_create(&a, KIND_TABLE(hold), &hold);
	TAKEN(&a);
	user = a.judged.ids[0];
	read_row(&a, KIND_TABLE(password), a.judged.ids[1], &password);
	assert_true(id_equal(password.user, user));
	read_row(&a, KIND_TABLE(hold), a.judged.ids[3], &hold);
	assert_true(id_equal(hold.subject.id, a.judged.ids[2]));
	password.has = BIT(AT_password_user);
	password.user = judge_made(1);
	ask_user(&a, "bert", 0, none);
	ask_create(&a, KIND_TABLE(password), &password);
	REFUSED(&a, E_VALUE,
		"`changes[1].user`: means what change 1 makes: name one before this one that makes a record");
	password.user = judge_made(0);
	ask_login(&a, user, "x");
	ask_create(&a, KIND_TABLE(password), &password);
	assert_int_equal(asked(&a), E_VALUE);
	/* What goes with the same request is nothing to hang on. */
	ask_remove(&a, KIND_TABLE(user), user);
	ask_device(&a, user, "tablet", 2);
	ask_user(&a, "carl", ROLE_OWNER, none);
	REFUSED(&a, E_ABSENT, "`changes[1].owner`: there is no such user (any more): name one that is there");
	asking_end(&a);
}

static void no_record_is_in_two_changes(void **state)
{
	struct id user;

	(void)state;
	asking_start(&a, 10);
	user = made_user(&a, "anna", 0);
	ask_login(&a, user, "bert");
	ask_remove(&a, KIND_TABLE(user), user);
	REFUSED(&a, E_VALUE, "`changes[1]`: is about the same user as change 0: make one change of both");
	ask_device(&a, user, "one", 1);
	ask_device(&a, user, "two", 1);
	REFUSED(&a, E_TAKEN, "`changes[1]`: makes the same device as change 0: leave one out");
	asking_end(&a);
}

static struct id save_policy(struct id policy, uint8_t verdict)
{
	uint8_t rule[] = { 0x81, 4, verdict };
	struct policy_version_row row = { .has = BIT(AT_policy_version_policy) | BIT(AT_policy_version_rules) };

	row.policy = policy;
	row.rules = (struct list){ bytes_of(rule, sizeof rule), 1 };
	ask_create(&a, KIND_TABLE(policy_version), &row);
	TAKEN(&a);
	return a.judged.ids[0];
}

static void saving_a_policy_replaces_its_heads(void **state)
{
	struct policy_row row = { .has = BIT(AT_policy_name), .name = bytes_text("home") };
	struct policy_version_row version;
	struct id policy, first, second, *heads;
	size_t count;

	(void)state;
	asking_start(&a, 14);
	ask_create(&a, KIND_TABLE(policy), &row);
	TAKEN(&a);
	policy = a.judged.ids[0];
	first = save_policy(policy, VERDICT_ALLOW);
	assert_true(id_equal(save_policy(policy, VERDICT_ALLOW), first) && a.judged.is_repeat);
	second = save_policy(policy, VERDICT_DENY);
	read_row(&a, KIND_TABLE(policy_version), second, &version);
	assert_int_equal(version.replaces.count, 1);
	/* Back to the rules of before is a version of its own. */
	assert_false(id_equal(save_policy(policy, VERDICT_ALLOW), first));
	/* Another member saved at the same time. */
	version = (struct policy_version_row){ .has = BIT(AT_policy_version_policy), .policy = policy };
	put_row(&a.p, KIND_TABLE(policy_version), &version, 1);
	save_policy(policy, VERDICT_ALLOW);
	read_row(&a, KIND_TABLE(policy_version), a.judged.ids[0], &version);
	assert_int_equal(version.replaces.count, 2);
	assert_int_equal(policy_heads(a.p.txn, policy, &a.p.arena, &heads, &count, NULL), OK);
	assert_true(count == 1 && id_equal(heads[0], a.judged.ids[0]));
	/* Of too many heads the rest is replaced by the next one. */
	for (uint8_t i = 0; i < POLICY_HEADS_MAX + 2; i++) {
		uint8_t elsewhere[2 + sizeof(struct id)] = { 0xc4, sizeof(struct id), i };

		version = (struct policy_version_row){ .has = BIT(AT_policy_version_policy), .policy = policy };
		version.has |= BIT(AT_policy_version_replaces);
		version.replaces = (struct list){ bytes_of(elsewhere, sizeof elsewhere), 1 };
		put_row(&a.p, KIND_TABLE(policy_version), &version, 1);
	}
	save_policy(policy, VERDICT_DENY);
	read_row(&a, KIND_TABLE(policy_version), a.judged.ids[0], &version);
	assert_int_equal(version.replaces.count, POLICY_HEADS_MAX);
	save_policy(policy, VERDICT_ALLOW);
	read_row(&a, KIND_TABLE(policy_version), a.judged.ids[0], &version);
	assert_int_equal(version.replaces.count, 4);
	assert_int_equal(policy_heads(a.p.txn, policy, &a.p.arena, &heads, &count, NULL), OK);
	assert_true(count == 1 && id_equal(heads[0], a.judged.ids[0]));
	version = (struct policy_version_row){ .has = BIT(AT_policy_version_policy), .policy = policy };
	ask_create(&a, KIND_TABLE(policy_version), &version);
	ask_create(&a, KIND_TABLE(policy_version), &version);
	REFUSED(&a, E_VALUE, "`changes[1]`: saves the same policy as change 0: save it once");
	asking_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_comes_true),
		cmocka_unit_test(kinds_have_their_authors),
		cmocka_unit_test(fields_keep_their_rules),
		cmocka_unit_test(an_entry_has_its_size),
		cmocka_unit_test(a_set_changes_what_differs),
		cmocka_unit_test(guarded_values_go_up),
		cmocka_unit_test(writes_are_stamped_behind_what_they_replace),
		cmocka_unit_test(what_has_arrived_without_identity_is_gone_behind),
		cmocka_unit_test(a_request_may_hang_together),
		cmocka_unit_test(no_record_is_in_two_changes),
		cmocka_unit_test(saving_a_policy_replaces_its_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
