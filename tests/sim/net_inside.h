/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_NET_INSIDE_H
#define WARREN_SIM_NET_INSIDE_H

/*
 * What net.c (machines and links) and net_flow.c (one direction of a link) share.
 *
 * A flow is a list of segments: first those on their way, each with the time it is due, then those that wait to be sent
 * again. While something waits, or is not acknowledged, the flow is in doubt: what is sent joins those that wait, and a
 * timer runs.
 */

#include "tests/sim/net.h"

#define NET_NEVER UINT64_MAX

enum segment_kind { SEGMENT_DIAL, SEGMENT_ANSWER, SEGMENT_BYTES, SEGMENT_END };

struct segment {
	struct segment *next;
	uint64_t due_ns; /* if all before it are; NET_NEVER: it waits */
	uint64_t sent_ns;
	enum segment_kind kind;
	enum net_why why;  /* of an end */
	uint32_t at, size; /* what is before `at` was heard */
	uint8_t bytes[];
};

struct flow {
	struct segment *first, *last;
	uint64_t free_ns; /* when all that left is on the wire */
	bool is_in_doubt;
	bool is_forgotten; /* its machine lost all it knew: nothing is sent again */
	uint64_t since_ns, pause_ns, again_ns;
};

enum side_state {
	SIDE_NEW,     /* not accepted yet */
	SIDE_DIALLER, /* not opened yet */
	SIDE_OPEN,
	SIDE_GONE,
};

struct net_side {
	uint32_t machine;
	enum side_state state;
	struct flow flow; /* of what it sends */
};

/* Its memory stays when it is gone, for the next one in its place. */
struct net_link {
	uint64_t number; /* place, and above it how often the place was used */
	bool is_there;
	struct net_side sides[2];
};

struct machine {
	bool is_up, is_dark;
	uint64_t extra_ns, stuck_until_ns;
	struct net_traffic traffic;
};

struct net {
	struct net_options options;
	struct queue *queue;
	struct rng rng;
	struct machine *machines;
	struct net_path *paths;
	struct net_link **links;
	size_t count, room, there;
	uint32_t *free; /* places */
	size_t free_count;
	struct net_counts counts;
};

/* What an event of ours is about: an arrival at the other side, or a timer of this one. */
enum { EVENT_SIDE = 1, EVENT_AGAIN = 2, EVENT_PATIENCE = 4 };

static inline struct net_path *path_of(struct net *net, uint32_t from, uint32_t to)
{
	return &net->paths[(size_t)from * net->options.machines + to];
}

static inline bool is_current(const struct net_link *link, uint64_t number)
{
	return link->is_there && link->number == number;
}

/* Of the flow from `side`. */
void flow_send(struct net *net, struct net_link *link, uint32_t side, enum segment_kind kind, enum net_why why,
	       struct bytes bytes);
void flow_arrive(struct net *net, struct net_link *link, uint32_t side);
void flow_again(struct net *net, struct net_link *link, uint32_t side);

/* Dials, and ends what was not answered in time. */
void flow_dial(struct net *net, struct net_link *link);
void flow_patience(struct net *net, struct net_link *link);

/* Drops what waits, and ends the doubt. */
void flow_stop(struct flow *flow);
void flow_drop(struct flow *flow);

/* Drops what arrived and was acknowledged, and not heard, since its process was stuck. */
void flow_drop_held(struct flow *flow, uint64_t now_ns);

/* A segment is there; the link may be gone afterwards. */
void net_handle(struct net *net, struct net_link *link, uint32_t side, enum segment_kind kind, enum net_why why,
		struct bytes bytes);

/* This side is gone, and is told why unless it knows; the link with it when the other is gone, too. */
void net_end_side(struct net *net, struct net_link *link, uint32_t side, enum net_why why);

#endif
