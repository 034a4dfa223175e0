/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/places.h"

#include "bench/figure.h"

#include <math.h>
#include <stdlib.h>

enum { PLACES = 19, AT_ONCE = 2000 };

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define RADIANS (3.14159265358979323846 / 180)

/* Name, latitude, longitude, and how many servers were there. */
static const struct place {
	const char *name;
	double latitude, longitude;
	uint32_t weight;
} all[PLACES] = {
	{ "ams", 52.31, 4.76, 274 },   { "arn", 59.65, 17.92, 20 },    { "bom", 19.09, 72.87, 33 },
	{ "cdg", 49.01, 2.55, 175 },   { "dfw", 32.90, -97.04, 528 },  { "ewr", 40.69, -74.17, 245 },
	{ "fra", 50.03, 8.57, 347 },   { "gru", -23.43, -46.47, 111 }, { "iad", 38.94, -77.46, 442 },
	{ "jnb", -26.14, 28.25, 16 },  { "lax", 33.94, -118.41, 306 }, { "lhr", 51.47, -0.45, 74 },
	{ "nrt", 35.77, 140.39, 76 },  { "ord", 41.97, -87.91, 559 },  { "qmx", 19.43, -99.13, 42 },
	{ "sin", 1.36, 103.99, 209 },  { "sjc", 37.36, -121.93, 682 }, { "syd", -33.95, 151.18, 200 },
	{ "yyz", 43.68, -79.63, 114 },
};

/* Whole milliseconds, there and back. */
static uint64_t round_ms(const struct place *a, const struct place *b)
{
	double la = a->latitude * RADIANS, lb = b->latitude * RADIANS, dn = (b->longitude - a->longitude) * RADIANS;
	double h = sin((lb - la) / 2) * sin((lb - la) / 2) + cos(la) * cos(lb) * sin(dn / 2) * sin(dn / 2);

	return a == b ? 1 : (uint64_t)(4 + 2 * 6371 * asin(sqrt(h)) / 75);
}

static uint64_t delay_ns(const struct places *places, uint32_t from, uint32_t to)
{
	return round_ms(&all[places->regions[from]], &all[places->regions[to]]) * MS / 2;
}

struct places places_make(uint32_t members)
{
	struct places places = { .count = members };
	struct rng rng = rng_from_number(7);
	uint32_t sum = 0;

	for (size_t i = 0; i < PLACES; i++)
		sum += all[i].weight;
	places.regions = must_alloc(members * sizeof *places.regions);
	places.names = must_alloc(members * sizeof *places.names);
	for (uint32_t i = 0; i < members; i++) {
		uint64_t left = rng_below(&rng, sum);
		uint32_t region = 0;

		while (left >= all[region].weight)
			left -= all[region++].weight;
		places.regions[i] = region;
		places.names[i] = all[region].name;
	}
	return places;
}

void places_done(struct places *places)
{
	free(places->regions);
	free(places->names);
}

void places_set(const struct places *places, struct net *net)
{
	for (uint32_t i = 0; i < places->count; i++)
		for (uint32_t j = 0; j < places->count; j++)
			net_path(net, i, j)->delay_ns = delay_ns(places, i, j);
}

double places_bound_ms(const struct places *places, uint32_t author)
{
	uint64_t most = 0;

	for (uint32_t i = 0; i < places->count; i++)
		if (i != author && delay_ns(places, author, i) > most)
			most = delay_ns(places, author, i);
	return (double)most / MS;
}

/* Segments that were sent at one time. */
struct hops {
	struct queue queue;
	uint64_t sent_ns;
	double *times;
	size_t count;
};

static void hear(void *context, const struct net_event *event)
{
	struct hops *hops = context;

	if (event->what == NET_BYTES)
		hops->times[hops->count++] = (double)(hops->queue.now_ns - hops->sent_ns) / MS;
}

static void run(struct hops *hops, struct net *net, uint64_t ns)
{
	uint64_t until = hops->queue.now_ns + ns;
	struct event event;

	while (queue_take(&hops->queue, until, &event))
		net_fire(net, &event);
}

/* Links open while nothing is lost, then each carries one segment. */
static void hop(struct hops *hops, struct net *net, const struct places *places, uint32_t loss_ppm, struct rng *rng)
{
	static uint64_t links[AT_ONCE];

	net_lose(net, 0);
	for (size_t i = 0; i < AT_ONCE; i++) {
		uint32_t from = (uint32_t)rng_below(rng, places->count);
		uint32_t to = (uint32_t)rng_below(rng, places->count - 1);

		links[i] = net_dial(net, from, to + (to >= from));
	}
	run(hops, net, SECOND);
	net_lose(net, loss_ppm);
	hops->sent_ns = hops->queue.now_ns;
	for (size_t i = 0; i < AT_ONCE; i++)
		net_send(net, links[i], 0, bytes_of("a hop", 5));
	run(hops, net, 60 * SECOND);
	for (size_t i = 0; i < AT_ONCE; i++)
		net_close(net, links[i], 0);
	net_lose(net, 0);
	run(hops, net, 60 * SECOND);
}

double places_hop_ms(const struct places *places, uint32_t loss_ppm, double share, size_t segments)
{
	struct hops hops = { .queue = { .now_ns = 1 } };
	struct net_options options = { .machines = places->count, .queue = &hops.queue, .hear = hear, .seed = 3 };
	struct rng rng = rng_from_number(5);
	struct net *net;
	double ms;

	options.context = &hops;
	options.jitter_ns = 100000;
	net = net_new(&options);
	places_set(places, net);
	for (uint32_t i = 0; i < places->count; i++)
		net_start(net, i);
	hops.times = must_alloc((segments + AT_ONCE) * sizeof *hops.times);
	while (hops.count < segments)
		hop(&hops, net, places, loss_ppm, &rng);
	ms = percentile(hops.times, hops.count, share);
	net_free(net);
	queue_done(&hops.queue);
	free(hops.times);
	return ms;
}
