/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/transport_inside.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WARN_EVERY_MS 60000

const struct transport_limits transport_limits_usual = {
	.links = 1000,
	.strangers = 128,
	.per_address = 16,
	.stranger_ms = 60 * 1000,
	.connect_ms = 10 * 1000,
	.queue = (size_t)16 << 20,
	.queues = (size_t)128 << 20,
};

/* On a thread of nng: what is behind the mutex, the loop takes. */
static void hand_over(void *argument)
{
	struct transport_op *op = argument;
	struct transport *t = op->transport;
	bool was_empty;

	uv_mutex_lock(&t->mutex);
	was_empty = !t->handed;
	op->next = NULL;
	*t->handed_end = op;
	t->handed_end = &op->next;
	uv_mutex_unlock(&t->mutex);
	/* The owner of the op frees it, and in the end the transport, only after nng has seen this call return. */
	if (was_empty)
		uv_async_send(&t->wake);
}

void transport_op_init(struct transport_op *op, struct transport *transport, void (*ran)(void *owner), void *owner)
{
	*op = (struct transport_op){ .transport = transport, .ran = ran, .owner = owner };
	if (nng_aio_alloc(&op->aio, hand_over, op))
		abort();
	nng_aio_set_timeout(op->aio, NNG_DURATION_INFINITE);
}

void transport_op_done(struct transport_op *op)
{
	assert(!op->is_busy);
	nng_aio_free(op->aio);
	op->aio = NULL;
}

void transport_op_post(struct transport_op *op)
{
	op->is_busy = true;
	hand_over(op);
}

static void take_over(uv_async_t *wake)
{
	struct transport *t = wake->data;
	struct transport_op *op, *next;

	uv_mutex_lock(&t->mutex);
	op = t->handed;
	t->handed = NULL;
	t->handed_end = &t->handed;
	uv_mutex_unlock(&t->mutex);
	for (; op; op = next) {
		/* `ran` may free it, or begin it anew. */
		next = op->next;
		op->is_busy = false;
		op->ran(op->owner);
	}
	transport_settle(t);
}

void transport_warn(struct transport *t, enum transport_warning kind, const char *format, ...)
{
	uint64_t now = uv_now(t->loop);
	char text[256];
	va_list arguments;

	if (t->is_ending || (t->warned[kind] && now - t->warned[kind] < WARN_EVERY_MS))
		return;
	t->warned[kind] = now ? now : 1;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	t->hooks.warn(t->hooks.context, text);
}

static void tick(uv_timer_t *timer)
{
	struct transport *t = timer->data;
	uint64_t now = uv_now(t->loop);
	bool waits = false;

	transport_listeners_tick(t, now, &waits);
	transport_links_tick(t, now, &waits);
	transport_dials_tick(t, now);
	if (!waits && !t->dials_count)
		uv_timer_stop(timer);
}

void transport_ticks(struct transport *t)
{
	if (!t->is_ended && !uv_is_active((const uv_handle_t *)&t->tick))
		uv_timer_start(&t->tick, tick, TRANSPORT_TICK_MS, TRANSPORT_TICK_MS);
}

/* Before the loop sleeps: all that the hooks and callbacks of this round queued goes out together. */
static void flush(uv_prepare_t *prepare)
{
	struct transport *t = prepare->data;
	struct transport_link *link;

	while ((link = TAILQ_FIRST(&t->dirty))) {
		TAILQ_REMOVE(&t->dirty, link, dirty);
		link->is_dirty = false;
		transport_link_flush(link);
	}
	uv_prepare_stop(prepare);
}

void transport_flush_later(struct transport *t)
{
	if (!t->is_ended)
		uv_prepare_start(&t->flush, flush);
}

static struct transport *transport_new(uv_loop_t *loop, const struct transport_limits *limits,
				       const struct transport_hooks *hooks, size_t listeners)
{
	struct transport *t = must_alloc(sizeof *t);
	uint32_t places = 16;

	*t = (struct transport){ .loop = loop, .limits = *limits, .hooks = *hooks };
	while (places < limits->links && places < UINT32_C(1) << 20)
		places *= 2;
	t->table = must_alloc(places * sizeof(struct transport_link *));
	t->table_mask = places - 1;
	t->listeners = must_alloc(listeners * sizeof *t->listeners);
	t->handed_end = &t->handed;
	TAILQ_INIT(&t->links);
	TAILQ_INIT(&t->dirty);
	TAILQ_INIT(&t->dials);
	if (uv_mutex_init(&t->mutex))
		abort();
	return t;
}

static void transport_free(struct transport *t)
{
	free(t->listeners);
	uv_mutex_destroy(&t->mutex);
	free(t->table);
	free(t);
}

enum code transport_open(uv_loop_t *loop, const struct transport_address *listen, size_t count,
			 const struct transport_limits *limits, const struct transport_hooks *hooks,
			 struct transport **ret_transport, struct err *err)
{
	struct transport *t = transport_new(loop, limits, hooks, count);
	enum code code = OK;

	for (size_t i = 0; i < count && code == OK; i++)
		code = transport_listen(t, &listen[i], err);
	if (code == OK && uv_async_init(loop, &t->wake, take_over))
		code = fail(err, E_BUSY, "cannot wake the loop from nng: raise the limit of open files");
	if (code != OK) {
		transport_listeners_free(t);
		transport_free(t);
		return code;
	}
	uv_timer_init(loop, &t->tick);
	uv_prepare_init(loop, &t->flush);
	t->wake.data = t->tick.data = t->flush.data = t;
	t->handles = 3;
	transport_listeners_begin(t);
	*ret_transport = t;
	return OK;
}

uint16_t transport_port(const struct transport *transport, size_t place)
{
	return place < transport->listeners_count ? transport->listeners[place].port : 0;
}

struct transport_counts transport_counts(const struct transport *transport)
{
	return transport->counts;
}

static void handle_closed(uv_handle_t *handle)
{
	struct transport *t = handle->data;
	void (*closed)(void *context) = t->closed;
	void *context = t->closed_context;

	if (--t->handles)
		return;
	transport_free(t);
	closed(context);
}

void transport_settle(struct transport *t)
{
	if (!t->is_ending || t->is_ended || t->counts.links || t->dials_count || transport_listeners_are_busy(t))
		return;
	t->is_ended = true;
	/* With the last op: until then a thread of nng may still be about to wake the loop. */
	transport_listeners_free(t);
	uv_close((uv_handle_t *)&t->wake, handle_closed);
	uv_close((uv_handle_t *)&t->tick, handle_closed);
	uv_close((uv_handle_t *)&t->flush, handle_closed);
}

void transport_end(struct transport *transport, void (*closed)(void *context), void *context)
{
	assert(!transport->is_ending);
	transport->is_ending = true;
	transport->closed = closed;
	transport->closed_context = context;
	transport_listeners_close(transport);
	transport_dials_end(transport);
	transport_links_end(transport);
	transport_settle(transport);
}
