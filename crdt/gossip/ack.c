/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/ack.h"

#include "crdt/gossip/link.h"
#include "crdt/log/log.h"

/* So many ends fit into a frame, whatever they are. */
enum { ACK_ONE_FRAME = 1000 };

void ack_note(struct recent *recent, struct stream stream)
{
	recent->all[recent->at++ % ACK_RECENT] = stream;
}

bool ack_is_due(const struct mesh *mesh, const struct link *link)
{
	return !link->telling.is_begun || link->telling.at != mesh->recent.at;
}

void ack_receive(struct mesh *mesh, struct link *link, const struct frontiers *said)
{
	struct reader list = said->list;
	struct frontier frontier;

	mesh->counts.ack++;
	while (frame_next_frontier(&list, &link->told, &frontier)) {
		vector_set(&link->peer->acked, frontier.stream, frontier.end);
		push_acknowledged(mesh, link, &frontier);
		antientropy_notice(mesh, link, &frontier);
	}
	link_touch(mesh, link);
	mesh->pendings.is_touched = true;
}

static void begin(struct mesh *mesh, enum frame_kind kind, bool is_answer, bool is_whole)
{
	buf_clear(&mesh->frame);
	frame_begin_frontiers(&mesh->frame, kind, is_answer, is_whole);
}

/* Puts one, and begins a further frame where the first is full. */
static void put(struct mesh *mesh, struct link *link, const struct frontier *frontier, bool is_whole)
{
	if (frame_put_frontier(&mesh->frame, &link->named, frontier))
		return;
	link_send(mesh, link);
	begin(mesh, FRAME_ACK, false, is_whole);
	frame_put_frontier(&mesh->frame, &link->named, frontier);
}

static bool was_put(const struct recent *recent, uint64_t from, uint64_t at)
{
	for (uint64_t i = from; i < at; i++)
		if (!stream_compare(&recent->all[i % ACK_RECENT], &recent->all[at % ACK_RECENT]))
			return true;
	return false;
}

static void put_recent(struct mesh *mesh, struct link *link, uint64_t from)
{
	for (uint64_t i = from; i < mesh->recent.at; i++) {
		struct frontier frontier = { .stream = mesh->recent.all[i % ACK_RECENT] };
		const struct end *end = vector_find(&mesh->vector, frontier.stream);

		if (was_put(&mesh->recent, from, i) || !end)
			continue;
		frontier.end = *end;
		put(mesh, link, &frontier, false);
	}
}

void ack_flush(struct mesh *mesh, struct link *link, enum frame_kind kind, bool is_answer)
{
	struct telling *telling = &link->telling;
	bool is_whole = !telling->is_begun || mesh->recent.at - telling->at > ACK_RECENT / 4;

	if (kind == FRAME_ACK && !ack_is_due(mesh, link))
		return;
	/* An index is answered when it has come, so it is the last of several frames. */
	if (kind == FRAME_INDEX && is_whole && mesh->vector.count > ACK_ONE_FRAME) {
		ack_flush(mesh, link, FRAME_ACK, false);
		is_whole = false;
	}
	begin(mesh, kind, is_answer, is_whole);
	if (is_whole)
		for (size_t i = 0; i < mesh->vector.count; i++)
			put(mesh, link, &mesh->vector.all[i], true);
	else
		put_recent(mesh, link, telling->at);
	link_send(mesh, link);
	mesh->counts.ack_all += is_whole;
	telling->is_begun = true;
	telling->at = mesh->recent.at;
}

/* Whether an acknowledged end lies on this member's own chain. */
static enum code is_on_chain(struct mesh *mesh, struct stream stream, struct end end, bool *ret_is_on, struct err *err)
{
	const struct end *own = vector_find(&mesh->vector, stream);
	struct bytes whole;
	struct batch batch;
	enum code code;

	*ret_is_on = own && end_equal(*own, end);
	if (*ret_is_on || !own || end.seq > own->seq)
		return OK;
	code = mesh_look(mesh, err);
	if (!code)
		code = log_batch_after(mesh->look, stream, end.seq - 1, &whole, err);
	if (!code)
		code = batch_read(whole, &batch, err);
	if (code)
		return code == E_ABSENT ? OK : code;
	*ret_is_on = end_equal(batch.end, end);
	return OK;
}

enum code ack_copies(struct mesh *mesh, struct stream stream, uint64_t seq, uint32_t *ret_copies, struct err *err)
{
	uint32_t copies = 0;

	for (size_t i = 0; i < mesh->peers_count; i++) {
		const struct end *end = vector_find(&mesh->peers[i]->acked, stream);
		bool is_on = false;
		enum code code;

		if (!end || end->seq < seq)
			continue;
		code = is_on_chain(mesh, stream, *end, &is_on, err);
		if (code)
			return code;
		copies += is_on;
	}
	*ret_copies = copies;
	return OK;
}
