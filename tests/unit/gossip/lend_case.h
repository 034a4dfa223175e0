/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_LEND_CASE_H
#define WARREN_TEST_LEND_CASE_H

/* What the tests of leasing among members share: people who ask, and a real node among puppets. */

#include "crdt/model/pack.h"
#include "tests/unit/gossip/puppet.h"

struct change creates(struct scene *scene, const struct kind *kind, const void *row);

/* `key`: what makes a repeat the same request; NULL: nothing. */
uint64_t ask(struct real *real, const struct change *changes, size_t count, const char *key);

/* Asked for and answered at once. */
struct id made(struct real *real, const struct kind *kind, const void *row);
struct id made_pool(struct real *real, const char *network);
struct id made_user(struct real *real);

/* A device with a lease, in one request; and many of them. */
uint64_t ask_lease(struct real *real, struct id user, struct id pool);
uint64_t ask_leases(struct real *real, struct id user, struct id pool, size_t count);
void assert_leased(const struct real *real, uint64_t number);
void assert_dry(const struct real *real, uint64_t number);

/* How many live leases a node knows, each of its own address. */
size_t leases(const struct real *real);

/* A real node of key 0 among puppets. */
struct play {
	struct scene *scene;
	struct real *real;
	struct puppet *puppets[3]; /* of keys 1 to 3 */
	struct chain chains[3], rows[3];
	struct id user, pool;
};

/* The pool was made by that key: 0 is the node's own. */
struct play play_of(uint32_t members, uint32_t maker);
uint64_t lease_in(struct play *play);

/* The puppet's last question of that kind; NULL: it was not asked that. */
const struct frame *question(const struct puppet *puppet, enum ask_what what);
void answer(struct puppet *puppet, const struct frame *question, enum code code, struct bytes body);
void say_free(struct puppet *puppet, uint64_t count);
void say_given(struct puppet *puppet, struct id transfer);

/* The puppet asks (of a block for its start), and the last answer that it heard, to that question. */
void ask_node(struct puppet *puppet, enum ask_what what, uint32_t number, struct id pool, uint64_t start);
const struct frame *heard_answer(const struct puppet *puppet, uint32_t number);
uint64_t heard_free(const struct puppet *puppet, uint32_t number);
struct id heard_transfer(const struct puppet *puppet, uint32_t number);

/* A transfer of key `giver` to the node, or to another key, of addresses in a row. */
struct bytes transfer(struct play *play, uint32_t giver, uint8_t first, uint8_t last, struct id *ret_id);
struct bytes transfer_to(struct play *play, uint32_t giver, uint32_t taker, uint8_t first, uint8_t last,
			 struct id *ret_id);

static inline const struct mesh_counts *counts(const struct real *real)
{
	return &real_mesh(real)->counts;
}

#endif
