/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_CTL_HANDLERS_H
#define WARREN_CTL_HANDLERS_H

/* What the commands of the table do. */

#include "ctl/command.h"

#define HANDLERS(X)              \
	X(run_cluster_init)      \
	X(run_cluster_status)    \
	X(run_cluster_members)   \
	X(run_cluster_conflicts) \
	X(run_cluster_watch)     \
	X(run_cluster_doctor)    \
	X(run_node_invite)       \
	X(run_node_invites)      \
	X(run_node_uninvite)     \
	X(run_node_join)         \
	X(run_node_list)         \
	X(run_node_set)          \
	X(run_node_drain)        \
	X(run_node_evict)        \
	X(run_operator_list)     \
	X(run_operator_add)      \
	X(run_operator_remove)   \
	X(run_operator_export)   \
	X(run_get)               \
	X(run_kind_list)         \
	X(run_kind_show)         \
	X(run_kind_add)          \
	X(run_kind_set)          \
	X(run_kind_rm)           \
	X(run_completion)        \
	X(run_man)               \
	X(run_help)

#define X(name) enum exit_status name(struct ctl *ctl, const struct given *given);
HANDLERS(X)
#undef X

#endif
