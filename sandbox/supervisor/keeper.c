/* SPDX-License-Identifier: MIT */
/*
 * keeper.c - parent, reaper, and holder of fds by name. See keeper.h.
 *
 * Room:   sandbox/supervisor, privileged.
 * Trust:  obeys its one client, the supervisor. Sees no byte that a driver, a
 *         device or a peer wrote.
 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "packet.h"
#include "spawn.h"

struct slot {
	char  name[RF_KEEP_NAME]; /* "": free */
	int   fd;                 /* held fd; a process's pidfd */
	pid_t pid;                /* 0: not a process */
	struct rf_spawned run;    /* of a process */
	struct rf_verdict verdict;
};

struct keeper {
	struct slot slots[RF_KEEP_SLOTS];
	int         client; /* socket to the supervisor */
	pid_t       supervisor;
	int         code;   /* of the whole, once done */
	int         done;
};

static struct slot *slot_find(struct keeper *k, const char *name)
{
	for (int i = 0; i < RF_KEEP_SLOTS; i++)
		if (k->slots[i].name[0] && !strcmp(k->slots[i].name, name))
			return &k->slots[i];
	return NULL;
}

static struct slot *slot_new(struct keeper *k, const char *name)
{
	for (int i = 0; i < RF_KEEP_SLOTS; i++)
		if (!k->slots[i].name[0]) {
			memcpy(k->slots[i].name, name, RF_KEEP_NAME);
			k->slots[i].pid = 0;
			return &k->slots[i];
		}
	return NULL;
}

static void slot_free(struct slot *s)
{
	close(s->fd);
	if (s->pid && s->run.report >= 0)
		close(s->run.report);
	*s = (struct slot){ 0 };
}

static void tell(struct keeper *k, struct rf_keep_msg *msg, const int *fds, int count)
{
	/* A supervisor that is gone is reaped a moment later; nothing to do here. */
	(void)rf_packet_send(k->client, msg, sizeof(*msg), fds, count);
}

static int do_put(struct keeper *k, struct rf_keep_msg *msg, int *fds, int count)
{
	if (count != 1)
		return -EINVAL;
	struct slot *s = slot_find(k, msg->name);
	if (s && s->pid)
		return -EBUSY;
	if (s)
		close(s->fd);
	else if (!(s = slot_new(k, msg->name)))
		return -ENFILE;
	s->fd = fds[0];
	fds[0] = -1;
	return 0;
}

static void do_drop(struct keeper *k, const char *prefix)
{
	for (int i = 0; i < RF_KEEP_SLOTS; i++)
		if (k->slots[i].name[0] && !k->slots[i].pid &&
		    !strncmp(k->slots[i].name, prefix, strlen(prefix)))
			slot_free(&k->slots[i]);
}

static void reap(struct keeper *k);

static int do_spawn(struct keeper *k, struct rf_keep_msg *msg, int *fds, int count)
{
	/* The last one of this name may be dead, and known to be by its pidfd, before we
	 * have come to bury it. */
	reap(k);
	if (count < 1 || slot_find(k, msg->name))
		return -EEXIST;
	struct slot *s = slot_new(k, msg->name);
	if (!s)
		return -ENFILE;
	int err = rf_spawn(&msg->spawn, fds, count, &s->run);
	if (err) {
		*s = (struct slot){ 0 };
		return err;
	}
	s->fd = s->run.pidfd;
	msg->pid = s->pid = s->run.pid;
	return 0;
}

static int do_kill(struct keeper *k, const char *name)
{
	struct slot *s = slot_find(k, name);

	if (!s || !s->pid)
		return -ENOENT;
	/* Not reaped yet, so the pid cannot be another's. */
	return kill(s->pid, SIGKILL) ? -errno : 0;
}

static void serve(struct keeper *k)
{
	struct rf_keep_msg msg;
	int fds[RF_PACKET_FDS], count;
	int n = rf_packet_recv(k->client, &msg, sizeof(msg), fds, &count, MSG_DONTWAIT);

	if (n <= 0)
		return;
	RF_BUG_ON(n != sizeof(msg));
	msg.name[RF_KEEP_NAME - 1] = '\0';

	int give = -1;
	struct slot *s;
	switch (msg.type) {
	case RF_KEEP_PUT:
		msg.error = do_put(k, &msg, fds, count);
		break;
	case RF_KEEP_GET:
		s = slot_find(k, msg.name);
		msg.error = s ? 0 : -ENOENT;
		give = s ? s->fd : -1;
		break;
	case RF_KEEP_DROP:
		do_drop(k, msg.name);
		msg.error = 0;
		break;
	case RF_KEEP_SPAWN:
		msg.error = do_spawn(k, &msg, fds, count);
		s = msg.error ? NULL : slot_find(k, msg.name);
		give = s ? s->fd : -1;
		break;
	case RF_KEEP_WALLS:
		s = slot_find(k, msg.name);
		msg.error = s && s->pid ? 0 : -ENOENT;
		if (!msg.error) {
			rf_spawn_walls(&s->run);
			msg.walls = s->run.walls;
		}
		break;
	case RF_KEEP_KILL:
		msg.error = do_kill(k, msg.name);
		break;
	default:
		msg.error = -EINVAL;
	}
	msg.type = RF_KEEP_REPLY;
	tell(k, &msg, &give, give >= 0);
	for (int i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static struct slot *slot_of(struct keeper *k, pid_t pid)
{
	for (int i = 0; i < RF_KEEP_SLOTS; i++)
		if (k->slots[i].pid == pid)
			return &k->slots[i];
	return NULL;
}

static void exited(struct keeper *k, struct slot *s, int status)
{
	struct rf_keep_msg msg = { .type = RF_KEEP_EXITED, .pid = s->pid, .status = status };

	rf_spawn_walls(&s->run);
	msg.walls = s->run.walls;
	msg.verdict = s->verdict;
	/* We killed it for this signal. */
	if (s->verdict.seen & RF_SEEN_SIGNAL && WIFSIGNALED(status))
		msg.status = s->verdict.signal;
	memcpy(msg.name, s->name, RF_KEEP_NAME);
	slot_free(s);
	tell(k, &msg, NULL, 0);
}

static void reap(struct keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct slot *s = slot_of(k, pid);

		if (WIFSTOPPED(status)) {
			struct rf_verdict nobody;

			rf_trace_stop(pid, status, s ? &s->verdict : &nobody, s ? s->name : "?");
		} else if (pid == k->supervisor) {
			k->supervisor = 0;
			k->done = 1;
			k->code = WIFEXITED(status) ? WEXITSTATUS(status) : 70;
			if (WIFSIGNALED(status))
				rf_log("the supervisor died of signal %d: ending all that it ran",
				       WTERMSIG(status));
		} else if (s) {
			exited(k, s, status);
		}
	}
}

static int supervisor_start(struct keeper *k, const char *config)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid_t keeper = getpid();
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		char fd[16];
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		/* A terminal's Ctrl-C goes to the keeper, which passes it on in order. */
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != keeper)
			_exit(70);
		int sock = fcntl(pair[1], F_DUPFD, 3);
		snprintf(fd, sizeof(fd), "%d", sock);
		execl("/proc/self/exe", "ringfence", "supervise", fd, config, (char *)NULL);
		rf_die(70, "cannot start the supervisor: %s", strerror(errno));
	}
	close(pair[1]);
	k->client = pair[0];
	k->supervisor = pid;
	return 0;
}

/* Nobody survives: a process that is told to die here holds a device. */
static void end_all(struct keeper *k)
{
	for (int i = 0; i < RF_KEEP_SLOTS; i++)
		if (k->slots[i].pid)
			kill(k->slots[i].pid, SIGKILL);
	struct rf_verdict nobody;
	int   status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, 0)) > 0 || errno == EINTR)
		if (pid > 0 && WIFSTOPPED(status))
			rf_trace_stop(pid, status, &nobody, "?");
	rf_spawn_finish();
}

/*
 * A dead driver's exit waits for us at its last stop, and its device process for that: we
 * go before whoever keeps the processors busy. No child inherits it. Where it is not
 * allowed, a recovery takes a little longer on a busy machine.
 */
static void hurry(void)
{
	struct sched_param p = { .sched_priority = 1 };

	(void)!syscall(SYS_sched_setscheduler, 0, SCHED_RR | SCHED_RESET_ON_FORK, &p);
}

int rf_keeper_main(const char *config)
{
	static struct keeper k;
	sigset_t set;

	rf_log_name = "ringfence";
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	rf_spawn_prepare();
	hurry();
	int sig = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	int err = sig < 0 ? -errno : supervisor_start(&k, config);
	if (err) {
		rf_log("cannot start: %s", strerror(-err));
		return 70;
	}
	while (!k.done) {
		struct pollfd p[2] = { { .fd = sig, .events = POLLIN },
				       { .fd = k.client, .events = POLLIN } };
		struct signalfd_siginfo info;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			rf_die(70, "poll: %s", strerror(errno));
		if (p[1].revents & POLLIN)
			serve(&k);
		if (!(p[0].revents & POLLIN))
			continue;
		while (read(sig, &info, sizeof(info)) == sizeof(info))
			if (info.ssi_signo != SIGCHLD) {
				struct rf_keep_msg msg = { .type = RF_KEEP_STOP };
				tell(&k, &msg, NULL, 0);
			}
		reap(&k);
	}
	end_all(&k);
	return k.code;
}
