/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration files: one that is refused changes nothing and says where; one that is taken, written again from its
 * values alone, is taken as the same.
 */
#include "agent/config_table.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdio.h>

enum { TEXT_MAX = 64 * 1024 };

static void write_addresses(const struct config_addresses *addresses, struct buf *out)
{
	assert(addresses->count <= COUNT(addresses->all));
	for (size_t i = 0; i < addresses->count; i++) {
		const struct transport_address *a = &addresses->all[i];
		bool is_v6 = strchr(a->host, ':');
		char text[TRANSPORT_HOST_MAX + 16];

		assert(*a->host && strnlen(a->host, sizeof a->host) < sizeof a->host);
		snprintf(text, sizeof text, "%s%s%s%s:%u", i ? "," : "", is_v6 ? "[" : "", a->host, is_v6 ? "]" : "",
			 a->port);
		buf_put_text(out, text);
	}
}

static void write_value(const struct option *option, const struct config *config, struct buf *out)
{
	const void *slot = (const uint8_t *)config + option->offset;
	unsigned choice;

	switch (option->type) {
	case OPTION_PATH:
	case OPTION_GROUP:
		assert(strnlen(slot, option->size) < option->size);
		buf_put_text(out, slot);
		return;
	case OPTION_ADDRESSES: write_addresses(slot, out); return;
	case OPTION_CHOICE:
		memcpy(&choice, slot, sizeof choice);
		buf_put_text(out, option->choices[choice]);
		return;
	}
}

static bool is_same(const struct config *a, const struct config *b)
{
	for (size_t i = 0; i < config_options_count; i++)
		if (!config_same(&config_options[i], a, b))
			return false;
	return true;
}

static void check_taken(const struct config *config)
{
	struct buf text = buf_growing(TEXT_MAX);
	struct config again;
	enum code code;

	for (size_t i = 0; i < config_options_count; i++) {
		buf_put_text(&text, config_options[i].name);
		buf_put_text(&text, "=");
		write_value(&config_options[i], config, &text);
		buf_put_text(&text, "\n");
	}
	assert(!text.is_full);
	config_usual(&again);
	code = config_read_text(buf_bytes(&text), "again", &again, NULL);
	assert(!code);
	assert(is_same(config, &again));
	buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_read(data, size);
	struct config config, usual;
	struct err err = { 0 };

	config_usual(&usual);
	config = usual;
	if (config_read_text(input.parts[0], "x.conf", &config, &err)) {
		assert(!strncmp(err.text, "x.conf:", strlen("x.conf:")));
		assert(is_same(&config, &usual));
		return 0;
	}
	if (!is_same(&config, &usual))
		fuzz_taken();
	check_taken(&config);
	return 0;
}

static const char *pick(struct rng *rng, const char *const *texts, size_t count)
{
	return texts[rng_below(rng, count)];
}

static void make_address(struct rng *rng, struct buf *out)
{
	static const char *const hosts[] = { "10.0.0.1",  "[fd00::1]", "[::]",    "",           "a.example", "a-b_c.",
					     "127.0.0.2", "300.0.0.1", "fd00::1", "[10.0.0.1]", "*" };
	static const char *const ports[] = { "", ":1", ":8444", ":65535", ":0", ":9000", ":", ":65536", ":x" };

	/* What is wrong stands at the end of both. */
	buf_put_text(out, pick(rng, hosts, COUNT(hosts) - (rng_below(rng, 8) ? 4 : 0)));
	buf_put_text(out, pick(rng, ports, COUNT(ports) - (rng_below(rng, 8) ? 3 : 0)));
}

static void make_value(struct rng *rng, const struct option *option, struct buf *out)
{
	static const char *const texts[] = { "/srv/warren", "/a b", "/a#b", "/\xc3\xa9", "/x # where", "adm", "" };
	size_t count = 1;

	while (option->choices && option->choices[count])
		count++;
	switch (option->type) {
	case OPTION_PATH: buf_put_text(out, pick(rng, texts, rng_below(rng, 8) ? 5 : COUNT(texts))); return;
	case OPTION_GROUP: buf_put_text(out, texts[5 + rng_below(rng, 2)]); return;
	case OPTION_CHOICE: buf_put_text(out, pick(rng, option->choices, count)); return;
	case OPTION_ADDRESSES:
		for (size_t i = 0, most = rng_below(rng, 4); i < most; i++) {
			buf_put_text(out, i ? ", " : "");
			make_address(rng, out);
		}
		return;
	}
}

static size_t make_input(struct rng *rng, uint8_t *data, size_t max_size)
{
	struct fuzz_input input = { 0 };
	struct buf text = buf_growing(TEXT_MAX);
	size_t size;

	for (size_t i = 0; i < config_options_count; i++) {
		const struct option *option = &config_options[rng_below(rng, 8) ? i : rng_below(rng, i + 1)];

		if (rng_below(rng, 2))
			continue;
		buf_put_text(&text, rng_below(rng, 4) ? "" : "# comment\n");
		buf_put_text(&text, option->name);
		buf_put_text(&text, " = ");
		make_value(rng, option, &text);
		buf_put_text(&text, "\n");
	}
	input.parts[0] = buf_bytes(&text);
	size = fuzz_write(&input, data, max_size);
	buf_done(&text);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct rng rng = rng_from_number(seed);
	size_t made = rng_below(&rng, 2) ? make_input(&rng, data, max_size) : 0;

	return made ? made : fuzz_mutate(data, size, max_size, &rng);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_begin();
	return 0;
}
