/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/net_inside.h"

#include <assert.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000000)

enum { LOSS_MAX_PPM = 300000 };

struct net *net_new(const struct net_options *options)
{
	size_t count = options->machines;
	struct net *net = must_alloc(sizeof *net);

	*net = (struct net){ .options = *options, .queue = options->queue, .rng = rng_from_number(options->seed) };
	net->options.patience_ns = options->patience_ns ? options->patience_ns : 30 * SECOND;
	net->options.dial_patience_ns = options->dial_patience_ns ? options->dial_patience_ns : 10 * SECOND;
	net->machines = must_alloc(count * sizeof *net->machines);
	net->paths = must_alloc(count * count * sizeof *net->paths);
	for (size_t i = 0; i < count * count; i++)
		net->paths[i].delay_ns = options->delay_ns;
	return net;
}

void net_free(struct net *net)
{
	if (!net)
		return;
	for (size_t i = 0; i < net->count; i++) {
		flow_drop(&net->links[i]->sides[0].flow);
		flow_drop(&net->links[i]->sides[1].flow);
		free(net->links[i]);
	}
	free(net->links);
	free(net->free);
	free(net->paths);
	free(net->machines);
	free(net);
}

static struct net_link *find(const struct net *net, uint64_t number)
{
	size_t place = (uint32_t)number;

	return place < net->count && is_current(net->links[place], number) ? net->links[place] : NULL;
}

/* A place that was never used, or the last that became free. */
static struct net_link *add_link(struct net *net)
{
	struct net_link *link;

	net->there++;
	if (net->free_count) {
		link = net->links[net->free[--net->free_count]];
	} else {
		if (net->count == net->room) {
			net->room = net->room * 2 + 64;
			net->links = must_realloc(net->links, net->room * sizeof *net->links);
			net->free = must_realloc(net->free, net->room * sizeof *net->free);
		}
		link = must_alloc(sizeof *link);
		link->number = net->count;
		net->links[net->count++] = link;
	}
	*link = (struct net_link){ .number = link->number + (UINT64_C(1) << 32), .is_there = true };
	return link;
}

static void remove_link(struct net *net, struct net_link *link)
{
	flow_drop(&link->sides[0].flow);
	flow_drop(&link->sides[1].flow);
	link->is_there = false;
	net->free[net->free_count++] = (uint32_t)link->number;
	net->there--;
}

static bool leave_side(struct net *net, struct net_link *link, uint32_t side)
{
	link->sides[side].state = SIDE_GONE;
	if (link->sides[!side].state != SIDE_GONE)
		return false;
	remove_link(net, link);
	return true;
}

static void tell(struct net *net, const struct net_link *link, uint32_t side, enum net_what what, enum net_why why,
		 struct bytes bytes)
{
	struct net_event event = { .what = what, .why = why, .link = link->number, .side = side };

	event.machine = link->sides[side].machine;
	event.peer = link->sides[!side].machine;
	event.bytes = bytes;
	net->options.hear(net->options.context, &event);
}

void net_end_side(struct net *net, struct net_link *link, uint32_t side, enum net_why why)
{
	bool is_to_hear = link->sides[side].state == SIDE_OPEN || link->sides[side].state == SIDE_DIALLER;
	struct net_link was = *link; /* what hears it may use the place anew */

	leave_side(net, link, side);
	if (!is_to_hear)
		return;
	net->counts.closed++;
	net->counts.resets += why == NET_WHY_RESET;
	net->counts.refused += why == NET_WHY_REFUSED;
	tell(net, &was, side, NET_CLOSED, why, bytes_of(NULL, 0));
}

/* Something came for a side that is not there any more: whoever sent it is told so, once. */
static void answer_gone(struct net *net, struct net_link *link, uint32_t side)
{
	struct flow *flow = &link->sides[side].flow;

	if (flow->last && flow->last->kind == SEGMENT_END)
		return;
	flow->is_forgotten = false;
	flow_send(net, link, side, SEGMENT_END, NET_WHY_RESET, bytes_of(NULL, 0));
}

static void handle_dial(struct net *net, struct net_link *link)
{
	if (net->machines[link->sides[1].machine].is_up) {
		link->sides[1].state = SIDE_OPEN;
		flow_send(net, link, 1, SEGMENT_ANSWER, NET_WHY_NONE, bytes_of(NULL, 0));
		tell(net, link, 1, NET_ACCEPTED, NET_WHY_NONE, bytes_of(NULL, 0));
	} else if (!leave_side(net, link, 1)) {
		flow_send(net, link, 1, SEGMENT_END, NET_WHY_REFUSED, bytes_of(NULL, 0));
	}
}

static void handle_bytes(struct net *net, struct net_link *link, uint32_t side, struct bytes bytes)
{
	struct machine *machine = &net->machines[link->sides[side].machine];

	if (link->sides[side].state != SIDE_OPEN) {
		answer_gone(net, link, side);
		return;
	}
	machine->traffic.arrivals++;
	machine->traffic.bytes_heard += bytes.size;
	tell(net, link, side, NET_BYTES, NET_WHY_NONE, bytes);
}

void net_handle(struct net *net, struct net_link *link, uint32_t side, enum segment_kind kind, enum net_why why,
		struct bytes bytes)
{
	switch (kind) {
	case SEGMENT_DIAL: handle_dial(net, link); break;
	case SEGMENT_ANSWER:
		if (link->sides[side].state != SIDE_DIALLER) {
			answer_gone(net, link, side);
			break;
		}
		link->sides[side].state = SIDE_OPEN;
		net->counts.opened++;
		tell(net, link, side, NET_OPENED, NET_WHY_NONE, bytes);
		break;
	case SEGMENT_BYTES: handle_bytes(net, link, side, bytes); break;
	case SEGMENT_END: net_end_side(net, link, side, why); break;
	}
}

void net_fire(struct net *net, const struct event *event)
{
	struct net_link *link = find(net, event->b);

	if (!link)
		return;
	if (event->a & EVENT_PATIENCE)
		flow_patience(net, link);
	else if (event->a & EVENT_AGAIN)
		flow_again(net, link, event->a & EVENT_SIDE);
	else
		flow_arrive(net, link, event->a & EVENT_SIDE);
}

uint64_t net_dial(struct net *net, uint32_t from, uint32_t to)
{
	struct net_link *link = add_link(net);

	assert(from != to && from < net->options.machines && to < net->options.machines);
	assert(!net->machines[from].is_dark);
	link->sides[0] = (struct net_side){ .machine = from, .state = SIDE_DIALLER };
	link->sides[1] = (struct net_side){ .machine = to, .state = SIDE_NEW };
	net->counts.dials++;
	flow_dial(net, link);
	return link->number;
}

bool net_send(struct net *net, uint64_t number, uint32_t side, struct bytes bytes)
{
	struct net_link *link = find(net, number);
	struct net_traffic *traffic;

	if (!link || link->sides[side].state != SIDE_OPEN)
		return false;
	if (!bytes.size)
		return true;
	traffic = &net->machines[link->sides[side].machine].traffic;
	traffic->sends++;
	traffic->bytes_sent += bytes.size;
	flow_send(net, link, side, SEGMENT_BYTES, NET_WHY_NONE, bytes);
	return true;
}

bool net_inject(struct net *net, uint64_t number, uint32_t side, struct bytes bytes)
{
	struct net_link *link = find(net, number);

	if (!link || link->sides[!side].state != SIDE_OPEN || link->sides[side].state != SIDE_OPEN)
		return false;
	if (!bytes.size)
		return true;
	net->counts.injected++;
	flow_send(net, link, side, SEGMENT_BYTES, NET_WHY_NONE, bytes);
	return true;
}

void net_close(struct net *net, uint64_t number, uint32_t side)
{
	struct net_link *link = find(net, number);

	if (link && link->sides[side].state != SIDE_GONE && !leave_side(net, link, side))
		flow_send(net, link, side, SEGMENT_END, NET_WHY_PEER, bytes_of(NULL, 0));
}

/* This side knows nothing more of the link, and sends nothing again. True: then nobody does. */
static bool forget_side(struct net *net, struct net_link *link, uint32_t side)
{
	struct flow *flow = &link->sides[side].flow;

	flow_stop(flow);
	if (link->sides[!side].state == SIDE_NEW && !flow->first)
		link->sides[!side].state = SIDE_GONE;
	return leave_side(net, link, side);
}

static void end_process(struct net *net, uint32_t machine, bool is_told)
{
	for (size_t i = 0; i < net->count; i++) {
		struct net_link *link = net->links[i];

		for (uint32_t side = 0; side < 2 && link->is_there; side++) {
			struct net_side *mine = &link->sides[side];

			if (mine->machine != machine || mine->state == SIDE_NEW)
				continue;
			if (is_told && mine->state == SIDE_GONE)
				continue;
			mine->flow.is_forgotten = !is_told;
			if (!is_told)
				flow_drop_held(&link->sides[!side].flow, net->queue->now_ns);
			if (!forget_side(net, link, side) && is_told)
				flow_send(net, link, side, SEGMENT_END, NET_WHY_RESET, bytes_of(NULL, 0));
		}
	}
}

void net_start(struct net *net, uint32_t machine)
{
	net->machines[machine].is_up = true;
	net->machines[machine].is_dark = false;
}

void net_kill(struct net *net, uint32_t machine)
{
	net->machines[machine].is_up = net->machines[machine].is_dark = false;
	net->machines[machine].stuck_until_ns = 0;
	net->counts.kills++;
	end_process(net, machine, true);
}

void net_cut_power(struct net *net, uint32_t machine)
{
	net->machines[machine].is_up = false;
	net->machines[machine].is_dark = true;
	net->machines[machine].stuck_until_ns = 0;
	net->counts.power_cuts++;
	end_process(net, machine, false);
}

void net_slow(struct net *net, uint32_t machine, uint64_t extra_ns)
{
	net->machines[machine].extra_ns = extra_ns;
}

void net_stuck(struct net *net, uint32_t machine, uint64_t until_ns)
{
	net->machines[machine].stuck_until_ns = until_ns;
}

struct net_path *net_path(struct net *net, uint32_t from, uint32_t to)
{
	return path_of(net, from, to);
}

void net_block(struct net *net, uint32_t from, uint32_t to, bool is_blocked)
{
	path_of(net, from, to)->is_blocked = is_blocked;
}

void net_lose(struct net *net, uint32_t loss_ppm)
{
	size_t count = (size_t)net->options.machines * net->options.machines;

	assert(loss_ppm <= LOSS_MAX_PPM);
	for (size_t i = 0; i < count; i++)
		net->paths[i].loss_ppm = loss_ppm;
}

/* Whether the machine at place p is not heard by the one at place q. */
static bool is_apart(enum net_shape shape, uint32_t count, uint32_t p, uint32_t q)
{
	uint32_t half = count / 2, step = (p + count - q) % count;

	switch (shape) {
	case NET_WHOLE: return false;
	case NET_FULL: return true;
	case NET_HALF: return (p < half) != (q < half);
	case NET_ONE_WAY: return p < half && q >= half;
	case NET_RING: return step != 1 && step != count - 1;
	case NET_BRIDGE: return p && q && (p <= half) != (q <= half);
	case NET_ALONE: return !p || !q;
	case NET_SHAPES: break;
	}
	abort();
}

void net_partition(struct net *net, enum net_shape shape, const uint32_t *order)
{
	uint32_t count = net->options.machines;

	for (uint32_t p = 0; p < count; p++)
		for (uint32_t q = 0; q < count; q++)
			if (p != q)
				net_block(net, order ? order[p] : p, order ? order[q] : q,
					  is_apart(shape, count, p, q));
}

struct net_traffic net_traffic(const struct net *net, uint32_t machine)
{
	return net->machines[machine].traffic;
}

struct net_counts net_counts(const struct net *net)
{
	return net->counts;
}

size_t net_links(const struct net *net)
{
	return net->there;
}
