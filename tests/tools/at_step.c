/* SPDX-License-Identifier: MIT */
/*
 * at_step.c - kills a process while another one stands at a given system call of a recovery.
 *
 *   at_step PID TRIGGER N|sSTEP VICTIM
 *
 * Kills TRIGGER (a driver), lets PID come as far as its Nth system call from there, or if it
 * is a device process to the first one of that step of sandbox/RECOVERY.md, and
 * kills VICTIM before that is made; VICTIM may be PID. No program has a hook for this: it is
 * traced. Prints the step. Exit 0; 2: not reached within 20 s; 77: tracing is not allowed.
 *
 * Room:   tests/tools.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device_msg.h"
#include "export.h"
#include "device_config.h"

static bool peek(pid_t pid, uint64_t at, void *to, size_t bytes)
{
	struct iovec ours = { to, bytes }, theirs = { (void *)(uintptr_t)at, bytes };

	return process_vm_readv(pid, &ours, 1, &theirs, 1, 0) == (ssize_t)bytes;
}

/* Type of the message of that size it is about to send, 0: it is none. */
static uint32_t message(pid_t pid, const struct user_regs_struct *r, size_t bytes)
{
	struct msghdr m;
	struct iovec v;
	uint32_t type = 0;

	if (r->orig_rax != SYS_sendmsg || !peek(pid, r->rsi, &m, sizeof(m)) ||
	    !peek(pid, (uint64_t)(uintptr_t)m.msg_iov, &v, sizeof(v)) || v.iov_len != bytes)
		return 0;
	return peek(pid, (uint64_t)(uintptr_t)v.iov_base, &type, sizeof(type)) ? type : 0;
}

/* The step a device process is at, from what it says to whom. */
static int step_of(pid_t pid, const struct user_regs_struct *r, int step)
{
	bool up = r->rdi == RF_DEVICE_FD_SUPERVISOR;
	uint32_t type = message(pid, r, up ? sizeof(struct rf_dev_msg) : sizeof(struct rf_svc_msg));

	if (r->orig_rax == SYS_write &&
	    (r->rdi == RF_DEVICE_FD_WAKE0 || r->rdi == RF_DEVICE_FD_WAKE1))
		return 7;
	if (!up && type == RF_SVC_DOWN)
		return 2;
	if (up && type == RF_DEV_DOWN)
		return 3; /* what follows is the reset */
	if (!up && type == RF_SVC_QUIESCED)
		return 5;
	return step == 5 ? 6 : step;
}

static void give_up(int sig)
{
	(void)sig;
	_exit(2);
}

/* At the entry of a system call, as PTRACE_O_TRACESYSGOOD says it. */
static bool entry(int status)
{
	static bool inside;

	if (WSTOPSIG(status) != (SIGTRAP | 0x80))
		return false;
	inside = !inside;
	return inside;
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 64;
	pid_t pid = atoi(argv[1]), trigger = atoi(argv[2]), victim = atoi(argv[4]);
	int until = argv[3][0] == 's' ? atoi(argv[3] + 1) : 0;
	int n = until ? 0 : atoi(argv[3]), step = 1, calls = 0, status;

	signal(SIGALRM, give_up);
	alarm(20);
	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD))
		return errno == EPERM ? 77 : 1;
	if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) || waitpid(pid, &status, __WALL) != pid)
		return 1;
	kill(trigger, SIGKILL);
	while (!calls || (until ? step < until : calls < n)) {
		struct user_regs_struct r;
		int sig = WSTOPSIG(status);
		bool real = !(status >> 16) && sig != (SIGTRAP | 0x80);

		if (ptrace(PTRACE_SYSCALL, pid, 0, real ? sig : 0) ||
		    waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
			return 1;
		if (!entry(status) || ptrace(PTRACE_GETREGS, pid, 0, &r))
			continue;
		step = step_of(pid, &r, step);
		calls++;
	}
	printf("%d\n", step);
	kill(victim, SIGKILL);
	if (victim != pid)
		ptrace(PTRACE_DETACH, pid, 0, 0);
	return 0;
}
