/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_CHECK_H
#define WARREN_TEST_CHECK_H

/* What the tests of this room share: cmocka, and random numbers that do not come from the code under test. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* cmocka's `fail` is a macro under the name of the house's own function, and its `fail_msg` needs it. */
#undef fail
#undef fail_msg
#define fail_msg(...)                      \
	do {                               \
		print_error(__VA_ARGS__);  \
		print_error("\n");         \
		_fail(__FILE__, __LINE__); \
	} while (0)

static uint64_t dice_state = 1;

static inline uint64_t dice(void)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 7;
	dice_state ^= dice_state << 17;
	return dice_state;
}

static inline uint64_t dice_below(uint64_t bound)
{
	return (dice() >> 8) % bound;
}

static inline void dice_fill(uint8_t *room, size_t size)
{
	for (size_t i = 0; i < size; i++)
		room[i] = (uint8_t)(dice() >> 24);
}

#endif
