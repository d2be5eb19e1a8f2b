/* SPDX-License-Identifier: MIT */
/*
 * conn.c - one TCP connection over a cable, for as long as it takes: both ends send a stream
 * of which each byte is known from its place, and check what they receive.
 *
 * Room:   tests/net.
 * Use:    conn FAR_PID RATE STOP_FILE
 *         RATE bytes a second each way, at most. Connects, sends until STOP_FILE is there, then
 *         both ends close and every byte must have come. Prints one JSON line; ends with 1 if
 *         the connection broke or carried something else.
 */
#include "ends.h"

#define PORT    9010
#define CHUNK   16384u
#define STEP_NS 2000000u
#define LAST_NS 120000000000ull /* for what is under way at the end */

struct side {
	int      fd;
	uint64_t sent, received, wrong;
	bool     closed, ended; /* nothing more is sent; nothing more comes */
};

static struct side sides[2];
static uint64_t    broken;

/* The byte at a place of the stream that this end sends. */
static uint8_t byte_at(int end, uint64_t at)
{
	uint64_t word = (at >> 3) * 0x9e3779b97f4a7c15ull + (uint64_t)end;

	return (uint8_t)(word >> (at & 7) * 8);
}

static void failed(const char *what)
{
	fprintf(stderr, "# the connection broke: %s: %s\n", what, strerror(errno));
	broken = 1;
}

static void send_some(int end, uint64_t allowed)
{
	struct side *s = &sides[end];
	uint8_t chunk[CHUNK];

	while (s->sent < allowed) {
		uint64_t n = allowed - s->sent < CHUNK ? allowed - s->sent : CHUNK;

		for (uint64_t i = 0; i < n; i++)
			chunk[i] = byte_at(end, s->sent + i);
		ssize_t put = send(s->fd, chunk, n, MSG_NOSIGNAL);
		if (put < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (put < 0)
			return failed("send");
		s->sent += (uint64_t)put;
	}
}

static void receive(int end)
{
	struct side *s = &sides[end];
	uint8_t chunk[CHUNK];
	ssize_t got;

	while (!s->ended && (got = recv(s->fd, chunk, sizeof(chunk), 0)) != 0) {
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got < 0)
			return failed("receive");
		for (ssize_t i = 0; i < got; i++)
			s->wrong += chunk[i] != byte_at(!end, s->received + (uint64_t)i);
		s->received += (uint64_t)got;
	}
	s->ended = true;
}

static void open_connection(const char *far_pid)
{
	struct sockaddr_in to = end_address(FAR, PORT);
	int near = end_socket(NEAR, SOCK_STREAM, 0, far_pid);
	int listener = end_socket(FAR, SOCK_STREAM, PORT, far_pid);
	struct pollfd p = { .fd = listener, .events = POLLIN };

	must(!listen(listener, 1), "listen");
	must(!connect(near, (struct sockaddr *)&to, sizeof(to)) || errno == EINPROGRESS, "connect");
	must(poll(&p, 1, 60000) == 1, "nobody connects");
	sides[FAR].fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	must(sides[FAR].fd >= 0, "accept");
	sides[NEAR].fd = near;
	p = (struct pollfd){ .fd = near, .events = POLLOUT };
	must(poll(&p, 1, 60000) == 1 && p.revents == POLLOUT, "not connected");
}

static void turn(void)
{
	struct pollfd p[2];

	for (int end = 0; end < 2; end++)
		p[end] = (struct pollfd){ .fd = sides[end].ended ? -1 : sides[end].fd,
					  .events = POLLIN };
	if (poll(p, 2, STEP_NS / 1000000) <= 0)
		return;
	receive(NEAR);
	receive(FAR);
}

/* Both ends close; what was sent is heard out. */
static void finish(void)
{
	uint64_t until = now_ns() + LAST_NS;

	for (int end = 0; end < 2; end++)
		if (shutdown(sides[end].fd, SHUT_WR))
			failed("shutdown");
	while (!broken && (!sides[NEAR].ended || !sides[FAR].ended)) {
		if (now_ns() > until) {
			errno = ETIMEDOUT;
			failed("end");
		}
		turn();
	}
}

int main(int argc, char **argv)
{
	must(argc == 4 && atol(argv[2]) > 0, "usage: conn FAR_PID RATE STOP_FILE");
	uint64_t rate = (uint64_t)atol(argv[2]);
	open_connection(argv[1]);
	uint64_t began = now_ns(), now;
	while (now = now_ns(), !broken && !told_to_stop(argv[3], now)) {
		uint64_t allowed = (uint64_t)((double)(now - began) / 1e9 * (double)rate);

		for (int end = 0; end < 2; end++)
			send_some(end, allowed);
		turn();
	}
	finish();
	uint64_t missing = 0, wrong = sides[NEAR].wrong + sides[FAR].wrong;
	for (int end = 0; end < 2 && !broken; end++)
		missing += sides[end].sent - sides[!end].received;
	printf("{\"tcp_broken\":%" PRIu64 ",\"out_bytes\":%" PRIu64 ",\"in_bytes\":%" PRIu64
	       ",\"wrong_bytes\":%" PRIu64 ",\"missing_bytes\":%" PRIu64 ",\"seconds\":%.1f}\n",
	       broken, sides[FAR].received, sides[NEAR].received, wrong, missing,
	       (double)(now_ns() - began) / 1e9);
	return broken || wrong || missing;
}
