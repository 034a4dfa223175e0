/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/mesh.h"
#include "tests/sim/stories_disks.h"
#include "tests/sim/stories_operators.h"
#include "tests/sim/stories_people.h"

/* How servers come, go and come back. */

static const struct id nobody = { { 0 } };

void tell_join(void)
{
	struct story *story = story_new(16, 4);
	struct joining token;

	story_found(story, 2);
	user_create(story, AT(A), "ann");
	story_at(story, 11000);
	token = token_make(story, A, 900);
	story_join(story, C, &token, "the token");
	story_at(story, 15000);
	MUST(story, story_is_member(story, C));
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\"");
	story_join(story, D, &token, "the same token");
	story_at(story, 20000);
	MUST(story, !story_is_member(story, D));
	MUST(story, user_create(story, AT(D), "dan")->code == E_BUSY);
	token = token_make(story, C, 60);
	story_at(story, 81000);
	story_join(story, D, &token, "that token, too late");
	story_at(story, 90000);
	token = token_make(story, C, 900);
	token_take_back(story, C, &token);
	story_join(story, D, &token, "that token all the same");
	story_at(story, 100000);
	MUST(story, !story_is_member(story, D));
	token = token_make(story, C, 900);
	story_join(story, D, &token, "that token");
	story_at(story, 110000);
	MUST(story, story_is_member(story, D));
	user_create(story, (struct story_client){ .at = D, .copies = 3 }, "dan");
	story_at(story, 111000);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"dan\"");
	story_end(story);
}

void tell_two_strangers(void)
{
	struct story *story = story_new(17, 4);
	const struct story_asked *asked;
	struct joining token;

	story_found(story, 2);
	story_at(story, 11000);
	story_split(story, "A C | B D");
	token = token_make(story, A, 900);
	story_join(story, C, &token, "the token of A");
	token = token_make(story, B, 900);
	story_join(story, D, &token, "the token of B");
	story_at(story, 20000);
	MUST(story, story_is_member(story, C) && story_is_member(story, D));
	user_create(story, AT(C), "ann");
	user_create(story, AT(D), "bob");
	story_note(story, "A, the only one who knows C, goes away. C knows B, but to B and D it is a stranger.");
	story_kill(story, A);
	story_at(story, 30000);
	MUST(story, !mesh_peer(world_mesh(story->world, D), story->world->machines[C].id));
	story_heal(story);
	story_settle(story, 60);
	story_note(story, "C showed B who let it in, and by whose right. B believed it, and told D.");
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bob\"");
	story_at(story, 100000);
	asked = user_create(story, (struct story_client){ .at = C, .copies = 2 }, "cid");
	story_at(story, 103000);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 2);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bob\", \"cid\"");
	story_end(story);
}

void tell_evict(void)
{
	struct story *story = story_new(18, 4);
	const struct story_asked *asked;

	story_found(story, 4);
	user_create(story, AT(C), "cid");
	user_create(story, AT(D), "dan");
	story_at(story, 11000);
	node_evict(story, A, D);
	story_at(story, 11100);
	story_must_be_left(story, D);
	MUST(story, user_create(story, AT(D), "dora")->code == E_BUSY);
	story_at(story, 12000);
	story_note(story, "What D wrote before stays. C is evicted while nobody can tell it.");
	story_split(story, "A B | C | D");
	node_evict(story, A, C);
	story_at(story, 13000);
	user_create(story, AT(C), "eve");
	story_at(story, 14000);
	story_show(story, view_users, nobody);
	story_heal(story);
	story_at(story, 40000);
	story_note(story, "What C wrote after it was evicted stays with C.");
	story_must_be_left(story, C);
	story_show(story, view_users, nobody);
	story_must_show(story, A, view_users, nobody, "\"cid\", \"dan\"");
	story_must_show(story, B, view_users, nobody, "\"cid\", \"dan\"");
	MUST(story, user_create(story, AT(C), "eva")->code == E_BUSY);
	asked = user_create(story, (struct story_client){ .at = A, .copies = 1 }, "bob");
	story_at(story, 41000);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 1);
	story_show(story, view_users, nobody);
	story_end(story);
}

void tell_sponsor_evicted(void)
{
	struct story *story = story_new(22, 4);
	const struct story_asked *asked;
	struct joining token;

	story_found(story, 2);
	story_at(story, 11000);
	token = token_make(story, B, 900);
	story_join(story, C, &token, "the token of B");
	token = token_make(story, B, 900);
	story_join(story, D, &token, "another token of B");
	story_at(story, 20000);
	user_create(story, AT(C), "cid");
	story_at(story, 21000);
	story_note(story, "B turns out to be in bad hands. Somebody knows D, and nobody knows C.");
	node_evict_but(story, A, B, D);
	story_at(story, 22000);
	story_must_be_left(story, B);
	story_must_be_left(story, C);
	MUST(story, story_is_member(story, D) && !story_is_member(story, C) && !story_is_member(story, B));
	asked = user_create(story, (struct story_client){ .at = D, .copies = 1 }, "dan");
	MUST(story, user_create(story, AT(C), "eve")->code == E_BUSY);
	story_at(story, 25000);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 1);
	story_show(story, view_users, nobody);
	story_must_show(story, A, view_users, nobody, "\"cid\", \"dan\"");
	story_must_show(story, D, view_users, nobody, "\"cid\", \"dan\"");
	story_end(story);
}

void tell_killed_and_back(void)
{
	struct story *story = story_new(19, 3);

	story_found(story, 3);
	story->tells_silence = true;
	story_at(story, 11000);
	story_note(story, "When a process dies, its machine says so.");
	story_kill(story, C);
	story_at(story, 12000);
	user_create(story, AT(A), "ann");
	story_at(story, 15000);
	story_boot(story, C);
	story_settle(story, 10);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\"");
	story_at(story, 30000);
	story_note(story, "When the power goes, nobody says anything: that takes longer to be noticed.");
	story_cut_power(story, C);
	story_at(story, 31000);
	user_create(story, AT(B), "bob");
	story_at(story, 40000);
	MUST(story, story->noticed[A].silent == BIT(C) && story->noticed[B].silent == BIT(C));
	story_boot(story, C);
	story_settle(story, 5);
	story_at(story, 70000);
	MUST(story, !story->noticed[A].silent && !story->noticed[B].silent && !story->noticed[C].silent);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bob\"");
	story_end(story);
}

static struct mesh_counts counts_of(const struct story *story)
{
	struct mesh_counts counts;

	world_counts(story->world, &counts);
	return counts;
}

void tell_a_restart_is_no_twin(void)
{
	struct story *story = story_new(20, 3);
	const struct story_asked *asked;

	story_found(story, 3);
	story_at(story, 11000);
	story_cut_power(story, C);
	story_at(story, 11500);
	story_note(story, "Power is back so soon that A and B take the links to the process before for good.");
	story_boot(story, C);
	story_at(story, 12000);
	story_note(story, "They ask the process before whether it is there. It does not answer, so the new one is C.");
	story_at(story, 30000);
	MUST(story, counts_of(story).twin_cleared && !counts_of(story).twin);
	MUST(story, !world_mesh(story->world, C)->is_twin);
	asked = user_create(story, (struct story_client){ .at = C, .copies = 2 }, "ann");
	story_at(story, 31000);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 2);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\"");
	story_end(story);
}

void tell_twins(void)
{
	struct story *story = story_new(21, 4);
	const struct story_asked *asked;

	story_found(story, 3);
	user_create(story, AT(A), "ann");
	story_at(story, 11000);
	story_clone(story, C, D);
	story_boot(story, D);
	story_at(story, 15000);
	MUST(story, world_mesh(story->world, D)->is_twin && !world_mesh(story->world, C)->is_twin);
	asked = user_create(story, AT(D), "dan");
	MUST(story, asked->code == E_BUSY);
	asked = user_create(story, (struct story_client){ .at = C, .copies = 2 }, "cid");
	story_at(story, 16000);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 2);
	story_kill(story, D);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"cid\"");
	story_end(story);
}
