/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/help.h"

#include "crdt/base/text.h"

#include <stdio.h>

static void put_all(struct buf *out, const char *const *texts)
{
	for (; *texts; texts++)
		buf_put_text(out, *texts);
}
#define PUT(out, ...) put_all(out, (const char *const[]){ __VA_ARGS__, NULL })

static const char about_all[] = "wgctl asks the agent of this server, over its unix socket; any server of a cluster "
				"answers everything. Who may "
				"use the socket, root and the members of its group, is an owner of the cluster.";
static const char about_records[] =
	"Each kind of record has the commands list, show, add, set and rm, as far as people may do that; in place of "
	"its "
	"name the plural may stand. A record is named by its id, 32 hex digits, or by its name where the kind has one. "
	"The options of add and set are its fields. Lists are separated by commas, or their option is given again; "
	"lists "
	"of objects are JSON. Times are as in 2026-12-31T00:00:00Z. A duration is in seconds, or such as 15m, 24h or "
	"7d.";
static const char about_json[] =
	"With --json standard output is one JSON document, as the API answers: what was asked for, or the problem "
	"document of a refusal. Lists come whole. cluster watch prints one document a line.";
static const char about_retries[] =
	"When a connection dies midway, what reads is asked again, and so is what makes something, with the "
	"Idempotency-Key of the first time, so that it is made once. What changes or removes is not: look before you "
	"ask "
	"again.";

/* As a sentence begins: the table has them without capitals, for lists. */
static void put_capital(const char *text, void (*put)(const char *text, struct buf *out), struct buf *out)
{
	const char first[] = { *text >= 'a' && *text <= 'z' ? (char)(*text - 'a' + 'A') : *text, '\0' };

	put(first, out);
	put(*text ? text + 1 : "", out);
}

static void put_plain(const char *text, struct buf *out)
{
	buf_put_text(out, text);
}

/* Broken into lines as the other documents are. */
enum { PARAGRAPH_WIDTH = 118 };

static void put_paragraph(const char *text, struct buf *out)
{
	struct page page = page_make(PAGE_ENDLESS, false);

	page_wrap(&page, 0, PARAGRAPH_WIDTH, text);
	buf_put_bytes(out, buf_bytes(&page.text));
	page_done(&page);
}

static bool is_first_of_kind(const struct commands *commands, size_t at)
{
	return commands->all[at].kind && group_begins(commands, at);
}

/* The command of the kind whose options are most telling: those of add name every field that can be given. */
static const struct command *telling(const struct commands *commands, size_t at)
{
	const struct command *found = NULL;

	for (size_t i = at; i < commands->count && commands->all[i].kind == commands->all[at].kind; i++)
		if (!strcmp(commands->all[i].name, "add") || (!found && !strcmp(commands->all[i].name, "set")))
			found = &commands->all[i];
	return found;
}

/* Of a kind's commands, "list, show, rm". */
static void put_verbs(const struct commands *commands, size_t at, struct buf *out)
{
	for (size_t i = at; i < commands->count && commands->all[i].kind == commands->all[at].kind; i++)
		PUT(out, i > at ? ", " : "", commands->all[i].name);
}

/* --- roff */

/* A line of text in ASCII: a dash is a real one, and a line that begins with a dot is no request. */
static void roff_text(const char *text, struct buf *out)
{
	struct bytes left = bytes_text(text);

	if (*text == '.' || *text == '\'')
		buf_put_text(out, "\\&");
	while (left.size) {
		char escaped[16];
		uint32_t point = '?';
		size_t length = text_decode(left, &point);

		snprintf(escaped, sizeof escaped, "\\[u%04X]", point);
		if (point == '-')
			buf_put_text(out, "\\-");
		else if (point == '\\')
			buf_put_text(out, "\\e");
		else if (point < 0x80)
			buf_put_byte(out, (uint8_t)point);
		else
			buf_put_text(out, escaped);
		length = length ? length : 1;
		left = bytes_of(left.data + length, left.size - length);
	}
}

static void roff_option(const struct option *option, struct buf *out)
{
	PUT(out, ".TP\n\\fB\\-\\-");
	roff_text(option->name, out);
	PUT(out, "\\fR");
	if (option->value) {
		PUT(out, " \\fI");
		roff_text(option->value, out);
		PUT(out, "\\fR");
	}
	PUT(out, "\n");
	roff_text(option->about, out);
	PUT(out, option->is_required ? " (must be given)\n" : "\n");
}

static void roff_options(const struct option *options, struct buf *out)
{
	if (!options || !options->name)
		return;
	PUT(out, ".RS\n");
	for (const struct option *option = options; option->name; option++)
		roff_option(option, out);
	PUT(out, ".RE\n");
}

static void roff_example(const char *example, struct buf *out)
{
	PUT(out, ".IP\n.nf\n");
	roff_text(example, out);
	PUT(out, "\n.fi\n");
}

static void roff_command(const struct command *command, struct buf *out)
{
	struct buf usage = buf_growing(1 << 16);

	command_usage(command, &usage);
	buf_put_byte(&usage, '\0');
	PUT(out, ".TP\n\\fB");
	roff_text((const char *)usage.data, out);
	PUT(out, "\\fR\n");
	put_capital(command->about, roff_text, out);
	PUT(out, ".\n");
	if (command->detail) {
		roff_text(command->detail, out);
		PUT(out, "\n");
	}
	roff_options(command->options, out);
	roff_example(command->example, out);
	buf_done(&usage);
}

static void roff_kind(const struct commands *commands, size_t at, struct buf *out)
{
	const struct command *command = telling(commands, at);

	PUT(out, ".SS ");
	roff_text(commands->all[at].group, out);
	PUT(out, "\n");
	put_capital(group_about(&commands->all[at]), roff_text, out);
	PUT(out, ". Commands: ");
	put_verbs(commands, at, out);
	PUT(out, ".\n");
	if (command)
		roff_options(command->options, out);
}

static void roff_section(const char *title, const char *text, struct buf *out)
{
	PUT(out, ".SH ", title, "\n");
	roff_text(text, out);
	PUT(out, "\n");
}

void manual_roff(const struct commands *commands, struct buf *out)
{
	static const char *const digits[] = { "0", "1", "2", "3" };

	PUT(out, ".TH WGCTL 1 \"\" \"Warren " WARREN_VERSION "\"\n.SH NAME\nwgctl \\- one command for the servers of a "
		 "Warren cluster\n.SH SYNOPSIS\n\\fBwgctl\\fR \\fIGROUP\\fR \\fICOMMAND\\fR [\\fIARGUMENTS\\fR] "
		 "[\\fIOPTIONS\\fR]\n");
	roff_section("DESCRIPTION", about_all, out);
	roff_section("OPTIONS", "Every command takes these:", out);
	roff_options(common_options, out);
	PUT(out, ".SH COMMANDS\n");
	for (size_t i = 0; i < commands->count; i++)
		if (!commands->all[i].kind)
			roff_command(&commands->all[i], out);
	roff_section("RECORDS", about_records, out);
	for (size_t i = 0; i < commands->count; i++)
		if (is_first_of_kind(commands, i))
			roff_kind(commands, i, out);
	roff_section("JSON", about_json, out);
	roff_section("LOST CONNECTIONS", about_retries, out);
	PUT(out, ".SH EXIT STATUS\n");
	for (size_t i = 0; i < COUNT(digits); i++)
		PUT(out, ".TP\n", digits[i], "\n", help_exit_statuses[i], "\n");
	PUT(out, ".SH ENVIRONMENT\n.TP\nWARREN_SOCKET\nwhere the agent listens, unless \\-\\-socket says so.\n"
		 ".TP\nNO_COLOR\nwhen set, nothing is coloured.\n"
		 ".SH FILES\n.TP\n/run/warren/warrend.sock\nwhere the agent usually listens.\n");
}

/* --- Markdown */

/* A cell of a table: what would end it is written otherwise. */
static void cell(const char *text, struct buf *out)
{
	for (; *text; text++) {
		if (*text == '|')
			buf_put_byte(out, '\\');
		buf_put_byte(out, (uint8_t)*text);
	}
}

static void markdown_options(const struct option *options, struct buf *out)
{
	if (!options || !options->name)
		return;
	PUT(out, "\n| option | what |\n|---|---|\n");
	for (const struct option *option = options; option->name; option++) {
		PUT(out, "| `--", option->name, option->value ? " " : "");
		cell(option->value ? option->value : "", out);
		PUT(out, "` | ");
		cell(option->about, out);
		PUT(out, option->is_required ? " (must be given) |\n" : " |\n");
	}
}

static void markdown_command(const struct command *command, struct buf *out)
{
	struct buf text = buf_growing(1 << 16);

	PUT(out, "\n### wgctl ");
	command_words(command, out);
	PUT(out, "\n\n    ");
	command_usage(command, out);
	PUT(out, "\n\n");
	put_capital(command->about, put_plain, &text);
	PUT(&text, ".", command->detail ? " " : "", command->detail ? command->detail : "");
	buf_put_byte(&text, '\0');
	put_paragraph((const char *)text.data, out);
	buf_done(&text);
	markdown_options(command->options, out);
	PUT(out, "\nExample:\n\n    ", command->example, "\n");
}

static void markdown_kind(const struct commands *commands, size_t at, struct buf *out)
{
	const struct command *command = telling(commands, at);
	struct buf text = buf_growing(1 << 16);

	PUT(out, "\n### wgctl ", commands->all[at].group, "\n\n");
	put_capital(group_about(&commands->all[at]), put_plain, &text);
	PUT(&text, ". Commands: ");
	put_verbs(commands, at, &text);
	PUT(&text, ".");
	buf_put_byte(&text, 0);
	put_paragraph((const char *)text.data, out);
	buf_done(&text);
	if (command)
		markdown_options(command->options, out);
}

void manual_markdown(const struct commands *commands, struct buf *out)
{
	static const char *const digits[] = { "0", "1", "2", "3" };

	PUT(out,
	    "# wgctl\n\nMade from the table of commands by `wgctl man --markdown`; a test proves the two equal.\n\n");
	put_paragraph(about_all, out);
	PUT(out, "\n## Options of every command\n");
	markdown_options(common_options, out);
	PUT(out, "\n");
	put_paragraph(about_json, out);
	PUT(out, "\n");
	put_paragraph(about_retries, out);
	PUT(out, "\n| exit status | what |\n|---|---|\n");
	for (size_t i = 0; i < COUNT(digits); i++)
		PUT(out, "| ", digits[i], " | ", help_exit_statuses[i], " |\n");
	PUT(out, "\n## Commands\n");
	for (size_t i = 0; i < commands->count; i++)
		if (!commands->all[i].kind)
			markdown_command(&commands->all[i], out);
	PUT(out, "\n## Records\n\n");
	put_paragraph(about_records, out);
	for (size_t i = 0; i < commands->count; i++)
		if (is_first_of_kind(commands, i))
			markdown_kind(commands, i, out);
}
