/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/tree.h"

#include "crdt/base/hash.h"

#include <assert.h>
#include <stdlib.h>

struct tree {
	uint32_t refs;
	uint32_t priority;
	uint64_t head; /* the key's first 8 bytes: most comparisons need no more, and no further cache line */
	uint64_t weight;
	struct tree *left, *right;
	struct tree_entry *entry;
};

static uint64_t head_of(struct bytes key)
{
	uint64_t head = 0;

	for (size_t i = 0; i < 8; i++)
		head = head << 8 | (i < key.size ? key.data[i] : 0);
	return head;
}

static int compare(struct bytes key, uint64_t head, const struct tree *at)
{
	if (head != at->head)
		return head < at->head ? -1 : 1;
	return bytes_compare(key, tree_key(at->entry));
}

static struct tree_entry *entry_make(struct bytes key, size_t value_size)
{
	struct tree_entry *entry = must_alloc(sizeof *entry + key.size + value_size);

	entry->refs = 1;
	entry->key_size = (uint32_t)key.size;
	entry->value_size = value_size;
	if (key.size)
		memcpy(entry->bytes, key.data, key.size);
	return entry;
}

static void entry_drop(struct tree_entry *entry)
{
	if (!--entry->refs)
		free(entry);
}

struct tree *tree_keep(struct tree *tree)
{
	if (tree)
		tree->refs++;
	return tree;
}

void tree_drop(struct tree *tree)
{
	if (!tree || --tree->refs)
		return;
	tree_drop(tree->left);
	tree_drop(tree->right);
	entry_drop(tree->entry);
	free(tree);
}

uint64_t tree_weight(const struct tree *tree)
{
	return tree ? tree->weight : 0;
}

/* Takes a reference to `at` and gives one to a node that nobody else has. */
static struct tree *own(struct tree *at)
{
	struct tree *copy;

	if (at->refs == 1)
		return at;
	copy = must_alloc(sizeof *copy);
	*copy = *at;
	copy->refs = 1;
	copy->entry->refs++;
	tree_keep(copy->left);
	tree_keep(copy->right);
	at->refs--;
	return copy;
}

static uint64_t entry_weight(const struct tree_entry *entry)
{
	return entry->key_size + entry->value_size;
}

static struct tree *weighed(struct tree *at)
{
	at->weight = entry_weight(at->entry) + tree_weight(at->left) + tree_weight(at->right);
	return at;
}

const struct tree_entry *tree_find(const struct tree *tree, struct bytes key)
{
	uint64_t head = head_of(key);

	while (tree) {
		int order = compare(key, head, tree);

		if (!order)
			return tree->entry;
		tree = order < 0 ? tree->left : tree->right;
	}
	return NULL;
}

static void split(struct tree *at, const struct tree *by, struct tree **ret_left, struct tree **ret_right)
{
	if (!at) {
		*ret_left = *ret_right = NULL;
		return;
	}
	at = own(at);
	if (compare(tree_key(by->entry), by->head, at) < 0) {
		split(at->left, by, ret_left, &at->left);
		*ret_right = weighed(at);
	} else {
		split(at->right, by, &at->right, ret_right);
		*ret_left = weighed(at);
	}
}

/* All of `left` is less than all of `right`. */
static struct tree *join(struct tree *left, struct tree *right)
{
	if (!left || !right)
		return left ? left : right;
	if (left->priority >= right->priority) {
		left = own(left);
		left->right = join(left->right, right);
		return weighed(left);
	}
	right = own(right);
	right->left = join(left, right->left);
	return weighed(right);
}

/* A key has one priority, so the node that has it already is met before any that `fresh` must stand above. */
static struct tree *insert(struct tree *at, struct tree *fresh)
{
	int order;

	if (!at)
		return weighed(fresh);
	order = compare(tree_key(fresh->entry), fresh->head, at);
	if (order && fresh->priority > at->priority) {
		split(at, fresh, &fresh->left, &fresh->right);
		return weighed(fresh);
	}
	at = own(at);
	if (!order) {
		entry_drop(at->entry);
		at->entry = fresh->entry;
		free(fresh);
	} else if (order < 0) {
		at->left = insert(at->left, fresh);
	} else {
		at->right = insert(at->right, fresh);
	}
	return weighed(at);
}

uint8_t *tree_put(struct tree **tree, struct bytes key, size_t size)
{
	struct tree *fresh = must_alloc(sizeof *fresh);
	struct tree_entry *entry = entry_make(key, size);

	fresh->refs = 1;
	fresh->priority = (uint32_t)hash_keyed((struct hash_key){ 0 }, key);
	fresh->head = head_of(key);
	fresh->entry = entry;
	*tree = insert(*tree, fresh);
	return entry->bytes + entry->key_size;
}

bool tree_remove(struct tree **tree, struct bytes key)
{
	uint64_t head = head_of(key), weight;
	const struct tree_entry *entry = tree_find(*tree, key);
	struct tree *gone;
	int order;

	if (!entry)
		return false;
	weight = entry_weight(entry);
	while ((order = compare(key, head, *tree))) {
		*tree = own(*tree);
		(*tree)->weight -= weight;
		tree = order < 0 ? &(*tree)->left : &(*tree)->right;
	}
	gone = *tree;
	*tree = join(tree_keep(gone->left), tree_keep(gone->right));
	tree_drop(gone);
	return true;
}

void tree_flip(struct tree **tree, uint64_t bit)
{
	struct tree_entry *entry;
	struct tree *at;

	assert(bit / 8 < tree_weight(*tree));
	for (;;) {
		at = *tree = own(*tree);
		if (bit / 8 < tree_weight(at->left)) {
			tree = &at->left;
			continue;
		}
		bit -= 8 * tree_weight(at->left);
		if (bit / 8 < entry_weight(at->entry))
			break;
		bit -= 8 * entry_weight(at->entry);
		tree = &at->right;
	}
	entry = entry_make(tree_key(at->entry), at->entry->value_size);
	memcpy(entry->bytes, at->entry->bytes, entry_weight(entry));
	entry->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	entry_drop(at->entry);
	at->entry = entry;
	at->head = head_of(tree_key(entry));
}

static void push(struct tree_cursor *cursor, const struct tree *at)
{
	assert(cursor->depth < TREE_DEPTH);
	cursor->path[cursor->depth++] = at;
}

void tree_seek(struct tree_cursor *cursor, const struct tree *tree, struct bytes from)
{
	uint64_t head = head_of(from);

	cursor->depth = 0;
	while (tree) {
		bool is_less = compare(from, head, tree) > 0;

		if (!is_less)
			push(cursor, tree);
		tree = is_less ? tree->right : tree->left;
	}
}

const struct tree_entry *tree_next(struct tree_cursor *cursor)
{
	const struct tree *at, *down;

	if (!cursor->depth)
		return NULL;
	at = cursor->path[--cursor->depth];
	for (down = at->right; down; down = down->left)
		push(cursor, down);
	return at->entry;
}
