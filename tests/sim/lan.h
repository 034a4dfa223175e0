/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_LAN_H
#define WARREN_SIM_LAN_H

/* What the tests of the network share: five machines, 20 ms from each other, and what is heard there, as text. */

#include "tests/sim/net.h"
#include "tests/unit/base/check.h"

#define MS UINT64_C(1000000)
#define ONE_WAY (20 * MS)

enum { MACHINES = 5, TEXT_MAX = 1 << 16 };

struct lan {
	struct queue queue;
	struct net *net;
	char text[TEXT_MAX]; /* a line for each thing that was heard */
	size_t used;
	uint64_t link; /* the last that was accepted or opened */
	bool is_answering;
};

void lan_start(struct lan *lan, struct net_options options);
void lan_end(struct lan *lan);

/* A link from machine 0 to 1, open on both sides at 40 ms. */
void lan_start_linked(struct lan *lan, struct net_options options);

void lan_run_ns(struct lan *lan, uint64_t until_ns);
void lan_run(struct lan *lan, uint64_t until_ms);

/* Over the last link. */
void lan_send(struct lan *lan, uint32_t side, const char *text);

/* Checks all that was heard since the last time. */
void lan_heard(struct lan *lan, const char *text);

#endif
