/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/lend.h"
#include "crdt/gossip/link.h"
#include "crdt/model/pack.h"
#include "crdt/state/found.h"
#include "crdt/state/live.h"
#include "crdt/state/state.h"

/* --- What this member has. */

static bool may_give(const struct mesh *mesh)
{
	return exchange_may_give(mesh) && !mesh->is_twin && members_level(mesh->t0.members) <= LEVEL_KNOWN;
}

/* What it may lease and give of a pool that lives; E_ABSENT. All in the mesh's arena. */
static enum code begin_owner(struct mesh *mesh, struct id id, struct block_owner *ret_owner, struct err *err)
{
	struct block_map *map = arena_take(&mesh->arena, sizeof *map);
	struct store_txn *txn;
	struct pool_row pool;
	enum code code = mesh_reader(mesh, &txn, err);

	if (!code)
		code = live_row(txn, KIND_TABLE(pool), id, &pool, err);
	if (code)
		return is_gone(code) ? E_ABSENT : code;
	code = block_map(txn, mesh->t0.members, &pool, &mesh->arena, map, err);
	*ret_owner = (struct block_owner){
		.txn = txn,
		.arena = &mesh->arena,
		.rng = &mesh->rng,
		.map = map,
		.node = mesh->node,
		.start = mesh->author.start,
		.gates = lend_gates(mesh),
	};
	return code;
}

bool lend_is_gain(struct mesh *mesh, const struct transfer_row *transfer)
{
	struct arena_mark before = arena_mark(&mesh->arena);
	struct block_owner owner;
	const struct block *block = NULL;
	bool is_gain = false;

	if (!begin_owner(mesh, transfer->pool, &owner, NULL))
		block = block_of(owner.map, transfer->first);
	/* What is given is free from its first address on. */
	if (!block || !block->has_tip || !id_equal(block->tip, transfer->id) || block->line->owner != mesh->node ||
	    block_is_free(&owner, transfer->first, &is_gain, NULL))
		is_gain = false;
	arena_release(&mesh->arena, before);
	return is_gain;
}

bool lend_is_nobodys(struct mesh *mesh, struct id pool)
{
	struct arena_mark before = arena_mark(&mesh->arena);
	struct block_owner owner;
	bool is_nobodys = false;

	if (!begin_owner(mesh, pool, &owner, NULL))
		for (size_t i = 0; i < owner.map->count; i++)
			is_nobodys |= !owner.map->all[i].line->owner;
	arena_release(&mesh->arena, before);
	return is_nobodys;
}

enum code lend_count_free(struct mesh *mesh, struct id pool, uint64_t *ret_free, struct err *err)
{
	struct block_owner owner;
	enum code code = may_give(mesh) ? begin_owner(mesh, pool, &owner, err) : E_ABSENT;

	if (!code)
		code = block_free(&owner, ret_free, err);
	if (code == E_ABSENT)
		*ret_free = 0;
	return code == E_ABSENT ? OK : code;
}

/* --- What was given last. */

static bool has_acknowledged(const struct mesh *mesh, const struct peer *peer, struct place place)
{
	return relay_seq(mesh, peer, place.stream) >= place.seq;
}

/* Also of what an earlier process gave: that is known to be there once all that it wrote is. */
static bool has_acknowledged_before(const struct mesh *mesh, const struct peer *peer)
{
	const struct vector *before = &mesh->lend.before;
	bool has = true;

	for (size_t i = 0; has && i < before->count; i++)
		has = relay_seq(mesh, peer, before->all[i].stream) >= before->all[i].end.seq;
	return has;
}

static bool is_remembered(const struct lend *lend, struct id transfer)
{
	for (size_t i = 0; i < lend->given_count; i++)
		if (id_equal(lend->given[i].transfer, transfer))
			return true;
	return false;
}

static bool find_remembered(const struct mesh *mesh, const struct peer *peer, struct id pool, struct id *ret_transfer)
{
	const struct lend *lend = &mesh->lend;

	for (size_t i = lend->given_count; i-- > 0;) {
		if (lend->given[i].taker != peer->node || !id_equal(lend->given[i].pool, pool) ||
		    has_acknowledged(mesh, peer, lend->given[i].place))
			continue;
		*ret_transfer = lend->given[i].transfer;
		return true;
	}
	return false;
}

/* A transfer of this member to the peer that the peer has not acknowledged; E_ABSENT. */
static enum code find_unheard(struct mesh *mesh, const struct peer *peer, struct id pool, struct id *ret_transfer,
			      struct err *err)
{
	struct store_txn *txn;
	struct transfer_row row;
	struct ids ids = { 0 };
	enum code code;

	if (find_remembered(mesh, peer, pool, ret_transfer))
		return OK;
	if (has_acknowledged_before(mesh, peer))
		return E_ABSENT;
	code = mesh_reader(mesh, &txn, err);
	if (!code)
		code = ids_find(txn, KIND_TABLE(transfer), FIELD_TABLE(transfer, taker), &peer->node, &mesh->arena,
				&ids, err);
	for (size_t i = 0; !code && i < ids.count; i++) {
		code = state_row(txn, KIND_TABLE(transfer), ids.all[i], &row, err);
		if (!code && row.giver == mesh->node && id_equal(row.pool, pool) &&
		    !is_remembered(&mesh->lend, ids.all[i])) {
			*ret_transfer = ids.all[i];
			return OK;
		}
		code = is_gone(code) ? OK : code;
	}
	return code ? code : E_ABSENT;
}

/* With one that is forgotten, all that was written up to it is to be acknowledged before the next. */
static void remember(struct mesh *mesh, struct lend_given given)
{
	struct lend *lend = &mesh->lend;

	if (lend->given_count == LEND_GIVEN) {
		struct place place = lend->given[0].place;

		if (vector_seq(&lend->before, place.stream) < place.seq)
			vector_note(&lend->before, place.stream, (struct end){ .seq = place.seq });
		memmove(lend->given, lend->given + 1, --lend->given_count * sizeof *lend->given);
	}
	lend->given[lend->given_count++] = given;
}

/* --- Giving. */

static enum code write_transfer(struct mesh *mesh, const struct transfer_row *row, struct id *ret_id,
				struct place *ret_place, struct err *err)
{
	struct asker asker = { .writes = BY_MEMBER };
	struct judging judging = { .rng = &mesh->rng, .now = mesh->wall };
	struct applying applying = mesh_applying(mesh);
	struct change change = { .what = CHANGE_CREATE, .kind = KIND_transfer };
	struct buf map = buf_growing(MODEL_OP_MAX);
	struct judged judged;
	enum code code;

	pack_write(&KIND_TABLE(transfer)->shape, row, &map);
	change.map = buf_bytes(&map);
	code = author_ask(&mesh->author, &applying, &judging, &asker, &change, 1, &judged, ret_place, err);
	buf_done(&map);
	if (!code)
		*ret_id = judged.ids[0];
	return code;
}

static enum code give(struct mesh *mesh, const struct peer *peer, struct id pool, uint64_t start,
		      struct lend_answer *answer, struct err *err)
{
	struct lend_given given = { .taker = peer->node, .pool = pool, .commits = mesh->commits };
	struct transfer_row row;
	struct block_owner owner;
	enum code code = closed_begin_write(mesh, err);

	if (!code)
		code = begin_owner(mesh, pool, &owner, err);
	if (!code)
		code = block_give(&owner, peer->node, start, &row, err);
	if (!code)
		code = write_transfer(mesh, &row, &given.transfer, &given.place, err);
	if (code)
		return code;
	remember(mesh, given);
	answer->id = given.transfer;
	answer->is_new = true;
	mesh->counts.given++;
	return OK;
}

enum code lend_answer_block(struct mesh *mesh, const struct peer *peer, struct lend_answer *answer, struct err *err)
{
	struct id pool = answer->id;
	enum code code;

	if (!may_give(mesh))
		return E_BUSY;
	code = find_unheard(mesh, peer, pool, &answer->id, err);
	if (code != E_ABSENT) {
		mesh->counts.given_again += !code;
		return code;
	}
	return give(mesh, peer, pool, answer->amount, answer, err);
}

static void say_question(struct mesh *mesh, struct link *link, struct lend_question *question)
{
	uint64_t within = question->what == ASK_FREE ? LEND_FREE_PATIENCE : LEND_BLOCK_PATIENCE;
	uint8_t room[sizeof question->pool + 8];
	struct buf body = buf_over(room, sizeof room);

	buf_put(&body, question->pool.bytes, sizeof question->pool.bytes);
	if (question->what == ASK_BLOCK)
		buf_put_big_endian(&body, mesh->author.start, 8);
	question->number = ++mesh->pendings.asked;
	buf_clear(&mesh->frame);
	frame_put_ask(&mesh->frame, question->number, question->what, (uint32_t)(within / 1000000), buf_bytes(&body));
	link_send(mesh, link);
}

static bool has_questions(const struct mesh *mesh, const struct link *link)
{
	const struct lend *lend = &mesh->lend;

	for (size_t i = 0; i < lend->questions_count; i++)
		if (lend->questions[i].node == link->peer->node && !lend->questions[i].number)
			return true;
	return false;
}

void lend_say(struct mesh *mesh, struct link *link)
{
	struct lend *lend = &mesh->lend;

	if (!lend_debt_is_due(link) && !has_questions(mesh, link))
		return;
	/* Whoever gives is to know what came of what it gave; whoever asks, what is here. */
	ack_flush(mesh, link, FRAME_ACK, false);
	link->owed &= ~(uint32_t)(OWED_ACK | OWED_RECEIPT);
	for (size_t i = 0; i < lend->questions_count; i++)
		if (lend->questions[i].node == link->peer->node && !lend->questions[i].number)
			say_question(mesh, link, &lend->questions[i]);
	lend_debt_say(mesh, link);
}

void lend_back(struct mesh *mesh)
{
	struct lend *lend = &mesh->lend;

	lend_judged(mesh);
	lend_debt_back(mesh);
	while (lend->given_count && lend->given[lend->given_count - 1].commits == mesh->commits)
		lend->given_count--;
}

/* --- Leases that end. */

static enum code end_one(struct mesh *mesh, const struct lease_due *due, struct err *err)
{
	struct asker asker = { .writes = BY_AGENT };
	struct judging judging = { .rng = &mesh->rng,
				   .now = mesh->wall,
				   .action = bytes_text("lease.end"),
				   .members = mesh->t0.members,
				   .gates = lend_gates(mesh) };
	struct lease_row another = { .has = BIT(AT_lease_device) | BIT(AT_lease_pool),
				     .device = due->device,
				     .pool = due->pool };
	struct change changes[] = { { .what = CHANGE_REMOVE, .kind = KIND_lease, .id = due->lease },
				    { .what = CHANGE_CREATE, .kind = KIND_lease } };
	struct applying applying = mesh_applying(mesh);
	struct buf map = buf_growing(MODEL_OP_MAX);
	struct err why = { 0 };
	struct judged judged;
	struct place place;
	enum code code;

	pack_write(&KIND_TABLE(lease)->shape, &another, &map);
	changes[1].map = buf_bytes(&map);
	code = author_ask(&mesh->author, &applying, &judging, &asker, changes, due->wants_another ? 2 : 1, &judged,
			  &place, &why);
	buf_done(&map);
	mesh->counts.ended += !code;
	if (code == E_DRY)
		lend_want(mesh, due->pool);
	if (code_is_disk(code))
		*err = why;
	/* Whatever else is in the way, the next walk meets it again. */
	return code_is_disk(code) ? code : OK;
}

/* All that says which leases are due, in one number. */
static struct sum weigh(const struct mesh *mesh)
{
	struct sum sum = mesh->vector.sum;

	sum_add(&sum, mesh->t0.sum);
	return sum;
}

static bool is_anything_new(struct mesh *mesh)
{
	struct lend *lend = &mesh->lend;
	struct sum sum = weigh(mesh);

	if (lend->walk.is_begun)
		return true;
	if (lend->is_walked && sum_equal(sum, lend->walked))
		return false;
	lend->walked = sum;
	lend->has_ended = false;
	return true;
}

enum code lend_end_some(struct mesh *mesh, struct err *err)
{
	struct lend *lend = &mesh->lend;
	struct arena_mark before = arena_mark(&mesh->arena);
	struct lease_due due[LEND_ENDED];
	struct store_txn *txn;
	size_t count = 0;
	enum code code;

	if (!exchange_may_serve(mesh) || mesh->is_twin || members_level(mesh->t0.members) > LEVEL_KNOWN ||
	    !is_anything_new(mesh))
		return OK;
	code = mesh_reader(mesh, &txn, err);
	if (!code)
		code = lease_find_due(txn, mesh->t0.members, mesh->node, &lend->walk, LEND_STEPS, &mesh->arena, due,
				      LEND_ENDED, &count, err);
	if (!code && count)
		code = closed_begin_write(mesh, err);
	for (size_t i = 0; !code && i < count; i++)
		code = end_one(mesh, &due[i], err);
	lend->has_ended |= count;
	lend->is_walked = !lend->walk.is_begun && !lend->has_ended;
	arena_release(&mesh->arena, before);
	return code;
}
