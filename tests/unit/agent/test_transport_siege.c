/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent/wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Strangers who mean no good, a process without descriptors, and ends in the middle of everything. */

static void expect_service(struct wire_end *end)
{
	struct wire_end *friend = wire_open(end->loop, NULL, &wire_limits);
	struct wire_link *link = wire_join(friend, end);

	end->echoes = true;
	transport_send(friend->transport, link->number, bytes_text("still there?"));
	WIRE_AWAIT(end->loop, link->received == 12);
	wire_close(friend);
	WIRE_AWAIT(end->loop, !transport_counts(end->transport).links);
	end->echoes = false;
}

/* One stranger's visit, up to the moment at which it breaks off. */
static void visit(struct wire_end *end, unsigned how, uint32_t from)
{
	static const uint8_t noise[30000];
	int fd = wire_connect(transport_port(end->transport, 0), from);
	uint8_t byte;

	assert_true(fd >= 0);
	if (how & 1)
		send(fd, noise, 1 + dice_below(sizeof noise - 1), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (how & 2)
		wire_turn(end->loop);
	if (how & 4)
		shutdown(fd, SHUT_WR);
	if (how & 8)
		wire_turn(end->loop);
	if (how & 16)
		recv(fd, &byte, 1, MSG_DONTWAIT);
	if (how & 32)
		shutdown(fd, SHUT_RD);
	if (dice_below(8))
		wire_reset(fd);
	else
		close(fd);
}

static void ten_thousand_resets_stop_nothing(void **state)
{
	enum { VISITS = 10000 };
	size_t fds = wire_steady_fds();
	uv_loop_t *loop = wire_loop();
	struct wire_end *end = wire_open(loop, "0.0.0.0", &wire_limits);

	(void)state;
	end->echoes = true;
	for (uint32_t i = 0; i < VISITS; i++) {
		visit(end, (unsigned)dice_below(64), INADDR_LOOPBACK + 1 + (uint32_t)dice_below(1 << 23));
		/* The kernel's queue of those who wait is short. */
		if (i % 60 == 59)
			for (int n = 0; n < 20; n++)
				uv_run(loop, UV_RUN_NOWAIT);
	}
	WIRE_AWAIT(loop, !transport_counts(end->transport).links);
	assert_true(transport_counts(end->transport).accepted > VISITS / 4);
	assert_int_equal(transport_counts(end->transport).accept_errors, 0);
	assert_int_equal(transport_counts(end->transport).queued, 0);
	assert_int_equal(transport_counts(end->transport).strangers, 0);
	assert_int_equal(end->gone, end->accepted);
	expect_service(end);
	wire_close(end);
	wire_loop_done(loop);
	assert_int_equal(wire_steady_fds(), fds);
}

/* Takes every free descriptor below the highest that is in use. Returns how many. */
static size_t fill_gaps(int *fillers, size_t max)
{
	int highest = 0;
	size_t count = 0;

	for (int i = 0; i < 4096; i++)
		if (fcntl(i, F_GETFD) >= 0)
			highest = i;
	for (int fd = 0; fd < highest; fillers[count++] = fd) {
		assert_true(count < max);
		fd = fcntl(0, F_DUPFD_CLOEXEC, 0);
		assert_true(fd >= 0);
	}
	return count;
}

static void without_descriptors_it_waits_for_some(void **state)
{
	enum { VISITORS = 40, SPARE = 6 };
	size_t fds = wire_steady_fds();
	uv_loop_t *loop = wire_loop();
	struct wire_end *end = wire_open(loop, "127.0.0.1", &wire_limits);
	struct wire_end *friend = wire_open(loop, "127.0.0.1", &wire_limits);
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(transport_port(end->transport, 0)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct rlimit usual, small;
	int visitors[VISITORS], fillers[4096];
	size_t filled;
	unsigned opened;

	(void)state;
	wire_run_ms(loop, 20);
	for (int i = 0; i < VISITORS; i++)
		visitors[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	getrlimit(RLIMIT_NOFILE, &usual);
	small = usual;
	filled = fill_gaps(fillers, COUNT(fillers));
	small.rlim_cur = (rlim_t)fillers[filled - 1] + 1 + SPARE;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	for (int i = 0; i < VISITORS; i++)
		assert_int_equal(connect(visitors[i], (const struct sockaddr *)&to, sizeof to), 0);
	wire_run_ms(loop, 450);
	assert_in_range(end->accepted, 1, VISITORS - 1);
	/* Neither did it give up, nor does it try all the time. */
	assert_in_range(transport_counts(end->transport).accept_errors, 2, 50);
	assert_int_equal(end->warned, 1);
	assert_non_null(strstr(end->warning, "open files"));
	opened = end->opened;
	wire_dial(end, 3, transport_port(friend->transport, 0));
	WIRE_AWAIT(loop, end->refused);
	assert_int_equal(end->opened, opened);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	WIRE_AWAIT(loop, end->accepted == VISITORS);
	for (int i = 0; i < VISITORS; i++)
		close(visitors[i]);
	while (filled)
		close(fillers[--filled]);
	WIRE_AWAIT(loop, end->gone == VISITORS);
	expect_service(end);
	wire_close(end);
	wire_close(friend);
	wire_loop_done(loop);
	assert_int_equal(wire_steady_fds(), fds);
}

static bool is_shut(int fd)
{
	uint8_t byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void strangers_are_limited_in_all_and_by_address(void **state)
{
	enum { ALL = 10, EACH = 3 };
	struct transport_limits limits = wire_limits;
	uv_loop_t *loop = wire_loop();
	struct wire_end *end;
	int fds[ALL + 20];
	unsigned count = 0;
	uint16_t port;

	(void)state;
	limits.strangers = ALL;
	limits.per_address = EACH;
	end = wire_open(loop, "::", &limits);
	port = transport_port(end->transport, 0);
	for (unsigned i = 0; i < EACH; i++)
		fds[count++] = wire_connect(port, INADDR_LOOPBACK + 5);
	WIRE_AWAIT(loop, end->accepted == EACH);
	fds[count++] = wire_connect(port, INADDR_LOOPBACK + 5);
	WIRE_AWAIT(loop, transport_counts(end->transport).over_limit == 1);
	WIRE_AWAIT(loop, is_shut(fds[EACH]));
	assert_non_null(strstr(end->warning, "127.0.0.6"));
	/* IPv4 through a socket of IPv6 is no one neighbourhood. */
	for (unsigned i = 0; i < ALL - EACH; i++)
		fds[count++] = wire_connect(port, INADDR_LOOPBACK + 100 + i);
	WIRE_AWAIT(loop, end->accepted == ALL);
	fds[count++] = wire_connect(port, INADDR_LOOPBACK + 50);
	WIRE_AWAIT(loop, transport_counts(end->transport).over_limit == 2);
	assert_int_equal(transport_counts(end->transport).strangers, ALL);
	/* Who is known makes room, and so does who goes. */
	transport_know(end->transport, end->links[0].number);
	transport_know(end->transport, end->links[0].number);
	assert_int_equal(transport_counts(end->transport).strangers, ALL - 1);
	fds[count++] = wire_connect(port, INADDR_LOOPBACK + 5);
	WIRE_AWAIT(loop, end->accepted == ALL + 1);
	close(fds[EACH + 1]);
	WIRE_AWAIT(loop, end->gone == 1);
	fds[count++] = wire_connect(port, INADDR_LOOPBACK + 51);
	WIRE_AWAIT(loop, end->accepted == ALL + 2);
	assert_int_equal(transport_counts(end->transport).over_limit, 2);
	assert_int_equal(transport_counts(end->transport).links, ALL + 1);
	for (unsigned i = 0; i < count; i++)
		if (i != EACH + 1)
			close(fds[i]);
	wire_close(end);
	wire_loop_done(loop);
}

static void a_stranger_has_so_long_to_show_who_it_is(void **state)
{
	struct transport_limits limits = wire_limits;
	uv_loop_t *loop = wire_loop();
	struct wire_end *end, *friend = wire_open(loop, "127.0.0.1", &wire_limits);
	struct wire_link *dialled;
	int known, strange;
	uint64_t began;

	(void)state;
	limits.stranger_ms = 300;
	end = wire_open(loop, "127.0.0.1", &limits);
	dialled = wire_join(end, friend);
	known = wire_connect(transport_port(end->transport, 0), 0);
	WIRE_AWAIT(loop, end->accepted == 1);
	transport_know(end->transport, end->links[1].number);
	began = uv_hrtime();
	strange = wire_connect(transport_port(end->transport, 0), 0);
	/* That it talks does not help it. */
	while (!end->gone) {
		send(strange, "x", 1, MSG_NOSIGNAL);
		wire_turn(loop);
		assert_true((uv_hrtime() - began) / 1000000 < 3000);
	}
	assert_true((uv_hrtime() - began) / 1000000 >= 290);
	assert_true(end->links[2].is_gone);
	assert_int_equal(transport_counts(end->transport).closed_strange, 1);
	wire_run_ms(loop, 400);
	assert_int_equal(end->gone, 1);
	assert_false(dialled->is_gone);
	close(known);
	close(strange);
	wire_close(end);
	wire_close(friend);
	wire_loop_done(loop);
}

/* One thing after another that may be done to a transport. */
static void act(struct wire_end *end, const struct wire_end *other, const struct wire_hole *hole, const uint8_t *room)
{
	struct wire_link *link = end->count ? &end->links[dice_below(end->count)] : NULL;
	uint64_t what = dice_below(100);

	if (what >= 75) {
		wire_turn(end->loop);
	} else if (what < 10 || !link) {
		struct transport_address addresses[] = { wire_at(what % 2 ? "localhost" : "127.0.0.1",
								 transport_port(other->transport, 0)),
							 wire_at("127.0.0.1", hole->port) };

		transport_dial(end->transport, what, addresses + (what % 4 == 3), 1);
	} else if (what < 45) {
		transport_send(end->transport, link->number, bytes_of(room, 1 + dice_below(300000)));
	} else if (what < 52) {
		transport_close(end->transport, link->number);
		link->is_closed = true;
	} else if (what < 65) {
		link->is_held = false;
		transport_take(end->transport, link->number);
	} else if (what < 68) {
		transport_know(end->transport, link->number);
	} else if (what < 71) {
		end->holds = !end->holds;
	} else {
		end->echoes = !end->echoes;
	}
}

static void an_end_comes_whenever_it_will(void **state)
{
	enum { ROUNDS = 120 };
	size_t fds = wire_steady_fds();
	uint8_t *room = must_alloc(300000);
	struct transport_limits limits = wire_limits;
	unsigned opened = 0, gone = 0, closed_slow = 0;
	uint64_t seed;

	(void)state;
	limits.queue = 512 * 1024;
	limits.queues = 1024 * 1024;
	limits.connect_ms = 100;
	limits.stranger_ms = 150;
	for (seed = 1; seed <= ROUNDS; seed++) {
		uv_loop_t *loop = wire_loop();
		struct wire_hole hole = wire_hole_dig();
		struct wire_end *a, *b;

		dice_state = seed * 7919;
		a = wire_open(loop, "127.0.0.1", &limits);
		b = wire_open(loop, "127.0.0.1", &limits);
		for (size_t i = dice_below(300); i; i--)
			act(dice_below(2) ? a : b, dice_below(2) ? a : b, &hole, room);
		opened += a->opened + b->opened;
		gone += a->gone + b->gone;
		closed_slow += (unsigned)(transport_counts(a->transport).closed_slow +
					  transport_counts(b->transport).closed_slow);
		if (dice_below(2)) {
			wire_close(a);
			wire_close(b);
		} else {
			wire_close(b);
			wire_close(a);
		}
		wire_loop_done(loop);
		wire_hole_close(&hole);
	}
	print_message("%u links, %u gone, %u slow\n", opened, gone, closed_slow);
	assert_true(opened > ROUNDS && gone > ROUNDS / 4 && closed_slow);
	free(room);
	assert_int_equal(wire_steady_fds(), fds);
}

static void ended(void *context)
{
	*(bool *)context = true;
}

static void end_it(struct wire_end *end, struct wire_link *link, struct bytes bytes)
{
	(void)bytes;
	transport_send(end->transport, link->number, bytes_text("an answer that nobody gets"));
	transport_end(end->transport, ended, end->context);
	/* Nothing more is heard, and nothing done. */
	link->is_closed = true;
	end->holds = true;
	transport_take(end->transport, link->number);
	wire_dial(end, 5, 1);
}

static void the_end_may_come_from_a_hook(void **state)
{
	size_t fds = wire_steady_fds();

	(void)state;
	for (int i = 0; i < 30; i++) {
		uv_loop_t *loop = wire_loop();
		struct wire_end *a = wire_open(loop, NULL, &wire_limits);
		struct wire_end *b = wire_open(loop, "127.0.0.1", &wire_limits);
		bool is_ended = false;

		for (int n = 0; n < 3; n++)
			wire_join(a, b);
		b->context = &is_ended;
		b->bytes = end_it;
		transport_send(a->transport, a->links[1].number, bytes_text("x"));
		WIRE_AWAIT(loop, is_ended && a->gone == 3);
		assert_int_equal(b->gone, 0);
		free(b->links);
		free(b);
		wire_close(a);
		wire_loop_done(loop);
	}
	assert_int_equal(wire_steady_fds(), fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_resets_stop_nothing),
		cmocka_unit_test(without_descriptors_it_waits_for_some),
		cmocka_unit_test(strangers_are_limited_in_all_and_by_address),
		cmocka_unit_test(a_stranger_has_so_long_to_show_who_it_is),
		cmocka_unit_test(an_end_comes_whenever_it_will),
		cmocka_unit_test(the_end_may_come_from_a_hook),
	};

	return cmocka_run_group_tests(tests, wire_setup, NULL);
}
