/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/gossip/link.h"
#include "crdt/gossip/mesh.h"

#include <stdio.h>

/* How a sponsor lets in whoever holds the token that it made. */

/* Why an applicant is refused; NULL: it is not. */
static const char *refuse_applicant(const struct mesh *mesh, const struct link *link, const struct frame *frame,
				    const struct invite_view *invite)
{
	uint8_t room[ADMISSION_TEXT_SIZE];
	struct bytes text;

	if (!mesh->is_member)
		return "this server is not a member itself";
	if (!exchange_may_give(mesh))
		return "this server has just started, and lets nobody in before it has heard the others: try again";
	if (!invite)
		return "this invite is not known here: was it made in this cluster, and has it reached this server?";
	if (memcmp(invite->sponsor.bytes, mesh->signer->key.bytes, 32))
		return "this invite names another server as sponsor: join there";
	if (memcmp(frame->t0_apply.key.bytes, session_peer(link->session)->key.bytes, 32))
		return "the application is for another server's key";
	text = admission_text(mesh->cluster, frame->t0_apply.invite, frame->t0_apply.key, frame->t0_apply.box_key,
			      room);
	if (!sign_check(invite->key, SIGN_ADMISSION, text, frame->t0_apply.proof))
		return "the token's secret is wrong: paste it whole";
	if (frame->t0_apply.level < members_level(mesh->t0.members))
		return "the new server's version is older than what this cluster uses: install a newer one there";
	if (invite->is_used)
		return "this token was used by another server: make a new one";
	if (invite->is_void)
		return "this token was taken back: make a new one";
	if (invite->expires.ms <= mesh->wall.ms)
		return "this token has expired: make a new one";
	if (members_find(mesh->t0.members, session_peer(link->session)->node))
		return "a server with this id is or was a member: make a new key on the new server";
	return NULL;
}

static enum code admit(struct mesh *mesh, const struct frame *frame, struct err *err)
{
	struct admission_row row = { .invite = frame->t0_apply.invite,
				     .key = frame->t0_apply.key,
				     .box_key = frame->t0_apply.box_key,
				     .proof = bytes_of(frame->t0_apply.proof.bytes, 64) };
	struct buf buf = buf_growing(STATEMENT_MAX);
	struct bytes whole;
	size_t taken;
	enum code code;

	row.has =
		BIT(AT_admission_invite) | BIT(AT_admission_key) | BIT(AT_admission_box_key) | BIT(AT_admission_proof);
	statement_write(mesh->signer, mesh->cluster, KIND_TABLE(admission), &row, NULL, 0, &buf);
	whole = buf_bytes(&buf);
	code = t0_take(mesh, &whole, 1, &taken, err);
	buf_done(&buf);
	mesh->counts.admitted += taken;
	return code;
}

enum code t0_apply(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err)
{
	const struct invite_view *invite = members_invite(mesh->t0.members, frame->t0_apply.invite);
	const char *refusal;
	struct err why = { 0 };
	enum code code;

	/* Asked again by whom it admitted: it is told the set, as any member. */
	if (link->peer)
		return OK;
	refusal = refuse_applicant(mesh, link, frame, invite);
	if (!refusal) {
		code = admit(mesh, frame, &why);
		if (code_is_disk(code)) {
			*err = why;
			return code;
		}
		refusal = code ? why.text : NULL;
	}
	if (!refusal)
		return OK;
	mesh->counts.refused_applicant++;
	if (!link->t0.refusal)
		link->t0.refusal = must_alloc(FRAME_REASON_MAX + 1);
	snprintf(link->t0.refusal, FRAME_REASON_MAX + 1, "%s", refusal);
	link_owe(mesh, link, OWED_REFUSAL);
	return OK;
}
