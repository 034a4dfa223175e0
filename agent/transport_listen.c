/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/transport_inside.h"

#include <stdio.h>
#include <stdlib.h>

bool transport_url(const char *host, uint16_t port, char ret_url[TRANSPORT_URL_MAX])
{
	static const char *const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:";
	bool is_v6 = strchr(host, ':');

	if (!*host || host[strspn(host, allowed)] || strlen(host) >= TRANSPORT_HOST_MAX)
		return false;
	snprintf(ret_url, TRANSPORT_URL_MAX, is_v6 ? "tcp://[%s]:%u" : "tcp://%s:%u", host, (unsigned)port);
	return true;
}

bool transport_stream_peer(nng_stream *stream, struct address *ret_address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct address address = { 0 };
	nng_sockaddr name;

	if (nng_stream_get_addr(stream, NNG_OPT_REMADDR, &name))
		return false;
	if (name.s_family == NNG_AF_INET) {
		address.size = 4;
		memcpy(address.bytes, &name.s_in.sa_addr, 4);
	} else if (name.s_family == NNG_AF_INET6 && !memcmp(name.s_in6.sa_addr, mapped, sizeof mapped)) {
		address.size = 4;
		memcpy(address.bytes, name.s_in6.sa_addr + sizeof mapped, 4);
	} else if (name.s_family == NNG_AF_INET6) {
		address.size = 16;
		memcpy(address.bytes, name.s_in6.sa_addr, 16);
	} else {
		return false;
	}
	*ret_address = address;
	return true;
}

/* Strangers from where this one comes from: one address, or the /64 that one person may have for nothing. */
static uint32_t neighbours(const struct transport *t, const struct address *peer)
{
	size_t shared = peer->size == 4 ? 4 : 8;
	struct transport_link *link;
	uint32_t count = 0;

	TAILQ_FOREACH(link, &t->links, all)
	count += link->is_stranger && link->peer.size == peer->size && !memcmp(link->peer.bytes, peer->bytes, shared);
	return count;
}

static bool has_room(struct transport *t, const struct address *peer)
{
	char host[ADDRESS_TEXT_SIZE];

	if (t->counts.links + t->dials_count >= t->limits.links) {
		transport_warn(t, WARN_LINKS, "all %u links are in use: new ones are turned away", t->limits.links);
		return false;
	}
	if (t->counts.strangers >= t->limits.strangers) {
		transport_warn(t, WARN_STRANGERS,
			       "%u links of strangers wait to show who they are: more are turned away; a firewall can "
			       "keep the port to members",
			       t->counts.strangers);
		return false;
	}
	if (neighbours(t, peer) >= t->limits.per_address) {
		address_format(peer, host);
		transport_warn(t, WARN_ADDRESS, "%u links of strangers come from %s: more from there are turned away",
			       t->limits.per_address, host);
		return false;
	}
	return true;
}

static void welcome(struct transport *t, nng_stream *stream)
{
	struct transport_link *link;
	struct address peer;

	/* Who hung up before we came to it has no address any more. */
	if (!transport_stream_peer(stream, &peer)) {
		nng_stream_free(stream);
		return;
	}
	if (!has_room(t, &peer)) {
		t->counts.over_limit++;
		nng_stream_free(stream);
		return;
	}
	link = transport_link_new(t, stream, &peer);
	link->is_stranger = true;
	link->deadline = uv_now(t->loop) + t->limits.stranger_ms;
	t->counts.strangers++;
	t->counts.accepted++;
	transport_ticks(t);
	transport_link_read(link);
	t->hooks.accepted(t->hooks.context, link->number);
}

static void accept_next(struct transport_accept *accept)
{
	accept->retry = 0;
	accept->op.is_busy = true;
	nng_stream_listener_accept(accept->listener->listener, accept->op.aio);
}

static void accepted(void *owner)
{
	struct transport_accept *accept = owner;
	struct transport *t = accept->op.transport;
	int failure = nng_aio_result(accept->op.aio);

	if (t->is_ending) {
		if (!failure)
			nng_stream_free(nng_aio_get_output(accept->op.aio, 0));
		return;
	}
	if (failure) {
		/* Without descriptors the next would fail at once, and so on: this thread would do nothing else. */
		t->counts.accept_errors++;
		accept->retry = uv_now(t->loop) + TRANSPORT_BACK_OFF_MS;
		transport_ticks(t);
		transport_warn(t, WARN_ACCEPT, "cannot accept links: %s%s", nng_strerror(failure),
			       failure == NNG_ENOFILES ? ": raise the limit of open files" : "");
		return;
	}
	welcome(t, nng_aio_get_output(accept->op.aio, 0));
	/* The hook may have ended everything. */
	if (!t->is_ending)
		accept_next(accept);
}

void transport_listeners_tick(struct transport *t, uint64_t now, bool *ret_waits)
{
	for (size_t i = 0; i < t->listeners_count * TRANSPORT_ACCEPTS && !t->is_ending; i++) {
		struct transport_accept *accept = &t->listeners[i / TRANSPORT_ACCEPTS].accepts[i % TRANSPORT_ACCEPTS];

		if (accept->retry && now >= accept->retry)
			accept_next(accept);
		*ret_waits |= accept->retry != 0;
	}
}

static enum code cannot_listen(struct err *err, const struct transport_address *address, int failure)
{
	const char *host = address->host;
	unsigned port = address->port;

	switch (failure) {
	case NNG_EADDRINUSE:
		return fail(err, E_TAKEN,
			    "cannot listen on %s port %u: another process does: stop it, or set gossip.listen to "
			    "another port",
			    host, port);
	case NNG_EPERM:
		return fail(err, E_DENIED,
			    "cannot listen on %s port %u: that is not permitted: set gossip.listen to a port of 1024 "
			    "or above",
			    host, port);
	case NNG_EADDRINVAL:
	case NNG_ENOTSUP:
		return fail(err, E_ABSENT,
			    "cannot listen on %s port %u: this server has no such address: set gossip.listen to one "
			    "that it has",
			    host, port);
	default: return fail(err, E_IO, "cannot listen on %s port %u: %s", host, port, nng_strerror(failure));
	}
}

/* Zero, or nng's number for what is in the way. */
static int listen_at(struct transport_listener *listener, const char *host, uint16_t port)
{
	char url[TRANSPORT_URL_MAX];
	int failure, bound = 0;

	/* Without an address for the name it says all sorts of things. */
	if (!transport_url(host, port, url) || nng_stream_listener_alloc(&listener->listener, url))
		return NNG_EADDRINVAL;
	failure = nng_stream_listener_set_bool(listener->listener, NNG_OPT_TCP_NODELAY, true);
	if (!failure)
		failure = nng_stream_listener_listen(listener->listener);
	if (!failure)
		failure = nng_stream_listener_get_int(listener->listener, NNG_OPT_TCP_BOUND_PORT, &bound);
	if (failure)
		nng_stream_listener_free(listener->listener);
	listener->port = (uint16_t)bound;
	return failure;
}

enum code transport_listen(struct transport *t, const struct transport_address *address, struct err *err)
{
	struct transport_listener *listener = &t->listeners[t->listeners_count];
	int failure = listen_at(listener, address->host, address->port);

	/* All addresses, on a server that has none of IPv6: nng does not take "::" there. */
	if ((failure == NNG_EADDRINVAL || failure == NNG_ENOTSUP) && !strcmp(address->host, "::"))
		failure = listen_at(listener, "0.0.0.0", address->port);
	if (failure)
		return cannot_listen(err, address, failure);
	for (size_t i = 0; i < TRANSPORT_ACCEPTS; i++) {
		listener->accepts[i].listener = listener;
		transport_op_init(&listener->accepts[i].op, t, accepted, &listener->accepts[i]);
	}
	t->listeners_count++;
	return OK;
}

void transport_listeners_begin(struct transport *t)
{
	for (size_t i = 0; i < t->listeners_count; i++)
		for (size_t n = 0; n < TRANSPORT_ACCEPTS; n++)
			accept_next(&t->listeners[i].accepts[n]);
}

void transport_listeners_close(struct transport *t)
{
	for (size_t i = 0; i < t->listeners_count; i++)
		nng_stream_listener_close(t->listeners[i].listener);
}

bool transport_listeners_are_busy(const struct transport *t)
{
	for (size_t i = 0; i < t->listeners_count; i++)
		for (size_t n = 0; n < TRANSPORT_ACCEPTS; n++)
			if (t->listeners[i].accepts[n].op.is_busy)
				return true;
	return false;
}

void transport_listeners_free(struct transport *t)
{
	for (size_t i = 0; i < t->listeners_count; i++) {
		for (size_t n = 0; n < TRANSPORT_ACCEPTS; n++)
			transport_op_done(&t->listeners[i].accepts[n].op);
		nng_stream_listener_free(t->listeners[i].listener);
	}
	t->listeners_count = 0;
}
