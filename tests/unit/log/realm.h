/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_REALM_H
#define WARREN_TEST_REALM_H

/*
 * What the tests of members share: a cluster whose statements are made one after the other, and what a slow, literal
 * reading of the rules says about them.
 */

#include "crdt/base/arena.h"
#include "crdt/log/members.h"

enum { REALM_MAX = 6000, ORACLE_MAX = 64 };

struct realm {
	struct id cluster;
	struct statement all[REALM_MAX];
	size_t count;
	struct arena arena;
};

/* The signer of that number; its node has the number too, unless `node` says another. */
struct signer realm_signer(uint8_t number, uint8_t node);

/* Begins with the cluster's own statement. */
void realm_begin(struct realm *realm, const struct signer *root, const struct signer *recovery);
void realm_end(struct realm *realm);

/* Signs one more. Lists are realm_list's. */
const struct statement *realm_say(struct realm *realm, const struct signer *signer, const struct kind *kind,
				  const void *row);
struct list realm_list(struct realm *realm, const struct id *ids, size_t count);

/* The common ones. */
const struct statement *realm_operator(struct realm *realm, const struct signer *by, struct key32 key);
const struct statement *realm_remove(struct realm *realm, const struct signer *by, struct key32 key,
				     const struct id *standing, size_t count);
const struct statement *realm_invite(struct realm *realm, const struct signer *by, const struct signer *once,
				     struct key32 sponsor);
const struct statement *realm_admit(struct realm *realm, const struct signer *sponsor, const struct signer *once,
				    struct id invite, struct key32 key);
const struct statement *realm_evict(struct realm *realm, const struct signer *by, struct key32 key, struct key32 heir,
				    const struct id *standing, size_t count);
const struct statement *realm_change_root(struct realm *realm, const struct signer *recovery, struct key32 key,
					  struct key32 next_recovery, const struct id *standing, size_t count);

/* By the rules, one after the other, at most ORACLE_MAX statements; fails the test where `members` says otherwise. */
void oracle_compare(const struct realm *realm, const struct members *members);

#endif
