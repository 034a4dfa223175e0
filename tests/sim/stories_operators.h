/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_STORIES_OPERATORS_H
#define WARREN_SIM_STORIES_OPERATORS_H

/*
 * What operators do in stories: let servers in and evict them, name operators and remove them, raise the level.
 */

#include "tests/sim/stories.h"

/* What is pasted at a new server. */
struct joining token_make(struct story *story, uint32_t sponsor, uint64_t seconds);
struct joining token_make_by(struct story *story, const struct signer *operator, uint32_t sponsor, uint64_t seconds);
/* For a server that is to serve this gateway. */
struct joining token_make_for(struct story *story, uint32_t sponsor, struct id gateway, const char *name);
void token_take_back(struct story *story, uint32_t at, const struct joining *token);

/* The machine starts, or starts anew, to join with that token. */
void story_join(struct story *story, uint32_t machine, const struct joining *token, const char *which);
bool story_is_member(const struct story *story, uint32_t machine);

/* The server where the operator is becomes the heir. */
const struct story_asked *node_evict(struct story *story, uint32_t at, uint32_t machine);
const struct story_asked *node_evict_with_heir(struct story *story, uint32_t at, uint32_t machine, uint32_t heir);

const struct story_asked *node_evict_by(struct story *story, const struct signer *operator, uint32_t at,
					uint32_t machine);

/* One that it let in may stay. */
const struct story_asked *node_evict_but(struct story *story, uint32_t at, uint32_t machine, uint32_t stays);

/* Nobody who is a member has a link to it any more. */
void story_must_be_left(struct story *story, uint32_t machine);

/* The root names another operator, and removes it with all that it signed. */
struct signer operator_name(struct story *story, uint32_t at, const char *name);
const struct story_asked *operator_remove(struct story *story, uint32_t at, const struct signer *operator,
					  const char * name);

/* A statement of any operator's. */
PRINTF(6, 7)
const struct story_asked *story_state_by(struct story *story, const struct signer *operator, uint32_t at,
					 const struct kind *kind, const void *row, const char *format, ...);

const struct story_asked *level_raise(struct story *story, uint32_t at, uint64_t level);

#endif
