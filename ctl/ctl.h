/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CTL_CTL_H
#define WARREN_CTL_CTL_H

/*
 * One run of wgctl: what it was asked, whom it talks to, and how it answers. A command's handler makes requests with
 * ctl_call and hands what came back to the output; the status that it returns is the process's.
 */

#include "ctl/args.h"
#include "ctl/client.h"
#include "ctl/output.h"

struct ctl {
	struct arena arena; /* lives as long as the run */
	struct commands commands;
	struct client *client;
	const struct output *output;
	size_t width;       /* of standard output */
	bool has_terminal;  /* standard output is one */
	bool has_colour;    /* on standard output */
	bool has_error_tty; /* standard error is one */
	const char *socket; /* for messages */
};

/* "wgctl: …" to standard error, printable, then the status. */
PRINTF(2, 3) enum exit_status ctl_fail(enum exit_status status, const char *format, ...);

/* A remark to standard error, only when a person reads it. */
PRINTF(2, 3) void ctl_hint(const struct ctl *ctl, const char *format, ...);

/*
 * Makes a request. Not EXIT_DONE: nothing came (EXIT_UNREACHABLE) or it was refused (EXIT_FAILED), and that was said.
 * The document is the caller's; of an empty answer it is a null.
 */
enum exit_status ctl_call(struct ctl *ctl, const struct request *request, json_t **ret_document);

/*
 * A write of a record, which waits for one copy at another member. A cluster of one has no other, which the server says
 * by refusing the number; as nothing was done then, it is asked again without.
 */
enum exit_status ctl_write(struct ctl *ctl, const char *method, const char *path, json_t *body, json_t **ret_document);

/* As ctl_call, but a refusal is the caller's to handle: ctl_refuse says it. */
enum exit_status ctl_try(struct ctl *ctl, const struct request *request, struct answer *ret_answer);
enum exit_status ctl_refuse(struct ctl *ctl, const struct answer *answer);

/* Shows a document by the output and drops it. */
enum exit_status ctl_show(struct ctl *ctl, json_t *document, struct view view);

/* "/api/v1/" and the segments up to NULL, each encoded; in the arena. */
const char *ctl_path(struct ctl *ctl, const char *first, ...) __attribute__((sentinel));

/* For cleanup attributes. */
void json_drop(json_t **document);

/* A member of an object: of another type, or not there, it is empty, 0 or false. */
struct bytes json_text_in(json_t *object, const char *name);
long long json_number_in(json_t *object, const char *name);
bool json_truth_in(json_t *object, const char *name);

/* SIZE and text of it, for "%.*s". */
#define BYTES(bytes) (int)(bytes).size, (bytes).data ? (const char *)(bytes).data : ""

#endif
