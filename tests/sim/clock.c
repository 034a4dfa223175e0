/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/clock.h"

#include <assert.h>

enum { NS_PER_MS = 1000000, PPM = 1000000 };

static int64_t within(int64_t ms)
{
	if (ms < 0)
		return 0;
	return ms > (int64_t)WALL_MAX_MS ? (int64_t)WALL_MAX_MS : ms;
}

static int64_t true_ms(uint64_t now_ns)
{
	return within((int64_t)(SIM_EPOCH_MS + now_ns / NS_PER_MS));
}

struct sim_clock clock_true(void)
{
	return (struct sim_clock){ .shown_ms = (int64_t)SIM_EPOCH_MS };
}

struct wall_time clock_wall(const struct sim_clock *clock, uint64_t now_ns)
{
	/* A true clock turns its milliseconds when the truth does. */
	int64_t gone = (int64_t)(now_ns / NS_PER_MS) - (int64_t)(clock->set_ns / NS_PER_MS);

	assert(now_ns >= clock->set_ns);
	if (clock->is_stopped)
		gone = 0;
	gone += gone / PPM * clock->drift_ppm + gone % PPM * clock->drift_ppm / PPM;
	return (struct wall_time){ (uint64_t)within(clock->shown_ms + gone) };
}

int64_t clock_off_ms(const struct sim_clock *clock, uint64_t now_ns)
{
	return (int64_t)clock_wall(clock, now_ns).ms - true_ms(now_ns);
}

static void begin(struct sim_clock *clock, uint64_t now_ns)
{
	clock->shown_ms = (int64_t)clock_wall(clock, now_ns).ms;
	clock->set_ns = now_ns;
}

void clock_jump(struct sim_clock *clock, uint64_t now_ns, int64_t by_ms)
{
	assert(by_ms <= (int64_t)WALL_MAX_MS && by_ms >= -(int64_t)WALL_MAX_MS);
	begin(clock, now_ns);
	clock->shown_ms = within(clock->shown_ms + by_ms);
}

void clock_drift(struct sim_clock *clock, uint64_t now_ns, int64_t ppm)
{
	assert(ppm <= PPM && ppm >= -PPM);
	begin(clock, now_ns);
	clock->drift_ppm = ppm;
}

void clock_stop(struct sim_clock *clock, uint64_t now_ns)
{
	begin(clock, now_ns);
	clock->is_stopped = true;
}

void clock_go(struct sim_clock *clock, uint64_t now_ns)
{
	begin(clock, now_ns);
	clock->is_stopped = false;
}

void clock_set(struct sim_clock *clock, uint64_t now_ns)
{
	clock->shown_ms = true_ms(now_ns);
	clock->set_ns = now_ns;
}
