/* SPDX-License-Identifier: MIT */
/* cgroup.c - see cgroup.h. Room: sandbox/zygote, root. */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MOUNT          "/sys/fs/cgroup"
#define CGROUP2_MAGIC  0x63677270
#define MOST_PROCESSES "8" /* running, standby and dying ones, with room for one being spawned */
#define MOST_CPU       "200000 100000" /* of each 100 ms: two processors' time */

static char top[512]; /* our own directory: MOUNT, our group, ringfence.PID; "": none */

static int cgroup_put(const char *dir, const char *file, const char *text)
{
	char path[640];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* "0::/path" is the group of cgroup v2. */
static int own_group(char *path, size_t room)
{
	char line[512];
	FILE *f = fopen("/proc/self/cgroup", "re");
	int err = -ENOENT;

	if (!f)
		return -errno;
	while (err && fgets(line, sizeof(line), f))
		if (!strncmp(line, "0::/", 4)) {
			line[strcspn(line, "\n")] = 0;
			snprintf(path, room, MOUNT "%s", strcmp(line, "0::/") ? line + 3 : "");
			err = 0;
		}
	fclose(f);
	return err;
}

/* Hands the controllers down from `dir` to the groups in it. */
static int hand_down(const char *dir)
{
	static const char *const names[] = {"+memory", "+pids", "+cpu"};
	int err = 0;

	for (int i = 0; i < 3 && !err; i++)
		err = cgroup_put(dir, "cgroup.subtree_control", names[i]);
	return err;
}

/* A group with groups in it must have no process of its own: we move down. */
static int move_aside(const char *dir)
{
	char leaf[560];

	snprintf(leaf, sizeof(leaf), "%s/ringfence-self.%d", dir, getpid());
	if (mkdir(leaf, 0755) && errno != EEXIST)
		return -errno;
	return cgroup_put(leaf, "cgroup.procs", "0");
}

int rf_cgroup_open(void)
{
	char dir[400];
	struct statfs fs;
	int err;

	if (statfs(MOUNT, &fs))
		return -errno;
	if (fs.f_type != CGROUP2_MAGIC)
		return -ENODEV;
	if ((err = own_group(dir, sizeof(dir))))
		return err;
	err = hand_down(dir);
	if (err == -EBUSY && !(err = move_aside(dir)))
		err = hand_down(dir);
	if (err)
		return err;
	snprintf(top, sizeof(top), "%s/ringfence.%d", dir, getpid());
	if (mkdir(top, 0755) && errno != EEXIST)
		err = -errno;
	else
		err = hand_down(top);
	if (err)
		rf_cgroup_close();
	return err;
}

int rf_cgroup_get(const char *device, uint64_t memory)
{
	char dir[600], bytes[32];
	int err;

	if (!top[0])
		return -ENODEV;
	snprintf(dir, sizeof(dir), "%s/%s", top, device);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)memory);
	if (!mkdir(dir, 0755)) {
		if ((err = cgroup_put(dir, "memory.max", bytes)) ||
		    (err = cgroup_put(dir, "pids.max", MOST_PROCESSES)) ||
		    (err = cgroup_put(dir, "cpu.max", MOST_CPU))) {
			rmdir(dir);
			return err;
		}
	} else if (errno != EEXIST) {
		return -errno;
	} else if ((err = cgroup_put(dir, "memory.max", bytes))) {
		return err; /* a device of this name may have another arena by now */
	}
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void rf_cgroup_close(void)
{
	DIR *d = top[0] ? opendir(top) : NULL;

	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	closedir(d);
	rmdir(top);
	top[0] = 0;
}
