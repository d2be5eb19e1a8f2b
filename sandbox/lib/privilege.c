/* SPDX-License-Identifier: MIT */
/* privilege.c - see privilege.h. Room: sandbox/lib. */
#include "privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "memory_lock.h"

/*
 * The served disk may hold the swap: our pages are locked, and our allocations do not wait for the
 * swap. Processes that root starts inherit the latter. Future mappings are locked too, but only
 * where no limit could refuse them for that.
 */
void rf_memory_hold(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int future = setrlimit(RLIMIT_MEMLOCK, &all) ? 0 : MCL_FUTURE;

	rf_memory_lock(MCL_CURRENT | future);
	(void)prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

/*
 * Recovery waits for the keeper at a driver's last stop, so the keeper gets a real-time policy.
 * Children do not inherit it, unless whoever started us chose such a policy for all. Where it is
 * refused, a recovery takes a little longer on a busy machine.
 */
void rf_realtime(void)
{
	struct sched_param p = { .sched_priority = 1 };

	if (syscall(SYS_sched_getscheduler, 0) == SCHED_OTHER)
		(void)!syscall(SYS_sched_setscheduler, 0, SCHED_RR | SCHED_RESET_ON_FORK, &p);
}

void rf_lock(const struct rf_filter *lists, const char *name)
{
	const struct rf_filter *f = lists;

	while (strcmp(f->name, name))
		f++;
	int err = rf_filter_set(f->code, f->count);
	if (err)
		rf_die(RF_EXIT_SYSTEM, "cannot install system call list %s: %s", name,
		       strerror(-err));
}

/* A directory that is there already must be ours: under /tmp anybody could have made it. */
void rf_dir_make(const char *base, const char *name, mode_t mode)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s%s", base, name[0] ? "/" : "", name);
	if (mkdir(path, mode) && errno != EEXIST)
		rf_die(RF_EXIT_SYSTEM, "cannot make %s: %s", path, strerror(errno));
	if (lstat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		rf_die(RF_EXIT_SYSTEM,
		       "%s must be a directory of this user's that nobody else may write", path);
}

void rf_caps_keep(uint64_t mask)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2] = {0};
	bool read = !mask || !syscall(SYS_capget, &head, caps);

	for (int i = 0; i < 2; i++) {
		caps[i].permitted &= (uint32_t)(mask >> (32 * i));
		caps[i].effective = caps[i].permitted;
		caps[i].inheritable = 0;
	}
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (!read || syscall(SYS_capset, &head, caps))
		rf_die(RF_EXIT_SYSTEM, "cannot drop capabilities: %s", strerror(errno));
}

void rf_user_become(uint32_t uid, uint32_t gid)
{
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		rf_die(RF_EXIT_SYSTEM, "cannot become uid %u: %s", uid, strerror(errno));
}

void rf_die_with(pid_t parent)
{
	/* A parent outside of our PID namespace is called 0. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pid_t now = getppid();
	if (now && now != parent)
		_exit(RF_EXIT_SYSTEM);
}

/* Keeps the pages of a program in memory, so that it can be started while the disk with the swap
 * is not there: a mapping, locked as all of ours are. */
const void *rf_pages_hold(int fd)
{
	struct stat st;
	void *p = fstat(fd, &st) ? MAP_FAILED :
				   mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

void rf_pages_drop(int fd, const void *pages)
{
	struct stat st;

	if (pages && !fstat(fd, &st))
		munmap((void *)pages, (size_t)st.st_size);
}
