/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/mp.h"
#include "tests/sim/faults_inside.h"

/* Of an eviction that lists whom the evicted one let in, one in so many forgets somebody. */
enum { FORGETS = 3, LISTED_MAX = 200 };

/* --- Who signs. */

/* The root, or an operator that still is one. */
static const struct signer *some_signer(struct faults *f)
{
	uint64_t drawn = rng_below(&f->rng, f->operators_count + 1);

	if (drawn == f->operators_count || f->operators[drawn].is_removed)
		return &f->world->root;
	return &f->operators[drawn].signer;
}

static struct machine *some_member(struct faults *f)
{
	for (int tries = 0; tries < 20; tries++) {
		struct machine *m = faults_pick(f);

		if (m && world_mesh(f->world, m->at)->is_member)
			return m;
	}
	return NULL;
}

/* A list of hashes, until the next one. */
static struct list list_of(const struct id *ids, size_t count)
{
	static uint8_t room[LISTED_MAX * 18];
	struct buf buf = buf_over(room, sizeof room);

	for (size_t i = 0; i < count; i++)
		mp_put_bin(&buf, bytes_of(ids[i].bytes, sizeof ids[i].bytes));
	return (struct list){ buf_bytes(&buf), count };
}

/* --- Evictions. */

bool faults_is_evicted(const struct faults *f, uint32_t machine)
{
	for (uint32_t i = 0; i < f->world->options.machines; i++) {
		const struct mesh *mesh = world_mesh(f->world, i);
		const struct member *member =
			mesh ? members_find(mesh->t0.members, f->world->machines[machine].id) : NULL;

		if (member && member->is_evicted)
			return true;
	}
	return false;
}

/* Those that it let in and that stand, as the machine knows them. */
static size_t let_in_by(const struct faults *f, const struct machine *at, uint64_t node, struct id *ret_ids)
{
	size_t count, found = 0;
	const struct member *all = members_all(world_mesh(f->world, at->at)->t0.members, &count);

	for (size_t i = 0; i < count && found < LISTED_MAX; i++)
		if (all[i].sponsor == node && all[i].node != node && !all[i].is_evicted)
			ret_ids[found++] = all[i].admission;
	return found;
}

/* At least two must be left that are well. */
static bool may_evict(const struct faults *f, uint32_t machine)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < f->machines; i++)
		left += f->state[i].has_joined && !f->state[i].is_evicted && !f->state[i].is_lost &&
			!f->state[i].is_tainted && !f->state[i].is_lying;
	return machine >= f->machines || f->state[machine].is_lost || left > 3;
}

static void count_eviction(struct faults *f, const struct machine *m, const struct machine *heir, size_t let_in)
{
	f->counts.evicted++;
	f->counts.evicted_down += !m->node && !m->program.heard;
	f->counts.evicted_heir += f->state[m->at].is_heir;
	f->counts.evicted_sponsor += let_in > 0;
	f->counts.evicted_apart += f->is_split;
	f->counts.evicted_forked += f->state[m->at].is_old;
	f->counts.evicted_lost += f->state[m->at].is_lost;
	f->counts.heir_down += !heir->node;
}

static void evict_at(struct faults *f, struct machine *at, struct machine *m)
{
	const struct signer *signer = some_signer(f);
	struct eviction_row row = { .key = m->signer.key };
	struct id let_in[LISTED_MAX];
	size_t count = let_in_by(f, at, m->id, let_in);
	struct machine *heir = m;

	while (heir->id == m->id)
		heir = &f->world->machines[rng_below(&f->rng, f->machines)];
	count_eviction(f, m, heir, count);
	f->counts.evicted_by_operator += signer != &f->world->root;
	if (count && count < 3 && !f->is_healed && !rng_below(&f->rng, FORGETS)) {
		count--;
		f->counts.evicted_unlisted++;
	}
	row.heir = heir->signer.key;
	row.standing = list_of(let_in, count);
	row.has = BIT(AT_eviction_key) | BIT(AT_eviction_heir) | BIT(AT_eviction_standing);
	world_say(f->world, "%s is evicted at %s, heir %s", m->name, at->name, heir->name);
	f->state[m->at].is_evicted = true;
	f->state[heir->at].is_heir = true;
	people_may_lose(f->people);
	world_state(f->world, at->at, signer, KIND_TABLE(eviction), &row);
	if (signer != &f->world->root)
		faults_later(f, CALL_UNDO, 0, (5 + rng_below(&f->rng, 40)) * FAULTS_SECOND);
}

/* Any server, up or down, or the evil one. */
static struct machine *some_victim(struct faults *f, const struct machine *at)
{
	for (int tries = 0; tries < 20; tries++) {
		uint32_t i = (uint32_t)rng_below(&f->rng, f->machines + 1);

		if (i == f->machines && f->evil == WORLD_MACHINES_MAX)
			continue;
		i = i == f->machines ? (uint32_t)f->evil : i;
		if (i != at->at && !f->state[i].is_evicted && (f->state[i].has_joined || i == f->evil) &&
		    may_evict(f, i))
			return &f->world->machines[i];
	}
	return NULL;
}

static void evict(struct faults *f, enum fault fault)
{
	struct machine *at = some_member(f), *other = some_member(f);
	struct machine *m = at ? some_victim(f, at) : NULL;

	if (!m || f->machines < 2)
		return;
	evict_at(f, at, m);
	if (fault == FAULT_evict_twice && other && other != m && other->node)
		evict_at(f, other, m);
}

void faults_evict(struct faults *f, uint32_t machine)
{
	struct machine *at = some_member(f);

	if (f->state[machine].is_evicted || at == &f->world->machines[machine] || f->machines < 2)
		return;
	if (at)
		evict_at(f, at, &f->world->machines[machine]);
	else if (!f->is_healed)
		faults_later(f, CALL_EVICT, machine, 10 * FAULTS_SECOND);
}

/* Another machine with its key lives on. */
static bool has_twin(const struct faults *f, uint32_t machine)
{
	for (uint32_t i = 0; i < f->world->options.machines; i++)
		if (i != machine && f->world->machines[i].id == f->world->machines[machine].id && !f->state[i].is_lost)
			return true;
	return false;
}

void faults_evict_lost(struct faults *f)
{
	for (uint32_t i = 0; f->evicts && i < f->machines; i++)
		if (f->state[i].is_lost && f->state[i].has_joined && !has_twin(f, i))
			faults_evict(f, i);
}

static struct machine *other_member(struct faults *f, uint32_t machine)
{
	for (uint32_t i = 0; i < f->world->options.machines; i++)
		if (f->world->machines[i].id != f->world->machines[machine].id && faults_is_server(f, i) &&
		    !faults_is_evicted(f, i) && world_mesh(f->world, i) && world_mesh(f->world, i)->is_member)
			return &f->world->machines[i];
	return NULL;
}

/* Who says of others that their disks are old and is not believed, which does not change. */
static struct machine *denied_by(struct faults *f, const struct mesh *mesh)
{
	for (uint32_t i = 0; mesh->counts.denied >= RECOVER_TRIES && i < f->world->options.machines; i++)
		if (f->world->machines[i].id == mesh->recovery.denied && world_mesh(f->world, i) &&
		    !sum_equal(world_mesh(f->world, i)->vector.sum, mesh->vector.sum))
			return &f->world->machines[i];
	return NULL;
}

/* What an alarm asks for: nobody has all that a member should have, or has by another's word. One of those must go. */
bool faults_evict_stuck(struct faults *f)
{
	for (uint32_t i = 0; i < f->world->options.machines; i++) {
		const struct mesh *mesh = world_mesh(f->world, i);
		struct machine *at, *goes = &f->world->machines[i];

		if (!mesh || !faults_is_server(f, i) || faults_is_evicted(f, i))
			continue;
		if (mesh->recovery.tries < RECOVER_TRIES)
			goes = denied_by(f, mesh);
		if (!goes || faults_is_evicted(f, goes->at))
			continue;
		at = other_member(f, goes->at);
		if (!at)
			continue;
		f->counts.evicted_stuck++;
		evict_at(f, at, goes);
		return true;
	}
	return false;
}

static void lose_for_good(struct faults *f, struct machine *m)
{
	if (!faults_may_lose(f) || has_twin(f, m->at))
		return;
	world_cut_power(f->world, m->at);
	faults_lose(f, m->at);
	faults_later(f, CALL_EVICT, m->at, rng_below(&f->rng, 60 * FAULTS_SECOND));
}

/* --- Operators. */

static void name_operator(struct faults *f, struct machine *at)
{
	struct deputy *deputy = &f->operators[f->operators_count];
	struct operator_row row = { .name = bytes_text("another") };
	const struct signer *parent = &f->world->root;
	uint8_t seed[32];

	if (f->operators_count == OPERATORS)
		return;
	rng_fill(&f->rng, seed, sizeof seed);
	deputy->signer = signer_from_seed(seed);
	deputy->parent = (uint32_t)rng_below(&f->rng, f->operators_count + 1);
	if (deputy->parent == f->operators_count)
		deputy->parent = OPERATORS;
	else
		parent = &f->operators[deputy->parent].signer;
	f->operators_count++;
	row.key = deputy->signer.key;
	row.parent = parent->key;
	row.has = BIT(AT_operator_key) | BIT(AT_operator_parent) | BIT(AT_operator_name);
	world_state(f->world, at->at, parent, KIND_TABLE(operator), &row);
}

static bool is_signer(const struct statement *statement, const struct deputy *deputy)
{
	return !memcmp(statement->signer.bytes, deputy->signer.key.bytes, sizeof deputy->signer.key.bytes);
}

/* Mostly one that evicted somebody, where there is one. */
static struct deputy *some_deputy(struct faults *f, const struct t0 *t0)
{
	struct deputy *deputy = &f->operators[rng_below(&f->rng, f->operators_count + 1)];

	if (!rng_below(&f->rng, 4))
		return deputy;
	for (size_t i = 0; i < t0->count; i++)
		for (size_t k = 0; t0->all[i].kind == KIND_eviction && k < f->operators_count; k++)
			if (!f->operators[k].is_removed && is_signer(&t0->all[i], &f->operators[k]))
				deputy = &f->operators[k];
	return deputy;
}

/* By the root or by who named it; mostly what it signed stands. */
static void remove_operator(struct faults *f, struct machine *at)
{
	const struct t0 *t0 = &world_mesh(f->world, at->at)->t0;
	struct deputy *deputy = some_deputy(f, t0);
	bool is_listed = rng_below(&f->rng, 3);
	struct operator_removal_row row = { .key = deputy->signer.key };
	struct id stand[LISTED_MAX];
	size_t count = 0;

	if (deputy == &f->operators[f->operators_count])
		return;
	for (size_t i = 0; i < t0->count && count < LISTED_MAX; i++) {
		bool is_eviction = t0->all[i].kind == KIND_eviction;

		if (!is_signer(&t0->all[i], deputy))
			continue;
		if ((is_listed && !is_eviction) || rng_below(&f->rng, 2))
			stand[count++] = t0->all[i].hash;
		else
			f->counts.eviction_undone += is_eviction;
	}
	deputy->is_removed = true;
	row.standing = list_of(stand, count);
	row.has = BIT(AT_operator_removal_key) | BIT(AT_operator_removal_standing);
	world_state(f->world, at->at,
		    deputy->parent == OPERATORS || rng_below(&f->rng, 2) ? &f->world->root
									 : &f->operators[deputy->parent].signer,
		    KIND_TABLE(operator_removal), &row);
}

void faults_undo(struct faults *f)
{
	struct machine *at = some_member(f);

	if (at && !f->is_healed && rng_below(&f->rng, 2))
		remove_operator(f, at);
}

/* --- The rest. */

static void raise_level(struct faults *f, struct machine *at)
{
	struct level_row row = { .has = BIT(AT_level_level), .level = LEVEL_KNOWN };

	for (uint32_t i = 0; i < f->machines; i++)
		if (!world_is_up(f->world, i) || f->is_split) {
			f->counts.level_behind++;
			break;
		}
	world_state(f->world, at->at, some_signer(f), KIND_TABLE(level), &row);
}

/* Of one that may have come in by it already, and then it changes nothing. */
static void take_invite_back(struct faults *f, struct machine *at)
{
	const struct machine *m = &f->world->machines[rng_below(&f->rng, f->machines)];
	struct invite_void_row row = { .has = BIT(AT_invite_void_invite), .invite = m->joining.invite };

	if (m->is_joining)
		world_state(f->world, at->at, some_signer(f), KIND_TABLE(invite_void), &row);
}

void faults_befall_member(struct faults *f, enum fault fault, struct machine *m)
{
	struct machine *at = some_member(f);

	if (!at)
		return;
	if (fault == FAULT_evict || fault == FAULT_evict_twice)
		evict(f, fault);
	else if (fault == FAULT_lose)
		lose_for_good(f, m);
	else if (fault == FAULT_operator_named)
		name_operator(f, at);
	else if (fault == FAULT_operator_removed)
		remove_operator(f, at);
	else if (fault == FAULT_level)
		raise_level(f, at);
	else
		take_invite_back(f, at);
}
