/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/server_inside.h"

#include "agent/store_files.h"
#include "agent/verify.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

/* How often the own row is compared with what is true. */
enum { PUBLISH_MS = 10000 };

/* --- What it is. */

uv_loop_t *server_loop(const struct server *server)
{
	return server->loop;
}

enum server_state server_state(const struct server *server)
{
	if (!server->identity)
		return SERVER_NEW;
	if (server->standing.is_evicted)
		return SERVER_EVICTED;
	return server->standing.is_member ? SERVER_MEMBER : SERVER_JOINING;
}

const struct heart_standing *server_standing(const struct server *server)
{
	return &server->standing;
}

const char *server_state_dir(const struct server *server)
{
	return server->config->state;
}

const struct identity *server_identity(const struct server *server)
{
	return server->identity;
}

struct store *server_store(const struct server *server)
{
	return server->store;
}

struct heart *server_heart(const struct server *server)
{
	return server->heart;
}

const struct transport *server_transport(const struct server *server)
{
	return server->transport;
}

uint64_t server_node(const struct server *server)
{
	return node_of_key(server->identity->signer.key);
}

int64_t server_disk_used(const struct server *server)
{
	char path[CONFIG_TEXT_MAX + 32];
	struct stat st;

	snprintf(path, sizeof path, "%s/" STORE_FILE, server->config->state);
	return stat(path, &st) ? 0 : (int64_t)st.st_blocks * 512;
}

const char *server_alarm(const struct server *server, size_t place)
{
	if (place >= ALARMS_KEPT || place >= server->alarms_count)
		return NULL;
	return server->alarms[(server->alarms_count - 1 - place) % ALARMS_KEPT];
}

/* --- Replies. */

static uint64_t wait_for(struct server *server, uint64_t number, server_reply *reply, void *context)
{
	if (server->waits_count == server->waits_room) {
		server->waits_room = 2 * server->waits_room + 16;
		server->waits = must_realloc(server->waits, server->waits_room * sizeof *server->waits);
	}
	server->waits[server->waits_count++] = (struct server_wait){ number, reply, context };
	return number;
}

uint64_t server_write(struct server *server, const struct heart_wish *wish, server_reply *reply, void *context)
{
	return wait_for(server, heart_write(server->heart, wish), reply, context);
}

uint64_t server_await(struct server *server, struct bytes token, bool is_strict, server_reply *reply, void *context)
{
	return wait_for(server, heart_await(server->heart, token, is_strict), reply, context);
}

uint64_t server_bring(struct server *server, const struct bytes *statements, size_t count, server_reply *reply,
		      void *context)
{
	return wait_for(server, heart_bring(server->heart, statements, count), reply, context);
}

static bool take_wait(struct server *server, uint64_t number, struct server_wait *ret_wait)
{
	for (size_t i = 0; i < server->waits_count; i++)
		if (server->waits[i].number == number) {
			*ret_wait = server->waits[i];
			server->waits[i] = server->waits[--server->waits_count];
			return true;
		}
	return false;
}

void server_forget(struct server *server, uint64_t number)
{
	struct server_wait wait;

	take_wait(server, number, &wait);
}

/* What still waits is answered: nobody will. */
static void refuse_waits(struct server *server, enum code code, const char *text)
{
	while (server->waits_count) {
		struct server_wait wait = server->waits[--server->waits_count];
		struct reply reply = { .number = wait.number, .code = code, .text = text };

		wait.reply(wait.context, &reply);
	}
}

/* --- Hooks of heart and transport. */

static void on_reply(void *context, const struct reply *reply)
{
	struct server_wait wait;

	if (take_wait(context, reply->number, &wait))
		wait.reply(wait.context, reply);
}

static void on_send(void *context, uint32_t link, struct bytes bytes)
{
	struct server *server = context;

	transport_send(server->transport, link, bytes);
}

static void on_close(void *context, uint32_t link)
{
	struct server *server = context;

	transport_close(server->transport, link);
}

static void on_dial(void *context, uint64_t node)
{
	struct server *server = context;
	struct transport_address addresses[TRANSPORT_ADDRESSES_MAX];
	size_t count = server_find_addresses(server, node, addresses, COUNT(addresses));

	if (count && !server->is_leaving)
		transport_dial(server->transport, node, addresses, count);
	else
		heart_refused(server->heart, node);
}

static void on_took(void *context, uint32_t link)
{
	struct server *server = context;

	transport_take(server->transport, link);
}

static void on_knows(void *context, uint32_t link, uint64_t node)
{
	struct server *server = context;
	char host[TRANSPORT_HOST_MAX] = "";

	transport_know(server->transport, link);
	transport_peer(server->transport, link, host, sizeof host);
	log_say(LOG_INFO, "link is up", LOG_OF_HEX("node", node), LOG_OF_TEXT("host", host));
}

static void on_changed(void *context, uint32_t kind, struct id id)
{
	struct server *server = context;

	server->hooks.changed(server->hooks.context, kind, id);
}

static void on_alarm(void *context, const char *text)
{
	struct server *server = context;

	snprintf(server->alarms[server->alarms_count++ % ALARMS_KEPT], ALARM_SIZE, "%s", text);
	log_say(LOG_WARN, "alarm", LOG_OF_TEXT("text", text));
}

static void on_failed(void *context, enum code code, const char *text)
{
	struct server *server = context;

	log_say(LOG_ERROR, "the store failed", LOG_OF_TEXT("code", code_name(code)), LOG_OF_TEXT("text", text));
	refuse_waits(server, E_IO,
		     "the disk failed, and this server ends: look whether it was done before you try again");
	server->hooks.failed(server->hooks.context, text);
}

static void on_stands(void *context, const struct heart_standing *standing)
{
	struct server *server = context;

	server->standing = *standing;
	log_say(LOG_INFO, "standing", LOG_OF_TEXT("member", standing->is_member ? "yes" : "no"),
		LOG_OF_TEXT("evicted", standing->is_evicted ? "yes" : NULL),
		LOG_OF_TEXT("twin", standing->is_twin ? "yes" : NULL),
		LOG_OF_TEXT("serves", standing->may_serve ? "yes" : "no"));
	if (standing->is_member)
		server_end_joining(server);
	server_publish(server);
	server->hooks.stands(server->hooks.context);
}

static void on_accepted(void *context, uint32_t link)
{
	struct server *server = context;

	heart_accepted(server->heart, link);
}

static void on_opened(void *context, uint64_t node, uint32_t link)
{
	struct server *server = context;

	heart_opened(server->heart, node, link);
}

static void on_refused(void *context, uint64_t node)
{
	struct server *server = context;

	heart_refused(server->heart, node);
}

static void on_bytes(void *context, uint32_t link, struct bytes bytes)
{
	struct server *server = context;

	heart_bytes(server->heart, link, bytes);
}

static void on_gone(void *context, uint32_t link)
{
	struct server *server = context;

	heart_gone(server->heart, link);
}

static void on_warn(void *context, const char *text)
{
	(void)context;
	log_say(LOG_WARN, "transport", LOG_OF_TEXT("text", text));
}

static void on_timer(uv_timer_t *timer)
{
	struct server *server = timer->data;

	/* What the disk had no room for then. */
	if (server->identity->is_founding && !server->is_resuming)
		server_resume(server);
	server_publish(server);
}

/* --- Starting. */

static void tell_damage(void *context, const char *text)
{
	(void)context;
	log_say(LOG_ERROR, "damaged", LOG_OF_TEXT("text", text));
}

static enum code open_store(struct server *server, struct err *err)
{
	struct verify_report report = { .line = tell_damage };
	struct hash_key fresh;
	enum code code;

	randombytes_buf(&fresh, sizeof fresh);
	code = verify_and_open(server->config->state, &fresh, &report, &server->store, err);
	sodium_memzero(&fresh, sizeof fresh);
	return code;
}

static enum code open_heart(struct server *server, bool is_new, struct err *err)
{
	struct heart_hooks hooks = { server,   on_send,    on_close, on_dial,   on_took,  on_knows,
				     on_reply, on_changed, on_alarm, on_stands, on_failed };
	struct node_config node = { .signer = &server->identity->signer,
				    .box_key = server->identity->box_key,
				    .cluster = server->identity->cluster,
				    .store = server->store,
				    .is_new = is_new };

	randombytes_buf(&node.process, sizeof node.process);
	if (server->identity->is_joining) {
		server->joining = identity_joining(server->identity);
		node.joining = &server->joining;
	}
	return heart_open(server->loop, &node, &hooks, &server->heart, err);
}

static enum code open_transport(struct server *server, struct err *err)
{
	struct transport_hooks hooks = { server, on_accepted, on_opened, on_refused, on_bytes, on_gone, on_warn };

	return transport_open(server->loop, server->config->listen.all, server->config->listen.count,
			      &transport_limits_usual, &hooks, &server->transport, err);
}

/* The transport first: a port in use is found before anything is made. */
enum code server_start(struct server *server, bool is_new, struct err *err)
{
	enum code code = open_transport(server, err);

	if (!code)
		code = open_store(server, err);
	if (!code)
		code = open_heart(server, is_new, err);
	if (!code)
		uv_timer_start(&server->timer, on_timer, PUBLISH_MS, PUBLISH_MS);
	return code;
}

/* --- Stopping. */

struct server_closing {
	struct server *server;
	void (*closed)(void *context);
	void *context;
};

static void all_stopped(void *context);

static void stopped(void *context)
{
	struct server *server = context;
	void (*closed)(void *closed_context) = server->closed;

	if (--server->open)
		return;
	store_close(server->store);
	server->store = NULL;
	server->transport = NULL;
	server->heart = NULL;
	server->closed = NULL;
	sodium_memzero(&server->joining, sizeof server->joining);
	closed(server->context);
	if (server->last) {
		struct server_closing *last = server->last;

		server->last = NULL;
		server_stop(server, all_stopped, last);
	}
}

void server_stop(struct server *server, void (*closed)(void *context), void *context)
{
	server->closed = closed;
	server->context = context;
	server->open = 1;
	uv_timer_stop(&server->timer);
	if (server->heart) {
		server->open++;
		heart_end(server->heart, stopped, server);
	}
	if (server->transport) {
		server->open++;
		transport_end(server->transport, stopped, server);
	}
	refuse_waits(server, E_BUSY, "this server stops: try again");
	stopped(server);
}

enum code server_open(uv_loop_t *loop, const struct config *config, const struct server_hooks *hooks,
		      struct server **ret_server, struct err *err)
{
	struct server *server = must_alloc(sizeof *server);
	struct timespec now;
	enum code code;

	clock_gettime(CLOCK_REALTIME, &now);
	*server = (struct server){ .loop = loop, .config = config, .hooks = *hooks };
	server->started.ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	uv_timer_init(loop, &server->timer);
	server->timer.data = server;
	code = identity_read(config->state, &server->identity, err);
	if (!code)
		code = server_start(server, false, err);
	else if (code == E_ABSENT)
		code = OK;
	if (!code && server->identity)
		server_resume(server);
	*ret_server = server;
	return code;
}

static void timer_closed(uv_handle_t *handle)
{
	struct server *server = handle->data;
	void (*closed)(void *context) = server->closed;
	void *context = server->context;

	if (server->identity)
		identity_free(server->identity);
	free(server->waits);
	free(server);
	closed(context);
}

static void all_stopped(void *context)
{
	struct server_closing *closing = context;

	closing->server->closed = closing->closed;
	closing->server->context = closing->context;
	uv_close((uv_handle_t *)&closing->server->timer, timer_closed);
	free(closing);
}

void server_close(struct server *server, void (*closed)(void *context), void *context)
{
	struct server_closing *closing = must_alloc(sizeof *closing);

	*closing = (struct server_closing){ server, closed, context };
	if (server->open)
		server->last = closing;
	else
		server_stop(server, all_stopped, closing);
}
