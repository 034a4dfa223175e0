/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_CHECK_H
#define WARREN_SIM_CHECK_H

/*
 * The invariants: what must hold in every world, whatever happens in it. Each of the thirteen has a check of its own,
 * by its number in the design. After every step the checks of what it touched run; all of one machine after another in
 * full every CHECK_EVERY steps (with a large state less often, so that a step costs the same); everything when a world
 * has come to rest, and at its end.
 *
 * The first violation is kept, in words, and ends the run for whoever asks.
 */

#include "tests/sim/world.h"

enum { CHECK_EVERY = 1000, INVARIANTS = 13 };

struct check;

struct check *check_new(struct world *world);
void check_free(struct check *check);

/* To be called from the hooks of the same names. */
void check_replied(struct check *check, struct machine *machine, const struct reply *reply);
void check_changed(struct check *check, struct machine *machine, uint32_t kind, struct id id);
void check_stepped(struct check *check, struct machine *machine);
void check_booted(struct check *check, struct machine *machine);
void check_died(struct check *check, struct machine *machine);

/*
 * A write is about to be asked for, by the number that world_write will give (world->requests + 1: the answer may come
 * before it returns). Its reply is then an acknowledgement to be kept.
 */
void check_asked(struct check *check, uint64_t number, uint32_t machine);

/* The same of one that another machine may do: its answer is from there, and what is there is kept there. */
void check_asked_any(struct check *check, uint64_t number, uint32_t machine);

/* What was asked was the use of a secret: who was told that it is done is told of what two have. */
void check_spent(struct check *check, struct machine *m, const struct reply *reply);

/*
 * A client showed this token at a machine and was answered there, now, as from no less (invariant 11). Tokens come from
 * replies that check_replied saw.
 */
void check_read(struct check *check, uint32_t machine, struct bytes token);

/*
 * The disk of a machine was lost or put back to an older state by the run: what was acknowledged there alone may be
 * gone, and its streams may fork. What is there now is sound.
 */
void check_disk_lost(struct check *check, uint32_t machine);

/* It is put back to what a copy of it has, whose vector that is; or it is a copy of another machine's disk. */
void check_disk_restored(struct check *check, uint32_t machine, const struct vector *has);
void check_disk_cloned(struct check *check, uint32_t machine, uint32_t of, const struct vector *has);

/* All is well from now on: what a disk has that is not lost is to reach everybody. */
void check_healed(struct check *check);

/*
 * And this one is not: torn, or with bits turned round. Until it is lost, nothing that its machine reads there is held
 * against it; only what it does to others is.
 */
void check_disk_damaged(struct check *check, uint32_t machine);

/* Its streams may fork for another reason: it runs twice. */
void check_may_fork(struct check *check, uint32_t machine);

/* Anything may come from there. */
void check_evil(struct check *check, uint32_t machine);

/* Everything, now. */
void check_full(struct check *check);

/*
 * All machines whose disks are there are up, nothing keeps them from each other, and they have had check_patience:
 * everything, and that they are one (invariants 1, 3, 12).
 */
void check_rest(struct check *check);

/* How long invariant 12 gives them: 3 + log2 N rounds of anti-entropy. */
uint64_t check_patience(const struct check *check);

/* NULL: nothing was violated. Else "invariant 3: …". */
const char *check_violation(const struct check *check);

/* How often each invariant was checked, in part and in full: a zero says that a run proved nothing of it. */
struct check_counts {
	uint64_t partial[INVARIANTS + 1], full[INVARIANTS + 1];
};
struct check_counts check_counts(const struct check *check);

#endif
