/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/model/pack.h"
#include "crdt/state/root.h"
#include "tests/sim/stories_inside.h"
#include "tests/sim/stories_operators.h"

#include <stdarg.h>
#include <stdlib.h>

/* --- Requests. */

static void put_answer(const char *begin, const struct story_asked *asked, char out[STORY_TEXT_MAX])
{
	char copies[64] = "";

	if (asked->wanted)
		snprintf(copies, sizeof copies, ", and %" PRIu32 " other%s it", asked->copies,
			 asked->copies == 1 ? " has" : "s have");
	if (asked->code)
		snprintf(out, STORY_TEXT_MAX, "%s %s (%d): %s", begin,
			 asked->code == E_FULL || asked->code == E_IO ? "failed" : "refused", code_http(asked->code),
			 asked->text);
	else
		snprintf(out, STORY_TEXT_MAX, "%s done%s%s", begin, copies,
			 asked->is_behind ? ", marked as behind" : "");
}

void story_replied(void *context, struct machine *machine, const struct reply *reply)
{
	struct story *story = context;
	struct story_asked *asked = &story->asks[reply->number];
	char begin[32], text[STORY_TEXT_MAX];

	check_replied(story->check, machine, reply);
	MUST(story, reply->number < STORY_ASKS_MAX && !asked->is_answered);
	asked->is_answered = true;
	asked->code = reply->code;
	if (reply->text)
		snprintf(asked->text, sizeof asked->text, "%s", reply->text);
	if (reply->count)
		asked->id = reply->ids[0];
	if (reply->count > 1)
		asked->second = reply->ids[1];
	asked->copies = reply->copies;
	asked->is_behind = reply->is_behind;
	asked->token = arena_copy(&story->arena, reply->token);
	snprintf(begin, sizeof begin, "%c answers:", 'A' + (int)machine->at);
	put_answer(begin, asked, text);
	if (asked->is_late)
		story_say(story, "%s", text);
}

/* Says what was asked, and the answer if it is there already; what came of it is told behind that. */
static const struct story_asked *end_ask(struct story *story, uint64_t number, const char *what)
{
	struct story_asked *asked = &story->asks[number];
	char begin[STORY_TEXT_MAX / 2], text[STORY_TEXT_MAX];

	story->asking = STORY_MACHINES;
	if (!world_is_up(story->world, asked->at)) {
		snprintf(text, sizeof text, "%s -> no answer: %c loses power", what, 'A' + (int)asked->at);
	} else if (asked->is_answered) {
		snprintf(begin, sizeof begin, "%s ->", what);
		put_answer(begin, asked, text);
	} else if (asked->wanted) {
		snprintf(text, sizeof text, "%s -> waits until %" PRIu32 " other%s it", what, asked->wanted,
			 asked->wanted == 1 ? " has" : "s have");
	} else {
		snprintf(text, sizeof text, "%s -> waits", what);
	}
	asked->is_late = !asked->is_answered;
	story_say_first(story, text);
	return asked;
}

struct change change_of(struct story *story, enum change_what what, const struct kind *kind, struct id id,
			const void *row)
{
	struct change change = { .what = what, .kind = kind->number, .id = id };
	struct buf buf = buf_growing(MODEL_OP_MAX);

	if (row)
		pack_write(&kind->shape, row, &buf);
	change.map = arena_copy(&story->arena, buf_bytes(&buf));
	buf_done(&buf);
	return change;
}

/* The number that the next request will have. */
static uint64_t begin_ask(struct story *story, uint32_t at)
{
	uint64_t number = story->world->requests + 1;

	MUST(story, number < STORY_ASKS_MAX && world_is_up(story->world, at));
	story_flush(story);
	story->asks[number].at = at;
	story->asking = at;
	return number;
}

const struct story_asked *story_ask(struct story *story, struct story_client client, const struct change *changes,
				    size_t count, const char *format, ...)
{
	struct asker asker = { .writes = BY_OWNER | BY_AGENT };
	struct bytes key = client.key ? bytes_text(client.key) : bytes_of(NULL, 0);
	uint64_t number = begin_ask(story, client.at);
	char what[STORY_TEXT_MAX];
	int used = snprintf(what, sizeof what, "at %c: ", 'A' + (int)client.at);
	va_list args;

	va_start(args, format);
	vsnprintf(what + used, sizeof what - (size_t)used, format, args);
	va_end(args);
	if (client.key) {
		used = (int)strlen(what);
		snprintf(what + used, sizeof what - (size_t)used, " (Idempotency-Key %s)", client.key);
	}
	story->asks[number].wanted = client.copies;
	check_asked(story->check, number, client.at);
	world_write(story->world, client.at, &asker, changes, count, client.copies, key);
	return end_ask(story, number, what);
}

static const struct story_asked *state(struct story *story, const struct signer *signer, uint32_t at,
				       const struct kind *kind, const void *row, const char *format, va_list args)
{
	uint64_t number = begin_ask(story, at);
	bool is_root = !memcmp(&signer->key, &story->world->root.key, sizeof signer->key);
	char what[STORY_TEXT_MAX];
	int used = snprintf(what, sizeof what, "at %c: %s operator ", 'A' + (int)at, is_root ? "the" : "another");

	vsnprintf(what + used, sizeof what - (size_t)used, format, args);
	world_state(story->world, at, signer, kind, row);
	return end_ask(story, number, what);
}

const struct story_asked *story_state(struct story *story, uint32_t at, const struct kind *kind, const void *row,
				      const char *format, ...)
{
	const struct story_asked *asked;
	va_list args;

	va_start(args, format);
	asked = state(story, &story->world->root, at, kind, row, format, args);
	va_end(args);
	return asked;
}

const struct story_asked *story_state_by(struct story *story, const struct signer *operator, uint32_t at,
					 const struct kind *kind, const void *row, const char *format, ...)
{
	const struct story_asked *asked;
	va_list args;

	va_start(args, format);
	asked = state(story, operator, at, kind, row, format, args);
	va_end(args);
	return asked;
}

const struct story_asked *story_read(struct story *story, uint32_t at, struct bytes token, bool is_strict)
{
	uint64_t number = begin_ask(story, at);
	char what[128];

	world_await(story->world, at, token, is_strict);
	snprintf(what, sizeof what, "at %c: a client shows its token and %s", 'A' + (int)at,
		 is_strict ? "wants no less than that" : "wants an answer");
	return end_ask(story, number, what);
}

/* --- The world. */

struct story *story_new(uint64_t seed, uint32_t machines)
{
	struct story *story = must_alloc(sizeof *story);
	struct world_options options = { .seed = seed, .machines = machines, .jitter_ns = 1 };

	story->asking = STORY_MACHINES;
	story->out = open_memstream(&story->told, &story->told_size);
	fprintf(story->out, "%s\n", story_title());
	options.hooks = (struct world_hooks){ .context = story,
					      .replied = story_replied,
					      .changed = story_changed,
					      .alarmed = story_alarmed,
					      .stepped = story_stepped,
					      .booted = story_booted,
					      .died = story_died };
	story->world = world_new(&options);
	story->check = check_new(story->world);
	return story;
}

void story_free(struct story *story)
{
	story_copies_free(story);
	story_starts_free(story);
	check_free(story->check);
	world_free(story->world);
	fclose(story->out);
	free(story->told);
	arena_done(&story->arena);
	free(story);
}

void story_at(struct story *story, uint64_t ms)
{
	world_run(story->world, ms * 1000000);
}

void story_found(struct story *story, uint32_t count)
{
	char letters[32] = "A";

	for (uint32_t i = 1, used = 1; i < count; i++)
		used += (uint32_t)snprintf(letters + used, sizeof letters - used, "%s%c",
					   i + 1 == count ? " and " : ", ", 'A' + (int)i);
	story_say(story, count == 1 ? "%s is a cluster of its own" : "%s are one cluster", letters);
	world_found_all(story->world, count);
	story_at(story, 10000);
	MUST(story, world_is_settled(story->world));
	story->is_told = true;
}

static uint32_t group_of(const char *groups, uint32_t machine)
{
	uint32_t group = 1;

	for (; *groups; groups++) {
		group += *groups == '|';
		if (*groups == 'A' + (int)machine)
			return group;
	}
	return 0;
}

void story_split(struct story *story, const char *groups)
{
	story_say(story, "the network splits: %s", groups);
	for (uint32_t i = 0; i < story->world->options.machines; i++)
		for (uint32_t j = 0; j < story->world->options.machines; j++)
			net_block(story->world->net, i, j, i != j && group_of(groups, i) != group_of(groups, j));
}

void story_heal(struct story *story)
{
	story_say(story, "the network is whole again");
	net_partition(story->world->net, NET_WHOLE, NULL);
}

void story_boot(struct story *story, uint32_t machine)
{
	bool is_up;

	story_say(story, "%c starts", 'A' + (int)machine);
	is_up = world_boot(story->world, machine);
	MUST(story, is_up);
}

void story_kill(struct story *story, uint32_t machine)
{
	story_say(story, "%c's process is killed", 'A' + (int)machine);
	world_kill(story->world, machine);
}

void story_cut_power(struct story *story, uint32_t machine)
{
	story_say(story, "%c loses power", 'A' + (int)machine);
	world_cut_power(story->world, machine);
}

static bool is_settled(const struct story *story)
{
	const struct mesh *first = NULL;

	if (!world_is_settled(story->world))
		return false;
	for (uint32_t i = 0; i < story->world->options.machines; i++) {
		const struct mesh *mesh = world_mesh(story->world, i);

		if (mesh && first && !sum_equal(root_total(&mesh->root), root_total(&first->root)))
			return false;
		first = first ? first : mesh;
	}
	return true;
}

void story_settle(struct story *story, uint64_t seconds)
{
	story_at(story, (world_now(story->world) / 1000000000 + seconds) * 1000);
	story_must(story, is_settled(story), "all machines have merged the same in time");
	story_say(story, "all have what any of them had");
}
