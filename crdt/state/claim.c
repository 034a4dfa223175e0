/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/claim.h"

#include "crdt/base/text.h"
#include "crdt/model/pack.h"
#include "crdt/model/validate.h"
#include "crdt/state/found.h"
#include "crdt/state/live.h"

#include <stdio.h>

enum { ID_TEXT = 32 };

const struct field *claim_field(const struct kind *kind)
{
	for (size_t i = 0; i < kind->shape.count; i++)
		if (kind->shape.fields[i].is_claim)
			return &kind->shape.fields[i];
	return NULL;
}

/* Leaves those that live with all that they hang on. */
static enum code keep_live(struct store_txn *txn, const struct kind *kind, struct ids *ids, struct err *err)
{
	union any_row row;
	size_t kept = 0;

	for (size_t i = 0; i < ids->count; i++) {
		enum code code = live_row(txn, kind, ids->all[i], &row, err);

		if (code && !is_gone(code))
			return code;
		if (!code)
			ids->all[kept++] = ids->all[i];
	}
	ids->count = kept;
	return OK;
}

enum code claim_holders(struct store_txn *txn, const struct kind *kind, struct bytes name, struct arena *arena,
			struct id **ret_ids, size_t *ret_count, struct err *err)
{
	const struct field *field = claim_field(kind);
	struct ids ids = { 0 };
	enum code code = OK;

	/* What no record can have as its name may be too long for a key. */
	if (field && !validate_slot(field, &name, NULL))
		code = ids_find(txn, kind, field, &name, arena, &ids, err);
	if (!code)
		code = keep_live(txn, kind, &ids, err);
	if (code)
		return code;
	*ret_ids = ids.all;
	*ret_count = ids.count;
	return OK;
}

/* How many characters of the id at `at` it takes to tell it from all others. */
static size_t tail_size(const struct id *ids, size_t count, size_t at)
{
	char own[ID_TEXT + 1], other[ID_TEXT + 1];
	size_t size = CLAIM_TAIL;

	hex_write(bytes_of(ids[at].bytes, sizeof ids[at].bytes), own);
	for (size_t i = 0; i < count; i++) {
		size_t shared = 0;

		if (i == at)
			continue;
		hex_write(bytes_of(ids[i].bytes, sizeof ids[i].bytes), other);
		while (shared < ID_TEXT && own[shared] == other[shared])
			shared++;
		if (shared + 1 > size)
			size = shared + 1;
	}
	return size;
}

/* "name~3f2a91" */
static size_t write_full(struct bytes name, const struct id *ids, size_t count, size_t at, char *room)
{
	char hex[ID_TEXT + 1];
	size_t tail = tail_size(ids, count, at);

	hex_write(bytes_of(ids[at].bytes, sizeof ids[at].bytes), hex);
	memcpy(room, name.data, name.size);
	room[name.size] = '~';
	memcpy(room + name.size + 1, hex, tail);
	room[name.size + 1 + tail] = '\0';
	return name.size + 1 + tail;
}

static enum code several(const struct kind *kind, struct bytes name, const struct id *ids, size_t count,
			 struct err *err)
{
	char list[200] = "", one[CLAIM_TEXT_MAX + 1];
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		size_t size = write_full(name, ids, count, i, one);

		if (used + size + 8 > sizeof list) {
			snprintf(list + used, sizeof list - used, " …");
			break;
		}
		used += (size_t)snprintf(list + used, sizeof list - used, " %s", one);
	}
	return fail(err, E_TAKEN, "%zu %s: say which one:%s", count, kind->plural, list);
}

/* Of the holders those whose id begins with the tail. */
static size_t with_tail(const struct id *ids, size_t count, struct bytes tail, struct id *ret_found)
{
	char hex[ID_TEXT + 1];
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		hex_write(bytes_of(ids[i].bytes, sizeof ids[i].bytes), hex);
		if (bytes_start_with(bytes_text(hex), tail))
			ret_found[found++] = ids[i];
	}
	return found;
}

static enum code no_such(const struct kind *kind, struct err *err)
{
	return fail(err, E_ABSENT, "there is no such %s: list the %s to see their names", kind->shape.name,
		    kind->plural);
}

static enum code resolve_name(struct store_txn *txn, const struct kind *kind, struct bytes text, struct arena *arena,
			      struct id *ret_id, struct err *err)
{
	const uint8_t *mark = text.size ? memrchr(text.data, '~', text.size) : NULL;
	struct bytes name = mark ? bytes_of(text.data, (size_t)(mark - text.data)) : text;
	struct bytes tail = bytes_of(mark ? mark + 1 : NULL, text.size - name.size - (mark != NULL));
	struct id *ids, *found;
	size_t count;
	enum code code = claim_holders(txn, kind, name, arena, &ids, &count, err);

	if (code)
		return code;
	if (mark && tail.size < CLAIM_TAIL)
		return fail(err, E_ABSENT, "give at least %d characters of the id behind ~", CLAIM_TAIL);
	if (mark) {
		found = arena_take(arena, count * sizeof *found);
		count = with_tail(ids, count, tail, found);
		ids = found;
	}
	if (!count)
		return no_such(kind, err);
	if (count > 1)
		return several(kind, name, ids, count, err);
	*ret_id = ids[0];
	return OK;
}

enum code claim_resolve(struct store_txn *txn, const struct kind *kind, struct bytes text, struct arena *arena,
			struct id *ret_id, struct err *err)
{
	union any_row row;
	struct id id;
	enum code code;

	/* No name looks like an id: whoever authors a claim refuses that. */
	if (!hex_read(text, id.bytes, sizeof id.bytes))
		return resolve_name(txn, kind, text, arena, ret_id, err);
	code = live_row(txn, kind, id, &row, err);
	if (is_gone(code))
		return no_such(kind, err);
	if (!code)
		*ret_id = id;
	return code;
}

enum code claim_text(struct store_txn *txn, const struct kind *kind, struct id id, struct arena *arena,
		     struct bytes *ret_text, struct err *err)
{
	const struct field *field = claim_field(kind);
	char room[CLAIM_TEXT_MAX + 1];
	struct bytes name;
	union any_row row;
	struct id *ids;
	size_t count;
	enum code code = live_row(txn, kind, id, &row, err);

	if (code)
		return code;
	if (!field || !row_has_field(&kind->shape, &row, (size_t)(field - kind->shape.fields))) {
		hex_write(bytes_of(id.bytes, sizeof id.bytes), room);
		*ret_text = arena_copy(arena, bytes_text(room));
		return OK;
	}
	name = *(const struct bytes *)field_slot_const(field, &row);
	code = claim_holders(txn, kind, name, arena, &ids, &count, err);
	if (code)
		return code;
	if (count > 1)
		name = bytes_of(room, write_full(name, ids, count, ids_place(ids, count, id), room));
	*ret_text = arena_copy(arena, name);
	return OK;
}
