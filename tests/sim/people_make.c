/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"
#include "tests/sim/people_inside.h"

/* --- What is made. Each fills the job, or leaves it empty because there is nothing to do it with. */

void act_user(struct people *p, struct client *c)
{
	struct user_row row = { .login = job_name(p, &c->job), .name = bytes_text("Somebody") };
	const struct known *plan = rng_below(&p->rng, 2) ? pool_pick(p, POOL_PLANS) : NULL;

	row.has = BIT(AT_user_login) | BIT(AT_user_name);
	if (plan) {
		row.plan = plan->id;
		row.has |= BIT(AT_user_plan);
		c->job.refusals |= job_code(E_ABSENT);
	}
	c->job.asker.writes = rng_below(&p->rng, 2) ? BY_OPERATOR : BY_OWNER | BY_ADMIN;
	job_create(&c->job, KIND_TABLE(user), &row);
}

void act_group(struct people *p, struct client *c)
{
	struct group_row row = { .name = job_name(p, &c->job), .has = BIT(AT_group_name) };

	c->job.asker.writes = BY_OPERATOR;
	job_create(&c->job, KIND_TABLE(group), &row);
}

void act_plan(struct people *p, struct client *c)
{
	struct plan_row row = { .name = job_name(p, &c->job), .devices = 1 + rng_below(&p->rng, 4) };

	row.has = BIT(AT_plan_name) | (rng_below(&p->rng, 2) ? BIT(AT_plan_devices) : 0);
	job_as_staff(p, &c->job);
	job_create(&c->job, KIND_TABLE(plan), &row);
}

void act_gateway(struct people *p, struct client *c)
{
	struct gateway_row row = { .name = job_name(p, &c->job), .location = bytes_text("Frankfurt, Germany") };

	row.has = BIT(AT_gateway_name) | BIT(AT_gateway_location);
	job_as_staff(p, &c->job);
	job_create(&c->job, KIND_TABLE(gateway), &row);
}

static void make_setting(struct people *p, struct job *job)
{
	size_t size = (size_t)rng_below(&p->rng, rng_below(&p->rng, 10) ? 60 : 3900);
	struct setting_row row = { .name = job_text(job, "setting-%llu", rng_below(&p->rng, 1000)) };
	uint8_t *value = arena_take(&job->arena, size + 1);

	memset(value, 'x', size + 1);
	row.value = bytes_of(value, size + 1);
	row.has = BIT(AT_setting_name) | BIT(AT_setting_value);
	job_as_staff(p, job);
	job_create(job, KIND_TABLE(setting), &row);
}

void act_setting(struct people *p, struct client *c)
{
	make_setting(p, &c->job);
}

void act_policy(struct people *p, struct client *c)
{
	struct policy_row row = { .name = job_name(p, &c->job), .has = BIT(AT_policy_name) };

	job_as_staff(p, &c->job);
	job_create(&c->job, KIND_TABLE(policy), &row);
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
					 .note = job_text(job, "rule %llu", ++p->names) };
		struct bytes packed;

		rule.has = BIT(AT_rule_verdict) | BIT(AT_rule_note);
		packed = job_pack(job, &model_parts[PART_rule], &rule);
		pack_write_slot(field, &packed, &items);
	}
	list.items = arena_copy(&job->arena, buf_bytes(&items));
	buf_done(&items);
	return list;
}

void act_version(struct people *p, struct client *c)
{
	const struct known *policy = pool_pick(p, POOL_POLICIES);
	struct policy_version_row row = { .has = BIT(AT_policy_version_policy) | BIT(AT_policy_version_rules) };

	if (!policy)
		return;
	row.policy = policy->id;
	row.rules = some_rules(p, &c->job);
	job_as_staff(p, &c->job);
	/* Its id follows from the heads that its author sees. */
	c->job.is_repeatable = false;
	c->job.refusals |= job_code(E_ABSENT) | job_code(E_TAKEN);
	job_create(&c->job, KIND_TABLE(policy_version), &row);
	if (!rng_below(&p->rng, 4))
		job_at_once(p, &c->job);
}

static const struct known *pick_subject(struct people *p)
{
	static const enum pool_name pools[] = { POOL_USERS, POOL_GROUPS, POOL_DEVICES };

	return pool_pick(p, pools[rng_below(&p->rng, COUNT(pools))]);
}

void act_binding(struct people *p, struct client *c)
{
	const struct known *policy = pool_pick(p, POOL_POLICIES), *subject = pick_subject(p);
	struct binding_row row = { .has = BIT(AT_binding_policy) };

	if (!policy)
		return;
	row.policy = policy->id;
	if (subject) {
		row.subject = (struct ref){ subject->kind, subject->id };
		row.has |= BIT(AT_binding_subject);
	}
	job_as_staff(p, &c->job);
	c->job.refusals |= job_code(E_ABSENT);
	job_create(&c->job, KIND_TABLE(binding), &row);
}

void act_membership(struct people *p, struct client *c)
{
	const struct known *user = pool_pick(p, POOL_USERS), *group = pool_pick(p, POOL_GROUPS);
	struct membership_row row = { .has = BIT(AT_membership_user) | BIT(AT_membership_group) };

	if (!user || !group)
		return;
	row.user = user->id;
	row.group = group->id;
	c->job.asker.writes = BY_OWNER | BY_ADMIN | BY_OPERATOR;
	c->job.refusals |= job_code(E_ABSENT);
	job_create(&c->job, KIND_TABLE(membership), &row);
}

void job_device(struct people *p, struct job *job, struct id owner, struct key32 key)
{
	struct device_row row = { .public_key = key, .owner = owner, .name = job_name(p, job) };

	row.has = BIT(AT_device_public_key) | BIT(AT_device_owner) | BIT(AT_device_name);
	job_create(job, KIND_TABLE(device), &row);
	job->about[job->count - 1].key = key;
	job->about[job->count - 1].owner = owner;
	job->refusals |= job_code(E_ABSENT) | job_code(E_LIMIT) | job_code(E_TAKEN);
}

void act_device(struct people *p, struct client *c)
{
	const struct known *user = pool_pick(p, POOL_USERS);

	if (!user)
		return;
	job_device(p, &c->job, user->id, people_key(p));
	c->job.asker.writes = rng_below(&p->rng, 2) ? BY_SELF : BY_OWNER;
	c->job.asker.user = user->id;
	if (rng_below(&p->rng, 2)) {
		c->job.asker.has_actor = true;
		c->job.asker.actor = (struct ref){ KIND_user, user->id };
	}
	if (!rng_below(&p->rng, 6)) {
		job_at_once(p, &c->job);
		p->counts.collided++;
	}
}

/* Small ones, so that they run dry; some have addresses of others. */
void act_pool(struct people *p, struct client *c)
{
	static const struct known none;
	struct pool_row row = { .has = BIT(AT_pool_name) | BIT(AT_pool_network4) };
	const struct known *known = p->pools[POOL_POOLS].count > 2 ? pool_pick(p, POOL_POOLS) : &none;

	/* There are enough of them: one goes, and may come again. */
	if (known != &none && rng_below(&p->rng, 4))
		return;
	row.name = job_name(p, &c->job);
	row.network4 = (struct network){ .address = { .size = 4 }, .prefix = (uint8_t)(26 + rng_below(&p->rng, 3)) };
	row.network4.address.bytes[0] = 10;
	row.network4.address.bytes[2] = (uint8_t)rng_below(&p->rng, 8);
	job_as_staff(p, &c->job);
	c->job.is_repeatable = false;
	job_create(&c->job, KIND_TABLE(pool), &row);
}

void act_interface(struct people *p, struct client *c)
{
	const struct known *gateway = pool_pick(p, POOL_GATEWAYS), *pool = pool_pick(p, POOL_POOLS);
	struct interface_row row = { .has = BIT(AT_interface_gateway) | BIT(AT_interface_pool) |
					    BIT(AT_interface_name) | BIT(AT_interface_port),
				     .name = bytes_text("wg0"),
				     .port = 51820 };

	if (!gateway || !pool)
		return;
	row.gateway = gateway->id;
	row.pool = pool->id;
	job_as_staff(p, &c->job);
	c->job.refusals |= job_code(E_ABSENT) | job_code(E_TAKEN);
	job_create(&c->job, KIND_TABLE(interface), &row);
}

/* What a lease comes to where several pools overlap on a gateway, or one has no address left. */
static void add_lease(struct job *job, struct id device, struct id pool)
{
	struct lease_row row = { .has = BIT(AT_lease_device) | BIT(AT_lease_pool), .device = device, .pool = pool };

	job_create(job, KIND_TABLE(lease), &row);
	job->asker.writes |= BY_OWNER | BY_AGENT;
	job->refusals |= job_code(E_ABSENT) | job_code(E_TAKEN) | job_code(E_VALUE) | job_code(E_DRY);
	/* Another member makes another lease of it. */
	job->is_repeatable = false;
}

void act_lease(struct people *p, struct client *c)
{
	const struct known *device = pool_pick(p, POOL_DEVICES), *pool = pool_pick(p, POOL_POOLS);

	if (!device || !pool)
		return;
	add_lease(&c->job, device->id, pool->id);
	if (!rng_below(&p->rng, 4))
		job_at_once(p, &c->job);
}

/* A device with its address, in one request. */
void act_enrol(struct people *p, struct client *c)
{
	const struct known *user = pool_pick(p, POOL_USERS), *pool = pool_pick(p, POOL_POOLS);

	if (!user || !pool)
		return;
	job_device(p, &c->job, user->id, people_key(p));
	add_lease(&c->job, judge_made(0), pool->id);
}

void act_hold(struct people *p, struct client *c)
{
	const struct known *subject = pick_subject(p);
	struct hold_row row = { .reason = bytes_text("until she is back"),
				.has = BIT(AT_hold_subject) | BIT(AT_hold_reason) };

	if (!subject)
		return;
	row.subject = (struct ref){ subject->kind, subject->id };
	c->job.asker.writes = BY_OWNER;
	c->job.refusals |= job_code(E_ABSENT);
	job_create(&c->job, KIND_TABLE(hold), &row);
	c->job.about[0].owner = subject->id;
}

/* A user with a password, a device and a hold on it: one request. */
void act_bulk(struct people *p, struct client *c)
{
	struct job *job = &c->job;
	struct password_row password = { .user = judge_made(0),
					 .hash = bytes_text("argon"),
					 .hash_guard = { 1, false },
					 .has = BIT(AT_password_user) | BIT(AT_password_hash) };
	struct hold_row hold = { .subject = { KIND_device, judge_made(2) }, .has = BIT(AT_hold_subject) };

	act_user(p, c);
	job_create(job, KIND_TABLE(password), &password);
	job_device(p, job, judge_made(0), people_key(p));
	job_create(job, KIND_TABLE(hold), &hold);
	make_setting(p, job);
	job->asker.writes = BY_OWNER | BY_ADMIN | BY_AGENT;
}

/* More at once than a link takes before it is acknowledged. */
void act_burst(struct people *p, struct client *c)
{
	struct job *job = &c->job;
	struct setting_row row = { .name = bytes_text("burst") };
	uint8_t *value;

	if (rng_below(&p->rng, 8))
		return;
	value = arena_take(&job->arena, MODEL_CELL_MAX);
	memset(value, 'y', MODEL_CELL_MAX);
	row.value = bytes_of(value, 3900);
	row.has = BIT(AT_setting_name) | BIT(AT_setting_value);
	for (int i = 0; i < JOB_CHANGES; i++)
		job_create(job, KIND_TABLE(setting), &row);
	job->asker.writes = BY_OWNER;
	job->is_repeatable = false;
	job->burst = 16;
}
