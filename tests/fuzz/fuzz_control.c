/* SPDX-License-Identifier: MIT */
/*
 * fuzz_control.c - the supervisor's control socket against whatever a client sends.
 *
 * Room:   tests/fuzz. Input: one byte of options (does the client hang up before it is
 *         answered), then the packet it sends. Two devices are there to be asked about.
 * Judged: who sent a whole request gets an answer as its last packet, and before it one
 *         packet a device if it asked for status; anybody else gets none; no descriptor is
 *         left open.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fuzz_accept(void);
#define accept4(...) fuzz_accept()
#include "sandbox/lib/accept.c"
#include "sandbox/supervisor/status.c"
#undef accept4
#include "sandbox/lib/packet.c"

#define MUST(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sup s;
static int theirs;

static int fuzz_accept(void)
{
	return theirs;
}

void rf_log(const char *fmt, ...)
{
	(void)fmt;
}

_Noreturn void rf_die(int code, const char *fmt, ...)
{
	(void)code;
	(void)fmt;
	abort();
}

uint64_t rf_now_ns(void)
{
	return 1;
}

void dev_stop(struct sup *sup, struct dev *d)
{
	MUST(sup == &s && d >= s.dev && d < s.dev + s.count);
}

void dev_restart(struct sup *sup, struct dev *d)
{
	dev_stop(sup, d);
}

void dev_walls(struct sup *sup, struct dev *d)
{
	dev_stop(sup, d);
}

struct dev *stack_of(struct sup *sup, const struct dev *d)
{
	(void)sup;
	(void)d;
	return NULL;
}

bool dev_over(const struct dev *d)
{
	return d->r.state == DEV_OFF && d->r.former;
}

/* Refused, so that its answer comes at once. */
int reload_begin(struct sup *sup, int log)
{
	MUST(sup == &s && log == -1);
	return -EBUSY;
}

static void two_devices(void)
{
	static struct rf_config_device devices[2];
	static struct dev dev[2];

	s.count = 2;
	s.dev = dev;
	for (int i = 0; i < RF_CLIENTS; i++)
		s.client[i].fd = -1;
	for (int i = 0; i < 2; i++) {
		s.dev[i].cfg = &devices[i];
		snprintf(devices[i].name, sizeof(devices[i].name), "disk%d", i);
	}
	s.dev[0].r.state = DEV_RUNNING;
	s.dev[0].fd[FD_STATS] = -1;
	s.dev[1].fd[FD_STATS] = 2;
	s.dev[0].r.deaths = s.dev[0].r.died_of[DEATH_PROTO] = 3;
	s.dev[0].r.walls.locked = 1;
	signal(SIGPIPE, SIG_IGN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rf_snapshot got;
	int pair[2], free_fd, devices = 0, answers = 0;
	ssize_t n;

	if (!size)
		return 0;
	if (!s.count)
		two_devices();
	free_fd = dup(2);
	close(free_fd);
	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	theirs = pair[1];
	if (size > 1)
		MUST(send(pair[0], data + 1, size - 1, MSG_NOSIGNAL) > 0);
	shutdown(pair[0], data[0] & 1 ? SHUT_RDWR : SHUT_WR);
	status_accept(&s);
	MUST(s.client[0].fd == theirs);
	status_serve(&s, &s.client[0]);
	MUST(s.client[0].fd == -1);
	while ((n = read(pair[0], &got, sizeof(got))) > 0) {
		MUST(!answers && (n == sizeof(got) || n == sizeof(struct rf_answer)));
		devices += n == sizeof(got);
		answers += n == sizeof(struct rf_answer);
	}
	if (!(data[0] & 1)) {
		MUST(answers == (size - 1 == sizeof(struct rf_ask)));
		MUST(devices ==
		     (answers && data[1] == RF_ASK_STATUS && !data[2] && !data[3] && !data[4] ? 2 :
												0));
	}
	close(pair[0]);
	MUST(dup(2) == free_fd);
	close(free_fd);
	s.stopping = false;
	return 0;
}
