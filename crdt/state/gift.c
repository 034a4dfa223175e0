/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/gift.h"

#include "crdt/base/buf.h"
#include "crdt/model/record.h"

#include <inttypes.h>
#include <stdlib.h>

enum { END_SIZE = 8 + 16 };

void gift_done(struct gift *gift)
{
	vector_done(&gift->stable);
	vector_done(&gift->vector);
	free(gift->records);
	free(gift->entries);
	free(gift->proofs);
	*gift = (struct gift){ .look = NULL };
}

/* Room for one more. */
static void *grow(void *all, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return all;
	*room = *room ? 2 * *room : 64;
	return must_realloc(all, *room * size);
}

enum code gift_add_ends(struct vector *vector, struct stream stream, struct bytes ends, struct err *err)
{
	struct reader r = reader_over(ends);
	struct end last = { 0 };

	if (!ends.size || ends.size % END_SIZE)
		return fail(err, E_FORM, "the ends of a stream have a wrong size");
	if (ends.size / END_SIZE > GIFT_ENDS_MAX)
		return fail(err, E_VALUE, "a stream of %016" PRIx64 " has more branches than there may be",
			    stream.node);
	while (reader_left(&r)) {
		struct end end = { .seq = read_big_endian(&r, 8) };
		int order;

		memcpy(end.hash.bytes, read_bytes(&r, sizeof end.hash.bytes), sizeof end.hash.bytes);
		order = memcmp(last.hash.bytes, end.hash.bytes, sizeof end.hash.bytes);
		if (!end.seq || end.seq < last.seq || (end.seq == last.seq && order >= 0))
			return fail(err, E_FORM, "the ends of a stream do not ascend");
		vector_add(vector, stream, end);
		last = end;
	}
	return OK;
}

static enum code find_key(const struct gift *gift, uint64_t node, struct key32 *ret_key, struct err *err)
{
	const struct member *member = members_find(gift->members, node);

	if (!member)
		return fail(err, E_ABSENT, "%016" PRIx64 " wrote some of it and is not known here as a member", node);
	*ret_key = member->key;
	return OK;
}

enum code gift_add_proof(struct gift *gift, uint64_t node, uint64_t start, struct bytes whole, struct err *err)
{
	struct proof proof;
	struct key32 author;
	enum code code = proof_read(whole, &proof, err);

	if (!code && (proof.node != node || proof.start != start))
		code = fail(err, E_VALUE, "a proof closes another start than it says");
	if (!code)
		code = find_key(gift, node, &author, err);
	if (!code && !proof_is_signed(&proof, gift->cluster, author))
		code = fail(err, E_DENIED, "a proof is not signed by the member whose start it closes");
	if (code)
		return code;
	gift->proofs = grow(gift->proofs, gift->proofs_count, &gift->proofs_room, sizeof *gift->proofs);
	gift->proofs[gift->proofs_count++] = (struct gift_proof){ node, start, whole };
	return OK;
}

enum code gift_add_record(struct gift *gift, uint32_t kind, struct id id, struct bytes bytes, struct err *err)
{
	struct record record;
	enum code code = record_read(bytes, &record, err);

	if (code)
		return code;
	if (!record.count && !record.is_dead)
		return fail(err, E_VALUE, "a record has nothing in it");
	if ((kind & 3) == TIER_STATEMENT)
		return fail(err, E_VALUE, "a record is of a kind that only statements have");
	if (record_has_identity(&record) && !id_equal(record_id(kind, &record), id))
		return fail(err, E_VALUE, "a record's identity does not give its id");
	gift->records = grow(gift->records, gift->records_count, &gift->records_room, sizeof *gift->records);
	gift->records[gift->records_count++] = (struct gift_record){ kind, id, bytes };
	return OK;
}

static uint64_t tail_of(struct id hash)
{
	struct reader r = reader_over(bytes_of(hash.bytes, sizeof hash.bytes));

	return read_big_endian(&r, 8);
}

/* Whether the same bytes are in a log whose batches were verified when they came. */
static enum code is_known(const struct gift *gift, const struct logged *logged, struct end end, bool *ret_is_known,
			  struct err *err)
{
	struct logged own;
	enum code code = gift->look ? log_find(gift->look, logged->stream, end, &own, err) : E_ABSENT;

	if (code && code != E_ABSENT)
		return code;
	*ret_is_known = !code && own.form != LOG_FOOTPRINT && bytes_start_with(own.bytes, logged->bytes);
	return OK;
}

static enum code judge_batch(const struct gift *gift, struct gift_entry *entry, struct err *err)
{
	struct logged *logged = &entry->logged;
	struct batch batch;
	struct key32 author;
	bool known = false;
	enum code code = logged->form == LOG_WHOLE ? batch_read(logged->bytes, &batch, err)
						   : batch_read_front(logged->bytes, &batch, err);

	if (code)
		return code;
	if (!id_equal(batch.cluster, gift->cluster))
		return fail(err, E_VALUE, "a batch is another cluster's");
	if (stream_compare(&batch.stream, &logged->stream) || batch.end.seq != logged->last ||
	    tail_of(batch.end.hash) != logged->tail)
		return fail(err, E_VALUE, "a batch stands where another one belongs");
	logged->first = batch.first;
	entry->hash = batch.end.hash;
	entry->before = batch.before;
	code = find_key(gift, batch.stream.node, &author, err);
	if (!code)
		code = is_known(gift, logged, batch.end, &known, err);
	if (!code && !known && !batch_is_signed(&batch, author))
		code = fail(err, E_DENIED, "a batch is not signed by its author");
	return code;
}

enum code gift_add_entry(struct gift *gift, const struct logged *logged, struct err *err)
{
	struct gift_entry entry = { .logged = *logged };
	enum code code = OK;

	switch (logged->form) {
	case LOG_WHOLE:
	case LOG_HEADER: code = judge_batch(gift, &entry, err); break;
	case LOG_FOOTPRINT:
		if (!logged->first || logged->first > logged->last || logged->last - logged->first >= BATCH_ENTRIES_MAX)
			code = fail(err, E_VALUE, "a footprint is of no batch that there can be");
		break;
	}
	if (code)
		return code;
	gift->entries = grow(gift->entries, gift->entries_count, &gift->entries_room, sizeof *gift->entries);
	gift->entries[gift->entries_count++] = entry;
	return OK;
}

static int order_entries(const struct logged *a, struct stream stream, struct log_place place)
{
	int order = stream_compare(&a->stream, &stream);

	if (order || a->last != place.seq)
		return order ? order : a->last < place.seq ? -1 : 1;
	return (a->tail > place.tail) - (a->tail < place.tail);
}

struct gift_entry *gift_entry_from(const struct gift *gift, struct stream stream, struct log_place place)
{
	size_t low = 0, high = gift->entries_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (order_entries(&gift->entries[middle].logged, stream, place) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == gift->entries_count || stream_compare(&gift->entries[low].logged.stream, &stream))
		return NULL;
	return &gift->entries[low];
}

static struct gift_entry *find(const struct gift *gift, struct stream stream, struct log_place place)
{
	struct gift_entry *entry = gift_entry_from(gift, stream, place);

	return entry && entry->logged.last == place.seq && entry->logged.tail == place.tail ? entry : NULL;
}

struct gift_entry *gift_find(const struct gift *gift, const struct logged *logged)
{
	struct gift_entry *entry = find(gift, logged->stream, log_place_of(logged));

	return entry && entry->is_merged ? entry : NULL;
}

bool gift_has(const struct gift *gift, const struct logged *logged)
{
	const struct gift_entry *entry = gift_entry_from(gift, logged->stream, (struct log_place){ logged->first, 0 });

	if (gift_find(gift, logged))
		return true;
	if (logged->last > vector_seq(&gift->vector, logged->stream))
		return false;
	return !entry || entry->logged.first > logged->last;
}

bool gift_closes(const struct gift *gift, uint64_t node, uint64_t start)
{
	for (size_t i = 0; i < gift->proofs_count; i++)
		if (gift->proofs[i].node == node && gift->proofs[i].start == start)
			return true;
	return false;
}

/* From an end downward, to what was gone down before, or to what everybody has. */
static enum code walk_down(struct gift *gift, const struct frontier *from, struct err *err)
{
	struct stream stream = from->stream;
	uint64_t stable = vector_seq(&gift->stable, stream);
	struct end end = from->end;
	bool is_top = true;

	while (end.seq) {
		struct gift_entry *entry = find(gift, stream, (struct log_place){ end.seq, tail_of(end.hash) });
		bool is_there = entry && entry->logged.form != LOG_FOOTPRINT && id_equal(entry->hash, end.hash);

		if (!is_there && (is_top || end.seq > stable))
			return fail(err, E_VALUE,
				    "the donor's log lacks a batch that its vector has, of %016" PRIx64
				    " up to %" PRIu64,
				    stream.node, end.seq);
		/* Such a vector would never be anybody else's, so nobody could bear it out. */
		if (!is_top && vector_has(&gift->vector, stream, end))
			return fail(err, E_VALUE, "an end of the donor's vector is followed by another one");
		if (!is_there || entry->is_merged)
			return OK;
		entry->is_merged = true;
		end = (struct end){ entry->logged.first - 1, entry->before };
		is_top = false;
	}
	return OK;
}

static bool has_end(const struct gift_entry *all, size_t count, uint64_t seq)
{
	for (size_t i = count; i-- > 0;)
		if (all[i].logged.last <= seq)
			return all[i].logged.last == seq;
	return false;
}

/* How many of a stream's entries lie below the last one that follows none of them; 0 where more than footprints do. */
static size_t count_below_gap(const struct gift_entry *all, size_t count)
{
	uint64_t horizon = all[0].logged.first - 1;
	size_t left = 0;

	for (size_t i = count; i-- > 1 && !left;)
		if (all[i].logged.first - 1 > horizon && !has_end(all, i, all[i].logged.first - 1))
			left = i;
	for (size_t i = 0; i < left; i++)
		if (all[i].logged.form != LOG_FOOTPRINT)
			return 0;
	return left;
}

/*
 * The donor may have dropped the lowest footprints while it gave, or its disk may have lost one. Those below a gap are
 * left out: the log begins above it, as if they had been dropped here.
 */
static void leave_gaps(struct gift *gift)
{
	size_t kept = 0, count;

	for (size_t from = 0; from < gift->entries_count; from += count) {
		const struct gift_entry *all = gift->entries + from;
		size_t left;

		for (count = 1; from + count < gift->entries_count; count++)
			if (stream_compare(&all[count].logged.stream, &all[0].logged.stream))
				break;
		left = count_below_gap(all, count);
		memmove(gift->entries + kept, all + left, (count - left) * sizeof *all);
		kept += count - left;
	}
	gift->entries_count = kept;
}

enum code gift_judge(struct gift *gift, struct err *err)
{
	enum code code = OK;

	if (!vector_covers(&gift->vector, &gift->stable))
		return fail(err, E_VALUE, "the donor lacks what it says that everybody has");
	leave_gaps(gift);
	for (size_t i = 0; !code && i < gift->vector.count; i++)
		code = walk_down(gift, &gift->vector.all[i], err);
	/* What everybody has needs no chain, for it is no longer there whole. */
	for (size_t i = 0; i < gift->entries_count; i++) {
		const struct logged *logged = &gift->entries[i].logged;

		/* Of what is more than a footprint the chains above tell. */
		if (logged->form == LOG_FOOTPRINT && logged->last <= vector_seq(&gift->stable, logged->stream))
			gift->entries[i].is_merged = true;
	}
	return code;
}
