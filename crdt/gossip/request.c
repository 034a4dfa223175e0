/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/request.h"

#include "crdt/gossip/link.h"

#include <inttypes.h>

/* --- On the wire. */

static void put_bytes(struct buf *out, struct bytes bytes)
{
	buf_put_big_endian(out, bytes.size, 4);
	buf_put_bytes(out, bytes);
}

static struct bytes read_sized(struct reader *r)
{
	size_t size = (size_t)read_big_endian(r, 4);
	const uint8_t *data = read_bytes(r, size);

	return bytes_of(data, data ? size : 0);
}

static struct id read_id(struct reader *r)
{
	struct id id = { { 0 } };
	const uint8_t *data = read_bytes(r, sizeof id.bytes);

	if (data)
		memcpy(id.bytes, data, sizeof id.bytes);
	return id;
}

/* A number below `most`; else the reader ends. */
static uint8_t read_below(struct reader *r, uint64_t most)
{
	uint64_t value = read_big_endian(r, 1);

	r->is_short |= value >= most;
	return (uint8_t)value;
}

bool request_put(const struct errand *errand, struct buf *out)
{
	const struct asker *asker = &errand->asker;

	buf_put_byte(out, asker->writes);
	buf_put(out, asker->user.bytes, sizeof asker->user.bytes);
	buf_put_byte(out, asker->has_actor);
	buf_put_big_endian(out, asker->actor.kind, 4);
	buf_put(out, asker->actor.id.bytes, sizeof asker->actor.id.bytes);
	buf_put_big_endian(out, errand->copies, 4);
	put_bytes(out, errand->idempotency);
	put_bytes(out, errand->action);
	buf_put_byte(out, (uint8_t)errand->count);
	for (size_t i = 0; i < errand->count; i++) {
		const struct change *change = &errand->changes[i];

		buf_put_byte(out, (uint8_t)change->what);
		buf_put_big_endian(out, change->kind, 4);
		buf_put(out, change->id.bytes, sizeof change->id.bytes);
		put_bytes(out, change->map);
	}
	return !out->is_full;
}

static void read_change(struct reader *r, struct change *change)
{
	change->what = (enum change_what)read_below(r, CHANGE_REMOVE + 1);
	change->kind = (uint32_t)read_big_endian(r, 4);
	change->id = read_id(r);
	change->map = read_sized(r);
}

enum code request_read(struct bytes bytes, struct arena *arena, struct errand *ret_errand, struct err *err)
{
	struct reader r = reader_over(bytes);
	struct errand errand = { .count = 0 };
	struct change *changes;

	errand.asker.writes = (uint8_t)read_big_endian(&r, 1);
	errand.asker.user = read_id(&r);
	errand.asker.has_actor = read_below(&r, 2);
	errand.asker.actor.kind = (uint32_t)read_big_endian(&r, 4);
	errand.asker.actor.id = read_id(&r);
	errand.copies = (uint32_t)read_big_endian(&r, 4);
	errand.idempotency = read_sized(&r);
	errand.action = read_sized(&r);
	errand.count = read_below(&r, JUDGE_CHANGES_MAX + 1);
	changes = arena_take(arena, JUDGE_CHANGES_MAX * sizeof *changes);
	for (size_t i = 0; !r.is_short && i < errand.count; i++)
		read_change(&r, &changes[i]);
	if (r.is_short || reader_left(&r))
		return fail(err, E_FORM, "it handed on a request that is none");
	errand.changes = changes;
	*ret_errand = errand;
	return OK;
}

void request_put_outcome(const struct outcome *outcome, struct buf *out)
{
	put_bytes(out, outcome->text);
	buf_put_big_endian(out, outcome->copies, 4);
	buf_put_byte(out, (uint8_t)outcome->count);
	for (size_t i = 0; i < outcome->count; i++)
		buf_put(out, outcome->ids[i].bytes, sizeof outcome->ids[i].bytes);
	put_bytes(out, outcome->token);
}

enum code request_read_outcome(struct bytes bytes, struct arena *arena, struct outcome *ret_outcome, struct err *err)
{
	struct reader r = reader_over(bytes);
	struct outcome outcome = { .text = read_sized(&r) };
	struct id *ids = arena_take(arena, JUDGE_IDS_MAX * sizeof *ids);

	outcome.copies = (uint32_t)read_big_endian(&r, 4);
	outcome.count = read_below(&r, JUDGE_IDS_MAX + 1);
	for (size_t i = 0; !r.is_short && i < outcome.count; i++)
		ids[i] = read_id(&r);
	outcome.token = read_sized(&r);
	if (r.is_short || reader_left(&r) || outcome.token.size > TOKEN_MAX)
		return fail(err, E_FORM, "its answer to a request is none");
	outcome.ids = ids;
	*ret_outcome = outcome;
	return OK;
}

/* --- Judged and written. */

static const char *refuse_writes(const struct mesh *mesh)
{
	if (mesh->is_twin)
		return "this server runs twice: stop one and evict it, or evict both";
	if (mesh->is_evicted)
		return "this server was evicted from the cluster: ask another one";
	if (members_level(mesh->t0.members) > LEVEL_KNOWN)
		return "this server's version is older than what the cluster uses by now: upgrade it, and write "
		       "elsewhere";
	if (!exchange_may_write(mesh) && mesh->is_member)
		return "this server has just started, and asks the others for what they have of it: try again";
	if (mesh->pendings.count >= PENDING_MAX)
		return "too many requests wait here: try again";
	return mesh->is_member ? NULL : "this server is not a member of a cluster yet: let it join one first";
}

static const char *refuse_spends(const struct mesh *mesh)
{
	return exchange_may_give(mesh) ? NULL
				       : "this server has just started, and does not know yet what was spent: try "
					 "again, and evict members that will not return";
}

static enum code ask(struct mesh *mesh, const struct errand *errand, struct judged *ret_judged, struct place *ret_place,
		     struct err *err)
{
	struct judging judging = { .rng = &mesh->rng,
				   .now = mesh->wall,
				   .idempotency = errand->idempotency,
				   .action = errand->action,
				   .members = mesh->t0.members,
				   .gates = lend_gates(mesh),
				   .leases_nothing = !exchange_may_serve(mesh),
				   .spends_not = refuse_spends(mesh) };
	struct applying applying;
	const char *refusal = refuse_writes(mesh);
	enum code code;

	if (refusal)
		return fail(err, E_BUSY, "%s", refusal);
	if (errand->link && errand->copies >= members_standing(mesh->t0.members))
		return fail(err, E_BUSY, "the member that does it does not know of as many members yet: try again");
	if (errand->copies && errand->copies >= members_standing(mesh->t0.members))
		return fail(err, E_VALUE, "%u copies beside this one are more than there are other members",
			    errand->copies);
	code = closed_begin_write(mesh, err);
	if (code)
		return code;
	applying = mesh_applying(mesh);
	return author_ask(&mesh->author, &applying, &judging, &errand->asker, errand->changes, errand->count,
			  ret_judged, ret_place, err);
}

static void note_judged(struct written *written, const struct errand *errand, const struct judged *judged)
{
	written->ids = judged->ids;
	written->count = errand->count;
	written->spends = judged->spends;
	written->keepers = judged->keepers;
	written->keepers_count = judged->keepers_count;
}

static enum code disk_alone(enum code code, const struct err *why, struct err *err)
{
	if (code != E_FULL && code != E_IO && code != E_DAMAGED)
		return OK;
	*err = *why;
	return code;
}

/* --- Done elsewhere, or later. */

static enum code hand_on(struct mesh *mesh, const struct errand *errand, uint64_t home, struct err *err)
{
	struct buf body = buf_growing(FRAME_BODY_MAX);
	enum code code = OK;

	if (request_put(errand, &body))
		code = pending_hand_on(mesh, errand->number, home, errand->idempotency.size, &body, err);
	else
		code = fail(err, E_LIMIT,
			    "the request takes more than %d bytes, and member %016" PRIx64
			    " alone can do it: ask there, or for less at once",
			    FRAME_BODY_MAX, home);
	buf_done(&body);
	return code;
}

static bool spends_any(const struct errand *errand)
{
	for (size_t i = 0; i < errand->count; i++)
		if (errand->changes[i].what == CHANGE_CREATE && errand->changes[i].kind == KIND_spend)
			return true;
	return false;
}

static enum code ask_for_member(struct mesh *mesh, const struct errand *errand, struct judged *ret_judged,
				struct place *ret_place, struct err *err)
{
	const struct link *link = link_find(mesh, errand->link);
	uint64_t home;
	enum code code;

	/* While it waited: nobody would hear what came of it, or its member was evicted. */
	if (!link || !link->peer)
		return fail(err, E_BUSY, "the member that asked is not there any more");
	if (!spends_any(errand))
		return fail(err, E_DENIED, "it spends nothing, and is to be done where it was asked");
	if (pending_open(mesh, errand->link) + lend_waiting(mesh, errand->link) >= PENDING_ASKS)
		return fail(err, E_BUSY, "too many requests wait there: try again");
	code = ask(mesh, errand, ret_judged, ret_place, err);
	if (code != E_ELSEWHERE)
		return code;
	home = ret_judged->home;
	return fail(err, E_BUSY, "this server and member %016" PRIx64 " do not agree who spends it: try again", home);
}

/* Whether somebody else is asked, for all of it or for an address. */
static bool waits(struct mesh *mesh, const struct errand *errand, const struct judged *judged, enum code *code,
		  struct err *err)
{
	if (*code != E_ELSEWHERE)
		return *code == E_DRY && lend_keep(mesh, errand, judged->pool, code, err);
	*code = hand_on(mesh, errand, judged->home, err);
	return !*code;
}

enum code request_do(struct mesh *mesh, const struct errand *errand, struct err *err)
{
	struct judged judged;
	struct written written = { .number = errand->number,
				   .link = errand->link,
				   .within_ms = errand->within_ms,
				   .copies = errand->copies,
				   .is_keyed = errand->idempotency.size };
	struct err why = { 0 };

	written.code = errand->link ? ask_for_member(mesh, errand, &judged, &written.place, &why)
				    : ask(mesh, errand, &judged, &written.place, &why);
	if (!written.code)
		note_judged(&written, errand, &judged);
	else if (waits(mesh, errand, &judged, &written.code, &why))
		return OK;
	written.text = written.code ? why.text : NULL;
	pending_write(mesh, &written);
	return disk_alone(written.code, &why, err);
}

enum code request_take(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	struct errand errand;
	enum code code = request_read(frame->ask.body, &mesh->arena, &errand, err);

	if (code)
		return code;
	mesh->counts.request_taken++;
	errand.asker.writes &= (uint8_t)~BY_MEMBER;
	errand.number = frame->ask.number;
	errand.link = link->number;
	errand.within_ms = frame->ask.within_ms;
	return request_do(mesh, &errand, err);
}
