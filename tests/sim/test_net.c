/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/net.h"

#include "tests/unit/base/check.h"

#include <stdio.h>
#include <stdlib.h>

/* What is heard, and when, against times worked out by hand. */

#define MS UINT64_C(1000000)
#define ONE_WAY (20 * MS)

enum { MACHINES = 5, TEXT_MAX = 1 << 16 };

struct world {
	struct queue queue;
	struct net *net;
	char text[TEXT_MAX]; /* a line for each thing that was heard */
	size_t used;
	uint64_t link; /* the last that was accepted or opened */
	bool is_answering;
};

static void hear(void *context, const struct net_event *event)
{
	static const char *const what[] = { "opened", "accepted", "bytes", "closed" };
	static const char *const why[] = { "", " peer", " reset", " refused", " timeout" };
	struct world *world = context;
	uint64_t us = world->queue.now_ns / 1000;

	world->used += (size_t)snprintf(world->text + world->used, sizeof world->text - world->used,
					"%llu.%03llu %u<%u %s%s%s%.*s\n", (unsigned long long)(us / 1000),
					(unsigned long long)(us % 1000), event->machine, event->peer, what[event->what],
					why[event->why], event->bytes.size ? " " : "", (int)event->bytes.size,
					(const char *)event->bytes.data);
	assert_true(world->used < sizeof world->text);
	if (event->what == NET_ACCEPTED || event->what == NET_OPENED)
		world->link = event->link;
	if (world->is_answering && event->what == NET_BYTES)
		assert_true(net_send(world->net, event->link, event->side, bytes_text("yes")));
}

static void run(struct world *world, uint64_t until_ms)
{
	struct event event;

	while (queue_take(&world->queue, until_ms * MS, &event))
		net_fire(world->net, &event);
}

static void start(struct world *world, struct net_options options)
{
	memset(world, 0, sizeof *world);
	options.machines = MACHINES;
	options.delay_ns = ONE_WAY;
	options.queue = &world->queue;
	options.hear = hear;
	options.context = world;
	world->net = net_new(&options);
	for (uint32_t i = 0; i < MACHINES; i++)
		net_start(world->net, i);
}

static void end(struct world *world)
{
	net_free(world->net);
	queue_done(&world->queue);
}

/* All that was heard since the last time. */
static void heard(struct world *world, const char *text)
{
	assert_string_equal(world->text, text);
	world->used = 0;
	world->text[0] = '\0';
}

/* A link from machine 0 to 1, open on both sides at 40 ms. */
static void start_linked(struct world *world, struct net_options options)
{
	start(world, options);
	assert_true(net_dial(world->net, 0, 1) != 0);
	run(world, 40);
	heard(world, "20.000 1<0 accepted\n40.000 0<1 opened\n");
}

static void send(struct world *world, uint32_t side, const char *text)
{
	assert_true(net_send(world->net, world->link, side, bytes_text(text)));
}

static void a_link_opens_carries_and_closes(void **state)
{
	struct world world;
	uint64_t link;

	(void)state;
	start_linked(&world, (struct net_options){ 0 });
	link = world.link;
	world.is_answering = true;
	send(&world, 0, "one");
	send(&world, 0, "two");
	run(&world, 70);
	heard(&world, "60.000 1<0 bytes one\n60.000 1<0 bytes two\n");
	world.is_answering = false;
	run(&world, 100);
	heard(&world, "80.000 0<1 bytes yes\n80.000 0<1 bytes yes\n");
	send(&world, 1, "last");
	net_close(world.net, link, 1);
	assert_false(net_send(world.net, link, 1, bytes_text("too late")));
	send(&world, 0, "to nobody");
	run(&world, 1000);
	heard(&world, "120.000 0<1 bytes last\n120.000 0<1 closed peer\n");
	assert_false(net_send(world.net, link, 0, bytes_text("too late")));
	assert_int_equal(net_links(world.net), 0);
	net_close(world.net, link, 0);
	assert_true(net_dial(world.net, 0, 1) != link);
	assert_int_equal(net_traffic(world.net, 0).bytes_sent, 15);
	assert_int_equal(net_traffic(world.net, 1).sends, 3);
	assert_int_equal(net_traffic(world.net, 1).bytes_heard, 6);
	end(&world);
}

static void a_dial_is_refused_or_ends_after_its_patience(void **state)
{
	struct world world;

	(void)state;
	start(&world, (struct net_options){ 0 });
	net_kill(world.net, 1);
	net_cut_power(world.net, 2);
	net_block(world.net, 0, 3, true);
	net_block(world.net, 4, 0, true);
	for (uint32_t to = 1; to < MACHINES; to++)
		assert_true(net_dial(world.net, 0, to) != 0);
	run(&world, 60000);
	heard(&world, "20.000 4<0 accepted\n40.000 0<1 closed refused\n10000.000 0<2 closed timeout\n"
		      "10000.000 0<3 closed timeout\n10000.000 0<4 closed timeout\n30020.000 4<0 closed timeout\n");
	assert_int_equal(net_links(world.net), 0);
	assert_int_equal(net_counts(world.net).refused, 1);
	end(&world);
}

static void a_dial_ends_when_its_answer_is_lost(void **state)
{
	struct world world;

	(void)state;
	start(&world, (struct net_options){ 0 });
	net_kill(world.net, 1);
	assert_true(net_dial(world.net, 0, 1) != 0);
	assert_true(net_dial(world.net, 0, 2) != 0);
	net_path(world.net, 1, 0)->delay_ns = net_path(world.net, 2, 0)->delay_ns = 11000 * MS;
	net_stuck(world.net, 0, 10500 * MS);
	run(&world, 60000);
	heard(&world, "20.000 2<0 accepted\n10500.000 0<1 closed timeout\n10500.000 0<2 closed timeout\n"
		      "11040.000 2<0 closed reset\n");
	assert_int_equal(net_links(world.net), 0);
	end(&world);
}

static void a_dial_gets_through_when_its_path_opens(void **state)
{
	struct world world;

	(void)state;
	start(&world, (struct net_options){ 0 });
	net_block(world.net, 0, 1, true);
	assert_true(net_dial(world.net, 0, 1) != 0);
	run(&world, 2000);
	net_block(world.net, 0, 1, false);
	net_block(world.net, 1, 0, true);
	run(&world, 3500);
	net_block(world.net, 1, 0, false);
	run(&world, 9000);
	/* Tried at 0, 1 and 3 s; answered at 3.02 and 4.02. */
	heard(&world, "3020.000 1<0 accepted\n4040.000 0<1 opened\n");
	end(&world);
}

static void a_dial_given_up_is_heard_as_closed_or_not_at_all(void **state)
{
	struct world world;

	(void)state;
	start(&world, (struct net_options){ 0 });
	net_close(world.net, net_dial(world.net, 0, 1), 0);
	run(&world, 100);
	heard(&world, "20.000 1<0 accepted\n20.000 1<0 closed peer\n");
	net_block(world.net, 0, 1, true);
	net_close(world.net, net_dial(world.net, 0, 1), 0);
	assert_true(net_dial(world.net, 0, 1) != 0);
	net_kill(world.net, 0);
	assert_true(net_dial(world.net, 0, 1) != 0);
	net_cut_power(world.net, 0);
	run(&world, 60000);
	heard(&world, "");
	net_start(world.net, 0);
	net_block(world.net, 0, 1, false);
	assert_true(net_dial(world.net, 0, 1) != 0); /* on its way when both lose their power */
	net_cut_power(world.net, 0);
	net_cut_power(world.net, 1);
	run(&world, 120000);
	heard(&world, "");
	assert_int_equal(net_links(world.net), 0);
	end(&world);
}

static void what_a_block_held_up_comes_late_and_together(void **state)
{
	struct world world;

	(void)state;
	start_linked(&world, (struct net_options){ 0 });
	net_block(world.net, 0, 1, true);
	send(&world, 0, "a");
	run(&world, 90);
	send(&world, 0, "b");
	send(&world, 1, "up");
	run(&world, 1000);
	net_block(world.net, 0, 1, false);
	send(&world, 0, "c");
	run(&world, 5000);
	/* Sent at 40, then 200, 400 and 800 ms later: at 240, 640 and 1440. */
	heard(&world, "110.000 0<1 bytes up\n1460.000 1<0 bytes a\n1460.000 1<0 bytes b\n1460.000 1<0 bytes c\n");
	send(&world, 0, "d");
	run(&world, 6000);
	heard(&world, "5020.000 1<0 bytes d\n");
	assert_int_equal(net_counts(world.net).again, 6); /* three of each side: one was not acknowledged */
	end(&world);
}

static void a_long_way_makes_tries_rarer(void **state)
{
	struct world world;

	(void)state;
	start_linked(&world, (struct net_options){ 0 });
	net_path(world.net, 0, 1)->delay_ns = 160 * MS;
	net_path(world.net, 1, 0)->delay_ns = 140 * MS;
	net_slow(world.net, 1, 50 * MS);
	net_block(world.net, 0, 1, true);
	send(&world, 0, "a");
	run(&world, 839);
	net_block(world.net, 0, 1, false);
	run(&world, 2000);
	/* Two round trips of 160 + 50 + 140 + 50 ms. */
	heard(&world, "1050.000 1<0 bytes a\n");
	end(&world);
}

static void jitter_delays_and_keeps_the_order(void **state)
{
	uint64_t most = 0, least = UINT64_MAX;
	struct world world;

	(void)state;
	start(&world, (struct net_options){ .jitter_ns = 5 * MS, .seed = 7 });
	assert_true(net_dial(world.net, 0, 1) != 0);
	run(&world, 100);
	for (uint64_t i = 1; i <= 300; i++) {
		uint64_t us;
		char *rest;

		run(&world, 100 * i);
		world.used = 0;
		send(&world, 0, "a");
		run(&world, 100 * i + 1);
		send(&world, 0, "b");
		run(&world, 100 * i + 50);
		us = (uint64_t)(strtod(world.text, &rest) * 1000 + 0.5) - 100000 * i;
		assert_in_range(us, 20000, 25000);
		most = us > most ? us : most;
		least = us < least ? us : least;
		assert_non_null(strstr(rest, "bytes b")); /* and a first */
		assert_true(strncmp(rest, " 1<0 bytes a\n", 13) == 0);
	}
	assert_true(least < 20300 && most > 24700);
	end(&world);
}

static void a_side_without_progress_hears_of_it_alone(void **state)
{
	struct world world;

	(void)state;
	start_linked(&world, (struct net_options){ 0 });
	net_block(world.net, 0, 1, true);
	send(&world, 0, "a");
	run(&world, 30039);
	heard(&world, "");
	run(&world, 40000);
	heard(&world, "30040.000 0<1 closed timeout\n");
	net_block(world.net, 0, 1, false);
	run(&world, 50000);
	heard(&world, "");
	send(&world, 1, "anybody?");
	run(&world, 60000);
	heard(&world, "50040.000 1<0 closed reset\n");
	assert_int_equal(net_links(world.net), 0);
	end(&world);
}

static void bytes_arrive_though_their_acknowledgements_do_not(void **state)
{
	struct world world;

	(void)state;
	start_linked(&world, (struct net_options){ 0 });
	net_block(world.net, 1, 0, true);
	send(&world, 0, "a");
	run(&world, 100);
	send(&world, 0, "b"); /* goes with the next try, at 240 */
	run(&world, 40000);
	heard(&world, "60.000 1<0 bytes a\n260.000 1<0 bytes b\n30040.000 0<1 closed timeout\n");
	end(&world);
	start_linked(&world, (struct net_options){ 0 });
	net_block(world.net, 1, 0, true);
	send(&world, 0, "a");
	run(&world, 20000);
	net_block(world.net, 1, 0, false);
	run(&world, 60000);
	send(&world, 0, "b");
	run(&world, 70000);
	heard(&world, "60.000 1<0 bytes a\n60020.000 1<0 bytes b\n");
	end(&world);
}

static void a_killed_process_resets_and_a_power_cut_is_silent(void **state)
{
	struct world world;

	(void)state;
	start_linked(&world, (struct net_options){ 0 });
	send(&world, 1, "dying");
	net_kill(world.net, 1);
	send(&world, 0, "hello?");
	run(&world, 1000);
	heard(&world, "60.000 0<1 bytes dying\n60.000 0<1 closed reset\n");
	assert_int_equal(net_links(world.net), 0);
	end(&world);
	start_linked(&world, (struct net_options){ 0 });
	send(&world, 0, "on its way");
	send(&world, 1, "left");
	net_cut_power(world.net, 1);
	run(&world, 40000);
	heard(&world, "60.000 0<1 bytes left\n30040.000 0<1 closed timeout\n");
	assert_int_equal(net_links(world.net), 0);
	end(&world);
	start_linked(&world, (struct net_options){ 0 });
	net_cut_power(world.net, 1);
	run(&world, 500);
	net_start(world.net, 1);
	run(&world, 1000);
	heard(&world, "");
	send(&world, 0, "still there?");
	run(&world, 2000);
	heard(&world, "1040.000 0<1 closed reset\n");
	end(&world);
}

static void what_waits_is_lost_with_its_process_unless_it_closed(void **state)
{
	struct world world;

	(void)state;
	start_linked(&world, (struct net_options){ 0 });
	net_block(world.net, 0, 1, true);
	send(&world, 0, "a");
	run(&world, 100);
	net_kill(world.net, 0); /* the reset is tried at 100, and 200 ms later */
	net_block(world.net, 0, 1, false);
	run(&world, 1000);
	heard(&world, "320.000 1<0 closed reset\n");
	end(&world);
	start_linked(&world, (struct net_options){ 0 });
	net_block(world.net, 0, 1, true);
	send(&world, 0, "a");
	net_close(world.net, world.link, 0);
	net_kill(world.net, 0);
	net_block(world.net, 0, 1, false);
	run(&world, 1000);
	heard(&world, "260.000 1<0 bytes a\n260.000 1<0 closed peer\n");
	end(&world);
	start(&world, (struct net_options){ 0 });
	assert_true(net_dial(world.net, 0, 1) != 0);
	run(&world, 10);
	net_kill(world.net, 1);
	run(&world, 1000);
	heard(&world, "40.000 0<1 closed refused\n");
	end(&world);
}

static void a_reset_that_is_lost_comes_later(void **state)
{
	struct world world;

	(void)state;
	start_linked(&world, (struct net_options){ 0 });
	net_cut_power(world.net, 1);
	net_start(world.net, 1);
	net_block(world.net, 1, 0, true);
	send(&world, 0, "still there?");
	run(&world, 100);
	net_block(world.net, 1, 0, false);
	run(&world, 1000);
	heard(&world, "280.000 0<1 closed reset\n");
	end(&world);
}

static void patience_begins_anew_with_what_got_through(void **state)
{
	struct world world;

	(void)state;
	start_linked(&world, (struct net_options){ 0 });
	net_block(world.net, 0, 1, true);
	send(&world, 0, "a");
	run(&world, 1000);
	net_block(world.net, 0, 1, false);
	run(&world, 1450);
	net_block(world.net, 1, 0, true); /* the acknowledgement of what was sent again at 1440 */
	run(&world, 40000);
	heard(&world, "1460.000 1<0 bytes a\n31440.000 0<1 closed timeout\n");
	end(&world);
}

static void slow_and_stuck_machines_keep_their_links(void **state)
{
	struct world world;

	(void)state;
	start_linked(&world, (struct net_options){ 0 });
	net_slow(world.net, 1, 300 * MS);
	send(&world, 0, "a");
	net_slow(world.net, 1, 0);
	send(&world, 0, "b");
	run(&world, 400);
	heard(&world, "360.000 1<0 bytes a\n360.000 1<0 bytes b\n");
	net_stuck(world.net, 1, 90000 * MS);
	send(&world, 0, "c");
	run(&world, 89980);
	send(&world, 0, "d");
	run(&world, 90000);
	heard(&world, "90000.000 1<0 bytes c\n90000.000 1<0 bytes d\n");
	assert_int_equal(net_counts(world.net).held, 1);
	assert_int_equal(net_counts(world.net).slowed, 1);
	net_stuck(world.net, 0, 200000 * MS);
	net_block(world.net, 0, 1, true);
	send(&world, 0, "e");
	run(&world, 300000);
	heard(&world, "200000.000 0<1 closed timeout\n");
	end(&world);
}

static void what_a_stuck_machine_holds_is_acknowledged(void **state)
{
	struct world world;

	(void)state;
	start_linked(&world, (struct net_options){ 0 });
	net_stuck(world.net, 1, 60000 * MS);
	send(&world, 0, "a");
	run(&world, 50000);
	net_block(world.net, 1, 0, true);
	run(&world, 120000);
	heard(&world, "60000.000 1<0 bytes a\n");
	end(&world);
	start_linked(&world, (struct net_options){ 0 });
	net_stuck(world.net, 1, 60000 * MS);
	send(&world, 0, "a");
	run(&world, 100);
	send(&world, 0, "b");
	net_cut_power(world.net, 1); /* a is lost with it, b has nowhere to come */
	run(&world, 20000);
	net_start(world.net, 1);
	run(&world, 90000);
	/* Tried at 300, 700, 1500 and so on, until at 25500 there is a machine that knows of no link. */
	heard(&world, "25540.000 0<1 closed reset\n");
	end(&world);
}

static void bandwidth_is_shared_by_what_a_side_sends(void **state)
{
	struct world world;

	(void)state;
	start_linked(&world, (struct net_options){ 0 });
	net_path(world.net, 0, 1)->bytes_per_s = 1000;
	send(&world, 0, "0123456789");
	send(&world, 0, "01234");
	send(&world, 1, "back");
	run(&world, 1000);
	heard(&world, "60.000 0<1 bytes back\n70.000 1<0 bytes 0123456789\n75.000 1<0 bytes 01234\n");
	end(&world);
}

static void what_is_injected_is_heard_as_if_it_was_sent(void **state)
{
	struct world world;

	(void)state;
	start_linked(&world, (struct net_options){ 0 });
	send(&world, 0, "true");
	assert_true(net_inject(world.net, world.link, 0, bytes_text("false")));
	assert_true(net_inject(world.net, world.link, 1, bytes_text("true")));
	run(&world, 100);
	heard(&world, "60.000 1<0 bytes true\n60.000 1<0 bytes false\n60.000 0<1 bytes true\n");
	assert_int_equal(net_traffic(world.net, 0).sends, 1);
	assert_int_equal(net_counts(world.net).injected, 2);
	net_close(world.net, world.link, 0);
	assert_false(net_inject(world.net, world.link, 1, bytes_text("x")));
	assert_false(net_inject(world.net, 12345, 1, bytes_text("x")));
	end(&world);
}

/* One send at a time, so each is late by what its own losses cost: 0, 200, 600, 1400 ms and so on. */
static void losses_cost_what_tcp_makes_them_cost(void **state)
{
	enum { SENDS = 20000, LATE_MAX = 8 };
	uint64_t late[LATE_MAX] = { 0 }, expected = 0;
	struct world world;

	(void)state;
	start_linked(&world, (struct net_options){ .seed = 3 });
	net_lose(world.net, 250000);
	for (uint64_t i = 0; i < SENDS; i++) {
		uint64_t sent = (i + 1) * 60000, ms, losses = 0;

		run(&world, sent);
		send(&world, 0, "x");
		run(&world, sent + 59999);
		ms = strtoull(world.text, NULL, 10) - sent - 20;
		while ((UINT64_C(1) << losses) * 200 - 200 < ms)
			losses++;
		assert_true(losses < LATE_MAX && (UINT64_C(1) << losses) * 200 - 200 == ms);
		assert_true(strchr(world.text, '\n')[1] == '\0');
		late[losses]++;
		world.used = 0;
	}
	for (size_t i = 0; i < LATE_MAX; i++)
		expected += i * late[i];
	assert_int_equal(net_counts(world.net).lost, expected);
	assert_in_range(late[0], SENDS * 74 / 100, SENDS * 76 / 100);
	assert_in_range(late[1], SENDS * 1775 / 10000, SENDS * 1975 / 10000);
	assert_in_range(late[2], SENDS * 40 / 1000, SENDS * 54 / 1000);
	end(&world);
}

static bool is_shaped(enum net_shape shape, uint32_t p, uint32_t q)
{
	static const char *const apart[NET_SHAPES] = {
		[NET_WHOLE] = "..... ..... ..... ..... .....", [NET_FULL] = ".xxxx x.xxx xx.xx xxx.x xxxx.",
		[NET_HALF] = "..xxx ..xxx xx... xx... xx...",  [NET_ONE_WAY] = "..xxx ..xxx ..... ..... .....",
		[NET_RING] = "..xx. ...xx x...x xx... .xx..",  [NET_BRIDGE] = "..... ...xx ...xx .xx.. .xx..",
		[NET_ALONE] = ".xxxx x.... x.... x.... x....",
	};

	return apart[shape][p * 6 + q] == 'x';
}

static void partitions_have_their_shapes(void **state)
{
	static const uint32_t order[] = { 3, 1, 4, 0, 2 };
	struct world world;

	(void)state;
	start(&world, (struct net_options){ 0 });
	for (enum net_shape shape = NET_SHAPES; shape-- > 0;)
		for (unsigned turn = 0; turn < 2; turn++) {
			net_partition(world.net, shape, turn ? order : NULL);
			for (uint32_t p = 0; p < MACHINES; p++)
				for (uint32_t q = 0; q < MACHINES; q++)
					assert_true(net_path(world.net, turn ? order[p] : p, turn ? order[q] : q)
							    ->is_blocked == is_shaped(shape, p, q));
		}
	end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_opens_carries_and_closes),
		cmocka_unit_test(a_dial_is_refused_or_ends_after_its_patience),
		cmocka_unit_test(a_dial_ends_when_its_answer_is_lost),
		cmocka_unit_test(a_dial_gets_through_when_its_path_opens),
		cmocka_unit_test(a_dial_given_up_is_heard_as_closed_or_not_at_all),
		cmocka_unit_test(what_a_block_held_up_comes_late_and_together),
		cmocka_unit_test(a_long_way_makes_tries_rarer),
		cmocka_unit_test(jitter_delays_and_keeps_the_order),
		cmocka_unit_test(a_side_without_progress_hears_of_it_alone),
		cmocka_unit_test(bytes_arrive_though_their_acknowledgements_do_not),
		cmocka_unit_test(a_killed_process_resets_and_a_power_cut_is_silent),
		cmocka_unit_test(what_waits_is_lost_with_its_process_unless_it_closed),
		cmocka_unit_test(a_reset_that_is_lost_comes_later),
		cmocka_unit_test(patience_begins_anew_with_what_got_through),
		cmocka_unit_test(slow_and_stuck_machines_keep_their_links),
		cmocka_unit_test(what_a_stuck_machine_holds_is_acknowledged),
		cmocka_unit_test(bandwidth_is_shared_by_what_a_side_sends),
		cmocka_unit_test(what_is_injected_is_heard_as_if_it_was_sent),
		cmocka_unit_test(losses_cost_what_tcp_makes_them_cost),
		cmocka_unit_test(partitions_have_their_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
