/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { USUAL_WIDTH = 80, LEAST_WIDTH = 20 };

void terminal_look(struct ctl *ctl)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size = { 0 };

	ctl->has_terminal = isatty(STDOUT_FILENO);
	ctl->has_error_tty = isatty(STDERR_FILENO);
	ctl->has_colour = ctl->has_terminal && !(no_colour && *no_colour) && !(term && !strcmp(term, "dumb"));
	ctl->width = PAGE_ENDLESS;
	if (!ctl->has_terminal)
		return;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		size.ws_col = USUAL_WIDTH;
	ctl->width = size.ws_col < LEAST_WIDTH ? LEAST_WIDTH : size.ws_col;
}

enum exit_status terminal_confirm(const struct given *given, const char *question)
{
	char answer[16] = "";

	if (given_value(given, "yes"))
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return ctl_fail(EXIT_USAGE, "this cannot be undone, and there is nobody to ask: say --yes");
	fprintf(stderr, "%s [y/N] ", question);
	fflush(stderr);
	if (fgets(answer, sizeof answer, stdin) && (*answer == 'y' || *answer == 'Y'))
		return EXIT_DONE;
	return ctl_fail(EXIT_FAILED, "nothing was done");
}

/* --- passphrases */

static bool read_line(int fd, char *room, size_t size)
{
	size_t used = 0;
	char one;

	while (used < size) {
		ssize_t got = read(fd, &one, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		if (one == '\n') {
			room[used] = '\0';
			return true;
		}
		room[used++] = one;
	}
	return false;
}

static bool ask_unseen(int fd, const char *question, char *room, size_t size)
{
	struct termios usual, quiet;
	bool is_read;

	if (tcgetattr(fd, &usual))
		return false;
	quiet = usual;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	/* First unseen, then asked: whoever types at once is not shown, and not thrown away. */
	tcsetattr(fd, TCSAFLUSH, &quiet);
	dprintf(fd, "%s: ", question);
	is_read = read_line(fd, room, size);
	tcsetattr(fd, TCSAFLUSH, &usual);
	dprintf(fd, "\n");
	return is_read;
}

enum exit_status terminal_passphrase(char *room, size_t size, bool is_new)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	char again[512] = "";
	bool is_read, is_same = true;

	if (fd < 0)
		return ctl_fail(EXIT_USAGE, "there is nobody to ask for the passphrase: say --passphrase-file FILE");
	is_read = ask_unseen(fd, "passphrase", room, size);
	if (is_read && is_new) {
		is_read = ask_unseen(fd, "the same again", again, sizeof again);
		is_same = !strcmp(room, again);
	}
	sodium_memzero(again, sizeof again);
	close(fd);
	if (!is_read)
		return ctl_fail(EXIT_FAILED, "no passphrase of at most %zu bytes was given", size - 1);
	if (!is_same)
		return ctl_fail(EXIT_FAILED, "the two passphrases differ");
	return EXIT_DONE;
}
