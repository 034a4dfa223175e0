/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/transport_inside.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/*
 * What nng has no option for. A peer that changes its address, or whose machine is gone, says nothing more, and by
 * itself the kernel sends the same to nobody for a quarter of an hour and longer.
 */
enum {
	UNHEARD_MS = 12000, /* that long nothing that was sent is acknowledged: the link ends */
	ASKS_AFTER_S = 30,  /* nothing was sent: the kernel asks whether anybody is there */
	ASKS_EVERY_S = 4,
};

struct end {
	uint8_t bytes[16];
	in_port_t port;
};

static void four_inside_six(const void *four, struct end *ret_end)
{
	memset(ret_end->bytes + 10, 0xff, 2);
	memcpy(ret_end->bytes + 12, four, 4);
}

static bool end_of(nng_stream *stream, const char *which, struct end *ret_end)
{
	struct end end = { 0 };
	nng_sockaddr name;

	if (nng_stream_get_addr(stream, which, &name))
		return false;
	if (name.s_family == NNG_AF_INET) {
		end.port = name.s_in.sa_port;
		four_inside_six(&name.s_in.sa_addr, &end);
	} else if (name.s_family == NNG_AF_INET6) {
		end.port = name.s_in6.sa_port;
		memcpy(end.bytes, name.s_in6.sa_addr, sizeof end.bytes);
	} else {
		return false;
	}
	*ret_end = end;
	return true;
}

static bool is_end(const struct sockaddr_storage *name, const struct end *wanted)
{
	const struct sockaddr_in *four = (const void *)name;
	const struct sockaddr_in6 *six = (const void *)name;
	struct end end = { 0 };

	if (name->ss_family == AF_INET) {
		end.port = four->sin_port;
		four_inside_six(&four->sin_addr, &end);
	} else if (name->ss_family == AF_INET6) {
		end.port = six->sin6_port;
		memcpy(end.bytes, &six->sin6_addr, sizeof end.bytes);
	}
	return end.port == wanted->port && !memcmp(end.bytes, wanted->bytes, sizeof end.bytes);
}

static bool is_between(int fd, const struct end *here, const struct end *there)
{
	struct sockaddr_storage name = { 0 };
	socklen_t size = sizeof name;

	if (getsockname(fd, (void *)&name, &size) || !is_end(&name, here))
		return false;
	size = sizeof name;
	return !getpeername(fd, (void *)&name, &size) && is_end(&name, there);
}

/* nng does not tell its descriptor, so the one between the same two ends is looked for: -1, there is none. */
static int find_socket(nng_stream *stream, int most)
{
	struct end here, there;

	if (!end_of(stream, NNG_OPT_LOCADDR, &here) || !end_of(stream, NNG_OPT_REMADDR, &there))
		return -1;
	for (int fd = 0; fd < most; fd++)
		if (is_between(fd, &here, &there))
			return fd;
	return -1;
}

void transport_socket_watch(nng_stream *stream, const struct transport *t)
{
	/* The lowest free one is always taken: beyond these are none but the listeners' and what others hold. */
	int fd = find_socket(stream, (int)(2 * (t->limits.links + 512)));
	int unheard = UNHEARD_MS, on = 1, after = ASKS_AFTER_S, every = ASKS_EVERY_S;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unheard, sizeof unheard);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &after, sizeof after);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}
