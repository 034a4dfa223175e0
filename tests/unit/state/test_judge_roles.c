/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/asking.h"

#include "crdt/model/pack.h"
#include "crdt/model/record.h"
#include "crdt/state/merge.h"

/* Owners, and roles in conflict. */

static struct asking a;
static const struct id none;

static struct id owner_makes(const char *login, uint64_t role)
{
	a.asker.writes = BY_OWNER;
	return made_user(&a, login, role);
}

static void as(unsigned writes, struct id user)
{
	a.asker.writes = (uint8_t)writes;
	a.asker.user = user;
}

/* As if it had been set at another member at the same time. */
static void set_elsewhere(struct id user, uint64_t role)
{
	struct user_row row = { .has = BIT(AT_user_role), .role = role }, now;
	uint8_t room[64];
	struct buf map = buf_over(room, sizeof room);
	struct record record;
	bool is_changed;

	read_row(&a, KIND_TABLE(user), user, &now);
	row.role_guard.generation = now.role_guard.generation;
	pack_write(&KIND_TABLE(user)->shape, &row, &map);
	assert_int_equal(record_from_op(buf_bytes(&map), (struct stamp){ 0 }, &record, NULL), OK);
	assert_int_equal(state_merge(a.p.txn, NULL, KIND_user, user, &record, &a.p.arena, &is_changed, NULL), OK);
	read_row(&a, KIND_TABLE(user), user, &now);
	assert_true(now.role_guard.is_conflict);
}

/* Else an operator's link would wait for the conflict to be decided, and set an owner's password. */
static void a_role_in_conflict_protects_as_an_owners(void **state)
{
	static const uint8_t hash[32];
	struct one_time_link_row link = { .has = BIT(AT_one_time_link_hash) | BIT(AT_one_time_link_purpose) |
						 BIT(AT_one_time_link_subject) | BIT(AT_one_time_link_expires),
					  .hash = bytes_of(hash, sizeof hash),
					  .purpose = PURPOSE_PASSWORD };
	struct id boss, victim, op, admin;

	(void)state;
	asking_start(&a, 20);
	boss = owner_makes("boss", ROLE_OWNER);
	victim = owner_makes("victim", ROLE_OPERATOR);
	op = owner_makes("op", ROLE_OPERATOR);
	admin = owner_makes("admin", ROLE_ADMIN);
	as(BY_OWNER, boss);
	ask_role(&a, victim, ROLE_OWNER);
	TAKEN(&a);
	set_elsewhere(victim, ROLE_VIEWER);
	link.subject = (struct ref){ KIND_user, victim };
	as(BY_OPERATOR | BY_AGENT, op);
	ask_create(&a, KIND_TABLE(one_time_link), &link);
	REFUSED(&a, E_DENIED, "this one_time_link is that of somebody with a higher role: ask an owner");
	as(BY_ADMIN, admin);
	ask_login(&a, victim, "x");
	REFUSED(&a, E_DENIED, "this user is that of somebody with a higher role: ask an owner");
	ask_role(&a, victim, ROLE_USER);
	assert_int_equal(asked(&a), E_DENIED);
	/* Their own is theirs, and an owner decides. */
	as(BY_SELF, victim);
	ask_device(&a, victim, "phone", 1);
	TAKEN(&a);
	as(BY_OWNER, boss);
	ask_role(&a, victim, ROLE_VIEWER);
	TAKEN(&a);
	as(BY_ADMIN, admin);
	ask_login(&a, victim, "x");
	TAKEN(&a);
	asking_end(&a);
}

/* It may be decided the other way. */
static void who_is_in_conflict_is_no_owner_that_remains(void **state)
{
	static const char *const why = "this is the last owner, and nobody could undo it: make another owner first";
	struct id one, two;

	(void)state;
	asking_start(&a, 21);
	one = owner_makes("one", ROLE_OWNER);
	two = owner_makes("two", ROLE_OPERATOR);
	as(BY_OWNER, none);
	ask_role(&a, two, ROLE_OWNER);
	TAKEN(&a);
	set_elsewhere(two, ROLE_VIEWER);
	ask_role(&a, one, ROLE_USER);
	REFUSED(&a, E_DENIED, why);
	ask_remove(&a, KIND_TABLE(user), one);
	REFUSED(&a, E_DENIED, why);
	/* What decides it may come in the same request. */
	ask_role(&a, two, ROLE_OWNER);
	ask_role(&a, one, ROLE_USER);
	TAKEN(&a);
	asking_end(&a);
}

static void who_is_in_conflict_may_be_the_last_owner(void **state)
{
	static const char *const why = "this is, or may be once the conflict about the role is decided, the last "
				       "owner, and nobody could undo it: make another owner first";
	struct id one, two;

	(void)state;
	asking_start(&a, 22);
	one = owner_makes("one", ROLE_OWNER);
	two = owner_makes("two", ROLE_OWNER);
	set_elsewhere(one, ROLE_VIEWER);
	set_elsewhere(two, ROLE_VIEWER);
	as(BY_OWNER, none);
	ask_role(&a, one, ROLE_USER);
	REFUSED(&a, E_DENIED, why);
	ask_unset(&a, KIND_TABLE(user), one, AT_user_role);
	REFUSED(&a, E_DENIED, why);
	ask_remove(&a, KIND_TABLE(user), one);
	REFUSED(&a, E_DENIED, why);
	/* Nothing is lost while it stays in conflict, and whoever is made an owner ends it. */
	ask_login(&a, one, "uno");
	TAKEN(&a);
	ask_role(&a, two, ROLE_OWNER);
	TAKEN(&a);
	ask_role(&a, one, ROLE_USER);
	TAKEN(&a);
	asking_end(&a);
}

static void there_is_always_an_owner(void **state)
{
	static const char refusal[] = "this is the last owner, and nobody could undo it: make another owner first";
	struct id first, second, admin;

	(void)state;
	asking_start(&a, 4);
	first = owner_makes("first", ROLE_OWNER);
	admin = owner_makes("admin", ROLE_ADMIN);
	as(BY_OWNER, admin);
	ask_remove(&a, KIND_TABLE(user), first);
	REFUSED(&a, E_DENIED, refusal);
	ask_role(&a, first, ROLE_ADMIN);
	REFUSED(&a, E_DENIED, refusal);
	ask_unset(&a, KIND_TABLE(user), first, AT_user_role);
	REFUSED(&a, E_DENIED, refusal);
	/* One may take the other's place in one request. */
	ask_remove(&a, KIND_TABLE(user), first);
	ask_user(&a, "second", ROLE_OWNER, none);
	TAKEN(&a);
	second = a.judged.ids[1];
	ask_role(&a, second, ROLE_ADMIN);
	ask_role(&a, admin, ROLE_OWNER);
	TAKEN(&a);
	ask_role(&a, second, ROLE_OWNER);
	TAKEN(&a);
	ask_remove(&a, KIND_TABLE(user), second);
	ask_role(&a, admin, ROLE_ADMIN);
	assert_int_equal(asked(&a), E_DENIED);
	ask_remove(&a, KIND_TABLE(user), admin);
	REFUSED(&a, E_DENIED, "nobody removes their own account: ask somebody else who may");
	ask_remove(&a, KIND_TABLE(user), second);
	TAKEN(&a);
	asking_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_in_conflict_protects_as_an_owners),
		cmocka_unit_test(who_is_in_conflict_is_no_owner_that_remains),
		cmocka_unit_test(who_is_in_conflict_may_be_the_last_owner),
		cmocka_unit_test(there_is_always_an_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
