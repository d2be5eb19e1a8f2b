/* SPDX-License-Identifier: MIT */
/*
 * run_ringfence.h - `ringfence run` with one disk behind a vfio-user server, in a directory of its
 * own: what it says, how it ends and what it leaves.
 *
 * Room:   tests/unit. Runs the built programs, as they are, on this machine.
 */
#ifndef RF_RUN_RINGFENCE_H
#define RF_RUN_RINGFENCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE 60 /* seconds for anything; each takes one or a few */

static char dir[64], said[16384];
static uid_t run_as; /* 0: as we are */

static void path(char *to, size_t room, const char *name)
{
	snprintf(to, room, "%s/%s", dir, name);
}

static void begin(void)
{
	char conf[96];

	strcpy(dir, "/tmp/rf-user-XXXXXX");
	assert_non_null(mkdtemp(dir));
	path(conf, sizeof(conf), "rf.conf");
	FILE *f = fopen(conf, "w");
	assert_non_null(f);
	fprintf(f, "run-dir %s/run\ndevice disk0\n  policy nvme\n  socket %s/dev.sock\n"
		   "  export nbd %s/nbd.sock\n", dir, dir, dir);
	fclose(f);
	if (run_as)
		assert_int_equal(chown(dir, run_as, run_as), 0);
}

static void end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

/* A program with its output in a file of the directory. */
static pid_t run(const char *log, const char *const *argv)
{
	char file[96];

	path(file, sizeof(file), log);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid)
		return pid;
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND, 0644);
	dup2(fd, 1);
	dup2(fd, 2);
	if (run_as && (setgroups(0, NULL) || setresgid(run_as, run_as, run_as) ||
		       setresuid(run_as, run_as, run_as)))
		_exit(127);
	/* A test that fails leaves nothing behind that holds its files, or another's lock. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

static pid_t run_ringfence(void)
{
	char conf[96];

	path(conf, sizeof(conf), "rf.conf");
	return run("log", (const char *const[]){ "build/bin/ringfence", "run", conf, NULL });
}

static int exit_code(pid_t pid)
{
	int status;

	for (int i = 0; i < DEADLINE * 100; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		usleep(10000);
	}
	kill(pid, SIGKILL);
	fail_msg("it does not end");
	return -1;
}

static void read_file(const char *name)
{
	char file[96];

	path(file, sizeof(file), name);
	FILE *f = fopen(file, "r");
	said[0] = '\0';
	if (!f)
		return;
	said[fread(said, 1, sizeof(said) - 1, f)] = '\0';
	fclose(f);
}

/* Waits until the log has the text so many times. */
static void log_has(const char *text, int times)
{
	for (int i = 0; i < DEADLINE * 20; i++) {
		int n = 0;

		read_file("log");
		for (const char *p = said; (p = strstr(p, text)); p++)
			n++;
		if (n >= times)
			return;
		usleep(50000);
	}
	fail_msg("wanted \"%s\" %d times in: %s", text, times, said);
}

static void nothing_is_left(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)))
		if (!strcmp(e->d_name, "nbd.sock"))
			fail_msg("its export's socket is still there");
	closedir(d);
}

/* ---- the model ----------------------------------------------------------------------- */

/* value NULL: an option without one. */
static pid_t run_model_with(const char *key, const char *value)
{
	char sock[96];

	path(sock, sizeof(sock), "dev.sock");
	unlink(sock);
	pid_t pid = run("model", (const char *const[]){ "build/models/nvme", "--socket", sock,
							"--size", "16M", key, value, NULL });
	for (int i = 0; i < DEADLINE * 100 && access(sock, F_OK); i++)
		usleep(10000);
	return pid;
}

static pid_t run_model(void)
{
	return run_model_with(NULL, NULL);
}

static void kill_model(pid_t pid)
{
	char sock[96];

	path(sock, sizeof(sock), "dev.sock");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(sock);
}

#endif
