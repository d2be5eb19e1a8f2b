/* SPDX-License-Identifier: MIT */
/*
 * keeper.c - parent, reaper, and holder of fds by name. See keeper.h.
 *
 * Room:   sandbox/keeper, two capabilities.
 * Trust:  obeys its one client, the supervisor. Sees no byte that a driver, a
 *         device or a peer wrote.
 * Fence:  from its first supervisor on a system call list (policy/syscalls/keeper.list), and
 *         of root's capabilities two. It can start nothing: the zygote does that.
 */
#include "clock.h"
#include "device_msg.h"
#include "filters.h"
#include "keeper_inside.h"

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

#include "ending.h"
#include "log.h"
#include "packet.h"
#include "privilege.h"
#include "trace.h"
#include "wait.h"

/* A supervisor that dies sooner than this after its start has not worked. */
#define SOON_NS  1000000000ull
#define SOON_MAX 8 /* times in a row: then all ends */

/* The supervisor gets a ping at this interval, and may leave this many unanswered. */
#define LOOK_NS    4000000000ull
#define LOOKS_MOST 15u

/* Not more at once than the supervisor has room for: the rest when these are acknowledged. */
static void notify_exited(struct keeper *k, struct slot *s)
{
	struct rf_keep_msg msg = { .type = RF_KEEP_EXITED, .pid = s->pid, .status = s->status,
				   .time_ns = s->time_ns, .walls = s->run.walls };

	if (s->exit_info)
		msg.exit_info = *s->exit_info;
	memcpy(msg.name, s->name, RF_KEEP_NAME);
	slot_told(&k->slots, s,
		  k->slots.told < RF_KEEP_EVENTS && keeper_notify(k, &msg, NULL, 0));
}

static void exited(struct keeper *k, struct slot *s, int status)
{
	rf_spawn_walls(&s->run);
	if (s->run.report >= 0)
		close(s->run.report);
	slot_dead(&k->slots, s);
	s->time_ns = rf_clock_ns(CLOCK_REALTIME);
	/* We killed it for this signal. */
	bool killed = s->exit_info && s->exit_info->seen & RF_SEEN_SIGNAL && WIFSIGNALED(status);
	s->status = killed ? s->exit_info->signal : status;
	notify_exited(k, s);
}

static void stop_ask(struct keeper *k)
{
	k->stop = true;
	k->stop_told = keeper_notify(k, &(struct rf_keep_msg){ .type = RF_KEEP_STOP }, NULL, 0);
}

static void reload_ask(struct keeper *k)
{
	k->reload = !keeper_notify(k, &(struct rf_keep_msg){ .type = RF_KEEP_HANGUP }, NULL, 0);
}

/* Sends what the supervisor's socket had no room for. True: nothing is left to send. */
static bool keeper_notify_pending(struct keeper *k)
{
	if (k->stop && !k->stop_told)
		stop_ask(k);
	if (k->reload)
		reload_ask(k);
	for (struct slot *s = k->slots.first;
	     s && k->slots.untold && k->slots.told < RF_KEEP_EVENTS; s = s->behind) {
		if (s->dead && !s->told)
			notify_exited(k, s);
		if (s->dead && !s->told)
			return false;
	}
	return (!k->stop || k->stop_told) && !k->reload;
}

/* No process can be started any more, so no successor either: all end in good order while they
 * are still there. */
static void zygote_ended(struct keeper *k, int status)
{
	k->zygote.pid = 0;
	char how[RF_ENDING];

	rf_log("the zygote, which starts all processes, %s: ending all", rf_ending(status, how));
	stop_ask(k);
}

/* The device process learns that its driver executes nothing more, before the kernel has taken
 * the driver's memory down and before we have reaped it. If this message is lost, the pidfd says
 * so later. */
static void notify_ending(struct keeper *k, const struct slot *s)
{
	struct rf_dev_msg msg = { .type = RF_DEV_ENDING, .generation = s->generation,
				  .at_ns = rf_now_ns() };
	const struct slot *to = s->notify[0] ? slot_find(&k->slots, s->notify) : NULL;

	if (to)
		(void)rf_packet_post(to->fd, &msg, sizeof(msg));
}

/* A supervisor without a broker can open nothing: it is killed too, and the next one gets a
 * broker of its own. A broker ends by itself when its supervisor is gone. */
static void broker_ended(struct keeper *k, int status)
{
	char how[RF_ENDING];

	k->broker = 0;
	if (!k->supervisor || (WIFEXITED(status) && !WEXITSTATUS(status)))
		return;
	if (WIFEXITED(status))
		k->refused = WEXITSTATUS(status); /* it has said why */
	else
		rf_log("the broker, which opens devices, %s", rf_ending(status, how));
	kill(k->supervisor, SIGKILL);
}

/* A stop or a SIGCONT of a process that is not traced. Drivers are traced, and report theirs as
 * ptrace events. */
static void stopped(struct keeper *k, const struct slot *s, pid_t pid, int status)
{
	bool ours = s || pid == k->supervisor || pid == k->broker;

	if (!WIFSTOPPED(status))
		rf_stopped_remove(&k->stopped, pid);
	else if (ours)
		rf_stopped_add(&k->stopped, pid,
			       s && s->notify[0] ? RF_STOPPED_DRIVER : RF_STOPPED_LOOKS);
	else
		kill(pid, SIGCONT); /* the zygote, or a helper of its: it has no successor */
}

/* Pings the supervisor, and kills one that does not answer. It may be waiting for the broker,
 * which waits for the kernel: hence a whole minute. The minute is counted in pings, since none
 * is sent while all of ringfence is stopped or frozen. */
static void supervisor_look(struct keeper *k)
{
	struct rf_keep_msg ping = { .type = RF_KEEP_PING };
	uint64_t now = rf_clock_ns(CLOCK_MONOTONIC);

	if (now - k->look_ns < LOOK_NS || !k->supervisor)
		return;
	k->look_ns = now;
	if (!k->unanswered++)
		(void)keeper_notify(k, &ping, NULL, 0);
	if (k->unanswered < LOOKS_MOST)
		return;
	rf_log("the supervisor does not answer: killed, so that it is replaced");
	kill(k->supervisor, SIGKILL);
	k->unanswered = 1;
}

/* Milliseconds until the next ping, or until a stopped process is due. */
static int wait_ms(const struct keeper *k)
{
	uint64_t now = rf_clock_ns(CLOCK_MONOTONIC), apart = now - k->look_ns;
	int stopped = rf_stopped_wait_ms(&k->stopped, now);
	int look = apart >= LOOK_NS ? 0 : (int)((LOOK_NS - apart) / 1000000) + 1;

	return stopped >= 0 && stopped < look ? stopped : look;
}

static void end_stopped(struct keeper *k)
{
	pid_t pid;

	while ((pid = rf_stopped_due(&k->stopped, rf_clock_ns(CLOCK_MONOTONIC)))) {
		const struct slot *s = slot_of(&k->slots, pid);

		rf_log("%s was stopped by a signal and does not go on: killed, so that it is "
		       "replaced",
		       s                ? s->name :
		       pid == k->broker ? "the broker" :
					  "the supervisor");
		kill(pid, SIGKILL);
	}
}

/* Handles one process that stopped, went on or ended; false: there is none. */
static bool reap_one(struct keeper *k, int flags)
{
	int status;
	pid_t pid = waitpid(-1, &status, flags | WUNTRACED | WCONTINUED);
	struct slot *s = pid > 0 ? slot_of(&k->slots, pid) : NULL;

	if (pid <= 0)
		return pid < 0 && errno == EINTR;
	if (WIFCONTINUED(status) || (WIFSTOPPED(status) && !(s && s->notify[0]))) {
		stopped(k, s, pid, status);
		return true;
	}
	if (!WIFSTOPPED(status))
		rf_stopped_remove(&k->stopped, pid);
	if (WIFSTOPPED(status)) {
		if (rf_trace_last(status))
			notify_ending(k, s);
		if (rf_trace_stop(pid, status, s->exit_info))
			stopped(k, s, pid, status);
		else
			rf_stopped_remove(&k->stopped, pid);
	} else if (pid == k->supervisor) {
		k->supervisor = 0;
		k->status = status;
		/* A broker that went on would work beside its successor. */
		if (k->broker)
			kill(k->broker, SIGKILL);
	} else if (pid == k->broker) {
		broker_ended(k, status);
	} else if (pid == k->zygote.pid) {
		zygote_ended(k, status);
	} else if (s) {
		exited(k, s, status);
	} /* else a helper of the zygote's, which cloned a driver and ended */
	return true;
}

static void keeper_reap(struct keeper *k)
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
	pid_t broker = rf_zygote_open(&k->zygote, between[0]);
	pid_t supervisor =
		broker < 0 ? broker : rf_zygote_supervise(&k->zygote, ours[1], between[1]);
	close(between[0]);
	close(between[1]);
	close(ours[1]);
	k->broker = broker > 0 ? broker : 0;
	if (supervisor < 0) {
		close(ours[0]);
		return supervisor;
	}
	k->client = ours[0];
	k->supervisor = supervisor;
	k->started_ns = k->look_ns = rf_clock_ns(CLOCK_MONOTONIC);
	k->unanswered = 0;
	return 0;
}

/* Sends a new supervisor the events that its predecessor did not acknowledge. */
static void notify_again(struct keeper *k)
{
	for (struct slot *s = k->slots.first; s; s = s->behind)
		slot_told(&k->slots, s, false);
	k->stop_told = false;
	(void)keeper_notify_pending(k);
}

/* A supervisor that exits has ended all processes before. One that was killed gets a successor,
 * which finds everything at the keeper; but SOON_MAX in a row that die right after their start
 * end it all. */
static void supervisor_ended(struct keeper *k)
{
	bool renewed = k->renew;

	close(k->client);
	k->client = -1;
	k->renew = false;
	k->done = k->refused || WIFEXITED(k->status);
	k->code = 70;
	if (k->refused)
		k->code = k->refused;
	else if (k->done && k->zygote.pid)
		k->code = WEXITSTATUS(k->status);
	if (k->done)
		return;
	bool soon = rf_clock_ns(CLOCK_MONOTONIC) - k->started_ns < SOON_NS;
	k->soon = soon && !renewed ? k->soon + 1 : 0;
	int err = k->soon < SOON_MAX ? supervisor_start(k) : -ELOOP;
	k->done = err != 0;
	char how[RF_ENDING];
	if (!renewed || err)
		rf_log("the supervisor %s: %s", rf_ending(k->status, how),
		       err == -ELOOP ? "so did those before it, right after their start: ending "
				       "all that it ran" :
		       err ? strerror(-err) : "a successor takes over");
	if (!err)
		notify_again(k);
}

static int kill_all(struct keeper *k)
{
	int living = 0;

	for (const struct slot *s = k->slots.first; s; s = s->behind)
		if (!s->dead)
			living += !kill(s->pid, SIGKILL);
	return living;
}

/* Kills and reaps every process: one that lived on would hold its device. */
static void end_all(struct keeper *k)
{
	while (kill_all(k) && reap_one(k, 0))
		;
	/* A device cannot be given back while a fd of it is held. */
	slots_drop(&k->slots, "");
	/* A supervisor that exits with any other code has given its devices back. */
	rf_zygote_finish(&k->zygote, k->code == RF_EXIT_BUG);
}

int rf_keeper_main(rf_zygote_life *zygote)
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
	int err = rf_zygote_start(&k.zygote, zygote);
	rf_realtime();
	int sig = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	err = err ? err : sig < 0 ? -errno : supervisor_start(&k);
	if (err) {
		/* A zygote that is gone has logged why. */
		if (err != -EPIPE)
			rf_log("cannot start: %s", strerror(-err));
		k.code = RF_EXIT_SYSTEM;
		k.done = true;
	} else {
		/* What it still needs of root: to kill and to trace processes of other users. */
		rf_caps_keep(1u << CAP_KILL | 1u << CAP_SYS_PTRACE);
		rf_lock(rf_filters, "keeper");
	}
	while (!k.done) {
		short more = keeper_notify_pending(&k) ? 0 : POLLOUT;
		struct pollfd p[2] = { { .fd = sig, .events = POLLIN },
				       { .fd = k.client, .events = (short)(POLLIN | more) } };
		struct signalfd_siginfo info;

		if (rf_wait_fds(p, 2, wait_ms(&k)) < 0 &&
		    errno != EINTR)
			rf_die(RF_EXIT_BUG, "ppoll: %s", strerror(errno));
		if (p[1].revents & POLLIN) {
			/* Who is asked for anew may be dead, and known to be by its
			 * pidfd, before we have come to reap it. */
			keeper_reap(&k);
			keeper_serve(&k);
		}
		while (p[0].revents & POLLIN && read(sig, &info, sizeof(info)) == sizeof(info))
			if (info.ssi_signo == SIGHUP)
				reload_ask(&k);
			else if (info.ssi_signo != SIGCHLD)
				stop_ask(&k);
		keeper_reap(&k);
		end_stopped(&k);
		supervisor_look(&k);
		if (!k.supervisor && !k.broker)
			supervisor_ended(&k);
	}
	end_all(&k);
	return k.code;
}
