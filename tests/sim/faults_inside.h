/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_FAULTS_INSIDE_H
#define WARREN_SIM_FAULTS_INSIDE_H

/*
 * What the halves of faults, what befalls machines (faults.c) and what strangers do (faults_attack.c), know of each
 * other.
 */

#include "tests/sim/faults.h"

enum { CAPTURES = 64, CAPTURE_MAX = 4096, FAULT_KINDS = sizeof(struct faults_counts) / sizeof(uint64_t) };

enum {
	CALL_FAULT = FAULTS_CALLS,
	CALL_MEND,
	CALL_BOOT,
	CALL_JOIN,
	CALL_FLAP,
	CALL_ATTACK,
	CALL_LEAVE,
};

enum fault {
#define X(name) FAULT_##name,
	FAULTS(X)
#undef X
		FAULTS_ALL,
};

/* Bytes that were sent. */
struct capture {
	uint64_t link;
	uint32_t side, size;
	uint8_t bytes[CAPTURE_MAX];
};

struct faults {
	struct world *world;
	struct check *check;
	struct people *people;
	uint32_t machines, founders;
	struct rng rng;
	uint64_t until_ns, pause_ns;
	uint32_t weights[FAULTS_ALL];
	uint32_t flaps;
	bool is_healed, is_split, is_mixed;
	struct {
		bool has_joined; /* it has an invite, and started */
		bool is_lost, is_tainted, is_lying, is_booting;
	} state[WORLD_MACHINES_MAX];
	struct capture captures[CAPTURES];
	uint32_t captured, seen;
	uint64_t stranger_link;
	struct faults_counts counts;
	char violation[320];
};

#define FAULTS_MS UINT64_C(1000000)
#define FAULTS_SECOND UINT64_C(1000000000)

PRINTF(2, 3) void faults_complain(struct faults *faults, const char *format, ...);

/* A machine that is up and well; NULL: none is. */
struct machine *faults_pick(struct faults *faults);

/* Later, with that. */
void faults_later(struct faults *faults, uint32_t what, uint64_t with, uint64_t in_ns);

/* Looks at what the machine sends. */
void faults_tap(struct faults *faults, struct machine *machine);

/* One of the faults that strangers are. */
void faults_attack(struct faults *faults, enum fault fault);
void faults_attack_called(struct faults *faults, uint32_t what, uint64_t with);

#endif
