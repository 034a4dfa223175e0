/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_PACK_H
#define WARREN_PACK_H

/*
 * Rows to canonical msgpack and back, by the tables of model.h.
 *
 * A row is a map from field number to value, ascending; the value of a CRED field is [generation, value], with nil once
 * removed, and [generation] in conflict. Reading allocates nothing: texts, bytes and lists are borrowed
 * from the bytes that were read. Fields that this version does not know are stepped over, in a PART refused; whoever
 * must keep them works on the bytes (record.h), never on a row.
 */

#include "crdt/base/buf.h"
#include "crdt/model/model.h"

/*
 * Reads `map` into `ret_row`, which has the shape's size and is scratch after a failure; a kind's `id` is left as it
 * is. E_FORM when the bytes are not canonical; E_VALUE or E_LIMIT, naming the field, when a known one breaks its limits
 * or, if the row is to be whole, a required one is missing.
 */
enum code pack_read(const struct shape *shape, struct bytes map, bool is_whole, void *ret_row, struct err *err);

/* Appends the fields that `row` has, whose values keep their limits. */
void pack_write(const struct shape *shape, const void *row, struct buf *buf);

/* The value that `row` has for the field at `place`: a list whole, a CRED one with its generation. */
void pack_write_field(const struct shape *shape, size_t place, const void *row, struct buf *buf);

/* One value of a field, or one item of its list: the form first, then the limits. */
enum code pack_read_slot(const struct field *field, struct reader *r, void *ret_slot, struct err *err);
void pack_write_slot(const struct field *field, const void *slot, struct buf *buf);

/*
 * The items of a list that was read, one after the other: begin with reader_over(list.items). False after the last.
 * A PART's slot takes its bytes, for pack_read.
 */
bool pack_next(const struct field *field, struct reader *items, void *ret_slot);

static inline uint64_t *row_has(const struct shape *shape, void *row)
{
	return (uint64_t *)(void *)((uint8_t *)row + shape->has_at);
}

static inline bool row_has_field(const struct shape *shape, const void *row, size_t place)
{
	const void *has = (const uint8_t *)row + shape->has_at;

	return *(const uint64_t *)has & BIT(place);
}

#endif
