/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_STORIES_INSIDE_H
#define WARREN_SIM_STORIES_INSIDE_H

/*
 * What the parts of stories, telling and leading, know of each other.
 */

#include "tests/sim/stories.h"

/* The line that the story of this process begins with. */
const char *story_title(void);

/* Something happened at a machine by itself: "A" `one` `text`, or "A and B" `several` `text`; `one` is a constant. */
void story_hear(struct story *story, uint32_t machine, const char *one, const char *several, const char *text);
void story_flush(struct story *story);

/* A line before what was heard since the last one. */
void story_say_first(struct story *story, const char *text);

/* What becomes of starts (stories_starts.h); all but the first do nothing where nobody wants to know. */
void story_starts_free(struct story *story);
void story_starts_booted(struct story *story, const struct machine *machine);
void story_starts_changed(struct story *story, const struct machine *machine, uint32_t kind, struct id id);
void story_starts_stepped(struct story *story, const struct machine *machine);

void story_copies_free(struct story *story);

/* The world's hooks. */
void story_replied(void *context, struct machine *machine, const struct reply *reply);
void story_changed(void *context, struct machine *machine, uint32_t kind, struct id id);
void story_alarmed(void *context, struct machine *machine, const char *text);
void story_stepped(void *context, struct machine *machine);
void story_booted(void *context, struct machine *machine);
void story_died(void *context, struct machine *machine);

#endif
