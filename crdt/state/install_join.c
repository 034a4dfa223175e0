/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/index.h"
#include "crdt/state/install_inside.h"
#include "crdt/state/state.h"

#include <inttypes.h>

/* Both have what everybody had, by the other's word: else one of them is old, and joining would bring that back. */
static enum code judge_cover(const struct installer *in, struct err *err)
{
	const struct gift *gift = in->with->gift;
	struct vector stable = { 0 };
	enum code code = log_read_vector(in->with->txn, TABLE_STABLE, &stable, err);

	if (!code && !vector_covers(in->with->vector, &gift->stable))
		code = fail(err, E_VALUE, "this disk lacks what everybody had: it is to be replaced, not joined");
	if (!code && !vector_covers(&gift->vector, &stable))
		code = fail(err, E_VALUE, "the donor's disk lacks what everybody had");
	vector_done(&stable);
	return code;
}

/* One of the gift's that is not here: a proof, where it cannot lie on one chain with what is. */
static enum code look_for_fork(struct installer *in, const struct gift_entry *entry, struct err *err)
{
	struct log_place place = { 0 };
	struct batch theirs, ours;
	struct logged logged;
	enum code code = OK;

	if (install_is_closed(in, entry->logged.stream) || !install_read_front(&entry->logged, &theirs))
		return OK;
	if (theirs.first > 1)
		place = log_behind(theirs.first - 2);
	while (!(code = log_after(in->with->txn, theirs.stream, place, &logged, err))) {
		if (logged.last > theirs.end.seq + BATCH_ENTRIES_MAX)
			return OK;
		if (install_read_front(&logged, &ours) && proof_is_fork(&ours, &theirs))
			return install_fork(in, &ours, &theirs, err);
		place = log_place_of(&logged);
	}
	return code == E_ABSENT ? OK : code;
}

/*
 * Footprints go from the oldest up, and what they came before is never less than they are: so where theirs came to
 * ours, what is below them becomes no more.
 */
static enum code shrink_below(struct installer *in, struct stream stream, uint64_t seq, struct err *err)
{
	struct log_place place = { 0 };
	struct logged logged;
	enum code code;

	while (!(code = log_after(in->with->txn, stream, place, &logged, err)) && logged.last < seq) {
		place = log_place_of(&logged);
		code = log_shrink(in->with->txn, &logged, LOG_FOOTPRINT, err);
		if (code)
			return code;
	}
	return code == E_ABSENT ? OK : code;
}

/* *ret_shrunk: below that seq of the stream nothing may be more than a footprint. */
static enum code join_entry(struct installer *in, const struct gift_entry *entry, uint64_t *ret_shrunk, struct err *err)
{
	const struct logged *theirs = &entry->logged;
	struct log_place before = { theirs->last, theirs->tail };
	struct logged ours;
	uint64_t horizon;
	enum code code;

	if (before.tail)
		before.tail--;
	else
		before = log_behind(before.seq - 1);
	code = log_after(in->with->txn, theirs->stream, before, &ours, err);
	if (!code && ours.last == theirs->last && ours.tail == theirs->tail)
		return OK;
	if (!code || code == E_ABSENT)
		code = log_horizon(in->with->txn, theirs->stream, &horizon, err);
	/* Nothing is known there any more, so it was merged. */
	if (code || theirs->last <= horizon)
		return code;
	code = look_for_fork(in, entry, err);
	if (!code)
		code = log_put_logged(in->with->txn, theirs, err);
	if (!code && theirs->form == LOG_FOOTPRINT)
		*ret_shrunk = theirs->first;
	return code;
}

/* Whether our end of an open stream, behind which the donor is, lies on the donor's chain; below its log it does. */
static bool is_below_theirs(const struct installer *in, const struct frontier *ours)
{
	const struct gift_entry *at =
		gift_entry_from(in->with->gift, ours->stream, (struct log_place){ .seq = ours->end.seq });
	struct log_place own = log_place_at(ours->end);
	struct batch next;

	if (!at || (at->logged.last == own.seq && at->logged.tail == own.tail))
		return true;
	if (at->logged.first <= ours->end.seq)
		return false;
	return at->logged.first != ours->end.seq + 1 || !install_read_front(&at->logged, &next) ||
	       id_equal(next.before, ours->end.hash);
}

static enum code is_apart(struct installer *in, struct stream stream, bool *ret_is_apart, struct err *err)
{
	const struct end *ours = vector_find(in->with->vector, stream);
	const struct end *theirs = vector_find(&in->with->gift->vector, stream);
	struct logged logged;
	uint64_t horizon;
	enum code code;

	*ret_is_apart = false;
	if (!ours || !theirs || end_equal(*ours, *theirs) || install_is_closed(in, stream))
		return OK;
	if (theirs->seq > ours->seq) {
		*ret_is_apart = !is_below_theirs(in, &(struct frontier){ stream, *ours });
		return OK;
	}
	code = log_find(in->with->txn, stream, *theirs, &logged, err);
	if (code && code != E_ABSENT)
		return code;
	*ret_is_apart = code;
	code = log_horizon(in->with->txn, stream, &horizon, err);
	*ret_is_apart = *ret_is_apart && theirs->seq > horizon;
	return code;
}

/* A proof closes the start where one can be made; else the stream stays as it is here, until its author is asked. */
static enum code judge_stream(struct installer *in, struct stream stream, size_t first, struct err *err)
{
	const struct gift *gift = in->with->gift;
	bool stands_apart;
	enum code code = is_apart(in, stream, &stands_apart, err);

	for (size_t i = first; !code && stands_apart && i < gift->entries_count; i++)
		if (stream_compare(&gift->entries[i].logged.stream, &stream))
			break;
		else if (gift->entries[i].is_merged)
			code = look_for_fork(in, &gift->entries[i], err);
	if (!code && stands_apart && !install_is_closed(in, stream))
		vector_note(&in->apart, stream, (struct end){ .seq = 1 });
	return code;
}

static enum code judge_streams(struct installer *in, struct err *err)
{
	const struct gift *gift = in->with->gift;
	enum code code = OK;

	for (size_t i = 0; !code && i < gift->entries_count; i++)
		if (!i || stream_compare(&gift->entries[i - 1].logged.stream, &gift->entries[i].logged.stream))
			code = judge_stream(in, gift->entries[i].logged.stream, i, err);
	return code;
}

static bool stands_apart(const struct installer *in, struct stream stream)
{
	return vector_seq(&in->apart, stream);
}

static enum code join_log(struct installer *in, struct err *err)
{
	const struct gift *gift = in->with->gift;
	enum code code = OK;
	uint64_t shrunk = 0;

	for (size_t i = 0; !code && i < gift->entries_count; i++) {
		struct stream stream = gift->entries[i].logged.stream;
		bool is_last =
			i + 1 == gift->entries_count || stream_compare(&gift->entries[i + 1].logged.stream, &stream);

		if (gift->entries[i].is_merged && !stands_apart(in, stream))
			code = join_entry(in, &gift->entries[i], &shrunk, err);
		if (!code && is_last && shrunk) {
			code = shrink_below(in, stream, shrunk, err);
			shrunk = 0;
		}
	}
	return code;
}

/* Whether an end of ours is one of the joined state too: the donor has not gone on from it. */
static bool keeps_ours(const struct installer *in, const struct frontier *at)
{
	const struct gift *gift = in->with->gift;
	struct log_place place = log_place_at(at->end);
	struct logged logged = { .stream = at->stream, .last = place.seq, .tail = place.tail };
	const struct gift_entry *lowest = gift_entry_from(gift, at->stream, (struct log_place){ 0 });

	if (vector_has(&gift->vector, at->stream, at->end) || !vector_find(&gift->vector, at->stream))
		return true;
	/* Below its log it had all there was. */
	return !gift_find(gift, &logged) && lowest && lowest->logged.first <= at->end.seq;
}

/* The same of one of theirs; the log is ours alone yet. */
static enum code keeps_theirs(const struct installer *in, const struct frontier *at, bool *ret_keeps, struct err *err)
{
	struct logged logged;
	uint64_t horizon;
	enum code code = log_horizon(in->with->txn, at->stream, &horizon, err);

	if (!code)
		code = log_find(in->with->txn, at->stream, at->end, &logged, err);
	*ret_keeps = code == E_ABSENT && at->end.seq > horizon;
	return code == E_ABSENT ? OK : code;
}

/* The ends of a stream on both sides that neither has gone on from. */
static enum code join_stream(struct installer *in, struct stream stream, struct err *err)
{
	struct vector *vector = in->with->vector, both = { 0 };
	size_t theirs_count, count;
	const struct frontier *theirs = vector_ends(&in->with->gift->vector, stream, &theirs_count);
	const struct frontier *ours = vector_ends(vector, stream, &count);
	enum code code = OK;

	for (size_t i = 0; i < count; i++)
		if (keeps_ours(in, &ours[i]))
			vector_note_more(&both, stream, ours[i].end);
	for (size_t i = 0; !code && i < theirs_count; i++) {
		bool keeps = false;

		if (!vector_has(&both, stream, theirs[i].end))
			code = keeps_theirs(in, &theirs[i], &keeps, err);
		if (keeps)
			vector_note_more(&both, stream, theirs[i].end);
	}
	if (!code && both.count != 1 && !install_is_closed(in, stream))
		code = fail(err, E_VALUE,
			    "the donor's log does not show how its end of a stream of %016" PRIx64 " follows ours",
			    stream.node);
	if (!code && both.count > GIFT_ENDS_MAX)
		code = fail(err, E_VALUE,
			    "both together have more branches of a stream of %016" PRIx64 " than there may be",
			    stream.node);
	if (!code)
		code = log_put_ends(in->with->txn, TABLE_VECTOR, stream, both.all, both.count, err);
	if (!code && both.count)
		vector_set(vector, stream, both.all[0].end);
	for (size_t i = 1; !code && i < both.count; i++)
		vector_add(vector, stream, both.all[i].end);
	vector_done(&both);
	return code;
}

static enum code join_vector(struct installer *in, struct err *err)
{
	const struct vector *theirs = &in->with->gift->vector;
	enum code code = OK;

	for (size_t i = 0; !code && i < theirs->count; i++)
		if ((!i || stream_compare(&theirs->all[i - 1].stream, &theirs->all[i].stream)) &&
		    !stands_apart(in, theirs->all[i].stream))
			code = join_stream(in, theirs->all[i].stream, err);
	return code;
}

static enum code join_record(struct installer *in, const struct gift_record *theirs, struct arena *arena,
			     struct err *err)
{
	struct arena_mark mark = arena_mark(arena);
	bool is_changed = false;
	struct record record;
	struct bytes ours;
	enum code code = state_record(in->with->txn, theirs->kind, theirs->id, &ours, err);

	in->installed->records++;
	if (!code && bytes_equal(ours, theirs->record)) {
		in->installed->unchanged++;
		return OK;
	}
	if (!code || code == E_ABSENT)
		code = record_read(theirs->record, &record, err);
	if (!code)
		code = state_merge(in->with->txn, in->with->root, theirs->kind, theirs->id, &record, arena, &is_changed,
				   err);
	if (!code && is_changed && in->with->changes)
		changes_add(in->with->changes, theirs->kind, theirs->id);
	in->installed->unchanged += !is_changed;
	arena_release(arena, mark);
	return code;
}

static enum code join_records(struct installer *in, struct err *err)
{
	const struct gift *gift = in->with->gift;
	struct arena arena = { 0 };
	enum code code = OK;

	for (size_t i = 0; !code && i < gift->records_count; i++)
		code = join_record(in, &gift->records[i], &arena, err);
	arena_done(&arena);
	return code;
}

/* Of each stream the further of both; of two that are as far, all ends. */
static enum code join_stable(struct installer *in, struct err *err)
{
	const struct vector *theirs = &in->with->gift->stable;
	struct vector stable = { 0 };
	enum code code = log_read_vector(in->with->txn, TABLE_STABLE, &stable, err);

	for (size_t i = 0; !code && i < theirs->count; i++) {
		const struct frontier *at = &theirs->all[i];
		bool is_first = !i || stream_compare(&theirs->all[i - 1].stream, &at->stream);
		uint64_t ours = vector_seq(&stable, at->stream), further = vector_seq(theirs, at->stream);

		if (stands_apart(in, at->stream))
			continue;
		if (further > ours && is_first)
			vector_set(&stable, at->stream, at->end);
		else if (further >= ours && !vector_has(&stable, at->stream, at->end))
			vector_add(&stable, at->stream, at->end);
	}
	if (!code)
		code = install_put_ends(in, TABLE_STABLE, &stable, err);
	vector_done(&stable);
	return code;
}

enum code install_join_steps(struct installer *in, struct err *err)
{
	enum code code = judge_cover(in, err);

	if (!code)
		code = judge_streams(in, err);
	if (!code)
		code = join_vector(in, err);
	if (!code)
		code = join_log(in, err);
	if (!code)
		code = join_records(in, err);
	if (!code)
		code = install_keep_later(in, err);
	return code ? code : join_stable(in, err);
}
