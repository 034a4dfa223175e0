/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_LOG_INSIDE_H
#define WARREN_LOG_INSIDE_H

/*
 * What the log and its check know of each other: how keys and values are laid out. For nobody else.
 */

#include "crdt/log/log.h"

enum {
	LOG_STREAM_KEY_SIZE = 1 + 8 + 8 + 1, /* (table, node, start, lane) */
	LOG_BATCH_KEY_SIZE = LOG_STREAM_KEY_SIZE + 8 + 8,
	LOG_STATEMENT_KEY_SIZE = 1 + 4,
	LOG_PROOF_KEY_SIZE = 1 + 8 + 8,
	LOG_END_SIZE = 8 + sizeof(struct id),
};

struct bytes log_stream_key(uint8_t table, const struct stream *stream, uint8_t room[LOG_STREAM_KEY_SIZE]);
struct bytes log_batch_key(uint8_t table, const struct stream *stream, struct log_place place,
			   uint8_t room[LOG_BATCH_KEY_SIZE]);
struct bytes log_proof_key(uint64_t node, uint64_t start, uint8_t room[LOG_PROOF_KEY_SIZE]);

/* Where the entry of a batch with that end lies. */

/* Steps over a key's table and stream. */
bool log_read_stream(struct reader *key, struct stream *ret_stream);

/* An entry from its key and value, by their form: E_DAMAGED, E_NEWER. */
enum code log_read_entry(struct bytes key, struct bytes value, struct logged *ret_logged, struct err *err);

/* The stream of an entry of ends, and how many these are: at least one, ascending. */
bool log_read_ends(struct bytes key, struct bytes value, struct stream *ret_stream, size_t *ret_count);

/* One of them. */
struct end log_end_at(struct bytes value, size_t place);

bool log_read_number(struct bytes key, uint32_t *ret_number);
bool log_read_proof_key(struct bytes key, uint64_t *ret_node, uint64_t *ret_start);

#endif
