/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"
#include "tests/sim/people_inside.h"

#include <assert.h>
#include <stdio.h>

enum { COMMON_NAMES = 12 };

const struct known *pool_pick(struct people *p, enum pool_name name)
{
	struct pool *pool = &p->pools[name];

	return pool->count ? &pool->all[rng_below(&p->rng, pool->count)] : NULL;
}

void pool_add(struct people *p, enum pool_name name, struct known known)
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

void pool_drop(struct people *p, enum pool_name name, struct id id)
{
	struct pool *pool = &p->pools[name];

	for (size_t i = 0; i < pool->count; i++)
		if (id_equal(pool->all[i].id, id))
			pool->all[i--] = pool->all[--pool->count];
}

struct change *job_change(struct job *job, enum change_what what, uint32_t kind)
{
	assert(job->count < JOB_CHANGES);
	job->changes[job->count] = (struct change){ .what = what, .kind = kind };
	job->about[job->count] = (struct known){ .kind = kind };
	return &job->changes[job->count++];
}

struct bytes job_pack(struct job *job, const struct shape *shape, const void *row)
{
	struct buf map = buf_growing(MODEL_OP_MAX);
	struct bytes copy;

	pack_write(shape, row, &map);
	assert(!map.is_full);
	copy = arena_copy(&job->arena, buf_bytes(&map));
	buf_done(&map);
	return copy;
}

void job_create(struct job *job, const struct kind *kind, const void *row)
{
	struct bytes map = job_pack(job, &kind->shape, row);

	job_change(job, CHANGE_CREATE, kind->number)->map = map;
}

void job_set(struct job *job, const struct kind *kind, struct id id, const void *row)
{
	struct change *change = job_change(job, CHANGE_SET, kind->number);

	change->map = job_pack(job, &kind->shape, row);
	change->id = id;
	job->about[job->count - 1].id = id;
	/* Somebody may have removed it, and it may not be here yet, or only a part of it. */
	job->refusals |= job_code(E_ABSENT) | job_code(E_VALUE);
}

void job_remove(struct job *job, const struct known *known)
{
	job_change(job, CHANGE_REMOVE, known->kind)->id = known->id;
	job->about[job->count - 1] = *known;
	job->refusals |= job_code(E_ABSENT);
}

struct bytes job_text(struct job *job, const char *format, unsigned long long number)
{
	char text[48];

	snprintf(text, sizeof text, format, number);
	return arena_copy(&job->arena, bytes_text(text));
}

/* One that nobody else gives, or one that others give too. */
struct bytes job_name(struct people *p, struct job *job)
{
	job->refusals |= job_code(E_TAKEN);
	if (rng_below(&p->rng, 4))
		return job_text(job, "name-%llu", ++p->names);
	return job_text(job, "common-%llu", rng_below(&p->rng, COMMON_NAMES));
}

/* The same at several machines at once. */
void job_at_once(struct people *p, struct job *job)
{
	job->machines = 2 + (uint32_t)rng_below(&p->rng, AT_ONCE_MAX - 1);
	job->is_repeatable = false;
}

void job_as_staff(struct people *p, struct job *job)
{
	job->asker.writes = rng_below(&p->rng, 3) ? BY_OWNER | BY_ADMIN : BY_ADMIN;
}

struct key32 people_key(struct people *p)
{
	struct key32 key;

	rng_fill(&p->rng, key.bytes, sizeof key.bytes);
	return key;
}
