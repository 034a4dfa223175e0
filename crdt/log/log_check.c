/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/log_inside.h"
#include "crdt/log/members.h"
#include "crdt/log/proof.h"

#include <stdlib.h>

/* An entry that none followed so far. */
struct tip {
	struct log_place place;
	bool may_be_followed; /* by what is damaged or missing, or by a footprint, which does not tell */
};

/* The stream that the walk is in. */
struct chain {
	struct stream stream;
	struct log_place last; /* the entry before */
	enum log_form form;    /* of it */
	struct id hash;        /* of it, where it is no footprint */
	uint64_t horizon;
	bool is_begun, is_gap, has_branches;
	struct tip *tips;
	size_t count, room;
};

/*
 * One walk over the log, in the order of its keys: at any time it holds the statements and the tips of one stream. What
 * follows an entry ends behind it, so it is met later. What the store itself finds damaged its own scan names; here it
 * is only a gap, behind which the chain begins again.
 */
struct check {
	struct store_txn *txn;
	store_found *found;
	void *context;
	bool is_damaged;
	struct arena arena; /* of the statements */
	struct statement *statements;
	size_t room, good;
	uint32_t number; /* of the next statement */
	struct members *members;
	struct chain chain;
	uint64_t streams; /* that have batches and ends */
};

static enum code report(struct check *check, struct bytes key, const char *text)
{
	check->is_damaged = true;
	check->found(check->context, key, text);
	return OK;
}

typedef enum code visitor(struct check *check, struct bytes key, struct bytes value, struct err *err);

/* `value` is empty where the store says that it is damaged: no entry here is empty. */
static enum code walk(struct check *check, uint8_t table, visitor *visit, struct err *err)
{
	struct store_cursor *cursor;
	struct bytes key, value;
	enum code code = store_range(check->txn, bytes_of(&table, 1), bytes_of(NULL, 0), &cursor, err);

	if (code)
		return code;
	do {
		key = bytes_of(NULL, 0);
		code = store_next(cursor, &key, &value, err);
		if (code == E_DAMAGED && key.size) {
			value = bytes_of(NULL, 0);
			code = OK;
		}
		if (!code)
			code = visit(check, key, value, err);
	} while (!code);
	store_range_end(cursor);
	return code == E_ABSENT ? OK : code;
}

static enum code check_statement(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	struct statement *one = &check->statements[check->good];
	struct err own = { 0 };
	uint32_t number;

	(void)err;
	if (!log_read_number(key, &number) || check->good == check->room)
		return report(check, key, "this is no statement's key");
	if (number != check->number)
		report(check, key, "the statement before this one is missing");
	check->number = number + 1;
	if (!value.size)
		return OK;
	if (statement_read(arena_copy(&check->arena, value), one, &own))
		return report(check, key, own.text);
	if (!statement_is_signed(one))
		return report(check, key, "this statement's signature is not its signer's");
	if (!id_equal(one->cluster, check->statements[0].cluster))
		return report(check, key, "this statement is of another cluster than the first");
	check->good++;
	return OK;
}

/* Whether all were let in by those that are there; more of them let in no less. */
static void check_signers(struct check *check)
{
	for (size_t i = 0; i < check->good; i++) {
		struct err own = { 0 };
		uint8_t table = TABLE_STATEMENT;

		if (members_admit_statement(check->members, &check->statements[i], &own) == E_DENIED)
			report(check, bytes_of(&table, 1), own.text);
	}
}

static enum code check_statements(struct check *check, struct err *err)
{
	uint64_t count = store_count(check->txn, TABLE_STATEMENT);
	struct id cluster = { 0 };
	enum code code;

	check->room = count;
	check->statements = arena_take(&check->arena, (check->room + 1) * sizeof *check->statements);
	code = walk(check, TABLE_STATEMENT, check_statement, err);
	if (code)
		return code;
	if (check->good)
		cluster = check->statements[0].cluster;
	check->members = members_make(cluster, check->statements, check->good);
	check_signers(check);
	return OK;
}

typedef bool signs(const void *what, struct id cluster, struct key32 key);

/* Whether by the key that its node has; an id that two keys claim is both's. */
static bool is_signed(const struct check *check, uint64_t node, const void *what, signs *is_by)
{
	const struct member *member = members_find(check->members, node), *end;
	size_t count;

	end = members_all(check->members, &count) + count;
	for (; member && member < end && member->node == node; member++)
		if (is_by(what, check->statements[0].cluster, member->key))
			return true;
	return false;
}

static bool signs_batch(const void *what, struct id cluster, struct key32 key)
{
	(void)cluster;
	return batch_is_signed(what, key);
}

static bool signs_proof(const void *what, struct id cluster, struct key32 key)
{
	return proof_is_signed(what, cluster, key);
}

/* What failed for another reason than what there is: that the store names itself, or the walk where it comes by. */
static enum code beyond(enum code code, const struct err *own, struct err *err)
{
	return code && code != E_ABSENT && code != E_DAMAGED && code != E_NEWER ? fail(err, code, "%s", own->text) : OK;
}

/* Whether the start may have branches. */
static enum code is_closed(struct check *check, const struct stream *stream, bool *ret_is_closed, struct err *err)
{
	const struct member *member = members_find(check->members, stream->node);
	uint8_t room[LOG_PROOF_KEY_SIZE];
	struct bytes proof;
	struct err own = { 0 };
	enum code code;

	*ret_is_closed = member && member->is_evicted;
	if (*ret_is_closed)
		return OK;
	code = store_get(check->txn, log_proof_key(stream->node, stream->start, room), &proof, &own);
	*ret_is_closed = code != E_ABSENT;
	return beyond(code, &own, err);
}

static bool place_equal(struct log_place a, struct log_place b)
{
	return a.seq == b.seq && a.tail == b.tail;
}

static struct tip *tip_at(struct chain *chain, struct log_place place)
{
	for (size_t i = 0; i < chain->count; i++)
		if (place_equal(chain->tips[i].place, place))
			return &chain->tips[i];
	return NULL;
}

static void add_tip(struct chain *chain, struct log_place place, bool may_be_followed)
{
	if (chain->count == chain->room) {
		chain->room = chain->room ? 2 * chain->room : 4;
		chain->tips = must_realloc(chain->tips, chain->room * sizeof *chain->tips);
	}
	chain->tips[chain->count++] = (struct tip){ place, may_be_followed };
}

/* A batch that cannot be told may have followed any of them. */
static void doubt_tips(struct chain *chain)
{
	for (size_t i = 0; i < chain->count; i++)
		chain->tips[i].may_be_followed = true;
}

static void follow(struct chain *chain, struct log_place place)
{
	struct tip *tip = tip_at(chain, place);

	if (tip)
		*tip = chain->tips[--chain->count];
}

/* Whether the ends are those of the entries that none follows, and all of them. */
static enum code compare_ends(struct check *check, struct bytes value, size_t count, bool *ret_is_same, struct err *err)
{
	struct chain *chain = &check->chain;
	size_t sure = 0, met = 0;
	bool is_same = true;

	for (size_t i = 0; i < count; i++) {
		struct end end = log_end_at(value, i);
		struct tip *tip = tip_at(chain, log_place_at(end));
		struct logged logged;
		struct err own = { 0 };
		enum code code = log_find(check->txn, chain->stream, end, &logged, &own);

		if (beyond(code, &own, err))
			return code;
		is_same &=
			tip ? code != E_ABSENT || tip->may_be_followed : code == E_ABSENT && end.seq <= chain->horizon;
		met += tip && !tip->may_be_followed;
	}
	for (size_t i = 0; i < chain->count; i++)
		sure += !chain->tips[i].may_be_followed;
	*ret_is_same = is_same && met == sure;
	return OK;
}

/* Behind the last entry of a stream. */
static enum code check_ends(struct check *check, struct err *err)
{
	struct chain *chain = &check->chain;
	uint8_t room[LOG_STREAM_KEY_SIZE];
	struct bytes key = log_stream_key(TABLE_VECTOR, &chain->stream, room), value;
	struct stream stream;
	struct err own = { 0 };
	bool is_same = true;
	size_t count;
	enum code code;

	if (!chain->is_begun)
		return OK;
	code = store_get(check->txn, key, &value, &own);
	if (code == E_ABSENT)
		return report(check, key, "this stream has batches and no end");
	check->streams++;
	if (code)
		return beyond(code, &own, err);
	if (!log_read_ends(key, value, &stream, &count))
		return report(check, key, "this is no end of a stream");
	code = compare_ends(check, value, count, &is_same, err);
	if (!code && !is_same)
		return report(check, key, "this stream's end is not that of its last batch");
	return code;
}

/* The form and the signature of one batch, of which `logged` is what there is. */
static const char *fault(struct check *check, const struct logged *logged, struct batch *ret_batch, struct err *own)
{
	enum code code;

	if (logged->form == LOG_FOOTPRINT)
		return NULL;
	code = logged->form == LOG_WHOLE ? batch_read(logged->bytes, ret_batch, own)
					 : batch_read_front(logged->bytes, ret_batch, own);
	if (code)
		return own->text;
	if (stream_compare(&ret_batch->stream, &logged->stream) ||
	    !place_equal(log_place_at(ret_batch->end), log_place_of(logged)))
		return "this batch lies where another belongs";
	if (check->good && !id_equal(ret_batch->cluster, check->statements[0].cluster))
		return "this batch is of another cluster";
	if (!is_signed(check, logged->stream.node, ret_batch, signs_batch))
		return "this batch's signature is not that of a member";
	return NULL;
}

/* A footprint may have followed any entry that ends right before it, of which no more may be left than of it. */
static enum code follow_footprint(struct check *check, const struct logged *logged, const char **ret_text,
				  struct err *err)
{
	struct chain *chain = &check->chain;
	struct log_place place = log_behind(logged->first - 2), found = { 0 };
	struct logged before;
	size_t count = 0, footprints = 0;
	struct err own = { 0 };
	enum code code;

	while (!(code = log_after(check->txn, logged->stream, place, &before, &own))) {
		if (before.last != logged->first - 1)
			break;
		found = place = log_place_of(&before);
		footprints += before.form == LOG_FOOTPRINT;
		count++;
	}
	if (code && code != E_ABSENT) {
		doubt_tips(chain);
		return beyond(code, &own, err);
	}
	if (!count)
		*ret_text = "this batch does not follow the one before it";
	else if (!footprints)
		*ret_text = "less is left of this batch than of the one before it";
	if (count == 1)
		follow(chain, found);
	else
		doubt_tips(chain);
	return OK;
}

static enum code follow_whole(struct check *check, const struct logged *logged, const struct batch *batch,
			      const char **ret_text, struct err *err)
{
	struct end before = { logged->first - 1, batch->before };
	struct logged found;
	struct err own = { 0 };
	enum code code = log_find(check->txn, logged->stream, before, &found, &own);

	if (code == E_ABSENT) {
		doubt_tips(&check->chain);
		*ret_text = "this batch does not follow the one before it";
	} else {
		follow(&check->chain, log_place_at(before));
	}
	return beyond(code, &own, err);
}

/* That an entry follows another one than the last that was met, which makes it a branch. */
static enum code check_branch(struct check *check, const struct logged *logged, const struct batch *batch,
			      const char **ret_text, struct err *err)
{
	struct chain *chain = &check->chain;
	bool is_allowed, was_gap = chain->is_gap;
	enum code code = OK;

	if (logged->first - 1 > chain->horizon)
		code = logged->form == LOG_FOOTPRINT ? follow_footprint(check, logged, ret_text, err)
						     : follow_whole(check, logged, batch, ret_text, err);
	if (was_gap)
		*ret_text = NULL;
	if (code || was_gap || *ret_text || chain->has_branches)
		return code;
	chain->has_branches = true;
	code = is_closed(check, &logged->stream, &is_allowed, err);
	if (!code && !is_allowed)
		*ret_text = "here a stream has branches, and nothing closed it";
	return code;
}

static bool follows_last(const struct chain *chain, const struct logged *logged, const struct batch *batch)
{
	if (chain->is_gap || logged->first != chain->last.seq + 1)
		return false;
	if (logged->form == LOG_FOOTPRINT)
		return chain->form == LOG_FOOTPRINT && !chain->has_branches;
	if (chain->form == LOG_FOOTPRINT)
		return place_equal(log_place_at((struct end){ chain->last.seq, batch->before }), chain->last);
	return id_equal(batch->before, chain->hash);
}

/* Where a sound entry stands among the others of its stream. */
static enum code check_place(struct check *check, struct bytes key, const struct logged *logged,
			     const struct batch *batch, bool is_first, struct err *err)
{
	struct chain *chain = &check->chain;
	const char *text = NULL;
	enum code code = OK;

	if (is_first)
		chain->horizon = logged->first - 1;
	else if (follows_last(chain, logged, batch))
		follow(chain, chain->last);
	else
		code = check_branch(check, logged, batch, &text, err);
	if (text)
		report(check, key, text);
	add_tip(chain, log_place_of(logged), false);
	chain->last = log_place_of(logged);
	chain->form = logged->form;
	chain->hash = batch->end.hash;
	chain->is_gap = false;
	return code;
}

static enum code begin_stream(struct check *check, const struct stream *stream, struct err *err)
{
	struct chain *chain = &check->chain;
	enum code code = check_ends(check, err);

	*chain = (struct chain){ .stream = *stream, .is_begun = true, .tips = chain->tips, .room = chain->room };
	return code;
}

/* Behind an entry that is not to be trusted. */
static void note_gap(struct chain *chain, struct log_place place, bool is_first)
{
	if (is_first)
		chain->horizon = place.seq;
	doubt_tips(chain);
	add_tip(chain, place, true);
	chain->last = place;
	chain->is_gap = true;
}

static enum code check_batch(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	struct reader r = reader_over(key);
	struct batch batch = { 0 };
	struct logged logged = { 0 };
	struct err own = { 0 };
	struct stream stream;
	const char *text = NULL;
	struct log_place place;
	bool is_first;

	if (key.size != LOG_BATCH_KEY_SIZE || !log_read_stream(&r, &stream))
		return report(check, key, "this is no batch's key");
	place.seq = read_big_endian(&r, 8);
	place.tail = read_big_endian(&r, 8);
	is_first = !check->chain.is_begun || stream_compare(&stream, &check->chain.stream);
	if (is_first) {
		enum code code = begin_stream(check, &stream, err);

		if (code)
			return code;
	}
	if (value.size)
		text = log_read_entry(key, value, &logged, &own) ? own.text : fault(check, &logged, &batch, &own);
	if (value.size && !text)
		return check_place(check, key, &logged, &batch, is_first, err);
	note_gap(&check->chain, place, is_first);
	return text ? report(check, key, text) : OK;
}

/* Ends of a stream of which no entry is left: then everybody has all of it. */
static enum code check_has_batches(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	struct logged any;
	struct stream stream;
	struct err own = { 0 };
	uint64_t horizon;
	size_t count;
	enum code code;

	if (!value.size)
		return OK;
	if (!log_read_ends(key, value, &stream, &count))
		return report(check, key, "this is no end of a stream");
	code = log_after(check->txn, stream, log_behind(0), &any, &own);
	if (code != E_ABSENT)
		return beyond(code, &own, err);
	code = log_horizon(check->txn, stream, &horizon, &own);
	if (!code && log_end_at(value, count - 1).seq > horizon)
		return report(check, key, "this stream has an end and no batches");
	return beyond(code, &own, err);
}

static enum code check_waiting(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	struct logged logged;
	struct batch batch;
	struct err own = { 0 };
	const char *text;

	(void)err;
	if (!value.size)
		return OK;
	text = log_read_entry(key, value, &logged, &own) ? own.text : fault(check, &logged, &batch, &own);
	return text ? report(check, key, text) : OK;
}

static enum code check_old_ends(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	struct stream stream;
	size_t count;

	(void)err;
	if (!value.size || log_read_ends(key, value, &stream, &count))
		return OK;
	return report(check, key, "this is no end of a stream");
}

static enum code check_proof(struct check *check, struct bytes key, struct bytes value, struct err *err)
{
	struct err own = { 0 };
	struct proof proof;
	uint64_t node, start;

	(void)err;
	if (!log_read_proof_key(key, &node, &start))
		return report(check, key, "this is no proof's key");
	if (!value.size)
		return OK;
	if (proof_read(value, &proof, &own))
		return report(check, key, own.text);
	if (proof.node != node || proof.start != start)
		return report(check, key, "this proof lies where another belongs");
	if (!is_signed(check, node, &proof, signs_proof))
		return report(check, key, "this proof's signature is not that of a member");
	return OK;
}

static enum code check_entries(struct check *check, struct err *err)
{
	enum code code = walk(check, TABLE_BATCH, check_batch, err);

	if (!code)
		code = check_ends(check, err);
	/* As many ends as streams, and each stream's was there: then there is no other. */
	if (!code && store_count(check->txn, TABLE_VECTOR) != check->streams)
		code = walk(check, TABLE_VECTOR, check_has_batches, err);
	if (!code)
		code = walk(check, TABLE_STABLE, check_old_ends, err);
	if (!code)
		code = walk(check, TABLE_HAD, check_old_ends, err);
	if (!code)
		code = walk(check, TABLE_WAITING, check_waiting, err);
	return code ? code : walk(check, TABLE_PROOF, check_proof, err);
}

enum code log_check(struct store_txn *txn, store_found *found, void *context, struct err *err)
{
	struct check *check = must_alloc(sizeof *check);
	enum code code;

	*check = (struct check){ .txn = txn, .found = found, .context = context };
	code = check_statements(check, err);
	if (!code)
		code = check_entries(check, err);
	if (!code && check->is_damaged)
		code = fail(err, E_DAMAGED, "the log is damaged");
	members_free(check->members);
	arena_done(&check->arena);
	free(check->chain.tips);
	free(check);
	return code;
}
