/* SPDX-License-Identifier: MIT */
/*
 * driver_rt.h - what a driver's unit test has in place of the runtime: include it, then the
 * driver's source.
 *
 * Room:   tests/unit. rf_exit() comes back to exit_jump if exit_expected. Register writes
 *         go to memory and are counted.
 */
#ifndef RF_TEST_DRIVER_RT_H
#define RF_TEST_DRIVER_RT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "rt.h"

static unsigned bell_writes, bell_looks;

static inline void bell_write32(uint32_t *at, uint32_t value)
{
	*at = value;
	bell_writes++;
}
static inline void bell_write16(uint16_t *at, uint16_t value)
{
	*at = value;
	bell_writes++;
}
#define rf_mmio_write32(at, value) bell_write32(at, value)
#define rf_mmio_write16(at, value) bell_write16(at, value)

static jmp_buf exit_jump;
static bool    exit_expected;
static int     exit_code;

_Noreturn void rf_exit(int code)
{
	exit_code = code;
	if (!exit_expected)
		fail_msg("the driver ended itself with %d", code);
	longjmp(exit_jump, 1);
}

struct rf_mmio_notes rf_mmio_notes;

void rf_kick(void)
{
}

void rf_wait(void)
{
}

void rf_unmask(void)
{
}

void rf_doorbell_look(const struct rf_doorbell *bell, uint32_t why)
{
	if (!bell->kicks)
		fail_msg("a real device needs no waking");
	assert_int_equal(why, RF_ASLEEP);
	bell_looks++;
}

void rf_boot_check(const struct rf_boot *boot)
{
	(void)boot;
}

#endif
