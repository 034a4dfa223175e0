/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/buf.h"
#include "crdt/model/record.h"
#include "tests/sim/evil_inside.h"

enum { QUESTIONS = 80 };

static struct sum some_sum(struct evil *e)
{
	struct sum sum;

	rng_fill(&e->rng, (uint8_t *)&sum, sizeof sum);
	return sum;
}

/* --- What it says that it has. */

/* All that the peer has, or beyond all of it, where no batch ever ended. */
static void claim(struct evil *e, struct evil_link *link, enum frame_kind kind, uint64_t beyond)
{
	const struct vector *vector = &evil_mesh(e, link)->vector;
	struct frame_list list = frame_begin_frontiers(&e->frame, kind, kind == FRAME_INDEX, false);

	for (size_t i = 0; i < vector->count; i++) {
		struct frontier f = vector->all[i];

		/* One for each stream. */
		if (i && !stream_compare(&f.stream, &vector->all[i - 1].stream))
			continue;
		f.end.seq += beyond;
		if (beyond)
			rng_fill(&e->rng, f.end.hash.bytes, sizeof f.end.hash.bytes);
		if (!frame_put_frontier(&list, &link->named, &f))
			break;
	}
	evil_say(e, link);
}

/* Of what it never saw, and neither did the peer: what another member has by now. */
static void claim_unseen(struct evil *e, struct evil_link *link)
{
	const struct mesh *other = evil_mesh(e, evil_other(e, link));
	struct frame_list list = frame_begin_frontiers(&e->frame, FRAME_ACK, false, false);

	for (size_t i = 0; other && i < other->vector.count; i++)
		if (!frame_put_frontier(&list, &link->named, &other->vector.all[i]))
			break;
	evil_say(e, link);
}

static void gone(struct evil *e, struct evil_link *link)
{
	const struct vector *vector = &evil_mesh(e, link)->vector;
	struct frame_list list = frame_begin_gone(&e->frame);

	for (size_t i = 0; i < vector->count; i++)
		if ((!i || stream_compare(&vector->all[i].stream, &vector->all[i - 1].stream)) &&
		    !frame_put_gone(&list, vector->all[i].stream))
			break;
	evil_say(e, link);
}

/* That everybody had what nobody has: of itself, or of anybody. */
static void say_old(struct evil *e, struct evil_link *link)
{
	const struct vector *vector = &evil_mesh(e, link)->vector;
	struct frame_list list = frame_begin_old(&e->frame);

	for (size_t i = 0; i < vector->count; i++) {
		struct frontier beyond = vector->all[i];

		beyond.end.seq += 1 + evil_below(e, 100);
		rng_fill(&e->rng, beyond.end.hash.bytes, sizeof beyond.end.hash.bytes);
		if (evil_below(e, 3) && !frame_put_old(&list, &beyond))
			break;
	}
	evil_say(e, link);
}

/* All of it, from the first batch on. */
static void want_all(struct evil *e, struct evil_link *link)
{
	const struct vector *vector = &evil_mesh(e, link)->vector;
	struct frame_list list = frame_begin_wants(&e->frame);

	for (size_t i = 0; i < vector->count; i++) {
		struct want want = { vector->all[i].stream, 0, vector->all[i].end.seq };

		if (i && !stream_compare(&want.stream, &vector->all[i - 1].stream))
			continue;
		if (!frame_put_want(&list, &want))
			break;
	}
	evil_say(e, link);
}

/* --- Beats, tables, questions. */

static void lie_table(struct evil *e, struct evil_link *link)
{
	uint8_t *table = arena_take(&e->arena, FRAME_TABLE_SIZE);
	struct sources sources = { 0 };

	rng_fill(&e->rng, table, FRAME_TABLE_SIZE);
	if (evil_below(e, 2))
		sources_add(&sources, evil_mesh(e, link)->node);
	frame_put_bucket_table(&e->frame, evil_mesh(e, link)->vector.sum, &sources, bytes_of(table, FRAME_TABLE_SIZE));
	evil_say(e, link);
}

/* Hashes of records that are not there, one of which may be. */
static void lie_bucket(struct evil *e, struct evil_link *link)
{
	struct frame_list list = frame_begin_bucket(&e->frame, evil_mesh(e, link)->vector.sum,
						    (uint8_t)evil_below(e, 256), evil_below(e, 2));

	for (uint32_t i = 0; i < 5; i++) {
		struct record_hash hash = { .kind = KIND_setting, .hash = some_sum(e) };

		hash.id.bytes[0] = (uint8_t)(i + 1);
		frame_put_record(&list, &hash);
	}
	evil_say(e, link);
	frame_put_bucket_ask(&e->frame, evil_below(e, 2), (uint8_t)evil_below(e, 256));
	evil_say(e, link);
}

static void ask_much(struct evil *e, struct evil_link *link)
{
	uint8_t body[32];

	for (uint32_t i = 0; i < QUESTIONS && link->is_up; i++) {
		rng_fill(&e->rng, body, sizeof body);
		frame_put_ask(&e->frame, (uint32_t)evil_below(e, 1000),
			      (enum ask_what)(1 + evil_below(e, ASK_KINDS - 1)), 1 + (uint32_t)evil_below(e, 5000),
			      bytes_of(body, sizeof body));
		evil_say(e, link);
	}
}

static void answer_wrongly(struct evil *e, struct evil_link *link)
{
	uint8_t body[64];

	rng_fill(&e->rng, body, sizeof body);
	frame_put_answer(&e->frame, evil_below(e, 2) ? e->asked : (uint32_t)evil_below(e, 100), OK,
			 bytes_of(body, evil_below(e, sizeof body)));
	evil_say(e, link);
}

static void hint(struct evil *e, struct evil_link *link)
{
	size_t count;
	const struct member *all = members_all(evil_mesh(e, link)->t0.members, &count);

	for (size_t i = 0; i < count; i++) {
		frame_put_hint(&e->frame, evil_below(e, 4) ? HINT_SILENT : HINT_BACK, all[i].node,
			       (uint32_t)evil_below(e, 3));
		evil_say(e, link);
	}
}

static void garbage(struct evil *e, struct evil_link *link)
{
	uint8_t *bytes = arena_take(&e->arena, 500);

	rng_fill(&e->rng, bytes, 500);
	bytes[0] = (uint8_t)evil_below(e, FRAME_KINDS + 2);
	buf_put(&e->frame, bytes, 1 + evil_below(e, 499));
	evil_say(e, link);
}

/* The sealed bytes of before, once more. */
static void replay(struct evil *e, struct evil_link *link)
{
	if (link->said_size)
		net_send(e->world->net, link->link, link->side, bytes_of(link->said, link->said_size));
}

/* --- Statements. */

static struct bytes sign(struct evil *e, const struct kind *kind, const void *row)
{
	struct buf out = buf_growing(STATEMENT_MAX);
	struct bytes whole;

	statement_write(&e->machine->signer, e->world->cluster, kind, row, NULL, 0, &out);
	whole = arena_copy(&e->arena, buf_bytes(&out));
	buf_done(&out);
	return whole;
}

static void tell_statements(struct evil *e, struct evil_link *link, const struct bytes *all, size_t count)
{
	struct frame_list list = frame_begin_statements(&e->frame);

	for (size_t i = 0; i < count; i++)
		frame_put_statement(&list, all[i]);
	evil_say(e, link);
}

/* It evicts a member, as if it were an operator. */
static void forge_statement(struct evil *e, struct evil_link *link)
{
	struct eviction_row row = { .key = e->world->machines[link->machine].signer.key,
				    .heir = e->machine->signer.key };
	struct bytes whole;

	row.has = BIT(AT_eviction_key) | BIT(AT_eviction_heir);
	whole = sign(e, KIND_TABLE(eviction), &row);
	tell_statements(e, link, &whole, 1);
}

static struct bytes admission(struct evil *e, const struct signer *one_time, struct id invite)
{
	struct admission_row row = { .invite = invite };
	uint8_t seed[32], room[ADMISSION_TEXT_SIZE];
	struct signature proof;

	rng_fill(&e->rng, seed, sizeof seed);
	row.key = signer_from_seed(seed).key;
	rng_fill(&e->rng, row.box_key.bytes, sizeof row.box_key.bytes);
	proof = sign_make(one_time, SIGN_ADMISSION,
			  admission_text(e->world->cluster, invite, row.key, row.box_key, room));
	row.proof = bytes_of(proof.bytes, sizeof proof.bytes);
	row.has =
		BIT(AT_admission_invite) | BIT(AT_admission_key) | BIT(AT_admission_box_key) | BIT(AT_admission_proof);
	return sign(e, KIND_TABLE(admission), &row);
}

/* An operator asked it to let somebody in: it lets in two, who never come, and tells each half of it to another. */
static void admit_twice(struct evil *e, struct evil_link *link)
{
	struct machine *m = e->machine;
	struct bytes all[2];

	world_invite_by(e->world, link->machine, m->signer.key, &m->joining);
	for (size_t i = 0; i < 2; i++)
		all[i] = admission(e, &m->joining.one_time, m->joining.invite);
	tell_statements(e, link, all, 1);
	tell_statements(e, evil_other(e, link), &all[1], 1);
}

/* --- Which of them. */

static void lie(struct evil *e, enum evil_kind kind, struct evil_link *link)
{
	switch (kind) {
	case EVIL_lie_beat: frame_put_beat(&e->frame, some_sum(e)); break;
	case EVIL_lie_table: lie_table(e, link); return;
	case EVIL_lie_bucket: lie_bucket(e, link); return;
	case EVIL_withhold_t0:
		frame_put_t0_sum(&e->frame, some_sum(e), (uint32_t)evil_below(e, 1000), evil_mesh(e, link)->wall);
		break;
	default: return;
	}
	evil_say(e, link);
}

void evil_act_frame(struct evil *e, enum evil_kind kind, struct evil_link *link)
{
	switch (kind) {
	case EVIL_claim: claim_unseen(e, link); return;
	case EVIL_claim_beyond: claim(e, link, FRAME_ACK, 1 + evil_below(e, 1000)); return;
	case EVIL_frontiers: claim(e, link, FRAME_INDEX, 1 + evil_below(e, UINT64_C(1) << 40)); return;
	case EVIL_withhold_acks: link->is_silent = true; return;
	case EVIL_gone: gone(e, link); return;
	case EVIL_say_old: say_old(e, link); return;
	case EVIL_want_all: want_all(e, link); return;
	case EVIL_ask_much: ask_much(e, link); return;
	case EVIL_answer_wrongly: answer_wrongly(e, link); return;
	case EVIL_hint_silent: hint(e, link); return;
	case EVIL_garbage: garbage(e, link); return;
	case EVIL_replay_frame: replay(e, link); return;
	case EVIL_half_open: evil_half_open(e); return;
	case EVIL_forge_statement: forge_statement(e, link); return;
	case EVIL_admit_twice: admit_twice(e, link); return;
	default: lie(e, kind, link); return;
	}
}
