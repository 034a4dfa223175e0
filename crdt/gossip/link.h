/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_LINK_H
#define WARREN_LINK_H

/*
 * Links: one stream of bytes to one other process each, from its opening to its end. To each member there is one that
 * is used; of two the one stays that the smaller node dialled, of two from one side the later.
 */

#include "crdt/gossip/mesh.h"

/* The transport opened or accepted a stream; one that was dialled says to which node. E_LIMIT: close it. */
enum code link_open(struct mesh *mesh, uint32_t number, bool is_dialler, uint64_t node, struct err *err);

/* It is gone. */
void link_gone(struct mesh *mesh, uint32_t number);

/* A dial came to nothing. */
void link_refused(struct mesh *mesh, uint64_t node);

/* What arrived. Only failures of the store are returned; what is wrong with a peer ends its link. */
enum code link_receive(struct mesh *mesh, uint32_t number, struct bytes bytes, struct err *err);

struct link *link_find(const struct mesh *mesh, uint32_t number);

void link_owe(struct mesh *mesh, struct link *link, uint32_t owed);
void link_touch(struct mesh *mesh, struct link *link);

/* To be closed, with a word (0: without). */
void link_close(struct mesh *mesh, struct link *link, enum bye_reason bye);

/* The link is the peer's from now on, and it is a member. */
void link_take(struct mesh *mesh, struct link *link, struct peer *peer);

/* What the peer's statements now make of it. */
void link_judge(struct mesh *mesh, struct link *link);

/* Whether everything may be said on it. */
bool link_is_open(const struct mesh *mesh, const struct link *link);

/* Seals mesh->frame onto the link. */
void link_send(struct mesh *mesh, struct link *link);

/* Says all that is owed to all. */
enum code link_flush(struct mesh *mesh, struct err *err);

/* Dials the peer as soon as it may be. */
void link_want(struct mesh *mesh, struct peer *peer);

/* Dials whom there is no link to and is to be one; lets go of what is old or came to nothing. */
void link_tick(struct mesh *mesh);
void link_free_all(struct mesh *mesh);

#endif
