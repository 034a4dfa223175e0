/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_GEN_FRAME_H
#define WARREN_GEN_FRAME_H

/* Valid frames of any kind from a seeded generator; and a frame written again from what a reader made of it. */

#include "crdt/base/rng.h"
#include "crdt/gossip/frame_write.h"
#include "crdt/log/statement.h"

/* Appends one. Its streams are of few nodes, so that they come again; lists are mostly short. */
void gen_frame(struct rng *rng, enum frame_kind kind, struct stream_table *named, struct buf *out);

/* A kind, each as likely. */
enum frame_kind gen_kind(struct rng *rng);

/* `told` is what the reader knows, and `named` what it knew before this frame. */
void frame_write_again(const struct frame *frame, const struct stream_table *told, struct stream_table *named,
		       struct buf *out);

#endif
