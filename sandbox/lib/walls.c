/* SPDX-License-Identifier: MIT */
/* walls.c - see walls.h. Room: sandbox/lib, trusted. */
#include "walls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *const rf_wall_names[RF_WALLS] = {
    [RF_WALL_UID] = "uid",
    [RF_WALL_USER_NS] = "user-ns",
    [RF_WALL_PID_NS] = "pid-ns",
    [RF_WALL_MOUNT_NS] = "mount-ns",
    [RF_WALL_NET_NS] = "net-ns",
    [RF_WALL_IPC_NS] = "ipc-ns",
    [RF_WALL_UTS_NS] = "uts-ns",
    [RF_WALL_CGROUP_NS] = "cgroup-ns",
    [RF_WALL_ROOT] = "root",
    [RF_WALL_CGROUP] = "cgroup",
    [RF_WALL_ORPHAN] = "orphan",
    [RF_WALL_SEIZED] = "seized",
    [RF_WALL_NO_CAPS] = "no-caps",
    [RF_WALL_NO_NEW_PRIVS] = "no-new-privs",
    [RF_WALL_LANDLOCK] = "landlock",
    [RF_WALL_MDWE] = "mdwe",
    [RF_WALL_DUMPABLE] = "dumpable",
    [RF_WALL_CORE] = "core",
    [RF_WALL_NOFILE] = "nofile",
    [RF_WALL_NPROC] = "nproc",
    [RF_WALL_FSIZE] = "fsize",
    [RF_WALL_MEMLOCK] = "memlock",
    [RF_WALL_AS] = "as",
    [RF_WALL_STACK] = "stack",
    [RF_WALL_FDS] = "fds",
    [RF_WALL_MAPS] = "maps",
    [RF_WALL_BOOT] = "boot",
    [RF_WALL_RELRO] = "relro",
    [RF_WALL_SECCOMP] = "seccomp",
};

int rf_wall_find(const char *name)
{
	for (int i = 0; i < RF_WALLS; i++)
		if (!strcmp(rf_wall_names[i], name))
			return i;
	return -1;
}

static const char *why_words(int wall, int err)
{
	if (wall == RF_WALL_CGROUP && err == ENODEV)
		return "this host has no cgroup v2 at /sys/fs/cgroup";
	return err == ENOSYS || err == EOPNOTSUPP ? "this kernel has none" :
	       err                                ? strerror(err) :
						    "not put up";
}

void rf_walls_missing(const struct rf_wall_report *r, char *text, size_t room)
{
	size_t used = 0;

	text[0] = 0;
	for (int i = 0; i < RF_WALLS && used < room; i++) {
		/* Root makes all the other namespaces without one. */
		if (r->up & RF_WALL_BIT(i) ||
		    (i == RF_WALL_USER_NS && r->up & RF_WALL_BIT(RF_WALL_UID)))
			continue;
		used += (size_t)snprintf(text + used, room - used, "%s%s (%s)", used ? ", " : "",
					 rf_wall_names[i], why_words(i, r->why[i]));
	}
}
