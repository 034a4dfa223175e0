/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_MEANING_H
#define WARREN_TEST_MEANING_H

/*
 * Random sets of entries about one record or a few, and what a set means, told without any order.
 *
 * The oracle folds nothing. It looks at all ops that there are of one record, and writes down what the rules make of
 * them: a dead one keeps its identity; LWW is the largest (stamp, node, bytes); MAX the largest number; CRED the only
 * value of the largest generation, or [generation]. From that it says which index entries, marks and weights there are.
 */

#include "crdt/base/arena.h"
#include "crdt/log/batch.h"
#include "crdt/model/record.h"
#include "crdt/state/root.h"

enum { RECORDS = 3, FIELDS = 8, OPS = 3, ENTRIES_MAX = 60, UNKNOWN_KIND = 1000 << 2 | TIER_SHARED };

/* A field's value as bytes, with what the oracle compares. */
struct value {
	struct bytes bytes;
	uint64_t number, generation;
};

struct field_said {
	uint32_t number;
	struct value value;
};

struct op_said {
	size_t record; /* which of them */
	bool is_dead, has_identity, is_wrong;
	size_t count;
	struct field_said fields[FIELDS];
};

struct entry_said {
	struct stamp stamp;
	size_t count;
	struct op_said ops[OPS];
	struct bytes whole;
};

/* What a record is: its kind and the identity that its ops may bring. */
struct subject {
	uint32_t kind;
	struct id id;
	size_t once_count;
	struct field_said once[5];
};

struct set {
	size_t records, count;
	struct subject subjects[RECORDS];
	struct entry_said entries[ENTRIES_MAX];
};

extern const struct id set_cluster;

/* What it holds is there until the next one, or set_done. */
void set_random(struct set *set, uint64_t seed, size_t records, size_t count);
void set_done(void);

/* Whether an entry counts for nothing, because an op's identity does not give its id. */
bool said_is_void(const struct entry_said *entry);

/* All records, index entries and marks in the order of their keys, and the root. */
struct bytes set_meaning(const struct set *set, struct root *ret_root);

/* One of these: a key and its value, each behind its size. */
void set_put_pair(struct buf *buf, struct bytes key, struct bytes value);

#endif
