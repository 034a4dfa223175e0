/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_TEST_SHIM_H
#define WARREN_TEST_SHIM_H

/*
 * Stands between LMDB and the disk: the program that links it has its own pwrite, writev, fdatasync and the like.
 * What they do to one watched file is written down, or made to fail.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum shim_what {
	SHIM_WRITE,   /* in the kernel, on the disk only after a sync */
	SHIM_DURABLE, /* a write that syncs its own bytes before it returns */
	SHIM_SYNC,
	SHIM_MARK,
};

struct shim_event {
	enum shim_what what;
	uint64_t offset; /* or the number of a mark */
	uint8_t *data;
	size_t size;
};

/* From now on, what is done to the file at `path` counts; NULL ends it. */
void shim_watch(const char *path);

/* All of it, since `shim_watch`, in order. */
const struct shim_event *shim_log(size_t *ret_count);
void shim_mark(uint64_t number);
void shim_forget(void);

/*
 * The n-th call from now (1 is the next) fails with `number` instead of being carried out; 0 for none. A sync that
 * fails is told to every other open file too, once, as Linux does.
 */
enum shim_calls { SHIM_ANY_CALL, SHIM_WRITES_ONLY };
void shim_fail(unsigned n, int number, enum shim_calls calls);

/* Whether the call that was to fail has come. */
bool shim_has_failed(enum shim_what *ret_what);

#endif
