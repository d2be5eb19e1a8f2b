/* SPDX-License-Identifier: MIT */
/*
 * rt.h - what a driver has instead of an operating system.
 *
 * Room:   sandbox/runtime, untrusted: linked into each driver, behind the fence.
 * Calls:  read(0), write(1), write(2) and exit_group are all the kernel lets
 *         through; anything else ends the process. Of libc there are memcpy,
 *         memmove, memset and memcmp.
 */
#ifndef RF_RT_H
#define RF_RT_H

#include <stdbool.h>
#include <stdint.h>

#include "block.h"
#include "boot.h"
#include "driver_exit.h"

#define RF_LIKELY(x)   __builtin_expect(!!(x), 1)
#define RF_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Where a driver starts. Block drivers get it from RF_BLK_DRIVER() of blk.h. */
_Noreturn void rf_driver_start(const struct rf_boot *boot);

/* Ends the process; the device process reads the code as a hint (exit.h). */
_Noreturn void rf_exit(int code);

/* Returns only if the record is of this version and has at least one queue. */
void rf_boot_check(const struct rf_boot *boot);

/* Sleeps until the device or the service wakes us. */
void rf_wait(void);
/* Wakes the service. */
void rf_kick(void);
/* Lets the device interrupt again: INTx only, where fd 2 is there. */
void rf_unmask(void);

/*
 * Doorbells of a software device are memory it may not be looking at. Called after
 * each one rung, with the boot record's flags and the queue's asleep word:
 * rf_doorbell_kick(&bell, RF_ASLEEP) after submissions, RF_ASLEEP_BLOCKED after
 * completions were taken. Where the device has real registers it costs one branch.
 */
struct rf_doorbell {
	bool            kicks;
	const uint32_t *asleep;
};

static inline struct rf_doorbell rf_doorbell(const struct rf_boot *boot, unsigned queue)
{
	return (struct rf_doorbell){
		.kicks = boot->flags & RF_BOOT_DOORBELL,
		.asleep = (const uint32_t *)(uintptr_t)boot->queue[queue].asleep
	};
}

void rf_doorbell_look(const struct rf_doorbell *, uint32_t why);

static inline void rf_doorbell_kick(const struct rf_doorbell *bell, uint32_t why)
{
	if (RF_UNLIKELY(bell->kicks))
		rf_doorbell_look(bell, why);
}

/* Time stamp counter; boot->tsc_hz ticks a second. */
static inline uint64_t rf_tsc(void)
{
	return __builtin_ia32_rdtsc();
}

static inline void rf_pause(void)
{
	__builtin_ia32_pause();
}

/*
 * Device registers. One access of exactly this width each. A write comes after
 * all earlier stores to memory, a read before all later loads: x86 keeps that
 * order for uncached accesses, the clobber makes the compiler keep it.
 */
struct rf_mmio_notes {
	uint64_t *at; /* RF_BLK_MMIO of them, for whoever finds us dead; NULL: for nobody */
	uint64_t  base;
	uint32_t  count;
};
extern struct rf_mmio_notes rf_mmio_notes;

static inline void rf_mmio_note(volatile void *at, uint32_t value)
{
	struct rf_mmio_notes *n = &rf_mmio_notes;

	if (n->at)
		n->at[n->count++ % RF_BLK_MMIO] = ((uint64_t)(uintptr_t)at - n->base) << 32 | value;
}

static inline void rf_mmio_write16(volatile void *at, uint16_t value)
{
	rf_mmio_note(at, value);
	__asm__ volatile("movw %1, %0" : "=m"(*(volatile uint16_t *)at) : "r"(value) : "memory");
}

static inline void rf_mmio_write32(volatile void *at, uint32_t value)
{
	rf_mmio_note(at, value);
	__asm__ volatile("movl %1, %0" : "=m"(*(volatile uint32_t *)at) : "r"(value) : "memory");
}

static inline void rf_mmio_write64(volatile void *at, uint64_t value)
{
	__asm__ volatile("movq %1, %0" : "=m"(*(volatile uint64_t *)at) : "r"(value) : "memory");
}

static inline uint32_t rf_mmio_read32(const volatile void *at)
{
	uint32_t value;

	__asm__ volatile("movl %1, %0"
			 : "=r"(value)
			 : "m"(*(const volatile uint32_t *)at)
			 : "memory");
	return value;
}

static inline uint64_t rf_mmio_read64(const volatile void *at)
{
	uint64_t value;

	__asm__ volatile("movq %1, %0"
			 : "=r"(value)
			 : "m"(*(const volatile uint64_t *)at)
			 : "memory");
	return value;
}

/* Reads of a device that is no longer there give all ones: use it on a register
 * that never holds that value. */
static inline bool rf_mmio_gone32(uint32_t value)
{
	return value == UINT32_MAX;
}

#endif
