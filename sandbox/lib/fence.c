/* SPDX-License-Identifier: MIT */
/* fence.c - see fence.h. Room: sandbox/lib, trusted. */
#include "fence.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "landlock.h"
#include "log.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

static void limits_lower(uint64_t wanted)
{
	static const struct {
		uint8_t wall, limit;
	} limits[] = {
	    {RF_WALL_CORE, RLIMIT_CORE},       {RF_WALL_NPROC, RLIMIT_NPROC},
	    {RF_WALL_NPROC, RLIMIT_SIGPENDING}, {RF_WALL_NPROC, RLIMIT_MSGQUEUE},
	    {RF_WALL_NPROC, RLIMIT_NICE},      {RF_WALL_NPROC, RLIMIT_RTPRIO},
	    {RF_WALL_AS, RLIMIT_DATA},
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit none = {0, 0};

		if (wanted & RF_WALL_BIT(limits[i].wall) && setrlimit(limits[i].limit, &none))
			rf_die(RF_EXIT_SYSTEM, "cannot lower limit %d: %s", limits[i].limit,
			       strerror(errno));
	}
}

uint64_t rf_fence_apply(uint64_t wanted)
{
	uint64_t up = wanted & RF_FENCE_WALLS;

	if (up & RF_WALL_BIT(RF_WALL_DUMPABLE) && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		rf_die(RF_EXIT_SYSTEM, "cannot hide its memory: %s", strerror(errno));
	if (up & RF_WALL_BIT(RF_WALL_NO_NEW_PRIVS) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		rf_die(RF_EXIT_SYSTEM, "cannot give up privileges: %s", strerror(errno));
	if (up & RF_WALL_BIT(RF_WALL_LANDLOCK) && rf_landlock_apply())
		up &= ~RF_WALL_BIT(RF_WALL_LANDLOCK);
	if (up & RF_WALL_BIT(RF_WALL_MDWE) && prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))
		up &= ~RF_WALL_BIT(RF_WALL_MDWE);
	limits_lower(up);
	return up;
}
