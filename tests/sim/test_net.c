/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/lan.h"

/* Links that open, close and break, and what machines do to them, against times worked out by hand. */

static void a_link_opens_carries_and_closes(void **state)
{
	struct lan lan;
	uint64_t link;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ 0 });
	link = lan.link;
	lan.is_answering = true;
	lan_send(&lan, 0, "one");
	lan_send(&lan, 0, "two");
	lan_run(&lan, 70);
	lan_heard(&lan, "60.000 1<0 bytes one\n60.000 1<0 bytes two\n");
	lan.is_answering = false;
	lan_run(&lan, 100);
	lan_heard(&lan, "80.000 0<1 bytes yes\n80.000 0<1 bytes yes\n");
	lan_send(&lan, 1, "last");
	net_close(lan.net, link, 1);
	assert_false(net_send(lan.net, link, 1, bytes_text("too late")));
	lan_send(&lan, 0, "to nobody");
	lan_run(&lan, 1000);
	lan_heard(&lan, "120.000 0<1 bytes last\n120.000 0<1 closed peer\n");
	assert_false(net_send(lan.net, link, 0, bytes_text("too late")));
	assert_int_equal(net_links(lan.net), 0);
	net_close(lan.net, link, 0);
	assert_true(net_dial(lan.net, 0, 1) != link);
	assert_int_equal(net_traffic(lan.net, 0).bytes_sent, 15);
	assert_int_equal(net_traffic(lan.net, 1).sends, 3);
	assert_int_equal(net_traffic(lan.net, 1).bytes_heard, 6);
	lan_end(&lan);
}

static void a_dial_is_refused_or_ends_after_its_patience(void **state)
{
	struct lan lan;

	(void)state;
	lan_start(&lan, (struct net_options){ 0 });
	net_kill(lan.net, 1);
	net_cut_power(lan.net, 2);
	net_block(lan.net, 0, 3, true);
	net_block(lan.net, 4, 0, true);
	for (uint32_t to = 1; to < MACHINES; to++)
		assert_true(net_dial(lan.net, 0, to) != 0);
	lan_run(&lan, 60000);
	lan_heard(&lan, "20.000 4<0 accepted\n40.000 0<1 closed refused\n10000.000 0<2 closed timeout\n"
			"10000.000 0<3 closed timeout\n10000.000 0<4 closed timeout\n30020.000 4<0 closed timeout\n");
	assert_int_equal(net_links(lan.net), 0);
	assert_int_equal(net_counts(lan.net).refused, 1);
	lan_end(&lan);
}

static void a_dial_ends_when_its_answer_is_lost(void **state)
{
	struct lan lan;

	(void)state;
	lan_start(&lan, (struct net_options){ 0 });
	net_kill(lan.net, 1);
	assert_true(net_dial(lan.net, 0, 1) != 0);
	assert_true(net_dial(lan.net, 0, 2) != 0);
	net_path(lan.net, 1, 0)->delay_ns = net_path(lan.net, 2, 0)->delay_ns = 11000 * MS;
	net_stuck(lan.net, 0, 10500 * MS);
	lan_run(&lan, 60000);
	lan_heard(&lan, "20.000 2<0 accepted\n10500.000 0<1 closed timeout\n10500.000 0<2 closed timeout\n"
			"11040.000 2<0 closed reset\n");
	assert_int_equal(net_links(lan.net), 0);
	lan_end(&lan);
}

static void a_dial_gets_through_when_its_path_opens(void **state)
{
	struct lan lan;

	(void)state;
	lan_start(&lan, (struct net_options){ 0 });
	net_block(lan.net, 0, 1, true);
	assert_true(net_dial(lan.net, 0, 1) != 0);
	lan_run(&lan, 2000);
	net_block(lan.net, 0, 1, false);
	net_block(lan.net, 1, 0, true);
	lan_run(&lan, 3500);
	net_block(lan.net, 1, 0, false);
	lan_run(&lan, 9000);
	/* Tried at 0, 1 and 3 s; answered at 3.02 and 4.02. */
	lan_heard(&lan, "3020.000 1<0 accepted\n4040.000 0<1 opened\n");
	lan_end(&lan);
}

static void a_dial_given_up_is_heard_as_closed_or_not_at_all(void **state)
{
	struct lan lan;

	(void)state;
	lan_start(&lan, (struct net_options){ 0 });
	net_close(lan.net, net_dial(lan.net, 0, 1), 0);
	lan_run(&lan, 100);
	lan_heard(&lan, "20.000 1<0 accepted\n20.000 1<0 closed peer\n");
	net_block(lan.net, 0, 1, true);
	net_close(lan.net, net_dial(lan.net, 0, 1), 0);
	assert_true(net_dial(lan.net, 0, 1) != 0);
	net_kill(lan.net, 0);
	assert_true(net_dial(lan.net, 0, 1) != 0);
	net_cut_power(lan.net, 0);
	lan_run(&lan, 60000);
	lan_heard(&lan, "");
	net_start(lan.net, 0);
	net_block(lan.net, 0, 1, false);
	assert_true(net_dial(lan.net, 0, 1) != 0); /* on its way when both lose their power */
	net_cut_power(lan.net, 0);
	net_cut_power(lan.net, 1);
	lan_run(&lan, 120000);
	lan_heard(&lan, "");
	assert_int_equal(net_links(lan.net), 0);
	lan_end(&lan);
}

static void a_killed_process_resets_and_a_power_cut_is_silent(void **state)
{
	struct lan lan;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ 0 });
	lan_send(&lan, 1, "dying");
	net_kill(lan.net, 1);
	lan_send(&lan, 0, "hello?");
	lan_run(&lan, 1000);
	lan_heard(&lan, "60.000 0<1 bytes dying\n60.000 0<1 closed reset\n");
	assert_int_equal(net_links(lan.net), 0);
	lan_end(&lan);
	lan_start_linked(&lan, (struct net_options){ 0 });
	lan_send(&lan, 0, "on its way");
	lan_send(&lan, 1, "left");
	net_cut_power(lan.net, 1);
	lan_run(&lan, 40000);
	lan_heard(&lan, "60.000 0<1 bytes left\n30040.000 0<1 closed timeout\n");
	assert_int_equal(net_links(lan.net), 0);
	lan_end(&lan);
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_cut_power(lan.net, 1);
	lan_run(&lan, 500);
	net_start(lan.net, 1);
	lan_run(&lan, 1000);
	lan_heard(&lan, "");
	lan_send(&lan, 0, "still there?");
	lan_run(&lan, 2000);
	lan_heard(&lan, "1040.000 0<1 closed reset\n");
	lan_end(&lan);
}

static void what_waits_is_lost_with_its_process_unless_it_closed(void **state)
{
	struct lan lan;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_block(lan.net, 0, 1, true);
	lan_send(&lan, 0, "a");
	lan_run(&lan, 100);
	net_kill(lan.net, 0); /* the reset is tried at 100, and 200 ms later */
	net_block(lan.net, 0, 1, false);
	lan_run(&lan, 1000);
	lan_heard(&lan, "320.000 1<0 closed reset\n");
	lan_end(&lan);
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_block(lan.net, 0, 1, true);
	lan_send(&lan, 0, "a");
	net_close(lan.net, lan.link, 0);
	net_kill(lan.net, 0);
	net_block(lan.net, 0, 1, false);
	lan_run(&lan, 1000);
	lan_heard(&lan, "260.000 1<0 bytes a\n260.000 1<0 closed peer\n");
	lan_end(&lan);
	lan_start(&lan, (struct net_options){ 0 });
	assert_true(net_dial(lan.net, 0, 1) != 0);
	lan_run(&lan, 10);
	net_kill(lan.net, 1);
	lan_run(&lan, 1000);
	lan_heard(&lan, "40.000 0<1 closed refused\n");
	lan_end(&lan);
}

static void a_reset_that_is_lost_comes_later(void **state)
{
	struct lan lan;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_cut_power(lan.net, 1);
	net_start(lan.net, 1);
	net_block(lan.net, 1, 0, true);
	lan_send(&lan, 0, "still there?");
	lan_run(&lan, 100);
	net_block(lan.net, 1, 0, false);
	lan_run(&lan, 1000);
	lan_heard(&lan, "280.000 0<1 closed reset\n");
	lan_end(&lan);
}

static void slow_and_stuck_machines_keep_their_links(void **state)
{
	struct lan lan;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_slow(lan.net, 1, 300 * MS);
	lan_send(&lan, 0, "a");
	net_slow(lan.net, 1, 0);
	lan_send(&lan, 0, "b");
	lan_run(&lan, 400);
	lan_heard(&lan, "360.000 1<0 bytes a\n360.000 1<0 bytes b\n");
	net_stuck(lan.net, 1, 90000 * MS);
	lan_send(&lan, 0, "c");
	lan_run(&lan, 89980);
	lan_send(&lan, 0, "d");
	lan_run(&lan, 90000);
	lan_heard(&lan, "90000.000 1<0 bytes c\n90000.000 1<0 bytes d\n");
	assert_int_equal(net_counts(lan.net).held, 1);
	assert_int_equal(net_counts(lan.net).slowed, 1);
	net_stuck(lan.net, 0, 200000 * MS);
	net_block(lan.net, 0, 1, true);
	lan_send(&lan, 0, "e");
	lan_run(&lan, 300000);
	lan_heard(&lan, "200000.000 0<1 closed timeout\n");
	lan_end(&lan);
}

static void what_a_stuck_machine_holds_is_acknowledged(void **state)
{
	struct lan lan;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_stuck(lan.net, 1, 60000 * MS);
	lan_send(&lan, 0, "a");
	lan_run(&lan, 50000);
	net_block(lan.net, 1, 0, true);
	lan_run(&lan, 120000);
	lan_heard(&lan, "60000.000 1<0 bytes a\n");
	lan_end(&lan);
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_stuck(lan.net, 1, 60000 * MS);
	lan_send(&lan, 0, "a");
	lan_run(&lan, 100);
	lan_send(&lan, 0, "b");
	net_cut_power(lan.net, 1); /* a is lost with it, b has nowhere to come */
	lan_run(&lan, 20000);
	net_start(lan.net, 1);
	lan_run(&lan, 90000);
	/* Tried at 300, 700, 1500 and so on, until at 25500 there is a machine that knows of no link. */
	lan_heard(&lan, "25540.000 0<1 closed reset\n");
	lan_end(&lan);
}

static void bandwidth_is_shared_by_what_a_side_sends(void **state)
{
	struct lan lan;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_path(lan.net, 0, 1)->bytes_per_s = 1000;
	lan_send(&lan, 0, "0123456789");
	lan_send(&lan, 0, "01234");
	lan_send(&lan, 1, "back");
	lan_run(&lan, 1000);
	lan_heard(&lan, "60.000 0<1 bytes back\n70.000 1<0 bytes 0123456789\n75.000 1<0 bytes 01234\n");
	lan_end(&lan);
}

static void what_is_injected_is_heard_as_if_it_was_sent(void **state)
{
	struct lan lan;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ 0 });
	lan_send(&lan, 0, "true");
	assert_true(net_inject(lan.net, lan.link, 0, bytes_text("false")));
	assert_true(net_inject(lan.net, lan.link, 1, bytes_text("true")));
	lan_run(&lan, 100);
	lan_heard(&lan, "60.000 1<0 bytes true\n60.000 1<0 bytes false\n60.000 0<1 bytes true\n");
	assert_int_equal(net_traffic(lan.net, 0).sends, 1);
	assert_int_equal(net_counts(lan.net).injected, 2);
	net_close(lan.net, lan.link, 0);
	assert_false(net_inject(lan.net, lan.link, 1, bytes_text("x")));
	assert_false(net_inject(lan.net, 12345, 1, bytes_text("x")));
	lan_end(&lan);
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
	struct lan lan;

	(void)state;
	lan_start(&lan, (struct net_options){ 0 });
	for (enum net_shape shape = NET_SHAPES; shape-- > 0;)
		for (unsigned turn = 0; turn < 2; turn++) {
			net_partition(lan.net, shape, turn ? order : NULL);
			for (uint32_t p = 0; p < MACHINES; p++)
				for (uint32_t q = 0; q < MACHINES; q++)
					assert_true(net_path(lan.net, turn ? order[p] : p, turn ? order[q] : q)
							    ->is_blocked == is_shaped(shape, p, q));
		}
	lan_end(&lan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_opens_carries_and_closes),
		cmocka_unit_test(a_dial_is_refused_or_ends_after_its_patience),
		cmocka_unit_test(a_dial_ends_when_its_answer_is_lost),
		cmocka_unit_test(a_dial_gets_through_when_its_path_opens),
		cmocka_unit_test(a_dial_given_up_is_heard_as_closed_or_not_at_all),
		cmocka_unit_test(a_killed_process_resets_and_a_power_cut_is_silent),
		cmocka_unit_test(what_waits_is_lost_with_its_process_unless_it_closed),
		cmocka_unit_test(a_reset_that_is_lost_comes_later),
		cmocka_unit_test(slow_and_stuck_machines_keep_their_links),
		cmocka_unit_test(what_a_stuck_machine_holds_is_acknowledged),
		cmocka_unit_test(bandwidth_is_shared_by_what_a_side_sends),
		cmocka_unit_test(what_is_injected_is_heard_as_if_it_was_sent),
		cmocka_unit_test(partitions_have_their_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
