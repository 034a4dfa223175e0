/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_STORE_PAGES_H
#define WARREN_STORE_PAGES_H

/*
 * Checks the structure of a store's file without LMDB, which believes what it reads and may crash on what a disk has
 * changed. So this comes before anything else that opens a doubtful store: no bytes whatever make it crash, and its
 * work and its memory are bounded by the size of the file, each page being visited once.
 *
 * It proves that both head pages make sense and follow one another, that the newest tree is in order throughout, that
 * each page is used once, free, or neither only by mistake, and that the ledger seen through either head is that
 * head's: a changed bit in a head can otherwise take the last commit back unseen. What the values say is for
 * `store_scan`; the inside of large values is not read here.
 */

#include "crdt/store.h"

/*
 * Tells `found` each damage, naming the page, without a key. E_DAMAGED if there was any. E_NEWER when the file is of a
 * later format; E_IO when the disk does not give a page, which says nothing about the file. Offline: E_BUSY while a
 * writer has it.
 */
enum code store_pages_check(const char *state_dir, store_found *found, void *context, struct err *err);

/*
 * The two heads alone, which is what can be asked before every start: E_DAMAGED when LMDB could take the wrong one for
 * the newest, or crash at once; E_NEWER when the file is of a later format.
 */
enum code store_pages_check_heads(int file, struct err *err);

/* As `store_pages_check`, for an open file that nobody writes meanwhile. */
enum code store_pages_check_file(int file, store_found *found, void *context, struct err *err);

#endif
