/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/swarm.h"

#include <inttypes.h>
#include <stdio.h>

#define SECOND UINT64_C(1000000000)
#define MINUTE (60 * SECOND)

enum { CALL_LOOK = 1 };

struct swarm {
	struct world *world;
	struct check *check;
	struct people *people;
	struct faults *faults;
	struct evil *evil; /* NULL: nobody is */
	uint32_t machines;
	bool is_over;
};

static void hook_replied(void *context, struct machine *machine, const struct reply *reply)
{
	struct swarm *swarm = context;

	check_replied(swarm->check, machine, reply);
	people_replied(swarm->people, machine, reply);
}

static void hook_changed(void *context, struct machine *machine, uint32_t kind, struct id id)
{
	check_changed(((struct swarm *)context)->check, machine, kind, id);
}

static void hook_stepped(void *context, struct machine *machine)
{
	check_stepped(((struct swarm *)context)->check, machine);
}

static void hook_booted(void *context, struct machine *machine)
{
	check_booted(((struct swarm *)context)->check, machine);
}

static void hook_died(void *context, struct machine *machine)
{
	struct swarm *swarm = context;

	check_died(swarm->check, machine);
	if (!swarm->is_over)
		faults_died(swarm->faults, machine);
}

static void hook_called(void *context, uint32_t what, uint64_t with)
{
	struct swarm *swarm = context;

	if (what >= PEOPLE_CALLS && what < PEOPLE_CALLS_END)
		people_called(swarm->people, what, with);
	else if (what >= FAULTS_CALLS && what < FAULTS_CALLS_END)
		faults_called(swarm->faults, what, with);
	else if (what >= EVIL_CALLS && what < EVIL_CALLS_END)
		evil_called(swarm->evil, what, with);
}

static const struct world_hooks hooks = {
	.replied = hook_replied,
	.changed = hook_changed,
	.stepped = hook_stepped,
	.booted = hook_booted,
	.died = hook_died,
	.called = hook_called,
};

/* Mostly small clusters, some of one, a few large ones. */
static uint32_t choose_machines(struct rng *rng)
{
	uint64_t drawn = rng_below(rng, 40);

	if (drawn < 2)
		return 1;
	if (drawn < 5)
		return 2;
	if (drawn < 15)
		return 3;
	if (drawn < 22)
		return 4;
	if (drawn < 32)
		return 5;
	if (drawn < 35)
		return 6;
	return drawn < 39 ? 7 : 15;
}

static uint64_t choose_commit(struct rng *rng)
{
	static const uint64_t most[] = { 0, 300000, 3000000, 30000000, 400000000 };

	return most[rng_below(rng, COUNT(most))];
}

static void begin(struct swarm *swarm, const struct swarm_options *options)
{
	struct rng rng = rng_from_number(options->seed ^ UINT64_C(0x737761726d));
	struct world_options world = { .seed = options->seed, .hooks = hooks };

	swarm->machines = choose_machines(&rng);
	world.machines = swarm->machines + faults_slots(options->seed);
	world.commit_ns = choose_commit(&rng);
	world.cut_ppm = rng_below(&rng, 2) ? (uint32_t)rng_below(&rng, 400000) : 0;
	world.jitter_ns = rng_below(&rng, 2) ? rng_below(&rng, 50000000) : 100000;
	world.hooks.context = swarm;
	swarm->world = world_new(&world);
	swarm->world->timeline = options->timeline;
	swarm->check = check_new(swarm->world);
	swarm->people = people_new(swarm->world, swarm->check, swarm->machines);
	swarm->faults = faults_new(swarm->world, swarm->check, swarm->people, swarm->machines);
	if (faults_has_evil(options->seed)) {
		swarm->evil = evil_new(swarm->world, swarm->check, world.machines - 1, swarm->machines);
		people_may_lose(swarm->people);
	}
	world_say(swarm->world, "seed %" PRIu64 ": %u machines", options->seed, swarm->machines);
}

static const char *violation(const struct swarm *swarm)
{
	const char *text = check_violation(swarm->check);

	if (!text)
		text = people_violation(swarm->people);
	return text ? text : faults_violation(swarm->faults);
}

/* Stops at the first violation. */
static bool run_until(struct swarm *swarm, uint64_t until_ns)
{
	while (world_now(swarm->world) < until_ns && !violation(swarm)) {
		uint64_t next = world_now(swarm->world) + SECOND;

		world_run(swarm->world, next < until_ns ? next : until_ns);
	}
	return !violation(swarm);
}

static uint64_t log2_above(uint64_t number)
{
	uint64_t log = 0;

	while (BIT(log) < number)
		log++;
	return log;
}

/* People who were refused go on until enough was done; those who are not in yet come in. */
static bool settle(struct swarm *swarm, uint64_t until_ns)
{
	bool is_in = false;

	people_pace(swarm->people, SECOND);
	for (int tries = 0; tries < 10 && !violation(swarm); tries++) {
		run_until(swarm, world_now(swarm->world) + 30 * SECOND);
		is_in = faults_invite_rest(swarm->faults);
		if (is_in && people_counts(swarm->people)->acknowledged >= SWARM_WRITES)
			break;
	}
	people_pace(swarm->people, 0);
	return run_until(swarm, until_ns);
}

static bool live(struct swarm *swarm, uint32_t minutes)
{
	uint64_t all = minutes * MINUTE, faults = all / 5 * 4;
	uint64_t rest = (3 + log2_above(swarm->machines)) * 15 * SECOND + 45 * SECOND;

	faults_begin(swarm->faults, faults);
	if (swarm->evil)
		evil_begin(swarm->evil, faults, 2 * SECOND);
	people_pace(swarm->people, 9 * SECOND);
	if (!run_until(swarm, faults))
		return false;
	if (swarm->evil)
		evil_end(swarm->evil);
	faults_heal(swarm->faults);
	if (!settle(swarm, world_now(swarm->world)))
		return false;
	world_say(swarm->world, "all is quiet");
	if (!run_until(swarm, world_now(swarm->world) + rest) || !run_until(swarm, all))
		return false;
	check_rest(swarm->check);
	return !violation(swarm);
}

static void say_vector(const struct swarm *swarm, uint32_t machine, const struct vector *vector)
{
	for (size_t i = 0; i < vector->count; i++) {
		const struct frontier *f = &vector->all[i];

		world_say(swarm->world, "    %s has of %016" PRIx64 " lane %d %" PRIu64,
			  world_name(swarm->world, machine), f->stream.node, (int)f->stream.lane, f->end.seq);
	}
}

/* So that two runs which differ at all differ in what they print. */
static void say_end(const struct swarm *swarm)
{
	for (uint32_t i = 0; i < swarm->world->options.machines; i++) {
		const struct mesh *mesh = world_mesh(swarm->world, i);
		struct sum total;
		uint64_t words[2];

		if (!mesh)
			continue;
		total = root_total(&mesh->root);
		memcpy(words, &total, sizeof words);
		world_say(swarm->world, "%s ends with root %016" PRIx64 ", vector of %zu, %zu statements%s",
			  world_name(swarm->world, i), words[0], mesh->vector.count, mesh->t0.count,
			  faults_is_evicted(swarm->faults, i) ? " (evicted)" : "");
		if (violation(swarm))
			say_vector(swarm, i, &mesh->vector);
	}
	world_say(swarm->world, "%" PRIu64 " steps, %" PRIu64 " commits, %" PRIu64 " writes acknowledged",
		  swarm->world->steps, swarm->world->commits, people_counts(swarm->people)->acknowledged);
}

/* Counts are structs of uint64_t. */
static void add(void *sum, const void *some, size_t size)
{
	uint64_t *to = sum;
	const uint64_t *from = some;

	for (size_t i = 0; i < size / sizeof *to; i++)
		to[i] += from[i];
}

static void count(const struct swarm *swarm, struct swarm_counts *counts)
{
	struct mesh_counts mesh;
	struct net_counts net = net_counts(swarm->world->net);
	struct check_counts check = check_counts(swarm->check);

	world_counts(swarm->world, &mesh);
	counts->seeds++;
	counts->steps += swarm->world->steps;
	counts->commits += swarm->world->commits;
	counts->virtual_ms += world_now(swarm->world) / 1000000;
	add(&counts->mesh, &mesh, sizeof mesh);
	add(&counts->net, &net, sizeof net);
	add(&counts->check, &check, sizeof check);
	add(&counts->people, people_counts(swarm->people), sizeof counts->people);
	add(&counts->faults, faults_counts(swarm->faults), sizeof counts->faults);
	if (swarm->evil)
		add(&counts->evil, evil_counts(swarm->evil), sizeof counts->evil);
	for (uint32_t i = 0; i < swarm->world->options.machines; i++) {
		struct mem_counts disk = mem_disk_counts(swarm->world->machines[i].disk);

		add(&counts->disk, &disk, sizeof disk);
	}
}

bool swarm_seed(const struct swarm_options *options, struct swarm_counts *counts, char ret_violation[320])
{
	struct swarm swarm = { 0 };
	bool is_good;

	begin(&swarm, options);
	is_good = live(&swarm, options->minutes);
	if (!is_good)
		snprintf(ret_violation, 320, "%s", violation(&swarm));
	say_end(&swarm);
	count(&swarm, counts);
	swarm.is_over = true;
	check_free(swarm.check);
	people_free(swarm.people);
	faults_free(swarm.faults);
	evil_free(swarm.evil);
	world_free(swarm.world);
	return is_good;
}
