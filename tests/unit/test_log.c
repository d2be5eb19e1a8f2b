/* SPDX-License-Identifier: MIT */
/*
 * test_log.c - a log that nobody reads: no line waits for it, lines that are dropped are counted
 * and the count is said, and the file it shares with others stays as it was.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "sandbox/lib/log.c"

#define LINES 40 /* some before it is deaf, all others after */

/* Whatever reads it: all of it that is there now. */
static void drain(int fd, char *text, size_t room)
{
	size_t used = 0;
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (used < room - 1 && (n = read(fd, text + used, room - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
}

static void fill(int fd)
{
	static const char junk[4096] = { 0 };
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while (write(fd, junk, sizeof(junk)) > 0)
		;
	while (write(fd, junk, 1) > 0)
		;
	fcntl(fd, F_SETFL, flags);
}

/* Logs lines into a full log, has it read, logs one more. */
static void writer(int log, int ready, int go)
{
	char c = 0;

	dup2(log, 2);
	rf_log_name = "test";
	for (int i = 0; i < LINES; i++)
		rf_log("line %d", i);
	(void)!write(ready, &c, 1);
	(void)!read(go, &c, 1);
	while (log_dropped) {
		usleep(10000);
		rf_log_catch_up();
	}
	rf_log("the last one");
	_exit(0);
}

static void nobody_waits(int rd, int wr)
{
	static char text[4 << 20];
	int ready[2], go[2], status, flags = fcntl(wr, F_GETFL);
	char c;

	assert_int_equal(pipe(ready) | pipe(go), 0);
	fill(wr);
	pid_t pid = fork();
	if (!pid)
		writer(wr, ready[1], go[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(fcntl(wr, F_GETFL), flags);
	drain(rd, text, sizeof(text));
	assert_int_equal(write(go[1], &c, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	drain(rd, text, sizeof(text));
	assert_string_equal(
		text, "test: 40 lines are missing here: nobody read the log\ntest: the last one\n");
	close(rd);
	close(wr);
}

static void a_full_pipe_keeps_nobody(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	nobody_waits(p[0], p[1]);
}

/* As of a service manager. */
static void a_full_socket_keeps_nobody(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	nobody_waits(p[0], p[1]);
}

/* The alarm stops when nothing is written any more, and another's still ends a test. */
static void an_alarm_of_others_keeps_its_meaning(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		struct itimerval t;

		(void)rf_bounded_write(open("/dev/null", O_WRONLY), "x", 1);
		do {
			usleep(1000);
			getitimer(ITIMER_REAL, &t);
		} while (t.it_interval.tv_usec);
		usleep(3 * RF_BOUNDED_US); /* the last one may be on its way */
		alarm_last = 0;
		raise(SIGALRM);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_pipe_keeps_nobody),
		cmocka_unit_test(a_full_socket_keeps_nobody),
		cmocka_unit_test(an_alarm_of_others_keeps_its_meaning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
