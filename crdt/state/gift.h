/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_GIFT_H
#define WARREN_GIFT_H

/*
 * A gift: what a donor gave of its state, in memory, judged before anything of it is put in place.
 *
 * Each piece is judged as it comes: by its form, and by what can be known of it without the rest. What remains is for
 * gift_judge: that the log bears the vector out. The bytes are borrowed, and stay until the gift is done with.
 */

#include "crdt/log/log.h"
#include "crdt/log/members.h"
#include "crdt/log/proof.h"

enum { GIFT_ENDS_MAX = 1024 }; /* of a stream; no member makes half as many, however its author lies */

struct gift_record {
	uint32_t kind;
	struct id id;
	struct bytes record;
};

struct gift_entry {
	struct logged logged;
	struct id hash, before; /* of one that is more than a footprint */
	bool is_merged;         /* the vector has it; what the donor merged later is left out */
};

struct gift {
	/* By whom the pieces are judged. */
	struct id cluster;
	const struct members *members;
	struct store_txn *look; /* a log in which the same bytes may be, and are sound then; NULL: none */

	struct vector stable, vector;
	struct gift_record *records;
	size_t records_count, records_room;
	struct gift_entry *entries; /* ascending by stream, last seq, tail */
	size_t entries_count, entries_room;
	struct gift_proof {
		uint64_t node, start;
		struct bytes whole;
	} * proofs;
	size_t proofs_count, proofs_room;
};

void gift_done(struct gift *gift);

/*
 * One piece more. E_FORM, E_VALUE, E_LIMIT, E_DENIED: no donor that is well gives such; E_ABSENT: its author is not
 * known here, which may be nobody's fault. Of records and entries each comes behind the one before it.
 */
enum code gift_add_ends(struct vector *vector, struct stream stream, struct bytes ends, struct err *err);
enum code gift_add_proof(struct gift *gift, uint64_t node, uint64_t start, struct bytes whole, struct err *err);
enum code gift_add_record(struct gift *gift, uint32_t kind, struct id id, struct bytes record, struct err *err);

/* `logged` as its key says it, with the bytes that came. */
enum code gift_add_entry(struct gift *gift, const struct logged *logged, struct err *err);

/*
 * All of it is there: says which entries the vector has. Each of its ends must be in the log with the author's
 * signature, and the chain below it, down to what everybody has. Footprints below a gap are left out. E_VALUE.
 */
enum code gift_judge(struct gift *gift, struct err *err);

/* The entry of that place, or the first behind it; NULL: the stream has none such. */
struct gift_entry *gift_entry_from(const struct gift *gift, struct stream stream, struct log_place place);

/* The entry itself, which the vector has. NULL: it has none. */
struct gift_entry *gift_find(const struct gift *gift, const struct logged *logged);

/* Whether it has the batch: it shows it, or has nothing in its place and is further. */
bool gift_has(const struct gift *gift, const struct logged *logged);

/* Whether a proof of it closes the start. */
bool gift_closes(const struct gift *gift, uint64_t node, uint64_t start);

#endif
