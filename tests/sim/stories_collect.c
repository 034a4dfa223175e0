/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/mesh.h"
#include "tests/sim/stories_disks.h"
#include "tests/sim/stories_operators.h"
#include "tests/sim/stories_people.h"
#include "tests/sim/stories_starts.h"

/* More of the schedules of stories_schedules.c: those in which something was truncated or collected. */

static const struct id nobody = { { 0 } };

static struct story *begin(uint64_t seed, uint32_t machines, uint32_t members)
{
	struct story *story = story_new(seed, machines);

	story_found(story, members);
	story_tell_starts(story);
	return story;
}

static const char *const logins[] = { "ann", "bob", "cid", "dan" };

void tell_two_donors(void)
{
	struct story *story = begin(101, 4, 4);

	story_at(story, 11000);
	story_split(story, "A C | B D");
	for (uint32_t i = A; i <= D; i++) {
		story_shrink_log(story, i);
		user_create(story, AT(i), logins[i]);
	}
	story_at(story, 60000);
	story_note(story, "Each has dropped what one other has as well: A and C can give nobody what A and C wrote.");
	story_show_log(story, A);
	story_show_log(story, B);
	story_heal(story);
	story_settle(story, 60);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bob\", \"cid\", \"dan\"");
	for (uint32_t i = A; i <= D; i++)
		MUST(story, story_start(story, i) == 1 && !story_proofs(story, i));
	story_end(story);
}

void tell_truncated_and_restored(void)
{
	struct story *story = begin(104, 3, 3);

	story_copy(story, B);
	story_copy(story, C);
	user_create(story, (struct story_client){ .at = B, .copies = 2 }, "bob");
	story_at(story, 11000);
	user_create(story, AT(B), "ben");
	user_create(story, AT(B), "bud");
	story_at(story, 60000);
	story_note(story, "Everybody has all three, and of bob and ben not even the headers are left in any log.");
	story_show_log(story, B);
	story_cut_all(story);
	story_put_back(story, B);
	story_put_back(story, C);
	story_boot(story, B);
	story_boot(story, C);
	story_at(story, 65000);
	story_note(story, "B and C agree that nothing is missing. B writes, with the number that bob had.");
	user_create(story, AT(B), "bea");
	story_at(story, 66000);
	story_boot(story, A);
	story_settle(story, 60);
	story_show_streams(story, B);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"bea\", \"ben\", \"bob\", \"bud\"");
	MUST(story, story_is_closed(story, A, B, 1) && story_is_closed(story, C, B, 1) && story_start(story, B) > 1);
	story_end(story);
}

void tell_dropped_before_the_fork(void)
{
	struct story *story = begin(105, 4, 4);

	story_copy(story, B);
	story_cut_power(story, D);
	user_create(story, AT(B), "bob");
	story_at(story, 11000);
	user_create(story, AT(B), "ben");
	story_shrink_log(story, A);
	story_shrink_log(story, C);
	story_at(story, 60000);
	story_note(story, "D has not acknowledged them, so the headers stay.");
	story_show_log(story, B);
	story_kill(story, B);
	story_put_back(story, B);
	story_split(story, "A C | B | D");
	story_boot(story, B);
	story_at(story, 85000);
	user_create(story, AT(B), "bea");
	story_heal(story);
	story_settle(story, 60);
	story_note(story, "D was away all the time.");
	story_boot(story, D);
	story_settle(story, 60);
	story_show_streams(story, B);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"bea\", \"ben\", \"bob\"");
	MUST(story, story_is_closed(story, D, B, 1) && story_start(story, B) > 1);
	story_end(story);
}

/* Runs until all that are up show it of the policy, a minute or two at most. */
static void wait_for(struct story *story, struct id policy, const char *text)
{
	uint64_t until = world_now(story->world) / 1000000 + 120000, ms;
	struct store_txn *txn;

	for (ms = until - 120000; ms < until; ms += 500) {
		bool is_there = true;

		for (uint32_t i = 0; i < story->world->options.machines; i++) {
			char room[STORY_TEXT_MAX];
			struct buf buf = buf_over(room, sizeof room - 1);

			if (!world_is_up(story->world, i))
				continue;
			MUST(story, !store_snapshot(story->world->machines[i].store, &txn, NULL));
			view_mark(story, txn, policy, &buf);
			store_end(txn);
			room[buf.size] = 0;
			is_there &= !strcmp(room, text);
		}
		if (is_there)
			break;
		story_at(story, ms);
	}
	story_show(story, view_mark, policy);
	story_must_all_show(story, view_mark, policy, text);
}

void tell_dead_overtakes_create(void)
{
	struct story *story = begin(107, 3, 3);
	struct id policy;

	story_at(story, 11000);
	story_split(story, "A B | C");
	story_at(story, 60000);
	users_import(story, A, 100);
	policy = policy_create(story, AT(A), "office")->id;
	story_at(story, 61000);
	policy_remove(story, AT(A), policy);
	story_at(story, 62000);
	story_watch(story, view_mark, policy);
	story_note(story, "C has missed more than is sent at once. Lane 0 goes first, and with it the removal.");
	story_heal(story);
	while (!strcmp(story->shown[C], "nothing of the policy"))
		story_at(story, world_now(story->world) / 1000000 + 1);
	story_split(story, "A B | C");
	story_note(story, "Now everybody has the removal, and the policy itself is still on its way to C.");
	story_at(story, world_now(story->world) / 1000000 + 120000);
	story_show(story, view_mark, policy);
	story_must_show(story, A, view_mark, policy, "the mark of a policy that was removed");
	story_note(story, "One round is not enough to forget it: what C acknowledged is not all that others have.");
	story_heal(story);
	story_settle(story, 60);
	wait_for(story, policy, "nothing of the policy");
	story_end(story);
}

void tell_repeated_after_the_end(void)
{
	struct story *story = begin(108, 3, 3);
	struct id keyed, other;

	keyed = policy_create(story, (struct story_client){ .at = A, .key = "k1" }, "office")->id;
	other = policy_create(story, AT(A), "lab")->id;
	story_at(story, 11000);
	policy_remove(story, AT(B), keyed);
	policy_remove(story, AT(B), other);
	story_at(story, 12000);
	story_note(story, "The lab's mark goes when it can. The office's came by a key, and may be asked for again.");
	wait_for(story, other, "nothing of the policy");
	story_must_all_show(story, view_mark, keyed, "the mark of a policy that was removed");
	story_split(story, "A | B C");
	policy_create(story, (struct story_client){ .at = A, .key = "k1" }, "office");
	policy_create(story, (struct story_client){ .at = C, .key = "k1" }, "office");
	story_heal(story);
	story_settle(story, 20);
	story_show(story, view_mark, keyed);
	story_must_all_show(story, view_mark, keyed, "the mark of a policy that was removed");
	story_end(story);
}

void tell_joiner_knows_what_all_had(void)
{
	struct story *story = begin(109, 4, 3);
	struct joining token;
	struct id policy;

	policy = policy_create(story, AT(A), "office")->id;
	story_at(story, 11000);
	story_copy(story, C);
	policy_remove(story, AT(B), policy);
	story_at(story, 12000);
	wait_for(story, policy, "nothing of the policy");
	token = token_make(story, A, 900);
	story_join(story, D, &token, "the token");
	story_settle(story, 10);
	story_note(story, "C comes back with a disk on which the policy lives, and meets D alone.");
	story_kill(story, C);
	story_put_back(story, C);
	story_split(story, "A | B | C D");
	story_boot(story, C);
	story_show(story, view_mark, policy);
	story_at(story, world_now(story->world) / 1000000 + 30000);
	story_show(story, view_mark, policy);
	story_must_show(story, D, view_mark, policy, "nothing of the policy");
	story_heal(story);
	story_settle(story, 60);
	story_show(story, view_mark, policy);
	story_must_all_show(story, view_mark, policy, "nothing of the policy");
	story_end(story);
}
