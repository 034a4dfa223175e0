/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/server_inside.h"
#include "agent/store_files.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- What did not come about. */

static void remove_file(const char *state_dir, const char *name)
{
	char path[CONFIG_TEXT_MAX + 64];

	snprintf(path, sizeof path, "%s/%s", state_dir, name);
	if (unlink(path) && errno != ENOENT)
		log_say(LOG_WARN, "a file stays", LOG_OF_TEXT("path", path), LOG_OF_TEXT("text", strerror(errno)));
}

/* The files of it go, the keys last, and the server is as it was. */
static void undo(struct server *server)
{
	remove_file(server->config->state, STORE_FILE);
	remove_file(server->config->state, STORE_FILE "-lock");
	identity_free(server->identity);
	server->identity = NULL;
	server->standing = (struct heart_standing){ 0 };
	identity_forget(server->config->state, NULL);
}

static void ignore_done(void *context)
{
	(void)context;
}

/* A state without its keys may be somebody's whole cluster. */
static enum code check_new(const struct server *server, struct err *err)
{
	char path[CONFIG_TEXT_MAX + 64];

	if (server->identity || server->open || server->is_leaving)
		return fail(err, E_TAKEN,
			    "this server is in a cluster already: `wgctl cluster status` shows it; to begin anew, stop "
			    "warrend and move %s away",
			    server->config->state);
	snprintf(path, sizeof path, "%s/%s", server->config->state, STORE_FILE);
	if (!access(path, F_OK))
		return fail(err, E_TAKEN,
			    "%s is there, but not the keys that belong to it: put node.key back beside it, or move it "
			    "away",
			    path);
	return OK;
}

static enum code begin(struct server *server, struct identity *identity, struct err *err)
{
	enum code code = identity_write(server->config->state, identity, true, err);

	if (code) {
		identity_free(identity);
		return code;
	}
	server->identity = identity;
	code = server_start(server, true, err);
	if (code) {
		server_stop(server, ignore_done, NULL);
		undo(server);
	}
	return code;
}

/* --- Founding. */

static void tell_founder(struct server *server, const struct reply *reply)
{
	server_reply *founded = server->founded;

	server->is_resuming = false;
	server->founded = NULL;
	if (founded)
		founded(server->founder, reply);
}

static void on_written(void *context, const struct reply *reply)
{
	struct server *server = context;
	struct err err = { 0 };

	/* What a process before this one had written is there, and taken. */
	if (reply->code && reply->code != E_TAKEN) {
		tell_founder(server, reply);
		return;
	}
	server->identity->is_founding = false;
	if (identity_write(server->config->state, server->identity, false, &err))
		log_say(LOG_ERROR, "the founding is not noted as done", LOG_OF_TEXT("text", err.text));
	tell_founder(server, &(struct reply){ .token = reply->token });
}

static void on_brought(void *context, const struct reply *reply)
{
	struct server *server = context;
	struct change changes[] = {
		{ .what = CHANGE_CREATE, .kind = KIND_gateway, .map = server->identity->first[3] },
		{ .what = CHANGE_CREATE, .kind = KIND_cluster_settings, .map = server->identity->first[4] },
	};
	struct heart_wish wish = { .asker = { .writes = BY_OWNER | BY_ADMIN | BY_AGENT },
				   .changes = changes,
				   .count = COUNT(changes),
				   .action = bytes_text("cluster.init") };

	if (reply->code)
		tell_founder(server, reply);
	else
		server_write(server, &wish, on_written, server);
}

void server_resume(struct server *server)
{
	server->is_resuming = server->identity->is_founding;
	if (server->is_resuming)
		server_bring(server, server->identity->first, 3, on_brought, server);
}

enum code server_found(struct server *server, const struct founded *founded, server_reply *reply, void *context,
		       struct err *err)
{
	struct identity *identity;
	enum code code = check_new(server, err);

	if (!code)
		code = operator_write(server->config->state, founded->root, err);
	if (code)
		return code;
	identity = identity_copy(founded->identity);
	identity->is_founding = true;
	for (size_t i = 0; i < IDENTITY_FIRST; i++)
		identity->first[i] =
			arena_copy(&identity->arena, i < 3 ? founded->statements[i] : founded->changes[i - 3].map);
	code = begin(server, identity, err);
	if (code) {
		operator_remove(server->config->state, founded->root->signer.key, NULL);
		return code;
	}
	server->founded = reply;
	server->founder = context;
	server_resume(server);
	return OK;
}

/* --- Joining. */

enum code server_join(struct server *server, const struct join_token *token, struct err *err)
{
	struct identity *identity;
	enum code code = check_new(server, err);

	if (code)
		return code;
	identity = identity_new(token->cluster);
	identity->is_joining = true;
	identity->token = *token;
	return begin(server, identity, err);
}

void server_end_joining(struct server *server)
{
	struct err err = { 0 };

	if (!server->identity->is_joining)
		return;
	server->identity->is_joining = false;
	if (identity_write(server->config->state, server->identity, false, &err))
		log_say(LOG_ERROR, "the join token stays in the file of keys", LOG_OF_TEXT("text", err.text));
	sodium_memzero(&server->identity->token, sizeof server->identity->token);
}

struct leaving {
	struct server *server;
	void (*done)(void *context);
	void *context;
};

static void left(void *context)
{
	struct leaving *leaving = context;
	struct server *server = leaving->server;
	struct err err = { 0 };

	server->is_leaving = false;
	/* Let in at the last moment, it stays: the others count on it, and its place is taken. */
	if (!server->standing.is_member)
		undo(server);
	else if (!server->last && server_start(server, false, &err))
		server->hooks.failed(server->hooks.context, err.text);
	leaving->done(leaving->context);
	free(leaving);
}

void server_leave(struct server *server, void (*done)(void *context), void *context)
{
	struct leaving *leaving = must_alloc(sizeof *leaving);

	*leaving = (struct leaving){ server, done, context };
	server->is_leaving = true;
	server_stop(server, left, leaving);
}
