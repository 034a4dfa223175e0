/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/judge.h"

#include "crdt/model/validate.h"
#include "crdt/state/judge_inside.h"
#include "crdt/state/state.h"

#include <assert.h>

enum {
	/* Of an entry beside its ops' maps: its own front, and each op's kind and id. */
	ENTRY_FRONT = 64,
	OP_FRONT = 32,
};

struct id judge_made(size_t position)
{
	struct id id = { { 0 } };

	assert(position < JUDGE_CHANGES_MAX);
	id.bytes[sizeof id.bytes - 1] = (uint8_t)(position + 1);
	return id;
}

/* Only a member's own rows go without an audit row. */
static bool is_audited(const struct request *request)
{
	return request->judging->action.size;
}

static enum code check_request(const struct request *request, size_t count, struct err *err)
{
	const struct field *action = FIELD_TABLE(audit, action);
	enum code code;

	if (!count || count > JUDGE_CHANGES_MAX)
		return fail(err, E_LIMIT, "a request has 1 to %d changes, this has %zu", JUDGE_CHANGES_MAX, count);
	if (!is_audited(request))
		return OK;
	code = validate_slot(action, &request->judging->action, err);
	return code ? fail_at(err, code, action->name, -1) : OK;
}

typedef enum code judge_step(struct request *request, struct wish *wish, struct err *err);

static enum code each(struct request *request, judge_step *step, struct err *err)
{
	enum code code = OK;

	for (size_t i = 0; !code && i < request->count; i++) {
		code = step(request, &request->wishes[i], err);
		if (code && request->count > 1)
			code = fail_at(err, code, "changes", (long)i);
	}
	return code;
}

/* What was asked for is as it was given. */
static bool is_as_given(const struct wish *wish, const void *row)
{
	const struct shape *shape = &wish->kind->shape;

	for (size_t i = 0; i < shape->count; i++)
		if (wish->given & BIT(i) && !values_equal(wish->kind, i, row, wish->asked))
			return false;
	return true;
}

/* Whether the record of a create is there: its identity, dead or not; *ret_is_same if it lives as it was asked for. */
static enum code find_made(struct request *request, const struct wish *wish, bool *ret_is_there, bool *ret_is_same,
			   struct err *err)
{
	struct store_txn *txn = request->judging->txn;
	struct record *record = &request->scratch;
	struct bytes stored;
	union any_row row;
	enum code code = state_record(txn, wish->kind->number, wish->id, &stored, err);

	*ret_is_there = *ret_is_same = false;
	if (!code)
		code = record_read(stored, record, err);
	if (code)
		return code == E_ABSENT ? OK : fail_in(err, E_DAMAGED, "the stored record");
	*ret_is_there = record->is_dead || record_has_identity(record);
	code = state_row(txn, wish->kind, wish->id, &row, err);
	*ret_is_same = !code && is_as_given(wish, &row);
	return is_gone(code) ? OK : code;
}

/* Whether all leases are there that the request makes, and *ret_count of them; each wish gets the id of its own. */
static enum code find_leases(struct request *request, size_t *ret_count, bool *ret_are_there, struct err *err)
{
	bool is_there;
	enum code code = OK;

	*ret_count = 0;
	*ret_are_there = true;
	for (size_t i = 0; !code && i < request->count; i++) {
		struct wish *wish = &request->wishes[i];

		if (wish->kind != KIND_TABLE(lease) || wish->change->what != CHANGE_CREATE || wish->given & 1)
			continue;
		++*ret_count;
		code = judge_leased(request, wish, &is_there, err);
		*ret_are_there &= !code && is_there;
	}
	return code;
}

/*
 * The same request came true before when any record is there whose nonce is this request's own. Natural ids tell less:
 * only where there is nothing else, and each lives exactly as it is asked for. Leases tell least: where a request makes
 * nothing but leases, and all devices have theirs.
 */
static enum code find_made_before(struct request *request, bool *ret_is_repeat, bool *ret_tells_nothing,
				  struct err *err)
{
	size_t natural = 0, same = 0, others = 0, bound = 0, sets = 0;

	*ret_is_repeat = *ret_tells_nothing = false;
	for (size_t i = 0; i < request->count; i++) {
		const struct wish *wish = &request->wishes[i];
		bool has_nonce = kind_has_nonce(wish->kind) && wish->change->what == CHANGE_CREATE;
		bool is_there, is_same;
		enum code code;

		sets += wish->change->what == CHANGE_SET;
		if (wish->change->what != CHANGE_CREATE || (has_nonce && wish->given & 1) ||
		    wish->kind == KIND_TABLE(lease))
			continue;
		code = find_made(request, wish, &is_there, &is_same, err);
		if (code)
			return code;
		if (has_nonce && is_there) {
			*ret_is_repeat = true;
			return OK;
		}
		natural += !has_nonce;
		same += !has_nonce && is_same;
		others += has_nonce && !wish->is_bound;
		bound += has_nonce && wish->is_bound;
	}
	*ret_is_repeat = natural && same == natural && !others;
	*ret_tells_nothing = !natural && !others && !bound && !sets;
	return OK;
}

static enum code find_repeat(struct request *request, bool *ret_is_repeat, struct err *err)
{
	bool tells_nothing, are_there;
	size_t leases;
	enum code code;

	*ret_is_repeat = false;
	if (!request->judging->idempotency.size)
		return OK;
	code = find_made_before(request, ret_is_repeat, &tells_nothing, err);
	if (code || (!*ret_is_repeat && !tells_nothing))
		return code;
	code = find_leases(request, &leases, &are_there, err);
	if (tells_nothing)
		*ret_is_repeat = leases && are_there;
	return code;
}

/* The latest stamp among what the op replaces. */
static enum code find_replaced(struct request *request, struct wish *wish, struct err *err)
{
	struct record *record = &request->scratch;
	enum code code;

	if (!wish->stored.size || !wish->places)
		return OK;
	code = record_read(wish->stored, record, err);
	if (code)
		return fail_in(err, E_DAMAGED, "the stored record");
	for (size_t i = 0; i < record->count; i++) {
		const struct cell *cell = &record->cells[i];
		const struct field *f = model_field(&wish->kind->shape, cell->number);
		struct hlc later;

		if (!f || f->merge != MERGE_LWW || !(wish->places & BIT(f - wish->kind->shape.fields)) ||
		    hlc_compare(request->hlc, cell->stamp.hlc) > 0)
			continue;
		if (!hlc_after(request->hlc, cell->stamp.hlc, &later))
			return fail_at(err,
				       fail(err, E_LIMIT,
					    "was stamped with the end of time: remove the record and make another"),
				       f->name, -1);
		request->hlc = later;
	}
	return OK;
}

static enum code make_op(struct request *request, struct wish *wish, struct err *err)
{
	enum code code;

	if (!wish->row || wish->is_nothing)
		return OK;
	code = find_replaced(request, wish, err);
	return code ? code : judge_map(request, wish, err);
}

static enum code audit_op(struct request *request, struct op *ret_op, struct err *err)
{
	const struct judging *judging = request->judging;
	const struct wish *first = &request->wishes[0];
	struct audit_row row = {
		.has = BIT(AT_audit_node) | BIT(AT_audit_start) | BIT(AT_audit_seq) | BIT(AT_audit_before) |
		       BIT(AT_audit_at) | BIT(AT_audit_action) | BIT(AT_audit_subject) | BIT(AT_audit_outcome),
		.node = judging->node,
		.start = judging->start,
		.seq = judging->audit_seq,
		.before = bytes_of(judging->audit_before.bytes, sizeof judging->audit_before.bytes),
		.at = judging->now,
		.action = judging->action,
		.subject = { first->kind->number, first->id },
		.outcome = OUTCOME_DONE,
	};
	enum code code;

	if (request->asker->has_actor) {
		row.has |= BIT(AT_audit_actor);
		row.actor = request->asker->actor;
	}
	buf_clear(&request->buf);
	pack_write(&KIND_TABLE(audit)->shape, &row, &request->buf);
	*ret_op = (struct op){ .kind = KIND_audit };
	ret_op->map = arena_copy(judging->arena, buf_bytes(&request->buf));
	code = record_from_op(ret_op->map, (struct stamp){ 0 }, &request->scratch, err);
	if (!code)
		ret_op->id = record_id(KIND_audit, &request->scratch);
	return code;
}

static size_t collect_ops(const struct request *request, struct op *ops, bool *ret_has_others)
{
	size_t count = 0;

	*ret_has_others = false;
	for (size_t i = 0; i < request->count; i++) {
		const struct wish *wish = &request->wishes[i];

		if (wish->is_nothing)
			continue;
		*ret_has_others |= !kind_is_own(wish->kind);
		ops[count++] = (struct op){
			.kind = wish->kind->number, .id = wish->id, .is_dead = !wish->row, .map = wish->map
		};
	}
	return count;
}

static enum code write_entry(struct request *request, const struct op *ops, size_t count, struct judged *judged,
			     struct err *err)
{
	const struct asker *asker = request->asker;
	size_t size = ENTRY_FRONT + count * OP_FRONT;
	struct entry entry;
	struct buf buf;

	for (size_t i = 0; i < count; i++)
		size += ops[i].map.size;
	if (size > ENTRY_MAX)
		return fail(err, E_LIMIT, "the changes take %zu bytes together, at most %d fit: ask for fewer at once",
			    size, ENTRY_MAX);
	buf = buf_over(arena_take(request->judging->arena, size), size);
	entry_write(request->hlc, asker->has_actor ? &asker->actor : NULL, ops, count, &buf);
	assert(!buf.is_full);
	judged->entry = buf_bytes(&buf);
	judged->lane = entry_lane(ops, count);
	judged->hlc = request->hlc;
	/* What others would skip is not written. */
	return entry_check(judged->entry, request->judging->node, &entry, err);
}

static enum code make_entry(struct request *request, struct judged *judged, struct err *err)
{
	struct op ops[JUDGE_CHANGES_MAX + 1];
	bool has_others;
	size_t count = collect_ops(request, ops, &has_others);
	enum code code = OK;

	judged->audit_hash = request->judging->audit_before;
	judged->is_repeat = !count;
	if (!count)
		return OK;
	if (!is_audited(request) && has_others)
		return fail(err, E_VALUE, "say what is done: only a member's own rows go without an audit row");
	if (is_audited(request)) {
		code = audit_op(request, &ops[count], err);
		if (code)
			return code;
		judged->audit_hash = ops[count++].id;
	}
	return write_entry(request, ops, count, judged, err);
}

static enum code judge_all(struct request *request, struct judged *judged, struct err *err)
{
	static judge_step *const steps[] = { judge_stored, judge_rights, judge_rules, make_op, judge_dry };
	bool is_repeat;
	enum code code = each(request, judge_asked, err);

	if (!code)
		code = each(request, judge_home, err);
	if (!code)
		code = find_repeat(request, &is_repeat, err);
	if (code)
		return code;
	for (size_t i = 0; i < request->count; i++)
		judged->ids[i] = request->wishes[i].id;
	judged->spends = request->home;
	judged->keepers = judge_keepers(request, &judged->keepers_count);
	if (is_repeat) {
		judged->is_repeat = true;
		judged->audit_hash = request->judging->audit_before;
		return OK;
	}
	for (size_t i = 0; !code && i < COUNT(steps); i++)
		code = each(request, steps[i], err);
	return code ? code : make_entry(request, judged, err);
}

enum code judge(const struct judging *judging, const struct asker *asker, const struct change *changes, size_t count,
		struct judged *ret_judged, struct err *err)
{
	struct request *request = arena_take(judging->arena, sizeof *request);
	struct judged judged = { .hlc = judging->hlc };
	enum code code;

	request->judging = judging;
	request->asker = asker;
	request->count = count;
	request->hlc = judging->hlc;
	code = check_request(request, count, err);
	if (code)
		return code;
	for (size_t i = 0; i < count; i++)
		request->wishes[i] = (struct wish){ .change = &changes[i], .position = i };
	request->buf = buf_growing(MODEL_OP_MAX);
	code = judge_all(request, &judged, err);
	buf_done(&request->buf);
	if (!code)
		*ret_judged = judged;
	if (code == E_DRY)
		ret_judged->pool = request->dry;
	if (code == E_ELSEWHERE)
		ret_judged->home = request->home;
	return code;
}
