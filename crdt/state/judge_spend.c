/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/judge_inside.h"

#include "crdt/state/block_line.h"
#include "crdt/state/live.h"
#include "crdt/state/spend.h"

#include <inttypes.h>

static enum code at_field(const struct field *field, enum code code, struct err *err)
{
	return fail_at(err, code, field->name, -1);
}

static enum code at_credential(enum code code, struct err *err)
{
	return at_field(FIELD_TABLE(spend, credential), code, err);
}

static bool is_spend(const struct wish *wish)
{
	return wish->kind == KIND_TABLE(spend) && wish->change->what == CHANGE_CREATE;
}

/* The home that the credential names, or who has it from that one. */
static enum code find_home(struct request *request, struct wish *wish, uint64_t named, uint64_t *ret_home,
			   struct err *err)
{
	const struct judging *judging = request->judging;
	struct block_lines lines;
	const struct block_line *line;

	*ret_home = named;
	if (named == judging->node)
		return OK;
	block_lines_begin(&lines, judging->members, judging->arena);
	line = block_line_of(&lines, named);
	if (!line->owner)
		return fail(err, E_DENIED,
			    "is spent by member %016" PRIx64
			    " alone, which is no member any more and has no heir: make "
			    "another",
			    named);
	*ret_home = line->owner;
	if (line->owner == judging->node)
		wish->line = line;
	return OK;
}

enum code judge_home(struct request *request, struct wish *wish, struct err *err)
{
	const struct spend_row *row = wish->row;
	struct credential credential;
	uint64_t home = 0;
	enum code code;

	if (!is_spend(wish))
		return OK;
	code = spend_credential(request->judging->txn, row->credential, &credential, err);
	if (!code)
		code = find_home(request, wish, credential.home, &home, err);
	if (code)
		return at_credential(code, err);
	if (request->home && home != request->home)
		return at_credential(fail(err, E_VALUE,
					  "is spent by another member than what an earlier change spends: "
					  "ask for one after the other"),
				     err);
	request->home = home;
	/* The first one's says for all whose it is; that it is this member's is said of each. */
	if (home != request->judging->node)
		return at_credential(fail(err, E_ELSEWHERE, "is spent by member %016" PRIx64 " alone: ask there", home),
				     err);
	return OK;
}

static bool is_like(const struct spend_row *row, const struct spend_row *other)
{
	struct bytes none = { 0 };

	return row->credential.kind == other->credential.kind && id_equal(row->credential.id, other->credential.id) &&
	       bytes_equal(row->has & BIT(AT_spend_code) ? row->code : none,
			   other->has & BIT(AT_spend_code) ? other->code : none);
}

/* The uses of the same before this one: how many, and the largest ordinal among them. */
struct uses {
	uint64_t count, largest;
	bool is_keyed; /* one of them was asked for under the same key */
};

static enum code find_uses(struct request *request, const struct wish *wish, struct uses *ret_uses, struct err *err)
{
	const struct spend_row *row = wish->row;
	struct uses uses = { 0 };
	struct spent *spent;
	size_t count;
	enum code code =
		spend_all(request->judging->txn, row->credential, request->judging->arena, &spent, &count, err);

	if (code)
		return code;
	for (size_t i = 0; i < count; i++) {
		struct spend_row other = { .has = spent[i].code.size ? BIT(AT_spend_code) : 0,
					   .credential = row->credential,
					   .code = spent[i].code };

		uses.largest = spent[i].ordinal > uses.largest ? spent[i].ordinal : uses.largest;
		uses.is_keyed |= request->judging->idempotency.size && bytes_equal(row->nonce, spent[i].nonce);
		uses.count += is_like(row, &other);
	}
	for (size_t i = 0; i < wish->position; i++) {
		const struct spend_row *other = request->wishes[i].row;

		if (!is_spend(&request->wishes[i]) || !id_equal(other->credential.id, row->credential.id))
			continue;
		uses.largest = other->ordinal > uses.largest ? other->ordinal : uses.largest;
		uses.count += is_like(row, other);
	}
	*ret_uses = uses;
	return OK;
}

enum code judge_use(struct request *request, struct wish *wish, struct err *err)
{
	const struct field *field = FIELD_TABLE(spend, ordinal);
	struct spend_row *row = wish->row;
	struct uses uses;
	enum code code;

	if (wish->given & BIT(AT_spend_ordinal))
		return at_field(field, fail(err, E_VALUE, "is counted here: leave it out"), err);
	code = find_uses(request, wish, &uses, err);
	if (code)
		return code;
	row->ordinal = uses.largest < field->max ? uses.largest + 1 : field->max;
	row->has |= BIT(AT_spend_ordinal);
	return OK;
}

/* Whether this member is ready to be what spends it. */
static enum code check_ready(const struct request *request, const struct wish *wish, struct err *err)
{
	const struct judging *judging = request->judging;
	const struct block_gates *gates = judging->gates;
	const struct block_line *line = wish->line;

	if (judging->spends_not)
		return fail(err, E_BUSY, "%s", judging->spends_not);
	if (!line || !gates)
		return OK;
	for (size_t i = 0; gates->may_inherit && i < line->via_count; i++)
		if (!gates->may_inherit(gates->context, line->via[i]))
			return fail(err, E_BUSY,
				    "was kept by member %016" PRIx64
				    ", which was evicted, and not all have told yet what they have of it: try again, "
				    "and evict members that will not return",
				    line->via[i]);
	if (line->is_under && gates->may_take && !gates->may_take(gates->context, line->under))
		return fail(err, E_BUSY, "was granted to this server, and not all have heard of that yet: try again");
	return OK;
}

static enum code check_held(const struct request *request, struct ref ref, struct err *err)
{
	bool is_held = false;
	enum code code = live_is_held(request->judging->txn, ref, request->judging->arena, &is_held, err);

	if (!code && is_held)
		return fail(err, E_DENIED, "is switched off, or whom it is for: ask an operator");
	return code;
}

/* Which of several it is. */
static enum code check_code(const struct spend_row *row, const struct credential *credential, struct err *err)
{
	const struct field *field = FIELD_TABLE(spend, code);
	size_t size = credential->codes.size / CREDENTIAL_CODES;

	if (!(row->has & BIT(AT_spend_code)))
		return credential->has_codes ? at_field(field, fail(err, E_VALUE, "is required"), err) : OK;
	if (!credential->has_codes)
		return at_field(field, fail(err, E_VALUE, "is of recovery codes alone: leave it out"), err);
	for (size_t i = 0; size && i < CREDENTIAL_CODES; i++)
		if (bytes_equal(row->code, bytes_of(credential->codes.data + i * size, size)))
			return OK;
	return at_field(field, fail(err, E_DENIED, "is none of the codes: use another, or make new ones"), err);
}

static enum code check_credential(struct request *request, const struct spend_row *row,
				  const struct credential *credential, struct err *err)
{
	union any_row scratch;
	enum code code = request_live(request, model_kind(row->credential.kind), row->credential.id, &scratch, err);

	if (is_gone(code))
		return fail(err, E_ABSENT, "was removed, or whom it is for: ask for another");
	if (!code && credential->has_expires && credential->expires.ms <= request->judging->now.ms)
		return fail(err, E_DENIED, "has expired: ask for another");
	if (!code)
		code = check_held(request, row->credential, err);
	if (!code && credential->has_of)
		code = check_held(request, credential->of, err);
	return code;
}

enum code judge_spend(struct request *request, const struct wish *wish, struct err *err)
{
	const struct spend_row *row = wish->row;
	struct credential credential;
	struct uses uses;
	enum code code = check_ready(request, wish, err);

	if (!code)
		code = spend_credential(request->judging->txn, row->credential, &credential, err);
	if (!code)
		code = check_credential(request, row, &credential, err);
	if (code)
		return at_credential(code, err);
	code = check_code(row, &credential, err);
	if (!code)
		code = find_uses(request, wish, &uses, err);
	if (code)
		return code;
	if (uses.is_keyed)
		return fail(err, E_TAKEN, "this key was used before, for another request: take a new key");
	if (uses.count >= credential.uses)
		return at_credential(fail(err, E_TAKEN, "was used already, as often as it may be: ask for another"),
				     err);
	return OK;
}

const uint64_t *judge_keepers(const struct request *request, size_t *ret_count)
{
	size_t count = 0;
	uint64_t *keepers;

	for (size_t i = 0; i < request->count; i++)
		count += request->wishes[i].line ? request->wishes[i].line->via_count : 0;
	keepers = arena_take(request->judging->arena, (count + 1) * sizeof *keepers);
	*ret_count = 0;
	for (size_t i = 0; i < request->count; i++) {
		const struct block_line *line = request->wishes[i].line;

		for (size_t k = 0; line && k < line->via_count; k++)
			keepers[(*ret_count)++] = line->via[k];
	}
	return keepers;
}

/* One use less would be one more. */
enum code judge_spend_stays(struct request *request, const struct wish *wish, struct err *err)
{
	const struct spend_row *row = wish->old;
	union any_row scratch;
	enum code code = E_ABSENT;

	if (wish->change->what == CHANGE_SET)
		return fail(err, E_VALUE, "a spend is never changed");
	if (row && spend_is_of(row->credential.kind))
		code = live_row(request->judging->txn, model_kind(row->credential.kind), row->credential.id, &scratch,
				err);
	if (!code)
		return fail(err, E_VALUE, "a spend stays while what was spent is there: remove that");
	return is_gone(code) ? OK : code;
}
