/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_YARD_H
#define WARREN_TEST_YARD_H

/*
 * One real node among members who are only what the test says they acknowledged: chains of batches about leases, made
 * by the others, of which the node merges what the test lets it.
 */

#include "tests/unit/gossip/scene.h"

enum { YARD_LANES = 2, YARD_OTHERS = 5, YARD_STREAMS = YARD_LANES * YARD_OTHERS, YARD_BATCHES = 500 };

struct yard_chain {
	struct stream stream;
	struct signer signer;
	struct bytes whole[YARD_BATCHES + 1];
	struct end ends[YARD_BATCHES + 1]; /* the first is none */
	size_t count;
};

struct yard {
	struct scene *scene;
	struct real *real;
	struct mesh *mesh;
	struct yard_chain chains[YARD_STREAMS]; /* of the other with number n: n * YARD_LANES and on */
	size_t others;
};

struct yard *yard_new(size_t others);
void yard_free(struct yard *yard);

/* The process ends and another begins, which nobody has told anything. */
void yard_restart(struct yard *yard);

/* A lease by its number, made or ended; its nonce has so many bytes. */
struct op yard_lease(struct yard *yard, uint64_t number, size_t nonce, bool is_dead);

/* The next batch of a chain, with one entry of these ops, or with one as large as that. */
void yard_write(struct yard *yard, size_t chain, const struct op *ops, size_t count);
void yard_write_large(struct yard *yard, size_t chain, size_t size);

/* As a batch that follows another one; borrowed for the yard's life. */
struct batch yard_batch(struct yard *yard, size_t chain, struct end before, size_t size);

/* The node merges a batch: the next of its stream, or one that lies on another branch, which ends there then. */
void yard_merge(struct yard *yard, const struct batch *batch);
void yard_branch(struct yard *yard, const struct batch *batch);

/* The node merges a chain's batches up to that one; how many it has. */
void yard_merge_to(struct yard *yard, size_t chain, size_t count);
size_t yard_has(const struct yard *yard, size_t chain);

/* Another one acknowledges so many batches of a chain. */
void yard_ack(struct yard *yard, size_t other, size_t chain, size_t count);
void yard_ack_all(struct yard *yard);

/* All others acknowledge what the node itself wrote. */
void yard_ack_own(struct yard *yard);
struct peer *yard_peer(struct yard *yard, size_t other);

/* Time for one look, and for all the steps that follow. */
void yard_look(struct yard *yard);

/* Whether the record is there, in any form, and how many there are on the list of the dead. */
bool yard_is_there(struct yard *yard, const struct op *op);
size_t yard_listed(struct yard *yard);

/* The entry of a chain's batch; false: there is none. */
bool yard_form(struct yard *yard, size_t chain, size_t number, enum log_form *ret_form);

/* That memory, disk and log agree about what is stable, what the log takes, and what is left of it. */
void yard_check(struct yard *yard);

#endif
