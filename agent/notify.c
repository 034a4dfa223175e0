/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/notify.h"

#include "crdt/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void close_socket(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* A path, or behind a '@' a name in the kernel's own space, which begins with a zero and has no end. */
static bool socket_address(struct sockaddr_un *ret_address, socklen_t *ret_size)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t size = name ? strlen(name) : 0;

	if (size < 2 || size >= sizeof ret_address->sun_path || (*name != '/' && *name != '@'))
		return false;
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret_address->sun_path, name, size);
	if (*name == '@')
		ret_address->sun_path[0] = '\0';
	*ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	return true;
}

static bool tell(const char *text)
{
	const struct timeval patience = { .tv_sec = 1 };
	CLEANUP(close_socket) int fd = -1;
	size_t size = strlen(text);
	struct sockaddr_un address;
	socklen_t address_size;

	if (!socket_address(&address, &address_size))
		return false;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience))
		return false;
	return sendto(fd, text, size, MSG_NOSIGNAL, (struct sockaddr *)&address, address_size) == (ssize_t)size;
}

bool notify_ready(void)
{
	return tell("READY=1");
}

bool notify_reloading(void)
{
	struct timespec now = { 0 };
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		 (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	return tell(text);
}

bool notify_stopping(void)
{
	return tell("STOPPING=1");
}

bool notify_status(const char *text)
{
	char line[512 + sizeof "STATUS="];

	snprintf(line, sizeof line, "STATUS=%s", text);
	text_make_printable(line); /* a line's end would begin another message */
	return tell(line);
}

bool notify_watchdog(void)
{
	return tell("WATCHDOG=1");
}

static bool read_number(const char *name, uint64_t *ret_number)
{
	const char *text = getenv(name);
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	return !errno && !*end;
}

uint64_t notify_watchdog_us(void)
{
	uint64_t us, pid;

	if (!read_number("WATCHDOG_USEC", &us))
		return 0;
	/* Then it is meant for that process, and this one only inherited it. */
	if (getenv("WATCHDOG_PID") && (!read_number("WATCHDOG_PID", &pid) || pid != (uint64_t)getpid()))
		return 0;
	return us;
}
