/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_INSTALL_INSIDE_H
#define WARREN_INSTALL_INSIDE_H

/*
 * What the two ways of putting a gift in place share. For nobody else.
 */

#include "crdt/state/install.h"

struct installer {
	struct installing *with;
	struct installed *installed;
	struct known_start {
		uint64_t node, start;
	} * proven; /* starts that a proof closes, of here and of the gift */
	size_t proven_count, proven_room;
	struct vector apart; /* streams of which our end does not lie on the donor's chain, and no proof can be made */
};

typedef enum code install_steps(struct installer *in, struct err *err);
install_steps install_join_steps, install_replace_steps;

bool install_is_closed(const struct installer *in, struct stream stream);

/* Two signed batches that cannot lie on one chain. */
enum code install_fork(struct installer *in, const struct batch *one, const struct batch *other, struct err *err);

/* False of a footprint. The bytes are borrowed as those of the entry are. */
bool install_read_front(const struct logged *logged, struct batch *ret_batch);

/*
 * What the donor merged after it had said what its vector is waits: its records may show it already, and by them alone
 * two members with equal vectors would differ.
 */
enum code install_keep_later(struct installer *in, struct err *err);

/* All ends of a vector into a table. */
enum code install_put_ends(struct installer *in, uint8_t table, const struct vector *vector, struct err *err);

#endif
