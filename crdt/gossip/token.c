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

/* Whether the batch that stands at the seq here begins its hash like that; without it nothing speaks against. */
static enum code is_same_batch(struct mesh *mesh, struct stream stream, uint64_t seq, const uint8_t *hash,
			       bool is_chain_asked, bool *ret_is_same, struct err *err)
{
	const struct end *end = vector_find(&mesh->vector, stream);
	struct logged logged;
	struct reader tail = reader_over(bytes_of(hash, HASH_SIZE));
	enum code code;

	if (end->seq == seq) {
		*ret_is_same = !memcmp(end->hash.bytes, hash, HASH_SIZE);
		return OK;
	}
	if (!is_chain_asked)
		return OK;
	code = mesh_look(mesh, err);
	if (!code)
		code = log_after(mesh->look, stream, log_behind(seq - 1), &logged, err);
	*ret_is_same = code == E_ABSENT || (!code && logged.last == seq && logged.tail == read_big_endian(&tail, 8));
	return code == E_ABSENT ? OK : code;
}

static enum code judge_item(struct mesh *mesh, struct reader *r, bool is_chain_asked, enum token_state *state,
			    struct err *err)
{
	struct stream stream = { .node = read_big_endian(r, 8) };
	uint64_t seq, lane;
	const uint8_t *hash;
	bool is_same = true;
	enum code code;

	stream.start = read_number(r);
	lane = read_big_endian(r, 1);
	seq = read_number(r);
	hash = read_bytes(r, HASH_SIZE);
	if (!hash || lane >= LANES || !seq)
		return fail(err, E_FORM, "the token is not one of ours: leave it out");
	stream.lane = (enum lane)lane;
	if (vector_seq(&mesh->vector, stream) < seq) {
		const struct member *author = members_find(mesh->t0.members, stream.node);

		/* What an evicted member wrote may never come. */
		if (author && author->is_evicted)
			*state = TOKEN_LOST;
		else if (*state == TOKEN_COVERED)
			*state = TOKEN_BEHIND;
		return OK;
	}
	code = is_same_batch(mesh, stream, seq, hash, is_chain_asked, &is_same, err);
	if (!code && !is_same)
		*state = TOKEN_LOST;
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
