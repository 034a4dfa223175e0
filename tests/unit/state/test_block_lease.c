/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/estate.h"

#include "crdt/state/block_lease.h"

enum { PEOPLE = 4, DEVICES = 10, LEASES = 24, POOLS = 2, DUES = 64 };

static struct estate e;
static const struct id none;

static void begin(uint64_t nodes)
{
	estate_start(&e, 1);
	for (uint64_t node = 2; node <= nodes; node++)
		estate_admit(&e, node, 1, none);
	estate_members(&e);
}

static bool stands(struct id lease)
{
	bool is = false;

	assert_int_equal(lease_stands(e.p.txn, lease, &e.p.arena, &is, NULL), OK);
	return is;
}

struct plain {
	struct id id;
	size_t device, pool;
	uint32_t address;
	uint64_t author;
	bool is_dead;
};

static struct {
	struct id users[PEOPLE], devices[DEVICES];
	size_t owners[DEVICES];
	bool is_user_dead[PEOPLE], is_device_dead[DEVICES], is_pool_dead[POOLS];
	struct pool_row pools[POOLS];
	struct plain leases[LEASES];
} w;

static bool is_orphan(const struct plain *lease)
{
	return w.is_device_dead[lease->device] || w.is_user_dead[w.owners[lease->device]] ||
	       w.is_pool_dead[lease->pool];
}

static bool is_live(const struct plain *lease)
{
	return !lease->is_dead && !is_orphan(lease);
}

static bool is_smaller(struct id a, struct id b)
{
	return memcmp(&a, &b, sizeof a) < 0;
}

static bool plain_stands(const struct plain *lease)
{
	for (size_t i = 0; i < LEASES; i++) {
		const struct plain *other = &w.leases[i];

		if (is_live(other) && is_smaller(other->id, lease->id) && other->pool == lease->pool &&
		    (other->address == lease->address || other->device == lease->device))
			return false;
	}
	return is_live(lease);
}

/* Whether it is the first of its device's live leases in the pool. */
static bool is_first(const struct plain *lease)
{
	for (size_t i = 0; i < LEASES; i++)
		if (is_live(&w.leases[i]) && is_smaller(w.leases[i].id, lease->id) && w.leases[i].pool == lease->pool &&
		    w.leases[i].device == lease->device)
			return false;
	return true;
}

static uint64_t line_owner(uint64_t node)
{
	struct pool_row pool = { .id = w.pools[0].id, .maker = node };
	struct block_map map;

	assert_int_equal(block_map(e.p.txn, e.members, &pool, &e.p.arena, &map, NULL), OK);
	return map.root->owner;
}

static void make_world(void)
{
	uint32_t base = estate_number("10.0.0.0");

	memset(&w, 0, sizeof w);
	for (size_t i = 0; i < POOLS; i++)
		w.pools[i] = estate_pool(&e, "10.0.0.0/28", 1 + i, none);
	for (uint64_t node = 3; node <= 5; node++)
		estate_give(&e, &w.pools[0], 1, node, base + 2 * (uint32_t)node, base + 2 * (uint32_t)node + 1, NULL);
	for (size_t i = 0; i < PEOPLE; i++)
		w.users[i] = put_user(&e.p, (const char *[]){ "a", "b", "c", "d" }[i], 0, none);
	for (size_t i = 0; i < DEVICES; i++) {
		w.owners[i] = dice_below(PEOPLE);
		w.devices[i] = put_device(&e.p, w.users[w.owners[i]], "x", (uint8_t)(i + 1), i);
	}
	for (size_t i = 0; i < LEASES; i++) {
		struct plain *lease = &w.leases[i];

		*lease = (struct plain){ .device = dice_below(DEVICES),
					 .pool = dice_below(POOLS),
					 .address = base + (uint32_t)dice_below(16),
					 .author = 1 + dice_below(6) };
		lease->id = estate_lease(&e, &w.pools[lease->pool], w.devices[lease->device], lease->address,
					 lease->author);
	}
}

static void kill_some(void)
{
	for (size_t i = 0; i < LEASES; i++)
		if (!dice_below(5)) {
			w.leases[i].is_dead = true;
			put_dead(&e.p, KIND_TABLE(lease), w.leases[i].id);
		}
	for (size_t i = 0; i < DEVICES; i++)
		if (!dice_below(5)) {
			w.is_device_dead[i] = true;
			put_dead(&e.p, KIND_TABLE(device), w.devices[i]);
		}
	if (!dice_below(2)) {
		w.is_user_dead[0] = true;
		put_dead(&e.p, KIND_TABLE(user), w.users[0]);
	}
	if (!dice_below(5)) {
		w.is_pool_dead[1] = true;
		put_dead(&e.p, KIND_TABLE(pool), w.pools[1].id);
	}
}

static void evict_some(void)
{
	for (uint64_t node = 2; node <= 6; node++)
		if (!dice_below(4))
			estate_evict(&e, node, 1 + dice_below(7));
	estate_members(&e);
}

/* Who is to end a lease that has lost, or hangs on nothing. */
static uint64_t plain_due(const struct plain *lease)
{
	struct estate_owner owner = estate_owner(&e, &w.pools[lease->pool], lease->address);
	struct block_map map = estate_map(&e, &w.pools[lease->pool]);
	uint64_t block = block_of(&map, block_address(lease->address)) ? owner.owner : map.root->owner;

	if (lease->is_dead || plain_stands(lease))
		return 0;
	if (is_orphan(lease))
		return w.is_pool_dead[lease->pool] ? line_owner(lease->author) : block;
	return line_owner(lease->author) ? line_owner(lease->author) : block;
}

static const struct lease_due *find_due(const struct lease_due *dues, size_t count, struct id lease)
{
	const struct lease_due *found = NULL;

	for (size_t i = 0; i < count; i++)
		if (id_equal(dues[i].lease, lease)) {
			assert_null(found);
			found = &dues[i];
		}
	return found;
}

/* All that is due of a member, in as many bounded looks as it takes. */
static size_t walk(uint64_t node, struct lease_due *dues)
{
	struct lease_walk at = { 0 };
	size_t total = 0, looks = 0;

	do {
		size_t steps = 1 + dice_below(9), most = 1 + dice_below(4), count = SIZE_MAX;

		assert_int_equal(lease_find_due(e.p.txn, e.members, node, &at, steps, &e.p.arena, dues + total, most,
						&count, NULL),
				 OK);
		assert_true(count <= most && count <= steps);
		total += count;
		assert_true(++looks < 100);
	} while (at.is_begun);
	return total;
}

static size_t assert_dues(uint64_t node)
{
	struct lease_due dues[DUES];
	size_t count = walk(node, dues), expected = 0;

	for (size_t i = 0; i < LEASES; i++) {
		const struct plain *lease = &w.leases[i];
		const struct lease_due *due = find_due(dues, count, lease->id);

		assert_int_equal(!!due, plain_due(lease) == node);
		if (!due)
			continue;
		expected++;
		assert_true(id_equal(due->device, w.devices[lease->device]));
		assert_true(id_equal(due->pool, w.pools[lease->pool].id));
		assert_int_equal(due->wants_another, !is_orphan(lease) && is_first(lease));
	}
	assert_int_equal(count, expected);
	return count;
}

static void pairs_say_which_stand_and_who_ends_the_others(void **state)
{
	size_t dues = 0;

	(void)state;
	for (int round = 0; round < 60; round++) {
		begin(6);
		make_world();
		kill_some();
		evict_some();
		for (size_t i = 0; i < LEASES; i++)
			assert_int_equal(stands(w.leases[i].id), plain_stands(&w.leases[i]));
		for (uint64_t node = 1; node <= 7; node++)
			dues += assert_dues(node);
		estate_end(&e);
	}
	assert_true(dues > 400);
}

/* What is not there yet may be on its way: a lease that came before its device is no orphan. */
static void a_lease_may_come_before_its_device(void **state)
{
	struct device_row row = { .has = BIT(AT_device_public_key) | BIT(AT_device_owner) | BIT(AT_device_name) |
					 BIT(AT_device_ordinal) };
	struct pool_row pool;
	struct lease_due dues[DUES];
	struct id lease, user, device;

	(void)state;
	begin(1);
	pool = estate_pool(&e, "10.0.0.0/24", 1, none);
	user = put_user(&e.p, "anna", 0, none);
	/* The id that it is going to have. */
	row.owner = user;
	row.name = bytes_text("x");
	row.public_key.bytes[0] = 5;
	device = put_row(&e.p, KIND_TABLE(device), &row, 1);
	estate_end(&e);
	begin(1);
	pool = estate_pool(&e, "10.0.0.0/24", 1, none);
	put_user(&e.p, "anna", 0, none);
	lease = estate_lease(&e, &pool, device, estate_number("10.0.0.9"), 1);
	assert_false(stands(lease));
	assert_int_equal(walk(1, dues), 0);
	put_row(&e.p, KIND_TABLE(device), &row, 1);
	assert_true(stands(lease));
	assert_int_equal(walk(1, dues), 0);
	put_dead(&e.p, KIND_TABLE(device), device);
	assert_false(stands(lease));
	assert_int_equal(walk(1, dues), 1);
	estate_end(&e);
}

static struct id put_gateway(const char *name)
{
	struct gateway_row row = { .has = BIT(AT_gateway_name), .name = bytes_text(name) };

	return put_row(&e.p, KIND_TABLE(gateway), &row, 1);
}

static struct id put_interface(struct id gateway, struct id pool)
{
	struct interface_row row = { .has = BIT(AT_interface_gateway) | BIT(AT_interface_pool) |
					    BIT(AT_interface_name) | BIT(AT_interface_port),
				     .gateway = gateway,
				     .pool = pool,
				     .name = bytes_text("wg0"),
				     .port = 51820 };

	return put_row(&e.p, KIND_TABLE(interface), &row, 1);
}

static bool is_standing(const struct pool_row *pool)
{
	struct id other;
	bool is = false;

	assert_int_equal(pool_stands(e.p.txn, pool->id, &e.p.arena, &is, &other, NULL), OK);
	return is;
}

/* Of two that overlap on a gateway the smaller id stands; elsewhere they do not meet. */
static void assert_one_stands(const struct pool_row *a, const struct pool_row *b)
{
	bool is_a_first = is_smaller(a->id, b->id);

	assert_int_equal(is_standing(a), is_a_first);
	assert_int_equal(is_standing(b), !is_a_first);
}

static void pools_that_overlap_on_one_gateway(void **state)
{
	struct id fra, nyc, interface;
	struct pool_row a, b, c;

	(void)state;
	begin(1);
	fra = put_gateway("fra-1");
	nyc = put_gateway("nyc-1");
	a = estate_pool(&e, "10.0.0.0/24", 1, none);
	b = estate_pool(&e, "10.0.0.128/25", 1, none);
	c = estate_pool(&e, "10.0.1.0/24", 1, none);
	put_interface(fra, a.id);
	put_interface(nyc, b.id);
	put_interface(fra, c.id);
	assert_true(is_standing(&a) && is_standing(&b) && is_standing(&c));
	interface = put_interface(fra, b.id);
	assert_one_stands(&a, &b);
	assert_true(is_standing(&c));
	put_dead(&e.p, KIND_TABLE(interface), interface);
	assert_true(is_standing(&a) && is_standing(&b));
	/* A gateway's own is there without an interface. */
	for (int i = 0; i < 12; i++) {
		b = estate_pool(&e, "10.0.0.0/16", 1, fra);
		assert_int_equal(is_standing(&b), is_smaller(b.id, a.id) && is_smaller(b.id, c.id));
		assert_int_equal(is_standing(&a), is_smaller(a.id, b.id));
		put_dead(&e.p, KIND_TABLE(pool), b.id);
		assert_true(is_standing(&a) && is_standing(&c));
	}
	b = estate_pool(&e, "10.0.0.0/16", 1, put_gateway("lon-1"));
	assert_true(is_standing(&a) && is_standing(&b) && is_standing(&c));
	estate_end(&e);
}

static void assert_overlap(const char *a, const char *b, bool is)
{
	struct pool_row one = { 0 }, other = { 0 };
	struct network network;

	assert_int_equal(network_parse(bytes_text(a), &network, NULL), OK);
	one.has = network.address.size == 4 ? BIT(AT_pool_network4) : BIT(AT_pool_network6);
	one.network4 = one.network6 = network;
	assert_int_equal(network_parse(bytes_text(b), &network, NULL), OK);
	other.has = network.address.size == 4 ? BIT(AT_pool_network4) : BIT(AT_pool_network6);
	other.network4 = other.network6 = network;
	assert_int_equal(pools_overlap(&one, &other), is);
	assert_int_equal(pools_overlap(&other, &one), is);
}

static void networks_that_overlap(void **state)
{
	(void)state;
	assert_overlap("10.0.0.0/24", "10.0.0.0/24", true);
	assert_overlap("10.0.0.0/24", "10.0.1.0/24", false);
	assert_overlap("10.0.0.0/23", "10.0.1.0/24", true);
	assert_overlap("10.0.0.0/25", "10.0.0.128/25", false);
	assert_overlap("10.0.0.0/25", "10.0.0.64/26", true);
	assert_overlap("0.0.0.0/0", "203.0.113.0/24", true);
	assert_overlap("10.0.0.1/32", "10.0.0.1/32", true);
	assert_overlap("10.0.0.1/32", "10.0.0.2/32", false);
	assert_overlap("fd00:1::/64", "fd00:1::/64", true);
	assert_overlap("fd00:1::/64", "fd00:2::/64", false);
	assert_overlap("fd00:1::/64", "10.0.0.0/8", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_say_which_stand_and_who_ends_the_others),
		cmocka_unit_test(a_lease_may_come_before_its_device),
		cmocka_unit_test(pools_that_overlap_on_one_gateway),
		cmocka_unit_test(networks_that_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
