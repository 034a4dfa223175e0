/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/snapshot.h"

#include "crdt/gossip/link.h"
#include "crdt/state/index.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* How often somebody whose vector is ours is asked what it weighs. */
#define ASK_AGAIN (UINT64_C(2) * MESH_SECOND)

static const uint8_t unproven_key[] = { TABLE_META, 'u' };

void snapshot_refuse(struct mesh *mesh, const char *why)
{
	struct snapshot *snapshot = &mesh->snapshot;

	snapshot->stage = SNAPSHOT_FAILED;
	snprintf(snapshot->why, sizeof snapshot->why, "%.150s", why);
	taker_end(&snapshot->taker);
}

void snapshot_begin(struct mesh *mesh, const struct peer *donor)
{
	struct snapshot *snapshot = &mesh->snapshot;
	bool is_open = donor->link && link_is_open(mesh, donor->link);

	snapshot->stage = SNAPSHOT_COMES;
	snapshot->full.ns = 0;
	taker_begin(&snapshot->taker, donor->node, mesh->cluster, mesh->now);
	if (!is_open) {
		snapshot_refuse(mesh, "there is no link to it");
		return;
	}
	snapshot->link = donor->link->number;
	link_owe(mesh, donor->link, OWED_TABLE_ASK);
}

void snapshot_give_up(struct mesh *mesh)
{
	mesh->snapshot.stage = SNAPSHOT_NONE;
	taker_end(&mesh->snapshot.taker);
}

static bool is_donor(const struct mesh *mesh, const struct link *link)
{
	return mesh->snapshot.stage == SNAPSHOT_COMES && mesh->snapshot.link == link->number;
}

enum code snapshot_receive(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	struct snapshot *snapshot = &mesh->snapshot;
	struct err why = { 0 };
	enum code code;

	if (!is_donor(mesh, link))
		return OK;
	code = mesh_look(mesh, err);
	if (code)
		return code;
	code = taker_take(&snapshot->taker, link->peer->node, frame, mesh->t0.members, mesh->look, mesh->now, &why);
	if (!code) {
		if (snapshot->taker.stage == TAKER_IS_WHOLE)
			snapshot->stage = SNAPSHOT_READY;
		link_touch(mesh, link);
		return OK;
	}
	mesh_alarm(mesh, "the snapshot of member %016" PRIx64 " was not taken: %.100s", snapshot->taker.donor,
		   why.text);
	snapshot_refuse(mesh, why.text);
	if (err)
		*err = why;
	/* Whom we do not know yet may be known by the next try; and what is too large is not the donor's fault. */
	return code == E_ABSENT || code == E_LIMIT ? OK : code;
}

void snapshot_lost(struct mesh *mesh, const struct link *link)
{
	if (is_donor(mesh, link))
		snapshot_refuse(mesh, "the link to it is gone");
}

void snapshot_flush(struct mesh *mesh, struct link *link)
{
	if (!is_donor(mesh, link))
		return;
	buf_clear(&mesh->frame);
	if (taker_ask(&mesh->snapshot.taker, &mesh->frame))
		link_send(mesh, link);
}

/* --- Witnesses. */

/* Whether one of them is no member any more. */
static bool is_judged(const struct mesh *mesh)
{
	const struct sources *sources = &mesh->snapshot.sources;

	for (size_t i = 0; i < sources->count; i++)
		if (sources->all[i] && !mesh_peer(mesh, sources->all[i]))
			return true;
	return false;
}

/* In a cluster of three there is one beside the donor; and where all but the sources have just joined, nobody is. */
static bool is_one_of_few(const struct mesh *mesh)
{
	const struct sources *ours = &mesh->snapshot.sources;
	bool are_first = ours->is_first;

	for (size_t i = 0; are_first && i < mesh->peers_count; i++)
		are_first = sources_have(ours, mesh->peers[i]->node) || mesh->peers[i]->sources.is_first;
	return are_first || mesh->peers_count <= 2;
}

/* Whether what it weighs says anything of our state. */
static bool can_witness(const struct mesh *mesh, const struct peer *peer)
{
	const struct sources *ours = &mesh->snapshot.sources, *theirs = &peer->sources;

	if (is_judged(mesh))
		return true;
	if (sources_have(ours, peer->node))
		return sources_are_many(ours) && (is_one_of_few(mesh) || !theirs->count);
	return is_one_of_few(mesh) || (!sources_have(theirs, mesh->node) && !sources_meet(ours, theirs));
}

/* SIZE_MAX: nobody is left who could bear it out. */
static size_t witnesses_needed(const struct mesh *mesh)
{
	const struct sources *sources = &mesh->snapshot.sources;
	size_t all = 0, apart = 0, others = 0;

	for (size_t i = 0; i < mesh->peers_count; i++) {
		bool is_source = sources_have(sources, mesh->peers[i]->node), can = can_witness(mesh, mesh->peers[i]);

		all += can;
		apart += can && !is_source;
		others += !is_source;
	}
	if (!all)
		return others || sources_are_many(sources) ? SIZE_MAX : 0;
	if (all > SNAPSHOT_WITNESSES || (!apart && !is_judged(mesh)))
		return SNAPSHOT_WITNESSES;
	return all;
}

static bool is_witness(const struct snapshot *snapshot, uint64_t node)
{
	for (size_t i = 0; i < snapshot->witnesses_count; i++)
		if (snapshot->witnesses[i] == node)
			return true;
	return false;
}

static void ask_witnesses(struct mesh *mesh)
{
	struct snapshot *snapshot = &mesh->snapshot;

	if (mono_since_ns(mesh->now, snapshot->asked) < ASK_AGAIN)
		return;
	snapshot->asked = mesh->now;
	for (size_t i = 0; i < mesh->peers_count; i++) {
		const struct peer *peer = mesh->peers[i];

		/* Also who could not be one may be one by now; the only source never is. */
		if ((sources_are_many(&snapshot->sources) || !sources_have(&snapshot->sources, peer->node)) &&
		    !is_witness(snapshot, peer->node) && peer->link && link_is_open(mesh, peer->link) &&
		    relay_stands_with(mesh, peer))
			link_owe(mesh, peer->link, OWED_TABLE_ASK);
	}
}

/* Who was one may have said since whom it has its state from, and may be evicted. */
static void forget_witnesses(struct mesh *mesh)
{
	struct snapshot *snapshot = &mesh->snapshot;
	size_t kept = 0;

	for (size_t i = 0; i < snapshot->witnesses_count; i++) {
		const struct peer *peer = mesh_peer(mesh, snapshot->witnesses[i]);

		if (peer && can_witness(mesh, peer))
			snapshot->witnesses[kept++] = peer->node;
	}
	snapshot->witnesses_count = kept;
}

static enum code judge_witnesses(struct mesh *mesh, struct err *err)
{
	enum code code;

	forget_witnesses(mesh);
	if (mesh->snapshot.witnesses_count < witnesses_needed(mesh))
		return OK;
	code = mesh_txn(mesh, err);
	if (!code)
		code = store_delete(mesh->txn, bytes_of(unproven_key, sizeof unproven_key), err);
	if (code)
		return code;
	mesh->snapshot.is_unproven = false;
	mesh->snapshot.sources = (struct sources){ 0 };
	/* What waited for that goes. */
	closed_changed(mesh);
	return OK;
}

enum code snapshot_witnessed(struct mesh *mesh, const struct peer *peer, struct err *err)
{
	struct snapshot *snapshot = &mesh->snapshot;

	if (!snapshot->is_unproven || is_witness(snapshot, peer->node) || !can_witness(mesh, peer))
		return OK;
	if (snapshot->witnesses_count < SNAPSHOT_WITNESSES)
		snapshot->witnesses[snapshot->witnesses_count++] = peer->node;
	return judge_witnesses(mesh, err);
}

/* All have it from the same one, and no one can tell whether that is true: so the operator has to. */
static void tell_alone(struct mesh *mesh)
{
	struct snapshot *snapshot = &mesh->snapshot;

	if (witnesses_needed(mesh) != SIZE_MAX) {
		snapshot->alone = (struct mono_time){ 0 };
		return;
	}
	if (!snapshot->alone.ns)
		snapshot->alone = mesh->now;
	if (snapshot->is_told || mono_since_ns(mesh->now, snapshot->alone) < SNAPSHOT_PATIENCE)
		return;
	snapshot->is_told = true;
	mesh_alarm(mesh,
		   "all others have their state from member %016" PRIx64
		   " as well, so nobody can bear it out: evict that member, and what all have will stand",
		   snapshot->sources.all[0]);
}

enum code snapshot_tick(struct mesh *mesh, struct err *err)
{
	struct snapshot *snapshot = &mesh->snapshot;

	if (taker_is_late(&snapshot->taker, mesh->now))
		snapshot_refuse(mesh, "it is silent");
	if (!snapshot->is_unproven)
		return OK;
	ask_witnesses(mesh);
	tell_alone(mesh);
	/* With one donor there is nobody else to ask, and others may have been evicted. */
	return judge_witnesses(mesh, err);
}

/* What was here of others stays when it is joined; nobody makes up for itself what it had. */
static struct sources sources_now(const struct mesh *mesh, enum snapshot_way way)
{
	const struct snapshot *snapshot = &mesh->snapshot;
	const struct peer *donor = mesh_peer(mesh, snapshot->taker.donor);
	struct sources sources = { 0 };

	if (way == SNAPSHOT_JOIN)
		sources = snapshot->sources;
	sources.is_first = snapshot->sources.is_first || (!snapshot->is_unproven && snapshot->is_blank);
	sources_add(&sources, snapshot->taker.donor);
	for (size_t i = 0; donor && i < donor->sources.count; i++)
		if (donor->sources.all[i] != mesh->node)
			sources_add(&sources, donor->sources.all[i]);
	return sources;
}

static enum code put_unproven(struct mesh *mesh, enum snapshot_way way, struct err *err)
{
	uint8_t room[1 + 8 * SOURCES_MAX];
	struct buf value = buf_over(room, sizeof room);
	struct sources sources = sources_now(mesh, way);

	for (size_t i = 0; i < sources.count; i++)
		buf_put_big_endian(&value, sources.all[i], 8);
	if (sources.is_first)
		buf_put_byte(&value, 1);
	return store_put(mesh->txn, bytes_of(unproven_key, sizeof unproven_key), buf_bytes(&value), err);
}

enum code snapshot_open(struct mesh *mesh, struct err *err)
{
	struct snapshot *snapshot = &mesh->snapshot;
	struct bytes value = { 0 };
	struct reader r;
	enum code code = store_get(mesh->look, bytes_of(unproven_key, sizeof unproven_key), &value, err);

	if (code && code != E_ABSENT)
		return code;
	if (!code && (value.size < 8 || value.size % 8 > 1 || value.size > 1 + 8 * SOURCES_MAX))
		return fail(err, E_DAMAGED, "whom this state came from has a wrong size");
	snapshot->is_unproven = !code;
	snapshot->sources = (struct sources){ .is_first = value.size % 8 };
	for (r = reader_over(value); reader_left(&r) >= 8;)
		sources_add(&snapshot->sources, read_big_endian(&r, 8));
	return OK;
}

static enum code put_in_place(struct mesh *mesh, enum snapshot_way way, struct installed *ret_installed,
			      struct err *err)
{
	struct installing installing = { .gift = &mesh->snapshot.taker.gift, .members = mesh->t0.members };
	enum code code = mesh_txn(mesh, err);

	if (code)
		return code;
	installing.txn = mesh->txn;
	installing.root = &mesh->root;
	installing.changes = &mesh->changes;
	installing.vector = &mesh->vector;
	installing.arena = &mesh->arena;
	code = way == SNAPSHOT_JOIN ? install_join(&installing, ret_installed, err)
				    : install_replace(&installing, ret_installed, err);
	if (!code)
		code = root_put(mesh->txn, &mesh->root, err);
	if (!code)
		code = put_unproven(mesh, way, err);
	if (code)
		store_end(mesh->txn);
	else
		code = store_commit(mesh->txn, err);
	mesh->txn = NULL;
	return code;
}

/* What was looked at is no more. */
static void forget_look(struct mesh *mesh)
{
	store_end(mesh->look);
	mesh->look = NULL;
	mesh->last_sent.is_there = false;
}

static enum code survive(struct mesh *mesh, enum code code, const struct err *err)
{
	if (code == E_VALUE) {
		snapshot_refuse(mesh, err->text);
		return OK;
	}
	if (code != E_FULL)
		return code;
	if (!mesh->snapshot.full.ns)
		mesh_alarm(mesh, "the snapshot was not put in place: %.120s", err->text);
	mesh->snapshot.full = mesh->now;
	return OK;
}

enum code snapshot_install(struct mesh *mesh, enum snapshot_way way, struct installed *ret_installed, struct err *err)
{
	struct snapshot *snapshot = &mesh->snapshot;
	struct installed installed = { .forks = NULL };
	struct err why = { 0 };
	enum code code, loaded;

	assert(snapshot->stage == SNAPSHOT_READY && !mesh->txn);
	code = put_in_place(mesh, way, &installed, &why);
	if (code) {
		installed = (struct installed){ .forks = NULL };
		changes_clear(&mesh->changes);
		code = survive(mesh, code, &why);
	} else {
		mesh->commits++;
		snapshot->witnesses_count = 0;
		snapshot->alone = (struct mono_time){ 0 };
		snapshot->is_told = false;
		snapshot_give_up(mesh);
	}
	if (code && err)
		*err = why;
	for (size_t i = 0; !code && i < mesh->changes.count; i++)
		mesh->effects->changed(mesh->effects->context, mesh->changes.all[i].kind, mesh->changes.all[i].id);
	forget_look(mesh);
	loaded = code ? code : mesh_load(mesh, err);
	forget_look(mesh);
	if (!loaded)
		*ret_installed = installed;
	return loaded;
}

void snapshot_done(struct snapshot *snapshot)
{
	taker_end(&snapshot->taker);
}
