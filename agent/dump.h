/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_DUMP_H
#define WARREN_DUMP_H

/*
 * A state as lines of JSON on stdout: records, then statements, then one line for each stream with where it ends and
 * which batches of it are kept. What is damaged is named on stderr and passed over while there is a way on.
 */

#include "crdt/base/err.h"
#include "crdt/model/model.h"

/* `only` is the one kind wanted, of records or statements; NULL: all there is. *damages counts what was named. */
enum code dump_state(const char *state_dir, const struct kind *only, uint64_t *damages, struct err *err);

#endif
