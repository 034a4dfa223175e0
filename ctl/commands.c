/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/command.h"
#include "ctl/handlers.h"

/*
 * The commands that have a meaning of their own. What they are about is one line each; an example is what a person
 * types.
 */

const struct option common_options[] = {
	{ "json", NULL, "print the API's JSON, one document", NULL, NULL, NULL, FORM_FLAG, false, false },
	{ "socket", "PATH", "where warrend listens (else WARREN_SOCKET, else /run/warren/warrend.sock)", NULL, NULL,
	  NULL, FORM_FILE, false, false },
	{ "help", NULL, "say what the command does", NULL, NULL, NULL, FORM_FLAG, false, false },
	{ "version", NULL, "say which version of wgctl this is", NULL, NULL, NULL, FORM_FLAG, false, false },
	{ 0 },
};

#define TEXT(word, shown, what)                                                     \
	{                                                                           \
		.name = (word), .value = (shown), .about = (what), .member = (word) \
	}
/* What a gateway is; the rest of the line differs by who makes it. */
#define PLACE                                                                        \
	TEXT("location", "TEXT", "where it stands, such as \"Frankfurt, Germany\""), \
		TEXT("region", "NAME", "such as eu-central-1"),                      \
		TEXT("country", "CC", "two letters of ISO 3166, such as de"),        \
		TEXT("tier", "NAME", "what a plan must name to use it")
#define HOST(in)                                                                                                      \
	{                                                                                                             \
		.name = "host", .value = "HOST", .about = "the name or address where devices find it", .member = (in) \
	}
#define YES                                                             \
	{                                                               \
		.name = "yes", .about = "do not ask", .form = FORM_FLAG \
	}

static const struct option init_options[] = {
	{ .name = "name", .value = "NAME", .about = "of the cluster", .member = "name", .is_required = true },
	TEXT("gateway", "NAME", "of this server, such as fra-1; usually its host name"),
	PLACE,
	HOST("host"),
	{ 0 },
};

static const struct option watch_options[] = {
	{ .name = "count", .value = "N", .about = "end after so many looks", .form = FORM_COUNT },
	{ 0 },
};

static const struct option invite_options[] = {
	TEXT("name", "NAME", "of the new gateway, such as fra-1"),
	PLACE,
	HOST("host"),
	TEXT("replace", "NAME", "the gateway whose server was lost and evicted, in place of --name"),
	{ .name = "expires",
	  .value = "TIME",
	  .about = "how long the token is good, such as 15m or 24h",
	  .member = "expires_s",
	  .form = FORM_SPAN },
	{ 0 },
};

static const struct option set_options[] = {
	TEXT("name", "NAME", "another name"),
	PLACE,
	HOST("public_host"),
	{ .name = "status",
	  .value = "STATUS",
	  .about = "active, draining (nothing new) or maintenance (nothing)",
	  .member = "status",
	  .choices = "active|draining|maintenance",
	  .form = FORM_CHOICE },
	{ .name = "capacity",
	  .value = "N",
	  .about = "devices that it is meant for",
	  .member = "capacity",
	  .form = FORM_COUNT },
	TEXT("note", "TEXT", "for the operators"),
	{ 0 },
};

static const struct option evict_options[] = {
	TEXT("heir", "NAME|ID", "the member that its addresses go to; else the one that is asked"),
	YES,
	{ 0 },
};

static const struct option remove_options[] = {
	YES,
	{ 0 },
};

static const struct option export_options[] = {
	{ .name = "out",
	  .value = "FILE",
	  .about = "the file to make; it must not be there yet",
	  .form = FORM_FILE,
	  .is_required = true },
	{ .name = "passphrase-file",
	  .value = "FILE",
	  .about = "read the passphrase from its first line, - for standard input; else it is asked for",
	  .form = FORM_FILE },
	{ 0 },
};

static const struct option get_options[] = {
	{ .name = "limit", .value = "N", .about = "at most so many records", .form = FORM_COUNT },
	{ 0 },
};

static const struct option man_options[] = {
	{ .name = "markdown", .about = "as docs/wgctl.md has it", .form = FORM_FLAG },
	{ 0 },
};

#define NODE(what)                                 \
	{                                          \
		.name = "NAME|ID", .about = (what) \
	}

const struct command own_commands[] = {
	{ .group = "cluster",
	  .name = "init",
	  .about = "make a cluster of which this server is the first member",
	  .detail = "It shows the recovery key, once. Write it down and keep it away from every server: it alone can "
		    "replace the cluster's first operator, and it can do nothing else.",
	  .example = "wgctl cluster init --name example --gateway fra-1 --location \"Frankfurt, Germany\"",
	  .options = init_options,
	  .run = run_cluster_init },
	{ .group = "cluster",
	  .name = "status",
	  .about = "what to look at in trouble: members, links, disk, alarms",
	  .example = "wgctl cluster status",
	  .run = run_cluster_status },
	{ .group = "cluster",
	  .name = "members",
	  .about = "who was let in, by whom, and who was evicted",
	  .example = "wgctl cluster members",
	  .run = run_cluster_members },
	{ .group = "cluster",
	  .name = "conflicts",
	  .about = "what two members decided differently, and what to do about it",
	  .example = "wgctl cluster conflicts",
	  .run = run_cluster_conflicts },
	{ .group = "cluster",
	  .name = "watch",
	  .about = "the status, every second until ^C",
	  .detail = "To anything but a terminal it prints a line for each member, and another whenever something about "
		    "it has changed.",
	  .example = "wgctl cluster watch",
	  .options = watch_options,
	  .run = run_cluster_watch },
	{ .group = "cluster",
	  .name = "doctor",
	  .about = "look for what is wrong with this server, with a remedy for each",
	  .detail = "The exit status is 1 when something is bad.",
	  .example = "wgctl cluster doctor",
	  .run = run_cluster_doctor },

	{ .group = "node",
	  .name = "invite",
	  .about = "let one more server in: prints the token that it joins with",
	  .detail = "The token is the only line on standard output. It lets one server in, until it expires: hand it "
		    "over as you would a password.",
	  .example = "wgctl node invite --name nyc-1 --location \"New York, USA\" --region us-east-1 --tier pro "
		     "--host 198.51.100.7",
	  .options = invite_options,
	  .run = run_node_invite },
	{ .group = "node",
	  .name = "invites",
	  .about = "tokens that were made and have not been used",
	  .example = "wgctl node invites",
	  .run = run_node_invites },
	{ .group = "node",
	  .name = "uninvite",
	  .about = "take a token back",
	  .example = "wgctl node uninvite 3f2a…",
	  .arguments = { { .name = "ID", .about = "of the invite (wgctl node invites)" } },
	  .run = run_node_uninvite },
	{ .group = "node",
	  .name = "join",
	  .about = "make this server a member; ends when it has what the others have",
	  .detail = "On a command line other users of the machine may see the token: - reads it from standard input.",
	  .example = "wgctl node join - < token",
	  .arguments = { { .name = "TOKEN", .about = "as node invite printed it on another server; - reads it" } },
	  .run = run_node_join },
	{ .group = "node",
	  .name = "list",
	  .about = "the servers, one a line",
	  .example = "wgctl node list",
	  .run = run_node_list },
	{ .group = "node",
	  .name = "set",
	  .about = "change what users see of a server",
	  .example = "wgctl node set fra-1 --tier pro --host vpn1.example.org",
	  .arguments = { NODE("the server") },
	  .options = set_options,
	  .run = run_node_set },
	{ .group = "node",
	  .name = "drain",
	  .about = "give a server no new devices; those that it has stay",
	  .detail = "wgctl node set NAME --status active takes it back.",
	  .example = "wgctl node drain fra-1",
	  .arguments = { NODE("the server") },
	  .run = run_node_drain },
	{ .group = "node",
	  .name = "evict",
	  .about = "shut a server out for ever: lost, stolen or retired",
	  .detail = "Its addresses go to the heir. It cannot come back with the state that it has. Its gateway stays: "
		    "node invite --replace lets another server run it.",
	  .example = "wgctl node evict fra-1 --heir nyc-1",
	  .arguments = { NODE("the server") },
	  .options = evict_options,
	  .run = run_node_evict },

	{ .group = "operator",
	  .name = "list",
	  .about = "the keys that may admit and evict servers",
	  .example = "wgctl operator list",
	  .run = run_operator_list },
	{ .group = "operator",
	  .name = "add",
	  .about = "make another such key, on this server",
	  .example = "wgctl operator add anna",
	  .arguments = { { .name = "NAME", .about = "for people" } },
	  .run = run_operator_add },
	{ .group = "operator",
	  .name = "remove",
	  .about = "let a key count no more",
	  .example = "wgctl operator remove anna",
	  .arguments = { { .name = "NAME|KEY", .about = "which" } },
	  .options = remove_options,
	  .run = run_operator_remove },
	{ .group = "operator",
	  .name = "export",
	  .about = "write a key to a file, sealed with a passphrase",
	  .example = "wgctl operator export anna --out anna.key",
	  .arguments = { { .name = "NAME|KEY", .about = "which" } },
	  .options = export_options,
	  .run = run_operator_export },

	{ .group = "get",
	  .about = "records of any kind",
	  .example = "wgctl get users",
	  .arguments = { { .name = "KINDS", .about = "in the plural, such as users or port-forwards" },
			 { .name = "NAME|ID", .about = "only this one", .is_optional = true } },
	  .options = get_options,
	  .run = run_get },
	{ .group = "completion",
	  .about = "what makes a shell complete the words of wgctl",
	  .detail = "For bash: wgctl completion bash > /etc/bash_completion.d/wgctl. Packages install it for all "
		    "three shells.",
	  .example = "wgctl completion bash > /etc/bash_completion.d/wgctl",
	  .arguments = { { .name = "SHELL", .about = "bash, zsh or fish", .choices = "bash|zsh|fish" } },
	  .run = run_completion },
	{ .group = "man",
	  .about = "this manual, as a page for man",
	  .example = "wgctl man > wgctl.1",
	  .options = man_options,
	  .run = run_man },
	{ .group = "help",
	  .about = "what a command does",
	  .example = "wgctl help node invite",
	  .arguments = { { .name = "GROUP", .about = "such as node", .is_optional = true },
			 { .name = "COMMAND", .about = "such as invite", .is_optional = true } },
	  .run = run_help },
	{ 0 },
};

static const struct {
	const char *group, *about;
} groups[] = {
	{ "cluster", "the cluster as a whole" },
	{ "node", "the servers that make it up" },
	{ "operator", "the keys that admit and evict servers" },
};

const char *group_about(const struct command *command)
{
	for (size_t i = 0; i < COUNT(groups); i++)
		if (!strcmp(groups[i].group, command->group))
			return groups[i].about;
	return command->kind ? command->kind->about : command->about;
}
