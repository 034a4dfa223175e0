/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/state/block_use.h"

enum {
	PROBES = 32,       /* at random, before one address after the other is looked at */
	SAMPLE = 512,      /* of a pool that is too large to count */
	GIVE_LOOKED = 8192 /* addresses after which the longest row will do */
};

static enum code dry(struct err *err)
{
	return fail(
		err, E_DRY,
		"this server has no free address of the pool (any more): try again in a moment, ask another server, "
		"or see `wgctl cluster status` for who holds addresses up");
}

static enum code is_free_at(const struct block_owner *owner, const struct block_usable *usable, uint64_t n,
			    struct address *ret_address, bool *ret_is_free, struct err *err)
{
	*ret_address = block_address(block_usable_at(usable, block_usable_part(usable, n), n));
	return block_is_free(owner, *ret_address, ret_is_free, err);
}

/* The first free one from a random place on. */
static enum code choose_next(const struct block_owner *owner, const struct block_usable *usable,
			     struct address *ret_address, bool *ret_is_free, struct err *err)
{
	struct block_round round;
	uint32_t address = 0;
	bool follows;
	enum code code = block_round_begin(&round, owner, usable, rng_below(owner->rng, usable->total), err);

	*ret_is_free = false;
	for (uint64_t i = 0; !code && !*ret_is_free && i < usable->total; i++)
		code = block_round_next(&round, &address, ret_is_free, &follows, err);
	block_round_end(&round);
	*ret_address = block_address(address);
	return code;
}

enum code block_choose(const struct block_owner *owner, struct address *ret_address, struct err *err)
{
	struct block_usable usable = block_usable(owner);
	struct address address;
	bool is_free = false;
	enum code code = OK;

	if (!usable.total)
		return dry(err);
	for (int i = 0; !code && !is_free && i < PROBES; i++)
		code = is_free_at(owner, &usable, rng_below(owner->rng, usable.total), &address, &is_free, err);
	if (!code && !is_free)
		code = choose_next(owner, &usable, &address, &is_free, err);
	if (code)
		return code;
	if (!is_free)
		return dry(err);
	*ret_address = address;
	return OK;
}

static enum code count_all(const struct block_owner *owner, const struct block_usable *usable, uint64_t *ret_count,
			   struct err *err)
{
	struct block_round round;
	uint64_t count = 0;
	uint32_t address;
	bool is_free, follows;
	enum code code = block_round_begin(&round, owner, usable, 0, err);

	for (uint64_t i = 0; !code && i < usable->total; i++) {
		code = block_round_next(&round, &address, &is_free, &follows, err);
		count += !code && is_free;
	}
	block_round_end(&round);
	if (!code)
		*ret_count = count;
	return code;
}

static enum code count_free(const struct block_owner *owner, const struct block_usable *usable, uint64_t *ret_count,
			    struct err *err)
{
	uint64_t count = 0;
	enum code code = OK;

	if (usable->total && usable->total <= BLOCK_COUNTED)
		return count_all(owner, usable, ret_count, err);
	for (int i = 0; usable->total && !code && i < SAMPLE; i++) {
		struct address address;
		bool is_free;

		code = is_free_at(owner, usable, rng_below(owner->rng, usable->total), &address, &is_free, err);
		count += !code && is_free;
	}
	if (!code)
		*ret_count = usable->total / SAMPLE * count;
	return code;
}

enum code block_free(const struct block_owner *owner, uint64_t *ret_count, struct err *err)
{
	struct block_usable usable = block_usable(owner);

	return count_free(owner, &usable, ret_count, err);
}

/* Free addresses of one block in a row. */
struct row {
	size_t part;
	uint32_t first, last;
	uint64_t count;
};

/* The longest row of up to `most` in the addresses that are looked at: at least until there is one. */
static enum code find_row(const struct block_owner *owner, const struct block_usable *usable, uint64_t most,
			  struct row *ret_best, struct err *err)
{
	uint64_t from = usable->total > GIVE_LOOKED ? rng_below(owner->rng, usable->total) : 0;
	struct row row = { .count = 0 };
	struct block_round round;
	enum code code = block_round_begin(&round, owner, usable, from, err);

	*ret_best = row;
	for (uint64_t i = 0; !code && i < usable->total && ret_best->count < most; i++) {
		uint32_t address;
		bool is_free, follows;

		if (i >= GIVE_LOOKED && ret_best->count)
			break;
		code = block_round_next(&round, &address, &is_free, &follows, err);
		if (code)
			break;
		if (!is_free || !follows || !row.count)
			row = (struct row){ .part = round.part, .first = address };
		row.last = address;
		row.count += is_free;
		if (row.count > ret_best->count)
			*ret_best = row;
	}
	block_round_end(&round);
	return code;
}

enum code block_give(const struct block_owner *owner, uint64_t taker, uint64_t start, struct transfer_row *ret_row,
		     struct err *err)
{
	struct block_usable usable = block_usable(owner);
	const struct block *block;
	struct row row = { .count = 0 };
	uint64_t count = 0, most;
	enum code code = count_free(owner, &usable, &count, err);

	most = count / 2 > BLOCK_GIVEN ? BLOCK_GIVEN : count / 2;
	if (!code && usable.total)
		code = find_row(owner, &usable, most ? most : 1, &row, err);
	if (code)
		return code;
	if (!row.count)
		return dry(err);
	block = usable.all[row.part].block;
	*ret_row =
		(struct transfer_row){ .has = BIT(AT_transfer_pool) | BIT(AT_transfer_taker) | BIT(AT_transfer_first) |
					      BIT(AT_transfer_last) | BIT(AT_transfer_start),
				       .pool = owner->map->pool,
				       .taker = taker,
				       .first = block_address(row.first),
				       .last = block_address(row.last),
				       .start = start };
	if (block->has_tip) {
		ret_row->has |= BIT(AT_transfer_before);
		ret_row->before = block->tip;
	}
	return OK;
}
