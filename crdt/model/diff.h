/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_DIFF_H
#define WARREN_DIFF_H

/*
 * What differs between two rows of one shape, field by field.
 */

#include "crdt/base/buf.h"
#include "crdt/model/model.h"

/* The places (bits, as in `has`) of the fields that one row has and the other has not, or that have other values. */
uint64_t diff_rows(const struct shape *shape, const void *a, const void *b);

/* Whether two values of a field are one; both of its type in C. */
bool diff_slots_equal(const struct field *field, const void *a, const void *b);

/*
 * Appends the fields {number: value} that make `to` of `from`, with nil for what is unset: the smallest op that does
 * it. E_VALUE, naming the field, when one that cannot change or cannot be unset differs.
 */
enum code diff_write(const struct shape *shape, const void *from, const void *to, struct buf *buf, struct err *err);

#endif
