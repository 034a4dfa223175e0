/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/facts.h"

#include "crdt/model/pack.h"

#include <stdlib.h>

/* What is still to be passed on to those whom a holder let in. */
struct wave {
	uint32_t *stack, depth;
};

static int compare_keys(struct key32 a, struct key32 b)
{
	return memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

static int compare_invites(const void *a, const void *b)
{
	return memcmp(((const struct place_for *)a)->id.bytes, ((const struct place_for *)b)->id.bytes,
		      sizeof(struct id));
}

static int compare_holders(const void *a, const void *b)
{
	return compare_keys(((const struct holder *)a)->key, ((const struct holder *)b)->key);
}

static int compare_nodes(const void *a, const void *b)
{
	uint64_t one = (*(struct holder *const *)a)->node, other = (*(struct holder *const *)b)->node;

	return (one > other) - (one < other);
}

static int compare_hash(const void *hash, const void *fact)
{
	return memcmp(hash, ((const struct fact *)fact)->said->hash.bytes, sizeof(struct id));
}

struct place_for *nodes_invite(const struct nodes *nodes, struct id id)
{
	struct place_for sought = { .id = id };

	if (!nodes->invites_count)
		return NULL;
	return bsearch(&sought, nodes->invites, nodes->invites_count, sizeof sought, compare_invites);
}

struct holder *nodes_holder(const struct nodes *nodes, struct key32 key)
{
	struct holder sought = { .key = key };

	if (!nodes->holders_count)
		return NULL;
	return bsearch(&sought, nodes->holders, nodes->holders_count, sizeof sought, compare_holders);
}

static void *room_of(struct facts *facts, size_t count, size_t size)
{
	return arena_take(&facts->arena, (count + 1) * size);
}

/* All invites, each once. */
static void collect_invites(struct facts *facts, const struct signatories *signatories, struct nodes *nodes)
{
	uint32_t different = 0;

	nodes->invites = room_of(facts, facts->count, sizeof *nodes->invites);
	for (uint32_t i = 0; i < facts->count; i++) {
		const struct fact *fact = &facts->all[i];
		const struct signatory *signer = signatory_find(signatories, fact->said->signer);

		if (fact->said->kind == KIND_invite)
			nodes->invites[nodes->invites_count++] =
				(struct place_for){ .id = fact->said->id,
						    .row = &fact->row.invite,
						    .taken_by = NOWHERE,
						    .is_known = signer && signer->is_operator,
						    .stands = fact->stands };
	}
	qsort(nodes->invites, nodes->invites_count, sizeof *nodes->invites, compare_invites);
	for (uint32_t i = 0; i < nodes->invites_count; i++) {
		struct place_for *invite = &nodes->invites[i],
				 *last = different ? &nodes->invites[different - 1] : NULL;

		if (!last || !id_equal(last->id, invite->id)) {
			nodes->invites[different++] = *invite;
			continue;
		}
		last->is_known |= invite->is_known;
		last->stands |= invite->stands;
	}
	nodes->invites_count = different;
}

/* Which the voids that stand take back. */
static void take_back(const struct facts *facts, struct nodes *nodes)
{
	for (uint32_t i = 0; i < facts->count; i++) {
		const struct fact *fact = &facts->all[i];
		struct place_for *invite = NULL;

		if (fact->said->kind == KIND_invite_void && fact->stands)
			invite = nodes_invite(nodes, fact->row.invite_void.invite);
		if (invite)
			invite->is_taken_back = true;
	}
}

/* Its invite is there, its signer that invite's sponsor, and its key some node's. The proof was checked before. */
static struct place_for *invite_of(const struct fact *fact, const struct nodes *nodes)
{
	struct place_for *invite = NULL;

	if (fact->said->kind == KIND_admission)
		invite = nodes_invite(nodes, fact->row.admission.invite);
	if (!invite || compare_keys(invite->row->sponsor, fact->said->signer) || !node_of_key(fact->row.admission.key))
		return NULL;
	return invite;
}

static void add_holder(struct nodes *nodes, struct key32 key)
{
	nodes->holders[nodes->holders_count++] =
		(struct holder){ .key = key, .node = node_of_key(key), .let_in = NOWHERE, .named_by = NOWHERE };
}

static void collect_entrances(struct facts *facts, struct nodes *nodes)
{
	nodes->entrances = room_of(facts, facts->count, sizeof *nodes->entrances);
	nodes->holders = room_of(facts, facts->count, sizeof *nodes->holders);
	for (uint32_t i = 0; i < facts->count; i++) {
		const struct fact *fact = &facts->all[i];
		const struct place_for *invite = invite_of(fact, nodes);

		if (fact->said->kind == KIND_eviction && fact->stands)
			add_holder(nodes, fact->row.eviction.key);
		if (!invite)
			continue;
		add_holder(nodes, fact->row.admission.key);
		nodes->entrances[nodes->entrances_count++] =
			(struct entrance){ .fact = i, .invite = (uint32_t)(invite - nodes->invites) };
	}
}

static void sort_holders(struct nodes *nodes)
{
	uint32_t different = 0;

	qsort(nodes->holders, nodes->holders_count, sizeof *nodes->holders, compare_holders);
	for (uint32_t i = 0; i < nodes->holders_count; i++)
		if (!different || compare_keys(nodes->holders[different - 1].key, nodes->holders[i].key))
			nodes->holders[different++] = nodes->holders[i];
	nodes->holders_count = different;
}

/* Each entrance to its holder and its sponsor, and what several of one invite do to each other. */
static void tie(const struct facts *facts, struct nodes *nodes)
{
	for (uint32_t i = 0; i < nodes->entrances_count; i++) {
		struct entrance *entrance = &nodes->entrances[i];
		struct place_for *invite = &nodes->invites[entrance->invite];
		const struct fact *fact = &facts->all[entrance->fact];
		struct holder *sponsor = nodes_holder(nodes, fact->said->signer);

		entrance->holder = (uint32_t)(nodes_holder(nodes, fact->row.admission.key) - nodes->holders);
		entrance->sponsor = entrance->next = NOWHERE;
		if (sponsor) {
			entrance->sponsor = (uint32_t)(sponsor - nodes->holders);
			entrance->next = sponsor->let_in;
			sponsor->let_in = i;
		}
		invite->is_shared |= invite->taken_by != NOWHERE && invite->taken_by != entrance->holder;
		invite->taken_by = entrance->holder;
		invite->admissions++;
	}
}

/* An id that two keys have. A key that an eviction alone names claims none. */
static void find_doubles(struct facts *facts, struct nodes *nodes)
{
	struct holder **sorted = room_of(facts, nodes->entrances_count, sizeof *sorted), *last = NULL;
	uint32_t count = 0;

	for (uint32_t i = 0; i < nodes->entrances_count; i++)
		sorted[count++] = &nodes->holders[nodes->entrances[i].holder];
	qsort(sorted, count, sizeof *sorted, compare_nodes);
	for (uint32_t i = 0; i < count; last = sorted[i++]) {
		if (!last || last->node != sorted[i]->node || last == sorted[i])
			continue;
		last->is_doubled = sorted[i]->is_doubled = true;
	}
}

static struct entrance *entrance_of(const struct nodes *nodes, const struct facts *facts, struct id hash)
{
	const struct fact *fact = bsearch(&hash, facts->all, facts->count, sizeof *fact, compare_hash);
	uint32_t low = 0, high = nodes->entrances_count, sought;

	if (!fact)
		return NULL;
	sought = (uint32_t)(fact - facts->all);
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (nodes->entrances[middle].fact < sought)
			low = middle + 1;
		else
			high = middle;
	}
	return low < nodes->entrances_count && nodes->entrances[low].fact == sought ? &nodes->entrances[low] : NULL;
}

/* Whom an eviction names, and which of the entrances that it sponsored it lets stand. */
static void evict(const struct facts *facts, struct nodes *nodes, uint32_t number)
{
	const struct eviction_row *row = &facts->all[number].row.eviction;
	struct reader items = reader_over(row->standing.items);
	struct holder *holder = nodes_holder(nodes, row->key);
	struct id hash;

	if (holder->named_by == NOWHERE)
		holder->named_by = number;
	while (pack_next(FIELD_TABLE(eviction, standing), &items, &hash)) {
		struct entrance *entrance = entrance_of(nodes, facts, hash);

		if (entrance && entrance->sponsor == (uint32_t)(holder - nodes->holders))
			entrance->is_listed = true;
	}
}

static void push(struct wave *wave, bool *is_reached, uint32_t holder)
{
	if (*is_reached)
		return;
	*is_reached = true;
	wave->stack[wave->depth++] = holder;
}

/* From those who let themselves in to all that they let in, and so on: circles are not reached. */
static void found(const struct facts *facts, struct nodes *nodes, struct wave *wave)
{
	for (uint32_t i = 0; i < nodes->entrances_count; i++) {
		struct entrance *entrance = &nodes->entrances[i];

		if (compare_keys(facts->all[entrance->fact].said->signer, nodes->holders[entrance->holder].key))
			continue;
		entrance->is_founded = true;
		push(wave, &nodes->holders[entrance->holder].is_founded, entrance->holder);
	}
	while (wave->depth) {
		uint32_t at = nodes->holders[wave->stack[--wave->depth]].let_in;

		for (; at != NOWHERE; at = nodes->entrances[at].next) {
			struct entrance *entrance = &nodes->entrances[at];

			entrance->is_founded = true;
			push(wave, &nodes->holders[entrance->holder].is_founded, entrance->holder);
		}
	}
}

/* An entrance stands if nothing speaks against it, now that its sponsor does. */
static void enter(struct facts *facts, struct nodes *nodes, struct entrance *entrance, struct wave *wave)
{
	const struct place_for *invite = &nodes->invites[entrance->invite];
	struct holder *holder = &nodes->holders[entrance->holder];

	if (!entrance->is_founded || !invite->stands || invite->is_shared || holder->is_doubled ||
	    holder->named_by != NOWHERE)
		return;
	entrance->stands = true;
	facts->all[entrance->fact].stands = true;
	push(wave, &holder->stands, entrance->holder);
}

/* Sponsors before those whom they let in. */
static void let_stand(struct facts *facts, struct nodes *nodes, struct wave *wave)
{
	for (uint32_t i = 0; i < nodes->entrances_count; i++)
		if (nodes->entrances[i].sponsor == nodes->entrances[i].holder || nodes->entrances[i].is_listed)
			enter(facts, nodes, &nodes->entrances[i], wave);
	while (wave->depth) {
		uint32_t at = nodes->holders[wave->stack[--wave->depth]].let_in;

		for (; at != NOWHERE; at = nodes->entrances[at].next)
			enter(facts, nodes, &nodes->entrances[at], wave);
	}
}

struct nodes nodes_judge(struct facts *facts, const struct signatories *signatories)
{
	struct nodes nodes = { 0 };
	struct wave wave = { 0 };

	collect_invites(facts, signatories, &nodes);
	take_back(facts, &nodes);
	collect_entrances(facts, &nodes);
	sort_holders(&nodes);
	tie(facts, &nodes);
	find_doubles(facts, &nodes);
	for (uint32_t i = 0; i < facts->count; i++)
		if (facts->all[i].said->kind == KIND_eviction && facts->all[i].stands)
			evict(facts, &nodes, i);
	wave.stack = room_of(facts, nodes.holders_count, sizeof *wave.stack);
	found(facts, &nodes, &wave);
	let_stand(facts, &nodes, &wave);
	return nodes;
}
