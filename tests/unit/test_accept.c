/* SPDX-License-Identifier: MIT */
/*
 * test_accept.c - whatever the kernel answers to accept(), an export lives on: rf-lwip and rf-nbd,
 * as shipped and locked, and each errno there is.
 *
 * Room:   tests/unit.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/config/lwip_words.c"
#include "sandbox/lib/packet.c"
#include "sandbox/lib/words.c"

static int scripted_errno;

static int scripted_accept(int fd, struct sockaddr *peer, socklen_t *length, int flags)
{
	(void)fd, (void)peer, (void)length, (void)flags;
	errno = scripted_errno;
	return -1;
}
#define accept4 scripted_accept
#include "sandbox/lib/accept.c"
#undef accept4

#include "wire_stack.h"
#include "wire_nbd.h"

static const char *const lines[] = {
	"address 10.9.0.2/24",
	"gateway 10.9.0.1",
	"disk ram lwip-tcp *:10809 allow 10.9.0.0/24",
	"socks tcp:127.0.0.1:1080", /* SOCKS */
	NULL,
};
enum { SOCKS = 1 };

static struct wire_stack s;
static struct exported e;

/* ---- each errno --------------------------------------------------------------------- */

static bool ends_the_process(int err)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		scripted_errno = err;
		(void)!freopen("/dev/null", "w", stderr);
		_exit(rf_accept(0, NULL, NULL) < 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) &&
		    (!WEXITSTATUS(status) || WEXITSTATUS(status) == RF_EXIT_BUG));
	return WEXITSTATUS(status);
}

static void only_a_listener_that_is_none_ends_the_process(void **unused)
{
	(void)unused;
	for (int err = 1; err < 134; err++)
		assert_int_equal(ends_the_process(err),
				 err == EBADF || err == EINVAL || err == ENOTSOCK || err == EFAULT);
}

static void what_lacks_is_told_from_who_is_gone(void **unused)
{
	(void)unused;
	static const struct { int err, says;
	} all[] = {
		{ EAGAIN, -EAGAIN },
		{ EINTR, -ECONNABORTED },
		{ ECONNABORTED, -ECONNABORTED },
		{ EPROTO, -ECONNABORTED },
		{ ENETDOWN, -ECONNABORTED },
		{ EMFILE, -ENOBUFS },
		{ ENFILE, -ENOBUFS },
		{ ENOMEM, -ENOBUFS },
		{ ENOBUFS, -ENOBUFS },
		{ EPERM, -ENOBUFS },
	};

	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
		scripted_errno = all[i].err;
		assert_int_equal(rf_accept(0, NULL, NULL), all[i].says);
	}
}

/* ---- the programs -------------------------------------------------------------------- */

/* From now on accept4() fails with `err` in this process and in all that it runs. */
static void refuse(int err)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_accept4, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(*f), f };

	rig_must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
		 !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), "seccomp");
}

/* Runs `try` in a process of its own; 0: all it judged was right. */
static void apart(void (*try)(int), int err)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		refuse(err);
		try(err);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		print_message("# accept4: %s\n", strerror(err));
	assert_int_equal(status, 0);
}

/* Processor time it used, in ms: its clock has the process in its number (clock_getcpuclockid). */
static uint64_t used_ms(pid_t pid)
{
	clockid_t clock = (clockid_t)(~(unsigned)pid << 3 | 2); 

	return rf_clock_ns(clock) / 1000000;
}

static void stack_lives(int err)
{
	(void)err;
	wire_start(&s, lines, false);
	wire_ready(&s, 10809);
	int fd = wire_dial(&s, SOCKS, INADDR_LOOPBACK);
	for (int i = 0; i < 20; i++)
		rig_must(wire_settle(&s.peer), "the stack is gone");
	rig_must(wire_alive(&s), "rf-lwip is dead");
	close(fd);
	rig_must(wire_end(&s), "rf-lwip's end");
}

static int nbd_dial(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(at.sun_path, e.socket);
	rig_must(!connect(fd, (struct sockaddr *)&at, sizeof(at)), "connect");
	return fd;
}

/* The first 8 bytes that a client hears. */
static bool nbd_greets(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char hello[8];

	return poll(&p, 1, ms) == 1 && recv(fd, hello, 8, MSG_WAITALL) == 8 &&
	       !memcmp(hello, "NBDMAGIC", 8);
}

static bool nbd_alive(void)
{
	siginfo_t info = { 0 };

	return !waitid(P_PID, (id_t)e.pid, &info, WEXITED | WNOHANG | WNOWAIT) && !info.si_pid;
}

static void nbd_start(void)
{
	exported_init(&e, 1 << 20);
	exported_serve(&e, getenv("RF_NBD") ? getenv("RF_NBD") : "build/bin/rf-nbd");
}

static void nbd_lives(int err)
{
	nbd_start();
	int fd = nbd_dial();
	rig_must(!nbd_greets(fd, 1000), "a greeting");
	rig_must(nbd_alive(), "rf-nbd is dead");
	/* A kernel takes away who is gone, which this one does not. */
	bool gone = err == ECONNABORTED || err == EPROTO;
	rig_must(gone || used_ms(e.pid) < 300, "rf-nbd spins");
	close(fd);
	rig_must(!exported_end(&e), "rf-nbd's end");
}

static const int kinds[] = { ENOMEM, EPROTO, ENOBUFS, EMFILE, EPERM, ECONNABORTED };

static void the_stack_outlives_them(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		apart(stack_lives, kinds[i]);
}

static void the_nbd_server_outlives_them(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		apart(nbd_lives, kinds[i]);
}

/* Who came while there were no descriptors is served when there are. */
static void who_waited_is_served_then(void **unused)
{
	(void)unused;
	struct rlimit none, old;

	nbd_start();
	int first = nbd_dial();
	assert_true(nbd_greets(first, WIRE_DEADLINE_MS));
	assert_int_equal(prlimit(e.pid, RLIMIT_NOFILE, NULL, &old), 0);
	none = (struct rlimit){ 3, old.rlim_max };
	assert_int_equal(prlimit(e.pid, RLIMIT_NOFILE, &none, NULL), 0);
	int fd = nbd_dial();
	assert_false(nbd_greets(fd, 500));
	assert_true(nbd_alive());
	assert_int_equal(prlimit(e.pid, RLIMIT_NOFILE, &old, NULL), 0);
	assert_true(nbd_greets(fd, WIRE_DEADLINE_MS));
	close(fd);
	close(first);
	assert_int_equal(exported_end(&e), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_listener_that_is_none_ends_the_process),
		cmocka_unit_test(what_lacks_is_told_from_who_is_gone),
		cmocka_unit_test(the_stack_outlives_them),
		cmocka_unit_test(the_nbd_server_outlives_them),
		cmocka_unit_test(who_waited_is_served_then),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("accept", tests, NULL, NULL);
}
