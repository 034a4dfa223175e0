/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/ip.h"
#include "crdt/gossip/mesh.h"
#include "crdt/state/block.h"
#include "crdt/state/live.h"
#include "crdt/state/state.h"
#include "tests/sim/stories_disks.h"
#include "tests/sim/stories_operators.h"
#include "tests/sim/stories_people.h"
#include "tests/sim/stories_starts.h"

#include <stdlib.h>

/* How addresses are leased and given away; also those schedules of stories_schedules.c that are about them. */

static const struct id none = { { 0 } };

static struct story *begin(uint64_t seed, uint32_t machines, uint32_t members)
{
	struct story *story = story_new(seed, machines);

	story_found(story, members);
	story_tell_starts(story);
	return story;
}

static struct id pool_make(struct story *story, uint32_t at, const char *network, const struct id *gateway)
{
	struct pool_row row = { .has = BIT(AT_pool_network4) | BIT(AT_pool_name), .name = bytes_text("office") };
	const struct story_asked *asked;
	struct change change;

	MUST(story, !network_parse(bytes_text(network), &row.network4, NULL));
	if (gateway) {
		row.gateway = *gateway;
		row.has |= BIT(AT_pool_gateway);
	}
	change = change_of(story, CHANGE_CREATE, KIND_TABLE(pool), none, &row);
	asked = story_ask(story, AT(at), &change, 1, "pool \"office\" is made%s: %s",
			  gateway ? " for the gateway alone" : "", network);
	MUST(story, !asked->code);
	story_name(story, asked->id, "\"office\"");
	return asked->id;
}

static struct id pool_create(struct story *story, uint32_t at, const char *network)
{
	return pool_make(story, at, network, NULL);
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

/* A device and its lease are one request. */
static const struct story_asked *enrol(struct story *story, uint32_t at, struct id pool, struct id user,
				       const char *name, const char *key)
{
	struct device_row device = { .has = BIT(AT_device_public_key) | BIT(AT_device_owner) | BIT(AT_device_name),
				     .public_key = key_of(key),
				     .owner = user,
				     .name = bytes_text(name) };
	struct lease_row row = { .has = BIT(AT_lease_device) | BIT(AT_lease_pool),
				 .device = judge_made(0),
				 .pool = pool };
	struct change changes[] = { change_of(story, CHANGE_CREATE, KIND_TABLE(device), none, &device),
				    change_of(story, CHANGE_CREATE, KIND_TABLE(lease), none, &row) };

	return story_ask(story, AT(at), changes, 2, "device \"%s\" is enrolled, with an address", name);
}

/* So much later it is known what came of it. */
static struct id enrolled(struct story *story, const struct story_asked *asked, const char *name)
{
	char quoted[32];

	story_at(story, world_now(story->world) / 1000000 + 1500);
	MUST(story, asked->is_answered && !asked->code);
	snprintf(quoted, sizeof quoted, "\"%s\"", name);
	story_name(story, asked->id, quoted);
	return asked->id;
}

/* Which server leases which addresses of a pool. */
static void view_owners(struct story *story, struct store_txn *txn, struct id pool, struct buf *out)
{
	struct block_map map;
	struct pool_row row;

	if (live_row(txn, KIND_TABLE(pool), pool, &row, NULL)) {
		buf_put_text(out, "no such pool");
		return;
	}
	MUST(story, !block_map(txn, world_mesh(story->world, A)->t0.members, &row, &story->arena, &map, NULL));
	for (size_t i = 0, next; i < map.count; i = next) {
		uint64_t owner = map.all[i].line->owner;
		struct address from = block_address(map.all[i].first), to;
		char text[ADDRESS_TEXT_SIZE];

		for (next = i + 1; next < map.count && map.all[next].line->owner == owner;)
			next++;
		to = block_address(map.all[next - 1].last);
		address_format(&from, text);
		put_format(out, "%s%s", i ? ", " : "", text);
		address_format(&to, text);
		if (memcmp(&from, &to, sizeof from))
			put_format(out, " to %s", text);
		if (owner)
			put_format(out, " is %016" PRIx64 "'s", owner);
		else
			buf_put_text(out, " is nobody's");
	}
}

/* Many devices in one request; the name of each ends with its number. */
static const struct story_asked *enrol_many(struct story *story, uint32_t at, struct id pool, struct id user,
					    const char *name, size_t count)
{
	struct change changes[2 * 16];
	char names[16][16];

	MUST(story, count <= COUNT(names));
	for (size_t i = 0; i < count; i++) {
		struct device_row device = {
			.has = BIT(AT_device_public_key) | BIT(AT_device_owner) | BIT(AT_device_name), .owner = user
		};
		struct lease_row row = { .has = BIT(AT_lease_device) | BIT(AT_lease_pool),
					 .device = judge_made(2 * i),
					 .pool = pool };

		snprintf(names[i], sizeof names[i], "%s-%u", name, (unsigned)(uint16_t)(i + 1));
		device.public_key = key_of(names[i]);
		device.name = bytes_text(names[i]);
		changes[2 * i] = change_of(story, CHANGE_CREATE, KIND_TABLE(device), none, &device);
		changes[2 * i + 1] = change_of(story, CHANGE_CREATE, KIND_TABLE(lease), none, &row);
	}
	return story_ask(story, AT(at), changes, 2 * count, "%zu devices \"%s-…\" are enrolled, with an address each",
			 count, name);
}

/* One request is one entry: with a revocation in it all of it is urgent. */
static void revoke_and_lease(struct story *story, uint32_t at, struct id revoked, struct id pool, struct id device)
{
	struct lease_row row = { .has = BIT(AT_lease_device) | BIT(AT_lease_pool), .device = device, .pool = pool };
	struct change changes[] = { change_of(story, CHANGE_REMOVE, KIND_TABLE(device), revoked, NULL),
				    change_of(story, CHANGE_CREATE, KIND_TABLE(lease), none, &row) };

	MUST(story, !story_ask(story, AT(at), changes, 2, "device \"phone\" is revoked, and \"laptop\" gets an address")
			     ->code);
}

void tell_transfer_overtakes(void)
{
	struct story *story = begin(111, 3, 3);
	struct id ann, phone, laptop, pool;
	const struct story_asked *asked;

	ann = user_create(story, AT(A), "ann")->id;
	phone = device_enrol(story, AT(A), ann, "phone", "key 1")->id;
	laptop = device_enrol(story, AT(A), ann, "laptop", "key 2")->id;
	pool = pool_create(story, A, "10.0.0.0/28");
	MUST(story, !lease(story, A, pool, phone, "phone")->code);
	story_at(story, 12000);
	story_say(story, "B's disk is full");
	mem_disk_full_at(story->world->machines[B].disk, 1);
	revoke_and_lease(story, A, phone, pool, laptop);
	story_at(story, 12100);
	story_say(story, "B has room again");
	mem_disk_full_at(story->world->machines[B].disk, 0);
	story_note(story,
		   "What has a revocation in it is urgent, and so is the laptop's lease. B has lost it, and what "
		   "is not urgent does not wait for that.");
	asked = enrol_many(story, B, pool, ann, "tablet", 11);
	story_at(story, 12800);
	MUST(story, asked->is_answered && !asked->code);
	story_show_streams(story, A);
	story_show(story, view_owners, pool);
	story_show(story, view_leases, pool);
	asked = enrol(story, B, pool, ann, "camera", "key 3");
	story_at(story, 13000);
	MUST(story, asked->is_answered && asked->code == E_DRY);
	story_note(story,
		   "B knows nothing of the laptop. It cannot lease its address again, for a lease is in no range "
		   "that A gives, and neither is the mark of one that ended.");
	story_settle(story, 30);
	story_show(story, view_owners, pool);
	story_show(story, view_leases, pool);
	story_tell_operator(story);
	story_must_all_show(story, view_conflicts, none, "there is nothing to decide");
	MUST(story, world_mesh(story->world, A)->counts.ended == 1 && !world_mesh(story->world, B)->counts.ended);
	story_end(story);
}

void tell_last_address(void)
{
	enum { ADDRESSES = 13 };
	struct story *story = begin(301, 5, 5);
	const struct story_asked *asked;
	struct id ann, pool, devices[ADDRESSES];
	char name[16], key[16];

	ann = user_create(story, AT(A), "ann")->id;
	pool = pool_create(story, A, "10.0.0.0/28");
	story_at(story, 11000);
	for (uint32_t i = 0; i < ADDRESSES; i++) {
		snprintf(name, sizeof name, "phone-%" PRIu32, i + 1);
		snprintf(key, sizeof key, "key %" PRIu32, i + 1);
		asked = enrol(story, i % STORY_MACHINES, pool, ann, name, key);
		devices[i] = enrolled(story, asked, name);
	}
	story_show(story, view_owners, pool);
	story_show(story, view_leases, pool);
	asked = enrol(story, B, pool, ann, "laptop", "key 14");
	story_at(story, 33000);
	MUST(story, asked->is_answered && asked->code == E_DRY && strstr(asked->text, "further pool"));
	story_cut_power(story, E);
	story_at(story, 36000);
	device_revoke(story, AT(C), devices[2]);
	story_at(story, 50000);
	story_note(story, "E may have what would bring the lease back, so its address is free once E has heard of it.");
	asked = enrol(story, B, pool, ann, "laptop", "key 14");
	story_at(story, 53000);
	MUST(story, asked->is_answered && asked->code == E_DRY && strstr(asked->text, "held up by"));
	story_boot(story, E);
	story_at(story, 100000);
	asked = enrol(story, B, pool, ann, "laptop", "key 14");
	enrolled(story, asked, "laptop");
	story_settle(story, 10);
	story_show(story, view_leases, pool);
	story_tell_operator(story);
	story_must_all_show(story, view_conflicts, none, "there is nothing to decide");
	story_end(story);
}

static struct id gateway_create(struct story *story, uint32_t at, const char *name)
{
	struct gateway_row row = { .has = BIT(AT_gateway_name), .name = bytes_text(name) };
	struct change change = change_of(story, CHANGE_CREATE, KIND_TABLE(gateway), none, &row);
	const struct story_asked *asked = story_ask(story, AT(at), &change, 1, "gateway \"%s\" is made", name);

	MUST(story, !asked->code);
	story_name(story, asked->id, "\"fra-1\"");
	return asked->id;
}

void tell_pool_follows(void)
{
	struct story *story = begin(302, 4, 2);
	const struct story_asked *asked;
	struct id ann, gateway, pool;
	struct joining token;

	ann = user_create(story, AT(A), "ann")->id;
	gateway = gateway_create(story, A, "fra-1");
	pool = pool_make(story, A, "10.0.0.0/28", &gateway);
	story_show(story, view_owners, pool);
	asked = enrol(story, A, pool, ann, "phone", "key 1");
	story_at(story, 13000);
	MUST(story, asked->is_answered && asked->code == E_DRY && strstr(asked->text, "join for the pool's gateway"));
	token = token_make_for(story, A, gateway, "fra-1");
	story_join(story, C, &token, "the token");
	story_at(story, 20000);
	MUST(story, story_is_member(story, C));
	story_show(story, view_owners, pool);
	enrolled(story, enrol(story, C, pool, ann, "phone", "key 1"), "phone");
	enrolled(story, enrol(story, A, pool, ann, "laptop", "key 2"), "laptop");
	story_show(story, view_owners, pool);
	story_cut_power(story, C);
	story_note(story, "C's machine burned down. Until another one is that gateway its heir leases what was C's.");
	story_at(story, 30000);
	node_evict_with_heir(story, A, C, B);
	story_at(story, 40000);
	story_show(story, view_owners, pool);
	enrolled(story, enrol(story, B, pool, ann, "tablet", "key 3"), "tablet");
	token = token_make_for(story, A, gateway, "fra-1");
	story_join(story, D, &token, "the token");
	story_at(story, 55000);
	MUST(story, story_is_member(story, D));
	story_show(story, view_owners, pool);
	enrolled(story, enrol(story, D, pool, ann, "camera", "key 4"), "camera");
	enrolled(story, enrol(story, B, pool, ann, "printer", "key 5"), "printer");
	story_settle(story, 10);
	story_show(story, view_owners, pool);
	story_show(story, view_leases, pool);
	story_tell_operator(story);
	story_must_all_show(story, view_conflicts, none, "there is nothing to decide");
	story_end(story);
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
	for (uint32_t i = A; i <= C; i++)
		MUST(story, !world_mesh(story->world, i)->counts.ended);
	story_end(story);
}
