/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_STATEMENT_H
#define WARREN_STATEMENT_H

/*
 * Statements: what operators (and, for admissions, sponsors) have signed about the cluster itself. They travel as a
 * set, named by their hashes, beside all streams; members.h says what a set of them means.
 *
 * The form is [version, cluster, signer, kind, {field: value}, heads] and behind it the signer's signature over that;
 * canonical msgpack. `kind` is one of tier STATEMENT in model.def, and the row is whole and within this version's
 * limits. The heads are the statements that the signer saw and no other it saw names: their hashes, ascending. An
 * admission has none, so that one row has one hash: else a sponsor could say the same without end.
 */

#include "crdt/base/buf.h"
#include "crdt/base/err.h"
#include "crdt/log/sign.h"
#include "crdt/model/model.h"

enum {
	STATEMENT_VERSION = 1,
	STATEMENT_MAX = 60 * 1024,
	STATEMENT_HEADS_MAX = 64,
	STATEMENTS_MAX = 20000,     /* in a cluster's life */
	STATEMENTS_RESERVED = 2000, /* of them, for those that put somebody out */
	ADMISSION_TEXT_SIZE = 16 + 16 + 32 + 32,
};

struct statement {
	struct id hash; /* of all that is signed: its name */
	struct id cluster;
	struct key32 signer;
	uint32_t kind;
	struct id id;     /* that kind and ONCE fields give: what other statements name an invite or an admission by */
	struct id invite; /* of an admission */
	struct bytes map;
	struct bytes heads; /* 16 bytes each */
	struct signature signature;
	struct bytes whole, body;
};

/*
 * Form and limits; everything borrows from `whole`. The signature is for statement_is_signed. E_FORM, E_VALUE, E_LIMIT;
 * E_NEWER for a version or a kind that this version does not know.
 */
enum code statement_read(struct bytes whole, struct statement *ret_statement, struct err *err);
bool statement_is_signed(const struct statement *statement);

/*
 * Whether a set of `count` has room for one more of that kind. The last places are for evictions, removals of operators
 * and changes of the root: whoever fills the set can still be put out. E_LIMIT.
 */
enum code statement_fits(uint32_t kind, size_t count, struct err *err);

/* Appends one; `row` is of the kind's shape, and whole. The heads may come in any order; an admission has none. */
void statement_write(const struct signer *signer, struct id cluster, const struct kind *kind, const void *row,
		     const struct id *heads, size_t count, struct buf *out);

/* What the one-time key of an invite signs for a node that redeems it. */
struct bytes admission_text(struct id cluster, struct id invite, struct key32 key, struct key32 box_key,
			    uint8_t room[ADMISSION_TEXT_SIZE]);

/* The id that a cluster statement's row gives: the cluster's. */
struct id cluster_id(const struct cluster_row *row);

#endif
