/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/log/realm.h"

#include "crdt/base/hash.h"

/* Which statements are let into a set, and how many. */

static struct realm realm;

static struct signer operator_at(uint8_t number)
{
	return realm_signer((uint8_t)(10 + number), (uint8_t)(100 + number));
}

static struct signer recovery_at(uint8_t number)
{
	return realm_signer((uint8_t)(30 + number), 90);
}

static struct signer node_at(uint8_t number)
{
	return realm_signer((uint8_t)(50 + number), (uint8_t)(number + 1));
}

static struct signer once_at(uint8_t number)
{
	return realm_signer((uint8_t)(70 + number), 80);
}

/* A root, its recovery key, a founder, and whom it lets in. */
static struct signer root, recovery, founder, guest, once, once_more;

static void begin(void)
{
	root = operator_at(0);
	recovery = recovery_at(0);
	founder = node_at(0);
	guest = node_at(1);
	once = once_at(0);
	once_more = once_at(1);
	realm_begin(&realm, &root, &recovery);
}

static struct members *made(void)
{
	return members_make(realm.cluster, realm.all, realm.count);
}

static bool stands(struct signer node)
{
	struct members *members = made();
	const struct member *member = members_find(members, node_of_key(node.key));
	bool is = member && !member->is_evicted;

	members_free(members);
	return is;
}

static struct id let_in(const struct signer *sponsor, const struct signer *by_once, struct signer node)
{
	struct id invite = realm_invite(&realm, &root, by_once, sponsor->key)->id;

	return realm_admit(&realm, sponsor, by_once, invite, node.key)->hash;
}

static enum code admit(const struct members *members, const struct statement *one, const char *says)
{
	struct err err = { 0 };
	enum code code = members_admit_statement(members, one, &err);

	if (code && !strstr(err.text, says))
		fail_msg("%s", err.text);
	return code;
}

/* What is asked of each: made in a realm of its own, and shown to the members of the first statements of it. */
static void only_what_a_known_key_signed_is_let_in(void **state)
{
	struct signer helper = operator_at(1), stranger = operator_at(5), other = operator_at(2), next = recovery_at(1),
		      idless = realm_signer(60, 0);
	struct members *members, *nobody;
	struct level_row level = { .has = BIT(AT_level_level), .level = 1 };
	struct statement invite, bent;

	(void)state;
	begin();
	nobody = members_make(realm.cluster, NULL, 0);
	assert_int_equal(admit(nobody, &realm.all[0], ""), OK);
	realm_operator(&realm, &root, helper.key);
	assert_int_equal(admit(nobody, &realm.all[1], "has to be the first"), E_DENIED);
	realm_remove(&realm, &root, helper.key, NULL, 0);
	invite = *realm_invite(&realm, &helper, &once, founder.key);
	members = made();
#define ADMITS(made, code, says) assert_int_equal(admit(members, made, says), code)
	/* Removed, and what it signs is still worth keeping where it leads to members. */
	ADMITS(realm_operator(&realm, &helper, other.key), OK, "");
	ADMITS(realm_operator(&realm, &stranger, other.key), E_DENIED, "not signed by an operator");
	ADMITS(realm_remove(&realm, &recovery, other.key, NULL, 0), E_DENIED, "not signed by an operator");
	ADMITS(realm_change_root(&realm, &recovery, other.key, next.key, NULL, 0), OK, "");
	ADMITS(realm_change_root(&realm, &root, other.key, next.key, NULL, 0), E_DENIED, "recovery key");
	ADMITS(realm_say(&realm, &helper, KIND_TABLE(level), &level), E_LIMIT, "void");
	ADMITS(realm_admit(&realm, &founder, &once, invite.id, founder.key), OK, "");
	ADMITS(realm_admit(&realm, &guest, &once, invite.id, founder.key), E_DENIED, "another than the invite's");
	ADMITS(realm_admit(&realm, &founder, &once_more, invite.id, founder.key), E_DENIED, "without the signature");
	ADMITS(realm_admit(&realm, &founder, &once, (struct id){ { 1 } }, founder.key), E_DENIED, "not known here");
	ADMITS(realm_admit(&realm, &founder, &once, invite.id, idless.key), E_DENIED, "no node's");
	bent = realm.all[0];
	bent.signer = helper.key;
	ADMITS(&bent, E_DENIED, "not the one that its cluster began with");
	bent = realm.all[1];
	bent.cluster.bytes[0] ^= 1;
	ADMITS(&bent, E_DENIED, "of another cluster");
	bent = realm.all[1];
	bent.signer = helper.key;
	ADMITS(&bent, E_DENIED, "in another's name");
	members_free(nobody);
	members_free(members);
	members_free(NULL);
	realm_end(&realm);
}

static const struct statement *vary_box_key(const struct signer *sponsor, const struct signer *by_once,
					    struct id invite_id, struct key32 key, uint8_t nth)
{
	struct admission_row row = { .has = BIT(AT_admission_invite) | BIT(AT_admission_key) |
					    BIT(AT_admission_box_key) | BIT(AT_admission_proof),
				     .invite = invite_id,
				     .key = key,
				     .box_key = { { nth, 77 } } };
	uint8_t room[ADMISSION_TEXT_SIZE];
	struct signature proof =
		sign_make(by_once, SIGN_ADMISSION, admission_text(realm.cluster, invite_id, key, row.box_key, room));

	row.proof = bytes_of(proof.bytes, sizeof proof.bytes);
	return realm_say(&realm, sponsor, KIND_TABLE(admission), &row);
}

/* The last one, by those before it. */
static enum code admit_last(const char *says)
{
	struct members *members = members_make(realm.cluster, realm.all, realm.count - 1);
	enum code code = admit(members, &realm.all[realm.count - 1], says);

	members_free(members);
	return code;
}

/* The second key is not one of them, so that a sponsor cannot hide that an invite was shared. */
static void few_admissions_by_one_invite_are_taken(void **state)
{
	struct signer other = node_at(2);
	struct id invite;

	(void)state;
	begin();
	let_in(&founder, &once, founder);
	invite = realm_invite(&realm, &root, &once_more, founder.key)->id;
	for (uint8_t i = 0; i < ADMISSIONS_MAX; i++) {
		vary_box_key(&founder, &once_more, invite, guest.key, i);
		assert_int_equal(admit_last(""), OK);
	}
	vary_box_key(&founder, &once_more, invite, guest.key, 100);
	assert_int_equal(admit_last("has 8 admissions already"), E_LIMIT);
	realm.count--;
	assert_true(stands(guest));
	vary_box_key(&founder, &once_more, invite, other.key, 0);
	assert_int_equal(admit_last(""), OK);
	assert_false(stands(guest) || stands(other));
	vary_box_key(&founder, &once_more, invite, other.key, 1);
	assert_int_equal(admit_last("has 9 admissions already"), E_LIMIT);
	vary_box_key(&founder, &once_more, invite, node_at(3).key, 1);
	assert_int_equal(admit_last("admissions already"), E_LIMIT);
	realm_end(&realm);
}

/* What stands at one member and is void at another goes on to none, and what was taken is no fault. */
static void what_a_removed_operator_signs_is_not_taken_unless_it_is_listed(void **state)
{
	struct signer helper = operator_at(1), below_it = operator_at(2);
	struct level_row level = { .has = BIT(AT_level_level), .level = 1 };
	struct members *members;
	struct statement before, listed;

	(void)state;
	begin();
	realm_operator(&realm, &root, helper.key);
	before = *realm_say(&realm, &helper, KIND_TABLE(level), &level);
	level.level = 2;
	listed = *realm_say(&realm, &helper, KIND_TABLE(level), &level);
	realm_operator(&realm, &helper, below_it.key);
	realm_remove(&realm, &root, helper.key, &listed.hash, 1);
	members = made();
	assert_int_equal(admit(members, &before, ""), OK);
	assert_int_equal(members_weight(members, &before), 0);
	assert_int_equal(members_weight(members, &listed), 1);
	level.level = 3;
	ADMITS(realm_say(&realm, &helper, KIND_TABLE(level), &level), E_LIMIT, "void");
	ADMITS(realm_remove(&realm, &helper, below_it.key, NULL, 0), E_LIMIT, "void");
	ADMITS(realm_evict(&realm, &helper, founder.key, guest.key, NULL, 0), E_LIMIT, "void");
	/* Nor does whom it named sign without end. */
	ADMITS(realm_evict(&realm, &below_it, founder.key, guest.key, NULL, 0), E_LIMIT, "void");
	ADMITS(realm_say(&realm, &root, KIND_TABLE(level), &level), OK, "");
	/* Those that lead to members are, so that whoever came in by them is known as evicted. */
	ADMITS(realm_invite(&realm, &helper, &once, founder.key), OK, "");
	ADMITS(realm_operator(&realm, &below_it, operator_at(3).key), OK, "");
	members_free(members);
	/* Listed, and not there yet. */
	realm.all[3] = realm.all[--realm.count];
	members = members_make(realm.cluster, realm.all, 6);
	assert_int_equal(admit(members, &listed, ""), OK);
	members_free(members);
	/* Not by all removals. */
	realm_remove(&realm, &root, helper.key, &before.hash, 1);
	members = made();
	assert_int_equal(admit(members, &listed, "void"), E_LIMIT);
	members_free(members);
	realm_end(&realm);
}

static void few_voids_that_lead_to_members_are_taken(void **state)
{
	struct signer helper = operator_at(1), late = once_at(1);
	struct members *members;
	struct id kept;

	(void)state;
	begin();
	realm_operator(&realm, &root, helper.key);
	kept = realm_invite(&realm, &helper, &late, founder.key)->hash;
	realm_remove(&realm, &root, helper.key, &kept, 1);
	for (size_t i = 0; i < VOIDS_MAX; i++) {
		uint8_t seed[32] = { (uint8_t)(i >> 8), (uint8_t)i, 9 };
		struct signer one = signer_from_seed(seed);

		if (i % 2)
			realm_invite(&realm, &helper, &one, founder.key);
		else
			realm_operator(&realm, &helper, one.key);
	}
	assert_int_equal(admit_last(""), OK);
	members = made();
	ADMITS(realm_invite(&realm, &helper, &once, founder.key), E_LIMIT, "void");
	assert_int_equal(members_weight(members, &realm.all[4]), 0);
	ADMITS(&realm.all[4], OK, "");
	assert_int_equal(members_weight(members, &realm.all[2]), 1);
	ADMITS(realm_invite(&realm, &root, &once, founder.key), OK, "");
	members_free(members);
	realm_end(&realm);
}

static struct sum weigh(const struct members *members)
{
	struct sum sum = { 0 };

	for (size_t i = 0; i < realm.count; i++) {
		struct sum one = { 0 };

		memcpy(&one, realm.all[i].hash.bytes, sizeof one);
		for (unsigned often = members_weight(members, &realm.all[i]); often; often--)
			sum_add(&sum, one);
	}
	return sum;
}

/* Some admissions of one invite, from `first` on; of the second key if `is_shared`. */
static struct sum weigh_admissions(uint8_t first, uint8_t count, bool is_shared)
{
	struct members *members;
	struct sum sum;
	struct id invite;

	begin();
	let_in(&founder, &once, founder);
	invite = realm_invite(&realm, &root, &once_more, founder.key)->id;
	for (uint8_t i = 0; i < count; i++)
		vary_box_key(&founder, &once_more, invite, guest.key, (uint8_t)(first + i));
	if (is_shared)
		vary_box_key(&founder, &once_more, invite, node_at(2).key, first);
	members = made();
	sum = weigh(members);
	members_free(members);
	realm_end(&realm);
	return sum;
}

/* Which of many admissions each took is of no matter, but whether there was a second key is. */
static void sets_that_are_full_of_different_admissions_agree(void **state)
{
	(void)state;
	assert_false(sum_equal(weigh_admissions(0, 7, false), weigh_admissions(7, 7, false)));
	assert_true(sum_equal(weigh_admissions(0, 8, false), weigh_admissions(8, 8, false)));
	assert_false(sum_equal(weigh_admissions(0, 8, false), weigh_admissions(0, 8, true)));
	assert_true(sum_equal(weigh_admissions(0, 8, true), weigh_admissions(5, 7, true)));
	assert_false(sum_equal(weigh_admissions(0, 8, true), weigh_admissions(5, 6, true)));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_a_known_key_signed_is_let_in),
		cmocka_unit_test(few_admissions_by_one_invite_are_taken),
		cmocka_unit_test(what_a_removed_operator_signs_is_not_taken_unless_it_is_listed),
		cmocka_unit_test(few_voids_that_lead_to_members_are_taken),
		cmocka_unit_test(sets_that_are_full_of_different_admissions_agree),
	};
	int failed = cmocka_run_group_tests_name("admit", tests, NULL, NULL);

	arena_done(&realm.arena);
	return failed;
}
