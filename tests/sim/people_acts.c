/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/mp.h"
#include "crdt/model/pack.h"
#include "tests/sim/people_inside.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum { COMMON_NAMES = 12 };

static uint64_t code_bit(enum code code)
{
	return BIT(-(int)code);
}

static const struct known *pick(struct people *p, enum pool_name name)
{
	struct pool *pool = &p->pools[name];

	return pool->count ? &pool->all[rng_below(&p->rng, pool->count)] : NULL;
}

static void pool_add(struct people *p, enum pool_name name, struct known known)
{
	struct pool *pool = &p->pools[name];

	for (size_t i = 0; i < pool->count; i++) {
		if (pool->all[i].kind != known.kind || !id_equal(pool->all[i].id, known.id))
			continue;
		pool->all[i] = known;
		return;
	}
	if (pool->count < POOL_MAX)
		pool->all[pool->count++] = known;
	else
		pool->all[rng_below(&p->rng, POOL_MAX)] = known;
}

static void pool_drop(struct people *p, enum pool_name name, struct id id)
{
	struct pool *pool = &p->pools[name];

	for (size_t i = 0; i < pool->count; i++)
		if (id_equal(pool->all[i].id, id))
			pool->all[i--] = pool->all[--pool->count];
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
	default: return POOLS;
	}
}

/* --- Jobs. */

static struct change *add_change(struct job *job, enum change_what what, uint32_t kind)
{
	assert(job->count < JOB_CHANGES);
	job->changes[job->count] = (struct change){ .what = what, .kind = kind };
	job->about[job->count] = (struct known){ .kind = kind };
	return &job->changes[job->count++];
}

static struct bytes pack(struct job *job, const struct shape *shape, const void *row)
{
	struct buf map = buf_growing(MODEL_OP_MAX);
	struct bytes copy;

	pack_write(shape, row, &map);
	assert(!map.is_full);
	copy = arena_copy(&job->arena, buf_bytes(&map));
	buf_done(&map);
	return copy;
}

static void create(struct job *job, const struct kind *kind, const void *row)
{
	struct bytes map = pack(job, &kind->shape, row);

	add_change(job, CHANGE_CREATE, kind->number)->map = map;
}

static void set(struct job *job, const struct kind *kind, struct id id, const void *row)
{
	struct change *change = add_change(job, CHANGE_SET, kind->number);

	change->map = pack(job, &kind->shape, row);
	change->id = id;
	job->about[job->count - 1].id = id;
	/* Somebody may have removed it, and it may not be here yet, or only a part of it. */
	job->refusals |= code_bit(E_ABSENT) | code_bit(E_VALUE);
}

static void unmake(struct job *job, const struct known *known)
{
	add_change(job, CHANGE_REMOVE, known->kind)->id = known->id;
	job->about[job->count - 1] = *known;
	job->refusals |= code_bit(E_ABSENT);
}

static struct bytes text_of(struct job *job, const char *format, unsigned long long number)
{
	char text[48];

	snprintf(text, sizeof text, format, number);
	return arena_copy(&job->arena, bytes_text(text));
}

/* One that nobody else gives, or one that others give too. */
static struct bytes make_name(struct people *p, struct job *job)
{
	job->refusals |= code_bit(E_TAKEN);
	if (rng_below(&p->rng, 4))
		return text_of(job, "name-%llu", ++p->names);
	return text_of(job, "common-%llu", rng_below(&p->rng, COMMON_NAMES));
}

/* The same at several machines at once. */
static void at_once(struct people *p, struct job *job)
{
	job->machines = 2 + (uint32_t)rng_below(&p->rng, AT_ONCE_MAX - 1);
	job->is_repeatable = false;
}

static void as_staff(struct people *p, struct job *job)
{
	job->asker.writes = rng_below(&p->rng, 3) ? BY_OWNER | BY_ADMIN : BY_ADMIN;
}

/* --- What is made. Each fills the job, or leaves it empty because there is nothing to do it with. */

static void act_user(struct people *p, struct client *c)
{
	struct user_row row = { .login = make_name(p, &c->job), .name = bytes_text("Somebody") };
	const struct known *plan = rng_below(&p->rng, 2) ? pick(p, POOL_PLANS) : NULL;

	row.has = BIT(AT_user_login) | BIT(AT_user_name);
	if (plan) {
		row.plan = plan->id;
		row.has |= BIT(AT_user_plan);
		c->job.refusals |= code_bit(E_ABSENT);
	}
	c->job.asker.writes = rng_below(&p->rng, 2) ? BY_OPERATOR : BY_OWNER | BY_ADMIN;
	create(&c->job, KIND_TABLE(user), &row);
}

static void act_group(struct people *p, struct client *c)
{
	struct group_row row = { .name = make_name(p, &c->job), .has = BIT(AT_group_name) };

	c->job.asker.writes = BY_OPERATOR;
	create(&c->job, KIND_TABLE(group), &row);
}

static void act_plan(struct people *p, struct client *c)
{
	struct plan_row row = { .name = make_name(p, &c->job), .devices = 1 + rng_below(&p->rng, 4) };

	row.has = BIT(AT_plan_name) | (rng_below(&p->rng, 2) ? BIT(AT_plan_devices) : 0);
	as_staff(p, &c->job);
	create(&c->job, KIND_TABLE(plan), &row);
}

static void act_gateway(struct people *p, struct client *c)
{
	struct gateway_row row = { .name = make_name(p, &c->job), .location = bytes_text("Frankfurt, Germany") };

	row.has = BIT(AT_gateway_name) | BIT(AT_gateway_location);
	as_staff(p, &c->job);
	create(&c->job, KIND_TABLE(gateway), &row);
}

static void make_setting(struct people *p, struct job *job)
{
	size_t size = (size_t)rng_below(&p->rng, rng_below(&p->rng, 10) ? 60 : 3900);
	struct setting_row row = { .name = text_of(job, "setting-%llu", rng_below(&p->rng, 1000)) };
	uint8_t *value = arena_take(&job->arena, size + 1);

	memset(value, 'x', size + 1);
	row.value = bytes_of(value, size + 1);
	row.has = BIT(AT_setting_name) | BIT(AT_setting_value);
	as_staff(p, job);
	create(job, KIND_TABLE(setting), &row);
}

static void act_setting(struct people *p, struct client *c)
{
	make_setting(p, &c->job);
}

static void act_policy(struct people *p, struct client *c)
{
	struct policy_row row = { .name = make_name(p, &c->job), .has = BIT(AT_policy_name) };

	as_staff(p, &c->job);
	create(&c->job, KIND_TABLE(policy), &row);
}

/* Rules that no other version has. */
static struct list some_rules(struct people *p, struct job *job)
{
	const struct field *field = FIELD_TABLE(policy_version, rules);
	size_t count = 1 + (size_t)rng_below(&p->rng, 3);
	struct buf items = buf_growing(MODEL_OP_MAX);
	struct list list = { .count = count };

	for (size_t i = 0; i < count; i++) {
		struct rule_row rule = { .verdict = 1 + rng_below(&p->rng, 2),
					 .note = text_of(job, "rule %llu", ++p->names) };
		struct bytes packed;

		rule.has = BIT(AT_rule_verdict) | BIT(AT_rule_note);
		packed = pack(job, &model_parts[PART_rule], &rule);
		pack_write_slot(field, &packed, &items);
	}
	list.items = arena_copy(&job->arena, buf_bytes(&items));
	buf_done(&items);
	return list;
}

static void act_version(struct people *p, struct client *c)
{
	const struct known *policy = pick(p, POOL_POLICIES);
	struct policy_version_row row = { .has = BIT(AT_policy_version_policy) | BIT(AT_policy_version_rules) };

	if (!policy)
		return;
	row.policy = policy->id;
	row.rules = some_rules(p, &c->job);
	as_staff(p, &c->job);
	/* Its id follows from the heads that its author sees. */
	c->job.is_repeatable = false;
	c->job.refusals |= code_bit(E_ABSENT) | code_bit(E_TAKEN);
	create(&c->job, KIND_TABLE(policy_version), &row);
	if (!rng_below(&p->rng, 4))
		at_once(p, &c->job);
}

static const struct known *pick_subject(struct people *p)
{
	static const enum pool_name pools[] = { POOL_USERS, POOL_GROUPS, POOL_DEVICES };

	return pick(p, pools[rng_below(&p->rng, COUNT(pools))]);
}

static void act_binding(struct people *p, struct client *c)
{
	const struct known *policy = pick(p, POOL_POLICIES), *subject = pick_subject(p);
	struct binding_row row = { .has = BIT(AT_binding_policy) };

	if (!policy)
		return;
	row.policy = policy->id;
	if (subject) {
		row.subject = (struct ref){ subject->kind, subject->id };
		row.has |= BIT(AT_binding_subject);
	}
	as_staff(p, &c->job);
	c->job.refusals |= code_bit(E_ABSENT);
	create(&c->job, KIND_TABLE(binding), &row);
}

static void act_membership(struct people *p, struct client *c)
{
	const struct known *user = pick(p, POOL_USERS), *group = pick(p, POOL_GROUPS);
	struct membership_row row = { .has = BIT(AT_membership_user) | BIT(AT_membership_group) };

	if (!user || !group)
		return;
	row.user = user->id;
	row.group = group->id;
	c->job.asker.writes = BY_OWNER | BY_ADMIN | BY_OPERATOR;
	c->job.refusals |= code_bit(E_ABSENT);
	create(&c->job, KIND_TABLE(membership), &row);
}

static void make_device(struct people *p, struct job *job, struct id owner, struct key32 key)
{
	struct device_row row = { .public_key = key, .owner = owner, .name = make_name(p, job) };

	row.has = BIT(AT_device_public_key) | BIT(AT_device_owner) | BIT(AT_device_name);
	create(job, KIND_TABLE(device), &row);
	job->about[job->count - 1].key = key;
	job->about[job->count - 1].owner = owner;
	job->refusals |= code_bit(E_ABSENT) | code_bit(E_LIMIT) | code_bit(E_TAKEN);
}

static struct key32 random_key(struct people *p)
{
	struct key32 key;

	rng_fill(&p->rng, key.bytes, sizeof key.bytes);
	return key;
}

static void act_device(struct people *p, struct client *c)
{
	const struct known *user = pick(p, POOL_USERS);

	if (!user)
		return;
	make_device(p, &c->job, user->id, random_key(p));
	c->job.asker.writes = rng_below(&p->rng, 2) ? BY_SELF : BY_OWNER;
	c->job.asker.user = user->id;
	if (rng_below(&p->rng, 2)) {
		c->job.asker.has_actor = true;
		c->job.asker.actor = (struct ref){ KIND_user, user->id };
	}
	if (!rng_below(&p->rng, 6)) {
		at_once(p, &c->job);
		p->counts.collided++;
	}
}

static void act_hold(struct people *p, struct client *c)
{
	const struct known *subject = pick_subject(p);
	struct hold_row row = { .reason = bytes_text("for now"), .has = BIT(AT_hold_subject) | BIT(AT_hold_reason) };

	if (!subject)
		return;
	row.subject = (struct ref){ subject->kind, subject->id };
	c->job.asker.writes = BY_OWNER;
	c->job.refusals |= code_bit(E_ABSENT);
	create(&c->job, KIND_TABLE(hold), &row);
	c->job.about[0].owner = subject->id;
}

/* --- What changes. */

static void act_rename(struct people *p, struct client *c)
{
	const struct known *user = pick(p, POOL_USERS), *group = pick(p, POOL_GROUPS);
	struct user_row named = { .login = make_name(p, &c->job), .has = BIT(AT_user_login) };
	struct group_row grouped = { .name = named.login, .has = BIT(AT_group_name) };

	c->job.asker.writes = BY_OWNER;
	if (group && rng_below(&p->rng, 2))
		set(&c->job, KIND_TABLE(group), group->id, &grouped);
	else if (user)
		set(&c->job, KIND_TABLE(user), user->id, &named);
	else
		return;
	if (!rng_below(&p->rng, 3))
		at_once(p, &c->job);
}

static void act_describe(struct people *p, struct client *c)
{
	const struct known *device = pick(p, POOL_DEVICES), *setting = pick(p, POOL_SETTINGS);
	struct device_row noted = { .note = text_of(&c->job, "note %llu", ++p->names), .mtu = 1280 };
	struct setting_row valued = { .value = noted.note, .has = BIT(AT_setting_value) };

	noted.has = BIT(AT_device_note) | BIT(AT_device_mtu);
	c->job.asker.writes = BY_OWNER;
	if (device && rng_below(&p->rng, 2)) {
		c->job.asker.writes = BY_SELF;
		c->job.asker.user = device->owner;
		set(&c->job, KIND_TABLE(device), device->id, &noted);
	} else if (setting) {
		set(&c->job, KIND_TABLE(setting), setting->id, &valued);
	}
	if (c->job.count && !rng_below(&p->rng, 3))
		at_once(p, &c->job);
}

/* A nil for the value. */
static void act_unset(struct people *p, struct client *c)
{
	const struct known *user = pick(p, POOL_USERS);
	struct buf map = buf_growing(64);

	if (user) {
		mp_put_map(&map, 1);
		mp_put_uint(&map, FIELD_TABLE(user, name)->number);
		mp_put_nil(&map);
		add_change(&c->job, CHANGE_SET, KIND_user)->id = user->id;
		c->job.changes[0].map = arena_copy(&c->job.arena, buf_bytes(&map));
		c->job.asker.writes = BY_OWNER;
		c->job.refusals |= code_bit(E_ABSENT) | code_bit(E_VALUE);
	}
	buf_done(&map);
}

static void act_password(struct people *p, struct client *c)
{
	const struct known *user = pick(p, POOL_USERS), *password = pick(p, POOL_PASSWORDS);
	struct password_row row = { .hash = text_of(&c->job, "argon %llu", ++p->names), .hash_guard = { 1, false } };

	c->job.asker.writes = BY_AGENT;
	if (password && rng_below(&p->rng, 2)) {
		row.has = BIT(AT_password_hash);
		set(&c->job, KIND_TABLE(password), password->id, &row);
	} else if (user) {
		row.user = user->id;
		row.has = BIT(AT_password_user) | BIT(AT_password_hash);
		create(&c->job, KIND_TABLE(password), &row);
		c->job.refusals |= code_bit(E_ABSENT) | code_bit(E_TAKEN);
	}
	if (c->job.count && !rng_below(&p->rng, 3))
		at_once(p, &c->job);
}

static void act_role(struct people *p, struct client *c)
{
	const struct known *user = pick(p, POOL_USERS);
	struct user_row row = { .role = 1 + rng_below(&p->rng, 5),
				.role_guard = { 1, false },
				.has = BIT(AT_user_role) };

	if (!user)
		return;
	c->job.asker.writes = BY_OWNER;
	/* The last owner stays. */
	c->job.refusals |= code_bit(E_DENIED);
	set(&c->job, KIND_TABLE(user), user->id, &row);
	if (!rng_below(&p->rng, 3))
		at_once(p, &c->job);
}

static void act_expires(struct people *p, struct client *c)
{
	const struct known *user = pick(p, POOL_USERS);
	struct user_row row = { .expires = { SIM_EPOCH_MS + rng_below(&p->rng, 1000000) },
				.expires_guard = { 1, false },
				.has = BIT(AT_user_expires) };

	if (!user)
		return;
	c->job.asker.writes = BY_OWNER;
	set(&c->job, KIND_TABLE(user), user->id, &row);
}

static void act_choose_plan(struct people *p, struct client *c)
{
	const struct known *user = pick(p, POOL_USERS), *plan = pick(p, POOL_PLANS);
	struct user_row row = { .has = BIT(AT_user_plan) };

	if (!user || !plan)
		return;
	row.plan = plan->id;
	c->job.asker.writes = BY_OWNER;
	set(&c->job, KIND_TABLE(user), user->id, &row);
}

/* --- What goes. */

static void act_release(struct people *p, struct client *c)
{
	const struct known *hold = pick(p, POOL_HOLDS);

	if (!hold)
		return;
	c->job.asker.writes = BY_OWNER;
	unmake(&c->job, hold);
}

static void act_remove_device(struct people *p, struct client *c)
{
	const struct known *device = pick(p, POOL_DEVICES);

	if (!device)
		return;
	c->job.asker.writes = rng_below(&p->rng, 2) ? BY_SELF : BY_OWNER;
	c->job.asker.user = device->owner;
	unmake(&c->job, device);
	/* Where its user is gone already, it is nobody's. */
	c->job.refusals |= code_bit(E_DENIED);
	c->job.is_repeatable = false;
	if (!rng_below(&p->rng, 3))
		at_once(p, &c->job);
}

static void act_remove_user(struct people *p, struct client *c)
{
	const struct known *user = pick(p, POOL_USERS);

	if (!user)
		return;
	c->job.asker.writes = BY_OWNER;
	c->job.refusals |= code_bit(E_DENIED);
	unmake(&c->job, user);
}

static void act_remove_other(struct people *p, struct client *c)
{
	static const enum pool_name pools[] = { POOL_GROUPS,   POOL_PLANS,       POOL_GATEWAYS, POOL_POLICIES,
						POOL_SETTINGS, POOL_MEMBERSHIPS, POOL_BINDINGS };
	const struct known *known = pick(p, pools[rng_below(&p->rng, COUNT(pools))]);

	if (!known)
		return;
	c->job.asker.writes = BY_OWNER | BY_ADMIN | BY_OPERATOR;
	/* A plan that users have stays. */
	c->job.refusals |= code_bit(E_TAKEN);
	unmake(&c->job, known);
}

/* A revoked key never comes back; where its end was written, that is known. */
static void act_reenrol(struct people *p, struct client *c)
{
	const struct known *revoked = pick(p, POOL_REVOKED), *user = pick(p, POOL_USERS);

	if (!revoked || !user || p->is_lost[revoked->machine] || !world_is_up(p->world, revoked->machine))
		return;
	if (c->machine != revoked->machine)
		c->is_covered = false;
	c->machine = revoked->machine;
	make_device(p, &c->job, rng_below(&p->rng, 2) ? user->id : revoked->owner, revoked->key);
	c->job.asker.writes = BY_OWNER;
	c->job.must_be_refused = true;
	c->job.is_revoked = true;
	c->job.is_repeatable = false;
}

/* --- The rest. */

static void act_usage(struct people *p, struct client *c)
{
	const struct known *usage = pick(p, POOL_USAGE), *device = pick(p, POOL_DEVICES);
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
		set(&c->job, KIND_TABLE(usage), usage->id, &row);
	} else if (device) {
		row.device = device->id;
		row.has |= BIT(AT_usage_device) | BIT(AT_usage_period);
		create(&c->job, KIND_TABLE(usage), &row);
		c->job.refusals |= code_bit(E_TAKEN) | code_bit(E_ABSENT);
	} else {
		return;
	}
	c->job.about[0].total = total;
}

/* A user with a password, a device and a hold on it: one request. */
static void act_bulk(struct people *p, struct client *c)
{
	struct job *job = &c->job;
	struct password_row password = { .user = judge_made(0),
					 .hash = bytes_text("argon"),
					 .hash_guard = { 1, false },
					 .has = BIT(AT_password_user) | BIT(AT_password_hash) };
	struct hold_row hold = { .subject = { KIND_device, judge_made(2) }, .has = BIT(AT_hold_subject) };

	act_user(p, c);
	create(job, KIND_TABLE(password), &password);
	make_device(p, job, judge_made(0), random_key(p));
	create(job, KIND_TABLE(hold), &hold);
	make_setting(p, job);
	job->asker.writes = BY_OWNER | BY_ADMIN | BY_AGENT;
}

/* As themselves people change their own name. */
static void act_own(struct people *p, struct client *c)
{
	const struct known *user = pick(p, POOL_USERS);
	struct user_row row = { .name = text_of(&c->job, "Name %llu", ++p->names),
				.language = bytes_text("de"),
				.has = BIT(AT_user_name) | BIT(AT_user_language) };

	if (!user)
		return;
	c->job.asker.writes = BY_SELF;
	c->job.asker.user = user->id;
	set(&c->job, KIND_TABLE(user), user->id, &row);
}

/* Two new groups of one name. */
static void make_namesakes(struct people *p, struct client *c)
{
	struct group_row row = { .name = text_of(&c->job, "twice-%llu", ++p->names), .has = BIT(AT_group_name) };

	c->job.asker.writes = BY_OPERATOR;
	c->job.refusals = code_bit(E_TAKEN);
	create(&c->job, KIND_TABLE(group), &row);
	create(&c->job, KIND_TABLE(group), &row);
}

/* Only an owner makes an owner; nobody says what a machine is; operators sign. */
static void make_upstart(struct people *p, struct client *c)
{
	struct user_row user = { .login = text_of(&c->job, "upstart-%llu", ++p->names),
				 .role = ROLE_OWNER,
				 .role_guard = { 1, false },
				 .has = BIT(AT_user_login) | BIT(AT_user_role) };
	struct gateway_fact_row fact = { .version = bytes_text("9"), .has = BIT(AT_gateway_fact_version) };
	struct level_row level = { .level = 3, .has = BIT(AT_level_level) };

	c->job.refusals = code_bit(E_DENIED);
	c->job.asker.writes = BY_ADMIN;
	switch (rng_below(&p->rng, 3)) {
	case 0: create(&c->job, KIND_TABLE(user), &user); break;
	case 1: create(&c->job, KIND_TABLE(gateway_fact), &fact); break;
	default: create(&c->job, KIND_TABLE(level), &level); break;
	}
}

/* Changes what is not there, or a part of it that nobody changes, or sets what only others set. */
static void make_mistake(struct people *p, struct client *c)
{
	const struct known *device = pick(p, POOL_DEVICES), *user = pick(p, POOL_USERS);
	struct group_row group = { .name = bytes_text("gone"), .has = BIT(AT_group_name) };
	struct device_row key = { .public_key = random_key(p), .has = BIT(AT_device_public_key) };
	struct user_row row = { .role = ROLE_ADMIN, .role_guard = { 1, false }, .has = BIT(AT_user_role) };
	struct id nobody;

	rng_fill(&p->rng, nobody.bytes, sizeof nobody.bytes);
	c->job.asker.writes = BY_OWNER;
	c->job.refusals = code_bit(E_ABSENT);
	switch (rng_below(&p->rng, 3)) {
	case 0: set(&c->job, KIND_TABLE(group), nobody, &group); break;
	case 1:
		if (device)
			set(&c->job, KIND_TABLE(device), device->id, &key);
		c->job.refusals |= code_bit(E_VALUE);
		break;
	default:
		if (user)
			set(&c->job, KIND_TABLE(user), user->id, &row);
		c->job.asker.writes = BY_SELF;
		c->job.asker.user = nobody;
		c->job.refusals |= code_bit(E_DENIED);
	}
}

static void act_forbidden(struct people *p, struct client *c)
{
	struct group_row group = { .name = text_of(&c->job, "alone-%llu", ++p->names), .has = BIT(AT_group_name) };

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
	c->job.refusals = code_bit(E_VALUE);
	create(&c->job, KIND_TABLE(group), &group);
}

/* One name, given at several machines at once. */
static void act_crowd(struct people *p, struct client *c)
{
	struct user_row row = { .login = text_of(&c->job, "crowd-%llu", ++p->names), .has = BIT(AT_user_login) };

	c->job.asker.writes = BY_OPERATOR;
	c->job.refusals = code_bit(E_TAKEN);
	create(&c->job, KIND_TABLE(user), &row);
	at_once(p, &c->job);
	p->counts.collided++;
}

static void act_diary(struct people *p, struct client *c)
{
	struct setting_row row = { .name = text_of(&c->job, "diary-%llu", (unsigned long long)(c - p->clients)) };

	if (!c->is_covered && c->has_diary)
		return;
	c->job.is_diary = true;
	c->job.is_repeatable = false;
	c->job.asker.writes = BY_OWNER;
	row.value = text_of(&c->job, "page %llu", c->page + 1);
	row.has = BIT(AT_setting_value) | (c->has_diary ? 0 : BIT(AT_setting_name));
	if (c->has_diary)
		set(&c->job, KIND_TABLE(setting), c->diary, &row);
	else
		create(&c->job, KIND_TABLE(setting), &row);
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
		c->job.refusals |= code_bit(E_DENIED);
	want_copies(p, c, &c->job);
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
