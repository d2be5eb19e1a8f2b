/* SPDX-License-Identifier: MIT */
/*
 * no_resource_cap.c - runs a command as a root that may not raise its limits.
 *
 *   no_resource_cap MEMLOCK_BYTES COMMAND [ARGUMENT...]
 *
 * CAP_SYS_RESOURCE leaves the bounding set, so the command does not get it back when
 * it is executed.
 */
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 3)
		return 64;
	rlim_t bytes = strtoull(argv[1], NULL, 0);
	struct rlimit r = { bytes, bytes };

	if (setrlimit(RLIMIT_MEMLOCK, &r) || prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE)) {
		perror("no_resource_cap");
		return 71;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 71;
}
