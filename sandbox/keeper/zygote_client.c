/* SPDX-License-Identifier: MIT */
/* zygote_client.c - see zygote_client.h. Room: sandbox/keeper, two capabilities. */
#include "zygote_client.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "packet.h"
#include "wait.h"

/* How long the keeper waits for an answer. */
#define ANSWER_MS    200
#define ANSWER_TRIES 300

int rf_zygote_start(struct rf_zygote *s, rf_zygote_life *life)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid_t keeper = getpid();
	s->pid = fork();
	if (s->pid < 0)
		return -errno;
	if (!s->pid) {
		prctl(PR_SET_NAME, "rf-zygote");
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != keeper)
			_exit(RF_EXIT_BUG);
		close(pair[0]);
		life(pair[1]);
		_exit(RF_EXIT_BUG);
	}
	close(pair[1]);
	s->sock = pair[0];
	return 0;
}

/* Waits for its answer. Nothing it does takes long, but a signal may have stopped it. False: it
 * is gone, or was killed for its silence. */
static bool answers(const struct rf_zygote *s)
{
	struct pollfd p = { .fd = s->sock, .events = POLLIN };
	int ready = 0;

	for (int i = 0; ready <= 0 && i < ANSWER_TRIES; i++) {
		if ((ready = rf_wait_fds(&p, 1, ANSWER_MS)) < 0 && errno != EINTR)
			return false;
		if (!ready)
			kill(s->pid, SIGCONT);
	}
	if (ready <= 0) {
		rf_log("the zygote, which starts all processes, does not answer: killed");
		kill(s->pid, SIGKILL);
	}
	return ready > 0;
}

static int zygote_ask(const struct rf_zygote *s, const struct rf_zygote_order *o, const int *fds,
		      int count, struct rf_spawned *out)
{
	struct rf_zygote_done d;
	int got[RF_PACKET_FDS], n;

	*out = (struct rf_spawned){ .pidfd = -1, .report = -1 };
	if (rf_packet_send(s->sock, o, sizeof(*o), fds, count) || !answers(s) ||
	    rf_packet_recv(s->sock, &d, sizeof(d), got, &n, 0) != sizeof(d))
		return -EPIPE;
	if (d.error)
		return d.error;
	RF_BUG_ON(n < 1);
	out->pid = d.pid;
	out->pidfd = got[0];
	out->report = n > 1 ? got[1] : -1;
	return 0;
}

int rf_zygote_run(const struct rf_zygote *s, const struct rf_keep_spawn *spawn, const int *fds,
		   int count, struct rf_spawned *out)
{
	struct rf_zygote_order o = { .type = RF_ZYGOTE_RUN, .spawn = *spawn };

	return zygote_ask(s, &o, fds, count, out);
}

int rf_zygote_load(const struct rf_zygote *s, int log, struct rf_spawned *out)
{
	struct rf_zygote_order o = { .type = RF_ZYGOTE_LOAD };

	return zygote_ask(s, &o, &log, log >= 0, out);
}

/* For a supervisor or a broker, of which the keeper needs no pidfd. */
static pid_t ask_own(const struct rf_zygote *s, enum rf_zygote_type type, const int *fds,
		     int count)
{
	struct rf_zygote_order o = { .type = type };
	struct rf_spawned run;
	int err = zygote_ask(s, &o, fds, count, &run);

	if (err)
		return err;
	close(run.pidfd);
	return run.pid;
}

pid_t rf_zygote_supervise(const struct rf_zygote *s, int keeper, int broker)
{
	const int fds[] = { keeper, broker };

	return ask_own(s, RF_ZYGOTE_SUPERVISE, fds, 2);
}

pid_t rf_zygote_open(const struct rf_zygote *s, int sock)
{
	return ask_own(s, RF_ZYGOTE_OPEN, &sock, 1);
}

void rf_zygote_finish(struct rf_zygote *s, bool give_back)
{
	struct rf_zygote_order o = { .type = RF_ZYGOTE_FINISH, .give_back = give_back };

	if (s->pid && !rf_packet_send(s->sock, &o, sizeof(o), NULL, 0))
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	s->pid = 0;
}
