/* SPDX-License-Identifier: MIT */
/*
 * test_privileged_lists.c - the system call lists of keeper, supervisor and broker, in real
 * processes: what they must not do ends them, and the same is done where nobody forbids it.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build/gen/privileged/filters.h"
#include "sandbox/lib/filter.c"

typedef void deed(void);

static void forks(void)    { if (!syscall(SYS_fork)) _exit(0); }
static void executes(void) { (void)!syscall(SYS_execve, "/nonexistent", NULL, NULL); }
static void signals(void)  { (void)!kill(getppid(), 0); }
static void traces(void)   { (void)!ptrace(PTRACE_PEEKUSER, getppid(), 0, 0); }
static void changes(void)  { (void)!syscall(SYS_setuid, getuid()); }
static void mounts(void)   { (void)!syscall(SYS_mount, "x", "/nonexistent", "x", 0, 0); }
static void unshares(void) { (void)!syscall(SYS_unshare, 0); }
static void loads(void)    { (void)!syscall(SYS_init_module, 0, 0, 0); }
static void turns(void)    { (void)!ioctl(0, 0x1234); }
static void maps_code(void)
{
	(void)!mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void makes_inet_pair(void)
{
	int p[2];
	(void)!socketpair(AF_INET, SOCK_STREAM, 0, p);
}

/* What a keeper could turn its tracing into. */
static void pokes(void)    { (void)!ptrace(PTRACE_POKEUSER, getppid(), 0, 0); }
static void sets(void)     { (void)!ptrace(PTRACE_SETREGSET, getppid(), 1, NULL); }
static void attaches(void) { (void)!ptrace(PTRACE_ATTACH, -1, 0, 0); }
static void writes_into(void)
{
	(void)!syscall(SYS_process_vm_writev, getpid(), NULL, 0, NULL, 0, 0);
}
static void opens_file(void) { (void)!syscall(SYS_open, "/dev/null", O_RDWR); }
static void maps_data(void)
{
	(void)!mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void shares_memory(void)
{
	(void)!mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}
/* All that a keeper maps is memory of its own, which holds no code. */
static void takes_memory(void)
{
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	    MAP_FAILED)
		_exit(1);
}
static void connects(void)
{
	struct sockaddr nobody = { .sa_family = AF_UNIX };
	(void)!connect(socket(AF_UNIX, SOCK_STREAM, 0), &nobody, sizeof(nobody));
}
static void unlinks(void) { (void)!syscall(SYS_unlink, "/nonexistent"); }
static void turns_interface(void) { (void)!ioctl(0, SIOCSIFMTU, 0); }

/* What the supervisor's work is. */
static void opens(void)
{
	int fd = (int)syscall(SYS_open, "/dev/null", O_RDWR);
	if (write(fd, "x", 1) != 1)
		_exit(1);
	close(fd);
}
static void remembers(void)
{
	if (memfd_create("x", MFD_CLOEXEC) < 0)
		_exit(1);
}

/* What the keeper's is: it seizes a child, sees it stop, kills and reaps it. */
static pid_t child;
static void traces_child(void)
{
	int status;

	if (ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACEEXIT) || kill(child, SIGKILL))
		_exit(1);
	while (waitpid(child, &status, 0) == child && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, child, 0, 0);
	if (!WIFSIGNALED(status))
		_exit(1);
}
static void makes_pair(void)
{
	int p[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p) || close(p[0]) || close(p[1]))
		_exit(1);
}

/* Wait status of a process that did it, behind that list or none. */
static int outcome(deed *d, const char *list)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		const struct rf_filter *f = rf_filters;

		pid_t parent = getpid();
		if (!(child = fork())) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			while (getppid() == parent)
				pause();
			_exit(0);
		}
		while (list && strcmp(f->name, list))
			f++;
		if (list && rf_filter_set(f->code, f->count))
			_exit(2);
		d();
		syscall(SYS_exit_group, 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void ends(const char *list, deed *const *deeds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int status = outcome(deeds[i], list);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
		/* Control: without the list it lives on. */
		assert_int_equal(outcome(deeds[i], NULL), 0);
	}
}
#define ENDS(list, deeds) ends(list, deeds, sizeof(deeds) / sizeof((deeds)[0]))

static void what_a_supervisor_must_not_do_ends_it(void **state)
{
	static deed *const deeds[] = { forks,           executes, traces,  mounts,
				       unshares,        loads,    turns,   maps_code,
				       makes_inet_pair, changes,  signals, turns_interface,
				       connects,        unlinks };

	(void)state;
	ENDS("supervisor", deeds);
}

static void what_a_keeper_must_not_do_ends_it(void **state)
{
	static deed *const deeds[] = {
		forks, executes,  traces,          mounts,     unshares,  loads,
		turns, maps_code, makes_inet_pair, changes,    signals,   pokes,
		sets,  attaches,  writes_into,     opens_file, maps_data, turns_interface,
		shares_memory
	};

	(void)state;
	ENDS("keeper", deeds);
}

static void what_a_broker_must_not_do_ends_it(void **state)
{
	static deed *const deeds[] = { forks,   executes,   traces,    mounts,    unshares,
				       loads,   turns,      maps_code, maps_data, changes,
				       signals, makes_pair, attaches };

	(void)state;
	ENDS("broker", deeds);
}

static void their_work_goes_on(void **state)
{
	(void)state;
	assert_int_equal(outcome(opens, "supervisor"), 0);
	assert_int_equal(outcome(remembers, "supervisor"), 0);
	assert_int_equal(outcome(traces_child, "keeper"), 0);
	assert_int_equal(outcome(makes_pair, "keeper"), 0);
	assert_int_equal(outcome(takes_memory, "keeper"), 0);
	assert_int_equal(outcome(opens, "broker"), 0);
	assert_int_equal(outcome(connects, "broker"), 0);
	assert_int_equal(outcome(unlinks, "broker"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_supervisor_must_not_do_ends_it),
		cmocka_unit_test(what_a_keeper_must_not_do_ends_it),
		cmocka_unit_test(what_a_broker_must_not_do_ends_it),
		cmocka_unit_test(their_work_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
