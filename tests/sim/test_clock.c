/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/clock.h"

#include "tests/unit/base/check.h"

#define SECOND UINT64_C(1000000000)
#define HOUR (3600 * SECOND)

static void a_true_clock_shows_the_truth(void **state)
{
	struct sim_clock clock = clock_true();

	(void)state;
	assert_true(clock_wall(&clock, 0).ms == SIM_EPOCH_MS);
	assert_true(clock_wall(&clock, 1999999).ms == SIM_EPOCH_MS + 1);
	clock_jump(&clock, 1999999, 0);
	assert_true(clock_wall(&clock, 2000000).ms == SIM_EPOCH_MS + 2);
	assert_true(clock_off_ms(&clock, 90 * HOUR) == 0);
}

static void it_jumps_and_is_set_right(void **state)
{
	struct sim_clock clock = clock_true();

	(void)state;
	clock_jump(&clock, SECOND, 100 * SIM_YEAR_MS);
	assert_true(clock_off_ms(&clock, HOUR) == 100 * SIM_YEAR_MS);
	clock_jump(&clock, HOUR, -130 * SIM_YEAR_MS);
	assert_true(clock_off_ms(&clock, 2 * HOUR) == -30 * SIM_YEAR_MS);
	clock_set(&clock, 3 * HOUR);
	assert_true(clock_off_ms(&clock, 4 * HOUR) == 0);
}

static void it_stays_where_calendars_are(void **state)
{
	struct sim_clock clock = clock_true();

	(void)state;
	clock_jump(&clock, 0, -100 * SIM_YEAR_MS);
	assert_true(clock_wall(&clock, 0).ms == 0);
	assert_true(clock_wall(&clock, HOUR).ms == 3600000);
	for (unsigned i = 0; i < 100; i++)
		clock_jump(&clock, HOUR, 100 * SIM_YEAR_MS);
	assert_true(clock_wall(&clock, HOUR).ms == WALL_MAX_MS);
	assert_true(clock_wall(&clock, 9 * HOUR).ms == WALL_MAX_MS);
	clock_jump(&clock, 9 * HOUR, -(int64_t)WALL_MAX_MS);
	assert_true(clock_wall(&clock, 9 * HOUR).ms == 0);
	clock_jump(&clock, 9 * HOUR, (int64_t)WALL_MAX_MS);
	clock_drift(&clock, 9 * HOUR, 1000000);
	assert_true(clock_wall(&clock, UINT64_MAX).ms == WALL_MAX_MS);
}

static void it_drifts_and_stands_still(void **state)
{
	struct sim_clock clock = clock_true();

	(void)state;
	clock_drift(&clock, 0, 500);
	assert_true(clock_off_ms(&clock, HOUR) == 1800);
	clock_drift(&clock, HOUR, -1000);
	assert_true(clock_off_ms(&clock, 2 * HOUR) == 1800 - 3600);
	clock_stop(&clock, 2 * HOUR);
	assert_true(clock_off_ms(&clock, 3 * HOUR) == -1800 - 3600000);
	clock_jump(&clock, 3 * HOUR, 50);
	assert_true(clock_wall(&clock, 3 * HOUR).ms == clock_wall(&clock, 4 * HOUR).ms);
	clock_go(&clock, 4 * HOUR);
	assert_true(clock_off_ms(&clock, 5 * HOUR) == -1800 - 2 * 3600000 + 50 - 3600);
	clock_set(&clock, 5 * HOUR);
	assert_true(clock_off_ms(&clock, 6 * HOUR) == -3600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_true_clock_shows_the_truth),
		cmocka_unit_test(it_jumps_and_is_set_right),
		cmocka_unit_test(it_stays_where_calendars_are),
		cmocka_unit_test(it_drifts_and_stands_still),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
