/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_NET_H
#define WARREN_SIM_NET_H

/*
 * The network of the simulator: machines, and links of bytes between them as TCP gives them.
 *
 * A link has side 0, which dialled, and side 1. What one side sends arrives at the other once and in order, or the
 * link breaks. Each send is one segment; a segment is lost by chance, by a blocked path, or because nobody is there.
 * What is lost is sent again after max(200 ms, 2 round trips) (1 s while dialling), then after twice that, and so on;
 * all that was sent behind it waits, and goes out with it. An acknowledgement is lost on a blocked path only: what it
 * was about arrived, but its sender goes on as if it had not. A side that got nowhere for `patience_ns` hears
 * that the link is closed; the other side is not told, until it sends something. A segment that left before its path
 * was blocked arrives.
 *
 * Time is the queue's. What happens is told through `hear`, from within net_fire alone, and what it is told is
 * borrowed for that call, during which everything but net_fire and net_free may be called. One seed and the same calls
 * give the same run.
 */

#include "crdt/base/rng.h"
#include "tests/sim/queue.h"

struct net;

enum net_what {
	NET_OPENED,   /* side 0: a round trip after dialling */
	NET_ACCEPTED, /* side 1: half of that after it; it may send at once */
	NET_BYTES,
	NET_CLOSED, /* the last that this side hears */
};

enum net_why {
	NET_WHY_NONE,
	NET_WHY_PEER,    /* it closed */
	NET_WHY_RESET,   /* its process is not there any more */
	NET_WHY_REFUSED, /* nobody listens */
	NET_WHY_TIMEOUT,
};

struct net_event {
	enum net_what what;
	enum net_why why; /* it closed */
	uint64_t link;    /* never 0, and never the same again */
	uint32_t side;    /* that hears it */
	uint32_t machine, peer;
	struct bytes bytes;
};

typedef void net_hear(void *context, const struct net_event *event);

struct net_options {
	uint32_t machines;
	uint32_t kind; /* of its events in the queue */
	struct queue *queue;
	net_hear *hear;
	void *context;
	uint64_t seed;
	uint64_t delay_ns;  /* of all paths, one way */
	uint64_t jitter_ns; /* at most so much is added to each delay; order stays */
	uint32_t cut_ppm;   /* of a million arrivals so many are joined with the next, or come in parts */
	uint64_t patience_ns, dial_patience_ns; /* 0: 30 s and 10 s */
};

struct net *net_new(const struct net_options *options);
void net_free(struct net *net);

/* For each event of `kind` that the queue gives. */
void net_fire(struct net *net, const struct event *event);

/* --- What nodes do. */

/* The link's number at once; what becomes of it is heard. */
uint64_t net_dial(struct net *net, uint32_t from, uint32_t to);

/* Copies the bytes. False: this side is not open, so nothing is sent. */
bool net_send(struct net *net, uint64_t link, uint32_t side, struct bytes bytes);

/* This side hears nothing more; the other hears it after all that was sent. A link that is not there is fine. */
void net_close(struct net *net, uint64_t link, uint32_t side);

/* --- What becomes of machines. At first nobody listens anywhere. */

/* There is power, and a process listens. */
void net_start(struct net *net, uint32_t machine);

/* The process is gone (or there is power again, and none yet): its peers hear a reset. */
void net_kill(struct net *net, uint32_t machine);

/* The power goes: nobody is told, and what had not left is lost. */
void net_cut_power(struct net *net, uint32_t machine);

/* All that it sends and hears takes so much longer. */
void net_slow(struct net *net, uint32_t machine, uint64_t extra_ns);

/* It hears nothing before then, and all of it then. Its kernel goes on, so no link breaks by it. */
void net_stuck(struct net *net, uint32_t machine, uint64_t until_ns);

/* --- What becomes of paths, each from one machine to another; to be changed at any time. */

struct net_path {
	uint64_t delay_ns;
	uint32_t bytes_per_s; /* of each link; 0: any number */
	uint32_t loss_ppm;    /* of a million segments so many are lost; at most 300,000 */
	bool is_blocked;
};

struct net_path *net_path(struct net *net, uint32_t from, uint32_t to);
void net_block(struct net *net, uint32_t from, uint32_t to, bool is_blocked);
void net_lose(struct net *net, uint32_t loss_ppm); /* on all paths */

enum net_shape {
	NET_WHOLE,   /* nothing is blocked */
	NET_FULL,    /* everybody is alone */
	NET_HALF,    /* two halves */
	NET_ONE_WAY, /* the second half does not hear the first */
	NET_RING,    /* each meets its two neighbours only */
	NET_BRIDGE,  /* two halves, and the first machine meets both */
	NET_ALONE,   /* the first machine meets nobody */
	NET_SHAPES,
};

/* Blocks what the shape says and nothing else. `order` has all machines in some order; NULL: by number. */
void net_partition(struct net *net, enum net_shape shape, const uint32_t *order);

/* --- Attacks. */

/* The other side hears these bytes as if `side` had sent them. False: it does not hear anything any more. */
bool net_inject(struct net *net, uint64_t link, uint32_t side, struct bytes bytes);

/* --- What was. */

struct net_traffic {
	uint64_t sends, bytes_sent, arrivals, bytes_heard; /* without what TCP and IP add */
};

struct net_traffic net_traffic(const struct net *net, uint32_t machine);

struct net_counts {
	uint64_t dials, opened, refused, closed, resets, timeouts;
	uint64_t lost, blocked, dark, unheard_acks, again; /* segments; sent again */
	uint64_t held, slowed, joined, cut, injected;      /* arrivals */
	uint64_t kills, power_cuts;
};

struct net_counts net_counts(const struct net *net);
size_t net_links(const struct net *net); /* that are there, half or whole */

#endif
