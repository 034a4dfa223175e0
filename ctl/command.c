/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/command.h"
#include "ctl/handlers.h"

/* --- the commands of the kinds */

const char *word_of(struct arena *arena, const char *name)
{
	char *word = arena_take(arena, strlen(name) + 1);

	for (size_t i = 0; name[i]; i++)
		word[i] = name[i] == '_' ? '-' : name[i];
	return word;
}

static enum form form_of(const struct field *field)
{
	switch ((enum type)field->type) {
	case TYPE_BOOL: return FORM_BOOL;
	case TYPE_UINT:
	case TYPE_COUNT64: return FORM_COUNT;
	case TYPE_INT: return FORM_INT;
	case TYPE_SPAN: return FORM_SPAN;
	case TYPE_CHOICE: return FORM_CHOICE;
	case TYPE_ID: return FORM_ID;
	case TYPE_REF: return FORM_REF;
	case TYPE_PART: return FORM_JSON;
	case TYPE_TIME:
	case TYPE_NODE:
	case TYPE_SLUG:
	case TYPE_LOGIN:
	case TYPE_NAME:
	case TYPE_LINE:
	case TYPE_NOTE:
	case TYPE_HOST:
	case TYPE_URL:
	case TYPE_BYTES:
	case TYPE_KEY:
	case TYPE_ADDRESS:
	case TYPE_NETWORK:
	case TYPE_COUNTER: break;
	}
	return FORM_TEXT;
}

static const char *shown_of(const struct field *field)
{
	switch ((enum type)field->type) {
	case TYPE_BOOL: return "true|false";
	case TYPE_UINT:
	case TYPE_COUNT64:
	case TYPE_INT: return "N";
	case TYPE_SPAN: return "SECONDS";
	case TYPE_TIME: return "TIME";
	case TYPE_ID: return "NAME|ID";
	case TYPE_REF: return "KIND/ID";
	case TYPE_PART: return "JSON";
	case TYPE_SLUG:
	case TYPE_LOGIN:
	case TYPE_NAME: return "NAME";
	case TYPE_HOST: return "HOST";
	case TYPE_URL: return "URL";
	case TYPE_BYTES:
	case TYPE_KEY: return "BASE64";
	case TYPE_ADDRESS: return "ADDRESS";
	case TYPE_NETWORK: return "NETWORK";
	case TYPE_CHOICE:
	case TYPE_NODE:
	case TYPE_LINE:
	case TYPE_NOTE:
	case TYPE_COUNTER: break;
	}
	return "TEXT";
}

static const char *kept(struct arena *arena, struct buf *text)
{
	const char *copy;

	buf_put_byte(text, '\0');
	copy = (const char *)arena_copy(arena, buf_bytes(text)).data;
	buf_done(text);
	return copy;
}

static const char *choices_of(struct arena *arena, const struct field *field)
{
	struct buf text = buf_growing(4096);
	const struct choices *choices;

	if (field->type == TYPE_BOOL)
		return "true|false";
	if (field->type != TYPE_CHOICE)
		return NULL;
	choices = &model_choices[field->of];
	for (size_t i = 0; i < choices->count; i++) {
		if (i)
			buf_put_byte(&text, '|');
		buf_put_text(&text, choices->all[i].name);
	}
	return kept(arena, &text);
}

static struct option option_of(struct arena *arena, const struct field *field)
{
	const char *choices = choices_of(arena, field);
	const char *shown = choices ? choices : shown_of(field);

	if (field->is_list) {
		struct buf text = buf_growing(4096);

		buf_put_text(&text, shown);
		buf_put_text(&text, ",…");
		shown = kept(arena, &text);
	}
	return (struct option){
		.name = word_of(arena, field->name),
		.value = shown,
		.about = field->about,
		.member = field->name,
		.choices = choices,
		.of = field->type == TYPE_ID ? model_kind(field->of) : NULL,
		.form = form_of(field),
		.is_list = field->is_list,
		.is_required = field->is_required,
	};
}

/* Who may use the socket is an owner, and may set what any person may. */
static bool is_settable(const struct field *field)
{
	return !field->is_hidden && (field->by & BY_ALL);
}

static const struct option body_option = {
	.name = "json-body",
	.value = "FILE",
	.about = "a JSON object with fields, - for standard input; options go over it",
	.form = FORM_FILE,
};
static const struct option unset_option = {
	.name = "unset",
	.value = "FIELD",
	.about = "make this field empty",
	.form = FORM_TEXT,
	.is_list = true,
};
static const struct option limit_option = {
	.name = "limit",
	.value = "N",
	.about = "at most so many records",
	.form = FORM_COUNT,
};
static const struct option yes_option = { .name = "yes", .about = "do not ask", .form = FORM_FLAG };

enum verb { VERB_LIST, VERB_SHOW, VERB_ADD, VERB_SET, VERB_RM };

/* What makes a record stays as it is: only what merges can be set anew. */
static size_t put_field_options(struct arena *arena, const struct kind *kind, enum verb verb, struct option *options)
{
	size_t count = 0;

	for (size_t i = 0; i < kind->shape.count; i++) {
		const struct field *field = &kind->shape.fields[i];

		if (!is_settable(field) || (verb == VERB_SET && field_merge(field->number) == MERGE_ONCE))
			continue;
		options[count] = option_of(arena, field);
		options[count++].is_required &= verb == VERB_ADD;
	}
	return count;
}

/* NULL when the verb has nothing to do for this kind. */
static const struct option *verb_options(struct arena *arena, const struct kind *kind, enum verb verb)
{
	struct option *options = arena_take(arena, (kind->shape.count + 3U) * sizeof *options);
	size_t count = 0;

	switch (verb) {
	case VERB_SHOW: return options;
	case VERB_LIST: options[0] = limit_option; return options;
	case VERB_RM: options[0] = yes_option; return options;
	case VERB_ADD:
	case VERB_SET: count = put_field_options(arena, kind, verb, options); break;
	}
	if (!count)
		return NULL;
	options[count++] = body_option;
	if (verb == VERB_SET)
		options[count++] = unset_option;
	return options;
}

static const struct {
	const char *name, *about;
	enum exit_status (*run)(struct ctl *ctl, const struct given *given);
	bool wants_record;
} verbs[] = {
	[VERB_LIST] = { "list", "all of them", run_kind_list, false },
	[VERB_SHOW] = { "show", "one of them, with every field", run_kind_show, true },
	[VERB_ADD] = { "add", "make one", run_kind_add, false },
	[VERB_SET] = { "set", "change fields of one", run_kind_set, true },
	[VERB_RM] = { "rm", "remove one", run_kind_rm, true },
};

/* "wgctl user add --login NAME", with what must be there. */
static const char *example_of(struct arena *arena, const struct command *command)
{
	struct buf text = buf_growing(4096);
	const struct option *option = command->options;

	buf_put_text(&text, "wgctl ");
	command_words(command, &text);
	if (command->arguments[0].name)
		buf_put_text(&text, " 3f2a19c06b1d4e7788aa01c2d3e4f506");
	if (command->run == run_kind_set) {
		buf_put_text(&text, " --");
		buf_put_text(&text, option->name);
		buf_put_text(&text, option->choices ? " " : " …");
		buf_put(&text, option->choices, option->choices ? strcspn(option->choices, "|") : 0);
	}
	for (; command->run == run_kind_add && option->name; option++)
		if (option->is_required) {
			buf_put_text(&text, " --");
			buf_put_text(&text, option->name);
			buf_put_text(&text, option->choices ? " " : " …");
			buf_put(&text, option->choices, option->choices ? strcspn(option->choices, "|") : 0);
		}
	return kept(arena, &text);
}

static size_t put_kind(struct arena *arena, const struct kind *kind, struct command *all)
{
	size_t count = 0;

	for (size_t i = 0; i < COUNT(verbs); i++) {
		struct command *command = &all[count];
		const struct option *options = verb_options(arena, kind, (enum verb)i);

		if (!options)
			continue;
		*command = (struct command){
			.group = word_of(arena, kind->shape.name),
			.alias = word_of(arena, kind->plural),
			.name = verbs[i].name,
			.about = verbs[i].about,
			.options = options,
			.run = verbs[i].run,
			.kind = kind,
		};
		if (verbs[i].wants_record)
			command->arguments[0] = (struct argument){ .name = "NAME|ID", .about = "which" };
		command->example = example_of(arena, command);
		count++;
	}
	return count;
}

struct commands commands_make(struct arena *arena)
{
	size_t own = 0, count;
	struct command *all;

	while (own_commands[own].group)
		own++;
	all = arena_take(arena, (own + MODEL_KINDS * COUNT(verbs)) * sizeof *all);
	memcpy(all, own_commands, own * sizeof *all);
	count = own;
	for (size_t i = 0; i < MODEL_KINDS; i++)
		if ((model_kinds[i].number & 3) == TIER_SHARED)
			count += put_kind(arena, &model_kinds[i], &all[count]);
	return (struct commands){ all, count };
}

/* --- looking things up */

static bool is_same_word(const char *a, const char *b)
{
	size_t i = 0;

	for (; a[i] && b[i]; i++)
		if ((a[i] == '_' ? '-' : a[i]) != (b[i] == '_' ? '-' : b[i]))
			return false;
	return a[i] == b[i];
}

bool command_is_of(const struct command *command, const char *group)
{
	return is_same_word(command->group, group) || (command->alias && is_same_word(command->alias, group));
}

const struct option *command_option(const struct command *command, const char *name)
{
	for (const struct option *option = command->options; option && option->name; option++)
		if (is_same_word(option->name, name))
			return option;
	return NULL;
}

/* --- how it is written */

void command_words(const struct command *command, struct buf *out)
{
	buf_put_text(out, command->group);
	if (command->name) {
		buf_put_byte(out, ' ');
		buf_put_text(out, command->name);
	}
}

void command_usage(const struct command *command, struct buf *out)
{
	bool has_more = false;

	buf_put_text(out, "wgctl ");
	command_words(command, out);
	for (size_t i = 0; i < ARGUMENTS_MAX && command->arguments[i].name; i++) {
		buf_put_text(out, command->arguments[i].is_optional ? " [" : " ");
		buf_put_text(out, command->arguments[i].name);
		buf_put_text(out, command->arguments[i].is_optional ? "]" : "");
	}
	for (const struct option *option = command->options; option && option->name; option++) {
		has_more |= !option->is_required;
		if (!option->is_required)
			continue;
		buf_put_text(out, " --");
		buf_put_text(out, option->name);
		buf_put_byte(out, ' ');
		buf_put_text(out, option->value);
	}
	if (has_more)
		buf_put_text(out, " [OPTIONS]");
}
