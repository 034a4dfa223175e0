/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TOKEN_H
#define WARREN_TOKEN_H

/*
 * Tokens: what an answer reflected, for a client to show at any member, which then answers from no less. A token is the
 * vector, with 8 bytes of each end's hash; one that would be longer than TOKEN_MAX is (node, process, commit number),
 * and what it stands for is asked of that node. Nothing is ever subtracted from a token.
 */

#include "crdt/gossip/effects.h"
#include "crdt/log/vector.h"

struct mesh;

enum token_state {
	TOKEN_COVERED,
	TOKEN_BEHIND, /* not yet all of it */
	TOKEN_LOST,   /* part of it can no longer be promised */
	TOKEN_ASK,    /* it names a commit of another member: ask there */
};

/* What is wanted of a token that is a commit's. */
struct token_origin {
	uint64_t node, process, number;
};

/* Appends the token of what is durable here. */
void token_write(const struct mesh *mesh, struct buf *out);

/* A vector alone, as an answer to ASK_TOKEN: of any length. */
void token_write_vector(const struct vector *vector, struct buf *out);

/* E_FORM, E_LIMIT when it is none. An empty one is always covered. */
enum code token_judge(struct mesh *mesh, struct bytes token, enum token_state *ret_state,
		      struct token_origin *ret_origin, struct err *err);

#endif
