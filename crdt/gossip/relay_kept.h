/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_RELAY_KEPT_H
#define WARREN_RELAY_KEPT_H

/*
 * What is kept of acknowledgements in a cluster of more than RELAY_ABOVE members. Of a peer whose acknowledgements this
 * member counts for others (`is_level`) only that in which the two differ, so memory follows from what is on its way,
 * and not from members by streams; of any other (`is_pruned`) what is beyond the stable vector.
 */

#include "crdt/log/vector.h"

struct mesh;
struct peer;

/* How far a peer has the stream at least. */
uint64_t relay_seq(const struct mesh *mesh, const struct peer *peer, struct stream stream);

/* Whether the peer stands where this member does with all streams. */
bool relay_stands_with(const struct mesh *mesh, const struct peer *peer);

/* The one end that somebody said of a stream, or else where everybody is. Of several nothing can be said in one. */
struct end relay_said(const struct mesh *mesh, const struct vector *said, struct stream stream);

/* From now on only what differs is kept; of words what is beyond the stable vector, which has gone further. */
void relay_prune(struct mesh *mesh);

/* All is kept that is known, before this member's vector becomes another one. */
void relay_fill(const struct mesh *mesh, struct peer *peer);
void relay_fill_all(struct mesh *mesh);

/* The stream is about to move here: whoever stood with this member stands there, and not where it goes. */
void relay_moves(struct mesh *mesh, struct stream stream);

/* The peer acknowledged an end: if that is this member's too, it is not kept. */
void relay_noted(const struct mesh *mesh, struct peer *peer, struct stream stream);

/* How far a peer has a stream of which `acked` says nothing; NULL: how far everybody has it. */
struct end relay_floor(const struct mesh *mesh, const struct peer *peer, struct stream stream);

/* Where the peer stands with a stream that has one end here and there, as it said. */
struct end relay_end(const struct mesh *mesh, const struct peer *peer, struct stream stream);

#endif
