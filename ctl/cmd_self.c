/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/handlers.h"
#include "ctl/help.h"

static enum exit_status write_made(const struct commands *commands,
				   void (*make)(const struct commands *commands, struct buf *out))
{
	struct buf text = buf_growing(16 << 20);
	enum exit_status status;

	make(commands, &text);
	status = output_write(buf_bytes(&text));
	buf_done(&text);
	return status;
}

enum exit_status run_completion(struct ctl *ctl, const struct given *given)
{
	/* The table's choices let nothing else through. */
	switch (*given->arguments[0]) {
	case 'b': return write_made(&ctl->commands, completion_bash);
	case 'z': return write_made(&ctl->commands, completion_zsh);
	default: return write_made(&ctl->commands, completion_fish);
	}
}

enum exit_status run_man(struct ctl *ctl, const struct given *given)
{
	return write_made(&ctl->commands, given_value(given, "markdown") ? manual_markdown : manual_roff);
}
