/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TIME_H
#define WARREN_TIME_H

/*
 * The three kinds of time, each a type of its own so that they cannot mix.
 *
 * Wall time is what a calendar shows and may jump. Monotonic time only measures how long something took on this
 * machine. A hybrid logical stamp orders harmless fields between machines: 48 bits of wall milliseconds and a 16-bit
 * counter. Nothing here reads a clock: time comes in with events.
 */

#include "crdt/base/err.h"

struct wall_time {
	uint64_t ms; /* since 1970-01-01T00:00:00Z */
};

struct mono_time {
	uint64_t ns;
};

struct hlc {
	uint64_t bits;
};

/* The largest wall time: 2^47 - 1 ms, in the year 6429. A stamp at or beyond 2^47 ms is invalid by form. */
#define WALL_MAX_MS ((UINT64_C(1) << 47) - 1)

/* A remote stamp never moves the local clock by more than this. */
enum { HLC_MAX_AHEAD_MS = 10000 };

static inline struct hlc hlc_make(uint64_t ms, uint16_t counter)
{
	return (struct hlc){ ms << 16 | counter };
}

static inline uint64_t hlc_ms(struct hlc hlc)
{
	return hlc.bits >> 16;
}

static inline bool hlc_is_valid(struct hlc hlc)
{
	return hlc_ms(hlc) <= WALL_MAX_MS;
}

static inline int hlc_compare(struct hlc a, struct hlc b)
{
	return (a.bits > b.bits) - (a.bits < b.bits);
}

static inline uint64_t mono_since_ns(struct mono_time now, struct mono_time then)
{
	return now.ns > then.ns ? now.ns - then.ns : 0;
}

/* The stamp of a write at `now` by a clock that stands at `own`; larger than `own`. False at the very ceiling. */
bool hlc_tick(struct hlc own, struct wall_time now, struct hlc *ret_next);

/* Where the clock stands after it saw `remote`: never back, and never more than HLC_MAX_AHEAD_MS beyond `now`. */
struct hlc hlc_observe(struct hlc own, struct wall_time now, struct hlc remote);

/* The stamp of a write that replaces what was stamped `replaced`: later than both. False at the very ceiling. */
bool hlc_after(struct hlc own, struct hlc replaced, struct hlc *ret_next);

/* RFC 3339 in UTC with milliseconds, "2026-11-21T15:26:43.000Z"; reading takes any offset and 0 to 9 decimals. */
enum { WALL_TEXT_SIZE = 32 };
void wall_format(struct wall_time time, char room[WALL_TEXT_SIZE]);
enum code wall_parse(struct bytes text, struct wall_time *ret_time, struct err *err);

#endif
