/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_STORE_FILES_H
#define WARREN_STORE_FILES_H

/*
 * The state directory and its files: found, made, locked and refused, before anything reads a byte of them.
 *
 * Nothing here follows a symbolic link inside the directory, or accepts what others may open or own; but root may read
 * what is another user's. The lock lies on the directory: exclusive for a writer, shared for readers, gone with the
 * process.
 */

#include "crdt/base/err.h"

#define STORE_FILE "state.mdb"
#define STORE_FILE_NEW "state.mdb.new" /* a store that is being made; worth nothing until it is renamed */

struct store_files {
	int dir, file; /* -1 when there is none */
};

/* A writer makes the directory if need be. `file` is -1 when the store has yet to be made. */
enum code store_files_open(const char *state_dir, bool is_writer, struct store_files *ret_files, struct err *err);

/* Makes an empty file `name` for its owner alone, whatever the umask. */
enum code store_files_make(int dir, const char *name, struct err *err);

/* Readies the lock file of `name`: its blocks exist, so that a full disk does not kill who maps it. */
enum code store_files_make_lock(int dir, const char *name, struct err *err);

/* Opens `name` unless it is a link, no plain file, another user's, or open to others. */
enum code store_files_open_one(int dir, const char *name, bool is_writer, int *ret_file, struct err *err);

/* Puts the new store in place, durably. */
enum code store_files_publish(int dir, struct err *err);

void store_files_close(struct store_files *files);

#endif
