/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/faults.h"

#include "tests/sim/faults_inside.h"
#include "tests/sim/regions.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND FAULTS_SECOND
#define MS FAULTS_MS

static const char *const fault_names[] = {
#define X(name) #name,
	FAULTS(X)
#undef X
};

void faults_complain(struct faults *f, const char *format, ...)
{
	va_list args;

	if (f->violation[0])
		return;
	va_start(args, format);
	vsnprintf(f->violation, sizeof f->violation, format, args);
	va_end(args);
	world_say(f->world, "VIOLATION strangers: %s", f->violation);
}

struct faults *faults_new(struct world *world, struct check *check, struct people *people, uint32_t machines)
{
	struct faults *f = must_alloc(sizeof *f);

	assert(machines + faults_slots(world->options.seed) == world->options.machines);
	f->world = world;
	f->check = check;
	f->people = people;
	f->machines = machines;
	f->rng = rng_from_number(world->options.seed ^ UINT64_C(0x6661756c7473));
	faults_mix(world->options.seed, f->weights);
	for (size_t i = 0; i < FAULT_restore; i++)
		f->weights[i] = rng_below(&f->rng, 2) ? f->weights[i] : 0;
	f->weights[FAULT_kill]++;
	f->is_copied = f->weights[FAULT_restore] || f->weights[FAULT_clone] || f->weights[FAULT_fleet_cut];
	f->evicts = f->weights[FAULT_evict] || f->weights[FAULT_evict_twice] || f->weights[FAULT_lose];
	f->evil = faults_has_evil(world->options.seed) ? world->options.machines - 1 : WORLD_MACHINES_MAX;
	f->pause_ns = (3 + rng_below(&f->rng, 20)) * SECOND;
	f->is_mixed = rng_below(&f->rng, 3) == 0;
	for (uint32_t i = 0; i < world->options.machines; i++)
		faults_tap(f, &world->machines[i]);
	return f;
}

void faults_free(struct faults *f)
{
	faults_drop_copies(f);
	free(f);
}

void faults_later(struct faults *f, uint32_t what, uint64_t with, uint64_t in_ns)
{
	world_call(f->world, world_now(f->world) + in_ns, what, with);
}

bool faults_is_well(const struct faults *f, uint32_t machine)
{
	return world_is_up(f->world, machine) && !f->state[machine].is_lost && !f->state[machine].is_tainted &&
	       !f->state[machine].is_lying;
}

struct machine *faults_pick(struct faults *f)
{
	uint32_t first = (uint32_t)rng_below(&f->rng, f->machines);

	for (uint32_t i = 0; i < f->machines; i++)
		if (faults_is_well(f, (first + i) % f->machines))
			return &f->world->machines[(first + i) % f->machines];
	return NULL;
}

/* --- Places. */

static void place_machines(struct faults *f)
{
	uint32_t count = f->world->options.machines, places[WORLD_MACHINES_MAX];

	if (rng_below(&f->rng, 2)) {
		for (uint32_t i = 0; i < count; i++)
			places[i] = (uint32_t)rng_below(&f->rng, REGIONS);
		regions_place(f->world->net, count, places);
		f->counts.regions++;
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = 0; j < count; j++)
			net_path(f->world->net, i, j)->delay_ns = 100000 + rng_below(&f->rng, 1000000);
	f->counts.lan++;
}

/* --- Machines that start and end. */

bool faults_is_server(const struct faults *f, uint32_t machine)
{
	return machine < f->machines || f->world->machines[machine].is_clone;
}

/* May this one be lost for good? Most must stay. */
bool faults_may_lose(const struct faults *f)
{
	uint32_t lost = 0;

	for (uint32_t i = 0; i < f->machines; i++)
		lost += f->state[i].is_lost || f->state[i].is_tainted || f->state[i].is_lying || f->state[i].is_evicted;
	return lost < (f->machines - 1) / 3;
}

void faults_lose(struct faults *f, uint32_t machine)
{
	if (f->state[machine].is_lost)
		return;
	f->state[machine].is_lost = true;
	f->counts.lost++;
	world_say(f->world, "%s is lost", world_name(f->world, machine));
	check_disk_damaged(f->check, machine);
	people_lost(f->people, machine);
}

static void choose_version(struct faults *f, struct machine *m)
{
	const struct core *before = m->core;

	if (!f->is_mixed)
		return;
	m->core = rng_below(&f->rng, 2) ? &core_next : &core_now;
	if (m->core == before)
		return;
	f->counts.upgrade += m->core == &core_next;
	f->counts.downgrade += m->core == &core_now;
	world_say(f->world, "%s gets the version %s", m->name, m->core->name);
}

static void boot(struct faults *f, uint32_t machine)
{
	struct machine *m = &f->world->machines[machine];

	f->state[machine].is_booting = false;
	if (m->node || f->state[machine].is_lost || !f->state[machine].has_joined)
		return;
	choose_version(f, m);
	f->counts.reboot++;
	if (world_boot(f->world, machine))
		return;
	f->counts.does_not_start++;
	if (m->died == E_DAMAGED)
		faults_lose(f, machine);
	else if (!f->is_healed)
		faults_later(f, CALL_BOOT, machine, 5 * SECOND);
}

void faults_boot_later(struct faults *f, uint32_t machine)
{
	uint64_t most = rng_below(&f->rng, 4) ? 20 : 120;

	if (f->state[machine].is_booting || f->state[machine].is_lost)
		return;
	f->state[machine].is_booting = true;
	faults_later(f, CALL_BOOT, machine, SECOND / 2 + rng_below(&f->rng, most * SECOND));
}

void faults_died(struct faults *f, struct machine *m)
{
	if (!faults_is_server(f, m->at))
		return;
	if (m->died == E_FULL)
		faults_complain(f, "a full disk ended the process of %s", m->name);
	f->counts.died_io += m->died == E_IO;
	f->counts.died_damaged += m->died == E_DAMAGED;
	if (m->died == E_DAMAGED || f->state[m->at].is_lying)
		faults_lose(f, m->at);
	else if (!f->is_healed)
		faults_boot_later(f, m->at);
}

static void join(struct faults *f, uint32_t machine)
{
	struct machine *sponsor = faults_pick(f);

	if (f->state[machine].has_joined)
		return;
	if (!sponsor || !world_mesh(f->world, sponsor->at)->is_member) {
		faults_later(f, CALL_JOIN, machine, 10 * SECOND);
		return;
	}
	f->counts.join++;
	f->counts.join_apart += f->is_split;
	world_say(f->world, "%s is invited by %s", world_name(f->world, machine), sponsor->name);
	world_invite(f->world, machine, sponsor->at);
	f->state[machine].has_joined = true;
	faults_boot_later(f, machine);
}

void faults_begin(struct faults *f, uint64_t until_ns)
{
	f->until_ns = until_ns;
	place_machines(f);
	f->founders = rng_below(&f->rng, 2) ? f->machines : 1 + (uint32_t)rng_below(&f->rng, f->machines);
	for (uint32_t i = 0; i < f->machines; i++) {
		if (f->is_mixed && rng_below(&f->rng, 2))
			f->world->machines[i].core = &core_next;
		f->counts.next_version += f->world->machines[i].core == &core_next;
	}
	world_found_all(f->world, f->founders);
	for (uint32_t i = 0; i < f->founders; i++)
		f->state[i].has_joined = true;
	for (uint32_t i = f->founders; i < f->machines; i++)
		faults_later(f, CALL_JOIN, i, rng_below(&f->rng, until_ns - 60 * SECOND));
	faults_later(f, CALL_FAULT, 0, 10 * SECOND);
	if (f->is_copied)
		faults_later(f, CALL_COPY, 0, 5 * SECOND);
}

/* --- Disks. */

static void fault_disk(struct faults *f, enum fault fault, struct machine *m)
{
	uint64_t step = 1 + rng_below(&f->rng, 30);

	if (fault == FAULT_crash_at)
		mem_disk_crash_at(m->disk, step);
	else if (fault == FAULT_fail_at)
		mem_disk_fail_at(m->disk, step);
	else if (fault == FAULT_full_at)
		mem_disk_full_at(m->disk, step);
	else
		mem_disk_limit(m->disk, mem_disk_used(m->disk) + rng_below(&f->rng, 4000));
}

/* Whatever it acknowledges from now on may be gone. */
static bool damage(struct faults *f, enum fault fault, struct machine *m)
{
	if (!faults_may_lose(f))
		return false;
	check_disk_damaged(f->check, m->at);
	people_lost(f->people, m->at);
	if (fault == FAULT_flip) {
		f->state[m->at].is_tainted = true;
		mem_disk_flip(m->disk, &f->rng);
		return true;
	}
	f->state[m->at].is_lying = true;
	mem_disk_lie(m->disk, rng_u64(&f->rng));
	return true;
}

/* --- The network. */

static void shuffle(struct faults *f, uint32_t *order)
{
	uint32_t count = f->world->options.machines;

	for (uint32_t i = 0; i < count; i++)
		order[i] = i;
	for (uint32_t i = count - 1; i > 0; i--) {
		uint32_t j = (uint32_t)rng_below(&f->rng, i + 1), kept = order[i];

		order[i] = order[j];
		order[j] = kept;
	}
}

static void say_split(const struct faults *f, enum net_shape shape, const uint32_t *order)
{
	static const char *const names[NET_SHAPES] = {
		[NET_WHOLE] = "nothing is blocked",
		[NET_FULL] = "each is alone",
		[NET_HALF] = "two halves",
		[NET_ONE_WAY] = "the second half does not hear the first",
		[NET_RING] = "a ring",
		[NET_BRIDGE] = "two halves, and the first meets both",
		[NET_ALONE] = "the first is alone",
	};
	char text[WORLD_MACHINES_MAX * 8] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < f->world->options.machines; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, " %s", world_name(f->world, order[i]));
	world_say(f->world, "the network is split: %s, in the order%s", names[shape], text);
}

static void split(struct faults *f)
{
	uint64_t *counts[] = { &f->counts.whole, &f->counts.full,   &f->counts.half, &f->counts.one_way,
			       &f->counts.ring,  &f->counts.bridge, &f->counts.alone };
	enum net_shape shape = (enum net_shape)(1 + rng_below(&f->rng, NET_SHAPES - 1));
	uint32_t order[WORLD_MACHINES_MAX];

	_Static_assert(COUNT(counts) == NET_SHAPES, "each shape is counted");
	shuffle(f, order);
	net_partition(f->world->net, shape, order);
	(*counts[shape])++;
	f->is_split = true;
	say_split(f, shape, order);
}

static void unsplit(struct faults *f)
{
	net_partition(f->world->net, NET_WHOLE, NULL);
	f->counts.whole++;
	f->is_split = false;
	world_say(f->world, "the network is whole");
}

static void flap(struct faults *f)
{
	if (!f->flaps || f->is_healed)
		return;
	f->flaps--;
	if (f->is_split)
		unsplit(f);
	else
		split(f);
	faults_later(f, f->flaps ? CALL_FLAP : CALL_MEND, f->flaps ? 0 : FAULT_partition,
		     SECOND / 2 + rng_below(&f->rng, 4 * SECOND));
}

/* --- Clocks. */

static void fault_clock(struct faults *f, enum fault fault, struct machine *m)
{
	static const int64_t most[] = { 5000, 60000, SIM_YEAR_MS, 100 * SIM_YEAR_MS };
	uint64_t by = (uint64_t)most[rng_below(&f->rng, COUNT(most))], now = world_now(f->world);

	if (fault == FAULT_clock_stop)
		clock_stop(&m->clock, now);
	else if (fault == FAULT_clock_drift)
		clock_drift(&m->clock, now, (int64_t)rng_below(&f->rng, 400001) - 200000);
	else
		clock_jump(&m->clock, now, rng_below(&f->rng, 2) ? (int64_t)by : -(int64_t)by);
}

/* --- One after the other. */

static uint64_t mend_with(enum fault fault, uint32_t machine)
{
	return (uint64_t)machine << 8 | (uint64_t)fault;
}

static void befall(struct faults *f, enum fault fault, struct machine *m)
{
	uint64_t some = SECOND + rng_below(&f->rng, 40 * SECOND);

	switch (fault) {
	case FAULT_kill: world_kill(f->world, m->at); return;
	case FAULT_cut_power: world_cut_power(f->world, m->at); return;
	case FAULT_crash_at:
	case FAULT_fail_at:
	case FAULT_full_at:
	case FAULT_limit: fault_disk(f, fault, m); break;
	case FAULT_flip:
	case FAULT_lie:
		if (!damage(f, fault, m))
			return;
		break;
	case FAULT_slow: net_slow(f->world->net, m->at, rng_below(&f->rng, 2 * SECOND)); break;
	case FAULT_stuck:
		net_stuck(f->world->net, m->at, world_now(f->world) + rng_below(&f->rng, 10 * SECOND));
		return;
	case FAULT_loss: net_lose(f->world->net, (uint32_t)rng_below(&f->rng, 300001)); break;
	case FAULT_partition: split(f); break;
	case FAULT_flap:
		f->flaps = 4 + (uint32_t)rng_below(&f->rng, 12);
		flap(f);
		return;
	case FAULT_clock_jump:
	case FAULT_clock_drift:
	case FAULT_clock_stop: fault_clock(f, fault, m); return;
	case FAULT_restore:
	case FAULT_clone:
	case FAULT_clone_on:
	case FAULT_fleet_cut: faults_befall_disk(f, fault, m); return;
	case FAULT_evict:
	case FAULT_evict_twice:
	case FAULT_lose:
	case FAULT_operator_named:
	case FAULT_operator_removed:
	case FAULT_level:
	case FAULT_invite_back: faults_befall_member(f, fault, m); return;
	default: faults_attack(f, fault); return;
	}
	faults_later(f, CALL_MEND, mend_with(fault, m->at), some);
}

static enum fault draw(struct faults *f)
{
	uint64_t all = 0, drawn;
	size_t i;

	for (i = 0; i < FAULTS_ALL; i++)
		all += f->weights[i];
	drawn = rng_below(&f->rng, all);
	for (i = 0; drawn >= f->weights[i]; i++)
		drawn -= f->weights[i];
	return (enum fault)i;
}

static void next_fault(struct faults *f)
{
	struct machine *m = faults_pick(f);
	enum fault fault = draw(f);
	uint64_t *counts = (uint64_t *)(void *)&f->counts;

	if (f->is_healed)
		return;
	if (m) {
		world_say(f->world, "fault %s at %s", fault_names[fault], m->name);
		counts[fault]++;
		befall(f, fault, m);
	}
	faults_later(f, CALL_FAULT, 0, 1 + rng_below(&f->rng, 2 * f->pause_ns));
}

static void mend(struct faults *f, enum fault fault, uint32_t machine)
{
	struct machine *m = &f->world->machines[machine];

	switch (fault) {
	case FAULT_crash_at: mem_disk_crash_at(m->disk, 0); break;
	case FAULT_fail_at: mem_disk_fail_at(m->disk, 0); break;
	case FAULT_full_at: mem_disk_full_at(m->disk, 0); break;
	case FAULT_limit: mem_disk_limit(m->disk, 0); break;
	case FAULT_slow: net_slow(f->world->net, machine, 0); break;
	case FAULT_loss: net_lose(f->world->net, 0); break;
	case FAULT_partition: unsplit(f); break;
	case FAULT_lie:
		if (m->node)
			world_cut_power(f->world, machine);
		break;
	default: break;
	}
}

void faults_called(struct faults *f, uint32_t what, uint64_t with)
{
	switch (what) {
	case CALL_FAULT: next_fault(f); return;
	case CALL_MEND: mend(f, (enum fault)(with & 0xff), (uint32_t)(with >> 8)); return;
	case CALL_BOOT: boot(f, (uint32_t)with); return;
	case CALL_JOIN: join(f, (uint32_t)with); return;
	case CALL_FLAP: flap(f); return;
	case CALL_COPY: faults_copy(f); return;
	case CALL_EVICT: faults_evict(f, (uint32_t)with); return;
	case CALL_UNDO: faults_undo(f); return;
	default: faults_attack_called(f, what, with);
	}
}

/* --- The end of it. */

static void heal_machine(struct faults *f, uint32_t machine)
{
	struct machine *m = &f->world->machines[machine];

	for (int fault = 0; fault < FAULTS_ALL; fault++)
		if (fault != FAULT_partition && fault != FAULT_loss && fault != FAULT_lie)
			mend(f, (enum fault)fault, machine);
	clock_set(&m->clock, world_now(f->world));
	clock_drift(&m->clock, world_now(f->world), 0);
	clock_go(&m->clock, world_now(f->world));
	clock_set(&m->clock, world_now(f->world));
	if (f->state[machine].is_tainted || f->state[machine].is_lying) {
		faults_lose(f, machine);
		if (m->node)
			world_kill(f->world, machine);
	}
}

void faults_heal(struct faults *f)
{
	world_say(f->world, "all is mended");
	unsplit(f);
	net_lose(f->world->net, 0);
	f->is_healed = true;
	for (uint32_t i = 0; i < f->world->options.machines; i++)
		if (faults_is_server(f, i))
			heal_machine(f, i);
	faults_stop_clones(f);
	for (uint32_t i = 0; i < f->machines; i++) {
		if (!f->state[i].has_joined)
			join(f, i);
		boot(f, i);
	}
	for (uint32_t i = f->machines; i < f->world->options.machines; i++)
		if (f->world->machines[i].is_clone)
			boot(f, i);
		else if (world_is_up(f->world, i))
			world_kill(f->world, i);
	faults_evict_lost(f);
	check_healed(f->check);
}

bool faults_invite_rest(struct faults *f)
{
	bool is_done = !faults_evict_stuck(f);

	faults_evict_lost(f);
	for (uint32_t i = 0; i < f->machines; i++) {
		struct machine *m = &f->world->machines[i], *sponsor;

		if (f->state[i].is_lost || faults_is_evicted(f, i) || (m->node && world_mesh(f->world, i)->is_member))
			continue;
		is_done = false;
		f->counts.join_again++;
		/* It may be the only one that is well, and then nobody lets it in. */
		sponsor = faults_pick(f);
		for (int tries = 0; tries < 100 && sponsor && sponsor->at == i; tries++)
			sponsor = faults_pick(f);
		if (!sponsor || sponsor->at == i || !world_mesh(f->world, sponsor->at)->is_member)
			continue;
		if (m->node)
			world_kill(f->world, i);
		world_say(f->world, "%s is invited again, by %s", m->name, sponsor->name);
		world_invite(f->world, i, sponsor->at);
		f->state[i].has_joined = true;
		boot(f, i);
	}
	return is_done;
}

bool faults_is_lost(const struct faults *f, uint32_t machine)
{
	return !faults_is_server(f, machine) || f->state[machine].is_lost;
}

const char *faults_violation(const struct faults *f)
{
	return f->violation[0] ? f->violation : NULL;
}

const struct faults_counts *faults_counts(const struct faults *f)
{
	return &f->counts;
}
