/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_KEY_NAME_H
#define WARREN_KEY_NAME_H

/*
 * What the keys of a store stand for, in words for operators.
 */

#include "crdt/log/batch.h"

enum { KEY_NAME_SIZE = 160 };

/* "device 3f2a…", "index entry by owner of device 3f2a…", "batch that ends at 17 of node 90ab…, start 1, lane people".
 */
void key_name(struct bytes key, char room[KEY_NAME_SIZE]);

/* "urgent", "people" or "bulk". */
const char *key_lane(enum lane lane);

/* The stream that the key of a batch or of an end begins with; of a batch also its last seq, else 0. False: neither. */
bool key_stream(struct bytes key, struct stream *ret_stream, uint64_t *ret_seq);

/* The number in the key of a statement. */
bool key_statement(struct bytes key, uint32_t *ret_number);

#endif
