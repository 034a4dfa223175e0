/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_OPERATOR_H
#define WARREN_OPERATOR_H

/*
 * Operators' keys that lie on this server (STATE/operator-….key), and what is signed with them: statements about the
 * cluster itself. Whoever may use the socket signs with the key that stands nearest to the root of those that are here.
 */

#include "crdt/base/arena.h"
#include "crdt/log/members.h"
#include "crdt/store.h"

struct operator_key {
	struct signer signer;
	uint8_t seed[32];
	char name[65];
};

/* In locked memory; `name` is cut to what a name may have. */
struct operator_key *operator_new(const char *name);
void operator_free(struct operator_key *key);

enum code operator_write(const char *state_dir, const struct operator_key *key, struct err *err);
enum code operator_remove(const char *state_dir, struct key32 key, struct err *err);

/* The public keys of those that are here, in `arena`, in no order. */
enum code operator_list(const char *state_dir, struct arena *arena, struct key32 **ret_keys, size_t *ret_count,
			struct err *err);

/* That one; E_ABSENT: it is not here. */
enum code operator_find(const char *state_dir, struct key32 key, struct operator_key **ret_key, struct err *err);

/*
 * A copy that only the passphrase opens, as text; it costs much time and 256 MiB, so not on the loop's thread. `salt`
 * is random. E_LIMIT: there is no memory for it.
 */
enum { OPERATOR_SEALED_MAX = 512, OPERATOR_SALT = 40, PASSPHRASE_MIN = 12, PASSPHRASE_MAX = 128 };
enum code operator_seal(const struct operator_key *key, struct bytes passphrase, const uint8_t salt[OPERATOR_SALT],
			char room[OPERATOR_SEALED_MAX], struct err *err);

/* Of those that are here and count as operators the one nearest to the root. E_ABSENT says how to get one here. */
enum code operator_read(const char *state_dir, const struct members *members, struct operator_key **ret_key,
			struct err *err);

/* The statements of a store, and who stands by them. */
struct realm {
	struct id cluster;
	struct statement *all;
	size_t count;
	struct members *members;
};

/* The bytes are in `arena`; realm_done frees the members. */
enum code realm_read(struct store_txn *txn, struct id cluster, struct arena *arena, struct realm *ret_realm,
		     struct err *err);
void realm_done(struct realm *realm);

/* A statement of that kind that names the realm's heads, unless it is an admission; in `arena`. */
struct bytes operator_sign(const struct signer *signer, const struct realm *realm, const struct kind *kind,
			   const void *row, struct arena *arena);

#endif
