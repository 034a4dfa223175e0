/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/frame_form.h"
#include "crdt/gossip/frame_inside.h"
#include "crdt/log/proof.h"
#include "crdt/model/mp.h"

/*
 * The items of lists. What a walk after frame_read reads is what frame_read has read, so it meets nothing that is
 * wrong.
 */

struct stream frame_read_stream(struct reader *r)
{
	struct stream stream = { 0 };

	stream.node = frame_read_node(r);
	stream.start = frame_read_number(r);
	stream.lane = (enum lane)frame_read_below(r, LANES);
	return stream;
}

struct bytes frame_read_item(struct reader *list, size_t largest)
{
	size_t size = read_big_endian(list, 2);

	if (!size || size > largest)
		frame_refuse(list);
	return bytes_of(read_bytes(list, size), size);
}

bool frame_read_frontier(struct reader *list, const struct stream_table *told, size_t known, struct frontier *ret)
{
	uint64_t number = frame_read_number(list);
	struct stream before = ret->stream;
	bool is_new = number == FRONTIER_NAMES;

	if (is_new)
		ret->stream = frame_read_stream(list);
	else if (number >= FRONTIER_NUMBERS && number - FRONTIER_NUMBERS < known)
		ret->stream = told->all[number - FRONTIER_NUMBERS];
	/* For one more end of a stream there is one form alone, and it gets no second number. */
	if ((number == FRONTIER_AGAIN && before.node) != !stream_compare(&ret->stream, &before))
		frame_refuse(list);
	ret->end = (struct end){ 0 };
	ret->end.seq = frame_read_number(list);
	if (ret->end.seq)
		frame_read_into(list, ret->end.hash.bytes, sizeof ret->end.hash.bytes);
	return is_new;
}

struct frontier frame_read_named(struct reader *list)
{
	struct frontier frontier = { .stream = frame_read_stream(list) };

	frontier.end.seq = frame_read_number(list);
	if (!frontier.end.seq)
		frame_refuse(list);
	frame_read_into(list, frontier.end.hash.bytes, sizeof frontier.end.hash.bytes);
	return frontier;
}

struct want frame_read_want(struct reader *list)
{
	struct want want = { .stream = frame_read_stream(list) };

	want.after = frame_read_number(list);
	want.until = frame_read_number(list);
	if (want.after >= want.until)
		frame_refuse(list);
	return want;
}

struct record_hash frame_read_record(struct reader *list)
{
	struct record_hash hash = { 0 };
	uint64_t kind = frame_read_number(list);

	hash.kind = (uint32_t)(kind <= UINT32_MAX ? kind : frame_refuse(list));
	frame_read_into(list, hash.id.bytes, sizeof hash.id.bytes);
	hash.hash = frame_read_sum(list);
	return hash;
}

bool frame_next_statement(struct reader *list, struct bytes *ret_statement)
{
	if (!reader_left(list))
		return false;
	*ret_statement = frame_read_item(list, STATEMENT_MAX);
	return true;
}

bool frame_next_frontier(struct reader *list, const struct stream_table *told, struct frontier *frontier)
{
	if (!reader_left(list))
		return false;
	frame_read_frontier(list, told, told->count, frontier);
	return true;
}

bool frame_next_want(struct reader *list, struct want *ret_want)
{
	if (!reader_left(list))
		return false;
	*ret_want = frame_read_want(list);
	return true;
}

bool frame_next_gone(struct reader *list, struct stream *ret_stream)
{
	if (!reader_left(list))
		return false;
	*ret_stream = frame_read_stream(list);
	return true;
}

bool frame_next_proof(struct reader *list, struct bytes *ret_proof)
{
	if (!reader_left(list))
		return false;
	*ret_proof = frame_read_item(list, PROOF_MAX);
	return true;
}

bool frame_next_front(struct reader *list, struct bytes *ret_front)
{
	if (!reader_left(list))
		return false;
	*ret_front = frame_read_item(list, BATCH_FRONT_MAX);
	return true;
}

bool frame_next_old(struct reader *list, struct frontier *ret_frontier)
{
	if (!reader_left(list))
		return false;
	*ret_frontier = frame_read_named(list);
	return true;
}

bool frame_next_record(struct reader *list, struct record_hash *ret_hash)
{
	if (!reader_left(list))
		return false;
	*ret_hash = frame_read_record(list);
	return true;
}
