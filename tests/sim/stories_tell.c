/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/stories_inside.h"

#include "crdt/base/text.h"
#include "crdt/gossip/link.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLUMNS = 108, INDENT = 15 };

/* --- Lines. */

static const char *name_of(const struct story *story, const char *hex, size_t digits)
{
	uint8_t id[16];

	hex_read(bytes_of(hex, digits), id, digits / 2);
	for (size_t i = 0; digits == 32 && i < story->names_count; i++)
		if (!memcmp(story->names[i].id.bytes, id, sizeof id))
			return story->names[i].text;
	for (uint32_t i = 0; digits == 16 && i < story->world->options.machines; i++) {
		static const char letters[][2] = { "A", "B", "C", "D", "E" };
		uint64_t big = htobe64(story->world->machines[i].id);

		if (!memcmp(&big, id, sizeof big))
			return letters[i];
	}
	return NULL;
}

/* Ids of records and nodes give way to what they are called. */
static void put_named(const struct story *story, const char *text, struct buf *out)
{
	while (*text) {
		size_t digits = strspn(text, "0123456789abcdef");
		const char *name = digits == 32 || digits == 16 ? name_of(story, text, digits) : NULL;

		if (name)
			buf_put_text(out, name);
		else
			buf_put(out, text, digits ? digits : 1);
		text += digits ? digits : 1;
	}
}

/* How much of the text goes on this line. */
static size_t line_size(struct bytes text)
{
	size_t size = COLUMNS - INDENT;

	if (text.size <= size)
		return text.size;
	while (size && text.data[size] != ' ')
		size--;
	return size ? size : text.size;
}

static void put_line(struct story *story, uint64_t ms, struct bytes text)
{
	size_t size = line_size(text);

	fprintf(story->out, "%7" PRIu64 ".%03" PRIu64 "  %.*s\n", ms / 1000, ms % 1000, (int)size,
		(const char *)text.data);
	while (size < text.size) {
		text = bytes_of(text.data + size + 1, text.size - size - 1);
		size = line_size(text);
		fprintf(story->out, "%*s%.*s\n", INDENT, "", (int)size, (const char *)text.data);
	}
}

void put_format(struct buf *buf, const char *format, ...)
{
	char text[STORY_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	buf_put_text(buf, text);
}

/* "A", "A and B", "A, B and C". */
static void put_letters(uint32_t machines, struct buf *out)
{
	bool is_first = true;

	for (uint32_t i = 0; i < STORY_MACHINES; i++) {
		if (!(machines & BIT(i)))
			continue;
		machines &= ~(uint32_t)BIT(i);
		if (!is_first)
			buf_put_text(out, machines ? ", " : " and ");
		buf_put_byte(out, (uint8_t)('A' + i));
		is_first = false;
	}
}

static uint64_t now_ms(const struct story *story)
{
	return world_now(story->world) / 1000000;
}

static void say(struct story *story, uint64_t ms, const char *text)
{
	struct buf buf = buf_growing(4 * STORY_TEXT_MAX);

	put_named(story, text, &buf);
	put_line(story, ms, buf_bytes(&buf));
	buf_done(&buf);
}

static void say_news(struct story *story, const struct story_news *news)
{
	bool is_one = !(news->machines & (news->machines - 1));
	struct buf buf = buf_growing(2 * STORY_TEXT_MAX);

	put_letters(news->machines, &buf);
	put_format(&buf, " %s%s%s", is_one ? news->one : news->several, *news->text ? " " : "", news->text);
	buf_put_byte(&buf, 0);
	say(story, story->news_ms, (const char *)buf.data);
	buf_done(&buf);
}

void story_flush(struct story *story)
{
	for (uint32_t machine = 0; machine < STORY_MACHINES; machine++)
		for (size_t i = 0; i < story->news_count; i++)
			if ((uint32_t)__builtin_ctz(story->news[i].machines) == machine)
				say_news(story, &story->news[i]);
	story->news_count = 0;
}

void story_hear(struct story *story, uint32_t machine, const char *one, const char *several, const char *text)
{
	struct story_news *news = story->news;

	if (story->news_ms != now_ms(story) || story->news_count == STORY_NEWS_MAX)
		story_flush(story);
	story->news_ms = now_ms(story);
	while (news < story->news + story->news_count && (strcmp(news->one, one) || strcmp(news->text, text)))
		news++;
	if (news == story->news + story->news_count) {
		*news = (struct story_news){ .one = one, .several = several };
		snprintf(news->text, sizeof news->text, "%s", text);
		story->news_count++;
	}
	news->machines |= (uint32_t)BIT(machine);
}

void story_say_first(struct story *story, const char *text)
{
	say(story, now_ms(story), text);
}

void story_say(struct story *story, const char *format, ...)
{
	char text[STORY_TEXT_MAX];
	va_list args;

	story_flush(story);
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	say(story, now_ms(story), text);
}

void story_note(struct story *story, const char *text)
{
	struct bytes left = bytes_text(text);

	story_flush(story);
	while (left.size) {
		size_t size = line_size(left);

		fprintf(story->out, "%*s| %.*s\n", INDENT - 2, "", (int)size, (const char *)left.data);
		left = size < left.size ? bytes_of(left.data + size + 1, left.size - size - 1) : bytes_of(NULL, 0);
	}
}

void story_name(struct story *story, struct id id, const char *text)
{
	size_t at = 0;

	while (at < story->names_count && !id_equal(story->names[at].id, id))
		at++;
	MUST(story, at < STORY_NAMES_MAX);
	story->names_count += at == story->names_count;
	story->names[at].id = id;
	snprintf(story->names[at].text, sizeof story->names[at].text, "%s", text);
}

void story_must(struct story *story, bool is_true, const char *text)
{
	if (is_true)
		return;
	story_flush(story);
	fflush(story->out);
	fprintf(stderr, "%.*sthis must be true, and is not: %s\n", (int)story->told_size, story->told, text);
	exit(1);
}

/* --- What machines show. */

static void see(struct story *story, uint32_t machine, story_view *view, struct id id, char room[STORY_TEXT_MAX])
{
	struct buf buf = buf_over(room, STORY_TEXT_MAX - 1);
	struct store_txn *txn;
	struct err err = { 0 };

	story_must(story, !store_snapshot(story->world->machines[machine].store, &txn, &err), "it can be read");
	view(story, txn, id, &buf);
	store_end(txn);
	MUST(story, !buf.is_full);
	room[buf.size] = 0;
}

static void show(struct story *story, story_view *view, struct id id, const char *one, const char *several)
{
	char(*rooms)[STORY_TEXT_MAX] = must_alloc(sizeof(char[STORY_MACHINES][STORY_TEXT_MAX]));
	uint32_t left = 0;

	for (uint32_t i = 0; i < story->world->options.machines; i++)
		if (world_is_up(story->world, i)) {
			see(story, i, view, id, rooms[i]);
			left |= (uint32_t)BIT(i);
		}
	while (left) {
		uint32_t first = (uint32_t)__builtin_ctz(left), same = 0;
		char letters[32];
		struct buf buf = buf_over(letters, sizeof letters - 1);

		for (uint32_t i = first; i < STORY_MACHINES; i++)
			if (left & BIT(i) && !strcmp(rooms[i], rooms[first]))
				same |= (uint32_t)BIT(i);
		left &= ~same;
		put_letters(same, &buf);
		letters[buf.size] = 0;
		story_say(story, "%s %s: %s", letters, same == BIT(first) ? one : several, rooms[first]);
	}
	free(rooms);
}

void story_show(struct story *story, story_view *view, struct id id)
{
	show(story, view, id, "shows", "show");
}

static void put_conflict(void *context, const struct conflict *conflict)
{
	struct buf *out = context;
	char text[512];

	conflict_describe(conflict, text, sizeof text);
	put_format(out, "%s%s", out->size ? "; " : "", text);
}

void view_conflicts(struct story *story, struct store_txn *txn, struct id none, struct buf *out)
{
	struct err err = { 0 };

	(void)none;
	story_must(story, !conflict_find(txn, put_conflict, out, &err), "conflicts are found");
	if (!out->size)
		buf_put_text(out, "there is nothing to decide");
}

void story_tell_operator(struct story *story)
{
	show(story, view_conflicts, (struct id){ { 0 } }, "tells the operator", "tell the operator");
}

void story_must_show(struct story *story, uint32_t machine, story_view *view, struct id id, const char *text)
{
	char room[STORY_TEXT_MAX], why[2 * STORY_TEXT_MAX];

	see(story, machine, view, id, room);
	snprintf(why, sizeof why, "%c shows: %s\n(it shows: %s)", 'A' + (int)machine, text, room);
	story_must(story, !strcmp(room, text), why);
}

void story_must_all_show(struct story *story, story_view *view, struct id id, const char *text)
{
	for (uint32_t i = 0; i < story->world->options.machines; i++)
		if (world_is_up(story->world, i))
			story_must_show(story, i, view, id, text);
}

void story_watch(struct story *story, story_view *view, struct id id)
{
	story->watched = view;
	story->watched_id = id;
	for (uint32_t i = 0; view && i < story->world->options.machines; i++)
		if (world_is_up(story->world, i))
			see(story, i, view, id, story->shown[i]);
}

/* --- What happens by itself. */

static void look(struct story *story, const struct machine *machine)
{
	char now[STORY_TEXT_MAX];

	see(story, machine->at, story->watched, story->watched_id, now);
	if (!strcmp(now, story->shown[machine->at]))
		return;
	memcpy(story->shown[machine->at], now, sizeof now);
	if (machine->at != story->asking)
		story_hear(story, machine->at, "now shows:", "now show:", now);
}

static void notice_silence(struct story *story, uint32_t at, const struct mesh *mesh, uint32_t *ret_silent)
{
	uint32_t before = *ret_silent;
	char text[32];

	for (size_t i = 0; i < mesh->peers_count; i++) {
		uint32_t who = 0;

		while (who < STORY_MACHINES && story->world->machines[who].id != mesh->peers[i]->node)
			who++;
		if (who == STORY_MACHINES || mesh->peers[i]->pulse.is_silent == !!(before & BIT(who)))
			continue;
		*ret_silent ^= (uint32_t)BIT(who);
		snprintf(text, sizeof text, "%c %s", 'A' + (int)who, *ret_silent & BIT(who) ? "no more" : "again");
		if (story->tells_silence)
			story_hear(story, at, "hears", "hear", text);
	}
}

void story_changed(void *context, struct machine *machine, uint32_t kind, struct id id)
{
	struct story *story = context;

	check_changed(story->check, machine, kind, id);
	story_starts_changed(story, machine, kind, id);
}

void story_stepped(void *context, struct machine *machine)
{
	struct story *story = context;
	const struct mesh *mesh = machine->core->node_mesh(machine->node);
	struct story_noticed *noticed = &story->noticed[machine->at];

	check_stepped(story->check, machine);
	notice_silence(story, machine->at, mesh, &noticed->silent);
	if (story->is_told && mesh->is_member && !noticed->is_member)
		story_hear(story, machine->at, "is a member", "are members", "now");
	noticed->is_member = mesh->is_member;
	story_starts_stepped(story, machine);
	if (story->is_told && story->watched)
		look(story, machine);
}

static bool has_crashed(const struct machine *machine, const struct story_noticed *noticed)
{
	return mem_disk_counts(machine->disk).crashes > noticed->crashes;
}

void story_alarmed(void *context, struct machine *machine, const char *text)
{
	struct story *story = context;
	struct story_noticed *noticed = &story->noticed[machine->at];

	/* Whoever has no power says nothing. */
	if (!strcmp(noticed->alarm, text) || has_crashed(machine, noticed))
		return;
	snprintf(noticed->alarm, sizeof noticed->alarm, "%s", text);
	story_hear(story, machine->at, "tells the operator:", "tell the operator:", text);
}

void story_booted(void *context, struct machine *machine)
{
	struct story *story = context;
	struct story_noticed *noticed = &story->noticed[machine->at];

	check_booted(story->check, machine);
	memset(noticed, 0, sizeof *noticed);
	noticed->is_member = machine->core->node_mesh(machine->node)->is_member;
	noticed->crashes = mem_disk_counts(machine->disk).crashes;
	story_starts_booted(story, machine);
}

void story_died(void *context, struct machine *machine)
{
	struct story *story = context;

	check_died(story->check, machine);
	if (machine->died && machine->at != story->asking)
		story_say(story, "%c's process ends", 'A' + (int)machine->at);
}
