/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/help.h"

/*
 * Scripts that hold all words of the table: a shell completes without starting wgctl. Descriptions stand between single
 * quotes; no word of the table has one, only texts about them do.
 */

/* Text between single quotes, for all three shells. */
static void put_quoted(const char *text, struct buf *out)
{
	buf_put_byte(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			buf_put_text(out, "'\\''");
		else
			buf_put_byte(out, (uint8_t)*text);
	}
	buf_put_byte(out, '\'');
}

static void put_all(struct buf *out, const char *const *texts)
{
	for (; *texts; texts++)
		buf_put_text(out, *texts);
}
#define PUT(out, ...) put_all(out, (const char *const[]){ __VA_ARGS__, NULL })

static void put_choices(const char *choices, struct buf *out)
{
	for (; *choices; choices++)
		buf_put_byte(out, *choices == '|' ? ' ' : (uint8_t)*choices);
}

/* Every group's words once, the kinds' plurals not among them: that would be two words for each. */
static void put_groups(const struct commands *commands, struct buf *out)
{
	for (size_t i = 0; i < commands->count; i++)
		if (group_begins(commands, i))
			PUT(out, i ? " " : "", commands->all[i].group);
}

static void put_names(const struct commands *commands, const char *group, struct buf *out)
{
	const char *between = "";

	for (size_t i = 0; i < commands->count; i++)
		if (!strcmp(commands->all[i].group, group) && commands->all[i].name) {
			PUT(out, between, commands->all[i].name);
			between = " ";
		}
}

static void put_options(const struct option *options, struct buf *out)
{
	for (const struct option *option = options; option && option->name; option++)
		PUT(out, "--", option->name, " ");
}

/* --- bash */

static void bash_names(const struct commands *commands, struct buf *out)
{
	for (size_t i = 0; i < commands->count; i++) {
		if (!group_begins(commands, i) || !commands->all[i].name)
			continue;
		PUT(out, "    ", commands->all[i].group, ") words='");
		put_names(commands, commands->all[i].group, out);
		PUT(out, "' ;;\n");
	}
}

static void bash_options(const struct commands *commands, struct buf *out)
{
	for (size_t i = 0; i < commands->count; i++) {
		const struct command *command = &commands->all[i];

		PUT(out, "    '", command->group, command->name ? " " : "", command->name ? command->name : "",
		    "') words='");
		put_options(command->options, out);
		put_options(common_options, out);
		for (size_t j = 0; j < ARGUMENTS_MAX; j++)
			if (command->arguments[j].choices)
				put_choices(command->arguments[j].choices, out);
		PUT(out, "' ;;\n");
	}
}

static void bash_values(const struct commands *commands, struct buf *out)
{
	for (size_t i = 0; i < commands->count; i++) {
		const struct command *command = &commands->all[i];

		for (const struct option *option = command->options; option && option->name; option++) {
			if (!option->choices)
				continue;
			PUT(out, "    '", command->group, command->name ? " " : "", command->name ? command->name : "",
			    " --", option->name, "') words='");
			put_choices(option->choices, out);
			PUT(out, "' ;;\n");
		}
	}
}

/* Options whose value is none of the words: what comes is a file, or is left to the person. */
static void bash_free(const struct commands *commands, struct buf *out)
{
	for (size_t i = 0; i < commands->count; i++) {
		const struct command *command = &commands->all[i];

		for (const struct option *option = command->options; option && option->name; option++)
			if (option->form == FORM_FILE)
				PUT(out, "    '", command->group, command->name ? " " : "",
				    command->name ? command->name : "", " --", option->name, "') files=1 ;;\n");
			else if (option->value && !option->choices)
				PUT(out, "    '", command->group, command->name ? " " : "",
				    command->name ? command->name : "", " --", option->name, "') return ;;\n");
	}
}

void completion_bash(const struct commands *commands, struct buf *out)
{
	PUT(out, "# bash completion for wgctl\n\n"
		 "_wgctl() {\n"
		 "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
		 "  local group=${COMP_WORDS[1]-} name=${COMP_WORDS[2]-} words='' files='' command\n"
		 "  COMPREPLY=()\n"
		 "  if ((COMP_CWORD == 1)); then\n"
		 "    words='");
	put_groups(commands, out);
	PUT(out, "'\n    mapfile -t COMPREPLY < <(compgen -W \"$words --help --version\" -- \"$word\")\n"
		 "    return\n  fi\n"
		 "  case $group in\n");
	bash_names(commands, out);
	PUT(out, "  esac\n"
		 "  if [[ -n $words ]]; then\n"
		 "    if ((COMP_CWORD == 2)); then\n"
		 "      mapfile -t COMPREPLY < <(compgen -W \"$words --help\" -- \"$word\")\n"
		 "      return\n    fi\n"
		 "    command=\"$group $name\"\n"
		 "  else\n    command=$group\n  fi\n"
		 "  words=''\n"
		 "  case \"$command $before\" in\n");
	bash_values(commands, out);
	bash_free(commands, out);
	PUT(out, "    *' --socket') files=1 ;;\n  esac\n"
		 "  if [[ -n $files ]]; then\n"
		 "    mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
		 "    return\n  fi\n"
		 "  if [[ -z $words ]]; then\n"
		 "    case $command in\n");
	bash_options(commands, out);
	PUT(out, "    esac\n  fi\n"
		 "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
		 "}\n\ncomplete -F _wgctl wgctl\n");
}

/* --- zsh */

/* '--name=[about]:VALUE:(a b)', as _arguments reads it: brackets and colons of the text would end it early. */
static void zsh_option(const struct option *option, struct buf *out)
{
	char about[300];
	size_t used = 0;

	for (const char *at = option->about; *at && used + 2 < sizeof about; at++) {
		if (*at == '[' || *at == ']' || *at == ':' || *at == '\\')
			about[used++] = '\\';
		about[used++] = *at;
	}
	about[used] = '\0';
	PUT(out, "        ");
	struct buf spec = buf_growing(4096);
	PUT(&spec, option->is_list ? "*" : "", "--", option->name, option->value ? "=" : "", "[", about, "]");
	if (option->choices) {
		PUT(&spec, ":value:(");
		put_choices(option->choices, &spec);
		PUT(&spec, ")");
	} else if (option->value) {
		PUT(&spec, option->form == FORM_FILE ? ":file:_files" : ":value: ");
	}
	buf_put_byte(&spec, '\0');
	put_quoted((const char *)spec.data, out);
	PUT(out, " \\\n");
	buf_done(&spec);
}

static void zsh_command(const struct command *command, struct buf *out)
{
	PUT(out, "    '", command->group, command->name ? " " : "", command->name ? command->name : "",
	    "')\n      _arguments -S \\\n");
	for (const struct option *option = command->options; option && option->name; option++)
		zsh_option(option, out);
	for (const struct option *option = common_options; option->name; option++)
		zsh_option(option, out);
	for (size_t i = 0; i < ARGUMENTS_MAX && command->arguments[i].name; i++) {
		PUT(out, "        ':", command->arguments[i].choices ? "value:(" : "value: ");
		if (command->arguments[i].choices) {
			put_choices(command->arguments[i].choices, out);
			PUT(out, ")");
		}
		PUT(out, "' \\\n");
	}
	PUT(out, "      ;;\n");
}

static void zsh_described(const char *word, const char *about, struct buf *out)
{
	struct buf text = buf_growing(4096);

	PUT(&text, word, ":", about);
	buf_put_byte(&text, '\0');
	PUT(out, " ");
	put_quoted((const char *)text.data, out);
	buf_done(&text);
}

static void zsh_group(const struct commands *commands, const char *group, struct buf *out)
{
	PUT(out, "      ", group, ") words_here=(");
	for (size_t i = 0; i < commands->count; i++)
		if (!strcmp(commands->all[i].group, group))
			zsh_described(commands->all[i].name, commands->all[i].about, out);
	PUT(out, " ) ;;\n");
}

void completion_zsh(const struct commands *commands, struct buf *out)
{
	PUT(out, "#compdef wgctl\n\n_wgctl() {\n  local -a words_here\n  local command=$words[2]\n"
		 "  if (( CURRENT == 2 )); then\n    words_here=(");
	for (size_t i = 0; i < commands->count; i++)
		if (group_begins(commands, i))
			zsh_described(commands->all[i].group, group_about(&commands->all[i]), out);
	PUT(out, " )\n    _describe command words_here\n    return\n  fi\n  case $command in\n");
	for (size_t i = 0; i < commands->count; i++)
		if (group_begins(commands, i) && commands->all[i].name)
			zsh_group(commands, commands->all[i].group, out);
	PUT(out, "  esac\n  shift words; (( CURRENT-- ))\n"
		 "  if (( $#words_here )); then\n"
		 "    if (( CURRENT == 2 )); then\n      _describe command words_here\n      return\n    fi\n"
		 "    command+=\" $words[2]\"\n    shift words; (( CURRENT-- ))\n  fi\n"
		 "  case $command in\n");
	for (size_t i = 0; i < commands->count; i++)
		zsh_command(&commands->all[i], out);
	PUT(out, "  esac\n}\n\n_wgctl \"$@\"\n");
}

/* --- fish */

static void fish_option(const char *condition, const struct option *option, struct buf *out)
{
	PUT(out, "complete -c wgctl ", condition, " -l ", option->name);
	if (option->choices) {
		PUT(out, " -x -a '");
		put_choices(option->choices, out);
		PUT(out, "'");
	} else if (option->value) {
		PUT(out, option->form == FORM_FILE ? " -r -F" : " -x");
	}
	PUT(out, " -d ");
	put_quoted(option->about, out);
	PUT(out, "\n");
}

static void fish_command(const struct command *command, struct buf *out)
{
	struct buf condition = buf_growing(4096);

	PUT(&condition, "-n '__wgctl_is ", command->group, " ", command->name ? command->name : "", "'");
	buf_put_byte(&condition, '\0');
	for (const struct option *option = command->options; option && option->name; option++)
		fish_option((const char *)condition.data, option, out);
	for (size_t i = 0; i < ARGUMENTS_MAX; i++)
		if (command->arguments[i].choices) {
			PUT(out, "complete -c wgctl ", (const char *)condition.data, " -a '");
			put_choices(command->arguments[i].choices, out);
			PUT(out, "'\n");
		}
	buf_done(&condition);
}

void completion_fish(const struct commands *commands, struct buf *out)
{
	PUT(out, "# fish completion for wgctl\n\n"
		 "function __wgctl_words\n"
		 "    commandline -opc | string match -v -- '-*'\n"
		 "end\n\n"
		 "function __wgctl_is\n"
		 "    set -l words (__wgctl_words)\n"
		 "    test (count $words) -gt (count $argv); or return 1\n"
		 "    set -l last (math (count $argv) + 1)\n"
		 "    test \"$words[2..$last]\" = \"$argv\"\n"
		 "end\n\n"
		 "function __wgctl_at\n"
		 "    set -l words (__wgctl_words)\n"
		 "    test (count $words) -eq (math (count $argv) + 1); or return 1\n"
		 "    test (count $argv) -eq 0; or test \"$words[2]\" = \"$argv\"\n"
		 "end\n\n"
		 "complete -c wgctl -f\n");
	for (const struct option *option = common_options; option->name; option++)
		fish_option("", option, out);
	for (size_t i = 0; i < commands->count; i++) {
		const struct command *command = &commands->all[i];

		if (group_begins(commands, i)) {
			PUT(out, "complete -c wgctl -n '__wgctl_at' -a ", command->group, " -d ");
			put_quoted(group_about(command), out);
			PUT(out, "\n");
		}
		if (command->name) {
			PUT(out, "complete -c wgctl -n '__wgctl_at ", command->group, "' -a ", command->name, " -d ");
			put_quoted(command->about, out);
			PUT(out, "\n");
		}
		fish_command(command, out);
	}
}
