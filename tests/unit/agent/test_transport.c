/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What goes over links: all of it, in order, within bounds, and to its end. */

enum { KB = 1024, MB = 1024 * 1024 };

static uint8_t nth(uint64_t place)
{
	place ^= place >> 7;
	return (uint8_t)(place * 0x9e3779b97f4a7c15 >> 56);
}

static void fill(uint8_t *room, uint64_t place, size_t size)
{
	for (size_t i = 0; i < size; i++)
		room[i] = nth(place + i);
}

static void expect_stream(struct wire_end *end, struct wire_link *link, struct bytes bytes)
{
	uint64_t from = link->received - bytes.size;

	(void)end;
	for (size_t i = 0; i < bytes.size; i++)
		if (bytes.data[i] != nth(from + i))
			fail_msg("byte %zu of link %u is another one", (size_t)from + i, link->number);
}

/* Sends `total` in random pieces, some before the other end has seen the first. */
static void pour(struct wire_end *end, struct wire_link *link, size_t total)
{
	uint8_t *room = must_alloc(256 * KB);
	size_t done = 0;

	while (done < total) {
		size_t size = 1 + dice_below(dice_below(4) ? 2000 : 256 * KB);

		if (size > total - done)
			size = total - done;
		fill(room, done, size);
		transport_send(end->transport, link->number, bytes_of(room, size));
		/* The bytes are copied. */
		memset(room, 0, size);
		done += size;
		if (!dice_below(20))
			wire_turn(end->loop);
	}
	free(room);
}

static void echo_of(size_t total)
{
	uv_loop_t *loop = wire_loop();
	struct wire_end *a = wire_open(loop, "127.0.0.1", &wire_limits),
			*b = wire_open(loop, "127.0.0.1", &wire_limits);
	struct wire_link *there = wire_join(a, b), *back = wire_join(b, a);

	a->bytes = b->bytes = expect_stream;
	/* Each echoes what it got of the link that it accepted: what it dialled, it reads. */
	pour(a, there, total);
	pour(b, back, total);
	WIRE_AWAIT(loop, b->links[0].received == total && a->links[1].received == total);
	transport_send(b->transport, b->links[0].number, bytes_text("x"));
	a->bytes = NULL;
	WIRE_AWAIT(loop, a->links[0].received == 1);
	assert_int_equal(transport_counts(a->transport).sent, total);
	assert_int_equal(transport_counts(b->transport).received, total);
	assert_int_equal(transport_counts(a->transport).queued, 0);
	assert_int_equal(a->gone + b->gone, 0);
	wire_close(a);
	wire_close(b);
	wire_loop_done(loop);
}

static void all_arrives_in_order(void **state)
{
	static const size_t sizes[] = { 1, 2, 1000, 64 * KB, 64 * KB + 1, 777777, 4 * MB };

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++)
		echo_of(sizes[i]);
}

static void sends_that_are_cut_short_are_gone_on_with(void **state)
{
	(void)state;
	wire_short_sends = true;
	echo_of(1);
	echo_of(300 * KB);
	wire_short_sends = false;
}

static void hundreds_of_links_do_not_mix(void **state)
{
	enum { LINKS = 300, SIZE = 20000 };
	uv_loop_t *loop = wire_loop();
	struct wire_end *a = wire_open(loop, NULL, &wire_limits), *b = wire_open(loop, "127.0.0.1", &wire_limits);

	(void)state;
	a->bytes = b->bytes = expect_stream;
	b->echoes = true;
	for (unsigned i = 0; i < LINKS; i++) {
		wire_dial(a, 100 + i, transport_port(b->transport, 0));
		/* No more at a time than the kernel's queue takes. */
		if (i % 50 == 49)
			WIRE_AWAIT(loop, a->opened == i + 1 && b->accepted == i + 1);
	}
	for (size_t i = 0; i < LINKS; i++) {
		assert_in_range(a->links[i].node, 100, 100 + LINKS - 1);
		pour(a, &a->links[i], SIZE);
	}
	WIRE_AWAIT(loop, transport_counts(a->transport).received == (uint64_t)LINKS * SIZE);
	for (size_t i = 0; i < LINKS; i++)
		assert_int_equal(a->links[i].received, SIZE);
	assert_int_equal(transport_counts(a->transport).links, LINKS);
	assert_int_equal(transport_counts(a->transport).strangers, 0);
	assert_int_equal(transport_counts(b->transport).strangers, LINKS);
	wire_close(b);
	WIRE_AWAIT(loop, a->gone == LINKS);
	assert_int_equal(transport_counts(a->transport).links, 0);
	wire_close(a);
	wire_loop_done(loop);
}

static void a_burst_of_small_frames_is_one_send(void **state)
{
	uv_loop_t *loop = wire_loop();
	struct wire_end *a = wire_open(loop, NULL, &wire_limits), *b = wire_open(loop, "127.0.0.1", &wire_limits);
	struct wire_link *link = wire_join(a, b);
	unsigned before = wire_sends;

	(void)state;
	for (int i = 0; i < 1000; i++)
		transport_send(a->transport, link->number,
			       bytes_text("a frame of fifty bytes, or about as many as that"));
	WIRE_AWAIT(loop, b->links[0].received == 48000);
	assert_int_equal(wire_sends - before, 1);
	wire_close(a);
	wire_close(b);
	wire_loop_done(loop);
}

static void who_does_not_read_loses_its_link_and_no_other_does(void **state)
{
	struct transport_limits limits = wire_limits;
	uv_loop_t *loop = wire_loop();
	struct wire_end *a, *b;
	uint8_t *frame = must_alloc(64 * KB);
	struct wire_link *good;
	size_t sent = 0;
	int deaf;

	(void)state;
	limits.queue = 2 * MB;
	a = wire_open(loop, "127.0.0.1", &limits);
	b = wire_open(loop, "127.0.0.1", &wire_limits);
	b->echoes = true;
	good = wire_join(a, b);
	deaf = wire_connect(transport_port(a->transport, 0), 0);
	WIRE_AWAIT(loop, a->accepted == 1);
	while (!a->links[1].is_gone && sent < (size_t)64 * MB) {
		unsigned gone = a->gone;

		transport_send(a->transport, a->links[1].number, bytes_of(frame, 64 * KB));
		/* That is told later, never from inside a call. */
		assert_int_equal(a->gone, gone);
		transport_send(a->transport, good->number, bytes_of(frame, 1000));
		assert_true(transport_counts(a->transport).queued <= limits.queue + 1000);
		sent += 64 * KB;
		wire_turn(loop);
	}
	assert_true(a->links[1].is_gone);
	assert_int_equal(transport_counts(a->transport).closed_slow, 1);
	assert_non_null(strstr(a->warning, "127.0.0.1"));
	WIRE_AWAIT(loop, good->received == sent / (64 * KB) * 1000);
	assert_false(good->is_gone);
	assert_int_equal(transport_counts(a->transport).queued, 0);
	assert_int_equal(transport_counts(a->transport).links, 1);
	close(deaf);
	free(frame);
	wire_close(a);
	wire_close(b);
	wire_loop_done(loop);
}

/* When all queues together are full, the longest goes. */
static void of_many_who_do_not_read_the_worst_goes_first(void **state)
{
	enum { PEERS = 5 };
	struct transport_limits limits = wire_limits;
	uv_loop_t *loop = wire_loop();
	uint8_t *frame = must_alloc(64 * KB);
	struct wire_end *a;
	int deaf[PEERS];
	bool is_over = false;

	(void)state;
	limits.queue = (size_t)32 * MB;
	limits.queues = (size_t)40 * MB;
	a = wire_open(loop, "127.0.0.1", &limits);
	for (unsigned i = 0; i < PEERS; i++) {
		deaf[i] = wire_connect(transport_port(a->transport, 0), 0);
		WIRE_AWAIT(loop, a->accepted == i + 1);
	}
	for (int round = 0; round < 800 && !is_over; round++) {
		for (size_t i = 0; i < PEERS; i++)
			for (size_t n = 0; n < (i == 3 ? 3 : 1); n++)
				transport_send(a->transport, a->links[i].number, bytes_of(frame, 64 * KB));
		assert_true(transport_counts(a->transport).queued <= limits.queues);
		wire_turn(loop);
		is_over = a->gone;
	}
	assert_true(is_over);
	assert_int_equal(a->gone, 1);
	assert_true(a->links[3].is_gone);
	for (int i = 0; i < PEERS; i++)
		close(deaf[i]);
	free(frame);
	wire_close(a);
	wire_loop_done(loop);
}

static void who_does_not_take_holds_the_sender_back(void **state)
{
	enum { PIECE = 64 * KB };
	uv_loop_t *loop = wire_loop();
	struct wire_end *a = wire_open(loop, NULL, &wire_limits), *b = wire_open(loop, "127.0.0.1", &wire_limits);
	struct wire_link *link = wire_join(a, b);
	size_t total = (size_t)32 * MB;

	(void)state;
	b->holds = true;
	b->bytes = expect_stream;
	pour(a, link, total);
	wire_run_ms(loop, 300);
	/* What b has of it is one piece; the kernel has some; the rest is still with a. */
	assert_true(b->links[0].received <= PIECE);
	assert_true(transport_counts(a->transport).queued > total / 2);
	assert_int_equal(transport_counts(b->transport).received, b->links[0].received);
	/* One more for each take, and no more for two. */
	for (int i = 0; i < 3; i++) {
		uint64_t before = b->links[0].received;

		b->links[0].is_held = false;
		transport_take(b->transport, b->links[0].number);
		transport_take(b->transport, b->links[0].number);
		WIRE_AWAIT(loop, b->links[0].received > before);
		wire_run_ms(loop, 20);
		assert_true(b->links[0].received <= before + PIECE);
	}
	b->holds = b->links[0].is_held = false;
	transport_take(b->transport, b->links[0].number);
	WIRE_AWAIT(loop, b->links[0].received == total);
	wire_close(a);
	wire_close(b);
	wire_loop_done(loop);
}

/* The other end hangs up while bytes are held: what it said before is still read, and then it is gone. */
static void what_was_sent_before_the_end_is_read_first(void **state)
{
	enum { TOTAL = 200 * KB };
	uv_loop_t *loop = wire_loop();
	struct wire_end *b = wire_open(loop, "127.0.0.1", &wire_limits);
	uint8_t *room = must_alloc(TOTAL);
	int fd = wire_connect(transport_port(b->transport, 0), 0);

	(void)state;
	b->holds = true;
	b->bytes = expect_stream;
	fill(room, 0, TOTAL);
	assert_int_equal(write(fd, room, TOTAL), TOTAL);
	close(fd);
	WIRE_AWAIT(loop, b->accepted && b->links[0].is_held);
	/* To nobody: the first of these is answered by a reset at the latest. */
	transport_send(b->transport, b->links[0].number, bytes_text("are you there?"));
	wire_run_ms(loop, 30);
	transport_send(b->transport, b->links[0].number, bytes_text("are you there?"));
	wire_run_ms(loop, 30);
	assert_false(b->links[0].is_gone);
	b->holds = b->links[0].is_held = false;
	transport_take(b->transport, b->links[0].number);
	WIRE_AWAIT(loop, b->links[0].is_gone);
	assert_int_equal(b->gone, 1);
	free(room);
	wire_close(b);
	wire_loop_done(loop);
}

/* Without a word in between, none of it is lost. */
static void the_last_words_of_who_hangs_up_arrive(void **state)
{
	enum { TOTAL = 200 * KB };
	uv_loop_t *loop = wire_loop();
	struct wire_end *b = wire_open(loop, "127.0.0.1", &wire_limits);
	uint8_t *room = must_alloc(TOTAL);
	int fd = wire_connect(transport_port(b->transport, 0), 0);

	(void)state;
	b->bytes = expect_stream;
	fill(room, 0, TOTAL);
	assert_int_equal(write(fd, room, TOTAL), TOTAL);
	close(fd);
	WIRE_AWAIT(loop, b->gone);
	assert_int_equal(b->links[0].received, TOTAL);
	free(room);
	wire_close(b);
	wire_loop_done(loop);
}

static void close_link(struct wire_end *end, struct wire_link *link)
{
	link->is_closed = true;
	transport_close(end->transport, link->number);
}

/* The other end goes on sending meanwhile, so that a reset would overtake what was said last. */
static void what_was_sent_before_a_close_arrives(void **state)
{
	enum { LAST = 300 * KB };
	uint64_t began = uv_hrtime();

	(void)state;
	for (int round = 0; round < 20; round++) {
		uv_loop_t *loop = wire_loop();
		struct wire_end *a = wire_open(loop, NULL, &wire_limits);
		struct wire_end *b = wire_open(loop, "127.0.0.1", &wire_limits);
		struct wire_link *link = wire_join(a, b);
		uint8_t *room = must_alloc(64 * KB);

		a->holds = round % 2;
		for (int i = 0; i < 40; i++)
			transport_send(b->transport, b->links[0].number, bytes_of(room, 64 * KB));
		if (round % 4 > 1)
			WIRE_AWAIT(loop, link->received);
		b->bytes = expect_stream;
		pour(a, link, LAST);
		close_link(a, link);
		/* Of a link that is closed nothing more happens. */
		transport_send(a->transport, link->number, bytes_text("ignored"));
		transport_take(a->transport, link->number);
		transport_close(a->transport, link->number);
		WIRE_AWAIT(loop, b->links[0].received == LAST && !transport_counts(b->transport).queued);
		close_link(b, &b->links[0]);
		WIRE_AWAIT(loop, !transport_counts(a->transport).links && !transport_counts(b->transport).links);
		assert_int_equal(a->gone + b->gone, 0);
		free(room);
		wire_close(a);
		wire_close(b);
		wire_loop_done(loop);
	}
	/* None had to wait for the end of the time that a close has. */
	assert_true((uv_hrtime() - began) / 1000000 < 4500);
}

static void a_close_ends_within_its_second(void **state)
{
	uv_loop_t *loop = wire_loop();
	struct wire_end *a = wire_open(loop, "127.0.0.1", &wire_limits);
	uint8_t *room = must_alloc(8 * MB);
	uint64_t began;
	uint8_t byte;
	int deaf = wire_connect(transport_port(a->transport, 0), 0), quiet;

	(void)state;
	WIRE_AWAIT(loop, a->accepted == 1);
	quiet = wire_connect(transport_port(a->transport, 0), 0);
	WIRE_AWAIT(loop, a->accepted == 2);
	transport_send(a->transport, a->links[0].number, bytes_of(room, 8 * MB));
	wire_run_ms(loop, 50);
	/* Nothing waits for that one: it is closed at once, and the other end sees it. */
	close_link(a, &a->links[1]);
	WIRE_AWAIT(loop, transport_counts(a->transport).links == 1);
	assert_int_equal(read(quiet, &byte, 1), 0);
	began = uv_hrtime();
	close_link(a, &a->links[0]);
	assert_false(transport_peer(a->transport, a->links[0].number, (char[50]){ 0 }, 50));
	wire_run_ms(loop, 500);
	assert_int_equal(transport_counts(a->transport).links, 1);
	WIRE_AWAIT(loop, transport_counts(a->transport).links == 0);
	assert_in_range((uv_hrtime() - began) / 1000000, 900, 3000);
	assert_int_equal(transport_counts(a->transport).queued, 0);
	assert_int_equal(a->gone, 0);
	close(deaf);
	close(quiet);
	free(room);
	wire_close(a);
	wire_loop_done(loop);
}

static void close_it(struct wire_end *end, struct wire_link *link, struct bytes bytes)
{
	(void)bytes;
	transport_send(end->transport, link->number, bytes_text("bye"));
	close_link(end, link);
}

static void a_link_may_be_closed_from_its_hook(void **state)
{
	uv_loop_t *loop = wire_loop();
	struct wire_end *a = wire_open(loop, NULL, &wire_limits), *b = wire_open(loop, "127.0.0.1", &wire_limits);

	(void)state;
	b->bytes = close_it;
	for (unsigned i = 0; i < 50; i++) {
		struct wire_link *link = wire_join(a, b);

		transport_send(a->transport, link->number, bytes_text("hello"));
		WIRE_AWAIT(loop, link->received == 3);
		close_link(a, link);
	}
	WIRE_AWAIT(loop, !transport_counts(b->transport).links);
	assert_int_equal(a->gone + b->gone, 0);
	wire_close(a);
	wire_close(b);
	wire_loop_done(loop);
}

static void send_to_the_second(struct wire_end *end, struct wire_link *link, struct bytes bytes)
{
	(void)link;
	transport_send(end->transport, end->links[1].number, bytes);
	end->bytes = NULL;
}

/* What is queued for a link that ends before the round does. */
static void a_link_may_end_with_bytes_just_queued(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		uv_loop_t *loop = wire_loop();
		struct wire_end *end = wire_open(loop, "127.0.0.1", &wire_limits);
		int fds[2];

		for (unsigned n = 0; n < 2; n++) {
			fds[n] = wire_connect(transport_port(end->transport, 0), 0);
			WIRE_AWAIT(loop, end->accepted == n + 1);
		}
		end->bytes = send_to_the_second;
		/* Both are known to nng before the loop looks. */
		assert_int_equal(write(fds[0], "x", 1), 1);
		usleep(5000);
		wire_reset(fds[1]);
		usleep(5000);
		WIRE_AWAIT(loop, end->gone);
		wire_turn(loop);
		assert_true(end->links[1].is_gone);
		assert_int_equal(transport_counts(end->transport).queued, 0);
		close(fds[0]);
		wire_close(end);
		wire_loop_done(loop);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_arrives_in_order),
		cmocka_unit_test(sends_that_are_cut_short_are_gone_on_with),
		cmocka_unit_test(hundreds_of_links_do_not_mix),
		cmocka_unit_test(a_burst_of_small_frames_is_one_send),
		cmocka_unit_test(who_does_not_read_loses_its_link_and_no_other_does),
		cmocka_unit_test(of_many_who_do_not_read_the_worst_goes_first),
		cmocka_unit_test(who_does_not_take_holds_the_sender_back),
		cmocka_unit_test(what_was_sent_before_the_end_is_read_first),
		cmocka_unit_test(the_last_words_of_who_hangs_up_arrive),
		cmocka_unit_test(what_was_sent_before_a_close_arrives),
		cmocka_unit_test(a_close_ends_within_its_second),
		cmocka_unit_test(a_link_may_be_closed_from_its_hook),
		cmocka_unit_test(a_link_may_end_with_bytes_just_queued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
