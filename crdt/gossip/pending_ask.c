/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/pending_inside.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void ask(struct mesh *mesh, struct pending *pending, uint64_t node)
{
	struct peer *peer = mesh_peer(mesh, node);
	bool is_asked = pending->what == WAITS_FOR_HOME ? pending->home_link : pending->asked;

	if (peer && !is_asked)
		relay_need(mesh, peer);
	if (is_asked || !peer || !peer->link || !link_is_open(mesh, peer->link))
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
	pending_answer(mesh, pending, reply);
}

/* It is no token (`why`), or was found out before. */
static void answer_refused(struct mesh *mesh, const struct pending *pending, const struct err *why)
{
	struct reply reply = { .code = why ? E_FORM : pending->code, .text = why ? why->text : pending->text };

	reply.is_lost = reply.code == E_LOST;
	mesh->counts.await_lost += reply.is_lost;
	pending_answer(mesh, pending, &reply);
}

enum code pending_try_token(struct mesh *mesh, struct pending *pending, bool *ret_is_done, struct err *err)
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
		pending_answer(mesh, pending, &reply);
	else if (pending->until.ns <= mesh->now.ns)
		answer_late(mesh, pending, &reply);
	else
		*ret_is_done = false;
	return OK;
}

/* The home said nothing in time. */
static void answer_silent(struct mesh *mesh, struct pending *pending)
{
	struct reply reply = { .code = E_BUSY, .text = pending->text };
	const char *what = "cannot be reached from here: try again, ask there, or evict it if it will not return";

	mesh->counts.request_silent++;
	if (pending->home_link)
		what = pending->is_keyed ? "has not answered in time: repeat it with the same key"
					 : "has not answered in time: see what came of it before you ask again";
	snprintf(pending->text, sizeof pending->text, "member %016" PRIx64 " alone can do this, and %s", pending->home,
		 what);
	pending_answer(mesh, pending, &reply);
}

/*
 * With the home's token, or, once all that it names is here, with our own: that reflects both what was done there and
 * whatever our client has seen here.
 */
static enum code try_answered(struct mesh *mesh, struct pending *pending, bool *ret_is_done, struct err *err)
{
	struct reply reply = { .code = pending->code,
			       .text = pending->text,
			       .ids = pending->ids,
			       .count = pending->count,
			       .copies = pending->copies };
	struct token_origin origin;
	enum token_state state = TOKEN_COVERED;
	struct err why = { 0 };
	enum code code = pending->code ? OK : token_judge(mesh, buf_bytes(&pending->token), &state, &origin, &why);

	if (code && code != E_FORM) {
		*err = why;
		return code;
	}
	if (code || state != TOKEN_COVERED)
		reply.token = buf_bytes(&pending->token);
	*ret_is_done =
		code || state != TOKEN_BEHIND || pending->until.ns <= mesh->now.ns || !pending_fits(&mesh->pendings, 0);
	if (*ret_is_done)
		pending_answer(mesh, pending, &reply);
	return OK;
}

enum code pending_try_home(struct mesh *mesh, struct pending *pending, bool *ret_is_done, struct err *err)
{
	if (pending->is_answered)
		return try_answered(mesh, pending, ret_is_done, err);
	*ret_is_done = pending->until.ns <= mesh->now.ns;
	if (*ret_is_done)
		answer_silent(mesh, pending);
	else
		ask(mesh, pending, pending->home);
	return OK;
}

void asked_done(struct asked *asked)
{
	free(asked->all);
	*asked = (struct asked){ .all = NULL };
}

static enum code token_asked(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	struct asked *asked = &link->peer->asked;
	struct token_origin origin;
	enum token_state state;
	enum code code;

	if (frame->ask.body.size > TOKEN_MAX)
		return fail(err, E_LIMIT, "it asked about a token of more than %d bytes", TOKEN_MAX);
	if (asked->count == PENDING_ASKS)
		return fail(err, E_LIMIT, "it asked more than %d questions at once", PENDING_ASKS);
	code = token_judge(mesh, frame->ask.body, &state, &origin, err);
	if (code)
		return code;
	mesh->counts.token_asked++;
	if (!asked->all)
		asked->all = must_alloc(PENDING_ASKS * sizeof *asked->all);
	asked->all[asked->count++] = (struct question){ frame->ask.number, state == TOKEN_COVERED ? OK : E_LOST };
	link_owe(mesh, link, OWED_ASK);
	return OK;
}

enum code pending_asked(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	switch (frame->ask.what) {
	case ASK_TOKEN: return token_asked(mesh, link, frame, err);
	case ASK_FREE:
	case ASK_BLOCK: return lend_asked(mesh, link, frame, err);
	case ASK_REQUEST: return request_take(mesh, link, frame, err);
	case ASK_KINDS: break;
	}
	return fail(err, E_FORM, "a question of no kind");
}

/* What a commit's token stands for: all that the member has had since, or nothing any more. */
static void take_token(struct mesh *mesh, struct pending *pending, const struct frame *frame)
{
	buf_clear(&pending->token);
	if (!frame->answer.code && pending_fits(&mesh->pendings, frame->answer.body.size)) {
		buf_put_bytes(&pending->token, frame->answer.body);
		pending_weigh(&mesh->pendings, pending);
		return;
	}
	if (!frame->answer.code) {
		pending->code = E_BUSY;
		snprintf(pending->text, sizeof pending->text, "too many requests wait here: try again");
		return;
	}
	pending->code = E_LOST;
	snprintf(pending->text, sizeof pending->text,
		 "the server that gave the token has started anew since: go on with this answer's token");
}

static enum code take_outcome(struct mesh *mesh, struct pending *pending, const struct frame *frame, struct err *err)
{
	struct outcome outcome;
	struct err said = { 0 };
	enum code code = request_read_outcome(frame->answer.body, &mesh->arena, &outcome, err);

	if (code)
		return code;
	mesh->counts.request_answered++;
	pending->is_answered = true;
	pending->code = frame->answer.code;
	fail(&said, pending->code, "%.*s", (int)outcome.text.size, (const char *)outcome.text.data);
	memcpy(pending->text, said.text, sizeof pending->text);
	pending->count = pending->code ? 0 : outcome.count;
	pending->ids = must_alloc(pending->count * sizeof *pending->ids);
	if (pending->count)
		memcpy(pending->ids, outcome.ids, pending->count * sizeof *pending->ids);
	pending->copies = outcome.copies;
	buf_done(&pending->token);
	pending->token = buf_growing(TOKEN_MAX);
	buf_put_bytes(&pending->token, outcome.token);
	pending_weigh(&mesh->pendings, pending);
	return OK;
}

enum code pending_answered(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	if (lend_answered(mesh, link, frame))
		return OK;
	for (struct pending *pending = mesh->pendings.first; pending; pending = pending->next) {
		bool is_home = pending->what == WAITS_FOR_HOME;

		if (pending->asked != link->peer->node || pending->question != frame->answer.number ||
		    !pending->question || (is_home && pending->home_link != link->number))
			continue;
		mesh->pendings.is_touched = true;
		pending->question = 0;
		/* There may be more of them than may be open. */
		link_owe(mesh, link, OWED_ASK);
		if (is_home)
			return take_outcome(mesh, pending, frame, err);
		pending->asked = 0;
		take_token(mesh, pending, frame);
		return OK;
	}
	return OK;
}

static size_t open_questions(const struct mesh *mesh, uint64_t node)
{
	size_t count = 0;

	for (const struct pending *pending = mesh->pendings.first; pending; pending = pending->next)
		count += pending->asked == node && pending->question;
	return count;
}

/* A request is put once: what became of it on a link that broke nobody knows. */
static bool is_to_be_asked(const struct pending *pending, uint64_t node)
{
	return pending->asked == node && !pending->question && !pending->home_link &&
	       (pending->what == WAITS_FOR_TOKEN || pending->what == WAITS_FOR_HOME);
}

/* The home answers before we give up waiting for it. */
static uint32_t patience_of_home(const struct mesh *mesh, const struct pending *pending)
{
	uint64_t left = pending->until.ns > mesh->now.ns ? pending->until.ns - mesh->now.ns : 0;

	return (uint32_t)(left / NS_PER_MS * 3 / 4);
}

static void say_question(struct mesh *mesh, struct link *link, struct pending *pending)
{
	bool is_home = pending->what == WAITS_FOR_HOME;
	uint32_t within = is_home ? patience_of_home(mesh, pending) : (uint32_t)(PENDING_PATIENCE / NS_PER_MS);

	pending->question = ++mesh->pendings.asked;
	buf_clear(&mesh->frame);
	frame_put_ask(&mesh->frame, pending->question, is_home ? ASK_REQUEST : ASK_TOKEN, within,
		      buf_bytes(&pending->token));
	link_send(mesh, link);
	if (is_home)
		pending->home_link = link->number;
}

static void say_questions(struct mesh *mesh, struct link *link)
{
	size_t open = open_questions(mesh, link->peer->node);

	for (struct pending *pending = mesh->pendings.first; pending && open < PENDING_ASKS; pending = pending->next) {
		if (!is_to_be_asked(pending, link->peer->node))
			continue;
		open++;
		say_question(mesh, link, pending);
	}
}

/* All that is here now, which is no less than what the commit left. */
static void say_answers(struct mesh *mesh, struct link *link)
{
	struct buf body = buf_growing(FRAME_BODY_MAX);
	struct asked *asked = &link->peer->asked;

	token_write_vector(&mesh->vector, &body);
	for (size_t i = 0; i < asked->count; i++) {
		enum code code = body.is_full ? E_LIMIT : asked->all[i].code;

		buf_clear(&mesh->frame);
		frame_put_answer(&mesh->frame, asked->all[i].number, code, code ? bytes_of(NULL, 0) : buf_bytes(&body));
		link_send(mesh, link);
	}
	asked_done(asked);
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
