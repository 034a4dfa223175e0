/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SECRET_FILE_H
#define WARREN_SECRET_FILE_H

/*
 * Small files of the state directory that hold keys: lines of a name and a value, the first of them a magic word. Each
 * is written whole beside the old one, flushed, and then takes its place, so that a power cut leaves the one or the
 * other. Nothing is followed, accepted from others or left open to them (agent/store_files.h).
 *
 * What was read lies in memory of libsodium's that is locked, and is wiped when it is let go.
 */

#include "crdt/base/err.h"

enum { SECRET_FILE_MAX = 8192 };

struct secret_file {
	char *text; /* ends with a zero; NULL: none was read */
	size_t size;
};

/* E_ABSENT when there is none. `magic`: what its first line must be; E_FORM. */
enum code secret_file_read(const char *state_dir, const char *name, const char *magic, struct secret_file *ret_file,
			   struct err *err);
void secret_file_done(struct secret_file *file);

/* The value of the line of that name from *at on, borrowed; *at then stands behind it. False: there is none. */
bool secret_file_next(const struct secret_file *file, const char *name, size_t *at, struct bytes *ret_value);

/* So many bytes as hex. E_FORM when it is not there, or not that. */
enum code secret_file_hex(const struct secret_file *file, const char *name, void *room, size_t size, struct err *err);

/* A file in the making. */
struct secret_file secret_file_new(const char *magic);
void secret_file_put(struct secret_file *file, const char *name, struct bytes value);
void secret_file_put_hex(struct secret_file *file, const char *name, struct bytes bytes);

/* Makes the directory if need be. With `is_new` E_TAKEN when there is one of that name. */
enum code secret_file_write(const char *state_dir, const char *name, const struct secret_file *file, bool is_new,
			    struct err *err);
enum code secret_file_remove(const char *state_dir, const char *name, struct err *err);

#endif
