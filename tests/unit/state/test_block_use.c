/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/estate.h"

enum { SIZE = 256, MANY = 15 };

static struct estate e;
static struct rng rng;
static struct block_map map;
static const struct id none;

/* What gossip would say. */
static struct {
	uint64_t unsettled; /* an evicted node; 0: all are settled */
	bool is_under_known, is_own_settled;
	size_t asked;
} gossip;

static bool may_inherit(void *context, uint64_t node)
{
	assert_ptr_equal(context, &gossip);
	gossip.asked++;
	return node != gossip.unsettled;
}

static bool may_take(void *context, struct id statement)
{
	assert_ptr_equal(context, &gossip);
	assert_false(id_is_zero(statement));
	return gossip.is_under_known;
}

static bool may_lease_own(void *context)
{
	assert_ptr_equal(context, &gossip);
	return gossip.is_own_settled;
}

static const struct block_gates gates = { may_inherit, may_take, may_lease_own, &gossip };

/* As a member that knows all sees it now; the map is made anew. */
static struct block_owner owner_of(const struct pool_row *pool, uint64_t node)
{
	map = estate_map(&e, pool);
	return (struct block_owner){
		.txn = e.p.txn, .arena = &e.p.arena, .rng = &rng, .map = &map, .node = node, .start = 1
	};
}

static void begin(uint64_t nodes)
{
	rng = rng_from_number(dice());
	estate_start(&e, 1);
	for (uint64_t node = 2; node <= nodes; node++)
		estate_admit(&e, node, 1, none);
	estate_members(&e);
}

static struct id some_device(void)
{
	struct id id;

	dice_fill(id.bytes, sizeof id.bytes);
	return id;
}

static uint64_t free_of(const struct pool_row *pool, uint64_t node)
{
	struct block_owner owner = owner_of(pool, node);
	uint64_t count = 0;

	assert_int_equal(block_free(&owner, &count, NULL), OK);
	return count;
}

static enum code choose(const struct pool_row *pool, uint64_t node, struct address *ret_address)
{
	struct block_owner owner = owner_of(pool, node);

	return block_choose(&owner, ret_address, NULL);
}

static uint32_t number_of(struct address address)
{
	struct reader r = reader_over(bytes_of(address.bytes, 4));

	assert_int_equal(address.size, 4);
	return (uint32_t)read_big_endian(&r, 4);
}

static enum code give(const struct pool_row *pool, uint64_t giver, uint64_t taker, struct transfer_row *ret_row)
{
	struct block_owner owner = owner_of(pool, giver);
	enum code code = block_give(&owner, taker, 1, ret_row, NULL);

	if (code)
		return code;
	assert_int_equal(ret_row->taker, taker);
	assert_true(id_equal(ret_row->pool, pool->id));
	ret_row->has |= BIT(AT_transfer_giver);
	ret_row->giver = giver;
	ret_row->id = put_row(&e.p, KIND_TABLE(transfer), ret_row, 1);
	return OK;
}

/* What is leased in a pool, or marked in any, one address after the other. */
struct plain {
	bool is_taken[SIZE];
	uint64_t owner[SIZE];
};

static void lease_something(const struct pool_row *pool, const struct pool_row *other, uint32_t base,
			    struct plain *plain)
{
	uint32_t at = (uint32_t)dice_below(SIZE);
	bool is_other = !dice_below(3), is_dead = !dice_below(3);
	struct id id = estate_lease(&e, is_other ? other : pool, some_device(), base + at, 1);

	if (is_dead)
		put_dead(&e.p, KIND_TABLE(lease), id);
	plain->is_taken[at] |= is_dead || !is_other;
}

static void own_something(const struct pool_row *pool, uint32_t base, struct plain *plain)
{
	for (uint64_t taker = 2; taker <= 3; taker++) {
		uint32_t first = 2 + (uint32_t)dice_below(200), last = first + (uint32_t)dice_below(50);

		/* In two blocks, one behind the other. */
		estate_give(&e, pool, 1, taker, base + first, base + last, NULL);
		estate_give(&e, pool, 1, taker, base + last + 1, base + last + 4, NULL);
	}
	map = estate_map(&e, pool);
	for (uint32_t at = 0; at < SIZE; at++) {
		const struct block *block = block_of(&map, block_address(base + at));

		plain->owner[at] = block ? block->line->owner : 0;
	}
}

static uint64_t plain_free(const struct plain *plain, uint64_t node)
{
	uint64_t count = 0;

	for (size_t at = 0; at < SIZE; at++)
		count += !plain->is_taken[at] && plain->owner[at] == node;
	return count;
}

/* All that can be chosen, one by one, is what is free. */
static void choose_all(const struct pool_row *pool, uint64_t node, uint32_t base, const struct plain *plain)
{
	struct address spoken[SIZE];
	struct block_owner owner = owner_of(pool, node);
	size_t count = 0;

	owner.spoken = spoken;
	for (; !block_choose(&owner, &spoken[count], NULL); count++) {
		uint32_t at = number_of(spoken[count]) - base;

		assert_true(at < SIZE && plain->owner[at] == node && !plain->is_taken[at]);
		for (size_t i = 0; i < count; i++)
			assert_true(number_of(spoken[i]) - base != at);
		owner.spoken_count = count + 1;
	}
	assert_int_equal(count, plain_free(plain, node));
}

static void what_is_free_is_owned_and_has_neither_lease_nor_mark(void **state)
{
	uint32_t base = estate_number("10.0.7.0");

	(void)state;
	for (int round = 0; round < 25; round++) {
		struct plain plain = { 0 };
		struct pool_row pool, other;

		begin(3);
		pool = estate_pool(&e, "10.0.7.0/24", 1, none);
		other = estate_pool(&e, "10.0.7.0/24", 1, none);
		own_something(&pool, base, &plain);
		for (uint64_t i = dice_below(500); i; i--)
			lease_something(&pool, &other, base, &plain);
		for (uint64_t node = 1; node <= 4; node++) {
			assert_int_equal(free_of(&pool, node), plain_free(&plain, node));
			choose_all(&pool, node, base, &plain);
		}
		for (uint32_t at = 0; at < SIZE; at++) {
			struct block_owner owner = owner_of(&pool, 1);
			bool is_free;

			assert_int_equal(block_is_free(&owner, block_address(base + at), &is_free, NULL), OK);
			assert_int_equal(is_free, !plain.is_taken[at]);
		}
		estate_end(&e);
	}
}

/* Schedule 11: no range with a lease or a mark of one in it is given, for the lease may overtake the transfer. */
static void what_is_given_is_free_and_at_most_half(void **state)
{
	uint32_t base = estate_number("10.0.7.0");
	size_t gifts = 0, ones = 0;

	(void)state;
	for (int round = 0; round < 60; round++) {
		struct plain plain = { 0 };
		struct pool_row pool, other;
		struct transfer_row row;
		uint64_t left;

		begin(4);
		pool = estate_pool(&e, "10.0.7.0/24", 1, none);
		other = estate_pool(&e, "10.0.7.0/24", 1, none);
		own_something(&pool, base, &plain);
		for (uint64_t i = dice_below(600); i; i--)
			lease_something(&pool, &other, base, &plain);
		left = plain_free(&plain, 2);
		while (!give(&pool, 2, 4, &row)) {
			uint32_t first = number_of(row.first) - base, last = number_of(row.last) - base;

			assert_true(first <= last && last - first + 1 <= (left > 1 ? left / 2 : 1));
			for (uint32_t at = first; at <= last; at++) {
				assert_true(plain.owner[at] == 2 && !plain.is_taken[at]);
				plain.owner[at] = 4;
			}
			map = estate_map(&e, &pool);
			assert_int_equal(block_of(&map, row.first)->first, base + first);
			assert_int_equal(block_of(&map, row.first)->last, base + last);
			assert_true(id_equal(block_of(&map, row.first)->tip, row.id));
			left -= last - first + 1;
			gifts++;
			ones += first == last;
		}
		assert_int_equal(left, 0);
		estate_end(&e);
	}
	assert_true(gifts > 60 && ones > 20 && ones < gifts);
}

/* Who has most is asked first. */
static bool ask_others(const struct pool_row *pool, uint64_t asker)
{
	struct transfer_row row;
	uint64_t best = 0, most = 0;

	for (uint64_t node = 1; node <= MANY; node++) {
		uint64_t count = node == asker ? 0 : free_of(pool, node);

		if (count > most) {
			most = count;
			best = node;
		}
	}
	return best && !give(pool, best, asker, &row);
}

static void many_members_share_a_pool_to_its_last_address(void **state)
{
	bool is_leased[SIZE] = { false };
	uint32_t base = estate_number("10.9.8.0");
	struct pool_row pool;
	size_t leases = 0;

	(void)state;
	begin(MANY);
	pool = estate_pool(&e, "10.9.8.0/24", 1, none);
	for (;;) {
		uint64_t node = 1 + dice_below(MANY);
		struct address address;

		if (choose(&pool, node, &address) && (!ask_others(&pool, node) || choose(&pool, node, &address)))
			break;
		assert_false(is_leased[number_of(address) - base]);
		is_leased[number_of(address) - base] = true;
		estate_lease(&e, &pool, some_device(), number_of(address), node);
		leases++;
	}
	assert_int_equal(leases, SIZE - 3);
	assert_false(is_leased[0] || is_leased[1] || is_leased[SIZE - 1]);
	for (uint64_t node = 1; node <= MANY; node++)
		assert_int_equal(free_of(&pool, node), 0);
	estate_end(&e);
}

static void an_address_comes_back_when_its_mark_is_collected(void **state)
{
	struct address address = { .size = 0 };
	struct pool_row pool;
	struct id lease;

	(void)state;
	begin(1);
	pool = estate_pool(&e, "10.0.0.0/30", 1, none);
	lease = estate_lease(&e, &pool, some_device(), estate_number("10.0.0.2"), 1);
	assert_int_equal(choose(&pool, 1, &address), E_DRY);
	put_dead(&e.p, KIND_TABLE(lease), lease);
	assert_int_equal(choose(&pool, 1, &address), E_DRY);
	assert_int_equal(address.size, 0);
	assert_int_equal(state_forget(e.p.txn, KIND_lease, lease, &e.p.arena, NULL), OK);
	assert_int_equal(choose(&pool, 1, &address), OK);
	assert_int_equal(number_of(address), estate_number("10.0.0.2"));
	estate_end(&e);
}

static bool may_use(const struct pool_row *pool, uint64_t node, uint64_t start)
{
	struct block_owner owner = owner_of(pool, node);
	struct address address;
	struct transfer_row row;
	uint64_t count;
	bool may;

	owner.start = start;
	owner.gates = &gates;
	may = block_may_use(&owner, &map.all[0]);
	assert_int_equal(block_choose(&owner, &address, NULL), may ? OK : E_DRY);
	assert_int_equal(block_give(&owner, 1, 1, &row, NULL), may ? OK : E_DRY);
	assert_int_equal(block_free(&owner, &count, NULL), OK);
	assert_int_equal(!!count, may);
	return may;
}

static void heirs_wait_for_what_gossip_says(void **state)
{
	struct pool_row pool;

	(void)state;
	begin(5);
	pool = estate_pool(&e, "10.0.0.0/24", 2, none);
	gossip.unsettled = 2;
	gossip.is_own_settled = true;
	assert_true(may_use(&pool, 2, 1));
	estate_evict(&e, 2, 3);
	estate_evict(&e, 3, 4);
	estate_members(&e);
	assert_false(may_use(&pool, 2, 1));
	assert_false(may_use(&pool, 4, 1));
	gossip.unsettled = 3;
	assert_false(may_use(&pool, 4, 1));
	gossip.unsettled = 0;
	assert_true(may_use(&pool, 4, 1));
	/* What its own start that was closed leased of it, it must know too. */
	gossip.is_own_settled = false;
	assert_false(may_use(&pool, 4, 1));
	gossip.is_own_settled = true;
	/* Whoever is granted it waits for the statement besides. */
	estate_evict(&e, 4, 2);
	estate_grant(&e, 2, 5);
	estate_members(&e);
	gossip.is_under_known = false;
	assert_false(may_use(&pool, 5, 1));
	gossip.is_under_known = true;
	assert_true(may_use(&pool, 5, 1));
	estate_end(&e);
}

/* Schedule 13: what a closed start leased may be lost here. What was given to the present start is not concerned. */
static void who_lost_a_start_waits_with_what_it_had_then(void **state)
{
	struct transfer_row row;
	struct block_owner owner;
	struct pool_row pool;
	struct address address;

	(void)state;
	begin(2);
	pool = estate_pool(&e, "10.0.0.0/24", 1, none);
	gossip.is_own_settled = false;
	assert_true(may_use(&pool, 1, 1));
	assert_false(may_use(&pool, 1, 4711));
	gossip.is_own_settled = true;
	assert_true(may_use(&pool, 1, 4711));
	gossip.is_own_settled = false;
	owner = owner_of(&pool, 1);
	assert_int_equal(block_give(&owner, 2, 4711, &row, NULL), OK);
	row.has |= BIT(AT_transfer_giver);
	row.giver = 1;
	put_row(&e.p, KIND_TABLE(transfer), &row, 1);
	owner = owner_of(&pool, 2);
	owner.gates = &gates;
	owner.start = 4711;
	assert_int_equal(block_choose(&owner, &address, NULL), OK);
	owner.start = 4712;
	assert_int_equal(block_choose(&owner, &address, NULL), E_DRY);
	/* So is a pool that the present start made. */
	pool = estate_pool(&e, "10.0.0.0/24", 1, none);
	assert_false(may_use(&pool, 1, 4711));
	pool.has |= BIT(AT_pool_start);
	pool.start = 4711;
	assert_true(may_use(&pool, 1, 4711));
	estate_end(&e);
}

static void a_line_is_asked_about_once(void **state)
{
	uint32_t base = estate_number("10.0.0.0");
	struct block_owner owner;
	struct address address;
	struct pool_row pool;

	(void)state;
	begin(3);
	pool = estate_pool(&e, "10.0.0.0/24", 2, none);
	for (uint32_t i = 0; i < 20; i++)
		estate_give(&e, &pool, 2, 1, base + 10 * i + 5, base + 10 * i + 8, NULL);
	estate_evict(&e, 2, 3);
	estate_members(&e);
	owner = owner_of(&pool, 3);
	owner.gates = &gates;
	gossip.unsettled = gossip.asked = 0;
	gossip.is_own_settled = true;
	assert_true(map.count > 40);
	assert_int_equal(block_choose(&owner, &address, NULL), OK);
	assert_int_equal(gossip.asked, 1);
	estate_end(&e);
}

/* All but one address, wherever that is. */
static void the_last_free_address_is_found(void **state)
{
	uint32_t base = estate_number("10.0.0.0"), left = base + 2 + (uint32_t)dice_below(1021);
	struct transfer_row row;
	struct address address;
	struct pool_row pool;

	(void)state;
	begin(2);
	pool = estate_pool(&e, "10.0.0.0/22", 1, none);
	for (uint32_t at = base + 2; at < base + 1023; at++)
		if (at != left)
			estate_lease(&e, &pool, some_device(), at, 1);
	assert_int_equal(choose(&pool, 1, &address), OK);
	assert_int_equal(number_of(address), left);
	assert_int_equal(free_of(&pool, 1), 1);
	assert_int_equal(give(&pool, 1, 2, &row), OK);
	assert_true(number_of(row.first) == left && number_of(row.last) == left);
	assert_int_equal(choose(&pool, 1, &address), E_DRY);
	assert_int_equal(choose(&pool, 2, &address), OK);
	estate_end(&e);
}

static void large_pools_are_sampled(void **state)
{
	uint64_t size = (1 << 24) - 3, count;
	struct pool_row pool;
	struct transfer_row row;
	uint32_t low = UINT32_MAX, high = 0;

	(void)state;
	begin(2);
	pool = estate_pool(&e, "10.0.0.0/8", 1, none);
	for (int i = 0; i < 300; i++) {
		struct address address;

		assert_int_equal(choose(&pool, 1, &address), OK);
		low = number_of(address) < low ? number_of(address) : low;
		high = number_of(address) > high ? number_of(address) : high;
		estate_lease(&e, &pool, some_device(), number_of(address), 1);
	}
	/* At random all over the pool. */
	assert_true(low < estate_number("10.16.0.0") && high > estate_number("10.240.0.0"));
	count = free_of(&pool, 1);
	assert_true(count > size / 10 * 9 && count <= size);
	assert_int_equal(give(&pool, 1, 2, &row), OK);
	assert_int_equal(number_of(row.last) - number_of(row.first) + 1, BLOCK_GIVEN);
	assert_int_equal(free_of(&pool, 2), BLOCK_GIVEN);
	estate_end(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_free_is_owned_and_has_neither_lease_nor_mark),
		cmocka_unit_test(what_is_given_is_free_and_at_most_half),
		cmocka_unit_test(many_members_share_a_pool_to_its_last_address),
		cmocka_unit_test(an_address_comes_back_when_its_mark_is_collected),
		cmocka_unit_test(heirs_wait_for_what_gossip_says),
		cmocka_unit_test(who_lost_a_start_waits_with_what_it_had_then),
		cmocka_unit_test(a_line_is_asked_about_once),
		cmocka_unit_test(the_last_free_address_is_found),
		cmocka_unit_test(large_pools_are_sampled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
