/* SPDX-License-Identifier: MIT */
/*
 * test_vfio_user_bell.c - the driver's half of a doorbell that is memory: when it wakes
 * the device, and that no ring is ever lost on one that goes to sleep.
 *
 * Room:   tests/unit. The runtime's own source; fd 2 is an eventfd meanwhile, as in a driver.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define __stack_chk_fail runtime_stack_chk_fail
#include "sandbox/runtime/rt.c"
#undef __stack_chk_fail

static int stderr_fd, bell_fd;

static void as_driver(void)
{
	fflush(stderr);
	stderr_fd = dup(2);
	bell_fd = eventfd(0, EFD_NONBLOCK);
	dup2(bell_fd, RF_FD_DEVICE);
}

static void as_test(void)
{
	dup2(stderr_fd, 2);
	close(stderr_fd);
	close(bell_fd);
}

static void the_word_decides_who_is_woken(void **state)
{
	static const struct { bool flag, word; uint32_t says, why; bool wakes; } cases[] = {
		{ false, false, 0, RF_ASLEEP, false },   /* a real doorbell */
		{ false, true, 3, RF_ASLEEP, false },
		{ true, false, 0, RF_ASLEEP, true },     /* no word: each submission, */
		{ true, false, 0, RF_ASLEEP_BLOCKED, false }, /* no completion */
		{ true, true, 0, RF_ASLEEP, false },     /* awake */
		{ true, true, 0, RF_ASLEEP_BLOCKED, false },
		{ true, true, 1, RF_ASLEEP, true },
		{ true, true, 1, RF_ASLEEP_BLOCKED, false },
		{ true, true, 3, RF_ASLEEP, true },      /* waits for room */
		{ true, true, 3, RF_ASLEEP_BLOCKED, true },
		{ true, true, 2, RF_ASLEEP, true },      /* who waits for room hears of both */
		{ true, true, 2, RF_ASLEEP_BLOCKED, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t word = cases[i].says;
		static struct rf_boot boot;
		uint64_t count = 0;

		boot.flags = cases[i].flag ? RF_BOOT_DOORBELL : 0;
		boot.queue[1].asleep = cases[i].word ? (uintptr_t)&word : 0;
		struct rf_doorbell bell = rf_doorbell(&boot, 1);
		as_driver();
		rf_doorbell_kick(&bell, cases[i].why);
		bool woken = read(bell_fd, &count, sizeof(count)) == sizeof(count);
		as_test();
		if (woken != cases[i].wakes || (woken && count != 1))
			fail_msg("case %zu: woken %d, count %llu", i, woken,
				 (unsigned long long)count);
	}
}

/* ---- a device that sleeps as soon as it can ------------------------------------------------ */

#define RINGS 200000u

static _Atomic uint32_t doorbell, done, asleep_word;
static atomic_uint sleeps;
static atomic_bool starved;

/* The server's half as vfio_user.h has it. `starved`: a wake-up did not come. */
static void *device(void *deadline_ms)
{
	uint32_t seen = 0;

	while (seen != RINGS) {
		uint32_t now = atomic_load(&doorbell);
		if (now != seen) {
			seen = now;
			atomic_store(&done, seen);
			continue;
		}
		atomic_store(&asleep_word, RF_ASLEEP);
		atomic_thread_fence(memory_order_seq_cst);
		if (atomic_load(&doorbell) == seen) {
			struct pollfd p = { .fd = bell_fd, .events = POLLIN };
			uint64_t count;

			atomic_fetch_add(&sleeps, 1);
			if (poll(&p, 1, *(int *)deadline_ms) == 0) {
				atomic_store(&starved, true);
				return NULL;
			}
			(void)!read(bell_fd, &count, sizeof(count));
		}
		atomic_store(&asleep_word, 0);
	}
	return NULL;
}

/* Rings one at a time, so that a lost one is never made good by the next. */
static void drive(bool kick, int deadline_ms)
{
	static struct rf_boot boot;
	pthread_t thread;

	boot.flags = kick ? RF_BOOT_DOORBELL : 0;
	boot.queue[0].asleep = (uintptr_t)&asleep_word;
	struct rf_doorbell bell = rf_doorbell(&boot, 0);
	atomic_store(&doorbell, 0);
	atomic_store(&done, 0);
	atomic_store(&sleeps, 0);
	atomic_store(&starved, false);
	as_driver();
	if (pthread_create(&thread, NULL, device, &deadline_ms))
		_exit(1);
	for (uint32_t i = 1; i <= RINGS && !atomic_load(&starved); i++) {
		rf_mmio_write32(&doorbell, i);
		rf_doorbell_kick(&bell, RF_ASLEEP);
		for (unsigned spin = 0; atomic_load(&done) != i && !atomic_load(&starved); spin++)
			if (spin > 1000)
				sched_yield();
	}
	pthread_join(thread, NULL);
	as_test();
}

static void no_ring_is_lost_on_a_sleeper(void **state)
{
	(void)state;
	drive(true, 60000);
	assert_false(atomic_load(&starved));
	assert_int_equal(atomic_load(&done), RINGS);
	print_message("# %u rings, %u sleeps\n", RINGS, atomic_load(&sleeps));
}

/* The control: without the wake-up the same device waits for ever. */
static void without_a_kick_the_sleeper_sleeps_on(void **state)
{
	(void)state;
	drive(false, 500);
	assert_true(atomic_load(&starved));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_word_decides_who_is_woken),
		cmocka_unit_test(no_ring_is_lost_on_a_sleeper),
		cmocka_unit_test(without_a_kick_the_sleeper_sleeps_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
