/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_STORE_CONFORMANCE_H
#define WARREN_TEST_STORE_CONFORMANCE_H

/*
 * What every store must do, whatever disk is below it: one suite, run against each of them.
 */

#include "crdt/store_backend.h"

/* How the suite comes by stores of one kind. A place is what a disk or a folder is: it outlives the store on it. */
struct store_maker {
	const char *name;
	int rounds; /* of the randomized run: one commit each */
	void *(*make)(void);
	void (*drop)(void *place);
	enum code (*open)(void *place, const struct hash_key *fresh_key, struct store **ret_store, struct err *err);
	/* Writes (or, with NULL data, removes) an entry behind the store's back, while it is closed. */
	void (*poke)(void *place, struct bytes key, struct bytes value);
};

/* The number of tests that failed. */
int conformance_run(const struct store_maker *maker);

/* What is damaged beneath a store, and repaired through it; also the number that failed. */
int conformance_repair(const struct store_maker *maker);

/* `value` as the store below sees it: with the seal that `secret` gives it under `key`; in `room`, 8 bytes more. */
struct bytes conformance_seal(struct hash_key secret, struct bytes key, struct bytes value, uint8_t *room);

/* The randomized run, by itself: mixed operations against an array of pairs. */
void conformance_random(const struct store_maker *maker, uint64_t seed);

#endif
