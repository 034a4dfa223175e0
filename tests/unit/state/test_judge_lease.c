/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/clerk.h"

#define NONE_FREE                                                                                                   \
	"`address`: none is free on this server (any more): try again in a moment, ask another server, or see who " \
	"holds addresses up"

static struct asking a;
static struct estate e;
static struct id user;
static const struct id none;

static struct id made_device(uint8_t key)
{
	char name[2] = { (char)('A' + key), 0 };

	ask_device(&a, user, name, key);
	TAKEN(&a);
	return a.judged.ids[0];
}

static struct pool_row pool_row(const char *network, struct id gateway)
{
	struct pool_row row = { .has = BIT(AT_pool_name), .name = bytes_text(network) };
	struct network parsed;

	assert_int_equal(network_parse(bytes_text(network), &parsed, NULL), OK);
	row.has |= parsed.address.size == 4 ? BIT(AT_pool_network4) : BIT(AT_pool_network6);
	row.network4 = row.network6 = parsed;
	if (!id_is_zero(gateway)) {
		row.has |= BIT(AT_pool_gateway);
		row.gateway = gateway;
	}
	return row;
}

static struct id made_pool(const char *network)
{
	struct pool_row row = pool_row(network, none);

	ask_create(&a, KIND_TABLE(pool), &row);
	TAKEN(&a);
	return a.judged.ids[0];
}

/* As node 1 made it. */
static struct id put_pool(const char *network)
{
	struct pool_row row = pool_row(network, none);

	row.has |= BIT(AT_pool_maker);
	row.maker = 1;
	return put_row(&a.p, KIND_TABLE(pool), &row, 1);
}

/* `address` NULL: to be chosen. */
static void ask_lease(struct id device, struct id pool, const char *address)
{
	struct lease_row row = { .has = BIT(AT_lease_device) | BIT(AT_lease_pool), .device = device, .pool = pool };

	if (address) {
		row.has |= BIT(AT_lease_address);
		assert_int_equal(address_parse(bytes_text(address), &row.address, NULL), OK);
	}
	ask_create(&a, KIND_TABLE(lease), &row);
}

static uint32_t leased(size_t change)
{
	struct reader r;
	struct lease_row row;

	read_row(&a, KIND_TABLE(lease), a.judged.ids[change], &row);
	assert_int_equal(row.author, ASKING_NODE);
	assert_int_equal(row.address.size, 4);
	r = reader_over(bytes_of(row.address.bytes, 4));
	return (uint32_t)read_big_endian(&r, 4);
}

static void leases_get_free_addresses_until_none_is_left(void **state)
{
	bool is_leased[8] = { false };
	struct pool_row row;
	struct id pool, device;

	(void)state;
	clerk_start(&a, &e, &user);
	pool = made_pool("10.0.0.0/29");
	read_row(&a, KIND_TABLE(pool), pool, &row);
	assert_true(row.maker == ASKING_NODE && row.start == ASKING_START);
	for (uint8_t i = 0; i < 5; i++) {
		uint32_t at;

		device = made_device(i);
		ask_lease(device, pool, NULL);
		TAKEN(&a);
		at = leased(0) - estate_number("10.0.0.0");
		assert_true(at >= 2 && at <= 6 && !is_leased[at]);
		is_leased[at] = true;
	}
	device = made_device(5);
	ask_lease(device, pool, NULL);
	REFUSED(&a, E_DRY, NONE_FREE);
	assert_true(id_equal(a.dry, pool));
	clerk_end(&a, &e);
}

static void one_request_makes_the_pool_and_all_its_leases(void **state)
{
	struct pool_row row = pool_row("10.0.0.0/29", none);
	uint32_t seen = 0;

	(void)state;
	clerk_start(&a, &e, &user);
	ask_create(&a, KIND_TABLE(pool), &row);
	for (size_t i = 0; i < 5; i++) {
		ask_device(&a, user, (const char *[]){ "a", "b", "c", "d", "e" }[i], (uint8_t)i);
		ask_lease(judge_made(1 + 2 * i), judge_made(0), NULL);
	}
	TAKEN(&a);
	for (size_t i = 0; i < 5; i++)
		seen |= UINT32_C(1) << (leased(2 + 2 * i) - estate_number("10.0.0.0"));
	assert_int_equal(seen, 0x7c);
	/* Nor does it lease twice what another of its changes brings along. */
	row = pool_row("10.1.0.0/30", none);
	ask_create(&a, KIND_TABLE(pool), &row);
	ask_device(&a, user, "f", 8);
	ask_lease(judge_made(1), judge_made(0), "10.1.0.2");
	ask_device(&a, user, "g", 9);
	ask_lease(judge_made(3), judge_made(0), NULL);
	assert_int_equal(asked(&a), E_DRY);
	clerk_end(&a, &e);
}

static void addresses_come_from_what_the_member_owns(void **state)
{
	struct transfer_row gift = { .has = BIT(AT_transfer_giver) | BIT(AT_transfer_pool) | BIT(AT_transfer_taker) |
					    BIT(AT_transfer_first) | BIT(AT_transfer_last) | BIT(AT_transfer_start),
				     .giver = 1,
				     .taker = ASKING_NODE,
				     .start = ASKING_START };
	struct id pool, device;

	(void)state;
	clerk_start(&a, &e, &user);
	pool = put_pool("10.0.0.0/24");
	device = made_device(1);
	ask_lease(device, pool, NULL);
	REFUSED(&a, E_DRY, NONE_FREE);
	assert_true(id_equal(a.dry, pool));
	gift.pool = pool;
	gift.first = gift.last = block_address(estate_number("10.0.0.77"));
	put_row(&a.p, KIND_TABLE(transfer), &gift, 1);
	ask_lease(device, pool, NULL);
	TAKEN(&a);
	assert_int_equal(leased(0), estate_number("10.0.0.77"));
	/* Without members nobody owns. */
	a.judging.members = NULL;
	device = made_device(2);
	ask_lease(device, made_pool("10.2.0.0/24"), NULL);
	REFUSED(&a, E_DRY, NONE_FREE);
	clerk_end(&a, &e);
}

static bool never(void *context)
{
	(void)context;
	return false;
}

static void what_gossip_forbids_is_not_leased(void **state)
{
	static const struct block_gates gates = { .may_lease_own = never };
	struct pool_row row = pool_row("10.0.0.0/24", none);
	struct id old, new, device;

	(void)state;
	clerk_start(&a, &e, &user);
	row.has |= BIT(AT_pool_maker) | BIT(AT_pool_start);
	row.maker = ASKING_NODE;
	row.start = ASKING_START - 1;
	old = put_row(&a.p, KIND_TABLE(pool), &row, 1);
	device = made_device(1);
	new = made_pool("10.1.0.0/24");
	a.judging.gates = &gates;
	ask_lease(device, old, NULL);
	REFUSED(&a, E_DRY, NONE_FREE);
	ask_lease(device, new, NULL);
	TAKEN(&a);
	ask_lease(device, old, "10.0.0.9");
	REFUSED(&a, E_TAKEN, "`address`: is not this server's to give: leave it out, or ask the one that has it");
	clerk_end(&a, &e);
}

static void an_address_that_is_brought_along_must_be_ours_and_free(void **state)
{
	struct id pool, six, device, other, lease;

	(void)state;
	clerk_start(&a, &e, &user);
	pool = made_pool("10.0.0.0/24");
	six = made_pool("fd00:1::/64");
	device = made_device(1);
	other = made_device(2);
	ask_lease(device, pool, "10.0.0.9");
	TAKEN(&a);
	lease = a.judged.ids[0];
	assert_int_equal(leased(0), estate_number("10.0.0.9"));
	ask_lease(other, pool, "10.0.0.9");
	REFUSED(&a, E_TAKEN, "`address`: is, or was just now, another device's: leave it out");
	ask_remove(&a, KIND_TABLE(lease), lease);
	TAKEN(&a);
	ask_lease(other, pool, "10.0.0.9");
	assert_int_equal(asked(&a), E_TAKEN);
	for (size_t i = 0; i < 4; i++) {
		ask_lease(other, pool, (const char *[]){ "10.0.0.0", "10.0.0.1", "10.0.0.255", "10.0.1.9" }[i]);
		REFUSED(&a, E_VALUE, "`address`: is none that the pool has for devices: leave it out");
	}
	ask_lease(other, six, "10.0.0.9");
	REFUSED(&a, E_VALUE, "`address`: is of a pool that has no IPv4: leave it out");
	ask_lease(other, put_pool("10.3.0.0/24"), "10.3.0.9");
	assert_int_equal(asked(&a), E_TAKEN);
	/* Two in one request. */
	ask_lease(device, pool, "10.0.0.10");
	ask_lease(other, pool, "10.0.0.10");
	REFUSED(&a, E_TAKEN, "`changes[1].address`: is, or was just now, another device's: leave it out");
	clerk_end(&a, &e);
}

static void a_pool_without_ipv4_has_no_addresses_to_give(void **state)
{
	struct id device, other;
	struct lease_row row;

	(void)state;
	clerk_start(&a, &e, &user);
	device = made_device(1);
	ask_lease(device, made_pool("fd00:1::/64"), NULL);
	TAKEN(&a);
	read_row(&a, KIND_TABLE(lease), a.judged.ids[0], &row);
	assert_false(row.has & BIT(AT_lease_address));
	other = made_device(2);
	ask_lease(other, put_pool("fd00:2::/64"), NULL);
	TAKEN(&a);
	clerk_end(&a, &e);
}

static void a_device_has_one_lease_of_a_pool(void **state)
{
	struct id pool, device, lease;
	uint32_t before;

	(void)state;
	clerk_start(&a, &e, &user);
	pool = made_pool("10.0.0.0/29");
	device = made_device(1);
	ask_lease(device, pool, NULL);
	TAKEN(&a);
	lease = a.judged.ids[0];
	before = leased(0);
	ask_lease(device, pool, NULL);
	REFUSED(&a, E_TAKEN, "`device`: has an address of this pool: remove that lease with it");
	ask_lease(device, made_pool("10.1.0.0/24"), NULL);
	TAKEN(&a);
	/* To change it is one request; the old address stays taken until its mark goes. */
	ask_remove(&a, KIND_TABLE(lease), lease);
	ask_lease(device, pool, NULL);
	TAKEN(&a);
	assert_false(is_there(&a, KIND_TABLE(lease), lease));
	assert_true(leased(1) != before);
	device = made_device(2);
	ask_lease(device, pool, NULL);
	ask_lease(device, pool, NULL);
	REFUSED(&a, E_TAKEN, "`changes[1].device`: has an address of this pool: remove that lease with it");
	clerk_end(&a, &e);
}

static void that_none_is_free_is_said_last(void **state)
{
	struct id pool, device;

	(void)state;
	clerk_start(&a, &e, &user);
	pool = put_pool("10.0.0.0/24");
	device = made_device(1);
	ask_remove(&a, KIND_TABLE(device), device);
	TAKEN(&a);
	ask_lease(device, pool, NULL);
	assert_int_equal(asked(&a), E_ABSENT);
	device = made_device(2);
	ask_lease(device, device, NULL);
	assert_int_equal(asked(&a), E_ABSENT);
	a.asker.writes = BY_OWNER;
	ask_lease(device, pool, NULL);
	assert_int_equal(asked(&a), E_DENIED);
	clerk_end(&a, &e);
}

static void a_repeat_needs_no_address(void **state)
{
	struct id pool;

	(void)state;
	clerk_start(&a, &e, &user);
	pool = made_pool("10.0.0.0/30");
	a.judging.idempotency = bytes_text("key");
	for (int i = 0; i < 2; i++) {
		ask_device(&a, user, "phone", 1);
		ask_lease(judge_made(0), pool, NULL);
		TAKEN(&a);
		assert_int_equal(a.judged.is_repeat, i);
	}
	clerk_end(&a, &e);
}

static struct id made_gateway(const char *name)
{
	struct gateway_row row = { .has = BIT(AT_gateway_name), .name = bytes_text(name) };

	ask_create(&a, KIND_TABLE(gateway), &row);
	TAKEN(&a);
	return a.judged.ids[0];
}

static void ask_interface(struct id gateway, struct id pool)
{
	struct interface_row row = { .has = BIT(AT_interface_gateway) | BIT(AT_interface_pool) |
					    BIT(AT_interface_name) | BIT(AT_interface_port),
				     .gateway = gateway,
				     .pool = pool,
				     .name = bytes_text("wg0"),
				     .port = 51820 };

	ask_create(&a, KIND_TABLE(interface), &row);
}

static void pools_of_one_gateway_do_not_overlap(void **state)
{
	struct id fra, nyc, wide, narrow, interface;
	struct pool_row row;

	(void)state;
	clerk_start(&a, &e, &user);
	fra = made_gateway("fra-1");
	nyc = made_gateway("nyc-1");
	wide = made_pool("10.0.0.0/16");
	narrow = made_pool("10.0.3.0/24");
	ask_interface(fra, wide);
	TAKEN(&a);
	interface = a.judged.ids[0];
	ask_interface(nyc, narrow);
	TAKEN(&a);
	ask_interface(fra, narrow);
	REFUSED(&a, E_TAKEN, "`pool`: overlaps the pool 10.0.0.0/16 on that gateway: choose other networks");
	ask_interface(fra, wide);
	REFUSED(&a, E_TAKEN, "`pool`: is on another interface of this gateway: choose another");
	row = pool_row("10.0.4.0/24", fra);
	ask_create(&a, KIND_TABLE(pool), &row);
	REFUSED(&a, E_TAKEN, "`gateway`: overlaps the pool 10.0.0.0/16 on that gateway: choose other networks");
	/* In one request: the one goes, the other comes. */
	ask_remove(&a, KIND_TABLE(interface), interface);
	ask_interface(fra, narrow);
	TAKEN(&a);
	/* Two that come at once; and a gateway's own pool on an interface of it. */
	row = pool_row("10.9.0.0/24", fra);
	ask_create(&a, KIND_TABLE(pool), &row);
	ask_interface(fra, judge_made(0));
	TAKEN(&a);
	row = pool_row("10.8.0.0/16", nyc);
	ask_create(&a, KIND_TABLE(pool), &row);
	row = pool_row("10.8.9.0/24", nyc);
	ask_create(&a, KIND_TABLE(pool), &row);
	REFUSED(&a, E_TAKEN,
		"`changes[1].gateway`: overlaps the pool 10.8.0.0/16 on that gateway: choose other networks");
	clerk_end(&a, &e);
}

static void of_pools_that_overlap_the_later_gives_no_address(void **state)
{
	struct id ids[2], fra, device;
	struct interface_row row = { .has = BIT(AT_interface_gateway) | BIT(AT_interface_pool) |
					    BIT(AT_interface_name) | BIT(AT_interface_port),
				     .name = bytes_text("wg0"),
				     .port = 51820 };
	int first;

	(void)state;
	clerk_start(&a, &e, &user);
	row.gateway = fra = made_gateway("fra-1");
	for (int i = 0; i < 2; i++) {
		row.pool = ids[i] = made_pool(i ? "10.0.0.0/24" : "10.0.0.0/25");
		put_row(&a.p, KIND_TABLE(interface), &row, 1);
	}
	first = memcmp(&ids[0], &ids[1], sizeof ids[0]) > 0;
	device = made_device(1);
	ask_lease(device, ids[!first], NULL);
	REFUSED(&a, E_VALUE,
		"`pool`: overlaps another pool on one gateway, and counts as absent: remove it, or make another");
	ask_lease(device, ids[first], NULL);
	TAKEN(&a);
	clerk_end(&a, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leases_get_free_addresses_until_none_is_left),
		cmocka_unit_test(one_request_makes_the_pool_and_all_its_leases),
		cmocka_unit_test(addresses_come_from_what_the_member_owns),
		cmocka_unit_test(what_gossip_forbids_is_not_leased),
		cmocka_unit_test(an_address_that_is_brought_along_must_be_ours_and_free),
		cmocka_unit_test(a_pool_without_ipv4_has_no_addresses_to_give),
		cmocka_unit_test(a_device_has_one_lease_of_a_pool),
		cmocka_unit_test(that_none_is_free_is_said_last),
		cmocka_unit_test(a_repeat_needs_no_address),
		cmocka_unit_test(pools_of_one_gateway_do_not_overlap),
		cmocka_unit_test(of_pools_that_overlap_the_later_gives_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
