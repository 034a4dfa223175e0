/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/log.h"
#include "crdt/model/pack.h"
#include "crdt/state/state.h"
#include "tests/sim/world_inside.h"

#include <assert.h>
#include <stdio.h>

/* A gateway there, on the disk alone. */
static struct id put_gateway(struct store_txn *txn, uint32_t at, const char *region, struct arena *arena)
{
	struct gateway_row row = { .region = bytes_text(region) };
	struct record *record = arena_take(arena, sizeof *record);
	struct buf map = buf_over(arena_take(arena, MODEL_OP_MAX), MODEL_OP_MAX);
	char name[32];
	uint8_t room[8];
	struct buf nonce = buf_over(room, sizeof room);
	bool is_changed;
	struct id id;
	enum code code;

	snprintf(name, sizeof name, "gateway-%u", (unsigned)at);
	buf_put_big_endian(&nonce, at, sizeof room);
	row.name = bytes_text(name);
	row.nonce = buf_bytes(&nonce);
	row.has = BIT(AT_gateway_nonce) | BIT(AT_gateway_name) | (*region ? BIT(AT_gateway_region) : 0);
	pack_write(&KIND_TABLE(gateway)->shape, &row, &map);
	code = record_from_op(buf_bytes(&map), (struct stamp){ hlc_make(SIM_EPOCH_MS, 0), 1 }, record, NULL);
	assert(!code);
	id = record_id(KIND_gateway, record);
	code = state_merge(txn, NULL, KIND_gateway, id, record, arena, &is_changed, NULL);
	assert(!code);
	return id;
}

static void put_all(struct world *world, struct store_txn *txn, const char *const *regions)
{
	struct arena lasting = { 0 }, arena = { 0 };
	struct bytes all[3] = { world_cluster_statement(world, &lasting) };
	uint32_t count = 0;
	enum code code = log_put_statement(txn, count++, all[0], NULL);

	for (uint32_t i = 0; !code && i < world->options.machines; i++) {
		struct id gateway = put_gateway(txn, i, regions[i], &arena);

		world_admit_there(world, &world->machines[i], &world->machines[0], &gateway, all + 1, &arena);
		code = log_put_statement(txn, count++, all[1], NULL);
		if (!code)
			code = log_put_statement(txn, count++, all[2], NULL);
		arena_reset(&arena);
	}
	assert(!code);
	arena_done(&arena);
	arena_done(&lasting);
}

void world_found_large(struct world *world, const char *const *regions)
{
	struct machine *first = &world->machines[0];
	struct store_txn *txn;
	struct err err = { 0 };
	bool is_up = world_open_store(first, &err);
	enum code code = store_begin(first->store, &txn, &err);

	assert(is_up && !code);
	put_all(world, txn, regions);
	code = store_commit(txn, &err);
	assert(!code);
	store_close(first->store);
	for (uint32_t i = 0; i < world->options.machines; i++) {
		if (i)
			mem_disk_restore(world->machines[i].disk, first->disk);
	}
	for (uint32_t i = 0; i < world->options.machines; i++) {
		is_up = world_boot(world, i);
		assert(is_up);
	}
}
