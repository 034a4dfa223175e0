/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/link.h"
#include "crdt/log/statement.h"
#include "crdt/model/pack.h"
#include "tests/sim/stories_people.h"

/* How servers come, go and come back. */

static const struct id nobody = { { 0 } };

/* What is pasted at a new server. */
static struct joining make_token(struct story *story, uint32_t sponsor, uint64_t seconds)
{
	struct world *world = story->world;
	uint64_t now = SIM_EPOCH_MS + world_now(world) / 1000000;
	struct invite_row row = { .sponsor = world->machines[sponsor].signer.key, .expires = { now + 1000 * seconds } };
	struct joining token = { .sponsor = row.sponsor };
	struct buf buf = buf_growing(STATEMENT_MAX);
	struct statement statement;
	uint8_t seed[32];

	rng_fill(&world->rng, seed, sizeof seed);
	token.one_time = signer_from_seed(seed);
	row.key = token.one_time.key;
	row.has = BIT(AT_invite_key) | BIT(AT_invite_sponsor) | BIT(AT_invite_gateway) | BIT(AT_invite_expires);
	statement_write(&world->root, world->cluster, KIND_TABLE(invite), &row, NULL, 0, &buf);
	MUST(story, !statement_read(buf_bytes(&buf), &statement, NULL));
	token.invite = statement.id;
	buf_done(&buf);
	story_state(story, sponsor, KIND_TABLE(invite), &row, "makes a join token, good for %" PRIu64 " s", seconds);
	return token;
}

static void take_back(struct story *story, uint32_t at, const struct joining *token)
{
	struct invite_void_row row = { .has = BIT(AT_invite_void_invite), .invite = token->invite };

	story_state(story, at, KIND_TABLE(invite_void), &row, "takes the token back");
}

/* The machine starts, or starts anew, to join with that token. */
static void join(struct story *story, uint32_t machine, const struct joining *token, const char *which)
{
	struct machine *m = &story->world->machines[machine];
	bool is_up;

	if (world_is_up(story->world, machine))
		world_kill(story->world, machine);
	m->is_joining = true;
	m->joining = *token;
	story_say(story, "%c starts with %s", 'A' + (int)machine, which);
	is_up = world_boot(story->world, machine);
	MUST(story, is_up);
}

static bool is_member(const struct story *story, uint32_t machine)
{
	return world_mesh(story->world, machine)->is_member;
}

void tell_join(void)
{
	struct story *story = story_new(16, 4);
	struct joining token;

	story_found(story, 2);
	user_create(story, AT(A), "ann");
	story_at(story, 11000);
	token = make_token(story, A, 900);
	join(story, C, &token, "the token");
	story_at(story, 15000);
	MUST(story, is_member(story, C));
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\"");
	join(story, D, &token, "the same token");
	story_at(story, 20000);
	MUST(story, !is_member(story, D));
	MUST(story, user_create(story, AT(D), "dan")->code == E_BUSY);
	token = make_token(story, C, 60);
	story_at(story, 81000);
	join(story, D, &token, "that token, too late");
	story_at(story, 90000);
	token = make_token(story, C, 900);
	take_back(story, C, &token);
	join(story, D, &token, "that token all the same");
	story_at(story, 100000);
	MUST(story, !is_member(story, D));
	token = make_token(story, C, 900);
	join(story, D, &token, "that token");
	story_at(story, 110000);
	MUST(story, is_member(story, D));
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
	token = make_token(story, A, 900);
	join(story, C, &token, "the token of A");
	token = make_token(story, B, 900);
	join(story, D, &token, "the token of B");
	story_at(story, 20000);
	MUST(story, is_member(story, C) && is_member(story, D));
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

/* One that it let in may stay. */
static void evict_but(struct story *story, uint32_t at, uint32_t machine, uint32_t stays)
{
	const struct mesh *mesh = world_mesh(story->world, at);
	const struct member *member = members_find(mesh->t0.members, story->world->machines[stays].id);
	struct eviction_row row = { .has = BIT(AT_eviction_key) | BIT(AT_eviction_heir) | BIT(AT_eviction_standing),
				    .key = story->world->machines[machine].signer.key,
				    .heir = story->world->machines[at].signer.key };
	uint8_t room[32];
	struct buf standing = buf_over(room, sizeof room);

	MUST(story, member);
	pack_write_slot(FIELD_TABLE(eviction, standing), &member->admission, &standing);
	row.standing = (struct list){ buf_bytes(&standing), 1 };
	story_state(story, at, KIND_TABLE(eviction), &row, "evicts %c, and says that %c stays", 'A' + (int)machine,
		    'A' + (int)stays);
}

static void evict(struct story *story, uint32_t at, uint32_t machine)
{
	struct eviction_row row = { .has = BIT(AT_eviction_key) | BIT(AT_eviction_heir),
				    .key = story->world->machines[machine].signer.key,
				    .heir = story->world->machines[at].signer.key };

	story_state(story, at, KIND_TABLE(eviction), &row, "evicts %c", 'A' + (int)machine);
}

/* Nobody who is a member has a link to it any more. */
static void must_be_left(struct story *story, uint32_t machine)
{
	uint64_t node = story->world->machines[machine].id;

	for (uint32_t i = 0; i < story->world->options.machines; i++) {
		const struct mesh *mesh = world_mesh(story->world, i);

		if (!mesh->is_member)
			continue;
		MUST(story, !mesh_peer(mesh, node));
		for (const struct link *link = mesh->links; link; link = link->next)
			MUST(story, !session_is_up(link->session) || session_peer(link->session)->node != node);
	}
}

void tell_evict(void)
{
	struct story *story = story_new(18, 4);
	const struct story_asked *asked;

	story_found(story, 4);
	user_create(story, AT(C), "cid");
	user_create(story, AT(D), "dan");
	story_at(story, 11000);
	evict(story, A, D);
	story_at(story, 11100);
	must_be_left(story, D);
	MUST(story, user_create(story, AT(D), "dora")->code == E_BUSY);
	story_at(story, 12000);
	story_note(story, "What D wrote before stays. C is evicted while nobody can tell it.");
	story_split(story, "A B | C | D");
	evict(story, A, C);
	story_at(story, 13000);
	user_create(story, AT(C), "eve");
	story_at(story, 14000);
	story_show(story, view_users, nobody);
	story_heal(story);
	story_at(story, 40000);
	story_note(story, "What C wrote after it was evicted stays with C.");
	must_be_left(story, C);
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
	token = make_token(story, B, 900);
	join(story, C, &token, "the token of B");
	token = make_token(story, B, 900);
	join(story, D, &token, "another token of B");
	story_at(story, 20000);
	user_create(story, AT(C), "cid");
	story_at(story, 21000);
	story_note(story, "B turns out to be in bad hands. Somebody knows D, and nobody knows C.");
	evict_but(story, A, B, D);
	story_at(story, 22000);
	must_be_left(story, B);
	must_be_left(story, C);
	MUST(story, is_member(story, D) && !is_member(story, C) && !is_member(story, B));
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

/* All of a machine, on another. */
static void copy_machine(struct story *story, uint32_t from, uint32_t to)
{
	struct machine *one = &story->world->machines[from], *other = &story->world->machines[to];

	story_say(story, "%c becomes a copy of %c: its disk, and so its key", 'A' + (int)to, 'A' + (int)from);
	mem_disk_restore(other->disk, one->disk);
	other->signer = one->signer;
	other->box_key = one->box_key;
	other->id = one->id;
	check_disk_lost(story->check, to);
	check_may_fork(story->check, to);
}

void tell_twins(void)
{
	struct story *story = story_new(21, 4);
	const struct story_asked *asked;

	story_found(story, 3);
	user_create(story, AT(A), "ann");
	story_at(story, 11000);
	copy_machine(story, C, D);
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
