/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_CARRY_H
#define WARREN_TEST_CARRY_H

/* Snapshots carried by hand from one node's disk to a taker, chunk by chunk, so that a test may change what comes. */

#include "crdt/gossip/taker.h"
#include "tests/unit/gossip/scene.h"

/* Changes a chunk on its way, the `number`-th of all; false: it does not come at all. */
typedef bool carry_change(void *context, size_t number, struct buf *chunk);

struct carry {
	struct real *donor, *to; /* the donor's disk, and whose statements and log the taker judges by */
	uint8_t chunks;          /* as many as the donor gives at once; 0: as many as it is asked for */
	carry_change *change;    /* NULL: none */
	void *context;
	size_t asks, carried; /* so far */
};

/* Until the taker has all, refuses something, or asks for nothing more and waits: OK. */
enum code carry_all(struct carry *carry, struct taker *taker, struct err *err);

/* A whole and untouched one, which `to` may install. */
void carry_whole(struct real *donor, struct real *to);

/* Installs what was carried, and nothing that the node does thereafter. */
struct installed carry_install(struct real *to, enum snapshot_way way);

static inline struct mesh *carry_mesh(const struct real *real)
{
	return (struct mesh *)(uintptr_t)real_mesh(real);
}

/* A donor with some writes, and a taker in another node that is about to begin. */
struct two {
	struct scene *scene;
	struct real *donor, *to;
	struct taker taker;
	struct carry carry;
	struct err err;
};

struct two carry_two(size_t writes);
void carry_again(struct two *two); /* from the beginning */
void carry_end(struct two *two);

/* Two nodes that have some in common, and no link any more; and one that writes. */
struct two carry_parted(size_t common);
void carry_write(struct real *real, size_t count);

/* Into a node's disk, behind its back. */

/* A record that no frame takes: of a kind that only a later version knows. */
void carry_put_large(struct real *real, size_t cells);

/* That this start of that key's is closed. */
void carry_put_proof(struct real *real, uint32_t key, uint64_t start);

/* Everybody has all of it. */
void carry_put_stable(struct real *real);

/* The older half of the log becomes footprints, and every second of the rest a header; the ends stay as they are. */
void carry_shrink(struct real *real);

#endif
