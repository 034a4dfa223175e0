/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/mesh.h"
#include "tests/sim/stories_disks.h"
#include "tests/sim/stories_operators.h"
#include "tests/sim/stories_people.h"
#include "tests/sim/stories_starts.h"

/* Courses of things that broke earlier rules; the present ones carry them. By their numbers in the design. */

static const struct id nobody = { { 0 } };

static struct story *begin(uint64_t seed, uint32_t machines, uint32_t members)
{
	struct story *story = story_new(seed, machines);

	story_found(story, members);
	story_tell_starts(story);
	return story;
}

/* Nobody knows of two histories, and no start was given up. */
static void must_be_one_history(struct story *story)
{
	for (uint32_t i = 0; i < story->world->options.machines; i++)
		if (world_is_up(story->world, i))
			MUST(story, !story_proofs(story, i) && story_start(story, i) == 1);
}

void tell_disk_older_than_an_eviction(void)
{
	struct story *story = begin(102, 4, 4);
	struct id ann;

	ann = user_create(story, AT(A), "ann")->id;
	user_create(story, AT(D), "dan");
	story_at(story, 11000);
	story_copy(story, B);
	user_hold(story, AT(B), ann, "left");
	user_create(story, AT(B), "bob");
	story_at(story, 12000);
	story_kill(story, B);
	story_put_back(story, B);
	node_evict(story, A, D);
	story_at(story, 13000);
	story_note(story, "B's disk knows neither its own hold nor the eviction, about which it owes a row. The row is "
			  "urgent, as the hold is: written first, it would take the hold's number.");
	story_boot(story, B);
	story_at(story, 30000);
	story_show_streams(story, B);
	story_show(story, view_users, nobody);
	story_show(story, view_user, ann);
	must_be_one_history(story);
	story_must_show(story, B, view_user, ann, "\"ann\" is off (left)");
	story_must_show(story, B, view_users, nobody, "\"ann\", \"bob\", \"dan\"");
	MUST(story, story_is_settled(story, A, D, 0) && story_is_settled(story, B, D, 0));
	story_end(story);
}

/* The machine comes back with its old disk while nobody hears it, and writes. */
static void write_apart(struct story *story, uint32_t machine, const char *login)
{
	story_boot(story, machine);
	story_at(story, world_now(story->world) / 1000000 + 25000);
	user_create(story, AT(machine), login);
	story_at(story, world_now(story->world) / 1000000 + 1000);
}

void tell_forked_and_restored_again(void)
{
	struct story *story = begin(103, 4, 3);

	user_create(story, AT(B), "ann");
	story_at(story, 10500);
	story_copy(story, B);
	user_create(story, AT(B), "bob");
	story_at(story, 11000);
	story_kill(story, B);
	story_put_back(story, B);
	story_split(story, "A C | B | D");
	write_apart(story, B, "bea");
	story_note(story, "Bob and bea have one number now. What B does not know of itself, A and C show it.");
	story_heal(story);
	story_settle(story, 30);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bea\", \"bob\"");
	MUST(story, story_start(story, B) > 1 && story_is_closed(story, A, B, 1) && story_is_settled(story, A, B, 1));
	story_note(story, "The same copy a second time, and a third one on another machine that runs beside it.");
	story_kill(story, B);
	story_put_back(story, B);
	story_clone_copy(story, B, D);
	story_split(story, "A B | C D");
	story_boot(story, B);
	story_boot(story, D);
	story_at(story, world_now(story->world) / 1000000 + 5000);
	user_create(story, AT(B), "ben");
	user_create(story, AT(D), "bix");
	story_at(story, world_now(story->world) / 1000000 + 5000);
	story_heal(story);
	story_at(story, 90000);
	MUST(story, user_create(story, AT(B), "bud")->code == E_BUSY);
	story_kill(story, D);
	story_kill(story, B);
	story_boot(story, B);
	story_settle(story, 70);
	story_show_streams(story, B);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bea\", \"ben\", \"bix\", \"bob\"");
	user_create(story, (struct story_client){ .at = B, .copies = 2 }, "bud");
	story_settle(story, 5);
	story_end(story);
}

void tell_admitted_by_the_evicted(void)
{
	struct story *story = begin(106, 4, 3);
	const struct story_asked *asked;
	struct joining token;

	user_create(story, AT(B), "bob");
	story_at(story, 11000);
	story_split(story, "A | B C D");
	token = token_make(story, B, 900);
	story_join(story, D, &token, "the token of B");
	story_at(story, 20000);
	MUST(story, story_is_member(story, D));
	user_create(story, AT(D), "dan");
	story_copy(story, C);
	story_at(story, 21000);
	node_evict_but(story, C, B, D);
	story_at(story, 22000);
	story_note(story, "C is about to lose the start in which it said what it had of B.");
	story_kill(story, C);
	story_put_back(story, C);
	story_split(story, "A | B | C | D");
	write_apart(story, C, "cid");
	story_kill(story, B);
	story_heal(story);
	story_settle(story, 40);
	for (uint32_t i = A; i <= D; i++)
		MUST(story, i == B || story_is_member(story, i));
	asked = user_create(story, (struct story_client){ .at = D, .copies = 2 }, "dora");
	story_at(story, world_now(story->world) / 1000000 + 3000);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 2);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"bob\", \"cid\", \"dan\", \"dora\"");
	story_end(story);
}

static bool has_row(struct story *story, uint32_t at, uint32_t by, uint32_t whose)
{
	struct closed_start closed = { story->world->machines[whose].id, 0 };
	struct store_txn *txn;
	bool has;

	MUST(story, !store_snapshot(story->world->machines[at].store, &txn, NULL));
	MUST(story, !closing_has_row(txn, story->world->machines[by].id, closed, &story->arena, &has, NULL));
	store_end(txn);
	return has;
}

void tell_named_and_lost(void)
{
	struct story *story = begin(110, 4, 4);
	uint64_t ms = 11000;

	user_create(story, AT(B), "ann");
	story_at(story, ms);
	story_split(story, "A C | B D");
	user_create(story, AT(B), "bob");
	story_at(story, ms += 100);
	story_cut_power(story, B);
	story_note(story, "Bob is at D alone, for B will not come back.");
	node_evict(story, D, B);
	story_heal(story);
	while (!has_row(story, A, D, B) && ms < 20000)
		story_at(story, ++ms);
	story_cut_power(story, D);
	story_note(story, "D's word of bob arrived, and bob did not: now D is gone as well.");
	MUST(story, has_row(story, A, D, B));
	story_at(story, ms += 5000);
	node_evict(story, A, D);
	story_at(story, ms += 40000);
	story_show_streams(story, B);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\"");
	MUST(story, story_is_settled(story, A, B, 0) && story_is_settled(story, C, B, 0));
	MUST(story, story_is_settled(story, A, D, 0) && story_is_settled(story, C, D, 0));
	story_note(story, "A and C have the same of B and of D, and wait for nothing: the heir may lease.");
	story_end(story);
}

void tell_token_of_what_was_lost(void)
{
	struct story *story = begin(114, 3, 3);
	const struct story_asked *wrote, *read;

	story_copy(story, B);
	story_copy(story, C);
	wrote = user_create(story, (struct story_client){ .at = A, .copies = 2 }, "ann");
	story_at(story, 11000);
	MUST(story, wrote->is_answered && wrote->copies == 2);
	story_note(story, "Every member has acknowledged it. Then two of three lose it.");
	story_cut_all(story);
	story_put_back(story, B);
	story_put_back(story, C);
	story_boot(story, B);
	story_boot(story, C);
	story_at(story, 20000);
	story_show(story, view_users, nobody);
	read = story_read(story, C, wrote->token, true);
	story_at(story, 25000);
	MUST(story, read->is_answered && read->code == E_BUSY && code_http(read->code) == 503);
	read = story_read(story, C, wrote->token, false);
	story_at(story, 30000);
	MUST(story, read->is_answered && !read->code && read->is_behind);
	story_boot(story, A);
	story_settle(story, 20);
	read = story_read(story, C, wrote->token, true);
	MUST(story, read->is_answered && !read->code && !read->is_behind);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\"");
	must_be_one_history(story);
	story_end(story);
}

/* What signs ann in, as each side has it. */
static struct sum weight(const struct story *story, uint32_t machine)
{
	return world_mesh(story->world, machine)->vector.sum;
}

void tell_rehashed_on_both_sides(void)
{
	struct story *story = begin(115, 3, 3);
	const struct story_asked *made;
	struct sum before[2];

	made = user_create_with(story, AT(A), "ann", "old hash");
	story_at(story, 11000);
	story_split(story, "A | B C");
	before[0] = weight(story, A);
	before[1] = weight(story, B);
	story_say(story, "ann signs in at A, and at B; her password is hashed as was usual years ago");
	story_show(story, view_password, made->second);
	story_at(story, 12000);
	MUST(story, sum_equal(before[0], weight(story, A)) && sum_equal(before[1], weight(story, B)));
	story_note(story,
		   "Neither writes a better hash of the same password: two would be a conflict, and let nobody in.");
	password_change(story, AT(B), made->second, "new hash");
	story_at(story, 13000);
	story_heal(story);
	story_settle(story, 10);
	story_show(story, view_password, made->second);
	story_must_all_show(story, view_password, made->second, "\"new hash\"");
	story_tell_operator(story);
	story_end(story);
}
