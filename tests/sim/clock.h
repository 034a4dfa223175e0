/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_CLOCK_H
#define WARREN_SIM_CLOCK_H

/*
 * The wall clock of a machine: wrong by an offset, drifting, jumping, or standing still. Its monotonic clock is always
 * right.
 *
 * Times are the queue's, in ns; at 0 a true clock shows SIM_EPOCH_MS. What a clock shows is never before 1970 or beyond
 * WALL_MAX_MS. Each change takes effect at `now_ns`, and goes on from what the clock shows then.
 */

#include "crdt/base/time.h"

#define SIM_EPOCH_MS UINT64_C(1767225600000) /* 2026-01-01 */
#define SIM_YEAR_MS (INT64_C(31556952) * 1000)

struct sim_clock {
	uint64_t set_ns; /* since when it runs as it does */
	int64_t shown_ms;
	int64_t drift_ppm; /* so many of a million too fast, at most a million in absolute value */
	bool is_stopped;
};

struct sim_clock clock_true(void);
struct wall_time clock_wall(const struct sim_clock *clock, uint64_t now_ns);

/* How far it is from the truth. */
int64_t clock_off_ms(const struct sim_clock *clock, uint64_t now_ns);

void clock_jump(struct sim_clock *clock, uint64_t now_ns, int64_t by_ms);
void clock_drift(struct sim_clock *clock, uint64_t now_ns, int64_t ppm);
void clock_stop(struct sim_clock *clock, uint64_t now_ns);

/* It runs on, from where it stopped. */
void clock_go(struct sim_clock *clock, uint64_t now_ns);

/* It is set right, and keeps its drift. */
void clock_set(struct sim_clock *clock, uint64_t now_ns);

#endif
