/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/proof.h"

#include "crdt/model/mp.h"

enum { KIND_FORK = 1, KIND_OWN = 2, FORK_FIELDS = 3, OWN_FIELDS = 5 };

/* An own word up to its signature: what is signed. */
enum { WORD_MAX = 64 };

static enum code broken(struct err *err, const char *what)
{
	return fail(err, E_FORM, "proof: %s", what);
}

static enum code no_fork(struct err *err)
{
	return fail(err, E_VALUE, "proof: its two batches may well lie on one chain");
}

/* Which of two comes first in a proof. */
static int order_of(const struct batch *one, const struct batch *other)
{
	if (one->end.seq != other->end.seq)
		return one->end.seq < other->end.seq ? -1 : 1;
	return memcmp(one->end.hash.bytes, other->end.hash.bytes, sizeof one->end.hash.bytes);
}

static bool is_behind(const struct batch *next, const struct batch *batch)
{
	return next->first == batch->end.seq + 1;
}

bool proof_is_fork(const struct batch *one, const struct batch *other)
{
	if (stream_compare(&one->stream, &other->stream) || !id_equal(one->cluster, other->cluster))
		return false;
	if (is_behind(other, one))
		return !id_equal(other->before, one->end.hash);
	if (is_behind(one, other))
		return !id_equal(one->before, other->end.hash);
	if (one->first > other->end.seq || other->first > one->end.seq)
		return false;
	return !id_equal(one->end.hash, other->end.hash);
}

static enum code read_batch(struct reader *r, struct batch *ret_batch, struct err *err)
{
	struct bytes front;
	struct err own = { 0 };
	enum code code;

	if (!mp_read_short_bin(r, &front))
		return broken(err, "a header is missing");
	code = batch_read_front(front, ret_batch, &own);
	if (code)
		return fail(err, code == E_NEWER ? code : E_FORM, "proof: %s", own.text);
	return OK;
}

static enum code read_fork(struct reader *r, struct proof *proof, struct err *err)
{
	enum code code = read_batch(r, &proof->one, err);

	if (!code)
		code = read_batch(r, &proof->other, err);
	if (code)
		return code;
	if (order_of(&proof->one, &proof->other) > 0)
		return broken(err, "its two headers stand in the wrong order");
	if (!proof_is_fork(&proof->one, &proof->other))
		return no_fork(err);
	proof->is_fork = true;
	proof->node = proof->one.stream.node;
	proof->start = proof->one.stream.start;
	return OK;
}

static bool read_number(struct reader *r, uint64_t *ret_number)
{
	struct mp_head head = mp_read(r);

	*ret_number = head.value;
	return head.class == MP_UINT && head.value;
}

static enum code read_own(struct reader *r, struct proof *proof, struct err *err)
{
	struct bytes cluster, signature;

	if (!mp_read_short_bin(r, &cluster) || cluster.size != sizeof(struct id) || !read_number(r, &proof->node) ||
	    !read_number(r, &proof->start))
		return broken(err, "a node's word names no start");
	if (!mp_read_short_bin(r, &signature) || signature.size != sizeof proof->signature.bytes)
		return broken(err, "a node's word has no signature");
	memcpy(proof->signature.bytes, signature.data, signature.size);
	return OK;
}

enum code proof_read(struct bytes whole, struct proof *ret_proof, struct err *err)
{
	struct reader r = reader_over(whole);
	struct proof proof = { .whole = whole };
	struct mp_head fields;
	uint64_t kind;
	enum code code;

	if (whole.size > PROOF_MAX)
		return broken(err, "it is too long");
	fields = mp_read(&r);
	if (fields.class != MP_ARRAY || !read_number(&r, &kind))
		return broken(err, "it is of no kind");
	if (kind == KIND_FORK && fields.value == FORK_FIELDS)
		code = read_fork(&r, &proof, err);
	else if (kind == KIND_OWN && fields.value == OWN_FIELDS)
		code = read_own(&r, &proof, err);
	else
		return broken(err, "it is of an unknown kind");
	if (!code && reader_left(&r))
		code = broken(err, "bytes follow it");
	if (!code)
		*ret_proof = proof;
	return code;
}

static void put_word(struct buf *out, struct id cluster, uint64_t node, uint64_t start)
{
	mp_put_array(out, OWN_FIELDS);
	mp_put_uint(out, KIND_OWN);
	mp_put_bin(out, bytes_of(cluster.bytes, sizeof cluster.bytes));
	mp_put_uint(out, node);
	mp_put_uint(out, start);
}

bool proof_is_signed(const struct proof *proof, struct id cluster, struct key32 author)
{
	uint8_t room[WORD_MAX];
	struct buf word = buf_over(room, sizeof room);

	if (node_of_key(author) != proof->node)
		return false;
	if (proof->is_fork)
		return id_equal(proof->one.cluster, cluster) && batch_is_signed(&proof->one, author) &&
		       batch_is_signed(&proof->other, author);
	put_word(&word, cluster, proof->node, proof->start);
	return bytes_start_with(proof->whole, buf_bytes(&word)) &&
	       sign_check(author, SIGN_CLOSING, buf_bytes(&word), proof->signature);
}

void proof_write_fork(const struct batch *one, const struct batch *other, struct buf *out)
{
	bool is_turned = order_of(one, other) > 0;

	mp_put_array(out, FORK_FIELDS);
	mp_put_uint(out, KIND_FORK);
	mp_put_bin(out, batch_front(is_turned ? other : one));
	mp_put_bin(out, batch_front(is_turned ? one : other));
}

void proof_write_own(const struct signer *author, struct id cluster, uint64_t start, struct buf *out)
{
	uint8_t room[WORD_MAX];
	struct buf word = buf_over(room, sizeof room);
	struct signature signature;

	put_word(&word, cluster, node_of_key(author->key), start);
	signature = sign_make(author, SIGN_CLOSING, buf_bytes(&word));
	buf_put_bytes(out, buf_bytes(&word));
	mp_put_bin(out, bytes_of(signature.bytes, sizeof signature.bytes));
}
