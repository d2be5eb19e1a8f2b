/* SPDX-License-Identifier: MIT */
/* walls_apply.c - see walls_apply.h. Room: sandbox/launch, trusted. */
#include "walls_apply.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "landlock.h"
#include "launch.h"
#include "launch_log.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

static void stands(struct rf_wall_report *r, enum rf_wall wall)
{
	r->up |= RF_WALL_BIT(wall);
}

/* ---- the first ones ----------------------------------------------------------------- */

/* Whoever starts us must have dropped all privileges already; a mistake there ends here. */
static void privileges_check(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];

	if (!getuid() || !geteuid() || !getgid() || !getegid())
		rf_launch_die(RF_LAUNCH_SYSTEM,
			      "started as root: a driver needs a user of its own");
	if (syscall(SYS_capget, &head, caps))
		rf_launch_die(RF_LAUNCH_SYSTEM, "cannot read capabilities: %s", strerror(errno));
	for (int i = 0; i < 2; i++)
		if (caps[i].permitted || caps[i].inheritable)
			rf_launch_die(RF_LAUNCH_SYSTEM,
				      "started with capabilities: drop them first");
}

static void optional(struct rf_wall_report *r, enum rf_wall wall, int err)
{
	if (err)
		r->why[wall] = (uint8_t)(err < 256 ? err : 255);
	else
		stands(r, wall);
}

void rf_walls_apply_first(struct rf_wall_report *r)
{
	sigset_t none;

	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL))
		rf_launch_die(RF_LAUNCH_SYSTEM, "cannot unblock signals: %s", strerror(errno));
	prctl(PR_SET_NAME, "rf-driver", 0, 0, 0);
	privileges_check();
	stands(r, RF_WALL_NO_CAPS);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		rf_launch_die(RF_LAUNCH_SYSTEM, "cannot hide its memory: %s", strerror(errno));
	stands(r, RF_WALL_DUMPABLE);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		rf_launch_die(RF_LAUNCH_SYSTEM, "cannot give up privileges: %s", strerror(errno));
	stands(r, RF_WALL_NO_NEW_PRIVS);
	optional(r, RF_WALL_LANDLOCK, rf_landlock_apply());
	optional(r, RF_WALL_MDWE,
		 prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) ? errno : 0);
}

/* ---- limits --------------------------------------------------------------------------- */

void rf_walls_apply_limits(struct rf_wall_report *r)
{
	/* These limits do not touch what exists already: descriptors, memory, locked pages. */
	static const struct {
		uint8_t wall, limit;
	} limits[] = {
	    {RF_WALL_CORE, RLIMIT_CORE},      {RF_WALL_NOFILE, RLIMIT_NOFILE},
	    {RF_WALL_NPROC, RLIMIT_NPROC},    {RF_WALL_MEMLOCK, RLIMIT_MEMLOCK},
	    {RF_WALL_AS, RLIMIT_AS},          {RF_WALL_AS, RLIMIT_DATA},
	    {RF_WALL_STACK, RLIMIT_STACK},    {RF_WALL_NPROC, RLIMIT_SIGPENDING},
	    {RF_WALL_NPROC, RLIMIT_MSGQUEUE}, {RF_WALL_NPROC, RLIMIT_NICE},
	    {RF_WALL_NPROC, RLIMIT_RTPRIO},
	};
	struct sched_param none_before = {0};

	/* Trusted processes may have a real-time policy, a driver never. */
	if (syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &none_before))
		rf_launch_die(RF_LAUNCH_SYSTEM, "cannot leave real-time scheduling: %s",
			      strerror(errno));
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit none = {0, 0};

		if (setrlimit(limits[i].limit, &none))
			rf_launch_die(RF_LAUNCH_SYSTEM, "cannot lower limit %d: %s",
				      limits[i].limit, strerror(errno));
		stands(r, limits[i].wall);
	}
}

/* ---- the report ------------------------------------------------------------------------ */

void rf_walls_apply_report(struct rf_wall_report *r, uint64_t stand, uint64_t demanded)
{
	/* Put up by address_space.c and the trampoline, or the image does not run. */
	static const uint8_t always[] = {RF_WALL_FSIZE, RF_WALL_FDS,   RF_WALL_MAPS,
					 RF_WALL_BOOT,  RF_WALL_RELRO, RF_WALL_SECCOMP};

	for (size_t i = 0; i < sizeof(always); i++)
		stands(r, always[i]);
	for (int wall = 0; wall < RF_WALLS; wall++)
		if (demanded & ~(stand | r->up) & RF_WALL_BIT(wall))
			rf_launch_die(RF_LAUNCH_NO_WALL, "the policy demands the wall \"%s\": %s",
				      rf_wall_names[wall],
				      r->why[wall] ? strerror(r->why[wall])
					     : "it could not be put up here");
	r->locked = 1;
	/* The keeper may be gone. */
	(void)!write(RF_LAUNCH_FD_REPORT, r, sizeof(*r));
}
