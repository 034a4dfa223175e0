/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SNAPSHOT_H
#define WARREN_SNAPSHOT_H

/*
 * Taking a snapshot: from a donor that the caller names, all of it into memory (taker.h), then into place (install.h).
 * Whether it is joined or replaces what is here is the caller's to say, and also with whom to try again.
 *
 * What was put in place is unproven until witnesses weigh the same at equal vectors. That is kept on the disk, with the
 * sources: the donor, and its sources if it was unproven itself; after joining while unproven those of before as well.
 * Records carry no signatures, so what one source made up all have who have their state from it. Therefore a witness is
 *
 * - a member that is no source and is proven, or whose sources are none of ours and not this member: two of them, or as
 *   many as there are;
 * - or a proven source, where there are several, for one alone cannot have made up what another has: two of all these.
 *
 * There are three exceptions, since nobody would be left otherwise. In a cluster of three the only other one is a
 * witness wherever it has its state from. So are those who have just joined, to each other, where there are none but
 * the sources beside them. And once a source has been evicted everybody is: the operator has judged. Where all others
 * have their state from the same source, and it is still a member, the operator is told to evict it.
 */

#include "crdt/gossip/sources.h"
#include "crdt/gossip/taker.h"
#include "crdt/state/install.h"

struct peer;

enum { SNAPSHOT_WITNESSES = 2 };

#define SNAPSHOT_AGAIN (UINT64_C(1) * 1000000000)

/* Where nobody could bear it out, somebody may be about to be able to. */
#define SNAPSHOT_PATIENCE (UINT64_C(30) * 1000000000)

enum snapshot_stage {
	SNAPSHOT_NONE,
	SNAPSHOT_COMES,
	SNAPSHOT_FAILED, /* `why` says so; to be begun anew */
	SNAPSHOT_READY,  /* to be installed */
};

struct snapshot {
	enum snapshot_stage stage;
	struct taker taker;
	uint32_t link; /* of the donor */
	char why[160];
	struct mono_time full; /* when the disk had no room for it; 0: that was not seen */

	bool is_unproven;
	struct sources sources; /* of what is unproven */
	struct mono_time alone; /* since when there is nobody who could bear it out; 0: there is */
	bool is_told;           /* to the operator */
	bool is_blank;          /* there was nothing here when it was first needed */
	uint64_t witnesses[SNAPSHOT_WITNESSES];
	size_t witnesses_count;
	struct mono_time asked;
};

/* Begins, whatever was under way; the donor's link is open, or it fails at once. */
void snapshot_begin(struct mesh *mesh, const struct peer *donor);
void snapshot_give_up(struct mesh *mesh);
void snapshot_refuse(struct mesh *mesh, const char *why); /* it is to be begun anew, with whomever */

/* E_FORM and so on are the donor's doing. */
enum code snapshot_receive(struct mesh *mesh, struct link *link, const struct frame *frame, struct err *err);

/* The link is gone. */
void snapshot_lost(struct mesh *mesh, const struct link *link);

/* Says what is to be asked on the link. */
void snapshot_flush(struct mesh *mesh, struct link *link);
enum code snapshot_tick(struct mesh *mesh, struct err *err);

/*
 * Puts it in place, in a transaction of its own, while none is open, and makes the memory anew. The stage is then
 * SNAPSHOT_NONE; SNAPSHOT_FAILED when the donor's state does not fit ours; or SNAPSHOT_READY as before, when the disk
 * is full, and it may be tried again: all of it, so not before SNAPSHOT_AGAIN. E_IO, E_DAMAGED. *ret_installed is in
 * mesh->arena, and zeroed if nothing was.
 */
enum snapshot_way { SNAPSHOT_JOIN, SNAPSHOT_REPLACE };
enum code snapshot_install(struct mesh *mesh, enum snapshot_way way, struct installed *ret_installed, struct err *err);

/* From the disk, whether its state is unproven. */
enum code snapshot_open(struct mesh *mesh, struct err *err);

/* A member's buckets weigh what ours do, at equal vectors. */
enum code snapshot_witnessed(struct mesh *mesh, const struct peer *peer, struct err *err);
void snapshot_done(struct snapshot *snapshot);

#endif
