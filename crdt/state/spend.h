/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SPEND_H
#define WARREN_SPEND_H

/*
 * Secrets that can be used but so often: enrolment tokens, one-time links, recovery codes. Each use is a record, a
 * spend, which names the secret's record (the credential), what came of it, and of recovery codes which of them it was.
 * A credential has a home, the one member that spends it; of an evicted home whoever inherits its addresses is.
 *
 * A home with an old disk may spend once more what was spent, until it hears of that. So readers judge too: of all live
 * spends of a credential the first ones by (ordinal, id) stand, up to what it allows. What the others made is off.
 */

#include "crdt/base/arena.h"
#include "crdt/model/model.h"
#include "crdt/store.h"

/* What is known of a credential, also once it was removed. */
struct credential {
	uint64_t home;
	uint64_t uses;      /* of a recovery code: each once */
	struct bytes codes; /* the hashes of all recovery codes, one after the other */
	bool has_codes;
	struct wall_time expires;
	bool has_expires;
	struct ref of; /* the user or device that it is for */
	bool has_of;
};

enum { CREDENTIAL_CODES = 10 };

/* Whether records of that kind are spent. */
bool spend_is_of(uint32_t kind);

/* E_ABSENT: there is none, or nothing is left of it; E_VALUE: it is nothing that is spent. Borrows from `txn`. */
enum code spend_credential(struct store_txn *txn, struct ref ref, struct credential *ret_credential, struct err *err);

struct spent {
	struct id id;
	uint64_t ordinal;
	struct bytes code, nonce;
	bool stands;
};

/* The live spends of a credential by code, ordinal and id; in `arena`. */
enum code spend_all(struct store_txn *txn, struct ref credential, struct arena *arena, struct spent **ret_spent,
		    size_t *ret_count, struct err *err);

/* Whether a spend lives and is within what its credential allows. */
enum code spend_stands(struct store_txn *txn, struct id spend, struct arena *arena, bool *ret_stands, struct err *err);

/* Whether a record was made by spends alone that do not stand. */
enum code spend_is_off(struct store_txn *txn, struct ref made, struct arena *arena, bool *ret_is_off, struct err *err);

#endif
