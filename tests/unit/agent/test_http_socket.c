/* SPDX-License-Identifier: Apache-2.0 */
/* The socket's file: whose it is, who may use it, and who had it before. */
#include "tests/unit/agent/http_case.h"
#include "tests/unit/base/check.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A socket at that path, as a process that is no more leaves it, or one that lives. */
static int make_socket(const char *path, bool listens)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	if (listens)
		assert_int_equal(listen(fd, 0), 0);
	return fd;
}

static void path_in(const struct http_case *test, const char *name, char room[static 128])
{
	snprintf(room, 128, "%s/%s", test->folder, name);
}

static void the_file_has_its_mode(void **state)
{
	struct http_case test;
	struct stat status;
	char path[128];
	mode_t before = umask(0777);

	(void)state;
	http_case_open(&test, http_case_limits);
	assert_int_equal(lstat(test.path, &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	assert_int_equal(status.st_mode & 0777, 0660);
	umask(0);
	path_in(&test, "t", path);
	assert_int_equal(http_listen_unix(test.server, path, "", NULL), OK);
	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0660);
	assert_int_equal(status.st_gid, getegid());
	umask(before);
	http_case_close(&test);
}

static void the_file_has_its_group(void **state)
{
	struct http_case test;
	struct stat status;
	struct group *group = getgrgid(getegid());
	struct err err = { 0 };
	char path[128];

	(void)state;
	http_case_open(&test, http_case_limits);
	path_in(&test, "t", path);
	/* Who is root may give it to anybody; who is not, to a group of his own. */
	if (!geteuid())
		group = getgrnam("daemon");
	assert_non_null(group);
	assert_int_equal(http_listen_unix(test.server, path, group->gr_name, NULL), OK);
	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(status.st_gid, group->gr_gid);
	path_in(&test, "u", path);
	assert_int_equal(http_listen_unix(test.server, path, "no-such-group", &err), E_ABSENT);
	assert_non_null(strstr(err.text, "no-such-group"));
	assert_int_equal(access(path, F_OK), -1);
	http_case_close(&test);
}

static void a_dead_ones_file_is_replaced(void **state)
{
	struct http_case test;
	struct http_client client;
	char path[128];

	(void)state;
	http_case_open(&test, http_case_limits);
	path_in(&test, "t", path);
	close(make_socket(path, true));
	assert_int_equal(http_listen_unix(test.server, path, NULL, NULL), OK);
	strcpy(test.path, path);
	client = http_client_open(&test);
	http_client_send(&client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(http_client_read(&client).status, 200);
	http_client_close(&client);
	http_case_close(&test);
}

static void a_living_ones_file_is_left(void **state)
{
	struct http_case test;
	struct err err = { 0 };
	struct stat before, after;
	char path[128];
	int fd, clients[4];

	(void)state;
	http_case_open(&test, http_case_limits);
	assert_int_equal(http_listen_unix(test.server, test.path, NULL, &err), E_TAKEN);
	assert_non_null(strstr(err.text, test.path));
	path_in(&test, "t", path);
	fd = make_socket(path, true);
	assert_int_equal(lstat(path, &before), 0);
	assert_int_equal(http_listen_unix(test.server, path, NULL, NULL), E_TAKEN);
	/* Also when it has no time for another client. */
	for (size_t i = 0; i < COUNT(clients); i++) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };

		strcpy(address.sun_path, path);
		clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(clients[i], (struct sockaddr *)&address, sizeof address);
	}
	assert_int_equal(http_listen_unix(test.server, path, NULL, NULL), E_TAKEN);
	assert_int_equal(lstat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	for (size_t i = 0; i < COUNT(clients); i++)
		close(clients[i]);
	close(fd);
	unlink(path);
	http_case_close(&test);
}

static void what_is_no_socket_is_left(void **state)
{
	struct http_case test;
	char path[128], target[128];
	int fd;

	(void)state;
	http_case_open(&test, http_case_limits);
	path_in(&test, "t", path);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(http_listen_unix(test.server, path, NULL, NULL), E_TAKEN);
	assert_int_equal(access(path, F_OK), 0);
	path_in(&test, "u", target);
	assert_int_equal(symlink(path, target), 0);
	assert_int_equal(http_listen_unix(test.server, target, NULL, NULL), E_TAKEN);
	unlink(target);
	unlink(path);
	close(fd);
	http_case_close(&test);
}

static void paths_that_cannot_be(void **state)
{
	struct http_case test;
	struct err err = { 0 };
	char path[256];

	(void)state;
	http_case_open(&test, http_case_limits);
	snprintf(path, sizeof path, "%s/none/t", test.folder);
	assert_int_equal(http_listen_unix(test.server, path, NULL, &err), E_ABSENT);
	assert_true(*err.text);
	snprintf(path, sizeof path, "%s/t", test.path);
	assert_int_equal(http_listen_unix(test.server, path, NULL, NULL), E_ABSENT);
	assert_int_equal(http_listen_unix(test.server, "", NULL, NULL), E_VALUE);
	snprintf(path, sizeof path, "%s/%0*d", test.folder, (int)(104 - strlen(test.folder) - 1), 0);
	assert_int_equal(strlen(path), 104);
	assert_int_equal(http_listen_unix(test.server, path, NULL, NULL), E_VALUE);
	path[103] = 0;
	assert_int_equal(http_listen_unix(test.server, path, NULL, NULL), OK);
	assert_int_equal(access(path, F_OK), 0);
	http_case_close(&test);
}

static void stop(void *context)
{
	uv_stop(context);
}

/* Who ends takes his own file with him, and nobody else's. */
static void anothers_file_stays(void **state)
{
	struct http_case test;
	char path[128];
	int fd;

	(void)state;
	http_case_open(&test, http_case_limits);
	path_in(&test, "t", path);
	assert_int_equal(http_listen_unix(test.server, path, NULL, NULL), OK);
	unlink(path);
	fd = make_socket(path, true);
	http_end(test.server, 0, stop, &test.loop);
	test.server = NULL;
	test.is_closed = true;
	uv_run(&test.loop, UV_RUN_DEFAULT);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(access(test.path, F_OK), -1);
	close(fd);
	unlink(path);
	http_case_close(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_has_its_mode),        cmocka_unit_test(the_file_has_its_group),
		cmocka_unit_test(a_dead_ones_file_is_replaced), cmocka_unit_test(a_living_ones_file_is_left),
		cmocka_unit_test(what_is_no_socket_is_left),    cmocka_unit_test(paths_that_cannot_be),
		cmocka_unit_test(anothers_file_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
