/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/store_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than LMDB's table of 254 readers takes. */
enum { LOCK_FILE_SIZE = 5 * 4096 };

static enum code failed(struct err *err, int number, const char *what, const char *name)
{
	switch (number) {
	case ENOENT: return fail(err, E_ABSENT, "%s %s: it does not exist: check the path", what, name);
	case EACCES:
	case EPERM: return fail(err, E_DENIED, "%s %s: %s: run as its owner", what, name, strerror(number));
	case EROFS: return fail(err, E_DENIED, "%s %s: the disk can only be read: mount it for writing", what, name);
	case ELOOP: return fail(err, E_DENIED, "%s %s: it is a symbolic link: put the file itself there", what, name);
	case ENOTDIR:
		return fail(err, E_DENIED, "%s %s: it is no directory: give the one that %s lies in", what, name,
			    STORE_FILE);
	case ENOSPC:
	case EDQUOT: return fail(err, E_FULL, "%s %s: the disk is full: free space on it", what, name);
	default: return fail(err, E_IO, "%s %s: %s: check the disk", what, name, strerror(number));
	}
}

/*
 * What others can open or own, others may have changed or read. Root may read what is somebody else's, to check it;
 * what root writes there, its owner could not open any more.
 */
static enum code check_private(const struct stat *st, const char *name, bool is_writer, struct err *err)
{
	uid_t self = geteuid();

	if (st->st_uid != self && (is_writer || self))
		return fail(err, E_DENIED,
			    "%s belongs to user %u and this is user %u: run as its owner, or, if it should be yours, "
			    "make it so (chown)",
			    name, (unsigned)st->st_uid, (unsigned)self);
	if (st->st_mode & (S_IRWXG | S_IRWXO))
		return fail(err, E_DENIED,
			    "%s is open to its group or to others (mode %04o): make sure that it is Warren's alone, "
			    "then take "
			    "those rights away (chmod go-rwx)",
			    name, st->st_mode & 07777);
	return OK;
}

/* The name is only as durable as the directory that holds it. */
static enum code sync_parent(const char *state_dir, struct err *err)
{
	char path[PATH_MAX];
	int parent, synced;

	if ((size_t)snprintf(path, sizeof path, "%s/..", state_dir) >= sizeof path)
		return fail(err, E_LIMIT, "%s: the path is too long", state_dir);
	parent = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A parent that may be crossed but not read is no fault: then its owner made the directory durable. */
	if (parent < 0)
		return errno == EACCES ? OK : failed(err, errno, "cannot open", path);
	synced = fsync(parent);
	if (synced)
		failed(err, errno, "cannot sync", path);
	close(parent);
	return synced ? E_IO : OK;
}

static enum code make_dir(const char *state_dir, struct err *err)
{
	if (mkdir(state_dir, 0700))
		return errno == EEXIST ? OK : failed(err, errno, "cannot make", state_dir);
	/* The umask may have taken more than was asked. */
	if (chmod(state_dir, 0700))
		return failed(err, errno, "cannot set the mode of", state_dir);
	return sync_parent(state_dir, err);
}

static enum code lock_dir(int dir, const char *state_dir, bool is_writer, struct err *err)
{
	if (!flock(dir, (is_writer ? LOCK_EX : LOCK_SH) | LOCK_NB))
		return OK;
	if (errno == EWOULDBLOCK)
		return fail(err, E_BUSY, "%s is in use by another process: stop it first (is warrend running?)",
			    state_dir);
	return fail(err, E_IO, "cannot lock %s: %s: keep it on a local disk", state_dir, strerror(errno));
}

static enum code open_dir(const char *state_dir, bool is_writer, int *ret_dir, struct err *err)
{
	struct stat st;
	enum code code = is_writer ? make_dir(state_dir, err) : OK;
	int dir;

	if (code)
		return code;
	dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return failed(err, errno, "cannot open", state_dir);
	if (fstat(dir, &st))
		code = failed(err, errno, "cannot examine", state_dir);
	/* Somebody else's directory is not to be given new rights because of a mistyped path. */
	if (!code && !is_writer && faccessat(dir, STORE_FILE, F_OK, AT_SYMLINK_NOFOLLOW) && errno == ENOENT)
		code = fail(err, E_ABSENT, "there is no Warren state in %s: check the path", state_dir);
	if (!code)
		code = check_private(&st, state_dir, is_writer, err);
	if (!code)
		code = lock_dir(dir, state_dir, is_writer, err);
	if (code) {
		close(dir);
		return code;
	}
	*ret_dir = dir;
	return OK;
}

enum code store_files_open_one(int dir, const char *name, bool is_writer, int *ret_file, struct err *err)
{
	/* A pipe or a device in its place must not block or act: it is opened only to be refused. */
	int file = openat(dir, name, (is_writer ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	enum code code = OK;

	if (file < 0)
		return failed(err, errno, "cannot open", name);
	if (fstat(file, &st))
		code = failed(err, errno, "cannot examine", name);
	else if (!S_ISREG(st.st_mode))
		code = fail(err, E_DENIED, "%s is no plain file: put the file itself there", name);
	else
		code = check_private(&st, name, is_writer, err);
	if (code) {
		close(file);
		return code;
	}
	*ret_file = file;
	return OK;
}

enum code store_files_open(const char *state_dir, bool is_writer, struct store_files *ret_files, struct err *err)
{
	struct store_files files = { -1, -1 };
	enum code code = open_dir(state_dir, is_writer, &files.dir, err);

	if (code)
		return code;
	code = store_files_open_one(files.dir, STORE_FILE, is_writer, &files.file, err);
	if (code == E_ABSENT)
		code = OK;
	if (code) {
		store_files_close(&files);
		return fail_in(err, code, "%s", state_dir);
	}
	*ret_files = files;
	return OK;
}

static enum code make(int dir, const char *name, off_t reserve, struct err *err)
{
	int file = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	enum code code = OK;

	if (file < 0)
		return failed(err, errno, "cannot make", name);
	if (fchmod(file, 0600))
		code = failed(err, errno, "cannot set the mode of", name);
	/* Where blocks cannot be reserved, a full disk at this moment is a risk that remains. */
	else if (reserve && fallocate(file, FALLOC_FL_KEEP_SIZE, 0, reserve) && errno != EOPNOTSUPP)
		code = failed(err, errno, "cannot make", name);
	close(file);
	if (code)
		unlinkat(dir, name, 0);
	return code;
}

enum code store_files_make(int dir, const char *name, struct err *err)
{
	return make(dir, name, 0, err);
}

/*
 * LMDB opens the lock, and the store, once more by name, follows a link there and makes what is missing. Nobody can put
 * one there after this look: the directory is open to its owner alone, which is us.
 */
enum code store_files_make_lock(int dir, const char *name, struct err *err)
{
	char lock[sizeof STORE_FILE_NEW "-lock"];
	enum code code;
	int file;

	snprintf(lock, sizeof lock, "%s-lock", name);
	code = store_files_open_one(dir, lock, true, &file, err);
	if (code)
		return code == E_ABSENT ? make(dir, lock, LOCK_FILE_SIZE, err) : code;
	close(file);
	return OK;
}

enum code store_files_publish(int dir, struct err *err)
{
	if (renameat(dir, STORE_FILE_NEW, dir, STORE_FILE))
		return failed(err, errno, "cannot rename", STORE_FILE_NEW);
	if (fsync(dir))
		return failed(err, errno, "cannot sync the directory of", STORE_FILE);
	return OK;
}

void store_files_close(struct store_files *files)
{
	if (files->file >= 0)
		close(files->file);
	if (files->dir >= 0)
		close(files->dir);
	files->file = files->dir = -1;
}
