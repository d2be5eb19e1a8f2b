/* SPDX-License-Identifier: MIT */
/*
 * main.c - rf-crash: waits for a death, gathers what is known of it, writes it down.
 *
 * Room:   sandbox/crash, trusted, unprivileged. Fds: enum rf_crash_fd.
 * Files:  NUMBER-DEVICE-GENERATION.json and .txt; the oldest go when there are more than
 *         CRASH_BUNDLES. Numbers go on where the last rf-crash of this directory ended.
 * Order:  after the recovery, so that its times are known and it is not in its way; after
 *         WAIT_MS at the latest.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "capture.h"
#include "crash.h"
#include "filter.h"
#include "filters.h"
#include "log.h"
#include "packet.h"
#include "crash_report.h"

#define WAIT_MS  1000
#define STEP_MS  5
#define NAME_MAX_BYTES 64

/* Names of the bundles there are, without their endings; number % CRASH_BUNDLES. */
static char     kept[CRASH_BUNDLES][NAME_MAX_BYTES];
static uint32_t number; /* of the last one */
static char     kernel[CRASH_LINES][256];
static unsigned kernel_lines;

/* ---- the directory -------------------------------------------------------------------- */

static void remove_one(char *name)
{
	char file[NAME_MAX_BYTES + 8];

	if (!name[0])
		return;
	for (int i = 0; i < 2; i++) {
		snprintf(file, sizeof(file), "%s%s", name, i ? ".txt" : ".json");
		unlinkat(RF_CRASH_FD_DIR, file, 0);
	}
	name[0] = 0;
}

/* A bundle with a higher number has this slot already, or will take it. */
static void find_one(const char *file, uint32_t newest)
{
	unsigned long n = strtoul(file, NULL, 10);
	const char *end = strrchr(file, '.');
	char name[NAME_MAX_BYTES];

	if (!n || n > newest || !end || (size_t)(end - file) >= sizeof(name))
		return;
	snprintf(name, sizeof(name), "%.*s", (int)(end - file), file);
	if (newest - n >= CRASH_BUNDLES)
		remove_one(name);
	else
		memcpy(kept[n % CRASH_BUNDLES], name, sizeof(name));
}

static void find_all(void)
{
	int fd = openat(RF_CRASH_FD_DIR, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir)
		rf_die(RF_EXIT_BUG, "cannot read the directory of bundles: %s", strerror(errno));
	while ((e = readdir(dir)))
		if (strtoul(e->d_name, NULL, 10) > number)
			number = (uint32_t)strtoul(e->d_name, NULL, 10);
	rewinddir(dir);
	while ((e = readdir(dir)))
		find_one(e->d_name, number);
	closedir(dir);
}

static void write_file(const char *name, const char *ending, const struct text *t)
{
	char file[NAME_MAX_BYTES + 8];

	snprintf(file, sizeof(file), "%s%s", name, ending);
	int fd = openat(RF_CRASH_FD_DIR, file,
			O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, t->at, t->used) != (ssize_t)t->used)
		rf_log("%s: %s", file, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void crash_keep(const struct findings *f)
{
	static struct text text;
	char *name = kept[++number % CRASH_BUNDLES];

	remove_one(name);
	snprintf(name, NAME_MAX_BYTES, "%08u-%s-%u", number, f->death->device,
		 f->death->generation);
	text.used = 0;
	bundle_json(&text, f);
	write_file(name, ".json", &text);
	text.used = 0;
	bundle_report(&text, f);
	write_file(name, ".txt", &text);
}

/* ---- the kernel's log --------------------------------------------------------------------- */

/* The text of a kernel log record, which is behind the first ';', if it concerns the IOMMU or
 * VFIO; else NULL. */
static const char *concerns(const char *line)
{
	static const char *const words[] = {"DMAR", "AMD-Vi", "IO_PAGE_FAULT", "iommu", "vfio"};
	const char *text = strchr(line, ';');

	for (unsigned i = 0; text && i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(text, words[i]))
			return text + 1;
	return NULL;
}

/* Reads the kernel's log, one record a read. The oldest records go when there is no room. */
static void listen_to_kernel(void)
{
	char line[1024];
	ssize_t n;

	while ((n = read(RF_CRASH_FD_KMSG, line, sizeof(line) - 1)) > 0 ||
	       (n < 0 && errno == EPIPE)) {
		line[n > 0 ? n : 0] = 0;
		const char *text = concerns(line);
		if (!text)
			continue;
		if (kernel_lines == CRASH_LINES)
			memmove(kernel[0], kernel[1], sizeof(kernel[0]) * --kernel_lines);
		snprintf(kernel[kernel_lines++], sizeof(kernel[0]), "%.*s",
			 (int)strcspn(text, "\n"), text);
	}
}

/* ---- one death ------------------------------------------------------------------------------ */

static const void *crash_map(int fd, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void map_image(struct image *i, int fd)
{
	struct stat st;

	if (fstat(fd, &st) || st.st_size <= 0 || !(i->at = crash_map(fd, (size_t)st.st_size)))
		return;
	i->bytes = (size_t)st.st_size;
}

/* Waits until the generation's record is written, which is when its successor runs, and finds
 * its parts. */
static void crash_look(struct findings *f, const char *stats)
{
	uint32_t g = f->death->generation;
	const struct rf_stats_service *service = (const void *)stats;
	const struct rf_stats_device *device = (const void *)(stats + RF_STATS_DEVICE);
	const struct rf_capture_service *a = (const void *)(stats + RF_CAPTURE_SERVICE);
	const struct rf_capture_net *n = (const void *)(stats + RF_CAPTURE_NET);
	const struct rf_capture_device *b = (const void *)(stats + RF_CAPTURE_DEVICE);

	for (int ms = 0; ms < WAIT_MS && device->log[g % RF_STATS_LOG].generation != g;
	     ms += STEP_MS)
		nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000}, NULL);
	a += g % RF_CAPTURE_SLOTS;
	n += g % RF_CAPTURE_SLOTS;
	b += g % RF_CAPTURE_SLOTS;
	f->service = a->generation == g ? a : NULL;
	f->net = n->generation == g ? n : NULL;
	f->device = b->generation == g ? b : NULL;
	f->reissue = service->log[g % RF_STATS_LOG].generation == g ?
			     &service->log[g % RF_STATS_LOG] :
			     NULL;
	f->recovery = device->log[g % RF_STATS_LOG].generation == g ?
			      &device->log[g % RF_STATS_LOG] :
			      NULL;
}

static void write_down(const struct rf_death *death, const int *fds)
{
	struct findings f = {.death = death, .kernel = (const char (*)[256])kernel};
	const char *stats = crash_map(fds[RF_DEATH_FD_STATS], RF_STATS_BYTES);

	map_image(&f.image, fds[RF_DEATH_FD_IMAGE]);
	if (stats)
		crash_look(&f, stats);
	listen_to_kernel();
	f.kernel_lines = kernel_lines;
	crash_keep(&f);
	kernel_lines = 0;
	if (stats)
		munmap((void *)(uintptr_t)stats, RF_STATS_BYTES);
	if (f.image.bytes)
		munmap((void *)(uintptr_t)f.image.at, f.image.bytes);
}

static void crash_lock(void)
{
	RF_BUG_ON(RF_FILTER_COUNT != 1);
	int err = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ?
			  -errno :
			  rf_filter_set(rf_filters[0].code, rf_filters[0].count);
	if (err)
		rf_die(RF_EXIT_SYSTEM, "cannot lock itself: %s", strerror(-err));
}

int main(void)
{
	static struct rf_death death;
	int fds[RF_PACKET_FDS], count, n;

	rf_log_name = "rf-crash";
	/* Writing reports must not delay processes with a real-time policy. */
	syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &(struct sched_param){0});
	setpriority(PRIO_PROCESS, 0, 10);
	find_all();
	fcntl(RF_CRASH_FD_KMSG, F_SETFL, O_NONBLOCK);
	/* no driver of this run caused what was logged before */
	lseek(RF_CRASH_FD_KMSG, 0, SEEK_END);
	crash_lock();
	for (;;) {
		struct pollfd p = {.fd = RF_CRASH_FD_CONTROL, .events = POLLIN};

		poll(&p, 1, -1);
		n = rf_packet_recv(RF_CRASH_FD_CONTROL, &death, sizeof(death), fds, &count,
				   MSG_DONTWAIT);
		if (n == 0)
			return 0;
		if (n == sizeof(death) && count == RF_DEATH_FDS)
			write_down(&death, fds);
		if (n > 0)
			rf_close_all(fds, count);
	}
}
