/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/net_inside.h"

#include <assert.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)

/* How late the second part of what was cut may come. */
#define CUT_NS MS

void flow_drop(struct flow *flow)
{
	while (flow->first) {
		struct segment *next = flow->first->next;

		free(flow->first);
		flow->first = next;
	}
	flow->last = NULL;
	flow->is_in_doubt = false;
}

void flow_stop(struct flow *flow)
{
	struct flow waiting = { 0 };
	struct segment *kept = NULL, *s = flow->first;

	for (; s && s->due_ns != NET_NEVER; s = s->next)
		kept = s;
	waiting.first = s;
	flow_drop(&waiting);
	if (kept)
		kept->next = NULL;
	else
		flow->first = NULL;
	flow->last = kept;
	flow->is_in_doubt = false;
}

void flow_drop_held(struct flow *flow, uint64_t now_ns)
{
	while (flow->first && flow->first->due_ns <= now_ns) {
		struct segment *next = flow->first->next;

		free(flow->first);
		flow->first = next;
	}
	if (!flow->first)
		flow->last = NULL;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void set_timer(struct net *net, const struct net_link *link, uint32_t side, uint32_t event, uint64_t at_ns)
{
	queue_add(net->queue, at_ns, (struct event){ .kind = net->options.kind, .a = side | event, .b = link->number });
}

static void set_arrival(struct net *net, const struct net_link *link, uint32_t side, uint64_t at_ns)
{
	queue_add(net->queue, at_ns, (struct event){ .kind = net->options.kind, .a = side, .b = link->number });
}

static uint64_t extra(const struct net *net, uint32_t from, uint32_t to)
{
	return net->machines[from].extra_ns + net->machines[to].extra_ns;
}

static uint64_t first_pause(struct net *net, uint32_t from, uint32_t to, enum segment_kind kind)
{
	uint64_t round_trip;

	if (kind == SEGMENT_DIAL || kind == SEGMENT_ANSWER)
		return 1000 * MS;
	round_trip = path_of(net, from, to)->delay_ns + path_of(net, to, from)->delay_ns + 2 * extra(net, from, to);
	return later(200 * MS, 2 * round_trip);
}

/* The next try, or the end of patience if that comes first. */
static void plan_again(struct net *net, struct net_link *link, uint32_t side, uint64_t at_ns)
{
	struct flow *flow = &link->sides[side].flow;
	uint64_t end = flow->since_ns + net->options.patience_ns;

	flow->again_ns = later(at_ns < end ? at_ns : end, net->queue->now_ns);
	set_timer(net, link, side, EVENT_AGAIN, flow->again_ns);
}

/* What was sent at `sent_ns` is lost, or its acknowledgement is. */
static void doubt(struct net *net, struct net_link *link, uint32_t side, uint64_t sent_ns, enum segment_kind kind)
{
	struct net_side *from = &link->sides[side];
	struct flow *flow = &from->flow;

	if (flow->is_forgotten) {
		flow_stop(flow);
		return;
	}
	if (flow->is_in_doubt)
		return;
	flow->is_in_doubt = true;
	flow->since_ns = sent_ns;
	flow->pause_ns = first_pause(net, from->machine, link->sides[!side].machine, kind);
	plan_again(net, link, side, sent_ns + flow->pause_ns);
}

/* Whether what leaves now gets there, as far as that is known now. */
static bool gets_through(struct net *net, uint32_t from, uint32_t to)
{
	const struct net_path *path = path_of(net, from, to);

	if (path->is_blocked) {
		net->counts.blocked++;
		return false;
	}
	if (net->machines[to].is_dark) {
		net->counts.dark++;
		return false;
	}
	if (path->loss_ppm && rng_below(&net->rng, 1000000) < path->loss_ppm) {
		net->counts.lost++;
		return false;
	}
	return true;
}

/* When what leaves now will be there. It is heard then, or when what is before it is. */
static uint64_t arrival(struct net *net, struct net_link *link, uint32_t side, uint64_t size)
{
	uint32_t from = link->sides[side].machine, to = link->sides[!side].machine;
	const struct net_path *path = path_of(net, from, to);
	struct flow *flow = &link->sides[side].flow;
	uint64_t at = net->queue->now_ns, slow = extra(net, from, to);

	if (path->bytes_per_s) {
		flow->free_ns = later(at, flow->free_ns) + size * 1000 * MS / path->bytes_per_s;
		at = flow->free_ns;
	}
	net->counts.slowed += slow != 0;
	at += path->delay_ns + slow;
	if (net->options.jitter_ns)
		at += rng_below(&net->rng, net->options.jitter_ns + 1);
	return at;
}

void flow_send(struct net *net, struct net_link *link, uint32_t side, enum segment_kind kind, enum net_why why,
	       struct bytes bytes)
{
	struct flow *flow = &link->sides[side].flow;
	struct segment *segment = must_realloc(NULL, sizeof *segment + bytes.size);

	assert(bytes.size <= UINT32_MAX);
	*segment = (struct segment){ .due_ns = NET_NEVER, .sent_ns = net->queue->now_ns, .kind = kind, .why = why };
	segment->size = (uint32_t)bytes.size;
	if (bytes.size)
		memcpy(segment->bytes, bytes.data, bytes.size);
	if (flow->last)
		flow->last->next = segment;
	else
		flow->first = segment;
	flow->last = segment;
	if (flow->is_in_doubt)
		return;
	if (gets_through(net, link->sides[side].machine, link->sides[!side].machine)) {
		segment->due_ns = arrival(net, link, side, bytes.size);
		set_arrival(net, link, side, segment->due_ns);
	} else {
		doubt(net, link, side, segment->sent_ns, kind);
	}
}

/* All that waits leaves, as one. */
static void leave(struct net *net, struct net_link *link, uint32_t side)
{
	struct segment *waiting = link->sides[side].flow.first;
	uint64_t size = 0, due;

	while (waiting && waiting->due_ns != NET_NEVER)
		waiting = waiting->next;
	if (!waiting)
		return;
	for (const struct segment *s = waiting; s; s = s->next)
		size += s->size - s->at;
	due = arrival(net, link, side, size);
	for (struct segment *s = waiting; s; s = s->next) {
		s->due_ns = due;
		s->sent_ns = net->queue->now_ns;
	}
	set_arrival(net, link, side, due);
}

/* This side waited long enough; a process that is stuck hears so when it goes on. */
static void give_up(struct net *net, struct net_link *link, uint32_t side, uint32_t event)
{
	struct net_side *from = &link->sides[side];
	uint64_t stuck = net->machines[from->machine].stuck_until_ns;

	if (from->state != SIDE_GONE && stuck > net->queue->now_ns) {
		from->flow.again_ns = event == EVENT_AGAIN ? stuck : from->flow.again_ns;
		set_timer(net, link, side, event, stuck);
		return;
	}
	flow_stop(&from->flow);
	net->counts.timeouts++;
	if (link->sides[!side].state == SIDE_NEW && !from->flow.first)
		link->sides[!side].state = SIDE_GONE;
	net_end_side(net, link, side, NET_WHY_TIMEOUT);
}

void flow_dial(struct net *net, struct net_link *link)
{
	flow_send(net, link, 0, SEGMENT_DIAL, NET_WHY_NONE, bytes_of(NULL, 0));
	set_timer(net, link, 0, EVENT_PATIENCE, net->queue->now_ns + net->options.dial_patience_ns);
}

void flow_patience(struct net *net, struct net_link *link)
{
	if (link->sides[0].state == SIDE_DIALLER)
		give_up(net, link, 0, EVENT_PATIENCE);
}

void flow_again(struct net *net, struct net_link *link, uint32_t side)
{
	uint32_t from = link->sides[side].machine, to = link->sides[!side].machine;
	struct flow *flow = &link->sides[side].flow;

	if (!flow->is_in_doubt || flow->again_ns != net->queue->now_ns)
		return;
	if (net->queue->now_ns >= flow->since_ns + net->options.patience_ns) {
		give_up(net, link, side, EVENT_AGAIN);
		return;
	}
	net->counts.again++;
	if (gets_through(net, from, to)) {
		leave(net, link, side);
		if (!path_of(net, to, from)->is_blocked) {
			flow->is_in_doubt = false;
			return;
		}
		net->counts.unheard_acks++;
	}
	flow->pause_ns *= 2;
	plan_again(net, link, side, net->queue->now_ns + flow->pause_ns);
}

/* The first segment and the next, in one. */
static void join(struct flow *flow)
{
	struct segment *first = flow->first, *next = first->next;
	uint32_t size = next->size - next->at;

	first = must_realloc(first, sizeof *first + first->size + size);
	memcpy(first->bytes + first->size, next->bytes + next->at, size);
	first->size += size;
	first->next = next->next;
	if (flow->last == next)
		flow->last = first;
	flow->first = first;
	free(next);
}

/* How much of the first segment is heard now. What is left comes a little later, and all the rest behind it. */
static uint32_t cut(struct net *net, struct net_link *link, uint32_t side)
{
	struct flow *flow = &link->sides[side].flow;
	uint32_t size = flow->first->size - flow->first->at, part = size;

	if (!net->options.cut_ppm || flow->first->kind != SEGMENT_BYTES ||
	    rng_below(&net->rng, 1000000) >= net->options.cut_ppm)
		return part;
	while (flow->first->next && flow->first->next->kind == SEGMENT_BYTES &&
	       flow->first->next->due_ns <= net->queue->now_ns && rng_below(&net->rng, 2)) {
		join(flow);
		net->counts.joined++;
	}
	size = part = flow->first->size - flow->first->at;
	if (size > 1 && rng_below(&net->rng, 2)) {
		part = 1 + (uint32_t)rng_below(&net->rng, size - 1);
		flow->first->due_ns = net->queue->now_ns + 1 + rng_below(&net->rng, CUT_NS);
		set_arrival(net, link, side, flow->first->due_ns);
		net->counts.cut++;
	}
	return part;
}

/* The first segment, or a part of it, is there. */
static void hand_over(struct net *net, struct net_link *link, uint32_t side)
{
	uint32_t from = link->sides[side].machine, to = link->sides[!side].machine, part = cut(net, link, side);
	struct flow *flow = &link->sides[side].flow;
	struct segment *segment = flow->first, *copy;
	struct bytes bytes = bytes_of(segment->bytes + segment->at, part);

	/* What a stuck process kept waiting was acknowledged when it came. */
	if (path_of(net, to, from)->is_blocked && segment->due_ns == net->queue->now_ns) {
		net->counts.unheard_acks++;
		doubt(net, link, side, segment->sent_ns, segment->kind);
	}
	segment->at += part;
	if (segment->at < segment->size) {
		/* The link may be gone, and the segment with it, while these bytes are being heard. */
		copy = must_realloc(NULL, sizeof *copy + part);
		*copy = (struct segment){ .kind = segment->kind };
		memcpy(copy->bytes, bytes.data, part);
		bytes.data = copy->bytes;
	} else {
		flow->first = segment->next;
		flow->last = flow->first ? flow->last : NULL;
		copy = segment;
	}
	net_handle(net, link, !side, copy->kind, copy->why, bytes);
	free(copy);
}

/* Nobody is there: all of it was lost on its way. */
static void lose_all(struct net *net, struct net_link *link, uint32_t side)
{
	struct segment *first = link->sides[side].flow.first;

	for (struct segment *s = first; s; s = s->next)
		s->due_ns = NET_NEVER;
	net->counts.dark++;
	doubt(net, link, side, first->sent_ns, first->kind);
	if (!link->sides[side].flow.first && link->sides[!side].state == SIDE_NEW) {
		link->sides[!side].state = SIDE_GONE; /* it will never hear that it was dialled */
		net_end_side(net, link, side, NET_WHY_NONE);
	}
}

void flow_arrive(struct net *net, struct net_link *link, uint32_t side)
{
	uint64_t number = link->number, now = net->queue->now_ns;
	struct flow *flow = &link->sides[side].flow;

	while (is_current(link, number) && flow->first && flow->first->due_ns <= now) {
		const struct machine *to = &net->machines[link->sides[!side].machine];

		if (to->is_dark) {
			lose_all(net, link, side);
			return;
		}
		if (to->stuck_until_ns > now) {
			net->counts.held++;
			set_arrival(net, link, side, to->stuck_until_ns);
			return;
		}
		hand_over(net, link, side);
	}
}
