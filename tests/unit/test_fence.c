/* SPDX-License-Identifier: MIT */
/*
 * test_fence.c - what the walls that rf-device and the exports put up around themselves stop,
 * each with its control: the same attempt with that one wall left out gets through.
 *
 * Room:   tests/unit. No list of system calls is in the way here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/lib/fence.c"
#include "sandbox/lib/landlock.c"
#include "sandbox/lib/log.c"
#include "sandbox/lib/walls.c"

#define SOMEBODY 64999 /* a user with no other processes */
#define PAGE     4096u

static char victim_byte = 'v';

/* ---- attempts: whether they succeeded --------------------------------------------------- */

static bool open_file(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool make_code(void)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && !mprotect(p, PAGE, PROT_READ | PROT_EXEC);
}

static bool have_child(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

static bool take_memory(void)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED;
}

static bool leave_core(void)
{
	struct rlimit r;

	return !getrlimit(RLIMIT_CORE, &r) && r.rlim_max > 0;
}

static bool gain_privileges(void)
{
	return !prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

/* ---- each behind all walls, and behind all but its own ----------------------------------- */

static void become_somebody(void)
{
	if (!geteuid() && (setgroups(0, NULL) || setresgid(SOMEBODY, SOMEBODY, SOMEBODY) ||
			   setresuid(SOMEBODY, SOMEBODY, SOMEBODY)))
		_exit(9);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* as after an execve */
}

static bool gets_through(bool (*attempt)(void), uint64_t walls)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		become_somebody();
		if (rf_fence_apply(walls) != walls)
			_exit(8);
		_exit(attempt());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status), 0, 1);
	return WEXITSTATUS(status);
}

/* Walls this kernel can put up. */
static uint64_t known(void)
{
	int status;
	uint64_t walls = RF_FENCE_WALLS;
	static const enum rf_wall optional[] = {RF_WALL_LANDLOCK, RF_WALL_MDWE};

	for (size_t i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(!rf_fence_apply(RF_WALL_BIT(RF_WALL_NO_NEW_PRIVS) |
					      RF_WALL_BIT(optional[i])) >> optional[i] & 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status)
			walls &= ~RF_WALL_BIT(optional[i]);
	}
	return walls;
}

static void stops(enum rf_wall wall, bool (*attempt)(void))
{
	uint64_t all = known();

	if (!(all & RF_WALL_BIT(wall))) {
		print_message("this kernel has no %s\n", rf_wall_names[wall]);
		skip();
	}
	assert_false(gets_through(attempt, all));
	assert_true(gets_through(attempt, all & ~RF_WALL_BIT(wall)));
}

static void test_landlock(void **state)
{
	(void)state;
	stops(RF_WALL_LANDLOCK, open_file);
}

static void test_mdwe(void **state)
{
	(void)state;
	stops(RF_WALL_MDWE, make_code);
}

static void test_nproc(void **state)
{
	(void)state;
	stops(RF_WALL_NPROC, have_child);
}

static void test_memory(void **state)
{
	(void)state;
	stops(RF_WALL_AS, take_memory);
}

static void test_core(void **state)
{
	(void)state;
	stops(RF_WALL_CORE, leave_core);
}

static void test_no_new_privs(void **state)
{
	uint64_t only = RF_WALL_BIT(RF_WALL_NO_NEW_PRIVS);

	(void)state;
	/* Landlock cannot do without it. */
	assert_false(gets_through(gain_privileges, only));
	assert_true(gets_through(gain_privileges, RF_WALL_BIT(RF_WALL_CORE)));
}

/* ---- a neighbour of the same user looks in ------------------------------------------------ */

static bool neighbour_reads(uint64_t walls)
{
	int ready[2], leave[2], status;
	char c = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC) | pipe2(leave, O_CLOEXEC), 0);
	pid_t victim = fork();
	if (!victim) {
		close(leave[1]);
		become_somebody();
		rf_fence_apply(walls);
		(void)!write(ready[1], &c, 1);
		(void)!read(leave[0], &c, 1);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	pid_t neighbour = fork();
	if (!neighbour) {
		struct iovec to = {&c, 1}, from = {&victim_byte, 1};

		become_somebody();
		_exit(process_vm_readv(victim, &to, 1, &from, 1, 0) == 1 && c == 'v');
	}
	assert_int_equal(waitpid(neighbour, &status, 0), neighbour);
	close(leave[1]);
	assert_int_equal(waitpid(victim, NULL, 0), victim);
	close(ready[0]);
	close(leave[0]);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
	return WEXITSTATUS(status);
}

static void test_dumpable(void **state)
{
	(void)state;
	assert_false(neighbour_reads(known()));
	assert_true(neighbour_reads(known() & ~RF_WALL_BIT(RF_WALL_DUMPABLE)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_landlock), cmocka_unit_test(test_mdwe),
	    cmocka_unit_test(test_nproc),    cmocka_unit_test(test_memory),
	    cmocka_unit_test(test_core),     cmocka_unit_test(test_no_new_privs),
	    cmocka_unit_test(test_dumpable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
