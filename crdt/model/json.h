/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_JSON_H
#define WARREN_JSON_H

/*
 * Rows as JSON, by the tables of model.h.
 *
 * Ids are hex, keys and bytes base64, times RFC 3339, choices their names, spans seconds. What comes in is checked
 * against the field's limits and who may set it, and every refusal names the place: "`rules[3].to[1]`: 10.0.0.0/33 is
 * not a network: the prefix of an IPv4 network is at most 32".
 */

#include "crdt/base/buf.h"
#include "crdt/model/model.h"

#include <jansson.h>

enum { JSON_DEPTH = 32 };

enum json_view {
	JSON_PUBLIC, /* without hidden and secret fields */
	JSON_MASKED, /* all fields, secret ones as "(secret)"; and the names of those in conflict */
};

/* Appends an object: `id`, unless NULL, and the fields that the row has. */
void json_write_row(const struct shape *shape, const struct id *id, const void *row, enum json_view view,
		    struct buf *buf);

void json_write_text(struct bytes text, struct buf *buf);
void json_write_id(struct id id, struct buf *buf);

/* Reads a document of at most `limit` bytes; the caller drops the reference. Names line and column of what is wrong. */
enum code json_open(struct bytes text, size_t limit, json_t **ret_document, struct err *err);

/* Who asks, and whether a whole row is wanted or only the fields to change. */
struct json_asked {
	unsigned by; /* enum writer */
	bool is_whole;
};

/*
 * Reads an object's members into the canonical map of fields (pack.h). A null unsets a field that can be unset. A CRED
 * field gets generation 1: whoever authors the change raises that above the one it replaces.
 */
enum code json_read_row(const struct shape *shape, json_t *object, struct json_asked asked, struct buf *ret_map,
			struct err *err);

#endif
