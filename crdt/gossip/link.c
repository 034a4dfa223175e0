/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/link.h"

#include "crdt/gossip/frame_write.h"

#include <assert.h>
#include <stdlib.h>

/* How long a stream may take to show who is there, and a stranger to become a member. */
#define YOUNG_PATIENCE (UINT64_C(10) * 1000000000)
#define GUEST_PATIENCE (UINT64_C(60) * 1000000000)

/* Two links made within this time are two dials that crossed; a later one is there because the peer lost the first. */
#define CROSSING (UINT64_C(10) * 1000000000)

/* What a link keeps for the next bytes that it sends, where there are many. */
enum { OUT_KEPT = 2048 };

struct link *link_find(const struct mesh *mesh, uint32_t number)
{
	struct link *link = mesh->numbered[number % MESH_LINK_LISTS];

	while (link && link->number != number)
		link = link->next_numbered;
	return link;
}

static void add_link(struct mesh *mesh, struct link *link)
{
	struct link **numbered = &mesh->numbered[link->number % MESH_LINK_LISTS];

	link->next_numbered = *numbered;
	*numbered = link;
	link->next = mesh->links;
	mesh->links = link;
	mesh->links_count++;
}

static void take_link_out(struct mesh *mesh, const struct link *link)
{
	struct link **at = &mesh->links, **numbered = &mesh->numbered[link->number % MESH_LINK_LISTS];

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	while (*numbered != link)
		numbered = &(*numbered)->next_numbered;
	*numbered = link->next_numbered;
	mesh->links_count--;
}

void link_touch(struct mesh *mesh, struct link *link)
{
	if (link->is_dirty)
		return;
	link->is_dirty = true;
	link->next_dirty = mesh->dirty;
	mesh->dirty = link;
}

void link_owe(struct mesh *mesh, struct link *link, uint32_t owed)
{
	link->owed |= owed;
	link_touch(mesh, link);
}

void link_close(struct mesh *mesh, struct link *link, enum bye_reason bye)
{
	if (link->is_closing)
		return;
	link->is_closing = true;
	link->bye = bye;
	link_touch(mesh, link);
}

static bool is_guest(const struct link *link)
{
	return !link->peer && !link->is_closing;
}

/* Room for one more stranger: the one goes that has had the longest time. */
static void limit_guests(struct mesh *mesh)
{
	struct link *oldest = NULL;
	size_t guests = 0;

	for (struct link *link = mesh->links; link; link = link->next) {
		if (!is_guest(link) || link->is_dialler)
			continue;
		guests++;
		if (!oldest || link->made.ns < oldest->made.ns)
			oldest = link;
	}
	if (guests > MESH_GUESTS_MAX)
		link_close(mesh, oldest, BYE_STRANGER);
}

/* The key of whom we dial; false: nobody whom we know. */
static bool key_of(const struct mesh *mesh, uint64_t node, struct key32 *ret_key)
{
	const struct member *member = members_find(mesh->t0.members, node);

	if (mesh->is_joining && node == node_of_key(mesh->joining.sponsor)) {
		*ret_key = mesh->joining.sponsor;
		return true;
	}
	if (member)
		*ret_key = member->key;
	return member;
}

enum code link_open(struct mesh *mesh, uint32_t number, bool is_dialler, uint64_t node, struct err *err)
{
	uint8_t random[32];
	struct key32 key = { { 0 } };
	struct link *link;

	if (mesh->links_count == MESH_LINKS_MAX || (is_dialler && !key_of(mesh, node, &key))) {
		link_refused(mesh, node);
		return fail(err, E_LIMIT, "nobody is to be reached by this link, or there are too many");
	}
	link = must_alloc(sizeof *link);
	rng_fill(&mesh->rng, random, sizeof random);
	*link = (struct link){ .number = number, .is_dialler = is_dialler, .dialled = key, .made = mesh->now };
	link->out = buf_growing(SIZE_MAX / 2);
	link->session = is_dialler ? session_dial(&mesh->self, key, random, mesh->now, &link->out)
				   : session_accept(&mesh->self, random, mesh->now);
	add_link(mesh, link);
	link_touch(mesh, link);
	if (!is_dialler)
		limit_guests(mesh);
	return OK;
}

static void forget_dirty(struct mesh *mesh, const struct link *link)
{
	for (struct link **at = &mesh->dirty; *at; at = &(*at)->next_dirty)
		if (*at == link) {
			*at = link->next_dirty;
			return;
		}
}

static void free_link(struct mesh *mesh, struct link *link)
{
	if (link->is_dialler)
		link_refused(mesh, node_of_key(link->dialled));
	snapshot_lost(mesh, link);
	take_link_out(mesh, link);
	forget_dirty(mesh, link);
	for (size_t i = 0; i < mesh->peers_count; i++)
		twin_gone(mesh, mesh->peers[i], link);
	if (link->peer && link->peer->link == link)
		link->peer->link = NULL;
	session_free(link->session);
	t0_link_done(&link->t0);
	flow_done(&link->flow);
	stream_table_done(&link->told);
	stream_table_done(&link->named);
	buf_done(&link->out);
	free(link->wanted);
	free(link);
}

void link_gone(struct mesh *mesh, uint32_t number)
{
	struct link *link = link_find(mesh, number);

	if (!link)
		return;
	/* It may have been the network: we try at once, and then with more and more patience. */
	if (link->peer && link->peer->link == link) {
		link->peer->dial_at = mesh->now;
		beat_lost(mesh, link->peer);
	}
	free_link(mesh, link);
}

void link_refused(struct mesh *mesh, uint64_t node)
{
	struct peer *peer = mesh_peer(mesh, node);

	if (peer)
		peer->is_dialling = false;
}

void link_free_all(struct mesh *mesh)
{
	while (mesh->links)
		free_link(mesh, mesh->links);
}

bool link_is_open(const struct mesh *mesh, const struct link *link)
{
	return link->peer && link->peer->link == link && link->t0.is_told && mesh->is_member && !link->is_closing;
}

/* Of two links to one process, whether the later one stays. */
static bool prefers_later(const struct mesh *mesh, const struct link *earlier, const struct link *later,
			  const struct peer *peer)
{
	bool is_ours_smaller = mesh->node < peer->node;

	if (earlier->is_dialler == later->is_dialler || later->made.ns > earlier->made.ns + CROSSING)
		return true;
	return later->is_dialler == is_ours_smaller;
}

static void use_link(struct mesh *mesh, struct link *link, struct peer *peer)
{
	struct link *old = peer->link;

	if (old && old != link && !old->is_closing) {
		if (!prefers_later(mesh, old, link, peer)) {
			mesh->counts.duplicate_link++;
			link_close(mesh, link, BYE_DUPLICATE);
			return;
		}
		mesh->counts.renewed++;
		link_close(mesh, old, BYE_RENEWED);
	}
	if (old && old != link)
		old->peer = NULL;
	ack_anew(mesh, peer);
	peer->has_words = false;
	peer->up_ns = mono_since_ns(mesh->now, link->made) + 1;
	hints_done(&peer->hints);
	asked_done(&peer->asked);
	peer->given.count = 0;
	lend_debt_drop(&peer->lend);
	peer->link = link;
	peer->is_dialling = false;
	peer->dial_tries = 0;
	link->peer = peer;
	mesh->counts.promoted++;
	beat_heard(mesh, peer);
	t0_begin(mesh, link);
}

void link_take(struct mesh *mesh, struct link *link, struct peer *peer)
{
	switch (twin_judge(mesh, peer, link, session_peer(link->session)->process)) {
	case TWIN_NONE: use_link(mesh, link, peer); return;
	case TWIN_WAIT: return;
	case TWIN_FOUND: link_close(mesh, link, BYE_TWIN); return;
	}
}

static void judge_stranger(struct mesh *mesh, struct link *link)
{
	if (link->t0.is_shown)
		return;
	link->t0.is_shown = true;
	mesh->counts.guest++;
	link_owe(mesh, link, OWED_SHOW);
}

void link_judge(struct mesh *mesh, struct link *link)
{
	const struct session_peer *who;
	const struct member *member;

	if (link->is_closing || !session_is_up(link->session))
		return;
	who = session_peer(link->session);
	member = members_find(mesh->t0.members, who->node);
	if (member && memcmp(member->key.bytes, who->key.bytes, sizeof who->key.bytes))
		member = NULL;
	if (member && member->is_evicted) {
		mesh->counts.evicted_link++;
		link_close(mesh, link, BYE_EVICTED);
		return;
	}
	if (!member) {
		link->peer = NULL;
		judge_stranger(mesh, link);
		return;
	}
	/* We know the peer; whether it knows us is another matter. */
	if (!mesh->is_member)
		judge_stranger(mesh, link);
	else if (!link->t0.is_shown)
		judge_stranger(mesh, link);
	if (!link->peer)
		link_take(mesh, link, mesh_peer(mesh, who->node));
	if (link_is_open(mesh, link) && !link->is_indexed) {
		link->is_indexed = true;
		beat_greet(mesh, link);
		link_owe(mesh, link, OWED_FRONTS);
		antientropy_begin(mesh, link);
	}
}

static void receive_bye(struct mesh *mesh, struct link *link, enum bye_reason bye)
{
	/* What only members can know is not believed of others. */
	if (bye == BYE_TWIN && link->peer && !mesh->is_twin) {
		mesh->is_twin = true;
		mesh_alarm(mesh, "this server runs twice: stop one and evict it, or evict both");
	}
	if (bye == BYE_EVICTED && link->peer && !mesh->is_evicted)
		mesh_alarm(mesh, "a member says that this server was evicted");
	link_close(mesh, link, 0);
}

static enum code receive_index(struct mesh *mesh, struct link *link, const struct frontiers *index, struct err *err)
{
	enum code code = ack_receive(mesh, link, index, err);

	if (code)
		return code;
	code = antientropy_compare(mesh, link, index->is_answer, err);
	if (!link->has_shown)
		ack_compare(mesh, link->peer);
	link->has_shown = true;
	exchange_shown(mesh, link);
	return code ? code : recover_judge(mesh, link, err);
}

/* E_DENIED, E_FORM and E_LIMIT are the peer's doing. */
static enum code dispatch(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	switch (frame->kind) {
	case FRAME_T0_SUM:
	case FRAME_T0_LIST:
	case FRAME_T0_STATEMENTS:
	case FRAME_T0_APPLY:
	case FRAME_T0_REFUSE: return t0_receive(mesh, link, frame, err);
	case FRAME_BATCH: return push_receive(mesh, link, frame->batch, err);
	case FRAME_ACK: return ack_receive(mesh, link, &frame->ack, err);
	case FRAME_INDEX: return receive_index(mesh, link, &frame->index, err);
	case FRAME_BEAT: beat_receive(mesh, link, frame->beat); return OK;
	case FRAME_HINT: beat_hint(mesh, link, frame->hint.what, frame->hint.node, frame->hint.number); return OK;
	case FRAME_WANT: push_wanted(mesh, link, frame->wants); return OK;
	case FRAME_GONE: antientropy_gone(mesh, link, frame->gone); return OK;
	case FRAME_BUCKET:
	case FRAME_BUCKET_ASK: return bucket_receive(mesh, link, frame, err);
	case FRAME_SNAP_ASK: return donor_asked(mesh, link, frame, err);
	case FRAME_SNAP: return snapshot_receive(mesh, link, frame, err);
	case FRAME_ASK: return pending_asked(mesh, link, frame, err);
	case FRAME_ANSWER: return pending_answered(mesh, link, frame, err);
	case FRAME_BYE: receive_bye(mesh, link, frame->bye); return OK;
	case FRAME_PROOFS: return proofs_receive(mesh, link, frame->proofs, err);
	case FRAME_OLD: return recover_old(mesh, link, frame->old, err);
	case FRAME_FRONTS: return exchange_fronts(mesh, link, frame->fronts, err);
	case FRAME_REGION: return relay_hear(mesh, link, frame, err);
	case FRAME_KINDS: break;
	}
	return fail(err, E_DENIED, "a frame of no kind");
}

/* What is wrong with a peer ends its link; what is wrong with the disk ends more than that. */
static enum code broke(struct mesh *mesh, struct link *link, enum code code, const struct err *err)
{
	if (code == E_FULL || code == E_IO || code == E_DAMAGED)
		return code;
	mesh->counts.link_broken++;
	if (link->peer)
		mesh_alarm(mesh, "the link to member %016llx was closed: %s", (unsigned long long)link->peer->node,
			   err->text);
	link_close(mesh, link, session_is_up(link->session) ? BYE_BROKE : 0);
	return OK;
}

static enum code receive_frame(struct mesh *mesh, struct link *link, struct bytes bytes, struct err *err)
{
	enum link_stage stage = link->peer ? LINK_MEMBER : LINK_GUEST;
	struct frame frame;
	enum code code = frame_read(bytes, stage, &link->told, &frame, err);

	if (!code && link->peer)
		beat_heard(mesh, link->peer);
	if (!code)
		code = dispatch(mesh, link, &frame, err);
	return code ? broke(mesh, link, code, err) : OK;
}

enum code link_receive(struct mesh *mesh, uint32_t number, struct bytes bytes, struct err *err)
{
	struct link *link = link_find(mesh, number);
	struct bytes frame;
	struct err why = { 0 };
	enum code code = OK;

	while (!code && link && !link->is_closing) {
		switch (session_next(link->session, &bytes, &link->out, &frame, &why)) {
		case SESSION_WAIT:
			/* A handshake answers without a word to us. */
			if (link->out.size)
				link_touch(mesh, link);
			return OK;
		case SESSION_UP:
			mesh->counts.link_up++;
			link_touch(mesh, link);
			link_judge(mesh, link);
			break;
		case SESSION_FRAME: code = receive_frame(mesh, link, frame, &why); break;
		case SESSION_BROKEN: code = broke(mesh, link, E_FORM, &why); break;
		}
		link_touch(mesh, link);
	}
	/* What else these bytes hold is lost, and a session bears no gap. */
	if (code && link && bytes.size)
		link_close(mesh, link, 0);
	if (code && err)
		*err = why;
	return code;
}

void link_send(struct mesh *mesh, struct link *link)
{
	assert(!mesh->frame.is_full);
	session_send(link->session, buf_bytes(&mesh->frame), &link->out);
}

static enum code say_all(struct mesh *mesh, struct link *link, struct err *err)
{
	enum code code = OK;

	if (!session_is_up(link->session))
		return OK;
	t0_flush(mesh, link);
	if (!link_is_open(mesh, link))
		return OK;
	proofs_flush(mesh, link);
	if (link->owed & OWED_FRONTS)
		code = exchange_say(mesh, link, err);
	if (!code && link->owed & OWED_OLD)
		code = recover_say(mesh, link, err);
	if (code)
		return code;
	if (link->owed & OWED_INDEX)
		ack_flush(mesh, link, FRAME_INDEX, false);
	if (link->owed & OWED_ANSWER)
		ack_flush(mesh, link, FRAME_INDEX, true);
	if (link->owed & OWED_WANT)
		antientropy_say(mesh, link);
	beat_flush(mesh, link);
	pending_say(mesh, link);
	code = bucket_flush(mesh, link, err);
	/* Whose state it is shows in the table that is asked for, and comes, before. */
	snapshot_flush(mesh, link);
	if (!code)
		code = donor_flush(mesh, link, err);
	if (link->owed & (OWED_ACK | OWED_RECEIPT))
		ack_flush_given(mesh, link);
	relay_words_flush(mesh, link);
	link->owed = 0;
	return code ? code : push_flush(mesh, link, err);
}

static void forget_out(struct link *link)
{
	size_t limit = link->out.limit;

	buf_done(&link->out);
	link->out = buf_growing(limit);
}

static enum code flush_one(struct mesh *mesh, struct link *link, struct err *err)
{
	enum code code = link->is_closing ? OK : say_all(mesh, link, err);

	if (code)
		return code;
	if (link->is_closing && link->bye && session_is_up(link->session)) {
		if (link->bye == BYE_EVICTED)
			t0_show_eviction(mesh, link);
		buf_clear(&mesh->frame);
		frame_put_bye(&mesh->frame, link->bye);
		link_send(mesh, link);
	}
	if (link->out.size)
		mesh->effects->send(mesh->effects->context, link->number, buf_bytes(&link->out));
	/* A stranger's link keeps no room that it does not need, nor do hundreds of links. */
	if (link->peer && (!mesh->relay.is_on || link->out.room <= OUT_KEPT))
		buf_clear(&link->out);
	else
		forget_out(link);
	if (link->is_closing) {
		mesh->effects->close(mesh->effects->context, link->number);
		free_link(mesh, link);
	}
	return OK;
}

static void dial_all(struct mesh *mesh)
{
	if (!mesh->has_dials)
		return;
	mesh->has_dials = false;
	if (mesh->is_joining && !mesh->is_member)
		mesh->effects->dial(mesh->effects->context, node_of_key(mesh->joining.sponsor));
	for (size_t i = 0; i < mesh->peers_count; i++) {
		struct peer *peer = mesh->peers[i];

		if (!peer->wants_dial)
			continue;
		peer->wants_dial = false;
		mesh->counts.dial++;
		mesh->effects->dial(mesh->effects->context, peer->node);
	}
}

enum code link_flush(struct mesh *mesh, struct err *err)
{
	enum code code = OK;

	while (!code && mesh->dirty) {
		struct link *link = mesh->dirty;

		mesh->dirty = link->next_dirty;
		link->is_dirty = false;
		code = flush_one(mesh, link, err);
	}
	dial_all(mesh);
	return code;
}

/* With more and more patience, and not all at once. */
static void plan_dial(struct mesh *mesh, struct peer *peer)
{
	uint64_t most = MESH_SECOND << (peer->dial_tries < 4 ? peer->dial_tries : 4);

	peer->dial_at.ns = mesh->now.ns + most / 2 + rng_below(&mesh->rng, most);
	peer->dial_tries++;
	peer->wants_dial = true;
	peer->is_dialling = true;
	mesh->has_dials = true;
}

static void dial_peer(struct mesh *mesh, struct peer *peer)
{
	bool is_old = peer->link && peer->link->is_dialler && session_is_old(peer->link->session, mesh->now);

	if ((peer->link && !is_old) || peer->is_dialling || mesh->now.ns < peer->dial_at.ns)
		return;
	/* The smaller dials; the other one only if nothing comes of that. */
	if (!peer->link && !relay_links(mesh, peer))
		return;
	if (!peer->link && !peer->dial_at.ns && mesh->node > peer->node)
		peer->dial_at.ns = mesh->now.ns + 3 * MESH_SECOND;
	else
		plan_dial(mesh, peer);
}

void link_want(struct mesh *mesh, struct peer *peer)
{
	if (!peer->link && !peer->is_dialling && mesh->now.ns >= peer->dial_at.ns)
		plan_dial(mesh, peer);
}

static void age_open(struct mesh *mesh, struct link *link)
{
	if (relay_tells(mesh, link->peer) && ack_is_due(mesh, link))
		link_owe(mesh, link, OWED_ACK);
	relay_words_age(mesh, link);
	push_tick(mesh, link);
}

static void age_links(struct mesh *mesh)
{
	for (struct link *link = mesh->links; link; link = link->next) {
		uint64_t age = mono_since_ns(mesh->now, link->made);

		if (link->is_closing)
			continue;
		if (!session_is_up(link->session) && age > YOUNG_PATIENCE)
			link_close(mesh, link, 0);
		else if (!link->peer && age > GUEST_PATIENCE)
			link_close(mesh, link, BYE_STRANGER);
		else if (link_is_open(mesh, link))
			age_open(mesh, link);
	}
}

void link_tick(struct mesh *mesh)
{
	bool is_dialling = false;

	age_links(mesh);
	for (size_t i = 0; i < mesh->peers_count; i++) {
		twin_tick(mesh, mesh->peers[i]);
		if (mesh->is_member)
			dial_peer(mesh, mesh->peers[i]);
		if (relay_spares(mesh, mesh->peers[i]))
			link_close(mesh, mesh->peers[i]->link, BYE_SPARE);
	}
	for (struct link *link = mesh->links; link; link = link->next)
		is_dialling |= link->is_dialler && !link->is_closing;
	if (mesh->is_joining && !mesh->is_member && !is_dialling && mesh->ticked.ns % (2 * MESH_SECOND) < MESH_SECOND)
		mesh->has_dials = true;
}
