/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/heart.h"

#include "agent/heart_told.h"
#include "crdt/gossip/link.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* What is stepped together at most: more would make the first of them wait for the last. */
enum { BATCH_EVENTS = 4096, BATCH_BYTES = 8 << 20 };

#define NS_PER_S UINT64_C(1000000000)

struct job {
	struct job *next;
	struct node_event event;
	bool is_look;
	void (*look)(void *context, const struct node *node);
	void (*done)(void *context);
	void *context;
	struct arena arena; /* what the event borrows */
	size_t size;
};

struct heart {
	struct node *node;
	struct heart_told told;
	uint64_t last_request;
	pthread_t thread;

	/* Between the threads. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *first, **last;
	bool is_ending;

	/* The heart's own. */
	struct rng rng;
	struct effects effects;
	struct heart_standing standing;
	bool has_failed;
	uint32_t *known; /* links whose peers were told; ascending */
	size_t known_count, known_room;

	void (*closed)(void *context);
	void *closed_context;
};

static struct mono_time mono_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (struct mono_time){ (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec };
}

static struct wall_time wall_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec < 0)
		return (struct wall_time){ 0 };
	return (struct wall_time){ (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 };
}

/* --- What the node tells, from its effects on. */

static void tell_send(void *context, uint32_t link, struct bytes bytes)
{
	struct heart *heart = context;

	heart_tell(&heart->told, (struct told){ .what = TOLD_SEND, .link = link }, &bytes, 1);
}

static void tell_close(void *context, uint32_t link)
{
	struct heart *heart = context;

	heart_tell(&heart->told, (struct told){ .what = TOLD_CLOSE, .link = link }, NULL, 0);
}

static void tell_dial(void *context, uint64_t node)
{
	struct heart *heart = context;

	heart_tell(&heart->told, (struct told){ .what = TOLD_DIAL, .number = node }, NULL, 0);
}

static void tell_reply(void *context, const struct reply *reply)
{
	struct heart *heart = context;

	heart_tell_reply(&heart->told, reply);
}

static void tell_changed(void *context, uint32_t kind, struct id id)
{
	struct heart *heart = context;
	struct bytes bytes = bytes_of(id.bytes, sizeof id.bytes);

	heart_tell(&heart->told, (struct told){ .what = TOLD_CHANGED, .number = kind }, &bytes, 1);
}

static void tell_alarm(void *context, const char *text)
{
	struct heart *heart = context;
	struct bytes bytes = bytes_of(text, strlen(text) + 1);

	heart_tell(&heart->told, (struct told){ .what = TOLD_ALARM }, &bytes, 1);
}

/* --- The thread. */

static bool is_on_link(const struct node_event *event)
{
	return event->kind == EVENT_BYTES;
}

/* Where the link is among those whose peers were told, or would be. */
static size_t place_of(const struct heart *heart, uint32_t number)
{
	size_t low = 0, high = heart->known_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (heart->known[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Whether the link's peer is known since that step, and was not before. */
static void tell_known(struct heart *heart, uint32_t number)
{
	const struct link *link = link_find(node_mesh(heart->node), number);
	size_t at = place_of(heart, number);

	if (!link || !link->peer || (at < heart->known_count && heart->known[at] == number))
		return;
	if (heart->known_count == heart->known_room) {
		heart->known_room = 2 * heart->known_room + 64;
		heart->known = must_realloc(heart->known, heart->known_room * sizeof *heart->known);
	}
	memmove(heart->known + at + 1, heart->known + at, (heart->known_count - at) * sizeof *heart->known);
	heart->known[at] = number;
	heart->known_count++;
	heart_tell(&heart->told, (struct told){ .what = TOLD_KNOWN, .link = number, .number = link->peer->node }, NULL,
		   0);
}

/* Links that are no more: so the list is as long as there are links. */
static void forget_gone(struct heart *heart)
{
	const struct mesh *mesh = node_mesh(heart->node);
	size_t kept = 0;

	if (heart->known_count <= mesh->links_count)
		return;
	for (size_t i = 0; i < heart->known_count; i++)
		if (link_find(mesh, heart->known[i]))
			heart->known[kept++] = heart->known[i];
	heart->known_count = kept;
}

static void tell_standing(struct heart *heart)
{
	const struct mesh *mesh = node_mesh(heart->node);
	struct heart_standing now = { .is_told = true,
				      .is_member = mesh->is_member,
				      .is_evicted = mesh->is_evicted,
				      .is_twin = mesh->is_twin,
				      .may_serve = exchange_may_serve(mesh),
				      .is_whole = exchange_is_whole(mesh),
				      .is_stale = mesh->exchange.is_stale };
	struct bytes bytes = bytes_of(&now, sizeof now);

	snprintf(now.refusal, sizeof now.refusal, "%s", mesh->join_refusal);
	if (!memcmp(&now, &heart->standing, sizeof now))
		return;
	heart->standing = now;
	heart_tell(&heart->told, (struct told){ .what = TOLD_STANDING }, &bytes, 1);
}

static enum code step(struct heart *heart, struct node_event *event, struct mono_time now, struct wall_time wall,
		      struct err *err)
{
	enum code code;

	event->now = now;
	event->wall = wall;
	rng_fill(&heart->rng, event->random, sizeof event->random);
	code = node_step(heart->node, event, err);
	if (is_on_link(event)) {
		heart_tell(&heart->told, (struct told){ .what = TOLD_TOOK, .link = event->link.number }, NULL, 0);
		tell_known(heart, event->link.number);
	}
	return code;
}

/* Until something waits, it is to end, or the node wants its tick, which one that failed gets no more. */
static void await_jobs(struct heart *heart)
{
	uint64_t due = heart->has_failed ? UINT64_MAX : node_next(heart->node).ns;
	struct timespec until = { (time_t)(due / NS_PER_S), (long)(due % NS_PER_S) };

	while (!heart->first && !heart->is_ending && mono_now().ns < due)
		pthread_cond_timedwait(&heart->wake, &heart->lock, &until);
}

/* What came to wait, up to what is stepped together; false: it is to end, and nothing waits any more. */
static bool take_jobs(struct heart *heart, struct job **ret_jobs)
{
	struct job **end = ret_jobs;
	size_t count = 0, size = 0;
	bool goes_on;

	pthread_mutex_lock(&heart->lock);
	await_jobs(heart);
	*end = heart->first;
	while (*end && count++ < BATCH_EVENTS && size < BATCH_BYTES) {
		size += (*end)->size;
		end = &(*end)->next;
	}
	heart->first = *end;
	*end = NULL;
	if (!heart->first)
		heart->last = &heart->first;
	goes_on = *ret_jobs || !heart->is_ending;
	pthread_mutex_unlock(&heart->lock);
	return goes_on;
}

static void job_free(struct job *job)
{
	arena_done(&job->arena);
	free(job);
}

/* The events of one commit. Looks see what is durable, so they come after it. */
static enum code step_all(struct heart *heart, struct job *jobs, struct err *err)
{
	struct mono_time now = mono_now();
	struct wall_time wall = wall_now();
	struct node_event tick = { .kind = EVENT_TICK };
	uint8_t seed[32];
	enum code code = OK, failed = OK;

	randombytes_buf(seed, sizeof seed);
	rng_reseed(&heart->rng, seed);
	sodium_memzero(seed, sizeof seed);
	for (struct job *job = jobs; job; job = job->next) {
		if (job->is_look)
			continue;
		code = step(heart, &job->event, now, wall, err);
		/* What a failed step began is taken back, with all before it; what comes next is tried anew. */
		if (code) {
			failed = node_commit(heart->node, code, err);
			if (failed && failed != E_FULL)
				return failed;
		}
	}
	if (now.ns >= node_next(heart->node).ns)
		code = step(heart, &tick, now, wall, err);
	else
		code = OK;
	failed = node_commit(heart->node, code, err);
	return failed == E_FULL ? OK : failed;
}

static void tell_looks(struct heart *heart, const struct job *jobs)
{
	for (const struct job *job = jobs; job; job = job->next) {
		struct told_look look = { job->done, job->context };
		struct bytes bytes = bytes_of(&look, sizeof look);

		if (!job->is_look)
			continue;
		job->look(job->context, heart->node);
		heart_tell(&heart->told, (struct told){ .what = TOLD_LOOKED }, &bytes, 1);
	}
}

static void tell_failed(struct heart *heart, enum code code, const struct err *err)
{
	struct bytes bytes = bytes_of(err->text, strlen(err->text) + 1);

	heart_tell(&heart->told, (struct told){ .what = TOLD_FAILED, .number = (uint64_t) - (int64_t)code }, &bytes, 1);
}

static void *run(void *context)
{
	struct heart *heart = context;
	struct job *jobs = NULL;

	while (take_jobs(heart, &jobs)) {
		struct err err = { 0 };
		enum code code = heart->has_failed ? OK : step_all(heart, jobs, &err);

		if (code) {
			heart->has_failed = true;
			tell_failed(heart, code, &err);
		}
		tell_looks(heart, jobs);
		tell_standing(heart);
		forget_gone(heart);
		heart_tell_all(&heart->told);
		for (struct job *next; jobs; jobs = next) {
			next = jobs->next;
			job_free(jobs);
		}
	}
	return NULL;
}

/* --- The loop's side. */

static struct job *job_new(enum node_event_kind kind)
{
	struct job *job = must_alloc(sizeof *job);

	job->event.kind = kind;
	return job;
}

static void put(struct heart *heart, struct job *job)
{
	bool was_empty;

	pthread_mutex_lock(&heart->lock);
	was_empty = !heart->first;
	*heart->last = job;
	heart->last = &job->next;
	if (was_empty)
		pthread_cond_signal(&heart->wake);
	pthread_mutex_unlock(&heart->lock);
}

static void put_link(struct heart *heart, enum node_event_kind kind, uint32_t link, uint64_t node, struct bytes bytes)
{
	struct job *job = job_new(kind);

	job->event.link.number = link;
	job->event.link.node = node;
	job->event.link.bytes = arena_copy(&job->arena, bytes);
	job->size = bytes.size;
	put(heart, job);
}

void heart_accepted(struct heart *heart, uint32_t link)
{
	put_link(heart, EVENT_ACCEPTED, link, 0, bytes_of(NULL, 0));
}

void heart_opened(struct heart *heart, uint64_t node, uint32_t link)
{
	put_link(heart, EVENT_OPENED, link, node, bytes_of(NULL, 0));
}

void heart_refused(struct heart *heart, uint64_t node)
{
	put_link(heart, EVENT_REFUSED, 0, node, bytes_of(NULL, 0));
}

void heart_bytes(struct heart *heart, uint32_t link, struct bytes bytes)
{
	put_link(heart, EVENT_BYTES, link, 0, bytes);
}

void heart_gone(struct heart *heart, uint32_t link)
{
	put_link(heart, EVENT_GONE, link, 0, bytes_of(NULL, 0));
}

uint64_t heart_write(struct heart *heart, const struct heart_wish *wish)
{
	struct job *job = job_new(EVENT_WRITE);
	struct change *changes = arena_take(&job->arena, wish->count * sizeof *changes + 1);

	for (size_t i = 0; i < wish->count; i++) {
		changes[i] = wish->changes[i];
		changes[i].map = arena_copy(&job->arena, wish->changes[i].map);
		job->size += wish->changes[i].map.size;
	}
	job->event.write.number = ++heart->last_request;
	job->event.write.asker = wish->asker;
	job->event.write.changes = changes;
	job->event.write.count = wish->count;
	job->event.write.idempotency = arena_copy(&job->arena, wish->idempotency);
	job->event.write.action = arena_copy(&job->arena, wish->action);
	job->event.write.copies = wish->copies;
	put(heart, job);
	return heart->last_request;
}

uint64_t heart_await(struct heart *heart, struct bytes token, bool is_strict)
{
	struct job *job = job_new(EVENT_AWAIT);

	job->event.await.number = ++heart->last_request;
	job->event.await.token = arena_copy(&job->arena, token);
	job->event.await.is_strict = is_strict;
	put(heart, job);
	return heart->last_request;
}

uint64_t heart_bring(struct heart *heart, const struct bytes *statements, size_t count)
{
	struct job *job = job_new(EVENT_STATEMENTS);
	struct bytes *all = arena_take(&job->arena, count * sizeof *all + 1);

	for (size_t i = 0; i < count; i++)
		all[i] = arena_copy(&job->arena, statements[i]);
	job->event.statements.number = ++heart->last_request;
	job->event.statements.all = all;
	job->event.statements.count = count;
	put(heart, job);
	return heart->last_request;
}

void heart_look(struct heart *heart, void (*look)(void *context, const struct node *node), void (*done)(void *context),
		void *context)
{
	struct job *job = job_new(EVENT_TICK);

	job->is_look = true;
	job->look = look;
	job->done = done;
	job->context = context;
	put(heart, job);
}

/* --- Beginning and end. */

static void init_threads(struct heart *heart)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&heart->lock, NULL);
	pthread_cond_init(&heart->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	heart->last = &heart->first;
}

/* What was asked while the thread ended: nobody does it, but whoever would have looked is told. */
static void drop_jobs(struct heart *heart)
{
	for (struct job *next; heart->first; heart->first = next) {
		struct job *job = heart->first;

		if (job->is_look)
			job->done(job->context);
		next = job->next;
		job_free(job);
	}
}

static void freed(void *context)
{
	struct heart *heart = context;
	void (*closed)(void *closed_context) = heart->closed;
	void *closed_context = heart->closed_context;

	drop_jobs(heart);
	node_close(heart->node);
	pthread_mutex_destroy(&heart->lock);
	pthread_cond_destroy(&heart->wake);
	free(heart->known);
	free(heart);
	if (closed)
		closed(closed_context);
}

enum code heart_open(uv_loop_t *loop, const struct node_config *node, const struct heart_hooks *hooks,
		     struct heart **ret_heart, struct err *err)
{
	struct heart *heart = must_alloc(sizeof *heart);
	struct node_config config = *node;
	enum code code;

	heart->effects =
		(struct effects){ heart, tell_send, tell_close, tell_dial, tell_reply, tell_changed, tell_alarm };
	config.effects = &heart->effects;
	init_threads(heart);
	code = node_open(&config, mono_now(), &heart->node, err);
	if (code) {
		freed(heart);
		return code;
	}
	heart_told_open(&heart->told, loop, hooks);
	if (pthread_create(&heart->thread, NULL, run, heart)) {
		/* What it borrows may be gone when the loop comes to the rest. */
		node_close(heart->node);
		heart->node = NULL;
		heart_told_end(&heart->told, freed, heart);
		return fail(err, E_LIMIT, "no further thread may be started: raise the limit on processes");
	}
	*ret_heart = heart;
	return OK;
}

void heart_end(struct heart *heart, void (*closed)(void *context), void *context)
{
	heart->closed = closed;
	heart->closed_context = context;
	pthread_mutex_lock(&heart->lock);
	heart->is_ending = true;
	pthread_cond_signal(&heart->wake);
	pthread_mutex_unlock(&heart->lock);
	pthread_join(heart->thread, NULL);
	heart_told_end(&heart->told, freed, heart);
}
