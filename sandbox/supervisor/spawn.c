/* SPDX-License-Identifier: MIT */
/* spawn.c - see spawn.h. Room: sandbox/supervisor, privileged. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

/* Fds are moved out of the way of their targets first. */
#define PARK 100

static void limit(int what, rlim_t value)
{
	struct rlimit r = { value, value };

	if (setrlimit(what, &r))
		rf_die(71, "cannot set resource limit %d: %s", what, strerror(errno));
}

/* Installs fds[1..]; returns where fds[0], the program, is parked (close-on-exec). */
static int install_fds(const struct rf_keep_spawn *spawn, const int *fds, int count)
{
	int parked[32], last = 2;

	for (int i = 0; i < count; i++)
		if ((parked[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, PARK)) < 0)
			rf_die(71, "cannot pass fd: %s", strerror(errno));
	for (int i = 1; i < count; i++) {
		if (dup2(parked[i], spawn->target[i]) < 0)
			rf_die(71, "cannot pass fd %d: %s", spawn->target[i], strerror(errno));
		if (spawn->target[i] > last)
			last = spawn->target[i];
	}
	syscall(SYS_close_range, (unsigned)last + 1, (unsigned)parked[0] - 1, 0);
	syscall(SYS_close_range, (unsigned)parked[0] + 1, ~0u, 0);
	return parked[0];
}

/* As much as wanted, or as much as there is where it may not be raised: what really
 * needs it (the DMA map) was checked by the supervisor. */
static void limit_memlock(rlim_t wanted)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_MEMLOCK, &r))
		rf_die(71, "cannot read the locked-memory limit: %s", strerror(errno));
	if (wanted > r.rlim_max) {
		r = (struct rlimit){ wanted, wanted };
		if (!setrlimit(RLIMIT_MEMLOCK, &r))
			return;
		getrlimit(RLIMIT_MEMLOCK, &r);
		wanted = r.rlim_max;
	}
	limit(RLIMIT_MEMLOCK, wanted);
}

/* An empty directory nobody can write, made once by the supervisor. */
static void empty_root(void)
{
	if (geteuid())
		return;
	if (chroot("/run/ringfence/empty") || chdir("/"))
		rf_die(71, "cannot enter /run/ringfence/empty: %s", strerror(errno));
}

static void drop_privileges(const struct rf_keep_spawn *spawn)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (!geteuid() && spawn->uid != ~0u) {
		for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
			prctl(PR_CAPBSET_DROP, cap);
		if (setgroups(0, NULL) || setresgid(spawn->gid, spawn->gid, spawn->gid) ||
		    setresuid(spawn->uid, spawn->uid, spawn->uid))
			rf_die(71, "cannot become uid %u: %s", spawn->uid, strerror(errno));
	}
	if (syscall(SYS_capset, &head, none))
		rf_die(71, "cannot drop capabilities: %s", strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		rf_die(71, "cannot set no_new_privs: %s", strerror(errno));
}

static _Noreturn void child(const struct rf_keep_spawn *spawn, const int *fds, int count,
			    pid_t parent)
{
	char *argv[] = { (char *)spawn->argv0, NULL }, *envp[] = { NULL };
	sigset_t none;

	rf_log_name = spawn->argv0;
	int exe = install_fds(spawn, fds, count);
	if (spawn->fence)
		empty_root();
	limit_memlock(spawn->memlock);
	limit(RLIMIT_NOFILE, spawn->nofile);
	limit(RLIMIT_CORE, 0);
	drop_privileges(spawn);
	/* After the change of uid, which clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(71);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	syscall(SYS_execveat, exe, "", argv, envp, AT_EMPTY_PATH);
	rf_die(71, "cannot execute %s: %s", spawn->argv0, strerror(errno));
}

int rf_spawn(const struct rf_keep_spawn *spawn, const int *fds, int count, pid_t *pid, int *pidfd)
{
	pid_t parent = getpid();
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
	};

	for (int i = 1; i < count; i++)
		if (spawn->target[i] < 0 || spawn->target[i] >= PARK)
			return -EINVAL;
	long n = syscall(SYS_clone3, &args, sizeof(args));
	if (n < 0)
		return -errno;
	if (!n)
		child(spawn, fds, count, parent);
	*pid = (pid_t)n;
	return 0;
}
