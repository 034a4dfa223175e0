/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_LONE_H
#define WARREN_TEST_LONE_H

/*
 * A real node, alone in its cluster, over whichever store: what tests of the disk and the maker of states run. Its keys
 * are the same each time, so that another process goes on where one ended.
 *
 * It is asked for changes with numbers from 1 on, each of which is known by its number: some make a user, some change
 * one, some remove one. So what is there after the first n follows from n, and n from where its streams end.
 */

#include "crdt/node.h"

enum { LONE_COMMIT_MAX = 4, LONE_NOTE_MAX = 1500, LONE_LOGIN_SIZE = 16 };

struct lone {
	struct signer root, signer;
	struct id cluster;
	struct store *store;
	struct node *node;
	struct effects effects;
	uint64_t now_ns;
	/* Told each answer to a change; NULL: nobody is. */
	void (*replied)(void *context, const struct reply *reply);
	void *context;
	/* Of the last answer that was a refusal. */
	enum code refused;
	char refusal[256];
	size_t alarms;
};

/*
 * Founds the cluster, unless that is in the store. The store is borrowed. E_FULL when there is no room for that; then
 * the node is open all the same, and may be let found it again.
 */
enum code lone_open(struct lone *lone, struct store *store, struct err *err);
enum code lone_found(struct lone *lone, struct err *err);
void lone_close(struct lone *lone);

/*
 * One commit of `count` changes, at most LONE_COMMIT_MAX, from number `first` on. What node_commit says; whether the
 * changes were refused is for the answers.
 */
enum code lone_write(struct lone *lone, uint64_t first, size_t count, struct err *err);

/* How many changes go into the commit that begins with this one. */
size_t lone_commit_size(uint64_t first);

/* What a change is. */
enum lone_what { LONE_MAKE, LONE_SET, LONE_REMOVE };
enum lone_what lone_what(uint64_t number, uint64_t *ret_of);

/* The user that a change made, and the note that a change, this or a later one, gave. */
void lone_login(uint64_t number, char room[LONE_LOGIN_SIZE]);
struct bytes lone_note(uint64_t number, uint8_t room[LONE_NOTE_MAX]);

/* The live user that change `number` made. E_ABSENT. */
enum code lone_find(struct store_txn *txn, uint64_t number, struct id *ret_id, struct err *err);

#endif
