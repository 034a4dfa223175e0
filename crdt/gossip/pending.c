/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/pending_inside.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/request.h"

#include <stdio.h>
#include <stdlib.h>

static void free_pending(struct pending *pending)
{
	buf_done(&pending->token);
	vector_done(&pending->cover);
	free(pending->keepers);
	free(pending->ids);
	free(pending);
}

void pendings_done(struct pendings *pendings)
{
	while (pendings->first) {
		struct pending *next = pendings->first->next;

		free_pending(pendings->first);
		pendings->first = next;
	}
	*pendings = (struct pendings){ 0 };
}

bool pending_fits(const struct pendings *pendings, size_t size)
{
	size_t limit = pendings->limit ? pendings->limit : PENDING_SIZE;

	return pendings->size + size <= limit;
}

void pending_weigh(struct pendings *pendings, struct pending *pending)
{
	pendings->size -= pending->size;
	pending->size = pending->token.room;
	pendings->size += pending->size;
}

/* Nearly all wait equally long, so mostly the last one is the last in time. */
static void put_in_order(struct pendings *pendings, struct pending *pending)
{
	struct pending **at = &pendings->first;

	if (pendings->last && pendings->last->until.ns <= pending->until.ns)
		at = &pendings->last->next;
	while (*at && (*at)->until.ns <= pending->until.ns)
		at = &(*at)->next;
	pending->next = *at;
	*at = pending;
	if (!pending->next)
		pendings->last = pending;
}

static struct pending *add(struct mesh *mesh, enum waits_for what, uint64_t number, uint64_t patience)
{
	struct pending *pending = must_alloc(sizeof *pending);
	struct pendings *pendings = &mesh->pendings;

	pending->what = what;
	pending->number = number;
	pending->until.ns = mesh->now.ns + patience;
	put_in_order(pendings, pending);
	pendings->count++;
	pendings->is_touched = true;
	return pending;
}

static void *copy_of(const void *data, size_t size)
{
	void *copy = size ? must_alloc(size) : NULL;

	if (size)
		memcpy(copy, data, size);
	return copy;
}

uint64_t pending_patience(uint32_t link, uint32_t within_ms)
{
	uint64_t within = within_ms * NS_PER_MS;

	return link && within < PENDING_PATIENCE ? within : PENDING_PATIENCE;
}

void pending_write(struct mesh *mesh, const struct written *written)
{
	struct pending *pending =
		add(mesh, WAITS_FOR_COMMIT, written->number, pending_patience(written->link, written->within_ms));

	pending->link = written->link;
	pending->code = written->code;
	if (written->text)
		snprintf(pending->text, sizeof pending->text, "%s", written->text);
	pending->count = written->count;
	pending->ids = copy_of(written->ids, written->count * sizeof *pending->ids);
	pending->place = written->place;
	pending->copies = written->copies;
	pending->spends = written->spends;
	pending->is_keyed = written->is_keyed;
	pending->keepers = copy_of(written->keepers, written->keepers_count * sizeof *pending->keepers);
	pending->keepers_count = written->keepers_count;
}

static const char no_room[] = "too many requests wait here: try again";

enum code pending_hand_on(struct mesh *mesh, uint64_t number, uint64_t home, bool is_keyed, struct buf *body,
			  struct err *err)
{
	struct pending *pending;

	if (!pending_fits(&mesh->pendings, body->room))
		return fail(err, E_BUSY, "%s", no_room);
	pending = add(mesh, WAITS_FOR_HOME, number, PENDING_PATIENCE);
	mesh->counts.request_handed++;
	pending->token = *body;
	*body = buf_growing(FRAME_BODY_MAX);
	pending_weigh(&mesh->pendings, pending);
	pending->is_keyed = is_keyed;
	pending->home = home;
	return OK;
}

size_t pending_open(const struct mesh *mesh, uint32_t link)
{
	size_t count = 0;

	for (const struct pending *pending = mesh->pendings.first; pending; pending = pending->next)
		count += pending->link == link;
	return count;
}

void pending_await(struct mesh *mesh, uint64_t number, struct bytes token, bool is_strict)
{
	struct pending *pending = add(mesh, WAITS_FOR_TOKEN, number, PENDING_PATIENCE);

	pending->token = buf_growing(FRAME_BODY_MAX);
	pending->is_strict = is_strict;
	if (token.size > TOKEN_MAX) {
		pending->code = E_LIMIT;
		snprintf(pending->text, sizeof pending->text, "the token is longer than %d bytes: it is none of ours",
			 TOKEN_MAX);
	} else if (mesh->pendings.count > PENDING_MAX || !pending_fits(&mesh->pendings, token.size)) {
		pending->code = E_BUSY;
		snprintf(pending->text, sizeof pending->text, "%s", no_room);
	} else {
		buf_put_bytes(&pending->token, token);
		pending_weigh(&mesh->pendings, pending);
	}
}

/* To the member that asked. One that has another link now asked in vain: its own client has been told. */
static void answer_member(struct mesh *mesh, const struct pending *pending, const struct reply *reply)
{
	struct outcome outcome = { .text = bytes_text(reply->text ? reply->text : ""),
				   .ids = reply->ids,
				   .count = reply->count,
				   .copies = reply->copies,
				   .token = reply->token };
	struct link *link = link_find(mesh, pending->link);
	struct buf body = buf_growing(FRAME_BODY_MAX);

	if (link && link_is_open(mesh, link)) {
		request_put_outcome(&outcome, &body);
		buf_clear(&mesh->frame);
		frame_put_answer(&mesh->frame, (uint32_t)pending->number, reply->code, buf_bytes(&body));
		link_send(mesh, link);
		link_touch(mesh, link);
	}
	buf_done(&body);
}

void pending_answer(struct mesh *mesh, const struct pending *pending, struct reply *reply)
{
	uint8_t room[TOKEN_MAX];
	struct buf token = buf_over(room, sizeof room);

	if (!reply->token.size) {
		token_write(mesh, &token);
		reply->token = buf_bytes(&token);
	}
	reply->number = pending->number;
	if (pending->link)
		answer_member(mesh, pending, reply);
	else
		mesh->effects->reply(mesh->effects->context, reply);
}

static bool is_keeper(const struct mesh *mesh, const struct pending *pending, uint64_t node)
{
	bool is = node == mesh->node;

	for (size_t i = 0; i < pending->keepers_count; i++)
		is |= pending->keepers[i] == node;
	return is;
}

/*
 * A repeat finds what it asks for, but not where that was written: somewhere in what those who may write it have
 * written so far.
 */
static void cover_repeat(struct mesh *mesh, struct pending *pending)
{
	mesh->counts.spend_repeated++;
	for (size_t i = 0; i < mesh->vector.count; i++) {
		const struct frontier *f = &mesh->vector.all[i];

		if (f->stream.lane != LANE_BULK && is_keeper(mesh, pending, f->stream.node))
			vector_note_more(&pending->cover, f->stream, f->end);
	}
}

static enum code count_copies(struct mesh *mesh, const struct pending *pending, uint32_t *ret_copies, struct err *err)
{
	uint32_t least = (uint32_t)mesh->peers_count, copies;
	enum code code = OK;

	if (pending->place.seq)
		return ack_copies(mesh, pending->place.stream, pending->place.seq, ret_copies, err);
	for (size_t i = 0; !code && i < pending->cover.count; i++) {
		const struct frontier *f = &pending->cover.all[i];

		code = ack_copies(mesh, f->stream, f->end.seq, &copies, err);
		if (!code && copies < least)
			least = copies;
	}
	if (!code)
		*ret_copies = least;
	return code;
}

/* What is spent for good is not told by one that may be the only one to know. */
static void refuse_alone(struct mesh *mesh, const struct pending *pending, struct reply *reply)
{
	mesh->counts.spend_alone++;
	*reply = (struct reply){
		.code = E_BUSY,
		.text = pending->is_keyed ? "it is done, but no other server has confirmed it yet: repeat it with "
					    "the same key"
					  : "it is done, but no other server has confirmed it yet: see what came "
					    "of it before you ask again"
	};
}

static enum code try_copies(struct mesh *mesh, struct pending *pending, struct reply *reply, bool *ret_is_done,
			    struct err *err)
{
	bool is_late = pending->until.ns <= mesh->now.ns, may_be_alone = !pending->spends || !mesh->peers_count;
	uint32_t wanted = pending->copies || may_be_alone ? pending->copies : 1;
	enum code code = count_copies(mesh, pending, &reply->copies, err);

	if (code)
		return code;
	*ret_is_done = reply->copies >= wanted || is_late;
	mesh->counts.copies_reached += wanted && reply->copies >= wanted;
	mesh->counts.copies_short += reply->copies < wanted && is_late;
	if (is_late && !reply->copies && !may_be_alone)
		refuse_alone(mesh, pending, reply);
	return OK;
}

/* Whether it was answered. */
static enum code try_write(struct mesh *mesh, struct pending *pending, bool *ret_is_done, struct err *err)
{
	struct reply reply = { .code = pending->code,
			       .text = pending->text,
			       .ids = pending->ids,
			       .count = pending->code ? 0 : pending->count };
	enum code code;

	*ret_is_done = pending->code || (!pending->spends && (!pending->place.seq || !pending->copies));
	if (!*ret_is_done) {
		if (pending->what == WAITS_FOR_COMMIT && !pending->place.seq)
			cover_repeat(mesh, pending);
		code = try_copies(mesh, pending, &reply, ret_is_done, err);
		if (code)
			return code;
	}
	pending->what = WAITS_FOR_COPIES;
	if (*ret_is_done)
		pending_answer(mesh, pending, &reply);
	return OK;
}

static enum code try(struct mesh *mesh, struct pending *pending, bool *ret_is_done, struct err *err)
{
	switch (pending->what) {
	case WAITS_FOR_COMMIT:
	case WAITS_FOR_COPIES: break;
	case WAITS_FOR_TOKEN: return pending_try_token(mesh, pending, ret_is_done, err);
	case WAITS_FOR_HOME: return pending_try_home(mesh, pending, ret_is_done, err);
	}
	return try_write(mesh, pending, ret_is_done, err);
}

enum code pending_flush(struct mesh *mesh, struct err *err)
{
	struct pendings *pendings = &mesh->pendings;
	struct pending **at = &pendings->first, *last = NULL;
	enum code code = OK;

	if (!pendings->first || (!pendings->is_touched && pendings->first->until.ns > mesh->now.ns))
		return OK;
	pendings->is_touched = false;
	while (!code && *at) {
		struct pending *pending = *at;
		bool is_done;

		code = try(mesh, pending, &is_done, err);
		if (code)
			return code;
		if (!is_done) {
			last = pending;
			at = &pending->next;
			continue;
		}
		*at = pending->next;
		pendings->count--;
		pendings->size -= pending->size;
		free_pending(pending);
	}
	pendings->last = last;
	return code;
}

void pending_refuse(struct mesh *mesh, enum code code, const char *text)
{
	for (struct pending *pending = mesh->pendings.first; pending; pending = pending->next) {
		if (pending->what != WAITS_FOR_COMMIT || pending->code)
			continue;
		pending->code = code;
		snprintf(pending->text, sizeof pending->text, "%s", text);
	}
}

/* What was written and is not in the state that came waits beside it. */
static enum code waits_beside(struct mesh *mesh, const struct place *place, bool *ret_waits, struct err *err)
{
	struct logged logged;
	enum code code = mesh_look(mesh, err);

	if (!code)
		code = log_waiting_after(mesh->look, place->stream, log_behind(place->seq - 1), &logged, err);
	*ret_waits = !code && logged.first <= place->seq;
	return code == E_ABSENT ? OK : code;
}

enum code pending_replaced(struct mesh *mesh, struct err *err)
{
	enum code code = OK;

	for (struct pending *pending = mesh->pendings.first; pending && !code; pending = pending->next) {
		bool waits = false;

		if ((pending->what != WAITS_FOR_COMMIT && pending->what != WAITS_FOR_COPIES) || pending->code ||
		    !pending->place.seq)
			continue;
		code = waits_beside(mesh, &pending->place, &waits, err);
		if (!waits)
			continue;
		pending->code = E_BUSY;
		snprintf(pending->text, sizeof pending->text,
			 "it is done, but this server has just taken over the state of another one, which does not "
			 "show it yet: see what came of it before you ask again");
		mesh->pendings.is_touched = true;
	}
	return code;
}

struct mono_time pending_next(const struct mesh *mesh)
{
	return mesh->pendings.first ? mesh->pendings.first->until : (struct mono_time){ UINT64_MAX };
}
