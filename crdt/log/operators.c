/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/facts.h"

#include "crdt/model/pack.h"

#include <stdlib.h>

/* One pass over the tree of operators, from the root downward. */
struct placing {
	struct facts *facts;
	struct signatories *who;
	struct by_key by_signer; /* all facts */
	struct by_key removals;  /* by the key that they remove */
	uint32_t *now, *next;    /* signatories: a level of the tree, and the one below */
	uint32_t now_count, next_count;
	uint32_t *roots; /* signatories: the root, the one before it, … */
	uint32_t roots_count;
	uint32_t *marked;        /* of each signatory: 1 + the one whose ancestor it was last seen to be */
	struct id *left, *other; /* room for lists */
};

/* What all removals of one operator leave standing: ascending. */
struct leave {
	struct id *ids;
	size_t count, lists;
};

static int compare_keys(struct key32 a, struct key32 b)
{
	return memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

static int compare_items(const void *a, const void *b)
{
	const struct by_key_item *one = a, *other = b;
	int order = compare_keys(one->key, other->key);

	return order ? order : (one->fact > other->fact) - (one->fact < other->fact);
}

void by_key_add(struct by_key *by_key, struct key32 key, uint32_t fact)
{
	by_key->all[by_key->count++] = (struct by_key_item){ key, fact };
}

void by_key_sort(struct by_key *by_key)
{
	qsort(by_key->all, by_key->count, sizeof *by_key->all, compare_items);
}

uint32_t by_key_find(const struct by_key *by_key, struct key32 key, uint32_t *ret_from)
{
	uint32_t low = 0, high = by_key->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compare_keys(by_key->all[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_from = low;
	while (high < by_key->count && !compare_keys(by_key->all[high].key, key))
		high++;
	return high;
}

struct signatory *signatory_find(const struct signatories *signatories, struct key32 key)
{
	uint32_t low = 0, high = signatories->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = compare_keys(signatories->all[middle].key, key);

		if (!order)
			return &signatories->all[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int compare_signatories(const void *a, const void *b)
{
	return compare_keys(((const struct signatory *)a)->key, ((const struct signatory *)b)->key);
}

static void add_key(struct signatories *who, struct key32 key)
{
	who->all[who->count++] = (struct signatory){ .key = key, .replaced_by = NOWHERE, .named_by = NOWHERE };
}

/* All keys that could be an operator's or for recovery. */
static void collect_keys(const struct facts *facts, struct signatories *who)
{
	uint32_t different = 0;

	for (uint32_t i = 0; i < facts->count; i++) {
		const struct fact *fact = &facts->all[i];

		switch (fact->said->kind) {
		case KIND_cluster:
			add_key(who, fact->row.cluster.root_key);
			add_key(who, fact->row.cluster.recovery_key);
			break;
		case KIND_root_change:
			add_key(who, fact->row.root_change.key);
			add_key(who, fact->row.root_change.recovery_key);
			break;
		case KIND_operator: add_key(who, fact->row.operator.key); break;
		default: break;
		}
	}
	qsort(who->all, who->count, sizeof *who->all, compare_signatories);
	for (uint32_t i = 0; i < who->count; i++)
		if (!different || compare_keys(who->all[different - 1].key, who->all[i].key))
			who->all[different++] = who->all[i];
	who->count = different;
}

/* The cluster's own statement, or NULL. */
static struct fact *find_cluster(const struct facts *facts)
{
	for (uint32_t i = 0; i < facts->count; i++) {
		struct fact *fact = &facts->all[i];

		if (fact->said->kind == KIND_cluster && id_equal(fact->said->id, facts->cluster) &&
		    !compare_keys(fact->said->signer, fact->row.cluster.root_key))
			return fact;
	}
	return NULL;
}

static uint32_t place_of(const struct placing *p, const struct signatory *one)
{
	return (uint32_t)(one - p->who->all);
}

/* Whether it is an operator's statement that names another, in his own name. */
static bool is_naming(const struct fact *fact)
{
	return fact->said->kind == KIND_operator && !compare_keys(fact->row.operator.parent, fact->said->signer);
}

static void know(struct placing *p, struct key32 key, bool as_operator, uint32_t *stack, uint32_t *depth)
{
	struct signatory *one = signatory_find(p->who, key);
	bool *is_known = as_operator ? &one->is_operator : &one->is_recovery;

	if (*is_known)
		return;
	*is_known = true;
	stack[(*depth)++] = place_of(p, one);
}

/* From the first keys to all those that they name, whether that still stands or not. */
static void spread(struct placing *p, const struct cluster_row *cluster)
{
	uint32_t *stack = arena_take(&p->facts->arena, 2 * sizeof *stack * p->who->count), depth = 0;

	know(p, cluster->root_key, true, stack, &depth);
	know(p, cluster->recovery_key, false, stack, &depth);
	while (depth) {
		const struct signatory *signer = &p->who->all[stack[--depth]];
		uint32_t i, end = by_key_find(&p->by_signer, signer->key, &i);

		for (; i < end; i++) {
			const struct fact *fact = &p->facts->all[p->by_signer.all[i].fact];

			if (is_naming(fact) && signer->is_operator)
				know(p, fact->row.operator.key, true, stack, &depth);
			if (fact->said->kind != KIND_root_change || !signer->is_recovery)
				continue;
			know(p, fact->row.root_change.key, true, stack, &depth);
			know(p, fact->row.root_change.recovery_key, false, stack, &depth);
		}
	}
}

/* The change that a recovery key made: of several the one with the smallest hash; NOWHERE: none. */
static uint32_t change_by(const struct placing *p, struct key32 recovery)
{
	uint32_t i, end = by_key_find(&p->by_signer, recovery, &i);

	for (; i < end; i++)
		if (p->facts->all[p->by_signer.all[i].fact].said->kind == KIND_root_change)
			return p->by_signer.all[i].fact;
	return NOWHERE;
}

/* The roots that were hang below the one that is, the latest first; a key that came back has its last place. */
static void place_roots(struct placing *p, const struct cluster_row *cluster)
{
	uint32_t *changes = arena_take(&p->facts->arena, sizeof *changes * (p->facts->count + 1)), count = 0, change;
	struct key32 recovery = cluster->recovery_key;

	for (;;) {
		change = change_by(p, recovery);
		/* Each recovery key has one change. */
		if (change == NOWHERE || p->facts->all[change].stands)
			break;
		p->facts->all[change].stands = true;
		changes[count++] = change;
		recovery = p->facts->all[change].row.root_change.recovery_key;
	}
	for (uint32_t i = count + 1; i-- > 0;) {
		struct key32 key = i ? p->facts->all[changes[i - 1]].row.root_change.key : cluster->root_key;
		struct signatory *root = signatory_find(p->who, key);

		if (root->is_placed)
			continue;
		root->is_placed = true;
		root->depth = p->roots_count;
		root->parent = p->roots_count ? p->roots[p->roots_count - 1] : place_of(p, root);
		root->replaced_by = i < count ? changes[i] : NOWHERE;
		p->roots[p->roots_count++] = place_of(p, root);
	}
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct id));
}

/* A list's ids ascending, none twice. */
static size_t read_list(const struct field *field, const struct list *list, struct id *ret_ids)
{
	struct reader items = reader_over(list->items);
	size_t count = 0, different = 0;

	while (pack_next(field, &items, &ret_ids[count]))
		count++;
	qsort(ret_ids, count, sizeof *ret_ids, compare_ids);
	for (size_t i = 0; i < count; i++)
		if (!different || !id_equal(ret_ids[different - 1], ret_ids[i]))
			ret_ids[different++] = ret_ids[i];
	return different;
}

/* One more removal: what it does not list no longer stands. */
static void leave_only(struct placing *p, struct leave *leave, const struct field *field, const struct list *list)
{
	size_t count, kept = 0, at = 0;

	if (!leave->lists++) {
		leave->count = read_list(field, list, leave->ids);
		return;
	}
	count = read_list(field, list, p->other);
	for (size_t i = 0; i < leave->count; i++) {
		while (at < count && compare_ids(&p->other[at], &leave->ids[i]) < 0)
			at++;
		if (at < count && id_equal(p->other[at], leave->ids[i]))
			leave->ids[kept++] = leave->ids[i];
	}
	leave->count = kept;
}

static bool is_left(const struct leave *leave, struct id hash)
{
	return !leave->lists || (leave->count && bsearch(&hash, leave->ids, leave->count, sizeof hash, compare_ids));
}

/* Goes through the removals of an operator whose ancestors are all judged; of these alone they count. */
static void remove_by_ancestors(struct placing *p, const struct signatory *one, struct leave *leave)
{
	uint32_t self = place_of(p, one), i, end = by_key_find(&p->removals, one->key, &i);

	if (i == end)
		return;
	for (uint32_t at = self; p->who->all[at].depth; at = p->who->all[at].parent)
		p->marked[p->who->all[at].parent] = self + 1;
	for (; i < end; i++) {
		struct fact *fact = &p->facts->all[p->removals.all[i].fact];
		const struct signatory *signer = signatory_find(p->who, fact->said->signer);

		if (!signer || p->marked[place_of(p, signer)] != self + 1 || !fact->is_by_right)
			continue;
		fact->stands = true;
		leave_only(p, leave, FIELD_TABLE(operator_removal, standing), &fact->row.operator_removal.standing);
	}
}

/* The one below whom an operator's statement puts another: of several the one with the smallest hash. */
static void call(struct placing *p, uint32_t named_by)
{
	struct signatory *named = signatory_find(p->who, p->facts->all[named_by].row.operator.key);

	if (named->is_placed || (named->named_by != NOWHERE && named->named_by <= named_by))
		return;
	if (named->named_by == NOWHERE)
		p->next[p->next_count++] = place_of(p, named);
	named->named_by = named_by;
}

static void keep_left(struct placing *p, struct signatory *one, const struct leave *leave)
{
	struct id *left;

	one->is_removed = leave->lists;
	if (!leave->lists || !leave->count)
		return;
	left = arena_take(&p->facts->arena, leave->count * sizeof *left);
	memcpy(left, leave->ids, leave->count * sizeof *left);
	one->left = left;
	one->left_count = leave->count;
}

/* Which of an operator's statements stand, and whom they name. */
static void judge_operator(struct placing *p, struct signatory *one)
{
	struct leave leave = { .ids = p->left };
	uint32_t i, end = by_key_find(&p->by_signer, one->key, &i);

	remove_by_ancestors(p, one, &leave);
	if (one->replaced_by != NOWHERE)
		leave_only(p, &leave, FIELD_TABLE(root_change, standing),
			   &p->facts->all[one->replaced_by].row.root_change.standing);
	keep_left(p, one, &leave);
	for (; i < end; i++) {
		struct fact *fact = &p->facts->all[p->by_signer.all[i].fact];
		uint32_t kind = fact->said->kind;

		if (kind == KIND_cluster || kind == KIND_root_change || kind == KIND_admission ||
		    (kind == KIND_operator && !is_naming(fact)) || !is_left(&leave, fact->said->hash))
			continue;
		fact->is_by_right = true;
		/* Whether a removal counts is known once the removed one has a place below. */
		fact->stands = kind != KIND_operator_removal;
		if (kind == KIND_operator)
			call(p, p->by_signer.all[i].fact);
	}
}

/* The level below becomes the one to judge. */
static void descend(struct placing *p, uint32_t depth)
{
	uint32_t *judged = p->now;

	for (uint32_t i = 0; i < p->next_count; i++) {
		struct signatory *one = &p->who->all[p->next[i]];

		one->is_placed = true;
		one->depth = depth;
		one->parent = place_of(p, signatory_find(p->who, p->facts->all[one->named_by].said->signer));
	}
	if (depth < p->roots_count)
		p->next[p->next_count++] = p->roots[depth];
	p->now = p->next;
	p->now_count = p->next_count;
	p->next = judged;
	p->next_count = 0;
}

static void *room_of(struct placing *p, size_t count, size_t size)
{
	return arena_take(&p->facts->arena, (count + 1) * size);
}

/* Rooms, and what is found by key. */
static void prepare(struct placing *p)
{
	uint32_t count = p->facts->count;
	size_t most = FIELD_TABLE(operator_removal, standing)->most, other = FIELD_TABLE(root_change, standing)->most;

	most = most > other ? most : other;
	p->left = room_of(p, most, sizeof *p->left);
	p->other = room_of(p, most, sizeof *p->other);
	p->now = room_of(p, p->who->count, sizeof *p->now);
	p->next = room_of(p, p->who->count, sizeof *p->next);
	p->roots = room_of(p, p->who->count, sizeof *p->roots);
	p->marked = room_of(p, p->who->count, sizeof *p->marked);
	p->by_signer.all = room_of(p, count, sizeof *p->by_signer.all);
	p->removals.all = room_of(p, count, sizeof *p->removals.all);
	for (uint32_t i = 0; i < count; i++) {
		const struct fact *fact = &p->facts->all[i];

		by_key_add(&p->by_signer, fact->said->signer, i);
		if (fact->said->kind == KIND_operator_removal)
			by_key_add(&p->removals, fact->row.operator_removal.key, i);
	}
	by_key_sort(&p->by_signer);
	by_key_sort(&p->removals);
}

struct signatories operators_place(struct facts *facts)
{
	struct signatories who = { 0 };
	struct placing p = { .facts = facts, .who = &who };
	struct fact *cluster = find_cluster(facts);

	if (!cluster)
		return who;
	cluster->stands = true;
	who.all = room_of(&p, 2 * (size_t)facts->count, sizeof *who.all);
	collect_keys(facts, &who);
	prepare(&p);
	spread(&p, &cluster->row.cluster);
	place_roots(&p, &cluster->row.cluster);
	descend(&p, 0);
	for (uint32_t depth = 1; p.now_count; depth++) {
		for (uint32_t i = 0; i < p.now_count; i++)
			judge_operator(&p, &who.all[p.now[i]]);
		descend(&p, depth);
	}
	return who;
}
