/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/trim.h"

#include <stdlib.h>

static const struct log_place bottom = { 0 };

static int place_compare(struct log_place a, struct log_place b)
{
	if (a.seq != b.seq)
		return a.seq < b.seq ? -1 : 1;
	return (a.tail > b.tail) - (a.tail < b.tail);
}

static int64_t cost_of(size_t size)
{
	return TRIM_ENTRY + (int64_t)size;
}

static uint64_t tail_of(struct id hash)
{
	struct reader r = reader_over(bytes_of(hash.bytes, sizeof hash.bytes));

	return read_big_endian(&r, 8);
}

/* What the walk over the log has not yet come to it will count itself. */
void trim_grew(struct trim *trim, const struct batch *batch)
{
	const struct trim_state *state = &trim->state;
	struct log_place place = { batch->end.seq, tail_of(batch->end.hash) };
	int order = stream_compare(&batch->stream, &state->counting);

	if (state->is_counted ||
	    (state->is_begun && (order < 0 || (!order && place_compare(place, state->place) <= 0))))
		trim->change += cost_of(batch->whole.size);
}

static void copy_state(const struct trim_state *from, struct trim_state *to)
{
	struct trim_stream *all = must_realloc(to->all, (from->count + 1) * sizeof *all);

	*to = *from;
	to->all = all;
	if (from->count)
		memcpy(to->all, from->all, from->count * sizeof *all);
}

/* Those that are new come in between; none ever goes. */
static void name_streams(struct trim_state *state, const struct vector *own)
{
	struct trim_stream *all = must_alloc((state->count + own->count + 1) * sizeof *all);
	size_t count = 0, old = 0;

	for (size_t i = 0; i < own->count; i++) {
		struct stream stream = own->all[i].stream;

		if (i && !stream_compare(&own->all[i - 1].stream, &stream))
			continue;
		while (old < state->count && stream_compare(&state->all[old].stream, &stream) < 0)
			old++;
		if (old < state->count && !stream_compare(&state->all[old].stream, &stream))
			all[count++] = state->all[old];
		else
			all[count++] = (struct trim_stream){ .stream = stream, .has_prints = true };
	}
	free(state->all);
	state->all = all;
	state->count = count;
	state->turn = count ? state->turn % count : 0;
}

void trim_open(struct trim *trim, const struct vector *own)
{
	copy_state(&trim->state, &trim->before);
	name_streams(&trim->state, own);
	trim->is_open = true;
}

void trim_settle(struct trim *trim)
{
	trim->bytes = (uint64_t)((int64_t)trim->bytes + trim->change);
	trim->change = 0;
	trim->is_open = false;
}

void trim_take_back(struct trim *trim)
{
	trim->change = 0;
	if (!trim->is_open)
		return;
	copy_state(&trim->before, &trim->state);
	trim->is_open = false;
}

void trim_done(struct trim *trim)
{
	free(trim->state.all);
	free(trim->before.all);
}

void trim_anew(struct trim *trim)
{
	trim_done(trim);
	*trim = (struct trim){ .budget = trim->budget };
}

bool trim_is_counting(const struct trim *trim)
{
	return !trim->state.is_counted;
}

bool trim_is_over(const struct trim *trim)
{
	return trim->bytes + (uint64_t)trim->change > trim->budget;
}

/* A step: how much of it is left. */
struct step {
	struct trim *trim;
	const struct trimming *by;
	size_t changes, looks;
};

static bool is_spent(const struct step *step)
{
	return !step->changes || !step->looks;
}

/* What a newer version wrote is beyond this one's reach, and so is what lies behind it. */
static enum code look_after(struct step *step, struct stream stream, struct log_place place, struct logged *ret_logged,
			    struct err *err)
{
	enum code code = log_after(step->by->txn, stream, place, ret_logged, err);

	step->looks--;
	return code == E_NEWER ? E_ABSENT : code;
}

/* Less than any form of an entry. */
enum { LOG_NOTHING = LOG_FOOTPRINT + 1 };

/* Leaves less of the entry that comes behind `before`. */ static enum code leave(struct step *step,
										  const struct logged *logged,
										  struct log_place before, int form,
										  struct err *err)
{
	struct stream stream = logged->stream;
	int64_t cost = cost_of(logged->bytes.size);
	struct logged less;
	enum code code;

	step->changes--;
	if (form == LOG_NOTHING)
		code = log_drop(step->by->txn, logged, err);
	else
		code = log_shrink(step->by->txn, logged, (enum log_form)form, err);
	step->trim->change -= cost;
	if (code || form == LOG_NOTHING)
		return code;
	code = log_after(step->by->txn, stream, before, &less, err);
	if (!code)
		step->trim->change += cost_of(less.bytes.size);
	return code;
}

static bool is_end(const struct vector *vector, const struct logged *logged)
{
	size_t count;
	const struct frontier *ends = vector_ends(vector, logged->stream, &count);

	for (size_t i = 0; i < count; i++)
		if (ends[i].end.seq == logged->last && tail_of(ends[i].end.hash) == logged->tail)
			return true;
	return false;
}

static bool is_linear(const struct step *step, struct stream stream)
{
	size_t count;

	vector_ends(step->by->own, stream, &count);
	return count == 1;
}

/*
 * Up to which seq everybody has all there is. Of several branches an entry may be on any, so either all of them are
 * there everywhere or nothing is said. *ret_for tells one such answer from another.
 */
static uint64_t stable_up_to(const struct trimming *by, struct stream stream, uint64_t *ret_for)
{
	size_t count;
	const struct frontier *ends = vector_ends(by->own, stream, &count);

	*ret_for = vector_seq(by->stable, stream);
	if (count == 1)
		return *ret_for;
	*ret_for = 0;
	for (size_t i = 0; i < count; i++) {
		if (!vector_has(by->stable, stream, ends[i].end))
			return 0;
		*ret_for += tail_of(ends[i].end.hash);
	}
	return count ? ends[count - 1].end.seq : 0;
}

static enum code count_stream(struct step *step, struct trim_stream *at, bool *ret_is_whole, struct err *err)
{
	struct trim_state *state = &step->trim->state;
	struct logged logged;
	enum code code = OK;

	while (!code && step->looks) {
		code = look_after(step, at->stream, state->place, &logged, err);
		if (code)
			break;
		step->trim->change += cost_of(logged.bytes.size);
		if (logged.form == LOG_FOOTPRINT && !place_compare(at->cut, state->place))
			at->cut = log_place_of(&logged);
		state->place = log_place_of(&logged);
	}
	*ret_is_whole = code == E_ABSENT;
	return code == E_ABSENT ? OK : code;
}

/* Goes on counting what the log takes, and finds where it is still to be trimmed. */
static enum code count_some(struct step *step, struct err *err)
{
	struct trim_state *state = &step->trim->state;
	bool is_whole = true;
	enum code code = OK;

	for (size_t i = 0; !code && i < state->count && is_whole; i++) {
		int order = stream_compare(&state->all[i].stream, &state->counting);

		if (state->is_begun && order < 0)
			continue;
		if (!state->is_begun || order) {
			state->counting = state->all[i].stream;
			state->place = bottom;
			state->is_begun = true;
		}
		code = count_stream(step, &state->all[i], &is_whole, err);
	}
	state->is_counted = !code && is_whole;
	return code;
}

/* *ret_is_last: the newest of a stream without branches is not passed, for it is not the newest for ever. */
static enum code cut_one(struct step *step, struct trim_stream *at, const struct logged *logged, bool *ret_is_last,
			 struct err *err)
{
	bool is_newest = is_end(step->by->own, logged);
	struct log_place place = log_place_of(logged);
	enum code code = OK;

	*ret_is_last = is_newest && is_linear(step, at->stream);
	if (logged->form == LOG_WHOLE || (logged->form == LOG_HEADER && !is_newest))
		code = leave(step, logged, at->cut, is_newest ? LOG_HEADER : LOG_FOOTPRINT, err);
	if (*ret_is_last)
		return code;
	at->cut = place;
	at->has_prints = true;
	return code;
}

static enum code truncate_stream(struct step *step, struct trim_stream *at, struct err *err)
{
	uint64_t what, limit = stable_up_to(step->by, at->stream, &what);
	enum code code = OK;

	if (what != at->cut_for) {
		at->cut_for = what;
		at->is_cut = false;
		/* A branch that came late lies below what was gone through. */
		if (!is_linear(step, at->stream))
			at->cut = bottom;
	}
	while (!code && what && !at->is_cut && !is_spent(step)) {
		struct logged logged;

		code = look_after(step, at->stream, at->cut, &logged, err);
		at->is_cut = code == E_ABSENT || (!code && logged.last > limit);
		if (!code && !at->is_cut)
			code = cut_one(step, at, &logged, &at->is_cut, err);
	}
	return code == E_ABSENT ? OK : code;
}

/* The lowest of the stream, while they are footprints. */
static enum code drop_prints(struct step *step, struct trim_stream *at, struct err *err)
{
	enum code code = OK;

	for (int i = 0; !code && i < TRIM_TURN && at->has_prints && trim_is_over(step->trim) && !is_spent(step); i++) {
		struct logged logged;

		code = look_after(step, at->stream, bottom, &logged, err);
		at->has_prints = !code && logged.form == LOG_FOOTPRINT;
		if (at->has_prints)
			code = leave(step, &logged, bottom, LOG_NOTHING, err);
	}
	return code == E_ABSENT ? OK : code;
}

static enum code drop_early(struct step *step, struct trim_stream *at, struct err *err)
{
	uint64_t limit = vector_seq(step->by->most, at->stream);
	enum code code = OK;

	if (limit != at->early_for)
		at->is_early = false;
	at->early_for = limit;
	if (place_compare(at->early, at->cut) < 0)
		at->early = at->cut;
	for (int i = 0; !code && i < TRIM_TURN && !at->is_early && trim_is_over(step->trim) && !is_spent(step); i++) {
		struct logged logged;
		struct log_place place;

		code = look_after(step, at->stream, at->early, &logged, err);
		at->is_early = code == E_ABSENT || (!code && logged.last > limit);
		if (code || at->is_early)
			break;
		place = log_place_of(&logged);
		if (logged.form == LOG_WHOLE)
			code = leave(step, &logged, at->early, LOG_HEADER, err);
		at->early = place;
	}
	return code == E_ABSENT ? OK : code;
}

typedef enum code stream_step(struct step *step, struct trim_stream *at, struct err *err);

static enum code in_turn(struct step *step, stream_step *one, struct err *err)
{
	struct trim_state *state = &step->trim->state;
	enum code code = OK;
	size_t looks;

	/* Whoever had its turn and has more waits for the next. */
	do {
		looks = step->looks;
		for (size_t i = 0; !code && i < state->count && !is_spent(step); i++) {
			code = one(step, &state->all[state->turn], err);
			state->turn = (state->turn + 1) % state->count;
		}
	} while (!code && !is_spent(step) && step->looks < looks);
	return code;
}

enum code trim_step(struct trim *trim, const struct trimming *trimming, struct err *err)
{
	struct step step = { trim, trimming, TRIM_CHANGES, TRIM_LOOKS };
	enum code code;

	if (trim_is_counting(trim)) {
		code = count_some(&step, err);
		trim->is_more = true;
		return code;
	}
	code = in_turn(&step, truncate_stream, err);
	if (!code && trim_is_over(trim))
		code = in_turn(&step, drop_prints, err);
	if (!code && trim_is_over(trim))
		code = in_turn(&step, drop_early, err);
	trim->is_more = is_spent(&step);
	return code;
}
