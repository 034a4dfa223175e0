/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_STORIES_DISKS_H
#define WARREN_SIM_STORIES_DISKS_H

/*
 * What happens to whole machines and their disks: copies, old disks, clones, power cuts; and what is kept from one
 * machine on its way to another.
 */

#include "tests/sim/stories.h"

/* Somebody copies the disk; then puts that copy in place of it, while the machine is down. */
void story_copy(struct story *story, uint32_t machine);
void story_put_back(struct story *story, uint32_t machine);

/* All of a machine as it is, or as it was copied, on another: its disk, and so its key. */
void story_clone(struct story *story, uint32_t from, uint32_t to);
void story_clone_copy(struct story *story, uint32_t from, uint32_t to);

/* Whoever is up loses power; all come back. */
void story_cut_all(struct story *story);

/* While its process lives, it drops from the log whatever it may. */
void story_shrink_log(struct story *story, uint32_t machine);

/* Nothing gets from one to the other, or does again; the way back is as it was. */
void story_block(struct story *story, uint32_t from, uint32_t to);
void story_unblock(struct story *story, uint32_t from, uint32_t to);

#endif
