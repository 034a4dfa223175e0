/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/mesh.h"
#include "tests/sim/stories_disks.h"
#include "tests/sim/stories_operators.h"
#include "tests/sim/stories_people.h"
#include "tests/sim/stories_starts.h"

/* What an operator of a small fleet meets: servers that die, come back, are copied, evicted and upgraded. */

static const struct id nobody = { { 0 } };

static struct story *begin(uint64_t seed, uint32_t machines, uint32_t members)
{
	struct story *story = story_new(seed, machines);

	story_found(story, members);
	story_tell_starts(story);
	return story;
}

void tell_revoke_under_partition(void)
{
	struct story *story = begin(201, 3, 3);
	struct id ann, phone;

	story->key = key_of("key 1");
	ann = user_create(story, AT(A), "ann")->id;
	phone = device_enrol(story, AT(A), ann, "phone", "key 1")->id;
	story_at(story, 11000);
	story_split(story, "A | B C");
	device_revoke(story, AT(A), phone);
	user_rename(story, AT(B), ann, "anna");
	story_at(story, 12000);
	story_show(story, view_key, phone);
	story_note(story, "B and C cannot know. Each lets the phone in until it hears of it, and never again after.");
	story_heal(story);
	story_settle(story, 10);
	story_show(story, view_key, phone);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_key, phone, "no such device, and its key is revoked for good");
	story_end(story);
}

/* Who has the addresses of a node that was evicted, from heir to heir. */
static void tell_heirs(struct story *story, uint32_t at, uint32_t machine)
{
	const struct mesh *mesh = world_mesh(story->world, at);
	const struct member *member = members_find(mesh->t0.members, story->world->machines[machine].id);
	char text[STORY_TEXT_MAX];
	int used = snprintf(text, sizeof text, "%c knows", 'A' + (int)at);

	for (size_t i = 0; member && member->is_evicted && i < STORY_MACHINES; i++) {
		uint64_t heir = member->heir;

		used += snprintf(text + used, sizeof text - (size_t)used,
				 "%s that the heir of %016" PRIx64 " is %016" PRIx64, i ? ", and" : "", member->node,
				 heir);
		member = members_find(mesh->t0.members, heir);
	}
	story_say(story, "%s", text);
}

void tell_evict_an_heir(void)
{
	struct story *story = begin(202, 4, 4);

	user_create(story, AT(B), "bob");
	story_at(story, 11000);
	node_evict_with_heir(story, A, B, C);
	story_at(story, 12000);
	tell_heirs(story, D, B);
	node_evict_with_heir(story, A, C, D);
	story_at(story, 50000);
	tell_heirs(story, D, B);
	MUST(story, story_is_settled(story, A, B, 0) && story_is_settled(story, D, B, 0));
	MUST(story, story_is_settled(story, A, C, 0) && story_is_settled(story, D, C, 0));
	story_note(story, "D has all that anybody has of B and of C, and every member said so: it may lease.");
	story_show(story, view_users, nobody);
	story_end(story);
}

void tell_evicted_twice(void)
{
	struct story *story = begin(213, 4, 4);
	uint64_t heirs[STORY_MACHINES];

	user_create(story, AT(D), "dan");
	story_at(story, 11000);
	story_split(story, "A D | B C");
	user_create(story, AT(D), "dora");
	story_at(story, 12000);
	node_evict_with_heir(story, A, D, A);
	node_evict_with_heir(story, B, D, C);
	story_at(story, 13000);
	tell_heirs(story, A, D);
	tell_heirs(story, B, D);
	story_heal(story);
	story_at(story, 60000);
	for (uint32_t i = A; i <= C; i++) {
		const struct member *member =
			members_find(world_mesh(story->world, i)->t0.members, story->world->machines[D].id);

		heirs[i] = member->heir;
		MUST(story, heirs[i] == heirs[A] && story_is_settled(story, i, D, 0));
		story_must_show(story, i, view_users, nobody, "\"dan\", \"dora\"");
	}
	tell_heirs(story, A, D);
	tell_heirs(story, B, D);
	story_show(story, view_users, nobody);
	story_end(story);
}

void tell_evicted_and_back(void)
{
	struct story *story = begin(214, 3, 3);
	const struct story_asked *asked;
	struct signer olga;

	olga = operator_name(story, A, "olga");
	user_create(story, AT(C), "cid");
	story_at(story, 11000);
	story_split(story, "A B | C");
	node_evict_by(story, &olga, A, C);
	user_create(story, AT(C), "cora");
	story_at(story, 12000);
	story_note(story, "C does not know. Then it turns out that olga is in bad hands.");
	operator_remove(story, A, &olga, "olga");
	story_at(story, 13000);
	story_heal(story);
	story_settle(story, 60);
	asked = user_create(story, (struct story_client){ .at = C, .copies = 2 }, "carl");
	story_settle(story, 3);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 2);
	story_note(story, "Again, and this time C hears of it.");
	olga = operator_name(story, A, "olaf");
	story_at(story, 80000);
	node_evict_by(story, &olga, A, C);
	story_at(story, 81000);
	MUST(story, user_create(story, AT(C), "carla")->code == E_BUSY);
	operator_remove(story, A, &olga, "olaf");
	story_at(story, 140000);
	story_show_streams(story, C);
	asked = user_create(story, (struct story_client){ .at = C, .copies = 2 }, "carla");
	story_settle(story, 10);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 2);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"carl\", \"carla\", \"cid\", \"cora\"");
	story_end(story);
}

void tell_clone_evicted(void)
{
	struct story *story = begin(215, 4, 3);

	user_create(story, AT(C), "ann");
	story_at(story, 11000);
	story_clone(story, C, D);
	story_split(story, "A C | B D");
	story_boot(story, D);
	story_at(story, 15000);
	user_create(story, AT(C), "cid");
	user_create(story, AT(D), "dan");
	story_at(story, 16000);
	story_split(story, "A | B | C | D");
	user_create(story, AT(C), "cora");
	user_create(story, AT(D), "dora");
	story_at(story, 17000);
	story_note(story, "Nobody knows yet that there are two. The operator wants to be rid of C, for other reasons.");
	node_evict(story, A, C);
	story_at(story, 18000);
	story_heal(story);
	story_at(story, 60000);
	story_note(story, "Dora came to B before the eviction did. Cora came to nobody.");
	story_show_streams(story, C);
	story_show(story, view_users, nobody);
	story_must_show(story, A, view_users, nobody, "\"ann\", \"cid\", \"dan\", \"dora\"");
	story_must_show(story, B, view_users, nobody, "\"ann\", \"cid\", \"dan\", \"dora\"");
	MUST(story, story_is_settled(story, A, C, 0) && story_is_settled(story, B, C, 0));
	story_must_be_left(story, C);
	story_end(story);
}

void tell_two_joins_under_one_invite(void)
{
	struct story *story = begin(203, 4, 2);
	struct joining token;

	story_at(story, 11000);
	token = token_make(story, A, 900);
	story_copy(story, A);
	story_at(story, 12000);
	story_split(story, "A C | B | D");
	story_join(story, C, &token, "the token");
	story_at(story, 14000);
	MUST(story, story_is_member(story, C));
	user_create(story, AT(C), "cid");
	story_at(story, 15000);
	story_kill(story, A);
	story_put_back(story, A);
	story_split(story, "A B D | C");
	story_boot(story, A);
	story_at(story, 17000);
	story_note(story, "Neither A's old disk nor B knows that the token was used.");
	story_join(story, D, &token, "the same token");
	story_at(story, 20000);
	MUST(story, story_is_member(story, D));
	user_create(story, AT(D), "dan");
	story_at(story, 21000);
	story_heal(story);
	story_at(story, 60000);
	story_note(story, "Nobody can tell whose token it was: both are out, and the operator invites anew.");
	MUST(story, !story_is_member(story, C) && !story_is_member(story, D));
	MUST(story, user_create(story, AT(C), "carl")->code == E_BUSY);
	MUST(story, user_create(story, AT(D), "dora")->code == E_BUSY);
	story_note(story, "Dan stays, for A and B had him. A lost cid with its disk, and of C it takes nothing more.");
	story_show(story, view_users, nobody);
	story_must_show(story, A, view_users, nobody, "\"dan\"");
	story_must_show(story, B, view_users, nobody, "\"dan\"");
	story_end(story);
}

void tell_rolling_restart(void)
{
	struct story *story = begin(204, 3, 3);
	const char *const logins[] = { "ann", "bob", "cid" };
	uint64_t ms = 10000;

	for (uint32_t i = A; i <= C; i++) {
		uint32_t other = (i + 1) % 3;
		const struct story_asked *asked;

		story_kill(story, i);
		asked = user_create(story, (struct story_client){ .at = other, .copies = 1 }, logins[i]);
		story_at(story, ms += 1000);
		MUST(story, asked->is_answered && !asked->code && asked->copies == 1);
		story_boot(story, i);
		story_at(story, ms += 4000);
	}
	story_settle(story, 5);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bob\", \"cid\"");
	for (uint32_t i = A; i <= C; i++)
		MUST(story, story_start(story, i) == 1 && !story_proofs(story, i));
	story_end(story);
}

void tell_old_disk(void)
{
	struct story *story = begin(205, 3, 3);
	const struct story_asked *asked;

	user_create(story, AT(B), "ann");
	story_at(story, 11000);
	story_copy(story, B);
	user_create(story, AT(B), "bob");
	user_create(story, AT(B), "bea");
	story_at(story, 12000);
	story_kill(story, B);
	story_put_back(story, B);
	story_boot(story, B);
	asked = user_create(story, AT(B), "ben");
	MUST(story, asked->code == E_BUSY);
	story_settle(story, 5);
	story_note(story, "A and C gave B back what it had written since: it goes on where it was.");
	asked = user_create(story, (struct story_client){ .at = B, .copies = 2 }, "ben");
	story_settle(story, 3);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 2);
	story_show_streams(story, B);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bea\", \"ben\", \"bob\"");
	MUST(story, story_start(story, B) == 1 && !story_proofs(story, A));
	story_end(story);
}

void tell_old_disk_writes_apart(void)
{
	struct story *story = begin(212, 3, 3);

	user_create(story, AT(B), "ann");
	story_at(story, 11000);
	story_copy(story, B);
	user_create(story, AT(B), "bob");
	story_at(story, 12000);
	user_create(story, AT(B), "ben");
	story_at(story, 13000);
	user_create(story, AT(B), "bud");
	story_at(story, 60000);
	story_show_log(story, B);
	story_note(story,
		   "Nobody has more than a footprint of bob, so nobody can prove that something else has its number.");
	story_kill(story, B);
	story_put_back(story, B);
	story_split(story, "A C | B");
	story_boot(story, B);
	story_at(story, 85000);
	user_create(story, AT(B), "bea");
	story_at(story, 86000);
	story_note(story, "B's own word closes its start: what it is shown of itself has no place on its disk.");
	story_heal(story);
	story_settle(story, 60);
	story_show_streams(story, B);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bea\", \"ben\", \"bob\", \"bud\"");
	MUST(story, story_is_closed(story, A, B, 1) && story_is_closed(story, C, B, 1) && story_start(story, B) > 1);
	story_end(story);
}

void tell_clone_that_runs_on(void)
{
	struct story *story = begin(206, 4, 3);

	user_create(story, AT(C), "ann");
	story_at(story, 11000);
	story_clone(story, C, D);
	story_split(story, "A C | B D");
	story_boot(story, D);
	story_at(story, 15000);
	user_create(story, AT(C), "cid");
	user_create(story, AT(D), "dan");
	story_at(story, 16000);
	story_show(story, view_users, nobody);
	story_heal(story);
	story_at(story, 50000);
	story_show_streams(story, C);
	story_note(story, "Whatever both wrote stays. One of them has to go, and then the other starts anew.");
	story_kill(story, D);
	story_kill(story, C);
	story_boot(story, C);
	story_settle(story, 70);
	user_create(story, (struct story_client){ .at = C, .copies = 2 }, "cora");
	story_settle(story, 5);
	story_show_streams(story, C);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"cid\", \"cora\", \"dan\"");
	MUST(story, story_is_closed(story, A, C, 1) && story_is_closed(story, B, C, 1) && story_start(story, C) > 1);
	story_end(story);
}

void tell_one_of_three_is_dead(void)
{
	struct story *story = begin(207, 3, 3);
	const struct story_asked *asked;

	user_create(story, AT(C), "cid");
	story_at(story, 11000);
	story_cut_power(story, C);
	story_note(story, "C's machine burned down.");
	asked = user_create(story, (struct story_client){ .at = A, .copies = 1 }, "ann");
	story_at(story, 20000);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 1);
	node_evict(story, A, C);
	story_at(story, 40000);
	MUST(story, story_is_settled(story, A, C, 0) && story_is_settled(story, B, C, 0));
	story_note(story, "Each of the two starts anew while the other is there, and neither waits for C.");
	story_kill(story, B);
	story_boot(story, B);
	story_at(story, 45000);
	asked = user_create(story, (struct story_client){ .at = B, .copies = 1 }, "bob");
	story_settle(story, 3);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 1);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bob\", \"cid\"");
	story_end(story);
}

void tell_evicted_while_apart(void)
{
	struct story *story = begin(208, 4, 4);

	user_create(story, AT(C), "ann");
	story_at(story, 11000);
	story_split(story, "A B | C D");
	node_evict(story, A, C);
	story_at(story, 12000);
	user_create(story, AT(C), "cid");
	story_at(story, 13000);
	story_note(story, "D has cid, as a member in good faith. What C writes from now on it has alone.");
	story_split(story, "A B | C | D");
	user_create(story, AT(C), "cora");
	story_at(story, 14000);
	story_split(story, "A B D | C");
	story_at(story, 50000);
	story_show_streams(story, C);
	story_show(story, view_users, nobody);
	story_heal(story);
	story_at(story, 80000);
	story_must_be_left(story, C);
	for (uint32_t i = A; i <= D; i++)
		if (i != C) {
			story_must_show(story, i, view_users, nobody, "\"ann\", \"cid\"");
			MUST(story, story_is_settled(story, i, C, 0));
		}
	story_show(story, view_users, nobody);
	story_end(story);
}

void tell_operator_removed(void)
{
	struct story *story = begin(209, 4, 2);
	struct joining token;
	struct signer olga;

	story_at(story, 11000);
	olga = operator_name(story, A, "olga");
	story_at(story, 12000);
	token = token_make_by(story, &olga, B, 900);
	story_join(story, C, &token, "the token");
	story_at(story, 20000);
	MUST(story, story_is_member(story, C));
	user_create(story, AT(C), "cid");
	story_at(story, 21000);
	story_split(story, "A B | C");
	operator_remove(story, A, &olga, "olga");
	story_at(story, 22000);
	user_create(story, AT(C), "cora");
	story_at(story, 23000);
	story_heal(story);
	story_at(story, 60000);
	MUST(story, !story_is_member(story, C));
	token = token_make_by(story, &olga, B, 900);
	story_join(story, D, &token, "that token");
	story_at(story, 70000);
	MUST(story, !story_is_member(story, D));
	story_show(story, view_users, nobody);
	story_must_show(story, A, view_users, nobody, "\"cid\"");
	story_must_show(story, B, view_users, nobody, "\"cid\"");
	story_end(story);
}

void tell_level_raised(void)
{
	struct story *story = begin(210, 3, 3);

	story_at(story, 11000);
	story_split(story, "A B | C");
	story_note(story, "By mistake: no version here knows more than level 1.");
	level_raise(story, A, LEVEL_KNOWN + 1);
	story_at(story, 12000);
	MUST(story, user_create(story, AT(B), "bob")->code == E_BUSY);
	user_create(story, AT(C), "cid");
	story_at(story, 13000);
	story_note(story, "C is behind, and writes on by the rules that it knows: that is taken everywhere.");
	story_heal(story);
	story_settle(story, 20);
	MUST(story, user_create(story, AT(C), "cora")->code == E_BUSY);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"cid\"");
	story_end(story);
}

void tell_power_cut_everywhere(void)
{
	struct story *story = begin(211, 3, 3);
	const struct story_asked *asked;

	asked = user_create(story, (struct story_client){ .at = A, .copies = 2 }, "ann");
	story_at(story, 11000);
	MUST(story, asked->copies == 2);
	story_block(story, A, B);
	story_block(story, A, C);
	user_create(story, AT(A), "ada");
	story_at(story, 11100);
	story_cut_all(story);
	story_unblock(story, A, B);
	story_unblock(story, A, C);
	story_at(story, 20000);
	story_note(story, "B comes back first, and alone.");
	story_boot(story, B);
	MUST(story, user_create(story, AT(B), "bob")->code == E_BUSY);
	story_at(story, 45000);
	user_create(story, AT(B), "bob");
	story_boot(story, C);
	story_boot(story, A);
	story_settle(story, 30);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ada\", \"ann\", \"bob\"");
	for (uint32_t i = A; i <= C; i++)
		MUST(story, story_start(story, i) == 1 && !story_proofs(story, i));
	story_end(story);
}
