/* SPDX-License-Identifier: MIT */
/*
 * config.c - what holds before the operator says anything: see config.h.
 *
 * Room:   sandbox/proto, trusted.
 */
#include "config.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const rf_export_programs[RF_EXPORT_KINDS] = {
	[RF_EXPORT_NONE] = "rf-nbd", [RF_EXPORT_NBD] = "rf-nbd",
	[RF_EXPORT_FORMAT] = "rf-format", [RF_EXPORT_TAP] = "rf-tap", [RF_EXPORT_LWIP] = "rf-lwip",
};

void rf_run_dir(char *to, size_t room)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (!geteuid())
		snprintf(to, room, "/run/ringfence");
	else if (runtime && runtime[0] == '/' && strlen(runtime) < room - 16)
		snprintf(to, room, "%s/ringfence", runtime);
	else
		snprintf(to, room, "/tmp/ringfence-%u", geteuid());
}

int rf_config_defaults(struct rf_config *c)
{
	char self[200], up[200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	memset(c, 0, sizeof(*c));
	if (n <= 0)
		return -errno;
	self[n] = '\0';
	snprintf(c->program_dir, sizeof(c->program_dir), "%s", dirname(self));
	snprintf(up, sizeof(up), "%s", c->program_dir);
	const char *top = dirname(up);
	snprintf(c->driver_dir, sizeof(c->driver_dir), "%s/drivers", top);
	snprintf(c->policy_dir, sizeof(c->policy_dir), "%s/policy", top);
	rf_run_dir(c->run_dir, RF_RUN_DIR);
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	c->uid_base = RF_UID_BASE;
	c->processors = processors > 0 ? (uint32_t)processors : 1;
	return 0;
}

uint64_t rf_config_files(const struct rf_config *c)
{
	uint64_t files = 4 * RF_CONFIG_FILES_EACH; /* what is no device's */

	for (int i = 0; i < c->count + c->gone; i++) {
		uint64_t queues = c->device[i].policy.device.queues;

		files += RF_CONFIG_FILES_EACH + c->device[i].lwip.count +
			 (queues ? queues - 1 : 0) * RF_CONFIG_FILES_QUEUE;
	}
	return files < RF_CONFIG_FILES_MOST ? files : RF_CONFIG_FILES_MOST;
}

const struct rf_config *rf_config_map(int fd)
{
	struct stat st;

	if (fstat(fd, &st) || st.st_size < (off_t)rf_config_bytes(1) ||
	    st.st_size > (off_t)rf_config_bytes(2 * RF_MAX_DEVICES))
		return NULL;
	size_t bytes = (size_t)st.st_size;
	const struct rf_config *c = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);

	if ((const void *)c == MAP_FAILED)
		return NULL;
	if (c->count >= 1 && c->count <= RF_MAX_DEVICES && c->gone >= 0 &&
	    c->gone <= RF_MAX_DEVICES && bytes == rf_config_bytes(c->count + c->gone))
		return c;
	munmap((void *)c, bytes);
	return NULL;
}
