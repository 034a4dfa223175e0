/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/block_lease.h"
#include "crdt/state/found.h"
#include "crdt/state/live.h"

static bool networks_overlap(const struct network *a, const struct network *b)
{
	unsigned bits = a->prefix < b->prefix ? a->prefix : b->prefix;

	if (a->address.size != b->address.size || memcmp(a->address.bytes, b->address.bytes, bits / 8))
		return false;
	return !(bits % 8) || !((a->address.bytes[bits / 8] ^ b->address.bytes[bits / 8]) >> (8 - bits % 8));
}

bool pools_overlap(const struct pool_row *a, const struct pool_row *b)
{
	uint64_t both = a->has & b->has;

	return (both & BIT(AT_pool_network4) && networks_overlap(&a->network4, &b->network4)) ||
	       (both & BIT(AT_pool_network6) && networks_overlap(&a->network6, &b->network6));
}

/* The gateways, or the pools, that live interfaces tie to one of the other. */
static enum code find_tied(struct store_txn *txn, size_t by, struct id id, size_t to, struct arena *arena,
			   struct ids *ids, struct err *err)
{
	const struct kind *kind = KIND_TABLE(interface);
	const struct field *fields = kind->shape.fields;
	struct interface_row row;
	struct ids ties;
	enum code code = ids_find(txn, kind, &fields[by], &id, arena, &ties, err);

	for (size_t i = 0; !code && i < ties.count; i++) {
		code = live_row(txn, kind, ties.all[i], &row, err);
		if (!code)
			ids_add(ids, *(const struct id *)field_slot_const(&fields[to], &row), arena);
		code = is_gone(code) ? OK : code;
	}
	return code;
}

/* All pools on a gateway, its own among them. */
static enum code find_pools(struct store_txn *txn, struct id gateway, struct arena *arena, struct ids *ids,
			    struct err *err)
{
	enum code code = ids_find(txn, KIND_TABLE(pool), FIELD_TABLE(pool, gateway), &gateway, arena, ids, err);

	return code ? code : find_tied(txn, AT_interface_gateway, gateway, AT_interface_pool, arena, ids, err);
}

enum code pool_stands(struct store_txn *txn, struct id pool, struct arena *arena, bool *ret_stands,
		      struct id *ret_other, struct err *err)
{
	const struct kind *kind = KIND_TABLE(pool);
	struct pool_row row, other;
	struct ids gateways = { 0 }, pools = { 0 };
	bool stands = true;
	enum code code = live_row(txn, kind, pool, &row, err);

	if (code)
		return code;
	if (row.has & BIT(AT_pool_gateway))
		ids_add(&gateways, row.gateway, arena);
	code = find_tied(txn, AT_interface_pool, pool, AT_interface_gateway, arena, &gateways, err);
	for (size_t g = 0; !code && stands && g < gateways.count; g++) {
		code = find_pools(txn, gateways.all[g], arena, &pools, err);
		for (size_t i = 0; !code && stands && i < pools.count; i++) {
			if (memcmp(pools.all[i].bytes, pool.bytes, sizeof pool.bytes) >= 0)
				continue;
			code = live_row(txn, kind, pools.all[i], &other, err);
			stands = code || !pools_overlap(&row, &other);
			if (!stands)
				*ret_other = pools.all[i];
			code = is_gone(code) ? OK : code;
		}
	}
	if (!code)
		*ret_stands = stands;
	return code;
}
