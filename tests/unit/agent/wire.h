/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_WIRE_H
#define WARREN_TEST_WIRE_H

/*
 * Transports on real sockets of the loopback, and what they told: for the tests of the transport. An end keeps a row
 * for each link that it heard of, and refuses hooks that come in no order that the contract allows.
 */

#include "agent/transport.h"
#include "tests/unit/base/check.h"

#include <netinet/in.h>

enum { WIRE_LINKS = 12000, WIRE_PATIENCE_MS = 15000 };

struct wire_link {
	uint32_t number;
	uint64_t node; /* that was dialled */
	bool was_dialled, is_gone, is_closed, is_held;
	uint64_t received; /* bytes */
	uint64_t echoed;
};

struct wire_end {
	uv_loop_t *loop;
	struct transport *transport;
	struct wire_link *links;
	size_t count;
	unsigned accepted, opened, refused, gone, warned;
	uint64_t refused_node;
	char warning[256]; /* the last */
	bool holds;        /* bytes are not taken */
	bool echoes;       /* bytes are sent back */
	bool is_closed;
	/* What else is to be done about bytes; NULL: nothing. */
	void (*bytes)(struct wire_end *end, struct wire_link *link, struct bytes bytes);
	void *context;
};

/* A port of the loopback as the transport wants it. */
struct transport_address wire_at(const char *host, uint16_t port);
extern const struct transport_limits wire_limits; /* so wide that no test meets them by accident */

struct wire_end *wire_open(uv_loop_t *loop, const char *host, const struct transport_limits *limits);
void wire_dial(struct wire_end *end, uint64_t node, uint16_t port);
/* Ends it, and runs the loop until that is told. */
void wire_close(struct wire_end *end);
struct wire_link *wire_find(struct wire_end *end, uint32_t number);
/* A link from one to the other: of `from` the row of its side. */
struct wire_link *wire_join(struct wire_end *from, struct wire_end *to);

/* Runs the loop until it is so, which it must be in time. */
#define WIRE_AWAIT(loop, condition)                                             \
	do {                                                                    \
		uint64_t until_ = uv_hrtime() / 1000000 + WIRE_PATIENCE_MS;     \
		while (!(condition)) {                                          \
			if (uv_hrtime() / 1000000 > until_)                     \
				fail_msg("waited too long for %s", #condition); \
			wire_turn(loop);                                        \
		}                                                               \
	} while (0)

/* One round of the loop, of 5 ms at most. */
void wire_turn(uv_loop_t *loop);
void wire_run_ms(uv_loop_t *loop, unsigned ms);
/* A loop that is to be left without anything in it. */
uv_loop_t *wire_loop(void);
void wire_loop_done(uv_loop_t *loop);

/* How many descriptors are open. nng closes them a little later, on a thread of its own: that is awaited. */
size_t wire_steady_fds(void);

/* Has nng take what it keeps for good: for tests that count descriptors. */
int wire_setup(void **state);

/* Plain sockets. An address of 127.0.0.0/8 to come from: 0 for any. */
int wire_connect(uint16_t port, uint32_t from);
void wire_reset(int fd);
/* A port where nobody answers: its listener's backlog is full. The sockets are to be closed. */
struct wire_hole {
	int fds[8];
	size_t count;
	uint16_t port;
};
struct wire_hole wire_hole_dig(void);
void wire_hole_close(struct wire_hole *hole);
/* A port on which nobody listens. */
uint16_t wire_dead_port(void);

/* What nng's sends came to; `wire_short_sends`: each is cut at a random size. */
extern _Atomic unsigned wire_sends;
extern _Atomic bool wire_short_sends;
/* Lookups find no address of IPv6, as on a server that has none. */
extern _Atomic bool wire_has_no_v6;

#endif
