/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/text.h"
#include "ctl/body.h"
#include "ctl/handlers.h"
#include "ctl/lookup.h"
#include "ctl/terminal.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { JOIN_TIMEOUT_S = 150, TOKEN_MAX = 4096 };

/* --- invites */

static void show_token(struct page *page, json_t *invite, const void *context)
{
	(void)context;
	page_line(page, "%.*s", BYTES(json_text_in(invite, "token")));
}

enum exit_status run_node_invite(struct ctl *ctl, const struct given *given)
{
	json_t *body CLEANUP(json_drop) = NULL;
	json_t *invite CLEANUP(json_drop) = NULL;
	bool has_name = given_value(given, "name"), replaces = given_value(given, "replace");
	enum exit_status status;
	struct request request = { .method = "POST", .path = ctl_path(ctl, "invites", NULL) };

	if (has_name == replaces)
		return ctl_fail(EXIT_USAGE, has_name
						    ? "say --name or --replace, not both"
						    : "say --name for a new gateway, or --replace for one whose server "
						      "was lost");
	status = body_make(ctl, given, &body);
	request.body = body;
	if (!status)
		status = ctl_call(ctl, &request, &invite);
	if (status)
		return status;
	ctl_hint(ctl, "This lets one server in, as gateway %.*s, until %.*s. On that server, as root:",
		 BYTES(json_text_in(invite, "gateway")), BYTES(json_text_in(invite, "expires")));
	ctl_hint(ctl, "  wgctl node join TOKEN");
	return ctl_show(ctl, json_incref(invite), (struct view){ show_token, NULL });
}

static void show_invites(struct page *page, json_t *document, const void *context)
{
	static const struct column columns[] = { { .title = "ID", .is_whole = true },
						 { .title = "GATEWAY" },
						 { .title = "EXPIRES" } };
	struct table table = table_make(columns, COUNT(columns));
	json_t *one;
	size_t i;

	(void)context;
	json_array_foreach(json_object_get(document, "invites"), i, one)
	{
		table_add(&table, TONE_PLAIN, json_text_in(one, "id"));
		table_add(&table, TONE_PLAIN, json_text_in(one, "gateway"));
		table_add(&table, TONE_PLAIN, json_text_in(one, "expires"));
	}
	table_end(&table, page);
}

enum exit_status run_node_invites(struct ctl *ctl, const struct given *given)
{
	const struct request request = { .path = ctl_path(ctl, "invites", NULL) };
	json_t *document;
	enum exit_status status = ctl_call(ctl, &request, &document);

	(void)given;
	return status ? status : ctl_show(ctl, document, (struct view){ show_invites, NULL });
}

static void show_said(struct page *page, json_t *document, const void *context)
{
	(void)document;
	page_line(page, "%s", (const char *)context);
}

enum exit_status run_node_uninvite(struct ctl *ctl, const struct given *given)
{
	const struct request request = { .method = "DELETE",
					 .path = ctl_path(ctl, "invites", given->arguments[0], NULL) };
	json_t *document;
	enum exit_status status = ctl_call(ctl, &request, &document);

	return status ? status
		      : ctl_show(ctl, document, (struct view){ show_said, "Nobody can join with it any more." });
}

/* --- join */

struct wait {
	const struct ctl *ctl;
	unsigned began_s;
};

static void say_waiting(void *context, unsigned seconds)
{
	struct wait *wait = context;

	if (!wait->began_s)
		wait->began_s = seconds;
	if (wait->ctl->has_error_tty && seconds > wait->began_s)
		fprintf(stderr, "\rjoining … %u s ", seconds - wait->began_s);
}

static void show_joined(struct page *page, json_t *joined, const void *context)
{
	(void)context;
	page_line(page, "This server is a member of %.*s: gateway %.*s, node %.*s. It has what the others have.",
		  BYTES(json_text_in(joined, "name")), BYTES(json_text_in(joined, "gateway")),
		  BYTES(json_text_in(joined, "node")));
	page_line(page, "Next: wgctl cluster status");
}

/* As it was pasted, without what surrounds it. */
static char *trimmed(char *text)
{
	size_t size;

	text += strspn(text, " \t\r\n");
	size = strcspn(text, " \t\r\n");
	text[size] = '\0';
	return text;
}

static enum exit_status join(struct ctl *ctl, const char *token)
{
	json_t *body CLEANUP(json_drop) = json_pack("{s:s}", "token", token);
	struct wait wait = { .ctl = ctl };
	const struct request request = { .method = "POST",
					 .path = ctl_path(ctl, "cluster", "join", NULL),
					 .body = body,
					 .timeout_s = JOIN_TIMEOUT_S,
					 .waiting = say_waiting,
					 .context = &wait };
	json_t *document;
	enum exit_status status;

	if (!body)
		return ctl_fail(EXIT_USAGE, "the token is not in UTF-8: paste the line that wgctl node invite printed");
	fprintf(stderr, "joining: the sponsor is asked, and what the others have is fetched; at most two minutes\n");
	status = ctl_call(ctl, &request, &document);
	if (wait.began_s && ctl->has_error_tty)
		fprintf(stderr, "\r\033[K");
	return status ? status : ctl_show(ctl, document, (struct view){ show_joined, NULL });
}

enum exit_status run_node_join(struct ctl *ctl, const struct given *given)
{
	char *argument = (char *)(uintptr_t)given->arguments[0];
	struct buf text = { 0 };
	enum exit_status status;

	if (strcmp(argument, "-") != 0) {
		text = buf_growing(TOKEN_MAX + 1);
		buf_put(&text, argument, strlen(argument) + 1);
		/* What the process was started with may be read by anybody on this machine. */
		sodium_memzero(argument, strlen(argument));
		if (text.is_full) {
			buf_done(&text);
			return ctl_fail(EXIT_USAGE,
					"the token is too long: paste the line that wgctl node invite printed");
		}
	} else {
		status = file_read("-", TOKEN_MAX, &text);
		if (status)
			return status;
	}
	argument = trimmed((char *)text.data);
	status = *argument ? join(ctl, argument) : ctl_fail(EXIT_USAGE, "there is no token on standard input");
	sodium_memzero(text.data, text.room);
	buf_done(&text);
	return status;
}

/* --- what users see of a server */

static enum exit_status get_members(struct ctl *ctl, json_t **ret_members)
{
	const struct request request = { .path = ctl_path(ctl, "members", NULL) };

	return ctl_call(ctl, &request, ret_members);
}

/* The API takes a gateway's name or id; people may also name the node that serves it. */
static enum exit_status gateway_of(struct ctl *ctl, const char *text, const char **ret_gateway)
{
	json_t *members CLEANUP(json_drop) = NULL;
	json_t *member;
	struct bytes gateway;
	uint8_t node[8];
	enum exit_status status;
	char *room;

	*ret_gateway = text;
	if (!hex_read(bytes_text(text), node, sizeof node))
		return EXIT_DONE;
	status = get_members(ctl, &members);
	if (!status)
		status = lookup_member(members, text, &member);
	if (status)
		return status;
	gateway = json_text_in(member, "gateway");
	if (!gateway.size)
		return ctl_fail(EXIT_FAILED, "node %s serves no gateway", text);
	room = arena_take(&ctl->arena, gateway.size + 1);
	memcpy(room, gateway.data, gateway.size);
	*ret_gateway = room;
	return EXIT_DONE;
}

static enum exit_status patch_gateway(struct ctl *ctl, const char *name, json_t *body, const char *said)
{
	const char *gateway;
	json_t *document;
	enum exit_status status = gateway_of(ctl, name, &gateway);

	if (!status)
		status = ctl_write(ctl, "PATCH", ctl_path(ctl, "gateways", gateway, NULL), body, &document);
	return status ? status : ctl_show(ctl, document, (struct view){ show_said, said });
}

enum exit_status run_node_set(struct ctl *ctl, const struct given *given)
{
	json_t *body CLEANUP(json_drop) = NULL;
	enum exit_status status = body_make(ctl, given, &body);

	if (!status && !json_object_size(body))
		return ctl_fail(EXIT_USAGE, "say what to set: wgctl node set --help lists the options");
	return status ? status : patch_gateway(ctl, given->arguments[0], body, "It is set.");
}

enum exit_status run_node_drain(struct ctl *ctl, const struct given *given)
{
	json_t *body CLEANUP(json_drop) = json_pack("{s:s}", "status", "draining");

	return patch_gateway(
		ctl, given->arguments[0], body,
		"It takes no new devices; those that it has stay. wgctl node set NAME --status active takes it "
		"back.");
}

/* --- evict */

static void put_texts(struct page *page, json_t *texts)
{
	json_t *one;
	size_t i;

	json_array_foreach(texts, i, one) page_line(page, "  %s", json_is_string(one) ? json_string_value(one) : "?");
}

static void show_evicted(struct page *page, json_t *document, const void *context)
{
	json_t *voided = json_object_get(document, "voided"), *knew = json_object_get(document, "knew");

	(void)context;
	page_line(page, "Node %.*s is evicted. Its addresses go to %.*s.", BYTES(json_text_in(document, "node")),
		  BYTES(json_text_in(document, "heir")));
	if (json_array_size(knew)) {
		page_line(page, "It knew these secrets, which are no longer secret if somebody else has its disk:");
		put_texts(page, knew);
	}
	if (json_array_size(voided)) {
		page_line(page, "Invites that it was to sponsor, and that are void:");
		put_texts(page, voided);
	}
}

static enum exit_status confirm_evict(const struct given *given, json_t *member)
{
	const char *heir = given_value(given, "heir");
	struct bytes name = json_text_in(member, "name"), gateway = json_text_in(member, "gateway");
	char question[512];

	snprintf(question, sizeof question,
		 "Evict %.*s, node %.*s? It never comes back with the state that it has. Its addresses go to %s; its "
		 "gateway stays, for another server.",
		 BYTES(name.size ? name : gateway), BYTES(json_text_in(member, "node")),
		 heir ? heir : "the member that is asked");
	text_make_printable(question);
	return terminal_confirm(given, question);
}

enum exit_status run_node_evict(struct ctl *ctl, const struct given *given)
{
	json_t *members CLEANUP(json_drop) = NULL;
	json_t *body CLEANUP(json_drop) = NULL;
	json_t *member, *document;
	struct request request = { .method = "POST" };
	enum exit_status status = get_members(ctl, &members);

	if (!status)
		status = lookup_member(members, given->arguments[0], &member);
	if (!status)
		status = confirm_evict(given, member);
	if (!status)
		status = body_make(ctl, given, &body);
	if (status)
		return status;
	request.body = body;
	request.path = ctl_path(ctl, "members", json_string_value(json_object_get(member, "node")), "evict", NULL);
	status = ctl_call(ctl, &request, &document);
	return status ? status : ctl_show(ctl, document, (struct view){ show_evicted, NULL });
}
