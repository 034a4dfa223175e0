/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/net.h"

#include "tests/unit/base/check.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Random use under all faults at once: bytes are in order, come once and none is missing unless the link broke; nothing
 * is heard after the end; and a seed gives one run.
 */

#define MS UINT64_C(1000000)

enum { MACHINES = 6, LINKS_MAX = 4000, SEEDS = 60, STEPS = 2500, SEND_MAX = 300 };

/* A side of a link, as it should be. */
struct end {
	uint64_t sent, heard;
	bool is_open, is_over, has_closed;
};

struct watched {
	uint64_t number;
	uint32_t machines[2];
	struct end ends[2];
};

struct world {
	struct queue queue;
	struct net *net;
	struct rng rng;
	struct watched links[LINKS_MAX];
	size_t count;
	uint64_t trace; /* over all that was heard */
	bool is_up[MACHINES], is_dark[MACHINES];
};

static uint8_t byte_at(uint64_t number, uint32_t side, uint64_t place)
{
	return (uint8_t)((number >> 32) * 31 + number * 7 + side * 101 + place * 13 + (place >> 8));
}

static struct watched *watched_of(struct world *world, uint64_t number)
{
	for (size_t i = world->count; i-- > 0;)
		if (world->links[i].number == number)
			return &world->links[i];
	fail_msg("heard of a link that nobody dialled");
	return NULL;
}

static void add_to_trace(struct world *world, const void *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		world->trace = (world->trace ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
}

static void trace_event(struct world *world, const struct net_event *event)
{
	uint64_t facts[] = { world->queue.now_ns, event->what, event->why,     event->link,
			     event->side,         event->peer, event->machine, event->bytes.size };

	add_to_trace(world, facts, sizeof facts);
}

static void send_some(struct world *world, struct watched *watched, uint32_t side)
{
	uint8_t room[SEND_MAX];
	size_t size = rng_below(&world->rng, sizeof room + 1);
	struct end *end = &watched->ends[side];
	bool is_open = end->is_open && !end->is_over;

	for (size_t i = 0; i < size; i++)
		room[i] = byte_at(watched->number, side, end->sent + i);
	assert_true(net_send(world->net, watched->number, side, bytes_of(room, size)) == is_open);
	end->sent += is_open ? size : 0;
}

static void close_one(struct world *world, struct watched *watched, uint32_t side)
{
	struct end *end = &watched->ends[side];

	net_close(world->net, watched->number, side);
	end->has_closed |= end->is_open && !end->is_over;
	end->is_over |= side == 0 || end->is_open; /* who has not accepted yet has nothing to close */
}

static void hear(void *context, const struct net_event *event)
{
	struct world *world = context;
	struct watched *watched = watched_of(world, event->link);
	struct end *end = &watched->ends[event->side], *other = &watched->ends[!event->side];

	trace_event(world, event);
	assert_false(end->is_over);
	assert_true(world->is_up[event->machine]);
	switch (event->what) {
	case NET_OPENED:
	case NET_ACCEPTED:
		assert_false(end->is_open);
		assert_true((event->what == NET_OPENED) == (event->side == 0));
		end->is_open = true;
		break;
	case NET_BYTES:
		assert_true(end->is_open && event->bytes.size);
		for (size_t i = 0; i < event->bytes.size; i++)
			assert_int_equal(event->bytes.data[i], byte_at(event->link, !event->side, end->heard++));
		assert_true(end->heard <= other->sent);
		break;
	case NET_CLOSED:
		if (event->why == NET_WHY_PEER && other->has_closed)
			assert_true(end->heard == other->sent);
		end->is_over = true;
		break;
	}
	if (end->is_open && !end->is_over && !rng_below(&world->rng, 3))
		send_some(world, watched, event->side);
	if (!rng_below(&world->rng, 40))
		close_one(world, watched, event->side);
	/* The bytes are there to the end, whatever became of the link. */
	add_to_trace(world, event->bytes.data, event->bytes.size);
}

static void run(struct world *world, uint64_t until_ns)
{
	struct event event;

	while (queue_take(&world->queue, until_ns, &event))
		net_fire(world->net, &event);
}

static void dial(struct world *world)
{
	uint32_t from = (uint32_t)rng_below(&world->rng, MACHINES), to = (uint32_t)rng_below(&world->rng, MACHINES);

	if (from == to || !world->is_up[from] || world->count == LINKS_MAX)
		return;
	world->links[world->count] =
		(struct watched){ .number = net_dial(world->net, from, to), .machines = { from, to } };
	world->count++;
}

/* Its process is gone, and with it all sides that it had. */
static void end_machine(struct world *world, uint32_t machine, bool is_cut)
{
	for (size_t i = 0; i < world->count; i++)
		for (uint32_t side = 0; side < 2; side++) {
			struct end *end = &world->links[i].ends[side];

			if (world->links[i].machines[side] == machine)
				end->is_over |= side == 0 || end->is_open;
		}
	world->is_up[machine] = false;
	world->is_dark[machine] = is_cut;
	if (is_cut)
		net_cut_power(world->net, machine);
	else
		net_kill(world->net, machine);
}

static void change_machine(struct world *world)
{
	uint32_t machine = (uint32_t)rng_below(&world->rng, MACHINES);
	uint64_t now = world->queue.now_ns;

	switch (rng_below(&world->rng, 6)) {
	case 0: end_machine(world, machine, false); break;
	case 1: end_machine(world, machine, true); break;
	case 2: net_stuck(world->net, machine, now + rng_below(&world->rng, 3000) * MS); break;
	case 3: net_slow(world->net, machine, rng_below(&world->rng, 2) * 70 * MS); break;
	default:
		net_start(world->net, machine);
		world->is_up[machine] = true;
		world->is_dark[machine] = false;
	}
}

static void change_paths(struct world *world)
{
	uint32_t from = (uint32_t)rng_below(&world->rng, MACHINES), to = (uint32_t)rng_below(&world->rng, MACHINES);
	struct net_path *path = net_path(world->net, from, to);

	switch (rng_below(&world->rng, 6)) {
	case 0: net_partition(world->net, (enum net_shape)rng_below(&world->rng, NET_SHAPES), NULL); break;
	case 1:
	case 2: net_partition(world->net, NET_WHOLE, NULL); break;
	case 3: net_block(world->net, from, to, true); break;
	case 4: path->delay_ns = rng_below(&world->rng, 160) * MS; break;
	default: path->loss_ppm = (uint32_t)rng_below(&world->rng, 300001);
	}
}

static void step(struct world *world)
{
	struct watched *watched;
	uint64_t what = rng_below(&world->rng, 100);

	if (what < 8 || !world->count) {
		dial(world);
		return;
	}
	if (what < 10) {
		change_paths(world);
		return;
	}
	if (what < 12) {
		change_machine(world);
		return;
	}
	watched = &world->links[world->count - 1 - rng_below(&world->rng, world->count < 12 ? world->count : 12)];
	if (what < 14)
		close_one(world, watched, (uint32_t)rng_below(&world->rng, 2));
	else
		send_some(world, watched, (uint32_t)rng_below(&world->rng, 2));
}

/* Everything that is open arrived whole, both ways, or one side is told that it is not. */
static void check_end(struct world *world)
{
	size_t there = 0;

	for (size_t i = 0; i < world->count; i++) {
		const struct end *ends = world->links[i].ends;

		there += (ends[0].is_open && !ends[0].is_over) || (ends[1].is_open && !ends[1].is_over);
		for (uint32_t side = 0; side < 2; side++)
			if (ends[side].is_open && !ends[side].is_over && !ends[!side].is_over)
				assert_true(ends[side].heard == ends[!side].sent);
	}
	assert_true(net_links(world->net) == there);
}

static void heal(struct world *world)
{
	net_partition(world->net, NET_WHOLE, NULL);
	net_lose(world->net, 0);
	for (uint32_t i = 0; i < MACHINES; i++) {
		net_start(world->net, i);
		world->is_up[i] = true;
		net_stuck(world->net, i, 0);
	}
}

/* Several sends at one time, some soon after each other, and now and then a pause. */
static const uint64_t spreads_ns[] = { 1, 1, 400000, 400000, 400000, 20 * MS, 20 * MS, 20 * MS, 100 * MS, 1500 * MS };

static uint64_t live(uint64_t seed, struct net_counts *ret_counts)
{
	struct world *world = must_alloc(sizeof *world);
	struct net_options options = { .machines = MACHINES, .kind = 4, .queue = &world->queue, .hear = hear };
	uint64_t trace;

	options.context = world;
	options.seed = seed;
	options.delay_ns = 30 * MS;
	options.jitter_ns = seed % 3 * MS;
	options.cut_ppm = seed % 4 * 200000;
	world->rng = rng_from_number(seed + 1000);
	world->net = net_new(&options);
	heal(world);
	for (unsigned i = 0; i < STEPS; i++) {
		step(world);
		run(world, world->queue.now_ns + rng_below(&world->rng, spreads_ns[i % COUNT(spreads_ns)]));
	}
	heal(world);
	world->rng = rng_from_number(seed); /* answers go on, and die out */
	run(world, world->queue.now_ns + 200000 * MS);
	check_end(world);
	*ret_counts = net_counts(world->net);
	trace = world->trace;
	net_free(world->net);
	queue_done(&world->queue);
	free(world);
	return trace;
}

static void a_seed_is_a_run_and_no_byte_is_lost(void **state)
{
	struct net_counts counts, again;
	uint64_t sums[sizeof counts / sizeof(uint64_t)] = { 0 }, parts[COUNT(sums)], before = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t trace;

		print_message("seed %d\n", (int)seed);
		trace = live(seed, &counts);
		assert_true(trace != before);
		before = trace;
		if (seed % 4 == 0)
			assert_true(live(seed, &again) == trace && !memcmp(&counts, &again, sizeof counts));
		memcpy(parts, &counts, sizeof counts);
		for (size_t i = 0; i < COUNT(sums); i++)
			sums[i] += parts[i];
	}
	/* Every count but that of injected bytes, of which there are none here. */
	for (size_t i = 0; i < COUNT(sums); i++)
		if (!sums[i] && i != offsetof(struct net_counts, injected) / sizeof *sums)
			fail_msg("count %d never moved", (int)i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seed_is_a_run_and_no_byte_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
