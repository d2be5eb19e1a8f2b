/* SPDX-License-Identifier: MIT */
/* ns_set.c - see ns_set.h. Room: sandbox/zygote, root. */
#include "ns_set.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

#define NOBODY 65534 /* id inside of the one user of a user namespace */

static const struct kind {
	enum rf_wall wall;
	int flag;
	const char *file; /* in /proc/PID/ns */
} kinds[] = {
    {RF_WALL_USER_NS, CLONE_NEWUSER, "user"}, {RF_WALL_MOUNT_NS, CLONE_NEWNS, "mnt"},
    {RF_WALL_NET_NS, CLONE_NEWNET, "net"},    {RF_WALL_IPC_NS, CLONE_NEWIPC, "ipc"},
    {RF_WALL_UTS_NS, CLONE_NEWUTS, "uts"},    {RF_WALL_CGROUP_NS, CLONE_NEWCGROUP, "cgroup"},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = errno;
	close(fd);
	return err;
}

/* Maps one user, who is not root inside either. */
static int ids_map(uid_t uid, gid_t gid)
{
	char line[64];
	int err = file_write("/proc/self/setgroups", "deny");

	snprintf(line, sizeof(line), "%d %u 1", NOBODY, uid);
	err = err ? err : file_write("/proc/self/uid_map", line);
	snprintf(line, sizeof(line), "%d %u 1", NOBODY, gid);
	return err ? err : file_write("/proc/self/gid_map", line);
}

/* Makes the root of this mount namespace an empty directory that nobody can write. */
static int root_empty(void)
{
	static const char options[] = "size=4k,nr_inodes=2,mode=555";
	unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("pit", "/proc", "tmpfs", flags, options) || chdir("/proc"))
		return errno;
	/* The old root lies on top of the new one and is unmounted. An initramfs cannot be
	 * pivoted, and is covered instead. */
	if (!syscall(SYS_pivot_root, ".", ".")) {
		if (umount2(".", MNT_DETACH))
			return errno;
	} else if (mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".")) {
		return errno;
	}
	if (chdir("/") || mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL))
		return errno;
	return 0;
}

/* The process that makes the namespaces, and stays until the keeper has their fds. */
static _Noreturn void maker(uint8_t *why, int ready, int leave)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char c = 0;

	for (size_t i = 0; i < KINDS; i++) {
		const struct kind *k = &kinds[i];

		if (k->wall == RF_WALL_USER_NS && !uid)
			continue;
		if (unshare(k->flag))
			why[k->wall] = (uint8_t)errno;
		else if (k->wall == RF_WALL_USER_NS)
			why[k->wall] = (uint8_t)ids_map(uid, gid);
	}
	if (!why[RF_WALL_UTS_NS] && sethostname("pit", 3))
		why[RF_WALL_UTS_NS] = (uint8_t)errno;
	if (!why[RF_WALL_MOUNT_NS])
		why[RF_WALL_ROOT] = (uint8_t)root_empty();
	(void)!write(ready, &c, 1);
	(void)!read(leave, &c, 1);
	_exit(0);
}

static void namespaces_take(struct rf_ns_set *p, pid_t pid)
{
	for (size_t i = 0; i < KINDS; i++) {
		const struct kind *k = &kinds[i];
		char path[64];

		if (p->why[k->wall] || (k->wall == RF_WALL_USER_NS && !geteuid()))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, k->file);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			p->why[k->wall] = (uint8_t)errno;
		else if (k->wall == RF_WALL_USER_NS)
			p->user = fd;
		else
			p->ns[k->wall] = fd;
	}
}

void rf_ns_set_open(struct rf_ns_set *p)
{
	int ready[2], leave[2];
	uint8_t *why =
	    mmap(NULL, RF_WALLS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char c;

	*p = (struct rf_ns_set){.user = -1};
	if (why == MAP_FAILED || pipe2(ready, O_CLOEXEC) || pipe2(leave, O_CLOEXEC))
		rf_die(RF_EXIT_SYSTEM, "cannot make namespaces: %s", strerror(errno));
	pid_t pid = fork();
	if (pid < 0)
		rf_die(RF_EXIT_SYSTEM, "cannot fork: %s", strerror(errno));
	if (!pid) {
		close(ready[0]);
		close(leave[1]);
		maker(why, ready[1], leave[0]);
	}
	close(ready[1]);
	close(leave[0]);
	(void)!read(ready[0], &c, 1);
	memcpy(p->why, why, RF_WALLS);
	namespaces_take(p, pid);
	close(ready[0]);
	close(leave[1]);
	waitpid(pid, NULL, 0);
	munmap(why, RF_WALLS);
	/* A mount namespace without the empty root is of no use. */
	if (p->why[RF_WALL_MOUNT_NS])
		p->why[RF_WALL_ROOT] = p->why[RF_WALL_MOUNT_NS];
}

void rf_ns_set_close(struct rf_ns_set *p)
{
	for (int wall = 0; wall < RF_WALLS; wall++)
		if (p->ns[wall])
			close(p->ns[wall]);
	if (p->user >= 0)
		close(p->user);
	*p = (struct rf_ns_set){.user = -1};
}

uint64_t rf_ns_set_enter(const struct rf_ns_set *p)
{
	uint64_t up = 0;

	for (int wall = 0; wall < RF_WALLS; wall++)
		if (p->ns[wall] && !setns(p->ns[wall], 0))
			up |= RF_WALL_BIT(wall);
	if (up & RF_WALL_BIT(RF_WALL_MOUNT_NS) && !p->why[RF_WALL_ROOT])
		up |= RF_WALL_BIT(RF_WALL_ROOT);
	return up;
}
