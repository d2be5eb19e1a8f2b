/* SPDX-License-Identifier: MIT */
/* calls.c - attacks by system calls: every number, by every door. See attack.h. Room:
 * tests/attacks. */
#include "attack.h"

#include <linux/audit.h>
#include <sys/syscall.h>

#define X32       0x40000000u
#define LAST_CALL 480u /* none of the three tables goes further */

extern bool attack_quick;

/* ---- every system call ---------------------------------------------------------- */

/*
 * uretprobe and uprobe, which Linux has since 6.11 and 6.18: such kernels let them past every
 * filter, and refuse whoever does not come from a trampoline that the kernel itself has made
 * for a probe: by SIGILL, or with ENXIO.
 */
static bool probe_call(const uint64_t *param)
{
	return !param[1] && (param[0] == 335 || param[0] == 336);
}

/* Has this kernel the entry of 32-bit programs? One without it answers int 0x80 with SIGSEGV,
 * whoever comes, and no filter is asked. */
static bool i386_entry(void)
{
	static int known = -1;
	int status;

	if (known >= 0)
		return known;
	pid_t pid = fork();
	MUST(pid >= 0);
	if (!pid) {
		long getpid_result = 20;

		signal(SIGSEGV, SIG_DFL);
		__asm__ volatile("int $0x80"
				 : "+a"(getpid_result)
				 :
				 : "memory", "r8", "r9", "r10", "r11");
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	known = !(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	return known;
}

/* One call of evil_call: killed by the filter, and the record names it. */
static bool call_dies(const struct attack *a, enum mode mode, const uint64_t *param, char *what)
{
	struct target t;
	uint32_t arch = param[1] ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;

	target_init(&t, a->image);
	memcpy(t.param, param, sizeof(t.param));
	MUST(!target_spawn(&t, attack_off(a, mode)));
	target_wait(&t, 3000);
	const struct rf_exit_info *v = &t.exit_info;
	bool killed =
	    t.ended && WIFSIGNALED(t.status) &&
	    (WTERMSIG(t.status) == SIGSYS || (probe_call(param) && WTERMSIG(t.status) == SIGILL));
	bool named = v->seen & RF_SEEN_END && (uint64_t)v->call == param[0] && v->arch == arch;
	bool through = t.page->stage == EVIL_THROUGH;

	if (probe_call(param) && through && t.page->value == -ENXIO)
		killed = named = true;
	if (param[1] && !i386_entry() && t.ended && WIFSIGNALED(t.status) &&
	    WTERMSIG(t.status) == SIGSEGV)
		killed = named = true;
	if (!killed || !named)
		snprintf(what, WHAT, "call %#llx entry %llu: %s", (unsigned long long)param[0],
			 (unsigned long long)param[1],
			 through  ? "came back"
			 : killed ? "killed, but the record names another"
				  : "not killed");
	target_end(&t);
	return killed && named;
}

/* arg: 0 x86-64, 1 x32, 2 i386. */
static enum outcome attack_sweep(const struct attack *a, enum mode mode, char *what)
{
	unsigned tried = 0;

	if (mode == CONTROL) {
		/* getpid, by each door */
		const uint64_t nr = a->arg == 2 ? 20 : a->arg == 1 ? X32 | 39 : 39;
		const uint64_t param[4] = {nr, a->arg == 2, 0, 0};
		struct target t;

		target_init(&t, a->image);
		memcpy(t.param, param, sizeof(param));
		enum outcome o = attack_go(a, mode, &t, what);
		/* A kernel without this table says ENOSYS, or kills a process that comes so. */
		return (o == THROUGH && strstr(what, "(-38)")) || (a->arg == 2 && !i386_entry())
			   ? attack_not_shown(what, "this kernel has no such entry")
			   : o;
	}
	for (unsigned later = 0; later < 2; later++)
		for (unsigned nr = 0; nr < LAST_CALL; nr += attack_quick ? 61 : 1) {
			uint64_t param[4] = {nr | (a->arg == 1 ? X32 : 0), a->arg == 2, later, 77};

			/* exit_group is allowed; read and write are with other arguments. */
			if (!a->arg && nr == 231)
				continue;
			if (!call_dies(a, mode, param, what))
				return BROKEN;
			tried++;
		}
	snprintf(what, WHAT, "%u tries, all killed and named", tried);
	return STOPPED;
}

static enum outcome attack_arguments(const struct attack *a, enum mode mode, char *what)
{
	static const uint64_t fds[] = {2,
				       3,
				       4,
				       5,
				       63,
				       255,
				       1023,
				       0x7fffffff,
				       0xffffffff,
				       1ull << 32,
				       (1ull << 32) + 1,
				       1ull << 63,
				       ~0ull};
	unsigned tried = 0;

	if (mode == CONTROL) {
		const uint64_t param[4] = {SYS_write, 0, 0, 1ull << 32};
		struct target t;

		target_init(&t, a->image);
		memcpy(t.param, param, sizeof(param));
		return attack_go(a, mode, &t, what);
	}
	for (unsigned nr = SYS_read; nr <= SYS_write; nr++)
		for (unsigned i = 0; i <= sizeof(fds) / sizeof(fds[0]); i++) {
			uint64_t other = nr == SYS_read ? 1 : 0;
			uint64_t param[4] = {nr, 0, i & 1, i ? fds[i - 1] : other};

			if (!call_dies(a, mode, param, what))
				return BROKEN;
			tried++;
		}
	snprintf(what, WHAT, "%u tries, all killed and named", tried);
	return STOPPED;
}

const struct attack attacks_calls[] = {
    {.name = "every x86-64 system call, first and later",
     .image = "evil_call",
     .wall = RF_WALL_SECCOMP,
     .run = attack_sweep,
     .arg = 0,
     .quick = true},
    {.name = "every x32 system call, first and later",
     .image = "evil_call",
     .wall = RF_WALL_SECCOMP,
     .run = attack_sweep,
     .arg = 1,
     .quick = true},
    {.name = "every i386 system call, first and later",
     .image = "evil_call",
     .wall = RF_WALL_SECCOMP,
     .run = attack_sweep,
     .arg = 2,
     .quick = true},
    {.name = "allowed calls with other descriptors",
     .image = "evil_call",
     .wall = RF_WALL_SECCOMP,
     .run = attack_arguments,
     .quick = true},
    {.name = "enter by the vsyscall page", .image = "evil_vsyscall", .wall = RF_WALL_SECCOMP},
    {.name = "forge a signal frame", .image = "evil_sigreturn", .wall = RF_WALL_SECCOMP},
    {0},
};
