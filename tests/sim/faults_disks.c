/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check_chain.h"
#include "tests/sim/faults_inside.h"

/* --- Copies of disks. */

static void drop_copy(struct disk_copy *copy)
{
	mem_disk_free(copy->disk);
	vector_done(&copy->has);
	*copy = (struct disk_copy){ 0 };
}

void faults_drop_copies(struct faults *f)
{
	for (size_t i = 0; i < WORLD_MACHINES_MAX; i++)
		for (size_t j = 0; j < COPIES; j++)
			drop_copy(&f->state[i].copies[j]);
}

static void take_copy(struct faults *f, const struct machine *m)
{
	struct disk_copy *copy = &f->state[m->at].copies[rng_below(&f->rng, COPIES)];

	drop_copy(copy);
	copy->disk = mem_disk_clone(m->disk);
	vector_copy(&copy->has, &world_mesh(f->world, m->at)->vector);
	f->counts.copied++;
	world_say(f->world, "the disk of %s is copied", m->name);
}

void faults_copy(struct faults *f)
{
	struct machine *m = faults_pick(f);

	if (f->is_healed)
		return;
	if (m && world_mesh(f->world, m->at)->is_member)
		take_copy(f, m);
	faults_later(f, CALL_COPY, 0, FAULTS_SECOND + rng_below(&f->rng, 30 * FAULTS_SECOND));
}

/* NULL: there is none. */
static const struct disk_copy *some_copy(struct faults *f, uint32_t machine)
{
	size_t first = (size_t)rng_below(&f->rng, COPIES);

	for (size_t i = 0; i < COPIES; i++)
		if (f->state[machine].copies[(first + i) % COPIES].disk)
			return &f->state[machine].copies[(first + i) % COPIES];
	return NULL;
}

/* --- Old disks come back. */

static void restore(struct faults *f, uint32_t machine, const struct disk_copy *copy)
{
	struct machine *m = &f->world->machines[machine];

	mem_disk_restore(m->disk, copy->disk);
	f->state[machine].is_old = true;
	f->counts.restored++;
	world_say(f->world, "%s gets an old copy of its disk", m->name);
	check_disk_restored(f->check, machine, &copy->has);
	people_restored(f->people, machine);
}

static void cut_and_restore(struct faults *f, struct machine *m)
{
	const struct disk_copy *copy = some_copy(f, m->at);

	if (!copy)
		return;
	world_cut_power(f->world, m->at);
	restore(f, m->at, copy);
}

/* All at once; some come back with what they had long ago. */
static void cut_fleet(struct faults *f)
{
	bool is_old = rng_below(&f->rng, 2);

	for (uint32_t i = 0; i < f->world->options.machines; i++)
		if (faults_is_server(f, i) && world_is_up(f->world, i))
			world_cut_power(f->world, i);
	for (uint32_t i = 0; is_old && i < f->world->options.machines; i++) {
		const struct disk_copy *copy = faults_is_server(f, i) ? some_copy(f, i) : NULL;

		if (!copy || f->state[i].is_tainted || f->state[i].is_lying || f->state[i].is_lost ||
		    rng_below(&f->rng, 2))
			continue;
		restore(f, i, copy);
		f->counts.fleet_restored++;
	}
}

/* --- Two machines with one key. */

static void clone(struct faults *f, enum fault fault, struct machine *m)
{
	uint32_t at = f->machines + STRANGERS + f->clones;
	const struct disk_copy *old = fault == FAULT_clone && rng_below(&f->rng, 2) ? some_copy(f, m->at) : NULL;
	const struct mesh *mesh = world_mesh(f->world, m->at);
	struct disk_copy now = { 0 };

	if (f->clones == CLONES || !mesh->is_member || m->is_clone)
		return;
	f->clones++;
	now.disk = mem_disk_clone(m->disk);
	vector_copy(&now.has, &mesh->vector);
	world_clone(f->world, at, m->at, old ? old->disk : now.disk);
	check_disk_cloned(f->check, at, m->at, old ? &old->has : &now.has);
	drop_copy(&now);
	people_meet(f->people, at);
	f->state[at].has_joined = true;
	f->state[at].is_old = f->state[m->at].is_old = true;
	f->counts.cloned++;
	/* A machine that is copied as it runs does not know that it is another. */
	if (fault == FAULT_clone_on)
		f->world->machines[at].next_process = m->process;
	else if (rng_below(&f->rng, 2))
		world_cut_power(f->world, m->at);
	world_boot(f->world, at);
}

static void stop(struct faults *f, uint32_t machine)
{
	if (f->world->machines[machine].node)
		world_kill(f->world, machine);
	f->state[machine].is_lost = true;
	world_say(f->world, "%s is stopped for good", world_name(f->world, machine));
	check_disk_lost(f->check, machine);
	people_left(f->people, machine);
}

static bool is_alive(const struct faults *f, uint32_t machine, uint64_t node)
{
	return f->world->machines[machine].id == node && !f->state[machine].is_lost;
}

/* One of those with that key stays, any of them. */
static void stop_all_but_one(struct faults *f, uint64_t node)
{
	uint32_t alive = 0, stays;

	for (uint32_t i = 0; i < f->world->options.machines; i++)
		alive += is_alive(f, i, node);
	if (alive < 2)
		return;
	stays = (uint32_t)rng_below(&f->rng, alive);
	for (uint32_t i = 0; i < f->world->options.machines; i++) {
		if (!is_alive(f, i, node) || stays-- == 0)
			continue;
		f->counts.clone_stopped += f->world->machines[i].is_clone;
		f->counts.cloned_stopped += !f->world->machines[i].is_clone;
		stop(f, i);
	}
}

void faults_stop_clones(struct faults *f)
{
	for (uint32_t i = 0; i < f->machines; i++)
		stop_all_but_one(f, f->world->machines[i].id);
}

void faults_befall_disk(struct faults *f, enum fault fault, struct machine *m)
{
	if (fault == FAULT_restore)
		cut_and_restore(f, m);
	else if (fault == FAULT_fleet_cut)
		cut_fleet(f);
	else
		clone(f, fault, m);
}
