/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_BATCH_H
#define WARREN_BATCH_H

/*
 * Batches: what is signed, stored, sent on, acknowledged. Never cut, never changed.
 *
 * A batch is three things one after the other: a header [version, cluster, node, start, lane, first, count, before,
 * hash of the entries], its author's signature over the header, and the entries; canonical msgpack. `before` names the
 * batch before it in its stream by the hash of its header, so a stream is a chain, and its end (seq, hash) says all of
 * it.
 *
 * An entry [time, actor, [op, …]] is atomic, an op is [kind, id, {field: value}] or [kind, id, nil] for dead. Whether
 * an entry is valid follows from its bytes and its author alone, the same for ever for one version of batches; one
 * that is not is skipped by everybody, and the chain goes on. An op on a kind of tier OWN brings its whole identity,
 * whose first field (number 4: place 1, ONCE) is the author, and is never dead; no other tier but SHARED has ops.
 */

#include "crdt/base/buf.h"
#include "crdt/base/err.h"
#include "crdt/log/sign.h"
#include "crdt/model/types.h"

enum {
	BATCH_VERSION = 1,
	BATCH_MAX = 64 * 1024,
	BATCH_FRONT_MAX = 256, /* header and signature */
	BATCH_ENTRIES_MAX = 4096,
	ENTRY_MAX = BATCH_MAX - BATCH_FRONT_MAX,
	ENTRY_OPS_MAX = 1024,
};

/* The more urgent, the smaller. Each is a chain of its own; between them there is no order. */
enum lane { LANE_URGENT, LANE_PEOPLE, LANE_BULK, LANES };

struct stream {
	uint64_t node, start;
	enum lane lane;
};

/* The end of a batch: what a chain has come to. Zeroed: nothing. */
struct end {
	uint64_t seq;
	struct id hash;
};

struct batch {
	uint64_t version;
	struct id cluster;
	struct stream stream;
	uint64_t first;   /* seq of its first entry; the first of all is 1 */
	uint32_t count;   /* of entries, at least 1 */
	struct id before; /* zero at the head of a stream */
	struct end end;   /* its last seq, and the hash of its header */
	struct signature signature;
	struct bytes header, whole;
	struct bytes entries; /* empty when they are not `count` values one after the other: then all are void */
};

/*
 * Takes a batch apart: form, limits, and that its entries are those of its header; the signature is for
 * batch_is_signed. All of it borrows from `whole`. E_FORM, E_LIMIT; E_NEWER when its version is beyond BATCH_VERSION.
 */
enum code batch_read(struct bytes whole, struct batch *ret_batch, struct err *err);
bool batch_is_signed(const struct batch *batch, struct key32 author);

/* The same for header and signature alone, what batch_front gives of any batch: its entries are empty. */
enum code batch_read_front(struct bytes front, struct batch *ret_batch, struct err *err);
struct bytes batch_front(const struct batch *batch);

/* Appends the batch of `count` entries that entry_write made, behind `before` (zeroed: the stream's first). */
void batch_write(const struct signer *author, struct id cluster, struct stream stream, struct end before,
		 struct bytes entries, uint32_t count, struct buf *out);

struct op {
	uint32_t kind;
	struct id id;
	bool is_dead;
	struct bytes map; /* {field: value} of one that is not */
};

struct entry {
	struct hlc hlc;
	bool has_actor;
	struct ref actor; /* the session, key or user in whose name */
	uint32_t count;
	struct bytes ops, whole;
};

/*
 * The entries of a batch one after the other, from reader_over(batch.entries). False after the last. An entry that is
 * not valid comes with E_FORM, E_LIMIT or E_DENIED in *ret_validity and nothing else: it is void. That the identity of
 * an op gives its id follows from the bytes too, and is left to whoever merges it (apply.h), to be hashed once; an op
 * that breaks this voids its whole entry all the same.
 */
bool batch_next(struct reader *entries, uint64_t author, struct entry *ret_entry, enum code *ret_validity,
		struct err *err);

/* An entry by itself, as batch_next judges it: for whoever writes one. */
enum code entry_check(struct bytes whole, uint64_t author, struct entry *ret_entry, struct err *err);

/* The ops of a valid entry, from reader_over(entry.ops). False after the last. */
bool entry_next(struct reader *ops, struct op *ret_op);

void entry_write(struct hlc hlc, const struct ref *actor, const struct op *ops, size_t count, struct buf *out);

/* The most urgent lane of its ops: urgent kinds' dead, else what people do; bulk when all are a member's own rows. */
enum lane entry_lane(const struct op *ops, size_t count);

int stream_compare(const struct stream *a, const struct stream *b);

static inline bool end_equal(struct end a, struct end b)
{
	return a.seq == b.seq && id_equal(a.hash, b.hash);
}

#endif
