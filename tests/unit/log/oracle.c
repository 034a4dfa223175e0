/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of members.h, read literally: every question is asked of the whole set again, and answered by going up
 * whatever chain it hangs on. Slow, and in no order that the code under test has.
 */
#include "tests/unit/base/check.h"
#include "tests/unit/log/realm.h"

#include "crdt/model/pack.h"

enum { LEVELS = 24, NOT_YET = 1000 };

/* The set, each statement once, with its row. */
static struct said {
	struct statement statement;
	union {
		struct cluster_row cluster;
		struct operator_row operator;
		struct operator_removal_row operator_removal;
		struct root_change_row root_change;
		struct invite_row invite;
		struct invite_void_row invite_void;
		struct admission_row admission;
		struct eviction_row eviction;
		struct level_row level;
		struct switch_row switch_;
		struct grant_row grant;
	} row;
} said[ORACLE_MAX];
static size_t said_count;

/* Every key that is anywhere, and its place in the tree. */
static struct who {
	struct key32 key;
	size_t depth, parent;
	const struct said *change; /* that replaced it as root */
} who[ORACLE_MAX * 4];
static size_t who_count;

static bool same(struct key32 a, struct key32 b)
{
	return !memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

static bool is_smaller(struct id a, struct id b)
{
	return memcmp(a.bytes, b.bytes, sizeof a.bytes) < 0;
}

static size_t who_is(struct key32 key)
{
	size_t i = 0;

	while (i < who_count && !same(who[i].key, key))
		i++;
	if (i == who_count)
		who[who_count++] = (struct who){ .key = key, .depth = NOT_YET };
	return i;
}

static bool lists(const struct list *list, struct id id)
{
	for (size_t at = 0; at + 18 <= list->items.size; at += 18)
		if (!memcmp(list->items.data + at + 2, id.bytes, sizeof id.bytes))
			return true;
	return false;
}

static bool is_above(size_t upper, size_t lower)
{
	for (size_t at = lower; who[at].depth; at = who[at].parent)
		if (who[at].parent == upper)
			return true;
	return false;
}

/* Whether an operator's statement stands, were it only for who signed it. */
static bool is_right(const struct said *one)
{
	size_t signer = who_is(one->statement.signer);

	if (who[signer].depth == NOT_YET)
		return false;
	if (one->statement.kind == KIND_operator && !same(one->row.operator.parent, one->statement.signer))
		return false;
	if (who[signer].change && !lists(&who[signer].change->row.root_change.standing, one->statement.hash))
		return false;
	for (size_t i = 0; i < said_count; i++) {
		const struct said *removal = &said[i];

		if (removal->statement.kind != KIND_operator_removal ||
		    !same(removal->row.operator_removal.key, who[signer].key))
			continue;
		if (is_above(who_is(removal->statement.signer), signer) && is_right(removal) &&
		    !lists(&removal->row.operator_removal.standing, one->statement.hash))
			return false;
	}
	return true;
}

static bool is_removed(size_t key)
{
	for (size_t i = 0; i < said_count; i++)
		if (said[i].statement.kind == KIND_operator_removal &&
		    same(said[i].row.operator_removal.key, who[key].key) &&
		    is_above(who_is(said[i].statement.signer), key) && is_right(&said[i]))
			return true;
	return who[key].change;
}

static const struct said *smallest_change(struct key32 recovery)
{
	const struct said *smallest = NULL;

	for (size_t i = 0; i < said_count; i++)
		if (said[i].statement.kind == KIND_root_change && same(said[i].statement.signer, recovery) &&
		    (!smallest || is_smaller(said[i].statement.hash, smallest->statement.hash)))
			smallest = &said[i];
	return smallest;
}

static const struct said *changes[ORACLE_MAX];
static size_t changes_count;

static bool is_change(const struct said *one)
{
	for (size_t i = 0; i < changes_count; i++)
		if (changes[i] == one)
			return true;
	return false;
}

static const struct said *own_statement(struct id cluster)
{
	const struct said *own = NULL;

	for (size_t i = 0; i < said_count; i++)
		if (said[i].statement.kind == KIND_cluster && id_equal(said[i].statement.id, cluster) &&
		    same(said[i].statement.signer, said[i].row.cluster.root_key) &&
		    (!own || is_smaller(said[i].statement.hash, own->statement.hash)))
			own = &said[i];
	return own;
}

/* The chain of roots, turned over: who is root hangs at the top, who was below. */
static void hang_roots(const struct said *own)
{
	struct key32 recovery = own->row.cluster.recovery_key;
	const struct said *change = smallest_change(recovery);
	size_t above = NOT_YET, depth = 0;

	changes_count = 0;
	for (; change && !is_change(change); change = smallest_change(recovery)) {
		changes[changes_count++] = change;
		recovery = change->row.root_change.recovery_key;
	}
	for (size_t i = 0; i <= changes_count; i++) {
		size_t nth = changes_count - i;
		size_t root = who_is(nth ? changes[nth - 1]->row.root_change.key : own->row.cluster.root_key);

		if (who[root].depth != NOT_YET)
			continue;
		who[root].depth = depth++;
		who[root].parent = above == NOT_YET ? root : above;
		who[root].change = i ? changes[nth] : NULL;
		above = root;
	}
}

/* The statement that names a key nearest to the root, if it is on this level. */
static void hang_below(size_t key, size_t level)
{
	const struct said *by = NULL;

	for (size_t i = 0; i < said_count; i++) {
		const struct said *one = &said[i];

		if (one->statement.kind == KIND_operator && same(one->row.operator.key, who[key].key) &&
		    who[who_is(one->statement.signer)].depth == level && is_right(one) &&
		    (!by || is_smaller(one->statement.hash, by->statement.hash)))
			by = one;
	}
	if (!by)
		return;
	who[key].depth = level + 1;
	who[key].parent = who_is(by->statement.signer);
}

static void hang_operators(void)
{
	for (size_t i = 0; i < said_count; i++)
		if (said[i].statement.kind == KIND_operator)
			who_is(said[i].row.operator.key);
	for (size_t level = 0; level < LEVELS; level++)
		for (size_t key = 0; key < who_count; key++)
			if (who[key].depth == NOT_YET)
				hang_below(key, level);
}

static const struct said *invite_of(const struct said *admission)
{
	for (size_t i = 0; i < said_count; i++)
		if (said[i].statement.kind == KIND_invite &&
		    id_equal(said[i].statement.id, admission->row.admission.invite))
			return &said[i];
	return NULL;
}

static bool is_admission(const struct said *one)
{
	const struct said *invite = one->statement.kind == KIND_admission ? invite_of(one) : NULL;

	return invite && same(one->statement.signer, invite->row.invite.sponsor) && node_of_key(one->row.admission.key);
}

static bool is_visited(const struct key32 *path, size_t length, struct key32 key)
{
	for (size_t i = 0; i < length; i++)
		if (same(path[i], key))
			return true;
	return false;
}

static bool was_admitted(struct key32 key, struct key32 *path, size_t length);

static bool leads_to_founder(const struct said *admission, struct key32 *path, size_t length)
{
	return same(admission->statement.signer, admission->row.admission.key) ||
	       (!is_visited(path, length, admission->statement.signer) &&
		was_admitted(admission->statement.signer, path, length));
}

/* Whether some way up from sponsor to sponsor ends at one that let itself in. */
static bool was_admitted(struct key32 key, struct key32 *path, size_t length)
{
	path[length++] = key;
	for (size_t i = 0; i < said_count; i++)
		if (is_admission(&said[i]) && same(said[i].row.admission.key, key) &&
		    leads_to_founder(&said[i], path, length))
			return true;
	return false;
}

static bool invite_stands(struct id invite)
{
	for (size_t i = 0; i < said_count; i++)
		if (said[i].statement.kind == KIND_invite && id_equal(said[i].statement.id, invite) &&
		    is_right(&said[i]))
			return true;
	return false;
}

static const struct said *eviction_of(struct key32 key)
{
	const struct said *smallest = NULL;

	for (size_t i = 0; i < said_count; i++)
		if (said[i].statement.kind == KIND_eviction && same(said[i].row.eviction.key, key) &&
		    is_right(&said[i]) && (!smallest || is_smaller(said[i].statement.hash, smallest->statement.hash)))
			smallest = &said[i];
	return smallest;
}

static bool is_let_stand(const struct said *admission)
{
	for (size_t i = 0; i < said_count; i++)
		if (said[i].statement.kind == KIND_eviction &&
		    same(said[i].row.eviction.key, admission->statement.signer) && is_right(&said[i]) &&
		    lists(&said[i].row.eviction.standing, admission->statement.hash))
			return true;
	return false;
}

static bool is_disputed(const struct said *admission)
{
	const struct admission_row *row = &admission->row.admission;

	for (size_t i = 0; i < said_count; i++)
		if (is_admission(&said[i]) && !same(said[i].row.admission.key, row->key) &&
		    (id_equal(said[i].row.admission.invite, row->invite) ||
		     node_of_key(said[i].row.admission.key) == node_of_key(row->key)))
			return true;
	return false;
}

/* A node id that two keys claim is neither's, by whatever invite they came. */
static bool is_id_disputed(struct key32 key)
{
	for (size_t i = 0; i < said_count; i++)
		if (is_admission(&said[i]) && !same(said[i].row.admission.key, key) &&
		    node_of_key(said[i].row.admission.key) == node_of_key(key))
			return true;
	return false;
}

static bool stands_node(struct key32 key, struct key32 *path, size_t length);

static bool stands_admission(const struct said *one, struct key32 *path, size_t length)
{
	struct key32 own[ORACLE_MAX], sponsor = one->statement.signer;

	if (!is_admission(one) || !leads_to_founder(one, own, 0) || !invite_stands(one->row.admission.invite) ||
	    is_disputed(one) || is_id_disputed(one->row.admission.key) || eviction_of(one->row.admission.key))
		return false;
	if (same(sponsor, one->row.admission.key) || is_let_stand(one))
		return true;
	return !is_visited(path, length, sponsor) && stands_node(sponsor, path, length);
}

static bool stands_node(struct key32 key, struct key32 *path, size_t length)
{
	path[length++] = key;
	for (size_t i = 0; i < said_count; i++)
		if (is_admission(&said[i]) && same(said[i].row.admission.key, key) &&
		    stands_admission(&said[i], path, length))
			return true;
	return false;
}

static bool counts(const struct said *one, const struct said *own)
{
	struct key32 path[ORACLE_MAX];
	size_t target;

	switch (one->statement.kind) {
	case KIND_cluster: return one == own;
	case KIND_root_change: return is_change(one);
	case KIND_admission: return stands_admission(one, path, 0);
	case KIND_operator_removal:
		target = who_is(one->row.operator_removal.key);
		return who[target].depth != NOT_YET && is_above(who_is(one->statement.signer), target) && is_right(one);
	default: return is_right(one);
	}
}

static void compare_member(struct key32 key, const struct members *members, size_t *standing)
{
	struct key32 path[ORACLE_MAX];
	const struct said *best = NULL, *eviction = eviction_of(key);
	const struct member *member = members_find(members, node_of_key(key)), *end;
	bool best_stands = false;
	size_t count;

	for (size_t i = 0; i < said_count; i++) {
		bool stands;

		if (!is_admission(&said[i]) || !same(said[i].row.admission.key, key) ||
		    !leads_to_founder(&said[i], path, 0))
			continue;
		stands = stands_admission(&said[i], path, 0);
		if (!best || (stands && !best_stands) ||
		    (stands == best_stands && is_smaller(said[i].statement.hash, best->statement.hash))) {
			best = &said[i];
			best_stands = stands;
		}
	}
	end = members_all(members, &count) + count;
	while (member && member < end && member->node == node_of_key(key) && !same(member->key, key))
		member++;
	if (member == end || (member && member->node != node_of_key(key)))
		member = NULL;
	assert_int_equal(member != NULL, best != NULL);
	if (!best)
		return;
	*standing += best_stands;
	assert_int_equal(member->is_evicted, !best_stands);
	assert_true(id_equal(member->admission, best->statement.hash));
	assert_true(id_equal(member->invite, best->row.admission.invite));
	assert_true(same(member->box_key, best->row.admission.box_key));
	assert_true(id_equal(member->gateway, invite_of(best)->row.invite.gateway));
	assert_true(member->sponsor == node_of_key(best->statement.signer));
	assert_true(member->heir == (eviction ? node_of_key(eviction->row.eviction.heir) : 0));
}

/* Of the standing grants of a node that with the smallest hash. */
static void compare_grant(const struct members *members, uint64_t node)
{
	const struct grant_view *grant = members_grant(members, node);
	const struct said *best = NULL;

	for (size_t i = 0; i < said_count; i++)
		if (said[i].statement.kind == KIND_grant && node_of_key(said[i].row.grant.key) == node &&
		    is_right(&said[i]) && (!best || is_smaller(said[i].statement.hash, best->statement.hash)))
			best = &said[i];
	assert_int_equal(grant != NULL, best != NULL);
	if (!best)
		return;
	assert_true(grant->node == node && grant->heir == node_of_key(best->row.grant.heir));
	assert_true(id_equal(grant->hash, best->statement.hash));
}

static void compare_nodes(const struct members *members)
{
	size_t count, standing = 0, found = 0;
	const struct member *all = members_all(members, &count);
	struct key32 path[ORACLE_MAX];

	for (size_t i = 0; i < said_count; i++) {
		bool is_first = is_admission(&said[i]);

		for (size_t k = 0; k < i && is_first; k++)
			is_first =
				!is_admission(&said[k]) || !same(said[k].row.admission.key, said[i].row.admission.key);
		if (!is_first)
			continue;
		compare_member(said[i].row.admission.key, members, &standing);
		found += was_admitted(said[i].row.admission.key, path, 0);
	}
	assert_int_equal(count, found);
	assert_int_equal(members_standing(members), standing);
	for (size_t i = 1; i < count; i++)
		assert_true(all[i - 1].node <= all[i].node);
	for (size_t i = 0; i < said_count; i++)
		if (said[i].statement.kind == KIND_grant)
			compare_grant(members, node_of_key(said[i].row.grant.key));
	compare_grant(members, UINT64_MAX);
}

/* Whether the set ever led to this key as an operator's, by statements that may no longer stand. */
static bool was_operator(struct key32 key, const struct said *own, struct key32 *path, size_t length, bool is_recovery)
{
	struct key32 first = is_recovery ? own->row.cluster.recovery_key : own->row.cluster.root_key;

	if (same(key, first))
		return true;
	if (length == 2 * ORACLE_MAX - 2)
		return false;
	path[length++] = key;
	for (size_t i = 0; i < said_count; i++) {
		const struct said *one = &said[i];
		struct key32 signer = one->statement.signer;

		if (one->statement.kind == KIND_root_change &&
		    same(is_recovery ? one->row.root_change.recovery_key : one->row.root_change.key, key)) {
			struct key32 other[2 * ORACLE_MAX];

			if (!is_recovery ? was_operator(signer, own, other, 0, true)
					 : !is_visited(path, length, signer) &&
						   was_operator(signer, own, path, length, true))
				return true;
		}
		if (!is_recovery && one->statement.kind == KIND_operator && same(one->row.operator.key, key) &&
		    same(one->row.operator.parent, signer) && !is_visited(path, length, signer) &&
		    was_operator(signer, own, path, length, false))
			return true;
	}
	return false;
}

static void compare_invite(const struct said *one, const struct said *own, const struct members *members)
{
	const struct invite_view *view = members_invite(members, one->statement.id);
	struct key32 path[2 * ORACLE_MAX], sponsor = one->row.invite.sponsor;
	bool is_known = false, is_used = false, is_taken_back = false, is_sponsor_evicted;

	for (size_t i = 0; i < said_count; i++) {
		if (said[i].statement.kind == KIND_invite && id_equal(said[i].statement.id, one->statement.id))
			is_known |= own && was_operator(said[i].statement.signer, own, path, 0, false);
		is_used |= is_admission(&said[i]) && id_equal(said[i].row.admission.invite, one->statement.id);
		is_taken_back |= said[i].statement.kind == KIND_invite_void && is_right(&said[i]) &&
				 id_equal(said[i].row.invite_void.invite, one->statement.id);
	}
	is_sponsor_evicted = eviction_of(sponsor) || (was_admitted(sponsor, path, 0) && !stands_node(sponsor, path, 0));
	assert_int_equal(view != NULL, is_known);
	if (!view)
		return;
	assert_int_equal(view->is_used, is_used);
	assert_int_equal(view->is_void, is_taken_back || is_sponsor_evicted || !invite_stands(one->statement.id));
	assert_true(same(view->key, one->row.invite.key) && same(view->sponsor, sponsor) &&
		    id_equal(view->gateway, one->row.invite.gateway) && view->expires.ms == one->row.invite.expires.ms);
}

static void compare_rules(const struct members *members)
{
	uint64_t level = 0;

	for (size_t i = 0; i < said_count; i++) {
		uint64_t value = 0;

		if (said[i].statement.kind == KIND_level && is_right(&said[i]) && said[i].row.level.level > level)
			level = said[i].row.level.level;
		if (said[i].statement.kind != KIND_switch)
			continue;
		for (size_t k = 0; k < said_count; k++)
			if (said[k].statement.kind == KIND_switch && is_right(&said[k]) &&
			    bytes_equal(said[k].row.switch_.name, said[i].row.switch_.name) &&
			    said[k].row.switch_.value > value)
				value = said[k].row.switch_.value;
		assert_true(members_switch(members, said[i].row.switch_.name) == value);
	}
	assert_true(members_level(members) == level);
}

static void take_set(const struct realm *realm)
{
	said_count = who_count = changes_count = 0;
	for (size_t i = 0; i < realm->count; i++) {
		const struct statement *one = &realm->all[i];
		bool is_new = id_equal(one->cluster, realm->cluster);

		for (size_t k = 0; k < said_count; k++)
			is_new &= !id_equal(said[k].statement.hash, one->hash);
		if (!is_new)
			continue;
		assert_true(said_count < ORACLE_MAX);
		said[said_count].statement = *one;
		assert_int_equal(pack_read(&model_kind(one->kind)->shape, one->map, true, &said[said_count].row, NULL),
				 OK);
		said_count++;
	}
}

void oracle_compare(const struct realm *realm, const struct members *members)
{
	const struct said *own;

	take_set(realm);
	own = own_statement(realm->cluster);
	if (own) {
		hang_roots(own);
		hang_operators();
	}
	for (size_t i = 0; i < said_count; i++) {
		assert_int_equal(members_stands(members, said[i].statement.hash), counts(&said[i], own));
		if (said[i].statement.kind == KIND_invite)
			compare_invite(&said[i], own, members);
	}
	for (size_t i = 0; i < who_count; i++)
		assert_int_equal(members_is_operator(members, who[i].key), who[i].depth != NOT_YET && !is_removed(i));
	compare_nodes(members);
	compare_rules(members);
}
