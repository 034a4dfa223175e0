/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CTL_TERMINAL_H
#define WARREN_CTL_TERMINAL_H

/* What a person sits at: how wide it is, and questions to them. */

#include "ctl/ctl.h"

/* Fills what `ctl` says of standard output and error. */
void terminal_look(struct ctl *ctl);

/*
 * Whether the answer is yes. Without a person to ask: EXIT_USAGE, said, for only --yes agrees unasked. EXIT_FAILED: the
 * answer was no.
 */
enum exit_status terminal_confirm(const struct given *given, const char *question);

/* Without echo, twice if `is_new`; at most `size` - 1 bytes. Said when there is no terminal. */
enum exit_status terminal_passphrase(char *room, size_t size, bool is_new);

#endif
