/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_JUDGE_INSIDE_H
#define WARREN_JUDGE_INSIDE_H

/*
 * How judge.c and its parts share a request. Each step goes over all wishes before the next one begins: what is asked
 * (judge_fields.c), what is there, and then the rules, which see the records as they will be once all wishes came true.
 */

#include "crdt/model/diff.h"
#include "crdt/model/pack.h"
#include "crdt/model/record.h"
#include "crdt/state/found.h"
#include "crdt/state/judge.h"

struct wish {
	const struct change *change;
	const struct kind *kind;
	size_t position;
	struct id id;
	uint64_t given;                /* places that the change names */
	void *asked;                   /* the row as it was given */
	void *old;                     /* the row as it is; NULL: there is none, or none that can be read */
	void *row;                     /* the row as it will be; NULL: it goes */
	struct bytes stored;           /* the record, when anything of it is there */
	uint64_t places;               /* that the op writes */
	bool is_nothing;               /* all is as it should be already */
	bool is_dry;                   /* a lease for which no address is free here */
	bool is_bound;                 /* the id would be another at another member, or at another time */
	struct bytes map;              /* of the op */
	const struct block_line *line; /* through which what is spent came to this member; NULL: it was always here */
};

struct request {
	const struct judging *judging;
	const struct asker *asker;
	size_t count;
	struct wish wishes[JUDGE_CHANGES_MAX];
	struct hlc hlc;       /* of the entry */
	struct id dry;        /* the pool that has no address left here, where that ended the request */
	struct block_map map; /* of the pool that was looked at last */
	bool has_map;
	uint64_t home; /* the member that alone spends what the request wants spent; 0: nothing such */
	struct record scratch;
	struct buf buf; /* for one op */
};

/* The wish about a record, or NULL. */
const struct wish *request_wish(const struct request *request, uint32_t kind, struct id id);

/* live_look over the records as they will be; `context` is the request. */
enum code request_look(void *context, const struct kind *kind, struct id id, void *ret_row, struct err *err);

/* As request_look, and all that the record hangs on lives too. */
enum code request_live(struct request *request, const struct kind *kind, struct id id, void *ret_row, struct err *err);

/* Kind, tier and fields; of a create the id too. */
enum code judge_asked(struct request *request, struct wish *wish, struct err *err);

/* What is set here unless it was given: the nonce, who writes, when. */
void judge_derive(struct request *request, struct wish *wish);

/* A policy's version replaces all heads that its author sees. One like the only head is that head. */
enum code judge_heads(struct request *request, struct wish *wish, struct err *err);

/* The next ordinal: behind those of the owner's devices, also those that this request makes. */
enum code judge_ordinal(struct request *request, struct wish *wish, struct err *err);

/* Who spends what the request wants spent: E_ELSEWHERE when that is another member. */
enum code judge_home(struct request *request, struct wish *wish, struct err *err);

/* The how many-th use of its credential a spend is. */
enum code judge_use(struct request *request, struct wish *wish, struct err *err);

/* What is stored, and what will be. */
enum code judge_stored(struct request *request, struct wish *wish, struct err *err);

/* The address of a lease that brings none along. Whether none is free is judged once all else is: judge_dry. */
enum code judge_address(struct request *request, struct wish *wish, struct err *err);

/* Whether who asks may: E_DENIED. */
enum code judge_rights(struct request *request, struct wish *wish, struct err *err);

/* Parents, references, names, keys, limits: E_ABSENT, E_TAKEN, E_LIMIT. */
enum code judge_rules(struct request *request, struct wish *wish, struct err *err);

/*
 * What a wish for a lease came to before: the lease that the device has in the pool, unless the request removes that.
 * *ret_is_there says whether there is one as it is asked for, and then the wish has its id.
 */
enum code judge_leased(struct request *request, struct wish *wish, bool *ret_is_there, struct err *err);

/* Leases: the pool, that the device has none there yet, the address; E_DRY once all else is judged. Interfaces and
 * pools: that no two overlap. */
enum code judge_lease(struct request *request, const struct wish *wish, struct err *err);
enum code judge_dry(struct request *request, struct wish *wish, struct err *err);
enum code judge_interface(struct request *request, const struct wish *wish, struct err *err);
enum code judge_pool(struct request *request, const struct wish *wish, struct err *err);

/* Spends: that the credential is good, and uses are left. They stay while it lives. */
enum code judge_spend(struct request *request, const struct wish *wish, struct err *err);
enum code judge_spend_stays(struct request *request, const struct wish *wish, struct err *err);

/* Who kept what is spent before this member did; in the arena. */
const uint64_t *judge_keepers(const struct request *request, size_t *ret_count);

/* The op's map, {field: value} of the wish's places. */
enum code judge_map(struct request *request, struct wish *wish, struct err *err);

/* Kinds without a nonce have natural ids. */
static inline bool kind_has_nonce(const struct kind *kind)
{
	return kind->shape.fields[0].number == (0 << 2 | MERGE_ONCE);
}

static inline void row_set_has(const struct kind *kind, size_t place, void *row, bool is_set)
{
	uint64_t *has = row_has(&kind->shape, row);

	*has = is_set ? *has | BIT(place) : *has & ~BIT(place);
}

/* Whether both rows have the same value of a field, or none. */
static inline bool values_equal(const struct kind *kind, size_t place, const void *a, const void *b)
{
	const struct field *f = &kind->shape.fields[place];
	bool has = row_has_field(&kind->shape, a, place);

	return has == row_has_field(&kind->shape, b, place) &&
	       (!has || diff_slots_equal(f, field_slot_const(f, a), field_slot_const(f, b)));
}

static inline bool kind_is_own(const struct kind *kind)
{
	return (kind->number & 3) == TIER_OWN;
}

#endif
