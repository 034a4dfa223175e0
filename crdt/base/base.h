/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_BASE_H
#define WARREN_BASE_H

/*
 * What every room of the house stands on: borrowed bytes, ids, and the few macros that C lacks.
 *
 * A `struct bytes` never owns: whoever hands one out says how long it lives.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BIT(n) (UINT64_C(1) << (n))

/* Runs `destroy(&variable)` when the variable leaves its scope; for shell code. */
#define CLEANUP(destroy) __attribute__((cleanup(destroy)))

#define PRINTF(text, args) __attribute__((format(printf, text, args)))

struct bytes {
	const uint8_t *data;
	size_t size;
};

/* The name of a record, a gateway, a user: 16 bytes that nobody chose. */
struct id {
	uint8_t bytes[16];
};

/* A public key, X25519 or Ed25519. */
struct key32 {
	uint8_t bytes[32];
};

static inline struct bytes bytes_of(const void *data, size_t size)
{
	return (struct bytes){ .data = data, .size = size };
}

/* The bytes of a C string, without its final zero. */
static inline struct bytes bytes_text(const char *text)
{
	return bytes_of(text, strlen(text));
}

/* Orders as a dictionary does: bytewise, a prefix before what it begins. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
	size_t shared = a.size < b.size ? a.size : b.size;
	int order = shared ? memcmp(a.data, b.data, shared) : 0;

	return order ? order : (a.size > b.size) - (a.size < b.size);
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
}

static inline bool bytes_start_with(struct bytes whole, struct bytes prefix)
{
	return whole.size >= prefix.size && (!prefix.size || !memcmp(whole.data, prefix.data, prefix.size));
}

static inline bool id_equal(struct id a, struct id b)
{
	return !memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

/* Memory, or the end of the process: nobody can act on its lack. Sizes a stranger chose were capped before. */
void *must_alloc(size_t size);
void *must_realloc(void *memory, size_t size);

#endif
