/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/notify.h"
#include "tests/unit/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "warren-notify-XXXXXX";
static char path[64];

/* A supervisor: a socket of that name, for as long as it is open. */
static int listen_on(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	strcpy(address.sun_path, name);
	if (*name == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static const char *heard(int fd)
{
	static char text[1024];
	ssize_t size = recv(fd, text, sizeof text - 1, 0);

	text[size > 0 ? size : 0] = '\0';
	return size > 0 ? text : NULL;
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "/proc/self/cwd/%s/socket", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static void check_all(int fd)
{
	uint64_t us;
	struct timespec now;

	assert_true(notify_ready());
	assert_string_equal(heard(fd), "READY=1");
	assert_true(notify_stopping());
	assert_string_equal(heard(fd), "STOPPING=1");
	assert_true(notify_watchdog());
	assert_string_equal(heard(fd), "WATCHDOG=1");
	assert_true(notify_status("15 of 15 links"));
	assert_string_equal(heard(fd), "STATUS=15 of 15 links");
	assert_true(notify_reloading());
	assert_int_equal(sscanf(heard(fd), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &us), 1);
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_in_range((uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 - us, 0, 10000000);
	assert_null(heard(fd));
}

static void test_path(void **state)
{
	int fd = listen_on(path);

	(void)state;
	check_all(fd);
	close(fd);
	unlink(path);
}

static void test_abstract(void **state)
{
	char name[64];
	int fd;

	(void)state;
	snprintf(name, sizeof name, "@warren-notify-%d", (int)getpid());
	fd = listen_on(name);
	check_all(fd);
	close(fd);
}

/* What others wrote into a status is no message of its own. */
static void test_status(void **state)
{
	int fd = listen_on(path);
	char text[2000];

	(void)state;
	assert_true(notify_status("a\nSTOPPING=1"));
	assert_string_equal(heard(fd), "STATUS=a?STOPPING=1");
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_true(notify_status(text));
	assert_int_equal(strlen(heard(fd)), strlen("STATUS=") + 512);
	close(fd);
	unlink(path);
}

static void test_nobody_listens(void **state)
{
	char name[200];
	int fd;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_false(notify_ready());
	setenv("NOTIFY_SOCKET", "", 1);
	assert_false(notify_ready());
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_false(notify_ready());
	setenv("NOTIFY_SOCKET", "@", 1);
	assert_false(notify_ready());
	memset(name, 'a', sizeof name - 1);
	name[0] = '/';
	name[sizeof name - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	assert_false(notify_ready());
	fd = listen_on(path);
	close(fd);
	assert_false(notify_ready()); /* the file of a dead one */
	unlink(path);
	assert_false(notify_status("x"));
	fd = listen_on(path);
	setenv("NOTIFY_SOCKET", path + strlen("/proc/self/cwd/"), 1);
	assert_false(notify_ready()); /* whose meaning depends on the folder */
	close(fd);
	unlink(path);
}

/* A supervisor that is stuck does not hold the agent for long. */
static void test_stuck(void **state)
{
	int fd = listen_on(path), sent = 0;
	time_t before = time(NULL);

	(void)state;
	while (sent < 10000 && notify_watchdog())
		sent++;
	assert_true(sent > 0 && sent < 10000);
	assert_true(time(NULL) - before < 10);
	close(fd);
	unlink(path);
}

static void check_watchdog(const char *us, const char *pid, uint64_t expected)
{
	if (us)
		setenv("WATCHDOG_USEC", us, 1);
	else
		unsetenv("WATCHDOG_USEC");
	if (pid)
		setenv("WATCHDOG_PID", pid, 1);
	else
		unsetenv("WATCHDOG_PID");
	assert_int_equal(notify_watchdog_us(), expected);
}

static void test_watchdog_us(void **state)
{
	char own[24];

	(void)state;
	snprintf(own, sizeof own, "%d", (int)getpid());
	check_watchdog(NULL, NULL, 0);
	check_watchdog(NULL, own, 0);
	check_watchdog("30000000", NULL, 30000000);
	check_watchdog("30000000", own, 30000000);
	check_watchdog("30000000", "1", 0);
	check_watchdog("30000000", "", 0);
	check_watchdog("30000000", "x", 0);
	check_watchdog("", NULL, 0);
	check_watchdog("-1", NULL, 0);
	check_watchdog("10s", NULL, 0);
	check_watchdog("99999999999999999999999", NULL, 0);
	check_watchdog("0", own, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),   cmocka_unit_test(test_abstract),
		cmocka_unit_test(test_status), cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_stuck),  cmocka_unit_test(test_watchdog_us),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
