/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_FIGURE_H
#define WARREN_FIGURE_H

/*
 * What all benchmarks share: clocks, medians, the line that a figure is printed as, and the device that they store.
 */

#include "crdt/base/arena.h"
#include "crdt/base/rng.h"
#include "crdt/model/model.h"
#include "crdt/store.h"

struct figure {
	const char *name, *unit, *demand;
	double value;
	const char *peer; /* who did the same in this run; NULL: nobody */
	double peer_value;
};

/* Prints it as one JSON object. The ratio is ours by the peer's. */
void figure_print(const struct figure *figure);

/* Whether the program was called with --quick: as little work as proves that it runs. */
bool figure_is_quick(int argc, char **argv);

double now_seconds(void);
double median(double *values, size_t count);
double percentile(double *values, size_t count, double share);

/* Ends the program, saying where, unless `code` is OK. */
void must(enum code code, const struct err *err, const char *what);

/* A fresh, empty folder for a state, on the disk that the build lies on; and how many bytes of disk its store takes. */
void state_folder(const char *name, char *room, size_t size);
double state_bytes(const char *folder);

/* A device of 15 fields, and the texts that it borrows. */
struct sample_device {
	struct device_row row;
	char name[32], note[48];
	uint8_t dns[8];
};
void sample_device(struct rng *rng, struct sample_device *ret_device);

/* Merges a row of any kind into the state, under the id that its identity gives, as a write of `at`. */
struct id put_row(struct store_txn *txn, const struct kind *kind, const void *row, uint64_t at, struct arena *arena);

#endif
