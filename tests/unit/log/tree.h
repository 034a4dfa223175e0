/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_TREE_H
#define WARREN_TEST_TREE_H

/*
 * What the tests of closed starts share: one stream, whose batches are a tree.
 */

#include "tests/unit/log/logbook.h"

enum { BATCHES = 24, START = 77 };

/* One that was put, and what there is to be of it. */
struct kept {
	struct batch batch;
	size_t parent; /* BATCHES: none */
	enum log_form form;
	bool is_gone, has_children;
};

extern struct logbook book;
extern struct stream stream;
extern struct kept kept[BATCHES];
extern size_t count;

/* For cmocka, around each test. */
int tree_begin(void **state);
int tree_end(void **state);

/* One batch more: its seqs are all different from its parent's, its bytes from everybody's. */
void grow(size_t parent, uint32_t entries);

/* A tree as it comes, with its ends: mostly one long branch, now and then another root. */
void grow_tree(void);

/* One root, two branches: 0 - 1 - 2 and 0 - 3, of three entries each; the tips are 2 and 3. With a proof, committed. */
void grow_fork(void);

void put_ends(void);
void put_proof(void);

struct logged found(size_t i);
void shrink(size_t i, enum log_form form);
void drop(size_t i);

/* Of a batch, or without an end of a stream. */
struct bytes key_at(uint8_t table, struct stream of, const struct end *end);
void plant(struct bytes key, struct bytes value);

#endif
