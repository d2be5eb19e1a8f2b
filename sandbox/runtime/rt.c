/* SPDX-License-Identifier: MIT */
/* rt.c - see rt.h. Room: sandbox/runtime, untrusted. */
#include "rt.h"

#include <sys/syscall.h>

static long rt_call(long nr, long a, const void *b, unsigned long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

_Noreturn void rf_exit(int code)
{
	for (;;)
		rt_call(SYS_exit_group, code, NULL, 0);
}

/* Called by code gcc makes when a function's canary changed. */
_Noreturn void __stack_chk_fail(void);
_Noreturn void __stack_chk_fail(void)
{
	rf_exit(RF_DRIVER_EXIT_STACK);
}

struct rf_mmio_notes rf_mmio_notes;

void rf_boot_check(const struct rf_boot *boot)
{
	if (boot->magic != RF_BOOT_MAGIC || boot->version != RF_BOOT_VERSION ||
	    !boot->queue_count || boot->queue_count > RF_MAX_QUEUES)
		rf_exit(RF_DRIVER_EXIT_BOOT);
	for (uint32_t i = 0; i < boot->queue_count; i++)
		if (!boot->queue[i].chan)
			rf_exit(RF_DRIVER_EXIT_BOOT);
}

void rf_wait(void)
{
	uint64_t count;
	long     got = rt_call(SYS_read, RF_FD_WAKE, &count, sizeof(count));

	if (got != (long)sizeof(count) && got != -EINTR)
		rf_exit(RF_DRIVER_EXIT_WAKE);
}

static void rt_signal(int fd)
{
	static const uint64_t one = 1;
	long got = rt_call(SYS_write, fd, &one, sizeof(one));

	/* EAGAIN: the counter is full, so whoever reads it wakes anyway. */
	if (got != (long)sizeof(one) && got != -EINTR && got != -EAGAIN)
		rf_exit(RF_DRIVER_EXIT_WAKE);
}

void rf_kick(void)
{
	rt_signal(RF_FD_KICK);
}

void rf_unmask(void)
{
	rt_signal(RF_FD_DEVICE);
}

/*
 * The device says it sleeps before it looks at the doorbells for the last time: so a
 * full fence lies between ringing and reading its word. Without a word every submission
 * wakes it; completions taken need no waking then, because the next submission carries
 * them along and a queue's slots never outnumber its completion entries.
 */
void rf_doorbell_look(const struct rf_doorbell *bell, uint32_t why)
{
	uint32_t word = RF_ASLEEP;

	if (bell->asleep) {
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		word = __atomic_load_n(bell->asleep, __ATOMIC_RELAXED);
	}
	/* Who waits for room wants to hear of submissions as well. */
	if (word & (why | RF_ASLEEP_BLOCKED))
		rt_signal(RF_FD_DEVICE);
}
