/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/time.h"

#include "tests/unit/base/check.h"

enum { ROUNDS = 200000, STEPS = 20000, NODES = 5 };

/* The oracle counts in 128 bits, where nothing wraps and nothing is cut. */
typedef unsigned __int128 wide;

#define YEAR_MS (UINT64_C(31556952) * 1000)
#define NOW_MS UINT64_C(1795275000000) /* November 2026 */

static const wide last_stamp = ((wide)WALL_MAX_MS << 16) + UINT16_MAX;

static wide larger(wide a, wide b)
{
	return a > b ? a : b;
}

static wide smaller(wide a, wide b)
{
	return a < b ? a : b;
}

/* Times and stamps crowd where rules change: at zero, at the ceiling, near each other, at the end of the type. */
static uint64_t random_ms(void)
{
	uint64_t near = dice_below(25000);

	switch (dice_below(7)) {
	case 0: return near;
	case 1: return WALL_MAX_MS - near;
	case 2: return WALL_MAX_MS + near;
	case 3: return NOW_MS + near;
	case 4: return NOW_MS - near;
	case 5: return dice_below(NOW_MS + 100 * YEAR_MS);
	default: return dice();
	}
}

static struct hlc random_stamp(void)
{
	uint16_t counter = (uint16_t)(dice_below(3) ? dice_below(3) : UINT16_MAX - dice_below(3));

	return hlc_make(random_ms() & (BIT(48) - 1), counter);
}

static void stamps_hold_their_halves(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t ms = random_ms() & (BIT(48) - 1);
		struct hlc a = hlc_make(ms, (uint16_t)dice()), b = random_stamp();

		assert_true(hlc_ms(a) == ms);
		assert_int_equal(hlc_is_valid(a), a.bits <= last_stamp);
		assert_int_equal(hlc_compare(a, b), a.bits == b.bits ? 0 : a.bits < b.bits ? -1 : 1);
	}
}

static void assert_next(bool is_there, struct hlc next, wide expected)
{
	assert_int_equal(is_there, expected <= last_stamp);
	assert_true(next.bits == (is_there ? expected : 7));
}

static void rules_agree_with_the_oracle(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct hlc own = random_stamp(), other = random_stamp(), next = { 7 };
		struct wall_time now = { random_ms() };
		wide capped = smaller(now.ms, WALL_MAX_MS), ceiling = smaller((wide)now.ms + 10000, WALL_MAX_MS);
		wide seen = other.bits >> 16 > ceiling ? ceiling << 16 : other.bits;
		bool is_there = hlc_tick(own, now, &next);

		assert_next(is_there, next, larger((wide)own.bits + 1, capped << 16));
		assert_true(hlc_observe(own, now, other).bits == larger(own.bits, seen));
		next.bits = 7;
		is_there = hlc_after(own, other, &next);
		assert_next(is_there, next, larger(own.bits, other.bits) + 1);
	}
}

static void the_ceiling_holds(void **state)
{
	struct hlc last = { (uint64_t)last_stamp }, before = { (uint64_t)last_stamp - 1 }, end = { UINT64_MAX };
	struct hlc next = { 7 };
	struct wall_time far = { UINT64_MAX }, zero = { 0 };

	(void)state;
	assert_true(WALL_MAX_MS == BIT(47) - 1);
	assert_true(hlc_is_valid(last));
	assert_false(hlc_is_valid((struct hlc){ last.bits + 1 }));
	assert_false(hlc_tick(last, far, &next));
	assert_false(hlc_tick(end, zero, &next));
	assert_false(hlc_after(before, last, &next));
	assert_false(hlc_after(before, end, &next));
	assert_true(next.bits == 7);
	assert_true(hlc_tick(before, zero, &next));
	assert_true(next.bits == last.bits);
	assert_true(hlc_tick((struct hlc){ 0 }, far, &next));
	assert_true(next.bits == hlc_make(WALL_MAX_MS, 0).bits);
	assert_true(hlc_observe((struct hlc){ 0 }, zero, end).bits == hlc_make(10000, 0).bits);
	assert_true(hlc_observe((struct hlc){ 0 }, far, end).bits == hlc_make(WALL_MAX_MS, 0).bits);
}

/* Nodes whose clocks jump by a century write and hear of each other: no stamp of a node ever goes back. */
static void clocks_may_lie_by_a_century(void **state)
{
	struct hlc own[NODES] = { { 0 } };
	uint64_t clock[NODES], highest[NODES] = { 0 };

	(void)state;
	for (size_t i = 0; i < NODES; i++)
		clock[i] = NOW_MS;
	for (int step = 0; step < STEPS; step++) {
		size_t i = dice_below(NODES), from = dice_below(NODES);
		struct hlc next, replaced = own[from], old = own[i];

		/* A century back from 2026 lies before 1970, where wall time ends. */
		if (!dice_below(20))
			clock[i] = dice_below(2) ? NOW_MS + 100 * YEAR_MS : dice_below(2) ? 0 : NOW_MS;
		clock[i] += dice_below(100);
		highest[i] = clock[i] > highest[i] ? clock[i] : highest[i];
		own[i] = hlc_observe(own[i], (struct wall_time){ clock[i] }, replaced);
		assert_true(hlc_compare(own[i], old) >= 0);
		assert_true(hlc_ms(own[i]) <= highest[i] + HLC_MAX_AHEAD_MS + 1);
		assert_true(hlc_tick(own[i], (struct wall_time){ clock[i] }, &next));
		assert_true(hlc_compare(next, own[i]) > 0);
		own[i] = next;
		assert_true(hlc_after(own[i], replaced, &next));
		assert_true(hlc_compare(next, own[i]) > 0 && hlc_compare(next, replaced) > 0);
	}
}

static void monotonic_spans_never_turn_negative(void **state)
{
	(void)state;
	assert_true(mono_since_ns((struct mono_time){ 10 }, (struct mono_time){ 3 }) == 7);
	assert_true(mono_since_ns((struct mono_time){ 3 }, (struct mono_time){ 10 }) == 0);
	assert_true(mono_since_ns((struct mono_time){ UINT64_MAX }, (struct mono_time){ 0 }) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stamps_hold_their_halves),
		cmocka_unit_test(rules_agree_with_the_oracle),
		cmocka_unit_test(the_ceiling_holds),
		cmocka_unit_test(clocks_may_lie_by_a_century),
		cmocka_unit_test(monotonic_spans_never_turn_negative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
