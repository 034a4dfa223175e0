/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_KEY_H
#define WARREN_KEY_H

/*
 * Values as parts of a store's key: their order as bytes is their order as values, and they can be read back.
 *
 * Numbers are big-endian, signed ones with the sign turned; an address begins with its size; texts end with a zero
 * byte (inside, 00 is 01 01 and 01 is 01 02), so that no value is the beginning of another and "a" comes before "ab".
 */

#include "crdt/base/buf.h"
#include "crdt/model/model.h"

/* Whether values of the type can be part of a key: not counters and parts. */
bool key_takes(enum type type);

/* Appends one value, or one item of a list. */
void key_put_slot(const struct field *field, const void *slot, struct buf *key);

/* Reads it back, a text into `room`, which does not grow. False, when these are not bytes that key_put_slot made. */
bool key_read_slot(const struct field *field, struct reader *key, struct buf *room, void *ret_slot);

#endif
