/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CTL_STATUS_H
#define WARREN_CTL_STATUS_H

/* The cluster's status, as a page and as lines. */

#include "ctl/ctl.h"

/* Says what is wrong, and what a server that is in no cluster has to do. */
enum exit_status status_get(struct ctl *ctl, json_t **ret_document);

/* The whole page, and its table of members alone. */
void status_page(struct page *page, json_t *status, const void *context);
void status_members(struct page *page, json_t *status);

/* What people call a member. */
struct bytes member_name(json_t *member);

#endif
