/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_GEN_ROW_H
#define WARREN_TEST_GEN_ROW_H

/*
 * Random rows of any shape, made from the tables alone: whatever is added to model.def is covered the same day.
 *
 * All required fields are there, the others half of the time; every value keeps its field's limits and often sits on
 * one. Texts and lists live in `arena`. The same random numbers give the same row.
 */

#include "crdt/base/arena.h"
#include "crdt/base/rng.h"
#include "crdt/model/record.h"

void gen_row(const struct shape *shape, struct rng *rng, struct arena *arena, void *ret_row);

/* One value, or one item of a list. */
void gen_slot(const struct field *field, struct rng *rng, struct arena *arena, void *ret_slot);

/* A row of a kind as an op has it: the canonical map of its fields, which fits into an op, and the id they give. */
struct bytes gen_op(const struct kind *kind, struct rng *rng, struct arena *arena, struct id *ret_id);

/* Some of a kind's fields that may still change, each with a new value; the map may be empty. */
struct bytes gen_change(const struct kind *kind, struct rng *rng, struct arena *arena);

/* The id that a map of fields gives. */
struct id gen_id_of(uint32_t kind, struct bytes map);

#endif
