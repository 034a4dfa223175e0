/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/proofs.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"
#include "crdt/log/log.h"

#include <assert.h>
#include <stdlib.h>

static struct sum weigh(uint64_t node, uint64_t start)
{
	static const struct hash_key key = { "warren's proofs!" };
	uint8_t room[16];
	struct buf buf = buf_over(room, sizeof room);

	buf_put_big_endian(&buf, node, 8);
	buf_put_big_endian(&buf, start, 8);
	return hash_wide(key, buf_bytes(&buf));
}

/* Where it is among the sorted, or has to be. */
static size_t place_of(const struct proofs *proofs, uint64_t node, uint64_t start, bool *ret_is_there)
{
	size_t low = 0, high = proofs->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct known_proof *at = &proofs->all[proofs->sorted[middle]];

		if (at->node == node && at->start == start) {
			*ret_is_there = true;
			return middle;
		}
		if (at->node < node || (at->node == node && at->start < start))
			low = middle + 1;
		else
			high = middle;
	}
	*ret_is_there = false;
	return low;
}

bool proofs_has(const struct proofs *proofs, uint64_t node, uint64_t start)
{
	bool is_there;

	place_of(proofs, node, start, &is_there);
	return is_there;
}

static size_t count_of(const struct proofs *proofs, uint64_t node)
{
	size_t count = 0;

	for (size_t i = 0; i < proofs->count; i++)
		count += proofs->all[i].node == node;
	return count;
}

static void insert(struct proofs *proofs, uint64_t node, uint64_t start, struct bytes whole)
{
	bool is_there;
	size_t place = place_of(proofs, node, start, &is_there);

	assert(!is_there);
	if (proofs->count == proofs->room) {
		proofs->room = 2 * proofs->room + 8;
		proofs->all = must_realloc(proofs->all, proofs->room * sizeof *proofs->all);
		proofs->sorted = must_realloc(proofs->sorted, proofs->room * sizeof *proofs->sorted);
	}
	memmove(&proofs->sorted[place + 1], &proofs->sorted[place], (proofs->count - place) * sizeof *proofs->sorted);
	proofs->sorted[place] = (uint32_t)proofs->count;
	proofs->all[proofs->count++] = (struct known_proof){ node, start, arena_copy(&proofs->arena, whole) };
	sum_add(&proofs->sum, weigh(node, start));
}

static enum code read_one(void *context, uint64_t node, uint64_t start, struct bytes proof, struct err *err)
{
	struct proofs *proofs = context;

	if (proofs_has(proofs, node, start))
		return fail(err, E_DAMAGED, "log: a proof is there twice: check the store");
	insert(proofs, node, start, proof);
	return OK;
}

/* What a commit that failed took back: nobody tells it again on the same link. */
static void keep_undone(const struct proofs *proofs, struct buf *undone)
{
	buf_put_bytes(undone, buf_bytes(&proofs->undone));
	for (size_t i = proofs->stored; i < proofs->count; i++) {
		if (undone->size + 2 + proofs->all[i].whole.size > PROOFS_UNDONE_MAX)
			return;
		buf_put_big_endian(undone, proofs->all[i].whole.size, 2);
		buf_put_bytes(undone, proofs->all[i].whole);
	}
}

enum code proofs_open(struct mesh *mesh, struct err *err)
{
	struct proofs read = { .undone = buf_growing(PROOFS_UNDONE_MAX) };
	enum code code = log_read_proofs(mesh->look, read_one, &read, err);

	if (code) {
		proofs_done(&read);
		return code;
	}
	read.stored = read.count;
	read.undone_at = mesh->proofs.stored < mesh->proofs.count ? mesh->now : mesh->proofs.undone_at;
	keep_undone(&mesh->proofs, &read.undone);
	proofs_done(&mesh->proofs);
	mesh->proofs = read;
	/* In whichever order they are now: told again. */
	for (struct link *link = mesh->links; link; link = link->next)
		link->proofs_told = 0;
	return OK;
}

void proofs_done(struct proofs *proofs)
{
	free(proofs->all);
	free(proofs->sorted);
	arena_done(&proofs->arena);
	buf_done(&proofs->undone);
	*proofs = (struct proofs){ 0 };
}

static void tell_all(struct mesh *mesh)
{
	for (struct link *link = mesh->links; link; link = link->next)
		if (link_is_open(mesh, link))
			link_touch(mesh, link);
}

enum code proofs_add(struct mesh *mesh, struct bytes whole, struct err *err)
{
	struct proof proof;
	enum code code = proof_read(whole, &proof, err);

	assert(!code);
	if (proofs_has(&mesh->proofs, proof.node, proof.start) || count_of(&mesh->proofs, proof.node) == PROOFS_OF_ONE)
		return OK;
	code = mesh_txn(mesh, err);
	if (!code)
		code = log_put_proof(mesh->txn, proof.node, proof.start, whole, err);
	if (code)
		return code;
	insert(&mesh->proofs, proof.node, proof.start, whole);
	mesh->counts.proof++;
	mesh->counts.proof_own += !proof.is_fork;
	if (proof.is_fork)
		mesh_alarm(mesh, "member %016llx wrote two histories: an old or a second disk of it was in use",
			   (unsigned long long)proof.node);
	closed_changed(mesh);
	tell_all(mesh);
	return OK;
}

enum code proofs_again(struct mesh *mesh, struct err *err)
{
	struct buf undone = mesh->proofs.undone;
	struct reader r = reader_over(buf_bytes(&undone)), rest = r;
	enum code code = OK;

	if (!undone.size || mono_since_ns(mesh->now, mesh->proofs.undone_at) < MESH_SECOND)
		return OK;
	mesh->proofs.undone = buf_growing(PROOFS_UNDONE_MAX);
	while (!code && reader_left(&r)) {
		size_t size = (size_t)read_big_endian(&r, 2);

		code = proofs_add(mesh, bytes_of(read_bytes(&r, size), size), err);
		if (!code)
			rest = r;
	}
	buf_put(&mesh->proofs.undone, rest.at, reader_left(&rest));
	buf_done(&undone);
	return code;
}

void proofs_settled(struct proofs *proofs)
{
	proofs->stored = proofs->count;
}

enum code proofs_add_fork(struct mesh *mesh, const struct batch *one, const struct batch *other, struct err *err)
{
	uint8_t room[PROOF_MAX];
	struct buf buf = buf_over(room, sizeof room);

	proof_write_fork(one, other, &buf);
	assert(!buf.is_full);
	return proofs_add(mesh, buf_bytes(&buf), err);
}

enum code proofs_receive(struct mesh *mesh, struct link *link, struct reader list, struct err *err)
{
	struct bytes whole;
	enum code code = OK;

	(void)link;
	while (!code && frame_next_proof(&list, &whole)) {
		const struct member *author;
		struct proof proof;

		code = proof_read(whole, &proof, err);
		if (code)
			return code;
		author = members_find(mesh->t0.members, proof.node);
		/* Its admission may still be on its way; then the proof comes again with the next link. */
		if (!author || proofs_has(&mesh->proofs, proof.node, proof.start))
			continue;
		if (proof_is_signed(&proof, mesh->cluster, author->key))
			code = proofs_add(mesh, whole, err);
		/* Of two keys that have one id, and so are both evicted, it may be the other's. */
		else if (!author->is_evicted)
			return fail(err, E_DENIED, "it passed on a proof whose signature is wrong");
	}
	return code;
}

void proofs_flush(struct mesh *mesh, struct link *link)
{
	struct proofs *proofs = &mesh->proofs;
	size_t at = link->proofs_told;

	while (at < proofs->count) {
		struct frame_list list;

		buf_clear(&mesh->frame);
		list = frame_begin_proofs(&mesh->frame);
		while (at < proofs->count && frame_put_proof(&list, proofs->all[at].whole))
			at++;
		link_send(mesh, link);
	}
	link->proofs_told = at;
}
