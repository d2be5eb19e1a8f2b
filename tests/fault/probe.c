/* SPDX-License-Identifier: MIT */
/*
 * probe.c - no attack: looks at the world the launcher made for a driver and
 * adds PROBE_GOOD to the kick eventfd if all is as boot.h says, else the number
 * of the first thing that is not. Then sleeps until told to end.
 *
 * Room:   tests/fault, untrusted like a driver.
 */
#include "rt.h"

#define PROBE_GOOD 1000u

static __thread volatile uint64_t thread_set = 0x1122334455667788ull;
static __thread volatile uint64_t thread_zero;
static const char text[] = "relocated";
static const char *const table[] = { text, text + 2 }; /* in RELRO */
static const char *volatile pointer = text + 1;
static volatile uint64_t bss[1024];
static volatile uint64_t data = 42;

static unsigned registers_check(uint64_t rsp, uint64_t rbx, uint64_t rbp)
{
	if (rsp % 16 != 8)
		return 1;
	return rbx || rbp ? 2 : 0;
}

static unsigned memory_check(void)
{
	const char *const *volatile t = table;

	if (thread_set != 0x1122334455667788ull || thread_zero)
		return 3;
	thread_zero = 1;
	if (t[0] != text || t[1][0] != 'l' || pointer[0] != 'e' || data != 42)
		return 4;
	for (unsigned i = 0; i < 1024; i++)
		if (bss[i])
			return 5;
	bss[1023] = data = 1;
	return 0;
}

static unsigned canary_check(void)
{
	uint64_t canary, self;

	__asm__ volatile("mov %%fs:0x28, %0\n\tmov %%fs:0, %1" : "=r"(canary), "=r"(self));
	if (!canary || canary & 0xff)
		return 6;
	return *(uint64_t *)self == self ? 0 : 7;
}

/* The launcher's plan lay in the stack: nothing of it may be left. */
static unsigned stack_check(uint64_t rsp)
{
	const volatile uint64_t *top = (const volatile uint64_t *)(rsp + 8);

	if (top[-1])
		return 8; /* return address */
	for (const volatile uint64_t *p = top - 128; p > top - 512; p--)
		if (*p)
			return 9;
	return 0;
}

static unsigned boot_check(const struct rf_boot *boot)
{
	volatile uint64_t *chan = (volatile uint64_t *)boot->queue[0].chan;

	rf_boot_check(boot);
	if (boot->go != boot->generation)
		return 10;
	if (!chan || *chan != 7)
		return 11; /* the test put a 7 there */
	*chan = 8;
	return rf_tsc() < rf_tsc() ? 0 : 12;
}

_Noreturn void probe_main(const struct rf_boot *boot, uint64_t rsp, uint64_t rbx, uint64_t rbp);
_Noreturn void probe_main(const struct rf_boot *boot, uint64_t rsp, uint64_t rbx, uint64_t rbp)
{
	unsigned wrong = stack_check(rsp);

	if (!wrong)
		wrong = registers_check(rsp, rbx, rbp);
	if (!wrong)
		wrong = memory_check();
	if (!wrong)
		wrong = canary_check();
	if (!wrong)
		wrong = boot_check(boot);
	for (unsigned i = 0; i < (wrong ? wrong : PROBE_GOOD); i++)
		rf_kick();
	rf_wait();
	rf_exit(0);
}

/* The entry is bare, to see registers as the launcher left them. */
__asm__(".globl rf_driver_start\n"
	".type rf_driver_start, @function\n"
	".section .text.rf_driver_start, \"ax\", @progbits\n"
	"rf_driver_start:\n\t"
	"mov %rsp, %rsi\n\tmov %rbx, %rdx\n\tmov %rbp, %rcx\n\t"
	"jmp probe_main\n\t"
	".previous");
