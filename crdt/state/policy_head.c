/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/policy_head.h"

#include "crdt/model/pack.h"
#include "crdt/state/found.h"
#include "crdt/state/live.h"

static void add_replaced(const struct list *replaces, struct ids *replaced, struct arena *arena)
{
	struct reader items = reader_over(replaces->items);
	union slot item;

	while (pack_next(FIELD_TABLE(policy_version, replaces), &items, &item))
		ids_add(replaced, item.id, arena);
}

enum code policy_heads(struct store_txn *txn, struct id policy, struct arena *arena, struct id **ret_ids,
		       size_t *ret_count, struct err *err)
{
	struct ids versions, replaced = { 0 };
	size_t live = 0, heads = 0;
	enum code code = ids_find(txn, KIND_TABLE(policy_version), FIELD_TABLE(policy_version, policy), &policy, arena,
				  &versions, err);

	if (code)
		return code;
	for (size_t i = 0; i < versions.count; i++) {
		struct policy_version_row row;

		code = live_row(txn, KIND_TABLE(policy_version), versions.all[i], &row, err);
		if (is_gone(code))
			continue;
		if (code)
			return code;
		versions.all[live++] = versions.all[i];
		add_replaced(&row.replaces, &replaced, arena);
	}
	/* All of them are of this policy, so what one replaces elsewhere meets nothing here. */
	ids_sort(&replaced);
	for (size_t i = 0; i < live; i++)
		if (!ids_has(replaced.all, replaced.count, versions.all[i]))
			versions.all[heads++] = versions.all[i];
	*ret_ids = versions.all;
	*ret_count = heads;
	return OK;
}
