/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/t0.h"

#include "crdt/gossip/frame_write.h"
#include "crdt/gossip/link.h"
#include "crdt/log/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Of statements from somebody who is not known as a member, before its link is closed. */
enum { STRANGE_MAX = 256 * 1024 };

/* A list of ours is not repeated sooner, unless the set is another. */
#define LIST_PAUSE (UINT64_C(5) * 1000000000)

static struct sum weight_of(struct id hash)
{
	static const struct hash_key key = { "warren set of t0" };

	return hash_wide(key, bytes_of(hash.bytes, sizeof hash.bytes));
}

static void make_members(struct mesh *mesh)
{
	members_free(mesh->t0.members);
	mesh->t0.members = members_make(mesh->cluster, mesh->t0.all, mesh->t0.count);
	mesh->t0.judged = mesh->t0.count;
	mesh->t0.sum = (struct sum){ 0 };
	for (size_t i = 0; i < mesh->t0.count; i++)
		for (unsigned often = members_weight(mesh->t0.members, &mesh->t0.all[i]); often; often--)
			sum_add(&mesh->t0.sum, weight_of(mesh->t0.all[i].hash));
}

/*
 * After a commit that failed: statements may have come and not become durable, or not even into memory. Their senders
 * take them for told, and are asked again.
 */
static void forget_undone(struct mesh *mesh)
{
	for (struct link *link = mesh->links; link; link = link->next) {
		if (link->t0.at > mesh->t0.count)
			link->t0.at = mesh->t0.count;
		link_owe(mesh, link, OWED_T0_SUM);
	}
}

enum code t0_open(struct mesh *mesh, struct err *err)
{
	struct t0 read = { 0 };
	enum code code = log_read_statements(mesh->look, &read.arena, &read.all, &read.count, err);

	if (code) {
		arena_done(&read.arena);
		return code;
	}
	t0_done(&mesh->t0);
	mesh->t0 = read;
	/* The array is the arena's until it grows. */
	mesh->t0.all = must_alloc((read.count + 1) * sizeof *read.all);
	if (read.count)
		memcpy(mesh->t0.all, read.all, read.count * sizeof *read.all);
	mesh->t0.room = read.count + 1;
	mesh->t0.stored = read.count;
	make_members(mesh);
	forget_undone(mesh);
	return OK;
}

void t0_done(struct t0 *t0)
{
	members_free(t0->members);
	free(t0->all);
	arena_done(&t0->arena);
	*t0 = (struct t0){ 0 };
}

void t0_link_done(struct t0_link *link)
{
	free(link->theirs);
	free(link->refusal);
	*link = (struct t0_link){ 0 };
}

static const struct statement *find_statement(const struct t0 *t0, struct id hash)
{
	for (size_t i = t0->count; i-- > 0;)
		if (id_equal(t0->all[i].hash, hash))
			return &t0->all[i];
	return NULL;
}

static enum code add(struct mesh *mesh, const struct statement *statement, struct err *err)
{
	struct t0 *t0 = &mesh->t0;
	enum code code = mesh_txn(mesh, err);

	if (!code)
		code = log_put_statement(mesh->txn, (uint32_t)t0->count, statement->whole, err);
	if (code)
		return code;
	if (t0->count == t0->room) {
		t0->room = 2 * t0->room + 1;
		t0->all = must_realloc(t0->all, t0->room * sizeof *t0->all);
	}
	code = statement_read(arena_copy(&t0->arena, statement->whole), &t0->all[t0->count], err);
	assert(!code);
	t0->count++;
	mesh->counts.t0_statement++;
	return OK;
}

/* Nobody who is honest sends this, whatever else it knows. */
static bool is_bad(enum code code)
{
	return code == E_FORM || code == E_VALUE;
}

/* The members do not know of it yet, so that a limit would not hold. */
static bool is_invite_in_use(const struct t0 *t0, const struct statement *statement)
{
	for (size_t i = t0->judged; i < t0->count && statement->kind == KIND_admission; i++)
		if (t0->all[i].kind == KIND_admission && id_equal(t0->all[i].invite, statement->invite))
			return true;
	return false;
}

/* One of several that came together: E_ABSENT when it is there already. */
static enum code take_one(struct mesh *mesh, struct bytes whole, struct err *err)
{
	struct statement statement;
	enum code code = statement_read(whole, &statement, err);

	if (code)
		return code;
	if (find_statement(&mesh->t0, statement.hash))
		return E_ABSENT;
	if (!id_equal(statement.cluster, mesh->cluster))
		return fail(err, E_DENIED, "the statement is about another cluster");
	code = statement_fits(statement.kind, mesh->t0.count, err);
	if (!code && is_invite_in_use(&mesh->t0, &statement))
		return fail(err, E_LIMIT, "the invite's admissions are taken one after the other");
	if (!code)
		code = members_admit_statement(mesh->t0.members, &statement, err);
	if (code)
		return code;
	/* Whoever passes one on has checked it. */
	if (!statement_is_signed(&statement))
		return fail(err, E_FORM, "a statement's signature is wrong");
	return add(mesh, &statement, err);
}

/* Takes what finds its signer among those before it. */
static enum code take_pass(struct mesh *mesh, struct bytes *wholes, size_t *count, size_t *ret_taken, struct err *err)
{
	size_t left = 0;
	enum code code, last = OK;

	*ret_taken = 0;
	for (size_t i = 0; i < *count; i++) {
		code = take_one(mesh, wholes[i], err);
		if (code_is_disk(code) || is_bad(code))
			return code;
		if (code == OK)
			++*ret_taken;
		if (code && code != E_ABSENT) {
			last = code;
			wholes[left++] = wholes[i];
		}
	}
	*count = left;
	return last;
}

static enum code take_all(struct mesh *mesh, struct bytes *wholes, size_t count, size_t *ret_taken, struct err *err)
{
	size_t taken;
	enum code code;

	*ret_taken = 0;
	do {
		code = take_pass(mesh, wholes, &count, &taken, err);
		*ret_taken += taken;
		if (taken)
			make_members(mesh);
	} while (taken && count && !code_is_disk(code) && !is_bad(code));
	return code;
}

bool t0_trusts(const struct mesh *mesh, const struct link *link)
{
	if (!link->session || !session_is_up(link->session))
		return false;
	if (link->peer)
		return true;
	return mesh->is_joining && !mesh->is_member &&
	       !memcmp(session_peer(link->session)->key.bytes, mesh->joining.sponsor.bytes, 32);
}

static void compare_sums(struct mesh *mesh, struct link *link)
{
	if (!t0_trusts(mesh, link) || !link->t0.has_said)
		return;
	if (sum_equal(link->t0.said, mesh->t0.sum)) {
		link->t0.is_told = true;
		link->t0.at = mesh->t0.count;
		/* The peer may know another sum of ours, and waits for a list, or for this. */
		if (!sum_equal(link->t0.own_said, mesh->t0.sum))
			link_owe(mesh, link, OWED_T0_SUM);
		link_judge(mesh, link);
		return;
	}
	if (sum_equal(link->t0.listed, mesh->t0.sum) && mono_since_ns(mesh->now, link->t0.listed_at) < LIST_PAUSE)
		return;
	link->t0.listed = mesh->t0.sum;
	link->t0.listed_at = mesh->now;
	link_owe(mesh, link, OWED_T0_SUM | OWED_T0_LIST);
}

/* What a full disk refused is told again only to whoever asks; and that may have been too soon after the last time. */
void t0_tick(struct mesh *mesh)
{
	for (struct link *link = mesh->links; link; link = link->next) {
		if (!t0_trusts(mesh, link) || !link->t0.has_said || sum_equal(link->t0.said, mesh->t0.sum) ||
		    mono_since_ns(mesh->now, link->t0.again) < LIST_PAUSE)
			continue;
		link->t0.again = mesh->now;
		link_owe(mesh, link, OWED_T0_SUM);
	}
}

/* Whoever was told everything is to have the new ones at once; with the others the set is compared anew. */
static void tell_links(struct mesh *mesh)
{
	for (struct link *link = mesh->links; link; link = link->next)
		if (link->t0.is_told)
			link_touch(mesh, link);
		else
			compare_sums(mesh, link);
}

enum code t0_take(struct mesh *mesh, const struct bytes *wholes, size_t count, size_t *ret_taken, struct err *err)
{
	struct bytes *left = must_alloc((count + 1) * sizeof *left);
	enum code code;

	if (count)
		memcpy(left, wholes, count * sizeof *left);
	code = take_all(mesh, left, count, ret_taken, err);
	free(left);
	if (*ret_taken) {
		mesh_members_changed(mesh);
		tell_links(mesh);
	}
	return code;
}

/* What makes a stranger a member is not much; a set of them comes from those who are trusted. */
static enum code limit_stranger(const struct mesh *mesh, struct link *link, struct reader list, struct err *err)
{
	if (t0_trusts(mesh, link))
		return OK;
	link->t0.strange += reader_left(&list);
	if (link->t0.strange > STRANGE_MAX)
		return fail(err, E_LIMIT, "more than %d bytes of statements came from a stranger", STRANGE_MAX);
	return OK;
}

static enum code receive_statements(struct mesh *mesh, struct link *link, struct reader list, struct err *err)
{
	struct bytes wholes[FRAME_STATEMENTS_MAX];
	size_t count = 0, taken;
	struct err why = { 0 };
	enum code code = limit_stranger(mesh, link, list, err);

	if (code)
		return code;
	while (count < FRAME_STATEMENTS_MAX && frame_next_statement(&list, &wholes[count]))
		count++;
	code = t0_take(mesh, wholes, count, &taken, &why);
	if (code_is_disk(code) || is_bad(code)) {
		*err = why;
		return code;
	}
	/* A stranger's are judged again when somebody who is known brings what they hang on. */
	if (code)
		mesh->counts.t0_refused++;
	return OK;
}

void t0_begin(struct mesh *mesh, struct link *link)
{
	link_owe(mesh, link, OWED_T0_SUM);
	compare_sums(mesh, link);
}

static enum code receive_list(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	struct t0_link *t0 = &link->t0;
	size_t more = frame->t0_list.hashes.size / sizeof *t0->theirs;

	if (!t0_trusts(mesh, link))
		return OK;
	if (frame->t0_list.is_first)
		t0->count = 0;
	if (t0->count + more > STATEMENTS_MAX)
		return fail(err, E_LIMIT, "more than %d statements were listed", STATEMENTS_MAX);
	t0->theirs = must_realloc(t0->theirs, (t0->count + more + 1) * sizeof *t0->theirs);
	if (more)
		memcpy(t0->theirs + t0->count, frame->t0_list.hashes.data, frame->t0_list.hashes.size);
	t0->count += more;
	if (frame->t0_list.is_last) {
		t0->is_listed = true;
		link_owe(mesh, link, OWED_T0_LACKS);
	}
	return OK;
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct id));
}

/* Stamps of a clock that is wrong win over right ones, so somebody should know. */
static void compare_clocks(struct mesh *mesh, struct link *link, struct wall_time theirs)
{
	uint64_t off = theirs.ms > mesh->wall.ms ? theirs.ms - mesh->wall.ms : mesh->wall.ms - theirs.ms;

	if (!link->peer)
		return;
	link->peer->has_clock = true;
	link->peer->clock_off_ms = theirs.ms > mesh->wall.ms ? (int64_t)off : -(int64_t)off;
	if (off <= HLC_MAX_AHEAD_MS || link->t0.is_clock_told)
		return;
	link->t0.is_clock_told = true;
	mesh->counts.clock_off++;
	mesh_alarm(mesh,
		   "the clock of member %016" PRIx64 " and this one's differ by %" PRIu64 " s: set the wrong one right",
		   link->peer->node, off / 1000);
}

enum code t0_receive(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	if (frame->kind == FRAME_T0_STATEMENTS)
		return receive_statements(mesh, link, frame->t0_statements, err);
	if (frame->kind == FRAME_T0_LIST)
		return receive_list(mesh, link, frame, err);
	if (frame->kind == FRAME_T0_APPLY)
		return t0_apply(mesh, link, frame, err);
	if (frame->kind == FRAME_T0_SUM) {
		link->t0.said = frame->t0_sum.sum;
		link->t0.has_said = true;
		compare_sums(mesh, link);
		compare_clocks(mesh, link, frame->t0_sum.wall);
	} else if (mesh->is_joining && t0_trusts(mesh, link)) {
		snprintf(mesh->join_refusal, sizeof mesh->join_refusal, "%.*s", (int)frame->t0_refuse.size,
			 (const char *)frame->t0_refuse.data);
		mesh_alarm(mesh, "joining was refused: %s", mesh->join_refusal);
	}
	return OK;
}

static void send_statements(struct mesh *mesh, struct link *link, const struct statement *const *some, size_t count)
{
	for (size_t i = 0; i < count;) {
		struct frame_list list;

		buf_clear(&mesh->frame);
		list = frame_begin_statements(&mesh->frame);
		while (i < count && frame_put_statement(&list, some[i]->whole))
			i++;
		link_send(mesh, link);
	}
}

/* Statements about who may sign, which everything else hangs on. */
static bool is_about_operators(uint32_t kind)
{
	return kind == KIND_cluster || kind == KIND_operator || kind == KIND_operator_removal ||
	       kind == KIND_root_change;
}

/* Whether it made this member, or one of the sponsors before it, a member. */
static bool is_credential(const struct mesh *mesh, const struct statement *statement)
{
	const struct member *m = members_find(mesh->t0.members, mesh->node);

	for (size_t depth = 0; m && depth < mesh->t0.count; depth++) {
		if (id_equal(statement->hash, m->admission) ||
		    (statement->kind == KIND_invite && id_equal(statement->id, m->invite)))
			return true;
		if (m->sponsor == m->node)
			break;
		m = members_find(mesh->t0.members, m->sponsor);
	}
	return false;
}

static void show_membership(struct mesh *mesh, struct link *link)
{
	const struct statement **some = must_alloc((mesh->t0.count + 1) * sizeof *some);
	size_t count = 0;

	for (size_t i = 0; i < mesh->t0.count; i++)
		if (is_about_operators(mesh->t0.all[i].kind) || is_credential(mesh, &mesh->t0.all[i]))
			some[count++] = &mesh->t0.all[i];
	send_statements(mesh, link, some, count);
	free(some);
	mesh->counts.shown++;
}

void t0_show_eviction(struct mesh *mesh, struct link *link)
{
	const struct statement **some = must_alloc((mesh->t0.count + 1) * sizeof *some);
	size_t count = 0;

	for (size_t i = 0; i < mesh->t0.count; i++)
		if (is_about_operators(mesh->t0.all[i].kind) || mesh->t0.all[i].kind == KIND_eviction ||
		    mesh->t0.all[i].kind == KIND_admission)
			some[count++] = &mesh->t0.all[i];
	send_statements(mesh, link, some, count);
	free(some);
}

static void apply_for_admission(struct mesh *mesh, struct link *link)
{
	uint8_t room[ADMISSION_TEXT_SIZE];
	struct bytes text = admission_text(mesh->cluster, mesh->joining.invite, mesh->signer->key, mesh->box_key, room);

	buf_clear(&mesh->frame);
	frame_put_t0_apply(&mesh->frame, mesh->joining.invite, mesh->signer->key, mesh->box_key,
			   sign_make(&mesh->joining.one_time, SIGN_ADMISSION, text), LEVEL_KNOWN);
	link_send(mesh, link);
	mesh->counts.applied++;
}

static void show(struct mesh *mesh, struct link *link)
{
	if (mesh->is_member)
		show_membership(mesh, link);
	else if (t0_trusts(mesh, link))
		apply_for_admission(mesh, link);
}

static void send_list(struct mesh *mesh, struct link *link)
{
	struct id hashes[256];
	size_t count = 0;

	for (size_t i = 0; i <= mesh->t0.count; i++) {
		bool is_end = i == mesh->t0.count;

		if (is_end || count == COUNT(hashes)) {
			buf_clear(&mesh->frame);
			frame_put_t0_list(&mesh->frame, i <= COUNT(hashes), is_end,
					  bytes_of(hashes, count * sizeof *hashes));
			link_send(mesh, link);
			count = 0;
		}
		if (!is_end)
			hashes[count++] = mesh->t0.all[i].hash;
	}
	mesh->counts.t0_list++;
}

static void send_lacks(struct mesh *mesh, struct link *link)
{
	struct t0_link *t0 = &link->t0;
	const struct statement **some = must_alloc((mesh->t0.count + 1) * sizeof *some);
	size_t count = 0;

	if (t0->count)
		qsort(t0->theirs, t0->count, sizeof *t0->theirs, compare_ids);
	for (size_t i = 0; i < mesh->t0.count; i++)
		if (!t0->count ||
		    !bsearch(&mesh->t0.all[i].hash, t0->theirs, t0->count, sizeof *t0->theirs, compare_ids))
			some[count++] = &mesh->t0.all[i];
	send_statements(mesh, link, some, count);
	free(some);
	t0->is_listed = false;
	t0->count = 0;
	t0->is_told = true;
	t0->at = mesh->t0.count;
	link_judge(mesh, link);
}

static void send_news(struct mesh *mesh, struct link *link)
{
	const struct statement **some;
	size_t count = mesh->t0.count - link->t0.at;

	if (!count)
		return;
	some = must_alloc(count * sizeof *some);
	for (size_t i = 0; i < count; i++)
		some[i] = &mesh->t0.all[link->t0.at + i];
	send_statements(mesh, link, some, count);
	free(some);
	link->t0.at = mesh->t0.count;
}

void t0_flush(struct mesh *mesh, struct link *link)
{
	if (link->owed & OWED_REFUSAL) {
		buf_clear(&mesh->frame);
		frame_put_t0_refuse(&mesh->frame, bytes_text(link->t0.refusal));
		link_send(mesh, link);
	}
	if (link->owed & OWED_SHOW)
		show(mesh, link);
	if (link->owed & OWED_T0_SUM) {
		buf_clear(&mesh->frame);
		frame_put_t0_sum(&mesh->frame, mesh->t0.sum, (uint32_t)mesh->t0.count, mesh->wall);
		link_send(mesh, link);
		link->t0.own_said = mesh->t0.sum;
		mesh->counts.t0_sum++;
	}
	if (link->owed & OWED_T0_LIST)
		send_list(mesh, link);
	if (link->owed & OWED_T0_LACKS && link->t0.is_listed)
		send_lacks(mesh, link);
	if (link->t0.is_told)
		send_news(mesh, link);
	link->owed &= ~(uint32_t)(OWED_REFUSAL | OWED_SHOW | OWED_T0_SUM | OWED_T0_LIST | OWED_T0_LACKS);
}
