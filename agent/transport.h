/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TRANSPORT_H
#define WARREN_TRANSPORT_H

/*
 * Streams of bytes between members: what crdt/node.h calls links, on nng's byte streams over TCP. Who is at the other
 * end, and whether anything was changed on its way, is the session's to find out (crdt/gossip/session.h).
 *
 * All calls are made and all hooks are called on one thread, that of the loop; nng's own threads only hand completions
 * over. A link keeps its number for its life and no later link gets the same. What arrives is handed up one piece at a
 * time: the next is read only after transport_take said that the last one was used up, so a slow node slows its peers'
 * sending and not its own memory. What is sent waits in a queue that is bounded; a peer that does not read loses its
 * link. What is sent within one round of the loop goes out together at its end. After `gone` a link's number is
 * nobody's, until all 2^32 were used; transport_close is followed by no `gone`.
 *
 * No hook but `warn` is called from inside a call. From inside a hook any call may be made, transport_end too.
 */

#include "crdt/base/err.h"

#include <uv.h>

struct transport;

enum {
	TRANSPORT_ADDRESSES_MAX = 16, /* of one peer, that are tried one after the other */
	TRANSPORT_HOST_MAX = 256,
	TRANSPORT_RECEIVE = 64 * 1024, /* one piece */
};

struct transport_address {
	char host[TRANSPORT_HOST_MAX]; /* a name, or an address of either version without brackets */
	uint16_t port;
};

struct transport_hooks {
	void *context;
	void (*accepted)(void *context, uint32_t link);
	/* A dial came to a link, or to none. */
	void (*opened)(void *context, uint64_t node, uint32_t link);
	void (*refused)(void *context, uint64_t node);
	/* Borrowed until transport_take is called for the link, or transport_close, or `gone`. */
	void (*bytes)(void *context, uint32_t link, struct bytes bytes);
	void (*gone)(void *context, uint32_t link);
	/* Something that an operator should know: one line, told at most once a minute per kind. */
	void (*warn)(void *context, const char *text);
};

struct transport_limits {
	uint32_t links;       /* in all */
	uint32_t strangers;   /* accepted, and not yet said to be known by transport_know */
	uint32_t per_address; /* strangers from one IPv4 address or IPv6 /64 */
	uint32_t stranger_ms; /* after which a stranger's link is closed */
	uint32_t connect_ms;  /* for all addresses of one dial together */
	size_t queue;         /* bytes of one link that wait to be sent, beyond which it is closed */
	size_t queues;        /* and of all links together: then the longest is closed */
};

extern const struct transport_limits transport_limits_usual;

/*
 * Listens on every one of `listen` (none: it only dials); "::" means all addresses, of IPv4 too. E_TAKEN, E_DENIED,
 * E_ABSENT name the address and the way out.
 */
enum code transport_open(uv_loop_t *loop, const struct transport_address *listen, size_t count,
			 const struct transport_limits *limits, const struct transport_hooks *hooks,
			 struct transport **ret_transport, struct err *err);

/* The port that the address of that place is listened on: for port 0 the one that was found. */
uint16_t transport_port(const struct transport *transport, size_t place);

/*
 * Answered by `opened` or `refused`, never before it returns; after transport_end by neither. Each address has its
 * share of the time that is left, and each of those that a name stands for has its share of that.
 */
void transport_dial(struct transport *transport, uint64_t node, const struct transport_address *addresses,
		    size_t count);

/* Copies the bytes. Of a link that is no more nothing happens. */
void transport_send(struct transport *transport, uint32_t link, struct bytes bytes);
void transport_take(struct transport *transport, uint32_t link);
/* The peer has shown who it is. If nothing reaches it any more, its link ends a quarter of a minute later or so. */
void transport_know(struct transport *transport, uint32_t link);
/*
 * What was sent before is still sent, and the peer has until it hangs up to read it, a second at most; if nothing waits
 * the link ends at once.
 */
void transport_close(struct transport *transport, uint32_t link);

/* The other end of a link, as text without the port; false: no such link. */
bool transport_peer(const struct transport *transport, uint32_t link, char *ret_host, size_t size);

struct transport_counts {
	uint64_t accepted, dialled, refused, closed_slow, closed_strange, over_limit, accept_errors, sent, received;
	uint32_t links, strangers;
	size_t queued;
};

struct transport_counts transport_counts(const struct transport *transport);

/*
 * Closes everything; `closed` is called on the loop when nng holds nothing of it any more and it has been freed. A
 * lookup of a name cannot be called off: it is the loop's, which has it end later, by itself.
 */
void transport_end(struct transport *transport, void (*closed)(void *context), void *context);

#endif
