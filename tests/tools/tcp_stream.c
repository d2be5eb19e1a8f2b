/* SPDX-License-Identifier: MIT */
/*
 * tcp_stream.c - bytes through a connection, checked at the other end.
 *
 *   tcp_stream echo WHERE                  serves for ever: what comes goes back; an end is
 *   answered
 *                                    by an end
 *   tcp_stream slow WHERE                  the same, but reads nothing in a connection's first
 *   second tcp_stream reset WHERE                 answers the first bytes of a connection with a
 *   reset tcp_stream through WHERE BYTES SEED    sends, ends, and wants exactly that back, then an
 *   end tcp_stream late WHERE BYTES SEED       the same, but reads nothing until 8 s after its end
 *   tcp_stream broken WHERE                connects, sends, and wants a reset
 *   tcp_stream dns ADDR PORT NAME ADDR [ADDR6]   serves that one name; no other exists
 *   tcp_stream socks WHERE ADDR|NAME PORT  asks a SOCKS listener to connect; exit: what it
 *   answered,
 *                                    100: nothing in 20 s
 *   pour garbage WHERE COUNT SEED    connections that send random bytes and leave
 *
 * WHERE: ADDR PORT (IPv4 or IPv6), or unix PATH. Exit 0: as wanted; 1: one line says what not.
 *
 * Room:   tests/tools.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define CHUNK   65536
#define CLIENTS 512

static struct sockaddr_storage where;
static socklen_t where_length;

static void parse(const char *address, const char *port)
{
	struct sockaddr_in *four = (void *)&where;
	struct sockaddr_in6 *six = (void *)&where;
	struct sockaddr_un *path = (void *)&where;

	if (!strcmp(address, "unix")) {
		path->sun_family = AF_UNIX;
		strncpy(path->sun_path, port, sizeof(path->sun_path) - 1);
		where_length = sizeof(*path);
	} else if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)atoi(port));
		where_length = sizeof(*four);
	} else if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)atoi(port));
		where_length = sizeof(*six);
	} else {
		rf_die(64, "'%s' is no address", address);
	}
}

/* A listener whose seats are all taken may reset us. */
static int reach(void)
{
	for (;;) {
		int fd = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd >= 0 && !connect(fd, (struct sockaddr *)&where, where_length))
			return fd;
		if (fd < 0 || errno != ECONNRESET)
			rf_die(1, "connect: %s", strerror(errno));
		close(fd);
	}
}

static uint32_t next(uint32_t *state)
{
	return *state = *state * 1664525 + 1013904223;
}

static void fill(uint8_t *to, size_t n, uint32_t *state)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)(next(state) >> 24);
}

/* ---- servers -------------------------------------------------------------------------- */

struct client {
	int      fd;
	bool     ended, blocked, begun;
	uint64_t not_before;
	size_t   at, length;
	uint8_t  data[CHUNK];
};
static struct client clients[CLIENTS];

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void drop(struct client *c, bool reset)
{
	struct linger now = { .l_onoff = 1 };

	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	c->fd = -1;
}

static void echo(struct client *c, bool reset)
{
	for (;;) {
		ssize_t n;

		if (c->at < c->length) {
			n = send(c->fd, c->data + c->at, c->length - c->at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
			if (n < 0 && errno == EAGAIN)
				return;
			if (n < 0) {
				drop(c, false);
				return;
			}
			c->at += (size_t)n;
			continue;
		}
		c->at = c->length = 0;
		n = recv(c->fd, c->data, CHUNK, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || reset) {
			drop(c, reset);
			return;
		}
		c->length = (size_t)n;
	}
}

static void serve(bool slow, bool reset)
{
	static struct pollfd p[CLIENTS + 1];
	int on = 1, listener = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&where, where_length) || listen(listener, 128))
		rf_die(1, "listen: %s", strerror(errno));
	for (int i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	for (;;) {
		p[CLIENTS] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (int i = 0; i < CLIENTS; i++) {
			struct client *c = &clients[i];
			bool wait = c->not_before > now_ms();

			p[i] = (struct pollfd){ .fd = wait ? -1 : c->fd,
						.events = c->at < c->length ? POLLOUT : POLLIN };
		}
		poll(p, CLIENTS + 1, slow ? 100 : -1);
		for (int i = 0; i < CLIENTS; i++)
			if (p[i].fd >= 0 && p[i].revents)
				echo(&clients[i], reset);
		for (int i = 0; i < CLIENTS && p[CLIENTS].revents; i++) {
			if (clients[i].fd >= 0)
				continue;
			memset(&clients[i], 0, offsetof(struct client, data));
			clients[i].fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			clients[i].not_before = slow ? now_ms() + 1000 : 0;
			break;
		}
	}
}

/* RFC 1035: the question comes back with an answer behind it, or with "no such name". */
/* Appends the address, of the type that was asked for, to an answer; its new length. */
static ssize_t dns_record(uint8_t *packet, ssize_t at, const char *address, bool six)
{
	const uint8_t head[12] = { 0xc0, 12, 0, six ? 28 : 1, 0, 1, 0, 0, 0, 60, 0, six ? 16 : 4 };

	memcpy(packet + at, head, 12);
	inet_pton(six ? AF_INET6 : AF_INET, address, packet + at + 12);
	return at + 12 + head[11];
}

static void dns(const char *name, const char *address, const char *address6)
{
	uint8_t packet[512], want[256];
	int fd = socket(where.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t n = 0;

	for (const char *label = name; *label;
	     label += strcspn(label, ".") + (strchr(label, '.') != NULL)) {
		size_t length = strcspn(label, ".");

		want[n++] = (uint8_t)length;
		memcpy(want + n, label, length);
		n += length;
	}
	want[n++] = 0;
	if (bind(fd, (struct sockaddr *)&where, where_length))
		rf_die(1, "bind: %s", strerror(errno));
	for (;;) {
		struct sockaddr_storage from;
		socklen_t length = sizeof(from);
		ssize_t got = recvfrom(fd, packet, sizeof(packet) - 28, 0, (struct sockaddr *)&from,
				       &length);
		const uint8_t *type = packet + 12 + n;

		if (got < 17)
			continue;
		bool ours = got >= (ssize_t)(16 + n) && !memcmp(packet + 12, want, n);
		bool six = ours && type[1] == 28;
		bool answered = ours && !type[0] && (six ? address6 != NULL : type[1] == 1);
		packet[2] = 0x84;
		packet[3] = ours ? 0 : 3;
		packet[7] = answered;
		memset(packet + 8, 0, 4);
		if (answered)
			got = dns_record(packet, (ssize_t)(16 + n), six ? address6 : address, six);
		sendto(fd, packet, (size_t)got, 0, (struct sockaddr *)&from, length);
	}
}

/* ---- clients ----------------------------------------------------------------------------- */

static void through(uint64_t bytes, uint32_t seed, bool late)
{
	static uint8_t out[CHUNK], in[CHUNK], want[CHUNK];
	uint32_t send_state = seed, read_state = seed;
	uint64_t sent = 0, got = 0;
	size_t at = 0, length = 0;
	int fd = reach();

	for (;;) {
		struct pollfd p = { .fd = fd,
				    .events =
					    sent < bytes ? POLLOUT | (late ? 0 : POLLIN) : POLLIN };
		ssize_t n;

		if (poll(&p, 1, 30000) <= 0)
			rf_die(1, "nothing happened for 30 s, %llu sent, %llu back",
			       (unsigned long long)sent, (unsigned long long)got);
		if (p.revents & POLLOUT && sent < bytes) {
			if (at == length) {
				length = bytes - sent < CHUNK ? (size_t)(bytes - sent) : CHUNK;
				fill(out, length, &send_state);
				at = 0;
			}
			n = send(fd, out + at, length - at, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (n < 0 && errno != EAGAIN)
				rf_die(1, "send after %llu: %s", (unsigned long long)sent,
				       strerror(errno));
			if (n > 0) {
				at += (size_t)n;
				sent += (uint64_t)n;
			}
			if (sent == bytes)
				shutdown(fd, SHUT_WR);
			if (sent == bytes && late)
				sleep(8);
		}
		if ((late && sent < bytes) || !(p.revents & (POLLIN | POLLHUP | POLLERR)))
			continue;
		n = recv(fd, in, CHUNK, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			rf_die(1, "receive after %llu: %s", (unsigned long long)got,
			       strerror(errno));
		if (!n)
			break;
		fill(want, (size_t)n, &read_state);
		if (memcmp(in, want, (size_t)n))
			rf_die(1, "other bytes came back, after %llu", (unsigned long long)got);
		got += (uint64_t)n;
	}
	if (got != bytes)
		rf_die(1, "an end after %llu of %llu bytes", (unsigned long long)got,
		       (unsigned long long)bytes);
}

static void broken(void)
{
	char byte = 'x';
	int fd = reach();
	struct pollfd p = { .fd = fd, .events = POLLIN };

	send(fd, &byte, 1, MSG_NOSIGNAL);
	if (poll(&p, 1, 30000) <= 0)
		rf_die(1, "no reset in 30 s");
	ssize_t n = recv(fd, &byte, 1, 0);
	if (n >= 0 || errno != ECONNRESET)
		rf_die(1, "wanted a reset, got %s",
		       n > 0 ? "bytes" :
		       n     ? strerror(errno) :
			       "an end");
}

static int socks(char *to, uint16_t port)
{
	const struct timeval patience = { .tv_sec = 20 };
	uint8_t b[300] = { 5, 1, 0, 5, 1, 0 };
	size_t n = strlen(to), length;
	int fd = reach();

	if (*to == '[')
		to[n - 1] = '\0';
	if (inet_pton(AF_INET, to, b + 7) == 1) {
		b[6] = 1;
		length = 4;
	} else if (*to == '[' && inet_pton(AF_INET6, to + 1, b + 7) == 1) {
		b[6] = 4;
		length = 16;
	} else {
		b[6] = 3;
		b[7] = (uint8_t)n;
		memcpy(b + 8, to, n);
		length = 1 + n;
	}
	b[7 + length] = (uint8_t)(port >> 8);
	b[8 + length] = (uint8_t)port;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(fd, b, 9 + length, MSG_NOSIGNAL) < 0 || recv(fd, b, 2, MSG_WAITALL) != 2 ||
	    recv(fd, b, 10, MSG_WAITALL) < 2)
		return 100;
	return b[1];
}

static void garbage(int count, uint32_t state)
{
	static const char *const begin[] = { "",
					     "\5\1",
					     "\5\1\0\5\1\0\1",
					     "\5\1\0\5\1\0\3\377",
					     "GET ",
					     "GET / HTTP/1.1\r\n",
					     "\5\377",
					     "HEAD /metrics HTTP/1.0\r\n\r\n" };
	static uint8_t data[8192];

	for (int i = 0; i < count; i++) {
		const char *head = begin[next(&state) >> 16 & 7];
		size_t n = 8, length = (next(&state) >> 16) % sizeof(data);
		int fd = reach();

		while (n && !head[n - 1])
			n--;
		fill(data, length, &state);
		if (n > length)
			n = length;
		memcpy(data, head, n);
		for (size_t at = 0; at < length;) {
			size_t part = 1 + (next(&state) >> 16) % 2000;

			if (part > length - at)
				part = length - at;
			if (send(fd, data + at, part, MSG_NOSIGNAL) < 0)
				break; /* hung up on: its right */
			at += part;
		}
		if (next(&state) >> 31)
			shutdown(fd, SHUT_WR);
		while (next(&state) >> 31 && recv(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
			;
		close(fd);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[1] : "";
	uint32_t seed = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 0) : 1;

	rf_log_name = "tcp_stream";
	if (argc > 3)
		parse(argv[2], argv[3]);
	if (!strcmp(what, "echo") || !strcmp(what, "slow") || !strcmp(what, "reset"))
		serve(what[0] == 's', what[0] == 'r');
	else if ((!strcmp(what, "through") || !strcmp(what, "late")) && argc == 6)
		through(strtoull(argv[4], NULL, 0), seed, what[0] == 'l');
	else if (!strcmp(what, "dns") && (argc == 6 || argc == 7))
		dns(argv[4], argv[5], argv[6]);
	else if (!strcmp(what, "broken"))
		broken();
	else if (!strcmp(what, "socks") && argc == 6 && strlen(argv[4]) < 256)
		return socks(argv[4], (uint16_t)atoi(argv[5]));
	else if (!strcmp(what, "garbage") && argc == 6)
		garbage(atoi(argv[4]), seed);
	else
		rf_die(64, "usage: see the head of tcp_stream.c");
	return 0;
}
