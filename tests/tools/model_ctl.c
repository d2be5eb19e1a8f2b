/* SPDX-License-Identifier: MIT */
/*
 * model_ctl.c - says one line to the control socket of a device model and prints its answer.
 *
 *   model_ctl SOCKET WORD...
 *
 * Room:   tests/tools. Exit code 0 if the answer ends in "ok", 1 if in an error, 2 if
 *         nobody answers within 10 s.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char answer[1 << 16];
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char   line[1024];
	size_t used = 0;
	int    fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (argc < 3) {
		fprintf(stderr, "usage: model_ctl SOCKET WORD...\n");
		return 64;
	}
	for (int i = 2; i < argc; i++)
		used += (size_t)snprintf(line + used, used < sizeof(line) ? sizeof(line) - used : 0,
					 "%s%c", argv[i], i + 1 < argc ? ' ' : '\n');
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", argv[1]);
	if (used >= sizeof(line) || connect(fd, (struct sockaddr *)&a, sizeof(a)) ||
	    write(fd, line, used) != (ssize_t)used) {
		perror(argv[1]);
		return 2;
	}
	for (used = 0; used < sizeof(answer) - 1 && poll(&p, 1, 10000) == 1;) {
		ssize_t n = read(fd, answer + used, sizeof(answer) - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
		answer[used] = '\0';
		char *end = strstr(answer, "error: ");
		if (end) {
			fputs(end, stderr);
			return 1;
		}
		if (used >= 3 && !strcmp(answer + used - 3, "ok\n")) {
			answer[used - 3] = '\0';
			fputs(answer, stdout);
			return 0;
		}
	}
	fprintf(stderr, "%s: no answer\n", argv[1]);
	return 2;
}
