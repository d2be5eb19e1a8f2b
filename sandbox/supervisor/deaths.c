/* SPDX-License-Identifier: MIT */
/* deaths.c - see deaths.h. Room: sandbox/supervisor, no privilege. */
#include "deaths.h"

#include <linux/audit.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "ending.h"

#define X32_BIT   0x40000000u

typedef unsigned long long ull;

/* Text in a buffer, cut where it does not fit. */
struct text {
	char *at;
	size_t room, used;
};

static void deaths_append(struct text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void deaths_append(struct text *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(t->at + t->used, t->room - t->used, fmt, args);
	va_end(args);
	t->used += n > 0 ? (size_t)n : 0;
	if (t->used >= t->room)
		t->used = t->room - 1;
}

/* ---- the system call ------------------------------------------------------------- */

static const char *abi_name(const struct rf_exit_info *v)
{
	if (v->arch == AUDIT_ARCH_I386)
		return "i386";
	if (v->arch != AUDIT_ARCH_X86_64)
		return "unknown";
	return v->call >= 0 && v->call & X32_BIT ? "x32" : "x86-64";
}

/* Did the filter kill it, for a system call that is not in its list? */
static bool by_list(const struct rf_keep_msg *m)
{
	return WIFSIGNALED(m->status) && WTERMSIG(m->status) == SIGSYS &&
	       m->exit_info.seen & RF_SEEN_END && !(m->exit_info.seen & RF_SEEN_SIGNAL);
}

/* ---- the wall ----------------------------------------------------------------------- */

bool rf_death_ran(const struct rf_keep_msg *m)
{
	return m->walls.locked;
}

static bool is_fault(const struct rf_keep_msg *m)
{
	int sig = m->exit_info.signal;

	return m->exit_info.seen & RF_SEEN_SIGNAL && m->exit_info.code > 0 &&
	       (sig == SIGSEGV || sig == SIGBUS);
}

/* The wall that killed it; NULL: none, or none was seen. */
static const char *wall_of(const struct rf_keep_msg *m)
{
	if (by_list(m))
		return rf_wall_names[RF_WALL_SECCOMP];
	if (is_fault(m))
		return rf_wall_names[RF_WALL_MAPS];
	if (WIFSIGNALED(m->status) && WTERMSIG(m->status) == SIGXFSZ)
		return rf_wall_names[RF_WALL_FSIZE];
	return NULL;
}

/* Says where the instruction lies: in the image, in the trampoline, or elsewhere. */
static void deaths_place(struct text *t, const struct rf_keep_msg *m, const char *image,
			 const char *trampoline, const char *elsewhere)
{
	/* After a system call the instruction pointer is behind it; all system call instructions
	 * have two bytes. */
	uint64_t ip = m->exit_info.ip - (by_list(m) ? 2 : 0);

	if (m->walls.locked && ip - m->walls.image < m->walls.image_bytes)
		deaths_append(t, image, (ull)(ip - m->walls.image));
	else if (m->walls.locked && ip - m->walls.trampoline < 4096)
		deaths_append(t, trampoline, (ull)(ip - m->walls.trampoline));
	else
		deaths_append(t, elsewhere, (ull)ip);
}

/* ---- words ----------------------------------------------------------------------------- */

static void call_words(struct text *t, const struct rf_keep_msg *m)
{
	const struct rf_exit_info *v = &m->exit_info;

	deaths_append(t,
	    "made a system call that is not on its list: %s (%s, number %lld) with (%#llx, %#llx, "
	    "%#llx, %#llx, %#llx, %#llx)",
	    rf_call_name(v), abi_name(v), (long long)(v->call & ~(int64_t)X32_BIT), (ull)v->args[0],
	    (ull)v->args[1], (ull)v->args[2], (ull)v->args[3], (ull)v->args[4], (ull)v->args[5]);
}

static void signal_words(struct text *t, const struct rf_keep_msg *m)
{
	const struct rf_exit_info *v = &m->exit_info;

	if (!(v->seen & RF_SEEN_SIGNAL))
		deaths_append(
			t, "died of signal %d (%s)%s", WTERMSIG(m->status),
			rf_signal_name(WTERMSIG(m->status)),
			WTERMSIG(m->status) == SIGKILL
				? ": somebody killed it, as the kernel does where memory is short"
			: v->seen ? ""
				  : ", no stop showed why");
	else if (is_fault(m))
		deaths_append(t, "touched %#llx, which it may not (%s)", (ull)v->address,
		    rf_signal_name(v->signal));
	else if (v->code > 0)
		deaths_append(t, "died of signal %d (%s)", v->signal, rf_signal_name(v->signal));
	else if (v->address)
		deaths_append(t, "got signal %d (%s) from process %llu", v->signal,
			   rf_signal_name(v->signal), (ull)v->address);
	else
		/* The sender is outside of the driver's PID namespace, and has no pid there. */
		deaths_append(t, "got signal %d (%s) from outside", v->signal,
			   rf_signal_name(v->signal));
}

void rf_death_words(const struct rf_keep_msg *m, char *text, size_t room)
{
	struct text t = {text, room, 0};
	const char *wall = wall_of(m);

	text[0] = 0;
	if (WIFEXITED(m->status)) {
		deaths_append(&t, "ended with code %d%s", WEXITSTATUS(m->status),
		    rf_death_ran(m) ? "" : " before its image ran");
		return;
	}
	if (by_list(m))
		call_words(&t, m);
	else
		signal_words(&t, m);
	if (wall || m->exit_info.seen & RF_SEEN_SIGNAL)
		deaths_place(&t, m, ", at image+%#llx", ", in the trampoline+%#llx",
			     ", at %#llx outside its image");
	if (wall)
		deaths_append(&t, "; wall: %s", wall);
}

/* ---- JSON ------------------------------------------------------------------------------- */

void rf_death_json(const struct rf_keep_msg *m, const char *device, uint32_t queue, char *text,
		   size_t room)
{
	const struct rf_exit_info *v = &m->exit_info;
	struct text t = {text, room, 0};
	unsigned generation = 0;

	text[0] = 0;
	sscanf(strrchr(m->name, '.') ? strrchr(m->name, '.') + 1 : "0", "%u", &generation);
	deaths_append(&t,
		   "{\"time\":%lld.%03ld,\"device\":\"%s\",\"generation\":%u,\"queue\":%u,"
		   "\"pid\":%d,\"ran\":%s",
		   (long long)(m->time_ns / 1000000000), (long)(m->time_ns % 1000000000 / 1000000),
		   device, generation, queue, m->pid, rf_death_ran(m) ? "true" : "false");
	if (WIFEXITED(m->status))
		deaths_append(&t, ",\"exit_code\":%d", WEXITSTATUS(m->status));
	else
		deaths_append(&t, ",\"signal\":%d", WTERMSIG(m->status));
	if (wall_of(m))
		deaths_append(&t, ",\"wall\":\"%s\"", wall_of(m));
	if (by_list(m)) {
		deaths_append(&t, ",\"syscall\":\"%s\",\"number\":%lld,\"abi\":\"%s\",\"args\":[",
		    rf_call_name(v), (long long)(v->call & ~(int64_t)X32_BIT), abi_name(v));
		for (int i = 0; i < 6; i++)
			deaths_append(&t, "%s\"%#llx\"", i ? "," : "", (ull)v->args[i]);
		deaths_append(&t, "]");
	}
	if (v->seen & RF_SEEN_SIGNAL)
		deaths_append(&t, ",\"signal_code\":%d,\"%s\":\"%#llx\"", v->code,
		    v->code > 0 ? "fault_address" : "sender_pid", (ull)v->address);
	if (v->seen)
		deaths_place(&t, m, ",\"image_offset\":\"%#llx\"", ",\"gate_offset\":\"%#llx\"",
			     ",\"ip\":\"%#llx\"");
	deaths_append(&t, ",\"registers\":%s}\n",
	    v->seen & RF_SEEN_END ? "\"exit stop\""
	    : v->seen             ? "\"signal stop\""
				  : "\"no stop came\"");
}
