/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "tests/sim/people_inside.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* --- What changes. */

void act_rename(struct people *p, struct client *c)
{
	const struct known *user = pool_pick(p, POOL_USERS), *group = pool_pick(p, POOL_GROUPS);
	struct user_row named = { .login = job_name(p, &c->job), .has = BIT(AT_user_login) };
	struct group_row grouped = { .name = named.login, .has = BIT(AT_group_name) };

	c->job.asker.writes = BY_OWNER;
	if (group && rng_below(&p->rng, 2))
		job_set(&c->job, KIND_TABLE(group), group->id, &grouped);
	else if (user)
		job_set(&c->job, KIND_TABLE(user), user->id, &named);
	else
		return;
	if (!rng_below(&p->rng, 3))
		job_at_once(p, &c->job);
}

void act_describe(struct people *p, struct client *c)
{
	const struct known *device = pool_pick(p, POOL_DEVICES), *setting = pool_pick(p, POOL_SETTINGS);
	struct device_row noted = { .note = job_text(&c->job, "note %llu", ++p->names), .mtu = 1280 };
	struct setting_row valued = { .value = noted.note, .has = BIT(AT_setting_value) };

	noted.has = BIT(AT_device_note) | BIT(AT_device_mtu);
	c->job.asker.writes = BY_OWNER;
	if (device && rng_below(&p->rng, 2)) {
		c->job.asker.writes = BY_SELF;
		c->job.asker.user = device->owner;
		job_set(&c->job, KIND_TABLE(device), device->id, &noted);
	} else if (setting) {
		job_set(&c->job, KIND_TABLE(setting), setting->id, &valued);
	}
	if (c->job.count && !rng_below(&p->rng, 3))
		job_at_once(p, &c->job);
}

/* A nil for the value. */
void act_unset(struct people *p, struct client *c)
{
	const struct known *user = pool_pick(p, POOL_USERS);
	struct buf map = buf_growing(64);

	if (user) {
		mp_put_map(&map, 1);
		mp_put_uint(&map, FIELD_TABLE(user, name)->number);
		mp_put_nil(&map);
		job_change(&c->job, CHANGE_SET, KIND_user)->id = user->id;
		c->job.changes[0].map = arena_copy(&c->job.arena, buf_bytes(&map));
		c->job.asker.writes = BY_OWNER;
		c->job.refusals |= job_code(E_ABSENT) | job_code(E_VALUE);
	}
	buf_done(&map);
}

void act_password(struct people *p, struct client *c)
{
	const struct known *user = pool_pick(p, POOL_USERS), *password = pool_pick(p, POOL_PASSWORDS);
	struct password_row row = { .hash = job_text(&c->job, "argon %llu", ++p->names), .hash_guard = { 1, false } };

	c->job.asker.writes = BY_AGENT;
	if (password && rng_below(&p->rng, 2)) {
		row.has = BIT(AT_password_hash);
		job_set(&c->job, KIND_TABLE(password), password->id, &row);
	} else if (user) {
		row.user = user->id;
		row.has = BIT(AT_password_user) | BIT(AT_password_hash);
		job_create(&c->job, KIND_TABLE(password), &row);
		c->job.refusals |= job_code(E_ABSENT) | job_code(E_TAKEN);
	}
	if (c->job.count && !rng_below(&p->rng, 3))
		job_at_once(p, &c->job);
}

void act_role(struct people *p, struct client *c)
{
	const struct known *user = pool_pick(p, POOL_USERS);
	struct user_row row = { .role = 1 + rng_below(&p->rng, 5),
				.role_guard = { 1, false },
				.has = BIT(AT_user_role) };

	if (!user)
		return;
	c->job.asker.writes = BY_OWNER;
	/* The last owner stays. */
	c->job.refusals |= job_code(E_DENIED);
	job_set(&c->job, KIND_TABLE(user), user->id, &row);
	if (!rng_below(&p->rng, 3))
		job_at_once(p, &c->job);
}

void act_expires(struct people *p, struct client *c)
{
	const struct known *user = pool_pick(p, POOL_USERS);
	struct user_row row = { .expires = { SIM_EPOCH_MS + rng_below(&p->rng, 1000000) },
				.expires_guard = { 1, false },
				.has = BIT(AT_user_expires) };

	if (!user)
		return;
	c->job.asker.writes = BY_OWNER;
	job_set(&c->job, KIND_TABLE(user), user->id, &row);
}

void act_choose_plan(struct people *p, struct client *c)
{
	const struct known *user = pool_pick(p, POOL_USERS), *plan = pool_pick(p, POOL_PLANS);
	struct user_row row = { .has = BIT(AT_user_plan) };

	if (!user || !plan)
		return;
	row.plan = plan->id;
	c->job.asker.writes = BY_OWNER;
	job_set(&c->job, KIND_TABLE(user), user->id, &row);
}

/* --- What goes. */

void act_release(struct people *p, struct client *c)
{
	const struct known *hold = pool_pick(p, POOL_HOLDS);

	if (!hold)
		return;
	c->job.asker.writes = BY_OWNER;
	job_remove(&c->job, hold);
}

void act_remove_device(struct people *p, struct client *c)
{
	const struct known *device = pool_pick(p, POOL_DEVICES);

	if (!device)
		return;
	c->job.asker.writes = rng_below(&p->rng, 2) ? BY_SELF : BY_OWNER;
	c->job.asker.user = device->owner;
	job_remove(&c->job, device);
	/* Where its user is gone already, it is nobody's. */
	c->job.refusals |= job_code(E_DENIED);
	c->job.is_repeatable = false;
	if (!rng_below(&p->rng, 3))
		job_at_once(p, &c->job);
}

void act_remove_user(struct people *p, struct client *c)
{
	const struct known *user = pool_pick(p, POOL_USERS);

	if (!user)
		return;
	c->job.asker.writes = BY_OWNER;
	c->job.refusals |= job_code(E_DENIED);
	job_remove(&c->job, user);
}

void act_remove_other(struct people *p, struct client *c)
{
	static const enum pool_name pools[] = { POOL_GROUPS,   POOL_PLANS,       POOL_GATEWAYS, POOL_POLICIES,
						POOL_SETTINGS, POOL_MEMBERSHIPS, POOL_BINDINGS, POOL_POOLS };
	const struct known *known = pool_pick(p, pools[rng_below(&p->rng, COUNT(pools))]);

	if (!known)
		return;
	c->job.asker.writes = BY_OWNER | BY_ADMIN | BY_OPERATOR;
	/* A plan that users have stays. */
	c->job.refusals |= job_code(E_TAKEN);
	job_remove(&c->job, known);
}

/* A revoked key never comes back; where its end was written, that is known. */
void act_reenrol(struct people *p, struct client *c)
{
	const struct known *revoked = pool_pick(p, POOL_REVOKED), *user = pool_pick(p, POOL_USERS);

	if (!revoked || !user || p->is_lost[revoked->machine] || !world_is_up(p->world, revoked->machine))
		return;
	if (c->machine != revoked->machine)
		c->is_covered = false;
	c->machine = revoked->machine;
	job_device(p, &c->job, rng_below(&p->rng, 2) ? user->id : revoked->owner, revoked->key);
	c->job.asker.writes = BY_OWNER;
	c->job.must_be_refused = true;
	c->job.is_revoked = true;
	c->job.is_repeatable = false;
}

/* --- The rest. */

void act_usage(struct people *p, struct client *c)
{
	const struct known *usage = pool_pick(p, POOL_USAGE), *device = pool_pick(p, POOL_DEVICES);
	uint64_t total = rng_below(&p->rng, 1000000);
	struct usage_row row = { .period = 20454 + rng_below(&p->rng, 3) };
	bool is_old = usage && usage->machine == c->machine && rng_below(&p->rng, 2);

	c->job.asker.writes = BY_MEMBER;
	c->job.is_repeatable = false;
	if (is_old)
		total += usage->total;
	row.sent = row.received = (struct counter){ total, total, 1 };
	row.has = BIT(AT_usage_sent) | BIT(AT_usage_received);
	if (is_old) {
		job_set(&c->job, KIND_TABLE(usage), usage->id, &row);
	} else if (device) {
		row.device = device->id;
		row.has |= BIT(AT_usage_device) | BIT(AT_usage_period);
		job_create(&c->job, KIND_TABLE(usage), &row);
		c->job.refusals |= job_code(E_TAKEN) | job_code(E_ABSENT);
	} else {
		return;
	}
	c->job.about[0].total = total;
}

/* As themselves people change their own name. */
void act_own(struct people *p, struct client *c)
{
	const struct known *user = pool_pick(p, POOL_USERS);
	struct user_row row = { .name = job_text(&c->job, "Name %llu", ++p->names),
				.language = bytes_text("de"),
				.has = BIT(AT_user_name) | BIT(AT_user_language) };

	if (!user)
		return;
	c->job.asker.writes = BY_SELF;
	c->job.asker.user = user->id;
	job_set(&c->job, KIND_TABLE(user), user->id, &row);
}

/* Two new groups of one name. */
static void make_namesakes(struct people *p, struct client *c)
{
	struct group_row row = { .name = job_text(&c->job, "twice-%llu", ++p->names), .has = BIT(AT_group_name) };

	c->job.asker.writes = BY_OPERATOR;
	c->job.refusals = job_code(E_TAKEN);
	job_create(&c->job, KIND_TABLE(group), &row);
	job_create(&c->job, KIND_TABLE(group), &row);
}

/* Only an owner makes an owner; nobody says what a machine is; operators sign. */
static void make_upstart(struct people *p, struct client *c)
{
	struct user_row user = { .login = job_text(&c->job, "upstart-%llu", ++p->names),
				 .role = ROLE_OWNER,
				 .role_guard = { 1, false },
				 .has = BIT(AT_user_login) | BIT(AT_user_role) };
	struct gateway_fact_row fact = { .version = bytes_text("9"), .has = BIT(AT_gateway_fact_version) };
	struct level_row level = { .level = 3, .has = BIT(AT_level_level) };

	c->job.refusals = job_code(E_DENIED);
	c->job.asker.writes = BY_ADMIN;
	switch (rng_below(&p->rng, 3)) {
	case 0: job_create(&c->job, KIND_TABLE(user), &user); break;
	case 1: job_create(&c->job, KIND_TABLE(gateway_fact), &fact); break;
	default: job_create(&c->job, KIND_TABLE(level), &level); break;
	}
}

/* Changes what is not there, or a part of it that nobody changes, or sets what only others set. */
static void make_mistake(struct people *p, struct client *c)
{
	const struct known *device = pool_pick(p, POOL_DEVICES), *user = pool_pick(p, POOL_USERS);
	struct group_row group = { .name = bytes_text("gone"), .has = BIT(AT_group_name) };
	struct device_row key = { .public_key = people_key(p), .has = BIT(AT_device_public_key) };
	struct user_row row = { .role = ROLE_ADMIN, .role_guard = { 1, false }, .has = BIT(AT_user_role) };
	struct id nobody;

	rng_fill(&p->rng, nobody.bytes, sizeof nobody.bytes);
	c->job.asker.writes = BY_OWNER;
	c->job.refusals = job_code(E_ABSENT);
	switch (rng_below(&p->rng, 3)) {
	case 0: job_set(&c->job, KIND_TABLE(group), nobody, &group); break;
	case 1:
		if (device)
			job_set(&c->job, KIND_TABLE(device), device->id, &key);
		c->job.refusals |= job_code(E_VALUE);
		break;
	default:
		if (user)
			job_set(&c->job, KIND_TABLE(user), user->id, &row);
		c->job.asker.writes = BY_SELF;
		c->job.asker.user = nobody;
		c->job.refusals |= job_code(E_DENIED);
	}
}

void act_forbidden(struct people *p, struct client *c)
{
	struct group_row group = { .name = job_text(&c->job, "alone-%llu", ++p->names), .has = BIT(AT_group_name) };

	c->job.must_be_refused = true;
	c->job.is_repeatable = false;
	switch (rng_below(&p->rng, 4)) {
	case 0: make_namesakes(p, c); return;
	case 1: make_upstart(p, c); return;
	case 2: make_mistake(p, c); return;
	default: break;
	}
	/* More copies than there are members. */
	c->job.asker.writes = BY_OPERATOR;
	c->job.copies = WORLD_MACHINES_MAX;
	c->job.refusals = job_code(E_VALUE);
	job_create(&c->job, KIND_TABLE(group), &group);
}

/* One name, given at several machines at once. */
void act_crowd(struct people *p, struct client *c)
{
	struct user_row row = { .login = job_text(&c->job, "crowd-%llu", ++p->names), .has = BIT(AT_user_login) };

	c->job.asker.writes = BY_OPERATOR;
	c->job.refusals = job_code(E_TAKEN);
	job_create(&c->job, KIND_TABLE(user), &row);
	job_at_once(p, &c->job);
	p->counts.collided++;
}

void act_diary(struct people *p, struct client *c)
{
	struct setting_row row = { .name = job_text(&c->job, "diary-%llu", (unsigned long long)(c - p->clients)) };

	if (!c->is_covered && c->has_diary)
		return;
	c->job.is_diary = true;
	c->job.is_repeatable = false;
	c->job.asker.writes = BY_OWNER;
	row.value = job_text(&c->job, "page %llu", c->page + 1);
	row.has = BIT(AT_setting_value) | (c->has_diary ? 0 : BIT(AT_setting_name));
	if (c->has_diary)
		job_set(&c->job, KIND_TABLE(setting), c->diary, &row);
	else
		job_create(&c->job, KIND_TABLE(setting), &row);
	c->job.refusals = 0;
}

/* --- All of them. */

typedef void act_make(struct people *p, struct client *c);

static const struct {
	act_make *make;
	size_t counted; /* where in the counts */
	uint32_t weight;
} acts[] = {
#define X(name, weight) { act_##name, offsetof(struct people_counts, act_##name), weight },
	PEOPLE_ACTS(X)
#undef X
};

static size_t draw(struct people *p)
{
	uint64_t all = 0, drawn;
	size_t i = 0;

	for (i = 0; i < COUNT(acts); i++)
		all += acts[i].weight;
	drawn = rng_below(&p->rng, all);
	for (i = 0; drawn >= acts[i].weight; i++)
		drawn -= acts[i].weight;
	return i;
}

/* As many copies as the machine says that there can be. */
static void want_copies(struct people *p, const struct client *c, struct job *job)
{
	const struct mesh *mesh = world_mesh(p->world, c->machine);
	size_t standing = mesh && mesh->is_member ? members_standing(mesh->t0.members) : 0;

	if (standing > 1 && job->machines == 1 && !job->copies && !rng_below(&p->rng, 4))
		job->copies = 1 + (uint32_t)rng_below(&p->rng, standing - 1);
}

void people_choose(struct people *p, struct client *c)
{
	size_t chosen;

	do {
		arena_reset(&c->job.arena);
		c->job = (struct job){ .arena = c->job.arena,
				       .number = c->job.number,
				       .machines = 1,
				       .is_repeatable = !rng_below(&p->rng, 3) };
		chosen = draw(p);
		acts[chosen].make(p, c);
	} while (!c->job.count);
	rng_fill(&p->rng, c->job.key, sizeof c->job.key);
	(*(uint64_t *)(void *)((uint8_t *)&p->counts + acts[chosen].counted))++;
	if (c->job.is_repeatable && !rng_below(&p->rng, 4))
		c->job.machines = 2;
	/* What hangs on somebody with a higher role, or on nobody that is known here, is not theirs. */
	if (!(c->job.asker.writes & (BY_OWNER | BY_AGENT | BY_MEMBER)))
		c->job.refusals |= job_code(E_DENIED);
	want_copies(p, c, &c->job);
}

static enum pool_name pool_of(uint32_t kind)
{
	switch (kind) {
	case KIND_user: return POOL_USERS;
	case KIND_group: return POOL_GROUPS;
	case KIND_plan: return POOL_PLANS;
	case KIND_gateway: return POOL_GATEWAYS;
	case KIND_policy: return POOL_POLICIES;
	case KIND_device: return POOL_DEVICES;
	case KIND_setting: return POOL_SETTINGS;
	case KIND_hold: return POOL_HOLDS;
	case KIND_membership: return POOL_MEMBERSHIPS;
	case KIND_binding: return POOL_BINDINGS;
	case KIND_password: return POOL_PASSWORDS;
	case KIND_usage: return POOL_USAGE;
	case KIND_pool: return POOL_POOLS;
	case KIND_enrolment_token:
	case KIND_one_time_link: return POOL_CREDENTIALS;
	default: return POOLS;
	}
}

static void learn_removal(struct people *p, const struct known *known, uint32_t machine)
{
	struct known revoked = *known;

	pool_drop(p, pool_of(known->kind), known->id);
	revoked.machine = machine;
	if (known->kind == KIND_device)
		pool_add(p, POOL_REVOKED, revoked);
}

static struct id resolve(const struct reply *reply, struct id id)
{
	for (size_t i = 0; i < reply->count; i++)
		if (id_equal(id, judge_made(i)))
			return reply->ids[i];
	return id;
}

void people_learn(struct people *p, struct client *c, const struct reply *reply, uint32_t machine)
{
	struct job *job = &c->job;

	if (job->is_diary) {
		c->has_diary = true;
		c->diary = reply->ids[0];
		c->page++;
		return;
	}
	for (size_t i = 0; i < job->count; i++) {
		struct known known = job->about[i];
		enum pool_name pool = pool_of(known.kind);

		if (job->changes[i].what == CHANGE_REMOVE) {
			learn_removal(p, &known, machine);
			continue;
		}
		if (pool == POOLS || (job->changes[i].what == CHANGE_SET && pool != POOL_USAGE))
			continue;
		known.id = reply->ids[i];
		known.owner = resolve(reply, known.owner);
		known.machine = machine;
		pool_add(p, pool, known);
	}
}
