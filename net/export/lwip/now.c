/* SPDX-License-Identifier: MIT */
/* now.c - see now.h. Room: net/export/lwip, trusted. */
#include "now.h"

#include <time.h>

#include "clock.h"
#include "lwip/sys.h"

static uint64_t clock_ns;

void stack_clock(void)
{
	clock_ns = rf_clock_ns(CLOCK_MONOTONIC);
}

uint64_t stack_now_ns(void)
{
	return clock_ns;
}

u32_t sys_now(void)
{
	return (u32_t)(clock_ns / 1000000);
}
