/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/lend_gates.h"

#include "crdt/gossip/link.h"
#include "crdt/log/log.h"
#include "crdt/state/block_line.h"
#include "crdt/state/index.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* (meta, g, kind, number, statement): a gate that was met. */
enum { KEY_FRONT = 2, KEY_SIZE = KEY_FRONT + 1 + 8 + 16 };

/* So many of those who hold addresses up are named. */
enum { NAMED = 4 };

static const uint8_t key_front[KEY_FRONT] = { TABLE_META, 'g' };

static struct bytes gate_key(const struct lend_gate *gate, uint8_t *room)
{
	struct buf buf = buf_over(room, KEY_SIZE);

	buf_put(&buf, key_front, sizeof key_front);
	buf_put_byte(&buf, (uint8_t)gate->kind);
	buf_put_big_endian(&buf, gate->number, 8);
	buf_put(&buf, gate->statement.bytes, sizeof gate->statement.bytes);
	return buf_bytes(&buf);
}

static struct lend_gate *add(struct lend_gates *gates, const struct lend_gate *gate)
{
	if (gates->count == gates->room) {
		gates->room = 2 * gates->room + 8;
		gates->all = must_realloc(gates->all, gates->room * sizeof *gates->all);
	}
	gates->all[gates->count] = *gate;
	return &gates->all[gates->count++];
}

static struct lend_gate *find(struct mesh *mesh, enum lend_gate_kind kind, uint64_t number, struct id statement)
{
	struct lend_gates *gates = &mesh->lend.gates;
	struct lend_gate gate = { .kind = kind, .number = number, .statement = statement };

	for (size_t i = 0; i < gates->count; i++)
		if (gates->all[i].kind == kind && gates->all[i].number == number &&
		    id_equal(gates->all[i].statement, statement))
			return &gates->all[i];
	return add(gates, &gate);
}

/* --- Rows. */

static struct closed_start closed_of(const struct mesh *mesh, const struct lend_gate *gate)
{
	if (gate->kind == GATE_INHERIT)
		return (struct closed_start){ .node = gate->number };
	return (struct closed_start){ mesh->node, gate->number };
}

static enum code has_row(struct mesh *mesh, uint64_t member, struct closed_start closed, bool *ret_has, struct err *err)
{
	struct arena_mark before = arena_mark(&mesh->arena);
	struct store_txn *txn;
	enum code code = mesh_reader(mesh, &txn, err);

	if (!code)
		code = closing_has_row(txn, member, closed, &mesh->arena, ret_has, err);
	arena_release(&mesh->arena, before);
	return code;
}

/* Whether all members that stand have said what they had merged. */
static enum code has_rows(struct mesh *mesh, const struct lend_gate *gate, bool *ret_has, struct err *err)
{
	struct closed_start closed = closed_of(mesh, gate);
	bool has = true;
	enum code code = OK;

	if (gate->kind == GATE_INHERIT || gate->kind == GATE_CLOSED) {
		code = has_row(mesh, mesh->node, closed, &has, err);
		for (size_t i = 0; !code && has && i < mesh->peers_count; i++)
			code = has_row(mesh, mesh->peers[i]->node, closed, &has, err);
	}
	if (!code)
		*ret_has = has;
	return code;
}

/* --- What they have. */

static bool is_about(const struct mesh *mesh, const struct lend_gate *gate, struct stream stream)
{
	switch (gate->kind) {
	case GATE_INHERIT: return stream.node == gate->number;
	case GATE_TAKE: return stream.lane != LANE_BULK;
	case GATE_CLOSED:
	case GATE_LEFT: return stream.node == mesh->node && stream.start == gate->number;
	}
	return false;
}

static bool is_heard(const struct mesh *mesh, const struct lend_gate *gate)
{
	for (size_t i = 0; i < mesh->peers_count; i++)
		if (mesh->peers[i]->lend.heard <= gate->since)
			return false;
	return true;
}

static void note_all(const struct mesh *mesh, struct lend_gate *gate, const struct vector *acked)
{
	for (size_t i = 0; i < acked->count; i++)
		if (is_about(mesh, gate, acked->all[i].stream))
			vector_note_more(&gate->lacks, acked->all[i].stream, acked->all[i].end);
}

/* Also what those said who have a new link since, and have not said all on that. */
static void note_acknowledged(const struct mesh *mesh, struct lend_gate *gate)
{
	for (size_t i = 0; i < mesh->peers_count; i++) {
		note_all(mesh, gate, &mesh->peers[i]->acked);
		note_all(mesh, gate, &mesh->peers[i]->was);
	}
}

/* Whoever lost it does not bring it any more. */
static bool is_acknowledged(const struct mesh *mesh, const struct frontier *frontier)
{
	for (size_t i = 0; i < mesh->peers_count; i++)
		if (vector_seq(&mesh->peers[i]->acked, frontier->stream) >= frontier->end.seq ||
		    vector_seq(&mesh->peers[i]->was, frontier->stream) >= frontier->end.seq)
			return true;
	return false;
}

static enum code look_for_lacks(struct mesh *mesh, struct lend_gate *gate, struct err *err)
{
	struct vector left = { 0 };
	enum code code = OK;

	for (size_t i = 0; !code && i < gate->lacks.count; i++) {
		const struct frontier *frontier = &gate->lacks.all[i];
		bool is = false;

		code = closed_is_here(mesh, frontier, &is, err);
		if (!code && !is && is_acknowledged(mesh, frontier))
			vector_note_more(&left, frontier->stream, frontier->end);
	}
	if (code) {
		vector_done(&left);
		return code;
	}
	vector_done(&gate->lacks);
	gate->lacks = left;
	return OK;
}

/* --- Passing. */

static enum code try(struct mesh *mesh, struct lend_gate *gate, struct err *err)
{
	enum code code = OK;

	if (!gate->has_rows) {
		code = has_rows(mesh, gate, &gate->has_rows, err);
		gate->since = mesh->lend.gates.turn;
	}
	if (code || !gate->has_rows)
		return code;
	if (!gate->is_heard) {
		if (!is_heard(mesh, gate))
			return OK;
		gate->is_heard = true;
		note_acknowledged(mesh, gate);
	}
	code = look_for_lacks(mesh, gate, err);
	gate->is_met = !code && !gate->lacks.count;
	return code;
}

/* What cannot be read is not met. */
static bool passes(struct mesh *mesh, enum lend_gate_kind kind, uint64_t number, struct id statement)
{
	struct lend_gate *gate = find(mesh, kind, number, statement);

	if (gate->is_met)
		return true;
	gate->wanted = mesh->now;
	if (try(mesh, gate, NULL) || !gate->is_met)
		return false;
	mesh->counts.inherited += kind == GATE_INHERIT;
	mesh->counts.granted += kind == GATE_TAKE;
	mesh->counts.owned_again += kind == GATE_CLOSED || kind == GATE_LEFT;
	return true;
}

static bool may_inherit(void *context, uint64_t node)
{
	return passes(context, GATE_INHERIT, node, (struct id){ { 0 } });
}

static bool may_take(void *context, struct id statement)
{
	return passes(context, GATE_TAKE, 0, statement);
}

/* All starts but the present one, whether they are known from what was written there or from a proof. */
static bool may_lease_own(void *context)
{
	struct mesh *mesh = context;
	const struct vector *vector = &mesh->vector;
	bool may = true;

	for (size_t i = 0; i < mesh->proofs.count; i++)
		if (mesh->proofs.all[i].node == mesh->node)
			may &= passes(mesh, GATE_CLOSED, mesh->proofs.all[i].start, (struct id){ { 0 } });
	for (size_t i = 0; i < vector->count; i++) {
		struct stream stream = vector->all[i].stream;

		if (stream.node == mesh->node && stream.start != mesh->author.start &&
		    !proofs_has(&mesh->proofs, stream.node, stream.start))
			may &= passes(mesh, GATE_LEFT, stream.start, (struct id){ { 0 } });
	}
	return may;
}

const struct block_gates *lend_gates(const struct mesh *mesh)
{
	return &mesh->lend.gates.block;
}

/* --- Asking. */

static bool is_wanted(const struct mesh *mesh, const struct lend_gate *gate)
{
	return !gate->is_met && gate->wanted.ns && mono_since_ns(mesh->now, gate->wanted) < LEND_GATE_WANTED;
}

bool lend_gates_want(const struct mesh *mesh, uint64_t turn)
{
	const struct lend_gates *gates = &mesh->lend.gates;

	for (size_t i = 0; i < gates->count; i++)
		if (is_wanted(mesh, &gates->all[i]) && gates->all[i].has_rows && !gates->all[i].is_heard &&
		    gates->all[i].since >= turn)
			return true;
	return false;
}

static bool waits_for(struct mesh *mesh, uint64_t node)
{
	const struct lend_gates *gates = &mesh->lend.gates;
	const struct peer *peer = mesh_peer(mesh, node);

	for (size_t i = 0; peer && i < gates->count; i++)
		if (is_wanted(mesh, &gates->all[i]) && gates->all[i].has_rows && !gates->all[i].is_heard &&
		    peer->lend.heard <= gates->all[i].since)
			return true;
	return false;
}

/* What falls to this member it makes ready to lease from, before anybody needs it. */
static void try_all(struct mesh *mesh)
{
	struct arena_mark before = arena_mark(&mesh->arena);
	size_t count;
	const struct member *all = members_all(mesh->t0.members, &count);
	struct block_lines lines;

	block_lines_begin(&lines, mesh->t0.members, &mesh->arena);
	for (size_t i = 0; i < count; i++) {
		const struct grant_view *grant;

		if (!all[i].is_evicted || (i && all[i - 1].node == all[i].node))
			continue;
		grant = members_grant(mesh->t0.members, all[i].node);
		if (block_line_of(&lines, all[i].node)->owner == mesh->node)
			may_inherit(mesh, all[i].node);
		if (grant && grant->heir == mesh->node)
			may_take(mesh, grant->hash);
	}
	may_lease_own(mesh);
	arena_release(&mesh->arena, before);
}

void lend_gates_tick(struct mesh *mesh)
{
	size_t from = mesh->peers_count ? (size_t)rng_below(&mesh->rng, mesh->peers_count) : 0;
	size_t asked = 0;

	if (!exchange_may_serve(mesh))
		return;
	try_all(mesh);
	for (size_t i = 0; asked < LEND_ASKED && i < mesh->peers_count; i++) {
		struct peer *peer = mesh->peers[(from + i) % mesh->peers_count];

		if (!waits_for(mesh, peer->node))
			continue;
		/* In a large cluster there is no link to most. */
		relay_need(mesh, peer);
		lend_ask_free(mesh, peer, (struct id){ { 0 } });
		asked++;
	}
}

/* --- Who holds addresses up. */

static bool is_behind(struct mesh *mesh, const struct peer *peer)
{
	const struct rounds *rounds = &mesh->stable.rounds;
	const struct vector *goal = rounds->round == ROUND_NONE ? &mesh->vector : &rounds->goal;

	return !vector_covers(&peer->acked, goal) || waits_for(mesh, peer->node);
}

static bool is_silent(const struct peer *peer)
{
	return !peer->link || peer->pulse.is_silent;
}

static void name_some(struct mesh *mesh, bool are_silent, size_t *count, char *text, size_t size)
{
	for (size_t i = 0; i < mesh->peers_count; i++) {
		const struct peer *peer = mesh->peers[i];
		size_t at = strlen(text);

		if (is_silent(peer) != are_silent || !is_behind(mesh, peer))
			continue;
		if ((*count)++ < NAMED)
			snprintf(text + at, size - at, "%s%016" PRIx64 "%s", at ? ", " : "", peer->node,
				 are_silent ? " (silent)" : "");
	}
}

void lend_say_who(struct mesh *mesh, struct id pool, struct err *err)
{
	char text[160] = "", more[32] = "";
	size_t count = 0;

	name_some(mesh, true, &count, text, sizeof text);
	name_some(mesh, false, &count, text, sizeof text);
	if (count > NAMED)
		snprintf(more, sizeof more, " and %zu more", count - NAMED);
	*err = (struct err){ 0 };
	if (lend_is_nobodys(mesh, pool))
		fail(err, E_DRY,
		     "no server has a free address of this pool, and some are nobody's: let a server join for the "
		     "pool's gateway, or grant them to one");
	else if (count)
		fail(err, E_DRY, "no server has a free address of this pool; held up by %s%s", text, more);
	else
		fail(err, E_DRY, "no server has a free address of this pool: remove devices, or make a further pool");
}

/* --- The disk. */

static enum code read_gate(struct lend_gates *gates, struct bytes key, struct err *err)
{
	struct reader r = reader_over(key);
	struct lend_gate gate = { .is_met = true, .is_stored = true };
	const uint8_t *statement;

	read_bytes(&r, KEY_FRONT);
	gate.kind = (enum lend_gate_kind)read_big_endian(&r, 1);
	gate.number = read_big_endian(&r, 8);
	statement = read_bytes(&r, sizeof gate.statement.bytes);
	if (!statement || reader_left(&r))
		return fail(err, E_DAMAGED, "a key of what was waited for before leasing is none");
	memcpy(gate.statement.bytes, statement, sizeof gate.statement.bytes);
	add(gates, &gate);
	return OK;
}

static void forget_all(struct lend_gates *gates)
{
	for (size_t i = 0; i < gates->count; i++)
		vector_done(&gates->all[i].lacks);
	gates->count = 0;
}

enum code lend_gates_load(struct mesh *mesh, struct err *err)
{
	struct lend_gates *gates = &mesh->lend.gates;
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code =
		store_range(mesh->look, bytes_of(key_front, sizeof key_front), bytes_of(NULL, 0), &cursor, err);

	gates->block = (struct block_gates){ may_inherit, may_take, may_lease_own, mesh };
	forget_all(gates);
	if (code)
		return code;
	while (!code) {
		code = store_next(cursor, &key, &value, err);
		if (!code)
			code = read_gate(gates, key, err);
	}
	store_range_end(cursor);
	return code == E_ABSENT ? OK : code;
}

void lend_gates_done(struct lend_gates *gates)
{
	forget_all(gates);
	free(gates->all);
	*gates = (struct lend_gates){ 0 };
}

/* Of a node that stands again everybody may have merged more since. */
static bool is_void(const struct mesh *mesh, const struct lend_gate *gate)
{
	const struct member *member = members_find(mesh->t0.members, gate->number);

	return mesh->lend.gates.is_replaced || (gate->kind == GATE_INHERIT && (!member || !member->is_evicted));
}

static enum code finish_gate(struct mesh *mesh, struct lend_gate *gate, bool *ret_is_gone, struct err *err)
{
	static const uint8_t met = 1;
	uint8_t room[KEY_SIZE];
	struct bytes key = gate_key(gate, room);
	enum code code = OK;

	*ret_is_gone = is_void(mesh, gate);
	if (*ret_is_gone && gate->is_stored)
		code = store_delete(mesh->txn, key, err);
	else if (!*ret_is_gone && gate->is_met && !gate->is_stored)
		code = store_put(mesh->txn, key, bytes_of(&met, sizeof met), err);
	gate->is_stored = gate->is_met;
	return code;
}

enum code lend_gates_finish(struct mesh *mesh, struct err *err)
{
	struct lend_gates *gates = &mesh->lend.gates;
	size_t kept = 0;
	enum code code = OK;

	for (size_t i = 0; i < gates->count; i++) {
		bool is_gone = false;

		if (!code)
			code = finish_gate(mesh, &gates->all[i], &is_gone, err);
		if (is_gone)
			vector_done(&gates->all[i].lacks);
		else
			gates->all[kept++] = gates->all[i];
	}
	gates->count = kept;
	if (!code)
		gates->is_replaced = false;
	return code;
}
