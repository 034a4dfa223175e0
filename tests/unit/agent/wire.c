/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent/wire.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

_Atomic unsigned wire_sends;
_Atomic bool wire_short_sends, wire_has_no_v6;

const struct transport_limits wire_limits = {
	.links = 20000,
	.strangers = 20000,
	.per_address = 20000,
	.stranger_ms = 60000,
	.connect_ms = 3000,
	.queue = (size_t)64 << 20,
	.queues = (size_t)256 << 20,
};

/*
 * ThreadSanitizer takes two things for races, since what keeps them apart is in libraries that are not built with it:
 * the end of the mutex of a dialler, which nng's threads agree upon by a counter, and what libc remembers of this
 * machine's addresses.
 */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
	return "race:pthread_mutex_destroy\nrace:__check_pf";
}

/* nng's sends come through here. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct msghdr shorter = *message;
	struct iovec first;

	wire_sends++;
	if (wire_short_sends && message->msg_iovlen && message->msg_iov[0].iov_len) {
		static _Atomic uint32_t dice_of_cuts = 1;

		first = message->msg_iov[0];
		dice_of_cuts = dice_of_cuts * 1664525 + 1013904223;
		first.iov_len = 1 + (dice_of_cuts >> 8) % first.iov_len;
		shorter.msg_iov = &first;
		shorter.msg_iovlen = 1;
		message = &shorter;
	}
	return syscall(SYS_sendmsg, fd, message, flags);
}

/* And all its lookups through here. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret_info)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	if (wire_has_no_v6 && host && strchr(host, ':'))
		return EAI_ADDRFAMILY;
	/* POSIX has it so, and ISO C not: the bits of the one pointer are those of the other. */
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(host, port, hints, ret_info);
}

struct transport_address wire_at(const char *host, uint16_t port)
{
	struct transport_address address = { .port = port };

	snprintf(address.host, sizeof address.host, "%s", host);
	return address;
}

struct wire_link *wire_find(struct wire_end *end, uint32_t number)
{
	for (size_t i = end->count; i--;)
		if (end->links[i].number == number)
			return &end->links[i];
	return NULL;
}

static struct wire_link *add_link(struct wire_end *end, uint32_t number)
{
	assert_null(wire_find(end, number));
	assert_true(end->count < WIRE_LINKS);
	end->links[end->count] = (struct wire_link){ .number = number };
	return &end->links[end->count++];
}

static struct wire_link *live_link(struct wire_end *end, uint32_t number)
{
	struct wire_link *link = wire_find(end, number);

	assert_non_null(link);
	assert_false(link->is_gone);
	assert_false(link->is_closed);
	return link;
}

static void on_accepted(void *context, uint32_t number)
{
	struct wire_end *end = context;

	add_link(end, number);
	end->accepted++;
}

static void on_opened(void *context, uint64_t node, uint32_t number)
{
	struct wire_end *end = context;
	struct wire_link *link = add_link(end, number);

	link->was_dialled = true;
	link->node = node;
	end->opened++;
}

static void on_refused(void *context, uint64_t node)
{
	struct wire_end *end = context;

	end->refused_node = node;
	end->refused++;
}

static void on_bytes(void *context, uint32_t number, struct bytes bytes)
{
	struct wire_end *end = context;
	struct wire_link *link = live_link(end, number);

	assert_false(link->is_held);
	assert_true(bytes.size && bytes.size <= TRANSPORT_RECEIVE);
	link->received += bytes.size;
	link->is_held = true;
	if (end->bytes)
		end->bytes(end, link, bytes);
	if (end->echoes)
		transport_send(end->transport, number, bytes);
	if (!end->holds && !link->is_closed) {
		link->is_held = false;
		transport_take(end->transport, number);
	}
}

static void on_gone(void *context, uint32_t number)
{
	struct wire_end *end = context;

	live_link(end, number)->is_gone = true;
	end->gone++;
}

static void on_warn(void *context, const char *text)
{
	struct wire_end *end = context;

	snprintf(end->warning, sizeof end->warning, "%s", text);
	end->warned++;
}

struct wire_end *wire_open(uv_loop_t *loop, const char *host, const struct transport_limits *limits)
{
	struct wire_end *end = must_alloc(sizeof *end);
	struct transport_hooks hooks = { end, on_accepted, on_opened, on_refused, on_bytes, on_gone, on_warn };
	struct transport_address address = wire_at(host ? host : "", 0);
	struct err err = { 0 };

	end->loop = loop;
	end->links = must_alloc(WIRE_LINKS * sizeof *end->links);
	if (transport_open(loop, &address, host ? 1 : 0, limits, &hooks, &end->transport, &err))
		fail_msg("cannot listen: %s", err.text);
	return end;
}

void wire_dial(struct wire_end *end, uint64_t node, uint16_t port)
{
	struct transport_address address = wire_at("127.0.0.1", port);

	transport_dial(end->transport, node, &address, 1);
}

static void on_closed(void *context)
{
	struct wire_end *end = context;

	end->is_closed = true;
}

void wire_close(struct wire_end *end)
{
	transport_end(end->transport, on_closed, end);
	assert_false(end->is_closed);
	WIRE_AWAIT(end->loop, end->is_closed);
	free(end->links);
	free(end);
}

struct wire_link *wire_join(struct wire_end *from, struct wire_end *to)
{
	unsigned opened = from->opened, accepted = to->accepted;

	wire_dial(from, 7, transport_port(to->transport, 0));
	WIRE_AWAIT(from->loop, from->opened > opened && to->accepted > accepted);
	return &from->links[from->count - 1];
}

static void wake_up(uv_timer_t *timer)
{
	(void)timer;
}

uv_loop_t *wire_loop(void)
{
	uv_loop_t *loop = must_alloc(sizeof *loop);
	uv_timer_t *timer = must_alloc(sizeof *timer);

	assert_int_equal(uv_loop_init(loop), 0);
	uv_timer_init(loop, timer);
	uv_timer_start(timer, wake_up, 5, 5);
	loop->data = timer;
	return loop;
}

void wire_loop_done(uv_loop_t *loop)
{
	uv_timer_t *timer = loop->data;

	uv_close((uv_handle_t *)timer, NULL);
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
	free(timer);
	free(loop);
}

void wire_turn(uv_loop_t *loop)
{
	uv_run(loop, UV_RUN_ONCE);
}

void wire_run_ms(uv_loop_t *loop, unsigned ms)
{
	uint64_t until = uv_hrtime() / 1000000 + ms;

	while (uv_hrtime() / 1000000 < until)
		wire_turn(loop);
}

/* Not pipes: a sanitizer talks through such with who names functions for it. */
static size_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char name[64];
		ssize_t size = readlinkat(dirfd(dir), entry->d_name, name, sizeof name);

		count += size > 0 && strncmp(name, "pipe:", 5) != 0;
	}
	closedir(dir);
	return count;
}

size_t wire_steady_fds(void)
{
	size_t count = count_fds();

	for (int same = 0, i = 0; same < 10 && i < 500; i++) {
		size_t now;

		usleep(5000);
		now = count_fds();
		same = now == count ? same + 1 : 0;
		count = now;
	}
	return count;
}

int wire_setup(void **state)
{
	uv_loop_t *loop = wire_loop();

	(void)state;
	wire_close(wire_open(loop, "127.0.0.1", &wire_limits));
	wire_loop_done(loop);
	return 0;
}

static struct sockaddr_in loopback(uint16_t port, uint32_t address)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(address ? address : INADDR_LOOPBACK) };
}

int wire_connect(uint16_t port, uint32_t from)
{
	struct sockaddr_in to = loopback(port, 0), self = loopback(0, from);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if ((from && bind(fd, (const struct sockaddr *)&self, sizeof self)) ||
	    connect(fd, (const struct sockaddr *)&to, sizeof to)) {
		close(fd);
		return -1;
	}
	return fd;
}

void wire_reset(int fd)
{
	struct linger none = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
	close(fd);
}

static int listen_on(uint16_t *ret_port)
{
	struct sockaddr_in name = loopback(0, 0);
	socklen_t size = sizeof name;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&name, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
	*ret_port = ntohs(name.sin_port);
	return fd;
}

struct wire_hole wire_hole_dig(void)
{
	struct wire_hole hole = { 0 };
	struct sockaddr_in to;

	hole.fds[hole.count++] = listen_on(&hole.port);
	assert_int_equal(listen(hole.fds[0], 0), 0);
	to = loopback(hole.port, 0);
	while (hole.count < COUNT(hole.fds)) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		assert_true(fd >= 0);
		connect(fd, (const struct sockaddr *)&to, sizeof to);
		hole.fds[hole.count++] = fd;
	}
	return hole;
}

void wire_hole_close(struct wire_hole *hole)
{
	while (hole->count)
		close(hole->fds[--hole->count]);
}

uint16_t wire_dead_port(void)
{
	uint16_t port;

	close(listen_on(&port));
	return port;
}
