/* SPDX-License-Identifier: MIT */
/*
 * test_trace.c - which signals end a process that the keeper traces.
 *
 * Room:   tests/unit. The test is the keeper, and has children that bring signals upon themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/keeper/trace.c"

const char *rf_call_name(const struct rf_exit_info *v)
{
	(void)v;
	return "";
}

/* A child that does this once it is traced; how it ended. */
static int traced(void (*does)(void), struct rf_exit_info *v)
{
	int status, gate[2];
	char byte = 0;

	*v = (struct rf_exit_info){ 0 };
	assert_int_equal(pipe(gate), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (read(gate[0], &byte, 1) == 1)
			does();
		_exit(7);
	}
	assert_int_equal(rf_trace_seize(pid), 0);
	assert_int_equal(write(gate[1], &byte, 1), 1);
	for (;;) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSTOPPED(status))
			break;
		(void)rf_trace_stop(pid, status, v);
	}
	close(gate[0]);
	close(gate[1]);
	return status;
}

static void ignored(int sig)
{
	(void)sig;
}

/* What the launcher does while it says a line to a log that nobody reads. */
static void bounds_a_wait(void)
{
	const struct itimerval soon = { .it_value.tv_usec = 1000, .it_interval.tv_usec = 1000 };
	struct sigaction wakes = { .sa_handler = ignored };
	int nothing[2];
	char byte;

	sigaction(SIGALRM, &wakes, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	if (pipe(nothing) || read(nothing[0], &byte, 1) >= 0)
		_exit(8);
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
}

static void one_whose_own_timer_ends_a_wait_lives(void **state)
{
	struct rf_exit_info v;
	int status = traced(bounds_a_wait, &v);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(v.seen & RF_SEEN_SIGNAL, 0);
}

static void sends_itself_an_alarm(void)
{
	kill(getpid(), SIGALRM);
}

static void faults(void)
{
	__asm__ volatile("ud2");
}

static void any_other_signal_is_its_end(void **state)
{
	struct rf_exit_info v;
	int status = traced(sends_itself_an_alarm, &v);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(v.signal, SIGALRM);
	status = traced(faults, &v);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(v.signal, SIGILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_whose_own_timer_ends_a_wait_lives),
		cmocka_unit_test(any_other_signal_is_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
