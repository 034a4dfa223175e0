/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/secret_file.h"

#include "agent/cleanup.h"
#include "agent/store_files.h"
#include "crdt/base/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static enum code failed(struct err *err, const char *what, const char *name)
{
	if (errno == ENOSPC || errno == EDQUOT)
		return fail(err, E_FULL, "%s %s: the disk is full: free space on it", what, name);
	return fail(err, E_IO, "%s %s: %s", what, name, strerror(errno));
}

static enum code open_dir(const char *state_dir, int *ret_dir, struct err *err)
{
	int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return fail(err, errno == ENOENT ? E_ABSENT : E_DENIED, "the directory %s: %s", state_dir,
			    strerror(errno));
	*ret_dir = dir;
	return OK;
}

/* The name of the directory is as durable as what is in it; a parent that cannot be read was somebody else's to sync.
 */
static enum code sync_parent(int dir, const char *state_dir, struct err *err)
{
	CLEANUP(cleanup_fd) int parent = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (parent < 0)
		return errno == EACCES ? OK : failed(err, "opening the directory above", state_dir);
	return fsync(parent) ? failed(err, "writing the directory above", state_dir) : OK;
}

/* The directory to write in: no key goes where others may put or take away files. */
static enum code make_dir(const char *state_dir, int *ret_dir, struct err *err)
{
	struct stat st;
	enum code code;

	if (mkdir(state_dir, 0700) && errno != EEXIST)
		return fail(err, errno == EACCES ? E_DENIED : E_IO, "making the directory %s: %s", state_dir,
			    strerror(errno));
	code = open_dir(state_dir, ret_dir, err);
	if (code)
		return code;
	if (fstat(*ret_dir, &st))
		return failed(err, "examining", state_dir);
	if (st.st_uid != geteuid() || st.st_mode & (S_IRWXG | S_IRWXO))
		return fail(err, E_DENIED,
			    "%s is not this user's alone: make it so (chown, chmod go-rwx), then try again", state_dir);
	return sync_parent(*ret_dir, state_dir, err);
}

static struct secret_file file_of(size_t size)
{
	struct secret_file file = { sodium_malloc(size + 1), 0 };

	if (!file.text)
		abort(); /* no memory that may be locked: as with any other, nobody can act on its lack */
	sodium_memzero(file.text, size + 1);
	return file;
}

void secret_file_done(struct secret_file *file)
{
	sodium_free(file->text);
	*file = (struct secret_file){ 0 };
}

static enum code read_all(int fd, const char *name, struct secret_file *file, struct err *err)
{
	while (file->size < SECRET_FILE_MAX) {
		ssize_t got = read(fd, file->text + file->size, SECRET_FILE_MAX - file->size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return failed(err, "reading", name);
		if (!got)
			break;
		file->size += (size_t)got;
	}
	if (file->size == SECRET_FILE_MAX || memchr(file->text, 0, file->size))
		return fail(err, E_FORM, "%s is not a file that Warren wrote: put back the one that was there", name);
	return OK;
}

enum code secret_file_read(const char *state_dir, const char *name, const char *magic, struct secret_file *ret_file,
			   struct err *err)
{
	CLEANUP(cleanup_fd) int dir = -1;
	CLEANUP(cleanup_fd) int fd = -1;
	struct secret_file file;
	size_t size = strlen(magic);
	enum code code = open_dir(state_dir, &dir, err);

	if (!code)
		code = store_files_open_one(dir, name, false, &fd, err);
	if (code)
		return code;
	file = file_of(SECRET_FILE_MAX);
	code = read_all(fd, name, &file, err);
	if (!code && (file.size < size + 1 || memcmp(file.text, magic, size) || file.text[size] != '\n'))
		code = fail(err, E_FORM, "%s does not begin with '%s': a newer version wrote it, or it is damaged",
			    name, magic);
	if (code) {
		secret_file_done(&file);
		return code;
	}
	*ret_file = file;
	return OK;
}

bool secret_file_next(const struct secret_file *file, const char *name, size_t *at, struct bytes *ret_value)
{
	size_t length = strlen(name);

	while (*at < file->size) {
		const char *line = file->text + *at;
		const char *end = memchr(line, '\n', file->size - *at);
		size_t size = end ? (size_t)(end - line) : file->size - *at;

		*at += size + (end != NULL);
		if (size > length && !memcmp(line, name, length) && line[length] == ' ') {
			*ret_value = bytes_of(line + length + 1, size - length - 1);
			return true;
		}
	}
	return false;
}

enum code secret_file_hex(const struct secret_file *file, const char *name, void *room, size_t size, struct err *err)
{
	struct bytes value;
	size_t at = 0;

	if (!secret_file_next(file, name, &at, &value) || value.size != 2 * size || !hex_read(value, room, size))
		return fail(err, E_FORM, "the line '%s' is missing or damaged", name);
	return OK;
}

struct secret_file secret_file_new(const char *magic)
{
	struct secret_file file = file_of(SECRET_FILE_MAX);

	file.size = (size_t)snprintf(file.text, SECRET_FILE_MAX, "%s\n", magic);
	return file;
}

static void put(struct secret_file *file, const char *name, const char *value, size_t size)
{
	size_t length = strlen(name);

	assert(file->size + length + size + 3 < SECRET_FILE_MAX);
	memcpy(file->text + file->size, name, length);
	file->text[file->size + length] = ' ';
	memcpy(file->text + file->size + length + 1, value, size);
	file->size += length + 1 + size;
	file->text[file->size++] = '\n';
}

void secret_file_put(struct secret_file *file, const char *name, struct bytes value)
{
	put(file, name, (const char *)value.data, value.size);
}

void secret_file_put_hex(struct secret_file *file, const char *name, struct bytes bytes)
{
	char text[2 * 64 + 1];

	assert(bytes.size <= 64);
	hex_write(bytes, text);
	put(file, name, text, 2 * bytes.size);
	sodium_memzero(text, sizeof text);
}

static enum code write_all(int fd, const char *name, const struct secret_file *file, struct err *err)
{
	size_t done = 0;

	while (done < file->size) {
		ssize_t put_now = write(fd, file->text + done, file->size - done);

		if (put_now < 0 && errno == EINTR)
			continue;
		if (put_now < 0)
			return failed(err, "writing", name);
		done += (size_t)put_now;
	}
	return fsync(fd) ? failed(err, "writing", name) : OK;
}

/* A new one whose name may not last is none: whoever is told that it failed begins anew. */
static enum code publish(int dir, const char *beside, const char *name, bool is_new, struct err *err)
{
	enum code code;

	if (renameat(dir, beside, dir, name))
		return failed(err, "writing", name);
	if (!fsync(dir))
		return OK;
	code = failed(err, "writing", name);
	if (is_new)
		unlinkat(dir, name, 0);
	return code;
}

enum code secret_file_write(const char *state_dir, const char *name, const struct secret_file *file, bool is_new,
			    struct err *err)
{
	CLEANUP(cleanup_fd) int dir = -1;
	CLEANUP(cleanup_fd) int fd = -1;
	char beside[64];
	enum code code = make_dir(state_dir, &dir, err);

	if (code)
		return code;
	if ((size_t)snprintf(beside, sizeof beside, "%s.new", name) >= sizeof beside)
		return fail(err, E_LIMIT, "the name %s is too long", name);
	if (is_new && !faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW))
		return fail(err, E_TAKEN, "%s/%s is there already", state_dir, name);
	unlinkat(dir, beside, 0);
	fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(err, "making", beside);
	code = write_all(fd, beside, file, err);
	if (!code)
		code = publish(dir, beside, name, is_new, err);
	if (code)
		unlinkat(dir, beside, 0);
	return code;
}

enum code secret_file_remove(const char *state_dir, const char *name, struct err *err)
{
	CLEANUP(cleanup_fd) int dir = -1;
	enum code code = open_dir(state_dir, &dir, err);

	if (code)
		return code;
	if ((unlinkat(dir, name, 0) && errno != ENOENT) || fsync(dir))
		return failed(err, "removing", name);
	return OK;
}
