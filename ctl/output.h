/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CTL_OUTPUT_H
#define WARREN_CTL_OUTPUT_H

/*
 * How answers are shown: as text for people, or as the API's own JSON, one document for one run.
 */

#include "ctl/command.h"
#include "ctl/page.h"

#include <jansson.h>

/* How people see a document. */
struct view {
	void (*show)(struct page *page, json_t *document, const void *context);
	const void *context;
};

struct output {
	enum exit_status (*answer)(struct ctl *ctl, json_t *document, struct view view);
	/* The problem document of what was refused; a null when there was none. The text is said anyhow. */
	enum exit_status (*problem)(struct ctl *ctl, json_t *problem);
	/* One of many that follow each other while something is watched. */
	enum exit_status (*tick)(struct ctl *ctl, json_t *document, struct view view);
};

extern const struct output output_text, output_json;

/* JSON text without any character that a terminal would act on, even inside strings: those are escaped. */
void json_put_safe(json_t *document, size_t flags, struct buf *out);

/* To standard output at once; EXIT_FAILED, said, when that cannot be. */
enum exit_status output_write(struct bytes text);

#endif
