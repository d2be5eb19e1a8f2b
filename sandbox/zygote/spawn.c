/* SPDX-License-Identifier: MIT */
/* spawn.c - see spawn.h. Room: sandbox/zygote, root. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "launch.h"
#include "log.h"
#include "packet.h"
#include "ns_set.h"
#include "privilege.h"

/* Fds are moved out of the way of their targets first. */
#define PARK    100
#define MAX_FDS (RF_PACKET_FDS + 1)
/* Memory of a driver's control group beyond what it may lock: image, stack, page tables. */
#define GROUP_MEMORY (64ull << 20)

static struct rf_ns_set ns_set = {.user = -1};
static uint8_t group_why; /* errno: why there are no control groups */
static bool for_parent;   /* new processes are children of our parent */

static void spawn_limit(int what, rlim_t value)
{
	struct rlimit r = {value, value};

	if (setrlimit(what, &r))
		rf_die(RF_EXIT_SYSTEM, "cannot set resource limit %d: %s", what, strerror(errno));
}

/* Installs fds[1..]; returns where fds[0], the program, is parked (close-on-exec). */
static int install_fds(const int *target, const int *fds, int count)
{
	int parked[MAX_FDS], last = 2;

	/* The C library's would set the flag once more. */
	for (int i = 0; i < count; i++)
		if ((parked[i] = (int)syscall(SYS_fcntl, fds[i], F_DUPFD_CLOEXEC, PARK)) < 0)
			rf_die(RF_EXIT_SYSTEM, "cannot pass fd: %s", strerror(errno));
	for (int i = 1; i < count; i++) {
		if (dup2(parked[i], target[i]) < 0)
			rf_die(RF_EXIT_SYSTEM, "cannot pass fd %d: %s", target[i], strerror(errno));
		if (target[i] > last)
			last = target[i];
	}
	syscall(SYS_close_range, (unsigned)last + 1, (unsigned)parked[0] - 1, 0);
	syscall(SYS_close_range, (unsigned)parked[0] + 1, ~0u, 0);
	return parked[0];
}

/* Sets the limit to what is wanted, or to the hard limit where that may not be raised. The
 * supervisor has checked what really needs it (the DMA map). */
static void limit_memlock(rlim_t wanted)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_MEMLOCK, &r))
		rf_die(RF_EXIT_SYSTEM, "cannot read the locked-memory limit: %s", strerror(errno));
	if (wanted > r.rlim_max) {
		r = (struct rlimit){wanted, wanted};
		if (!setrlimit(RLIMIT_MEMLOCK, &r))
			return;
		getrlimit(RLIMIT_MEMLOCK, &r);
		wanted = r.rlim_max;
	}
	spawn_limit(RLIMIT_MEMLOCK, wanted);
}

/* Makes the empty root directory of every other process; without root there is none. */
void rf_spawn_root(void)
{
	if (geteuid())
		return;
	rf_dir_make("/run/ringfence", "", 0755);
	rf_dir_make("/run/ringfence", "empty", 0555);
}

/* Enters that empty directory, which nobody can write. */
static void empty_root(void)
{
	if (chroot("/run/ringfence/empty") || chdir("/"))
		rf_die(RF_EXIT_SYSTEM, "cannot enter /run/ringfence/empty: %s", strerror(errno));
}

static void user_change(const struct rf_keep_spawn *spawn)
{
	if (geteuid() || spawn->uid == ~0u)
		return;
	rf_user_become(spawn->uid, spawn->gid);
}

static void drop_privileges(const struct rf_keep_spawn *spawn)
{
	/* The bounding set comes first, as long as we have the capability to change it; without
	 * that, or beyond the last one, the first call fails. */
	for (int cap = 0; !prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);)
		cap++;
	user_change(spawn);
	rf_caps_keep(0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		rf_die(RF_EXIT_SYSTEM, "cannot set no_new_privs: %s", strerror(errno));
}

static _Noreturn void program_run(const char *name, int exe, char **argv)
{
	char *envp[] = {NULL};
	sigset_t none;

	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	syscall(SYS_execveat, exe, "", argv, envp, AT_EMPTY_PATH);
	rf_die(RF_EXIT_SYSTEM, "cannot execute %s: %s", name, strerror(errno));
}

static void spawn_limits_set(const struct rf_keep_spawn *spawn)
{
	limit_memlock(spawn->memlock);
	spawn_limit(RLIMIT_NOFILE, spawn->nofile);
	spawn_limit(RLIMIT_CORE, 0);
	/* It may run in real time, and is killed if it does so for a second without a pause.
	 * Only root can allow that. */
	if (spawn->realtime && !setrlimit(RLIMIT_RTPRIO, &(struct rlimit){1, 1}))
		spawn_limit(RLIMIT_RTTIME, 1000000);
}

/* Enters the namespaces. Where none gives an empty root, a root process changes its own. */
static uint64_t outside_leave(void)
{
	uint64_t up = rf_ns_set_enter(&ns_set);

	if (up & RF_WALL_BIT(RF_WALL_ROOT) || geteuid())
		return up;
	empty_root();
	return up | RF_WALL_BIT(RF_WALL_ROOT);
}

/* ---- any process but a driver ------------------------------------------------------ */

static _Noreturn void own_run(const struct rf_keep_spawn *spawn, const int *fds, int count,
			      pid_t parent)
{
	char *argv[] = {(char *)spawn->argv0, (char *)spawn->group, NULL};
	int exe = install_fds(spawn->target, fds, count);

	/* /proc is the supervisor's root: it reads the processor time of unresponsive drivers
	 * there. */
	if (spawn->uid != ~0u) {
		if (chdir("/proc") || (!geteuid() && chroot(".")))
			rf_die(RF_EXIT_SYSTEM, "cannot enter /proc: %s", strerror(errno));
		drop_privileges(spawn);
	}
	/* A terminal's Ctrl-C goes to the keeper, which passes it on in order. */
	setpgid(0, 0);
	rf_die_with(parent);
	program_run(spawn->argv0, exe, argv);
}

static _Noreturn void child(const struct rf_keep_spawn *spawn, const int *fds, int count,
			    pid_t parent)
{
	char *argv[] = {(char *)spawn->argv0, NULL};

	rf_log_name = spawn->argv0;
	if (spawn->fence == RF_FENCE_OWN)
		own_run(spawn, fds, count, parent);
	/* As root only: others can enter the namespaces only by way of the user namespace, as
	 * drivers do. */
	if (spawn->fence && !geteuid())
		(void)outside_leave();
	int exe = install_fds(spawn->target, fds, count);
	spawn_limits_set(spawn);
	drop_privileges(spawn);
	rf_die_with(parent);
	program_run(spawn->argv0, exe, argv);
}

/* ---- a driver ------------------------------------------------------------------------ */

/* What the child has from its parent's memory. */
struct child_start {
	const struct rf_keep_spawn *spawn;
	const int *fds;
	int count;
	int report; /* socket: our end of rf_spawned.report */
	pid_t keeper;
	uint64_t up; /* walls that stand already */
	uint8_t group_why;
};

/* Waits until the keeper has seized us, and returns whether that worked. Ends us if the keeper
 * is gone. */
static int seized_wait(int report)
{
	uint8_t why;

	if (read(report, &why, 1) != 1)
		_exit(RF_EXIT_SYSTEM);
	return why;
}

static _Noreturn void driver_child(const struct child_start *b)
{
	struct rf_wall_report r = {.up = b->up};
	char up[20], demand[20];
	char *argv[] = {(char *)b->spawn->argv0, up, demand, NULL};
	int fds[MAX_FDS], target[MAX_FDS];
	bool root = !geteuid();

	rf_log_name = b->spawn->argv0;
	memcpy(r.why, ns_set.why, RF_WALLS);
	r.why[RF_WALL_CGROUP] = b->group_why;
	r.up |= outside_leave();
	memcpy(fds, b->fds, sizeof(int) * (size_t)b->count);
	memcpy(target, b->spawn->target, sizeof(int) * (size_t)b->count);
	fds[b->count] = b->report;
	target[b->count] = RF_LAUNCH_FD_REPORT;
	int exe = install_fds(target, fds, b->count + 1);
	spawn_limits_set(b->spawn);
	drop_privileges(b->spawn);
	rf_die_with(b->keeper);
	r.up |= RF_WALL_BIT(RF_WALL_ORPHAN);
	/* Without root there is no other user to switch to. */
	if (root && geteuid())
		r.up |= RF_WALL_BIT(RF_WALL_UID);
	else
		r.why[RF_WALL_UID] = EPERM;
	r.why[RF_WALL_SEIZED] = (uint8_t)seized_wait(RF_LAUNCH_FD_REPORT);
	if (!r.why[RF_WALL_SEIZED])
		r.up |= RF_WALL_BIT(RF_WALL_SEIZED);
	(void)!write(RF_LAUNCH_FD_REPORT, &r, sizeof(r));
	snprintf(up, sizeof(up), "%llx", (unsigned long long)r.up);
	snprintf(demand, sizeof(demand), "%llx", (unsigned long long)b->spawn->demand);
	program_run(b->spawn->argv0, exe, argv);
}

/* Has the child start in the control group of its device, if there are control groups. */
static void group_join(struct child_start *b, struct clone_args *args)
{
	b->group_why = group_why;
	if (group_why)
		return;
	int fd = rf_cgroup_get(b->spawn->group, b->spawn->memlock + GROUP_MEMORY);
	if (fd < 0) {
		b->group_why = (uint8_t)-fd;
		return;
	}
	args->flags |= CLONE_INTO_CGROUP;
	args->cgroup = (uint64_t)fd;
	b->up |= RF_WALL_BIT(RF_WALL_CGROUP);
}

static void parent_choose(struct clone_args *args, bool ours)
{
	args->flags |= ours ? CLONE_PARENT : 0;
	args->exit_signal = ours ? 0 : SIGCHLD; /* CLONE_PARENT: as our own */
}

/* Clones the child into a PID namespace of its own: as root, or inside a user namespace. */
static long clone_child(struct child_start *b, struct clone_args *args)
{
	args->flags |= CLONE_NEWPID;
	b->up |= RF_WALL_BIT(RF_WALL_PID_NS);
	long n = syscall(SYS_clone3, args, sizeof(*args));
	if (!n)
		driver_child(b);
	return n < 0 ? -errno : n;
}

/*
 * Without root we may make a PID namespace only inside the user namespace. A helper goes there and
 * clones the driver as a child of its own parent. The helper shares our fd table, so that its pidfd
 * is ours. We are suspended until it has ended.
 */
static long clone_in_user_ns(struct child_start *b, struct clone_args *args)
{
	struct clone_args helper = {.flags = CLONE_FILES | CLONE_VFORK};
	volatile long *result =
	    mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (result == MAP_FAILED)
		return -errno;
	*result = -EAGAIN;
	int *pidfd = (int *)(uintptr_t)args->pidfd;
	volatile int *shared_fd = (volatile int *)(result + 1);
	args->pidfd = (uint64_t)(uintptr_t)shared_fd;
	parent_choose(&helper, for_parent);
	parent_choose(args, true);
	long n = syscall(SYS_clone3, &helper, sizeof(helper));
	if (!n) {
		if (setns(ns_set.user, CLONE_NEWUSER)) {
			*result = -errno;
			_exit(0);
		}
		b->up |= RF_WALL_BIT(RF_WALL_USER_NS);
		*result = clone_child(b, args);
		_exit(0);
	}
	long err = n < 0 ? -errno : 0;
	while (!err && !for_parent && waitpid((pid_t)n, NULL, 0) < 0 && errno == EINTR)
		;
	err = err ? err : *result;
	*pidfd = *shared_fd;
	munmap((void *)result, sizeof(*result));
	return err;
}

static int driver_spawn(struct child_start *b, struct clone_args *args, struct rf_spawned *out)
{
	int pair[2];

	if (b->count >= MAX_FDS || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return b->count >= MAX_FDS ? -EINVAL : -errno;
	b->report = pair[1];
	group_join(b, args);
	long n;
	if (ns_set.user >= 0) {
		n = clone_in_user_ns(b, args);
	} else if (geteuid()) {
		/* Without root and without a user namespace there is no PID namespace either. */
		n = syscall(SYS_clone3, args, sizeof(*args));
		if (!n)
			driver_child(b);
		n = n < 0 ? -errno : n;
	} else {
		n = clone_child(b, args);
	}
	if (args->flags & CLONE_INTO_CGROUP)
		close((int)args->cgroup);
	close(pair[1]);
	if (n < 0) {
		close(pair[0]);
		return (int)n;
	}
	out->pid = (pid_t)n;
	out->report = pair[0];
	return 0;
}

/* ---- both ------------------------------------------------------------------------------ */

void rf_spawn_prepare(void)
{
	rf_ns_set_open(&ns_set);
	group_why = (uint8_t)-rf_cgroup_open();
	/* Only root makes namespaces without a user namespace. */
	if (geteuid() && ns_set.user < 0)
		ns_set.why[RF_WALL_PID_NS] =
		    ns_set.why[RF_WALL_USER_NS] ? ns_set.why[RF_WALL_USER_NS] : EPERM;
}

void rf_spawn_for_parent(bool parents)
{
	for_parent = parents;
}

void rf_spawn_finish(void)
{
	rf_cgroup_close();
	rf_ns_set_close(&ns_set);
}

int rf_spawn(const struct rf_keep_spawn *spawn, const int *fds, int count, struct rf_spawned *out)
{
	struct clone_args args = {
	    .flags = CLONE_PIDFD,
	    .pidfd = (uint64_t)(uintptr_t)&out->pidfd,
	};
	pid_t parent = for_parent ? getppid() : getpid();

	for (int i = 1; i < count; i++)
		if (spawn->target[i] < 0 || spawn->target[i] >= PARK)
			return -EINVAL;
	*out = (struct rf_spawned){.pidfd = -1, .report = -1};
	parent_choose(&args, for_parent);
	if (spawn->fence == RF_FENCE_DRIVER) {
		struct child_start b = {
			.spawn = spawn, .fds = fds, .count = count, .keeper = parent
		};

		return driver_spawn(&b, &args, out);
	}
	if (spawn->fence == RF_FENCE_ROOT && !geteuid())
		args.flags |= CLONE_NEWPID;
	long n = syscall(SYS_clone3, &args, sizeof(args));
	if (n < 0)
		return -errno;
	if (!n)
		child(spawn, fds, count, parent);
	out->pid = (pid_t)n;
	return 0;
}
