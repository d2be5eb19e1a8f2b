/* SPDX-License-Identifier: MIT */
/* call_name.c - names of system calls: see keeper.h. Room: sandbox/proto. */
#include <linux/audit.h>

#include "keeper.h"
#include "syscalls.h"

#define X32_BIT  0x40000000u
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const char *rf_call_name(const struct rf_exit_info *v)
{
	uint64_t nr = (uint64_t)v->call;
	const char *name = NULL;

	if (v->arch == AUDIT_ARCH_I386)
		name = nr < COUNT(names_i386) ? names_i386[nr] : NULL;
	else if ((nr & ~(uint64_t)X32_BIT) < COUNT(names_x86_64))
		name = names_x86_64[nr & ~(uint64_t)X32_BIT];
	return name ? name : "unknown";
}
