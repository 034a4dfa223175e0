/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cluster.h"

#include "crdt/gossip/session.h"
#include "crdt/model/pack.h"
#include "tests/sim/regions.h"

#include <stdio.h>
#include <stdlib.h>

enum { RECORD_SIZE = 300, SEED = 7 };

struct cluster_frames cluster_frames;

/* Every frame goes through here, as the linker is told. */
void __real_session_send(struct session *session, struct bytes frame, struct buf *out);
void __wrap_session_send(struct session *session, struct bytes frame, struct buf *out);

void __wrap_session_send(struct session *session, struct bytes frame, struct buf *out)
{
	if (frame.size && frame.data[0] < FRAME_KINDS) {
		cluster_frames.bytes[frame.data[0]] += frame.size + SESSION_OVERHEAD;
		cluster_frames.count[frame.data[0]]++;
	}
	__real_session_send(session, frame, out);
}

void cluster_run(struct world *world, uint64_t ns)
{
	world_run(world, world_now(world) + ns);
}

static _Noreturn void give_up(const char *why)
{
	fprintf(stderr, "bench: %s\n", why);
	exit(1);
}

void cluster_settle(struct world *world)
{
	for (size_t tries = 0; !world_is_settled(world); tries++) {
		if (tries == 600)
			give_up("the cluster did not come to rest within a minute");
		cluster_run(world, CLUSTER_SECOND / 10);
	}
}

struct world *cluster_new(struct world_options options, bool is_in_regions)
{
	struct world *world;

	options.seed = SEED;
	world = world_new(&options);
	if (is_in_regions)
		regions_place(world->net, options.machines, NULL);
	return world;
}

void cluster_start(struct world *world)
{
	world_found_all(world, world->options.machines);
	cluster_run(world, 20 * CLUSTER_SECOND);
	cluster_settle(world);
}

/* A setting whose packed fields take RECORD_SIZE bytes. */
static void put_setting(uint64_t number, struct buf *ret_map)
{
	struct setting_row row = { .has = BIT(AT_setting_name) | BIT(AT_setting_value) };
	char name[16], value[RECORD_SIZE];

	snprintf(name, sizeof name, "s%08llu", (unsigned long long)number);
	memset(value, 'v', sizeof value);
	row.name = bytes_text(name);
	row.value = bytes_of(value, 1);
	pack_write(&KIND_TABLE(setting)->shape, &row, ret_map);
	/* A longer text needs two more bytes for its size. */
	row.value.size += RECORD_SIZE - ret_map->size - 2;
	buf_clear(ret_map);
	pack_write(&KIND_TABLE(setting)->shape, &row, ret_map);
}

void cluster_write(struct world *world, uint32_t machine)
{
	struct asker asker = { .writes = BY_OWNER };
	struct change change = { .what = CHANGE_CREATE, .kind = KIND_setting };
	uint8_t room[RECORD_SIZE + 64];
	struct buf map = buf_over(room, sizeof room);

	put_setting(world->requests, &map);
	change.map = buf_bytes(&map);
	if (!world_write(world, machine, &asker, &change, 1, 0, bytes_of(NULL, 0)))
		give_up("a member is down");
}

uint64_t cluster_bytes_sent(const struct world *world)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < world->options.machines; i++)
		bytes += net_traffic(world->net, i).bytes_sent;
	return bytes;
}
