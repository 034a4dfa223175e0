/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_HTTP_CALL_H
#define WARREN_HTTP_CALL_H

/*
 * One HTTP request and its answer, as handlers see them: no type of the server's library is in here. Everything
 * happens on the loop's thread.
 *
 * A handler answers before it returns, or calls call_later and answers once at any time afterwards; if the client goes
 * away meanwhile the hook is called instead, and the call must not be touched any more. What a handler does not answer
 * in time is answered 504 for it, and counts as gone too.
 */

#include "crdt/base/arena.h"
#include "crdt/base/buf.h"
#include "crdt/base/err.h"

struct call;

enum caller_kind { CALLER_SOCKET, CALLER_NOBODY };

/* Who asks. */
struct caller {
	enum caller_kind kind;
	uint32_t uid, gid, pid; /* of the process at the other end of the unix socket */
};

const struct caller *call_caller(const struct call *call);

/* Borrowed for the call's life. */
struct bytes call_body(const struct call *call);
/* What stands in the path where the pattern has its `place`th {…}, decoded. */
struct bytes call_path(const struct call *call, size_t place);
/* Decoded, UTF-8; empty and false: it is not there. A query that names one twice was refused. */
bool call_query(const struct call *call, const char *name, struct bytes *ret_value);
/* In whatever case, the first of that name; empty and false: it is not there. Content-Type, Authorization,
 * Idempotency-Key, If-Match and Warren-… were refused if they stood there twice. */
bool call_header(const struct call *call, const char *name, struct bytes *ret_value);
/* Emptied when the call ends. */
struct arena *call_arena(struct call *call);
/* 64 random bits: in the log's line and in problem documents. */
uint64_t call_number(const struct call *call);

/* Before the answer; copied, and made printable. */
void call_set_header(struct call *call, const char *name, const char *value);

/* JSON; copied. `status` is a success. */
void call_answer(struct call *call, int status, struct bytes json);
/* 204. */
void call_answer_empty(struct call *call);
/* A problem document (RFC 9457) with the code's status, its stable name, the text, and the field at fault if the text
 * begins with one in backquotes. */
void call_refuse(struct call *call, enum code code, const struct err *err);

/*
 * Some bytes at a time, of a length that is not known: `more` is called whenever there is room, the first time before
 * call_stream returns; call_put then once at most 64 KiB, or nothing and later of one's own accord; call_end ends it,
 * also right after a call_put. A stream that may be put to later says call_later first: its hook holds until call_end.
 * A client that takes nothing for http_limits.idle_ms is cut off.
 */
void call_stream(struct call *call, const char *type, void (*more)(void *context, struct call *call), void *context);
void call_put(struct call *call, struct bytes bytes);
void call_end(struct call *call);

/* The answer comes later. */
void call_later(struct call *call, void (*gone)(void *context), void *context);

#endif
