/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/put.h"

#include "crdt/state/found.h"
#include "crdt/state/live.h"

static struct putting p;
static struct id none;

static enum code live(const struct kind *kind, struct id id, struct err *err)
{
	union any_row row;

	return live_row(p.txn, kind, id, &row, err);
}

static struct id put_session(struct id user)
{
	struct session_row row = { .has = BIT(AT_session_user) | BIT(AT_session_made) | BIT(AT_session_expires) };

	row.user = user;
	return put_row(&p, KIND_TABLE(session), &row, 1);
}

static struct id put_refresh(struct id session)
{
	static const uint8_t hash[32];
	struct refresh_row row = { .has = BIT(AT_refresh_session) | BIT(AT_refresh_generation) | BIT(AT_refresh_hash) };

	row.session = session;
	row.hash = bytes_of(hash, sizeof hash);
	return put_row(&p, KIND_TABLE(refresh), &row, 1);
}

static struct id put_sealed(uint32_t kind, struct id id)
{
	struct sealed_secret_row row = { .has = BIT(AT_sealed_secret_subject) | BIT(AT_sealed_secret_member) };

	row.subject = (struct ref){ kind, id };
	row.member = 1;
	return put_row(&p, KIND_TABLE(sealed_secret), &row, 1);
}

static void what_a_record_hangs_on_must_live(void **state)
{
	struct err err = { 0 };
	struct id user, session, refresh;
	struct device_row row;

	(void)state;
	putting_start(&p, 1);
	user = put_user(&p, "anna", 0, none);
	session = put_session(user);
	refresh = put_refresh(session);
	assert_int_equal(live(KIND_TABLE(refresh), refresh, &err), OK);
	assert_int_equal(live_row(p.txn, KIND_TABLE(device), put_device(&p, user, "phone", 1, 1), &row, &err), OK);
	assert_int_equal(row.ordinal, 1);
	put_dead(&p, KIND_TABLE(user), user);
	assert_int_equal(live(KIND_TABLE(session), session, &err), E_ABSENT);
	assert_string_equal(err.text, "`user`: there is no such user (any more): name one that is there");
	assert_int_equal(live(KIND_TABLE(refresh), refresh, &err), E_ABSENT);
	assert_int_equal(live(KIND_TABLE(user), user, &err), E_ABSENT);
	assert_string_equal(err.text, "there is no such user (any more)");
	assert_int_equal(live(KIND_TABLE(device), row.id, NULL), E_ABSENT);
	putting_end(&p);
}

static void parents_may_be_missing_or_invalid(void **state)
{
	struct user_row broken = { .has = BIT(AT_user_login), .login = bytes_text("Not A Login") };
	struct pool_row pool = { .has = BIT(AT_pool_maker) | BIT(AT_pool_name), .maker = 1, .name = bytes_text("p") };
	struct err err = { 0 };
	struct id user;

	(void)state;
	putting_start(&p, 2);
	assert_int_equal(live(KIND_TABLE(session), put_session((struct id){ { 9 } }), NULL), E_ABSENT);
	user = put_row(&p, KIND_TABLE(user), &broken, 1);
	assert_int_equal(live(KIND_TABLE(user), user, &err), E_VALUE);
	assert_int_equal(live(KIND_TABLE(session), put_session(user), &err), E_ABSENT);
	/* A parent that is not set hangs on nothing. */
	assert_int_equal(live(KIND_TABLE(pool), put_row(&p, KIND_TABLE(pool), &pool, 1), &err), OK);
	pool.has |= BIT(AT_pool_gateway);
	assert_int_equal(live(KIND_TABLE(pool), put_row(&p, KIND_TABLE(pool), &pool, 1), &err), E_ABSENT);
	putting_end(&p);
}

/* Only somebody evil makes long chains, and nobody follows them far. */
static void chains_end(void **state)
{
	struct err err = { 0 };
	struct id id;

	(void)state;
	putting_start(&p, 3);
	id = put_sealed(KIND_user, put_user(&p, "anna", 0, none));
	for (int depth = 2; depth < 20; depth++) {
		assert_int_equal(live(KIND_TABLE(sealed_secret), id, &err), depth - 1 <= LIVE_DEPTH ? OK : E_ABSENT);
		id = put_sealed(KIND_sealed_secret, id);
	}
	id = put_sealed(1000 << 2 | TIER_SHARED, id);
	assert_int_equal(live(KIND_TABLE(sealed_secret), id, &err), E_ABSENT);
	assert_string_equal(err.text, "`subject`: names a kind of record that this version does not know");
	putting_end(&p);
}

static void holds_are_found_by_their_subject(void **state)
{
	struct id user, other, first, second, *ids;
	bool is_held;
	size_t count;

	(void)state;
	putting_start(&p, 4);
	user = put_user(&p, "anna", 0, none);
	other = put_user(&p, "bert", 0, none);
	first = put_hold(&p, KIND_user, user);
	second = put_hold(&p, KIND_user, user);
	put_hold(&p, KIND_device, other);
	assert_int_equal(live_holds(p.txn, (struct ref){ KIND_user, user }, &p.arena, &ids, &count, NULL), OK);
	assert_int_equal(count, 2);
	assert_true(memcmp(&ids[0], &ids[1], sizeof *ids) < 0);
	assert_true(ids_has(ids, count, first) && ids_has(ids, count, second) && !ids_has(ids, count, user));
	assert_int_equal(live_is_held(p.txn, (struct ref){ KIND_user, other }, &p.arena, &is_held, NULL), OK);
	assert_false(is_held);
	put_dead(&p, KIND_TABLE(hold), first);
	assert_int_equal(live_is_held(p.txn, (struct ref){ KIND_user, user }, &p.arena, &is_held, NULL), OK);
	assert_true(is_held);
	put_dead(&p, KIND_TABLE(hold), second);
	assert_int_equal(live_is_held(p.txn, (struct ref){ KIND_user, user }, &p.arena, &is_held, NULL), OK);
	assert_false(is_held);
	/* What is held lives. */
	put_hold(&p, KIND_user, user);
	assert_int_equal(live(KIND_TABLE(user), user, NULL), OK);
	putting_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_record_hangs_on_must_live),
		cmocka_unit_test(parents_may_be_missing_or_invalid),
		cmocka_unit_test(chains_end),
		cmocka_unit_test(holds_are_found_by_their_subject),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
