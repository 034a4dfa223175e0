/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/live.h"

#include "crdt/model/pack.h"
#include "crdt/state/found.h"
#include "crdt/state/state.h"

bool live_names(const struct kind *kind, size_t place, const void *row, const struct kind **ret_kind, struct id *ret_id)
{
	const struct field *f = &kind->shape.fields[place];
	const struct ref *ref = field_slot_const(f, row);

	if (f->is_list || !row_has_field(&kind->shape, row, place))
		return false;
	if (f->type == TYPE_ID) {
		*ret_kind = model_kind(f->of);
		*ret_id = *(const struct id *)field_slot_const(f, row);
		return true;
	}
	if (f->type != TYPE_REF)
		return false;
	*ret_kind = model_kind(ref->kind);
	*ret_id = ref->id;
	return true;
}

static enum code check_parents(live_look *look, void *context, const struct kind *kind, const void *row, int depth,
			       struct err *err);

/* An invalid parent is an absent one. */
static enum code check_parent(live_look *look, void *context, const struct kind *kind, struct id id, int depth,
			      struct err *err)
{
	union any_row row;
	enum code code;

	if (!kind)
		return fail(err, E_ABSENT, "names a kind of record that this version does not know");
	if (depth == LIVE_DEPTH)
		return fail(err, E_ABSENT, "hangs on more than %d others, one on the other", LIVE_DEPTH);
	code = look(context, kind, id, &row, err);
	if (!code)
		code = check_parents(look, context, kind, &row, depth + 1, err);
	if (is_gone(code))
		return fail(err, E_ABSENT, "there is no such %s (any more): name one that is there", kind->shape.name);
	return code;
}

static enum code check_parents(live_look *look, void *context, const struct kind *kind, const void *row, int depth,
			       struct err *err)
{
	for (size_t i = 0; i < kind->shape.count; i++) {
		const struct field *f = &kind->shape.fields[i];
		const struct kind *parent;
		struct id id;
		enum code code;

		if (!f->is_parent || !live_names(kind, i, row, &parent, &id))
			continue;
		code = check_parent(look, context, parent, id, depth, err);
		if (code)
			return fail_at(err, code, f->name, -1);
	}
	return OK;
}

enum code live_parents(live_look *look, void *context, const struct kind *kind, const void *row, struct err *err)
{
	return check_parents(look, context, kind, row, 0, err);
}

static enum code look_stored(void *context, const struct kind *kind, struct id id, void *ret_row, struct err *err)
{
	enum code code = state_row(context, kind, id, ret_row, err);

	return code == E_ABSENT ? fail(err, code, "there is no such %s (any more)", kind->shape.name) : code;
}

enum code live_row(struct store_txn *txn, const struct kind *kind, struct id id, void *ret_row, struct err *err)
{
	enum code code = look_stored(txn, kind, id, ret_row, err);

	return code ? code : check_parents(look_stored, txn, kind, ret_row, 0, err);
}

enum code live_holds(struct store_txn *txn, struct ref subject, struct arena *arena, struct id **ret_ids,
		     size_t *ret_count, struct err *err)
{
	struct ids ids;
	enum code code = ids_find(txn, KIND_TABLE(hold), FIELD_TABLE(hold, subject), &subject, arena, &ids, err);

	if (code)
		return code;
	*ret_ids = ids.all;
	*ret_count = ids.count;
	return OK;
}

enum code live_is_held(struct store_txn *txn, struct ref subject, struct arena *arena, bool *ret_is_held,
		       struct err *err)
{
	struct id *ids;
	size_t count;
	enum code code = live_holds(txn, subject, arena, &ids, &count, err);

	if (!code)
		*ret_is_held = count;
	return code;
}
