/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/clerk.h"

#include "crdt/base/rng.h"
#include "crdt/state/conflict.h"
#include "crdt/state/spend.h"

#define USED "`credential`: was used already, as often as it may be: ask for another"

static struct asking a;
static struct estate e;
static struct id user;
static const struct id none;
static const uint8_t secret[32] = { 1 };

/* `home` 0: the member that is asked. */
static struct one_time_link_row link_row(uint64_t home)
{
	struct one_time_link_row row = { .has = BIT(AT_one_time_link_hash) | BIT(AT_one_time_link_purpose) |
						BIT(AT_one_time_link_subject) | BIT(AT_one_time_link_expires),
					 .hash = bytes_of(secret, sizeof secret),
					 .purpose = PURPOSE_PASSWORD,
					 .subject = { KIND_user, user },
					 .expires = { 5000 } };

	if (home) {
		row.has |= BIT(AT_one_time_link_home);
		row.home = home;
	}
	return row;
}

static struct ref made_link(void)
{
	struct one_time_link_row row = link_row(0);

	ask_create(&a, KIND_TABLE(one_time_link), &row);
	TAKEN(&a);
	return (struct ref){ KIND_one_time_link, a.judged.ids[0] };
}

/* As another member made it. */
static struct ref put_link(uint64_t home)
{
	struct one_time_link_row row = link_row(home);

	return (struct ref){ KIND_one_time_link, put_row(&a.p, KIND_TABLE(one_time_link), &row, 1) };
}

static struct ref made_token(uint64_t uses)
{
	struct enrolment_token_row row = { .has = BIT(AT_enrolment_token_hash) | BIT(AT_enrolment_token_uses) |
						  BIT(AT_enrolment_token_user) | BIT(AT_enrolment_token_name) |
						  BIT(AT_enrolment_token_expires),
					   .hash = bytes_of(secret, sizeof secret),
					   .uses = uses,
					   .user = user,
					   .name = bytes_text("laptops"),
					   .expires = { 5000 } };

	ask_create(&a, KIND_TABLE(enrolment_token), &row);
	TAKEN(&a);
	return (struct ref){ KIND_enrolment_token, a.judged.ids[0] };
}

/* `code` 0: without one. */
static struct spend_row spend_row(struct ref credential, uint8_t code)
{
	static uint8_t hashes[256][16];
	struct spend_row row = { .has = BIT(AT_spend_credential), .credential = credential };

	memset(hashes[code], code, sizeof hashes[code]);
	if (code) {
		row.has |= BIT(AT_spend_code);
		row.code = bytes_of(hashes[code], sizeof hashes[code]);
	}
	return row;
}

static void ask_spend(struct ref credential, uint8_t code)
{
	struct spend_row row = spend_row(credential, code);

	ask_create(&a, KIND_TABLE(spend), &row);
}

/* As it comes from a home with an old disk. */
static struct id put_spend(struct ref credential, uint8_t code, uint64_t ordinal, const struct id *device)
{
	struct spend_row row = spend_row(credential, code);

	row.has |= BIT(AT_spend_ordinal);
	row.ordinal = ordinal;
	if (device) {
		row.has |= BIT(AT_spend_made);
		row.made = (struct ref){ KIND_device, *device };
	}
	return put_row(&a.p, KIND_TABLE(spend), &row, 1);
}

static bool stands(struct id spend)
{
	bool is_standing;

	assert_int_equal(spend_stands(a.p.txn, spend, &a.p.arena, &is_standing, NULL), OK);
	return is_standing;
}

static void check_ordinal(uint64_t ordinal)
{
	struct spend_row row;

	read_row(&a, KIND_TABLE(spend), a.judged.ids[0], &row);
	assert_int_equal(row.ordinal, ordinal);
	assert_true(a.judged.spends && stands(row.id));
}

static void a_link_is_spent_once_and_a_token_as_often_as_it_says(void **state)
{
	struct ref link, other, token;

	(void)state;
	clerk_start(&a, &e, &user);
	link = made_link();
	other = made_link();
	assert_false(a.judged.spends);
	token = made_token(3);
	ask_spend(link, 0);
	TAKEN(&a);
	check_ordinal(1);
	ask_spend(link, 0);
	REFUSED(&a, E_TAKEN, USED);
	for (uint64_t i = 1; i <= 3; i++) {
		ask_spend(token, 0);
		TAKEN(&a);
		check_ordinal(i);
	}
	ask_spend(token, 0);
	REFUSED(&a, E_TAKEN, USED);
	ask_spend(other, 0);
	TAKEN(&a);
	clerk_end(&a, &e);
}

static void one_request_counts_its_own_uses(void **state)
{
	struct ref token, link;
	struct spend_row row;

	(void)state;
	clerk_start(&a, &e, &user);
	token = made_token(2);
	link = made_link();
	ask_spend(link, 0);
	ask_spend(link, 0);
	assert_int_equal(asked(&a), E_TAKEN);
	for (size_t i = 0; i < 3; i++)
		ask_spend(token, 0);
	assert_int_equal(asked(&a), E_TAKEN);
	assert_non_null(strstr(a.err.text, "changes[2]"));
	ask_spend(token, 0);
	ask_spend(token, 0);
	ask_spend(link, 0);
	TAKEN(&a);
	read_row(&a, KIND_TABLE(spend), a.judged.ids[1], &row);
	assert_int_equal(row.ordinal, 2);
	clerk_end(&a, &e);
}

static void the_claim_and_what_it_makes_are_one(void **state)
{
	struct spend_row row;
	struct ref token;
	bool is_off;

	(void)state;
	clerk_start(&a, &e, &user);
	token = made_token(1);
	ask_device(&a, user, "phone", 1);
	row = spend_row(token, 0);
	row.has |= BIT(AT_spend_made);
	row.made = (struct ref){ KIND_device, judge_made(0) };
	ask_create(&a, KIND_TABLE(spend), &row);
	TAKEN(&a);
	read_row(&a, KIND_TABLE(spend), a.judged.ids[1], &row);
	assert_true(id_equal(row.made.id, a.judged.ids[0]));
	assert_int_equal(spend_is_off(a.p.txn, row.made, &a.p.arena, &is_off, NULL), OK);
	assert_false(is_off);
	/* Nothing comes of a use that is too many. */
	ask_device(&a, user, "tablet", 2);
	row = spend_row(token, 0);
	row.has |= BIT(AT_spend_made);
	row.made = (struct ref){ KIND_device, judge_made(0) };
	ask_create(&a, KIND_TABLE(spend), &row);
	assert_int_equal(asked(&a), E_TAKEN);
	clerk_end(&a, &e);
}

static void a_repeat_is_one_use(void **state)
{
	struct ref token, link;
	struct id first;

	(void)state;
	clerk_start(&a, &e, &user);
	token = made_token(5);
	link = made_link();
	a.judging.idempotency = bytes_text("key 1");
	ask_spend(token, 0);
	TAKEN(&a);
	first = a.judged.ids[0];
	for (size_t i = 0; i < 3; i++) {
		ask_spend(token, 0);
		TAKEN(&a);
		assert_true(a.judged.is_repeat && a.judged.spends && id_equal(a.judged.ids[0], first));
	}
	/* The same key for something else. */
	ask_device(&a, user, "phone", 1);
	TAKEN(&a);
	{
		struct spend_row row = spend_row(token, 0);

		row.has |= BIT(AT_spend_made);
		row.made = (struct ref){ KIND_device, a.judged.ids[0] };
		ask_create(&a, KIND_TABLE(spend), &row);
		REFUSED(&a, E_TAKEN, "this key was used before, for another request: take a new key");
	}
	/* Also when nothing is left, or the link is gone since. */
	a.judging.idempotency = bytes_text("key 2");
	ask_spend(link, 0);
	TAKEN(&a);
	ask_remove(&a, KIND_TABLE(one_time_link), link.id);
	TAKEN(&a);
	ask_spend(link, 0);
	TAKEN(&a);
	assert_true(a.judged.is_repeat);
	a.judging.spends_not = "wait";
	ask_spend(link, 0);
	TAKEN(&a);
	assert_true(a.judged.is_repeat);
	clerk_end(&a, &e);
}

static void what_is_dead_expired_or_off_is_not_spent(void **state)
{
	struct ref removed, expired, held;
	struct spend_row row;
	struct id hold;

	(void)state;
	clerk_start(&a, &e, &user);
	removed = made_link();
	expired = made_link();
	held = made_link();
	ask_remove(&a, KIND_TABLE(one_time_link), removed.id);
	TAKEN(&a);
	ask_spend(removed, 0);
	REFUSED(&a, E_ABSENT, "`credential`: was removed, or whom it is for: ask for another");
	a.judging.now.ms = 5000;
	ask_spend(expired, 0);
	REFUSED(&a, E_DENIED, "`credential`: has expired: ask for another");
	a.judging.now.ms = 4999;
	hold = put_hold(&a.p, KIND_one_time_link, held.id);
	ask_spend(held, 0);
	REFUSED(&a, E_DENIED, "`credential`: is switched off, or whom it is for: ask an operator");
	put_dead(&a.p, KIND_TABLE(hold), hold);
	hold = put_hold(&a.p, KIND_user, user);
	ask_spend(held, 0);
	REFUSED(&a, E_DENIED, "`credential`: is switched off, or whom it is for: ask an operator");
	put_dead(&a.p, KIND_TABLE(hold), hold);
	a.judging.spends_not = "wait";
	ask_spend(held, 0);
	REFUSED(&a, E_BUSY, "`credential`: wait");
	a.judging.spends_not = NULL;
	row = spend_row(held, 0);
	row.has |= BIT(AT_spend_ordinal);
	row.ordinal = 1;
	ask_create(&a, KIND_TABLE(spend), &row);
	REFUSED(&a, E_VALUE, "`ordinal`: is counted here: leave it out");
	ask_spend((struct ref){ KIND_user, user }, 0);
	assert_int_equal(asked(&a), E_VALUE);
	ask_spend((struct ref){ KIND_one_time_link, user }, 0);
	assert_int_equal(asked(&a), E_ABSENT);
	a.asker.writes = BY_OWNER;
	ask_spend(held, 0);
	assert_int_equal(asked(&a), E_DENIED);
	a.asker.writes |= BY_AGENT;
	ask_spend(held, 0);
	TAKEN(&a);
	clerk_end(&a, &e);
}

static void spends_stay_while_the_credential_lives(void **state)
{
	struct spend_row row = { .has = BIT(AT_spend_ordinal), .ordinal = 9 };
	struct id spend;
	struct ref link;

	(void)state;
	clerk_start(&a, &e, &user);
	link = made_link();
	ask_spend(link, 0);
	TAKEN(&a);
	spend = a.judged.ids[0];
	ask_set(&a, KIND_TABLE(spend), spend, &row);
	REFUSED(&a, E_VALUE, "a spend is never changed");
	ask_remove(&a, KIND_TABLE(spend), spend);
	REFUSED(&a, E_VALUE, "a spend stays while what was spent is there: remove that");
	ask_remove(&a, KIND_TABLE(one_time_link), link.id);
	TAKEN(&a);
	assert_true(stands(spend));
	ask_remove(&a, KIND_TABLE(spend), spend);
	TAKEN(&a);
	clerk_end(&a, &e);
}

static void recovery_codes_are_spent_one_by_one(void **state)
{
	struct recovery_codes_row row = { .has = BIT(AT_recovery_codes_user) | BIT(AT_recovery_codes_hashes),
					  .user = user };
	uint8_t hashes[8 + CREDENTIAL_CODES * 16] = { 0 };
	struct ref codes;

	(void)state;
	clerk_start(&a, &e, &user);
	hashes[7] = ASKING_NODE;
	for (uint8_t i = 0; i < CREDENTIAL_CODES; i++)
		memset(hashes + 8 + i * 16, i + 1, 16);
	row.user = user;
	row.hashes = bytes_of(hashes, sizeof hashes);
	ask_create(&a, KIND_TABLE(recovery_codes), &row);
	TAKEN(&a);
	codes = (struct ref){ KIND_recovery_codes, a.judged.ids[0] };
	for (uint8_t i = 1; i <= CREDENTIAL_CODES; i++) {
		ask_spend(codes, i);
		TAKEN(&a);
		check_ordinal(i);
		ask_spend(codes, i);
		REFUSED(&a, E_TAKEN, USED);
	}
	ask_spend(codes, 11);
	REFUSED(&a, E_DENIED, "`code`: is none of the codes: use another, or make new ones");
	ask_spend(codes, 0);
	REFUSED(&a, E_VALUE, "`code`: is required");
	ask_spend(made_link(), 1);
	REFUSED(&a, E_VALUE, "`code`: is of recovery codes alone: leave it out");
	/* New codes are not used because the old ones were; and the new home is who made them. */
	memset(hashes + 8, 12, 16);
	row.has = BIT(AT_recovery_codes_hashes);
	ask_set(&a, KIND_TABLE(recovery_codes), codes.id, &row);
	TAKEN(&a);
	ask_spend(codes, 1);
	assert_int_equal(asked(&a), E_DENIED);
	ask_spend(codes, 12);
	TAKEN(&a);
	clerk_end(&a, &e);
}

static void only_its_home_spends(void **state)
{
	struct ref here, there;
	struct judged judged = { .home = 0 };

	(void)state;
	clerk_start(&a, &e, &user);
	here = made_link();
	there = put_link(1);
	ask_spend(there, 0);
	assert_int_equal(judge(&a.judging, &a.asker, a.changes, a.count, &judged, &a.err), E_ELSEWHERE);
	assert_int_equal(judged.home, 1);
	/* What comes first cannot be judged without the rest. */
	a.judging.idempotency = bytes_text("key");
	assert_int_equal(judge(&a.judging, &a.asker, a.changes, a.count, &judged, &a.err), E_ELSEWHERE);
	a.count = 0;
	ask_spend(here, 0);
	ask_spend(there, 0);
	assert_int_equal(asked(&a), E_VALUE);
	/* Nor does it where it never was a member. */
	ask_spend(put_link(99), 0);
	assert_int_equal(asked(&a), E_DENIED);
	clerk_end(&a, &e);
}

static uint64_t not_yet;

static bool may_inherit(void *context, uint64_t node)
{
	(void)context;
	return node != not_yet;
}

static void of_an_evicted_home_the_heir_is_home(void **state)
{
	static const struct block_gates gates = { .may_inherit = may_inherit };
	struct judged judged;
	struct ref link;

	(void)state;
	clerk_start(&a, &e, &user);
	estate_admit(&e, 2, 1, none);
	estate_admit(&e, 3, 1, none);
	estate_members(&e);
	estate_evict(&e, 2, 3);
	estate_members(&e);
	a.judging.members = e.members;
	a.judging.gates = &gates;
	link = put_link(2);
	ask_spend(link, 0);
	assert_int_equal(judge(&a.judging, &a.asker, a.changes, a.count, &judged, &a.err), E_ELSEWHERE);
	assert_int_equal(judged.home, 3);
	a.count = 0;
	/* On to the next heir, once that one may. */
	estate_evict(&e, 3, ASKING_NODE);
	estate_members(&e);
	a.judging.members = e.members;
	for (not_yet = 3; not_yet >= 2; not_yet--) {
		ask_spend(link, 0);
		assert_int_equal(asked(&a), E_BUSY);
	}
	ask_spend(link, 0);
	TAKEN(&a);
	check_ordinal(1);
	assert_true(a.judged.keepers_count == 2 && a.judged.keepers[0] == 2 && a.judged.keepers[1] == 3);
	clerk_end(&a, &e);
}

static void where_heirs_lead_to_nobody_it_is_lost(void **state)
{
	struct ref link;

	(void)state;
	clerk_start(&a, &e, &user);
	estate_admit(&e, 2, 1, none);
	estate_admit(&e, 3, 1, none);
	estate_members(&e);
	estate_evict(&e, 2, 3);
	estate_evict(&e, 3, 2);
	estate_members(&e);
	a.judging.members = e.members;
	link = put_link(2);
	ask_spend(link, 0);
	assert_int_equal(asked(&a), E_DENIED);
	assert_non_null(strstr(a.err.text, "no heir"));
	/* Until an operator grants it. */
	estate_grant(&e, 2, ASKING_NODE);
	estate_members(&e);
	a.judging.members = e.members;
	ask_spend(link, 0);
	TAKEN(&a);
	clerk_end(&a, &e);
}

static size_t flagged;

static void note(void *context, const struct conflict *conflict)
{
	char text[256];

	(void)context;
	if (conflict->what != CONFLICT_SPENT)
		return;
	conflict_describe(conflict, text, sizeof text);
	assert_non_null(strstr(text, "uses once more what was used up already"));
	assert_false(stands(conflict->id));
	flagged++;
}

static size_t count_flagged(void)
{
	flagged = 0;
	assert_int_equal(conflict_find(a.p.txn, note, NULL, NULL), OK);
	return flagged;
}

static void what_is_spent_too_often_is_off_and_said(void **state)
{
	struct id phone, tablet, first, second;
	struct ref link, token;
	bool is_off;

	(void)state;
	clerk_start(&a, &e, &user);
	link = put_link(1);
	token = made_token(2);
	phone = put_device(&a.p, user, "phone", 1, 1);
	tablet = put_device(&a.p, user, "tablet", 2, 2);
	first = put_spend(link, 0, 1, &phone);
	put_spend(token, 0, 1, NULL);
	put_spend(token, 0, 2, NULL);
	assert_int_equal(count_flagged(), 0);
	second = put_spend(link, 0, 2, &tablet);
	assert_true(stands(first) && !stands(second));
	assert_int_equal(count_flagged(), 1);
	assert_int_equal(spend_is_off(a.p.txn, (struct ref){ KIND_device, phone }, &a.p.arena, &is_off, NULL), OK);
	assert_false(is_off);
	assert_int_equal(spend_is_off(a.p.txn, (struct ref){ KIND_device, tablet }, &a.p.arena, &is_off, NULL), OK);
	assert_true(is_off);
	/* Whatever was made by no spend stands. */
	assert_int_equal(spend_is_off(a.p.txn, (struct ref){ KIND_user, phone }, &a.p.arena, &is_off, NULL), OK);
	assert_false(is_off);
	/* Of one ordinal the smaller id goes before. */
	first = put_spend(token, 0, 2, NULL);
	assert_int_equal(count_flagged(), 2);
	/* Also of a link that was removed. */
	put_dead(&a.p, KIND_TABLE(one_time_link), link.id);
	assert_false(stands(second));
	assert_int_equal(count_flagged(), 2);
	/* What a standing use made too is not off. */
	put_spend(token, 0, 1, &tablet);
	ask_spend(token, 0);
	REFUSED(&a, E_TAKEN, USED);
	clerk_end(&a, &e);
}

/* Uses at random, in any order, against the rule read literally: sort, and count up to the limit. */
static void the_first_by_ordinal_and_id_stand(void **state)
{
	enum { USES = 40 };
	struct rng rng = rng_from_number(7);
	struct id ids[USES];
	uint64_t ordinals[USES];
	size_t standing = 0;
	struct ref token;

	(void)state;
	clerk_start(&a, &e, &user);
	token = made_token(11);
	for (size_t i = 0; i < USES; i++) {
		ordinals[i] = 1 + rng_below(&rng, 15);
		ids[i] = put_spend(token, 0, ordinals[i], NULL);
	}
	for (size_t i = 0; i < USES; i++) {
		size_t before = 0;

		for (size_t k = 0; k < USES; k++)
			before += ordinals[k] < ordinals[i] ||
				  (ordinals[k] == ordinals[i] && memcmp(&ids[k], &ids[i], sizeof ids[i]) < 0);
		assert_int_equal(stands(ids[i]), before < 11);
		standing += before < 11;
	}
	assert_int_equal(standing, 11);
	assert_int_equal(count_flagged(), USES - 11);
	clerk_end(&a, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_is_spent_once_and_a_token_as_often_as_it_says),
		cmocka_unit_test(one_request_counts_its_own_uses),
		cmocka_unit_test(the_claim_and_what_it_makes_are_one),
		cmocka_unit_test(a_repeat_is_one_use),
		cmocka_unit_test(what_is_dead_expired_or_off_is_not_spent),
		cmocka_unit_test(spends_stay_while_the_credential_lives),
		cmocka_unit_test(recovery_codes_are_spent_one_by_one),
		cmocka_unit_test(only_its_home_spends),
		cmocka_unit_test(of_an_evicted_home_the_heir_is_home),
		cmocka_unit_test(where_heirs_lead_to_nobody_it_is_lost),
		cmocka_unit_test(what_is_spent_too_often_is_off_and_said),
		cmocka_unit_test(the_first_by_ordinal_and_id_stand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
