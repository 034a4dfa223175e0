/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_STORIES_PEOPLE_H
#define WARREN_SIM_STORIES_PEOPLE_H

/*
 * What people do in stories, each a line of the timeline, and what they then see.
 */

#include "tests/sim/stories.h"

/* --- Doing. */

const struct story_asked *user_create(struct story *story, struct story_client client, const char *login);

/* With notes as long as they may be. */
void users_import(struct story *story, uint32_t at, uint32_t count);
const struct story_asked *user_rename(struct story *story, struct story_client client, struct id user,
				      const char *login);
const struct story_asked *user_hold(struct story *story, struct story_client client, struct id user,
				    const char *reason);

/* Takes the holds away that are to be seen there. */
const struct story_asked *user_free(struct story *story, struct story_client client, struct id user);

/* A user and the user's password are one request, and two records. */
const struct story_asked *user_create_with(struct story *story, struct story_client client, const char *login,
					   const char *password);
const struct story_asked *password_change(struct story *story, struct story_client client, struct id password,
					  const char *text);

/* Public keys are made of a word. */
struct key32 key_of(const char *text);
const struct story_asked *device_enrol(struct story *story, struct story_client client, struct id user,
				       const char *name, const char *key);
const struct story_asked *device_revoke(struct story *story, struct story_client client, struct id device);

const struct story_asked *plan_create(struct story *story, struct story_client client, const char *name,
				      uint64_t devices);
const struct story_asked *plan_change(struct story *story, struct story_client client, struct id plan,
				      uint64_t devices);
const struct story_asked *user_plan(struct story *story, struct story_client client, struct id user, struct id plan);

const struct story_asked *policy_create(struct story *story, struct story_client client, const char *name);
const struct story_asked *policy_remove(struct story *story, struct story_client client, struct id policy);

/* Rules that allow each of the networks, and nothing else. */
const struct story_asked *policy_save(struct story *story, struct story_client client, struct id policy,
				      const char *first, const char *second);

/* --- Seeing. */

void view_users(struct story *story, struct store_txn *txn, struct id none,
		struct buf *out); /* all, as they are called */
void view_login(struct story *story, struct store_txn *txn, struct id user, struct buf *out);
void view_user(struct story *story, struct store_txn *txn, struct id user, struct buf *out); /* on, or off and why */
void view_password(struct story *story, struct store_txn *txn, struct id password, struct buf *out);
void view_device(struct story *story, struct store_txn *txn, struct id device, struct buf *out);
/* And whether the story's key is in the revoked set. */
void view_key(struct story *story, struct store_txn *txn, struct id device, struct buf *out);
/* What has arrived of a device and its revocation, in whichever order. */
void view_arrival(struct story *story, struct store_txn *txn, struct id device, struct buf *out);
void view_devices(struct story *story, struct store_txn *txn, struct id user, struct buf *out);
void view_policy(struct story *story, struct store_txn *txn, struct id policy, struct buf *out);
/* Whether it lives, and whether anything is left of it. */
void view_mark(struct story *story, struct store_txn *txn, struct id policy, struct buf *out);

/* Who signs in with a login; the user of that name in the story. */
void view_claim(struct story *story, struct store_txn *txn, struct id user, struct buf *out);

#endif
