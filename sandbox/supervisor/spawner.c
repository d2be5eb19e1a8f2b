/* SPDX-License-Identifier: MIT */
/* spawner.c - see spawner.h. Room: sandbox/supervisor, privileged. */
#include "spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "opener.h"
#include "pci.h"
#include "privilege.h"
#include "wait.h"

/* Users of ringfence's processes: RF_UID_BASE and so many behind it. */
#define UIDS 256u

/* How long the keeper waits for an answer. */
#define ANSWER_MS    200
#define ANSWER_TRIES 300

enum order_type { ORDER_RUN = 1, ORDER_SUPERVISE, ORDER_OPEN, ORDER_FINISH };

struct order {
	uint32_t type;      /* enum order_type */
	uint32_t give_back; /* FINISH */
	struct rf_keep_spawn spawn; /* RUN */
};

/* The child's pidfd is with it, and its report if it has one. */
struct done {
	int32_t error;
	int32_t pid;
};

/* ---- the spawner ----------------------------------------------------------------- */

static bool ends(const char *text, size_t room)
{
	return memchr(text, '\0', room) != NULL;
}

/* The keeper cannot make us run something as root, nor touch another's control group. */
static int order_check(const struct order *o, int count)
{
	const struct rf_keep_spawn *s = &o->spawn;

	if (count < 1 || s->fence > RF_FENCE_DRIVER || !ends(s->group, sizeof(s->group)) ||
	    !ends(s->argv0, sizeof(s->argv0)) || strchr(s->group, '/') || s->group[0] == '.' ||
	    (s->fence == RF_FENCE_DRIVER && !s->group[0]))
		return -EINVAL;
	if (!geteuid() && (s->uid - RF_UID_BASE >= UIDS || s->gid - RF_UID_BASE >= UIDS))
		return -EPERM;
	return 0;
}

/* uid ~0: it stays root. sockets[1]: to the opener, of a supervisor. */
static int own(const char *verb, uint32_t uid, int program, int config, const int *sockets, int count,
	       struct rf_spawned *run)
{
	struct rf_keep_spawn spawn = { .fence = RF_FENCE_OWN, .uid = uid, .gid = uid, .argv0 = "ringfence",
				       .target = { -1, RF_OWN_FD_ABOVE, RF_OWN_FD_CONFIG,
						   RF_OWN_FD_OPENER } };
	const int fds[] = { program, sockets[0], config, sockets[1] };

	strcpy(spawn.group, verb);
	return rf_spawn(&spawn, fds, 2 + count, run);
}

static int program_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		rf_die(RF_EXIT_SYSTEM, errno == ENOENT ? "there is no program %s: does 'program-dir' name the folder "
		       "of the rf-* programs?" : "cannot open %s: %s", path, strerror(errno));
	(void)rf_pages_hold(fd);
	return fd;
}

static void finish(const struct order *o, int config)
{
	static struct rf_config c;

	rf_spawn_finish();
	if (o->give_back && pread(config, &c, sizeof(c), 0) == sizeof(c))
		rf_pci_give_back_all(&c);
}

static _Noreturn void obey(int keeper, int config, const char *program_dir)
{
	char path[300];
	int fds[RF_PACKET_FDS], count;
	struct order o;

	snprintf(path, sizeof(path), "%s/rf-supervisor", program_dir);
	int supervisor = program_open(path), opener = program_open("/proc/self/exe");
	while (rf_packet_recv(keeper, &o, sizeof(o), fds, &count, 0) == sizeof(o)) {
		struct rf_spawned run = { .pidfd = -1, .report = -1 };
		struct done d = { .error = -EINVAL };

		if (o.type == ORDER_FINISH) {
			finish(&o, config);
			_exit(0);
		}
		if (o.type == ORDER_SUPERVISE && count == 2)
			d.error = own("supervise", RF_UID_BASE + RF_UID_SUPERVISOR, supervisor, config, fds, 2, &run);
		else if (o.type == ORDER_OPEN && count == 1)
			d.error = own("open", ~0u, opener, config, fds, 1, &run);
		else if (o.type == ORDER_RUN && !(d.error = order_check(&o, count)))
			d.error = rf_spawn(&o.spawn, fds, count, &run);
		d.pid = run.pid;
		const int give[] = { run.pidfd, run.report };
		(void)rf_packet_send(keeper, &d, sizeof(d), give, d.error ? 0 : 1 + (run.report >= 0));
		rf_close_all(fds, count);
		for (int i = 0; i < 2; i++)
			if (give[i] >= 0)
				close(give[i]);
	}
	_exit(70);
}

/* ---- the keeper's side ------------------------------------------------------------ */

int rf_spawner_start(struct rf_spawner *s, int config, const char *program_dir)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid_t keeper = getpid();
	s->pid = fork();
	if (s->pid < 0)
		return -errno;
	if (!s->pid) {
		prctl(PR_SET_NAME, "rf-spawner");
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != keeper)
			_exit(70);
		close(pair[0]);
		/* Neither is inherited over a fork. */
		rf_memory_hold();
		rf_hurry();
		rf_spawn_for_parent();
		obey(pair[1], config, program_dir);
	}
	close(pair[1]);
	s->sock = pair[0];
	rf_spawn_forget();
	return 0;
}

/* It does nothing that takes long, but a signal may have stopped it. False: it is gone, or not to
 * be had. */
static bool answers(const struct rf_spawner *s)
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
		rf_log("the spawner, which starts all processes, does not answer: killed");
		kill(s->pid, SIGKILL);
	}
	return ready > 0;
}

static int ask(const struct rf_spawner *s, const struct order *o, const int *fds, int count,
	       struct rf_spawned *out)
{
	struct done d;
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

int rf_spawner_run(const struct rf_spawner *s, const struct rf_keep_spawn *spawn, const int *fds,
		   int count, struct rf_spawned *out)
{
	struct order o = { .type = ORDER_RUN, .spawn = *spawn };

	return ask(s, &o, fds, count, out);
}

/* The keeper needs no pidfd of it. */
static pid_t ask_own(const struct rf_spawner *s, enum order_type type, const int *fds, int count)
{
	struct order o = { .type = type };
	struct rf_spawned run;
	int err = ask(s, &o, fds, count, &run);

	if (err)
		return err;
	close(run.pidfd);
	return run.pid;
}

pid_t rf_spawner_supervise(const struct rf_spawner *s, int keeper, int opener)
{
	const int fds[] = { keeper, opener };

	return ask_own(s, ORDER_SUPERVISE, fds, 2);
}

pid_t rf_spawner_open(const struct rf_spawner *s, int sock)
{
	return ask_own(s, ORDER_OPEN, &sock, 1);
}

void rf_spawner_finish(struct rf_spawner *s, bool give_back)
{
	struct order o = { .type = ORDER_FINISH, .give_back = give_back };

	if (s->pid && !rf_packet_send(s->sock, &o, sizeof(o), NULL, 0))
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	s->pid = 0;
}
