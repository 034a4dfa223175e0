/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/stories_people.h"

#include "crdt/base/text.h"
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "crdt/state/live.h"

static const struct id none = { { 0 } };

/* What the story calls a record. */
static const char *called(const struct story *story, struct id id)
{
	for (size_t i = 0; i < story->names_count; i++)
		if (id_equal(story->names[i].id, id))
			return story->names[i].text;
	return "?";
}

static const struct story_asked *name_it(struct story *story, const struct story_asked *asked, const char *text)
{
	char quoted[64];

	snprintf(quoted, sizeof quoted, "\"%s\"", text);
	if (asked->is_answered && !asked->code)
		story_name(story, asked->id, quoted);
	return asked;
}

const struct story_asked *user_create(struct story *story, struct story_client client, const char *login)
{
	struct user_row row = { .has = BIT(AT_user_login), .login = bytes_text(login) };
	struct change change = change_of(story, CHANGE_CREATE, KIND_TABLE(user), none, &row);

	return name_it(story, story_ask(story, client, &change, 1, "user \"%s\" is created", login), login);
}

void users_import(struct story *story, uint32_t at, uint32_t count)
{
	struct asker asker = { .writes = BY_OWNER };
	struct user_row row = { .has = BIT(AT_user_login) | BIT(AT_user_note) };
	char note[4000], login[16];

	memset(note, 'x', sizeof note);
	row.note = bytes_of(note, sizeof note);
	for (uint32_t i = 0; i < count; i++) {
		struct change change;

		snprintf(login, sizeof login, "user-%" PRIu32, i);
		row.login = bytes_text(login);
		change = change_of(story, CHANGE_CREATE, KIND_TABLE(user), none, &row);
		world_write(story->world, at, &asker, &change, 1, 0, bytes_of(NULL, 0));
		MUST(story, !story->asks[story->world->requests].code);
	}
	story_say(story, "at %c: %" PRIu32 " users with long notes are imported -> done", 'A' + (int)at, count);
}

const struct story_asked *user_rename(struct story *story, struct story_client client, struct id user,
				      const char *login)
{
	struct user_row row = { .has = BIT(AT_user_login), .login = bytes_text(login) };
	struct change change = change_of(story, CHANGE_SET, KIND_TABLE(user), user, &row);

	return story_ask(story, client, &change, 1, "user %s is renamed \"%s\"", called(story, user), login);
}

const struct story_asked *user_hold(struct story *story, struct story_client client, struct id user, const char *reason)
{
	struct hold_row row = { .has = BIT(AT_hold_subject) | BIT(AT_hold_reason),
				.subject = { KIND_user, user },
				.reason = bytes_text(reason) };
	struct change change = change_of(story, CHANGE_CREATE, KIND_TABLE(hold), none, &row);

	return story_ask(story, client, &change, 1, "user %s is disabled (%s)", called(story, user), reason);
}

const struct story_asked *user_free(struct story *story, struct story_client client, struct id user)
{
	struct change changes[8];
	struct store_txn *txn;
	struct id *ids;
	size_t count;

	MUST(story, !store_snapshot(story->world->machines[client.at].store, &txn, NULL));
	MUST(story, !live_holds(txn, (struct ref){ KIND_user, user }, &story->arena, &ids, &count, NULL));
	store_end(txn);
	MUST(story, count && count <= COUNT(changes));
	for (size_t i = 0; i < count; i++)
		changes[i] = change_of(story, CHANGE_REMOVE, KIND_TABLE(hold), ids[i], NULL);
	return story_ask(story, client, changes, count, "user %s is enabled", called(story, user));
}

/* In place of a hash the password itself: nobody here signs in in earnest. */
static struct password_row password_row(struct id user, const char *text)
{
	return (struct password_row){ .user = user, .hash = bytes_text(text), .hash_guard = { .generation = 1 } };
}

const struct story_asked *user_create_with(struct story *story, struct story_client client, const char *login,
					   const char *password)
{
	struct user_row user = { .has = BIT(AT_user_login), .login = bytes_text(login) };
	struct password_row row = password_row(judge_made(0), password);
	struct change changes[2];

	row.has = BIT(AT_password_user) | BIT(AT_password_hash);
	changes[0] = change_of(story, CHANGE_CREATE, KIND_TABLE(user), none, &user);
	changes[1] = change_of(story, CHANGE_CREATE, KIND_TABLE(password), none, &row);
	return name_it(story,
		       story_ask(story, client, changes, 2, "user \"%s\" is created with the password \"%s\"", login,
				 password),
		       login);
}

const struct story_asked *password_change(struct story *story, struct story_client client, struct id password,
					  const char *text)
{
	struct password_row row = password_row(none, text);
	struct change change;

	row.has = BIT(AT_password_hash);
	change = change_of(story, CHANGE_SET, KIND_TABLE(password), password, &row);
	return story_ask(story, client, &change, 1, "the password becomes \"%s\"", text);
}

struct key32 key_of(const char *text)
{
	struct key32 key = { { 0 } };

	memcpy(key.bytes, text, strlen(text));
	return key;
}

const struct story_asked *device_enrol(struct story *story, struct story_client client, struct id user,
				       const char *name, const char *key)
{
	struct device_row row = { .has = BIT(AT_device_public_key) | BIT(AT_device_owner) | BIT(AT_device_name),
				  .public_key = key_of(key),
				  .owner = user,
				  .name = bytes_text(name) };
	struct change change = change_of(story, CHANGE_CREATE, KIND_TABLE(device), none, &row);

	return name_it(story,
		       story_ask(story, client, &change, 1, "device \"%s\" of user %s is enrolled with the key \"%s\"",
				 name, called(story, user), key),
		       name);
}

const struct story_asked *device_revoke(struct story *story, struct story_client client, struct id device)
{
	struct change change = change_of(story, CHANGE_REMOVE, KIND_TABLE(device), device, NULL);

	return story_ask(story, client, &change, 1, "device %s is revoked", called(story, device));
}

const struct story_asked *plan_create(struct story *story, struct story_client client, const char *name,
				      uint64_t devices)
{
	struct plan_row row = { .has = BIT(AT_plan_name) | BIT(AT_plan_devices),
				.name = bytes_text(name),
				.devices = devices };
	struct change change = change_of(story, CHANGE_CREATE, KIND_TABLE(plan), none, &row);

	return name_it(story,
		       story_ask(story, client, &change, 1, "plan \"%s\" is made: %" PRIu64 " devices for each user",
				 name, devices),
		       name);
}

const struct story_asked *plan_change(struct story *story, struct story_client client, struct id plan, uint64_t devices)
{
	struct plan_row row = { .has = BIT(AT_plan_devices), .devices = devices };
	struct change change = change_of(story, CHANGE_SET, KIND_TABLE(plan), plan, &row);

	return story_ask(story, client, &change, 1, "plan %s now allows %" PRIu64 " devices", called(story, plan),
			 devices);
}

const struct story_asked *user_plan(struct story *story, struct story_client client, struct id user, struct id plan)
{
	struct user_row row = { .has = BIT(AT_user_plan), .plan = plan };
	struct change change = change_of(story, CHANGE_SET, KIND_TABLE(user), user, &row);

	return story_ask(story, client, &change, 1, "user %s gets the plan %s", called(story, user),
			 called(story, plan));
}

const struct story_asked *policy_create(struct story *story, struct story_client client, const char *name)
{
	struct policy_row row = { .has = BIT(AT_policy_name), .name = bytes_text(name) };
	struct change change = change_of(story, CHANGE_CREATE, KIND_TABLE(policy), none, &row);

	return name_it(story, story_ask(story, client, &change, 1, "policy \"%s\" is made", name), name);
}

const struct story_asked *policy_remove(struct story *story, struct story_client client, struct id policy)
{
	struct change change = change_of(story, CHANGE_REMOVE, KIND_TABLE(policy), policy, NULL);

	return story_ask(story, client, &change, 1, "policy %s is removed", called(story, policy));
}

static void put_rule(struct story *story, const char *text, struct buf *out)
{
	struct rule_row row = { .has = BIT(AT_rule_verdict) | BIT(AT_rule_to), .verdict = VERDICT_ALLOW };
	struct network network;
	uint8_t room[64];
	struct buf to = buf_over(room, sizeof room);

	MUST(story, !network_parse(bytes_text(text), &network, NULL));
	pack_write_slot(&model_parts[PART_rule].fields[AT_rule_to], &network, &to);
	row.to = (struct list){ buf_bytes(&to), 1 };
	pack_write(&model_parts[PART_rule], &row, out);
}

const struct story_asked *policy_save(struct story *story, struct story_client client, struct id policy,
				      const char *first, const char *second)
{
	struct policy_version_row row = { .has = BIT(AT_policy_version_policy) | BIT(AT_policy_version_rules),
					  .policy = policy };
	uint8_t room[256];
	struct buf rules = buf_over(room, sizeof room);
	struct change change;

	put_rule(story, first, &rules);
	if (second)
		put_rule(story, second, &rules);
	row.rules = (struct list){ buf_bytes(&rules), second ? 2 : 1 };
	change = change_of(story, CHANGE_CREATE, KIND_TABLE(policy_version), none, &row);
	return story_ask(story, client, &change, 1, "policy %s is saved: it allows %s%s%s", called(story, policy),
			 first, second ? " and " : " alone", second ? second : "");
}
