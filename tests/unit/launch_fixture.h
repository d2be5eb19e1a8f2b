/* SPDX-License-Identifier: MIT */
/*
 * launch_fixture.h - starts a driver image in the launcher, without device or VFIO.
 *
 * Room:   tests/unit. Stands in for the device process: makes the memfds and
 *         eventfds, execs the launcher as an unprivileged user.
 */
#ifndef LAUNCHING_H
#define LAUNCHING_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"
#include "launch.h"

#define FENCED   "build/bin/rf-launch"
#define UNFENCED "build/lax/bin/unfenced/rf-launch"
#define WAIT_MS  20000 /* only a bug waits that long */

#define LAUNCH_GENERATION 5u
#define LAUNCH_CHAN_BYTES RF_BLK_CHAN_BYTES
#define LAUNCH_ARENA      (4u << 20)

/* Everything of one launch. Windows: 0 boot, 1 channel, 2 arena (both writable). */
struct launching {
	struct rf_launch spec;
	int   spec_fd, image_fd, log_r, log_w, boot_fd, chan_fd, arena_fd;
	int   wake, kick, unmask;
	struct rf_boot *boot; /* the test's own view */
	struct rf_blk_chan *chan;
	unsigned char *arena;
	pid_t pid;
};

/* A run-time failure of the test's own set-up. */
#define MUST(cond)                                                                      \
	do {                                                                            \
		if (!(cond)) {                                                          \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #cond,   \
				strerror(errno));                                       \
			abort();                                                        \
		}                                                                       \
	} while (0)

static inline int launching_memfd(const char *name, size_t bytes, void **map)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(fd >= 0 && !ftruncate(fd, (off_t)bytes));
	if (map) {
		*map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		MUST(*map != MAP_FAILED);
	}
	return fd;
}

static inline void launching_seal(int fd)
{
	MUST(!fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
}

/* A sealed memfd with these bytes. */
static inline int launching_bytes(const char *name, const void *bytes, size_t count)
{
	int fd = launching_memfd(name, 0, NULL);

	MUST(write(fd, bytes, count) == (ssize_t)count);
	launching_seal(fd);
	return fd;
}

static inline unsigned char *launching_file(const char *path, size_t *bytes)
{
	int         fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	MUST(fd >= 0 && !fstat(fd, &st));
	unsigned char *copy = malloc((size_t)st.st_size);
	MUST(copy && read(fd, copy, (size_t)st.st_size) == st.st_size);
	close(fd);
	*bytes = (size_t)st.st_size;
	return copy;
}

static inline int launching_image(const char *path)
{
	size_t bytes;
	unsigned char *copy = launching_file(path, &bytes);
	int    fd = launching_bytes("rf-image", copy, bytes);

	free(copy);
	return fd;
}

static inline void launching_fixup(struct launching *l, uint32_t window, size_t boot_offset)
{
	l->spec.fixups[l->spec.fixup_count++] = (struct rf_launch_fixup){
		.window = window, .boot_offset = (uint32_t)boot_offset,
	};
}

/* Fills in everything; a test then changes what it is about. */
static inline void launching_init(struct launching *l, const char *image)
{
	int pipes[2];

	memset(l, 0, sizeof(*l));
	MUST(!pipe2(pipes, O_CLOEXEC));
	l->log_r = pipes[0];
	l->log_w = pipes[1];
	l->wake = eventfd(0, EFD_CLOEXEC);
	l->kick = eventfd(0, EFD_CLOEXEC);
	l->unmask = eventfd(0, EFD_CLOEXEC);
	MUST(l->wake >= 0 && l->kick >= 0 && l->unmask >= 0);
	l->boot_fd = launching_memfd("rf-boot", RF_PAGE, (void **)&l->boot);
	l->chan_fd = launching_memfd("rf-rings", LAUNCH_CHAN_BYTES, (void **)&l->chan);
	l->arena_fd = launching_memfd("rf-data", LAUNCH_ARENA, (void **)&l->arena);
	l->image_fd = image ? launching_image(image) : -1;
	*l->boot = (struct rf_boot){
		.magic = RF_BOOT_MAGIC, .version = RF_BOOT_VERSION,
		.generation = LAUNCH_GENERATION, .go = LAUNCH_GENERATION, .queue_count = 1,
		.arena_bytes = LAUNCH_ARENA,
		.blk = { .size = 1 << 30, .block_size = 512, .max_transfer = 1 << 20 },
	};
	l->spec = (struct rf_launch){
		.magic = RF_LAUNCH_MAGIC, .version = RF_LAUNCH_VERSION, .filter = "driver-irq",
		.generation = LAUNCH_GENERATION, .fd_count = 3, .window_count = 3,
		.windows = {
			{ .fd = 0, .flags = RF_WINDOW_BOOT, .bytes = RF_PAGE },
			{ .fd = 1, .flags = RF_WINDOW_WRITE, .bytes = LAUNCH_CHAN_BYTES },
			{ .fd = 2, .flags = RF_WINDOW_WRITE, .bytes = LAUNCH_ARENA },
		},
	};
	launching_fixup(l, 1, offsetof(struct rf_boot, queue[0].chan));
	launching_fixup(l, 2, offsetof(struct rf_boot, arena));
}

/* In the child: the fd table of launch.h, then exec. Only async-signal-safe calls. */
static inline void launching_exec(struct launching *l, int program)
{
	const int from[] = {
		l->wake,    l->kick,     l->spec.flags & RF_LAUNCH_DEVICE ? l->unmask : l->log_w,
		l->spec_fd, l->image_fd, l->log_w,
		l->boot_fd, l->chan_fd,  l->arena_fd
	};
	char *argv[] = { (char *)"rf-launch", NULL }, *envp[] = { NULL };
	int   high[9];

	for (int i = 0; i < 9; i++)
		high[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD_CLOEXEC, 100);
	program = fcntl(program, F_DUPFD_CLOEXEC, 100);
	for (int i = 0; i < 9; i++)
		if (high[i] < 0 || dup2(high[i], i) != i)
			close(i);
	if (!geteuid() && (setgid(65534) || setuid(65534)))
		_exit(99);
	execveat(program, "", argv, envp, AT_EMPTY_PATH);
	_exit(98);
}

static inline void launching_start(struct launching *l, const char *launcher)
{
	int program = open(launcher, O_RDONLY | O_CLOEXEC);

	MUST(program >= 0);
	l->spec_fd = launching_bytes("rf-spec", &l->spec, sizeof(l->spec));
	l->pid = fork();
	MUST(l->pid >= 0);
	if (!l->pid)
		launching_exec(l, program);
	close(program);
	close(l->log_w);
	l->log_w = -1;
}

/* Everything the launcher logs, until it closes the log just before the lock, or
 * ends. False if neither happened. */
static inline bool launching_log(struct launching *l, char *text, size_t room)
{
	size_t        used = 0;
	ssize_t       got = 1;
	struct pollfd p = { .fd = l->log_r, .events = POLLIN };

	while (got > 0 && used < room - 1) {
		if (poll(&p, 1, WAIT_MS) != 1)
			return false;
		got = read(l->log_r, text + used, room - 1 - used);
		used += got > 0 ? (size_t)got : 0;
	}
	text[used] = 0;
	return got == 0;
}

/* Sum of the driver's kicks once there is one; 0 if none came. */
static inline uint64_t launching_kicks(struct launching *l, int wait_ms)
{
	struct pollfd p = { .fd = l->kick, .events = POLLIN };
	uint64_t      count = 0;

	if (poll(&p, 1, wait_ms) == 1)
		MUST(read(l->kick, &count, sizeof(count)) == sizeof(count));
	return count;
}

static inline void launching_wake(struct launching *l)
{
	uint64_t one = 1;

	MUST(write(l->wake, &one, sizeof(one)) == sizeof(one));
}

/* waitpid status; a driver that does not end is killed and -1 comes back. */
static inline int launching_wait(struct launching *l)
{
	int           pidfd = (int)syscall(434 /* pidfd_open */, l->pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int           status, ended;

	MUST(pidfd >= 0);
	ended = poll(&p, 1, WAIT_MS);
	if (ended != 1)
		kill(l->pid, SIGKILL);
	MUST(waitpid(l->pid, &status, 0) == l->pid);
	close(pidfd);
	l->pid = 0;
	return ended == 1 ? status : -1;
}

static inline void launching_end(struct launching *l)
{
	if (l->pid > 0) {
		kill(l->pid, SIGKILL);
		waitpid(l->pid, NULL, 0);
	}
	munmap(l->boot, RF_PAGE);
	munmap(l->chan, LAUNCH_CHAN_BYTES);
	munmap(l->arena, LAUNCH_ARENA);
	const int fds[] = { l->spec_fd, l->image_fd, l->log_r, l->log_w, l->boot_fd, l->chan_fd,
			    l->arena_fd, l->wake, l->kick, l->unmask };
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] > 0)
			close(fds[i]);
}

#endif
