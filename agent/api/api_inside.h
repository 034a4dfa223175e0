/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_API_INSIDE_H
#define WARREN_API_INSIDE_H

/*
 * What handlers share.
 */

#include "agent/api/api.h"
#include "agent/api/say.h"
#include "agent/operator.h"
#include "crdt/model/json.h"
#include "crdt/state/found.h"

/* Answers with what was said, and is done with it. */
void api_answer(struct call *call, int status, struct say *say);

/* False: it belongs to no cluster yet, or not yet, and the call is refused. */
bool api_is_member(struct api *api, struct call *call);

/* The body as an object; false: refused. The caller drops the reference. */
bool api_body(struct call *call, json_t **ret_object);

/* A text of the object; false where it is there and no text, or is missing though required: refused. */
bool api_text(struct call *call, json_t *object, const char *name, bool is_required, struct bytes *ret_text);

/* Whether there is a member that the object has and the list, ended by NULL, has not: refused. */
bool api_only(struct call *call, json_t *object, const char *const *names);

/* A call whose answer comes with a reply of the heart. */
struct api_wait {
	struct api *api;
	struct call *call; /* NULL: the client went away */
	uint64_t number;
	/* What to do with a good one; NULL: 204. It answers the call, unless that is NULL, and never frees the wait. */
	void (*then)(struct api_wait *wait, const struct reply *reply);
	void *context;
	void (*free)(void *context); /* NULL: nothing */
};

struct api_wait *api_wait_new(struct api *api, struct call *call);
void api_wait_write(struct api_wait *wait, const struct heart_wish *wish);
void api_wait_bring(struct api_wait *wait, const struct bytes *statements, size_t count);

/* It asked nothing in the end, and the call was answered. */
void api_wait_drop(struct api_wait *wait);

/* Whoever may use the socket is an owner. */
struct asker api_asker(void);

/* Reads once the state covers the token that the request brings, if any; `what` lives on. */
typedef void api_read(struct api *api, struct call *call, const void *what);
void api_read_after(struct api *api, struct call *call, api_read *read, const void *what);

/* Headers of a request that hold for every write: `Idempotency-Key` and `replicas`; false: refused. */
bool api_wish(struct call *call, const char *action, struct heart_wish *ret_wish);

/* A snapshot, and the cluster's statements in it; false: refused. */
struct api_view {
	struct store_txn *txn;
	struct realm realm;
};
bool api_view(struct api *api, struct call *call, struct api_view *ret_view);
void api_view_done(struct api_view *view);

/* The operator's key that signs here; false: refused. The caller frees it. */
bool api_operator_key(struct api *api, struct call *call, const struct api_view *view, struct operator_key **ret_key);

/* One statement of that kind, signed and brought; NULL: refused. */
struct api_wait *api_sign(struct api *api, struct call *call, const struct api_view *view, const struct kind *kind,
			  const void *row);

/* A member by its node id or its gateway's name; of several that served a gateway the one that stands. NULL: refused.
 */
const struct member *api_member(struct api_view *view, struct call *call, struct bytes text, const char *field);

/* Of those that ever served the gateway one that stands, else any; NULL: nobody ever did. */
const struct member *api_serving(const struct members *members, struct id gateway);

/* As the cluster was called when it was made. */
struct bytes api_cluster_name(const struct api_view *view);

/* The name of a gateway; empty: unknown. */
struct bytes api_gateway_name(struct store_txn *txn, struct id gateway);
/* A gateway by id or name; false: there is none. */
bool api_find_gateway(struct store_txn *txn, struct arena *arena, struct bytes text, struct id *ret_id);

/*
 * What the body says of a gateway: `host` is its public_host, and its name stands under `name_field`. With a
 * `default_name` it is a whole one. The texts are in the call's arena. False: refused.
 */
bool api_gateway_read(struct call *call, json_t *body, const char *name_field, const char *default_name,
		      struct gateway_row *ret_row);

void api_cluster_get(void *context, struct call *call);
void api_cluster_init(void *context, struct call *call);
void api_cluster_join(void *context, struct call *call);
void api_cluster_status(void *context, struct call *call);
void api_members_list(void *context, struct call *call);
void api_member_evict(void *context, struct call *call);
void api_invite_make(void *context, struct call *call);
void api_invite_list(void *context, struct call *call);
void api_invite_void(void *context, struct call *call);
void api_operator_list(void *context, struct call *call);
void api_operator_add(void *context, struct call *call);
void api_operator_remove(void *context, struct call *call);
void api_operator_export(void *context, struct call *call);
void api_doctor(void *context, struct call *call);
void api_conflicts(void *context, struct call *call);
/* Of any kind of the tier SHARED. */
void api_records_list(struct api *api, struct call *call, const struct kind *kind);
void api_record_make(struct api *api, struct call *call, const struct kind *kind);
void api_record_get(struct api *api, struct call *call, const struct kind *kind);
void api_record_set(struct api *api, struct call *call, const struct kind *kind);
void api_record_remove(struct api *api, struct call *call, const struct kind *kind);

void api_healthy(void *context, struct call *call);
void api_ready(void *context, struct call *call);

#endif
