/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/world.h"

#include "crdt/base/arena.h"
#include "crdt/gossip/link.h"
#include "tests/sim/world_inside.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct waiting {
	struct waiting *next;
	struct node_event event;
	struct bytes bytes; /* owned */
	struct arena arena; /* what the event's pointers lead to */
};

void world_say(struct world *world, const char *format, ...)
{
	uint64_t ms = world_now(world) / 1000000;
	va_list args;

	if (!world->timeline)
		return;
	va_start(args, format);
	fprintf(world->timeline, "%5llu.%03llu  ", (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000));
	vfprintf(world->timeline, format, args);
	fputc('\n', world->timeline);
	va_end(args);
}

/* Enough for tie-breaks and back-off; what must be strong is seeded from it, and nobody here attacks that. */
static void fill_random(struct world *world, uint8_t random[32])
{
	for (size_t i = 0; i < 4; i++) {
		uint64_t z = world->mix += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		z ^= z >> 31;
		memcpy(random + 8 * i, &z, sizeof z);
	}
}

static void stamp(struct machine *m, struct node_event *event)
{
	uint64_t now = world_now(m->world);

	event->now.ns = now;
	event->wall = clock_wall(&m->clock, now);
	fill_random(m->world, event->random);
}

/* --- What the node asks of the world. */

static struct wire *wire_of(struct machine *m, uint32_t number)
{
	for (size_t i = 0; i < m->wires_count; i++)
		if (m->wires[i].number == number)
			return &m->wires[i];
	return NULL;
}

static void drop_wire(struct machine *m, struct wire *wire)
{
	*wire = m->wires[--m->wires_count];
}

static void effect_send(void *context, uint32_t number, struct bytes bytes)
{
	struct machine *m = context;
	struct wire *wire = wire_of(m, number);

	if (wire)
		net_send(m->world->net, wire->link, wire->side, bytes);
}

static void effect_close(void *context, uint32_t number)
{
	struct machine *m = context;
	struct wire *wire = wire_of(m, number);

	if (!wire)
		return;
	net_close(m->world->net, wire->link, wire->side);
	drop_wire(m, wire);
}

static struct wire *add_wire(struct machine *m, uint64_t link, uint32_t side, uint64_t node)
{
	if (m->wires_count == WORLD_LINKS_MAX) {
		net_close(m->world->net, link, side);
		return NULL;
	}
	m->wires[m->wires_count] = (struct wire){ link, side, ++m->last_wire, node, false };
	return &m->wires[m->wires_count++];
}

/* Of machines with one key, any that has power; where none has, the first. */
static void effect_dial(void *context, uint64_t node)
{
	struct machine *m = context;
	struct world *world = m->world;
	uint32_t places[WORLD_LARGE_MAX];
	size_t count = 0, up = 0;

	for (uint32_t i = 0; i < world->options.machines; i++) {
		if (world->machines[i].id != node || i == m->at)
			continue;
		if (world_is_up(world, i)) {
			places[count++] = places[up];
			places[up++] = i;
		} else {
			places[count++] = i;
		}
	}
	if (count)
		add_wire(m, net_dial(world->net, m->at, places[up > 1 ? rng_below(&world->rng, up) : 0]), 0, node);
}

static void effect_reply(void *context, const struct reply *reply)
{
	struct machine *m = context;
	struct world_hooks *hooks = &m->world->options.hooks;

	if (hooks->replied)
		hooks->replied(hooks->context, m, reply);
}

static void effect_changed(void *context, uint32_t kind, struct id id)
{
	struct machine *m = context;
	struct world_hooks *hooks = &m->world->options.hooks;

	if (hooks->changed)
		hooks->changed(hooks->context, m, kind, id);
}

static void effect_alarm(void *context, const char *text)
{
	struct machine *m = context;
	struct world_hooks *hooks = &m->world->options.hooks;

	world_say(m->world, "%s: ALARM %s", m->name, text);
	if (hooks->alarmed)
		hooks->alarmed(hooks->context, m, text);
}

const struct effects world_effects = {
	.send = effect_send,
	.close = effect_close,
	.dial = effect_dial,
	.reply = effect_reply,
	.changed = effect_changed,
	.alarm = effect_alarm,
};

/* --- Steps. */

static void plan_tick(struct machine *m)
{
	uint64_t next = m->core->node_next(m->node).ns, now = world_now(m->world);

	if (next == UINT64_MAX)
		return;
	m->at_once = next <= now ? m->at_once + 1 : 0;
	if (m->at_once > WORLD_AT_ONCE) {
		fprintf(stderr, "%s wants to be called again at once, and again\n", m->name);
		abort();
	}
	next = next < now ? now : next;
	if (next == m->tick_ns)
		return;
	m->tick_ns = next;
	queue_add(&m->world->queue, next,
		  (struct event){ .kind = WORLD_TICK, .a = m->at, .b = m->boots, .what = NULL });
}

/* A commit that wrote takes its time, during which everything waits. */
static void be_busy(struct machine *m, uint64_t commits)
{
	struct world *world = m->world;

	if (m->core->node_mesh(m->node)->commits == commits)
		return;
	world->commits++;
	if (!world->options.commit_ns)
		return;
	m->is_busy = true;
	queue_add(&world->queue, world_now(world) + 1 + rng_below(&world->rng, world->options.commit_ns),
		  (struct event){ .kind = WORLD_READY, .a = m->at, .b = m->boots });
}

static void end_step(struct machine *m, enum code code, struct err *err)
{
	struct world_hooks *hooks = &m->world->options.hooks;
	uint64_t commits = m->core->node_mesh(m->node)->commits;

	code = m->core->node_commit(m->node, code, err);
	if (code) {
		m->died = code;
		memcpy(m->died_of, err->text, sizeof err->text);
		world_say(m->world, "%s: the process ends: %s", m->name, err->text);
		world_end_process(m, true);
		return;
	}
	be_busy(m, commits);
	plan_tick(m);
	if (hooks->stepped)
		hooks->stepped(hooks->context, m);
}

static void step(struct machine *m, struct node_event *event)
{
	struct err err = { 0 };

	stamp(m, event);
	m->world->steps++;
	end_step(m, m->core->node_step(m->node, event, &err), &err);
}

static void free_waiting(struct waiting *waiting)
{
	free((void *)(uintptr_t)waiting->bytes.data);
	arena_done(&waiting->arena);
	free(waiting);
}

/* What waits, all in one transaction. */
static void step_waiting(struct machine *m)
{
	struct waiting *waiting = m->first;
	struct err err = { 0 };
	enum code code = OK;

	m->first = NULL;
	m->last = NULL;
	while (waiting) {
		struct waiting *next = waiting->next;

		stamp(m, &waiting->event);
		m->world->steps++;
		/* What came behind a failure is a step of its own, unless that was the end. */
		if (code)
			end_step(m, code, &err);
		code = m->node ? m->core->node_step(m->node, &waiting->event, &err) : OK;
		free_waiting(waiting);
		waiting = next;
	}
	if (m->node)
		end_step(m, code, &err);
}

void world_drop_waiting(struct machine *m)
{
	while (m->first) {
		struct waiting *next = m->first->next;

		free_waiting(m->first);
		m->first = next;
	}
	m->last = NULL;
}

static struct bytes keep_bytes(struct bytes bytes)
{
	uint8_t *copy = must_alloc(bytes.size + 1);

	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	return bytes_of(copy, bytes.size);
}

static void keep_write(struct waiting *waiting)
{
	struct node_event *event = &waiting->event;
	struct change *changes = arena_take(&waiting->arena, (event->write.count + 1) * sizeof *changes);

	for (size_t i = 0; i < event->write.count; i++) {
		changes[i] = event->write.changes[i];
		changes[i].map = arena_copy(&waiting->arena, changes[i].map);
	}
	event->write.changes = changes;
	event->write.idempotency = arena_copy(&waiting->arena, event->write.idempotency);
	event->write.action = arena_copy(&waiting->arena, event->write.action);
}

static void keep_statements(struct waiting *waiting)
{
	struct node_event *event = &waiting->event;
	struct bytes *all = arena_take(&waiting->arena, (event->statements.count + 1) * sizeof *all);

	for (size_t i = 0; i < event->statements.count; i++)
		all[i] = arena_copy(&waiting->arena, event->statements.all[i]);
	event->statements.all = all;
}

static void wait_for_commit(struct machine *m, const struct node_event *event)
{
	struct waiting *waiting = must_alloc(sizeof *waiting);

	waiting->event = *event;
	if (event->kind == EVENT_BYTES)
		waiting->event.link.bytes = waiting->bytes = keep_bytes(event->link.bytes);
	if (event->kind == EVENT_WRITE)
		keep_write(waiting);
	if (event->kind == EVENT_AWAIT)
		waiting->event.await.token = waiting->bytes = keep_bytes(event->await.token);
	if (event->kind == EVENT_STATEMENTS)
		keep_statements(waiting);
	if (m->last)
		m->last->next = waiting;
	else
		m->first = waiting;
	m->last = waiting;
}

void world_handle(struct machine *m, struct node_event *event)
{
	if (m->is_busy)
		wait_for_commit(m, event);
	else
		step(m, event);
}

/* --- What the network brings. */

static struct wire *wire_of_link(struct machine *m, uint64_t link)
{
	for (size_t i = 0; i < m->wires_count; i++)
		if (m->wires[i].link == link)
			return &m->wires[i];
	return NULL;
}

static enum node_event_kind kind_of(const struct net_event *heard, const struct wire *wire)
{
	switch (heard->what) {
	case NET_OPENED: return EVENT_OPENED;
	case NET_ACCEPTED: return EVENT_ACCEPTED;
	case NET_BYTES: return EVENT_BYTES;
	case NET_CLOSED: break;
	}
	/* What never opened was no link. */
	return wire->is_open ? EVENT_GONE : EVENT_REFUSED;
}

void world_hear(void *context, const struct net_event *heard)
{
	struct world *world = context;
	struct machine *m = &world->machines[heard->machine];
	struct node_event event;
	struct wire *wire;

	if (m->program.heard) {
		m->program.heard(m->program.context, m, heard);
		return;
	}
	if (!m->node)
		return;
	wire = heard->what == NET_ACCEPTED ? add_wire(m, heard->link, heard->side, 0) : wire_of_link(m, heard->link);
	if (!wire)
		return;
	event = (struct node_event){ .kind = kind_of(heard, wire), .link = { wire->number, wire->node, heard->bytes } };
	wire->is_open = true;
	if (heard->what == NET_CLOSED)
		drop_wire(m, wire);
	world_handle(m, &event);
}

static void fire(struct world *world, const struct event *event)
{
	struct world_hooks *hooks = &world->options.hooks;
	struct node_event tick = { .kind = EVENT_TICK };
	struct machine *m;

	switch (event->kind) {
	case WORLD_NET: net_fire(world->net, event); return;
	case WORLD_CALL: hooks->called(hooks->context, event->a, event->b); return;
	default: break;
	}
	m = &world->machines[event->a];
	if (!m->node || m->boots != event->b)
		return;
	if (event->kind == WORLD_READY) {
		m->is_busy = false;
		if (m->first)
			step_waiting(m);
	} else if (m->tick_ns == event->at_ns) {
		m->tick_ns = 0;
		world_handle(m, &tick);
	}
}

void world_run(struct world *world, uint64_t until_ns)
{
	struct event event;

	while (queue_take(&world->queue, until_ns, &event))
		fire(world, &event);
}

void world_call(struct world *world, uint64_t at_ns, uint32_t what, uint64_t with)
{
	queue_add(&world->queue, at_ns, (struct event){ .kind = WORLD_CALL, .a = what, .b = with });
}
