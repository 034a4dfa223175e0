/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/sources.h"

void sources_add(struct sources *sources, uint64_t node)
{
	size_t at = sources->count;

	if (sources_have(sources, node))
		return;
	if (!node || sources->count == SOURCES_MAX) {
		*sources = (struct sources){ .count = 1, .is_first = sources->is_first };
		return;
	}
	for (; at && sources->all[at - 1] > node; at--)
		sources->all[at] = sources->all[at - 1];
	sources->all[at] = node;
	sources->count++;
}

bool sources_have(const struct sources *sources, uint64_t node)
{
	for (size_t i = 0; i < sources->count; i++)
		if (sources->all[i] == node || !sources->all[i])
			return true;
	return false;
}

bool sources_meet(const struct sources *a, const struct sources *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (sources_have(b, a->all[i]) || (!a->all[i] && b->count))
			return true;
	return false;
}

bool sources_are_many(const struct sources *sources)
{
	return sources->count > 1 || (sources->count && !sources->all[0]);
}
