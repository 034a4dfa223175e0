/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/statement.h"
#include "crdt/state/state.h"
#include "tests/sim/world_inside.h"

#include <assert.h>
#include <stdlib.h>

const struct core core_now = {
	.name = "now",
	.state_open = state_open,
	.node_open = node_open,
	.node_close = node_close,
	.node_step = node_step,
	.node_commit = node_commit,
	.node_next = node_next,
	.node_mesh = node_mesh,
};

static const struct hash_key disk_key = { "simulated disks" };

static void name_machine(struct machine *machine)
{
	uint32_t round = machine->at / 26 % 1000;

	machine->name[0] = (char)('A' + machine->at % 26);
	if (round)
		snprintf(machine->name + 1, sizeof machine->name - 1, "%u", round);
}

static struct signer make_signer(struct world *world)
{
	uint8_t seed[32];

	rng_fill(&world->rng, seed, sizeof seed);
	return signer_from_seed(seed);
}

static void make_machine(struct world *world, uint32_t at)
{
	struct machine *m = &world->machines[at];

	m->world = world;
	m->at = at;
	name_machine(m);
	m->core = &core_now;
	m->signer = make_signer(world);
	m->id = node_of_key(m->signer.key);
	rng_fill(&world->rng, m->box_key.bytes, sizeof m->box_key.bytes);
	m->disk = mem_disk_new();
	m->clock = clock_true();
	m->effects = world_effects;
	m->effects.context = m;
}

struct world *world_new(const struct world_options *options)
{
	struct world *world = must_alloc(sizeof *world);
	struct net_options net = { .machines = options->machines,
				   .kind = WORLD_NET,
				   .queue = &world->queue,
				   .hear = world_hear,
				   .context = world,
				   .seed = options->seed,
				   .delay_ns = 20 * UINT64_C(1000000),
				   .jitter_ns = options->jitter_ns ? options->jitter_ns : 100000,
				   .cut_ppm = options->cut_ppm };

	assert(options->machines <= WORLD_LARGE_MAX);
	/* No monotonic clock shows 0. */
	world->queue.now_ns = 1;
	world->options = *options;
	world->machines = must_alloc((options->machines + 1) * sizeof *world->machines);
	world->rng = rng_from_number(options->seed);
	world->mix = rng_u64(&world->rng);
	world->net = net_new(&net);
	world->root = make_signer(world);
	world->recovery = make_signer(world);
	for (uint32_t i = 0; i < options->machines; i++)
		make_machine(world, i);
	return world;
}

static void add_counts(struct mesh_counts *sum, const struct mesh_counts *some)
{
#define X(name) sum->name += some->name;
	MESH_COUNTS(X)
#undef X
}

static void close_node(struct machine *m)
{
	if (!m->node)
		return;
	add_counts(&m->world->counts, &m->core->node_mesh(m->node)->counts);
	m->core->node_close(m->node);
	m->node = NULL;
	store_close(m->store);
	m->store = NULL;
	world_drop_waiting(m);
	m->wires_count = 0;
	m->is_busy = false;
	m->tick_ns = m->at_once = 0;
	m->boots++;
}

void world_free(struct world *world)
{
	for (uint32_t i = 0; i < world->options.machines; i++) {
		close_node(&world->machines[i]);
		mem_disk_free(world->machines[i].disk);
	}
	net_free(world->net);
	queue_done(&world->queue);
	free(world->machines);
	free(world);
}

void world_end_process(struct machine *m, bool is_heard)
{
	struct world_hooks *hooks = &m->world->options.hooks;

	if (!m->node)
		return;
	if (hooks->died)
		hooks->died(hooks->context, m);
	close_node(m);
	if (is_heard)
		net_kill(m->world->net, m->at);
	else
		net_cut_power(m->world->net, m->at);
}

bool world_open_store(struct machine *m, struct err *err)
{
	enum code code = mem_store_open(m->disk, &disk_key, &m->store, err);

	if (!code)
		code = m->core->state_open(m->store, err);
	m->died = code;
	return !code;
}

static bool open_node(struct machine *m, struct err *err)
{
	struct node_config config = { .is_new = !m->has_key && !m->is_clone,
				      .signer = &m->signer,
				      .box_key = m->box_key,
				      .cluster = m->world->cluster,
				      .process = m->next_process ? m->next_process : rng_u64(&m->world->rng),
				      .store = m->store,
				      .effects = &m->effects,
				      .joining = m->is_joining ? &m->joining : NULL };

	m->process = config.process;
	m->has_key = true;
	m->next_process = 0;
	m->died = m->core->node_open(&config, (struct mono_time){ world_now(m->world) }, &m->node, err);
	return !m->died;
}

bool world_boot(struct world *world, uint32_t machine)
{
	struct machine *m = &world->machines[machine];
	struct node_event tick = { .kind = EVENT_TICK };
	struct err err = { 0 };

	assert(!m->node);
	if (!world_open_store(m, &err) || !open_node(m, &err)) {
		world_say(world, "%s: does not start: %s", m->name, err.text);
		memcpy(m->died_of, err.text, sizeof err.text);
		store_close(m->store);
		m->store = NULL;
		return false;
	}
	world_say(world, "%s: starts", m->name);
	net_start(world->net, machine);
	if (world->options.hooks.booted)
		world->options.hooks.booted(world->options.hooks.context, m);
	world_handle(m, &tick);
	return true;
}

void world_kill(struct world *world, uint32_t machine)
{
	world_say(world, "%s: is killed", world_name(world, machine));
	world_end_process(&world->machines[machine], true);
}

void world_cut_power(struct world *world, uint32_t machine)
{
	struct machine *m = &world->machines[machine];

	world_say(world, "%s: loses power", m->name);
	mem_disk_crash(m->disk);
	world_end_process(m, false);
}

void world_clone(struct world *world, uint32_t machine, uint32_t of, const struct mem_disk *disk)
{
	struct machine *m = &world->machines[machine], *from = &world->machines[of];

	assert(!m->node && machine != of);
	m->core = from->core;
	m->signer = from->signer;
	m->id = from->id;
	m->box_key = from->box_key;
	m->joining = from->joining;
	m->is_joining = from->is_joining;
	m->clock = from->clock;
	m->is_clone = true;
	mem_disk_restore(m->disk, disk);
	world_say(world, "%s: is a clone of %s", m->name, from->name);
}

void world_program(struct world *world, uint32_t machine, struct program program)
{
	struct machine *m = &world->machines[machine];

	assert(!m->node);
	m->program = program;
	net_start(world->net, machine);
}

static struct bytes sign(struct world *world, const struct signer *signer, const struct kind *kind, const void *row,
			 struct arena *arena)
{
	struct buf buf = buf_growing(STATEMENT_MAX);
	struct bytes whole;

	statement_write(signer, world->cluster, kind, row, NULL, 0, &buf);
	whole = arena_copy(arena, buf_bytes(&buf));
	buf_done(&buf);
	return whole;
}

static uint64_t bring(struct world *world, uint32_t machine, const struct bytes *all, size_t count)
{
	struct machine *m = &world->machines[machine];
	struct node_event event = { .kind = EVENT_STATEMENTS,
				    .statements = { .number = ++world->requests, .all = all, .count = count } };

	if (!m->node)
		return 0;
	world_handle(m, &event);
	return world->requests;
}

uint64_t world_state(struct world *world, uint32_t machine, const struct signer *signer, const struct kind *kind,
		     const void *row)
{
	struct arena arena = { 0 };
	struct bytes whole = sign(world, signer, kind, row, &arena);
	uint64_t number = bring(world, machine, &whole, 1);

	arena_done(&arena);
	return number;
}

struct bytes world_cluster_statement(struct world *world, struct arena *arena)
{
	struct cluster_row row = { .nonce = bytes_of("nonce of it", 8),
				   .root_key = world->root.key,
				   .recovery_key = world->recovery.key,
				   .name = bytes_text("simulated") };

	row.has =
		BIT(AT_cluster_nonce) | BIT(AT_cluster_root_key) | BIT(AT_cluster_recovery_key) | BIT(AT_cluster_name);
	world->cluster = cluster_id(&row);
	return sign(world, &world->root, KIND_TABLE(cluster), &row, arena);
}

/* The id of what kind and row say. */
static struct id statement_id(struct bytes whole)
{
	struct statement statement;
	enum code code = statement_read(whole, &statement, NULL);

	assert(!code);
	return statement.id;
}

static struct bytes invite_statement(struct world *world, struct key32 sponsor, const struct id *gateway,
				     struct signer *ret_one_time, struct arena *arena)
{
	struct invite_row row = { .sponsor = sponsor, .expires = { SIM_EPOCH_MS + 1000 * UINT64_C(31556952) } };

	*ret_one_time = make_signer(world);
	row.key = ret_one_time->key;
	if (gateway)
		row.gateway = *gateway;
	else
		rng_fill(&world->rng, row.gateway.bytes, sizeof row.gateway.bytes);
	row.has = BIT(AT_invite_key) | BIT(AT_invite_sponsor) | BIT(AT_invite_gateway) | BIT(AT_invite_expires);
	return sign(world, &world->root, KIND_TABLE(invite), &row, arena);
}

/* An invite of `sponsor` and what comes of it, both at once. */
void world_admit_there(struct world *world, struct machine *m, const struct machine *sponsor, const struct id *gateway,
		       struct bytes pair[2], struct arena *arena)
{
	struct admission_row row = { .key = m->signer.key, .box_key = m->box_key };
	struct signer one_time;
	struct signature proof;
	uint8_t room[ADMISSION_TEXT_SIZE];

	pair[0] = invite_statement(world, sponsor->signer.key, gateway, &one_time, arena);
	row.invite = statement_id(pair[0]);
	proof = sign_make(&one_time, SIGN_ADMISSION,
			  admission_text(world->cluster, row.invite, row.key, row.box_key, room));
	row.proof = bytes_of(proof.bytes, sizeof proof.bytes);
	row.has =
		BIT(AT_admission_invite) | BIT(AT_admission_key) | BIT(AT_admission_box_key) | BIT(AT_admission_proof);
	pair[1] = sign(world, &sponsor->signer, KIND_TABLE(admission), &row, arena);
}

void world_admit(struct world *world, uint32_t machine, uint32_t sponsor)
{
	struct arena arena = { 0 };
	struct bytes pair[2];

	world_admit_there(world, &world->machines[machine], &world->machines[sponsor], NULL, pair, &arena);
	bring(world, sponsor, pair, 2);
	arena_done(&arena);
}

void world_found_all(struct world *world, uint32_t count)
{
	struct bytes all[1 + 2 * WORLD_LARGE_MAX];
	struct arena arena = { 0 };

	all[0] = world_cluster_statement(world, &arena);
	for (uint32_t i = 0; i < count; i++)
		world_admit_there(world, &world->machines[i], &world->machines[0], NULL, &all[1 + 2 * i], &arena);
	for (uint32_t i = 0; i < count; i++) {
		bool is_up = world_boot(world, i);

		assert(is_up);
		bring(world, i, all, 1 + 2 * count);
	}
	arena_done(&arena);
}

void world_found(struct world *world)
{
	world_found_all(world, 1);
}

void world_invite_by(struct world *world, uint32_t machine, struct key32 sponsor, struct joining *ret_joining)
{
	struct arena arena = { 0 };
	struct bytes invite = invite_statement(world, sponsor, NULL, &ret_joining->one_time, &arena);

	ret_joining->sponsor = sponsor;
	ret_joining->invite = statement_id(invite);
	bring(world, machine, &invite, 1);
	arena_done(&arena);
}

void world_invite(struct world *world, uint32_t machine, uint32_t sponsor)
{
	struct machine *m = &world->machines[machine];

	m->is_joining = true;
	world_invite_by(world, sponsor, world->machines[sponsor].signer.key, &m->joining);
}

uint64_t world_write(struct world *world, uint32_t machine, const struct asker *asker, const struct change *changes,
		     size_t count, uint32_t copies, struct bytes idempotency)
{
	struct machine *m = &world->machines[machine];
	struct node_event event = { .kind = EVENT_WRITE,
				    .write = { .number = ++world->requests,
					       .asker = *asker,
					       .changes = changes,
					       .count = count,
					       .idempotency = idempotency,
					       .action = bytes_text("sim.write"),
					       .copies = copies } };

	if (!m->node)
		return 0;
	world_handle(m, &event);
	return event.write.number;
}

uint64_t world_await(struct world *world, uint32_t machine, struct bytes token, bool is_strict)
{
	struct machine *m = &world->machines[machine];
	struct node_event event = { .kind = EVENT_AWAIT,
				    .await = { .number = ++world->requests, .token = token, .is_strict = is_strict } };

	if (!m->node)
		return 0;
	world_handle(m, &event);
	return event.await.number;
}

bool world_is_settled(const struct world *world)
{
	const struct mesh *first = NULL;

	for (uint32_t i = 0; i < world->options.machines; i++) {
		const struct mesh *mesh = world_mesh(world, i);

		if (!mesh)
			continue;
		if (!first)
			first = mesh;
		if (!mesh->is_member || !sum_equal(mesh->vector.sum, first->vector.sum) ||
		    !sum_equal(mesh->t0.sum, first->t0.sum))
			return false;
	}
	return first;
}

void world_counts(const struct world *world, struct mesh_counts *ret_counts)
{
	*ret_counts = world->counts;
	for (uint32_t i = 0; i < world->options.machines; i++)
		if (world->machines[i].node)
			add_counts(ret_counts, &world_mesh(world, i)->counts);
}
