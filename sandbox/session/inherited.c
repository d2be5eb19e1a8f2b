/* SPDX-License-Identifier: MIT */
/* inherited.c - see inherited.h. Room: sandbox/session, trusted. */
#include "inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "log.h"

int rf_inherited_map(int fd, const char *what, uint64_t bytes, int prot, void *out)
{
	struct stat st;

	if (fstat(fd, &st)) {
		rf_log("fd %d (%s) was not handed over: %s", fd, what, strerror(errno));
		return -errno;
	}
	if ((uint64_t)st.st_size < bytes) {
		rf_log("fd %d (%s) has %lld bytes, needs %llu", fd, what, (long long)st.st_size,
		       (unsigned long long)bytes);
		return -EINVAL;
	}
	void *at = mmap(NULL, bytes, prot, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (at == MAP_FAILED) {
		rf_log("cannot map %llu bytes of fd %d (%s): %s", (unsigned long long)bytes, fd,
		       what, strerror(errno));
		return -errno;
	}
	*(void **)out = at;
	return 0;
}

int rf_inherited_config(int fd, struct rf_export_config *c)
{
	struct rf_export_config *shared;
	int err = rf_inherited_map(fd, "config", sizeof(*shared), PROT_READ, &shared);

	if (err)
		return err;
	*c = *shared;
	munmap(shared, sizeof(*shared));
	c->name[sizeof(c->name) - 1] = '\0';
	c->words[sizeof(c->words) - 1] = '\0';
	return 0;
}

int rf_inherited_kick(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return 0;
	rf_log("fd %d (kick) was not handed over: %s", fd, strerror(errno));
	return -errno;
}
