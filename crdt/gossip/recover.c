/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/recover.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"
#include "crdt/log/log.h"

#include <inttypes.h>

bool recover_is_old(const struct mesh *mesh)
{
	/* Alone in its cluster it is as good as any. */
	if (members_standing(mesh->t0.members) <= 1)
		return false;
	return mesh->recovery.need == RECOVERY_REPLACE || mesh->snapshot.is_unproven;
}

/* Whoever has just joined has nothing, as it should be, but what it said of starts that are closed. */
static bool is_blank(const struct mesh *mesh)
{
	for (size_t i = 0; i < mesh->vector.count; i++)
		if (mesh->vector.all[i].stream.node != mesh->node || mesh->vector.all[i].stream.lane != LANE_URGENT)
			return false;
	return true;
}

static void need(struct mesh *mesh, enum recovery_need need, uint64_t donor)
{
	struct recovery *recovery = &mesh->recovery;

	if (recovery->need >= need)
		return;
	if (!recovery->need)
		recovery->is_blank = is_blank(mesh);
	recovery->need = need;
	recovery->donor = donor;
	recovery->tried = (struct mono_time){ 0 };
	/* What is on its way is for the lesser need. */
	snapshot_give_up(mesh);
}

void recover_done(struct recovery *recovery)
{
	vector_done(&recovery->said);
}

static bool is_heard(const struct mesh *mesh, struct vain *vain)
{
	uint64_t since = mono_since_ns(mesh->now, vain->at);

	if (since >= RECOVER_FORGIVEN)
		vain->times = 0;
	return !vain->times || since >= RECOVER_PAUSE << vain->times;
}

void recover_gone(struct mesh *mesh, const struct link *link, struct stream stream)
{
	struct recovery *recovery = &mesh->recovery;
	bool has_nobody = recovery->need == RECOVERY_JOIN && recovery->tries && !recovery->asked;
	const struct frontier *ends;
	size_t count;

	/* Where nobody could give what one said to be gone, another one's word takes its place. */
	if ((recovery->need && !has_nobody) ||
	    (recovery->joined.ns && mono_since_ns(mesh->now, recovery->joined) < RECOVER_PAUSE) ||
	    !is_heard(mesh, &link->peer->vain))
		return;
	need(mesh, RECOVERY_JOIN, link->peer->node);
	recovery->donor = link->peer->node;
	recovery->asked = 0;
	recovery->gone = (struct frontier){ .stream = stream };
	recovery->reached = vector_seq(&mesh->vector, stream);
	ends = vector_ends(&link->peer->acked, stream, &count);
	for (size_t i = 0; i < count; i++)
		if (!vector_has(&mesh->vector, stream, ends[i].end))
			recovery->gone.end = ends[i].end;
}

void recover_doubt(struct mesh *mesh, const struct link *link)
{
	if (!mesh->snapshot.is_unproven || mesh->recovery.need == RECOVERY_REPLACE)
		return;
	vector_done(&mesh->recovery.said);
	need(mesh, RECOVERY_REPLACE, link->peer->node);
}

/* --- Of others. */

/*
 * Whether the chain that ends there leads through an end that everybody had. Of a longer one that is not known here
 * nobody can tell yet. What is below such an end is a footprint at most, so a chain that misses it ends at one.
 */
static enum code leads_through(struct mesh *mesh, struct stream stream, struct end from, struct end end,
			       bool *ret_leads, struct err *err)
{
	struct store_txn *txn;
	struct logged logged;
	struct batch front;
	enum code code = OK;

	*ret_leads = end_equal(from, end);
	if (from.seq <= end.seq)
		return OK;
	*ret_leads = true;
	code = mesh_reader(mesh, &txn, err);
	if (!code)
		code = log_find(txn, stream, from, &logged, err);
	if (code == E_ABSENT)
		return OK;
	while (!code && !end_equal(from, end)) {
		*ret_leads = false;
		if (from.seq <= end.seq || logged.form == LOG_FOOTPRINT)
			return OK;
		code = logged.form == LOG_WHOLE ? batch_read(logged.bytes, &front, err)
						: batch_read_front(logged.bytes, &front, err);
		from = (struct end){ front.first - 1, front.before };
		if (!code)
			code = log_find(txn, stream, from, &logged, err);
	}
	*ret_leads = !code;
	return code == E_ABSENT ? OK : code;
}

/* Whether the peer has an end, or one that follows it. Of an open start the further one does. */
static enum code covers(struct mesh *mesh, const struct peer *peer, const struct frontier *frontier, bool *ret_covers,
			struct err *err)
{
	bool is_closed = closed_is(mesh, frontier->stream.node, frontier->stream.start);
	size_t count;
	const struct frontier *ends = vector_ends(&peer->acked, frontier->stream, &count);
	enum code code = OK;

	/* Of what is kept of a peer in a large cluster, what is not there it has. */
	*ret_covers = !count && peer->is_pruned;
	for (size_t i = 0; !code && !*ret_covers && i < count; i++)
		if (is_closed)
			code = leads_through(mesh, frontier->stream, ends[i].end, frontier->end, ret_covers, err);
		else
			*ret_covers = ends[i].end.seq > frontier->end.seq || end_equal(ends[i].end, frontier->end);
	return code;
}

/* The first of what everybody had, from there on, that the peer has not; NULL: it has all of it. */
static enum code find_uncovered(struct mesh *mesh, const struct peer *peer, const struct vector *everybody, size_t from,
				const struct frontier **ret_at, struct err *err)
{
	bool is_covered = true;
	enum code code = OK;

	for (; !code && from < everybody->count; from++) {
		code = covers(mesh, peer, &everybody->all[from], &is_covered, err);
		if (!is_covered)
			break;
	}
	*ret_at = from < everybody->count ? &everybody->all[from] : NULL;
	return code;
}

enum code recover_judge(struct mesh *mesh, struct link *link, struct err *err)
{
	const struct frontier *at;
	enum code code = find_uncovered(mesh, link->peer, &mesh->stable.vector, 0, &at, err);

	if (code || !at)
		return code;
	mesh->counts.old_peer++;
	link_owe(mesh, link, OWED_OLD);
	return OK;
}

enum code recover_say(struct mesh *mesh, struct link *link, struct err *err)
{
	const struct vector *stable = &mesh->stable.vector;
	const struct frontier *at;
	struct frame_list list;
	size_t from = 0;
	enum code code;

	buf_clear(&mesh->frame);
	list = frame_begin_old(&mesh->frame);
	while (!(code = find_uncovered(mesh, link->peer, stable, from, &at, err)) && at && frame_put_old(&list, at))
		from = (size_t)(at - stable->all) + 1;
	if (!code)
		link_send(mesh, link);
	return code;
}

/* --- Of this member. */

/* Of an open start what is further has it, of a closed one a branch need not. */
static enum code lacks(struct mesh *mesh, const struct frontier *frontier, bool *ret_lacks, struct err *err)
{
	struct store_txn *txn;
	struct logged logged;
	uint64_t horizon = 0;
	enum code code;

	*ret_lacks = false;
	if (vector_has(&mesh->vector, frontier->stream, frontier->end))
		return OK;
	*ret_lacks = vector_seq(&mesh->vector, frontier->stream) <= frontier->end.seq;
	if (*ret_lacks || !closed_is(mesh, frontier->stream.node, frontier->stream.start))
		return OK;
	code = mesh_reader(mesh, &txn, err);
	if (!code)
		code = log_horizon(txn, frontier->stream, &horizon, err);
	if (!code && frontier->end.seq > horizon) {
		code = log_find(txn, frontier->stream, frontier->end, &logged, err);
		*ret_lacks = code == E_ABSENT;
	}
	return code == E_ABSENT ? OK : code;
}

static enum code lacks_any(struct mesh *mesh, const struct vector *said, bool *ret_lacks, struct err *err)
{
	enum code code = OK;

	*ret_lacks = false;
	for (size_t i = 0; !code && !*ret_lacks && i < said->count; i++)
		code = lacks(mesh, &said->all[i], ret_lacks, err);
	return code;
}

static bool has_shown(const struct mesh *mesh, const struct peer *peer)
{
	return peer->link && link_is_open(mesh, peer->link) && peer->link->has_shown;
}

/* Whether the peer has all of what was said and this member lacks. */
static enum code confirms(struct mesh *mesh, const struct peer *peer, bool *ret_confirms, struct err *err)
{
	const struct vector *said = &mesh->recovery.said;
	enum code code = OK;

	*ret_confirms = true;
	for (size_t i = 0; !code && *ret_confirms && i < said->count; i++) {
		bool is_lacking = false;

		code = lacks(mesh, &said->all[i], &is_lacking, err);
		if (!code && is_lacking)
			code = covers(mesh, peer, &said->all[i], ret_confirms, err);
	}
	return code;
}

/*
 * What everybody had, others have too, unless their disks are old as well. So one member's word does not stand against
 * as many as bear out a snapshot. Who took no part in anything yet has nothing to lose, and those who came with it
 * have as little.
 */
static enum code is_believed_by_others(struct mesh *mesh, bool *ret_is_believed, struct err *err)
{
	size_t denying = 0;
	bool is_confirmed = !mesh->stable.vector.count;
	enum code code = OK;

	for (size_t i = 0; !code && !is_confirmed && i < mesh->peers_count; i++) {
		if (mesh->peers[i]->node == mesh->recovery.donor || !has_shown(mesh, mesh->peers[i]))
			continue;
		code = confirms(mesh, mesh->peers[i], &is_confirmed, err);
		denying += !is_confirmed;
	}
	*ret_is_believed = is_confirmed || denying < SNAPSHOT_WITNESSES;
	return code;
}

static void need_nothing(struct mesh *mesh)
{
	vector_done(&mesh->recovery.said);
	mesh->recovery.need = RECOVERY_NONE;
	mesh->recovery.tries = 0;
}

/* What was said may have come in the meantime, and whoever said it may be no member any more, or be denied. */
static enum code judge_said(struct mesh *mesh, struct err *err)
{
	struct recovery *recovery = &mesh->recovery;
	bool is_void, is_believed = true;
	enum code code;

	if (recovery->need != RECOVERY_REPLACE || !recovery->said.count)
		return OK;
	code = lacks_any(mesh, &recovery->said, &is_void, err);
	is_void = !is_void || !mesh_peer(mesh, recovery->donor);
	if (!code && !is_void)
		code = is_believed_by_others(mesh, &is_believed, err);
	if (code || (!is_void && is_believed))
		return code;
	if (!is_void && recovery->denied != recovery->donor) {
		mesh_alarm(mesh,
			   "member %016" PRIx64
			   " says that this disk is old, and others deny it: evict it, or, if most "
			   "disks were put back, evict this server and let it join anew",
			   recovery->donor);
		recovery->denied = recovery->donor;
	}
	mesh->counts.denied += !is_void;
	need_nothing(mesh);
	return OK;
}

enum code recover_old(struct mesh *mesh, struct link *link, struct reader list, struct err *err)
{
	struct recovery *recovery = &mesh->recovery;
	struct frontier frontier;
	bool is_old;
	enum code code;

	if (recovery->need == RECOVERY_REPLACE)
		return OK;
	vector_done(&recovery->said);
	while (frame_next_old(&list, &frontier))
		vector_note_more(&recovery->said, frontier.stream, frontier.end);
	code = lacks_any(mesh, &recovery->said, &is_old, err);
	if (code || !is_old)
		return code;
	mesh->counts.old++;
	need(mesh, RECOVERY_REPLACE, link->peer->node);
	code = judge_said(mesh, err);
	if (!code && recovery->need && !is_blank(mesh))
		mesh_alarm(mesh,
			   "this server's disk is old by the word of member %016" PRIx64
			   ": it takes over what the others have",
			   link->peer->node);
	return code;
}

/* Whether it says that it has what is to be joined for. */
static bool has_gone(const struct mesh *mesh, const struct peer *peer)
{
	const struct frontier *gone = &mesh->recovery.gone;

	return vector_has(&peer->acked, gone->stream, gone->end) ||
	       vector_seq(&peer->acked, gone->stream) > mesh->recovery.reached;
}

/* A donor has all that this member knows everybody had; by its own word it would be none. */
static enum code can_give(struct mesh *mesh, const struct peer *peer, bool *ret_can, struct err *err)
{
	const struct frontier *at = NULL;
	enum code code = OK;

	*ret_can = has_shown(mesh, peer) && vector_covers(&peer->acked, &mesh->recovery.said) &&
		   (!peer->unfit.ns || mono_since_ns(mesh->now, peer->unfit) >= RECOVER_PAUSE);
	if (*ret_can)
		code = find_uncovered(mesh, peer, &mesh->recovery.said, 0, &at, err);
	if (!code && !at && *ret_can)
		code = find_uncovered(mesh, peer, &mesh->stable.vector, 0, &at, err);
	*ret_can = *ret_can && !at;
	return code;
}

/*
 * Whoever says that this disk is old, or that something is gone, is not believed alone: of its state nothing is taken
 * while there is another.
 */
static enum code choose_donor(struct mesh *mesh, struct peer **ret_donor, struct err *err)
{
	struct peer *teller = mesh_peer(mesh, mesh->recovery.donor);
	size_t from = mesh->peers_count ? (size_t)rng_below(&mesh->rng, mesh->peers_count) : 0;
	bool can = false;
	enum code code = OK;

	*ret_donor = NULL;
	for (size_t i = 0; !code && !can && i < mesh->peers_count; i++) {
		struct peer *peer = mesh->peers[(from + i) % mesh->peers_count];

		if (peer != teller && (mesh->recovery.need == RECOVERY_REPLACE || has_gone(mesh, peer)))
			code = can_give(mesh, peer, &can, err);
		if (can)
			*ret_donor = peer;
	}
	if (!code && !can && teller)
		code = can_give(mesh, teller, &can, err);
	if (can && !*ret_donor)
		*ret_donor = teller;
	return code;
}

/* Who claims to have it, and gives nothing that can be joined, does not keep the teller from being asked. */
static void note_failure(struct mesh *mesh)
{
	struct recovery *recovery = &mesh->recovery;
	struct peer *asked = mesh_peer(mesh, recovery->asked);

	if (mesh->snapshot.stage != SNAPSHOT_FAILED || recovery->need != RECOVERY_JOIN || !recovery->asked)
		return;
	if (asked && recovery->asked != recovery->donor)
		asked->unfit = mesh->now;
	recovery->asked = 0;
}

enum code recover_tick(struct mesh *mesh, struct err *err)
{
	struct recovery *recovery = &mesh->recovery;
	struct peer *donor;
	enum code code;

	if (!recovery->need || mesh->snapshot.stage == SNAPSHOT_COMES || mesh->snapshot.stage == SNAPSHOT_READY ||
	    (recovery->tried.ns && mono_since_ns(mesh->now, recovery->tried) < RECOVER_AGAIN))
		return OK;
	code = judge_said(mesh, err);
	if (code || !recovery->need)
		return code;
	note_failure(mesh);
	code = choose_donor(mesh, &donor, err);
	recovery->tried = mesh->now;
	recovery->asked = donor ? donor->node : 0;
	if (!code && donor)
		snapshot_begin(mesh, donor);
	if (code || donor)
		return code;
	/* Some of it came otherwise, and the rest may too. */
	if (recovery->need == RECOVERY_JOIN && vector_seq(&mesh->vector, recovery->gone.stream) > recovery->reached) {
		need_nothing(mesh);
		return OK;
	}
	mesh->counts.no_donor++;
	if (++recovery->tries == RECOVER_TRIES)
		mesh_alarm(mesh, "this server needs the state of another one and no one that is there has all that it "
				 "should have: bring a further member back, or evict this one and let it join anew");
	return OK;
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

/*
 * Whether the donor stands elsewhere in our present start: where it knows more, others may know still more. Where it
 * knows less, what is ours alone stays when its state is added, and goes when it takes the place of ours.
 */
static bool stands_elsewhere(const struct mesh *mesh, bool is_replaced)
{
	for (enum lane lane = LANE_URGENT; lane < LANES; lane++) {
		struct stream own = { mesh->node, mesh->author.start, lane };
		const struct end *end = vector_find(&mesh->snapshot.taker.gift.vector, own);
		struct end theirs = end ? *end : (struct end){ 0 }, ours = mesh->author.lanes[lane].end;

		if (is_replaced ? !end_equal(theirs, ours) : theirs.seq > ours.seq)
			return true;
	}
	return false;
}

/* Whose chains are longer than ours may still miss what everybody had. Its state tells, where a start is closed. */
static bool is_fit(const struct mesh *mesh, const struct gift *gift)
{
	const struct vector *stable = &mesh->stable.vector;

	for (size_t i = 0; i < stable->count; i++) {
		struct stream stream = stable->all[i].stream;
		struct log_place place = log_place_at(stable->all[i].end);
		struct logged logged = { .stream = stream, .first = place.seq, .last = place.seq, .tail = place.tail };

		if ((closed_is(mesh, stream.node, stream.start) || gift_closes(gift, stream.node, stream.start)) &&
		    !gift_has(gift, &logged))
			return false;
	}
	return true;
}

static void give_back(struct mesh *mesh)
{
	struct peer *donor = mesh_peer(mesh, mesh->snapshot.taker.donor);

	if (donor)
		donor->unfit = mesh->now;
	snapshot_give_up(mesh);
}

/* What came without it in the meantime is more than a donor's word; and a donor gives what it said that it has. */
static enum code is_worth_it(struct mesh *mesh, bool *ret_is, struct err *err)
{
	const struct vector *said = &mesh->recovery.said;
	bool is_old = true;
	enum code code = said->count ? lacks_any(mesh, said, &is_old, err) : OK;

	*ret_is = !code && is_old;
	if (code)
		return code;
	if (!is_old) {
		snapshot_give_up(mesh);
		need_nothing(mesh);
		return OK;
	}
	*ret_is = vector_covers(&mesh->snapshot.taker.gift.vector, said) &&
		  vector_covers(&mesh->snapshot.taker.gift.vector, &mesh->stable.vector);
	if (!*ret_is) {
		snapshot_refuse(mesh, "the donor's state lacks what it said that it has");
	} else if (!is_fit(mesh, &mesh->snapshot.taker.gift)) {
		*ret_is = false;
		give_back(mesh);
	}
	return OK;
}

/* A disk that was full just now still is, and each try writes the whole state. */
static bool is_too_soon(const struct mesh *mesh)
{
	return mesh->snapshot.full.ns && mono_since_ns(mesh->now, mesh->snapshot.full) < SNAPSHOT_AGAIN;
}

/* Whether joining brought any of what was said to be gone, and what others have too. */
static enum code judge_join(struct mesh *mesh, struct err *err)
{
	const struct recovery *recovery = &mesh->recovery;
	const struct frontier *gone = &recovery->gone;
	struct peer *teller = mesh_peer(mesh, recovery->donor);
	bool is_its_alone = gone->stream.node == recovery->donor && recovery->asked == recovery->donor;
	bool is_lacking = vector_seq(&mesh->vector, gone->stream) <= recovery->reached;
	enum code code = OK;

	if (is_lacking && gone->end.seq)
		code = lacks(mesh, gone, &is_lacking, err);
	if (code || !teller || (!is_lacking && !is_its_alone))
		return code;
	teller->vain.times += teller->vain.times < RECOVER_DOUBLED;
	teller->vain.at = mesh->now;
	return OK;
}

enum code recover_install(struct mesh *mesh, bool *ret_is_installed, struct err *err)
{
	struct recovery *recovery = &mesh->recovery;
	bool is_replaced = recovery->need == RECOVERY_REPLACE;
	bool begins_start, is_worth = true;
	struct installed installed;
	enum code code = OK;

	if (mesh->snapshot.stage != SNAPSHOT_READY || is_too_soon(mesh))
		return OK;
	if (is_replaced)
		code = is_worth_it(mesh, &is_worth, err);
	if (code || !is_worth)
		return code;
	mesh->snapshot.is_blank = recovery->is_blank;
	begins_start = stands_elsewhere(mesh, is_replaced);
	code = snapshot_install(mesh, is_replaced ? SNAPSHOT_REPLACE : SNAPSHOT_JOIN, &installed, err);
	if (code || mesh->snapshot.stage != SNAPSHOT_NONE)
		return code;
	mesh->counts.replaced += is_replaced;
	mesh->counts.joined += !is_replaced;
	if (!is_replaced)
		code = judge_join(mesh, err);
	recover_done(recovery);
	*recovery = (struct recovery){ .begins_start = begins_start };
	if (!is_replaced)
		recovery->joined = mesh->now;
	if (is_replaced) {
		exchange_replaced(mesh);
		lend_replaced(mesh);
	}
	begin_anew(mesh);
	*ret_is_installed = true;
	return code;
}
