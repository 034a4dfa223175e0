/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A thousand members in nineteen regions: how long a write takes to be durable everywhere, beside the time that light
 * and glass take alone; how often it is sent; what it takes where segments are lost, beside one hop of the same
 * network; and what a member keeps of all others.
 */

#include "bench/cluster.h"
#include "bench/places.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { MEMBERS_MAX = 1000, AUTHORS_UNDER_WAY = 256, HOPS = 200000 };

/* A write on its way. */
struct write {
	struct stream stream;
	uint64_t seq, at_ns;
	uint32_t author, count;
	bool has[MEMBERS_MAX];
};

struct watch {
	const struct places *places;
	struct world *world;
	struct write all[AUTHORS_UNDER_WAY];
	size_t count;
	double *lasts, *bounds; /* of each write, ms: the last to have it, and the longest way */
	size_t done, room;
	double *times; /* of each write at each member */
	size_t times_count;
};

static void arrive(struct watch *watch, struct write *write, uint32_t member)
{
	double ms = (double)(world_now(watch->world) - write->at_ns) / CLUSTER_MS;

	write->has[member] = true;
	write->count++;
	if (member != write->author && watch->done < watch->room)
		watch->times[watch->times_count++] = ms;
	if (write->count < watch->places->count)
		return;
	if (watch->done < watch->room) {
		watch->lasts[watch->done] = ms;
		watch->bounds[watch->done++] = places_bound_ms(watch->places, write->author);
	}
	*write = watch->all[--watch->count];
}

/* What a commit brought is durable and applied. */
static void stepped(void *context, struct machine *machine)
{
	struct watch *watch = context;
	const struct mesh *mesh = world_mesh(machine->world, machine->at);

	for (size_t i = watch->count; i-- > 0;) {
		struct write *write = &watch->all[i];

		if (!write->has[machine->at] && vector_seq(&mesh->vector, write->stream) >= write->seq)
			arrive(watch, write, machine->at);
	}
}

/* The author's commit is in this very step, or behind the one that is on its way. */
static void write_one(struct watch *watch, uint32_t author)
{
	const struct mesh *mesh = world_mesh(watch->world, author);
	struct write *write = &watch->all[watch->count];

	if (watch->count == AUTHORS_UNDER_WAY) {
		fprintf(stderr, "bench: too many writes are on their way\n");
		exit(1);
	}
	*write = (struct write){ .stream = { mesh->node, mesh->author.start, LANE_PEOPLE }, .author = author };
	write->seq = vector_seq(&mesh->vector, write->stream) + 1;
	write->at_ns = world_now(watch->world);
	watch->count++;
	cluster_write(watch->world, author);
}

static void write_many(struct watch *watch, struct rng *rng, size_t count, uint64_t apart_ns)
{
	watch->done = 0;
	watch->times_count = 0;
	watch->room = count;
	watch->lasts = must_realloc(watch->lasts, count * sizeof *watch->lasts);
	watch->bounds = must_realloc(watch->bounds, count * sizeof *watch->bounds);
	watch->times = must_realloc(watch->times, count * watch->places->count * sizeof *watch->times);
	for (size_t i = 0; i < count; i++) {
		cluster_run(watch->world, rng_below(rng, 2 * apart_ns));
		write_one(watch, (uint32_t)rng_below(rng, watch->places->count));
	}
	for (size_t tries = 0; watch->count; tries++) {
		if (tries == 600) {
			fprintf(stderr, "bench: %zu writes did not reach everybody within a minute\n", watch->count);
			exit(1);
		}
		cluster_run(watch->world, CLUSTER_SECOND / 10);
	}
}

static void print(const char *name, uint32_t members, const char *unit, const char *demand, double value,
		  const char *peer, double peer_value)
{
	char whole[96];

	snprintf(whole, sizeof whole, name, (unsigned)members);
	figure_print(&(struct figure){ whole, unit, demand, value, peer, peer_value });
	fflush(stdout);
}

static uint64_t came(const struct mesh_counts *counts)
{
	return counts->merged + counts->duplicate + counts->gap + counts->unplaced + counts->unknown_author;
}

static void measure_times(struct watch *watch, struct rng *rng, size_t count)
{
	uint32_t members = watch->places->count;
	struct mesh_counts before, now;
	double p99, bound;

	world_counts(watch->world, &before);
	write_many(watch, rng, count, CLUSTER_SECOND / 16);
	world_counts(watch->world, &now);
	p99 = percentile(watch->lasts, watch->done, 0.99);
	bound = percentile(watch->bounds, watch->done, 0.99);
	print("converge.n%u_p50_ms", members, "ms", "-", percentile(watch->lasts, watch->done, 0.5),
	      "the longest way, no work", percentile(watch->bounds, watch->done, 0.5));
	print("converge.n%u_p99_ms", members, "ms", "-", p99, "the longest way, no work", bound);
	print("converge.n%u_p99_over_bound", members, "", "<= 1.2", p99 / bound, NULL, 0);
	print("converge.n%u_copies", members, "batches received by those that were news", "<= 1.3",
	      (double)(came(&now) - came(&before)) / (double)(now.merged - before.merged), NULL, 0);
}

static void measure_loss(struct watch *watch, struct rng *rng, size_t count, uint32_t percent)
{
	uint32_t members = watch->places->count;
	char name[64];
	double p99, hop;

	net_lose(watch->world->net, percent * 10000);
	cluster_run(watch->world, 5 * CLUSTER_SECOND);
	write_many(watch, rng, count, CLUSTER_SECOND / 4);
	net_lose(watch->world->net, 0);
	p99 = percentile(watch->times, watch->times_count, 0.99);
	hop = places_hop_ms(watch->places, percent * 10000, 0.99, HOPS);
	snprintf(name, sizeof name, "converge.n%%u_loss%u_p99_ms", (unsigned)percent);
	print(name, members, "ms", "-, all delivered", p99, "one hop of the same network", hop);
	snprintf(name, sizeof name, "converge.n%%u_loss%u_p99_over_hop", (unsigned)percent);
	print(name, members, "", "<= 1.5, all delivered", p99 / hop, NULL, 0);
	cluster_run(watch->world, 10 * CLUSTER_SECOND);
}

static double heap(void)
{
	struct mallinfo2 info = mallinfo2();

	return (double)info.uordblks + (double)info.hblkhd;
}

/* Of all that has most links. */
static uint32_t busiest(const struct world *world)
{
	uint32_t most = 0;

	for (uint32_t i = 1; i < world->options.machines; i++)
		if (world_mesh(world, i)->links_count > world_mesh(world, most)->links_count)
			most = i;
	return most;
}

/* What goes from the heap with a process that ends: all that it kept. */
static double kept(struct world *world, uint32_t machine)
{
	double before = heap(), after;

	world_kill(world, machine);
	after = heap();
	world_boot(world, machine);
	cluster_run(world, 20 * CLUSTER_SECOND);
	return before - after;
}

static size_t vector_bytes(const struct vector *vector)
{
	return vector->room * sizeof *vector->all;
}

static size_t words_bytes(const struct relay_words *words)
{
	const struct region_items *lists[] = { &words->near, &words->far, &words->all_near, &words->all_far };
	size_t bytes = words->count * sizeof *words->all;

	for (size_t i = 0; i < words->count; i++)
		bytes += vector_bytes(&words->all[i].least) + vector_bytes(&words->all[i].most);
	for (size_t i = 0; i < COUNT(lists); i++)
		bytes += lists[i]->room * sizeof *lists[i]->all;
	return bytes;
}

static size_t link_bytes(const struct link *link)
{
	const struct flow *flow = &link->flow;
	const struct stream_table *tables[] = { &link->told, &link->named };
	size_t bytes = sizeof *link + link->out.room + link->wanted_count * sizeof *link->wanted;

	bytes += flow->wants_room * sizeof *flow->wants + flow->sent_room * sizeof *flow->sent;
	for (size_t i = 0; i < COUNT(tables); i++)
		bytes += tables[i]->room * (sizeof *tables[i]->all + sizeof *tables[i]->sorted);
	return bytes;
}

/*
 * Vectors, acknowledgements and outboxes: where this member and everybody stands, all of each peer and of each link but
 * for sessions and statements, and what relays say of regions.
 */
static double named(const struct mesh *mesh)
{
	const struct stable *stable = &mesh->stable;
	const struct vector *vectors[] = { &mesh->vector,        &mesh->had,
					   &stable->vector,      &stable->most,
					   &stable->rounds.goal, &stable->rounds.lacks,
					   &mesh->recovery.said, &mesh->exchange.target };
	size_t bytes = sizeof mesh->recent + sizeof mesh->relay + mesh->peers_count * sizeof *mesh->peers;

	for (size_t i = 0; i < COUNT(vectors); i++)
		bytes += vector_bytes(vectors[i]);
	for (size_t i = 0; i < stable->ahead_count; i++)
		bytes += sizeof *stable->ahead + vector_bytes(&stable->ahead[i].ends);
	for (size_t i = 0; i < mesh->peers_count; i++)
		bytes += sizeof **mesh->peers + vector_bytes(&mesh->peers[i]->acked) +
			 vector_bytes(&mesh->peers[i]->was);
	for (const struct link *link = mesh->links; link; link = link->next)
		bytes += link_bytes(link);
	bytes += mesh->relay.watched_room * sizeof *mesh->relay.watched + words_bytes(&mesh->relay.words);
	return (double)bytes;
}

/* With streams of everybody. */
static void measure_memory(struct watch *watch)
{
	struct world *world = watch->world;
	uint32_t members = watch->places->count, most;

	for (uint32_t i = 0; i < members; i++) {
		cluster_run(world, CLUSTER_SECOND / 128);
		cluster_write(world, i);
	}
	cluster_run(world, 2 * CLUSTER_SECOND);
	most = busiest(world);
	print("footprint.node_links_at_n%u", members, "links", "-, of the member with most",
	      (double)world_mesh(world, most)->links_count, NULL, 0);
	print("footprint.node_bytes_at_n%u_fresh", members, "B", "-, everybody wrote, and nothing is stable yet",
	      named(world_mesh(world, most)), NULL, 0);
	print("footprint.node_heap_at_n%u_fresh", members, "B", "-, the same, all of its heap", kept(world, most), NULL,
	      0);
	cluster_run(world, 40 * CLUSTER_SECOND);
	most = busiest(world);
	print("footprint.node_bytes_at_n%u", members, "B",
	      "<= 8388608, vectors, acknowledgements and outboxes of the member with most links",
	      named(world_mesh(world, most)), NULL, 0);
	print("footprint.node_heap_at_n%u", members, "B", "-, the same, all of its heap", kept(world, most), NULL, 0);
}

int main(int argc, char **argv)
{
	bool is_quick = figure_is_quick(argc, argv);
	uint32_t members = is_quick ? 66 : MEMBERS_MAX;
	size_t count = is_quick ? 4 : 100;
	struct places places = places_make(members);
	struct rng rng = rng_from_number(1);
	struct watch *watch = must_alloc(sizeof *watch);
	struct world_options options = { .machines = members, .commit_ns = CLUSTER_MS };

	options.hooks.context = watch;
	options.hooks.stepped = stepped;
	watch->places = &places;
	watch->world = cluster_new(options, false);
	places_set(&places, watch->world->net);
	world_found_large(watch->world, places.names);
	cluster_run(watch->world, 20 * CLUSTER_SECOND);
	cluster_settle(watch->world);
	measure_memory(watch);
	measure_times(watch, &rng, count);
	measure_loss(watch, &rng, count, 5);
	measure_loss(watch, &rng, count, 25);
	world_free(watch->world);
	places_done(&places);
	free(watch->lasts);
	free(watch->bounds);
	free(watch->times);
	free(watch);
	return 0;
}
