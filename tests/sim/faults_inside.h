/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SIM_FAULTS_INSIDE_H
#define WARREN_SIM_FAULTS_INSIDE_H

/*
 * What the parts of faults know of each other: what befalls machines (faults.c), what strangers do (faults_attack.c),
 * what becomes of disks as a whole (faults_disks.c) and of members (faults_members.c), and how often (faults_mix.c).
 */

#include "tests/sim/faults.h"

enum {
	COPIES = 4,
	OPERATORS = 6,
	CAPTURES = 64,
	CAPTURE_MAX = 4096,
	FAULT_KINDS = sizeof(struct faults_counts) / sizeof(uint64_t)
};

enum {
	CALL_FAULT = FAULTS_CALLS,
	CALL_MEND,
	CALL_BOOT,
	CALL_JOIN,
	CALL_FLAP,
	CALL_ATTACK,
	CALL_LEAVE,
	CALL_COPY,
	CALL_EVICT,
	CALL_UNDO,
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

/* A machine's disk as it was. */
struct disk_copy {
	struct mem_disk *disk; /* NULL: none */
	struct vector has;
};

/* An operator beside the root. */
struct deputy {
	struct signer signer;
	uint32_t parent; /* OPERATORS: the root */
	bool is_removed;
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
	bool is_healed, is_split, is_mixed, is_copied, evicts;
	struct {
		bool has_joined; /* it has an invite, and started */
		bool is_lost, is_tainted, is_lying, is_booting;
		bool is_evicted, is_heir, is_old;
		struct disk_copy copies[COPIES];
	} state[WORLD_MACHINES_MAX];
	uint32_t clones;
	struct deputy operators[OPERATORS + 1]; /* the last is nobody */
	uint32_t operators_count;
	uint64_t evil; /* the machine of that one; WORLD_MACHINES_MAX: there is none */
	struct capture captures[CAPTURES];
	uint32_t captured, seen;
	uint64_t stranger_link;
	struct faults_counts counts;
	char violation[320];
};

#define FAULTS_MS UINT64_C(1000000)
#define FAULTS_SECOND UINT64_C(1000000000)

PRINTF(2, 3) void faults_complain(struct faults *faults, const char *format, ...);

/* How often one of a kind comes beside the others, in a seed that has it. */
void faults_mix(uint64_t seed, uint32_t weights[FAULTS_ALL]);

/* Whether the cluster's own node is there, or a clone of it. */
bool faults_is_server(const struct faults *faults, uint32_t machine);

/* The machine will never be back. */
void faults_lose(struct faults *faults, uint32_t machine);
bool faults_may_lose(const struct faults *faults);
bool faults_is_well(const struct faults *faults, uint32_t machine);
void faults_boot_later(struct faults *faults, uint32_t machine);

/* --- Disks. */

void faults_befall_disk(struct faults *faults, enum fault fault, struct machine *machine);
void faults_copy(struct faults *faults);
void faults_drop_copies(struct faults *faults);

/* Of two machines with one key one is stopped for good. */
void faults_stop_clones(struct faults *faults);

/* --- Members. */

void faults_befall_member(struct faults *faults, enum fault fault, struct machine *machine);
void faults_undo(struct faults *faults); /* what an operator signed, mostly an eviction */
void faults_evict(struct faults *faults, uint32_t machine);

/* What is lost is evicted, if that happens here at all. */
void faults_evict_lost(struct faults *faults);
bool faults_evict_stuck(struct faults *faults);

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
