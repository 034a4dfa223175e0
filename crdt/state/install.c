/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/install.h"

#include "crdt/state/install_inside.h"

#include <stdlib.h>

static void note_fork(struct installing *installing, struct installed *installed, struct bytes proof)
{
	struct bytes *all = arena_take(installing->arena, (installed->forks_count + 1) * sizeof *all);

	if (installed->forks_count)
		memcpy(all, installed->forks, installed->forks_count * sizeof *all);
	all[installed->forks_count++] = arena_copy(installing->arena, proof);
	installed->forks = all;
}

static bool is_same(const struct known_start *a, uint64_t node, uint64_t start)
{
	return a->node == node && a->start == start;
}

static bool is_proven(const struct installer *in, uint64_t node, uint64_t start)
{
	for (size_t i = 0; i < in->proven_count; i++)
		if (is_same(&in->proven[i], node, start))
			return true;
	return false;
}

static void note_proven(struct installer *in, uint64_t node, uint64_t start)
{
	if (in->proven_count == in->proven_room) {
		in->proven_room = in->proven_room ? 2 * in->proven_room : 16;
		in->proven = must_realloc(in->proven, in->proven_room * sizeof *in->proven);
	}
	in->proven[in->proven_count++] = (struct known_start){ node, start };
}

static enum code visit_proof(void *context, uint64_t node, uint64_t start, struct bytes proof, struct err *err)
{
	(void)proof;
	(void)err;
	note_proven(context, node, start);
	return OK;
}

bool install_is_closed(const struct installer *in, struct stream stream)
{
	const struct member *member = members_find(in->with->members, stream.node);

	return (member && member->is_evicted) || is_proven(in, stream.node, stream.start);
}

enum code install_fork(struct installer *in, const struct batch *one, const struct batch *other, struct err *err)
{
	struct buf proof = buf_growing(PROOF_MAX);
	struct stream stream = one->stream;
	enum code code;

	proof_write_fork(one, other, &proof);
	code = log_put_proof(in->with->txn, stream.node, stream.start, buf_bytes(&proof), err);
	note_proven(in, stream.node, stream.start);
	note_fork(in->with, in->installed, buf_bytes(&proof));
	buf_done(&proof);
	return code;
}

bool install_read_front(const struct logged *logged, struct batch *ret_batch)
{
	if (logged->form == LOG_WHOLE)
		return !batch_read(logged->bytes, ret_batch, NULL);
	return logged->form == LOG_HEADER && !batch_read_front(logged->bytes, ret_batch, NULL);
}

/* The first proof of a start that came is the one that is kept. */
static enum code join_proofs(struct installer *in, struct err *err)
{
	const struct gift *gift = in->with->gift;
	enum code code = log_read_proofs(in->with->txn, visit_proof, in, err);

	for (size_t i = 0; !code && i < gift->proofs_count; i++) {
		const struct gift_proof *proof = &gift->proofs[i];

		if (is_proven(in, proof->node, proof->start))
			continue;
		code = log_put_proof(in->with->txn, proof->node, proof->start, proof->whole, err);
		note_proven(in, proof->node, proof->start);
	}
	return code;
}

enum code install_put_ends(struct installer *in, uint8_t table, const struct vector *vector, struct err *err)
{
	enum code code = OK;

	for (size_t i = 0; !code && i < vector->count;) {
		struct stream stream = vector->all[i].stream;
		size_t count;
		const struct frontier *ends = vector_ends(vector, stream, &count);

		code = log_put_ends(in->with->txn, table, stream, ends, count, err);
		i += count;
	}
	return code;
}

enum code install_keep_later(struct installer *in, struct err *err)
{
	const struct gift *gift = in->with->gift;
	enum code code = OK;

	for (size_t i = 0; !code && i < gift->entries_count; i++) {
		const struct gift_entry *entry = &gift->entries[i];
		struct logged logged;
		struct batch batch;

		if (entry->is_merged || entry->logged.form != LOG_WHOLE)
			continue;
		code = batch_read(entry->logged.bytes, &batch, err);
		if (!code)
			code = log_find(in->with->txn, batch.stream, batch.end, &logged, err);
		if (code == E_ABSENT) {
			code = log_put_waiting(in->with->txn, &batch, err);
			in->installed->waiting++;
		}
	}
	return code;
}

static enum code run(struct installing *installing, install_steps *steps, struct installed *ret_installed,
		     struct err *err)
{
	struct installed installed = { .forks = NULL };
	struct installer in = { .with = installing, .installed = &installed };
	enum code code = join_proofs(&in, err);

	if (!code)
		code = steps(&in, err);
	free(in.proven);
	vector_done(&in.apart);
	if (!code)
		*ret_installed = installed;
	return code;
}

enum code install_join(struct installing *installing, struct installed *ret_installed, struct err *err)
{
	return run(installing, install_join_steps, ret_installed, err);
}

enum code install_replace(struct installing *installing, struct installed *ret_installed, struct err *err)
{
	return run(installing, install_replace_steps, ret_installed, err);
}
