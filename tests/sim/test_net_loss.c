/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/lan.h"

#include <stdlib.h>

/* What is lost, late or out of reach, against times worked out by hand, and by a naive look at the whole schedule. */

static void what_a_block_held_up_comes_late_and_together(void **state)
{
	struct lan lan;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_block(lan.net, 0, 1, true);
	lan_send(&lan, 0, "a");
	lan_run(&lan, 90);
	lan_send(&lan, 0, "b");
	lan_send(&lan, 1, "up");
	lan_run(&lan, 1000);
	net_block(lan.net, 0, 1, false);
	lan_send(&lan, 0, "c");
	lan_run(&lan, 5000);
	/* Sent at 40, then 200, 400 and 800 ms later: at 240, 640 and 1440. */
	lan_heard(&lan, "110.000 0<1 bytes up\n1460.000 1<0 bytes a\n1460.000 1<0 bytes b\n1460.000 1<0 bytes c\n");
	lan_send(&lan, 0, "d");
	lan_run(&lan, 6000);
	lan_heard(&lan, "5020.000 1<0 bytes d\n");
	assert_int_equal(net_counts(lan.net).again, 6); /* three of each side: one was not acknowledged */
	lan_end(&lan);
}

static void a_long_way_makes_tries_rarer(void **state)
{
	struct lan lan;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_path(lan.net, 0, 1)->delay_ns = 160 * MS;
	net_path(lan.net, 1, 0)->delay_ns = 140 * MS;
	net_slow(lan.net, 1, 50 * MS);
	net_block(lan.net, 0, 1, true);
	lan_send(&lan, 0, "a");
	lan_run(&lan, 839);
	net_block(lan.net, 0, 1, false);
	lan_run(&lan, 2000);
	/* Two round trips of 160 + 50 + 140 + 50 ms. */
	lan_heard(&lan, "1050.000 1<0 bytes a\n");
	lan_end(&lan);
}

static void jitter_delays_and_keeps_the_order(void **state)
{
	uint64_t most = 0, least = UINT64_MAX;
	struct lan lan;

	(void)state;
	lan_start(&lan, (struct net_options){ .jitter_ns = 5 * MS, .seed = 7 });
	assert_true(net_dial(lan.net, 0, 1) != 0);
	lan_run(&lan, 100);
	for (uint64_t i = 1; i <= 300; i++) {
		uint64_t us;
		char *rest;

		lan_run(&lan, 100 * i);
		lan.used = 0;
		lan_send(&lan, 0, "a");
		lan_run(&lan, 100 * i + 1);
		lan_send(&lan, 0, "b");
		lan_run(&lan, 100 * i + 50);
		us = (uint64_t)(strtod(lan.text, &rest) * 1000 + 0.5) - 100000 * i;
		assert_in_range(us, 20000, 25000);
		most = us > most ? us : most;
		least = us < least ? us : least;
		assert_non_null(strstr(rest, "bytes b")); /* and a first */
		assert_true(strncmp(rest, " 1<0 bytes a\n", 13) == 0);
	}
	assert_true(least < 20300 && most > 24700);
	lan_end(&lan);
}

static void a_side_without_progress_hears_of_it_alone(void **state)
{
	struct lan lan;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_block(lan.net, 0, 1, true);
	lan_send(&lan, 0, "a");
	lan_run(&lan, 30039);
	lan_heard(&lan, "");
	lan_run(&lan, 40000);
	lan_heard(&lan, "30040.000 0<1 closed timeout\n");
	net_block(lan.net, 0, 1, false);
	lan_run(&lan, 50000);
	lan_heard(&lan, "");
	lan_send(&lan, 1, "anybody?");
	lan_run(&lan, 60000);
	lan_heard(&lan, "50040.000 1<0 closed reset\n");
	assert_int_equal(net_links(lan.net), 0);
	lan_end(&lan);
}

static void bytes_arrive_though_their_acknowledgements_do_not(void **state)
{
	struct lan lan;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_block(lan.net, 1, 0, true);
	lan_send(&lan, 0, "a");
	lan_run(&lan, 100);
	lan_send(&lan, 0, "b"); /* goes with the next try, at 240 */
	lan_run(&lan, 40000);
	lan_heard(&lan, "60.000 1<0 bytes a\n260.000 1<0 bytes b\n30040.000 0<1 closed timeout\n");
	lan_end(&lan);
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_block(lan.net, 1, 0, true);
	lan_send(&lan, 0, "a");
	lan_run(&lan, 20000);
	net_block(lan.net, 1, 0, false);
	lan_run(&lan, 60000);
	lan_send(&lan, 0, "b");
	lan_run(&lan, 70000);
	lan_heard(&lan, "60.000 1<0 bytes a\n60020.000 1<0 bytes b\n");
	lan_end(&lan);
}

static void patience_begins_anew_with_what_got_through(void **state)
{
	struct lan lan;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ 0 });
	net_block(lan.net, 0, 1, true);
	lan_send(&lan, 0, "a");
	lan_run(&lan, 1000);
	net_block(lan.net, 0, 1, false);
	lan_run(&lan, 1450);
	net_block(lan.net, 1, 0, true); /* the acknowledgement of what was sent again at 1440 */
	lan_run(&lan, 40000);
	lan_heard(&lan, "1460.000 1<0 bytes a\n31440.000 0<1 closed timeout\n");
	lan_end(&lan);
}

/* One send at a time, so each is late by what its own losses cost: 0, 200, 600, 1400 ms and so on. */
static void losses_cost_what_tcp_makes_them_cost(void **state)
{
	enum { ROUNDS = 20000, LATE_MAX = 8 };
	uint64_t late[LATE_MAX] = { 0 }, expected = 0;
	struct lan lan;

	(void)state;
	lan_start_linked(&lan, (struct net_options){ .seed = 3 });
	net_lose(lan.net, 250000);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		uint64_t sent = (i + 1) * 60000, ms, losses = 0;

		lan_run(&lan, sent);
		lan_send(&lan, 0, "x");
		lan_run(&lan, sent + 59999);
		ms = strtoull(lan.text, NULL, 10) - sent - 20;
		while ((UINT64_C(1) << losses) * 200 - 200 < ms)
			losses++;
		assert_true(losses < LATE_MAX && (UINT64_C(1) << losses) * 200 - 200 == ms);
		assert_true(strchr(lan.text, '\n')[1] == '\0');
		late[losses]++;
		lan.used = 0;
	}
	for (size_t i = 0; i < LATE_MAX; i++)
		expected += i * late[i];
	assert_int_equal(net_counts(lan.net).lost, expected);
	assert_in_range(late[0], ROUNDS * 74 / 100, ROUNDS * 76 / 100);
	assert_in_range(late[1], ROUNDS * 1775 / 10000, ROUNDS * 1975 / 10000);
	assert_in_range(late[2], ROUNDS * 40 / 1000, ROUNDS * 54 / 1000);
	lan_end(&lan);
}

/* A path that is blocked and opened again and again, and what is sent meanwhile; in us. */
enum { BLOCKS = 60, SENDS = 300 };

struct schedule {
	uint64_t blocks[BLOCKS]; /* when it changes, first to blocked */
	uint64_t sends[SENDS], arrivals[SENDS];
};

static bool is_blocked_at(const struct schedule *schedule, uint64_t us)
{
	bool is_blocked = false;

	for (size_t i = 0; i < BLOCKS && schedule->blocks[i] <= us; i++)
		is_blocked = !is_blocked;
	return is_blocked;
}

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* When each arrives; false: a link would break before that. */
static bool look_naively(struct schedule *schedule)
{
	for (size_t i = 0, next; i < SENDS; i = next) {
		uint64_t leaves = schedule->sends[i], pause = 200000;

		for (; is_blocked_at(schedule, leaves); pause *= 2)
			leaves += pause;
		if (leaves - schedule->sends[i] >= 30000000)
			return false;
		for (next = i; next < SENDS && schedule->sends[next] <= leaves; next++)
			schedule->arrivals[next] = leaves + 20000;
	}
	return true;
}

static void make_schedule(struct schedule *schedule)
{
	do {
		uint64_t at = 100000;

		for (size_t i = 0; i < BLOCKS; i++)
			schedule->blocks[i] = at += 1000 + dice_below(3000000);
		for (size_t i = 0; i < SENDS; i++)
			schedule->sends[i] = 100000 + dice_below(at);
		qsort(schedule->sends, SENDS, sizeof *schedule->sends, compare_times);
	} while (!look_naively(schedule));
}

static void late_segments_are_as_late_as_a_naive_look_says(void **state)
{
	struct lan lan;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		size_t sent = 0, block = 0, heard_of = 0;
		struct schedule schedule;
		char *line;

		make_schedule(&schedule);
		lan_start_linked(&lan, (struct net_options){ 0 });
		while (sent < SENDS || block < BLOCKS) {
			bool is_send =
				sent < SENDS && (block == BLOCKS || schedule.sends[sent] < schedule.blocks[block]);
			uint64_t us = is_send ? schedule.sends[sent++] : schedule.blocks[block++];

			lan_run_ns(&lan, us * 1000);
			if (is_send)
				lan_send(&lan, 0, "a");
			else
				net_block(lan.net, 0, 1, block % 2);
		}
		lan_run(&lan, schedule.blocks[BLOCKS - 1] / 1000 + 60000);
		for (line = lan.text; *line; line = strchr(line, '\n') + 1, heard_of++)
			assert_true((uint64_t)(strtod(line, NULL) * 1000 + 0.5) == schedule.arrivals[heard_of]);
		assert_int_equal(heard_of, SENDS);
		lan_end(&lan);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_block_held_up_comes_late_and_together),
		cmocka_unit_test(a_long_way_makes_tries_rarer),
		cmocka_unit_test(jitter_delays_and_keeps_the_order),
		cmocka_unit_test(a_side_without_progress_hears_of_it_alone),
		cmocka_unit_test(bytes_arrive_though_their_acknowledgements_do_not),
		cmocka_unit_test(patience_begins_anew_with_what_got_through),
		cmocka_unit_test(losses_cost_what_tcp_makes_them_cost),
		cmocka_unit_test(late_segments_are_as_late_as_a_naive_look_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
