/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/limit.h"
#include "tests/sim/stories_people.h"

/* What two sides of a partition do, and what it comes to when they meet. */

/* A, B and C, of which A is alone from 11 s on. */
static struct story *begin(uint64_t seed, struct id *ret_user)
{
	struct story *story = story_new(seed, 3);

	story_found(story, 3);
	*ret_user = user_create(story, AT(A), "ann")->id;
	story_at(story, 10500);
	return story;
}

static void split(struct story *story)
{
	story_at(story, 11000);
	story_split(story, "A | B C");
}

static void meet(struct story *story)
{
	story_at(story, 15000);
	story_heal(story);
	story_settle(story, 10);
}

void tell_both_sides_rename(void)
{
	struct id ann;
	struct story *story = begin(3, &ann);

	split(story);
	story_at(story, 12000);
	user_rename(story, AT(A), ann, "anna");
	story_at(story, 13000);
	user_rename(story, AT(B), ann, "annette");
	story_at(story, 14000);
	story_show(story, view_login, ann);
	story_must_show(story, A, view_login, ann, "\"anna\"");
	story_must_show(story, C, view_login, ann, "\"annette\"");
	meet(story);
	story_show(story, view_login, ann);
	story_tell_operator(story);
	/* A login is harmless: the later change wins, and nobody is bothered. */
	story_must_all_show(story, view_login, ann, "\"annette\"");
	story_end(story);
}

void tell_disable_against_enable(void)
{
	struct id ann;
	struct story *story = begin(4, &ann);

	user_hold(story, AT(A), ann, "on holiday");
	split(story);
	story_at(story, 12000);
	user_free(story, AT(A), ann);
	story_at(story, 13000);
	user_hold(story, AT(B), ann, "her laptop was stolen");
	story_at(story, 14000);
	story_show(story, view_user, ann);
	story_must_show(story, A, view_user, ann, "\"ann\" is on");
	meet(story);
	story_show(story, view_user, ann);
	/* What A took away is the hold that it saw; the other one it never saw. */
	story_must_all_show(story, view_user, ann, "\"ann\" is off (her laptop was stolen)");
	story_at(story, 25000);
	user_free(story, AT(A), ann);
	story_at(story, 26000);
	story_show(story, view_user, ann);
	story_must_all_show(story, view_user, ann, "\"ann\" is on");
	story_end(story);
}

void tell_password_on_both_sides(void)
{
	struct story *story = story_new(5, 3);
	const struct story_asked *asked;
	struct id password;

	story_found(story, 3);
	asked = user_create_with(story, AT(A), "ann", "horse");
	password = asked->second;
	story_name(story, password, "of \"ann\"");
	story_at(story, 10500);
	story_show(story, view_password, password);
	story_must_all_show(story, view_password, password, "\"horse\"");
	split(story);
	story_at(story, 12000);
	password_change(story, AT(A), password, "battery");
	story_at(story, 13000);
	password_change(story, AT(B), password, "staple");
	story_at(story, 14000);
	story_show(story, view_password, password);
	story_must_show(story, A, view_password, password, "\"battery\"");
	story_must_show(story, C, view_password, password, "\"staple\"");
	meet(story);
	story_note(story, "A clock must not decide who may sign in: the two stand side by side, and grant the least.");
	story_show(story, view_password, password);
	story_tell_operator(story);
	story_must_all_show(story, view_password, password, "two passwords at once, so none lets anybody in");
	story_at(story, 25000);
	password_change(story, AT(C), password, "correct");
	story_at(story, 26000);
	story_show(story, view_password, password);
	story_tell_operator(story);
	story_must_all_show(story, view_password, password, "\"correct\"");
	story_end(story);
}

static void must_be_decided(struct story *story)
{
	for (uint32_t i = A; i <= C; i++)
		story_must_show(story, i, view_conflicts, (struct id){ { 0 } }, "there is nothing to decide");
}

void tell_same_login_on_both_sides(void)
{
	struct id first, second;
	struct story *story = story_new(6, 3);
	const struct story_asked *asked;

	story_found(story, 3);
	split(story);
	story_at(story, 12000);
	first = user_create(story, AT(A), "ann")->id;
	story_name(story, first, "\"ann\" of A");
	story_at(story, 13000);
	second = user_create(story, AT(B), "ann")->id;
	story_name(story, second, "\"ann\" of B");
	story_at(story, 14000);
	asked = user_create(story, AT(C), "ann");
	MUST(story, asked->code == E_TAKEN);
	story_show(story, view_users, first);
	meet(story);
	story_note(story, "Both stay, and so do their sessions, but the plain name signs nobody in.");
	story_show(story, view_claim, first);
	story_tell_operator(story);
	MUST(story, !id_equal(first, second));
	story_at(story, 25000);
	user_rename(story, AT(C), second, "ann.b");
	story_at(story, 26000);
	story_show(story, view_claim, first);
	story_show(story, view_users, first);
	story_must_all_show(story, view_users, first, "\"ann\", \"ann.b\"");
	story_tell_operator(story);
	must_be_decided(story);
	story_end(story);
}

void tell_policy_saved_on_both_sides(void)
{
	struct story *story = story_new(7, 3);
	struct id policy;

	story_found(story, 3);
	policy = policy_create(story, AT(A), "office")->id;
	policy_save(story, AT(A), policy, "10.1.0.0/16", NULL);
	split(story);
	story_at(story, 12000);
	policy_save(story, AT(A), policy, "10.1.0.0/16", "10.2.0.0/16");
	story_at(story, 13000);
	policy_save(story, AT(B), policy, "10.1.0.0/16", "10.3.0.0/16");
	story_at(story, 14000);
	story_show(story, view_policy, policy);
	meet(story);
	story_note(story, "A packet passes if each of the versions lets it pass.");
	story_show(story, view_policy, policy);
	story_must_all_show(story, view_policy, policy, "2 versions hold, and let pass what goes to 10.1.0.0/16");
	story_tell_operator(story);
	story_at(story, 25000);
	policy_save(story, AT(C), policy, "10.2.0.0/16", "10.3.0.0/16");
	story_at(story, 26000);
	story_show(story, view_policy, policy);
	story_must_all_show(story, view_policy, policy,
			    "1 version holds, and lets pass what goes to 10.2.0.0/16 and 10.3.0.0/16");
	story_tell_operator(story);
	must_be_decided(story);
	story_end(story);
}

/* How many machines have exactly one of the devices off, and that it is one and the same. */
static void must_have_one_off(struct story *story, struct id user)
{
	struct store_txn *txn;
	struct owned *owned;
	size_t count;
	uint64_t most;
	struct id off = { { 0 } };

	for (uint32_t i = A; i <= C; i++) {
		MUST(story, !store_snapshot(story->world->machines[i].store, &txn, NULL));
		MUST(story, !limit_devices(txn, user, &story->arena, &owned, &count, &most, NULL));
		store_end(txn);
		MUST(story, count == 3 && owned[0].is_within && owned[1].is_within && !owned[2].is_within);
		MUST(story, i == A || id_equal(off, owned[2].id));
		off = owned[2].id;
	}
}

void tell_plan_limit_on_both_sides(void)
{
	struct id ann, plan;
	struct story *story = begin(8, &ann);
	const struct story_asked *asked;

	plan = plan_create(story, AT(A), "basic", 2)->id;
	user_plan(story, AT(A), ann, plan);
	device_enrol(story, AT(A), ann, "phone", "key 1");
	split(story);
	story_at(story, 12000);
	device_enrol(story, AT(A), ann, "tablet", "key 2");
	story_at(story, 13000);
	device_enrol(story, AT(B), ann, "laptop", "key 3");
	story_at(story, 13500);
	asked = device_enrol(story, AT(C), ann, "watch", "key 4");
	MUST(story, asked->code == E_LIMIT);
	story_show(story, view_devices, ann);
	meet(story);
	story_note(story, "The two are both the second device, so their ids decide, which is the same for everybody.");
	story_show(story, view_devices, ann);
	story_tell_operator(story);
	must_have_one_off(story, ann);
	story_at(story, 25000);
	plan_change(story, AT(B), plan, 3);
	story_at(story, 26000);
	story_show(story, view_devices, ann);
	story_tell_operator(story);
	must_be_decided(story);
	story_end(story);
}
