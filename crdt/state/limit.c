/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/limit.h"

#include "crdt/state/found.h"
#include "crdt/state/live.h"

#include <stdlib.h>

static enum code read_most(struct store_txn *txn, struct id user, uint64_t *ret_most, struct err *err)
{
	struct user_row row;
	struct plan_row plan = { .has = 0 };
	enum code code = live_row(txn, KIND_TABLE(user), user, &row, err);

	if (!code && row.has & BIT(AT_user_plan))
		code = live_row(txn, KIND_TABLE(plan), row.plan, &plan, err);
	if (code && !is_gone(code))
		return code;
	*ret_most = !code && plan.has & BIT(AT_plan_devices) ? plan.devices : UINT64_MAX;
	return OK;
}

static int compare(const void *a, const void *b)
{
	const struct owned *one = a, *other = b;

	if (one->ordinal != other->ordinal)
		return one->ordinal > other->ordinal ? 1 : -1;
	return memcmp(one->id.bytes, other->id.bytes, sizeof one->id.bytes);
}

enum code limit_devices(struct store_txn *txn, struct id user, struct arena *arena, struct owned **ret_owned,
			size_t *ret_count, uint64_t *ret_most, struct err *err)
{
	struct owned *owned;
	struct ids ids;
	uint64_t most;
	size_t count = 0;
	enum code code = read_most(txn, user, &most, err);

	if (!code)
		code = ids_find(txn, KIND_TABLE(device), FIELD_TABLE(device, owner), &user, arena, &ids, err);
	if (code)
		return code;
	owned = arena_take(arena, ids.count * sizeof *owned);
	for (size_t i = 0; i < ids.count; i++) {
		struct device_row row;

		code = live_row(txn, KIND_TABLE(device), ids.all[i], &row, err);
		if (is_gone(code))
			continue;
		if (code)
			return code;
		owned[count++] = (struct owned){ .id = row.id, .ordinal = row.ordinal };
	}
	if (count)
		qsort(owned, count, sizeof *owned, compare);
	for (size_t i = 0; i < count; i++)
		owned[i].is_within = i < most;
	*ret_owned = owned;
	*ret_count = count;
	*ret_most = most;
	return OK;
}

uint64_t limit_next_ordinal(const struct owned *owned, size_t count)
{
	uint64_t ceiling = FIELD_TABLE(device, ordinal)->max, largest = 0;

	for (size_t i = 0; i < count; i++)
		if (owned[i].ordinal > largest)
			largest = owned[i].ordinal;
	return largest < ceiling ? largest + 1 : ceiling;
}
