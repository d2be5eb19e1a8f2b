/* SPDX-License-Identifier: MIT */
/* target.c - see target.h. Room: tests/campaign. */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The image is the first thing mapped in a driver from a memfd; its code is the only part of
 * that file which may be run. */
static int find_image(pid_t pid, uint64_t *image)
{
	char path[40], line[256], perms[8], name[64];
	unsigned long long from, to, offset;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -ESRCH;
	*image = 0;
	while (!*image && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %63s", &from, &to, perms, &offset,
			   name) == 5 &&
		    !strcmp(perms, "r-xp") && !strncmp(name, "/memfd:", 7))
			*image = from - offset;
	fclose(f);
	return *image ? 0 : -ESRCH;
}

int target_open(struct target *t, pid_t pid)
{
	char path[40];

	*t = (struct target){.pid = pid, .mem = -1};
	t->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (t->pidfd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	t->mem = open(path, O_RDWR | O_CLOEXEC);
	int err = t->mem < 0 ? -errno : find_image(pid, &t->image);
	if (err)
		target_close(t);
	return err;
}

void target_close(struct target *t)
{
	if (t->pidfd >= 0)
		close(t->pidfd);
	if (t->mem >= 0)
		close(t->mem);
	t->pidfd = t->mem = -1;
}

static char state_of(pid_t pid)
{
	char path[40], text[256], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 'X';
	text[n] = 0;
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : 'X';
}

int target_stop(const struct target *t)
{
	if (kill(t->pid, SIGSTOP))
		return -errno;
	for (int i = 0; i < 100000; i++) {
		char s = state_of(t->pid);

		if (s == 't' || s == 'T')
			return 0;
		if (s == 'Z' || s == 'X')
			return -ESRCH;
		nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	}
	return -ETIME;
}

void target_go(const struct target *t)
{
	kill(t->pid, SIGCONT);
}

int target_read(const struct target *t, uint64_t offset, void *to, size_t bytes)
{
	return pread(t->mem, to, bytes, (off_t)(t->image + offset)) == (ssize_t)bytes ? 0 : -EIO;
}

int target_write(const struct target *t, uint64_t offset, const void *from, size_t bytes)
{
	return pwrite(t->mem, from, bytes, (off_t)(t->image + offset)) == (ssize_t)bytes ? 0 : -EIO;
}

int target_watch(const struct target *t, uint64_t offset, bool data)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_BREAKPOINT, .size = sizeof(a), .sample_period = 1, .disabled = 1,
		.bp_type = data ? HW_BREAKPOINT_RW : HW_BREAKPOINT_X, .bp_addr = t->image + offset,
		.bp_len = HW_BREAKPOINT_LEN_8, .exclude_kernel = 1, .exclude_hv = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &a, t->pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd >= 0 && ioctl(fd, PERF_EVENT_IOC_REFRESH, 1)) {
		close(fd);
		return -1;
	}
	return fd;
}

uint64_t target_hits(int watch)
{
	uint64_t n = 0;

	return watch >= 0 && read(watch, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static __attribute__((noinline)) void watched(void)
{
	__asm__ volatile("");
}

bool target_watches_work(void)
{
	const struct target self = { .pid = getpid(), .mem = -1, .pidfd = -1 };
	int fd = target_watch(&self, (uint64_t)(uintptr_t)watched, false);

	watched();
	bool seen = target_hits(fd) != 0;
	if (fd >= 0)
		close(fd);
	return seen;
}
