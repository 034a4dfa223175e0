/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CLOSED_INSIDE_H
#define WARREN_CLOSED_INSIDE_H

#include "crdt/gossip/closed.h"

/*
 * What closed_rows.c does for closed.c, once more starts are closed: proves that streams with two ends are split,
 * begins a new start where this member's own is closed, and writes the rows that it owes.
 */
enum code closed_apply(struct mesh *mesh, struct err *err);

#endif
