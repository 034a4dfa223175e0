/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_REPLAY_H
#define WARREN_TEST_REPLAY_H

/*
 * Power cuts by replay: the writes of a run were written down by the shim, and for random moments a disk is put
 * together as a cut could leave it. What was synced is there; of the rest each write may be missing (whole), or each of
 * its sectors.
 */

#include "tests/store/scratch.h"

enum cut { CUT_DROPS, CUT_TEARS };

/* The bytes of a file; `data` is its holder's to free. */
struct image {
	uint8_t *data;
	size_t size;
};

struct image image_load(const char *path);

/* Looks at a disk after a cut; `acked` is the last mark before it. */
typedef void replay_judge(const struct scratch *scratch, uint64_t acked);

/* About `wanted` cuts anywhere in the shim's log, of a file that was `before` when the log began. */
void replay_cuts(const struct image *before, enum cut cut, size_t wanted, replay_judge *judge);

#endif
