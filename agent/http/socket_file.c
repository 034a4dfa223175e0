/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cleanup.h"
#include "agent/http/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	PATH_MAX_HERE = 103 /* with the four letters of a name to be renamed it fits an address */,
	GROUP_ROOM = 1 << 16
};

static enum code fail_errno(struct err *err, const char *what, const char *path)
{
	enum code code = errno == ENOENT || errno == ENOTDIR ? E_ABSENT
			 : errno == EACCES || errno == EPERM ? E_DENIED
							     : E_IO;

	return fail(err, code, "cannot %s %s: %s", what, path, strerror(errno));
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	return address;
}

static enum code find_group(const char *name, gid_t *ret_group, struct err *err)
{
	CLEANUP(cleanup_memory) char *room = must_alloc(GROUP_ROOM);
	struct group group, *found = NULL;

	*ret_group = (gid_t)-1;
	if (!name || !*name)
		return OK;
	if (getgrnam_r(name, &group, room, GROUP_ROOM, &found) || !found)
		return fail(err, E_ABSENT, "there is no group %s: make it, or name another", name);
	*ret_group = found->gr_gid;
	return OK;
}

/* Held until the descriptor is closed: of two that start at once, the second sees the first. */
static enum code lock_folder(const char *path, int *ret_fd, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char folder[sizeof(struct sockaddr_un)];

	if (slash)
		snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	else
		snprintf(folder, sizeof folder, ".");
	*ret_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0 || flock(*ret_fd, LOCK_EX))
		return fail_errno(err, "use the folder", folder);
	return OK;
}

/* Whether nobody answers at a socket's file, or there is no file. */
static enum code check_free(const char *path, struct err *err)
{
	struct sockaddr_un address = address_of(path);
	struct stat status;
	CLEANUP(cleanup_fd) int fd = -1;

	if (lstat(path, &status))
		return errno == ENOENT ? OK : fail_errno(err, "look at", path);
	if (!S_ISSOCK(status.st_mode))
		return fail(err, E_TAKEN, "%s is something else than a socket: move it away", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail_errno(err, "make a socket for", path);
	if (!connect(fd, (struct sockaddr *)&address, sizeof address) || errno == EAGAIN)
		return fail(err, E_TAKEN, "another process listens on %s: end it, or name another socket", path);
	return errno == ECONNREFUSED || errno == ENOENT ? OK : fail_errno(err, "ask who listens on", path);
}

static enum code dress(struct listener *listener, const char *path, gid_t group, struct err *err)
{
	struct stat status;

	if (group != (gid_t)-1 && chown(path, (uid_t)-1, group))
		return fail_errno(err, "give to its group", path);
	if (chmod(path, 0660) || lstat(path, &status))
		return fail_errno(err, "set the mode of", path);
	listener->device = status.st_dev;
	listener->inode = status.st_ino;
	return OK;
}

/* It gets its name when it has its group and its mode, and listens. */
static enum code make(struct listener *listener, const char *path, gid_t group, int *ret_fd, struct err *err)
{
	char young[sizeof listener->path + 4];
	struct sockaddr_un address;
	CLEANUP(cleanup_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	enum code code;

	if (fd < 0)
		return fail_errno(err, "make a socket for", path);
	snprintf(young, sizeof young, "%s.new", path);
	address = address_of(young);
	unlink(young);
	if (bind(fd, (struct sockaddr *)&address, sizeof address))
		return fail_errno(err, "make the socket", path);
	code = dress(listener, young, group, err);
	if (!code && (listen(fd, SOMAXCONN) || rename(young, path)))
		code = fail_errno(err, "listen on", path);
	if (code) {
		unlink(young);
		return code;
	}
	snprintf(listener->path, sizeof listener->path, "%s", path);
	*ret_fd = fd;
	fd = -1;
	return OK;
}

enum code socket_file_make(struct listener *listener, const char *path, const char *group, int *ret_fd, struct err *err)
{
	CLEANUP(cleanup_fd) int folder = -1;
	enum code code;
	gid_t id;

	if (!*path || strlen(path) > PATH_MAX_HERE)
		return fail(err, E_VALUE, "a socket's path has 1 to %d bytes", PATH_MAX_HERE);
	code = find_group(group, &id, err);
	if (!code)
		code = lock_folder(path, &folder, err);
	if (!code)
		code = check_free(path, err);
	return code ? code : make(listener, path, id, ret_fd, err);
}

void socket_file_remove(const struct listener *listener)
{
	struct stat status;

	/* Another may have taken the name meanwhile. */
	if (!lstat(listener->path, &status) && status.st_dev == listener->device && status.st_ino == listener->inode)
		unlink(listener->path);
}
