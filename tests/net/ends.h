/* SPDX-License-Identifier: MIT */
/*
 * ends.h - sockets at both ends of a cable, of which the far one is in another network
 * namespace; for programs that talk to themselves over it.
 *
 * Room:   tests/net. Near is 10.9.0.1, far is 10.9.0.2.
 */
#ifndef RF_TEST_ENDS_H
#define RF_TEST_ENDS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { NEAR, FAR };

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "# %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct sockaddr_in end_address(int end, int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(0x0a090001u + (uint32_t)end) };
}

/* A socket of this end, bound to its address. From the far one on, so is all we open. */
static int end_socket(int end, int type, int port, const char *far_pid)
{
	struct sockaddr_in at = end_address(end, port);
	char path[64];
	int on = 1;

	if (end == FAR) {
		snprintf(path, sizeof(path), "/proc/%s/ns/net", far_pid);
		int ns = open(path, O_RDONLY | O_CLOEXEC);
		must(ns >= 0 && !setns(ns, CLONE_NEWNET), path);
		close(ns);
	}
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	must(fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	     !bind(fd, (struct sockaddr *)&at, sizeof(at)), "socket");
	return fd;
}

/* Is it time to end? Looked up now and then. */
static bool told_to_stop(const char *file, uint64_t now)
{
	static uint64_t next;

	if (now < next)
		return false;
	next = now + 10000000;
	return !access(file, F_OK);
}

#endif
