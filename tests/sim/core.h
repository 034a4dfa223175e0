/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_CORE_H
#define WARREN_SIM_CORE_H

#include "crdt/node.h"

/* One build of the node; a world may hold several versions. */
struct core {
	const char *name;
	enum code (*state_open)(struct store *store, struct err *err);
	enum code (*node_open)(const struct node_config *config, struct mono_time now, struct node **ret_node,
			       struct err *err);
	void (*node_close)(struct node *node);
	enum code (*node_step)(struct node *node, const struct node_event *event, struct err *err);
	enum code (*node_commit)(struct node *node, enum code failed, struct err *err);
	struct mono_time (*node_next)(const struct node *node);
	const struct mesh *(*node_mesh)(const struct node *node);
};

extern const struct core core_now;  /* the shipped one */
extern const struct core core_next; /* over a later model.def */

#endif
