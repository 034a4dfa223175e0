/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/body.h"
#include "ctl/handlers.h"
#include "ctl/status.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

static volatile sig_atomic_t was_stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	was_stopped = 1;
}

/* What was last printed of each member, so that only what is new is. */
struct told {
	char node[32];
	char *line;
};
struct watch {
	struct told *all;
	size_t count;
};

static void put_now(char *room, size_t size)
{
	time_t now = time(NULL);
	struct tm parts;

	gmtime_r(&now, &parts);
	strftime(room, size, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static struct told *told_of(struct watch *watch, struct bytes node)
{
	struct told *told;

	for (size_t i = 0; i < watch->count; i++)
		if (bytes_equal(bytes_text(watch->all[i].node), node))
			return &watch->all[i];
	watch->all = must_realloc(watch->all, (watch->count + 1) * sizeof *watch->all);
	told = &watch->all[watch->count++];
	*told = (struct told){ .line = NULL };
	memcpy(told->node, node.data ? node.data : (const uint8_t *)"",
	       node.size < sizeof told->node ? node.size : sizeof told->node - 1);
	return told;
}

static void put_alarms(struct page *line, json_t *member)
{
	json_t *alarm;
	size_t i;

	json_array_foreach(json_object_get(member, "alarms"), i, alarm)
		page_line(line, "alarm: %s", json_is_string(alarm) ? json_string_value(alarm) : "?");
}

/* One line of a member, without its time; how many entries it is behind only as "behind", or every line would be new.
 */
static char *member_line(json_t *member)
{
	struct page line = page_make(PAGE_ENDLESS, false);
	char *text;

	page_line(&line, "%.*s %.*s link %.*s%s%s", BYTES(member_name(member)), BYTES(json_text_in(member, "state")),
		  BYTES(json_text_in(member, "link")), json_truth_in(member, "silent") ? ", silent" : "",
		  json_number_in(member, "behind_entries") > 0 ? ", behind" : "");
	put_alarms(&line, member);
	buf_put_byte(&line.text, '\0');
	text = (char *)line.text.data;
	/* Alarms follow on the same line. */
	for (char *at = text; *at; at++)
		if (*at == '\n')
			*at = at[1] ? ';' : '\0';
	return text; /* the page's memory, the caller's now */
}

static void show_changes(struct page *page, json_t *status, const void *context)
{
	struct watch *watch = *(struct watch *const *)context;
	char now[32];
	json_t *one;
	size_t i;

	put_now(now, sizeof now);
	json_array_foreach(json_object_get(status, "members"), i, one)
	{
		struct told *told = told_of(watch, json_text_in(one, "node"));
		char *line = member_line(one);

		if (told->line && !strcmp(told->line, line)) {
			free(line);
			continue;
		}
		page_line(page, "%s %s", now, line);
		free(told->line);
		told->line = line;
	}
}

static void show_screen(struct page *page, json_t *status, const void *context)
{
	char now[32];

	put_now(now, sizeof now);
	page_line_in(page, TONE_DIM, "%s, every second until ^C", now);
	page_line(page, "%s", "");
	status_page(page, status, context);
}

static void watch_done(struct watch *watch)
{
	for (size_t i = 0; i < watch->count; i++)
		free(watch->all[i].line);
	free(watch->all);
}

/* A server that goes away while it is watched is what one watches for; only the first look must succeed. */
static enum exit_status look(struct ctl *ctl, struct view view, bool is_first)
{
	json_t *document;
	enum exit_status status = status_get(ctl, &document);

	if (status)
		return is_first ? status : EXIT_DONE;
	status = ctl->output->tick(ctl, document, view);
	json_decref(document);
	return status;
}

static void wait_a_second(void)
{
	const struct timespec second = { .tv_sec = 1 };

	if (!was_stopped)
		nanosleep(&second, NULL);
}

enum exit_status run_cluster_watch(struct ctl *ctl, const struct given *given)
{
	const struct sigaction action = { .sa_handler = stop };
	const char *said = given_value(given, "count");
	struct watch watch = { 0 }, *lines = &watch;
	const struct view view =
		ctl->has_terminal ? (struct view){ show_screen, NULL } : (struct view){ show_changes, &lines };
	enum exit_status status = EXIT_DONE;
	uint64_t most = UINT64_MAX;

	if (said && (!count_read(said, &most) || !most))
		return ctl_fail(EXIT_USAGE, "--count is a whole number from 1 on, not %s", said);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	for (uint64_t i = 0; i < most && !was_stopped && !status; i++) {
		if (i)
			wait_a_second();
		if (!was_stopped)
			status = look(ctl, view, !i);
	}
	watch_done(&watch);
	return was_stopped ? EXIT_DONE : status;
}
