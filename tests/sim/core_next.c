/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/world.h"

/* The next version of the core: the same sources over a model.def with more in it, under names of their own. */

enum code next_state_open(struct store *store, struct err *err);
enum code next_node_open(const struct node_config *config, struct mono_time now, struct node **ret_node,
			 struct err *err);
void next_node_close(struct node *node);
enum code next_node_step(struct node *node, const struct node_event *event, struct err *err);
enum code next_node_commit(struct node *node, enum code failed, struct err *err);
struct mono_time next_node_next(const struct node *node);
const struct mesh *next_node_mesh(const struct node *node);

const struct core core_next = {
	.name = "next",
	.state_open = next_state_open,
	.node_open = next_node_open,
	.node_close = next_node_close,
	.node_step = next_node_step,
	.node_commit = next_node_commit,
	.node_next = next_node_next,
	.node_mesh = next_node_mesh,
};
