/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/log/realm.h"

#include "crdt/base/rng.h"
#include "crdt/model/pack.h"

#include <stdlib.h>
#include <time.h>

enum { SETS = 1500, OPERATORS = 6, RECOVERIES = 3, NODES = 7, ONCES = 5, MANY = 5000 };

static struct realm realm;
static struct rng rng;

static uint64_t below(uint64_t bound)
{
	return rng_below(&rng, bound);
}

/* The first is the root. */
static struct signer operator_at(uint64_t number)
{
	return realm_signer((uint8_t)(10 + number), (uint8_t)(100 + number));
}

static struct signer recovery_at(uint64_t number)
{
	return realm_signer((uint8_t)(30 + number), 90);
}

/* The last two have one node id; the one before is nobody's. */
static struct signer node_at(uint64_t number)
{
	uint8_t node = number >= NODES - 2 ? NODES - 2 : (uint8_t)(number + 1);

	return realm_signer((uint8_t)(50 + number), number == NODES - 3 ? 0 : node);
}

static struct signer once_at(uint64_t number)
{
	return realm_signer((uint8_t)(70 + number), 80);
}

/* Mostly those near the root, who have the right. */
static struct signer some_operator(void)
{
	uint64_t one = below(OPERATORS), other = below(1 + one);

	if (!below(30))
		return below(2) ? recovery_at(below(RECOVERIES)) : node_at(below(NODES));
	return operator_at(other);
}

static struct signer some_node(void)
{
	return below(20) ? node_at(below(below(2) ? NODES : 3)) : operator_at(below(2));
}

/* The hashes of some statements, mostly of one signer. */
static size_t some_hashes(struct key32 signer, struct id *ret_ids)
{
	uint64_t often = below(5);
	size_t count = 0;

	for (size_t i = 0; i < realm.count; i++) {
		bool is_theirs = !memcmp(realm.all[i].signer.bytes, signer.bytes, 32);

		if (below(4) < (is_theirs ? often : 1))
			ret_ids[count++] = realm.all[i].hash;
	}
	return count;
}

static struct id some_invite(struct key32 *ret_sponsor)
{
	struct id id = { { 1 } };
	size_t seen = 0;

	for (size_t i = 0; i < realm.count; i++) {
		struct invite_row row;

		if (realm.all[i].kind != KIND_invite || below(++seen))
			continue;
		assert_int_equal(pack_read(&KIND_TABLE(invite)->shape, realm.all[i].map, true, &row, NULL), OK);
		id = realm.all[i].id;
		*ret_sponsor = row.sponsor;
	}
	return id;
}

static void say_admission(void)
{
	struct key32 sponsor = some_node().key;
	struct id invite = some_invite(&sponsor);
	struct signer once = once_at(0), signer = { .key = sponsor }, other = some_node();

	realm_admit(&realm, below(15) ? &signer : &other, &once, invite, below(3) ? some_node().key : sponsor);
}

/* An invite of its own and who redeems it. */
static void say_entry(const struct signer *by)
{
	struct signer own = realm_signer((uint8_t)(100 + below(100)), 80), sponsor = some_node();
	struct id invite = realm_invite(&realm, by, &own, sponsor.key)->id;

	realm_admit(&realm, &sponsor, &own, invite, some_node().key);
}

static void say_rule(const struct signer *by)
{
	struct level_row level = { .has = BIT(AT_level_level), .level = 1 + below(9) };
	struct switch_row row = { .has = BIT(AT_switch_name) | BIT(AT_switch_value), .value = below(5) };
	struct invite_void_row taken = { .has = BIT(AT_invite_void_invite) };
	struct grant_row grant = { .has = BIT(AT_grant_key) | BIT(AT_grant_heir) };
	struct key32 sponsor;

	row.name = bytes_text(below(2) ? "strict" : "short");
	taken.invite = some_invite(&sponsor);
	grant.key = some_node().key;
	grant.heir = some_node().key;
	switch (below(4)) {
	case 0: realm_say(&realm, by, KIND_TABLE(level), &level); break;
	case 1: realm_say(&realm, by, KIND_TABLE(switch), &row); break;
	case 2: realm_say(&realm, by, KIND_TABLE(grant), &grant); break;
	default: realm_say(&realm, by, KIND_TABLE(invite_void), &taken); break;
	}
}

static void say_something(void)
{
	struct signer by = some_operator(), once = once_at(below(ONCES)), recovery = recovery_at(below(2));
	struct key32 node = some_node().key, one = operator_at(below(OPERATORS)).key;
	struct id ids[ORACLE_MAX];

	switch (below(16)) {
	case 0:
	case 1:
	case 2: realm_operator(&realm, &by, one); break;
	case 3:
	case 4: realm_remove(&realm, &by, one, ids, some_hashes(one, ids)); break;
	case 5:
		if (!below(3))
			realm_change_root(&realm, &recovery, one, recovery_at(below(RECOVERIES)).key, ids,
					  some_hashes(operator_at(0).key, ids));
		break;
	case 6: realm_invite(&realm, &by, &once, node); break;
	case 7:
	case 8: say_admission(); break;
	case 9:
	case 10:
	case 11:
	case 12:
	case 13: say_entry(&by); break;
	case 14: realm_evict(&realm, &by, node, some_node().key, ids, some_hashes(node, ids)); break;
	default: say_rule(&by); break;
	}
}

/* The first nodes let in the others, so that there is somebody to speak of. */
static void make_set(void)
{
	struct signer root = operator_at(0), recovery = recovery_at(0), once = once_at(0), founder = node_at(0);
	size_t count = 8 + below(ORACLE_MAX - 24);
	const struct statement *invite;

	realm_begin(&realm, &root, &recovery);
	if (below(8)) {
		invite = realm_invite(&realm, &root, &once, founder.key);
		realm_admit(&realm, &founder, &once, invite->id, founder.key);
	}
	while (realm.count < count)
		say_something();
	if (!below(40))
		realm.all[0] = realm.all[--realm.count];
}

static void shuffle(void)
{
	for (size_t i = realm.count; i > 1; i--) {
		size_t other = below(i);
		struct statement one = realm.all[i - 1];

		realm.all[i - 1] = realm.all[other];
		realm.all[other] = one;
	}
}

/* How often what makes a set interesting was there. */
static struct {
	size_t removed, lowered, evicted, standing, listed, let_in, by_change;
} seen;

static void note(const struct members *members)
{
	size_t count, before = seen.removed;
	const struct member *all = members_all(members, &count);

	for (size_t i = 0; i < count; i++) {
		const struct member *sponsor = members_find(members, all[i].sponsor);

		seen.evicted += all[i].is_evicted;
		seen.standing += !all[i].is_evicted;
		seen.let_in += all[i].sponsor != all[i].node && !all[i].is_evicted;
		seen.listed += sponsor && sponsor->is_evicted && sponsor != &all[i] && !all[i].is_evicted;
	}
	for (size_t i = 0; i < realm.count; i++) {
		bool stands = members_stands(members, realm.all[i].hash);

		seen.removed += realm.all[i].kind == KIND_operator_removal && stands;
		seen.by_change += realm.all[i].kind == KIND_root_change && stands;
	}
	for (size_t i = 0; i < realm.count && seen.removed > before; i++)
		seen.lowered += realm.all[i].kind != KIND_admission && realm.all[i].kind != KIND_operator_removal &&
				!members_stands(members, realm.all[i].hash);
}

/* Also in another order, and with some there twice. */
static void members_are_what_the_rules_say(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SETS; seed++) {
		struct members *members;

		rng = rng_from_number(seed);
		make_set();
		for (int order = 0; order < 3; order++) {
			members = members_make(realm.cluster, realm.all, realm.count);
			oracle_compare(&realm, members);
			if (!order)
				note(members);
			members_free(members);
			shuffle();
			realm.all[realm.count] = realm.all[below(realm.count)];
			realm.count++;
		}
		realm_end(&realm);
	}
	print_message("removals %zu, void by them %zu, new roots %zu, nodes standing %zu, let in %zu, evicted %zu, "
		      "standing by a list %zu\n",
		      seen.removed, seen.lowered, seen.by_change, seen.standing, seen.let_in, seen.evicted,
		      seen.listed);
	assert_true(seen.removed > SETS / 10 && seen.lowered > SETS / 10 && seen.by_change > SETS / 10);
	assert_true(seen.standing > SETS / 4 && seen.let_in > SETS / 10 && seen.evicted > SETS / 4);
	assert_true(seen.listed > SETS / 100);
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

static void a_node_goes_with_its_sponsor_unless_it_is_listed(void **state)
{
	struct id admission;

	(void)state;
	begin();
	let_in(&founder, &once, founder);
	admission = let_in(&founder, &once_more, guest);
	assert_true(stands(founder) && stands(guest));
	realm_evict(&realm, &root, founder.key, guest.key, NULL, 0);
	assert_false(stands(founder) || stands(guest));
	realm_evict(&realm, &root, founder.key, guest.key, &admission, 1);
	assert_true(!stands(founder) && stands(guest));
	realm_end(&realm);
}

static void an_invite_that_two_keys_used_lets_nobody_in(void **state)
{
	struct signer other = node_at(2);
	struct id invite;

	(void)state;
	begin();
	let_in(&founder, &once, founder);
	invite = realm_invite(&realm, &root, &once_more, founder.key)->id;
	realm_admit(&realm, &founder, &once_more, invite, guest.key);
	assert_true(stands(guest));
	realm_admit(&realm, &founder, &once_more, invite, other.key);
	assert_true(stands(founder) && !stands(guest) && !stands(other));
	realm_end(&realm);
}

/* Whoever let a member in again, to take it down with itself, falls alone. */
static void nobody_is_evicted_by_being_admitted_again(void **state)
{
	struct signer other = node_at(2), third = once_at(2), fourth = once_at(3);

	(void)state;
	begin();
	let_in(&founder, &once, founder);
	let_in(&founder, &once_more, other);
	let_in(&founder, &third, guest);
	let_in(&other, &fourth, guest);
	realm_evict(&realm, &root, other.key, founder.key, NULL, 0);
	assert_true(stands(founder) && stands(guest) && !stands(other));
	realm_end(&realm);
}

/* The founder knows its own one-time key for ever, and signs for it. */
static void a_founder_who_admits_another_with_its_own_invite_falls_alone(void **state)
{
	(void)state;
	begin();
	let_in(&founder, &once, founder);
	realm_evict(&realm, &root, founder.key, guest.key, NULL, 0);
	let_in(&guest, &once_more, guest);
	realm_admit(&realm, &founder, &once, realm.all[1].id, guest.key);
	assert_true(!stands(founder) && stands(guest));
	realm_end(&realm);
}

static void circles_of_sponsors_admit_nobody(void **state)
{
	struct members *members;

	(void)state;
	begin();
	let_in(&founder, &once, guest);
	let_in(&guest, &once_more, founder);
	members = made();
	assert_null(members_find(members, node_of_key(guest.key)));
	assert_null(members_find(members, node_of_key(founder.key)));
	members_free(members);
	realm_end(&realm);
}

static void a_new_root_takes_what_it_does_not_list(void **state)
{
	struct signer next = operator_at(1), helper = operator_at(2), late = once_at(3);
	struct members *members;
	struct id kept[3];

	(void)state;
	begin();
	let_in(&founder, &once, founder);
	kept[0] = realm.all[1].hash;
	kept[1] = realm_operator(&realm, &root, helper.key)->hash;
	kept[2] = realm_invite(&realm, &root, &late, guest.key)->hash;
	realm_change_root(&realm, &recovery, next.key, recovery_at(1).key, kept, 2);
	members = made();
	assert_true(members_is_operator(members, next.key) && members_is_operator(members, helper.key));
	assert_false(members_is_operator(members, root.key));
	assert_true(members_stands(members, kept[0]) && !members_stands(members, kept[2]));
	assert_int_equal(members_standing(members), 1);
	members_free(members);
	realm_end(&realm);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A long chain of operators, each removed by all above; or as many nodes, each the sponsor of the next. */
static void many_statements_take_no_time(void **state)
{
	struct members *members;
	double start;

	(void)state;
	begin();
	for (size_t i = 0; realm.count + 3 < MANY; i++) {
		uint8_t seed[32] = { (uint8_t)(i >> 8), (uint8_t)i, 1 },
			next[32] = { (uint8_t)((i + 1) >> 8), (uint8_t)(i + 1), 1 };
		struct signer node = signer_from_seed(seed), heir = signer_from_seed(next);
		struct signer op = i ? signer_from_seed(seed) : root, below_it = signer_from_seed(next);

		realm_operator(&realm, &op, below_it.key);
		realm_remove(&realm, &root, below_it.key, &realm.all[realm.count - 1].hash, 1);
		let_in(i ? &node : &heir, &node, heir);
	}
	start = seconds();
	members = made();
	print_message("%zu statements: %.1f ms\n", realm.count, (seconds() - start) * 1e3);
	assert_true(seconds() - start < 2);
	members_free(members);
	realm_end(&realm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_what_the_rules_say),
		cmocka_unit_test(a_node_goes_with_its_sponsor_unless_it_is_listed),
		cmocka_unit_test(an_invite_that_two_keys_used_lets_nobody_in),
		cmocka_unit_test(nobody_is_evicted_by_being_admitted_again),
		cmocka_unit_test(a_founder_who_admits_another_with_its_own_invite_falls_alone),
		cmocka_unit_test(circles_of_sponsors_admit_nobody),
		cmocka_unit_test(a_new_root_takes_what_it_does_not_list),
		cmocka_unit_test(many_statements_take_no_time),
	};
	int failed = cmocka_run_group_tests_name("members", tests, NULL, NULL);

	arena_done(&realm.arena);
	return failed;
}
