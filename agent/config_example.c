/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config_table.h"

static const char head[] = "# /etc/warren/warrend.conf: how the agent of this server is set up.\n"
			   "#\n"
			   "# Every line here is a comment, and every value the usual one: uncomment what you\n"
			   "# change. Lists are parted by commas. The environment goes before this file, and\n"
			   "# flags go before both: WARREN_LOG_LEVEL=debug, --log.level=debug.\n"
			   "# `systemctl reload warrend` takes up what is marked (live); the rest waits for a\n"
			   "# restart.\n";

static void write_about(const char *about, struct buf *out)
{
	for (const char *end; *about; about = *end ? end + 1 : end) {
		end = strchrnul(about, '\n');
		buf_put_text(out, "# ");
		buf_put(out, about, (size_t)(end - about));
		buf_put_text(out, "\n");
	}
}

void config_write_example(struct buf *out)
{
	buf_put_text(out, head);
	for (size_t i = 0; i < config_options_count; i++) {
		const struct option *option = &config_options[i];

		buf_put_text(out, "\n");
		write_about(option->about, out);
		buf_put_text(out, "# Takes ");
		buf_put_text(out, option->form);
		buf_put_text(out, option->is_live ? ". (live)\n#" : ".\n#");
		buf_put_text(out, option->name);
		buf_put_text(out, *option->usual ? " = " : " =");
		buf_put_text(out, option->usual);
		buf_put_text(out, "\n");
	}
}
