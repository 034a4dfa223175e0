/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/ack.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"
#include "crdt/log/log.h"

#include <stdlib.h>

/* So many ends fit into a frame, whatever they are. */
enum { ACK_ONE_FRAME = 1000 };

void ack_note(struct recent *recent, struct stream stream)
{
	recent->all[recent->at++ % ACK_RECENT] = stream;
}

void ack_owe(struct mesh *mesh, struct link *link, struct stream stream)
{
	struct given *given = &link->peer->given;

	link_owe(mesh, link, OWED_RECEIPT);
	for (size_t i = 0; i < given->count; i++)
		if (!stream_compare(&given->all[i], &stream))
			return;
	if (given->count < ACK_GIVEN)
		given->all[given->count++] = stream;
	else
		link_owe(mesh, link, OWED_ACK);
}

bool ack_is_due(const struct mesh *mesh, const struct link *link)
{
	return !link->telling.is_begun || link->telling.at != mesh->recent.at;
}

void ack_anew(struct mesh *mesh, struct peer *peer)
{
	relay_fill(mesh, peer);
	if (!peer->was.count) {
		peer->was = peer->acked;
		peer->acked = (struct vector){ 0 };
	}
	/* The link broke before it had said all: what it said on it is more, and not less, than what it said before. */
	for (size_t i = 0; i < peer->acked.count; i++) {
		const struct frontier *f = &peer->acked.all[i];

		if (f->end.seq <= vector_seq(&peer->was, f->stream))
			continue;
		if (peer->was.count < ACK_STREAMS_MAX)
			vector_note_more(&peer->was, f->stream, f->end);
		else
			stable_went_back(mesh);
	}
	vector_done(&peer->acked);
}

void ack_compare(struct mesh *mesh, struct peer *peer)
{
	bool went_back = false;

	for (size_t i = 0; i < peer->was.count; i++) {
		const struct frontier *was = &peer->was.all[i];

		went_back |= vector_seq(&peer->acked, was->stream) < was->end.seq;
	}
	vector_done(&peer->was);
	if (went_back)
		stable_went_back(mesh);
	mesh->counts.went_back += went_back;
}

/* All ends of a stream come together, and replace what was said before. */
static void note_end(struct mesh *mesh, struct peer *peer, const struct frontier *frontier, bool is_first)
{
	bool went_back = is_first && relay_seq(mesh, peer, frontier->stream) > frontier->end.seq;

	if (is_first)
		vector_note(&peer->acked, frontier->stream, frontier->end);
	else
		vector_note_more(&peer->acked, frontier->stream, frontier->end);
	if (went_back)
		stable_went_back(mesh);
	mesh->counts.went_back += went_back;
}

enum code ack_receive(struct mesh *mesh, struct link *link, const struct frontiers *said, struct err *err)
{
	struct reader list = said->list;
	struct frontier frontier = { 0 };
	struct stream last = { .node = 0 };
	enum code code = OK;

	mesh->counts.ack++;
	while (!code && frame_next_frontier(&list, &link->told, &frontier)) {
		bool is_first = stream_compare(&last, &frontier.stream);

		if (is_first)
			relay_noted(mesh, link->peer, last);
		note_end(mesh, link->peer, &frontier, is_first);
		last = frontier.stream;
		push_acknowledged(mesh, link, &frontier);
		relay_touch(mesh, link->peer, frontier.stream);
		code = antientropy_notice(mesh, link, &frontier, err);
	}
	relay_noted(mesh, link->peer, last);
	if (code)
		return code;
	link_touch(mesh, link);
	mesh->stable.is_touched = true;
	mesh->pendings.is_touched = true;
	if (link->peer->acked.count > ACK_STREAMS_MAX)
		return fail(err, E_LIMIT, "it named more than %d streams", ACK_STREAMS_MAX);
	return OK;
}

/* Acknowledgements in the making: a frame, and a further one where that is full. */
struct saying {
	struct mesh *mesh;
	struct link *link;
	struct frame_list list;
	bool is_whole;
};

static void begin(struct saying *saying, enum frame_kind kind, bool is_answer)
{
	buf_clear(&saying->mesh->frame);
	saying->list = frame_begin_frontiers(&saying->mesh->frame, kind, is_answer, saying->is_whole);
}

static void put(struct saying *saying, struct stream stream)
{
	size_t count;
	const struct frontier *ends = vector_ends(&saying->mesh->vector, stream, &count);

	if (!frame_has_room(&saying->list, count)) {
		link_send(saying->mesh, saying->link);
		begin(saying, FRAME_ACK, false);
	}
	for (size_t i = 0; i < count; i++)
		frame_put_frontier(&saying->list, &saying->link->named, &ends[i]);
}

static int compare_streams(const void *a, const void *b)
{
	return stream_compare(a, b);
}

/* Each stream once. */
static void put_all(struct saying *saying, struct stream *streams, size_t count)
{
	if (count > 1)
		qsort(streams, count, sizeof *streams, compare_streams);
	for (size_t i = 0; i < count; i++)
		if (!i || stream_compare(&streams[i - 1], &streams[i]))
			put(saying, streams[i]);
}

static void put_recent(struct saying *saying, uint64_t from)
{
	const struct recent *recent = &saying->mesh->recent;
	struct stream streams[ACK_RECENT];
	size_t count = 0;

	for (uint64_t i = from; i < recent->at; i++)
		streams[count++] = recent->all[i % ACK_RECENT];
	put_all(saying, streams, count);
}

void ack_flush(struct mesh *mesh, struct link *link, enum frame_kind kind, bool is_answer)
{
	struct telling *telling = &link->telling;
	struct saying saying = { .mesh = mesh, .link = link };

	if (kind == FRAME_ACK && !ack_is_due(mesh, link))
		return;
	saying.is_whole = !telling->is_begun || mesh->recent.at - telling->at > ACK_RECENT;
	/* An index is answered when it has come, so it is the last of several frames. */
	if (kind == FRAME_INDEX && saying.is_whole && mesh->vector.count > ACK_ONE_FRAME) {
		ack_flush(mesh, link, FRAME_ACK, false);
		saying.is_whole = false;
	}
	begin(&saying, kind, is_answer);
	for (size_t i = 0; saying.is_whole && i < mesh->vector.count; i++)
		if (!i || stream_compare(&mesh->vector.all[i - 1].stream, &mesh->vector.all[i].stream))
			put(&saying, mesh->vector.all[i].stream);
	if (!saying.is_whole)
		put_recent(&saying, telling->at);
	link_send(mesh, link);
	mesh->counts.ack_all += saying.is_whole;
	telling->is_begun = true;
	telling->at = mesh->recent.at;
	link->peer->given.count = 0;
}

void ack_flush_given(struct mesh *mesh, struct link *link)
{
	const struct telling *telling = &link->telling;
	struct given *given = &link->peer->given;
	struct saying saying = { .mesh = mesh, .link = link };

	/* Where nothing else changed, that is all there is to say. */
	if (link->owed & OWED_ACK || !telling->is_begun || mesh->recent.at - telling->at <= given->count) {
		ack_flush(mesh, link, FRAME_ACK, false);
	} else {
		begin(&saying, FRAME_ACK, false);
		put_all(&saying, given->all, given->count);
		link_send(mesh, link);
	}
	/* Also of what was not taken: there is nothing to say of that. */
	given->count = 0;
}

enum code ack_is_on_chain(struct mesh *mesh, struct stream stream, struct end end, bool *ret_is_on, struct err *err)
{
	struct logged logged;
	enum code code;

	*ret_is_on = vector_has(&mesh->vector, stream, end);
	if (*ret_is_on)
		return OK;
	code = mesh_look(mesh, err);
	if (!code)
		code = log_find(mesh->look, stream, end, &logged, err);
	*ret_is_on = !code;
	return code == E_ABSENT ? OK : code;
}

enum code ack_copies(struct mesh *mesh, struct stream stream, uint64_t seq, uint32_t *ret_copies, struct err *err)
{
	uint32_t copies = 0;

	if (mesh->relay.is_on)
		return relay_copies(mesh, stream, seq, ret_copies, err);
	for (size_t i = 0; i < mesh->peers_count; i++) {
		const struct end *end = vector_find(&mesh->peers[i]->acked, stream);
		bool is_on = false;
		enum code code;

		if (!end || end->seq < seq)
			continue;
		code = ack_is_on_chain(mesh, stream, *end, &is_on, err);
		if (code)
			return code;
		copies += is_on;
	}
	*ret_copies = copies;
	return OK;
}
