/* SPDX-License-Identifier: MIT */
/*
 * tcp_rate.c - how many bytes a second a TCP connection carries.
 *
 *   tcp_rate source ADDR PORT [CONGESTION]   serves for ever: pours bytes into every connection,
 *                                            under the congestion control of that name
 *   tcp_rate drain ADDR PORT MS              connects, reads for so long and prints kbit/s
 *
 * Room:   tests/tools. IPv4.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static struct sockaddr_in where = { .sin_family = AF_INET };
static char bytes[65536];

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		rf_die(1, "socket: %s", strerror(errno));
	return fd;
}

/* One child a connection. */
static void source(const char *congestion)
{
	int on = 1, listener = tcp_socket();

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (congestion && setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, congestion,
				     (socklen_t)strlen(congestion)))
		rf_die(1, "congestion control %s: %s", congestion, strerror(errno));
	if (bind(listener, (struct sockaddr *)&where, sizeof(where)) || listen(listener, 16))
		rf_die(1, "listen: %s", strerror(errno));
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0 && !fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
				;
			_exit(0);
		}
		close(fd);
	}
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Time begins with the first byte. */
static void drain(uint64_t ms)
{
	uint64_t from = 0, got = 0;
	int fd = tcp_socket();

	if (connect(fd, (struct sockaddr *)&where, sizeof(where)))
		rf_die(1, "connect: %s", strerror(errno));
	while (!from || now_ms() - from < ms) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, from ? (int)ms : 30000) <= 0)
			break;
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n <= 0)
			rf_die(1, "an end after %llu bytes", (unsigned long long)got);
		got += (uint64_t)n;
		from = from ? from : now_ms();
	}
	printf("%llu\n", (unsigned long long)(got * 8 / ms));
}

int main(int argc, char **argv)
{
	rf_log_name = "tcp_rate";
	if (argc < 4 || inet_pton(AF_INET, argv[2], &where.sin_addr) != 1)
		rf_die(64, "usage: see the head of tcp_rate.c");
	where.sin_port = htons((uint16_t)atoi(argv[3]));
	if (!strcmp(argv[1], "source"))
		source(argv[4]);
	else if (!strcmp(argv[1], "drain") && argc == 5)
		drain(strtoull(argv[4], NULL, 10));
	else
		rf_die(64, "usage: see the head of tcp_rate.c");
	return 0;
}
