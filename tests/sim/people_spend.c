/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"
#include "tests/sim/people_inside.h"

/* --- What can be used but so often: one-time links and enrolment tokens. */

enum { USES_MAX = 3 };

static const uint8_t secret[32] = { 1 };

static void make_link(struct people *p, struct job *job, const struct known *user)
{
	struct one_time_link_row row = { .hash = bytes_of(secret, sizeof secret),
					 .purpose = PURPOSE_PASSWORD,
					 .subject = { KIND_user, user->id },
					 .expires = { SIM_EPOCH_MS + 60000 + rng_below(&p->rng, 4000000) },
					 .has = BIT(AT_one_time_link_hash) | BIT(AT_one_time_link_purpose) |
						BIT(AT_one_time_link_subject) | BIT(AT_one_time_link_expires) };

	job_create(job, KIND_TABLE(one_time_link), &row);
}

static void make_token(struct people *p, struct job *job, const struct known *user)
{
	struct enrolment_token_row row = { .hash = bytes_of(secret, sizeof secret),
					   .uses = 1 + rng_below(&p->rng, USES_MAX),
					   .user = user->id,
					   .name = job_text(job, "token-%llu", ++p->names),
					   .expires = { SIM_EPOCH_MS + 60000 + rng_below(&p->rng, 4000000) },
					   .has = BIT(AT_enrolment_token_hash) | BIT(AT_enrolment_token_uses) |
						  BIT(AT_enrolment_token_user) | BIT(AT_enrolment_token_name) |
						  BIT(AT_enrolment_token_expires) };

	job_create(job, KIND_TABLE(enrolment_token), &row);
}

/* Its home is the machine that is asked, so under one key two machines make two. */
void act_credential(struct people *p, struct client *c)
{
	const struct known *user = pool_pick(p, POOL_USERS);

	if (!user)
		return;
	if (rng_below(&p->rng, 2))
		make_link(p, &c->job, user);
	else
		make_token(p, &c->job, user);
	c->job.about[0].owner = user->id;
	c->job.asker.writes = BY_AGENT | BY_OPERATOR;
	c->job.refusals |= job_code(E_ABSENT) | job_code(E_DENIED);
	c->job.is_repeatable = false;
}

/* What it is spent for comes in the same request: a token's device, a link's password. */
static void add_made(struct people *p, struct job *job, const struct known *credential, struct spend_row *row)
{
	if (credential->kind != KIND_enrolment_token || !rng_below(&p->rng, 3))
		return;
	job_device(p, job, credential->owner, people_key(p));
	row->made = (struct ref){ KIND_device, judge_made(0) };
	row->has |= BIT(AT_spend_made);
}

void act_spend(struct people *p, struct client *c)
{
	const struct known *credential = pool_pick(p, POOL_CREDENTIALS);
	struct spend_row row = { .has = BIT(AT_spend_credential) };

	if (!credential)
		return;
	row.credential = (struct ref){ credential->kind, credential->id };
	add_made(p, &c->job, credential, &row);
	job_create(&c->job, KIND_TABLE(spend), &row);
	c->job.asker.writes = BY_AGENT | BY_OWNER;
	c->job.spends = true;
	c->job.is_repeatable = rng_below(&p->rng, 4);
	/* Used up, removed, expired, off, or kept by one that left no heir. */
	c->job.refusals |= job_code(E_TAKEN) | job_code(E_ABSENT) | job_code(E_DENIED);
	if (!c->job.is_repeatable && !rng_below(&p->rng, 3))
		job_at_once(p, &c->job);
}

void people_spent(struct people *p, struct client *c, struct machine *machine, const struct reply *reply)
{
	check_spent(p->check, machine, reply);
	p->counts.spent += !reply->code;
	p->counts.spent_up += reply->code == E_TAKEN;
	p->counts.spent_busy += reply->code == E_BUSY;
	/* The token may be of the machine that did it: only where that is covered the client reads what came of it. */
	if (!reply->code) {
		c->is_covered = false;
		c->mine_count = 0;
		c->has_diary = false;
	}
}
