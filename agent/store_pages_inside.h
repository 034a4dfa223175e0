/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_STORE_PAGES_INSIDE_H
#define WARREN_STORE_PAGES_INSIDE_H

/*
 * LMDB 0.9's file as it lies on a 64-bit machine's disk, and what the two halves of its check know of each other:
 * the heads and the whole (store_pages.c), one tree (store_pages_tree.c). For nobody else.
 *
 * A page begins with its number, its kind, and where its free space begins and ends; offsets of nodes follow, nodes
 * are packed at its end. Pages 0 and 1 are the heads: commit N writes head N mod 2. A value that is too large for a
 * node has a run of pages of its own, of which only the first has a page's beginning.
 */

#include "agent/store_pages.h"
#include "crdt/base/buf.h"

_Static_assert(sizeof(size_t) == 8, "the file holds words of 64 bits");

enum {
	PAGE_HEADER_SIZE = 16,
	NODE_HEADER_SIZE = 8,
	PAGE_SIZE_MAX = 1 << 15,
	DEPTH_MAX = 32,
};

enum page_kind { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_HEAD = 8 };
enum { NODE_IS_LARGE = 1 };

#define NO_PAGE UINT64_MAX

struct page_header {
	uint64_t number;
	uint16_t pad, kind;
	union {
		struct {
			uint16_t lower, upper;
		};
		uint32_t run; /* how many pages a large value takes */
	};
};

struct tree_head {
	uint32_t pad; /* of the free list: the size of a page */
	uint16_t flags, depth;
	uint64_t branches, leaves, large_pages, entries, root;
};

struct head {
	uint32_t magic, version;
	uint64_t address, map_size;
	struct tree_head free, main;
	uint64_t last_page, number;
};

struct node {
	uint32_t size; /* of the value; of a branch's node, half of `child` */
	uint16_t flags;
	uint64_t child;
	struct bytes key;
	const uint8_t *value; /* or, when it is large, the number of its first page */
};

enum page_owner { OWNER_NONE, OWNER_HEAD, OWNER_USED, OWNER_FREE };

struct pages {
	int file;
	size_t page_size;
	uint64_t count;      /* of the pages that the newest head counts */
	uint64_t file_count; /* of those that the file has */
	uint64_t newest;     /* commit */
	uint8_t *owners;     /* one for each page */
	uint8_t *taken;      /* of the page at hand, one for each two bytes */
	size_t said;
	int failure; /* errno of the disk, which is no damage of the file: nothing is said from then on */
	uint64_t failed_page;
	store_found *found;
	void *context;
};

PRINTF(2, 3) void pages_say(struct pages *pages, const char *format, ...);

/* Reads bytes of a page, or of a run that begins with it; says so when they are not there. */
bool pages_read_part(struct pages *pages, uint64_t number, size_t offset, void *room, size_t size);

/* Reads a page of the file; says so when it is not there. */
bool pages_read(struct pages *pages, uint64_t number, uint8_t *room);

/* Marks a run of pages as one's own; says so, and gives false, when one is out of range or another's. */
bool pages_claim(struct pages *pages, uint64_t first, uint64_t count, enum page_owner owner, uint64_t from);

/* Whether a page is what its parent takes it for, and its nodes lie in it whole, packed and apart. */
bool pages_check_page(struct pages *pages, const uint8_t *page, uint64_t number, enum page_kind kind);

size_t page_node_count(const uint8_t *page);

/* Of a page that was checked. */
struct node page_node(const uint8_t *page, size_t index);

/* Walks one tree of the newest head, the list of free pages or the entries. */
void pages_check_tree(struct pages *pages, const struct tree_head *head, bool is_free_list);

#endif
