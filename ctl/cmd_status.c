/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/status.h"

#include "crdt/base/time.h"
#include "ctl/handlers.h"

#include <stdio.h>
#include <time.h>

/* --- the page */

static bool is_text(json_t *object, const char *name, const char *text)
{
	return bytes_equal(json_text_in(object, name), bytes_text(text));
}

struct bytes member_name(json_t *member)
{
	struct bytes name = json_text_in(member, "name");

	name = name.size ? name : json_text_in(member, "gateway");
	return name.size ? name : json_text_in(member, "node");
}

/* "3 d 4 h": how long ago that was, by this machine's clock; empty for what is no time. */
static void age_of(struct bytes text, char *room, size_t size)
{
	struct wall_time then;
	uint64_t now = (uint64_t)time(NULL), seconds;

	*room = '\0';
	if (wall_parse(text, &then, NULL))
		return;
	seconds = now > then.ms / 1000 ? now - then.ms / 1000 : 0;
	if (seconds < 60)
		snprintf(room, size, "%d s", (int)seconds);
	else if (seconds < 3600)
		snprintf(room, size, "%d min", (int)(seconds / 60));
	else if (seconds < 86400)
		snprintf(room, size, "%d h %d min", (int)(seconds / 3600), (int)(seconds % 3600 / 60));
	else
		snprintf(room, size, "%llu d %d h", (unsigned long long)(seconds / 86400),
			 (int)(seconds % 86400 / 3600));
}

static void size_text(long long bytes, char room[32])
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	double size = (double)bytes;
	size_t unit = 0;

	for (; size >= 1024 && unit + 1 < COUNT(units); unit++)
		size /= 1024;
	snprintf(room, 32, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

static void add_link(struct table *table, json_t *member)
{
	struct bytes link = json_text_in(member, "link");
	bool is_out = is_text(member, "state", "evicted"), is_silent = json_truth_in(member, "silent");
	enum tone tone = is_text(member, "link", "down") ? TONE_BAD : is_silent ? TONE_WARN : TONE_GOOD;

	if (is_out)
		table_add(table, TONE_DIM, bytes_text("-"));
	else
		table_addf(table, tone, "%.*s%s", BYTES(link), is_silent ? ", silent" : "");
}

/* Beyond these a clock or a lag is worth a look. */
enum { OFFSET_WARN_MS = 1000, BEHIND_WARN = 1000 };

static void add_member(struct table *table, json_t *member)
{
	json_t *offset = json_object_get(member, "clock_offset_ms");
	long long behind = json_number_in(member, "behind_entries"), ms = json_integer_value(offset);
	char age[48];

	age_of(json_text_in(member, "started"), age, sizeof age);
	table_add(table, TONE_PLAIN, member_name(member));
	table_add(table, TONE_PLAIN, json_text_in(member, "node"));
	table_add(table, TONE_PLAIN, json_text_in(member, "location"));
	table_add(table, TONE_PLAIN, json_text_in(member, "version"));
	table_add(table, is_text(member, "state", "evicted") ? TONE_BAD : TONE_PLAIN, json_text_in(member, "state"));
	add_link(table, member);
	table_addf(table, behind > BEHIND_WARN ? TONE_WARN : TONE_PLAIN, "%lld", behind);
	if (json_is_integer(offset))
		table_addf(table, ms > OFFSET_WARN_MS || ms < -OFFSET_WARN_MS ? TONE_WARN : TONE_PLAIN, "%+lld ms", ms);
	else
		table_add(table, TONE_PLAIN, bytes_text("-"));
	table_add(table, TONE_PLAIN, bytes_text(age));
}

void status_members(struct page *page, json_t *status)
{
	static const struct column columns[] = {
		{ .title = "NAME" },
		{ .title = "NODE", .is_whole = true },
		{ .title = "LOCATION" },
		{ .title = "VERSION" },
		{ .title = "STATE" },
		{ .title = "LINK" },
		{ .title = "BEHIND", .is_number = true },
		{ .title = "CLOCK", .is_number = true },
		{ .title = "UP FOR" },
	};
	struct table table = table_make(columns, COUNT(columns));
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(status, "members"), i, one) add_member(&table, one);
	table_end(&table, page);
}

static void put_alarms_of(struct page *page, struct bytes who, json_t *alarms)
{
	json_t *alarm;
	size_t i;

	json_array_foreach(alarms, i, alarm)
		page_line_in(page, TONE_BAD, "  %.*s%s%s", BYTES(who), who.size ? ": " : "",
			     json_is_string(alarm) ? json_string_value(alarm) : "?");
}

static bool is_lost(json_t *member)
{
	return is_text(member, "link", "down") && !is_text(member, "state", "evicted");
}

/* Where a member was looked for that cannot be reached. */
static void put_lost(struct page *page, json_t *member)
{
	struct buf places = buf_growing(1 << 20);
	json_t *place;
	size_t i;

	json_array_foreach(json_object_get(member, "endpoints"), i, place)
	{
		buf_put_text(&places, i ? ", " : " at ");
		buf_put_text(&places, json_is_string(place) ? json_string_value(place) : "?");
	}
	page_line_in(page, TONE_BAD, "  %.*s: not reached%.*s", BYTES(member_name(member)), BYTES(buf_bytes(&places)));
	buf_done(&places);
}

static bool has_alarm(json_t *status)
{
	json_t *one;
	size_t count = json_array_size(json_object_get(status, "alarms")), i;

	json_array_foreach(json_object_get(status, "members"), i, one) count +=
		json_array_size(json_object_get(one, "alarms")) + is_lost(one);
	return count || json_truth_in(status, "is_twin");
}

/* What is wrong, and at whom. */
static void put_alarms(struct page *page, json_t *status)
{
	json_t *one;
	size_t i;

	page_line(page, "%s", "");
	if (!has_alarm(status)) {
		page_line_in(page, TONE_GOOD, "no alarms");
		return;
	}
	page_line_in(page, TONE_STRONG, "alarms");
	if (json_truth_in(status, "is_twin"))
		page_line_in(page, TONE_BAD,
			     "  this server's disk runs in two places: stop one of the two, evict this node, "
			     "and let the server join anew");
	put_alarms_of(page, (struct bytes){ 0 }, json_object_get(status, "alarms"));
	json_array_foreach(json_object_get(status, "members"), i, one)
	{
		if (is_lost(one))
			put_lost(page, one);
		put_alarms_of(page, member_name(one), json_object_get(one, "alarms"));
	}
}

void status_page(struct page *page, json_t *status, const void *context)
{
	json_t *disk = json_object_get(status, "disk");
	char used[32], log[32];

	(void)context;
	size_text(json_number_in(disk, "used"), used);
	size_text(json_number_in(disk, "log"), log);
	page_line_in(page, TONE_STRONG, "cluster %.*s  %.*s  level %lld", BYTES(json_text_in(status, "name")),
		     BYTES(json_text_in(status, "id")), json_number_in(status, "level"));
	page_line(page, "this server is node %.*s; its state takes %s, the log %s of it",
		  BYTES(json_text_in(status, "node")), used, log);
	if (!json_truth_in(status, "exchanged"))
		page_line_in(page, TONE_WARN,
			     "it has not compared itself with the others since it started: this may be old");
	page_line(page, "%s", "");
	status_members(page, status);
	put_alarms(page, status);
}

/* --- asking for it */

/* A server that is in no cluster has no status; what it is says what to do. */
static enum exit_status say_state(struct ctl *ctl)
{
	const struct request request = { .path = ctl_path(ctl, "cluster", NULL) };
	struct answer answer = { 0 };

	if (ctl_try(ctl, &request, &answer))
		return EXIT_FAILED;
	if (is_text(answer.document, "state", "new"))
		ctl_fail(EXIT_FAILED,
			 "this server is in no cluster yet: make one with wgctl cluster init --name NAME, or "
			 "join one with wgctl node join TOKEN");
	else if (is_text(answer.document, "state", "joining"))
		ctl_fail(EXIT_FAILED, "this server is still joining: look again in a moment");
	else if (is_text(answer.document, "state", "evicted"))
		ctl_fail(EXIT_FAILED,
			 "this server was evicted from its cluster: stop warrend, take its state away, and "
			 "let it join with a new token");
	json_decref(answer.document);
	return EXIT_FAILED;
}

enum exit_status status_get(struct ctl *ctl, json_t **ret_document)
{
	const struct request request = { .path = ctl_path(ctl, "cluster", "status", NULL) };
	struct answer answer = { 0 };
	enum exit_status status = ctl_try(ctl, &request, &answer);

	if (status)
		return status;
	if (answer.status >= 200 && answer.status < 300) {
		*ret_document = answer.document;
		return EXIT_DONE;
	}
	ctl_refuse(ctl, &answer);
	json_decref(answer.document);
	return say_state(ctl);
}

enum exit_status run_cluster_status(struct ctl *ctl, const struct given *given)
{
	json_t *document;
	enum exit_status status = status_get(ctl, &document);

	(void)given;
	return status ? status : ctl_show(ctl, document, (struct view){ status_page, NULL });
}

static void show_list(struct page *page, json_t *document, const void *context)
{
	(void)context;
	status_members(page, document);
}

enum exit_status run_node_list(struct ctl *ctl, const struct given *given)
{
	json_t *document;
	enum exit_status status = status_get(ctl, &document);

	(void)given;
	return status ? status : ctl_show(ctl, document, (struct view){ show_list, NULL });
}
