/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TYPES_H
#define WARREN_TYPES_H

/*
 * What a field can be: its types and what they are in C, how it merges, who may write it.
 */

#include "crdt/base/ip.h"
#include "crdt/base/time.h"

/* How two values of one field become one. The low two bits of a field's number, so that every version knows. */
enum merge {
	MERGE_ONCE, /* part of the record's id: never differs */
	MERGE_LWW,  /* the larger (stamp, node, bytes) */
	MERGE_MAX,  /* the larger bytes */
	MERGE_CRED, /* the larger generation; two values at one generation are a conflict */
};

static inline enum merge field_merge(uint32_t number)
{
	return (enum merge)(number & 3);
}

/* Who may author a kind. The low two bits of its number. */
enum tier {
	TIER_STATEMENT, /* operators, by signature */
	TIER_SHARED,    /* any member, in the name of whoever asked it to */
	TIER_OWN,       /* the member whom the row is about */
};

/* Who may set a field of what they may write at all. */
enum writer {
	BY_OWNER = 1,
	BY_ADMIN = 2,
	BY_OPERATOR = 4,
	BY_SELF = 8,       /* the user whom the record belongs to */
	BY_AGENT = 16,     /* the agent, in consequence of what somebody asked */
	BY_MEMBER = 32,    /* the node itself, of itself */
	BY_SIGNATURE = 64, /* an operator's key */

	BY_ADMINS = BY_OWNER | BY_ADMIN,
	BY_STAFF = BY_ADMINS | BY_OPERATOR,
	BY_ALL = BY_STAFF | BY_SELF,
};

/* A total of one writer, what it last read, and how often the thing it reads was made anew. */
struct counter {
	uint64_t total, reading, making;
};

/* A record of any kind. */
struct ref {
	uint32_t kind;
	struct id id;
};

/*
 * What stands beside a CRED value in a row. Generation 0: never set. In conflict the field has no value, and whoever
 * reads it grants the least.
 */
struct guard {
	uint64_t generation;
	bool is_conflict;
};

/* The canonical values of a list, one after the other; read them with pack_next (pack.h). */
struct list {
	struct bytes items;
	size_t count;
};

/* Type of a field, what it is in C, and the limits where model.def gives none: of a number, or of a text's bytes. */
#define MODEL_TYPES(X)                                                          \
	X(BOOL, bool, 0, 0)                                                     \
	X(UINT, uint64_t, 0, (UINT64_C(1) << 53) - 1)                           \
	X(COUNT64, uint64_t, 0, UINT64_MAX)                                     \
	X(INT, int64_t, 0, 0)                                                   \
	X(TIME, struct wall_time, 0, WALL_MAX_MS)                               \
	X(SPAN, uint64_t, 0, UINT64_C(3153600000)) /* seconds, ≤ a century */ \
	X(CHOICE, uint64_t, 0, UINT32_MAX)                                      \
	X(NODE, uint64_t, 1, UINT64_MAX)                                        \
	X(SLUG, struct bytes, 1, 32)                                            \
	X(LOGIN, struct bytes, 1, 64)                                           \
	X(NAME, struct bytes, 1, 64)                                            \
	X(LINE, struct bytes, 1, 255)                                           \
	X(NOTE, struct bytes, 1, 4000)                                          \
	X(HOST, struct bytes, 1, 253)                                           \
	X(URL, struct bytes, 8, 1000)                                           \
	X(BYTES, struct bytes, 1, 255)                                          \
	X(ID, struct id, 0, 0)                                                  \
	X(REF, struct ref, 0, 0)                                                \
	X(KEY, struct key32, 0, 0)                                              \
	X(ADDRESS, struct address, 0, 0)                                        \
	X(NETWORK, struct network, 0, 0)                                        \
	X(COUNTER, struct counter, 0, 0)                                        \
	X(PART, struct bytes, 0, 0)

enum type {
#define X(type, c_type, least, most) TYPE_##type,
	MODEL_TYPES(X)
#undef X
};

/* One value of any type, where it has no row to live in. */
union slot {
	bool truth;
	uint64_t number;
	int64_t signed_number;
	struct wall_time time;
	struct bytes bytes;
	struct id id;
	struct ref ref;
	struct key32 key;
	struct address address;
	struct network network;
	struct counter counter;
};

#define X(type, c_type, least, most) typedef c_type type_##type;
MODEL_TYPES(X)
#undef X

enum {
	MODEL_FIELDS_MAX = 64,    /* of a kind: a bit of `has` each */
	MODEL_KIND_MAX = 0xffff,  /* a kind's number, also of those that only later versions know */
	MODEL_FIELD_MAX = 0xff,   /* a field's number */
	MODEL_PART_SIZE = 256,    /* of the row of a part */
	MODEL_OP_MAX = 60 * 1024, /* the fields of one op, so that a batch can carry any */
	MODEL_CELL_MAX = 4096,    /* a value that may change: so that no record grows without end */
};

/* LEAST_SLUG, MOST_SLUG: what a type is limited to where its field does not say. */
enum {
#define X(type, c_type, least, most) LEAST_##type = (least), MOST_##type = (most),
	MODEL_TYPES(X)
#undef X
};

#endif
