/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/text.h"
#include "crdt/model/pack.h"
#include "crdt/state/claim.h"
#include "crdt/state/found.h"
#include "crdt/state/limit.h"
#include "crdt/state/live.h"
#include "crdt/state/mark.h"
#include "crdt/state/policy_head.h"
#include "crdt/state/state.h"
#include "tests/sim/stories_people.h"

static void put_bytes_quoted(struct bytes text, struct buf *out)
{
	put_format(out, "\"%.*s\"", (int)text.size, (const char *)text.data);
}

void view_users(struct story *story, struct store_txn *txn, struct id none, struct buf *out)
{
	struct state_cursor *cursor;
	uint32_t kind;
	struct id id;
	struct bytes text;
	size_t count = 0;

	(void)none;
	MUST(story,
	     !state_find(txn, KIND_TABLE(user), FIELD_TABLE(user, login), NULL, bytes_of(NULL, 0), &cursor, NULL));
	while (!state_next(cursor, &kind, &id, NULL)) {
		MUST(story, !claim_text(txn, KIND_TABLE(user), id, &story->arena, &text, NULL));
		buf_put_text(out, count++ ? ", " : "");
		put_bytes_quoted(text, out);
	}
	state_find_end(cursor);
	if (!count)
		buf_put_text(out, "no user");
}

void view_login(struct story *story, struct store_txn *txn, struct id user, struct buf *out)
{
	struct user_row row;

	(void)story;
	if (live_row(txn, KIND_TABLE(user), user, &row, NULL))
		buf_put_text(out, "no such user");
	else
		put_bytes_quoted(row.login, out);
}

void view_user(struct story *story, struct store_txn *txn, struct id user, struct buf *out)
{
	struct user_row row;
	struct hold_row hold;
	struct id *ids;
	size_t count;

	if (live_row(txn, KIND_TABLE(user), user, &row, NULL)) {
		buf_put_text(out, "no such user");
		return;
	}
	put_bytes_quoted(row.login, out);
	MUST(story, !live_holds(txn, (struct ref){ KIND_user, user }, &story->arena, &ids, &count, NULL));
	buf_put_text(out, count ? " is off" : " is on");
	for (size_t i = 0; i < count; i++) {
		MUST(story, !state_row(txn, KIND_TABLE(hold), ids[i], &hold, NULL));
		put_format(out, "%s%.*s%s", i ? ", " : " (", (int)hold.reason.size, (const char *)hold.reason.data,
			   i + 1 == count ? ")" : "");
	}
}

void view_claim(struct story *story, struct store_txn *txn, struct id user, struct buf *out)
{
	struct bytes name, text;
	struct user_row row;
	struct id *ids, means;
	size_t count;

	MUST(story, !live_row(txn, KIND_TABLE(user), user, &row, NULL));
	name = row.login;
	put_bytes_quoted(name, out);
	if (!claim_resolve(txn, KIND_TABLE(user), name, &story->arena, &means, NULL)) {
		buf_put_text(out, " is one user");
		return;
	}
	MUST(story, !claim_holders(txn, KIND_TABLE(user), name, &story->arena, &ids, &count, NULL));
	buf_put_text(out, " is nobody, for it might be ");
	for (size_t i = 0; i < count; i++) {
		MUST(story, !claim_text(txn, KIND_TABLE(user), ids[i], &story->arena, &text, NULL));
		buf_put_text(out, i ? " or " : "");
		put_bytes_quoted(text, out);
	}
}

void view_password(struct story *story, struct store_txn *txn, struct id password, struct buf *out)
{
	struct password_row row;

	(void)story;
	if (live_row(txn, KIND_TABLE(password), password, &row, NULL))
		buf_put_text(out, "no password");
	else if (row.hash_guard.is_conflict)
		buf_put_text(out, "two passwords at once, so none lets anybody in");
	else
		put_bytes_quoted(row.hash, out);
}

/* Whether the plan of its owner has room for it. */
static bool is_within(struct story *story, struct store_txn *txn, struct id owner, struct id device)
{
	struct owned *owned;
	size_t count;
	uint64_t most;

	MUST(story, !limit_devices(txn, owner, &story->arena, &owned, &count, &most, NULL));
	for (size_t i = 0; i < count; i++)
		if (id_equal(owned[i].id, device))
			return owned[i].is_within;
	return false;
}

void view_device(struct story *story, struct store_txn *txn, struct id device, struct buf *out)
{
	struct device_row row;
	bool is_held;

	if (live_row(txn, KIND_TABLE(device), device, &row, NULL)) {
		buf_put_text(out, "no such device");
		return;
	}
	put_bytes_quoted(row.name, out);
	MUST(story, !live_is_held(txn, (struct ref){ KIND_user, row.owner }, &story->arena, &is_held, NULL));
	if (is_held)
		buf_put_text(out, " is off, as its user is");
	else if (!is_within(story, txn, row.owner, device))
		buf_put_text(out, " is off, as the plan has no room for it");
	else
		buf_put_text(out, " is on");
}

void view_key(struct story *story, struct store_txn *txn, struct id device, struct buf *out)
{
	bool is_revoked;

	view_device(story, txn, device, out);
	MUST(story, !mark_is_revoked(txn, story->key, &is_revoked, NULL));
	put_format(out, ", and its key is %s", is_revoked ? "revoked for good" : "not revoked");
}

void view_devices(struct story *story, struct store_txn *txn, struct id user, struct buf *out)
{
	struct owned *owned;
	size_t count;
	uint64_t most;

	MUST(story, !limit_devices(txn, user, &story->arena, &owned, &count, &most, NULL));
	for (size_t i = 0; i < count; i++) {
		buf_put_text(out, i ? "; " : "");
		view_device(story, txn, owned[i].id, out);
	}
	if (!count)
		buf_put_text(out, "no device");
}

/* Whether one version of a policy lets packets to a network pass: the first rule that matches decides. */
static bool passes(struct story *story, const struct policy_version_row *version, const struct network *to)
{
	const struct field *rules = FIELD_TABLE(policy_version, rules),
			   *networks = &model_parts[PART_rule].fields[AT_rule_to];
	struct reader items = reader_over(version->rules.items), those;
	struct rule_row rule;
	union slot slot;

	while (pack_next(rules, &items, &slot)) {
		MUST(story, !pack_read(&model_parts[PART_rule], slot.bytes, true, &rule, NULL));
		those = reader_over(rule.to.items);
		while (pack_next(networks, &those, &slot))
			if (!memcmp(&slot.network, to, sizeof *to))
				return rule.verdict == VERDICT_ALLOW;
	}
	return false;
}

void view_policy(struct story *story, struct store_txn *txn, struct id policy, struct buf *out)
{
	static const char *const networks[] = { "10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16" };
	struct policy_version_row row;
	struct network network;
	struct id *heads;
	size_t count, passed = 0;

	MUST(story, !policy_heads(txn, policy, &story->arena, &heads, &count, NULL));
	buf_put_text(out, count == 1 ? "1 version holds, and lets pass what goes to" : "");
	if (count != 1)
		put_format(out, "%zu versions hold, and let pass what goes to", count);
	for (size_t i = 0; i < COUNT(networks); i++) {
		bool is_passed = count;

		MUST(story, !network_parse(bytes_text(networks[i]), &network, NULL));
		for (size_t j = 0; j < count; j++) {
			MUST(story, !state_row(txn, KIND_TABLE(policy_version), heads[j], &row, NULL));
			is_passed &= passes(story, &row, &network);
		}
		if (is_passed)
			put_format(out, "%s %s", passed++ ? " and" : "", networks[i]);
	}
	if (!passed)
		buf_put_text(out, " nowhere");
}

void view_arrival(struct story *story, struct store_txn *txn, struct id device, struct buf *out)
{
	struct device_row row;
	struct bytes record;
	bool is_revoked;

	MUST(story, !mark_is_revoked(txn, story->key, &is_revoked, NULL));
	if (is_revoked)
		buf_put_text(out, "the device was revoked, and so its key is for good");
	else if (!live_row(txn, KIND_TABLE(device), device, &row, NULL))
		buf_put_text(out, "the device is on");
	else if (state_record(txn, KIND_device, device, &record, NULL))
		buf_put_text(out, "nothing of the device");
	else
		buf_put_text(out, "a device that it never heard of was revoked");
}

void view_mark(struct story *story, struct store_txn *txn, struct id policy, struct buf *out)
{
	struct policy_row row;
	struct bytes record;
	enum code code = state_record(txn, KIND_policy, policy, &record, NULL);

	MUST(story, !code || code == E_ABSENT);
	if (code)
		buf_put_text(out, "nothing of the policy");
	else if (live_row(txn, KIND_TABLE(policy), policy, &row, NULL))
		buf_put_text(out, "the mark of a policy that was removed");
	else
		buf_put_text(out, "the policy");
}
