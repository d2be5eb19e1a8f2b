/* SPDX-License-Identifier: MIT */
/*
 * keeper.c - parent, reaper, and holder of fds by name. See keeper.h.
 *
 * Room:   sandbox/supervisor, privileged.
 * Trust:  obeys its one client, the supervisor. Sees no byte that a driver, a
 *         device or a peer wrote.
 * Fence:  from its first supervisor on a system call list (policy/syscalls/keeper.list), and
 *         of root's capabilities two. It can start nothing: the spawner does that.
 */
#include "keeper.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "device_config.h"
#include "log.h"
#include "packet.h"
#include "privilege.h"
#include "spawner.h"

struct slot {
	char  name[RF_KEEP_NAME]; /* "": free */
	int   fd;                 /* held fd; a process's pidfd */
	pid_t pid;                /* 0: not a process */
	bool  dead;               /* reaped, not buried yet */
	int   status;             /* of the dead, */
	uint64_t time_ns;         /* and when that was seen: CLOCK_REALTIME */
	struct rf_spawned run;    /* of a process */
	char  tell[RF_KEEP_NAME]; /* of a driver: as in struct rf_keep_spawn */
	uint32_t generation;
	struct rf_verdict verdict;
};

/* A supervisor that dies sooner than this after its start has not worked. */
#define SOON_NS  1000000000ull
#define SOON_MAX 8 /* times in a row: then all ends */

struct keeper {
	struct slot slots[RF_KEEP_SLOTS];
	struct rf_spawner spawner;
	int         client;     /* socket to the supervisor */
	pid_t       supervisor; /* 0: reaped, status is how it ended */
	pid_t       opener;     /* 0: reaped */
	int         refused;    /* code of an opener that gave up by itself; 0: none did */
	int         status;
	uint64_t    started_ns;
	int         soon;       /* deaths right after a start, in a row */
	bool        stop;       /* a person asked for the end */
	int         code;       /* of the whole, once done */
	bool        done;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

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
			return &k->slots[i];
		}
	return NULL;
}

static void slot_free(struct slot *s)
{
	close(s->fd);
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
	 * have come to reap it. */
	reap(k);
	struct slot *s = slot_find(k, msg->name);
	if (count < 1 || (s && !s->dead))
		return -EEXIST;
	if (s)
		slot_free(s);
	if (!(s = slot_new(k, msg->name)))
		return -ENFILE;
	int err = rf_spawner_run(&k->spawner, &msg->spawn, fds, count, &s->run);
	if (err) {
		*s = (struct slot){ 0 };
		return err;
	}
	rf_spawn_seize(&s->run);
	memcpy(s->tell, msg->spawn.tell, RF_KEEP_NAME - 1);
	s->generation = msg->spawn.generation;
	s->fd = s->run.pidfd;
	msg->pid = s->pid = s->run.pid;
	return 0;
}

static int do_kill(struct keeper *k, const char *name)
{
	struct slot *s = slot_find(k, name);

	if (!s || !s->pid || s->dead)
		return -ENOENT;
	/* Not reaped yet, so the pid cannot be another's. */
	return kill(s->pid, SIGKILL) ? -errno : 0;
}

static int do_list(struct keeper *k, struct rf_keep_msg *msg)
{
	for (uint32_t i = msg->at; i < RF_KEEP_SLOTS; i++) {
		const struct slot *s = &k->slots[i];

		if (!s->pid || s->dead)
			continue;
		memcpy(msg->name, s->name, RF_KEEP_NAME);
		msg->pid = s->pid;
		msg->at = i + 1;
		return 0;
	}
	return -ENOENT;
}

static int do_bury(struct keeper *k, const struct rf_keep_msg *msg)
{
	struct slot *s = slot_find(k, msg->name);

	if (!s || !s->dead || s->pid != msg->pid)
		return -ENOENT;
	slot_free(s);
	return 0;
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
		msg.error = s && s->pid && !s->dead ? 0 : -ENOENT;
		if (!msg.error) {
			rf_spawn_walls(&s->run);
			msg.walls = s->run.walls;
		}
		break;
	case RF_KEEP_KILL:
		msg.error = do_kill(k, msg.name);
		break;
	case RF_KEEP_LIST:
		msg.error = do_list(k, &msg);
		break;
	case RF_KEEP_BURY:
		msg.error = do_bury(k, &msg);
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
		if (k->slots[i].pid == pid && !k->slots[i].dead)
			return &k->slots[i];
	return NULL;
}

static void tell_exited(struct keeper *k, const struct slot *s)
{
	struct rf_keep_msg msg = { .type = RF_KEEP_EXITED, .pid = s->pid, .status = s->status,
				   .time_ns = s->time_ns,
				   .walls = s->run.walls, .verdict = s->verdict };

	memcpy(msg.name, s->name, RF_KEEP_NAME);
	tell(k, &msg, NULL, 0);
}

static void exited(struct keeper *k, struct slot *s, int status)
{
	rf_spawn_walls(&s->run);
	if (s->run.report >= 0)
		close(s->run.report);
	s->dead = true;
	s->time_ns = clock_ns(CLOCK_REALTIME);
	/* We killed it for this signal. */
	s->status = s->verdict.seen & RF_SEEN_SIGNAL && WIFSIGNALED(status) ? s->verdict.signal : status;
	tell_exited(k, s);
}

static void stop_ask(struct keeper *k)
{
	k->stop = true;
	tell(k, &(struct rf_keep_msg){ .type = RF_KEEP_STOP }, NULL, 0);
}

/* Nothing can be started any more, no successor of anybody: an end in good order, while all
 * are still there. */
static void spawner_ended(struct keeper *k, int status)
{
	k->spawner.pid = 0;
	rf_log("the spawner, which starts all processes, died (status %#x): ending all", status);
	stop_ask(k);
}

/* Its device process need not wait until its memory is taken down, nor until we have looked
 * at it. It hears of its death in any case. */
static void tell_ending(struct keeper *k, const struct slot *s)
{
	struct rf_dev_msg msg = { .type = RF_DEV_ENDING, .generation = s->generation };
	const struct slot *to = s->tell[0] ? slot_find(k, s->tell) : NULL;

	if (to)
		(void)rf_packet_post(to->fd, &msg, sizeof(msg));
}

/* Its supervisor has nobody else to ask; the next one gets an opener of its own. An opener
 * nobody asks any more ends by itself. */
static void opener_ended(struct keeper *k, int status)
{
	k->opener = 0;
	if (!k->supervisor || (WIFEXITED(status) && !WEXITSTATUS(status)))
		return;
	if (WIFEXITED(status))
		k->refused = WEXITSTATUS(status); /* it has said why */
	else
		rf_log("the opener, which opens devices, died of signal %d", WTERMSIG(status));
	kill(k->supervisor, SIGKILL);
}

/* One process that stopped or ended; false: there is none. */
static bool reap_one(struct keeper *k, int flags)
{
	int status;
	pid_t pid = waitpid(-1, &status, flags);
	struct slot *s = pid > 0 ? slot_of(k, pid) : NULL;

	if (pid <= 0)
		return pid < 0 && errno == EINTR;
	if (WIFSTOPPED(status)) {
		struct rf_verdict nobody;

		if (s && rf_trace_last(status))
			tell_ending(k, s);
		rf_trace_stop(pid, status, s ? &s->verdict : &nobody, s ? s->name : "?");
	} else if (pid == k->supervisor) {
		k->supervisor = 0;
		k->status = status;
		/* What it does half-way it would do beside its successor. */
		if (k->opener)
			kill(k->opener, SIGKILL);
	} else if (pid == k->opener) {
		opener_ended(k, status);
	} else if (pid == k->spawner.pid) {
		spawner_ended(k, status);
	} else if (s) {
		exited(k, s, status);
	} /* else who bore a driver for the spawner */
	return true;
}

static void reap(struct keeper *k)
{
	while (reap_one(k, WNOHANG))
		;
}

static int supervisor_start(struct keeper *k)
{
	int ours[2], between[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ours) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, between))
		return -errno;
	pid_t opener = rf_spawner_open(&k->spawner, between[0]);
	pid_t supervisor = opener < 0 ? opener : rf_spawner_supervise(&k->spawner, ours[1], between[1]);
	close(between[0]);
	close(between[1]);
	close(ours[1]);
	k->opener = opener > 0 ? opener : 0;
	if (supervisor < 0) {
		close(ours[0]);
		return supervisor;
	}
	k->client = ours[0];
	k->supervisor = supervisor;
	k->started_ns = clock_ns(CLOCK_MONOTONIC);
	return 0;
}

/* What its predecessor was told and did not deal with. */
static void tell_again(struct keeper *k)
{
	for (int i = 0; i < RF_KEEP_SLOTS; i++)
		if (k->slots[i].dead)
			tell_exited(k, &k->slots[i]);
	if (k->stop)
		tell(k, &(struct rf_keep_msg){ .type = RF_KEEP_STOP }, NULL, 0);
}

/* Whoever ends by itself has ended all. Who was killed has a successor, which finds
 * everything here; but not for ever, if none of them lives. */
static void supervisor_ended(struct keeper *k)
{
	close(k->client);
	k->client = -1;
	k->done = k->refused || WIFEXITED(k->status);
	k->code = 70;
	if (k->refused)
		k->code = k->refused;
	else if (k->done && k->spawner.pid)
		k->code = WEXITSTATUS(k->status);
	if (k->done)
		return;
	k->soon = clock_ns(CLOCK_MONOTONIC) - k->started_ns < SOON_NS ? k->soon + 1 : 0;
	int err = k->soon < SOON_MAX ? supervisor_start(k) : -ELOOP;
	k->done = err != 0;
	rf_log("the supervisor died of signal %d: %s", WTERMSIG(k->status),
	       err == -ELOOP ? "so did those before it, right after their start: ending all that it ran"
	       : err         ? strerror(-err)
			     : "a successor takes over");
	if (!err)
		tell_again(k);
}

static int kill_all(struct keeper *k)
{
	int living = 0;

	for (int i = 0; i < RF_KEEP_SLOTS; i++)
		if (k->slots[i].pid && !k->slots[i].dead)
			living += !kill(k->slots[i].pid, SIGKILL);
	return living;
}

/* Nobody survives: a process that is told to die here holds a device. */
static void end_all(struct keeper *k)
{
	while (kill_all(k) && reap_one(k, 0))
		;
	/* A device cannot be given back while a fd of it is held. */
	do_drop(k, "");
	/* Who ends with another code has given back what it had taken. */
	rf_spawner_finish(&k->spawner, k->code == 70);
}

int rf_keeper_main(int config, const char *program_dir)
{
	static struct keeper k = { .client = -1 };
	sigset_t set;

	rf_log_name = "ringfence";
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	rf_spawn_prepare();
	int err = rf_spawner_start(&k.spawner, config, program_dir);
	rf_hurry();
	int sig = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	err = err ? err : sig < 0 ? -errno : supervisor_start(&k);
	if (err) {
		rf_log("cannot start: %s", strerror(-err));
		k.code = 70;
		k.done = true;
	} else {
		/* What it still needs of root: to kill and to trace processes of other users. */
		rf_caps_keep(1u << CAP_KILL | 1u << CAP_SYS_PTRACE);
		rf_lock("keeper");
	}
	while (!k.done) {
		struct pollfd p[2] = { { .fd = sig, .events = POLLIN },
				       { .fd = k.client, .events = POLLIN } };
		struct signalfd_siginfo info;

		if (ppoll(p, 2, NULL, NULL) < 0 && errno != EINTR)
			rf_die(70, "ppoll: %s", strerror(errno));
		if (p[1].revents & POLLIN)
			serve(&k);
		while (p[0].revents & POLLIN && read(sig, &info, sizeof(info)) == sizeof(info))
			if (info.ssi_signo != SIGCHLD)
				stop_ask(&k);
		reap(&k);
		if (!k.supervisor && !k.opener)
			supervisor_ended(&k);
	}
	end_all(&k);
	return k.code;
}
