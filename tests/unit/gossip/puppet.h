/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_PUPPET_H
#define WARREN_TEST_PUPPET_H

/*
 * A puppet is a peer whose session is real and whose frames the test writes: it says what no member would. What it
 * hears is read with frame_read at once, so that every frame of a node is seen to be one.
 */

#include "tests/unit/gossip/scene.h"

struct heard {
	struct frame frame;
	struct bytes bytes;
};

struct puppet {
	struct scene *scene;
	struct real *to;
	uint32_t number; /* of the node's link */
	struct session_self self;
	struct session *session;
	struct stream_table told, named;
	struct buf out, frame;
	struct heard *heard;
	size_t count, room;
	bool is_up, is_closed; /* by the node */
};

/* It dials the node, and has shown who it is; nothing else was said yet. */
struct puppet *puppet_dial(struct real *real, const struct signer *signer, uint64_t process);

/* The node dialled it. */
struct puppet *puppet_answer(struct real *real, const struct signer *signer, uint64_t process);

/* Its bytes do not come, from the beginning: a link and no session. */
struct puppet *puppet_knock(struct real *real);
void puppet_free(struct puppet *puppet);
void puppet_hear(struct puppet *puppet, struct bytes bytes);

/* Sends what was put into puppet->frame. */
void puppet_say(struct puppet *puppet);
void puppet_push(struct puppet *puppet, struct bytes bytes); /* as they are */
void puppet_hang_up(struct puppet *puppet);

/*
 * A member agrees on the statements, shows that it has nothing of the node's own streams, and says that it has what
 * `vector` has (NULL: nothing).
 */
void puppet_agree(struct puppet *puppet);
void puppet_open(struct puppet *puppet, const struct vector *vector);

/* Dials, agrees and opens. */
struct puppet *puppet_member(struct real *real, uint32_t key);

/* Says one thing. */
void puppet_batch(struct puppet *puppet, struct bytes whole);
void puppet_ack(struct puppet *puppet, struct stream stream, struct end end);
void puppet_index(struct puppet *puppet, const struct vector *vector, bool is_answer);
void puppet_fronts(struct puppet *puppet, const struct bytes *all, size_t count);
void puppet_statements(struct puppet *puppet, const struct bytes *all, size_t count);
void puppet_want(struct puppet *puppet, struct stream stream, uint64_t after, uint64_t until);
void puppet_hint(struct puppet *puppet, enum hint_what what, uint64_t node);

/* Answers the last hint, a probe. */
void puppet_lives(struct puppet *puppet);

/* What was heard since the last puppet_forget. */
size_t puppet_count(const struct puppet *puppet, enum frame_kind kind);
const struct frame *puppet_last(const struct puppet *puppet, enum frame_kind kind); /* it was heard */
void puppet_forget(struct puppet *puppet);
bool puppet_was_told(const struct puppet *puppet, enum bye_reason bye); /* and closed */

/* Whether the node's last frontier of that stream was this seq; in an ack or an index. */
bool puppet_heard_end(const struct puppet *puppet, struct stream stream, uint64_t seq);

/*
 * What hostility comes to: the link is closed with `bye broke`, an alarm says who and why (of members), the disk is as
 * it was, and memory says the same as the disk.
 */
void puppet_refused(struct puppet *puppet, struct id disk, const char *why);

/* Or to nothing at all: the link stays. */
void puppet_ignored(struct puppet *puppet, struct id disk);

/* A stream that a test writes. */
struct chain {
	struct scene *scene;
	struct signer signer;
	struct stream stream;
	struct end end;
};
struct chain chain_of(struct scene *scene, uint32_t key);

/* The next batch, of so many settings of `size` bytes each; in the scene's arena. */
struct bytes chain_next(struct chain *chain, uint32_t entries, size_t size);

/* The next batch, of one record; `row` lacks a nonce, which it gets. */
struct bytes chain_record(struct chain *chain, const struct kind *kind, void *row, struct id *ret_id);

/* The next batch, of one row: its author had merged these ends of that start (0: of all that the evicted wrote). */
struct bytes chain_row(struct chain *chain, uint32_t subject, uint64_t start, const struct vector *ends);

#endif
