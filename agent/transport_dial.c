/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/transport_inside.h"

#include <arpa/inet.h>
#include <stdlib.h>

enum { FOUND_MAX = 8 /* addresses of one name */ };

/* Belongs to the loop: a lookup cannot be called off, so it may outlive who asked. */
struct lookup {
	uv_getaddrinfo_t request;
	struct transport_dial *dial; /* NULL: nobody asks any more */
};

struct transport_dial {
	struct transport *transport;
	TAILQ_ENTRY(transport_dial) all;
	uint64_t node;
	struct transport_address addresses[TRANSPORT_ADDRESSES_MAX];
	size_t count, next; /* the one before `next` is tried */
	struct transport_address found[FOUND_MAX];
	size_t found_count, found_place; /* what its name stands for */
	uint64_t deadline, place_deadline, try_deadline;
	struct lookup *lookup;
	enum { DIAL_WAITS, DIAL_CONNECTS, DIAL_PROVES } stage;
	struct transport_op op;
	nng_stream_dialer *dialer;
	nng_stream *stream;
	bool is_cancelled;
};

/* Its share of the time that is left for all. */
static uint64_t share(uint64_t now, uint64_t deadline, size_t among)
{
	return deadline > now ? now + (deadline - now) / among : now;
}

static void drop_lookup(struct transport_dial *dial)
{
	if (!dial->lookup)
		return;
	dial->lookup->dial = NULL;
	uv_cancel((uv_req_t *)&dial->lookup->request);
	dial->lookup = NULL;
}

static void let_go(struct transport_dial *dial)
{
	struct transport *t = dial->transport;

	drop_lookup(dial);
	TAILQ_REMOVE(&t->dials, dial, all);
	t->dials_count--;
	transport_op_done(&dial->op);
	free(dial);
}

static void refuse(struct transport_dial *dial)
{
	struct transport *t = dial->transport;
	uint64_t node = dial->node;

	let_go(dial);
	if (t->is_ending)
		return;
	t->counts.refused++;
	t->hooks.refused(t->hooks.context, node);
}

static void come_through(struct transport_dial *dial)
{
	struct transport *t = dial->transport;
	nng_stream *stream = dial->stream;
	uint64_t node = dial->node;
	struct transport_link *link;
	struct address peer;

	if (!transport_stream_peer(stream, &peer))
		peer = (struct address){ 0 };
	let_go(dial);
	link = transport_link_new(t, stream, &peer);
	t->counts.dialled++;
	transport_link_read(link);
	t->hooks.opened(t->hooks.context, node, link->number);
}

static bool connect_to(struct transport_dial *dial, const struct transport_address *address)
{
	char url[TRANSPORT_URL_MAX];

	if (!transport_url(address->host, address->port, url) || nng_stream_dialer_alloc(&dial->dialer, url))
		return false;
	if (nng_stream_dialer_set_bool(dial->dialer, NNG_OPT_TCP_NODELAY, true)) {
		nng_stream_dialer_free(dial->dialer);
		return false;
	}
	dial->stage = DIAL_CONNECTS;
	dial->op.is_busy = true;
	nng_stream_dialer_dial(dial->dialer, dial->op.aio);
	return true;
}

/* Addresses as texts that need no further lookup, so that nng's few resolver threads never wait for a name server. */
static void keep_found(struct transport_dial *dial, const struct addrinfo *info)
{
	uint16_t port = dial->addresses[dial->next - 1].port;

	for (; info && dial->found_count < FOUND_MAX; info = info->ai_next) {
		struct transport_address *found = &dial->found[dial->found_count];
		int failure = -1;

		if (info->ai_family == AF_INET)
			failure = uv_ip4_name((const struct sockaddr_in *)(const void *)info->ai_addr, found->host,
					      sizeof found->host);
		else if (info->ai_family == AF_INET6)
			failure = uv_ip6_name((const struct sockaddr_in6 *)(const void *)info->ai_addr, found->host,
					      sizeof found->host);
		found->port = port;
		dial->found_count += !failure;
	}
}

static void go_on(struct transport_dial *dial);

static void looked_up(uv_getaddrinfo_t *request, int failure, struct addrinfo *info)
{
	struct lookup *lookup = (struct lookup *)(void *)request;
	struct transport_dial *dial = lookup->dial;

	if (dial) {
		dial->lookup = NULL;
		if (!failure)
			keep_found(dial, info);
		go_on(dial);
	}
	uv_freeaddrinfo(info);
	free(lookup);
}

static bool is_literal(const char *host)
{
	uint8_t room[16];

	return inet_pton(AF_INET, host, room) == 1 || inet_pton(AF_INET6, host, room) == 1;
}

/* What the next address stands for. True: that will be told. */
static bool look_up(struct transport_dial *dial)
{
	const struct transport_address *address = &dial->addresses[dial->next++];
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct lookup *lookup;

	if (is_literal(address->host)) {
		dial->found[dial->found_count++] = *address;
		return false;
	}
	lookup = must_alloc(sizeof *lookup);
	lookup->dial = dial;
	if (uv_getaddrinfo(dial->transport->loop, &lookup->request, looked_up, address->host, NULL, &hints)) {
		free(lookup);
		return false;
	}
	dial->lookup = lookup;
	dial->try_deadline = dial->place_deadline;
	return true;
}

/* Tries what is next, until something is under way, or ends. */
static void go_on(struct transport_dial *dial)
{
	struct transport *t = dial->transport;

	while (!t->is_ending) {
		uint64_t now = uv_now(t->loop);

		if (now >= dial->deadline)
			break;
		dial->stage = DIAL_WAITS;
		if (dial->found_place < dial->found_count && now < dial->place_deadline) {
			dial->try_deadline = share(now, dial->place_deadline, dial->found_count - dial->found_place);
			dial->is_cancelled = false;
			if (connect_to(dial, &dial->found[dial->found_place++]))
				return;
			continue;
		}
		if (dial->next == dial->count)
			break;
		dial->found_count = dial->found_place = 0;
		dial->place_deadline = share(now, dial->deadline, dial->count - dial->next);
		if (look_up(dial))
			return;
	}
	refuse(dial);
}

/*
 * nng may call a connection made while the first packet is still on its way: its poller is told "hung up" of a socket
 * that does not connect yet, and by the time it looks there is no error. A send of nothing ends when there is a
 * connection, or none.
 */
static void prove(struct transport_dial *dial)
{
	nng_iov iov = { &dial->node, 0 };

	dial->stage = DIAL_PROVES;
	dial->is_cancelled = false;
	dial->op.is_busy = true;
	nng_aio_set_iov(dial->op.aio, 1, &iov);
	nng_stream_send(dial->stream, dial->op.aio);
}

static void dial_ran(void *owner)
{
	struct transport_dial *dial = owner;
	int failure = nng_aio_result(dial->op.aio);

	switch (dial->stage) {
	case DIAL_WAITS: go_on(dial); return;
	case DIAL_CONNECTS:
		if (!failure)
			dial->stream = nng_aio_get_output(dial->op.aio, 0);
		nng_stream_dialer_free(dial->dialer);
		if (failure)
			go_on(dial);
		else
			prove(dial);
		return;
	case DIAL_PROVES:
		if (!failure && !dial->transport->is_ending) {
			come_through(dial);
			return;
		}
		nng_stream_free(dial->stream);
		go_on(dial);
		return;
	}
}

void transport_dial(struct transport *transport, uint64_t node, const struct transport_address *addresses, size_t count)
{
	struct transport_dial *dial;

	if (transport->is_ending)
		return;
	dial = must_alloc(sizeof *dial);
	dial->transport = transport;
	dial->node = node;
	dial->count = count < TRANSPORT_ADDRESSES_MAX ? count : TRANSPORT_ADDRESSES_MAX;
	if (transport->counts.links + transport->dials_count >= transport->limits.links)
		dial->count = 0;
	for (size_t i = 0; i < dial->count; i++)
		dial->addresses[i] = addresses[i];
	dial->deadline = uv_now(transport->loop) + transport->limits.connect_ms;
	transport_op_init(&dial->op, transport, dial_ran, dial);
	TAILQ_INSERT_TAIL(&transport->dials, dial, all);
	transport->dials_count++;
	transport_ticks(transport);
	transport_op_post(&dial->op);
}

/* What is under way ends soon; whatever follows from it does later. */
static void call_off(struct transport_dial *dial)
{
	if (dial->lookup) {
		drop_lookup(dial);
		transport_op_post(&dial->op);
	} else if (!dial->is_cancelled && dial->op.is_busy) {
		dial->is_cancelled = true;
		nng_aio_cancel(dial->op.aio);
	}
}

void transport_dials_tick(struct transport *t, uint64_t now)
{
	struct transport_dial *dial;

	TAILQ_FOREACH(dial, &t->dials, all)
	if ((dial->stage != DIAL_WAITS || dial->lookup) && now >= dial->try_deadline)
		call_off(dial);
}

void transport_dials_end(struct transport *t)
{
	struct transport_dial *dial;

	TAILQ_FOREACH(dial, &t->dials, all)
	call_off(dial);
}
