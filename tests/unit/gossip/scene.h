/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_SCENE_H
#define WARREN_TEST_SCENE_H

/*
 * What the tests of gossip share: a cluster, real nodes over disks in memory, and bytes that a test carries between
 * them by hand. Nothing moves and no time passes by itself.
 *
 * For peers that say what no member would there are puppets (puppet.h).
 */

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"
#include "crdt/node.h"
#include "tests/sim/store_mem.h"
#include "tests/unit/base/check.h"

/* Keys ascend by the ids they give. */
enum { SCENE_KEYS = 8, SCENE_REALS = 3, SCENE_WIRES = 128, SCENE_SEEN = 96 };

#define MS UINT64_C(1000000)

struct answered {
	uint64_t number;
	enum code code;
	char text[256];
	uint8_t token[TOKEN_MAX];
	size_t token_size, count;
	struct id id;
	uint32_t copies;
	bool is_behind, is_lost;
};

/* A node, and what it asked of the world. */
struct real {
	struct scene *scene;
	uint32_t key;
	struct mem_disk *disk;
	struct store *store;
	struct node *node;
	struct effects effects;
	struct joining joining;
	bool is_joining, is_gathering; /* steps, for one commit of real_commit */
	uint64_t process;
	enum code failed; /* of the steps gathered */
	struct err err;
	struct answered replies[SCENE_SEEN];
	char alarms[SCENE_SEEN][160];
	uint64_t dials[SCENE_SEEN];
	size_t replies_count, alarms_count, dials_count, sends, changes;
};

struct wire {
	struct real *ends[2]; /* the dialler first; [1] NULL: a puppet */
	uint32_t numbers[2];
	struct puppet *puppet;
	struct buf under_way[2]; /* to each end */
	bool is_closed[2];       /* by each end */
	bool is_held;
};

struct scene {
	uint64_t now; /* monotonic, ns */
	struct wall_time wall;
	struct rng rng;
	struct id cluster;
	struct signer root, recovery, keys[SCENE_KEYS];
	struct key32 box_keys[SCENE_KEYS];
	struct arena arena;
	struct bytes statements[1 + 2 * SCENE_KEYS];
	size_t count;
	struct real reals[SCENE_REALS];
	struct mem_disk *disks[SCENE_KEYS];
	bool has_key[SCENE_KEYS]; /* made by a process before */
	struct puppet *puppets[SCENE_WIRES];
	size_t puppets_count;
	struct wire wires[SCENE_WIRES];
	size_t wires_count;
	uint32_t links;
	uint64_t requests, nonces;
};

/* The keys 0 to members - 1 are members, let in by key 0. */
struct scene *scene_new(uint32_t members);
void scene_free(struct scene *scene);

uint64_t scene_node(const struct scene *scene, uint32_t key);

/* Statements, in the scene's arena. */
struct bytes scene_sign(struct scene *scene, const struct signer *signer, const struct kind *kind, const void *row);
struct bytes scene_invite(struct scene *scene, struct key32 sponsor, uint64_t expires_ms, struct signer *ret_one_time);
struct bytes scene_admit(struct scene *scene, const struct signer *sponsor, const struct signer *one_time,
			 struct id invite, uint32_t key);
struct bytes scene_evict(struct scene *scene, uint32_t key, uint32_t heir);
struct id scene_statement_id(struct bytes whole);

/* --- Nodes. */

/* The process starts; one whose disk is new is told the cluster's statements. */
struct real *real_boot(struct scene *scene, uint32_t key);
struct real *real_boot_joining(struct scene *scene, uint32_t key, const struct joining *joining);
void real_end(struct real *real);

static inline const struct mesh *real_mesh(const struct real *real)
{
	return node_mesh(real->node);
}

void real_event(struct real *real, struct node_event *event);
enum code real_commit(struct real *real);
void real_tick(struct real *real);

/* Somebody writes settings of `size` bytes; the request's number. */
uint64_t real_write(struct real *real, size_t size, uint32_t copies);
uint64_t real_bring(struct real *real, const struct bytes *all, size_t count);
uint64_t real_await(struct real *real, struct bytes token, bool is_strict);

/* NULL: not answered. */
const struct answered *real_answer(const struct real *real, uint64_t number);
bool real_has_alarm(const struct real *real, const char *text);
void real_forget(struct real *real); /* what was seen so far */

/* All entries of its store, hashed. */
struct id real_disk(const struct real *real);

/* That memory says what the disk says, and that the disk is sound. */
void real_check(const struct real *real);

/* --- Time, and bytes between nodes. */

struct wire *scene_meet(struct scene *scene, struct real *dialler, struct real *other);
void scene_cut(struct wire *wire);
void scene_carry(struct scene *scene);
void scene_pass(struct scene *scene, uint64_t ms);

#endif
