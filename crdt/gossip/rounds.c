/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/rounds.h"

static void copy(const struct vector *from, struct vector *to)
{
	vector_done(to);
	for (size_t i = 0; i < from->count; i++)
		vector_note_more(to, from->all[i].stream, from->all[i].end);
}

static void aim(struct rounds *rounds, enum round round, const struct vector *goal)
{
	rounds->round = round;
	copy(goal, &rounds->goal);
	copy(goal, &rounds->lacks);
}

void rounds_begin(struct rounds *rounds, uint64_t last, const struct vector *own)
{
	aim(rounds, ROUND_FIRST, own);
	rounds->last = last;
}

void rounds_go_on(struct rounds *rounds, const struct vector *joined)
{
	aim(rounds, ROUND_SECOND, joined);
}

void rounds_again(struct rounds *rounds)
{
	vector_done(&rounds->goal);
	vector_done(&rounds->lacks);
	rounds->round = ROUND_NONE;
}

void rounds_done(struct rounds *rounds)
{
	rounds_again(rounds);
}
