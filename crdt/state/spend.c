/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/spend.h"

#include "crdt/base/buf.h"
#include "crdt/model/pack.h"
#include "crdt/model/record.h"
#include "crdt/state/found.h"
#include "crdt/state/state.h"

#include <stdlib.h>

enum { HOME_SIZE = 8 };

bool spend_is_of(uint32_t kind)
{
	return kind == KIND_enrolment_token || kind == KIND_one_time_link || kind == KIND_recovery_codes;
}

static enum code nothing(struct err *err)
{
	return fail(err, E_ABSENT, "there is no such secret (any more): name one that is there");
}

static enum code of_token(const struct enrolment_token_row *row, struct credential *credential)
{
	*credential = (struct credential){
		.home = row->home,
		.uses = row->uses,
		.expires = row->expires,
		.has_expires = true,
		.of = { KIND_user, row->user },
		.has_of = row->has & BIT(AT_enrolment_token_user),
	};
	return row->has & BIT(AT_enrolment_token_home) ? OK : E_ABSENT;
}

static enum code of_link(const struct one_time_link_row *row, struct credential *credential)
{
	*credential = (struct credential){
		.home = row->home,
		.uses = 1,
		.expires = row->expires,
		.has_expires = true,
		.of = row->subject,
		.has_of = true,
	};
	return row->has & BIT(AT_one_time_link_home) ? OK : E_ABSENT;
}

/* The home's node id, then the hashes. */
static enum code of_codes(const struct recovery_codes_row *row, struct credential *credential)
{
	struct reader r = reader_over(row->hashes);
	uint64_t home = read_big_endian(&r, HOME_SIZE);

	*credential = (struct credential){
		.home = home,
		.uses = 1,
		.codes = bytes_of(r.at, reader_left(&r)),
		.has_codes = true,
		.of = { KIND_user, row->user },
		.has_of = true,
	};
	return row->has & BIT(AT_recovery_codes_hashes) && !r.is_short ? OK : E_ABSENT;
}

/* What was removed has kept its identity. */
static enum code read_any(struct store_txn *txn, struct ref ref, union any_row *row, struct err *err)
{
	struct bytes stored, map;
	bool is_dead;
	enum code code = state_record(txn, ref.kind, ref.id, &stored, err);

	if (!code)
		code = record_map(stored, &is_dead, &map, err);
	return code ? code : pack_read(&model_kind(ref.kind)->shape, map, false, row, err);
}

enum code spend_credential(struct store_txn *txn, struct ref ref, struct credential *ret_credential, struct err *err)
{
	struct credential credential;
	union any_row row;
	enum code code;

	if (!spend_is_of(ref.kind))
		return fail(err, E_VALUE,
			    "is nothing that is spent: name an enrolment token, a one-time link or "
			    "recovery codes");
	code = read_any(txn, ref, &row, err);
	if (code)
		return is_gone(code) ? nothing(err) : code;
	switch (ref.kind) {
	case KIND_enrolment_token: code = of_token(&row.of_enrolment_token, &credential); break;
	case KIND_one_time_link: code = of_link(&row.of_one_time_link, &credential); break;
	default: code = of_codes(&row.of_recovery_codes, &credential); break;
	}
	if (code)
		return nothing(err);
	*ret_credential = credential;
	return OK;
}

static int compare(const void *a, const void *b)
{
	const struct spent *one = a, *other = b;
	int order = bytes_compare(one->code, other->code);

	if (order)
		return order;
	if (one->ordinal != other->ordinal)
		return one->ordinal > other->ordinal ? 1 : -1;
	return memcmp(one->id.bytes, other->id.bytes, sizeof one->id.bytes);
}

/* Of a token nothing is left of, nobody can say how many there may be. */
static enum code find_uses(struct store_txn *txn, struct ref ref, uint64_t *ret_uses, struct err *err)
{
	struct credential credential;
	enum code code;

	*ret_uses = ref.kind == KIND_enrolment_token || !spend_is_of(ref.kind) ? UINT64_MAX : 1;
	if (ref.kind != KIND_enrolment_token)
		return OK;
	code = spend_credential(txn, ref, &credential, err);
	if (!code)
		*ret_uses = credential.uses;
	return code == E_ABSENT ? OK : code;
}

static enum code read_all(struct store_txn *txn, const struct ids *ids, struct arena *arena, struct spent *spent,
			  size_t *ret_count, struct err *err)
{
	size_t count = 0;

	for (size_t i = 0; i < ids->count; i++) {
		struct spend_row row;
		enum code code = state_row(txn, KIND_TABLE(spend), ids->all[i], &row, err);

		if (is_gone(code))
			continue;
		if (code)
			return code;
		spent[count++] = (struct spent){
			.id = row.id,
			.ordinal = row.ordinal,
			.code = row.has & BIT(AT_spend_code) ? arena_copy(arena, row.code) : bytes_of(NULL, 0),
			.nonce = arena_copy(arena, row.nonce),
		};
	}
	*ret_count = count;
	return OK;
}

enum code spend_all(struct store_txn *txn, struct ref credential, struct arena *arena, struct spent **ret_spent,
		    size_t *ret_count, struct err *err)
{
	struct spent *spent;
	size_t count = 0, before = 0;
	uint64_t uses;
	struct ids ids;
	enum code code = find_uses(txn, credential, &uses, err);

	if (!code)
		code = ids_find(txn, KIND_TABLE(spend), FIELD_TABLE(spend, credential), &credential, arena, &ids, err);
	if (code)
		return code;
	spent = arena_take(arena, (ids.count + 1) * sizeof *spent);
	code = read_all(txn, &ids, arena, spent, &count, err);
	if (code)
		return code;
	if (count)
		qsort(spent, count, sizeof *spent, compare);
	for (size_t i = 0; i < count; i++) {
		before = i && bytes_equal(spent[i].code, spent[i - 1].code) ? before + 1 : 0;
		spent[i].stands = before < uses;
	}
	*ret_spent = spent;
	*ret_count = count;
	return OK;
}

enum code spend_stands(struct store_txn *txn, struct id spend, struct arena *arena, bool *ret_stands, struct err *err)
{
	struct spend_row row;
	struct spent *spent;
	size_t count = 0;
	bool stands = false;
	enum code code = state_row(txn, KIND_TABLE(spend), spend, &row, err);

	if (!code)
		code = spend_all(txn, row.credential, arena, &spent, &count, err);
	if (code && !is_gone(code))
		return code;
	for (size_t i = 0; i < count; i++)
		stands |= id_equal(spent[i].id, spend) && spent[i].stands;
	*ret_stands = stands;
	return OK;
}

enum code spend_is_off(struct store_txn *txn, struct ref made, struct arena *arena, bool *ret_is_off, struct err *err)
{
	bool stands = false;
	struct ids ids;
	enum code code = ids_find(txn, KIND_TABLE(spend), FIELD_TABLE(spend, made), &made, arena, &ids, err);

	for (size_t i = 0; !code && !stands && i < ids.count; i++)
		code = spend_stands(txn, ids.all[i], arena, &stands, err);
	if (!code)
		*ret_is_off = ids.count && !stands;
	return code;
}
