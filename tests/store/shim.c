/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/shim.h"

#include "crdt/base/base.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
	bool is_on;
	dev_t device;
	ino_t inode;
	struct shim_event *log;
	size_t count, room;
	unsigned countdown;
	int number;
	enum shim_calls calls;
	bool has_failed;
	enum shim_what failed_what;
	int failed_sync_file; /* its error was told here; -1 when no sync has failed */
} shim = { .failed_sync_file = -1 };

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	assert(function);
	return function;
}

void shim_watch(const char *path)
{
	struct stat st;

	shim.is_on = path;
	if (!path)
		return;
	assert(!stat(path, &st));
	shim.device = st.st_dev;
	shim.inode = st.st_ino;
}

static bool is_watched(int file)
{
	struct stat st;

	return shim.is_on && !fstat(file, &st) && st.st_dev == shim.device && st.st_ino == shim.inode;
}

static void note(enum shim_what what, uint64_t offset, const void *data, size_t size)
{
	struct shim_event *event;

	if (shim.count == shim.room) {
		shim.room = shim.room ? 2 * shim.room : 256;
		shim.log = must_realloc(shim.log, shim.room * sizeof *shim.log);
	}
	event = &shim.log[shim.count++];
	*event = (struct shim_event){ what, offset, must_alloc(size), size };
	if (size)
		memcpy(event->data, data, size);
}

const struct shim_event *shim_log(size_t *ret_count)
{
	*ret_count = shim.count;
	return shim.log;
}

void shim_mark(uint64_t number)
{
	note(SHIM_MARK, number, NULL, 0);
}

void shim_forget(void)
{
	for (size_t i = 0; i < shim.count; i++)
		free(shim.log[i].data);
	free(shim.log);
	shim.log = NULL;
	shim.count = shim.room = 0;
}

void shim_fail(unsigned n, int number, enum shim_calls calls)
{
	shim.countdown = n;
	shim.number = number;
	shim.calls = calls;
	shim.has_failed = false;
	shim.failed_sync_file = -1;
}

bool shim_has_failed(enum shim_what *ret_what)
{
	*ret_what = shim.failed_what;
	return shim.has_failed;
}

/* Whether this call is the one to fail; then errno is set. */
static bool fails(enum shim_what what)
{
	if (!shim.countdown || (shim.calls == SHIM_WRITES_ONLY && what != SHIM_WRITE) || --shim.countdown)
		return false;
	shim.has_failed = true;
	shim.failed_what = what;
	errno = shim.number;
	return true;
}

static enum shim_what kind_of(int file)
{
	return fcntl(file, F_GETFL) & O_DSYNC ? SHIM_DURABLE : SHIM_WRITE;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset)
{
	if (is_watched(file)) {
		if (fails(kind_of(file)))
			return -1;
		note(kind_of(file), (uint64_t)offset, data, size);
	}
	return REAL(pwrite)(file, data, size, offset);
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset)
{
	return pwrite(file, data, size, offset);
}

static void note_parts(int file, const struct iovec *parts, int count, uint64_t offset)
{
	for (int i = 0; i < count; i++) {
		note(kind_of(file), offset, parts[i].iov_base, parts[i].iov_len);
		offset += parts[i].iov_len;
	}
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset)
{
	if (is_watched(file)) {
		if (fails(kind_of(file)))
			return -1;
		note_parts(file, parts, count, (uint64_t)offset);
	}
	return REAL(pwritev)(file, parts, count, offset);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t offset)
{
	return pwritev(file, parts, count, offset);
}

ssize_t write(int file, const void *data, size_t size)
{
	if (is_watched(file)) {
		if (fails(kind_of(file)))
			return -1;
		note(kind_of(file), (uint64_t)lseek(file, 0, SEEK_CUR), data, size);
	}
	return REAL(write)(file, data, size);
}

ssize_t writev(int file, const struct iovec *parts, int count)
{
	if (is_watched(file)) {
		if (fails(kind_of(file)))
			return -1;
		note_parts(file, parts, count, (uint64_t)lseek(file, 0, SEEK_CUR));
	}
	return REAL(writev)(file, parts, count);
}

/* Whether a sync is to fail: by its own turn, or because one through another open file did. */
static bool sync_fails(int file)
{
	if (fails(SHIM_SYNC)) {
		shim.failed_sync_file = file;
		return true;
	}
	if (shim.failed_sync_file < 0 || shim.failed_sync_file == file)
		return false;
	shim.failed_sync_file = -1;
	errno = shim.number;
	return true;
}

int fsync(int file)
{
	if (is_watched(file)) {
		if (sync_fails(file))
			return -1;
		note(SHIM_SYNC, 0, NULL, 0);
	}
	return REAL(fsync)(file);
}

int fdatasync(int file)
{
	if (is_watched(file)) {
		if (sync_fails(file))
			return -1;
		note(SHIM_SYNC, 0, NULL, 0);
	}
	return REAL(fdatasync)(file);
}

/* Pages written through a map would escape all of this: the product maps for reading only. */
int msync(void *address, size_t size, int flags)
{
	assert(!shim.is_on);
	return REAL(msync)(address, size, flags);
}
