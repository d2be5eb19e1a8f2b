/* SPDX-License-Identifier: MIT */
/*
 * test_ask.c - `ringfence status` and `bundle`, asking whoever has made the run-dir below /tmp
 * first: what he answers ends nobody, keeps nobody waiting, and does nothing to a terminal.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define ASK_PATIENCE_S 1

#include "sandbox/lib/ending.c"
#include "sandbox/lib/log.c"
#include "sandbox/lib/packet.c"
#include "sandbox/lib/walls.c"
#include "sandbox/cli/ask.c"
#include "sandbox/cli/bundle.c"
#include "sandbox/proto/histogram.c"
#include "sandbox/cli/show.c"
#include "sandbox/cli/show_latency.c"

static char dir[64], path[96];
static int listener;
static struct rf_snapshot answer;
static int stats; /* goes with it; -1: none */
static bool mute;

static int setup(void **unused)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	(void)unused;
	strcpy(dir, "/tmp/ringfence-ask.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/control", dir);
	strcpy(at.sun_path, path);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 4),
			 0);
	answer = (struct rf_snapshot){ .name = "disk0", .pci = "0000:01:00.0", .driver = "nvme" };
	stats = -1;
	mute = false;
	return 0;
}

static int teardown(void **unused)
{
	char command[128];

	(void)unused;
	close(listener);
	if (stats >= 0)
		close(stats);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* One client, who is answered as above. */
static void *supervisor(void *unused)
{
	int fds[RF_PACKET_FDS], count, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct rf_answer end = { 0 };
	struct rf_ask ask;

	(void)unused;
	(void)rf_packet_recv(fd, &ask, sizeof(ask), fds, &count, 0);
	if (mute) {
		/* until it has had enough */
		(void)rf_packet_recv(fd, &ask, sizeof(ask), fds, &count, 0);
	} else {
		(void)rf_packet_send(fd, &answer, sizeof(answer), &stats, stats >= 0);
		(void)rf_packet_send(fd, &end, sizeof(end), NULL, 0);
	}
	close(fd);
	return NULL;
}

/* In a process of its own, which its output may end. Exit code, -1: a signal. */
static int asked(const char *verb, char *out, size_t room)
{
	pthread_t thread;
	int pipe_[2], status;
	size_t used = 0;
	ssize_t n;

	assert_int_equal(pthread_create(&thread, NULL, supervisor, NULL) || pipe(pipe_), 0);
	pid_t pid = fork();
	if (!pid) {
		FILE *f = fdopen(pipe_[1], "w");
		alarm(30);
		_exit(client_ask(path, verb, "disk0", f) | (fclose(f) ? 1 : 0));
	}
	close(pipe_[1]);
	while (used < room - 1 && (n = read(pipe_[0], out + used, room - 1 - used)) > 0)
		used += (size_t)n;
	out[used] = '\0';
	close(pipe_[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	pthread_join(thread, NULL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void names_cannot_do_anything_to_a_terminal(void **unused)
{
	char out[8192];

	(void)unused;
	memset(answer.name, 27, sizeof(answer.name)); /* no end */
	memset(answer.driver, '"', sizeof(answer.driver));
	memset(answer.pci, '\n', sizeof(answer.pci));
	for (int json = 0; json < 2; json++) {
		assert_int_equal(asked(json ? "status-json" : "status", out, sizeof(out)), 0);
		assert_null(strchr(out, 27));
		assert_non_null(strstr(out, "???????????"));
		assert_null(strstr(out, "\"\"\""));
	}
}

static void memory_that_ends_early_is_not_looked_at(void **unused)
{
	static const char *const verbs[] = { "status", "status-json", "recoveries" };
	char out[8192];

	(void)unused;
	for (int i = 0; i < 3; i++) {
		stats = memfd_create("stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		assert_int_equal(asked(verbs[i], out, sizeof(out)), 0);
		/* Long enough now, and perhaps not later. */
		assert_int_equal(ftruncate(stats, RF_STATS_BYTES), 0);
		assert_int_equal(asked(verbs[i], out, sizeof(out)), 0);
		assert_null(strstr(out, "\"completed\""));
		assert_int_equal(fcntl(stats, F_ADD_SEALS, F_SEAL_SHRINK), 0);
		assert_int_equal(asked(verbs[i], out, sizeof(out)), 0);
		assert_true(i != 1 || strstr(out, "\"completed\""));
		close(stats);
		stats = -1;
	}
}

static void who_says_nothing_is_left_alone(void **unused)
{
	char out[64];

	(void)unused;
	mute = true;
	assert_int_equal(asked("status", out, sizeof(out)), RF_EXIT_NOT_RUNNING);
}

/* Run as another user than the one who listens. */
static void another_user_is_not_asked(void **unused)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	int status, fds[RF_PACKET_FDS], count;
	struct rf_ask ask;

	(void)unused;
	if (geteuid())
		skip(); /* only root can become somebody else */
	/* It was made by root, whom everybody believes: once more, by a user. */
	close(listener);
	unlink(path);
	assert_int_equal(chmod(dir, 0777) || seteuid(1), 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	strcpy(at.sun_path, path);
	p.fd = listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int err = bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 4) ||
		  chmod(path, 0777);
	assert_int_equal(seteuid(0) || err, 0);
	pid_t pid = fork();
	if (!pid) {
		alarm(30);
		if (setuid(2))
			_exit(1);
		_exit(client_ask(path, "status", "", stdout));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == RF_EXIT_NOT_RUNNING);
	/* It was connected to, and hung up on without a word. */
	assert_int_equal(poll(&p, 1, 0), 1);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(rf_packet_recv(fd, &ask, sizeof(ask), fds, &count, 0), 0);
	close(fd);
}

static void a_pipe_among_the_reports_keeps_nobody_waiting(void **unused)
{
	char name[128];
	int status;

	(void)unused;
	snprintf(name, sizeof(name), "%s/bundles", dir);
	assert_int_equal(mkdir(name, 0700), 0);
	snprintf(name, sizeof(name), "%s/bundles/00000001-disk0-1.txt", dir);
	assert_int_equal(mkfifo(name, 0600), 0);
	snprintf(name, sizeof(name), "%s/bundles/-a-", dir);
	assert_int_equal(mkfifo(name, 0600), 0);
	pid_t pid = fork();
	if (!pid) {
		alarm(5);
		_exit(client_bundle(dir, "", NULL, stdout));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(names_cannot_do_anything_to_a_terminal),
		CASE(memory_that_ends_early_is_not_looked_at),
		CASE(who_says_nothing_is_left_alone),
		CASE(another_user_is_not_asked),
		CASE(a_pipe_among_the_reports_keeps_nobody_waiting),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("ask", tests, NULL, NULL);
}
