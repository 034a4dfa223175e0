/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FUZZ_MAKE_H
#define WARREN_FUZZ_MAKE_H

/*
 * Valid values, rows and records of any kind, by the tables of model.h and a seeded generator. What is made lies in
 * the arena. It leans to the edges: least and largest numbers, sizes and counts.
 */

#include "crdt/base/arena.h"
#include "crdt/base/rng.h"
#include "crdt/model/record.h"

struct maker {
	struct rng rng;
	struct arena arena;
};

/* One value of a field, or one item of a list. */
void make_slot(struct maker *maker, const struct field *field, union slot *ret_slot);

/* Whether a field is to be in the map. */
typedef bool make_wants(const struct field *field);

/* The canonical map of some of the fields that `wants` (NULL: any) lets in; of all that are required, if whole. */
struct bytes make_map(struct maker *maker, const struct shape *shape, bool is_whole, make_wants *wants);

/* A record of the kind, with unknown fields now and then; and another of the same id that differs here and there. */
struct bytes make_record(struct maker *maker, const struct kind *kind);
struct bytes make_other_record(struct maker *maker, const struct kind *kind, struct bytes record);

/* Kinds and parts alike: any number names one. */
const struct shape *make_shape(size_t number);

#endif
