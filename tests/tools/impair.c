/* SPDX-License-Identifier: MIT */
/*
 * impair.c - a bad cable between a TAP of the kernel's and a program that has the other end
 * as fd 5: frames are lost, doubled, delayed and overtaken, and IPv6 packets may be too big.
 *
 *   impair TAP SEED LOSS DOUBLE DELAY JITTER MTU PROGRAM [ARGUMENT...]
 *   impair TAP SEED LOSS DOUBLE DELAY JITTER MTU fd:N      (the other end is that fd: another
 *   impair's)
 *
 * LOSS and DOUBLE are in a thousand, DELAY and JITTER in microseconds (who is delayed less
 * overtakes), MTU is that of a router on the way to the kernel; 0: of none. Ends with PROGRAM.
 *
 * Room:   tests/tools. One draw of chance a frame: the same seed and the same frames give the
 *         same fate.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define FRAMES     4096u
#define FRAME_MAX  2048u
#define PROGRAM_FD 5

struct frame {
	uint64_t due; /* ns */
	int      to;
	uint32_t length;
	uint8_t  bytes[FRAME_MAX];
};

static struct frame frames[FRAMES];
/* those on the way in the order they are due */
static struct frame *spare[FRAMES], *on_way[FRAMES];
static uint32_t spares, head, tail;
static uint32_t seed, loss, twice, delay_us, jitter_us, mtu;
static uint64_t lost, doubled, too_big;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint32_t chance(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return below ? (uint32_t)((uint64_t)(seed >> 1) * below >> 31) : 0;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Equal delays keep their order. */
static void put_in_order(struct frame *f)
{
	uint32_t at = tail++;

	for (; at != head && on_way[(at - 1) % FRAMES]->due > f->due; at--)
		on_way[at % FRAMES] = on_way[(at - 1) % FRAMES];
	on_way[at % FRAMES] = f;
}

static void queue(int to, const uint8_t *bytes, uint32_t length)
{
	if (!spares) {
		lost++;
		return;
	}
	struct frame *f = spare[--spares];
	f->due = now_ns() + 1000ull * (delay_us + chance(jitter_us));
	f->to = to;
	f->length = length;
	memcpy(f->bytes, bytes, length);
	put_in_order(f);
}

/* Packet Too Big (RFC 4443, 3.2), of the receiver's own address, to whoever sent `f`. */
static void refuse(int back, const uint8_t *f, uint32_t length)
{
	uint32_t quoted = length - 14 > 1232 - 54 ? 1232 - 54 : length - 14, n = 8 + quoted,
		 sum = 58 + n;
	uint8_t answer[FRAME_MAX] = { 0 };
	uint8_t *ip = answer + 14, *p = ip + 40;

	memcpy(answer, f + 6, 6);
	memcpy(answer + 6, f, 6);
	put16(answer + 12, 0x86dd);
	ip[0] = 0x60;
	put16(ip + 4, n);
	ip[6] = 58;
	ip[7] = 64;
	memcpy(ip + 8, f + 38, 16);
	memcpy(ip + 24, f + 22, 16);
	p[0] = 2;
	put16(p + 6, mtu);
	memcpy(p + 8, f + 14, quoted);
	for (uint32_t i = 0; i < 32 + n + (n & 1); i += 2)
		sum += (uint32_t)ip[8 + i] << 8 | ip[9 + i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(p + 2, ~sum & 0xffff);
	if (!too_big++)
		rf_log("an IPv6 packet of %u bytes is too big", length - 14);
	queue(back, answer, 54 + n);
}

static void fate(int to, int back, bool to_kernel, const uint8_t *f, uint32_t length)
{
	if (chance(1000) < loss) {
		lost++;
		return;
	}
	if (to_kernel && mtu && length > 14 + mtu && f[12] == 0x86 && f[13] == 0xdd) {
		refuse(back, f, length);
		return;
	}
	queue(to, f, length);
	if (chance(1000) < twice) {
		doubled++;
		queue(to, f, length);
	}
}

/* Frames whose time has come; nanoseconds until the next one's, -1: there is none. */
static int64_t deliver(void)
{
	uint64_t now = now_ns();

	for (; head != tail; head++) {
		struct frame *f = on_way[head % FRAMES];

		if (f->due > now)
			return (int64_t)(f->due - now);
		if (write(f->to, f->bytes, f->length) < 0)
			lost++;
		spare[spares++] = f;
	}
	return -1;
}

static void carry(int tap, int peer)
{
	uint8_t bytes[FRAME_MAX];

	for (;;) {
		struct pollfd p[2] = { { tap, POLLIN, 0 }, { peer, POLLIN, 0 } };
		int64_t ns = deliver();
		struct timespec wait = { ns / 1000000000, ns % 1000000000 };
		ssize_t n;

		ppoll(p, 2, ns < 0 ? NULL : &wait, NULL);
		while ((n = read(tap, bytes, sizeof(bytes))) > 0)
			fate(peer, tap, false, bytes, (uint32_t)n);
		while ((n = read(peer, bytes, sizeof(bytes))) > 0)
			fate(tap, peer, true, bytes, (uint32_t)n);
		if (!n) /* the program is gone */
			return;
	}
}

static int open_tap(const char *name)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	strncpy(r.ifr_name, name, sizeof(r.ifr_name) - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r))
		rf_die(1, "TAP %s: %s", name, strerror(errno));
	return fd;
}

int main(int argc, char **argv)
{
	int pair[2], size = 4 << 20, status;

	rf_log_name = "impair";
	if (argc < 9)
		rf_die(64,
		       "usage: impair TAP SEED LOSS DOUBLE DELAY JITTER MTU PROGRAM [ARGUMENT...]");
	uint32_t *const number[] = { &seed, &loss, &twice, &delay_us, &jitter_us, &mtu };
	for (int i = 0; i < 6; i++)
		*number[i] = (uint32_t)strtoul(argv[2 + i], NULL, 10);
	for (spares = 0; spares < FRAMES; spares++)
		spare[spares] = &frames[spares];
	int tap = open_tap(argv[1]);
	if (!strncmp(argv[8], "fd:", 3)) {
		int peer = atoi(argv[8] + 3);
		fcntl(peer, F_SETFL, O_NONBLOCK);
		carry(tap, peer);
		return 0;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		rf_die(1, "socketpair: %s", strerror(errno));
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	pid_t pid = fork();
	if (!pid) {
		close(pair[0]);
		dup2(pair[1], PROGRAM_FD);
		execv(argv[8], argv + 8);
		rf_die(1, "%s: %s", argv[8], strerror(errno));
	}
	close(pair[1]);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	signal(SIGPIPE, SIG_IGN);
	carry(tap, pair[0]);
	rf_log("%llu lost, %llu doubled, %llu too big", (unsigned long long)lost,
	       (unsigned long long)doubled, (unsigned long long)too_big);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
