/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_RECORD_H
#define WARREN_RECORD_H

/*
 * A record as it is stored, hashed and merged: all its fields, also those that only a later version knows, each as the
 * canonical bytes of its value.
 *
 * The form is [is_dead, stamps, {field number: value}]. Only LWW fields have stamps, and most records have one for all
 * of theirs, so `stamps` is one string of bytes: the different stamps, ascending, 16 bytes each (hybrid time, node),
 * then, unless there is only one, for each LWW field in order which of them is its. One content has one form.
 */

#include "crdt/base/buf.h"
#include "crdt/base/hash.h"
#include "crdt/model/model.h"

/*
 * Whatever ops merge into one record, it has room: its identity comes in one op, each value that may change is at most
 * MODEL_CELL_MAX, and there are no more numbers than these.
 */
enum {
	RECORD_CELLS_MAX = MODEL_FIELD_MAX + 1,
	RECORD_FIRST = 1 << 2 | MERGE_ONCE, /* the field at place 1 */
	RECORD_MAX = MODEL_OP_MAX + RECORD_CELLS_MAX / 4 * 3 * MODEL_CELL_MAX + RECORD_CELLS_MAX * 32,
};

/* When and where an LWW value was written. */
struct stamp {
	struct hlc hlc;
	uint64_t node;
};

struct cell {
	uint32_t number;
	struct bytes value; /* canonical msgpack */
	struct stamp stamp; /* of an LWW field */
};

/* A record taken apart; its cells ascend by number and borrow from the bytes that were read. */
struct record {
	bool is_dead;
	size_t count;
	struct cell cells[RECORD_CELLS_MAX];
};

int stamp_compare(struct stamp a, struct stamp b);

/* Takes `bytes` apart, checking all of it. E_FORM, E_LIMIT. */
enum code record_read(struct bytes bytes, struct record *ret_record, struct err *err);

/* Appends the canonical form, which never takes more than record_room says. */
void record_write(const struct record *record, struct buf *buf);
size_t record_room(const struct record *record);

/*
 * An op's fields {number: value}, all written at `stamp`, as a record of their own: what merges into the stored one.
 * E_FORM, E_LIMIT.
 */
enum code record_from_op(struct bytes map, struct stamp stamp, struct record *ret_record, struct err *err);

/*
 * Steps over an op's fields, by the same rules and without keeping them; *ret_first is the value of RECORD_FIRST, empty
 * when it is not there.
 */
enum code record_skip_op(struct reader *r, struct bytes *ret_first, struct err *err);

/* Appends the fields {number: value} alone, as pack_read wants them; nothing of a dead one but its identity. */
void record_write_map(const struct record *record, struct buf *buf);

/* The fields of a stored record as they lie in its bytes, without checking them; for readers of a verified store. */
enum code record_map(struct bytes bytes, bool *ret_is_dead, struct bytes *ret_map, struct err *err);

/* Whether the identity has arrived: any ONCE field (they come together or not at all). */
bool record_has_identity(const struct record *record);

/* The id that the kind and the ONCE fields give. A record whose identity gives another is no record. */
struct id record_id(uint32_t kind, const struct record *record);

#endif
