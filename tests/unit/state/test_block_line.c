/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base/check.h"
#include "tests/unit/state/estate.h"

static struct estate e;
static const struct id none, gateway = { { 9, 9 } };

/* The owner of all that nobody gave away, and through whom it came: up to three, then 0. */
#define OWNED(pool, by, ...) owned(pool, by, (const uint64_t[4]){ __VA_ARGS__ })
static void owned(const struct pool_row *pool, uint64_t by, const uint64_t *via)
{
	const struct block_line *line = estate_map(&e, pool).root;
	size_t count = 0;

	assert_int_equal(line->owner, by);
	while (via[count])
		count++;
	assert_int_equal(line->via_count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(line->via[i], via[i]);
}

static void start(uint64_t nodes)
{
	estate_start(&e, 1);
	for (uint64_t node = 2; node <= nodes; node++)
		estate_admit(&e, node, 1, none);
	estate_members(&e);
}

static void evict(uint64_t node, uint64_t heir)
{
	estate_evict(&e, node, heir);
	estate_members(&e);
}

static void heirs_are_followed_until_one_stands(void **state)
{
	struct pool_row pool;

	(void)state;
	start(5);
	pool = estate_pool(&e, "10.0.0.0/24", 2, none);
	OWNED(&pool, 2, 0);
	evict(2, 3);
	OWNED(&pool, 3, 2, 0);
	evict(3, 4);
	OWNED(&pool, 4, 2, 3, 0);
	assert_false(estate_map(&e, &pool).root->is_under);
	estate_end(&e);
}

/* Schedule 12: an invite that two keys used evicts without a word of an heir. */
static void who_is_evicted_without_a_word_has_its_sponsor(void **state)
{
	struct pool_row pool;

	(void)state;
	start(3);
	estate_admit(&e, 4, 3, none);
	estate_members(&e);
	pool = estate_pool(&e, "10.0.0.0/24", 4, none);
	estate_double(&e, 4, 3);
	estate_members(&e);
	assert_true(members_find(e.members, 4)->is_evicted);
	OWNED(&pool, 3, 4, 0);
	estate_end(&e);
}

static void of_two_evictions_the_smaller_hash_names_the_heir(void **state)
{
	struct pool_row pool;

	(void)state;
	start(4);
	pool = estate_pool(&e, "10.0.0.0/24", 2, none);
	evict(2, 3);
	evict(2, 4);
	OWNED(&pool, memcmp(&e.evictions[0].hash, &e.evictions[1].hash, sizeof(struct id)) < 0 ? 3 : 4, 2, 0);
	estate_end(&e);
}

static void circles_and_nobody_freeze_until_a_grant(void **state)
{
	struct pool_row pool, other;
	const struct block_line *line;

	(void)state;
	start(5);
	pool = estate_pool(&e, "10.0.0.0/24", 2, none);
	other = estate_pool(&e, "10.1.0.0/24", 4, none);
	evict(2, 3);
	evict(3, 2);
	OWNED(&pool, 0, 2, 3, 0);
	evict(4, 9);
	OWNED(&other, 0, 4, 0);
	/* What somebody inherits nobody can give away. */
	estate_grant(&e, 5, 1);
	estate_grant(&e, 3, 5);
	estate_grant(&e, 4, 5);
	estate_members(&e);
	OWNED(&pool, 5, 2, 3, 0);
	OWNED(&other, 5, 4, 0);
	line = estate_map(&e, &pool).root;
	assert_true(line->is_under && id_equal(line->under, e.grants[1].hash));
	evict(5, 1);
	OWNED(&pool, 1, 2, 3, 5);
	estate_end(&e);
}

static void of_several_grants_the_smaller_hash_counts(void **state)
{
	struct pool_row pool;

	(void)state;
	for (uint64_t first = 3; first <= 5; first++) {
		const struct grant_view *grant;

		start(6);
		pool = estate_pool(&e, "10.0.0.0/24", 2, none);
		evict(2, 2);
		OWNED(&pool, 0, 2, 0);
		estate_grant(&e, 2, first);
		estate_grant(&e, 2, first + 1);
		estate_members(&e);
		grant = members_grant(e.members, 2);
		assert_int_equal(grant->heir, memcmp(&e.grants[0].hash, &e.grants[1].hash, sizeof(struct id)) < 0
						      ? first
						      : first + 1);
		assert_null(members_grant(e.members, 3));
		OWNED(&pool, grant->heir, 2, 0);
		estate_end(&e);
	}
}

static void a_gateways_pool_is_its_nodes(void **state)
{
	const struct block_line *line;
	struct pool_row pool;
	uint32_t base;
	struct id gift;
	struct block_map map;

	(void)state;
	start(3);
	pool = estate_pool(&e, "10.0.0.0/24", 2, gateway);
	base = estate_number("10.0.0.0");
	/* Nobody's, before the gateway has a node. */
	OWNED(&pool, 0, 0);
	estate_admit(&e, 4, 1, gateway);
	estate_members(&e);
	OWNED(&pool, 4, 0);
	assert_false(estate_map(&e, &pool).root->is_under);
	gift = estate_give(&e, &pool, 4, 2, base + 10, base + 20, NULL);
	/* Its heir has it, and may give of it, while nobody serves the gateway. */
	evict(4, 3);
	OWNED(&pool, 3, 4, 0);
	estate_give(&e, &pool, 3, 1, base + 30, base + 40, NULL);
	/* Then the node that replaces it; the heir may have leased from it until it heard of that. */
	estate_admit(&e, 5, 1, gateway);
	estate_members(&e);
	map = estate_map(&e, &pool);
	line = map.root;
	OWNED(&pool, 5, 4, 0);
	assert_true(line->is_under && id_equal(line->under, members_find(e.members, 5)->admission));
	assert_true(id_equal(block_of(&map, block_address(base + 15))->tip, gift));
	assert_int_equal(block_of(&map, block_address(base + 15))->line->owner, 2);
	assert_int_equal(block_of(&map, block_address(base + 35))->line->owner, 1);
	/* A pool of the cluster stays with its maker's heir. */
	evict(5, 4);
	OWNED(&pool, 3, 4, 5, 0);
	estate_end(&e);
}

static void of_two_nodes_of_a_gateway_the_maker_has_its_pool(void **state)
{
	struct pool_row pool, other;
	const struct member *a, *b;

	(void)state;
	start(2);
	estate_admit(&e, 4, 1, gateway);
	estate_admit(&e, 5, 1, gateway);
	estate_members(&e);
	pool = estate_pool(&e, "10.0.0.0/24", 5, gateway);
	OWNED(&pool, 5, 0);
	other = estate_pool(&e, "10.0.0.0/24", 4, gateway);
	OWNED(&other, 4, 0);
	other = estate_pool(&e, "10.0.0.0/24", 2, gateway);
	a = members_find(e.members, 4);
	b = members_find(e.members, 5);
	OWNED(&other, memcmp(&a->admission, &b->admission, sizeof a->admission) < 0 ? 4 : 5, 0);
	/* The other one may have leased from it until it heard of this one. */
	assert_true(estate_map(&e, &other).root->is_under);
	evict(5, 2);
	OWNED(&pool, 4, 5, 0);
	estate_end(&e);
}

static void without_members_nobody_owns(void **state)
{
	struct pool_row pool;
	struct block_map map;

	(void)state;
	start(2);
	pool = estate_pool(&e, "10.0.0.0/24", 1, none);
	assert_int_equal(block_map(e.p.txn, NULL, &pool, &e.p.arena, &map, NULL), OK);
	assert_int_equal(map.root->owner, 0);
	pool = estate_pool(&e, "10.0.0.0/24", 1, gateway);
	assert_int_equal(block_map(e.p.txn, NULL, &pool, &e.p.arena, &map, NULL), OK);
	assert_int_equal(map.root->owner, 0);
	estate_end(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heirs_are_followed_until_one_stands),
		cmocka_unit_test(who_is_evicted_without_a_word_has_its_sponsor),
		cmocka_unit_test(of_two_evictions_the_smaller_hash_names_the_heir),
		cmocka_unit_test(circles_and_nobody_freeze_until_a_grant),
		cmocka_unit_test(of_several_grants_the_smaller_hash_counts),
		cmocka_unit_test(a_gateways_pool_is_its_nodes),
		cmocka_unit_test(of_two_nodes_of_a_gateway_the_maker_has_its_pool),
		cmocka_unit_test(without_members_nobody_owns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
