/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/judge_inside.h"

#include "crdt/state/live.h"
#include "crdt/state/state.h"

/* Those who may do more come first. */
enum rank { RANK_OWNER, RANK_ADMIN, RANK_OPERATOR, RANK_USER };

static enum rank rank_of_asker(const struct asker *asker)
{
	if (asker->writes & BY_OWNER)
		return RANK_OWNER;
	if (asker->writes & BY_ADMIN)
		return RANK_ADMIN;
	return asker->writes & BY_OPERATOR ? RANK_OPERATOR : RANK_USER;
}

/*
 * How far up they are as the target of somebody's change. A role in conflict grants the least to who has it, and here
 * protects the most: one of its values may be an owner's, and whoever reached the account meanwhile would be an owner
 * once that value wins.
 */
static enum rank rank_of_user(const struct user_row *row)
{
	if (row && row->role_guard.is_conflict)
		return RANK_OWNER;
	if (!row || !(row->has & BIT(AT_user_role)))
		return RANK_USER;
	switch (row->role) {
	case ROLE_OWNER: return RANK_OWNER;
	case ROLE_ADMIN: return RANK_ADMIN;
	case ROLE_OPERATOR: return RANK_OPERATOR;
	default: return RANK_USER;
	}
}

/* Whether the record is as good as that of whom the field names; a hold is its subject's. */
static bool leads_on(const struct field *field)
{
	return field->is_parent || field == FIELD_TABLE(hold, subject);
}

/* The users whom a record belongs to: itself, or those that it hangs on. */
static enum code find_users(struct request *request, const struct kind *kind, struct id id, const void *row, int depth,
			    struct ids *users, struct err *err)
{
	if (kind == KIND_TABLE(user))
		ids_add(users, id, request->judging->arena);
	for (size_t i = 0; depth < LIVE_DEPTH && i < kind->shape.count; i++) {
		const struct kind *above;
		union any_row above_row;
		struct id above_id;
		enum code code;

		if (!leads_on(&kind->shape.fields[i]) || !live_names(kind, i, row, &above, &above_id) || !above)
			continue;
		code = request_look(request, above, above_id, &above_row, err);
		if (!code)
			code = find_users(request, above, above_id, &above_row, depth + 1, users, err);
		if (code && !is_gone(code))
			return code;
	}
	return OK;
}

static bool has_user(const struct ids *users, struct id user)
{
	for (size_t i = 0; i < users->count; i++)
		if (id_equal(users->all[i], user))
			return true;
	return false;
}

/* What is a user's own is for that user alone, unless the agent or the staff asks. */
static enum code check_own(const struct request *request, const struct wish *wish, bool is_mine, struct err *err)
{
	unsigned writes = request->asker->writes;

	if (is_mine || !(writes & BY_SELF) || writes & BY_STAFF)
		return OK;
	return fail(err, E_DENIED, "this %s is not yours: ask an operator", wish->kind->shape.name);
}

/* As themselves people set more of their own than of others'. */
static enum code check_fields(const struct request *request, const struct wish *wish, bool is_mine, struct err *err)
{
	unsigned writes = request->asker->writes & ~(is_mine ? 0u : (unsigned)BY_SELF);

	for (size_t i = 0; i < wish->kind->shape.count; i++) {
		const struct field *f = &wish->kind->shape.fields[i];

		if (wish->given & BIT(i) && !(f->by & writes))
			return fail_at(err, fail(err, E_DENIED, "is not yours to set: ask who may"), f->name, -1);
	}
	return OK;
}

/* Who could make a record may remove it: who may set a field that it must have and that people see. */
static enum code check_removal(const struct request *request, const struct wish *wish, bool is_mine, struct err *err)
{
	unsigned writes = request->asker->writes & ~(is_mine ? 0u : (unsigned)BY_SELF);

	for (size_t i = 0; i < wish->kind->shape.count; i++) {
		const struct field *f = &wish->kind->shape.fields[i];

		if (f->is_required && !f->is_hidden && f->by & writes)
			return OK;
	}
	return fail(err, E_DENIED, "removing this %s is not yours to do: ask who may", wish->kind->shape.name);
}

/* Nobody reaches above themselves: else a link that sets an owner's password would make an owner of an operator. */
static enum code check_above(struct request *request, const struct wish *wish, const struct ids *users, struct err *err)
{
	enum rank rank = rank_of_asker(request->asker);

	for (size_t i = 0; rank != RANK_USER && i < users->count; i++) {
		struct user_row row;
		enum code code;

		/* As themselves: a key with fewer rights than its owner is not its owner. */
		if (request->asker->writes & BY_SELF && id_equal(users->all[i], request->asker->user))
			continue;
		code = state_row(request->judging->txn, KIND_TABLE(user), users->all[i], &row, err);
		if (code && !is_gone(code))
			return code;
		if (!code && rank_of_user(&row) < rank)
			return fail(err, E_DENIED, "this %s is that of somebody with a higher role: ask %s",
				    wish->kind->shape.name,
				    rank_of_user(&row) == RANK_OWNER ? "an owner" : "an admin or owner");
	}
	return OK;
}

static bool may_own(const struct user_row *row)
{
	return row && rank_of_user(row) == RANK_OWNER;
}

/* Who is in conflict does not: it may be decided the other way. */
static bool surely_owns(const struct user_row *row)
{
	return may_own(row) && !row->role_guard.is_conflict;
}

/* Whether somebody is an owner for sure once all came true. */
static enum code find_owner(struct request *request, bool *ret_is_found, struct err *err)
{
	struct state_cursor *cursor;
	struct user_row row;
	uint32_t number;
	struct id id;
	bool is_found = false;
	enum code code;

	for (size_t i = 0; i < request->count && !is_found; i++)
		is_found = request->wishes[i].kind == KIND_TABLE(user) && surely_owns(request->wishes[i].row);
	*ret_is_found = is_found;
	if (is_found)
		return OK;
	code = state_find(request->judging->txn, KIND_TABLE(user), FIELD_TABLE(user, login), NULL, bytes_of(NULL, 0),
			  &cursor, err);
	if (code)
		return code;
	while (!is_found && !(code = state_next(cursor, &number, &id, err))) {
		code = request_look(request, KIND_TABLE(user), id, &row, err);
		if (code && !is_gone(code))
			break;
		is_found = !code && surely_owns(&row);
	}
	state_find_end(cursor);
	*ret_is_found = is_found;
	return is_found || code == E_ABSENT ? OK : code;
}

/*
 * Who may be an owner ceases to be one only where another surely is. A role that stays in conflict takes nothing from
 * anybody, and one that is decided to be an owner's gives: so there is always a way out, which is to make an owner.
 */
static enum code check_last_owner(struct request *request, const struct wish *wish, struct err *err)
{
	bool is_found = true;
	enum code code = OK;

	if (may_own(wish->old) && !may_own(wish->row))
		code = find_owner(request, &is_found, err);
	if (code || is_found)
		return code;
	return fail(err, E_DENIED, "this is%s the last owner, and nobody could undo it: make another owner first",
		    surely_owns(wish->old) ? "" : ", or may be once the conflict about the role is decided,");
}

static enum code check_role(struct request *request, const struct wish *wish, struct err *err)
{
	enum rank before = rank_of_user(wish->old), after = rank_of_user(wish->row);
	bool is_set = wish->row && wish->places & BIT(AT_user_role);

	if (is_set && !(request->asker->writes & BY_OWNER) && (before <= RANK_ADMIN || after <= RANK_ADMIN))
		return fail_at(err, fail(err, E_DENIED, "only an owner makes or unmakes owners and admins: ask one"),
			       FIELD_TABLE(user, role)->name, -1);
	if (!wish->row && request->asker->writes & BY_ALL && id_equal(wish->id, request->asker->user))
		return fail(err, E_DENIED, "nobody removes their own account: ask somebody else who may");
	return check_last_owner(request, wish, err);
}

/* A member's own rows name it. */
static enum code check_member(const struct request *request, const struct wish *wish, struct err *err)
{
	const struct field *f = model_field(&wish->kind->shape, RECORD_FIRST);

	if (!kind_is_own(wish->kind) || *(const uint64_t *)field_slot_const(f, wish->row) == request->judging->node)
		return OK;
	return fail_at(err, fail(err, E_DENIED, "names another member: each writes its own rows alone"), f->name, -1);
}

enum code judge_rights(struct request *request, struct wish *wish, struct err *err)
{
	const void *row = wish->change->what == CHANGE_CREATE ? wish->row : wish->old;
	struct ids users = { 0 };
	bool is_mine;
	enum code code = OK;

	if (row)
		code = find_users(request, wish->kind, wish->id, row, 0, &users, err);
	if (code)
		return code;
	is_mine = has_user(&users, request->asker->user);
	code = check_own(request, wish, is_mine, err);
	if (!code && wish->change->what == CHANGE_REMOVE)
		code = check_removal(request, wish, is_mine, err);
	if (!code && wish->change->what != CHANGE_REMOVE)
		code = check_fields(request, wish, is_mine, err);
	if (!code)
		code = check_above(request, wish, &users, err);
	if (!code && wish->kind == KIND_TABLE(user))
		code = check_role(request, wish, err);
	if (!code && wish->change->what != CHANGE_REMOVE)
		code = check_member(request, wish, err);
	return code;
}
