/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/store/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

static void must(bool is_fine, const char *what)
{
	if (!is_fine)
		fail_msg("%s: %s: this test mounts a disk of its own: run it as root, or as a user who may make user "
			 "namespaces (user.max_user_namespaces is not 0, and no policy forbids them), which in a "
			 "chroot only root may",
			 what, strerror(errno));
}

static void write_text(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	size_t size = strlen(text);

	must(file >= 0 && write(file, text, size) == (ssize_t)size, path);
	close(file);
}

/* Everybody stays who they are, so that what was made before still belongs to us. */
static void enter_user_namespace(void)
{
	unsigned user = geteuid(), group = getegid();
	char text[64];

	must(!unshare(CLONE_NEWUSER | CLONE_NEWNS), "a user namespace");
	write_text("/proc/self/setgroups", "deny");
	snprintf(text, sizeof text, "%u %u 1", user, user);
	write_text("/proc/self/uid_map", text);
	snprintf(text, sizeof text, "%u %u 1", group, group);
	write_text("/proc/self/gid_map", text);
}

void scratch_mount_alone(const char *dir)
{
	if (geteuid() || unshare(CLONE_NEWNS))
		enter_user_namespace();
	if (!mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return;
	/* In a chroot the root need not be where anything is mounted; then the directory is made such a place. */
	must(errno == EINVAL, "/ as a private mount");
	must(!mount(dir, dir, NULL, MS_BIND, NULL), "a bind mount");
	must(!mount("none", dir, NULL, MS_PRIVATE, NULL), "a private mount");
}

/* What a mount does not permit now, it must not permit then: a user namespace may not grant more. */
static unsigned long locked_flags(const char *dir)
{
	static const struct {
		unsigned long is, flag;
	} flags[] = {
		{ ST_NOSUID, MS_NOSUID },   { ST_NODEV, MS_NODEV },           { ST_NOEXEC, MS_NOEXEC },
		{ ST_NOATIME, MS_NOATIME }, { ST_NODIRATIME, MS_NODIRATIME }, { ST_RELATIME, MS_RELATIME },
	};
	unsigned long all = 0;
	struct statvfs st;

	must(!statvfs(dir, &st), dir);
	for (size_t i = 0; i < COUNT(flags); i++)
		if (st.f_flag & flags[i].is)
			all |= flags[i].flag;
	return all;
}

void scratch_mount_read_only(const char *dir)
{
	must(!mount(dir, dir, NULL, MS_BIND, NULL), "a bind mount");
	must(!mount("none", dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | locked_flags(dir), NULL),
	     "a read-only mount");
}

void scratch_mount_disk(const char *dir, size_t size)
{
	char options[64];

	snprintf(options, sizeof options, "size=%zu,mode=0700", size);
	must(!mount("tmpfs", dir, "tmpfs", 0, options), "a disk in memory");
}
