/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_BUCKET_H
#define WARREN_BUCKET_H

/*
 * Two members with equal vectors must have equal roots. Where they have not, somebody's disk or code is wrong: the
 * tables are compared, then the records of a bucket that differs, and an alarm names what differs.
 */

#include "crdt/gossip/frame.h"

struct mesh;
struct link;

/* The peer's weight goes on differing from ours, though its vector is ours. */
void bucket_begin(struct mesh *mesh, struct link *link);

enum code bucket_receive(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err);

/* Says what of it is owed. */
enum code bucket_flush(struct mesh *mesh, struct link *link, struct err *err);

#endif
