/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_AGENT_LOG_H
#define WARREN_AGENT_LOG_H

/*
 * What the agent tells whoever runs it: one line for each event on standard error, as logfmt or as JSON, each written
 * whole, by any thread. Values may come from strangers: they are escaped, cut at 512 bytes, and never begin a line.
 */

#include "crdt/base/base.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_style { LOG_LOGFMT, LOG_JSON };

/* Before there is a second thread; and again when the configuration was read anew. */
void log_setup(enum log_style form, enum log_level level);
bool log_is_on(enum log_level level);

struct log_field {
	const char *name;
	enum { LOG_TEXT, LOG_NUMBER, LOG_HEX } type;
	union {
		const char *text; /* NULL is left out */
		int64_t number;
		uint64_t hex; /* 16 digits */
	};
};

#define LOG_OF_TEXT(name_, value) ((struct log_field){ .name = (name_), .type = LOG_TEXT, .text = (value) })
#define LOG_OF_NUMBER(name_, value) \
	((struct log_field){ .name = (name_), .type = LOG_NUMBER, .number = (int64_t)(value) })
#define LOG_OF_HEX(name_, value) ((struct log_field){ .name = (name_), .type = LOG_HEX, .hex = (value) })

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count);

/* log_say(LOG_INFO, "link is up", LOG_OF_HEX("node", node), …) */
#define log_say(level, message, ...)                                                          \
	log_write((level), (message), (const struct log_field[]){ { 0 }, ##__VA_ARGS__ } + 1, \
		  sizeof((const struct log_field[]){ { 0 }, ##__VA_ARGS__ }) / sizeof(struct log_field) - 1)

#endif
