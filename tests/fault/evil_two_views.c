/* SPDX-License-Identifier: MIT */
/*
 * evil_two_views.c - maps one memfd twice, to write here and to execute there: the road
 * that MDWE leaves open.
 *
 * Room:   tests/fault, hostile. Stopped by: the limit of the address space.
 */
#include "evil.h"

#include <sys/mman.h>
#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	evil_begin(boot);
	long fd = evil_call(SYS_memfd_create, EVIL_P("evil"), 0, 0, 0, 0, 0);
	long ret = fd < 0 ? fd : evil_call(SYS_ftruncate, fd, 4096, 0, 0, 0, 0);
	if (ret < 0)
		evil_end(boot, ret);
	long w = evil_call(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	long x = evil_call(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	if (w > 0 && x > 0) {
		*(volatile unsigned char *)w = 0xc3; /* ret */
		((void (*)(void))x)();
	}
	evil_end(boot, w < 0 ? w : x);
}
