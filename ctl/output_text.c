/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum exit_status output_write(struct bytes text)
{
	if ((!text.size || fwrite(text.data, 1, text.size, stdout) == text.size) && !fflush(stdout))
		return EXIT_DONE;
	/* Whoever read it has seen enough: head, or a pager that was left. */
	if (errno == EPIPE)
		return EXIT_FAILED;
	return ctl_fail(EXIT_FAILED, "cannot write to standard output: %s", strerror(errno));
}

static enum exit_status show(struct ctl *ctl, json_t *document, struct view view, const char *before)
{
	struct page page = page_make(ctl->width, ctl->has_colour);
	enum exit_status status;

	buf_put_text(&page.text, before);
	view.show(&page, document, view.context);
	status = output_write(buf_bytes(&page.text));
	page_done(&page);
	return status;
}

static enum exit_status text_answer(struct ctl *ctl, json_t *document, struct view view)
{
	return show(ctl, document, view, "");
}

static enum exit_status text_problem(struct ctl *ctl, json_t *problem)
{
	(void)ctl, (void)problem;
	return EXIT_DONE;
}

static enum exit_status text_tick(struct ctl *ctl, json_t *document, struct view view)
{
	/* From the top of the screen, the rest of which is cleared. */
	return show(ctl, document, view, ctl->has_terminal ? "\033[H\033[J" : "");
}

const struct output output_text = { text_answer, text_problem, text_tick };
