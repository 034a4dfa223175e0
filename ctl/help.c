/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/help.h"

#include "ctl/handlers.h"

#include <stdio.h>

enum { HELP_WIDTH = 80, HELP_INDENT = 2 };

const char *const help_exit_statuses[4] = {
	[EXIT_DONE] = "done",
	[EXIT_FAILED] = "failed: the server refused, and the message says why",
	[EXIT_USAGE] = "wrong usage",
	[EXIT_UNREACHABLE] = "not reachable: no answer came from the agent",
};

bool group_begins(const struct commands *commands, size_t at)
{
	return !at || strcmp(commands->all[at].group, commands->all[at - 1].group) != 0;
}

static size_t help_width(const struct page *page)
{
	return page->width < HELP_WIDTH ? page->width : HELP_WIDTH;
}

static void put_pair(struct page *page, const char *word, const char *value, const char *about, size_t column)
{
	char left[160];

	snprintf(left, sizeof left, "  %s%s%s", word, value ? " " : "", value ? value : "");
	page_entry(page, left, column, help_width(page), about);
}

static void put_options(struct page *page, const struct option *options)
{
	char word[80];

	for (const struct option *option = options; option && option->name; option++) {
		snprintf(word, sizeof word, "--%s", option->name);
		put_pair(page, word, option->value, option->about, 28);
	}
}

void help_command(const struct command *command, struct page *page)
{
	struct buf usage = buf_growing(1 << 16);

	command_usage(command, &usage);
	buf_put_byte(&usage, '\0');
	page_line(page, "Usage:");
	page_wrap(page, HELP_INDENT, help_width(page), (const char *)usage.data);
	page_line(page, "%s", "");
	if (command->kind)
		page_wrap(page, 0, help_width(page), group_about(command));
	page_wrap(page, 0, help_width(page), command->about);
	if (command->detail)
		page_wrap(page, 0, help_width(page), command->detail);
	page_line(page, "%s", "");
	for (size_t i = 0; i < ARGUMENTS_MAX && command->arguments[i].name; i++)
		put_pair(page, command->arguments[i].name, NULL, command->arguments[i].about, 28);
	put_options(page, command->options);
	put_options(page, common_options);
	page_line(page, "%s", "");
	page_line(page, "Example:");
	page_wrap(page, HELP_INDENT, help_width(page), command->example);
	buf_done(&usage);
}

void help_group(const struct commands *commands, const char *group, struct page *page)
{
	bool has_title = false;

	for (size_t i = 0; i < commands->count; i++) {
		const struct command *command = &commands->all[i];
		char word[128];

		if (!command_is_of(command, group))
			continue;
		if (!has_title)
			page_line(page, "wgctl %s: %s", command->group, group_about(command));
		has_title = true;
		snprintf(word, sizeof word, "%s %s", command->group, command->name ? command->name : "");
		put_pair(page, word, NULL, command->about, 28);
	}
	page_line(page, "%s", "");
	page_line(page, "wgctl %s COMMAND --help says more of one.", group);
}

void help_all(const struct commands *commands, struct page *page)
{
	page_line(page, "wgctl %s, one command for the servers of a Warren cluster", WARREN_VERSION);
	page_line(page, "%s", "");
	page_line(page, "Usage: wgctl GROUP COMMAND [ARGUMENTS] [OPTIONS]");
	page_line(page, "%s", "");
	for (size_t i = 0; i < commands->count; i++) {
		const struct command *command = &commands->all[i];
		char word[128];

		if (command->kind)
			break;
		snprintf(word, sizeof word, "%s%s%s", command->group, command->name ? " " : "",
			 command->name ? command->name : "");
		put_pair(page, word, NULL, command->about, 24);
	}
	page_line(page, "%s", "");
	page_line(page, "Records, each with list, show, add, set and rm where people may do that:");
	for (size_t i = 0; i < commands->count; i++)
		if (commands->all[i].kind && group_begins(commands, i))
			put_pair(page, commands->all[i].group, NULL, group_about(&commands->all[i]), 24);
	page_line(page, "%s", "");
	page_line(page, "Options of every command:");
	put_options(page, common_options);
	page_line(page, "%s", "");
	page_line(page, "Exit status:");
	for (size_t i = 0; i < COUNT(help_exit_statuses); i++)
		page_line(page, "  %zu  %s", i, help_exit_statuses[i]);
	page_line(page, "%s", "");
	page_line(page, "Example:");
	page_line(page, "  wgctl cluster status");
}

static void fill(struct ctl *ctl, const char *group, const struct command *command, struct page *page)
{
	if (command)
		help_command(command, page);
	else if (group)
		help_group(&ctl->commands, group, page);
	else
		help_all(&ctl->commands, page);
}

enum exit_status help_show(struct ctl *ctl, const char *group, const struct command *command)
{
	struct page page = page_make(ctl->width, false);
	enum exit_status status;

	fill(ctl, group, command, &page);
	status = output_write(buf_bytes(&page.text));
	page_done(&page);
	return status;
}

void help_refuse(struct ctl *ctl, const char *group)
{
	struct page page = page_make(PAGE_ENDLESS, false);

	if (group)
		ctl_fail(EXIT_USAGE, "say which command of %s", group);
	else
		ctl_fail(EXIT_USAGE, "say what to do");
	fill(ctl, group, NULL, &page);
	fprintf(stderr, "\n%.*s", (int)page.text.size, (const char *)page.text.data);
	page_done(&page);
}

enum exit_status run_help(struct ctl *ctl, const struct given *given)
{
	char *words[] = { (char *)(uintptr_t)given->arguments[0], (char *)(uintptr_t)given->arguments[1],
			  (char *)(uintptr_t) "--help" };
	char *asked[3];
	struct given meant;
	struct err err = { 0 };
	int count = 0;

	for (size_t i = 0; i < COUNT(words); i++)
		if (words[i])
			asked[count++] = words[i];
	if (args_read(&ctl->commands, count, asked, &meant, &err))
		return ctl_fail(EXIT_USAGE, "%s", err.text);
	return help_show(ctl, meant.group, meant.command);
}
