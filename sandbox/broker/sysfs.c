/* SPDX-License-Identifier: MIT */
/* sysfs.c - see sysfs.h. Room: sandbox/broker, root behind a list. */
#include "sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *rf_sysfs_root = "";

void rf_sysfs_path(char path[RF_SYSFS_PATH], const char *fmt, ...)
{
	int used = snprintf(path, RF_SYSFS_PATH, "%s", rf_sysfs_root);
	va_list args;

	va_start(args, fmt);
	vsnprintf(path + used, RF_SYSFS_PATH - (size_t)used, fmt, args);
	va_end(args);
}

int rf_sysfs_read(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, room - 1);
	int err = n < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return err;
}

void rf_sysfs_link(const char *path, char *name, size_t room)
{
	char target[RF_SYSFS_PATH];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	target[n < 0 ? 0 : n] = '\0';
	const char *slash = strrchr(target, '/');
	snprintf(name, room, "%s", slash ? slash + 1 : target);
}

bool rf_sysfs_below(const char *path, const char *top)
{
	char a[PATH_MAX], b[PATH_MAX];

	if (!realpath(path, a) || !realpath(top, b))
		return false;
	size_t n = strlen(b);
	return !strncmp(a, b, n) && (!a[n] || a[n] == '/');
}

int rf_sysfs_each(const char *folder, int (*fn)(const char *name, void *arg), void *arg)
{
	/* As the kernel writes it; opendir() would allocate. */
	char buf[4096] __attribute__((aligned(8)));
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	long n = 0;

	while (dir >= 0 && !err && (n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0)
		for (struct dirent *e = (void *)buf; !err && (char *)e < buf + n;
		     e = (void *)((char *)e + e->d_reclen))
			if (e->d_name[0] != '.')
				err = fn(e->d_name, arg);
	if (dir >= 0)
		close(dir);
	return err;
}

struct lines {
	char   line[1001];
	size_t used;
	int  (*fn)(char *line, void *arg);
	void  *arg;
};

static int lines_put(struct lines *l, const char *text, ssize_t bytes)
{
	int err = 0;

	for (ssize_t i = 0; i < bytes && !err; i++) {
		if (text[i] != '\n') {
			if (l->used < sizeof(l->line) - 1)
				l->line[l->used++] = text[i];
			continue;
		}
		l->line[l->used] = '\0';
		l->used = 0;
		err = l->fn(l->line, l->arg);
	}
	return err;
}

int rf_sysfs_lines(const char *file, int (*fn)(char *line, void *arg), void *arg)
{
	struct lines l = { .fn = fn, .arg = arg };
	int fd = open(file, O_RDONLY | O_CLOEXEC), err = 0;
	char part[1024];
	ssize_t n;

	while (fd >= 0 && !err && (n = read(fd, part, sizeof(part))) > 0)
		err = lines_put(&l, part, n);
	if (fd >= 0)
		close(fd);
	return err;
}
