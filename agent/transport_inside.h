/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TRANSPORT_INSIDE_H
#define WARREN_TRANSPORT_INSIDE_H

/*
 * What the parts of the transport share. Everything here belongs to the loop's thread but `handed`, which nng's threads
 * fill under the mutex.
 *
 * An op is one thing that nng can be asked to do at a time. When it is done, its callback on a thread of nng only links
 * it into `handed` and wakes the loop, and there `ran` is called. Whoever owns an op is freed when none of its ops is
 * busy, so never inside a callback. nng never ends an op that was begun on a stream that it had closed: none is.
 */

#include "agent/transport.h"
#include "agent/transport_queue.h"
#include "crdt/base/ip.h"

#include <nng/nng.h>
#include <sys/queue.h>

enum {
	TRANSPORT_TICK_MS = 50,      /* how late a deadline may be noticed */
	TRANSPORT_PARTING_MS = 1000, /* for what was sent before a link was closed */
	TRANSPORT_BACK_OFF_MS = 100, /* after an accept that failed */
	TRANSPORT_ACCEPTS = 8,
	TRANSPORT_URL_MAX = TRANSPORT_HOST_MAX + 32,
};

struct transport_op {
	struct transport *transport;
	struct transport_op *next; /* in `handed` */
	nng_aio *aio;
	void (*ran)(void *owner);
	void *owner;
	bool is_busy;
};

struct transport_link {
	struct transport *transport;
	TAILQ_ENTRY(transport_link) all, dirty;
	struct transport_link *next; /* of those that share a place in the table */
	uint32_t number;
	struct address peer;
	nng_stream *stream;
	struct transport_op receiving, sending;
	struct transport_queue queue;
	uint64_t deadline; /* of a stranger, or of what still goes out before the end */
	bool is_stranger;
	bool is_dirty;   /* something was queued and nothing is under way */
	bool is_held;    /* bytes were handed up and not yet taken */
	bool is_mute;    /* sending failed: what the other end sent before may still be read */
	bool is_shut;    /* nng has closed the stream */
	bool is_broken;  /* it ends as soon as no op is busy */
	bool is_closing; /* the node has closed it and hears no more of it */
	uint8_t room[TRANSPORT_RECEIVE];
};

enum transport_warning { WARN_ACCEPT, WARN_LINKS, WARN_STRANGERS, WARN_ADDRESS, WARN_SLOW, WARN_QUEUES, WARN_KINDS };

struct transport_accept {
	struct transport_op op;
	struct transport_listener *listener;
	uint64_t retry; /* when to go on; 0: it does */
};

/* Several accepts at a time: the kernel's queue of those who wait is short, and each goes through two threads. */
struct transport_listener {
	nng_stream_listener *listener;
	struct transport_accept accepts[TRANSPORT_ACCEPTS];
	uint16_t port;
};

TAILQ_HEAD(transport_links, transport_link);
TAILQ_HEAD(transport_dials, transport_dial);

struct transport {
	uv_loop_t *loop;
	struct transport_limits limits;
	struct transport_hooks hooks;
	struct transport_counts counts;
	uv_mutex_t mutex;
	struct transport_op *handed, **handed_end;
	uv_async_t wake;
	uv_timer_t tick;
	uv_prepare_t flush;
	unsigned handles; /* of these three that libuv still has */
	struct transport_listener *listeners;
	size_t listeners_count, dials_count;
	struct transport_links links, dirty;
	struct transport_dials dials;
	struct transport_link **table;
	uint32_t table_mask, last_number;
	uint64_t warned[WARN_KINDS];
	bool is_ending, is_ended;
	void (*closed)(void *context);
	void *closed_context;
};

void transport_op_init(struct transport_op *op, struct transport *transport, void (*ran)(void *owner), void *owner);
void transport_op_done(struct transport_op *op);
/* Has it run on the loop, later, without nng. */
void transport_op_post(struct transport_op *op);

PRINTF(3, 4) void transport_warn(struct transport *t, enum transport_warning kind, const char *format, ...);
/* Something waits for a deadline. */
void transport_ticks(struct transport *t);
/* Something waits in `dirty`. */
void transport_flush_later(struct transport *t);

/* "tcp://[::1]:80"; false: the host has characters that no name or address has. */
bool transport_url(const char *host, uint16_t port, char ret_url[TRANSPORT_URL_MAX]);
/* The other end's address; an IPv4 one inside IPv6 as IPv4. False: there is none any more. */
bool transport_stream_peer(nng_stream *stream, struct address *ret_address);
/* Has the kernel notice that nobody is at the other end any more. */
void transport_socket_watch(nng_stream *stream, const struct transport *t);

enum code transport_listen(struct transport *t, const struct transport_address *address, struct err *err);
void transport_listeners_begin(struct transport *t);
void transport_listeners_tick(struct transport *t, uint64_t now, bool *ret_waits);
void transport_listeners_close(struct transport *t);
bool transport_listeners_are_busy(const struct transport *t);
void transport_listeners_free(struct transport *t);

/* Takes the stream. */
struct transport_link *transport_link_new(struct transport *t, nng_stream *stream, const struct address *peer);
void transport_link_read(struct transport_link *link);
/* Ends it, later on the loop, and says so to the node unless it closed the link itself. */
void transport_link_break(struct transport_link *link);
void transport_link_flush(struct transport_link *link);
void transport_links_tick(struct transport *t, uint64_t now, bool *ret_waits);
void transport_links_end(struct transport *t);

void transport_dials_tick(struct transport *t, uint64_t now);
void transport_dials_end(struct transport *t);

/* After the last of what there was. */
void transport_settle(struct transport *t);

#endif
