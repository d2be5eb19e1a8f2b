/* SPDX-License-Identifier: MIT */
/*
 * test_unix_listen.c - a socket's name is taken only where it is nobody else's.
 *
 * Room:   tests/unit. The function that everything uses, and the shipped supervisor's
 *         three places: control socket, NBD export, listener of a stack.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "sandbox/lib/unix_listen.c"

static char dir[] = "/tmp/rf-listen-XXXXXX";
static char name[sizeof(dir) + 8];

static int shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int shell(const char *fmt, ...)
{
	char command[2000];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	int status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(name, sizeof(name), "%s/s", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return shell("rm -rf %s", dir);
}

static int listened(int type)
{
	const char *why = NULL;
	int fd = rf_unix_listen(name, type, 0, &why);

	assert_true(fd >= 0 || why);
	return fd;
}

static void a_free_name_and_a_dead_ones_are_taken(void **state)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };

	(void)state;
	for (int i = 0; i < 4; i++) {
		int fd = listened(types[i / 2]);

		assert_true(fd >= 0);
		close(fd); /* and its name stays */
		assert_int_equal(is_socket(name), 1);
		if (i == 1)
			rf_unix_vanish(name);
	}
}

static void a_living_ones_name_is_not(void **state)
{
	struct stat before, after;
	int fd = listened(SOCK_STREAM);

	(void)state;
	stat(name, &before);
	for (int i = 0; i < 100; i++) /* also when its backlog is full */
		assert_int_equal(listened(i % 3 ? SOCK_STREAM : SOCK_SEQPACKET), -EADDRINUSE);
	assert_int_equal(stat(name, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	close(fd);
}

/* Files, directories, pipes, links to a dead one's socket: all of them stay what they are. */
static void what_is_no_socket_stays(void **state)
{
	static const char *const things[] = {
		"echo precious >%s", "mkdir %s",   "mkfifo %s", "ln -s /etc/passwd %s",
		"ln -s nowhere %s",  "ln file %s", "touch %s",
	};

	(void)state;
	assert_int_equal(shell("echo file >%s/file", dir), 0);
	for (size_t i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
		struct stat before, after;
		char make[100];

		snprintf(make, sizeof(make), things[i], "s");
		assert_int_equal(shell("cd %s && %s", dir, make), 0);
		assert_int_equal(lstat(name, &before), 0);
		assert_int_equal(listened(SOCK_STREAM), -EEXIST);
		rf_unix_vanish(name);
		assert_int_equal(lstat(name, &after), 0);
		assert_true(before.st_ino == after.st_ino && before.st_size == after.st_size);
		assert_int_equal(shell("rm -rf %s", name), 0);
	}
}

static void a_socket_vanishes(void **state)
{
	int fd = listened(SOCK_STREAM);

	(void)state;
	rf_unix_vanish(name);
	assert_int_equal(is_socket(name), -ENOENT);
	rf_unix_vanish(name); /* nothing there: nothing happens */
	close(fd);
}

static void a_name_that_is_too_long_or_nowhere_is_refused(void **state)
{
	char longer[200];
	const char *why;

	(void)state;
	memset(longer, 'x', sizeof(longer));
	longer[108] = '\0';
	assert_int_equal(rf_unix_listen(longer, SOCK_STREAM, 0, &why), -ENAMETOOLONG);
	assert_int_equal(rf_unix_listen("/nowhere/at/all", SOCK_STREAM, 0, &why), -ENOENT);
	assert_string_equal(why, strerror(ENOENT));
}

/* ---- the shipped programs --------------------------------------------------------------- */

/* Runs a configuration until it ends or is ready; its exit code. */
static int run_with(const char *run_dir, const char *socket_name)
{
	assert_int_equal(shell("cp policy/null_blk.policy %s/null.policy; cat >%s/conf <<END\n"
			       "run-dir %s\npolicy-dir %s\ndriver-dir $PWD/build/drivers\n"
			       "device d\n  policy null\n  export nbd %s\nEND\n",
			       dir, dir, run_dir, dir, socket_name), 0);
	return shell("timeout -s TERM 20 build/bin/ringfence run %s/conf >%s/log 2>&1", dir, dir);
}

static void the_supervisor_deletes_no_file(void **state)
{
	char run_dir[100], precious[100];

	(void)state;
	snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
	snprintf(precious, sizeof(precious), "%s/precious", dir);
	assert_int_equal(shell("mkdir %s; echo data >%s", run_dir, precious), 0);
	int code = run_with(run_dir, precious);
	shell("sed 's/^/# /' %s/log", dir);
	assert_int_equal(code, 69);
	assert_int_equal(shell("grep -q data %s && grep -q 'no socket' %s/log", precious, dir), 0);

	assert_int_equal(shell("rm -f %s/control; echo data >%s/control", run_dir, run_dir), 0);
	code = run_with(run_dir, name);
	shell("sed 's/^/# /' %s/log", dir);
	assert_int_equal(code, 69);
	assert_int_equal(shell("grep -q data %s/control && grep -q 'no socket' %s/log", run_dir,
			       dir),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_free_name_and_a_dead_ones_are_taken, setup,
		  teardown),
		cmocka_unit_test_setup_teardown(a_living_ones_name_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_socket_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(a_socket_vanishes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_name_that_is_too_long_or_nowhere_is_refused,
		  setup, teardown),
		cmocka_unit_test_setup_teardown(the_supervisor_deletes_no_file, setup, teardown),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
