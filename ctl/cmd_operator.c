/* SPDX-License-Identifier: Apache-2.0 */
#include "crdt/base/text.h"
#include "ctl/body.h"
#include "ctl/handlers.h"
#include "ctl/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PASSPHRASE_MAX = 500, PASSPHRASE_MIN = 8 };

/* --- list, add */

static void show_operators(struct page *page, json_t *document, const void *context)
{
	static const struct column columns[] = {
		{ .title = "NAME" },     { .title = "STATE" },    { .title = "ROOT" },
		{ .title = "KEY HERE" }, { .title = "NAMED BY" }, { .title = "KEY", .is_whole = true },
	};
	struct table table = table_make(columns, COUNT(columns));
	json_t *one;
	size_t i;

	(void)context;
	json_array_foreach(json_object_get(document, "operators"), i, one)
	{
		bool stands = bytes_equal(json_text_in(one, "state"), bytes_text("stands"));

		table_add(&table, TONE_PLAIN, json_text_in(one, "name"));
		table_add(&table, stands ? TONE_PLAIN : TONE_BAD, json_text_in(one, "state"));
		table_add(&table, TONE_PLAIN, bytes_text(json_truth_in(one, "is_root") ? "yes" : "-"));
		table_add(&table, TONE_PLAIN, bytes_text(json_truth_in(one, "is_here") ? "yes" : "-"));
		table_add(&table, TONE_PLAIN, json_text_in(one, "parent"));
		table_add(&table, TONE_PLAIN, json_text_in(one, "key"));
	}
	table_end(&table, page);
}

static enum exit_status get_operators(struct ctl *ctl, json_t **ret_document)
{
	const struct request request = { .path = ctl_path(ctl, "operators", NULL) };

	return ctl_call(ctl, &request, ret_document);
}

enum exit_status run_operator_list(struct ctl *ctl, const struct given *given)
{
	json_t *document;
	enum exit_status status = get_operators(ctl, &document);

	(void)given;
	return status ? status : ctl_show(ctl, document, (struct view){ show_operators, NULL });
}

static void show_added(struct page *page, json_t *document, const void *context)
{
	(void)context;
	page_line(page, "%.*s is an operator; the key, %.*s, is on this server.", BYTES(json_text_in(document, "name")),
		  BYTES(json_text_in(document, "key")));
	page_line(page, "Next: wgctl operator export NAME --out FILE, to keep a copy elsewhere");
}

enum exit_status run_operator_add(struct ctl *ctl, const struct given *given)
{
	json_t *body CLEANUP(json_drop) = json_pack("{s:s}", "name", given->arguments[0]);
	const struct request request = { .method = "POST", .path = ctl_path(ctl, "operators", NULL), .body = body };
	json_t *document;
	enum exit_status status;

	if (!body)
		return ctl_fail(EXIT_USAGE, "the name is not in UTF-8");
	status = ctl_call(ctl, &request, &document);
	return status ? status : ctl_show(ctl, document, (struct view){ show_added, NULL });
}

/* --- which */

static bool is_text(json_t *object, const char *name, const char *text)
{
	return bytes_equal(json_text_in(object, name), bytes_text(text));
}

/* The one with that key or, of those that stand, with that name; borrowed from the document. */
static enum exit_status find_operator(json_t *document, const char *text, json_t **ret_operator)
{
	json_t *one, *found = NULL;
	size_t i, count = 0;

	json_array_foreach(json_object_get(document, "operators"), i, one)
	{
		if (is_text(one, "key", text)) {
			*ret_operator = one;
			return EXIT_DONE;
		}
		if (!is_text(one, "name", text) || !is_text(one, "state", "stands"))
			continue;
		found = one;
		count++;
	}
	if (!count)
		return ctl_fail(EXIT_FAILED, "no operator that stands is called %s; wgctl operator list names them",
				text);
	if (count > 1)
		return ctl_fail(EXIT_FAILED,
				"several operators are called %s: say the key of the one that you mean (wgctl "
				"operator list)",
				text);
	*ret_operator = found;
	return EXIT_DONE;
}

static const char *key_of(json_t *operator)
{
	const char *key = json_string_value(json_object_get(operator, "key"));

	return key ? key : "";
}

/* --- remove */

static void show_removed(struct page *page, json_t *document, const void *context)
{
	(void)document, (void)context;
	page_line(page, "That key counts no more. Who is left: wgctl operator list");
}

static enum exit_status confirm_remove(const struct given *given, json_t *operator)
{
	char question[400];

	snprintf(question, sizeof question, "Remove the operator %.*s, key %.*s? What it signs from now on is void.",
		 BYTES(json_text_in(operator, "name")), BYTES(json_text_in(operator, "key")));
	text_make_printable(question);
	return terminal_confirm(given, question);
}

enum exit_status run_operator_remove(struct ctl *ctl, const struct given *given)
{
	json_t *operators CLEANUP(json_drop) = NULL;
	json_t *operator= NULL, *document;
	struct request request = { .method = "DELETE" };
	enum exit_status status = get_operators(ctl, &operators);

	if (!status)
		status = find_operator(operators, given->arguments[0], &operator);
	if (!status)
		status = confirm_remove(given, operator);
	if (status)
		return status;
	request.path = ctl_path(ctl, "operators", key_of(operator), NULL);
	status = ctl_call(ctl, &request, &document);
	return status ? status : ctl_show(ctl, document, (struct view){ show_removed, NULL });
}

/* --- export */

static enum exit_status get_passphrase(const struct given *given, char *room, size_t size)
{
	const char *path = given_value(given, "passphrase-file");
	struct buf text;
	enum exit_status status;

	if (!path)
		return terminal_passphrase(room, size, true);
	status = file_read(path, size - 1, &text);
	if (status)
		return status;
	memcpy(room, text.data, text.size + 1);
	room[strcspn(room, "\r\n")] = '\0';
	sodium_memzero(text.data, text.room);
	buf_done(&text);
	return EXIT_DONE;
}

static enum exit_status write_new(const char *path, struct bytes bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t done = 0;

	if (fd < 0)
		return ctl_fail(EXIT_FAILED, "cannot make %s: %s", path, strerror(errno));
	while (done < bytes.size) {
		ssize_t size = write(fd, bytes.data + done, bytes.size - done);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			break;
		done += (size_t)size;
	}
	if (done == bytes.size && !fsync(fd) && !close(fd))
		return EXIT_DONE;
	unlink(path);
	return ctl_fail(EXIT_FAILED, "cannot write %s: %s", path, strerror(errno));
}

static enum exit_status keep_file(const char *path, struct bytes base64)
{
	uint8_t *bytes = must_alloc(base64.size + 1);
	size_t size;
	enum exit_status status = EXIT_FAILED;

	if (!base64.size || !base64_read(base64, bytes, base64.size, &size))
		ctl_fail(EXIT_FAILED, "the answer holds no file: is the server of another version?");
	else
		status = write_new(path, bytes_of(bytes, size));
	free(bytes);
	return status;
}

static void show_exported(struct page *page, json_t *document, const void *context)
{
	(void)document;
	page_line(page,
		  "The key is in %s, sealed with the passphrase. Neither is of use without the other: keep them apart.",
		  (const char *)context);
}

static enum exit_status export_key(struct ctl *ctl, const struct given *given, const char *passphrase)
{
	json_t *operators CLEANUP(json_drop) = NULL;
	json_t *body CLEANUP(json_drop) = json_pack("{s:s}", "passphrase", passphrase);
	json_t *operator= NULL, *document;
	const char *path = given_value(given, "out");
	struct request request = { .method = "POST", .body = body };
	enum exit_status status =
		body ? get_operators(ctl, &operators) : ctl_fail(EXIT_USAGE, "the passphrase is not in UTF-8");

	if (!status)
		status = find_operator(operators, given->arguments[0], &operator);
	if (status)
		return status;
	request.path = ctl_path(ctl, "operators", key_of(operator), "export", NULL);
	status = ctl_call(ctl, &request, &document);
	if (status)
		return status;
	status = keep_file(path, json_text_in(document, "file"));
	if (!status)
		return ctl_show(ctl, document, (struct view){ show_exported, path });
	json_decref(document);
	return status;
}

enum exit_status run_operator_export(struct ctl *ctl, const struct given *given)
{
	char passphrase[PASSPHRASE_MAX + 1];
	enum exit_status status = get_passphrase(given, passphrase, sizeof passphrase);

	if (!status && strlen(passphrase) < PASSPHRASE_MIN)
		status = ctl_fail(EXIT_USAGE,
				  "the passphrase has fewer than %d bytes: several words are easy to remember",
				  PASSPHRASE_MIN);
	if (!status)
		status = export_key(ctl, given, passphrase);
	sodium_memzero(passphrase, sizeof passphrase);
	return status;
}
