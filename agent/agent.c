/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include "agent/api/api.h"
#include "agent/http/server.h"
#include "agent/notify.h"

#include <signal.h>
#include <stdio.h>

enum { DRAIN_MS = 4000 };

struct agent {
	uv_loop_t loop;
	struct config config;
	const struct config_given *given;
	struct server *server;
	struct http_server *http;
	struct routes *routes;
	struct api api;
	uv_signal_t term, interrupt, hangup;
	uv_timer_t watchdog;
	bool is_ending;
	int status;
};

/* --- Ending: first nobody is let in any more, then what waits is answered, then the node ends. */

static void close_handles(struct agent *agent)
{
	uv_close((uv_handle_t *)&agent->term, NULL);
	uv_close((uv_handle_t *)&agent->interrupt, NULL);
	uv_close((uv_handle_t *)&agent->hangup, NULL);
	uv_close((uv_handle_t *)&agent->watchdog, NULL);
}

static void server_closed(void *context)
{
	close_handles(context);
}

static void http_closed(void *context)
{
	struct agent *agent = context;

	api_end(&agent->api);
	if (agent->server)
		server_close(agent->server, server_closed, agent);
	else
		close_handles(agent);
}

static void end(struct agent *agent, int status)
{
	if (agent->is_ending)
		return;
	agent->is_ending = true;
	agent->status = status;
	notify_stopping();
	if (agent->http)
		http_end(agent->http, DRAIN_MS, http_closed, agent);
	else
		http_closed(agent);
}

static void on_term(uv_signal_t *signal, int number)
{
	log_say(LOG_INFO, "ending", LOG_OF_TEXT("signal", number == SIGTERM ? "TERM" : "INT"));
	end(signal->data, 0);
}

static void on_hangup(uv_signal_t *signal, int number)
{
	struct agent *agent = signal->data;
	struct config next;
	struct err err = { 0 };
	const char *text;
	int rest;

	(void)number;
	if (config_read(agent->given, &next, &rest, &err)) {
		log_say(LOG_ERROR, "the configuration stays as it was", LOG_OF_TEXT("text", err.text));
		return;
	}
	text = config_needs_restart(&agent->config, &next);
	if (text)
		log_say(LOG_WARN, "a restart is needed", LOG_OF_TEXT("text", text));
	log_setup(next.log_style, next.log_level);
	log_say(LOG_INFO, "the configuration was read anew");
}

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	notify_watchdog();
}

/* --- Hooks. */

static void on_stands(void *context)
{
	(void)context;
}

static void on_changed(void *context, uint32_t kind, struct id id)
{
	(void)context;
	(void)kind;
	(void)id;
}

static void on_failed(void *context, const char *text)
{
	(void)text;
	end(context, 1);
}

static void on_told(void *context, const struct call *call, const char *method, const char *pattern, int status,
		    uint64_t took_us)
{
	(void)context;
	log_say(LOG_DEBUG, "request", LOG_OF_TEXT("method", method), LOG_OF_TEXT("route", pattern),
		LOG_OF_NUMBER("status", status), LOG_OF_NUMBER("us", took_us), LOG_OF_HEX("number", call_number(call)));
}

/* --- Beginning. */

static void init_handles(struct agent *agent)
{
	uint64_t watchdog_us = notify_watchdog_us();

	uv_signal_init(&agent->loop, &agent->term);
	uv_signal_init(&agent->loop, &agent->interrupt);
	uv_signal_init(&agent->loop, &agent->hangup);
	uv_timer_init(&agent->loop, &agent->watchdog);
	agent->term.data = agent->interrupt.data = agent->hangup.data = agent;
	uv_signal_start(&agent->term, on_term, SIGTERM);
	uv_signal_start(&agent->interrupt, on_term, SIGINT);
	uv_signal_start(&agent->hangup, on_hangup, SIGHUP);
	if (watchdog_us)
		uv_timer_start(&agent->watchdog, on_watchdog, 0, watchdog_us / 3000 + 1);
}

static enum code open_http(struct agent *agent, struct err *err)
{
	struct http_setup setup = { .loop = &agent->loop,
				    .routes = agent->routes,
				    .context = &agent->api,
				    .limits = http_limits_usual,
				    .told = on_told };
	const char *group = agent->config.socket_group;
	enum code code = http_open(&setup, &agent->http, err);

	return code ? code : http_listen_unix(agent->http, agent->config.socket, *group ? group : NULL, err);
}

/* The socket last: whoever finds it finds somebody who answers. */
static enum code open_all(struct agent *agent, struct err *err)
{
	struct server_hooks hooks = { agent, on_stands, on_changed, on_failed };
	enum code code = server_open(&agent->loop, &agent->config, &hooks, &agent->server, err);

	agent->api.server = agent->server;
	return code ? code : open_http(agent, err);
}

int agent_run(const struct config *config, const struct config_given *given)
{
	struct agent agent = { .config = *config, .given = given };
	struct err err = { 0 };

	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&agent.loop);
	agent.routes = routes_make(api_routes, api_routes_count);
	init_handles(&agent);
	if (open_all(&agent, &err)) {
		log_say(LOG_ERROR, "warrend does not start", LOG_OF_TEXT("text", err.text));
		end(&agent, 1);
	} else {
		log_say(LOG_INFO, "warrend runs", LOG_OF_TEXT("version", WARREN_VERSION),
			LOG_OF_TEXT("socket", config->socket), LOG_OF_TEXT("state", config->state));
		notify_ready();
	}
	uv_run(&agent.loop, UV_RUN_DEFAULT);
	uv_loop_close(&agent.loop);
	routes_free(agent.routes);
	return agent.status;
}
