/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/log/members.h"

#include "crdt/log/facts.h"
#include "crdt/model/pack.h"

#include <assert.h>
#include <stdlib.h>

struct mark {
	struct id hash;
	bool stands;
};

struct switched {
	struct bytes name;
	uint64_t value;
};

/* What is kept lies in `arena`; what was needed on the way goes with the facts. */
struct members {
	struct id cluster;
	bool has_cluster;
	struct signatories signatories;
	struct member *all;          /* ascending by node */
	struct invite_view *invites; /* ascending by id */
	struct mark *marks;          /* ascending by hash */
	struct switched *switches;
	struct grant_view *grants; /* ascending by node */
	size_t count, standing, invites_count, marks_count, switches_count, grants_count;
	size_t voids; /* invites and operators */
	uint64_t level;
	struct arena arena;
};

static bool keys_equal(struct key32 a, struct key32 b)
{
	return !memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

static int compare_said(const void *a, const void *b)
{
	const struct statement *const *one = a, *const *other = b;

	return memcmp((*one)->hash.bytes, (*other)->hash.bytes, sizeof(struct id));
}

/* The cluster's statements, by hash and each once, with their rows. */
static struct facts facts_of(struct id cluster, const struct statement *all, size_t count)
{
	struct facts facts = { .cluster = cluster };
	const struct statement **sorted = arena_take(&facts.arena, (count + 1) * sizeof *sorted);
	size_t ours = 0;

	assert(count < NOWHERE / 2);
	for (size_t i = 0; i < count; i++)
		if (id_equal(all[i].cluster, cluster))
			sorted[ours++] = &all[i];
	qsort(sorted, ours, sizeof *sorted, compare_said);
	facts.all = arena_take(&facts.arena, (ours + 1) * sizeof *facts.all);
	for (size_t i = 0; i < ours; i++) {
		struct fact *fact = &facts.all[facts.count];
		enum code code;

		if (i && id_equal(sorted[i]->hash, sorted[i - 1]->hash))
			continue;
		fact->said = sorted[i];
		assert(model_kind(sorted[i]->kind)->shape.size <= sizeof fact->row);
		code = pack_read(&model_kind(sorted[i]->kind)->shape, sorted[i]->map, true, &fact->row, NULL);
		assert(!code);
		facts.count++;
	}
	return facts;
}

/* The entrance that speaks for its holder: one that stands before others, then the smallest hash. */
static void speak(const struct nodes *nodes, uint32_t *speakers)
{
	for (uint32_t i = 0; i < nodes->holders_count; i++)
		speakers[i] = NOWHERE;
	for (uint32_t i = 0; i < nodes->entrances_count; i++) {
		const struct entrance *entrance = &nodes->entrances[i];
		uint32_t *speaker = &speakers[entrance->holder];

		if (!entrance->is_founded)
			continue;
		if (*speaker == NOWHERE || (entrance->stands && !nodes->entrances[*speaker].stands))
			*speaker = i;
	}
}

static struct member member_of(const struct facts *facts, const struct nodes *nodes, const struct entrance *entrance)
{
	const struct fact *fact = &facts->all[entrance->fact];
	const struct holder *holder = &nodes->holders[entrance->holder];
	struct member member = {
		.node = holder->node,
		.key = holder->key,
		.box_key = fact->row.admission.box_key,
		.gateway = nodes->invites[entrance->invite].row->gateway,
		.admission = fact->said->hash,
		.invite = fact->row.admission.invite,
		.sponsor = nodes->holders[entrance->sponsor].node,
		.is_evicted = !holder->stands,
	};

	if (holder->named_by != NOWHERE)
		member.heir = node_of_key(facts->all[holder->named_by].row.eviction.heir);
	return member;
}

static int compare_members(const void *a, const void *b)
{
	const struct member *one = a, *other = b;

	if (one->node != other->node)
		return one->node < other->node ? -1 : 1;
	return memcmp(one->key.bytes, other->key.bytes, sizeof one->key.bytes);
}

static void keep_members(struct members *members, struct facts *facts, const struct nodes *nodes)
{
	uint32_t *speakers = arena_take(&facts->arena, (nodes->holders_count + 1) * sizeof *speakers);

	speak(nodes, speakers);
	members->all = arena_take(&members->arena, (nodes->holders_count + 1) * sizeof *members->all);
	for (uint32_t i = 0; i < nodes->holders_count; i++) {
		if (speakers[i] == NOWHERE)
			continue;
		members->all[members->count++] = member_of(facts, nodes, &nodes->entrances[speakers[i]]);
		members->standing += nodes->holders[i].stands;
	}
	qsort(members->all, members->count, sizeof *members->all, compare_members);
}

static bool is_evicted(const struct nodes *nodes, struct key32 key)
{
	const struct holder *holder = nodes_holder(nodes, key);

	return holder && (holder->named_by != NOWHERE || (holder->is_founded && !holder->stands));
}

static void keep_invites(struct members *members, const struct nodes *nodes)
{
	members->invites = arena_take(&members->arena, (nodes->invites_count + 1) * sizeof *members->invites);
	for (uint32_t i = 0; i < nodes->invites_count; i++) {
		const struct place_for *invite = &nodes->invites[i];

		if (!invite->is_known)
			continue;
		members->invites[members->invites_count++] = (struct invite_view){
			.id = invite->id,
			.key = invite->row->key,
			.sponsor = invite->row->sponsor,
			.gateway = invite->row->gateway,
			.expires = invite->row->expires,
			.is_void = !invite->stands || invite->is_taken_back || is_evicted(nodes, invite->row->sponsor),
			.is_used = invite->taken_by != NOWHERE,
			.is_shared = invite->is_shared,
			.admissions = invite->admissions,
		};
		if (invite->taken_by != NOWHERE)
			members->invites[members->invites_count - 1].holder = nodes->holders[invite->taken_by].key;
	}
}

static int compare_switches(const void *a, const void *b)
{
	const struct switched *one = a, *other = b;
	int order = bytes_compare(one->name, other->name);

	return order ? order : (one->value < other->value) - (one->value > other->value);
}

/* The level and the switches: the largest that was said. */
static void keep_rules(struct members *members, const struct facts *facts)
{
	size_t count = 0;

	members->switches = arena_take(&members->arena, (facts->count + (size_t)1) * sizeof *members->switches);
	for (uint32_t i = 0; i < facts->count; i++) {
		const struct fact *fact = &facts->all[i];

		if (!fact->stands)
			continue;
		if (fact->said->kind == KIND_level && fact->row.level.level > members->level)
			members->level = fact->row.level.level;
		if (fact->said->kind == KIND_switch)
			members->switches[count++] =
				(struct switched){ fact->row.switch_.name, fact->row.switch_.value };
	}
	qsort(members->switches, count, sizeof *members->switches, compare_switches);
	for (size_t i = 0; i < count; i++) {
		struct switched one = members->switches[i];

		if (members->switches_count &&
		    bytes_equal(members->switches[members->switches_count - 1].name, one.name))
			continue;
		one.name = arena_copy(&members->arena, one.name);
		members->switches[members->switches_count++] = one;
	}
}

static int compare_grants(const void *a, const void *b)
{
	const struct grant_view *one = a, *other = b;

	if (one->node != other->node)
		return one->node < other->node ? -1 : 1;
	return memcmp(one->hash.bytes, other->hash.bytes, sizeof one->hash.bytes);
}

/* One for each node. */
static void keep_grants(struct members *members, const struct facts *facts)
{
	size_t count = 0;

	members->grants = arena_take(&members->arena, (facts->count + (size_t)1) * sizeof *members->grants);
	for (uint32_t i = 0; i < facts->count; i++) {
		const struct fact *fact = &facts->all[i];

		if (fact->stands && fact->said->kind == KIND_grant)
			members->grants[count++] =
				(struct grant_view){ node_of_key(fact->row.grant.key),
						     node_of_key(fact->row.grant.heir), fact->said->hash };
	}
	qsort(members->grants, count, sizeof *members->grants, compare_grants);
	for (size_t i = 0; i < count; i++)
		if (!i || members->grants[i].node != members->grants[members->grants_count - 1].node)
			members->grants[members->grants_count++] = members->grants[i];
}

static void keep_marks(struct members *members, const struct facts *facts)
{
	members->marks = arena_take(&members->arena, (facts->count + (size_t)1) * sizeof *members->marks);
	for (uint32_t i = 0; i < facts->count; i++)
		members->marks[members->marks_count++] =
			(struct mark){ facts->all[i].said->hash, facts->all[i].stands };
}

static void keep_signatories(struct members *members, const struct signatories *signatories)
{
	size_t size = signatories->count * sizeof *signatories->all;

	members->has_cluster = signatories->count;
	members->signatories.count = signatories->count;
	members->signatories.all = arena_take(&members->arena, size + 1);
	if (size)
		memcpy(members->signatories.all, signatories->all, size);
	for (uint32_t i = 0; i < signatories->count; i++) {
		struct signatory *one = &members->signatories.all[i];
		struct id *left = one->left ? arena_take(&members->arena, one->left_count * sizeof *left) : NULL;

		if (left)
			memcpy(left, one->left, one->left_count * sizeof *left);
		one->left = left;
	}
}

static int compare_ids(const void *id, const void *one)
{
	return memcmp(id, one, sizeof(struct id));
}

_Static_assert(!offsetof(struct invite_view, id) && !offsetof(struct mark, hash), "compare_ids");

/* An operator's statement that counts for nothing, because the operator was removed or never counted. */
static bool is_void(const struct members *members, const struct statement *statement)
{
	const struct signatory *signer = signatory_find(&members->signatories, statement->signer);

	if (statement->kind == KIND_cluster || statement->kind == KIND_root_change ||
	    statement->kind == KIND_admission || !signer)
		return false;
	if (!signer->is_placed)
		return true;
	return signer->is_removed && (!signer->left || !bsearch(&statement->hash, signer->left, signer->left_count,
								sizeof *signer->left, compare_ids));
}

/* Who was admitted hangs on these, also where they are void. */
static bool leads_to_members(uint32_t kind)
{
	return kind == KIND_invite || kind == KIND_operator;
}

static void count_voids(struct members *members, const struct facts *facts)
{
	for (uint32_t i = 0; i < facts->count; i++)
		members->voids += leads_to_members(facts->all[i].said->kind) && is_void(members, facts->all[i].said);
}

struct members *members_make(struct id cluster, const struct statement *all, size_t count)
{
	struct members *members = must_alloc(sizeof *members);
	struct facts facts = facts_of(cluster, all, count);
	struct signatories signatories = operators_place(&facts);
	struct nodes nodes = nodes_judge(&facts, &signatories);

	*members = (struct members){ .cluster = cluster };
	keep_signatories(members, &signatories);
	keep_members(members, &facts, &nodes);
	keep_invites(members, &nodes);
	keep_rules(members, &facts);
	keep_grants(members, &facts);
	keep_marks(members, &facts);
	count_voids(members, &facts);
	arena_done(&facts.arena);
	return members;
}

void members_free(struct members *members)
{
	if (!members)
		return;
	arena_done(&members->arena);
	free(members);
}

const struct member *members_find(const struct members *members, uint64_t node)
{
	size_t low = 0, high = members->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (members->all[middle].node < node)
			low = middle + 1;
		else
			high = middle;
	}
	return low < members->count && members->all[low].node == node ? &members->all[low] : NULL;
}

const struct member *members_all(const struct members *members, size_t *ret_count)
{
	*ret_count = members->count;
	return members->all;
}

size_t members_standing(const struct members *members)
{
	return members->standing;
}

/* Both begin with what they are found by. */
const struct invite_view *members_invite(const struct members *members, struct id invite)
{
	return bsearch(&invite, members->invites, members->invites_count, sizeof *members->invites, compare_ids);
}

bool members_is_operator(const struct members *members, struct key32 key)
{
	const struct signatory *one = signatory_find(&members->signatories, key);

	return one && one->is_placed && !one->is_removed;
}

bool members_operator(const struct members *members, size_t place, struct operator_view *ret_view)
{
	const struct signatories *all = &members->signatories;
	const struct signatory *one;

	for (size_t i = 0; i < all->count; i++) {
		one = &all->all[i];
		if (!one->is_operator || !one->is_placed || place--)
			continue;
		*ret_view = (struct operator_view){ one->key, all->all[one->parent].key, one->depth, one->is_removed };
		return true;
	}
	return false;
}

uint64_t members_level(const struct members *members)
{
	return members->level;
}

static int compare_name(const void *name, const void *one)
{
	return bytes_compare(*(const struct bytes *)name, ((const struct switched *)one)->name);
}

uint64_t members_switch(const struct members *members, struct bytes name)
{
	const struct switched *one =
		bsearch(&name, members->switches, members->switches_count, sizeof *members->switches, compare_name);

	return one ? one->value : 0;
}

static int compare_grantor(const void *node, const void *one)
{
	uint64_t sought = *(const uint64_t *)node, here = ((const struct grant_view *)one)->node;

	return (sought > here) - (sought < here);
}

const struct grant_view *members_grant(const struct members *members, uint64_t node)
{
	if (!members->grants_count)
		return NULL;
	return bsearch(&node, members->grants, members->grants_count, sizeof *members->grants, compare_grantor);
}

/* NULL: the set has no such statement. */
static const struct mark *find_mark(const struct members *members, struct id hash)
{
	if (!members->marks_count)
		return NULL;
	return bsearch(&hash, members->marks, members->marks_count, sizeof *members->marks, compare_ids);
}

bool members_stands(const struct members *members, struct id statement)
{
	const struct mark *mark = find_mark(members, statement);

	return mark && mark->stands;
}

/* One key more than one evicts all that redeemed it, and further ones change nothing. */
static enum code limit_admissions(const struct invite_view *invite, const struct admission_row *row, struct err *err)
{
	bool is_second = !invite->is_shared && !keys_equal(invite->holder, row->key);

	if (invite->admissions < ADMISSIONS_MAX || is_second)
		return OK;
	return fail(err, E_LIMIT, "statement: the invite has %u admissions already: make a new one",
		    invite->admissions);
}

static enum code limit_voids(const struct members *members, const struct statement *statement, struct err *err)
{
	if (!is_void(members, statement) || (leads_to_members(statement->kind) && members->voids < VOIDS_MAX))
		return OK;
	return fail(err, E_LIMIT, "statement: void, for its signer was removed: let another operator sign it");
}

static enum code admit_cluster(const struct statement *statement, const struct cluster_row *row, struct err *err)
{
	if (!id_equal(statement->id, statement->cluster) || !keys_equal(statement->signer, row->root_key))
		return fail(err, E_DENIED, "statement: not the one that its cluster began with");
	return OK;
}

static enum code admit_admission(const struct members *members, const struct statement *statement,
				 const struct admission_row *row, struct err *err)
{
	const struct invite_view *invite = members_invite(members, row->invite);
	uint8_t room[ADMISSION_TEXT_SIZE];
	struct signature proof;
	enum code code;

	if (!invite)
		return fail(err, E_DENIED, "statement: an admission by an invite that is not known here");
	if (!keys_equal(statement->signer, invite->sponsor))
		return fail(err, E_DENIED, "statement: an admission by another than the invite's sponsor");
	if (!node_of_key(row->key))
		return fail(err, E_DENIED, "statement: the admitted key can be no node's: make another");
	code = find_mark(members, statement->hash) ? OK : limit_admissions(invite, row, err);
	if (code)
		return code;
	memcpy(proof.bytes, row->proof.data, sizeof proof.bytes);
	if (!sign_check(invite->key, SIGN_ADMISSION,
			admission_text(members->cluster, row->invite, row->key, row->box_key, room), proof))
		return fail(err, E_DENIED, "statement: an admission without the signature of the invite's key");
	return OK;
}

static enum code admit_by_signer(const struct members *members, const struct statement *statement,
				 const struct operator_row *row, struct err *err)
{
	const struct signatory *signer = signatory_find(&members->signatories, statement->signer);

	if (statement->kind == KIND_root_change)
		return signer && signer->is_recovery
			       ? OK
			       : fail(err, E_DENIED, "statement: not signed by a recovery key of this cluster");
	if (!signer || !signer->is_operator)
		return fail(err, E_DENIED, "statement: not signed by an operator of this cluster");
	if (statement->kind == KIND_operator && !keys_equal(statement->signer, row->parent))
		return fail(err, E_DENIED, "statement: names an operator in another's name");
	return find_mark(members, statement->hash) ? OK : limit_voids(members, statement, err);
}

enum code members_admit_statement(const struct members *members, const struct statement *statement, struct err *err)
{
	const struct kind *kind = model_kind(statement->kind);
	struct fact fact;
	enum code code;

	if (!id_equal(statement->cluster, members->cluster))
		return fail(err, E_DENIED, "statement: of another cluster");
	code = pack_read(&kind->shape, statement->map, true, &fact.row, err);
	if (code)
		return code;
	if (statement->kind == KIND_cluster)
		return admit_cluster(statement, &fact.row.cluster, err);
	if (!members->has_cluster)
		return fail(err, E_DENIED, "statement: the cluster's own is not here yet, and has to be the first");
	if (statement->kind == KIND_admission)
		return admit_admission(members, statement, &fact.row.admission, err);
	return admit_by_signer(members, statement, &fact.row.operator, err);
}

unsigned members_weight(const struct members *members, const struct statement *statement)
{
	const struct invite_view *invite = NULL;

	if (is_void(members, statement))
		return leads_to_members(statement->kind) && members->voids < VOIDS_MAX;
	if (statement->kind == KIND_admission)
		invite = members_invite(members, statement->invite);
	if (statement->kind == KIND_invite)
		invite = members_invite(members, statement->id);
	if (!invite || invite->admissions < ADMISSIONS_MAX)
		return 1;
	if (statement->kind == KIND_admission)
		return 0;
	return invite->is_shared ? 1 : 2;
}
