/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/gossip/puppet.h"

#include "crdt/model/pack.h"
#include "crdt/model/record.h"
#include "crdt/state/closing.h"

#include <stdio.h>
#include <stdlib.h>

static struct puppet *new_puppet(struct real *real, const struct signer *signer, uint64_t process)
{
	struct scene *scene = real->scene;
	struct puppet *puppet = must_alloc(sizeof *puppet);
	struct wire *wire = &scene->wires[scene->wires_count++];

	assert_true(scene->wires_count < SCENE_WIRES);
	scene->puppets[scene->puppets_count++] = puppet;
	puppet->scene = scene;
	puppet->to = real;
	puppet->number = ++scene->links;
	puppet->self = (struct session_self){ signer, scene->cluster, process };
	puppet->out = buf_growing(SIZE_MAX / 2);
	puppet->frame = buf_growing(2 * FRAME_MAX);
	*wire = (struct wire){ .ends = { real }, .numbers = { puppet->number }, .puppet = puppet };
	return puppet;
}

void puppet_free(struct puppet *puppet)
{
	puppet_forget(puppet);
	free(puppet->heard);
	session_free(puppet->session);
	stream_table_done(&puppet->told);
	stream_table_done(&puppet->named);
	buf_done(&puppet->out);
	buf_done(&puppet->frame);
	free(puppet);
}

void puppet_push(struct puppet *puppet, struct bytes bytes)
{
	struct node_event event = { .kind = EVENT_BYTES };

	if (puppet->is_closed)
		return;
	event.link.number = puppet->number;
	event.link.bytes = bytes;
	real_event(puppet->to, &event);
}

static void push_out(struct puppet *puppet)
{
	struct buf out = puppet->out;

	puppet->out = buf_growing(SIZE_MAX / 2);
	puppet_push(puppet, buf_bytes(&out));
	buf_done(&out);
}

void puppet_say(struct puppet *puppet)
{
	session_send(puppet->session, buf_bytes(&puppet->frame), &puppet->out);
	buf_clear(&puppet->frame);
	push_out(puppet);
}

static void keep(struct puppet *puppet, struct bytes frame)
{
	uint8_t *copy = must_alloc(frame.size);
	struct heard *heard;
	struct err err = { 0 };

	memcpy(copy, frame.data, frame.size);
	if (puppet->count == puppet->room) {
		puppet->room = 2 * puppet->room + 16;
		puppet->heard = must_realloc(puppet->heard, puppet->room * sizeof *puppet->heard);
	}
	heard = &puppet->heard[puppet->count++];
	heard->bytes = bytes_of(copy, frame.size);
	if (frame_read(heard->bytes, LINK_MEMBER, &puppet->told, &heard->frame, &err))
		fail_msg("%s", err.text);
}

void puppet_hear(struct puppet *puppet, struct bytes bytes)
{
	struct bytes frame;
	struct err err = { 0 };

	for (;;) {
		switch (session_next(puppet->session, &bytes, &puppet->out, &frame, &err)) {
		case SESSION_WAIT: return;
		case SESSION_UP: puppet->is_up = true; break;
		case SESSION_FRAME: keep(puppet, frame); break;
		case SESSION_BROKEN: fail_msg("%s", err.text); return;
		}
	}
}

struct puppet *puppet_knock(struct real *real)
{
	struct puppet *puppet = new_puppet(real, &real->scene->keys[SCENE_KEYS - 1], 1);
	struct node_event event = { .kind = EVENT_ACCEPTED };

	event.link.number = puppet->number;
	real_event(real, &event);
	return puppet;
}

struct puppet *puppet_dial(struct real *real, const struct signer *signer, uint64_t process)
{
	struct puppet *puppet = new_puppet(real, signer, process);
	struct node_event event = { .kind = EVENT_ACCEPTED };
	uint8_t random[32];

	rng_fill(&real->scene->rng, random, sizeof random);
	event.link.number = puppet->number;
	real_event(real, &event);
	puppet->session = session_dial(&puppet->self, real->scene->keys[real->key].key, random,
				       (struct mono_time){ real->scene->now }, &puppet->out);
	push_out(puppet);
	assert_true(puppet->is_up);
	push_out(puppet);
	return puppet;
}

struct puppet *puppet_answer(struct real *real, const struct signer *signer, uint64_t process)
{
	struct puppet *puppet = new_puppet(real, signer, process);
	struct node_event event = { .kind = EVENT_OPENED };
	uint8_t random[32];

	rng_fill(&real->scene->rng, random, sizeof random);
	event.link.number = puppet->number;
	event.link.node = node_of_key(signer->key);
	puppet->session = session_accept(&puppet->self, random, (struct mono_time){ real->scene->now });
	real_event(real, &event);
	push_out(puppet);
	assert_true(puppet->is_up);
	return puppet;
}

void puppet_hang_up(struct puppet *puppet)
{
	struct node_event event = { .kind = EVENT_GONE };

	event.link.number = puppet->number;
	puppet->is_closed = true;
	real_event(puppet->to, &event);
}

void puppet_agree(struct puppet *puppet)
{
	const struct mesh *mesh = real_mesh(puppet->to);

	frame_put_t0_sum(&puppet->frame, mesh->t0.sum, (uint32_t)mesh->t0.count, puppet->scene->wall);
	puppet_say(puppet);
}

static void put_frontiers(struct puppet *puppet, enum frame_kind kind, const struct vector *vector, bool is_answer)
{
	struct frame_list list = frame_begin_frontiers(&puppet->frame, kind, is_answer, true);

	for (size_t i = 0; vector && i < vector->count; i++)
		assert_true(frame_put_frontier(&list, &puppet->named, &vector->all[i]));
	puppet_say(puppet);
}

void puppet_index(struct puppet *puppet, const struct vector *vector, bool is_answer)
{
	put_frontiers(puppet, FRAME_INDEX, vector, is_answer);
}

void puppet_fronts(struct puppet *puppet, const struct bytes *all, size_t count)
{
	struct frame_list list = frame_begin_fronts(&puppet->frame);

	for (size_t i = 0; i < count; i++)
		assert_true(frame_put_front(&list, all[i]));
	puppet_say(puppet);
}

void puppet_open(struct puppet *puppet, const struct vector *vector)
{
	puppet_agree(puppet);
	puppet_fronts(puppet, NULL, 0);
	puppet_index(puppet, vector, true);
}

struct puppet *puppet_member(struct real *real, uint32_t key)
{
	struct puppet *puppet = puppet_dial(real, &real->scene->keys[key], 1000 + key);

	puppet_open(puppet, NULL);
	assert_false(puppet->is_closed);
	return puppet;
}

void puppet_batch(struct puppet *puppet, struct bytes whole)
{
	frame_put_batch(&puppet->frame, whole);
	puppet_say(puppet);
}

void puppet_ack(struct puppet *puppet, struct stream stream, struct end end)
{
	struct frame_list list = frame_begin_frontiers(&puppet->frame, FRAME_ACK, false, false);
	struct frontier frontier = { stream, end };

	assert_true(frame_put_frontier(&list, &puppet->named, &frontier));
	puppet_say(puppet);
}

void puppet_statements(struct puppet *puppet, const struct bytes *all, size_t count)
{
	struct frame_list list = frame_begin_statements(&puppet->frame);

	for (size_t i = 0; i < count; i++)
		assert_true(frame_put_statement(&list, all[i]));
	puppet_say(puppet);
}

void puppet_want(struct puppet *puppet, struct stream stream, uint64_t after, uint64_t until)
{
	struct frame_list list = frame_begin_wants(&puppet->frame);
	struct want want = { stream, after, until };

	assert_true(frame_put_want(&list, &want));
	puppet_say(puppet);
}

void puppet_hint(struct puppet *puppet, enum hint_what what, uint64_t node)
{
	frame_put_hint(&puppet->frame, what, node, 0);
	puppet_say(puppet);
}

void puppet_lives(struct puppet *puppet)
{
	const struct frame *probe = puppet_last(puppet, FRAME_HINT);

	frame_put_hint(&puppet->frame, HINT_BACK, probe->hint.node, probe->hint.number);
	puppet_say(puppet);
}

size_t puppet_count(const struct puppet *puppet, enum frame_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < puppet->count; i++)
		count += puppet->heard[i].frame.kind == kind;
	return count;
}

const struct frame *puppet_last(const struct puppet *puppet, enum frame_kind kind)
{
	for (size_t i = puppet->count; i-- > 0;)
		if (puppet->heard[i].frame.kind == kind)
			return &puppet->heard[i].frame;
	fail_msg("no frame `%s` was heard", frame_name(kind));
	return NULL;
}

void puppet_forget(struct puppet *puppet)
{
	for (size_t i = 0; i < puppet->count; i++)
		free((void *)(uintptr_t)puppet->heard[i].bytes.data);
	puppet->count = 0;
}

bool puppet_was_told(const struct puppet *puppet, enum bye_reason bye)
{
	const struct frame *last = puppet->count ? &puppet->heard[puppet->count - 1].frame : NULL;

	return puppet->is_closed && last && last->kind == FRAME_BYE && last->bye == bye;
}

bool puppet_heard_end(const struct puppet *puppet, struct stream stream, uint64_t seq)
{
	uint64_t last = UINT64_MAX;

	for (size_t i = 0; i < puppet->count; i++) {
		const struct frame *frame = &puppet->heard[i].frame;
		struct frontier frontier = { 0 };
		struct reader list;

		if (frame->kind != FRAME_ACK && frame->kind != FRAME_INDEX)
			continue;
		list = frame->kind == FRAME_ACK ? frame->ack.list : frame->index.list;
		while (frame_next_frontier(&list, &puppet->told, &frontier))
			if (!stream_compare(&frontier.stream, &stream))
				last = frontier.end.seq;
	}
	return last == seq;
}

void puppet_refused(struct puppet *puppet, struct id disk, const char *why)
{
	char alarm[160];

	snprintf(alarm, sizeof alarm, "the link to member %016llx was closed: %s",
		 (unsigned long long)node_of_key(puppet->self.signer->key), why);
	assert_true(puppet_was_told(puppet, BYE_BROKE));
	if (!real_has_alarm(puppet->to, alarm))
		fail_msg("no alarm: %s\nbut: %s", alarm, puppet->to->alarms_count ? puppet->to->alarms[0] : "none");
	assert_true(id_equal(real_disk(puppet->to), disk));
	real_check(puppet->to);
}

void puppet_ignored(struct puppet *puppet, struct id disk)
{
	assert_false(puppet->is_closed);
	assert_true(id_equal(real_disk(puppet->to), disk));
	real_check(puppet->to);
}

/* --- Batches. */

struct chain chain_of(struct scene *scene, uint32_t key)
{
	return (struct chain){ .scene = scene,
			       .signer = scene->keys[key],
			       .stream = { scene_node(scene, key), 1, LANE_PEOPLE } };
}

static struct op make_op(struct scene *scene, size_t size)
{
	struct setting_row row = { .name = bytes_text("of-a-puppet") };
	struct record *record = arena_take(&scene->arena, sizeof *record);
	uint8_t *text = arena_take(&scene->arena, size + 1), nonce[8];
	struct buf map = buf_over(arena_take(&scene->arena, size + 200), size + 200);
	struct op op = { .kind = KIND_setting };

	memset(text, 'y', size);
	scene->nonces++;
	memcpy(nonce, &scene->nonces, sizeof nonce);
	row.nonce = bytes_of(nonce, sizeof nonce);
	row.value = bytes_of(text, size);
	row.has = BIT(AT_setting_nonce) | BIT(AT_setting_name) | BIT(AT_setting_value);
	pack_write(&KIND_TABLE(setting)->shape, &row, &map);
	op.map = buf_bytes(&map);
	assert_int_equal(record_from_op(op.map, (struct stamp){ hlc_make(1, 0), 1 }, record, NULL), OK);
	op.id = record_id(KIND_setting, record);
	return op;
}

static struct bytes write_batch(struct chain *chain, struct bytes entries, uint32_t count)
{
	struct scene *scene = chain->scene;
	struct buf out = buf_growing(BATCH_MAX);
	struct batch batch;
	struct bytes whole;

	batch_write(&chain->signer, scene->cluster, chain->stream, chain->end, entries, count, &out);
	whole = arena_copy(&scene->arena, buf_bytes(&out));
	buf_done(&out);
	assert_int_equal(batch_read(whole, &batch, NULL), OK);
	chain->end = batch.end;
	return whole;
}

struct bytes chain_next(struct chain *chain, uint32_t entries, size_t size)
{
	struct scene *scene = chain->scene;
	struct buf all = buf_growing(ENTRY_MAX);
	struct bytes whole;

	for (uint32_t i = 0; i < entries; i++) {
		struct op op = make_op(scene, size);

		entry_write(hlc_make(scene->wall.ms, 0), NULL, &op, 1, &all);
	}
	whole = write_batch(chain, buf_bytes(&all), entries);
	buf_done(&all);
	return whole;
}

/* A batch of one entry of one op. */
static struct bytes write_op(struct chain *chain, const struct op *op)
{
	struct buf entry = buf_growing(ENTRY_MAX);
	struct bytes whole;

	entry_write(hlc_make(chain->scene->wall.ms, 0), NULL, op, 1, &entry);
	whole = write_batch(chain, buf_bytes(&entry), 1);
	buf_done(&entry);
	return whole;
}

struct bytes chain_record(struct chain *chain, const struct kind *kind, void *row, struct id *ret_id)
{
	struct scene *scene = chain->scene;
	struct record *record = arena_take(&scene->arena, sizeof *record);
	struct buf map = buf_over(arena_take(&scene->arena, ENTRY_MAX), ENTRY_MAX);
	struct op op = { .kind = kind->number };
	uint8_t *nonce = arena_take(&scene->arena, 8);

	scene->nonces++;
	memcpy(nonce, &scene->nonces, 8);
	*(struct bytes *)field_slot(&kind->shape.fields[0], row) = bytes_of(nonce, 8);
	*row_has(&kind->shape, row) |= BIT(0);
	pack_write(&kind->shape, row, &map);
	op.map = buf_bytes(&map);
	assert_int_equal(record_from_op(op.map, (struct stamp){ hlc_make(1, 0), 1 }, record, NULL), OK);
	op.id = record_id(kind->number, record);
	if (ret_id)
		*ret_id = op.id;
	return write_op(chain, &op);
}

struct bytes chain_row(struct chain *chain, uint32_t subject, uint64_t start, const struct vector *ends)
{
	struct scene *scene = chain->scene;
	struct closed_start closed = { scene_node(scene, subject), start };
	struct change change = closing_change(chain->stream.node, closed, ends, 0, &scene->arena);
	struct closing_row row;

	assert_int_equal(pack_read(&KIND_TABLE(closing)->shape, change.map, false, &row, NULL), OK);
	return chain_record(chain, KIND_TABLE(closing), &row, NULL);
}
