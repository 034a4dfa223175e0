/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/ip.h"
#include "crdt/gossip/mesh.h"
#include "crdt/state/live.h"
#include "crdt/state/state.h"
#include "tests/sim/stories_disks.h"
#include "tests/sim/stories_operators.h"
#include "tests/sim/stories_people.h"
#include "tests/sim/stories_starts.h"

#include <stdlib.h>

/* The schedules of stories_schedules.c in which addresses are leased. */

static const struct id none = { { 0 } };

static struct story *begin(uint64_t seed, uint32_t machines, uint32_t members)
{
	struct story *story = story_new(seed, machines);

	story_found(story, members);
	story_tell_starts(story);
	return story;
}

static struct id pool_create(struct story *story, uint32_t at, const char *network)
{
	struct pool_row row = { .has = BIT(AT_pool_network4) | BIT(AT_pool_name), .name = bytes_text("office") };
	const struct story_asked *asked;
	struct change change;

	MUST(story, !network_parse(bytes_text(network), &row.network4, NULL));
	change = change_of(story, CHANGE_CREATE, KIND_TABLE(pool), none, &row);
	asked = story_ask(story, AT(at), &change, 1, "pool \"office\" is made: %s", network);
	MUST(story, !asked->code);
	story_name(story, asked->id, "\"office\"");
	return asked->id;
}

static const struct story_asked *lease(struct story *story, uint32_t at, struct id pool, struct id device,
				       const char *name)
{
	struct lease_row row = { .has = BIT(AT_lease_device) | BIT(AT_lease_pool), .device = device, .pool = pool };
	struct change change = change_of(story, CHANGE_CREATE, KIND_TABLE(lease), none, &row);

	return story_ask(story, AT(at), &change, 1, "device \"%s\" gets an address", name);
}

struct leased {
	struct address address;
	struct bytes name;
};

static int compare_leased(const void *a, const void *b)
{
	const struct leased *one = a, *other = b;

	return memcmp(&one->address, &other->address, sizeof one->address);
}

/* All that live, by address. */
static void view_leases(struct story *story, struct store_txn *txn, struct id pool, struct buf *out)
{
	struct state_cursor *cursor;
	struct leased all[64];
	uint32_t kind;
	struct id id;
	size_t count = 0;

	(void)pool;
	MUST(story, !state_all(txn, KIND_lease, bytes_of(NULL, 0), &cursor, NULL));
	while (!state_next(cursor, &kind, &id, NULL)) {
		struct device_row device;
		struct lease_row row;

		if (live_row(txn, KIND_TABLE(lease), id, &row, NULL))
			continue;
		MUST(story, count < COUNT(all) && !live_row(txn, KIND_TABLE(device), row.device, &device, NULL));
		all[count++] = (struct leased){ row.address, arena_copy(&story->arena, device.name) };
	}
	state_find_end(cursor);
	qsort(all, count, sizeof *all, compare_leased);
	for (size_t i = 0; i < count; i++) {
		char text[ADDRESS_TEXT_SIZE];

		address_format(&all[i].address, text);
		put_format(out, "%s\"%.*s\" %s", i ? ", " : "", (int)all[i].name.size, (const char *)all[i].name.data,
			   text);
	}
	if (!count)
		buf_put_text(out, "no address is leased");
}

void tell_no_heir_was_named(void)
{
	struct story *story = begin(112, 5, 3);
	const struct story_asked *asked;
	struct id ann, phone, laptop, pool;
	struct joining token;

	ann = user_create(story, AT(A), "ann")->id;
	phone = device_enrol(story, AT(A), ann, "phone", "key 1")->id;
	laptop = device_enrol(story, AT(A), ann, "laptop", "key 2")->id;
	story_at(story, 11000);
	token = token_make(story, B, 900);
	story_at(story, 12000);
	story_copy(story, B);
	story_split(story, "A B D | C E");
	story_join(story, D, &token, "the token");
	story_at(story, 15000);
	MUST(story, story_is_member(story, D));
	pool = pool_create(story, D, "10.0.0.0/24");
	MUST(story, !lease(story, D, pool, phone, "phone")->code);
	story_at(story, 16000);
	story_kill(story, B);
	story_put_back(story, B);
	story_split(story, "A D | B C E");
	story_boot(story, B);
	story_at(story, 20000);
	story_note(story, "Neither B's old disk nor C knows that the token was used.");
	story_join(story, E, &token, "the same token");
	story_at(story, 25000);
	MUST(story, story_is_member(story, E));
	story_heal(story);
	story_at(story, 70000);
	MUST(story, !story_is_member(story, D) && !story_is_member(story, E));
	story_note(story, "D is out, and no operator named its heir. B let it in, so all of the pool is B's now.");
	asked = lease(story, A, pool, laptop, "laptop");
	story_at(story, 75000);
	MUST(story, asked->is_answered && !asked->code);
	MUST(story, world_mesh(story->world, B)->counts.inherited == 2);
	story_show(story, view_leases, pool);
	story_end(story);
}

void tell_restored_owner(void)
{
	struct story *story = begin(113, 3, 3);
	char names[6][16], keys[6][16];
	struct id ann, pool, devices[6];

	ann = user_create(story, AT(A), "ann")->id;
	for (size_t i = 0; i < 6; i++) {
		snprintf(names[i], sizeof names[i], "phone-%zu", i + 1);
		snprintf(keys[i], sizeof keys[i], "key %zu", i + 1);
		devices[i] = device_enrol(story, AT(A), ann, names[i], keys[i])->id;
	}
	story_at(story, 11000);
	pool = pool_create(story, B, "10.0.0.0/24");
	story_at(story, 12000);
	story_copy(story, B);
	for (size_t i = 0; i < 3; i++)
		MUST(story, !lease(story, B, pool, devices[i], names[i])->code);
	story_at(story, 13000);
	story_kill(story, B);
	story_put_back(story, B);
	story_split(story, "A C | B");
	story_boot(story, B);
	MUST(story, lease(story, B, pool, devices[3], names[3])->code == E_BUSY);
	story_at(story, 35000);
	story_note(story, "B does not know of its leases, and nobody can tell it. It takes any of 253 addresses.");
	for (size_t i = 3; i < 6; i++)
		MUST(story, !lease(story, B, pool, devices[i], names[i])->code);
	story_show(story, view_leases, pool);
	story_heal(story);
	story_settle(story, 60);
	story_show(story, view_leases, pool);
	story_tell_operator(story);
	story_end(story);
}
