/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/estate.h"

static struct estate e;
static struct id none;

static void assert_owner(const struct pool_row *pool, const struct block_map *map, uint32_t address)
{
	struct estate_owner owner = estate_owner(&e, pool, address);
	const struct block *block = block_of(map, block_address(address));

	assert_non_null(block);
	assert_int_equal(block->line->owner, owner.owner);
	assert_int_equal(block->has_tip, owner.has_tip);
	assert_true(id_equal(block->tip, owner.tip));
	assert_int_equal(block->line->via_count, owner.via_count);
	for (size_t i = 0; i < owner.via_count; i++)
		assert_int_equal(block->line->via[i], owner.via[i]);
}

/* Every address has the owner that the rules say, and blocks cover the pool without a gap. */
static void assert_map(const struct pool_row *pool)
{
	struct block_map map = estate_map(&e, pool);
	uint64_t next = map.first;

	for (size_t i = 0; i < map.count; i++) {
		assert_true(map.all[i].first == next && map.all[i].last >= map.all[i].first);
		next = (uint64_t)map.all[i].last + 1;
	}
	assert_true(next == (uint64_t)map.last + 1);
	for (uint32_t address = map.first; address <= map.last; address++)
		assert_owner(pool, &map, address);
}

static uint64_t some_node(void)
{
	return 1 + dice_below(8);
}

/* Nodes 1 to 6 and their sponsors; 7 is let in later, and 8 never. */
static void people(void)
{
	estate_start(&e, 1);
	for (uint64_t node = 2; node <= 6; node++)
		estate_admit(&e, node, 1 + dice_below(node - 1), none);
	estate_members(&e);
}

static void say_something(void)
{
	uint64_t node = some_node();

	switch (dice_below(8)) {
	case 0:
	case 1:
	case 2: estate_evict(&e, node, some_node()); break;
	case 3: estate_grant(&e, node, some_node()); break;
	case 4:
		if (node > 1 && node < 7)
			estate_double(&e, node, members_find(e.members, node)->sponsor);
		break;
	case 5:
		if (!members_find(e.members, 7))
			estate_admit(&e, 7, 1, none);
		break;
	default: break;
	}
	estate_members(&e);
}

/* Mostly what somebody may have given, and the rest whatever. */
static void give_something(const struct pool_row *pool)
{
	struct block_map map = estate_map(&e, pool);
	uint32_t size = map.last - map.first + 1, first = map.first + (uint32_t)dice_below(size);
	uint32_t last = first + (uint32_t)dice_below(size / 2);
	const struct block *block = block_of(&map, block_address(first));
	const struct block_line *line = block->line;
	struct id tip = block->tip;
	bool has_tip = block->has_tip;
	uint64_t giver = line->nodes[dice_below(line->count)];

	if (last > map.last && dice_below(8))
		last = map.last;
	if (!dice_below(10))
		giver = some_node();
	if (!dice_below(4) && e.gifts_count) {
		tip = e.gifts[dice_below(e.gifts_count)].id;
		has_tip = true;
	}
	if (!dice_below(20))
		tip = (struct id){ { (uint8_t)dice_below(256) } };
	if (!dice_below(20))
		has_tip = !has_tip;
	switch (dice_below(30)) {
	case 0: last = first - 1; break;
	case 1: first = map.first - 1; break;
	case 2: last = map.last + 1; break;
	default: break;
	}
	estate_give(&e, pool, giver, some_node(), first, last, has_tip ? &tip : NULL);
}

static void each_address_has_the_owner_that_the_rules_say(void **state)
{
	size_t frozen = 0, inherited = 0, given = 0;

	(void)state;
	for (int round = 0; round < 120; round++) {
		const char *networks[] = { "10.1.2.0/26", "10.1.2.128/28", "10.1.0.0/23" };
		size_t nth = dice_below(12);
		struct pool_row pool, other;
		struct block_map map;

		people();
		pool = estate_pool(&e, networks[nth < 2 ? nth + 1 : 0], some_node(), none);
		other = estate_pool(&e, "10.1.2.0/26", some_node(), none);
		for (int step = 0; step < 60; step++) {
			if (!dice_below(5))
				say_something();
			give_something(dice_below(6) ? &pool : &other);
			if (!dice_below(6))
				assert_map(&pool);
		}
		assert_map(&pool);
		map = estate_map(&e, &pool);
		for (size_t i = 0; i < map.count; i++) {
			frozen += !map.all[i].line->owner;
			inherited += map.all[i].line->owner && map.all[i].line->via_count;
			given += map.all[i].has_tip;
		}
		estate_end(&e);
	}
	print_message("%zu frozen, %zu inherited, %zu given\n", frozen, inherited, given);
	assert_true(frozen > 100 && inherited > 100 && given > 500);
}

static void what_is_no_transfer_changes_nothing(void **state)
{
	struct pool_row pool, other;
	struct id first, stray = { { 7 } };
	struct transfer_row wide = { .has = BIT(AT_transfer_giver) | BIT(AT_transfer_pool) | BIT(AT_transfer_taker) |
					    BIT(AT_transfer_first) | BIT(AT_transfer_last),
				     .giver = 1,
				     .taker = 2 };
	uint32_t base = estate_number("10.0.0.0");
	struct block_map map;

	(void)state;
	estate_start(&e, 2);
	estate_admit(&e, 2, 1, none);
	estate_admit(&e, 3, 1, none);
	estate_members(&e);
	pool = estate_pool(&e, "10.0.0.0/24", 1, none);
	other = estate_pool(&e, "10.0.0.0/24", 1, none);
	estate_give(&e, &pool, 2, 2, base + 10, base + 20, NULL);   /* not the giver's */
	estate_give(&e, &pool, 1, 2, base + 20, base + 10, NULL);   /* the wrong way round */
	estate_give(&e, &pool, 1, 2, base + 1, base + 10, NULL);    /* the gateway's own address in it */
	estate_give(&e, &pool, 1, 2, base + 200, base + 255, NULL); /* the broadcast address in it */
	estate_give(&e, &pool, 1, 2, base + 300, base + 310, NULL); /* outside */
	estate_give(&e, &pool, 1, 2, base + 10, base + 20, &stray); /* after none that there is */
	first = estate_give(&e, &other, 1, 2, base + 10, base + 20, NULL);
	estate_give(&e, &pool, 2, 3, base + 10, base + 20, &first); /* after one of another pool */
	wide.pool = pool.id;
	wide.first = block_address(base + 10);
	wide.last = block_address(base + 20);
	wide.first.size = wide.last.size = 16; /* of another version of IP */
	put_row(&e.p, KIND_TABLE(transfer), &wide, 1);
	map = estate_map(&e, &pool);
	assert_int_equal(map.count, 1);
	assert_int_equal(map.all[0].line->owner, 1);
	assert_false(map.all[0].has_tip);
	/* In itself each of them would be none. */
	estate_give(&e, &pool, 1, 2, base + 10, base + 20, NULL);
	assert_int_equal(estate_map(&e, &pool).count, 3);
	estate_end(&e);
}

static void the_owner_goes_before_an_heir_and_then_the_smaller_id(void **state)
{
	struct pool_row pool;
	struct id ids[2];
	uint32_t base = estate_number("10.0.0.0");
	struct block_map map;
	const struct block *block;

	(void)state;
	estate_start(&e, 3);
	for (uint64_t node = 2; node <= 5; node++)
		estate_admit(&e, node, 1, none);
	estate_members(&e);
	pool = estate_pool(&e, "10.0.0.0/24", 2, none);
	ids[0] = estate_give(&e, &pool, 2, 4, base + 10, base + 20, NULL);
	ids[1] = estate_give(&e, &pool, 2, 5, base + 10, base + 20, NULL);
	map = estate_map(&e, &pool);
	block = block_of(&map, block_address(base + 15));
	assert_true(id_equal(block->tip, memcmp(&ids[0], &ids[1], sizeof ids[0]) < 0 ? ids[0] : ids[1]));
	/* Node 3 inherits and gives the same: what node 2 gave still goes first, whatever the ids. */
	estate_evict(&e, 2, 3);
	estate_members(&e);
	for (int i = 0; i < 20; i++)
		estate_give(&e, &pool, 3, 1, base + 5, base + 25, NULL);
	map = estate_map(&e, &pool);
	assert_true(id_equal(block_of(&map, block_address(base + 15))->tip, block->tip));
	assert_int_equal(block_of(&map, block_address(base + 5))->line->owner, 1);
	assert_int_equal(block_of(&map, block_address(base + 30))->line->owner, 3);
	assert_map(&pool);
	estate_end(&e);
}

static void small_pools_have_no_blocks(void **state)
{
	static const struct {
		const char *network;
		uint64_t addresses;
	} pools[] = { { "10.0.0.0/32", 0 },
		      { "10.0.0.0/31", 0 },
		      { "10.0.0.0/30", 1 },
		      { "10.0.0.0/29", 5 },
		      { "10.0.0.0/24", 253 },
		      { "10.0.0.0/8", (1 << 24) - 3 },
		      { "0.0.0.0/0", (UINT64_C(1) << 32) - 3 } };

	(void)state;
	estate_start(&e, 4);
	for (size_t i = 0; i < COUNT(pools); i++) {
		struct pool_row pool = estate_pool(&e, pools[i].network, 1, none);
		struct block_map map = estate_map(&e, &pool);
		uint32_t base = estate_number("10.0.0.0");

		assert_int_equal(map.count, !!pools[i].addresses);
		assert_int_equal(map.root->owner, 1);
		assert_null(block_of(&map, (struct address){ .size = 0 }));
		if (!map.count)
			continue;
		assert_int_equal((uint64_t)map.all[0].last - map.all[0].first + 1, pools[i].addresses);
		if (i == 6)
			continue;
		/* Network, gateway's own, broadcast. */
		assert_null(block_of(&map, block_address(base)));
		assert_null(block_of(&map, block_address(base + 1)));
		assert_non_null(block_of(&map, block_address(base + 2)));
		assert_null(block_of(&map, block_address(map.last + 1)));
	}
	estate_end(&e);
}

/* Each takes all but one address of the one before, and beside each a small one takes a piece out of the middle. */
static void thousands_of_transfers_cost_little(void **state)
{
	enum { DEEP = 4000 };
	struct transfer_row row = { .has = BIT(AT_transfer_giver) | BIT(AT_transfer_pool) | BIT(AT_transfer_taker) |
					   BIT(AT_transfer_first) | BIT(AT_transfer_last),
				    .giver = 1,
				    .taker = 1 };
	uint32_t base = estate_number("10.0.0.0");
	struct pool_row pool;
	struct block_map map;

	(void)state;
	estate_start(&e, 5);
	pool = estate_pool(&e, "10.0.0.0/16", 1, none);
	row.pool = pool.id;
	for (uint32_t i = 0; i < DEEP; i++) {
		struct id id;

		row.first = block_address(base + 2 + i);
		row.last = block_address(base + 65534);
		id = put_row(&e.p, KIND_TABLE(transfer), &row, 1);
		row.first = row.last = block_address(base + 10000 + 2 * i);
		put_row(&e.p, KIND_TABLE(transfer), &row, 1);
		row.before = id;
		row.has |= BIT(AT_transfer_before);
	}
	map = estate_map(&e, &pool);
	assert_true(map.count > DEEP + DEEP / 2);
	estate_end(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_address_has_the_owner_that_the_rules_say),
		cmocka_unit_test(what_is_no_transfer_changes_nothing),
		cmocka_unit_test(the_owner_goes_before_an_heir_and_then_the_smaller_id),
		cmocka_unit_test(small_pools_have_no_blocks),
		cmocka_unit_test(thousands_of_transfers_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
