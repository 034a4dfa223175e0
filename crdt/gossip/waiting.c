/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/waiting.h"

#include "crdt/gossip/mesh.h"

#include <assert.h>
#include <stdlib.h>

static struct waiting_of *of(struct waitings *waiting, uint64_t node)
{
	for (size_t i = 0; i < waiting->count; i++)
		if (waiting->all[i].node == node)
			return &waiting->all[i];
	if (waiting->count == waiting->room) {
		waiting->room = 2 * waiting->room + 8;
		waiting->all = must_realloc(waiting->all, waiting->room * sizeof *waiting->all);
	}
	waiting->all[waiting->count] = (struct waiting_of){ .node = node };
	return &waiting->all[waiting->count++];
}

static void note(struct waitings *waiting, uint64_t node)
{
	of(waiting, node)->count++;
	waiting->total++;
}

static enum code count_stream(struct mesh *mesh, struct waitings *waiting, struct stream stream, struct err *err)
{
	struct log_place place = { 0 };
	struct logged logged;
	enum code code;

	while (!(code = log_waiting_after(mesh->look, stream, place, &logged, err))) {
		place = log_place_of(&logged);
		note(waiting, stream.node);
	}
	return code == E_ABSENT ? OK : code;
}

enum code waiting_load(struct mesh *mesh, struct err *err)
{
	struct waitings waiting = { .limit = mesh->waiting.limit };
	struct stream stream = { 0 };
	enum code code = OK;

	while (!code) {
		code = log_next_stream(mesh->look, TABLE_WAITING, &stream, &stream, err);
		if (!code)
			code = count_stream(mesh, &waiting, stream, err);
	}
	waiting_done(&mesh->waiting);
	mesh->waiting = waiting;
	return code == E_ABSENT ? OK : code;
}

void waiting_done(struct waitings *waiting)
{
	free(waiting->all);
	*waiting = (struct waitings){ .limit = waiting->limit };
}

static const struct waiting_of *greediest(const struct waitings *waiting)
{
	const struct waiting_of *most = &waiting->all[0];

	for (size_t i = 1; i < waiting->count; i++)
		if (waiting->all[i].count > most->count)
			most = &waiting->all[i];
	return most;
}

enum code waiting_drop(struct mesh *mesh, const struct logged *logged, struct err *err)
{
	struct waiting_of *author = of(&mesh->waiting, logged->stream.node);

	assert(author->count);
	author->count--;
	mesh->waiting.total--;
	return log_drop_waiting(mesh->txn, logged, err);
}

/* One of what waits of that author; but what was merged here before the disk was replaced may be nowhere else. */
static enum code push_out(struct mesh *mesh, uint64_t node, bool *ret_is_out, struct err *err)
{
	struct stream stream = { .node = node };
	struct logged logged;
	enum code code = OK;

	*ret_is_out = false;
	do
		code = log_next_stream(mesh->txn, TABLE_WAITING, &stream, &stream, err);
	while (!code && stream.node == node && vector_find(&mesh->had, stream));
	if (code || stream.node != node)
		return code == E_ABSENT ? OK : code;
	code = log_waiting_after(mesh->txn, stream, (struct log_place){ 0 }, &logged, err);
	mesh->counts.waiting_out++;
	*ret_is_out = !code;
	return code ? code : waiting_drop(mesh, &logged, err);
}

enum code waiting_put(struct mesh *mesh, const struct batch *batch, bool *ret_is_put, struct err *err)
{
	struct waitings *waiting = &mesh->waiting;
	uint64_t node = batch->stream.node;
	size_t own = of(waiting, node)->count;
	enum code code = OK;

	*ret_is_put = waiting->total < (waiting->limit ? waiting->limit : WAITING_MAX);
	if (!*ret_is_put && own + 1 < greediest(waiting)->count)
		code = push_out(mesh, greediest(waiting)->node, ret_is_put, err);
	if (code || !*ret_is_put)
		return code;
	note(waiting, node);
	return log_put_waiting(mesh->txn, batch, err);
}
