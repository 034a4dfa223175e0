/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_STORIES_STARTS_H
#define WARREN_SIM_STORIES_STARTS_H

/*
 * What becomes of starts, told as it happens: who learns that one is closed and why, who goes on with another, what
 * each says that it had of it, what waits until somebody vouches for it, and who has its own streams again after it
 * began. A node's first start is 1, and its next ones are counted as they come, whatever number they chose.
 */

#include "tests/sim/stories.h"

/* From now on. */
void story_tell_starts(struct story *story);

/* How many starts a machine knows to be closed by proofs. */
size_t story_proofs(const struct story *story, uint32_t machine);

/* Whether it knows that this start of that machine is closed; `start` as the story counts them. */
bool story_is_closed(const struct story *story, uint32_t at, uint32_t whose, uint32_t start);

/* The start with which it goes on now, as the story counts them. */
uint32_t story_start(struct story *story, uint32_t machine);

/* Each machine that is up says what it has of a node, start by start. */
void story_show_streams(struct story *story, uint32_t whose);

/* And what its log holds of that node: whole batches, headers alone, footprints alone. */
void story_show_log(struct story *story, uint32_t whose);

/* Whether that machine finds a closing settled; start 0: that of an eviction. */
bool story_is_settled(struct story *story, uint32_t at, uint32_t whose, uint32_t start);

#endif
