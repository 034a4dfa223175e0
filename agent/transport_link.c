/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/transport_inside.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIECES_MAX = 8 /* what an aio takes */ };

static struct transport_link **place_of(const struct transport *t, uint32_t number)
{
	struct transport_link **place = &t->table[number & t->table_mask];

	while (*place && (*place)->number != number)
		place = &(*place)->next;
	return place;
}

/* The link as the node knows it: not one that it has closed. */
static struct transport_link *find(const struct transport *t, uint32_t number)
{
	struct transport_link *link = *place_of(t, number);

	return link && !link->is_closing ? link : NULL;
}

static void end_link(struct transport_link *link)
{
	struct transport *t = link->transport;
	struct transport_link **place = place_of(t, link->number);

	*place = link->next;
	TAILQ_REMOVE(&t->links, link, all);
	t->counts.links--;
	t->counts.strangers -= link->is_stranger;
	nng_stream_free(link->stream);
	transport_op_done(&link->receiving);
	transport_op_done(&link->sending);
	transport_queue_done(&link->queue);
	if (!link->is_closing)
		t->hooks.gone(t->hooks.context, link->number);
	free(link);
}

static void settle(struct transport_link *link)
{
	if (link->is_broken && !link->receiving.is_busy && !link->sending.is_busy)
		end_link(link);
}

static void shut(struct transport_link *link)
{
	if (!link->is_shut)
		nng_stream_close(link->stream);
	link->is_shut = true;
}

/* Nothing is sent any more. What nng has in its hands stays where it is until it says so. */
static void mute(struct transport_link *link)
{
	struct transport *t = link->transport;

	if (link->is_mute)
		return;
	link->is_mute = true;
	t->counts.queued -= link->queue.size;
	if (link->is_dirty)
		TAILQ_REMOVE(&t->dirty, link, dirty);
	link->is_dirty = false;
}

void transport_link_break(struct transport_link *link)
{
	if (link->is_broken)
		return;
	link->is_broken = true;
	mute(link);
	shut(link);
	if (!link->receiving.is_busy && !link->sending.is_busy)
		transport_op_post(&link->receiving);
}

void transport_link_read(struct transport_link *link)
{
	nng_iov iov = { link->room, sizeof link->room };

	link->receiving.is_busy = true;
	nng_aio_set_iov(link->receiving.aio, 1, &iov);
	nng_stream_recv(link->stream, link->receiving.aio);
}

static void received(void *owner)
{
	struct transport_link *link = owner;
	struct transport *t = link->transport;
	size_t size;

	if (link->is_broken || nng_aio_result(link->receiving.aio)) {
		link->is_broken = true;
		mute(link);
		shut(link);
		settle(link);
		return;
	}
	if (link->is_closing) {
		if (link->is_shut)
			transport_link_break(link);
		else
			transport_link_read(link);
		return;
	}
	size = nng_aio_count(link->receiving.aio);
	t->counts.received += size;
	link->is_held = true;
	t->hooks.bytes(t->hooks.context, link->number, bytes_of(link->room, size));
}

void transport_link_flush(struct transport_link *link)
{
	struct bytes pieces[PIECES_MAX];
	nng_iov iov[PIECES_MAX];
	size_t count;

	if (link->sending.is_busy || link->is_mute || !link->queue.size)
		return;
	count = transport_queue_peek(&link->queue, pieces, PIECES_MAX);
	for (size_t i = 0; i < count; i++)
		iov[i] = (nng_iov){ (void *)(uintptr_t)pieces[i].data, pieces[i].size };
	link->sending.is_busy = true;
	nng_aio_set_iov(link->sending.aio, (unsigned)count, iov);
	nng_stream_send(link->stream, link->sending.aio);
}

static void sent(void *owner)
{
	struct transport_link *link = owner;
	struct transport *t = link->transport;
	size_t size;

	if (link->is_broken) {
		settle(link);
		return;
	}
	if (nng_aio_result(link->sending.aio)) {
		/* What came before the end is still to be read; if nobody waits for it, that is now. */
		mute(link);
		if (link->receiving.is_busy)
			shut(link);
		else if (!link->is_held)
			transport_link_break(link);
		return;
	}
	size = nng_aio_count(link->sending.aio);
	transport_queue_drop(&link->queue, size);
	t->counts.queued -= size;
	t->counts.sent += size;
	transport_link_flush(link);
}

static uint32_t new_number(struct transport *t)
{
	do
		t->last_number++;
	while (!t->last_number || *place_of(t, t->last_number));
	return t->last_number;
}

struct transport_link *transport_link_new(struct transport *t, nng_stream *stream, const struct address *peer)
{
	struct transport_link *link = must_alloc(sizeof *link);

	link->transport = t;
	link->number = new_number(t);
	link->peer = *peer;
	link->stream = stream;
	transport_op_init(&link->receiving, t, received, link);
	transport_op_init(&link->sending, t, sent, link);
	*place_of(t, link->number) = link;
	TAILQ_INSERT_TAIL(&t->links, link, all);
	t->counts.links++;
	return link;
}

/* Of all links the one for which most waits. */
static struct transport_link *longest(const struct transport *t)
{
	struct transport_link *found = NULL, *link;

	TAILQ_FOREACH(link, &t->links, all)
	if (!link->is_mute && (!found || link->queue.size > found->queue.size))
		found = link;
	return found;
}

static void close_slow(struct transport_link *link, enum transport_warning kind)
{
	struct transport *t = link->transport;
	char host[ADDRESS_TEXT_SIZE];

	address_format(&link->peer, host);
	t->counts.closed_slow++;
	transport_warn(t, kind,
		       kind == WARN_SLOW ? "%s does not read what is sent to it: %zu bytes wait; its link is closed"
					 : "too much waits to be sent: the link to %s, with %zu bytes, is closed",
		       host, link->queue.size);
	transport_link_break(link);
}

void transport_send(struct transport *transport, uint32_t number, struct bytes bytes)
{
	struct transport_link *link = find(transport, number);

	if (!link || link->is_mute || !bytes.size)
		return;
	if (link->queue.size + bytes.size > transport->limits.queue) {
		close_slow(link, WARN_SLOW);
		return;
	}
	while (transport->counts.queued && transport->counts.queued + bytes.size > transport->limits.queues)
		close_slow(longest(transport), WARN_QUEUES);
	if (link->is_mute)
		return;
	transport_queue_put(&link->queue, bytes);
	transport->counts.queued += bytes.size;
	if (link->is_dirty || link->sending.is_busy)
		return;
	link->is_dirty = true;
	TAILQ_INSERT_TAIL(&transport->dirty, link, dirty);
	transport_flush_later(transport);
}

void transport_take(struct transport *transport, uint32_t number)
{
	struct transport_link *link = find(transport, number);

	if (!link || !link->is_held)
		return;
	link->is_held = false;
	if (link->is_broken)
		return;
	if (link->is_shut)
		transport_link_break(link);
	else
		transport_link_read(link);
}

void transport_know(struct transport *transport, uint32_t number)
{
	struct transport_link *link = find(transport, number);

	if (!link)
		return;
	transport_socket_watch(link->stream, transport);
	transport->counts.strangers -= link->is_stranger;
	link->is_stranger = false;
}

/*
 * What waits is sent, and then the other end is given time to read it and hang up. Were we to hang up first while it
 * still sends, the kernel would answer with a reset, and that overtakes what was sent.
 */
void transport_close(struct transport *transport, uint32_t number)
{
	struct transport_link *link = find(transport, number);
	bool waits;

	if (!link)
		return;
	link->is_closing = true;
	if (link->is_broken)
		return;
	waits = link->queue.size && !link->is_mute && !link->is_shut;
	if (!waits) {
		transport_link_break(link);
		return;
	}
	link->deadline = uv_now(transport->loop) + TRANSPORT_PARTING_MS;
	transport_ticks(transport);
	if (link->is_held)
		transport_link_read(link);
	link->is_held = false;
}

bool transport_peer(const struct transport *transport, uint32_t number, char *ret_host, size_t size)
{
	const struct transport_link *link = find(transport, number);
	char host[ADDRESS_TEXT_SIZE];

	if (!link)
		return false;
	address_format(&link->peer, host);
	snprintf(ret_host, size, "%s", host);
	return true;
}

void transport_links_tick(struct transport *t, uint64_t now, bool *ret_waits)
{
	struct transport_link *link;

	TAILQ_FOREACH(link, &t->links, all)
	{
		if (link->is_broken || (!link->is_stranger && !link->is_closing))
			continue;
		if (now < link->deadline) {
			*ret_waits = true;
			continue;
		}
		t->counts.closed_strange += !link->is_closing;
		transport_link_break(link);
	}
}

void transport_links_end(struct transport *t)
{
	struct transport_link *link;

	TAILQ_FOREACH(link, &t->links, all)
	{
		link->is_closing = true;
		transport_link_break(link);
	}
}
