/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/token.h"

#include "crdt/gossip/mesh.h"
#include "crdt/log/log.h"
#include "crdt/model/mp.h"

enum { TOKEN_VECTOR = 1, TOKEN_COMMIT = 2, HASH_SIZE = 8 };

static uint64_t read_number(struct reader *r)
{
	struct mp_head head = mp_read(r);

	r->is_short |= head.class != MP_UINT;
	return head.value;
}

static void put_vector(const struct vector *vector, struct buf *out)
{
	buf_put_byte(out, TOKEN_VECTOR);
	for (size_t i = 0; i < vector->count; i++) {
		const struct frontier *f = &vector->all[i];

		buf_put_big_endian(out, f->stream.node, 8);
		mp_put_uint(out, f->stream.start);
		buf_put_byte(out, (uint8_t)f->stream.lane);
		mp_put_uint(out, f->end.seq);
		buf_put(out, f->end.hash.bytes, HASH_SIZE);
	}
}

void token_write_vector(const struct vector *vector, struct buf *out)
{
	put_vector(vector, out);
}

void token_write(const struct mesh *mesh, struct buf *out)
{
	uint8_t room[TOKEN_MAX];
	struct buf token = buf_over(room, sizeof room);

	put_vector(&mesh->vector, &token);
	if (!token.is_full) {
		buf_put_bytes(out, buf_bytes(&token));
		return;
	}
	buf_put_byte(out, TOKEN_COMMIT);
	buf_put_big_endian(out, mesh->node, 8);
	buf_put_big_endian(out, mesh->self.process, 8);
	mp_put_uint(out, mesh->commits);
}

struct item {
	struct stream stream;
	struct log_place place; /* behind the batch that it names */
};

static enum code read_item(struct reader *r, struct item *ret_item, struct err *err)
{
	uint64_t lane;

	ret_item->stream.node = read_big_endian(r, 8);
	ret_item->stream.start = read_number(r);
	lane = read_big_endian(r, 1);
	ret_item->place.seq = read_number(r);
	ret_item->place.tail = read_big_endian(r, HASH_SIZE);
	if (r->is_short || lane >= LANES || !ret_item->place.seq)
		return fail(err, E_FORM, "the token is not one of ours: leave it out");
	ret_item->stream.lane = (enum lane)lane;
	return OK;
}

/* Most tokens are as new as what they are asked about. */
static bool is_end(const struct vector *vector, const struct item *item)
{
	size_t count;
	const struct frontier *ends = vector_ends(vector, item->stream, &count);

	for (size_t i = 0; i < count; i++) {
		struct log_place place = log_place_at(ends[i].end);

		if (place.seq == item->place.seq && place.tail == item->place.tail)
			return true;
	}
	return false;
}

/* Whether the batch that it names is merged here; below the horizon nothing speaks against it. */
static enum code is_merged(struct mesh *mesh, const struct item *item, bool *ret_is_merged, struct err *err)
{
	struct log_place before = { item->place.seq, item->place.tail - 1 };
	struct logged logged;
	uint64_t horizon;
	enum code code;

	if (is_end(&mesh->vector, item)) {
		*ret_is_merged = true;
		return OK;
	}
	code = mesh_look(mesh, err);
	if (!item->place.tail)
		before = log_behind(item->place.seq - 1);
	if (!code)
		code = log_horizon(mesh->look, item->stream, &horizon, err);
	if (!code && item->place.seq <= horizon) {
		*ret_is_merged = true;
		return OK;
	}
	if (!code)
		code = log_after(mesh->look, item->stream, before, &logged, err);
	*ret_is_merged = !code && logged.last == item->place.seq && logged.tail == item->place.tail;
	return code == E_ABSENT ? OK : code;
}

/* Of a closed start what is not here may still come, until everybody has said what there is of it. */
static enum code judge_closed(struct mesh *mesh, const struct item *item, enum token_state *state, struct err *err)
{
	const struct member *author = members_find(mesh->t0.members, item->stream.node);
	struct closed_start closed = { item->stream.node, author && author->is_evicted ? 0 : item->stream.start };
	bool is_merged_here, is_settled = false;
	enum code code = is_merged(mesh, item, &is_merged_here, err);

	if (code || is_merged_here)
		return code;
	code = closed_is_settled(mesh, closed, &is_settled, err);
	if (!code && is_settled)
		*state = TOKEN_LOST;
	else if (!code && *state == TOKEN_COVERED)
		*state = TOKEN_BEHIND;
	return code;
}

static enum code judge_item(struct mesh *mesh, struct reader *r, bool is_chain_asked, enum token_state *state,
			    struct err *err)
{
	struct item item;
	bool is_same = true;
	enum code code = read_item(r, &item, err);

	if (code)
		return code;
	if (closed_is(mesh, item.stream.node, item.stream.start))
		return judge_closed(mesh, &item, state, err);
	if (vector_seq(&mesh->vector, item.stream) < item.place.seq) {
		if (*state == TOKEN_COVERED)
			*state = TOKEN_BEHIND;
		return OK;
	}
	if (is_chain_asked)
		code = is_merged(mesh, &item, &is_same, err);
	/* Two histories: which of them stays is not known before the start is closed. */
	if (!code && !is_same)
		*state = TOKEN_BEHIND;
	return code;
}

static enum code judge_commit(struct mesh *mesh, struct reader *r, enum token_state *ret_state,
			      struct token_origin *ret_origin, struct err *err)
{
	struct token_origin origin = { .node = read_big_endian(r, 8), .process = read_big_endian(r, 8) };
	const struct member *author;

	origin.number = read_number(r);
	if (r->is_short || reader_left(r))
		return fail(err, E_FORM, "the token is not one of ours: leave it out");
	author = members_find(mesh->t0.members, origin.node);
	if (origin.node == mesh->node)
		*ret_state = origin.process == mesh->self.process && origin.number <= mesh->commits ? TOKEN_COVERED
												    : TOKEN_LOST;
	else
		*ret_state = author && author->is_evicted ? TOKEN_LOST : TOKEN_ASK;
	*ret_origin = origin;
	return OK;
}

enum code token_judge(struct mesh *mesh, struct bytes token, enum token_state *ret_state,
		      struct token_origin *ret_origin, struct err *err)
{
	struct reader r = reader_over(token);
	enum token_state state = TOKEN_COVERED;
	uint64_t form = token.size ? read_big_endian(&r, 1) : TOKEN_VECTOR;
	enum code code = OK;

	if (form == TOKEN_COMMIT)
		return judge_commit(mesh, &r, ret_state, ret_origin, err);
	if (form != TOKEN_VECTOR)
		return fail(err, E_FORM, "the token is not one of ours: leave it out");
	while (!code && reader_left(&r))
		code = judge_item(mesh, &r, false, &state, err);
	/* Only once, when nothing is missing: for the hashes the log must be read. */
	r = reader_over(token);
	read_bytes(&r, 1);
	while (!code && state == TOKEN_COVERED && token.size && reader_left(&r))
		code = judge_item(mesh, &r, true, &state, err);
	if (!code)
		*ret_state = state;
	return code;
}
