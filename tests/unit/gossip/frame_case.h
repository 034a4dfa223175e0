/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_FRAME_CASE_H
#define WARREN_TEST_FRAME_CASE_H

/* What the tests of frames share. */

#include "tests/unit/gossip/gen_frame.h"

/* A peer's side of a link and ours: what it has named, and what we were told. */
extern struct stream_table frame_named, frame_told;
extern struct buf frame_out, frame_again;

/* Of each case. */
int frame_begin(void **state);
int frame_end(void **state);

#define FRAME_TEST(name) cmocka_unit_test_setup_teardown(name, frame_begin, frame_end)

/* That both tables say the same. */
void frame_assert_told(void);

/* Reads what is in frame_out. */
enum code frame_read_out(enum link_stage stage, struct frame *ret_frame);

/* Refused, and the table as it was. */
void frame_assert_refused(struct bytes bytes, enum code expected);

struct frontier frontier_of(uint64_t node, uint64_t seq);

#endif
