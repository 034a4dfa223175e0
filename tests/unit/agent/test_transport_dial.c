/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Who is dialled, where, for how long; and who listens where. */

/* A part of more than 63 letters: a resolver knows that without asking anybody. */
static const char nobody[] = "a-part-of-a-name-that-has-more-letters-than-any-part-of-a-name-may.example";

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void the_first_address_that_answers_is_taken(void **state)
{
	uv_loop_t *loop = wire_loop();
	struct wire_end *a = wire_open(loop, NULL, &wire_limits), *b = wire_open(loop, "127.0.0.1", &wire_limits);
	struct wire_hole hole = wire_hole_dig();
	struct transport_address addresses[] = { wire_at("127.0.0.1", wire_dead_port()),
						 wire_at("127.0.0.1", hole.port), wire_at("no name at all", 1),
						 wire_at("127.0.0.1", transport_port(b->transport, 0)),
						 wire_at("127.0.0.1", hole.port) };
	uint64_t began = now_ms();
	char host[64];

	(void)state;
	transport_dial(a->transport, 77, addresses, COUNT(addresses));
	assert_int_equal(a->opened + a->refused, 0);
	WIRE_AWAIT(loop, a->opened);
	/* The one that says nothing had its share of the time, and not all of it. */
	assert_in_range(now_ms() - began, wire_limits.connect_ms / 5, wire_limits.connect_ms);
	assert_int_equal(a->links[0].node, 77);
	assert_true(transport_peer(a->transport, a->links[0].number, host, sizeof host));
	assert_string_equal(host, "127.0.0.1");
	assert_false(transport_peer(a->transport, a->links[0].number + 1, host, sizeof host));
	transport_send(a->transport, a->links[0].number, bytes_text("hello"));
	WIRE_AWAIT(loop, b->count && b->links[0].received == 5);
	assert_int_equal(transport_counts(a->transport).dialled, 1);
	assert_int_equal(a->refused, 0);
	wire_hole_close(&hole);
	wire_close(a);
	wire_close(b);
	wire_loop_done(loop);
}

static void where_nobody_is_the_dial_is_refused(void **state)
{
	uv_loop_t *loop = wire_loop();
	struct wire_end *a = wire_open(loop, NULL, &wire_limits);
	struct transport_address bad[] = { wire_at("", 1), wire_at("a b", 1), wire_at("::1/64", 1), wire_at("[::1]", 1),
					   wire_at("127.0.0.1", 0) };

	(void)state;
	memset(bad[1].host, 'x', sizeof bad[1].host - 1);
	wire_dial(a, 1, wire_dead_port());
	assert_int_equal(a->refused, 0);
	WIRE_AWAIT(loop, a->refused == 1);
	assert_int_equal(a->refused_node, 1);
	transport_dial(a->transport, 2, NULL, 0);
	assert_int_equal(a->refused, 1);
	WIRE_AWAIT(loop, a->refused == 2);
	assert_int_equal(a->refused_node, 2);
	transport_dial(a->transport, 3, bad, COUNT(bad));
	WIRE_AWAIT(loop, a->refused == 3);
	assert_int_equal(transport_counts(a->transport).refused, 3);
	assert_int_equal(a->opened, 0);
	wire_close(a);
	wire_loop_done(loop);
}

/* Also: nng calls some of these connections made, which they are not. */
static void where_nobody_answers_the_dial_ends_in_time(void **state)
{
	enum { DIALS = 100, MS = 600 };
	struct transport_limits limits = wire_limits;
	uv_loop_t *loop = wire_loop();
	struct wire_hole hole = wire_hole_dig();
	struct transport_address addresses[3];
	struct wire_end *a;
	uint64_t began;

	(void)state;
	limits.connect_ms = MS;
	a = wire_open(loop, NULL, &limits);
	for (size_t i = 0; i < COUNT(addresses); i++)
		addresses[i] = wire_at("127.0.0.1", hole.port);
	began = now_ms();
	for (uint64_t i = 0; i < DIALS; i++)
		transport_dial(a->transport, i, addresses, COUNT(addresses));
	while (now_ms() - began < MS - 100) {
		wire_turn(loop);
		assert_int_equal(a->refused, 0);
	}
	WIRE_AWAIT(loop, a->refused == DIALS);
	assert_in_range(now_ms() - began, MS - 60, MS + 1500);
	assert_int_equal(a->opened, 0);
	wire_hole_close(&hole);
	wire_close(a);
	wire_loop_done(loop);
}

static void names_and_both_kinds_of_address_are_reached(void **state)
{
	static const struct {
		const char *listen, *dial, *peer;
	} rows[] = {
		{ "127.0.0.1", "localhost", "127.0.0.1" },
		{ "localhost", "127.0.0.1", "127.0.0.1" },
		{ "::1", "::1", "::1" },
		{ "::", "127.0.0.1", "127.0.0.1" },
		{ "::", "::1", "::1" },
		{ "0.0.0.0", "127.8.8.8", "127.0.0.1" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uv_loop_t *loop = wire_loop();
		struct wire_end *a = wire_open(loop, NULL, &wire_limits);
		struct wire_end *b = wire_open(loop, rows[i].listen, &wire_limits);
		struct transport_address address = wire_at(rows[i].dial, transport_port(b->transport, 0));
		char host[64];

		transport_dial(a->transport, 5, &address, 1);
		WIRE_AWAIT(loop, a->opened + a->refused && b->accepted);
		assert_int_equal(a->opened, 1);
		assert_true(transport_peer(b->transport, b->links[0].number, host, sizeof host));
		assert_string_equal(host, rows[i].peer);
		wire_close(a);
		wire_close(b);
		wire_loop_done(loop);
	}
}

static void all_addresses_are_those_that_a_server_has(void **state)
{
	uv_loop_t *loop = wire_loop();
	struct wire_end *a = wire_open(loop, NULL, &wire_limits), *b;

	(void)state;
	wire_has_no_v6 = true;
	b = wire_open(loop, "::", &wire_limits);
	wire_join(a, b);
	wire_has_no_v6 = false;
	wire_close(a);
	wire_close(b);
	wire_loop_done(loop);
}

/* A lookup that nobody waits for any more ends by itself, on a loop that goes on. */
static void a_name_that_nobody_has_is_refused(void **state)
{
	uv_loop_t *loop = wire_loop();
	struct wire_end *a = wire_open(loop, NULL, &wire_limits), *c;
	struct transport_address address = wire_at(nobody, 1);

	(void)state;
	transport_dial(a->transport, 5, &address, 1);
	WIRE_AWAIT(loop, a->refused);
	for (int i = 0; i < 50; i++) {
		c = wire_open(loop, NULL, &wire_limits);
		for (unsigned n = 0; n < 6; n++)
			transport_dial(c->transport, n, &address, 1);
		if (i % 2)
			wire_turn(loop);
		wire_close(c);
	}
	wire_close(a);
	wire_loop_done(loop);
}

static void with_all_links_in_use_nobody_is_dialled(void **state)
{
	struct transport_limits limits = wire_limits;
	uv_loop_t *loop = wire_loop();
	struct wire_end *a, *b = wire_open(loop, "127.0.0.1", &wire_limits);

	(void)state;
	limits.links = 3;
	a = wire_open(loop, "127.0.0.1", &limits);
	for (unsigned i = 0; i < 5; i++)
		wire_dial(a, i, transport_port(b->transport, 0));
	WIRE_AWAIT(loop, a->opened + a->refused == 5 && b->accepted == 3);
	assert_int_equal(a->opened, 3);
	/* Nor is anybody let in. */
	wire_dial(b, 9, transport_port(a->transport, 0));
	WIRE_AWAIT(loop, b->gone + b->refused && transport_counts(a->transport).over_limit);
	assert_int_equal(a->accepted, 0);
	a->links[0].is_closed = true;
	transport_close(a->transport, a->links[0].number);
	WIRE_AWAIT(loop, transport_counts(a->transport).links == 2);
	wire_dial(b, 9, transport_port(a->transport, 0));
	WIRE_AWAIT(loop, a->accepted);
	wire_close(a);
	wire_close(b);
	wire_loop_done(loop);
}

static enum code open_on(uv_loop_t *loop, const struct transport_address *addresses, size_t count, struct err *err)
{
	struct transport_hooks hooks = { 0 };
	struct transport *transport = NULL;
	enum code code = transport_open(loop, addresses, count, &wire_limits, &hooks, &transport, err);

	assert_null(transport);
	return code;
}

static void where_it_cannot_listen_it_says_why(void **state)
{
	size_t fds = wire_steady_fds();
	uv_loop_t *loop = wire_loop();
	struct wire_end *a = wire_open(loop, "127.0.0.1", &wire_limits);
	struct transport_address taken[] = { wire_at("127.0.0.1", 0),
					     wire_at("127.0.0.1", transport_port(a->transport, 0)) };
	struct transport_address absent = wire_at("203.0.113.9", 0), unknown = wire_at(nobody, 0);
	struct transport_address nonsense = wire_at("127.0.0.1/8", 0);
	struct err err = { 0 };

	(void)state;
	assert_int_not_equal(transport_port(a->transport, 0), 0);
	assert_int_equal(transport_port(a->transport, 1), 0);
	assert_int_equal(open_on(loop, taken, 2, &err), E_TAKEN);
	assert_non_null(strstr(err.text, "127.0.0.1"));
	assert_non_null(strstr(err.text, "another"));
	assert_int_equal(open_on(loop, &absent, 1, &err), E_ABSENT);
	assert_non_null(strstr(err.text, "203.0.113.9"));
	assert_int_equal(open_on(loop, &unknown, 1, &err), E_ABSENT);
	assert_int_equal(open_on(loop, &nonsense, 1, &err), E_ABSENT);
	if (geteuid()) {
		struct transport_address denied = wire_at("127.0.0.1", 1);

		assert_int_equal(open_on(loop, &denied, 1, &err), E_DENIED);
	}
	wire_close(a);
	wire_loop_done(loop);
	assert_int_equal(wire_steady_fds(), fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_address_that_answers_is_taken),
		cmocka_unit_test(where_nobody_is_the_dial_is_refused),
		cmocka_unit_test(where_nobody_answers_the_dial_ends_in_time),
		cmocka_unit_test(names_and_both_kinds_of_address_are_reached),
		cmocka_unit_test(all_addresses_are_those_that_a_server_has),
		cmocka_unit_test(a_name_that_nobody_has_is_refused),
		cmocka_unit_test(with_all_links_in_use_nobody_is_dialled),
		cmocka_unit_test(where_it_cannot_listen_it_says_why),
	};

	return cmocka_run_group_tests(tests, wire_setup, NULL);
}
