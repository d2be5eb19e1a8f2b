/* SPDX-License-Identifier: MIT */
/* trace.c - see trace.h. Room: sandbox/keeper, two capabilities. */
#include "trace.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

/* Behind the libc's header: glibc's clashes with it the other way round. */
#include <linux/ptrace.h>

#define STOP_EVENT(status) ((status) >> 16)

int rf_trace_seize(pid_t pid)
{
	long options = PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL;

	return ptrace(PTRACE_SEIZE, pid, 0, options) ? -errno : 0;
}

static int registers(pid_t pid, struct user_regs_struct *r)
{
	struct iovec v = {r, sizeof(*r)};

	return ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &v);
}

static void trace_keep(pid_t pid, const struct user_regs_struct *r, struct rf_exit_info *v)
{
	struct iovec to = {v->stack, sizeof(v->stack)};
	struct iovec from = {(void *)(uintptr_t)(r->rsp & ~7ull), sizeof(v->stack)};

	_Static_assert(sizeof(v->regs) == sizeof(*r), "all of them");
	memcpy(v->regs, r, sizeof(*r));
	ssize_t got = process_vm_readv(pid, &to, 1, &from, 1, 0);
	v->stack_words = got > 0 ? (uint32_t)got / 8 : 0;
}

/* The kernel says by which entry the call came; the driver's code bytes are not looked at. */
static uint32_t arch_of(pid_t pid)
{
	struct ptrace_syscall_info info = {0};

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0)
		return AUDIT_ARCH_X86_64;
	return info.arch;
}

static void call_fill(pid_t pid, struct rf_exit_info *v)
{
	struct user_regs_struct r;

	v->call = -1;
	if (registers(pid, &r))
		return;
	v->arch = arch_of(pid);
	v->call = (int64_t)r.orig_rax;
	if (!(v->seen & RF_SEEN_SIGNAL)) {
		v->ip = r.rip;
		trace_keep(pid, &r, v);
	}
	const uint64_t native[] = {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9};
	const uint64_t i386[] = {r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp};
	for (int i = 0; i < 6; i++)
		v->args[i] = v->arch == AUDIT_ARCH_I386 ? (uint32_t)i386[i] : native[i];
	v->seen |= RF_SEEN_END;
}

static void signal_fill(pid_t pid, int sig, struct rf_exit_info *v)
{
	struct user_regs_struct r;
	siginfo_t info;

	v->signal = sig;
	v->seen |= RF_SEEN_SIGNAL;
	if (!registers(pid, &r)) {
		v->ip = r.rip;
		trace_keep(pid, &r, v);
	}
	if (ptrace(PTRACE_GETSIGINFO, pid, 0, &info))
		return;
	v->code = info.si_code;
	v->address = info.si_code > 0 ? (uint64_t)(uintptr_t)info.si_addr : (uint64_t)info.si_pid;
}

static bool stops_only(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

/* Did it send itself that signal? Inside its own PID namespace a driver is number 1, and a
 * sender outside is 0. */
static bool by_itself(pid_t pid)
{
	siginfo_t info;

	return !ptrace(PTRACE_GETSIGINFO, pid, 0, &info) && info.si_code <= 0 &&
	       (info.si_pid == 1 || info.si_pid == pid);
}

static bool harmless(int sig)
{
	return sig == SIGCONT || sig == SIGCHLD || sig == SIGURG || sig == SIGWINCH;
}

/* The launcher's own timer, by which it bounds a line to the log: see launch_log.c. Behind the lock
 * nobody can set one. */
static bool own_timer(pid_t pid, int sig)
{
	siginfo_t info;

	return sig == SIGALRM && !ptrace(PTRACE_GETSIGINFO, pid, 0, &info) &&
	       info.si_code == SI_KERNEL;
}

bool rf_trace_last(int status)
{
	return STOP_EVENT(status) == PTRACE_EVENT_EXIT;
}

bool rf_trace_stop(pid_t pid, int status, struct rf_exit_info *v)
{
	int event = STOP_EVENT(status), sig = WSTOPSIG(status), deliver = 0;

	if (rf_trace_last(status)) {
		call_fill(pid, v);
	} else if (event == PTRACE_EVENT_STOP) {
		/* A driver stopped by SIGSTOP stays stopped; the stop event that follows SIGCONT
		 * lets it go on. */
		if (stops_only(sig)) {
			ptrace(PTRACE_LISTEN, pid, 0, 0);
			return true;
		}
	} else if (!event && !harmless(sig) && !stops_only(sig) && !own_timer(pid, sig)) {
		/* A traced first process of a PID namespace would survive most signals, faults
		 * included, and get them again for ever: hence SIGKILL. */
		signal_fill(pid, sig, v);
		kill(pid, SIGKILL);
		return false;
	} else if (!event && !(stops_only(sig) && by_itself(pid))) {
		deliver = sig;
	}
	/* -ESRCH: it was killed meanwhile, and needs no PTRACE_CONT. */
	ptrace(PTRACE_CONT, pid, 0, deliver);
	return false;
}
