/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARREN_SERVER_INSIDE_H
#define WARREN_SERVER_INSIDE_H

#include "agent/server.h"

enum { ALARMS_KEPT = 15, ALARM_SIZE = 256 };

struct server_wait {
	uint64_t number;
	server_reply *reply;
	void *context;
};

struct server {
	uv_loop_t *loop;
	const struct config *config;
	struct server_hooks hooks;
	struct identity *identity;
	struct store *store;
	struct heart *heart;
	struct transport *transport;
	struct joining joining;
	struct heart_standing standing;
	struct wall_time started;
	uv_timer_t timer;
	struct server_wait *waits;
	size_t waits_count, waits_room;
	char alarms[ALARMS_KEPT][ALARM_SIZE];
	size_t alarms_count; /* ever */
	bool is_publishing, is_leaving, is_resuming;
	server_reply *founded; /* who waits for that */
	void *founder;

	/* Closing: what is still open. */
	unsigned open;
	void (*closed)(void *context);
	void *context;
	struct server_closing *last; /* server_close was called while it stopped: that comes behind it */
};

/* Opens everything for the identity that is there; after a failure server_stop is due. `closed`: all of it is. */
enum code server_start(struct server *server, bool is_new, struct err *err);
void server_stop(struct server *server, void (*closed)(void *context), void *context);

/* What a process before this one began: a founding goes on. */
void server_resume(struct server *server);

/* What the token was for has come about: its secrets are needed no more. */
void server_end_joining(struct server *server);

/* Where that member may be reached, the likeliest first. */
size_t server_find_addresses(const struct server *server, uint64_t node, struct transport_address *room, size_t most);

/* Writes this member's own row, where it says something else. */
void server_publish(struct server *server);

#endif
