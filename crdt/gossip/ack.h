/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_ACK_H
#define WARREN_ACK_H

/*
 * Acknowledgements: each member says what is durable at it. To the link that a batch came from, with the commit, where
 * that batch's stream now ends; to all, once a second, what changed since. What is said of a stream is its end, so a
 * later acknowledgement stands for all before it, and the newest one of a member holds, also when it goes back.
 */

#include "crdt/gossip/frame.h"

struct mesh;
struct link;
struct peer;

enum {
	ACK_RECENT = 1024,
	ACK_GIVEN = 8,
	ACK_STREAMS_MAX = 65535, /* that one member may have */
};

/* The streams whose ends changed, the newest last; a link that is behind more than these is told all. */
struct recent {
	struct stream all[ACK_RECENT];
	uint64_t at;
};

/* What one link was told. */
struct telling {
	uint64_t at;
	bool is_begun; /* everything, at least once */
};

/* The streams whose batches a peer gave, and has not yet heard of. */
struct given {
	struct stream all[ACK_GIVEN];
	size_t count;
};

void ack_note(struct recent *recent, struct stream stream);

/* The link gave a batch of the stream, and is to hear of it with the commit. */
void ack_owe(struct mesh *mesh, struct link *link, struct stream stream);

/* Whether the link was not yet told something. */
bool ack_is_due(const struct mesh *mesh, const struct link *link);

/* An acknowledgement or an index, which says the same. E_LIMIT: of more streams than there can be. */
enum code ack_receive(struct mesh *mesh, struct link *link, const struct frontiers *said, struct err *err);

/* The peer has a new link, on which it says anew where it stands. What it said before is not forgotten until then. */
void ack_anew(struct mesh *mesh, struct peer *peer);

/* The peer has said all on a new link: if that is less than what it had said on the one before, its disk went back. */
void ack_compare(struct mesh *mesh, struct peer *peer);

/* Tells what changed since the link was last told; as an index also when that is nothing. */
void ack_flush(struct mesh *mesh, struct link *link, enum frame_kind kind, bool is_answer);

/* Tells what is owed: what the link gave, or more. */
void ack_flush_given(struct mesh *mesh, struct link *link);

/* Whether an acknowledged end is of a batch that is merged here, and so lies on this member's own chain. */
enum code ack_is_on_chain(struct mesh *mesh, struct stream stream, struct end end, bool *ret_is_on, struct err *err);

/* How many other members that stand have the stream at least up to seq, on this member's own chain. */
enum code ack_copies(struct mesh *mesh, struct stream stream, uint64_t seq, uint32_t *ret_copies, struct err *err);

#endif
