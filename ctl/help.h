/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CTL_HELP_H
#define WARREN_CTL_HELP_H

/* All that the table of commands says of itself: help, the manual's page, its document, and what shells complete. */

#include "ctl/ctl.h"

/* Of everything, of a group (`command` NULL), or of a command. */
enum exit_status help_show(struct ctl *ctl, const char *group, const struct command *command);

/* What could have been said, to standard error. */
void help_refuse(struct ctl *ctl, const char *group);

void help_all(const struct commands *commands, struct page *page);
void help_group(const struct commands *commands, const char *group, struct page *page);
void help_command(const struct command *command, struct page *page);

/* The page for man, and docs/wgctl.md. */
void manual_roff(const struct commands *commands, struct buf *out);
void manual_markdown(const struct commands *commands, struct buf *out);

void completion_bash(const struct commands *commands, struct buf *out);
void completion_zsh(const struct commands *commands, struct buf *out);
void completion_fish(const struct commands *commands, struct buf *out);

/* Whether this is the first command of its group, so that what walks the table sees each group once. */
bool group_begins(const struct commands *commands, size_t at);

/* What --json, the socket and the exit status are about, for help and manual alike. */
extern const char *const help_exit_statuses[4];

#endif
