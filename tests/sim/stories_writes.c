/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/stories_people.h"

/* How a write gets around, and what its author is told. */

static const struct id nobody = { { 0 } };

void tell_first_write(void)
{
	struct story *story = story_new(1, 3);
	const struct story_asked *asked;

	story_found(story, 3);
	story_watch(story, view_users, nobody);
	asked = user_create(story, (struct story_client){ .at = A, .copies = 2 }, "ann");
	story_show(story, view_users, nobody);
	story_at(story, 11000);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 2);
	user_create(story, AT(B), "bob");
	story_at(story, 12000);
	asked = user_create(story, (struct story_client){ .at = C, .copies = 3 }, "cid");
	MUST(story, asked->code == E_VALUE);
	story_kill(story, B);
	asked = user_create(story, (struct story_client){ .at = C, .copies = 2 }, "cid");
	story_at(story, 15000);
	MUST(story, asked->is_answered && !asked->code && asked->copies == 1);
	story_boot(story, B);
	story_settle(story, 5);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bob\", \"cid\"");
	story_end(story);
}

void tell_write_under_partition(void)
{
	struct story *story = story_new(2, 3);
	const struct story_asked *asked;

	story_found(story, 3);
	user_create(story, AT(A), "ann");
	story_at(story, 11000);
	story_split(story, "A | B C");
	asked = user_create(story, (struct story_client){ .at = A, .copies = 1 }, "ada");
	user_create(story, (struct story_client){ .at = B, .copies = 1 }, "bob");
	story_at(story, 14000);
	MUST(story, asked->is_answered && !asked->code && !asked->copies);
	story_show(story, view_users, nobody);
	story_must_show(story, A, view_users, nobody, "\"ada\", \"ann\"");
	story_must_show(story, C, view_users, nobody, "\"ann\", \"bob\"");
	story_at(story, 20000);
	story_heal(story);
	story_settle(story, 10);
	story_show(story, view_users, nobody);
	story_tell_operator(story);
	story_must_all_show(story, view_users, nobody, "\"ada\", \"ann\", \"bob\"");
	story_end(story);
}

void tell_revoke_overtakes_create(void)
{
	struct story *story = story_new(9, 3);
	const struct story_asked *asked;
	struct id ann, phone;

	story_found(story, 3);
	story->key = key_of("key 1");
	ann = user_create(story, AT(A), "ann")->id;
	story_at(story, 11000);
	story_split(story, "A B | C");
	story_at(story, 60000);
	story_note(story, "By now the links to C are given up: nothing is on its way.");
	users_import(story, A, 100);
	story_at(story, 61000);
	phone = device_enrol(story, AT(A), ann, "phone", "key 1")->id;
	story_at(story, 62000);
	story_must_show(story, B, view_device, phone, "\"phone\" is on");
	device_revoke(story, AT(A), phone);
	story_at(story, 63000);
	story_show(story, view_key, phone);
	story_note(story, "C has missed more than is sent at once. Lane 0 goes first, and with it the revocation.");
	story_watch(story, view_arrival, phone);
	story_heal(story);
	while (!strcmp(story->shown[C], "nothing of the device"))
		story_at(story, world_now(story->world) / 1000000 + 1);
	MUST(story, !strcmp(story->shown[C], "a device that it never heard of was revoked"));
	story_settle(story, 2);
	story_watch(story, NULL, phone);
	story_show(story, view_key, phone);
	story_must_all_show(story, view_key, phone, "no such device, and its key is revoked for good");
	asked = device_enrol(story, AT(C), ann, "phone", "key 1");
	MUST(story, asked->code == E_TAKEN);
	story_end(story);
}

void tell_same_post_twice(void)
{
	struct story *story = story_new(10, 3);
	const struct story_asked *first, *second, *third;

	story_found(story, 3);
	story_at(story, 11000);
	story_split(story, "A | B C");
	first = user_create(story, (struct story_client){ .at = A, .copies = 1, .key = "k1" }, "ann");
	story_at(story, 11500);
	story_note(story, "The client is tired of waiting and asks B the same, with the same Idempotency-Key.");
	second = user_create(story, (struct story_client){ .at = B, .copies = 1, .key = "k1" }, "ann");
	story_at(story, 14000);
	MUST(story, !first->code && !second->code && id_equal(first->id, second->id));
	story_heal(story);
	story_settle(story, 10);
	story_show(story, view_users, nobody);
	story_tell_operator(story);
	story_must_all_show(story, view_users, nobody, "\"ann\"");
	story_at(story, 25000);
	third = user_create(story, (struct story_client){ .at = C, .key = "k1" }, "ann");
	MUST(story, !third->code && id_equal(first->id, third->id));
	story_show(story, view_users, nobody);
	story_end(story);
}

/* What the machine's next write would be stamped is not far from the true time. */
static void must_stamp_now(struct story *story, uint32_t machine)
{
	uint64_t now = SIM_EPOCH_MS + world_now(story->world) / 1000000;

	MUST(story, hlc_ms(world_mesh(story->world, machine)->author.hlc) <= now + 10000);
}

void tell_wrong_clock(void)
{
	struct story *story = story_new(11, 3);
	struct id ann;

	story_found(story, 3);
	ann = user_create(story, AT(B), "ann")->id;
	story_at(story, 11000);
	story_say(story, "A's clock jumps: it shows 2126");
	clock_jump(&story->world->machines[A].clock, world_now(story->world), 100 * SIM_YEAR_MS);
	user_rename(story, AT(A), ann, "anna");
	story_at(story, 12000);
	story_show(story, view_login, ann);
	story_must_all_show(story, view_login, ann, "\"anna\"");
	story_note(story, "Whoever meets A from now on compares clocks.");
	story_kill(story, C);
	story_boot(story, C);
	story_at(story, 15000);
	story_note(story, "What B writes is stamped behind what it replaces, whatever B's own clock says.");
	user_rename(story, AT(B), ann, "annette");
	story_at(story, 16000);
	story_show(story, view_login, ann);
	story_must_all_show(story, view_login, ann, "\"annette\"");
	user_create(story, AT(B), "bob");
	story_at(story, 17000);
	story_note(story, "Nobody else's stamps have gone more than 10 s ahead by it.");
	must_stamp_now(story, B);
	must_stamp_now(story, C);
	story_say(story, "A's clock is set right");
	clock_set(&story->world->machines[A].clock, world_now(story->world));
	user_rename(story, AT(A), ann, "ann");
	story_at(story, 18000);
	story_show(story, view_users, nobody);
	story_must_all_show(story, view_users, nobody, "\"ann\", \"bob\"");
	story_end(story);
}
