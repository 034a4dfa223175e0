/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/stories_inside.h"

#include <stdlib.h>

static const char usage[] = "Usage: stories NAME            print a story\n"
			    "       stories NAME --check    compare it with tests/sim/stories/NAME.txt\n"
			    "       stories NAME --write    make that text anew\n"
			    "       stories --all           tell them all to nobody: what must be true, is\n"
			    "       stories --list          print the names of all\n"
			    "       stories --help          print this\n";

static const struct {
	void (*tell)(void);
	const char *name, *about;
} stories[] = {
#define STORY(function, name, about) { function, name, about },
#include "tests/sim/stories.def"
#undef STORY
};

/* Of the one story that this process tells. */
static const char *name, *about, *order;

const char *story_title(void)
{
	static char title[256];

	snprintf(title, sizeof title, "story: %s: %s", name, about);
	return title;
}

static FILE *open_golden(const char *mode)
{
	char path[1024];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s.txt", STORIES_FOLDER, name);
	file = fopen(path, mode);
	if (!file) {
		perror(path);
		exit(1);
	}
	return file;
}

static size_t read_golden(char **ret_text)
{
	enum { MOST = 1 << 20 };
	FILE *file = open_golden("r");
	char *text = must_alloc(MOST);
	size_t size = fread(text, 1, MOST - 1, file);

	fclose(file);
	*ret_text = text;
	return size;
}

/* The line that a place is in. */
static struct bytes line_at(const char *text, size_t size, size_t at)
{
	size_t from = at, to = at;

	while (from && text[from - 1] != '\n')
		from--;
	while (to < size && text[to] != '\n')
		to++;
	return bytes_of(text + from, to - from);
}

static int compare(const char *told, size_t size)
{
	char *golden;
	size_t golden_size = read_golden(&golden), at = 0;
	struct bytes was, is;

	while (at < size && at < golden_size && told[at] == golden[at])
		at++;
	was = line_at(golden, golden_size, at);
	is = line_at(told, size, at);
	if (at < size || at < golden_size)
		fprintf(stderr,
			"the story goes otherwise than tests/sim/stories/%s.txt says.\nexpected: %.*s\n    told: %.*s\n"
			"If it is right so: stories %s --write, and read what changed.\n",
			name, (int)was.size, (const char *)was.data, (int)is.size, (const char *)is.data, name);
	free(golden);
	return at < size || at < golden_size;
}

void story_end(struct story *story)
{
	int failed = 0;

	check_full(story->check);
	story_must(story, !check_violation(story->check), check_violation(story->check));
	story_flush(story);
	fflush(story->out);
	if (!strcmp(order, "--check")) {
		failed = compare(story->told, story->told_size);
	} else if (!strcmp(order, "--write")) {
		FILE *file = open_golden("w");

		fwrite(story->told, 1, story->told_size, file);
		failed = fclose(file);
	} else if (strcmp(order, "--all") != 0) {
		fwrite(story->told, 1, story->told_size, stdout);
	}
	story_free(story);
	if (failed)
		exit(1);
}

static void tell(size_t i)
{
	name = stories[i].name;
	about = stories[i].about;
	stories[i].tell();
}

static int wrong_usage(const char *what, const char *word)
{
	fprintf(stderr, "stories: %s '%s': see stories --help\n", what, word);
	return 2;
}

static int tell_of(const char *wanted)
{
	for (size_t i = 0; i < COUNT(stories); i++)
		if (!strcmp(stories[i].name, wanted)) {
			tell(i);
			return 0;
		}
	return wrong_usage("there is no story", wanted);
}

int main(int argc, char **argv)
{
	const char *first = argc > 1 ? argv[1] : "--help";

	order = argc > 2 ? argv[2] : "";
	if (argc > 3)
		return wrong_usage("one argument too many:", argv[3]);
	if (!strcmp(first, "--help") || !strcmp(first, "-h")) {
		fputs(usage, argc > 1 ? stdout : stderr);
		return argc > 1 ? 0 : 2;
	}
	if (*first != '-') {
		if (argc > 2 && strcmp(order, "--check") != 0 && strcmp(order, "--write") != 0)
			return wrong_usage("there is no option", order);
		return tell_of(first);
	}
	if (argc > 2)
		return wrong_usage("one argument too many:", order);
	if (!strcmp(first, "--list")) {
		for (size_t i = 0; i < COUNT(stories); i++)
			puts(stories[i].name);
		return 0;
	}
	if (strcmp(first, "--all") != 0)
		return wrong_usage("there is no option", first);
	order = first;
	for (size_t i = 0; i < COUNT(stories); i++)
		tell(i);
	return 0;
}
