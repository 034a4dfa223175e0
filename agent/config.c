/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config.h"

#include "agent/config_table.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usual_file[] = "/etc/warren/warrend.conf";
static const char prefix[] = "WARREN_";
static const char file_flag[] = "--config=", file_variable[] = "WARREN_CONFIG=";

/* Nearer than this to one of ours, a variable is a slip of the fingers. */
enum { SLIP_MAX = 2 };

static void close_file(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static bool starts_with(const char *text, const char *beginning)
{
	return !strncmp(text, beginning, strlen(beginning));
}

static enum code check_file(const char *path, const struct stat *about, struct err *err)
{
	if (!S_ISREG(about->st_mode))
		return fail(err, E_FORM, "%s: it is no file: name one, or leave it out", path);
	if (about->st_uid && about->st_uid != geteuid())
		return fail(err, E_DENIED, "%s: it belongs to user %u, who could change it: chown root %s", path,
			    (unsigned)about->st_uid, path);
	if (about->st_mode & (S_IWGRP | S_IWOTH))
		return fail(err, E_DENIED, "%s: others than its owner may write it: chmod go-w %s", path, path);
	return OK;
}

static enum code refuse_open(const char *path, int error, struct err *err)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return fail(err, E_ABSENT, "%s: it is not there: `warrend --config-example` prints one to begin with",
			    path);
	case EACCES:
		return fail(err, E_DENIED, "%s: user %u may not read it: chgrp warren %s && chmod 640 %s", path,
			    (unsigned)geteuid(), path, path);
	default: return fail(err, E_IO, "%s: it cannot be opened: %s", path, strerror(error));
	}
}

static enum code read_whole(int fd, const char *path, struct buf *text, struct err *err)
{
	uint8_t piece[4096];
	ssize_t got;

	while ((got = read(fd, piece, sizeof piece))) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail(err, E_IO, "%s: it cannot be read: %s", path, strerror(errno));
		buf_put(text, piece, (size_t)got);
		if (text->is_full)
			return fail(err, E_LIMIT, "%s: it is larger than %d bytes: is it the right file?", path,
				    CONFIG_FILE_MAX);
	}
	return OK;
}

static enum code read_file(const char *path, bool may_be_missing, struct config *config, struct err *err)
{
	CLEANUP(buf_done) struct buf text = buf_growing(CONFIG_FILE_MAX);
	/* Without waiting: for whoever wrote into a pipe of that name. */
	CLEANUP(close_file) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat about;
	enum code code;

	if (fd < 0)
		return may_be_missing && errno == ENOENT ? OK : refuse_open(path, errno, err);
	if (fstat(fd, &about))
		return refuse_open(path, errno, err);
	code = check_file(path, &about, err);
	if (!code)
		code = read_whole(fd, path, &text, err);
	return code ? code : config_read_text(buf_bytes(&text), path, config, err);
}

/* The variable "GOSSIP_LISTEN" as the option's name "gossip.listen", cut where no option is as long. */
static struct bytes name_of_variable(struct bytes variable, char room[OPTION_NAME_MAX + 1])
{
	size_t size = variable.size < OPTION_NAME_MAX + 1 ? variable.size : OPTION_NAME_MAX + 1;

	for (size_t i = 0; i < size; i++)
		room[i] = variable.data[i] == '_' ? '.' : (char)tolower(variable.data[i]);
	return bytes_of(room, size);
}

/* Whether a name begins with the same word as one of ours. */
static bool is_of_a_group(struct bytes name)
{
	for (size_t i = 0; i < config_options_count; i++) {
		const char *known = config_options[i].name;
		size_t size = strcspn(known, ".");

		if (name.size >= size && !memcmp(name.data, known, size) &&
		    (name.size == size || name.data[size] == '.'))
			return true;
	}
	return false;
}

/* Whether a name is meant as --config or WARREN_CONFIG, which are in no table. */
static bool is_like_config(struct bytes name)
{
	return bytes_start_with(name, bytes_text("conf"));
}

static enum code judge_unknown(struct bytes variable, struct bytes name, struct err *err)
{
	char nearest[OPTION_NAME_MAX + sizeof prefix];
	size_t away;

	config_variable(config_nearest(name, &away), nearest);
	if (is_like_config(name))
		strcpy(nearest, "WARREN_CONFIG");
	else if (away > SLIP_MAX && !is_of_a_group(name))
		return OK;
	return fail(err, E_ABSENT, "there is no variable %s%.*s: the nearest is %s; docs/configuration.md lists all",
		    prefix, (int)(variable.size < 48 ? variable.size : 48), (const char *)variable.data, nearest);
}

static enum code read_variable(const char *entry, bool *seen, struct config *config, struct err *err)
{
	const char *variable = entry + strlen(prefix), *equals = strchr(variable, '=');
	size_t size = equals ? (size_t)(equals - variable) : 0;
	char room[OPTION_NAME_MAX + 1], known[OPTION_NAME_MAX + sizeof prefix] = "";
	struct bytes name = name_of_variable(bytes_of(variable, size), room);
	const struct option *option = config_find(name);
	enum code code;

	if (!equals || starts_with(entry, file_variable))
		return OK;
	if (option)
		config_variable(option, known);
	/* Such a one is written in capitals, or it is not it. */
	if (!option || strncmp(known + strlen(prefix), variable, size))
		return judge_unknown(bytes_of(variable, size), name, err);
	if (seen[option - config_options])
		return fail(err, E_FORM, "%s is in the environment twice: keep one", known);
	seen[option - config_options] = true;
	code = config_set(option, bytes_text(equals + 1), config, err);
	return code ? fail_in(err, code, "%s (%s)", known, option->name) : OK;
}

static enum code read_environment(char **environment, struct config *config, struct err *err)
{
	bool seen[OPTIONS_MAX] = { 0 };
	enum code code = OK;

	for (char **at = environment; at && *at && !code; at++)
		if (starts_with(*at, prefix))
			code = read_variable(*at, seen, config, err);
	return code;
}

/* Whether a word is ours: --name=value, or what can only be meant so. */
static bool is_flag(const char *word, struct bytes *ret_name)
{
	size_t size;

	if (!starts_with(word, "--"))
		return false;
	size = strcspn(word + 2, "=");
	*ret_name = bytes_of(word + 2, size);
	return word[2 + size] || memchr(word + 2, '.', size) || config_find(*ret_name) ||
	       bytes_equal(*ret_name, bytes_text("config"));
}

static enum code read_flag(const char *word, struct bytes name, bool *seen, struct config *config, struct err *err)
{
	const struct option *option = config_find(name);
	enum code code;
	size_t away;

	if (!option)
		return fail(err, E_ABSENT, "there is no flag --%.*s: the nearest is --%s=…; `warrend --help` has all",
			    (int)(name.size < 48 ? name.size : 48), (const char *)name.data,
			    is_like_config(name) ? "config" : config_nearest(name, &away)->name);
	if (!word[2 + name.size])
		return fail(err, E_FORM, "--%s has no value: write it in one word: --%s=…", option->name, option->name);
	if (seen[option - config_options])
		return fail(err, E_FORM, "--%s is given twice: keep one", option->name);
	seen[option - config_options] = true;
	code = config_set(option, bytes_text(word + 2 + name.size + 1), config, err);
	return code ? fail_in(err, code, "--%s", option->name) : OK;
}

static enum code read_flags(const struct config_given *given, struct config *config, struct err *err)
{
	bool seen[OPTIONS_MAX] = { 0 };
	struct bytes name;
	enum code code = OK;

	for (int i = 0; i < given->argc && !code; i++)
		if (is_flag(given->argv[i], &name) && !bytes_equal(name, bytes_text("config")))
			code = read_flag(given->argv[i], name, seen, config, err);
	return code;
}

/* Which file somebody named, NULL: nobody did. */
static enum code named_file(const struct config_given *given, const char **ret_file, struct err *err)
{
	const char *flag = NULL, *variable = NULL;

	for (int i = 0; i < given->argc; i++) {
		if (!strcmp(given->argv[i], "--config"))
			return fail(err, E_FORM, "--config has no value: write it in one word: --config=FILE");
		if (!starts_with(given->argv[i], file_flag))
			continue;
		if (flag)
			return fail(err, E_FORM, "--config is given twice: keep one");
		flag = given->argv[i] + strlen(file_flag);
	}
	for (char **at = given->environment; at && *at; at++) {
		if (!starts_with(*at, file_variable))
			continue;
		if (variable)
			return fail(err, E_FORM, "WARREN_CONFIG is in the environment twice: keep one");
		variable = *at + strlen(file_variable);
	}
	*ret_file = flag ? flag : variable;
	return OK;
}

static enum code read_layers(const struct config_given *given, struct config *config, struct err *err)
{
	const char *named = NULL;
	enum code code = named_file(given, &named, err);

	if (!code && (!named || *named))
		code = read_file(named ? named : given->file ? given->file : usual_file, !named, config, err);
	if (!code)
		code = read_environment(given->environment, config, err);
	return code ? code : read_flags(given, config, err);
}

/* The flags go behind the rest, both in their order. */
static int rest_first(const struct config_given *given)
{
	char **argv = given->argv;
	struct bytes name;
	int rest = 0;

	for (int i = 0; i < given->argc; i++) {
		char *word = argv[i];

		if (is_flag(word, &name))
			continue;
		memmove(&argv[rest + 1], &argv[rest], (size_t)(i - rest) * sizeof *argv);
		argv[rest++] = word;
	}
	return rest;
}

enum code config_read(const struct config_given *given, struct config *ret_config, int *ret_rest, struct err *err)
{
	struct config config;
	enum code code;

	config_usual(&config);
	code = read_layers(given, &config, err);
	if (code)
		return code;
	*ret_config = config;
	*ret_rest = rest_first(given);
	return OK;
}

const char *config_needs_restart(const struct config *now, const struct config *next)
{
	static _Thread_local char names[OPTIONS_MAX * (OPTION_NAME_MAX + 2)];
	struct buf text = buf_over(names, sizeof names);

	for (size_t i = 0; i < config_options_count; i++) {
		if (config_options[i].is_live || config_same(&config_options[i], now, next))
			continue;
		buf_put_text(&text, text.size ? ", " : "");
		buf_put_text(&text, config_options[i].name);
	}
	buf_put_byte(&text, '\0');
	return text.size > 1 ? names : NULL;
}
