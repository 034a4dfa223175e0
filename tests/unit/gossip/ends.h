/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_ENDS_H
#define WARREN_TEST_ENDS_H

/* Two ends of a session, 0 who dials and 1 who accepts, and what goes between them. */

#include "crdt/gossip/session.h"
#include "tests/unit/base/check.h"

enum { ENDS_ROOM = 1 << 18 };

static const struct id cluster = { { 0xc1, 2, 3 } }, other_cluster = { { 0xc1, 2, 4 } };
static const struct mono_time start = { 5000000000 };

/* One end: who it is, its session, and what it has to send. */
struct end {
	struct signer signer;
	struct session_self self;
	struct session *session;
	struct buf out;
	uint8_t random[32];
	/* What came of what it got. */
	size_t ups, frames;
	struct buf told; /* the frames, one behind the other */
	enum session_step last;
	struct err err;
};

extern struct end ends[2];

#define END_TEST(name) cmocka_unit_test_setup_teardown(name, ends_begin, ends_finish)

int ends_begin(void **state);
int ends_finish(void **state);

/* As they were at the beginning. */
void again(void);

void dial(void);

/* Dials, and passes on all of the handshake. */
void shake_hands(void);

/* Gives an end bytes, in a room of just their size so that reading beyond them is noticed. */
void give(struct end *end, struct bytes bytes);

/* All that one has to send to the other, the first `cut` bytes of it by themselves. */
void pass(struct end *from, struct end *to, size_t cut);

/* One frame of that size, each byte the size's lowest. */
void put_some(struct end *end, size_t size);

/* Both came up, once, and know each other. */
void assert_peers(void);

/* Its error says that, and it does nothing any more. */
void assert_broken(struct end *end, const char *text);

#endif
