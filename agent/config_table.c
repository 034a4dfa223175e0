/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config_table.h"

#include "agent/config_address.h"
#include "crdt/base/text.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

/* As much of a file as an error should repeat. */
#define SHOWN(text) (int)((text).size < 48 ? (text).size : 48), (const char *)(text).data

#define AT(member) .offset = offsetof(struct config, member), .size = sizeof(((struct config *)0)->member)

static const char *const log_styles[] = { [LOG_LOGFMT] = "logfmt", [LOG_JSON] = "json", NULL };
static const char *const log_levels[] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug", NULL
};

_Static_assert(sizeof(enum log_style) == sizeof(unsigned) && sizeof(enum log_level) == sizeof(unsigned),
	       "a choice is kept as a number");

const struct option config_options[] = {
	{ .name = "state",
	  .type = OPTION_PATH,
	  AT(state),
	  .usual = "/var/lib/warren",
	  .form = "an absolute path",
	  .about = "The directory in which this server keeps everything that must outlive a restart.",
	  .is_needed = true },
	{ .name = "socket",
	  .type = OPTION_PATH,
	  AT(socket),
	  .usual = "/run/warren/warrend.sock",
	  .form = "an absolute path, at most 99 bytes",
	  .about = "The unix socket on which wgctl finds the agent.",
	  .is_needed = true },
	{ .name = "socket.group",
	  .type = OPTION_GROUP,
	  AT(socket_group),
	  .usual = "",
	  .form = "a group of this server",
	  .about = "Whose members may use the socket, beside root and the agent's own user. They can do\n"
		   "all that an owner of the cluster can. Empty: the group that the agent runs with." },
	{ .name = "gossip.listen",
	  .type = OPTION_ADDRESSES,
	  AT(listen),
	  .usual = "[::]:8444",
	  .form = "up to 16 addresses",
	  .about = "Where the other servers of the cluster reach this one: host:port, [IPv6]:port, or\n"
		   ":port for all addresses of this server, IPv4 too; 8444 where no port is given.\n"
		   "Empty: it reaches others, and nobody reaches it." },
	{ .name = "gossip.advertise",
	  .type = OPTION_ADDRESSES,
	  AT(advertise),
	  .usual = "",
	  .form = "up to 16 addresses",
	  .about = "What the others are told to dial, where that is not what gossip.listen says: behind\n"
		   "NAT, or by a DNS name. Empty: what gossip.listen says.",
	  .is_live = true,
	  .is_to_reach = true },
	{ .name = "log.format",
	  .type = OPTION_CHOICE,
	  AT(log_style),
	  .usual = "logfmt",
	  .choices = log_styles,
	  .form = "logfmt or json",
	  .about = "How the lines on standard error are written.",
	  .is_needed = true,
	  .is_live = true },
	{ .name = "log.level",
	  .type = OPTION_CHOICE,
	  AT(log_level),
	  .usual = "info",
	  .choices = log_levels,
	  .form = "error, warn, info or debug",
	  .about = "The least important lines that are still written.",
	  .is_needed = true,
	  .is_live = true },
};
const size_t config_options_count = COUNT(config_options);

_Static_assert(COUNT(config_options) <= OPTIONS_MAX, "OPTIONS_MAX bounds the table");

static bool same_name(struct bytes a, struct bytes b)
{
	return a.size == b.size && !strncasecmp((const char *)a.data, (const char *)b.data, a.size);
}

const struct option *config_find(struct bytes name)
{
	for (size_t i = 0; i < config_options_count; i++)
		if (bytes_equal(name, bytes_text(config_options[i].name)))
			return &config_options[i];
	return NULL;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters one has to add, drop, change, or swap with their neighbour to make one name the other. */
static size_t distance(struct bytes a, struct bytes b)
{
	size_t cost[OPTION_NAME_MAX + 1][OPTION_NAME_MAX + 1];

	for (size_t i = 0; i <= a.size; i++)
		for (size_t j = 0; j <= b.size; j++) {
			bool differ = i && j && tolower(a.data[i - 1]) != tolower(b.data[j - 1]);

			if (!i || !j) {
				cost[i][j] = i + j;
				continue;
			}
			cost[i][j] = least(least(cost[i - 1][j], cost[i][j - 1]) + 1, cost[i - 1][j - 1] + differ);
			if (i > 1 && j > 1 && same_name(bytes_of(a.data + i - 1, 1), bytes_of(b.data + j - 2, 1)) &&
			    same_name(bytes_of(a.data + i - 2, 1), bytes_of(b.data + j - 1, 1)))
				cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
		}
	return cost[a.size][b.size];
}

/* Also one of the words between the dots is what people remember. */
static size_t distance_to(struct bytes name, const struct option *option)
{
	size_t nearest = distance(name, bytes_text(option->name));

	for (const char *word = option->name, *end = word; *end; word = end + 1) {
		end = strchrnul(word, '.');
		nearest = least(nearest, distance(name, bytes_of(word, (size_t)(end - word))) + 1);
	}
	return nearest;
}

const struct option *config_nearest(struct bytes name, size_t *ret_distance)
{
	const struct option *nearest = NULL;
	struct bytes begin = bytes_of(name.data, least(name.size, OPTION_NAME_MAX));
	size_t nearest_distance = SIZE_MAX;

	for (size_t i = 0; i < config_options_count; i++) {
		size_t here = distance_to(begin, &config_options[i]);

		if (here >= nearest_distance)
			continue;
		nearest_distance = here;
		nearest = &config_options[i];
	}
	*ret_distance = nearest_distance + name.size - begin.size;
	return nearest;
}

void config_variable(const struct option *option, char room[OPTION_NAME_MAX + sizeof "WARREN_"])
{
	snprintf(room, OPTION_NAME_MAX + sizeof "WARREN_", "WARREN_%s", option->name);
	for (char *at = room; *at; at++)
		*at = *at == '.' ? '_' : (char)toupper((unsigned char)*at);
}

void config_usual(struct config *ret_config)
{
	*ret_config = (struct config){ 0 };
	for (size_t i = 0; i < config_options_count; i++) {
		enum code code = config_set(&config_options[i], bytes_text(config_options[i].usual), ret_config, NULL);

		assert(!code);
	}
}

static void *slot(const struct option *option, struct config *config)
{
	return (uint8_t *)config + option->offset;
}

static const void *slot_const(const struct option *option, const struct config *config)
{
	return (const uint8_t *)config + option->offset;
}

static enum code set_text(const struct option *option, struct bytes value, struct config *config, struct err *err)
{
	char *room = slot(option, config);

	if (value.size >= option->size)
		return fail(err, E_LIMIT, "it has %zu bytes, and %zu are the limit: choose a shorter one", value.size,
			    option->size - 1);
	memset(room, 0, option->size);
	memcpy(room, value.data, value.size);
	return OK;
}

/* The letters of which groups are made, so that what was meant as a list or as a path is found here. */
static enum code set_group(const struct option *option, struct bytes value, struct config *config, struct err *err)
{
	for (size_t i = 0; i < value.size; i++)
		if (!isalnum(value.data[i]) && (!i || !strchr("_-.", value.data[i])) && value.data[i] != '_')
			return fail(err, E_VALUE, "\"%.*s\" is no group: write the name of one", SHOWN(value));
	return set_text(option, value, config, err);
}

static enum code set_choice(const struct option *option, struct bytes value, struct config *config, struct err *err)
{
	for (unsigned i = 0; option->choices[i]; i++) {
		if (!bytes_equal(value, bytes_text(option->choices[i])))
			continue;
		memcpy(slot(option, config), &i, sizeof i);
		return OK;
	}
	return fail(err, E_VALUE, "\"%.*s\" is not among its values: write %s", SHOWN(value), option->form);
}

/* Text of one line. */
static enum code check_text(struct bytes text, bool may_have_tabs, struct err *err)
{
	for (size_t at = 0; at < text.size;) {
		uint32_t point = 0;
		size_t length = text_decode(bytes_of(text.data + at, text.size - at), &point);

		if (!length)
			return fail(err, E_FORM, "byte %zu is not UTF-8: save it as UTF-8", at + 1);
		if (point == '\r' && at + 1 == text.size)
			return fail(err, E_FORM, "it ends in a carriage return: save it with the line ends of Unix");
		if (text_is_refused(point) && !(point == '\t' && may_have_tabs))
			return fail(err, E_FORM, "byte %zu begins the control character U+%04X: remove it", at + 1,
				    (unsigned)point);
		at += length;
	}
	return OK;
}

enum code config_set(const struct option *option, struct bytes value, struct config *config, struct err *err)
{
	enum code code = check_text(value, option->type == OPTION_ADDRESSES, err);

	if (code)
		return code;
	if (option->is_needed && !value.size)
		return fail(err, E_VALUE, "it may not be empty: write %s, such as %s", option->form, option->usual);
	switch (option->type) {
	case OPTION_PATH:
		if (value.size && *value.data != '/')
			return fail(err, E_VALUE, "\"%.*s\" is no absolute path: begin it with a slash", SHOWN(value));
		return set_text(option, value, config, err);
	case OPTION_GROUP: return set_group(option, value, config, err);
	case OPTION_ADDRESSES:
		return config_addresses_read(value, option->is_to_reach ? ADDRESS_TO_REACH : ADDRESS_TO_LISTEN,
					     slot(option, config), err);
	case OPTION_CHOICE: return set_choice(option, value, config, err);
	}
	return E_VALUE;
}

static bool same_addresses(const struct config_addresses *a, const struct config_addresses *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->all[i].port != b->all[i].port || strcmp(a->all[i].host, b->all[i].host))
			return false;
	return true;
}

bool config_same(const struct option *option, const struct config *a, const struct config *b)
{
	const void *in_a = slot_const(option, a), *in_b = slot_const(option, b);

	switch (option->type) {
	case OPTION_PATH:
	case OPTION_GROUP: return !strcmp(in_a, in_b);
	case OPTION_ADDRESSES: return same_addresses(in_a, in_b);
	case OPTION_CHOICE: return !memcmp(in_a, in_b, option->size);
	}
	return false;
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

static struct bytes trimmed(struct bytes text)
{
	while (text.size && is_blank(*text.data))
		text = bytes_of(text.data + 1, text.size - 1);
	while (text.size && is_blank(text.data[text.size - 1]))
		text.size--;
	return text;
}

static struct bytes without_comment(struct bytes line)
{
	for (size_t i = 0; i < line.size; i++)
		if (line.data[i] == '#' && (!i || is_blank(line.data[i - 1])))
			return bytes_of(line.data, i);
	return line;
}

static enum code unknown(struct bytes name, struct err *err)
{
	size_t away;
	const char *nearest = config_nearest(name, &away)->name;

	return fail(err, E_ABSENT, "there is no option \"%.*s\": the nearest is %s; `warrend --config-example` has all",
		    SHOWN(name), nearest);
}

static enum code read_line(struct bytes line, unsigned number, unsigned *lines, struct config *config, struct err *err)
{
	struct bytes text = trimmed(without_comment(line)), name;
	const uint8_t *equals = text.size ? memchr(text.data, '=', text.size) : NULL;
	const struct option *option;
	enum code code;

	if (!text.size)
		return OK;
	if (!equals)
		return fail(err, E_FORM, "\"%.*s\" has no '=': write name = value", SHOWN(text));
	name = trimmed(bytes_of(text.data, (size_t)(equals - text.data)));
	option = config_find(name);
	if (!option)
		return unknown(name, err);
	if (lines[option - config_options])
		return fail(err, E_FORM, "%s is in line %u already: keep one of the two", option->name,
			    lines[option - config_options]);
	lines[option - config_options] = number;
	code = config_set(option, trimmed(bytes_of(equals + 1, text.size - (size_t)(equals + 1 - text.data))), config,
			  err);
	return code ? fail_in(err, code, "%s", option->name) : OK;
}

enum code config_read_text(struct bytes text, const char *file, struct config *config, struct err *err)
{
	struct config next = *config;
	unsigned lines[OPTIONS_MAX] = { 0 };
	unsigned number = 0;

	if (text.size > CONFIG_FILE_MAX)
		return fail(err, E_LIMIT, "%s: it is larger than %d bytes: is it the right file?", file,
			    CONFIG_FILE_MAX);
	while (text.size) {
		const uint8_t *end = memchr(text.data, '\n', text.size);
		struct bytes line = bytes_of(text.data, end ? (size_t)(end - text.data) : text.size);
		enum code code = check_text(line, true, err);

		number++;
		if (!code)
			code = read_line(line, number, lines, &next, err);
		if (code)
			return fail_in(err, code, "%s:%u", file, number);
		text = end ? bytes_of(end + 1, text.size - line.size - 1) : (struct bytes){ 0 };
	}
	*config = next;
	return OK;
}
