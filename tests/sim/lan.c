/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/lan.h"

#include "tests/unit/base/check.h"

#include <stdio.h>

static void hear(void *context, const struct net_event *event)
{
	static const char *const what[] = { "opened", "accepted", "bytes", "closed" };
	static const char *const why[] = { "", " peer", " reset", " refused", " timeout" };
	struct lan *lan = context;
	uint64_t us = lan->queue.now_ns / 1000;

	lan->used +=
		(size_t)snprintf(lan->text + lan->used, sizeof lan->text - lan->used, "%llu.%03llu %u<%u %s%s%s%.*s\n",
				 (unsigned long long)(us / 1000), (unsigned long long)(us % 1000), event->machine,
				 event->peer, what[event->what], why[event->why], event->bytes.size ? " " : "",
				 (int)event->bytes.size, (const char *)event->bytes.data);
	assert_true(lan->used < sizeof lan->text);
	if (event->what == NET_ACCEPTED || event->what == NET_OPENED)
		lan->link = event->link;
	if (lan->is_answering && event->what == NET_BYTES)
		assert_true(net_send(lan->net, event->link, event->side, bytes_text("yes")));
}

void lan_run_ns(struct lan *lan, uint64_t until_ns)
{
	struct event event;

	while (queue_take(&lan->queue, until_ns, &event))
		net_fire(lan->net, &event);
}

void lan_run(struct lan *lan, uint64_t until_ms)
{
	lan_run_ns(lan, until_ms * MS);
}

void lan_start(struct lan *lan, struct net_options options)
{
	memset(lan, 0, sizeof *lan);
	options.machines = MACHINES;
	options.delay_ns = ONE_WAY;
	options.queue = &lan->queue;
	options.hear = hear;
	options.context = lan;
	lan->net = net_new(&options);
	for (uint32_t i = 0; i < MACHINES; i++)
		net_start(lan->net, i);
}

void lan_end(struct lan *lan)
{
	net_free(lan->net);
	queue_done(&lan->queue);
}

void lan_heard(struct lan *lan, const char *text)
{
	assert_string_equal(lan->text, text);
	lan->used = 0;
	lan->text[0] = '\0';
}

void lan_start_linked(struct lan *lan, struct net_options options)
{
	lan_start(lan, options);
	assert_true(net_dial(lan->net, 0, 1) != 0);
	lan_run(lan, 40);
	lan_heard(lan, "20.000 1<0 accepted\n40.000 0<1 opened\n");
}

void lan_send(struct lan *lan, uint32_t side, const char *text)
{
	assert_true(net_send(lan->net, lan->link, side, bytes_text(text)));
}
