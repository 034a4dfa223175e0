/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_LONE_CHECK_H
#define WARREN_TEST_LONE_CHECK_H

/*
 * Whether a store holds what a lone node wrote into it, all of it and nothing else. Fails the test where not.
 */

#include "tests/store/lone.h"
#include "tests/store/scratch.h"

/* How many changes it holds, by its log; that they are whole commits, and in the state exactly as written. */
uint64_t lone_check(struct store *store);

/* The same, and that the disk below it is whole. */
uint64_t lone_check_all(const struct scratch *scratch, struct store *store);

/* That what the node has in memory is what the store holds. */
void lone_check_memory(const struct lone *lone);

#endif
