/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_LOG_INSIDE_H
#define WARREN_LOG_INSIDE_H

/*
 * What the log and its check know of each other: how keys and values are laid out. For nobody else.
 */

#include "crdt/log/log.h"

enum {
	LOG_STREAM_KEY_SIZE = 1 + 8 + 8 + 1, /* (table, node, start, lane) */
	LOG_BATCH_KEY_SIZE = LOG_STREAM_KEY_SIZE + 8,
	LOG_STATEMENT_KEY_SIZE = 1 + 4,
	LOG_END_SIZE = 8 + sizeof(struct id),
};

struct bytes log_stream_key(uint8_t table, const struct stream *stream, uint8_t room[LOG_STREAM_KEY_SIZE]);
struct bytes log_batch_key(const struct stream *stream, uint64_t seq, uint8_t room[LOG_BATCH_KEY_SIZE]);

/* Steps over a key's table and stream. */
bool log_read_stream(struct reader *key, struct stream *ret_stream);

bool log_read_end(struct bytes key, struct bytes value, struct frontier *ret_frontier);
bool log_read_number(struct bytes key, uint32_t *ret_number);

#endif
