/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_CHECK_CLOSING_H
#define WARREN_SIM_CHECK_CLOSING_H

/*
 * Starts that are closed, by the rows and proofs on a machine's disk: what is merged of them (7), and what closed
 * them (4).
 */

#include "tests/sim/check_inside.h"

/* At any time; and at rest. */
void check_closings(struct check *check, struct machine *m, struct store_txn *txn);
void check_closed(struct check *check, struct machine *m, struct store_txn *txn);

/* After a step: whoever may lease now what an evicted member had knows what all have of it (5). */
void check_gates(struct check *check, struct machine *m);
/* What was met is on the disk that a process finds. */
void check_gates_booted(struct check *check, const struct machine *m);

/* Whether a row that is merged here names this of a closed start, or what comes behind it. */
bool check_may_move(struct check *check, struct machine *m, const struct frontier *f);

#endif
