/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/mesh.h"
#include "crdt/state/live.h"
#include "crdt/state/spend.h"
#include "crdt/state/state.h"
#include "tests/sim/stories_operators.h"
#include "tests/sim/stories_people.h"
#include "tests/sim/stories_starts.h"

/* Secrets that can be used but so often. */

static const struct id none = { { 0 } };

static struct story *begin(uint64_t seed, uint32_t members)
{
	struct story *story = story_new(seed, members);

	story_found(story, members);
	story_tell_starts(story);
	return story;
}

/* It lets one device of the user in. */
static struct id token_create(struct story *story, uint32_t at, struct id user, const char *name)
{
	static const uint8_t secret[32] = { 1 };
	struct enrolment_token_row row = { .hash = bytes_of(secret, sizeof secret),
					   .uses = 1,
					   .user = user,
					   .name = bytes_text(name),
					   .expires = { SIM_EPOCH_MS + 3600000 },
					   .has = BIT(AT_enrolment_token_hash) | BIT(AT_enrolment_token_uses) |
						  BIT(AT_enrolment_token_user) | BIT(AT_enrolment_token_name) |
						  BIT(AT_enrolment_token_expires) };
	struct change change = change_of(story, CHANGE_CREATE, KIND_TABLE(enrolment_token), none, &row);
	const struct story_asked *asked =
		story_ask(story, AT(at), &change, 1, "token \"%s\" is made, which lets one device in", name);

	MUST(story, !asked->code);
	return asked->id;
}

/* The device comes of the use, in one request. */
static const struct story_asked *token_use(struct story *story, struct story_client client, struct id user,
					   struct id token, const char *called, const char *name, const char *key)
{
	struct device_row device = { .has = BIT(AT_device_public_key) | BIT(AT_device_owner) | BIT(AT_device_name),
				     .public_key = key_of(key),
				     .owner = user,
				     .name = bytes_text(name) };
	struct spend_row row = { .has = BIT(AT_spend_credential) | BIT(AT_spend_made),
				 .credential = { KIND_enrolment_token, token },
				 .made = { KIND_device, judge_made(0) } };
	struct change changes[] = { change_of(story, CHANGE_CREATE, KIND_TABLE(device), none, &device),
				    change_of(story, CHANGE_CREATE, KIND_TABLE(spend), none, &row) };

	return story_ask(story, client, changes, 2, "device \"%s\" is enrolled with the token \"%s\"", name, called);
}

/* What came of a token. */
static void view_uses(struct story *story, struct store_txn *txn, struct id token, struct buf *out)
{
	struct spent *spent;
	size_t count;

	MUST(story, !spend_all(txn, (struct ref){ KIND_enrolment_token, token }, &story->arena, &spent, &count, NULL));
	buf_put_text(out, count ? "the token was used for" : "the token was not used");
	for (size_t i = 0; i < count; i++) {
		struct device_row device;
		struct spend_row row;

		MUST(story, !state_row(txn, KIND_TABLE(spend), spent[i].id, &row, NULL));
		MUST(story, !live_row(txn, KIND_TABLE(device), row.made.id, &device, NULL));
		put_format(out, "%s \"%.*s\"%s", i ? ", and for" : "", (int)device.name.size,
			   (const char *)device.name.data, spent[i].stands ? "" : ", which is off");
	}
}

static void wait(struct story *story, uint64_t ms)
{
	story_at(story, world_now(story->world) / 1000000 + ms);
}

static void must_be_done(struct story *story, const struct story_asked *asked, struct id device)
{
	MUST(story, asked->is_answered && !asked->code && id_equal(asked->id, device));
}

static void must_be_refused(struct story *story, const struct story_asked *asked, enum code code, const char *because)
{
	MUST(story, asked->is_answered && asked->code == code && strstr(asked->text, because));
}

static void must_be_used(struct story *story, struct id token, const char *text)
{
	story_show(story, view_uses, token);
	story_must_all_show(story, view_uses, token, text);
}

void tell_spent_elsewhere(void)
{
	struct story *story = begin(303, 3);
	const struct story_asked *first, *asked;
	struct id ann, desk, lobby;

	ann = user_create(story, AT(A), "ann")->id;
	desk = token_create(story, A, ann, "desk");
	lobby = token_create(story, A, ann, "lobby");
	story_at(story, 11000);
	story_note(story, "A made the tokens, so A alone spends them.");
	story_watch(story, view_uses, desk);
	first = token_use(story, (struct story_client){ .at = B, .key = "k1" }, ann, desk, "desk", "phone", "key 1");
	story_at(story, 12000);
	MUST(story, first->is_answered && !first->code);
	story_watch(story, NULL, desk);
	story_note(story, "The client did not hear it, and asks C.");
	asked = token_use(story, (struct story_client){ .at = C, .key = "k1" }, ann, desk, "desk", "phone", "key 1");
	story_at(story, 13000);
	must_be_done(story, asked, first->id);
	asked = token_use(story, (struct story_client){ .at = C, .key = "k1" }, ann, desk, "desk", "tablet", "key 2");
	story_at(story, 14000);
	must_be_refused(story, asked, E_TAKEN, "this key was used before");
	asked = token_use(story, (struct story_client){ .at = C, .key = "k2" }, ann, desk, "desk", "tablet", "key 2");
	story_at(story, 15000);
	must_be_refused(story, asked, E_TAKEN, "was used already");
	must_be_used(story, desk, "the token was used for \"phone\"");
	story_split(story, "A | B C");
	asked = token_use(story, (struct story_client){ .at = B, .key = "k3" }, ann, lobby, "lobby", "watch", "key 3");
	first = token_use(story, (struct story_client){ .at = A, .key = "k4" }, ann, lobby, "lobby", "tablet", "key 2");
	story_at(story, 20000);
	must_be_refused(story, asked, E_BUSY, "has not answered in time");
	must_be_refused(story, first, E_BUSY, "no other server has confirmed it yet");
	story_show(story, view_uses, lobby);
	story_heal(story);
	story_settle(story, 20);
	first = token_use(story, (struct story_client){ .at = A, .key = "k4" }, ann, lobby, "lobby", "tablet", "key 2");
	wait(story, 1000);
	MUST(story, first->is_answered && !first->code);
	asked = token_use(story, (struct story_client){ .at = B, .key = "k4" }, ann, lobby, "lobby", "tablet", "key 2");
	wait(story, 1000);
	must_be_done(story, asked, first->id);
	asked = token_use(story, (struct story_client){ .at = B, .key = "k3" }, ann, lobby, "lobby", "watch", "key 3");
	wait(story, 1000);
	must_be_refused(story, asked, E_TAKEN, "was used already");
	must_be_used(story, lobby, "the token was used for \"tablet\"");
	story_end(story);
}

/* What lies behind that line comes late. */
static void heal_slowly(struct story *story, uint32_t machine)
{
	for (uint32_t i = 0; i < story->world->options.machines; i++) {
		net_path(story->world->net, i, machine)->delay_ns = UINT64_C(500) * 1000000;
		net_path(story->world->net, machine, i)->delay_ns = UINT64_C(500) * 1000000;
	}
	story_say(story, "the line to %c is slow", 'A' + (int)machine);
	story_heal(story);
}

/* It may lease what was an evicted member's, and so it may spend. */
static void wait_until_heir(struct story *story, uint32_t machine)
{
	uint64_t ms = world_now(story->world) / 1000000, until = ms + 60000;

	while (!world_mesh(story->world, machine)->counts.inherited && ms < until)
		story_at(story, ++ms);
	MUST(story, world_mesh(story->world, machine)->counts.inherited);
}

void tell_heir_spends(void)
{
	struct story *story = begin(304, 4);
	const struct story_asked *first, *asked;
	struct id ann, desk, lobby, phone;

	ann = user_create(story, AT(B), "ann")->id;
	desk = token_create(story, B, ann, "desk");
	lobby = token_create(story, B, ann, "lobby");
	story_at(story, 11000);
	story_split(story, "A C | B D");
	first = token_use(story, (struct story_client){ .at = B, .key = "k1" }, ann, desk, "desk", "phone", "key 1");
	story_at(story, 12000);
	MUST(story, first->is_answered && !first->code);
	phone = first->id;
	users_import(story, B, 100);
	story_at(story, 15000);
	story_cut_power(story, B);
	story_note(story, "Of the phone D alone knows, and B will not come back.");
	story_at(story, 45000);
	asked = token_use(story, (struct story_client){ .at = C, .key = "k2" }, ann, desk, "desk", "laptop", "key 2");
	story_at(story, 48000);
	must_be_refused(story, asked, E_BUSY, "cannot be reached from here");
	node_evict_with_heir(story, A, B, C);
	story_at(story, 50000);
	asked = token_use(story, (struct story_client){ .at = C, .key = "k3" }, ann, desk, "desk", "laptop", "key 2");
	story_at(story, 51000);
	must_be_refused(story, asked, E_BUSY, "not all have told yet");
	asked = token_use(story, (struct story_client){ .at = A, .key = "k4" }, ann, lobby, "lobby", "tablet", "key 3");
	story_at(story, 53000);
	must_be_refused(story, asked, E_BUSY, "not all have told yet");
	heal_slowly(story, D);
	wait_until_heir(story, C);
	story_note(story, "C has B's addresses now, and its secrets, and knows what B has done.");
	asked = token_use(story, (struct story_client){ .at = C, .key = "k3" }, ann, desk, "desk", "laptop", "key 2");
	wait(story, 1000);
	must_be_refused(story, asked, E_TAKEN, "was used already");
	first = token_use(story, (struct story_client){ .at = A, .key = "k4" }, ann, lobby, "lobby", "tablet", "key 3");
	wait(story, 1000);
	MUST(story, first->is_answered && !first->code);
	asked = token_use(story, (struct story_client){ .at = D, .key = "k5" }, ann, lobby, "lobby", "watch", "key 4");
	wait(story, 1900);
	must_be_refused(story, asked, E_TAKEN, "was used already");
	story_note(story, "Whoever used it for the phone, and lost the answer, gets it of B's heir by the same key.");
	asked = token_use(story, (struct story_client){ .at = A, .key = "k1" }, ann, desk, "desk", "phone", "key 1");
	wait(story, 1000);
	must_be_done(story, asked, phone);
	must_be_used(story, desk, "the token was used for \"phone\"");
	must_be_used(story, lobby, "the token was used for \"tablet\"");
	story_end(story);
}
