/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/evil.h"

#include "tests/sim/evil_inside.h"

#include <stdlib.h>

enum { CALL_ACT = EVIL_CALLS };

static const struct {
	const char *name;
	uint32_t weight;
} acts[] = {
#define X(name, weight) { #name, weight },
	EVIL_ACTS(X)
#undef X
};

bool evil_does(const char *name)
{
	for (size_t i = 0; i < COUNT(acts); i++)
		if (!strcmp(acts[i].name, name))
			return acts[i].weight;
	return true;
}

uint64_t evil_below(struct evil *e, uint64_t bound)
{
	return rng_below(&e->rng, bound);
}

/* --- Links. */

static struct evil_link *link_of(struct evil *e, uint64_t number, uint32_t side)
{
	for (size_t i = 0; i < EVIL_LINKS; i++)
		if (e->links[i].link == number && e->links[i].side == side)
			return &e->links[i];
	return NULL;
}

static void drop_link(struct evil_link *link)
{
	session_free(link->session);
	stream_table_done(&link->told);
	stream_table_done(&link->named);
	*link = (struct evil_link){ 0 };
}

/* NULL: it has too many. */
static struct evil_link *add_link(struct evil *e, uint64_t number, uint32_t side, uint32_t machine)
{
	for (size_t i = 0; i < EVIL_LINKS; i++) {
		struct evil_link *link = &e->links[i];

		if (link->link)
			continue;
		*link = (struct evil_link){ .link = number, .side = side, .machine = machine };
		return link;
	}
	net_close(e->world->net, number, side);
	return NULL;
}

static void hang_up(struct evil *e, struct evil_link *link)
{
	net_close(e->world->net, link->link, link->side);
	drop_link(link);
}

/* What was sealed goes out; the last of it is kept, for another time. */
static void push_out(struct evil *e, struct evil_link *link)
{
	struct bytes out = buf_bytes(&e->out);

	if (out.size && out.size <= sizeof link->said) {
		memcpy(link->said, out.data, out.size);
		link->said_size = out.size;
	}
	if (out.size)
		net_send(e->world->net, link->link, link->side, out);
	buf_clear(&e->out);
}

void evil_say(struct evil *e, struct evil_link *link)
{
	if (link->is_up && buf_bytes(&e->frame).size) {
		session_send(link->session, buf_bytes(&e->frame), &e->out);
		e->counts.told++;
		push_out(e, link);
	}
	buf_clear(&e->frame);
}

const struct mesh *evil_mesh(const struct evil *e, const struct evil_link *link)
{
	return world_mesh(e->world, link->machine);
}

/* One that is up, and not to that machine. NULL: none is. */
static struct evil_link *some_link(struct evil *e, uint32_t but)
{
	size_t first = (size_t)evil_below(e, EVIL_LINKS);

	for (size_t i = 0; i < EVIL_LINKS; i++) {
		struct evil_link *other = &e->links[(first + i) % EVIL_LINKS];

		if (other->is_up && other->machine != but)
			return other;
	}
	return NULL;
}

struct evil_link *evil_other(struct evil *e, struct evil_link *link)
{
	struct evil_link *other = some_link(e, link->machine);

	return other ? other : link;
}

void evil_send(struct evil *e, struct evil_link *link, struct bytes batch)
{
	frame_put_batch(&e->frame, batch);
	evil_say(e, link);
}

void evil_send_all(struct evil *e, struct bytes batch)
{
	evil_keep(e, batch);
	for (size_t i = 0; i < EVIL_LINKS; i++)
		if (e->links[i].is_up)
			evil_send(e, &e->links[i], batch);
}

/* --- What it hears. */

void evil_keep(struct evil *e, struct bytes batch)
{
	struct bytes *kept = &e->kept[e->kept_at++ % EVIL_KEPT];
	uint8_t *copy = must_alloc(batch.size);

	memcpy(copy, batch.data, batch.size);
	free((void *)(uintptr_t)kept->data);
	*kept = bytes_of(copy, batch.size);
}

void evil_own(struct evil *e, struct bytes batch)
{
	uint8_t *copy = must_alloc(batch.size);

	memcpy(copy, batch.data, batch.size);
	if (e->own_count == e->own_room) {
		e->own_room = 2 * e->own_room + 64;
		e->own = must_realloc(e->own, e->own_room * sizeof *e->own);
	}
	e->own[e->own_count++] = bytes_of(copy, batch.size);
}

static void acknowledge(struct evil *e, struct evil_link *link, struct bytes whole)
{
	struct frame_list list;
	struct frontier frontier;
	struct batch batch;

	if (link->is_silent || e->is_silent || batch_read(whole, &batch, NULL))
		return;
	frontier = (struct frontier){ batch.stream, batch.end };
	list = frame_begin_frontiers(&e->frame, FRAME_ACK, false, false);
	frame_put_frontier(&list, &link->named, &frontier);
	evil_say(e, link);
}

/* It agrees with whatever the peer has, mostly with all of it, and has more of its own. */
static void open_up(struct evil *e, struct evil_link *link)
{
	const struct mesh *mesh = evil_mesh(e, link);
	struct frame_list list;
	struct vector vector = { 0 };

	if (!mesh)
		return;
	frame_put_t0_sum(&e->frame, mesh->t0.sum, (uint32_t)mesh->t0.count, mesh->wall);
	evil_say(e, link);
	for (size_t i = 0; i < mesh->vector.count; i++)
		vector_set(&vector, mesh->vector.all[i].stream, mesh->vector.all[i].end);
	for (enum lane lane = LANE_URGENT; lane < LANES; lane++)
		vector_set(&vector, e->lanes[lane].stream, e->lanes[lane].end);
	list = frame_begin_frontiers(&e->frame, FRAME_INDEX, true, true);
	for (size_t i = 0; i < vector.count && evil_below(e, 200); i++)
		if (!frame_put_frontier(&list, &link->named, &vector.all[i]))
			break;
	vector_done(&vector);
	evil_say(e, link);
}

/* What is asked of its own streams it mostly gives. */
static void give(struct evil *e, struct evil_link *link, struct reader wants)
{
	struct want want;
	size_t given = 0;

	while (frame_next_want(&wants, &want) && evil_below(e, 8))
		for (size_t i = 0; i < e->own_count && given < EVIL_GIVES; i++) {
			struct batch batch;

			if (batch_read(e->own[i], &batch, NULL) || stream_compare(&batch.stream, &want.stream) ||
			    batch.end.seq <= want.after || batch.first > want.until)
				continue;
			given++;
			evil_send(e, link, e->own[i]);
		}
}

static void hear(struct evil *e, struct evil_link *link, struct bytes bytes)
{
	struct frame frame;

	if (frame_read(bytes, LINK_MEMBER, &link->told, &frame, NULL))
		return;
	e->counts.heard++;
	if (frame.kind == FRAME_BATCH) {
		if (!evil_below(e, 4))
			evil_keep(e, frame.batch);
		acknowledge(e, link, frame.batch);
	} else if (frame.kind == FRAME_HINT && frame.hint.what == HINT_PROBE) {
		frame_put_hint(&e->frame, HINT_BACK, frame.hint.node, frame.hint.number);
		evil_say(e, link);
	} else if (frame.kind == FRAME_WANT) {
		give(e, link, frame.wants);
	} else if (frame.kind == FRAME_ASK) {
		e->asked = frame.ask.number;
		e->counts.answered++;
	}
}

static void listen(struct evil *e, struct evil_link *link, struct bytes bytes)
{
	uint64_t number = link->link;
	struct bytes frame;

	while (link->session && link->link == number) {
		switch (session_next(link->session, &bytes, &e->out, &frame, NULL)) {
		case SESSION_WAIT: push_out(e, link); return;
		case SESSION_UP:
			push_out(e, link);
			link->is_up = true;
			e->counts.up++;
			open_up(e, link);
			break;
		case SESSION_FRAME: hear(e, link, frame); break;
		case SESSION_BROKEN:
			buf_clear(&e->out);
			hang_up(e, link);
			return;
		}
	}
}

static void begin_session(struct evil *e, struct evil_link *link, bool is_dialler)
{
	struct mono_time now = { world_now(e->world) };
	uint8_t random[32];

	rng_fill(&e->rng, random, sizeof random);
	if (is_dialler)
		link->session =
			session_dial(&e->self, e->world->machines[link->machine].signer.key, random, now, &e->out);
	else
		link->session = session_accept(&e->self, random, now);
	if (link->is_half && e->out.size > 20)
		e->out.size = 20;
	push_out(e, link);
}

static void heard(void *context, struct machine *m, const struct net_event *event)
{
	struct evil *e = context;
	struct evil_link *link = link_of(e, event->link, event->side);

	(void)m;
	if (event->what == NET_ACCEPTED && !e->is_over) {
		link = add_link(e, event->link, event->side, event->peer);
		if (link)
			begin_session(e, link, false);
		return;
	}
	if (!link)
		return;
	if (event->what == NET_OPENED) {
		begin_session(e, link, true);
	} else if (event->what == NET_CLOSED) {
		e->counts.closed++;
		drop_link(link);
	} else if (event->what == NET_BYTES && !link->is_half) {
		listen(e, link, event->bytes);
	}
}

static void dial(struct evil *e, bool is_half)
{
	uint32_t to = (uint32_t)evil_below(e, e->machines);
	struct evil_link *link;

	if (to == e->machine->at)
		return;
	link = add_link(e, net_dial(e->world->net, e->machine->at, to), 0, to);
	if (!link)
		return;
	link->is_half = is_half;
	e->counts.dialled++;
}

void evil_half_open(struct evil *e)
{
	dial(e, true);
}

/* --- What it does. */

bool evil_act(struct evil *e, uint32_t act)
{
	uint64_t *counts = (uint64_t *)(void *)&e->counts;
	struct evil_link *link = some_link(e, UINT32_MAX);
	const struct mesh *mesh = link ? evil_mesh(e, link) : NULL;

	if (!mesh)
		return false;
	counts[act]++;
	world_say(e->world, "evil: %s, to %s", acts[act].name, world_name(e->world, link->machine));
	if (!evil_act_batch(e, (enum evil_kind)act, link))
		evil_act_frame(e, (enum evil_kind)act, link);
	arena_reset(&e->arena);
	buf_clear(&e->frame);
	return true;
}

static uint32_t draw(struct evil *e)
{
	uint64_t all = 0, drawn;
	uint32_t i;

	for (i = 0; i < EVIL_ALL; i++)
		all += acts[i].weight;
	drawn = evil_below(e, all);
	for (i = 0; drawn >= acts[i].weight; i++)
		drawn -= acts[i].weight;
	return i;
}

static size_t links_up(const struct evil *e)
{
	size_t count = 0;

	for (size_t i = 0; i < EVIL_LINKS; i++)
		count += e->links[i].is_up;
	return count;
}

void evil_dial(struct evil *e)
{
	if (links_up(e) < e->machines)
		dial(e, false);
}

/* Somebody knows that it was. */
static bool is_evicted(const struct evil *e)
{
	for (uint32_t i = 0; i < e->machines; i++) {
		const struct mesh *mesh = world_mesh(e->world, i);
		const struct member *own = mesh ? members_find(mesh->t0.members, e->machine->id) : NULL;

		if (own && own->is_evicted)
			return true;
	}
	return false;
}

void evil_called(struct evil *e, uint32_t what, uint64_t with)
{
	(void)with;
	if (what != CALL_ACT || e->is_over || world_now(e->world) > e->until_ns)
		return;
	e->counts.evicted += is_evicted(e);
	evil_dial(e);
	evil_act(e, draw(e));
	world_call(e->world, world_now(e->world) + 1 + evil_below(e, 2 * e->pause_ns), CALL_ACT, 0);
}

struct evil *evil_new(struct world *world, struct check *check, uint32_t machine, uint32_t machines)
{
	struct evil *e = must_alloc(sizeof *e);

	e->world = world;
	e->check = check;
	e->machine = &world->machines[machine];
	e->machines = machines;
	e->rng = rng_from_number(world->options.seed ^ UINT64_C(0x6576696c2121));
	e->frame = buf_growing(2 * FRAME_MAX);
	e->out = buf_growing(SIZE_MAX / 2);
	return e;
}

void evil_free(struct evil *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < EVIL_LINKS; i++)
		drop_link(&e->links[i]);
	for (size_t i = 0; i < EVIL_KEPT; i++)
		free((void *)(uintptr_t)e->kept[i].data);
	for (size_t i = 0; i < e->own_count; i++)
		free((void *)(uintptr_t)e->own[i].data);
	free(e->own);
	arena_done(&e->arena);
	buf_done(&e->frame);
	buf_done(&e->out);
	free(e);
}

void evil_begin(struct evil *e, uint64_t until_ns, uint64_t pause_ns)
{
	struct program program = { .context = e, .heard = heard };

	e->self = (struct session_self){ &e->machine->signer, e->world->cluster, rng_u64(&e->rng) };
	for (enum lane lane = LANE_URGENT; lane < LANES; lane++)
		e->lanes[lane].stream = (struct stream){ e->machine->id, 1, lane };
	e->until_ns = until_ns;
	e->pause_ns = pause_ns;
	check_evil(e->check, e->machine->at);
	world_admit(e->world, e->machine->at, 0);
	world_program(e->world, e->machine->at, program);
	world_call(e->world, world_now(e->world) + 1, CALL_ACT, 0);
}

void evil_end(struct evil *e)
{
	e->is_over = true;
	for (size_t i = 0; i < EVIL_LINKS; i++)
		if (e->links[i].link)
			hang_up(e, &e->links[i]);
	net_kill(e->world->net, e->machine->at);
}

const struct evil_counts *evil_counts(const struct evil *e)
{
	return &e->counts;
}
