/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/node.h"

#include "crdt/gossip/link.h"
#include "crdt/gossip/request.h"

#include <stdlib.h>

struct node {
	struct mesh mesh;
};

enum code node_open(const struct node_config *config, struct mono_time now, struct node **ret_node, struct err *err)
{
	struct node *node = must_alloc(sizeof *node);
	struct mesh *mesh = &node->mesh;
	enum code code;

	mesh->self = (struct session_self){ config->signer, config->cluster, config->process };
	mesh->signer = config->signer;
	mesh->box_key = config->box_key;
	mesh->cluster = config->cluster;
	mesh->node = node_of_key(config->signer->key);
	mesh->store = config->store;
	mesh->effects = config->effects;
	mesh->now = now;
	mesh->frame = buf_growing(SESSION_FRAME_MAX);
	if (config->joining) {
		mesh->joining = *config->joining;
		mesh->is_joining = true;
	}
	code = mesh_load(mesh, err);
	store_end(mesh->look);
	mesh->look = NULL;
	if (code) {
		node_close(node);
		return code;
	}
	exchange_begin(mesh, config->is_new);
	/* Whom it knows from before may still hold a link to the process before, and so would not dial. */
	for (size_t i = 0; i < mesh->peers_count; i++)
		mesh->peers[i]->dial_at = now;
	*ret_node = node;
	return OK;
}

void node_close(struct node *node)
{
	if (!node)
		return;
	mesh_done(&node->mesh);
	free(node);
}

static enum code write(struct mesh *mesh, const struct node_event *event, struct err *err)
{
	struct errand errand = { .number = event->write.number,
				 .asker = event->write.asker,
				 .changes = event->write.changes,
				 .count = event->write.count,
				 .idempotency = event->write.idempotency,
				 .action = event->write.action,
				 .copies = event->write.copies };

	return request_do(mesh, &errand, err);
}

/* Those that waited for an address are judged as if they had come now. */
static enum code write_again(struct mesh *mesh, struct err *err)
{
	const struct errand *errand;
	enum code code = OK;

	while (!code && (errand = lend_next(mesh)))
		code = request_do(mesh, errand, err);
	return code;
}

/* Whether one of them counts. What is void is kept, but whoever brings it is to know. */
static bool stands_any(const struct mesh *mesh, const struct node_event *event)
{
	bool stands = !event->statements.count;

	for (size_t i = 0; i < event->statements.count; i++) {
		struct statement statement;

		stands |= !statement_read(event->statements.all[i], &statement, NULL) &&
			  members_stands(mesh->t0.members, statement.hash);
	}
	return stands;
}

static enum code take_statements(struct mesh *mesh, const struct node_event *event, struct err *err)
{
	struct written written = { .number = event->statements.number };
	struct err why = { 0 };
	size_t taken;

	written.code = t0_take(mesh, event->statements.all, event->statements.count, &taken, &why);
	if (!written.code && !stands_any(mesh, event))
		written.code = fail(&why, E_DENIED,
				    "it counts for nothing: the key that signed it was removed, or what "
				    "it is about is");
	written.text = written.code ? why.text : NULL;
	pending_write(mesh, &written);
	if (code_is_disk(written.code)) {
		*err = why;
		return written.code;
	}
	return OK;
}

static enum code tick(struct mesh *mesh, struct err *err)
{
	enum code code;

	beat_watch(mesh);
	relay_tick(mesh);
	if (mono_since_ns(mesh->now, mesh->ticked) < MESH_SECOND && mesh->ticked.ns)
		return stable_tick(mesh, err);
	mesh->ticked = mesh->now;
	beat_tick(mesh);
	link_tick(mesh);
	t0_tick(mesh);
	exchange_watch(mesh);
	exchange_tick(mesh);
	code = recover_tick(mesh, err);
	if (!code)
		code = antientropy_tick(mesh, err);
	if (!code)
		code = snapshot_tick(mesh, err);
	if (!code)
		code = stable_tick(mesh, err);
	/* What it removes is on the disk before any round is about it. */
	if (!code)
		code = lend_debt_tick(mesh, err);
	return code ? code : lend_tick(mesh, err);
}

static void open_link(struct mesh *mesh, const struct node_event *event)
{
	struct err why = { 0 };

	if (!link_open(mesh, event->link.number, event->kind == EVENT_OPENED, event->link.node, &why))
		return;
	mesh->counts.link_broken++;
	mesh->effects->close(mesh->effects->context, event->link.number);
}

static enum code handle(struct mesh *mesh, const struct node_event *event, struct err *err)
{
	switch (event->kind) {
	case EVENT_TICK: return tick(mesh, err);
	case EVENT_OPENED:
	case EVENT_ACCEPTED: open_link(mesh, event); return OK;
	case EVENT_REFUSED: link_refused(mesh, event->link.node); return OK;
	case EVENT_BYTES: return link_receive(mesh, event->link.number, event->link.bytes, err);
	case EVENT_GONE: link_gone(mesh, event->link.number); return OK;
	case EVENT_WRITE: return write(mesh, event, err);
	case EVENT_AWAIT:
		pending_await(mesh, event->await.number, event->await.token, event->await.is_strict);
		return OK;
	case EVENT_STATEMENTS: return take_statements(mesh, event, err);
	}
	return OK;
}

enum code node_step(struct node *node, const struct node_event *event, struct err *err)
{
	struct mesh *mesh = &node->mesh;
	struct err spare = { 0 };
	enum code code;

	err = err ? err : &spare;
	mesh->now = event->now;
	mesh->wall = event->wall;
	rng_reseed(&mesh->rng, event->random);
	code = handle(mesh, event, err);
	return code ? code : write_again(mesh, err);
}

enum code node_commit(struct node *node, enum code failed, struct err *err)
{
	struct err spare = { 0 };

	return mesh_commit(&node->mesh, failed, err ? err : &spare);
}

static struct mono_time sooner(struct mono_time a, struct mono_time b)
{
	return a.ns < b.ns ? a : b;
}

struct mono_time node_next(const struct node *node)
{
	const struct mesh *mesh = &node->mesh;
	struct mono_time next = { mesh->ticked.ns ? mesh->ticked.ns + MESH_SECOND : mesh->now.ns };

	next = sooner(next, pending_next(mesh));
	next = sooner(next, lend_due(mesh));
	next = sooner(next, stable_next(mesh));
	next = sooner(next, relay_next(mesh));
	return sooner(next, beat_next(mesh));
}

const struct mesh *node_mesh(const struct node *node)
{
	return &node->mesh;
}
