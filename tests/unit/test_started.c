/* SPDX-License-Identifier: MIT */
/*
 * test_started.c - `ringfence`, as it is built, started by somebody who ignores or blocks signals,
 * allows it little, or takes no more of what it says.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 60000
#define PAUSE_MS    20

static char dir[64], conf[96], out[4096];
static pid_t started;

static int setup(void **unused)
{
	char here[256];

	(void)unused;
	strcpy(dir, "/tmp/ringfence-started.XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_non_null(getcwd(here, sizeof(here)));
	snprintf(conf, sizeof(conf), "%s/rf.conf", dir);
	FILE *f = fopen(conf, "w");
	fprintf(f, "run-dir %s/run\npolicy-dir %s/policy\ndriver-dir %s/build/drivers\ndevice d0\n"
		   "  policy null_blk\n  arena 4M\n  export nbd %s/nbd\n", dir, here, here, dir);
	started = 0;
	return fclose(f);
}

/* Exit code of a command, its output in `out`. */
static int sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int sh(const char *fmt, ...)
{
	char command[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	FILE *f = popen(command, "r");
	size_t n = fread(out, 1, sizeof(out) - 1, f);
	out[n] = '\0';
	int status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int teardown(void **unused)
{
	(void)unused;
	if (started) {
		kill(started, SIGKILL);
		waitpid(started, NULL, 0);
	}
	return sh("rm -rf %s", dir);
}

/* `prepare` says what its starter did. -1: it ended by a signal. */
static pid_t start(const char *verb, void (*prepare)(void))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prepare();
	execl("build/bin/ringfence", "ringfence", verb, conf, (char *)NULL);
	_exit(127);
}

/* Exit code; -1: a signal ended it, -2: it does not end in time. */
static int end_of(pid_t pid)
{
	int status;

	for (int ms = 0; waitpid(pid, &status, WNOHANG) != pid; ms += PAUSE_MS) {
		if (ms > DEADLINE_MS)
			return -2;
		usleep(PAUSE_MS * 1000);
	}
	started = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool running(void)
{
	for (int ms = 0; ms < DEADLINE_MS; ms += PAUSE_MS) {
		if (!sh("build/bin/ringfence --run-dir %s/run status --json 2>/dev/null", dir) &&
		    strstr(out, "\"state\":\"running\"") && !strstr(out, "\"driver_pid\":0,"))
			return true;
		usleep(PAUSE_MS * 1000);
	}
	return false;
}

static pid_t member(const char *name)
{
	const char *at = strstr(out, name);

	assert_non_null(at);
	return atoi(at + strlen(name));
}

/* ---- signals ----------------------------------------------------------------------------- */

static void ignores_its_children(void)
{
	signal(SIGCHLD, SIG_IGN);
}

static void the_ends_of_children_are_heard(void **unused)
{
	(void)unused;
	started = start("run", ignores_its_children);
	assert_true(running());
	kill(member("\"export_pid\":"), SIGKILL);
	for (int ms = 0; !strstr(out, "\"process_deaths\":1"); ms += PAUSE_MS) {
		assert_true(ms < DEADLINE_MS && running());
		usleep(PAUSE_MS * 1000);
	}
	assert_int_equal(sh("build/bin/ringfence --run-dir %s/run stop", dir), 0);
	assert_int_equal(end_of(started), 0);
}

/* ---- who reads what it says ------------------------------------------------------------------ */

static int reader[2];

static void logs_into_a_pipe(void)
{
	signal(SIGPIPE, SIG_DFL);
	dup2(reader[1], 2);
	close(reader[0]);
}

/* Of its death the keeper says a line. */
static void supervisor_replaced(void)
{
	pid_t before = member("\"supervisor_pid\":");

	kill(before, SIGKILL);
	do {
		usleep(PAUSE_MS * 1000);
		assert_true(running());
	} while (member("\"supervisor_pid\":") == before);
	assert_int_equal(sh("build/bin/ringfence --run-dir %s/run stop", dir), 0);
	assert_int_equal(end_of(started), 0);
}

static void a_log_without_a_reader_ends_nobody(void **unused)
{
	(void)unused;
	assert_int_equal(pipe2(reader, O_CLOEXEC), 0);
	started = start("run", logs_into_a_pipe);
	close(reader[1]);
	assert_true(running());
	close(reader[0]);
	supervisor_replaced();
}

static void blocks_all_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	dup2(reader[1], 2);
}

static void a_full_log_waits_for_no_blocked_signal(void **unused)
{
	(void)unused;
	assert_int_equal(pipe2(reader, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(reader[1], out, 1) == 1)
		;
	assert_int_equal(fcntl(reader[1], F_SETFL, 0), 0);
	started = start("run", blocks_all_signals);
	assert_true(running());
	supervisor_replaced();
	close(reader[0]);
	close(reader[1]);
}

static void output_that_nobody_takes_is_code_71(void **unused)
{
	(void)unused;
	assert_int_equal(sh("build/bin/ringfence check %s 2>&1 >/dev/full", conf), 71);
	assert_non_null(strstr(out, "cannot write the output"));
	assert_int_equal(sh("build/bin/ringfence check %s", conf), 0);
	assert_non_null(strstr(out, ": ok, 1 device"));
}

/* ---- limits ---------------------------------------------------------------- */

/* Hard ones: what is only a soft limit it may raise. */
static void a_limit_it_cannot_keep_is_said(void **unused)
{
	bool raises = !sh("ulimit -n 64; ulimit -Hn 128");

	(void)unused;
	int code = sh("ulimit -n 64; build/bin/ringfence check %s 2>&1", conf);
	assert_true(code == (raises ? 0 : 71));
	assert_non_null(
		strstr(out, raises ? ": ok" : "raise the limit to 256 or more (ulimit -n)"));
	assert_int_equal(sh("ulimit -Sn 16; build/bin/ringfence check %s 2>&1", conf), 0);
}

static void a_limit_of_files_sizes_ends_nobody_without_a_word(void **unused)
{
	bool raises = !sh("ulimit -f 0; ulimit -Hf 1");

	(void)unused;
	int code = sh("ulimit -f 0; build/bin/ringfence check %s 2>&1", conf);
	assert_true(code == (raises ? 0 : 65));
	assert_non_null(
		strstr(out,
		       raises ? ": ok" : "the limit of file sizes is too low for it (ulimit -f)"));
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(the_ends_of_children_are_heard),
		CASE(a_log_without_a_reader_ends_nobody),
		CASE(a_full_log_waits_for_no_blocked_signal),
		CASE(output_that_nobody_takes_is_code_71),
		CASE(a_limit_it_cannot_keep_is_said),
		CASE(a_limit_of_files_sizes_ends_nobody_without_a_word),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("started", tests, NULL, NULL);
}
