/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/recover.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"

bool recover_is_old(const struct mesh *mesh)
{
	/* Alone in its cluster it is as good as any. */
	if (members_standing(mesh->t0.members) <= 1)
		return false;
	return mesh->recovery.need == RECOVERY_REPLACE || mesh->snapshot.is_unproven;
}

static void need(struct mesh *mesh, enum recovery_need need, uint64_t donor)
{
	struct recovery *recovery = &mesh->recovery;

	if (recovery->need >= need)
		return;
	recovery->need = need;
	recovery->donor = donor;
	recovery->tried = (struct mono_time){ 0 };
	/* What is on its way is for the lesser need. */
	snapshot_give_up(mesh);
}

void recover_gone(struct mesh *mesh, const struct link *link)
{
	const struct mono_time *joined = &mesh->recovery.joined;

	if (!joined->ns || mono_since_ns(mesh->now, *joined) >= RECOVER_PAUSE)
		need(mesh, RECOVERY_JOIN, link->peer->node);
}

/* --- Of others. */

/*
 * Whether the peer has an end, or one that follows it. Of a start with several branches an end that everybody had
 * follows no other of them.
 */
static bool covers(const struct mesh *mesh, const struct peer *peer, const struct frontier *frontier)
{
	size_t count;
	const struct frontier *ends = vector_ends(&peer->acked, frontier->stream, &count);

	for (size_t i = 0; i < count; i++) {
		if (end_equal(ends[i].end, frontier->end))
			return true;
		if (ends[i].end.seq > frontier->end.seq &&
		    !vector_has(&mesh->stable.vector, frontier->stream, ends[i].end))
			return true;
	}
	return false;
}

static const struct frontier *find_uncovered(const struct mesh *mesh, const struct peer *peer, size_t from)
{
	const struct vector *stable = &mesh->stable.vector;

	while (from < stable->count && covers(mesh, peer, &stable->all[from]))
		from++;
	return from < stable->count ? &stable->all[from] : NULL;
}

void recover_judge(struct mesh *mesh, struct link *link)
{
	if (!find_uncovered(mesh, link->peer, 0))
		return;
	mesh->counts.old_peer++;
	link_owe(mesh, link, OWED_OLD);
}

void recover_say(struct mesh *mesh, struct link *link)
{
	const struct frontier *all = mesh->stable.vector.all, *at;
	struct frame_list list;

	buf_clear(&mesh->frame);
	list = frame_begin_old(&mesh->frame);
	for (size_t from = 0; (at = find_uncovered(mesh, link->peer, from)); from = (size_t)(at - all) + 1)
		if (!frame_put_old(&list, at))
			break;
	link_send(mesh, link);
}

/* --- Of this member. */

void recover_old(struct mesh *mesh, struct link *link, struct reader list)
{
	struct frontier frontier;
	bool is_old = false;

	while (frame_next_old(&list, &frontier))
		is_old |= !vector_has(&mesh->vector, frontier.stream, frontier.end) &&
			  vector_seq(&mesh->vector, frontier.stream) <= frontier.end.seq;
	if (!is_old || mesh->recovery.need == RECOVERY_REPLACE)
		return;
	mesh->counts.old++;
	/* Whoever has just joined is empty, as it should be. */
	if (mesh->vector.count)
		mesh_alarm(mesh, "this server's disk is old: it takes over what the others have");
	need(mesh, RECOVERY_REPLACE, link->peer->node);
}

/* A donor has all that this member knows everybody had; by its own word it would be none. */
static bool can_give(const struct mesh *mesh, const struct peer *peer)
{
	return peer->link && link_is_open(mesh, peer->link) && peer->link->has_shown && !find_uncovered(mesh, peer, 0);
}

static struct peer *choose_donor(struct mesh *mesh)
{
	struct peer *first = mesh_peer(mesh, mesh->recovery.donor);
	size_t from = mesh->peers_count ? (size_t)rng_below(&mesh->rng, mesh->peers_count) : 0;

	if (first && !mesh->recovery.tried.ns && can_give(mesh, first))
		return first;
	for (size_t i = 0; i < mesh->peers_count; i++) {
		struct peer *peer = mesh->peers[(from + i) % mesh->peers_count];

		if (can_give(mesh, peer))
			return peer;
	}
	return NULL;
}

void recover_tick(struct mesh *mesh)
{
	struct recovery *recovery = &mesh->recovery;
	struct peer *donor;

	if (!recovery->need || mesh->snapshot.stage == SNAPSHOT_COMES || mesh->snapshot.stage == SNAPSHOT_READY ||
	    (recovery->tried.ns && mono_since_ns(mesh->now, recovery->tried) < RECOVER_AGAIN))
		return;
	donor = choose_donor(mesh);
	recovery->tried = mesh->now;
	if (donor) {
		recovery->tries = 0;
		snapshot_begin(mesh, donor);
		return;
	}
	mesh->counts.no_donor++;
	if (++recovery->tries == RECOVER_TRIES)
		mesh_alarm(mesh, "this server needs the state of another one and no one that is there has all that it "
				 "should have: bring a further member back, or evict this one and let it join anew");
}

/* Everything may be another: all is told and asked anew. */
static void begin_anew(struct mesh *mesh)
{
	closed_changed(mesh);
	stable_replaced(mesh);
	for (size_t i = 0; i < mesh->peers_count; i++)
		mesh->peers[i]->has_more_gaps = true;
	for (struct link *link = mesh->links; link; link = link->next) {
		link->telling.is_begun = false;
		if (link_is_open(mesh, link))
			link_owe(mesh, link, OWED_INDEX);
	}
}

enum code recover_install(struct mesh *mesh, bool *ret_is_installed, struct err *err)
{
	struct recovery *recovery = &mesh->recovery;
	bool is_replaced = recovery->need == RECOVERY_REPLACE;
	bool has_written = vector_streams_of(&mesh->vector, mesh->node);
	struct installed installed;
	enum code code;

	if (mesh->snapshot.stage != SNAPSHOT_READY)
		return OK;
	code = snapshot_install(mesh, is_replaced ? SNAPSHOT_REPLACE : SNAPSHOT_JOIN, &installed, err);
	if (code || mesh->snapshot.stage != SNAPSHOT_NONE)
		return code;
	mesh->counts.replaced += is_replaced;
	mesh->counts.joined += !is_replaced;
	has_written |= vector_streams_of(&mesh->vector, mesh->node);
	*recovery = (struct recovery){ .begins_start = is_replaced && has_written };
	if (!is_replaced)
		recovery->joined = mesh->now;
	if (is_replaced)
		exchange_replaced(mesh);
	begin_anew(mesh);
	*ret_is_installed = true;
	return OK;
}
