/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FOUNDING_H
#define WARREN_FOUNDING_H

/*
 * The first three statements of a cluster: the cluster itself, an invite for its founder, and the founder's admission;
 * and the first records: the founder's gateway, and the cluster's settings.
 */

#include "agent/identity.h"
#include "agent/operator.h"
#include "crdt/state/judge.h"

struct founding {
	struct bytes name;
	struct gateway_row gateway; /* what is known of it; no nonce */
	struct wall_time now;
};

struct founded {
	struct identity *identity; /* the caller's to free, as the two below */
	struct operator_key *root;
	char recovery_key[RECOVERY_KEY_MAX];
	struct id gateway;
	struct bytes statements[3]; /* in the arena, as the changes */
	struct change changes[2];
};

/* E_VALUE, E_LIMIT: the name, or something of the gateway. */
enum code founding_make(const struct founding *founding, struct arena *arena, struct founded *ret_founded,
			struct err *err);
void founded_done(struct founded *founded);

#endif
