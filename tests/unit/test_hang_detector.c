/* SPDX-License-Identifier: MIT */
/*
 * test_hang_detector.c - a driver that hangs is told from one that is not let run.
 *
 * Room:   tests/unit. The kernel's figures are made up here, those of a real process at the
 *         end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "clock.h"
#include "hang_detector.c"

#define MS 1000000ull
#define HANG (20 * MS)

uint64_t rf_now_ns(void)
{
	return rf_clock_ns(CLOCK_MONOTONIC);
}

struct history {
	struct rf_hang_detector q;
	uint64_t now, cpu, waited;
	uint32_t episode;
};

/* The next report comes `ms` later: in state, after so much of processor and of waiting. The
 * export looked `delay` before the report was read. */
static bool report(struct history *h, uint64_t ms, char state, uint64_t cpu, uint64_t waited,
		   uint64_t delay)
{
	h->now += ms * MS;
	h->cpu += cpu * MS;
	h->waited += waited * MS;
	struct rf_sample s = {
		.at_ns = h->now, .cpu_ns = h->cpu, .waited_ns = h->waited, .state = state
	};
	return rf_hang_detected(&h->q, 1, h->episode, h->now - delay * MS, &s, HANG);
}

static struct history begin(void)
{
	return (struct history){ .now = 1000 * MS, .cpu = 70 * MS, .waited = 5 * MS, .episode = 1 };
}

static void one_that_spins_hangs_once_it_had_its_time(void **state)
{
	struct history h = begin();
	int reports = 0;

	(void)state;
	while (!report(&h, 2, 'R', 2, 0, 0))
		assert_true(++reports < 20);
	assert_true(reports >= 9 && reports <= 12); /* of 2 ms each */
}

static void one_that_is_not_let_run_does_not(void **state)
{
	struct history h = begin();

	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_false(report(&h, 5, 'R', 0, 5, 0));
	/* Nor one that sleeps between, each time for less than it takes. */
	for (int i = 0; i < 100000; i++)
		assert_false(report(&h, 5, i % 3 ? 'S' : 'R', 0, i % 3 ? 0 : 5, 0));
}

/* All of them were sent before it beat, and are read after it went on for long. */
static void reports_that_were_late_prove_nothing(void **state)
{
	struct history h = begin();

	(void)state;
	uint64_t sent = 0;
	for (int i = 0; i < 1000; i++)
		assert_false(report(&h, 1, 'R', 1, 0, sent += 1));
	h = begin();
	sent = 0;
	for (int i = 0; i < 1000; i++)
		assert_false(report(&h, 1, 'S', 0, 0, sent += 1));
}

static void a_processor_that_stood_still_is_not_a_hang(void **state)
{
	struct history h = begin();

	(void)state;
	report(&h, 5, 'R', 0, 0, 0);
	assert_false(report(&h, 5, 'R', 4000, 0, 0));
	assert_false(report(&h, 5, 'R', 0, 0, 0));
	assert_false(report(&h, 5, 'R', 4000, 0, 0));
	assert_false(report(&h, 5, 'R', 0, 0, 0));
}

static void one_that_sleeps_through_the_kick_hangs(void **state)
{
	static const char states[] = "STt";

	(void)state;
	for (const char *c = states; *c; c++) {
		struct history h = begin();
		int reports = 0;

		while (!report(&h, 5, *c, 0, 0, 0))
			assert_true(++reports < 20);
		assert_true(reports >= 4 && reports <= 6);
	}
	/* A page that comes from a disk is none of its doing. */
	struct history h = begin();
	for (int i = 0; i < 1000; i++)
		assert_false(report(&h, 5, 'D', 0, 0, 0));
}

static void each_kick_begins_anew(void **state)
{
	struct history h = begin();

	(void)state;
	for (int i = 0; i < 10000; i++, h.episode += i % 4 == 0)
		assert_false(report(&h, 5, 'R', 5, 0, 0));
}

static void a_real_process_is_seen_as_it_is(void **state)
{
	struct rf_sample a, b;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		for (;;)
			;
	do
		assert_int_equal(rf_sample_take(pid, &a), 0);
	while (a.cpu_ns < 10 * MS);
	assert_int_equal(a.state, 'R');
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	assert_int_equal(rf_sample_take(pid, &a), 0);
	assert_int_equal(a.state, 'T');
	assert_int_equal(rf_sample_take(pid, &b), 0);
	assert_true(undisturbed(&a, &b) && b.at_ns >= a.at_ns);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_not_equal(rf_sample_take(pid, &a), 0);
}

/* Both are stopped in the kernel's words; only the one that may go on can be hung. */
static void one_at_its_last_stop_is_dead_not_hung(void **state)
{
	struct rf_sample s;
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		for (;;)
			pause();
	assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, (void *)PTRACE_O_TRACEEXIT), 0);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(rf_sample_take(pid, &s), 0);
	assert_int_equal(s.state, 't');
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status >> 8, SIGTRAP | PTRACE_EVENT_EXIT << 8);
	assert_int_equal(rf_sample_take(pid, &s), -ESRCH);
	assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

int main(void)
{
	/* Where a supervisor is. */
	if (chdir("/proc"))
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_spins_hangs_once_it_had_its_time),
		cmocka_unit_test(one_that_is_not_let_run_does_not),
		cmocka_unit_test(reports_that_were_late_prove_nothing),
		cmocka_unit_test(a_processor_that_stood_still_is_not_a_hang),
		cmocka_unit_test(one_that_sleeps_through_the_kick_hangs),
		cmocka_unit_test(each_kick_begins_anew),
		cmocka_unit_test(a_real_process_is_seen_as_it_is),
		cmocka_unit_test(one_at_its_last_stop_is_dead_not_hung),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
