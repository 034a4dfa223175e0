/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/client.h"

#include "crdt/base/buf.h"
#include "crdt/base/text.h"
#include "crdt/model/json.h"

#include <curl/curl.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	TIMEOUT_S = 30,
	CONNECT_S = 5,
	TRIES_MAX = 4,
	KEY_SIZE = 16,
	TOKEN_MAX = 8192, /* of a Warren-After */
};

struct client {
	CURL *curl;
	const char *path;
	char *token; /* Warren-Token: and what was said last; NULL: nothing yet */
};

/* One request while it is under way. */
struct transfer {
	const struct request *request;
	struct buf answer;
	struct curl_slist *headers;
	char *body;
	unsigned said_s;
};

struct client *client_open(const char *path)
{
	struct client *client = must_alloc(sizeof *client);

	*client = (struct client){ .curl = curl_easy_init(), .path = path };
	if (!client->curl)
		abort();
	return client;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	curl_easy_cleanup(client->curl);
	free(client->token);
	free(client);
}

/* --- why nothing answers */

static enum code not_permitted(const char *path, struct err *err)
{
	return fail(err, E_ABSENT,
		    "you may not use %s: be root (sudo wgctl …), or be in the group that may: sudo usermod -aG warren "
		    "\"$USER\", then sign in again",
		    path);
}

/* Looks at the socket's file, which says more than that a connection failed. */
static enum code why_unreachable(const char *path, struct err *err)
{
	struct stat file;

	if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path)
		return fail(err, E_ABSENT, "%.60s… is too long for a socket: say a shorter one with --socket", path);
	if (stat(path, &file)) {
		if (errno == EACCES)
			return not_permitted(path, err);
		return fail(err, E_ABSENT,
			    "there is no socket %s: is warrend running (systemctl status warrend)? If it listens "
			    "elsewhere, say --socket PATH",
			    path);
	}
	if (!S_ISSOCK(file.st_mode))
		return fail(err, E_ABSENT,
			    "%s is no socket: say with --socket PATH or WARREN_SOCKET where warrend listens", path);
	if (access(path, W_OK))
		return not_permitted(path, err);
	return fail(err, E_ABSENT,
		    "nothing answers on %s: warrend has stopped; look with systemctl status warrend, start it with "
		    "sudo systemctl start warrend",
		    path);
}

/* --- one attempt */

static size_t on_bytes(char *bytes, size_t one, size_t size, void *context)
{
	struct transfer *transfer = context;

	buf_put(&transfer->answer, bytes, size * one);
	return transfer->answer.is_full ? 0 : size * one;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct transfer *transfer = context;
	struct timespec now;

	(void)a, (void)b, (void)c, (void)d;
	if (!transfer->request->waiting)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((unsigned)now.tv_sec != transfer->said_s)
		transfer->request->waiting(transfer->request->context, (unsigned)now.tv_sec);
	transfer->said_s = (unsigned)now.tv_sec;
	return 0;
}

static void add_header(struct transfer *transfer, const char *header)
{
	struct curl_slist *longer = curl_slist_append(transfer->headers, header);

	if (!longer)
		abort();
	transfer->headers = longer;
}

static bool is_method(const struct request *request, const char *method)
{
	return !strcmp(request->method ? request->method : "GET", method);
}

static void add_key(struct transfer *transfer)
{
	static const char name[] = "Idempotency-Key: ";
	uint8_t key[KEY_SIZE];
	char header[sizeof name + 2 * KEY_SIZE];

	randombytes_buf(key, sizeof key);
	memcpy(header, name, sizeof name);
	hex_write(bytes_of(key, sizeof key), header + sizeof name - 1);
	add_header(transfer, header);
}

static void set_up(struct client *client, struct transfer *transfer)
{
	const struct request *request = transfer->request;
	char *url = NULL;

	if (asprintf(&url, "http://localhost%s", request->path) < 0)
		abort();
	curl_easy_reset(client->curl);
	curl_easy_setopt(client->curl, CURLOPT_UNIX_SOCKET_PATH, client->path);
	curl_easy_setopt(client->curl, CURLOPT_URL, url); /* it keeps a copy */
	free(url);
	curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, (long)(request->timeout_s ? request->timeout_s : TIMEOUT_S));
	curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, request->method ? request->method : "GET");
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(client->curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(client->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(client->curl, CURLOPT_XFERINFODATA, transfer);
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, transfer->headers);
	/* The library repeats by itself what dies on a connection that it had used before. */
	curl_easy_setopt(client->curl, CURLOPT_FRESH_CONNECT, is_method(request, "GET") ? 0L : 1L);
	if (!transfer->body)
		return;
	curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(transfer->body));
	curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, transfer->body);
}

static bool may_repeat(const struct request *request)
{
	return is_method(request, "GET") || is_method(request, "POST");
}

static bool died_midway(CURLcode code)
{
	return code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
	       code == CURLE_PARTIAL_FILE;
}

/* --- what came back */

static void keep_token(struct client *client)
{
	struct curl_header *header;
	size_t size;

	/* What has not arrived by now is not waited for again. */
	if (curl_easy_header(client->curl, "Warren-Behind", 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
		free(client->token);
		client->token = NULL;
	}
	if (curl_easy_header(client->curl, "Warren-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return;
	size = strlen(header->value);
	if (!size || size > TOKEN_MAX)
		return;
	free(client->token);
	client->token = must_alloc(size + sizeof "Warren-Token: ");
	stpcpy(stpcpy(client->token, "Warren-Token: "), header->value);
}

static enum code read_answer(struct client *client, struct transfer *transfer, struct answer *answer, struct err *err)
{
	struct err why = { 0 };
	long status = 0;

	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	answer->status = (int)status;
	keep_token(client);
	if (!transfer->answer.size) {
		answer->document = json_null();
		return OK;
	}
	if (!json_open(buf_bytes(&transfer->answer), ANSWER_MAX, &answer->document, &why))
		return OK;
	if (status >= 400) {
		/* Refused before any handler saw it; the status is all that we know. */
		answer->document = json_null();
		return OK;
	}
	return fail(err, E_FORM, "%s answered %ld with what is no JSON (%s): is that warrend?", client->path, status,
		    why.text);
}

static enum code lost(const struct client *client, const struct request *request, CURLcode why, struct err *err)
{
	bool is_read = is_method(request, "GET");

	if (why == CURLE_WRITE_ERROR)
		return fail(err, E_FORM, "the answer is larger than %d MiB; ask for less", ANSWER_MAX >> 20);
	if (why == CURLE_OPERATION_TIMEDOUT)
		return fail(err, E_LOST, "no answer from %s in time%s", client->path,
			    is_read ? "; is warrend overloaded, or the disk?"
				    : "; whether it was done is not known: look before you ask again");
	if (died_midway(why))
		return fail(err, E_LOST, "%s closed the connection before it answered%s", client->path,
			    is_read ? "; look at the log: journalctl -u warrend"
				    : "; whether it was done is not known: look before you ask again");
	return why_unreachable(client->path, err);
}

static void wait_before(unsigned tries)
{
	const struct timespec pause = { .tv_nsec = 100000000L * (long)tries };

	nanosleep(&pause, NULL);
}

/* Again while that is right and of use. A server that starts anew is not there for a moment. */
static CURLcode attempt(struct client *client, struct transfer *transfer, unsigned *ret_tries)
{
	CURLcode code, death = CURLE_OK;

	for (unsigned tries = 1;; tries++) {
		set_up(client, transfer);
		buf_clear(&transfer->answer);
		code = curl_easy_perform(client->curl);
		*ret_tries = tries;
		/* Gone since: what was asked before it went may still have been done. */
		if (death && code == CURLE_COULDNT_CONNECT)
			code = death;
		if (!died_midway(code) || tries == TRIES_MAX || !may_repeat(transfer->request))
			return code;
		death = code;
		wait_before(tries);
	}
}

static enum code encode_body(struct transfer *transfer, struct err *err)
{
	if (!transfer->request->body)
		return OK;
	transfer->body = json_dumps(transfer->request->body, JSON_COMPACT);
	if (!transfer->body)
		return fail(err, E_VALUE, "the request cannot be written as JSON");
	add_header(transfer, "Content-Type: application/json");
	add_header(transfer, "Expect:");
	return OK;
}

static void transfer_done(struct transfer *transfer)
{
	if (transfer->body)
		sodium_memzero(transfer->body, strlen(transfer->body));
	free(transfer->body);
	if (transfer->answer.data)
		sodium_memzero(transfer->answer.data, transfer->answer.size);
	buf_done(&transfer->answer);
	curl_slist_free_all(transfer->headers);
}

enum code client_call(struct client *client, const struct request *request, struct answer *ret_answer, struct err *err)
{
	struct transfer transfer = { .request = request, .answer = buf_growing(ANSWER_MAX) };
	struct answer answer = { 0 };
	enum code code = encode_body(&transfer, err);
	CURLcode way;

	if (is_method(request, "POST"))
		add_key(&transfer);
	if (client->token)
		add_header(&transfer, client->token);
	if (!code) {
		way = attempt(client, &transfer, &answer.tries);
		code = way ? lost(client, request, way, err) : read_answer(client, &transfer, &answer, err);
	}
	transfer_done(&transfer);
	if (!code)
		*ret_answer = answer;
	return code;
}
