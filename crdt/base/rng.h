/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_RNG_H
#define WARREN_RNG_H

/*
 * Seeded random numbers: the same seed gives the same bytes, on any machine.
 *
 * The stream is ChaCha20 under the seed, so it is fit for secrets exactly when the seed is: the agent seeds each
 * event from the kernel, the simulator from its own number.
 */

#include "crdt/base/base.h"

struct rng {
	uint8_t seed[32];
	uint64_t block;     /* of the stream, the next to make */
	uint8_t ready[512]; /* bytes made and not yet given out */
	size_t ready_at;
};

struct rng rng_from_seed(const uint8_t seed[32]);
struct rng rng_from_number(uint64_t number);

/* As a fresh one under that seed, without making its room anew. */
void rng_reseed(struct rng *rng, const uint8_t seed[32]);

void rng_fill(struct rng *rng, void *room, size_t size);
uint64_t rng_u64(struct rng *rng);

/* A number below `bound`, every one as likely; `bound` is at least 1. */
uint64_t rng_below(struct rng *rng, uint64_t bound);

#endif
