/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CLAIM_H
#define WARREN_CLAIM_H

/*
 * Names: a claim is a field's value that one live record may hold (model.def: is_claim; a device's name among its
 * owner's). Claims are resolved when read. Where several live records hold one name, the plain name means none of them:
 * each answers to `name~` and as many characters of its id as tell it apart, at least CLAIM_TAIL.
 */

#include "crdt/base/arena.h"
#include "crdt/model/model.h"
#include "crdt/store.h"

enum { CLAIM_TAIL = 6, CLAIM_TEXT_MAX = 64 + 1 + 32 };

/* The live claimants of a name, ascending by id; in `arena`. */
enum code claim_holders(struct store_txn *txn, const struct kind *kind, struct bytes name, struct arena *arena,
			struct id **ret_ids, size_t *ret_count, struct err *err);

/*
 * The record that a text means: an id in hex, a plain name that one record holds, or name~tail. E_ABSENT; E_TAKEN,
 * listing the full names, when it means several.
 */
enum code claim_resolve(struct store_txn *txn, const struct kind *kind, struct bytes text, struct arena *arena,
			struct id *ret_id, struct err *err);

/* What a record answers to now: its plain name, or with as much of a tail as it needs; in `arena`. */
enum code claim_text(struct store_txn *txn, const struct kind *kind, struct id id, struct arena *arena,
		     struct bytes *ret_text, struct err *err);

/* The claim field of a kind; NULL when it has none. */
const struct field *claim_field(const struct kind *kind);

#endif
