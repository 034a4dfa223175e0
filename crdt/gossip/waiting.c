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

static size_t weight(struct bytes bytes)
{
	return bytes.size > WAITING_LEAST ? bytes.size : WAITING_LEAST;
}

static void note(struct waitings *waiting, uint64_t node, struct bytes bytes)
{
	struct waiting_of *author = of(waiting, node);

	author->count++;
	author->size += weight(bytes);
	waiting->total++;
	waiting->size += weight(bytes);
}

static enum code count_stream(struct mesh *mesh, struct waitings *waiting, struct stream stream, struct err *err)
{
	struct log_place place = { 0 };
	struct logged logged;
	enum code code;

	while (!(code = log_waiting_after(mesh->look, stream, place, &logged, err))) {
		place = log_place_of(&logged);
		note(waiting, stream.node, logged.bytes);
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
		if (waiting->all[i].size > most->size)
			most = &waiting->all[i];
	return most;
}

enum code waiting_drop(struct mesh *mesh, const struct logged *logged, struct err *err)
{
	struct waitings *waiting = &mesh->waiting;
	struct waiting_of *author = of(waiting, logged->stream.node);
	size_t size = weight(logged->bytes);

	assert(author->count && author->size >= size);
	author->count--;
	author->size -= size;
	waiting->total--;
	waiting->size -= size;
	return log_drop_waiting(mesh->txn, logged, err);
}

/*
 * The next of what waits of that author, behind `stream` and `logged` (zeroed: the first); but what was merged here
 * before the disk was replaced may be nowhere else. E_ABSENT.
 */
static enum code next_of(struct mesh *mesh, uint64_t node, struct stream *stream, struct logged *logged,
			 struct err *err)
{
	struct log_place place = log_place_of(logged);
	enum code code = E_ABSENT;

	if (logged->last)
		code = log_waiting_after(mesh->txn, *stream, place, logged, err);
	while (code == E_ABSENT) {
		do
			code = log_next_stream(mesh->txn, TABLE_WAITING, stream, stream, err);
		while (!code && stream->node == node && vector_find(&mesh->had, *stream));
		if (code || stream->node != node)
			return code ? code : E_ABSENT;
		code = log_waiting_after(mesh->txn, *stream, (struct log_place){ 0 }, logged, err);
	}
	return code;
}

/* How many of that author go when so much room is needed and no more than `most` may go; E_ABSENT: it does not do. */
static enum code count_out(struct mesh *mesh, uint64_t node, size_t needed, size_t most, size_t *ret_count,
			   struct err *err)
{
	struct stream stream = { .node = node };
	struct logged logged = { 0 };
	size_t freed = 0;
	enum code code = OK;

	for (*ret_count = 0; !code && freed < needed; ++*ret_count) {
		code = next_of(mesh, node, &stream, &logged, err);
		freed += code ? 0 : weight(logged.bytes);
		if (freed > most)
			return E_ABSENT;
	}
	return code;
}

static enum code push_out(struct mesh *mesh, uint64_t node, size_t count, struct err *err)
{
	enum code code = OK;

	for (size_t i = 0; !code && i < count; i++) {
		struct stream stream = { .node = node };
		struct logged logged = { 0 };

		code = next_of(mesh, node, &stream, &logged, err);
		if (!code)
			code = waiting_drop(mesh, &logged, err);
		mesh->counts.waiting_out += !code;
	}
	return code;
}

/* Whoever takes most still takes no less than the author then does. */
static enum code make_room(struct mesh *mesh, uint64_t node, size_t size, size_t needed, bool *ret_has_room,
			   struct err *err)
{
	size_t after = of(&mesh->waiting, node)->size + size, count;
	struct waiting_of most = *greediest(&mesh->waiting);
	enum code code;

	*ret_has_room = false;
	if (after >= most.size)
		return OK;
	code = count_out(mesh, most.node, needed, most.size - after, &count, err);
	if (code)
		return code == E_ABSENT ? OK : code;
	*ret_has_room = true;
	return push_out(mesh, most.node, count, err);
}

enum code waiting_put(struct mesh *mesh, const struct batch *batch, bool *ret_is_put, struct err *err)
{
	struct waitings *waiting = &mesh->waiting;
	size_t limit = waiting->limit ? waiting->limit : WAITING_SIZE, size = weight(batch->whole);
	uint64_t node = batch->stream.node;
	enum code code = OK;

	*ret_is_put = waiting->size + size <= limit;
	if (!*ret_is_put)
		code = make_room(mesh, node, size, waiting->size + size - limit, ret_is_put, err);
	if (code || !*ret_is_put)
		return code;
	note(waiting, node, batch->whole);
	return log_put_waiting(mesh->txn, batch, err);
}
