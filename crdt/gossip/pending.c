/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/pending.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"

#include <stdio.h>
#include <stdlib.h>

enum waits_for { WAITS_FOR_COMMIT, WAITS_FOR_COPIES, WAITS_FOR_TOKEN };

struct pending {
	struct pending *next;
	enum waits_for what;
	uint64_t number;
	struct mono_time until;
	/* A write. */
	enum code code;
	char text[256];
	struct id *ids;
	size_t count;
	struct place place;
	uint32_t copies;
	/* A token. */
	struct buf token;
	bool is_strict;
	uint32_t question; /* put to the member that knows what it stands for; 0: none */
	uint64_t asked;    /* that member; 0: none */
};

static void free_pending(struct pending *pending)
{
	buf_done(&pending->token);
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

/* All wait equally long, so the last one is the last in time. */
static struct pending *add(struct mesh *mesh, enum waits_for what, uint64_t number)
{
	struct pending *pending = must_alloc(sizeof *pending);
	struct pendings *pendings = &mesh->pendings;

	pending->what = what;
	pending->number = number;
	pending->until.ns = mesh->now.ns + PENDING_PATIENCE;
	if (pendings->last)
		pendings->last->next = pending;
	else
		pendings->first = pending;
	pendings->last = pending;
	pendings->count++;
	pendings->is_touched = true;
	return pending;
}

void pending_write(struct mesh *mesh, const struct written *written)
{
	struct pending *pending = add(mesh, WAITS_FOR_COMMIT, written->number);

	pending->code = written->code;
	if (written->text)
		snprintf(pending->text, sizeof pending->text, "%s", written->text);
	pending->count = written->count;
	if (written->count) {
		pending->ids = must_alloc(written->count * sizeof *pending->ids);
		memcpy(pending->ids, written->ids, written->count * sizeof *pending->ids);
	}
	pending->place = written->place;
	pending->copies = written->copies;
}

void pending_await(struct mesh *mesh, uint64_t number, struct bytes token, bool is_strict)
{
	struct pending *pending = add(mesh, WAITS_FOR_TOKEN, number);

	pending->token = buf_growing(FRAME_BODY_MAX);
	pending->is_strict = is_strict;
	if (token.size > TOKEN_MAX) {
		pending->code = E_LIMIT;
		snprintf(pending->text, sizeof pending->text, "the token is longer than %d bytes: it is none of ours",
			 TOKEN_MAX);
	} else if (mesh->pendings.count > PENDING_MAX) {
		pending->code = E_BUSY;
		snprintf(pending->text, sizeof pending->text, "too many requests wait here: try again");
	} else {
		buf_put_bytes(&pending->token, token);
	}
}

static void answer(struct mesh *mesh, const struct pending *pending, struct reply *reply)
{
	uint8_t room[TOKEN_MAX];
	struct buf token = buf_over(room, sizeof room);

	token_write(mesh, &token);
	reply->number = pending->number;
	reply->token = buf_bytes(&token);
	mesh->effects->reply(mesh->effects->context, reply);
}

/* Whether it was answered. */
static enum code try_write(struct mesh *mesh, struct pending *pending, bool *ret_is_done, struct err *err)
{
	struct reply reply = { .code = pending->code,
			       .text = pending->text,
			       .ids = pending->ids,
			       .count = pending->code ? 0 : pending->count };
	bool is_late = pending->until.ns <= mesh->now.ns;
	enum code code;

	*ret_is_done = pending->code || !pending->place.seq || !pending->copies;
	if (!*ret_is_done) {
		code = ack_copies(mesh, pending->place.stream, pending->place.seq, &reply.copies, err);
		if (code)
			return code;
		mesh->counts.copies_reached += reply.copies >= pending->copies;
		mesh->counts.copies_short += reply.copies < pending->copies && is_late;
		*ret_is_done = reply.copies >= pending->copies || is_late;
	}
	pending->what = WAITS_FOR_COPIES;
	if (*ret_is_done)
		answer(mesh, pending, &reply);
	return OK;
}

static void ask(struct mesh *mesh, struct pending *pending, uint64_t node)
{
	struct peer *peer = mesh_peer(mesh, node);

	if (peer && !pending->asked)
		relay_need(mesh, peer);
	if (pending->asked || !peer || !peer->link || !link_is_open(mesh, peer->link))
		return;
	pending->asked = node;
	link_owe(mesh, peer->link, OWED_ASK);
}

static void answer_late(struct mesh *mesh, struct pending *pending, struct reply *reply)
{
	reply->is_behind = true;
	mesh->counts.await_strict += pending->is_strict;
	mesh->counts.await_behind += !pending->is_strict;
	if (pending->is_strict) {
		reply->code = E_BUSY;
		reply->text = "this server has not yet got what the token names: try again";
	}
	answer(mesh, pending, reply);
}

/* It is no token (`why`), or was found out before. */
static void answer_refused(struct mesh *mesh, const struct pending *pending, const struct err *why)
{
	struct reply reply = { .code = why ? E_FORM : pending->code, .text = why ? why->text : pending->text };

	reply.is_lost = reply.code == E_LOST;
	mesh->counts.await_lost += reply.is_lost;
	answer(mesh, pending, &reply);
}

static enum code try_token(struct mesh *mesh, struct pending *pending, bool *ret_is_done, struct err *err)
{
	struct reply reply = { .code = OK };
	struct token_origin origin = { 0 };
	enum token_state state = TOKEN_COVERED;
	struct err why = { 0 };
	enum code code = pending->code ? OK : token_judge(mesh, buf_bytes(&pending->token), &state, &origin, &why);

	*ret_is_done = true;
	if (pending->code || code == E_FORM) {
		answer_refused(mesh, pending, code ? &why : NULL);
		return OK;
	}
	if (code) {
		*err = why;
		return code;
	}
	if (state == TOKEN_LOST) {
		mesh->counts.await_lost++;
		reply.code = E_LOST;
		reply.text = "part of what the token names can no longer be promised: go on with this answer's token";
		reply.is_lost = true;
	}
	/* Whoever asks to be sure is not answered by a disk that may be older than what was promised. */
	if (state == TOKEN_COVERED && pending->is_strict && !exchange_is_whole(mesh))
		state = TOKEN_BEHIND;
	mesh->counts.await_covered += state == TOKEN_COVERED;
	if (state == TOKEN_ASK)
		ask(mesh, pending, origin.node);
	if (state == TOKEN_COVERED || state == TOKEN_LOST)
		answer(mesh, pending, &reply);
	else if (pending->until.ns <= mesh->now.ns)
		answer_late(mesh, pending, &reply);
	else
		*ret_is_done = false;
	return OK;
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

		code = pending->what == WAITS_FOR_TOKEN ? try_token(mesh, pending, &is_done, err)
							: try_write(mesh, pending, &is_done, err);
		if (code)
			return code;
		if (!is_done) {
			last = pending;
			at = &pending->next;
			continue;
		}
		*at = pending->next;
		pendings->count--;
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

struct mono_time pending_next(const struct mesh *mesh)
{
	return mesh->pendings.first ? mesh->pendings.first->until : (struct mono_time){ UINT64_MAX };
}

enum code pending_asked(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	struct token_origin origin;
	enum token_state state;
	enum code code;

	if (frame->ask.what == ASK_FREE || frame->ask.what == ASK_BLOCK)
		return lend_asked(mesh, link, frame, err);
	if (frame->ask.body.size > TOKEN_MAX)
		return fail(err, E_LIMIT, "it asked about a token of more than %d bytes", TOKEN_MAX);
	if (link->peer->asked.count == PENDING_ASKS)
		return fail(err, E_LIMIT, "it asked more than %d questions at once", PENDING_ASKS);
	code = token_judge(mesh, frame->ask.body, &state, &origin, err);
	if (code)
		return code;
	mesh->counts.token_asked++;
	link->peer->asked.all[link->peer->asked.count].number = frame->ask.number;
	link->peer->asked.all[link->peer->asked.count++].code = state == TOKEN_COVERED ? OK : E_LOST;
	link_owe(mesh, link, OWED_ASK);
	return OK;
}

/* What a commit's token stands for: all that the member has had since, or nothing any more. */
enum code pending_answered(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	if (lend_answered(mesh, link, frame))
		return OK;
	for (struct pending *pending = mesh->pendings.first; pending; pending = pending->next) {
		if (pending->asked != link->peer->node || pending->question != frame->answer.number)
			continue;
		mesh->pendings.is_touched = true;
		pending->question = 0;
		pending->asked = 0;
		/* There may be more of them than may be open. */
		link_owe(mesh, link, OWED_ASK);
		buf_clear(&pending->token);
		if (frame->answer.code) {
			pending->code = E_LOST;
			snprintf(pending->text, sizeof pending->text,
				 "the server that gave the token has started anew since: go on with this answer's "
				 "token");
		} else {
			buf_put_bytes(&pending->token, frame->answer.body);
		}
		return OK;
	}
	(void)err;
	return OK;
}

static size_t open_questions(const struct mesh *mesh, uint64_t node)
{
	size_t count = 0;

	for (const struct pending *pending = mesh->pendings.first; pending; pending = pending->next)
		count += pending->asked == node && pending->question;
	return count;
}

static void say_questions(struct mesh *mesh, struct link *link)
{
	size_t open = open_questions(mesh, link->peer->node);

	for (struct pending *pending = mesh->pendings.first; pending && open < PENDING_ASKS; pending = pending->next) {
		if (pending->asked != link->peer->node || pending->question || pending->what != WAITS_FOR_TOKEN)
			continue;
		open++;
		pending->question = ++mesh->pendings.asked;
		buf_clear(&mesh->frame);
		frame_put_ask(&mesh->frame, pending->question, ASK_TOKEN, (uint32_t)(PENDING_PATIENCE / 1000000),
			      buf_bytes(&pending->token));
		link_send(mesh, link);
	}
}

/* All that is here now, which is no less than what the commit left. */
static void say_answers(struct mesh *mesh, struct link *link)
{
	struct buf body = buf_growing(FRAME_BODY_MAX);

	token_write_vector(&mesh->vector, &body);
	for (size_t i = 0; i < link->peer->asked.count; i++) {
		enum code code = body.is_full ? E_LIMIT : link->peer->asked.all[i].code;

		buf_clear(&mesh->frame);
		frame_put_answer(&mesh->frame, link->peer->asked.all[i].number, code,
				 code ? bytes_of(NULL, 0) : buf_bytes(&body));
		link_send(mesh, link);
	}
	link->peer->asked.count = 0;
	buf_done(&body);
}

void pending_say(struct mesh *mesh, struct link *link)
{
	if (!(link->owed & OWED_ASK))
		return;
	lend_say(mesh, link);
	say_questions(mesh, link);
	if (link->peer->asked.count)
		say_answers(mesh, link);
}
