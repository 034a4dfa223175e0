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
