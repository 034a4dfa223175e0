/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_TREE_H
#define WARREN_SIM_TREE_H

/*
 * A persistent ordered tree: whoever keeps a tree has it for good, whatever becomes of the others that share with it.
 *
 * A treap whose priorities are hashes of the keys, so its shape depends on its entries alone. `struct tree *` is its
 * root, NULL an empty one, and stands for one reference; a change copies the path to it, or nothing where nobody else
 * looks. Keeping is O(1), everything else O(log n). References are not counted atomically: trees that share belong to
 * one thread.
 */

#include "crdt/base/base.h"

struct tree;

struct tree_entry {
	uint32_t refs;
	uint32_t key_size;
	size_t value_size;
	uint8_t bytes[]; /* the key, then the value */
};

static inline struct bytes tree_key(const struct tree_entry *entry)
{
	return bytes_of(entry->bytes, entry->key_size);
}

static inline struct bytes tree_value(const struct tree_entry *entry)
{
	return bytes_of(entry->bytes + entry->key_size, entry->value_size);
}

struct tree *tree_keep(struct tree *tree);
void tree_drop(struct tree *tree);

/* The bytes of all keys and values. */
uint64_t tree_weight(const struct tree *tree);

/* Borrowed from the tree, until it is dropped or changed. NULL: there is none. */
const struct tree_entry *tree_find(const struct tree *tree, struct bytes key);

/* Room for the value, zeroed. */
uint8_t *tree_put(struct tree **tree, struct bytes key, size_t size);
bool tree_remove(struct tree **tree, struct bytes key); /* false: there was none */

/* Turns one bit of a key or a value round and leaves the entry where it stands; `bit` is below 8 * weight. */
void tree_flip(struct tree **tree, uint64_t bit);

/* Deeper than any treap gets: one of 2^40 entries stays below it. */
enum { TREE_DEPTH = 192 };

struct tree_cursor {
	const struct tree *path[TREE_DEPTH]; /* what is still to come, each before its right side */
	size_t depth;
};

/* Before the first key that is not less than `from`. */
void tree_seek(struct tree_cursor *cursor, const struct tree *tree, struct bytes from);

/* NULL after the last. */
const struct tree_entry *tree_next(struct tree_cursor *cursor);

#endif
