/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CTL_BODY_H
#define WARREN_CTL_BODY_H

/*
 * Requests' bodies from the options that were given, each as the type of its field wants it.
 */

#include "ctl/ctl.h"

/* The object of all options that have a member; the caller's. What is wrong with a value is said (EXIT_USAGE). */
enum exit_status body_make(struct ctl *ctl, const struct given *given, json_t **ret_body);

/* Seconds: "90", "15m", "24h", "7d". */
bool span_read(const char *text, uint64_t *ret_seconds);

/* A whole number and nothing else. */
bool count_read(const char *text, uint64_t *ret_count);

/* A whole file of at most `limit` bytes, "-" for standard input, and a zero behind it; for the caller to free. */
enum exit_status file_read(const char *path, size_t limit, struct buf *ret_text);

#endif
