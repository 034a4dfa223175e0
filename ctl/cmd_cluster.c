/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/body.h"
#include "ctl/handlers.h"

/* --- init */

static void show_init(struct page *page, json_t *made, const void *context)
{
	(void)context;
	page_line(page, "The cluster %.*s is made. This server is its first member: gateway %.*s, node %.*s.",
		  BYTES(json_text_in(made, "name")), BYTES(json_text_in(made, "gateway")),
		  BYTES(json_text_in(made, "node")));
	page_line(page, "%s", "");
	page_line(page, "Recovery key, shown this once:");
	page_line(page, "%s", "");
	page_line_in(page, TONE_STRONG, "    %.*s", BYTES(json_text_in(made, "recovery_key")));
	page_line(page, "%s", "");
	page_line(page,
		  "Write it down now, and keep it away from every server. If the first operator's key is lost or");
	page_line(page, "stolen, it alone can put another in its place. It can do nothing else.");
	page_line(page, "%s", "");
	page_line(page, "Next:");
	page_line(page, "  wgctl cluster status                    look at what is there");
	page_line(page, "  wgctl node invite --name nyc-1 …        let the next server in");
	page_line(page, "  wgctl operator export … --out FILE      keep a copy of the operator's key elsewhere");
}

enum exit_status run_cluster_init(struct ctl *ctl, const struct given *given)
{
	json_t *body CLEANUP(json_drop) = NULL;
	struct answer answer = { 0 };
	enum exit_status status = body_make(ctl, given, &body);
	const struct request request = { .method = "POST", .path = ctl_path(ctl, "cluster", NULL), .body = body };

	if (!status)
		status = ctl_try(ctl, &request, &answer);
	if (status)
		return status;
	if (answer.status < 300)
		return ctl_show(ctl, answer.document, (struct view){ show_init, NULL });
	status = ctl_refuse(ctl, &answer);
	json_decref(answer.document);
	if (answer.tries > 1)
		ctl_fail(status,
			 "the connection had died before: if the cluster was made then, its recovery key was never "
			 "shown; stop warrend, take its state away and make the cluster again");
	return status;
}

/* --- what it says of itself */

static void show_members(struct page *page, json_t *document, const void *context)
{
	static const struct column columns[] = {
		{ .title = "NODE", .is_whole = true },
		{ .title = "GATEWAY" },
		{ .title = "STATE" },
		{ .title = "SPONSOR" },
		{ .title = "HEIR" },
		{ .title = "KEY" },
	};
	struct table table = table_make(columns, COUNT(columns));
	json_t *one;
	size_t i;

	(void)context;
	json_array_foreach(json_object_get(document, "members"), i, one)
	{
		struct bytes state = json_text_in(one, "state"), name = json_text_in(one, "name");
		bool is_out = bytes_equal(state, bytes_text("evicted"));

		table_add(&table, TONE_PLAIN, json_text_in(one, "node"));
		table_add(&table, TONE_PLAIN, name.size ? name : json_text_in(one, "gateway"));
		table_add(&table, is_out ? TONE_BAD : TONE_PLAIN, state);
		table_add(&table, TONE_PLAIN, json_text_in(one, "sponsor"));
		table_add(&table, TONE_PLAIN, json_text_in(one, "heir"));
		table_add(&table, TONE_PLAIN, json_text_in(one, "key"));
	}
	table_end(&table, page);
}

static enum exit_status get_and_show(struct ctl *ctl, const char *path,
				     void (*show)(struct page *, json_t *, const void *))
{
	const struct request request = { .path = path };
	json_t *document;
	enum exit_status status = ctl_call(ctl, &request, &document);

	return status ? status : ctl_show(ctl, document, (struct view){ show, NULL });
}

enum exit_status run_cluster_members(struct ctl *ctl, const struct given *given)
{
	(void)given;
	return get_and_show(ctl, ctl_path(ctl, "members", NULL), show_members);
}

/* --- conflicts */

static void show_conflict(struct page *page, json_t *conflict)
{
	json_t *id;
	size_t i;

	page_line_in(page, TONE_STRONG, "%.*s: %.*s", BYTES(json_text_in(conflict, "kind")),
		     BYTES(json_text_in(conflict, "what")));
	json_array_foreach(json_object_get(conflict, "ids"), i, id)
		page_line(page, "  %s", json_is_string(id) ? json_string_value(id) : "?");
	page_line(page, "  do: %.*s", BYTES(json_text_in(conflict, "remedy")));
}

static void show_conflicts(struct page *page, json_t *document, const void *context)
{
	json_t *all = json_object_get(document, "conflicts"), *one;
	size_t i;

	(void)context;
	if (!json_array_size(all))
		page_line_in(page, TONE_GOOD, "There are no conflicts.");
	json_array_foreach(all, i, one) show_conflict(page, one);
}

enum exit_status run_cluster_conflicts(struct ctl *ctl, const struct given *given)
{
	(void)given;
	return get_and_show(ctl, ctl_path(ctl, "conflicts", NULL), show_conflicts);
}

/* --- doctor */

static bool is_severity(json_t *finding, const char *severity)
{
	return bytes_equal(json_text_in(finding, "severity"), bytes_text(severity));
}

static void show_doctor(struct page *page, json_t *document, const void *context)
{
	json_t *one;
	size_t i;

	(void)context;
	json_array_foreach(json_object_get(document, "findings"), i, one)
	{
		bool is_bad = is_severity(one, "bad"), is_ok = is_severity(one, "ok");
		struct bytes remedy = json_text_in(one, "remedy");

		page_line_in(page,
			     is_bad  ? TONE_BAD
			     : is_ok ? TONE_GOOD
				     : TONE_WARN,
			     "%-4.*s  %.*s", BYTES(json_text_in(one, "severity")), BYTES(json_text_in(one, "what")));
		if (remedy.size)
			page_line(page, "      do: %.*s", BYTES(remedy));
	}
}

enum exit_status run_cluster_doctor(struct ctl *ctl, const struct given *given)
{
	const struct request request = { .path = ctl_path(ctl, "doctor", NULL) };
	json_t *document, *one;
	enum exit_status status = ctl_call(ctl, &request, &document);
	bool is_bad = false;
	size_t i;

	(void)given;
	if (status)
		return status;
	json_array_foreach(json_object_get(document, "findings"), i, one) is_bad = is_bad || is_severity(one, "bad");
	status = ctl_show(ctl, document, (struct view){ show_doctor, NULL });
	return status ? status : is_bad ? EXIT_FAILED : EXIT_DONE;
}
