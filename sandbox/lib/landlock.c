/* SPDX-License-Identifier: MIT */
/* landlock.c - see landlock.h. Room: sandbox/lib, trusted. */
#include "landlock.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct landlock_ruleset_attr as of ABI 6; an older kernel takes its beginning. */
struct ruleset {
	uint64_t files, net, scoped;
};

/* Every right the kernel's ABI knows is handled, and no rule grants one. */
static struct ruleset ruleset_of(long abi)
{
	static const unsigned file_rights[] = {0, 13, 14, 15, 15, 16}; /* number, by ABI */
	unsigned n = file_rights[abi < 5 ? abi : 5];

	return (struct ruleset){
	    .files = (1ull << n) - 1, .net = abi >= 4 ? 3 : 0, .scoped = abi >= 6 ? 3 : 0};
}

int rf_landlock_apply(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 1)
		return errno;
	struct ruleset set = ruleset_of(abi);
	size_t bytes = abi >= 6 ? sizeof(set) : abi >= 4 ? 16 : 8;
	long fd = syscall(SYS_landlock_create_ruleset, &set, bytes, 0);

	if (fd < 0)
		return errno;
	int err = syscall(SYS_landlock_restrict_self, (int)fd, 0) ? errno : 0;
	close((int)fd);
	return err;
}
