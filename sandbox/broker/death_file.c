/* SPDX-License-Identifier: MIT */
/* death_file.c - the file of deaths: see death_file.h. Room: sandbox/broker, root behind a list. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "death_file.h"
#include "log.h"

int rf_death_file(const char *dir)
{
	const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	char path[600], old[604];
	struct stat st;

	snprintf(path, sizeof(path), "%s/deaths.jsonl", dir);
	snprintf(old, sizeof(old), "%s.1", path);
	int fd = open(path, flags, 0600);
	if (fd >= 0 && !fstat(fd, &st) && st.st_size >= RF_DEATHS_MOST / 2) {
		close(fd);
		rename(path, old);
		fd = open(path, flags, 0600);
	}
	if (fd < 0)
		rf_log("%s: %s", path, strerror(errno));
	return fd;
}
